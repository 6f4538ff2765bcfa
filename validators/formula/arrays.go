package formula

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

func arrayFunctions() []function {
	return []function{
		{name: "TRANSPOSE", params: "a", run: transpose},
		{name: "SEQUENCE", params: "N[NNN", run: sequence},
		{name: "FILTER", params: "aa[r", run: filter},
		{name: "SORT", params: "a[rrB", run: sortArray},
		{name: "SORTBY", params: "aa|a", run: sortBy},
		{name: "UNIQUE", params: "a[BB", run: unique},
		{name: "TAKE", params: "a[NN", run: take},
		{name: "DROP", params: "a[NN", run: drop},
		{name: "EXPAND", params: "a[NNE", run: expand},
		{name: "CHOOSECOLS", params: "aa|a", run: func(c *call) Value { return c.pick(false) }},
		{name: "CHOOSEROWS", params: "aa|a", run: func(c *call) Value { return c.pick(true) }},
		{name: "HSTACK", params: "a|a", run: hstack},
		{name: "VSTACK", params: "a|a", run: vstack},
		{name: "TOCOL", params: "a[NB", run: func(c *call) Value { return c.flatten(true) }},
		{name: "TOROW", params: "a[NB", run: func(c *call) Value { return c.flatten(false) }},
		{name: "WRAPROWS", params: "an[E", run: func(c *call) Value { return c.wrap(true) }},
		{name: "WRAPCOLS", params: "an[E", run: func(c *call) Value { return c.wrap(false) }},
		{name: "PERCENTOF", params: "rr", run: percentOf},
	}
}

func transpose(c *call) Value {
	a, err := c.arrayArg(0)
	if err.isError() {
		return err
	}
	out := c.e.array(a.scols, a.srows)
	out.rows, out.cols, out.fill = a.cols, a.rows, a.fill
	for r := 0; r < a.srows; r++ {
		for col := 0; col < a.scols; col++ {
			out.set(col, r, a.At(r, col))
		}
	}
	return arrayOf(out)
}

func sequence(c *call) Value {
	rows, cols := c.wholeOr(0, 1), c.wholeOr(1, 1)
	start, step := c.numOr(2, 1), c.numOr(3, 1)
	if rows < 0 || cols < 0 || rows > maxRows || cols > maxCols {
		return errValue
	}
	if rows == 0 || cols == 0 {
		return errCalc
	}
	out := c.e.array(rows, cols)
	for i := range out.cells {
		out.cells[i] = NumberOf(start + float64(i)*step)
	}
	return arrayOf(out)
}

// rowsOf makes an array of the given rows of a.
func (e *evaluator) rowsOf(a *Array, rows []int) Value {
	out := e.array(len(rows), a.cols)
	for i, r := range rows {
		for col := 0; col < a.cols; col++ {
			out.set(i, col, a.At(r, col))
		}
	}
	return arrayOf(out)
}

func (e *evaluator) colsOf(a *Array, cols []int) Value {
	out := e.array(a.rows, len(cols))
	for r := 0; r < a.rows; r++ {
		for i, col := range cols {
			out.set(r, i, a.At(r, col))
		}
	}
	return arrayOf(out)
}

func filter(c *call) Value {
	a, err := c.arrayArg(0)
	if err.isError() {
		return err
	}
	include, err := c.arrayArg(1)
	if err.isError() {
		return err
	}
	down := include.cols == 1 && include.rows == a.rows
	across := include.rows == 1 && include.cols == a.cols
	if !down && !across {
		return errValue
	}
	var kept []int
	n := include.size()
	c.e.spend(n)
	for i := 0; i < n; i++ {
		if i == max(include.srows, include.scols) { // from here on all alike
			if b, err := c.e.boolean(include.fill); !err.isError() && !b {
				break
			}
		}
		v := include.index(i)
		if v.isText() {
			return errValue
		}
		b, err := c.e.boolean(v)
		if err.isError() {
			return err
		}
		if b {
			kept = append(kept, i)
		}
	}
	if len(kept) == 0 {
		if c.has(2) {
			return c.args[2]
		}
		return errCalc
	}
	if down {
		return c.e.rowsOf(a, kept)
	}
	return c.e.colsOf(a, kept)
}

