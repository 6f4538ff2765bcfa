package telemetry

import (
	"encoding/json"
	"slices"
	"strings"
)

// conversation is what a model call was asked and answered.
type conversation struct {
	prompt  string   // the person's last turn
	answer  string   // the text, or the tools the model asked for
	context []string // what tools and retrievers gave it since
	stop    string
}

// turn is one message, whatever shape it came in.
type turn struct {
	role, text, calls, stop string
}

// Where the messages stand, by dialect: whole as JSON, member by member, or
// as one text.
var (
	inputMessages  = []string{"gen_ai.input.messages", "gen_ai.request.messages", "gen_ai.prompt", "langfuse.observation.input", "ai.prompt.messages", "ai.prompt", "traceloop.entity.input", "input.value"}
	outputMessages = []string{"gen_ai.output.messages", "gen_ai.response.messages", "gen_ai.completion", "langfuse.observation.output", "ai.response.text", "ai.response.toolCalls", "traceloop.entity.output", "output.value"}
	inputFlat      = []string{"llm.input_messages.", "gen_ai.prompt."}
	outputFlat     = []string{"llm.output_messages.", "gen_ai.completion."}
)

func (b *bag) conversation(s *otelSpan) conversation {
	input := b.turns(inputFlat, inputMessages)
	output := b.turns(outputFlat, outputMessages)
	for _, ev := range s.events {
		own := newBag(ev.attrs)
		switch ev.name {
		case "gen_ai.choice":
			output = append(output, ownTurn(own, "assistant"))
		case "gen_ai.user.message", "gen_ai.assistant.message", "gen_ai.tool.message", "gen_ai.system.message":
			role, _, _ := strings.Cut(strings.TrimPrefix(ev.name, "gen_ai."), ".")
			input = append(input, ownTurn(own, role))
		case "gen_ai.content.prompt", "gen_ai.content.completion", "gen_ai.client.inference.operation.details":
			input = append(input, own.turns(inputFlat, inputMessages)...)
			output = append(output, own.turns(outputFlat, outputMessages)...)
		}
	}
	asked := lastAsked(input)
	said := conversation{context: b.documents()}
	if asked >= 0 {
		said.prompt = input[asked].text
	}
	for _, t := range input[asked+1:] {
		if t.role == "tool" || t.role == "function" {
			said.context = append(said.context, t.text)
		}
	}
	said.context = slices.DeleteFunc(said.context, func(s string) bool { return s == "" })
	said.answer, said.stop = answered(output)
	return said
}

// lastAsked is the place of the person's last turn, -1 without one. A prompt
// that is one text has no role.
func lastAsked(turns []turn) int {
	for i, t := range slices.Backward(turns) {
		if (t.role == "user" || t.role == "human" || t.role == "") && t.text != "" {
			return i
		}
	}
	return -1
}

// answered joins what the model said. One that only asked for tools said that.
func answered(turns []turn) (text, stop string) {
	var said, calls []string
	for _, t := range turns {
		if t.text != "" && t.role != "user" && t.role != "system" {
			said = append(said, t.text)
		}
		if t.calls != "" {
			calls = append(calls, t.calls)
		}
		if stop == "" {
			stop = fit(t.stop)
		}
	}
	if len(said) == 0 {
		said = calls
	}
	return strings.Join(said, "\n\n"), stop
}

// turns reads the messages from the first place that has any.
func (b *bag) turns(flat, whole []string) []turn {
	for _, prefix := range flat {
		var turns []turn
		for _, one := range b.flattened(prefix) {
			if t := flatTurn(one); t != (turn{}) {
				turns = append(turns, t)
			}
		}
		if len(turns) > 0 {
			return turns
		}
	}
	for _, key := range whole {
		if value, ok := b.index[key]; ok {
			b.used[key] = true
			if turns := readTurns(plain(value)); len(turns) > 0 {
				return turns
			}
		}
	}
	return nil
}

// flatTurn reads one message of the dialects that flatten them.
func flatTurn(m map[string]any) turn {
	get := func(name string) string {
		if s := asText(m["message."+name]); s != "" {
			return s
		}
		return asText(m[name])
	}
	t := turn{role: get("role"), text: get("content"), stop: get("finish_reason")}
	// Content in parts, and tool calls, stand under numbers of their own.
	own := newBag(fromMap(m))
	for _, prefix := range []string{"message.contents.", "contents."} {
		for _, part := range own.flattened(prefix) {
			t.text = paragraph(t.text, asText(part["message_content.text"]))
		}
	}
	for _, prefix := range []string{"message.tool_calls.", "tool_calls."} {
		for _, call := range own.flattened(prefix) {
			name, arguments := asText(call["tool_call.function.name"]), asText(call["tool_call.function.arguments"])
			if name == "" {
				name, arguments = asText(call["name"]), asText(call["arguments"])
			}
			t.calls = paragraph(t.calls, callWords(name, arguments))
		}
	}
	if inner := readTurns(parsed(t.text)); len(inner) == 1 && inner[0].text != "" && strings.HasPrefix(t.text, "[") {
		t.text = inner[0].text // parts written as JSON into the content
	}
	return t
}

