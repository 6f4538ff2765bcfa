package web

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/clickhousetest"
	"assay/internal/retention"
	"assay/internal/signing"
	"assay/telemetry"
)

func TestRetentionIsSetHeldErasedAndProved(t *testing.T) {
	var register *retention.Register
	w := newWorld(t, func(w *world) {
		w.stages.Telemetry = &telemetry.Store{DB: w.pool, Clickhouse: clickhousetest.Database(t), Clock: w.clock.now}
		keys, err := signing.Open(filepath.Join(t.TempDir(), "signing"), "assay")
		if err != nil {
			t.Fatal(err)
		}
		register = &retention.Register{DB: w.pool, Signing: keys, Clock: w.clock.now, Sessions: telemetry.EventTexts{Store: w.stages.Telemetry}, Places: []retention.Place{telemetry.Inbox{Store: w.stages.Telemetry}}}
		w.stages.Retention = register
	})
	w.sender().sendText("/v1/events", w.eventLine("assistant_response", "s1", time.Minute, `,"user_id_hash":"hash-of-maya","prompt":"Call me","response":"No"`)).want(202)
	w.drain()
	admin := w.as(auth.Admin)
	admin.get("/settings/retention").want(200).harmless().says("#times", "90 days", "365 days", "assay-pii-v1").says("#proofs", "No proof yet")
	admin.post("/settings/retention", url.Values{"text_days": {"91"}, "labeled_days": {"365"}, "row_days": {"365"}, "reason": {"longer"}}).want(400).says(".field-error", "1 to 90 days")
	admin.post("/settings/retention", url.Values{"text_days": {"30"}, "labeled_days": {"180"}, "row_days": {"365"}, "reason": {hostile}}).to("/settings/retention")
	admin.get("/settings/retention").harmless().says("#times", "30 days", "180 days")

	admin.post("/settings/retention/holds", url.Values{"on": {"person"}, "id": {"hash-of-maya"}, "reason": {"court order"}}).to("/settings/retention#holds")
	admin.post("/settings/erasures", url.Values{"person": {"hash-of-maya"}, "reason": {"letter"}}).want(409).says(".field-error", "A legal hold covers this person")
	admin.post("/settings/retention/holds/1/release", url.Values{"reason": {"case closed"}}).to("/settings/retention#holds")
	admin.post("/settings/erasures", url.Values{"person": {"nobody"}, "reason": {"letter"}}).want(404).says(".field-error", "Nothing of a person")
	admin.post("/settings/erasures", url.Values{"person": {"hash-of-maya"}, "reason": {"letter"}}).to("/settings/erasures/1")
	admin.get("/settings/erasures/1").want(200).harmless().says("main", "hash-of-maya", "counted, not confirmed").says("#counts", "events", "inbox and dead letters")
	admin.post("/settings/erasures/1/confirm", url.Values{"last": {"wrong"}}).want(400).says(".field-error", "not the last six")

	auditor := w.as(auth.Auditor)
	auditor.get("/settings/retention").want(200).harmless()
	auditor.post("/settings/erasures/1/confirm", url.Values{"last": {"f-maya"}}).want(403)
	w.as(auth.Engineer).get("/settings/retention").want(403)

	admin.post("/settings/erasures/1/confirm", url.Values{"last": {"f-maya"}}).to("/settings/erasures/1")
	if _, err := register.Erase(t.Context(), auth.Product(), 1); err != nil {
		t.Fatal(err)
	}
	admin.get("/settings/erasures/1").says("main", "forgotten", "done")
	auditor.get("/settings/retention").says("#proofs", "erasure 1")
	note := auditor.get("/settings/retention/proofs/1").want(200)
	if _, err := signing.OpenNote(note.Body, register.Signing.Public()); err != nil || !strings.HasPrefix(note.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the statement verifies offline and is a file: %v", err)
	}
	if strings.Contains(note.Body, "maya") {
		t.Error("the proof names the person")
	}
	admin.post("/settings/erasures/1/give-up", nil).want(409)
}
