package eval

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/telemetry"
)

// Incident is the card an alert opened, with the requests it is about.
type Incident struct {
	ID                int64
	AlertID           int64
	PolicyID          string
	Summary           string
	ExemplarRequestID string
	ExemplarEventID   uuid.UUID
	TemplateID        string
	EvidenceVersion   *string
	FirstFailedStage  string
	FirstCheck        string
	TaskClass         string
	OpenedAt          time.Time
	ClosedAt          *time.Time
	Alert             Alert             `db:"-"`
	Requests          []IncidentRequest `db:"-"` // in order of time, at most 500
	Violating         int               `db:"-"` // all of them, also beyond the 500
	Total             int               `db:"-"`
	Runbook           []RunbookStep     `db:"-"`
	Handoffs          []Handoff         `db:"-"`
}

// IncidentRequest is one request of the incident's window.
type IncidentRequest struct {
	RequestID        string
	EventID          uuid.UUID
	SessionID        string
	CaseID           string
	TemplateID       string
	EvidenceVersion  *string
	Route            string
	FirstFailedStage string
	Unsafe           bool
	TTFTMS           int64 `db:"ttft_ms"`
	TotalMS          int64 `db:"total_ms"`
	HappenedAt       time.Time
	AtFiring         bool
}

// RunbookStep is one line of what to do.
type RunbookStep struct {
	Position int
	Step     string
	DoneAt   *time.Time
	DoneBy   string
}

func (s *Store) openIncident(ctx context.Context, tx pgx.Tx, actor auth.Actor, policy WatchedPolicy, alertID int64, traces []telemetry.TraceEvent, now time.Time) error {
	card, violated := Card(policy.MonitorPolicy, traces)
	if !violated {
		return nil
	}
	exemplar := traces[0]
	for _, trace := range traces {
		if trace.RequestID == card.ExemplarRequestID {
			exemplar = trace
			break
		}
	}
	eventID := exemplar.EventID
	if eventID == uuid.Nil {
		eventID = uuid.NewSHA1(uuid.NameSpaceOID, []byte(exemplar.RequestID))
	}
	var id int64
	err := tx.QueryRow(ctx, `
		INSERT INTO incidents (alert_id, policy_id, summary, exemplar_request_id, exemplar_event_id, template_id,
			evidence_version, first_failed_stage, first_check, task_class, opened_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		RETURNING id`,
		alertID, card.PolicyID, card.Summary, card.ExemplarRequestID, eventID, card.TemplateID,
		card.EvidenceVersion, card.FirstFailedStage, card.FirstCheck, exemplar.TaskClass, now).Scan(&id)
	if err != nil {
		return err
	}
	if err := keepRequests(ctx, tx, id, traces, true); err != nil {
		return err
	}
	for position, step := range append([]string{card.FirstCheck}, hallucinationRunbook.Steps...) {
		if _, err := tx.Exec(ctx, `INSERT INTO runbook_steps (incident_id, position, step) VALUES ($1, $2, $3)`, id, position, step); err != nil {
			return err
		}
	}
	return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "incident.open", Object: fmt.Sprintf("incident/%d", id),
		What: "exemplar " + card.ExemplarRequestID + ", template " + card.TemplateID})
}

// Incidents lists the newest incidents, without their requests.
func (s *Store) Incidents(ctx context.Context, actor auth.Actor, limit int) ([]Incident, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, err := s.DB.Query(ctx, `SELECT * FROM incidents ORDER BY opened_at DESC, id DESC LIMIT $1`, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Incident])
}

// Incident returns one card whole. It returns fault.NotFound when there is
// none.
func (s *Store) Incident(ctx context.Context, actor auth.Actor, id int64) (Incident, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return Incident{}, err
	}
	rows, err := s.DB.Query(ctx, `SELECT * FROM incidents WHERE id = $1`, id)
	if err != nil {
		return Incident{}, err
	}
	incident, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Incident])
	if errors.Is(err, pgx.ErrNoRows) {
		return Incident{}, fmt.Errorf("incident %d: %w", id, fault.NotFound)
	}
	if err != nil {
		return Incident{}, err
	}
	return incident, s.fill(ctx, &incident)
}

func (s *Store) fill(ctx context.Context, incident *Incident) error {
	rows, err := s.DB.Query(ctx, alertQuery+`WHERE a.id = $1`, incident.AlertID)
	if err != nil {
		return err
	}
	if incident.Alert, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Alert]); err != nil {
		return err
	}
	rows, err = s.DB.Query(ctx, `
		SELECT request_id, event_id, session_id, case_id, template_id, evidence_version, route, first_failed_stage,
		       unsafe, ttft_ms, total_ms, happened_at, at_firing
		FROM incident_requests
		WHERE incident_id = $1
		ORDER BY happened_at, request_id
		LIMIT 500`, incident.ID)
	if err != nil {
		return err
	}
	if incident.Requests, err = pgx.CollectRows(rows, pgx.RowToStructByName[IncidentRequest]); err != nil {
		return err
	}
	err = s.DB.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE unsafe) FROM incident_requests WHERE incident_id = $1`,
		incident.ID).Scan(&incident.Total, &incident.Violating)
	if err != nil {
		return err
	}
	rows, err = s.DB.Query(ctx, `SELECT position, step, done_at, done_by FROM runbook_steps WHERE incident_id = $1 ORDER BY position`, incident.ID)
	if err != nil {
		return err
	}
	if incident.Runbook, err = pgx.CollectRows(rows, pgx.RowToStructByName[RunbookStep]); err != nil {
		return err
	}
	incident.Handoffs, err = s.handoffs(ctx, `WHERE incident_id = $1 ORDER BY id DESC LIMIT 20`, incident.ID)
	return err
}

// FinishStep marks a step of the runbook as done, or open again.
func (s *Store) FinishStep(ctx context.Context, actor auth.Actor, incidentID int64, position int, done bool) error {
	if err := actor.Require(auth.AcknowledgeAlert); err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE runbook_steps
			SET done_at = CASE WHEN $3 THEN $4::timestamptz END, done_by = CASE WHEN $3 THEN $5 ELSE '' END
			WHERE incident_id = $1 AND position = $2`, incidentID, position, done, s.now(), actor.Name)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("step %d of incident %d: %w", position, incidentID, fault.NotFound)
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "incident.step", Object: fmt.Sprintf("incident/%d", incidentID),
			What: fmt.Sprintf("step %d done: %t", position, done)})
	})
}
