package formula

import (
	"math"
	"strings"
)

func dateFunctions() []function {
	return []function{
		{name: "DATE", params: "nnn", run: date},
		{name: "TIME", params: "nnn", run: timeOfDay},
		{name: "DATEVALUE", params: "v", run: dateValue},
		{name: "TIMEVALUE", params: "v", run: timeValue},
		{name: "YEAR", params: "n", run: part(func(d civil) int { return d.year })},
		{name: "MONTH", params: "n", run: part(func(d civil) int { return d.month })},
		{name: "DAY", params: "n", run: part(func(d civil) int { return d.day })},
		{name: "HOUR", params: "n", run: clockPart(func(c clock) int { return c.hour })},
		{name: "MINUTE", params: "n", run: clockPart(func(c clock) int { return c.minute })},
		{name: "SECOND", params: "n", run: clockPart(func(c clock) int { return c.second })},
		{name: "WEEKDAY", params: "n[n", run: weekday},
		{name: "WEEKNUM", params: "x[x", run: weekNumber},
		{name: "ISOWEEKNUM", params: "n", run: isoWeekNumber},
		{name: "EDATE", params: "xx", run: func(c *call) Value { return c.monthsOn(false) }},
		{name: "EOMONTH", params: "xx", run: func(c *call) Value { return c.monthsOn(true) }},
		{name: "DATEDIF", params: "nns", run: dateDif},
		{name: "DAYS", params: "nn", run: days},
		{name: "DAYS360", params: "nn[b", run: days360},
		{name: "YEARFRAC", params: "xx[x", run: yearFraction},
		{name: "NETWORKDAYS", params: "xx[r", run: networkDays},
		{name: "NETWORKDAYS.INTL", params: "xx[Vr", run: networkDaysIntl},
		{name: "WORKDAY", params: "xx[r", run: workday},
		{name: "WORKDAY.INTL", params: "xx[Vr", run: workdayIntl},
		{name: "TODAY", params: "", reason: ReasonVolatile, run: func(c *call) Value { return NumberOf(math.Floor(c.e.now())) }},
		{name: "NOW", params: "", reason: ReasonVolatile, run: func(c *call) Value { return NumberOf(c.e.now()) }},
	}
}

// now is the time the caller says it is, as a serial.
func (e *evaluator) now() float64 {
	t := e.book.sheet.Now
	day := serialOf(t.Year(), int(t.Month()), t.Day())
	seconds := float64(t.Hour()*3600+t.Minute()*60+t.Second()) + float64(t.Nanosecond())/1e9
	return float64(day) + seconds/86400 - e.dayShift()
}

// day returns the i-th argument as a whole serial of the 1900 system.
func (c *call) day(i int) (int, bool) {
	f := math.Floor(c.num(i) + c.e.dayShift())
	return int(f), c.num(i) >= 0 && f <= lastSerial
}

// serial returns a day as the workbook counts it; beyond the calendar is #NUM!.
func (c *call) serial(day int) Value {
	f := float64(day) - c.e.dayShift()
	if f < 0 || day > lastSerial {
		return errNum
	}
	return NumberOf(f)
}

func date(c *call) Value {
	y, m, d := math.Floor(c.num(0)), math.Floor(c.num(1)), math.Floor(c.num(2))
	if y < -10000 || m < -32767 || m >= 32767 {
		return errNum
	}
	if d < -32768 || d > 32767 {
		d = 32767
	}
	y = math.Min(y, 10000)
	if y < 1900 {
		y += 1900
	}
	return c.serial(serialOf(int(y), int(m), int(d)))
}

func timeOfDay(c *call) Value {
	seconds := 0.0
	for i, size := range []float64{3600, 60, 1} {
		n := math.Floor(c.num(i))
		if math.Abs(n) > 32767 {
			return errNum
		}
		seconds += n * size
	}
	if seconds < 0 {
		return errNum
	}
	return NumberOf(math.Mod(seconds, 86400) / 86400)
}

