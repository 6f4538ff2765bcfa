package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/labeling"
	"assay/telemetry"
)

func TestReadyMeansARealAnswerFromEachStore(t *testing.T) {
	var away error
	w := newWorld(t, func(w *world) {
		w.stages.Checks = []Check{{Name: "clickhouse", Ask: func(context.Context) error { return away }}}
	})
	var ready struct {
		Status string
		Checks map[string]string
	}
	w.stranger().get("/livez").want(200)
	w.stranger().get("/readyz").want(200).json(&ready)
	if ready.Status != "ready" || ready.Checks["postgres"] != "ready" || ready.Checks["clickhouse"] != "ready" {
		t.Errorf("%+v", ready)
	}
	away = errors.New("no")
	w.stranger().get("/readyz").want(200).json(&ready)
	if ready.Status != "degraded" || ready.Checks["clickhouse"] != "away" {
		t.Errorf("without ClickHouse: %+v", ready)
	}
	w.pool.Close()
	w.stranger().get("/readyz").want(503).json(&ready)
	if ready.Status != "unavailable" {
		t.Errorf("without PostgreSQL: %+v", ready)
	}
	w.stranger().get("/livez").want(200)
}

func TestMetricsCountRequestsByRouteNeverByAddress(t *testing.T) {
	registry := NewRegistry()
	w := newWorld(t, func(w *world) { w.config.Metrics = registry })
	w.as(auth.Engineer).get("/search?q=maya%40example.com").want(200)
	w.stranger().get("/login/link/a-secret-token").want(404)
	w.stranger().get("/not/there/maya").want(404)

	answer := httptest.NewRecorder()
	Admin(registry).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	text := answer.Body.String()
	for _, want := range []string{`assay_http_requests_total{method="GET",route="/search",status="200"} 1`, `route="/login/link/:token",status="404"} 1`, `route="none",status="404"} 1`, "go_goroutines", "process_resident_memory_bytes", "assay_postgres_connections_limit", "assay_figures_away 0"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, hidden := range []string{"maya", "a-secret-token"} {
		if strings.Contains(text, hidden) {
			t.Errorf("%s is a label", hidden)
		}
	}
	other := httptest.NewRecorder()
	Admin(prometheus.NewRegistry()).ServeHTTP(other, httptest.NewRequest("GET", "/", nil))
	if other.Code != 404 {
		t.Errorf("the admin address answers %d at /", other.Code)
	}
}

func TestTheOpenAPIDocumentIsTheRoutes(t *testing.T) {
	described := operations()
	inTable := map[string]bool{}
	for _, r := range routes() {
		if !documented(r) {
			continue
		}
		name := r.Method + " " + r.Path
		inTable[name] = true
		op, found := described[name]
		if !found {
			t.Errorf("%s is not described in operations", name)
			continue
		}
		if !strings.HasSuffix(op.Summary, ".") {
			t.Errorf("%s: the summary is not a sentence: %q", name, op.Summary)
		}
		if len(op.Answers) == 0 {
			t.Errorf("%s does not say what it answers", name)
		}
	}
	for name := range described {
		if !inTable[name] {
			t.Errorf("%s is described and not there", name)
		}
	}

	w := newWorld(t)
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Parameters  []struct{ Name, In string }
			Responses   map[string]json.RawMessage
			Security    []map[string][]string
		}
	}
	w.stranger().get("/v1/openapi.json").want(200).json(&document)
	if document.OpenAPI != "3.1.0" {
		t.Errorf("version %s", document.OpenAPI)
	}
	count, ids := 0, map[string]bool{}
	for path, methods := range document.Paths {
		for method, op := range methods {
			count++
			if ids[op.OperationID] {
				t.Errorf("%s stands twice", op.OperationID)
			}
			ids[op.OperationID] = true
			if len(op.Responses) == 0 || op.Security == nil {
				t.Errorf("%s %s lacks responses or security", method, path)
			}
			for _, part := range strings.Split(path, "/") {
				if name, found := strings.CutPrefix(part, "{"); found {
					name = strings.TrimSuffix(name, "}")
					has := false
					for _, p := range op.Parameters {
						has = has || p.Name == name && p.In == "path"
					}
					if !has {
						t.Errorf("%s %s does not describe %s", method, path, name)
					}
				}
			}
		}
	}
	if count != len(inTable) {
		t.Errorf("want %d operations, got %d", len(inTable), count)
	}
}

func TestPublishedCountersCountFirstConsensuses(t *testing.T) {
	registry := NewRegistry()
	w := newWorld(t, sealed, func(w *world) {
		w.config.Metrics = registry
		w.stages.Labeling = &labeling.Store{DB: w.pool}
		w.stages.Telemetry = &telemetry.Store{DB: w.pool}
	})
	figures := func() map[string]float64 {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]float64{}
		for _, f := range families {
			for _, m := range f.Metric {
				name := f.GetName()
				for _, l := range m.Label {
					name += " " + l.GetValue()
				}
				found[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
		return found
	}
	if got := figures(); got["assay_inbox_batches"] != 0 || got["assay_figures_away"] != 0 || got["assay_audit_leaves_total"] != 0 {
		t.Errorf("at the start: %v", got)
	}
	w.record(audit.Entry{Actor: auth.Product(), Action: "test.count", Object: "test/1"})
	if got := figures()["assay_audit_leaves_total"]; got == 0 {
		t.Error("no leaf is counted")
	}
	w.pool.Close()
	got := figures()
	if _, has := got["assay_inbox_batches"]; has || got["assay_figures_away"] != 3 {
		t.Errorf("with the database away: %v", got["assay_figures_away"])
	}
}
