package formula

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// generalText writes a number as "&" does: 15 significant digits, plain unless
// that takes more than 20 characters.
func generalText(f float64) string {
	if f == 0 {
		return "0"
	}
	digits, exponent, negative := decimalDigits(f, 15)
	var s string
	switch {
	case exponent >= 0 && exponent+1 >= len(digits):
		if exponent+1 > 20 {
			s = scientific(digits, exponent)
		} else {
			s = digits + strings.Repeat("0", exponent+1-len(digits))
		}
	case exponent >= 0:
		s = digits[:exponent+1] + "." + digits[exponent+1:]
	default:
		if 2-exponent-1+len(digits) > 20 {
			s = scientific(digits, exponent)
		} else {
			s = "0." + strings.Repeat("0", -exponent-1) + digits
		}
	}
	if negative {
		return "-" + s
	}
	return s
}

// decimalDigits returns the significant digits without trailing zeros and the
// exponent of the first.
func decimalDigits(f float64, precision int) (digits string, exponent int, negative bool) {
	s := strconv.FormatFloat(math.Abs(f), 'e', precision-1, 64)
	mantissa, power, _ := strings.Cut(s, "e")
	exponent, _ = strconv.Atoi(power)
	digits = strings.TrimRight(strings.Replace(mantissa, ".", "", 1), "0")
	if digits == "" {
		digits = "0"
	}
	return digits, exponent, f < 0
}

func scientific(digits string, exponent int) string {
	s := digits[:1]
	if len(digits) > 1 {
		s += "." + digits[1:]
	}
	sign := "+"
	if exponent < 0 {
		sign, exponent = "-", -exponent
	}
	power := strconv.Itoa(exponent)
	if len(power) < 2 {
		power = "0" + power
	}
	return s + "E" + sign + power
}

// parseNumber reads text as typing it into a cell would: numbers with signs,
// currency, thousands, percent, exponents, fractions; dates and times. A date
// without a year is refused: it means another day each year.
func (l *locale) parseNumber(text string, date1904 bool) (float64, bool) {
	f, ok, yearless := l.parse(text, date1904)
	if yearless {
		refuse(ReasonVolatile, "A date without a year means the current year, which is not fixed.")
	}
	return f, ok
}

// parseFixed is parseNumber for text that may well be no number: a date without
// a year is none to it.
func (l *locale) parseFixed(text string, date1904 bool) (float64, bool) {
	f, ok, _ := l.parse(text, date1904)
	return f, ok
}

func (l *locale) parse(text string, date1904 bool) (f float64, ok, yearless bool) {
	s := strings.Trim(text, " ")
	if s == "" || len(s) > 255 || !strings.ContainsAny(s, "0123456789") {
		return 0, false, false
	}
	if f, ok = l.parsePlain(s); ok {
		return f, true, false
	}
	if f, ok = parseFraction(s); ok {
		return f, true, false
	}
	f, ok, yearless = l.parseDateTime(s)
	if ok && date1904 && f >= 1 {
		f -= offset1904
	}
	return f, ok, yearless
}

// parsePlain reads a number with its trimmings: one sign, or parentheses for
// minus; one currency or one percent sign.
func (l *locale) parsePlain(s string) (float64, bool) {
	negative, signed := false, false
	if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") {
		negative, signed = true, true
		s = strings.Trim(s[1:len(s)-1], " ")
	}
	percent, money := false, false
	for {
		switch {
		case !signed && (strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+")):
			signed = true
			negative = s[0] == '-'
			s = strings.TrimLeft(s[1:], " ")
			continue
		case !money && l.currencyPrefix(s) > 0:
			money = true
			s = strings.TrimLeft(s[l.currencyPrefix(s):], " ")
			continue
		case !percent && strings.HasPrefix(s, "%"):
			percent = true
			s = strings.TrimLeft(s[1:], " ")
			continue
		case !percent && strings.HasSuffix(s, "%"):
			percent = true
			s = strings.TrimRight(s[:len(s)-1], " ")
			continue
		case !money && l.currencySuffix(s) > 0:
			money = true
			s = strings.TrimRight(s[:len(s)-l.currencySuffix(s)], " ")
			continue
		}
		break
	}
	if money && percent {
		return 0, false
	}
	plain, ok := l.ungroup(s)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(plain, 64)
	if f >= 1e308 || err != nil && plain == "" { // Excel reads up to 9.99999999999999E+307
		return 0, false
	}
	f = fifteenDigits(plain, f)
	if percent {
		f /= 100
	}
	if negative {
		f = -f
	}
	return f, true
}

func (l *locale) currencyPrefix(s string) int {
	for _, sign := range []string{l.currency, "$"} {
		if strings.HasPrefix(s, sign) {
			return len(sign)
		}
	}
	return 0
}

