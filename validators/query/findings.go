package query

import (
	"fmt"
	"slices"
	"strings"
)

// Finding is something to look at in a statement. Start and End are byte
// offsets; both 0 when it is about no place. A finding is advice, never a
// verdict.
type Finding struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Start   int    `json:"start"`
	End     int    `json:"end"`
}

// The kinds of findings.
const (
	FindTable      = "no_such_table"
	FindColumn     = "no_such_column"
	FindFunction   = "no_such_function"
	FindAmbiguous  = "ambiguous_column"
	FindSyntax     = "syntax_error"
	FindCartesian  = "cartesian_product"
	FindAggregate  = "aggregate_without_group"
	FindGrain      = "wrong_grain"
	FindColumns    = "wrong_columns"
	FindOrder      = "wrong_order"
	FindWrites     = "writes"
	FindUnordered  = "limit_without_order"
	FindOuter      = "outer_column"
	FindNote       = "note"
	FindRepaired   = "repaired"
	FindStatements = "several_statements"
)

// Schema is what tables there are, each with its columns.
type Schema map[string][]string

// Tables lists the tables, sorted.
func (s Schema) Tables() []string {
	names := make([]string, 0, len(s))
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Table returns the table of that name, whatever its case.
func (s Schema) Table(name string) (string, []string, bool) {
	for table, columns := range s {
		if strings.EqualFold(table, name) {
			return table, columns, true
		}
	}
	return "", nil, false
}

// Columns lists every column, as table.column when qualified.
func (s Schema) Columns(qualified bool) []string {
	var all []string
	for _, table := range s.Tables() {
		for _, column := range s[table] {
			if qualified {
				column = table + "." + column
			}
			all = append(all, column)
		}
	}
	return all
}

// source is one thing a FROM names.
type source struct {
	name  string // of the table; "" for a query
	alias string
	at    Token
}

// Findings looks at a statement's shape. What it does not understand it leaves
// alone.
func Findings(sql string, schema Schema) []Finding {
	blocks, ok := blocksOf(Tokens(sql))
	if !ok {
		return nil
	}
	var found []Finding
	for _, b := range blocks {
		found = append(found, cartesian(b, schema)...)
		found = append(found, ungrouped(b)...)
		found = append(found, outer(b, schema)...)
		if b.top && b.limit && len(b.order) == 0 && !b.compound && !aggregatesOnly(b) {
			found = append(found, Finding{Kind: FindUnordered, Message: "LIMIT without ORDER BY keeps any rows, not the first of an order."})
		}
	}
	return found
}

// joins is a FROM taken apart: what it names, and which of it is joined.
type joins struct {
	sources []source
	linked  []int // by source: the group it belongs to
	known   bool  // every reference was understood
}

func (j *joins) link(a, b int) {
	from, to := j.linked[b], j.linked[a]
	for i := range j.linked {
		if j.linked[i] == from {
			j.linked[i] = to
		}
	}
}

// cartesian tells of sources that nothing joins.
func cartesian(b block, schema Schema) []Finding {
	j := joins{known: true}
	conditions := j.read(b.from)
	if len(j.sources) < 2 || !j.known {
		return nil
	}
	for _, condition := range append(conditions, conjuncts(b.where)...) {
		j.apply(condition, schema)
	}
	if !j.known {
		return nil
	}
	for i := 1; i < len(j.sources); i++ {
		if j.linked[i] != j.linked[0] {
			a, c := j.sources[0], j.sources[i]
			return []Finding{{Kind: FindCartesian, Start: c.at.Start, End: c.at.End,
				Message: fmt.Sprintf("Nothing joins %s and %s: every row of one meets every row of the other.", a.label(), c.label())}}
		}
	}
	return nil
}

func (s source) label() string {
	if s.alias != "" {
		return s.alias
	}
	return s.name
}

// read takes a FROM apart and returns the conditions of its joins. USING and
// NATURAL join by themselves, and so does what is not understood.
func (j *joins) read(tokens []Token) [][]Token {
	var conditions [][]Token
	natural := false
	for i := 0; i < len(tokens); {
		t := tokens[i]
		switch {
		case t.Is("NATURAL"):
			natural = true
			i++
		case t.Is(","), t.Is("JOIN"), t.Is("INNER"), t.Is("LEFT"), t.Is("RIGHT"), t.Is("FULL"), t.Is("OUTER"), t.Is("CROSS"), t.Is("LATERAL"):
			if t.Is("CROSS") {
				natural = true // asked for
			}
			i++
		case t.Is("ON"):
			end := i + 1
			for end < len(tokens) && !endsCondition(tokens[end]) {
				end++
			}
			conditions = append(conditions, conjuncts(tokens[i+1:end])...)
			i = end
		case t.Is("USING"):
			if n := len(j.sources); n > 1 {
				j.link(n-2, n-1)
			}
			if i+1 < len(tokens) && tokens[i+1].Is("(") {
				i = closing(tokens, i+1)
			}
			i++
		case t.names() || t.Is(nested):
			var s source
			s, i = readSource(tokens, i)
			j.sources = append(j.sources, s)
			j.linked = append(j.linked, len(j.linked))
			if n := len(j.sources); natural && n > 1 {
				j.link(n-2, n-1)
			}
			natural = false
		default:
			j.known = false
			return nil
		}
	}
	return conditions
}

func endsCondition(t Token) bool {
	for _, word := range []string{"JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", ","} {
		if t.Is(word) {
			return true
		}
	}
	return false
}

func readSource(tokens []Token, i int) (source, int) {
	s := source{at: tokens[i]}
	if !tokens[i].Is(nested) {
		s.name = tokens[i].Text
	}
	i++
	for i+1 < len(tokens) && tokens[i].Is(".") { // schema.table
		s.name = tokens[i+1].Text
		i += 2
	}
	if i < len(tokens) && tokens[i].Is("(") { // a function as a table
		i = closing(tokens, i) + 1
	}
	if i < len(tokens) && tokens[i].Is("AS") {
		i++
	}
	if i < len(tokens) && tokens[i].names() {
		s.alias = tokens[i].Text
		i++
	}
	return s, i
}

// conjuncts cuts a condition at its outermost ANDs; that of a BETWEEN stays.
func conjuncts(tokens []Token) [][]Token {
	var out [][]Token
	depth, from, between := 0, 0, false
	for i, t := range tokens {
		switch {
		case t.Is("("):
			depth++
		case t.Is(")"):
			depth--
		case depth == 0 && t.Is("BETWEEN"):
			between = true
		case depth == 0 && t.Is("AND") && between:
			between = false
		case depth == 0 && t.Is("AND"):
			out = append(out, tokens[from:i])
			from = i + 1
		}
	}
	if from < len(tokens) {
		out = append(out, tokens[from:])
	}
	return out
}

// apply joins the sources that one condition speaks of. A query inside it may
// speak of any.
func (j *joins) apply(condition []Token, schema Schema) {
	first := -1
	touch := func(i int) {
		if first < 0 {
			first = i
		} else {
			j.link(first, i)
		}
	}
	for i, t := range condition {
		switch {
		case t.Is(nested):
			j.known = false
			return
		case !t.names() || i > 0 && condition[i-1].Is("."):
		case i+1 < len(condition) && condition[i+1].Is("("): // a function
		case i+2 < len(condition) && condition[i+1].Is("."):
			for k, s := range j.sources {
				if strings.EqualFold(s.label(), t.Text) || strings.EqualFold(s.name, t.Text) {
					touch(k)
				}
			}
		default:
			owners := j.owners(t.Text, schema)
			if len(owners) != 1 {
				j.known = false
				return
			}
			touch(owners[0])
		}
	}
}

// owners are the sources that have a column of this name.
func (j *joins) owners(column string, schema Schema) []int {
	var owners []int
	for i, s := range j.sources {
		_, columns, ok := schema.Table(s.name)
		if !ok {
			return nil // a query, whose columns are not known
		}
		if slices.ContainsFunc(columns, func(c string) bool { return strings.EqualFold(c, column) }) {
			owners = append(owners, i)
		}
	}
	return owners
}

// outer tells of a column that an inner query takes from the query around it
// without saying so: its own tables have none of that name.
func outer(b block, schema Schema) []Finding {
	j := joins{known: true}
	j.read(b.from)
	if b.top || !j.known || len(j.sources) == 0 {
		return nil
	}
	for _, s := range j.sources {
		if _, _, ok := schema.Table(s.name); !ok {
			return nil
		}
	}
	named := map[string]bool{} // by the query itself
	for _, item := range itemsOf(b.items) {
		if n := len(item); n > 1 && item[n-1].names() && !item[n-2].Is(".") {
			named[strings.ToLower(item[n-1].Text)] = true
		}
	}
	for _, clause := range [][]Token{b.items, b.group, b.having} {
		for i, t := range clause {
			if !t.names() || i > 0 && clause[i-1].Is(".") || i+1 < len(clause) && (clause[i+1].Is(".") || clause[i+1].Is("(")) || named[strings.ToLower(t.Text)] {
				continue
			}
			if len(j.owners(t.Text, schema)) == 0 && slices.ContainsFunc(schema.Columns(false), func(c string) bool { return strings.EqualFold(c, t.Text) }) {
				return []Finding{{Kind: FindOuter, Start: t.Start, End: t.End,
					Message: fmt.Sprintf("%s is no column of %s: it is taken from the query around.", t.Text, j.sources[0].name)}}
			}
		}
	}
	return nil
}

var aggregates = set("COUNT", "SUM", "AVG", "MIN", "MAX", "TOTAL", "GROUP_CONCAT", "STRING_AGG", "ARRAY_AGG")

// ungrouped tells of columns beside an aggregate without GROUP BY: which row
// they come from is anybody's guess. Beside MIN or MAX alone it is that row.
func ungrouped(b block) []Finding {
	if len(b.group) > 0 || len(b.from) == 0 {
		return nil
	}
	items := itemsOf(b.items)
	some, extremes := false, true
	for _, item := range items {
		if name, ok := aggregateOf(item); ok {
			some = true
			extremes = extremes && (name == "MIN" || name == "MAX")
		}
	}
	if !some || extremes {
		return nil
	}
	for _, item := range items {
		if column, ok := plainColumn(item); ok {
			return []Finding{{Kind: FindAggregate, Start: column.Start, End: column.End,
				Message: fmt.Sprintf("%s stands beside an aggregate without GROUP BY: its value is that of any row.", column.Text)}}
		}
	}
	return nil
}

func aggregatesOnly(b block) bool {
	if len(b.group) > 0 {
		return false
	}
	for _, item := range itemsOf(b.items) {
		if _, ok := aggregateOf(item); !ok {
			return false
		}
	}
	return len(b.items) > 0
}

// itemsOf cuts a select list at its outermost commas.
func itemsOf(tokens []Token) [][]Token {
	var out [][]Token
	depth, from := 0, 0
	for i, t := range tokens {
		switch {
		case t.Is("("):
			depth++
		case t.Is(")"):
			depth--
		case depth == 0 && t.Is(","):
			out = append(out, tokens[from:i])
			from = i + 1
		}
	}
	return append(out, tokens[from:])
}

// aggregateOf names the aggregate in an item; one over a window is none.
func aggregateOf(item []Token) (string, bool) {
	for i, t := range item {
		name := strings.ToUpper(t.Text)
		if t.Kind != Word || !aggregates[name] || i+1 >= len(item) || !item[i+1].Is("(") {
			continue
		}
		end := closing(item, i+1)
		if end < 0 || end+1 < len(item) && (item[end+1].Is("OVER") || item[end+1].Is("FILTER")) {
			continue
		}
		if (name == "MIN" || name == "MAX") && len(itemsOf(item[i+2:end])) > 1 {
			continue // of several values, not of several rows
		}
		return name, true
	}
	return "", false
}

// plainColumn is the item's column when it is nothing else.
func plainColumn(item []Token) (Token, bool) {
	switch {
	case len(item) == 0 || !item[0].names():
		return Token{}, false
	case len(item) == 1 || len(item) > 1 && (item[1].Is("AS") || item[1].names()):
		return item[0], true
	case len(item) >= 3 && item[1].Is(".") && item[2].names():
		return Token{Text: item[0].Text + "." + item[2].Text, Start: item[0].Start, End: item[2].End}, true
	}
	return Token{}, false
}
