package telemetry

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"assay/internal/fault"
)

const (
	traceA = "5b8efff798038103d269b633813fc60c"
	spanA  = "eee19b7ec3c1b174"
	spanB  = "eee19b7ec3c1b175"
)

// span writes one span in OTLP/JSON; attributes as name, value, name, value.
func span(traceID, spanID, parent, name string, start, end time.Time, more string, attributes ...any) string {
	return fmt.Sprintf(`{"traceId":%q,"spanId":%q,"parentSpanId":%q,"name":%q,"kind":3,"startTimeUnixNano":"%d","endTimeUnixNano":"%d","attributes":%s%s}`,
		traceID, spanID, parent, name, start.UnixNano(), end.UnixNano(), jsonAttributes(attributes...), more)
}

func jsonAttributes(attributes ...any) string {
	list := []any{}
	for i := 0; i+1 < len(attributes); i += 2 {
		var value any
		switch v := attributes[i+1].(type) {
		case string:
			value = map[string]any{"stringValue": v}
		case bool:
			value = map[string]any{"boolValue": v}
		case int:
			value = map[string]any{"intValue": fmt.Sprint(v)}
		case float64:
			value = map[string]any{"doubleValue": v}
		case []string:
			values := []any{}
			for _, s := range v {
				values = append(values, map[string]any{"stringValue": s})
			}
			value = map[string]any{"arrayValue": map[string]any{"values": values}}
		}
		list = append(list, map[string]any{"key": attributes[i], "value": value})
	}
	text, _ := json.Marshal(list)
	return string(text)
}

func export(resource string, spans ...string) string {
	return fmt.Sprintf(`{"resourceSpans":[{"resource":{"attributes":%s},"scopeSpans":[{"scope":{"name":"lib"},"spans":[%s]}]}]}`, resource, strings.Join(spans, ","))
}

func sendSpans(t testing.TB, s *Store, spans ...string) SpanReceipt {
	t.Helper()
	receipt, err := s.IngestTraces(context.Background(), sender, []byte(export("[]", spans...)), WireJSON)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// mapped is what spans become, without a store.
func mapped(t testing.TB, body string) []*row {
	t.Helper()
	items, err := readSpans([]byte(body), WireJSON)
	if err != nil {
		t.Fatal(err)
	}
	return takeItems(t, items)
}

func takeItems(t testing.TB, items []found) []*row {
	t.Helper()
	s := &Store{}
	p := s.policy()
	taking := &taking{terms: OpenTerms, now: noon, saltID: "1", salt: "salt", text: p.text, code: p.artifact}
	threads := threadsOf(items, taking)
	var rows []*row
	for _, item := range items {
		some, _, err := taking.takeItem(item, threads)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, some...)
	}
	return rows
}

func number(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}

func TestModelCallsOfEveryDialectBecomeResponses(t *testing.T) {
	start, end := noon.Add(-2*time.Second), noon.Add(-time.Second)
	chunk := fmt.Sprintf(`,"events":[{"name":"First Token Stream Event","timeUnixNano":"%d"}]`, start.Add(300*time.Millisecond).UnixNano())
	messages := fmt.Sprintf(`,"events":[{"name":"gen_ai.system.message","attributes":%s},{"name":"gen_ai.user.message","attributes":%s},{"name":"gen_ai.choice","attributes":%s}]`,
		jsonAttributes("content", "Be brief"), jsonAttributes("content", "What is due?"), jsonAttributes("finish_reason", "stop", "message", `{"role":"assistant","content":"Two invoices."}`))
	type want struct {
		session, model, provider, prompt, response, stop string
		input, cached, output, ttft                      int64
		context                                          []string
	}
	for name, c := range map[string]struct {
		more       string
		attributes []any
		want       want
	}{
		"GenAI with messages": {"", []any{
			"gen_ai.operation.name", "chat", "gen_ai.provider.name", "openai", "gen_ai.request.model", "gpt-4o", "gen_ai.response.model", "gpt-4o-2024-11-20",
			"gen_ai.conversation.id", "conv-1", "gen_ai.usage.input_tokens", 61, "gen_ai.usage.cache_read.input_tokens", 20, "gen_ai.usage.output_tokens", 17,
			"gen_ai.response.finish_reasons", []string{"stop"}, "gen_ai.client.operation.time_to_first_chunk", 0.25, "gen_ai.system_instructions", "Be brief",
			"gen_ai.input.messages", `[{"role":"user","parts":[{"type":"text","content":"What is due?"}]},{"role":"assistant","parts":[{"type":"tool_call","id":"1","name":"find","arguments":{}}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"1","response":"INV-1, INV-2"}]}]`,
			"gen_ai.output.messages", `[{"role":"assistant","parts":[{"type":"reasoning","content":"hidden"},{"type":"text","content":"Two invoices."}],"finish_reason":"stop"}]`},
			want{"conv-1", "gpt-4o-2024-11-20", "openai", "What is due?", "Two invoices.", "stop", 61, 20, 17, 250, []string{"INV-1, INV-2"}}},
		"GenAI with gen_ai.system and span events": {messages, []any{
			"gen_ai.operation.name", "chat", "gen_ai.system", "anthropic", "gen_ai.request.model", "m1", "session.id", "s-1", "gen_ai.usage.input_tokens", 5, "gen_ai.usage.output_tokens", 3},
			want{"s-1", "m1", "anthropic", "What is due?", "Two invoices.", "stop", 5, -1, 3, -1, nil}},
		"OpenInference": {chunk, []any{
			"openinference.span.kind", "LLM", "llm.model_name", "m2", "llm.provider", "azure", "session.id", "s-2", "llm.token_count.prompt", 9, "llm.token_count.completion", 4,
			"llm.token_count.prompt_details.cache_read", 2,
			"llm.input_messages.0.message.role", "system", "llm.input_messages.0.message.content", "Be brief",
			"llm.input_messages.1.message.role", "user", "llm.input_messages.1.message.contents.0.message_content.type", "text", "llm.input_messages.1.message.contents.0.message_content.text", "What is due?",
			"llm.output_messages.0.message.role", "assistant", "llm.output_messages.0.message.content", "Two invoices.", "input.value", `{"messages":[]}`, "output.value", "raw"},
			want{"s-2", "m2", "azure", "What is due?", "Two invoices.", "", 9, 2, 4, 300, nil}},
		"Traceloop, numbered": {"", []any{
			"llm.request.type", "chat", "gen_ai.system", "OpenAI", "gen_ai.response.model", "m3", "traceloop.association.properties.session_id", "s-3",
			"gen_ai.usage.prompt_tokens", 7, "gen_ai.usage.completion_tokens", 2,
			"gen_ai.prompt.0.role", "user", "gen_ai.prompt.0.content", "What is due?", "gen_ai.completion.0.role", "assistant", "gen_ai.completion.0.content", "Two invoices.", "gen_ai.completion.0.finish_reason", "stop"},
			want{"s-3", "m3", "OpenAI", "What is due?", "Two invoices.", "stop", 7, -1, 2, -1, nil}},
		"Langfuse": {"", []any{
			"langfuse.observation.type", "generation", "langfuse.observation.model.name", "m4", "langfuse.session.id", "s-4", "langfuse.observation.usage_details", `{"input":11,"output":6,"input_cached_tokens":1}`,
			"langfuse.observation.completion_start_time", `"` + start.Add(400*time.Millisecond).Format(time.RFC3339Nano) + `"`,
			"langfuse.observation.input", `[{"role":"user","content":"What is due?"}]`, "langfuse.observation.output", `{"role":"assistant","content":"Two invoices."}`},
			want{"s-4", "m4", "", "What is due?", "Two invoices.", "", 11, 1, 6, 400, nil}},
		"only tools asked for": {"", []any{
			"gen_ai.operation.name", "chat", "gen_ai.provider.name", "openai", "gen_ai.request.model", "m5",
			"gen_ai.output.messages", `[{"role":"assistant","parts":[{"type":"tool_call","name":"run_sql","arguments":{"query":"SELECT 1"}}],"finish_reason":"tool_call"}]`},
			want{traceA, "m5", "openai", "", `run_sql({"query":"SELECT 1"})`, "tool_call", -1, -1, -1, -1, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			rows := mapped(t, export("[]", span(traceA, spanA, spanB, "chat", start, end, c.more, c.attributes...)))
			if len(rows) != 1 {
				t.Fatalf("want one event, got %d", len(rows))
			}
			r := rows[0]
			got := want{r.SessionID, r.ModelVersion, r.ModelProvider, r.Prompt, r.Response, r.StopReason, number(r.InputTokens), number(r.CachedInputTokens), number(r.OutputTokens), number(r.TTFTMS), r.Context}
			if !reflect.DeepEqual(c.want, got) {
				t.Errorf("want %+v\ngot  %+v", c.want, got)
			}
			if r.EventType != TypeResponse || !r.EventTime.Equal(end) || number(r.TotalMS) != 1000 || number(r.LatencyMS) != 1000 || r.TraceID != traceA || r.SpanID != spanA || r.ParentSpanID != spanB || r.RequestID != spanA {
				t.Errorf("the span's own: %+v", r.Event)
			}
			for _, text := range []string{"invoices", "due?", "Be brief", "hidden", "INV-1", "raw"} {
				if bytes.Contains(r.Attributes, []byte(text)) {
					t.Errorf("attributes hold no text: %s", r.Attributes)
				}
			}
		})
	}
}

