package redact

// group is a run of digits and what stands between it and the one before.
type group struct {
	start, end int
	sep        string
}

func (g group) size() int { return g.end - g.start }

// value is the number the group writes; meaningful up to nine digits.
func (g group) value(s string) int {
	n := 0
	for i := g.start; i < g.end && i < g.start+9; i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

const maxGroups = 24

// digit looks at the run of digits that begins at s[i] and returns where to
// go on.
func (z *scanner) digit(i int) int {
	z.digits = true
	z.longWord(i)
	end := i + 1
	for end < len(z.s) && isDigit(z.s[end]) {
		end++
	}
	if isLetter(z.before(i)) {
		z.letteredID(i, end)
		return end
	}
	if end-i == 2 && z.before(i) == ' ' && isUpper(z.before(i-1)) {
		z.spacedInsurance(i)
	}
	if end-i < 4 && !joins(z.at(end)) {
		return end // 7, 42, 365: nothing hides in so little
	}
	return z.chain(i, end)
}

func joins(c byte) bool { return c == ' ' || c == '-' || c == '.' || c == '/' || c == ')' || c == '(' }

// chain reads digit groups joined by single separators and looks for every
// kind of number in them.
func (z *scanner) chain(i, end int) int {
	var groups [maxGroups]group
	groups[0] = group{start: i, end: end}
	n, total := 1, end-i
	for n < maxGroups {
		last := groups[n-1].end
		j := last
		for j-last < 3 && j < len(z.s) && joins(z.s[j]) {
			j++
		}
		if j == last || !isDigit(z.at(j)) || !separates(z.s[last:j]) {
			break
		}
		next := j + 1
		for next < len(z.s) && isDigit(z.s[next]) {
			next++
		}
		groups[n] = group{start: j, end: next, sep: z.s[last:j]}
		total += next - j
		n++
	}
	on := groups[n-1].end
	chain := groups[:n]
	if isLetter(z.at(on)) && z.extension(on) == on {
		chain = chain[:n-1] // 4th, 12px: the last group belongs to a word
	}
	if len(chain) == 0 || total < 4 {
		return on
	}
	z.addresses(chain)
	if total < 7 {
		return on
	}
	z.cards(chain)
	z.socials(chain)
	z.phones(chain)
	return on
}

func separates(sep string) bool {
	switch sep {
	case " ", "-", ".", "/", ")", ") ", ")-", " (", "(", " - ", "-(", ").", ")/", " / ":
		return true
	}
	return false
}

// cards finds payment cards: a known range of a known length with a valid
// check digit. Grouped as cards are, or in any way if the words around say it
// is one.
func (z *scanner) cards(chain []group) {
	for a := 0; a < len(chain); a++ {
		if b := z.card(chain, a); b > a {
			z.found(Card, chain[a].start, chain[b-1].end)
			a = b - 1
		}
	}
}

// card returns the group after the last of the longest card that starts at
// group a; a if there is none.
func (z *scanner) card(chain []group, a int) int {
	if z.before(chain[a].start) == '$' || a > 0 && chain[a].sep == "." {
		return a // the digits after a decimal point
	}
	best := a
	var digits [19]byte
	n := 0
	for b := a; b < len(chain); b++ {
		g := chain[b]
		if b > a && !cardSeparator(g.sep, chain[a+1].sep) || n+g.size() > len(digits) {
			break
		}
		n += copy(digits[n:], z.s[g.start:g.end])
		if n < 12 || !luhn(digits[:n]) {
			continue
		}
		if b+1 < len(chain) && chain[b+1].sep == "." && b == a {
			continue // a decimal number
		}
		switch brand(digits[:n]) {
		case sure:
			if shaped(chain[a:b+1]) || z.hints(chain[a].start)&cardHint != 0 {
				best = b + 1
			}
		case doubtful:
			if z.hints(chain[a].start)&cardHint != 0 {
				best = b + 1
			}
		}
	}
	return best
}

func cardSeparator(sep, first string) bool {
	return sep == first && (sep == " " || sep == "-" || sep == ".")
}

// shaped reports whether the groups are those of a printed card: 4-4-4-4,
// 4-6-5, 4-6-4, with what a longer number adds, or one unbroken run.
func shaped(groups []group) bool {
	if len(groups) == 1 {
		return true
	}
	if groups[0].size() != 4 {
		return false
	}
	if len(groups) == 3 {
		return groups[1].size() == 6 && (groups[2].size() == 4 || groups[2].size() == 5)
	}
	for _, g := range groups[1 : len(groups)-1] {
		if g.size() != 4 {
			return false
		}
	}
	return len(groups) >= 4
}

func luhn(digits []byte) bool {
	sum := 0
	for i, c := range digits {
		d := int(c - '0')
		if (len(digits)-i)%2 == 0 {
			d *= 2
			if d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

type certainty int

const (
	no certainty = iota
	doubtful
	sure
)

// brand says whether digits begin as an issuer's do and have its length.
// Cards of more than sixteen digits exist, but so do random ids of 64 bits,
// a tenth of which has a valid check digit.
func brand(digits []byte) certainty {
	n := len(digits)
	if n > 16 && issuer(digits, n) != no {
		return doubtful
	}
	return issuer(digits, n)
}

func issuer(digits []byte, n int) certainty {
	p2 := int(digits[0]-'0')*10 + int(digits[1]-'0')
	p3 := p2*10 + int(digits[2]-'0')
	p4 := p3*10 + int(digits[3]-'0')
	switch {
	case digits[0] == '4' && (n == 16 || n == 13 || n == 19): // Visa
		if n == 13 {
			return doubtful
		}
		return sure
	case p2 >= 51 && p2 <= 55 && n == 16, p4 >= 2221 && p4 <= 2720 && n == 16: // Mastercard
		return sure
	case (p2 == 34 || p2 == 37) && n == 15: // American Express
		return sure
	case (p4 == 6011 || p2 == 65 || p3 >= 644 && p3 <= 649) && n >= 16: // Discover
		return sure
	case p4 >= 3528 && p4 <= 3589 && n >= 16: // JCB
		return sure
	case (p2 == 36 || p2 == 38 || p2 == 39 || p3 >= 300 && p3 <= 305) && n == 14: // Diners
		return sure
	case p2 == 62 && n >= 16: // UnionPay
		return sure
	case p4 >= 2200 && p4 <= 2204 && n == 16: // Mir
		return sure
	case (p2 == 50 || p2 >= 56 && p2 <= 69) && n == 16: // Maestro, RuPay
		return sure
	case (p2 == 50 || p2 >= 56 && p2 <= 69) && n >= 12:
		return doubtful
	}
	return no
}

// socials finds US social security and taxpayer numbers: 3-2-4 with hyphens,
// or otherwise written when the words around say so.
func (z *scanner) socials(chain []group) {
	for a := 0; a < len(chain); a++ {
		g := chain[a]
		if g.size() == 9 && z.standsAlone(chain, a, a) && isSocial(z.s[g.start:g.end]) && z.hints(g.start)&ssnHint != 0 {
			z.found(SSN, g.start, g.end)
			continue
		}
		if a+2 >= len(chain) || g.size() != 3 || chain[a+1].size() != 2 || chain[a+2].size() != 4 {
			continue
		}
		sep, end := chain[a+1].sep, chain[a+2].end
		if sep != chain[a+2].sep || !z.standsAlone(chain, a, a+2) {
			continue
		}
		number := z.s[g.start:g.end] + z.s[chain[a+1].start:chain[a+1].end] + z.s[chain[a+2].start:end]
		if isSocial(number) && (sep == "-" && z.hints(g.start)&refHint == 0 || z.hints(g.start)&ssnHint != 0) {
			z.found(SSN, g.start, end)
			a += 2
		}
	}
}

// standsAlone reports whether groups a to b are not joined to further digits
// by anything but a space.
func (z *scanner) standsAlone(chain []group, a, b int) bool {
	if a > 0 && chain[a].sep != " " || b+1 < len(chain) && chain[b+1].sep != " " {
		return false
	}
	before := z.before(chain[a].start)
	return !(a == 0 && (before == '-' || before == '.') && isAlnum(z.before(chain[a].start-1))) &&
		!(z.at(chain[b].end) == '-' && isAlnum(z.at(chain[b].end+1)))
}

// isSocial checks the nine digits of a US number: no area 000, 666, no group
// 00, no serial 0000; from 900 up it is a taxpayer number with a group of its
// own ranges.
func isSocial(n string) bool {
	area, group, serial := n[:3], n[3:5], n[5:]
	if area == "000" || area == "666" || group == "00" || serial == "0000" {
		return false
	}
	if area < "900" {
		return true
	}
	return group >= "50" && group <= "65" || group >= "70" && group <= "88" || group >= "90" && group <= "92" || group >= "94"
}

// letteredID looks at digits right after letters for an IBAN or a UK national
// insurance number; both begin with two letters that begin a word.
func (z *scanner) letteredID(i, end int) {
	if i < 2 || !isLetter(z.s[i-2]) || i > 2 && isWordChar(z.s[i-3]) {
		return
	}
	if ibanEnd := z.iban(i - 2); ibanEnd > 0 {
		z.found(IBAN, i-2, ibanEnd)
		return
	}
	if ninoEnd := z.insurance(i - 2); ninoEnd > 0 {
		z.found(SSN, i-2, ninoEnd)
	}
}

// spacedInsurance looks at two digits after a space and two capitals.
func (z *scanner) spacedInsurance(i int) {
	if i < 3 || !isUpper(z.s[i-3]) || i > 3 && isWordChar(z.s[i-4]) {
		return
	}
	if end := z.insurance(i - 3); end > 0 {
		z.found(SSN, i-3, end)
	}
}

// ibanLength is the length of an IBAN by country.
var ibanLength = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28,
	"CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
	"FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28,
	"IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
	"LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28,
	"NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
	"SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26,
	"UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}

// iban returns the end of the IBAN that begins at s[i], 0 if there is none:
// the country's length, single spaces or hyphens allowed, modulo 97 = 1.
func (z *scanner) iban(i int) int {
	country := string([]byte{z.s[i] &^ 0x20, z.s[i+1] &^ 0x20})
	length := ibanLength[country]
	if length == 0 || !isDigit(z.at(i+3)) {
		return 0
	}
	var text [34]byte
	n, j := 0, i
	for n < length {
		c := z.at(j)
		switch {
		case isAlnum(c):
			if c >= 'a' {
				c &^= 0x20
			}
			text[n] = c
			n++
		case (c == ' ' || c == '-') && isAlnum(z.at(j+1)) && n >= 2:
		default:
			return 0
		}
		j++
	}
	if isWordChar(z.at(j)) || !mod97(text[:n]) {
		return 0
	}
	return j
}

func mod97(iban []byte) bool {
	rest := 0
	for k := range len(iban) {
		c := iban[(k+4)%len(iban)]
		if isDigit(c) {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest == 1
}

// insurance returns the end of the UK national insurance number that begins
// at s[i], 0 if there is none: QQ 12 34 56 C with the letters it may have.
func (z *scanner) insurance(i int) int {
	first, second := z.s[i], z.s[i+1]
	if !isUpper(first) || !isUpper(second) {
		return 0
	}
	for _, never := range "DFIQUV" {
		if byte(never) == first || byte(never) == second {
			return 0
		}
	}
	switch string([]byte{first, second}) {
	case "BG", "GB", "KN", "NK", "NT", "TN", "ZZ":
		return 0
	}
	if second == 'O' {
		return 0
	}
	j := i + 2
	if z.at(j) == ' ' {
		j++
	}
	for pair := range 3 {
		if pair > 0 && z.at(j) == ' ' {
			j++
		}
		if !isDigit(z.at(j)) || !isDigit(z.at(j+1)) {
			return 0
		}
		j += 2
	}
	if z.at(j) == ' ' {
		j++
	}
	if c := z.at(j); c < 'A' || c > 'D' || isWordChar(z.at(j+1)) {
		return 0
	}
	return j + 1
}
