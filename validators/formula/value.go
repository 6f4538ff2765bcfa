package formula

import (
	"math"
	"strconv"
	"strings"
)

// Kind says what a Value is.
type Kind uint8

// The kinds of values. Missing is an argument left empty, as in F(1,,2).
const (
	KindBlank Kind = iota
	KindNumber
	KindText
	KindBoolean
	KindError
	KindArray
	KindReference
	KindLambda
	KindMissing
)

func (k Kind) String() string {
	return [...]string{"blank", "number", "text", "boolean", "error", "array", "reference", "lambda", "missing"}[k]
}

// ErrorCode is one of Excel's error values, numbered as ERROR.TYPE does.
type ErrorCode uint8

// Excel's errors.
const (
	ErrNull        ErrorCode = 1
	ErrDiv0        ErrorCode = 2
	ErrValue       ErrorCode = 3
	ErrRef         ErrorCode = 4
	ErrName        ErrorCode = 5
	ErrNum         ErrorCode = 6
	ErrNA          ErrorCode = 7
	ErrGettingData ErrorCode = 8
	ErrSpill       ErrorCode = 9
	ErrConnect     ErrorCode = 10
	ErrBlocked     ErrorCode = 11
	ErrUnknown     ErrorCode = 12
	ErrField       ErrorCode = 13
	ErrCalc        ErrorCode = 14
)

var errorNames = map[ErrorCode]string{
	ErrNull: "#NULL!", ErrDiv0: "#DIV/0!", ErrValue: "#VALUE!", ErrRef: "#REF!", ErrName: "#NAME?",
	ErrNum: "#NUM!", ErrNA: "#N/A", ErrGettingData: "#GETTING_DATA", ErrSpill: "#SPILL!",
	ErrConnect: "#CONNECT!", ErrBlocked: "#BLOCKED!", ErrUnknown: "#UNKNOWN!", ErrField: "#FIELD!", ErrCalc: "#CALC!",
}

func (c ErrorCode) String() string { return errorNames[c] }

// errorNamed returns the error a literal such as "#N/A" stands for, or 0.
func errorNamed(text string) ErrorCode {
	if !strings.HasPrefix(text, "#") {
		return 0
	}
	upper := strings.ToUpper(text)
	for code, name := range errorNames {
		if name == upper {
			return code
		}
	}
	return 0
}

// Value is anything a formula can handle. The zero Value is blank.
type Value struct {
	kind Kind
	num  float64 // number; boolean as 0 or 1; error code
	text string
	more *composite // of an array, a reference or a lambda
}

// composite keeps Value small: only few values are more than a scalar.
type composite struct {
	arr *Array
	ref *reference
	fn  *lambda
}

var (
	blank   = Value{}
	missing = Value{kind: KindMissing}
	yes     = Value{kind: KindBoolean, num: 1}
	no      = Value{kind: KindBoolean}
	zero    = Value{kind: KindNumber}

	errNull  = errorOf(ErrNull)
	errDiv0  = errorOf(ErrDiv0)
	errValue = errorOf(ErrValue)
	errRef   = errorOf(ErrRef)
	errName  = errorOf(ErrName)
	errNum   = errorOf(ErrNum)
	errNA    = errorOf(ErrNA)
	errCalc  = errorOf(ErrCalc)
)

// NumberOf returns a number; a number Excel cannot hold becomes #NUM!.
func NumberOf(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return errNum
	}
	if f == 0 {
		return zero // Excel knows no negative zero
	}
	return Value{kind: KindNumber, num: f}
}

// TextOf returns a text.
func TextOf(s string) Value { return Value{kind: KindText, text: s} }

// BooleanOf returns TRUE or FALSE.
func BooleanOf(b bool) Value {
	if b {
		return yes
	}
	return no
}

// ErrorOf returns an error value.
func ErrorOf(code ErrorCode) Value { return errorOf(code) }

func errorOf(code ErrorCode) Value { return Value{kind: KindError, num: float64(code)} }

func arrayOf(a *Array) Value { return Value{kind: KindArray, more: &composite{arr: a}} }
func referenceOf(r *reference) Value {
	return Value{kind: KindReference, more: &composite{ref: r}}
}
func lambdaOf(f *lambda) Value { return Value{kind: KindLambda, more: &composite{fn: f}} }

// Kind returns what the value is.
func (v Value) Kind() Kind { return v.kind }

// Number returns the number, or 0 or 1 for a boolean.
func (v Value) Number() float64 { return v.num }

// Text returns the text of a text value.
func (v Value) Text() string { return v.text }

// Boolean tells whether the value is TRUE.
func (v Value) Boolean() bool { return v.kind == KindBoolean && v.num != 0 }

