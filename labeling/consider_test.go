package labeling

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/stats"
	"assay/telemetry"
)

// shelf stands in for the telemetry store where a test is about labeling's own
// rules: it has what was put on it.
type shelf struct {
	responses  map[uuid.UUID]telemetry.Response
	totals     map[time.Time][]telemetry.FrameTotal
	copied     []telemetry.LabelRow
	candidates []telemetry.Candidate // what Flagged finds
	asked      func(n int)           // told of the n-th call of Responses since it was set
	calls      int
}

func newShelf() *shelf {
	return &shelf{responses: map[uuid.UUID]telemetry.Response{}, totals: map[time.Time][]telemetry.FrameTotal{}}
}

func (h *shelf) Response(_ context.Context, _ auth.Actor, id uuid.UUID) (telemetry.Response, error) {
	r, ok := h.responses[id]
	if !ok {
		return r, fault.NotFound
	}
	return r, nil
}

func (h *shelf) ResponsesByRequest(_ context.Context, _ auth.Actor, requests []telemetry.Request) (map[telemetry.Request]telemetry.Response, error) {
	found := map[telemetry.Request]telemetry.Response{}
	for _, r := range h.responses {
		if at := (telemetry.Request{SessionID: r.SessionID, RequestID: r.RequestID}); slices.Contains(requests, at) {
			found[at] = r
		}
	}
	return found, nil
}

func (h *shelf) Responses(_ context.Context, _ auth.Actor, ids []uuid.UUID) ([]telemetry.Response, error) {
	if h.asked != nil {
		h.calls++
		h.asked(h.calls)
	}
	var list []telemetry.Response
	for _, id := range ids {
		if r, ok := h.responses[id]; ok {
			list = append(list, r)
		}
	}
	return list, nil
}

func (h *shelf) FrameTotals(_ context.Context, _ auth.Actor, day time.Time) ([]telemetry.FrameTotal, error) {
	return h.totals[day], nil
}

func (h *shelf) KeptBeyond(context.Context, auth.Actor, []uuid.UUID, time.Time) (map[uuid.UUID]bool, error) {
	return nil, nil
}

func (h *shelf) CopyLabels(_ context.Context, rows []telemetry.LabelRow) error {
	h.copied = append(h.copied, rows...)
	return nil
}

// respond puts a response on the shelf and returns it as a candidate.
func (h *shelf) respond(taskClass, model string, at time.Time, flags ...telemetry.Flag) telemetry.Candidate {
	id := uuid.New()
	n := len(h.responses)
	for i := range flags {
		flags[i].SourceEventID = id
	}
	h.responses[id] = telemetry.Response{
		EventID: id, SessionID: fmt.Sprintf("s_%d", n), RequestID: fmt.Sprintf("r_%d", n), TaskClass: taskClass, ModelVersion: model,
		EffectiveTime: at, EventTime: at, Consent: telemetry.ConsentRedacted, HasText: true,
		Prompt: fmt.Sprintf("What is %d?", n), Response: fmt.Sprintf("It is %d.", n),
	}
	return telemetry.Candidate{
		EventID: id, SessionID: fmt.Sprintf("s_%d", n), TaskClass: taskClass, ModelVersion: model, EffectiveTime: at, ReceivedAt: at,
		Flags: flags, PriorityClass: telemetry.ClassOf(flags), Consent: telemetry.ConsentRedacted, HasText: true, KeepProbability: 1,
	}
}

func raised(reason telemetry.Reason, detail string) telemetry.Flag {
	return telemetry.Flag{Reason: reason, At: time.Now(), Detail: detail}
}

func consider(t testing.TB, s *Store, candidates ...telemetry.Candidate) Filled {
	t.Helper()
	filled, err := s.Consider(t.Context(), auth.Product(), candidates)
	if err != nil {
		t.Fatal(err)
	}
	return filled
}

