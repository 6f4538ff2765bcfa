package labeling

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"assay/internal/auth"
)

// linesIn are the labels of a file as an import understands them.
func linesIn(t *testing.T, format, text string, meanings ...Meaning) []importLine {
	t.Helper()
	file := bufio.NewReader(strings.NewReader(text))
	found, err := formatOf(file)
	if err != nil || found != format {
		t.Fatalf("want it taken for %s, got %s, %v", format, found, err)
	}
	read, err := sourceOf(format, file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []importLine
	err = read(func(line importLine, wrong error) bool {
		if wrong == nil {
			wrong = line.settle(meaningsOf(meanings))
		}
		line.wrong, line.answers = wrong, nil
		lines = append(lines, line)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// A version goes out to each tool and comes back with every author, time,
// reason, span and word, and here it changes nothing.
func TestAVersionComesBackFromOtherToolsAsItLeft(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	var lines []string
	for i := range 3 {
		c := h.respond("sql_query", "v1", day(3))
		r := h.responses[c.EventID]
		r.Response = "Naïve 😀 answer, \"quoted\" <b>bold</b>"
		h.responses[c.EventID] = r
		for j, name := range []string{"ada@example.org", "Bob", "Ünal"}[:i+1] {
			line, _ := json.Marshal(map[string]any{"event_id": c.EventID, "label": Labels[(i+j)%4], "labeler": name, "labeled_at": time.Date(2026, 2, 1, 10, i, j, 123456000, time.UTC),
				"reasons": []string{"wrong_value", "=other"}[:j], "spans": []Span{{0, 5}, {6, 7}}[:i], "note": strings.Repeat("two\nlines \"q\"", j), "correction": strings.Repeat("=1+1", i),
				"confidence": Confidences[j], "elapsed_ms": 1500})
			lines = append(lines, string(line))
		}
	}
	if done := importLines(t, s, lines...); done.Imported != 6 {
		t.Fatalf("got %+v", done)
	}
	d, err := s.Freeze(t.Context(), engineer, "Out", DatasetFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.FreezeVersion(t.Context(), auth.Product(), d.Newest.ID); err != nil {
		t.Fatal(err)
	}
	d, _, _ = s.Dataset(t.Context(), engineer, d.Slug)
	was := linesIn(t, FormatLines, string(written(t, s, d.Newest.ID, "jsonl")))
	for _, format := range []string{FormatLabelStudio, FormatArgilla, FormatCSV} {
		file := written(t, s, d.Newest.ID, format)
		back := linesIn(t, format, string(file))
		if len(back) != len(was) {
			t.Fatalf("%s: want %d labels, got %d: %s", format, len(was), len(back), file)
		}
		for i, line := range back {
			want := was[i]
			want.number, line.number, want.Revision, line.Revision = 0, 0, 0, 0
			want.Spans, line.Spans = sortedSpans(want.Spans), sortedSpans(line.Spans)
			want.Reasons, line.Reasons = cleanReasons(want.Reasons), cleanReasons(line.Reasons)
			if format != FormatCSV { // they know a response by what we put beside it
				want.RequestID, want.SessionID, line.SessionID = "", "", ""
			}
			if format == FormatArgilla {
				want.ElapsedMS = nil // it has no place for it
			}
			if !want.LabeledAt.Equal(*line.LabeledAt) {
				t.Errorf("%s, label %d: want %v, got %v", format, i, want.LabeledAt, line.LabeledAt)
			}
			want.LabeledAt, line.LabeledAt = nil, nil
			if !reflect.DeepEqual(line, want) {
				t.Errorf("%s, label %d:\nwant %+v\n got %+v", format, i, want, line)
			}
		}
		done, err := s.ImportFile(t.Context(), engineer, bytes.NewReader(file), ImportOptions{})
		if err != nil || done.Format != format || done.Imported != 0 || done.Duplicate != 6 {
			t.Errorf("%s: our own export changes nothing: %+v, %v", format, done, err)
		}
	}

	// Anybody can compute the content hash, from the frozen bytes or from the rows.
	records := written(t, s, d.Newest.ID, FormatRecords)
	sum := sha256.Sum256(records)
	if got := hex.EncodeToString(sum[:]); got != d.Newest.Hash() {
		t.Errorf("sha256sum of the records: want %s, got %s", d.Newest.Hash(), got)
	}
	rows := written(t, s, d.Newest.ID, "jsonl")
	for name, file := range map[string][]byte{"records": records, "rows": rows} {
		v, err := VerifyFile(bytes.NewReader(file))
		if err != nil || v.SHA256 != d.Newest.Hash() || v.Labels != 6 {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
	if v, err := VerifyFile(bytes.NewReader(bytes.Replace(rows, []byte(`"label":"hallucinated"`), []byte(`"label":"correct"`), 1))); err != nil || v.SHA256 == d.Newest.Hash() {
		t.Errorf("a label was changed and the hash is the same: %v", err)
	}
	if _, err := s.DB.Exec(t.Context(), `UPDATE label_texts SET note = '', correction = ''; UPDATE items SET snapshot = NULL, title = ''`); err != nil {
		t.Fatal(err)
	}
	if v, err := VerifyFile(bytes.NewReader(written(t, s, d.Newest.ID, "jsonl"))); err != nil || v.SHA256 != d.Newest.Hash() {
		t.Errorf("with every text erased: %+v, %v", v, err)
	}
	if _, err := VerifyFile(strings.NewReader("{}\n")); err == nil {
		t.Error("what is no row of a dataset is refused")
	}
}

func TestOtherToolsAnswersOfEveryKind(t *testing.T) {
	const event = "4a2f3405-6ac6-4aff-8484-d14ff3b3e311"
	type answer struct{ Labeler, Label, Words string }
	all := func(lines []importLine) (list []answer) {
		for _, l := range lines {
			a := answer{Labeler: l.Labeler}
			if l.wrong != nil {
				a.Words = l.wrong.Error()
				list = append(list, a)
				continue
			}
			if l.Label != nil {
				a.Label = *l.Label
			}
			a.Words = fmt.Sprintf("%v %v %s|%s|%s", l.Reasons, l.Spans, l.confidence(), l.Correction, l.Note)
			list = append(list, a)
		}
		return list
	}
	studio := `{"id":1,"data":{"event_id":"` + event + `"},"predictions":[{"model_version":"m","result":[{"type":"choices","from_name":"verdict","value":{"choices":["Hallucinated"]}}]}],"annotations":[
		{"completed_by":{"id":1,"email":"a@example.org"},"updated_at":"2026-02-01T10:00:00Z","lead_time":2.5,"result":[
			{"type":"rating","from_name":"stars","value":{"rating":5}},{"type":"taxonomy","from_name":"kind","value":{"taxonomy":[["Fact","Number"]]}},
			{"type":"hypertextlabels","from_name":"mark","value":{"start":"/div[1]/text()[1]","end":"/div[1]/text()[1]","startOffset":1,"endOffset":4,"globalOffsets":{"start":11,"end":14}}},
			{"type":"pairwise","from_name":"side","value":{"selected":"left"}},{"type":"textarea","from_name":"rationale","value":{"text":"because"}}]},
		{"completed_by":2,"was_cancelled":true,"result":[{"type":"choices","from_name":"verdict","value":{"choices":["Correct"]}}]},
		{"completed_by":3,"result":[{"type":"choices","from_name":"verdict","value":{"choices":["Correct","Hallucinated"]}}]}]}
		{"id":2,"data":{"session_id":"s","request_id":"r"},"annotations":[{"completed_by":null,"result":[{"type":"choices","from_name":"verdict","value":{"choices":["Cannot tell"]}}]}]}`
	want := []answer{
		{"a@example.org", "correct", "[fact_/_number] [{11 14}] ||because"},
		{"label-studio-2", "", "[] [] ||"}, // skipped there
		{"label-studio-3", "", "names two labels: correct and hallucinated"},
		{"import", "cannot_tell", "[] [] ||"},
	}
	if got := all(linesIn(t, FormatLabelStudio, studio, Meaning{"stars", "5", "correct"})); !reflect.DeepEqual(got, want) {
		t.Errorf("Label Studio, one task a line:\nwant %q\n got %q", want, got)
	}
	min := `[{"id":1,"text":"the data, not a note of anybody","event_id":"` + event + `","verdict":"Partially correct","why":{"choices":["Wrong value","Old"]},"comment":"see row 8",
		"mark":[{"start":1,"end":4,"text":"abc","labels":["bad"]}],"annotator":7,"annotation_id":9,"created_at":"2026-02-01T10:00:00Z","lead_time":3}]`
	got := all(linesIn(t, FormatLabelStudio, min, Meaning{"text", "", "nothing"}))
	if want := []answer{{"label-studio-7", "partially_correct", "[wrong_value old] [{1 4}] ||see row 8"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("Label Studio, JSON-MIN:\nwant %q\n got %q", want, got)
	}
	argilla := `[{"id":"` + event + `","fields":{"response":"x"},"metadata":{},"suggestions":{"label":{"value":"hallucinated","score":0.9,"agent":"m"}},"vectors":{},"_server_id":"1",
		"responses":{"label":[{"value":"Correct","user_id":"u1","status":"submitted"},{"value":"correct","user_id":"u2","status":"discarded"},{"value":"correct","user_id":"u3","status":"draft"}],
		"quality":[{"value":4,"user_id":"u1","status":"submitted"}],"reasons":[{"value":["a","b c"],"user_id":"u1"}],"confidence":[{"value":"high","user_id":"u1"}],
		"order":[{"value":[{"value":"x","rank":1}],"user_id":"u1"}],"explanation":[{"value":"because","user_id":"u1"}],"rewrite":[{"value":"a longer text\nof two lines","user_id":"u1"}]}}]`
	want = []answer{{"argilla-u1", "correct", "[a b_c] [] high|a longer text\nof two lines|because"}, {"argilla-u2", "", "[] [] ||"}, {"argilla-u3", "", "[] [] ||"}}
	if got := all(linesIn(t, FormatArgilla, argilla, Meaning{"rewrite", "", "correction"})); !reflect.DeepEqual(got, want) {
		t.Errorf("Argilla:\nwant %q\n got %q", want, got)
	}
	flat := `{"id":"7","metadata.event_id":"` + event + `","response":"x","label.responses":["hallucinated","correct"],"label.responses.users":["u1","u2"],"label.responses.status":["submitted","discarded"],"label.suggestion":"correct"}` + "\n"
	if got, want := all(linesIn(t, FormatArgilla, flat)), []answer{{"argilla-u1", "hallucinated", "[] [] ||"}, {"argilla-u2", "", "[] [] ||"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("Argilla, flat:\nwant %q\n got %q", want, got)
	}
}

// A table comes back to the byte, however large and hostile its cells, also
// when a spreadsheet of another country saved it.
func TestLargeAndHostileCellsComeBack(t *testing.T) {
	hostile := "=cmd|' /C calc'!A0\r\n\t\"quoted\", ; 'x' ü\u2028😀\x7f\n"
	large := strings.Repeat(hostile, (1<<20)/len(hostile))
	label := "correct"
	for _, comma := range []string{",", ";", "\t"} {
		var table bytes.Buffer
		write, end := commaSeparated(&table)
		for _, text := range []string{large, hostile, "-1", "+1", "@x", "'", "''", "\r", "\n", "\"", ""} {
			if err := write(Record{Label: &label, Note: text, Labeler: text}); err != nil {
				t.Fatal(err)
			}
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		text := table.String()
		if comma != "," { // the head and the plain cells alone: enough for a reader that must find out
			text = "label" + comma + "note" + comma + "labeler\ncorrect" + comma + "\"a" + comma + "\"\"b\"\"\"" + comma + "x\r\n"
		}
		file := bufio.NewReader(strings.NewReader(text))
		var got []string
		if err := rowsOf(file)(func(line importLine, wrong error) bool {
			if wrong != nil {
				t.Error(wrong)
			}
			got = append(got, line.Note)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		want := []string{large, hostile, "-1", "+1", "@x", "'", "''", "\r", "\n", "\"", ""}
		if comma != "," {
			want = []string{"a" + comma + "\"b\""}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: want %d cells as they were, got %d", comma, len(want), len(got))
		}
	}
	for text, want := range map[string]string{
		"label,note\ncorrect,\"never closed\nx\n": "a quotation mark in it is never closed",
		"label,note\ncorrect\n":                   "has 1 cells, the head 2",
	} {
		var wrong error
		if err := rowsOf(bufio.NewReader(strings.NewReader(text)))(func(_ importLine, w error) bool { wrong = w; return true }); err != nil || wrong == nil || wrong.Error() != want {
			t.Errorf("%q: want %q, got %v, %v", text, want, wrong, err)
		}
	}
}

// A file of long texts is written in groups, lest all of it lie in memory.
func TestLongRowsAreWrittenInGroups(t *testing.T) {
	label, text := "correct", strings.Repeat("word ", 400_000)
	var file bytes.Buffer
	write, end := parquetOf(&file, parquetRowOf)
	for range 40 {
		if err := write(DatasetRow{Record: Record{Label: &label}, Response: text}); err != nil {
			t.Fatal(err)
		}
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	read, err := parquet.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil || read.NumRows() != 40 || len(read.RowGroups()) != 3 {
		t.Errorf("want 40 rows in 3 groups, got %v", err)
	}
}

// What is refused is forgotten but for its place and reason.
func TestARefusedLineKeepsNothingOfItsText(t *testing.T) {
	line := importLine{Note: "a secret", Labeler: "x", number: 7, answers: []said{{"note", "a secret", aText}, {"verdict", "Good", aChoice}}, wrong: errBadRow}
	if kept := fmt.Sprintf("%+v", line.slim()); strings.Contains(kept, "secret") || !strings.Contains(kept, "Good") || !strings.Contains(kept, "number:7") {
		t.Errorf("kept %s", kept)
	}
}
