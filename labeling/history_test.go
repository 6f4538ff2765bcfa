package labeling

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/postgrestest"
)

func TestNobodyReadsAnothersLabelBeforeTheirOwn(t *testing.T) {
	pool := postgrestest.Database(t)
	s := storeOn(pool)
	queue := openQueue(t, s, "sql_query")
	item := put(t, s, queue, seed{class: Safety, u: 0.1, wanted: 2})[0]
	var event uuid.UUID
	if err := pool.QueryRow(t.Context(), `SELECT event_id FROM items WHERE id = $1`, item).Scan(&event); err != nil {
		t.Fatal(err)
	}
	said := func(actor auth.Actor) string {
		t.Helper()
		list, err := s.History(t.Context(), actor, event)
		if err != nil {
			t.Fatal(err)
		}
		open, err := s.LabelsOpen(t.Context(), actor, "s_0")
		if err != nil {
			t.Fatal(err)
		}
		words := ""
		for _, r := range list {
			words += fmt.Sprintf("%s/%d ", r.Label, r.Revision)
		}
		return words + fmt.Sprint(open[event])
	}
	reviewer := person(3, auth.Reviewer)
	submit(t, s, 1, held(t, s, queue, 1), Answer{Label: "hallucinated", Reasons: []string{"wrong_value"}, Note: "row 8"})
	second := held(t, s, queue, 2)
	for _, c := range []struct {
		name  string
		actor auth.Actor
		want  string
	}{
		{"who labeled it", person(1), "hallucinated/1 true"},
		{"who holds it", person(2), "false"},
		{"who has nothing to do with it", person(4), "false"},
		{"a reviewer, while another label is wanted", reviewer, "false"},
		{"who labels and engineers, while another label is wanted", person(5, auth.Labeler, auth.Engineer), "false"},
		{"an engineer", engineer, "hallucinated/1 true"},
	} {
		if got := said(c.actor); c.want != got {
			t.Errorf("%s: want %q, got %q", c.name, c.want, got)
		}
	}
	submit(t, s, 2, second, Answer{Label: "correct"})
	if _, err := s.Undo(t.Context(), person(1), item); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		actor auth.Actor
		want  string
	}{
		{"who took theirs back", person(1), "false"},
		{"who has labeled it now", person(2), "hallucinated/1 correct/1 /2 true"},
		{"an engineer reads every revision", engineer, "hallucinated/1 correct/1 /2 true"},
	} {
		if got := said(c.actor); c.want != got {
			t.Errorf("%s: want %q, got %q", c.name, c.want, got)
		}
	}
	mine, err := s.History(t.Context(), person(2), event)
	if err != nil || mine[0].Own || mine[0].Labeler == "person 1" || mine[0].Note != "row 8" || mine[0].Reasons[0] != "wrong_value" || mine[0].Queue != queue.Slug || !mine[1].Own {
		t.Errorf("with reasons, and others by pseudonym: %+v, %v", mine, err)
	}
	if _, err := s.History(t.Context(), person(6, auth.Admin), event); err == nil {
		t.Error("an admin reads no sessions")
	}
}

func TestReviewersReadWhatIsDecided(t *testing.T) {
	pool := postgrestest.Database(t)
	s := storeOn(pool)
	queue := openQueue(t, s, "sql_query")
	item := put(t, s, queue, seed{class: Safety, u: 0.1, wanted: 2})[0]
	first, second := held(t, s, queue, 1), held(t, s, queue, 2)
	submit(t, s, 1, first, Answer{Label: "hallucinated"})
	submit(t, s, 2, second, Answer{Label: "correct"})
	reviewer := person(3, auth.Reviewer)
	if _, err := s.Adjudicate(t.Context(), reviewer, item, "hallucinated", "The total is of another quarter."); err != nil {
		t.Fatal(err)
	}
	var event uuid.UUID
	if err := pool.QueryRow(t.Context(), `SELECT event_id FROM items WHERE id = $1`, item).Scan(&event); err != nil {
		t.Fatal(err)
	}
	list, err := s.History(t.Context(), reviewer, event)
	if err != nil || len(list) != 3 || !list[2].Decision || list[2].Note != "The total is of another quarter." || !list[2].Own {
		t.Errorf("the decision stands beside the labels: %+v, %v", list, err)
	}
}
