package telemetry

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// EventType says what an event records.
type EventType string

// The event types.
const (
	TypeExposure    EventType = "exposure"
	TypeInteraction EventType = "interaction"
	TypeResponse    EventType = "assistant_response"
	TypeError       EventType = "error"
	TypeFeedback    EventType = "feedback"
	TypeCorrection  EventType = "correction"
	TypeOutcome     EventType = "outcome"
	TypeToolStep    EventType = "tool_step"
	TypeGateTrace   EventType = "gate_trace"
	TypeSpan        EventType = "span"
)

// typeMoved marks where an event was before its session had its name. Nobody
// can send it, and no reader sees it.
const typeMoved EventType = "moved"

// EventTypes lists every type.
var EventTypes = []EventType{
	TypeExposure, TypeInteraction, TypeResponse, TypeError, TypeFeedback,
	TypeCorrection, TypeOutcome, TypeToolStep, TypeGateTrace, TypeSpan,
}

// Answers reports whether events of this type are responses: the unit that
// is labeled and validated.
func (t EventType) Answers() bool { return t == TypeResponse || t == TypeInteraction }

// Consent is what the person behind an event allowed.
type Consent string

// The consent classes, from least to most.
const (
	ConsentNone      Consent = "none"      // no text, no hash of the person
	ConsentAggregate Consent = "aggregate" // no text
	ConsentRedacted  Consent = "redacted"  // redacted text
	ConsentFull      Consent = "full"      // redacted text here; the raw text only ever sealed
)

// AllowsText reports whether any text may be kept.
func (c Consent) AllowsText() bool { return c == ConsentRedacted || c == ConsentFull }

// Capture is how much of a text is kept where consent allows some.
type Capture string

// The capture modes.
const (
	CaptureHash     Capture = "hash"     // a keyed hash of it, no text
	CaptureRedacted Capture = "redacted" // the redacted text
	CaptureRaw      Capture = "raw"      // the redacted text, and the raw one sealed apart
)

// Event is one telemetry record as its sender meant it. The empty string and
// the nil pointer mean that the sender did not say.
type Event struct {
	EventID           uuid.UUID
	EventType         EventType
	EventTime         time.Time // by the sender's clock
	SessionID         string
	TraceID           string
	SpanID            string
	ParentSpanID      string
	RequestID         string
	CaseID            string
	AssistantID       string
	AssistantVersion  string
	ModelVersion      string
	ModelProvider     string
	PromptTemplateID  string
	EvidenceVersion   *string
	TaskClass         string
	Env               string
	UserIDHash        *string
	ConsentID         string
	Consent           Consent
	DeviceFingerprint string
	DeviceType        string
	ConnectionType    string
	ExperimentID      *string
	Variant           *string
	Outcome           string
	Prompt            string
	Response          string
	Context           []string
	Artifact          json.RawMessage // an object with "kind", or nil
	InputTokens       *int64
	CachedInputTokens *int64
	OutputTokens      *int64
	PromptTokens      *int64
	TTFTMS            *int64
	LatencyMS         *int64
	TotalMS           *int64
	Route             string
	FirstFailedStage  string
	UnsafeClaimServed *bool
	ActionType        string
	Impact            *int64
	ExplicitFeedback  string // "up", "down", or a rating "1" to "5"
	Reason            string
	Correction        string
	CorrectionSource  string // "fix" or "edit"
	CorrectionDelayMS *int64
	ToolName          string
	ParamsHash        string
	ProgressMarker    string
	ResultStatus      string
	RetryCount        *int64
	StopReason        string
	ErrorType         string
	ErrorMessage      string
	Attributes        json.RawMessage // an object, or nil
	rawUser           string          // an unhashed user id that a client failed to remove; hashed, never stored
	nameless          bool            // no session_id was sent
}

// stamps is what the product adds to an event when it takes it.
type stamps struct {
	Received      time.Time // server_ingest_time
	Effective     time.Time // after the skew rule (A2.7)
	Seq           uint64    // order of arrival: batch, then place in it
	KeyID         int64
	Capture       Capture
	ScrubPolicy   string
	SaltID        string
	KeepU         float64
	Keep          float64 // probability that text of an unflagged session is kept
	KeepFlagged   float64 // the same for a flagged one
	TextKept      bool
	Quarantined   bool
	ExpiresAt     time.Time
	TextExpiresAt time.Time
	PromptChars   int64
	ResponseChars int64
	PromptSketch  uint64 // alike prompts have alike bits; 0 when there was none
	ArtifactKind  string
	// ArtifactRedacted: something in it was private and is gone, so a check of
	// it may fail for that reason alone.
	ArtifactRedacted bool
	RawPayloadRef    string // where the raw text lies sealed; "" when it does not
	PromptHash       string // keyed, where only hashes are kept; "" otherwise
	ResponseHash     string
	CaptureRate      int64 // the decision about its class's rate; 0: its key's own terms
}

// row is an event as it is stored.
type row struct {
	Event
	stamps
	raw []byte // what will be sealed when the event is committed; never stored
}

// Rating returns the rating in explicit_feedback, 1 to 5.
func (e *Event) rating() (int, bool) {
	if len(e.ExplicitFeedback) == 1 && e.ExplicitFeedback[0] >= '1' && e.ExplicitFeedback[0] <= '5' {
		return int(e.ExplicitFeedback[0] - '0'), true
	}
	return 0, false
}

// negative reports whether the explicit feedback is bad: thumbs down or a
// rating of one or two out of five.
func negative(feedback string) bool {
	return feedback == "down" || feedback == "1" || feedback == "2"
}
