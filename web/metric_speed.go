package web

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/telemetry"
	"assay/web/ui"
)

func latencyParts(ctx context.Context, m measuring) (metricParts, error) {
	rows, err := m.store.LatencyRows(ctx, m.actor, m.f)
	if err != nil {
		return metricParts{}, err
	}
	return buildLatency(m, rows), nil
}

func buildLatency(m measuring, rows []telemetry.LatencyRow) metricParts {
	top := 0.0
	var totals, firsts, before []telemetry.Distribution
	var malformed telemetry.Counted
	for _, r := range rows {
		q := r.Total.Quantile(95)
		top = max(top, float64(max(q.Value, q.High)))
		totals, firsts, before = append(totals, r.Total), append(firsts, r.FirstToken), append(before, r.Before.Total)
		malformed.Events += r.Malformed.Events
		malformed.Sessions += r.Malformed.Sessions
	}
	axis := axisTo(top, 4, func(ms float64) string { return ui.Elapsed(time.Duration(ms) * time.Millisecond) })
	t := ui.Table{Bare: true, Caption: "Latency", Columns: append(m.groupColumns(),
		ui.Column{Label: "First token P50", Right: true}, ui.Column{Label: "P95", Right: true}, ui.Column{Label: "P99", Right: true},
		ui.Column{Label: "Total mean", Right: true}, ui.Column{Label: "P50", Right: true}, ui.Column{Label: "P99", Right: true}, ui.Column{Label: "P95", Right: true}, ui.Column{Label: "95 %", Right: true},
		ui.Column{Name: "P95 and its interval", Wide: true, Note: axis}, ui.Column{Label: "P95 before", Right: true},
		ui.Column{Label: "Timed", Right: true}, ui.Column{Label: "Sessions", Right: true}, ui.Column{Label: "Malformed", Right: true})}
	t.Rows = rowsOf(m, rows, func(r telemetry.LatencyRow) telemetry.Group { return r.Group }, func(r telemetry.LatencyRow) []templ.Component {
		q := r.Total.Quantile(95)
		mean := "–"
		if n := r.Total.Mean(); n.N > 0 {
			mean = elapsedMS(n.Value)
		}
		return []templ.Component{
			ui.Soft(percentileWords(r.FirstToken, 50)), ui.Text(percentileWords(r.FirstToken, 95)), ui.Soft(percentileWords(r.FirstToken, 99)),
			ui.Soft(mean), ui.Soft(percentileWords(r.Total, 50)), ui.Soft(percentileWords(r.Total, 99)), ui.Estimate(quantileFigure(q, elapsedMS)), ui.Text(quantileLimits(q, elapsedMS)),
			quantileBar(q, axis.Axis, r.Total.N(), elapsedMS), changedQuantile(r.Total, r.Before.Total, 95, elapsedMS),
			ui.Text(ui.Count(r.Timed.Events)), m.sessionsLink(r.Group, telemetry.BehindTimed, r.Timed), malformedCell(m, r.Group, r.Malformed)}
	})
	if len(rows) == 0 {
		t.Empty = noFigures("responses")
	}
	p := metricParts{Tables: []metricTable{{"Response latency", t}}, How: howLatency, Notes: malformedNote(malformed)}
	p.Charts = latencyCharts(telemetry.Joined(totals...), telemetry.Joined(firsts...), telemetry.Joined(before...))
	p.Says = latencySays(m, rows)
	return p
}

// elapsedMS writes milliseconds as pages do.
func elapsedMS(ms float64) string { return ui.Elapsed(time.Duration(ms * float64(time.Millisecond))) }

func percentileWords(d telemetry.Distribution, percent int) string {
	if v, ok := d.Percentile(percent); ok && d.N() >= fewest {
		return elapsedMS(float64(v))
	}
	return "–"
}

func quantileFigure(q telemetry.Quantile, write func(float64) string) string {
	if !q.Known {
		return "–"
	}
	return write(float64(q.Value))
}

// quantileLimits are the limits of a percentile, or that too few bound it.
func quantileLimits(q telemetry.Quantile, write func(float64) string) string {
	switch {
	case !q.Known:
		return ""
	case !q.Bounded:
		return "n too small"
	}
	return write(float64(q.Low)) + " to " + write(float64(q.High))
}

