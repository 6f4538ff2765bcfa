package web

import (
	"context"
	"strings"
	"testing"

	"assay/eval"
	"assay/internal/auth"
)

func TestTheOverviewSaysWhatNeedsAnEngineer(t *testing.T) {
	g := rated(t)
	engineer := g.as(auth.Engineer)
	engineer.get("/").want(200).says("main", "One version is worse than the one before.", "v2 is worse than v1 on spreadsheet formula by 6.6 points, 95 % 3.6 to 9.9.", "Objectives", "File edit, hallucination")
	g.incident()
	id := int64(1)
	path := g.handoff(func(r *eval.HandoffRequest) { r.IncidentID, r.RegressionCases = &id, nil })
	engineer.bring(path+"/runs", results(160)).to(path)
	page := engineer.get("/").want(200)
	page.says("h1", "One alert pages, one handoff waits for evidence.")
	page.says(".needs", "unsafe_claim_served=2/3", "First check: compare serving-gate template with answerer-v1.", "Incident 1", "Handoff 1 waits for holdout cases", "Blocked: holdout 160 of 299, then 2 approvals.", "Bring results")
	if n := len(page.find(".button.filled")); n != 1 {
		t.Errorf("one filled button a page, got %d", n)
	}
	if got := page.attr(".needs .filled", "href"); got != "/incidents/1" {
		t.Errorf("the most urgent is filled, got %s", got)
	}
	if err := g.store.Acknowledge(context.Background(), g.actor(auth.Engineer), 1); err != nil {
		t.Fatal(err)
	}
	engineer.get("/").says("h1", "One handoff waits for evidence.")
}

func TestTheOverviewAsksAReleaseManagerForAYesOrNo(t *testing.T) {
	g, path, second := readyGates(t)
	g.handoff(func(r *eval.HandoffRequest) { r.CandidateTemplateID = "answerer-v1.3" })
	manager := g.as(auth.ReleaseManager)
	page := manager.get("/").want(200)
	page.says("h1", "One handoff is ready for your approval.").says(".head .sub", "One more is being measured. Nothing that was approved has been revoked.")
	page.says(".needs", "answerer-v1.2, handoff 1", "All checks hold. 0 / 299; below 1.0 % with 95 % confidence. Needs 2 more approvals.", "Review")
	page.says("main", "Being measured", "answerer-v1.3, handoff 2", "0 in the last 30 days")
	hash := manager.get(path+"/sign?decision=approve").attr("input[name=evidence_hash]", "value")
	manager.post(path+"/sign", form("decision", "approve", "evidence_hash", hash)).to(path)
	page = manager.get("/")
	page.says("h1", "Nothing needs you now.").says("main", "1 in the last 30 days")
	other := g.signIn(second)
	other.post(path+"/sign", form("decision", "approve", "evidence_hash", hash)).to(path)
	other.get("/").says("h1", "One handoff may be promoted.").says(".needs", "Approved by Release manager, Second.manager. Not promoted yet.")
	other.post(path+"/promote", nil).to(path)
	other.get("/").says("main", "Decided in the last 30 days", "answerer-v1.2", "promoted")
	g.exec(`INSERT INTO templates (template_id, text, sha256, author_kind, author_id, author_name) VALUES ('answerer-v1.3', 'x', 'x', 'person', $1, 'x')`, second)
	other.get("/").says(".split-side", "You may not approve", "answerer-v1.3: you wrote the candidate.")
	g.as(auth.Auditor).get("/").says("main", "Decisions in the last 30 days", "Release manager, Second.manager", "yes")
}

func TestTheOverviewShowsAnAuditorVoidedApprovals(t *testing.T) {
	g, path, _ := readyGates(t)
	manager := g.as(auth.ReleaseManager)
	hash := manager.get(path+"/sign?decision=approve").attr("input[name=evidence_hash]", "value")
	manager.post(path+"/sign", form("decision", "approve", "evidence_hash", hash)).to(path)
	g.as(auth.Engineer).bring(path+"/runs", `{"window":"holdout","case_id":"one-more","unsafe_claim_served":false,"route":"serve"}`).to(path)
	g.as(auth.Auditor).get("/").want(200).says(".needs", "An approval of answerer-v1.2 is void", "Release manager signed it; the evidence changed.")
	for _, role := range []auth.Role{auth.Labeler, auth.Admin, auth.Reviewer} {
		if page := g.as(role).get("/").want(200); strings.Contains(page.Body, "answerer-v1.2") {
			t.Errorf("the overview of a %s speaks of handoffs", role)
		}
	}
}

func TestHandoffsAndIncidentsAreFound(t *testing.T) {
	g := newGates(t)
	g.incident()
	g.handoff(func(r *eval.HandoffRequest) { r.CandidateTemplateID = "fix " + hostile })
	engineer := g.as(auth.Engineer)
	find := func(b *browser, text string) string {
		t.Helper()
		return b.get("/search?q=" + text).want(200).harmless().text("main")
	}
	for text, want := range map[string]string{"handoff+1": "Handoff 1", "incident+1": "Incident 1", "answerer-v1.1": "Incident 1", "req_2": "Incident 1", "onerror": "Handoff 1"} {
		if got := find(engineer, text); !strings.Contains(got, want) {
			t.Errorf("%s: want %s, got %s", text, want, got)
		}
	}
	if got := find(engineer, "1."); strings.Contains(got, "Handoff") {
		t.Errorf("two letters match no id: %s", got)
	}
	if got := find(g.as(auth.Labeler), "answerer"); strings.Contains(got, "Handoff") || strings.Contains(got, "Incident") {
		t.Errorf("a labeler finds what they may not open: %s", got)
	}
}
