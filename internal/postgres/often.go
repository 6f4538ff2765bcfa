package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// often is how a frequent act begins. One plan for all arguments is made once,
// over the indexes, and kept: by default the server may plan a statement anew
// each time it runs, which costs more than running it when it touches a row or
// two; or it makes a plan while a table is still empty and reads the whole of it
// for the next minute.
var often = []string{
	"BEGIN",
	"SET LOCAL plan_cache_mode = force_generic_plan",
	"SET LOCAL enable_seqscan = off",
}

// InOftenTx is InTx for an act so frequent that each round trip counts: ask is
// sent with BEGIN and has been answered when act runs, last is sent with COMMIT
// after it. An error of act, of ask or of last leaves nothing behind. The tx of
// act has no savepoints.
func InOftenTx(ctx context.Context, db DB, ask *pgx.Batch, act func(tx pgx.Tx, last *pgx.Batch) error) error {
	pool, ok := db.(*pgxpool.Pool)
	if !ok { // a transaction, whose savepoint this is
		return InTx(ctx, db, func(tx pgx.Tx) error {
			if err := tx.SendBatch(ctx, ask).Close(); err != nil {
				return err
			}
			last := &pgx.Batch{}
			if err := act(tx, last); err != nil {
				return err
			}
			return tx.SendBatch(ctx, last).Close()
		})
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	tx := oftenTx{conn.Conn()}
	defer tx.Rollback(context.WithoutCancel(ctx))
	first := &pgx.Batch{}
	for _, sql := range often {
		first.Queue(sql)
	}
	first.QueuedQueries = append(first.QueuedQueries, ask.QueuedQueries...)
	if err := tx.SendBatch(ctx, first).Close(); err != nil {
		return err
	}
	last := &pgx.Batch{}
	if err := act(tx, last); err != nil {
		return err
	}
	last.Queue("COMMIT")
	return tx.SendBatch(ctx, last).Close()
}

// oftenTx is a connection within a transaction that its batches begin and end.
type oftenTx struct{ *connection }

type connection = pgx.Conn // a name of its own, since Conn is a method of a transaction

func (tx oftenTx) Conn() *pgx.Conn { return tx.connection }

func (tx oftenTx) Begin(context.Context) (pgx.Tx, error) {
	return nil, errors.New("begin: a frequent act has no savepoints")
}

func (tx oftenTx) Commit(context.Context) error {
	return errors.New("commit: a frequent act commits with its last batch")
}

// Rollback undoes what was not committed; after the commit it does nothing.
func (tx oftenTx) Rollback(ctx context.Context) error {
	if tx.PgConn().TxStatus() == 'I' {
		return nil
	}
	_, err := tx.Exec(ctx, "ROLLBACK")
	return err
}

func (tx oftenTx) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }
