package dialect

import (
	"encoding/json"
	"strings"
	"testing"

	"assay/validators/query"
)

// hostile are statements written to get out of one question, by how they must
// be refused.
var hostile = map[string][]string{
	"not_a_query": {
		`INSERT INTO orders VALUES (9, 9, 9, '')`, `UPDATE orders SET total = 0`, `DELETE FROM orders`, `TRUNCATE orders`, `DROP TABLE orders CASCADE`,
		`MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN DELETE`,
		`COPY orders TO PROGRAM 'id > /tmp/assay-escape'`, `COPY (SELECT 1) TO '/tmp/assay-escape'`, `COPY orders FROM '/etc/passwd'`, `COPY orders FROM PROGRAM 'id'`,
		`CREATE TABLE t AS SELECT 1`, `CREATE EXTENSION dblink`, `CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc.so.6', 'system'`, `CREATE ROLE boss SUPERUSER`,
		`ALTER ROLE assay_app SUPERUSER`, `ALTER SYSTEM SET archive_command = 'id'`, `ALTER TABLE orders OWNER TO assay_owner`, `ALTER USER assay_app SET work_mem = '2GB'`,
		`SET statement_timeout = 0`, `SET LOCAL work_mem = '2GB'`, `SET SESSION AUTHORIZATION assay_owner`, `SET ROLE assay_owner`, `RESET ALL`, `SHOW data_directory`, `DISCARD ALL`,
		`BEGIN`, `COMMIT`, `ROLLBACK`, `SAVEPOINT a`, `PREPARE p AS SELECT 1`, `EXECUTE p`, `DEALLOCATE ALL`, `DECLARE c CURSOR FOR SELECT 1`, `FETCH ALL FROM c`,
		`DO $$ BEGIN PERFORM pg_sleep(9); END $$`, `CALL p()`, `LISTEN x`, `NOTIFY x, 'y'`, `LOAD 'libc.so.6'`, `LOCK TABLE orders`, `VACUUM`, `ANALYZE orders`, `CHECKPOINT`, `REINDEX TABLE orders`,
		`GRANT ALL ON orders TO PUBLIC`, `COMMENT ON TABLE orders IS 'x'`, `IMPORT FOREIGN SCHEMA s FROM SERVER x INTO public`, `REFRESH MATERIALIZED VIEW v`,
		`SELECT * INTO escape FROM orders`, `SELECT 1 AS into_x INTO TEMP escape`, `SELECT * FROM orders FOR UPDATE`, `SELECT * FROM orders FOR KEY SHARE SKIP LOCKED`,
		`SELECT * FROM (SELECT * FROM orders FOR SHARE) AS s`,
		`WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM gone`, `WITH a AS (WITH b AS (UPDATE orders SET total = 0 RETURNING id) SELECT * FROM b) SELECT * FROM a`,
		`WITH i AS (INSERT INTO orders VALUES (1,1,1,'') RETURNING id) TABLE i`, `EXPLAIN ANALYZE DELETE FROM orders`, `EXPLAIN ANALYZE INSERT INTO orders VALUES (1)`,
		`/* SELECT */ DELETE FROM orders -- SELECT 1`,
	},
	"several_statements": {
		`SELECT 1; SELECT 2`, `SELECT 1; DROP TABLE orders`, `SELECT 1;;DELETE FROM orders;`, `SELECT ';'; ROLLBACK; DROP TABLE orders`, `SELECT $$;$$; DELETE FROM orders`,
		`SELECT E'\'; --'; DELETE FROM orders`,
	},
	"unsupported": {
		`SELECT pg_sleep(100)`, `SELECT pg_catalog.pg_sleep(100)`, `SELECT "pg_catalog"."pg_sleep"(100)`, `SELECT PG_SLEEP(100)`, `SELECT U&"pg_\0073leep"(100)`, `SELECT/**/pg_sleep/**/(100)`,
		`SELECT pg_read_file('/etc/passwd')`, `SELECT pg_read_binary_file('/etc/passwd')`, `SELECT * FROM pg_ls_dir('/')`, `SELECT * FROM pg_stat_file('/etc/passwd')`,
		`SELECT ('/etc/passwd'::text).pg_read_file`, `SELECT f.pg_read_file FROM CAST('/etc/passwd' AS text) AS f`, `SELECT lo_import('/etc/passwd')`, `SELECT lo_export(1, '/tmp/assay-escape')`,
		`SELECT set_config('statement_timeout', '0', false)`, `SELECT current_setting('data_directory')`, `SELECT pg_terminate_backend(pg_backend_pid())`, `SELECT pg_reload_conf()`,
		`SELECT pg_advisory_lock(1)`, `SELECT query_to_xml('DELETE FROM orders', true, true, '')`, `SELECT database_to_xml(true, true, '')`, `SELECT table_to_xml('orders', true, true, '')`,
		`SELECT pg_notify('x', 'y')`, `SELECT txid_current()`, `SELECT inet_server_addr()`, `SELECT pg_relation_filepath('orders')`, `SELECT has_table_privilege('orders', 'select')`,
		`SELECT * FROM ROWS FROM (generate_series(1, 2), pg_ls_dir('/')) AS t`, `SELECT 1 WHERE EXISTS (SELECT pg_sleep(9))`, `SELECT 1 ORDER BY pg_sleep(9)`, `VALUES (pg_sleep(9))`,
		`SELECT sum(total) FILTER (WHERE pg_sleep(9) IS NULL) FROM orders`, `SELECT rank() OVER (ORDER BY pg_sleep(9)) FROM orders`, `EXPLAIN ANALYZE SELECT pg_sleep(9)`,
		`WITH RECURSIVE r AS (SELECT pg_sleep(9) UNION ALL SELECT * FROM r) SELECT * FROM r`, `SELECT * FROM LATERAL (SELECT pg_sleep(9)) AS s`, `SELECT CASE WHEN true THEN pg_sleep(9) END`,
		`SELECT ts_stat('SELECT pg_sleep(9)')`, `SELECT nextval('s')`, `SELECT setval('s', 1)`, `SELECT pg_export_snapshot()`, `SELECT version()`, `SELECT system('id')`,
		`SELECT rolpassword FROM pg_authid`, `SELECT * FROM pg_catalog.pg_shadow`, `SELECT * FROM pg_stat_activity`, `SELECT * FROM pg_settings`, `SELECT * FROM pg_toast.pg_toast_1`,
	},
	"no_such_function": {`SELECT dblink('host=127.0.0.1', 'SELECT 1')`, `SELECT plpython_call('id')`},
	"syntax_error":     {`SELEC 1`, `SELECT 1 FROM`, `\! id`, `SELECT 1 \gexec`, "SELECT 1 \x00; DELETE FROM orders", `SELECT 'open`, `SELECT $tag$ open`, `SELECT 1 LIMIT LIMIT 1`},
	"no_statement":     {``, `-- only words`, `;;`, `/* SELECT 1 */`},
}

