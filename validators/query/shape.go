package query

import "strings"

// block is one SELECT: its clauses as tokens, without those of the queries
// inside it, which are blocks of their own.
type block struct {
	items, from, where, group, having, order []Token
	limit                                    bool
	distinct                                 bool
	compound                                 bool // part of a UNION, INTERSECT or EXCEPT
	top                                      bool // not inside parentheses or a WITH
}

// A nested query stands in its surroundings as one symbol.
const nested = "(query)"

// blocksOf finds the SELECTs of a statement. ok is false when the parentheses
// do not match: then nothing is known.
func blocksOf(tokens []Token) (blocks []block, ok bool) {
	rest, ok := collapse(tokens, &blocks, mostNested)
	if !ok {
		return nil, false
	}
	blocks = append(blocks, split(rest, true)...)
	return blocks, true
}

// mostNested is how deep parentheses are followed: deeper ones are no question a
// person would look at, and cost the square of their depth.
const mostNested = 60

// collapse replaces each parenthesised query by one symbol, its blocks being
// noted first, and keeps other parentheses as they are.
func collapse(tokens []Token, blocks *[]block, deeper int) ([]Token, bool) {
	if deeper == 0 {
		return nil, false
	}
	var out []Token
	for i := 0; i < len(tokens); i++ {
		if !tokens[i].Is("(") {
			if tokens[i].Is(")") {
				return nil, false
			}
			out = append(out, tokens[i])
			continue
		}
		end := closing(tokens, i)
		if end < 0 {
			return nil, false
		}
		inner, ok := collapse(tokens[i+1:end], blocks, deeper-1)
		if !ok {
			return nil, false
		}
		if len(inner) > 0 && (inner[0].Is("SELECT") || inner[0].Is("WITH") || inner[0].Is("VALUES")) {
			*blocks = append(*blocks, split(inner, false)...)
			out = append(out, Token{Kind: Symbol, Text: nested, Start: tokens[i].Start, End: tokens[end].End})
		} else {
			out = append(append(append(out, tokens[i]), inner...), tokens[end])
		}
		i = end
	}
	return out, true
}

// closing is the place of the parenthesis that closes the one at i.
func closing(tokens []Token, i int) int {
	depth := 0
	for ; i < len(tokens); i++ {
		switch {
		case tokens[i].Is("("):
			depth++
		case tokens[i].Is(")"):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// split cuts a query without queries inside into its SELECTs and clauses. The
// order of a compound belongs to its last SELECT.
func split(tokens []Token, top bool) []block {
	var blocks []block
	var b *block
	var clause *[]Token
	compound := false
	depth := 0
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case t.Is("("):
			depth++
		case t.Is(")"):
			depth--
		}
		if depth > 0 || t.Is(")") {
			if clause != nil {
				*clause = append(*clause, t)
			}
			continue
		}
		switch {
		case t.Is("SELECT"):
			blocks = append(blocks, block{top: top})
			b = &blocks[len(blocks)-1]
			clause = &b.items
			if i+1 < len(tokens) && tokens[i+1].Is("DISTINCT") {
				b.distinct = true
				i++
			}
		case b == nil:
		case t.Is("UNION"), t.Is("INTERSECT"), t.Is("EXCEPT"):
			compound, clause = true, nil
		case t.Is("FROM"):
			clause = &b.from
		case t.Is("WHERE"):
			clause = &b.where
		case t.Is("HAVING"):
			clause = &b.having
		case t.Is("GROUP"), t.Is("ORDER"):
			if i+1 < len(tokens) && tokens[i+1].Is("BY") {
				i++
			}
			clause = &b.group
			if t.Is("ORDER") {
				clause = &b.order
			}
		case t.Is("LIMIT"), t.Is("FETCH"), t.Is("OFFSET"):
			b.limit, clause = true, nil
		case t.Is("WINDOW"):
			clause = nil
		case clause != nil:
			*clause = append(*clause, t)
		}
	}
	for i := range blocks {
		blocks[i].compound = compound
	}
	return blocks
}

// Ordered reports whether the statement's result has an order of its own.
func Ordered(sql string) bool {
	blocks, ok := blocksOf(Tokens(sql))
	if !ok {
		return strings.Contains(strings.ToUpper(sql), "ORDER BY")
	}
	for _, b := range blocks {
		if b.top && len(b.order) > 0 {
			return true
		}
	}
	return false
}
