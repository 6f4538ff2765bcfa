package formula

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// compareText orders texts as Excel does: without regard to case, punctuation
// before digits before letters, accented letters next to their plain ones, and
// hyphens and apostrophes only to break a tie.
func compareText(a, b string) int {
	if a == b {
		return 0
	}
	if plainASCII(a) && plainASCII(b) {
		if c := compareWords(a, b); c != 0 {
			return c
		}
		return compareMarks(a, b)
	}
	if c := compareWords(a, b); c != 0 {
		return c
	}
	if c := compareAccents(a, b); c != 0 {
		return c
	}
	return compareMarks(a, b)
}

// equalText tells whether two texts are the same but for case.
func equalText(a, b string) bool {
	return a == b || strings.EqualFold(a, b)
}

func plainASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// compareWords compares the main weights, passing over hyphens and apostrophes.
func compareWords(a, b string) int {
	for {
		x, restA := nextWeight(a)
		y, restB := nextWeight(b)
		if x != y {
			if x < y {
				return -1
			}
			return 1
		}
		if x == 0 {
			return 0
		}
		a, b = restA, restB
	}
}

// nextWeight returns the main weight of the first counted character, 0 at the end.
func nextWeight(s string) (int, string) {
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		if r != '-' && r != '\'' && !unicode.IsMark(r) {
			return weight(r), s
		}
	}
	return 0, ""
}

// order lists what stands before the digits.
const order = " \t\n_,;:!?.\"()[]{}@*/\\&#%`^+<=>|~$"

func weight(r rune) int {
	if r < utf8.RuneSelf {
		switch {
		case r >= 'a' && r <= 'z':
			return 1000 + int(r-'a')*10
		case r >= 'A' && r <= 'Z':
			return 1000 + int(r-'A')*10
		case r >= '0' && r <= '9':
			return 500 + int(r-'0')
		}
		if i := strings.IndexRune(order, r); i >= 0 {
			return 10 + i
		}
		return 1 + int(r)%8
	}
	if base, ok := unaccented[unicode.ToLower(r)]; ok {
		return 1000 + int(base-'a')*10
	}
	switch unicode.ToLower(r) {
	case 'æ':
		return 1001
	case 'ø':
		return 1000 + int('o'-'a')*10 + 1
	case 'ß':
		return 1000 + int('s'-'a')*10 + 1
	}
	if unicode.IsLetter(r) {
		return 100_000 + int(unicode.ToLower(r))
	}
	return 100 + int(r)%300
}

// compareAccents puts the plainer text first.
func compareAccents(a, b string) int {
	if strings.EqualFold(stripMarks(a), stripMarks(b)) {
		return 0
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}

// compareMarks lets hyphens and apostrophes decide when all else is equal.
func compareMarks(a, b string) int {
	if strings.EqualFold(a, b) {
		return 0
	}
	if len(a) != len(b) {
		if len(a) < len(b) {
			return -1
		}
		return 1
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}

func stripMarks(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '\'' {
			return -1
		}
		return r
	}, s)
}

// unaccented maps the accented letters of European languages to their plain ones.
var unaccented = func() map[rune]rune {
	m := map[rune]rune{}
	for base, variants := range map[rune]string{
		'a': "àáâãäåāăąǎ", 'c': "çćĉċč", 'd': "ďđ", 'e': "èéêëēĕėęě", 'g': "ĝğġģ", 'h': "ĥħ",
		'i': "ìíîïĩīĭįı", 'j': "ĵ", 'k': "ķ", 'l': "ĺļľŀł", 'n': "ñńņňŉ", 'o': "òóôõöōŏőǒ",
		'r': "ŕŗř", 's': "śŝşšș", 't': "ţťŧț", 'u': "ùúûüũūŭůűųǔ", 'w': "ŵ", 'y': "ýÿŷ", 'z': "źżž",
	} {
		for _, r := range variants {
			m[r] = base
		}
	}
	return m
}()
