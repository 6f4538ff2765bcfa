package labeling

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// datasetTries is how often freezing a version or writing a file is tried
// before a person is told: with River's pauses, for about two minutes.
const datasetTries = 4

// InsertOpts bounds how often a version is tried.
func (Frozen) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: datasetTries} }

// InsertOpts bounds how often a file is tried.
func (ExportRequested) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: datasetTries}
}

// Two writers of one version or file exclude each other: a job that is found
// again by its age may still be at it.
const (
	freezeLock = 7218
	exportLock = 7219
)

// ErrAtWork is returned when somebody else has the version or file in hand:
// ask again in a moment, they may yet fall.
var ErrAtWork = errors.New("somebody else is at it")

// takeUp has the version or file in hand to the end of the transaction.
func takeUp(ctx context.Context, tx pgx.Tx, lock int, id int64) error {
	var ours bool
	err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1, $2::int)`, lock, id).Scan(&ours)
	if err == nil && !ours {
		err = ErrAtWork
	}
	return err
}

const longestWhy = 300

// FailVersion marks a version that could not be frozen, with the reason for
// people. One that is frozen meanwhile stays so.
func (s *Store) FailVersion(ctx context.Context, actor auth.Actor, id int64, why string) error {
	return s.failed(ctx, actor, `UPDATE dataset_versions SET state = 'failed', failed_why = $2 WHERE id = $1 AND state = 'freezing'`, id, why)
}

// FailExport marks a file that could not be written, with the reason for
// people. One that is written meanwhile stays so.
func (s *Store) FailExport(ctx context.Context, actor auth.Actor, id int64, why string) error {
	return s.failed(ctx, actor, `UPDATE exports SET state = 'failed', failed_why = $2, finished_at = clock_timestamp() WHERE id = $1 AND state = 'waiting'`, id, why)
}

func (s *Store) failed(ctx context.Context, actor auth.Actor, sql string, id int64, why string) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	if _, err := s.DB.Exec(ctx, sql, id, why[:min(len(why), longestWhy)]); err != nil {
		return fmt.Errorf("mark %d as failed: %w", id, err)
	}
	return nil
}

// RetryVersion has a version that failed frozen again, of what its filter
// selects now: nothing of it was kept, and nobody has seen it.
func (s *Store) RetryVersion(ctx context.Context, actor auth.Actor, id int64) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	return s.retry(ctx, actor, id, Frozen{VersionID: id}, `
		UPDATE dataset_versions v SET state = 'freezing', failed_why = '', done = 0
		FROM datasets d
		WHERE v.id = $1 AND v.state = 'failed' AND d.id = v.dataset_id
		RETURNING d.slug, 'version ' || v.version`)
}

// RetryExport has a file that failed written again.
func (s *Store) RetryExport(ctx context.Context, actor auth.Actor, id int64) error {
	if err := actor.Require(auth.ExportLabels); err != nil {
		return err
	}
	return s.retry(ctx, actor, id, ExportRequested{ExportID: id}, `
		UPDATE exports e SET state = 'waiting', failed_why = '', done = 0, finished_at = NULL
		FROM dataset_versions v JOIN datasets d ON d.id = v.dataset_id
		WHERE e.id = $1 AND e.state = 'failed' AND v.id = e.version_id
		RETURNING d.slug, e.format || ' of version ' || v.version`)
}

func (s *Store) retry(ctx context.Context, actor auth.Actor, id int64, job river.JobArgs, sql string) error {
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var slug, what string
		err := tx.QueryRow(ctx, sql, id).Scan(&slug, &what)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.Conflict, "This did not fail, or somebody else had it tried again.")
		}
		if err != nil {
			return fmt.Errorf("retry %d: %w", id, err)
		}
		err = audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "dataset.retry", Object: "dataset/" + slug, What: strings.TrimSpace(what)})
		if err != nil || s.Jobs == nil {
			return err
		}
		_, err = s.Jobs.InsertTx(ctx, tx, job, nil)
		return err
	})
}
