package labeling

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/telemetry"
)

// copyBlock is how many outbox rows one round takes.
const copyBlock = 2_000

// CopyLabels brings every consensus that changed to the telemetry store and
// returns how many. A row leaves the outbox after the copy is confirmed; a
// repeat changes nothing, since the outbox id is the revision there.
func (s *Store) CopyLabels(ctx context.Context, actor auth.Actor) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	copied := 0
	for {
		n, err := s.copyBlock(ctx)
		if err != nil {
			return copied, fmt.Errorf("copy labels: %w", err)
		}
		copied += n
		if n < copyBlock {
			return copied, nil
		}
	}
}

func (s *Store) copyBlock(ctx context.Context) (int, error) {
	var n int
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, `
			SELECT id, item_id FROM label_outbox
			ORDER BY id
			LIMIT $1
			FOR UPDATE SKIP LOCKED`, copyBlock)
		var ids []int64
		newest := map[int64]int64{} // by item: what it says now is copied once
		var id, item int64
		_, err := pgx.ForEachRow(rows, []any{&id, &item}, func() error {
			ids = append(ids, id)
			newest[item] = id
			return nil
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		n = len(ids)
		copies, err := labelRows(ctx, tx, newest)
		if err != nil {
			return err
		}
		if err := s.Telemetry.CopyLabels(ctx, copies); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM label_outbox WHERE id = ANY($1)`, ids)
		return err
	})
	return n, err
}

// labelRows reads the consensus of the items as it stands. Labels of
// discovery and practice queues are shown and never counted.
func labelRows(ctx context.Context, tx pgx.Tx, newest map[int64]int64) ([]telemetry.LabelRow, error) {
	items := make([]int64, 0, len(newest))
	for item := range newest {
		items = append(items, item)
	}
	rows, _ := tx.Query(ctx, `
		SELECT i.id AS item_id, i.event_id, i.session_id, i.task_class, i.model_version, i.prompt_template_id,
		       coalesce(c.label, '') AS label, q.kind = 'standard' AND i.design <> 'discovery' AS counted,
		       i.event_time, c.decided_at, c.readings, i.design = 'census' AS census
		FROM consensus c
		JOIN items i ON i.id = c.item_id
		JOIN queues q ON q.id = i.queue_id
		WHERE c.item_id = ANY($1)`, items)
	type row struct {
		ItemID           int64
		EventID          uuid.UUID
		SessionID        string
		TaskClass        string
		ModelVersion     string
		PromptTemplateID string
		Label            string
		Counted          bool
		EventTime        time.Time
		DecidedAt        time.Time
		Readings         int
		Census           bool
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, err
	}
	copies := make([]telemetry.LabelRow, len(list))
	for i, r := range list {
		source := "queue"
		if r.Census {
			source = "import"
		}
		copies[i] = telemetry.LabelRow{
			EventID: r.EventID, SessionID: r.SessionID, TaskClass: r.TaskClass, ModelVersion: r.ModelVersion, PromptTemplateID: r.PromptTemplateID,
			Label: r.Label, Counted: r.Counted, Timestamp: r.EventTime, LabeledAt: r.DecidedAt, Labels: r.Readings,
			Source: source, Revision: newest[r.ItemID],
		}
	}
	return copies, nil
}
