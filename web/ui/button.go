package ui

import (
	"context"
	"io"

	"github.com/a-h/templ"
)

// ButtonStyle is the weight of a button. At most one Filled a decision.
type ButtonStyle string

// The styles.
const (
	Outlined ButtonStyle = ""
	Filled   ButtonStyle = "filled"
	Plain    ButtonStyle = "plain"
	Hazard   ButtonStyle = "hazard"
)

// Size is the height of a button: 32, 26 in table rows, 40 for a decision.
type Size string

// The sizes.
const (
	Normal   Size = ""
	Small    Size = "small"
	Decision Size = "large"
)

// Button begins with a verb. With a URL it is a link, with Opens it opens a
// dialog or drawer of that id, with Submit it posts its form, otherwise it is
// for a module that knows it by Attrs.
type Button struct {
	Label string
	Style ButtonStyle
	Size  Size
	Wide  bool // as wide as its column

	URL    string
	Region string // with URL: swap this region instead of the page
	Submit bool
	Form   string // id of a form elsewhere on the page
	Post   string // Submit to this address instead of the form's
	Name   string // with Submit: the field the button sends
	Value  string
	Opens  string // id of a Dialog or Drawer; without JavaScript, URL if given

	Act       Act    // its key is the reader's key for this act
	Key       string // or a fixed key: "Ctrl+Enter"
	Icon      Icon
	IconAfter bool
	Alone     string // accessible name of a button without Label

	Pressed  bool   // a toggle that is on, or a request under way
	Disabled bool   // keeps its place
	Because  string // why it is disabled; stands beside it
	Attrs    templ.Attributes
}

// KeyHint shows a key that does something now. Buttons draw their own; alone
// it is for feet of lists.
type KeyHint struct {
	Act Act
	Key string
}

// Form posts to Action with the token of the session. Region names the part
// of the answer's page to swap; empty follows the answer as a browser does.
type Form struct {
	ID     string
	Action string
	Region string
	Class  string
	Label  string // accessible name, where the page has more than one form
	Attrs  templ.Attributes
}

func (b Button) Render(ctx context.Context, w io.Writer) error  { return drawn(ctx, w, b.Draw()) }
func (k KeyHint) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, k.Draw()) }
func (f Form) Render(ctx context.Context, w io.Writer) error    { return drawn(ctx, w, f.Draw()) }

// attributes of a control that its key and its region need.
func (b Button) attributes(ctx context.Context) templ.Attributes {
	all := templ.Attributes{}
	for name, value := range b.Attrs {
		all[name] = value
	}
	if key := keyOf(ctx, b.Act, b.Key); key != "" && !b.Disabled {
		all["data-key"] = key
	}
	if b.Act != "" {
		all["data-act"] = string(b.Act)
	}
	if b.Label == "" {
		all["aria-label"] = b.Alone
		all["title"] = b.Alone
	}
	if b.URL != "" {
		for name, value := range swap(b.URL, b.Region) {
			all[name] = value
		}
	}
	if b.Opens != "" {
		all["data-opens"] = b.Opens
		all["aria-haspopup"] = "dialog"
	}
	return all
}

func (b Button) class() string {
	class := "button"
	for _, more := range []string{string(b.Style), string(b.Size)} {
		if more != "" {
			class += " " + more
		}
	}
	if b.Wide {
		class += " wide"
	}
	if b.Label == "" {
		class += " bare"
	}
	return class
}

func (f Form) attributes() templ.Attributes {
	all := templ.Attributes{}
	for name, value := range f.Attrs {
		all[name] = value
	}
	if f.Region != "" {
		all["hx-post"] = f.Action
		all["hx-target"] = "#" + f.Region
		all["hx-select"] = "#" + f.Region
		all["hx-swap"] = "outerHTML show:none"
	}
	return all
}
