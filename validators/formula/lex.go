package formula

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// TokenKind names what a stretch of formula text is, for highlighting.
type TokenKind string

// The kinds of tokens.
const (
	TokenFunction  TokenKind = "function"
	TokenText      TokenKind = "string"
	TokenNumber    TokenKind = "number"
	TokenBoolean   TokenKind = "boolean"
	TokenReference TokenKind = "reference"
	TokenName      TokenKind = "name"
	TokenOperator  TokenKind = "operator"
	TokenSeparator TokenKind = "separator"
	TokenError     TokenKind = "error"
	TokenSpace     TokenKind = "space"
	TokenUnknown   TokenKind = "unknown"
)

// Token is one piece of a formula; Start and End are byte offsets.
type Token struct {
	Kind  TokenKind `json:"kind"`
	Text  string    `json:"text"`
	Start int       `json:"start"`
	End   int       `json:"end"`
}

// Tokens cuts a formula into pieces that together are the whole text, whatever
// the text is: a formula that does not parse is still highlighted.
func Tokens(text, localeTag string) []Token {
	tokens := []Token{}
	for _, l := range scan(text, localeNamed(localeTag), false) {
		tokens = append(tokens, Token{l.tokenKind(), text[l.start:l.end], l.start, l.end})
	}
	return tokens
}

// lexemeKind is what the parser wants to know.
type lexemeKind uint8

const (
	lexNumber lexemeKind = iota
	lexText
	lexOpenText // a text whose closing quote is missing
	lexBoolean
	lexError
	lexReference
	lexStructured
	lexFunction
	lexName
	lexOperator
	lexOpen
	lexClose
	lexOpenBrace
	lexCloseBrace
	lexList   // between arguments, and between areas of a union
	lexColumn // between the columns of an array constant
	lexRow    // between its rows
	lexSpace
	lexUnknown
	lexEnd
)

// lexeme is a token with what the parser needs to know of it.
type lexeme struct {
	kind       lexemeKind
	start, end int
	text       string  // operator, name, function name, unescaped text
	number     float64 // number, boolean
	sheet      string  // before the "!"; with sheetEnd for Sheet1:Sheet3!
	sheetEnd   string
	book       string // of an external reference
	qualified  bool
	from, to   corner
	relative   bool // corners hold R1C1 offsets where not absolute
}

func (l lexeme) tokenKind() TokenKind {
	switch l.kind {
	case lexNumber:
		return TokenNumber
	case lexText, lexOpenText:
		return TokenText
	case lexBoolean:
		return TokenBoolean
	case lexError:
		return TokenError
	case lexReference, lexStructured:
		return TokenReference
	case lexFunction:
		return TokenFunction
	case lexName:
		return TokenName
	case lexOperator:
		return TokenOperator
	case lexSpace:
		return TokenSpace
	case lexUnknown:
		return TokenUnknown
	}
	return TokenSeparator
}

// scanner walks over formula text. It never fails: what it does not know is lexUnknown.
type scanner struct {
	text   string
	at     int
	locale *locale
	r1c1   bool
	braces int
	out    []lexeme
}

// scan cuts text into lexemes that cover all of it.
func scan(text string, loc *locale, r1c1 bool) []lexeme {
	s := &scanner{text: text, locale: loc, r1c1: r1c1}
	for s.at < len(text) {
		before := s.at
		s.next()
		if s.at == before { // cannot happen; a lexeme of one rune keeps the promise to end
			_, n := utf8.DecodeRuneInString(text[s.at:])
			s.add(lexUnknown, n)
		}
	}
	return s.out
}

func (s *scanner) add(kind lexemeKind, length int) *lexeme {
	s.out = append(s.out, lexeme{kind: kind, start: s.at, end: s.at + length, text: s.text[s.at : s.at+length]})
	s.at += length
	return &s.out[len(s.out)-1]
}

