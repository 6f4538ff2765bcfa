package formula

import (
	"math"
	"strconv"
	"strings"
)

// Excel's sheet ends here.
const (
	maxRows = 1 << 20
	maxCols = 1 << 14
)

// area is a rectangle of one sheet, zero-based and inclusive.
type area struct {
	sheet          int
	r1, c1, r2, c2 int
}

func (a area) rows() int    { return a.r2 - a.r1 + 1 }
func (a area) cols() int    { return a.c2 - a.c1 + 1 }
func (a area) size() int    { return a.rows() * a.cols() }
func (a area) single() bool { return a.r1 == a.r2 && a.c1 == a.c2 }

func (a area) contains(p place) bool {
	return a.sheet == p.sheet && p.row >= a.r1 && p.row <= a.r2 && p.col >= a.c1 && p.col <= a.c2
}

func (a area) valid() bool {
	return a.r1 >= 0 && a.c1 >= 0 && a.r2 < maxRows && a.c2 < maxCols && a.r1 <= a.r2 && a.c1 <= a.c2
}

// intersect returns the common rectangle and whether there is one.
func (a area) intersect(b area) (area, bool) {
	if a.sheet != b.sheet {
		return area{}, false
	}
	out := area{a.sheet, max(a.r1, b.r1), max(a.c1, b.c1), min(a.r2, b.r2), min(a.c2, b.c2)}
	return out, out.r1 <= out.r2 && out.c1 <= out.c2
}

// span returns the smallest rectangle around both.
func (a area) span(b area) area {
	return area{a.sheet, min(a.r1, b.r1), min(a.c1, b.c1), max(a.r2, b.r2), max(a.c2, b.c2)}
}

// reference is one area or, for a union, several.
type reference struct {
	areas []area
}

func oneArea(a area) *reference { return &reference{areas: []area{a}} }

// place is one cell.
type place struct {
	sheet, row, col int
}

func (p place) area() area { return area{p.sheet, p.row, p.col, p.row, p.col} }

// columnLetters turns a zero-based column into letters.
func columnLetters(col int) string {
	var buf [8]byte
	i := len(buf)
	for col++; col > 0; col = (col - 1) / 26 {
		i--
		buf[i] = byte('A' + (col-1)%26)
	}
	return string(buf[i:])
}

// columnNumber turns letters into a zero-based column; -1 when there is none.
func columnNumber(letters string) int {
	if letters == "" || len(letters) > 3 {
		return -1
	}
	n := 0
	for i := 0; i < len(letters); i++ {
		c := letters[i] | 0x20
		if c < 'a' || c > 'z' {
			return -1
		}
		n = n*26 + int(c-'a') + 1
	}
	if n > maxCols {
		return -1
	}
	return n - 1
}

// corner is one end of a written reference: a row and a column, each perhaps
// absent (whole column, whole row), each absolute or relative.
type corner struct {
	row, col       int // zero-based; -1 when absent; an offset when relative in R1C1 notation
	absRow, absCol bool
}

// scanCorner reads $A$1, A, $A or 5 at the start of text and returns its length, or 0.
func scanCorner(text string) (corner, int) {
	c := corner{row: -1, col: -1}
	i := 0
	if i < len(text) && text[i] == '$' {
		c.absCol = true
		i++
	}
	start := i
	for i < len(text) && i-start < 4 && isLetter(text[i]) {
		i++
	}
	if i > start {
		if c.col = columnNumber(text[start:i]); c.col < 0 {
			return corner{}, 0
		}
		if i < len(text) && text[i] == '$' {
			c.absRow = true
			i++
		}
	} else if c.absCol {
		c.absCol, c.absRow = false, true
	}
	start = i
	for i < len(text) && i-start < 8 && isDigit(text[i]) {
		i++
	}
	if i == start {
		if c.col < 0 || text[i-1] == '$' {
			return corner{}, 0
		}
		return c, i
	}
	row, err := strconv.Atoi(text[start:i])
	if err != nil || row < 1 || row > maxRows {
		return corner{}, 0
	}
	c.row = row - 1
	return c, i
}

