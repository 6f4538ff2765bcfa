package telemetry

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
)

func TestAGrantedTextOpensOnlyWhenItIsAllowedInTheSameTransaction(t *testing.T) {
	s, id, _ := revealing(t)
	labeler := someone(7, auth.Labeler, noon)
	yes := func(context.Context, pgx.Tx) error { return nil }
	no := func(context.Context, pgx.Tx) error { return fault.Say(fault.Denied, "Not this one.") }
	opened := func() (n int) {
		t.Helper()
		if err := s.DB.QueryRow(t.Context(), `SELECT count(*) FROM audit_entries WHERE action = 'payload.open'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if _, err := s.OpenGranted(t.Context(), labeler, id, "grant 1", no); fault.Of(err) != fault.Denied {
		t.Errorf("what is not allowed: %v", err)
	}
	if _, err := s.OpenGranted(t.Context(), someone(8, auth.Engineer, noon), id, "grant 1", yes); fault.Of(err) != fault.Denied {
		t.Errorf("who does not label: %v", err)
	}
	if n := opened(); n != 0 {
		t.Errorf("%d openings of what was refused", n)
	}
	raw, err := s.OpenGranted(t.Context(), labeler, id, "grant 1", yes)
	if err != nil || raw.Prompt != "Write to maya@example.com" || opened() != 1 {
		t.Errorf("got %+v, %v, %d entries", raw, err, opened())
	}
	if _, err := s.OpenGranted(t.Context(), labeler, uuid.New(), "grant 1", yes); fault.Of(err) != fault.NotFound {
		t.Errorf("an event that is not: %v", err)
	}
}