// sortRank orders the types when sorting; blanks come last whichever way.
func sortRank(v Value) int {
	switch v.kind {
	case KindNumber:
		return 0
	case KindText:
		return 1
	case KindBoolean:
		return 2
	case KindError:
		return 3
	}
	return 4
}

// compareSorted orders two values for sorting, way being 1 or -1.
func compareSorted(a, b Value, way int) int {
	x, y := sortRank(a), sortRank(b)
	if x == 4 || y == 4 {
		return x/4 - y/4
	}
	if x != y {
		return (x - y) * way
	}
	switch x {
	case 1:
		return compareText(a.text, b.text) * way
	case 3:
		return 0
	}
	return orderOf(a, b) * way
}

// sortKey is one column to sort by and the way to sort it.
type sortKey struct {
	values *Array
	down   bool // the key runs down; else across
	at     int  // which column, or row, of values
	way    int
}

func (k sortKey) get(i int) Value {
	if k.down {
		return k.values.At(i, k.at)
	}
	return k.values.At(k.at, i)
}

// sorted returns the order of n lines by the keys.
func (e *evaluator) sorted(n int, keys []sortKey) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	e.spend(n)
	slices.SortStableFunc(order, func(i, j int) int {
		e.spend(1)
		for _, k := range keys {
			if c := compareSorted(k.get(i), k.get(j), k.way); c != 0 {
				return c
			}
		}
		return 0
	})
	return order
}

func sortArray(c *call) Value {
	a, err := c.arrayArg(0)
	if err.isError() {
		return err
	}
	across := c.flagOr(3, false)
	indexes, err := c.wholeList(1, 1)
	if err.isError() {
		return err
	}
	ways, err := c.wholeList(2, 1)
	if err.isError() {
		return err
	}
	if len(ways) != 1 && len(ways) != len(indexes) {
		return errValue
	}
	var keys []sortKey
	for i, k := range indexes {
		way := ways[0]
		if len(ways) > 1 {
			way = ways[i]
		}
		if width := a.cols; across && k > a.rows || !across && k > width || k < 1 || way != 1 && way != -1 {
			return errValue
		}
		keys = append(keys, sortKey{a, !across, k - 1, way})
	}
	if across {
		return c.e.colsOf(a, c.e.sorted(a.cols, keys))
	}
	if a.tail() > 0 && a.fill.isBlank() { // blanks stay behind
		head := arrayOf(&Array{rows: a.srows, cols: a.scols, srows: a.srows, scols: a.scols, cells: a.cells})
		for i := range keys {
			if keys[i].at >= a.scols {
				return arrayOf(a)
			}
			keys[i].values = head.array()
		}
		out := c.e.rowsOf(head.array(), c.e.sorted(a.srows, keys)).array()
		out.rows, out.cols = a.rows, a.cols
		return arrayOf(out)
	}
	return c.e.rowsOf(a, c.e.sorted(a.rows, keys))
}

// wholeList reads an argument that is one whole number or an array of them.
func (c *call) wholeList(i, otherwise int) ([]int, Value) {
	if !c.has(i) {
		return []int{otherwise}, blank
	}
	a, err := c.arrayArg(i)
	if err.isError() {
		return nil, err
	}
	c.e.spend(a.size())
	var out []int
	for k := 0; k < a.size(); k++ {
		f, err := c.e.number(a.index(k))
		if err.isError() {
			return nil, err
		}
		out = append(out, clampWhole(f))
	}
	return out, blank
}

func sortBy(c *call) Value {
	a, err := c.arrayArg(0)
	if err.isError() {
		return err
	}
	var keys []sortKey
	for i := 1; i < len(c.args); i += 2 {
		by, err := c.arrayArg(i)
		if err.isError() {
			return err
		}
		ways := []int{1}
		if i+1 < len(c.args) {
			if ways, err = c.wholeList(i+1, 1); err.isError() {
				return err
			}
		}
		if !by.vector() || len(ways) != 1 || ways[0] != 1 && ways[0] != -1 {
			return errValue
		}
		keys = append(keys, sortKey{by, by.cols == 1 && by.rows == a.rows, 0, ways[0]})
	}
	down := keys[0].down
	for _, k := range keys {
		if k.down != down || down && k.values.rows != a.rows || !down && k.values.cols != a.cols {
			return errValue
		}
	}
	if down {
		return c.e.rowsOf(a, c.e.sorted(a.rows, keys))
	}
	return c.e.colsOf(a, c.e.sorted(a.cols, keys))
}

