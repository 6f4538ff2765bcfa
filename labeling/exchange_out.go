package labeling

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The formats of other tools that a version is written as, and FormatRecords:
// the very bytes that its content hash is of, so that anybody's sha256sum of
// the file is the hash.
const FormatRecords = "records"

// writeExchange writes a version item by item: a task or a record with what
// each of its labelers said.
func (s *Store) writeExchange(ctx context.Context, tx pgx.Tx, e ExportFile, to io.Writer) error {
	element := studioTaskOf
	if e.Format == FormatArgilla {
		element = argillaRecordOf
	}
	// A cursor sorts once, however large the version is.
	_, err := tx.Exec(ctx, fmt.Sprintf(`DECLARE exchanged NO SCROLL CURSOR FOR `+rowSelect+`
		WHERE r.version_id = %d
		ORDER BY l.item_id, r.position`, e.VersionID))
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	var item []DatasetRow
	written, done := 0, 0
	flush := func() error {
		if len(item) == 0 {
			return nil
		}
		comma := ","
		if written++; written == 1 {
			comma = ""
		}
		if _, err := io.WriteString(to, comma); err != nil {
			return err
		}
		err := encoder.Encode(element(item))
		item = item[:0]
		return err
	}
	if _, err := io.WriteString(to, "["); err != nil {
		return err
	}
	for {
		rows, _ := tx.Query(ctx, fmt.Sprintf(`FETCH %d FROM exchanged`, exportRows))
		list, err := pgx.CollectRows(rows, scanDatasetRow)
		if err != nil {
			return err
		}
		for _, row := range list {
			if len(item) > 0 && item[0].ItemID != row.ItemID {
				if err := flush(); err != nil {
					return err
				}
			}
			item = append(item, row)
		}
		if len(list) == 0 {
			break
		}
		done += len(list)
		s.progress(ctx, `UPDATE exports SET done = $2 WHERE id = $1 AND state = 'waiting'`, e.ID, done)
	}
	if err := flush(); err != nil {
		return err
	}
	if _, err := io.WriteString(to, "]\n"); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `CLOSE exchanged`)
	return err
}

// writeRecords writes the records as they were frozen and hashed.
func (s *Store) writeRecords(ctx context.Context, tx pgx.Tx, e ExportFile, to io.Writer) error {
	for after := int64(0); ; {
		rows, _ := tx.Query(ctx, `
			SELECT position, record::text FROM dataset_rows WHERE version_id = $1 AND position > $2 ORDER BY position LIMIT $3`, e.VersionID, after, exportRows)
		was := after
		var text string
		_, err := pgx.ForEachRow(rows, []any{&after, &text}, func() error {
			_, err := io.WriteString(to, text+"\n")
			return err
		})
		if err != nil || after == was {
			return err
		}
		s.progress(ctx, `UPDATE exports SET done = $2 WHERE id = $1 AND state = 'waiting'`, e.ID, int(after))
	}
}

// named is what a task's data or a record's metadata say of their response.
func (r DatasetRow) named() map[string]any {
	return map[string]any{
		"event_id": r.EventID, "session_id": r.SessionID, "task_class": r.TaskClass, "model_version": r.ModelVersion,
		"dataset": r.Dataset, "dataset_version": r.DatasetVersion, "consensus": r.Consensus,
	}
}

// texts is what the response is about, and what it says.
func (r DatasetRow) texts() map[string]any {
	texts := map[string]any{"prompt": r.Prompt, "response": r.Response}
	var context []string
	if json.Unmarshal(r.Context, &context) == nil && len(context) > 0 {
		texts["context"] = strings.Join(context, "\n\n")
	}
	return texts
}

func (r DatasetRow) spans() []Span {
	var spans []Span
	_ = json.Unmarshal(r.Spans, &spans) // as we wrote them
	return spans
}

