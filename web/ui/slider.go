package ui

import (
	"context"
	"io"

	"github.com/a-h/templ"
)

// Slider looks at one number of many: each move asks Action for the Region
// again, with the number as Param. Without JavaScript a button asks.
type Slider struct {
	Label          string
	Param          string
	Value          int
	Min, Max, Step int
	Action, Region string
}

func (s Slider) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, s.Draw()) }

func (s Slider) attributes() templ.Attributes {
	all := swap(s.Action, s.Region)
	all["hx-trigger"] = "change, submit"
	return all
}
