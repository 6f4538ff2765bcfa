package validators

import (
	"encoding/json"
	"time"

	"assay/validators/query"
)

const shopSchema = `CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT, segment TEXT);
CREATE TABLE orders(id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers, gross_total REAL, placed_on TEXT);
INSERT INTO customers VALUES (1,'Ada','consumer'),(2,'Ben','business'),(3,'Cem','consumer');
INSERT INTO orders VALUES (1,1,10.5,'2026-10-01'),(2,1,20,'2026-10-02'),(3,2,5,'2026-10-03'),(4,3,7.25,'2026-11-01');`

func shopQuery(sql string) string {
	text, err := json.Marshal(map[string]any{"kind": "sql", "dialect": "sqlite", "sql": sql, "schema": shopSchema})
	if err != nil {
		panic(err) // a constant
	}
	return string(text)
}

// sqlCanaries are right, wrong and abusive statements.
var sqlCanaries = []Canary{
	{Name: "columns and rows in another order", Want: Pass, Expected: `{"sql":"SELECT name, sum(gross_total) FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.id"}`,
		Artifact: shopQuery(`SELECT sum(o.gross_total) AS revenue, c.name FROM orders o, customers c WHERE c.id = o.customer_id GROUP BY c.name ORDER BY 1`)},
	{Name: "rows as expected", Want: Pass, Expected: `{"rows":[["consumer",2],["business",1]]}`,
		Artifact: shopQuery(`SELECT segment, count(*) FROM customers GROUP BY segment`)},
	{Name: "sum of floats", Want: Pass, Expected: `{"rows":[[42.75]]}`, Artifact: shopQuery(`SELECT 0.1 + 0.2 - 0.3 + sum(gross_total) FROM orders`)},
	{Name: "invented column", Want: Fail, Reason: query.FindColumn, Expected: `{"rows":[[30.5]]}`, Artifact: shopQuery(`SELECT sum(total_net) FROM orders WHERE customer_id = 1`)},
	{Name: "invented table", Want: Fail, Reason: query.FindTable, Expected: `{"rows":[[4]]}`, Artifact: shopQuery(`SELECT count(*) FROM purchases`)},
	{Name: "no join condition", Want: Fail, Expected: `{"rows":[[4]]}`, Artifact: shopQuery(`SELECT count(*) FROM orders, customers`)},
	{Name: "wrong order", Want: Fail, Reason: "wrong_result", Expected: `{"sql":"SELECT name FROM customers ORDER BY name"}`, Artifact: shopQuery(`SELECT name FROM customers ORDER BY name DESC`)},
	{Name: "off by a cent", Want: Fail, Expected: `{"rows":[[42.76]]}`, Artifact: shopQuery(`SELECT sum(gross_total) FROM orders`)},
	{Name: "DROP where a question was asked", Want: Fail, Reason: "not_a_query", Expected: `{"rows":[[4]]}`, Artifact: shopQuery(`DROP TABLE orders`)},
	{Name: "two statements", Want: Fail, Reason: "several_statements", Expected: `{"rows":[[4]]}`, Artifact: shopQuery(`SELECT 4; DELETE FROM orders`)},
	{Name: "equal by emptiness", Want: Inconclusive, Reason: "both_empty", Expected: `{"sql":"SELECT id FROM orders WHERE id > 90"}`, Artifact: shopQuery(`SELECT id FROM customers WHERE id > 90`)},
	{Name: "endless recursion", Want: Inconclusive, Reason: "timeout", Within: 200 * time.Millisecond, Expected: `{"rows":[[4]]}`,
		Artifact: shopQuery(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n`)},
	{Name: "a blob of a gigabyte", Want: Inconclusive, Expected: `{"rows":[[4]]}`, Artifact: shopQuery(`SELECT length(zeroblob(1000000000))`)},
	{Name: "attach a file", Want: Fail, Reason: "not_a_query", Expected: `{"rows":[[4]]}`, Artifact: shopQuery(`ATTACH '/etc/passwd' AS p`)},
}
