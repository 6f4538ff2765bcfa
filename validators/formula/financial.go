package formula

import "math"

func financialFunctions() []function {
	return []function{
		{name: "PV", params: "nnn[nn", run: func(c *call) Value {
			return NumberOf(presentValue(c.num(0), c.num(1), c.num(2), c.numOr(3, 0), c.due(4)))
		}},
		{name: "FV", params: "nnn[nn", run: func(c *call) Value {
			return NumberOf(futureValue(c.num(0), c.num(1), c.num(2), c.numOr(3, 0), c.due(4)))
		}},
		{name: "PMT", params: "nnn[nn", run: pmt},
		{name: "NPER", params: "nnn[nn", run: nper},
		{name: "RATE", params: "nnn[nnN", run: rate},
		{name: "IPMT", params: "nnnn[nn", run: func(c *call) Value { return c.share(true) }},
		{name: "PPMT", params: "nnnn[nn", run: func(c *call) Value { return c.share(false) }},
		{name: "ISPMT", params: "nnnn", run: ispmt},
		{name: "CUMIPMT", params: "xxxxxx", run: func(c *call) Value { return c.cumulated(true) }},
		{name: "CUMPRINC", params: "xxxxxx", run: func(c *call) Value { return c.cumulated(false) }},
		{name: "NPV", params: "nr|r", run: npv},
		{name: "XNPV", params: "xaa", run: xnpv},
		{name: "IRR", params: "r[N", run: irr},
		{name: "XIRR", params: "aa[X", run: xirr},
		{name: "MIRR", params: "rnn", run: mirr},
		{name: "EFFECT", params: "xx", run: effect},
		{name: "NOMINAL", params: "xx", run: nominal},
		{name: "SLN", params: "nnn", run: sln},
		{name: "SYD", params: "nnnn", run: syd},
		{name: "DB", params: "nnnn[N", run: db},
		{name: "DDB", params: "nnnn[N", run: ddb},
		{name: "VDB", params: "nnnnn[Nb", run: vdb},
		{name: "FVSCHEDULE", params: "xr", run: fvSchedule},
		{name: "PDURATION", params: "nnn", run: pduration},
		{name: "RRI", params: "nnn", run: rri},
		{name: "DOLLARDE", params: "xx", run: dollarDecimal},
		{name: "DOLLARFR", params: "xx", run: dollarFraction},
	}
}

// due tells when payments fall: 1 at the beginning of a period, 0 at its end.
func (c *call) due(i int) float64 {
	if c.numOr(i, 0) != 0 {
		return 1
	}
	return 0
}

// grown returns (1+rate)^n and what n payments of 1 grow to.
func grown(rate, n float64) (growth, annuity float64) {
	if rate == 0 {
		return 1, n
	}
	growth = math.Pow(1+rate, n)
	return growth, (growth - 1) / rate
}

func futureValue(rate, n, payment, pv, due float64) float64 {
	growth, annuity := grown(rate, n)
	return -(pv*growth + payment*(1+rate*due)*annuity)
}

func presentValue(rate, n, payment, fv, due float64) float64 {
	growth, annuity := grown(rate, n)
	return -(fv + payment*(1+rate*due)*annuity) / growth
}

func payment(rate, n, pv, fv, due float64) float64 {
	growth, annuity := grown(rate, n)
	return -(fv + pv*growth) / ((1 + rate*due) * annuity)
}

func pmt(c *call) Value {
	if c.num(1) == 0 {
		return errNum
	}
	return NumberOf(payment(c.num(0), c.num(1), c.num(2), c.numOr(3, 0), c.due(4)))
}

func nper(c *call) Value {
	r, p, pv, fv, due := c.num(0), c.num(1), c.num(2), c.numOr(3, 0), c.due(4)
	if r == 0 {
		if p == 0 {
			return errNum
		}
		return NumberOf(-(pv + fv) / p)
	}
	if r <= -1 {
		return errNum
	}
	p *= 1 + r*due
	return NumberOf(math.Log((p-fv*r)/(p+pv*r)) / math.Log1p(r))
}

// rate finds the interest at which the payments balance.
func rate(c *call) Value {
	n, p, pv, fv, due := c.num(0), c.num(1), c.num(2), c.numOr(3, 0), c.due(4)
	if n <= 0 {
		return errNum
	}
	c.e.spend(200)
	balance := func(r float64) float64 {
		growth, annuity := grown(r, n)
		if math.Abs(r) < 1e-9 { // the quotient loses its digits; its series does not
			annuity = n + n*(n-1)/2*r
		}
		return pv*growth + p*(1+r*due)*annuity + fv
	}
	return c.root(balance, c.numOr(5, 0.1))
}

