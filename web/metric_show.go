package web

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/eval"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/stats"
	"assay/telemetry"
	"assay/web/ui"
)

// metricQuery is the whole state of a page of figures and of
// GET /v1/metrics/summary.
type metricQuery struct {
	Family       string `query:"family"` // of the interface: names with commas; none: all
	By           string `query:"by"`
	From         string `query:"from"`
	To           string `query:"to"`
	Window       string `query:"window"`
	TaskClass    string `query:"task_class"`
	ModelVersion string `query:"model_version"`
	Template     string `query:"template"`
	Env          string `query:"env"`
	Card         string `query:"card"`
	Experiment   string `query:"experiment"`
}

// metricFamily is one page of figures.
type metricFamily struct {
	key, name string
	sub       string
	by        string // how it is broken down without a wish
	fixed     bool   // it has a breakdown of its own
	build     func(ctx context.Context, m measuring) (metricParts, error)
	answer    func(ctx context.Context, m measuring) (any, error)
}

// measuring is what a family is asked.
type measuring struct {
	store *telemetry.Store
	actor auth.Actor
	f     telemetry.MetricFilter
	q     metricQuery
}

// metricParts is what a family shows, worded for people.
type metricParts struct {
	Stats  *ui.Stats
	Notes  []ui.Banner
	Charts []metricChart
	Tables []metricTable
	Says   []ui.Says
	How    []ui.Fact
	more   []ui.Filter
	acts   []templ.Component
}

type metricChart struct {
	Title, Note string
	Chart       ui.LineChart
}

type metricTable struct {
	Title string
	Table ui.Table
}

// metricsPage is a family of figures with its intervals, what they are
// compared with, and the sessions behind them.
type metricsPage struct {
	metricParts
	Head    ui.Head
	Tabs    ui.Tabs
	Filters ui.FilterBar
}

var metricFamilies = []metricFamily{
	{key: "latency", name: "Latency", sub: "How long people waited for the first token and for the whole response", by: "task_class,model_version", build: latencyParts, answer: latencyAnswer},
	{key: "tokens", name: "Tokens", sub: "What calls read and wrote, how fast, and how much traffic there was", by: "task_class,model_version", build: tokenParts, answer: tokenAnswer},
	{key: "cost", name: "Cost", sub: "What calls cost by the rate card in effect on their day", by: "task_class,model_version", build: costParts, answer: costAnswer},
	{key: "errors", name: "Errors", sub: "Errors of all events, and responses that failed or were cut", by: "version", build: errorParts, answer: errorAnswer},
	{key: "routes", name: "Routes", sub: "What was served, and where requests failed first: three shares that are never one", by: "template", build: routeParts, answer: routeAnswer},
	{key: "conversations", name: "Conversations", sub: "How deep conversations go, how long they last, and where people leave", by: "task_class", build: flowParts, answer: flowAnswer},
	{key: "feedback", name: "Feedback", sub: "What people said of responses, and what they did without saying it", by: "task_class,model_version", build: feedbackParts, answer: feedbackAnswer},
	{key: "experiments", name: "Experiments", sub: "Conversion per user and per event, and whether the arms are as large as they should be", fixed: true, build: experimentParts, answer: experimentAnswer},
	{key: "tools", name: "Tools", sub: "How tools did, and which repeated themselves without progress", fixed: true, build: toolParts, answer: toolAnswer},
	{key: "days", name: "Days", sub: "What each UTC day held, also when its events have expired", fixed: true, build: dayParts, answer: dayAnswer},
}

var metricWindows = append([]ui.Option{{Value: "1h", Label: "last hour"}}, rateWindows...)

