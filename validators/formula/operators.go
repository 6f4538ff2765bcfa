package formula

import (
	"math"
	"strconv"
	"strings"
)

// binary applies an operator to two values, element by element where one is an array.
func (e *evaluator) binary(op string, l, r Value) Value {
	if l.scalar() && r.scalar() {
		return e.apply(op, l, r)
	}
	if l.kind == KindLambda || r.kind == KindLambda {
		return errCalc
	}
	return e.broadcast([]Value{l, r}, func(args []Value) Value { return e.apply(op, args[0], args[1]) })
}

// apply is an operator on plain values. The left side's trouble comes first.
func (e *evaluator) apply(op string, l, r Value) Value {
	switch op {
	case "=", "<>", "<", ">", "<=", ">=":
		if l.isError() {
			return l
		}
		if r.isError() {
			return r
		}
		return BooleanOf(holds(op, compareValues(l, r)))
	case "&":
		a, err := e.string(l)
		if err.isError() {
			return err
		}
		b, err := e.string(r)
		if err.isError() {
			return err
		}
		return e.newText(a + b)
	}
	x, err := e.number(l)
	if err.isError() {
		return err
	}
	y, err := e.number(r)
	if err.isError() {
		return err
	}
	switch op {
	case "+":
		return NumberOf(x + y)
	case "-":
		return NumberOf(x - y)
	case "*":
		return NumberOf(x * y)
	case "/":
		if y == 0 {
			return errDiv0
		}
		return NumberOf(x / y)
	}
	return power(x, y)
}

// power is "^" and POWER.
func power(x, y float64) Value {
	switch {
	case x == 0 && y == 0:
		return errNum
	case x == 0 && y < 0:
		return errDiv0
	}
	return NumberOf(math.Pow(x, y))
}

// negligible tells whether a sum is so small against its terms that Excel
// shows zero: the last few bits of a double.
func negligible(sum, x, y float64) bool {
	return sum != 0 && math.Abs(sum) < math.Max(math.Abs(x), math.Abs(y))*0x1p-49
}

func holds(op string, order int) bool {
	switch op {
	case "=":
		return order == 0
	case "<>":
		return order != 0
	case "<":
		return order < 0
	case ">":
		return order > 0
	case "<=":
		return order <= 0
	}
	return order >= 0
}

// newText makes a text; a text longer than Excel allows is #VALUE!.
func (e *evaluator) newText(s string) Value {
	if len(s) > maxTextLength && units(s) > maxTextLength {
		return errValue
	}
	e.alloc(len(s))
	return TextOf(s)
}

// number turns a plain value into a number; the second result is the error
// value when it cannot be one.
func (e *evaluator) number(v Value) (float64, Value) {
	switch v.kind {
	case KindNumber, KindBoolean:
		return v.num, blank
	case KindBlank, KindMissing:
		return 0, blank
	case KindText:
		e.spend(20)
		if f, ok := e.book.locale.parseNumber(v.text, e.book.sheet.Date1904); ok {
			return f, blank
		}
		return 0, errValue
	case KindError:
		return 0, v
	}
	return 0, errValue
}

// string turns a plain value into text.
func (e *evaluator) string(v Value) (string, Value) {
	switch v.kind {
	case KindText:
		return v.text, blank
	case KindNumber:
		e.spend(2)
		s := generalText(v.num)
		if d := e.book.locale.decimal; d != '.' {
			s = strings.Replace(s, ".", string(d), 1)
		}
		return s, blank
	case KindError:
		return "", v
	case KindArray, KindReference, KindLambda:
		return "", errValue
	}
	return v.String(), blank
}

// boolean turns a plain value into TRUE or FALSE.
func (e *evaluator) boolean(v Value) (bool, Value) {
	switch v.kind {
	case KindBoolean, KindNumber:
		return v.num != 0, blank
	case KindBlank, KindMissing:
		return false, blank
	case KindText:
		switch {
		case strings.EqualFold(v.text, "TRUE"):
			return true, blank
		case strings.EqualFold(v.text, "FALSE"):
			return false, blank
		}
		return false, errValue
	case KindError:
		return false, v
	}
	return false, errValue
}