// dateValue reads only text: a number is #VALUE!.
func dateValue(c *call) Value {
	f, ok := c.written()
	if !ok {
		return errValue
	}
	return NumberOf(math.Floor(f))
}

func timeValue(c *call) Value {
	f, ok := c.written()
	if !ok {
		return errValue
	}
	return NumberOf(f - math.Floor(f))
}

func (c *call) written() (float64, bool) {
	if !c.args[0].isText() {
		return 0, false
	}
	f, ok, yearless := c.e.book.locale.parseDateTime(strings.Trim(c.args[0].text, " "))
	if yearless {
		refuse(ReasonVolatile, "A date without a year means the current year, which is not fixed.")
	}
	if f >= 1 {
		f -= c.e.dayShift()
	}
	return f, ok
}

func part(of func(civil) int) func(*call) Value {
	return func(c *call) Value {
		day, ok := c.day(0)
		if !ok {
			return errNum
		}
		return NumberOf(float64(of(civilOf(day))))
	}
}

func clockPart(of func(clock) int) func(*call) Value {
	return func(c *call) Value {
		if _, ok := c.day(0); !ok {
			return errNum
		}
		t, _ := clockOf(c.num(0), 0)
		return NumberOf(float64(of(t)))
	}
}

func weekday(c *call) Value {
	day, ok := c.day(0)
	if !ok {
		return errNum
	}
	w := weekdayOf(day) // 0 is Sunday
	switch kind := c.wholeOr(1, 1); {
	case kind == 1:
		w++
	case kind == 2:
		w = (w+6)%7 + 1
	case kind == 3:
		w = (w + 6) % 7
	case kind >= 11 && kind <= 17: // the week begins on Monday, Tuesday, …
		w = (w+7-(kind-10)%7)%7 + 1
	default:
		return errNum
	}
	return NumberOf(float64(w))
}

func weekNumber(c *call) Value {
	day, ok := c.day(0)
	if !ok {
		return errNum
	}
	first := 0
	switch kind := c.wholeOr(1, 1); {
	case kind == 1 || kind == 17:
	case kind == 2 || kind == 11:
		first = 1
	case kind >= 12 && kind <= 16:
		first = kind - 10
	case kind == 21:
		return NumberOf(float64(isoWeek(day)))
	default:
		return errNum
	}
	january := serialOf(civilOf(day).year, 1, 1)
	lead := (weekdayOf(january) - first + 7) % 7
	return NumberOf(float64(floorDiv(day-january+lead, 7) + 1))
}

func isoWeekNumber(c *call) Value {
	day, ok := c.day(0)
	if !ok {
		return errNum
	}
	return NumberOf(float64(isoWeek(day)))
}

// isoWeek: the week belongs to the year of its Thursday.
func isoWeek(day int) int {
	thursday := day - (weekdayOf(day)+6)%7 + 3
	year := civilOf(max(thursday, 1)).year
	return (thursday-serialOf(year, 1, 1))/7 + 1
}

func (c *call) monthsOn(toEnd bool) Value {
	day, ok := c.day(0)
	months := math.Trunc(c.num(1))
	if !ok || math.Abs(months) > 120000 {
		return errNum
	}
	d := civilOf(day)
	m := d.month - 1 + int(months)
	y := d.year + floorDiv(m, 12)
	m -= floorDiv(m, 12) * 12
	if y < 1900 || y > 9999 {
		return errNum
	}
	last := daysInMonth(y, m+1)
	if y == 1900 && m == 1 { // here the day that never was is left out
		last = 28
	}
	if toEnd || d.day > last {
		d.day = last
	}
	return c.serial(serialOf(y, m+1, d.day))
}

