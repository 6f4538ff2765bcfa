package web

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/clickhousetest"
	"assay/telemetry"
	"assay/validators"
)

// landed gives the world responses with formulas that were judged.
func landed(w *world, stated ...string) {
	w.t.Helper()
	var lines []string
	for i, value := range stated {
		lines = append(lines, w.eventLine("assistant_response", fmt.Sprint("sheet-", i), time.Hour,
			fmt.Sprintf(`,"request_id":"r%d","task_class":"spreadsheet_formula","model_version":"m1","consent":"redacted","prompt":"Add.","response":"=SUM(A1:A3)","artifact":%s`, i, formulaStating(value))))
	}
	w.sender().sendText("/v1/events", strings.Join(lines, "\n")).want(202)
	w.drain()
}

// judged lets the formula validator look at what landed.
func judged(w *world) {
	w.t.Helper()
	ctx, product, store := context.Background(), auth.Product(), w.stages.Validators
	read := func(ctx context.Context, events []uuid.UUID) (map[uuid.UUID]validators.Input, error) {
		inputs := map[uuid.UUID]validators.Input{}
		responses, err := w.stages.Telemetry.Responses(ctx, product, events)
		for _, r := range responses {
			inputs[r.EventID] = validators.Input{Artifact: r.Artifact}
		}
		return inputs, err
	}
	if _, err := store.Batch(ctx, product, "formula", read); err != nil {
		w.t.Fatal(err)
	}
}

func TestAWindowIsJudgedAgainOnAPage(t *testing.T) {
	w := newWorld(t, workshop, func(w *world) {
		w.stages.Telemetry = &telemetry.Store{DB: w.pool, Clickhouse: clickhousetest.Database(t), Clock: w.clock.now}
	})
	landed(w, "6", "6", "7")
	engineer := w.as(auth.Engineer)
	window := func(extra string) string {
		at := w.clock.now().UTC()
		return "from=" + url.QueryEscape(at.Add(-2*time.Hour).Format(time.RFC3339)) + "&to=" + url.QueryEscape(at.Add(time.Hour).Format(time.RFC3339)) + extra
	}
	engineer.get("/validators/formula/rerun").want(200)
	page := engineer.get("/validators/formula/rerun?" + window("")).want(200)
	if got := page.text("main"); !strings.Contains(got, "Takes up 3 responses.") || !strings.Contains(got, "Without a verdict") {
		t.Errorf("the count stands before the act: %q", got)
	}
	if got := engineer.get("/validators/formula/rerun?from=tomorrow&to=never").want(200).text(".banner"); !strings.Contains(got, "A window has a beginning and an end") {
		t.Errorf("got %q", got)
	}
	at := w.clock.now().UTC()
	form := url.Values{"from": {at.Add(-2 * time.Hour).Format(time.RFC3339)}, "to": {at.Add(time.Hour).Format(time.RFC3339)}, "task_class": {""}, "model_version": {""}, "was": {""}, "reason": {foreignText}}
	engineer.post("/validators/formula/reruns", form).to("/reruns/1")
	if got := engineer.post("/validators/formula/reruns", form).want(409).text(".banner"); !strings.Contains(got, "under way") {
		t.Errorf("twice is once: %q", got)
	}
	list := w.site.inWindow(auth.Product())
	if err := w.stages.Validators.FillRerun(context.Background(), auth.Product(), 1, list); err != nil {
		t.Fatal(err)
	}
	engineer.post("/reruns/1", url.Values{"act": {"pause"}}).to("/reruns/1")
	if got := engineer.get("/reruns/1").want(200).text("main"); !strings.Contains(got, "paused") || !strings.Contains(got, "0 of 3 responses") {
		t.Errorf("got %q", got)
	}
	engineer.post("/reruns/1", url.Values{"act": {"resume"}}).to("/reruns/1")
	judged(w)
	page = engineer.get("/reruns/1").want(200)
	noMarkup(t, page)
	for _, want := range []string{"done", "3 of 3 responses. 3 verdicts changed.", "The response states 7.", "No pass became a fail."} {
		if got := page.text("main"); !strings.Contains(got, want) {
			t.Errorf("the re-run lacks %q: %q", want, got)
		}
	}
	engineer.post("/reruns/1", url.Values{"act": {"cancel"}}).want(409)
	engineer.get("/reruns/99").want(404)
	w.as(auth.Labeler).get("/reruns/1").want(403)
	w.as(auth.Reviewer).get("/reruns/1").want(200)

	key := w.program(auth.ScopeHandoff)
	var counted struct{ Responses, Fail, Same int64 }
	body := fmt.Sprintf(`{"from":%q,"to":%q,"dry_run":true}`, form.Get("from"), form.Get("to"))
	key.sendText("/v1/validators/formula/reruns", body).want(200).json(&counted)
	if counted.Responses != 3 || counted.Fail != 1 {
		t.Errorf("got %+v", counted)
	}
	key.sendText("/v1/validators/formula/reruns", strings.Replace(body, `,"dry_run":true`, "", 1)).want(400)
	var made struct {
		ID    int64
		State string
	}
	key.sendText("/v1/validators/formula/reruns", strings.Replace(body, `"dry_run":true`, `"reason":"nightly"`, 1)).want(201).json(&made)
	key.sendText(fmt.Sprintf("/v1/reruns/%d/cancel", made.ID), "").want(200).json(&made)
	if made.State != "cancelled" {
		t.Errorf("got %+v", made)
	}
}

