package eval

import (
	"fmt"
	"math"

	"assay/internal/stats"
)

// difference joins the limits of two weighted estimates by their squares (Zou &
// Donner 2008), as Newcombe's interval does those of two shares. Newcombe on
// the effective numbers of labels is not enough where labels come by priority:
// simulated, it covered 91 % where this covers 97 % and 95 was meant.
func difference(newer, older stats.Estimate) stats.Difference {
	d := newer.Value - older.Value
	below := math.Hypot(newer.Value-newer.Low, older.High-older.Value)
	above := math.Hypot(newer.High-newer.Value, older.Value-older.Low)
	return stats.Difference{Value: d, Defined: true,
		Interval: stats.Interval{Low: max(-1, d-below), High: min(1, d+above), Level: newer.Level}}
}

// comparePairs judges a paired difference against a margin: it holds when the
// one-sided limit at alpha lies below the margin, and is violated when the
// other limit lies above it.
func comparePairs(pairs stats.Pairs, alpha, margin float64) (Finding, string) {
	result, err := stats.PairedNonInferiority(pairs, margin, alpha)
	if err != nil {
		return Waiting, "no data"
	}
	words := "no data"
	if shown, err := stats.Tango(pairs, 0.95); err == nil && shown.Defined {
		words = differenceWords(shown)
	}
	switch {
	case result.Verdict.Passed():
		return Holds, words
	case result.Verdict.Outcome == stats.Fail:
		return Violated, words + fmt.Sprintf("; at most %s points more is agreed", points(margin))
	}
	return Waiting, words + fmt.Sprintf("; not yet shown to be at most %s points more", points(margin))
}

// moreAbstentions is the lower limit, at the given two-sided level, of how
// much larger the candidate's share of abstentions is than that of live
// traffic.
func moreAbstentions(abstained, n int, live LiveShare, level float64) float64 {
	difference, err := stats.MiettinenNurminen(
		stats.Arm{Bad: float64(abstained), N: float64(n)},
		stats.Arm{Bad: float64(live.Count), N: float64(live.Of)}, level)
	if err != nil || !difference.Defined {
		return -1
	}
	return difference.Low
}

// differenceWords writes a difference of two shares as pages do: "4.7 points
// more, 95 % 1.6 to 8.2".
func differenceWords(d stats.Difference) string {
	direction := "more"
	if d.Value < 0 {
		direction = "less"
	}
	return fmt.Sprintf("%.1f points %s, %s %s to %s", math.Abs(d.Value)*100, direction,
		percent(d.Level), signed(d.Low), signed(d.High))
}

// signed writes a share in points, with a true minus.
func signed(v float64) string {
	if v < 0 {
		return fmt.Sprintf("−%.1f", -v*100)
	}
	return fmt.Sprintf("%.1f", v*100)
}