func dateDif(c *call) Value {
	from, ok1 := c.day(0)
	to, ok2 := c.day(1)
	if !ok1 || !ok2 || from > to {
		return errNum
	}
	a, b := civilOf(from), civilOf(to)
	months := (b.year-a.year)*12 + b.month - a.month
	if b.day < a.day {
		months--
	}
	switch strings.ToUpper(c.str(2)) {
	case "Y":
		return NumberOf(float64(months / 12))
	case "M":
		return NumberOf(float64(months))
	case "D":
		return NumberOf(float64(to - from))
	case "YM":
		return NumberOf(float64(months % 12))
	case "MD":
		back := 0
		if b.day < a.day {
			back = 1
		}
		return NumberOf(float64(to - serialOf(b.year, b.month-back, a.day)))
	case "YD": // the end is moved to the first year in which it is not before the start
		year := a.year
		if b.month < a.month || b.month == a.month && b.day < a.day {
			year++
		}
		return NumberOf(float64(daysFromCivil(year, b.month, b.day) - daysFromCivil(a.year, a.month, a.day)))
	}
	return errNum
}

func days(c *call) Value {
	to, ok1 := c.day(0)
	from, ok2 := c.day(1)
	if !ok1 || !ok2 {
		return errNum
	}
	return NumberOf(float64(to - from))
}

func days360(c *call) Value {
	from, ok1 := c.day(0)
	to, ok2 := c.day(1)
	if !ok1 || !ok2 {
		return errNum
	}
	a, b := civilOf(from), civilOf(to)
	if c.flagOr(2, false) {
		return NumberOf(float64(span360(european(a), european(b))))
	}
	if a.day == 31 || endOfFebruary(a) {
		a.day = 30
	}
	if b.day == 31 {
		if a.day < 30 {
			b.day, b.month = 1, b.month+1
		} else {
			b.day = 30
		}
	}
	return NumberOf(float64(span360(a, b)))
}

func european(d civil) civil {
	d.day = min(d.day, 30)
	return d
}

func endOfFebruary(d civil) bool { return d.month == 2 && d.day >= daysInMonth(d.year, 2) }

// span360 counts days where every month has thirty.
func span360(a, b civil) int {
	return (b.year-a.year)*360 + (b.month-a.month)*30 + b.day - a.day
}

// dayCount is how bonds count days: 0 US 30/360, 1 actual/actual, 2 actual/360,
// 3 actual/365, 4 European 30/360.
type dayCount int

// nasd adjusts two days for US 30/360. A period that starts at the end of
// February keeps an end on a 31st.
func nasd(a, b civil) (civil, civil) {
	if endOfFebruary(a) && endOfFebruary(b) || b.day == 31 && a.day >= 30 {
		b.day = 30
	}
	if a.day == 31 || endOfFebruary(a) {
		a.day = 30
	}
	return a, b
}

// between counts the days from one serial to another.
func (basis dayCount) between(from, to int) float64 {
	a, b := civilOf(from), civilOf(to)
	switch basis {
	case 0:
		a, b = nasd(a, b)
		return float64(span360(a, b))
	case 4:
		return float64(span360(european(a), european(b)))
	}
	return float64(to - from)
}

// years is the part of a year between two days, as YEARFRAC has it.
func (basis dayCount) years(from, to int) float64 {
	if from > to {
		from, to = to, from
	}
	switch basis {
	case 1:
		return float64(to-from) / yearLength(from, to)
	case 3:
		return float64(to-from) / 365
	}
	return basis.between(from, to) / 360
}

// yearLength is the mean length of the years touched; within one year 366 if
// 29 February lies between.
func yearLength(from, to int) float64 {
	a, b := civilOf(from), civilOf(to)
	short := a.year == b.year || a.year+1 == b.year && (a.month > b.month || a.month == b.month && a.day >= b.day)
	if !short {
		years := b.year - a.year + 1
		return float64(daysFromCivil(b.year+1, 1, 1)-daysFromCivil(a.year, 1, 1)) / float64(years)
	}
	if a.year == b.year {
		if leapYear(a.year) {
			return 366
		}
		return 365
	}
	for _, y := range []int{a.year, b.year} {
		if leapYear(y) {
			if leap := serialOf(y, 2, 29); leap >= from && leap <= to {
				return 366
			}
		}
	}
	return 365
}

