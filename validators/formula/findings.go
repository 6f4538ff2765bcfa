package formula

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Finding is something to look at in the text of a formula. Start and End are
// byte offsets. A finding is advice, never a verdict.
type Finding struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Start   int    `json:"start"`
	End     int    `json:"end"`
}

// The kinds of findings.
const (
	FindParse     = "parse_error"
	FindFunction  = "unknown_function"
	FindName      = "unknown_name"
	FindArguments = "argument_count"
	FindSheet     = "missing_sheet"
	FindEmpty     = "empty_cell"
	FindSizes     = "range_size"
	FindText      = "text_number"
	FindSlip      = "reference_slip"
	FindConstant  = "constant_for_reference"
	FindSpill     = "spill_blocked"
)

// Findings looks at a formula without evaluating it.
func Findings(ctx context.Context, s Sheet, cell, text string) []Finding {
	w, err := Open(s)
	if err != nil {
		return nil
	}
	return w.Findings(ctx, cell, text)
}

// Findings looks at a formula without evaluating it.
func (w *Workbook) Findings(_ context.Context, cell, text string) []Finding {
	at, t, result := w.prepare(cell, text)
	switch {
	case result.Parse != nil:
		return []Finding{{FindParse, result.Parse.Message, result.Parse.Start, result.Parse.End}}
	case t == nil:
		return nil
	}
	r := &reader{book: w, at: at, tree: t}
	r.walk(t.root, nil)
	r.neighbours(cell)
	r.constants()
	slices.SortStableFunc(r.found, func(a, b Finding) int { return a.Start - b.Start })
	return r.found
}

// reader walks over a parsed formula and gathers findings.
type reader struct {
	book      *Workbook
	at        place
	tree      *tree
	found     []Finding
	read      []area         // what the formula refers to
	numbers   []*literalNode // constants that stand for quantities
	work      int            // cells looked at so far
	neighbour bool           // a neighbour has already explained a constant
}

func (r *reader) add(n node, kind, format string, args ...any) {
	start, end := n.bounds()
	r.found = append(r.found, Finding{kind, fmt.Sprintf(format, args...), start, end})
}

func children(n node) []node {
	switch n := n.(type) {
	case *parenNode:
		return []node{n.x}
	case *unaryNode:
		return []node{n.x}
	case *binaryNode:
		return []node{n.l, n.r}
	case *unionNode:
		return n.parts
	case *callNode:
		return n.args
	case *invokeNode:
		return append([]node{n.callee}, n.args...)
	}
	return nil
}

func (r *reader) walk(n, parent node) {
	switch n := n.(type) {
	case *refNode:
		r.reference(n, parent)
	case *nameNode:
		r.name(n)
	case *tableNode:
		r.table(n)
	case *callNode:
		r.call(n)
	case *literalNode:
		if b, ok := parent.(*binaryNode); ok && n.value.isNumber() && strings.Contains("+-*/", b.op) {
			r.numbers = append(r.numbers, n)
		}
	}
	for _, child := range children(n) {
		r.walk(child, n)
	}
}

// area resolves a written reference, if it stands on a sheet that is given.
func (r *reader) area(n *refNode) (area, bool) {
	sheet := r.at.sheet
	if n.book != "" || n.sheetEnd != "" {
		return area{}, false
	}
	if n.qualified {
		i, ok := r.book.find(n.sheet)
		if !ok {
			return area{}, false
		}
		sheet = i
	}
	return n.area(sheet, r.at)
}

func (r *reader) reference(n *refNode, parent node) {
	if n.book != "" {
		return
	}
	if _, ok := r.book.find(n.sheet); n.qualified && !ok {
		r.add(n, FindSheet, "There is no sheet “%s” in the cells given.", clip(n.sheet))
		return
	}
	a, ok := r.area(n)
	if !ok {
		return
	}
	r.read = append(r.read, a)
	if c, inCall := parent.(*callNode); inCall && looksAtPlaceOnly(c.name) {
		return
	}
	if g := r.book.grids[a.sheet]; len(g.cells) == 0 || r.filled(a) {
		return
	}
	if a.single() {
		r.add(n, FindEmpty, "%s is empty.", r.book.address(place{a.sheet, a.r1, a.c1}))
	} else {
		r.add(n, FindEmpty, "%s holds nothing.", a.text())
	}
}

