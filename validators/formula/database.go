package formula

import (
	"math"
	"strings"
)

func databaseFunctions() []function {
	list := []function{
		{name: "DCOUNT", params: "rrr", run: func(c *call) Value {
			return c.database(func(v Value) bool { return v.isNumber() }, func(v []Value) Value { return NumberOf(float64(len(v))) })
		}},
		{name: "DCOUNTA", params: "rrr", run: func(c *call) Value {
			return c.database(func(v Value) bool { return !v.isBlank() }, func(v []Value) Value { return NumberOf(float64(len(v))) })
		}},
		{name: "DGET", params: "rrr", run: func(c *call) Value {
			return c.database(func(Value) bool { return true }, func(v []Value) Value {
				switch len(v) {
				case 0:
					return errValue
				case 1:
					return v[0]
				}
				return errNum
			})
		}},
	}
	for name, f := range map[string]func([]float64) Value{
		"DSUM":     func(x []float64) Value { return NumberOf(sumOf(x)) },
		"DAVERAGE": meanOf,
		"DMAX": func(x []float64) Value {
			best := math.Inf(-1)
			for _, f := range x {
				best = math.Max(best, f)
			}
			if len(x) == 0 {
				best = 0
			}
			return NumberOf(best)
		},
		"DMIN": func(x []float64) Value {
			best := math.Inf(1)
			for _, f := range x {
				best = math.Min(best, f)
			}
			if len(x) == 0 {
				best = 0
			}
			return NumberOf(best)
		},
		"DPRODUCT": func(x []float64) Value {
			p := 1.0
			for _, f := range x {
				p *= f
			}
			if len(x) == 0 {
				p = 0
			}
			return NumberOf(p)
		},
		"DSTDEV":  func(x []float64) Value { return rootOf(variance(x, 1)) },
		"DSTDEVP": func(x []float64) Value { return rootOf(variance(x, 0)) },
		"DVAR":    func(x []float64) Value { return variance(x, 1) },
		"DVARP":   func(x []float64) Value { return variance(x, 0) },
	} {
		list = append(list, function{name: name, params: "rrr", run: func(c *call) Value {
			return c.database(Value.isNumber, func(v []Value) Value {
				x := make([]float64, len(v))
				for i := range v {
					x[i] = v[i].num
				}
				return f(x)
			})
		}})
	}
	return list
}

// database gathers the field of the records that meet the criteria.
func (c *call) database(wanted func(Value) bool, result func([]Value) Value) Value {
	where, err := c.rangeArg(0)
	if err.isError() {
		return err
	}
	rules, err := c.rangeArg(2)
	if err.isError() {
		return err
	}
	data, criteria := c.e.load(where, false), c.e.load(rules, true)
	field, err := c.field(data)
	if err.isError() {
		return err
	}
	tests, err := c.recordTests(data, criteria)
	if err.isError() {
		return err
	}
	var kept []Value
	for r := 1; r < data.srows; r++ {
		c.e.spend(1 + len(tests))
		if !anyRule(tests, data, r) {
			continue
		}
		if field < 0 {
			kept = append(kept, zero)
			continue
		}
		v := data.At(r, field)
		c.e.noteRead(place{where.sheet, where.r1 + r, where.c1 + field}, v, wanted(v))
		if v.isError() {
			return v
		}
		if wanted(v) {
			kept = append(kept, v)
		}
	}
	return result(kept)
}

// field reads which column is meant: its title or its number; -1 for none, as
// DCOUNT allows.
func (c *call) field(data *Array) (int, Value) {
	v := c.e.plain(c.args[1], c.f)
	switch v.kind {
	case KindMissing, KindBlank:
		if strings.HasPrefix(c.fn.name, "DCOUNT") {
			return -1, blank
		}
		return 0, errValue
	case KindText:
		for col := 0; col < data.cols; col++ {
			if title := data.At(0, col); strings.EqualFold(strings.TrimSpace(title.String()), strings.TrimSpace(v.text)) {
				return col, blank
			}
		}
		return 0, errValue
	case KindError:
		return 0, v
	}
	k := clampWhole(v.num)
	if k < 1 || k > data.cols {
		return 0, errValue
	}
	return k - 1, blank
}

// rule is one cell of the criteria: a column and what it must meet.
type rule struct {
	col   int
	meets match
}

// recordTests reads the criteria: the rows are alternatives, the cells of a row
// must all be met.
func (c *call) recordTests(data, criteria *Array) ([][]rule, Value) {
	var out [][]rule
	for r := 1; r < criteria.rows; r++ {
		if r > criteria.srows { // empty rows to the end: all alike
			break
		}
		var row []rule
		for k := 0; k < criteria.cols; k++ {
			v := criteria.At(r, k)
			if v.isBlank() {
				continue
			}
			col := -1
			title := criteria.At(0, k).String()
			for i := 0; i < data.cols; i++ {
				if strings.EqualFold(data.At(0, i).String(), title) {
					col = i
					break
				}
			}
			if col < 0 {
				refuse(ReasonUnsupported, "A criterion whose title is no field may be a formula of its own.")
			}
			row = append(row, rule{col, c.recordCriterion(v)})
		}
		out = append(out, row)
	}
	if len(out) == 0 {
		return nil, errValue
	}
	return out, blank
}

// recordCriterion: a plain text finds what begins with it; "=text" what equals it.
func (c *call) recordCriterion(v Value) match {
	if !v.isText() {
		return c.e.criterion(v)
	}
	op, rest := splitOperator(v.text)
	if op != "" {
		return c.e.criterion(v)
	}
	if _, ok := c.e.book.locale.parsePlain(rest); ok {
		return c.e.criterion(v)
	}
	re := wildcard(strings.TrimRight(rest, "*")+"*", true)
	return func(x Value) bool { return x.isText() && re.MatchString(x.text) }
}

func anyRule(tests [][]rule, data *Array, r int) bool {
	for _, row := range tests {
		met := true
		for _, t := range row {
			if !t.meets(data.At(r, t.col)) {
				met = false
				break
			}
		}
		if met {
			return true
		}
	}
	return false
}
