package labeling

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
)

// Decision is what was decided when a response was considered for a queue: in
// which stratum it stands, with which permanent number, under which version of
// the rules, and why it was or was not chosen. It is never changed: a later
// flag makes another that supersedes it. A label names the decision it was
// read under.
type Decision struct {
	ID            int64         `json:"id"`
	EventID       uuid.UUID     `json:"event_id"`
	Queue         string        `json:"queue"`
	EventTime     time.Time     `json:"event_time"`
	FrameDay      time.Time     `json:"frame_day"` // UTC day of the event time
	TaskClass     string        `json:"task_class"`
	PriorityClass PriorityClass `json:"priority_class"`
	ModelVersion  string        `json:"model_version"`
	Design        string        `json:"design"` // bottom_k, census or discovery
	SaltID        string        `json:"salt_id"`
	U             float64       `json:"u"`
	RuleVersion   int           `json:"rule_version"`
	Keep          float64       `json:"keep"` // probability with which the text was kept
	Readable      bool          `json:"readable"`
	Selected      bool          `json:"selected"`
	Reason        string        `json:"reason"` // selected, cap, no_text, not_kept, removed, import
	Supersedes    *int64        `json:"supersedes"`
	DecidedAt     time.Time     `json:"decided_at"`
	Pi            *float64      `json:"inclusion_probability"` // of the item once its frame has closed; null before, and where there is no item
}

// Decisions lists what was decided about a response, the newest first. It has
// no text and nobody's labels.
func (s *Store) Decisions(ctx context.Context, actor auth.Actor, event uuid.UUID) ([]Decision, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, err := s.DB.Query(ctx, `
		SELECT d.id, d.event_id, q.slug AS queue, d.event_time, d.frame_day, d.task_class, d.priority_class, d.model_version, d.design, d.salt_id, d.u,
		       r.version AS rule_version, d.keep, d.readable, d.selected, d.reason, d.supersedes, d.decided_at, i.pi
		FROM sampling_decisions d
		JOIN queues q ON q.id = d.queue_id
		JOIN queue_rules r ON r.id = d.rule_id
		LEFT JOIN items i ON i.queue_id = d.queue_id AND i.event_id = d.event_id
		WHERE d.event_id = $1
		ORDER BY d.id DESC
		LIMIT 100`, event)
	if err != nil {
		return nil, fmt.Errorf("decisions about %s: %w", event, err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Decision])
}