func TestEveryConsideredResponseHasItsDecision(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	at := day(3).Add(5 * time.Hour)
	plain := h.respond("sql_query", "v1", at)
	disliked := h.respond("sql_query", "v1", at, raised(telemetry.NegativeFeedback, "down, incorrect"), raised(telemetry.Correction, "edit after 34 s"))
	silent := h.respond("sql_query", "v2", at, raised(telemetry.UnsafeClaim, ""))
	silent.HasText, silent.Consent = false, telemetry.ConsentAggregate
	sampledOut := h.respond("sql_query", "v2", at)
	sampledOut.HasText, sampledOut.KeepProbability = false, 0.01

	filled := consider(t, s, plain, disliked, silent, sampledOut)
	if want := (Filled{Considered: 4, Decided: 4, Added: 2, Unread: 2}); filled != want {
		t.Errorf("want %+v, got %+v", want, filled)
	}
	for _, c := range []struct {
		what, sql string
		want      int64
	}{
		{"decisions", `SELECT count(*) FROM sampling_decisions WHERE frame_day = '2026-03-03' AND design = 'bottom_k'`, 4},
		{"selected", `SELECT count(*) FROM sampling_decisions WHERE selected AND reason = 'selected'`, 2},
		{"without consent", `SELECT count(*) FROM sampling_decisions WHERE reason = 'no_text' AND NOT readable AND priority_class = 'safety'`, 1},
		{"not kept", `SELECT count(*) FROM sampling_decisions WHERE reason = 'not_kept' AND keep = 0.01`, 1},
		{"items", `SELECT count(*) FROM items WHERE queue_id = (SELECT id FROM queues WHERE slug = 'sql_query')`, 2},
		{"the disliked", `SELECT count(*) FROM items WHERE priority_class = 'negative' AND reasons = '{negative_feedback,correction}' AND title LIKE 'What is %'`, 1},
		{"the plain", `SELECT count(*) FROM items WHERE priority_class = 'random' AND reasons = '{random}' AND snapshot->>'response' LIKE 'It is %'`, 1},
		{"guides", `SELECT count(*) FROM guides WHERE task_class = 'sql_query' AND version = 1`, 1},
	} {
		if got := count(t, s.DB, c.sql); got != c.want {
			t.Errorf("%s: want %d, got %d", c.what, c.want, got)
		}
	}

	if again := consider(t, s, plain, disliked, silent, sampledOut); again != (Filled{Considered: 4, Unread: 0}) {
		t.Errorf("considering again changes nothing, got %+v", again)
	}
}

func TestAFurtherFlagAddsAReasonAndRaisesTheClass(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	c := h.respond("sql_query", "v1", day(3))
	consider(t, s, c)
	before := count(t, s.DB, `SELECT count(*) FROM audit_entries`)

	c.Flags = []telemetry.Flag{{Reason: telemetry.Requery, SourceEventID: uuid.New()}}
	c.PriorityClass = telemetry.Implicit
	if filled := consider(t, s, c); filled != (Filled{Considered: 1, Decided: 1, Flagged: 1}) {
		t.Errorf("got %+v", filled)
	}
	c.Flags = append(c.Flags, telemetry.Flag{Reason: telemetry.NegativeFeedback, SourceEventID: uuid.New()})
	c.PriorityClass = telemetry.Negative
	consider(t, s, c)
	// The flag that is gravest may vanish from view; what it did stays.
	c.Flags = c.Flags[:1]
	c.PriorityClass = telemetry.Implicit
	consider(t, s, c)

	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE priority_class = 'negative' AND reasons = '{random,requery,negative_feedback}'`); n != 1 {
		t.Error("one item, in the class of its gravest flag, with every reason")
	}
	if n := count(t, s.DB, `SELECT count(*) FROM sampling_decisions`); n != 3 {
		t.Errorf("each raise is a new decision: want 3, got %d", n)
	}
	if n := count(t, s.DB, `SELECT count(DISTINCT u) FROM sampling_decisions`); n != 1 {
		t.Error("its random number stays the same")
	}
	if n := count(t, s.DB, `SELECT count(*) FROM sampling_decisions d WHERE NOT EXISTS (SELECT FROM sampling_decisions l WHERE l.supersedes = d.id)`); n != 1 {
		t.Errorf("one decision stands, got %d", n)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM audit_entries`); n != before {
		t.Errorf("nothing was added to a queue, yet %d entries say so", n-before)
	}
}

