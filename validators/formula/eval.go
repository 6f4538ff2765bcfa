package formula

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// evaluator carries one evaluation: its budget, its trace, its way to the cells.
type evaluator struct {
	ctx      context.Context
	book     *Workbook
	entered  Entered
	limits   Limits
	steps    int
	bytes    int
	depth    int
	calls    int
	nested   int // inside another cell's formula: its reads are not the formula's own
	trace    tracer
	naming   map[string]bool  // defined names being evaluated
	unnamed  map[string]node  // names nobody knows, with where they stand
	texts    map[string]match // compiled criteria and patterns
	coarse   float64          // see Result.Coarse
	doubtful bool             // see Result.Doubtful
}

// frame is where a node is evaluated: which cell, which reading, which names.
type frame struct {
	at      place
	scope   *scope
	legacy  bool // ranges stand for one cell of themselves
	array   bool // within an argument that takes arrays, where they do not
	written *tree
}

// scope is a list of LET names and LAMBDA parameters, the innermost first.
type scope struct {
	name   string
	value  Value
	parent *scope
}

func (s *scope) find(name string) (Value, bool) {
	for ; s != nil; s = s.parent {
		if s.name == name {
			return s.value, true
		}
	}
	return blank, false
}

// spend pays for n operations on single values.
func (e *evaluator) spend(n int) {
	before := e.steps
	e.steps += n
	if e.steps > e.limits.Steps || n < 0 || e.steps < 0 {
		refuse(ReasonStepLimit, fmt.Sprintf("The formula needs more than %d steps.", e.limits.Steps))
	}
	if before>>10 != e.steps>>10 && e.ctx.Err() != nil {
		refuse(ReasonTimeout, "The time for this formula ran out.")
	}
}

// alloc pays for n bytes.
func (e *evaluator) alloc(n int) {
	e.bytes += n
	if e.bytes > e.limits.Bytes || n < 0 || e.bytes < 0 {
		refuse(ReasonMemoryLimit, fmt.Sprintf("The formula needs more than %d MiB.", e.limits.Bytes>>20))
	}
}

const valueBytes = 40

// array makes an array that has been paid for.
func (e *evaluator) array(rows, cols int) *Array {
	if rows > 0 && cols > e.limits.Steps/rows {
		e.spend(e.limits.Steps + 1)
	}
	e.spend(rows * cols)
	e.alloc(rows * cols * valueBytes)
	return newArray(rows, cols)
}

// run evaluates a parsed formula that stands in a cell and recovers a refusal.
func (e *evaluator) run(t *tree, at place) (v Value, refusal *Refusal) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case stop:
			refusal = &r.refusal
		default:
			refusal = &Refusal{ReasonInternal, fmt.Sprintf("The evaluator failed: %v.", r)}
		}
	}()
	defer e.book.occupy(at)()
	f := frame{at: at, written: t}
	switch {
	case e.entered == EnteredIntersect && !t.array:
		f.legacy = true
	case e.entered == EnteredArray || t.array:
		f.array = true
	}
	return e.finish(e.root(t.root, f), f), nil
}

// root evaluates the outermost node. Only there does Excel take a sum that is
// almost nothing against its terms for nothing.
func (e *evaluator) root(n node, f frame) Value {
	b, ok := n.(*binaryNode)
	if !ok || b.op != "+" && b.op != "-" {
		return e.eval(n, f)
	}
	l, r := e.operand(b.l, f), e.operand(b.r, f)
	sum := e.binary(b.op, l, r)
	if sum.isNumber() && l.scalar() && r.scalar() {
		x, errX := e.number(l)
		y, errY := e.number(r)
		if !errX.isError() && !errY.isError() && negligible(sum.num, x, y) {
			return zero
		}
	}
	return sum
}

// finish turns what the formula gave into what a cell shows.
func (e *evaluator) finish(v Value, f frame) Value {
	switch v.kind {
	case KindReference:
		if f.legacy {
			v = e.intersectAt(v.reference(), f.at)
		} else {
			v = e.values(v)
		}
	case KindLambda:
		return errCalc
	}
	if v.kind == KindArray && (f.legacy || v.array().rows == 1 && v.array().cols == 1) {
		v = v.array().At(0, 0)
	}
	if v.kind == KindBlank || v.kind == KindMissing {
		return zero
	}
	return v
}