func TestProductAttributesAreFields(t *testing.T) {
	r := mapped(t, export(jsonAttributes("service.name", "desktop-1", "service.version", "1.4.3", "deployment.environment.name", "prod", "device.type", "laptop", "network.connection.type", "wifi", "os.type", "windows", "process.command", "/home/anna/x"),
		span(traceA, spanA, "", "agent.run", noon.Add(-time.Second), noon, "",
			"gen_ai.operation.name", "chat", "model.provider", "acme", "model.version", "v9", "task_class", "file_edit", "user.id", "anna@example.com", "userConsentId", "c-1",
			"shopflow.answer.route", "serve", "shopflow.answer.unsafe_claim_served", true, "shopflow.failure.stage", "serving_gate", "shopflow.prompt.template_id", "t-1", "shopflow.evidence.version", "fastship@v17",
			"action.type", "write", "policy.decisions", "escaltate", "prompt.hash", "abc", "agent.runId", "agent-1")))[0]
	if r.ModelProvider != "acme" || r.ModelVersion != "v9" || r.TaskClass != "file_edit" || r.Route != "serve" || r.UnsafeClaimServed == nil || !*r.UnsafeClaimServed ||
		r.FirstFailedStage != "serving_gate" || r.PromptTemplateID != "t-1" || r.EvidenceVersion == nil || *r.EvidenceVersion != "fastship@v17" || r.ActionType != "write" ||
		r.AssistantID != "desktop-1" || r.AssistantVersion != "1.4.3" || r.Env != "prod" || r.DeviceType != "laptop" || r.ConnectionType != "wifi" || r.ConsentID != "c-1" {
		t.Errorf("%+v", r.Event)
	}
	if r.UserIDHash == nil || strings.Contains(*r.UserIDHash, "anna") {
		t.Errorf("a person is a hash: %v", r.UserIDHash)
	}
	var rest map[string]any
	if err := json.Unmarshal(r.Attributes, &rest); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"name": "agent.run", "scope": "lib", "kind": "client", "side": "desktop", "os.type": "windows", "policy.decisions": "escalate", "prompt.hash": "abc", "agent.runId": "agent-1", "gen_ai.operation.name": "chat"}
	if !reflect.DeepEqual(want, rest) {
		t.Errorf("attributes: want %v\ngot  %v", want, rest)
	}
}

func TestGateSpanIsAGateTrace(t *testing.T) {
	r := mapped(t, export("[]", span(traceA, spanA, "", "answer", noon.Add(-410*time.Millisecond), noon, "",
		"shopflow.answer.route", "abstain", "shopflow.answer.unsafe_claim_served", false, "shopflow.failure.stage", "claim_generation", "request_id", "req_202", "input_tokens", 196, "output_tokens", 20)))[0]
	if r.EventType != TypeGateTrace || r.RequestID != "req_202" || r.Route != "abstain" || number(r.InputTokens) != 196 || number(r.TotalMS) != 410 {
		t.Errorf("%+v", r.Event)
	}
}

