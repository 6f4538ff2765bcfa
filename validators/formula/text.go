package formula

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

func textFunctions() []function {
	return []function{
		{name: "LEN", params: "s", run: length},
		{name: "LENB", params: "s", run: length},
		{name: "LEFT", params: "s[n", run: left},
		{name: "LEFTB", params: "s[n", run: left},
		{name: "RIGHT", params: "s[n", run: right},
		{name: "RIGHTB", params: "s[n", run: right},
		{name: "MID", params: "snn", run: mid},
		{name: "MIDB", params: "snn", run: mid},
		{name: "LOWER", params: "s", run: func(c *call) Value { return c.e.newText(strings.ToLower(c.str(0))) }},
		{name: "UPPER", params: "s", run: func(c *call) Value { return c.e.newText(strings.ToUpper(c.str(0))) }},
		{name: "PROPER", params: "s", run: func(c *call) Value { return c.e.newText(proper(c.str(0))) }},
		{name: "TRIM", params: "s", run: func(c *call) Value { return c.e.newText(trimSpaces(c.str(0))) }},
		{name: "CLEAN", params: "s", run: clean},
		{name: "CHAR", params: "n", run: char},
		{name: "CODE", params: "s", run: code},
		{name: "UNICHAR", params: "n", run: unichar},
		{name: "UNICODE", params: "s", run: unicodeOf},
		{name: "EXACT", params: "ss", run: func(c *call) Value { return BooleanOf(c.str(0) == c.str(1)) }},
		{name: "FIND", params: "ss[n", run: find},
		{name: "FINDB", params: "ss[n", run: find},
		{name: "SEARCH", params: "ss[n", run: search},
		{name: "SEARCHB", params: "ss[n", run: search},
		{name: "REPLACE", params: "snns", run: replace},
		{name: "REPLACEB", params: "snns", run: replace},
		{name: "SUBSTITUTE", params: "sss[n", run: substitute},
		{name: "REPT", params: "sn", run: rept},
		{name: "CONCATENATE", params: "s|s", run: concatenate},
		{name: "CONCAT", params: "r|r", run: concat},
		{name: "TEXTJOIN", params: "rbr|r", run: textJoin},
		{name: "TEXT", params: "vs", run: text},
		{name: "VALUE", params: "v", run: value},
		{name: "NUMBERVALUE", params: "s[SS", run: numberValue},
		{name: "FIXED", params: "n[nb", run: fixed},
		{name: "DOLLAR", params: "n[n", run: func(c *call) Value { return c.money(c.e.book.locale.currency) }},
		{name: "USDOLLAR", params: "n[n", run: func(c *call) Value { return c.money("$") }},
		{name: "TEXTBEFORE", params: "sa[NNBv", run: textBefore},
		{name: "TEXTAFTER", params: "sa[NNBv", run: textAfter},
		{name: "TEXTSPLIT", params: "sa[abNe", run: textSplit},
		{name: "VALUETOTEXT", params: "e[n", run: valueToText},
		{name: "ARRAYTOTEXT", params: "a[n", run: arrayToText},
		{name: "ENCODEURL", params: "s", run: encodeURL},
		{name: "ASC", params: "s", run: narrow},
		{name: "DBCS", params: "s", run: narrow},
		{name: "JIS", params: "s", run: narrow},
		{name: "REGEXTEST", params: "ss[N", run: regexTest},
		{name: "REGEXEXTRACT", params: "ss[NN", run: regexExtract},
		{name: "REGEXREPLACE", params: "sss[NN", run: regexReplace},
	}
}

