package ui

import (
	"context"
	"slices"
	"strings"

	"github.com/a-h/templ"
)

// Act names something a single key does. A button that carries an act shows
// the key and is what the key presses, so no key can do what no button does.
type Act string

// The acts of labeling.md. Lists and marking share j and k with moving
// between items: which of them is alive is decided by what is on the page.
const (
	ActCorrect      Act = "correct"
	ActPartial      Act = "partially_correct"
	ActHallucinated Act = "hallucinated"
	ActCannotTell   Act = "cannot_tell"
	ActReason1      Act = "reason_1"
	ActReason2      Act = "reason_2"
	ActReason3      Act = "reason_3"
	ActReason4      Act = "reason_4"
	ActReason5      Act = "reason_5"
	ActReason6      Act = "reason_6"
	ActSubmit       Act = "submit"
	ActSubmitAny    Act = "submit_anywhere"
	ActMark         Act = "mark"
	ActCorrection   Act = "correction"
	ActNote         Act = "note"
	ActGuide        Act = "guide"
	ActSkip         Act = "skip"
	ActLater        Act = "later"
	ActUndo         Act = "undo"
	ActNext         Act = "next"
	ActPrevious     Act = "previous"
	ActNextEvent    Act = "next_event"
	ActPrevEvent    Act = "previous_event"
	ActNextFailure  Act = "next_failure"
	ActPrevFailure  Act = "previous_failure"
	ActFirstFailed  Act = "first_failed"
	ActOpen         Act = "open"
	ActSelect       Act = "select"
	ActKeys         Act = "keys"
	ActPalette      Act = "palette"
	ActQueues       Act = "go_queues"
	ActSessions     Act = "go_sessions"
	ActRates        Act = "go_rates"
	ActIncidents    Act = "go_incidents"
	ActHandoffs     Act = "go_handoffs"
)

// ReasonActs are the keys 5 to 0 in the order of the reason chips.
var ReasonActs = []Act{ActReason1, ActReason2, ActReason3, ActReason4, ActReason5, ActReason6}

// Binding is one row of the keys sheet.
type Binding struct {
	Act   Act
	Key   string // "s", "Shift+E", "Ctrl+Enter", "g q", "1", "Space"
	Does  string
	Group string
	Fixed bool // chords and keys of the browser's own that may not be rebound
}

// Bindings is the whole default map in the order of the keys sheet. Digits
// are matched by their place on the keyboard, letters by what is printed on
// them; none needs AltGr.
var Bindings = []Binding{
	{ActCorrect, "1", "Correct", "Label", false},
	{ActPartial, "2", "Partially correct", "Label", false},
	{ActHallucinated, "3", "Hallucinated", "Label", false},
	{ActCannotTell, "4", "Cannot tell", "Label", false},
	{ActReason1, "5", "First reason", "Label", false},
	{ActReason2, "6", "Second reason", "Label", false},
	{ActReason3, "7", "Third reason", "Label", false},
	{ActReason4, "8", "Fourth reason", "Label", false},
	{ActReason5, "9", "Fifth reason", "Label", false},
	{ActReason6, "0", "Sixth reason", "Label", false},
	{ActMark, "m", "Mark spans", "Label", false},
	{ActCorrection, "c", "Correction", "Label", false},
	{ActNote, "n", "Note", "Label", false},
	{ActGuide, "i", "Guide", "Label", false},
	{ActSubmit, "Enter", "Submit and next", "Label", false},
	{ActSubmitAny, "Ctrl+Enter", "The same, from any field", "Label", true},
	{ActNext, "j", "Next item or row", "Move", false},
	{ActPrevious, "k", "Previous item or row", "Move", false},
	{ActOpen, "o", "Open the row", "Move", false},
	{ActSelect, "x", "Select the row", "Move", false},
	{ActNextEvent, "e", "Next event", "Move", false},
	{ActPrevEvent, "Shift+E", "Previous event", "Move", false},
	{ActNextFailure, "v", "Next failure", "Move", false},
	{ActPrevFailure, "Shift+V", "Previous failure", "Move", false},
	{ActFirstFailed, "f", "First failed stage", "Move", false},
	{ActSkip, "s", "Skip, with a reason", "Move", false},
	{ActLater, "l", "Later", "Move", false},
	{ActUndo, "z", "Undo", "Move", false},
	{"", "j", "Next sentence", "Marking spans", true},
	{"", "k", "Previous sentence", "Marking spans", true},
	{"", "Space", "Mark or unmark", "Marking spans", true},
	{"", "Shift+ArrowRight", "Extend by a word", "Marking spans", true},
	{"", "Escape", "Leave", "Marking spans", true},
	{"", "a", "The left answer is better", "Comparing", true},
	{"", "b", "The right answer is better", "Comparing", true},
	{"", "e", "They are equal", "Comparing", true},
	{ActQueues, "g q", "Queues", "Go to", false},
	{ActSessions, "g s", "Sessions", "Go to", false},
	{ActRates, "g r", "Rates", "Go to", false},
	{ActIncidents, "g i", "Incidents", "Go to", false},
	{ActHandoffs, "g h", "Handoffs", "Go to", false},
	{ActPalette, "Ctrl+k", "Search or go to", "Go to", true},
	{ActKeys, "?", "Keys", "Go to", false},
}

