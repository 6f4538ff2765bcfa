package formula

import (
	"math"
	"strconv"
	"strings"
)

func engineeringFunctions() []function {
	list := []function{
		{name: "BITAND", params: "nn", run: bits(func(a, b int64) int64 { return a & b })},
		{name: "BITOR", params: "nn", run: bits(func(a, b int64) int64 { return a | b })},
		{name: "BITXOR", params: "nn", run: bits(func(a, b int64) int64 { return a ^ b })},
		{name: "BITLSHIFT", params: "nn", run: func(c *call) Value { return c.shift(1) }},
		{name: "BITRSHIFT", params: "nn", run: func(c *call) Value { return c.shift(-1) }},
		{name: "DELTA", params: "x[x", run: func(c *call) Value { return truth(c.num(0) == c.numOr(1, 0)) }},
		{name: "GESTEP", params: "x[x", run: func(c *call) Value { return truth(c.num(0) >= c.numOr(1, 0)) }},
		{name: "ERF", params: "x[X", run: erf},
		{name: "ERF.PRECISE", params: "n", run: ofNumber(math.Erf)},
		{name: "ERFC", params: "x", run: ofNumber(math.Erfc)},
		{name: "ERFC.PRECISE", params: "n", run: ofNumber(math.Erfc)},
		{name: "BESSELJ", params: "xx", run: bessel(false, math.Jn)},
		{name: "BESSELY", params: "xx", run: bessel(true, math.Yn)},
		{name: "BESSELI", params: "xx", run: bessel(false, besselI)},
		{name: "BESSELK", params: "xx", run: bessel(true, besselK)},
		{name: "CONVERT", params: "nss", run: convert},
	}
	bases := []struct {
		name   string
		radix  int
		digits int
	}{{"BIN", 2, 10}, {"OCT", 8, 10}, {"HEX", 16, 10}}
	for _, from := range bases {
		list = append(list, function{name: from.name + "2DEC", params: "v", run: func(c *call) Value {
			n, err := c.digitsOf(0, from.radix, from.digits)
			if err.isError() {
				return err
			}
			return NumberOf(float64(n))
		}}, function{name: "DEC2" + from.name, params: "v[x", run: func(c *call) Value {
			if c.args[0].isBoolean() {
				return errValue
			}
			f, err := c.e.number(c.args[0])
			if err.isError() {
				return err
			}
			if math.Abs(f) > 1e15 {
				return errNum
			}
			return c.digits(int64(math.Trunc(f)), from.radix, from.digits)
		}})
		for _, to := range bases {
			if from.name == to.name {
				continue
			}
			list = append(list, function{name: from.name + "2" + to.name, params: "v[x", run: func(c *call) Value {
				n, err := c.digitsOf(0, from.radix, from.digits)
				if err.isError() {
					return err
				}
				return c.digits(n, to.radix, to.digits)
			}})
		}
	}
	return list
}

func truth(b bool) Value {
	if b {
		return NumberOf(1)
	}
	return zero
}

const bitLimit = 1 << 48

func bits(f func(a, b int64) int64) func(*call) Value {
	return func(c *call) Value {
		a, b := c.num(0), c.num(1)
		for _, x := range []float64{a, b} {
			if x < 0 || x >= bitLimit || x != math.Trunc(x) {
				return errNum
			}
		}
		return NumberOf(float64(f(int64(a), int64(b))))
	}
}

func (c *call) shift(direction float64) Value {
	a, by := c.num(0), math.Trunc(c.num(1))*direction
	if a < 0 || a >= bitLimit || a != math.Trunc(a) || math.Abs(by) > 53 {
		return errNum
	}
	out := math.Floor(a * math.Pow(2, by))
	if out >= bitLimit {
		return errNum
	}
	return NumberOf(out)
}

// digitsOf reads up to ten digits in a base, the highest of them a sign: two's
// complement.
func (c *call) digitsOf(i, radix, digits int) (int64, Value) {
	if c.args[i].isBoolean() {
		return 0, errValue
	}
	s, err := c.e.string(c.args[i])
	if err.isError() {
		return 0, err
	}
	if s = strings.TrimSpace(s); len(s) > digits {
		return 0, errNum
	}
	if s == "" {
		return 0, blank
	}
	n, bad := strconv.ParseUint(s, radix, 64)
	if bad != nil {
		return 0, errNum
	}
	size := int64(math.Pow(float64(radix), float64(digits)))
	if out := int64(n); out < size/2 {
		return out, blank
	}
	return int64(n) - size, blank
}

// digits writes a number in a base, to the places asked for.
func (c *call) digits(n int64, radix, digits int) Value {
	size := int64(math.Pow(float64(radix), float64(digits)))
	if n < -size/2 || n >= size/2 {
		return errNum
	}
	if n < 0 {
		return TextOf(strings.ToUpper(strconv.FormatInt(n+size, radix)))
	}
	s := strings.ToUpper(strconv.FormatInt(n, radix))
	if len(c.args) > 1 {
		places := c.whole(1)
		if places < len(s) || places > 10 || places <= 0 {
			return errNum
		}
		s = strings.Repeat("0", places-len(s)) + s
	}
	return TextOf(s)
}

func erf(c *call) Value {
	if c.has(1) {
		return NumberOf(math.Erf(c.num(1)) - math.Erf(c.num(0)))
	}
	return NumberOf(math.Erf(c.num(0)))
}

func bessel(positive bool, f func(n int, x float64) float64) func(*call) Value {
	return func(c *call) Value {
		x, n := c.num(0), c.whole(1)
		if n < 0 || positive && x <= 0 || math.Abs(x) > 1.34217728e8 || n > 100_000 {
			return errNum
		}
		c.e.spend(100 + int(math.Min(math.Abs(x), 1e6)) + n)
		return NumberOf(f(n, x))
	}
}

// besselI sums the power series, whose terms are all positive.
func besselI(n int, x float64) float64 {
	if x == 0 {
		if n == 0 {
			return 1
		}
		return 0
	}
	if math.Abs(x) > 750 {
		return math.Inf(1)
	}
	half := math.Abs(x) / 2
	term := math.Exp(float64(n)*math.Log(half) - lgamma(float64(n)+1))
	total := term
	for k := 1.0; k < 5000; k++ {
		term *= half * half / (k * (k + float64(n)))
		total += term
		if term < total*1e-17 {
			break
		}
	}
	if x < 0 && n%2 == 1 {
		return -total
	}
	return total
}

// besselK integrates e^(-x cosh t) cosh nt over t (Abramowitz and Stegun 9.6.24)
// by the trapezoidal rule, which is exact to the last digits for it.
func besselK(n int, x float64) float64 {
	const step = 1.0 / 32
	order := float64(n)
	total := 0.0
	for k := 0.0; k < 100_000; k++ {
		t := k * step
		l := -x*math.Cosh(t) + order*t + math.Log1p(math.Exp(-2*order*t)) - math.Ln2
		v := math.Exp(l)
		if k == 0 {
			v /= 2
		}
		total += v
		if x*math.Sinh(t) > order && v < total*1e-18 {
			break
		}
	}
	return total * step
}
