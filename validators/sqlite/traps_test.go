package sqlite

import (
	"encoding/json"
	"testing"

	"assay/validators/query"
)

const trapSchema = `CREATE TABLE sales(id INTEGER PRIMARY KEY, rep TEXT, region TEXT, amount REAL);
INSERT INTO sales VALUES (1,'Ada','north',0.1),(2,'Ada','south',0.2),(3,'ben','north',NULL),(4,'Cem',NULL,0.3),(5,'Cem',NULL,0.3);`

// TestTrapsOfRealQuestions: what makes two right answers look different, and a
// wrong one look right.
func TestTrapsOfRealQuestions(t *testing.T) {
	for _, c := range []struct{ name, sql, gold, rows, verdict string }{
		{"tied rows change places", `SELECT rep, amount FROM sales WHERE amount = 0.3 OR id < 3 ORDER BY amount DESC, id DESC`, `SELECT rep, amount FROM sales WHERE amount = 0.3 OR id < 3 ORDER BY amount DESC`, "", "pass"},
		{"rows that are not tied do not", `SELECT amount FROM sales WHERE id < 3 ORDER BY amount DESC`, `SELECT amount FROM sales WHERE id < 3 ORDER BY amount`, "", "fail"},
		{"an order nobody asked for", `SELECT rep FROM sales ORDER BY rep DESC`, `SELECT rep FROM sales`, "", "pass"},
		{"the first of tied rows", `SELECT id FROM sales WHERE id = 5`, `SELECT id FROM sales ORDER BY amount DESC LIMIT 1`, "", "inconclusive"},
		{"NULL is not nothing", `SELECT region FROM sales WHERE region IS NOT NULL`, `SELECT region FROM sales`, "", "fail"},
		{"NULL is not empty text", `SELECT coalesce(region, '') FROM sales`, `SELECT region FROM sales`, "", "fail"},
		{"NULL is not zero", `SELECT coalesce(amount, 0) FROM sales`, `SELECT amount FROM sales`, "", "fail"},
		{"NULL equals NULL in results", `SELECT region FROM sales WHERE id > 3`, "", `[[null],[null]]`, "pass"},
		{"a comparison with NULL", `SELECT count(*) FROM sales WHERE region <> 'north'`, `SELECT count(*) FROM sales WHERE region IS NOT 'north'`, "", "fail"},
		{"count of a column and of rows", `SELECT count(amount) FROM sales`, `SELECT count(*) FROM sales`, "", "fail"},
		{"sums of floats in another order", `SELECT 0.3 + 0.2 + 0.1`, `SELECT 0.1 + 0.2 + 0.3`, "", "pass"},
		{"a cent is no rounding", `SELECT sum(amount) + 0.01 FROM sales`, `SELECT sum(amount) FROM sales`, "", "fail"},
		{"a whole number written as a float", `SELECT 5.0`, `SELECT count(*) FROM sales`, "", "pass"},
		{"large whole numbers are exact", `SELECT 9007199254740993`, `SELECT 9007199254740992`, "", "fail"},
		{"a number is not its text", `SELECT '5'`, `SELECT count(*) FROM sales`, "", "fail"},
		{"repeated rows count", `SELECT DISTINCT region, amount FROM sales WHERE id > 3`, `SELECT region, amount FROM sales WHERE id > 3`, "", "fail"},
		{"UNION removes, UNION ALL keeps", `SELECT rep FROM sales UNION SELECT rep FROM sales`, `SELECT rep FROM sales UNION ALL SELECT rep FROM sales`, "", "fail"},
		{"columns change places", `SELECT amount, rep FROM sales`, `SELECT rep, amount FROM sales`, "", "pass"},
		{"columns of like contents do not hide a wrong one", `SELECT id, id FROM sales`, `SELECT id, 6 - id FROM sales`, "", "fail"},
		{"a column too many", `SELECT rep, amount FROM sales`, `SELECT rep FROM sales`, "", "fail"},
		{"columns have other names", `SELECT rep AS seller FROM sales`, `SELECT rep FROM sales`, "", "pass"},
		{"keywords and names in another case", `select REP from SALES`, `SELECT rep FROM sales`, "", "pass"},
		{"values in another case", `SELECT upper(rep) FROM sales`, `SELECT rep FROM sales`, "", "fail"},
		{"a comparison that minds the case", `SELECT count(*) FROM sales WHERE rep = 'Ben'`, `SELECT count(*) FROM sales WHERE rep = 'ben'`, "", "fail"},
		{"spaces at the end", `SELECT rep || ' ' FROM sales`, `SELECT rep FROM sales`, "", "fail"},
		{"whole division", `SELECT 1 / 2`, `SELECT 1 / 2.0`, "", "fail"},
	} {
		job := query.Job{SQL: c.sql, Gold: c.gold, Schema: trapSchema}
		if c.rows != "" {
			job.Rows = json.RawMessage(c.rows)
		}
		if out := check(t, job); out.Verdict != c.verdict {
			t.Errorf("%s: want %s, got %s %s: %s", c.name, c.verdict, out.Verdict, out.Reason, out.Message)
		}
	}
}
