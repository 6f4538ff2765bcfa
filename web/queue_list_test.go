package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/labeling"
)

// Of four items one is labeled, one held, and two wait since three hours.
func TestAQueueSaysWhatWaitsWhoHasItAndWhatIsDone(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three", "formula")
	ctx := t.Context()
	if _, err := w.pool.Exec(ctx, `UPDATE items SET added_at = now() - interval '3 hours', overlap = 0, second_drawn = false, wanted = 1`); err != nil {
		t.Fatal(err)
	}
	labeler := w.as(auth.Labeler)
	address := labeler.next("sql_query")
	labeler.post(labeler.get(address).want(200).attr("#label-form", "action"), answerOn(labeler.get(address).want(200), "correct")).want(http.StatusSeeOther)
	labeler.get(labeler.next("sql_query")).want(200)
	run, _, err := w.stages.Labeling.BeginRun(ctx, auth.Product(), w.clock.now(), w.clock.now())
	if err == nil {
		err = w.stages.Labeling.EndRun(ctx, auth.Product(), run, labeling.Filled{Considered: 1728, Added: 4, Flagged: 2, LeftOut: 11, Unread: 3})
	}
	if err != nil {
		t.Fatal(err)
	}

	list := labeler.get("/queues").want(200)
	for until := time.Now().Add(20 * time.Second); !strings.Contains(list.text("#queues tbody tr"), "2 1 3 h 1 1 ") && time.Now().Before(until); {
		time.Sleep(50 * time.Millisecond) // figures over a whole queue are counted every few seconds
		list = labeler.get("/queues").want(200)
	}
	if row := list.text("#queues tbody tr"); !strings.Contains(row, "SQL answers") || !strings.Contains(row, "2 1 3 h 1 1 ") {
		t.Errorf("2 wait, 1 is reserved, the oldest is 3 hours old, 1 done, by me: %s", row)
	}
	if !strings.Contains(list.Body, "0 safety, 2 negative feedback, 0 implicit, 0 random") {
		t.Error("what waits by reason is said in words")
	}
	if words := "1,728 responses considered just now: 4 added, 2 with a further reason, 11 beyond a cap, 3 without text that may be read."; !strings.Contains(list.text("main"), words) {
		t.Errorf("the rules say what they did: %s", list.text("main"))
	}

	page := labeler.get("/queues/sql_query").want(200)
	for _, words := range []string{"Waiting 2", "Reserved 1", "Done 1", "Oldest 3 h", "Mine 1"} {
		if got := page.text(".stats"); !strings.Contains(got, words) {
			t.Errorf("want %q in %q", words, got)
		}
	}
	if !strings.Contains(page.text("main"), "100 % of what is done") {
		t.Errorf("my share is said: %s", page.text("main"))
	}
	if here := w.as(auth.Engineer).get("/queues/sql_query").want(200).text("main"); !strings.Contains(here, "1 label, holds 1, ends in") {
		t.Errorf("an engineer sees who holds what and until when: %s", here)
	}
}
