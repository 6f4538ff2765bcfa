package web

import (
	"cmp"
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/stats"
	"assay/telemetry"
	"assay/web/ui"
)

// rate is a share of two counts with its interval.
func rate(k, n int64) stats.Estimate {
	e, err := stats.Rate(int(k), int(n), 0.95)
	if err != nil { // more of a part than of its whole: said by nothing
		return stats.Estimate{}
	}
	return e
}

func errorParts(ctx context.Context, m measuring) (metricParts, error) {
	rows, err := m.store.ErrorRows(ctx, m.actor, m.f)
	if err != nil {
		return metricParts{}, err
	}
	kinds, err := m.store.ErrorKinds(ctx, m.actor, m.f, 12)
	return buildErrors(m, rows, kinds), err
}

func buildErrors(m measuring, rows []telemetry.ErrorRow, kinds []telemetry.ErrorKind) metricParts {
	var shares []stats.Estimate
	for _, r := range rows {
		shares = append(shares, r.ErrorShare())
	}
	axis := shareAxis(shares)
	t := ui.Table{Bare: true, Caption: "Errors", Columns: append(m.groupColumns(),
		ui.Column{Label: "Errors", Right: true}, ui.Column{Label: "95 %", Right: true}, ui.Column{Name: "Interval", Wide: true, Note: axis}, ui.Column{Label: "Change", Right: true},
		ui.Column{Label: "Error events", Right: true}, ui.Column{Label: "of events", Right: true}, ui.Column{Label: "Sessions", Right: true},
		ui.Column{Label: "Failed responses", Right: true}, ui.Column{Label: "Truncated", Right: true}, ui.Column{Label: "Retried", Right: true})}
	compared := 0
	var says []ui.Says
	t.Rows = rowsOf(m, rows, func(r telemetry.ErrorRow) telemetry.Group { return r.Group }, func(r telemetry.ErrorRow) []templ.Component {
		e, before := r.ErrorShare(), rate(r.Before.Errors.Events, r.Before.Events.Events)
		change, d, decisive := shareChange(e, before)
		if d.Defined {
			compared++
		}
		if decisive {
			says = append(says, shareSentence(m.groupWords(r.Group), "errors", d))
		}
		return []templ.Component{ui.Estimate(shareFigure(e)), ui.Text(shareLimits(e)), figureBar(e, axis.Axis), change,
			ui.Text(ui.Count(r.Errors.Events)), ui.Soft(ui.Count(r.Events.Events)), m.sessionsLink(r.Group, telemetry.BehindErrors, r.Errors),
			m.partLink(r.Group, telemetry.BehindFailed, r.Failed, r.Responses), m.partLink(r.Group, telemetry.BehindTruncated, r.Truncated, r.Responses),
			m.partLink(r.Group, telemetry.BehindRetried, r.Retried, r.Events)}
	})
	if len(rows) == 0 {
		t.Empty = noFigures("events")
	}
	p := metricParts{Tables: []metricTable{{"Errors of all events", t}}, How: howErrors, Says: concluded(says, compared)}
	if len(kinds) > 0 {
		p.Tables = append(p.Tables, metricTable{"What went wrong", errorKindTable(m, rows, kinds)})
	}
	return p
}

func errorKindTable(m measuring, rows []telemetry.ErrorRow, kinds []telemetry.ErrorKind) ui.Table {
	all := int64(0)
	for _, r := range rows {
		all += r.Errors.Events
	}
	t := ui.Table{Bare: true, Caption: "Error types", Columns: []ui.Column{{Label: "Error type", Wide: true}, {Label: "Events", Right: true}, {Label: "Of all errors", Right: true}, {Label: "First", Right: true}, {Label: "Last", Right: true}, {Label: "Sessions", Right: true}}}
	for _, k := range kinds {
		link := m.with(m.behind(telemetry.Group{}, telemetry.BehindErrors), "error", cmp.Or(k.ErrorType, telemetry.Unsaid))
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{ui.Mono(clip(cmp.Or(k.ErrorType, "not said"), 80)), ui.Text(ui.Count(k.Events)), ui.Soft(shareFigure(rate(k.Events, max(all, k.Events)))),
			ui.Time{At: k.First}, ui.Time{At: k.Last}, ui.Link{Text: ui.Count(k.Sessions), URL: link}}})
	}
	return t
}

