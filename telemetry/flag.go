package telemetry

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The rules' limits.
const (
	rapidCorrection  = 120 * time.Second
	abandonedAfter   = 30 * time.Minute
	askedAgainWithin = 10 * time.Minute
)

// detailFix marks a correction made by the one-click Fix.
const detailFix = "fix"

// fact is what the rules may see of an event: no text.
type fact struct {
	ID                uuid.UUID
	Type              EventType
	At                time.Time // effective
	EventTime         time.Time
	Received          time.Time
	Seq               uint64
	SessionID         string
	TraceID           string
	SpanID            string
	ParentSpanID      string
	RequestID         string
	CaseID            string
	TaskClass         string
	ModelVersion      string
	PromptTemplateID  string
	EvidenceVersion   *string
	Env               string
	Route             string
	ActionType        string
	Impact            *int64
	Outcome           string
	UnsafeClaimServed *bool
	ExplicitFeedback  string
	Reason            string
	CorrectionSource  string
	CorrectionDelayMS *int64
	Corrected         bool // a correction's text was sent
	ToolName          string
	ParamsHash        string
	ProgressMarker    string
	ErrorType         string
	ArtifactKind      string
	PromptChars       int64
	ResponseChars     int64
	PromptTokens      *int64
	PromptSketch      uint64
	Consent           Consent
	TextKept          bool
	TextExpiresAt     time.Time
	KeepU             float64
	Keep              float64
	KeepFlagged       float64
	SaltID            string
	Quarantined       bool
}

// others is what is known of a response beside its session's events: what
// validators said, and the flags it was given before, which are never lost.
type others struct {
	flags    []Flag
	readable bool // when it was flagged before
}

// flagSession applies every rule to one session, whose facts are in order of
// time, and returns a candidate per response. now decides what has been idle
// for long enough.
func flagSession(facts []fact, known map[uuid.UUID]others, now time.Time) []Candidate {
	var responses []fact
	for _, f := range facts {
		if f.Type.Answers() {
			responses = append(responses, f)
		}
	}
	flags := map[uuid.UUID][]Flag{}
	raise := func(response, source fact, reason Reason, at time.Time, detail string) {
		flags[response.ID] = append(flags[response.ID], Flag{reason, at, detail, source.ID})
	}
	for _, f := range facts {
		if response, ok := target(f, responses); ok {
			flagOne(response, f, raise)
		}
	}
	flagStalls(facts, responses, raise)
	flagRequeries(responses, raise)
	flagAbandoned(facts, responses, now, raise)
	candidates := make([]Candidate, 0, len(responses))
	for _, r := range responses {
		c := candidate(r, append(known[r.ID].flags, flags[r.ID]...), now)
		c.wasReadable = c.HasText || known[r.ID].readable
		candidates = append(candidates, c)
	}
	return candidates
}

// target finds the response an event speaks of: itself, the one with its
// request or its span, or the one the person had before them.
func target(f fact, responses []fact) (fact, bool) {
	if f.Type.Answers() {
		return f, true
	}
	if f.RequestID != "" {
		if r, ok := last(responses, func(r fact) bool { return r.RequestID == f.RequestID }); ok {
			return r, true
		}
	}
	if f.Type == TypeGateTrace {
		return fact{}, false // it names its request or nothing
	}
	if f.TraceID != "" && f.ParentSpanID != "" {
		if r, ok := last(responses, func(r fact) bool { return r.TraceID == f.TraceID && r.SpanID == f.ParentSpanID }); ok {
			return r, true
		}
	}
	if f.Type == TypeError && f.RequestID != "" {
		return fact{}, false // that request has no response to look at
	}
	if r, ok := last(responses, func(r fact) bool { return f.TraceID != "" && r.TraceID == f.TraceID && !r.At.After(f.At) }); ok {
		return r, true
	}
	if r, ok := last(responses, func(r fact) bool { return !r.At.After(f.At) }); ok {
		return r, true
	}
	if len(responses) > 0 { // clocks disagree: the nearest one after
		return responses[0], true
	}
	return fact{}, false
}

