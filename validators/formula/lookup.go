package formula

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

func lookupFunctions() []function {
	return []function{
		{name: "VLOOKUP", params: "vrn[b", run: vlookup},
		{name: "HLOOKUP", params: "vrn[b", run: hlookup},
		{name: "LOOKUP", params: "vr[r", run: lookup},
		{name: "MATCH", params: "vr[n", run: matchFunction},
		{name: "XLOOKUP", params: "vrr[rNN", run: xlookup},
		{name: "XMATCH", params: "vr[NN", run: xmatch},
		{name: "INDEX", params: "rn[nN", run: index},
		{name: "OFFSET", params: "rnn[NN", run: offsetReference},
		{name: "INDIRECT", params: "s[b", run: indirect},
		{name: "ROW", params: "[r", run: func(c *call) Value { return c.position(true) }},
		{name: "COLUMN", params: "[r", run: func(c *call) Value { return c.position(false) }},
		{name: "ROWS", params: "a", run: func(c *call) Value { return c.extent(true) }},
		{name: "COLUMNS", params: "a", run: func(c *call) Value { return c.extent(false) }},
		{name: "AREAS", params: "r", run: areas},
		{name: "ADDRESS", params: "nn[NBV", run: address},
		{name: "FORMULATEXT", params: "r", run: formulaText},
		{name: "HYPERLINK", params: "v[V", run: hyperlink},
	}
}

// line is the row or the column a lookup walks along.
type line struct {
	a    *Array
	down bool
	at   int // the row or column it is in
}

func (l line) len() int {
	if l.down {
		return l.a.rows
	}
	return l.a.cols
}

// stored is how many elements from the start differ from the fill.
func (l line) stored() int {
	if l.down {
		return l.a.srows
	}
	return l.a.scols
}

func (l line) get(i int) Value {
	if l.down {
		return l.a.At(i, l.at)
	}
	return l.a.At(l.at, i)
}

// sameKind tells whether a lookup compares two values at all.
func sameKind(a, b Value) bool { return a.kind == b.kind }

func orderOf(a, b Value) int {
	if a.isText() {
		return compareText(a.text, b.text)
	}
	switch {
	case a.num < b.num:
		return -1
	case a.num > b.num:
		return 1
	}
	return 0
}

// equals returns the test for an exact match; text may hold wildcards.
func (c *call) equals(v Value, wild bool) match {
	if v.isText() && wild && strings.ContainsAny(v.text, "*?~") {
		c.e.spend(100 + 10*len(v.text))
		re := wildcard(v.text, true)
		return func(x Value) bool { return x.isText() && re.MatchString(x.text) }
	}
	if v.isText() {
		return func(x Value) bool { return x.isText() && equalText(x.text, v.text) }
	}
	return func(x Value) bool { return x.kind == v.kind && x.num == v.num }
}

// exactly finds the first element that passes, or -1.
func (c *call) exactly(l line, passes match) int {
	n := l.stored()
	c.e.spend(n)
	for i := 0; i < n; i++ {
		if passes(l.get(i)) {
			return i
		}
	}
	if n < l.len() && passes(l.get(n)) {
		return n
	}
	return -1
}

// nearest finds the last element not above v in a line sorted upwards, by
// halving as Excel does: what stands unsorted is found or missed as there.
func (c *call) nearest(l line, v Value) int {
	low, high := 0, l.len()-1
	if high >= l.stored() && !sameKind(l.get(high), v) {
		high = l.stored() - 1
	}
	for low <= high {
		c.e.spend(1)
		mid := low + (high-low)/2
		probe := mid
		for probe <= high && !sameKind(l.get(probe), v) {
			c.e.spend(1)
			probe++
		}
		if probe > high {
			high = mid - 1
			continue
		}
		switch order := orderOf(l.get(probe), v); {
		case order == 0:
			for probe+1 <= high && sameKind(l.get(probe+1), v) && orderOf(l.get(probe+1), v) == 0 {
				c.e.spend(1)
				probe++
			}
			return probe
		case order < 0:
			low = probe + 1
		default:
			high = mid - 1
		}
	}
	for high >= 0 && !sameKind(l.get(high), v) {
		high--
	}
	return high
}

