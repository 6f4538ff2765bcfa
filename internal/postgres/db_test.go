package postgres_test

import (
	"context"
	"errors"
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
		var asked, told int
		ask := &pgx.Batch{}
		ask.Queue(`SELECT 1`).QueryRow(func(row pgx.Row) error { return row.Scan(&asked) })
		err := postgres.InOftenTx(ctx, pool, ask, func(tx pgx.Tx, last *pgx.Batch) error {
			if mode, scan := modes(tx); asked != 1 || mode != "force_generic_plan" || scan != "off" {
				t.Errorf("in the act: want an answer, force_generic_plan and off, got %d, %s and %s", asked, mode, scan)
			}
			last.Queue(`SELECT 2`).QueryRow(func(row pgx.Row) error { return row.Scan(&told) })
			return nil
		})
		if err != nil || told != 2 {
			t.Fatal(told, err)
		}
		if mode, scan := modes(pool); mode != "auto" || scan != "on" {
			t.Errorf("after it: want auto and on, got %s and %s", mode, scan)
		}
	}
}

func TestAFrequentActIsWholeOrNothing(t *testing.T) {
	ctx := context.Background()
	failure := errors.New("the act failed")
	for name, db := range map[string]postgres.DB{"pool": postgrestest.Database(t), "transaction": postgrestest.Tx(t)} {
		batch := func(sql string) *pgx.Batch {
			b := &pgx.Batch{}
			b.Queue(`INSERT INTO river_queue (name, updated_at) VALUES ('an act', now())`)
			b.Queue(sql)
			return b
		}
		for where, act := range map[string]func() error{
			"asking": func() error {
				return postgres.InOftenTx(ctx, db, batch(`SELECT 1 / 0`), func(pgx.Tx, *pgx.Batch) error { return nil })
			},
			"acting": func() error {
				return postgres.InOftenTx(ctx, db, batch(`SELECT 1`), func(pgx.Tx, *pgx.Batch) error { return failure })
			},
			"telling": func() error {
				return postgres.InOftenTx(ctx, db, &pgx.Batch{}, func(_ pgx.Tx, last *pgx.Batch) error {
					*last = *batch(`SELECT 1 / 0`)
					return nil
				})
			},
		} {
			if err := act(); err == nil {
				t.Errorf("%s, %s: want an error", name, where)
			}
			if n := rowsOf(t, db); n != 0 {
				t.Errorf("%s, %s: want nothing left behind, got %d rows", name, where, n)
			}
		}
		if err := postgres.InOftenTx(ctx, db, batch(`SELECT 1`), func(pgx.Tx, *pgx.Batch) error { return nil }); err != nil || rowsOf(t, db) != 1 {
			t.Errorf("%s: want the row of an act that succeeds, got %d, %v", name, rowsOf(t, db), err)
		}
	}
}

func rowsOf(t *testing.T, db postgres.DB) (n int) {
	t.Helper()
	if err := db.QueryRow(context.Background(), `SELECT count(*) FROM river_queue WHERE name = 'an act'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