func TestToolCallsOfEveryDialectAreToolSteps(t *testing.T) {
	for name, attributes := range map[string][]any{
		"GenAI":         {"gen_ai.operation.name", "execute_tool", "gen_ai.tool.name", "run_sql", "gen_ai.tool.call.arguments", "A", "gen_ai.tool.call.result", "R"},
		"OpenInference": {"openinference.span.kind", "TOOL", "tool.name", "run_sql", "input.value", "A", "output.value", "R"},
		"Traceloop":     {"traceloop.span.kind", "tool", "traceloop.entity.name", "run_sql", "traceloop.entity.input", "A", "traceloop.entity.output", "R"},
		"Langfuse":      {"langfuse.observation.type", "tool", "langfuse.observation.input", "A", "langfuse.observation.output", "R"},
	} {
		one := func(argument string) *row {
			changed := append([]any{}, attributes...)
			for i := range changed {
				if changed[i] == "A" {
					changed[i] = argument
				}
			}
			return mapped(t, export("[]", span(traceA, spanA, spanB, "run_sql.tool", noon.Add(-time.Second), noon, "", changed...)))[0]
		}
		a, same, other := one(`{"q":"x"}`), one(`{"q":"x"}`), one(`{"q":"y"}`)
		if a.EventType != TypeToolStep || a.ToolName != "run_sql" || a.Response != "R" || a.ResultStatus != "ok" || number(a.TotalMS) != 1000 {
			t.Errorf("%s: %+v", name, a.Event)
		}
		if a.ParamsHash == "" || a.ParamsHash != same.ParamsHash || a.ParamsHash == other.ParamsHash || a.ProgressMarker == "" {
			t.Errorf("%s: arguments are told apart by their hash: %q %q %q", name, a.ParamsHash, same.ParamsHash, other.ParamsHash)
		}
		if bytes.Contains(a.Attributes, []byte(`"q`)) {
			t.Errorf("%s: arguments are never kept: %s", name, a.Attributes)
		}
	}
}

func TestFailuresAreErrorsWhereNothingWasAnswered(t *testing.T) {
	failed := `,"status":{"code":2,"message":"429 Rate limit reached"}`
	thrown := fmt.Sprintf(`,"status":{"code":"STATUS_CODE_ERROR"},"events":[{"name":"exception","timeUnixNano":"1","attributes":%s}]`,
		jsonAttributes("exception.type", "Timeout", "exception.message", "took too long", "exception.stacktrace", "at /home/anna/x.js"))
	for _, c := range []struct {
		name, parent, more string
		attributes         []any
		kind               EventType
		errorType, message string
	}{
		{"a model call without an answer", spanB, failed, []any{"gen_ai.operation.name", "chat", "error.type", "RateLimitError"}, TypeError, "RateLimitError", "429 Rate limit reached"},
		{"a model call that broke off", spanB, failed, []any{"gen_ai.operation.name", "chat", "gen_ai.usage.output_tokens", 3}, TypeResponse, "error", "429 Rate limit reached"},
		{"a run", "", thrown, nil, TypeError, "Timeout", "took too long"},
		{"a part of a run", spanB, thrown, nil, TypeSpan, "Timeout", "took too long"},
		{"a tool", spanB, thrown, []any{"gen_ai.tool.name", "x"}, TypeToolStep, "Timeout", "took too long"},
		{"a Langfuse generation", spanB, "", []any{"langfuse.observation.type", "generation", "langfuse.observation.level", "ERROR", "langfuse.observation.status_message", "gone"}, TypeError, "error", "gone"},
	} {
		r := mapped(t, export("[]", span(traceA, spanA, c.parent, "x", noon.Add(-time.Second), noon, c.more, c.attributes...)))[0]
		if r.EventType != c.kind || r.ErrorType != c.errorType || r.ErrorMessage != c.message {
			t.Errorf("%s: want %s %s %q, got %s %s %q", c.name, c.kind, c.errorType, c.message, r.EventType, r.ErrorType, r.ErrorMessage)
		}
		if bytes.Contains(r.Attributes, []byte("anna")) {
			t.Errorf("%s: a stack trace is not kept: %s", c.name, r.Attributes)
		}
	}
}

func TestAttributesSetNoFlagRoleOrReviewState(t *testing.T) {
	claimed := []any{
		"flags", "negative_feedback", "label", "correct", "role", "admin", "roles", "admin", "priority_class", "safety", "review_state", "done", "verdict", "pass",
		"event_type", "feedback", "event_id", uuid.NewString(), "text_kept", true, "keep", 1.0, "key_id", 1, "capture", "raw", "quarantined", true, "explicit_feedback", "down", "expires_at", "2100-01-01T00:00:00Z",
	}
	r := mapped(t, export("[]", span(traceA, spanA, "", "x", noon.Add(-time.Second), noon, "", claimed...)))[0]
	if r.EventType != TypeSpan || r.EventID != spanIdentity(traceA, spanA, "") || r.KeyID != 0 || r.Capture != CaptureRedacted || r.Quarantined || r.ExplicitFeedback != "" || !r.ExpiresAt.Before(noon.AddDate(1, 0, 1)) {
		t.Errorf("%+v %+v", r.Event, r.stamps)
	}
	facts := []fact{{ID: r.EventID, Type: r.EventType}}
	if got := flagSession(facts, nil, noon); len(got) != 0 {
		t.Errorf("nothing is flagged: %+v", got)
	}
}

func TestScoresAreReadAsOpinions(t *testing.T) {
	for _, c := range []struct {
		name  string
		value any
		want  string
	}{
		{"user-feedback", 0.0, "down"}, {"user-feedback", 1.0, "up"}, {"user-feedback", -1.0, "down"}, {"user_feedback", int64(-1), "down"}, {"feedback", 0.2, "down"}, {"feedback", 0.8, "up"},
		{"star_rating", 1.0, "1"}, {"rating", 5.0, "5"}, {"user-feedback", 4.0, "4"}, {"csat", 9.0, ""}, {"feedback", "thumbs_down", "down"}, {"feedback", "Good", "up"}, {"feedback", "👎", "down"},
		{"feedback", true, "up"}, {"thumbs_down", true, "down"}, {"thumbs_down", false, ""}, {"thumbs_down", 1.0, "down"}, {"thumbsDown", 0.0, ""}, {"helpful", "no", "down"}, {"feedback", "so so", ""}, {"feedback", nil, ""},
	} {
		if got := opinion(c.name, c.value); got != c.want {
			t.Errorf("%s %v: want %q, got %q", c.name, c.value, c.want, got)
		}
	}
	for name, want := range map[string]bool{"user-feedback": true, "userFeedback": true, "Thumbs": true, "star_rating": true, "helpful": true, "correctness": false, "hallucination": false, "likelihood": false, "helpfulness": false, "starting_point": false} {
		if isFeedback(name) != want {
			t.Errorf("%s is a person's score: want %v", name, want)
		}
	}
}

