package formula

import "math"

// Bonds: settlement, maturity, coupons and day counts, by the formulas of the
// Standard Securities Calculation Methods as Excel applies them.

func bondFunctions() []function {
	return []function{
		{name: "COUPPCD", params: "xxx[x", run: coupon(func(k coupons) Value { return NumberOf(float64(k.previous)) })},
		{name: "COUPNCD", params: "xxx[x", run: coupon(func(k coupons) Value { return NumberOf(float64(k.next)) })},
		{name: "COUPNUM", params: "xxx[x", run: coupon(func(k coupons) Value { return NumberOf(k.n) })},
		{name: "COUPDAYBS", params: "xxx[x", run: coupon(func(k coupons) Value { return NumberOf(k.passed) })},
		{name: "COUPDAYS", params: "xxx[x", run: coupon(func(k coupons) Value { return NumberOf(k.length) })},
		{name: "COUPDAYSNC", params: "xxx[x", run: coupon(func(k coupons) Value { return NumberOf(k.left) })},
		{name: "PRICE", params: "xxxxxx[x", run: price},
		{name: "YIELD", params: "xxxxxx[x", run: yield},
		{name: "DURATION", params: "xxxxx[x", run: func(c *call) Value { return c.duration(false) }},
		{name: "MDURATION", params: "xxxxx[x", run: func(c *call) Value { return c.duration(true) }},
		{name: "DISC", params: "xxxx[x", run: disc},
		{name: "PRICEDISC", params: "xxxx[x", run: priceDisc},
		{name: "YIELDDISC", params: "xxxx[x", run: yieldDisc},
		{name: "INTRATE", params: "xxxx[x", run: intRate},
		{name: "RECEIVED", params: "xxxx[x", run: received},
		{name: "PRICEMAT", params: "xxxxx[x", run: priceMat},
		{name: "YIELDMAT", params: "xxxxx[x", run: yieldMat},
		{name: "ACCRINT", params: "xxxxxx[xb", run: accrint},
		{name: "ACCRINTM", params: "xxxX[x", run: accrintm},
		{name: "TBILLPRICE", params: "xxx", run: tbillPrice},
		{name: "TBILLYIELD", params: "xxx", run: tbillYield},
		{name: "TBILLEQ", params: "xxx", run: tbillEq},
		{name: "AMORLINC", params: "xxxxxx[x", run: amorLinc},
		{name: "AMORDEGRC", params: "xxxxxx[x", run: amorDegrc},
		{name: "ODDLPRICE", params: "xxxxxxx[x", run: oddLPrice},
		{name: "ODDLYIELD", params: "xxxxxxx[x", run: oddLYield},
	}
}

// basisArg reads a day count basis.
func (c *call) basisArg(i int) (dayCount, bool) {
	b := clampWhole(math.Floor(c.numOr(i, 0)))
	return dayCount(b), b >= 0 && b <= 4
}

// yearDays is the length of the year a basis counts with.
func (basis dayCount) yearDays(from, to int) float64 {
	switch basis {
	case 1:
		return yearLength(min(from, to), max(from, to))
	case 3:
		return 365
	}
	return 360
}

// coupons says where settlement stands between coupon days.
type coupons struct {
	previous, next       int
	n                    float64 // coupons still to come
	passed, left, length float64 // days
}

// addMonths moves a day by months; the end of a month stays the end.
func addMonths(day, months int, toEnd bool) int {
	d := civilOf(day)
	m := d.month - 1 + months
	y := d.year + floorDiv(m, 12)
	m -= floorDiv(m, 12) * 12
	last := daysInMonth(y, m+1)
	if toEnd || d.day > last {
		d.day = last
	}
	return serialOf(y, m+1, d.day)
}

func couponsOf(settlement, maturity, frequency int, basis dayCount) coupons {
	step := 12 / frequency
	d := civilOf(maturity)
	toEnd := d.day == daysInMonth(d.year, d.month)
	var k coupons
	s := civilOf(settlement)
	back := ((d.year-s.year)*12 + d.month - s.month) / step * step
	for addMonths(maturity, -back, toEnd) > settlement {
		back += step
	}
	for addMonths(maturity, -back+step, toEnd) <= settlement {
		back -= step
	}
	k.previous = addMonths(maturity, -back, toEnd)
	k.next = addMonths(maturity, -back+step, toEnd)
	k.n = float64(back / step)
	k.passed = basis.between(k.previous, settlement)
	switch basis {
	case 1:
		k.length = float64(k.next - k.previous)
	case 3:
		k.length = 365 / float64(frequency)
	default:
		k.length = 360 / float64(frequency)
	}
	k.left = float64(k.next - settlement)
	if basis == 0 || basis == 4 {
		k.left = k.length - k.passed
	}
	return k
}

