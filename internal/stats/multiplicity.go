package stats

import (
	"cmp"
	"slices"
)

// Holm adjusts p-values so that any alarm among them is false with at most the
// level they are compared with (Holm 1979): for harm alarms over the metrics of
// a gate. A gate that must pass every test needs no adjustment: see Worst.
func Holm(p []float64) ([]float64, error) {
	return adjust(p, func(order []int, adjusted []float64) {
		m, worst := len(p), 0.0
		for rank, i := range order {
			worst = max(worst, min(1, float64(m-rank)*p[i]))
			adjusted[i] = worst
		}
	})
}

// BenjaminiHochberg adjusts p-values so that at most the level's share of what
// is called a difference is none (Benjamini & Hochberg 1995): for dashboards
// with dozens of comparisons, at 10 % and labelled exploratory.
func BenjaminiHochberg(p []float64) ([]float64, error) {
	return adjust(p, func(order []int, adjusted []float64) {
		m, best := len(p), 1.0
		for rank := m - 1; rank >= 0; rank-- {
			i := order[rank]
			best = min(best, p[i]*float64(m)/float64(rank+1))
			adjusted[i] = best
		}
	})
}

// Bonferroni multiplies each p-value by their number.
func Bonferroni(p []float64) ([]float64, error) {
	return adjust(p, func(order []int, adjusted []float64) {
		for _, i := range order {
			adjusted[i] = min(1, p[i]*float64(len(p)))
		}
	})
}

// adjust hands over the indices in increasing order of p.
func adjust(p []float64, by func(order []int, adjusted []float64)) ([]float64, error) {
	order := make([]int, len(p))
	for i := range p {
		if err := checkShare("p", p[i]); err != nil {
			return nil, err
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	adjusted := make([]float64, len(p))
	by(order, adjusted)
	return adjusted, nil
}