// scanCornerR1C1 reads R1C1, R[-1]C, RC[2], R5 or C3 at the start of text.
// A relative part keeps its offset, with the absolute mark unset.
func scanCornerR1C1(text string) (c corner, n int, hasRow, hasCol bool) {
	part := func(letter byte) (value int, abs, ok bool) {
		if n >= len(text) || text[n]|0x20 != letter {
			return 0, false, false
		}
		i := n + 1
		if i < len(text) && text[i] == '[' {
			end := strings.IndexByte(text[i:], ']')
			if end < 0 {
				return 0, false, false
			}
			offset, err := strconv.Atoi(text[i+1 : i+end])
			if err != nil || offset > maxRows || offset < -maxRows {
				return 0, false, false
			}
			n = i + end + 1
			return offset, false, true
		}
		start := i
		for i < len(text) && isDigit(text[i]) && i-start < 8 {
			i++
		}
		if i == start {
			n = i
			return 0, false, true
		}
		number, err := strconv.Atoi(text[start:i])
		if err != nil || number < 1 {
			return 0, false, false
		}
		n = i
		return number - 1, true, true
	}
	c = corner{row: -1, col: -1}
	if v, abs, ok := part('r'); ok {
		c.row, c.absRow, hasRow = v, abs, true
	}
	if v, abs, ok := part('c'); ok {
		c.col, c.absCol, hasCol = v, abs, true
	}
	if !hasRow && !hasCol || hasRow && c.absRow && c.row >= maxRows || hasCol && c.absCol && c.col >= maxCols {
		return corner{}, 0, false, false
	}
	return c, n, hasRow, hasCol
}

// scanArea reads a whole written reference (A1, A1:B2, A:A, 1:5) that must be all of text.
func scanArea(text string) (a, b corner, ok bool) {
	a, n := scanCorner(text)
	if n == 0 {
		return a, b, false
	}
	if n == len(text) {
		return a, a, a.row >= 0 && a.col >= 0
	}
	if text[n] != ':' {
		return a, b, false
	}
	b, m := scanCorner(text[n+1:])
	if m == 0 || n+1+m != len(text) {
		return a, b, false
	}
	return a, b, (a.row < 0) == (b.row < 0) && (a.col < 0) == (b.col < 0)
}

// rectangle turns two corners into an area of sheet.
func rectangle(sheet int, a, b corner) area {
	out := area{sheet, min(a.row, b.row), min(a.col, b.col), max(a.row, b.row), max(a.col, b.col)}
	if a.row < 0 {
		out.r1, out.r2 = 0, maxRows-1
	}
	if a.col < 0 {
		out.c1, out.c2 = 0, maxCols-1
	}
	return out
}

// splitSheet parts "Sheet1!A1" or "'My Sheet'!A1" into sheet and the rest; the
// sheet is "" when there is none.
func splitSheet(text string) (sheet, rest string) {
	if strings.HasPrefix(text, "'") {
		for i := 1; i < len(text); i++ {
			if text[i] != '\'' {
				continue
			}
			if i+1 < len(text) && text[i+1] == '\'' {
				i++
				continue
			}
			if i+1 < len(text) && text[i+1] == '!' {
				return strings.ReplaceAll(text[1:i], "''", "'"), text[i+2:]
			}
			return "", text
		}
		return "", text
	}
	if i := strings.LastIndexByte(text, '!'); i >= 0 {
		return text[:i], text[i+1:]
	}
	return "", text
}

// quoteSheet writes a sheet's name as a formula needs it.
func quoteSheet(name string) string {
	plain := name != ""
	for i, r := range name {
		if !isNameRune(r, i == 0) || r == '.' && i == 0 {
			plain = false
		}
	}
	if _, n := scanCorner(name); n == len(name) && n > 0 {
		plain = false
	}
	if plain {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", "''") + "'"
}

// addressText writes a cell as $A$1 with the given absolute parts.
func addressText(row, col int, absRow, absCol bool) string {
	var b strings.Builder
	if absCol {
		b.WriteByte('$')
	}
	b.WriteString(columnLetters(col))
	if absRow {
		b.WriteByte('$')
	}
	b.WriteString(strconv.Itoa(row + 1))
	return b.String()
}

// text writes an area without its sheet.
func (a area) text() string {
	switch {
	case a.single():
		return addressText(a.r1, a.c1, false, false)
	case a.r1 == 0 && a.r2 == maxRows-1:
		return columnLetters(a.c1) + ":" + columnLetters(a.c2)
	case a.c1 == 0 && a.c2 == maxCols-1:
		return strconv.Itoa(a.r1+1) + ":" + strconv.Itoa(a.r2+1)
	}
	return addressText(a.r1, a.c1, false, false) + ":" + addressText(a.r2, a.c2, false, false)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// truncated cuts a number to an int, or says that it does not fit one.
func truncated(f float64) (int, bool) {
	f = math.Trunc(f)
	if f > math.MaxInt32 || f < math.MinInt32 {
		return 0, false
	}
	return int(f), true
}
