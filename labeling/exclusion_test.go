package labeling

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
)

// consensusNow is what is made of labels, in one line an item.
func consensusNow(t *testing.T, s *Store) string {
	t.Helper()
	rows, _ := s.DB.Query(t.Context(), `
		SELECT item_id || ' ' || coalesce(label, '-') || ' ' || method || ' ' || coalesce(first_reading, '-') || ' ' || readings || ' ' || coalesce(second_probability, 0) || ' ' || second_due
		FROM consensus ORDER BY item_id`)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(lines)
}

// Which labels count is a decision with a version; what rests on them is made
// again, and again when they count again, and no label is touched.
func TestLabelsAreLeftOutByADecisionAndComeBackByOne(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	if _, err := s.DB.Exec(t.Context(), `
		UPDATE queues SET overlap_share = 0, hallucinated_again = false;
		INSERT INTO people (id, email, name) OVERRIDING SYSTEM VALUE VALUES (1, 'a@example.org', 'A'), (9, 'r@example.org', 'R')`); err != nil {
		t.Fatal(err)
	}
	items := put(t, s, queue, seed{u: .1, wanted: 2}, seed{u: .2, wanted: 2}, seed{u: .3}, seed{u: .4})
	for range 4 {
		submit(t, s, 1, held(t, s, queue, 1), Answer{Label: "partially_correct"})
	}
	for _, label := range []string{"correct", "partially_correct"} {
		submit(t, s, 2, held(t, s, queue, 2), Answer{Label: label})
	}
	before, labels := consensusNow(t, s), count(t, s.DB, `SELECT count(*) FROM labels`)
	one, err := s.LabelerOf(t.Context(), person(1))
	if err != nil {
		t.Fatal(err)
	}
	replayed := func(want int) {
		t.Helper()
		if n, err := s.ReplayExclusion(t.Context(), auth.Product(), one); err != nil || n != want {
			t.Fatalf("want %d items settled again, got %d, %v", want, n, err)
		}
	}
	rated := func() int64 {
		t.Helper()
		report, err := s.Agreement(t.Context(), engineer, AgreementFilter{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, q := range report.Queues {
			n += q.Items
		}
		return int64(n)
	}
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET second_drawn = true WHERE wanted >= 2`); err != nil {
		t.Fatal(err)
	}
	if rated() != 2 {
		t.Fatalf("two items have two labels, got %d", rated())
	}

	if err := s.Exclude(t.Context(), reviewer, one, nil, nil, " "); fault.Of(err) != fault.Invalid {
		t.Errorf("without a reason: %v", err)
	}
	if err := s.Exclude(t.Context(), engineer, one, nil, nil, "x"); fault.Of(err) != fault.Denied {
		t.Errorf("an engineer decides nothing: %v", err)
	}
	if err := s.Exclude(t.Context(), person(1, auth.Reviewer), one, nil, nil, "x"); fault.Of(err) != fault.Denied {
		t.Errorf("nobody decides about themselves: %v", err)
	}
	if err := s.Include(t.Context(), reviewer, one, "x"); fault.Of(err) != fault.Conflict {
		t.Errorf("nothing is left out: %v", err)
	}
	if err := s.Exclude(t.Context(), reviewer, one, nil, nil, "did not read the schema"); err != nil {
		t.Fatal(err)
	}
	replayed(4)
	if n := count(t, s.DB, `SELECT count(*) FROM consensus WHERE label IS NOT NULL`); n != 2 {
		t.Errorf("two items have the other's label alone: %s", consensusNow(t, s))
	}
	if n := count(t, s.DB, `SELECT count(*) FROM consensus WHERE item_id = $1 AND label = 'correct' AND method = 'single'`, items[0]); n != 1 {
		t.Errorf("who remains is the first reading: %s", consensusNow(t, s))
	}
	if rated() != 0 || count(t, s.DB, `SELECT count(*) FROM labels`) != labels {
		t.Error("agreement leaves them out, and no label is deleted")
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE taken < wanted AND passed_over > 0`); n != 4 {
		t.Errorf("all four want another labeler, and the threshold stays: got %d", n)
	}
	replayed(4) // safe to repeat

	r := held(t, s, queue, 3)
	submit(t, s, 3, r, Answer{Label: "correct"})
	if _, err := s.Reserve(t.Context(), person(1), queue.Slug); err != ErrNothingFree {
		t.Errorf("who is left out is not served the same again: %v", err)
	}

	later, sooner := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	if err := s.Exclude(t.Context(), reviewer, one, &later, nil, "what is to come"); fault.Of(err) != fault.Invalid {
		t.Errorf("what is to come is a suspension's: %v", err)
	}
	if err := s.Exclude(t.Context(), reviewer, one, nil, &sooner, "only until then"); err != nil {
		t.Fatal(err)
	}
	replayed(4) // none of theirs lies in the new version
	if n := count(t, s.DB, `SELECT count(*) FROM consensus WHERE readings = 1 AND label = 'partially_correct'`); n < 1 {
		t.Errorf("the newest version stands alone: %s", consensusNow(t, s))
	}
	if err := s.Include(t.Context(), reviewer, one, "they had been given the wrong schema"); err != nil {
		t.Fatal(err)
	}
	replayed(4)
	if _, err := s.Undo(t.Context(), person(3), r.ItemID); err != nil {
		t.Fatal(err)
	}
	if after := consensusNow(t, s); after != before {
		t.Errorf("the same labels give the same consensus:\nbefore %s\nafter  %s", before, after)
	}
	report, err := s.Labeler(t.Context(), reviewer, one)
	if err != nil || len(report.Exclusions) != 3 || report.Exclusions[0].Version != 3 || report.Exclusions[0].Excluded || report.Exclusions[2].Labels != 4 ||
		report.Exclusions[2].By != "R" || report.Exclusions[0].ReplayedAt == nil {
		t.Errorf("three versions with their reasons: %+v, %v", report.Exclusions, err)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM audit_entries WHERE action IN ('labeler.exclude', 'labeler.include')`); n != 3 {
		t.Errorf("each is in the audit, got %d", n)
	}
}

func TestLabelsOfSomeDaysAreLeftOut(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: .1}, seed{u: .2})
	noon := time.Now().Add(-48 * time.Hour)
	for i := range 2 {
		r := held(t, s, queue, 1)
		if _, err := s.SubmitGiven(t.Context(), person(1), r.ItemID, r.Token, fmt.Sprint("given", i), Answer{Label: "correct"}, Given{At: noon.Add(time.Duration(24*i) * time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	one, err := s.LabelerOf(t.Context(), person(1))
	if err != nil {
		t.Fatal(err)
	}
	from, to := noon.Add(time.Hour), noon.Add(30*time.Hour)
	if err := s.Exclude(t.Context(), reviewer, one, &to, &from, "the wrong way round"); fault.Of(err) != fault.Invalid {
		t.Errorf("from before to: %v", err)
	}
	if err := s.Exclude(t.Context(), reviewer, one, &from, &to, "that day"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReplayExclusion(t.Context(), auth.Product(), one); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM consensus WHERE label = 'correct'`); n != 1 {
		t.Errorf("the label of the day before stands: %s", consensusNow(t, s))
	}
	if n := count(t, s.DB, `SELECT labels FROM exclusions`); n != 1 {
		t.Errorf("it concerns one label, got %d", n)
	}
}
