package formula

import (
	"math"
	"slices"
)

func statisticalFunctions() []function {
	list := []function{
		{name: "COUNT", params: "r|r", run: count},
		{name: "COUNTA", params: "r|r", run: countA},
		{name: "COUNTBLANK", params: "r", run: countBlank},
		{name: "AVERAGE", params: "r|r", run: of(takeNumbers, meanOf)},
		{name: "AVERAGEA", params: "r|r", run: of(takeAllText, meanOf)},
		{name: "MAX", params: "r|r", run: extreme(takeNumbers, math.Max)},
		{name: "MAXA", params: "r|r", run: extreme(takeAll, math.Max)},
		{name: "MIN", params: "r|r", run: extreme(takeNumbers, math.Min)},
		{name: "MINA", params: "r|r", run: extreme(takeAll, math.Min)},
		{name: "MEDIAN", params: "r|r", run: of(takeNumbers, median)},
		{name: "AVEDEV", params: "r|r", run: of(takeNumbers, meanDeviation)},
		{name: "DEVSQ", params: "r|r", run: of(takeNumbers, func(x []float64) Value {
			if len(x) == 0 {
				return errNum
			}
			return NumberOf(squaredDeviations(x))
		})},
		{name: "GEOMEAN", params: "r|r", run: of(takeNumbers, geometricMean)},
		{name: "HARMEAN", params: "r|r", run: of(takeNumbers, harmonicMean)},
		{name: "SKEW", params: "r|r", run: of(takeNumbers, skew)},
		{name: "SKEW.P", params: "r|r", run: of(takeNumbers, skewP)},
		{name: "KURT", params: "r|r", run: of(takeNumbers, kurtosis)},
		{name: "MODE", params: "a|a", run: modeSingle},
		{name: "MODE.SNGL", params: "a|a", run: modeSingle},
		{name: "MODE.MULT", params: "a|a", run: modeMultiple},
		{name: "LARGE", params: "rn", run: func(c *call) Value { return c.ranked(true) }},
		{name: "SMALL", params: "rn", run: func(c *call) Value { return c.ranked(false) }},
		{name: "TRIMMEAN", params: "rn", run: trimMean},
		{name: "FREQUENCY", params: "aa", run: frequency},
		{name: "STANDARDIZE", params: "nnn", run: standardize},
		{name: "PROB", params: "aan[N", run: prob},
	}
	for names, deviation := range map[[4]string]func([]float64) Value{
		{"STDEV", "STDEV.S", "", "STDEVA"}: func(x []float64) Value { return rootOf(variance(x, 1)) },
		{"STDEVP", "STDEV.P", "", "STDEVPA"}: func(x []float64) Value {
			return rootOf(variance(x, 0))
		},
		{"VAR", "VAR.S", "", "VARA"}:   func(x []float64) Value { return variance(x, 1) },
		{"VARP", "VAR.P", "", "VARPA"}: func(x []float64) Value { return variance(x, 0) },
	} {
		list = append(list,
			function{name: names[0], params: "r|r", run: of(takeNumbers, deviation)},
			function{name: names[1], params: "r|r", run: of(takeNumbers, deviation)},
			function{name: names[3], params: "r|r", run: of(takeAll, deviation)})
	}
	for _, name := range []string{"PERCENTILE", "PERCENTILE.INC"} {
		list = append(list, function{name: name, params: "rn", run: func(c *call) Value { return c.quantile(c.num(1), inclusive) }})
	}
	list = append(list, function{name: "PERCENTILE.EXC", params: "rn", run: func(c *call) Value { return c.quantile(c.num(1), exclusive) }})
	for _, name := range []string{"QUARTILE", "QUARTILE.INC"} {
		list = append(list, function{name: name, params: "rn", run: func(c *call) Value { return c.quantile(math.Trunc(c.num(1))/4, inclusive) }})
	}
	list = append(list, function{name: "QUARTILE.EXC", params: "rn", run: func(c *call) Value { return c.quantile(math.Trunc(c.num(1))/4, exclusive) }})
	for _, name := range []string{"PERCENTRANK", "PERCENTRANK.INC"} {
		list = append(list, function{name: name, params: "rn[N", run: func(c *call) Value { return c.percentRank(inclusive) }})
	}
	list = append(list, function{name: "PERCENTRANK.EXC", params: "rn[N", run: func(c *call) Value { return c.percentRank(exclusive) }})
	for _, name := range []string{"RANK", "RANK.EQ"} {
		list = append(list, function{name: name, params: "nr[n", run: func(c *call) Value { return c.rankOf(false) }})
	}
	return append(list, function{name: "RANK.AVG", params: "nr[n", run: func(c *call) Value { return c.rankOf(true) }})
}

