package labeling

import (
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgrestest"
	"assay/internal/retention"
)

// A file repeats text; when the text goes, so does the file, and one written
// afterwards does not have it.
func TestAFileIsWithdrawnWhenAPersonInItIsErased(t *testing.T) {
	pool := postgrestest.Database(t)
	s := storeOn(pool)
	labeledQueue(t, s, 4)
	d, err := s.Freeze(t.Context(), engineer, "Four", DatasetFilter{})
	if err == nil {
		err = s.FreezeVersion(t.Context(), auth.Product(), d.Newest.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	const text = "One sentence. Another sentence."
	if before := written(t, s, d.Newest.ID, "jsonl"); strings.Count(string(before), text) != 4 {
		t.Fatalf("a file without the texts: %s", before)
	}
	var session string
	if err := pool.QueryRow(t.Context(), `SELECT session_id FROM items ORDER BY id LIMIT 1`).Scan(&session); err != nil {
		t.Fatal(err)
	}
	files, person := Files{s}, retention.Person{Hash: "u", Sessions: []string{session}}
	if n, err := files.Count(t.Context(), retention.Person{Sessions: []string{"another"}}); err != nil || n != 0 {
		t.Errorf("of another person: %d, %v", n, err)
	}
	if n, err := files.Count(t.Context(), person); err != nil || n != 1 {
		t.Errorf("want one file counted, got %d, %v", n, err)
	}
	sessions := count(t, pool, `SELECT count(*) FROM items WHERE session_id = '`+session+`'`)
	if _, err := (Texts{s}).Erase(t.Context(), auth.Product(), person); err != nil {
		t.Fatal(err)
	}
	for want := int64(1); want >= 0; want-- { // a repeated job finds nothing more
		if n, err := files.Erase(t.Context(), auth.Product(), person); err != nil || n != want {
			t.Errorf("want %d withdrawn, got %d, %v", want, n, err)
		}
	}
	if n, err := files.Count(t.Context(), person); err != nil || n != 0 {
		t.Errorf("left: %d, %v", n, err)
	}
	if n := count(t, pool, `SELECT count(*) FROM export_parts`); n != 0 {
		t.Errorf("%d parts are still there", n)
	}
	if _, _, err := s.OpenExport(t.Context(), engineer, 1); fault.Of(err) != fault.Conflict || !strings.Contains(fault.Words(err), "withdrawn") {
		t.Errorf("want the reason said, got %v", err)
	}
	if err := s.WriteExport(t.Context(), auth.Product(), 1); err != nil { // its job comes again
		t.Fatal(err)
	}
	if n := count(t, pool, `SELECT count(*) FROM exports WHERE state = 'withdrawn'`); n != 1 {
		t.Error("a repeated job wrote a withdrawn file again")
	}
	if again := written(t, s, d.Newest.ID, "jsonl"); int64(strings.Count(string(again), text)) != 4-sessions {
		t.Errorf("the file written afterwards: %s", again)
	}
	if holds, err := s.VerifyVersion(t.Context(), engineer, d.Newest.ID); err != nil || !holds {
		t.Errorf("the version itself holds no text and stays: %v, %v", holds, err)
	}
}

// A file outlives no text by more than the nightly run.
func TestAFileWithATextThatIsOverIsWithdrawn(t *testing.T) {
	pool := postgrestest.Database(t)
	s := storeOn(pool)
	labeledQueue(t, s, 2)
	d, err := s.Freeze(t.Context(), engineer, "Two", DatasetFilter{})
	if err == nil {
		err = s.FreezeVersion(t.Context(), auth.Product(), d.Newest.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	written(t, s, d.Newest.ID, "csv")
	cutoff := retention.Cutoff{Now: time.Now().UTC(), Policy: retention.Policy{TextDays: 90, LabeledDays: 365, RowDays: 365}}
	if n, err := (Files{s}).Overdue(t.Context(), cutoff); err != nil || n != 0 {
		t.Errorf("nothing is over: %d, %v", n, err)
	}
	for _, sql := range []string{ // the items came in a year ago; the file was written yesterday, the text ended today
		`UPDATE items SET added_at = now() - interval '365 days 1 hour', snapshot = NULL, title = ''`,
		`UPDATE exports SET finished_at = now() - interval '1 day'`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := (Files{s}).Overdue(t.Context(), cutoff); err != nil || n != 1 {
		t.Errorf("want one overdue, got %d, %v", n, err)
	}
	if n, err := (Files{s}).Expire(t.Context(), auth.Product(), cutoff); err != nil || n != 1 {
		t.Errorf("want one withdrawn, got %d, %v", n, err)
	}
	written(t, s, d.Newest.ID, "csv") // without text, it may stay
	if n, err := (Files{s}).Overdue(t.Context(), cutoff); err != nil || n != 0 {
		t.Errorf("a file without text is overdue: %d, %v", n, err)
	}
}
