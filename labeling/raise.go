package labeling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/stats"
	"assay/telemetry"
)

// Raise is what the caps and shares of a queue's rules are multiplied with.
type Raise struct {
	Factor float64 // 1 to 16
	Why    string  // spike, incident, calm
	At     time.Time
}

// mostRaised bounds how far human sampling of a queue rises.
const mostRaised = 16

// raising is the rule of adapting, whose rate is a share of mostRaised: up by
// four in a spike, down by half each six hours once it has been calm twice.
func raising() stats.AdaptiveRule {
	rule := stats.DefaultAdaptive
	rule.Base, rule.Max = 1.0/mostRaised, 1
	return rule
}

// factorOf is the factor of a rate: a power of two, so that it holds for a
// while.
func factorOf(rate float64) float64 {
	return math.Exp2(math.Floor(math.Log2(rate*mostRaised) + 1e-9))
}

// Adapt moves how much of each queue people are given by what was seen of its
// task class (statistics.md 9), and says how many queues that changed. What was
// left out of a raised queue earlier that day is considered again. It is for a
// job, once an hour.
func (s *Store) Adapt(ctx context.Context, actor auth.Actor, seen map[string]telemetry.Seen, now time.Time) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	rows, _ := s.DB.Query(ctx, `SELECT `+queueColumns+` FROM queues WHERE kind = 'standard' AND archived_at IS NULL ORDER BY id`)
	queues, err := pgx.CollectRows(rows, pgx.RowToStructByName[Queue])
	if err != nil {
		return 0, err
	}
	changed := 0
	for _, queue := range queues {
		moved, err := s.adaptQueue(ctx, actor, queue, seen[queue.TaskClass], now)
		if err != nil {
			return changed, fmt.Errorf("adapt queue %s: %w", queue.Slug, err)
		}
		if moved {
			changed++
		}
	}
	return changed, nil
}

func (s *Store) adaptQueue(ctx context.Context, actor auth.Actor, queue Queue, seen telemetry.Seen, now time.Time) (moved bool, err error) {
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		// A rule that fills meanwhile has one factor from its first response to its last.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, considerLock); err != nil {
			return err
		}
		before, err := adaptingOf(ctx, tx, queue.ID)
		if err != nil {
			return err
		}
		after, err := raising().Next(before, now, seen.SignalAt(before.Rate, raising().Base), seen.Incident)
		if err != nil {
			return err
		}
		if err := rememberAdapting(ctx, tx, queue.ID, after); err != nil {
			return err
		}
		from, to := factorOf(cmp.Or(before.Rate, raising().Base)), factorOf(after.Rate)
		if from == to {
			return nil
		}
		moved = true
		return s.raise(ctx, tx, actor, queue, Raise{Factor: to, Why: whyRaised(seen, to > from), At: now}, to > from)
	})
	return moved, err
}

func whyRaised(seen telemetry.Seen, up bool) string {
	switch {
	case !up:
		return "calm"
	case seen.Incident:
		return "incident"
	}
	return "spike"
}

// raise writes the factor that is in force from now on.
func (s *Store) raise(ctx context.Context, tx pgx.Tx, actor auth.Actor, queue Queue, r Raise, up bool) error {
	_, err := tx.Exec(ctx, `INSERT INTO queue_raises (queue_id, factor, why, at) VALUES ($1, $2, $3, $4)`, queue.ID, r.Factor, r.Why, r.At)
	if err != nil {
		return err
	}
	action := "queue.lower"
	if up {
		action = "queue.raise"
		if err := s.askBackfill(ctx, tx, queue, frameDay(r.At), actor.Name); err != nil {
			return err
		}
	}
	return audit.Record(ctx, tx, audit.Entry{
		Actor: actor, Action: action, Object: "queue/" + queue.Slug, What: fmt.Sprintf("caps and shares times %g: %s", r.Factor, r.Why), After: r,
	})
}

func adaptingOf(ctx context.Context, tx pgx.Tx, queue int64) (state stats.AdaptiveState, err error) {
	var raised, evaluated *time.Time
	err = tx.QueryRow(ctx, `SELECT rate, epoch, raised_at, evaluated_at, quiet FROM queue_adapting WHERE queue_id = $1`, queue).
		Scan(&state.Rate, &state.Epoch, &raised, &evaluated, &state.Quiet)
	if errors.Is(err, pgx.ErrNoRows) {
		return stats.AdaptiveState{}, nil
	}
	if raised != nil {
		state.RaisedAt = *raised
	}
	if evaluated != nil {
		state.Evaluated = *evaluated
	}
	return state, err
}

func rememberAdapting(ctx context.Context, tx pgx.Tx, queue int64, state stats.AdaptiveState) error {
	raised, evaluated := &state.RaisedAt, &state.Evaluated
	if raised.IsZero() {
		raised = nil
	}
	if evaluated.IsZero() {
		evaluated = nil
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO queue_adapting (queue_id, rate, epoch, raised_at, evaluated_at, quiet)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (queue_id) DO UPDATE SET (rate, epoch, raised_at, evaluated_at, quiet)
		  = (EXCLUDED.rate, EXCLUDED.epoch, EXCLUDED.raised_at, EXCLUDED.evaluated_at, EXCLUDED.quiet)`,
		queue, state.Rate, state.Epoch, raised, evaluated, state.Quiet)
	return err
}

// raises are the factors a queue had, the oldest first.
type raises []Raise

func raisesOf(ctx context.Context, db postgres.DB, queue int64) (raises, error) {
	rows, _ := db.Query(ctx, `SELECT factor, why, at FROM queue_raises WHERE queue_id = $1 ORDER BY at, id`, queue)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Raise])
	if err != nil {
		return nil, fmt.Errorf("raises of queue %d: %w", queue, err)
	}
	return list, nil
}

// on is the factor of a day: the largest that was in force on it.
func (list raises) on(day time.Time) float64 {
	factor := 1.0
	for _, r := range list {
		switch {
		case r.At.Before(day):
			factor = r.Factor
		case r.At.Before(day.AddDate(0, 0, 1)):
			factor = max(factor, r.Factor)
		}
	}
	return factor
}

// raised is the rule as it stands on a day.
func (r Rule) raised(factor float64) Rule {
	if factor == 1 {
		return r
	}
	r.Share = min(1, r.drawn()*factor)
	for _, limit := range []**int{&r.CapSafety, &r.CapNegative, &r.CapImplicit, &r.CapRandom} {
		if *limit != nil {
			more := min(maxCap, int(float64(**limit)*factor))
			*limit = &more
		}
	}
	return r
}

// Raised returns the raise in force of a queue, and false when there is none.
func (s *Store) Raised(ctx context.Context, actor auth.Actor, queue Queue, now time.Time) (Raise, bool, error) {
	if err := mayReadQueues(actor); err != nil {
		return Raise{}, false, err
	}
	list, err := raisesOf(ctx, s.DB, queue.ID)
	if err != nil || len(list) == 0 {
		return Raise{}, false, err
	}
	last := list[len(list)-1]
	return last, last.Factor > 1, nil
}
