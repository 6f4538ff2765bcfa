package formula

import (
	"math"
)

func distributionFunctions() []function {
	var list []function
	add := func(params string, run func(*call) Value, names ...string) {
		for _, name := range names {
			list = append(list, function{name: name, params: params, run: run})
		}
	}
	add("nnnb", normal, "NORMDIST", "NORM.DIST")
	add("nnn", normalInv, "NORMINV", "NORM.INV")
	add("n", ofNumber(normalCDF), "NORMSDIST")
	add("nb", func(c *call) Value { return density(c.flag(1), normalCDF(c.num(0)), normalPDF(c.num(0))) }, "NORM.S.DIST")
	add("n", func(c *call) Value { return standardInverse(c.num(0)) }, "NORMSINV", "NORM.S.INV")
	add("n", ofNumber(normalPDF), "PHI")
	add("n", ofNumber(func(z float64) float64 { return 0.5 * math.Erf(z/math.Sqrt2) }), "GAUSS")
	add("nnn", lognormOld, "LOGNORMDIST")
	add("nnnb", lognorm, "LOGNORM.DIST")
	add("nnn", lognormInverse, "LOGINV", "LOGNORM.INV")
	add("nnnb", gammaDist, "GAMMADIST", "GAMMA.DIST")
	add("nnn", gammaInverse, "GAMMAINV", "GAMMA.INV")
	add("n", gammaFunction, "GAMMA")
	add("n", gammaLn, "GAMMALN", "GAMMALN.PRECISE")
	add("nnn[NN", func(c *call) Value { return c.beta(3, true) }, "BETADIST")
	add("nnnb[NN", func(c *call) Value { return c.beta(4, c.flag(3)) }, "BETA.DIST")
	add("nnn[NN", betaInverse, "BETAINV", "BETA.INV")
	add("nnb", exponential, "EXPONDIST", "EXPON.DIST")
	add("nnnb", weibull, "WEIBULL", "WEIBULL.DIST")
	add("nnb", poisson, "POISSON", "POISSON.DIST")
	add("nnnb", binomial, "BINOMDIST", "BINOM.DIST")
	add("nnn[N", binomialRange, "BINOM.DIST.RANGE")
	add("nnn", binomialInverse, "CRITBINOM", "BINOM.INV")
	add("nnn", func(c *call) Value { return c.negativeBinomial(false) }, "NEGBINOMDIST")
	add("nnnb", func(c *call) Value { return c.negativeBinomial(c.flag(3)) }, "NEGBINOM.DIST")
	add("nnnn", func(c *call) Value { return c.hypergeometric(false) }, "HYPGEOMDIST")
	add("nnnnb", func(c *call) Value { return c.hypergeometric(c.flag(4)) }, "HYPGEOM.DIST")
	add("nn", chiUpper, "CHIDIST", "CHISQ.DIST.RT")
	add("nnb", chiDist, "CHISQ.DIST")
	add("nn", chiUpperInverse, "CHIINV", "CHISQ.INV.RT")
	add("nn", chiInverse, "CHISQ.INV")
	add("nnn", studentOld, "TDIST")
	add("nnb", student, "T.DIST")
	add("nn", func(c *call) Value { return c.studentTails(1) }, "T.DIST.RT")
	add("nn", func(c *call) Value { return c.studentTails(2) }, "T.DIST.2T")
	add("nn", func(c *call) Value { return c.studentInverse(true) }, "TINV", "T.INV.2T")
	add("nn", func(c *call) Value { return c.studentInverse(false) }, "T.INV")
	add("nnn", func(c *call) Value { return c.fisher(true) }, "FDIST", "F.DIST.RT")
	add("nnnb", fDist, "F.DIST")
	add("nnn", func(c *call) Value { return c.fisherInverse(true) }, "FINV", "F.INV.RT")
	add("nnn", func(c *call) Value { return c.fisherInverse(false) }, "F.INV")
	add("n", func(c *call) Value {
		if math.Abs(c.num(0)) >= 1 {
			return errNum
		}
		return NumberOf(math.Atanh(c.num(0)))
	}, "FISHER")
	add("n", ofNumber(math.Tanh), "FISHERINV")
	add("nnn", func(c *call) Value { return c.confidence(false) }, "CONFIDENCE", "CONFIDENCE.NORM")
	add("nnn", func(c *call) Value { return c.confidence(true) }, "CONFIDENCE.T")
	add("rn[N", zTest, "ZTEST", "Z.TEST")
	add("aann", tTest, "TTEST", "T.TEST")
	add("aa", fTest, "FTEST", "F.TEST")
	add("aa", chiTest, "CHITEST", "CHISQ.TEST")
	return list
}

