package ui

import (
	"cmp"
	"context"
	"io"

	"github.com/a-h/templ"
)

// Table is a list a person works through: head, hairlines, numbers right, one
// selected row, and a foot that says how many of how many. j and k move, o
// opens, x selects wherever rows have an address.
//
// On a phone a row is a card: the first cell is its head, each other stands
// beside its column's name. Where Flow is set the cells follow each other as
// text does and the wide ones come last, on a line of their own.
type Table struct {
	ID       string // region that filters and the foot swap
	Caption  string // accessible name
	Columns  []Column
	Rows     []Row
	Empty    templ.Component // instead of rows
	Foot     *Foot
	Tight    bool   // 4 px rows
	Loose    bool   // two lines in a row
	Flow     bool   // a row on a phone is running text: a log
	Bare     bool   // inside a panel that has the frame
	Selects  string // name of the check boxes; empty: rows are not selected
	SelectIn string // id of the form the check boxes belong to
}

// Column is a head. Wide columns take what is left.
type Column struct {
	Label string
	Note  templ.Component // below or instead of the label: an axis
	Right bool
	Wide  bool
	Name  string // accessible, when the label is empty
	Desc  bool   // the rows stand in its order, greatest first
}

// Row is one line. URL is where o and the first link lead.
type Row struct {
	ID      string
	URL     string
	Value   string // of the check box
	Name    string // what the check box selects, accessible
	Current bool   // the one selected row
	Dim     bool
	Starts  bool // first of a group: a rule above
	Cells   []templ.Component
}

// Foot says how much is shown and leads on. Empty addresses are ends.
type Foot struct {
	Shown      string // "15 of 214,380 in 24 hours"
	Newer      string
	Older      string
	NewerLabel string // default "Newer"
	OlderLabel string // default "Older"
	Hints      bool   // j k move, o open
	Selects    bool   // x select
	Region     string
	Legend     templ.Component
	Note       templ.Component
}

func (t Table) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, t.Draw()) }
func (f Foot) Render(ctx context.Context, w io.Writer) error  { return drawn(ctx, w, f.Draw()) }

func (t Table) class() string {
	class := "table"
	if t.Tight {
		class += " tight"
	}
	if t.Loose {
		class += " loose"
	}
	if t.Flow {
		class += " flow"
	}
	for _, r := range t.Rows {
		if r.Starts {
			return class + " grouped"
		}
	}
	return class
}

// right says whether cell i stands right.
func (t Table) right(i int) bool { return i < len(t.Columns) && t.Columns[i].Right }

func (t Table) wide(i int) bool { return i < len(t.Columns) && t.Columns[i].Wide }

// head is the name of cell i on a card.
func (t Table) head(i int) string {
	if i >= len(t.Columns) {
		return ""
	}
	return cmp.Or(t.Columns[i].Label, t.Columns[i].Name)
}

func (t Table) span() int {
	n := len(t.Columns)
	if t.Selects != "" {
		n++
	}
	return n
}
