package formula

import "math"

// The special functions the distributions stand on. The incomplete integrals
// use their power series below the mean and Lentz's continued fraction above
// it (Abramowitz and Stegun 6.5.29, 6.5.31, 26.5.8); the probabilities of
// counts use the saddle-point form of C. Loader, "Fast and Accurate Computation
// of Binomial Probabilities" (2000), which stays exact where differences of
// large logarithms do not.

func lgamma(x float64) float64 {
	f, _ := math.Lgamma(x)
	return f
}

const (
	tiny       = 1e-300
	converged  = 1e-16
	iterations = 200_000
)

// stirlingError is ln n! less Stirling's formula.
func stirlingError(n float64) float64 {
	if n < 16 {
		return lgamma(n+1) - (n+0.5)*math.Log(n) + n - 0.5*math.Log(2*math.Pi)
	}
	n2 := n * n
	return (1.0/12 - (1.0/360-(1.0/1260-(1.0/1680-1.0/1188/n2)/n2)/n2)/n2) / n
}

// deviance is x ln(x/m) + m - x, without loss when x is near m.
func deviance(x, m float64) float64 {
	if math.Abs(x-m) < 0.1*(x+m) {
		v := (x - m) / (x + m)
		s := (x - m) * v
		term := 2 * x * v
		for j := 1.0; j < 1000; j++ {
			term *= v * v
			next := s + term/(2*j+1)
			if next == s {
				break
			}
			s = next
		}
		return s
	}
	return x*math.Log(x/m) + m - x
}

// poissonMass is the probability of x events where m are expected.
func poissonMass(x, m float64) float64 {
	switch {
	case m == 0:
		if x == 0 {
			return 1
		}
		return 0
	case x == 0:
		return math.Exp(-m)
	}
	return math.Exp(-stirlingError(x)-deviance(x, m)) / math.Sqrt(2*math.Pi*x)
}

// binomialMass is the probability of x successes in n trials. x and n need not
// be whole.
func binomialMass(x, n, p float64) float64 {
	switch {
	case x < 0 || x > n:
		return 0
	case p == 0:
		if x == 0 {
			return 1
		}
		return 0
	case p == 1:
		if x == n {
			return 1
		}
		return 0
	case x == 0:
		return math.Exp(n * math.Log1p(-p))
	case x == n:
		return math.Exp(n * math.Log(p))
	}
	l := stirlingError(n) - stirlingError(x) - stirlingError(n-x) - deviance(x, n*p) - deviance(n-x, n*(1-p))
	return math.Exp(l) * math.Sqrt(n/(2*math.Pi*x*(n-x)))
}

// gammaLower is the regularized lower incomplete gamma integral P(a, x).
func gammaLower(a, x float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x < a+1:
		return gammaSeries(a, x)
	}
	return 1 - gammaFraction(a, x)
}

// gammaUpper is Q(a, x) = 1 - P(a, x).
func gammaUpper(a, x float64) float64 {
	switch {
	case x <= 0:
		return 1
	case x < a+1:
		return 1 - gammaSeries(a, x)
	}
	return gammaFraction(a, x)
}

// gammaHead is x^a e^-x / Γ(a+1).
func gammaHead(a, x float64) float64 {
	if a > 1 {
		return poissonMass(a, x)
	}
	return math.Exp(a*math.Log(x) - x - lgamma(a+1))
}

func gammaSeries(a, x float64) float64 {
	term, total := 1.0, 1.0
	for n := 1.0; n < iterations; n++ {
		term *= x / (a + n)
		total += term
		if term < total*converged {
			break
		}
	}
	return total * gammaHead(a, x)
}

func gammaFraction(a, x float64) float64 {
	b := x + 1 - a
	c := 1 / tiny
	d := 1 / b
	h := d
	for i := 1.0; i < iterations; i++ {
		an := -i * (i - a)
		b += 2
		d = nonzero(an*d + b)
		c = nonzero(b + an/c)
		d = 1 / d
		step := d * c
		h *= step
		if math.Abs(step-1) < converged*4 {
			break
		}
	}
	return h * a * gammaHead(a, x)
}

