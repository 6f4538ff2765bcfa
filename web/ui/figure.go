package ui

import (
	"context"
	"io"
	"math"
	"strconv"

	"github.com/a-h/templ"
)

// Stat is one figure with its term above and its interval or base below.
type Stat struct {
	Term   string
	Figure string
	Base   string
	Tone   Tone
	URL    string
}

// Stats is a row of at most six; Grid puts them in two columns, as at the side
// of an overview.
type Stats struct {
	Items []Stat
	Grid  bool
}

// Axis is the scale that all bars of a column share.
type Axis struct{ Min, Max float64 }

// at gives the place of x on the axis in percent, inside it.
func (a Axis) at(x float64) float64 {
	if a.Max <= a.Min || math.IsNaN(x) {
		return 0
	}
	return 100 * min(1, max(0, (x-a.Min)/(a.Max-a.Min)))
}

// AxisHead is the scale in the head of the column: ticks at Ticks, written by
// Write (default: whole percents of a share).
type AxisHead struct {
	Axis  Axis
	Ticks []float64
	Write func(float64) string
}

// Standing is what an interval decides against its objective.
type Standing string

// The standings.
const (
	Undecided  Standing = ""
	Over       Standing = "over"
	Within     Standing = "within"
	Incomplete Standing = "incomplete" // dashed and hollow: decides nothing
	NoData     Standing = "no data"    // words, never zero
)

// IntervalBar draws an estimate and its interval on a shared axis. Colour
// comes from Standing alone, never from the estimate.
type IntervalBar struct {
	Axis                Axis
	Low, High, Estimate float64
	Objective           float64 // NaN or 0 with HasObjective false: none
	HasObjective        bool
	Standing            Standing
	Note                string // beside the bar; for NoData the reason
	Name                string // the sentence a screen reader hears
	Narrow              bool   // 112 px: beside a figure
}

// StandingSign is the word beside a bar: "over", "undecided", "incomplete".
type StandingSign struct{ Standing Standing }

// Part is one piece of a StackBar. Kind is safety, negative, implicit or
// random, and fixes the fill: harm first, dark to hollow.
type Part struct {
	Kind  string
	Value int
}

// StackBar is a count by priority class, in the order of harm. Max is the
// value that fills the width, so that a column shares one scale.
type StackBar struct {
	Parts  []Part
	Max    int
	Name   string
	Legend bool // counts and words below
	Words  []string
}

// Meter is how far something has come: 8 px, no words of its own.
type Meter struct {
	Value, Max float64
	Tone       Tone // Neutral: grey, done; Accent: under way
	Name       string
	Thin       bool // 4 px, in the queue bar
}

func (s Stat) Render(ctx context.Context, w io.Writer) error        { return drawn(ctx, w, s.Draw()) }
func (s Stats) Render(ctx context.Context, w io.Writer) error       { return drawn(ctx, w, s.Draw()) }
func (a AxisHead) Render(ctx context.Context, w io.Writer) error    { return drawn(ctx, w, a.Draw()) }
func (b IntervalBar) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, b.Draw()) }
func (s StandingSign) Render(ctx context.Context, w io.Writer) error {
	return drawn(ctx, w, s.Draw())
}
func (b StackBar) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, b.Draw()) }
func (m Meter) Render(ctx context.Context, w io.Writer) error    { return drawn(ctx, w, m.Draw()) }

// percent writes a place for an SVG attribute.
func percent(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) + "%" }

func (a AxisHead) write(x float64) string {
	if a.Write != nil {
		return a.Write(x)
	}
	if x == a.Axis.Min {
		return Number(x*100, 0) + " %"
	}
	return Number(x*100, 0)
}

// anchor keeps the outermost labels of an axis inside it.
func anchor(at float64) string {
	switch {
	case at < 2:
		return "start"
	case at > 98:
		return "end"
	}
	return "middle"
}

func (b IntervalBar) name() string {
	switch {
	case b.Name != "":
		return b.Name
	case b.Standing == NoData:
		return "no data"
	}
	return ShareWithin(b.Estimate, b.Low, b.High)
}

func (s Standing) tone() Tone {
	switch s {
	case Over:
		return Bad
	case Within:
		return Ok
	}
	return Neutral
}

type placed struct {
	kind     string
	x, width float64
}

// places lays the parts side by side with a gap of a third of a percent.
func (b StackBar) places() []placed {
	total := 0
	for _, p := range b.Parts {
		total += p.Value
	}
	scale := float64(max(b.Max, total, 1))
	var all []placed
	at := 0.0
	for _, p := range b.Parts {
		if p.Value == 0 {
			continue
		}
		width := 100 * float64(p.Value) / scale
		all = append(all, placed{p.Kind, at, max(0.4, width-0.3)})
		at += width
	}
	return all
}

// partInk and partFill draw harm darkest; random is hollow.
func partInk(kind string) string {
	switch kind {
	case "safety":
		return toneInk(Bad)
	case "negative":
		return "soft"
	}
	return "dim"
}

func partFill(kind string) string {
	switch kind {
	case "random":
		return "0"
	case "implicit":
		return ".8"
	}
	return "1"
}

func (b StackBar) name() string {
	if b.Name != "" {
		return b.Name
	}
	name := ""
	for i, p := range b.Parts {
		if i > 0 {
			name += ", "
		}
		name += Count(p.Value) + " " + p.Kind
	}
	return name
}

func (b StackBar) words(i int) string {
	if i < len(b.Words) {
		return b.Words[i]
	}
	return b.Parts[i].Kind
}

func (m Meter) width() string {
	if m.Thin {
		return "120"
	}
	return "100%"
}

func (m Meter) filled() float64 { return Axis{0, m.Max}.at(m.Value) }

var _ templ.Component = Stat{}
