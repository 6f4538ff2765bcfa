package web

import (
	"strings"
	"testing"

	"assay/internal/auth"
)

func TestAnIncidentOpensWithTheFirstCheckAndOneButton(t *testing.T) {
	g := newGates(t)
	g.incident()
	engineer := g.as(auth.Engineer)
	engineer.get("/incidents").want(200).says(".head", "1 incident open of 1").says("tbody tr", "answerer-v1.1", "serving_gate", "open")
	page := engineer.get("/incidents/1").want(200)
	page.says("h1", "PAGE unsafe_claim_served=2/3").says(".banner", "First check: compare serving-gate template with answerer-v1.", "Open the diff")
	page.says(".facts", "req_2 invented_eta, first violating event", "answerer-v1.1", "2 of 3, 66.7 %, 95 %")
	page.says("#runbook", "0 of 5 done", "Pause the rollout")
	page.says(".split-side", "1 failing case", "Acknowledge", "Silence 1 h")
	page.says("#diff", "Neither text has been uploaded")
	if n := len(page.find("table tbody tr")); n != 3 {
		t.Errorf("want three requests, got %d", n)
	}
	if got := page.attr("#open-handoff input[name=baseline]", "value"); got != "answerer-v1" {
		t.Errorf("the baseline is what the first check compares with, got %q", got)
	}
	engineer.get("/incidents/9").want(404)
	engineer.get("/incidents/x").want(404)
	g.as(auth.Labeler).get("/incidents/1").want(403)
}

func TestTheRunbookIsWorkedOffWithForms(t *testing.T) {
	g := newGates(t)
	g.incident()
	engineer := g.as(auth.Engineer)
	engineer.post("/incidents/1/steps/1", form("done", "yes")).to("/incidents/1#runbook")
	engineer.get("/incidents/1").says("#runbook", "1 of 5 done", "done by Engineer", "Open again")
	engineer.post("/incidents/1/steps/1", form("done", "no")).to("/incidents/1#runbook")
	engineer.get("/incidents/1").says("#runbook", "0 of 5 done")
	engineer.post("/incidents/1/steps/9", form("done", "yes")).want(404)
	engineer.post("/incidents/1/steps/x", form("done", "yes")).want(404)
	g.as(auth.Auditor).post("/incidents/1/steps/1", form("done", "yes")).want(403)
	if page := g.as(auth.Auditor).get("/incidents/1").want(200); len(page.find("#runbook form, #open-handoff")) != 0 {
		t.Error("an auditor reads and does not act")
	}
	if n := g.count(`SELECT count(*) FROM audit_entries WHERE action = 'incident.step'`); n != 2 {
		t.Errorf("want two entries, got %d", n)
	}
}

func TestOnePressOpensAHandoff(t *testing.T) {
	g := newGates(t)
	g.incident()
	engineer := g.as(auth.Engineer)
	send := func(path, text string) {
		t.Helper()
		engineer.send("PUT", "/v1/templates/"+path, strings.NewReader(`{"text":"`+text+`"}`), map[string][]string{
			"Content-Type": {"application/json"}, "X-Form-Token": {engineer.token()}}).want(200)
	}
	send("answerer-v1", "State a time only if the carrier did.")
	send("answerer-v1.1", "Be helpful.")
	send("answerer-v1.2", "State a time only if the carrier did. Cite it.")
	page := engineer.get("/incidents/1")
	if got := page.attr("#open-handoff input[name=candidate]", "value"); got != "answerer-v1.2" {
		t.Fatalf("the newest template that was not tried yet is offered, got %q", got)
	}
	page.says("#diff", "+1 −1", "Be helpful.")

	refused := engineer.post("/incidents/1/handoff", form("candidate", "answerer-v1.1", "metric", "unsafe_claim_served == 0 on holdout")).want(400)
	refused.says(".field-error", "The candidate is the failing template itself")
	engineer.post("/incidents/1/handoff", form("candidate", "answerer-v1.2", "metric", hostile)).want(400).harmless().says(".field-error", "is not a required metric")
	engineer.post("/incidents/1/handoff", form("candidate", "answerer-v1.2", "baseline", "answerer-v1", "metric", "unsafe_claim_served == 0 on regression and holdout windows")).to("/handoffs/1")
	engineer.get("/incidents/1").says(".split-side", "answerer-v1.2", "Handoff 1, blocked.")
	engineer.post("/incidents/1/handoff", form("candidate", "answerer-v1.2", "metric", "unsafe_claim_served == 0 on holdout")).want(409).says(".field-error", "is open already")
	g.as(auth.ReleaseManager).post("/incidents/1/handoff", form("candidate", "x", "metric", "y")).want(403)
	engineer.post("/incidents/1/handoff", form("candidate", "x", "metric", "y", "status", "PROMOTED")).want(400)
}
