package sqlite

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/validators/query"
)

const shop = `CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT, segment TEXT);
CREATE TABLE orders(id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers, gross_total REAL, placed_on TEXT);
INSERT INTO customers VALUES (1,'Ada','consumer'),(2,'Ben','business'),(3,'Cem','consumer');
INSERT INTO orders VALUES (1,1,10.5,'2026-10-01'),(2,1,20,'2026-10-02'),(3,2,5,'2026-10-03'),(4,3,7.25,'2026-11-01');`

func check(t *testing.T, job query.Job) query.Outcome {
	t.Helper()
	if job.Schema == "" {
		job.Schema = shop
	}
	out, err := NewChecker().Check(context.Background(), job)
	if err != nil {
		t.Fatal(job.SQL, err)
	}
	return out
}

func TestVerdictsOnAShop(t *testing.T) {
	for _, c := range []struct {
		name, sql, gold, rows  string
		verdict, reason, finds string
	}{
		{"same answer otherwise written", `SELECT name, sum(gross_total) s FROM customers c JOIN orders o ON o.customer_id=c.id GROUP BY name`,
			`SELECT sum(gross_total), name FROM orders, customers WHERE customers.id=customer_id GROUP BY customers.id`, "", "pass", "equal", ""},
		{"invented column", `SELECT total_net FROM orders`, `SELECT gross_total FROM orders`, "", "fail", "no_such_column", "no_such_column repaired"},
		{"invented table", `SELECT count(*) FROM purchases`, "", `[[4]]`, "fail", "no_such_table", "no_such_table"},
		{"invented function", `SELECT to_upper(name) FROM customers`, "", "", "fail", "no_such_function", "no_such_function"},
		{"ambiguous", `SELECT id FROM customers, orders WHERE customer_id = customers.id`, "", "", "fail", "ambiguous_column", "ambiguous_column"},
		{"does not parse", `SELEC 1`, "", `[[1]]`, "fail", "syntax_error", "syntax_error"},
		{"repeated by a join", `SELECT name FROM customers JOIN orders ON customer_id = customers.id`, `SELECT name FROM customers`, "", "fail", "wrong_result", "wrong_grain"},
		{"every row with every row", `SELECT count(*) FROM orders, customers`, "", `[[4]]`, "fail", "wrong_result", "cartesian_product"},
		{"any row's name", `SELECT name, count(*) FROM customers`, "", `[["Ada",4]]`, "fail", "wrong_result", "aggregate_without_group"},
		{"ties in any order", `SELECT segment FROM customers ORDER BY segment, id DESC`, `SELECT segment FROM customers ORDER BY segment`, "", "pass", "equal", ""},
		{"a limit through a tie", `SELECT name FROM customers WHERE segment='consumer' ORDER BY name DESC LIMIT 1`,
			`SELECT name FROM customers ORDER BY segment DESC LIMIT 1`, "", "inconclusive", "tied_rows", ""},
		{"a limit through a tie, with columns exchanged", `SELECT 3, name FROM customers WHERE id = 3`,
			`SELECT name, id FROM customers ORDER BY segment DESC LIMIT 1`, "", "inconclusive", "tied_rows", ""},
		{"ties in another order", `SELECT name FROM customers ORDER BY segment, id DESC`, `SELECT name FROM customers ORDER BY segment`, "", "pass", "equal_within_ties", ""},
		{"a limit without an order", `SELECT name FROM customers WHERE id = 2`, `SELECT name FROM customers LIMIT 1`, "", "inconclusive", "tied_rows", ""},
		{"what no tied row is", `SELECT 'Ben'`, `SELECT name FROM customers ORDER BY segment DESC LIMIT 1`, "", "fail", "wrong_result", ""},
		{"both empty", `SELECT id FROM customers WHERE id > 9`, `SELECT id FROM orders WHERE id > 9`, "", "inconclusive", "both_empty", ""},
		{"the other empty", `SELECT id FROM customers WHERE id > 9`, `SELECT id FROM orders`, "", "fail", "wrong_result", ""},
		{"no rows expected", `SELECT id FROM customers WHERE id > 9`, "", `[]`, "pass", "equal", ""},
		{"random", `SELECT random()`, "", `[[1]]`, "inconclusive", "volatile_function", ""},
		{"random expected", `SELECT 1`, `SELECT random()`, "", "inconclusive", "expected_undetermined", ""},
		{"the expected query is wrong", `SELECT 1`, `SELECT nothing`, "", "inconclusive", "expected_fails", ""},
		{"nothing", ` -- only words`, "", `[[1]]`, "fail", "no_statement", ""},
		{"two", `SELECT 1; SELECT 2`, "", `[[1]]`, "fail", "several_statements", "several_statements"},
		{"a semicolon and a remark", `SELECT 1; -- done`, "", `[[1]]`, "pass", "equal", ""},
		{"an update", `UPDATE orders SET gross_total = 0`, "", `[[1]]`, "fail", "not_a_query", "writes"},
		{"nothing expected", `SELECT name FROM customers`, "", "", "pass", "runs", ""},
	} {
		job := query.Job{SQL: c.sql, Gold: c.gold}
		if c.rows != "" {
			job.Rows = json.RawMessage(c.rows)
		}
		out := check(t, job)
		var kinds []string
		for _, f := range out.Evidence.Findings {
			kinds = append(kinds, f.Kind)
		}
		if out.Verdict != c.verdict || out.Reason != c.reason || strings.Join(kinds, " ") != c.finds {
			t.Errorf("%s: want %s %s (%s), got %s %s %v: %s", c.name, c.verdict, c.reason, c.finds, out.Verdict, out.Reason, kinds, out.Message)
		}
	}
}