// mapValue applies f to a plain value or to each element of an array.
func (e *evaluator) mapValue(v Value, f func(Value) Value) Value {
	switch v.kind {
	case KindArray:
		a := v.array()
		out := e.array(a.srows, a.scols)
		out.rows, out.cols = a.rows, a.cols
		for i, x := range a.cells {
			out.cells[i] = f(x)
		}
		if a.tail() > 0 {
			out.fill = f(a.fill)
		}
		return arrayOf(out)
	case KindReference:
		return errValue
	case KindLambda:
		return errCalc
	}
	return f(v)
}

// broadcast applies f element by element. One row is repeated down, one column
// across; where another operand has no element there is #N/A.
func (e *evaluator) broadcast(args []Value, f func([]Value) Value) Value {
	rows, cols := 1, 1
	for _, v := range args {
		if v.kind == KindArray {
			rows, cols = max(rows, v.array().rows), max(cols, v.array().cols)
		}
	}
	srows, scols := storedShape(args, rows, cols)
	out := e.array(srows, scols)
	out.rows, out.cols = rows, cols
	elements := make([]Value, len(args))
	at := func(r, c int) Value {
		for i, v := range args {
			if v.kind != KindArray {
				elements[i] = v
				continue
			}
			var ok bool
			if elements[i], ok = v.array().stretched(r, c); !ok {
				return errNA
			}
		}
		return f(elements)
	}
	for r := 0; r < srows; r++ {
		for c := 0; c < scols; c++ {
			out.cells[r*scols+c] = at(r, c)
		}
	}
	if out.tail() > 0 {
		out.fill = at(rows-1, cols-1)
	}
	return arrayOf(out)
}

// stretched returns the element for a row and a column of a larger shape.
func (a *Array) stretched(r, c int) (Value, bool) {
	if a.rows == 1 {
		r = 0
	}
	if a.cols == 1 {
		c = 0
	}
	if r >= a.rows || c >= a.cols {
		return blank, false
	}
	return a.At(r, c), true
}

// storedShape tells how much of a broadcast result must be stored: when all
// arrays have its shape, only what any of them stores.
func storedShape(args []Value, rows, cols int) (srows, scols int) {
	for _, v := range args {
		if v.kind != KindArray {
			continue
		}
		a := v.array()
		if a.rows == 1 && a.cols == 1 {
			continue
		}
		if a.rows != rows || a.cols != cols {
			return rows, cols
		}
		srows, scols = max(srows, a.srows), max(scols, a.scols)
	}
	if srows == 0 || scols == 0 {
		if rows*cols == 1 {
			return 1, 1
		}
		return 0, 0
	}
	return srows, scols
}

// rank orders the types: numbers, then texts, then booleans, then errors.
func rank(v Value) int {
	switch v.kind {
	case KindNumber, KindBlank, KindMissing:
		return 0
	case KindText:
		return 1
	case KindBoolean:
		return 2
	}
	return 3
}

// compareValues orders two plain values as the operators do: a blank is 0, ""
// or FALSE, whichever the other side is.
func compareValues(l, r Value) int {
	l, r = likeOther(l, r), likeOther(r, l)
	if a, b := rank(l), rank(r); a != b {
		if a < b {
			return -1
		}
		return 1
	}
	switch l.kind {
	case KindText:
		return compareText(l.text, r.text)
	case KindBlank, KindMissing:
		return 0
	}
	return compareNumbers(l.num, r.num)
}

func likeOther(v, other Value) Value {
	if v.kind != KindBlank && v.kind != KindMissing {
		return v
	}
	switch other.kind {
	case KindText:
		return TextOf("")
	case KindBoolean:
		return no
	case KindNumber:
		return zero
	}
	return v
}

// compareNumbers takes numbers that agree in 15 significant digits as equal.
func compareNumbers(x, y float64) int {
	switch {
	case x == y:
		return 0
	case math.Abs(x-y) <= 1e-14*math.Max(math.Abs(x), math.Abs(y)) && significant(x) == significant(y):
		return 0
	case x < y:
		return -1
	}
	return 1
}

func significant(x float64) string { return strconv.FormatFloat(x, 'e', 14, 64) }