// with is the address of the sessions with one more condition and none of the
// breakdown's.
func (m measuring) with(address, name, value string) string {
	path, query, _ := strings.Cut(address, "?")
	values, _ := url.ParseQuery(query)
	for _, d := range m.f.By {
		values.Del(string(d))
	}
	for name, kept := range map[string]string{"task_class": m.q.TaskClass, "model_version": m.q.ModelVersion, "template": m.q.Template, "env": m.q.Env} {
		if kept != "" {
			values.Set(name, kept)
		}
	}
	values.Set(name, value)
	return path + "?" + values.Encode()
}

// partLink is a share of a whole, and its sessions when there are any.
func (m measuring) partLink(g telemetry.Group, kind telemetry.Behind, part, whole telemetry.Counted) templ.Component {
	if part.Events == 0 {
		return ui.Dim("0")
	}
	return ui.Words(ui.Dim(shareFigure(rate(part.Events, max(whole.Events, part.Events)))+" "), ui.Link{Text: ui.Count(part.Events), URL: m.behind(g, kind)})
}

var howErrors = []ui.Fact{
	{Term: "Errors", Value: ui.Text("Events of the type error over all events, by assistant version unless you break it down otherwise. 95 % by Wilson; events are taken as independent.")},
	{Term: "Failed", Value: ui.Text("Responses with an error type or an outcome of error, failed, failure or timeout.")},
	{Term: "Truncated", Value: ui.Text("Responses that stopped at the limit of their length.")},
	{Term: "Change", Value: ui.Text("Against the same time before, bold when the 95 % interval of the difference (Newcombe) leaves out zero.")},
	{Term: "Few", Value: ui.Text("Under five events there is no figure, under ten no percent.")},
}

func errorAnswer(ctx context.Context, m measuring) (any, error) {
	rows, err := m.store.ErrorRows(ctx, m.actor, m.f)
	list := []fiber.Map{}
	for _, r := range rows {
		row := m.groupJSON(r.Group, telemetry.BehindErrors, r.Errors.Sessions)
		row["errors"], row["failed_responses"], row["truncated_responses"], row["retried"] = shareJSON(r.ErrorShare()), shareJSON(r.FailedShare()), shareJSON(rate(r.Truncated.Events, r.Responses.Events)), r.Retried.Events
		row["before"] = fiber.Map{"errors": shareJSON(rate(r.Before.Errors.Events, r.Before.Events.Events))}
		_, _, row["decisive"] = shareChange(r.ErrorShare(), rate(r.Before.Errors.Events, r.Before.Events.Events))
		list = append(list, row)
	}
	return list, err
}

func routeParts(ctx context.Context, m measuring) (metricParts, error) {
	rows, err := m.store.RouteRows(ctx, m.actor, m.f)
	return buildRoutes(m, rows), err
}

