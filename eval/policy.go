package eval

import (
	"fmt"
	"strings"

	"assay/telemetry"
)

// MonitorPolicy is what a service promised about its gate traces. A limit is
// passed when the value is strictly greater than it.
type MonitorPolicy struct {
	PolicyID        string
	MaxUnsafeServes int
	MaxP95TTFTMS    int64
	MaxWindowCost   float64 // USD, by RateCard
	RateCard        string  // version of the card that costs are computed with
	Summary         string  // what an incident of this policy says in one sentence
}

// Severity is how loud an alert is: only a page wakes somebody.
type Severity string

// The severities. An unsafe served claim pages; latency and cost warn.
const (
	Page   Severity = "page"
	Warn   Severity = "warn"
	Ticket Severity = "ticket"
)

// Invariant names what a finding is about.
type Invariant string

// The invariants of a policy.
const (
	UnsafeServes Invariant = "unsafe_claim_served"
	P95TTFT      Invariant = "p95_ttft_ms"
	WindowCost   Invariant = "window_cost_usd"
)

// Breach is one finding of a policy on a window of traces.
type Breach struct {
	Severity  Severity
	Invariant Invariant
	Text      string // "PAGE unsafe_claim_served=2/6"
	Count, Of int    // for UnsafeServes: violating requests, requests
	// Exemplar is the request to look at first: the first that violated, the
	// slowest, the dearest.
	Exemplar telemetry.TraceEvent
}

// EvaluatePolicy compares a window of traces with the policy, in the order
// unsafe serves, first-token latency, cost. An empty window is no data: it has
// no findings and improves nothing. Abstentions are never a finding.
func EvaluatePolicy(p MonitorPolicy, card telemetry.RateCard, traces []telemetry.TraceEvent) []Breach {
	if len(traces) == 0 {
		return nil
	}
	var list []Breach
	if unsafe := telemetry.UnsafeServes(traces); unsafe.Count > p.MaxUnsafeServes {
		list = append(list, Breach{Page, UnsafeServes, fmt.Sprintf("PAGE unsafe_claim_served=%d/%d", unsafe.Count, unsafe.Of), unsafe.Count, unsafe.Of,
			most(traces, func(t telemetry.TraceEvent) float64 { return indicator(t.UnsafeClaimServed) })})
	}
	if p95, ok := firstTokenP95(traces); ok && p95 > p.MaxP95TTFTMS {
		list = append(list, Breach{Severity: Warn, Invariant: P95TTFT, Text: fmt.Sprintf("WARN p95_ttft_ms=%d", p95),
			Exemplar: most(traces, func(t telemetry.TraceEvent) float64 { return float64(t.TTFTMS) })})
	}
	if cost := windowCost(card, traces); cost > p.MaxWindowCost {
		list = append(list, Breach{Severity: Warn, Invariant: WindowCost, Text: fmt.Sprintf("WARN window_cost_usd=%.6f", cost),
			Exemplar: most(traces, func(t telemetry.TraceEvent) float64 {
				return card.Cost(t.InputTokens, t.CachedInputTokens, t.OutputTokens)
			})})
	}
	return list
}

// most is the first of the traces that have the largest value.
func most(traces []telemetry.TraceEvent, value func(telemetry.TraceEvent) float64) telemetry.TraceEvent {
	best := traces[0]
	for _, trace := range traces[1:] {
		if value(trace) > value(best) {
			best = trace
		}
	}
	return best
}

func indicator(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func firstTokenP95(traces []telemetry.TraceEvent) (int64, bool) {
	var values []int64
	for _, trace := range traces {
		values = append(values, trace.TTFTMS)
	}
	return telemetry.NearestRank(values, 95)
}

func windowCost(card telemetry.RateCard, traces []telemetry.TraceEvent) float64 {
	sum := 0.0
	for _, trace := range traces {
		sum += card.Cost(trace.InputTokens, trace.CachedInputTokens, trace.OutputTokens)
	}
	return sum
}

// IncidentCard is what a person needs to begin: what was violated, the first
// request that did it, and the first thing to compare.
type IncidentCard struct {
	PolicyID          string
	Summary           string
	ExemplarRequestID string
	TemplateID        string
	EvidenceVersion   *string
	FirstFailedStage  string
	FirstCheck        string
}

// Card makes the card of a window: the exemplar is the first event that served
// an unsafe claim, and the first check compares its failing stage with the
// last template before it that served none. Without a violation there is no
// card.
func Card(p MonitorPolicy, traces []telemetry.TraceEvent) (IncidentCard, bool) {
	for i, trace := range traces {
		if !trace.UnsafeClaimServed {
			continue
		}
		return IncidentCard{
			PolicyID:          p.PolicyID,
			Summary:           p.Summary,
			ExemplarRequestID: trace.RequestID,
			TemplateID:        trace.PromptTemplateID,
			EvidenceVersion:   trace.EvidenceVersion,
			FirstFailedStage:  trace.FirstFailedStage,
			FirstCheck:        firstCheck(trace, traces[:i], traces),
		}, true
	}
	return IncidentCard{}, false
}

func firstCheck(exemplar telemetry.TraceEvent, before, all []telemetry.TraceEvent) string {
	stage := strings.ReplaceAll(exemplar.FirstFailedStage, "_", "-")
	if reference := cleanTemplate(exemplar.PromptTemplateID, before, all); reference != "" {
		return fmt.Sprintf("Compare %s template with %s.", stage, reference)
	}
	return fmt.Sprintf("Read the %s of request %s and its template %s.", stage, exemplar.RequestID, exemplar.PromptTemplateID)
}

// cleanTemplate is the template nearest before the exemplar that served
// nothing unsafe in the whole window.
func cleanTemplate(failing string, before, all []telemetry.TraceEvent) string {
	unsafe := map[string]bool{failing: true}
	for _, trace := range all {
		unsafe[trace.PromptTemplateID] = unsafe[trace.PromptTemplateID] || trace.UnsafeClaimServed
	}
	for i := len(before) - 1; i >= 0; i-- {
		if id := before[i].PromptTemplateID; id != "" && !unsafe[id] {
			return id
		}
	}
	return ""
}
