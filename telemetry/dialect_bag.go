package telemetry

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// bag looks attributes up by name, the span's own before its program's, and
// remembers which were used, so that the rest is kept as attributes.
type bag struct {
	lists []attrs
	index map[string]any
	used  map[string]bool
}

func newBag(lists ...attrs) *bag {
	b := &bag{lists: lists, index: map[string]any{}, used: map[string]bool{}}
	for _, list := range lists {
		for _, a := range list {
			if _, ok := b.index[a.key]; !ok && a.value != nil {
				b.index[a.key] = a.value
			}
		}
	}
	return b
}

func fromMap(m map[string]any) attrs {
	list := make(attrs, 0, len(m))
	for key, value := range m {
		list = append(list, attr{key, value})
	}
	slices.SortFunc(list, func(a, b attr) int { return strings.Compare(a.key, b.key) })
	return list
}

// first returns the first of the names whose value suits.
func first[T any](b *bag, keys []string, suits func(any) (T, bool)) (T, bool) {
	for _, key := range keys {
		if value, ok := b.index[key]; ok {
			if v, ok := suits(value); ok {
				b.used[key] = true
				return v, true
			}
		}
	}
	var none T
	return none, false
}

func (b *bag) text(keys ...string) string {
	s, _ := first(b, keys, func(v any) (string, bool) { s := asText(v); return s, s != "" })
	return s
}

// peek is text that stays among the rest: it decides something and is no field.
func (b *bag) peek(keys ...string) string {
	for _, key := range keys {
		if s := asText(b.index[key]); s != "" {
			return s
		}
	}
	return ""
}

// id is a text short and plain enough for an identifier.
func (b *bag) id(keys ...string) string {
	s, _ := first(b, keys, func(v any) (string, bool) { s := asText(v); return s, s != "" && fits(s) })
	return s
}

func (b *bag) word(words []string, keys ...string) string {
	s, _ := first(b, keys, func(v any) (string, bool) {
		s := strings.ToLower(asText(v))
		return s, slices.Contains(words, s)
	})
	return s
}

func (b *bag) count(keys ...string) (int64, bool) { return first(b, keys, asCount) }

func (b *bag) float(keys ...string) (float64, bool) {
	return first(b, keys, func(v any) (float64, bool) { f, ok := asFloat(v); return f, ok && f >= 0 && f < 1<<50 })
}

func (b *bag) yes(keys ...string) (value, said bool) {
	return first(b, keys, func(v any) (bool, bool) {
		switch v := v.(type) {
		case bool:
			return v, true
		case string:
			yes, err := strconv.ParseBool(strings.ToLower(v))
			return yes, err == nil
		}
		return false, false
	})
}

func (b *bag) value(keys ...string) any {
	v, _ := first(b, keys, func(v any) (any, bool) { return v, v != "" })
	return v
}

// written is a value as one would write it: a text as it is, the rest as JSON.
func (b *bag) written(keys ...string) string {
	v := b.value(keys...)
	if v == nil {
		return ""
	}
	if s, ok := v.(string); ok {
		return s
	}
	text, _ := json.Marshal(plain(v))
	return string(text)
}

// object is a JSON object with a kind, sent as text or as a map.
func (b *bag) object(keys ...string) []byte {
	v, _ := first(b, keys, func(v any) ([]byte, bool) {
		text, isText := v.(string)
		raw := []byte(text)
		if !isText {
			raw, _ = json.Marshal(plain(v))
		}
		var head struct {
			Kind string `json:"kind"`
		}
		ok := json.Unmarshal(raw, &head) == nil && head.Kind != "" && len(head.Kind) <= 64 && len(raw) <= maxArtifact
		return raw, ok
	})
	return v
}

// versioned joins a name with its version, as "answerer@3".
func (b *bag) versioned(name, version string) string {
	n := b.id(name)
	if v := b.id(version); n != "" && v != "" && fits(n+"@"+v) {
		return n + "@" + v
	}
	return n
}

// usage is Langfuse's count of tokens by kind.
func (b *bag) usage() map[string]any {
	var usage map[string]any
	switch v := b.value("langfuse.observation.usage_details").(type) {
	case string:
		json.Unmarshal([]byte(v), &usage)
	case attrs:
		usage, _ = plain(v).(map[string]any)
	}
	return usage
}

// documents are the texts a retriever found.
func (b *bag) documents() []string {
	var texts []string
	for _, one := range b.flattened("retrieval.documents.") {
		if s := asText(one["document.content"]); s != "" {
			texts = append(texts, s)
		}
	}
	return texts
}

// flattened gathers what stands under "prefix.N." by N, in its order.
func (b *bag) flattened(prefix string) []map[string]any {
	byPlace := map[int]map[string]any{}
	for key, value := range b.index {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		number, name, ok := strings.Cut(rest, ".")
		place, err := strconv.Atoi(number)
		if !ok || err != nil || place < 0 {
			continue
		}
		b.used[key] = true
		if byPlace[place] == nil {
			byPlace[place] = map[string]any{}
		}
		byPlace[place][name] = value
	}
	places := make([]int, 0, len(byPlace))
	for place := range byPlace {
		places = append(places, place)
	}
	slices.Sort(places)
	list := make([]map[string]any, len(places))
	for i, place := range places {
		list[i] = byPlace[place]
	}
	return list
}

