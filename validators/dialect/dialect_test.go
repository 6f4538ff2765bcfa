package dialect

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/internal/embedded"
	"assay/validators/query"
	"assay/validators/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main(Programs(Config{})...)
	embedded.Main()
	os.Exit(m.Run())
}

// box is the sandbox of all tests here.
func box(t *testing.T) *sandbox.Children {
	t.Helper()
	return opened()
}

var opened = sync.OnceValue(func() *sandbox.Children {
	return sandbox.Open(sandbox.Config{Programs: Programs(Config{}), Reads: Reads(Config{})})
})

func judge(t *testing.T, e *Engines, dialect string, job query.Job) query.Outcome {
	t.Helper()
	if job.Schema == "" {
		job.Schema, job.Portable = canarySchema, true
	}
	out, err := e.Judge(t.Context(), box(t), dialect, job)
	if err != nil {
		t.Fatal(job.SQL, err)
	}
	return out
}

// said is a statement with what must be said of it.
type said struct{ sql, gold, rows, verdict, reason string }

func (s said) hold(t *testing.T, e *Engines, dialect string) {
	t.Helper()
	job := query.Job{SQL: s.sql, Gold: s.gold, TakesMS: 500}
	if s.rows != "" {
		job.Rows = json.RawMessage(s.rows)
	}
	began := time.Now()
	out := judge(t, e, dialect, job)
	if out.Verdict != s.verdict || s.reason != "" && out.Reason != s.reason {
		t.Errorf("%.120s: want %s %s, got %s %s: %s", s.sql, s.verdict, s.reason, out.Verdict, out.Reason, out.Message)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%.120s: took %s", s.sql, took)
	}
}

var common = []said{
	{`SELECT name FROM customers ORDER BY id DESC`, `SELECT name FROM customers ORDER BY name DESC`, "", "pass", "equal"},
	{`SELECT name FROM customers ORDER BY id`, `SELECT name FROM customers ORDER BY id DESC`, "", "fail", "wrong_result"},
	{`SELECT id FROM orders ORDER BY customer_id, id DESC`, `SELECT id FROM orders ORDER BY customer_id`, "", "pass", ""},
	{`SELECT 2`, `SELECT id FROM orders WHERE customer_id = 1 ORDER BY customer_id LIMIT 1`, "", "inconclusive", ""},
	{`SELECT 3`, `SELECT id FROM orders ORDER BY customer_id LIMIT 1`, "", "fail", "wrong_result"},
	{`SELECT sum(totl) FROM orders`, `SELECT sum(total) FROM orders`, "", "fail", "no_such_column"},
	{`SELECT count(*) FROM custmers`, `SELECT count(*) FROM customers`, "", "fail", "no_such_table"},
	{`SELECT summ(total) FROM orders`, "", `[[35.5]]`, "fail", "no_such_function"},
	{`SELECT count(*) FRM orders WHERE`, "", `[[1]]`, "fail", "syntax_error"},
	{`INSERT INTO orders VALUES (9,9,9,'')`, "", `[[1]]`, "fail", "not_a_query"},
	{`SELECT 1; DROP TABLE orders`, "", `[[1]]`, "fail", "several_statements"},
	{`SELECT id FROM customers WHERE id > 9`, `SELECT id FROM orders WHERE id > 9`, "", "inconclusive", "both_empty"},
	{`SELECT 1` + strings.Repeat("+1", 100_000), "", `[[1]]`, "inconclusive", "too_long"},
	{`WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n`, "", `[[1]]`, "inconclusive", ""},
	{`SELECT count(*) FROM customers`, "", `[[2]]`, "pass", "equal"}, // what went before left nothing
}

