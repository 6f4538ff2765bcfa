package query

import "strings"

// TokenKind says what a token is.
type TokenKind uint8

// The kinds.
const (
	Word   TokenKind = iota // keyword or plain name
	Quoted                  // "name", [name] or `name`
	Text                    // 'text'
	Number
	Symbol // one of ( ) , ; . or an operator
)

// Token is one piece of a statement; white space and comments are none.
type Token struct {
	Kind       TokenKind
	Text       string // as written; of a quoted name what it names
	Start, End int    // bytes
}

// Is reports whether the token is this keyword or symbol, whatever its case.
func (t Token) Is(word string) bool {
	return (t.Kind == Word || t.Kind == Symbol) && strings.EqualFold(t.Text, word)
}

// names reports whether the token could name a table or column.
func (t Token) names() bool {
	return t.Kind == Quoted || t.Kind == Word && !keywords[strings.ToUpper(t.Text)]
}

// Tokens cuts a statement. What is not closed ends with the text.
func Tokens(sql string) []Token {
	var tokens []Token
	for at := 0; at < len(sql); {
		rest := sql[at:]
		c := rest[0]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			at++
			continue
		case strings.HasPrefix(rest, "--"):
			at += lineEnd(rest)
			continue
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return tokens
			}
			at += end + 4
			continue
		}
		t := Token{Start: at}
		switch {
		case c == '\'':
			t.Kind, t.End = Text, at+quotedEnd(rest, '\'')
			t.Text = sql[at:t.End]
		case c == '"' || c == '`':
			t.Kind, t.End = Quoted, at+quotedEnd(rest, c)
			t.Text = unquoted(sql[at:t.End], c)
		case c == '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				end = len(rest) - 1
			}
			t.Kind, t.End = Quoted, at+end+1
			t.Text = strings.TrimSuffix(rest[1:end+1], "]")
		case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
			t.Kind, t.End = Number, at+numberEnd(rest)
			t.Text = sql[at:t.End]
		case isLetter(c):
			end := 1
			for end < len(rest) && (isLetter(rest[end]) || isDigit(rest[end]) || rest[end] == '$') {
				end++
			}
			t.Kind, t.End = Word, at+end
			t.Text = rest[:end]
		default:
			length := 1
			if len(rest) > 1 {
				switch rest[:2] {
				case "<=", ">=", "<>", "!=", "==", "||", "->", "::":
					length = 2
				}
			}
			t.Kind, t.End = Symbol, at+length
			t.Text = rest[:length]
		}
		tokens = append(tokens, t)
		at = t.End
	}
	return tokens
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func lineEnd(s string) int {
	if end := strings.IndexByte(s, '\n'); end >= 0 {
		return end + 1
	}
	return len(s)
}

// quotedEnd is behind the closing quote; a doubled one is a quote inside.
func quotedEnd(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		if s[i] != quote {
			continue
		}
		if i+1 < len(s) && s[i+1] == quote {
			i++
			continue
		}
		return i + 1
	}
	return len(s)
}

func unquoted(s string, quote byte) string {
	s = strings.TrimPrefix(s, string(quote))
	s = strings.TrimSuffix(s, string(quote))
	return strings.ReplaceAll(s, string([]byte{quote, quote}), string(quote))
}

func numberEnd(s string) int {
	i := 0
	for i < len(s) && (isDigit(s[i]) || isLetter(s[i]) || s[i] == '.' || (s[i] == '+' || s[i] == '-') && i > 0 && (s[i-1] == 'e' || s[i-1] == 'E')) {
		i++
	}
	return i
}

// keywords are the words that no plain name in a query is.
var keywords = set("ALL", "AND", "AS", "ASC", "BETWEEN", "BY", "CASE", "CAST", "COLLATE", "CROSS", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP",
	"DESC", "DISTINCT", "ELSE", "END", "ESCAPE", "EXCEPT", "EXISTS", "FILTER", "FROM", "FULL", "GLOB", "GROUP", "HAVING", "IN", "INDEXED", "INNER",
	"INTERSECT", "INTO", "IS", "ISNULL", "JOIN", "LATERAL", "LEFT", "LIKE", "LIMIT", "MATCH", "NATURAL", "NOT", "NOTNULL", "NULL", "OFFSET", "ON",
	"OR", "ORDER", "OUTER", "OVER", "PARTITION", "RECURSIVE", "REGEXP", "RIGHT", "SELECT", "SET", "THEN", "UNION", "USING", "VALUES", "WHEN", "WHERE",
	"WINDOW", "WITH", "ILIKE", "FETCH", "TRUE", "FALSE")

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}
