package web

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"testing"

	"assay/internal/auth"
	"assay/internal/redact"
	"assay/internal/retention"
	"assay/internal/signing"
	"assay/telemetry"
)

// The pages that say what is kept of people, as a person meets them: each
// width, both themes, hostile words in rules, reasons and raw text.
func TestThePagesOfPrivacyInARealBrowser(t *testing.T) {
	w, event := newVaultWorld(t, sealed, unlimited, func(w *world) {
		keys, err := signing.Open(filepath.Join(t.TempDir(), "signing"), "assay")
		if err != nil {
			t.Fatal(err)
		}
		w.stages.Retention = &retention.Register{DB: w.pool, Signing: keys, Clock: w.clock.now, Sessions: telemetry.EventTexts{Store: w.stages.Telemetry}}
	})
	engineer, auditor, admin := w.as(auth.Engineer), w.as(auth.Auditor), w.as(auth.Admin)
	reason := "Redaction hides the failing address. " + foreignText
	for range 2 {
		engineer.post("/reveals", url.Values{"event": {event.String()}, "reason": {reason}}).want(303)
		if w.count(`SELECT count(*) FROM reveals`) == 1 {
			auditor.post("/reveals/1/deny", url.Values{"reason": {"Not needed: " + foreignText}}).want(303)
		}
	}
	auditor.post("/reveals/2/approve", nil).want(303)
	rules := []redact.Rule{{Name: "HOSTILE", Words: []string{"<script>alert(1)</script>", "Night Heron"}}, {Name: "STAFF", Pattern: `\bE-\d{5}\b`}}
	asked := auth.Actor{Kind: auth.Person, ID: 1, Name: foreignText, Roles: []auth.Role{auth.Engineer}}
	if _, err := w.stages.Telemetry.SetRedaction(context.Background(), asked, 0, rules, reason); err != nil {
		t.Fatal(err)
	}
	admin.post("/settings/retention/holds", url.Values{"on": {"person"}, "id": {"hash-of-maya"}, "reason": {foreignText}}).want(303)
	admin.post("/settings/erasures", url.Values{"person": {"u-17"}, "reason": {foreignText}}).to("/settings/erasures/1")

	b := chromium(t)
	for _, p := range []struct {
		name string
		who  *browser
		path string
	}{
		{"redaction", engineer, "/settings/redaction"}, {"redaction-reviewer", w.as(auth.Reviewer), "/settings/redaction"},
		{"reveals", auditor, "/reveals"}, {"reveal-ask", engineer, askRevealURL(event)}, {"reveal-denied", engineer, "/reveals/1"},
		{"reveal-approved", engineer, "/reveals/2"}, {"retention", admin, "/settings/retention"}, {"erasure", admin, "/settings/erasures/1"},
		{"capture", engineer, "/settings/capture"}, {"impact", engineer, "/settings/impact"}, {"consents", auditor, "/audit/consents"},
	} {
		for i, width := range []int64{1440, 390} {
			theme := []string{"light", "dark"}[i]
			t.Run(fmt.Sprintf("%s at %d %s", p.name, width, theme), func(t *testing.T) {
				b := &tab{t, b.ctx}
				w.exec(`UPDATE people SET theme = $1`, theme)
				b.become(w, p.who)
				b.open(w, p.path, width)
				b.photograph(fmt.Sprintf("%s-%d-%s.png", p.name, width, theme))
				if by := js[int](b, `document.documentElement.scrollWidth - innerWidth`); by > 0 {
					t.Errorf("scrolls sideways by %d px", by)
				}
				for _, wrong := range b.wrong() {
					t.Error(wrong)
				}
				for _, found := range b.axe() {
					t.Error(found)
				}
			})
		}
	}
}
