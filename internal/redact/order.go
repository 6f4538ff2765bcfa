package redact

// orderID looks at the # at s[i] for an order id: capitals and digits, with
// inner hyphens.
//
// The fixture policy takes every one. The product's own must not: a colour
// (#FFAA00), an error of a spreadsheet (#DIV/0!), an issue (#12) look alike.
// It wants a digit and four characters, and for digits alone or what may be a
// colour the word order nearby.
func (z *scanner) orderID(i int) {
	start := i + 1
	end, digits, hex := start, 0, true
	for end < len(z.s) && (upperDigit(z.s[end]) || z.s[end] == '-' && end > start && upperDigit(z.at(end+1))) {
		if isDigit(z.s[end]) {
			digits++
		}
		hex = hex && isHex(z.s[end])
		end++
	}
	if end == start {
		return
	}
	if z.p.fixture {
		z.found(OrderID, i, end)
		return
	}
	if isWordChar(z.before(i)) || isWordChar(z.at(end)) || z.before(i) == '&' || digits == 0 || end-start < 4 {
		return
	}
	colour := hex && (end-start == 4 || end-start == 6 || end-start == 8)
	if (colour || digits == end-start) && z.hints(i)&orderHint == 0 {
		return
	}
	z.found(OrderID, i, end)
}
