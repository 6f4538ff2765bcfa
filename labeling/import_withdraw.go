package labeling

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/postgres"
)

// importWithdrawn is why an item is not in its queue any more.
const importWithdrawn = "its import was withdrawn"

// Withdraw takes the labels of an import back, block by block. Nothing said is
// overwritten: each gets a revision that says what its labeler had said before
// the import, or nothing. An item that is left without a label goes back into
// the sample it was drawn from, or out of its queue when the import had put it
// there. Labels over which a reviewer has decided stay beside the decision. It
// may be repeated.
func (s *Store) Withdraw(ctx context.Context, actor auth.Actor, id int64) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	for {
		var left int
		err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) (err error) {
			left, err = s.withdrawBlock(ctx, tx, id)
			return err
		})
		if err != nil {
			return fmt.Errorf("withdraw import %d: %w", id, err)
		}
		if left == 0 {
			return nil
		}
	}
}

// given is a label of an import that stands, and what its labeler had said
// before it.
type given struct {
	ID        int64
	ItemID    int64
	EventID   uuid.UUID
	LabelerID int64
	Before    *int64 // the label's id; nil: nothing
}

// standsFrom are the labels l of the import $1 that stand and are not decided over.
const standsFrom = `
	FROM labels l
	WHERE l.import_id = $1 AND l.label IS NOT NULL AND l.idempotency_key NOT LIKE 'withdraw/%'
	  AND NOT EXISTS (SELECT FROM labels n WHERE n.item_id = l.item_id AND n.labeler_id = l.labeler_id AND n.revision > l.revision)`

const notDecided = ` AND NOT EXISTS (SELECT FROM adjudications a WHERE a.item_id = l.item_id)`

func (s *Store) withdrawBlock(ctx context.Context, tx pgx.Tx, id int64) (int, error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, considerLock); err != nil {
		return 0, err
	}
	m, err := importOf(ctx, tx, id)
	if err != nil || m.State != "withdrawing" {
		return 0, err
	}
	rows, _ := tx.Query(ctx, `
		SELECT l.id, l.item_id, l.event_id, l.labeler_id, (
			SELECT b.id FROM labels b
			WHERE b.item_id = l.item_id AND b.labeler_id = l.labeler_id AND b.revision < l.revision AND b.import_id IS DISTINCT FROM l.import_id
			ORDER BY b.revision DESC
			LIMIT 1) AS before`+standsFrom+notDecided+`
		ORDER BY l.id
		LIMIT $2`, id, importBlock)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[given])
	if err != nil {
		return 0, err
	}
	if len(list) == 0 {
		_, err := tx.Exec(ctx, `
			UPDATE imports SET state = 'withdrawn', finished_at = clock_timestamp(), kept = (SELECT count(*)`+standsFrom+`)
			WHERE id = $1`, id)
		return 0, err
	}
	items, err := withdrawLabels(ctx, tx, list)
	if err != nil {
		return 0, err
	}
	if err := settleAll(ctx, tx, items); err != nil {
		return 0, err
	}
	if err := reopen(ctx, tx, m.RequestedBy, items); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, `UPDATE imports SET withdrawn = withdrawn + $2 WHERE id = $1`, id, len(list)); err != nil {
		return 0, err
	}
	return len(list), s.tell(ctx, tx, 0)
}