// effort pays for integrals whose length grows with the root of a parameter.
func (c *call) effort(parameter float64, evaluations int) {
	c.e.spend(evaluations * int(10+math.Min(50_000, 3*math.Sqrt(math.Abs(parameter)))))
}

// density returns the cumulative or the plain value.
func density(cumulative bool, sum, point float64) Value {
	if cumulative {
		return NumberOf(sum)
	}
	return NumberOf(point)
}

func normal(c *call) Value {
	x, m, s := c.num(0), c.num(1), c.num(2)
	if s <= 0 {
		return errNum
	}
	z := (x - m) / s
	return density(c.flag(3), normalCDF(z), normalPDF(z)/s)
}

func standardInverse(p float64) Value {
	if p <= 0 || p >= 1 {
		return errNum
	}
	return NumberOf(normalInverse(p))
}

func normalInv(c *call) Value {
	p, m, s := c.num(0), c.num(1), c.num(2)
	if p <= 0 || p >= 1 || s <= 0 {
		return errNum
	}
	c.e.spend(100)
	return NumberOf(m + s*normalInverse(p))
}

func lognormOld(c *call) Value {
	if c.num(0) <= 0 || c.num(2) <= 0 {
		return errNum
	}
	return NumberOf(normalCDF((math.Log(c.num(0)) - c.num(1)) / c.num(2)))
}

func lognorm(c *call) Value {
	x, m, s := c.num(0), c.num(1), c.num(2)
	if x <= 0 || s <= 0 {
		return errNum
	}
	z := (math.Log(x) - m) / s
	return density(c.flag(3), normalCDF(z), normalPDF(z)/(s*x))
}

func lognormInverse(c *call) Value {
	p, m, s := c.num(0), c.num(1), c.num(2)
	if p <= 0 || p >= 1 || s <= 0 {
		return errNum
	}
	return NumberOf(math.Exp(m + s*normalInverse(p)))
}

func gammaDist(c *call) Value {
	x, a, b := c.num(0), c.num(1), c.num(2)
	if x < 0 || a <= 0 || b <= 0 {
		return errNum
	}
	c.effort(a, 1)
	if c.flag(3) {
		return NumberOf(gammaLower(a, x/b))
	}
	switch {
	case x > 0:
		return NumberOf(gammaHead(a, x/b) * a / x)
	case a == 1:
		return NumberOf(1 / b)
	case a > 1:
		return zero
	}
	return errNum
}

func gammaInverse(c *call) Value {
	p, a, b := c.num(0), c.num(1), c.num(2)
	if p < 0 || p >= 1 || a <= 0 || b <= 0 {
		return errNum
	}
	if p == 0 {
		return zero
	}
	c.effort(a, 70)
	return NumberOf(b * gammaQuantile(p, a))
}

func gammaQuantile(p, a float64) float64 {
	if p > 0.5 {
		return crossingDown(func(x float64) float64 { return gammaUpper(a, x) }, 1-p, 0, a*20+1e4)
	}
	return crossing(func(x float64) float64 { return gammaLower(a, x) }, p, 0, a*20+1e4)
}

func gammaFunction(c *call) Value {
	x := c.num(0)
	if x <= 0 && x == math.Floor(x) {
		return errNum
	}
	return NumberOf(math.Gamma(x))
}

func gammaLn(c *call) Value {
	if c.num(0) <= 0 {
		return errNum
	}
	return NumberOf(lgamma(c.num(0)))
}

// beta has optional bounds from argument i on.
func (c *call) beta(i int, cumulative bool) Value {
	x, a, b, low, high := c.num(0), c.num(1), c.num(2), c.numOr(i, 0), c.numOr(i+1, 1)
	if a <= 0 || b <= 0 || x < low || x > high || low >= high {
		return errNum
	}
	y := (x - low) / (high - low)
	c.effort(a+b, 1)
	if cumulative {
		return NumberOf(betaLower(y, a, b))
	}
	if y == 0 && a < 1 || y == 1 && b < 1 {
		return errNum
	}
	switch {
	case y == 0 && a == 1:
		return NumberOf(b / (high - low))
	case y == 1 && b == 1:
		return NumberOf(a / (high - low))
	case y == 0 || y == 1:
		return zero
	}
	return NumberOf(betaHead(y, a, b) / (y * (1 - y)) / (high - low))
}