func (l *locale) currencySuffix(s string) int {
	if l.decimal == ',' && strings.HasSuffix(s, l.currency) {
		return len(l.currency)
	}
	return 0
}

// ungroup takes the thousands out and turns the decimal mark into a point. A
// group has at least three digits.
func (l *locale) ungroup(s string) (string, bool) {
	var b strings.Builder
	digits, group, grouped, pointed, exponent := 0, 0, false, false, false
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case isDigit(c):
			b.WriteByte(c)
			digits++
			group++
			i++
		case c == l.decimal && !pointed && !exponent:
			if grouped && group < 3 {
				return "", false
			}
			pointed, grouped = true, false
			b.WriteByte('.')
			i++
		case c|0x20 == 'e' && digits > 0 && !exponent && i+1 < len(s):
			if grouped && group < 3 {
				return "", false
			}
			exponent, grouped = true, false
			b.WriteByte('e')
			i++
			if s[i] == '+' || s[i] == '-' {
				b.WriteByte(s[i])
				i++
			}
			if i == len(s) {
				return "", false
			}
		default:
			n := l.thousandsAt(s[i:])
			if n == 0 || digits == 0 || pointed || exponent || grouped && group < 3 {
				return "", false
			}
			grouped, group = true, 0
			i += n
		}
	}
	if digits == 0 || grouped && group < 3 {
		return "", false
	}
	return b.String(), true
}

func (l *locale) thousandsAt(s string) int {
	if strings.HasPrefix(s, l.thousands) {
		return len(l.thousands)
	}
	if l.thousands == " " {
		if r, n := utf8.DecodeRuneInString(s); r == 0xA0 || r == 0x202F {
			return n
		}
	}
	return 0
}

var fraction = regexp.MustCompile(`^([-+]?) ?(\d+) (\d{1,5})/(\d{1,5})$`)

// parseFraction reads "1 1/2". Without the whole part Excel sees a date.
func parseFraction(s string) (float64, bool) {
	m := fraction.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	whole, _ := strconv.ParseFloat(m[2], 64)
	top, _ := strconv.ParseFloat(m[3], 64)
	bottom, _ := strconv.ParseFloat(m[4], 64)
	if bottom == 0 || bottom > 32767 || top > 32767 {
		return 0, false
	}
	f := whole + top/bottom
	if m[1] == "-" {
		f = -f
	}
	return f, true
}

var (
	twelveHours = regexp.MustCompile(`^(\d{1,2})(?: *: *(\d{1,2})(?: *: *(\d{1,2})(\.\d*)?)?)? ?([AaPp][Mm]?)$`)
	clockTime   = regexp.MustCompile(`^(\d{1,4}) *: *(\d{0,4})(?: *: *(\d{0,4})(\.\d*)?)?$`)
	minuteTime  = regexp.MustCompile(`^(\d{1,4}) *: *(\d{1,4})(\.\d*)$`)
	numeric     = regexp.MustCompile(`^(\d{1,4})([/.-])(\d{1,2})(?:([/.-])(\d{1,4}))?$`)
	monthYear   = regexp.MustCompile(`^(\d{1,2})[/-](\d{4})$`)
	dayMonth    = regexp.MustCompile(`^(\d{1,2})[ /-]*([A-Za-z]{3,9})\.?,?(?:[ /-]+(\d{1,4}))?$`)
	monthDay    = regexp.MustCompile(`^([A-Za-z]{3,9})\.?[ -]*(\d{1,2}),?(?:[ -]+(\d{1,4}))?$`)
	monthOnly   = regexp.MustCompile(`^([A-Za-z]{3,9})\.?[ -]+(\d{4})$`)
	isoStamp    = regexp.MustCompile(`^(\d{4})-(\d{2})-(\d{2})$`)
)

// parseDateTime reads a date, a time, or a date followed by a time.
func (l *locale) parseDateTime(s string) (f float64, ok, yearless bool) {
	if f, ok := parseTime(s); ok {
		return f, true, false
	}
	if f, ok, yearless = l.parseDate(s); ok || yearless {
		return f, ok, yearless
	}
	for i := len(s) - 1; i > 0; i-- {
		if s[i] != ' ' {
			continue
		}
		clock, ok := parseTime(strings.Trim(s[i+1:], " "))
		if !ok {
			continue
		}
		day, ok, yearless := l.parseDate(strings.TrimRight(s[:i], " "))
		if ok || yearless {
			return day + clock, ok, yearless
		}
	}
	return 0, false, false
}

