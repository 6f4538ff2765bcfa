package formula

import (
	"math"
	"math/cmplx"
	"strconv"
	"strings"
)

func complexFunctions() []function {
	list := []function{
		{name: "COMPLEX", params: "xx[s", run: complexOf},
		{name: "IMREAL", params: "v", run: parts(func(z complex128) Value { return NumberOf(real(z)) })},
		{name: "IMAGINARY", params: "v", run: parts(func(z complex128) Value { return NumberOf(imag(z)) })},
		{name: "IMABS", params: "v", run: parts(func(z complex128) Value { return NumberOf(cmplx.Abs(z)) })},
		{name: "IMARGUMENT", params: "v", run: parts(func(z complex128) Value {
			if z == 0 {
				return errDiv0
			}
			return NumberOf(cmplx.Phase(z))
		})},
		{name: "IMSUM", params: "r|r", run: func(c *call) Value {
			return c.foldComplex(0, func(a, b complex128) complex128 { return a + b })
		}},
		{name: "IMPRODUCT", params: "r|r", run: func(c *call) Value {
			return c.foldComplex(1, func(a, b complex128) complex128 { return a * b })
		}},
		{name: "IMSUB", params: "vv", run: twoComplex(func(a, b complex128) complex128 { return a - b })},
		{name: "IMDIV", params: "vv", run: twoComplex(func(a, b complex128) complex128 {
			if b == 0 {
				return cmplx.NaN()
			}
			return a / b
		})},
		{name: "IMPOWER", params: "vx", run: imPower},
	}
	for name, f := range map[string]func(complex128) complex128{
		"IMCONJUGATE": cmplx.Conj, "IMSQRT": cmplx.Sqrt, "IMEXP": cmplx.Exp, "IMSIN": cmplx.Sin, "IMCOS": cmplx.Cos, "IMTAN": cmplx.Tan,
		"IMSINH": cmplx.Sinh, "IMCOSH": cmplx.Cosh,
		"IMSEC":  func(z complex128) complex128 { return 1 / cmplx.Cos(z) },
		"IMCSC":  func(z complex128) complex128 { return reciprocal(cmplx.Sin(z)) },
		"IMCOT":  func(z complex128) complex128 { return reciprocal(cmplx.Tan(z)) },
		"IMSECH": func(z complex128) complex128 { return 1 / cmplx.Cosh(z) },
		"IMCSCH": func(z complex128) complex128 { return reciprocal(cmplx.Sinh(z)) },
		"IMLN":   func(z complex128) complex128 { return logOf(z, 1) },
		"IMLOG10": func(z complex128) complex128 {
			return logOf(z, math.Ln10)
		},
		"IMLOG2": func(z complex128) complex128 { return logOf(z, math.Ln2) },
	} {
		list = append(list, function{name: name, params: "v", run: func(c *call) Value {
			z, suffix, err := c.complexArg(c.args[0])
			if err.isError() {
				return err
			}
			return complexText(f(z), suffix)
		}})
	}
	return list
}

func reciprocal(z complex128) complex128 {
	if z == 0 {
		return cmplx.NaN()
	}
	return 1 / z
}

func logOf(z complex128, unit float64) complex128 {
	if z == 0 {
		return cmplx.NaN()
	}
	l := cmplx.Log(z)
	return complex(real(l)/unit, imag(l)/unit)
}

// parseComplex reads a+bi. The suffix is "" when there is no imaginary part.
func parseComplex(s string) (z complex128, suffix string, ok bool) {
	if s == "" {
		return 0, "", false
	}
	last := s[len(s)-1]
	if last != 'i' && last != 'j' {
		f, err := plainFloat(s)
		return complex(f, 0), "", err
	}
	body := s[:len(s)-1]
	cut := 0 // where the imaginary part begins
	for i := len(body) - 1; i > 0; i-- {
		if (body[i] == '+' || body[i] == '-') && body[i-1]|0x20 != 'e' {
			cut = i
			break
		}
	}
	re, im := 0.0, 0.0
	if cut > 0 {
		var good bool
		if re, good = plainFloat(body[:cut]); !good {
			return 0, "", false
		}
	}
	switch rest := body[cut:]; rest {
	case "", "+":
		im = 1
	case "-":
		im = -1
	default:
		var good bool
		if im, good = plainFloat(rest); !good {
			return 0, "", false
		}
	}
	return complex(re, im), string(last), true
}

