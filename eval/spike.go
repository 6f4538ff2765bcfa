package eval

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/stats"
	"assay/telemetry"
)

// Seen says of each task class whether its rate of the last 24 hours spikes,
// is calm, or neither: what the share of kept text follows. A rate over its
// objective is a spike; one within it is calm, and so is one of too few labels
// for a limit whose estimate does not exceed it.
func (s *Store) Seen(ctx context.Context, actor auth.Actor, now time.Time) (map[string]telemetry.Seen, error) {
	rates, err := s.Rates(ctx, actor, RateFilter{From: now.Add(-24 * time.Hour), To: now, ByTaskClass: true})
	if err != nil {
		return nil, err
	}
	open, err := s.openClasses(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]telemetry.Seen{}
	for _, r := range rates.Rows {
		seen[r.TaskClass] = telemetry.Seen{Signal: r.signal()}
	}
	for _, class := range open {
		seen[class] = telemetry.Seen{Signal: seen[class].Signal, Incident: true}
	}
	return seen, nil
}

// openClasses are the task classes with an open incident.
func (s *Store) openClasses(ctx context.Context) ([]string, error) {
	rows, err := s.DB.Query(ctx, `SELECT DISTINCT task_class FROM incidents WHERE closed_at IS NULL AND task_class <> ''`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (r Rate) signal() stats.Signal {
	switch {
	case r.Objective == nil:
		return stats.Calm
	case r.Labels >= leastLabels && r.Defined && r.Low > *r.Objective:
		return stats.Spike
	case r.Standing == Within, r.Bad == 0, r.Defined && r.Value <= *r.Objective && r.Labels < leastLabels:
		return stats.Calm
	}
	return stats.Steady
}
