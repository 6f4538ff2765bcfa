package telemetry

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
)

// Response is one answer of an assistant with everything that may be read
// when it is judged: what labeling snapshots with an item and a validator
// checks. Text is redacted, and empty where it was not kept.
type Response struct {
	EventID           uuid.UUID
	SessionID         string
	RequestID         string
	CaseID            string
	TraceID           string
	TaskClass         string
	ModelVersion      string
	ModelProvider     string
	PromptTemplateID  string
	EvidenceVersion   string
	Env               string
	AssistantID       string
	AssistantVersion  string
	Route             string // serve, shorten, abstain, or ""
	FirstFailedStage  string
	ActionType        string
	Outcome           string
	Impact            int // 1 to 5; 0 when the event named none
	UnsafeClaimServed bool
	EffectiveTime     time.Time
	EventTime         time.Time
	ReceivedAt        time.Time
	Consent           Consent
	HasText           bool // there is text here that people may read
	ScrubPolicy       string
	KeepProbability   float64 // of an unflagged session's text
	Prompt            string
	Response          string
	Context           []string
	Artifact          json.RawMessage // an object with "kind", or nil
	ArtifactKind      string
	ArtifactRedacted  bool // a failing check may be redaction's fault
	InputTokens       *int64
	OutputTokens      *int64
	TTFTMS            *int64
	LatencyMS         *int64
	TotalMS           *int64
	Around            []TimelineEvent // the session around it, in order
}

// aroundResponse is how many events of its session a response comes with.
const aroundResponse = 200

// Response returns one response and its session around it. NotFound when
// there is none of this id, or the actor may not see its session.
func (s *Store) Response(ctx context.Context, actor auth.Actor, eventID uuid.UUID) (Response, error) {
	if err := mayRead(actor); err != nil {
		return Response{}, err
	}
	found, err := s.locate(ctx, `event_id = ?`, eventID)
	if err != nil {
		return Response{}, err
	}
	return s.responseAt(ctx, actor, found, func(e storedEvent) bool { return e.EventID == eventID })
}

// ResponseByRequest returns the response of a session with the request id.
func (s *Store) ResponseByRequest(ctx context.Context, actor auth.Actor, sessionID, requestID string) (Response, error) {
	if err := mayRead(actor); err != nil {
		return Response{}, err
	}
	sessionID, err := s.current(ctx, sessionID)
	if err != nil {
		return Response{}, err
	}
	found, err := s.locate(ctx, `session_id = ? AND request_id = ?`, sessionID, requestID)
	if err != nil {
		return Response{}, err
	}
	return s.responseAt(ctx, actor, found, func(e storedEvent) bool { return e.RequestID == requestID })
}

// mayRead lets in who may see sessions and who turns labels or checks of them
// into records.
func mayRead(actor auth.Actor) error {
	if actor.May(auth.RunWork) || actor.May(auth.Label) || actor.May(auth.ImportLabels) {
		return nil
	}
	return actor.Require(auth.SeeSessions)
}

var errNoResponse = fault.Say(fault.NotFound, "There is no such response. It may have expired, or not have arrived yet.")

var errNoEvent = fault.Say(fault.NotFound, "There is no such event. It may have expired, or not have arrived yet.")

// located says where in the store a response is.
type located struct {
	EventID   uuid.UUID
	SessionID string
	At        time.Time
}

func (s *Store) locate(ctx context.Context, where string, args ...any) (located, error) {
	var l located
	err := s.eachRow(ctx, func(scan func(...any) error) error { return scan(&l.EventID, &l.SessionID, &l.At) }, `
		SELECT event_id, session_id, effective_time
		FROM `+allFacts+`
		WHERE `+where+` AND event_type IN ('assistant_response', 'interaction')
		ORDER BY effective_time DESC, seq DESC
		LIMIT 1`, args...)
	if err == nil && l.SessionID == "" {
		err = errNoResponse
	}
	return l, err
}

func (s *Store) responseAt(ctx context.Context, actor auth.Actor, at located, is func(storedEvent) bool) (Response, error) {
	if err := s.seeSession(ctx, actor, at.SessionID); err != nil {
		return Response{}, err
	}
	const reach = 24 * time.Hour
	events, err := s.events(ctx, `session_hash = xxHash64(?) AND session_id = ? AND effective_time BETWEEN ? AND ?
		ORDER BY abs(dateDiff('millisecond', effective_time, ?)), seq
		LIMIT ?`, at.SessionID, at.SessionID, at.At.Add(-reach), at.At.Add(reach), at.At, aroundResponse)
	if err != nil {
		return Response{}, err
	}
	sortEvents(events)
	i := slices.IndexFunc(events, func(e storedEvent) bool { return e.EventType.Answers() && is(e) })
	if i < 0 {
		return Response{}, errNoResponse
	}
	r := events[i].response(s.now())
	for _, e := range events {
		r.Around = append(r.Around, e.timeline(s.now()))
	}
	return r, nil
}

