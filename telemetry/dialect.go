package telemetry

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// A dialect is the names one family of instrumentations gives to what an
// assistant did. These lists are the whole map: the first name that is there
// with a fitting value counts, the product's own names come first. The GenAI
// conventions are read as of semantic conventions 1.27 to 1.41 (gen_ai.system
// and gen_ai.provider.name), OpenInference as of its llm.* and
// openinference.span.kind, Traceloop as of traceloop.* and the older
// gen_ai.prompt.N, Langfuse as of langfuse.*.
var (
	sessionKeys    = []string{"session.id", "gen_ai.conversation.id", "langfuse.session.id", "traceloop.association.properties.session_id", "session_id", "sessionId", "thread.id"}
	taskClassKeys  = []string{"task_class", "task.class", "shopflow.task_class", "traceloop.association.properties.task_class", "langfuse.trace.metadata.task_class", "langfuse.observation.metadata.task_class"}
	personKeys     = []string{"user.id", "langfuse.user.id", "traceloop.association.properties.user_id", "enduser.id", "user_id", "userId"}
	consentIDKeys  = []string{"consent_id", "user.consent.id", "userConsentId"}
	modelKeys      = []string{"model_version", "model.version", "gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "langfuse.observation.model.name", "embedding.model_name", "ai.response.model", "ai.model.id"}
	providerKeys   = []string{"model_provider", "model.provider", "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider"}
	templateKeys   = []string{"shopflow.prompt.template_id", "prompt_template_id", "prompt.template_id"}
	evidenceKeys   = []string{"shopflow.evidence.version", "evidence_version"}
	routeKeys      = []string{"shopflow.answer.route", "route"}
	stageKeys      = []string{"shopflow.failure.stage", "first_failed_stage"}
	unsafeKeys     = []string{"shopflow.answer.unsafe_claim_served", "unsafe_claim_served"}
	requestKeys    = []string{"shopflow.request_id", "request_id", "request.id"}
	inputKeys      = []string{"gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt", "llm.usage.prompt_tokens", "ai.usage.promptTokens", "input_tokens"}
	cachedKeys     = []string{"gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.cached_input_tokens", "llm.token_count.prompt_details.cache_read", "cached_input_tokens"}
	outputKeys     = []string{"gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion", "llm.usage.completion_tokens", "ai.usage.completionTokens", "output_tokens"}
	toolKeys       = []string{"gen_ai.tool.name", "tool.name", "tool_name", "traceloop.entity.name", "ai.toolCall.name"}
	assistantKeys  = []string{"assistant_id", "gen_ai.agent.id", "service.name"}
	versionKeys    = []string{"assistant_version", "agent.version", "gen_ai.agent.version", "langfuse.release", "service.version"}
	envKeys        = []string{"env", "deployment.environment.name", "deployment.environment", "langfuse.environment"}
	deviceKeys     = []string{"device_type", "device.type"}
	connectionKeys = []string{"connection_type", "network.connection.type"}
	stopKeys       = []string{"stop_reason", "gen_ai.response.finish_reasons", "llm.finish_reason", "ai.response.finishReason"}
	errorKeys      = []string{"error.type", "exception.type"}
)

// role is what a span turns out to be.
type role int

const (
	roleSpan role = iota
	roleModel
	roleTool
	roleGate
	roleFeedback
)

// roleOf asks every dialect, the most definite answer first.
func roleOf(s *otelSpan, a *bag) role {
	if reacts(s.name, newBag(s.attrs)) {
		return roleFeedback
	}
	switch a.peek("gen_ai.operation.name") {
	case "chat", "text_completion", "completion", "generate_content", "message":
		return roleModel
	case "execute_tool":
		return roleTool
	case "":
	default:
		return a.gate()
	}
	kinds := []string{a.peek("openinference.span.kind"), a.peek("langfuse.observation.type"), a.peek("traceloop.span.kind"), a.peek("llm.request.type")}
	for _, kind := range kinds {
		switch strings.ToLower(kind) {
		case "llm", "generation", "chat", "completion":
			return roleModel
		case "tool":
			return roleTool
		}
	}
	switch {
	case strings.Join(kinds, "") != "":
		return a.gate()
	case a.peek("gen_ai.request.model") != "" && a.peek("gen_ai.provider.name", "gen_ai.system") != "":
		return roleModel
	case a.peek("gen_ai.tool.name", "tool_name", "ai.toolCall.name") != "":
		return roleTool
	}
	return a.gate()
}

// gate is a span that says what a gate decided and called no model.
func (a *bag) gate() role {
	_, said := a.yes(unsafeKeys...)
	if said && a.word(routes, routeKeys...) != "" && a.word(stages, stageKeys...) != "" {
		return roleGate
	}
	return roleSpan
}

var (
	routes  = []string{"serve", "shorten", "abstain"}
	actions = []string{"read", "write", "transform", "send"}
)

// eventsOfSpan turns a span into its event, and one more for each time a
// person gave feedback within it.
func (t *taking) eventsOfSpan(s *otelSpan, threads map[string]thread) ([]jsontext.Value, error) {
	at, err := s.check()
	if err != nil {
		return nil, err
	}
	a := newBag(s.attrs, s.origin.attrs)
	who := threads[s.traceID]
	if s.begun {
		return []jsontext.Value{t.beginning(s, a, at, who)}, nil
	}
	e := &draft{}
	t.common(e, a, who)
	e.text("trace_id", s.traceID)
	e.text("span_id", s.spanID)
	e.text("parent_span_id", s.parentID)
	kind := roleOf(s, a)
	if kind == roleFeedback {
		e.text("event_id", spanIdentity(s.traceID, s.spanID, "").String())
		e.text("event_time", at.Format(time.RFC3339Nano))
		e.text("request_id", s.parentID)
		t.feedback(e, s.name, a)
		return []jsontext.Value{e.done(leftOver(s, a, nil))}, nil
	}
	e.text("event_id", spanIdentity(s.traceID, s.spanID, "").String())
	e.text("event_time", at.Format(time.RFC3339Nano))
	failure := s.failure(a)
	switch kind {
	case roleModel:
		t.modelCall(e, s, a, failure)
	case roleTool:
		t.toolStep(e, s, a, failure)
	case roleGate:
		e.text("event_type", string(TypeGateTrace))
		e.text("request_id", cmp.Or(a.id(requestKeys...), s.spanID))
		a.measures(e, s)
	default:
		plainSpan(e, s, a, failure)
	}
	a.answerFields(e)
	var reactions []spanEvent
	rest := slices.DeleteFunc(slices.Clone(s.events), func(ev spanEvent) bool {
		if reacts(ev.name, newBag(ev.attrs)) {
			reactions = append(reactions, ev)
			return true
		}
		return false
	})
	events := []jsontext.Value{e.done(leftOver(s, a, rest))}
	for i, ev := range reactions {
		events = append(events, t.reaction(s, ev, i, at, kind, who))
	}
	return events, nil
}

// beginning is what is known of a span before it has ended: it speaks for the
// event that the span becomes.
func (t *taking) beginning(s *otelSpan, a *bag, at time.Time, who thread) jsontext.Value {
	e := &draft{}
	t.common(e, a, who)
	e.text("event_type", string(TypeSpan))
	e.text("trace_id", s.traceID)
	e.text("parent_span_id", s.spanID)
	e.text("event_id", spanIdentity(s.traceID, s.spanID, "begun").String())
	e.text("event_time", at.Format(time.RFC3339Nano))
	e.text("model_version", a.id(modelKeys...))
	said := a.conversation(s)
	e.text("prompt", said.prompt)
	e.list("context", said.context)
	rest := object{}
	rest.add("name", langfuseBegun)
	rest.add("begins", cut(s.name, 512))
	a.rest(&rest)
	return e.done(rest)
}

// check holds a span to what every other part relies on, and returns when it
// ended: an event that took time is stamped at its end.
func (s *otelSpan) check() (time.Time, error) {
	switch {
	case s.foreign: // ids were looked at where they came from
	case !validTraceID(s.traceID):
		return time.Time{}, errTraceID
	case !validSpanID(s.spanID):
		return time.Time{}, errSpanID
	case !validSpanID(s.parentID):
		s.parentID = ""
	}
	at := moment(max(s.start, s.end))
	if at.Before(firstTime) || !at.Before(lastTime) {
		return time.Time{}, errSpanTime
	}
	return at, nil
}

// spanIdentity is the id of the event a span becomes: the span sent again, in
// whatever encoding and company, is the same event. what tells apart several
// events of one span.
func spanIdentity(traceID, spanID, what string) uuid.UUID {
	return uuid.NewSHA1(identitySpace, []byte("span\x1f"+traceID+"\x1f"+spanID+"\x1f"+what))
}

// common are the fields every event can have.
func (t *taking) common(e *draft, a *bag, who thread) {
	e.text("session_id", who.session(a.id(sessionKeys...)))
	e.text("task_class", cmp.Or(a.id(taskClassKeys...), who.TaskClass))
	t.person(e, cmp.Or(a.text(personKeys...), who.person))
	e.text("consent_id", a.id(consentIDKeys...))
	e.text("consent", a.word([]string{string(ConsentNone), string(ConsentAggregate), string(ConsentRedacted), string(ConsentFull)}, "consent"))
	e.text("assistant_id", a.id(assistantKeys...))
	e.text("assistant_version", a.id(versionKeys...))
	e.text("env", a.id(envKeys...))
	e.text("device_type", a.id(deviceKeys...))
	e.text("connection_type", a.id(connectionKeys...))
	e.text("device_fingerprint", a.id("device_fingerprint"))
	e.text("experiment_id", a.id("experiment_id"))
	e.text("variant", a.id("variant"))
	e.text("case_id", a.id("case_id"))
	e.text("outcome", a.id("outcome"))
}

// person writes who it was: a hash as it stands, anything else hashed by us.
func (t *taking) person(e *draft, who string) {
	switch {
	case who == "":
	case len(who) <= maxID && (strings.Contains(who, "sha256") || strings.HasPrefix(who, "assay:")) && fits(who):
		e.text("user_id_hash", who)
	default:
		e.text("user_id_hash", "assay:"+t.keyed(who))
	}
}

// answerFields are the product's own attributes, on whatever span they stand.
func (a *bag) answerFields(e *draft) {
	e.text("model_version", a.id(modelKeys...))
	e.text("model_provider", a.id(providerKeys...))
	e.text("prompt_template_id", cmp.Or(a.id(templateKeys...), a.versioned("langfuse.observation.prompt.name", "langfuse.observation.prompt.version"), a.versioned("traceloop.prompt.key", "traceloop.prompt.version")))
	e.text("evidence_version", a.id(evidenceKeys...))
	e.text("route", a.word(routes, routeKeys...))
	e.text("first_failed_stage", a.id(stageKeys...))
	if unsafe, said := a.yes(unsafeKeys...); said {
		e.raw("unsafe_claim_served", strconv.AppendBool(nil, unsafe))
	}
	e.text("action_type", a.word(actions, "action.type", "action_type"))
	if n, ok := a.count("impact"); ok && n >= 1 && n <= 5 {
		e.number("impact", n)
	}
}

// measures are tokens and times.
func (a *bag) measures(e *draft, s *otelSpan) {
	usage := a.usage()
	for _, m := range []struct {
		field string
		keys  []string
		usage []string
	}{
		{"input_tokens", inputKeys, []string{"input", "prompt_tokens", "input_tokens"}},
		{"cached_input_tokens", cachedKeys, []string{"input_cached_tokens", "cache_read_input_tokens", "input_cache_read"}},
		{"output_tokens", outputKeys, []string{"output", "completion_tokens", "output_tokens"}},
	} {
		n, ok := a.count(m.keys...)
		for _, name := range m.usage {
			if !ok {
				n, ok = asCount(usage[name])
			}
		}
		if ok {
			e.number(m.field, n)
		}
	}
	took, ok := s.took()
	if !ok {
		return
	}
	e.float("latency_ms", took)
	e.float("total_ms", took)
	if ttft, ok := a.firstToken(s); ok && ttft <= took {
		e.float("ttft_ms", ttft)
	}
}

// took is how long the span lasted in milliseconds. A span that ends before
// it starts has a broken clock, and no duration.
func (s *otelSpan) took() (float64, bool) {
	if s.start == 0 || s.end < s.start {
		return 0, false
	}
	return float64(s.end-s.start) / 1e6, true
}

// firstToken finds how long the first token took, in milliseconds. The GenAI
// conventions count in seconds.
func (a *bag) firstToken(s *otelSpan) (float64, bool) {
	if ms, ok := a.float("ttft_ms", "ai.response.msToFirstChunk"); ok {
		return ms, true
	}
	if seconds, ok := a.float("gen_ai.client.operation.time_to_first_chunk", "gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token"); ok {
		return seconds * 1000, true
	}
	if at, err := time.Parse(time.RFC3339Nano, strings.Trim(a.text("langfuse.observation.completion_start_time"), `"`)); err == nil {
		if ms := float64(at.UnixNano()-int64(s.start)) / 1e6; s.start > 0 && ms >= 0 {
			return ms, true
		}
	}
	for _, ev := range s.events {
		switch ev.name {
		case "First Token Stream Event", "gen_ai.content.completion.chunk", "llm.content.completion.chunk", "ai.stream.firstChunk":
			if s.start > 0 && ev.at >= s.start {
				return float64(ev.at-s.start) / 1e6, true
			}
		}
	}
	return 0, false
}

// failure is what went wrong in a span.
type failure struct {
	happened      bool
	kind, message string
}

func (s *otelSpan) failure(a *bag) failure {
	f := failure{happened: s.failed || strings.EqualFold(a.peek("langfuse.observation.level"), "error"), message: s.message}
	f.kind = a.id(errorKeys...)
	f.message = cmp.Or(f.message, a.text("langfuse.observation.status_message", "exception.message", "error.message"))
	for _, ev := range s.events {
		if ev.name != "exception" {
			continue
		}
		thrown := newBag(ev.attrs)
		f.kind = cmp.Or(f.kind, thrown.id("exception.type"))
		f.message = cmp.Or(f.message, thrown.text("exception.message"))
	}
	f.happened = f.happened || f.kind != ""
	if f.happened {
		f.kind = cmp.Or(f.kind, "error")
	} else {
		f.message = ""
	}
	return f
}

func (f failure) write(e *draft) {
	if f.happened {
		e.text("error_type", f.kind)
		e.text("error_message", f.message)
	}
}

// modelCall is an answer, or the error there was instead of one.
func (t *taking) modelCall(e *draft, s *otelSpan, a *bag, f failure) {
	said := a.conversation(s)
	tokens, counted := a.count(outputKeys...)
	if f.happened && said.answer == "" && (!counted || tokens == 0) {
		e.text("event_type", string(TypeError))
		e.text("prompt", said.prompt)
	} else {
		e.text("event_type", string(TypeResponse))
		e.text("prompt", said.prompt)
		e.text("response", said.answer)
		e.list("context", said.context)
		if artifact := a.object("artifact", "shopflow.artifact"); artifact != nil {
			e.raw("artifact", artifact)
		}
	}
	f.write(e)
	e.text("request_id", cmp.Or(a.id(requestKeys...), s.spanID))
	e.text("stop_reason", cmp.Or(a.id(stopKeys...), said.stop))
	a.measures(e, s)
	if n, ok := a.count("retry_count", "gen_ai.request.retry_count"); ok {
		e.number("retry_count", n)
	}
}

// toolStep is a tool call: its name, a hash of its arguments, never the
// arguments themselves (A1.25), and what it returned. Equal results are no
// progress.
func (t *taking) toolStep(e *draft, s *otelSpan, a *bag, f failure) {
	e.text("event_type", string(TypeToolStep))
	e.text("tool_name", cmp.Or(a.id(toolKeys...), fit(strings.TrimPrefix(strings.TrimSuffix(s.name, ".tool"), "execute_tool ")), "tool"))
	params := a.written("gen_ai.tool.call.arguments", "tool.parameters", "input.value", "traceloop.entity.input", "langfuse.observation.input", "ai.toolCall.args")
	result := a.written("gen_ai.tool.call.result", "output.value", "traceloop.entity.output", "langfuse.observation.output", "ai.toolCall.result")
	e.text("params_hash", cmp.Or(a.id("params_hash"), t.fingerprint("", params)))
	e.text("progress_marker", cmp.Or(a.id("progress_marker", "result.hash"), t.fingerprint("result:", result)))
	e.text("response", result)
	status := "ok"
	if f.happened {
		status = "error"
	}
	e.text("result_status", cmp.Or(a.id("result_status"), status))
	f.write(e)
	if n, ok := a.count("retry_count"); ok {
		e.number("retry_count", n)
	}
	if took, ok := s.took(); ok {
		e.float("total_ms", took)
	}
}

// fingerprint tells texts apart without saying what they are.
func (t *taking) fingerprint(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + t.keyed(text)[:16]
}

// plainSpan is everything else. A run that failed as a whole is an error; a
// part of it that failed is marked, and the run tells whether it mattered.
func plainSpan(e *draft, s *otelSpan, a *bag, f failure) {
	kind := TypeSpan
	if f.happened && s.parentID == "" {
		kind = TypeError
	}
	e.text("event_type", string(kind))
	f.write(e)
	if f.happened {
		e.text("result_status", "error")
	}
	e.list("context", a.documents())
	e.text("request_id", a.id(requestKeys...))
	if took, ok := s.took(); ok {
		e.float("total_ms", took)
	}
}

// reaction is what a person said of an answer, as an event of the span.
func (t *taking) reaction(s *otelSpan, ev spanEvent, place int, at time.Time, kind role, who thread) jsontext.Value {
	if when := moment(ev.at); !when.Before(firstTime) && when.Before(lastTime) {
		at = when
	}
	a := newBag(ev.attrs, s.attrs, s.origin.attrs)
	e := &draft{}
	t.common(e, a, who)
	e.text("trace_id", s.traceID)
	e.text("parent_span_id", s.spanID)
	if kind == roleModel {
		e.text("request_id", cmp.Or(newBag(s.attrs).id(requestKeys...), s.spanID))
	}
	e.text("event_id", spanIdentity(s.traceID, s.spanID, fmt.Sprintf("%s %d %d", ev.name, ev.at, place)).String())
	e.text("event_time", at.Format(time.RFC3339Nano))
	own := newBag(ev.attrs)
	t.feedback(e, ev.name, own)
	rest := object{}
	rest.add("name", ev.name)
	own.rest(&rest)
	return e.done(rest)
}

// eventsOfRecord turns a log record into an event.
func (t *taking) eventsOfRecord(r *otelRecord, threads map[string]thread) ([]jsontext.Value, error) {
	body, _ := plain(r.body).(map[string]any)
	a := newBag(r.attrs, r.origin.attrs)
	name := cmp.Or(r.called(), a.text("event.name"))
	who := threads[r.traceID]
	session := who.session(a.id(sessionKeys...))
	told := newBag(r.attrs, fromMap(body))
	speaks := strings.HasPrefix(name, "gen_ai.") || reacts(name, told)
	if session == "" && !speaks {
		return nil, errNowhere
	}
	e := &draft{}
	t.common(e, a, who)
	if validTraceID(r.traceID) {
		e.text("trace_id", r.traceID)
	}
	if validSpanID(r.spanID) {
		e.text("parent_span_id", r.spanID)
	}
	rest := object{}
	rest.add("name", cmp.Or(name, "log"))
	if r.scope != "" {
		rest.add("scope", r.scope)
	}
	switch {
	case reacts(name, told):
		if validSpanID(r.spanID) {
			e.text("request_id", r.spanID)
		}
		t.feedback(e, name, told)
	case a.text("exception.type") != "" || name == "exception":
		e.text("event_type", string(TypeError))
		e.text("error_type", cmp.Or(a.id(errorKeys...), "exception"))
		e.text("error_message", a.text("exception.message"))
	default:
		e.text("event_type", string(TypeSpan))
		spokenRecord(e, name, r, a)
	}
	a.rest(&rest)
	e.text("event_time", t.timeOf(r).Format(time.RFC3339Nano))
	value := e.done(rest)
	id := identity(value)
	if r.at == 0 {
		id = uuid.New() // nothing tells it from another one like it
	}
	e.text("event_id", id.String())
	return []jsontext.Value{e.done(rest)}, nil
}

func (t *taking) timeOf(r *otelRecord) time.Time {
	if at := moment(r.at); !at.Before(firstTime) && at.Before(lastTime) {
		return at
	}
	return t.now
}

// spokenRecord keeps what a GenAI event or a log line says. Instructions to
// the model are not what anybody said to anybody.
func spokenRecord(e *draft, name string, r *otelRecord, a *bag) {
	text := textOf(plain(r.body))
	body, _ := plain(r.body).(map[string]any)
	switch name {
	case "gen_ai.system.message":
	case "gen_ai.user.message":
		e.text("prompt", text)
	case operationDetails:
		said := newBag(append(slices.Clone(r.attrs), fromMap(body)...)).conversation(&otelSpan{})
		e.text("prompt", said.prompt)
		e.text("response", said.answer)
		e.list("context", said.context)
	default:
		e.text("response", text)
	}
	if r.severity >= 17 { // ERROR
		e.text("result_status", "error")
	}
}

// --- what is left over ---

// leftOver is what a span said beside its fields: shown, never acted upon.
func leftOver(s *otelSpan, a *bag, events []spanEvent) object {
	rest := object{}
	rest.add("name", cut(s.name, 512))
	if s.scope != "" {
		rest.add("scope", cut(s.scope, 256))
	}
	if kind := spanKind(s.kind); kind != "" {
		rest.add("kind", kind)
	}
	if side := a.side(); side != "" {
		rest.add("side", side)
	}
	a.rest(&rest)
	var kept []any
	for _, ev := range events {
		if len(kept) == 20 || strings.HasPrefix(ev.name, "gen_ai.") || ev.name == "exception" {
			continue
		}
		own := object{}
		newBag(ev.attrs).rest(&own)
		one := map[string]any{"name": cut(ev.name, 256)}
		if ev.at > s.start && s.start > 0 {
			one["after_ms"] = math.Round(float64(ev.at-s.start)/1e3) / 1e3
		}
		for _, m := range own.members {
			one[m.key] = plain(m.value)
		}
		kept = append(kept, one)
	}
	if len(kept) > 0 {
		rest.add("events", kept)
	}
	return rest
}

func spanKind(kind int64) string {
	for name, n := range spanKinds {
		if n == kind && n > 0 {
			return strings.ToLower(strings.TrimPrefix(name, "SPAN_KIND_"))
		}
	}
	return ""
}

// side says which clock the span was measured by, where its program tells.
func (a *bag) side() Side {
	if side := a.word([]string{Desktop, Cloud}, "side"); side != "" {
		return side
	}
	if a.peek("cloud.provider", "k8s.pod.name", "faas.name", "cloud.platform") != "" {
		return Cloud
	}
	platform := strings.ToLower(a.peek("os.type", "platform"))
	for _, desktop := range []string{"windows", "darwin", "macos"} {
		if strings.HasPrefix(platform, desktop) {
			return Desktop
		}
	}
	return ""
}

// --- writing an event ---

// draft is an event being written as JSON, so that it goes through the same
// checks as any event that was sent.
type draft struct{ b []byte }

func (e *draft) raw(name string, value []byte) {
	if len(e.b) == 0 {
		e.b = append(e.b, '{')
	} else {
		e.b = append(e.b, ',')
	}
	e.b = append(append(appendText(e.b, name), ':'), value...)
}

func (e *draft) text(name, value string) {
	if value != "" {
		e.raw(name, appendText(nil, cut(clean(value), maxText)))
	}
}

func (e *draft) number(name string, n int64) { e.raw(name, strconv.AppendInt(nil, n, 10)) }

func (e *draft) float(name string, f float64) {
	if f >= 0 && f < 1<<50 {
		e.raw(name, strconv.AppendFloat(nil, f, 'f', 3, 64))
	}
}

func (e *draft) list(name string, texts []string) {
	if len(texts) == 0 {
		return
	}
	room := maxText
	short := make([]string, 0, min(len(texts), maxContexts))
	for _, s := range texts[:min(len(texts), maxContexts)] {
		s = cut(clean(s), room)
		room -= len(s)
		short = append(short, s)
	}
	value, _ := json.Marshal(short)
	e.raw(name, value)
}

// done closes the event with its attributes and leaves the draft open.
func (e *draft) done(rest object) jsontext.Value {
	b := slices.Clone(e.b)
	b = append(b, `,"attributes":`...)
	b = append(b, rest.json()...)
	return append(b, '}')
}