func quantileBar(q telemetry.Quantile, axis ui.Axis, n int, write func(float64) string) ui.IntervalBar {
	if !q.Known || n < fewest {
		note := "no data: " + ui.CountOf(n, "response") + ", at least 5 needed"
		return ui.IntervalBar{Axis: axis, Standing: ui.NoData, Note: note, Name: note}
	}
	bar := ui.IntervalBar{Axis: axis, Low: float64(q.Low), High: float64(q.High), Estimate: float64(q.Value),
		Name: fmt.Sprintf("P%d %s, 95 %% %s", q.Percent, write(float64(q.Value)), quantileLimits(q, write))}
	if !q.Bounded { // nothing bounds it from above: drawn to the end, dashed
		bar.Standing, bar.Low, bar.High = ui.Incomplete, float64(q.Value), axis.Max
		bar.Name = fmt.Sprintf("P%d %s, too few responses for an interval", q.Percent, write(float64(q.Value)))
	}
	return bar
}

// changedQuantile is what a percentile was before, bold where the intervals of
// both do not meet.
func changedQuantile(now, before telemetry.Distribution, percent int, write func(float64) string) templ.Component {
	a, b := now.Quantile(percent), before.Quantile(percent)
	switch {
	case !b.Known || before.N() < fewest:
		return ui.Dim("–")
	case a.Apart(b):
		return ui.Bold(write(float64(b.Value)))
	}
	return ui.Dim(write(float64(b.Value)))
}

func malformedCell(m measuring, g telemetry.Group, c telemetry.Counted) templ.Component {
	if c.Events == 0 {
		return ui.Dim("0")
	}
	return ui.Link{Text: ui.Count(c.Events), URL: m.behind(g, telemetry.BehindMalformed)}
}

// malformedNote names what was rejected; it is never repaired.
func malformedNote(c telemetry.Counted) []ui.Banner {
	if c.Events == 0 {
		return nil
	}
	return []ui.Banner{{Tone: ui.Mid, Fact: ui.CountOf(c.Events, "response") + " rejected: malformed timing.",
		Consequence: "Their times contradict each other (“" + telemetry.ErrMalformedTiming.Error() + "”, or a time below zero), so they are in no figure of speed or latency."}}
}

func latencySays(m measuring, rows []telemetry.LatencyRow) []ui.Says {
	var list []ui.Says
	compared := 0
	for _, r := range rows {
		now, before := r.Total.Quantile(95), r.Before.Total.Quantile(95)
		if !now.Bounded || !before.Bounded {
			continue
		}
		compared++
		if !now.Apart(before) {
			continue
		}
		word := "slower"
		if now.Value < before.Value {
			word = "quicker"
		}
		list = append(list, ui.Says{Bold: m.groupWords(r.Group) + " is " + word + ":",
			Text: fmt.Sprintf("P95 %s, 95 %% %s, after %s, 95 %% %s, in the time before.", elapsedMS(float64(now.Value)), quantileLimits(now, elapsedMS), elapsedMS(float64(before.Value)), quantileLimits(before, elapsedMS))})
	}
	return concluded(list, compared)
}

