package ui

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/a-h/templ"
)

// Words joins strings, which are escaped, and components into one run of
// text: Words(Bold("Gives 6,612.50."), " Two engines agree."). Anything else
// is written as fmt.Sprint would, escaped.
func Words(parts ...any) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		for _, part := range parts {
			if c, ok := part.(templ.Component); ok {
				if err := drawn(ctx, w, c); err != nil {
					return err
				}
				continue
			}
			if _, err := io.WriteString(w, templ.EscapeString(fmt.Sprint(part))); err != nil {
				return err
			}
		}
		return nil
	})
}

// Text is a string as text.
func Text(s string) templ.Component { return Words(s) }

// Bold is for the figure or the fact that matters.
func Bold(s string) templ.Component { return wrapped(`<b>`, s, `</b>`) }

// Dim is for meta beside a figure.
func Dim(s string) templ.Component { return wrapped(`<span class="dim">`, s, `</span>`) }

// Again repeats the word of a group in a row that is not its first: where a row
// stands alone, as on a card, it says what it belongs to.
func Again(s string) templ.Component { return wrapped(`<span class="short">`, s, `</span>`) }

// Soft is secondary ink, between text and meta.
func Soft(s string) templ.Component { return wrapped(`<span class="soft">`, s, `</span>`) }

// Mono is for code, ids, versions and hashes within text.
func Mono(s string) templ.Component { return wrapped(`<code>`, s, `</code>`) }

// Guide is a label name inside guide text, the only italic there is.
func Guide(s string) templ.Component { return wrapped(`<i>`, s, `</i>`) }

// Fine is meta in a line of its own.
func Fine(s string) templ.Component { return wrapped(`<p class="soft small">`, s, `</p>`) }

// Estimate is the figure that matters in a row of rates.
func Estimate(s string) templ.Component { return wrapped(`<b class="estimate-figure">`, s, `</b>`) }

// Toned is text in the ink of a tone.
func Toned(tone Tone, s string) templ.Component {
	return wrapped(`<span class="`+toneInk(tone)+`">`, s, `</span>`)
}

// Hidden is read by a screen reader only.
func Hidden(s string) templ.Component { return wrapped(`<span class="sr">`, s, `</span>`) }

// Pair is two lines in one cell: a name and what it is.
func Pair(top, below any) templ.Component {
	return Words(raw(`<span class="pair"><span>`), top, raw(`</span><span class="dim small">`), below, raw(`</span></span>`))
}

func wrapped(open, s, end string) templ.Component { return Words(raw(open), s, raw(end)) }

// raw is only for markup written in this package.
func raw(s string) templ.Component { return templ.Raw(s) }

func toneInk(t Tone) string {
	if t == Neutral {
		return ""
	}
	return "t-" + string(t)
}

func toneWash(t Tone) string {
	if t == Neutral {
		return ""
	}
	return "w-" + string(t)
}

// Link goes somewhere. Text of users must never become its URL without
// External, which shows the whole address and lets nothing out.
type Link struct {
	Text     string
	URL      string
	Mono     bool
	Plain    bool   // no underline: names in table rows
	Region   string // id of the region of the page that the link swaps; empty: the whole page
	External bool
	Act      Act
}

// Time is an instant that static/time.js also keeps right in the browser:
// the reader's zone, UTC on hover and focus.
type Time struct {
	At    time.Time
	Style TimeStyle
}

// Copy is a value shown short and copied whole.
type Copy struct {
	Value string
	Shown string // default [ShortHash] of Value
	Name  string // of the button: "Copy evidence hash"
}

func (l Link) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, l.Draw()) }
func (t Time) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, t.Draw()) }
func (c Copy) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, c.Draw()) }

func (t Time) words(ctx context.Context) string {
	r := readerOf(ctx)
	return Instant(t.At, r.Now, r.Zone, t.Style)
}

func (c Copy) shown() string { return cmp.Or(c.Shown, ShortHash(c.Value)) }
func (c Copy) name() string  { return cmp.Or(c.Name, "Copy "+c.shown()) }
