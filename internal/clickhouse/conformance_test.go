package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"assay/internal/clickhouse"
	"assay/internal/clickhousetest"
)

// What the product uses of ClickHouse through clickhouse-go. The tests run on
// the embedded engine, and on any other ClickHouse whose address (with a
// database that may be filled and dropped) is in ASSAY_TEST_CLICKHOUSE_URL.

func TestMain(m *testing.M) { clickhousetest.Main(m) }

// address returns the DSN of an empty database.
func address(t *testing.T) string {
	t.Helper()
	given := os.Getenv("ASSAY_TEST_CLICKHOUSE_URL")
	if given == "" {
		return clickhousetest.Empty(t)
	}
	u, err := url.Parse(given)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/assay_test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	conn := clickhousetest.Open(t, u.String())
	t.Cleanup(func() {
		if err := conn.Exec(context.Background(), "DROP DATABASE "+clickhouse.Name(u.Path[1:])); err != nil {
			t.Error(err)
		}
	})
	return u.String()
}

func open(t *testing.T) driver.Conn {
	t.Helper()
	return clickhousetest.Open(t, address(t))
}

func exec(t *testing.T, conn driver.Conn, statement string, args ...any) {
	t.Helper()
	if err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func one[T any](t *testing.T, conn driver.Conn, query string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func TestTheServerSaysWhatItIs(t *testing.T) {
	v, err := open(t).ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if v.Version.Major < 24 || v.Timezone.String() != "UTC" {
		t.Errorf("want version 24 or later in UTC, got %s in %s", v.Version, v.Timezone)
	}
}

// wide has a column of every type the product's tables use.
type wide struct {
	ID       uuid.UUID         `ch:"id"`
	Text     string            `ch:"text"`
	Class    string            `ch:"class"`
	Maybe    *string           `ch:"maybe"`
	At       time.Time         `ch:"at"`
	MaybeAt  *time.Time        `ch:"maybe_at"`
	Day      time.Time         `ch:"day"`
	Count    uint64            `ch:"count"`
	Small    uint8             `ch:"small"`
	Signed   int32             `ch:"signed"`
	MaybeN   *float64          `ch:"maybe_n"`
	Share    float64           `ch:"share"`
	Price    decimal.Decimal   `ch:"price"`
	Route    string            `ch:"route"`
	Yes      bool              `ch:"yes"`
	Flags    []string          `ch:"flags"`
	Nested   [][]int64         `ch:"nested"`
	Traits   map[string]string `ch:"traits"`
	Digest   string            `ch:"digest"`
	MaybeCls *string           `ch:"maybe_class"`
	Pairs    []*string         `ch:"pairs"`
}

const wideTable = `CREATE TABLE wide (
	id UUID,
	text String,
	class LowCardinality(String),
	maybe Nullable(String),
	at DateTime64(3, 'UTC'),
	maybe_at Nullable(DateTime64(3, 'UTC')),
	day Date,
	count UInt64,
	small UInt8,
	signed Int32,
	maybe_n Nullable(Float64),
	share Float64,
	price Decimal(18, 6),
	route Enum8('serve' = 1, 'shorten' = 2, 'abstain' = 3),
	yes Bool,
	flags Array(LowCardinality(String)),
	nested Array(Array(Int64)),
	traits Map(String, String),
	digest FixedString(4),
	maybe_class LowCardinality(Nullable(String)),
	pairs Array(Nullable(String))
) ENGINE = ReplacingMergeTree(at)
PARTITION BY toYYYYMM(at)
ORDER BY (class, id)`

func pointer[T any](v T) *T { return &v }

func wideRows() []wide {
	at := time.Date(2026, 3, 29, 1, 59, 59, 123e6, time.UTC)
	return []wide{
		{
			ID: uuid.MustParse("0190f1a2-0000-7000-8000-000000000001"), Text: "tab\tline\nnul\x00quote'back\\slash \xff é 漢 👩‍🔬", Class: "sql_query",
			Maybe: pointer(""), At: at, MaybeAt: pointer(at.Add(time.Millisecond)), Day: at.Truncate(24 * time.Hour),
			Count: math.MaxUint64, Small: 255, Signed: math.MinInt32, MaybeN: pointer(math.Inf(-1)), Share: 0.1,
			Price: decimal.RequireFromString("-123456.654321"), Route: "abstain", Yes: true,
			Flags: []string{"negative_feedback", "random", "negative_feedback"}, Nested: [][]int64{{}, {1, -2}},
			Traits: map[string]string{"a": "1", "": "empty key"}, Digest: "abcd", MaybeCls: pointer("x"),
			Pairs: []*string{nil, pointer("y")},
		},
		{
			ID: uuid.MustParse("0190f1a2-0000-7000-8000-000000000002"), Class: "summarization",
			At: time.Unix(0, 0).UTC(), Day: time.Unix(0, 0).UTC(), Route: "serve", Digest: "\x00\x00\x00\x00",
			Price: decimal.RequireFromString("0.000000"), Flags: []string{}, Nested: [][]int64{}, Traits: map[string]string{}, Pairs: []*string{},
		},
	}
}

func TestEveryTypeComesBackAsItWasSent(t *testing.T) {
	for _, compression := range []string{"none", "lz4", "zstd", "gzip", "deflate", "br"} {
		t.Run(compression, func(t *testing.T) {
			conn := clickhousetest.Open(t, address(t)+"?compress="+compression)
			exec(t, conn, wideTable)
			batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO wide")
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range wideRows() {
				if err := batch.AppendStruct(&row); err != nil {
					t.Fatal(err)
				}
			}
			if err := batch.Send(); err != nil {
				t.Fatal(err)
			}
			var got []wide
			if err := conn.Select(t.Context(), &got, "SELECT * FROM wide ORDER BY id"); err != nil {
				t.Fatal(err)
			}
			for i, want := range wideRows() {
				if !reflect.DeepEqual(plain(want), plain(got[i])) {
					t.Errorf("row %d:\nwant %+v\ngot  %+v", i, plain(want), plain(got[i]))
				}
			}
		})
	}
}

// plain puts values of one meaning but several forms into one form.
func plain(w wide) map[string]any {
	m := map[string]any{}
	v := reflect.ValueOf(w)
	for i := range v.NumField() {
		name, value := v.Type().Field(i).Name, v.Field(i).Interface()
		switch x := value.(type) {
		case decimal.Decimal:
			value = x.String()
		case time.Time:
			value = x.UTC().Format(time.RFC3339Nano)
		case *time.Time:
			if x != nil {
				value = x.UTC().Format(time.RFC3339Nano)
			}
		}
		m[name] = value
	}
	return m
}

func TestParametersAreValuesWhateverTheyHold(t *testing.T) {
	conn := open(t)
	hostile := "a'b\\c\td\ne\x00f\"g`h{x:Int8}; DROP TABLE t --é\u200b"
	if got := one[string](t, conn, "SELECT {s:String}", ch.Named("s", hostile)); got != hostile {
		t.Errorf("named: want %q, got %q", hostile, got)
	}
	if got := one[string](t, conn, "SELECT ?", hostile); got != hostile {
		t.Errorf("positional: want %q, got %q", hostile, got)
	}
	if got := one[[]string](t, conn, "SELECT {s:Array(String)}", ch.Named("s", []string{hostile, "", "x"})); !reflect.DeepEqual(got, []string{hostile, "", "x"}) {
		t.Errorf("array: got %q", got)
	}
	if got := one[map[string]string](t, conn, "SELECT {m:Map(String, String)}", ch.Named("m", map[string]string{"k": "v'"})); got["k"] != "v'" {
		t.Errorf("map: got %v", got)
	}
	if got := one[*string](t, conn, "SELECT {s:Nullable(String)}", ch.Named("s", nil)); got != nil {
		t.Errorf("null: got %q", *got)
	}
	id := uuid.New()
	if got := one[uuid.UUID](t, conn, "SELECT {u:UUID}", ch.Named("u", id)); got != id {
		t.Errorf("uuid: want %s, got %s", id, got)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	if got := one[time.Time](t, conn, "SELECT {t:DateTime64(3, 'UTC')}", ch.DateNamed("t", at, ch.MilliSeconds)); !got.Equal(at) {
		t.Errorf("time: want %s, got %s", at, got)
	}
	if got := one[uint64](t, conn, "SELECT count() FROM numbers(10) WHERE number IN {n:Array(UInt64)}", ch.Named("n", []uint64{3, 5, 99})); got != 2 {
		t.Errorf("in: want 2, got %d", got)
	}
	ctx := ch.Context(t.Context(), ch.WithParameters(ch.Parameters{"table": "numbers", "n": "7"}))
	var n uint64
	if err := conn.QueryRow(ctx, "SELECT count() FROM (SELECT number FROM system.{table:Identifier} LIMIT {n:UInt64})").Scan(&n); err != nil || n != 7 {
		t.Errorf("identifier: want 7, got %d, %v", n, err)
	}
}

func TestErrorsKeepTheirNumbers(t *testing.T) {
	dsn := address(t)
	exec(t, clickhousetest.Open(t, dsn), "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
	for _, c := range []struct {
		statement string
		code      int
	}{
		{"SELECT * FROM absent", 60},
		{"SELECT absent FROM t", 47},
		{"SELECT )", 62},
		{"SELECT 1 + 'x'", 43},
		{"SELECT absent(1)", 46},
		{"SELECT throwIf(number = 3, 'no') FROM numbers(10)", 395},
		{"SELECT toUInt8('x')", 6},
		{"SELECT * FROM nodb.t", 81},
		{"CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", 57},
		{"INSERT INTO t SELECT 'x'", 6},
		{"SELECT 1 SETTINGS no_such_setting = 1", 115},
	} {
		for _, compression := range []string{"none", "lz4", "gzip"} {
			rows, err := clickhousetest.Open(t, dsn+"?compress="+compression).Query(t.Context(), c.statement)
			if err == nil {
				for rows.Next() {
				}
				err = rows.Err()
			}
			if got := clickhouse.Code(err); got != c.code {
				t.Errorf("%s (%s): want code %d, got %d: %v", c.statement, compression, c.code, got, err)
			}
		}
	}
}

func TestAnErrorInTheMiddleOfARunningAnswerIsAnError(t *testing.T) {
	dsn := address(t)
	for _, compression := range []string{"none", "lz4", "zstd", "gzip", "br", "deflate"} {
		t.Run(compression, func(t *testing.T) {
			conn := clickhousetest.Open(t, dsn+"?compress="+compression)
			rows, err := conn.Query(t.Context(), "SELECT number, throwIf(number = 2000000, 'too far') FROM numbers(3000000) SETTINGS max_threads = 1")
			if err != nil {
				t.Fatal(err)
			}
			read := 0
			for rows.Next() {
				read++
			}
			if read == 0 {
				t.Error("no row arrived before the error")
			}
			if got := clickhouse.Code(rows.Err()); got != 395 {
				t.Errorf("want code 395 after %d rows, got %d: %v", read, got, rows.Err())
			}
		})
	}
}

func TestALongAnswerArrivesWhole(t *testing.T) {
	dsn := address(t)
	for _, compression := range []string{"none", "lz4", "zstd"} {
		rows, err := clickhousetest.Open(t, dsn+"?compress="+compression).Query(t.Context(), "SELECT number, toString(number) FROM numbers(1000000)")
		if err != nil {
			t.Fatal(err)
		}
		var n, sum, last uint64
		var text string
		for rows.Next() {
			if err := rows.Scan(&last, &text); err != nil {
				t.Fatal(err)
			}
			n, sum = n+1, sum+last
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if n != 1000000 || sum != 499999500000 || text != fmt.Sprint(last) {
			t.Errorf("%s: want 1000000 rows with sum 499999500000, got %d with %d", compression, n, sum)
		}
	}
}

func TestABatchIsOneBlock(t *testing.T) {
	conn := open(t)
	exec(t, conn, "CREATE TABLE t (a UInt64, b LowCardinality(String), c Float64 DEFAULT a * 2) ENGINE = MergeTree ORDER BY a")
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO t (b, a)")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50000 {
		if err := batch.Append(fmt.Sprint(i%7), uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	if got := one[float64](t, conn, "SELECT sum(c) FROM t"); got != 2499950000 {
		t.Errorf("want 2499950000, got %v", got)
	}
	if got := one[uint64](t, conn, "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 't' AND active"); got != 1 {
		t.Errorf("want one part, got %d", got)
	}
}

func TestABatchWithoutRowsOrAbortedLeavesNothing(t *testing.T) {
	conn := open(t)
	exec(t, conn, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	empty, err := conn.PrepareBatch(t.Context(), "INSERT INTO t")
	if err != nil {
		t.Fatal(err)
	}
	if err := empty.Send(); err != nil {
		t.Error(err)
	}
	aborted, err := conn.PrepareBatch(t.Context(), "INSERT INTO t")
	if err != nil {
		t.Fatal(err)
	}
	if err := aborted.Append(uint64(1)); err != nil {
		t.Fatal(err)
	}
	if err := aborted.Abort(); err != nil {
		t.Error(err)
	}
	if got := one[uint64](t, conn, "SELECT count() FROM t"); got != 0 {
		t.Errorf("want no row, got %d", got)
	}
}

func TestTheSameBlockTwiceIsKeptOnce(t *testing.T) {
	conn := open(t)
	exec(t, conn, `CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 1000`)
	for _, token := range []string{"block-1", "block-1", "block-2"} {
		ctx := ch.Context(t.Context(), ch.WithSettings(ch.Settings{"insert_deduplication_token": token}))
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO t")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if err := batch.Append(uint64(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
	}
	if got := one[uint64](t, conn, "SELECT count() FROM t"); got != 20 {
		t.Errorf("want 20 rows of two blocks, got %d", got)
	}
}

func TestLaterVersionsReplaceEarlierOnes(t *testing.T) {
	conn := open(t)
	exec(t, conn, "CREATE TABLE t (id UInt64, v DateTime64(3, 'UTC'), text String) ENGINE = ReplacingMergeTree(v) PARTITION BY toYYYYMM(v) ORDER BY id")
	exec(t, conn, "CREATE VIEW latest AS SELECT id, argMax(text, v) AS text FROM t GROUP BY id")
	exec(t, conn, "INSERT INTO t VALUES (1, '2026-01-01 00:00:00', 'old'), (2, '2026-01-01 00:00:00', 'only')")
	exec(t, conn, "INSERT INTO t VALUES (1, '2026-01-02 00:00:00', 'new')")
	if got := one[string](t, conn, "SELECT text FROM t FINAL WHERE id = 1"); got != "new" {
		t.Errorf("FINAL: want new, got %s", got)
	}
	if got := one[string](t, conn, "SELECT text FROM latest WHERE id = 1"); got != "new" {
		t.Errorf("view: want new, got %s", got)
	}
	exec(t, conn, "OPTIMIZE TABLE t FINAL")
	if got := one[uint64](t, conn, "SELECT count() FROM t"); got != 2 {
		t.Errorf("merged: want 2 rows, got %d", got)
	}
}

func TestAggregatesAreRefreshed(t *testing.T) {
	conn := open(t)
	exec(t, conn, "CREATE TABLE t (id UInt64, v UInt8) ENGINE = ReplacingMergeTree(v) ORDER BY id")
	exec(t, conn, "INSERT INTO t VALUES (1, 1), (1, 2), (2, 1)")
	exec(t, conn, `CREATE MATERIALIZED VIEW daily REFRESH EVERY 1 DAY (n UInt64) ENGINE = MergeTree ORDER BY n AS SELECT count() AS n FROM t FINAL`)
	exec(t, conn, "SYSTEM REFRESH VIEW daily")
	exec(t, conn, "SYSTEM WAIT VIEW daily")
	if got := one[uint64](t, conn, "SELECT n FROM daily"); got != 2 {
		t.Errorf("want 2, got %d", got)
	}
	if got := one[string](t, conn, "SELECT exception FROM system.view_refreshes WHERE database = currentDatabase()"); got != "" {
		t.Errorf("the refresh says %s", got)
	}
}

func TestRowsExpireAndPartitionsAreDropped(t *testing.T) {
	conn := open(t)
	exec(t, conn, `CREATE TABLE t (at DateTime64(3, 'UTC'), expires_at Nullable(DateTime), text String TTL toDateTime(at) + INTERVAL 1 DAY)
ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY at TTL ifNull(expires_at, toDateTime('2100-01-01 00:00:00'))`)
	exec(t, conn, "INSERT INTO t VALUES ('2020-01-01 00:00:00', NULL, 'gone'), ('2020-01-02 00:00:00', '2020-01-03 00:00:00', 'row gone'), (now64(), NULL, 'kept')")
	exec(t, conn, "OPTIMIZE TABLE t FINAL")
	if got := one[uint64](t, conn, "SELECT count() FROM t"); got != 2 {
		t.Errorf("want 2 rows without the expired one, got %d", got)
	}
	if got := one[string](t, conn, "SELECT text FROM t WHERE at < '2021-01-01'"); got != "" {
		t.Errorf("want the expired text gone, got %q", got)
	}
	exec(t, conn, "ALTER TABLE t DROP PARTITION 202001")
	if got := one[uint64](t, conn, "SELECT count() FROM t"); got != 1 {
		t.Errorf("want 1 row after the drop, got %d", got)
	}
}

func TestARequestHasLimits(t *testing.T) {
	conn := open(t)
	for setting, c := range map[string]struct {
		value any
		query string
		code  int
	}{
		"max_execution_time": {1, "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1", 159},
		"max_memory_usage":   {20 << 20, "SELECT groupArray(toString(number)) FROM numbers(10000000)", 241},
		"max_rows_to_read":   {1000, "SELECT count() FROM numbers(100000) WHERE number % 3 = 0", 158},
		"max_result_rows":    {10, "SELECT number FROM numbers(100)", 396},
	} {
		ctx := ch.Context(t.Context(), ch.WithSettings(ch.Settings{setting: c.value}))
		rows, err := conn.Query(ctx, c.query)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
		}
		if got := clickhouse.Code(err); got != c.code {
			t.Errorf("%s: want code %d, got %d: %v", setting, c.code, got, err)
		}
	}
}

func TestDataBroughtAlongIsATable(t *testing.T) {
	conn := open(t)
	table, err := ext.NewTable("wanted", ext.Column("id", "UInt64"), ext.Column("name", "LowCardinality(String)"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := table.Append(uint64(i*2), fmt.Sprintf("name %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	ctx := ch.Context(t.Context(), ch.WithExternalTable(table))
	var n uint64
	var name string
	err = conn.QueryRow(ctx, "SELECT count(), max(name) FROM numbers(10) AS n INNER JOIN wanted ON n.number = wanted.id").Scan(&n, &name)
	if err != nil || n != 5 || name != "name 4" {
		t.Errorf("want 5 and name 4, got %d and %s: %v", n, name, err)
	}
}

func TestASessionKeepsItsTables(t *testing.T) {
	conn := open(t)
	ctx := ch.Context(t.Context(), ch.WithSettings(ch.Settings{"session_id": uuid.NewString()}))
	if err := conn.Exec(ctx, "CREATE TEMPORARY TABLE mine (a UInt64)"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Exec(ctx, "INSERT INTO mine VALUES (1), (2)"); err != nil {
		t.Fatal(err)
	}
	var n uint64
	if err := conn.QueryRow(ctx, "SELECT count() FROM mine").Scan(&n); err != nil || n != 2 {
		t.Errorf("want 2, got %d: %v", n, err)
	}
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM mine").Scan(&n); clickhouse.Code(err) != 60 {
		t.Errorf("outside of the session the table is unknown: got %v", err)
	}
}

func TestACancelledRequestEnds(t *testing.T) {
	conn := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	var n uint64
	err := conn.QueryRow(ctx, "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1").Scan(&n)
	var timeout net.Error
	if !errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &timeout) {
		t.Errorf("want the deadline, got %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s to be told", took)
	}
	if got := one[uint8](t, conn, "SELECT 1"); got != 1 {
		t.Error("the connection is of no use afterwards")
	}
}

func TestAnAnswerMayBeLeftUnread(t *testing.T) {
	conn := open(t)
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		rows, err := conn.Query(ctx, "SELECT number FROM numbers(100000000)")
		if err != nil {
			t.Fatal(err)
		}
		rows.Next()
		cancel()
		rows.Close()
	}
	if got := one[uint64](t, conn, "SELECT count() FROM numbers(3)"); got != 3 {
		t.Errorf("want 3, got %d", got)
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	conn := open(t)
	exec(t, conn, "CREATE TABLE t (worker UInt8, n UInt64) ENGINE = MergeTree ORDER BY (worker, n)")
	var all sync.WaitGroup
	for worker := range 12 {
		all.Go(func() {
			for n := range 8 {
				batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO t")
				if err != nil {
					t.Error(err)
					return
				}
				for i := range 100 {
					if err := batch.Append(uint8(worker), uint64(n*100+i)); err != nil {
						t.Error(err)
					}
				}
				if err := batch.Send(); err != nil {
					t.Error(err)
				}
				var count uint64
				if err := conn.QueryRow(t.Context(), "SELECT count() FROM t WHERE worker = {w:UInt8}", ch.Named("w", worker)).Scan(&count); err != nil {
					t.Error(err)
				} else if want := uint64(n+1) * 100; count != want {
					t.Errorf("worker %d: want %d, got %d", worker, want, count)
				}
			}
		})
	}
	all.Wait()
	if got := one[uint64](t, conn, "SELECT uniqExact(worker, n) FROM t"); got != 12*800 {
		t.Errorf("want %d rows, got %d", 12*800, got)
	}
}

func TestAnAnswerWithoutRowsIsNoError(t *testing.T) {
	conn := open(t)
	rows, err := conn.Query(t.Context(), "SELECT number FROM numbers(10) WHERE number > 100")
	if err != nil {
		t.Fatal(err)
	}
	if rows.Next() {
		t.Error("there is a row")
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
	var n uint64
	if err := conn.QueryRow(t.Context(), "SELECT number FROM numbers(1) WHERE number > 1").Scan(&n); !strings.Contains(fmt.Sprint(err), "no rows") {
		t.Errorf("want no rows, got %v", err)
	}
}

func TestInsertingWithoutWaitingStillInserts(t *testing.T) {
	conn := open(t)
	exec(t, conn, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	ctx := ch.Context(t.Context(), ch.WithAsync(true))
	if err := conn.Exec(ctx, "INSERT INTO t VALUES (1), (2)"); err != nil {
		t.Fatal(err)
	}
	if got := one[uint64](t, conn, "SELECT count() FROM t"); got != 2 {
		t.Errorf("want 2, got %d", got)
	}
}
