package formula

import (
	"slices"
	"strings"
)

func logicalFunctions() []function {
	return []function{
		{name: "TRUE", params: "", run: func(*call) Value { return yes }},
		{name: "FALSE", params: "", run: func(*call) Value { return no }},
		{name: "NOT", params: "b", run: func(c *call) Value { return BooleanOf(!c.flag(0)) }},
		{name: "AND", params: "r|r", run: func(c *call) Value {
			return c.logical(func(trues, falses int) bool { return falses == 0 })
		}},
		{name: "OR", params: "r|r", run: func(c *call) Value {
			return c.logical(func(trues, falses int) bool { return trues > 0 })
		}},
		{name: "XOR", params: "r|r", run: func(c *call) Value {
			return c.logical(func(trues, falses int) bool { return trues%2 == 1 })
		}},
		{name: "IF", params: "vr[r", lazy: ifBranch},
		{name: "IFS", params: "vr|vr", lazy: ifs},
		{name: "SWITCH", params: "vvr|r", lazy: switchOn},
		{name: "CHOOSE", params: "nr|r", lazy: chooseBranch},
		{name: "IFERROR", params: "ee", lazy: instead(Value.isError)},
		{name: "IFNA", params: "ee", lazy: instead(func(v Value) bool { return v.Error() == ErrNA })},
	}
}

// logical counts the truth values of the arguments. Text is passed over in
// ranges and arrays; written out it must be TRUE or FALSE.
func (c *call) logical(decide func(trues, falses int) bool) Value {
	trues, falses := 0, 0
	trouble := blank
	for _, v := range c.args {
		inRange := !v.scalar()
		if v.isMissing() {
			v = no
		}
		c.e.items(v, func(x Value, n int, at *place) {
			counted := x.isNumber() || x.isBoolean() || x.isText() && !inRange
			if at != nil {
				c.e.noteRead(*at, x, counted)
			}
			switch {
			case trouble.isError():
			case x.isError():
				trouble = x
			case counted:
				b, err := c.e.boolean(x)
				if err.isError() {
					trouble = err
				} else if b {
					trues += n
				} else {
					falses += n
				}
			}
		})
	}
	switch {
	case trouble.isError():
		return trouble
	case trues+falses == 0:
		return errValue
	}
	return BooleanOf(decide(trues, falses))
}

// branch evaluates an alternative; one left empty is blank.
func (e *evaluator) branch(n node, f frame) Value {
	v := e.eval(n, f)
	if v.isMissing() {
		return blank
	}
	return v
}

// ifBranch is IF. Only the alternative that is chosen is evaluated, unless the
// condition is an array.
func ifBranch(e *evaluator, n *callNode, f frame) Value {
	test := e.operand(n.args[0], f)
	if test.kind != KindArray {
		b, err := e.boolean(test)
		switch {
		case err.isError():
			return err
		case b:
			return e.branch(n.args[1], f)
		case len(n.args) > 2:
			return e.branch(n.args[2], f)
		}
		return no
	}
	args := []Value{test, e.branchArray(n.args[1], f), no}
	if len(n.args) > 2 {
		args[2] = e.branchArray(n.args[2], f)
	}
	return e.broadcast(args, func(x []Value) Value {
		b, err := e.boolean(x[0])
		if err.isError() {
			return err
		}
		if b {
			return x[1]
		}
		return x[2]
	})
}

// branchArray evaluates an alternative to plain values.
func (e *evaluator) branchArray(n node, f frame) Value {
	v := e.plain(e.branch(n, f), f)
	if v.kind == KindLambda {
		return errCalc
	}
	return v
}

func ifs(e *evaluator, n *callNode, f frame) Value {
	tests := make([]Value, 0, len(n.args)/2)
	lifted := false
	for i := 0; i < len(n.args); i += 2 {
		test := e.operand(n.args[i], f)
		if test.kind == KindArray {
			lifted = true
		}
		tests = append(tests, test)
		if lifted {
			continue
		}
		b, err := e.boolean(test)
		if err.isError() {
			return err
		}
		if b {
			return e.branch(n.args[i+1], f)
		}
	}
	if !lifted {
		return errNA
	}
	args := tests
	for i := 1; i < len(n.args); i += 2 {
		args = append(args, e.branchArray(n.args[i], f))
	}
	half := len(args) / 2
	return e.broadcast(args, func(x []Value) Value {
		for i := 0; i < half; i++ {
			b, err := e.boolean(x[i])
			if err.isError() {
				return err
			}
			if b {
				return x[half+i]
			}
		}
		return errNA
	})
}

