package clickhouse

import (
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/internal/fault"
)

func TestStatementsAreSplitOutsideOfTextAndComments(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{" ;; -- only; a comment\n /* and; another */ ;", nil},
		{"SELECT 1", []string{"SELECT 1"}},
		{"SELECT 1;\nSELECT 2;\n", []string{"SELECT 1", "SELECT 2"}},
		{"SELECT ';' AS `a;b`, \"c;d\", 'it''s; \\'x;';SELECT 2", []string{"SELECT ';' AS `a;b`, \"c;d\", 'it''s; \\'x;'", "SELECT 2"}},
		{"-- first; it's\nSELECT 1; -- after", []string{"-- first; it's\nSELECT 1"}},
		{"SELECT 1 - 2 / 3; SELECT 4 -- end", []string{"SELECT 1 - 2 / 3", "SELECT 4 -- end"}},
	} {
		got, err := split(c.text)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q:\nwant %q\ngot  %q %v", c.text, c.want, got, err)
		}
	}
	for _, text := range []string{"SELECT 'x", "SELECT `x;", "SELECT /* x", `SELECT 'x\'`} {
		if got, err := split(text); err == nil {
			t.Errorf("%q: want an error, got %q", text, got)
		}
	}
}

func TestOnlyEngineClausesAreExpanded(t *testing.T) {
	text := "ENGINE = {{ReplacingMergeTree(server_ingest_time)}} {{ MergeTree }} {{SummingMergeTree((a, b))}} {a:String} {{other}}"
	if want, got := "ENGINE = ReplacingMergeTree(server_ingest_time) MergeTree SummingMergeTree((a, b)) {a:String} {{other}}", expand(text, false); got != want {
		t.Errorf("one machine:\nwant %s\ngot  %s", want, got)
	}
	if want, got := "ENGINE = ReplicatedReplacingMergeTree(server_ingest_time) ReplicatedMergeTree ReplicatedSummingMergeTree((a, b)) {a:String} {{other}}", expand(text, true); got != want {
		t.Errorf("many:\nwant %s\ngot  %s", want, got)
	}
}

func TestNamesAreOnlyNames(t *testing.T) {
	if want, got := "`a\\`b\\\\c`", Name("a`b\\c"); got != want {
		t.Errorf("want %s, got %s", want, got)
	}
}

// MigrateFrom lets the tests of this folder migrate from files of their own.
func MigrateFrom(ctx context.Context, conn driver.Conn, database string, files map[string]string) error {
	from := fstest.MapFS{}
	for name, text := range files {
		from["clickhouse/"+name+".sql"] = &fstest.MapFile{Data: []byte(text)}
	}
	return migrate(ctx, conn, database, from)
}

func TestAnAddressThatIsNoneIsInvalid(t *testing.T) {
	for _, dsn := range []string{"clickhouse://127.0.0.1:9000/assay", "://", "http://"} {
		if _, err := Open(t.Context(), dsn); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: want invalid, got %v", dsn, err)
		}
	}
	if _, err := Open(t.Context(), "http://assay:secret@127.0.0.1:1/assay"); !errors.Is(err, fault.Unavailable) {
		t.Errorf("nobody there: want unavailable, got %v", err)
	} else if strings.Contains(err.Error(), "secret") {
		t.Errorf("the password is in the error: %v", err)
	}
}

func TestMigrationsOfTheProductAreNumberedAndReadable(t *testing.T) {
	files, err := os.ReadDir("../../migrations/clickhouse")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name, ok := strings.CutSuffix(file.Name(), ".sql")
		if !ok {
			continue
		}
		text, err := os.ReadFile("../../migrations/clickhouse/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if statements, err := split(string(text)); err != nil || len(statements) == 0 || len(name) < 6 || name[4] != '_' {
			t.Errorf("%s: %d statements, %v", file.Name(), len(statements), err)
		}
	}
}
