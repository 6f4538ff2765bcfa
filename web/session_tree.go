package web

import (
	"cmp"
	"slices"
	"time"

	"github.com/a-h/templ"

	"assay/telemetry"
	"assay/web/ui"
)

// nested is an event in its place under the span that began it.
type nested struct {
	telemetry.TimelineEvent
	depth  int
	parent bool // names a parent that is not among those shown
}

// nestedOf puts the events shown under their parent spans, each level in order
// of time. One whose parent lies on another page, or which names none, stands
// at the root. A circle of parents, which a broken sender can make, is cut
// where it is met first.
func nestedOf(page []telemetry.TimelineEvent) []nested {
	type key struct{ trace, span string }
	byStart := slices.Clone(page)
	slices.SortStableFunc(byStart, func(a, b telemetry.TimelineEvent) int { return a.Start().Compare(b.Start()) })
	at := map[key]int{}
	for i, e := range byStart {
		if e.SpanID != "" {
			if _, twice := at[key{e.TraceID, e.SpanID}]; !twice {
				at[key{e.TraceID, e.SpanID}] = i
			}
		}
	}
	children := map[int][]int{}
	var roots []int
	for i, e := range byStart {
		if p, known := at[key{e.TraceID, e.ParentSpanID}]; known && e.ParentSpanID != "" && p != i {
			children[p] = append(children[p], i)
		} else {
			roots = append(roots, i)
		}
	}
	var list []nested
	seen := make([]bool, len(byStart))
	type place struct{ at, depth int }
	walk := func(root int) {
		stack := []place{{root, 0}}
		for len(stack) > 0 {
			p := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if seen[p.at] {
				continue
			}
			seen[p.at] = true
			e := byStart[p.at]
			list = append(list, nested{e, p.depth, p.depth == 0 && e.ParentSpanID != ""})
			for _, child := range slices.Backward(children[p.at]) {
				stack = append(stack, place{child, p.depth + 1})
			}
		}
	}
	for _, root := range roots {
		walk(root)
	}
	for i := range byStart { // what only a circle holds
		walk(i)
	}
	return list
}

// treeOf is the log with each event under the span that began it.
func treeOf(d telemetry.SessionDetail, at sessionAt, selected telemetry.TimelineEvent) ui.Table {
	t := ui.Table{ID: "log", Caption: "Events by parent span", Tight: true, Flow: true, Bare: true, Columns: []ui.Column{
		{Label: "At"}, {Label: "What"}, {Label: "Kind"}, {Label: "Detail", Wide: true}, {Label: "Took", Right: true}}}
	for _, n := range nestedOf(d.Page) {
		t.Rows = append(t.Rows, ui.Row{ID: "event-" + n.EventID.String(), URL: at.event(n.EventID, ""), Current: n.EventID == selected.EventID, Cells: []templ.Component{
			ui.Mono(offsetWords(n.Start().Sub(d.From))), branchOf(n, at), kindSign(n.TimelineEvent), eventDetail(d, n.TimelineEvent, n.parent), ui.Text(tookIfAny(n.TookMS))}})
	}
	return t
}

// waterfallOf is the tree with what took time on one scale.
func waterfallOf(d telemetry.SessionDetail, at sessionAt, selected telemetry.TimelineEvent) ui.Table {
	start, end := d.Page[0].Start(), d.Page[0].At
	for _, e := range d.Page {
		if e.Start().Before(start) {
			start = e.Start()
		}
		if e.At.After(end) {
			end = e.At
		}
	}
	axis := ui.Axis{Max: max(end.Sub(start), time.Millisecond).Seconds()}
	ticks := []float64{0, axis.Max / 4, axis.Max / 2, axis.Max * 3 / 4, axis.Max}
	head := ui.AxisHead{Axis: axis, Ticks: ticks, Write: func(s float64) string { return ui.Elapsed(time.Duration(s * float64(time.Second))) }}
	t := ui.Table{ID: "log", Caption: "Waterfall", Tight: true, Flow: true, Bare: true, Columns: []ui.Column{
		{Label: "What"}, {Label: "Kind"}, {Label: "At", Right: true}, {Label: "Took", Right: true}, {Name: "On one scale", Wide: true, Note: head}}}
	for _, n := range nestedOf(d.Page) {
		t.Rows = append(t.Rows, ui.Row{ID: "event-" + n.EventID.String(), URL: at.event(n.EventID, ""), Current: n.EventID == selected.EventID, Cells: []templ.Component{
			branchOf(n, at), kindSign(n.TimelineEvent), ui.Mono(offsetWords(n.Start().Sub(d.From))), ui.Text(tookIfAny(n.TookMS)), spanBar(n, start, axis, n.EventID == selected.EventID)}})
	}
	return t
}

func branchOf(n nested, at sessionAt) templ.Component {
	return ui.Words(ui.Branch{Depth: n.depth}, ui.Link{Text: clip(n.What, 40), URL: at.event(n.EventID, ""), Mono: true, Plain: true})
}

func spanBar(n nested, start time.Time, axis ui.Axis, current bool) ui.SpanBar {
	bar := ui.SpanBar{Axis: axis, From: n.Start().Sub(start), To: n.At.Sub(start), Current: current, Name: n.What + ", " + cmp.Or(tookIfAny(n.TookMS), "an instant")}
	if n.Kind == telemetry.KindModel {
		bar.Tone = ui.Accent
		if first, ok := n.FirstToken(); ok {
			bar.First = first.Sub(start)
			bar.Name += ", first token after " + took(n.TTFTMS)
		}
	}
	if n.Failed && n.Kind != telemetry.KindModel {
		bar.Tone = ui.Bad
		bar.Name += ", failed"
	}
	return bar
}

// eventDetail is the line of an event in a log, with what must be seen in it.
func eventDetail(d telemetry.SessionDetail, e telemetry.TimelineEvent, orphan bool) templ.Component {
	detail := []any{clip(e.Detail, 160)}
	if e.IsResponse() && e.Text != "" {
		detail = []any{firstWords(e.Text, 80)}
	}
	if after := reactedAfter(d, e); after != "" {
		detail = append(detail, ui.Dim(", "+after))
	}
	if d.FirstFailed != nil && e.EventID == d.FirstFailed.EventID {
		detail = append(detail, " ", ui.Chip{Text: firstFailedWords(d.FirstFailed), Tone: ui.Bad})
	}
	if e.Quarantined {
		detail = append(detail, " ", ui.Chip{Text: "clock ahead", Tone: ui.Mid})
	}
	if orphan {
		detail = append(detail, " ", ui.Dim("its parent span is not among those shown"))
	}
	return ui.Words(detail...)
}

// reactedAfter says how long after the response a person reacted: as the client
// measured it, else from the response of the same request, else from the last
// one before.
func reactedAfter(d telemetry.SessionDetail, e telemetry.TimelineEvent) string {
	if e.Kind != telemetry.KindFeedback && e.Kind != telemetry.KindCorrection {
		return ""
	}
	delay := time.Duration(-1)
	if e.DelayMS != nil {
		delay = time.Duration(*e.DelayMS) * time.Millisecond
	} else {
		for _, r := range d.Page {
			same := e.RequestID != "" && r.RequestID == e.RequestID
			if r.IsResponse() && !r.At.After(e.At) && (same || e.RequestID == "" || delay < 0) {
				delay = e.At.Sub(r.At)
			}
		}
	}
	if delay < 0 {
		return ""
	}
	return ui.Elapsed(delay) + " after the response"
}
