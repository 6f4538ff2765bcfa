package labeling

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/telemetry"
)

func importLines(t testing.TB, s *Store, lines ...string) Imported {
	t.Helper()
	done, err := s.Import(t.Context(), engineer, strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestImportedLabelsAreACensusOfThemselves(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	var all []telemetry.Candidate
	for range 10 {
		all = append(all, h.respond("sql_query", "v1", day(3)))
	}
	consider(t, s, all[:8]...) // two are in no queue yet
	var lines []string
	for i, c := range all[4:] { // 4 to 9
		label := []string{`"hallucinated"`, `"correct"`, `"partially_correct"`, `null`, `"cannot_tell"`, `"hallucinated"`}[i]
		lines = append(lines, fmt.Sprintf(`{"event_id":%q,"label":%s,"labeler":"alice","note":"n","reasons":["invented"],"source_key":"x"}`, c.EventID, label))
	}
	done := importLines(t, s, lines...)
	if done.Lines != 6 || done.Imported != 5 || done.Unlabeled != 1 || done.Duplicate != 0 || len(done.Rejected) != 0 {
		t.Errorf("got %+v", done)
	}
	if again := importLines(t, s, lines...); again.Imported != 0 || again.Duplicate != 5 {
		t.Errorf("the same file again: got %+v", again)
	}

	cells, err := s.Sample(t.Context(), auth.Product(), SampleFilter{From: day(3), To: day(4)})
	if err != nil {
		t.Fatal(err)
	}
	byDesign := map[string]SampleCell{}
	for _, c := range cells {
		byDesign[c.Design] = c
	}
	census, queue := byDesign["census"], byDesign["bottom_k"]
	if census.Responses != 5 || census.Sampled != 5 || census.Pi != 1 || census.Raw != (Tally{1, 1, 2, 1}) || census.Labels != census.Raw {
		t.Errorf("census: %+v", census)
	}
	if queue.Responses != 5 {
		t.Errorf("eight were considered and three of them imported: want 5, got %+v", queue)
	}
	if queue.Raw != (Tally{}) || queue.Waiting != 5 {
		t.Errorf("the others wait, got %+v", queue)
	}

	for range 5 { // nobody is served what was imported
		r := held(t, s, Queue{Slug: "sql_query"}, 1)
		submit(t, s, 1, r, Answer{Label: "correct"})
	}
	if n := count(t, s.DB, `SELECT count(*) FROM labels l JOIN items i ON i.id = l.item_id WHERE l.source = 'person' AND i.design = 'census'`); n != 0 {
		t.Errorf("%d imported items were served", n)
	}
}

func TestAnImportBesideAPersonsLabelIsOneMoreReading(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	c := h.respond("sql_query", "v1", day(3))
	consider(t, s, c)
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET wanted = 1`); err != nil {
		t.Fatal(err)
	}
	submit(t, s, 1, held(t, s, Queue{Slug: "sql_query"}, 1), Answer{Label: "correct"})
	importLines(t, s, fmt.Sprintf(`{"event_id":%q,"label":"hallucinated"}`, c.EventID))
	if n := count(t, s.DB, `SELECT count(*) FROM consensus WHERE label = 'correct' AND method = 'split' AND readings = 2`); n != 1 {
		t.Error("the person's reading stays until a reviewer decides")
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE design = 'bottom_k' AND labeled = 2 AND taken = 2`); n != 1 {
		t.Error("it keeps its place in the sample")
	}
}

// Why an imported label's response matters and what made it comes from here;
// who imported it is not told outside.
func TestImportedLabelsSayWhatMadeTheResponse(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	c := h.respond("sql_query", "v1", day(3))
	r := h.responses[c.EventID]
	r.PromptTemplateID, r.EvidenceVersion, r.Impact = "sql-7", "2026-03", 4
	h.responses[c.EventID] = r
	importLines(t, s, fmt.Sprintf(`{"event_id":%q,"label":"correct","labeler":"ada"}`, c.EventID))
	if n := count(t, s.DB, `SELECT impact FROM items`); n != 4 {
		t.Errorf("want the impact of its class, 4, got %d", n)
	}
	records, err := s.Records(t.Context(), engineer, LabelFilter{})
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	var provenance struct {
		Component map[string]string `json:"component"`
		Verdicts  []VerdictSeen     `json:"verdicts"`
		Line      int               `json:"line"`
	}
	if err := json.Unmarshal(records[0].Provenance, &provenance); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"model_version": "v1", "prompt_template_id": "sql-7", "evidence_version": "2026-03"}
	if !maps.Equal(provenance.Component, want) || provenance.Verdicts == nil || provenance.Line != 1 {
		t.Errorf("got %s", records[0].Provenance)
	}
	if strings.Contains(string(records[0].Provenance), engineer.Name) || strings.Contains(records[0].Labeler, "ada") {
		t.Errorf("a name leaves: %s, %s", records[0].Provenance, records[0].Labeler)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM labels WHERE provenance->>'imported_by' = $1`, engineer.Name); n != 1 {
		t.Error("who imported it is kept here")
	}
}

// A label that was taken back leaves as such, and is taken back elsewhere too.
func TestALabelThatWasTakenBackComesInSo(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	c := h.respond("sql_query", "v1", day(3))
	lines := []string{
		fmt.Sprintf(`{"event_id":%q,"label":"correct","labeler":"labeler-1","labeled_at":"2026-01-02T03:04:05Z","revision":1,"latest":false}`, c.EventID),
		fmt.Sprintf(`{"event_id":%q,"label":null,"labeler":"labeler-1","labeled_at":"2026-01-02T03:05:05Z","revision":2,"latest":true}`, c.EventID),
	}
	for i, want := range []Imported{{Imported: 2}, {Duplicate: 1, Unlabeled: 1}} {
		done := importLines(t, s, lines...)
		if done.Imported != want.Imported || done.Duplicate != want.Duplicate || done.Unlabeled != want.Unlabeled {
			t.Errorf("time %d: want %+v, got %+v", i+1, want, done)
		}
	}
	if n := count(t, s.DB, `SELECT count(*) FROM consensus WHERE label IS NULL AND method = 'withdrawn'`); n != 1 {
		t.Error("nothing stands")
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE taken = 0 AND labeled = 0`); n != 1 {
		t.Error("its place is free")
	}
}

