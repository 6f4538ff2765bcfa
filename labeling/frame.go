package labeling

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/postgres"
)

// Closed says what closing frames did.
type Closed struct {
	Counted  int // days whose totals were counted again
	Closings int // strata and days whose probability was written
}

// closesAfter is how long after its end a day may still change before its
// first closing: most late events and leases are over by then.
const closesAfter = 24 * time.Hour

// CloseFrames counts the totals of the days that moved, and writes the
// inclusion probability of every stratum and day that has ended and moved
// since it was last closed. Late events and late labels close a frame again;
// earlier closings stay. Safe to repeat.
func (s *Store) CloseFrames(ctx context.Context, actor auth.Actor, now time.Time) (Closed, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return Closed{}, err
	}
	var done Closed
	days, err := s.daysToCount(ctx, now)
	if err != nil {
		return done, fmt.Errorf("count frames: %w", err)
	}
	for _, day := range days {
		if err := s.countFrame(ctx, actor, day); err != nil {
			return done, err
		}
		done.Counted++
	}
	days, err = s.daysToClose(ctx, now)
	if err != nil {
		return done, fmt.Errorf("close frames: %w", err)
	}
	for _, day := range days {
		closings, err := s.closeFrame(ctx, actor, day)
		if err != nil {
			return done, fmt.Errorf("close frame %s: %w", day.Format(time.DateOnly), err)
		}
		done.Closings += closings
	}
	return done, nil
}

// daysToCount lists the days with decisions newer than their totals, and the
// current day and the one before.
func (s *Store) daysToCount(ctx context.Context, now time.Time) ([]time.Time, error) {
	rows, _ := s.DB.Query(ctx, `
		WITH decided AS (
			SELECT frame_day, max(decided_at) AS decided_at FROM sampling_decisions GROUP BY frame_day
		), counted AS (
			SELECT frame_day, max(counted_at) AS counted_at FROM frame_totals GROUP BY frame_day
		)
		SELECT d.frame_day FROM decided d LEFT JOIN counted c USING (frame_day)
		WHERE c.counted_at IS NULL OR c.counted_at <= d.decided_at OR d.frame_day >= $1
		ORDER BY 1`, frameDay(now.Add(-24*time.Hour)))
	return pgx.CollectRows(rows, pgx.RowTo[time.Time])
}

