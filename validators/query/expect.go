package query

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Expect runs an expected query and finds out what of its result is fixed. The
// values it sorts by are added as columns and its LIMIT is taken away: rows with
// the same values are tied, and where the LIMIT lies between tied rows it keeps
// any of them.
func Expect(ctx context.Context, db Database, gold string) (Expectation, error) {
	answer, err := db.Run(ctx, gold)
	if err != nil {
		return Expectation{}, err
	}
	x := Expectation{Answer: answer, Ordered: Ordered(gold)}
	if len(x.Rows) == 0 {
		return x, nil
	}
	w, ok := widened(gold, x.Result)
	if !ok {
		x.Unsure = true
		return x, nil
	}
	if !w.limited && len(w.keys) == 0 {
		return x, nil // neither an order nor a limit
	}
	wide, err := db.Run(ctx, w.sql)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		x.Unsure = true
		return x, nil
	}
	if err != nil {
		return x, err
	}
	x.readTies(wide.Rows, w)
	return x, nil
}

// readTies finds groups of equal sort values among all rows, and which of them
// the limit cuts.
func (x *Expectation) readTies(all [][]any, w wider) {
	n, width := len(x.Rows), len(x.Columns)
	if w.offset+n > len(all) || n < len(all)-w.offset && !w.limited {
		x.Unsure = true // another result than that of the query
		return
	}
	sorted := make([]string, len(all))
	for i, row := range all {
		for _, k := range w.keys {
			sorted[i] += key(row[k : k+1])
		}
	}
	tied := false
	for from := 0; from < len(all); {
		to := from + 1
		for to < len(all) && sorted[to] == sorted[from] {
			to++
		}
		low, high := max(from, w.offset), min(to, w.offset+n)
		if low < high {
			group := places(low-w.offset, high-w.offset)
			x.Ties = append(x.Ties, group)
			tied = tied || len(group) > 1
			if from < low || high < to {
				cut := Cut{At: group}
				for _, row := range all[from:to] {
					cut.Candidates = append(cut.Candidates, row[:width])
				}
				x.Cuts = append(x.Cuts, cut)
			}
		}
		from = to
	}
	if !x.Ordered || !tied {
		x.Ties = nil
	}
}

func places(from, to int) []int {
	var list []int
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}

// mostPermuted is how many columns are tried in every order where a limit cuts
// through ties.
const mostPermuted = 4

// nearestTo returns the results the query may as well have that are like got:
// in each cut group the candidates that got has too, in got's columns' order
// and in others.
func (x *Expectation) nearestTo(got Result) []Result {
	if len(x.Cuts) == 0 || len(got.Rows) != len(x.Rows) || len(got.Columns) != len(x.Columns) {
		return nil
	}
	var results []Result
	for _, columns := range orders(len(got.Columns)) {
		has := map[string]int{}
		for _, row := range project(got.Rows, columns) {
			has[key(row)]++
		}
		for i, row := range x.Rows {
			if !slices.ContainsFunc(x.Cuts, func(c Cut) bool { return slices.Contains(c.At, i) }) {
				has[key(row)]--
			}
		}
		near := Result{Columns: x.Columns, Rows: slices.Clone(x.Rows)}
		for _, c := range x.Cuts {
			for i, row := range chosen(c, has) {
				near.Rows[c.At[i]] = row
			}
		}
		results = append(results, near)
	}
	return results
}

// chosen takes from a cut's candidates those that are wanted, then others.
func chosen(c Cut, wanted map[string]int) [][]any {
	var first, rest [][]any
	for _, row := range c.Candidates {
		if k := key(row); wanted[k] > 0 {
			wanted[k]--
			first = append(first, row)
		} else {
			rest = append(rest, row)
		}
	}
	return append(first, rest...)[:len(c.At)]
}

// orders lists the orders of n columns, the given one alone when there are too
// many.
func orders(n int) [][]int {
	same := places(0, n)
	if n > mostPermuted {
		return [][]int{same}
	}
	var all [][]int
	var swap func(int)
	swap = func(i int) {
		if i == n {
			all = append(all, slices.Clone(same))
			return
		}
		for j := i; j < n; j++ {
			same[i], same[j] = same[j], same[i]
			swap(i + 1)
			same[i], same[j] = same[j], same[i]
		}
	}
	swap(0)
	return all
}

// wider is a query without its limit that also returns what it sorts by.
type wider struct {
	sql     string
	keys    []int // columns of the values it sorts by
	limited bool
	offset  int
}

