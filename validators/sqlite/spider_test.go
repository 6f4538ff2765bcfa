package sqlite

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"assay/validators/query"
)

var full = flag.Bool("full", false, "run the long form of what has one")

const spider = "../../../shared/data/sql-spider-a"

func lines(t *testing.T, path string, each func([]byte)) {
	t.Helper()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the data folder beside the checkout is not there: ", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		each(s.Bytes())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
}

// dump writes a database as the statements that make it.
func dump(t *testing.T, path string) string {
	t.Helper()
	conn, err := sqlite3.OpenFlags(path, sqlite3.OPEN_READONLY)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var out strings.Builder
	list := func(sql string) (rows []string) {
		stmt, _, err := conn.Prepare(sql)
		if err != nil {
			t.Fatal(sql, err)
		}
		defer stmt.Close()
		for stmt.Step() {
			rows = append(rows, stmt.ColumnText(0))
		}
		return rows
	}
	for _, sql := range list(`SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type = 'table'`) {
		out.WriteString(sql + ";\n")
	}
	for _, table := range list(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'`) {
		var columns []string
		for _, c := range list(fmt.Sprintf(`SELECT name FROM pragma_table_info('%s')`, table)) {
			columns = append(columns, `quote("`+c+`")`)
		}
		for _, values := range list(fmt.Sprintf(`SELECT %s FROM "%s"`, strings.Join(columns, ` || ',' || `), table)) {
			fmt.Fprintf(&out, "INSERT INTO \"%s\" VALUES (%s);\n", table, values)
		}
	}
	return out.String()
}

// TestEightSystemsOnSpider: the verdict is what running both queries once
// recorded, for every system; where the rules differ, the verdict says that it
// does not know. The long form takes every question and prints the table.
func TestEightSystemsOnSpider(t *testing.T) {
	gold := map[string]string{}
	lines(t, filepath.Join(spider, "questions.jsonl"), func(line []byte) {
		var q struct {
			QID  string `json:"qid"`
			Gold string `json:"gold_sql"`
		}
		if err := json.Unmarshal(line, &q); err != nil {
			t.Fatal(err)
		}
		gold[q.QID] = q.Gold
	})
	schemas := map[string]string{}
	checker := NewChecker()
	table := map[string]map[string]int{} // system → "recorded → verdict" → count
	wrong := 0
	lines(t, filepath.Join(spider, "predictions.jsonl"), func(line []byte) {
		var p struct {
			QID    string `json:"qid"`
			DB     string `json:"db_id"`
			System string `json:"system"`
			Model  string `json:"model_version"`
			SQL    string `json:"predicted_sql"`
			Truth  struct {
				Execution  string  `json:"execution"`
				ErrorClass *string `json:"error_class"`
				Rows       int     `json:"gold_rows"`
				Label      *string `json:"label"`
			} `json:"truth"`
		}
		if err := json.Unmarshal(line, &p); err != nil {
			t.Fatal(err)
		}
		if p.DB == "wta_1" {
			return // has no rows: nothing was recorded
		}
		if h := sha256.Sum256([]byte(p.QID)); !*full && h[0]%4 != 0 {
			return // a quarter of the questions, of every system
		}
		schema, ok := schemas[p.DB]
		if !ok {
			schema = dump(t, filepath.Join(spider, "databases", p.DB+".sqlite"))
			schemas[p.DB] = schema
		}
		out, err := checker.Check(context.Background(), query.Job{SQL: p.SQL, Schema: schema, Gold: gold[p.QID]})
		if err != nil {
			t.Fatal(p.QID, err)
		}
		system := p.System + "/" + p.Model
		if table[system] == nil {
			table[system] = map[string]int{}
		}
		cell := p.Truth.Execution + " → " + out.Verdict
		if out.Verdict == "inconclusive" {
			cell += " " + out.Reason
		}
		table[system][cell]++
		agrees := out.Verdict == map[string]string{"match": "pass", "mismatch": "fail", "error": "fail"}[p.Truth.Execution]
		stated := out.Verdict == "inconclusive" && (out.Reason == "both_empty" || out.Reason == "tied_rows")
		if !agrees && !stated {
			wrong++
			t.Errorf("%s %s: recorded %s, got %s %s: %s\n  %s\n  %s", p.QID, system, p.Truth.Execution, out.Verdict, out.Reason, out.Message, p.SQL, gold[p.QID])
		}
		if p.Truth.ErrorClass != nil {
			want := map[string]string{"no such column": "no_such_column", "no such table": "no_such_table"}[*p.Truth.ErrorClass]
			// Newer engines take such a column from the query around: a finding says so.
			taken := slices.ContainsFunc(out.Evidence.Findings, func(f query.Finding) bool { return f.Kind == query.FindOuter })
			if want != "" && out.Reason != want && !taken {
				t.Errorf("%s %s: recorded %s, got %s", p.QID, system, *p.Truth.ErrorClass, out.Reason)
			}
		}
	})
	var systems []string
	for system := range table {
		systems = append(systems, system)
	}
	sort.Strings(systems)
	for _, system := range systems {
		t.Logf("%-28s %v", system, table[system])
	}
	if len(systems) != 8 {
		t.Errorf("want eight systems, got %d", len(systems))
	}
}