func nonzero(x float64) float64 {
	if math.Abs(x) < tiny {
		return tiny
	}
	return x
}

// betaLower is the regularized incomplete beta integral I_x(a, b).
func betaLower(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x < (a+1)/(a+b+2):
		return betaHead(x, a, b) * betaFraction(x, a, b) / a
	}
	return 1 - betaHead(1-x, b, a)*betaFraction(1-x, b, a)/b
}

// betaHead is x^a (1-x)^b / B(a, b).
func betaHead(x, a, b float64) float64 {
	if a > 1 && b > 1 {
		n := a + b
		return binomialMass(a, n, x) * a * b / n
	}
	return math.Exp(a*math.Log(x) + b*math.Log1p(-x) + lgamma(a+b) - lgamma(a) - lgamma(b))
}

func betaFraction(x, a, b float64) float64 {
	c := 1.0
	d := 1 / nonzero(1-(a+b)*x/(a+1))
	h := d
	for m := 1.0; m < iterations; m++ {
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / nonzero(1+even*d)
		c = nonzero(1 + even/c)
		h *= d * c
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / nonzero(1+odd*d)
		c = nonzero(1 + odd/c)
		step := d * c
		h *= step
		if math.Abs(step-1) < converged*4 {
			break
		}
	}
	return h
}

// crossing finds where an increasing function of a number from low to high
// (neither negative) reaches a target, by halving the numbers between them as
// the machine orders them: 64 steps and no tolerance to choose.
func crossing(f func(float64) float64, target, low, high float64) float64 {
	a, b := math.Float64bits(low), math.Float64bits(high)
	for a+1 < b {
		mid := a + (b-a)/2
		if f(math.Float64frombits(mid)) < target {
			a = mid
		} else {
			b = mid
		}
	}
	x, y := math.Float64frombits(a), math.Float64frombits(b)
	if math.Abs(f(x)-target) < math.Abs(f(y)-target) {
		return x
	}
	return y
}

// crossingDown does the same for a decreasing function.
func crossingDown(f func(float64) float64, target, low, high float64) float64 {
	return crossing(func(x float64) float64 { return -f(x) }, -target, low, high)
}

// normalCDF is the standard normal distribution.
func normalCDF(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }

func normalPDF(z float64) float64 { return math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) }

// normalInverse is exact to the last bits also far out, where the inverse error
// function of one minus a small number is not.
func normalInverse(p float64) float64 {
	switch {
	case p == 0.5:
		return 0
	case p > 0.5:
		if p < 0.99 {
			return math.Sqrt2 * math.Erfinv(2*p-1)
		}
		return normalTail(1 - p)
	case p > 0.01:
		return math.Sqrt2 * math.Erfinv(2*p-1)
	}
	return -normalTail(p)
}

// normalTail finds z with a probability q of being above it.
func normalTail(q float64) float64 {
	return crossingDown(func(z float64) float64 { return normalCDF(-z) }, q, 0, 40)
}

// studentTail is the probability of a t above x ≥ 0 with n degrees of freedom.
func studentTail(x, n float64) float64 {
	x2 := x * x
	if x2 < n {
		return 0.5 * (1 - betaLower(x2/(n+x2), 0.5, n/2))
	}
	return 0.5 * betaLower(n/(n+x2), n/2, 0.5)
}

// studentTailInverse finds x ≥ 0 with a probability q ≤ 0.5 above it.
func studentTailInverse(q, n float64) float64 {
	if q >= 0.5 {
		return 0
	}
	return crossingDown(func(x float64) float64 { return studentTail(x, n) }, q, 0, 1e200)
}

// fisherUpper is the probability of an F above x.
func fisherUpper(x, n, m float64) float64 {
	if x <= 0 {
		return 1
	}
	return betaLower(m/(m+n*x), m/2, n/2)
}

// fisherLower is the probability of an F up to x.
func fisherLower(x, n, m float64) float64 {
	if x <= 0 {
		return 0
	}
	return betaLower(n*x/(m+n*x), n/2, m/2)
}
