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
	ctx := context.Background()
	var event string
	if err := w.pool.QueryRow(ctx, `SELECT event_id FROM items`).Scan(&event); err != nil {
		t.Fatal(err)
	}
	studio := func(choice string) string {
		return `[{"data":{"event_id":"` + event + `"},"annotations":[{"completed_by":{"id":3,"email":"ada@example.org"},"updated_at":"2026-02-01T10:00:00Z",
			"result":[{"from_name":"verdict","type":"choices","value":{"choices":["` + choice + `"]}},{"from_name":"stars","type":"rating","value":{"rating":4}}]}]},{"data":{}, "annotations":[{"result":[{"from_name":"verdict","type":"choices","value":{"choices":["<b>"]}}]}]}]`
	}
	page := func(link string) *answer { return engineer.get(link).want(200) }
	link := engineer.upload("/datasets/import", studio("Fine"), nil).want(303).Header.Get("Location")
	if got := page(link).text("main"); !strings.Contains(got, "Reading the file") {
		t.Errorf("while it is read there is a bar: %s", clip(got, 300))
	}
	step := func(work func(context.Context, auth.Actor, int64) error) {
		if err := work(ctx, auth.Product(), 1); err != nil {
			t.Fatal(err)
		}
	}
	step(w.stages.Labeling.Check)
	seen := page(link)
	if got := seen.text("main"); !strings.Contains(got, "No label of the file is new.") || !strings.Contains(got, "Taken for no label: the answers of 1 annotation. Say below which answers are labels.") || !strings.Contains(got, "names no response") {
		t.Errorf("nothing in it is a label: %s", clip(got, 900))
	}
	if got := seen.attr(`#answers input[name=value][value="Fine"]`, "value"); got != "Fine" {
		t.Errorf("each answer is asked for, %s", clip(seen.Body, 500))
	}
	form := url.Values{"field": {"stars", "verdict", "verdict"}, "value": {"4", "Fine", "<b>"}, "becomes": {"nothing", "correct", "reason"}}
	engineer.post(link+"/check", form).to(link)
	step(w.stages.Labeling.Check)
	seen = page(link)
	if got := seen.text("main"); !strings.Contains(got, "1 label would be imported.") || !strings.Contains(got, "ada@example.org") || !strings.Contains(got, "new here") {
		t.Errorf("with a meaning: %s", clip(got, 900))
	}
	if n := w.count(`SELECT count(*) FROM labels`); n != 0 {
		t.Error("something was written before anybody agreed")
	}
	engineer.post(link+"/agree", nil).to(link)
	if got := page(link).text("main"); !strings.Contains(got, "Importing") || !strings.Contains(got, "0 of") {
		t.Errorf("while it is imported there is a bar: %s", clip(got, 300))
	}
	step(w.stages.Labeling.TakeUp)
	done := page(link)
	if got := done.text("main"); !strings.Contains(got, "1 label imported.") || !strings.Contains(got, "1 refused") {
		t.Errorf("got %s", clip(got, 300))
	}
	if report := engineer.get(link + "/report").want(200).Body; !strings.Contains(report, "1,imported,,"+event+",correct,") || !strings.Contains(report, `2,refused,"names no response`) {
		t.Errorf("the report: %s", report)
	}
	engineer.post(link+"/withdraw", nil).to(link)
	step(w.stages.Labeling.Withdraw)
	if got := page(link).text("main"); !strings.Contains(got, "1 label withdrawn.") {
		t.Errorf("got %s", clip(got, 300))
	}
	engineer.post(link+"/agree", nil).want(409)

	if got := engineer.upload("/datasets/import", "", nil).want(400).text(".banner"); !strings.Contains(got, "Nothing was imported.") {
		t.Errorf("got %q", got)
	}
	broken := engineer.upload("/datasets/import", "\x00\x01", nil).want(303).Header.Get("Location")
	if err := w.stages.Labeling.Check(ctx, auth.Product(), 2); err != nil {
		t.Fatal(err)
	}
	if got := page(broken).text(".banner"); !strings.Contains(got, "begins like none of the formats") {
		t.Errorf("got %q", got)
	}
	if got := page("/datasets/import").text("table"); !strings.Contains(got, "labels.jsonl") || !strings.Contains(got, "withdrawn") || !strings.Contains(got, "failed") {
		t.Errorf("the list says where each stands: %q", got)
	}
	w.as(auth.Labeler).get("/datasets/import").want(403)
	w.as(auth.Reviewer).get(link).want(403)
}

func TestALargeFileIsTakenFromThoseWhoAreSignedInAlone(t *testing.T) {
	w := queued(t, "sql_query", "one")
	large := strings.Repeat(`{"event_id":"00000000-0000-0000-0000-000000000000","label":"correct"}`+"\n", 40_000) // 2.8 MB
	w.as(auth.Engineer).upload("/datasets/import", large, nil).want(303)
	if n := w.count(`SELECT bytes FROM imports`); n != len(large) {
		t.Errorf("want %d bytes, got %d", len(large), n)
	}
}