func yearFraction(c *call) Value {
	from, ok1 := c.day(0)
	to, ok2 := c.day(1)
	basis, known := c.basisArg(2)
	if !ok1 || !ok2 || !known {
		return errNum
	}
	return NumberOf(basis.years(from, to))
}

// weekend tells for each day, Sunday first, whether it is free.
type weekend [7]bool

var usualWeekend = weekend{0: true, 6: true}

// weekendArg reads 1 to 7, 11 to 17, or "0000011" with Monday first.
func (c *call) weekendArg(i int) (weekend, Value) {
	if !c.has(i) {
		return usualWeekend, blank
	}
	var out weekend
	v := c.args[i]
	if v.isText() {
		if len(v.text) != 7 || strings.Trim(v.text, "01") != "" {
			return out, errValue
		}
		for k := 0; k < 7; k++ {
			out[(k+1)%7] = v.text[k] == '1'
		}
		return out, blank
	}
	f, err := c.e.number(v)
	if err.isError() {
		return out, err
	}
	switch n := int(math.Max(-1, math.Min(99, math.Trunc(f)))); {
	case n >= 1 && n <= 7: // Saturday and Sunday, Sunday and Monday, …
		out[(n+5)%7], out[(n+6)%7] = true, true
	case n >= 11 && n <= 17: // only Sunday, only Monday, …
		out[n-11] = true
	default:
		return out, errNum
	}
	return out, blank
}

// holidays reads the days of an argument.
func (c *call) holidays(i int) (map[int]bool, Value) {
	out := map[int]bool{}
	if !c.has(i) {
		return out, blank
	}
	trouble := blank
	c.e.items(c.args[i], func(v Value, _ int, at *place) {
		if at != nil {
			c.e.noteRead(*at, v, true)
		}
		if v.isBlank() {
			return
		}
		f, err := c.e.number(v)
		if v.isBoolean() {
			err = errValue
		}
		switch {
		case trouble.isError():
		case err.isError():
			trouble = err
		case f < 0 || f > lastSerial:
			trouble = errNum
		default:
			out[int(f+c.e.dayShift())] = true
		}
	})
	return out, trouble
}

func networkDays(c *call) Value { return c.countWorkdays(usualWeekend, 2) }

func networkDaysIntl(c *call) Value {
	free, err := c.weekendArg(2)
	if err.isError() {
		return err
	}
	return c.countWorkdays(free, 3)
}

func (c *call) countWorkdays(free weekend, holidayArg int) Value {
	from, ok1 := c.day(0)
	to, ok2 := c.day(1)
	if !ok1 || !ok2 {
		return errNum
	}
	off, err := c.holidays(holidayArg)
	if err.isError() {
		return err
	}
	sign := 1
	if from > to {
		from, to, sign = to, from, -1
	}
	c.e.spend((to - from) / 4)
	n := 0
	for day := from; day <= to; day++ {
		if !free[weekdayOf(day)] && !off[day] {
			n++
		}
	}
	return NumberOf(float64(sign * n))
}

func workday(c *call) Value { return c.workdaysOn(usualWeekend, 2) }

func workdayIntl(c *call) Value {
	free, err := c.weekendArg(2)
	if err.isError() {
		return err
	}
	return c.workdaysOn(free, 3)
}

func (c *call) workdaysOn(free weekend, holidayArg int) Value {
	day, ok := c.day(0)
	if !ok {
		return errNum
	}
	off, err := c.holidays(holidayArg)
	if err.isError() {
		return err
	}
	if free == (weekend{true, true, true, true, true, true, true}) {
		return errValue
	}
	left := c.whole(1)
	step := 1
	if left < 0 {
		left, step = -left, -1
	}
	for left > 0 {
		c.e.spend(1)
		if day += step; day < 0 || day > lastSerial {
			return errNum
		}
		if !free[weekdayOf(day)] && !off[day] {
			left--
		}
	}
	return c.serial(day)
}
