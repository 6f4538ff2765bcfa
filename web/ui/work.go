package ui

import (
	"cmp"
	"context"
	"io"
	"time"

	"github.com/a-h/templ"
)

// Work is the labeling page: a bar, the rail, the session to read (children)
// and the questions. From 1200 px three panes, below that the questions are a
// dock under the session; same form, same order of fields. static/label.js
// brings it to life; without it radios, boxes and Submit do the whole loop.
type Work struct {
	Reader    string // who reads it, for what their browser keeps
	Item      string // id of the item
	Action    string // the label posts here
	Hidden    []Kept // reservation token, idempotency key, opened at
	Draft     string // drafts are posted here, same fields
	Ahead     string // POST: reserves the next item and leads to its page; empty: none
	Renew     string // POST each minute while the page is seen
	Needs     string // the label that asks for a marked span: "hallucinated"; empty: none
	Bar       QueueBar
	Rail      *Rail
	Questions templ.Component
	Submit    Submit
}

// QueueBar says where one is: queue, count, what the next hour brings.
type QueueBar struct {
	Crumbs  []Link
	Title   string
	Done    int // this one is the Done-th
	Total   int
	Gain    string // "±2 points after about 1 h 20 min"
	Chips   []templ.Component
	Until   time.Time // end of the reservation; zero: none
	Actions []templ.Component
}

// Rail is what surrounds the item: just labeled, yours, later, what waits.
// Nothing in it can be guessed from order.
type Rail struct{ Groups []RailGroup }

// RailGroup is one part of the rail. Kind "done", "yours" and "later" are
// known to label.js, which moves the item along before the server answers.
type RailGroup struct {
	Kind  string
	Title string
	URL   string // of all that the group shows the last of; empty: none
	Items []RailItem
}

// RailItem is one line: a mark or icon, a name, a number.
type RailItem struct {
	ID      string // of the item
	Mark    Mark
	Icon    Icon
	Title   string
	Number  string
	Count   string // names a Number that every label moves; see label.js
	URL     string
	Undo    string // address that takes its label back
	Last    bool   // of those with Undo: the key takes this one back
	Current bool
}

// GuideNote is the rule above the choices; Opens names the Drawer with the
// whole guide.
type GuideNote struct {
	Version string // "Guide 7"
	Name    string
	Rule    templ.Component
	Here    string // what the owner of the queue adds
	Opens   string
	URL     string            // the guide's own page, without JavaScript
	Cases   []templ.Component // borderline cases, folded
}

// SpanList names what is marked in the response, by its letter.
type SpanList struct {
	Text  string // the response
	Spans []Marked
	Empty string // beside the title while none is marked: "needed for hallucinated"
}

// Extra is a part of the questions that the dock hides behind a button.
type Extra struct {
	ID    string
	Label string // of the button in the dock
	Act   Act
}

// Submit is the bar that never leaves: submit, later, skip, and the draft.
type Submit struct {
	Label     string // default "Submit and next"
	Short     string // on a phone; default "Submit"
	Later     string // address; empty: not offered
	Skip      string // address; the reason is sent as "skip_reason"
	SkipWhy   []Option
	Saved     string  // "Draft saved 14:05:07"
	Extras    []Extra // buttons of the dock
	LabelNext string  // why Submit waits; default "Choose a label first"
}

func (x Work) Render(ctx context.Context, w io.Writer) error      { return drawn(ctx, w, x.Draw()) }
func (b QueueBar) Render(ctx context.Context, w io.Writer) error  { return drawn(ctx, w, b.Draw()) }
func (r Rail) Render(ctx context.Context, w io.Writer) error      { return drawn(ctx, w, r.Draw()) }
func (g GuideNote) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, g.Draw()) }
func (s SpanList) Render(ctx context.Context, w io.Writer) error  { return drawn(ctx, w, s.Draw()) }
func (e Extra) Render(ctx context.Context, w io.Writer) error     { return drawn(ctx, w, e.Draw()) }
func (s Submit) Render(ctx context.Context, w io.Writer) error    { return drawn(ctx, w, s.Draw()) }

// StandardChoices are the four answers with the meaning a queue gives them;
// meanings in the order correct, partially correct, hallucinated, cannot tell.
func StandardChoices(chosen string, meanings [4]string) LabelChoices {
	return LabelChoices{Chosen: chosen, Legend: "Is this response correct?", Choices: []LabelChoice{
		{Value: "correct", Mark: MarkCorrect, Name: "Correct", Meaning: meanings[0], Act: ActCorrect},
		{Value: "partially_correct", Mark: MarkPartial, Name: "Partially correct", Short: "Partially", Meaning: meanings[1], Act: ActPartial},
		{Value: "hallucinated", Mark: MarkHallucinated, Name: "Hallucinated", Meaning: meanings[2], Act: ActHallucinated},
		{Value: "cannot_tell", Mark: MarkCannotTell, Name: "Cannot tell", Meaning: meanings[3], Act: ActCannotTell},
	}}
}

func (b QueueBar) left(ctx context.Context) time.Duration {
	return b.Until.Sub(readerOf(ctx).Now)
}

// Countdown is time that runs out: from when it is seen, whatever the reader's
// clock says.
type Countdown struct {
	Left time.Duration
	ID   string
}

func (c Countdown) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, c.Draw()) }

func (c Countdown) seconds() int { return max(0, int(c.Left.Round(time.Second)/time.Second)) }

func (s SpanList) words(m Marked) string {
	runes := []rune(s.Text)
	start, end := max(0, min(m.Start, len(runes))), max(0, min(m.End, len(runes)))
	if start >= end {
		return ""
	}
	return string(runes[start:end])
}

func (s Submit) label() string { return cmp.Or(s.Label, "Submit and next") }
