package telemetry

// Behind names the events a figure of a Measurement counts, so that the list
// of the sessions behind it chooses exactly those.
type Behind string

// The kinds of events figures stand on.
const (
	BehindResponses  Behind = "responses"
	BehindTimed      Behind = "timed"
	BehindFirstToken Behind = "first_token"
	BehindMalformed  Behind = "malformed_timing"
	BehindStreamed   Behind = "streamed"
	BehindTokens     Behind = "tokens"
	BehindErrors     Behind = "errors"
	BehindEvents     Behind = "events"
	BehindTruncated  Behind = "truncated"
	BehindRetried    Behind = "retried"
	BehindExposures  Behind = "exposures"
	BehindTraced     Behind = "traced"
	BehindUnsafe     Behind = "unsafe"
	BehindAbstained  Behind = "abstained"
	BehindDown       Behind = "down"
	BehindUp         Behind = "up"
	BehindToolSteps  Behind = "tool_steps"
)

// The tests are static text over event_facts. Times a response cannot have are
// named malformed and are in no figure of latency: A4.19 asks for that, never
// for a fallback.
const (
	isResponse  = "event_type IN ('assistant_response', 'interaction')"
	tookMS      = "coalesce(total_ms, latency_ms)"
	isMalformed = isResponse + " AND (ifNull(" + tookMS + " < 0, 0) OR ifNull(ttft_ms < 0, 0) OR ifNull(ttft_ms > " + tookMS + ", 0)" +
		" OR ifNull(output_tokens > 1 AND " + tookMS + " <= ttft_ms, 0))"
	isTruncated = isResponse + " AND lower(stop_reason) IN ('length', 'max_tokens', 'max_output_tokens', 'token_limit', 'truncated')"
	inputCount  = "coalesce(input_tokens, prompt_tokens)"
	hasTokens   = "(event_type IN ('assistant_response', 'interaction') OR event_type = 'gate_trace')" +
		" AND (" + inputCount + " IS NOT NULL OR output_tokens IS NOT NULL)"
)

var behind = map[Behind]struct {
	test  string
	Words string
}{
	BehindResponses:  {isResponse, "responses"},
	BehindTimed:      {isResponse + " AND " + tookMS + " IS NOT NULL AND NOT (" + isMalformed + ")", "responses with a time"},
	BehindFirstToken: {isResponse + " AND ttft_ms IS NOT NULL AND NOT (" + isMalformed + ")", "responses with the time of their first token"},
	BehindMalformed:  {isMalformed, "malformed timing"},
	BehindStreamed:   {isResponse + " AND output_tokens > 1 AND ttft_ms IS NOT NULL AND " + tookMS + " IS NOT NULL AND NOT (" + isMalformed + ")", "responses with a speed"},
	BehindTokens:     {hasTokens, "calls with token counts"},
	BehindErrors:     {"event_type = 'error'", "errors"},
	BehindEvents:     {"1", "events"},
	BehindTruncated:  {isTruncated, "truncated responses"},
	BehindRetried:    {"retry_count > 0", "retried"},
	BehindExposures:  {"event_type = 'exposure'", "exposures"},
	BehindTraced:     {"unsafe_claim_served IS NOT NULL AND event_type IN ('gate_trace', 'assistant_response', 'interaction')", "traced requests"},
	BehindUnsafe:     {"ifNull(unsafe_claim_served, false) AND event_type IN ('gate_trace', 'assistant_response', 'interaction')", "unsafe claims served"},
	BehindAbstained:  {"unsafe_claim_served IS NOT NULL AND event_type IN ('gate_trace', 'assistant_response', 'interaction') AND route = 'abstain'", "abstentions"},
	BehindDown:       {"explicit_feedback IN ('down', '1', '2')", "negative feedback"},
	BehindUp:         {"explicit_feedback IN ('up', '4', '5')", "positive feedback"},
	BehindToolSteps:  {"event_type = 'tool_step'", "tool steps"},
}

// Words says what is behind a figure: "responses with a time"; empty for a
// name there is none of.
func (b Behind) Words() string { return behind[b].Words }
