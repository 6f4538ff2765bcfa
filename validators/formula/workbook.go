package formula

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Entered says how a formula is read.
type Entered string

// The readings. They differ where a range stands for one value.
const (
	EnteredEither    Entered = ""          // dynamic; Check also accepts what intersect gives
	EnteredDynamic   Entered = "dynamic"   // as typed into a current Excel: ranges spill
	EnteredIntersect Entered = "intersect" // as files store it: a range gives the cell of the same row or column
	EnteredArray     Entered = "array"     // Ctrl+Shift+Enter
)

// Sheet is the surroundings of a formula: cells, names, tables and settings of
// one small workbook. Keys of Cells and Formulas are addresses such as "A1" or
// "'My Sheet'!C3"; an address without a sheet belongs to the sheet called Name.
type Sheet struct {
	Name     string
	Order    []string // the sheets from left to right; only Sheet1:Sheet3!A1 and SHEET need it
	Cells    map[string]any
	Formulas map[string]string
	Tables   []Table
	Names    map[string]string
	Locale   string
	Notation string // "A1" or "R1C1"
	Entered  Entered
	Now      time.Time // zero: NOW and TODAY are refused
	Date1904 bool
	Limits   Limits
}

// Table is a named range whose first row holds the column names.
type Table struct {
	Name   string `json:"name"`
	Ref    string `json:"ref"`    // "Sheet1!A1:D9", header row included
	Totals bool   `json:"totals"` // the last row is a totals row
}

// cell is one filled cell.
type cell struct {
	value    Value
	formula  string
	known    bool // value holds
	working  bool // being evaluated: reading it now is a circle
	subtotal bool // holds SUBTOTAL or AGGREGATE, which their likes pass over
}

// grid is one sheet. Cells are found by row<<14|col.
type grid struct {
	name           string
	cells          map[int]*cell
	order          []int // keys in reading order, made when first needed
	pending        []int // cells with a formula and no value given: they may spill
	maxRow, maxCol int   // of filled cells; -1 when there is none
}

func key(row, col int) int { return row<<14 | col }

// put fills a cell.
func (g *grid) put(row, col int, c *cell) {
	g.cells[key(row, col)] = c
	g.maxRow, g.maxCol = max(g.maxRow, row), max(g.maxCol, col)
	g.order = nil
}

func (g *grid) keys() []int {
	if g.order == nil {
		g.order = slices.Sorted(maps.Keys(g.cells))
	}
	return g.order
}

// Workbook is a Sheet made ready for evaluating many formulas. It is not safe
// for use by several goroutines at once.
type Workbook struct {
	grids   []*grid
	byName  map[string]int
	tables  map[string]*table
	names   map[string]string
	trees   map[string]*tree
	locale  *locale
	r1c1    bool
	sheet   Sheet
	formula map[string]*tree // parsed cell formulas, by text

	order    []int   // sheets from left to right, when that is known
	computed []*cell // cells whose value came from their formula
	spilled  []place // cells another cell's formula spilled into
}

// table is a Table whose columns are known.
type table struct {
	name    string
	area    area // header and totals included
	totals  bool
	columns []string
}

