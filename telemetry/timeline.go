package telemetry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Kind is the lane of the timeline an event is drawn in.
type Kind = string

// The kinds, in the order of the lanes: what ran on the person's machine
// first, then what ran in the cloud.
const (
	KindExposure   Kind = "exposure"
	KindPrompt     Kind = "prompt"
	KindTool       Kind = "tool"
	KindFile       Kind = "file"
	KindFeedback   Kind = "feedback"
	KindCorrection Kind = "correction"
	KindOutcome    Kind = "outcome"
	KindModel      Kind = "model"
	KindValidator  Kind = "validator"
	KindGate       Kind = "gate"
	KindError      Kind = "error"
	KindSpan       Kind = "span"
)

// Side is the clock an event's time was read from.
type Side = string

// The sides.
const (
	Desktop Side = "desktop"
	Cloud   Side = "cloud"
)

// TimelineEvent is an event as the timeline and the transcript show it. All
// text is what a person or a model wrote, redacted: text, never markup.
type TimelineEvent struct {
	EventID          uuid.UUID
	Type             EventType
	Kind             Kind
	Side             Side
	At               time.Time // effective; of what took time, its end
	EventTime        time.Time
	ReceivedAt       time.Time
	What             string // tool_name, model version, stage, "up", …
	Detail           string // one line
	Prompt           string // of a response: what the person asked
	Text             string // the answer, the correction, the error message
	Context          []string
	Artifact         json.RawMessage
	Attributes       json.RawMessage
	TookMS           *int64
	TTFTMS           *int64
	DelayMS          *int64 // of a correction: since the response, by the client's clock
	Failed           bool
	Stage            string // first_failed_stage
	Route            string
	UnsafeServed     bool
	RequestID        string
	TraceID          string
	SpanID           string
	ParentSpanID     string
	TaskClass        string
	ModelVersion     string
	PromptTemplateID string
	EvidenceVersion  string
	Consent          Consent
	HasText          bool
	TextSent         bool // there was text, kept or not
	Sealed           bool // its raw text lies in the vault, for a reveal
	Quarantined      bool
	InputTokens      *int64
	CachedTokens     *int64
	OutputTokens     *int64
}

// Start is when what took time began; At for the rest.
func (e TimelineEvent) Start() time.Time {
	if e.TookMS == nil {
		return e.At
	}
	return e.At.Add(-time.Duration(*e.TookMS) * time.Millisecond)
}

// FirstToken is when the first token came, false when that is not known.
func (e TimelineEvent) FirstToken() (time.Time, bool) {
	if e.TTFTMS == nil || e.TookMS == nil || *e.TTFTMS > *e.TookMS {
		return time.Time{}, false
	}
	return e.Start().Add(time.Duration(*e.TTFTMS) * time.Millisecond), true
}

// IsResponse reports whether this is what gets labeled.
func (e TimelineEvent) IsResponse() bool { return e.Type.Answers() }

func (e storedEvent) timeline(now time.Time) TimelineEvent {
	e.hideExpired(now)
	t := TimelineEvent{
		EventID: e.EventID, Type: e.EventType, At: e.Effective, EventTime: e.EventTime, ReceivedAt: e.Received,
		Prompt: e.Prompt, Text: cmp.Or(e.Response, e.Correction, e.ErrorMessage), Context: e.Context,
		TTFTMS: e.TTFTMS, DelayMS: e.CorrectionDelayMS, TookMS: firstOf(e.TotalMS, e.LatencyMS), Failed: e.failed(),
		Stage: e.FirstFailedStage, Route: e.Route, UnsafeServed: e.UnsafeClaimServed != nil && *e.UnsafeClaimServed,
		RequestID: e.RequestID, TraceID: e.TraceID, SpanID: e.SpanID, ParentSpanID: e.ParentSpanID,
		TaskClass: e.TaskClass, ModelVersion: e.ModelVersion, PromptTemplateID: e.PromptTemplateID,
		Consent: e.Consent, Quarantined: e.Quarantined,
		InputTokens: firstOf(e.InputTokens, e.PromptTokens), CachedTokens: e.CachedInputTokens, OutputTokens: e.OutputTokens,
	}
	t.TextSent = e.PromptChars+e.ResponseChars > 0
	t.HasText = t.Prompt != "" || t.Text != ""
	t.Sealed = e.RawPayloadRef != "" && e.TextExpiresAt.After(now)
	if len(e.Artifact) > 0 {
		t.Artifact = e.Artifact
	}
	if len(e.Attributes) > 0 {
		t.Attributes = e.Attributes
	}
	if e.EvidenceVersion != nil {
		t.EvidenceVersion = *e.EvidenceVersion
	}
	t.Kind, t.Side = e.lane()
	t.What, t.Detail = e.words()
	return t
}

