package formula

import (
	"regexp"
	"strings"
)

// match tells whether a cell's value meets a criterion.
type match func(Value) bool

// criterion reads what COUNTIF and its kin take: a value to equal, or a text
// that begins with an operator. Text knows the wildcards * ? and ~.
func (e *evaluator) criterion(v Value) match {
	switch v.kind {
	case KindError:
		return func(x Value) bool { return x.isError() && x.num == v.num }
	case KindBoolean:
		return func(x Value) bool { return x.isBoolean() && x.num == v.num }
	case KindBlank, KindMissing:
		return func(x Value) bool { return e.sameNumber(x, 0) }
	case KindNumber:
		return func(x Value) bool { return e.sameNumber(x, v.num) }
	case KindText:
		if m, ok := e.texts[v.text]; ok {
			return m
		}
		e.spend(100 + 5*len(v.text))
		e.alloc(500 + 10*len(v.text))
		m := e.textCriterion(v.text)
		e.texts[v.text] = m
		return m
	}
	return func(Value) bool { return false }
}

// sameNumber also takes text that reads as the number.
func (e *evaluator) sameNumber(x Value, f float64) bool {
	g, ok := e.numberOrText(x)
	return ok && compareNumbers(g, f) == 0
}

// numberOrText reads a number, or a text that a cell would take for one. A date
// without a year is left alone: it stands for another day each year.
func (e *evaluator) numberOrText(x Value) (f float64, ok bool) {
	switch x.kind {
	case KindNumber:
		return x.num, true
	case KindText:
		e.spend(20)
		return e.book.locale.parseFixed(x.text, e.book.sheet.Date1904)
	}
	return 0, false
}

func splitOperator(s string) (op, rest string) {
	for _, op := range []string{"<>", "<=", ">=", "=", "<", ">"} {
		if strings.HasPrefix(s, op) {
			return op, s[len(op):]
		}
	}
	return "", s
}

func (e *evaluator) textCriterion(s string) match {
	op, rest := splitOperator(s)
	if rest == "" {
		return emptyCriterion(op)
	}
	if code := errorNamed(rest); code != 0 {
		if op == "<>" {
			return func(x Value) bool { return x.Error() != code }
		}
		if op == "" {
			op = "="
		}
		return func(x Value) bool { return x.isError() && holds(op, int(x.Error())-int(code)) }
	}
	if strings.EqualFold(rest, "TRUE") || strings.EqualFold(rest, "FALSE") {
		return booleanCriterion(op, strings.EqualFold(rest, "TRUE"))
	}
	if f, ok := e.book.locale.parseNumber(rest, e.book.sheet.Date1904); ok {
		return e.numberCriterion(op, f)
	}
	if op == "" || op == "=" || op == "<>" {
		return negated(op == "<>", e.likeCriterion(rest))
	}
	return func(x Value) bool { return x.isText() && holds(op, compareText(x.text, rest)) }
}

func negated(not bool, m match) match {
	if !not {
		return m
	}
	return func(x Value) bool { return !m(x) }
}

// emptyCriterion: "" and "=" find what is empty, "<>" what is filled.
func emptyCriterion(op string) match {
	switch op {
	case "":
		return func(x Value) bool { return x.isBlank() || x.isText() && x.text == "" }
	case "=":
		return func(x Value) bool { return x.isBlank() }
	case "<>":
		return func(x Value) bool { return !x.isBlank() }
	}
	return func(Value) bool { return false }
}

func booleanCriterion(op string, want bool) match {
	wanted := BooleanOf(want)
	switch op {
	case "", "=":
		return func(x Value) bool { return x.isBoolean() && x.num == wanted.num }
	case "<>":
		return func(x Value) bool { return !x.isBoolean() || x.num != wanted.num }
	}
	return func(x Value) bool { return x.isBoolean() && holds(op, compareNumbers(x.num, wanted.num)) }
}

func (e *evaluator) numberCriterion(op string, f float64) match {
	switch op {
	case "", "=":
		return func(x Value) bool { return e.sameNumber(x, f) }
	case "<>":
		return func(x Value) bool { return !e.sameNumber(x, f) }
	}
	return func(x Value) bool {
		g, ok := e.numberOrText(x)
		return ok && holds(op, compareNumbers(g, f))
	}
}

// likeCriterion matches whole texts, without regard to case.
func (e *evaluator) likeCriterion(pattern string) match {
	if !strings.ContainsAny(pattern, "*?~") {
		return func(x Value) bool { return x.isText() && equalText(x.text, pattern) }
	}
	re := wildcard(pattern, true)
	return func(x Value) bool {
		if !x.isText() || len(pattern) > 255 {
			return false
		}
		e.spend(len(x.text))
		return re.MatchString(x.text)
	}
}

// wildcard compiles a pattern with * ? and ~ (which makes the next one plain).
// The regular expressions of the standard library take linear time.
func wildcard(pattern string, whole bool) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?is)`)
	if whole {
		b.WriteString(`\A`)
	}
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == '~': // makes the next one plain; at the end it is nothing
			if i++; i < len(runes) {
				b.WriteString(regexp.QuoteMeta(string(runes[i])))
			}
		case r == '*':
			if whole {
				b.WriteString(`.*`)
			} else {
				b.WriteString(`.*?`)
			}
		case r == '?':
			b.WriteByte('.')
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	if whole {
		b.WriteString(`\z`)
	}
	return regexp.MustCompile(b.String())
}
