package web

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/url"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/stats"
	"assay/telemetry"
	"assay/web/ui"
)

func flowParts(ctx context.Context, m measuring) (metricParts, error) {
	rows, err := m.store.FlowRows(ctx, m.actor, m.f)
	return buildFlow(m, rows), err
}

func buildFlow(m measuring, rows []telemetry.FlowRow) metricParts {
	var shares []stats.Estimate
	var turns []telemetry.Distribution
	for _, r := range rows {
		shares = append(shares, rate(r.Abandoned.Sessions, r.Sessions))
		turns = append(turns, r.Turns)
	}
	axis := shareAxis(shares)
	t := ui.Table{Bare: true, Caption: "Conversations", Columns: append(m.groupColumns(),
		ui.Column{Label: "Abandoned", Right: true}, ui.Column{Label: "95 %", Right: true}, ui.Column{Name: "Interval", Wide: true, Note: axis}, ui.Column{Label: "Change", Right: true}, ui.Column{Label: "Abandoned, sessions", Right: true},
		ui.Column{Label: "Asked again", Right: true}, ui.Column{Label: "Turns mean", Right: true}, ui.Column{Label: "P95", Right: true}, ui.Column{Label: "Before", Right: true},
		ui.Column{Label: "Lasted P50", Right: true}, ui.Column{Label: "P95", Right: true}, ui.Column{Label: "Responses", Right: true}, ui.Column{Label: "Sessions", Right: true})}
	compared := 0
	var says []ui.Says
	t.Rows = rowsOf(m, rows, func(r telemetry.FlowRow) telemetry.Group { return r.Group }, func(r telemetry.FlowRow) []templ.Component {
		e := rate(r.Abandoned.Sessions, r.Sessions)
		change, d, decisive := shareChange(e, rate(r.Before.Abandoned, r.Before.Sessions))
		if d.Defined {
			compared++
		}
		if decisive {
			says = append(says, shareSentence(m.groupWords(r.Group), "abandoned sessions", d))
		}
		now, before := r.Turns.Mean(), r.Before.Turns.Mean()
		was := templ.Component(ui.Dim(turnFigure(before)))
		if now.Apart(before) {
			was = ui.Bold(turnFigure(before))
		}
		return []templ.Component{ui.Estimate(shareFigure(e)), ui.Text(shareLimits(e)), figureBar(e, axis.Axis), change, m.sessionsLink(r.Group, telemetry.BehindAbandoned, r.Abandoned),
			m.partLink(r.Group, telemetry.BehindRequeried, r.Requeried, r.Responses), ui.Text(turnFigure(now)), ui.Soft(wholePercentile(r.Turns, 95)), was,
			ui.Soft(lasted(r.Seconds, 50)), ui.Soft(lasted(r.Seconds, 95)), ui.Text(ui.Count(r.Responses.Events)), m.sessionsLink(r.Group, telemetry.BehindResponses, r.Responses)}
	})
	if len(rows) == 0 {
		t.Empty = noFigures("responses")
	}
	return metricParts{Tables: []metricTable{{"Conversations", t}}, How: howFlow, Says: concluded(says, compared), Charts: dropOff(telemetry.Joined(turns...))}
}

func turnFigure(m telemetry.Mean) string {
	if m.N == 0 {
		return "–"
	}
	return ui.Number(m.Value, 1)
}

func lasted(d telemetry.Distribution, percent int) string {
	if v, ok := d.Percentile(percent); ok && d.N() >= fewest {
		return ui.Handling(time.Duration(v) * time.Second)
	}
	return "–"
}

// dropOff is how many sessions reach each turn.
func dropOff(turns telemetry.Distribution) []metricChart {
	if turns.N() < fewest {
		return nil
	}
	last, _ := turns.Percentile(99)
	n := int(min(max(last, 2), 30))
	s := ui.Series{Area: true, Band: true}
	for k := 1; k <= n; k++ {
		e := rate(int64(turns.AtLeast(int64(k))), int64(turns.N()))
		s.X = append(s.X, float64(k))
		s.Points = append(s.Points, ui.Point{Value: e.Value * 100, Low: e.Low * 100, High: e.High * 100})
	}
	chart := ui.LineChart{XAxis: ui.Axis{Min: 1, Max: float64(n)}, YAxis: ui.Axis{Max: 100}, Series: []ui.Series{s}, Height: 180,
		YTicks: []ui.Tick{{At: 0, Label: "0 %"}, {At: 50, Label: "50 %"}, {At: 100, Label: "100 %"}},
		Name:   fmt.Sprintf("Share of %s that reach a turn: %s reach the second", ui.CountOf(turns.N(), "session"), ui.WholeShare(float64(turns.AtLeast(2))/float64(turns.N())))}
	for k := 1; k <= n; k += max(1, n/10) {
		chart.XTicks = append(chart.XTicks, ui.Tick{At: float64(k), Label: "turn " + ui.Count(k)})
	}
	return []metricChart{{"Where people leave", "share of sessions that reach each turn, with 95 % intervals", chart}}
}