// A second reading that came from elsewhere calls who is to be called.
func TestImportedReadingsThatDifferByAStepWantAThird(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	c := h.respond("sql_query", "v1", day(3))
	importLines(t, s, fmt.Sprintf(`{"event_id":%q,"label":"correct","labeler":"ada"}`, c.EventID), fmt.Sprintf(`{"event_id":%q,"label":"partially_correct","labeler":"bob"}`, c.EventID))
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE wanted = 3 AND labeled = 2`); n != 1 {
		t.Error("two readings that differ by a step want a third")
	}
}

func TestImportRefusesLineByLine(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	c := h.respond("sql_query", "v1", day(3))
	r := h.responses[c.EventID]
	done := importLines(t, s,
		`not json`,
		`{"label":"correct"}`,
		fmt.Sprintf(`{"event_id":%q,"label":"wrong"}`, c.EventID),
		fmt.Sprintf(`{"event_id":%q,"label":"correct"}`, uuid.New()),
		fmt.Sprintf(`{"event_id":%q,"label":"correct","spans":[{"start":4,"end":2}]}`, c.EventID),
		``,
		fmt.Sprintf(`{"session_id":%q,"request_id":%q,"label":"correct","labeler":"bob","labeled_at":"2026-01-02T03:04:05Z"}`, r.SessionID, r.RequestID),
	)
	if done.Lines != 6 || done.Imported != 1 || len(done.Rejected) != 5 {
		t.Fatalf("got %+v", done)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM labels WHERE labeled_at = '2026-01-02T03:04:05Z' AND source = 'import'`); n != 1 {
		t.Error("the label has its own time")
	}
	if _, err := s.Import(t.Context(), person(1), strings.NewReader("")); fault.Of(err) != fault.Denied {
		t.Errorf("a labeler: want denied, got %v", err)
	}
}

