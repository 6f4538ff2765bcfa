package formula

import (
	"math"
	"strconv"
)

func roundingFunctions() []function {
	return []function{
		{name: "ROUND", params: "nn", run: func(c *call) Value { return NumberOf(rounded(c.num(0), c.whole(1), halfUp)) }},
		{name: "ROUNDUP", params: "nn", run: func(c *call) Value { return NumberOf(rounded(c.num(0), ceilWhole(c.num(1)), away)) }},
		{name: "ROUNDDOWN", params: "nn", run: func(c *call) Value { return NumberOf(rounded(c.num(0), c.whole(1), toward)) }},
		{name: "TRUNC", params: "n[n", run: func(c *call) Value { return NumberOf(rounded(c.num(0), c.wholeOr(1, 0), toward)) }},
		{name: "INT", params: "n", run: ofNumber(math.Floor)},
		{name: "EVEN", params: "n", run: ofNumber(even)},
		{name: "ODD", params: "n", run: ofNumber(odd)},
		{name: "MROUND", params: "xx", run: mround},
		{name: "CEILING", params: "nn", run: ceiling},
		{name: "FLOOR", params: "nn", run: floor},
		{name: "CEILING.MATH", params: "n[Nn", run: ceilingMath},
		{name: "FLOOR.MATH", params: "n[Nn", run: floorMath},
		{name: "CEILING.PRECISE", params: "n[N", run: ceilingPrecise},
		{name: "ISO.CEILING", params: "n[N", run: ceilingPrecise},
		{name: "FLOOR.PRECISE", params: "n[N", run: floorPrecise},
	}
}

func ceilWhole(f float64) int {
	return int(math.Max(math.MinInt32, math.Min(math.MaxInt32, math.Trunc(f))))
}

// rounding directions, all away from or toward zero.
type direction uint8

const (
	halfUp direction = iota
	away
	toward
)

// rounded rounds as Excel does: on the number as written with 15 significant
// digits, so that 1.005 is half-way between 1.00 and 1.01.
func rounded(f float64, places int, how direction) float64 {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return f
	}
	digits, exponent, negative := decimalDigits(f, 15)
	keep := exponent + 1 + places // digits that stay
	if keep >= len(digits) {
		return f
	}
	up := false
	switch {
	case how == away:
		up = true
	case how == halfUp:
		up = keep >= 0 && digits[keep] >= '5'
	}
	if keep < 0 {
		if !up {
			return 0
		}
		keep = 0
		exponent = -places - 1
		digits = ""
	}
	out := carry(digits[:keep], exponent, up)
	if negative {
		return -out
	}
	return out
}

// carry makes a number of the digits that stay, one unit larger if up.
func carry(digits string, exponent int, up bool) float64 {
	whole := "0"
	if digits != "" {
		whole = digits
	}
	n, _ := strconv.ParseInt(whole, 10, 64)
	if up {
		n++
	}
	f, _ := strconv.ParseFloat(strconv.FormatInt(n, 10)+"e"+strconv.Itoa(exponent+1-len(digits)), 64)
	return f
}

func even(x float64) float64 {
	return sign(x) * 2 * math.Ceil(math.Abs(x)/2)
}

func odd(x float64) float64 {
	if x == 0 {
		return 1
	}
	return sign(x) * (2*math.Ceil((math.Abs(x)-1)/2) + 1)
}

func mround(c *call) Value {
	x, m := c.num(0), c.num(1)
	if x == 0 || m == 0 {
		return zero
	}
	if x > 0 != (m > 0) {
		return errNum
	}
	return NumberOf(rounded(x/m, 0, halfUp) * m)
}

// steps counts how many whole steps fit, forgiving the last bits of a quotient
// that is a whole number but for them.
func stepsUp(x float64) float64 {
	if near := math.Round(x); near != x && math.Abs(x-near) < 1e-14*math.Max(1, math.Abs(x)) {
		return near
	}
	return math.Ceil(x)
}

func stepsDown(x float64) float64 { return -stepsUp(-x) }

func ceiling(c *call) Value {
	x, m := c.num(0), c.num(1)
	switch {
	case x == 0 || m == 0:
		return zero
	case x > 0 && m < 0:
		return errNum
	}
	return NumberOf(stepsUp(x/m) * m)
}

func floor(c *call) Value {
	x, m := c.num(0), c.num(1)
	switch {
	case x == 0:
		return zero
	case m == 0:
		return errDiv0
	case x > 0 && m < 0:
		return errNum
	}
	return NumberOf(stepsDown(x/m) * m)
}

func ceilingMath(c *call) Value {
	x, m := c.num(0), math.Abs(c.numOr(1, 1))
	if m == 0 {
		return zero
	}
	if x < 0 && c.numOr(2, 0) != 0 {
		return NumberOf(stepsDown(x/m) * m)
	}
	return NumberOf(stepsUp(x/m) * m)
}

func floorMath(c *call) Value {
	x, m := c.num(0), math.Abs(c.numOr(1, 1))
	if m == 0 {
		return zero
	}
	if x < 0 && c.numOr(2, 0) != 0 {
		return NumberOf(stepsUp(x/m) * m)
	}
	return NumberOf(stepsDown(x/m) * m)
}

func ceilingPrecise(c *call) Value {
	m := math.Abs(c.numOr(1, 1))
	if m == 0 {
		return zero
	}
	return NumberOf(stepsUp(c.num(0)/m) * m)
}

func floorPrecise(c *call) Value {
	m := math.Abs(c.numOr(1, 1))
	if m == 0 {
		return zero
	}
	return NumberOf(stepsDown(c.num(0)/m) * m)
}