// root looks for a zero above -1: by Newton's method from the guess, and where
// that runs away, which Excel may put up with, by halving between a change of
// sign near it.
func (c *call) root(f func(float64) float64, guess float64) Value {
	if r, ok := newton(f, guess); ok {
		return NumberOf(r)
	}
	c.e.doubtful = true
	if r, ok := bisected(f, guess); ok && guess > -1 {
		return NumberOf(r)
	}
	return errNum
}

func newton(f func(float64) float64, guess float64) (float64, bool) {
	if guess <= -1 {
		return 0, false
	}
	x := guess
	for i := 0; i < 60; i++ {
		y := f(x)
		h := 1e-6 * math.Max(1e-2, math.Abs(x))
		slope := (f(x+h) - f(x-h)) / (2 * h)
		if y == 0 {
			return x, true
		}
		if slope == 0 || math.IsNaN(y) || math.IsInf(y, 0) || math.IsNaN(slope) {
			return 0, false
		}
		next := x - y/slope
		if next <= -1 {
			next = (x - 1) / 2
		}
		if near := math.Abs(next - x); near < 1e-14*math.Max(1e-3, math.Abs(next)) || i > 25 && near < 1e-11 {
			return next, plausible(f, next)
		}
		x = next
	}
	return 0, false
}

// plausible tells whether f changes sign about x, or is as good as zero there.
func plausible(f func(float64) float64, x float64) bool {
	h := 1e-7 * math.Max(1e-3, math.Abs(x))
	a, b := f(x-h), f(x+h)
	return a*b <= 0 || math.Abs(f(x)) < 1e-9
}

// bisected walks outward from the guess to a change of sign and halves it.
func bisected(f func(float64) float64, guess float64) (float64, bool) {
	for _, step := range []float64{0.01, 0.1, 1, 10} {
		for k := 0; k < 30; k++ {
			for _, sign := range []float64{1, -1} {
				a := guess + sign*float64(k)*step
				b := guess + sign*float64(k+1)*step
				a, b = math.Max(a, -0.999999), math.Max(b, -0.999999)
				fa, fb := f(a), f(b)
				if a == b || math.IsNaN(fa) || math.IsNaN(fb) || fa*fb > 0 {
					continue
				}
				for i := 0; i < 200; i++ {
					mid := (a + b) / 2
					if f(mid)*fa > 0 {
						a = mid
					} else {
						b = mid
					}
				}
				return (a + b) / 2, true
			}
		}
	}
	return 0, false
}

// share is the interest or the principal in one payment.
func (c *call) share(interest bool) Value {
	r, per, n, pv, fv, due := c.num(0), c.num(1), c.num(2), c.num(3), c.numOr(4, 0), c.due(5)
	if per < 1 || per >= n+1 || n <= 0 {
		return errNum
	}
	p := payment(r, n, pv, fv, due)
	i := interestOf(r, per, p, pv, due)
	if interest {
		return NumberOf(i)
	}
	return NumberOf(p - i)
}

func interestOf(r, per, p, pv, due float64) float64 {
	if due == 1 {
		if per == 1 {
			return 0
		}
		return (futureValue(r, per-2, p, pv, 1) - p) * r
	}
	return futureValue(r, per-1, p, pv, 0) * r
}

func ispmt(c *call) Value {
	if c.num(2) == 0 {
		return errDiv0
	}
	return NumberOf(c.num(3) * c.num(0) * (c.num(1)/c.num(2) - 1))
}

func (c *call) cumulated(interest bool) Value {
	r, n, pv := c.num(0), math.Trunc(c.num(1)), c.num(2)
	from, to, due := math.Trunc(c.num(3)), math.Trunc(c.num(4)), math.Trunc(c.num(5))
	if r <= 0 || n <= 0 || pv <= 0 || from < 1 || to < from || to > n || due != 0 && due != 1 {
		return errNum
	}
	p := payment(r, n, pv, 0, due)
	total := 0.0
	c.e.spend(clampWhole(to - from + 1))
	for per := from; per <= to; per++ {
		i := interestOf(r, per, p, pv, due)
		if !interest {
			i = p - i
		}
		total += i
	}
	return NumberOf(total)
}

func npv(c *call) Value {
	r := c.num(0)
	if r == -1 {
		return errDiv0
	}
	values, err := c.numbers(1, takeNumbers)
	if err.isError() {
		return err
	}
	total := 0.0
	for i, v := range values {
		total += v / math.Pow(1+r, float64(i+1))
	}
	return NumberOf(total)
}