func last(responses []fact, is func(fact) bool) (fact, bool) {
	for _, r := range slices.Backward(responses) {
		if is(r) {
			return r, true
		}
	}
	return fact{}, false
}

type raiser func(response, source fact, reason Reason, at time.Time, detail string)

// flagOne applies the rules that need one event and its response.
func flagOne(response, f fact, raise raiser) {
	if f.UnsafeClaimServed != nil && *f.UnsafeClaimServed && (f.Type.Answers() || f.Type == TypeGateTrace) {
		raise(response, f, UnsafeClaim, f.At, "")
	}
	if negative(f.ExplicitFeedback) {
		raise(response, f, NegativeFeedback, f.At, feedbackDetail(f))
	}
	if f.Type == TypeCorrection || f.Corrected || f.CorrectionSource != "" {
		raise(response, f, Correction, f.At, correctionDetail(response, f))
	}
	if f.Type == TypeError || f.Type.Answers() && (f.ErrorType != "" || failedOutcome(f.Outcome)) {
		raise(response, f, Failed, f.At, tag(cmp.Or(f.ErrorType, f.Outcome)))
	}
}

func failedOutcome(outcome string) bool {
	switch strings.ToLower(outcome) {
	case "error", "failed", "failure", "timeout":
		return true
	}
	return false
}

func feedbackDetail(f fact) string {
	detail := f.ExplicitFeedback
	if detail != "down" {
		detail = "rating " + detail
	}
	if reason := tag(f.Reason); reason != "" {
		detail += ", " + reason
	}
	return detail
}

func correctionDetail(response, f fact) string {
	if f.CorrectionSource == "fix" {
		return detailFix
	}
	delay := f.At.Sub(response.At)
	if f.CorrectionDelayMS != nil {
		delay = time.Duration(*f.CorrectionDelayMS) * time.Millisecond
	}
	if f.ID == response.ID && f.CorrectionDelayMS == nil || delay < 0 {
		return "edit"
	}
	detail := fmt.Sprintf("edit after %d s", int(delay.Seconds()))
	if delay <= rapidCorrection {
		detail += ", rapid"
	}
	return detail
}

// flagStalls looks at the tool steps of each response: those of its request
// or trace, else those before it. Steps with neither parameters nor progress
// on record say nothing about repeating.
func flagStalls(facts, responses []fact, raise raiser) {
	runs := map[uuid.UUID][]fact{}
	for _, f := range facts {
		if f.Type == TypeToolStep && f.ToolName != "" && (f.ParamsHash != "" || f.ProgressMarker != "") {
			if r, ok := answerOf(f, responses); ok {
				runs[r.ID] = append(runs[r.ID], f)
			}
		}
	}
	for _, r := range responses {
		steps := runs[r.ID]
		for i := range steps {
			if i > 0 && StalledRepeat([]ToolStep{steps[i-1].step(), steps[i].step()}) {
				raise(r, steps[i], StalledTools, steps[i].At, tag(steps[i].ToolName))
				break
			}
		}
	}
}

func (f fact) step() ToolStep { return ToolStep{f.ToolName, f.ParamsHash, f.ProgressMarker} }

// answerOf finds the response that a tool step led to.
func answerOf(f fact, responses []fact) (fact, bool) {
	if f.RequestID != "" {
		if r, ok := last(responses, func(r fact) bool { return r.RequestID == f.RequestID }); ok {
			return r, true
		}
	}
	for _, r := range responses {
		if (f.TraceID == "" || r.TraceID == "" || f.TraceID == r.TraceID) && !r.At.Before(f.At) {
			return r, true
		}
	}
	return last(responses, func(fact) bool { return true })
}

