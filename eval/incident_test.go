package eval_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"assay/eval"
	"assay/telemetry"
)

// TestSixTracesOpenOneIncident is the worked example through the real ingest:
// each figure it names, the one finding, the card, and nothing new when the
// same events come again.
func TestSixTracesOpenOneIncident(t *testing.T) {
	ctx := context.Background()
	g := newGatehouse(t, true)
	g.send(sixTraces...)
	traces, err := g.telemetry.Traces(ctx, product, telemetry.Window{From: g.now.Add(-time.Hour), To: g.now.Add(time.Hour)}, telemetry.TraceFilter{})
	if err != nil {
		t.Fatal(err)
	}
	checkFigures(t, traces)

	g.evaluate()
	alerts, err := g.eval.Alerts(ctx, g.engineer, eval.AlertFilter{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(alerts) != 1 || alerts[0].FiredText != "PAGE unsafe_claim_served=2/6" || alerts[0].State != eval.Firing {
		t.Fatalf("want exactly one page, got %+v", alerts)
	}
	incident, err := g.eval.Incident(ctx, g.engineer, *alerts[0].IncidentID)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(incident.ExemplarRequestID, incident.TemplateID, incident.FirstFailedStage, *incident.EvidenceVersion, incident.Summary, incident.FirstCheck)
	want := fmt.Sprintln("req_205", "tracking-answerer-v1.1-regression", "serving_gate", "fastship@v17",
		"Unsupported delivery claim reached customer response.", "Compare serving-gate template with tracking-answerer-v1.")
	if got != want {
		t.Errorf("card:\nwant %sgot  %s", want, got)
	}
	if incident.Total != 6 || incident.Violating != 2 {
		t.Errorf("want 2 of 6 requests, got %d of %d", incident.Violating, incident.Total)
	}

	if receipt := g.send(sixTraces...); receipt.Duplicate != 6 || receipt.Accepted != 0 {
		t.Errorf("sent again: %+v", receipt)
	}
	for range 3 {
		g.evaluate()
	}
	if alerts, incidents := g.count(`SELECT count(*) FROM alerts`), g.count(`SELECT count(*) FROM incidents`); alerts != 1 || incidents != 1 {
		t.Errorf("evaluated again: %d alerts, %d incidents", alerts, incidents)
	}
}

func checkFigures(t *testing.T, traces []telemetry.TraceEvent) {
	t.Helper()
	if len(traces) != 6 {
		t.Fatalf("want 6 requests, got %d", len(traces))
	}
	card := telemetry.RateCard{Version: "internal-fixture-2026-05-27", InputPerMillion: 1, CachedInputPerMillion: .1, OutputPerMillion: 5}
	cost := 0.0
	for _, trace := range traces {
		cost += card.Cost(trace.InputTokens, trace.CachedInputTokens, trace.OutputTokens)
	}
	var first []int64
	for _, trace := range traces {
		first = append(first, trace.TTFTMS)
	}
	p95, _ := telemetry.NearestRank(first, 95)
	last := traces[5]
	tps, err := telemetry.PostFirstTokenThroughput(last.OutputTokens, last.TTFTMS, last.TotalMS)
	if err != nil {
		t.Fatal(err)
	}
	_, malformed := telemetry.PostFirstTokenThroughput(last.OutputTokens, last.TTFTMS, last.TTFTMS)
	unsafe, _ := telemetry.UnsafeServes(traces).Rate()
	safe, _ := telemetry.SafeRoutes(traces).Rate()
	got := fmt.Sprintf("%.1f%% %.1f%% %d %d %d %.1f %.6f %.6f %v",
		100*unsafe, 100*safe, telemetry.Abstentions(traces).Count, telemetry.FailureStages(traces)["serving_gate"], p95, tps,
		cost, card.Cost(last.InputTokens, last.CachedInputTokens, last.OutputTokens), malformed)
	want := "33.3% 66.7% 3 2 240 134.9 0.001427 0.000279 total_ms must exceed ttft_ms after the first token"
	if !strings.HasPrefix(got, want[:len("33.3% 66.7% 3 2 240 134.9 0.001427 0.000279")]) || !strings.Contains(got, "total_ms must exceed ttft_ms after the first token") {
		t.Errorf("want %s\ngot  %s", want, got)
	}
}

func TestExactlyAtTheThresholdNothingFires(t *testing.T) {
	policy := eval.MonitorPolicy{MaxP95TTFTMS: 500, MaxWindowCost: .002}
	card := telemetry.RateCard{InputPerMillion: 1}
	at := []telemetry.TraceEvent{{RequestID: "a", TTFTMS: 500, InputTokens: 2000}}
	if got := eval.EvaluatePolicy(policy, card, at); len(got) != 0 {
		t.Errorf("at the limits: %+v", got)
	}
	above := []telemetry.TraceEvent{{RequestID: "a", TTFTMS: 501, InputTokens: 2001, UnsafeClaimServed: true}}
	var texts []string
	for _, breach := range eval.EvaluatePolicy(policy, card, above) {
		texts = append(texts, breach.Text)
	}
	want := "PAGE unsafe_claim_served=1/1 | WARN p95_ttft_ms=501 | WARN window_cost_usd=0.002001"
	if got := strings.Join(texts, " | "); got != want {
		t.Errorf("want %s\ngot  %s", want, got)
	}
	if got := eval.EvaluatePolicy(policy, card, nil); got != nil {
		t.Errorf("an empty window is no data, got %+v", got)
	}
	if _, ok := eval.Card(policy, at); ok {
		t.Error("a card without a violation")
	}
}

func TestAnAlertResolvesOnDataAndANewViolationFiresAgain(t *testing.T) {
	ctx := context.Background()
	g := newGatehouse(t, true)
	g.send(sixTraces...)
	g.evaluate()
	g.now = g.now.Add(48 * time.Hour)
	g.evaluate()
	if n := g.count(`SELECT count(*) FROM alerts WHERE resolved_at IS NULL`); n != 1 {
		t.Fatalf("no data leaves the alert as it is; %d open", n)
	}
	safe := strings.NewReplacer("req_201", "req_301").Replace(sixTraces[0])
	g.send(safe)
	g.evaluate()
	if n := g.count(`SELECT count(*) FROM alerts WHERE resolved_at IS NULL`); n != 0 {
		t.Fatalf("a clean window resolves it; %d open", n)
	}
	g.send(strings.NewReplacer("req_205", "req_302").Replace(sixTraces[4]))
	g.evaluate()
	alerts, err := g.eval.Alerts(ctx, g.engineer, eval.AlertFilter{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(alerts) != 2 || alerts[0].FiredText != "PAGE unsafe_claim_served=1/2" {
		t.Errorf("a new violation opens a new alert: %+v", alerts)
	}
}
