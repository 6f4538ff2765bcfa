package ui

import (
	"context"
	"io"

	"github.com/a-h/templ"
)

// FilterBar is a form whose fields are the whole state of a list, so that the
// URL says what is shown. It applies at once with JavaScript and with a
// button without.
type FilterBar struct {
	Head     string // the page's head, when it names the window or its links carry the filters
	Action   string // address of the list
	Region   string // id of the region that changes
	Segments *Segmented
	Filters  []Filter
	More     []Filter // behind "Filter"
	Search   *Search
	Clear    string // address without any filter; empty when nothing is filtered
	Keep     []Kept // what else the URL carries: sort, metric
	Note     templ.Component
}

// Filter is one condition: grey name, value in the accent, × to drop it.
type Filter struct {
	Name    string // "task class"
	Param   string // of the query
	Value   string
	Any     string   // what stands there while free text is not given: "anyone"
	Options []Option // a choice; none: free text
	Drop    string   // address without this filter; empty when it is at its default
	Mono    bool
}

// Option is one value of a choice.
type Option struct {
	Value string
	Label string
	Count int // how many there are; 0 is not shown
}

// Search is the text field of a list.
type Search struct {
	Param       string // default "q"
	Value       string
	Placeholder string
	Name        string // accessible: "Search consented text"
}

// Kept is a hidden field.
type Kept struct{ Name, Value string }

// Segmented is a choice of few: links when the options have a URL, else radio
// fields of the name Field.
type Segmented struct {
	Name    string // accessible
	Shown   bool   // the name stands before it
	Field   string
	Options []Segment
	Region  string
	Small   bool
}

// Segment is one option of a Segmented.
type Segment struct {
	Label   string
	URL     string
	Value   string
	Count   int
	Current bool
}

// Tabs are the parts of one thing; each has its own address.
type Tabs struct {
	Name   string // accessible
	Items  []Tab
	Region string
}

// Tab is one of Tabs. Note is what stands small behind the word: a count, "+6 −2".
type Tab struct {
	Label   string
	URL     string
	Note    string
	Icon    Icon
	Current bool
}

func (f FilterBar) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, f.Draw()) }
func (s Segmented) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, s.Draw()) }
func (t Tabs) Render(ctx context.Context, w io.Writer) error      { return drawn(ctx, w, t.Draw()) }

func (f FilterBar) attributes() templ.Attributes {
	all := swap(f.Action, f.Region)
	if f.Region != "" {
		all["hx-trigger"] = "change, submit"
	}
	if f.Head != "" {
		all["hx-select-oob"] = "#" + f.Head
	}
	return all
}