func TestTheNearestNameIsTried(t *testing.T) {
	out := check(t, query.Job{SQL: `SELECT sum(o.total_net) FROM orders AS o`, Gold: `SELECT sum(gross_total) FROM orders`})
	e := out.Evidence
	if out.Message != "There is no column o.total_net. The nearest real one is o.gross_total." || e.Repaired != `SELECT sum(o.gross_total) FROM orders AS o` || e.Differ != 0 {
		t.Errorf("got %q, %+v", out.Message, e)
	}
	if !slices.ContainsFunc(e.Findings, func(f query.Finding) bool { return f.Kind == query.FindColumn && f.Start == 11 && f.End == 22 }) {
		t.Errorf("want the place of the name, got %+v", e.Findings)
	}
}

// TestAbuseIsStopped: what a statement may not do is refused or given up, with
// a reason, in time.
func TestAbuseIsStopped(t *testing.T) {
	deep := func(open, middle, end string, n int) string {
		return "SELECT " + strings.Repeat(open, n) + middle + strings.Repeat(end, n)
	}
	for name, c := range map[string]struct{ sql, verdict, reason string }{
		"a recursion that never ends":   {`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n`, "inconclusive", "timeout"},
		"a recursion that makes rows":   {`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n`, "fail", "wrong_result"},
		"a recursion that grows":        {`WITH RECURSIVE n(s) AS (SELECT 'x' UNION ALL SELECT s||s FROM n) SELECT max(length(s)) FROM n`, "inconclusive", "too_large"},
		"a sort of everything":          {`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n ORDER BY randomblob(1000)`, "inconclusive", ""},
		"a blob of a gigabyte":          {`SELECT randomblob(1000000000)`, "inconclusive", "too_large"},
		"blobs that add up":             {`SELECT group_concat(hex(zeroblob(1000000))) FROM orders a, orders b, orders c, orders d`, "inconclusive", ""},
		"a join with itself":            {`SELECT count(*) FROM orders a,orders b,orders c,orders d,orders e,orders f,orders g,orders h,orders i,orders j,orders k,orders l,orders m,orders n`, "inconclusive", "timeout"},
		"a pattern of many stars":       {`SELECT hex(zeroblob(1000000)) LIKE '` + strings.Repeat("%0", 30_000) + `'`, "inconclusive", ""},
		"a pattern that backtracks":     {`SELECT hex(zeroblob(1000000)) LIKE '` + strings.Repeat("%0_", 300) + `1'`, "", ""},
		"a file":                        {`ATTACH '/etc/passwd' AS p`, "fail", "not_a_query"},
		"a copy into a file":            {`VACUUM INTO '/tmp/assay-escape'`, "fail", "not_a_query"},
		"the schema made writable":      {`PRAGMA writable_schema = on`, "fail", "not_a_query"},
		"the schema written":            {`UPDATE sqlite_schema SET sql = 'x'`, "fail", ""},
		"an extension":                  {`SELECT load_extension('/lib/x.so')`, "fail", ""},
		"a file read":                   {`SELECT readfile('/etc/passwd')`, "fail", ""},
		"a virtual table":               {`CREATE VIRTUAL TABLE t USING fts5(x)`, "fail", "not_a_query"},
		"a transaction":                 {`BEGIN`, "fail", "not_a_query"},
		"a pragma as a table":           {`SELECT * FROM pragma_table_info('orders')`, "fail", "not_a_query"},
		"ten thousand parentheses":      {deep("(", "1", ")", 10_000), "inconclusive", "too_complex"},
		"thirty thousand minus signs":   {deep("- ", "1", "", 30_000), "inconclusive", "too_complex"},
		"a sum of thirty thousand":      {"SELECT 1" + strings.Repeat("+1", 30_000), "inconclusive", "too_complex"},
		"a sum of two hundred thousand": {"SELECT 1" + strings.Repeat("+1", 200_000), "inconclusive", "too_long"},
		"queries in queries":            {strings.Repeat("SELECT * FROM (", 3_000) + "SELECT 1" + strings.Repeat(")", 3_000), "inconclusive", "too_complex"},
		"three thousand unions":         {"SELECT 1" + strings.Repeat(" UNION SELECT 1", 3_000), "inconclusive", "too_complex"},
		"six thousand columns":          {"SELECT 1" + strings.Repeat(",1", 6_000), "inconclusive", "too_complex"},
		"bytes that are no text":        {"SELECT '\xff\xfe\x00'", "", ""},
	} {
		began := time.Now()
		out := check(t, query.Job{SQL: c.sql, Rows: json.RawMessage(`[[4]]`), TakesMS: 300})
		if took := time.Since(began); took > 1300*time.Millisecond+time.Second { // the engine's start on a busy machine
			t.Errorf("%s: took %s", name, took)
		}
		if c.verdict != "" && out.Verdict != c.verdict || c.reason != "" && out.Reason != c.reason || out.Message == "" {
			t.Errorf("%s: want %s %s, got %s %s: %.200s", name, c.verdict, c.reason, out.Verdict, out.Reason, out.Message)
		}
		if out.Verdict == "pass" {
			t.Errorf("%s passes", name)
		}
	}
}

