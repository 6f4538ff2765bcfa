package telemetry

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/google/uuid"
)

// sheet is a batch as the inbox holds it, by columns. It is written once, when
// events are taken; the drainer hands the columns on as they lie and makes no
// events of them again. What no event of the batch says takes no room, and
// what all of them say stands once.
//
// A body begins with sheetMark and the number of events. Then comes, for each
// column that says something: the length of its name, its name, whether it
// holds one value for all or one for each, the length of its values, the
// values. Numbers are as binary.PutUvarint writes them.
//
// Columns are named so that a program finds its way in what an older one wrote.
type sheet struct {
	events int
	cells  []cell // by place in columns
}

// cell is one column of a sheet. Its bytes are shared with the body it was
// read from.
type cell struct {
	hold byte
	data []byte
}

const (
	sheetMark = 1 // no JSON begins with it: bodies of earlier versions are lines

	holdsNothing = 0
	holdsOne     = 'o'
	holdsEach    = 'e'
)

// appendSheet writes rows as the body of a batch.
func appendSheet(b []byte, rows []*row) []byte {
	b = binary.AppendUvarint(append(b, sheetMark), uint64(len(rows)))
	var values []byte
	for i := range columns {
		c := &columns[i]
		hold := byte(holdsNothing)
		if hold, values = c.gather(values[:0], rows); hold == holdsNothing {
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(c.name)))
		b = append(append(b, c.name...), hold)
		b = binary.AppendUvarint(b, uint64(len(values)))
		b = append(b, values...)
	}
	return b
}

// gather writes a column's values: one for each row, or one when all are alike.
func (c *column) gather(b []byte, rows []*row) (hold byte, values []byte) {
	alike, first := true, 0
	for i, r := range rows {
		start := len(b)
		b = c.put(b, r)
		if i == 0 {
			first = len(b)
		}
		alike = alike && bytes.Equal(b[start:], b[:first])
	}
	switch {
	case !alike:
		return holdsEach, b
	case bytes.Equal(b[:first], c.blank):
		return holdsNothing, b
	}
	return holdsOne, b[:first]
}

var errSheet = errors.New("the batch is cut short or damaged")

// readSheet reads the body of a batch and looks at every value of it once, so
// that nothing later can stumble over one.
func readSheet(body []byte) (*sheet, error) {
	if len(body) == 0 || body[0] != sheetMark {
		return nil, errSheet
	}
	events, b, ok := uvarint(body[1:])
	if !ok || events == 0 || events > maxSheet {
		return nil, errSheet
	}
	s := &sheet{int(events), make([]cell, len(columns))}
	for len(b) > 0 {
		name, rest, ok := chunk(b)
		if !ok || len(rest) == 0 {
			return nil, errSheet
		}
		place, known := columnPlace[string(name)]
		if !known {
			return nil, fmt.Errorf("the batch has a column %.64q this version does not know", name)
		}
		hold := rest[0]
		data, rest, ok := chunk(rest[1:])
		if !ok || !columns[place].holds(hold, data, s.events) {
			return nil, errSheet
		}
		s.cells[place] = cell{hold, data}
		b = rest
	}
	return s, nil
}

// maxSheet is more events than a request may hold.
const maxSheet = 1 << 20

// holds reports whether data is exactly the values a cell says it holds.
func (c *column) holds(hold byte, data []byte, events int) bool {
	switch hold {
	case holdsOne:
		events = 1
	case holdsEach:
	default:
		return false
	}
	ok := true
	for ; events > 0 && ok; events-- {
		data, ok = c.skip(data)
	}
	return ok && len(data) == 0
}

// sheetOf makes a sheet of rows.
func sheetOf(rows []*row) *sheet {
	s, err := readSheet(appendSheet(nil, rows))
	if err != nil {
		panic("telemetry: a batch cannot be read as it was written: " + err.Error())
	}
	return s
}

// rows makes events of the sheet again.
func (s *sheet) rows() []*row {
	list := make([]*row, s.events)
	for i := range list {
		list[i] = &row{}
	}
	for i := range columns {
		data := s.cells[i].data
		switch s.cells[i].hold {
		case holdsOne:
			for _, r := range list {
				columns[i].take(r, data)
			}
		case holdsEach:
			for _, r := range list {
				data = columns[i].take(r, data)
			}
		}
	}
	return list
}

// number gives the events their order of arrival: batch, then place in it.
func (s *sheet) number(batch int64) {
	data := make([]byte, 0, 8*s.events)
	for place := range s.events {
		data = binary.LittleEndian.AppendUint64(data, uint64(batch)<<16|uint64(place))
	}
	s.cells[columnPlace["seq"]] = cell{holdsEach, data}
}

// cellOf is a column of the sheet by its name.
func (s *sheet) cellOf(name string) cell { return s.cells[columnPlace[name]] }

// texts reads a column of texts.
func (s *sheet) texts(name string) []string {
	return valuesOf([]*sheet{s}, columnPlace[name], s.events, textKind)
}

func eventsOf(sheets []*sheet) (n int) {
	for _, s := range sheets {
		n += s.events
	}
	return n
}

func rowsOf(sheets []*sheet) []*row {
	var rows []*row
	for _, s := range sheets {
		rows = append(rows, s.rows()...)
	}
	return rows
}