// identity writes a line so that equal lines, but for case, read the same.
func (e *evaluator) identity(a *Array, i int, row bool) string {
	n := a.cols
	if !row {
		n = a.rows
	}
	var b strings.Builder
	for k := 0; k < n; k++ {
		v := a.At(i, k)
		if !row {
			v = a.At(k, i)
		}
		b.WriteByte(byte('0' + v.kind))
		if v.isText() {
			b.WriteString(strconv.Quote(strings.ToLower(v.text)))
		} else {
			b.WriteString(strconv.FormatFloat(v.num, 'g', 15, 64))
		}
		b.WriteByte(0)
	}
	e.spend(1 + b.Len()/8)
	return b.String()
}

func unique(c *call) Value {
	a, err := c.arrayArg(0)
	if err.isError() {
		return err
	}
	rows, once := !c.flagOr(1, false), c.flagOr(2, false)
	n, stored := a.rows, a.srows
	if !rows {
		n, stored = a.cols, a.scols
	}
	count := map[string]int{}
	var firsts []int
	var names []string
	for i := 0; i < n; i++ {
		if i == stored+2 && a.tail() > 0 { // what follows is all alike
			break
		}
		name := c.e.identity(a, i, rows)
		c.e.alloc(len(name))
		if count[name]++; count[name] == 1 {
			firsts, names = append(firsts, i), append(names, name)
		}
	}
	var kept []int
	for k, i := range firsts {
		if !once || count[names[k]] == 1 {
			kept = append(kept, i)
		}
	}
	if len(kept) == 0 {
		return errCalc
	}
	if rows {
		return c.e.rowsOf(a, kept)
	}
	return c.e.colsOf(a, kept)
}

func take(c *call) Value {
	return c.crop(func(n, size int) (from, to int) {
		if n >= 0 {
			return 0, min(n, size)
		}
		return max(0, size+n), size
	})
}

func drop(c *call) Value {
	return c.crop(func(n, size int) (from, to int) {
		if n >= 0 {
			return min(n, size), size
		}
		return 0, max(0, size+n)
	})
}

// crop keeps the rows and columns that keep gives for each count; a count left
// out keeps all.
func (c *call) crop(keep func(n, size int) (from, to int)) Value {
	v := c.args[0]
	rows, cols, err := c.e.shape(v)
	if err.isError() {
		return err
	}
	r1, r2, c1, c2 := 0, rows, 0, cols
	if c.has(1) {
		r1, r2 = keep(c.whole(1), rows)
	}
	if c.has(2) {
		c1, c2 = keep(c.whole(2), cols)
	}
	if r1 >= r2 || c1 >= c2 {
		return errCalc
	}
	return c.e.slice(v, r1, c1, r2-r1, c2-c1)
}

func expand(c *call) Value {
	a, err := c.arrayArg(0)
	if err.isError() {
		return err
	}
	rows, cols := c.wholeOr(1, a.rows), c.wholeOr(2, a.cols)
	if rows < a.rows || cols < a.cols || rows > maxRows || cols > maxCols {
		return errValue
	}
	pad := errNA
	if c.has(3) {
		pad = c.args[3]
	}
	return c.e.pasted([]*Array{a}, []int{0}, []int{0}, rows, cols, pad)
}

// pasted makes an array with others at the given rows and columns.
func (e *evaluator) pasted(parts []*Array, atRow, atCol []int, rows, cols int, pad Value) Value {
	out := e.array(rows, cols)
	for i := range out.cells {
		out.cells[i] = pad
	}
	for k, a := range parts {
		for r := 0; r < a.rows; r++ {
			for c := 0; c < a.cols; c++ {
				out.set(atRow[k]+r, atCol[k]+c, a.At(r, c))
			}
		}
	}
	return arrayOf(out)
}

