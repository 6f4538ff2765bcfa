package query

import (
	"slices"
	"strings"
	"testing"

	"assay/validators/nearest"
)

var shop = Schema{"customers": {"id", "name", "segment"}, "orders": {"id", "customer_id", "gross_total", "placed_on"}}

func TestFindingsOfAShape(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want string // kinds
	}{
		{`SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id`, ""},
		{`SELECT count(*) FROM orders o, customers c WHERE c.id = o.customer_id`, ""},
		{`SELECT count(*) FROM orders, customers`, FindCartesian},
		{`SELECT count(*) FROM orders JOIN customers`, FindCartesian},
		{`SELECT count(*) FROM orders CROSS JOIN customers`, ""}, // asked for
		{`SELECT count(*) FROM orders NATURAL JOIN customers`, ""},
		{`SELECT count(*) FROM orders JOIN customers USING (id)`, ""},
		{`SELECT count(*) FROM orders, customers WHERE customer_id = segment`, ""},
		{`SELECT count(*) FROM orders o, customers c WHERE c.segment = 'x' AND o.gross_total > 3`, FindCartesian},
		{`SELECT count(*) FROM orders o, customers c WHERE o.gross_total BETWEEN 1 AND c.id`, ""},
		{`SELECT name, count(*) FROM customers`, FindAggregate},
		{`SELECT name, max(id) FROM customers`, ""}, // of the row with the largest
		{`SELECT name, count(*) OVER () FROM customers`, ""},
		{`SELECT name, count(*) FROM customers GROUP BY name`, ""},
		{`SELECT name FROM customers LIMIT 3`, FindUnordered},
		{`SELECT count(*) FROM customers LIMIT 1`, ""},
		{`SELECT name FROM customers WHERE id IN (SELECT segment FROM orders)`, FindOuter},
		{`SELECT name FROM customers WHERE id IN (SELECT customer_id FROM orders)`, ""},
		{`SELECT "a`, ""}, {`SELECT ((1)`, ""}, {`)`, ""}, {``, ""},
	} {
		var kinds []string
		for _, f := range Findings(c.sql, shop) {
			kinds = append(kinds, f.Kind)
			if f.Start < 0 || f.End > len(c.sql) || f.Message == "" {
				t.Errorf("%s: finding %+v has no place in it", c.sql, f)
			}
		}
		if got := strings.Join(kinds, " "); got != c.want {
			t.Errorf("%s:\nwant %q, got %q", c.sql, c.want, got)
		}
	}
}

func rowsOf(cells ...[]any) [][]any { return cells }

