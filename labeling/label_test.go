package labeling

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgrestest"
)

// held reserves the next item of the queue for a person.
func held(t testing.TB, s *Store, queue Queue, who int64) Reservation {
	t.Helper()
	r, err := s.Reserve(t.Context(), person(who), queue.Slug)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func submit(t testing.TB, s *Store, who int64, r Reservation, a Answer) Label {
	t.Helper()
	label, err := s.Submit(t.Context(), person(who), r.ItemID, r.Token, uuid.NewString(), a)
	if err != nil {
		t.Fatal(err)
	}
	return label
}

func TestSubmitWritesLabelAuditEntryConsensusAndJobTogether(t *testing.T) {
	pool := postgrestest.Database(t)
	s := storeOn(pool)
	s.Jobs = inserter(t, pool)
	queue := openQueue(t, s, "spreadsheet_formula")
	put(t, s, queue, seed{class: Safety, u: 0.1, model: "v1"})
	entries := count(t, pool, `SELECT count(*) FROM audit_entries`)
	r := held(t, s, queue, 1)
	label := submit(t, s, 1, r, Answer{
		Label: "hallucinated", Reasons: []string{"wrong_value", "wrong_value"}, Spans: []Span{{14, 20}, {0, 13}},
		Correction: "the right formula", Note: "row 8", Confidence: "high",
	})
	if label.Revision != 1 || label.Consensus != "hallucinated" {
		t.Errorf("want revision 1, consensus hallucinated, got %+v", label)
	}
	for _, c := range []struct {
		what, sql string
		want      int64
	}{
		{"label", `SELECT count(*) FROM labels WHERE label = 'hallucinated' AND reasons = '{wrong_value}' AND spans = '[{"start":0,"end":13},{"start":14,"end":20}]' AND confidence = 'high' AND guide_id IS NOT NULL AND elapsed_ms >= 0`, 1},
		{"text", `SELECT count(*) FROM label_texts WHERE note = 'row 8' AND correction = 'the right formula'`, 1},
		{"consensus", `SELECT count(*) FROM consensus WHERE label = 'hallucinated' AND method = 'single' AND first_label = 'hallucinated'`, 1},
		{"item", `SELECT count(*) FROM items WHERE labeled = 1 AND taken = 1 AND wanted = 2 AND done_at IS NULL`, 1}, // hallucinated: somebody else reads it too
		{"reservation", `SELECT count(*) FROM reservations WHERE state = 'labeled' AND ended_at IS NOT NULL`, 1},
		{"outbox", `SELECT count(*) FROM label_outbox`, 1},
		{"job", `SELECT count(*) FROM river_job WHERE kind = 'labeling.submitted'`, 1},
	} {
		if got := count(t, pool, c.sql); got != c.want {
			t.Errorf("%s: want %d, got %d", c.what, c.want, got)
		}
	}
	if got := count(t, pool, `SELECT count(*) FROM audit_entries`) - entries; got != 1 {
		t.Errorf("audit entries: want 1, got %d", got)
	}
	var provenance struct {
		PriorityClass string  `json:"priority_class"`
		U             float64 `json:"u"`
		RuleID        int64   `json:"rule_id"`
		Component     struct {
			ModelVersion string `json:"model_version"`
		} `json:"component"`
	}
	var text []byte
	if err := pool.QueryRow(t.Context(), `SELECT provenance FROM labels`).Scan(&text); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &provenance); err != nil {
		t.Fatal(err)
	}
	if provenance.PriorityClass != "safety" || provenance.U != 0.1 || provenance.RuleID == 0 || provenance.Component.ModelVersion != "v1" {
		t.Errorf("provenance: %s", text)
	}
}

