package stats

import "math"

// ExactTests are one-sided p-values that the candidate is worse, exact for
// small counts.
type ExactTests struct {
	Fisher     float64 // conditional; the conservative reference
	FisherMidP float64 // the cheap one in between
	Boschloo   float64 // unconditional; uniformly more powerful than Fisher, and the one to use
	Barnard    float64 // unconditional, ordered by the pooled z
}

// unconditionalCells bounds the work of the unconditional tests: n1·n2 tables
// times a thousand rates. 200 by 200 takes some 40 ms.
const unconditionalCells = 250_000

// Exact compares x1 bad of n1 (candidate) with x2 bad of n2 (baseline). Use it
// when n1+n2 <= 200 or a cell is expected to hold fewer than five (Boschloo
// 1970). n1·n2 may be at most 250,000.
func Exact(x1, n1, x2, n2 int) (ExactTests, error) {
	if err := firstOf(checkCounts(x1, n1), checkCounts(x2, n2)); err != nil {
		return ExactTests{}, err
	}
	if n1*n2 > unconditionalCells {
		return ExactTests{}, invalid("n1·n2", n1*n2, "at most 250000")
	}
	if n1 == 0 || n2 == 0 {
		return ExactTests{1, 1, 1, 1}, nil
	}
	fisher := fisherTails(n1, n2)
	point := math.Exp(lnHypergeometric(x1, n1, n2, x1+x2))
	pooled := func(a, b int) float64 { return -pooledZ(a, n1, b, n2) }
	return ExactTests{
		Fisher:     fisher(x1, x2),
		FisherMidP: fisher(x1, x2) - point/2,
		Boschloo:   supremum(n1, n2, asExtreme(x1, n1, x2, n2, fisher)),
		Barnard:    supremum(n1, n2, asExtreme(x1, n1, x2, n2, pooled)),
	}, nil
}

// fisherTails are P(X >= x1 | x1+x2) of every table, summed along each margin
// from its far end.
func fisherTails(n1, n2 int) func(x1, x2 int) float64 {
	tails := make([]float64, (n1+1)*(n2+1))
	for m := range n1 + n2 + 1 {
		tail := 0.0
		for x1 := min(n1, m); x1 >= max(0, m-n2); x1-- {
			tail += math.Exp(lnHypergeometric(x1, n1, n2, m))
			tails[x1*(n2+1)+m-x1] = min(1, tail)
		}
	}
	return func(x1, x2 int) float64 { return tails[x1*(n2+1)+x2] }
}

func pooledZ(x1, n1, x2, n2 int) float64 {
	p := float64(x1+x2) / float64(n1+n2)
	return standardize(ratio(x1, n1)-ratio(x2, n2), p*(1-p)*(1/float64(n1)+1/float64(n2)))
}

// asExtreme lists, for each x1, the x2 whose table is at least as extreme as
// the observed one; smaller order is more extreme.
func asExtreme(x1, n1, x2, n2 int, order func(a, b int) float64) [][]int {
	observed := order(x1, x2)
	limit := observed + 1e-10*max(1e-3, math.Abs(observed)) // ties are in
	tables := make([][]int, n1+1)
	for a := range n1 + 1 {
		for b := range n2 + 1 {
			if order(a, b) <= limit {
				tables[a] = append(tables[a], b)
			}
		}
	}
	return tables
}

// supremum is the largest probability of a set of tables over the common rate
// that nobody knows: a grid of a thousand, then golden section around the best.
func supremum(n1, n2 int, tables [][]int) float64 {
	const grid = 1000
	choose1, choose2 := lnChooseAll(n1), lnChooseAll(n2)
	point1, point2 := make([]float64, n1+1), make([]float64, n2+1)
	probability := func(rate float64) float64 {
		binomialPoints(point1, choose1, rate)
		binomialPoints(point2, choose2, rate)
		total := 0.0
		for a, row := range tables {
			inner := 0.0
			for _, b := range row {
				inner += point2[b]
			}
			total += point1[a] * inner
		}
		return total
	}
	best, at := 0.0, 1
	for i := 1; i < grid; i++ {
		if p := probability(float64(i) / grid); p > best {
			best, at = p, i
		}
	}
	low, high := float64(at-1)/grid, float64(at+1)/grid
	golden := (math.Sqrt(5) - 1) / 2
	for high-low > 1e-10 {
		a, b := high-golden*(high-low), low+golden*(high-low)
		if probability(a) < probability(b) {
			low = a
		} else {
			high = b
		}
	}
	return min(1, max(best, probability((low+high)/2)))
}

func lnChooseAll(n int) []float64 {
	all := make([]float64, n+1)
	for k := range all {
		all[k] = lnChoose(n, k)
	}
	return all
}

// binomialPoints fills points with the distribution at a rate; the ends 0 and 1
// put everything on one point.
func binomialPoints(points, choose []float64, rate float64) {
	n := len(points) - 1
	if rate <= 0 || rate >= 1 {
		for k := range points {
			points[k] = indicator((k == 0 && rate <= 0) || (k == n && rate >= 1))
		}
		return
	}
	good, bad := math.Log1p(-rate), math.Log(rate)
	for k := range points {
		points[k] = math.Exp(choose[k] + float64(k)*bad + float64(n-k)*good)
	}
}