func TestClickhouse(t *testing.T) {
	e := Open(Config{})
	t.Cleanup(e.Close)
	if out := judge(t, e, "clickhouse", query.Job{SQL: `SELECT 1`, Rows: json.RawMessage(`[[1]]`)}); out.Reason == ReasonMissing {
		t.Fatal("the engine's library is not installed: ", out.Message)
	} else if out.Verdict != "pass" {
		t.Fatalf("got %+v", out)
	}
	for _, c := range append(common, []said{
		{`SELECT toInt64(9007199254740993), toFloat64(0.1), toDate('2026-01-02'), [1,2], NULL, true`, "", `[[9007199254740993, 0.1, "2026-01-02", "[1,2]", null, true]]`, "pass", "equal"},
		{`SELECT * FROM file('/etc/passwd', 'LineAsString')`, "", `[[1]]`, "fail", ""},
		{`SELECT * FROM remote('127.0.0.1', system.one)`, "", `[[1]]`, "fail", ""},
		{`SELECT 1 INTO OUTFILE '/tmp/assay-escape'`, "", `[[1]]`, "fail", ""},
		{`SELECT sleep(3)`, "", `[[0]]`, "inconclusive", "timeout"},
		{`SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))`, "", `[[0]]`, "inconclusive", "timeout"},
		{`SELECT length(arrayMap(x -> repeat('x', 1000), range(10000000)))`, "", `[[0]]`, "inconclusive", ""},
		{`SELECT 1 SETTINGS max_execution_time = 1000, max_memory_usage = 100000000000`, "", `[[2]]`, "fail", ""},
		{`SELECT count(*) FROM customers`, "", `[[2]]`, "pass", "equal"},
	}...) {
		c.hold(t, e, "clickhouse")
	}
	if out := judge(t, e, "clickhouse", query.Job{Schema: `CREATE TABLE t (x String) ENGINE = File(CSV)`, SQL: `SELECT 1`}); out.Reason != "invalid_schema" {
		t.Errorf("a table that is a file: got %+v", out)
	}
	out := judge(t, e, "clickhouse", query.Job{Schema: `CREATE TABLE t (x String) ENGINE = MergeTree ORDER BY x; INSERT INTO t VALUES ('a;\'b'), ('c'); -- ; end`, SQL: `SELECT x FROM t ORDER BY x LIMIT 1`, Rows: json.RawMessage(`[["a;'b"]]`)})
	if out.Verdict != "pass" {
		t.Errorf("a script of its own: got %+v", out)
	}
}

func TestPostgres(t *testing.T) {
	e := Open(Config{})
	t.Cleanup(e.Close)
	if out := judge(t, e, "postgres", query.Job{SQL: `SELECT 1`, Rows: json.RawMessage(`[[1]]`)}); out.Reason == ReasonMissing {
		t.Fatal("no PostgreSQL server is installed: ", out.Message)
	} else if out.Verdict != "pass" {
		t.Fatalf("got %+v", out)
	}
	for _, c := range append(common, []said{
		{`SELECT 9007199254740993, 0.1::numeric, DATE '2026-01-02', ARRAY[1,2], NULL, true, 2.50::numeric`, "", `[[9007199254740993, 0.1, "2026-01-02", "{1,2}", null, true, 2.5]]`, "pass", "equal"},
		{`SELECT extract(year FROM DATE '2026-01-02')::int, coalesce(NULL, 'x'), to_char(1.5, '9.9'), round(2.567, 2), string_agg(name, ',' ORDER BY name) FROM customers`, "", `[[2026, "x", " 1.5", 2.57, "Ada,Ben"]]`, "pass", ""},
		{`SELECT c.name, rank() OVER (ORDER BY sum(o.total)) FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.name`, "", `[["Ben",1],["Ada",2]]`, "pass", ""},
		{`SELECT n FROM generate_series(1, 3) AS t(n)`, "", `[[1],[2],[3]]`, "pass", ""},
		{`SELECT name, count(*) FROM customers`, "", `[["Ada",2]]`, "fail", "statement_error"},
		{`SELECT pg_sleep(100)`, "", `[[1]]`, "inconclusive", "unsupported"},
		{`SELECT set_config('statement_timeout', '0', false)`, "", `[[1]]`, "inconclusive", "unsupported"},
		{`SELECT ('/etc/passwd'::text).pg_read_file`, "", `[[1]]`, "inconclusive", "unsupported"},
		{`SELECT "pg_read_file"('/etc/passwd')`, "", `[[1]]`, "inconclusive", "unsupported"},
		{`SELECT rolpassword FROM pg_authid`, "", `[[1]]`, "inconclusive", "unsupported"},
		{`SELECT * INTO escape FROM orders`, "", `[[1]]`, "fail", "not_a_query"},
		{`WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM gone`, "", `[[3]]`, "fail", ""},
		{`SELECT * FROM orders FOR UPDATE`, "", `[[3]]`, "fail", "not_a_query"},
		{`SELECT length(repeat('x', 1000000000) || repeat('x', 73741800))`, "", `[[1]]`, "inconclusive", ""},
		{`SELECT count(*) FROM generate_series(1, 1000000000000)`, "", `[[1]]`, "inconclusive", ""}, // of time or of memory, whichever ends first,
		{`SELECT generate_series(1, 100000000)`, "", `[[1]]`, "fail", "wrong_result"},
		{`SELECT ` + strings.Repeat("(", 20_000) + "1" + strings.Repeat(")", 20_000), "", `[[2]]`, "inconclusive", "too_complex"},
		{`SELECT count(*) FROM customers`, "", `[[2]]`, "pass", "equal"},
	}...) {
		c.hold(t, e, "postgres")
	}
	for _, schema := range []string{`COPY (SELECT 1) TO PROGRAM 'id'`, `CREATE TABLE t(x int); COPY t FROM '/etc/passwd'`, `ALTER ROLE assay_app SUPERUSER`, `CREATE EXTENSION dblink`, `CREATE DATABASE other`} {
		if out := judge(t, e, "postgres", query.Job{Schema: schema, SQL: `SELECT 1`}); out.Reason != "invalid_schema" {
			t.Errorf("%s: got %s %s %s", schema, out.Verdict, out.Reason, out.Message)
		}
	}
}