// term reads settlement and maturity.
func (c *call) term() (settlement, maturity int, ok bool) {
	settlement, ok1 := c.day(0)
	maturity, ok2 := c.day(1)
	return settlement, maturity, ok1 && ok2 && settlement < maturity && settlement > 0
}

func coupon(f func(coupons) Value) func(*call) Value {
	return func(c *call) Value {
		settlement, maturity, ok := c.term()
		frequency := c.whole(2)
		basis, known := c.basisArg(3)
		if !ok || !known || !couponFrequency(frequency) {
			return errNum
		}
		return f(couponsOf(settlement, maturity, frequency, basis))
	}
}

func couponFrequency(n int) bool { return n == 1 || n == 2 || n == 4 }

// priceOf is the price of 100 with coupons.
func priceOf(k coupons, rate, yield, redemption float64, frequency float64) float64 {
	paid := 100 * rate / frequency
	part := k.left / k.length
	accrued := paid * k.passed / k.length
	if k.n <= 1 {
		return (redemption+paid)/(1+part*yield/frequency) - accrued
	}
	y := 1 + yield/frequency
	total := redemption / math.Pow(y, k.n-1+part)
	for i := 0.0; i < k.n; i++ {
		total += paid / math.Pow(y, i+part)
	}
	return total - accrued
}

func price(c *call) Value {
	settlement, maturity, ok := c.term()
	basis, known := c.basisArg(6)
	if !ok || !known || !couponFrequency(c.whole(5)) || c.num(2) < 0 || c.num(3) < 0 || c.num(4) <= 0 {
		return errNum
	}
	k := couponsOf(settlement, maturity, c.whole(5), basis)
	c.e.spend(int(k.n))
	return NumberOf(priceOf(k, c.num(2), c.num(3), c.num(4), math.Trunc(c.num(5))))
}

func yield(c *call) Value {
	settlement, maturity, ok := c.term()
	basis, known := c.basisArg(6)
	rate, pr, redemption := c.num(2), c.num(3), c.num(4)
	if !ok || !known || !couponFrequency(c.whole(5)) || rate < 0 || pr <= 0 || redemption <= 0 {
		return errNum
	}
	frequency := math.Trunc(c.num(5))
	k := couponsOf(settlement, maturity, c.whole(5), basis)
	c.e.spend(100 * int(k.n))
	if k.n <= 1 {
		paid := rate / frequency
		base := pr/100 + k.passed/k.length*paid
		return NumberOf((redemption/100 + paid - base) / base * frequency * k.length / k.left)
	}
	r, found := root(func(y float64) float64 { return priceOf(k, rate, y, redemption, frequency) - pr }, math.Max(rate, 0.01))
	if !found {
		return errNum
	}
	return NumberOf(r)
}

func (c *call) duration(modified bool) Value {
	settlement, maturity, ok := c.term()
	rate, yld := c.num(2), c.num(3)
	basis, known := c.basisArg(5)
	if !ok || !known || !couponFrequency(c.whole(4)) || rate < 0 || yld < 0 {
		return errNum
	}
	frequency := math.Trunc(c.num(4))
	k := couponsOf(settlement, maturity, c.whole(4), basis)
	c.e.spend(int(k.n))
	paid, y, part := 100*rate/frequency, 1+yld/frequency, k.left/k.length
	weighted, total := 0.0, 0.0
	for i := 0.0; i < k.n; i++ {
		amount := paid
		if i == k.n-1 {
			amount += 100
		}
		worth := amount / math.Pow(y, i+part)
		weighted += (i + part) * worth
		total += worth
	}
	d := weighted / total / frequency
	if modified {
		d /= y
	}
	return NumberOf(d)
}

// discountTerm reads settlement, maturity and two amounts for the papers
// without coupons, and the part of a year between.
func (c *call) discountTerm() (years float64, ok bool) {
	settlement, maturity, ok := c.term()
	basis, known := c.basisArg(4)
	if !ok || !known || c.num(2) <= 0 || c.num(3) <= 0 {
		return 0, false
	}
	return basis.between(settlement, maturity) / basis.yearDays(settlement, maturity), true
}

func disc(c *call) Value {
	t, ok := c.discountTerm()
	if !ok {
		return errNum
	}
	return NumberOf((c.num(3) - c.num(2)) / c.num(3) / t)
}