// latencyCharts draw the whole distributions on a scale of tenfold steps.
func latencyCharts(total, first, before telemetry.Distribution) []metricChart {
	if total.N() < fewest {
		return nil
	}
	low, high := float64(max(total.Values[0], 1)), float64(max(total.Values[len(total.Values)-1], 2))
	if first.N() > 0 {
		low = min(low, float64(max(first.Values[0], 1)))
	}
	axis := ui.Axis{Min: math.Floor(math.Log10(low)), Max: math.Ceil(math.Log10(high + 1))}
	chart := ui.LineChart{XAxis: axis, YAxis: ui.Axis{Max: 100}, YTicks: []ui.Tick{{At: 0, Label: "0 %"}, {At: 50, Label: "50 %"}, {At: 95, Label: "95 %"}}, Height: 220}
	for power := axis.Min; power <= axis.Max; power++ {
		chart.XTicks = append(chart.XTicks, ui.Tick{At: power, Label: elapsedMS(math.Pow(10, power))})
	}
	p50, _ := total.Percentile(50)
	p95, _ := total.Percentile(95)
	chart.Series = append(chart.Series, cumulated(total))
	chart.Notes = append(chart.Notes, ui.ChartNote{X: math.Log10(float64(max(p50, 1))), Y: 40, Text: "whole response"})
	if first.N() >= fewest {
		s := cumulated(first)
		s.Tone = ui.NA
		chart.Series = append(chart.Series, s)
		half, _ := first.Percentile(50)
		chart.Notes = append(chart.Notes, ui.ChartNote{X: math.Log10(float64(max(half, 1))), Y: 60, Text: "first token", Left: true})
	}
	if before.N() >= fewest {
		s := cumulated(before)
		s.Dotted = true
		chart.Series = append(chart.Series, s)
	}
	chart.Name = fmt.Sprintf("Share of %s that took at most so long: half within %s, 95 %% within %s", ui.CountOf(total.N(), "response"), elapsedMS(float64(p50)), elapsedMS(float64(p95)))
	chart.Guides = []ui.GuideLine{{At: math.Log10(float64(max(p95, 1))), Vertical: true, Label: "P95 " + elapsedMS(float64(p95))}}
	note := "share of responses that took at most so long"
	if before.N() >= fewest {
		note += "; dotted: whole responses of the time before"
	}
	return []metricChart{{"Distribution", note, chart}}
}

// cumulated is a distribution as a line from 0 to 100 %.
func cumulated(d telemetry.Distribution) ui.Series {
	var s ui.Series
	for i := range 201 {
		v := d.Rank(max(1, (i*d.N()+199)/200))
		s.X = append(s.X, math.Log10(float64(max(v, 1))))
		s.Points = append(s.Points, ui.Point{Value: float64(i) / 2, Low: math.NaN(), High: math.NaN()})
	}
	return s
}

var howLatency = []ui.Fact{
	{Term: "Unit", Value: ui.Text("A response with a time on record, once, however often it was sent. Total is total_ms, else latency_ms, as the client measured it: local work and the network are in it.")},
	{Term: "Percentile", Value: ui.Text("Nearest rank: of n sorted values the one at rank ceil(p·n/100), at least 1. No interpolation, no sketch.")},
	{Term: "95 %", Value: ui.Text("From order statistics, whatever the distribution is. Where too few responses bound the percentile it says so.")},
	{Term: "Before", Value: ui.Text("The window of the same length that ends where this one begins. Bold: the intervals of both do not meet.")},
	{Term: "Malformed", Value: ui.Text("“" + telemetry.ErrMalformedTiming.Error() + "”, the first token after the whole, or a time below zero. Rejected and counted, never repaired.")},
	{Term: "Sessions", Value: ui.Text("Opens exactly the sessions the row stands on.")},
}

func latencyAnswer(ctx context.Context, m measuring) (any, error) {
	rows, err := m.store.LatencyRows(ctx, m.actor, m.f)
	list := []fiber.Map{}
	for _, r := range rows {
		row := m.groupJSON(r.Group, telemetry.BehindTimed, r.Timed.Sessions)
		row["responses"], row["timed"], row["malformed_timing"] = r.Responses.Events, r.Timed.Events, r.Malformed.Events
		row["total_ms"], row["ttft_ms"] = quantilesJSON(r.Total, 1), quantilesJSON(r.FirstToken, 1)
		row["before"] = fiber.Map{"total_ms": quantilesJSON(r.Before.Total, 1), "ttft_ms": quantilesJSON(r.Before.FirstToken, 1)}
		row["decisive"] = r.Total.Quantile(95).Apart(r.Before.Total.Quantile(95))
		list = append(list, row)
	}
	return list, err
}

func tokenParts(ctx context.Context, m measuring) (metricParts, error) {
	rows, err := m.store.TokenRows(ctx, m.actor, m.f)
	if err != nil {
		return metricParts{}, err
	}
	load, err := m.store.Load(ctx, m.actor, m.f)
	if err != nil {
		return metricParts{}, err
	}
	return buildTokens(m, rows, load), nil
}

