package redact

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plainText writes a line as it reads: full-width and foreign digits as
// ASCII, odd spaces and dashes as plain ones, invisible characters left out,
// HTML entities, percent-encoding and \u escapes resolved. The origin maps
// offsets back.
func plainText(s string) (string, origin) {
	var b strings.Builder
	var o origin
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		decoded := false
		switch class[s[i]] {
		case ampersandClass:
			r, n, decoded = resolve(s, i, entityAt, entityRune)
		case percentClass:
			r, n, decoded = resolve(s, i, percentAt, percentRune)
		case backslashClass:
			r, n, decoded = resolve(s, i, escapeAt, escapeRune)
		case highClass:
			r, n = utf8.DecodeRuneInString(s[i:])
		default:
			b.WriteByte(s[i])
			i++
			continue
		}
		plain, changed := plainRune(r)
		if !changed && !decoded {
			b.WriteString(s[i : i+n])
			i += n
			continue
		}
		at := b.Len()
		if plain >= 0 {
			b.WriteRune(plain)
		}
		o = append(o, piece{plain: at, plainEnd: b.Len(), from: i, to: i + n})
		i += n
	}
	return b.String(), o
}

// resolve reads the encoded character at s[i], if there is one.
func resolve(s string, i int, length func(string, int) int, value func(string) rune) (r rune, n int, decoded bool) {
	n = length(s, i)
	if n == 0 {
		return rune(s[i]), 1, false
	}
	r = value(s[i : i+n])
	if r < ' ' {
		r = ' ' // an encoded line break ends a word, not the line
	}
	return r, n, true
}

// origin lists the stretches of a plain text that read otherwise in the line.
// Between them both run in step.
type origin []piece

type piece struct {
	plain, plainEnd int
	from, to        int
}

func (o origin) start(x int) int {
	k := sort.Search(len(o), func(k int) bool { return o[k].plainEnd > x })
	if k < len(o) && o[k].plain <= x {
		return o[k].from
	}
	return o.inStep(k, x)
}

// end maps the end of a span: the end of what its last byte came from.
func (o origin) end(x int) int {
	k := sort.Search(len(o), func(k int) bool { return o[k].plainEnd >= x })
	if k < len(o) && o[k].plain < x {
		return o[k].to
	}
	return o.inStep(k, x)
}

// inStep maps x, which lies after piece k-1 and before piece k.
func (o origin) inStep(k, x int) int {
	if k == 0 {
		return x
	}
	return o[k-1].to + x - o[k-1].plainEnd
}

// plainRune returns the ASCII character that r stands for, or -1 when r shows
// nothing at all. It reports whether that differs from r.
func plainRune(r rune) (plain rune, changed bool) {
	switch {
	case r < 0x80:
		return r, false
	case r == 0x00A0, r >= 0x2000 && r <= 0x200A, r == 0x202F, r == 0x205F, r == 0x3000:
		return ' ', true
	case r >= 0x2010 && r <= 0x2015, r == 0x2212, r == 0xFE58, r == 0xFE63:
		return '-', true
	case r == 0x00AD, r == 0x034F, r == 0x180E, r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E,
		r >= 0x2060 && r <= 0x206F, r == 0xFEFF, r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0000 && r <= 0xE01EF:
		return -1, true
	case r >= 0xFF01 && r <= 0xFF5E:
		return r - 0xFF01 + '!', true
	case r == 0xFE6B:
		return '@', true
	case r == 0x2024, r == 0xFF61:
		return '.', true
	}
	if digit, ok := foreignDigit(r); ok {
		return digit, true
	}
	return r, false
}

// foreignDigit returns the ASCII digit of a decimal digit in another script.
// Unicode keeps them in blocks of ten that begin with zero.
func foreignDigit(r rune) (rune, bool) {
	if r < 0x0660 || !unicode.IsDigit(r) {
		return 0, false
	}
	for _, block := range unicode.Nd.R16 {
		if r <= rune(block.Hi) {
			return '0' + (r-rune(block.Lo))%10, r >= rune(block.Lo)
		}
	}
	for _, block := range unicode.Nd.R32 {
		if r <= rune(block.Hi) {
			return '0' + (r-rune(block.Lo))%10, r >= rune(block.Lo)
		}
	}
	return 0, false
}

