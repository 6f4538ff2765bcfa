package formula

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Number formats, as TEXT takes them: sections for positive, negative, zero and
// text, each a row of marks.

type markKind uint8

const (
	markLiteral  markKind = iota
	markDigit             // 0, # or ?
	markPoint             // decimal mark
	markGroup             // thousands mark
	markPercent           // %
	markExponent          // E+ or E-
	markSlash             // / of a fraction or a date
	markText              // @
	markGeneral           // General
	markDate              // y m d h s and their runs, a for AM/PM, elapsed in brackets
)

type mark struct {
	kind    markKind
	text    string // literal text; the run of letters of a date mark
	elapsed bool   // [h], [m], [s]
	digits  int    // of a fraction of a second
}

type section struct {
	marks     []mark
	condition string // "<", ">=" …; "" when there is none
	limit     float64
	dated     bool
	named     bool // shows names of months or days
	foreign   bool // asks for another language
}

// parseFormat reads a number format; ok is false when Excel would refuse it.
func parseFormat(format string, loc *locale) (sections []section, ok bool) {
	for _, text := range splitSections(format) {
		s, ok := parseSection(text, loc)
		if !ok {
			return nil, false
		}
		sections = append(sections, s)
	}
	return sections, len(sections) <= 4
}

// splitSections parts a format at its semicolons outside quotes and brackets.
func splitSections(format string) []string {
	var out []string
	start, quoted, bracket := 0, false, false
	for i := 0; i < len(format); i++ {
		switch c := format[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '\\':
			i++
		case c == '[':
			bracket = true
		case c == ']':
			bracket = false
		case c == ';' && !bracket:
			out = append(out, format[start:i])
			start = i + 1
		}
	}
	return append(out, format[start:])
}

func parseSection(text string, loc *locale) (section, bool) {
	var s section
	for i := 0; i < len(text); {
		c := text[i]
		_, size := utf8.DecodeRuneInString(text[i:])
		lower := c | 0x20
		switch {
		case c == '"':
			end := strings.IndexByte(text[i+1:], '"')
			if end < 0 {
				return s, false
			}
			s.literal(text[i+1 : i+1+end])
			i += end + 2
		case c == '\\' || c == '_' || c == '*':
			if i+1 >= len(text) {
				return s, false
			}
			_, n := utf8.DecodeRuneInString(text[i+1:])
			if c == '\\' {
				s.literal(text[i+1 : i+1+n])
			} else if c == '_' {
				s.literal(" ")
			}
			i += 1 + n
		case c == '[':
			end := strings.IndexByte(text[i:], ']')
			if end < 0 || !s.bracket(text[i+1:i+end]) {
				return s, false
			}
			i += end + 1
		case c == '0' || c == '#' || c == '?':
			s.marks = append(s.marks, mark{kind: markDigit, text: text[i : i+1]})
			i++
		case c == loc.decimal:
			n := 0
			for s.seconds() && i+1+n < len(text) && text[i+1+n] == '0' {
				n++
			}
			if n > 0 {
				s.marks[len(s.marks)-1].digits = min(n, 3)
			} else {
				s.marks = append(s.marks, mark{kind: markPoint})
			}
			i += 1 + n
		case strings.HasPrefix(text[i:], loc.thousands) && loc.thousands != " ":
			s.marks = append(s.marks, mark{kind: markGroup})
			i += len(loc.thousands)
		case c == '%':
			s.marks = append(s.marks, mark{kind: markPercent, text: "%"})
			i++
		case lower == 'e' && i+1 < len(text) && (text[i+1] == '+' || text[i+1] == '-'):
			s.marks = append(s.marks, mark{kind: markExponent, text: text[i : i+2]})
			i += 2
		case c == '/':
			s.marks = append(s.marks, mark{kind: markSlash, text: "/"})
			i++
		case c == '@':
			s.marks = append(s.marks, mark{kind: markText})
			i++
		case len(text)-i >= 7 && strings.EqualFold(text[i:i+7], "General"):
			s.marks = append(s.marks, mark{kind: markGeneral})
			i += 7
		case len(text)-i >= 5 && strings.EqualFold(text[i:i+5], "AM/PM"):
			s.date("am/pm")
			i += 5
		case len(text)-i >= 3 && strings.EqualFold(text[i:i+3], "A/P"):
			s.date(text[i : i+3])
			i += 3
		case strings.IndexByte("ymdhs", lower) >= 0 && isLetter(c) || lower == 'e':
			n := 1
			for i+n < len(text) && text[i+n]|0x20 == lower {
				n++
			}
			s.date(strings.ToLower(text[i : i+n]))
			i += n
		case lower == 'b' || lower == 'g' && isLetter(c):
			return s, false
		default:
			s.literal(text[i : i+size])
			i += size
		}
	}
	s.minutes()
	return s, true
}