func buildRoutes(m measuring, rows []telemetry.RouteRow) metricParts {
	var shares []stats.Estimate
	stages := map[string]int64{}
	for _, r := range rows {
		shares = append(shares, rate(r.Unsafe, r.Requests))
		for stage, n := range r.Stages {
			stages[stage] += n
		}
	}
	axis := shareAxis(shares)
	t := ui.Table{Bare: true, Caption: "Routes", Columns: append(m.groupColumns(),
		ui.Column{Label: "Unsafe serve", Right: true}, ui.Column{Label: "95 %", Right: true}, ui.Column{Name: "Interval", Wide: true, Note: axis}, ui.Column{Label: "Change", Right: true}, ui.Column{Label: "Unsafe, sessions", Right: true},
		ui.Column{Label: "Abstention", Right: true}, ui.Column{Label: "Abstained, sessions", Right: true}, ui.Column{Label: "Supported serve", Right: true}, ui.Column{Label: "Requests", Right: true}, ui.Column{Label: "Sessions", Right: true})}
	compared := 0
	var says []ui.Says
	t.Rows = rowsOf(m, rows, func(r telemetry.RouteRow) telemetry.Group { return r.Group }, func(r telemetry.RouteRow) []templ.Component {
		unsafe, abstained, supported := rate(r.Unsafe, r.Requests), rate(r.Abstained, r.Requests), rate(r.Supported, r.Requests)
		change, d, decisive := shareChange(unsafe, rate(r.Before.Unsafe, r.Before.Requests))
		if d.Defined {
			compared++
		}
		if decisive {
			says = append(says, shareSentence(m.groupWords(r.Group), "unsafe serves", d))
		}
		return []templ.Component{ui.Estimate(shareFigure(unsafe)), ui.Text(shareLimits(unsafe)), figureBar(unsafe, axis.Axis), change, m.sessionsLink(r.Group, telemetry.BehindUnsafe, telemetry.Counted{Sessions: r.Sessions.Unsafe}),
			ui.Pair(shareFigure(abstained), shareLimits(abstained)), m.sessionsLink(r.Group, telemetry.BehindAbstained, telemetry.Counted{Sessions: r.Sessions.Abstained}),
			ui.Pair(shareFigure(supported), shareLimits(supported)), ui.Text(ui.Count(r.Requests)), m.sessionsLink(r.Group, telemetry.BehindTraced, r.Traced)}
	})
	if len(rows) == 0 {
		t.Empty = noFigures("traced requests")
	}
	p := metricParts{Tables: []metricTable{{"Routes of requests", t}}, How: howRoutes, Says: concluded(says, compared)}
	if len(stages) > 0 {
		p.Tables = append(p.Tables, metricTable{"First failed stage", stageTable(stages)})
	}
	return p
}

func stageTable(stages map[string]int64) ui.Table {
	all := int64(0)
	for _, n := range stages {
		all += n
	}
	t := ui.Table{Bare: true, Caption: "First failed stage", Columns: []ui.Column{{Label: "Stage", Wide: true}, {Label: "Requests", Right: true}, {Label: "Share", Right: true}, {Label: "95 %", Right: true}}}
	names := slices.SortedFunc(maps.Keys(stages), func(a, b string) int { return cmp.Or(cmp.Compare(stages[b], stages[a]), cmp.Compare(a, b)) })
	for _, name := range names {
		e := rate(stages[name], all)
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{ui.Mono(clip(cmp.Or(name, "not said"), 80)), ui.Text(ui.Count(stages[name])), ui.Text(shareFigure(e)), ui.Soft(shareLimits(e))}})
	}
	return t
}

var howRoutes = []ui.Fact{
	{Term: "Unsafe serve", Value: ui.Text("Requests in which an unsupported claim was served, of all requests. A safety matter.")},
	{Term: "Abstention", Value: ui.Text("Requests that were not answered, of all requests. A matter of usefulness, not of safety.")},
	{Term: "Supported serve", Value: ui.Text("Requests that were answered, and safely. The three are never added into one figure of bad answers.")},
	{Term: "Request", Value: ui.Text("Counted once: by its gate trace, else by a response that says itself whether it was safe. 95 % by Wilson.")},
	{Term: "Sessions", Value: ui.Text("All with such an event. A request whose gate trace names no session stands in one of its own beside its response's.")},
}