// pick is CHOOSEROWS and CHOOSECOLS; negative numbers count from the end.
func (c *call) pick(rows bool) Value {
	a, err := c.arrayArg(0)
	if err.isError() {
		return err
	}
	n := a.cols
	if rows {
		n = a.rows
	}
	var kept []int
	for i := 1; i < len(c.args); i++ {
		list, err := c.wholeList(i, 0)
		if err.isError() {
			return err
		}
		for _, k := range list {
			if k == 0 || abs(k) > n {
				return errValue
			}
			if k < 0 {
				k += n + 1
			}
			kept = append(kept, k-1)
		}
	}
	if rows {
		return c.e.rowsOf(a, kept)
	}
	return c.e.colsOf(a, kept)
}

// parts reads all arguments as arrays; an error becomes one of its own.
func (c *call) parts() []*Array {
	out := make([]*Array, len(c.args))
	for i := range c.args {
		a, err := c.arrayArg(i)
		if err.isError() {
			a = newArray(1, 1)
			a.cells[0] = err
		}
		out[i] = a
	}
	return out
}

func hstack(c *call) Value {
	parts := c.parts()
	rows, cols := 0, 0
	at := make([]int, len(parts))
	for k, a := range parts {
		at[k] = cols
		rows, cols = max(rows, a.rows), cols+a.cols
	}
	if cols > maxCols {
		return errNum
	}
	return c.e.pasted(parts, make([]int, len(parts)), at, rows, cols, errNA)
}

func vstack(c *call) Value {
	parts := c.parts()
	rows, cols := 0, 0
	at := make([]int, len(parts))
	for k, a := range parts {
		at[k] = rows
		rows, cols = rows+a.rows, max(cols, a.cols)
	}
	if rows > maxRows {
		return errNum
	}
	return c.e.pasted(parts, at, make([]int, len(parts)), rows, cols, errNA)
}

// flatten is TOCOL and TOROW.
func (c *call) flatten(down bool) Value {
	a, err := c.arrayArg(0)
	if err.isError() {
		return err
	}
	ignore, byCol := c.wholeOr(1, 0), c.flagOr(2, false)
	if ignore < 0 || ignore > 3 {
		return errValue
	}
	var kept []Value
	rows, cols := a.rows, a.cols
	if ignore&1 != 0 && a.fill.isBlank() { // nothing beyond is kept
		rows, cols = a.srows, a.scols
	}
	n := rows * cols
	c.e.spend(n)
	c.e.alloc(n * valueBytes)
	for i := 0; i < n; i++ {
		r, col := i/cols, i%cols
		if byCol {
			r, col = i%rows, i/rows
		}
		v := a.At(r, col)
		if ignore&1 != 0 && v.isBlank() || ignore&2 != 0 && v.isError() {
			continue
		}
		kept = append(kept, v)
	}
	if len(kept) == 0 {
		return errCalc
	}
	out := &Array{rows: len(kept), cols: 1, srows: len(kept), scols: 1, cells: kept}
	if !down {
		out.rows, out.cols, out.srows, out.scols = 1, len(kept), 1, len(kept)
	}
	return arrayOf(out)
}

// wrap is WRAPROWS and WRAPCOLS.
func (c *call) wrap(byRow bool) Value {
	a, err := c.arrayArg(0)
	if err.isError() {
		return err
	}
	n := c.whole(1)
	if !a.vector() {
		return errValue
	}
	if n < 1 {
		return errNum
	}
	pad := errNA
	if c.has(2) {
		pad = c.args[2]
	}
	size := a.size()
	width := min(n, size)
	lines := (size + width - 1) / width
	rows, cols := lines, width
	if !byRow {
		rows, cols = width, lines
	}
	out := c.e.array(rows, cols)
	for i := 0; i < lines*width; i++ {
		v := pad
		if i < size {
			v = a.index(i)
		}
		if byRow {
			out.set(i/width, i%width, v)
		} else {
			out.set(i%width, i/width, v)
		}
	}
	return arrayOf(out)
}

func percentOf(c *call) Value {
	var sums [2]float64
	for i := range sums {
		err := c.e.foldOne(c.args[i], takeNumbers, func(f float64, n int) { sums[i] += f * float64(n) })
		if err.isError() {
			return err
		}
	}
	if sums[1] == 0 {
		return errDiv0
	}
	return NumberOf(sums[0] / math.Abs(sums[1]) * sign(sums[1]))
}
