package web

import (
	"reflect"
	"testing"
)

func TestSchemaTables(t *testing.T) {
	for _, c := range []struct {
		what, schema string
		want         []schemaTable
	}{
		{"tables among rows", `CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, price NUMERIC(10, 2));
			INSERT INTO customers VALUES (1,'CREATE me (a, b)',2);
			create table if not exists "orders" ("id" INT, customer_id INT REFERENCES customers(id), PRIMARY KEY (id, customer_id), UNIQUE(id))`,
			[]schemaTable{{"customers", []string{"id", "name", "price"}}, {"orders", []string{"id", "customer_id"}}}},
		{"a default with a comma and a bracket", `CREATE TABLE t (a TEXT DEFAULT '),', b INT)`, []schemaTable{{"t", []string{"a", "b"}}}},
		{"one that is never closed", `CREATE TABLE t (a INT, b`, nil},
		{"no schema at all", `-- tables: see the wiki`, nil},
	} {
		if got := schemaTables(c.schema); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

func TestDaysOfASheetAreReadable(t *testing.T) {
	rows := map[int]map[string]any{
		1: {"A": "Order", "B": "Shipped", "C": "Amount", "D": "Count"},
		2: {"A": 1002.0, "B": 46213.0, "C": 1240.5, "D": 46_000.0},
		3: {"A": 1003.0, "B": 46301.0, "C": 46_100.0, "D": 99_000.0},
	}
	columns := []string{"A", "B", "C", "D"}
	for formula, want := range map[string]map[string]bool{
		`=SUMIFS(C2:C3,B2:B3,">="&DATE(2026,7,1))`: {"B": true},
		`=SUM(C2:C3)`: {"B": true},
	} {
		if got := dateColumns(formula, columns, rows); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", formula, got, want)
		}
	}
	rows[1]["B"] = "Parts"
	if got := dateColumns("=SUM(B2:B3)", columns, rows); len(got) != 0 {
		t.Errorf("whole numbers alone are taken for dates: %v", got)
	}
	if got := dateOf(46213.0, true); got != "2026-07-10" {
		t.Errorf("46213 is %s, want 2026-07-10", got)
	}
	if got := dateOf("Shipped", true) + dateOf(46213.0, false) + dateOf(nil, true); got != "" {
		t.Errorf("what is no day is written as %s", got)
	}
}
