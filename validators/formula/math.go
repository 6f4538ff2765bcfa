package formula

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// ofNumber lifts a function of one number.
func ofNumber(f func(float64) float64) func(*call) Value {
	return func(c *call) Value { return NumberOf(f(c.num(0))) }
}

func mathFunctions() []function {
	return []function{
		{name: "ABS", params: "n", run: ofNumber(math.Abs)},
		{name: "SIGN", params: "n", run: ofNumber(sign)},
		{name: "PI", params: "", run: func(*call) Value { return NumberOf(math.Pi) }},
		{name: "EXP", params: "n", run: ofNumber(math.Exp)},
		{name: "LN", params: "n", run: func(c *call) Value { return logarithm(c.num(0), math.E) }},
		{name: "LOG10", params: "n", run: func(c *call) Value { return logarithm(c.num(0), 10) }},
		{name: "LOG", params: "n[n", run: func(c *call) Value { return logarithm(c.num(0), c.numOr(1, 10)) }},
		{name: "POWER", params: "nn", run: func(c *call) Value { return power(c.num(0), c.num(1)) }},
		{name: "SQRT", params: "n", run: ofNumber(math.Sqrt)},
		{name: "SQRTPI", params: "x", run: ofNumber(func(x float64) float64 { return math.Sqrt(x * math.Pi) })},
		{name: "SIN", params: "n", run: angle(math.Sin)},
		{name: "COS", params: "n", run: angle(math.Cos)},
		{name: "TAN", params: "n", run: angle(math.Tan)},
		{name: "COT", params: "n", run: angle(func(x float64) float64 { return 1 / math.Tan(x) })},
		{name: "SEC", params: "n", run: angle(func(x float64) float64 { return 1 / math.Cos(x) })},
		{name: "CSC", params: "n", run: angle(func(x float64) float64 { return 1 / math.Sin(x) })},
		{name: "SINH", params: "n", run: ofNumber(math.Sinh)},
		{name: "COSH", params: "n", run: ofNumber(math.Cosh)},
		{name: "TANH", params: "n", run: ofNumber(math.Tanh)},
		{name: "COTH", params: "n", run: inverseOf(math.Tanh)},
		{name: "SECH", params: "n", run: ofNumber(func(x float64) float64 { return 1 / math.Cosh(x) })},
		{name: "CSCH", params: "n", run: inverseOf(math.Sinh)},
		{name: "ASIN", params: "n", run: ofNumber(math.Asin)},
		{name: "ACOS", params: "n", run: ofNumber(math.Acos)},
		{name: "ATAN", params: "n", run: ofNumber(math.Atan)},
		{name: "ATAN2", params: "nn", run: atan2},
		{name: "ACOT", params: "n", run: ofNumber(func(x float64) float64 { return math.Pi/2 - math.Atan(x) })},
		{name: "ASINH", params: "n", run: ofNumber(math.Asinh)},
		{name: "ACOSH", params: "n", run: ofNumber(math.Acosh)},
		{name: "ATANH", params: "n", run: ofNumber(math.Atanh)},
		{name: "ACOTH", params: "n", run: acoth},
		{name: "DEGREES", params: "n", run: ofNumber(func(x float64) float64 { return x * 180 / math.Pi })},
		{name: "RADIANS", params: "n", run: ofNumber(func(x float64) float64 { return x * math.Pi / 180 })},
		{name: "MOD", params: "nn", run: mod},
		{name: "QUOTIENT", params: "xx", run: quotient},
		{name: "FACT", params: "n", run: func(c *call) Value { return factorial(c.num(0)) }},
		{name: "FACTDOUBLE", params: "x", run: factDouble},
		{name: "COMBIN", params: "nn", run: func(c *call) Value { return combinations(math.Floor(c.num(0)), math.Floor(c.num(1))) }},
		{name: "COMBINA", params: "nn", run: combina},
		{name: "PERMUT", params: "nn", run: permut},
		{name: "PERMUTATIONA", params: "nn", run: permutationa},
		{name: "MULTINOMIAL", params: "r|r", run: multinomial},
		{name: "GCD", params: "r|r", run: gcd},
		{name: "LCM", params: "r|r", run: lcm},
		{name: "SERIESSUM", params: "xxxr", run: seriesSum},
		{name: "ROMAN", params: "n[r", run: roman},
		{name: "ARABIC", params: "s", run: arabic},
		{name: "BASE", params: "nn[n", run: base},
		{name: "DECIMAL", params: "sn", run: decimal},
		{name: "SUM", params: "r|r", run: sum},
		{name: "PRODUCT", params: "r|r", run: product},
		{name: "SUMSQ", params: "r|r", run: sumSquares},
		{name: "SUMPRODUCT", params: "a|a", run: sumProduct},
		{name: "SUMX2MY2", params: "aa", run: pairSum(func(x, y float64) float64 { return x*x - y*y })},
		{name: "SUMX2PY2", params: "aa", run: pairSum(func(x, y float64) float64 { return x*x + y*y })},
		{name: "SUMXMY2", params: "aa", run: pairSum(func(x, y float64) float64 { return (x - y) * (x - y) })},
		{name: "SUBTOTAL", params: "nr|r", run: subtotal},
		{name: "AGGREGATE", params: "nna|r", run: aggregate},
	}
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

// angle lifts a function of an angle; from 2^27 on Excel gives #NUM!.
func angle(f func(float64) float64) func(*call) Value {
	return func(c *call) Value {
		x := c.num(0)
		if math.Abs(x) >= 1<<27 {
			return errNum
		}
		y := f(x)
		if math.IsInf(y, 0) {
			return errDiv0
		}
		return NumberOf(y)
	}
}

func inverseOf(f func(float64) float64) func(*call) Value {
	return func(c *call) Value {
		y := f(c.num(0))
		if y == 0 {
			return errDiv0
		}
		return NumberOf(1 / y)
	}
}

func logarithm(x, base float64) Value {
	switch {
	case x <= 0 || base <= 0:
		return errNum
	case base == 1:
		return errDiv0
	case base == 10:
		return NumberOf(math.Log10(x))
	case base == math.E:
		return NumberOf(math.Log(x))
	case base == 2:
		return NumberOf(math.Log2(x))
	}
	return NumberOf(math.Log(x) / math.Log(base))
}

// atan2 takes x before y.
func atan2(c *call) Value {
	x, y := c.num(0), c.num(1)
	if x == 0 && y == 0 {
		return errDiv0
	}
	return NumberOf(math.Atan2(y, x))
}

func acoth(c *call) Value {
	x := c.num(0)
	if math.Abs(x) <= 1 {
		return errNum
	}
	return NumberOf(0.5 * math.Log((x+1)/(x-1)))
}

func mod(c *call) Value {
	n, d := c.num(0), c.num(1)
	if d == 0 {
		return errDiv0
	}
	q := n / d
	if math.Abs(q) > 1125900000000 {
		return errNum
	}
	return NumberOf(n - d*math.Floor(q))
}

func quotient(c *call) Value {
	if c.num(1) == 0 {
		return errDiv0
	}
	return NumberOf(math.Trunc(c.num(0) / c.num(1)))
}

func factorial(x float64) Value {
	n := math.Trunc(x)
	if x < 0 || n > 170 {
		return errNum
	}
	return NumberOf(factorialOf(n))
}

func factorialOf(n float64) float64 {
	f := 1.0
	for i := 2.0; i <= n; i++ {
		f *= i
	}
	return f
}

func factDouble(c *call) Value {
	n := math.Trunc(c.num(0))
	if c.num(0) < 0 || n > 300 {
		return errNum
	}
	f := 1.0
	for ; n > 1; n -= 2 {
		f *= n
	}
	return NumberOf(f)
}

// combinations counts the ways to choose k of n.
func combinations(n, k float64) Value {
	if n < 0 || k < 0 || k > n || n >= math.MaxInt32 {
		return errNum
	}
	return NumberOf(binomialCoefficient(n, k))
}

func binomialCoefficient(n, k float64) float64 {
	if k > n-k {
		k = n - k
	}
	if k > 5000 {
		return math.Exp(lgamma(n+1) - lgamma(k+1) - lgamma(n-k+1))
	}
	f := 1.0
	for i := 1.0; i <= k; i++ {
		f = f * (n - k + i) / i
	}
	if f < 1<<52 {
		f = math.Round(f)
	}
	return f
}

func combina(c *call) Value {
	n, k := math.Floor(c.num(0)), math.Floor(c.num(1))
	if n < 0 || k < 0 || n == 0 && k > 0 || n >= math.MaxInt32 {
		return errNum
	}
	if k == 0 {
		return NumberOf(1)
	}
	return combinations(n+k-1, k)
}

func permut(c *call) Value {
	n, k := math.Trunc(c.num(0)), math.Trunc(c.num(1))
	if n < 0 || k < 0 || k > n {
		return errNum
	}
	f := 1.0
	for i := 0.0; i < k; i++ {
		if f *= n - i; math.IsInf(f, 0) {
			return errNum
		}
	}
	return NumberOf(f)
}

func permutationa(c *call) Value {
	n, k := math.Trunc(c.num(0)), math.Trunc(c.num(1))
	if n < 0 || k < 0 {
		return errNum
	}
	return NumberOf(math.Pow(n, k))
}

// wholes collects whole numbers that are not negative, for GCD and its kin,
// which take no booleans.
func (c *call) wholes() ([]float64, Value) {
	var out []float64
	for _, v := range c.args {
		if v.isBoolean() {
			return nil, errValue
		}
		trouble := c.e.foldWholes(v, &out)
		if trouble.isError() {
			return nil, trouble
		}
	}
	for i, f := range out {
		if out[i] = math.Trunc(f); f < 0 || f >= 1<<53 {
			return nil, errNum
		}
	}
	return out, blank
}

func (e *evaluator) foldWholes(v Value, out *[]float64) Value {
	trouble := blank
	e.items(v, func(x Value, n int, at *place) {
		if at != nil {
			e.noteRead(*at, x, !x.isBlank())
		}
		if x.isBlank() && !v.scalar() {
			return
		}
		if x.isBoolean() && !v.scalar() {
			trouble = errValue
			return
		}
		f, err := e.number(x)
		if err.isError() {
			trouble = err
			return
		}
		*out = append(*out, f)
	})
	return trouble
}

func multinomial(c *call) Value {
	list, err := c.wholes()
	if err.isError() {
		return err
	}
	total, f := 0.0, 1.0
	for _, n := range list {
		c.e.spend(int(math.Min(n, 1e6)))
		total += n
		if total > 1e6 {
			return errNum
		}
		f *= binomialCoefficient(total, n)
	}
	return NumberOf(f)
}

func gcd(c *call) Value {
	list, err := c.wholes()
	if err.isError() {
		return err
	}
	g := 0.0
	for _, n := range list {
		g = gcdOf(g, n)
	}
	return NumberOf(g)
}

func gcdOf(a, b float64) float64 {
	for b != 0 {
		a, b = b, math.Mod(a, b)
	}
	return a
}

func lcm(c *call) Value {
	list, err := c.wholes()
	if err.isError() {
		return err
	}
	l := 1.0
	for _, n := range list {
		if n == 0 {
			return zero
		}
		if l = l / gcdOf(l, n) * n; l >= 1<<53 {
			return errNum
		}
	}
	return NumberOf(l)
}

func seriesSum(c *call) Value {
	x, n, m := c.num(0), c.num(1), c.num(2)
	a, err := c.arrayArg(3)
	if err.isError() {
		return err
	}
	total := 0.0
	for i := 0; i < a.size(); i++ {
		c.e.spend(1)
		v := a.index(i)
		if v.isBoolean() || v.isText() {
			return errValue
		}
		f, err := c.e.number(v)
		if err.isError() {
			return err
		}
		total += f * math.Pow(x, n+float64(i)*m)
	}
	return NumberOf(total)
}

// romanLetters are the values a Roman number is written with in each form; the
// higher the form, the further a letter may stand before a larger one.
var romanLetters = []struct {
	value int
	text  string
	form  int
}{
	{1000, "M", 0}, {999, "IM", 4}, {995, "VM", 3}, {990, "XM", 2}, {950, "LM", 1}, {900, "CM", 0},
	{500, "D", 0}, {499, "ID", 4}, {495, "VD", 3}, {490, "XD", 2}, {450, "LD", 1}, {400, "CD", 0},
	{100, "C", 0}, {99, "IC", 2}, {95, "VC", 1}, {90, "XC", 0},
	{50, "L", 0}, {49, "IL", 2}, {45, "VL", 1}, {40, "XL", 0},
	{10, "X", 0}, {9, "IX", 0}, {5, "V", 0}, {4, "IV", 0}, {1, "I", 0},
}

func roman(c *call) Value {
	form := 0.0
	if c.has(1) {
		v := c.e.plain(c.args[1], c.f)
		switch v.kind {
		case KindBoolean:
			if v.num == 0 {
				form = 4
			}
		default:
			f, err := c.e.number(v)
			if err.isError() {
				return err
			}
			form = math.Trunc(f)
		}
	}
	n := math.Trunc(c.num(0))
	if n < 0 || n > 3999 || form < 0 || form > 4 {
		return errValue
	}
	left := int(n)
	var b strings.Builder
	for _, letter := range romanLetters {
		for letter.form <= int(form) && left >= letter.value {
			b.WriteString(letter.text)
			left -= letter.value
		}
	}
	return TextOf(b.String())
}

func arabic(c *call) Value {
	s := strings.ToUpper(strings.TrimSpace(c.str(0)))
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	if len(s) > 255 {
		return errValue
	}
	if negative && s == "" {
		return errNum
	}
	values := map[byte]float64{'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100, 'D': 500, 'M': 1000}
	total, largest := 0.0, 0.0
	for i := len(s) - 1; i >= 0; i-- {
		v, ok := values[s[i]]
		if !ok {
			return errValue
		}
		if v < largest {
			total -= v
		} else {
			total += v
			largest = v
		}
	}
	if negative {
		total = -total
	}
	return NumberOf(total)
}

func base(c *call) Value {
	n, radix, width := math.Trunc(c.num(0)), math.Trunc(c.num(1)), math.Trunc(c.numOr(2, 1))
	if n == 0 && width == 0 && radix >= 2 && radix <= 36 {
		return TextOf("")
	}
	if n < 0 || n >= 1<<53 || radix < 2 || radix > 36 || width < 0 || width > 255 {
		return errNum
	}
	s := strings.ToUpper(strconv.FormatInt(int64(n), int(radix)))
	if len(s) < int(width) {
		s = strings.Repeat("0", int(width)-len(s)) + s
	}
	return TextOf(s)
}

func decimal(c *call) Value {
	s, radix := strings.TrimSpace(c.str(0)), math.Trunc(c.num(1))
	if len(c.str(0)) > 255 {
		return errValue
	}
	if radix < 2 || radix > 36 {
		return errNum
	}
	if radix == 16 {
		s = strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(s), "0x"), "x")
		s = strings.TrimSuffix(s, "h")
	}
	if radix == 2 && len(s) > 1 {
		s = strings.TrimSuffix(strings.ToLower(s), "b")
	}
	if s == "" {
		return zero
	}
	if strings.ContainsAny(s, "+-_") {
		return errNum
	}
	n, ok := new(big.Int).SetString(s, int(radix))
	if !ok {
		return errNum
	}
	f, _ := new(big.Float).SetInt(n).Float64()
	return NumberOf(f)
}