// TestHostilePostgres: what the parse tree does not allow never reaches the
// server, and nothing is left of it.
func TestHostilePostgres(t *testing.T) {
	e := Open(Config{})
	t.Cleanup(e.Close)
	count := 0
	for reason, statements := range hostile {
		for _, sql := range statements {
			count++
			out := judge(t, e, "postgres", query.Job{SQL: sql, Rows: json.RawMessage(`[[1]]`)})
			if out.Reason == ReasonMissing {
				t.Fatal("no PostgreSQL server is installed: ", out.Message)
			}
			if out.Verdict == "pass" || out.Reason != reason {
				t.Errorf("%s: want %s, got %s %s: %s", sql, reason, out.Verdict, out.Reason, out.Message)
			}
		}
	}
	for _, sql := range []string{`SELECT count(*), sum(total) FROM orders`, `TABLE orders`, `VALUES (1), (2)`, `EXPLAIN SELECT 1`, `WITH a AS (SELECT 1) SELECT * FROM a UNION ALL VALUES (2)`,
		`SELECT table_name FROM information_schema.tables`, `SELECT o.note, o.total FROM orders o WHERE o.total > (SELECT avg(total) FROM orders)`,
		`SELECT string_agg(name, ',' ORDER BY name), count(*) FILTER (WHERE id > 1), max(length(name)) OVER () FROM customers GROUP BY name`,
		`SELECT date_trunc('month', DATE '2026-01-15'), extract(year FROM now()), current_date, CAST('1' AS int), '{"a":1}'::jsonb ->> 'a'`,
		`SELECT c.name FROM customers c LEFT JOIN LATERAL (SELECT * FROM orders o WHERE o.customer_id = c.id ORDER BY id LIMIT 1) AS l ON true`,
		`WITH pg_own AS (SELECT 1 AS n) SELECT n FROM pg_own`, `SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders`} {
		if out := judge(t, e, "postgres", query.Job{SQL: sql}); out.Verdict != "pass" {
			t.Errorf("%s is a question: got %s %s: %s", sql, out.Verdict, out.Reason, out.Message)
		}
	}
	if out := judge(t, e, "postgres", query.Job{SQL: `SELECT count(*), sum(total) FROM orders`, Rows: json.RawMessage(`[[3, 35.5]]`)}); out.Verdict != "pass" {
		t.Errorf("the data is as it was: got %+v", out)
	}
	if count < 60 {
		t.Errorf("%d hostile statements", count)
	}
	t.Logf("%d hostile statements refused", count)
}

func TestPlacesOfATree(t *testing.T) {
	r, err := readInside(t.Context(), box(t), `SELECT é.total, pg_sleep(1) FROM orders AS é TABLESAMPLE system (50)`)
	if err != nil || !r.Sampled || len(r.Calls) != 1 || r.Calls[0].Name != "pg_sleep" || r.Calls[0].At != strings.Index(`SELECT é.total, pg_sleep(1)`, "pg_sleep") || len(r.Fields) != 1 || r.Tables[0].Name != "orders" {
		t.Errorf("got %+v", r)
	}
}