// eval gives the value of a node; references stay references.
func (e *evaluator) eval(n node, f frame) Value {
	e.spend(1)
	if e.depth++; e.depth > e.limits.Depth {
		refuse(ReasonDepthLimit, "The formula is nested too deeply to evaluate.")
	}
	defer func() { e.depth-- }()
	switch n := n.(type) {
	case *literalNode:
		return n.value
	case *missingNode:
		return missing
	case *parenNode:
		return e.eval(n.x, f)
	case *refNode:
		return e.written(n, f)
	case *nameNode:
		return e.name(n, f)
	case *tableNode:
		return e.structured(n, f)
	case *unaryNode:
		return e.unary(n, f)
	case *binaryNode:
		return e.combine(n, f)
	case *unionNode:
		return e.union(n, f)
	case *callNode:
		return e.call(n, f)
	case *invokeNode:
		return e.invoke(n, f)
	}
	return errValue
}

// operand evaluates one side of an operator: a plain value or an array.
func (e *evaluator) operand(n node, f frame) Value {
	return e.plain(e.eval(n, f), f)
}

// plain turns a reference into its value, as the reading has it.
func (e *evaluator) plain(v Value, f frame) Value {
	if v.kind != KindReference {
		return v
	}
	if f.legacy && !f.array {
		return e.intersectAt(v.reference(), f.at)
	}
	return e.values(v)
}

// values reads a reference: a plain value for one cell, else an array.
func (e *evaluator) values(v Value) Value {
	if v.kind != KindReference {
		return v
	}
	r := v.reference()
	if len(r.areas) != 1 {
		return errValue
	}
	a := r.areas[0]
	if a.single() {
		return e.read(place{a.sheet, a.r1, a.c1}, true)
	}
	return arrayOf(e.load(a, true))
}

// intersectAt gives the cell of a reference that shares the row or the column
// of the formula, as "@" does.
func (e *evaluator) intersectAt(r *reference, at place) Value {
	if len(r.areas) != 1 {
		return errValue
	}
	p, ok := shared(r.areas[0], at)
	if !ok {
		return errValue
	}
	return e.read(p, true)
}

func shared(a area, at place) (place, bool) {
	inRows, inCols := at.row >= a.r1 && at.row <= a.r2, at.col >= a.c1 && at.col <= a.c2
	switch {
	case a.single():
		return place{a.sheet, a.r1, a.c1}, true
	case a.c1 == a.c2 && inRows:
		return place{a.sheet, at.row, a.c1}, true
	case a.r1 == a.r2 && inCols:
		return place{a.sheet, a.r1, at.col}, true
	case a.r1 != a.r2 && a.c1 != a.c2 && inRows && inCols && a.sheet != at.sheet:
		return place{a.sheet, at.row, at.col}, true
	}
	return place{}, false
}

// read gives the value of one cell, evaluating its formula when it has no value.
func (e *evaluator) read(p place, counted bool) Value {
	e.spend(1)
	g := e.book.grids[p.sheet]
	c := g.cells[key(p.row, p.col)]
	if c == nil && len(g.pending) > 0 {
		e.settle(p.area())
		c = g.cells[key(p.row, p.col)]
	}
	if c == nil {
		e.noteRead(p, blank, counted)
		return blank
	}
	v := e.cellValue(p, c)
	e.noteRead(p, v, counted)
	return v
}

func (e *evaluator) cellValue(p place, c *cell) Value {
	if c.working {
		refuse(ReasonCircular, fmt.Sprintf("%s depends on itself.", e.book.address(p)))
	}
	if c.known || c.formula == "" {
		return c.value
	}
	v := e.cellFormula(p, c)
	if v.kind == KindArray {
		a := v.array()
		e.spend(a.size())
		e.alloc(a.size() * valueBytes)
		if v = a.At(0, 0); v.isBlank() {
			v = zero
		}
		if !e.book.spill(p, a) {
			v = errorOf(ErrSpill)
		}
	}
	c.value, c.known = v, true
	e.book.computed = append(e.book.computed, c)
	return v
}