func betaInverse(c *call) Value {
	p, a, b, low, high := c.num(0), c.num(1), c.num(2), c.numOr(3, 0), c.numOr(4, 1)
	if a <= 0 || b <= 0 || p <= 0 || p > 1 || low >= high {
		return errNum
	}
	c.effort(a+b, 70)
	return NumberOf(low + (high-low)*betaQuantile(p, a, b))
}

// betaQuantile looks from the end that is nearer, where the numbers lie denser.
func betaQuantile(p, a, b float64) float64 {
	if p == 1 {
		return 1
	}
	if betaLower(0.5, a, b) < p {
		return 1 - crossing(func(y float64) float64 { return betaLower(y, b, a) }, 1-p, 0, 0.5)
	}
	return crossing(func(x float64) float64 { return betaLower(x, a, b) }, p, 0, 0.5)
}

func exponential(c *call) Value {
	x, l := c.num(0), c.num(1)
	if x < 0 || l <= 0 {
		return errNum
	}
	return density(c.flag(2), -math.Expm1(-l*x), l*math.Exp(-l*x))
}

func weibull(c *call) Value {
	x, a, b := c.num(0), c.num(1), c.num(2)
	if x < 0 || a <= 0 || b <= 0 {
		return errNum
	}
	u := math.Pow(x/b, a)
	return density(c.flag(3), -math.Expm1(-u), a/b*math.Pow(x/b, a-1)*math.Exp(-u))
}

func poisson(c *call) Value {
	x, m := math.Trunc(c.num(0)), c.num(1)
	if c.num(0) < 0 || m < 0 {
		return errNum
	}
	c.effort(x+m, 1)
	if !c.flag(2) {
		return NumberOf(poissonMass(x, m))
	}
	return NumberOf(gammaUpper(x+1, m))
}

func binomial(c *call) Value {
	x, n, p := math.Trunc(c.num(0)), math.Trunc(c.num(1)), c.num(2)
	if x < 0 || x > n || p < 0 || p > 1 {
		return errNum
	}
	c.effort(n, 1)
	if !c.flag(3) {
		return NumberOf(binomialMass(x, n, p))
	}
	return NumberOf(binomialSum(x, n, p))
}

// binomialSum is the probability of at most x successes.
func binomialSum(x, n, p float64) float64 {
	switch {
	case x < 0:
		return 0
	case x >= n:
		return 1
	}
	return betaLower(1-p, n-x, x+1)
}

func binomialRange(c *call) Value {
	n, p, from := math.Trunc(c.num(0)), c.num(1), math.Trunc(c.num(2))
	to := math.Trunc(c.numOr(3, from))
	if n < 0 || p < 0 || p > 1 || from < 0 || from > n || to < from || to > n {
		return errNum
	}
	c.effort(n, 2)
	if from == to {
		return NumberOf(binomialMass(from, n, p))
	}
	return NumberOf(binomialSum(to, n, p) - binomialSum(from-1, n, p))
}

