package labeling

import (
	"math"
	"testing"
)

// TestSharesAgainstPeopleSpeakOfAllTraffic has a queue that reads what a
// validator failed much more often than the rest.
func TestSharesAgainstPeopleSpeakOfAllTraffic(t *testing.T) {
	safety := sampledStratum{TaskClass: "sql_query", PriorityClass: Safety, Design: "bottom_k", Keep: 1}
	random := sampledStratum{TaskClass: "sql_query", PriorityClass: Random, Design: "bottom_k", Keep: 1}
	cell := func(h sampledStratum, verdict, label string, n int64) judgedCell {
		return judgedCell{h, "sql", "1.0.0", verdict, label, n}
	}
	j := judgedSample{
		readable: map[sampledStratum]int64{safety: 100, random: 10_000},
		labeled:  map[sampledStratum]int64{safety: 50, random: 50},
		cells: []judgedCell{
			cell(safety, "fail", "hallucinated", 30), cell(safety, "pass", "hallucinated", 10), cell(safety, "fail", "correct", 8), cell(safety, "inconclusive", "hallucinated", 2),
			cell(random, "fail", "hallucinated", 1), cell(random, "pass", "hallucinated", 4), cell(random, "pass", "correct", 45),
			{random, "sql", "0.9.0", "fail", "correct", 7}, // another version's
		},
	}
	// Each label of safety stands for 2 responses, each of random for 200.
	sensitivity, err := j.share("sql", "1.0.0", "hallucinated", "fail")
	if err != nil {
		t.Fatal(err)
	}
	if want := (30*2.0 + 1*200) / (40*2 + 5*200); math.Abs(sensitivity.Value-want) > 1e-12 {
		t.Errorf("want %.4f of all traffic, not 31 of 45: got %.4f", want, sensitivity.Value)
	}
	if sensitivity.Denominator != 45 || sensitivity.EffectiveN >= 20 || !sensitivity.Thin {
		t.Errorf("45 labels, five of which carry almost all: got %d, worth %.1f, thin %t", sensitivity.Denominator, sensitivity.EffectiveN, sensitivity.Thin)
	}
	if sensitivity.Low > .1 || sensitivity.High < .5 {
		t.Errorf("an interval that is too narrow: %v", sensitivity.Interval)
	}
	specificity, err := j.share("sql", "1.0.0", "correct", "pass")
	if err != nil {
		t.Fatal(err)
	}
	if want := 45 * 200.0 / (45*200 + 8*2); math.Abs(specificity.Value-want) > 1e-12 {
		t.Errorf("want %.4f, got %.4f", want, specificity.Value)
	}
	if nothing, err := j.share("code", "1", "correct", "pass"); err != nil || nothing.Defined {
		t.Errorf("without labels there is no share: %+v %v", nothing, err)
	}
}
