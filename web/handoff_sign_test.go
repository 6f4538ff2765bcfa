package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"assay/eval"
	"assay/internal/auth"
	"assay/internal/auth/people"
)

// A ready handoff, two release managers, one pipeline.
func readyGates(t *testing.T, options ...func(*world)) (g *gates, path string, second int64) {
	g = newGates(t, options...)
	path = g.handoff(nil)
	g.as(auth.Engineer).bring(path+"/runs", results(299)).to(path)
	return g, path, g.person("second.manager@example.org", auth.ReleaseManager)
}

func TestTwoPeopleSignAfterProvingWhoTheyAre(t *testing.T) {
	g, path, second := readyGates(t, func(w *world) { w.config.Demo = true })
	pipeline := g.program(auth.ScopeCheck)
	check := "/v1" + path + "/check"
	pipeline.get(check).want(403)

	first := g.as(auth.ReleaseManager)
	g.exec(`UPDATE sign_in_sessions SET stepped_up_at = NULL`)
	sign := path + "/sign?decision=approve"
	again := first.get(sign).want(303).Header.Get("Location")
	if !strings.HasPrefix(again, "/login/again?next="+url.QueryEscape(path+"/sign")) {
		t.Fatalf("a fresh proof is asked for first, got %s", again)
	}
	if got := first.post(path+"/sign", form("decision", "approve")).Status; got == 200 || g.count(`SELECT count(*) FROM approvals`) != 0 {
		t.Fatalf("signed without a fresh proof: %d", got)
	}
	first = g.as(auth.ReleaseManager) // stepped up

	page := first.get(sign).want(200)
	page.says("h1", "You sign this evidence").says("main", "answerer-v1.2 replaces answerer-v1.1 for everyone.", eval.ApproveMeaning, "release manager, proved at", "or any new evidence",
		"Not the regression and holdout cases. The certificate says so.", "0 / 299")
	hash := page.attr("input[name=evidence_hash]", "value")
	first.get(path + "/cases?window=holdout").want(200)
	first.get(sign).says("main", "The holdout cases. Not the regression cases.")

	first.post(path+"/sign", form("decision", "approve", "evidence_hash", "sha256:other")).want(409).says(".banner", "Nothing was signed.", "The evidence has changed since you opened it")
	first.post(path+"/sign", form("decision", "maybe", "evidence_hash", hash)).want(400)
	first.post(path+"/sign", form("decision", "approve", "evidence_hash", hash, "comment", hostile)).to(path)
	page = first.get(path).harmless()
	page.says("#checks h2", "Ready: needs 1 approval").says("#checks", "You have signed this evidence. Another release manager signs next.", "1 of 2").says(".feed", "Release manager approved evidence")
	first.post(path+"/sign", form("decision", "approve", "evidence_hash", hash)).want(409).says(".banner", "You have signed this evidence already.")
	first.post(path+"/promote", nil).want(409)
	pipeline.get(check).want(403)

	other := g.signIn(second)
	other.post(path+"/sign", form("decision", "approve", "evidence_hash", hash)).to(path)
	other.get(path).says("#checks h2", "Approved: promotion is allowed").says("#checks", "Every client that asks is told yes.", "Promote", "The certificate is here once it is promoted.")
	if n := len(other.get(path).find("#checks a[href$='/certificate']")); n != 0 {
		t.Error("a certificate of promotion is offered before the promotion")
	}
	changed := other.get(path).text(".split-side")
	other.get(path+"/promote").want(200).says("h1", "Promote answerer-v1.2").says("main", "answerer-v1.2 replaces answerer-v1.1 for everyone.", "Release manager and Second.manager", "until somebody revokes it", "Go back")
	if g.count(`SELECT count(*) FROM handoffs WHERE promotion_status = 'PROMOTED'`) != 0 {
		t.Error("asking promotes nothing")
	}
	pipeline.get(check).want(200)
	other.post(path+"/promote", nil).to(path)
	other.get(path).says("#checks h2", "Promoted").says(".feed", "Second.manager promoted the candidate").says("#checks a[href$='/certificate']", "Certificate").says(".banner", "The candidate replaces answerer-v1.1.")
	if got := other.get(path).text(".split-side"); !strings.Contains(changed, "Changed") || between(got, "Changed", "Metric") != between(changed, "Changed", "Metric") {
		t.Errorf("signing and promoting move when the evidence changed: %s", between(got, "Changed", "Metric"))
	}
	other.get(path + "/promote").want(409)
	pipeline.get(check).want(200)
	theCertificate(t, g, path)

	other.post(path+"/revoke", form("reason", "")).want(400)
	other.post(path+"/revoke", form("reason", "Abstentions rose.")).to(path)
	other.get(path).says("#checks h2", "Revoked: final for this candidate")
	pipeline.get(check).want(403)
	other.get(path + "/certificate").want(409)
}