// measurement reads the address of a page of figures. Without a window it is
// the seven days that end where the data ends.
func (s *site) measurement(c *fiber.Ctx, family metricFamily) (measuring, error) {
	m := measuring{actor: actorOf(c)}
	var err error
	if m.store, err = s.events(); err != nil {
		return m, err
	}
	if err := readQuery(c, &m.q); err != nil {
		return m, err
	}
	m.f = telemetry.MetricFilter{TaskClass: m.q.TaskClass, ModelVersion: m.q.ModelVersion, PromptTemplateID: m.q.Template, Env: m.q.Env}
	by := cmp.Or(m.q.By, family.by)
	if by == "none" || family.fixed {
		by = ""
	}
	for name := range strings.SplitSeq(by, ",") {
		if name = strings.TrimSpace(name); name != "" {
			m.f.By = append(m.f.By, telemetry.Dimension(name))
		}
	}
	if m.q.Window == "1h" {
		to := s.now().UTC().Truncate(time.Second)
		m.f.Window = telemetry.Window{From: to.Add(-time.Hour), To: to}
		return m, nil
	}
	rates := rateQuery{From: m.q.From, To: m.q.To, Window: m.q.Window}
	var window eval.RateFilter
	if err := s.rateWindow(c, &rates, &window); err != nil {
		return m, err
	}
	m.f.Window = telemetry.Window{From: window.From, To: window.To}
	return m, nil
}

func (s *site) metricsShow(c *fiber.Ctx) error {
	i := slices.IndexFunc(metricFamilies, func(f metricFamily) bool { return f.key == c.Params("family") })
	if i < 0 {
		return fault.Say(fault.NotFound, "There are no figures of this name.")
	}
	family := metricFamilies[i]
	m, err := s.measurement(c, family)
	if err != nil {
		return err
	}
	parts, err := family.build(c.UserContext(), m)
	if err != nil {
		return err
	}
	choices, err := m.store.Choices(c.UserContext(), m.actor, m.f.Window)
	if err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: family.name, Nav: "rates"}, buildMetrics(family, m, parts, choices, s.origin).draw())
}

func buildMetrics(family metricFamily, m measuring, parts metricParts, choices telemetry.Choices, origin string) metricsPage {
	link := "/rates/" + family.key + "?" + m.address().Encode()
	api := m.address()
	api.Set("family", family.key)
	p := metricsPage{metricParts: parts, Tabs: rateTabs(family.key, m), Filters: metricFilters(family, m, parts.more, choices)}
	p.Head = ui.Head{ID: "rates-head", Title: family.name, Sub: family.sub + ", " + windowWords(m.f.Window), Actions: append(parts.acts,
		ui.Button{Label: "Copy permalink", Icon: ui.IconLink, URL: link, Attrs: templ.Attributes{"data-copy": origin + link}},
		ui.Button{Label: "Export", Icon: ui.IconDownload, URL: "/v1/metrics/summary?" + api.Encode()})}
	return p
}

// rateTabs lead from family to family with the window and the filters kept.
func rateTabs(current string, m measuring) ui.Tabs {
	t := ui.Tabs{Name: "Figures", Items: []ui.Tab{{Label: "Labels", URL: "/rates", Current: current == ""}}}
	for _, f := range metricFamilies {
		link := "/rates/" + f.key
		if m.store != nil {
			kept := m.address()
			kept.Del("by")
			kept.Del("card")
			kept.Del("experiment")
			link += "?" + kept.Encode()
		}
		t.Items = append(t.Items, ui.Tab{Label: f.name, URL: link, Current: f.key == current})
	}
	return t
}