// studioTaskOf is an item as Label Studio imports it. Its authors are not
// users there, which Label Studio would refuse: a key of our own names them,
// which it passes over and an import here reads.
func studioTaskOf(item []DatasetRow) any {
	first := item[0]
	data := first.named()
	for name, text := range first.texts() {
		data[name] = text
	}
	response := []rune(first.Response)
	annotations := []any{}
	for _, r := range item {
		result := []map[string]any{}
		add := func(from, kind string, value map[string]any) {
			result = append(result, map[string]any{"id": fmt.Sprintf("%d-%d", r.ID, len(result)), "from_name": from, "to_name": "response", "type": kind, "value": value})
		}
		add("label", "choices", map[string]any{"choices": []string{*r.Label}})
		if len(r.Reasons) > 0 {
			add("reasons", "choices", map[string]any{"choices": r.Reasons})
		}
		if r.Confidence != nil {
			add("confidence", "choices", map[string]any{"choices": []string{*r.Confidence}})
		}
		for _, span := range r.spans() {
			text := ""
			if span.End <= len(response) {
				text = string(response[span.Start:span.End])
			}
			add("spans", "labels", map[string]any{"start": span.Start, "end": span.End, "text": text, "labels": []string{"hallucinated"}})
		}
		for _, text := range [][2]string{{"correction", r.Correction}, {"note", r.Note}} {
			if text[1] != "" {
				add(text[0], "textarea", map[string]any{"text": []string{text[1]}})
			}
		}
		annotation := map[string]any{
			"id": r.ID, "labeler": r.Labeler, "was_cancelled": false, "ground_truth": false, "created_at": r.LabeledAt, "updated_at": r.LabeledAt, "result": result,
		}
		if r.ElapsedMS != nil {
			annotation["lead_time"] = float64(*r.ElapsedMS) / 1000
		}
		annotations = append(annotations, annotation)
	}
	return map[string]any{"id": first.ItemID, "data": data, "annotations": annotations, "predictions": []any{}}
}

// argillaRecordOf is an item as Argilla's client reads records from disk.
// Argilla knows its users by a UUID and no time of an answer: the metadata
// name both for an import here.
func argillaRecordOf(item []DatasetRow) any {
	first := item[0]
	responses := map[string][]any{}
	given := []string{}
	for _, r := range item {
		user := uuid.NewSHA1(uuid.Nil, []byte(r.Labeler)).String()
		given = append(given, user+" "+r.LabeledAt.Format(time.RFC3339Nano)+" "+r.Labeler)
		add := func(question string, value any) {
			responses[question] = append(responses[question], map[string]any{"value": value, "user_id": user, "status": "submitted"})
		}
		add("label", *r.Label)
		if len(r.Reasons) > 0 {
			add("reasons", r.Reasons)
		}
		if r.Confidence != nil {
			add("confidence", *r.Confidence)
		}
		if spans := r.spans(); len(spans) > 0 {
			var marked []any
			for _, span := range spans {
				marked = append(marked, map[string]any{"start": span.Start, "end": span.End, "label": "hallucinated"})
			}
			add("spans", marked)
		}
		for _, text := range [][2]string{{"correction", r.Correction}, {"note", r.Note}} {
			if text[1] != "" {
				add(text[0], text[1])
			}
		}
	}
	metadata := first.named()
	metadata["given"] = given
	return map[string]any{
		"id": first.EventID, "fields": first.texts(), "metadata": metadata, "suggestions": map[string]any{}, "responses": responses, "vectors": map[string]any{},
	}
}

// givenBy reads who answered when from the metadata of a record of ours.
func givenBy(metadata map[string]json.RawMessage) map[string]importLine {
	var given []string
	_ = json.Unmarshal(metadata["given"], &given) // of another's record: nothing
	by := map[string]importLine{}
	for _, one := range given {
		user, rest, _ := strings.Cut(one, " ")
		at, labeler, _ := strings.Cut(rest, " ")
		by[user] = importLine{Labeler: labeler, LabeledAt: firstTime(at)}
	}
	return by
}
