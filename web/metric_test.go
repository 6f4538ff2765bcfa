package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/telemetry"
)

// measured is a world whose traffic of today has everything figures are made
// of: 60 timed responses of two versions, impossible times, errors, tools,
// votes, traces and an experiment.
func measured(t *testing.T) *world {
	t.Helper()
	w := newTelemetryWorld(t)
	var lines []string
	ago := func(i int) time.Duration { return time.Duration(i) * time.Second }
	for i := range 60 {
		version := fmt.Sprint("v", 1+i%2)
		lines = append(lines, w.eventLine("assistant_response", fmt.Sprint("s", i%20), ago(i), fmt.Sprintf(
			`,"request_id":"r%d","task_class":"sql_query","model_version":%q,"assistant_version":"1.3.0","user_id_hash":"sha256-%d","outcome":"success","total_ms":%d,"ttft_ms":%d,"input_tokens":200,"cached_input_tokens":50,"output_tokens":40`,
			i, version, i%7, 1000+10*i, 100+i)))
	}
	quoted := strings.ReplaceAll(foreignText, `"`, `\"`)
	lines = append(lines,
		w.eventLine("assistant_response", "odd", ago(1), `,"task_class":"sql_query","model_version":"v1","total_ms":240,"ttft_ms":240,"output_tokens":30`),
		w.eventLine("assistant_response", "few", ago(1), `,"task_class":"`+quoted+`","model_version":"`+quoted+`","total_ms":5`),
		w.eventLine("error", "s1", ago(1), `,"assistant_version":"1.3.0","error_type":"`+quoted+`"`),
		w.eventLine("error", "s2", ago(1), `,"assistant_version":"1.3.0","error_type":"timeout"`),
		w.eventLine("feedback", "s1", ago(0), `,"request_id":"r1","explicit_feedback":"down","reason":"`+quoted+`"`),
		w.eventLine("tool_step", "s1", ago(9), `,"tool_name":"`+quoted+`","params_hash":"p","progress_marker":"1","total_ms":40`),
		w.eventLine("tool_step", "s1", ago(8), `,"tool_name":"`+quoted+`","params_hash":"p","progress_marker":"1","result_status":"error"`),
		w.eventLine("gate_trace", "", ago(5), `,"request_id":"g1","prompt_template_id":"t1","route":"serve","first_failed_stage":"serving_gate","unsafe_claim_served":true`),
		w.eventLine("gate_trace", "", ago(5), `,"request_id":"g2","prompt_template_id":"t1","route":"abstain","first_failed_stage":"claim_generation","unsafe_claim_served":false`),
		w.eventLine("exposure", "x1", ago(5), `,"experiment_id":"`+quoted+`","variant":"A","user_id_hash":"sha256-1"`),
		w.eventLine("interaction", "x1", ago(4), `,"experiment_id":"`+quoted+`","variant":"A","user_id_hash":"sha256-1","outcome":"success","task_class":"chat"`))
	for i := range lines {
		lines[i] = strings.Replace(lines[i], `"session_id":"",`, "", 1)
	}
	w.sender().send("POST", "/v1/events", strings.NewReader(strings.Join(lines, "\n")), nil).want(http.StatusAccepted)
	w.drain()
	if _, err := w.stages.Telemetry.Flag(context.Background(), auth.Product(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour), func(context.Context, []telemetry.Candidate) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.stages.Telemetry.CountDays(context.Background(), auth.Product(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestEveryFamilySaysHowSureItIs(t *testing.T) {
	w := measured(t)
	engineer := w.as(auth.Engineer)
	for _, c := range []struct {
		path string
		says []string
	}{
		{"/rates/latency", []string{"SQL query", "1.5 s", "1.6 s", "n too small", "no data: 1 response, at least 5 needed", "1 response rejected: malformed timing.", "total_ms must exceed ttft_ms after the first token", "There is nothing in the time before to compare with."}},
		{"/rates/latency?by=none", []string{"All", "61"}},
		{"/rates/tokens", []string{"200", "25 %", "Tokens a day", "Busiest minute"}},
		{"/rates/cost", []string{"Cost in USD", "internal-fixture-2026-05-27", "0.000355"}},
		{"/rates/cost?card=internal-fixture-2026-05-27&by=user", []string{"Cost in USD"}},
		{"/rates/errors", []string{"1.3.0", "3.2 %", "timeout", "Truncated"}},
		{"/rates/routes", []string{"1 of 2", "serving_gate", "claim_generation", "no data: 2 events, at least 5 needed"}},
		{"/rates/conversations", []string{"Turns mean", "2.9", "Where people leave"}},
		{"/rates/feedback", []string{"1 of 1", "Reason people gave"}},
		{"/rates/experiments", []string{"1 of 1", "one arm", "100.000 %"}},
		{"/rates/days", []string{"63", "have not been compared with their events yet"}},
		{"/rates/tools", []string{"1 of 2", "Sessions that repeat"}},
	} {
		page := engineer.get(c.path).want(200)
		noMarkup(t, page)
		for _, want := range c.says {
			if got := page.text("main"); !strings.Contains(got, want) {
				t.Errorf("%s says %q: %s", c.path, want, clip(got, 2500))
			}
		}
	}
	rated(t).as(auth.Engineer).get("/rates").want(200).says(".tabs", "Labels", "Latency", "Experiments")
	if _, err := w.stages.Telemetry.CompareDays(context.Background(), auth.Product()); err != nil {
		t.Fatal(err)
	}
	engineer.get("/rates/days").want(200).says(".says", "They agree with their events.")
	engineer.get("/rates/weather").want(404)
	for _, wrong := range []string{"by=color", "window=0", "window=x", "from=yesterday", "unknown=1", "from=2026-01-02&to=2026-01-01", "from=2020-01-01&to=2026-01-01"} {
		engineer.get("/rates/latency?" + wrong).want(400)
	}
	engineer.get("/rates/cost?card=nobody").want(400)
	engineer.get("/rates/latency?window=1h&task_class=nothing").want(200).says("#figures", "No responses in this window")
	w.as(auth.Labeler).get("/rates/latency").want(403)
	w.as(auth.Admin).get("/rates/latency").want(403)
}

// Every number of sessions on every page opens a list that counts as many.
func TestEveryNumberOpensTheSessionsBehindIt(t *testing.T) {
	w := measured(t)
	engineer := w.as(auth.Engineer)
	followed := 0
	for _, path := range []string{"/rates/latency", "/rates/tokens", "/rates/cost", "/rates/errors", "/rates/errors?by=task_class", "/rates/routes", "/rates/conversations", "/rates/experiments", "/rates/tools"} {
		page := engineer.get(path).want(200)
		for _, link := range page.find(`#figures tbody a[href^="/sessions?"]`) {
			says, href := strings.TrimSpace(words(link)), hrefOf(link)
			if strings.Contains(href, "behind=malformed") || strings.Contains(href, "behind=requeried") || strings.Contains(href, "behind=retried") {
				continue // these count events
			}
			want := "sessions"
			if says == "1" {
				want = "session"
			}
			engineer.get(href).want(200).says(".head", says+" "+want+" in the chosen time")
			followed++
		}
	}
	if followed < 12 {
		t.Errorf("only %d links were followed", followed)
	}
}

func TestFiguresOverTheAPI(t *testing.T) {
	w := measured(t)
	program := w.program(auth.ScopeRead)
	var all struct {
		Latency []struct {
			TaskClass string `json:"task_class"`
			Timed     int
			Sessions  int
			TotalMS   struct {
				N   int
				P50 *float64
				P95 *float64
			} `json:"total_ms"`
			Malformed int `json:"malformed_timing"`
			Permalink string
		}
		Cost struct {
			Rows     []struct{ Cost float64 }
			Currency string
			Cards    []string `json:"rate_cards"`
		}
		Errors, Routes, Conversations, Feedback, Experiments, Tools []map[string]any
		Days                                                        struct{ Rows []telemetry.DayTotal }
		Tokens                                                      struct {
			Load struct{ Responses int }
		}
	}
	program.get("/v1/metrics/summary?by=task_class").want(200).json(&all)
	var sql int
	for i, row := range all.Latency {
		if row.TaskClass == "sql_query" {
			sql = i
		}
	}
	row := all.Latency[sql]
	if row.Timed != 60 || row.TotalMS.N != 60 || *row.TotalMS.P50 != 1290 || *row.TotalMS.P95 != 1560 || row.Malformed != 1 || row.Sessions != 20 {
		t.Errorf("latency: %+v", row)
	}
	var list struct{ Total int }
	program.get("/v1" + row.Permalink).want(200).json(&list)
	if list.Total != row.Sessions {
		t.Errorf("the permalink counts %d sessions, the row %d", list.Total, row.Sessions)
	}
	if all.Cost.Currency != "USD" || len(all.Cost.Cards) != 1 || all.Tokens.Load.Responses != 63 || len(all.Errors) == 0 || len(all.Routes) == 0 || len(all.Conversations) == 0 || len(all.Feedback) == 0 || len(all.Experiments) != 1 || len(all.Tools) != 1 || len(all.Days.Rows) == 0 {
		t.Errorf("%+v", all)
	}
	var one map[string]any
	program.get("/v1/metrics/summary?family=latency,tools").want(200).json(&one)
	if one["cost"] != nil || one["tools"] == nil || one["as_of"] == nil {
		t.Errorf("only what was asked: %v", one)
	}
	program.get("/v1/metrics/summary?family=weather").want(400)
	w.program(auth.ScopeIngest).get("/v1/metrics/summary").want(403)
}

func TestRateCardsAreAddedAndStay(t *testing.T) {
	w := newTelemetryWorld(t)
	engineer := w.as(auth.Engineer)
	form := url.Values{"version": {hostile}, "model_version": {""}, "effective_from": {"2026-11-01"}, "currency": {"usd"}, "input": {"0.25"}, "cached": {"0.025"}, "output": {"2"}}
	engineer.post("/settings/ratecards", form).to("/settings/ratecards")
	page := engineer.get("/settings/ratecards").want(200).harmless()
	page.says("tbody tr", strings.Join(strings.Fields(hostile), " "), "1 Nov 2026", "0.25", "0.025", "2.00", "USD", "in effect")
	engineer.post("/settings/ratecards", form).want(400).says("#add", "A card is never edited")
	for name, value := range map[string]string{"input": "cheap", "effective_from": "soon", "currency": "dollar", "version": " ", "output": "-1"} {
		wrong := url.Values{"version": {"x"}, "model_version": {""}, "effective_from": {"2026-11-02"}, "currency": {"USD"}, "input": {"1"}, "cached": {"1"}, "output": {"1"}}
		wrong.Set(name, value)
		engineer.post("/settings/ratecards", wrong).want(400)
	}
	auditor := w.as(auth.Auditor)
	if got := auditor.get("/settings/ratecards").want(200); len(got.find("#add")) != 0 {
		t.Error("who may not add a card has no form for it")
	}
	auditor.post("/settings/ratecards", form).want(403)
}
