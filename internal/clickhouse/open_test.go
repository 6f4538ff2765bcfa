package clickhouse_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"assay/internal/clickhouse"
	"assay/internal/clickhousetest"
)

func TestOpeningMakesTheDatabase(t *testing.T) {
	u, err := url.Parse(clickhousetest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/assay_new_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	conn := clickhousetest.Open(t, u.String())
	if got := one[string](t, conn, "SELECT currentDatabase()"); got != u.Path[1:] {
		t.Errorf("want %s, got %s", u.Path[1:], got)
	}
	exec(t, conn, "DROP DATABASE "+clickhouse.Name(u.Path[1:]))
}

func TestMigrationsRunOnceAndInOrder(t *testing.T) {
	dsn := clickhousetest.Empty(t)
	u, _ := url.Parse(dsn)
	database := u.Path[1:]
	u.Path = ""
	conn := clickhousetest.Open(t, u.String()) // whose own database is another
	files := map[string]string{
		"0002_rows_are_there":  "INSERT INTO t SELECT 1; INSERT INTO t SELECT 2;",
		"0001_a_table_is_made": "-- why\nCREATE TABLE IF NOT EXISTS t (a UInt64) ENGINE = {{ReplacingMergeTree}}\nORDER BY a;",
	}
	for range 2 {
		if err := clickhouse.MigrateFrom(t.Context(), conn, database, files); err != nil {
			t.Fatal(err)
		}
	}
	own := clickhousetest.Open(t, dsn)
	if got := one[uint64](t, own, "SELECT count() FROM t"); got != 2 {
		t.Errorf("want 2 rows, got %d", got)
	}
	if got := one[[]string](t, own, "SELECT groupArray(name) FROM (SELECT name FROM schema_migrations ORDER BY name)"); len(got) != 2 || got[0] != "0001_a_table_is_made" {
		t.Errorf("the ledger has %v", got)
	}
	files["0003_is_wrong"] = "CREATE TABLE IF NOT EXISTS u (a UInt64) ENGINE = {{MergeTree}} ORDER BY a; SELECT )"
	err := clickhouse.MigrateFrom(t.Context(), conn, database, files)
	if err == nil || !strings.Contains(err.Error(), "statement 2 of the ClickHouse migration 0003_is_wrong") || clickhouse.Code(err) != 62 {
		t.Errorf("want the statement named, got %v", err)
	}
	files["0003_is_wrong"] = "CREATE TABLE IF NOT EXISTS u (a UInt64) ENGINE = {{MergeTree}} ORDER BY a;"
	if err := clickhouse.MigrateFrom(t.Context(), conn, database, files); err != nil {
		t.Errorf("the corrected migration: %v", err)
	}
}

func TestStatusListsWhatThisProgramKnows(t *testing.T) {
	dsn := clickhousetest.Empty(t)
	u, _ := url.Parse(dsn)
	conn := clickhousetest.Open(t, dsn)
	before, err := clickhouse.Status(t.Context(), conn, u.Path[1:])
	if err != nil {
		t.Fatal(err)
	}
	if err := clickhouse.Migrate(t.Context(), conn, u.Path[1:]); err != nil {
		t.Fatal(err)
	}
	after, err := clickhouse.Status(t.Context(), conn, u.Path[1:])
	if err != nil || len(after) != len(before) {
		t.Fatalf("want %d migrations, got %d: %v", len(before), len(after), err)
	}
	for i := range after {
		if !before[i].AppliedAt.IsZero() || after[i].AppliedAt.IsZero() {
			t.Errorf("%s: before %s, after %s", after[i].Name, before[i].AppliedAt, after[i].AppliedAt)
		}
	}
}

func TestAConnectionThatAnswersIsHealthy(t *testing.T) {
	conn := clickhousetest.Open(t, clickhousetest.Empty(t))
	if err := clickhouse.Healthy(t.Context(), conn); err != nil {
		t.Error(err)
	}
	conn.Close()
	if err := clickhouse.Healthy(t.Context(), conn); err == nil {
		t.Error("a closed connection is healthy")
	}
}