func buildTokens(m measuring, rows []telemetry.TokenRow, load telemetry.Load) metricParts {
	t := ui.Table{Bare: true, Caption: "Tokens", Columns: append(m.groupColumns(),
		ui.Column{Label: "Input mean", Right: true}, ui.Column{Label: "P95", Right: true}, ui.Column{Label: "Cached", Right: true}, ui.Column{Label: "Output mean", Right: true}, ui.Column{Label: "95 %", Right: true},
		ui.Column{Label: "P95", Right: true}, ui.Column{Label: "Output before", Right: true}, ui.Column{Label: "Tokens/s P50", Right: true}, ui.Column{Label: "Slowest 5 %", Right: true},
		ui.Column{Label: "Tokens", Right: true}, ui.Column{Label: "Calls", Right: true}, ui.Column{Label: "Sessions", Right: true}, ui.Column{Label: "Malformed", Right: true})}
	var malformed telemetry.Counted
	total := int64(0)
	t.Rows = rowsOf(m, rows, func(r telemetry.TokenRow) telemetry.Group { return r.Group }, func(r telemetry.TokenRow) []templ.Component {
		malformed.Events += r.Malformed.Events
		total += r.Input.Sum() + r.Output.Sum()
		cached := "–"
		if sum := r.Input.Sum(); sum > 0 {
			cached = ui.WholeShare(float64(r.Cached) / float64(sum))
		}
		out, before := r.Output.Mean(), r.Before.Output.Mean()
		change := templ.Component(ui.Dim(meanFigure(before)))
		if out.Apart(before) {
			change = ui.Bold(meanFigure(before))
		}
		limits := ""
		if out.N > 1 {
			limits = ui.Number(out.Low(), 0) + " to " + ui.Number(out.High(), 0)
		}
		return []templ.Component{
			ui.Text(meanFigure(r.Input.Mean())), ui.Soft(wholePercentile(r.Input, 95)), ui.Soft(cached), ui.Estimate(meanFigure(out)), ui.Text(limits), ui.Soft(wholePercentile(r.Output, 95)), change,
			ui.Text(speedWords(r.Speed, 50)), ui.Soft(speedWords(r.Speed, 5)), ui.Text(ui.Count(r.Input.Sum() + r.Output.Sum())),
			ui.Text(ui.Count(r.Calls.Events)), m.sessionsLink(r.Group, telemetry.BehindTokens, r.Calls), malformedCell(m, r.Group, r.Malformed)}
	})
	if len(rows) == 0 {
		t.Empty = noFigures("calls with token counts")
	}
	days := m.f.Window.To.Sub(m.f.Window.From).Hours() / 24
	p := metricParts{Tables: []metricTable{{"Tokens a call", t}}, How: howTokens, Notes: malformedNote(malformed)}
	items := []ui.Stat{
		{Term: "Tokens a day", Figure: ui.Number(float64(total)/days, 0), Base: ui.Count(total) + " in the window"},
		{Term: "Responses a minute", Figure: ui.Number(load.PerMinute, 2), Base: ui.CountOf(load.Responses, "response")},
		{Term: "Busiest minute", Figure: ui.Count(load.PeakMinute), Base: peakWords(load)},
		{Term: "Sessions at once", Figure: ui.Count(load.PeakSessions), Base: "in the busiest five minutes, of " + ui.Count(load.Sessions)},
		{Term: "Users", Figure: ui.Count(load.Users), Base: perUser(load)},
	}
	if load.Responses > 0 {
		p.Stats = &ui.Stats{Items: items}
	}
	p.Says = tokenSays(m, rows)
	return p
}

func peakWords(l telemetry.Load) string {
	if l.PeakMinute == 0 {
		return "no responses"
	}
	return "responses, " + l.PeakAt.UTC().Format("Mon 2 Jan, 15:04 UTC")
}

func perUser(l telemetry.Load) string {
	if l.Users == 0 {
		return "no event names one"
	}
	return ui.Number(float64(l.Responses)/float64(l.Users), 1) + " responses each"
}

func meanFigure(m telemetry.Mean) string {
	if m.N == 0 {
		return "–"
	}
	return ui.Number(m.Value, 0)
}

func wholePercentile(d telemetry.Distribution, percent int) string {
	if v, ok := d.Percentile(percent); ok && d.N() >= fewest {
		return ui.Count(v)
	}
	return "–"
}

