package ui

import (
	"context"
	"io"
)

// Chip says one thing and is never a button. Without Outline and Tone it is a
// fact (sunken), with Outline a flag, with Tone a state.
type Chip struct {
	Text    string
	Mono    bool
	Outline bool
	Tone    Tone
	Mark    Mark
	Icon    Icon
	Title   string // the whole text where Text is shortened
}

// Pill is the state of the thing a page is about, beside its title.
type Pill struct {
	Text string
	Mark Mark
	Tone Tone // default: the mark's
}

func (c Chip) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, c.Draw()) }
func (p Pill) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, p.Draw()) }

func (p Pill) tone() Tone {
	if p.Tone == Neutral {
		return p.Mark.Tone()
	}
	return p.Tone
}