// Error returns the error code, or 0.
func (v Value) Error() ErrorCode {
	if v.kind != KindError {
		return 0
	}
	return ErrorCode(v.num)
}

// Array returns the array of an array value, else nil.
func (v Value) Array() *Array {
	if v.kind != KindArray {
		return nil
	}
	return v.more.arr
}

func (v Value) array() *Array         { return v.more.arr }
func (v Value) reference() *reference { return v.more.ref }
func (v Value) lambda() *lambda       { return v.more.fn }

func (v Value) isError() bool   { return v.kind == KindError }
func (v Value) isNumber() bool  { return v.kind == KindNumber }
func (v Value) isText() bool    { return v.kind == KindText }
func (v Value) isBoolean() bool { return v.kind == KindBoolean }
func (v Value) isBlank() bool   { return v.kind == KindBlank }
func (v Value) isMissing() bool { return v.kind == KindMissing }

// scalar tells whether the value is a plain one, neither array nor reference nor lambda.
func (v Value) scalar() bool {
	return v.kind != KindArray && v.kind != KindReference && v.kind != KindLambda
}

// String writes the value as a person would read it in a cell or a formula.
func (v Value) String() string {
	switch v.kind {
	case KindNumber:
		return generalText(v.num)
	case KindText:
		return v.text
	case KindBoolean:
		if v.num != 0 {
			return "TRUE"
		}
		return "FALSE"
	case KindError:
		return ErrorCode(v.num).String()
	case KindArray:
		return v.array().String()
	case KindReference:
		return "a reference"
	case KindLambda:
		return "a LAMBDA"
	}
	return ""
}

// plainCells bounds how much of an array is put into evidence.
const plainCells = 400

// Plain returns the value as JSON would hold it: nil, float64, string, bool, or
// rows of them (at most 400 cells). Errors are strings such as "#N/A".
func (v Value) Plain() any {
	switch v.kind {
	case KindNumber:
		return v.num
	case KindText:
		return v.text
	case KindBoolean:
		return v.num != 0
	case KindError:
		return ErrorCode(v.num).String()
	case KindArray:
		return v.array().plain()
	case KindLambda:
		return "LAMBDA"
	}
	return nil
}

// Array is a rectangle of plain values. Only srows × scols of its rows × cols
// are stored; every other element is fill. A whole column of which ten cells
// are filled stores ten.
type Array struct {
	rows, cols   int
	srows, scols int
	cells        []Value
	fill         Value
}

// newArray makes an array whose elements are all stored, and blank.
func newArray(rows, cols int) *Array {
	return &Array{rows: rows, cols: cols, srows: rows, scols: cols, cells: make([]Value, rows*cols)}
}

// Rows returns the height.
func (a *Array) Rows() int { return a.rows }

// Cols returns the width.
func (a *Array) Cols() int { return a.cols }

// At returns the element of a zero-based row and column.
func (a *Array) At(row, col int) Value {
	if row < a.srows && col < a.scols {
		return a.cells[row*a.scols+col]
	}
	return a.fill
}

func (a *Array) set(row, col int, v Value) { a.cells[row*a.scols+col] = v }

func (a *Array) size() int { return a.rows * a.cols }

// index returns the i-th element in reading order.
func (a *Array) index(i int) Value { return a.At(i/a.cols, i%a.cols) }

// tail returns how many elements are not stored.
func (a *Array) tail() int { return a.rows*a.cols - a.srows*a.scols }

// vector tells whether the array is one row or one column.
func (a *Array) vector() bool { return a.rows == 1 || a.cols == 1 }

func (a *Array) plain() any {
	rows := [][]any{}
	left := plainCells
	for r := 0; r < a.rows && left > 0; r++ {
		row := []any{}
		for c := 0; c < a.cols && left > 0; c++ {
			v := a.At(r, c)
			if v.kind == KindBlank {
				v = zero
			}
			row = append(row, v.Plain())
			left--
		}
		rows = append(rows, row)
	}
	return rows
}

// String writes the array as an array constant, cut short when it is long.
func (a *Array) String() string {
	var b strings.Builder
	b.WriteByte('{')
	shown := 0
	for r := 0; r < a.rows; r++ {
		for c := 0; c < a.cols; c++ {
			if shown == 20 {
				b.WriteString(";… " + strconv.Itoa(a.rows) + " × " + strconv.Itoa(a.cols) + "}")
				return b.String()
			}
			if c > 0 {
				b.WriteByte(',')
			} else if r > 0 {
				b.WriteByte(';')
			}
			v := a.At(r, c)
			if v.kind == KindText {
				b.WriteString(strconv.Quote(v.text))
			} else {
				b.WriteString(v.String())
			}
			shown++
		}
	}
	b.WriteByte('}')
	return b.String()
}