// looksAtPlaceOnly tells whether a function asks where a cell is, not what it holds.
func looksAtPlaceOnly(name string) bool {
	switch name {
	case "ROW", "COLUMN", "ROWS", "COLUMNS", "ISBLANK", "OFFSET", "AREAS", "CELL", "COUNTBLANK", "SHEET":
		return true
	}
	return false
}

// maxLooks bounds how many cells are looked at for findings: they are advice,
// and a formula of thousands of ranges over a million cells is no one's work.
const maxLooks = 5_000_000

// filled tells whether an area holds anything but the formula itself. When too
// much was looked at already it says yes, and nothing is found.
func (r *reader) filled(a area) bool {
	found := false
	r.each(a, func(place, *cell) bool {
		found = true
		return false
	})
	return found || r.work > maxLooks
}

// each visits the filled cells of an area until visit says no.
func (r *reader) each(a area, visit func(place, *cell) bool) {
	g := r.book.grids[a.sheet]
	look := func(k int) bool {
		r.work++
		p := place{a.sheet, k >> 14, k & (1<<14 - 1)}
		c := g.cells[k]
		if c == nil || p == r.at || !a.contains(p) || !c.known && c.formula == "" {
			return true
		}
		return visit(p, c)
	}
	if r2, c2 := min(a.r2, g.maxRow), min(a.c2, g.maxCol); (r2-a.r1+1)*(c2-a.c1+1) <= len(g.cells) {
		for row := a.r1; row <= r2; row++ {
			for col := a.c1; col <= c2; col++ {
				if r.work > maxLooks || !look(key(row, col)) {
					return
				}
			}
		}
		return
	}
	for _, k := range g.keys() {
		if r.work > maxLooks || !look(k) {
			return
		}
	}
}

func (r *reader) name(n *nameNode) {
	lower := strings.ToLower(n.name)
	_, defined := r.book.names[lower]
	if n.book != "" || defined || r.tree.declared[lower] || r.book.tables[lower] != nil || functionNamed(canonicalName(n.name)) != nil {
		return
	}
	r.add(n, FindName, "The name “%s” is not defined.", clip(n.name))
}

func (r *reader) table(n *tableNode) {
	s, ok := parseStructured(n.text)
	if !ok {
		r.add(n, FindName, "“%s” is not a reference to a table.", clip(n.text))
		return
	}
	if r.tree.declared[strings.ToLower(strings.Trim(n.text, "[]"))] {
		return
	}
	e := evaluator{book: r.book}
	t := e.tableOf(s.table, r.at)
	if t == nil {
		if s.table != "" {
			r.add(n, FindName, "There is no table “%s”.", clip(s.table))
		}
		return
	}
	for _, column := range []string{s.first, s.last} {
		if column != "" && t.column(column) < 0 {
			r.add(n, FindName, "The table “%s” has no column “%s”; it has %s.", t.name, clip(column), strings.Join(t.columns, ", "))
			return
		}
	}
}

func (r *reader) call(n *callNode) {
	at := &callNode{span: span{n.start, n.nameEnd}}
	if n.fn == nil {
		lower := strings.ToLower(n.written)
		if _, defined := r.book.names[lower]; defined || r.tree.declared[lower] || n.book != "" || strings.HasPrefix(n.name, "_XLL.") {
			return
		}
		message := fmt.Sprintf("Excel has no function %s.", clip(n.name))
		if near := nearestFunction(n.name); near != "" {
			message += " Was " + near + " meant?"
		}
		r.add(at, FindFunction, "%s", message)
		return
	}
	if n.fn.reason == "" && !n.fn.accepts(len(n.args)) {
		r.add(at, FindArguments, "%s", argumentText(n.fn, len(n.args)))
		return
	}
	r.sizes(n)
	r.textNumbers(n)
}

// sizes compares the ranges that a function walks in step.
func (r *reader) sizes(n *callNode) {
	var together []int
	switch n.name {
	case "SUMIFS", "AVERAGEIFS", "MAXIFS", "MINIFS":
		together = []int{0}
		for i := 1; i < len(n.args); i += 2 {
			together = append(together, i)
		}
	case "COUNTIFS":
		for i := 0; i < len(n.args); i += 2 {
			together = append(together, i)
		}
	case "SUMIF", "AVERAGEIF":
		together = []int{0, 2}
	case "SUMPRODUCT":
		for i := range n.args {
			together = append(together, i)
		}
	case "CORREL", "COVARIANCE.P", "COVARIANCE.S", "SLOPE", "INTERCEPT", "RSQ", "SUMX2MY2", "SUMX2PY2", "SUMXMY2":
		together = []int{0, 1}
	default:
		return
	}
	var first area
	var firstText string
	for _, i := range together {
		if i >= len(n.args) {
			break
		}
		ref, ok := n.args[i].(*refNode)
		if !ok {
			continue
		}
		a, ok := r.area(ref)
		if !ok {
			continue
		}
		if firstText == "" {
			first, firstText = a, a.text()
			continue
		}
		if a.rows() != first.rows() || a.cols() != first.cols() {
			r.add(ref, FindSizes, "%s is %d × %d, but %s is %d × %d; %s needs them equal.",
				a.text(), a.rows(), a.cols(), firstText, first.rows(), first.cols(), n.name)
		}
	}
}