// Responses returns those of the ids there are, without their sessions, in no
// order; where an event named no impact, with the default of its class and action.
func (s *Store) Responses(ctx context.Context, actor auth.Actor, ids []uuid.UUID) ([]Response, error) {
	if err := mayRead(actor); err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, nil
	}
	defaults, err := s.impacts(ctx)
	if err != nil {
		return nil, err
	}
	var list []Response
	for some := range slices.Chunk(ids, 1000) {
		events, err := s.events(ctx, `(session_hash, effective_time, event_id) IN (
			SELECT session_hash, effective_time, event_id
			FROM `+allFacts+`
			WHERE event_id IN (?) AND event_type IN ('assistant_response', 'interaction'))`, some)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if err := s.seeSession(ctx, actor, e.SessionID); err == nil {
				r := e.response(s.now())
				r.Impact = cmp.Or(r.Impact, defaults.of(r.TaskClass, r.ActionType))
				list = append(list, r)
			}
		}
	}
	return list, nil
}

// Request names a response by the session and the request it answered.
type Request struct{ SessionID, RequestID string }

// ResponsesByRequest returns those of the requests whose responses are here,
// as Responses does: by the names they were asked for.
func (s *Store) ResponsesByRequest(ctx context.Context, actor auth.Actor, requests []Request) (map[Request]Response, error) {
	if err := mayRead(actor); err != nil {
		return nil, err
	}
	found := map[Request]Response{}
	for some := range slices.Chunk(requests, 1000) {
		var sessions, ids []string
		for _, r := range some {
			sessions, ids = append(sessions, r.SessionID), append(ids, r.RequestID)
		}
		names, err := s.renamed(ctx, slices.Clone(sessions))
		if err != nil {
			return nil, err
		}
		asked := map[Request][]Request{} // by the name the session has now
		for i, r := range some {
			now := Request{cmp.Or(names[r.SessionID], r.SessionID), r.RequestID}
			sessions[i], asked[now] = now.SessionID, append(asked[now], r)
		}
		var events []uuid.UUID
		named := map[uuid.UUID]Request{}
		var event uuid.UUID
		var at Request
		err = s.eachRow(ctx, func(scan func(...any) error) error {
			if err := scan(&event, &at.SessionID, &at.RequestID); err != nil {
				return err
			}
			if len(asked[at]) > 0 {
				events, named[event] = append(events, event), at
			}
			return nil
		}, `
			SELECT argMax(event_id, (effective_time, seq)), session_id, request_id
			FROM `+allFacts+`
			WHERE session_hash IN (SELECT xxHash64(arrayJoin(?))) AND session_id IN (?) AND request_id IN (?)
			  AND event_type IN ('assistant_response', 'interaction')
			GROUP BY session_id, request_id`, sessions, sessions, ids)
		if err != nil {
			return nil, err
		}
		list, err := s.Responses(ctx, actor, events)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			for _, name := range asked[named[r.EventID]] {
				found[name] = r
			}
		}
	}
	return found, nil
}

// seeSession lets a labeler see only sessions of items they hold or labeled.
// What they may not see does not exist for them.
func (s *Store) seeSession(ctx context.Context, actor auth.Actor, sessionID string) error {
	if !onlyLabels(actor) {
		unread, err := s.unread(ctx, actor)
		if err == nil && slices.Contains(unread, sessionID) {
			err = fault.Say(fault.Denied, "You hold an item of this session and have not labeled it. Label it or give it back, then read the session.")
		}
		return err
	}
	if s.Visible != nil {
		visible, err := s.Visible(ctx, actor, sessionID)
		if err != nil || visible {
			return err
		}
	}
	return fault.Say(fault.NotFound, "There is no such session among those you hold or labeled.")
}

// unread lists the sessions that the actor labels before they read them.
func (s *Store) unread(ctx context.Context, actor auth.Actor) ([]string, error) {
	if s.UnreadSessions == nil || actor.Kind != auth.Person || !actor.May(auth.Label) {
		return nil, nil
	}
	return s.UnreadSessions(ctx, actor)
}

// onlyLabels reports whether the actor reads sessions by the role of a
// labeler alone.
func onlyLabels(actor auth.Actor) bool {
	if actor.Kind != auth.Person || !actor.Holds(auth.Labeler) {
		return false
	}
	for _, role := range actor.Roles {
		if role != auth.Labeler && (auth.Actor{Kind: auth.Person, Roles: []auth.Role{role}}).May(auth.SeeSessions) {
			return false
		}
	}
	return true
}

// storedEvent is an event as ClickHouse keeps it.
type storedEvent struct {
	row
	context string
}

