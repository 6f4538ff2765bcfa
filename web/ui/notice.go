package ui

import (
	"context"
	"io"

	"github.com/a-h/templ"
)

// Banner is a note across its column: one icon, the fact in bold, what
// follows from it, at most three actions. At most one a page.
type Banner struct {
	Tone        Tone // Neutral is sunken
	Icon        Icon // default octagon for Bad and Mid
	Mark        Mark // instead of the icon
	Fact        string
	Consequence string
	Link        *Link
	Actions     []Button
	Alert       bool // it came while the reader was here
}

// Toast says what just happened, with Undo. Never an error that needs an answer.
type Toast struct {
	Mark    Mark
	Text    string // "Item 16 labeled"
	Bold    string // "correct"
	Undo    string // address the undo form posts to
	Seconds int    // how long it stays; default 10 with Undo, 5 without
}

// Empty says what is not there, why in counts, and the next best act.
type Empty struct {
	Title   string
	Why     string
	Said    templ.Component // why, where it is more than text
	Code    string          // a command that would change it
	Actions []templ.Component
	Bare    bool // inside a table or panel
}

// Failure is ours or a refusal: what did not happen, why, what is safe, what
// to do, and a reference. Refused draws the lock instead of the red note.
type Failure struct {
	What      string
	Safe      string
	Reference string
	Refused   bool
	Actions   []templ.Component
}

// Progress is long work with its end in sight; it survives leaving the page.
type Progress struct {
	Title       string
	Done, Total int
	Left        string // "about 40 s left"
	Says        string // "11,480 of 18,516 labels. You may leave: …"
	Stop        string // address the stop form posts to
	Poll        string // address asked each 2 s until done
	ID          string // region that Poll replaces
}

// Live is a region that asks its address again each 15 s (or Seconds) while
// the page is seen. What is under the reader never reorders by itself.
type Live struct {
	ID      string
	URL     string
	Seconds int
	Class   string
}

// Dialog is a question that has to be answered; its title says what will be
// true. Opened by a Button with Opens: ID.
type Dialog struct {
	ID     string
	Title  string
	Wide   bool // 860 instead of 620
	Open   bool // rendered open: the page of the dialog's own address
	Footer templ.Component
}

// Drawer slides nothing: it stands at the right edge with the guide or filters.
type Drawer struct {
	ID    string
	Title string
	Note  string
}

func (b Banner) Render(ctx context.Context, w io.Writer) error   { return drawn(ctx, w, b.Draw()) }
func (t Toast) Render(ctx context.Context, w io.Writer) error    { return drawn(ctx, w, t.Draw()) }
func (e Empty) Render(ctx context.Context, w io.Writer) error    { return drawn(ctx, w, e.Draw()) }
func (f Failure) Render(ctx context.Context, w io.Writer) error  { return drawn(ctx, w, f.Draw()) }
func (p Progress) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, p.Draw()) }
func (l Live) Render(ctx context.Context, w io.Writer) error     { return drawn(ctx, w, l.Draw()) }
func (d Dialog) Render(ctx context.Context, w io.Writer) error   { return drawn(ctx, w, d.Draw()) }
func (d Drawer) Render(ctx context.Context, w io.Writer) error   { return drawn(ctx, w, d.Draw()) }

func (b Banner) icon() Icon {
	if b.Icon == "" && (b.Tone == Bad || b.Tone == Mid) {
		return IconAlert
	}
	if b.Icon == "" {
		return IconExclaim
	}
	return b.Icon
}

func (t Toast) seconds() int {
	switch {
	case t.Seconds > 0:
		return t.Seconds
	case t.Undo != "":
		return 10
	}
	return 5
}

func (p Progress) share() float64 {
	if p.Total <= 0 {
		return 0
	}
	return min(1, float64(p.Done)/float64(p.Total))
}

func (p Progress) stands() string {
	if p.Left == "" {
		return WholeShare(p.share())
	}
	return WholeShare(p.share()) + ", " + p.Left
}

func (p Progress) attributes() templ.Attributes {
	if p.Poll == "" || p.ID == "" {
		return templ.Attributes{}
	}
	return templ.Attributes{"data-live": p.Poll, "data-live-seconds": "2"}
}