func TestExportCarriesProvenanceAndPseudonyms(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	consider(t, s, h.respond("sql_query", "v1", day(3), raised(telemetry.NegativeFeedback, "down")))
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET wanted = 1`); err != nil {
		t.Fatal(err)
	}
	r := held(t, s, Queue{Slug: "sql_query"}, 1)
	submit(t, s, 1, r, Answer{Label: "hallucinated", Reasons: []string{"invented_column"}, Note: "=cmd()", Confidence: "high"})
	if _, err := s.CloseFrames(t.Context(), auth.Product(), day(9)); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	n, err := s.Export(t.Context(), engineer, &out, LabelFilter{})
	if err != nil || n != 1 {
		t.Fatalf("want one label, got %d, %v", n, err)
	}
	var record Record
	if err := json.Unmarshal(out.Bytes(), &record); err != nil {
		t.Fatal(err)
	}
	if *record.Label != "hallucinated" || !record.Latest || *record.Consensus != "hallucinated" || record.PriorityClass != Negative ||
		record.Pi == nil || *record.Pi != 1 || *record.Weight != 1 || *record.GuideVersion != 1 || record.RuleVersion != 1 || !record.CountsForRates {
		t.Errorf("got %s", out.String())
	}
	if !strings.HasPrefix(record.Labeler, "labeler-") || strings.Contains(out.String(), "person 1") {
		t.Errorf("the labeler is a pseudonym, got %s", record.Labeler)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM audit_entries WHERE action = 'label.export'`); n != 1 {
		t.Error("an export leaves an entry")
	}
	if _, err := s.Export(t.Context(), person(1), &out, LabelFilter{}); fault.Of(err) != fault.Denied {
		t.Errorf("a labeler: want denied, got %v", err)
	}
}

