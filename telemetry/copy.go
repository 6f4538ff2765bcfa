package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// LabelRow is the state of one response's label, for reading beside events.
// Label is "" when it was withdrawn; Counted is false for gold, practice and
// discovery items, which are shown and never enter a rate.
type LabelRow struct {
	EventID          uuid.UUID
	SessionID        string
	TaskClass        string
	ModelVersion     string
	PromptTemplateID string
	Label            string
	Counted          bool
	Timestamp        time.Time // effective time of the response
	LabeledAt        time.Time
	Labels           int // how many people labeled it
	Source           string
	Revision         int64 // the highest stands
}

// VerdictRow is one validator's verdict on one response.
type VerdictRow struct {
	EventID      uuid.UUID
	SessionID    string
	TaskClass    string
	ModelVersion string
	Validator    string
	Version      string
	Verdict      string // pass, fail, inconclusive
	Reason       string
	Message      string
	Evidence     json.RawMessage
	InputHash    string
	Sandbox      string
	ElapsedMS    int64
	At           time.Time
	Revision     int64 // the highest per validator stands
}

// CopyLabels writes labels to ClickHouse, from labeling's outbox. Copying
// twice changes nothing.
func (s *Store) CopyLabels(ctx context.Context, rows []LabelRow) error {
	rows, err := underCurrentNames(ctx, s, rows, func(r *LabelRow) *string { return &r.SessionID })
	if err != nil {
		return err
	}
	return s.copy(ctx, len(rows), `
		INSERT INTO labels (event_id, session_id, task_class, model_version, prompt_template_id, label, counted,
		                    response_time, labeled_at, labels, source, revision)`,
		func(i int) []any {
			r := rows[i]
			return []any{r.EventID, r.SessionID, r.TaskClass, r.ModelVersion, r.PromptTemplateID, r.Label, r.Counted,
				r.Timestamp, r.LabeledAt, uint32(max(r.Labels, 0)), r.Source, r.Revision}
		})
}

// CopyVerdicts writes verdicts to ClickHouse, from the validators' outbox.
// Copying twice changes nothing.
func (s *Store) CopyVerdicts(ctx context.Context, rows []VerdictRow) error {
	rows, err := underCurrentNames(ctx, s, rows, func(r *VerdictRow) *string { return &r.SessionID })
	if err != nil {
		return err
	}
	return s.copy(ctx, len(rows), `
		INSERT INTO verdicts (event_id, session_id, task_class, model_version, validator, version, verdict, reason,
		                      message, evidence, input_hash, sandbox, elapsed_ms, at, revision)`,
		func(i int) []any {
			r := rows[i]
			return []any{r.EventID, r.SessionID, r.TaskClass, r.ModelVersion, r.Validator, r.Version, r.Verdict, r.Reason,
				r.Message, string(r.Evidence), r.InputHash, r.Sandbox, r.ElapsedMS, r.At, r.Revision}
		})
}

// underCurrentNames files rows under the names their sessions have by now.
func underCurrentNames[T any](ctx context.Context, s *Store, rows []T, session func(*T) *string) ([]T, error) {
	rows = slices.Clone(rows)
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = *session(&rows[i])
	}
	names, err := s.renamed(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if name := names[*session(&rows[i])]; name != "" {
			*session(&rows[i]) = name
		}
	}
	return rows, nil
}

// copyFlags writes the flags of considered responses.
func (s *Store) copyFlags(ctx context.Context, candidates []Candidate) error {
	type flagged struct {
		Candidate
		Flag
	}
	var rows []flagged
	for _, c := range candidates {
		for _, f := range c.Flags {
			rows = append(rows, flagged{c, f})
		}
	}
	return s.copy(ctx, len(rows), `
		INSERT INTO event_flags (event_id, session_id, response_time, reason, priority_class, at, detail, source_event_id, readable)`,
		func(i int) []any {
			r := rows[i]
			return []any{r.EventID, r.SessionID, r.EffectiveTime, string(r.Reason), string(r.class()), r.At, r.Detail, r.SourceEventID, r.wasReadable}
		})
}

func (s *Store) copy(ctx context.Context, n int, insert string, values func(int) []any) error {
	if n == 0 {
		return nil
	}
	batch, err := s.Clickhouse.PrepareBatch(ctx, insert)
	if err != nil {
		return unreadable(err)
	}
	defer batch.Close()
	for i := range n {
		if err := batch.Append(values(i)...); err != nil {
			return fmt.Errorf("copy row %d of %d: %w", i, n, err)
		}
	}
	return unreadable(batch.Send())
}