func priceDisc(c *call) Value {
	t, ok := c.discountTerm()
	if !ok {
		return errNum
	}
	return NumberOf(c.num(3) * (1 - c.num(2)*t))
}

func yieldDisc(c *call) Value {
	t, ok := c.discountTerm()
	if !ok {
		return errNum
	}
	return NumberOf((c.num(3)/c.num(2) - 1) / t)
}

func intRate(c *call) Value {
	t, ok := c.discountTerm()
	if !ok {
		return errNum
	}
	return NumberOf((c.num(3) - c.num(2)) / c.num(2) / t)
}

func received(c *call) Value {
	t, ok := c.discountTerm()
	if !ok || 1-c.num(3)*t <= 0 {
		return errNum
	}
	return NumberOf(c.num(2) / (1 - c.num(3)*t))
}

// maturityParts gives, for papers that pay interest at the end, the parts of a
// year from issue to maturity, from settlement to maturity and from issue to
// settlement.
func (c *call) maturityParts() (whole, rest, passed float64, ok bool) {
	settlement, maturity, ok := c.term()
	issue, known := c.day(2)
	basis, usual := c.basisArg(5)
	if !ok || !known || !usual || c.num(3) < 0 || issue > settlement {
		return 0, 0, 0, false
	}
	year := basis.yearDays(issue, settlement)
	if basis != 1 {
		year = basis.yearDays(0, 0)
	}
	return basis.between(issue, maturity) / year, basis.between(settlement, maturity) / year, basis.between(issue, settlement) / year, true
}

func priceMat(c *call) Value {
	whole, rest, passed, ok := c.maturityParts()
	if !ok || c.num(4) < 0 {
		return errNum
	}
	return NumberOf((100+whole*c.num(3)*100)/(1+rest*c.num(4)) - passed*c.num(3)*100)
}

func yieldMat(c *call) Value {
	whole, rest, passed, ok := c.maturityParts()
	if !ok || c.num(4) <= 0 {
		return errNum
	}
	base := c.num(4)/100 + passed*c.num(3)
	return NumberOf((1 + whole*c.num(3) - base) / base / rest)
}

// accrint accrues from issue, or from the first coupon period on, in quasi
// coupon periods counted back from the first interest day.
func accrint(c *call) Value {
	issue, ok1 := c.day(0)
	first, ok2 := c.day(1)
	settlement, ok3 := c.day(2)
	rate, par, frequency := c.num(3), c.num(4), c.whole(5)
	basis, known := c.basisArg(6)
	if !ok1 || !ok2 || !ok3 || !known || rate <= 0 || par <= 0 || !couponFrequency(frequency) || issue >= settlement || issue == 0 {
		return errNum
	}
	from := issue
	if !c.flagOr(7, true) && settlement > first {
		from = first
	}
	step := 12 / frequency
	d := civilOf(first)
	toEnd := d.day == daysInMonth(d.year, d.month)
	start, k := first, 0
	for start > from {
		k--
		start = addMonths(first, k*step, toEnd)
	}
	total := 0.0
	for start < settlement {
		c.e.spend(1)
		k++
		end := addMonths(first, k*step, toEnd)
		length := 360 / float64(frequency)
		switch basis {
		case 1:
			length = float64(end - start)
		case 3:
			length = 365 / float64(frequency)
		}
		total += basis.between(max(start, from), min(end, settlement)) / length
		start = end
	}
	return NumberOf(par * rate / float64(frequency) * total)
}

func accrintm(c *call) Value {
	issue, ok1 := c.day(0)
	settlement, ok2 := c.day(1)
	basis, known := c.basisArg(4)
	par := c.numOr(3, 1000)
	if !ok1 || !ok2 || !known || c.num(2) <= 0 || par <= 0 || issue >= settlement {
		return errNum
	}
	return NumberOf(par * c.num(2) * basis.between(issue, settlement) / basis.yearDays(issue, settlement))
}

// bill reads the term of a treasury bill: at most a year.
func (c *call) bill() (float64, bool) {
	settlement, maturity, ok := c.term()
	if !ok || c.num(2) <= 0 || maturity > addMonths(settlement, 12, false) {
		return 0, false
	}
	return float64(maturity - settlement), true
}

func tbillPrice(c *call) Value {
	days, ok := c.bill()
	if p := 100 * (1 - c.num(2)*days/360); ok && p > 0 {
		return NumberOf(p)
	}
	return errNum
}

