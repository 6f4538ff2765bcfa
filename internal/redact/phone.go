package redact

import "strings"

// phones finds telephone numbers in a chain of digit groups. What looks like
// one by itself (+44 …, (212) …, 555-123-4567, 020 …) is taken; anything else
// of seven to fifteen digits only where the words around speak of a phone.
func (z *scanner) phones(chain []group) {
	for a := 0; a < len(chain); {
		start, b := z.phone(chain, a)
		if b == a {
			a++
			continue
		}
		end := chain[b-1].end
		if b == len(chain) || z.s[end] != ' ' || !isDigit(z.at(end+1)) {
			end = z.extension(end)
		}
		z.found(Phone, start, end)
		a = b
	}
}

// phone returns where the number that begins with group a starts and the
// group after its last; a if there is none.
func (z *scanner) phone(chain []group, a int) (start, b int) {
	start = chain[a].start
	open := false // an opening parenthesis belongs to the number
	switch lead := z.before(start); {
	case a > 0 && !leads(chain[a].sep):
		return start, a
	case lead == '+':
		return start - 1, z.international(chain, a)
	case lead == '(':
		open = a+1 < len(chain) && strings.HasPrefix(chain[a+1].sep, ")")
		if z.before(start-1) == '+' {
			start--
		}
	case lead == '$' || lead == '.' && a == 0 && isDigit(z.before(start-1)) || lead == '#':
		return start, a
	}
	if z.isDate(chain, a) {
		return start, a
	}
	if open {
		if b = z.parenthesised(chain, a); b > a {
			return start - 1, b
		}
	}
	if b = z.exitCode(chain, a); b > a {
		return start, b
	}
	h := z.hints(start)
	strong := h&phoneHint != 0
	if h&refHint == 0 || strong {
		if b = z.grouped(chain, a, strong); b > a {
			return start, b
		}
	}
	if strong && h&(versionHint|ssnHint|cardHint) == 0 || h&refHint == 0 && z.mayEndAt(chain, a) {
		b = z.anyShape(chain, a)
	} else {
		b = a
	}
	if b > a && open {
		start-- // take the parenthesis along
	}
	return start, b
}

// leads reports whether a number may begin after the separator.
func leads(sep string) bool {
	return sep == " " || sep == " (" || sep == " - " || sep == "/" || sep == " / "
}

func digitsIn(groups []group) int {
	n := 0
	for _, g := range groups {
		n += g.size()
	}
	return n
}

// international reads +CC and what follows, up to fifteen digits. After +1
// there are ten.
func (z *scanner) international(chain []group, a int) int {
	first := chain[a]
	if z.s[first.start] == '0' || isWordChar(z.before(first.start-1)) && z.before(first.start-1) != '_' {
		return a
	}
	limit := 15
	if z.s[first.start:first.end] == "1" || first.size() == 11 && z.s[first.start] == '1' {
		limit = 11
	}
	total, b := 0, a
	for b < len(chain) && total+chain[b].size() <= limit {
		if b > a && (total >= 12 && chain[b].size() <= 2 || total >= 10 && (chain[b].sep == " - " || chain[b].sep == " / " || chain[b].sep == "/")) {
			break
		}
		if total >= 10 && chain[b].sep == " (" {
			break
		}
		total += chain[b].size()
		b++
	}
	if total < 8 || b-a == 1 && total < 9 {
		return a
	}
	return b
}

// parenthesised reads an area code in parentheses and what follows.
func (z *scanner) parenthesised(chain []group, a int) int {
	area := chain[a]
	if area.size() < 2 || area.size() > 5 || isWordChar(z.before(area.start-1)) {
		return a
	}
	total, b := 0, a+1
	for b < len(chain) && b-a <= 5 && total+chain[b].size() <= 9 {
		if b > a+1 && strings.Trim(chain[b].sep, " -./") != "" {
			break
		}
		if total >= 7 && chain[b].sep == " " && chain[b].size() != 2 {
			break
		}
		total += chain[b].size()
		b++
	}
	if total < 5 || area.size()+total < 8 || chain[a+1].size() < 2 {
		return a
	}
	if year := area.value(z.s); area.size() == 4 && year >= 1900 && year < 2100 {
		return a
	}
	return b
}

