package labeling

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
)

func TestAHeldItemsSessionWaitsForItsLabel(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	item := put(t, s, queue, seed{u: 0.1, wanted: 2})[0]
	reviewer := person(7, auth.Reviewer)
	unread := func() bool {
		t.Helper()
		list, err := s.UnreadSessions(t.Context(), reviewer)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(list, "s_0")
	}
	if unread() {
		t.Error("nothing is held yet")
	}
	held, err := s.Reserve(t.Context(), reviewer, queue.Slug)
	if err != nil || !unread() {
		t.Fatalf("held on a blind queue: %v", err)
	}
	if _, err := s.Disagreement(t.Context(), reviewer, item); fault.Of(err) != fault.Denied {
		t.Errorf("labels of a held item: want denied, got %v", err)
	}
	if _, err := s.Submit(t.Context(), reviewer, item, held.Token, uuid.NewString(), Answer{Label: "correct"}); err != nil {
		t.Fatal(err)
	}
	if unread() {
		t.Error("once labeled, the session is theirs to read")
	}
	if list, err := s.UnreadSessions(t.Context(), auth.Product()); err != nil || list != nil {
		t.Errorf("the product holds nothing: %v, %v", list, err)
	}
}