func (s *section) literal(text string) {
	s.marks = append(s.marks, mark{kind: markLiteral, text: text})
}

func (s *section) date(run string) {
	s.dated = true
	if run == "mmm" || run == "mmmm" || run == "mmmmm" || strings.HasPrefix(run, "ddd") {
		s.named = true
	}
	s.marks = append(s.marks, mark{kind: markDate, text: run})
}

// seconds tells whether the last mark shows seconds, so that a point begins
// their fraction.
func (s *section) seconds() bool {
	if len(s.marks) == 0 {
		return false
	}
	m := s.marks[len(s.marks)-1]
	return m.kind == markDate && strings.HasPrefix(m.text, "s")
}

// bracket reads what stands in [ ]: a condition, a colour, a currency, a
// locale, or an elapsed time.
func (s *section) bracket(inner string) bool {
	if inner == "" {
		return false
	}
	lower := strings.ToLower(inner)
	switch {
	case strings.Trim(lower, "h") == "" || strings.Trim(lower, "m") == "" || strings.Trim(lower, "s") == "":
		s.date(lower)
		s.marks[len(s.marks)-1].elapsed = true
	case inner[0] == '$':
		currency, language, _ := strings.Cut(inner[1:], "-")
		s.literal(currency)
		code, err := strconv.ParseUint(language, 16, 64)
		s.foreign = s.foreign || language != "" && (err != nil || code&0x3ff != 9 && code != 0xF800 && code != 0xF400)
	case strings.IndexByte("<>=", inner[0]) >= 0:
		n := 1
		if len(inner) > 1 && (inner[1] == '=' || inner[1] == '>') {
			n = 2
		}
		limit, err := strconv.ParseFloat(strings.TrimSpace(inner[n:]), 64)
		if err != nil {
			return false
		}
		s.condition, s.limit = inner[:n], limit
	}
	return true // a colour, or something Excel does not show in a text
}

// minutes turns "m" next to hours or seconds into minutes.
func (s *section) minutes() {
	last := ""
	for i := range s.marks {
		m := &s.marks[i]
		if m.kind != markDate {
			continue
		}
		if (m.text == "m" || m.text == "mm") && !m.elapsed {
			if strings.HasPrefix(last, "h") || strings.HasPrefix(s.nextDate(i), "s") {
				m.text = strings.Repeat("i", len(m.text))
			}
		}
		if !strings.HasPrefix(m.text, "a") {
			last = m.text
		}
	}
}

func (s *section) nextDate(i int) string {
	for _, m := range s.marks[i+1:] {
		if m.kind == markDate {
			return m.text
		}
	}
	return ""
}

// formatValue writes a plain value in a format. The bool is false when Excel
// gives #VALUE!. shift is added to dates.
func formatValue(v Value, format string, loc *locale, shift float64) (string, bool) {
	sections, ok := parseFormat(format, loc)
	if !ok {
		return "", false
	}
	if v.isText() {
		return formatText(v.text, sections), true
	}
	s, f, sign := sectionFor(sections, v.num)
	if s == nil {
		return "", true
	}
	if s.dated && (s.foreign && s.named || !loc.english()) {
		refuse(ReasonUnsupported, "The number format asks for another language's dates.")
	}
	if s.dated {
		f += shift
	}
	text, ok := s.render(f, loc)
	if !ok {
		return "", false
	}
	return sign + text, true
}

