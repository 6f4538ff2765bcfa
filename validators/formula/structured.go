package formula

import "strings"

// data returns the rows between header and totals.
func (t *table) data() area {
	a := t.area
	a.r1++
	if t.totals {
		a.r2--
	}
	return a
}

// column returns the index of a title, or -1.
func (t *table) column(title string) int {
	for i, name := range t.columns {
		if strings.EqualFold(name, title) {
			return i
		}
	}
	return -1
}

// structuredReference is what stands in the brackets of Table[…].
type structuredReference struct {
	table       string
	items       []string // #all, #data, #headers, #totals, #this row
	first, last string   // columns; "" for all
}

// parseStructured reads a structured reference; ok is false when it is none.
func parseStructured(text string) (s structuredReference, ok bool) {
	open := strings.IndexByte(text, '[')
	if open < 0 || !strings.HasSuffix(text, "]") {
		return s, false
	}
	s.table = text[:open]
	inner := strings.TrimSpace(text[open+1 : len(text)-1])
	if strings.HasPrefix(inner, "@") {
		s.items = append(s.items, "#this row")
		if inner = strings.TrimSpace(inner[1:]); inner == "" {
			return s, true
		}
	}
	if inner == "" {
		return s, true
	}
	if !strings.HasPrefix(inner, "[") {
		return s, s.specifier(unescape(inner))
	}
	for inner != "" {
		end := bracketEnd(inner)
		if end < 0 {
			return s, false
		}
		name := unescape(inner[1 : end-1])
		inner = strings.TrimSpace(inner[end:])
		if strings.HasPrefix(inner, ":") {
			rest := strings.TrimSpace(inner[1:])
			end := bracketEnd(rest)
			if end < 0 || s.first != "" || !strings.HasPrefix(rest, "[") {
				return s, false
			}
			s.first, s.last = name, unescape(rest[1:end-1])
			inner = strings.TrimSpace(rest[end:])
		} else if !s.specifier(name) {
			return s, false
		}
		if inner == "" {
			break
		}
		if inner[0] != ',' && inner[0] != ';' {
			return s, false
		}
		if inner = strings.TrimSpace(inner[1:]); !strings.HasPrefix(inner, "[") {
			return s, false
		}
	}
	return s, true
}

// specifier takes one name: an item with "#", else a column.
func (s *structuredReference) specifier(name string) bool {
	if strings.HasPrefix(name, "#") {
		s.items = append(s.items, strings.ToLower(name))
		return true
	}
	if s.first != "" {
		return false
	}
	s.first, s.last = name, name
	return true
}

// unescape drops the apostrophes that make brackets and signs plain.
func unescape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '\'' && i+1 < len(name) {
			i++
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// structured resolves Table[Column] and its kin.
func (e *evaluator) structured(n *tableNode, f frame) Value {
	s, ok := parseStructured(n.text)
	if !ok {
		return errRef
	}
	t := e.tableOf(s.table, f.at)
	if t == nil {
		e.unnamed[strings.ToLower(s.table)] = n
		return errName
	}
	a, err := t.rows(s.items, f.at)
	if err.isError() {
		return err
	}
	if s.first != "" {
		i, j := t.column(s.first), t.column(s.last)
		if i < 0 || j < 0 {
			return errRef
		}
		a.c1, a.c2 = t.area.c1+min(i, j), t.area.c1+max(i, j)
	}
	return referenceOf(oneArea(a))
}

// tableOf finds a table by name, or the one the cell stands in or beside.
func (e *evaluator) tableOf(name string, at place) *table {
	if name != "" {
		return e.book.tables[strings.ToLower(name)]
	}
	var beside *table
	for _, t := range e.book.tables {
		if t.area.contains(at) {
			return t
		}
		if t.area.sheet == at.sheet && at.row >= t.area.r1 && at.row <= t.area.r2 {
			beside = t
		}
	}
	if beside == nil && len(e.book.tables) == 1 {
		for _, t := range e.book.tables {
			beside = t
		}
	}
	return beside
}

// rows gives the part of the table that the items name; without any, the data.
func (t *table) rows(items []string, at place) (area, Value) {
	out := t.data()
	for i, item := range items {
		a := t.area
		switch item {
		case "#all":
		case "#data":
			a = t.data()
		case "#headers":
			a.r2 = a.r1
		case "#totals":
			if !t.totals {
				return area{}, errRef
			}
			a.r1 = a.r2
		case "#this row":
			d := t.data()
			if at.row < d.r1 || at.row > d.r2 {
				return area{}, errValue
			}
			a.r1, a.r2 = at.row, at.row
		default:
			return area{}, errRef
		}
		if i == 0 {
			out = a
		} else {
			out = out.span(a)
		}
	}
	if out.r1 > out.r2 {
		return area{}, errRef
	}
	return out, blank
}