func sum(c *call) Value {
	total := 0.0
	err := c.fold(0, takeNumbers, func(f float64, n int) { total += f * float64(n) })
	if err.isError() {
		return err
	}
	return NumberOf(total)
}

// product of no numbers is 0.
func product(c *call) Value {
	total, any := 1.0, false
	for _, v := range c.args {
		if v.isMissing() || v.isBlank() {
			continue
		}
		err := c.e.foldOne(v, takeNumbers, func(f float64, n int) {
			any = true
			if n == 1 {
				total *= f
			} else {
				total *= math.Pow(f, float64(n))
			}
		})
		if err.isError() {
			return err
		}
	}
	if !any {
		return zero
	}
	return NumberOf(total)
}

func sumSquares(c *call) Value {
	total := 0.0
	err := c.fold(0, takeNumbers, func(f float64, n int) { total += f * f * float64(n) })
	if err.isError() {
		return err
	}
	return NumberOf(total)
}

// strictArray is an argument of the functions that want arrays: one value by
// itself must be a number, text in an array counts as nothing.
func (c *call) strictArray(i int) (*Array, Value) {
	v := c.args[i]
	single := v.scalar() || v.kind == KindReference && v.reference().single()
	a, err := c.arrayArg(i)
	if err.isError() {
		return nil, err
	}
	if single && !a.At(0, 0).isNumber() {
		return nil, errValue
	}
	return a, blank
}

