package stats

import "math"

// Change is the likeliest moment at which a series changed its level.
type Change struct {
	At int     // the first element after it
	P  float64 // of a series without a change moving as far, small when it did
}

// LargestChange finds where a series of values changed, and how surely: the
// largest excursion of the sum of deviations from the mean, in its own standard
// deviations, against that of a Brownian bridge (Kolmogorov 1933; for regression
// residuals Ploberger & Krämer 1992). It looks at every moment at once, so that
// nobody need say when. Values must not depend on one another; ok is false for
// fewer than ten, or when all are equal.
func LargestChange(values []float64) (change Change, ok bool, err error) {
	n := float64(len(values))
	for _, x := range values {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return Change{}, false, invalid("value", x, "finite")
		}
	}
	if len(values) < 10 {
		return Change{}, false, nil
	}
	mean, spread := sum(values)/n, 0.0
	for _, x := range values {
		spread += square(x - mean)
	}
	if spread < 1e-12 {
		return Change{}, false, nil
	}
	scale := math.Sqrt(spread/(n-1)) * math.Sqrt(n)
	total, furthest := 0.0, 0.0
	for i, x := range values[:len(values)-1] {
		total += x - mean
		if far := math.Abs(total) / scale; far > furthest {
			furthest, change.At = far, i+1
		}
	}
	change.P = bridgeTail(furthest)
	return change, true, nil
}

// bridgeTail is the probability that a Brownian bridge strays further than x.
func bridgeTail(x float64) float64 {
	if x < .3 { // the series converges slowly there, and the answer is 1 to five digits
		return 1
	}
	tail, sign := 0.0, 1.0
	for j := 1.0; j <= 20; j++ {
		tail += 2 * sign * math.Exp(-2*square(j*x))
		sign = -sign
	}
	return clamp(tail, 0, 1)
}