func speedWords(d telemetry.Distribution, percent int) string {
	if v, ok := d.Percentile(percent); ok && d.N() >= fewest {
		return ui.Number(float64(v)/100, 1)
	}
	return "–"
}

func tokenSays(m measuring, rows []telemetry.TokenRow) []ui.Says {
	var list []ui.Says
	compared := 0
	for _, r := range rows {
		now, before := r.Output.Mean(), r.Before.Output.Mean()
		if now.N < 2 || before.N < 2 {
			continue
		}
		compared++
		if now.Apart(before) {
			word := "more"
			if now.Value < before.Value {
				word = "fewer"
			}
			list = append(list, ui.Says{Bold: m.groupWords(r.Group) + " writes " + word + ":", Text: fmt.Sprintf("%s tokens a call, 95 %% %s to %s, after %s in the time before.",
				meanFigure(now), ui.Number(now.Low(), 0), ui.Number(now.High(), 0), meanFigure(before))})
		}
	}
	return concluded(list, compared)
}

var howTokens = []ui.Fact{
	{Term: "Call", Value: ui.Text("A response with token counts, or the gate trace of a request that has no response. Each counts once.")},
	{Term: "Tokens/s", Value: ui.Text("After the first token: (output − 1) over the seconds from the first token to the end, to a hundredth. Nearest-rank percentiles. Responses of one token have none.")},
	{Term: "Mean, 95 %", Value: ui.Text("The average with its normal interval; calls are taken as independent. Before is bold when the interval of the difference leaves out zero.")},
	{Term: "Cached", Value: ui.Text("Share of all input tokens that were read from a cache and are priced apart.")},
	{Term: "Malformed", Value: ui.Text("“" + telemetry.ErrMalformedTiming.Error() + "”: rejected and counted, there is no fallback denominator.")},
	{Term: "At once", Value: ui.Text("Sessions with a response within the same five minutes of the clock.")},
}

func tokenAnswer(ctx context.Context, m measuring) (any, error) {
	rows, err := m.store.TokenRows(ctx, m.actor, m.f)
	if err != nil {
		return nil, err
	}
	load, err := m.store.Load(ctx, m.actor, m.f)
	list := []fiber.Map{}
	for _, r := range rows {
		row := m.groupJSON(r.Group, telemetry.BehindTokens, r.Calls.Sessions)
		row["calls"], row["malformed_timing"], row["cached_input_tokens"] = r.Calls.Events, r.Malformed.Events, r.Cached
		row["input_tokens"], row["output_tokens"], row["tokens_per_second"] = quantilesJSON(r.Input, 1), quantilesJSON(r.Output, 1), quantilesJSON(r.Speed, 100)
		row["total_tokens"] = r.Input.Sum() + r.Output.Sum()
		row["before"] = fiber.Map{"input_tokens": quantilesJSON(r.Before.Input, 1), "output_tokens": quantilesJSON(r.Before.Output, 1), "tokens_per_second": quantilesJSON(r.Before.Speed, 100)}
		list = append(list, row)
	}
	return fiber.Map{"rows": list, "load": fiber.Map{"responses": load.Responses, "users": load.Users, "sessions": load.Sessions,
		"responses_per_minute": load.PerMinute, "peak_minute": load.PeakMinute, "peak_sessions": load.PeakSessions}}, err
}

func costParts(ctx context.Context, m measuring) (metricParts, error) {
	costs, err := m.store.Costs(ctx, m.actor, m.f, m.q.Card)
	if err != nil {
		return metricParts{}, err
	}
	return buildCosts(m, costs), nil
}