// --- kinds of value ---

// kind is how values of one type lie in a sheet. next trusts what skip has
// looked at.
type kind[T any] struct {
	put  func([]byte, T) []byte
	skip func([]byte) (rest []byte, ok bool)
	next func([]byte) (T, []byte)
}

// valuesOf reads a column of several sheets into one slice, n values in all.
func valuesOf[T any](sheets []*sheet, place, n int, k kind[T]) []T {
	list := make([]T, 0, n)
	for _, s := range sheets {
		var v T
		data := s.cells[place].data
		switch s.cells[place].hold {
		case holdsEach:
			for range s.events {
				v, data = k.next(data)
				list = append(list, v)
			}
			continue
		case holdsOne:
			v, _ = k.next(data)
		}
		for range s.events {
			list = append(list, v)
		}
	}
	return list
}

func uvarint(b []byte) (n uint64, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, false
	}
	return n, b[size:], true
}

func chunk(b []byte) (inner, rest []byte, ok bool) {
	n, b, ok := uvarint(b)
	if !ok || n > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

var textKind = kind[string]{
	put: func(b []byte, s string) []byte {
		if !utf8.ValidString(s) {
			s = strings.ToValidUTF8(s, "\uFFFD")
		}
		return append(binary.AppendUvarint(b, uint64(len(s))), s...)
	},
	skip: func(b []byte) ([]byte, bool) {
		_, rest, ok := chunk(b)
		return rest, ok
	},
	// The text shares the bytes of the body, which nobody writes to again.
	next: func(b []byte) (string, []byte) {
		inner, rest, _ := chunk(b)
		if len(inner) == 0 {
			return "", rest
		}
		return unsafe.String(&inner[0], len(inner)), rest
	},
}

func skipBytes(n int) func([]byte) ([]byte, bool) {
	return func(b []byte) ([]byte, bool) {
		if len(b) < n {
			return nil, false
		}
		return b[n:], true
	}
}

func wordKind[T int64 | uint64]() kind[T] {
	return kind[T]{
		put:  func(b []byte, v T) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v)) },
		skip: skipBytes(8),
		next: func(b []byte) (T, []byte) { return T(binary.LittleEndian.Uint64(b)), b[8:] },
	}
}

var shareKind = kind[float64]{
	put:  func(b []byte, v float64) []byte { return binary.LittleEndian.AppendUint64(b, math.Float64bits(v)) },
	skip: skipBytes(8),
	next: func(b []byte) (float64, []byte) { return math.Float64frombits(binary.LittleEndian.Uint64(b)), b[8:] },
}

var flagKind = kind[bool]{
	put: func(b []byte, v bool) []byte {
		if v {
			return append(b, 1)
		}
		return append(b, 0)
	},
	skip: skipBytes(1),
	next: func(b []byte) (bool, []byte) { return b[0] == 1, b[1:] },
}

var uuidKind = kind[uuid.UUID]{
	put:  func(b []byte, v uuid.UUID) []byte { return append(b, v[:]...) },
	skip: skipBytes(16),
	next: func(b []byte) (uuid.UUID, []byte) { return uuid.UUID(b[:16]), b[16:] },
}

// timeKind keeps milliseconds; the zero time is the smallest number.
var timeKind = kind[time.Time]{
	put: func(b []byte, v time.Time) []byte {
		milli := int64(math.MinInt64)
		if !v.IsZero() {
			milli = v.UnixMilli()
		}
		return binary.LittleEndian.AppendUint64(b, uint64(milli))
	},
	skip: skipBytes(8),
	next: func(b []byte) (time.Time, []byte) {
		milli := int64(binary.LittleEndian.Uint64(b))
		if milli == math.MinInt64 {
			return time.Time{}, b[8:]
		}
		return time.UnixMilli(milli).UTC(), b[8:]
	},
}

// optional is the kind of what may not have been said: nil.
func optional[T any](k kind[T]) kind[*T] {
	return kind[*T]{
		put: func(b []byte, v *T) []byte {
			if v == nil {
				return append(b, 0)
			}
			return k.put(append(b, 1), *v)
		},
		skip: func(b []byte) ([]byte, bool) {
			switch {
			case len(b) == 0 || b[0] > 1:
				return nil, false
			case b[0] == 0:
				return b[1:], true
			}
			return k.skip(b[1:])
		},
		next: func(b []byte) (*T, []byte) {
			if b[0] == 0 {
				return nil, b[1:]
			}
			v, rest := k.next(b[1:])
			return &v, rest
		},
	}
}

// saysAnything reports whether some event of the sheet has a value in an
// optional column.
func (s *sheet) saysAnything(name string) bool {
	c := s.cellOf(name)
	return c.hold != holdsNothing && (c.hold == holdsEach || c.data[0] == 1)
}

// holdsText reports whether some event has this text in a column.
func (s *sheet) holdsText(name, text string) bool {
	c := s.cellOf(name)
	if c.hold == holdsNothing {
		return text == ""
	}
	if c.hold == holdsOne {
		one, _ := textKind.next(c.data)
		return one == text
	}
	return slices.Contains(s.texts(name), text)
}
