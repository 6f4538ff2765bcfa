package formula

import (
	"regexp"
	"strings"
)

// delimiters reads the texts to part at: one or an array of them.
func (c *call) delimiters(i int) ([]string, Value) {
	a, err := c.arrayArg(i)
	if err.isError() {
		return nil, err
	}
	c.e.spend(a.size())
	var out []string
	for k := 0; k < a.size(); k++ {
		s, err := c.e.string(a.index(k))
		if err.isError() {
			return nil, err
		}
		out = append(out, s)
	}
	return out, blank
}

// occurrence is where a delimiter stands, in bytes.
type occurrence struct{ start, end int }

// occurrences finds the delimiters in s from left to right; at one place the
// longest wins.
func (c *call) occurrences(s string, marks []string, fold bool) []occurrence {
	hay := s
	if fold {
		hay = foldSameLength(s)
	}
	var out []occurrence
	for at := 0; at < len(s); {
		best := 0
		for _, mark := range marks {
			if fold {
				mark = foldSameLength(mark)
			}
			c.e.spend(1)
			if len(mark) > best && strings.HasPrefix(hay[at:], mark) {
				best = len(mark)
			}
		}
		if best == 0 {
			at++
			continue
		}
		out = append(out, occurrence{at, at + best})
		at += best
	}
	return out
}

// foldSameLength lowers letters whose lower form takes as many bytes.
func foldSameLength(s string) string {
	return strings.Map(func(r rune) rune {
		if lower := []rune(strings.ToLower(string(r))); len(lower) == 1 && len(string(lower)) == len(string(r)) {
			return lower[0]
		}
		return r
	}, s)
}

