package labeling

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgrestest"
	"assay/telemetry"
)

// sent is a file that has arrived, cut into parts where it hurts, and was
// checked.
func sent(t *testing.T, s *Store, format, text string, meanings ...Meaning) Import {
	t.Helper()
	m, err := s.BeginImport(t.Context(), engineer, "labels of others.jsonl", format)
	if err != nil {
		t.Fatal(err)
	}
	size := len(text)/3 + 1
	for part := 0; part*size < len(text); part++ {
		body := []byte(text[part*size : min(len(text), (part+1)*size)])
		for range 2 { // a part sent again changes nothing
			if err := s.AddPart(t.Context(), engineer, m.ID, part, body); err != nil {
				t.Fatal(err)
			}
		}
	}
	return checked(t, s, m.ID, meanings...)
}

func checked(t *testing.T, s *Store, id int64, meanings ...Meaning) Import {
	t.Helper()
	if err := s.CheckImport(t.Context(), engineer, id, meanings); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context(), auth.Product(), id); err != nil {
		t.Fatal(err)
	}
	m, err := s.ImportOf(t.Context(), engineer, id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func agreed(t *testing.T, s *Store, id int64) Import {
	t.Helper()
	if err := s.AgreeToImport(t.Context(), engineer, id); err != nil {
		t.Fatal(err)
	}
	if err := s.TakeUp(t.Context(), auth.Product(), id); err != nil {
		t.Fatal(err)
	}
	m, err := s.ImportOf(t.Context(), engineer, id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fileOf is a file with a label of each candidate.
func fileOf(all []telemetry.Candidate, labeler string) string {
	var text strings.Builder
	for i, c := range all {
		fmt.Fprintf(&text, `{"event_id":%q,"label":%q,"labeler":%q,"labeled_at":"2026-01-02T03:04:05Z"}`+"\n", c.EventID, Labels[i%3], labeler)
	}
	return text.String()
}

func shelfOn(t *testing.T, n int) (*Store, *shelf, []telemetry.Candidate, *pgxpool.Pool) {
	t.Helper()
	pool := postgrestest.Database(t)
	s, h := storeOn(pool), newShelf()
	s.Telemetry = h
	var all []telemetry.Candidate
	for range n {
		all = append(all, h.respond("sql_query", "v1", day(3)))
	}
	return s, h, all, pool
}

func TestAnImportIsSeenBeforeAnythingIsWritten(t *testing.T) {
	s, h, all, pool := shelfOn(t, 4)
	one := h.responses[all[0].EventID]
	importLines(t, s, fmt.Sprintf(`{"event_id":%q,"label":"correct","labeler":"ada"}`, all[0].EventID))
	before := count(t, pool, `SELECT count(*) FROM labels`) + count(t, pool, `SELECT count(*) FROM items`)
	text := strings.Join([]string{
		fmt.Sprintf(`{"event_id":%q,"label":"correct","labeler":"ada"}`, all[0].EventID), // is here
		fmt.Sprintf(`{"event_id":%q,"label":"hallucinated","labeler":"bob","labeled_at":"2026-01-02T03:04:05+02:00"}`, all[1].EventID),
		fmt.Sprintf(`{"event_id":%q,"label":"hallucinated","labeler":"bob","labeled_at":"2026-01-02T01:04:05Z"}`, all[1].EventID), // the same, in another zone
		`not json`,
		fmt.Sprintf(`{"session_id":"nowhere","request_id":%q,"label":"correct","labeler":"eve"}`, one.RequestID),
		fmt.Sprintf(`{"event_id":%q,"label":null,"labeler":"bob"}`, all[2].EventID),
		fmt.Sprintf(`{"event_id":%q,"label":"Good","labeler":"bob"}`, all[3].EventID),
	}, "\n")
	m := sent(t, s, "", text)
	f := m.Found
	if m.State != "ready" || m.Format != FormatLines || m.Total != 7 || len(m.Hash()) != 64 {
		t.Fatalf("got %+v", m)
	}
	if f.Imported != 1 || f.Duplicate != 2 || f.Unlabeled != 1 || f.Refused != 3 || f.NoResponse != 1 || !slices.Equal(f.NotHere, []string{"nowhere / " + one.RequestID}) {
		t.Errorf("got %+v", f)
	}
	wantAuthors := []AuthorFound{{"bob", 2, false}, {"ada", 1, true}, {"eve", 1, false}}
	if !slices.Equal(f.Authors, wantAuthors) || f.Untimed != 1 || f.First == nil || !f.First.Equal(*f.Last) {
		t.Errorf("want %v, got %+v", wantAuthors, f)
	}
	if lines := fmt.Sprint(f.Refusals); !strings.Contains(lines, "{4 not a JSON object") || !strings.Contains(lines, "{5 no such response") || !strings.Contains(lines, "{7 label must be one of") {
		t.Errorf("each bad line has its number and reason: %s", lines)
	}
	if after := count(t, pool, `SELECT count(*) FROM labels`) + count(t, pool, `SELECT count(*) FROM items`); after != before {
		t.Errorf("a check wrote %d rows", after-before)
	}
	if err := s.TakeUp(t.Context(), auth.Product(), m.ID); err != nil || count(t, pool, `SELECT count(*) FROM labels`) != 1 {
		t.Errorf("nobody agreed: %v", err)
	}

	m = checked(t, s, m.ID, Meaning{"label", "Good", "correct"})
	if m.Found.Imported != 2 || m.Found.Refused != 2 {
		t.Errorf("with a meaning for Good: %+v", m.Found)
	}
	if m = agreed(t, s, m.ID); m.State != "done" || m.Imported != 2 || m.Duplicate != 2 || m.Unlabeled != 1 || m.Refused != 2 || m.Done != 7 {
		t.Errorf("what was said happens: %+v", m)
	}
	if n := count(t, pool, `SELECT count(*) FROM labels WHERE label = 'correct' AND item_id = (SELECT id FROM items WHERE event_id = $1)`, all[3].EventID); n != 1 {
		t.Error("Good became correct")
	}
	if n := count(t, pool, `SELECT count(*) FROM import_parts`); n != 0 {
		t.Error("the file's bytes stay")
	}
	_, write, err := s.ImportReport(t.Context(), engineer, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	var report bytes.Buffer
	if err := write(t.Context(), &report); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&report).ReadAll()
	var outcomes []string
	for _, row := range rows[1:] {
		outcomes = append(outcomes, row[0]+" "+row[1])
	}
	if want := []string{"1 duplicate", "2 imported", "3 duplicate", "4 refused", "5 refused", "6 unlabeled", "7 imported"}; err != nil || !slices.Equal(outcomes, want) {
		t.Errorf("the report: want %q, got %q, %v", want, outcomes, err)
	}
	for _, act := range []func() error{
		func() error { return s.AgreeToImport(t.Context(), engineer, m.ID) },
		func() error { return s.CancelImport(t.Context(), engineer, m.ID) },
		func() error { return s.CheckImport(t.Context(), engineer, m.ID, nil) },
		func() error { return s.AddPart(t.Context(), engineer, m.ID, 3, []byte("x")) },
	} {
		if err := act(); fault.Of(err) != fault.Conflict {
			t.Errorf("what is done is done: %v", err)
		}
	}
	for _, act := range []func() error{
		func() error { _, err := s.BeginImport(t.Context(), person(1), "x", ""); return err },
		func() error { return s.AddPart(t.Context(), person(1), m.ID, 0, nil) },
		func() error { return s.RevokeImport(t.Context(), person(1), m.ID) },
		func() error { _, err := s.Imports(t.Context(), person(1)); return err },
		func() error { _, _, err := s.ImportReport(t.Context(), person(1), m.ID); return err },
	} {
		if err := act(); fault.Of(err) != fault.Denied {
			t.Errorf("a labeler imports nothing: %v", err)
		}
	}
}

func TestAKilledImportGoesOnAndDoublesNothing(t *testing.T) {
	s, h, all, pool := shelfOn(t, 1_100)
	m := sent(t, s, "", fileOf(all, "ada"))
	if err := s.AgreeToImport(t.Context(), engineer, m.ID); err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(t.Context())
	h.asked = func(n int) {
		if n == 3 {
			kill()
		}
	}
	if err := s.TakeUp(ctx, auth.Product(), m.ID); !errors.Is(err, context.Canceled) {
		t.Fatalf("want it killed, got %v", err)
	}
	h.asked = nil
	if n := count(t, pool, `SELECT done FROM imports`); n != 1_000 || count(t, pool, `SELECT count(*) FROM labels`) != 1_000 {
		t.Errorf("two blocks are whole and the third is not there at all: %d", n)
	}
	var both sync.WaitGroup // found again by its age while the first is still at it
	for range 2 {
		both.Go(func() {
			if err := s.TakeUp(t.Context(), auth.Product(), m.ID); err != nil && !errors.Is(err, ErrAtWork) {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if err := s.TakeUp(t.Context(), auth.Product(), m.ID); err != nil {
		t.Fatal(err)
	}
	m, _ = s.ImportOf(t.Context(), engineer, m.ID)
	if m.State != "done" || m.Imported != 1_100 || m.Duplicate != 0 || m.Done != 1_100 {
		t.Errorf("got %+v", m)
	}
	if n := count(t, pool, `SELECT count(*) FROM labels WHERE revision = 1 AND source = 'import' AND labeled_at = '2026-01-02T03:04:05Z'`); n != 1_100 {
		t.Errorf("want 1,100 labels, got %d", n)
	}
	if n := count(t, pool, `SELECT count(*) FROM items WHERE design = 'census' AND taken = 1 AND labeled = 1 AND wanted = 1`); n != 1_100 {
		t.Errorf("want 1,100 items, got %d", n)
	}
	again := agreed(t, s, sent(t, s, "", fileOf(all, "ada")).ID)
	if again.Imported != 0 || again.Duplicate != 1_100 || count(t, pool, `SELECT count(*) FROM labels`) != 1_100 {
		t.Errorf("twice the same file: %+v", again)
	}
}

func TestAWithdrawnImportLeavesTheSampleAsItWas(t *testing.T) {
	s, h, all, pool := shelfOn(t, 1_050)
	consider(t, s, all[:950]...)
	if _, err := pool.Exec(t.Context(), `UPDATE items SET wanted = 1, second_drawn = false`); err != nil {
		t.Fatal(err)
	}
	labeled := held(t, s, Queue{Slug: "sql_query"}, 1) // one that a person has labeled
	submit(t, s, 1, labeled, Answer{Label: "correct"})
	sample := func() [2]SampleCell { // what is drawn, and what stands for itself
		cells, err := s.Sample(t.Context(), auth.Product(), SampleFilter{From: day(3), To: day(4)})
		if err != nil {
			t.Fatal(err)
		}
		var both [2]SampleCell
		for _, c := range cells {
			c.LastLabelAt, c.Pi = day(1), 0
			both[slices.Index([]string{"bottom_k", "census"}, c.Design)] = c
		}
		return both
	}
	before := sample()

	// The same person had said something of the first response in a file before.
	importLines(t, s, fmt.Sprintf(`{"event_id":%q,"label":"cannot_tell","labeler":"bob","note":"before"}`, all[0].EventID))
	standing, there := sample(), count(t, pool, `SELECT count(*) FROM items`)
	m := sent(t, s, "", fileOf(all, "bob"))
	if err := s.AgreeToImport(t.Context(), engineer, m.ID); err != nil {
		t.Fatal(err)
	}
	h.asked = func(n int) {
		if n == 3 { // somebody cancels when two blocks are in
			if err := s.CancelImport(t.Context(), engineer, m.ID); err != nil {
				t.Error(err)
			}
		}
	}
	if err := s.TakeUp(t.Context(), auth.Product(), m.ID); err != nil {
		t.Fatal(err)
	}
	h.asked = nil
	if m, _ = s.ImportOf(t.Context(), engineer, m.ID); m.State != "cancelled" || m.Imported != 1_000 || m.Done != 1_000 {
		t.Fatalf("what is in stays, and nothing more comes: %+v", m)
	}
	if during := sample(); reflect.DeepEqual(during, standing) || before[1].Responses != 0 {
		t.Error("an import shows in the sample")
	}
	if err := s.RevokeImport(t.Context(), engineer, m.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Withdraw(t.Context(), auth.Product(), m.ID); err != nil {
			t.Fatal(err)
		}
	}
	if m, _ = s.ImportOf(t.Context(), engineer, m.ID); m.State != "withdrawn" || m.Withdrawn != 1_000 || m.Kept != 0 {
		t.Errorf("got %+v", m)
	}
	// Fifty of them nobody had considered: they count in their frame now.
	want := standing
	want[0].Responses, want[0].Readable, want[0].Considered = standing[0].Responses+50, standing[0].Readable+50, standing[0].Considered+50
	if after := sample(); !reflect.DeepEqual(after, want) {
		t.Errorf("the sample:\nwant %+v\n got %+v", want, after)
	}
	if n := count(t, pool, `SELECT count(*) FROM items WHERE removed_reason = 'its import was withdrawn' AND design = 'discovery'`); n != count(t, pool, `SELECT count(*) FROM items`)-there {
		t.Errorf("what the import had put into the queue leaves it, got %d", n)
	}
	if n := count(t, pool, `SELECT count(*) FROM labels WHERE import_id = $1 AND label IS NOT NULL AND idempotency_key LIKE 'import/%'`, m.ID); n != 1_000 {
		t.Errorf("what was said stays said: want 1,000, got %d", n)
	}
	if n := count(t, pool, `SELECT count(*) FROM consensus WHERE label IS NOT NULL`); n != 2 {
		t.Errorf("one label of a person here and one of the file before stand, got %d", n)
	}
	if n := count(t, pool, `
		SELECT count(*) FROM labels l JOIN label_texts t ON t.label_id = l.id
		WHERE l.revision = 3 AND l.label = 'cannot_tell' AND t.note = 'before'`); n != 1 {
		t.Error("bob says again what he had said before")
	}
	if r := held(t, s, Queue{Slug: "sql_query"}, 2); r.ItemID == 0 {
		t.Error("what went back into the sample is served again")
	}

	again := agreed(t, s, sent(t, s, "", fileOf(all, "bob")).ID)
	if again.Imported != 1_050 || again.Duplicate != 0 {
		t.Errorf("the file may come again: %+v", again)
	}
}

func TestWhatAReviewerDecidedStaysWhenItsImportIsWithdrawn(t *testing.T) {
	s, _, all, pool := shelfOn(t, 2)
	m := agreed(t, s, sent(t, s, "", fileOf(all, "ada")).ID)
	reviewer := person(50, auth.Reviewer)
	if _, err := s.LabelerOf(t.Context(), reviewer); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `
		INSERT INTO adjudications (item_id, revision, reviewer_id, label, label_ids)
		SELECT l.item_id, 1, (SELECT id FROM labelers WHERE person_id = 50), 'correct', ARRAY[l.id] FROM labels l ORDER BY l.id LIMIT 1`); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeImport(t.Context(), engineer, m.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Withdraw(t.Context(), auth.Product(), m.ID); err != nil {
		t.Fatal(err)
	}
	if m, _ = s.ImportOf(t.Context(), engineer, m.ID); m.Withdrawn != 1 || m.Kept != 1 {
		t.Errorf("got %+v", m)
	}
}

func TestABadFileSaysWhere(t *testing.T) {
	s, _, all, pool := shelfOn(t, 3)
	long := fmt.Sprintf(`{"event_id":%q,"label":"correct","note":"%s"}`, all[0].EventID, strings.Repeat("x", maxImportLine))
	nul := fmt.Sprintf(`{"event_id":%q,"label":"correct","note":"a\u0000b"}`, all[1].EventID)
	late := fmt.Sprintf(`{"event_id":%q,"label":"correct","labeled_at":"2999-01-01T00:00:00Z"}`, all[1].EventID)
	outside := fmt.Sprintf(`{"event_id":%q,"label":"hallucinated","spans":[{"start":0,"end":3},{"start":5,"end":900000}]}`, all[2].EventID)
	m := agreed(t, s, sent(t, s, "", long+"\n"+nul+"\n"+late+"\n"+outside).ID)
	if m.Imported != 1 || m.Refused != 3 {
		t.Errorf("one bad line costs no other: %+v, %+v", m, m.Found.Refusals)
	}
	if n := count(t, pool, `SELECT count(*) FROM labels WHERE jsonb_array_length(spans) = 1 AND provenance->>'spans_outside' = '1'`); n != 1 {
		t.Error("a span outside the response is left out, and the label says so")
	}
	var why []string
	for _, r := range m.Found.Refusals {
		why = append(why, fmt.Sprintf("%d %s", r.Line, r.Error))
	}
	if want := []string{"1 longer than 16 MB", "2 a text has a character that no text may have, NUL", "3 labeled_at lies before 1970 or in the future"}; !slices.Equal(why, want) {
		t.Errorf("want %q, got %q", want, why)
	}
	broken := fmt.Sprintf(`[{"data":{"event_id":%q},"annotations":[{"completed_by":1,"result":[{"type":"choices","value":{"choices":["Correct"]}}]}]}, {"data"`, all[0].EventID)
	if m = agreed(t, s, sent(t, s, "", broken).ID); m.Imported != 1 || !strings.Contains(m.Found.Trouble, "breaks off in element 2") {
		t.Errorf("what was before is read: %+v, %+v", m, m.Found)
	}
	for _, text := range []string{"PK\x03\x04 a spreadsheet", "{}\n"} {
		begun, err := s.BeginImport(t.Context(), engineer, "", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.AddPart(t.Context(), engineer, begun.ID, 0, []byte(text)); err != nil {
			t.Fatal(err)
		}
		m := checked(t, s, begun.ID)
		if (m.State != "failed" || m.FailedWhy == "") && m.Found.Imported+m.Found.Unlabeled > 0 {
			t.Errorf("%q: %+v", text, m)
		}
	}
}

func TestNothingOfALabelIsRewritten(t *testing.T) {
	s, _, all, pool := shelfOn(t, 1)
	importLines(t, s, fmt.Sprintf(`{"event_id":%q,"label":"correct","labeler":"ada"}`, all[0].EventID))
	for _, sql := range []string{
		`UPDATE labels SET label = 'hallucinated'`, `DELETE FROM labels`, `TRUNCATE labels CASCADE`,
		`UPDATE labels SET provenance = '{}'`, `UPDATE labels SET labeled_at = now()`, `UPDATE labels SET import_id = NULL`,
		`UPDATE sampling_decisions SET u = 0`, `DELETE FROM sampling_decisions`, `UPDATE adjudications SET label = 'correct'`, `DELETE FROM adjudications`,
		`UPDATE guides SET body = ''`, `UPDATE datasets SET title = ''`, `DELETE FROM dataset_versions`, `UPDATE dataset_rows SET record = '{}'`,
		`DELETE FROM comments`, `UPDATE comments SET person_id = 1`, `DELETE FROM notices`, `DELETE FROM imports`, `UPDATE import_parts SET body = ''`,
		`UPDATE import_outcomes SET why = ''`, `ALTER TABLE labels DISABLE TRIGGER ALL`, `DROP TABLE labels`,
	} {
		_, err := pool.Exec(t.Context(), sql)
		if err == nil || !strings.Contains(err.Error(), "permission denied") && !strings.Contains(err.Error(), "must be owner") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