func routeAnswer(ctx context.Context, m measuring) (any, error) {
	rows, err := m.store.RouteRows(ctx, m.actor, m.f)
	list := []fiber.Map{}
	for _, r := range rows {
		row := m.groupJSON(r.Group, telemetry.BehindTraced, r.Traced.Sessions)
		row["requests"], row["unsafe_serve"], row["abstention"], row["supported_serve"] = r.Requests, shareJSON(rate(r.Unsafe, r.Requests)), shareJSON(rate(r.Abstained, r.Requests)), shareJSON(rate(r.Supported, r.Requests))
		row["safe_route"], row["first_failed_stage"] = shareJSON(rate(r.Requests-r.Unsafe, r.Requests)), r.Stages
		row["before"] = fiber.Map{"unsafe_serve": shareJSON(rate(r.Before.Unsafe, r.Before.Requests)), "abstention": shareJSON(rate(r.Before.Abstained, r.Before.Requests))}
		list = append(list, row)
	}
	return list, err
}

func toolParts(ctx context.Context, m measuring) (metricParts, error) {
	rows, err := m.store.ToolRows(ctx, m.actor, m.f, 100)
	return buildTools(m, rows), err
}

func buildTools(m measuring, rows []telemetry.ToolRow) metricParts {
	var shares []stats.Estimate
	for _, r := range rows {
		shares = append(shares, rate(r.Failed, r.Events))
	}
	axis := shareAxis(shares)
	t := ui.Table{Bare: true, Caption: "Tools", Columns: []ui.Column{{Label: "Tool"}, {Label: "Failed", Right: true}, {Label: "95 %", Right: true}, {Name: "Interval", Wide: true, Note: axis},
		{Label: "Repeats", Right: true}, {Label: "Sessions that repeat", Right: true}, {Label: "Retries", Right: true}, {Label: "P50", Right: true}, {Label: "P95", Right: true}, {Label: "Steps", Right: true}, {Label: "Sessions", Right: true}}}
	for _, r := range rows {
		failed := rate(r.Failed, r.Events)
		link := m.with(m.behind(telemetry.Group{}, telemetry.BehindToolSteps), "tool", cmp.Or(r.Tool, telemetry.Unsaid))
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{ui.Mono(clip(cmp.Or(r.Tool, "not said"), 60)), ui.Estimate(shareFigure(failed)), ui.Text(shareLimits(failed)), figureBar(failed, axis.Axis),
			ui.Text(ui.Count(r.Repeats)), ui.Text(ui.Count(r.Stalled)), ui.Soft(ui.Count(r.Retries)), ui.Soft(percentileWords(r.TookMS, 50)), ui.Text(percentileWords(r.TookMS, 95)),
			ui.Text(ui.Count(r.Events)), ui.Link{Text: ui.Count(r.Sessions), URL: link}}})
	}
	if len(rows) == 0 {
		t.Empty = noFigures("tool steps")
	}
	return metricParts{Tables: []metricTable{{"Tools", t}}, How: []ui.Fact{
		{Term: "Failed", Value: ui.Text("Steps with an error type or a result of error, failed, failure or timeout, of all steps of the tool. 95 % by Wilson.")},
		{Term: "Repeat", Value: ui.Text("A step with the same tool, parameters and progress marker as the step before it in its session: no progress was made.")},
		{Term: "P50, P95", Value: ui.Text("How long steps took, by nearest rank, where their time is on record.")},
		{Term: "Sessions", Value: ui.Text("Opens exactly the sessions with a step of the tool in the window.")}}}
}

func toolAnswer(ctx context.Context, m measuring) (any, error) {
	rows, err := m.store.ToolRows(ctx, m.actor, m.f, 500)
	list := []fiber.Map{}
	for _, r := range rows {
		list = append(list, fiber.Map{"tool": r.Tool, "steps": r.Events, "sessions": r.Sessions, "failed": shareJSON(rate(r.Failed, r.Events)), "retries": r.Retries,
			"repeats": r.Repeats, "sessions_that_repeat": r.Stalled, "total_ms": quantilesJSON(r.TookMS, 1),
			"permalink": m.with(m.behind(telemetry.Group{}, telemetry.BehindToolSteps), "tool", cmp.Or(r.Tool, telemetry.Unsaid))})
	}
	return list, err
}
