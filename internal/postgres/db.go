package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DB is what a stage needs of PostgreSQL. A pool is one, and so is a
// transaction (Begin is then a savepoint), which is how tests roll everything
// back.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// InTx runs act in one transaction: committed when it returns nil, rolled
// back otherwise and on panic.
func InTx(ctx context.Context, db DB, act func(tx pgx.Tx) error) error {
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	return finish(ctx, tx, act)
}

func finish(ctx context.Context, tx pgx.Tx, act func(tx pgx.Tx) error) error {
	defer tx.Rollback(context.WithoutCancel(ctx))
	if err := act(tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// InOftenTx is InTx for the few acts that are so frequent, and touch so few
// rows, that one plan for all arguments is made once, over the indexes, and kept.
// By default the server may plan such a statement anew each time it runs, which
// costs more than running it; or it makes a plan while a table is still empty and
// reads the whole of it for the next minute. The choice travels with BEGIN.
func InOftenTx(ctx context.Context, db DB, act func(tx pgx.Tx) error) error {
	pool, ok := db.(interface {
		BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
	})
	if !ok { // a transaction, whose savepoint this is
		return InTx(ctx, db, act)
	}
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off"})
	if err != nil {
		return err
	}
	return finish(ctx, tx, act)
}

// Violates reports whether err is a refusal by the named constraint or index.
func Violates(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.ConstraintName == constraint
}
