package web

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/telemetry"
	"assay/web/ui"
)

// compared is what the nightly comparison of the daily totals found; ok is
// false before the first one.
type compared struct {
	telemetry.Compared
	differed int64
	ok       bool
}

func dayParts(ctx context.Context, m measuring) (metricParts, error) {
	days, err := m.store.DayTotals(ctx, m.actor, m.f)
	if err != nil {
		return metricParts{}, err
	}
	var c compared
	c.Compared, c.differed, c.ok, err = m.store.LastComparison(ctx, m.actor)
	return buildDays(m, days, c), err
}

func buildDays(m measuring, days []telemetry.DayTotal, c compared) metricParts {
	t := ui.Table{Bare: true, Caption: "Days", Columns: []ui.Column{{Label: "Day", Wide: true}, {Label: "Responses", Right: true}, {Label: "Errors", Right: true}, {Label: "95 %", Right: true}, {Label: "Error events", Right: true},
		{Label: "Total mean", Right: true}, {Label: "Timed", Right: true}, {Label: "Malformed", Right: true}, {Label: "Input tokens", Right: true}, {Label: "Cached", Right: true}, {Label: "Output tokens", Right: true}, {Label: "Exposures", Right: true}, {Label: "Events", Right: true}}}
	for _, d := range slices.Backward(days) {
		mean := "–"
		if d.Timed > 0 {
			mean = elapsedMS(d.MeanMS)
		}
		errors := rate(d.Errors, d.Events)
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{ui.Link{Text: d.Day.Format("Mon 2 Jan 2006"), URL: m.day(d.Day)}, ui.Bold(ui.Count(d.Responses)), ui.Text(shareFigure(errors)), ui.Soft(shareLimits(errors)), ui.Text(ui.Count(d.Errors)),
			ui.Text(mean), ui.Soft(ui.Count(d.Timed)), ui.Soft(ui.Count(d.Malformed)), ui.Text(ui.Count(d.InputTokens)), ui.Soft(ui.Count(d.CachedTokens)), ui.Text(ui.Count(d.OutputTokens)), ui.Soft(ui.Count(d.Exposures)), ui.Text(ui.Count(d.Events))}})
	}
	if len(days) == 0 {
		t.Empty = ui.Empty{Bare: true, Title: "No day is counted in this window", Why: "Days are counted within ten minutes after something landed. Choose a longer window, or drop a filter."}
	}
	p := metricParts{Tables: []metricTable{{"UTC days", t}}, Charts: dayChart(m, days), How: howDays}
	p.Says = []ui.Says{comparisonSays(c)}
	if c.ok && c.differed > 0 {
		p.Tables = append(p.Tables, metricTable{"What differed and was put right", differenceTable(c)})
	}
	return p
}

// day is the address of the sessions of a day.
func (m measuring) day(d time.Time) string {
	one := m
	one.f.Window = telemetry.Window{From: d, To: d.AddDate(0, 0, 1)}
	return one.behind(telemetry.Group{}, telemetry.BehindEvents)
}

func comparisonSays(c compared) ui.Says {
	if !c.ok {
		return ui.Says{More: ui.Text("These totals have not been compared with their events yet; that happens each night.")}
	}
	says := ui.Says{Bold: "They agree with their events.", Text: fmt.Sprintf(" %s compared, %s to %s.", ui.CountOf(c.Cells, "cell"), c.First.Format("2 Jan"), c.Last.Format("2 Jan 2006"))}
	if c.differed > 0 {
		says.Bold = ui.CountOf(c.differed, "figure") + " differed from the events and " + was(c.differed) + " put right."
	}
	says.More = ui.Words("Compared ", ui.Time{At: c.At}, ", and each night.")
	return says
}

func was(n int64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

func differenceTable(c compared) ui.Table {
	t := ui.Table{Bare: true, Tight: true, Caption: "Differences", Columns: []ui.Column{{Label: "Day"}, {Label: "Filed under", Wide: true}, {Label: "Figure"}, {Label: "Stood", Right: true}, {Label: "Counted", Right: true}}}
	for _, d := range c.Differences {
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{ui.Text(d.Day.Format("2 Jan 2006")), ui.Mono(clip(d.FiledUnder, 160)), ui.Mono(d.Figure), ui.Text(ui.Count(d.Stored)), ui.Text(ui.Count(d.Counted))}})
	}
	t.Foot = &ui.Foot{Shown: ui.OutOf(int64(len(c.Differences)), c.differed) + " figures"}
	return t
}

func dayChart(m measuring, days []telemetry.DayTotal) []metricChart {
	if len(days) < 2 {
		return nil
	}
	first, last := days[0].Day, days[len(days)-1].Day
	n := int(last.Sub(first).Hours()/24) + 1
	byDay := map[time.Time]int64{}
	top := int64(1)
	for _, d := range days {
		byDay[d.Day] = d.Responses
		top = max(top, d.Responses)
	}
	s := ui.Series{Area: true}
	for i := range n {
		s.X = append(s.X, float64(i))
		s.Points = append(s.Points, ui.Point{Value: float64(byDay[first.AddDate(0, 0, i)]), Low: math.NaN(), High: math.NaN()})
	}
	axis := axisTo(float64(top), 4, nil)
	chart := ui.LineChart{XAxis: ui.Axis{Max: float64(n - 1)}, YAxis: axis.Axis, Series: []ui.Series{s}, Height: 160,
		Name: fmt.Sprintf("Responses a day over %s, at most %s", ui.CountOf(n, "day"), ui.Count(top))}
	for _, at := range axis.Ticks {
		chart.YTicks = append(chart.YTicks, ui.Tick{At: at, Label: ui.Number(at, 0)})
	}
	for i := 0; i < n; i += max(1, n/7) {
		chart.XTicks = append(chart.XTicks, ui.Tick{At: float64(i), Label: first.AddDate(0, 0, i).Format("2 Jan")})
	}
	return []metricChart{{"Responses a day", "UTC days", chart}}
}

var howDays = []ui.Fact{
	{Term: "Counted", Value: ui.Text("Each day as a whole from events that count once however often they came, within ten minutes after something landed in it, late arrivals among them.")},
	{Term: "Compared", Value: ui.Text("Each night every day whose events are all still kept is counted again. What differs is said here and put right.")},
	{Term: "Kept", Value: ui.Text("Longer than the events: a day of which some have expired stays as it was counted.")},
	{Term: "Today", Value: ui.Text("Is not over: it is what has landed so far.")},
}

func dayAnswer(ctx context.Context, m measuring) (any, error) {
	days, err := m.store.DayTotals(ctx, m.actor, m.f)
	if err != nil {
		return nil, err
	}
	c, differed, ok, err := m.store.LastComparison(ctx, m.actor)
	if days == nil {
		days = []telemetry.DayTotal{}
	}
	answer := fiber.Map{"rows": days, "compared": nil}
	if ok {
		answer["compared"] = fiber.Map{"at": c.At, "first_day": c.First.Format(time.DateOnly), "last_day": c.Last.Format(time.DateOnly), "cells": c.Cells, "differed": differed}
	}
	return answer, err
}