func TestAPersonsRemovalStands(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	c := h.respond("sql_query", "v1", day(3))
	consider(t, s, c)
	id := count(t, s.DB, `SELECT id FROM items`)
	if err := s.Remove(t.Context(), engineer, id, "a test of ours"); err != nil {
		t.Fatal(err)
	}
	c.Flags = []telemetry.Flag{{Reason: telemetry.UnsafeClaim, SourceEventID: uuid.New()}}
	c.PriorityClass = telemetry.Safety
	if filled := consider(t, s, c); filled.Added != 0 {
		t.Errorf("a rule re-added what a person removed: %+v", filled)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM sampling_decisions WHERE reason = 'removed' AND NOT selected`); n != 1 {
		t.Error("the decision says why it was not selected")
	}
	if _, err := s.Reserve(t.Context(), person(1), "sql_query"); err != ErrNothingFree {
		t.Errorf("it may not be served, got %v", err)
	}
}

// Each of the ways in which a rule might bring back what a person took out.
func TestNothingBringsBackWhatAPersonRemoved(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	queue := openQueue(t, s, "sql_query")
	c := h.respond("sql_query", "v2", frameDay(time.Now()).Add(-20*time.Hour))
	h.candidates = append(h.candidates, c)
	consider(t, s, c)
	applied(t, s, selected(t, s, queue, SelectionFilter{}), "remove", "")
	backfill := func() {
		t.Helper()
		if err := s.Backfill(t.Context(), engineer, queue, 3); err != nil {
			t.Fatal(err)
		}
		if _, err := s.RunBackfill(t.Context(), auth.Product(), count(t, s.DB, `SELECT max(id) FROM rule_backfills`)); err != nil {
			t.Fatal(err)
		}
	}
	for _, way := range []struct {
		what string
		try  func()
	}{
		{"the same rules again", func() { consider(t, s, c) }},
		{"a backfill", backfill},
		{"a new version of the rule", func() { setRule(t, s, "sql_query", Rule{Note: "all of them"}); backfill() }},
		{"another rule", func() {
			setRule(t, s, "sql_query", Rule{Part: "new-model", Conditions: Conditions{Models: []string{"v2"}}})
			backfill()
		}},
		{"a rule that is retired", func() {
			if err := s.RetireRule(t.Context(), engineer, queue, "new-model"); err != nil {
				t.Fatal(err)
			}
			backfill()
		}},
		{"a further flag of the gravest class", func() {
			h.candidates[0].Flags = []telemetry.Flag{{Reason: telemetry.UnsafeClaim, SourceEventID: uuid.New()}}
			h.candidates[0].PriorityClass = telemetry.Safety
			consider(t, s, h.candidates...)
		}},
		{"a raise", func() {
			for range 2 {
				if _, err := s.Adapt(t.Context(), auth.Product(), map[string]telemetry.Seen{"sql_query": {Signal: stats.Spike}}, c.EffectiveTime); err != nil {
					t.Fatal(err)
				}
			}
			backfill()
		}},
		{"an import of a label", func() {
			line := fmt.Sprintf(`{"event_id":%q,"label":"correct","labeler":"elsewhere"}`, c.EventID)
			if done, err := s.Import(t.Context(), engineer, strings.NewReader(line)); err != nil || done.Imported != 1 {
				t.Fatal(done, err)
			}
		}},
	} {
		way.try()
		if n := count(t, s.DB, `SELECT count(*) FROM items WHERE removed_at IS NULL`); n != 0 {
			t.Fatalf("%s brought it back", way.what)
		}
		if _, err := s.Reserve(t.Context(), person(1), "sql_query"); err != ErrNothingFree {
			t.Fatalf("%s: want nothing to serve, got %v", way.what, err)
		}
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items`); n != 1 {
		t.Errorf("one response is in a queue once, got %d", n)
	}
}

func TestAnItemOutlivesWhatItWasTakenFrom(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	c := h.respond("sql_query", "v1", day(3))
	response := h.responses[c.EventID]
	consider(t, s, c)
	// The store forgets the response, and then is away altogether.
	delete(h.responses, c.EventID)
	consider(t, s, c)
	s.Telemetry = nil
	r, err := s.Reserve(t.Context(), person(1), "sql_query")
	if err != nil {
		t.Fatal(err)
	}
	item, err := s.Item(t.Context(), person(1), r.ItemID)
	if err != nil || item.Snapshot.Prompt != response.Prompt || item.Snapshot.Response != response.Response {
		t.Errorf("want the response as it was when it was flagged, got %+v, %v", item.Snapshot, err)
	}
}

