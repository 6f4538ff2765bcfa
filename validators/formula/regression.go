package formula

import "math"

func regressionFunctions() []function {
	pair := func(f func(x, y []float64) Value) func(*call) Value {
		return func(c *call) Value {
			x, y, err := c.pairs(0, 1)
			if err.isError() {
				return err
			}
			if len(x) == 0 {
				return errDiv0
			}
			return f(x, y)
		}
	}
	var list []function
	add := func(params string, run func(*call) Value, names ...string) {
		for _, name := range names {
			list = append(list, function{name: name, params: params, run: run})
		}
	}
	add("aa", pair(func(x, y []float64) Value { return covariance(x, y, 0) }), "COVAR", "COVARIANCE.P")
	add("aa", pair(func(x, y []float64) Value { return covariance(x, y, 1) }), "COVARIANCE.S")
	add("aa", pair(correlation), "CORREL", "PEARSON")
	add("aa", pair(func(y, x []float64) Value {
		r := correlation(y, x)
		if r.isError() {
			return r
		}
		return NumberOf(r.num * r.num)
	}), "RSQ")
	add("aa", pair(func(y, x []float64) Value { return slope(x, y) }), "SLOPE")
	add("aa", pair(func(y, x []float64) Value {
		b := slope(x, y)
		if b.isError() {
			return b
		}
		return NumberOf(average(y) - b.num*average(x))
	}), "INTERCEPT")
	add("aa", pair(func(y, x []float64) Value { return standardError(x, y) }), "STEYX")
	add("naa", forecast, "FORECAST", "FORECAST.LINEAR")
	add("a[aBb", func(c *call) Value { return c.fitted(false) }, "LINEST")
	add("a[aBb", func(c *call) Value { return c.fitted(true) }, "LOGEST")
	add("a[aaB", func(c *call) Value { return c.projected(false) }, "TREND")
	add("a[aaB", func(c *call) Value { return c.projected(true) }, "GROWTH")
	return list
}

// products returns the sums of squares and products about the means.
func products(x, y []float64) (xx, yy, xy float64) {
	mx, my := average(x), average(y)
	for i := range x {
		xx += (x[i] - mx) * (x[i] - mx)
		yy += (y[i] - my) * (y[i] - my)
		xy += (x[i] - mx) * (y[i] - my)
	}
	return xx, yy, xy
}

func covariance(x, y []float64, lost int) Value {
	if len(x) <= lost {
		return errDiv0
	}
	_, _, xy := products(x, y)
	return NumberOf(xy / float64(len(x)-lost))
}

func correlation(x, y []float64) Value {
	xx, yy, xy := products(x, y)
	if xx == 0 || yy == 0 {
		return errDiv0
	}
	return NumberOf(xy / math.Sqrt(xx*yy))
}

func slope(x, y []float64) Value {
	xx, _, xy := products(x, y)
	if xx == 0 {
		return errDiv0
	}
	return NumberOf(xy / xx)
}

func standardError(x, y []float64) Value {
	if len(x) < 3 {
		return errDiv0
	}
	xx, yy, xy := products(x, y)
	if xx == 0 {
		return errDiv0
	}
	return NumberOf(math.Sqrt(math.Max(0, (yy-xy*xy/xx)/float64(len(x)-2))))
}

func forecast(c *call) Value {
	y, x, err := c.pairs(1, 2)
	if err.isError() {
		return err
	}
	if len(x) == 0 {
		return errDiv0
	}
	b := slope(x, y)
	if b.isError() {
		return b
	}
	return NumberOf(average(y) + b.num*(c.num(0)-average(x)))
}

// fit is a linear model with its statistics.
type fit struct {
	slopes        []float64 // in the order of the columns of x
	intercept     float64
	slopeErrors   []float64
	interceptErr  float64
	r2, sey, f    float64
	freedom       float64
	ssReg, ssErr  float64
	withIntercept bool
}

// observations reads known y and x; across tells that they run along a row.
type observations struct {
	y      []float64
	x      [][]float64 // one row for each observation
	across bool
}

