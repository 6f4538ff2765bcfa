package labeling

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/retention"
)

// Files is the place of exported files: each repeats the text that its labels'
// items had when it was written. One is withdrawn as a whole, since its hash
// speaks for all of it; its version can be exported again, without the text.
// It is asked after Texts, so that a file which is being written meanwhile
// either is found here or reads what is empty already.
type Files struct{ *Store }

// Name says which place this is.
func (Files) Name() string { return "exported files" }

// withPeople are the written files with a label of one of the sessions.
const withPeople = `
	FROM exports e
	WHERE e.state IN ('waiting', 'done')
	  AND EXISTS (
	      SELECT FROM dataset_rows r JOIN labels l ON l.id = r.label_id JOIN items i ON i.id = l.item_id
	      WHERE r.version_id = e.version_id AND i.session_id = ANY($1))`

// withOverdue are those that were written before the text of one of their
// items was over, and the text is over and gone.
const withOverdue = `
	FROM exports e
	WHERE e.state = 'done'
	  AND EXISTS (
	      SELECT FROM dataset_rows r JOIN labels l ON l.id = r.label_id JOIN items i ON i.id = l.item_id
	      WHERE r.version_id = e.version_id AND i.snapshot IS NULL AND i.title = '' AND NOT i.session_id = ANY($1)
	        AND i.added_at < $2 AND i.added_at > e.finished_at - $3::interval)`

func (f Files) overdue(ctx context.Context, c retention.Cutoff) ([]int64, error) {
	held := c.Held
	if held == nil {
		held = []string{}
	}
	rows, _ := f.DB.Query(ctx, `SELECT e.id`+withOverdue+` ORDER BY e.id`, held, c.LabeledBefore(), c.Now.Sub(c.LabeledBefore()))
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// Overdue counts files with a text whose time is over.
func (f Files) Overdue(ctx context.Context, c retention.Cutoff) (int64, error) {
	ids, err := f.overdue(ctx, c)
	return int64(len(ids)), err
}

// Expire withdraws them.
func (f Files) Expire(ctx context.Context, actor auth.Actor, c retention.Cutoff) (int64, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	ids, err := f.overdue(ctx, c)
	if err != nil {
		return 0, err
	}
	return f.withdraw(ctx, ids)
}

// Count says how many written files hold a label of the person's sessions.
func (f Files) Count(ctx context.Context, p retention.Person) (n int64, err error) {
	err = f.DB.QueryRow(ctx, `SELECT count(*)`+withPeople+` AND e.state = 'done'`, p.Sessions).Scan(&n)
	return n, err
}

// Erase withdraws them.
func (f Files) Erase(ctx context.Context, actor auth.Actor, p retention.Person) (int64, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	rows, _ := f.DB.Query(ctx, `SELECT e.id`+withPeople+` ORDER BY e.id`, p.Sessions)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return 0, err
	}
	return f.withdraw(ctx, ids)
}

// withdraw takes the bytes of written files away. It waits for a job that
// writes one; what is not begun yet will find no text to write.
func (f Files) withdraw(ctx context.Context, ids []int64) (n int64, err error) {
	for _, id := range ids {
		err := postgres.InTx(ctx, f.DB, func(tx pgx.Tx) error {
			if err := lockExport(ctx, tx, id); err != nil {
				return err
			}
			done, err := tx.Exec(ctx, `UPDATE exports SET state = 'withdrawn', sha256 = NULL, bytes = 0 WHERE id = $1 AND state = 'done'`, id)
			if err != nil || done.RowsAffected() == 0 {
				return err
			}
			n++
			_, err = tx.Exec(ctx, `DELETE FROM export_parts WHERE export_id = $1`, id)
			return err
		})
		if err != nil {
			return n, fmt.Errorf("withdraw export %d: %w", id, err)
		}
	}
	return n, nil
}

// lockExport keeps writing a file and withdrawing it apart, until the
// transaction ends. It locks no row, since progress is written meanwhile.
func lockExport(ctx context.Context, tx pgx.Tx, id int64) error {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('labeling export'), $1::int)`, id%(1<<31-1))
	return err
}

// withdrawnWhy is said to whoever opens a withdrawn file.
const withdrawnWhy = "This file was withdrawn, because a text in it was erased or came to the end of its time. Export the version again; what went is not in it."

var _ retention.Place = Files{}
