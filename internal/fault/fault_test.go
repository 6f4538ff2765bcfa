package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"assay/internal/fault"
)

func TestKindSurvivesWrapping(t *testing.T) {
	err := fmt.Errorf("submit item 7: %w", fault.Say(fault.Conflict, "The reservation ran out at %s.", "14:05"))
	if !errors.Is(err, fault.Conflict) {
		t.Error("a wrapped sentence is still a conflict")
	}
	if want, got := fault.Conflict, fault.Of(err); want != got {
		t.Errorf("kind: want %q, got %q", want, got)
	}
	if want, got := "The reservation ran out at 14:05.", fault.Words(err); want != got {
		t.Errorf("words: want %q, got %q", want, got)
	}
}

func TestPlainErrorHasNoKind(t *testing.T) {
	if got := fault.Of(errors.New("disk on fire")); got != "" {
		t.Errorf("want no kind, got %q", got)
	}
	if got := fault.Words(nil); got != "" {
		t.Errorf("want no words, got %q", got)
	}
}
