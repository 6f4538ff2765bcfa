package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"assay/labeling"
	"assay/web/ui"
)

// What a labeling page shows of the session beside the response: the nearest
// events, each cut to what a glance reads. The session page has all of it.
const (
	turnsBefore  = 8
	turnsAfter   = 8
	turnLength   = 1_200
	sourceLength = 6_000
	sourcesShown = 8
)

// buildTurns lays out what is read: what came before, the response to judge
// with its artifact and sources, and what the user did afterwards.
func buildTurns(item labeling.Item, verdicts []Verdict, spans []labeling.Span, marking bool) []templ.Component {
	snapshot := item.Snapshot
	if !item.HasSnapshot {
		return []templ.Component{ui.Empty{Title: "The text of this response was erased", Why: "Its label stays. There is nothing left to read."}}
	}
	before, after := around(item)
	earlier, during := lastTurn(before)
	var turns []templ.Component
	for _, m := range earlier {
		turns = append(turns, turnsOf(m, snapshot)...)
	}
	if snapshot.Prompt != "" {
		turns = append(turns, ui.Message{Who: "User", At: clockTime(askedAt(snapshot, during)), Text: snapshot.Prompt, Markdown: true})
	}
	for _, m := range during {
		turns = append(turns, turnsOf(m, snapshot)...)
	}
	turns = append(turns, responseTurn(snapshot, spans, marking))
	if artifact, ok := buildArtifact(item, verdicts); ok {
		turns = append(turns, artifact)
	}
	turns = append(turns, sources(snapshot)...)
	for _, m := range after {
		turns = append(turns, turnsOf(m, snapshot)...)
	}
	return turns
}

// lastTurn divides what came before the response at the last thing said: the
// steps after it were taken to answer this prompt.
func lastTurn(before []labeling.Moment) (earlier, during []labeling.Moment) {
	for i, m := range slices.Backward(before) {
		if m.Kind != "tool" && m.Kind != "file" && m.Kind != "error" {
			return before[:i+1], before[i+1:]
		}
	}
	return nil, before
}

// askedAt is when the prompt was sent, as far as the events tell: the response
// is stamped at its end.
func askedAt(snapshot labeling.Snapshot, during []labeling.Moment) time.Time {
	at := snapshot.At
	for _, m := range snapshot.Around {
		if m.EventID == snapshot.EventID && m.TookMS != nil {
			at = at.Add(-time.Duration(*m.TookMS) * time.Millisecond)
		}
	}
	if len(during) > 0 && during[0].At.Before(at) {
		at = during[0].At
	}
	return at
}

func responseTurn(snapshot labeling.Snapshot, spans []labeling.Span, marking bool) ui.Message {
	message := ui.Message{
		ID: "response", Who: "Response", At: clockTime(snapshot.At), Note: "to judge", Judged: true, Marking: marking, Markdown: true,
		Sentences: ui.Sentences(snapshot.Response), Spans: marked(spans),
	}
	switch {
	case snapshot.Abstained():
		message.Note = "abstained"
	case snapshot.Response == "":
		message.Sentences, message.Body = nil, ui.Dim("The assistant gave no text.")
	}
	return message
}

// around divides the events beside the response, nearest first to go when
// there are too many. What a validator or a gate said is left out where the
// verdict is hidden, and what names the model where the queue is blind.
func around(item labeling.Item) (before, after []labeling.Moment) {
	for _, m := range item.Snapshot.Around {
		if m.EventID == item.EventID || !readable(m, item.Queue) {
			continue
		}
		if m.At.After(item.Snapshot.At) {
			after = append(after, m)
		} else {
			before = append(before, m)
		}
	}
	return before[max(0, len(before)-turnsBefore):], after[:min(len(after), turnsAfter)]
}

func readable(m labeling.Moment, queue labeling.Queue) bool {
	switch m.Kind {
	case "validator", "gate":
		return false // the verdict stands beside the artifact, with its evidence
	case "exposure", "span":
		return false // names variants and models, and tells a reader nothing
	case "error":
		return !queue.VerdictHidden || m.Text != ""
	}
	return true
}

func clockTime(at time.Time) ui.Time { return ui.Time{At: at, Style: ui.Clock} }