func (s *scanner) next() {
	rest := s.text[s.at:]
	r, size := utf8.DecodeRuneInString(rest)
	switch {
	case isSpace(r):
		n := size
		for n < len(rest) {
			r, size := utf8.DecodeRuneInString(rest[n:])
			if !isSpace(r) {
				break
			}
			n += size
		}
		s.add(lexSpace, n)
	case r == '"':
		s.quoted(rest)
	case r == '#':
		s.hash(rest)
	case r == '\'' || r == '[':
		s.prefixed(rest)
	case isDigit(rest[0]) || rest[0] == s.locale.decimal && len(rest) > 1 && isDigit(rest[1]):
		s.number(rest)
	case s.braces > 0 && r == '\\' && s.locale.list == ';':
		s.add(lexColumn, 1)
	case r == '$' || isNameRune(r, true):
		s.word(rest)
	default:
		s.symbol(rest, size)
	}
}

func (s *scanner) symbol(rest string, size int) {
	c := rest[0]
	switch {
	case c == '(':
		s.add(lexOpen, 1)
	case c == ')':
		s.add(lexClose, 1)
	case c == '{':
		s.braces++
		s.add(lexOpenBrace, 1)
	case c == '}':
		s.braces--
		s.add(lexCloseBrace, 1)
	case s.braces > 0 && c == ';':
		s.add(lexRow, 1)
	case s.braces > 0 && (c == ',' && s.locale.list == ',' || c == '.' && s.locale.list == ';'):
		s.add(lexColumn, 1)
	case c == s.locale.list:
		s.add(lexList, 1)
	case strings.HasPrefix(rest, "<=") || strings.HasPrefix(rest, ">=") || strings.HasPrefix(rest, "<>"):
		s.add(lexOperator, 2)
	case strings.IndexByte("+-*/^&=<>%:@", c) >= 0:
		s.add(lexOperator, 1)
	default:
		s.add(lexUnknown, size)
	}
}

func (s *scanner) quoted(rest string) {
	for i := 1; i < len(rest); i++ {
		if rest[i] != '"' {
			continue
		}
		if i+1 < len(rest) && rest[i+1] == '"' {
			i++
			continue
		}
		inner := strings.ReplaceAll(rest[1:i], `""`, `"`)
		s.add(lexText, i+1).text = inner
		return
	}
	s.add(lexOpenText, len(rest))
}

func (s *scanner) hash(rest string) {
	best := 0
	for _, name := range errorNames {
		if len(name) > best && len(rest) >= len(name) && strings.EqualFold(rest[:len(name)], name) {
			best = len(name)
		}
	}
	if best > 0 {
		s.add(lexError, best)
		return
	}
	s.add(lexOperator, 1)
}

func (s *scanner) number(rest string) {
	if n := rowRange(rest); n > 0 {
		s.reference(rest, 0)
		return
	}
	n, value := scanNumber(rest, s.locale.decimal)
	s.add(lexNumber, n).number = value
}

// rowRange returns the length of 1:5 or $1:$5 at the start of text, or 0.
func rowRange(text string) int {
	a, n := scanCorner(text)
	if n == 0 || a.row < 0 || a.col >= 0 || n >= len(text) || text[n] != ':' {
		return 0
	}
	b, m := scanCorner(text[n+1:])
	if m == 0 || b.row < 0 || b.col >= 0 {
		return 0
	}
	if end := n + 1 + m; end == len(text) || text[end] != '.' && !isLetter(text[end]) {
		return end
	}
	return 0
}

// scanNumber reads digits, one decimal mark and an exponent.
func scanNumber(text string, decimal byte) (int, float64) {
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}
	if n < len(text) && text[n] == decimal {
		n++
		for n < len(text) && isDigit(text[n]) {
			n++
		}
	}
	if n < len(text) && text[n]|0x20 == 'e' {
		e := n + 1
		if e < len(text) && (text[e] == '+' || text[e] == '-') {
			e++
		}
		digits := e
		for e < len(text) && isDigit(text[e]) {
			e++
		}
		if e > digits {
			n = e
		}
	}
	plain := text[:n]
	if decimal != '.' {
		plain = strings.Replace(plain, string(decimal), ".", 1)
	}
	value, _ := strconv.ParseFloat(plain, 64) // too large is +Inf, which evaluates to #NUM!
	return n, fifteenDigits(plain, value)
}

