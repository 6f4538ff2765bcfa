package validators

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgrestest"
)

func query1(sql, fixture string) Input {
	text, _ := json.Marshal(map[string]any{"kind": "sql", "dialect": "sqlite", "sql": sql, "fixture": fixture})
	return Input{Artifact: text, Expected: json.RawMessage(`{"rows":[[2]]}`)}
}

func TestAFixtureHasVersions(t *testing.T) {
	s := &Store{DB: postgrestest.Database(t), Set: quickSet(t)}
	add := func(f File) Fixture {
		t.Helper()
		kept, err := s.AddFixture(t.Context(), engineer, f)
		if err != nil {
			t.Fatal(err)
		}
		return kept
	}
	judge := func(in Input) Verdict {
		t.Helper()
		v, err := s.Validate(t.Context(), engineer, "", in)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := judge(query1(`SELECT count(*) FROM people`, "people")); v.Verdict != Inconclusive || v.Reason != ReasonFixture {
		t.Errorf("before it is there: %+v", v)
	}
	if f := add(File{Fixture: "people", Name: "people.sql", Bytes: []byte(`CREATE TABLE people(name); INSERT INTO people VALUES ('Ada'), ('Ben');`)}); f.Version != 1 || f.Dialect != "sqlite" || f.Outline[0].Columns[0] != "name" {
		t.Errorf("got %+v", f)
	}
	add(File{Fixture: "people", Name: "people.csv", Bytes: []byte("name\nAda\n")})
	for fixture, want := range map[string]string{"people": Fail, "people@1": Pass, "people@2": Fail, "people@3": Inconclusive, "People": Inconclusive, "people@x": Inconclusive} {
		if v := judge(query1(`SELECT count(*) FROM people`, fixture)); v.Verdict != want {
			t.Errorf("%s: want %s, got %s %s", fixture, want, v.Verdict, v.Message)
		}
	}
	if n := count(t, s.DB, `SELECT count(*) FROM audit_entries WHERE action = 'fixture.add' AND object = 'fixture/people'`); n != 2 {
		t.Errorf("want an audit entry for each version, got %d", n)
	}
	if _, err := s.AddFixture(t.Context(), engineer, File{Fixture: "people", Name: "x.csv", Bytes: []byte("name\nAda\n")}); err != nil {
		t.Errorf("another table's name is another content: %v", err)
	}
	if _, err := s.AddFixture(t.Context(), auth.Actor{Kind: auth.Person, ID: 2, Roles: []auth.Role{auth.Auditor}}, File{}); fault.Of(err) != fault.Denied {
		t.Errorf("want denied, got %v", err)
	}
	for name, f := range map[string]File{
		"no name": {Name: "x.csv", Bytes: []byte("a\n1\n")}, "no file": {Fixture: "x", Name: "x.csv"}, "no kind": {Fixture: "x", Name: "x", Bytes: []byte("a")},
		"a broken script": {Fixture: "x", Name: "x.sql", Bytes: []byte("CREATE TABLE")}, "a script without tables": {Fixture: "x", Name: "x.sql", Bytes: []byte("SELECT 1")},
		"an unknown dialect":       {Fixture: "x", Name: "x.sql", Dialect: "cobol", Bytes: []byte("CREATE TABLE t(a)")},
		"a script that never ends": {Fixture: "x", Name: "x.sql", Bytes: []byte("CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) INSERT INTO t SELECT max(i) FROM n")},
	} {
		if _, err := s.AddFixture(t.Context(), engineer, f); fault.Of(err) != fault.Invalid || fault.Words(err) == "" {
			t.Errorf("%s: want invalid in words, got %v", name, err)
		}
	}
}

func TestADatabaseFileBecomesAFixture(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	conn, err := sqlite3.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Exec(`CREATE TABLE "order"(id INTEGER PRIMARY KEY, note TEXT, price REAL, data BLOB); INSERT INTO "order" VALUES (1, 'it''s; --', 2.5, x'ff'), (2, NULL, 1e300, NULL); CREATE VIEW v AS SELECT 1; CREATE INDEX i ON "order"(note)`); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{DB: postgrestest.Database(t), Set: quickSet(t)}
	f, err := s.AddFixture(t.Context(), engineer, File{Fixture: "shop", Name: "shop.db", Bytes: file})
	if err != nil || f.Outline[0].Rows != 2 || f.Dialect != "" {
		t.Fatalf("got %+v %v", f, err)
	}
	v, err := s.Validate(t.Context(), engineer, "", query1(`SELECT count(*) FROM "order" WHERE note = 'it''s; --' OR price = 1e300`, "shop"))
	if err != nil || v.Verdict != Pass || !bytes.Contains(v.Evidence, []byte(`"fixture":"shop@1"`)) {
		t.Errorf("got %s %s %s %v", v.Verdict, v.Message, v.Evidence, err)
	}
	if _, err := s.AddFixture(t.Context(), engineer, File{Fixture: "shop", Name: "x.db", Bytes: append(file[:200:200], bytes.Repeat([]byte{0xfe}, 8000)...)}); fault.Of(err) != fault.Invalid {
		t.Errorf("a damaged file: want invalid, got %v", err)
	}
}

func TestAFormulaStandsOnAWorkbook(t *testing.T) {
	in := Input{fixture: &held{Name: "book", Version: 1, Kind: "workbook", Hash: "h", Content: `{"cells":{"'Data'!A1":2,"'Data'!A2":{"f":"=A1*2","v":4},"'More'!A1":10},"sheets":["Data","More"]}`}}
	for formula, want := range map[string]string{
		`{"kind":"formula","fixture":"book","formula":"=SUM(A1:A2)+More!A1","cell":"B1"}`:               Pass,
		`{"kind":"formula","fixture":"book","formula":"=Data!A1+A2+More!A1"}`:                           Pass,
		`{"kind":"formula","fixture":"book","formula":"=SUM(A1:A2)+More!A1","cells":{"A1":3}}`:          Fail,
		`{"kind":"formula","fixture":"book","formula":"=SUM(A1:A2)","cell":"More!B1"}`:                  Fail,
		`{"kind":"formula","fixture":"book","formula":"=SUM(Data!A1:A2)+A1","cell":"More!B1"}`:          Pass,
		strings.Repeat(` `, 3) + `{"kind":"formula","fixture":"book","formula":"=Gone!A1","cell":"B1"}`: Inconclusive,
	} {
		in.Artifact, in.Expected = json.RawMessage(formula), json.RawMessage(`{"value":16}`)
		v, err := openSet(t).Check(t.Context(), formulaValidator(), in)
		if err != nil || v.Verdict != want {
			t.Errorf("%s: want %s, got %s %s %v", formula, want, v.Verdict, v.Message, err)
		}
	}
}
