package web

import (
	"net/url"
	"testing"

	"assay/internal/auth"
	"assay/internal/stats"
	"assay/telemetry"
)

func TestTheShareOfATaskClassIsSetAndSeen(t *testing.T) {
	w := newTelemetryWorld(t)
	b := w.as(auth.Engineer)
	b.get("/settings/capture").want(200).harmless().says("main", "No task class has a share of its own")
	policy := url.Values{"task_class": {"sql_query"}, "capture": {"redacted"}, "base": {"0.5"}, "flagged": {"5"}, "most": {"10"}, "reason": {"busy"}}
	b.post("/settings/capture", policy).to("/settings/capture?class=sql_query")
	if _, err := w.stages.Telemetry.Adapt(t.Context(), auth.Product(), map[string]telemetry.Seen{"sql_query": {Signal: stats.Spike}}); err != nil {
		t.Fatal(err)
	}
	b.get("/settings/capture?class=sql_query").want(200).harmless().says("#classes", "sql_query", "2.00 %", "raised", "version 1").says("#history", "raised", "set")
	policy.Set("most", "0.1")
	b.post("/settings/capture", policy).want(400).says(".field-error", "between the usual one and 100 %")
	policy.Set("most", "NaN")
	b.post("/settings/capture", policy).want(400)
	w.as(auth.Reviewer).get("/settings/capture").want(200).harmless()
	w.as(auth.Reviewer).post("/settings/capture", policy).want(403)
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'capture.set'`); n != 1 {
		t.Errorf("want 1 entry, got %d", n)
	}
	b.post("/settings/capture", url.Values{"task_class": {hostile}, "capture": {"hash"}, "base": {"1"}, "flagged": {"10"}, "most": {"10"}, "reason": {hostile}}).want(303)
	b.get("/settings/capture").want(200).harmless()
}
