package engine

import (
	"slices"
	"strings"
)

// The kinds of statement the library's own parser knows (chdb_classify_query_n).
const (
	classRead    = 0
	classWrite   = 1
	classAccess  = 2 // users, roles, grants, functions
	classControl = 3 // SET, USE, KILL, SYSTEM, BACKUP, …, INTO OUTFILE
)

// statement is one admitted statement: what to run and how.
type statement struct {
	text   string // for an insert with data, the part before VALUES or FORMAT
	format string // the format the statement names, or ""
	data   string // for an insert with data, the beginning of the data
	insert bool   // takes data from the request
	rows   bool   // a query proper, whose result the library can give in pieces
	class  uint32
}

// admitted lists the words a statement may begin with. What is not here never
// reaches the engine: KILL, BACKUP, RESTORE, ATTACH, DETACH, GRANT, EXECUTE …
var admitted = map[string]bool{
	"SELECT": true, "WITH": true, "FROM": true, "VALUES": true, "(": true,
	"SHOW": true, "DESCRIBE": true, "DESC": true, "EXISTS": true, "EXPLAIN": true, "CHECK": true,
	"INSERT": true, "DELETE": true, "UPDATE": true, "TRUNCATE": true, "OPTIMIZE": true,
	"CREATE": true, "REPLACE": true, "ALTER": true, "DROP": true, "RENAME": true, "EXCHANGE": true, "UNDROP": true,
	"SET": true, "USE": true, "SYSTEM": true,
}

// queries are the first words of what the library can answer in pieces.
var queries = map[string]bool{"SELECT": true, "WITH": true, "FROM": true, "(": true}

// examine decides whether a request's text may run and splits the data of an
// insert off its statement.
func examine(text string, parameters []parameter, classify func(string) (count, class uint32)) (statement, error) {
	opening, ok := (&lexer{text: text}).next()
	if !ok {
		return statement{}, refuse(codeSyntaxError, "Empty query")
	}
	first := opening.upper()
	if !admitted[first] {
		return statement{}, refuse(codeAccessDenied, "A statement that begins with %.32s is not available here", first)
	}
	s := statement{text: text}
	if first == "INSERT" {
		var err error
		if s, err = splitInsert(text); err != nil {
			return statement{}, err
		}
	}
	tokens := withNames(lex(s.text), parameters)
	if err := refuseReach(tokens); err != nil {
		return statement{}, err
	}
	whole := s.text
	if s.insert {
		whole += " FORMAT " + s.format
	}
	count, class := classify(whole)
	if count == 0 {
		return statement{}, refuse(codeSyntaxError, "Syntax error: this is not a statement")
	}
	if count > 1 {
		return statement{}, refuse(codeSyntaxError, "Send one statement at a time: this request holds %d", count)
	}
	s.class = class
	switch {
	case class == classRead, class == classWrite:
	case class == classControl && first == "SYSTEM":
	case class == classControl && first == "CREATE" && at(tokens, 1).upper() == "TEMPORARY":
	case class == classControl && first == "USE" && ours(at(tokens, 1).name()):
	case class == classControl && first == "SET" && !changesRole(tokens):
	default:
		return statement{}, refuse(codeAccessDenied, "This statement is not available here")
	}
	if !s.insert {
		s.format = formatOf(tokens)
		s.rows = class == classRead && queries[first]
	}
	if s.format != "" && !slices.Contains(formats, s.format) {
		return statement{}, refuse(codeUnknownFormat, "The format %.64s is not available here", s.format)
	}
	return s, nil
}

// changesRole reports SET ROLE and SET DEFAULT ROLE: the role of a request is
// the door's decision.
func changesRole(tokens []token) bool {
	for _, t := range tokens[1:min(len(tokens), 3)] {
		if t.upper() == "ROLE" {
			return true
		}
	}
	return false
}

// formatOf returns the format a reading statement names at its end, or "".
func formatOf(tokens []token) string {
	depth, format := 0, ""
	for i, t := range tokens {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case depth == 0 && t.upper() == "FORMAT" && i+1 < len(tokens) && tokens[i+1].kind == word && i > 0:
			format = tokens[i+1].text
		}
	}
	return format
}

// splitInsert finds where the data of an insert begins. An INSERT … SELECT has
// none. The part before the data must be of the plain form
// INSERT INTO [TABLE] name [(columns)] [SETTINGS …] and then VALUES, FORMAT or
// a query, so that nothing can hide in it.
func splitInsert(text string) (statement, error) {
	var last token
	depth, seen := 0, 0
	for l := (lexer{text: text}); ; seen++ {
		t, ok := l.next()
		if !ok {
			return statement{}, refuse(codeSyntaxError, "An INSERT needs VALUES, FORMAT or a query")
		}
		switch {
		case depth == 0 && seen > 3 && last.upper() == "FORMAT" && t.kind == word:
			return statement{text: text[:last.start], format: t.text, data: afterFormat(text[t.end:]), insert: true}, nil
		case isQuery(t) && (depth == 0 || depth == 1 && last.is("(")):
			return statement{text: text}, nil
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case depth > 0:
		case t.upper() == "FUNCTION":
			return statement{}, refuse(codeAccessDenied, "Inserting into a table function is not available here")
		case t.upper() == "INFILE":
			return statement{}, refuse(codeAccessDenied, "Statements do not read or write files here")
		case t.upper() == "VALUES" && seen > 2:
			return statement{text: text[:t.start], format: "Values", data: text[t.end:], insert: true}, nil
		}
		last = t
	}
}

func isQuery(t token) bool { return t.upper() == "SELECT" || t.upper() == "WITH" }

// afterFormat skips what separates a format's name from its data: blanks, and
// one line end or one semicolon with what blanks follow it.
func afterFormat(data string) string {
	data = strings.TrimLeft(data, " \t")
	if rest, ok := strings.CutPrefix(data, ";"); ok {
		data = strings.TrimLeft(rest, " \t")
	}
	data = strings.TrimPrefix(data, "\r")
	return strings.TrimPrefix(data, "\n")
}
