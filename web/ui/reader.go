package ui

import (
	"cmp"
	"context"
	"io"
	"time"

	"github.com/a-h/templ"
)

// Reader is what components know about the person looking at the page.
// [Shell] puts it into the context, so that a time deep inside a table is
// written in the reader's zone and a button shows the key this person chose.
type Reader struct {
	Zone  *time.Location // nil: UTC
	Now   time.Time      // zero: the current time
	Token string         // session-bound token that every form posts as FormToken
	Keys  Keymap         // what the person rebound; nil: the defaults
	// KeysOff says that single keys are turned off: hints and the map stay
	// out of the page, chords with Ctrl stay.
	KeysOff   bool
	AsWritten bool // Markdown is shown as it was written
}

// FormToken is the name of the field that carries Reader.Token.
const FormToken = "form_token"

type readerKey struct{}

// WithReader returns a context in which components draw for this reader.
// Only answers without a Shell (fragments, prints) need it.
func WithReader(ctx context.Context, r Reader) context.Context {
	return context.WithValue(ctx, readerKey{}, r)
}

func readerOf(ctx context.Context) Reader {
	r, _ := ctx.Value(readerKey{}).(Reader)
	if r.Now.IsZero() {
		r.Now = time.Now()
	}
	r.Zone = cmp.Or(r.Zone, time.UTC)
	return r
}

// drawn lets a component's Render be one line and keeps children working.
func drawn(ctx context.Context, w io.Writer, c templ.Component) error {
	if c == nil {
		return nil
	}
	return c.Render(ctx, w)
}