// descending finds the last element not below v in a line sorted downwards.
func (c *call) descending(l line, v Value) int {
	found := -1
	for i := 0; i < l.stored(); i++ {
		c.e.spend(1)
		x := l.get(i)
		if !sameKind(x, v) {
			continue
		}
		order := orderOf(x, v)
		if order < 0 {
			break
		}
		if found = i; order == 0 {
			break
		}
	}
	return found
}

// sought is the value a lookup looks for: an empty cell means 0.
func (c *call) sought() Value {
	if v := c.args[0]; !v.isBlank() {
		return v
	}
	return zero
}

func vlookup(c *call) Value { return c.tableLookup(true) }
func hlookup(c *call) Value { return c.tableLookup(false) }

func (c *call) tableLookup(down bool) Value {
	t, at, err := c.tableArg(1)
	if err.isError() {
		return err
	}
	if tooLong(c.args[0]) {
		return errValue
	}
	k := c.whole(2)
	width := t.cols
	if !down {
		width = t.rows
	}
	if k < 1 {
		return errValue
	}
	if k > width {
		return errRef
	}
	l := line{t, down, 0}
	i := -1
	if c.flagOr(3, true) {
		i = c.nearest(l, c.sought())
	} else {
		i = c.exactly(l, c.equals(c.sought(), true))
	}
	if i < 0 {
		return errNA
	}
	row, col := i, k-1
	if !down {
		row, col = k-1, i
	}
	c.note(at, i, 0, down, t)
	return c.noteAt(at, row, col, t)
}

// tableArg reads an argument as an array, with its area when it has one, and
// notes no cell as counted yet.
func (c *call) tableArg(i int) (*Array, *area, Value) {
	v := c.args[i]
	if v.kind == KindReference && len(v.reference().areas) == 1 {
		a := v.reference().areas[0]
		return c.e.load(a, false), &a, blank
	}
	if v.isError() {
		return nil, nil, v
	}
	if v.kind != KindArray { // one value by itself is no table
		return nil, nil, errNA
	}
	return v.array(), nil, blank
}

// tooLong tells whether a lookup looks for a text longer than Excel compares.
func tooLong(v Value) bool { return v.isText() && len(v.text) > 255 && units(v.text) > 255 }

func (c *call) note(at *area, i, other int, down bool, t *Array) {
	if down {
		c.noteAt(at, i, other, t)
	} else {
		c.noteAt(at, other, i, t)
	}
}

// noteAt marks a cell of a looked-up table as counted and returns its value.
func (c *call) noteAt(at *area, row, col int, t *Array) Value {
	v := t.At(row, col)
	if at != nil {
		c.e.noteRead(place{at.sheet, at.r1 + row, at.c1 + col}, v, true)
	}
	return v
}

// lookup is LOOKUP in both forms: two vectors, or the first and last line of an array.
func lookup(c *call) Value {
	t, _, err := c.tableArg(1)
	if err.isError() {
		return err
	}
	down := t.rows >= t.cols
	i := c.nearest(line{t, down, 0}, c.sought())
	if c.has(2) {
		if !t.vector() {
			return errNA
		}
		result, _, err := c.tableArg(2)
		if err.isError() {
			return err
		}
		if !result.vector() {
			return errNA
		}
		if i < 0 {
			return errNA
		}
		if i >= result.size() {
			return c.beyond(2, i, result)
		}
		return result.index(i)
	}
	switch {
	case i < 0:
		return errNA
	case down:
		return t.At(i, t.cols-1)
	}
	return t.At(t.rows-1, i)
}

