package web

import (
	"strings"
	"testing"

	"assay/internal/auth"
	"assay/labeling"
)

// Why there is nothing: in counts, to the second, and by itself until there is
// something again. The same words answer Start.
func TestAnEmptyQueueSaysWhyInCountsAndWhenItFrees(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three", "four")
	w.exec(`UPDATE items SET wanted = 2 WHERE id = (SELECT min(id) FROM items)`)
	me := w.as(auth.Labeler)
	address := me.next("sql_query")
	page := me.get(address).want(200)
	me.post(page.attr("#label-form", "action"), answerOn(page, "correct")).want(303)
	mine := me.next("sql_query")
	page = me.get(mine).want(200)
	me.post(mine+"/later", answerOn(page, "")).want(303)
	w.exec(`UPDATE reservations SET state = 'released', ended_at = now() WHERE state = 'held'`)
	for _, name := range []string{"a", "b", "c", "d"} {
		other := w.signIn(w.person(name+"@example.org", auth.Labeler))
		other.post("/queues/sql_query/next", nil).want(303)
		other.post("/queues/sql_query/next", nil).want(303)
	}
	w.exec(`UPDATE reservations SET lease_until = clock_timestamp() + interval '130 seconds' WHERE state = 'held'`)

	empty := me.get("/queues/sql_query").want(200)
	got := empty.text("#nothing-free")
	if !strings.Contains(got, "0 free, 3 reserved (next frees in 2:") || !strings.HasSuffix(got, "1 waiting for another labeler.") {
		t.Errorf("got %q", got)
	}
	if live := empty.attr("#nothing-free", "data-live"); live != "/queues/sql_query?waited=yes" {
		t.Errorf("it asks again by itself: %q", live)
	}
	if left := empty.attr("#nothing-free [data-left]", "data-left"); len(left) != 3 || left > "130" || left < "120" {
		t.Errorf("what counts down: %q", left)
	}
	me.post("/queues/next", nil).to("/queues")
	if said := me.get("/queues").want(200).text(".toast"); !strings.Contains(said, "Nothing is free for you in any queue: 0 free, 3 reserved") {
		t.Errorf("Start says so too: %q", said)
	}

	w.exec(`UPDATE reservations SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'held'`)
	again := me.get("/queues/sql_query?waited=yes").want(200)
	if got := again.text("#nothing-free"); !strings.Contains(got, "free for you now") {
		t.Errorf("what has become free is said where one waited: %q", got)
	}
	me.post(again.attr("#nothing-free form", "action"), nil).want(303)
}

// The three words of review, each with its own count.
func TestProgressHasThreeWords(t *testing.T) {
	c := labeling.Counts{Free: 5, PutOff: 2, Reserved: 4, Yours: 1, Another: 3, Beyond: 2, Given: 1, Done: 70}
	if got, want := progressOf(c), "Needs your review: 8. Needs others’ review: 9. Completed: 70."; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
	w := queued(t, "sql_query", "one", "two")
	me := w.as(auth.Labeler)
	me.next("sql_query")
	if got := me.get("/queues/sql_query").want(200).text("main"); !strings.Contains(got, "Needs your review: 2. Needs others’ review: 0. Completed: 0.") {
		t.Errorf("what they hold is theirs to review: %s", clip(got, 600))
	}
	other := w.signIn(w.person("second@example.org", auth.Labeler))
	if got := other.get("/queues/sql_query").want(200).text("main"); !strings.Contains(got, "Needs your review: 1. Needs others’ review: 1. Completed: 0.") {
		t.Errorf("and another's to everybody else: %s", clip(got, 600))
	}
}
