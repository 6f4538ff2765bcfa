package web

import (
	"cmp"
	"fmt"
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
	var turns []templ.Component
	for _, m := range before {
		turns = append(turns, turnsOf(m, snapshot.At)...)
	}
	if snapshot.Prompt != "" {
		turns = append(turns, ui.Message{Who: "User", At: clockTime(snapshot.At), Text: snapshot.Prompt})
	}
	turns = append(turns, responseTurn(snapshot, spans, marking))
	if artifact, ok := buildArtifact(item, verdicts); ok {
		turns = append(turns, artifact)
	}
	turns = append(turns, sources(snapshot.Context)...)
	for _, m := range after {
		turns = append(turns, turnsOf(m, snapshot.At)...)
	}
	return turns
}

func responseTurn(snapshot labeling.Snapshot, spans []labeling.Span, marking bool) ui.Message {
	message := ui.Message{
		ID: "response", Who: "Response", At: clockTime(snapshot.At), Note: "to judge", Judged: true, Marking: marking,
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
func turnsOf(m labeling.Moment, response time.Time) []templ.Component {
	switch m.Kind {
	case "model":
		var turns []templ.Component
		if m.Prompt != "" {
			turns = append(turns, ui.Message{Who: "User", At: clockTime(m.At), Text: glance(m.Prompt)})
		}
		if m.Text != "" {
			turns = append(turns, ui.Message{Who: "Assistant", At: clockTime(m.At), Text: glance(m.Text)})
		}
		return turns
	case "prompt":
		if m.Text == "" {
			return nil
		}
		return []templ.Component{ui.Message{Who: "User", At: clockTime(m.At), Text: glance(m.Text)}}
	case "correction":
		return []templ.Component{correctionTurn(m, response)}
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
		event.Text = m.What
		if m.Detail != "" {
			event.Text = strings.TrimPrefix(m.What+", “"+m.Detail+"”", ", ")
		}
		if strings.HasPrefix(m.What, "down") || strings.HasPrefix(m.What, "1") || strings.HasPrefix(m.What, "2") {
			event.Icon = ui.IconThumbsDown
		}
	case "error":
		event.Code, event.Tone = m.What, ui.Bad
	default:
		event.Text = strings.TrimSpace(m.What + " " + event.Text)
	}
	return event
}

func correctionTurn(m labeling.Moment, response time.Time) ui.Message {
	message := ui.Message{Who: "Correction", When: afterWords(m.At.Sub(response))}
	if m.Text == "" {
		message.Body = ui.Event{Icon: ui.IconUndo, Text: cmp.Or(m.Detail, "corrected by hand")}
		return message
	}
	text := glance(m.Text)
	message.Body = ui.Code{Well: true, Small: true, Text: text}
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

// sources are what the answer had to rely on.
func sources(context []string) []templ.Component {
	var turns []templ.Component
	for i, text := range context {
		if i == sourcesShown {
			turns = append(turns, ui.Message{Who: "Source", Note: "", Body: ui.Dim(fmt.Sprintf("%d more are in the session.", len(context)-i))})
			break
		}
		message := ui.Message{Who: "Source", Text: cut(text, sourceLength)}
		if len(context) > 1 {
			message.When = fmt.Sprintf("%d of %d", i+1, len(context))
		}
		turns = append(turns, message)
	}
	return turns
}