// Open makes a sheet ready. An error names the first address, value or table
// that makes no sense.
func Open(s Sheet) (*Workbook, error) {
	w := &Workbook{
		byName: map[string]int{}, tables: map[string]*table{}, names: map[string]string{},
		trees: map[string]*tree{}, formula: map[string]*tree{},
		locale: localeNamed(s.Locale), r1c1: strings.EqualFold(s.Notation, "R1C1"), sheet: s,
	}
	if s.Name == "" && len(s.Order) > 0 {
		s.Name = s.Order[0]
	}
	w.grid(s.Name)
	for _, name := range s.Order {
		w.order = append(w.order, w.home(name))
	}
	for _, address := range slices.Sorted(maps.Keys(s.Cells)) {
		if err := w.fill(address, s.Cells[address]); err != nil {
			return nil, err
		}
	}
	filled := 0
	for _, g := range w.grids {
		filled += len(g.cells)
	}
	if filled > maxFilledCells {
		return nil, fmt.Errorf("%d cells are more than %d", filled, maxFilledCells)
	}
	for _, address := range slices.Sorted(maps.Keys(s.Formulas)) {
		p, ok := w.place(address)
		if !ok {
			return nil, fmt.Errorf("“%s” is not the address of a cell", clip(address))
		}
		g := w.grids[p.sheet]
		c := g.cells[key(p.row, p.col)]
		if c == nil {
			c = &cell{}
			g.put(p.row, p.col, c)
		}
		c.formula = s.Formulas[address]
		c.subtotal = holdsSubtotal(c.formula)
	}
	for _, g := range w.grids {
		for k, c := range g.cells {
			if c.formula != "" && !c.known {
				g.pending = append(g.pending, k)
			}
		}
		slices.Sort(g.pending)
	}
	for name, text := range s.Names {
		w.names[strings.ToLower(name)] = text
	}
	for _, t := range s.Tables {
		if err := w.addTable(t); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// grid returns the index of the sheet of that name, making it if need be.
func (w *Workbook) grid(name string) int {
	lower := strings.ToLower(name)
	if i, ok := w.byName[lower]; ok {
		return i
	}
	w.grids = append(w.grids, &grid{name: name, cells: map[int]*cell{}, maxRow: -1, maxCol: -1})
	w.byName[lower] = len(w.grids) - 1
	return len(w.grids) - 1
}

// find returns the index of a sheet that exists. The nameless first sheet also
// answers to Sheet1, which is what a new workbook calls it.
func (w *Workbook) find(name string) (int, bool) {
	if i, ok := w.byName[strings.ToLower(name)]; ok {
		return i, true
	}
	if w.grids[0].name == "" && strings.EqualFold(name, "Sheet1") {
		return 0, true
	}
	return 0, false
}

// forget drops the values that came from evaluating cell formulas.
func (w *Workbook) forget() {
	for _, c := range w.computed {
		c.value, c.known = blank, false
	}
	w.computed = nil
	for _, p := range w.spilled {
		g := w.grids[p.sheet]
		delete(g.cells, key(p.row, p.col))
		g.order = nil
	}
	w.spilled = nil
}

// spill fills the cells beside and below a formula's own with what it gives
// them. It tells whether there was room.
func (w *Workbook) spill(at place, a *Array) bool {
	g := w.grids[at.sheet]
	if at.row+a.rows > maxRows || at.col+a.cols > maxCols {
		return false
	}
	free := func(visit func(r, c int)) bool {
		for r := 0; r < a.rows; r++ {
			for c := 0; c < a.cols; c++ {
				if r+c == 0 {
					continue
				}
				if visit == nil && g.cells[key(at.row+r, at.col+c)] != nil {
					return false
				}
				if visit != nil {
					visit(r, c)
				}
			}
		}
		return true
	}
	if !free(nil) {
		return false
	}
	free(func(r, c int) {
		v := a.At(r, c)
		if v.isBlank() {
			v = zero
		}
		g.put(at.row+r, at.col+c, &cell{value: v, known: true})
		w.spilled = append(w.spilled, place{at.sheet, at.row + r, at.col + c})
	})
	return true
}

// occupy marks the cell a formula stands in as being evaluated, so that reading
// it is a circle, and returns how to undo that.
func (w *Workbook) occupy(at place) (release func()) {
	g, k := w.grids[at.sheet], key(at.row, at.col)
	if c := g.cells[k]; c != nil {
		c.working = true
		return func() { c.working = false }
	}
	maxRow, maxCol := g.maxRow, g.maxCol
	g.put(at.row, at.col, &cell{working: true})
	return func() {
		delete(g.cells, k)
		g.maxRow, g.maxCol, g.order = maxRow, maxCol, nil
	}
}

// sheets returns the sheets from left to right, and whether that is known.
func (w *Workbook) sheets() ([]int, bool) {
	if len(w.order) > 0 {
		return w.order, true
	}
	all := make([]int, len(w.grids))
	for i := range all {
		all[i] = i
	}
	return all, len(all) == 1
}

// place reads the address of one cell; its sheet is made when it is new.
func (w *Workbook) place(address string) (place, bool) {
	sheet, rest := splitSheet(strings.TrimSpace(address))
	c, n := scanCorner(rest)
	if n == 0 || n != len(rest) || c.row < 0 || c.col < 0 {
		return place{}, false
	}
	return place{w.home(sheet), c.row, c.col}, true
}

func (w *Workbook) home(sheet string) int {
	if sheet == "" {
		return 0
	}
	return w.grid(sheet)
}

// maxFilledCells bounds one workbook.
const maxFilledCells = 1 << 20

// fill puts a value into a cell, or rows of values into a range.
func (w *Workbook) fill(address string, raw any) error {
	if p, ok := w.place(address); ok {
		c, err := readCell(raw)
		if err != nil {
			return fmt.Errorf("cell %s: %w", clip(address), err)
		}
		if c != nil {
			w.grids[p.sheet].put(p.row, p.col, c)
		}
		return nil
	}
	sheet, rest := splitSheet(strings.TrimSpace(address))
	from, to, ok := scanArea(rest)
	rows, isRows := raw.([]any)
	if !ok || !isRows || from.row < 0 || from.col < 0 {
		return fmt.Errorf("“%s” is not the address of a cell", clip(address))
	}
	target := rectangle(w.home(sheet), from, to)
	for r, raw := range rows {
		row, isRow := raw.([]any)
		if !isRow {
			row = []any{raw}
			if target.rows() == 1 {
				row = rows
			}
		}
		for c, raw := range row {
			filled, err := readCell(raw)
			if err != nil {
				return fmt.Errorf("range %s: %w", clip(address), err)
			}
			if filled == nil || r >= target.rows() || c >= target.cols() {
				continue
			}
			w.grids[target.sheet].put(target.r1+r, target.c1+c, filled)
		}
		if !isRow && target.rows() == 1 {
			break
		}
	}
	return nil
}

// readCell turns what JSON holds into a cell: nil for an empty one.
func readCell(raw any) (*cell, error) {
	switch v := raw.(type) {
	case nil:
		return nil, nil
	case Value:
		if v.kind == KindBlank {
			return nil, nil
		}
		return &cell{value: v, known: true}, nil
	case float64:
		return known(NumberOf(v)), nil
	case float32:
		return known(NumberOf(float64(v))), nil
	case int:
		return known(NumberOf(float64(v))), nil
	case int64:
		return known(NumberOf(float64(v))), nil
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("“%s” is not a number Excel can hold", clip(v.String()))
		}
		return known(NumberOf(f)), nil
	case bool:
		return known(BooleanOf(v)), nil
	case string:
		return readText(v), nil
	case map[string]any:
		return readTyped(v)
	}
	return nil, fmt.Errorf("%T is not a cell value", raw)
}

func known(v Value) *cell { return &cell{value: v, known: true} }

// readText reads a string as typing would: "=…" is a formula, "#N/A" an error,
// and an apostrophe before either keeps it text.
func readText(s string) *cell {
	switch {
	case len(s) > 1 && s[0] == '=':
		return &cell{formula: s, subtotal: holdsSubtotal(s)}
	case errorNamed(s) != 0:
		return known(errorOf(errorNamed(s)))
	case strings.HasPrefix(s, "'=") || strings.HasPrefix(s, "'#"):
		return known(TextOf(s[1:]))
	}
	return known(TextOf(s))
}

// readTyped reads {"v":…,"t":"string|number|boolean|error","f":"=…"}.
func readTyped(m map[string]any) (*cell, error) {
	formula, _ := m["f"].(string)
	kind, _ := m["t"].(string)
	raw, has := m["v"]
	if !has || raw == nil {
		if formula == "" {
			return nil, nil
		}
		return &cell{formula: formula, subtotal: holdsSubtotal(formula)}, nil
	}
	var c *cell
	switch s, isText := raw.(string); {
	case isText && kind == "error":
		code := errorNamed(s)
		if code == 0 {
			return nil, fmt.Errorf("“%s” is not an Excel error", clip(s))
		}
		c = known(errorOf(code))
	case isText:
		c = known(TextOf(s))
	default:
		var err error
		if c, err = readCell(raw); err != nil {
			return nil, err
		}
		if c == nil {
			return nil, fmt.Errorf("a cell's value holds no value")
		}
		if kind == "boolean" && c.value.kind == KindNumber {
			c = known(BooleanOf(c.value.num != 0))
		}
	}
	c.formula, c.subtotal = formula, holdsSubtotal(formula)
	return c, nil
}

func holdsSubtotal(formula string) bool {
	upper := strings.ToUpper(formula)
	if !strings.Contains(upper, "SUBTOTAL(") && !strings.Contains(upper, "AGGREGATE(") {
		return false
	}
	for _, l := range scan(formula, american, false) { // not in a text
		if name := canonicalName(l.text); l.kind == lexFunction && (name == "SUBTOTAL" || name == "AGGREGATE") {
			return true
		}
	}
	return false
}

func (w *Workbook) addTable(t Table) error {
	sheet, rest := splitSheet(t.Ref)
	from, to, ok := scanArea(rest)
	if !ok || from.row < 0 || from.col < 0 || t.Name == "" {
		return fmt.Errorf("table “%s”: “%s” is not a range", clip(t.Name), clip(t.Ref))
	}
	out := &table{name: t.Name, area: rectangle(w.home(sheet), from, to), totals: t.Totals}
	g := w.grids[out.area.sheet]
	for c := out.area.c1; c <= out.area.c2; c++ {
		title := fmt.Sprintf("Column%d", c-out.area.c1+1)
		if filled := g.cells[key(out.area.r1, c)]; filled != nil && filled.known {
			title = filled.value.String()
		}
		out.columns = append(out.columns, title)
	}
	w.tables[strings.ToLower(t.Name)] = out
	return nil
}

// address writes a place with its sheet unless that is the first one.
func (w *Workbook) address(p place) string {
	cell := addressText(p.row, p.col, false, false)
	if p.sheet == 0 {
		return cell
	}
	return quoteSheet(w.grids[p.sheet].name) + "!" + cell
}
