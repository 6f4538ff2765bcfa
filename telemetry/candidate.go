package telemetry

import (
	"time"

	"github.com/google/uuid"
)

// Reason is why a response deserves a look: the name of a flag.
type Reason string

// The reasons. Uncertain and Random are given by labeling's sampling, never
// by this package.
const (
	NegativeFeedback Reason = "negative_feedback"
	UnsafeClaim      Reason = "unsafe_claim"
	ValidatorFailed  Reason = "validator_failed"
	Correction       Reason = "correction"
	Abandonment      Reason = "abandonment"
	Requery          Reason = "requery"
	Failed           Reason = "error"
	StalledTools     Reason = "stalled_tools"
	Uncertain        Reason = "uncertain"
	Random           Reason = "random"
)

// Reasons lists every reason, the gravest first.
var Reasons = []Reason{
	UnsafeClaim, ValidatorFailed, NegativeFeedback, Correction, Abandonment,
	Requery, Failed, StalledTools, Uncertain, Random,
}

// PriorityClass orders responses by harm; with the task class it is the
// stratum a response is sampled in.
type PriorityClass string

// The priority classes, the gravest first.
const (
	Safety      PriorityClass = "safety"
	Negative    PriorityClass = "negative"
	Implicit    PriorityClass = "implicit"
	RandomClass PriorityClass = "random"
)

// PriorityClasses lists them in order of harm.
var PriorityClasses = []PriorityClass{Safety, Negative, Implicit, RandomClass}

// Rank is 0 for Safety and grows as harm falls.
func (c PriorityClass) Rank() int {
	for i, class := range PriorityClasses {
		if c == class {
			return i
		}
	}
	return len(PriorityClasses)
}

// Flag is one reason with where it comes from. Flags are provenance: they are
// never lost, and a response may carry several.
type Flag struct {
	Reason        Reason
	At            time.Time // effective time of what raised it
	Detail        string    // "down, incorrect", "fix", "edit after 34 s", a validator's name
	SourceEventID uuid.UUID // the event that raised it; the response's own id where there is none
}

// class is the priority class a single flag puts a response in. The one-click
// Fix counts as negative feedback.
func (f Flag) class() PriorityClass {
	switch f.Reason {
	case UnsafeClaim, ValidatorFailed:
		return Safety
	case NegativeFeedback:
		return Negative
	case Correction:
		if f.Detail == detailFix {
			return Negative
		}
		return Implicit
	case Random:
		return RandomClass
	default:
		return Implicit
	}
}

// ClassOf returns the gravest class among the flags, RandomClass for none.
func ClassOf(flags []Flag) PriorityClass {
	class := RandomClass
	for _, f := range flags {
		if c := f.class(); c.Rank() < class.Rank() {
			class = c
		}
	}
	return class
}

// Candidate is a considered response: everything sampling may use, and
// nothing that came from a label.
type Candidate struct {
	EventID          uuid.UUID
	SessionID        string
	RequestID        string
	CaseID           string
	TraceID          string
	TaskClass        string
	ModelVersion     string
	PromptTemplateID string
	EvidenceVersion  string
	Env              string
	Route            string
	ActionType       string
	Impact           int       // 1 to 5; the default of class and action where the event named none
	EffectiveTime    time.Time // after the skew rule
	EventTime        time.Time
	ReceivedAt       time.Time
	Flags            []Flag // in order of Reasons; empty is the random floor
	PriorityClass    PriorityClass
	Consent          Consent
	HasText          bool    // its text was kept and consent lets people read it
	KeepProbability  float64 // with which the text of its class is kept
	KeepU            float64 // the session's draw that decided it
	SaltID           string
	ResponseChars    int    // length of the response as it came, in characters
	ArtifactKind     string // "formula", "sql", "code", "text", or ""
	Quarantined      bool   // its clock was ahead by more than the allowed skew

	wasReadable bool // now, or when it was flagged: what the totals count
}

// FrameTotal is the exact number of responses of one stratum and domain on a
// UTC day, and how many of them may be read.
type FrameTotal struct {
	TaskClass     string        `ch:"task_class"`
	PriorityClass PriorityClass `ch:"priority_class"`
	ModelVersion  string        `ch:"model_version"`
	Responses     int64         `ch:"responses"`
	Readable      int64         `ch:"readable"`
}
