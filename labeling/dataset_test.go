package labeling

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgrestest"
)

// labeledQueue is a queue with so many labels, given at once.
func labeledQueue(t *testing.T, s *Store, n int) Queue {
	t.Helper()
	queue := openQueue(t, s, "sql_query")
	seeds := make([]seed, n)
	for i := range seeds {
		seeds[i] = seed{u: float64(i+1) / float64(n+2), wanted: 1}
	}
	put(t, s, queue, seeds...)
	if _, err := s.LabelerOf(t.Context(), person(1)); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`INSERT INTO reservations (item_id, queue_id, labeler_id, state, lease_until, ended_at)
		 SELECT id, queue_id, (SELECT id FROM labelers LIMIT 1), 'labeled', now(), now() FROM items ORDER BY items.id`,
		`INSERT INTO labels (item_id, queue_id, event_id, labeler_id, revision, label, reservation_id, source, idempotency_key)
		 SELECT i.id, i.queue_id, i.event_id, r.labeler_id, 1, CASE WHEN i.id % 3 = 0 THEN 'hallucinated' ELSE 'correct' END, r.id, 'person', 'k' || i.id
		 FROM items i JOIN reservations r ON r.item_id = i.id ORDER BY i.id`,
		`INSERT INTO label_texts (label_id, note, correction) SELECT id, 'a note', '=1+1' FROM labels`,
		`INSERT INTO consensus (item_id, event_id, label, method, first_reading, readings, revision)
		 SELECT item_id, event_id, label, 'single', label, 1, 1 FROM labels`,
	} {
		if _, err := s.DB.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return queue
}

