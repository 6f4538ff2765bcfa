package stats

import (
	"math"
)

// lnGamma is ln Γ(x) for x > 0.
func lnGamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}

// stirlingError is ln Γ(x) minus Stirling's formula, for x >= 15. Differences
// of large lnGamma values cancel; differences of these do not.
func stirlingError(x float64) float64 {
	y := 1 / (x * x)
	return (1.0/12 - y*(1.0/360-y*(1.0/1260-y*(1.0/1680-y*(1.0/1188-y*691.0/360360))))) / x
}

// lnBeta is ln B(a,b) for a, b > 0, accurate where both or one of them are
// large (the naive sum of three lnGamma loses a digit per decade).
func lnBeta(a, b float64) float64 {
	small, large := min(a, b), max(a, b)
	if large < 15 {
		return lnGamma(a) + lnGamma(b) - lnGamma(a+b)
	}
	// ln Γ(large) - ln Γ(large+small)
	tail := -(large-0.5)*math.Log1p(small/large) - small*math.Log(large+small) + small +
		stirlingError(large) - stirlingError(large+small)
	if small < 15 {
		return lnGamma(small) + tail
	}
	return (small-0.5)*math.Log(small) - small + 0.5*math.Log(2*math.Pi) + stirlingError(small) + tail
}

// betaTail is the regularized incomplete beta function I_x(a,b), the lower
// tail of Beta(a,b); y must be 1-x, given apart so that neither end loses its
// digits.
func betaTail(x, y, a, b float64) float64 {
	if x <= 0 {
		return 0
	}
	if y <= 0 {
		return 1
	}
	if x > (a+1)/(a+b+2) {
		return 1 - math.Exp(lnBetaFraction(y, x, b, a))
	}
	return math.Exp(lnBetaFraction(x, y, a, b))
}

// lnBetaTail is ln I_x(a,b); ln of the upper tail is lnBetaTail(y, x, b, a).
// It is -Inf, never NaN, where the tail is empty.
func lnBetaTail(x, y, a, b float64) float64 {
	if x <= 0 {
		return math.Inf(-1)
	}
	if y <= 0 {
		return 0
	}
	if x > (a+1)/(a+b+2) {
		return math.Log1p(-math.Exp(lnBetaFraction(y, x, b, a)))
	}
	return lnBetaFraction(x, y, a, b)
}

// lnBetaFraction is ln I_x(a,b) by Lentz's evaluation of the continued
// fraction, for x on the side of the mean where it converges fast.
func lnBetaFraction(x, y, a, b float64) float64 {
	const tiny = 1e-300
	c, d := 1.0, 1-(a+b)*x/(a+1)
	if math.Abs(d) < tiny {
		d = tiny
	}
	d = 1 / d
	h := d
	// Convergence takes about sqrt(max(a,b)) steps; the bound only ends the
	// loop for parameters no count of ours reaches.
	for m := 1.0; m <= 200_000; m++ {
		step := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / awayFromZero(1+step*d, tiny)
		c = awayFromZero(1+step/c, tiny)
		h *= d * c
		step = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / awayFromZero(1+step*d, tiny)
		c = awayFromZero(1+step/c, tiny)
		h *= d * c
		if math.Abs(d*c-1) < 1e-16 {
			break
		}
	}
	return min(0, a*math.Log(x)+b*math.Log(y)-lnBeta(a, b)-math.Log(a)+math.Log(h))
}

func awayFromZero(x, tiny float64) float64 {
	if math.Abs(x) < tiny {
		return tiny
	}
	return x
}

// betaQuantile is the x with I_x(a,b) = p: Newton's steps inside a bracket
// that bisection keeps shrinking.
func betaQuantile(p, a, b float64) float64 {
	if p <= 0 {
		return 0
	}
	if p >= 1 {
		return 1
	}
	return betaRoot(a, b, func(x float64) (lnTail, excess float64) {
		lnTail = lnBetaTail(x, 1-x, a, b)
		return lnTail, lnTail - math.Log(p)
	})
}

// betaUpperQuantile is the x above which Beta(a,b) has mass p. It is not
// betaQuantile(1-p): a small p keeps its digits.
func betaUpperQuantile(p, a, b float64) float64 {
	if p <= 0 {
		return 1
	}
	if p >= 1 {
		return 0
	}
	return betaRoot(a, b, func(x float64) (lnTail, excess float64) {
		lnTail = lnBetaTail(1-x, x, b, a)
		return lnTail, math.Log(p) - lnTail
	})
}