// beyond reads past the end of a result vector that is a range, as LOOKUP does.
func (c *call) beyond(i, k int, result *Array) Value {
	v := c.args[i]
	if v.kind != KindReference {
		return errNA
	}
	a := v.reference().areas[0]
	p := place{a.sheet, a.r1 + k, a.c1}
	if result.rows == 1 && result.cols > 1 {
		p = place{a.sheet, a.r1, a.c1 + k}
	}
	if p.row >= maxRows || p.col >= maxCols {
		return errRef
	}
	return c.e.read(p, true)
}

func matchFunction(c *call) Value {
	t, at, err := c.tableArg(1)
	if err.isError() {
		return err
	}
	if tooLong(c.args[0]) {
		return errValue
	}
	if !t.vector() || c.args[0].isBlank() {
		return errNA
	}
	l := line{t, t.cols == 1, 0}
	i := -1
	switch kind := c.wholeOr(2, 1); {
	case kind > 0:
		i = c.nearest(l, c.sought())
	case kind < 0:
		i = c.descending(l, c.sought())
	default:
		i = c.exactly(l, c.equals(c.sought(), true))
	}
	if i < 0 {
		return errNA
	}
	c.note(at, i, 0, l.down, t)
	return NumberOf(float64(i + 1))
}

// xfind is what XLOOKUP and XMATCH share; -1 when nothing matches.
func (c *call) xfind(l line, mode, way int) (int, Value) {
	v := c.args[0]
	if mode < -1 || mode > 3 || way != 1 && way != -1 && way != 2 && way != -2 {
		return 0, errValue
	}
	var passes match
	switch {
	case v.isBlank():
		passes = Value.isBlank
	case mode == 3:
		re, err := regexp.Compile(v.String())
		if err != nil {
			refuse(ReasonUnsupported, "The regular expression is wrong, or beyond what this evaluator can run.")
		}
		passes = func(x Value) bool { return x.isText() && re.MatchString(x.text) }
	default:
		passes = c.equals(v, mode == 2)
	}
	n := l.len()
	if n > l.stored()+1 {
		n = l.stored() + 1
	}
	c.e.spend(n)
	first, step, end := 0, 1, n
	if way == -1 || way == -2 {
		first, step, end = n-1, -1, -1
	}
	best := -1
	for i := first; i != end; i += step {
		x := l.get(i)
		if passes(x) {
			return i, blank
		}
		if mode != -1 && mode != 1 || !sameKind(x, v) {
			continue
		}
		if order := orderOf(x, v); order*mode > 0 && (best < 0 || orderOf(x, l.get(best))*mode < 0) {
			best = i
		}
	}
	return best, blank
}

func xmatch(c *call) Value {
	t, at, err := c.tableArg(1)
	if err.isError() {
		return err
	}
	if !t.vector() {
		return errValue
	}
	l := line{t, t.cols == 1, 0}
	i, err := c.xfind(l, c.wholeOr(2, 0), c.wholeOr(3, 1))
	switch {
	case err.isError():
		return err
	case i < 0:
		return errNA
	}
	c.note(at, i, 0, l.down, t)
	return NumberOf(float64(i + 1))
}

func xlookup(c *call) Value {
	t, at, err := c.tableArg(1)
	if err.isError() {
		return err
	}
	if !t.vector() {
		return errValue
	}
	result := c.args[2]
	rows, cols, err := c.e.shape(result)
	if err.isError() {
		return err
	}
	l := line{t, t.cols == 1, 0}
	if t.rows == 1 && t.cols == 1 && cols == 1 != (rows == 1) {
		l.down = rows == 1 && cols > 1
	}
	if l.down && rows != l.len() || !l.down && cols != l.len() {
		return errValue
	}
	i, err := c.xfind(l, c.wholeOr(4, 0), c.wholeOr(5, 1))
	if err.isError() {
		return err
	}
	if i < 0 {
		if c.has(3) {
			return c.args[3]
		}
		return errNA
	}
	c.note(at, i, 0, l.down, t)
	if l.down {
		return c.e.slice(result, i, 0, 1, cols)
	}
	return c.e.slice(result, 0, i, rows, 1)
}

