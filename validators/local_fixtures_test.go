package validators

import (
	"strings"
	"testing"

	"assay/internal/fault"
)

func TestFilesAtHandAreFixtures(t *testing.T) {
	set := quickSet(t)
	fixtures, err := set.ReadFixtures(t.Context(), []File{
		{Fixture: "people", Name: "people.csv", Bytes: []byte("name\nAda\nBen\n")},
		{Fixture: "script", Name: "script.sql", Bytes: []byte("CREATE TABLE people(name TEXT); INSERT INTO people VALUES ('Ada'),('Ben');")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"people": Pass, "people@1": Pass, "script": Pass, "people@2": Inconclusive, "others": Inconclusive} {
		v, err := set.Check(t.Context(), set.validators[1], fixtures.With(query1(`SELECT count(*) FROM people`, name)))
		if err != nil || v.Verdict != want {
			t.Errorf("%s: want %s, got %s %s %v", name, want, v.Verdict, v.Message, err)
		}
	}
	for says, files := range map[string][]File{
		"Two files are the fixture people": {{Fixture: "people", Name: "a.csv", Bytes: []byte("x\n1\n")}, {Fixture: "people", Name: "b.csv", Bytes: []byte("x\n1\n")}},
		"a.csv: A fixture's name":          {{Fixture: "../people", Name: "a.csv", Bytes: []byte("x\n1\n")}},
		"a.sql: The schema cannot be":      {{Fixture: "people", Name: "a.sql", Bytes: []byte("ATTACH '/etc/passwd' AS p")}},
		"a.gif: A fixture is a file of":    {{Fixture: "people", Name: "a.gif", Bytes: []byte("GIF89a")}},
		"At most 50 fixtures":              make([]File, 51),
	} {
		if _, err := set.ReadFixtures(t.Context(), files); fault.Of(err) != fault.Invalid || !strings.HasPrefix(fault.Words(err), says) {
			t.Errorf("want %q, got %v", says, err)
		}
	}
}