// rest adds what was not used, but for texts: those are fields or nothing,
// since attributes are kept where no text may be.
func (b *bag) rest(into *object) {
	for i, list := range b.lists {
		for _, a := range list {
			if b.used[a.key] || holdsText(a.key) || a.value == nil || i > 0 && !tellsOfProgram(a.key) {
				continue
			}
			b.used[a.key] = true
			into.add(cut(a.key, 256), a.value)
		}
	}
}

// tellsOfProgram picks, of what describes a program, what helps to compare
// answers; what describes a machine and its user's files stays out.
func tellsOfProgram(key string) bool {
	for _, prefix := range []string{"process.", "host.", "telemetry.sdk.", "telemetry.distro.", "container.", "k8s."} {
		if strings.HasPrefix(key, prefix) {
			return false
		}
	}
	return true
}

// textAttributes hold what people, models and tools wrote. Those that have no
// field are not kept (A1.20: messages and instructions never by default).
var textAttributes = []string{
	"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions", "gen_ai.tool.call.arguments",
	"gen_ai.tool.call.result", "gen_ai.prompt", "gen_ai.completion", "gen_ai.request.messages", "gen_ai.response.messages", "gen_ai.event.content",
	"gen_ai.evaluation.explanation", "gen_ai.retrieval.",
	"llm.input_messages", "llm.output_messages", "llm.prompts", "llm.completions", "llm.prompt_template.template", "llm.prompt_template.variables",
	"llm.tools", "llm.function_call", "llm.request.functions", "input.value", "output.value", "retrieval.documents", "reranker.input_documents",
	"reranker.output_documents", "reranker.query", "embedding.embeddings", "embedding.text", "tool.parameters", "tool.json_schema", "message.",
	"traceloop.entity.input", "traceloop.entity.output", "traceloop.prompt.template",
	"langfuse.observation.input", "langfuse.observation.output", "langfuse.trace.input", "langfuse.trace.output", "langfuse.observation.status_message",
	"ai.prompt", "ai.response.text", "ai.response.object", "ai.response.toolCalls", "ai.toolCall.args", "ai.toolCall.result", "ai.value", "ai.values",
	"exception.message", "exception.stacktrace", "error.message", "db.statement", "db.query.text", "http.request.body", "http.response.body",
}

// textNames are the plain names for the same, taken as they stand.
var textNames = []string{"prompt", "response", "completion", "input", "output", "content", "messages", "artifact", "shopflow.artifact", "correction", "comment"}

// holdsText reports whether an attribute is one of those, or one member of
// one that was flattened ("gen_ai.prompt.0.content").
func holdsText(key string) bool {
	return slices.Contains(textNames, key) || slices.ContainsFunc(textAttributes, func(name string) bool {
		rest, ok := strings.CutPrefix(key, name)
		return ok && (rest == "" || rest[0] == '.' || strings.HasSuffix(name, "."))
	})
}

// --- values ---

func fits(s string) bool {
	return len(s) <= maxID && utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c == 0x7f })
}

// fit is the name itself where it serves as an identifier.
func fit(s string) string {
	if fits(s) {
		return s
	}
	return ""
}

// asText writes a scalar; of a list it takes the first.
func asText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []any:
		if len(v) > 0 {
			if _, nested := v[0].([]any); !nested {
				return asText(v[0])
			}
		}
	}
	return ""
}

func asFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return 0, false
}

func asCount(v any) (int64, bool) {
	f, ok := asFloat(v)
	if !ok || f < 0 || f > 1<<50 || f != math.Trunc(f) {
		return 0, false
	}
	return int64(f), true
}

// plain is a value as encoding/json knows it.
func plain(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case attrs:
		m := make(map[string]any, len(v))
		for _, a := range v {
			m[a.key] = plain(a.value)
		}
		return m
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
	}
	return v
}

// object is the attributes of an event: bounded, so that no span is refused
// for what is only ever shown.
type object struct{ members attrs }

const (
	attributeText  = 2 << 10
	attributesRoom = 48 << 10
)

// add keeps a member, the first of its name.
func (o *object) add(key string, value any) {
	if !slices.ContainsFunc(o.members, func(a attr) bool { return a.key == key }) && len(o.members) < 512 {
		o.members = append(o.members, attr{key, value})
	}
}

func (o *object) json() []byte {
	b := []byte{'{'}
	dropped := int64(0)
	write := func(key string, value []byte) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(appendText(b, clean(key)), ':'), value...)
	}
	for _, m := range o.members {
		if s, ok := m.value.(string); ok {
			m.value = cut(s, attributeText)
		}
		value, err := json.Marshal(plain(m.value))
		if err != nil || len(b)+len(m.key)+len(value) > attributesRoom {
			dropped++
			continue
		}
		write(m.key, value)
	}
	if dropped > 0 {
		write("attributes_dropped", strconv.AppendInt(nil, dropped, 10))
	}
	return append(b, '}')
}
