package telemetry

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
)

// TraceEvent is the gate trace of one request (A1.9), with what it is filed
// under.
type TraceEvent struct {
	RequestID         string  `json:"request_id"`
	CaseID            string  `json:"case_id"`
	EvidenceVersion   *string `json:"evidence_version"`
	PromptTemplateID  string  `json:"prompt_template_id"`
	Route             string  `json:"route"`
	FirstFailedStage  string  `json:"first_failed_stage"`
	UnsafeClaimServed bool    `json:"unsafe_claim_served"`
	InputTokens       int64   `json:"input_tokens"`
	CachedInputTokens int64   `json:"cached_input_tokens"`
	OutputTokens      int64   `json:"output_tokens"`
	TTFTMS            int64   `json:"ttft_ms"`
	TotalMS           int64   `json:"total_ms"`

	EventID       uuid.UUID `json:"-"`
	SessionID     string    `json:"-"`
	TaskClass     string    `json:"-"`
	ModelVersion  string    `json:"-"`
	Env           string    `json:"-"`
	EffectiveTime time.Time `json:"-"`
	ReceivedAt    time.Time `json:"-"`
}

// Share is a count out of a number of requests. Of zero is "no data", a state
// of its own and never 0 %.
type Share struct {
	Count int
	Of    int
}

// Rate returns Count / Of, and false when there is no data.
func (s Share) Rate() (float64, bool) {
	if s.Of == 0 {
		return 0, false
	}
	return float64(s.Count) / float64(s.Of), true
}

func shareOf(traces []TraceEvent, is func(TraceEvent) bool) Share {
	s := Share{Of: len(traces)}
	for _, t := range traces {
		if is(t) {
			s.Count++
		}
	}
	return s
}

// UnsafeServes is A4.13: requests with any unsupported claim served.
func UnsafeServes(traces []TraceEvent) Share {
	return shareOf(traces, func(t TraceEvent) bool { return t.UnsafeClaimServed })
}

// SafeRoutes is A4.14: requests without an unsafe claim served, justified
// abstentions among them.
func SafeRoutes(traces []TraceEvent) Share {
	return shareOf(traces, func(t TraceEvent) bool { return !t.UnsafeClaimServed })
}

// Abstentions is A4.15: a signal of usefulness, not of safety.
func Abstentions(traces []TraceEvent) Share {
	return shareOf(traces, func(t TraceEvent) bool { return t.Route == "abstain" })
}

// SupportedServes is the third of the three rates that are never collapsed
// into one (A4.17): requests that were answered, and safely.
func SupportedServes(traces []TraceEvent) Share {
	return shareOf(traces, func(t TraceEvent) bool { return t.Route != "abstain" && !t.UnsafeClaimServed })
}

// FailureStages is A4.16: requests by first failed stage.
func FailureStages(traces []TraceEvent) map[string]int {
	stages := map[string]int{}
	for _, t := range traces {
		stages[t.FirstFailedStage]++
	}
	return stages
}

// NearestRank returns the percentile of A4.20: the value at rank
// max(1, ceil(percent·n/100)) of the sorted values. The rank is computed in
// integers, since in floats ceil(0.07·100) is 8. False when there are no
// values.
func NearestRank[T cmp.Ordered](values []T, percent int) (T, bool) {
	if len(values) == 0 {
		var none T
		return none, false
	}
	ordered := slices.Sorted(slices.Values(values))
	rank := (min(max(percent, 0), 100)*len(ordered) + 99) / 100
	return ordered[max(rank, 1)-1], true
}

// ErrMalformedTiming is what PostFirstTokenThroughput answers to a trace that
// ended no later than its first token.
var ErrMalformedTiming = errors.New("total_ms must exceed ttft_ms after the first token")

// PostFirstTokenThroughput is A4.19: tokens per second after the first one.
// It is 0 when there was at most one token, and ErrMalformedTiming when no
// time passed for the others; there is no fallback denominator.
func PostFirstTokenThroughput(outputTokens, ttftMS, totalMS int64) (float64, error) {
	rest := max(outputTokens-1, 0)
	if rest == 0 {
		return 0, nil
	}
	if totalMS <= ttftMS {
		return 0, ErrMalformedTiming
	}
	return float64(rest) / (float64(totalMS-ttftMS) / 1000), nil
}

// RateCard prices tokens, per million (A4.22). Usage is stored once and its
// cost computed against a named card, so that old traces stay readable.
type RateCard struct {
	Version               string  `json:"version"`
	InputPerMillion       float64 `json:"input_per_million"`
	CachedInputPerMillion float64 `json:"cached_input_per_million"`
	OutputPerMillion      float64 `json:"output_per_million"`
}

// Cost is A4.21, in the currency of the card. Cached tokens are part of the
// input and priced apart.
func (c RateCard) Cost(input, cached, output int64) float64 {
	uncached := max(input-cached, 0)
	return (float64(uncached)*c.InputPerMillion + float64(cached)*c.CachedInputPerMillion + float64(output)*c.OutputPerMillion) / 1_000_000
}

// WindowCost sums the cost of the traces under a card.
func WindowCost(traces []TraceEvent, card RateCard) float64 {
	sum := 0.0
	for _, t := range traces {
		sum += card.Cost(t.InputTokens, t.CachedInputTokens, t.OutputTokens)
	}
	return sum
}

// ToolStep is one transition of an agent (A1.25).
type ToolStep struct {
	ToolName       string `json:"tool_name"`
	ParamsHash     string `json:"params_hash"`
	ProgressMarker string `json:"progress_marker"`
}

// StalledRepeat is A8.5: true when the last two steps are the same in all
// three fields, so that the agent repeats itself without progress.
func StalledRepeat(steps []ToolStep) bool {
	n := len(steps)
	return n >= 2 && steps[n-1] == steps[n-2]
}
