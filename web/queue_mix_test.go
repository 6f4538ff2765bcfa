package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/labeling"
)

func TestTheMixIsForeseenLiveAndKept(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three")
	b := w.as(auth.Engineer)
	page := b.get("/queues/sql_query?mix=60").want(http.StatusOK)
	if !strings.Contains(page.Body, "Harm 40, measurement 60") || len(page.find(`form[action="/queues/sql_query/mix"]`)) != 1 {
		t.Error("another mix is looked at, and may be kept")
	}
	if page := b.get("/queues/sql_query").want(http.StatusOK); len(page.find(`form[action="/queues/sql_query/mix"]`)) != 0 {
		t.Error("the mix it has needs no keeping")
	}
	b.get("/queues/sql_query?mix=101").want(http.StatusBadRequest)
	b.get("/queues/sql_query?mix=" + url.QueryEscape(hostile)).want(http.StatusBadRequest)
	b.post("/queues/sql_query/mix", url.Values{"mix": {"60"}}).to("/queues/sql_query")
	if n := w.count(`SELECT count(*) FROM queues WHERE measurement_share = 0.6`); n != 1 {
		t.Error("the mix is kept")
	}
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'queue.mix'`); n != 1 {
		t.Error("and has its entry")
	}
	w.as(auth.Labeler).post("/queues/sql_query/mix", url.Values{"mix": {"10"}}).want(http.StatusForbidden)
}

func TestTwoMixesAreComparedByTheirDays(t *testing.T) {
	now := time.Date(2026, 11, 16, 9, 0, 0, 0, time.UTC) // a Monday
	points := func(step float64) []labeling.Point {
		var list []labeling.Point
		for n := 0; n <= 600; n += 20 {
			list = append(list, labeling.Point{Labels: n, Half: 0.05 - step*float64(n)})
		}
		return list
	}
	q := shownQueue{
		Queue: labeling.Queue{MeasurementShare: 0.25}, Mix: 25, OtherMix: 40, Now: now,
		Gain:  labeling.Gain{Points: points(0.00004), Pace: time.Minute, PerDay: 80},
		Other: labeling.Gain{Points: points(0.0001), Pace: time.Minute, PerDay: 100},
	}
	want := "Harm 75, measurement 25: ±4 points on Thursday (after about 4 h 20 min). At 60/40: on Tuesday (after about 1 h 40 min)."
	if got := mixSays(q); got != want {
		t.Errorf("want %q\n got %q", want, got)
	}
	same := q
	same.Other = same.Gain
	if got := mixSays(same); !strings.HasSuffix(got, " At 60/40 the same.") {
		t.Errorf("got %q", got)
	}
	q.Gain.PerDay, q.Other.PerDay = 0, 0
	if got := mixSays(q); strings.Contains(got, "Thursday") || !strings.Contains(got, "after about") {
		t.Errorf("a queue without a label has no day, got %q", got)
	}
}

func TestTheQueueSaysWhatItsLabelsDecideAndWhatCannotBeDecided(t *testing.T) {
	w := queued(t, "sql_query", "one", "two")
	w.stages.Labeling.Needs = func(context.Context) ([]labeling.Need, error) {
		return []labeling.Need{
			{TaskClass: "sql_query", Question: "hallucinated at most 4 %", Labels: 5200, Value: 1},
			{TaskClass: "sql_query", Question: hostile + " not worse than v1", Value: 1},
		}, nil
	}
	read := func(role auth.Role) string {
		t.Helper()
		b := w.as(role)
		page := b.get("/queues/sql_query").want(http.StatusOK)
		for until := time.Now().Add(10 * time.Second); role == auth.Engineer && !strings.Contains(page.Body, "5,200") && time.Now().Before(until); {
			time.Sleep(20 * time.Millisecond) // the first count goes on beside the page
			page = b.get("/queues/sql_query").want(http.StatusOK)
		}
		return page.Body
	}
	page := read(auth.Engineer)
	for _, words := range []string{"What its labels decide", "Hallucinated at most 4 %", "Cannot decide: 5,200 labels more, 0 come in 72 h", "Cannot decide: no number of labels would."} {
		if !strings.Contains(page, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
	if strings.Contains(page, hostile) {
		t.Error("the name of a version is text")
	}
	if page := read(auth.Labeler); strings.Contains(page, "What its labels decide") {
		t.Error("a labeler of a blind queue learns no versions")
	}
}

func TestWordsOfNeedsAndRaises(t *testing.T) {
	now := time.Date(2026, 11, 16, 9, 0, 0, 0, time.UTC) // a Monday
	q := shownQueue{Now: now, Raise: labeling.Raise{Factor: 4, Why: "incident", At: now.Add(-2 * time.Hour)}}
	soon := labeling.Weighed{Need: labeling.Need{Labels: 140}, Arrive: 300, Decides: true, At: now.Add(60 * time.Hour)}
	if got := needWords(q, soon); got != "140 labels more, on Wednesday." {
		t.Errorf("got %q", got)
	}
	if got, want := raisedWords(q), "Caps and shares of the rules count 4 times: an incident of its task class is open (2 h ago)."; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}