func TestACapKeepsTheSmallestNumbersWheneverTheyCame(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	openQueue(t, s, "sql_query")
	cap40 := 40
	if _, err := s.SetRule(t.Context(), engineer, "sql_query", Rule{CapRandom: &cap40, Note: "forty a day"}); err != nil {
		t.Fatal(err)
	}
	var all []telemetry.Candidate
	for range 300 {
		all = append(all, h.respond("sql_query", "v1", day(3).Add(time.Duration(rand.IntN(86000))*time.Second)))
	}
	for batch := range slices.Chunk(all, 37) {
		consider(t, s, batch...)
	}
	missed := count(t, s.DB, `
		SELECT count(*) FROM (SELECT event_id, u FROM sampling_decisions ORDER BY u LIMIT 40) AS smallest
		WHERE NOT EXISTS (SELECT FROM items i WHERE i.event_id = smallest.event_id)`)
	if missed != 0 {
		t.Errorf("%d of the 40 smallest were left out", missed)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM sampling_decisions WHERE reason = 'cap' AND u < (SELECT u FROM sampling_decisions ORDER BY u OFFSET 39 LIMIT 1)`); n != 0 {
		t.Errorf("%d below the fortieth are named as beyond the cap", n)
	}
	// The left out bound the threshold, though they lie in no queue.
	cells, err := s.Sample(t.Context(), auth.Product(), SampleFilter{From: day(3), To: day(4)})
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != 1 || cells[0].Responses != 300 || cells[0].Readable != 300 || cells[0].Sampled != 0 {
		t.Errorf("got %+v", cells)
	}
}

func TestSecondReadingsAreDrawnWithTheirShare(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	var all []telemetry.Candidate
	for range 1000 {
		all = append(all, h.respond("sql_query", "v1", day(3)))
	}
	var rule Rule
	openQueue(t, s, "sql_query")
	if _, err := s.SetRule(t.Context(), engineer, "sql_query", rule); err != nil {
		t.Fatal(err)
	}
	consider(t, s, all...)
	if n := count(t, s.DB, `SELECT count(*) FROM items`); n != 1000 {
		t.Fatalf("want 1000 items, got %d", n)
	}
	second := count(t, s.DB, `SELECT count(*) FROM items WHERE wanted = 2 AND overlap = 0.1`)
	if second < 65 || second > 140 {
		t.Errorf("want about 100 of 1000, got %d", second)
	}
}

func TestSampleReadsOnlyWhatLiesBelowTheThreshold(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	var all []telemetry.Candidate
	for i := range 20 {
		all = append(all, h.respond("sql_query", []string{"v1", "v2"}[i%2], day(3).Add(time.Hour)))
	}
	late := h.respond("sql_query", "v1", day(4))
	unread := h.respond("sql_query", "v1", day(3))
	unread.HasText, unread.Consent = false, telemetry.ConsentNone
	consider(t, s, append(all, late, unread)...)
	h.totals[day(3)] = []telemetry.FrameTotal{
		{TaskClass: "sql_query", PriorityClass: Random, ModelVersion: "v1", Responses: 11, Readable: 10},
		{TaskClass: "sql_query", PriorityClass: Random, ModelVersion: "v2", Responses: 10, Readable: 10},
	}
	h.totals[day(4)] = []telemetry.FrameTotal{{TaskClass: "sql_query", PriorityClass: Random, ModelVersion: "v1", Responses: 1, Readable: 1}}

	// Five of the third in the order of u, the second of which is skipped; one
	// far up by hand of the database: a surplus label.
	if _, err := s.DB.Exec(t.Context(), `DELETE FROM drafts; UPDATE items SET wanted = 1`); err != nil {
		t.Fatal(err)
	}
	queue, _ := s.queueBySlug(t.Context(), "sql_query")
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET removed_at = now(), removed_by = 'test' WHERE frame_day = '2026-03-04'`); err != nil {
		t.Fatal(err)
	}
	answers := []string{"correct", "", "hallucinated", "cannot_tell", "partially_correct", "hallucinated"}
	for _, answer := range answers {
		r := held(t, s, queue, 1)
		if answer == "" {
			if err := s.Skip(t.Context(), person(1), r.ItemID, r.Token, "language"); err != nil {
				t.Fatal(err)
			}
			continue
		}
		submit(t, s, 1, r, Answer{Label: answer})
	}
	top := count(t, s.DB, `SELECT id FROM items WHERE frame_day = '2026-03-03' ORDER BY u DESC LIMIT 1`)
	labeler, _ := s.LabelerOf(t.Context(), person(1))
	rows, err := reserveItem(t.Context(), s.DB, labeler, top)
	if err != nil {
		t.Fatal(err)
	}
	submit(t, s, 1, rows, Answer{Label: "hallucinated"})

	if _, err := s.CloseFrames(t.Context(), auth.Product(), day(9)); err != nil {
		t.Fatal(err)
	}
	cells, err := s.Sample(t.Context(), person(7, auth.Engineer), SampleFilter{From: day(3), To: day(4)})
	if err != nil {
		t.Fatal(err)
	}
	var sum SampleCell
	for _, c := range cells {
		if c.Day != day(3) || c.Design != "bottom_k" || c.Keep != 1 {
			t.Errorf("unexpected cell %+v", c)
		}
		sum.Responses += c.Responses
		sum.Readable += c.Readable
		sum.Considered += c.Considered
		sum.Sampled += c.Sampled
		sum.Skipped += c.Skipped
		sum.Surplus += c.Surplus
		sum.Waiting += c.Waiting
		sum.Labels = sum.Labels.Plus(c.Labels)
		sum.Raw = sum.Raw.Plus(c.Raw)
		if c.Pi != 6.0/20 {
			t.Errorf("pi: want 0.3, got %v", c.Pi)
		}
	}
	want := SampleCell{
		Responses: 21, Readable: 20, Considered: 21, Sampled: 6, Skipped: 1, Surplus: 1, Waiting: 13,
		Labels: Tally{1, 1, 2, 1}, Raw: Tally{1, 1, 3, 1},
	}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("want %+v\n got %+v", want, sum)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE pi = 0.3`); n != 6 {
		t.Errorf("the frame closed: want pi on 6 items, got %d", n)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM frame_closings WHERE sampled = 6 AND labeled = 5 AND readable = 20 AND responses = 21 AND frame_day = '2026-03-03'`); n != 1 {
		t.Error("the closing is written")
	}
	closed, err := s.CloseFrames(t.Context(), auth.Product(), day(9))
	if err != nil || closed.Closings != 0 {
		t.Errorf("closing again writes nothing, got %+v, %v", closed, err)
	}
}

