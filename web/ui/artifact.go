package ui

import (
	"context"
	"io"

	"github.com/a-h/templ"
)

// Artifact is what a validator checked: head, highlighted source with the
// failing part underlined, and the evidence below. A verdict is never shown
// without its evidence.
type Artifact struct {
	ID        string
	Kind      string // "Formula", "SQL", "Code", "Text"
	Icon      Icon
	Where     string // "F2, en-US"
	Verdict   string // pass, fail, inconclusive; empty: none yet
	Reason    string
	Version   string // "formula 1.4.2"
	Concealed bool   // "Verdict shown once you have labeled": Verdict, Findings and Marks must be empty
	Unchecked bool   // no check is spoken of
	Source    Code
	Evidence  []templ.Component // tables at left
	Findings  []Finding         // at right, trouble first
	More      *Link
}

// Finding is one thing a check says. Pass findings are grey.
type Finding struct {
	Mark Mark
	Bold string
	Text string
	Part templ.Component // after Text
}

// Grid is a small table of real values with real names: the cells a formula
// read, the rows a query gave.
type Grid struct {
	Caption string
	Columns []string
	Rows    []GridRow
	Named   bool // rows have a name of their own, as in a sheet
}

// GridRow is one line. Total rows close the table.
type GridRow struct {
	Name  string
	Cells []Cell
	Total bool
}

// Cell is one value. Counted cells are washed in the accent, wrong ones red
// and bold; a column or the caption says it in words too.
type Cell struct {
	Text    string
	Number  bool
	Counted bool
	Wrong   bool
	Dim     bool
	Before  string // dim words before the value: "said"
	URL     string // where what is counted is listed
}

// Compare stands two results side by side, aligned by row; only cells that
// differ are marked.
type Compare struct{ Left, Right Grid }

// Fold is what is there when asked for: the rows a query ran on.
type Fold struct {
	Summary string
	Body    templ.Component
}

func (f Fold) Render(ctx context.Context, w io.Writer) error     { return drawn(ctx, w, f.Draw()) }
func (a Artifact) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, a.Draw()) }
func (f Finding) Render(ctx context.Context, w io.Writer) error  { return drawn(ctx, w, f.Draw()) }
func (g Grid) Render(ctx context.Context, w io.Writer) error     { return drawn(ctx, w, g.Draw()) }
func (c Compare) Render(ctx context.Context, w io.Writer) error  { return drawn(ctx, w, c.Draw()) }

func (c Cell) class() string {
	class := ""
	if c.Number {
		class += " right"
	}
	switch {
	case c.Wrong:
		class += " wrong"
	case c.Counted:
		class += " counted"
	case c.Dim:
		class += " dim"
	}
	return class
}

// Differ marks, in both tables, the cells that are not alike at the same row
// and column, and rows that one side lacks.
func (c Compare) Differ() Compare {
	left, right := c.Left.copied(), c.Right.copied()
	for i := range max(len(left.Rows), len(right.Rows)) {
		for j := range max(cells(left, i), cells(right, i)) {
			a, b := cellAt(left, i, j), cellAt(right, i, j)
			if a != nil && b != nil && a.Text == b.Text {
				continue
			}
			for _, cell := range []*Cell{a, b} {
				if cell != nil {
					cell.Wrong = true
				}
			}
		}
	}
	return Compare{left, right}
}

func (g Grid) copied() Grid {
	rows := make([]GridRow, len(g.Rows))
	for i, r := range g.Rows {
		rows[i] = r
		rows[i].Cells = append([]Cell(nil), r.Cells...)
	}
	g.Rows = rows
	return g
}

func cells(g Grid, row int) int {
	if row >= len(g.Rows) {
		return 0
	}
	return len(g.Rows[row].Cells)
}

func cellAt(g Grid, row, column int) *Cell {
	if column >= cells(g, row) {
		return nil
	}
	return &g.Rows[row].Cells[column]
}

func (g Grid) name() string {
	if g.Caption != "" {
		return g.Caption
	}
	return "Values"
}
