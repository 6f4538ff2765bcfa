package ui

import (
	"context"
	"io"
	"strconv"
	"time"
)

// Branch is how deep a row lies in a tree: a space before its name.
type Branch struct{ Depth int }

// SpanBar is one row of a waterfall: what took time on the scale that all rows
// share. First is the first token inside it; 0 is none.
type SpanBar struct {
	Axis     Axis // seconds
	From, To time.Duration
	First    time.Duration
	Tone     Tone
	Current  bool
	Name     string // the sentence a screen reader hears
}

func (b Branch) Render(ctx context.Context, w io.Writer) error  { return drawn(ctx, w, b.Draw()) }
func (s SpanBar) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, s.Draw()) }

// deepest is where a tree stops to move right; what lies deeper is beside it.
const deepest = 10

func (b Branch) width() string { return strconv.Itoa(16 * min(max(b.Depth, 0), deepest)) }

func (s SpanBar) at(d time.Duration) float64 { return s.Axis.at(d.Seconds()) }

func (s SpanBar) length() float64 { return max(0.6, s.at(s.To)-s.at(s.From)) }

func (s SpanBar) firstShare() float64 {
	return Axis{s.From.Seconds(), s.To.Seconds()}.at(s.First.Seconds())
}
