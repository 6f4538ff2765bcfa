package web

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"assay/labeling"
	"assay/telemetry"
	"assay/web/ui"
)

var detailTabs = []string{"io", "attributes", "evidence", "labels"}

func detailsOf(d telemetry.SessionDetail, at sessionAt, e telemetry.TimelineEvent, tab string, history []labeling.Revision) eventDetails {
	if !slices.Contains(detailTabs, tab) {
		tab = "io"
	}
	var verdicts []telemetry.VerdictRow
	for _, v := range d.Verdicts {
		if v.EventID == e.EventID {
			verdicts = append(verdicts, v)
		}
	}
	var said []telemetry.LabelRow
	for _, l := range d.Labels {
		if l.EventID == e.EventID {
			said = append(said, l)
		}
	}
	p := eventDetails{
		Head: ui.Head{Title: clip(e.What, 60), SubPart: ui.Words(ui.Time{At: e.At, Style: ui.Millis}, ", "+offsetWords(e.At.Sub(d.From))+" s")},
		Tabs: ui.Tabs{Name: "Event", Items: []ui.Tab{
			{Label: "Input and output", URL: at.event(e.EventID, "io"), Current: tab == "io"},
			{Label: "Attributes", URL: at.event(e.EventID, "attributes"), Current: tab == "attributes"},
			{Label: "Evidence", URL: at.event(e.EventID, "evidence"), Current: tab == "evidence", Note: countNote(len(verdicts))},
			{Label: "Labels", URL: at.event(e.EventID, "labels"), Current: tab == "labels", Note: countNote(len(said) + len(d.Flags[e.EventID]))}}},
		Steps: steps(d, at, e),
	}
	if e.Failed {
		p.Head.Beside = []templ.Component{ui.Chip{Text: "failed", Tone: ui.Bad}}
	}
	switch tab {
	case "io":
		p.Body = inputAndOutput(e)
	case "attributes":
		p.Body = attributesOf(e)
	case "evidence":
		p.Body = evidenceOf(verdicts)
	case "labels":
		p.Body = labelsOf(said, history, d.Flags[e.EventID])
	}
	return p
}

func countNote(n int) string {
	if n == 0 {
		return ""
	}
	return ui.Count(n)
}

// steps leads from event to event, and from failure to failure.
func steps(d telemetry.SessionDetail, at sessionAt, selected telemetry.TimelineEvent) []templ.Component {
	i := slices.IndexFunc(d.Page, func(e telemetry.TimelineEvent) bool { return e.EventID == selected.EventID })
	var buttons []templ.Component
	step := func(label string, icon ui.Icon, act ui.Act, from, by int, is func(telemetry.TimelineEvent) bool) {
		for j := from + by; j >= 0 && j < len(d.Page); j += by {
			if is(d.Page[j]) {
				buttons = append(buttons, ui.Button{Label: label, Size: ui.Small, Icon: icon, Act: act, URL: at.event(d.Page[j].EventID, "")})
				return
			}
		}
	}
	anything := func(telemetry.TimelineEvent) bool { return true }
	checkedWrong := map[uuid.UUID]bool{}
	for _, v := range d.Verdicts {
		checkedWrong[v.EventID] = checkedWrong[v.EventID] || v.Verdict == "fail"
	}
	failed := func(e telemetry.TimelineEvent) bool { return e.Failed || checkedWrong[e.EventID] }
	step("Previous", ui.IconArrowUp, ui.ActPrevEvent, i, -1, anything)
	step("Next", ui.IconArrowDown, ui.ActNextEvent, i, 1, anything)
	step("Previous failure", ui.IconExclaim, ui.ActPrevFailure, i, -1, failed)
	step("Next failure", ui.IconExclaim, ui.ActNextFailure, i, 1, failed)
	return append(buttons, ui.Button{Label: "Copy link", Size: ui.Small, Style: ui.Plain, Icon: ui.IconLink, URL: at.event(selected.EventID, ""),
		Attrs: templ.Attributes{"data-copy": at.origin + sessionAt{id: d.ID}.event(selected.EventID, "")}})
}