// units counts UTF-16 units, which are Excel's characters.
func units(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// cut returns the units of s from one offset to another.
func cut(s string, from, to int) string {
	if plainASCII(s) {
		return s[min(from, len(s)):min(to, len(s))]
	}
	u := utf16.Encode([]rune(s))
	return string(utf16.Decode(u[min(from, len(u)):min(to, len(u))]))
}

// offset turns a count of bytes into a count of units.
func offset(s string, bytes int) int { return units(s[:bytes]) }

// bytesOf turns a count of units into a count of bytes.
func bytesOf(s string, n int) int {
	for i, r := range s {
		if n <= 0 {
			return i
		}
		n--
		if r > 0xFFFF {
			n--
		}
	}
	return len(s)
}

func length(c *call) Value { return NumberOf(float64(units(c.str(0)))) }

func left(c *call) Value {
	n := c.wholeOr(1, 1)
	if n < 0 {
		return errValue
	}
	return c.e.newText(cut(c.str(0), 0, n))
}

func right(c *call) Value {
	n := c.wholeOr(1, 1)
	if n < 0 {
		return errValue
	}
	size := units(c.str(0))
	return c.e.newText(cut(c.str(0), max(0, size-n), size))
}

func mid(c *call) Value {
	start, n := c.whole(1), c.whole(2)
	if start < 1 || n < 0 {
		return errValue
	}
	return c.e.newText(cut(c.str(0), start-1, start-1+n))
}

// proper begins every run of letters with a capital.
func proper(s string) string {
	inWord := false
	return strings.Map(func(r rune) rune {
		was := inWord
		inWord = unicode.IsLetter(r)
		switch {
		case !inWord:
			return r
		case was:
			return unicode.ToLower(r)
		}
		return unicode.ToTitle(r)
	}, s)
}

// trimSpaces takes spaces off both ends and leaves one between words. Other
// white space stays.
func trimSpaces(s string) string {
	var b strings.Builder
	spaced := false
	for i := 0; i < len(s); i++ {
		if s[i] == ' ' {
			spaced = b.Len() > 0
			continue
		}
		if spaced {
			b.WriteByte(' ')
			spaced = false
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func clean(c *call) Value {
	return c.e.newText(strings.Map(func(r rune) rune {
		if r < 32 {
			return -1
		}
		return r
	}, c.str(0)))
}

// windows1252 are the characters of codes 128 to 159; 0 where there is none.
var windows1252 = [32]rune{'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8D, 'Ž', 0x8F,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9D, 'ž', 'Ÿ'}

func char(c *call) Value {
	n := c.whole(0)
	switch {
	case n < 1 || n > 255:
		return errValue
	case n >= 128 && n < 160:
		return TextOf(string(windows1252[n-128]))
	}
	return TextOf(string(rune(n)))
}

func code(c *call) Value {
	if c.str(0) == "" {
		return errValue
	}
	r, _ := utf8.DecodeRuneInString(c.str(0))
	for i, known := range windows1252 {
		if r == known {
			return NumberOf(float64(128 + i))
		}
	}
	if r > 255 {
		r = '?'
	}
	return NumberOf(float64(r))
}

func unichar(c *call) Value {
	n := c.whole(0)
	switch {
	case n < 1 || n > unicode.MaxRune:
		return errValue
	case n >= 0xD800 && n < 0xE000 || n&0xFFFE == 0xFFFE:
		return errNA
	}
	return TextOf(string(rune(n)))
}

func unicodeOf(c *call) Value {
	if c.str(0) == "" {
		return errValue
	}
	r, _ := utf8.DecodeRuneInString(c.str(0))
	return NumberOf(float64(r))
}

// from returns where to begin looking, in bytes.
func (c *call) from(i int, within string) (int, bool) {
	start := c.wholeOr(i, 1)
	if start < 1 || start > units(within)+1 {
		return 0, false
	}
	return bytesOf(within, start-1), true
}

func find(c *call) Value {
	within := c.str(1)
	start, ok := c.from(2, within)
	if !ok {
		return errValue
	}
	c.e.spend(len(within) / 8)
	i := strings.Index(within[start:], c.str(0))
	if i < 0 || start == len(within) && len(within) > 0 && c.str(0) == "" && c.has(2) && c.whole(2) > units(within)+1 {
		return errValue
	}
	return NumberOf(float64(offset(within, start+i) + 1))
}

func search(c *call) Value {
	within, pattern := c.str(1), c.str(0)
	start, ok := c.from(2, within)
	if !ok {
		return errValue
	}
	c.e.spend(len(within)/8 + 1)
	if !strings.ContainsAny(pattern, "*?~") && plainASCII(pattern) && plainASCII(within) {
		i := strings.Index(strings.ToLower(within[start:]), strings.ToLower(pattern))
		if i < 0 {
			return errValue
		}
		return NumberOf(float64(start + i + 1))
	}
	c.e.spend(100 + len(within) + 10*len(pattern))
	if pattern == "" {
		return NumberOf(float64(offset(within, start) + 1))
	}
	at := wildcard(pattern, false).FindStringIndex(within[start:])
	if at == nil {
		return errValue
	}
	return NumberOf(float64(offset(within, start+at[0]) + 1))
}

func replace(c *call) Value {
	s, start, n := c.str(0), c.whole(1), c.whole(2)
	if start < 1 || n < 0 {
		return errValue
	}
	size := units(s)
	return c.e.newText(cut(s, 0, start-1) + c.str(3) + cut(s, min(start-1+n, size), size))
}

func substitute(c *call) Value {
	s, old, by := c.str(0), c.str(1), c.str(2)
	if len(c.args) > 3 && c.whole(3) < 1 {
		return errValue
	}
	if old == "" {
		return c.e.newText(s)
	}
	if len(c.args) <= 3 {
		found := strings.Count(s, old)
		if grown := len(s) + found*(len(by)-len(old)); grown > 4*maxTextLength {
			return errValue
		}
		return c.e.newText(strings.ReplaceAll(s, old, by))
	}
	at := 0
	for n := c.whole(3); ; n-- {
		i := strings.Index(s[at:], old)
		if i < 0 {
			return c.e.newText(s)
		}
		if n == 1 {
			return c.e.newText(s[:at+i] + by + s[at+i+len(old):])
		}
		at += i + len(old)
	}
}

func rept(c *call) Value {
	n := c.whole(1)
	if n < 0 || units(c.str(0))*min(n, maxTextLength+1) > maxTextLength {
		return errValue
	}
	if c.str(0) == "" {
		n = 0
	}
	return c.e.newText(strings.Repeat(c.str(0), n))
}

func concatenate(c *call) Value {
	var b strings.Builder
	for i := range c.args {
		b.WriteString(c.str(i))
	}
	return c.e.newText(b.String())
}

// joined gathers the texts of arguments, cells and elements in order.
func (c *call) joined(first int, visit func(string) bool) Value {
	trouble := blank
	for _, v := range c.args[first:] {
		if v.kind == KindReference {
			whole, err := c.e.arrayOfAreas(v.reference())
			if err.isError() {
				return err
			}
			v = whole
		}
		c.e.items(v, func(x Value, n int, at *place) {
			if trouble.isError() {
				return
			}
			s, err := c.e.string(x)
			if err.isError() {
				trouble = err
				return
			}
			c.e.spend(n)
			for ; n > 0; n-- {
				if !visit(s) {
					trouble = errValue
					return
				}
			}
		})
		if trouble.isError() {
			return trouble
		}
	}
	return blank
}

// arrayOfAreas reads all areas below each other; blanks stay.
func (e *evaluator) arrayOfAreas(r *reference) (Value, Value) {
	if len(r.areas) == 1 {
		return arrayOf(e.load(r.areas[0], true)), blank
	}
	var cells []Value
	for _, a := range r.areas {
		loaded := e.load(a, true)
		e.spend(loaded.size())
		for i := 0; i < loaded.size(); i++ {
			cells = append(cells, loaded.index(i))
		}
	}
	out := e.array(len(cells), 1)
	copy(out.cells, cells)
	return arrayOf(out), blank
}

func concat(c *call) Value {
	var b strings.Builder
	err := c.joined(0, func(s string) bool {
		b.WriteString(s)
		return b.Len() <= 4*maxTextLength
	})
	if err.isError() {
		return err
	}
	return c.e.newText(b.String())
}

func textJoin(c *call) Value {
	var marks []string
	delimiters := call{e: c.e, f: c.f, args: c.args[:1]}
	if err := delimiters.joined(0, func(s string) bool { marks = append(marks, s); return true }); err.isError() {
		return err
	}
	if len(marks) == 0 {
		marks = []string{""}
	}
	var b strings.Builder
	n, skip := 0, c.flag(1)
	err := c.joined(2, func(s string) bool {
		if s == "" && skip {
			return true
		}
		if n > 0 {
			b.WriteString(marks[(n-1)%len(marks)])
		}
		n++
		b.WriteString(s)
		return b.Len() <= 4*maxTextLength
	})
	if err.isError() {
		return err
	}
	return c.e.newText(b.String())
}

func text(c *call) Value {
	v, format := c.args[0], c.str(1)
	switch v.kind {
	case KindBlank:
		v = zero
	case KindBoolean:
		v = TextOf(v.String())
	case KindText:
		if f, ok := c.e.book.locale.parseNumber(v.text, c.e.book.sheet.Date1904); ok {
			v = NumberOf(f)
		}
	}
	if format == "" {
		if v.isText() {
			return v
		}
		return TextOf("")
	}
	if len(format) > 255 {
		return errValue
	}
	c.e.spend(20 + len(format))
	s, ok := formatValue(v, format, c.e.book.locale, c.e.dayShift())
	if !ok {
		return errValue
	}
	return c.e.newText(s)
}

// dayShift is what turns a serial of the workbook into one of the 1900 system.
func (e *evaluator) dayShift() float64 {
	if e.book.sheet.Date1904 {
		return offset1904
	}
	return 0
}

func value(c *call) Value {
	if c.args[0].isBoolean() {
		return errValue
	}
	f, err := c.e.number(c.args[0])
	if err.isError() {
		return err
	}
	return NumberOf(f)
}

func numberValue(c *call) Value {
	loc := c.e.book.locale
	point, group := c.strOr(1, string(loc.decimal)), c.strOr(2, loc.thousands)
	if c.has(1) && point == "" || c.has(2) && group == "" {
		return errValue
	}
	_, n := utf8.DecodeRuneInString(point)
	point = point[:n]
	if group != "" {
		_, n := utf8.DecodeRuneInString(group)
		group = group[:n]
	}
	s := strings.Join(strings.Fields(strings.ReplaceAll(c.str(0), " ", " ")), "")
	if s == "" {
		return zero
	}
	head, tail, pointed := strings.Cut(s, point)
	if group != "" && strings.Contains(tail, group) && group != point {
		return errValue
	}
	if group != point {
		head = strings.ReplaceAll(head, group, "")
	}
	if pointed {
		head += "." + tail
	}
	percent := 0
	for strings.HasSuffix(head, "%") {
		head = head[:len(head)-1]
		percent++
	}
	if strings.ContainsAny(head, "xXpP_iInN") {
		return errValue
	}
	f, err := strconv.ParseFloat(head, 64)
	if err != nil || math.Abs(f) >= 1e308 {
		return errValue
	}
	return NumberOf(f / math.Pow(100, float64(percent)))
}

// grouped writes a number with decimals and, if asked, thousands marks.
func (c *call) grouped(f float64, places int, group bool) string {
	loc := c.e.book.locale
	f = rounded(f, places, halfUp)
	whole, part := roundDecimal(f, max(places, 0))
	if whole == "" {
		whole = "0"
	}
	if group {
		for i := len(whole) - 3; i > 0; i -= 3 {
			whole = whole[:i] + loc.thousands + whole[i:]
		}
	}
	if part != "" {
		whole += string(loc.decimal) + part
	}
	return whole
}

func fixed(c *call) Value {
	places := c.wholeOr(1, 2)
	if places > 127 {
		return errValue
	}
	s := c.grouped(c.num(0), places, !c.flagOr(2, false))
	if c.num(0) < 0 && strings.ContainsAny(s, "123456789") {
		s = "-" + s
	}
	return TextOf(s)
}

func (c *call) money(currency string) Value {
	places := c.wholeOr(1, 2)
	if places > 127 {
		return errValue
	}
	s := c.grouped(c.num(0), places, true)
	if c.e.book.locale.decimal == ',' && currency != "$" {
		s += " " + currency
		if c.num(0) < 0 {
			return TextOf("-" + s)
		}
		return TextOf(s)
	}
	if c.num(0) < 0 && strings.ContainsAny(s, "123456789") {
		return TextOf("(" + currency + s + ")")
	}
	return TextOf(currency + s)
}

// narrow is ASC, DBCS and JIS where no double-byte language is set: the text
// stays as it is.
func narrow(c *call) Value {
	if !plainASCII(c.str(0)) {
		refuse(ReasonUnsupported, c.fn.name+" of other than plain letters depends on the language of the computer.")
	}
	return TextOf(c.str(0))
}

func encodeURL(c *call) Value {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(c.str(0)); i++ {
		ch := c.str(0)[i]
		if isLetter(ch) || isDigit(ch) || strings.IndexByte("-_.~", ch) >= 0 {
			b.WriteByte(ch)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[ch>>4])
		b.WriteByte(hex[ch&15])
	}
	return c.e.newText(b.String())
}

// literal writes a value as a formula would hold it.
func literal(v Value) string {
	if v.isText() {
		return `"` + strings.ReplaceAll(v.text, `"`, `""`) + `"`
	}
	return v.String()
}

func valueToText(c *call) Value {
	switch c.wholeOr(1, 0) {
	case 0:
		return c.e.newText(c.args[0].String())
	case 1:
		return c.e.newText(literal(c.args[0]))
	}
	return errValue
}

func arrayToText(c *call) Value {
	a, err := c.arrayArg(0)
	if err.isError() {
		a = newArray(1, 1)
		a.cells[0] = err
	}
	format := 0
	if c.has(1) {
		format = c.whole(1)
	}
	if format != 0 && format != 1 {
		return errValue
	}
	var b strings.Builder
	c.e.spend(a.size())
	for i := 0; i < a.size(); i++ {
		switch {
		case i == 0:
		case format == 1 && i%a.cols == 0:
			b.WriteByte(';')
		case format == 1:
			b.WriteByte(',')
		default:
			b.WriteString(", ")
		}
		v := a.index(i)
		if format == 1 {
			b.WriteString(literal(v))
		} else {
			b.WriteString(v.String())
		}
		if b.Len() > 4*maxTextLength {
			return errValue
		}
	}
	if format == 1 {
		return c.e.newText("{" + b.String() + "}")
	}
	return c.e.newText(b.String())
}
