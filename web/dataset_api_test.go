package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"assay/internal/auth"
)

func TestAProgramFreezesExportsAndDownloadsADataset(t *testing.T) {
	w := queued(t, "sql_query", "one", "two")
	labeler, engineer := w.as(auth.Labeler), w.as(auth.Engineer)
	for range 2 {
		page := labeler.get(labeler.next("sql_query")).want(200)
		labeler.post(page.attr("#label-form", "action"), answerOn(page, "correct")).want(303)
	}
	key := w.program(auth.ScopeLabel, auth.ScopeHandoff)
	key.header.Set(idempotencyHeader, uuid.NewString())
	var made datasetAnswer
	for range 2 { // a program that lost the answer asks again
		key.postJSON("/v1/datasets", map[string]any{"title": "By a program", "queue": "sql_query"}).want(http.StatusAccepted).json(&made)
	}
	if made.Dataset != "by-a-program" || made.Newest.Version != 1 || made.Newest.State != "freezing" || made.Newest.Labels != 2 {
		t.Fatalf("got %+v", made)
	}
	key.header.Set(idempotencyHeader, uuid.NewString())
	var trouble struct{ Fault, Detail string }
	key.postJSON("/v1/datasets/by-a-program/exports", map[string]any{"format": "csv"}).want(http.StatusConflict).json(&trouble)
	if trouble.Fault != "conflict" || !strings.Contains(trouble.Detail, "not frozen yet") {
		t.Errorf("want a problem document, got %+v", trouble)
	}
	ctx, product := context.Background(), auth.Product()
	if err := w.stages.Labeling.FreezeVersion(ctx, product, 1); err != nil {
		t.Fatal(err)
	}
	var file exportAnswer
	key.header.Set(idempotencyHeader, uuid.NewString())
	for range 2 {
		key.postJSON("/v1/datasets/by-a-program/exports", map[string]any{"format": "csv", "version": 1}).want(http.StatusAccepted).json(&file)
	}
	if n := w.count(`SELECT count(*) FROM exports`); n != 1 || file.State != "waiting" {
		t.Fatalf("the same key is one export, got %d, %+v", n, file)
	}
	if err := w.stages.Labeling.FailExport(ctx, product, file.ID, "the disk is full."); err != nil {
		t.Fatal(err)
	}
	key.get("/v1/exports/1").want(200).json(&file)
	if file.State != "failed" || file.FailedWhy != "the disk is full." {
		t.Errorf("got %+v", file)
	}
	key.header.Set(idempotencyHeader, uuid.NewString())
	key.postJSON("/v1/exports/1/retry", struct{}{}).want(http.StatusAccepted)
	if err := w.stages.Labeling.WriteExport(ctx, product, file.ID); err != nil {
		t.Fatal(err)
	}
	if got := key.get("/v1/exports/1/file").want(200); !strings.HasPrefix(got.Body, "id,") && strings.Count(got.Body, "\n") != 3 {
		t.Errorf("got %s", clip(got.Body, 200))
	}
	var whole datasetAnswer
	key.get("/v1/datasets/by-a-program").want(200).json(&whole)
	if len(whole.Versions) != 1 || len(whole.Versions[0].SHA256) != 64 || len(whole.Exports) != 1 || whole.Exports[0].State != "done" {
		t.Errorf("got %+v", whole)
	}
	if got := key.get("/v1/datasets").want(200).Body; !strings.Contains(got, `"by-a-program"`) {
		t.Errorf("got %s", got)
	}
	w.program(auth.ScopeLabeler).get("/v1/datasets").want(403)
	engineer.get("/v1/datasets/none").want(404)
}

func TestThePageOfADatasetSaysWhyItFailedAndRetries(t *testing.T) {
	w := queued(t, "sql_query", "one")
	labeler, engineer := w.as(auth.Labeler), w.as(auth.Engineer)
	page := labeler.get(labeler.next("sql_query")).want(200)
	labeler.post(page.attr("#label-form", "action"), answerOn(page, "correct")).want(303)
	engineer.post("/datasets", url.Values{"title": {"First"}}).to("/datasets/first")
	ctx, product := context.Background(), auth.Product()
	if err := w.stages.Labeling.FailVersion(ctx, product, 1, hostile); err != nil {
		t.Fatal(err)
	}
	shown := engineer.get("/datasets/first").want(200)
	if got := shown.text(".banner"); !strings.Contains(got, "Version 1 could not be frozen: "+hostile) {
		t.Errorf("the page says why: %q", got)
	}
	if n := len(w.as(auth.ReleaseManager).get("/datasets/first").want(200).find("form[action='/datasets/first/retry']")); n != 0 {
		t.Error("a button for whoever may not")
	}
	engineer.post("/datasets/first/retry", url.Values{"version": {"1"}}).to("/datasets/first?version=1")
	if err := w.stages.Labeling.FreezeVersion(ctx, product, 1); err != nil {
		t.Fatal(err)
	}
	engineer.post("/datasets/first/exports", url.Values{"version": {"1"}, "format": {"csv"}}).want(303)
	if err := w.stages.Labeling.FailExport(ctx, product, 1, "the disk is full."); err != nil {
		t.Fatal(err)
	}
	if got := engineer.get("/datasets/first").want(200).text("#files"); !strings.Contains(got, "failed: the disk is full.") {
		t.Errorf("got %q", got)
	}
	engineer.post("/datasets/exports/1/retry", nil).to("/datasets/first?version=1#files")
	if n := w.count(`SELECT count(*) FROM exports WHERE state = 'waiting'`); n != 1 {
		t.Error("it waits again")
	}
}

