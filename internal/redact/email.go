package redact

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// email looks at the @ at s[i] for an address around it.
func (z *scanner) email(i int) {
	start := z.localPart(i)
	if start == i {
		return
	}
	end := z.domain(i + 1)
	if end == 0 {
		return
	}
	if z.s[start:i] == "git" && z.at(end) == ':' {
		return // git@host:owner/repository is an account of everyone
	}
	z.found(Email, start, end)
}

// localPart returns where the part before the @ at s[i] begins; i if there is
// none.
func (z *scanner) localPart(i int) int {
	if z.before(i) == '"' {
		if open := strings.LastIndexByte(z.s[max(0, i-66):i-1], '"'); open >= 0 {
			return max(0, i-66) + open
		}
		return i
	}
	start := i
	for start > 0 {
		if n := z.localChar(start); n > 0 {
			start -= n
			continue
		}
		break
	}
	// An escaped line break before the address is not part of it: \njoe@….
	if z.before(start) == '\\' && start+1 < i && strings.IndexByte("ntrbf", z.s[start]) >= 0 {
		start++
	}
	for start < i && (z.s[start] == '.' || z.s[start] == '-' || z.s[start] == '\'') {
		start++
	}
	return start
}

// localChar returns the length of the character that ends at s[end], if an
// address may hold it before the @, else 0.
func (z *scanner) localChar(end int) int {
	c := z.s[end-1]
	switch {
	case isAlnum(c), c == '.', c == '_', c == '-', c == '+':
		return 1
	case c == '%':
		if percentAt(z.s, end-1) == 0 {
			return 1
		}
		return 0
	case c == '\'': // O'Brien, but not 'joe@…'
		if end >= 2 && isLetter(z.s[end-2]) && end < len(z.s) && isLetter(z.s[end]) {
			return 1
		}
	case c >= utf8.RuneSelf:
		r, n := utf8.DecodeLastRuneInString(z.s[:end])
		if alphabetic(r) {
			return n
		}
	}
	return 0
}

// alphabetic reports whether r is a letter of a script that puts spaces
// between words, so that a run of such letters is one word.
func alphabetic(r rune) bool {
	return r >= 0x00C0 && r <= 0x024F && r != 0x00D7 && r != 0x00F7 || r >= 0x0370 && r <= 0x052F
}

// domain returns the end of the domain that starts at s[i], 0 if there is
// none: labels of letters, digits and inner hyphens, the last one of two or
// more letters.
func (z *scanner) domain(i int) int {
	s := z.s
	if z.at(i) == '[' {
		return z.domainAddress(i)
	}
	end, labels, numeric := 0, 0, 0
	for i < len(s) {
		label := i
		letters, foreign := 0, false
		for i < len(s) {
			c := s[i]
			if c >= utf8.RuneSelf {
				r, n := utf8.DecodeRuneInString(s[i:])
				if !wordRune(r) {
					break
				}
				i, letters, foreign = i+n, letters+1, true
				continue
			}
			if !isAlnum(c) && c != '-' {
				break
			}
			if isLetter(c) {
				letters++
			}
			i++
		}
		size := i - label
		for size > 0 && s[label+size-1] == '-' {
			size--
		}
		if size == 0 || s[label] == '-' {
			break
		}
		labels++
		if letters == 0 {
			numeric++
		}
		if labels > 1 && numeric < 2 && topLevel(s[label:label+size], letters, foreign) && !z.callFollows(label, label+size) {
			end = label + size
		}
		if size < i-label || i+1 >= len(s) || s[i] != '.' {
			break
		}
		i++
	}
	return end
}

func topLevel(label string, letters int, foreign bool) bool {
	if foreign {
		return letters >= 2
	}
	return letters >= 2 && letters == len(label) && len(label) <= 24 || strings.HasPrefix(label, "xn--") && len(label) > 6
}

// callFollows tells a method call on a matrix product, a@b.transpose(), from
// an address: what looks like a long top-level domain is called or indexed.
func (z *scanner) callFollows(start, end int) bool {
	if end-start < 4 {
		return false
	}
	next := z.at(end)
	return next == '(' || next == '_'
}

// wordRune reports whether r may stand in an internationalised domain.
func wordRune(r rune) bool {
	return alphabetic(r) || r >= 0x0530 && r < 0x2000 || r >= 0x3041 && r <= 0xD7FF || r == 0x30FB
}

// domainAddress reads user@[192.0.2.1].
func (z *scanner) domainAddress(i int) int {
	closing := strings.IndexByte(z.s[i:min(len(z.s), i+64)], ']')
	if closing < 0 {
		return 0
	}
	if _, err := netip.ParseAddr(strings.TrimPrefix(z.s[i+1:i+closing], "IPv6:")); err != nil {
		return 0
	}
	return i + closing + 1
}