func TestASchemaReachesNothing(t *testing.T) {
	for _, schema := range []string{`ATTACH '/tmp/assay-escape' AS x`, `CREATE VIRTUAL TABLE t USING fts5(x)`, `CREATE TABLE t(`,
		`CREATE TABLE t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) INSERT INTO t SELECT randomblob(10000) FROM n`} {
		if out := check(t, query.Job{Schema: schema, SQL: `SELECT 1`}); out.Verdict != "inconclusive" || out.Reason != "invalid_schema" {
			t.Errorf("%s: want an invalid schema, got %s %s", schema, out.Verdict, out.Reason)
		}
	}
}

func TestJobsDoNotSeeEachOther(t *testing.T) {
	checker := NewChecker()
	for range 3 {
		out, err := checker.Check(t.Context(), query.Job{Schema: shop, SQL: `SELECT count(*) FROM orders`, Rows: json.RawMessage(`[[4]]`)})
		if err != nil || out.Verdict != "pass" {
			t.Fatalf("want what the schema says each time, got %+v %v", out, err)
		}
		if out, err := checker.Check(t.Context(), query.Job{Schema: shop, SQL: `DELETE FROM orders`}); err != nil || out.Verdict != "fail" {
			t.Fatalf("want a refusal, got %+v %v", out, err)
		}
	}
}
