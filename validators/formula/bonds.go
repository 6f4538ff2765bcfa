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
		{name: "COUPDAYSNC", params: "xxx[x", run: coupon(func(k coupons) Value { return NumberOf(k.toNext) })},
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
		{name: "ODDFPRICE", params: "xxxxxxxx[x", run: oddFPrice},
		{name: "ODDFYIELD", params: "xxxxxxxx[x", run: oddFYield},
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
	toNext               float64 // days as COUPDAYSNC has them
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
	k.length = basis.couponDays(k.previous, k.next, frequency)
	k.left = k.length - k.passed
	k.toNext = daysToCoupon(settlement, k, basis)
	return k
}

// daysToCoupon is COUPDAYSNC, which does not fill COUPDAYBS up to COUPDAYS:
// Excel counts it on its own, and for US 30/360 between rounded coupon days.
func daysToCoupon(settlement int, k coupons, basis dayCount) float64 {
	if basis == 0 {
		return spanOfCoupon(k.previous, k.next) - k.passed
	}
	return basis.between(settlement, k.next)
}

// spanOfCoupon counts a whole period by US 30/360, where the last day of a
// month is the 30th at the period's end too.
func spanOfCoupon(from, to int) float64 {
	a, b := civilOf(from), civilOf(to)
	if a.day == 31 || endOfFebruary(a) {
		a.day = 30
	}
	if b.day == 31 || endOfFebruary(b) {
		b.day = 30
	}
	return float64(span360(a, b))
}