func TestTheSameKeyTwiceIsOneLabel(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: 0.1})
	r := held(t, s, queue, 1)
	first, err := s.Submit(t.Context(), person(1), r.ItemID, r.Token, "click", Answer{Label: "correct"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Submit(t.Context(), person(1), r.ItemID, r.Token, "click", Answer{Label: "correct"})
	if err != nil {
		t.Fatal(err)
	}
	if second.ID != first.ID || !second.AlreadyThis {
		t.Errorf("want label %d again, got %+v", first.ID, second)
	}
	if _, err := s.Submit(t.Context(), person(1), r.ItemID, r.Token, "another tab", Answer{Label: "hallucinated"}); fault.Of(err) != fault.Conflict {
		t.Errorf("another tab with the used token: want a conflict, got %v", err)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM labels`); n != 1 {
		t.Errorf("want 1 label, got %d", n)
	}
}

func TestALateSubmitIsRefusedAndKeptAsADraft(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: 0.1})
	late := held(t, s, queue, 1)
	lapse(t, s, late)
	other := held(t, s, queue, 2)
	submit(t, s, 2, other, Answer{Label: "correct"})

	answer := Answer{Label: "hallucinated", Reasons: []string{"wrong_result"}, Note: "an hour of thought", Confidence: "low"}
	_, err := s.Submit(t.Context(), person(1), late.ItemID, late.Token, "k", answer)
	if fault.Of(err) != fault.Conflict || fault.Words(err) == "" {
		t.Fatalf("want a conflict in words, got %v", err)
	}
	draft, err := s.Draft(t.Context(), person(1), late.ItemID)
	if err != nil {
		t.Fatal(err)
	}
	if draft.Answer.Note != "an hour of thought" || draft.Answer.Label != "hallucinated" || draft.Refused == "" {
		t.Errorf("the draft: %+v", draft)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM labels`); n != 1 {
		t.Errorf("want the other's label alone, got %d", n)
	}
	if _, err := s.ReserveItem(t.Context(), person(1), late.ItemID); fault.Of(err) != fault.Conflict {
		t.Errorf("no place is free: want a conflict, got %v", err)
	}
	again, err := s.ReserveBeyond(t.Context(), person(1), late.ItemID)
	if err != nil {
		t.Fatal(err)
	}
	if label := submit(t, s, 1, again, answer); label.Consensus != "correct" {
		t.Errorf("as a second label it does not move the consensus, got %q", label.Consensus)
	}
}

func TestUndoIsARevisionAndHoldsTheItemAgain(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: 0.1})
	r := held(t, s, queue, 1)
	submit(t, s, 1, r, Answer{Label: "correct", Note: "first thought"})
	again, err := s.Undo(t.Context(), person(1), r.ItemID)
	if err != nil {
		t.Fatal(err)
	}
	if again.Token == r.Token {
		t.Error("the old token may not work any more")
	}
	if n := count(t, s.DB, `SELECT count(*) FROM consensus WHERE label IS NULL AND method = 'withdrawn' AND first_label = 'correct'`); n != 1 {
		t.Error("the consensus is withdrawn, the first one remembered")
	}
	if draft, err := s.Draft(t.Context(), person(1), r.ItemID); err != nil || draft.Answer.Label != "correct" || draft.Answer.Note != "first thought" {
		t.Errorf("the old answer is the draft, got %+v, %v", draft, err)
	}
	label := submit(t, s, 1, again, Answer{Label: "hallucinated"})
	if label.Revision != 3 || label.Consensus != "hallucinated" {
		t.Errorf("want revision 3, hallucinated, got %+v", label)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM labels`); n != 3 {
		t.Errorf("all revisions stay: want 3, got %d", n)
	}
	if _, err := s.Undo(t.Context(), person(2), r.ItemID); fault.Of(err) != fault.Conflict {
		t.Errorf("somebody without a label here: want a conflict, got %v", err)
	}
}

func TestCodesAreImmutable(t *testing.T) {
	for _, statement := range []string{
		`UPDATE labels SET label = 'correct'`,
		`DELETE FROM labels`,
		`UPDATE sampling_decisions SET u = 0`,
		`DELETE FROM sampling_decisions`,
		`UPDATE adjudications SET label = 'correct'`,
		`DELETE FROM reservations`,
		`UPDATE guides SET rule = ''`,
		`UPDATE frame_closings SET pi = 1`,
	} {
		tx := postgrestest.Tx(t)
		if _, err := tx.Exec(t.Context(), statement); err == nil {
			t.Errorf("the program may not %s", statement)
		}
	}
}

func TestSubmitRefusesWhatTheQueueDoesNotTake(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	if _, err := s.DB.Exec(t.Context(), `UPDATE queues SET spans_needed = true WHERE id = $1`, queue.ID); err != nil {
		t.Fatal(err)
	}
	put(t, s, queue, seed{u: 0.1})
	r := held(t, s, queue, 1)
	for _, a := range []Answer{
		{},
		{Label: "wrong"},
		{Label: "correct", Reasons: []string{"wrong_range"}},
		{Label: "correct", Confidence: "very"},
		{Label: "hallucinated"},
		{Label: "hallucinated", Spans: []Span{{5, 5}}},
		{Label: "hallucinated", Spans: []Span{{0, 32}}}, // the response has 31
		{Label: "correct", Note: string(make([]byte, 5000))},
	} {
		if _, err := s.Submit(t.Context(), person(1), r.ItemID, r.Token, "k", a); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: want invalid, got %v", a, err)
		}
	}
	if _, err := s.Submit(t.Context(), person(1), r.ItemID, r.Token, "k", Answer{Label: "hallucinated", Spans: []Span{{0, 31}}}); err != nil {
		t.Errorf("a span over all of it: %v", err)
	}
}

func TestASecondReadingMovesNothingUntilAReviewerDecides(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	item := put(t, s, queue, seed{u: 0.1, wanted: 2})[0]
	submit(t, s, 1, held(t, s, queue, 1), Answer{Label: "correct"})
	if label := submit(t, s, 2, held(t, s, queue, 2), Answer{Label: "hallucinated"}); label.Consensus != "correct" {
		t.Errorf("the first reading stays until a reviewer decides, got %q", label.Consensus)
	}
	reviewer := person(3, auth.Reviewer)
	if _, err := s.Adjudicate(t.Context(), person(1, auth.Labeler, auth.Reviewer), item, "correct", "mine"); fault.Of(err) != fault.Denied {
		t.Errorf("one's own label: want denied, got %v", err)
	}
	c, err := s.Adjudicate(t.Context(), reviewer, item, "hallucinated", "A user would act on it.")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Consensus{Label: "hallucinated", Method: "adjudicated", FirstReading: "correct", Readings: 2}); c != want {
		t.Errorf("want %+v, got %+v", want, c)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM labels`); n != 2 {
		t.Errorf("both labels stay beside the decision, got %d", n)
	}
	if _, err := s.Undo(t.Context(), person(1), item); fault.Of(err) != fault.Conflict {
		t.Errorf("undo after a decision: want a conflict, got %v", err)
	}
}

