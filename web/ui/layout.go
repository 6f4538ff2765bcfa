package ui

import (
	"context"
	"io"

	"github.com/a-h/templ"
)

// Head is the top of a page: crumbs, title, a sentence, chips; what can be
// done at the right. Tell is the first sentence of an overview, 24 px.
type Head struct {
	ID      string // where filters renew it
	Crumbs  []Link
	Title   string
	Mono    bool // the title is an id
	Tell    bool
	Sub     string
	SubPart templ.Component   // instead of Sub
	Beside  []templ.Component // pills and chips in the line of the title
	Below   []templ.Component // in the line under it
	Aside   templ.Component   // left of the actions: "As of today 14:30"
	Actions []templ.Component
}

// Panel frames one thing with a hairline. Flush panels have no padding: they
// hold a table or rows.
type Panel struct {
	ID     string
	Title  string
	Note   string          // at the right of the head
	Beside templ.Component // or a component there
	Flush  bool
	Foot   templ.Component
}

// Section is a heading over a part of the page; Aside in the side column.
type Section struct {
	ID    string
	Title string
	Note  string
	Rule  bool // hairline above: in the side column
}

// Split is a main column and a side column of 336; below 1200 px the side
// goes under. Side is drawn right of the children.
type Split struct {
	Side templ.Component
	Wide bool // side of 400: details
}

// Columns lays panels side by side, Count of them at most.
type Columns struct{ Count int }

// Facts is a list of terms and what they are.
type Facts struct {
	Items  []Fact
	Double bool // two columns of facts
	Small  bool // 12 px, as at the side
	Ruled  bool // hairlines, values at the right
}

// Fact is one of Facts.
type Fact struct {
	Term  string
	Value templ.Component
}

// Needs is the list of an overview: what needs this person, the most urgent
// first, each with the one act that answers it.
type Needs struct{ Items []Need }

// Need is one row of Needs.
type Need struct {
	Mark   Mark
	Icon   Icon // instead of Mark
	Title  string
	Text   string
	Action templ.Component
}

// Feed is a life in order: what was said and done to one object.
type Feed struct{ Items []FeedItem }

// FeedItem is one event of a Feed. Body is boxed, Note is a plain line.
type FeedItem struct {
	Mark Mark
	Icon Icon
	Who  string
	Did  templ.Component
	At   Time
	Note string
	Body templ.Component
}

// Steps is a runbook: done, then what is next.
type Steps struct{ Items []Step }

// Step is one of Steps.
type Step struct {
	Done   bool
	Title  string
	Detail string
	Action templ.Component
}

// Says is the sentence under a table that says what follows from it.
type Says struct {
	Bold string
	Text string
	More templ.Component
}

// Actions is a row of buttons. End puts it at the right end of its line.
type Actions struct{ End bool }

// Gap is the space between two things of one panel.
type Gap struct{}

// Reading is a session to read: a column that scrolls and details at the
// right. Page.Layout is Panes.
type Reading struct{ Side templ.Component }

// ReadingHead frames the Head of a Reading.
type ReadingHead struct{}

// ToolBar is the line above a timeline: what is shown, where to go, minimap.
type ToolBar struct{}

// ItemHead is the line above an item: facts, why it is here, and how many
// events and failures can be stepped through with e and v.
type ItemHead struct {
	Facts    []templ.Component
	Flags    templ.Component
	Events   int
	Failures int // 0 also where the queue hides verdicts
	View     *ViewSwitch
}

// Legend explains fills: "interval", "objective", "incomplete", "safety",
// "negative", "implicit", "random".
type Legend struct{ Items []string }

// Certificate is a page for print: brand, seal, title, then sections.
type Certificate struct{ Title, Sub string }

// SignIn is the first page: the form at the left, the lozenge at the right.
type SignIn struct{}

// Or divides two ways to do the same.
type Or struct{ Text string }

func (h Head) Render(ctx context.Context, w io.Writer) error    { return drawn(ctx, w, h.Draw()) }
func (p Panel) Render(ctx context.Context, w io.Writer) error   { return drawn(ctx, w, p.Draw()) }
func (s Section) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, s.Draw()) }
func (s Split) Render(ctx context.Context, w io.Writer) error   { return drawn(ctx, w, s.Draw()) }
func (c Columns) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, c.Draw()) }
func (f Facts) Render(ctx context.Context, w io.Writer) error   { return drawn(ctx, w, f.Draw()) }
func (n Needs) Render(ctx context.Context, w io.Writer) error   { return drawn(ctx, w, n.Draw()) }
func (f Feed) Render(ctx context.Context, w io.Writer) error    { return drawn(ctx, w, f.Draw()) }
func (s Steps) Render(ctx context.Context, w io.Writer) error   { return drawn(ctx, w, s.Draw()) }
func (s Says) Render(ctx context.Context, w io.Writer) error    { return drawn(ctx, w, s.Draw()) }
func (a Actions) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, a.Draw()) }
func (g Gap) Render(ctx context.Context, w io.Writer) error     { return drawn(ctx, w, g.Draw()) }
func (r Reading) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, r.Draw()) }
func (r ReadingHead) Render(ctx context.Context, w io.Writer) error {
	return drawn(ctx, w, r.Draw())
}
func (t ToolBar) Render(ctx context.Context, w io.Writer) error     { return drawn(ctx, w, t.Draw()) }
func (i ItemHead) Render(ctx context.Context, w io.Writer) error    { return drawn(ctx, w, i.Draw()) }
func (l Legend) Render(ctx context.Context, w io.Writer) error      { return drawn(ctx, w, l.Draw()) }
func (c Certificate) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, c.Draw()) }
func (s SignIn) Render(ctx context.Context, w io.Writer) error      { return drawn(ctx, w, s.Draw()) }
func (o Or) Render(ctx context.Context, w io.Writer) error          { return drawn(ctx, w, o.Draw()) }

var legends = map[string]string{
	"interval":   "estimate and 95 % interval",
	"objective":  "objective",
	"incomplete": "window not fully labeled, decides nothing",
	"safety":     "safety",
	"negative":   "negative feedback",
	"implicit":   "implicit signals",
	"random":     "random",
}
