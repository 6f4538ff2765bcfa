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
	BehindFailed     Behind = "failed"
	BehindDown       Behind = "down"
	BehindUp         Behind = "up"
	BehindCorrected  Behind = "corrected"
	BehindRequeried  Behind = "requeried"
	BehindAbandoned  Behind = "abandoned"
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
	// A call is a response, or the gate trace of a request that has no response.
	isCall = "(" + isResponse + " OR event_type = 'gate_trace' AND (request_id = '' OR request_id NOT IN (" +
		"SELECT request_id FROM event_facts WHERE " + isResponse + " AND request_id IN (" +
		"SELECT request_id FROM event_facts WHERE event_type = 'gate_trace'))))"
	hasTokens = isCall + " AND (" + inputCount + " IS NOT NULL OR output_tokens IS NOT NULL)"
	hasTrace  = "unsafe_claim_served IS NOT NULL AND event_type IN ('gate_trace', 'assistant_response', 'interaction')"
	flaggedAs = isResponse + " AND event_id IN (SELECT event_id FROM event_flags WHERE reason = "
	// A vote is the response's own, or names its request in its session.
	isUp = isResponse + " AND (explicit_feedback IN ('up', '4', '5') OR request_id != '' AND (session_hash, request_id) IN (" +
		"SELECT session_hash, request_id FROM event_facts WHERE event_type = 'feedback' AND explicit_feedback IN ('up', '4', '5')))"
)

var behind = map[Behind]struct{ test, words string }{
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
	BehindTraced:     {hasTrace, "traced requests"},
	BehindUnsafe:     {"ifNull(unsafe_claim_served, false) AND " + hasTrace, "unsafe claims served"},
	BehindAbstained:  {hasTrace + " AND route = 'abstain'", "abstentions"},
	BehindFailed:     {isResponse + " AND (error_type != '' OR lower(outcome) IN ('error', 'failed', 'failure', 'timeout'))", "failed responses"},
	BehindDown:       {flaggedAs + "'negative_feedback')", "responses with negative feedback"},
	BehindUp:         {isUp, "responses with positive feedback"},
	BehindCorrected:  {flaggedAs + "'correction')", "corrected responses"},
	BehindRequeried:  {flaggedAs + "'requery')", "responses asked again"},
	BehindAbandoned:  {flaggedAs + "'abandonment')", "abandoned responses"},
	BehindToolSteps:  {"event_type = 'tool_step'", "tool steps"},
}

// Words says what is behind a figure: "responses with a time"; empty for a
// name there is none of.
func (b Behind) Words() string { return behind[b].words }