func tbillYield(c *call) Value {
	days, ok := c.bill()
	if !ok {
		return errNum
	}
	return NumberOf((100 - c.num(2)) / c.num(2) * 360 / days)
}

func tbillEq(c *call) Value {
	days, ok := c.bill()
	if !ok {
		return errNum
	}
	d := c.num(2)
	if days <= 182 {
		return NumberOf(365 * d / (360 - d*days))
	}
	p := 1 - d*days/360
	if p <= 0 {
		return errNum
	}
	year := 365.0
	if days > 365 {
		year = 366
	}
	t := days / year
	return NumberOf((-2*t + 2*math.Sqrt(t*t-(2*t-1)*(1-1/p))) / (2*t - 1))
}

// depreciation reads what AMORLINC and AMORDEGRC share.
func (c *call) depreciation() (cost, salvage, period, rate, first float64, ok bool) {
	bought, ok1 := c.day(1)
	end, ok2 := c.day(2)
	basis, known := c.basisArg(6)
	cost, salvage, period, rate = c.num(0), c.num(3), math.Trunc(c.num(4)), c.num(5)
	if !ok1 || !ok2 || !known || basis == 2 || cost < 0 || salvage < 0 || salvage > cost || period < 0 || rate <= 0 || bought > end {
		return 0, 0, 0, 0, 0, false
	}
	return cost, salvage, period, rate, basis.years(bought, end), true
}

func amorLinc(c *call) Value {
	cost, salvage, period, rate, first, ok := c.depreciation()
	if !ok {
		return errNum
	}
	each, begin := cost*rate, first*rate*cost
	full := math.Trunc((cost - salvage - begin) / each)
	switch {
	case period == 0:
		return NumberOf(begin)
	case period <= full:
		return NumberOf(each)
	case period == full+1:
		return NumberOf(cost - salvage - each*full - begin)
	}
	return zero
}

func amorDegrc(c *call) Value {
	cost, salvage, period, rate, first, ok := c.depreciation()
	if !ok {
		return errNum
	}
	life := 1 / rate
	factor := 1.0
	switch {
	case life < 3:
	case life < 5:
		factor = 1.5
	case life <= 6:
		factor = 2
	default:
		factor = 2.5
	}
	rate *= factor
	loss := rounded(first*rate*cost, 0, halfUp)
	cost -= loss
	rest := cost - salvage
	for i := 0.0; i < period; i++ {
		c.e.spend(5)
		loss = rounded(rate*cost, 0, halfUp)
		if rest -= loss; rest < 0 {
			if left := period - i; left == 1 || left == 2 {
				return NumberOf(rounded(cost*0.5, 0, halfUp))
			}
			return zero
		}
		cost -= loss
	}
	return NumberOf(loss)
}

// oddLast reads a bond whose last coupon period is irregular and counts it in
// coupon periods: from the last coupon to maturity, to settlement, and from
// settlement to maturity.
func (c *call) oddLast() (whole, passed, left float64, ok bool) {
	settlement, maturity, ok := c.term()
	last, known := c.day(2)
	basis, usual := c.basisArg(7)
	frequency := c.whole(6)
	if !ok || !known || !usual || !couponFrequency(frequency) || last > settlement || c.num(3) < 0 || c.num(5) <= 0 {
		return 0, 0, 0, false
	}
	step := 12 / frequency
	for start := last; start < maturity; {
		c.e.spend(1)
		end := addMonths(start, step, false)
		length := 360 / float64(frequency)
		switch basis {
		case 1:
			length = float64(end - start)
		case 3:
			length = 365 / float64(frequency)
		}
		whole += basis.between(start, min(end, maturity)) / length
		if start < settlement {
			passed += basis.between(start, min(end, settlement)) / length
		}
		if end > settlement {
			left += basis.between(max(start, settlement), min(end, maturity)) / length
		}
		start = end
	}
	return whole, passed, left, true
}

func oddLPrice(c *call) Value {
	whole, passed, left, ok := c.oddLast()
	if !ok || c.num(4) < 0 {
		return errNum
	}
	f := math.Trunc(c.num(6))
	paid := 100 * c.num(3) / f
	return NumberOf((c.num(5)+whole*paid)/(1+left*c.num(4)/f) - passed*paid)
}

func oddLYield(c *call) Value {
	whole, passed, left, ok := c.oddLast()
	if !ok || c.num(4) <= 0 {
		return errNum
	}
	f := math.Trunc(c.num(6))
	paid := 100 * c.num(3) / f
	base := c.num(4) + passed*paid
	return NumberOf((c.num(5) + whole*paid - base) / base * f / left)
}