// inputAndOutput is what was asked and answered, all of it text.
func inputAndOutput(e telemetry.TimelineEvent) []templ.Component {
	var body []templ.Component
	say := func(title, text string, as templ.Component) {
		if text != "" {
			body = append(body, ui.Dim(title), as, ui.Gap{})
		}
	}
	prose := func(title, text string) { say(title, text, ui.Said{Text: text}) }
	part := func(title, text string) { say(title, text, ui.Code{Well: true, Small: true, Text: text}) }
	prose("Asked", e.Prompt)
	for i, c := range e.Context {
		title := "Given to rely on"
		if len(e.Context) > 1 {
			title += ", " + strconv.Itoa(i+1) + " of " + strconv.Itoa(len(e.Context))
		}
		part(title, c)
	}
	switch {
	case e.IsResponse():
		prose("Answered", e.Text)
	case e.Kind == telemetry.KindCorrection:
		prose("Corrected to", e.Text)
	default:
		part("Said", e.Text)
	}
	part("Artifact", indented(e.Artifact))
	if len(body) == 0 {
		why := "This kind of event carries none."
		if e.IsResponse() || e.Kind == telemetry.KindCorrection {
			why = upperFirst(missingText(e.Consent, e.TextSent)) + "."
		}
		body = append(body, ui.Empty{Bare: true, Title: "No text", Why: why})
	}
	return append(body, ui.ViewSwitch{}, ui.Facts{Small: true, Items: factsOf(e)})
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func factsOf(e telemetry.TimelineEvent) []ui.Fact {
	var facts []ui.Fact
	say := func(term, value string, mono bool) {
		if value == "" || value == "–" {
			return
		}
		if mono {
			facts = append(facts, ui.Fact{Term: term, Value: ui.Mono(value)})
		} else {
			facts = append(facts, ui.Fact{Term: term, Value: ui.Text(value)})
		}
	}
	say("Detail", e.Detail, false)
	say("Route", e.Route, false)
	say("First failed stage", e.Stage, true)
	say("Took", took(e.TookMS), false)
	say("First token", took(e.TTFTMS), false)
	if rate, err := throughput(e); err != nil {
		say("After the first token", err.Error(), false)
	} else if rate > 0 {
		say("After the first token", ui.Number(rate, 1)+" tokens/s", false)
	}
	say("Tokens in", numberOf(e.InputTokens), false)
	say("of them cached", numberOf(e.CachedTokens), false)
	say("Tokens out", numberOf(e.OutputTokens), false)
	say("Model", e.ModelVersion, true)
	say("Template", e.PromptTemplateID, true)
	say("Evidence version", e.EvidenceVersion, true)
	say("Request", e.RequestID, true)
	if e.TraceID != "" {
		facts = append(facts, ui.Fact{Term: "Trace", Value: ui.Copy{Value: e.TraceID, Name: "Copy trace id"}})
	}
	facts = append(facts, ui.Fact{Term: "Event", Value: ui.Copy{Value: e.EventID.String(), Name: "Copy event id"}})
	say("Consent", string(e.Consent), false)
	if e.Sealed {
		facts = append(facts, ui.Fact{Term: "Raw text", Value: ui.Words("sealed; ", ui.Link{Text: "ask for it", URL: askRevealURL(e.EventID)})})
	}
	if e.Quarantined {
		say("Clock", "ahead by more than the allowed skew", false)
	}
	return facts
}

func throughput(e telemetry.TimelineEvent) (float64, error) {
	if e.OutputTokens == nil || e.TTFTMS == nil || e.TookMS == nil {
		return 0, nil
	}
	return telemetry.PostFirstTokenThroughput(*e.OutputTokens, *e.TTFTMS, *e.TookMS)
}

func numberOf(n *int64) string {
	if n == nil {
		return ""
	}
	return ui.Count(int(*n))
}

func attributesOf(e telemetry.TimelineEvent) []templ.Component {
	if len(e.Attributes) == 0 {
		return []templ.Component{ui.Empty{Bare: true, Title: "No attributes", Why: "Fields the product does not know would be here."}}
	}
	return []templ.Component{ui.Code{Well: true, Small: true, Text: indented(e.Attributes)}}
}

func indented(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

func evidenceOf(verdicts []telemetry.VerdictRow) []templ.Component {
	if len(verdicts) == 0 {
		return []templ.Component{ui.Empty{Bare: true, Title: "No verdict", Why: "No validator has looked at this event, or none applies to it."}}
	}
	var body []templ.Component
	for _, v := range verdicts {
		body = append(body, ui.Words(ui.Sign{Mark: ui.MarkOf(v.Verdict), Word: v.Verdict}, " ", ui.Mono(v.Validator+" "+shortVersion(v.Version))), ui.Claim{Text: v.Message}, ui.Gap{})
		tables := resultTables(v.Evidence)
		for _, table := range tables {
			body = append(body, table, ui.Gap{})
		}
		if evidence := validJSON(v.Evidence); len(evidence) > 2 && len(tables) == 0 {
			body = append(body, ui.Code{Well: true, Small: true, Text: clip(indented(evidence), 8000)}, ui.Gap{})
		}
		elapsed := v.ElapsedMS
		facts := []ui.Fact{{Term: "Reason", Value: ui.Mono(v.Reason)}, {Term: "Took", Value: ui.Text(took(&elapsed))}, {Term: "Checked", Value: ui.Time{At: v.At, Style: ui.DayTime}}}
		if v.InputHash != "" {
			facts = append(facts, ui.Fact{Term: "Input", Value: ui.Copy{Value: v.InputHash, Name: "Copy input hash"}})
		}
		body = append(body, ui.Facts{Small: true, Items: facts}, ui.Gap{})
	}
	return body
}

func labelsOf(said []telemetry.LabelRow, history []labeling.Revision, flags []telemetry.Flag) []templ.Component {
	var body []templ.Component
	for _, l := range said {
		words := []any{ui.Sign{Mark: ui.MarkOf(l.Label), Word: labelWords(l.Label)}, ", " + ui.CountOf(l.Labels, "label") + ", ", ui.Time{At: l.LabeledAt, Style: ui.DayTime}}
		if !l.Counted {
			words = append(words, ", not in any rate")
		}
		body = append(body, ui.Words(words...))
	}
	if len(said) == 0 {
		body = append(body, ui.Empty{Bare: true, Title: "No label", Why: "Nobody has labeled this event, or you may yet have to label it yourself."})
	}
	if len(history) > 0 {
		body = append(body, ui.Gap{}, ui.Dim("What was said, and when"), historyOf(history),
			ui.Link{Text: "Comment, or dispute a label", URL: "/items/" + itemID(history[0].ItemID) + "/discussion"})
	}
	if len(flags) == 0 {
		return body
	}
	body = append(body, ui.Gap{}, ui.Dim("Why it was looked at"))
	var facts []ui.Fact
	for _, f := range flags {
		value := []any{ui.Time{At: f.At, Style: ui.DayTime}}
		if f.Detail != "" {
			value = []any{clip(f.Detail, 80) + ", ", ui.Time{At: f.At, Style: ui.DayTime}}
		}
		facts = append(facts, ui.Fact{Term: strings.ReplaceAll(string(f.Reason), "_", " "), Value: ui.Words(value...)})
	}
	return append(body, ui.Facts{Small: true, Items: facts})
}

// historyOf is every revision of every label, in the order they were given.
func historyOf(history []labeling.Revision) ui.Feed {
	var feed ui.Feed
	for _, r := range history {
		who := r.Labeler
		if r.Own {
			who += ", you"
		}
		item := ui.FeedItem{Mark: ui.MarkOf(r.Label), Who: who, At: ui.Time{At: r.LabeledAt}, Did: ui.Words("said ", ui.Bold(labelWords(r.Label)))}
		switch {
		case r.Label == "":
			item.Icon, item.Did = ui.IconUndo, ui.Text("took the label back")
		case r.Decision:
			item.Did = ui.Words("decided ", ui.Bold(labelWords(r.Label)))
		case r.Revision > 1:
			item.Did = ui.Words("changed it to ", ui.Bold(labelWords(r.Label)))
		}
		var reasons []string
		for _, reason := range r.Reasons {
			reasons = append(reasons, strings.ReplaceAll(reason, "_", " "))
		}
		guide := ""
		if r.GuideVersion > 0 {
			guide = "guide " + strconv.Itoa(r.GuideVersion)
		}
		confidence := ""
		if r.Confidence != "" {
			confidence = r.Confidence + " confidence"
		}
		item.Note = commas(strings.Join(reasons, ", "), confidence, guide, "queue "+r.Queue)
		if words := strings.TrimSpace(r.Note + "\n" + r.Correction); words != "" {
			item.Body = ui.Text(clip(words, 2000))
		}
		feed.Items = append(feed.Items, item)
	}
	return feed
}
