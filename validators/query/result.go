package query

import (
	"cmp"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Result is what a query returned. A cell is nil, int64, float64, string,
// bool or []byte.
type Result struct {
	Columns []string
	Rows    [][]any
}

// DefaultTolerance is the relative difference two numbers may have.
const DefaultTolerance = 1e-9

// Comparison says whether two results are the same answer and, if not, where
// they part.
type Comparison struct {
	Equal   bool
	Empty   bool   // equal, but only because both have no rows
	Columns []int  // by expected column: which one of the result stands for it; nil when none fits
	Why     string // a clause for people; "" when equal
	Kind    string // of the finding that says so: wrong_columns, wrong_grain, wrong_order, or ""
	Differ  int    // rows of the expected result that the other lacks
}

// Rules are how results are compared.
type Rules struct {
	Ordered   bool    // the order counts
	Ties      [][]int // groups of expected rows whose order among themselves does not count; nil: all counts
	Tolerance float64 // 0: DefaultTolerance
}

// Compare holds a result against the expected one. Rows are a multiset, and a
// sequence where the order counts; columns may come in any order. Numbers may
// differ by the tolerance, whole or not; NULL equals NULL alone; text is not a
// number.
func Compare(got, want Result, rules Rules) Comparison {
	rules.Tolerance = cmp.Or(rules.Tolerance, DefaultTolerance)
	if len(got.Columns) != len(want.Columns) {
		return otherColumns(got, want, rules)
	}
	if len(got.Rows) == 0 && len(want.Rows) == 0 {
		return Comparison{Equal: true, Empty: true}
	}
	if len(got.Rows) != len(want.Rows) {
		return otherRows(got, want, rules)
	}
	c := Comparison{}
	sameRows := false
	eachAssignment(got, want, func(columns []int) bool {
		permuted := project(got.Rows, columns)
		if !sameMultiset(permuted, want.Rows, rules.Tolerance) {
			return false
		}
		sameRows, c.Columns = true, slices.Clone(columns)
		c.Equal = !rules.Ordered || sameSequence(permuted, want.Rows, rules)
		return c.Equal
	})
	switch {
	case c.Equal:
		return c
	case sameRows:
		c.Kind, c.Why = FindOrder, "the rows are right, but their order is not"
		return c
	}
	c.Differ = missing(got.Rows, want.Rows, rules.Tolerance)
	c.Why = ofRows(c.Differ, len(want.Rows)) + " differ"
	return c
}

func ofRows(n, of int) string {
	if of == 1 {
		return "the only row does"
	}
	return strconv.Itoa(n) + " of " + strconv.Itoa(of) + " rows"
}

// otherColumns says what too many or too few columns mean: without the extra
// ones the answer may be right.
func otherColumns(got, want Result, rules Rules) Comparison {
	c := Comparison{Kind: FindColumns, Differ: len(want.Rows),
		Why: "it has " + columnCount(len(got.Columns)) + " where " + columnCount(len(want.Columns)) + " " + isAre(len(want.Columns)) + " expected"}
	if len(got.Columns) < len(want.Columns) || len(got.Rows) != len(want.Rows) || len(got.Rows) == 0 {
		return c
	}
	eachAssignment(got, want, func(columns []int) bool {
		permuted := project(got.Rows, columns)
		if !sameMultiset(permuted, want.Rows, rules.Tolerance) || rules.Ordered && !sameSequence(permuted, want.Rows, rules) {
			return false
		}
		c.Columns, c.Differ = slices.Clone(columns), 0
		c.Why += "; without " + strings.Join(extra(got.Columns, columns), ", ") + " it is the same"
		return true
	})
	return c
}

func columnCount(n int) string {
	if n == 1 {
		return "1 column"
	}
	return strconv.Itoa(n) + " columns"
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func extra(names []string, used []int) []string {
	var out []string
	for i, name := range names {
		if !slices.Contains(used, i) {
			out = append(out, name)
		}
	}
	return out
}

// otherRows says what too many or too few rows mean: repeated ones are of the
// wrong grain.
func otherRows(got, want Result, rules Rules) Comparison {
	c := Comparison{Why: "it has " + rowCount(len(got.Rows)) + " where " + rowCount(len(want.Rows)) + " " + isAre(len(want.Rows)) + " expected"}
	c.Differ = missing(got.Rows, want.Rows, rules.Tolerance)
	distinctGot, distinctWant := distinct(got.Rows), distinct(want.Rows)
	if len(want.Rows) > 0 && len(distinctGot) == len(distinctWant) && sameMultiset(distinctGot, distinctWant, rules.Tolerance) {
		c.Kind = FindGrain
		if len(got.Rows) > len(want.Rows) {
			c.Why += "; they are the same rows, repeated"
		} else {
			c.Why += "; they are the same rows without their repetitions"
		}
	}
	return c
}

func rowCount(n int) string {
	if n == 1 {
		return "1 row"
	}
	return strconv.Itoa(n) + " rows"
}

// mostAssignments bounds how many orders of columns are tried. Columns with
// different contents are told apart before that.
const mostAssignments = 5_000

// eachAssignment tries which columns of got could stand for those of want, the
// order as it is first, until try returns true.
func eachAssignment(got, want Result, try func(columns []int) bool) {
	n := len(want.Columns)
	if len(got.Columns) == n {
		same := make([]int, n)
		for i := range same {
			same[i] = i
		}
		if try(same) {
			return
		}
	}
	gotPrints, wantPrints := fingerprints(got), fingerprints(want)
	columns, used := make([]int, n), make([]bool, len(got.Columns))
	left := mostAssignments
	var assign func(int) bool
	assign = func(j int) bool {
		if j == n {
			left--
			return try(columns) || left <= 0
		}
		for i := range got.Columns {
			if used[i] || !gotPrints[i].like(wantPrints[j]) {
				continue
			}
			used[i], columns[j] = true, i
			if assign(j + 1) {
				return true
			}
			used[i] = false
		}
		return false
	}
	assign(0)
}

// fingerprint tells columns with different contents apart. It is coarser than
// equality within a tolerance.
type fingerprint struct {
	nulls, numbers, texts, others int
	text                          uint64
	sum, size                     float64
}

func (f fingerprint) like(g fingerprint) bool {
	const coarse = 1e-5
	return f.nulls == g.nulls && f.numbers == g.numbers && f.texts == g.texts && f.others == g.others && f.text == g.text &&
		math.Abs(f.size-g.size) <= coarse*max(f.size, 1e-6) && math.Abs(f.sum-g.sum) <= coarse*max(f.size, 1e-6)
}

func fingerprints(r Result) []fingerprint {
	prints := make([]fingerprint, len(r.Columns))
	for i := range r.Columns {
		p := &prints[i]
		for _, row := range r.Rows {
			switch v := row[i].(type) {
			case nil:
				p.nulls++
			case string:
				p.texts++
				p.text += hash(v)
			case []byte:
				p.others++
				p.text += hash(string(v))
			default:
				f, _, _ := number(v)
				p.numbers++
				p.sum += f
				p.size += math.Abs(f)
			}
		}
	}
	return prints
}

// hash is FNV-1a.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

func project(rows [][]any, columns []int) [][]any {
	out := make([][]any, len(rows))
	for i, row := range rows {
		out[i] = make([]any, len(columns))
		for j, c := range columns {
			out[i][j] = row[c]
		}
	}
	return out
}

// sameMultiset reports whether the rows are the same in any order: by exact
// keys, and what is left within the tolerance.
func sameMultiset(a, b [][]any, tolerance float64) bool {
	return len(a) == len(b) && missing(a, b, tolerance) == 0
}

// mostLoose bounds the rows that are compared one by one.
const mostLoose = 400

// missing counts the rows of want that got lacks, as multisets.
func missing(got, want [][]any, tolerance float64) int {
	have := map[string]int{}
	for _, row := range got {
		have[key(row)]++
	}
	var left [][]any
	for _, row := range want {
		if k := key(row); have[k] > 0 {
			have[k]--
		} else {
			left = append(left, row)
		}
	}
	if len(left) == 0 || len(left) > mostLoose {
		return len(left)
	}
	var spare [][]any
	for _, row := range got {
		if k := key(row); have[k] > 0 {
			have[k]--
			spare = append(spare, row)
		}
	}
	n := 0
	for _, row := range left {
		i := slices.IndexFunc(spare, func(s []any) bool { return sameRow(s, row, tolerance) })
		if i < 0 {
			n++
			continue
		}
		spare = slices.Delete(spare, i, i+1)
	}
	return n
}

// sameSequence compares in order; rows within a group of ties may change
// places.
func sameSequence(got, want [][]any, rules Rules) bool {
	if rules.Ties == nil {
		return slices.EqualFunc(got, want, func(a, b []any) bool { return sameRow(a, b, rules.Tolerance) })
	}
	for _, group := range rules.Ties {
		var a, b [][]any
		for _, i := range group {
			a, b = append(a, got[i]), append(b, want[i])
		}
		if !sameMultiset(a, b, rules.Tolerance) {
			return false
		}
	}
	return true
}

// Ties finds the groups of rows whose order is an accident, from two runs of
// one ordered query that read their tables in opposite directions: between two
// places where both have seen the same rows lies a group. ok is false when the
// runs do not have the same rows at all: a LIMIT cuts through a tie.
func Ties(one, other [][]any) (groups [][]int, ok bool) {
	if len(one) != len(other) {
		return nil, false
	}
	balance := map[string]int{}
	open := 0
	var group []int
	count := func(k string, by int) {
		before := balance[k]
		balance[k] += by
		switch {
		case before == 0:
			open++
		case balance[k] == 0:
			open--
		}
	}
	for i := range one {
		group = append(group, i)
		if a, b := key(one[i]), key(other[i]); a != b {
			count(a, 1)
			count(b, -1)
		}
		if open == 0 {
			groups, group = append(groups, group), nil
		}
	}
	return groups, open == 0
}

func distinct(rows [][]any) [][]any {
	seen := map[string]bool{}
	var out [][]any
	for _, row := range rows {
		if k := key(row); !seen[k] {
			seen[k] = true
			out = append(out, row)
		}
	}
	return out
}

// key is the same for rows that are the same without a tolerance.
func key(row []any) string {
	var b strings.Builder
	for _, cell := range row {
		part := cellKey(cell)
		b.WriteString(strconv.Itoa(len(part)))
		b.WriteByte(':')
		b.WriteString(part)
	}
	return b.String()
}

func cellKey(cell any) string {
	switch v := cell.(type) {
	case nil:
		return "0"
	case string:
		return "t" + v
	case []byte:
		return "b" + hex.EncodeToString(v)
	}
	f, exact, _ := number(cell)
	if exact != "" {
		return "n" + exact
	}
	return "n" + strconv.FormatFloat(f, 'g', -1, 64)
}

// number reads a numeric cell; exact is set for whole numbers, which floats
// cannot always tell apart.
func number(cell any) (f float64, exact string, ok bool) {
	switch v := cell.(type) {
	case int64:
		return float64(v), strconv.FormatInt(v, 10), true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return v, strconv.FormatInt(int64(v), 10), true
		}
		return v, "", true
	case bool:
		if v {
			return 1, "1", true
		}
		return 0, "0", true
	}
	return 0, "", false
}

func sameRow(a, b []any, tolerance float64) bool {
	return slices.EqualFunc(a, b, func(x, y any) bool { return sameCell(x, y, tolerance) })
}

func sameCell(a, b any, tolerance float64) bool {
	x, exactX, okX := number(a)
	y, exactY, okY := number(b)
	if okX != okY {
		return false
	}
	if !okX {
		return cellKey(a) == cellKey(b)
	}
	if exactX != "" && exactY != "" {
		return exactX == exactY || tolerance > DefaultTolerance && near(x, y, tolerance)
	}
	return near(x, y, tolerance)
}

func near(x, y, tolerance float64) bool {
	if x == y || math.IsNaN(x) && math.IsNaN(y) {
		return true
	}
	return math.Abs(x-y) <= tolerance*max(math.Abs(x), math.Abs(y), 1e-6)
}

// shownRows is how many rows of a result are evidence.
const shownRows = 20

// Side is one of two results as evidence: rows stand beside those of the other
// they belong to, the different ones first where there are many.
type Side struct {
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"`
	More    int      `json:"more,omitempty"` // rows that are not shown
}

// Beside lays two results side by side.
func Beside(got, want Result, c Comparison, rules Rules) (Side, Side) {
	columns := c.Columns
	if columns == nil {
		columns = make([]int, len(got.Columns))
		for i := range columns {
			columns[i] = i
		}
	}
	left := Result{Rows: project(got.Rows, columns)}
	for _, i := range columns {
		left.Columns = append(left.Columns, got.Columns[i])
	}
	a, b := left.Rows, want.Rows
	if !rules.Ordered {
		a, b = aligned(a, b)
	}
	return side(left.Columns, a), side(want.Columns, b)
}

// aligned sorts both by their contents and puts the rows that only one has
// first.
func aligned(a, b [][]any) ([][]any, [][]any) {
	have := map[string]int{}
	for _, row := range b {
		have[key(row)]++
	}
	var onlyA, both [][]any
	for _, row := range a {
		if k := key(row); have[k] > 0 {
			have[k]--
			both = append(both, row)
		} else {
			onlyA = append(onlyA, row)
		}
	}
	var onlyB [][]any
	for i := len(b) - 1; i >= 0; i-- {
		if k := key(b[i]); have[k] > 0 {
			have[k]--
			onlyB = append(onlyB, b[i])
		}
	}
	slices.SortStableFunc(onlyA, byCells)
	slices.SortStableFunc(onlyB, byCells)
	return append(onlyA, both...), append(onlyB, both...)
}

func byCells(a, b []any) int {
	for i := range min(len(a), len(b)) {
		x, _, okX := number(a[i])
		y, _, okY := number(b[i])
		c := cmp.Compare(cellKey(a[i]), cellKey(b[i]))
		if okX && okY {
			c = cmp.Compare(x, y)
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func side(columns []string, rows [][]any) Side {
	s := Side{Columns: columns, Rows: [][]any{}}
	for _, row := range rows[:min(len(rows), shownRows)] {
		cells := make([]any, len(row))
		for i, cell := range row {
			cells[i] = shown(cell)
		}
		s.Rows = append(s.Rows, cells)
	}
	s.More = len(rows) - len(s.Rows)
	return s
}

// shown is a cell as JSON can write it and a page has room for it.
func shown(cell any) any {
	switch v := cell.(type) {
	case string:
		if runes := []rune(v); len(runes) > 200 {
			return string(runes[:200]) + "…"
		}
	case []byte:
		if len(v) > 32 {
			return "x'" + hex.EncodeToString(v[:32]) + "…'"
		}
		return "x'" + hex.EncodeToString(v) + "'"
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	return cell
}

// Show is one result as evidence.
func Show(r Result) Side { return side(r.Columns, r.Rows) }
