package eval

import (
	"math"
	"testing"

	"assay/internal/stats"
	"assay/labeling"
)

// versionsOf are two versions of a class with so many labels, drawn from random
// traffic, of which so many are bad.
func versionsOf(t *testing.T, newer, newerBad, older, olderBad int64) Rates {
	t.Helper()
	one, other := cell("random", 10*newer, newer, newerBad), cell("random", 10*older, older, olderBad)
	one.ModelVersion, other.ModelVersion = "v2", "v1"
	other.Day = other.Day.AddDate(0, 0, -1)
	f := week
	f.ByModel = true
	table, err := tabulate(f, []labeling.SampleCell{one, other}, nil, map[string]float64{one.TaskClass: 0.04}, monday)
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Comparisons) != 1 || table.Comparisons[0].Candidate.ModelVersion != "v2" {
		t.Fatalf("want v2 against v1, got %+v", table.Comparisons)
	}
	return table
}

func TestAComparisonSaysHowManyLabelsDecideIt(t *testing.T) {
	c := versionsOf(t, 100, 2, 100, 2).Comparisons[0]
	labels, undecided := c.LabelsMore()
	p := (0.02*c.Candidate.EffectiveN + 0.5) / (c.Candidate.EffectiveN + 1)
	pairs, _, err := stats.LabelsToDecide(p, p, 0.02, c.Value, 0.05, needPower, true)
	if err != nil {
		t.Fatal(err)
	}
	if want := int(math.Ceil((pairs - c.Candidate.EffectiveN) * 200 / c.Candidate.EffectiveN)); !undecided || labels != want {
		t.Errorf("as many pairs as 8.3 predicts, for both versions: want %d, got %d, %v", want, labels, undecided)
	}
	rare := versionsOf(t, 100, 2, 900, 18).Comparisons[0]
	if more, _ := rare.LabelsMore(); more < 4*labels {
		t.Errorf("where one label in ten is of the rarer version it takes five times as many: %d, then %d", labels, more)
	}
	if labels, undecided := versionsOf(t, 100, 6, 100, 2).Comparisons[0].LabelsMore(); labels != 0 || !undecided {
		t.Errorf("a difference beyond the margin no number brings below it, got %d, %v", labels, undecided)
	}
	if _, undecided := versionsOf(t, 100, 40, 100, 2).Comparisons[0].LabelsMore(); undecided {
		t.Error("a decisive difference needs nothing more")
	}
	if _, undecided := versionsOf(t, 4000, 20, 4000, 20).Comparisons[0].LabelsMore(); undecided {
		t.Error("what is known to be not worse needs nothing more")
	}
}

func TestOpenQuestionsAreListedWithTheirLabels(t *testing.T) {
	byClass := week
	objectives := map[string]float64{"sql_query": 0.04}
	cells := []labeling.SampleCell{cell("random", 1000, 100, 3)}
	cells[0].TaskClass = "sql_query"
	table, err := tabulate(byClass, cells, nil, objectives, monday)
	if err != nil {
		t.Fatal(err)
	}
	list := needs(table, Rates{}, []string{"sql_query"})
	if len(list) != 1 || list[0].Question != "whether at most 4 % are hallucinated" || list[0].Labels != table.Rows[0].LabelsToDecide() || list[0].Labels == 0 || list[0].Value != 2 {
		t.Errorf("want the objective, twice worth while an incident is open, got %+v", list)
	}
	cells = []labeling.SampleCell{cell("random", 40000, 4000, 20)}
	cells[0].TaskClass = "sql_query"
	if table, err = tabulate(byClass, cells, nil, objectives, monday); err != nil {
		t.Fatal(err)
	}
	if list := needs(table, Rates{}, nil); len(list) != 0 {
		t.Errorf("what keeps its objective asks for nothing, got %+v", list)
	}
}
