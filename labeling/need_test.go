package labeling

import (
	"context"
	"testing"
	"time"

	"assay/internal/fault"
)

func TestWhatALabelBringsMostForComesFirstAndWhatCannotBeDecidedLast(t *testing.T) {
	queue := Queue{TaskClass: "sql_query", LabelsWanted: 1, OverlapShare: 0.25, GoldShare: 0.1}
	now := day(3)
	// 100 labels a day, of which 72 are first readings: 216 in 72 hours.
	list := weighNeeds([]Need{
		{TaskClass: "sql_query", Question: "many", Labels: 217, Value: 9},
		{TaskClass: "sql_query", Question: "slow", Labels: 108, Value: 1},
		{TaskClass: "file_edit", Question: "another class", Labels: 1, Value: 1},
		{TaskClass: "sql_query", Question: "never", Labels: 0, Value: 1},
		{TaskClass: "sql_query", Question: "worth more", Labels: 200, Value: 2},
	}, queue, 100, now)
	var got []string
	for _, w := range list {
		got = append(got, w.Question)
	}
	want := []string{"worth more", "slow", "many", "never"}
	if len(got) != 4 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] {
		t.Errorf("want %v, got %v", want, got)
	}
	if slow := list[1]; !slow.Decides || slow.Arrive != 216 || !slow.At.Equal(now.Add(36*time.Hour)) {
		t.Errorf("half of what comes in 72 hours is there after 36, got %+v", slow)
	}
	if list[2].Decides || list[3].Decides {
		t.Errorf("217 of 216 and what no number decides cannot decide, got %+v", list[2:])
	}
	if still := weighNeeds([]Need{{TaskClass: "sql_query", Labels: 5, Value: 1}}, queue, 0, now); still[0].Decides {
		t.Error("a queue in which nobody labels decides nothing")
	}
}

func TestTheMeasuringShareOfStartGoesWhereALabelDecidesMost(t *testing.T) {
	s := tx(t)
	formulas, sql, edits := openQueue(t, s, "spreadsheet_formula"), openQueue(t, s, "sql_query"), openQueue(t, s, "file_edit")
	put(t, s, formulas, seed{class: Safety, u: 0.1}, seed{class: Safety, u: 0.2}, seed{class: Safety, u: 0.3}, seed{class: Safety, u: 0.4})
	put(t, s, sql, seed{class: Random, u: 0.1}, seed{class: Random, u: 0.2})
	put(t, s, edits, seed{class: Random, u: 0.1}, seed{class: Random, u: 0.2})
	s.Needs = func(context.Context) ([]Need, error) {
		return []Need{{TaskClass: "sql_query", Labels: 4000, Value: 1}, {TaskClass: "file_edit", Labels: 40, Value: 1}, {TaskClass: "sql_query", Value: 50}}, nil
	}
	start := func(who int64, draw float64) string {
		t.Helper()
		s.Draw = func() float64 { return draw }
		queue, _, err := s.Start(t.Context(), person(who))
		if err != nil {
			t.Fatal(err)
		}
		return queue.Slug
	}
	if got := start(1, 0.9); got != "spreadsheet_formula" {
		t.Errorf("harm first: want spreadsheet_formula, got %s", got)
	}
	if got := start(2, 0.2); got != "file_edit" {
		t.Errorf("measuring: 40 labels decide there, 4,000 elsewhere: want file_edit, got %s", got)
	}
	s.Needs = nil
	if got := start(3, 0.9); got != "spreadsheet_formula" {
		t.Errorf("harm first: want spreadsheet_formula, got %s", got)
	}
	if _, err := s.NeedsOf(t.Context(), person(1), sql, time.Now()); fault.Of(err) != fault.Denied {
		t.Errorf("the names of versions are not for labelers, got %v", err)
	}
}
