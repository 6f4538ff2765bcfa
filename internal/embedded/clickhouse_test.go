package embedded

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	began := time.Now()
	c, err := StartClickhouse(ctx, ClickhouseConfig{Dir: t.TempDir(), Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("start", time.Since(began))
	opt, _ := clickhouse.ParseDSN(c.DSN())
	conn, err := clickhouse.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	var n uint64
	if err := conn.QueryRow(ctx, "SELECT sum(number) FROM numbers(10)").Scan(&n); err != nil || n != 45 {
		t.Fatal(n, err)
	}
	if err := conn.Exec(ctx, "CREATE TABLE t (a UInt64, s String, d DateTime64(3,'UTC')) ENGINE=MergeTree ORDER BY a"); err != nil {
		t.Fatal(err)
	}
	b, err := conn.PrepareBatch(ctx, "INSERT INTO t")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if err := b.Append(uint64(i), "x", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Send(); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(ctx, "SELECT count() FROM t").Scan(&n); err != nil || n != 1000 {
		t.Fatal(n, err)
	}
	conn.Close()
	began = time.Now()
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	t.Log("stop", time.Since(began))
}
