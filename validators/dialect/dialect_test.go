package dialect

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"assay/internal/embedded"
	"assay/validators/query"
)

func TestMain(m *testing.M) {
	embedded.Main()
	os.Exit(m.Run())
}

func judge(t *testing.T, e *Engines, dialect string, job query.Job) query.Outcome {
	t.Helper()
	if job.Schema == "" {
		job.Schema, job.Portable = canarySchema, true
	}
	out, err := e.Judge(t.Context(), dialect, job)
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
		{`SELECT rolpassword FROM pg_authid`, "", `[[1]]`, "fail", ""},
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
	if s := e.States()[0]; s.Missing == "" {
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