var howFlow = []ui.Fact{
	{Term: "Session", Value: ui.Text("In every row it has a response of, with its responses of that row in the window. Turns are responses.")},
	{Term: "Abandoned", Value: ui.Text("Sessions whose last response was followed by 30 minutes of silence without an outcome or feedback, of all sessions. 95 % by Wilson.")},
	{Term: "Asked again", Value: ui.Text("Responses after which a like prompt came within 10 minutes, of all responses.")},
	{Term: "Lasted", Value: ui.Text("From a session's first response in the window to its last, by nearest rank.")},
}

func flowAnswer(ctx context.Context, m measuring) (any, error) {
	rows, err := m.store.FlowRows(ctx, m.actor, m.f)
	list := []fiber.Map{}
	for _, r := range rows {
		row := m.groupJSON(r.Group, telemetry.BehindResponses, r.Sessions)
		row["responses"], row["turns"], row["duration_s"] = r.Responses.Events, quantilesJSON(r.Turns, 1), quantilesJSON(r.Seconds, 1)
		row["abandoned"], row["requeried"] = shareJSON(rate(r.Abandoned.Sessions, r.Sessions)), shareJSON(rate(r.Requeried.Events, r.Responses.Events))
		row["before"] = fiber.Map{"turns": quantilesJSON(r.Before.Turns, 1), "abandoned": shareJSON(rate(r.Before.Abandoned, r.Before.Sessions))}
		list = append(list, row)
	}
	return list, err
}

func feedbackParts(ctx context.Context, m measuring) (metricParts, error) {
	rows, err := m.store.FeedbackRows(ctx, m.actor, m.f)
	if err != nil {
		return metricParts{}, err
	}
	tags, err := m.store.ReasonTags(ctx, m.actor, m.f, 12)
	return buildVotes(m, rows, tags), err
}

func buildVotes(m measuring, rows []telemetry.FeedbackRow, tags []telemetry.ReasonTag) metricParts {
	var shares []stats.Estimate
	for _, r := range rows {
		shares = append(shares, r.DownShare())
	}
	axis := shareAxis(shares)
	t := ui.Table{Bare: true, Caption: "Feedback", Columns: append(m.groupColumns(),
		ui.Column{Label: "Negative", Right: true}, ui.Column{Label: "95 %", Right: true}, ui.Column{Name: "Interval", Wide: true, Note: axis}, ui.Column{Label: "Change", Right: true},
		ui.Column{Label: "Down", Right: true}, ui.Column{Label: "Up", Right: true}, ui.Column{Label: "Spoke", Right: true},
		ui.Column{Label: "Corrected", Right: true}, ui.Column{Label: "Asked again", Right: true}, ui.Column{Label: "Abandoned", Right: true}, ui.Column{Label: "Responses", Right: true}, ui.Column{Label: "Sessions", Right: true})}
	compared := 0
	var says []ui.Says
	t.Rows = rowsOf(m, rows, func(r telemetry.FeedbackRow) telemetry.Group { return r.Group }, func(r telemetry.FeedbackRow) []templ.Component {
		e := r.DownShare()
		change, d, decisive := shareChange(e, rate(r.Before.Down.Events, r.Before.Down.Events+r.Before.Up.Events))
		if d.Defined {
			compared++
		}
		if decisive {
			says = append(says, shareSentence(m.groupWords(r.Group), "negative among those who spoke", d))
		}
		return []templ.Component{ui.Estimate(shareFigure(e)), ui.Text(shareLimits(e)), figureBar(e, axis.Axis), change,
			m.sessionsLink(r.Group, telemetry.BehindDown, r.Down), m.sessionsLink(r.Group, telemetry.BehindUp, r.Up), ui.Soft(shareFigure(rate(int64(e.Denominator), max(r.Responses.Events, int64(e.Denominator))))),
			m.partLink(r.Group, telemetry.BehindCorrected, r.Corrected, r.Responses), m.partLink(r.Group, telemetry.BehindRequeried, r.Requeried, r.Responses), m.partLink(r.Group, telemetry.BehindAbandoned, r.Abandoned, r.Responses),
			ui.Text(ui.Count(r.Responses.Events)), m.sessionsLink(r.Group, telemetry.BehindResponses, r.Responses)}
	})
	if len(rows) == 0 {
		t.Empty = noFigures("responses")
	}
	p := metricParts{Tables: []metricTable{{"Feedback", t}}, How: howFeedback, Says: concluded(says, compared)}
	if len(tags) > 0 {
		reasons := ui.Table{Bare: true, Caption: "Reasons", Columns: []ui.Column{{Label: "Reason people gave", Wide: true}, {Label: "Times", Right: true}, {Label: "In sessions", Right: true}}}
		for _, tag := range tags {
			reasons.Rows = append(reasons.Rows, ui.Row{Cells: []templ.Component{ui.Text(clip(tag.Reason, 120)), ui.Text(ui.Count(tag.Events)), ui.Text(ui.Count(tag.Sessions))}})
		}
		p.Tables = append(p.Tables, metricTable{"Reasons", reasons})
	}
	return p
}