// theCertificate reads the page and verifies the note offline.
func theCertificate(t *testing.T, g *gates, path string) {
	t.Helper()
	auditor := g.as(auth.Auditor)
	page := auditor.get(path + "/certificate").want(200).harmless()
	page.says("h1", "Certificate of promotion").says("main", "was promoted in place of answerer-v1.1. Two release managers approved the same evidence.",
		"unsafe_claim_served == 0 on regression and holdout windows", "0 / 299; below 1.0 % with 95 % confidence", "Release manager , release manager", "Second.manager",
		"Not opened: the regression cases.", "Not opened: the regression and holdout cases.", "assay gate verify")
	note := auditor.get("/v1" + path + "/certificate").want(200)
	if got := note.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment") {
		t.Errorf("a certificate is a download: %s", got)
	}
	certificate, err := eval.VerifyCertificate(note.Body, g.store.Signing.Public())
	if err != nil || certificate.Status != eval.Promoted || len(certificate.Signatures) != 2 || certificate.Signatures[0].Comment != hostile {
		t.Errorf("offline: %v, %+v", err, certificate)
	}
	if _, err := eval.VerifyCertificate(strings.Replace(note.Body, "0 / 299", "0 / 999", 1), g.store.Signing.Public()); err == nil {
		t.Error("a changed certificate verifies")
	}
	g.as(auth.Labeler).get(path + "/certificate").want(403)
}

func TestAProofThatIsTooOldDoesNotSign(t *testing.T) {
	g, path, _ := readyGates(t)
	manager := g.as(auth.ReleaseManager)
	hash := manager.get(path+"/sign?decision=approve").attr("input[name=evidence_hash]", "value")
	g.clock.advance(people.StepUpLasts + time.Second)
	if got := manager.post(path+"/sign", form("decision", "approve", "evidence_hash", hash)); got.Status != 303 && got.Status != 403 {
		t.Errorf("status %d", got.Status)
	}
	if n := g.count(`SELECT count(*) FROM approvals`); n != 0 {
		t.Errorf("%d signatures on a stale proof", n)
	}
}

func TestWhoSignsWhatOnThePage(t *testing.T) {
	g, path, _ := readyGates(t)
	sign := path + "/sign?decision=approve"
	for _, role := range []auth.Role{auth.Engineer, auth.Auditor, auth.Reviewer, auth.Labeler, auth.Admin} {
		g.as(role).get(sign).want(403)
		g.as(role).post(path+"/promote", nil).want(403)
	}
	g.exec(`INSERT INTO templates (template_id, text, sha256, author_kind, author_id, author_name) VALUES ('answerer-v1.2', 'x', 'x', 'person', $1, 'x')`, g.ids[auth.ReleaseManager])
	manager := g.as(auth.ReleaseManager)
	page := manager.get(path).says("#checks", "You wrote the candidate.")
	if len(page.find("#checks .button")) != 0 {
		t.Error("the author of the candidate is offered nothing to sign")
	}
	hash := manager.get(sign).attr("input[name=evidence_hash]", "value")
	manager.post(path+"/sign", form("decision", "approve", "evidence_hash", hash)).want(403)
	manager.get(path + "/sign?decision=perhaps").want(400)
	manager.get("/handoffs/99/sign?decision=approve").want(404)
}

func TestARejectionSaysWhy(t *testing.T) {
	g, path, _ := readyGates(t)
	manager := g.as(auth.ReleaseManager)
	page := manager.get(path + "/sign?decision=reject").want(200)
	page.says("h1", "You reject this candidate").says("main", eval.RejectMeaning)
	hash := page.attr("input[name=evidence_hash]", "value")
	manager.post(path+"/sign", form("decision", "reject", "evidence_hash", hash)).want(400).says(".banner", "A rejection says why")
	manager.post(path+"/sign", form("decision", "reject", "evidence_hash", hash, "comment", "It invents scans.")).to(path)
	manager.get(path).says("#checks h2", "Rejected: final for this candidate").says(".feed", "rejected evidence", "It invents scans.")
	g.program(auth.ScopeCheck).get("/v1" + path + "/check").want(403)
}

func between(text, from, to string) string {
	_, text, _ = strings.Cut(text, from)
	text, _, _ = strings.Cut(text, to)
	return strings.TrimSpace(text)
}

func TestMoreThanEnoughIsSaidSo(t *testing.T) {
	for _, c := range []struct {
		done, needed int
		of, want     string
	}{{160, 299, "", "160 of 299"}, {299, 299, "", "299 of 299"}, {400, 299, "", "400, 299 needed"}, {6, 3, " runs", "6 runs, 3 needed"}, {3, 3, " runs", "3 of 3 runs"}} {
		if got := ofNeeded(c.done, c.needed, c.of); got != c.want {
			t.Errorf("%d for %d: %q, want %q", c.done, c.needed, got, c.want)
		}
	}
}