func TestFeedbackOfEveryKindIsAnEventOfItsOwn(t *testing.T) {
	at := fmt.Sprint(noon.UnixNano())
	event := func(name string, attributes ...any) string {
		return fmt.Sprintf(`,"events":[{"name":%q,"timeUnixNano":%q,"attributes":%s}]`, name, at, jsonAttributes(attributes...))
	}
	for _, c := range []struct{ more, want, reason, text string }{
		{event("user_feedback", "score", -1, "reason", "incorrect"), "down", "incorrect", ""},
		{event("feedback", "value", "up", "comment", "Just what I meant"), "up", "", "Just what I meant"},
		{event("gen_ai.evaluation.result", "gen_ai.evaluation.name", "user_feedback", "gen_ai.evaluation.score.value", 0.0), "down", "", ""},
		{event("annotation", "annotation.name", "thumbs", "annotation.score", 0.0, "annotation.annotator_kind", "HUMAN"), "down", "", ""},
		{event("thumbs_down"), "down", "", ""},
		{event("feedback", "rating", 2), "2", "", ""},
	} {
		rows := mapped(t, export("[]", span(traceA, spanA, "", "chat", noon.Add(-time.Second), noon, c.more, "gen_ai.operation.name", "chat", "session.id", "s")))
		if len(rows) != 2 {
			t.Fatalf("%s: want two events, got %d", c.more, len(rows))
		}
		f := rows[1]
		if f.EventType != TypeFeedback || f.ExplicitFeedback != c.want || f.Reason != c.reason || f.Response != c.text || f.RequestID != spanA || f.SessionID != "s" || f.EventID == rows[0].EventID {
			t.Errorf("%s: %+v", c.more, f.Event)
		}
	}
	for _, more := range []string{event("gen_ai.evaluation.result", "gen_ai.evaluation.name", "correctness", "gen_ai.evaluation.score.value", 0.0), event("annotation", "annotation.name", "toxicity", "annotation.score", 0.0)} {
		if rows := mapped(t, export("[]", span(traceA, spanA, "", "chat", noon.Add(-time.Second), noon, more, "gen_ai.operation.name", "chat"))); len(rows) != 1 {
			t.Errorf("a machine's opinion is no feedback: %s", more)
		}
	}
}

// --- decoding ---

func TestBothEncodingsReadTheSame(t *testing.T) {
	trace, _ := hex.DecodeString(traceA)
	id, _ := hex.DecodeString(spanA)
	text := func(s string) *commonpb.AnyValue {
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
	}
	message := &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: "service.name", Value: text("x")}}},
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &commonpb.InstrumentationScope{Name: "lib"}, Spans: []*tracepb.Span{{
			TraceId: trace, SpanId: id, Name: "chat", Kind: tracepb.Span_SPAN_KIND_CLIENT, StartTimeUnixNano: 1795209548881000000, EndTimeUnixNano: 1795209548912613268,
			Attributes: []*commonpb.KeyValue{
				{Key: "s", Value: text("v")}, {Key: "b", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}},
				{Key: "i", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: -1 << 60}}}, {Key: "d", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 0.5}}},
				{Key: "a", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{text("1")}}}}},
				{Key: "m", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: []*commonpb.KeyValue{{Key: "k", Value: text("w")}}}}}},
				{Key: "y", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: []byte{1, 2}}}},
			},
			Events: []*tracepb.Span_Event{{TimeUnixNano: 7, Name: "e", Attributes: []*commonpb.KeyValue{{Key: "s", Value: text("v")}}}},
			Status: &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: "no"},
		}}}},
	}}}
	wire, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	written := `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"x"}}]},"scopeSpans":[{"scope":{"name":"lib"},"spans":[{
		"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174","name":"chat","kind":3,"startTimeUnixNano":"1795209548881000000","endTimeUnixNano":1795209548912613268,
		"attributes":[{"key":"s","value":{"stringValue":"v"}},{"key":"b","value":{"boolValue":true}},{"key":"i","value":{"intValue":"-1152921504606846976"}},{"key":"d","value":{"doubleValue":0.5}},
			{"key":"a","value":{"arrayValue":{"values":[{"stringValue":"1"}]}}},{"key":"m","value":{"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"w"}}]}}},{"key":"y","value":{"bytesValue":"AQI="}}],
		"events":[{"timeUnixNano":"7","name":"e","attributes":[{"key":"s","value":{"stringValue":"v"}}]}],"status":{"code":2,"message":"no"},"unknown":{"deep":[1]}}]}]}]}`
	fromWire, err := readSpans(wire, WireProtobuf)
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := readSpans([]byte(written), WireJSON)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(fromWire, fromJSON) || len(fromWire) != 1 || fromWire[0].err != nil {
		t.Errorf("protobuf %+v\nJSON %+v", fromWire[0].span, fromJSON[0].span)
	}
	if got := fromWire[0].span; got.traceID != traceA || got.attrs[2].value != int64(-1<<60) || !got.failed {
		t.Errorf("%+v", got)
	}
}

