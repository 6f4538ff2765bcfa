package engine

import "strings"

// The kinds of token that examining a statement needs to tell apart.
type kind int

const (
	word    kind = iota // keyword, bare name or number
	quotes              // string or quoted name
	symbol              // one character of anything else
	unended             // a string or comment without end
)

type token struct {
	kind       kind
	text       string
	start, end int // bytes in the statement
}

// upper is the token as a keyword: quoted text never is one.
func (t token) upper() string {
	if t.kind == quotes || t.kind == unended {
		return ""
	}
	return strings.ToUpper(t.text)
}

// odd reports what two lexers could read differently: anything but plain ASCII
// outside of quotes, a lone dollar sign, an escape in a quoted name.
func (t token) odd() bool {
	switch t.kind {
	case symbol:
		return t.text == "$" || t.text == `\` || t.text < " " || t.text > "~"
	case quotes:
		return t.text[0] != '\'' && t.text[0] != '$' && strings.Contains(t.text, `\`)
	}
	return false
}

// name is the token as an identifier, without its quotes; "" for strings and
// symbols.
func (t token) name() string {
	switch {
	case t.kind == word:
		return t.text
	case t.kind == quotes && (t.text[0] == '"' || t.text[0] == '`'):
		return t.text[1 : len(t.text)-1]
	}
	return ""
}

func (t token) is(symbolText string) bool { return t.kind == symbol && t.text == symbolText }

// lexer walks a statement token by token the way ClickHouse does, without
// blanks and comments. It is used only to refuse more, never to admit what the
// library's own parser would not.
type lexer struct {
	text string
	at   int
}

// next returns the next token, or false at the end.
func (l *lexer) next() (token, bool) {
	for l.at < len(l.text) {
		start := l.at
		end, k, skip := scan(l.text, start)
		l.at = end
		if !skip {
			return token{kind: k, text: l.text[start:end], start: start, end: end}, true
		}
	}
	return token{}, false
}

// lex returns all tokens of a statement.
func lex(text string) []token {
	var tokens []token
	for l := (lexer{text: text}); ; {
		t, ok := l.next()
		if !ok {
			return tokens
		}
		tokens = append(tokens, t)
	}
}

// scan returns where the token at text[at:] ends; skip is set for blanks and
// comments.
func scan(text string, at int) (end int, k kind, skip bool) {
	rest := text[at:]
	c := rest[0]
	switch {
	case isBlank(c):
		return at + 1, symbol, true
	case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "#!"), strings.HasPrefix(rest, "# "):
		if n := strings.IndexByte(rest, '\n'); n >= 0 {
			return at + n + 1, symbol, true
		}
		return len(text), symbol, true
	case strings.HasPrefix(rest, "/*"):
		if n := strings.Index(rest[2:], "*/"); n >= 0 {
			return at + 2 + n + 2, symbol, true
		}
		return len(text), unended, false
	case c == '\'' || c == '"' || c == '`':
		if n := closing(rest, c); n > 0 {
			return at + n, quotes, false
		}
		return len(text), unended, false
	case c == '$':
		if n := heredoc(rest); n > 0 {
			return at + n, quotes, false
		}
		return at + 1, symbol, false
	case isWord(c):
		n := 1
		for n < len(rest) && (isWord(rest[n]) || rest[n] == '$') {
			n++
		}
		return at + n, word, false
	}
	return at + 1, symbol, false
}

// closing returns the length of the quoted text at the start of s, or 0.
func closing(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case quote:
			if i+1 < len(s) && s[i+1] == quote {
				i++
				continue
			}
			return i + 1
		}
	}
	return 0
}

// heredoc returns the length of $tag$…$tag$ at the start of s, or 0.
func heredoc(s string) int {
	name := strings.IndexByte(s[1:], '$')
	if name < 0 {
		return 0
	}
	tag := s[:name+2]
	if strings.ContainsFunc(tag[1:len(tag)-1], func(r rune) bool { return r > 127 || !isWord(byte(r)) }) {
		return 0
	}
	if n := strings.Index(s[len(tag):], tag); n >= 0 {
		return len(tag) + n + len(tag)
	}
	return 0
}

func isBlank(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