func buildCosts(m measuring, c telemetry.Costs) metricParts {
	money := func(x float64) string { return strings.TrimSuffix(ui.Money(x, ""), " ") }
	top := 0.0
	var all telemetry.Spent
	for _, r := range c.Rows {
		if mean := r.PerCall(); mean.N >= fewest {
			top = max(top, mean.High())
		}
		all.Calls, all.Unpriced, all.Total = all.Calls+r.Spent.Calls, all.Unpriced+r.Unpriced, all.Total+r.Total
	}
	axis := axisTo(top, 2.5, money)
	t := ui.Table{Bare: true, Caption: "Cost", Columns: append(m.groupColumns(),
		ui.Column{Label: "Cost", Right: true}, ui.Column{Label: "A call", Right: true}, ui.Column{Label: "95 %", Right: true}, ui.Column{Name: "Cost of a call", Wide: true, Note: axis},
		ui.Column{Label: "A call before", Right: true}, ui.Column{Label: "Cost before", Right: true}, ui.Column{Label: "Input", Right: true}, ui.Column{Label: "Cached", Right: true}, ui.Column{Label: "Output", Right: true},
		ui.Column{Label: "Calls", Right: true}, ui.Column{Label: "Sessions", Right: true})}
	t.Rows = rowsOf(m, c.Rows, func(r telemetry.CostRow) telemetry.Group { return r.Group }, func(r telemetry.CostRow) []templ.Component {
		now, before := r.PerCall(), r.Before.PerCall()
		bar := ui.IntervalBar{Axis: axis.Axis, Low: now.Low(), High: now.High(), Estimate: now.Value, Name: money(now.Value) + " a call, 95 % " + money(now.Low()) + " to " + money(now.High())}
		limits := money(now.Low()) + " to " + money(now.High())
		if now.N < fewest {
			limits, bar.Standing = "", ui.NoData
			bar.Note = "no data: " + ui.CountOf(now.N, "priced call") + ", at least 5 needed"
			bar.Name = bar.Note
		}
		change := templ.Component(ui.Dim("–"))
		if before.N >= fewest {
			change = ui.Dim(money(before.Value))
			if now.Apart(before) {
				change = ui.Bold(money(before.Value))
			}
		}
		return []templ.Component{ui.Estimate(money(r.Total)), ui.Text(money(now.Value)), ui.Text(limits), bar, change, ui.Dim(money(r.Before.Total)),
			ui.Soft(ui.Count(r.Input)), ui.Soft(ui.Count(r.Cached)), ui.Soft(ui.Count(r.Output)), ui.Text(ui.Count(r.Calls.Events)), m.sessionsLink(r.Group, telemetry.BehindTokens, r.Calls)}
	})
	if len(c.Rows) == 0 {
		t.Empty = noFigures("calls with token counts")
	}
	currency := c.Currency
	if currency == "" {
		currency = "several currencies"
	}
	p := metricParts{Tables: []metricTable{{"Cost in " + currency, t}}, How: howCost}
	days := m.f.Window.To.Sub(m.f.Window.From).Hours() / 24
	if all.Calls > 0 {
		p.Stats = &ui.Stats{Items: []ui.Stat{{Term: "Cost", Figure: ui.Money(all.Total, c.Currency), Base: windowWords(m.f.Window)},
			{Term: "A day", Figure: ui.Money(all.Total/days, c.Currency), Base: "over " + ui.Number(days, 1) + " days"},
			{Term: "A month at this pace", Figure: ui.Money(all.Total/days*30, c.Currency), Base: "30 days"},
			{Term: "Priced by", Figure: ui.Count(len(c.Versions)), Base: clip(commas(c.Versions...), 120)}}}
	}
	if all.Unpriced > 0 {
		p.Notes = append(p.Notes, ui.Banner{Tone: ui.Mid, Fact: ui.CountOf(all.Unpriced, "call") + " without a price.",
			Consequence: "No rate card was in effect on their day. They are in no cost.", Link: &ui.Link{Text: "Rate cards", URL: "/settings/ratecards"}})
	}
	if c.Currency == "" && len(c.Versions) > 1 {
		p.Notes = append(p.Notes, ui.Banner{Tone: ui.Mid, Fact: "The cards in effect have several currencies.", Consequence: "Their amounts are added as they are. Choose one card to compare."})
	}
	p.Charts = costChart(m, c)
	p.Says = costSays(m, c, money)
	cards := ui.Filter{Name: "rate card", Param: "card", Value: m.q.Card, Options: []ui.Option{{Label: "in effect on each day"}}}
	for _, card := range c.Prices.Cards {
		cards.Options = append(cards.Options, ui.Option{Value: card.Version, Label: card.Version})
	}
	p.more = []ui.Filter{cards}
	p.acts = []templ.Component{ui.Button{Label: "Rate cards", Style: ui.Plain, URL: "/settings/ratecards"}}
	return p
}