// of makes a function of all the numbers in the arguments.
func of(which taking, f func([]float64) Value) func(*call) Value {
	return func(c *call) Value {
		x, err := c.numbers(0, which)
		if err.isError() {
			return err
		}
		c.e.spend(len(x))
		return f(x)
	}
}

// count passes over errors and what is no number.
func count(c *call) Value {
	n := 0
	for _, v := range c.args {
		if v.scalar() {
			if _, err := c.e.number(v); !err.isError() {
				n++
			}
			continue
		}
		c.e.items(v, func(x Value, times int, at *place) {
			if at != nil {
				c.e.noteRead(*at, x, x.isNumber())
			}
			if x.isNumber() {
				n += times
			}
		})
	}
	return NumberOf(float64(n))
}

func countA(c *call) Value {
	n := 0
	for _, v := range c.args {
		if v.scalar() {
			n++
			continue
		}
		c.e.items(v, func(x Value, times int, at *place) {
			if at != nil {
				c.e.noteRead(*at, x, !x.isBlank())
			}
			if !x.isBlank() {
				n += times
			}
		})
	}
	return NumberOf(float64(n))
}

func countBlank(c *call) Value {
	a, err := c.rangeArg(0)
	if err.isError() {
		return err
	}
	n := a.size()
	c.e.each(a, func(p place, v Value) {
		empty := v.isBlank() || v.isText() && v.text == ""
		c.e.noteRead(p, v, empty)
		if !empty {
			n--
		}
	})
	return NumberOf(float64(n))
}

func extreme(which taking, better func(a, b float64) float64) func(*call) Value {
	return func(c *call) Value {
		best, any := 0.0, false
		err := c.fold(0, which, func(f float64, _ int) {
			if any {
				best = better(best, f)
			} else {
				best, any = f, true
			}
		})
		if err.isError() {
			return err
		}
		return NumberOf(best)
	}
}

func sumOf(x []float64) float64 {
	total := 0.0
	for _, f := range x {
		total += f
	}
	return total
}

func average(x []float64) float64 { return sumOf(x) / float64(len(x)) }

func meanOf(x []float64) Value {
	if len(x) == 0 {
		return errDiv0
	}
	return NumberOf(average(x))
}

func median(x []float64) Value {
	if len(x) == 0 {
		return errNum
	}
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	if n%2 == 1 {
		return NumberOf(x[n/2])
	}
	return NumberOf((x[n/2-1] + x[n/2]) / 2)
}

func meanDeviation(x []float64) Value {
	if len(x) == 0 {
		return errNum
	}
	m, total := average(x), 0.0
	for _, f := range x {
		total += math.Abs(f - m)
	}
	return NumberOf(total / float64(len(x)))
}

func squaredDeviations(x []float64) float64 {
	m, total := average(x), 0.0
	for _, f := range x {
		total += (f - m) * (f - m)
	}
	return total
}

// variance divides by n less the degrees of freedom lost.
func variance(x []float64, lost int) Value {
	if len(x) <= lost {
		return errDiv0
	}
	return NumberOf(squaredDeviations(x) / float64(len(x)-lost))
}

func rootOf(v Value) Value {
	if v.isError() {
		return v
	}
	return NumberOf(math.Sqrt(v.num))
}