// fifteenDigits drops what Excel drops of a number with more significant digits.
func fifteenDigits(plain string, value float64) float64 {
	digits := 0
	for i := 0; i < len(plain) && plain[i]|0x20 != 'e'; i++ {
		if isDigit(plain[i]) && (digits > 0 || plain[i] != '0') {
			digits++
		}
	}
	if digits <= 15 {
		return value
	}
	var b strings.Builder
	kept := 0
	for i := 0; i < len(plain); i++ {
		c := plain[i]
		if c|0x20 == 'e' {
			b.WriteString(plain[i:])
			break
		}
		if isDigit(c) {
			if kept > 0 || c != '0' {
				kept++
			}
			if kept > 15 {
				c = '0'
			}
		}
		b.WriteByte(c)
	}
	cut, err := strconv.ParseFloat(b.String(), 64)
	if err != nil {
		return value
	}
	return cut
}

// prefixed reads what begins with a quoted sheet or with a bracket.
func (s *scanner) prefixed(rest string) {
	if rest[0] == '\'' {
		name, after := splitSheet(rest)
		if len(after) == len(rest) {
			s.add(lexUnknown, 1)
			return
		}
		s.qualified(rest, len(rest)-len(after), name)
		return
	}
	end := bracketEnd(rest)
	if end < 0 {
		s.add(lexUnknown, 1)
		return
	}
	n := end
	for n < len(rest) {
		r, size := utf8.DecodeRuneInString(rest[n:])
		if !isNameRune(r, false) {
			break
		}
		n += size
	}
	if n < len(rest) && rest[n] == '!' {
		s.qualified(rest, n+1, rest[:n])
		return
	}
	s.add(lexStructured, end)
}

