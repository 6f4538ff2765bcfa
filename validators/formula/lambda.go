package formula

import (
	"fmt"
	"strings"
)

// lambda is a function as a value: a LAMBDA with what surrounded it, or a
// built-in named where a function is wanted.
type lambda struct {
	params   []string
	optional int // how many of the last params may be left out
	body     node
	frame    frame
	builtin  *function
}

func lambdaFunctions() []function {
	return []function{
		{name: "LAMBDA", params: "r|r", lazy: makeLambda},
		{name: "LET", params: "rrr|r", lazy: let},
		{name: "ISOMITTED", params: "r", lazy: isOmitted},
		{name: "MAP", params: "rr|r", lazy: mapArrays},
		{name: "REDUCE", params: "rrf", lazy: reduce},
		{name: "SCAN", params: "rrf", lazy: scanArray},
		{name: "BYROW", params: "rf", lazy: byRow},
		{name: "BYCOL", params: "rf", lazy: byCol},
		{name: "MAKEARRAY", params: "nnf", lazy: makeArray},
	}
}

// parameter returns the name a LAMBDA parameter or a LET name declares, and
// whether it may be left out ([x]).
func parameter(n node) (name string, optional, ok bool) {
	switch n := n.(type) {
	case *nameNode:
		return strings.ToLower(n.name), false, n.sheet == "" && n.book == ""
	case *tableNode:
		inner := strings.TrimSuffix(strings.TrimPrefix(n.text, "["), "]")
		return strings.ToLower(parameterName(inner)), true, len(inner)+2 == len(n.text) && inner != ""
	case *refNode:
		return "", false, false
	}
	return "", false, false
}

func makeLambda(_ *evaluator, n *callNode, f frame) Value {
	fn := &lambda{body: n.args[len(n.args)-1], frame: f}
	for _, a := range n.args[:len(n.args)-1] {
		name, optional, ok := parameter(a)
		if !ok {
			return errValue
		}
		if optional {
			fn.optional++
		} else if fn.optional > 0 {
			return errValue
		}
		fn.params = append(fn.params, name)
	}
	return lambdaOf(fn)
}

func let(e *evaluator, n *callNode, f frame) Value {
	if len(n.args)%2 == 0 {
		refuse(ReasonArguments, "LET takes pairs of a name and a value, and one calculation at the end.")
	}
	for i := 0; i+1 < len(n.args); i += 2 {
		name, optional, ok := parameter(n.args[i])
		if !ok || optional {
			return errName
		}
		f.scope = &scope{name, e.eval(n.args[i+1], f), f.scope}
	}
	return e.eval(n.args[len(n.args)-1], f)
}

func isOmitted(e *evaluator, n *callNode, f frame) Value {
	name, _, ok := parameter(n.args[0])
	if !ok {
		return errValue
	}
	v, found := f.scope.find(name)
	if !found {
		return errValue
	}
	return BooleanOf(v.isMissing())
}

// functionArgument evaluates an argument that should be a function.
func (e *evaluator) functionArgument(n node, f frame) Value {
	if name, ok := n.(*nameNode); ok && name.sheet == "" && name.book == "" {
		lower := strings.ToLower(name.name)
		_, local := f.scope.find(lower)
		_, defined := e.book.names[lower]
		if fn := functionNamed(canonicalName(name.name)); fn != nil && !local && !defined {
			return lambdaOf(&lambda{builtin: fn, frame: f})
		}
	}
	return e.eval(n, f)
}

// lambdaOrError makes sure that a value is a function.
func (e *evaluator) function(n node, f frame) (*lambda, Value) {
	v := e.functionArgument(n, f)
	switch v.kind {
	case KindLambda:
		return v.lambda(), blank
	case KindError:
		return nil, v
	}
	return nil, errValue
}

func (e *evaluator) lambdaArguments(nodes []node, f frame) []Value {
	args := make([]Value, len(nodes))
	for i, n := range nodes {
		args[i] = e.functionArgument(n, f)
	}
	return args
}

func (e *evaluator) invoke(n *invokeNode, f frame) Value {
	v := e.eval(n.callee, f)
	if v.isError() {
		return v
	}
	if v.kind != KindLambda {
		return errRef
	}
	return e.applyLambda(v.lambda(), e.lambdaArguments(n.args, f))
}

// applyLambda calls a function value.
func (e *evaluator) applyLambda(fn *lambda, args []Value) Value {
	e.spend(1)
	if e.calls++; e.calls > e.limits.Calls {
		refuse(ReasonDepthLimit, fmt.Sprintf("LAMBDAs call each other deeper than %d levels.", e.limits.Calls))
	}
	defer func() { e.calls-- }()
	if fn.builtin != nil {
		return e.applyBuiltin(fn, args)
	}
	if len(args) > len(fn.params) || len(args) < len(fn.params)-fn.optional {
		return errValue
	}
	f := fn.frame
	for i, name := range fn.params {
		v := missing
		if i < len(args) {
			v = args[i]
		}
		f.scope = &scope{name, v, f.scope}
	}
	return e.eval(fn.body, f)
}

// applyBuiltin calls a built-in by name, as in BYROW(A1:C3,SUM).
func (e *evaluator) applyBuiltin(fn *lambda, args []Value) Value {
	nodes := make([]node, len(args))
	f := fn.frame
	for i, v := range args {
		nodes[i] = &literalNode{value: v}
	}
	return e.call(&callNode{name: fn.builtin.name, written: fn.builtin.name, fn: fn.builtin, args: nodes}, frame{at: f.at, array: true})
}