func switchOn(e *evaluator, n *callNode, f frame) Value {
	subject := e.operand(n.args[0], f)
	if subject.kind == KindArray {
		return e.switchArray(subject, n, f)
	}
	if subject.isError() {
		return subject
	}
	i := 1
	for ; i+1 < len(n.args); i += 2 {
		v := e.operand(n.args[i], f)
		if v.isError() {
			return v
		}
		if same(subject, v) {
			return e.branch(n.args[i+1], f)
		}
	}
	if i < len(n.args) {
		return e.branch(n.args[i], f)
	}
	return errNA
}

func (e *evaluator) switchArray(subject Value, n *callNode, f frame) Value {
	args := []Value{subject}
	for _, a := range n.args[1:] {
		args = append(args, e.branchArray(a, f))
	}
	return e.broadcast(args, func(x []Value) Value {
		if x[0].isError() {
			return x[0]
		}
		i := 1
		for ; i+1 < len(x); i += 2 {
			if same(x[0], x[i]) {
				return x[i+1]
			}
		}
		if i < len(x) {
			return x[i]
		}
		return errNA
	})
}

// same tells whether two plain values are equal as "=" has it.
func same(a, b Value) bool {
	if a.isError() || b.isError() {
		return false
	}
	return compareValues(a, b) == 0
}

func chooseBranch(e *evaluator, n *callNode, f frame) Value {
	index := e.operand(n.args[0], f)
	pick := func(v Value) (int, Value) {
		k, err := e.number(v)
		if err.isError() {
			return 0, err
		}
		i, ok := truncated(k)
		if !ok || i < 1 || i >= len(n.args) {
			return 0, errValue
		}
		return i, blank
	}
	if index.kind != KindArray {
		i, err := pick(index)
		if err.isError() {
			return err
		}
		return e.branch(n.args[i], f)
	}
	args := []Value{index}
	for _, a := range n.args[1:] {
		args = append(args, e.branchArray(a, f))
	}
	return e.broadcast(args, func(x []Value) Value {
		i, err := pick(x[0])
		if err.isError() {
			return err
		}
		return x[i]
	})
}

// instead is IFERROR and IFNA: the second argument where the first is wrong.
func instead(wrong func(Value) bool) func(*evaluator, *callNode, frame) Value {
	return func(e *evaluator, n *callNode, f frame) Value {
		v := e.operand(n.args[0], f)
		if v.isMissing() {
			v = zero
		}
		if v.kind != KindArray {
			if !wrong(v) {
				return v
			}
			return e.branchPlain(n.args[1], f)
		}
		needed := false
		a := v.array()
		for _, x := range a.cells {
			needed = needed || wrong(x)
		}
		other := blank
		if needed || wrong(a.fill) || a.tail() > 0 {
			other = e.branchPlain(n.args[1], f)
		}
		return e.broadcast([]Value{v, other}, func(x []Value) Value {
			if wrong(x[0]) {
				return x[1]
			}
			return x[0]
		})
	}
}

func (e *evaluator) branchPlain(n node, f frame) Value {
	v := e.operand(n, f)
	if v.isMissing() || v.isBlank() {
		return zero
	}
	return v
}

func informationFunctions() []function {
	return []function{
		{name: "ISBLANK", params: "e", run: is(Value.isBlank)},
		{name: "ISERROR", params: "e", run: is(Value.isError)},
		{name: "ISERR", params: "e", run: is(func(v Value) bool { return v.isError() && v.Error() != ErrNA })},
		{name: "ISNA", params: "e", run: is(func(v Value) bool { return v.Error() == ErrNA })},
		{name: "ISNUMBER", params: "e", run: is(Value.isNumber)},
		{name: "ISTEXT", params: "e", run: is(Value.isText)},
		{name: "ISNONTEXT", params: "e", run: is(func(v Value) bool { return !v.isText() })},
		{name: "ISLOGICAL", params: "e", run: is(Value.isBoolean)},
		{name: "ISREF", params: "r", run: func(c *call) Value { return BooleanOf(c.args[0].kind == KindReference) }},
		{name: "ISFORMULA", params: "r", run: isFormula},
		{name: "ISEVEN", params: "x", run: parity(0)},
		{name: "ISODD", params: "x", run: parity(1)},
		{name: "NA", params: "", run: func(*call) Value { return errNA }},
		{name: "N", params: "r", run: first(asNumber)},
		{name: "T", params: "r", run: first(asText)},
		{name: "TYPE", params: "r", run: typeOf},
		{name: "ERROR.TYPE", params: "e", run: errorType},
		{name: "CELL", params: "s[r", run: cellInfo},
		{name: "SHEET", params: "[r", run: sheetNumber},
		{name: "SHEETS", params: "[r", run: sheetCount},
	}
}

func is(test func(Value) bool) func(*call) Value {
	return func(c *call) Value { return BooleanOf(test(c.args[0])) }
}

func isFormula(c *call) Value {
	v := c.args[0]
	if v.kind != KindReference {
		if v.isError() {
			return v
		}
		return errNA
	}
	return c.e.perCell(v.reference(), c.f, func(p place) Value {
		filled := c.e.book.grids[p.sheet].cells[key(p.row, p.col)]
		return BooleanOf(filled != nil && filled.formula != "")
	})
}