// binomialInverse finds the least number of successes whose cumulative
// probability reaches alpha.
func binomialInverse(c *call) Value {
	n, p, alpha := math.Trunc(c.num(0)), c.num(1), c.num(2)
	if n < 0 || p < 0 || p > 1 || alpha < 0 || alpha > 1 {
		return errNum
	}
	c.effort(n, 60)
	low, high := 0.0, n
	for low < high {
		mid := math.Floor((low + high) / 2)
		if binomialSum(mid, n, p) >= alpha {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return NumberOf(low)
}

func (c *call) negativeBinomial(cumulative bool) Value {
	f, s, p := math.Trunc(c.num(0)), math.Trunc(c.num(1)), c.num(2)
	if f < 0 || s < 1 || p < 0 || p > 1 || f+s-1 <= 0 && f != 0 {
		return errNum
	}
	c.effort(f+s, 1)
	if cumulative {
		return NumberOf(betaLower(p, s, f+1))
	}
	return NumberOf(s / (s + f) * binomialMass(s, s+f, p))
}

func (c *call) hypergeometric(cumulative bool) Value {
	x, n, m, all := math.Trunc(c.num(0)), math.Trunc(c.num(1)), math.Trunc(c.num(2)), math.Trunc(c.num(3))
	if x < 0 || n <= 0 || m <= 0 || all <= 0 || n > all || m > all || x > math.Min(n, m) || x < n-all+m {
		return errNum
	}
	mass := func(k float64) float64 {
		p := n / all
		return binomialMass(k, m, p) * binomialMass(n-k, all-m, p) / binomialMass(n, all, p)
	}
	if n == all {
		return NumberOf(1)
	}
	if !cumulative {
		return NumberOf(mass(x))
	}
	total := 0.0
	for k := math.Max(0, n-all+m); k <= x; k++ {
		c.e.spend(10)
		total += mass(k)
	}
	return NumberOf(total)
}

// freedom reads degrees of freedom; 0 when there are none.
func (c *call) freedom(i int) float64 {
	n := math.Trunc(c.num(i))
	if n < 1 || n > 1e10 {
		return 0
	}
	return n
}

func chiUpper(c *call) Value {
	x, n := c.num(0), c.freedom(1)
	if x < 0 || n == 0 {
		return errNum
	}
	c.effort(n, 1)
	return NumberOf(gammaUpper(n/2, x/2))
}

func chiDist(c *call) Value {
	x, n := c.num(0), c.freedom(1)
	if x < 0 || n == 0 {
		return errNum
	}
	c.effort(n, 1)
	if c.flag(2) {
		return NumberOf(gammaLower(n/2, x/2))
	}
	switch {
	case x > 0:
		return NumberOf(gammaHead(n/2, x/2) * n / 2 / x)
	case n == 2:
		return NumberOf(0.5)
	case n > 2:
		return zero
	}
	return errNum
}

func chiUpperInverse(c *call) Value {
	p, n := c.num(0), c.freedom(1)
	if p <= 0 || p > 1 || n == 0 {
		return errNum
	}
	if p == 1 {
		return zero
	}
	c.effort(n, 70)
	return NumberOf(2 * crossingDown(func(x float64) float64 { return gammaUpper(n/2, x) }, p, 0, n*20+1e4))
}

func chiInverse(c *call) Value {
	p, n := c.num(0), c.freedom(1)
	if p < 0 || p >= 1 || n == 0 {
		return errNum
	}
	if p == 0 {
		return zero
	}
	c.effort(n, 70)
	return NumberOf(2 * gammaQuantile(p, n/2))
}

func studentOld(c *call) Value {
	x, n, tails := c.num(0), c.freedom(1), math.Trunc(c.num(2))
	if x < 0 || n == 0 || tails != 1 && tails != 2 {
		return errNum
	}
	c.effort(n, 1)
	return NumberOf(tails * studentTail(x, n))
}

func student(c *call) Value {
	x, n := c.num(0), c.freedom(1)
	if n == 0 {
		return errNum
	}
	c.effort(n, 1)
	if c.flag(2) {
		tail := studentTail(math.Abs(x), n)
		if x > 0 {
			tail = 1 - tail
		}
		return NumberOf(tail)
	}
	l := lgamma((n+1)/2) - lgamma(n/2) - 0.5*math.Log(n*math.Pi) - (n+1)/2*math.Log1p(x*x/n)
	return NumberOf(math.Exp(l))
}

func (c *call) studentTails(tails float64) Value {
	x, n := c.num(0), c.freedom(1)
	if n == 0 || x < 0 && tails == 2 {
		return errNum
	}
	c.effort(n, 1)
	if x < 0 {
		return NumberOf(1 - studentTail(-x, n))
	}
	return NumberOf(tails * studentTail(x, n))
}

func (c *call) studentInverse(twoTails bool) Value {
	p, n := c.num(0), c.freedom(1)
	if p <= 0 || n == 0 || twoTails && p > 1 || !twoTails && p >= 1 {
		return errNum
	}
	c.effort(n, 70)
	switch {
	case twoTails:
		return NumberOf(studentTailInverse(p/2, n))
	case p < 0.5:
		return NumberOf(-studentTailInverse(p, n))
	}
	return NumberOf(studentTailInverse(1-p, n))
}

func (c *call) fisher(upper bool) Value {
	x, n, m := c.num(0), c.freedom(1), c.freedom(2)
	if x < 0 || n == 0 || m == 0 {
		return errNum
	}
	c.effort(n+m, 1)
	if upper {
		return NumberOf(fisherUpper(x, n, m))
	}
	return NumberOf(fisherLower(x, n, m))
}

func fDist(c *call) Value {
	if c.flag(3) {
		return c.fisher(false)
	}
	x, n, m := c.num(0), c.freedom(1), c.freedom(2)
	if x < 0 || n == 0 || m == 0 {
		return errNum
	}
	if x == 0 {
		switch {
		case n == 2:
			return NumberOf(1)
		case n > 2:
			return zero
		}
		return errNum
	}
	y := n * x / (m + n*x)
	return NumberOf(betaHead(y, n/2, m/2) / x)
}

func (c *call) fisherInverse(upper bool) Value {
	p, n, m := c.num(0), c.freedom(1), c.freedom(2)
	if p < 0 || p > 1 || n == 0 || m == 0 || upper && p == 0 || !upper && p == 1 {
		return errNum
	}
	if upper && p == 1 || !upper && p == 0 {
		return zero
	}
	c.effort(n+m, 70)
	if upper {
		return NumberOf(crossingDown(func(x float64) float64 { return fisherUpper(x, n, m) }, p, 0, 1e200))
	}
	return NumberOf(crossing(func(x float64) float64 { return fisherLower(x, n, m) }, p, 0, 1e200))
}

func (c *call) confidence(student bool) Value {
	alpha, s, n := c.num(0), c.num(1), math.Trunc(c.num(2))
	if alpha <= 0 || alpha >= 1 || s <= 0 || n < 1 {
		return errNum
	}
	if !student {
		return NumberOf(-normalInverse(alpha/2) * s / math.Sqrt(n))
	}
	if n == 1 {
		return errDiv0
	}
	c.effort(n, 70)
	return NumberOf(studentTailInverse(alpha/2, n-1) * s / math.Sqrt(n))
}

func zTest(c *call) Value {
	x, err := c.numbersOf(0)
	if err.isError() {
		return err
	}
	if len(x) == 0 {
		return errNA
	}
	s := variance(x, 1)
	if c.has(2) {
		if c.num(2) <= 0 {
			return errNum
		}
		s = NumberOf(c.num(2) * c.num(2))
	}
	if s.isError() || s.num == 0 {
		return errDiv0
	}
	return NumberOf(normalCDF(-(average(x) - c.num(1)) / math.Sqrt(s.num/float64(len(x)))))
}

// tTest: type 1 paired, 2 equal variances, 3 unequal variances.
func tTest(c *call) Value {
	tails, kind := math.Trunc(c.num(2)), math.Trunc(c.num(3))
	if tails != 1 && tails != 2 || kind < 1 || kind > 3 {
		return errNum
	}
	var t, n float64
	if kind == 1 {
		x, y, err := c.pairs(0, 1)
		if err.isError() {
			return err
		}
		n = float64(len(x)) - 1
		if n < 1 {
			return errDiv0
		}
		for i := range x {
			x[i] -= y[i]
		}
		spread := variance(x, 1).num
		if spread == 0 {
			return errDiv0
		}
		t = average(x) / math.Sqrt(spread/(n+1))
	} else {
		x, err := c.numbersOf(0)
		if err.isError() {
			return err
		}
		y, err := c.numbersOf(1)
		if err.isError() {
			return err
		}
		p, q := float64(len(x)), float64(len(y))
		if p < 2 || q < 2 {
			return errDiv0
		}
		u, v := variance(x, 1).num/p, variance(y, 1).num/q
		if kind == 2 {
			pooled := (u*p*(p-1) + v*q*(q-1)) / (p + q - 2)
			u, v, n = pooled/p, pooled/q, p+q-2
		} else {
			n = (u + v) * (u + v) / (u*u/(p-1) + v*v/(q-1))
		}
		if u+v == 0 {
			return errDiv0
		}
		t = (average(x) - average(y)) / math.Sqrt(u+v)
	}
	return NumberOf(tails * studentTail(math.Abs(t), n))
}

func fTest(c *call) Value {
	x, err := c.numbersOf(0)
	if err.isError() {
		return err
	}
	y, err := c.numbersOf(1)
	if err.isError() {
		return err
	}
	if len(x) < 2 || len(y) < 2 {
		return errDiv0
	}
	u, v := variance(x, 1).num, variance(y, 1).num
	if u == 0 || v == 0 {
		return errDiv0
	}
	p := fisherUpper(u/v, float64(len(x)-1), float64(len(y)-1))
	return NumberOf(2 * math.Min(p, 1-p))
}

func chiTest(c *call) Value {
	a, err := c.arrayArg(0)
	if err.isError() {
		return err
	}
	b, err := c.arrayArg(1)
	if err.isError() {
		return err
	}
	if a.rows != b.rows || a.cols != b.cols || a.size() == 1 {
		return errNA
	}
	c.e.spend(a.size())
	total := 0.0
	for i := 0; i < a.size(); i++ {
		x, y := a.index(i), b.index(i)
		switch {
		case x.isError():
			return x
		case y.isError():
			return y
		case !x.isNumber() || !y.isNumber():
			continue
		case y.num == 0:
			return errDiv0
		case y.num < 0:
			return errNum
		}
		total += (x.num - y.num) * (x.num - y.num) / y.num
	}
	n := float64((a.rows - 1) * (a.cols - 1))
	if a.vector() {
		n = float64(a.size() - 1)
	}
	return NumberOf(gammaUpper(n/2, total/2))
}
