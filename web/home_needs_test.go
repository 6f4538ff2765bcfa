package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"assay/eval"
	"assay/internal/auth"
)

// Whoever builds and whoever decides hear of disputed labels, without being
// asked to decide about them.
func TestTheOverviewSpeaksOfDisputedLabels(t *testing.T) {
	w := queued(t, "sql_query", "one")
	labeler, engineer, manager := w.as(auth.Labeler), w.as(auth.Engineer), w.as(auth.ReleaseManager)
	address := labeler.next("sql_query")
	page := labeler.get(address).want(200)
	labeler.post(page.attr("#label-form", "action"), answerOn(page, "hallucinated")).want(303)
	for _, b := range []*browser{engineer, manager} {
		if got := b.get("/").want(200).text("main"); strings.Contains(got, "disputed") {
			t.Errorf("before there is one: %s", clip(got, 400))
		}
	}
	label := engineer.get(address+"/discussion").attr(`form[action="`+address+`/disputes"] input[name=label]`, "value")
	engineer.post(address+"/disputes", url.Values{"label": {label}, "objection": {"The sum is 12."}}).to(address + "/discussion")
	for _, b := range []*browser{engineer, manager} {
		b.get("/").want(200).says(".needs", "1 label is disputed", "A reviewer decides; until then the rates count what stands.", "Show rates")
	}
	if got := labeler.get("/").want(200).text("main"); strings.Contains(got, "is disputed") {
		t.Errorf("a labeler hears of their own in the inbox alone: %s", clip(got, 400))
	}
}

// Signatures over evidence end: whoever decides hears of it while it can still
// be promoted, and whoever builds as well.
func TestTheOverviewSpeaksOfEvidenceWhoseSignatureEnds(t *testing.T) {
	g, path, _ := readyGates(t)
	manager := g.as(auth.ReleaseManager)
	hash := manager.get(path+"/sign?decision=approve").attr("input[name=evidence_hash]", "value")
	manager.post(path+"/sign", form("decision", "approve", "evidence_hash", hash)).to(path)
	if got := manager.get("/").want(200).text("main"); strings.Contains(got, "ends in") {
		t.Errorf("a week before its end: %s", clip(got, 400))
	}
	g.clock.advance(eval.ApprovalLasts - 20*time.Hour - 5*time.Minute)
	for _, role := range []auth.Role{auth.ReleaseManager, auth.Engineer} {
		g.as(role).get("/").want(200).says(".needs", "Release manager’s approval of answerer-v1.2 ends in 20 h", "the evidence has to be signed again")
	}
	g.clock.advance(21 * time.Hour)
	if got := g.as(auth.ReleaseManager).get("/").want(200).text("main"); strings.Contains(got, "ends in") {
		t.Errorf("after its end: %s", clip(got, 400))
	}
}