func (c *call) observed(yArg, xArg int, logs bool) (observations, Value) {
	var o observations
	ys, err := c.matrix(yArg)
	if err.isError() {
		return o, err
	}
	var xs [][]float64
	if xArg < len(c.args) && c.has(xArg) {
		if xs, err = c.matrix(xArg); err.isError() {
			return o, err
		}
	} else {
		xs = counting(len(ys), len(ys[0]))
	}
	switch {
	case len(ys[0]) == 1 && len(xs) == len(ys):
		for r := range ys {
			o.y, o.x = append(o.y, ys[r][0]), append(o.x, xs[r])
		}
	case len(ys) == 1 && len(xs[0]) == len(ys[0]):
		o.across = true
		for k := range ys[0] {
			row := make([]float64, len(xs))
			for r := range xs {
				row[r] = xs[r][k]
			}
			o.y, o.x = append(o.y, ys[0][k]), append(o.x, row)
		}
	case len(ys) == len(xs) && len(ys[0]) == len(xs[0]):
		for r := range ys {
			for k := range ys[r] {
				o.y, o.x = append(o.y, ys[r][k]), append(o.x, []float64{xs[r][k]})
			}
		}
	default:
		return o, errRef
	}
	for i, y := range o.y {
		if logs {
			if y <= 0 {
				return o, errNum
			}
			o.y[i] = math.Log(y)
		}
	}
	return o, blank
}

// counting makes 1, 2, 3, … in the shape of y.
func counting(rows, cols int) [][]float64 {
	out := make([][]float64, rows)
	for r := range out {
		out[r] = make([]float64, cols)
		for k := range out[r] {
			out[r][k] = float64(r*cols + k + 1)
		}
	}
	return out
}

// solve fits by orthogonal reflections (Householder), columns centred when
// there is an intercept. A column that follows from the others gets slope 0.
func (e *evaluator) solve(o observations, intercept bool) (fit, bool) {
	n, k := len(o.y), len(o.x[0])
	e.spend(n * k * (k + 2))
	means := make([]float64, k)
	meanY := 0.0
	if intercept {
		meanY = average(o.y)
		for j := range means {
			for i := range o.x {
				means[j] += o.x[i][j] / float64(n)
			}
		}
	}
	a := make([][]float64, n)
	y := make([]float64, n)
	for i := range a {
		a[i] = make([]float64, k)
		for j := range a[i] {
			a[i][j] = o.x[i][j] - means[j]
		}
		y[i] = o.y[i] - meanY
	}
	sizes := make([]float64, k)
	for j := range sizes {
		for i := range a {
			sizes[j] = math.Hypot(sizes[j], a[i][j])
		}
	}
	used := reflect(a, y, sizes)
	rank := len(used)
	out := fit{slopes: make([]float64, k), slopeErrors: make([]float64, k), withIntercept: intercept}
	for p := rank - 1; p >= 0; p-- {
		s := y[p]
		for q := p + 1; q < rank; q++ {
			s -= a[p][used[q]] * out.slopes[used[q]]
		}
		out.slopes[used[p]] = s / a[p][used[p]]
	}
	out.intercept = meanY
	for j := range means {
		out.intercept -= out.slopes[j] * means[j]
	}
	for i := range o.y {
		guess := out.intercept
		if !intercept {
			guess = 0
		}
		for j, b := range out.slopes {
			guess += b * o.x[i][j]
		}
		out.ssErr += (o.y[i] - guess) * (o.y[i] - guess)
		out.ssReg += (guess - meanY) * (guess - meanY)
	}
	out.freedom = float64(n - rank)
	if intercept {
		out.freedom--
	}
	out.errors(a, used, means, n)
	return out, n > 0
}

// reflect turns a into a triangle in place, and y with it. It returns the
// columns that are independent, in order.
func reflect(a [][]float64, y, sizes []float64) []int {
	var used []int
	for j := range sizes {
		p := len(used)
		if p >= len(a) {
			break
		}
		norm := 0.0
		for i := p; i < len(a); i++ {
			norm = math.Hypot(norm, a[i][j])
		}
		if norm <= 1e-10*sizes[j] || norm == 0 {
			continue
		}
		if a[p][j] > 0 {
			norm = -norm
		}
		v := make([]float64, len(a))
		for i := p; i < len(a); i++ {
			v[i] = a[i][j]
		}
		v[p] -= norm
		vv := 0.0
		for i := p; i < len(a); i++ {
			vv += v[i] * v[i]
		}
		for col := range sizes {
			dot := 0.0
			for i := p; i < len(a); i++ {
				dot += v[i] * a[i][col]
			}
			for i := p; i < len(a); i++ {
				a[i][col] -= 2 * dot / vv * v[i]
			}
		}
		dot := 0.0
		for i := p; i < len(a); i++ {
			dot += v[i] * y[i]
		}
		for i := p; i < len(a); i++ {
			y[i] -= 2 * dot / vv * v[i]
		}
		used = append(used, j)
	}
	return used
}

