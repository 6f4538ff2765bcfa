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

// AlertState is where an alert stands.
type AlertState string

// The states. No data is not one of them: an empty window leaves an alert as
// it is.
const (
	Firing       AlertState = "firing"
	Acknowledged AlertState = "acknowledged"
	Silenced     AlertState = "silenced"
	Resolved     AlertState = "resolved"
)

// Alert is a rule that fired.
type Alert struct {
	ID             int64
	PolicyID       string
	Invariant      Invariant
	Severity       Severity
	State          AlertState
	FiredText      string
	LatestText     string
	FiredAt        time.Time
	EvaluatedAt    time.Time
	AcknowledgedAt *time.Time
	AcknowledgedBy *int64
	SilencedUntil  *time.Time
	ResolvedAt     *time.Time
	IncidentID     *int64
}

// WatchedPolicy is a policy with its card and the window it is evaluated on.
type WatchedPolicy struct {
	MonitorPolicy
	TaskClass string
	Window    time.Duration
	Card      telemetry.RateCard
}

// Policies lists the policies with their rate cards.
func (s *Store) Policies(ctx context.Context) ([]WatchedPolicy, error) {
	rows, err := s.DB.Query(ctx, `
		SELECT p.policy_id, p.max_unsafe_serves, p.max_p95_ttft_ms, p.max_window_cost_usd, p.rate_card, p.summary,
		       p.task_class, p.window_minutes, c.input_per_million, c.cached_input_per_million, c.output_per_million
		FROM policies p
		JOIN rate_cards c ON c.version = p.rate_card
		ORDER BY p.policy_id`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (WatchedPolicy, error) {
		var p WatchedPolicy
		var minutes int
		err := row.Scan(&p.PolicyID, &p.MaxUnsafeServes, &p.MaxP95TTFTMS, &p.MaxWindowCost, &p.RateCard, &p.Summary,
			&p.TaskClass, &minutes, &p.Card.InputPerMillion, &p.Card.CachedInputPerMillion, &p.Card.OutputPerMillion)
		p.Window = time.Duration(minutes) * time.Minute
		p.Card.Version = p.RateCard
		return p, err
	})
}

// Evaluate weighs every policy on the window that ends now: it fires alerts,
// brings those that are open up to date, and opens an incident for a violated
// invariant. Evaluating again changes nothing but the time of evaluation.
func (s *Store) Evaluate(ctx context.Context, actor auth.Actor) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	policies, err := s.Policies(ctx)
	if err != nil {
		return err
	}
	for _, policy := range policies {
		if err := s.evaluate(ctx, actor, policy); err != nil {
			return fmt.Errorf("evaluate policy %s: %w", policy.PolicyID, err)
		}
	}
	return nil
}

func (s *Store) evaluate(ctx context.Context, actor auth.Actor, policy WatchedPolicy) error {
	now := s.now()
	window := telemetry.Window{From: now.Add(-policy.Window), To: now.Add(time.Minute)}
	traces, err := s.Traces.Traces(ctx, actor, window, telemetry.TraceFilter{TaskClass: policy.TaskClass})
	if err != nil {
		return err
	}
	breaches := EvaluatePolicy(policy.MonitorPolicy, policy.Card, traces)
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		// One evaluation of a policy at a time, so that it opens one incident.
		if _, err := tx.Exec(ctx, `SELECT FROM policies WHERE policy_id = $1 FOR UPDATE`, policy.PolicyID); err != nil {
			return err
		}
		for _, breach := range breaches {
			if err := s.fire(ctx, tx, actor, policy, breach, traces, now); err != nil {
				return err
			}
		}
		return s.resolve(ctx, tx, actor, policy, breaches, len(traces), now)
	})
}

func (s *Store) fire(ctx context.Context, tx pgx.Tx, actor auth.Actor, policy WatchedPolicy, breach Breach, traces []telemetry.TraceEvent, now time.Time) error {
	var alertID int64
	err := tx.QueryRow(ctx, `
		UPDATE alerts
		SET latest_text = $3, evaluated_at = $4
		WHERE policy_id = $1 AND invariant = $2 AND resolved_at IS NULL
		RETURNING id`, policy.PolicyID, breach.Invariant, breach.Text, now).Scan(&alertID)
	switch {
	case err == nil:
		return s.addRequests(ctx, tx, alertID, traces)
	case !errors.Is(err, pgx.ErrNoRows):
		return err
	}
	if seen, err := alreadyCarded(ctx, tx, policy.PolicyID, breach, traces); err != nil || seen {
		return err
	}
	err = tx.QueryRow(ctx, `
		INSERT INTO alerts (policy_id, invariant, severity, fired_text, latest_text, fired_at, evaluated_at)
		VALUES ($1, $2, $3, $4, $4, $5, $5)
		RETURNING id`, policy.PolicyID, breach.Invariant, breach.Severity, breach.Text, now).Scan(&alertID)
	if err != nil {
		return err
	}
	if err := audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "alert.fire", Object: fmt.Sprintf("alert/%d", alertID), What: breach.Text}); err != nil {
		return err
	}
	if breach.Invariant != UnsafeServes {
		return nil
	}
	return s.openIncident(ctx, tx, actor, policy, alertID, traces, now)
}