// parting finds the delimiter TEXTBEFORE and TEXTAFTER ask for. found is false
// when there is none; then result is what to return.
func (c *call) parting() (at occurrence, found bool, result Value) {
	s := c.str(0)
	marks, err := c.delimiters(1)
	if err.isError() {
		return at, false, err
	}
	instance, mode, ends := c.wholeOr(2, 1), c.wholeOr(3, 0), c.flagOr(4, false)
	if instance == 0 || mode != 0 && mode != 1 {
		return at, false, errValue
	}
	for _, mark := range marks {
		if mark == "" { // matches at once, at the start or from the end
			if instance > 0 {
				return occurrence{0, 0}, true, blank
			}
			return occurrence{len(s), len(s)}, true, blank
		}
	}
	list := c.occurrences(s, marks, mode == 1)
	if ends {
		if instance > 0 {
			list = append(list, occurrence{len(s), len(s)})
		} else {
			list = append([]occurrence{{0, 0}}, list...)
		}
	}
	k := instance - 1
	if instance < 0 {
		k = len(list) + instance
	}
	if k < 0 || k >= len(list) {
		if units(s) > 0 && abs(instance) > units(s) {
			return at, false, errValue
		}
		if c.has(5) {
			return at, false, c.args[5]
		}
		return at, false, errNA
	}
	return list[k], true, blank
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

func textBefore(c *call) Value {
	at, found, result := c.parting()
	if !found {
		return result
	}
	return c.e.newText(c.str(0)[:at.start])
}

func textAfter(c *call) Value {
	at, found, result := c.parting()
	if !found {
		return result
	}
	return c.e.newText(c.str(0)[at.end:])
}

// pieces parts s at its delimiters.
func (c *call) pieces(s string, marks []string, fold, skipEmpty bool) []string {
	var out []string
	add := func(piece string) {
		if piece != "" || !skipEmpty {
			out = append(out, piece)
		}
	}
	start := 0
	for _, at := range c.occurrences(s, marks, fold) {
		add(s[start:at.start])
		start = at.end
	}
	add(s[start:])
	return out
}

func textSplit(c *call) Value {
	var cols, rows []string
	var err Value
	if c.has(1) {
		if cols, err = c.delimiters(1); err.isError() {
			return err
		}
	}
	if c.has(2) {
		if rows, err = c.delimiters(2); err.isError() {
			return err
		}
	}
	for _, mark := range append(append([]string{}, cols...), rows...) {
		if mark == "" {
			return errValue
		}
	}
	if len(cols)+len(rows) == 0 {
		return errValue
	}
	skip := len(c.args) > 3 && c.flag(3)
	fold := c.wholeOr(4, 0) == 1
	pad := errNA
	if c.has(5) {
		pad = c.args[5]
	}
	if c.str(0) == "" {
		return errCalc
	}
	lines := []string{c.str(0)}
	if len(rows) > 0 {
		lines = c.pieces(c.str(0), rows, fold, skip)
	}
	var table [][]string
	width := 0
	for _, line := range lines {
		row := []string{line}
		if len(cols) > 0 {
			row = c.pieces(line, cols, fold, skip)
		}
		if len(row) == 0 {
			continue
		}
		table = append(table, row)
		width = max(width, len(row))
	}
	if len(table) == 0 {
		return errCalc
	}
	out := c.e.array(len(table), width)
	for r, row := range table {
		for k := 0; k < width; k++ {
			if k < len(row) {
				out.set(r, k, c.e.newText(row[k]))
			} else {
				out.set(r, k, pad)
			}
		}
	}
	return arrayOf(out)
}

// pattern compiles a regular expression. What only backtracking engines know
// (looking around, back references) is refused: guessing would be worse.
func (c *call) pattern(i int, caseArg int) *regexp.Regexp {
	source := c.str(i)
	if c.wholeOr(caseArg, 0) == 1 {
		source = "(?i)" + source
	}
	c.e.spend(len(source) * 10)
	re, err := regexp.Compile(source)
	if err != nil {
		refuse(ReasonUnsupported, "The regular expression is wrong, or beyond what this evaluator can run.")
	}
	return re
}

func regexTest(c *call) Value {
	re := c.pattern(1, 2)
	c.e.spend(len(c.str(0)) * len(c.str(1)))
	return BooleanOf(re.MatchString(c.str(0)))
}

func regexExtract(c *call) Value {
	re := c.pattern(1, 3)
	c.e.spend(len(c.str(0)) * len(c.str(1)))
	switch c.wholeOr(2, 0) {
	case 0:
		at := re.FindStringIndex(c.str(0))
		if at == nil {
			return errNA
		}
		return c.e.newText(c.str(0)[at[0]:at[1]])
	case 1:
		return c.e.rowOfTexts(re.FindAllString(c.str(0), -1))
	case 2:
		groups := re.FindStringSubmatch(c.str(0))
		if len(groups) < 2 {
			return errNA
		}
		return c.e.rowOfTexts(groups[1:])
	}
	return errValue
}

func (e *evaluator) rowOfTexts(texts []string) Value {
	if len(texts) == 0 {
		return errNA
	}
	out := e.array(1, len(texts))
	for i, s := range texts {
		out.cells[i] = e.newText(s)
	}
	return arrayOf(out)
}

func regexReplace(c *call) Value {
	re := c.pattern(1, 4)
	s, by := c.str(0), c.str(2)
	c.e.spend(len(s) * len(c.str(1)))
	which := c.wholeOr(3, 0)
	found := re.FindAllStringSubmatchIndex(s, -1)
	if len(found)*len(by) > 4*maxTextLength {
		return errValue
	}
	if which < 0 {
		which = len(found) + which + 1
		if which <= 0 {
			return c.e.newText(s)
		}
	}
	var b strings.Builder
	start := 0
	for i, at := range found {
		if which != 0 && i+1 != which {
			continue
		}
		b.WriteString(s[start:at[0]])
		b.Write(re.ExpandString(nil, bracedGroups(by), s, at))
		start = at[1]
	}
	b.WriteString(s[start:])
	return c.e.newText(b.String())
}

// bracedGroups writes $1 as ${1}, so that letters may follow.
func bracedGroups(template string) string {
	var b strings.Builder
	for i := 0; i < len(template); i++ {
		b.WriteByte(template[i])
		if template[i] != '$' || i+1 >= len(template) || !isDigit(template[i+1]) {
			continue
		}
		b.WriteByte('{')
		for i+1 < len(template) && isDigit(template[i+1]) {
			i++
			b.WriteByte(template[i])
		}
		b.WriteByte('}')
	}
	return b.String()
}
