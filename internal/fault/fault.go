// Package fault names the few ways an act can end that both edges understand:
// web turns them into a status and a page, jobs into a retry or a halt.
package fault

import (
	"errors"
	"fmt"
)

// Kind is the machine's word for what went wrong. It is itself an error, so
// that fmt.Errorf("submit item %d: %w", id, fault.Conflict) carries it.
type Kind string

// The kinds. Anything else is a defect of ours and is answered as such.
const (
	NotFound    Kind = "not_found"   // there is no such thing, or not for this actor
	Invalid     Kind = "invalid"     // the input is wrong; the same input stays wrong
	Denied      Kind = "denied"      // the actor may not do this
	Conflict    Kind = "conflict"    // the state has moved on since the actor looked
	Unavailable Kind = "unavailable" // something we need is away; the same act may succeed later
)

func (k Kind) Error() string { return string(k) }

// Sentence is a fault with words that may be shown to the person who acted.
// It never carries text that a user or a model wrote.
type Sentence struct {
	Kind  Kind
	Words string
}

func (s *Sentence) Error() string { return string(s.Kind) + ": " + s.Words }

// Unwrap lets errors.Is(err, fault.Conflict) see through the sentence.
func (s *Sentence) Unwrap() error { return s.Kind }

// Say returns an error of the kind with words fit for the person who acted:
// a whole sentence that names what did not happen, why, and what to do.
func Say(kind Kind, format string, args ...any) error {
	return &Sentence{Kind: kind, Words: fmt.Sprintf(format, args...)}
}

// Of returns the kind an error carries, or "" when it carries none.
func Of(err error) Kind {
	var kind Kind
	if errors.As(err, &kind) {
		return kind
	}
	return ""
}

// Words returns the sentence meant for people, or "" when there is none.
func Words(err error) string {
	var s *Sentence
	if errors.As(err, &s) {
		return s.Words
	}
	return ""
}
