package web

import (
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
	q.Gain.PerDay, q.Other.PerDay = 0, 0
	if got := mixSays(q); strings.Contains(got, "Thursday") || !strings.Contains(got, "after about") {
		t.Errorf("a queue without a label has no day, got %q", got)
	}
}