// TestSessionsFollowEachOtherQuickly: the one before may still be leaving.
func TestSessionsFollowEachOtherQuickly(t *testing.T) {
	e := Open(Config{})
	t.Cleanup(e.Close)
	for range 60 {
		if out := judge(t, e, "postgres", query.Job{SQL: `SELECT 1`, Rows: json.RawMessage(`[[1]]`)}); out.Reason == ReasonMissing {
			t.Fatal("no PostgreSQL server is installed: ", out.Message)
		} else if out.Verdict != "pass" {
			t.Fatalf("got %+v", out)
		}
	}
}

func TestAnEngineThatIsMissingSaysSo(t *testing.T) {
	e := Open(Config{ClickhouseLibrary: "/nowhere/libchdb.so"})
	t.Cleanup(e.Close)
	out := judge(t, e, "clickhouse", query.Job{SQL: `SELECT 1`})
	if out.Verdict != "inconclusive" || out.Reason != ReasonMissing || !strings.Contains(out.Message, "ClickHouse is not to be had on this machine") {
		t.Errorf("got %+v", out)
	}
	if s := e.States()[0]; s.Dialect != "clickhouse" || s.Missing == "" {
		t.Errorf("got %+v", s)
	}
}

func TestAnEngineThatIsWrongIsNotAsked(t *testing.T) {
	e := Open(Config{})
	t.Cleanup(e.Close)
	e.all["clickhouse"].canaries = []canary{{"one is two", `SELECT 1`, `[[2]]`, "pass"}}
	out := judge(t, e, "clickhouse", query.Job{SQL: `SELECT 1`})
	if out.Reason == ReasonMissing {
		t.Fatal("the engine's library is not installed: ", out.Message)
	}
	if out.Verdict != "inconclusive" || out.Reason != ReasonSuspended || !strings.Contains(out.Message, "one is two") {
		t.Errorf("got %+v", out)
	}
	if s := e.States()[0]; s.Engine != "ClickHouse" || s.Wrong != "one is two" || s.Runs || s.Missing != "" {
		t.Errorf("got %+v", s)
	}
	e.Forget()
	e.all["clickhouse"].canaries = commonCanaries
	if out := judge(t, e, "clickhouse", query.Job{SQL: `SELECT 1`}); out.Verdict != "pass" || !e.States()[0].Runs {
		t.Errorf("once it is mended: got %+v", out)
	}
}