// formatText writes a text: the fourth section shapes it, or the only one when
// it says "@".
func formatText(text string, sections []section) string {
	s := sections[len(sections)-1]
	shaped := len(sections) == 4
	for _, m := range s.marks {
		shaped = shaped || m.kind == markText
	}
	if !shaped {
		return text
	}
	var b strings.Builder
	for _, m := range s.marks {
		if m.kind == markText {
			b.WriteString(text)
		} else {
			b.WriteString(m.text)
		}
	}
	return b.String()
}

// sectionFor picks the section for a number and says what sign to write before it.
func sectionFor(sections []section, f float64) (s *section, shown float64, sign string) {
	if len(sections) == 4 {
		sections = sections[:3]
	}
	minus := ""
	if f < 0 {
		minus = "-"
	}
	if conditioned(sections) {
		for i := range sections {
			c := &sections[i]
			if !c.takes(f, i, len(sections)) {
				continue
			}
			if strings.HasPrefix(c.condition, "<") && c.limit <= 0 {
				minus = "" // the section itself says that it is negative
			}
			return c, math.Abs(f), minus
		}
		return nil, f, ""
	}
	switch {
	case len(sections) == 1:
		if sections[0].dated {
			return &sections[0], f, ""
		}
		return &sections[0], math.Abs(f), minus
	case f < 0:
		return &sections[1], -f, ""
	case f == 0 && len(sections) > 2:
		return &sections[2], 0, ""
	}
	return &sections[0], f, ""
}

func conditioned(sections []section) bool {
	for _, s := range sections {
		if s.condition != "" {
			return true
		}
	}
	return false
}

// takes tells whether the i-th of n sections is for f, when some have conditions.
func (s *section) takes(f float64, i, n int) bool {
	switch {
	case s.condition != "":
		return holds(s.condition, compareNumbers(f, s.limit))
	case i == n-1:
		return true
	case i == 0:
		return f > 0
	}
	return f < 0
}

// render writes a number that is not negative, unless it is a date.
func (s *section) render(f float64, loc *locale) (string, bool) {
	if s.dated {
		return s.renderDate(f)
	}
	exponent, slash, general := -1, -1, false
	for i, m := range s.marks {
		switch m.kind {
		case markExponent:
			exponent = i
		case markSlash:
			if slash < 0 && i > 0 && s.digitNear(i) {
				slash = i
			}
		case markGeneral:
			general = true
		}
	}
	switch {
	case general:
		return s.renderGeneral(f), true
	case exponent >= 0:
		return s.renderScientific(f, exponent, loc), true
	case slash >= 0:
		return s.renderFraction(f, slash), true
	}
	f, digits := s.scaled(f)
	if !digits {
		var b strings.Builder
		for _, m := range s.marks {
			if m.kind == markText {
				b.WriteString(generalText(f))
			} else {
				b.WriteString(m.text)
			}
		}
		return b.String(), true
	}
	return layout(s.marks, f, loc), true
}

func (s *section) digitNear(i int) bool {
	before, after := false, false
	for j, m := range s.marks {
		if m.kind == markDigit {
			before = before || j < i
			after = after || j > i
		}
		if j > i && m.kind == markLiteral && m.text != "" && isDigit(m.text[0]) {
			after = true
		}
	}
	return before && after
}

func (s *section) renderGeneral(f float64) string {
	var b strings.Builder
	for _, m := range s.marks {
		if m.kind == markGeneral {
			b.WriteString(cellText(f))
		} else {
			b.WriteString(m.text)
		}
	}
	return b.String()
}