// ownTurn is a span event that is itself a message.
func ownTurn(b *bag, role string) turn {
	t := turn{role: role, stop: b.text("finish_reason")}
	if inner := readTurns(parsedAny(plain(b.value("message")))); len(inner) > 0 {
		t.text, t.calls = inner[0].text, inner[0].calls
	}
	if t.text == "" {
		t.text = textOf(parsedAny(plain(b.value("content", "gen_ai.event.content"))))
	}
	return t
}

// readTurns reads messages from a value: a list of messages, one message,
// {"messages": […]}, JSON of these in a text, or a text.
func readTurns(v any) []turn {
	v = parsedAny(v)
	switch v := v.(type) {
	case string:
		if v != "" {
			return []turn{{text: v}}
		}
	case []any:
		var turns []turn
		for _, one := range v {
			turns = append(turns, readTurn(one))
		}
		if slices.ContainsFunc(turns, func(t turn) bool { return t.role != "" }) {
			return turns
		}
		joined := turn{}
		for _, t := range turns {
			joined.text, joined.calls = paragraph(joined.text, t.text), paragraph(joined.calls, t.calls)
		}
		if joined != (turn{}) {
			return []turn{joined}
		}
	case map[string]any:
		for _, name := range []string{"messages", "choices"} {
			if list, ok := v[name].([]any); ok {
				return readTurns(list)
			}
		}
		if t := readTurn(v); t != (turn{}) {
			return []turn{t}
		}
		text, _ := json.Marshal(v)
		return []turn{{text: string(text)}}
	}
	return nil
}

func readTurn(v any) turn {
	m, ok := v.(map[string]any)
	if !ok {
		return turn{text: textOf(v)}
	}
	if inner, ok := m["message"].(map[string]any); ok {
		t := readTurn(inner)
		t.stop = asText(m["finish_reason"])
		return t
	}
	t := turn{role: strings.ToLower(asText(m["role"])), stop: asText(m["finish_reason"])}
	for _, name := range []string{"parts", "content", "text"} {
		if t.text == "" {
			t.text = textOf(m[name])
		}
		t.calls = paragraph(t.calls, callsOf(m[name]))
	}
	t.calls = paragraph(t.calls, callsOf(m["tool_calls"]))
	if call, ok := m["function_call"].(map[string]any); ok {
		t.calls = paragraph(t.calls, callWords(asText(call["name"]), asJSON(call["arguments"])))
	}
	return t
}

// textOf gathers the words of a content: a text, a list of parts, or a part.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		text := ""
		for _, part := range v {
			text = paragraph(text, textOf(part))
		}
		return text
	case map[string]any:
		switch asText(v["type"]) {
		case "tool_call", "tool_use", "function", "image", "image_url", "blob", "file", "reasoning", "thinking":
			return "" // calls are read apart; hidden reasoning is not an answer
		}
		for _, name := range []string{"text", "content", "message", "response", "result"} {
			switch inner := v[name].(type) {
			case string:
				return inner
			case []any, map[string]any:
				if text := textOf(inner); text != "" {
					return text
				}
				return asJSON(inner)
			}
		}
	}
	return ""
}

// callsOf gathers the tool calls among parts.
func callsOf(v any) string {
	list, _ := v.([]any)
	words := ""
	for _, one := range list {
		m, ok := one.(map[string]any)
		if !ok {
			continue
		}
		if inner, ok := m["function"].(map[string]any); ok {
			m = inner
		} else if kind := asText(m["type"]); kind != "tool_call" && kind != "tool_use" && kind != "function" && asText(m["name"]) == "" {
			continue
		}
		arguments := m["arguments"]
		if arguments == nil {
			arguments = m["input"]
		}
		words = paragraph(words, callWords(asText(m["name"]), asJSON(arguments)))
	}
	return words
}

func callWords(name, arguments string) string {
	if name == "" {
		return ""
	}
	return name + "(" + arguments + ")"
}

func paragraph(text, more string) string {
	if text == "" || more == "" {
		return text + more
	}
	return text + "\n" + more
}

// asJSON is a text as it is and any other value as JSON, nothing for none.
func asJSON(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	text, _ := json.Marshal(v)
	return string(text)
}

// parsed reads JSON out of a text that is some, else returns the text.
func parsed(text string) any {
	trimmed := strings.TrimSpace(text)
	if len(trimmed) < 2 || trimmed[0] != '[' && trimmed[0] != '{' && trimmed[0] != '"' {
		return text
	}
	var v any
	if json.Unmarshal([]byte(trimmed), &v) != nil {
		return text
	}
	return v
}

func parsedAny(v any) any {
	if s, ok := v.(string); ok {
		return parsed(s)
	}
	return v
}