// settle evaluates the formulas whose value is not given and that stand in an
// area or may spill into it, so that what they spill is there to be read. One
// that waits for the formula at hand is passed over: it is no circle to read
// beside it.
func (e *evaluator) settle(a area) {
	g := e.book.grids[a.sheet]
	e.spend(len(g.pending))
	for _, k := range g.pending {
		p := place{a.sheet, k >> 14, k & (1<<14 - 1)}
		c := g.cells[k]
		if p.row > a.r2 || p.col > a.c2 || c == nil || c.known || c.working {
			continue
		}
		if a.contains(p) {
			e.cellValue(p, c)
		} else if maySpill(c.formula) {
			e.tryCell(p, c)
		}
	}
}

func (e *evaluator) tryCell(p place, c *cell) {
	depth, calls := e.depth, e.calls
	defer func() {
		if r := recover(); r != nil {
			if s, ok := r.(stop); !ok || s.refusal.Reason != ReasonCircular {
				panic(r)
			}
			e.depth, e.calls = depth, calls
		}
	}()
	e.cellValue(p, c)
}

// maySpill tells whether a formula can give more than one value: it has a range,
// an array, or a function that makes one.
func maySpill(formula string) bool {
	if strings.ContainsAny(formula, ":{#[") {
		return true
	}
	upper := strings.ToUpper(formula)
	for _, name := range []string{"SEQUENCE", "MAKEARRAY", "MUNIT", "TEXTSPLIT", "INDIRECT", "OFFSET", "REGEXEXTRACT", "EXPAND"} {
		if strings.Contains(upper, name) {
			return true
		}
	}
	return false
}

// cellFormula evaluates the formula of another cell in its own place.
func (e *evaluator) cellFormula(p place, c *cell) Value {
	t := e.book.formula[c.formula]
	if t == nil {
		parsed, err := parse(c.formula, e.book.locale, e.book.r1c1)
		if err != nil {
			refuse(ReasonInput, fmt.Sprintf("The formula of %s does not parse: %s", e.book.address(p), err.Message))
		}
		t = parsed
		e.book.formula[c.formula] = t
	}
	c.working = true
	e.nested++
	defer func() { c.working = false; e.nested-- }()
	f := frame{at: p, written: t, legacy: e.entered == EnteredIntersect && !t.array, array: t.array}
	return e.finish(e.root(t.root, f), f)
}

// load reads an area into an array that stores no more than the sheet's filled part.
func (e *evaluator) load(a area, counted bool) *Array {
	g := e.book.grids[a.sheet]
	if len(g.pending) > 0 {
		e.settle(a)
	}
	rows := max(0, min(a.r2, g.maxRow)-a.r1+1)
	cols := max(0, min(a.c2, g.maxCol)-a.c1+1)
	if rows == 0 || cols == 0 {
		rows, cols = 0, 0
	}
	out := e.array(rows, cols)
	out.rows, out.cols = a.rows(), a.cols()
	e.each(a, func(p place, v Value) {
		out.cells[(p.row-a.r1)*cols+p.col-a.c1] = v
		e.noteRead(p, v, counted)
	})
	return out
}

// each visits the filled cells of an area in reading order.
func (e *evaluator) each(a area, visit func(p place, v Value)) {
	g := e.book.grids[a.sheet]
	if len(g.pending) > 0 {
		e.settle(a)
	}
	r2, c2 := min(a.r2, g.maxRow), min(a.c2, g.maxCol)
	if r2 < a.r1 || c2 < a.c1 {
		return
	}
	if (r2-a.r1+1)*(c2-a.c1+1) <= 4*len(g.cells) {
		for r := a.r1; r <= r2; r++ {
			e.spend(c2 - a.c1 + 1)
			for c := a.c1; c <= c2; c++ {
				if filled := g.cells[key(r, c)]; filled != nil {
					visit(place{a.sheet, r, c}, e.cellValue(place{a.sheet, r, c}, filled))
				}
			}
		}
		return
	}
	for _, k := range g.keys() {
		e.spend(1)
		p := place{a.sheet, k >> 14, k & (1<<14 - 1)}
		if filled := g.cells[k]; filled != nil && a.contains(p) {
			visit(p, e.cellValue(p, filled))
		}
	}
}

