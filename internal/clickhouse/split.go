package clickhouse

import (
	"errors"
	"strings"
)

// split cuts the text of a migration into its statements at each semicolon
// that is not inside a quoted text or a comment. Statements of nothing but
// comments are left out.
func split(text string) ([]string, error) {
	var statements []string
	start, hasWords := 0, false
	for at := 0; at < len(text); {
		n, is := skip(text[at:])
		if n < 0 {
			return nil, errors.New("a quoted text or a comment does not end")
		}
		switch {
		case is == separator:
			if hasWords {
				statements = append(statements, strings.TrimSpace(text[start:at]))
			}
			start, hasWords = at+n, false
		case is == content:
			hasWords = true
		}
		at += n
	}
	if hasWords {
		statements = append(statements, strings.TrimSpace(text[start:]))
	}
	return statements, nil
}

type piece int

const (
	blank piece = iota // spaces and comments
	content
	separator
)

// skip returns the length and nature of what s begins with; -1 when it does
// not end.
func skip(s string) (int, piece) {
	switch {
	case strings.HasPrefix(s, "--"):
		if n := strings.IndexByte(s, '\n'); n >= 0 {
			return n + 1, blank
		}
		return len(s), blank
	case strings.HasPrefix(s, "/*"):
		if n := strings.Index(s[2:], "*/"); n >= 0 {
			return n + 4, blank
		}
		return -1, blank
	case s[0] == '\'' || s[0] == '"' || s[0] == '`':
		return skipQuoted(s), content
	case s[0] == ';':
		return 1, separator
	case strings.ContainsRune(" \t\r\n", rune(s[0])):
		return 1, blank
	}
	return 1, content
}

// skipQuoted returns the length of the quoted text s begins with. A doubled
// quote simply begins the next quoted text.
func skipQuoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return -1
}