func firstOf(values ...*int64) *int64 {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}

func (e storedEvent) failed() bool {
	return e.EventType == TypeError || e.ErrorType != "" || failedOutcome(e.Outcome) || failedOutcome(e.ResultStatus) ||
		e.UnsafeClaimServed != nil && *e.UnsafeClaimServed || failedStage(e.FirstFailedStage)
}

func failedStage(stage string) bool { return stage != "" && stage != "passed" }

func (e storedEvent) lane() (Kind, Side) {
	kind, side := KindSpan, Cloud
	switch e.EventType {
	case TypeResponse, TypeInteraction:
		kind = KindModel
	case TypeGateTrace:
		kind = KindGate
	case TypeError:
		kind = KindError
	case TypeToolStep:
		kind, side = KindTool, Desktop
	case TypeFeedback:
		kind, side = KindFeedback, Desktop
	case TypeCorrection:
		kind, side = KindCorrection, Desktop
	case TypeOutcome:
		kind, side = KindOutcome, Desktop
	case TypeExposure:
		kind, side = KindExposure, Desktop
	}
	if (kind == KindTool || kind == KindSpan) && bytes.Contains(e.Attributes, []byte(`"file.path"`)) {
		kind, side = KindFile, Desktop
	}
	var said struct {
		Side Side `json:"side"`
	}
	if bytes.Contains(e.Attributes, []byte(`"side"`)) && json.Unmarshal(e.Attributes, &said) == nil && (said.Side == Desktop || said.Side == Cloud) {
		side = said.Side
	}
	return kind, side
}

// words says in a name and a line what the event was.
func (e storedEvent) words() (what, detail string) {
	switch e.EventType {
	case TypeResponse, TypeInteraction:
		return cmp.Or(e.ModelVersion, "model"), e.tokens()
	case TypeGateTrace:
		return cmp.Or(e.FirstFailedStage, "gate"), e.gateWords()
	case TypeError:
		return cmp.Or(e.ErrorType, "error"), oneLine(e.ErrorMessage)
	case TypeToolStep:
		return cmp.Or(e.ToolName, "tool"), list(e.ProgressMarker, e.ResultStatus, e.retries(), e.StopReason)
	case TypeFeedback:
		return "feedback", list(e.ExplicitFeedback, e.Reason)
	case TypeCorrection:
		return "correction", list(e.CorrectionSource, oneLine(e.Correction))
	case TypeOutcome:
		return "outcome", e.Outcome
	case TypeExposure:
		var experiment, variant string
		if e.ExperimentID != nil {
			experiment = *e.ExperimentID
		}
		if e.Variant != nil {
			variant = "variant " + *e.Variant
		}
		return "exposure", list(experiment, variant)
	}
	var said struct {
		Name string `json:"name"`
	}
	json.Unmarshal(e.Attributes, &said)
	return cmp.Or(e.ToolName, said.Name, "span"), list(e.ResultStatus, e.ActionType)
}

func (e storedEvent) tokens() string {
	in, out := firstOf(e.InputTokens, e.PromptTokens), e.OutputTokens
	words := ""
	if in != nil {
		words = fmt.Sprintf("%d in", *in)
	}
	if out != nil {
		words = list(words, fmt.Sprintf("%d out", *out))
	}
	return list(words, e.Route)
}

func (e storedEvent) gateWords() string {
	words := e.Route
	if e.UnsafeClaimServed != nil && *e.UnsafeClaimServed {
		words = list(words, "unsafe claim served")
	}
	return words
}

func (e storedEvent) retries() string {
	if e.RetryCount == nil || *e.RetryCount == 0 {
		return ""
	}
	return fmt.Sprintf("%d retries", *e.RetryCount)
}

func list(words ...string) string {
	said := words[:0:0]
	for _, w := range words {
		if w != "" {
			said = append(said, w)
		}
	}
	return strings.Join(said, ", ")
}

// oneLine is the beginning of a text on one line.
func oneLine(text string) string {
	return cut(strings.Join(strings.Fields(cut(text, 400)), " "), 200)
}