// TestDuckdb: in a child of the sandbox for each statement, by the same rules.
func TestDuckdb(t *testing.T) {
	e := Open(Config{})
	t.Cleanup(e.Close)
	if runtime.GOARCH != "amd64" {
		if out := judge(t, e, "duckdb", query.Job{SQL: `SELECT 1`}); out.Reason != ReasonMissing || !strings.Contains(out.Message, "x86-64") {
			t.Errorf("got %+v", out)
		}
		return
	}
	if out := judge(t, e, "duckdb", query.Job{SQL: `SELECT 1`, Rows: json.RawMessage(`[[1]]`)}); out.Reason == ReasonMissing {
		t.Fatal("the engine's library is not installed: ", out.Message)
	} else if out.Verdict != "pass" {
		t.Fatalf("got %+v", out)
	}
	for _, c := range append(common, []said{
		{`SELECT 9007199254740993, 0.1::DECIMAL(4,2), DATE '2026-01-02', [1,2], NULL, true, 0.1::FLOAT, 170141183460469231731687303715884105727::HUGEINT`, "",
			`[[9007199254740993, 0.1, "2026-01-02", "[1, 2]", null, true, 0.1, 170141183460469231731687303715884105727]]`, "pass", "equal"},
		{`SELECT TIMESTAMP '2026-01-02 03:04:05', TIME '01:02:03', INTERVAL 3 DAY, {'a': 1}, MAP {'k': 2}, 'x'::ENUM('x','y'), 'ab'::BLOB, 200::UTINYINT, 18446744073709551615::UBIGINT`, "",
			`[["2026-01-02 03:04:05", "01:02:03", "3 days", "{'a': 1}", "{k=2}", "x", "ab", 200, 18446744073709551615]]`, "fail", "wrong_result"}, // a blob is no text
		{`SELECT 'a text that is longer than what fits beside its length', ''`, "", `[["a text that is longer than what fits beside its length", ""]]`, "pass", "equal"},
		{`SELECT i, i % 3 FROM range(5000) AS r(i) ORDER BY i`, `SELECT i, i % 3 FROM generate_series(0, 4999) AS r(i) ORDER BY i`, "", "pass", "equal"},
		{`SELECT sum(total) FROM orders -- of all
			;;`, "", `[[35.5]]`, "pass", "equal"},
		{`SELECT sum(total)::DECIMAL(9,2) FROM orders -- of all
			;`, "", `[[35.5]]`, "pass", "equal"},
		{`FROM customers SELECT name ORDER BY ALL`, "", `[["Ada"],["Ben"]]`, "pass", ""},
		{`SELECT name FROM customers QUALIFY row_number() OVER (ORDER BY id DESC) = 1`, "", `[["Ben"]]`, "pass", ""},
		{`SELECT o.amount FROM orders o`, "", `[[1]]`, "fail", "no_such_column"},
		{`SELECT id FROM customers, orders`, "", `[[1]]`, "fail", "ambiguous_column"},
		{`SELECT name, count(*) FROM customers`, "", `[["Ada",2]]`, "fail", "statement_error"},
		{`SELECT random()`, "", `[[2]]`, "inconclusive", "volatile_function"},
		{`SELECT id FROM orders TABLESAMPLE 1 ROWS`, "", `[[7]]`, "inconclusive", "volatile_function"},
		{`SELECT * FROM read_csv('/etc/passwd')`, "", `[[1]]`, "inconclusive", "unsupported"},
		{`SELECT * FROM read_text('/proc/self/environ')`, "", `[[1]]`, "inconclusive", "unsupported"},
		{`SELECT * FROM glob('/*')`, "", `[[1]]`, "inconclusive", "unsupported"},
		{`SELECT * FROM '/etc/passwd'`, "", `[[1]]`, "fail", ""},
		{`SELECT * FROM read_parquet('https://example.com/x.parquet')`, "", `[[1]]`, "inconclusive", "unsupported"},
		{`COPY orders TO '/tmp/assay-escape.csv'`, "", `[[1]]`, "fail", "not_a_query"},
		{`COPY orders FROM '/etc/passwd'`, "", `[[1]]`, "fail", "not_a_query"},
		{`EXPORT DATABASE '/tmp/assay-escape'`, "", `[[1]]`, "fail", "not_a_query"},
		{`ATTACH '/tmp/assay-escape.db'`, "", `[[1]]`, "fail", "not_a_query"},
		{`ATTACH ':memory:' AS other`, "", `[[1]]`, "fail", "not_a_query"},
		{`INSTALL httpfs`, "", `[[1]]`, "fail", "not_a_query"},
		{`LOAD '/tmp/x.duckdb_extension'`, "", `[[1]]`, "fail", "not_a_query"},
		{`PRAGMA enable_profiling`, "", `[[1]]`, "fail", "not_a_query"},
		{`SET memory_limit = '100GB'`, "", `[[1]]`, "fail", "not_a_query"},
		{`CALL pragma_version()`, "", `[[1]]`, "fail", "not_a_query"},
		{`EXPLAIN ANALYZE SELECT 1`, "", `[[1]]`, "fail", "not_a_query"},
		{`CREATE TABLE x AS SELECT 1`, "", `[[1]]`, "fail", "not_a_query"},
		{`WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM gone`, "", `[[3]]`, "fail", ""},
		{`SELECT nextval('s')`, "", `[[1]]`, "fail", ""},
		{`SELECT getenv('HOME')`, "", `[[1]]`, "fail", "no_such_function"},
		{`SELECT length(repeat('x', 4000000000))`, "", `[[1]]`, "inconclusive", ""},
		{`SELECT list(i) FROM range(1000000000) AS r(i)`, "", `[[1]]`, "inconclusive", ""},
		{`SELECT count(*) FROM range(10000000) a, range(10000000) b, range(10000000) c`, "", `[[1]]`, "inconclusive", "timeout"},
		{`SELECT i FROM range(100000000) AS r(i)`, "", `[[1]]`, "fail", "wrong_result"},
		{`SELECT ` + strings.Repeat("(", 20_000) + "1" + strings.Repeat(")", 20_000), "", `[[2]]`, "inconclusive", ""},
		{`SELECT 1` + strings.Repeat("+1", 20_000), "", `[[2]]`, "inconclusive", ""},
		{`PIVOT orders ON id USING sum(total)`, "", `[[2]]`, "inconclusive", "unsupported"},
		{"SELECT 1 \x00 SELECT 2", "", `[[2]]`, "fail", "syntax_error"},
		{`SELECT count(*) FROM customers`, "", `[[2]]`, "pass", "equal"},
	}...) {
		c.hold(t, e, "duckdb")
	}
	for _, schema := range []string{`COPY (SELECT 1) TO '/tmp/assay-escape'`, `CREATE TABLE t AS SELECT * FROM read_csv('/etc/passwd')`, `INSTALL httpfs`, `ATTACH '/tmp/assay-escape.db' AS x`,
		`SET enable_external_access = true`, `CREATE TABLE t (x INT); INSERT INTO t VALUES ('a')`} {
		if out := judge(t, e, "duckdb", query.Job{Schema: schema, SQL: `SELECT 1`}); out.Reason != "invalid_schema" {
			t.Errorf("%s: got %s %s %s", schema, out.Verdict, out.Reason, out.Message)
		}
	}
	if _, err := os.Stat("/tmp/assay-escape"); err == nil {
		t.Error("a file was written")
	}
	if out := judge(t, e, "duckdb", query.Job{SQL: `SELECT summ(total) FROM orders`}); !strings.Contains(out.Message, "The nearest real one is sum.") {
		t.Errorf("got %+v", out)
	}
	if out := judge(t, e, "duckdb", query.Job{SQL: `SELECT o.totl FROM orders o`, Rows: json.RawMessage(`[[5],[10.5],[20]]`)}); out.Evidence.Repaired != `SELECT o.total FROM orders o` {
		t.Errorf("got %+v", out)
	}
}