// plainFloat reads digits, a point and an exponent, and nothing else.
func plainFloat(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

func (c *call) complexArg(v Value) (complex128, string, Value) {
	switch v.kind {
	case KindBoolean:
		return 0, "", errValue
	case KindError:
		return 0, "", v
	case KindBlank:
		return 0, "", blank
	case KindNumber:
		return complex(v.num, 0), "", blank
	}
	z, suffix, ok := parseComplex(strings.ReplaceAll(v.text, " ", ""))
	if !ok {
		return 0, "", errNum
	}
	return z, suffix, blank
}

// complexText writes a complex number with 15 digits.
func complexText(z complex128, suffix string) Value {
	if cmplx.IsNaN(z) || cmplx.IsInf(z) {
		return errNum
	}
	if suffix == "" {
		suffix = "i"
	}
	re, im := real(z), imag(z)
	if im == 0 {
		return TextOf(generalText(re))
	}
	out := ""
	if re != 0 {
		out = generalText(re)
	}
	switch {
	case im == 1:
		if out != "" {
			out += "+"
		}
	case im == -1:
		out += "-"
	default:
		if out != "" && im > 0 {
			out += "+"
		}
		out += generalText(im)
	}
	return TextOf(out + suffix)
}

func complexOf(c *call) Value {
	suffix := c.strOr(2, "i")
	if suffix != "i" && suffix != "j" {
		if suffix == "" {
			suffix = "i"
		} else {
			return errValue
		}
	}
	return complexText(complex(c.num(0), c.num(1)), suffix)
}

func parts(f func(complex128) Value) func(*call) Value {
	return func(c *call) Value {
		z, _, err := c.complexArg(c.args[0])
		if err.isError() {
			return err
		}
		return f(z)
	}
}

// suffixes agree unless one is i and the other j.
func agreed(a, b string) (string, bool) {
	if a == "" {
		return b, true
	}
	return a, b == "" || a == b
}

func twoComplex(f func(a, b complex128) complex128) func(*call) Value {
	return func(c *call) Value {
		a, s, err := c.complexArg(c.args[0])
		if err.isError() {
			return err
		}
		b, t, err := c.complexArg(c.args[1])
		if err.isError() {
			return err
		}
		suffix, ok := agreed(s, t)
		if !ok {
			return errValue
		}
		return complexText(f(a, b), suffix)
	}
}

func (c *call) foldComplex(start complex128, f func(a, b complex128) complex128) Value {
	z, suffix := start, ""
	trouble := blank
	for _, v := range c.args {
		c.e.items(v, func(x Value, n int, at *place) {
			if at != nil {
				c.e.noteRead(*at, x, true)
			}
			if x.isBlank() || trouble.isError() {
				return
			}
			w, s, err := c.complexArg(x)
			if err.isError() {
				trouble = err
				return
			}
			var ok bool
			if suffix, ok = agreed(suffix, s); !ok {
				trouble = errValue
				return
			}
			c.e.spend(n)
			for ; n > 0; n-- {
				z = f(z, w)
			}
		})
	}
	if trouble.isError() {
		return trouble
	}
	return complexText(z, suffix)
}

func imPower(c *call) Value {
	z, suffix, err := c.complexArg(c.args[0])
	if err.isError() {
		return err
	}
	n := c.num(1)
	if z == 0 {
		if n > 0 {
			return TextOf("0")
		}
		return errNum
	}
	r, phase := math.Pow(cmplx.Abs(z), n), cmplx.Phase(z)*n
	return complexText(complex(r*math.Cos(phase), r*math.Sin(phase)), suffix)
}