// parseTime reads 14:30, 2:30:15.5 PM or 6 PM as a fraction of a day. Without
// AM or PM one part, and only one, may run over.
func parseTime(s string) (float64, bool) {
	if m := twelveHours.FindStringSubmatch(s); m != nil {
		return twelveHourTime(m)
	}
	if m := minuteTime.FindStringSubmatch(s); m != nil {
		return timeOf(m[1:3], []float64{59, 59}, m[3], 60)
	}
	m := clockTime.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	parts := m[1:3]
	if strings.Count(s, ":") == 2 {
		parts = m[1:4]
		if m[2] == "" {
			return 0, false
		}
	}
	return timeOf(parts, []float64{23, 59, 59}, m[4], 3600)
}

// timeOf adds up the parts of a time, of which the first counts unit seconds.
func timeOf(parts []string, limits []float64, fraction string, unit float64) (float64, bool) {
	seconds, over := 0.0, 0
	for i, part := range parts {
		if len(part) > 2 && part[0] == '0' {
			return 0, false
		}
		n, _ := strconv.ParseFloat("0"+part, 64)
		if n > limits[i] {
			over++
		}
		seconds += n * unit
		unit /= 60
	}
	part, _ := strconv.ParseFloat("0"+fraction, 64)
	seconds += math.Floor(part*1000+0.5) / 1000
	return seconds / 86400, over <= 1
}

func twelveHourTime(m []string) (float64, bool) {
	hour, _ := strconv.ParseFloat(m[1], 64)
	minute, _ := strconv.ParseFloat("0"+m[2], 64)
	second, _ := strconv.ParseFloat("0"+m[3]+m[4], 64)
	if hour > 12 || minute >= 60 || second >= 60 {
		return 0, false
	}
	if hour == 12 {
		hour = 0
	}
	if m[5][0]|0x20 == 'p' {
		hour += 12
	}
	return (hour*3600 + minute*60 + second) / 86400, true
}

// parseDate reads a day in the orders the locale knows, or with a month's name.
func (l *locale) parseDate(s string) (f float64, ok, yearless bool) {
	if m := isoStamp.FindStringSubmatch(s); m != nil {
		return dateOf(m[1], m[2], m[3])
	}
	if m := monthYear.FindStringSubmatch(s); m != nil {
		return dateOf(m[2], m[1], "1")
	}
	if m := numeric.FindStringSubmatch(s); m != nil {
		return l.numericDate(m)
	}
	if m := monthOnly.FindStringSubmatch(s); m != nil {
		return namedDate(m[2], m[1], "1")
	}
	if m := dayMonth.FindStringSubmatch(s); m != nil {
		return namedDate(m[3], m[2], m[1])
	}
	if m := monthDay.FindStringSubmatch(s); m != nil {
		if day, _ := strconv.Atoi(m[2]); m[3] == "" && (day == 0 || day > daysInMonth(2000, max(1, monthNamed(m[1])))) {
			return namedDate(m[2], m[1], "1") // Jan-99
		}
		return namedDate(m[3], m[1], m[2])
	}
	return 0, false, false
}

func (l *locale) numericDate(m []string) (f float64, ok, yearless bool) {
	if m[4] != "" && m[4] != m[2] || m[2] == "." && l.dateSep != '.' {
		return 0, false, false
	}
	if len(m[1]) == 4 || l.yearFirst && m[5] != "" && len(m[5]) < 3 {
		if m[5] == "" {
			return dateOf(m[1], m[3], "1")
		}
		return dateOf(m[1], m[3], m[5])
	}
	if len(m[1]) > 2 {
		return 0, false, false
	}
	if l.dayFirst {
		return dateOf(m[5], m[3], m[1])
	}
	return dateOf(m[5], m[1], m[3])
}

// dateOf makes a serial of written parts. A missing year means this year, which
// only the reader of the clock can know.
func dateOf(year, month, day string) (f float64, ok, yearless bool) {
	m, _ := strconv.Atoi(month)
	d, _ := strconv.Atoi(day)
	if m < 1 || m > 12 || d < 1 || d > 31 || len(year) == 3 || len(day) > 2 {
		return 0, false, false
	}
	if year == "" {
		return 0, false, d <= daysInMonth(2000, m)
	}
	y, _ := strconv.Atoi(year)
	if len(year) <= 2 {
		if y < 30 {
			y += 2000
		} else {
			y += 1900
		}
	}
	if y < 1900 || y > 9999 || d > daysInMonth(y, m) {
		return 0, false, false
	}
	return float64(serialOf(y, m, d)), true, false
}

func namedDate(year, month, day string) (f float64, ok, yearless bool) {
	m := monthNamed(month)
	if m == 0 {
		return 0, false, false
	}
	return dateOf(year, strconv.Itoa(m), day)
}

var (
	monthNames   = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	weekdayNames = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
)

// monthNamed returns 1 to 12 for a month's name or at least its first three
// letters, or 0.
func monthNamed(s string) int {
	for i, name := range monthNames {
		if len(s) >= 3 && len(s) <= len(name) && strings.EqualFold(s, name[:len(s)]) {
			return i + 1
		}
	}
	return 0
}