func sumProduct(c *call) Value {
	arrays := make([]Value, len(c.args))
	for i := range c.args {
		a, err := c.strictArray(i)
		if err.isError() {
			return err
		}
		arrays[i] = arrayOf(a)
		if first := arrays[0].array(); a.rows != first.rows || a.cols != first.cols {
			return errValue
		}
	}
	first := arrays[0].array()
	rows, cols := 0, 0
	for _, v := range arrays {
		rows, cols = max(rows, v.array().srows), max(cols, v.array().scols)
	}
	total := 0.0
	term := func(r, col int) Value {
		p := 1.0
		for _, v := range arrays {
			x := v.array().At(r, col)
			if x.isError() {
				return x
			}
			if !x.isNumber() {
				p = 0
				continue
			}
			p *= x.num
		}
		return NumberOf(p)
	}
	c.e.spend(rows * cols * len(arrays))
	for r := 0; r < rows; r++ {
		for col := 0; col < cols; col++ {
			t := term(r, col)
			if t.isError() {
				return t
			}
			total += t.num
		}
	}
	if tail := first.size() - rows*cols; tail > 0 {
		t := term(first.rows-1, first.cols-1)
		if t.isError() {
			return t
		}
		total += t.num * float64(tail)
	}
	return NumberOf(total)
}

