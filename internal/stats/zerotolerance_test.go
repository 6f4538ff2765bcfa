package stats

import "testing"

func TestZeroTolerance(t *testing.T) {
	regression := Census{Cases: 12, Runs: 3, Complete: 12}
	holdout := Holdout{Cases: 299, Minimum: 299, MaxRate: .01, Confidence: .95}
	with := func(change func(*Census, *Holdout)) (Census, Holdout) {
		r, h := regression, holdout
		change(&r, &h)
		return r, h
	}
	for _, tt := range []struct {
		fact    string
		change  func(*Census, *Holdout)
		matches bool
		want    Verdict
		needed  int
	}{
		{"299 clean cases and a clean census pass", func(*Census, *Holdout) {}, true, Verdict{Pass, ReasonBelow}, 0},
		{"298 do not", func(_ *Census, h *Holdout) { h.Cases = 298 }, true, Verdict{Inconclusive, ReasonFewLabels}, 1},
		{"a contract may ask for more than the bound does", func(_ *Census, h *Holdout) { h.Minimum = 400 }, true, Verdict{Inconclusive, ReasonFewLabels}, 101},
		{"a contract cannot ask for less", func(_ *Census, h *Holdout) { h.Cases, h.Minimum = 50, 10 }, true, Verdict{Inconclusive, ReasonFewLabels}, 249},
		{"one event in the holdout fails", func(_ *Census, h *Holdout) { h.Events = 1 }, true, Verdict{Fail, ReasonEvent}, 0},
		{"one event in the census fails, whatever is missing", func(r *Census, h *Holdout) { r.Events, r.Complete, h.Cases = 1, 3, 0 }, false, Verdict{Fail, ReasonEvent}, 299},
		{"a case without its runs is missing", func(r *Census, _ *Holdout) { r.Complete = 11 }, true, Verdict{Inconclusive, ReasonMissing}, 0},
		{"no case at all is missing", func(r *Census, _ *Holdout) { r.Cases, r.Complete = 0, 0 }, true, Verdict{Inconclusive, ReasonMissing}, 0},
		{"a run that timed out is not clean", func(r *Census, _ *Holdout) { r.Unevaluated = 1 }, true, Verdict{Inconclusive, ReasonUnevaluated}, 0},
		{"nor is a holdout case without a score", func(_ *Census, h *Holdout) { h.Unevaluated = 1 }, true, Verdict{Inconclusive, ReasonUnevaluated}, 0},
		{"another evidence version is not what was agreed", func(*Census, *Holdout) {}, false, Verdict{Inconclusive, ReasonMismatch}, 0},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			r, h := with(tt.change)
			got := must(ZeroTolerance(r, h, tt.matches))
			if got.Verdict != tt.want || got.Needed != tt.needed {
				t.Errorf("want %v needing %d, got %v needing %d", tt.want, tt.needed, got.Verdict, got.Needed)
			}
		})
	}
	near(t, "bound of 0/299", 0.009969146792899286, must(ZeroTolerance(regression, holdout, true)).Bound)
	_, err := ZeroTolerance(Census{Cases: 1, Complete: 2, Runs: 3}, holdout, true)
	refused(t, "more complete than cases", err)
	_, err = ZeroTolerance(Census{Cases: 1, Complete: 1}, holdout, true)
	refused(t, "no runs required", err)
	_, err = ZeroTolerance(regression, Holdout{MaxRate: 0, Confidence: .95}, true)
	refused(t, "a rate of zero cannot be excluded", err)
}
