package stats

import (
	"cmp"
	"slices"
)

// NearestRank is the 1-based rank of a percentile among n sorted values, the
// product's definition everywhere: ceil(percent·n/100), at least 1. It is
// computed in integers, since ceil(0.07·100) is 8 in floating point. percent is
// 0 to 100; n is positive.
func NearestRank(percent, n int) (int, error) {
	if percent < 0 || percent > 100 {
		return 0, invalid("percent", percent, "between 0 and 100")
	}
	if n < 1 {
		return 0, invalid("n", n, "at least 1")
	}
	return max(1, (percent*n+99)/100), nil
}

// Percentile is the nearest-rank percentile of values in any order (which is
// left as it is). ok is false for no values: an empty window has no P95, and
// never one of zero.
func Percentile[V cmp.Ordered](values []V, percent int) (value V, ok bool, err error) {
	if percent < 0 || percent > 100 {
		return value, false, invalid("percent", percent, "between 0 and 100")
	}
	if len(values) == 0 {
		return value, false, nil
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	rank, err := NearestRank(percent, len(sorted))
	if err != nil {
		return value, false, err
	}
	return sorted[rank-1], true, nil
}

// Ranks is a distribution-free interval for a percentile: from the Low-th to
// the High-th smallest of the values, 1-based. Low 0 means nothing bounds it
// from below, High 0 nothing from above: then "n too small" is shown.
type Ranks struct {
	Low, High int
}

// Bounded is true when the values bound the percentile from both sides.
func (r Ranks) Bounded() bool { return r.Low > 0 && r.High > 0 }

// PercentileRanks is the interval for quantile q of n independent values at a
// two-sided level (David & Nagaraja 2003): the largest low rank and the
// smallest high rank whose error is at most half of 1-level each. P95 has an
// upper rank from n = 72 at 95 %.
func PercentileRanks(q float64, n int, level float64) (Ranks, error) {
	if err := firstOf(checkLevel("q", q), checkCount("n", n), checkLevel("level", level)); err != nil {
		return Ranks{}, err
	}
	tail := (1 - level) / 2
	return Ranks{lowerRank(q, n, tail), upperRank(q, n, tail)}, nil
}

// PercentileLowerRank is the one-sided lower rank at a confidence: quantile q
// lies at or above that value. 0 when n is too small.
func PercentileLowerRank(q float64, n int, confidence float64) (int, error) {
	if err := firstOf(checkLevel("q", q), checkCount("n", n), checkLevel("confidence", confidence)); err != nil {
		return 0, err
	}
	return lowerRank(q, n, 1-confidence), nil
}

// PercentileUpperRank is the one-sided upper rank at a confidence: quantile q
// lies at or below that value. 0 when n is too small: P95 needs 59 values at
// 95 %, P99 299.
func PercentileUpperRank(q float64, n int, confidence float64) (int, error) {
	if err := firstOf(checkLevel("q", q), checkCount("n", n), checkLevel("confidence", confidence)); err != nil {
		return 0, err
	}
	return upperRank(q, n, 1-confidence), nil
}

// lowerRank is the largest rank whose value exceeds the quantile with at most
// the given probability: P(Bin(n,q) < rank) <= tail.
func lowerRank(q float64, n int, tail float64) int {
	// Ranks 1..good hold, good+1.. do not.
	good, bad := 0, n+1
	for bad-good > 1 {
		mid := (good + bad) / 2
		if binomialAtMost(mid-1, n, q) <= tail {
			good = mid
		} else {
			bad = mid
		}
	}
	return good
}

// upperRank is the smallest rank whose value lies below the quantile with at
// most the given probability, P(Bin(n,q) >= rank) <= tail; 0 when there is none.
func upperRank(q float64, n int, tail float64) int {
	bad, good := 0, n+1
	for good-bad > 1 {
		mid := (good + bad) / 2
		if binomialAtLeast(mid, n, q) <= tail {
			good = mid
		} else {
			bad = mid
		}
	}
	if good > n {
		return 0
	}
	return good
}

// TrendRule says when a percentile has left its baseline.
type TrendRule struct {
	Percent       int     // 95
	Fire          float64 // ratio above which it fires: 1.3
	Clear         float64 // ratio below which it clears: 1.15
	MinimumNow    int     // values in the current window: 200
	MinimumBefore int     // values behind the baseline: 1000
	Confidence    float64 // of the lower limit: 0.95
}

// DefaultTrend is the published rule: P95 above 1.3 times its baseline.
var DefaultTrend = TrendRule{Percent: 95, Fire: 1.3, Clear: 1.15, MinimumNow: 200, MinimumBefore: 1000, Confidence: 0.95}

// TrendReading is one evaluation of a trend rule. "For 15 minutes" is the
// caller's: fire after Fires held at each evaluation, clear after Clears did.
type TrendReading struct {
	Verdict         // Fail: fires; Pass: does not; Inconclusive: cannot be judged
	Ratio   float64 // percentile over baseline
	Lower   float64 // its one-sided lower limit
	Clears  bool    // the ratio is below the clearing threshold
}

// Trend compares the current window's percentile with a baseline percentile
// that stands on before values (the same hour of the week over the last seven
// days, without the last hour and without marked incidents). It fires on the
// lower limit of the percentile, not on the percentile itself. A zero baseline,
// or too few values on either side, is inconclusive.
func Trend(now []float64, baseline float64, before int, rule TrendRule) (TrendReading, error) {
	if err := firstOf(checkNonNegative("baseline", baseline), checkCount("before", before), checkPositive("fire", rule.Fire), checkLevel("confidence", rule.Confidence)); err != nil {
		return TrendReading{}, err
	}
	for _, v := range now {
		if !finite(v) {
			return TrendReading{}, invalid("now", v, "finite")
		}
	}
	if baseline == 0 || before < rule.MinimumBefore {
		return TrendReading{Verdict: Verdict{Inconclusive, ReasonNoBaseline}}, nil
	}
	if len(now) < max(1, rule.MinimumNow) {
		return TrendReading{Verdict: Verdict{Inconclusive, ReasonFewLabels}}, nil
	}
	sorted := slices.Clone(now)
	slices.Sort(sorted)
	rank, err := NearestRank(rule.Percent, len(sorted))
	if err != nil {
		return TrendReading{}, err
	}
	reading := TrendReading{Ratio: sorted[rank-1] / baseline}
	reading.Clears = reading.Ratio < rule.Clear
	if low := lowerRank(clamp(float64(rule.Percent)/100, 0x1p-40, 1-0x1p-40), len(sorted), 1-rule.Confidence); low > 0 {
		reading.Lower = sorted[low-1] / baseline
	}
	reading.Verdict = Verdict{Pass, ReasonNotExcluded}
	if reading.Lower > rule.Fire {
		reading.Verdict = Verdict{Fail, ReasonAbove}
	}
	return reading, nil
}
