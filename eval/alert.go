package eval

import (
	"cmp"
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
	ID                int64
	PolicyID          string
	Invariant         Invariant
	Severity          Severity
	State             AlertState
	FiredText         string
	LatestText        string
	FirstCheck        string
	ExemplarRequestID string
	ExemplarSessionID string
	FiredAt           time.Time
	EvaluatedAt       time.Time
	AcknowledgedAt    *time.Time
	AcknowledgedBy    string // a person's name, "" when nobody has
	SilencedUntil     *time.Time
	SilencedBy        string
	ResolvedAt        *time.Time
	IncidentID        *int64
}

// Runbook is what to do about it.
func (a Alert) Runbook() Runbook { return RunbookOf(a.Invariant) }

// alertQuery reads alerts; a condition and an order follow.
const alertQuery = `
	SELECT a.id, a.policy_id, a.invariant, a.severity, a.state, a.fired_text, a.latest_text, a.fired_at, a.evaluated_at,
	       COALESCE(i.first_check, '') AS first_check,
	       COALESCE(i.exemplar_request_id, a.exemplar_request_id) AS exemplar_request_id, a.exemplar_session_id,
	       a.acknowledged_at, COALESCE(k.name, '') AS acknowledged_by,
	       a.silenced_until, COALESCE(q.name, '') AS silenced_by, a.resolved_at, i.id AS incident_id
	FROM alerts a
	LEFT JOIN incidents i ON i.alert_id = a.id
	LEFT JOIN people k ON k.id = a.acknowledged_by
	LEFT JOIN people q ON q.id = a.silenced_by
	`

// WatchedPolicy is a policy with its card and the window it is evaluated on.
type WatchedPolicy struct {
	MonitorPolicy
	TaskClass   string
	Window      time.Duration
	Card        telemetry.RateCard
	EvaluatedAt *time.Time // nil: not yet
	Requests    int64      // in the window of the last evaluation; 0 is no data
	DataAt      *time.Time // the last evaluation that saw a request
}

// Policies lists the policies with their rate cards.
func (s *Store) Policies(ctx context.Context) ([]WatchedPolicy, error) {
	rows, err := s.DB.Query(ctx, `
		SELECT p.policy_id, p.max_unsafe_serves, p.max_p95_ttft_ms, p.max_window_cost_usd, p.rate_card, p.summary,
		       p.task_class, p.window_minutes, c.input_per_million, c.cached_input_per_million, c.output_per_million,
		       p.evaluated_at, COALESCE(p.requests, 0), p.data_at
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
			&p.TaskClass, &minutes, &p.Card.InputPerMillion, &p.Card.CachedInputPerMillion, &p.Card.OutputPerMillion,
			&p.EvaluatedAt, &p.Requests, &p.DataAt)
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
		if err := wakeAlerts(ctx, tx, policy.PolicyID, now); err != nil {
			return err
		}
		for _, breach := range breaches {
			if err := s.fire(ctx, tx, actor, policy, breach, traces, now); err != nil {
				return err
			}
		}
		if err := s.resolve(ctx, tx, actor, policy, breaches, len(traces), now); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			UPDATE policies
			SET evaluated_at = $2::timestamptz, requests = $3::bigint, data_at = CASE WHEN $3::bigint > 0 THEN $2::timestamptz ELSE data_at END
			WHERE policy_id = $1`, policy.PolicyID, now, len(traces))
		return err
	})
}

// wakeAlerts ends the silences that are over: whoever had acknowledged the
// alert still has.
func wakeAlerts(ctx context.Context, tx pgx.Tx, policyID string, now time.Time) error {
	_, err := tx.Exec(ctx, `
		UPDATE alerts
		SET state = CASE WHEN acknowledged_at IS NULL THEN 'firing' ELSE 'acknowledged' END
		WHERE policy_id = $1 AND state = 'silenced' AND silenced_until <= $2`, policyID, now)
	return err
}

