package stats

import (
	"math"
	"testing"
)

func TestMannWhitney(t *testing.T) {
	candidate := []float64{412, 455, 390, 520, 610, 433, 478, 501, 395, 700, 388, 467}
	baseline := []float64{380, 402, 376, 455, 498, 365, 420, 433, 371, 512}
	got := must(MannWhitney(candidate, baseline, .98))
	near(t, "W", 86, got.W)
	near(t, "p", 0.092497031535417981, got.P)
	within(t, "low", -25.00005, got.Interval.Low, 1e-3)
	within(t, "high", 125.00004, got.Interval.High, 1e-3)
	// The published 38.858 is where a root search stopped on the level stretch
	// around the median of the differences.
	before, _ := rankDistance(candidate, baseline, 38.85805)
	at, _ := rankDistance(candidate, baseline, got.Shift)
	if before != at || at != 0 {
		t.Errorf("shift %g leaves W %g from its middle, 38.858 leaves %g", got.Shift, at, before)
	}
	back := must(MannWhitney(baseline, candidate, .98))
	near(t, "arms swapped", got.P, back.P)
	near(t, "shift swapped", -got.Shift, back.Shift)
}

func TestMannWhitneyOfNothing(t *testing.T) {
	if got := must(MannWhitney(nil, []float64{1}, .98)); got.Defined || got.P != 1 {
		t.Errorf("no values: %+v", got)
	}
	if got := must(MannWhitney([]float64{0, 0}, []float64{0, 0}, .98)); got.Defined || !got.Identical {
		t.Errorf("all equal is not evidence of anything: %+v", got)
	}
	_, err := MannWhitney([]float64{math.NaN()}, []float64{1}, .98)
	refused(t, "NaN", err)
}