// textNumbers points at numbers kept as text, which sums pass over in silence.
func (r *reader) textNumbers(n *callNode) {
	switch n.name {
	case "SUM", "AVERAGE", "MAX", "MIN", "PRODUCT", "MEDIAN", "STDEV", "STDEV.S", "SUMPRODUCT", "COUNT":
	default:
		return
	}
	for _, arg := range n.args {
		ref, ok := arg.(*refNode)
		if !ok {
			continue
		}
		a, ok := r.area(ref)
		if !ok {
			continue
		}
		r.each(a, func(p place, c *cell) bool {
			if !c.known || !c.value.isText() {
				return true
			}
			if _, number := r.book.locale.parsePlain(strings.TrimSpace(c.value.text)); !number {
				return true
			}
			r.add(ref, FindText, "%s holds the number %s as text; %s passes over it.", r.book.address(p), clip(c.value.text), n.name)
			return false
		})
	}
}

// pattern is a formula's tokens with references written relative to its cell.
type pattern struct {
	words []string
	at    []span
	kinds []lexemeKind
	refs  []string
}

func (w *Workbook) pattern(text string, at place) (pattern, bool) {
	var p pattern
	body := strings.TrimPrefix(text, "=")
	shift := len(text) - len(body)
	for _, l := range scan(body, w.locale, w.r1c1) {
		if l.kind == lexSpace {
			continue
		}
		if l.kind == lexUnknown || l.kind == lexOpenText {
			return p, false
		}
		word := strings.ToUpper(body[l.start:l.end])
		if l.kind == lexReference {
			word = strings.ToUpper(l.sheet) + "!" + relativeCorner(l.from, at, l.relative) + ":" + relativeCorner(l.to, at, l.relative)
		}
		p.words = append(p.words, word)
		p.at = append(p.at, span{l.start + shift, l.end + shift})
		p.kinds = append(p.kinds, l.kind)
		p.refs = append(p.refs, body[l.start:l.end])
	}
	return p, len(p.words) > 0
}

// relativeCorner writes a corner as R1C1 would, seen from a cell.
func relativeCorner(c corner, at place, relative bool) string {
	row, col := fmt.Sprintf("R%d", c.row), fmt.Sprintf("C%d", c.col)
	if !c.absRow && c.row >= 0 && !relative {
		row = fmt.Sprintf("R[%d]", c.row-at.row)
	} else if !c.absRow && relative {
		row = fmt.Sprintf("R[%d]", c.row)
	}
	if !c.absCol && c.col >= 0 && !relative {
		col = fmt.Sprintf("C[%d]", c.col-at.col)
	} else if !c.absCol && relative {
		col = fmt.Sprintf("C[%d]", c.col)
	}
	return row + col
}

// neighbours compares the formula with those beside it: where they are alike
// but for one reference, that one may have slipped when it was filled.
func (r *reader) neighbours(cell string) {
	if strings.TrimSpace(cell) == "" {
		return
	}
	own, ok := r.book.pattern(r.tree.text, r.at)
	if !ok {
		return
	}
	for _, step := range [][2]int{{-1, 0}, {1, 0}, {0, -1}, {0, 1}} {
		p := place{r.at.sheet, r.at.row + step[0], r.at.col + step[1]}
		if p.row < 0 || p.col < 0 {
			continue
		}
		c := r.book.grids[p.sheet].cells[key(p.row, p.col)]
		if c == nil || c.formula == "" {
			continue
		}
		other, ok := r.book.pattern(c.formula, p)
		if ok && r.slip(own, other, p) {
			return
		}
	}
}

