package telemetry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// Older Langfuse clients send traces, generations, spans and events as items
// of a batch, each observation twice: when it begins and when it ends. Items
// of one observation are joined here; what they say becomes a span with the
// names that newer clients give the same things, and goes the way of spans.

// observation is the body of an item that is no score. A trace has no start
// but a timestamp.
type observation struct {
	ID                  string          `json:"id"`
	TraceID             string          `json:"traceId"`
	ParentObservationID string          `json:"parentObservationId"`
	Type                string          `json:"type"`
	Name                string          `json:"name"`
	Timestamp           string          `json:"timestamp"`
	StartTime           string          `json:"startTime"`
	EndTime             string          `json:"endTime"`
	CompletionStartTime string          `json:"completionStartTime"`
	SessionID           string          `json:"sessionId"`
	UserID              string          `json:"userId"`
	Model               string          `json:"model"`
	Input               json.RawMessage `json:"input"`
	Output              json.RawMessage `json:"output"`
	Usage               json.RawMessage `json:"usage"`
	UsageDetails        json.RawMessage `json:"usageDetails"`
	Metadata            json.RawMessage `json:"metadata"`
	Level               string          `json:"level"`
	StatusMessage       string          `json:"statusMessage"`
	PromptName          string          `json:"promptName"`
	PromptVersion       json.RawMessage `json:"promptVersion"`
	Release             string          `json:"release"`
	Version             string          `json:"version"`
	Environment         string          `json:"environment"`
}

var (
	errNoObservation = errors.New("the item is not JSON as traces and observations have it")
	errObservationID = errors.New("the item has no id")
	errNoTrace       = errors.New("the item names no trace")
	errKind          = errors.New("the item is of a kind that is not taken: trace, span, generation, event, score or another observation")
)

// told is an observation as several items of a batch tell it.
type told struct {
	observation
	kind  string // "trace", or Langfuse's type in small letters
	sent  string // when the first item was
	items []string
}

// kindOf reads the type of an item: "generation-update" is a generation. Types
// that are no span have none.
func kindOf(itemType string) string {
	kind, _, ok := strings.Cut(itemType, "-")
	switch {
	case !ok || kind == "score" || kind == "sdk":
		return ""
	case strings.HasSuffix(itemType, "-create"), strings.HasSuffix(itemType, "-update"):
		return kind
	}
	return ""
}

// gatherObservations joins the items of each observation, in the order in
// which they first came, and says which items cannot be read.
func gatherObservations(items []ingestionItem) (list []*told, refused map[int]error) {
	refused = map[int]error{}
	byID := map[[2]string]*told{}
	for i, item := range items {
		kind := kindOf(item.Type)
		if kind == "" {
			continue
		}
		one, err := readObservation(item.Body, kind)
		if err != nil {
			refused[i] = err
			continue
		}
		key := [2]string{one.TraceID, one.ID}
		if kind == "trace" {
			key[1] = "" // a trace is no observation, whatever its id
		}
		was := byID[key]
		if was == nil {
			was = &told{kind: kind, sent: item.Timestamp}
			list, byID[key] = append(list, was), was
		}
		was.hear(one, kind)
		was.items = append(was.items, item.ID)
	}
	return list, refused
}

func readObservation(body []byte, kind string) (observation, error) {
	var one observation
	if json.Unmarshal(body, &one) != nil {
		return one, errNoObservation
	}
	if kind == "trace" {
		one.TraceID = one.ID
	}
	one.ID, one.TraceID = strings.ToLower(one.ID), strings.ToLower(one.TraceID)
	one.ParentObservationID = strings.ToLower(one.ParentObservationID)
	switch {
	case one.ID == "" || !fits(one.ID):
		return one, errObservationID
	case one.TraceID == "" || !fits(one.TraceID) || !fits(one.ParentObservationID):
		return one, errNoTrace
	}
	return one, nil
}

// hear adds what a further item says; what is said last stands.
func (t *told) hear(one observation, kind string) {
	was := t.observation
	t.observation = one
	for _, f := range []struct{ now, before *string }{
		{&t.ParentObservationID, &was.ParentObservationID}, {&t.Type, &was.Type}, {&t.Name, &was.Name}, {&t.Timestamp, &was.Timestamp},
		{&t.StartTime, &was.StartTime}, {&t.EndTime, &was.EndTime}, {&t.CompletionStartTime, &was.CompletionStartTime},
		{&t.SessionID, &was.SessionID}, {&t.UserID, &was.UserID}, {&t.Model, &was.Model}, {&t.Level, &was.Level}, {&t.StatusMessage, &was.StatusMessage},
		{&t.PromptName, &was.PromptName}, {&t.Release, &was.Release}, {&t.Version, &was.Version}, {&t.Environment, &was.Environment},
	} {
		*f.now = cmp.Or(*f.now, *f.before)
	}
	for _, f := range []struct{ now, before *json.RawMessage }{
		{&t.Input, &was.Input}, {&t.Output, &was.Output}, {&t.Usage, &was.Usage}, {&t.UsageDetails, &was.UsageDetails},
		{&t.Metadata, &was.Metadata}, {&t.PromptVersion, &was.PromptVersion},
	} {
		if blank(*f.now) {
			*f.now = *f.before
		}
	}
	if kind != "observation" {
		t.kind = kind
	}
}