var howFeedback = []ui.Fact{
	{Term: "Negative", Value: ui.Text("Of the responses somebody rated, those rated down, 1 or 2 of 5, or fixed with one click. People who are content rarely say so: it is no rate of the product. 95 % by Wilson.")},
	{Term: "Up", Value: ui.Text("Rated up, or 4 or 5 of 5. A vote belongs to the response of its request in its session.")},
	{Term: "Down, Up", Value: ui.Text("Sessions with such a response; open them.")},
	{Term: "Spoke", Value: ui.Text("Rated responses of all responses.")},
	{Term: "Corrected", Value: ui.Text("Responses whose text somebody changed within 120 seconds, of all responses.")},
	{Term: "Asked again, abandoned", Value: ui.Text("A like prompt within 10 minutes; 30 minutes of silence without an outcome.")},
}

func feedbackAnswer(ctx context.Context, m measuring) (any, error) {
	rows, err := m.store.FeedbackRows(ctx, m.actor, m.f)
	list := []fiber.Map{}
	for _, r := range rows {
		row := m.groupJSON(r.Group, telemetry.BehindResponses, r.Responses.Sessions)
		row["responses"], row["negative"], row["down"], row["up"] = r.Responses.Events, shareJSON(r.DownShare()), r.Down.Events, r.Up.Events
		row["corrected"], row["requeried"], row["abandoned"] = shareJSON(rate(r.Corrected.Events, r.Responses.Events)), shareJSON(rate(r.Requeried.Events, r.Responses.Events)), shareJSON(rate(r.Abandoned.Events, r.Responses.Events))
		row["before"] = fiber.Map{"negative": shareJSON(rate(r.Before.Down.Events, r.Before.Down.Events+r.Before.Up.Events))}
		list = append(list, row)
	}
	return list, err
}

func experimentParts(ctx context.Context, m measuring) (metricParts, error) {
	rows, err := m.store.VariantRows(ctx, m.actor, m.f, m.q.Experiment)
	return buildExperiments(m, rows), err
}

func buildExperiments(m measuring, rows []telemetry.VariantRow) metricParts {
	var shares []stats.Estimate
	for _, r := range rows {
		shares = append(shares, r.PerUser())
	}
	axis := shareAxis(shares)
	t := ui.Table{Bare: true, Caption: "Experiments", Columns: []ui.Column{{Label: "Experiment"}, {Label: "Variant"}, {Label: "Per user", Right: true}, {Label: "95 %", Right: true}, {Name: "Interval", Wide: true, Note: axis},
		{Label: "Against the first", Right: true}, {Label: "Users", Right: true}, {Label: "Converted", Right: true}, {Label: "Ratio"}, {Label: "Per event", Right: true}, {Label: "Successes", Right: true}, {Label: "Exposures", Right: true}, {Label: "Sessions", Right: true}}}
	p := metricParts{How: howExperiments}
	first := 0
	for i, r := range rows {
		starts := i > 0 && rows[i-1].Experiment != r.Experiment
		if starts || i == 0 {
			first = i
		}
		t.Rows = append(t.Rows, ui.Row{Starts: starts, Cells: experimentCells(m, rows, i, first, axis.Axis)})
		if r.Mismatch {
			p.Notes = append(p.Notes, ui.Banner{Tone: ui.Bad, Fact: "Sample-ratio mismatch in " + clip(r.Experiment, 60) + ", variant " + clip(cmp.Or(r.Variant, "not said"), 40) + ".",
				Consequence: fmt.Sprintf("%s users where %s were to be expected of equal arms. Assignment or logging is broken; do not read its conversion.", ui.Count(r.Users), ui.Number(r.Expected, 0))})
		}
		if says, ok := experimentSays(rows, i, first); ok {
			p.Says = append(p.Says, says)
		}
	}
	if len(rows) == 0 {
		t.Empty = noFigures("exposures")
	} else if len(p.Says) == 0 {
		p.Says = []ui.Says{{More: ui.Text("No difference between variants is decisive.")}}
	}
	p.Tables = []metricTable{{"Conversion", t}}
	p.more = []ui.Filter{{Name: "experiment", Param: "experiment", Value: m.q.Experiment, Any: "any", Mono: true}}
	return p
}

