package eval_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"assay/eval"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/telemetry"
)

// tape gives the stage the traces that a test says, at the time it says.
type tape struct{ traces []telemetry.TraceEvent }

func (p *tape) Traces(context.Context, auth.Actor, telemetry.Window, telemetry.TraceFilter) ([]telemetry.TraceEvent, error) {
	return p.traces, nil
}

func (p *tape) play(traces ...telemetry.TraceEvent) { p.traces = traces }

func taped(t *testing.T) (*gatehouse, *tape) {
	g, p := newGatehouse(t, false), &tape{}
	g.eval.Traces = p
	return g, p
}

var (
	quick  = telemetry.TraceEvent{RequestID: "quick", PromptTemplateID: "v1", Route: "serve", FirstFailedStage: "passed", TTFTMS: 100}
	slow   = telemetry.TraceEvent{RequestID: "slow", SessionID: "s-slow", PromptTemplateID: "v1", Route: "serve", FirstFailedStage: "passed", TTFTMS: 900}
	unsafe = telemetry.TraceEvent{RequestID: "unsafe", SessionID: "s-unsafe", PromptTemplateID: "v2", Route: "serve", FirstFailedStage: "serving_gate", UnsafeClaimServed: true, TTFTMS: 100}
)

func (g *gatehouse) alerts(f eval.AlertFilter) []eval.Alert {
	g.t.Helper()
	alerts, err := g.eval.Alerts(context.Background(), g.engineer, f, 50)
	if err != nil {
		g.t.Fatal(err)
	}
	return alerts
}

func (g *gatehouse) state(want eval.AlertState) eval.Alert {
	g.t.Helper()
	alerts := g.alerts(eval.AlertFilter{})
	if len(alerts) != 1 || alerts[0].State != want {
		g.t.Fatalf("want one alert that is %s, got %+v", want, alerts)
	}
	return alerts[0]
}

func TestAWarningThatSwingsAboutItsLimitIsOneAlert(t *testing.T) {
	g, p := taped(t)
	for range 6 {
		p.play(slow, slow)
		g.evaluate()
		g.now = g.now.Add(5 * time.Minute)
		p.play(quick, quick)
		g.evaluate()
		g.now = g.now.Add(5 * time.Minute)
	}
	alert := g.state(eval.Firing)
	if alert.LatestText != "WARN p95_ttft_ms=900" || alert.ExemplarRequestID != "slow" || alert.ExemplarSessionID != "s-slow" {
		t.Errorf("got %+v", alert)
	}
	g.now = g.now.Add(14 * time.Minute)
	g.evaluate()
	g.state(eval.Resolved)
}

func TestNoDataIsSaidAndClearsNothing(t *testing.T) {
	g, p := taped(t)
	policy := func() eval.WatchedPolicy {
		t.Helper()
		policies, err := g.eval.Policies(context.Background())
		if err != nil || len(policies) != 1 {
			t.Fatalf("%+v, %v", policies, err)
		}
		return policies[0]
	}
	if got := policy(); got.EvaluatedAt != nil || got.DataAt != nil {
		t.Errorf("before the first evaluation: %+v", got)
	}
	p.play(unsafe, slow)
	g.evaluate()
	seen := g.now
	p.play()
	for range 3 {
		g.now = g.now.Add(20 * time.Minute)
		g.evaluate()
	}
	if n := len(g.alerts(eval.AlertFilter{Open: true})); n != 2 {
		t.Errorf("an empty window resolves nothing, %d alerts are open", n)
	}
	if got := policy(); got.Requests != 0 || !got.EvaluatedAt.Equal(g.now) || !got.DataAt.Equal(seen) {
		t.Errorf("want no data since %v, got %+v", seen, got)
	}
	p.play(quick)
	g.evaluate()
	if n := len(g.alerts(eval.AlertFilter{Open: true})); n != 1 {
		t.Errorf("the invariant holds on data and resolves, the warning waits: %d open", n)
	}
}