func blank(v json.RawMessage) bool { return len(v) == 0 || bytes.Equal(v, []byte("null")) }

// ended reports whether all is known of it that will be.
func (t *told) ended() bool {
	return t.kind == "trace" || t.kind == "event" || t.EndTime != "" || !blank(t.Output) || strings.EqualFold(t.Level, "error")
}

// spansOf turns what was told into spans. Those of one trace share who it was
// about, where the batch says it.
func spansOf(list []*told) []found {
	about := map[string]attrs{}
	for _, t := range list {
		if t.kind == "trace" {
			about[t.TraceID] = t.about()
		}
	}
	spans := make([]found, len(list))
	for i, t := range list {
		s := t.span()
		s.origin.attrs = about[t.TraceID]
		spans[i] = found{span: s}
	}
	return spans
}

// about is what a trace says of all that happens in it.
func (t *told) about() attrs {
	var a attrs
	a.say("langfuse.session.id", t.SessionID)
	a.say("langfuse.user.id", t.UserID)
	a.say("langfuse.release", t.Release)
	a.say("langfuse.environment", t.Environment)
	var metadata map[string]any
	if json.Unmarshal(t.Metadata, &metadata) == nil {
		a.say("langfuse.trace.metadata.task_class", asText(metadata["task_class"]))
	}
	return a
}

func (a *attrs) say(key, value string) {
	if value != "" {
		*a = append(*a, attr{key, value})
	}
}

func (t *told) span() *otelSpan {
	s := &otelSpan{
		traceID: t.TraceID, spanID: t.ID, parentID: t.ParentObservationID, name: cmp.Or(t.Name, t.kind),
		start: nanosOf(t.StartTime, t.Timestamp), end: nanosOf(t.EndTime),
		foreign: true, begun: !t.ended(),
	}
	s.origin.scope = "langfuse"
	if s.start == 0 && s.end == 0 {
		s.start = nanosOf(t.sent)
	}
	a := &s.attrs
	if t.kind == "trace" {
		s.attrs = t.about()
		a.say("langfuse.trace.input", textIn(t.Input))
		a.say("langfuse.trace.output", textIn(t.Output))
		return s
	}
	kind := t.kind
	if kind == "observation" {
		kind = cmp.Or(strings.ToLower(t.Type), "span")
	}
	a.say("langfuse.observation.type", kind)
	a.say("langfuse.observation.model.name", t.Model)
	a.say("langfuse.observation.input", textIn(t.Input))
	a.say("langfuse.observation.output", textIn(t.Output))
	a.say("langfuse.observation.usage_details", t.usage())
	a.say("langfuse.observation.completion_start_time", t.CompletionStartTime)
	a.say("langfuse.observation.level", t.Level)
	a.say("langfuse.observation.status_message", t.StatusMessage)
	a.say("langfuse.observation.prompt.name", t.PromptName)
	a.say("langfuse.observation.prompt.version", textIn(t.PromptVersion))
	a.say("langfuse.environment", t.Environment)
	a.say("agent.version", t.Version)
	var metadata map[string]any
	if json.Unmarshal(t.Metadata, &metadata) == nil {
		for _, key := range slices.Sorted(maps.Keys(metadata)) {
			a.say("langfuse.observation.metadata."+key, asJSON(metadata[key]))
		}
	}
	return s
}

// usage is the tokens under the names of newer clients.
func (t *told) usage() string {
	if !blank(t.UsageDetails) {
		return string(t.UsageDetails)
	}
	var old map[string]any
	if json.Unmarshal(t.Usage, &old) != nil {
		return ""
	}
	for before, now := range map[string]string{"promptTokens": "input", "completionTokens": "output"} {
		if n, ok := old[before]; ok {
			old[now] = n
		}
	}
	text, _ := json.Marshal(old)
	return string(text)
}

// textIn is a JSON text itself, and of any other value its JSON.
func textIn(v json.RawMessage) string {
	var s string
	switch {
	case blank(v):
		return ""
	case json.Unmarshal(v, &s) == nil:
		return s
	}
	return string(v)
}

// nanosOf reads the first of the times that is one.
func nanosOf(times ...string) uint64 {
	for _, text := range times {
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil && at.After(firstTime) && at.Before(lastTime) {
			return uint64(at.UnixNano())
		}
	}
	return 0
}
