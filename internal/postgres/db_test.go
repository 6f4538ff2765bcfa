package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"assay/internal/postgres"
	"assay/internal/postgrestest"
)

func TestAFrequentActKeepsItsPlansAndLeavesNoSettingBehind(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	modes := func(db postgres.DB) (mode, scan string) {
		t.Helper()
		if err := db.QueryRow(ctx, `SELECT current_setting('plan_cache_mode'), current_setting('enable_seqscan')`).Scan(&mode, &scan); err != nil {
			t.Fatal(err)
		}
		return mode, scan
	}
	for range 3 { // the pool hands out the same connection again
		err := postgres.InOftenTx(ctx, pool, func(tx pgx.Tx) error {
			if mode, scan := modes(tx); mode != "force_generic_plan" || scan != "off" {
				t.Errorf("in the act: want force_generic_plan and off, got %s and %s", mode, scan)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if mode, scan := modes(pool); mode != "auto" || scan != "on" {
			t.Errorf("after it: want auto and on, got %s and %s", mode, scan)
		}
	}
	tx := postgrestest.Tx(t)
	if err := postgres.InOftenTx(ctx, tx, func(pgx.Tx) error { return nil }); err != nil {
		t.Errorf("within a transaction: %v", err)
	}
}
