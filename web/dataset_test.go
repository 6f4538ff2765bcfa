package web

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"assay/internal/auth"
)

func TestADatasetIsFrozenExportedAndDownloaded(t *testing.T) {
	w := queued(t, "sql_query", "one", hostile)
	labeler, engineer := w.as(auth.Labeler), w.as(auth.Engineer)
	for range 2 {
		page := labeler.get(labeler.next("sql_query")).want(200)
		labeler.post(page.attr("#label-form", "action"), answerOn(page, "correct")).want(303)
	}
	labeler.get("/datasets").want(403)
	if got := engineer.get("/datasets").want(200).text("main"); !strings.Contains(got, "No dataset yet") {
		t.Errorf("an empty list says what to do: %s", clip(got, 300))
	}
	wrong := engineer.post("/datasets", url.Values{"title": {"Kept"}, "from": {"yesterday"}}).want(400)
	if got := wrong.attr("#freeze input[name=title]", "value"); got != "Kept" || !strings.Contains(wrong.text("#freeze .field-error"), "A time is written like") {
		t.Errorf("what was typed stays with the reason: %q", wrong.text("#freeze .field-error"))
	}
	engineer.post("/datasets", url.Values{"title": {"First"}, "queue": {"sql_query"}, "consensus_only": {"on"}}).to("/datasets/first")
	if got := engineer.get("/datasets/first").want(200).text("main"); !strings.Contains(got, "Freezing version 1") {
		t.Errorf("while it is frozen there is a bar: %s", clip(got, 400))
	}
	ctx := context.Background()
	if err := w.stages.Labeling.FreezeVersion(ctx, auth.Product(), 1); err != nil {
		t.Fatal(err)
	}
	if got := engineer.get("/datasets/first").want(200).text("main"); !strings.Contains(got, "2 labels of 2 items") || !strings.Contains(got, "No file yet") {
		t.Errorf("the page says what is inside: %s", clip(got, 600))
	}
	if got := engineer.post("/datasets/first/verify", nil).want(200).text(".banner"); !strings.Contains(got, "The hash holds") {
		t.Errorf("got %q", got)
	}
	engineer.post("/datasets/first/exports", url.Values{"version": {"1"}, "format": {"csv"}}).to("/datasets/first?version=1#files")
	engineer.get("/datasets/exports/1").want(409)
	if err := w.stages.Labeling.WriteExport(ctx, auth.Product(), 1); err != nil {
		t.Fatal(err)
	}
	link := engineer.get("/datasets/first").want(200).attr(`#files a[href^="/datasets/exports/"]`, "href")
	file := engineer.get(link).want(200)
	if got := file.Header.Get("Content-Disposition"); got != `attachment; filename="first-v1.csv"` || !strings.Contains(file.Body, "Here it is.") || strings.Count(file.Body, "labeler-") < 2 {
		t.Errorf("the file: %s, %s", got, clip(file.Body, 400))
	}
	w.as(auth.Reviewer).get(link).want(403)
	w.exec(`UPDATE exports SET expires_at = now() - interval '1 hour'`)
	if got := engineer.get(link).want(409).text("main"); !strings.Contains(got, "has expired") {
		t.Errorf("got %q", got)
	}
	w.as(auth.ReleaseManager).get("/datasets/first").want(200)
	engineer.get("/datasets/none").want(404)
}

// upload sends a file as a browser does.
func (b *browser) upload(path, text string, form url.Values) *answer {
	b.w.t.Helper()
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	parts.WriteField(formField, b.token())
	for name, values := range form {
		parts.WriteField(name, values[0])
	}
	file, err := parts.CreateFormFile("file", "labels.jsonl")
	if err != nil {
		b.w.t.Fatal(err)
	}
	file.Write([]byte(text))
	parts.Close()
	return b.send("POST", path, &body, http.Header{"Content-Type": {parts.FormDataContentType()}})
}

func TestLabelsAreImportedFromAPage(t *testing.T) {
	w := queued(t, "sql_query", "one")
	engineer := w.as(auth.Engineer)
	var event string
	if err := w.pool.QueryRow(context.Background(), `SELECT event_id FROM items`).Scan(&event); err != nil {
		t.Fatal(err)
	}
	lines := `{"event_id":"` + event + `","label":"correct","labeler":"ada"}` + "\n" + `{"event_id":"` + event + `","label":"` + "<b>" + `"}` + "\n"
	dry := engineer.upload("/datasets/import", lines, url.Values{"dry_run": {"on"}}).want(200)
	if got := dry.text(".banner"); !strings.Contains(got, "A dry run: 1 label would be imported.") || !strings.Contains(dry.text("table"), "label must be one of") {
		t.Errorf("got %q, %q", got, dry.text("table"))
	}
	if n := w.count(`SELECT count(*) FROM labels`); n != 0 {
		t.Error("a dry run changed something")
	}
	engineer.upload("/datasets/import", lines, nil).want(200)
	again := engineer.upload("/datasets/import", lines, nil).want(200)
	if got := again.text(".banner"); !strings.Contains(got, "0 labels imported.") || !strings.Contains(got, "1 were here already") {
		t.Errorf("twice changes nothing: %q", got)
	}
	if n := w.count(`SELECT count(*) FROM labels`); n != 1 {
		t.Errorf("want 1 label, got %d", n)
	}
	if got := engineer.upload("/datasets/import", "\x00\x01", nil).want(400).text(".banner"); !strings.Contains(got, "Nothing was imported.") {
		t.Errorf("got %q", got)
	}
	w.as(auth.Labeler).get("/datasets/import").want(403)
}
