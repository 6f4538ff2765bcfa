package validators

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/postgres"
)

// Copy is a verdict on its way to the telemetry store. Its id is the version
// there: the highest of a validator stands.
type Copy struct {
	ID           int64
	SessionID    string
	TaskClass    string
	ModelVersion string
	verdictRow
}

// Said is the verdict.
func (c Copy) Said() Verdict { return c.verdict() }

const copyBlock = 1_000

// CopyVerdicts hands every verdict that has not reached the telemetry store to
// copy, in blocks, and returns how many. A block leaves the outbox when copy
// has returned without error; copying twice must change nothing.
func (s *Store) CopyVerdicts(ctx context.Context, actor auth.Actor, copy func(context.Context, []Copy) error) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	copied := 0
	for {
		n, err := s.copyBlock(ctx, copy)
		copied += n
		if err != nil || n < copyBlock {
			return copied, err
		}
	}
}

func (s *Store) copyBlock(ctx context.Context, copy func(context.Context, []Copy) error) (int, error) {
	var n int
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, `
			SELECT v.id, v.session_id, v.task_class, v.model_version,`+verdictColumns+`
			FROM (
				SELECT verdict_id FROM verdict_outbox
				ORDER BY verdict_id
				LIMIT $1
				FOR UPDATE SKIP LOCKED
			) o
			JOIN verdicts v ON v.id = o.verdict_id
			LEFT JOIN verdict_texts t ON t.verdict_id = v.id
			ORDER BY v.id`, copyBlock)
		block, err := pgx.CollectRows(rows, pgx.RowToStructByName[Copy])
		if err != nil || len(block) == 0 {
			return err
		}
		if err := copy(ctx, block); err != nil {
			return err
		}
		ids := make([]int64, len(block))
		for i, c := range block {
			ids[i] = c.ID
		}
		n = len(block)
		_, err = tx.Exec(ctx, `DELETE FROM verdict_outbox WHERE verdict_id = ANY($1)`, ids)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("copy verdicts: %w", err)
	}
	return n, nil
}
