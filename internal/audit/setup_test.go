package audit_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"assay/internal/audit"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
)

// record commits n entries, each in a transaction of its own.
func record(t testing.TB, pool *pgxpool.Pool, n int) {
	t.Helper()
	ctx := context.Background()
	for i := range n {
		err := postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
			return audit.Record(ctx, tx, audit.Entry{
				Actor: ada, Action: "item.skip", Object: fmt.Sprintf("item/%d", i),
				What: fmt.Sprintf("skipped %d", i), Reason: "not my language", Before: i, After: i + 1,
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// own connects as the owner, who can take the guards away: the attacker that
// grants and triggers do not stop.
func own(t testing.TB, pool *pgxpool.Pool) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), postgrestest.OwnerURL(t, pool))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func count(t testing.TB, db postgres.DB, sql string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := db.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func contains(text, part string) bool { return strings.Contains(text, part) }