// source is what the helpers walk over: the cells of a reference, which the
// lambda then sees as references, or the elements of an array.
type source struct {
	rows, cols int
	area       *area
	arr        *Array
}

func (e *evaluator) source(n node, f frame) (source, Value) {
	f.array = true
	v := e.eval(n, f)
	if v.kind == KindReference && len(v.reference().areas) == 1 {
		a := v.reference().areas[0]
		return source{a.rows(), a.cols(), &a, nil}, blank
	}
	arr, err := e.arrayFrom(v)
	if err.isError() {
		return source{}, err
	}
	return source{arr.rows, arr.cols, nil, arr}, blank
}

// part returns a rectangle of the source.
func (s source) part(e *evaluator, row, col, rows, cols int) Value {
	if s.area != nil {
		r, c := s.area.r1+row, s.area.c1+col
		return referenceOf(oneArea(area{s.area.sheet, r, c, r + rows - 1, c + cols - 1}))
	}
	if rows == 1 && cols == 1 {
		return s.arr.At(row, col)
	}
	out := e.array(rows, cols)
	for r := 0; r < rows; r++ {
		for c := 0; c < cols; c++ {
			out.set(r, c, s.arr.At(row+r, col+c))
		}
	}
	return arrayOf(out)
}

// plainResult is what one application may put into an array.
func (e *evaluator) plainResult(v Value) Value {
	v = e.values(v)
	switch v.kind {
	case KindArray:
		if a := v.array(); a.rows == 1 && a.cols == 1 {
			return a.At(0, 0)
		}
		return errCalc
	case KindLambda:
		return errCalc
	}
	return v
}

func mapArrays(e *evaluator, n *callNode, f frame) Value {
	fn, err := e.function(n.args[len(n.args)-1], f)
	if err.isError() {
		return err
	}
	sources := make([]source, len(n.args)-1)
	rows, cols := 1, 1
	for i := range sources {
		if sources[i], err = e.source(n.args[i], f); err.isError() {
			return err
		}
		rows, cols = max(rows, sources[i].rows), max(cols, sources[i].cols)
	}
	out := e.array(rows, cols)
	for i := range out.cells {
		out.cells[i] = e.mapOne(fn, sources, i/cols, i%cols)
	}
	return arrayOf(out)
}

func (e *evaluator) mapOne(fn *lambda, sources []source, r, c int) Value {
	args := make([]Value, len(sources))
	for k, s := range sources {
		if r >= s.rows || c >= s.cols {
			return errNA
		}
		args[k] = s.part(e, r, c, 1, 1)
	}
	return e.plainResult(e.applyLambda(fn, args))
}

func reduce(e *evaluator, n *callNode, f frame) Value {
	total, values, fn, err := e.foldArguments(n, f)
	if err.isError() {
		return err
	}
	for r := 0; r < values.rows; r++ {
		for c := 0; c < values.cols; c++ {
			total = e.applyLambda(fn, []Value{total, values.part(e, r, c, 1, 1)})
		}
	}
	return total
}

func scanArray(e *evaluator, n *callNode, f frame) Value {
	total, values, fn, err := e.foldArguments(n, f)
	if err.isError() {
		return err
	}
	out := e.array(values.rows, values.cols)
	for i := range out.cells {
		total = e.plainResult(e.applyLambda(fn, []Value{total, values.part(e, i/out.cols, i%out.cols, 1, 1)}))
		out.cells[i] = total
	}
	return arrayOf(out)
}

func (e *evaluator) foldArguments(n *callNode, f frame) (start Value, values source, fn *lambda, err Value) {
	start = e.eval(n.args[0], f)
	if start.isMissing() {
		start = blank
	}
	if values, err = e.source(n.args[1], f); err.isError() {
		return
	}
	fn, err = e.function(n.args[2], f)
	return
}

func byRow(e *evaluator, n *callNode, f frame) Value {
	values, fn, err := e.lineArguments(n, f)
	if err.isError() {
		return err
	}
	out := e.array(values.rows, 1)
	for r := range out.cells {
		out.cells[r] = e.plainResult(e.applyLambda(fn, []Value{values.part(e, r, 0, 1, values.cols)}))
	}
	return arrayOf(out)
}

func byCol(e *evaluator, n *callNode, f frame) Value {
	values, fn, err := e.lineArguments(n, f)
	if err.isError() {
		return err
	}
	out := e.array(1, values.cols)
	for c := range out.cells {
		out.cells[c] = e.plainResult(e.applyLambda(fn, []Value{values.part(e, 0, c, values.rows, 1)}))
	}
	return arrayOf(out)
}

func (e *evaluator) lineArguments(n *callNode, f frame) (values source, fn *lambda, err Value) {
	if values, err = e.source(n.args[0], f); err.isError() {
		return
	}
	fn, err = e.function(n.args[1], f)
	return
}

func makeArray(e *evaluator, n *callNode, f frame) Value {
	var shape [2]int
	for i := range shape {
		size, err := e.number(e.operand(n.args[i], f))
		if err.isError() {
			return err
		}
		whole, ok := truncated(size)
		if !ok || whole < 1 {
			return errValue
		}
		shape[i] = whole
	}
	fn, err := e.function(n.args[2], f)
	if err.isError() {
		return err
	}
	if shape[0] > maxRows || shape[1] > maxCols {
		return errValue
	}
	out := e.array(shape[0], shape[1])
	for r := 0; r < out.rows; r++ {
		for c := 0; c < out.cols; c++ {
			out.set(r, c, e.plainResult(e.applyLambda(fn, []Value{NumberOf(float64(r + 1)), NumberOf(float64(c + 1))})))
		}
	}
	return arrayOf(out)
}
