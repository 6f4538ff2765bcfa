package formula

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// function is one built-in. Its params say what each argument becomes before
// run sees it, one letter each; "[" begins the optional ones, "|" the group that
// repeats:
//
//	n number   s text   b boolean   v any plain value   e any, errors too
//	x number as the old analysis add-in took it: no booleans, no ranges
//	r as it is (reference, array or plain)   a the same, evaluated as an array
//	f a function: LAMBDA or the name of a built-in
//
// A capital letter leaves an empty argument empty, so that it means the default;
// otherwise an empty argument is 0, "" or FALSE. Where a letter asks for a plain
// value and an array comes, the function is applied to each element.
type function struct {
	name   string
	params string
	run    func(c *call) Value
	lazy   func(e *evaluator, n *callNode, f frame) Value // decides itself what to evaluate
	reason string                                         // why it is refused
	needs  int
	most   int
	fixed  string // letters before the repeating group
	repeat string
}

// library holds every built-in by name. It is filled once, at start.
var library = map[string]*function{}

func init() {
	for _, family := range [][]function{
		logicalFunctions(), informationFunctions(), mathFunctions(), roundingFunctions(), matrixFunctions(),
		textFunctions(), dateFunctions(), lookupFunctions(), arrayFunctions(), lambdaFunctions(),
		conditionalFunctions(), statisticalFunctions(), distributionFunctions(), regressionFunctions(), financialFunctions(),
		bondFunctions(), engineeringFunctions(), complexFunctions(), databaseFunctions(), refusedFunctions(),
	} {
		for _, fn := range family {
			fn.settle()
			if library[fn.name] != nil {
				panic("formula: " + fn.name + " is defined twice")
			}
			library[fn.name] = &fn
		}
	}
}

// settle reads the parameter letters.
func (fn *function) settle() {
	fixed, repeat, _ := strings.Cut(fn.params, "|")
	required, _, _ := strings.Cut(fixed, "[")
	fn.needs = len(required)
	fn.fixed = strings.Replace(fixed, "[", "", 1)
	fn.repeat = repeat
	fn.most = len(fn.fixed)
	if repeat != "" {
		fn.most = maxArguments
	}
}

func functionNamed(name string) *function { return library[name] }