// cellText writes a number as General shows it in a cell: at most 11 characters.
func cellText(f float64) string {
	if f == 0 {
		return "0"
	}
	sign := ""
	if f < 0 {
		sign, f = "-", -f
	}
	digits, exponent, _ := decimalDigits(f, 15)
	if exponent >= 11 || exponent < -9 || exponent < -4 && len(digits)-exponent+1 > 11 {
		digits, exponent, _ = decimalDigits(f, 6)
		return sign + scientific(digits, exponent)
	}
	places := 9 - max(exponent, 0)
	if exponent == 10 {
		places = 0
	}
	whole, part := roundDecimal(f, max(places, 0))
	part = strings.TrimRight(part, "0")
	if whole == "" {
		whole = "0"
	}
	if part == "" {
		return sign + whole
	}
	return sign + whole + "." + part
}

// scaled applies percent signs and trailing thousands marks, and tells whether
// the section has digits at all.
func (s *section) scaled(f float64) (float64, bool) {
	digits, last := false, -1
	for i, m := range s.marks {
		if m.kind == markDigit {
			digits, last = true, i
		}
		if m.kind == markPercent {
			f *= 100
		}
	}
	point := -1
	for i, m := range s.marks {
		if m.kind == markPoint {
			point = i
			break
		}
	}
	end := last
	if point >= 0 && point < last { // 0,.0 scales by the marks before the point
		end = point - 1
		for end >= 0 && s.marks[end].kind == markGroup {
			f /= 1000
			end--
		}
	}
	for i := last + 1; i > 0 && i < len(s.marks) && s.marks[i].kind == markGroup; i++ {
		f /= 1000
	}
	return f, digits
}

// roundDecimal rounds half away from zero, as written with 15 digits, and
// returns the digits before the point (none for zero) and after it.
func roundDecimal(f float64, places int) (whole, part string) {
	f = math.Abs(f)
	digits, exponent, _ := decimalDigits(f, 15)
	if f == 0 {
		digits, exponent = "", -1
	}
	// digits as 0.digits × 10^(exponent+1)
	pad := ""
	point := exponent + 1
	if point < 0 {
		pad, point = strings.Repeat("0", min(-point, 400)), 0
	}
	all := pad + digits
	if point > len(all) {
		all += strings.Repeat("0", point-len(all))
	}
	keep := point + places
	if keep < 0 {
		return "", ""
	}
	up := keep < len(all) && all[keep] >= '5'
	if keep < len(all) {
		all = all[:keep]
	} else {
		all += strings.Repeat("0", keep-len(all))
	}
	if up {
		b := []byte(all)
		i := len(b) - 1
		for ; i >= 0; i-- {
			if b[i] == '9' {
				b[i] = '0'
				continue
			}
			b[i]++
			break
		}
		all = string(b)
		if i < 0 {
			all = "1" + all
			point++
		}
	}
	return strings.TrimLeft(all[:point], "0"), all[point:]
}

// layout fills the digits of a number into the marks.
func layout(marks []mark, f float64, loc *locale) string {
	point, first, last := -1, -1, -1
	places, grouped := 0, false
	for i, m := range marks {
		switch m.kind {
		case markPoint:
			if point < 0 {
				point = i
			}
		case markDigit:
			if point < 0 {
				if first < 0 {
					first = i
				}
				last = i
			} else {
				places++
			}
		}
	}
	for i, m := range marks {
		if m.kind == markGroup && i > first && i < last {
			grouped = true
		}
	}
	whole, part := roundDecimal(f, places)
	var head strings.Builder
	before := marks
	if point >= 0 {
		before = marks[:point]
	}
	head.WriteString(wholePart(before, whole, first, grouped, loc))
	if point < 0 {
		return head.String()
	}
	head.WriteByte(loc.decimal)
	head.WriteString(decimalPart(marks[point+1:], part))
	return head.String()
}

