package labeling

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
)

// Run is one run of the rules over what landed in the telemetry store during
// [LandedFrom, LandedTo).
type Run struct {
	ID         int64
	LandedFrom time.Time
	LandedTo   time.Time
	StartedAt  time.Time
	FinishedAt *time.Time
	Considered int64
	Decided    int64
	Added      int64
	Flagged    int64
	LeftOut    int64
	Unread     int64
}

// beginning is before everything that ever landed.
var beginning = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// BeginRun opens a run that begins where the newest finished one ended. It
// reports false when one that finished has seen everything up to seen: what
// landed there has been considered.
func (s *Store) BeginRun(ctx context.Context, actor auth.Actor, seen, now time.Time) (Run, bool, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return Run{}, false, err
	}
	from := beginning
	err := s.DB.QueryRow(ctx, `
		SELECT coalesce((SELECT landed_to FROM rule_runs WHERE finished_at IS NOT NULL ORDER BY landed_to DESC LIMIT 1), $1)`, beginning).Scan(&from)
	if err != nil {
		return Run{}, false, fmt.Errorf("begin a run of the rules: %w", err)
	}
	if from.After(seen) {
		return Run{}, false, nil
	}
	run := Run{LandedFrom: from, LandedTo: now}
	if now.Before(from) { // a clock was set back
		run.LandedTo = from
	}
	err = s.DB.QueryRow(ctx, `
		INSERT INTO rule_runs (landed_from, landed_to) VALUES ($1, $2) RETURNING id, started_at`, run.LandedFrom, run.LandedTo).Scan(&run.ID, &run.StartedAt)
	return run, true, err
}

// EndRun says what the run did. A run that found nothing is forgotten, but for
// the newest, which marks how far the rules have come.
func (s *Store) EndRun(ctx context.Context, actor auth.Actor, run Run, filled Filled) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	_, err := s.DB.Exec(ctx, `
		UPDATE rule_runs
		SET finished_at = clock_timestamp(), considered = $2, decided = $3, added = $4, flagged = $5, left_out = $6, unread = $7
		WHERE id = $1`, run.ID, filled.Considered, filled.Decided, filled.Added, filled.Flagged, filled.LeftOut, filled.Unread)
	if err != nil {
		return fmt.Errorf("end run %d of the rules: %w", run.ID, err)
	}
	_, err = s.DB.Exec(ctx, `
		DELETE FROM rule_runs
		WHERE id < $1 AND (considered = 0 AND finished_at IS NOT NULL OR finished_at IS NULL AND started_at < now() - interval '1 day')`, run.ID)
	return err
}

// LastRun returns the newest run that added something, and false when there
// was none.
func (s *Store) LastRun(ctx context.Context, actor auth.Actor) (Run, bool, error) {
	if err := mayReadQueues(actor); err != nil {
		return Run{}, false, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT id, landed_from, landed_to, started_at, finished_at, considered, decided, added, flagged, left_out, unread
		FROM rule_runs
		WHERE finished_at IS NOT NULL
		ORDER BY added > 0 DESC, id DESC
		LIMIT 1`)
	runs, err := pgx.CollectRows(rows, pgx.RowToStructByName[Run])
	if err != nil || len(runs) == 0 {
		return Run{}, false, err
	}
	return runs[0], true, nil
}

// Plus adds what another part of a run did.
func (f Filled) Plus(o Filled) Filled {
	return Filled{
		f.Considered + o.Considered, f.Decided + o.Decided, f.Added + o.Added,
		f.Flagged + o.Flagged, f.LeftOut + o.LeftOut, f.Unread + o.Unread,
	}
}