// shape returns the height and width of a value.
func (e *evaluator) shape(v Value) (rows, cols int, err Value) {
	switch v.kind {
	case KindReference:
		if len(v.reference().areas) != 1 {
			return 0, 0, errRef
		}
		a := v.reference().areas[0]
		return a.rows(), a.cols(), blank
	case KindArray:
		return v.array().rows, v.array().cols, blank
	case KindError:
		return 0, 0, v
	case KindLambda, KindBlank, KindMissing:
		return 0, 0, errValue
	}
	return 1, 1, blank
}

// slice returns a rectangle of a reference (as a reference) or of an array.
func (e *evaluator) slice(v Value, row, col, rows, cols int) Value {
	if v.kind == KindReference {
		a := v.reference().areas[0]
		r, c := a.r1+row, a.c1+col
		return referenceOf(oneArea(area{a.sheet, r, c, r + rows - 1, c + cols - 1}))
	}
	if v.kind != KindArray {
		return v
	}
	a := v.array()
	if rows == 1 && cols == 1 {
		return a.At(row, col)
	}
	srows, scols := max(0, min(rows, a.srows-row)), max(0, min(cols, a.scols-col))
	if srows == 0 || scols == 0 {
		srows, scols = 0, 0
	}
	out := e.array(srows, scols)
	out.rows, out.cols, out.fill = rows, cols, a.fill
	for r := 0; r < srows; r++ {
		for c := 0; c < scols; c++ {
			out.cells[r*scols+c] = a.At(row+r, col+c)
		}
	}
	return arrayOf(out)
}

// index is INDEX in both forms. Row or column 0 means all of them.
func index(c *call) Value {
	v := c.args[0]
	if v.isError() {
		return v
	}
	which := c.wholeOr(3, 1)
	switch {
	case which < 1:
		return errValue
	case v.kind == KindReference && which <= len(v.reference().areas):
		v = referenceOf(oneArea(v.reference().areas[which-1]))
	case which > 1:
		return errRef
	case v.isBlank() || v.isMissing():
		return errValue
	case v.kind != KindArray:
		a, err := c.e.arrayFrom(v)
		if err.isError() {
			return err
		}
		v = arrayOf(a)
	}
	rows, cols, err := c.e.shape(v)
	if err.isError() {
		return err
	}
	r, col := c.whole(1), 0
	if len(c.args) > 2 {
		col = c.whole(2)
	} else {
		switch {
		case rows == 1:
			r, col = min(r, 0), c.whole(1)
		case cols != 1 && v.kind == KindReference:
			return errRef // of a range both are wanted; of an array the row is enough
		}
	}
	if r < 0 || col < 0 {
		return errValue
	}
	if r > rows || col > cols {
		return errRef
	}
	height, width := 1, 1
	if r == 0 {
		r, height = 1, rows
	}
	if col == 0 {
		col, width = 1, cols
	}
	return c.e.slice(v, r-1, col-1, height, width)
}

func offsetReference(c *call) Value {
	v := c.args[0]
	if v.isError() {
		return v
	}
	if v.kind != KindReference || len(v.reference().areas) != 1 {
		return errValue
	}
	a := v.reference().areas[0]
	height, width := c.wholeOr(3, a.rows()), c.wholeOr(4, a.cols())
	if height == 0 || width == 0 {
		return errRef
	}
	r, col := a.r1+c.whole(1), a.c1+c.whole(2)
	out := area{a.sheet, r, col, r + height - 1, col + width - 1}
	if height < 0 {
		out.r1, out.r2 = r+height+1, r
	}
	if width < 0 {
		out.c1, out.c2 = col+width+1, col
	}
	if !out.valid() {
		return errRef
	}
	return referenceOf(oneArea(out))
}