// Functions returns the names of all functions the evaluator computes, sorted.
func Functions() []string {
	var names []string
	for name, fn := range library {
		if fn.reason == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// class returns the letter of the i-th parameter.
func (fn *function) class(i int) byte {
	if i < len(fn.fixed) {
		return fn.fixed[i]
	}
	if fn.repeat == "" {
		return 'r'
	}
	return fn.repeat[(i-len(fn.fixed))%len(fn.repeat)]
}

// accepts tells whether the function can be called with n arguments.
func (fn *function) accepts(n int) bool {
	if n < fn.needs || n > fn.most {
		return false
	}
	return n <= len(fn.fixed) || (n-len(fn.fixed))%len(fn.repeat) == 0
}

// plainClass tells whether a letter asks for one plain value.
func plainClass(class byte) bool {
	switch class | 0x20 {
	case 'n', 's', 'b', 'v', 'e', 'x':
		return true
	}
	return false
}

// call is one call of a built-in, with its arguments made ready.
type call struct {
	e     *evaluator
	fn    *function
	f     frame
	nodes []node
	args  []Value
}

// call evaluates FUNCTION(…).
func (e *evaluator) call(n *callNode, f frame) Value {
	if n.book != "" {
		refuse(ReasonExternal, "The formula calls a function of another workbook, “"+clip(n.book)+"”.")
	}
	fn := n.fn
	if fn == nil || f.written != nil && f.written.declared[strings.ToLower(n.written)] {
		if v, ok := e.named(n, f); ok {
			return v
		}
	}
	if fn == nil {
		if strings.HasPrefix(n.name, "_XLL.") || strings.HasPrefix(n.name, "_XLBGNM.") {
			refuse(ReasonExternal, "“"+clip(n.written)+"” belongs to an add-in.")
		}
		e.unnamed[strings.ToLower(n.written)] = n
		return errName
	}
	if fn.reason != "" && !(fn.reason == ReasonVolatile && fn.run != nil && !e.book.sheet.Now.IsZero()) {
		refuse(fn.reason, refusalText(fn))
	}
	if !fn.accepts(len(n.args)) {
		refuse(ReasonArguments, argumentText(fn, len(n.args)))
	}
	if fn.lazy != nil {
		return fn.lazy(e, n, f)
	}
	args := make([]Value, len(n.args))
	lift := false
	for i, a := range n.args {
		v := e.argument(a, fn.class(i), f)
		if v.kind == KindArray && plainClass(fn.class(i)) {
			lift = true
		}
		args[i] = v
	}
	e.coarse = max(e.coarse, coarseness[fn.name])
	c := call{e: e, fn: fn, f: f, nodes: n.args, args: args}
	if lift {
		return c.each()
	}
	return c.apply()
}

// argument evaluates one argument as its letter wants it.
func (e *evaluator) argument(n node, class byte, f frame) Value {
	switch {
	case class == 'f':
		return e.functionArgument(n, f)
	case class == 'a':
		f.array = true
	}
	v := e.eval(n, f)
	if !plainClass(class) {
		return v
	}
	if class|0x20 == 'x' {
		switch {
		case v.kind == KindReference && !v.reference().single():
			return errValue
		case v.kind == KindBlank:
			return missing
		}
	}
	if v.kind == KindReference {
		v = e.plain(v, f)
	}
	if v.kind == KindLambda {
		return errValue
	}
	return v
}

func (r *reference) single() bool { return len(r.areas) == 1 && r.areas[0].single() }

// named calls a LET name, a parameter or a defined name that holds a lambda.
func (e *evaluator) named(n *callNode, f frame) (Value, bool) {
	lower := strings.ToLower(parameterName(n.written))
	v, ok := f.scope.find(lower)
	if !ok {
		if v, ok = e.defined(lower, f); !ok {
			return blank, false
		}
	}
	if v.isError() {
		return v, true
	}
	if v.kind != KindLambda {
		return errValue, true
	}
	return e.applyLambda(v.lambda(), e.lambdaArguments(n.args, f)), true
}

// each applies the function to every element of its array arguments.
func (c *call) each() Value {
	var lifted []int
	var arrays []Value
	for i, v := range c.args {
		if v.kind == KindArray && plainClass(c.fn.class(i)) {
			lifted = append(lifted, i)
			arrays = append(arrays, v)
		}
	}
	return c.e.broadcast(arrays, func(elements []Value) Value {
		c.e.spend(1)
		one := call{e: c.e, fn: c.fn, f: c.f, nodes: c.nodes, args: slices.Clone(c.args)}
		for k, i := range lifted {
			one.args[i] = elements[k]
		}
		v := one.apply()
		if v.kind == KindReference && !v.reference().single() && c.fn.name != "INDEX" {
			refuse(ReasonUnsupported, c.fn.name+" over an array gives an array of ranges, which is beyond this evaluator.")
		}
		return c.e.element(v)
	})
}

// element makes a plain value of what one application gave: an array cannot
// stand in an array.
func (e *evaluator) element(v Value) Value {
	v = e.values(v)
	switch v.kind {
	case KindArray:
		return v.array().At(0, 0)
	case KindLambda:
		return errCalc
	}
	return v
}

// apply makes the plain arguments what their letters ask for and runs the function.
func (c *call) apply() Value {
	for i := range c.args {
		v, ok := c.coerce(c.args[i], c.fn.class(i))
		if !ok {
			return v
		}
		c.args[i] = v
	}
	return c.fn.run(c)
}

// coerce returns the argument, or the error value that ends the call.
func (c *call) coerce(v Value, class byte) (Value, bool) {
	if !plainClass(class) {
		return v, true
	}
	if v.kind == KindMissing {
		switch {
		case class < 'a':
			return v, true
		case class == 'x': // the add-in knew no empty arguments
			return errNA, false
		}
		v = blank
	}
	switch class | 0x20 {
	case 'n', 'x':
		if class|0x20 == 'x' && v.kind == KindBoolean {
			return errValue, false
		}
		f, err := c.e.number(v)
		if err.isError() {
			return err, false
		}
		return Value{kind: KindNumber, num: f}, true
	case 's':
		s, err := c.e.string(v)
		if err.isError() {
			return err, false
		}
		return TextOf(s), true
	case 'b':
		b, err := c.e.boolean(v)
		if err.isError() {
			return err, false
		}
		return BooleanOf(b), true
	case 'v':
		return v, !v.isError()
	}
	return v, true
}

// has tells whether the i-th argument was given and is not empty.
func (c *call) has(i int) bool { return i < len(c.args) && c.args[i].kind != KindMissing }

func (c *call) num(i int) float64 { return c.args[i].num }

func (c *call) numOr(i int, otherwise float64) float64 {
	if !c.has(i) {
		return otherwise
	}
	return c.args[i].num
}

// whole returns the i-th argument cut to a whole number; far beyond any use it
// stops at ±2^31.
func (c *call) whole(i int) int {
	return int(math.Max(math.MinInt32, math.Min(math.MaxInt32, math.Trunc(c.args[i].num))))
}

func (c *call) wholeOr(i, otherwise int) int {
	if !c.has(i) {
		return otherwise
	}
	return c.whole(i)
}

func (c *call) str(i int) string { return c.args[i].text }

func (c *call) strOr(i int, otherwise string) string {
	if !c.has(i) {
		return otherwise
	}
	return c.args[i].text
}

func (c *call) flag(i int) bool { return c.args[i].num != 0 }

func (c *call) flagOr(i int, otherwise bool) bool {
	if !c.has(i) {
		return otherwise
	}
	return c.args[i].num != 0
}

// arrayArg returns an argument as an array: a plain value becomes 1 × 1. The
// second result is the error value when it cannot be one.
func (c *call) arrayArg(i int) (*Array, Value) { return c.e.arrayFrom(c.args[i]) }

func (e *evaluator) arrayFrom(v Value) (*Array, Value) {
	v = e.values(v)
	switch v.kind {
	case KindArray:
		return v.array(), blank
	case KindError:
		return nil, v
	case KindLambda:
		return nil, errValue
	case KindMissing:
		v = blank
	}
	a := newArray(1, 1)
	a.cells[0] = v
	return a, blank
}

// items visits the plain values of an argument: the filled cells of a
// reference, the elements of an array (n times where it stores one for many),
// or the value itself. at is the cell, when there is one.
func (e *evaluator) items(v Value, visit func(x Value, n int, at *place)) {
	switch v.kind {
	case KindReference:
		for _, a := range v.reference().areas {
			e.each(a, func(p place, x Value) { visit(x, 1, &p) })
		}
	case KindArray:
		a := v.array()
		e.spend(len(a.cells))
		for _, x := range a.cells {
			visit(x, 1, nil)
		}
		if n := a.tail(); n > 0 {
			visit(a.fill, n, nil)
		}
	default:
		visit(v, 1, nil)
	}
}

// taking says which values of ranges and arrays an aggregate counts.
type taking uint8

const (
	takeNumbers taking = iota // only numbers: SUM
	takeAll                   // in ranges also text as 0 and booleans as 0 and 1: MAXA
	takeAllText               // in arrays too, text counts as 0: AVERAGEA
)

// fold visits every number of the arguments from the first-th on, n times each,
// and returns the error value that stands in the way.
func (c *call) fold(first int, which taking, visit func(f float64, n int)) Value {
	for _, v := range c.args[first:] {
		if err := c.e.foldOne(v, which, visit); err.isError() {
			return err
		}
	}
	return blank
}

func (e *evaluator) foldOne(v Value, which taking, visit func(f float64, n int)) Value {
	if v.scalar() {
		f, err := e.number(v)
		if err.isError() {
			return err
		}
		visit(f, 1)
		return blank
	}
	if v.kind == KindLambda {
		return errValue
	}
	trouble := blank
	e.items(v, func(x Value, n int, at *place) {
		counted := x.isNumber() || which != takeNumbers && at != nil && (x.isBoolean() || x.isText()) || which == takeAllText && x.isText()
		if at != nil {
			e.noteRead(*at, x, counted)
		}
		if trouble.isError() {
			return
		}
		if x.isError() {
			trouble = x
		} else if counted {
			visit(x.num, n)
		}
	})
	return trouble
}

// numbers collects what fold visits.
func (c *call) numbers(first int, which taking) ([]float64, Value) {
	var out []float64
	err := c.fold(first, which, func(f float64, n int) {
		if n > 1 {
			c.e.spend(n)
			c.e.alloc(8 * n)
		}
		for ; n > 0; n-- {
			out = append(out, f)
		}
	})
	return out, err
}

// numbersOf collects the numbers of one argument.
func (c *call) numbersOf(i int) ([]float64, Value) {
	one := call{e: c.e, args: c.args[i : i+1]}
	return one.numbers(0, takeNumbers)
}

func argumentText(fn *function, n int) string {
	few := "at least"
	wanted := fn.needs
	switch {
	case n > fn.most:
		few, wanted = "at most", fn.most
	case n >= fn.needs:
		return fmt.Sprintf("%s takes its last arguments in groups of %d; %d arguments leave one incomplete.", fn.name, len(fn.repeat), n)
	case fn.needs == fn.most:
		few = "exactly"
	}
	if n > fn.most && fn.needs == fn.most {
		few = "exactly"
	}
	return fmt.Sprintf("%s takes %s %s; the formula gives it %d.", fn.name, few, plural(wanted, "argument"), n)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func refusalText(fn *function) string {
	switch fn.reason {
	case ReasonVolatile:
		return fn.name + " gives another value each time; it cannot be checked against one."
	case ReasonExternal:
		return fn.name + " fetches data from outside the workbook."
	}
	return "Excel knows " + fn.name + ", this evaluator does not."
}
