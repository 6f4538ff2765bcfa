package postgrestest_test

import (
	"context"
	"testing"

	"assay/internal/postgrestest"
)

func TestTransactionsSeeAMigratedSchemaAndLeaveNothing(t *testing.T) {
	ctx := context.Background()
	t.Run("writes", func(t *testing.T) {
		tx := postgrestest.Tx(t)
		if _, err := tx.Exec(ctx, `SELECT set_config('assay.seen', 'yes', false)`); err != nil {
			t.Fatal(err)
		}
		var jobs int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM river_job`).Scan(&jobs); err != nil {
			t.Fatalf("the job tables are there and readable: %v", err)
		}
	})
}

func TestDatabasesAreApartAndTheProgramOwnsNothing(t *testing.T) {
	ctx := context.Background()
	one, two := postgrestest.Database(t), postgrestest.Database(t)
	var a, b, role string
	if err := one.QueryRow(ctx, `SELECT current_database(), current_user`).Scan(&a, &role); err != nil {
		t.Fatal(err)
	}
	if err := two.QueryRow(ctx, `SELECT current_database()`).Scan(&b); err != nil {
		t.Fatal(err)
	}
	if a == b {
		t.Errorf("both tests got %s", a)
	}
	if role != "assay_app" {
		t.Errorf("want the program's role, got %s", role)
	}
	for _, sql := range []string{`CREATE TABLE mine (id int)`, `DROP TABLE schema_migrations`, `ALTER TABLE river_job ADD COLUMN x int`, `CREATE ROLE other`} {
		if _, err := one.Exec(ctx, sql); err == nil {
			t.Errorf("the program's role may not: %s", sql)
		}
	}
}