// countFrame replaces a day's totals by the telemetry store's exact count.
func (s *Store) countFrame(ctx context.Context, actor auth.Actor, day time.Time) error {
	if s.Telemetry == nil {
		return errors.New("no telemetry store to count frames in")
	}
	totals, err := s.Telemetry.FrameTotals(ctx, actor, day)
	if err != nil {
		return fmt.Errorf("count frame %s: %w", day.Format(time.DateOnly), err)
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM frame_totals WHERE frame_day = $1`, day); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		for _, t := range totals {
			batch.Queue(`
				INSERT INTO frame_totals (frame_day, task_class, priority_class, model_version, responses, readable)
				VALUES ($1, $2, $3, $4, $5, $6)`, day, t.TaskClass, t.PriorityClass, t.ModelVersion, t.Responses, t.Readable)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
}

// daysToClose lists the ended days on which something moved since they were
// last closed.
func (s *Store) daysToClose(ctx context.Context, now time.Time) ([]time.Time, error) {
	rows, _ := s.DB.Query(ctx, `
		WITH moved AS (
			SELECT frame_day, max(at) AS at FROM (
				SELECT frame_day, max(decided_at) AS at FROM sampling_decisions GROUP BY frame_day
				UNION ALL
				SELECT i.frame_day, max(c.decided_at) FROM consensus c JOIN items i ON i.id = c.item_id GROUP BY i.frame_day
				UNION ALL
				SELECT i.frame_day, max(r.ended_at) FROM reservations r JOIN items i ON i.id = r.item_id GROUP BY i.frame_day
			) AS all_of_it
			GROUP BY frame_day
		), closed AS (
			SELECT frame_day, max(closed_at) AS at FROM frame_closings GROUP BY frame_day
		)
		SELECT m.frame_day FROM moved m LEFT JOIN closed c USING (frame_day)
		WHERE m.frame_day < $1 AND (c.at IS NULL OR c.at <= m.at)
		ORDER BY 1`, frameDay(now.Add(-closesAfter)))
	return pgx.CollectRows(rows, pgx.RowTo[time.Time])
}

// closing is what a stratum came to on a day.
type closing struct {
	queue    int64
	class    PriorityClass
	part     string
	tau      float64
	all      int64
	readable int64
	sampled  int64
	labeled  int64
}

// closingKey is a stratum of a queue on the day that closes.
type closingKey struct {
	class PriorityClass
	part  string
}

func (c closing) pi() float64 {
	if c.readable == 0 {
		return 0
	}
	return math.Min(1, float64(c.sampled)/float64(c.readable))
}

// closeFrame writes the probability of each stratum of a day, where it is
// another than at the last closing.
func (s *Store) closeFrame(ctx context.Context, actor auth.Actor, day time.Time) (int, error) {
	cells, err := s.Sample(ctx, actor, SampleFilter{From: day, To: day.Add(24 * time.Hour)})
	if err != nil {
		return 0, err
	}
	strata := map[string]map[closingKey]*closing{}
	for _, cell := range cells {
		if cell.Design != "bottom_k" {
			continue
		}
		if strata[cell.TaskClass] == nil {
			strata[cell.TaskClass] = map[closingKey]*closing{}
		}
		key := closingKey{cell.PriorityClass, cell.Part}
		c := strata[cell.TaskClass][key]
		if c == nil {
			c = &closing{class: cell.PriorityClass, part: cell.Part, tau: cell.Tau}
			strata[cell.TaskClass][key] = c
		}
		c.all += cell.Responses
		c.readable += cell.Readable
		c.sampled += cell.Sampled
		c.labeled += cell.Labels.All()
	}
	written := 0
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		for taskClass, classes := range strata {
			queue, err := oneQueue(ctx, tx, `kind = 'standard' AND archived_at IS NULL AND task_class = $1`, taskClass)
			if err != nil {
				return err
			}
			for _, c := range classes {
				c.queue = queue.ID
				wrote, err := writeClosing(ctx, tx, day, *c)
				if err != nil {
					return err
				}
				written += wrote
			}
		}
		return nil
	})
	return written, err
}

func writeClosing(ctx context.Context, tx pgx.Tx, day time.Time, c closing) (int, error) {
	tag, err := tx.Exec(ctx, `
		WITH last AS (
			SELECT * FROM frame_closings
			WHERE queue_id = $1 AND frame_day = $2 AND priority_class = $3 AND part = $10
			ORDER BY closing DESC
			LIMIT 1
		)
		INSERT INTO frame_closings (queue_id, frame_day, priority_class, closing, tau, responses, readable, sampled, labeled, pi, part)
		SELECT $1, $2, $3, coalesce((SELECT closing FROM last), 0) + 1, $4, $5, $6, $7, $8, $9, $10
		WHERE NOT EXISTS (SELECT FROM last WHERE (tau, responses, readable, sampled, labeled) = ($4, $5, $6, $7, $8))`,
		c.queue, day, c.class, c.tau, c.all, c.readable, c.sampled, c.labeled, c.pi(), c.part)
	if err != nil || tag.RowsAffected() == 0 {
		return 0, err
	}
	_, err = tx.Exec(ctx, `
		UPDATE items
		SET pi = CASE WHEN u < $4 THEN nullif($5::float8, 0) END
		WHERE queue_id = $1 AND frame_day = $2 AND priority_class = $3 AND part = $6 AND design = 'bottom_k'`,
		c.queue, day, c.class, c.tau, c.pi(), c.part)
	return 1, err
}
