package stats

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestZeroToleranceIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cases := rapid.IntRange(0, 5).Draw(t, "cases")
		regression := Census{
			Cases: cases, Runs: 3, Complete: rapid.IntRange(0, cases).Draw(t, "complete"),
			Events: rapid.IntRange(0, 1).Draw(t, "events"), Unevaluated: rapid.IntRange(0, 1).Draw(t, "unevaluated"),
		}
		n := rapid.IntRange(0, 400).Draw(t, "holdout")
		holdout := Holdout{Cases: n, Events: rapid.IntRange(0, min(1, n)).Draw(t, "holdout events"), Minimum: 100, MaxRate: .01, Confidence: .95}
		matches := rapid.Bool().Draw(t, "matches")
		before := must(ZeroTolerance(regression, holdout, matches))

		worse, other := regression, holdout
		switch rapid.IntRange(0, 5).Draw(t, "change") {
		case 0:
			worse.Events++
		case 1:
			worse.Unevaluated++
		case 2:
			worse.Complete = max(0, worse.Complete-1)
		case 3:
			other.Cases = max(other.Events, other.Cases/2)
		case 4:
			other.Cases, other.Events = other.Cases+1, other.Events+1
		case 5:
			matches = false
		}
		after := must(ZeroTolerance(worse, other, matches))
		if after.Passed() && !before.Passed() {
			t.Fatalf("less or worse evidence passed: %+v then %+v", before, after)
		}
		if before.Outcome == Fail && after.Outcome != Fail {
			t.Fatalf("less or worse evidence undid a failure: %+v then %+v", before, after)
		}
	})
}

func TestAlertsAreMonotone(t *testing.T) {
	tier := BurnTier{6 * time.Hour, 30 * time.Minute, 3}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) Observation {
			n := rapid.IntRange(0, 200).Draw(t, name)
			return Observation{Bad: float64(rapid.IntRange(0, n).Draw(t, name+" bad")), N: float64(n), Weighted: rapid.Bool().Draw(t, name+" weighted")}
		}
		long, short := draw("long"), draw("short")
		before := must(BurnAlert(long, short, tier, .98, .95))
		long.Bad, long.N = long.Bad+1, long.N+1
		short.Bad, short.N = short.Bad+1, short.N+1
		if after := must(BurnAlert(long, short, tier, .98, .95)); before.Outcome == Fail && after.Outcome != Fail {
			t.Fatalf("one more bad label silenced the alert: %v then %v", before, after)
		}
	})
}

func TestEvidenceOfHarmNeverFallsWithABadLabel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := PairCounts{rapid.IntRange(0, 60).Draw(t, "worse"), rapid.IntRange(0, 60).Draw(t, "better"), rapid.IntRange(0, 900).Draw(t, "equal")}
		worse := counts
		switch {
		case counts.Equal > 0 && rapid.Bool().Draw(t, "from equal"):
			worse.Equal--
		case counts.Better > 0:
			worse.Better--
		}
		worse.Worse++
		if must(LnHarm(worse, 0)) < must(LnHarm(counts, 0))-1e-12 {
			t.Fatalf("evidence of harm fell from %v to %v", counts, worse)
		}
		if must(LnNonInferior(worse, .02)) > must(LnNonInferior(counts, .02))+1e-12 {
			t.Fatalf("evidence of non-inferiority rose from %v to %v", counts, worse)
		}
	})
}

func TestCohenDoesNotCareWhatClassesAreCalled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 4
		table, renamed := make([][]int, size), make([][]int, size)
		order := rapid.Permutation([]int{0, 1, 2, 3}).Draw(t, "order")
		for i := range table {
			table[i] = rapid.SliceOfN(rapid.IntRange(0, 20), size, size).Draw(t, "row")
			renamed[i] = make([]int, size)
		}
		for i := range table {
			for j := range table {
				renamed[order[i]][order[j]] = table[i][j]
			}
		}
		a, b := must(Cohen(table, Unweighted)), must(Cohen(renamed, Unweighted))
		if a.Defined != b.Defined || a.Value-b.Value > 1e-9 || b.Value-a.Value > 1e-9 {
			t.Fatalf("kappa %v, renamed %v", a, b)
		}
		for i := range table {
			for j := range table {
				if i != j {
					table[i][j] = 0
				}
			}
		}
		if perfect := must(Cohen(table, Unweighted)); perfect.Defined && perfect.Value < 1-1e-9 {
			t.Fatalf("perfect agreement gives %v", perfect)
		}
	})
}