// exitCode reads 00 and a country code.
func (z *scanner) exitCode(chain []group, a int) int {
	g := chain[a]
	if !strings.HasPrefix(z.s[g.start:g.end], "00") {
		return a
	}
	if g.size() > 2 && z.s[g.start+2] == '0' || g.size() == 2 && (a+1 == len(chain) || z.s[chain[a+1].start] == '0') {
		return a
	}
	total, b := 0, a
	for b < len(chain) && total+chain[b].size() <= 16 && (b == a || len(chain[b].sep) <= 2) {
		total += chain[b].size()
		b++
	}
	if total < 11 || b-a == 1 && total < 12 || b-a > 7 || b-a == 1 && z.hints(g.start)&phoneHint == 0 && total > 15 {
		return a
	}
	return b
}

// grouped reads national numbers by the sizes of their groups.
func (z *scanner) grouped(chain []group, a int, strong bool) int {
	for _, shape := range shapes {
		b := a + len(shape.sizes)
		if b > len(chain) || shape.hinted && !strong {
			continue
		}
		if z.fits(chain[a:b], shape) && (strong || !z.inColumn(chain, a)) && (b == len(chain) || leads(chain[b].sep) || chain[b].sep == ".") && !z.runsOn(chain, b) {
			return b
		}
	}
	return z.trunk(chain, a)
}

// shape is how a country writes its numbers.
type shape struct {
	sizes  []int
	seps   string // the separators it may have between groups
	first  string // what the first group may begin with; "" = anything
	hinted bool   // only where the words around speak of a phone
}

var shapes = []shape{
	{sizes: []int{1, 3, 3, 4}, seps: "-. ", first: "1"},            // 1-800-555-0199
	{sizes: []int{3, 3, 4}, seps: "-."},                            // 555-123-4567, 555.123.4567
	{sizes: []int{3, 3, 4}, seps: " -", first: "23456789"},         // 212 555 0123
	{sizes: []int{3, 4, 4}, seps: " -", first: "1"},                // 138 1234 5678, China
	{sizes: []int{1, 3, 3, 2, 2}, seps: "-( )", first: "78"},       // 8 800 555-35-35, Russia
	{sizes: []int{5, 5}, seps: " -", first: "6789"},                // 98765 43210, India
	{sizes: []int{5, 6}, seps: " ", first: "0"},                    // 07911 123456
	{sizes: []int{3, 4}, seps: "-. ", hinted: true},                // 555-0123
	{sizes: []int{3, 3, 3}, seps: "- .", first: "6789"},            // 612-345-678, Spain, Poland
	{sizes: []int{4, 3, 3}, seps: " -", first: "01", hinted: true}, // 1300 555 123, Australia
}

// inColumn reports whether group a is one of a row of numbers: the one before
// is as long and a space away, as is the next.
func (z *scanner) inColumn(chain []group, a int) bool {
	return a > 0 && chain[a].sep == " " && chain[a-1].size() >= 3 && a+1 < len(chain) && chain[a+1].sep == " "
}

func (z *scanner) fits(groups []group, s shape) bool {
	for i, g := range groups {
		if g.size() != s.sizes[i] {
			return false
		}
		if i > 0 && strings.Trim(g.sep, s.seps) != "" {
			return false
		}
	}
	first := z.s[groups[0].start]
	if s.first != "" && strings.IndexByte(s.first, first) < 0 {
		return false
	}
	if len(groups) == 3 && s.sizes[2] == 3 && !s.hinted { // 612 345 678 is as well a number with thousands apart
		return groups[1].sep == "-"
	}
	if s.seps == " -" && s.sizes[0] == 3 && s.sizes[1] == 3 { // so may 250 300 4000 be three numbers
		exchange := z.s[groups[1].start]
		return exchange >= '2' || groups[2].sep == "-"
	}
	return true
}

