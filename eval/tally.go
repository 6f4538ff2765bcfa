package eval

import (
	"context"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
)

// AlertTally is how many alerts are in a state, by severity.
type AlertTally struct {
	State    AlertState
	Severity Severity
	Alerts   int
}

// StatusTally is how many handoffs are in a status.
type StatusTally struct {
	PromotionStatus Status
	Handoffs        int
}

// Tally counts alerts that are not resolved and all handoffs.
func (s *Store) Tally(ctx context.Context, actor auth.Actor) ([]AlertTally, []StatusTally, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, nil, err
	}
	rows, err := s.DB.Query(ctx, `SELECT state, severity, count(*) AS alerts FROM alerts WHERE resolved_at IS NULL GROUP BY state, severity`)
	if err != nil {
		return nil, nil, err
	}
	alerts, err := pgx.CollectRows(rows, pgx.RowToStructByName[AlertTally])
	if err != nil {
		return nil, nil, err
	}
	rows, err = s.DB.Query(ctx, `SELECT promotion_status, count(*) AS handoffs FROM handoffs GROUP BY promotion_status`)
	if err != nil {
		return nil, nil, err
	}
	handoffs, err := pgx.CollectRows(rows, pgx.RowToStructByName[StatusTally])
	return alerts, handoffs, err
}

// Objectives are the agreed limits of an outcome, by task class.
func (s *Store) Objectives(ctx context.Context, actor auth.Actor, outcome Outcome) (map[string]float64, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	return s.objectives(ctx, outcome)
}
