package labeling

import (
	"errors"
	"slices"
	"strings"

	"assay/internal/fault"
)

// Meaning says what an answer of another tool means here: a value of a field,
// or for a text the field alone.
type Meaning struct {
	Field   string `json:"field"`
	Value   string `json:"value,omitempty"` // "": the field's texts
	Becomes string `json:"becomes"`         // one of Becomes
}

// Becomes lists what an answer may become: a label, or one of these.
var Becomes = append(slices.Clone(Labels), "reason", "confidence", "note", "correction", "nothing")

// maxMeanings bounds what a person may say of one file.
const maxMeanings = 500

func checkMeanings(meanings []Meaning) error {
	if len(meanings) > maxMeanings {
		return fault.Say(fault.Invalid, "At most %d answers can be given a meaning.", maxMeanings)
	}
	for _, m := range meanings {
		if !slices.Contains(Becomes, m.Becomes) {
			return fault.Say(fault.Invalid, "An answer becomes one of %s.", strings.Join(Becomes, ", "))
		}
		if m.Field == "" || len(m.Field) > 500 || len(m.Value) > 500 || strings.ContainsRune(m.Field+m.Value, 0) {
			return fault.Say(fault.Invalid, "A field and its answer have at most 500 characters.")
		}
	}
	return nil
}

// said is one answer in a file of another tool.
type said struct {
	field, value string
	kind         answerKind
}

type answerKind int

const (
	aChoice answerKind = iota // one of several words
	aRating                   // a number
	aText                     // free text
)

func (l *importLine) says(field, value string, kind answerKind) {
	if len(value) > 500 {
		kind = aText // nobody chose this from a list
	}
	l.answers = append(l.answers, said{field, value, kind})
}

// meanings are what a person said, by field and value.
type meanings map[[2]string]string

func meaningsOf(list []Meaning) meanings {
	m := meanings{}
	for _, one := range list {
		m[[2]string{one.Field, one.Value}] = one.Becomes
	}
	return m
}

// of is what an answer becomes: what a person said, else what it looks like.
func (m meanings) of(a said) string {
	value := a.value
	if a.kind == aText {
		value = ""
	}
	if becomes := m[[2]string{a.field, value}]; becomes != "" {
		return becomes
	}
	switch a.kind {
	case aRating:
		return "nothing" // a number says nothing of the four labels
	case aText:
		if textOf(a.field) == "correction" {
			return "correction"
		}
		return "note"
	}
	if label, ok := labelOf(a.value); ok {
		return label
	}
	if strings.EqualFold(a.field, "confidence") && slices.Contains(Confidences, codeOf(a.value)) {
		return "confidence"
	}
	return "reason"
}

// settle makes a line of the answers of another tool and checks it.
func (l *importLine) settle(m meanings) error {
	if l.Label != nil && !slices.Contains(Labels, *l.Label) {
		switch becomes := m[[2]string{"label", *l.Label}]; {
		case slices.Contains(Labels, becomes):
			l.Label = &becomes
		case becomes == "nothing":
			l.Label = nil
		}
	}
	for _, a := range l.answers {
		if err := l.become(m.of(a), a); err != nil {
			return err
		}
	}
	if l.skipped {
		l.Label = nil
	}
	return l.check()
}

func (l *importLine) become(what string, a said) error {
	switch what {
	case "nothing":
	case "note":
		l.Note = joinLines(l.Note, a.value)
	case "correction":
		l.Correction = joinLines(l.Correction, a.value)
	case "confidence":
		code := codeOf(a.value)
		l.Confidence = &code
	case "reason":
		if code := codeOf(a.value); code != "" {
			l.Reasons = append(l.Reasons, code)
		}
	default:
		if l.Label != nil && *l.Label != what {
			return errors.New("names two labels: " + *l.Label + " and " + what)
		}
		l.Label = &what
	}
	return nil
}

func joinLines(before, text string) string {
	if before == "" || text == "" {
		return before + text
	}
	return before + "\n" + text
}

// labelOf reads a choice as a label: "Partially correct" and
// "partially_correct" are the same.
func labelOf(choice string) (string, bool) {
	code := codeOf(choice)
	return code, slices.Contains(Labels, code)
}

func codeOf(choice string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(choice), func(r rune) bool { return r == ' ' || r == '-' || r == '_' }), "_")
}

// textOf is what a field of free text holds by its name, "" when the name does
// not say.
func textOf(field string) string {
	name := strings.ToLower(field)
	if strings.Contains(name, "correct") {
		return "correction"
	}
	for _, word := range []string{"note", "comment", "text", "explan", "rationale"} {
		if strings.Contains(name, word) {
			return "note"
		}
	}
	return ""
}

// isProse reports whether a value is too long to be one of several choices.
func isProse(value string) bool { return len(value) > 100 || strings.Contains(value, "\n") }