// wholePart lays digits out from the right; digits that find no mark stand at
// the first one.
func wholePart(marks []mark, whole string, first int, grouped bool, loc *locale) string {
	var pieces []string // from right to left
	placed := 0
	group := func(text string) string {
		placed++
		if grouped && placed > 1 && placed%3 == 1 {
			return text + loc.thousands
		}
		return text
	}
	take := func() string {
		d := whole[len(whole)-1:]
		whole = whole[:len(whole)-1]
		return d
	}
	for i := len(marks) - 1; i >= 0; i-- {
		m := marks[i]
		if m.kind != markDigit {
			if m.kind != markGroup {
				pieces = append(pieces, m.text)
			}
			continue
		}
		switch {
		case whole != "":
			pieces = append(pieces, group(take()))
		case m.text == "0":
			pieces = append(pieces, group("0"))
		case m.text == "?":
			pieces = append(pieces, " ")
		}
		if i == first {
			for whole != "" {
				pieces = append(pieces, group(take()))
			}
		}
	}
	if first < 0 && whole != "" { // ".00" still shows what stands before the point
		pieces = append([]string{whole}, pieces...)
	}
	var b strings.Builder
	for i := len(pieces) - 1; i >= 0; i-- {
		b.WriteString(pieces[i])
	}
	return b.String()
}

func decimalPart(marks []mark, part string) string {
	significant := len(strings.TrimRight(part, "0"))
	var b strings.Builder
	n := 0
	for _, m := range marks {
		if m.kind != markDigit {
			if m.kind != markGroup && m.kind != markPoint {
				b.WriteString(m.text)
			}
			continue
		}
		switch {
		case n < significant || m.text == "0":
			b.WriteByte(part[n])
		case m.text == "?":
			b.WriteByte(' ')
		}
		n++
	}
	return b.String()
}

// renderScientific writes 0.00E+00; more than one digit before the point makes
// the exponent a multiple of their number.
func (s *section) renderScientific(f float64, at int, loc *locale) string {
	mantissa, tail := s.marks[:at], s.marks[at+1:]
	width, places, pointed := 0, 0, false
	for _, m := range mantissa {
		switch {
		case m.kind == markPoint:
			pointed = true
		case m.kind == markDigit && pointed:
			places++
		case m.kind == markDigit:
			width++
		}
	}
	width = max(width, 1)
	exponent := 0
	if f != 0 {
		_, e, _ := decimalDigits(f, 15)
		exponent = floorDiv(e, width) * width
		if whole, _ := roundDecimal(f/math.Pow(10, float64(exponent)), places); len(whole) > width {
			exponent += width
		}
	}
	out := layout(mantissa, f/math.Pow(10, float64(exponent)), loc)
	sign := ""
	if exponent < 0 {
		sign = "-"
	} else if strings.HasSuffix(s.marks[at].text, "+") {
		sign = "+"
	}
	return out + s.marks[at].text[:1] + sign + layout(tail, math.Abs(float64(exponent)), loc)
}

// renderFraction writes 1 1/2 in formats such as "# ??/??" and "?/8".
func (s *section) renderFraction(f float64, slash int) string {
	fixed, width := s.denominator(slash)
	numerator, wholeMarks := s.numerator(slash)
	whole := math.Floor(f)
	part := f - whole
	if !wholeMarks {
		whole, part = 0, f
	}
	top, bottom := part, fixed
	if fixed > 0 {
		top = math.Round(part * fixed)
	} else {
		top, bottom = closest(part, math.Pow(10, float64(width))-1)
	}
	if wholeMarks && bottom > 0 && top >= bottom {
		whole, top = whole+1, top-bottom
	}
	pad := func(n float64, width int, left bool) string {
		text := strconv.FormatFloat(n, 'f', -1, 64)
		if fill := width - len(text); fill > 0 {
			if left {
				return strings.Repeat(" ", fill) + text
			}
			return text + strings.Repeat(" ", fill)
		}
		return text
	}
	out := ""
	if wholeMarks {
		lead := ""
		if whole != 0 || top == 0 {
			lead = strconv.FormatFloat(whole, 'f', -1, 64)
		}
		out = lead + " "
		if top == 0 {
			return out + strings.Repeat(" ", numerator+1+max(width, len(strconv.FormatFloat(bottom, 'f', -1, 64))))
		}
	}
	return out + pad(top, numerator, true) + "/" + pad(bottom, width, false)
}