func TestABadSpanCostsOnlyItself(t *testing.T) {
	s := newStore(t)
	good := span(traceA, spanA, "", "x", noon.Add(-time.Second), noon, "")
	place := 0
	for name, bad := range map[string]string{
		"no trace id":     span("", spanB, "", "x", noon, noon, ""),
		"a zero trace id": span(strings.Repeat("0", 32), spanB, "", "x", noon, noon, ""),
		"base64 ids":      span("W47/95gDgQPSabYzgT/GDA==", "7uGbfsPBsXQ=", "", "x", noon, noon, ""),
		"no span id":      span(traceA, "", "", "x", noon, noon, ""),
		"no time":         strings.ReplaceAll(span(traceA, spanB, "", "x", noon, noon, ""), fmt.Sprint(noon.UnixNano()), "0"),
		"a broken member": `{"traceId":"` + traceA + `","spanId":7}`,
		"not an object":   `17`,
		"too deep":        span(traceA, spanB, "", "x", noon, noon, `,"attributes":[{"key":"a","value":`+strings.Repeat(`{"arrayValue":{"values":[`, 40)+strings.Repeat(`]}}`, 40)+`}]`),
		"too many values": span(traceA, spanB, "", "x", noon, noon, `,"events":[{}`+strings.Repeat(`,{}`, maxSpanValues)+`]`),
	} {
		good := strings.Replace(good, spanA, fmt.Sprintf("%015x1", place), 1)
		place++
		receipt := sendSpans(t, s, bad, good)
		if receipt.Accepted != 1 || receipt.Rejected != 1 || receipt.Message == "" {
			t.Errorf("%s: %+v", name, receipt)
		}
	}
	ctx := context.Background()
	for name, c := range map[string]struct {
		body string
		wire Wire
	}{
		"not JSON": {`{"resourceSpans":[`, WireJSON}, "another thing": {`[]`, WireJSON}, "two bodies": {`{}{}`, WireJSON}, "not protobuf": {"\x0a\xff", WireProtobuf},
		"JSON as protobuf": {`{"resourceSpans":[]}`, WireProtobuf},
	} {
		if _, err := s.IngestTraces(ctx, sender, []byte(c.body), c.wire); !fatal(err) {
			t.Errorf("%s: want the whole request refused, got %v", name, err)
		}
	}
	if receipt, err := s.IngestTraces(ctx, sender, nil, WireProtobuf); err != nil || receipt != (SpanReceipt{}) {
		t.Errorf("an empty export in protobuf is no bytes: %+v, %v", receipt, err)
	}
}

func TestABodyOfNothingButGroupsIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		body []byte
		wire Wire
	}{
		"empty groups in protobuf": {bytes.Repeat([]byte{0x0a, 0}, 8<<20), WireProtobuf},
		"empty spans in protobuf":  {func() []byte { b, _ := proto.Marshal(manySpans(maxEvents + 1)); return b }(), WireProtobuf},
		"empty groups in JSON":     {[]byte(`{"resourceSpans":[{}` + strings.Repeat(`,{}`, 5<<20) + `]}`), WireJSON},
	} {
		var items []found
		var err error
		grown := testing.AllocsPerRun(1, func() { items, err = readSpans(c.body, c.wire) })
		if !fatal(err) || items != nil || grown > 1_000_000 {
			t.Errorf("%s: %d items, %v, %.0f allocations", name, len(items), err, grown)
		}
	}
}

func manySpans(n int) *tracepb.TracesData {
	spans := make([]*tracepb.Span, n)
	for i := range spans {
		spans[i] = &tracepb.Span{}
	}
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}}}
}

// --- traces across requests ---

func TestSpansOfATraceShareASessionInAnyOrder(t *testing.T) {
	s := newStore(t)
	early := span(traceA, spanA, spanB, "chat", noon.Add(-3*time.Second), noon.Add(-2*time.Second), "", "gen_ai.operation.name", "chat")
	root := span(traceA, spanB, "", "agent.run", noon.Add(-4*time.Second), noon, "", "session.id", "sess-1", "task_class", "sql_query")
	late := span(traceA, "eee19b7ec3c1b176", spanB, "late", noon.Add(-3*time.Second), noon.Add(-time.Second), "")

	// In one request the name counts for all, wherever it stands.
	for i, rows := range [][]*row{mapped(t, export("[]", early, root)), mapped(t, export("[]", root, early))} {
		for _, r := range rows {
			if r.SessionID != "sess-1" || r.TaskClass != "sql_query" {
				t.Errorf("order %d: %s is in %s, class %s", i, r.SpanID, r.SessionID, r.TaskClass)
			}
		}
	}
	if r := mapped(t, export(jsonAttributes("task_class", "sql_query", "user.id", "anna"), early))[0]; r.TaskClass != "sql_query" || r.UserIDHash == nil {
		t.Errorf("what a program says of itself holds for its spans: %+v", r.Event)
	}
	// Once named, later requests of the trace follow, from another key as well.
	sendSpans(t, s, root)
	sendSpans(t, s, late, early)
	if _, err := s.Drain(context.Background(), product); err != nil {
		t.Fatal(err)
	}
	d, err := s.Session(context.Background(), engineer, "sess-1", SessionView{})
	if err != nil || d.Events != 3 || d.TaskClass != "sql_query" {
		t.Errorf("one session of three: %+v, %v", d.Events, err)
	}
	// Named later, the trace goes to its session whole.
	other := strings.NewReplacer(traceA, "aaaafff798038103d269b633813fc60c")
	sendSpans(t, s, other.Replace(early))
	sendSpans(t, s, other.Replace(root))
	if _, err := s.Drain(context.Background(), product); err != nil {
		t.Fatal(err)
	}
	gather(t, s, "aaaafff798038103d269b633813fc60c")
	d, err = s.Session(context.Background(), engineer, "aaaafff798038103d269b633813fc60c", SessionView{})
	if err != nil || d.ID != "sess-1" || d.Events != 5 {
		t.Errorf("one session of five, found under its old name as well: %s %+v, %v", d.ID, d.Events, err)
	}
	if receipt := sendSpans(t, s, root, late, early); receipt.Accepted != 0 || receipt.Duplicate != 3 {
		t.Errorf("sent again nothing changes: %+v", receipt)
	}
	if _, err := s.Sweep(context.Background(), product); err != nil {
		t.Fatal(err)
	}
}