func experimentCells(m measuring, rows []telemetry.VariantRow, i, first int, axis ui.Axis) []templ.Component {
	r := rows[i]
	name := ui.Again(clip(r.Experiment, 60))
	if i == first {
		name = ui.Bold(clip(r.Experiment, 60))
	}
	e := r.PerUser()
	difference := templ.Component(ui.Dim("–"))
	if i != first {
		difference, _, _ = shareChange(e, rows[first].PerUser())
	} else {
		difference = ui.Dim("first")
	}
	ratio := templ.Component(ui.Soft("as meant"))
	switch {
	case r.Mismatch:
		ratio = ui.Chip{Text: "mismatch", Tone: ui.Bad}
	case r.Expected == 0:
		ratio = ui.Dim("one arm")
	}
	perEvent := "–"
	if percent, ok := r.PerEvent(); ok {
		perEvent = ui.Number(percent, 3) + " %"
	}
	users := templ.Component(ui.Text(ui.Count(r.Users)))
	if r.Both > 0 {
		users = ui.Words(ui.Dim(ui.Count(r.Both)+" in both "), ui.Count(r.Users))
	}
	v := url.Values{"from": {m.f.Window.From.Format(time.RFC3339)}, "to": {m.f.Window.To.Format(time.RFC3339)}, "behind": {string(telemetry.BehindExposures)},
		"experiment": {r.Experiment}, "variant": {cmp.Or(r.Variant, telemetry.Unsaid)}}
	for name, value := range map[string]string{"task_class": m.q.TaskClass, "model_version": m.q.ModelVersion, "template": m.q.Template, "env": m.q.Env} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return []templ.Component{name, ui.Mono(clip(cmp.Or(r.Variant, "not said"), 40)), ui.Estimate(shareFigure(e)), ui.Text(shareLimits(e)), figureBar(e, axis), difference, users, ui.Text(ui.Count(r.Converted)), ratio,
		ui.Soft(perEvent), ui.Soft(ui.Count(r.Successes)), ui.Text(ui.Count(r.Exposures.Events)), ui.Link{Text: ui.Count(r.Exposures.Sessions), URL: "/sessions?" + v.Encode()}}
}

// experimentSays tells a decisive difference of sound arms.
func experimentSays(rows []telemetry.VariantRow, i, first int) (ui.Says, bool) {
	r, base := rows[i], rows[first]
	if i == first || r.Mismatch || base.Mismatch {
		return ui.Says{}, false
	}
	_, d, decisive := shareChange(r.PerUser(), base.PerUser())
	if !decisive {
		return ui.Says{}, false
	}
	word, low, high := "converts better", d.Low, d.High
	if d.Value < 0 {
		word, low, high = "converts worse", -d.High, -d.Low
	}
	return ui.Says{Bold: fmt.Sprintf("%s %s than %s in %s:", cmp.Or(r.Variant, "not said"), word, cmp.Or(base.Variant, "not said"), r.Experiment),
		Text: fmt.Sprintf("%s per user, 95 %% %s to %s.", ui.PointsMore(d.Value), ui.Number(math.Abs(low)*100, 1), ui.Number(math.Abs(high)*100, 1))}, true
}

var howExperiments = []ui.Fact{
	{Term: "Per user", Value: ui.Text("Users with a success of those who were exposed, each once; 95 % by Wilson. Users are told apart by their hash; exposures without one are in no figure per user.")},
	{Term: "Per event", Value: ui.Text("100 × interactions with the outcome success ÷ exposures, to three decimals. It can exceed 100 % and has no interval: events of one user are not independent. Without exposures there is none.")},
	{Term: "Against the first", Value: ui.Text("The difference per user to the first variant, bold when its 95 % interval (Newcombe) leaves out zero.")},
	{Term: "Ratio", Value: ui.Text("Whether the arms are as large as equal shares would be: a mismatch is called where chance does so less than once in a thousand sound experiments, at any number of looks.")},
	{Term: "In both", Value: ui.Text("Users who were shown more than one variant. They count in each.")},
}

func experimentAnswer(ctx context.Context, m measuring) (any, error) {
	rows, err := m.store.VariantRows(ctx, m.actor, m.f, m.q.Experiment)
	list := []fiber.Map{}
	for _, r := range rows {
		row := fiber.Map{"experiment": r.Experiment, "variant": r.Variant, "exposures": r.Exposures.Events, "sessions": r.Exposures.Sessions, "successes": r.Successes, "per_event_percent": nil,
			"users": r.Users, "converted": r.Converted, "per_user": shareJSON(r.PerUser()), "users_in_several_variants": r.Both, "exposures_without_user": r.NoUser, "sample_ratio_mismatch": r.Mismatch, "expected_users": r.Expected}
		if percent, ok := r.PerEvent(); ok {
			row["per_event_percent"] = percent
		}
		list = append(list, row)
	}
	return list, err
}