// events reads whole events. where may end in an order and a limit.
func (s *Store) events(ctx context.Context, where string, args ...any) ([]storedEvent, error) {
	var list []storedEvent
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var e storedEvent
		var artifact, attributes string
		err := scan(
			&e.EventID, (*string)(&e.EventType), &e.EventTime, &e.Effective, &e.Received, &e.Seq, &e.KeyID,
			&e.SessionID, &e.TraceID, &e.SpanID, &e.ParentSpanID, &e.RequestID, &e.CaseID,
			&e.AssistantID, &e.AssistantVersion, &e.ModelVersion, &e.ModelProvider, &e.PromptTemplateID, &e.EvidenceVersion,
			&e.TaskClass, &e.Env, (*string)(&e.Consent), &e.DeviceType, &e.ConnectionType, &e.ExperimentID, &e.Variant, &e.Outcome,
			&e.InputTokens, &e.CachedInputTokens, &e.OutputTokens, &e.PromptTokens, &e.TTFTMS, &e.LatencyMS, &e.TotalMS,
			&e.Route, &e.FirstFailedStage, &e.UnsafeClaimServed, &e.ActionType, &e.Impact,
			&e.ExplicitFeedback, &e.Reason, &e.CorrectionSource, &e.CorrectionDelayMS,
			&e.ToolName, &e.ParamsHash, &e.ProgressMarker, &e.ResultStatus, &e.RetryCount, &e.StopReason, &e.ErrorType,
			&e.ArtifactKind, &e.ArtifactRedacted, &e.PromptChars, &e.ResponseChars, &e.ScrubPolicy,
			&e.KeepU, &e.Keep, &e.KeepFlagged, &e.TextKept, &e.Quarantined, &e.ExpiresAt, &e.TextExpiresAt, &e.RawPayloadRef,
			&e.Prompt, &e.Response, &e.context, &e.Correction, &e.ErrorMessage, &artifact, &attributes)
		e.Artifact, e.Attributes = json.RawMessage(artifact), json.RawMessage(attributes)
		list = append(list, e)
		return err
	}, `
		SELECT event_id, event_type, event_time, effective_time, server_ingest_time, seq, key_id,
		       session_id, trace_id, span_id, parent_span_id, request_id, case_id,
		       assistant_id, assistant_version, model_version, model_provider, prompt_template_id, evidence_version,
		       task_class, env, consent, device_type, connection_type, experiment_id, variant, outcome,
		       input_tokens, cached_input_tokens, output_tokens, prompt_tokens, ttft_ms, latency_ms, total_ms,
		       route, first_failed_stage, unsafe_claim_served, action_type, impact,
		       explicit_feedback, reason, correction_source, correction_delay_ms,
		       tool_name, params_hash, progress_marker, result_status, retry_count, stop_reason, error_type,
		       artifact_kind, artifact_redacted, prompt_chars, response_chars, scrub_policy,
		       keep_u, keep, keep_flagged, text_kept, quarantined, expires_at, text_expires_at, raw_payload_ref,
		       prompt, response, context, correction, error_message, artifact, attributes
		FROM `+allEvents+`
		WHERE `+where, args...)
	return list, err
}

// sortEvents puts events in order of effective time, then arrival.
func sortEvents(events []storedEvent) {
	slices.SortStableFunc(events, func(a, b storedEvent) int {
		if c := a.Effective.Compare(b.Effective); c != 0 {
			return c
		}
		return int(min(max(int64(a.Seq)-int64(b.Seq), -1), 1))
	})
}

// hideExpired empties text whose time is over but which ClickHouse has not
// swept yet.
func (e *storedEvent) hideExpired(now time.Time) {
	if !e.TextExpiresAt.After(now) {
		e.dropText()
		e.context, e.Attributes = "", nil
	}
	if e.context != "" {
		json.Unmarshal([]byte(e.context), &e.Context)
	}
}

func (e storedEvent) response(now time.Time) Response {
	e.hideExpired(now)
	r := Response{
		EventID: e.EventID, SessionID: e.SessionID, RequestID: e.RequestID, CaseID: e.CaseID, TraceID: e.TraceID,
		TaskClass: e.TaskClass, ModelVersion: e.ModelVersion, ModelProvider: e.ModelProvider, PromptTemplateID: e.PromptTemplateID,
		Env: e.Env, AssistantID: e.AssistantID, AssistantVersion: e.AssistantVersion,
		Route: e.Route, FirstFailedStage: e.FirstFailedStage, ActionType: e.ActionType, Outcome: e.Outcome,
		UnsafeClaimServed: e.UnsafeClaimServed != nil && *e.UnsafeClaimServed,
		EffectiveTime:     e.Effective, EventTime: e.EventTime, ReceivedAt: e.Received,
		Consent: e.Consent, HasText: e.Response != "" && e.Consent.AllowsText(), ScrubPolicy: e.ScrubPolicy, KeepProbability: e.Keep,
		Prompt: e.Prompt, Response: e.Response, Context: e.Context,
		ArtifactKind: e.ArtifactKind, ArtifactRedacted: e.ArtifactRedacted,
		InputTokens: e.InputTokens, OutputTokens: e.OutputTokens, TTFTMS: e.TTFTMS, LatencyMS: e.LatencyMS, TotalMS: e.TotalMS,
	}
	if len(e.Artifact) > 0 {
		r.Artifact = e.Artifact
	}
	if e.EvidenceVersion != nil {
		r.EvidenceVersion = *e.EvidenceVersion
	}
	if e.Impact != nil {
		r.Impact = int(*e.Impact)
	}
	return r
}
