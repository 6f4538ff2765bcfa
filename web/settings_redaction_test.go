package web

import (
	"net/url"
	"testing"

	"assay/internal/auth"
)

func TestRulesOfRedactionAreTriedThenPutInForce(t *testing.T) {
	w := newTelemetryWorld(t)
	b := w.as(auth.Engineer)
	b.get("/settings/redaction").want(200).harmless().says("main", "No rules of your own", "[EMAIL]", "98 %", "assay-pii-v1").says("#kinds", "Telephone numbers", "90 %")
	form := url.Values{"after": {"0"}, "name": {"PROJECT", "STAFF", ""}, "kind": {"words", "pattern", "words"}, "what": {"Night Heron\nBluebird", `\bE-\d{5}\b`, ""},
		"reason": {"the merger is secret"}, "text": {"E-12345 of bluebird, ada@example.com <b>" + hostile}}
	b.post("/settings/redaction/try", form).want(200).harmless().says("#tried", "[STAFF] of [PROJECT], [EMAIL]", "1 STAFF, 1 PROJECT, 1 EMAIL")
	if n := w.count(`SELECT count(*) FROM redaction_policies`); n != 0 {
		t.Errorf("a trial made %d versions", n)
	}
	b.post("/settings/redaction", form).to("/settings/redaction")
	b.get("/settings/redaction").says("#versions", "1, in force", "PROJECT (2 words), STAFF (a pattern)", "the merger is secret")
	b.post("/settings/redaction", form).want(409).says("main", "Version 1 came into force while you wrote")
	for _, c := range []struct{ kind, what, says string }{
		{"pattern", "(a+)+", "run on without an end"}, {"pattern", "(a", "a parenthesis is not closed"}, {"pattern", "a(?=b)", "looking ahead"},
		{"words", "", "neither words nor a pattern"}, {"sorcery", "x", "words or for a pattern"},
	} {
		bad := url.Values{"after": {"1"}, "name": {"RULE"}, "kind": {c.kind}, "what": {c.what}, "reason": {"quickly"}}
		b.post("/settings/redaction", bad).want(400).harmless().says("main", c.says, "Nothing was changed")
		b.post("/settings/redaction/try", bad).want(400).says("main", c.says)
	}
	b.post("/settings/redaction", url.Values{"after": {"1"}, "reason": {"the merger is public"}}).to("/settings/redaction")
	b.get("/settings/redaction?version=1").want(200).says("main", "The rules of version 1; version 2 is in force")
	b.get("/settings/redaction?version=7").want(404)
	reviewer := w.as(auth.Reviewer)
	reviewer.get("/settings/redaction").want(200).harmless()
	reviewer.post("/settings/redaction/try", url.Values{"text": {"Bluebird, ada@example.com"}}).want(200).says("#tried", "Bluebird, [EMAIL]")
	reviewer.post("/settings/redaction", form).want(403)
	w.as(auth.Labeler).get("/settings/redaction").want(403)
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'redaction.set' AND what NOT LIKE '%Heron%'`); n != 2 {
		t.Errorf("want 2 entries without the words, got %d", n)
	}
}