// bracketEnd returns the offset after the bracket that closes the first one;
// an apostrophe escapes the next character.
func bracketEnd(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\'':
			i++
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// word reads a reference, a function, a name, a sheet before "!", or a table.
func (s *scanner) word(rest string) {
	if s.reference(rest, 0) {
		return
	}
	n := 0
	for n < len(rest) {
		r, size := utf8.DecodeRuneInString(rest[n:])
		if !isNameRune(r, n == 0) {
			break
		}
		n += size
	}
	if n == 0 { // a lone $
		s.add(lexUnknown, 1)
		return
	}
	after := rest[n:]
	switch {
	case strings.HasPrefix(after, "!"):
		s.qualified(rest, n+1, rest[:n])
	case strings.HasPrefix(after, ":") && sheetSpan(after[1:]) > 0:
		m := sheetSpan(after[1:])
		s.qualified(rest, n+1+m+1, rest[:n]+":"+after[1:1+m])
	case strings.HasPrefix(after, "[") && bracketEnd(after) > 0 && !s.r1c1:
		s.add(lexStructured, n+bracketEnd(after))
	case strings.HasPrefix(strings.TrimLeft(after, " \t\r\n"), "("):
		s.add(lexFunction, n)
	case strings.EqualFold(rest[:n], "TRUE"):
		s.add(lexBoolean, n).number = 1
	case strings.EqualFold(rest[:n], "FALSE"):
		s.add(lexBoolean, n)
	default:
		s.add(lexName, n)
	}
}

// sheetSpan returns the length of a sheet name that is followed by "!", or 0.
func sheetSpan(text string) int {
	n := 0
	for n < len(text) {
		r, size := utf8.DecodeRuneInString(text[n:])
		if !isNameRune(r, false) {
			break
		}
		n += size
	}
	if n > 0 && n < len(text) && text[n] == '!' {
		return n
	}
	return 0
}

// qualified reads what stands behind a sheet name of the given length.
func (s *scanner) qualified(rest string, prefix int, sheet string) {
	at, had := s.at, len(s.out)
	after := rest[prefix:]
	switch {
	case len(after) >= 5 && strings.EqualFold(after[:5], "#REF!"):
		s.add(lexError, prefix+5).text = "#REF!"
	case s.reference(rest, prefix):
	default:
		n := 0
		for n < len(after) {
			r, size := utf8.DecodeRuneInString(after[n:])
			if !isNameRune(r, n == 0) {
				break
			}
			n += size
		}
		kind := lexName
		if n == 0 {
			kind = lexUnknown
		} else if strings.HasPrefix(after[n:], "(") {
			kind = lexFunction
		}
		s.add(kind, prefix+n).text = after[:n]
	}
	if len(s.out) == had {
		s.at = at
		return
	}
	l := &s.out[len(s.out)-1]
	l.qualified = true
	if open := strings.IndexByte(sheet, '['); open >= 0 {
		if shut := strings.IndexByte(sheet, ']'); shut > open {
			l.book, sheet = sheet[open+1:shut], sheet[shut+1:]
		}
	} else if strings.ContainsAny(sheet, `\/`) { // a path: '/folder/Book.xlsx'!Name
		l.book = sheet
	}
	l.sheet, l.sheetEnd, _ = strings.Cut(sheet, ":")
}

// reference reads a cell or an area behind a prefix of the given length and
// tells whether there was one.
func (s *scanner) reference(rest string, prefix int) bool {
	text := rest[prefix:]
	if s.r1c1 {
		return s.referenceR1C1(text, prefix)
	}
	a, n := scanCorner(text)
	if n == 0 {
		return false
	}
	b, m, whole := a, 0, a.row < 0 || a.col < 0
	if n < len(text) && text[n] == ':' {
		second := text[n+1:]
		if b, m = scanCorner(second); m > 0 && ((b.row < 0) != (a.row < 0) || (b.col < 0) != (a.col < 0) || continues(second[m:])) {
			m = 0
		}
	}
	if m == 0 {
		if whole || continues(text[n:]) {
			return false
		}
		b = a
	} else {
		n += 1 + m
	}
	l := s.add(lexReference, prefix+n)
	l.from, l.to = a, b
	return true
}

func (s *scanner) referenceR1C1(text string, prefix int) bool {
	a, n, aRow, aCol := scanCornerR1C1(text)
	if n == 0 || continues(text[n:]) {
		return false
	}
	b := a
	if n < len(text) && text[n] == ':' {
		second, m, bRow, bCol := scanCornerR1C1(text[n+1:])
		if m > 0 && bRow == aRow && bCol == aCol && !continues(text[n+1+m:]) {
			b = second
			n += 1 + m
		}
	}
	l := s.add(lexReference, prefix+n)
	l.from, l.to, l.relative = a, b, true
	mark := func(c *corner) {
		if !aRow {
			c.row, c.absRow = wholeAxis, true
		}
		if !aCol {
			c.col, c.absCol = wholeAxis, true
		}
	}
	mark(&l.from)
	mark(&l.to)
	return true
}

// wholeAxis marks the axis an R1C1 reference leaves out; -1 is an offset there.
const wholeAxis = -1 << 31

// continues tells whether a word goes on, so that what was read is no reference.
func continues(text string) bool {
	if text == "" {
		return false
	}
	r, _ := utf8.DecodeRuneInString(text)
	return r == '(' || r == '!' || r == '[' || isNameRune(r, false)
}

func isSpace(r rune) bool {
	return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == 0xA0
}

// isNameRune tells whether r may stand in a name.
func isNameRune(r rune, first bool) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r == '\\':
		return true
	case r >= '0' && r <= '9', r == '.', r == '?':
		return !first
	case r < 0x80 || r == utf8.RuneError:
		return false
	}
	return unicode.IsLetter(r) || !first && (unicode.IsDigit(r) || unicode.IsMark(r))
}