// runsOn reports whether the digits go on after group b-1 in the same manner,
// so that what was read is the beginning of something longer.
func (z *scanner) runsOn(chain []group, b int) bool {
	end := chain[b-1].end
	if b < len(chain) {
		return chain[b].sep == "." || chain[b].sep == "-" || chain[b].sep == " " && chain[b].sep == chain[b-1].sep && chain[b].size() >= 3
	}
	return (z.at(end) == '-' || z.at(end) == '_') && isAlnum(z.at(end+1))
}

// trunk reads numbers with a national 0: 020 7946 0958, 06 12 34 56 78.
func (z *scanner) trunk(chain []group, a int) int {
	first := chain[a]
	if z.s[first.start] != '0' || first.size() < 2 || first.size() > 6 || z.s[first.start+1] == '0' {
		return a
	}
	total, b := first.size(), a+1
	for b < len(chain) && total+chain[b].size() <= 12 && chain[b].size() >= 2 && chain[b].size() <= 8 {
		sep := chain[b].sep
		if sep != " " && sep != "-" && sep != "/" && sep != "." && sep != " - " && sep != " / " {
			break
		}
		if total >= 10 && sep == " " && chain[b].size() != 2 {
			break
		}
		total += chain[b].size()
		b++
	}
	if b == a+1 || total < 9 || z.runsOn(chain, b) {
		return a
	}
	if b-a > 3 && first.size() == 2 && total != 10 {
		return a // a column of two-digit numbers
	}
	return b
}

// anyShape reads seven to fifteen digits however they are grouped.
func (z *scanner) anyShape(chain []group, a int) int {
	total, b := 0, a
	for b < len(chain) && b-a < 6 && total+chain[b].size() <= 15 {
		if b > a && total >= 7 && (total+chain[b].size() > 13 || chain[b].sep == " " && total >= 10 && chain[b].size() > 2) {
			break
		}
		total += chain[b].size()
		b++
	}
	if total < 7 || b-a == 2 && chain[a+1].sep == "." {
		return a
	}
	if b-a == 1 && (total > 13 || !z.phoneBefore(chain[a].start)) {
		return a
	}
	return b
}

// mayEndAt reports whether the word after the chain says that a phone number
// ended there: "69 987 88 37 office".
func (z *scanner) mayEndAt(chain []group, a int) bool {
	return a == 0 && len(chain) > 1 && z.phoneAfter(chain[len(chain)-1].end)
}

// isDate reports whether three groups from a on are a day, in any order.
func (z *scanner) isDate(chain []group, a int) bool {
	if a+2 >= len(chain) || chain[a+1].sep != chain[a+2].sep || chain[a+1].sep == "" {
		return false
	}
	x, y, w := chain[a], chain[a+1], chain[a+2]
	dayAndMonth := func(g, h group) bool {
		return g.size() <= 2 && h.size() <= 2 && g.value(z.s) >= 1 && h.value(z.s) >= 1 &&
			(g.value(z.s) <= 12 && h.value(z.s) <= 31 || g.value(z.s) <= 31 && h.value(z.s) <= 12)
	}
	year := func(g group) bool { return g.size() == 4 && g.value(z.s) >= 1000 && g.value(z.s) < 2200 }
	if year(x) && dayAndMonth(y, w) || year(w) && dayAndMonth(x, y) {
		return true
	}
	ends := a+3 == len(chain) || chain[a+3].sep != w.sep
	return (w.sep == "/" || w.sep == ".") && w.size() == 2 && dayAndMonth(x, y) && ends
}

// extension returns the end of an extension that follows s[end]: x123,
// ext. 123; end itself if there is none.
func (z *scanner) extension(end int) int {
	j := end
	if z.at(j) == ',' {
		j++
	}
	if z.at(j) == ' ' {
		j++
	}
	word := j
	for j < len(z.s) && isLetter(z.s[j]) {
		j++
	}
	switch strings.ToLower(z.s[min(word, len(z.s)):j]) {
	case "x", "ext", "extn", "extension":
	default:
		return end
	}
	if z.at(j) == '.' {
		j++
	}
	if z.at(j) == ' ' {
		j++
	}
	digits := j
	for j < len(z.s) && isDigit(z.s[j]) {
		j++
	}
	if j == digits || j-digits > 6 || isLetter(z.at(j)) {
		return end
	}
	return j
}