// written resolves a written reference.
func (e *evaluator) written(n *refNode, f frame) Value {
	if n.book != "" {
		refuse(ReasonExternal, "The formula refers to another workbook, “"+clip(n.book)+"”.")
	}
	sheet := f.at.sheet
	if n.qualified {
		i, ok := e.book.find(n.sheet)
		if !ok {
			refuse(ReasonInput, "There is no sheet “"+clip(n.sheet)+"” in the cells given.")
		}
		sheet = i
	}
	a, ok := n.area(sheet, f.at)
	if !ok {
		return errRef
	}
	if n.sheetEnd == "" {
		return referenceOf(oneArea(a))
	}
	return e.threeD(n, a)
}

// area gives the rectangle a written reference means in a cell.
func (n *refNode) area(sheet int, at place) (area, bool) {
	if !n.relative {
		return rectangle(sheet, n.from, n.to), true
	}
	a := rectangle(sheet, settle(n.from, at), settle(n.to, at))
	return a, a.valid()
}

// settle turns R1C1 offsets into a row and a column.
func settle(c corner, at place) corner {
	switch {
	case c.row == wholeAxis:
		c.row = -1
	case !c.absRow:
		if c.row += at.row; c.row < 0 {
			c.row = maxRows // off the sheet: the area will not be valid
		}
	}
	switch {
	case c.col == wholeAxis:
		c.col = -1
	case !c.absCol:
		if c.col += at.col; c.col < 0 {
			c.col = maxCols
		}
	}
	return c
}

// threeD gives the same area on each sheet from one to another.
func (e *evaluator) threeD(n *refNode, a area) Value {
	last, ok := e.book.find(n.sheetEnd)
	if !ok {
		refuse(ReasonInput, "There is no sheet “"+clip(n.sheetEnd)+"” in the cells given.")
	}
	order, known := e.book.sheets()
	from, to := slices.Index(order, a.sheet), slices.Index(order, last)
	if from < 0 || to < 0 || !known && len(order) > 2 {
		refuse(ReasonInput, "Which sheets stand between “"+clip(n.sheet)+"” and “"+clip(n.sheetEnd)+"” is not given.")
	}
	r := &reference{}
	for _, s := range order[min(from, to) : max(from, to)+1] {
		a.sheet = s
		r.areas = append(r.areas, a)
	}
	return referenceOf(r)
}

// name resolves a LET name, a parameter or a defined name.
func (e *evaluator) name(n *nameNode, f frame) Value {
	if n.book != "" {
		refuse(ReasonExternal, "The formula refers to another workbook, “"+clip(n.book)+"”.")
	}
	lower := strings.ToLower(n.name)
	if v, ok := f.scope.find(lower); ok {
		return v
	}
	if v, ok := e.defined(lower, f); ok {
		return v
	}
	if t := e.book.tables[lower]; t != nil {
		return referenceOf(oneArea(t.data()))
	}
	e.unnamed[lower] = n
	return errName
}

// defined evaluates a defined name, when there is one.
func (e *evaluator) defined(lower string, f frame) (Value, bool) {
	text, ok := e.book.names[lower]
	if !ok {
		return blank, false
	}
	t := e.book.trees[lower]
	if t == nil {
		parsed, err := parse(text, e.book.locale, e.book.r1c1)
		if err != nil {
			refuse(ReasonInput, "The name “"+clip(lower)+"” does not parse: "+err.Message)
		}
		t = parsed
		e.book.trees[lower] = t
	}
	if e.naming[lower] && !isLambdaTree(t) {
		refuse(ReasonCircular, "The name “"+clip(lower)+"” depends on itself.")
	}
	was := e.naming[lower]
	e.naming[lower] = true
	defer func() { e.naming[lower] = was }()
	return e.eval(t.root, frame{at: f.at, legacy: f.legacy, array: true, written: t}), true
}