func TestPrivateTextOfSpansIsGoneBeforeItIsStored(t *testing.T) {
	s := newStore(t)
	sendSpans(t, s, span(traceA, spanA, "", "mail maya@example.com", noon.Add(-time.Second), noon, "",
		"gen_ai.operation.name", "chat", "session.id", "maya@example.com", "gen_ai.input.messages", `[{"role":"user","content":"Write to maya@example.com"}]`,
		"gen_ai.output.messages", `[{"role":"assistant","content":"Sent to maya@example.com"}]`, "note", "maya@example.com"))
	var held string
	err := s.DB.QueryRow(context.Background(), `SELECT string_agg(t::text, ' ') FROM trace_threads t`).Scan(&held)
	if err != nil || strings.Contains(held, "maya") {
		t.Errorf("the memory of traces: %s %v", held, err)
	}
	var body []byte
	if err := s.DB.QueryRow(context.Background(), `SELECT body FROM inbox`).Scan(&body); err != nil {
		t.Fatal(err)
	}
	lines, err := unpack(body)
	if err != nil || bytes.Contains(lines, []byte("maya")) || !bytes.Contains(lines, []byte("Sent to [EMAIL]")) {
		t.Errorf("%s %v", lines, err)
	}
	setTerms(t, s, StrictTerms)
	sendSpans(t, s, span(traceA, spanB, "", "x", noon.Add(-time.Second), noon, "", "gen_ai.operation.name", "chat", "gen_ai.output.messages", `[{"role":"assistant","content":"Told"}]`, "gen_ai.prompt.0.content", "Asked", "unknown.answer", "Told"))
	if err := s.DB.QueryRow(context.Background(), `SELECT body FROM inbox ORDER BY id DESC LIMIT 1`).Scan(&body); err != nil {
		t.Fatal(err)
	}
	if lines, err = unpack(body); err != nil || bytes.Contains(lines, []byte("Told")) || bytes.Contains(lines, []byte("Asked")) {
		t.Errorf("without consent no text is stored: %s %v", lines, err)
	}
}

// --- logs ---