// address is the permalink: the window written out.
func (m measuring) address() url.Values {
	v := url.Values{"from": {m.f.Window.From.Format(time.RFC3339)}, "to": {m.f.Window.To.Format(time.RFC3339)}}
	for name, value := range map[string]string{"by": m.q.By, "task_class": m.q.TaskClass, "model_version": m.q.ModelVersion, "template": m.q.Template,
		"env": m.q.Env, "card": m.q.Card, "experiment": m.q.Experiment} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

func windowWords(w telemetry.Window) string {
	if w.To.Sub(w.From) <= 24*time.Hour {
		return w.From.Format("Mon 2 Jan 2006, 15:04") + " to " + w.To.Format("15:04 UTC")
	}
	return w.From.Format("Mon 2 Jan") + " to " + w.To.Add(-time.Second).Format("Mon 2 Jan 2006")
}

func metricFilters(family metricFamily, m measuring, more []ui.Filter, choices telemetry.Choices) ui.FilterBar {
	bar := ui.FilterBar{Action: "/rates/" + family.key, Region: "figures", Head: "rates-head"}
	if !family.fixed {
		options := []ui.Option{{Value: "task_class,model_version", Label: "task class, model version"}, {Value: "task_class", Label: "task class"}, {Value: "model_version", Label: "model version"},
			{Value: "template", Label: "template"}, {Value: "version", Label: "assistant version"}, {Value: "env", Label: "environment"}, {Value: "user", Label: "user"}, {Value: "none", Label: "all traffic"}}
		by := cmp.Or(m.q.By, family.by)
		if !slices.ContainsFunc(options, func(o ui.Option) bool { return o.Value == by }) {
			options = append(options, ui.Option{Value: by, Label: strings.ReplaceAll(by, ",", ", ")})
		}
		bar.Filters = append(bar.Filters, ui.Filter{Name: "by", Param: "by", Value: by, Options: options})
	}
	windows, value := metricWindows, m.q.Window
	if m.q.From+m.q.To != "" {
		windows = append([]ui.Option{{Label: windowWords(m.f.Window)}}, windows...)
		value = ""
		bar.Keep = []ui.Kept{{Name: "from", Value: m.q.From}, {Name: "to", Value: m.q.To}}
	} else if value == "" {
		value = "7"
	}
	bar.Filters = append(bar.Filters, ui.Filter{Name: "window", Param: "window", Value: value, Options: windows})
	bar.Filters = append(bar.Filters, more...)
	for _, one := range []struct {
		name, param, value string
		options            []ui.Option
	}{
		{"task class", "task_class", m.q.TaskClass, optionsOf(choices.TaskClasses, taskClassWords)}, {"model version", "model_version", m.q.ModelVersion, optionsOf(choices.ModelVersions, plain)},
		{"template", "template", m.q.Template, optionsOf(choices.PromptTemplateIDs, plain)}, {"environment", "env", m.q.Env, optionsOf(choices.Envs, plain)},
	} {
		filter := ui.Filter{Name: one.name, Param: one.param, Value: one.value, Options: append([]ui.Option{{Label: "any"}}, one.options...)}
		if one.value == "" {
			bar.More = append(bar.More, filter)
			continue
		}
		if !slices.ContainsFunc(filter.Options, func(o ui.Option) bool { return o.Value == one.value }) {
			filter.Options = append(filter.Options, ui.Option{Value: one.value, Label: one.value})
		}
		rest := m.address()
		rest.Del(one.param)
		filter.Drop = "/rates/" + family.key + "?" + rest.Encode()
		bar.Filters = append(bar.Filters, filter)
	}
	how := ui.Button{Label: "How", Opens: "how", Style: ui.Plain, Size: ui.Small}
	bar.Note = ui.Words("Compared with the same time before. ", how)
	if family.fixed {
		bar.Note = ui.Words(how)
	}
	return bar
}

// behind is the address of the sessions a figure of a group stands on: the
// list there counts as many as the figure says.
func (m measuring) behind(g telemetry.Group, kind telemetry.Behind) string {
	v := url.Values{"from": {m.f.Window.From.Format(time.RFC3339)}, "to": {m.f.Window.To.Format(time.RFC3339)}, "behind": {string(kind)}}
	for name, value := range map[string]string{"task_class": m.q.TaskClass, "model_version": m.q.ModelVersion, "template": m.q.Template, "env": m.q.Env} {
		if value != "" {
			v.Set(name, value)
		}
	}
	for _, d := range m.f.By {
		v.Set(string(d), cmp.Or(g.Of(d), telemetry.Unsaid))
	}
	return "/sessions?" + v.Encode()
}

// sessionsLink is a count of sessions that opens them.
func (m measuring) sessionsLink(g telemetry.Group, kind telemetry.Behind, c telemetry.Counted) templ.Component {
	if c.Sessions == 0 {
		return ui.Text("0")
	}
	return ui.Link{Text: ui.Count(c.Sessions), URL: m.behind(g, kind)}
}

// groupColumns and groupCells are the left of a table: what a row is.
func (m measuring) groupColumns() []ui.Column {
	names := map[telemetry.Dimension]string{telemetry.ByTaskClass: "Task class", telemetry.ByModelVersion: "Model version", telemetry.ByTemplate: "Template",
		telemetry.ByEnv: "Environment", telemetry.ByVersion: "Assistant version", telemetry.ByUser: "User"}
	var columns []ui.Column
	for _, d := range m.f.By {
		columns = append(columns, ui.Column{Label: names[d]})
	}
	if len(columns) == 0 {
		columns = append(columns, ui.Column{Label: "Traffic"})
	}
	return columns
}

// groupCells leaves out what the row above says already.
func (m measuring) groupCells(g telemetry.Group, above *telemetry.Group) (cells []templ.Component, starts bool) {
	same := above != nil
	for _, d := range m.f.By {
		value := g.Of(d)
		if same = same && above.Of(d) == value; same {
			cells = append(cells, ui.Text(""))
			continue
		}
		switch {
		case d == telemetry.ByTaskClass:
			cells = append(cells, ui.Bold(taskClassName(value)))
		case value == "":
			cells = append(cells, ui.Dim("not said"))
		case d == telemetry.ByUser:
			cells = append(cells, ui.Mono(ui.ShortHash(value)))
		default:
			cells = append(cells, ui.Mono(clip(value, 40)))
		}
	}
	if len(cells) == 0 {
		return []templ.Component{ui.Bold("All")}, false
	}
	return cells, above != nil && len(m.f.By) > 1 && above.Of(m.f.By[0]) != g.Of(m.f.By[0])
}

// groupWords names a group in a sentence.
func (m measuring) groupWords(g telemetry.Group) string {
	var words []string
	for _, d := range m.f.By {
		value := cmp.Or(g.Of(d), "not said")
		if d == telemetry.ByTaskClass {
			value = taskClassName(g.Of(d))
		}
		words = append(words, clip(value, 60))
	}
	return cmp.Or(strings.Join(words, ", "), "All traffic")
}

// rowsOf makes the rows of a table of groups.
func rowsOf[T any](m measuring, rows []T, group func(T) telemetry.Group, cells func(T) []templ.Component) []ui.Row {
	var list []ui.Row
	var above *telemetry.Group
	for _, row := range rows {
		g := group(row)
		left, starts := m.groupCells(g, above)
		list = append(list, ui.Row{Starts: starts, Cells: append(left, cells(row)...)})
		above = &g
	}
	return list
}

// noFigures is a table without rows.
func noFigures(what string) ui.Empty {
	return ui.Empty{Bare: true, Title: "No " + what + " in this window", Why: "Choose a longer one, or drop a filter."}
}

// Under a few events there is no figure, and under ten no percent: only the
// counts and how little they say.
const (
	fewest     = 5
	fewPercent = 10
)

// shareFigure is a share for a table: percent, "k of n" where few, or nothing.
func shareFigure(e stats.Estimate) string {
	switch {
	case e.Denominator == 0:
		return "–"
	case e.Denominator < fewPercent:
		return ui.Count(int(e.Numerator)) + " of " + ui.Count(e.Denominator)
	}
	return ui.ShareTo(e.Value, shareDecimals(e))
}

// shareDecimals are as many as the interval deserves.
func shareDecimals(e stats.Estimate) int {
	if e.Value < 0.1 {
		if e.Width() < 0.01 {
			return 2
		}
		return 1
	}
	return 0
}

func shareLimits(e stats.Estimate) string {
	if e.Denominator == 0 {
		return ""
	}
	decimals := max(1, shareDecimals(e))
	return ui.IntervalTo(e.Low, e.High, decimals)
}

// figureBar draws a share on an axis that its column has in common.
func figureBar(e stats.Estimate, axis ui.Axis) ui.IntervalBar {
	bar := ui.IntervalBar{Axis: axis, Low: e.Low, High: e.High, Estimate: e.Value}
	if e.Denominator < fewest {
		bar.Standing = ui.NoData
		bar.Note = "no data: " + ui.CountOf(e.Denominator, "event") + ", at least 5 needed"
		bar.Name = bar.Note
	}
	return bar
}

// shareAxis is one scale for shares, from zero to the highest limit of those
// that are shown.
func shareAxis(all []stats.Estimate) ui.AxisHead {
	top := .001
	for _, e := range all {
		if e.Denominator >= fewest {
			top = max(top, e.High)
		}
	}
	return axisTo(min(1, top), 6, func(x float64) string {
		if top < .01 {
			return ui.Number(x*100, 2)
		}
		return ui.Number(x*100, 0)
	})
}

// axisTo is a scale from zero in round steps, as few as the words of write
// leave room for.
func axisTo(top float64, most float64, write func(float64) string) ui.AxisHead {
	if !(top > 0) {
		top = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(top)))
	for _, part := range []float64{.1, .2, .25, .5, 1, 2, 5, 10} {
		if top/(step*part) <= most {
			step *= part
			break
		}
	}
	head := ui.AxisHead{Axis: ui.Axis{Max: math.Ceil(top/step-1e-9) * step}, Write: write}
	for at := 0.0; at <= head.Axis.Max+step/2; at += step {
		head.Ticks = append(head.Ticks, at)
	}
	return head
}