// entities are the named references that can stand inside what we look for.
var entities = map[string]rune{
	"commat": '@', "period": '.', "amp": '&', "nbsp": ' ', "hyphen": '-', "dash": '-', "ndash": '-', "mdash": '-',
	"lowbar": '_', "plus": '+', "num": '#', "sol": '/', "bsol": '\\', "colon": ':', "equals": '=', "lpar": '(',
	"rpar": ')', "percnt": '%', "quot": '"', "apos": '\'', "lt": '<', "gt": '>', "lsqb": '[', "rsqb": ']',
	"shy": 0x00AD, "zwj": 0x200D, "zwnj": 0x200C, "ZeroWidthSpace": 0x200B, "ensp": ' ', "emsp": ' ', "thinsp": ' ',
}

// entityAt returns the length of the HTML entity at s[i] == '&', or 0; also
// when its ampersand was itself written as an entity, once or more often.
func entityAt(s string, i int) int {
	j := i + 1
	for strings.HasPrefix(s[j:], "amp;") && j-i < 40 {
		j += len("amp;")
	}
	k := j
	for k < len(s) && k-j < 16 && (isAlnum(s[k]) || (k == j && s[k] == '#')) {
		k++
	}
	if k == len(s) || s[k] != ';' || k == j {
		if j > i+1 {
			return j - i // a mere &amp;
		}
		return 0
	}
	if entityName(s[j:k]) < 0 {
		return 0
	}
	return k + 1 - i
}

func entityRune(entity string) rune {
	name := strings.TrimSuffix(entity[1:], ";")
	for strings.HasPrefix(name, "amp;") {
		name = name[len("amp;"):]
	}
	return entityName(name)
}

// entityName returns the character of an entity's name or number, or -1.
func entityName(name string) rune {
	if !strings.HasPrefix(name, "#") {
		if r, ok := entities[name]; ok {
			return r
		}
		return -1
	}
	digits, base := name[1:], rune(10)
	if strings.HasPrefix(digits, "x") || strings.HasPrefix(digits, "X") {
		digits, base = digits[1:], 16
	}
	if digits == "" || len(digits) > 7 {
		return -1
	}
	var r rune
	for i := range len(digits) {
		v := hexValue(digits[i])
		if v < 0 || v >= base {
			return -1
		}
		r = r*base + v
	}
	if !utf8.ValidRune(r) {
		return -1
	}
	return r
}

// percentAt returns the length of the percent-encoded ASCII character at
// s[i] == '%', or 0; also when the percent sign was encoded again.
func percentAt(s string, i int) int {
	j := i + 1
	for strings.HasPrefix(s[j:], "25") && j-i < 20 {
		j += 2
	}
	if j+2 <= len(s) && isHex(s[j]) && isHex(s[j+1]) && s[j] <= '7' {
		return j + 2 - i
	}
	if j > i+1 {
		return j - i
	}
	return 0
}

func percentRune(s string) rune {
	return hexValue(s[len(s)-2])<<4 | hexValue(s[len(s)-1])
}

// escapeAt returns the length of the \u0040 or \x40 escape at s[i] == '\\',
// or 0; also when its backslash was escaped again.
func escapeAt(s string, i int) int {
	j := i + 1
	for j < len(s) && s[j] == '\\' && j-i < 8 {
		j++
	}
	n := 0
	switch {
	case j < len(s) && s[j] == 'u':
		n = 4
	case j < len(s) && s[j] == 'x':
		n = 2
	default:
		return 0
	}
	if j+1+n > len(s) {
		return 0
	}
	for _, c := range []byte(s[j+1 : j+1+n]) {
		if !isHex(c) {
			return 0
		}
	}
	return j + 1 + n - i
}

func escapeRune(s string) rune {
	var r rune
	for _, c := range []byte(strings.TrimLeft(s, `\`)[1:]) {
		r = r<<4 | hexValue(c)
	}
	if !utf8.ValidRune(r) {
		return utf8.RuneError // half a surrogate pair: no digit and no letter of ours
	}
	return r
}

func hexValue(c byte) rune {
	switch {
	case isDigit(c):
		return rune(c - '0')
	case isHex(c):
		return rune(c|0x20-'a') + 10
	}
	return -1
}
