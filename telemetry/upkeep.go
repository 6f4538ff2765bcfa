package telemetry

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/postgres"
)

const (
	inboxDays  = 14 // for how long drained batches stay, to rebuild ClickHouse from
	letterDays = 90
)

// Swept says what one sweep removed.
type Swept struct {
	Days    int
	Letters int64
}

// Sweep opens the days to come, drops drained days of the inbox after 14 and
// ids after 35, seals the ids of days that are over, and drops old dead letters. Once a day is often enough; twice
// changes nothing.
func (s *Store) Sweep(ctx context.Context, actor auth.Actor) (Swept, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return Swept{}, err
	}
	now := s.now()
	if err := s.openDays(ctx, now); err != nil {
		return Swept{}, err
	}
	var swept Swept
	err := s.DB.QueryRow(ctx, `SELECT drop_inbox_days($1, $2)`,
		day(now).AddDate(0, 0, -inboxDays), day(now).AddDate(0, 0, -idDays)).Scan(&swept.Days)
	if err != nil {
		return Swept{}, err
	}
	if err := s.sealDays(ctx, now); err != nil {
		return swept, err
	}
	tag, err := s.DB.Exec(ctx, `DELETE FROM dead_letters WHERE at < $1`, now.AddDate(0, 0, -letterDays))
	swept.Letters = tag.RowsAffected()
	if err != nil {
		return swept, err
	}
	return swept, s.sweepThreads(ctx, now)
}

// Rebuild sends what was received on a day or later to ClickHouse once more,
// as far back as the inbox reaches: after ClickHouse lost its disk. What it
// has already counts once all the same. It returns the number of events; they
// can be read when they were drained.
func (s *Store) Rebuild(ctx context.Context, actor auth.Actor, from time.Time) (int64, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	var events int64
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			WITH again AS (
				UPDATE inbox
				SET drained_at = NULL, block = NULL, claimed_until = NULL
				WHERE day >= $1 AND drained_at IS NOT NULL
				RETURNING events
			)
			SELECT coalesce(sum(events), 0)
			FROM again`, day(from)).Scan(&events)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "telemetry.rebuild", Object: "inbox/" + day(from).Format(time.DateOnly),
			What: fmt.Sprintf("%d events", events),
		})
	})
	return events, err
}