func TestAVersionStaysAsItWasFrozen(t *testing.T) {
	pool := postgrestest.Database(t)
	s := storeOn(pool)
	queue := labeledQueue(t, s, 1_200) // more than one block
	if _, err := pool.Exec(t.Context(), `
		INSERT INTO labelers (person_id) VALUES (77);
		INSERT INTO labels (item_id, queue_id, event_id, labeler_id, revision, label, reservation_id, source, idempotency_key, purpose)
		SELECT l.item_id, l.queue_id, l.event_id, w.id, 1, 'correct', l.reservation_id, 'person', 'gold', 'gold'
		FROM labels l, labelers w WHERE w.person_id = 77 ORDER BY l.id LIMIT 1`); err != nil { // an answer to gold lies in no dataset
		t.Fatal(err)
	}
	if _, err := s.Freeze(t.Context(), person(1), "Not mine", DatasetFilter{}); fault.Of(err) != fault.Denied {
		t.Errorf("a labeler freezes nothing: %v", err)
	}
	if _, err := s.Freeze(t.Context(), engineer, "None", DatasetFilter{Label: "cannot_tell"}); fault.Of(err) != fault.Invalid {
		t.Errorf("nothing selected: want a sentence, got %v", err)
	}
	d, err := s.Freeze(t.Context(), engineer, " SQL, November ", DatasetFilter{Queue: queue.Slug})
	if err != nil || d.Slug != "sql-november" || d.Newest.State != "freezing" || d.Newest.Total != 1_200 {
		t.Fatalf("got %+v, %v", d, err)
	}
	if _, err := s.RequestExport(t.Context(), engineer, d.Newest.ID, "csv"); fault.Of(err) != fault.Conflict {
		t.Errorf("an export waits until it is frozen: %v", err)
	}
	for range 2 { // a repeated job changes nothing
		if err := s.FreezeVersion(t.Context(), auth.Product(), d.Newest.ID); err != nil {
			t.Fatal(err)
		}
	}
	first, _, err := s.Dataset(t.Context(), engineer, d.Slug)
	if err != nil || first.Newest.State != "frozen" || first.Newest.Items != 1_200 || len(first.Newest.Hash()) != 64 {
		t.Fatalf("got %+v, %v", first.Newest, err)
	}
	inside, err := s.Inside(t.Context(), engineer, first.Newest.ID)
	if err != nil || len(inside) != 2 || inside[0].Labels+inside[1].Labels != 1_200 {
		t.Errorf("inside: %+v, %v", inside, err)
	}

	// Labels change, texts are erased; what is frozen holds.
	for _, sql := range []string{
		`INSERT INTO labels (item_id, queue_id, event_id, labeler_id, revision, label, reservation_id, source, idempotency_key)
		 SELECT item_id, queue_id, event_id, labeler_id, 2, 'cannot_tell', reservation_id, 'person', 'again' || id FROM labels ORDER BY id LIMIT 3`,
		`UPDATE consensus SET label = 'cannot_tell' WHERE item_id IN (SELECT item_id FROM labels WHERE revision = 2)`,
		`UPDATE label_texts SET note = '', correction = ''`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if holds, err := s.VerifyVersion(t.Context(), engineer, first.Newest.ID); err != nil || !holds {
		t.Errorf("the hash holds: %v, %v", holds, err)
	}
	if _, err := pool.Exec(t.Context(), `DELETE FROM dataset_rows WHERE position = 1`); err == nil || !strings.Contains(err.Error(), "is frozen") {
		t.Errorf("the database keeps what is frozen: %v", err)
	}
	again, err := s.Freeze(t.Context(), engineer, "SQL, November", DatasetFilter{Queue: queue.Slug, ConsensusOnly: true, RatesOnly: true})
	if err != nil || again.Newest.Version != 2 {
		t.Fatalf("the next version: %+v, %v", again.Newest, err)
	}
	if err := s.FreezeVersion(t.Context(), auth.Product(), again.Newest.ID); err != nil {
		t.Fatal(err)
	}
	second, versions, err := s.Dataset(t.Context(), engineer, d.Slug)
	if err != nil || len(versions) != 2 || second.Newest.Hash() == first.Newest.Hash() {
		t.Errorf("another content has another hash: %v", err)
	}
	if n := count(t, pool, `SELECT count(*) FROM audit_entries WHERE action = 'dataset.freeze'`); n != 2 {
		t.Errorf("each version is in the audit, got %d", n)
	}
	if _, err := pool.Exec(t.Context(), `ALTER TABLE dataset_rows DISABLE TRIGGER USER; UPDATE dataset_rows SET record = '{}' WHERE position = 7`); err == nil {
		if holds, _ := s.VerifyVersion(t.Context(), engineer, first.Newest.ID); holds {
			t.Error("a row was changed and the hash still holds")
		}
	}
}

// written is a file of the newest version.
func written(t *testing.T, s *Store, version int64, format string) []byte {
	t.Helper()
	file, err := s.RequestExport(t.Context(), engineer, version, format)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.OpenExport(t.Context(), engineer, file.ID); fault.Of(err) != fault.Conflict {
		t.Errorf("not written yet: %v", err)
	}
	for range 2 {
		if err := s.WriteExport(t.Context(), auth.Product(), file.ID); err != nil {
			t.Fatal(err)
		}
	}
	file, write, err := s.OpenExport(t.Context(), engineer, file.ID)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := write(context.Background(), &out); err != nil || int64(out.Len()) != file.Bytes {
		t.Fatalf("%s: want %d bytes, got %d, %v", format, file.Bytes, out.Len(), err)
	}
	return out.Bytes()
}

func TestExportsSayTheSameInEveryFormatAndExpire(t *testing.T) {
	pool := postgrestest.Database(t)
	s := storeOn(pool)
	labeledQueue(t, s, 5)
	d, err := s.Freeze(t.Context(), engineer, "Five", DatasetFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.FreezeVersion(t.Context(), auth.Product(), d.Newest.ID); err != nil {
		t.Fatal(err)
	}
	var rows []DatasetRow
	decoder := json.NewDecoder(bytes.NewReader(written(t, s, d.Newest.ID, "jsonl")))
	for {
		var row DatasetRow
		if err := decoder.Decode(&row); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if len(rows) != 5 || rows[0].Dataset != "five" || rows[0].Note != "a note" || rows[0].Response != "One sentence. Another sentence." || rows[4].Position != 5 {
		t.Fatalf("got %+v", rows)
	}
	table, err := csv.NewReader(bytes.NewReader(written(t, s, d.Newest.ID, "csv"))).ReadAll()
	if err != nil || len(table) != 6 {
		t.Fatalf("csv: %d lines, %v", len(table), err)
	}
	parquetFile := written(t, s, d.Newest.ID, "parquet")
	columns, err := parquet.Read[parquetRow](bytes.NewReader(parquetFile), int64(len(parquetFile)))
	if err != nil || len(columns) != 5 {
		t.Fatalf("parquet: %d rows, %v", len(columns), err)
	}
	for i, row := range rows {
		cells := map[string]string{}
		for j, column := range table[0] {
			cells[column] = table[i+1][j]
		}
		if cells["event_id"] != row.EventID.String() || cells["label"] != *row.Label || cells["correction"] != "'=1+1" || cells["response"] != row.Response {
			t.Errorf("csv row %d: %v", i, cells)
		}
		if c := columns[i]; c.EventID != row.EventID.String() || *c.Label != *row.Label || c.Correction != row.Correction || !c.EventTime.Equal(row.EventTime) || c.Prompt != row.Prompt {
			t.Errorf("parquet row %d: %+v", i, c)
		}
	}
	if _, err := pool.Exec(t.Context(), `UPDATE exports SET expires_at = now() - interval '1 second' WHERE format = 'csv'`); err != nil {
		t.Fatal(err)
	}
	if n, err := s.ExpireExports(t.Context(), auth.Product()); err != nil || n != 1 {
		t.Errorf("want one expired, got %d, %v", n, err)
	}
	if n := count(t, pool, `SELECT count(*) FROM export_parts p JOIN exports e ON e.id = p.export_id WHERE e.format = 'csv'`); n != 0 {
		t.Error("its bytes are gone")
	}
	if n := count(t, pool, `SELECT count(*) FROM audit_entries WHERE action IN ('dataset.export', 'dataset.download')`); n != 6 {
		t.Errorf("asked for and opened are entries, want 6, got %d", n)
	}
}

// What a spreadsheet would take for a formula is text in it, and comes back as
// it was written.
func TestATableSurvivesTheRoundTrip(t *testing.T) {
	hostile := []string{"=HYPERLINK(\"http://x\")", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'quoted", "'=twice", "two\r\nlines", "\r\n=1", "a\rb\n", "=1;=2", " =1", "plain, with \"quotes\"\nand lines", "", "ünïcode"}
	s, h := tx(t), newShelf()
	s.Telemetry = h
	var lines []string
	for i, text := range hostile {
		c := h.respond("sql_query", "v1", day(3))
		line, _ := json.Marshal(map[string]any{"event_id": c.EventID, "label": "hallucinated", "labeler": fmt.Sprintf("=author%d", i), "note": text, "correction": text,
			"labeled_at": "2026-01-02T03:04:05Z", "reasons": []string{"=reason"}, "spans": []Span{{0, 3}}, "confidence": "low"})
		lines = append(lines, string(line))
	}
	if done := importLines(t, s, lines...); done.Imported != len(hostile) {
		t.Fatalf("got %+v", done)
	}
	var table bytes.Buffer
	write, err := s.BeginExport(t.Context(), engineer, "csv", LabelFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := write(t.Context(), &table); err != nil {
		t.Fatal(err)
	}
	cells, err := csv.NewReader(bytes.NewReader(table.Bytes())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range cells[1:] {
		for i, text := range row {
			if text != "" && strings.ContainsRune("=+@\t\r\n", rune(text[0])) {
				t.Errorf("column %s begins with what a program runs: %q", cells[0][i], text)
			}
		}
	}
	number := 0
	err = rowsOf(bufio.NewReader(bytes.NewReader(table.Bytes())))(func(line importLine, wrong error) bool {
		if wrong != nil || line.Note != hostile[number] || line.Correction != hostile[number] || line.Reasons[0] != "=reason" || line.Spans[0] != (Span{0, 3}) || line.confidence() != "low" {
			t.Errorf("row %d came back as %+v, %v", number, line, wrong)
		}
		number++
		return true
	})
	if err != nil || number != len(hostile) {
		t.Errorf("want %d rows, got %d, %v", len(hostile), number, err)
	}
	before := count(t, s.DB, `SELECT count(*) FROM labels`)
	done, err := s.ImportFile(t.Context(), engineer, bytes.NewReader(table.Bytes()), ImportOptions{})
	if err != nil || done.Format != FormatCSV || done.Imported != 0 || done.Duplicate != len(hostile) {
		t.Errorf("our own export changes nothing: %+v, %v", done, err)
	}
	if after := count(t, s.DB, `SELECT count(*) FROM labels`); after != before {
		t.Errorf("want %d labels, got %d", before, after)
	}
}

func TestForeignFormatsBringAuthorsTimesReasonsAndSpans(t *testing.T) {
	one, two := uuid.New(), uuid.New()
	studio := fmt.Sprintf(`[{"id":1,"data":{"event_id":%q,"text":"x"},"annotations":[
		{"id":5,"completed_by":{"id":3,"email":"ada@example.org"},"was_cancelled":false,"created_at":"2026-02-01T10:00:00.000000Z","updated_at":"2026-02-01T10:05:00.000000Z",
		 "result":[{"from_name":"verdict","type":"choices","value":{"choices":["Partially correct"]}},{"from_name":"why","type":"choices","value":{"choices":["Wrong value"]}},
		           {"from_name":"span","type":"labels","value":{"start":2,"end":7,"text":"hello","labels":["bad"]}},{"from_name":"correction","type":"textarea","value":{"text":["a","b"]}}]},
		{"id":6,"completed_by":4,"was_cancelled":true,"result":[{"from_name":"verdict","type":"choices","value":{"choices":["correct"]}}]}]},
		{"id":2,"data":{"text":"nameless"},"annotations":[{"completed_by":4,"result":[{"type":"choices","value":{"choices":["correct"]}}]}]}]`, one)
	argilla1 := fmt.Sprintf(`[{"external_id":%q,"fields":{},"responses":[{"user_id":"u1","status":"submitted","inserted_at":"2026-02-01T10:00:00","values":{"label":{"value":"hallucinated"},"comment":{"value":"row 8"}}},
		{"user_id":"u2","status":"discarded","values":{"label":{"value":"correct"}}}]}]`, one)
	argilla2 := fmt.Sprintf(`[{"id":"7","metadata":{"event_id":%q},"responses":{"label":[{"value":"correct","user_id":"u1","status":"submitted"},{"value":"cannot_tell","user_id":"u2","status":"submitted"}],
		"reasons":[{"value":["wrong_value","other"],"user_id":"u1","status":"submitted"}],"spans":[{"value":[{"start":1,"end":4,"label":"bad"}],"user_id":"u2","status":"submitted"}]}}]`, two)
	type row struct{ Label, Labeler, Words string }
	for name, c := range map[string]struct {
		format, text string
		want         []row
	}{
		"Label Studio":   {FormatLabelStudio, studio, []row{{"partially_correct", "ada@example.org", "[wrong_value] [{2 7}] a\nb 2026-02-01T10:05:00Z"}, {"", "", "names no response: event_id, or session_id with request_id"}}},
		"Argilla, older": {FormatArgilla, argilla1, []row{{"hallucinated", "argilla-u1", "[] [] row 8 2026-02-01T10:00:00Z"}}},
		"Argilla, newer": {FormatArgilla, argilla2, []row{{"correct", "argilla-u1", "[wrong_value other] []  "}, {"cannot_tell", "argilla-u2", "[] [{1 4}]  "}}},
	} {
		var got []row
		for range 2 { // detected by how it begins, and the same each time
			got = nil
			done := readAll(t, c.text, c.format, func(line importLine, wrong error) {
				if wrong != nil {
					got = append(got, row{Words: wrong.Error()})
					return
				}
				at := ""
				if line.LabeledAt != nil {
					at = line.LabeledAt.UTC().Format("2006-01-02T15:04:05Z")
				}
				got = append(got, row{*line.Label, line.Labeler, fmt.Sprintf("%v %v %s%s %s", line.Reasons, line.Spans, line.Correction, line.Note, at)})
			})
			if done != c.format {
				t.Errorf("%s: taken for %s", name, done)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s:\nwant %q\n got %q", name, c.want, got)
		}
	}
}

func readAll(t *testing.T, text, format string, take func(importLine, error)) string {
	t.Helper()
	file := bufio.NewReader(strings.NewReader(text))
	found, err := formatOf(file)
	if err != nil {
		t.Fatal(err)
	}
	read, err := sourceOf(format, file)
	if err != nil {
		t.Fatal(err)
	}
	err = read(func(line importLine, wrong error) bool {
		if wrong == nil {
			wrong = line.settle(nil)
		}
		if wrong != nil || line.Label != nil {
			take(line, wrong)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestADryRunChangesNothing(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	c := h.respond("sql_query", "v1", day(3))
	text := fmt.Sprintf(`{"event_id":%q,"label":"correct","labeler":"ada"}`, c.EventID) + "\n" + `{"label":"correct"}`
	dry, err := s.ImportFile(t.Context(), engineer, strings.NewReader(text), ImportOptions{Dry: true})
	if err != nil || dry.Imported != 1 || len(dry.Rejected) != 1 || !dry.Dry {
		t.Fatalf("got %+v, %v", dry, err)
	}
	if n := count(t, s.DB, `SELECT (SELECT count(*) FROM labels) + (SELECT count(*) FROM items)`); n != 0 {
		t.Errorf("%d rows are there", n)
	}
	real, err := s.ImportFile(t.Context(), engineer, strings.NewReader(text), ImportOptions{})
	if err != nil || real.Imported != 1 {
		t.Errorf("then in earnest: %+v, %v", real, err)
	}
	for _, text := range []string{"[1,2", "a;b\n1;2", `[{"annotations":`} {
		if _, err := s.ImportFile(t.Context(), engineer, strings.NewReader(text), ImportOptions{}); fault.Of(err) != fault.Invalid {
			t.Errorf("%q: want a sentence, got %v", text, err)
		}
	}
}