func TestASilencedAlertFiresAgain(t *testing.T) {
	ctx := context.Background()
	g, p := taped(t)
	p.play(unsafe)
	g.evaluate()
	id := g.state(eval.Firing).ID
	for _, lasts := range []time.Duration{time.Minute, 25 * time.Hour} {
		if err := g.eval.Silence(ctx, g.engineer, id, lasts); fault.Of(err) != fault.Invalid {
			t.Errorf("a silence of %v: %v", lasts, err)
		}
	}
	for name, actor := range map[string]auth.Actor{"an auditor": g.auditor, "a key": {Kind: auth.Key, Scopes: auth.Scopes}, "the product": product} {
		if err := g.eval.Silence(ctx, actor, id, time.Hour); fault.Of(err) != fault.Denied {
			t.Errorf("%s silences: %v", name, err)
		}
	}
	if err := g.eval.Silence(ctx, g.engineer, id, time.Hour); err != nil {
		t.Fatal(err)
	}
	if alert := g.state(eval.Silenced); alert.SilencedBy != "Amal Lindqvist" || !alert.SilencedUntil.Equal(g.now.Add(time.Hour)) {
		t.Errorf("got %+v", alert)
	}
	if n, err := g.eval.OpenAlerts(ctx, g.engineer); n != 0 || err != nil {
		t.Errorf("a silenced alert does not page: %d, %v", n, err)
	}
	g.now = g.now.Add(59 * time.Minute)
	g.evaluate()
	g.state(eval.Silenced)
	g.now = g.now.Add(time.Minute)
	g.evaluate()
	g.state(eval.Firing)
	if err := g.eval.Acknowledge(ctx, g.engineer, id); err != nil {
		t.Fatal(err)
	}
	if err := g.eval.Silence(ctx, g.first, id, time.Hour); err != nil {
		t.Fatal(err)
	}
	g.now = g.now.Add(2 * time.Hour)
	g.evaluate()
	if alert := g.state(eval.Acknowledged); alert.AcknowledgedBy != "Amal Lindqvist" {
		t.Errorf("who acknowledged it still has: %+v", alert)
	}
	if err := g.eval.Acknowledge(ctx, g.first, id); fault.Of(err) != fault.Conflict {
		t.Errorf("acknowledged twice: %v", err)
	}
	p.play(quick)
	g.evaluate()
	if err := g.eval.Silence(ctx, g.engineer, id, time.Hour); fault.Of(err) != fault.Conflict {
		t.Errorf("a resolved alert was silenced: %v", err)
	}
}

func TestAlertsAreFilteredAndCounted(t *testing.T) {
	ctx := context.Background()
	g, p := taped(t)
	p.play(slow, unsafe)
	g.evaluate()
	open := g.alerts(eval.AlertFilter{Open: true})
	if len(open) != 2 || open[0].Severity != eval.Page || open[0].FirstCheck == "" || open[1].FirstCheck != "Check whether a model version is being rolled out." {
		t.Fatalf("pages first, each with its first check: %+v", open)
	}
	if n := len(g.alerts(eval.AlertFilter{PolicyID: "another"})); n != 0 {
		t.Errorf("of another policy: %d", n)
	}
	if _, err := g.eval.Open(ctx, g.engineer, eval.HandoffRequest{IncidentID: open[0].IncidentID, CandidateTemplateID: "v3", RequiredMetric: eval.DefaultMetric}); err != nil {
		t.Fatal(err)
	}
	p.play(quick)
	g.evaluate()
	if resolved := g.alerts(eval.AlertFilter{Resolved: true}); len(resolved) != 1 || resolved[0].Invariant != eval.UnsafeServes {
		t.Errorf("resolved: %+v", resolved)
	}
	counts, err := g.eval.CountAlerts(ctx, g.engineer)
	if want := (eval.AlertCounts{Open: 1, Fired: 2, HandedOn: 1}); counts != want || err != nil {
		t.Errorf("want %+v, got %+v, %v", want, counts, err)
	}
	g.now = g.now.AddDate(0, 0, 31)
	if counts, err = g.eval.CountAlerts(ctx, g.engineer); counts.Fired != 0 || err != nil {
		t.Errorf("after a month: %+v, %v", counts, err)
	}
	if _, err := g.eval.CountAlerts(ctx, g.person("Lea Castellanos", auth.Labeler)); fault.Of(err) != fault.Denied {
		t.Errorf("a labeler: %v", err)
	}
}

func TestEveryInvariantHasARunbook(t *testing.T) {
	for invariant, name := range map[eval.Invariant]string{eval.UnsafeServes: "hallucination", eval.P95TTFT: "latency", eval.WindowCost: "cost"} {
		if book := eval.RunbookOf(invariant); book.Name != name || len(book.Steps) < 3 {
			t.Errorf("%s: %+v", invariant, book)
		}
	}
	all := ""
	for _, book := range eval.Runbooks() {
		all += book.Title + " " + strings.Join(book.Steps, " ") + "\n"
	}
	for _, words := range []string{"model version is being rolled out", "CPU and GPU", "network errors", "throttle", "Pause the rollout", "human sampling", "session traces", "validators", "granted permissions", "legal and compliance", "incident review"} {
		if !strings.Contains(all, words) {
			t.Errorf("no runbook says %q", words)
		}
	}
}