// TestTheServerIsHeldBack: what the kernel refuses the PostgreSQL of the
// validators, asked by its own owner, whom no role holds back.
func TestTheServerIsHeldBack(t *testing.T) {
	if !embedded.ClickhouseIsConfined() {
		t.Skip("this kernel has no Landlock")
	}
	e := Open(Config{})
	t.Cleanup(e.Close)
	if out := judge(t, e, "postgres", query.Job{SQL: `SELECT 1`}); out.Reason == ReasonMissing {
		t.Fatal("no PostgreSQL server is installed: ", out.Message)
	}
	owner := e.all["postgres"].now.(*postgres).owner
	for _, sql := range []string{`SELECT pg_read_file('/etc/passwd')`, `SELECT pg_ls_dir('/home')`, `COPY (SELECT 1) TO '/tmp/assay-escape'`, `COPY (SELECT 1) TO PROGRAM '/usr/bin/id'`,
		`COPY (SELECT 1) TO PROGRAM 'exec 3<>/dev/tcp/127.0.0.1/1 || cat /etc/passwd'`, `SELECT lo_import('/etc/hosts')`} {
		if _, err := owner.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s: its owner may", sql)
		}
	}
	pid := e.all["postgres"].now.(*postgres).cluster.Pid()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("the server's process lacks %q", want)
		}
	}
	if confined, _ := e.Confined("postgres"); !strings.Contains(confined, "Landlock") {
		t.Errorf("what holds it back is said to be %q", confined)
	}
}