// indirect reads a text as a reference.
func indirect(c *call) Value {
	s := strings.TrimSpace(c.str(0))
	if s == "" || len(s) > 1024 {
		return errRef
	}
	t, err := parse(s, c.e.book.locale, !c.flagOr(1, true))
	if err != nil || strings.HasPrefix(s, "=") {
		return errRef
	}
	switch n := t.root.(type) {
	case *refNode:
		if n.qualified && n.book == "" {
			if _, ok := c.e.book.find(n.sheet); !ok {
				return errRef
			}
		}
	case *nameNode, *tableNode:
	case *binaryNode:
		if n.op != ":" {
			return errRef
		}
	default:
		return errRef
	}
	v := c.e.eval(t.root, frame{at: c.f.at, written: t})
	if v.kind != KindReference {
		return errRef
	}
	return v
}

// position is ROW and COLUMN.
func (c *call) position(row bool) Value {
	a := c.f.at.area()
	if c.has(0) {
		v := c.args[0]
		if v.isError() {
			return v
		}
		if v.kind != KindReference {
			return errValue
		}
		if len(v.reference().areas) != 1 {
			return errRef
		}
		a = v.reference().areas[0]
	}
	first, n := a.r1, a.rows()
	if !row {
		first, n = a.c1, a.cols()
	}
	if n == 1 || c.f.legacy && !c.f.array {
		return NumberOf(float64(first + 1))
	}
	var out *Array
	if row {
		out = c.e.array(n, 1)
	} else {
		out = c.e.array(1, n)
	}
	for i := range out.cells {
		out.cells[i] = NumberOf(float64(first + i + 1))
	}
	return arrayOf(out)
}

// extent is ROWS and COLUMNS.
func (c *call) extent(down bool) Value {
	rows, cols, err := c.e.shape(c.args[0])
	if err.isError() {
		return err
	}
	if down {
		return NumberOf(float64(rows))
	}
	return NumberOf(float64(cols))
}

func areas(c *call) Value {
	switch v := c.args[0]; v.kind {
	case KindReference:
		return NumberOf(float64(len(v.reference().areas)))
	case KindError:
		return v
	}
	return errValue
}

func address(c *call) Value {
	row, col, kind := c.whole(0), c.whole(1), c.wholeOr(2, 1)
	if row < 1 || col < 1 || row > maxRows || col > maxCols || kind < 1 || kind > 4 {
		return errValue
	}
	absRow, absCol := kind == 1 || kind == 2, kind == 1 || kind == 3
	out := addressText(row-1, col-1, absRow, absCol)
	if !c.flagOr(3, true) {
		out = "R" + bracketed(row, absRow) + "C" + bracketed(col, absCol)
	}
	if c.has(4) {
		name, err := c.e.string(c.args[4])
		if err.isError() {
			return err
		}
		for i, r := range name {
			if !isNameRune(r, false) && r != '[' && r != ']' || i == 0 && isDigit(name[0]) {
				name = "'" + strings.ReplaceAll(name, "'", "''") + "'"
				break
			}
		}
		out = name + "!" + out
	}
	return TextOf(out)
}

func bracketed(n int, absolute bool) string {
	if absolute {
		return strconv.Itoa(n)
	}
	return "[" + strconv.Itoa(n) + "]"
}

func formulaText(c *call) Value {
	v := c.args[0]
	if v.isError() {
		return v
	}
	if v.kind != KindReference {
		return errValue
	}
	return c.e.perCell(v.reference(), c.f, func(p place) Value {
		filled := c.e.book.grids[p.sheet].cells[key(p.row, p.col)]
		if filled == nil || filled.formula == "" {
			return errNA
		}
		return c.e.newText(filled.formula)
	})
}

func hyperlink(c *call) Value {
	if c.has(1) {
		return c.args[1]
	}
	return c.args[0]
}

// clampWhole cuts a number to an int without running over.
func clampWhole(f float64) int {
	return int(math.Max(math.MinInt32, math.Min(math.MaxInt32, math.Trunc(f))))
}