// couponDays is the length of a coupon period from one day to another.
func (basis dayCount) couponDays(from, to, frequency int) float64 {
	switch basis {
	case 1:
		return float64(to - from)
	case 3:
		return 365 / float64(frequency)
	}
	return 360 / float64(frequency)
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
	return c.root(func(y float64) float64 { return priceOf(k, rate, y, redemption, frequency) - pr }, math.Max(rate, 0.01))
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
	whole, passed = basis.between(issue, maturity)/year, basis.between(issue, settlement)/year
	return whole, whole - passed, passed, true
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

// accrint counts coupon periods back from the one before the first interest day
// to the issue, and adds what settlement is past that day: less than nothing,
// where the first interest is further away than a period.
func accrint(c *call) Value {
	issue, ok1 := c.day(0)
	first, ok2 := c.day(1)
	settlement, ok3 := c.day(2)
	rate, par, frequency := c.num(3), c.num(4), c.whole(5)
	basis, known := c.basisArg(6)
	if !ok1 || !ok2 || !ok3 || !known || rate <= 0 || par <= 0 || !couponFrequency(frequency) || issue >= settlement || issue == 0 {
		return errNum
	}
	if !c.flagOr(7, true) && settlement > first {
		issue = first
	}
	step := 12 / frequency
	d := civilOf(first)
	toEnd := d.day == daysInMonth(d.year, d.month)
	k := -step
	for settlement > first && addMonths(first, k+step, toEnd) < settlement {
		c.e.spend(1)
		k += step
	}
	start, end := addMonths(first, k, toEnd), addMonths(first, k+step, toEnd)
	total := basis.between(max(issue, start), settlement) / basis.couponDays(start, end, frequency)
	for start > issue {
		c.e.spend(1)
		k -= step
		start, end = addMonths(first, k, toEnd), start
		if issue <= start {
			total++
			continue
		}
		length := 365 / float64(frequency)
		switch basis {
		case 0:
			length = spanOfCoupon(start, end)
		case 1, 4:
			length = basis.between(start, end)
		case 2:
			length = dayCount(0).between(start, end)
		}
		total += basis.between(issue, end) / length
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

// writeOff is what AMORLINC and AMORDEGRC share: an asset written off at a rate
// over a life of whole years.
type writeOff struct {
	cost, salvage, period, rate, life float64
	first                             float64 // the part of a year in the first period
}

func (c *call) writeOff() (writeOff, bool) {
	bought, ok1 := c.day(1)
	end, ok2 := c.day(2)
	basis, known := c.basisArg(6)
	w := writeOff{cost: c.num(0), salvage: c.num(3), period: c.num(4), rate: c.num(5)}
	if !ok1 || !ok2 || !known || basis == 2 || w.cost < 0 || w.salvage < 0 || w.salvage > w.cost || w.period < 0 || w.rate <= 0 || bought > end {
		return w, false
	}
	w.life = math.Ceil(1/w.rate - 1e-9)
	year := 360.0
	switch basis {
	case 1, 3:
		year = 365
		if basis == 1 && leapYear(civilOf(bought).year) {
			year = 366
		}
		bought, end = withoutLeapDay(bought), withoutLeapDay(end)
	}
	w.first = basis.between(bought, end) / year
	return w, true
}

// withoutLeapDay takes 29 February for the 28th.
func withoutLeapDay(day int) int {
	if d := civilOf(day); d.month == 2 && d.day == 29 {
		return day - 1
	}
	return day
}

// begin is what the first period takes at a rate, and the life from then on: a
// first period of no length counts as a whole one.
func (w writeOff) begin(rate float64) (loss, life float64) {
	loss, life = w.first*rate*w.cost, w.life+1
	if loss == 0 {
		loss, life = rate*w.cost, w.life
	}
	return math.Min(loss, w.cost-w.salvage), life
}

func amorLinc(c *call) Value {
	w, ok := c.writeOff()
	if !ok {
		return errNum
	}
	if w.cost == w.salvage || w.period > w.life {
		return zero
	}
	begin, _ := w.begin(w.rate)
	if w.period == 0 {
		return NumberOf(begin)
	}
	loss, left := w.rate*w.cost, w.cost-w.salvage-begin
	for i := 1.0; i <= w.period; i++ {
		c.e.spend(1)
		loss = math.Min(loss, left)
		left = math.Max(0, left-loss)
	}
	return NumberOf(loss)
}

func amorDegrc(c *call) Value {
	w, ok := c.writeOff()
	years := 1 / w.rate
	if !ok || years < 3 || years > 4 && years < 5-1e-9 {
		return errNum
	}
	if w.cost == w.salvage || w.period > w.life {
		return zero
	}
	rate := 2.5 * w.rate
	switch {
	case w.life <= 4:
		rate = 1.5 * w.rate
	case w.life <= 6:
		rate = 2 * w.rate
	}
	begin, life := w.begin(rate)
	loss := rounded(begin, 0, halfUp)
	left := w.cost - loss
	for i := 1.0; i <= w.period; i++ {
		c.e.spend(1)
		loss = rate * left
		switch {
		case left < w.salvage:
			loss = 0
		case life-i == 3:
			loss, rate = left/2, 1
		}
		left -= loss
	}
	if w.period > 0 && w.period < 1 {
		return zero
	}
	return NumberOf(rounded(loss, 0, halfUp))
}

// oddDays counts days for the odd periods, never less than none.
func (basis dayCount) oddDays(from, to int) float64 {
	return math.Max(0, basis.between(from, to))
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
	span := basis.oddDays
	if basis == 0 {
		span = func(from, to int) float64 { return math.Max(0, spanOfCoupon(from, to)) }
	}
	step := 12 / frequency
	for start := last; start < maturity; {
		c.e.spend(1)
		end := addMonths(start, step, false)
		length := span(start, end)
		days := length
		if end >= maturity {
			days = span(start, maturity)
		}
		whole += days / length
		switch {
		case end < settlement:
			passed += days / length
		case start < settlement:
			passed += basis.oddDays(start, settlement) / length
		}
		left += basis.oddDays(max(start, settlement), min(end, maturity)) / length
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

// oddFirst is a bond whose first coupon period is irregular.
type oddFirst struct {
	settlement, maturity, issue, first, frequency int
	rate, redemption                              float64
	basis                                         dayCount
}

func (c *call) oddFirst() (b oddFirst, ok bool) {
	var known, said, usual bool
	b.settlement, b.maturity, ok = c.term()
	b.issue, known = c.day(2)
	b.first, said = c.day(3)
	b.rate, b.redemption, b.frequency = c.num(4), c.num(6), c.whole(7)
	b.basis, usual = c.basisArg(8)
	if !ok || !known || !said || !usual || !couponFrequency(b.frequency) || b.rate < 0 || b.redemption <= 0 ||
		b.maturity <= b.first || b.first <= b.settlement || b.settlement <= b.issue {
		return b, false
	}
	// The first coupon day has to be one of those counted back from maturity.
	k := couponsOf(b.first, b.maturity, b.frequency, b.basis)
	return b, k.previous == b.first
}

// price is the price of 100 at a yield.
func (b oddFirst) price(e *evaluator, yield float64) float64 {
	m := float64(b.frequency)
	paid, y := 100*b.rate/m, 1+yield/m
	toFirst := couponsOf(b.settlement, b.first, b.frequency, b.basis)
	length := toFirst.length
	discounted := func(amount, periods float64) float64 { return amount / math.Pow(y, periods) }
	if first := b.basis.oddDays(b.issue, b.first); first < length {
		n := couponsOf(b.settlement, b.maturity, b.frequency, b.basis).n
		part := b.basis.oddDays(b.settlement, b.first) / length
		e.spend(int(n))
		total := discounted(b.redemption, n-1+part) + discounted(paid*first/length, part)
		for i := 1.0; i < n; i++ {
			total += discounted(paid, i+part)
		}
		return total - paid*b.basis.oddDays(b.issue, b.settlement)/length
	}
	// A long first period is counted in ordinary ones, back from the first coupon.
	step := 12 / b.frequency
	whole, passed := 0.0, 0.0
	end := b.first
	for i := couponsOf(b.issue, b.first, b.frequency, b.basis).n; i >= 1; i-- {
		e.spend(1)
		start := addMonths(end, -step, false)
		period := length
		if b.basis == 1 {
			period = b.basis.oddDays(start, end)
		}
		days := period
		if i == 1 {
			days = b.basis.oddDays(b.issue, end)
		}
		whole += days / period
		passed += b.basis.oddDays(max(b.issue, start), min(b.settlement, end)) / period
		end = start
	}
	left := length - b.basis.between(toFirst.previous, b.settlement)
	if b.basis == 2 || b.basis == 3 {
		left = b.basis.oddDays(b.settlement, toFirst.next)
	}
	n := couponsOf(b.first, b.maturity, b.frequency, b.basis).n
	wait := left/length + b.periodsToFirst(step)
	e.spend(int(n))
	total := discounted(b.redemption, wait+n) + discounted(paid*whole, wait)
	for i := 1.0; i <= n; i++ {
		total += discounted(paid, i+wait)
	}
	return total - paid*passed
}

// periodsToFirst counts the whole periods from settlement to the first coupon.
func (b oddFirst) periodsToFirst(step int) float64 {
	d, s := civilOf(b.first), civilOf(b.settlement)
	last := daysInMonth(d.year, d.month)
	toEnd := d.day == last
	if !toEnd && d.month != 2 && d.day > 28 {
		toEnd = s.day == daysInMonth(s.year, s.month)
	}
	start := addMonths(b.settlement, 0, toEnd)
	n := 0.0
	if b.settlement < start {
		n++
	}
	for day := addMonths(start, step, toEnd); day < b.first; day = addMonths(day, step, toEnd) {
		n++
	}
	return n
}

func oddFPrice(c *call) Value {
	b, ok := c.oddFirst()
	if !ok || c.num(5) < 0 {
		return errNum
	}
	return NumberOf(b.price(c.e, c.num(5)))
}

func oddFYield(c *call) Value {
	b, ok := c.oddFirst()
	pr := c.num(5)
	if !ok || pr <= 0 {
		return errNum
	}
	years := b.basis.between(b.settlement, b.maturity)
	above := pr - 100
	guess := (b.rate*years*100 - above) / (above/4 + years*above/2 + years*100)
	return c.root(func(y float64) float64 { return b.price(c.e, y) - pr }, guess)
}
