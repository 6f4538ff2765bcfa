package labeling

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"assay/internal/fault"
)

// rowsOf reads a table: the columns of the export that an import knows, in any
// order. An apostrophe that the export put before what a program would take
// for a formula is dropped.
func rowsOf(file *bufio.Reader) source {
	return func(take func(importLine, error) bool) error {
		table := &tableReader{from: file, comma: commaOf(file)}
		head, err := table.row()
		if err != nil || len(head) < 2 {
			return fault.Say(fault.Invalid, "The table has no head with the names of its columns.")
		}
		for number := 1; ; number++ {
			row, err := table.row()
			if errors.Is(err, io.EOF) {
				return nil
			}
			line := importLine{number: number}
			switch {
			case err == nil && len(row) != len(head):
				err = fmt.Errorf("has %d cells, the head %d", len(row), len(head))
			case err == nil:
				line, err = rowLine(head, row, number)
			case !errors.Is(err, errBadRow) && !errors.Is(err, errLongLine):
				return err
			}
			if !take(line, err) {
				return nil
			}
		}
	}
}

// commaOf is what stands between the cells: a spreadsheet that saves the table
// again writes what its country does.
func commaOf(file *bufio.Reader) byte {
	head, _ := file.Peek(4 << 10)
	first, _, _ := strings.Cut(string(head), "\n")
	best := byte(',')
	for _, comma := range []byte{';', '\t'} {
		if strings.Count(first, string(comma)) > strings.Count(first, string(best)) {
			best = comma
		}
	}
	return best
}

var jsonCells = []string{"reasons", "spans"}
var numberCells = []string{"revision", "elapsed_ms"}

func rowLine(head, row []string, number int) (importLine, error) {
	values := map[string]json.RawMessage{}
	for i, column := range head {
		text := row[i]
		if strings.HasPrefix(text, "'") {
			text = text[1:]
		} else if text == "" {
			continue
		}
		switch {
		case slices.Contains(jsonCells, column):
			if !json.Valid([]byte(text)) {
				return importLine{number: number}, fmt.Errorf("%s is not a JSON list", column)
			}
			values[column] = json.RawMessage(text)
		case slices.Contains(numberCells, column):
			if _, err := strconv.ParseInt(text, 10, 64); err != nil {
				return importLine{number: number}, fmt.Errorf("%s is not a number", column)
			}
			values[column] = json.RawMessage(text)
		default:
			values[column], _ = json.Marshal(text)
		}
	}
	text, err := json.Marshal(values)
	if err != nil {
		return importLine{number: number}, err
	}
	return parseImportLine(text, number)
}

// tableReader reads comma separated values as RFC 4180 writes them. Unlike
// encoding/csv it gives the ends of lines inside a cell back as they were
// written, so that what an export wrote comes back to the byte.
type tableReader struct {
	from  *bufio.Reader
	comma byte
}

var errBadRow = errors.New("a quotation mark in it is never closed")

// row returns the cells of the next line that is not empty, io.EOF after the
// last. A row that is too long is passed over.
func (t *tableReader) row() ([]string, error) {
	var cells []string
	var cell []byte
	size, quoted, opened := 0, false, false // opened: the cell began with a mark
	for {
		c, err := t.from.ReadByte()
		switch {
		case err != nil && (!errors.Is(err, io.EOF) || len(cells) == 0 && len(cell) == 0 && !opened):
			return nil, err
		case err != nil && quoted:
			return nil, errBadRow
		case err != nil:
			return append(cells, string(cell)), t.longRow(size)
		}
		if size++; size > maxImportLine {
			cell = cell[:0] // read on to its end, and keep nothing of it
		}
		switch {
		case quoted && c == '"':
			if next, _ := t.from.Peek(1); len(next) == 1 && next[0] == '"' {
				t.from.Discard(1)
				cell = append(cell, c)
				continue
			}
			quoted = false
		case quoted:
			cell = append(cell, c)
		case c == '"' && len(cell) == 0 && !opened:
			quoted, opened = true, true
		case c == t.comma && size <= maxImportLine:
			cells = append(cells, string(cell))
			cell, opened = nil, false
		case c == '\n' || c == '\r' && t.endsLine():
			if len(cells) == 0 && len(cell) == 0 && !opened {
				continue
			}
			return append(cells, string(cell)), t.longRow(size)
		default:
			cell = append(cell, c)
		}
	}
}

// endsLine reports whether a carriage return was half of the end of a line,
// and passes over the other half.
func (t *tableReader) endsLine() bool {
	next, _ := t.from.Peek(1)
	if len(next) == 1 && next[0] == '\n' {
		t.from.Discard(1)
		return true
	}
	return len(next) == 0
}

func (t *tableReader) longRow(size int) error {
	if size > maxImportLine {
		return errLongLine
	}
	return nil
}