// widened rewrites a query; ok is false when its shape is not understood.
func widened(sql string, result Result) (w wider, ok bool) {
	sql = strings.TrimRight(sql, "; \t\r\n")
	c, ok := clausesOf(Tokens(sql))
	if !ok {
		return w, false
	}
	end := len(sql)
	if c.limit != nil {
		w.limited, end = true, c.limit[0].Start
		if w.offset, ok = offsetOf(c.limit); !ok {
			return w, false
		}
	}
	var added []string
	for _, item := range itemsOf(c.order) {
		item = sortValue(item)
		if len(item) == 0 {
			continue
		}
		if column, ok := outputColumn(item, c.items, result.Columns); ok {
			w.keys = append(w.keys, column)
			continue
		}
		if c.selects > 1 || c.distinct {
			return w, false
		}
		w.keys = append(w.keys, len(result.Columns)+len(added))
		added = append(added, ", ("+sql[item[0].Start:item[len(item)-1].End]+")")
	}
	w.sql = sql[:end]
	if len(added) > 0 {
		at := c.items[len(c.items)-1].End
		w.sql = sql[:at] + strings.Join(added, "") + sql[at:end]
	}
	return w, true
}

// clauses are the outermost parts of a statement, with the select list of its
// last SELECT.
type clauses struct {
	items, order, limit []Token
	selects             int
	distinct            bool
}

func clausesOf(tokens []Token) (c clauses, ok bool) {
	depth := 0
	var clause *[]Token
	for i, t := range tokens {
		switch {
		case t.Is("("):
			depth++
		case t.Is(")"):
			depth--
		}
		if depth == 0 {
			switch {
			case t.Is("SELECT"):
				c.selects++
				c.items, c.order, c.distinct = nil, nil, false
				clause = &c.items
				continue
			case t.Is("DISTINCT") && clause == &c.items && len(c.items) == 0:
				c.distinct = true
				continue
			case t.Is("FROM"), t.Is("WHERE"), t.Is("GROUP"), t.Is("HAVING"), t.Is("UNION"), t.Is("INTERSECT"), t.Is("EXCEPT"), t.Is("WINDOW"):
				clause = nil
			case t.Is("ORDER") && i+1 < len(tokens) && tokens[i+1].Is("BY"):
				clause = &c.order
				continue
			case t.Is("BY") && i > 0 && tokens[i-1].Is("ORDER"):
				continue
			case t.Is("LIMIT"), t.Is("OFFSET") && c.limit == nil, t.Is("FETCH") && c.limit == nil:
				clause = &c.limit
			case t.Is("FORMAT"), t.Is("SETTINGS"), t.Is("FOR"), t.Is("QUALIFY"), t.Is(";"):
				return c, false
			}
		}
		if clause != nil {
			*clause = append(*clause, t)
		}
	}
	return c, depth == 0 && c.selects > 0 && len(c.items) > 0
}

// offsetOf reads LIMIT 3, LIMIT 3 OFFSET 2 and LIMIT 2, 3.
func offsetOf(limit []Token) (int, bool) {
	if len(limit) < 2 || limit[1].Kind != Number || !limit[0].Is("LIMIT") {
		return 0, false
	}
	switch {
	case len(limit) == 2:
		return 0, true
	case len(limit) == 4 && limit[2].Is("OFFSET") && limit[3].Kind == Number:
		n, err := strconv.Atoi(limit[3].Text)
		return n, err == nil
	case len(limit) == 4 && limit[2].Is(",") && limit[3].Kind == Number:
		n, err := strconv.Atoi(limit[1].Text)
		return n, err == nil
	}
	return 0, false
}

// sortValue is what an ORDER BY's item sorts by, without how.
func sortValue(item []Token) []Token {
	for n := len(item); n > 0; n = len(item) {
		switch last := item[n-1]; {
		case last.Is("ASC"), last.Is("DESC"), last.Is("NULLS"):
			item = item[:n-1]
		case (last.Is("FIRST") || last.Is("LAST")) && n > 1 && item[n-2].Is("NULLS"):
			item = item[:n-2]
		case n > 2 && item[n-2].Is("COLLATE"):
			return nil // equal values may be written otherwise
		default:
			return item
		}
	}
	return item
}

// outputColumn is the column of the result that an item names, by its number or
// the name the select list gives it.
func outputColumn(item []Token, items []Token, columns []string) (int, bool) {
	if len(item) != 1 {
		return 0, false
	}
	if item[0].Kind == Number {
		n, err := strconv.Atoi(item[0].Text)
		return n - 1, err == nil && n >= 1 && n <= len(columns)
	}
	if !item[0].names() {
		return 0, false
	}
	list := itemsOf(items)
	for i, it := range list {
		last := it[max(0, len(it)-1):]
		if len(list) == len(columns) && len(last) == 1 && last[0].names() && strings.EqualFold(last[0].Text, item[0].Text) {
			return i, true
		}
	}
	return 0, false
}