// alreadyCarded tells a resolved alert's own violations, seen again while they
// are still in the window, from new ones.
func alreadyCarded(ctx context.Context, tx pgx.Tx, policyID string, breach Breach, traces []telemetry.TraceEvent) (bool, error) {
	if breach.Invariant != UnsafeServes {
		return false, nil
	}
	var unsafe []string
	for _, trace := range traces {
		if trace.UnsafeClaimServed {
			unsafe = append(unsafe, trace.RequestID)
		}
	}
	var known int
	err := tx.QueryRow(ctx, `
		SELECT count(DISTINCT r.request_id)
		FROM incident_requests r
		JOIN incidents i ON i.id = r.incident_id
		WHERE i.policy_id = $1 AND r.unsafe AND r.request_id = ANY($2)`, policyID, unsafe).Scan(&known)
	return known == len(unsafe), err
}

// resolve closes alerts whose breach is gone, on a window that has data.
func (s *Store) resolve(ctx context.Context, tx pgx.Tx, actor auth.Actor, policy WatchedPolicy, breaches []Breach, traces int, now time.Time) error {
	if traces == 0 {
		return nil
	}
	var still []string
	for _, breach := range breaches {
		still = append(still, string(breach.Invariant))
	}
	rows, err := tx.Query(ctx, `
		UPDATE alerts
		SET state = 'resolved', resolved_at = $2, evaluated_at = $2
		WHERE policy_id = $1 AND resolved_at IS NULL AND NOT (invariant = ANY(COALESCE($3::text[], '{}')))
		RETURNING id`, policy.PolicyID, now, still)
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "alert.resolve", Object: fmt.Sprintf("alert/%d", id)}); err != nil {
			return err
		}
	}
	return nil
}

// Alerts lists the newest alerts, open ones first.
func (s *Store) Alerts(ctx context.Context, actor auth.Actor, limit int) ([]Alert, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, err := s.DB.Query(ctx, `
		SELECT a.id, a.policy_id, a.invariant, a.severity, a.state, a.fired_text, a.latest_text, a.fired_at, a.evaluated_at,
		       a.acknowledged_at, a.acknowledged_by, a.silenced_until, a.resolved_at, i.id AS incident_id
		FROM alerts a
		LEFT JOIN incidents i ON i.alert_id = a.id
		ORDER BY a.resolved_at IS NOT NULL, a.fired_at DESC, a.id DESC
		LIMIT $1`, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Alert])
}

// OpenAlerts counts the alerts that page and are neither acknowledged nor
// resolved.
func (s *Store) OpenAlerts(ctx context.Context, actor auth.Actor) (int, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return 0, err
	}
	var n int
	err := s.DB.QueryRow(ctx, `SELECT count(*) FROM alerts WHERE state = 'firing' AND severity = 'page'`).Scan(&n)
	return n, err
}

// Acknowledge says that a person has seen the alert and works on it.
func (s *Store) Acknowledge(ctx context.Context, actor auth.Actor, alertID int64) error {
	if err := actor.Require(auth.AcknowledgeAlert); err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE alerts
			SET state = 'acknowledged', acknowledged_at = $2, acknowledged_by = $3
			WHERE id = $1 AND state = 'firing'`, alertID, s.now(), actor.ID)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fault.Say(fault.Conflict, "This alert is not firing any more, or somebody has acknowledged it.")
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "alert.acknowledge", Object: fmt.Sprintf("alert/%d", alertID)})
	})
}

// addRequests keeps what came while the alert is open, so that the handoff's
// regression window holds every failing case.
func (s *Store) addRequests(ctx context.Context, tx pgx.Tx, alertID int64, traces []telemetry.TraceEvent) error {
	var incidentID int64
	err := tx.QueryRow(ctx, `SELECT id FROM incidents WHERE alert_id = $1`, alertID).Scan(&incidentID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return keepRequests(ctx, tx, incidentID, traces, false)
}

func keepRequests(ctx context.Context, tx pgx.Tx, incidentID int64, traces []telemetry.TraceEvent, atFiring bool) error {
	batch := &pgx.Batch{}
	for _, t := range traces {
		eventID := t.EventID
		if eventID == uuid.Nil {
			eventID = uuid.NewSHA1(uuid.NameSpaceOID, []byte(t.RequestID))
		}
		batch.Queue(`
			INSERT INTO incident_requests (incident_id, request_id, event_id, session_id, case_id, template_id, evidence_version,
				route, first_failed_stage, unsafe, ttft_ms, total_ms, happened_at, at_firing)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
			ON CONFLICT (incident_id, request_id) DO NOTHING`,
			incidentID, t.RequestID, eventID, t.SessionID, t.CaseID, t.PromptTemplateID, t.EvidenceVersion,
			t.Route, t.FirstFailedStage, t.UnsafeClaimServed, t.TTFTMS, t.TotalMS, t.EffectiveTime, atFiring)
	}
	return tx.SendBatch(ctx, batch).Close()
}
