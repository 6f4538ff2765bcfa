package web

import (
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/telemetry"
)

func TestAlertsSayWhatFiredAndWhatToDoFirst(t *testing.T) {
	g := newGates(t)
	engineer := g.as(auth.Engineer)
	engineer.get("/alerts").want(200).says(".head", "No alerts page. One policy watches.").says("#alerts", "Nothing fires").says("#policies", "not yet")
	slow := trace("req_9", "answerer-v1", false)
	slow.TTFTMS = 900
	g.evaluate(trace("req_1", "answerer-v1", false), trace("req_2", "answerer-v1.1", true), slow)

	page := engineer.get("/alerts").want(200)
	page.says(".head .sub", "One alert pages.", "alerts fired 2 times and 0 led to a handoff")
	rows := page.find("#alerts tbody tr")
	if len(rows) != 2 {
		t.Fatalf("want two rows, got %d", len(rows))
	}
	for i, want := range [][]string{
		{"Page", "unsafe_claim_served=1/3", "Compare serving-gate template with answerer-v1.", "req_2", "firing", "Open card"},
		{"Warn", "p95_ttft_ms=900", "Check whether a model version is being rolled out.", "req_9", "firing", "Acknowledge", "Silence 1 h"},
	} {
		for _, part := range want {
			if got := words(rows[i]); !strings.Contains(got, part) {
				t.Errorf("row %d lacks %q: %s", i, part, got)
			}
		}
	}
	if n := len(page.find(".button.filled")); n != 1 {
		t.Errorf("one filled button a page, got %d", n)
	}
	if got := page.attr("#alerts tbody tr a[href^='/sessions/']", "href"); got != "/sessions/s-req_2" {
		t.Errorf("the exemplar leads to its session, got %s", got)
	}
	page.says("#runbook-latency", "CPU and GPU").says("#policies", "3 requests")
	g.evaluate()
	engineer.get("/alerts").says("#policies", "no data since")
}

func TestAnEngineerAnswersAlerts(t *testing.T) {
	g := newGates(t)
	slow := trace("req_9", "answerer-v1", false)
	slow.TTFTMS = 900
	g.evaluate(slow)
	engineer := g.as(auth.Engineer)
	engineer.header.Set("Referer", g.url+"/alerts?state=all")
	engineer.post("/alerts/1/acknowledge", nil).to("/alerts?state=all")
	engineer.get("/alerts").says("#alerts tbody tr", "acknowledged", "Silence 1 h")
	engineer.post("/alerts/1/acknowledge", nil).want(409)
	engineer.post("/alerts/1/silence", form("minutes", "60")).to("/alerts?state=all")
	engineer.get("/alerts").says("#alerts tbody tr", "silenced until")
	engineer.post("/alerts/1/silence", form("minutes", "99999")).want(400)
	engineer.post("/alerts/1/silence", form("minutes", "many")).want(400)
	engineer.post("/alerts/7/acknowledge", nil).want(409)
	g.as(auth.Auditor).get("/alerts").want(200)
	if page := g.as(auth.Auditor).get("/alerts"); len(page.find("#alerts form")) != 0 {
		t.Error("an auditor answers no alert")
	}
	g.as(auth.Auditor).post("/alerts/1/silence", form("minutes", "60")).want(403)
	g.as(auth.Labeler).get("/alerts").want(403)

	g.clock.advance(time.Hour)
	g.evaluate(slow)
	engineer = g.as(auth.Engineer)
	engineer.get("/alerts").says("#alerts tbody tr", "acknowledged")
	g.evaluate(trace("req_10", "answerer-v1", false))
	g.clock.advance(16 * time.Minute)
	g.evaluate(trace("req_10", "answerer-v1", false))
	engineer.get("/alerts").says("#alerts", "Nothing fires")
	engineer.get("/alerts?state=resolved").says("#alerts tbody tr", "resolved")
	engineer.get("/alerts?state=open&policy=other").want(400)
	engineer.get("/alerts?state=all&policy=other").says("#alerts", "Nothing fires")
}

func TestHostileTracesAreTextOnAlertsAndIncidents(t *testing.T) {
	g := newGates(t)
	g.evaluate(telemetry.TraceEvent{RequestID: hostile, SessionID: hostile, CaseID: hostile, PromptTemplateID: hostile, Route: "serve",
		FirstFailedStage: hostile, UnsafeClaimServed: true, EvidenceVersion: new(string)})
	for _, path := range []string{"/alerts", "/incidents", "/incidents/1"} {
		page := g.as(auth.Engineer).get(path).want(200).harmless()
		if !strings.Contains(page.text("main"), strings.Join(strings.Fields(hostile), " ")) {
			t.Errorf("%s does not show the text as it is", path)
		}
	}
}