func TestAProgramComparesAndRevises(t *testing.T) {
	w := queued(t, "sql_query", "one")
	key := w.program(auth.ScopeLabeler)
	once := func(path string, value any, status int) *answer {
		t.Helper()
		key.header.Set(idempotencyHeader, uuid.NewString())
		first := key.postJSON(path, value).want(status)
		if again := key.postJSON(path, value).want(status); again.Body != first.Body {
			t.Errorf("%s: the second call answers as the first:\n%s\n%s", path, first.Body, again.Body)
		}
		return first
	}
	// A second version answers the same question otherwise.
	w.exec(`UPDATE items SET model_version = 'm-1'`)
	w.exec(`
		INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, event_time, frame_day, priority_class, design, salt_id, u, rule_id, snapshot)
		SELECT queue_id, gen_random_uuid(), session_id, task_class, 'm-2', event_time, frame_day, priority_class, design, salt_id, u / 2, rule_id,
		       jsonb_set(snapshot, '{response}', '"Another answer."')
		FROM items`)
	engineer := w.program(auth.ScopeHandoff, auth.ScopeRead, auth.ScopeLabel)
	var one comparisonAnswer
	engineer.postJSON("/v1/comparisons", map[string]any{"title": "Two versions", "task_class": "sql_query", "first_model": "m-1", "second_model": "m-2"}).want(http.StatusCreated).json(&one)
	if one.Comparison != "two-versions" || one.Pairs != 1 || one.First != "m-1" {
		t.Fatalf("got %+v", one)
	}
	if got := key.get("/v1/comparisons").want(200).Body; strings.Contains(got, "m-1") || !strings.Contains(got, "two-versions") {
		t.Errorf("whoever labels is told no version: %s", got)
	}
	var held struct{ Pair *pairAnswer }
	reserved := once("/v1/comparisons/two-versions/reserve", struct{}{}, http.StatusOK)
	if reserved.json(&held); held.Pair == nil || held.Pair.A == held.Pair.B || strings.Contains(reserved.Body, "m-1") {
		t.Fatalf("got %s", reserved.Body)
	}
	pair := "/v1/pairs/" + itemID(held.Pair.ID)
	once(pair+"/preferences", map[string]any{"token": held.Pair.Token, "side": "a"}, http.StatusCreated)
	once(pair+"/undo", struct{}{}, http.StatusOK)
	once("/v1/comparisons/two-versions/reserve", struct{}{}, http.StatusOK).json(&held)
	once(pair+"/preferences", map[string]any{"token": held.Pair.Token, "side": "equal"}, http.StatusCreated)
	if n := w.count(`SELECT count(*) FROM preferences`); n != 3 {
		t.Errorf("want a preference, its undo and another one, got %d", n)
	}
	engineer.get("/v1/comparisons/two-versions").want(200).json(&one)
	if one.Result == nil || one.Result.Equal != 1 {
		t.Errorf("what it came to: %+v", one.Result)
	}
	if got := engineer.get("/v1/comparisons/two-versions/preferences").want(200).Body; strings.Count(got, "\n") != 3 {
		t.Errorf("every revision, got %s", got)
	}

	var got struct {
		Item        *itemAnswer
		Reservation struct{ Token uuid.UUID }
	}
	once("/v1/queues/sql_query/reserve", struct{}{}, http.StatusOK).json(&got)
	item := "/v1/items/" + itemID(got.Item.ID)
	once(item+"/labels", map[string]any{"token": got.Reservation.Token, "label": "correct"}, http.StatusCreated)
	once(item+"/undo", struct{}{}, http.StatusOK).json(&got)
	once(item+"/labels", map[string]any{"token": got.Reservation.Token, "label": "hallucinated"}, http.StatusCreated)
	var history struct{ Revisions []revisionAnswer }
	engineer.get(item + "/labels").want(200).json(&history)
	if len(history.Revisions) != 3 || history.Revisions[1].Label != nil || *history.Revisions[2].Label != "hallucinated" || history.Revisions[2].Revision != 3 {
		t.Errorf("want three revisions, the second taking the first back, got %+v", history.Revisions)
	}
	key.get(item + "/labels").want(403)
	engineer.get("/v1/items/424242/labels").want(404)
}