func geometricMean(x []float64) Value {
	if len(x) == 0 {
		return errNum
	}
	total := 0.0
	for _, f := range x {
		if f <= 0 {
			return errNum
		}
		total += math.Log(f)
	}
	return NumberOf(math.Exp(total / float64(len(x))))
}

func harmonicMean(x []float64) Value {
	if len(x) == 0 {
		return errNum
	}
	total := 0.0
	for _, f := range x {
		if f <= 0 {
			return errNum
		}
		total += 1 / f
	}
	return NumberOf(float64(len(x)) / total)
}

// moment is the sum of the k-th powers of the standardized deviations.
func moment(x []float64, deviation float64, k int) float64 {
	m, total := average(x), 0.0
	for _, f := range x {
		total += math.Pow((f-m)/deviation, float64(k))
	}
	return total
}

func skew(x []float64) Value {
	n := float64(len(x))
	if n < 3 {
		return errDiv0
	}
	s := math.Sqrt(squaredDeviations(x) / (n - 1))
	if s == 0 {
		return errDiv0
	}
	return NumberOf(n / (n - 1) / (n - 2) * moment(x, s, 3))
}

func skewP(x []float64) Value {
	n := float64(len(x))
	if n < 3 {
		return errDiv0
	}
	s := math.Sqrt(squaredDeviations(x) / n)
	if s == 0 {
		return errDiv0
	}
	return NumberOf(moment(x, s, 3) / n)
}

func kurtosis(x []float64) Value {
	n := float64(len(x))
	if n < 4 {
		return errDiv0
	}
	s := math.Sqrt(squaredDeviations(x) / (n - 1))
	if s == 0 {
		return errDiv0
	}
	return NumberOf(n*(n+1)/((n-1)*(n-2)*(n-3))*moment(x, s, 4) - 3*(n-1)*(n-1)/((n-2)*(n-3)))
}

// modes counts how often each number comes, in the order of first coming. One
// value by itself must be a number.
func (c *call) modes() (order []float64, times map[float64]int, err Value) {
	times = map[float64]int{}
	for i, v := range c.args {
		single := v.scalar() || v.kind == KindReference && v.reference().single()
		if single {
			if x := c.e.values(v); !x.isNumber() && !x.isError() {
				return nil, nil, errValue
			}
		}
		x, err := c.numbersOf(i)
		if err.isError() {
			return nil, nil, err
		}
		for _, f := range x {
			if times[f]++; times[f] == 1 {
				order = append(order, f)
			}
		}
	}
	return order, times, blank
}

func modeSingle(c *call) Value {
	order, times, err := c.modes()
	if err.isError() {
		return err
	}
	best, most := 0.0, 1
	for _, f := range order {
		if times[f] > most {
			best, most = f, times[f]
		}
	}
	if most == 1 {
		return errNA
	}
	return NumberOf(best)
}

func modeMultiple(c *call) Value {
	order, times, err := c.modes()
	if err.isError() {
		return err
	}
	most := 2
	for _, n := range times {
		most = max(most, n)
	}
	var rows [][]Value
	for _, f := range order {
		if times[f] == most {
			rows = append(rows, []Value{NumberOf(f)})
		}
	}
	if len(rows) == 0 {
		return errNA
	}
	return arrayOf(rowsArray(rows))
}

func (c *call) ranked(large bool) Value {
	x, err := c.numbersOf(0)
	if err.isError() {
		return err
	}
	k := math.Ceil(c.num(1))
	if k < 1 || k > float64(len(x)) {
		return errNum
	}
	c.e.spend(len(x))
	x = slices.Sorted(slices.Values(x))
	if large {
		return NumberOf(x[len(x)-int(k)])
	}
	return NumberOf(x[int(k)-1])
}

func trimMean(c *call) Value {
	x, err := c.numbersOf(0)
	if err.isError() {
		return err
	}
	share := c.num(1)
	if len(x) == 0 || share < 0 || share >= 1 {
		return errNum
	}
	cut := int(math.Floor(float64(len(x)) * share / 2))
	x = slices.Sorted(slices.Values(x))
	return meanOf(x[cut : len(x)-cut])
}