func TestAWindowMayCutADay(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	var all []telemetry.Candidate
	for hour := range 24 {
		all = append(all, h.respond("sql_query", "v1", day(3).Add(time.Duration(hour)*time.Hour)))
	}
	consider(t, s, all...)
	h.totals[day(3)] = []telemetry.FrameTotal{{TaskClass: "sql_query", PriorityClass: Random, ModelVersion: "v1", Responses: 48, Readable: 48}}
	if _, err := s.CloseFrames(t.Context(), auth.Product(), day(9)); err != nil {
		t.Fatal(err)
	}
	cells, err := s.Sample(t.Context(), auth.Product(), SampleFilter{From: day(3).Add(18 * time.Hour), To: day(5)})
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != 1 || cells[0].Considered != 6 || cells[0].Responses != 12 {
		t.Errorf("a quarter of the day is a quarter of its 48 responses, got %+v", cells)
	}
}

func TestTheStoreWaitsForNoDecision(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	consider(t, s, h.respond("sql_query", "v1", day(3)))
	h.totals[day(3)] = []telemetry.FrameTotal{
		{TaskClass: "sql_query", PriorityClass: Random, ModelVersion: "v1", Responses: 1, Readable: 1},
		{TaskClass: "sql_query", PriorityClass: Safety, ModelVersion: "v9", Responses: 5, Readable: 4},
	}
	if _, err := s.CloseFrames(t.Context(), auth.Product(), day(9)); err != nil {
		t.Fatal(err)
	}
	cells, err := s.Sample(t.Context(), auth.Product(), SampleFilter{From: day(3), To: day(4)})
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != 2 || cells[1].ModelVersion != "v9" || cells[1].Responses != 5 || cells[1].Readable != 4 || cells[1].Considered != 0 {
		t.Errorf("what is counted and not yet considered is there, got %+v", cells)
	}
}

func TestOnlyTheProductConsiders(t *testing.T) {
	s := tx(t)
	if _, err := s.Consider(t.Context(), engineer, nil); fault.Of(err) != fault.Denied {
		t.Errorf("want denied, got %v", err)
	}
	if _, err := s.Sample(t.Context(), person(1), SampleFilter{From: day(1), To: day(2)}); fault.Of(err) != fault.Denied {
		t.Errorf("a labeler: want denied, got %v", err)
	}
}

func TestTheSampleIsTheHashOfTheSalt(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	c := h.respond("sql_query", "v1", day(3))
	consider(t, s, c)
	var salt string
	var u float64
	if err := s.DB.QueryRow(t.Context(), `
		SELECT salt, u FROM items JOIN sampling_salts ON sampling_salts.id = items.salt_id`).Scan(&salt, &u); err != nil {
		t.Fatal(err)
	}
	if want := stats.HashUniform(salt, c.EventID.String()); u != want {
		t.Errorf("want %v, got %v", want, u)
	}
}
