package formula

import "math"

func matrixFunctions() []function {
	return []function{
		{name: "MDETERM", params: "a", run: mdeterm},
		{name: "MINVERSE", params: "a", run: minverse},
		{name: "MMULT", params: "aa", run: mmult},
		{name: "MUNIT", params: "n", run: munit},
	}
}

// matrix reads an argument that must be all numbers.
func (c *call) matrix(i int) ([][]float64, Value) {
	a, err := c.arrayArg(i)
	if err.isError() {
		return nil, err
	}
	c.e.spend(a.size())
	c.e.alloc(8 * a.size())
	out := make([][]float64, a.rows)
	for r := range out {
		out[r] = make([]float64, a.cols)
		for col := range out[r] {
			v := a.At(r, col)
			if v.isError() {
				return nil, v
			}
			if !v.isNumber() {
				return nil, errValue
			}
			out[r][col] = v.num
		}
	}
	return out, blank
}

func (e *evaluator) fromMatrix(m [][]float64) Value {
	out := e.array(len(m), len(m[0]))
	for r, row := range m {
		for c, f := range row {
			out.set(r, c, NumberOf(f))
		}
	}
	return arrayOf(out)
}

func mdeterm(c *call) Value {
	m, err := c.matrix(0)
	if err.isError() {
		return err
	}
	if len(m) != len(m[0]) {
		return errValue
	}
	det := 1.0
	n := len(m)
	c.e.spend(n * n * n)
	for k := 0; k < n; k++ {
		p := pivot(m, k)
		if m[p][k] == 0 {
			return zero
		}
		if p != k {
			m[p], m[k] = m[k], m[p]
			det = -det
		}
		det *= m[k][k]
		for r := k + 1; r < n; r++ {
			f := m[r][k] / m[k][k]
			for col := k; col < n; col++ {
				m[r][col] -= f * m[k][col]
			}
		}
	}
	return NumberOf(det)
}

// pivot returns the row with the largest element of column k from row k on.
func pivot(m [][]float64, k int) int {
	best := k
	for r := k + 1; r < len(m); r++ {
		if math.Abs(m[r][k]) > math.Abs(m[best][k]) {
			best = r
		}
	}
	return best
}

func minverse(c *call) Value {
	m, err := c.matrix(0)
	if err.isError() {
		return err
	}
	if len(m) != len(m[0]) {
		return errValue
	}
	c.e.spend(2 * len(m) * len(m) * len(m))
	out, ok := inverse(m)
	if !ok {
		return errNum
	}
	return c.e.fromMatrix(out)
}

// inverse destroys m. It tells when m has none.
func inverse(m [][]float64) ([][]float64, bool) {
	n := len(m)
	largest := 0.0
	out := make([][]float64, n)
	for r := range out {
		out[r] = make([]float64, n)
		out[r][r] = 1
		for _, f := range m[r] {
			largest = math.Max(largest, math.Abs(f))
		}
	}
	for k := 0; k < n; k++ {
		p := pivot(m, k)
		if math.Abs(m[p][k]) <= largest*1e-16 {
			return nil, false
		}
		m[p], m[k] = m[k], m[p]
		out[p], out[k] = out[k], out[p]
		f := m[k][k]
		for col := 0; col < n; col++ {
			m[k][col] /= f
			out[k][col] /= f
		}
		for r := 0; r < n; r++ {
			if r == k || m[r][k] == 0 {
				continue
			}
			f := m[r][k]
			for col := 0; col < n; col++ {
				m[r][col] -= f * m[k][col]
				out[r][col] -= f * out[k][col]
			}
		}
	}
	return out, true
}

func mmult(c *call) Value {
	a, err := c.matrix(0)
	if err.isError() {
		return err
	}
	b, err := c.matrix(1)
	if err.isError() {
		return err
	}
	if len(a[0]) != len(b) {
		return errValue
	}
	c.e.spend(len(a) * len(b) * len(b[0]))
	out := make([][]float64, len(a))
	for r := range a {
		out[r] = make([]float64, len(b[0]))
		for k, f := range a[r] {
			for col, g := range b[k] {
				out[r][col] += f * g
			}
		}
	}
	return c.e.fromMatrix(out)
}

func munit(c *call) Value {
	n := c.whole(0)
	if n < 1 {
		return errValue
	}
	out := c.e.array(n, n)
	for i := range out.cells {
		out.cells[i] = zero
	}
	for i := 0; i < n; i++ {
		out.set(i, i, NumberOf(1))
	}
	return arrayOf(out)
}
