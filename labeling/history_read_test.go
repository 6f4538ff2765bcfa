package labeling

import (
	"testing"

	"github.com/google/uuid"

	"assay/internal/auth"
)

// Two labelers differ. The second then reads what the first said and changes
// their mind: the change counts for the item and not for agreement.
func TestALabelChangedAfterReadingOthersIsLeftOutOfAgreement(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	if _, err := s.DB.Exec(t.Context(), `UPDATE queues SET labels_wanted = 2, overlap_share = 0, hallucinated_again = false`); err != nil {
		t.Fatal(err)
	}
	var seeds []seed
	for i := range 12 {
		seeds = append(seeds, seed{u: float64(i) / 12, wanted: 2})
	}
	items := put(t, s, queue, seeds...)
	label := func(who auth.Actor, say func(i int) string) {
		t.Helper()
		for i, item := range items {
			r := held(t, s, queue, who.ID)
			if r.ItemID != item {
				t.Fatalf("want item %d, got %d", item, r.ItemID)
			}
			if _, err := s.Submit(t.Context(), who, item, r.Token, uuid.NewString(), Answer{Label: say(i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	truth := func(i int) string { return []string{"correct", "hallucinated"}[i%2] }
	label(person(1), truth)
	label(person(2), func(i int) string {
		if i == 3 || i == 4 {
			return "partially_correct"
		}
		return truth(i)
	})
	again := func(item int64, say string) {
		t.Helper()
		r, err := s.Undo(t.Context(), person(2), item)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Submit(t.Context(), person(2), item, r.Token, uuid.NewString(), Answer{Label: say}); err != nil {
			t.Fatal(err)
		}
	}
	percent := func() float64 {
		t.Helper()
		report, err := s.Agreement(t.Context(), engineer, AgreementFilter{Queue: queue.Slug})
		if err != nil || len(report.Queues) != 1 || report.Queues[0].Percent == nil {
			t.Fatalf("got %+v, %v", report.Queues, err)
		}
		return *report.Queues[0].Percent
	}
	if got := percent(); got != 10.0/12 {
		t.Fatalf("before: want 10 of 12, got %v", got)
	}
	again(items[3], truth(3)) // a slip of their own, mended before they read anything
	if got := percent(); got != 11.0/12 {
		t.Errorf("a change of their own counts: want 11 of 12, got %v", got)
	}
	history, err := s.ItemHistory(t.Context(), person(2), items[4])
	if err != nil || len(history) != 2 {
		t.Fatalf("their own label stands, so they may read both: got %+v, %v", history, err)
	}
	again(items[4], truth(4))
	if got := percent(); got != 11.0/12 {
		t.Errorf("a change after reading the other label is left out: want 11 of 12, got %v", got)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM labels WHERE provenance ? 'after_reading_others'`); n != 1 {
		t.Errorf("want it in the provenance of the new label, got %d", n)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM consensus WHERE item_id = $1 AND method = 'agreed'`, items[4]); n != 1 {
		t.Error("the item is agreed all the same")
	}
	history, err = s.ItemHistory(t.Context(), engineer, items[4])
	if err != nil || len(history) != 4 || !history[3].AfterReading || history[1].AfterReading {
		t.Errorf("the history says it: %+v, %v", history, err)
	}
}