// isLambdaTree tells whether a name holds a LAMBDA, which may call itself.
func isLambdaTree(t *tree) bool {
	c, ok := t.root.(*callNode)
	return ok && c.name == "LAMBDA"
}

func (e *evaluator) union(n *unionNode, f frame) Value {
	r := &reference{}
	for _, part := range n.parts {
		v := e.eval(part, f)
		if v.isError() {
			return v
		}
		if v.kind != KindReference {
			return errValue
		}
		r.areas = append(r.areas, v.reference().areas...)
		e.spend(len(r.areas))
	}
	return referenceOf(r)
}

// combine evaluates the operators, those on references first.
func (e *evaluator) combine(n *binaryNode, f frame) Value {
	if n.op != ":" && n.op != " " {
		return e.binary(n.op, e.operand(n.l, f), e.operand(n.r, f))
	}
	l, r := e.eval(n.l, f), e.eval(n.r, f)
	for _, v := range []Value{l, r} {
		if v.isError() {
			return v
		}
		if v.kind != KindReference {
			return errValue
		}
	}
	if n.op == ":" {
		return e.stretch(n, l.reference(), r.reference())
	}
	out := &reference{}
	for _, a := range l.reference().areas {
		for _, b := range r.reference().areas {
			e.spend(1)
			if both, ok := a.intersect(b); ok {
				out.areas = append(out.areas, both)
			}
		}
	}
	if len(out.areas) == 0 {
		return errNull
	}
	return referenceOf(out)
}

// stretch gives the rectangle around both sides of ":". A right side without a
// sheet stands on the left side's.
func (e *evaluator) stretch(n *binaryNode, l, r *reference) Value {
	out, right := l.areas[0], r.areas[0]
	for _, a := range l.areas[1:] {
		out = out.span(a)
	}
	if ref, ok := n.r.(*refNode); ok && !ref.qualified {
		right.sheet = out.sheet
	}
	if right.sheet != out.sheet {
		return errValue
	}
	out = out.span(right)
	for _, a := range r.areas[1:] {
		out = out.span(a)
	}
	return referenceOf(oneArea(out))
}

func (e *evaluator) unary(n *unaryNode, f frame) Value {
	switch n.op {
	case '@':
		v := e.eval(n.x, f)
		switch v.kind {
		case KindReference:
			if len(v.reference().areas) == 1 {
				if p, ok := shared(v.reference().areas[0], f.at); ok {
					return referenceOf(oneArea(p.area()))
				}
			}
			return errValue
		case KindArray:
			return v.array().At(0, 0)
		}
		return v
	case '#':
		return e.spilled(e.eval(n.x, f))
	case '+': // changes no value, but makes an array of a range
		return e.operand(n.x, f)
	}
	v := e.operand(n.x, f)
	return e.mapValue(v, func(x Value) Value {
		number, err := e.number(x)
		if err.isError() {
			return err
		}
		if n.op == '%' {
			return NumberOf(number / 100)
		}
		return NumberOf(-number)
	})
}

// spilled gives all that the formula of a cell spills.
func (e *evaluator) spilled(v Value) Value {
	if v.isError() {
		return v
	}
	if v.kind != KindReference || len(v.reference().areas) != 1 || !v.reference().areas[0].single() {
		return errRef
	}
	a := v.reference().areas[0]
	p := place{a.sheet, a.r1, a.c1}
	c := e.book.grids[p.sheet].cells[key(p.row, p.col)]
	if c == nil {
		return errRef
	}
	if c.formula == "" {
		refuse(ReasonInput, fmt.Sprintf("The formula that spills from %s is not given.", e.book.address(p)))
	}
	if c.working {
		refuse(ReasonCircular, fmt.Sprintf("%s depends on itself.", e.book.address(p)))
	}
	return e.cellFormula(p, c)
}