func TestTheOutboxCopiesWhatStandsNow(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	consider(t, s, h.respond("sql_query", "v1", day(3)), h.respond("sql_query", "v1", day(3)))
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET wanted = 1`); err != nil {
		t.Fatal(err)
	}
	first := held(t, s, Queue{Slug: "sql_query"}, 1)
	submit(t, s, 1, first, Answer{Label: "correct"})
	submit(t, s, 1, held(t, s, Queue{Slug: "sql_query"}, 1), Answer{Label: "cannot_tell"})
	if _, err := s.Undo(t.Context(), person(1), first.ItemID); err != nil {
		t.Fatal(err)
	}
	if n, err := s.CopyLabels(t.Context(), auth.Product()); err != nil || n != 3 {
		t.Fatalf("want 3 outbox rows, got %d, %v", n, err)
	}
	labels := map[string]int64{}
	for _, row := range h.copied {
		if !row.Counted || row.Source != "queue" || row.Timestamp.IsZero() {
			t.Errorf("got %+v", row)
		}
		labels[row.Label] = row.Revision
	}
	if len(h.copied) != 2 || labels[""] == 0 || labels["cannot_tell"] == 0 || labels[""] < labels["cannot_tell"] {
		t.Errorf("one row per response, at its newest: %v", labels)
	}
	if n, err := s.CopyLabels(t.Context(), auth.Product()); err != nil || n != 0 {
		t.Errorf("nothing is left, got %d, %v", n, err)
	}
}

func TestDiscoveryNeverCounts(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	queue := openQueue(t, s, "sql_query")
	if _, err := s.DB.Exec(t.Context(), `UPDATE queues SET kind = 'discovery'`); err != nil {
		t.Fatal(err)
	}
	put(t, s, queue, seed{u: 0.1})
	submit(t, s, 1, held(t, s, queue, 1), Answer{Label: "hallucinated"})
	if _, err := s.CopyLabels(t.Context(), auth.Product()); err != nil {
		t.Fatal(err)
	}
	if len(h.copied) != 1 || h.copied[0].Counted {
		t.Errorf("shown and not counted, got %+v", h.copied)
	}
	cells, err := s.Sample(t.Context(), auth.Product(), SampleFilter{From: day(1).AddDate(-1, 0, 0), To: day(1).AddDate(3, 0, 0)})
	if err != nil || len(cells) != 0 {
		t.Errorf("no rate sees it, got %+v, %v", cells, err)
	}
	first, err := s.FirstConsensuses(t.Context())
	if err != nil || len(first) != 0 {
		t.Errorf("no counter sees it, got %+v, %v", first, err)
	}
}

func TestStartServesTheGravestOfAllQueues(t *testing.T) {
	s := tx(t)
	formulas, sql := openQueue(t, s, "spreadsheet_formula"), openQueue(t, s, "sql_query")
	put(t, s, formulas, seed{class: Random, u: 0.1})
	grave := put(t, s, sql, seed{class: Safety, u: 0.9})[0]
	queue, r, err := s.Start(t.Context(), person(1))
	if err != nil || queue.Slug != "sql_query" || r.ItemID != grave {
		t.Fatalf("want item %d of sql_query, got %d of %s, %v", grave, r.ItemID, queue.Slug, err)
	}
	if _, again, err := s.Start(t.Context(), person(1)); err != nil || again.Token != r.Token {
		t.Errorf("what is held is served again, got %+v, %v", again, err)
	}
	if queue, _, err := s.Start(t.Context(), person(2)); err != nil || queue.Slug != "spreadsheet_formula" {
		t.Errorf("the next one gets the other queue, got %s, %v", queue.Slug, err)
	}
	if _, _, err := s.Start(t.Context(), person(3)); err != ErrNothingFree {
		t.Errorf("want nothing free, got %v", err)
	}
	if got := urgent([]head{{labels: 50, waiting: true, class: Safety, queue: Queue{MeasurementShare: 0.25}}, {labels: 3, waiting: true, class: Random}}, 0.1); got[0].labels != 3 {
		t.Error("the measuring share goes where the fewest labels are")
	}
}

func TestMoreLabelsNarrowTheRate(t *testing.T) {
	frames := []Frame{
		{Class: Safety, Readable: 30, Untouched: 30},
		{Class: Negative, Readable: 200, Labeled: 20, Hallucinated: 7, Untouched: 180},
		{Class: Random, Readable: 9000, Labeled: 30, Hallucinated: 1, Untouched: 500},
	}
	quarter, err := Buy(frames, 0.25, 1)
	if err != nil {
		t.Fatal(err)
	}
	more, err := Buy(frames, 0.40, 1)
	if err != nil {
		t.Fatal(err)
	}
	first, last := quarter[0].Half, quarter[len(quarter)-1].Half
	if !(last < first/2) {
		t.Errorf("600 labels more than halve %.4f, got %.4f", first, last)
	}
	if at := len(more) / 2; more[at].Half >= quarter[at].Half {
		t.Errorf("a larger measurement share narrows faster: %.4f and %.4f", more[at].Half, quarter[at].Half)
	}
	if more[1].Half >= quarter[1].Half {
		t.Errorf("and does so from the first labels on, not in blocks: %.4f and %.4f after %d", more[1].Half, quarter[1].Half, more[1].Labels)
	}
	seconds, err := Buy(frames, 0.25, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	if seconds[20].Half != quarter[10].Half {
		t.Errorf("where every other label is a second reading it takes twice as many: %.4f after 400, %.4f after 200", seconds[20].Half, quarter[10].Half)
	}
	gain := Gain{Points: quarter, Pace: usualPace}
	if half, labels, ok := gain.Next(); !ok || half >= first || labels == 0 || gain.Work(3) != 2*time.Minute {
		t.Errorf("next: ±%v after %d labels, %v", half, labels, ok)
	}
}