// shareChange compares a share with the window before: pp, bold when the 95 %
// interval of the difference (Newcombe) leaves out zero.
func shareChange(now, before stats.Estimate) (cell templ.Component, d stats.Difference, decisive bool) {
	if now.Denominator < fewest || before.Denominator < fewest {
		return ui.Dim("–"), stats.Difference{}, false
	}
	d, err := stats.Newcombe(stats.EffectiveArm(now), stats.EffectiveArm(before), 0.95)
	if err != nil || !d.Defined {
		return ui.Dim("–"), d, false
	}
	if decisive = d.Low > 0 || d.High < 0; decisive {
		return ui.Bold(ui.Points(d.Value)), d, true
	}
	return ui.Dim(ui.Points(d.Value)), d, false
}

// shareSentence says a decisive change of a share.
func shareSentence(who, of string, d stats.Difference) ui.Says {
	low, high := d.Low, d.High
	if d.Value < 0 {
		low, high = -d.High, -d.Low
	}
	return ui.Says{Bold: who + ":", Text: fmt.Sprintf("%s %s than in the time before, 95 %% %s to %s.", ui.PointsMore(d.Value), of, ui.Number(low*100, 1), ui.Number(high*100, 1))}
}

// concluded closes the sentences: which are left, and that the rest is not
// decisive.
func concluded(list []ui.Says, compared int) []ui.Says {
	const most = 4
	rest := "No change from the time before is decisive."
	switch {
	case compared == 0:
		rest = "There is nothing in the time before to compare with."
	case len(list) > most:
		rest = ui.Count(len(list)-most) + " more changes are decisive; they are bold in the table."
		list = list[:most]
	case len(list) > 0:
		rest = "No other change from the time before is decisive."
	}
	return append(list, ui.Says{More: ui.Text(rest)})
}

