package validators

import (
	"encoding/json"
	"strings"
	"testing"

	"assay/validators/dialect"
)

func TestADialectHasItsEngine(t *testing.T) {
	set := openSet(t)
	for _, name := range Dialects() {
		for _, c := range []struct{ sql, rows, want string }{
			{`SELECT count(*) FROM t`, `[[2]]`, Pass},
			{`SELECT cont(*) FROM t`, `[[2]]`, Fail},
			{`DROP TABLE t`, `[[2]]`, Fail},
			{`SELECT x FROM t WHERE y = 'a'`, `[[1]]`, Pass},
		} {
			artifact, err := json.Marshal(map[string]any{"kind": "sql", "dialect": name, "sql": c.sql, "fixture": "pair"})
			if err != nil {
				t.Fatal(err)
			}
			in := Input{Artifact: artifact, Expected: json.RawMessage(`{"rows":` + c.rows + `}`), fixture: &held{Name: "pair", Version: 1, Kind: "tables", Hash: "h", Content: `CREATE TABLE "t" ("x" BIGINT, "y" TEXT); INSERT INTO "t" VALUES (1,'a'),(2,NULL);`}}
			v, err := set.Check(t.Context(), set.validators[1], in)
			if err != nil {
				t.Fatal(name, c.sql, err)
			}
			if v.Reason == dialect.ReasonMissing {
				t.Logf("%s is not tried: %s", name, v.Message)
				break
			}
			if inside := strings.HasPrefix(v.Sandbox, "default") || strings.HasPrefix(v.Sandbox, "reduced"); inside != (name == "sqlite" || name == "duckdb") {
				t.Errorf("%s: what held it back is said to be %q", name, v.Sandbox)
			}
			if v.Verdict != c.want {
				t.Errorf("%s, %s: want %s, got %s %s: %s", name, c.sql, c.want, v.Verdict, v.Reason, v.Message)
			}
		}
	}
	without := sqlValidator(dialect.Open(dialect.Config{ClickhouseLibrary: "/nowhere/libchdb.so"})).Version
	if with := set.validators[1].Version; strings.Contains(without, "clickhouse") || strings.Contains(with, "clickhouse") != (with != without) || !strings.HasPrefix(with, "1.0.0+sqlite-") {
		t.Errorf("a version names the engines that are there: %s, without one %s", with, without)
	}
	v, err := set.Check(t.Context(), set.validators[1], Input{Artifact: json.RawMessage(`{"kind":"sql","dialect":"cobol","sql":"SELECT 1"}`)})
	if err != nil || v.Verdict != Inconclusive || v.Reason != ReasonDialect {
		t.Errorf("got %+v %v", v, err)
	}
}
