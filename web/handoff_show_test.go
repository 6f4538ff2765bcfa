package web

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"assay/eval"
	"assay/internal/auth"
)

func TestAHandoffSaysWhatItWaitsFor(t *testing.T) {
	g := newGates(t)
	g.incident()
	id := int64(1)
	path := g.handoff(func(r *eval.HandoffRequest) { r.IncidentID, r.RegressionCases = &id, nil })
	engineer, manager := g.as(auth.Engineer), g.as(auth.ReleaseManager)
	page := engineer.get(path).want(200)
	page.says("h1", "answerer-v1.2 for answerer-v1.1").says("#checks h2", "Blocked: regression 0 of 3, holdout 0 of 299, then 2 approvals")
	page.says("#checks", "Promotion is refused to every client that asks.", "0 of 2").says(".feed", "Incident 1 opened by policy delivery-grounding-slo-v1", "froze the required metric")
	page.says(".split-side", "Incident 1 PAGE unsafe_claim_served=2/3", "to the same bytes").says("#results", "assay gate upload 1 results.jsonl")

	engineer.bring(path+"/runs", results(160)).to(path)
	engineer.get(path).says("#checks h2", "Blocked: holdout 160 of 299, then 2 approvals").says("#checks", "0 / 160; below 1.9 % with 95 % confidence on traffic like this holdout. 139 more cases for below 1.0 %")
	page = manager.get(path).want(200)
	if len(page.find("#checks a[href*='decision=approve']")) != 0 {
		t.Error("nobody signs before the evidence is complete: there is no Approve")
	}
	page.says("#checks", "Reject", "Nobody signs evidence that is still changing.")
	if len(page.find("#results")) != 0 {
		t.Error("a release manager brings no results")
	}

	engineer.bring(path+"/runs", results(299)).to(path)
	page = manager.get(path)
	page.says("#checks h2", "Ready: needs 2 approvals").says(".split-side", "You may approve now")
	if got := page.attr("#checks a.filled", "href"); got != path+"/sign?decision=approve" {
		t.Errorf("Approve leads to %s", got)
	}
	if n := len(page.find(".button.filled")); n != 1 {
		t.Errorf("one filled button, got %d", n)
	}
	engineer.get(path).says("#checks", "Two release managers sign.")
	for _, role := range []auth.Role{auth.Auditor, auth.Reviewer} {
		g.as(role).get(path).want(200)
	}
	g.as(auth.Labeler).get(path).want(403)
	g.as(auth.Admin).get(path).want(403)
	engineer.get("/handoffs/99").want(404)
	engineer.get("/handoffs").want(200).says("tbody tr", "answerer-v1.2", "ready")
}

func TestOpeningAWindowIsLogged(t *testing.T) {
	g := newGates(t)
	path := g.handoff(nil)
	g.as(auth.Engineer).bring(path+"/runs", results(20)+`{"window":"holdout","case_id":"`+"x"+`","error":"timeout"}`).to(path)
	manager := g.as(auth.ReleaseManager)
	manager.get(path).says(".split-side", "Opened by nobody yet.")
	page := manager.get(path + "/cases?window=holdout").want(200)
	page.says("main", "21 runs shown", "parcel-000", "broken: timeout")
	manager.get(path + "/cases?window=holdout")
	manager.get(path).says(".split-side", "Opened once by Release manager. Each opening is a use and is logged.")
	manager.get(path + "/cases?window=everything").want(400)
	if page := manager.get(path + "/cases"); len(page.find("tbody tr")) != 3 {
		t.Errorf("the regression cases come first, got %d rows", len(page.find("tbody tr")))
	}
	if n := g.count(`SELECT count(*) FROM audit_entries WHERE action = 'handoff.open_window'`); n != 2 {
		t.Errorf("each opening is an entry, once an hour: got %d", n)
	}
	g.clock.advance(2 * time.Hour)
	g.as(auth.ReleaseManager).get(path + "/cases?window=holdout")
	g.as(auth.ReleaseManager).get(path).says(".split-side", "Opened 2 times by Release manager.")
}

func TestForeignTextOnAHandoffIsText(t *testing.T) {
	g := newGates(t)
	path := g.handoff(func(r *eval.HandoffRequest) {
		r.FailingTemplateID, r.CandidateTemplateID, r.RegressionCases = "old "+hostile, "new "+hostile, []string{hostile}
	})
	engineer := g.as(auth.Engineer)
	ctx := context.Background()
	for id, text := range map[string]string{"old " + hostile: "one\n" + hostile, "new " + hostile: hostile + "\ntwo"} {
		if _, err := g.store.PutTemplate(ctx, g.actor(auth.Engineer), id, text, nil); err != nil {
			t.Fatal(err)
		}
	}
	line := fmt.Sprintf(`{"window":"regression","case_id":%q,"output":%q,"route":"serve","unsafe_claim_served":false,"first_failed_stage":%q}`, hostile, hostile, hostile)
	engineer.bring(path+"/runs", line).to(path)
	engineer.post(path+"/comments", form("text", hostile)).to(path)
	for _, tab := range []string{"", "/cases", "/diff"} {
		page := engineer.get(path + tab).want(200).harmless()
		if !strings.Contains(page.text("main"), strings.Join(strings.Fields(hostile), " ")) {
			t.Errorf("%q does not show the text as it is", tab)
		}
	}
	g.as(auth.ReleaseManager).get(path + "/sign?decision=reject").want(200).harmless()
}

func TestPeopleTalkOnAHandoff(t *testing.T) {
	g := newGates(t)
	path := g.handoff(nil)
	g.as(auth.Auditor).post(path+"/comments", form("text", "  Which cases are new?  ")).to(path)
	g.as(auth.Engineer).get(path).says(".feed", "Auditor commented", "Which cases are new?")
	g.as(auth.Auditor).post(path+"/comments", form("text", "")).want(400)
	g.as(auth.Auditor).post("/handoffs/99/comments", form("text", "x")).want(404)
	g.as(auth.Labeler).post(path+"/comments", form("text", "x")).want(403)
}