// metricsAPI is GET /v1/metrics/summary.
func (s *site) metricsAPI(c *fiber.Ctx) error {
	var q metricQuery
	if err := readQuery(c, &q); err != nil {
		return err
	}
	var wanted []string
	for name := range strings.SplitSeq(q.Family, ",") {
		if name = strings.TrimSpace(name); name != "" {
			wanted = append(wanted, name)
		}
	}
	for _, name := range wanted {
		if !slices.ContainsFunc(metricFamilies, func(f metricFamily) bool { return f.key == name }) {
			return fault.Say(fault.Invalid, "The families are latency, tokens, cost, errors, routes, conversations, feedback, experiments, tools and days.")
		}
	}
	answer := fiber.Map{}
	for _, family := range metricFamilies {
		if len(wanted) > 0 && !slices.Contains(wanted, family.key) {
			continue
		}
		m, err := s.measurement(c, family)
		if err != nil {
			return err
		}
		if answer[family.key], err = family.answer(c.UserContext(), m); err != nil {
			return err
		}
		answer["from"], answer["to"], answer["before_from"] = m.f.Window.From, m.f.Window.To, m.f.Window.Before().From
	}
	answer["as_of"] = s.now().UTC()
	return c.JSON(answer)
}

// groupJSON begins a row of the interface: its group and its sessions' address.
func (m measuring) groupJSON(g telemetry.Group, kind telemetry.Behind, sessions int64) fiber.Map {
	row := fiber.Map{"sessions": sessions, "permalink": m.behind(g, kind)}
	for _, d := range m.f.By {
		row[string(d)] = g.Of(d)
	}
	return row
}

