package labeling

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/retention"
)

// Texts is the place of what items and labels say in words: snapshots, titles,
// drafts, notes, corrections, disputes, comments. Decisions, labels and probabilities stay, so
// that no rate changes when a text goes; an item that nobody labeled leaves
// its queue as nonresponse.
type Texts struct{ *Store }

// Name says which place this is.
func (Texts) Name() string { return "items, drafts and notes" }

const goesAtOnce = 1000

// Overdue counts items whose text is over.
func (t Texts) Overdue(ctx context.Context, c retention.Cutoff) (n int64, err error) {
	err = t.eachDue(ctx, auth.Product(), c, func(ids []int64) error {
		n += int64(len(ids))
		return nil
	})
	return n, err
}

// Expire empties them.
func (t Texts) Expire(ctx context.Context, actor auth.Actor, c retention.Cutoff) (n int64, err error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	err = t.eachDue(ctx, actor, c, func(ids []int64) error {
		n += int64(len(ids))
		return t.empty(ctx, ids, "its text is over")
	})
	return n, err
}

// eachDue hands out the items whose text is over, some at a time. Text that
// the telemetry store holds beyond its time (a legal hold, a replay) is held
// here too.
func (t Texts) eachDue(ctx context.Context, actor auth.Actor, c retention.Cutoff, each func([]int64) error) error {
	for after := int64(0); ; {
		rows, _ := t.DB.Query(ctx, `
			SELECT id, event_id
			FROM items
			WHERE id > $1 AND (snapshot IS NOT NULL OR title <> '') AND NOT session_id = ANY($2)
			  AND added_at < CASE WHEN labeled = 0 THEN $3::timestamptz ELSE $4 END
			ORDER BY id
			LIMIT $5`, after, c.Held, c.TextBefore(), c.LabeledBefore(), goesAtOnce)
		type due struct {
			ID      int64
			EventID uuid.UUID
		}
		list, err := pgx.CollectRows(rows, pgx.RowToStructByName[due])
		if err != nil || len(list) == 0 {
			return err
		}
		after = list[len(list)-1].ID
		events := make([]uuid.UUID, len(list))
		for i, d := range list {
			events[i] = d.EventID
		}
		kept := map[uuid.UUID]bool{}
		if t.Telemetry != nil {
			if kept, err = t.Telemetry.KeptBeyond(ctx, actor, events, c.Now); err != nil {
				return err
			}
		}
		var ids []int64
		for _, d := range list {
			if !kept[d.EventID] {
				ids = append(ids, d.ID)
			}
		}
		if len(ids) == 0 {
			continue
		}
		if err := each(ids); err != nil {
			return err
		}
	}
}

// empty takes the words from items and leaves the figures.
func (t Texts) empty(ctx context.Context, items []int64, why string) error {
	return postgres.InTx(ctx, t.DB, func(tx pgx.Tx) error {
		for _, sql := range []string{
			`UPDATE label_texts SET correction = '', note = '' WHERE label_id IN (SELECT id FROM labels WHERE item_id = ANY($1))`,
			`UPDATE adjudication_texts SET reason = '' WHERE adjudication_id IN (SELECT id FROM adjudications WHERE item_id = ANY($1))`,
			`UPDATE dispute_texts SET objection = '', decision = '' WHERE dispute_id IN (SELECT id FROM disputes WHERE item_id = ANY($1))`,
			`UPDATE comment_texts SET body = '' WHERE comment_id IN (SELECT id FROM comments WHERE item_id = ANY($1))`,
			`UPDATE gold SET why = 'gone with its text', retired_at = coalesce(retired_at, now()), retired_why = coalesce(nullif(retired_why, ''), 'its text is over') WHERE item_id = ANY($1)`,
			`DELETE FROM drafts WHERE item_id = ANY($1)`,
			`DELETE FROM put_texts WHERE item_id = ANY($1)`,
		} {
			if _, err := tx.Exec(ctx, sql, items); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `
			UPDATE items
			SET title = '', snapshot = NULL,
			    removed_at     = CASE WHEN labeled = 0 THEN coalesce(removed_at, $2) ELSE removed_at END,
			    removed_by     = CASE WHEN labeled = 0 THEN coalesce(removed_by, 'assay') ELSE removed_by END,
			    removed_reason = CASE WHEN labeled = 0 THEN coalesce(removed_reason, $3) ELSE removed_reason END
			WHERE id = ANY($1)`, items, time.Now(), why)
		return err
	})
}

const wordsOfSessions = `
	FROM items i
	WHERE i.session_id = ANY($1)
	  AND (i.snapshot IS NOT NULL OR i.title <> ''
	       OR EXISTS (SELECT FROM drafts d WHERE d.item_id = i.id)
	       OR EXISTS (SELECT FROM labels l JOIN label_texts w ON w.label_id = l.id WHERE l.item_id = i.id AND (w.correction <> '' OR w.note <> ''))
	       OR EXISTS (SELECT FROM disputes d JOIN dispute_texts w ON w.dispute_id = d.id WHERE d.item_id = i.id AND (w.objection <> '' OR w.decision <> ''))
	       OR EXISTS (SELECT FROM comments c JOIN comment_texts w ON w.comment_id = c.id WHERE c.item_id = i.id AND w.body <> '')
	       OR EXISTS (SELECT FROM adjudications a JOIN adjudication_texts w ON w.adjudication_id = a.id WHERE a.item_id = i.id AND w.reason <> ''))`

// Count says how many items of the person's sessions hold words.
func (t Texts) Count(ctx context.Context, p retention.Person) (n int64, err error) {
	err = t.DB.QueryRow(ctx, `SELECT count(*)`+wordsOfSessions, p.Sessions).Scan(&n)
	return n, err
}

// Erase empties them.
func (t Texts) Erase(ctx context.Context, actor auth.Actor, p retention.Person) (n int64, err error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	for {
		rows, _ := t.DB.Query(ctx, `SELECT i.id`+wordsOfSessions+` ORDER BY i.id LIMIT $2`, p.Sessions, goesAtOnce)
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil || len(ids) == 0 {
			return n, err
		}
		if err := t.empty(ctx, ids, "its person was erased"); err != nil {
			return n, err
		}
		n += int64(len(ids))
	}
}
