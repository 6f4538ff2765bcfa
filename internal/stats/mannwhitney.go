package stats

import (
	"cmp"
	"math"
	"slices"
)

// RankComparison compares two samples of latencies by ranks.
type RankComparison struct {
	W         float64  // pairs in which the candidate's value is larger; ties count one half
	P         float64  // two-sided, normal approximation with continuity correction
	Shift     float64  // median of all differences, candidate minus baseline (Hodges & Lehmann)
	Interval  Interval // of the shift; Level is the one asked for
	Defined   bool     // false without values on both sides, or when all are equal
	Identical bool     // all values are equal
}

// MannWhitney is an advisory look at time-series points, as some canary judges
// take it. It never decides: it knows nothing of repeated looks, takes points
// for independent, and sees shifts of the middle, not of the tail. Gate on
// exceedances of a frozen threshold instead (Bets).
func MannWhitney(candidate, baseline []float64, level float64) (RankComparison, error) {
	if err := checkLevel("level", level); err != nil {
		return RankComparison{}, err
	}
	for _, v := range slices.Concat(candidate, baseline) {
		if !finite(v) {
			return RankComparison{}, invalid("value", v, "finite")
		}
	}
	result := RankComparison{P: 1, Interval: Interval{Level: level}}
	if len(candidate) == 0 || len(baseline) == 0 {
		return result, nil
	}
	distance, sigma := rankDistance(candidate, baseline, 0)
	result.W = distance + float64(len(candidate)*len(baseline))/2
	if sigma == 0 {
		result.Identical = true
		return result, nil
	}
	result.Defined = true
	result.P = min(1, 2*normalTail((math.Abs(distance)-correction(distance))/sigma))
	differences := pairwise(candidate, baseline)
	result.Shift = median(differences)
	z := twoSidedZ(level)
	result.Interval.Low = crossing(candidate, baseline, differences, z)
	result.Interval.High = crossing(candidate, baseline, differences, -z)
	return result, nil
}

// correction is the half unit of continuity, none at the middle itself.
func correction(distance float64) float64 {
	if distance == 0 {
		return 0
	}
	return 0.5
}

// rankDistance is W's distance from its middle, and its standard deviation
// with ties, after the candidate is shifted down by d.
func rankDistance(candidate, baseline []float64, d float64) (distance, sigma float64) {
	type value struct {
		v    float64
		mine bool
	}
	var all []value
	for _, v := range candidate {
		all = append(all, value{v - d, true})
	}
	for _, v := range baseline {
		all = append(all, value{v, false})
	}
	slices.SortFunc(all, func(a, b value) int { return cmp.Compare(a.v, b.v) })
	n1, n2 := float64(len(candidate)), float64(len(baseline))
	n, ties, ranks := n1+n2, 0.0, 0.0
	for i := 0; i < len(all); {
		j := i
		mine := 0.0
		for j < len(all) && all[j].v == all[i].v {
			mine += indicator(all[j].mine)
			j++
		}
		t := float64(j - i)
		ties += t*t*t - t
		ranks += mine * (float64(i) + (t+1)/2)
		i = j
	}
	variance := n1 * n2 / 12 * (n + 1 - ties/(n*(n-1)))
	return ranks - n1*(n1+1)/2 - n1*n2/2, math.Sqrt(max(0, variance))
}

func pairwise(candidate, baseline []float64) []float64 {
	differences := make([]float64, 0, len(candidate)*len(baseline))
	for _, x := range candidate {
		for _, y := range baseline {
			differences = append(differences, x-y)
		}
	}
	slices.Sort(differences)
	return differences
}

// crossing is the shift at which the corrected statistic falls below z: one of
// the differences, since it is constant between them.
func crossing(candidate, baseline, differences []float64, z float64) float64 {
	distinct := slices.Compact(slices.Clone(differences))
	below := func(i int) bool {
		at := distinct[len(distinct)-1] + 1
		if i+1 < len(distinct) {
			at = (distinct[i] + distinct[i+1]) / 2
		}
		d, sigma := rankDistance(candidate, baseline, at)
		return sigma == 0 || (d-math.Copysign(correction(d), d))/sigma < z
	}
	low, high := -1, len(distinct)-1
	for high-low > 1 {
		if mid := (low + high) / 2; below(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return distinct[high]
}
