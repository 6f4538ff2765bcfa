package web

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/auth/people"
	"assay/internal/clickhousetest"
	"assay/internal/vault"
	"assay/telemetry"
)

// newVaultWorld is a world in which raw text is sealed, with one event of it.
func newVaultWorld(t *testing.T, more ...func(*world)) (w *world, event uuid.UUID) {
	t.Helper()
	keyset, err := vault.OpenKeyset(filepath.Join(t.TempDir(), "vault"))
	if err != nil {
		t.Fatal(err)
	}
	w = newWorld(t, append([]func(*world){func(w *world) {
		w.stages.Telemetry = &telemetry.Store{DB: w.pool, Clickhouse: clickhousetest.Database(t), Clock: w.clock.now, Vault: &vault.Vault{DB: w.pool, KEK: keyset}}
	}}, more...)...)
	b := w.program(auth.ScopeIngest)
	terms := telemetry.OpenTerms
	terms.Consent, terms.Capture = telemetry.ConsentFull, telemetry.CaptureRaw
	if err := w.stages.Telemetry.SetTerms(context.Background(), auth.Product(), int64(w.count(`SELECT max(id) FROM keys`)), terms); err != nil {
		t.Fatal(err)
	}
	event = uuid.New()
	b.sendText("/v1/events", w.eventLine("assistant_response", "s1", time.Minute,
		fmt.Sprintf(`,"event_id":%q,"task_class":"file_edit","user_id_hash":"u-17","prompt":"Write to maya@example.com","response":%q`, event, hostile))).want(202)
	w.drain()
	return w, event
}

func TestRawTextIsSeenByOneWithTheConsentOfAnother(t *testing.T) {
	w, event := newVaultWorld(t)
	engineer := w.as(auth.Engineer)
	engineer.get("/sessions/s1?event="+event.String()).want(200).says("main", "sealed; ask for it")
	ask := engineer.get(askRevealURL(event)).want(200).harmless()
	ask.says("main", "Write to [EMAIL]", "assay-pii-v1")
	engineer.post("/reveals", url.Values{"event": {event.String()}, "reason": {"why"}}).want(400).says(".field-error", "10 to 500 characters")
	reason := "Redaction hides the failing address. " + hostile
	engineer.post("/reveals", url.Values{"event": {event.String()}, "reason": {reason}}).to("/reveals/1")
	engineer.post("/reveals", url.Values{"event": {event.String()}, "reason": {reason}}).want(409)
	engineer.get("/reveals/1").want(200).harmless().says("#act", "another person than the one who asked")
	engineer.post("/reveals/1/open", nil).want(409)
	engineer.post("/reveals/1/approve", nil).want(403)

	auditor := w.as(auth.Auditor)
	auditor.get("/").want(200).says("main", "1 request for raw text waits for you.", "Engineer asks for raw text")
	w.as(auth.ReleaseManager).get("/").want(200).says(".needs", "Engineer asks for raw text", "Decide")
	auditor.get("/reveals").want(200).harmless().says("#reveals", "waiting", "file_edit")
	auditor.post("/reveals/1/deny", nil).want(400).says(".field-error", "why it is denied")
	auditor.post("/reveals/1/approve", nil).to("/reveals/1")
	auditor.post("/reveals/1/open", nil).want(403)
	w.as(auth.Reviewer).get("/reveals/1").want(404)

	engineer.get("/").want(200).says("main", "Your reveal is approved")
	shown := engineer.post("/reveals/1/open", nil).want(200).harmless()
	shown.says("main", "Write to maya@example.com", "Engineer ·", "reveal 1 · confidential")
	if got := shown.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("raw text may be cached: %q", got)
	}
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'payload.open' AND actor_id = $1`, w.ids[auth.Engineer]); n != 1 {
		t.Errorf("want 1 entry of the opening, got %d", n)
	}
	page := engineer.get("/reveals/1").want(200)
	if strings.Contains(page.Body, "maya@example.com") {
		t.Error("the page of the reveal shows the raw text without an opening")
	}
	w.clock.advance(people.StepUpLasts + time.Second)
	engineer.post("/reveals/1/open", nil).want(303) // to prove it again
	w.clock.advance(telemetry.RevealLasts)
	w.as(auth.Engineer).post("/reveals/1/open", nil).want(409)
	w.as(auth.Engineer).get("/reveals/1").want(200).says("main", "expired")
}

func TestARequestIsTakenBackAndDenied(t *testing.T) {
	w, event := newVaultWorld(t)
	engineer := w.as(auth.Engineer)
	ask := func() {
		t.Helper()
		engineer.post("/reveals", url.Values{"event": {event.String()}, "reason": {"The address is what I look for."}}).want(303)
	}
	ask()
	engineer.post("/reveals/1/withdraw", nil).to("/reveals/1")
	engineer.get("/reveals/1").says("main", "withdrawn")
	ask()
	w.as(auth.ReleaseManager).post("/reveals/2/deny", url.Values{"reason": {"Look at the tool step instead."}}).to("/reveals/2")
	engineer.get("/reveals/2").says("main", "denied", "Look at the tool step instead.")
	engineer.post("/reveals/2/open", nil).want(409)
	engineer.get("/reveals/new?event=" + uuid.NewString()).want(404)
	engineer.get("/reveals/new?event=x").want(400)
	w.as(auth.Labeler).get(askRevealURL(event)).want(404)
	w.as(auth.Admin).get("/reveals").want(403)
}
