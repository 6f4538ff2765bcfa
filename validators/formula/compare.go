package formula

import (
	"fmt"
	"math"
	"math/cmplx"
	"strconv"
	"strings"
)

// DefaultTolerance is the relative difference two numbers may have when nobody
// asks for another.
const DefaultTolerance = 1e-9

// Comparison says whether a value is the expected one and, if not, why.
type Comparison struct {
	Equal bool
	Type  bool   // the same value in another type: 5 and "5", TRUE and 1
	Why   string // a clause for people; "" when equal
}

// Compare holds a value against the expected one. Numbers may differ by
// tolerance relative to the larger (0 means DefaultTolerance); next to zero a
// rest of arithmetic noise is forgiven. Text is compared exactly, errors by
// code. An array equals a plain expected value when its first element does,
// which is what the cell of the formula shows.
func Compare(got, expected Value, tolerance float64) Comparison {
	if tolerance <= 0 {
		tolerance = DefaultTolerance
	}
	if expected.kind == KindArray {
		return compareArrays(got, expected.array(), tolerance)
	}
	if got.kind == KindArray {
		got = got.array().At(0, 0)
	}
	return compareScalars(got, expected, tolerance)
}

func compareArrays(got Value, want *Array, tolerance float64) Comparison {
	have := newArray(1, 1)
	have.cells[0] = got
	if got.kind == KindArray {
		have = got.array()
	}
	if have.rows != want.rows || have.cols != want.cols {
		if !(have.vector() && want.vector() && have.size() == want.size()) {
			return Comparison{Why: fmt.Sprintf("it fills %d × %d cells, expected were %d × %d", have.rows, have.cols, want.rows, want.cols)}
		}
	}
	for i := 0; i < want.size(); i++ {
		c := compareScalars(have.index(i), want.index(i), tolerance)
		if !c.Equal {
			c.Why = fmt.Sprintf("in row %d, column %d %s", i/want.cols+1, i%want.cols+1, c.Why)
			return c
		}
	}
	return Comparison{Equal: true}
}

func compareScalars(got, want Value, tolerance float64) Comparison {
	if got.isBlank() {
		got = zero
	}
	differs := Comparison{Why: fmt.Sprintf("it gives %s, expected was %s", shown(got), shown(want))}
	switch {
	case want.isBlank():
		differs.Equal = got.isNumber() && got.num == 0 || got.isText() && got.text == ""
	case got.kind != want.kind:
		differs.Type = sameInOtherType(got, want, tolerance)
	case got.isNumber():
		differs.Equal = closeTo(got.num, want.num, tolerance)
	case got.isText():
		differs.Equal = got.text == want.text || sameComplex(got.text, want.text, tolerance)
	default:
		differs.Equal = got.num == want.num
	}
	if differs.Equal {
		differs.Why = ""
	}
	return differs
}

// closeTo tells whether two numbers are the same within a relative tolerance.
func closeTo(got, want, tolerance float64) bool {
	if got == want {
		return true
	}
	if got == 0 || want == 0 {
		return math.Abs(got-want) <= math.Min(tolerance, 1e-12)
	}
	return math.Abs(got-want) <= tolerance*math.Max(math.Abs(got), math.Abs(want))
}

func sameComplex(got, want string, tolerance float64) bool {
	a, s, ok1 := parseComplex(got)
	b, t, ok2 := parseComplex(want)
	if !ok1 || !ok2 || s != t || s == "" {
		return false
	}
	return cmplx.Abs(a-b) <= tolerance*math.Max(cmplx.Abs(a), cmplx.Abs(b))
}

// sameInOtherType tells whether two values of different types say the same.
func sameInOtherType(a, b Value, tolerance float64) bool {
	x, ok1 := asFloat(a)
	y, ok2 := asFloat(b)
	return ok1 && ok2 && closeTo(x, y, tolerance)
}

func asFloat(v Value) (float64, bool) {
	switch v.kind {
	case KindNumber, KindBoolean:
		return v.num, true
	case KindText:
		switch strings.ToUpper(v.text) {
		case "TRUE":
			return 1, true
		case "FALSE":
			return 0, true
		}
		return american.parseFixed(v.text, false) // also a date: 2024-01-15 says 45306
	}
	return 0, false
}

// shown writes a value into a sentence.
func shown(v Value) string {
	switch v.kind {
	case KindText:
		return "the text “" + clip(v.text) + "”"
	case KindBlank:
		return "nothing"
	case KindNumber:
		return strconv.FormatFloat(v.num, 'g', 15, 64)
	case KindArray:
		a := v.array()
		return fmt.Sprintf("%s (first of %d × %d)", shown(a.At(0, 0)), a.rows, a.cols)
	}
	return v.String()
}
