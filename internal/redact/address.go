package redact

import (
	"net/netip"
	"strings"
)

// addresses finds IPv4 addresses in a chain of digit groups: four of them,
// no more, joined by dots.
func (z *scanner) addresses(chain []group) {
	for a := 0; a < len(chain); {
		b := a
		for b+1 < len(chain) && chain[b+1].sep == "." {
			b++
		}
		if b-a == 3 && z.isAddress(chain[a:b+1]) {
			z.found(IP, chain[a].start, chain[b].end)
		}
		a = b + 1
	}
}

func (z *scanner) isAddress(octets []group) bool {
	for _, o := range octets {
		if o.size() > 3 || o.value(z.s) > 255 {
			return false
		}
	}
	start, end := octets[0].start, octets[3].end
	switch z.before(start) {
	case '/':
		if isAlnum(z.before(start - 1)) {
			return false // Chrome/1.2.3.4
		}
	case '.', '$':
		return false
	}
	if z.at(end) == '-' && isLetter(z.at(end+1)) || z.at(end) == '.' && isAlnum(z.at(end+1)) {
		return false // 1.2.3.4-beta
	}
	return z.nearHints(start)&versionHint == 0
}

// nearHints are those of the two words right before s[i].
func (z *scanner) nearHints(i int) hint {
	j := i
	for words := 0; words < 2 && j > max(0, i-24); words++ {
		for j > 0 && (z.s[j-1] == ' ' || z.s[j-1] == ':' || z.s[j-1] == '=') {
			j--
		}
		for j > 0 && isLetter(z.s[j-1]) {
			j--
		}
	}
	near := scanner{s: z.s[j:i], key: z.key}
	if j > 24 {
		near.key = 0
	}
	return near.hints(i - j)
}

// colonAddress looks at the colon at s[i] for an IPv6 address around it.
func (z *scanner) colonAddress(i int) {
	if i < z.colonEnd {
		return
	}
	start, end := i, i+1
	for start > 0 && isHex(z.s[start-1]) {
		start--
	}
	colons := 1
	for end < len(z.s) && (isHex(z.s[end]) || z.s[end] == ':' || z.s[end] == '.') {
		if z.s[end] == ':' {
			colons++
		}
		end++
	}
	z.colonEnd = end
	if isWordChar(z.before(start)) { // value:2001:db8::1, whose last letter is a hex digit
		for start < i && z.s[start] != ':' {
			start++
		}
		start++
		colons--
	}
	if colons < 2 || isWordChar(z.at(end)) && z.at(end) != '_' {
		return
	}
	for end > start && (z.s[end-1] == '.' || z.s[end-1] == ':' && !strings.HasSuffix(z.s[start:end], "::")) {
		end--
	}
	if z.s[start] == ':' && !strings.HasPrefix(z.s[start:end], "::") {
		start++
	}
	if end-start > 45 || !z.isColonAddress(start, end) {
		return
	}
	if z.at(end) == '%' { // the zone, fe80::1%eth0
		zone := end + 1
		for zone < len(z.s) && isAlnum(z.s[zone]) {
			zone++
		}
		if zone > end+1 {
			end = zone
		}
	}
	z.found(IP, start, end)
}

// isWordChar reports whether a word goes on at c. Other scripts do not count:
// they put numbers beside their characters without a space.
func isWordChar(c byte) bool { return isAlnum(c) || c == '_' }

// isColonAddress tells an address from what only parses as one: a C++ scope
// (dead::beef), a slice (x[1::2]), a hardware address of eight pairs.
func (z *scanner) isColonAddress(start, end int) bool {
	text := z.s[start:end]
	if _, err := netip.ParseAddr(text); err != nil {
		return false
	}
	hex, digits, longest, run := 0, 0, 0, 0
	for i := range len(text) {
		if !isHex(text[i]) {
			run = 0
			continue
		}
		hex++
		run++
		longest = max(longest, run)
		if isDigit(text[i]) {
			digits++
		}
	}
	if text == "::1" {
		return !(z.before(start) == '[' && (isWordChar(z.before(start-1)) || z.before(start-1) == ')' || z.before(start-1) == ']'))
	}
	if !strings.Contains(text, "::") {
		return longest > 2
	}
	return digits > 0 && hex >= 5
}