// withdrawLabels adds the revisions; the database gives back the places that are
// free now (labels_give_back).
func withdrawLabels(ctx context.Context, tx pgx.Tx, list []given) ([]*importedItem, error) {
	batch := &pgx.Batch{}
	var ids []int64
	events := map[int64]uuid.UUID{}
	for _, g := range list {
		if _, again := events[g.ItemID]; !again {
			ids = append(ids, g.ItemID)
		}
		events[g.ItemID] = g.EventID
	}
	if _, err := tx.Exec(ctx, `SELECT FROM items WHERE id = ANY($1) ORDER BY id DESC FOR UPDATE`, ids); err != nil {
		return nil, err
	}
	for _, g := range list {
		batch.Queue(`
			WITH l AS (
				INSERT INTO labels (item_id, queue_id, event_id, labeler_id, revision, label, reasons, spans, confidence, source, provenance,
				                    idempotency_key, labeled_at, elapsed_ms, import_id)
				SELECT l.item_id, l.queue_id, l.event_id, l.labeler_id, l.revision + 1, b.label, coalesce(b.reasons, '{}'), coalesce(b.spans, '[]'),
				       b.confidence, 'import', coalesce(b.provenance, '{}'), 'withdraw/' || l.id, coalesce(b.labeled_at, clock_timestamp()),
				       b.elapsed_ms, coalesce(b.import_id, l.import_id)
				FROM labels l LEFT JOIN labels b ON b.id = $2
				WHERE l.id = $1
				RETURNING id, label
			), t AS (
				INSERT INTO label_texts (label_id, correction, note)
				SELECT l.id, w.correction, w.note FROM l JOIN label_texts w ON w.label_id = $2
			)
			SELECT`, g.ID, g.Before)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	items := make([]*importedItem, len(ids))
	for i, id := range ids {
		items[i] = &importedItem{ID: id, EventID: events[id]}
	}
	return items, nil
}

// reopen undoes what the import had decided of items that have no label left.
func reopen(ctx context.Context, tx pgx.Tx, by string, items []*importedItem) error {
	var ids []int64
	for _, item := range items {
		ids = append(ids, item.ID)
	}
	rows, _ := tx.Query(ctx, `
		SELECT id FROM items
		WHERE id = ANY($1) AND design = 'census' AND labeled = 0 AND taken = 0
		ORDER BY id`, ids)
	bare, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(bare) == 0 {
		return err
	}
	batch := &pgx.Batch{}
	// What was decided before the import holds again. What nobody had decided
	// stays unread: it counts in its frame and was not drawn.
	batch.Queue(`
		INSERT INTO sampling_decisions (queue_id, event_id, event_time, frame_day, task_class, priority_class, model_version,
		                                design, salt_id, u, rule_id, keep, readable, selected, reason, part, supersedes)
		SELECT d.queue_id, d.event_id, d.event_time, d.frame_day, d.task_class, d.priority_class, d.model_version,
		       coalesce(b.design, 'bottom_k'), d.salt_id, d.u, coalesce(b.rule_id, d.rule_id), coalesce(b.keep, d.keep), d.readable,
		       coalesce(b.selected, false), coalesce(b.reason, 'removed'), coalesce(b.part, ''), d.id
		FROM sampling_decisions d
		JOIN items i ON i.queue_id = d.queue_id AND i.event_id = d.event_id
		LEFT JOIN sampling_decisions b ON b.id = d.supersedes
		WHERE i.id = ANY($1) AND d.design = 'census'
		  AND NOT EXISTS (SELECT FROM sampling_decisions later WHERE later.supersedes = d.id)`, bare)
	batch.Queue(`
		UPDATE items i
		SET design = d.design, part = d.part, rule_id = d.rule_id, pi = NULL, source = 'rule',
		    wanted = greatest(q.labels_wanted, CASE WHEN i.second_drawn THEN 2 ELSE 1 END)
		FROM sampling_decisions d, queues q
		WHERE i.id = ANY($1) AND d.queue_id = i.queue_id AND d.event_id = i.event_id AND d.selected AND q.id = i.queue_id
		  AND NOT EXISTS (SELECT FROM sampling_decisions later WHERE later.supersedes = d.id)`, bare)
	batch.Queue(`
		UPDATE items
		SET design = 'discovery', pi = NULL, removed_at = clock_timestamp(), removed_by = $2, removed_reason = $3
		WHERE id = ANY($1) AND design = 'census' AND removed_at IS NULL`, bare, by, importWithdrawn)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("reopen %d items: %w", len(bare), err)
	}
	return nil
}
