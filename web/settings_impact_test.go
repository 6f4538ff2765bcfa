package web

import (
	"net/url"
	"testing"

	"assay/internal/auth"
)

func TestTheImpactOfAClassIsSetAndSeen(t *testing.T) {
	w := newTelemetryWorld(t)
	b := w.as(auth.Engineer)
	b.get("/settings/impact").want(200).harmless().says("#defaults", "None of your own").says("#own", "send", "4")
	form := url.Values{"task_class": {"payments"}, "action_type": {"send"}, "impact": {"5"}, "reason": {"money leaves"}}
	b.post("/settings/impact", form).to("/settings/impact")
	b.get("/settings/impact").says("#defaults", "payments", "send", "5", "money leaves")
	b.post("/settings/impact", url.Values{"impact": {"5"}, "reason": {"of what"}}).want(400).says(".field-error", "Name a task class")
	b.post("/settings/impact", url.Values{"task_class": {hostile}, "impact": {"9"}, "reason": {hostile}}).want(400).harmless()
	b.post("/settings/impact", url.Values{"task_class": {hostile}, "impact": {"2"}, "reason": {hostile}}).want(303)
	b.get("/settings/impact").want(200).harmless()
	w.as(auth.Reviewer).get("/settings/impact").want(200)
	w.as(auth.Reviewer).post("/settings/impact", form).want(403)
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'impact.set'`); n != 2 {
		t.Errorf("want 2 entries, got %d", n)
	}
}