// pairs returns the numbers that stand at the same position of two arrays of
// equal size, leaving out those of which one is no number.
func (c *call) pairs(i, j int) (x, y []float64, err Value) {
	a, err := c.strictArray(i)
	if err.isError() {
		return nil, nil, err
	}
	b, err := c.strictArray(j)
	if err.isError() {
		return nil, nil, err
	}
	if a.size() != b.size() {
		return nil, nil, errNA
	}
	n := a.size()
	if a.rows == b.rows && a.cols == b.cols && a.cols == 1 && !a.fill.isNumber() && !b.fill.isNumber() {
		n = max(a.srows, b.srows) // what is beyond is no pair
	}
	c.e.spend(n)
	for k := 0; k < n; k++ {
		p, q := a.index(k), b.index(k)
		if p.isError() {
			return nil, nil, p
		}
		if q.isError() {
			return nil, nil, q
		}
		if p.isNumber() && q.isNumber() {
			x, y = append(x, p.num), append(y, q.num)
		}
	}
	return x, y, blank
}

func pairSum(f func(x, y float64) float64) func(*call) Value {
	return func(c *call) Value {
		x, y, err := c.pairs(0, 1)
		if err.isError() {
			return err
		}
		if len(x) == 0 {
			return errDiv0
		}
		total := 0.0
		for i := range x {
			total += f(x[i], y[i])
		}
		return NumberOf(total)
	}
}

