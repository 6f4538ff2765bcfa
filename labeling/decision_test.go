package labeling

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/telemetry"
)

func TestALabelNamesTheDecisionItWasReadUnder(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	at := day(3).Add(5 * time.Hour)
	plain := h.respond("sql_query", "v1", at)
	consider(t, s, plain)
	disliked := plain
	disliked.Flags = append(disliked.Flags, raised(telemetry.NegativeFeedback, "down"))
	disliked.PriorityClass = "negative"
	consider(t, s, disliked)

	decisions, err := s.Decisions(t.Context(), auth.Product(), plain.EventID)
	if err != nil || len(decisions) != 2 {
		t.Fatalf("want the first decision and the one after the flag, got %+v, %v", decisions, err)
	}
	newest, first := decisions[0], decisions[1]
	if newest.PriorityClass != "negative" || newest.Supersedes == nil || *newest.Supersedes != first.ID || newest.U != first.U || !newest.Selected || newest.RuleVersion < 1 {
		t.Errorf("newest %+v after %+v", newest, first)
	}
	queue := openQueue(t, s, "sql_query")
	r := held(t, s, queue, 1)
	if _, err := s.Submit(t.Context(), person(1), r.ItemID, r.Token, "k", Answer{Label: "correct"}); err != nil {
		t.Fatal(err)
	}
	if got := count(t, s.DB, `SELECT (provenance->>'decision_id')::bigint FROM labels`); got != newest.ID {
		t.Errorf("want the label to name decision %d, got %d", newest.ID, got)
	}
	if none, err := s.Decisions(t.Context(), auth.Product(), uuid.New()); err != nil || len(none) != 0 {
		t.Errorf("of an unknown response: %v, %v", none, err)
	}
	if _, err := s.Decisions(t.Context(), person(1), plain.EventID); fault.Of(err) != fault.Denied {
		t.Errorf("want a labeler refused, got %v", err)
	}
}
