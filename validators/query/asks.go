package query

import "slices"

// Asks returns why a text is not run at all, by its first word: it is no
// statement, several, or something else than a question; nil when it may be one.
// The engine has the last word.
func Asks(sql string) *Refusal {
	tokens := Tokens(sql)
	for len(tokens) > 0 && tokens[len(tokens)-1].Is(";") {
		tokens = tokens[:len(tokens)-1]
	}
	if len(tokens) == 0 {
		return &Refusal{Kind: ReasonNothing}
	}
	if slices.ContainsFunc(tokens, func(t Token) bool { return t.Is(";") }) {
		return &Refusal{Kind: FindStatements}
	}
	for _, t := range tokens {
		if t.Is("(") {
			continue
		}
		if t.Is("SELECT") || t.Is("WITH") || t.Is("VALUES") || t.Is("FROM") {
			return nil
		}
		for _, word := range []string{"INSERT", "UPDATE", "DELETE", "DROP", "CREATE", "ALTER", "TRUNCATE", "MERGE", "REPLACE", "GRANT", "REVOKE", "COPY", "ATTACH", "DETACH", "SET",
			"CALL", "DO", "BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "LOAD", "INSTALL", "EXPORT", "IMPORT", "SYSTEM", "KILL", "OPTIMIZE", "RENAME", "EXCHANGE", "USE", "VACUUM", "LOCK", "LISTEN", "RESET"} {
			if t.Is(word) {
				return &Refusal{Kind: ReasonNoQuery, Words: "a change (" + word + ")", Start: t.Start, End: t.End}
			}
		}
		return nil // the engine says what is wrong with it
	}
	return nil
}