// Keymap is what one person rebound: act to key, as "s" or "g q".
type Keymap map[Act]string

// Key gives the key an act has for this person; empty when it has none.
func (m Keymap) Key(a Act) string {
	if key, rebound := m[a]; rebound {
		return key
	}
	for _, b := range Bindings {
		if b.Act == a && a != "" {
			return b.Key
		}
	}
	return ""
}

// reserved keys belong to the browser, the screen reader or to writing.
var reserved = []string{"Tab", "Escape", "Space", "Shift+Tab", "F1", "F3", "F5", "F6", "F11", "F12", "/", "'", "Backspace",
	"ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End"}

// Rebind says whether key may serve act, in words for people; empty is yes.
// A key may be a letter or digit, Shift and a letter, Enter, or g and a letter.
func (m Keymap) Rebind(act Act, key string) string {
	i := slices.IndexFunc(Bindings, func(b Binding) bool { return b.Act == act && act != "" })
	switch {
	case i < 0:
		return "There is no such act."
	case Bindings[i].Fixed:
		return "“" + Bindings[i].Does + "” keeps its key."
	case slices.Contains(reserved, key):
		return key + " belongs to the browser."
	case !plainKey(key):
		return "Choose a letter, a digit, Shift and a letter, or g and a letter."
	}
	for _, b := range Bindings {
		if b.Act == "" || b.Act == act {
			continue
		}
		if other := m.Key(b.Act); clash(other, key) {
			return "“" + b.Does + "” has " + other + "."
		}
	}
	return ""
}

func plainKey(key string) bool {
	if rest, found := strings.CutPrefix(key, "g "); found {
		return len(rest) == 1 && rest[0] >= 'a' && rest[0] <= 'z'
	}
	if rest, found := strings.CutPrefix(key, "Shift+"); found {
		return len(rest) == 1 && rest[0] >= 'A' && rest[0] <= 'Z'
	}
	letter := len(key) == 1 && (key[0] >= 'a' && key[0] <= 'z' || key[0] >= '0' && key[0] <= '9')
	return letter || key == "Enter" || key == "?"
}

// clash is true for the same key, and for a single key that starts a sequence.
func clash(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+" ") || strings.HasPrefix(b, a+" ")
}

// keyOf resolves what a control shows: its own key, or its act's for this
// reader. Nothing is bound while single keys are off, but chords are.
func keyOf(ctx context.Context, act Act, key string) string {
	reader := readerOf(ctx)
	if act != "" {
		key = reader.Keys.Key(act)
	}
	if reader.KeysOff && !strings.HasPrefix(key, "Ctrl+") {
		return ""
	}
	return key
}

// ownKeys tells the scripts the keys of acts that no control on a page
// carries, where the person has rebound them: rows of a list, an undo to come.
func (r Reader) ownKeys() templ.Attributes {
	own := templ.Attributes{}
	for _, act := range []Act{ActNext, ActPrevious, ActOpen, ActSelect, ActUndo} {
		if key, rebound := r.Keys[act]; rebound {
			own["data-key-"+string(act)] = key
		}
	}
	return own
}

// keyCaps are the little boxes of a hint: "Ctrl+Enter" is two, "g q" is two.
func keyCaps(key string) []string {
	var caps []string
	for _, step := range strings.Fields(key) {
		for _, part := range strings.Split(step, "+") {
			caps = append(caps, keyFace(part, step))
		}
	}
	return caps
}

func keyFace(part, step string) string {
	switch part {
	case "Enter":
		return "↵"
	case "Escape":
		return "Esc"
	case "ArrowUp":
		return "↑"
	case "ArrowDown":
		return "↓"
	case "ArrowLeft":
		return "←"
	case "ArrowRight":
		return "→"
	}
	if step == "Ctrl+k" {
		return strings.ToUpper(part[:1]) + part[1:]
	}
	return part
}