func (s *section) denominator(slash int) (fixed float64, width int) {
	text := ""
	for _, m := range s.marks[slash+1:] {
		switch {
		case m.kind == markDigit && text == "":
			width++
		case m.kind == markDigit || m.kind == markLiteral && m.text != "" && isDigit(m.text[0]):
			text += m.text
		}
	}
	if text != "" {
		fixed, _ = strconv.ParseFloat(text, 64)
		width = len(text)
	}
	return fixed, width
}

// numerator returns the width of the numerator and whether a whole part stands
// before it.
func (s *section) numerator(slash int) (width int, whole bool) {
	i := slash - 1
	for ; i >= 0 && s.marks[i].kind == markDigit; i-- {
		width++
	}
	for ; i >= 0; i-- {
		whole = whole || s.marks[i].kind == markDigit
	}
	return width, whole
}

// closest finds the fraction nearest to f whose denominator is at most limit.
func closest(f, limit float64) (top, bottom float64) {
	best := math.Inf(1)
	for d := 1.0; d <= limit && d <= 9999; d++ {
		n := math.Round(f * d)
		if miss := math.Abs(f - n/d); miss < best-1e-15 {
			best, top, bottom = miss, n, d
			if miss == 0 {
				break
			}
		}
	}
	return top, bottom
}

// renderDate writes a serial as a date and time.
func (s *section) renderDate(f float64) (string, bool) {
	if f < 0 || f >= lastSerial+1 {
		return "", false
	}
	digits, twelve := 0, false
	for _, m := range s.marks {
		digits = max(digits, m.digits)
		twelve = twelve || m.kind == markDate && strings.HasPrefix(m.text, "a")
	}
	c, carry := clockOf(f, digits)
	day := civilOf(int(math.Floor(f)) + carry)
	serial := int(math.Floor(f)) + carry
	var b strings.Builder
	for _, m := range s.marks {
		if m.kind != markDate {
			if m.kind == markPoint {
				b.WriteByte('.')
			} else if m.kind == markGroup {
				b.WriteByte(',')
			} else {
				b.WriteString(m.text)
			}
			continue
		}
		b.WriteString(m.show(f, serial, day, c, twelve))
	}
	return b.String(), true
}

func padded(n, width int) string {
	s := strconv.Itoa(n)
	for len(s) < width {
		s = "0" + s
	}
	return s
}

// show writes one date mark.
func (m mark) show(f float64, serial int, day civil, c clock, twelve bool) string {
	if m.elapsed {
		seconds := math.Round(f * 86400)
		switch m.text[0] {
		case 'h':
			return padded(int(math.Floor(seconds/3600)), len(m.text))
		case 'm':
			return padded(int(math.Floor(seconds/60)), len(m.text))
		}
		return padded(int(seconds), len(m.text))
	}
	hour := c.hour
	if twelve {
		hour = (c.hour+11)%12 + 1
	}
	switch m.text {
	case "y", "yy":
		return padded(day.year%100, 2)
	case "m", "mm":
		return padded(day.month, len(m.text))
	case "mmm":
		return monthNames[day.month-1][:3]
	case "mmmm":
		return monthNames[day.month-1]
	case "mmmmm":
		return monthNames[day.month-1][:1]
	case "d", "dd":
		return padded(day.day, len(m.text))
	case "ddd":
		return weekdayNames[weekdayOf(serial)][:3]
	case "h", "hh":
		return padded(hour, len(m.text))
	case "i", "ii":
		return padded(c.minute, len(m.text))
	case "s", "ss":
		text := padded(c.second, len(m.text))
		if m.digits > 0 {
			text += "." + padded(int(math.Round(c.fraction*math.Pow(10, float64(m.digits)))), m.digits)
		}
		return text
	case "am/pm":
		if c.hour < 12 {
			return "AM"
		}
		return "PM"
	}
	switch m.text[0] {
	case 'y', 'e':
		return padded(day.year, 4)
	case 'd':
		return weekdayNames[weekdayOf(serial)]
	case 'm':
		return monthNames[day.month-1]
	case 'a', 'A':
		if c.hour < 12 {
			return m.text[:1]
		}
		return m.text[2:]
	}
	return padded(c.second, 2)
}