func TestRecordsOfConversationsAreEvents(t *testing.T) {
	record := func(name, more string, attributes ...any) string {
		return fmt.Sprintf(`{"eventName":%q,"timeUnixNano":"%d","traceId":%q,"spanId":%q,"attributes":%s%s}`, name, noon.UnixNano(), traceA, spanA, jsonAttributes(attributes...), more)
	}
	body := func(text string) string {
		return `,"body":{"kvlistValue":{"values":[{"key":"content","value":{"stringValue":"` + text + `"}}]}}`
	}
	choice := `,"body":{"kvlistValue":{"values":[{"key":"index","value":{"intValue":0}},{"key":"message","value":{"kvlistValue":{"values":[{"key":"content","value":{"stringValue":"Two."}}]}}}]}}`
	logs := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + strings.Join([]string{
		record("gen_ai.system.message", body("Be brief")),
		record("gen_ai.user.message", body("How many?")),
		record("gen_ai.choice", choice),
		record("user_feedback", "", "score", 0),
		record("exception", "", "exception.type", "Timeout", "exception.message", "slow"),
		record("", `,"severityNumber":9,"body":{"stringValue":"opened the file"}`),
		record("gen_ai.client.inference.operation.details", "", "gen_ai.output.messages", `[{"role":"assistant","parts":[{"type":"text","content":"Three."}]}]`),
	}, ",") + `]}]}]}`
	items, err := readLogs([]byte(logs), WireJSON)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range takeItems(t, items) {
		if r.SessionID != traceA || r.ParentSpanID != spanA {
			t.Errorf("%+v", r.Event)
		}
		got = append(got, fmt.Sprintf("%s|%s|%s|%s|%s", r.EventType, r.Prompt, r.Response, r.ExplicitFeedback, r.ErrorType))
	}
	want := []string{"span||||", "span|How many?|||", "span||Two.||", "feedback|||down|", "error||||Timeout", "span||opened the file||", "span||Three.||"}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("want %q\ngot  %q", want, got)
	}
	nowhere, err := readLogs([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1795209592504260591","body":{"stringValue":"x"}}]}]}]}`), WireJSON)
	if err != nil || len(nowhere) != 1 {
		t.Fatal(err)
	}
	if _, _, err := (&taking{terms: OpenTerms, now: noon}).takeItem(nowhere[0], nil); err == nil {
		t.Error("a record of no trace and no session could not be found again")
	}
}

// --- scores ---

func TestAThumbsDownFlagsItsResponse(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	sendSpans(t, s,
		span(traceA, spanA, "", "chat", noon.Add(-20*time.Second), noon.Add(-19*time.Second), "", "gen_ai.operation.name", "chat", "session.id", "s"),
		span(traceA, spanB, "", "chat", noon.Add(-10*time.Second), noon.Add(-9*time.Second), "", "gen_ai.operation.name", "chat"))
	id, err := s.IngestScore(ctx, sender, []byte(`{"id":"sc-1","traceId":"`+traceA+`","observationId":"`+spanA+`","name":"user-feedback","value":0,"comment":"incorrect"}`))
	if err != nil || id != "sc-1" {
		t.Fatal(id, err)
	}
	if _, err := s.IngestScore(ctx, sender, []byte(`{"traceId":"`+traceA+`","observationId":"`+spanB+`","name":"correctness","value":0}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Drain(ctx, product); err != nil {
		t.Fatal(err)
	}
	flagged, err := s.Flagged(ctx, product, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil || len(flagged) != 2 {
		t.Fatal(len(flagged), err)
	}
	for _, c := range flagged {
		switch c.RequestID {
		case spanA:
			if len(c.Flags) != 1 || c.Flags[0].Reason != NegativeFeedback || c.Flags[0].Detail != "down, incorrect" || c.PriorityClass != Negative {
				t.Errorf("the response it is about: %+v", c.Flags)
			}
		case spanB:
			if len(c.Flags) != 0 {
				t.Errorf("what a machine scored flags nothing: %+v", c.Flags)
			}
		}
	}
	receipt, err := s.IngestLangfuse(ctx, sender, []byte(`{"batch":[
		{"id":"1","type":"score-create","timestamp":"2026-11-20T12:00:00Z","body":{"id":"sc-1","traceId":"`+traceA+`","observationId":"`+spanA+`","name":"user-feedback","value":0,"comment":"incorrect"}},
		{"id":"2","type":"score-create","timestamp":"2026-11-20T12:00:00Z","body":{"id":"sc-1","traceId":"`+traceA+`","name":"user-feedback","value":1}},
		{"id":"3","type":"trace-create","timestamp":"2026-11-20T12:00:00Z","body":{}},
		{"id":"4","type":"score-create","body":{"name":"x"}}, 7,
		{"id":"6","type":"sdk-log","body":{}},
		{"id":"7","type":"score-create","timestamp":"2026-11-20T12:00:00Z","body":{"sessionId":"s","name":"thumbs","value":"👎","dataType":"CATEGORICAL"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	taken, refused := "", ""
	for _, one := range receipt.Successes {
		taken += one.ID
	}
	for _, one := range receipt.Errors {
		refused += one.ID + " "
	}
	if taken != "6127" || refused != "3 4  " {
		t.Errorf("item by item: taken %s, refused %q", taken, refused)
	}
	var ids int
	if err := s.DB.QueryRow(ctx, `SELECT count(*) FROM event_ids`).Scan(&ids); err != nil || ids != 6 {
		t.Errorf("a score sent again is the same, one changed is another: %d, %v", ids, err)
	}
}

func TestAnnotationsOfPeopleAreFeedback(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	sendSpans(t, s,
		span(traceA, spanA, spanB, "chat", noon.Add(-20*time.Second), noon.Add(-19*time.Second), "", "openinference.span.kind", "LLM", "session.id", "s"),
		span(traceA, spanB, "", "run", noon.Add(-20*time.Second), noon.Add(-10*time.Second), "", "openinference.span.kind", "CHAIN"))
	annotate := func(spanID, kind, result string) error {
		_, err := s.IngestAnnotations(ctx, sender, []byte(`{"data":[{"span_id":"`+spanID+`","name":"quality","annotator_kind":"`+kind+`","result":`+result+`}]}`))
		return err
	}
	if err := annotate(spanA, "HUMAN", `{"label":"bad"}`); fault.Of(err) != fault.NotFound {
		t.Errorf("its span is not here yet: %v", err)
	}
	drain(t, s)
	for _, one := range [][2]string{{"HUMAN", `{"label":"thumbs-down","score":0,"explanation":"Three are due"}`}, {"LLM", `{"label":"bad","score":0}`}} {
		if err := annotate(spanA, one[0], one[1]); err != nil {
			t.Error(err)
		}
	}
	if err := annotate(spanB, "HUMAN", `{"score":1}`); err != nil {
		t.Error("a span that called no model is found as well:", err)
	}
	if err := annotate("x", "HUMAN", `{}`); fault.Of(err) != fault.Invalid {
		t.Error(err)
	}
	drain(t, s)
	flagged, err := s.Flagged(ctx, product, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil || len(flagged) != 1 || len(flagged[0].Flags) != 1 || flagged[0].Flags[0].Detail != "down" {
		t.Errorf("%+v, %v", flagged, err)
	}
	d, err := s.Session(ctx, engineer, "s", SessionView{})
	if err != nil || d.Events != 5 {
		t.Errorf("%d, %v", d.Events, err)
	}
}

// --- fuzzing ---

func FuzzSpansInProtobuf(f *testing.F) {
	seed, _ := proto.Marshal(manySpans(2))
	f.Add(seed)
	f.Add([]byte{0x0a, 0x02, 0x12, 0x00})
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := readSpans(body, WireProtobuf)
		if err != nil && !fatal(err) {
			t.Fatalf("an error without words: %v", err)
		}
		fuzzItems(t, items)
		// What the official decoder reads and writes again, ours reads alike.
		var official tracepb.TracesData
		if proto.Unmarshal(body, &official) != nil {
			return
		}
		canonical, err := proto.Marshal(&official)
		if err != nil {
			return
		}
		items, err = readSpans(canonical, WireProtobuf)
		if err != nil {
			return // over a limit of ours
		}
		i := 0
		for _, group := range official.ResourceSpans {
			for _, scope := range group.ScopeSpans {
				for _, want := range scope.Spans {
					got := items[i]
					i++
					if got.err == nil && (got.span.traceID != hex.EncodeToString(want.TraceId) || got.span.name != want.Name || got.span.start != want.StartTimeUnixNano || len(got.span.attrs) != len(want.Attributes) || len(got.span.events) != len(want.Events) || got.span.failed != (want.GetStatus().GetCode() == 2)) {
						t.Fatalf("want %v\ngot  %+v", want, got.span)
					}
				}
			}
		}
	})
}

func FuzzSpansInJSON(f *testing.F) {
	f.Add([]byte(export("[]", span(traceA, spanA, "", "x", noon, noon, "", "gen_ai.operation.name", "chat", "gen_ai.input.messages", `[{"role":"user","content":[{"type":"text","text":"a"}]}]`, "llm.input_messages.0.message.role", "user"))))
	f.Add([]byte(export("[]", span(traceA, spanA, "", "user_feedback", noon, noon, `,"status":{"code":"STATUS_CODE_ERROR"}`, "score", -1))))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := readSpans(body, WireJSON)
		if err != nil && !fatal(err) {
			t.Fatalf("an error without words: %v", err)
		}
		fuzzItems(t, items)
	})
}

func FuzzRecords(f *testing.F) {
	seed, _ := proto.Marshal(&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{{EventName: "gen_ai.choice"}}}}}}})
	f.Add(seed, true)
	f.Add([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"gen_ai.choice","body":{"stringValue":"{\"message\":{}}"}}]}]}]}`), false)
	f.Fuzz(func(t *testing.T, body []byte, protobuf bool) {
		wire := WireJSON
		if protobuf {
			wire = WireProtobuf
		}
		items, err := readLogs(body, wire)
		if err != nil && !fatal(err) {
			t.Fatalf("an error without words: %v", err)
		}
		fuzzItems(t, items)
	})
}

func FuzzScores(f *testing.F) {
	f.Add([]byte(`{"batch":[{"id":"1","type":"score-create","body":{"traceId":"t","name":"thumbs","value":"👎","comment":"so"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := readIngestion(body)
		if err != nil && !fatal(err) {
			t.Fatalf("an error without words: %v", err)
		}
		taking := fuzzTaking()
		for _, item := range items {
			if one, err := item.score(); err == nil && item.Type == "score-create" {
				fuzzEvent(t, taking, taking.eventOfScore(one, thread{}))
			}
		}
	})
}

func FuzzLangfuseBatches(f *testing.F) {
	f.Add([]byte(`{"batch":[{"id":"1","type":"generation-create","timestamp":"2026-11-20T12:00:00Z","body":{"id":"g","traceId":"t","name":"answer","startTime":"2026-11-20T12:00:00Z","model":"m","input":[{"role":"user","content":"Who?"}],"usage":{"promptTokens":1}}},
		{"id":"2","type":"generation-update","body":{"id":"g","traceId":"t","endTime":"2026-11-20T12:00:01Z","output":"Two.","metadata":{"task_class":"sql"}}},
		{"id":"3","type":"trace-create","body":{"id":"t","sessionId":"s","userId":"anna"}},{"id":"4","type":"observation-create","body":{"id":"o","traceId":"t","type":"SPAN"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := readIngestion(body)
		if err != nil {
			return
		}
		list, refused := gatherObservations(items)
		told := len(refused)
		for _, one := range list {
			told += len(one.items)
		}
		for _, item := range items {
			if kindOf(item.Type) == "" {
				told++
			}
		}
		if told != len(items) {
			t.Fatalf("%d items, %d answered", len(items), told)
		}
		fuzzItems(t, spansOf(list))
	})
}

func FuzzEventsInProtobuf(f *testing.F) {
	f.Add([]byte{0x0a, 18, 0x12, 7, 'o', 'u', 't', 'c', 'o', 'm', 'e', 0x22, 1, 's', 0x1a, 4, 0x08, 0x80, 0xea, 0x3d})
	f.Add([]byte{0x0a, 4, 0xc2, 0x3e, 1, '{'})
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := readProto(body)
		if err != nil {
			return
		}
		taking := fuzzTaking()
		for _, raw := range events {
			if !json.Valid(raw) {
				t.Fatalf("not JSON: %s", raw)
			}
			r, err := decode(raw)
			if err != nil {
				continue
			}
			if err := taking.take(r); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzConsents(f *testing.F) {
	f.Add([]byte(`[{"user_id":"anna","action":"withdrawn"},{"consent_id":"c","action":"given","consent":"full","at":"2026-11-20T10:00:00Z"}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := fuzzTaking().readConsents(body)
		if err != nil {
			if fault.Words(err) == "" {
				t.Fatalf("an error without words: %v", err)
			}
			return
		}
		for _, c := range list {
			if c.UserIDHash == "" && c.ConsentID == "" || c.UserIDHash == "anna" {
				t.Fatalf("%+v", c)
			}
		}
	})
}

func fuzzTaking() *taking {
	s := &Store{}
	p := s.policy()
	return &taking{terms: OpenTerms, now: noon, saltID: "1", salt: "salt", text: p.text, code: p.artifact}
}

// fuzzItems takes what was read: whatever it is, it becomes events that are
// JSON, or a refusal.
func fuzzItems(t *testing.T, items []found) {
	taking := fuzzTaking()
	threads := threadsOf(items, taking)
	for _, item := range items {
		switch {
		case item.err != nil:
		case item.record != nil:
			events, _ := taking.eventsOfRecord(item.record, threads)
			for _, raw := range events {
				fuzzEvent(t, taking, raw)
			}
		default:
			events, _ := taking.eventsOfSpan(item.span, threads)
			for _, raw := range events {
				fuzzEvent(t, taking, raw)
			}
		}
	}
}

func fuzzEvent(t *testing.T, taking *taking, raw []byte) {
	if !json.Valid(raw) {
		t.Fatalf("not JSON: %s", raw)
	}
	r, err := decode(raw)
	if err != nil {
		if strings.Contains(err.Error(), "JSON") || strings.Contains(err.Error(), "UTF-8") || strings.Contains(err.Error(), "twice") {
			t.Fatalf("%v: %s", err, raw)
		}
		return
	}
	if err := taking.take(r); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
}

// BenchmarkSpans is what happens to spans before PostgreSQL: read, map,
// redact. A span carries 1.5 KB of messages.
func BenchmarkSpans(b *testing.B) {
	spans := make([]string, 500)
	words := strings.Repeat("the total of every region is in row eight and two orders were shipped ", 10)
	for i := range spans {
		spans[i] = span(traceA, fmt.Sprintf("%015x1", i), spanB, "chat", noon.Add(-time.Second), noon, "",
			"gen_ai.operation.name", "chat", "gen_ai.provider.name", "openai", "gen_ai.request.model", "gpt-4o", "gen_ai.response.model", "gpt-4o-2024-11-20", "session.id", "s",
			"gen_ai.usage.input_tokens", 61, "gen_ai.usage.output_tokens", 17, "gen_ai.input.messages", `[{"role":"user","parts":[{"type":"text","content":"`+words+`"}]}]`,
			"gen_ai.output.messages", `[{"role":"assistant","parts":[{"type":"text","content":"`+words+`"}]}]`)
	}
	body := []byte(export("[]", spans...))
	items, err := readSpans(body, WireJSON)
	if err != nil {
		b.Fatal(err)
	}
	wire := protobufOf(items)
	for name, c := range map[string]struct {
		body []byte
		wire Wire
	}{"protobuf": {wire, WireProtobuf}, "json": {body, WireJSON}} {
		b.Run(name, func(b *testing.B) {
			taking := fuzzTaking()
			b.ReportAllocs()
			for b.Loop() {
				items, err := readSpans(c.body, c.wire)
				if err != nil || len(items) != 500 {
					b.Fatal(len(items), err)
				}
				threads := threadsOf(items, taking)
				for _, item := range items {
					if rows, _, err := taking.takeItem(item, threads); err != nil || len(rows) != 1 {
						b.Fatal(len(rows), err)
					}
				}
			}
			b.ReportMetric(500*float64(b.N)/b.Elapsed().Seconds(), "spans/s")
		})
	}
}

// protobufOf writes spans of plain attributes as the official encoder does.
func protobufOf(items []found) []byte {
	scope := &tracepb.ScopeSpans{}
	for _, item := range items {
		trace, _ := hex.DecodeString(item.span.traceID)
		id, _ := hex.DecodeString(item.span.spanID)
		one := &tracepb.Span{TraceId: trace, SpanId: id, Name: item.span.name, StartTimeUnixNano: item.span.start, EndTimeUnixNano: item.span.end}
		for _, a := range item.span.attrs {
			value := &commonpb.AnyValue{}
			switch v := a.value.(type) {
			case string:
				value.Value = &commonpb.AnyValue_StringValue{StringValue: v}
			case int64:
				value.Value = &commonpb.AnyValue_IntValue{IntValue: v}
			}
			one.Attributes = append(one.Attributes, &commonpb.KeyValue{Key: a.key, Value: value})
		}
		scope.Spans = append(scope.Spans, one)
	}
	body, _ := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{scope}}}})
	return body
}