// slip reports the one place where two formulas differ. It tells whether the
// question is settled: they are alike, or differ in one place.
func (r *reader) slip(own, other pattern, p place) bool {
	if len(own.words) != len(other.words) {
		return false
	}
	where, alike := -1, 0
	for i := range own.words {
		if own.words[i] == other.words[i] {
			alike++
			continue
		}
		if where >= 0 {
			return false
		}
		where = i
	}
	if where < 0 {
		return true
	}
	at := &literalNode{span: own.at[where]}
	switch {
	case alike < 2 || other.kinds[where] != lexReference:
		return false
	case own.kinds[where] == lexReference:
		r.add(at, FindSlip, "%s stands here where %s has %s: filled alike, the two would move together. Check the $ signs.",
			own.refs[where], r.book.address(p), other.refs[where])
	case own.kinds[where] == lexNumber:
		r.add(at, FindConstant, "The number %s stands here where %s refers to %s.", own.refs[where], r.book.address(p), other.refs[where])
		r.neighbour = true
	default:
		return false
	}
	return true
}

// constants points at a number in the formula that one cell of the sheet holds:
// when the cell changes, the formula will not.
func (r *reader) constants() {
	if r.neighbour {
		return
	}
	if len(r.numbers) == 0 {
		return
	}
	holders := map[float64][]place{}
	r.each(area{r.at.sheet, 0, 0, maxRows - 1, maxCols - 1}, func(p place, c *cell) bool {
		if c.formula == "" && c.known && c.value.isNumber() {
			holders[c.value.num] = append(holders[c.value.num], p)
		}
		return true
	})
	for _, n := range r.numbers {
		f := n.value.num
		if f == math.Trunc(f) && math.Abs(f) < 1000 {
			continue // small whole numbers are mostly meant
		}
		at := holders[f]
		if len(at) != 1 || slices.ContainsFunc(r.read, func(a area) bool { return a.contains(at[0]) }) {
			continue
		}
		r.add(n, FindConstant, "%s holds %s. A reference to it would follow when it changes.", r.book.address(at[0]), generalText(f))
	}
}

// otherwiseCalled maps names from other languages and spreadsheets to Excel's.
var otherwiseCalled = map[string]string{
	"AVG": "AVERAGE", "MEAN": "AVERAGE", "STDDEV": "STDEV.S", "STD": "STDEV.S", "VARIANCE": "VAR.S", "POW": "POWER", "CEIL": "CEILING",
	"LENGTH": "LEN", "STRLEN": "LEN", "SUBSTR": "MID", "SUBSTRING": "MID", "INSTR": "SEARCH", "CONTAINS": "SEARCH", "STRPOS": "SEARCH",
	"REGEXMATCH": "REGEXTEST", "SPLIT": "TEXTSPLIT", "JOIN": "TEXTJOIN", "IFNULL": "IFNA", "NVL": "IFNA", "COALESCE": "IFNA",
	"ISEMPTY": "ISBLANK", "ISNULL": "ISBLANK", "DATEDIFF": "DATEDIF", "DATEADD": "EDATE", "ADDMONTHS": "EDATE", "COUNTUNIQUE": "UNIQUE",
	"COUNTDISTINCT": "UNIQUE", "DISTINCT": "UNIQUE", "FORMAT": "TEXT", "TOTEXT": "TEXT", "TONUMBER": "VALUE", "RANDOM": "RAND",
	"ARRAYFORMULA": "LET", "ELSEIF": "IFS", "CASE": "SWITCH", "LOOKUPX": "XLOOKUP", "UCASE": "UPPER", "LCASE": "LOWER",
	"TOUPPER": "UPPER", "TOLOWER": "LOWER", "CONCATENATEIF": "TEXTJOIN", "SUMPRODUCTIFS": "SUMPRODUCT", "MEDIANIF": "MEDIAN", "LAST": "TAKE", "FIRST": "TAKE",
	"FLATTEN": "TOCOL", "QUERY": "FILTER", "IMPORTRANGE": "", "GOOGLEFINANCE": "STOCKHISTORY", "SPARKLINE": "", "LOG2": "LOG",
}

// nearestFunction returns the real function a name may have meant, or "".
func nearestFunction(name string) string {
	if real, ok := otherwiseCalled[name]; ok {
		return real
	}
	best, distance := "", 1+len(name)/3
	for _, candidate := range Functions() {
		if abs(len(candidate)-len(name)) > distance {
			continue
		}
		if d := editDistance(name, candidate); d < distance || d == distance && best != "" && candidate[0] == name[0] && best[0] != name[0] {
			best, distance = candidate, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, changes and swaps of neighbours.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	var rows [3][66]int
	before, last, now := &rows[0], &rows[1], &rows[2]
	for j := 0; j <= len(b); j++ {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