func TestSchedulesAndSuspensionsArePages(t *testing.T) {
	w := newWorld(t, workshop)
	engineer := w.as(auth.Engineer)
	engineer.post("/validators/formula/schedules", url.Values{"every": {""}, "at": {"02:30"}, "day": {"1", "5"}, "zone": {"Europe/Berlin"}, "task_class": {""}, "percent": {"10"}}).to("/validators/formula#work")
	engineer.post("/validators/formula/schedules", url.Values{"every": {"90"}, "at": {""}, "zone": {"UTC"}, "task_class": {"sql_query"}, "percent": {"100"}}).to("/validators/formula#work")
	page := engineer.get("/validators/formula").want(200)
	for _, want := range []string{"at 02:30 on Monday, Friday, Europe/Berlin", "10.0 % of everything", "each 90 minutes", "not yet", "waits"} {
		if got := page.text("#work"); !strings.Contains(got, want) {
			t.Errorf("the schedules lack %q: %q", want, got)
		}
	}
	for _, bad := range []url.Values{{"every": {"x"}}, {"at": {"25:00"}}, {"every": {"5"}, "at": {"02:30"}}, {"every": {"5"}, "percent": {"0"}}, {"at": {"02:30"}, "zone": {"Mars/North"}}} {
		for name, value := range map[string]string{"zone": "UTC", "percent": "100"} {
			if !bad.Has(name) {
				bad.Set(name, value)
			}
		}
		engineer.post("/validators/formula/schedules", bad).want(400)
	}
	engineer.post("/validator-schedules/1", url.Values{"act": {"pause"}}).to("/validators/formula#work")
	if got := engineer.get("/validators/formula").text("#work"); !strings.Contains(got, "paused") {
		t.Errorf("got %q", got)
	}
	engineer.post("/validator-schedules/1", url.Values{"act": {"retire"}}).to("/validators/formula#work")
	engineer.post("/validator-schedules/1", url.Values{"act": {"pause"}}).want(409)
	engineer.post("/validators/formula/arrival", url.Values{"task_classes": {"sql_query\n"}}).to("/validators/formula#work")
	if got := engineer.get("/validators/formula").text("#work"); !strings.Contains(got, "does not look at what arrives") {
		t.Errorf("got %q", got)
	}

	whole := w.stages.Validators.Set
	w.stages.Validators.Set = validators.NewSet(jammed{})
	engineer.post("/validators/self-test", nil).to("/validators")
	page = engineer.get("/validators/formula").want(200)
	for _, want := range []string{"SUM of three cells", "pass is right", "0 responses without its verdict", "1 schedule, 0 re-runs", "No promotion rests on a verdict alone"} {
		if got := page.text("#suspended"); !strings.Contains(got, want) {
			t.Errorf("why it is suspended lacks %q: %q", want, got)
		}
	}
	lift := url.Values{"reason": {"the machine was out of memory"}}
	if got := engineer.post("/validators/formula/lift", lift).want(409).text("main"); !strings.Contains(got, "It stays suspended") {
		t.Errorf("got %q", got)
	}
	w.as(auth.Reviewer).post("/validators/formula/lift", lift).want(403)
	w.stages.Validators.Set = whole
	engineer.post("/validators/formula/lift", lift).to("/validators/formula")
	page = engineer.get("/validators/formula").want(200)
	if got := page.text("main"); !strings.Contains(got, "the machine was out of memory") || len(page.find("#suspended")) != 0 {
		t.Errorf("lifted, its page says by whom and why: %q", got)
	}
}