// dated reads payments and their days, which must be as many.
func (c *call) dated(i int) (values, days []float64, err Value) {
	a, err := c.arrayArg(i)
	if err.isError() {
		return nil, nil, err
	}
	b, err := c.arrayArg(i + 1)
	if err.isError() {
		return nil, nil, err
	}
	if a.size() != b.size() {
		return nil, nil, errNum
	}
	c.e.spend(a.size())
	for k := 0; k < a.size(); k++ {
		v, err := c.e.number(a.index(k))
		if err.isError() {
			return nil, nil, err
		}
		d, err := c.e.number(b.index(k))
		if err.isError() {
			return nil, nil, err
		}
		values, days = append(values, v), append(days, math.Trunc(d))
	}
	for _, d := range days {
		if d < days[0] || d < 0 {
			return nil, nil, errNum
		}
	}
	return values, days, blank
}

func xnpv(c *call) Value {
	values, days, err := c.dated(1)
	if err.isError() {
		return err
	}
	if c.num(0) <= 0 {
		return errNum
	}
	return NumberOf(discounted(c.num(0), values, days))
}

func discounted(r float64, values, days []float64) float64 {
	total := 0.0
	for i, v := range values {
		total += v / math.Pow(1+r, (days[i]-days[0])/365)
	}
	return total
}

// bothSigns tells whether there is something paid and something received.
func bothSigns(values []float64) bool {
	up, down := false, false
	for _, v := range values {
		up, down = up || v > 0, down || v < 0
	}
	return up && down
}

func irr(c *call) Value {
	values, err := c.numbersOf(0)
	if err.isError() {
		return err
	}
	if !bothSigns(values) {
		return errNum
	}
	c.e.spend(100 * len(values))
	c.e.doubtful = c.e.doubtful || turns(values) > 1
	return c.root(func(r float64) float64 {
		total := 0.0
		for i := len(values) - 1; i >= 0; i-- {
			total = total/(1+r) + values[i]
		}
		return total
	}, c.numOr(1, 0.1))
}

// turns counts how often payments change sign: more than once, and more than
// one rate may balance them.
func turns(values []float64) int {
	n, last := 0, 0.0
	for _, v := range values {
		if v*last < 0 {
			n++
		}
		if v != 0 {
			last = v
		}
	}
	return n
}

func xirr(c *call) Value {
	if c.has(2) {
		f, err := c.e.number(c.args[2])
		if err.isError() {
			return err
		}
		c.args[2] = NumberOf(f)
	}
	values, days, err := c.dated(0)
	if err.isError() {
		return err
	}
	if !bothSigns(values) {
		return errNum
	}
	c.e.spend(200 * len(values))
	c.e.doubtful = c.e.doubtful || turns(values) > 1
	return c.root(func(r float64) float64 { return discounted(r, values, days) }, c.numOr(2, 0.1))
}

func mirr(c *call) Value {
	values, err := c.numbersOf(0)
	if err.isError() {
		return err
	}
	finance, reinvest := c.num(1), c.num(2)
	if !bothSigns(values) || finance == -1 || reinvest == -1 {
		return errDiv0
	}
	n := float64(len(values))
	in, out := 0.0, 0.0
	for i, v := range values {
		if v > 0 {
			in += v / math.Pow(1+reinvest, float64(i))
		} else {
			out += v / math.Pow(1+finance, float64(i))
		}
	}
	return NumberOf(math.Pow(-in*math.Pow(1+reinvest, n-1)/out, 1/(n-1)) - 1)
}

func effect(c *call) Value {
	r, n := c.num(0), math.Trunc(c.num(1))
	if r <= 0 || n < 1 {
		return errNum
	}
	return NumberOf(math.Pow(1+r/n, n) - 1)
}

func nominal(c *call) Value {
	r, n := c.num(0), math.Trunc(c.num(1))
	if r <= 0 || n < 1 {
		return errNum
	}
	return NumberOf(n * (math.Pow(1+r, 1/n) - 1))
}

func sln(c *call) Value {
	if c.num(2) == 0 {
		return errDiv0
	}
	return NumberOf((c.num(0) - c.num(1)) / c.num(2))
}

func syd(c *call) Value {
	cost, salvage, life, per := c.num(0), c.num(1), c.num(2), c.num(3)
	if salvage < 0 || life <= 0 || per <= 0 || per > life {
		return errNum
	}
	return NumberOf((cost - salvage) * (life - per + 1) * 2 / (life * (life + 1)))
}