func TestDecide(t *testing.T) {
	read := func(labels ...string) (list []Reading) {
		for i, l := range labels {
			list = append(list, Reading{LabelerID: int64(i), Label: l, Source: "person"})
		}
		return list
	}
	imported := read("correct", "hallucinated", "hallucinated")
	for i := range imported {
		imported[i].Source = "import"
	}
	for _, c := range []struct {
		name        string
		readings    []Reading
		adjudicated string
		want        Consensus
	}{
		{"nobody", nil, "", Consensus{Method: "withdrawn"}},
		{"one", read("correct"), "", Consensus{"correct", "single", "correct", 1}},
		{"taken back", read(""), "", Consensus{Method: "withdrawn"}},
		{"first taken back", read("", "hallucinated"), "", Consensus{"hallucinated", "single", "hallucinated", 1}},
		{"two agree", read("correct", "correct"), "", Consensus{"correct", "agreed", "correct", 2}},
		{"two differ", read("correct", "partially_correct"), "", Consensus{"correct", "split", "correct", 2}},
		{"a third settles", read("correct", "partially_correct", "partially_correct"), "", Consensus{"partially_correct", "majority", "correct", 3}},
		{"a clash needs a reviewer", read("correct", "hallucinated", "hallucinated"), "", Consensus{"correct", "split", "correct", 3}},
		{"imported readings are counted", imported, "", Consensus{"hallucinated", "majority", "correct", 3}},
		{"a reviewer decided", read("correct", "hallucinated"), "hallucinated", Consensus{"hallucinated", "adjudicated", "correct", 2}},
	} {
		if got := Decide(c.readings, c.adjudicated); got != c.want {
			t.Errorf("%s: want %+v, got %+v", c.name, c.want, got)
		}
	}
}

func TestDraftsOutliveTheReservation(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: 0.1})
	r := held(t, s, queue, 1)
	opened := time.Now().Add(-time.Minute)
	save := func(who int64, page string, opened time.Time, note string) error {
		return s.SaveDraft(t.Context(), person(who), r.ItemID, page, opened, Answer{Label: "correct", Note: note})
	}
	if err := save(1, "tab one", opened, "half a"); err != nil {
		t.Fatal(err)
	}
	lapse(t, s, r)
	if err := save(1, "tab two", time.Now().Add(time.Minute), "half a sentence"); err != nil {
		t.Errorf("a tab opened later goes on, got %v", err)
	}
	if err := save(1, "tab one", opened, "something older"); fault.Of(err) != fault.Conflict {
		t.Errorf("the earlier tab learns of the later one: want a conflict, got %v", err)
	}
	if draft, err := s.Draft(t.Context(), person(1), r.ItemID); err != nil || draft.Answer.Note != "half a sentence" {
		t.Errorf("the later tab's draft stays, got %+v, %v", draft, err)
	}
	if err := save(2, "x", opened, ""); fault.Of(err) != fault.NotFound {
		t.Errorf("somebody who never had it: want not found, got %v", err)
	}
}
