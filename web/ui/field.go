package ui

import (
	"cmp"
	"context"
	"io"

	"github.com/a-h/templ"
)

// Field is a label above, the control, a hint and an error below. What was
// typed stays.
type Field struct {
	Label    string
	Name     string
	ID       string // default Name
	Value    string
	Type     string // default "text"; "password", "email", "number", "date", …
	Rows     int    // more than 0: a text area
	Options  []Option
	Mono     bool
	Hint     string
	Error    string // what is wrong and what would be right
	Optional bool   // says so
	Required bool
	Complete string // autocomplete
	Focus    bool
	Act      Act             // the key that puts the cursor here
	Beside   templ.Component // at the right of the label: "Use the user's"
	Attrs    templ.Attributes
}

// CheckBox is one yes or no.
type CheckBox struct {
	Label, Hint, Name, Value string
	Checked                  bool
}

// LabelChoice is one of the answers of a LabelChoices.
type LabelChoice struct {
	Value   string
	Mark    Mark
	Name    string
	Short   string // on a phone; default Name
	Meaning string // one line
	Act     Act
}

// LabelChoices is the question of the labeling page: radio rows with mark,
// name, meaning and key. Nothing is chosen beforehand.
type LabelChoices struct {
	Field   string // default "label"
	Legend  string // accessible: "Is this response correct?"
	Chosen  string
	Choices []LabelChoice
	Inline  bool // in a row, as when adjudicating
}

// Reasons are toggles with keys 5 to 0, in an order that is fixed per queue.
type Reasons struct {
	Field  string // default "reason"
	Legend string // default "Reasons"
	Note   string // default "one or more"
	Items  []Reason
}

// Reason is one toggle; its key follows from its place.
type Reason struct {
	Value, Label string
	Chosen       bool
}

func (f Field) Render(ctx context.Context, w io.Writer) error        { return drawn(ctx, w, f.Draw()) }
func (c CheckBox) Render(ctx context.Context, w io.Writer) error     { return drawn(ctx, w, c.Draw()) }
func (l LabelChoices) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, l.Draw()) }
func (r Reasons) Render(ctx context.Context, w io.Writer) error      { return drawn(ctx, w, r.Draw()) }

func (f Field) id() string { return cmp.Or(f.ID, f.Name) }

// described names the elements that explain the control.
func (f Field) attributes(ctx context.Context) templ.Attributes {
	all := templ.Attributes{}
	for name, value := range f.Attrs {
		all[name] = value
	}
	switch {
	case f.Error != "":
		all["aria-invalid"] = "true"
		all["aria-describedby"] = f.id() + "-error"
	case f.Hint != "":
		all["aria-describedby"] = f.id() + "-hint"
	}
	if f.Complete != "" {
		all["autocomplete"] = f.Complete
	}
	if f.Required {
		all["required"] = true
	}
	if f.Focus {
		all["autofocus"] = true
	}
	if key := keyOf(ctx, f.Act, ""); key != "" {
		all["data-key"] = key
		all["data-act"] = string(f.Act)
	}
	if f.Mono {
		all["spellcheck"] = "false"
	}
	return all
}

func reasonAct(i int) Act {
	if i < len(ReasonActs) {
		return ReasonActs[i]
	}
	return ""
}