// subtotalFunctions are what SUBTOTAL's and AGGREGATE's first argument names.
var subtotalFunctions = []string{"", "AVERAGE", "COUNT", "COUNTA", "MAX", "MIN", "PRODUCT", "STDEV", "STDEVP", "SUM", "VAR", "VARP",
	"MEDIAN", "MODE.SNGL", "LARGE", "SMALL", "PERCENTILE.INC", "QUARTILE.INC", "PERCENTILE.EXC", "QUARTILE.EXC"}

func subtotal(c *call) Value {
	which := c.whole(0)
	if which > 100 {
		which -= 100
	}
	if which < 1 || which > 11 {
		return errValue
	}
	var kept []Value
	for i, v := range c.args[1:] {
		if v.isError() {
			return v
		}
		if v.kind != KindReference {
			c.noReferences(i + 1)
			return errValue
		}
		kept = append(kept, c.e.withoutSubtotals(v, false))
	}
	inner := call{e: c.e, fn: functionNamed(subtotalFunctions[which]), f: c.f, args: kept}
	return inner.fn.run(&inner)
}

// withoutSubtotals turns a reference into an array of its values, without cells
// that hold a subtotal themselves and, on request, without errors.
func (e *evaluator) withoutSubtotals(v Value, errorsToo bool) Value {
	var kept []Value
	e.items(v, func(x Value, n int, at *place) {
		if at != nil {
			if filled := e.book.grids[at.sheet].cells[key(at.row, at.col)]; filled.subtotal {
				return
			}
			e.noteRead(*at, x, !x.isBlank())
		}
		if errorsToo && x.isError() {
			return
		}
		kept = append(kept, x)
	})
	a := newArray(len(kept), 1)
	a.cells = kept
	return arrayOf(a)
}

func aggregate(c *call) Value {
	which, option := c.whole(0), c.whole(1)
	if which < 1 || which > 19 || option < 0 || option > 7 {
		return errValue
	}
	skipErrors := option == 2 || option == 3 || option == 6 || option == 7
	var kept []Value
	values := c.args[2:]
	if which >= 14 {
		if len(values) != 2 {
			return errValue
		}
		values = values[:1]
	}
	for _, v := range values {
		if which < 14 && v.kind != KindReference {
			if v.isError() {
				return v
			}
			return errValue
		}
		if v.isError() && !skipErrors {
			return v
		}
		kept = append(kept, c.e.withoutSubtotals(v, skipErrors))
	}
	inner := call{e: c.e, fn: functionNamed(subtotalFunctions[which]), f: c.f, args: kept}
	if which >= 14 {
		k := c.e.plain(c.args[3], c.f)
		f, err := c.e.number(k)
		if err.isError() {
			return err
		}
		inner.args = append(inner.args, NumberOf(f))
	}
	return inner.fn.run(&inner)
}