func (s *Store) fire(ctx context.Context, tx pgx.Tx, actor auth.Actor, policy WatchedPolicy, breach Breach, traces []telemetry.TraceEvent, now time.Time) error {
	var alertID int64
	err := tx.QueryRow(ctx, `
		UPDATE alerts
		SET latest_text = $3, evaluated_at = $4, clear_since = NULL
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
		INSERT INTO alerts (policy_id, invariant, severity, fired_text, latest_text, fired_at, evaluated_at,
			exemplar_request_id, exemplar_session_id)
		VALUES ($1, $2, $3, $4, $4, $5, $5, $6, $7)
		RETURNING id`, policy.PolicyID, breach.Invariant, breach.Severity, breach.Text, now,
		breach.Exemplar.RequestID, breach.Exemplar.SessionID).Scan(&alertID)
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

// clearsAfter is how long a warning's breach must be gone before it resolves.
// A violated invariant leaves its window once and resolves at once.
const clearsAfter = 15 * time.Minute

// resolve closes alerts whose breach is gone, on a window that has data.
func (s *Store) resolve(ctx context.Context, tx pgx.Tx, actor auth.Actor, policy WatchedPolicy, breaches []Breach, traces int, now time.Time) error {
	if traces == 0 {
		return nil
	}
	var still []string
	for _, breach := range breaches {
		still = append(still, string(breach.Invariant))
	}
	_, err := tx.Exec(ctx, `
		UPDATE alerts
		SET clear_since = COALESCE(clear_since, $2), evaluated_at = $2
		WHERE policy_id = $1 AND resolved_at IS NULL AND NOT (invariant = ANY(COALESCE($3::text[], '{}')))`, policy.PolicyID, now, still)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `
		UPDATE alerts
		SET state = 'resolved', resolved_at = $2
		WHERE policy_id = $1 AND resolved_at IS NULL AND clear_since <= CASE WHEN severity = 'page' THEN $2::timestamptz ELSE $3::timestamptz END
		RETURNING id`, policy.PolicyID, now, now.Add(-clearsAfter))
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

// AlertFilter selects alerts; the zero value is all of them.
type AlertFilter struct {
	Open     bool // not resolved
	Resolved bool
	PolicyID string
}

// Alerts lists alerts, open ones first, pages before warnings, then the newest.
func (s *Store) Alerts(ctx context.Context, actor auth.Actor, f AlertFilter, limit int) ([]Alert, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, err := s.DB.Query(ctx, alertQuery+`
		WHERE (NOT $1 OR a.resolved_at IS NULL) AND (NOT $2 OR a.resolved_at IS NOT NULL) AND ($3 = '' OR a.policy_id = $3)
		ORDER BY a.resolved_at IS NOT NULL, CASE WHEN a.resolved_at IS NULL THEN array_position(ARRAY['page', 'warn', 'ticket'], a.severity) END,
		         a.fired_at DESC, a.id DESC
		LIMIT $4`, f.Open, f.Resolved, f.PolicyID, limit)
	if err != nil {
		return nil, err
	}
	alerts, err := pgx.CollectRows(rows, pgx.RowToStructByName[Alert])
	for i := range alerts {
		alerts[i].FirstCheck = cmp.Or(alerts[i].FirstCheck, alerts[i].Runbook().Steps[0])
	}
	return alerts, err
}

// AlertCounts is how often alerts fire and what comes of them.
type AlertCounts struct {
	Open     int
	Paging   int // firing pages
	Fired    int // in the last 30 days
	HandedOn int // of those, led to a handoff
}

// CountAlerts counts the alerts of the last 30 days.
func (s *Store) CountAlerts(ctx context.Context, actor auth.Actor) (AlertCounts, error) {
	var c AlertCounts
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return c, err
	}
	err := s.DB.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE a.resolved_at IS NULL),
		       count(*) FILTER (WHERE a.state = 'firing' AND a.severity = 'page'),
		       count(*) FILTER (WHERE a.fired_at > $1),
		       count(*) FILTER (WHERE a.fired_at > $1 AND EXISTS (
		           SELECT FROM handoffs h JOIN incidents i ON i.id = h.incident_id WHERE i.alert_id = a.id))
		FROM alerts a`, s.now().AddDate(0, 0, -30)).Scan(&c.Open, &c.Paging, &c.Fired, &c.HandedOn)
	return c, err
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
	return s.answerAlert(ctx, actor, alertID, "alert.acknowledge", `
		UPDATE alerts
		SET state = 'acknowledged', acknowledged_at = $2, acknowledged_by = $3
		WHERE id = $1 AND state = 'firing' AND $4::timestamptz IS NULL`, nil)
}

// The shortest and the longest silence.
const (
	shortestSilence = 15 * time.Minute
	longestSilence  = 24 * time.Hour
)

// Silence keeps an alert from paging for a while, 15 minutes to a day. It is
// still evaluated, and fires again when the silence is over.
func (s *Store) Silence(ctx context.Context, actor auth.Actor, alertID int64, lasts time.Duration) error {
	if lasts < shortestSilence || lasts > longestSilence {
		return fault.Say(fault.Invalid, "A silence lasts 15 minutes to 24 hours.")
	}
	until := s.now().Add(lasts)
	return s.answerAlert(ctx, actor, alertID, "alert.silence", `
		UPDATE alerts
		SET state = 'silenced', silenced_until = $4, silenced_by = $3
		WHERE id = $1 AND state IN ('firing', 'acknowledged') AND $2::timestamptz IS NOT NULL`, &until)
}

// answerAlert runs an update of one alert by a person, which takes the alert,
// the time, the person and until when.
func (s *Store) answerAlert(ctx context.Context, actor auth.Actor, alertID int64, action, update string, until *time.Time) error {
	if err := actor.Require(auth.AcknowledgeAlert); err != nil {
		return err
	}
	if actor.Kind != auth.Person {
		return fault.Say(fault.Denied, "Only people answer alerts.")
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, update, alertID, s.now(), actor.ID, until)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fault.Say(fault.Conflict, "This alert does not fire any more, or somebody has answered it.")
		}
		entry := audit.Entry{Actor: actor, Action: action, Object: fmt.Sprintf("alert/%d", alertID)}
		if until != nil {
			entry.What = "until " + until.UTC().Format(time.RFC3339)
		}
		return audit.Record(ctx, tx, entry)
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