// betaRoot finds the x in (0,1) at which a log tail of Beta(a,b) is what it
// should be: the excess increases with x and is zero there.
func betaRoot(a, b float64, at func(x float64) (lnTail, excess float64)) float64 {
	low, high := 0.0, 1.0
	x := a / (a + b)
	for range 400 {
		lnTail, excess := at(x)
		if excess == 0 {
			return x
		}
		if excess < 0 {
			low = x
		} else {
			high = x
		}
		if high-low <= 1e-15*high {
			break
		}
		// Newton: the slope of a log tail is density over tail.
		lnDensity := (a-1)*math.Log(x) + (b-1)*math.Log1p(-x) - lnBeta(a, b)
		next := x - excess*math.Exp(lnTail-lnDensity)
		if !(next > low && next < high) {
			next = middle(low, high)
		} else if math.Abs(next-x) <= 1e-15*x {
			return next
		}
		x = next
	}
	return x
}

// middle halves the bracket, on a logarithmic scale where it spans decades: a
// quantile may be 1e-40.
func middle(low, high float64) float64 {
	if low == 0 && high > 1e-280 {
		return high * 1e-3
	}
	if low > 0 && high > 4*low {
		return math.Sqrt(low) * math.Sqrt(high)
	}
	return low + (high-low)/2
}

// normalTail is P(Z > z).
func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// twoSidedZ is the normal quantile of a two-sided level: 1.96 at 0.95.
func twoSidedZ(level float64) float64 { return math.Sqrt2 * math.Erfcinv(1-level) }

// oneSidedZ is the normal quantile of a one-sided confidence: 1.64 at 0.95.
func oneSidedZ(confidence float64) float64 { return math.Sqrt2 * math.Erfcinv(2*(1-confidence)) }

// chiSquareTail is P(X > x) for one degree of freedom.
func chiSquareTail(x float64) float64 {
	if x <= 0 {
		return 1
	}
	return math.Erfc(math.Sqrt(x / 2))
}

// lnChoose is ln of the binomial coefficient.
func lnChoose(n, k int) float64 {
	if k < 0 || k > n {
		return math.Inf(-1)
	}
	if k == 0 || k == n {
		return 0
	}
	return -math.Log(float64(n+1)) - lnBeta(float64(n-k+1), float64(k+1))
}

// binomialAtLeast is P(Bin(n,p) >= k).
func binomialAtLeast(k, n int, p float64) float64 {
	if k <= 0 {
		return 1
	}
	if k > n {
		return 0
	}
	return betaTail(p, 1-p, float64(k), float64(n-k+1))
}

// binomialAtMost is P(Bin(n,p) <= k).
func binomialAtMost(k, n int, p float64) float64 {
	if k < 0 {
		return 0
	}
	if k >= n {
		return 1
	}
	return betaTail(1-p, p, float64(n-k), float64(k+1))
}

// binomialPoint is P(Bin(n,p) = k).
func binomialPoint(k, n int, p float64) float64 {
	if k < 0 || k > n {
		return 0
	}
	switch p {
	case 0:
		return indicator(k == 0)
	case 1:
		return indicator(k == n)
	}
	return math.Exp(lnChoose(n, k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

// lnHypergeometric is ln P(X = x) when drawing n1 of n1+n2 of which m are bad.
func lnHypergeometric(x, n1, n2, m int) float64 {
	if x < 0 || x > n1 || m-x < 0 || m-x > n2 {
		return math.Inf(-1)
	}
	return lnChoose(n1, x) + lnChoose(n2, m-x) - lnChoose(n1+n2, m)
}

// lnSumExp is ln Σ exp(x), without overflow; -Inf for nothing.
func lnSumExp(xs []float64) float64 {
	top := math.Inf(-1)
	for _, x := range xs {
		top = max(top, x)
	}
	if math.IsInf(top, 0) {
		return top
	}
	sum := 0.0
	for _, x := range xs {
		sum += math.Exp(x - top)
	}
	return top + math.Log(sum)
}

// xLog is x·ln y with 0·ln 0 = 0.
func xLog(x, y float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log(y)
}

// bisect finds where a monotone condition turns from false (at low) to true
// (at high), to the last digit that float64 can tell apart.
func bisect(low, high float64, reached func(float64) bool) float64 {
	for range 200 {
		mid := low + (high-low)/2
		if mid <= min(low, high) || mid >= max(low, high) {
			break
		}
		if reached(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return low + (high-low)/2
}

func clamp(x, low, high float64) float64 { return max(low, min(high, x)) }

func square(x float64) float64 { return x * x }

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