func TestResultsAreComparedByRule(t *testing.T) {
	two := Result{Columns: []string{"name", "n"}, Rows: rowsOf([]any{"a", int64(1)}, []any{"b", int64(2)})}
	for _, c := range []struct {
		name      string
		got, want Result
		rules     Rules
		equal     bool
		kind      string
	}{
		{"the same", two, two, Rules{Ordered: true}, true, ""},
		{"columns in another order", Result{[]string{"n", "name"}, rowsOf([]any{int64(1), "a"}, []any{int64(2), "b"})}, two, Rules{}, true, ""},
		{"rows in another order", Result{two.Columns, rowsOf(two.Rows[1], two.Rows[0])}, two, Rules{}, true, ""},
		{"rows in another order where it counts", Result{two.Columns, rowsOf(two.Rows[1], two.Rows[0])}, two, Rules{Ordered: true}, false, FindOrder},
		{"rows in another order among ties", Result{two.Columns, rowsOf(two.Rows[1], two.Rows[0])}, two, Rules{Ordered: true, Ties: [][]int{{0, 1}}}, true, ""},
		{"one repeated", Result{two.Columns, rowsOf(two.Rows[0], two.Rows[0], two.Rows[1])}, two, Rules{}, false, FindGrain},
		{"one twice instead of the other", Result{two.Columns, rowsOf(two.Rows[0], two.Rows[0])}, two, Rules{}, false, ""},
		{"a column too many", Result{[]string{"name", "n", "id"}, rowsOf([]any{"a", int64(1), int64(9)}, []any{"b", int64(2), int64(8)})}, two, Rules{}, false, FindColumns},
		{"whole and not", Result{[]string{"x"}, rowsOf([]any{2.0})}, Result{[]string{"x"}, rowsOf([]any{int64(2)})}, Rules{}, true, ""},
		{"the last bits", Result{[]string{"x"}, rowsOf([]any{0.1 + 0.2})}, Result{[]string{"x"}, rowsOf([]any{0.3})}, Rules{}, true, ""},
		{"a cent", Result{[]string{"x"}, rowsOf([]any{42.75})}, Result{[]string{"x"}, rowsOf([]any{42.76})}, Rules{}, false, ""},
		{"a cent within the tolerance", Result{[]string{"x"}, rowsOf([]any{42.75})}, Result{[]string{"x"}, rowsOf([]any{42.76})}, Rules{Tolerance: 0.01}, true, ""},
		{"NULL is not 0", Result{[]string{"x"}, rowsOf([]any{nil})}, Result{[]string{"x"}, rowsOf([]any{int64(0)})}, Rules{}, false, ""},
		{"NULL is not empty text", Result{[]string{"x"}, rowsOf([]any{nil})}, Result{[]string{"x"}, rowsOf([]any{""})}, Rules{}, false, ""},
		{"text is not a number", Result{[]string{"x"}, rowsOf([]any{"1"})}, Result{[]string{"x"}, rowsOf([]any{int64(1)})}, Rules{}, false, ""},
		{"large whole numbers", Result{[]string{"x"}, rowsOf([]any{int64(9007199254740993)})}, Result{[]string{"x"}, rowsOf([]any{int64(9007199254740992)})}, Rules{}, false, ""},
		{"nothing and nothing", Result{Columns: []string{"x"}}, Result{Columns: []string{"y"}}, Rules{}, true, ""},
	} {
		r := Compare(c.got, c.want, c.rules)
		if r.Equal != c.equal || r.Kind != c.kind || r.Equal != (r.Why == "") {
			t.Errorf("%s: want equal %t and %q, got %+v", c.name, c.equal, c.kind, r)
		}
	}
}

func TestTheNearestRealName(t *testing.T) {
	for invented, want := range map[string]string{"total_net": "gross_total", "custmer_id": "customer_id", "Placed_On": "placed_on", "zzz": ""} {
		if got := nearest.Name(invented, shop["orders"]); got != want {
			t.Errorf("%s: want %q, got %q", invented, want, got)
		}
	}
}

func TestTiesLieBetweenTwoReadings(t *testing.T) {
	row := func(s string) []any { return []any{s} }
	groups, ok := Ties(rowsOf(row("a"), row("b"), row("c"), row("d")), rowsOf(row("a"), row("c"), row("b"), row("d")))
	if !ok || len(groups) != 3 || !slices.Equal(groups[1], []int{1, 2}) {
		t.Errorf("want b and c tied, got %v %t", groups, ok)
	}
	if _, ok := Ties(rowsOf(row("a")), rowsOf(row("b"))); ok {
		t.Error("want a cut tie where the readings keep other rows")
	}
}

// FuzzFindings: whatever the text, every place lies within it.
func FuzzFindings(f *testing.F) {
	f.Add(`SELECT a.b, count(*) FROM "x" a LEFT JOIN y USING(z) WHERE c IN (SELECT 1) -- no`)
	f.Fuzz(func(t *testing.T, sql string) {
		for _, found := range Findings(sql, shop) {
			if found.Start < 0 || found.End < found.Start || found.End > len(sql) {
				t.Errorf("%+v in %d bytes", found, len(sql))
			}
		}
		Ordered(sql)
	})
}