// costChart is what each day cost.
func costChart(m measuring, c telemetry.Costs) []metricChart {
	byDay := map[time.Time]float64{}
	for _, r := range c.Rows {
		for _, d := range r.Days {
			byDay[d.Day] += d.Total
		}
	}
	first, last := m.f.Window.From.Truncate(24*time.Hour), m.f.Window.To.Add(-time.Second).Truncate(24*time.Hour)
	n := int(last.Sub(first).Hours()/24) + 1
	if len(byDay) < 2 || n < 2 {
		return nil
	}
	s := ui.Series{Area: true}
	top, sum := 0.0, 0.0
	for i := range n {
		v := byDay[first.AddDate(0, 0, i)]
		top, sum = max(top, v), sum+v
		s.X = append(s.X, float64(i))
		s.Points = append(s.Points, ui.Point{Value: v, Low: math.NaN(), High: math.NaN()})
	}
	axis := axisTo(top, 4, nil)
	chart := ui.LineChart{XAxis: ui.Axis{Max: float64(n - 1)}, YAxis: axis.Axis, Series: []ui.Series{s}, Height: 180,
		Name: fmt.Sprintf("Cost by day, %s in all, %s on the dearest day", ui.Money(sum, c.Currency), ui.Money(top, c.Currency))}
	for _, at := range axis.Ticks {
		chart.YTicks = append(chart.YTicks, ui.Tick{At: at, Label: strings.TrimSpace(ui.Money(at, ""))})
	}
	for i := 0; i < n; i += max(1, n/7) {
		chart.XTicks = append(chart.XTicks, ui.Tick{At: float64(i), Label: first.AddDate(0, 0, i).Format("2 Jan")})
	}
	return []metricChart{{"Cost by day", "UTC days", chart}}
}

func costSays(m measuring, c telemetry.Costs, money func(float64) string) []ui.Says {
	var list []ui.Says
	compared := 0
	for _, r := range c.Rows {
		now, before := r.PerCall(), r.Before.PerCall()
		if now.N < fewest || before.N < fewest {
			continue
		}
		compared++
		if now.Apart(before) {
			word := "dearer"
			if now.Value < before.Value {
				word = "cheaper"
			}
			list = append(list, ui.Says{Bold: m.groupWords(r.Group) + " is " + word + ":", Text: fmt.Sprintf("%s a call, 95 %% %s to %s, after %s in the time before.", money(now.Value), money(now.Low()), money(now.High()), money(before.Value))})
		}
	}
	return concluded(list, compared)
}

var howCost = []ui.Fact{
	{Term: "Cost", Value: ui.Text("(input − cached) × input price + cached × cached price + output × output price, each per million tokens. Usage is stored once; the cost is computed when it is looked at.")},
	{Term: "Rate card", Value: ui.Text("In effect: the card of each call's UTC day, one of its model version before one of all. Or one named version for every call, so that old traces stay comparable.")},
	{Term: "A call, 95 %", Value: ui.Text("The average cost with its normal interval. Before is bold when the interval of the difference leaves out zero.")},
	{Term: "Call", Value: ui.Text("A response with token counts, or the gate trace of a request that has no response. Each counts once.")},
}

func costAnswer(ctx context.Context, m measuring) (any, error) {
	costs, err := m.store.Costs(ctx, m.actor, m.f, m.q.Card)
	list := []fiber.Map{}
	for _, r := range costs.Rows {
		row := m.groupJSON(r.Group, telemetry.BehindTokens, r.Calls.Sessions)
		mean := r.PerCall()
		row["cost"], row["calls"], row["unpriced"], row["per_call"] = r.Total, r.Spent.Calls, r.Unpriced, fiber.Map{"estimate": mean.Value, "low": mean.Low(), "high": mean.High(), "level": 0.95, "n": mean.N}
		row["input_tokens"], row["cached_input_tokens"], row["output_tokens"] = r.Input, r.Cached, r.Output
		row["before"] = fiber.Map{"cost": r.Before.Total, "calls": r.Before.Calls, "per_call": r.Before.PerCall().Value}
		row["decisive"] = mean.Apart(r.Before.PerCall())
		list = append(list, row)
	}
	return fiber.Map{"rows": list, "currency": costs.Currency, "rate_cards": append([]string{}, slices.Clone(costs.Versions)...)}, err
}