// turnsOf draws one event of the session; another response of it comes with
// what the person had asked.
func turnsOf(m labeling.Moment, snapshot labeling.Snapshot) []templ.Component {
	response := snapshot.At
	switch m.Kind {
	case "model":
		var turns []templ.Component
		if m.Prompt != "" {
			turns = append(turns, ui.Message{Who: "User", At: clockTime(m.At), Text: glance(m.Prompt), Markdown: true})
		}
		if m.Text != "" {
			turns = append(turns, ui.Message{Who: "Assistant", At: clockTime(m.At), Text: glance(m.Text), Markdown: true})
		}
		return turns
	case "prompt":
		if m.Text == "" {
			return nil
		}
		return []templ.Component{ui.Message{Who: "User", At: clockTime(m.At), Text: glance(m.Text), Markdown: true}}
	case "correction":
		return []templ.Component{correctionTurn(m, snapshot)}
	}
	message := ui.Message{Who: momentWho[m.Kind], At: clockTime(m.At), Body: momentEvent(m)}
	if message.Who == "" {
		message.Who = "Event"
	}
	if m.Kind == "feedback" {
		message.At, message.When = ui.Time{}, afterWords(m.At.Sub(response))
	}
	return []templ.Component{message}
}

var momentWho = map[string]string{"tool": "Tool", "file": "File", "feedback": "Feedback", "outcome": "Outcome", "error": "Error"}

var momentIcon = map[string]ui.Icon{
	"tool": ui.IconWrench, "file": ui.IconFile, "feedback": ui.IconThumbsUp, "outcome": ui.IconFlag, "error": ui.IconAlert,
}

func momentEvent(m labeling.Moment) ui.Event {
	event := ui.Event{Icon: cmp.Or(momentIcon[m.Kind], ui.IconCircle), Text: glance(cmp.Or(m.Detail, m.Text))}
	switch m.Kind {
	case "tool", "file":
		event.Code = m.What
		if m.TookMS != nil {
			event.Detail = ui.Elapsed(time.Duration(*m.TookMS) * time.Millisecond)
		}
	case "feedback":
		given, reason, _ := strings.Cut(cmp.Or(m.Detail, m.What), ", ")
		event.Text = given
		if reason != "" {
			event.Text += ", reason “" + reason + "”"
		}
		if given == "down" || strings.HasPrefix(given, "rating 1") || strings.HasPrefix(given, "rating 2") || given == "1" || given == "2" {
			event.Icon = ui.IconThumbsDown
		}
	case "error":
		event.Code, event.Tone = m.What, ui.Bad
	default:
		if m.What != "" && m.What != m.Kind {
			event.Text = strings.TrimSpace(m.What + " " + event.Text)
		}
	}
	return event
}

func correctionTurn(m labeling.Moment, snapshot labeling.Snapshot) ui.Message {
	message := ui.Message{Who: "Correction", When: afterWords(m.At.Sub(snapshot.At))}
	if m.Text == "" {
		message.Body = ui.Event{Icon: ui.IconUndo, Text: cmp.Or(m.Detail, "corrected by hand")}
		return message
	}
	text := glance(m.Text)
	code := ui.Code{Well: true, Small: true, Text: text}
	var artifact artifactOf
	if json.Unmarshal(snapshot.Artifact, &artifact) == nil && artifact.Kind != "" {
		code.Tokens = ui.Tokens(artifact.Kind, text)
	}
	message.Body = code
	return message
}

func afterWords(d time.Duration) string {
	switch {
	case d <= 0:
		return "at once"
	case d < time.Minute:
		return fmt.Sprintf("after %d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("after %d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return "after " + ui.Age(d)
}

// glance cuts a text to what is read beside a response.
func glance(text string) string { return cut(text, turnLength) }

func cut(text string, length int) string {
	runes := []rune(text)
	if len(runes) <= length {
		return text
	}
	return string(runes[:length]) + " …"
}

// sources are what the answer had to rely on; what the artifact shows already
// is not said twice.
func sources(snapshot labeling.Snapshot) []templ.Component {
	var artifact artifactOf
	_ = json.Unmarshal(snapshot.Artifact, &artifact) // none, or of another shape: nothing to leave out
	var turns []templ.Component
	context := slices.DeleteFunc(slices.Clone(snapshot.Context), func(text string) bool {
		return strings.TrimSpace(text) == "" || strings.TrimSpace(text) == strings.TrimSpace(artifact.Schema)
	})
	for i, text := range context {
		if i == sourcesShown {
			turns = append(turns, ui.Message{Who: "Source", When: "not shown", Body: ui.Dim(fmt.Sprintf("%d more are in the session.", len(context)-i))})
			break
		}
		message := ui.Message{Who: "Source", When: "given to it", Text: cut(text, sourceLength)}
		if len(context) > 1 {
			message.When = fmt.Sprintf("%d of %d", i+1, len(context))
		}
		turns = append(turns, message)
	}
	return turns
}