func shareJSON(e stats.Estimate) fiber.Map {
	out := fiber.Map{"estimate": nil, "low": e.Low, "high": e.High, "level": 0.95, "numerator": e.Numerator, "denominator": e.Denominator, "estimator": e.Estimator}
	if e.Defined {
		out["estimate"] = e.Value
	}
	return out
}

// quantilesJSON gives nearest-rank percentiles, null where there is no value;
// scale divides them.
func quantilesJSON(d telemetry.Distribution, scale float64) fiber.Map {
	out := fiber.Map{"n": d.N(), "mean": nil, "p50": nil, "p95": nil, "p99": nil, "p95_low": nil, "p95_high": nil}
	if d.N() == 0 {
		return out
	}
	out["mean"] = d.Mean().Value / scale
	for _, p := range []int{50, 95, 99} {
		v, _ := d.Percentile(p)
		out[fmt.Sprint("p", p)] = float64(v) / scale
	}
	if q := d.Quantile(95); q.Bounded {
		out["p95_low"], out["p95_high"] = float64(q.Low)/scale, float64(q.High)/scale
	}
	return out
}

var metricOperations = map[string]operation{
	"GET /v1/metrics/summary": {Summary: "Latency, tokens, cost, errors, routes, conversations, feedback, experiments, tools and days, with n and intervals, and the address of the sessions behind each row.",
		Query: []parameter{{Name: "family", Words: "one or more of them with commas; none: all"}, {Name: "by", Words: "task_class, model_version, template, env, version, user with commas, or none"},
			{Name: "from", Words: "RFC 3339 time or UTC day, inclusive"}, {Name: "to", Words: "exclusive"}, {Name: "window", Words: "days, or 1h, instead of from and to"},
			{Name: "task_class"}, {Name: "model_version"}, {Name: "template"}, {Name: "env"}, {Name: "card", Words: "a rate card's version; none: the one in effect on each day"},
			{Name: "experiment", Words: "one experiment; none: all"}},
		Answers: map[int]content{200: {Words: "one list of rows a family", Schema: `{"type":"object","required":["from","to","as_of"],"properties":{
			"from":{"type":"string"},"to":{"type":"string"},"before_from":{"type":"string"},"as_of":{"type":"string"}},
			"additionalProperties":{"type":["array","object"]}}`}}},
}
