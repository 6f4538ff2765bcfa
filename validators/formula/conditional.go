package formula

import (
	"math"
	"slices"
)

func conditionalFunctions() []function {
	return []function{
		{name: "COUNTIF", params: "re", run: countIf},
		{name: "SUMIF", params: "re[r", run: func(c *call) Value { return c.oneCriterion(total) }},
		{name: "AVERAGEIF", params: "re[r", run: func(c *call) Value { return c.oneCriterion(mean) }},
		{name: "COUNTIFS", params: "re|re", run: countIfs},
		{name: "SUMIFS", params: "rre|re", run: func(c *call) Value { return c.manyCriteria(total) }},
		{name: "AVERAGEIFS", params: "rre|re", run: func(c *call) Value { return c.manyCriteria(mean) }},
		{name: "MAXIFS", params: "rre|re", run: func(c *call) Value { return c.manyCriteria(largest) }},
		{name: "MINIFS", params: "rre|re", run: func(c *call) Value { return c.manyCriteria(smallest) }},
	}
}

// tally gathers the numbers that met the criteria.
type tally struct {
	n        int
	sum      float64
	min, max float64
	err      Value
}

func (t *tally) add(v Value) {
	switch {
	case t.err.isError():
	case v.isError():
		t.err = v
	case v.isNumber():
		if t.n == 0 {
			t.min, t.max = v.num, v.num
		}
		t.n++
		t.sum += v.num
		t.min, t.max = math.Min(t.min, v.num), math.Max(t.max, v.num)
	}
}

func total(t tally) Value { return NumberOf(t.sum) }

func mean(t tally) Value {
	if t.n == 0 {
		return errDiv0
	}
	return NumberOf(t.sum / float64(t.n))
}

func largest(t tally) Value  { return NumberOf(t.max) }
func smallest(t tally) Value { return NumberOf(t.min) }

// rangeArg returns the one area of an argument that must be a range.
func (c *call) rangeArg(i int) (area, Value) {
	v := c.args[i]
	if v.isError() {
		return area{}, v
	}
	if v.kind != KindReference || len(v.reference().areas) != 1 {
		c.noReferences(i)
		return area{}, errValue
	}
	return v.reference().areas[0], blank
}

// noReferences refuses an argument that is an array of references, as
// OFFSET(A1,{0;1;2},0) makes for SUBTOTAL and its like: values are kept here.
func (c *call) noReferences(i int) {
	if c.args[i].kind == KindArray && i < len(c.nodes) && makesReferences(c.nodes[i]) {
		refuse(ReasonUnsupported, c.fn.name+" over an array of references is beyond this evaluator.")
	}
}

func makesReferences(n node) bool {
	if c, ok := n.(*callNode); ok && (c.name == "OFFSET" || c.name == "INDIRECT") {
		return true
	}
	return slices.ContainsFunc(children(n), makesReferences)
}

func countIf(c *call) Value {
	a, err := c.rangeArg(0)
	if err.isError() {
		return err
	}
	meets := c.e.criterion(c.args[1])
	n, filled := 0, 0
	c.e.each(a, func(p place, v Value) {
		if !v.isBlank() {
			filled++
			hit := meets(v)
			c.e.noteRead(p, v, hit)
			if hit {
				n++
			}
		}
	})
	if meets(blank) {
		n += a.size() - filled
	}
	return NumberOf(float64(n))
}

// oneCriterion is SUMIF and AVERAGEIF: the range to sum has the shape of the
// range to look at, whatever its own is.
func (c *call) oneCriterion(result func(tally) Value) Value {
	a, err := c.rangeArg(0)
	if err.isError() {
		return err
	}
	target := a
	if c.has(2) {
		if target, err = c.rangeArg(2); err.isError() {
			return err
		}
		target.r2, target.c2 = target.r1+a.rows()-1, target.c1+a.cols()-1
		target.r2, target.c2 = min(target.r2, maxRows-1), min(target.c2, maxCols-1)
	}
	meets := c.e.criterion(c.args[1])
	t := tally{err: blank}
	take := func(p place) {
		at := place{target.sheet, target.r1 + p.row - a.r1, target.c1 + p.col - a.c1}
		if at.row <= target.r2 && at.col <= target.c2 {
			v := c.e.read(at, true)
			t.add(v)
		}
	}
	if meets(blank) { // then empty cells count: walk over the range to sum
		looked := c.e.load(a, false)
		c.e.each(target, func(p place, v Value) {
			if meets(looked.At(p.row-target.r1, p.col-target.c1)) {
				c.e.noteRead(p, v, true)
				t.add(v)
			}
		})
	} else {
		c.e.each(a, func(p place, v Value) {
			hit := meets(v)
			c.e.noteRead(p, v, hit)
			if hit {
				take(p)
			}
		})
	}
	if t.err.isError() {
		return t.err
	}
	return result(t)
}

// criteriaPairs reads range and criterion pairs from argument i on; all ranges
// must have the shape of the first.
func (c *call) criteriaPairs(i int, shape area) (ranges []*Array, tests []match, err Value) {
	for ; i+1 < len(c.args); i += 2 {
		a, err := c.rangeArg(i)
		if err.isError() {
			return nil, nil, err
		}
		if a.rows() != shape.rows() || a.cols() != shape.cols() {
			return nil, nil, errValue
		}
		ranges = append(ranges, c.e.load(a, false))
		tests = append(tests, c.e.criterion(c.args[i+1]))
	}
	return ranges, tests, blank
}

// matching visits the positions at which all criteria are met, and says whether
// the unstored rest meets them too.
func (c *call) matching(ranges []*Array, tests []match, rows, cols int, visit func(row, col int)) (rest bool) {
	for _, a := range ranges {
		rows, cols = max(rows, a.srows), max(cols, a.scols)
	}
	c.e.spend(rows * cols * len(ranges))
	for r := 0; r < rows; r++ {
		for col := 0; col < cols; col++ {
			if meetsAll(ranges, tests, r, col) {
				visit(r, col)
			}
		}
	}
	for _, meets := range tests {
		if !meets(blank) {
			return false
		}
	}
	return true
}

func meetsAll(ranges []*Array, tests []match, r, col int) bool {
	for k, a := range ranges {
		if !tests[k](a.At(r, col)) {
			return false
		}
	}
	return true
}

func countIfs(c *call) Value {
	shape, err := c.rangeArg(0)
	if err.isError() {
		return err
	}
	ranges, tests, err := c.criteriaPairs(0, shape)
	if err.isError() {
		return err
	}
	n, rows, cols := 0, 0, 0
	for _, a := range ranges {
		rows, cols = max(rows, a.srows), max(cols, a.scols)
	}
	rest := c.matching(ranges, tests, 0, 0, func(r, col int) {
		n++
		c.e.noteRead(place{shape.sheet, shape.r1 + r, shape.c1 + col}, ranges[0].At(r, col), true)
	})
	if rest {
		n += shape.size() - rows*cols
	}
	return NumberOf(float64(n))
}

func (c *call) manyCriteria(result func(tally) Value) Value {
	target, err := c.rangeArg(0)
	if err.isError() {
		return err
	}
	ranges, tests, err := c.criteriaPairs(1, target)
	if err.isError() {
		return err
	}
	values := c.e.load(target, false)
	t := tally{err: blank}
	c.matching(ranges, tests, values.srows, values.scols, func(r, col int) {
		v := values.At(r, col)
		c.e.noteRead(place{target.sheet, target.r1 + r, target.c1 + col}, v, !v.isBlank())
		t.add(v)
	})
	if t.err.isError() {
		return t.err
	}
	return result(t)
}