// errors fills in the standard errors and what follows from them.
func (f *fit) errors(a [][]float64, used []int, means []float64, n int) {
	rank := len(used)
	mse := f.ssErr / f.freedom
	f.sey = math.Sqrt(mse)
	if total := f.ssErr + f.ssReg; total > 0 {
		f.r2 = f.ssReg / total
	} else {
		f.r2 = 1
	}
	f.f = f.ssReg / float64(rank) / mse
	// Columns of the inverse triangle give the variances of the slopes.
	inv := make([][]float64, rank)
	for p := range inv {
		inv[p] = make([]float64, rank)
		inv[p][p] = 1 / a[p][used[p]]
		for q := p - 1; q >= 0; q-- {
			s := 0.0
			for t := q + 1; t <= p; t++ {
				s -= a[q][used[t]] * inv[t][p]
			}
			inv[q][p] = s / a[q][used[q]]
		}
	}
	spread := make([]float64, rank) // means × inverse triangle
	for q := 0; q < rank; q++ {
		total := 0.0
		for p := q; p < rank; p++ {
			total += inv[q][p] * inv[q][p]
		}
		f.slopeErrors[used[q]] = math.Sqrt(total * mse)
		for p := q; p < rank; p++ {
			spread[p] += means[used[q]] * inv[q][p]
		}
	}
	if f.withIntercept {
		total := 1 / float64(n)
		for _, s := range spread {
			total += s * s
		}
		f.interceptErr = math.Sqrt(total * mse)
	}
}

// fitted is LINEST and LOGEST: slopes from the last column to the first, then
// the intercept; on request four more rows of statistics.
func (c *call) fitted(logs bool) Value {
	o, err := c.observed(0, 1, logs)
	if err.isError() {
		return err
	}
	f, ok := c.e.solve(o, c.flagOr(2, true))
	if !ok {
		return errNum
	}
	k := len(f.slopes)
	shown := func(x float64) Value {
		if logs {
			return NumberOf(math.Exp(x))
		}
		return NumberOf(x)
	}
	rows := 1
	if c.flagOr(3, false) {
		rows = 5
	}
	out := c.e.array(rows, k+1)
	for i := range out.cells {
		out.cells[i] = errNA
	}
	for j := range f.slopes {
		out.set(0, k-1-j, shown(f.slopes[j]))
	}
	out.set(0, k, shown(f.intercept))
	if rows == 1 {
		return arrayOf(out)
	}
	for j := range f.slopes {
		out.set(1, k-1-j, NumberOf(f.slopeErrors[j]))
	}
	if f.withIntercept {
		out.set(1, k, NumberOf(f.interceptErr))
	}
	out.set(2, 0, NumberOf(f.r2))
	out.set(2, 1, NumberOf(f.sey))
	out.set(3, 0, NumberOf(f.f))
	out.set(3, 1, NumberOf(f.freedom))
	out.set(4, 0, NumberOf(f.ssReg))
	out.set(4, 1, NumberOf(f.ssErr))
	return arrayOf(out)
}

// projected is TREND and GROWTH.
func (c *call) projected(logs bool) Value {
	o, err := c.observed(0, 1, logs)
	if err.isError() {
		return err
	}
	f, ok := c.e.solve(o, c.flagOr(3, true))
	if !ok {
		return errNum
	}
	value := func(x []float64) Value {
		y := f.intercept
		for j, b := range f.slopes {
			y += b * x[j]
		}
		if logs {
			y = math.Exp(y)
		}
		return NumberOf(y)
	}
	known, err := c.arrayArg(0)
	if err.isError() {
		return err
	}
	if !c.has(2) {
		out := c.e.array(known.rows, known.cols)
		for i := range out.cells {
			out.cells[i] = value(o.x[i])
		}
		return arrayOf(out)
	}
	fresh, err := c.matrix(2)
	if err.isError() {
		return err
	}
	k := len(f.slopes)
	switch {
	case k == 1:
		out := c.e.array(len(fresh), len(fresh[0]))
		for i := range out.cells {
			out.cells[i] = value([]float64{fresh[i/out.cols][i%out.cols]})
		}
		return arrayOf(out)
	case !o.across && len(fresh[0]) == k:
		out := c.e.array(len(fresh), 1)
		for r := range fresh {
			out.cells[r] = value(fresh[r])
		}
		return arrayOf(out)
	case o.across && len(fresh) == k:
		out := c.e.array(1, len(fresh[0]))
		for i := range out.cells {
			x := make([]float64, k)
			for j := range x {
				x[j] = fresh[j][i]
			}
			out.cells[i] = value(x)
		}
		return arrayOf(out)
	}
	return errRef
}
