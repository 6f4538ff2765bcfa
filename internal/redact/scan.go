package redact

import (
	"strings"
	"unicode/utf8"
)

// scanner walks one line once. Most bytes are passed over by one look-up in
// class; the few that may begin or be inside something have a closer look,
// each in the file of its subject.
type scanner struct {
	p     *Policy
	s     string
	key   hint // what the JSON key says about this text
	spans []span

	disguised bool // a zero-width character, a full-width digit, an entity: read again in plain letters
	dashes    bool // a dash or space that is not ASCII: matters in numbers and addresses only
	digits    bool // or an @
	tokenEnd  int  // up to here long words have been looked at
	colonEnd  int  // up to here runs of hex digits and colons have been looked at
	pathEnd   int  // up to here a path has been found
	valueEnd  int  // up to here is one long value
	brackets  bool
}

type charClass uint8

const (
	ordinary charClass = iota
	digitClass
	atClass
	colonClass
	equalsClass
	slashClass
	backslashClass
	tildeClass
	hashClass
	dashClass
	ampersandClass
	percentClass
	bracketClass
	capitalAClass
	highClass
)

var class = func() (t [256]charClass) {
	for c := '0'; c <= '9'; c++ {
		t[c] = digitClass
	}
	t['@'], t[':'], t['='], t['/'], t['\\'] = atClass, colonClass, equalsClass, slashClass, backslashClass
	t['~'], t['#'], t['-'], t['_'], t['&'], t['%'], t['['] = tildeClass, hashClass, dashClass, dashClass, ampersandClass, percentClass, bracketClass
	t['A'] = capitalAClass
	// First bytes of characters that can disguise a digit, a separator or
	// nothing at all; see plainRune.
	for _, c := range []byte{0xC2, 0xCD, 0xD9, 0xDB, 0xDF, 0xE0, 0xE1, 0xE2, 0xE3, 0xEA, 0xEF, 0xF0, 0xF3} {
		t[c] = highClass
	}
	return t
}()

// spansOf returns what is to be replaced in the line, in order and without
// overlap.
func (z *scanner) spansOf() []span {
	z.scan()
	z.ownRules()
	if z.disguised || (z.dashes && z.digits) {
		z.scanPlain()
	}
	if len(z.spans) == 0 {
		return nil
	}
	z.respectTokens()
	return settle(z.spans)
}

// scan is the one pass.
func (z *scanner) scan() {
	s := z.s
	for i := 0; i < len(s); {
		c := class[s[i]]
		if c == ordinary {
			i++
			continue
		}
		i = z.look(c, i)
	}
}

// look has a closer look at s[i] and returns where to go on.
func (z *scanner) look(c charClass, i int) int {
	switch c {
	case digitClass:
		return z.digit(i)
	case atClass:
		z.digits = true
		z.email(i)
	case colonClass:
		return z.colon(i)
	case equalsClass:
		z.assignment(i)
	case slashClass:
		z.unixPath(i)
	case backslashClass:
		z.backslash(i)
	case tildeClass:
		z.homePath(i)
	case hashClass:
		z.orderID(i)
	case dashClass:
		z.dash(i)
	case ampersandClass:
		z.disguised = z.disguised || entityAt(z.s, i) > 0
	case percentClass:
		z.disguised = z.disguised || percentAt(z.s, i) > 0
	case bracketClass:
		if n := z.p.tokenAt(z.s, i); n > 0 {
			z.brackets = true
			return i + n
		}
	case capitalAClass:
		if z.at(i+3) == 'A' && i >= z.tokenEnd { // AKIA…, which may be without a digit
			z.longWord(i)
		}
	case highClass:
		return z.high(i)
	}
	return i + 1
}

// high looks at a character that may be a disguise and returns where it ends.
func (z *scanner) high(i int) int {
	r, n := utf8.DecodeRuneInString(z.s[i:])
	if plain, changed := plainRune(r); changed {
		if plain == ' ' || plain == '-' {
			z.dashes = true
		} else {
			z.disguised = true
		}
	}
	return i + n
}

// backslash notices a path of a Windows share and an escaped character.
func (z *scanner) backslash(i int) {
	z.sharePath(i)
	if escapeAt(z.s, i) > 0 {
		z.disguised = true
	}
}

// found notes a span if the policy wants its kind.
func (z *scanner) found(kind Kind, start, end int) {
	if z.p.wants(kind) {
		z.spans = append(z.spans, span{start: start, end: end, kind: kind})
	}
}

// scanPlain reads the line without its disguises and maps what is found back
// to the line as it stands.
func (z *scanner) scanPlain() {
	text, origin := plainText(z.s)
	if text == z.s {
		return
	}
	inner := scanner{p: z.p, s: text, key: z.key}
	inner.scan()
	inner.ownRules()
	for _, s := range inner.spans {
		start, end := origin.start(s.start), origin.end(s.end)
		mapped := span{start: start, end: end, kind: s.kind}
		if s.kind == Path {
			mapped.plain = text[s.start:s.end]
		}
		z.spans = append(z.spans, mapped)
	}
}

// respectTokens widens a span that cuts a token in two and drops one that is
// nothing but tokens.
func (z *scanner) respectTokens() {
	if !strings.Contains(z.s, "[") {
		return
	}
	kept := z.spans[:0]
	for _, s := range z.spans {
		if z.widen(&s) {
			kept = append(kept, s)
		}
	}
	z.spans = kept
}

// widen makes s hold whole tokens only. It reports whether s holds anything
// else.
func (z *scanner) widen(s *span) bool {
	rest := s.end - s.start
	for i := max(0, s.start-42); i < len(z.s) && i < s.end; {
		n := 0
		if z.s[i] == '[' {
			n = z.p.tokenAt(z.s, i)
		}
		if n == 0 {
			i++
			continue
		}
		if i+n > s.start {
			rest -= min(i+n, s.end) - max(i, s.start)
			s.start, s.end = min(s.start, i), max(s.end, i+n)
		}
		i += n
	}
	return rest > 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isLetter(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z'
}
func isAlnum(c byte) bool { return isDigit(c) || isLetter(c) }
func isHex(c byte) bool   { return isDigit(c) || ('a' <= c|0x20 && c|0x20 <= 'f') }

// before returns the byte before i, or a space at the start of the line.
func (z *scanner) before(i int) byte {
	if i <= 0 {
		return ' '
	}
	return z.s[i-1]
}

// at returns the byte at i, or NUL past the end of the line.
func (z *scanner) at(i int) byte {
	if i < 0 || i >= len(z.s) {
		return 0
	}
	return z.s[i]
}

// lower writes s in lower case into buf and returns it; ASCII only.
func lower(buf []byte, s string) []byte {
	buf = buf[:0]
	for i := 0; i < len(s) && len(buf) < cap(buf); i++ {
		c := s[i]
		if isUpper(c) {
			c |= 0x20
		}
		buf = append(buf, c)
	}
	return buf
}