// quantile methods: inclusive counts the ends as 0 and 1.
type method uint8

const (
	inclusive method = iota
	exclusive
)

func (c *call) quantile(p float64, how method) Value {
	x, err := c.numbersOf(0)
	if err.isError() {
		return err
	}
	n := float64(len(x))
	if n == 0 || p < 0 || p > 1 {
		return errNum
	}
	at := p * (n - 1)
	if how == exclusive {
		if at = p*(n+1) - 1; at < 0 || at > n-1 {
			return errNum
		}
	}
	c.e.spend(len(x))
	x = slices.Sorted(slices.Values(x))
	low := math.Floor(at + 1e-12)
	if low >= n-1 {
		return NumberOf(x[len(x)-1])
	}
	return NumberOf(x[int(low)] + (at-low)*(x[int(low)+1]-x[int(low)]))
}

// percentRank cuts its result to a number of digits; it does not round.
func (c *call) percentRank(how method) Value {
	x, err := c.numbersOf(0)
	if err.isError() {
		return err
	}
	digits := c.wholeOr(2, 3)
	if len(x) == 0 || digits < 1 {
		return errNum
	}
	v := c.num(1)
	x = slices.Sorted(slices.Values(x))
	n := float64(len(x))
	if v < x[0] || v > x[len(x)-1] {
		return errNA
	}
	below, _ := slices.BinarySearch(x, v)
	at := float64(below)
	if x[below] != v {
		at = float64(below-1) + (v-x[below-1])/(x[below]-x[below-1])
	}
	p := 1.0
	switch {
	case how == exclusive:
		p = (at + 1) / (n + 1)
	case n > 1:
		p = at / (n - 1)
	}
	return NumberOf(rounded(p, min(digits, 15), toward))
}

func (c *call) rankOf(shared bool) Value {
	if c.args[1].kind != KindReference {
		if c.args[1].isError() {
			return c.args[1]
		}
		return errValue
	}
	x, err := c.numbersOf(1)
	if err.isError() {
		return err
	}
	v := c.num(0)
	before, equal := 0, 0
	upward := c.wholeOr(2, 0) != 0
	for _, f := range x {
		switch {
		case f == v:
			equal++
		case f < v == upward:
			before++
		}
	}
	if equal == 0 {
		return errNA
	}
	r := float64(before + 1)
	if shared {
		r += float64(equal-1) / 2
	}
	return NumberOf(r)
}

// frequency counts the data up to each bound, and above the last.
func frequency(c *call) Value {
	data, err := c.numbersOf(0)
	if err.isError() {
		return err
	}
	bounds, err := c.numbersOf(1)
	if err.isError() {
		return err
	}
	if len(bounds) == 0 {
		return NumberOf(float64(len(data)))
	}
	order := make([]int, len(bounds))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return int(sign(bounds[i] - bounds[j])) })
	counts := make([]int, len(bounds)+1)
	c.e.spend(len(data))
	for _, f := range data {
		k, _ := slices.BinarySearchFunc(order, f, func(i int, f float64) int { return int(sign(bounds[i] - f)) })
		if k == len(order) {
			counts[len(bounds)]++
		} else {
			counts[order[k]]++
		}
	}
	out := c.e.array(len(counts), 1)
	for i, n := range counts {
		out.cells[i] = NumberOf(float64(n))
	}
	return arrayOf(out)
}

func standardize(c *call) Value {
	if c.num(2) <= 0 {
		return errNum
	}
	return NumberOf((c.num(0) - c.num(1)) / c.num(2))
}

func prob(c *call) Value {
	x, p, err := c.pairs(0, 1)
	if err.isError() {
		return err
	}
	low := c.num(2)
	high := c.numOr(3, low)
	total, within := 0.0, 0.0
	for i := range x {
		if p[i] <= 0 || p[i] > 1 {
			return errNum
		}
		total += p[i]
		if x[i] >= low && x[i] <= high {
			within += p[i]
		}
	}
	if math.Abs(total-1) > 1e-7 {
		return errNum
	}
	return NumberOf(within)
}
