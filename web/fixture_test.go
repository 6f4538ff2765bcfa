package web

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"assay/internal/auth"
)

// sendFile posts a form with one file.
func (b *browser) sendFile(path string, fields map[string]string, name, content string) *answer {
	b.w.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	fields[formField] = b.token()
	for key, value := range fields {
		if err := form.WriteField(key, value); err != nil {
			b.w.t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		b.w.t.Fatal(err)
	}
	if _, err := part.Write([]byte(content)); err != nil {
		b.w.t.Fatal(err)
	}
	form.Close()
	return b.send("POST", path, &body, http.Header{"Content-Type": {form.FormDataContentType()}})
}

func TestFixturesAreAddedListedAndNamed(t *testing.T) {
	w := newWorld(t, workshop)
	engineer := w.as(auth.Engineer)
	if got := engineer.get("/fixtures").want(200).text("main"); !strings.Contains(got, "No fixtures yet") {
		t.Errorf("an empty list says what to do: %q", got)
	}
	engineer.sendFile("/fixtures", map[string]string{"name": "people", "dialect": "sqlite", "about": foreignText}, "people.csv", "id,name\n1,Ada\n2,"+foreignCSV+"\n").to("/fixtures/people")
	page := engineer.get("/fixtures/people").want(200)
	noMarkup(t, page)
	for _, want := range []string{"Version 1, for any dialect", "people@1", "id, name", "csv,", "CREATE TABLE"} {
		if got := page.text("main"); !strings.Contains(got, want) {
			t.Errorf("the fixture's page lacks %q: %s", want, got)
		}
	}
	noMarkup(t, engineer.get("/fixtures").want(200))

	again := engineer.sendFile("/fixtures", map[string]string{"name": "people"}, "people.csv", "id,name\n1,Ada\n2,"+foreignCSV+"\n").want(409)
	if got := again.text("#add"); !strings.Contains(got, "Version 1 of people has the same content.") {
		t.Errorf("the form says why not: %q", got)
	}
	engineer.sendFile("/fixtures", map[string]string{"name": "../x"}, "x.csv", "a\n1\n").want(400)
	engineer.sendFile("/fixtures", map[string]string{"name": "broken"}, "x.sql", "CREATE TABLE t(").want(400)
	engineer.get("/fixtures/nothing").want(404)
	w.as(auth.Labeler).get("/fixtures").want(403)
	w.as(auth.Auditor).sendFile("/fixtures", map[string]string{"name": "y"}, "y.csv", "a\n1\n").want(403)

	var verdict struct {
		Verdict, Message string
		Evidence         struct{ Fixture string }
	}
	w.program(auth.ScopeValidate).sendText("/v1/validate", `{"artifact":{"kind":"sql","dialect":"sqlite","sql":"SELECT count(*) FROM people","database":"people"},"expected":{"rows":[[2]]}}`).want(200).json(&verdict)
	if verdict.Verdict != "pass" || verdict.Evidence.Fixture != "people@1" {
		t.Errorf("got %+v", verdict)
	}
	var put struct{ Version int }
	key := w.program(auth.ScopeHandoff)
	key.send("PUT", "/v1/fixtures/people?format=csv", strings.NewReader("id\n1\n"), nil).want(201).json(&put)
	if put.Version != 2 {
		t.Errorf("want the next version, got %+v", put)
	}
	key.send("PUT", "/v1/fixtures/people?format=gif", strings.NewReader("id\n1\n"), nil).want(400)
}

// foreignCSV is the hostile text as a CSV field.
var foreignCSV = `"` + strings.NewReplacer(`"`, `""`, "\n", " ").Replace(foreignText) + `"`
