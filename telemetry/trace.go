package telemetry

import (
	"context"

	"assay/internal/auth"
)

// TraceFilter narrows Traces; an empty field takes any.
type TraceFilter struct {
	PromptTemplateID string
	ModelVersion     string
	TaskClass        string
	Env              string
	Limit            int // 0 is all
}

// Traces returns one trace per request of the window, in order of effective
// time, then arrival: from its gate trace where it has one, else from a
// response that says itself whether an unsafe claim was served.
func (s *Store) Traces(ctx context.Context, actor auth.Actor, w Window, f TraceFilter) ([]TraceEvent, error) {
	if !actor.May(auth.RunWork) {
		if err := actor.Require(auth.SeeMeasures); err != nil {
			return nil, err
		}
	}
	limit := uint64(f.Limit)
	if f.Limit <= 0 {
		limit = 1 << 40
	}
	var traces []TraceEvent
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var t TraceEvent
		err := scan(&t.RequestID, &t.CaseID, &t.EvidenceVersion, &t.PromptTemplateID, &t.Route, &t.FirstFailedStage, &t.UnsafeClaimServed,
			&t.InputTokens, &t.CachedInputTokens, &t.OutputTokens, &t.TTFTMS, &t.TotalMS,
			&t.EventID, &t.SessionID, &t.TaskClass, &t.ModelVersion, &t.Env, &t.EffectiveTime, &t.ReceivedAt)
		traces = append(traces, t)
		return err
	}, `
		SELECT request_id, case_id, evidence_version, prompt_template_id, route, first_failed_stage, unsafe,
		       input, cached, output, ttft, total,
		       event_id, session_id, task_class, model_version, env, effective_time, server_ingest_time
		FROM (
			SELECT request_id, case_id, evidence_version, prompt_template_id, route, first_failed_stage,
			       assumeNotNull(unsafe_claim_served) AS unsafe,
			       ifNull(input_tokens, 0) AS input, ifNull(cached_input_tokens, 0) AS cached, ifNull(output_tokens, 0) AS output,
			       ifNull(ttft_ms, 0) AS ttft, coalesce(total_ms, latency_ms, 0) AS total,
			       event_id, session_id, task_class, model_version, env, effective_time, server_ingest_time, seq
			FROM `+allFacts+`
			WHERE effective_time >= ? AND effective_time < ?
			  AND unsafe_claim_served IS NOT NULL
			  AND event_type IN ('gate_trace', 'assistant_response', 'interaction')
			  AND (? = '' OR prompt_template_id = ?)
			  AND (? = '' OR model_version = ?)
			  AND (? = '' OR task_class = ?)
			  AND (? = '' OR env = ?)
			ORDER BY event_type != 'gate_trace', effective_time, seq
			LIMIT 1 BY if(request_id = '', toString(event_id), request_id)
		)
		ORDER BY effective_time, seq
		LIMIT ?`,
		w.From, w.To, f.PromptTemplateID, f.PromptTemplateID, f.ModelVersion, f.ModelVersion,
		f.TaskClass, f.TaskClass, f.Env, f.Env, limit)
	return traces, err
}