// perCell makes a value of each cell of a reference without reading it.
func (e *evaluator) perCell(r *reference, f frame, of func(place) Value) Value {
	if len(r.areas) != 1 {
		return errValue
	}
	a := r.areas[0]
	if a.single() {
		return of(place{a.sheet, a.r1, a.c1})
	}
	if f.legacy && !f.array {
		return of(place{a.sheet, a.r1, a.c1})
	}
	out := e.array(a.rows(), a.cols())
	for i := range out.cells {
		out.cells[i] = of(place{a.sheet, a.r1 + i/out.cols, a.c1 + i%out.cols})
	}
	return arrayOf(out)
}

func parity(rest int) func(*call) Value {
	return func(c *call) Value {
		n := c.num(0)
		if n < 0 {
			n = -n
		}
		whole := float64(int64(n))
		return BooleanOf(int64(whole)%2 == int64(rest))
	}
}

// first applies f to the first cell of a reference, or to each element of an array.
func first(f func(Value) Value) func(*call) Value {
	return func(c *call) Value {
		v := c.args[0]
		if v.kind == KindReference {
			a := v.reference().areas[0]
			v = c.e.read(place{a.sheet, a.r1, a.c1}, true)
		}
		return c.e.mapValue(v, f)
	}
}

func asNumber(v Value) Value {
	switch v.kind {
	case KindNumber, KindError:
		return v
	case KindBoolean:
		return NumberOf(v.num)
	}
	return zero
}

func asText(v Value) Value {
	if v.isText() || v.isError() {
		return v
	}
	return TextOf("")
}

func typeOf(c *call) Value {
	v := c.args[0]
	if v.kind == KindReference {
		if v.reference().single() {
			v = c.e.plain(v, c.f)
		} else {
			return NumberOf(64)
		}
	}
	switch v.kind {
	case KindText:
		return NumberOf(2)
	case KindBoolean:
		return NumberOf(4)
	case KindError:
		return NumberOf(16)
	case KindArray:
		return NumberOf(64)
	case KindLambda:
		return NumberOf(128)
	}
	return NumberOf(1)
}

func errorType(c *call) Value {
	if code := c.args[0].Error(); code != 0 {
		return NumberOf(float64(code))
	}
	return errNA
}

// cellInfo is CELL for what a cell's place and value tell; the rest hangs on
// the file and the screen.
func cellInfo(c *call) Value {
	at := c.f.at
	if c.has(1) {
		v := c.args[1]
		if v.isError() {
			return v
		}
		if v.kind != KindReference {
			return errValue
		}
		a := v.reference().areas[0]
		at = place{a.sheet, a.r1, a.c1}
	}
	switch strings.ToLower(c.str(0)) {
	case "row":
		return NumberOf(float64(at.row + 1))
	case "col":
		return NumberOf(float64(at.col + 1))
	case "address":
		if at.sheet != c.f.at.sheet {
			refuse(ReasonExternal, "CELL(\"address\") of another sheet shows the name of the file.")
		}
		return TextOf(addressText(at.row, at.col, true, true))
	case "contents":
		return c.e.read(at, true)
	case "type":
		switch v := c.e.read(at, true); v.kind {
		case KindBlank:
			return TextOf("b")
		case KindText:
			return TextOf("l")
		}
		return TextOf("v")
	case "color", "filename", "format", "parentheses", "prefix", "protect", "width":
		refuse(ReasonExternal, "CELL(\""+strings.ToLower(c.str(0))+"\") shows something of the file, which is not given.")
	}
	return errValue
}

func sheetNumber(c *call) Value {
	sheet := c.f.at.sheet
	if c.has(0) {
		switch v := c.args[0]; v.kind {
		case KindReference:
			sheet = v.reference().areas[0].sheet
		case KindError:
			return v
		case KindText:
			i, ok := c.e.book.find(v.text)
			if !ok {
				return errNA
			}
			sheet = i
		default:
			return errNA
		}
	}
	order, known := c.e.book.sheets()
	at := slices.Index(order, sheet)
	if !known || at < 0 {
		refuse(ReasonInput, "The order of the sheets is not given.")
	}
	return NumberOf(float64(at + 1))
}

func sheetCount(c *call) Value {
	if !c.has(0) {
		order, known := c.e.book.sheets()
		if !known {
			refuse(ReasonInput, "Which sheets there are is not given.")
		}
		return NumberOf(float64(len(order)))
	}
	v := c.args[0]
	if v.kind != KindReference {
		return errRef
	}
	seen := map[int]bool{}
	for _, a := range v.reference().areas {
		seen[a.sheet] = true
	}
	return NumberOf(float64(len(seen)))
}
