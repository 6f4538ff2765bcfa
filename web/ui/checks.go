package ui

import (
	"context"
	"io"

	"github.com/a-h/templ"
)

// Checks is the box that says whether promotion is allowed. Heading and
// Sentence are the API's, word for word; the reason for being blocked is the
// heading.
type Checks struct {
	ID       string
	Mark     Mark
	Heading  string
	Sentence string
	Items    []Check
	Actions  []templ.Component
	Note     string // at the right of the actions
}

// Check is one line: mark, name, finding, fraction, details.
type Check struct {
	Mark     Mark
	Name     string
	Finding  string
	Fraction string
	Details  string // address
}

func (c Checks) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, c.Draw()) }