func db(c *call) Value {
	cost, salvage, life, period, month := c.num(0), c.num(1), c.num(2), math.Trunc(c.num(3)), math.Trunc(c.numOr(4, 12))
	if c.num(3) > 0 { // part of the first year is the first year
		period = math.Max(1, period)
	}
	if cost < 0 || salvage < 0 || life <= 0 || period < 1 || month < 1 || month > 12 || period > life+1 || period > life && month == 12 {
		return errNum
	}
	if cost == 0 {
		return zero
	}
	r := rounded(1-math.Pow(salvage/cost, 1/life), 3, halfUp)
	first := cost * r * month / 12
	if period == 1 {
		return NumberOf(first)
	}
	c.e.spend(clampWhole(period))
	left, loss := cost-first, 0.0
	for i := 2.0; i <= period; i++ {
		loss = left * r
		if i > life {
			loss = left * r * (12 - month) / 12
		}
		left -= loss
	}
	return NumberOf(loss)
}

func ddb(c *call) Value {
	cost, salvage, life, period, factor := c.num(0), c.num(1), c.num(2), c.num(3), c.numOr(4, 2)
	if cost < 0 || salvage < 0 || life <= 0 || period <= 0 || factor <= 0 || period > life {
		return errNum
	}
	return NumberOf(declining(cost, salvage, life, math.Max(1, period), factor))
}

// declining is the double-declining depreciation of one period.
func declining(cost, salvage, life, period, factor float64) float64 {
	r := factor / life
	before := 0.0
	if r >= 1 {
		r = 1
		if period == 1 {
			before = cost
		}
	} else {
		before = cost * math.Pow(1-r, period-1)
	}
	after := cost * math.Pow(1-r, period)
	return math.Max(0, before-math.Max(after, salvage))
}

func vdb(c *call) Value {
	cost, salvage, life, from, to, factor := c.num(0), c.num(1), c.num(2), c.num(3), c.num(4), c.numOr(5, 2)
	if cost < 0 || salvage < 0 || life <= 0 || from < 0 || to < from || to > life || factor <= 0 {
		return errNum
	}
	stay := c.flagOr(6, false)
	c.e.spend(clampWhole(2 * to))
	return NumberOf(c.depreciated(cost, salvage, life, to, factor, stay) - c.depreciated(cost, salvage, life, from, factor, stay))
}

// depreciated is what is lost up to a time, by the declining balance until the
// straight line is steeper.
func (c *call) depreciated(cost, salvage, life, until, factor float64, stay bool) float64 {
	total, left, straight := 0.0, cost-salvage, 0.0
	for i := 1.0; i-1 < until; i++ {
		loss := straight
		if straight == 0 {
			loss = declining(cost, salvage, life, i, factor)
			if line := left / (life - i + 1); !stay && line > loss {
				straight, loss = line, line
			} else {
				left -= loss
			}
		}
		if i > until {
			loss *= until + 1 - i
		}
		total += loss
	}
	return total
}

func fvSchedule(c *call) Value {
	total := c.num(0)
	trouble := blank
	c.e.items(c.args[1], func(v Value, n int, at *place) {
		if at != nil {
			c.e.noteRead(*at, v, true)
		}
		if v.isText() || v.isBoolean() {
			trouble = errValue
			return
		}
		f, err := c.e.number(v)
		if err.isError() {
			trouble = err
			return
		}
		total *= math.Pow(1+f, float64(n))
	})
	if trouble.isError() {
		return trouble
	}
	return NumberOf(total)
}

func pduration(c *call) Value {
	if c.num(0) <= 0 || c.num(1) <= 0 || c.num(2) <= 0 {
		return errNum
	}
	return NumberOf((math.Log(c.num(2)) - math.Log(c.num(1))) / math.Log1p(c.num(0)))
}

func rri(c *call) Value {
	n, pv, fv := c.num(0), c.num(1), c.num(2)
	if n <= 0 || pv == 0 {
		return errNum
	}
	return NumberOf(math.Pow(fv/pv, 1/n) - 1)
}

// fraction reads the denominator of DOLLARDE and DOLLARFR and the power of ten
// that its digits take.
func (c *call) fraction() (denominator, scale float64, err Value) {
	d := math.Trunc(c.num(1))
	switch {
	case d < 0:
		return 0, 0, errNum
	case d == 0:
		return 0, 0, errDiv0
	}
	return d, math.Pow(10, math.Ceil(math.Log10(d))), blank
}

func dollarDecimal(c *call) Value {
	d, scale, err := c.fraction()
	if err.isError() {
		return err
	}
	whole := math.Trunc(c.num(0))
	return NumberOf(whole + (c.num(0)-whole)*scale/d)
}

func dollarFraction(c *call) Value {
	d, scale, err := c.fraction()
	if err.isError() {
		return err
	}
	whole := math.Trunc(c.num(0))
	return NumberOf(whole + (c.num(0)-whole)*d/scale)
}