// flagRequeries finds prompts that were asked again, in like words, soon
// after they were answered.
func flagRequeries(responses []fact, raise raiser) {
	for i, r := range responses {
		for _, later := range responses[i+1:] {
			wait := later.At.Sub(r.At)
			if wait > askedAgainWithin {
				break
			}
			if alike(r.PromptSketch, later.PromptSketch) {
				raise(r, later, Requery, later.At, fmt.Sprintf("asked again after %d s", int(wait.Seconds())))
				break
			}
		}
	}
}

// flagAbandoned looks at the last response of a session that went quiet. A
// session that names an outcome, or in which the person reacted to that
// response, was not abandoned; one in which no person's turn is on record
// tells nothing.
func flagAbandoned(facts, responses []fact, now time.Time, raise raiser) {
	if len(responses) == 0 {
		return
	}
	r, idleSince := responses[len(responses)-1], facts[len(facts)-1].At
	if now.Sub(idleSince) < abandonedAfter || r.Outcome != "" || r.ExplicitFeedback != "" {
		return
	}
	asked := r.PromptChars > 0 || r.PromptTokens != nil && *r.PromptTokens > 0
	for _, f := range facts {
		switch f.Type {
		case TypeExposure:
			asked = true
		case TypeOutcome, TypeFeedback, TypeCorrection:
			if t, ok := target(f, responses); ok && t.ID == r.ID {
				return
			}
		}
	}
	if asked {
		raise(r, r, Abandonment, idleSince.Add(abandonedAfter), "")
	}
}

func candidate(r fact, flags []Flag, now time.Time) Candidate {
	c := Candidate{
		EventID: r.ID, SessionID: r.SessionID, RequestID: r.RequestID, CaseID: r.CaseID, TraceID: r.TraceID,
		TaskClass: r.TaskClass, ModelVersion: r.ModelVersion, PromptTemplateID: r.PromptTemplateID, Env: r.Env,
		Route: r.Route, ActionType: r.ActionType, EffectiveTime: r.At, EventTime: r.EventTime, ReceivedAt: r.Received,
		Consent: r.Consent, KeepU: r.KeepU, SaltID: r.SaltID, ResponseChars: int(r.ResponseChars), ArtifactKind: r.ArtifactKind, Quarantined: r.Quarantined,
	}
	if r.EvidenceVersion != nil {
		c.EvidenceVersion = *r.EvidenceVersion
	}
	if r.Impact != nil {
		c.Impact = int(*r.Impact)
	}
	c.addFlags(flags)
	c.judgeText(r, now)
	return c
}

// addFlags joins flags to those the candidate has: one per reason and source,
// the gravest first.
func (c *Candidate) addFlags(flags []Flag) {
	for _, f := range flags {
		same := func(o Flag) bool { return o.Reason == f.Reason && o.SourceEventID == f.SourceEventID }
		if !slices.ContainsFunc(c.Flags, same) {
			c.Flags = append(c.Flags, f)
		}
	}
	slices.SortStableFunc(c.Flags, func(a, b Flag) int {
		return cmp.Or(slices.Index(Reasons, a.Reason)-slices.Index(Reasons, b.Reason), a.At.Compare(b.At))
	})
	c.PriorityClass = ClassOf(c.Flags)
}

// judgeText says with which probability text of this class is kept, and
// whether this one's is. Text held provisionally counts only for flagged
// responses.
func (c *Candidate) judgeText(r fact, now time.Time) {
	unsafe := r.UnsafeClaimServed != nil && *r.UnsafeClaimServed
	switch {
	case unsafe:
		c.KeepProbability = 1
	case c.PriorityClass != RandomClass:
		c.KeepProbability = max(r.Keep, r.KeepFlagged)
	default:
		c.KeepProbability = r.Keep
	}
	kept := r.TextKept && r.ResponseChars > 0 && r.TextExpiresAt.After(now)
	c.HasText = kept && r.Consent.AllowsText() && (unsafe || r.KeepU < c.KeepProbability)
}
