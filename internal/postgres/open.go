// Package postgres opens the store of truth and brings its schema up to date.
//
// PostgreSQL holds everything people and rules did. The program connects as
// assay_app, which may read and write rows but neither change the schema nor
// rewrite what must never be rewritten; migrations run as the owner.
package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"assay/internal/fault"
)

// Open connects a pool to url and proves that it answers. Times are UTC, a
// statement may run for 60 s and a transaction may idle for 60 s.
func Open(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read the PostgreSQL address: %w", err)
	}
	settings := config.ConnConfig.RuntimeParams
	settings["application_name"] = "assay"
	settings["timezone"] = "UTC"
	settings["statement_timeout"] = "60000"
	settings["idle_in_transaction_session_timeout"] = "60000"
	settings["jit"] = "off" // compiling a count takes about as long as counting
	if config.MaxConns < 24 {
		config.MaxConns = 24
	}
	config.MaxConnIdleTime = 5 * time.Minute
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("reach PostgreSQL: %v: %w", err, fault.Unavailable)
	}
	return pool, nil
}
