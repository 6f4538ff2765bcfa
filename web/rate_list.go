package web

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/eval"
	"assay/internal/fault"
	"assay/internal/stats"
	"assay/web/ui"
)

// rateQuery is the whole state of the page and of GET /v1/rates.
type rateQuery struct {
	Metric    string `query:"metric"`
	By        string `query:"by"`
	From      string `query:"from"`
	To        string `query:"to"`
	Window    string `query:"window"`
	TaskClass string `query:"task_class"`
	Model     string `query:"model_version"`
	Estimator string `query:"estimator"`
}

// ratesPage is every rate with its interval on one axis, and the sentence that
// says what follows.
type ratesPage struct {
	Title   string
	Sub     string
	AsOf    templ.Component
	Actions []templ.Component
	Filters ui.FilterBar
	Table   ui.Table
	Says    []ui.Says
	How     []ui.Fact
}

var rateWindows = []ui.Option{{Value: "1", Label: "1 day"}, {Value: "7", Label: "7 days"}, {Value: "30", Label: "30 days"}, {Value: "90", Label: "90 days"}}

// rateFilter reads the query; without a window it is the seven days that end
// where the data ends, so that a replay opens on its own time.
func (s *site) rateFilter(c *fiber.Ctx, q *rateQuery) (eval.RateFilter, error) {
	if err := readQuery(c, q); err != nil {
		return eval.RateFilter{}, err
	}
	f := eval.RateFilter{Outcome: eval.Outcome(cmp.Or(q.Metric, string(eval.Hallucination))), TaskClass: q.TaskClass, ModelVersion: q.Model}
	by := cmp.Or(q.By, "task_class,model_version")
	if q.By == "none" {
		by = ""
	}
	for name := range strings.SplitSeq(by, ",") {
		switch strings.TrimSpace(name) {
		case "task_class":
			f.ByTaskClass = true
		case "model_version":
			f.ByModel = true
		case "":
		default:
			return f, fault.Say(fault.Invalid, "Rates are broken down by task_class and model_version.")
		}
	}
	if q.Estimator != "" && q.Estimator != string(eval.Weighted) && q.Estimator != string(eval.Raw) {
		return f, fault.Say(fault.Invalid, "There are the estimators weighted and raw.")
	}
	return f, s.rateWindow(c, q, &f)
}

func (s *site) rateWindow(c *fiber.Ctx, q *rateQuery, f *eval.RateFilter) error {
	var err error
	if q.From != "" || q.To != "" {
		if f.From, err = instant(q.From); err != nil {
			return err
		}
		f.To = s.now().UTC()
		if q.To != "" {
			f.To, err = instant(q.To)
		}
		return err
	}
	days := 7
	if q.Window != "" {
		if _, err := fmt.Sscan(q.Window, &days); err != nil || days < 1 || days > 400 {
			return fault.Say(fault.Invalid, "window is a number of days from 1 to 400.")
		}
	}
	f.To = s.now().UTC()
	if s.Telemetry != nil {
		extent, some, err := s.Telemetry.Extent(c.UserContext(), actorOf(c))
		if err == nil && some && extent.To.Before(f.To.AddDate(0, 0, -days)) {
			f.To = extent.To
		}
	}
	// Whole days: a day cut in two has a total that is only in proportion.
	f.To = f.To.Truncate(24*time.Hour).AddDate(0, 0, 1)
	f.From = f.To.AddDate(0, 0, -days)
	return nil
}

// instant reads an RFC 3339 time or a UTC day.
func instant(text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	if t, err := time.Parse("2006-01-02", text); err == nil {
		return t, nil
	}
	return time.Time{}, fault.Say(fault.Invalid, "A time is written like 2026-11-20 or 2026-11-20T14:02:00Z.")
}

func (s *site) ratesShow(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	var q rateQuery
	f, err := s.rateFilter(c, &q)
	if err != nil {
		return err
	}
	f.Daily = 14
	rates, err := gates.Rates(c.UserContext(), actorOf(c), f)
	if err != nil {
		return err
	}
	if err := s.countDisputed(c, &rates); err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: rateTitle(f), Nav: "rates"}, buildRates(rates, q, s.origin).draw())
}

// countDisputed writes beside each rate how many of its labels are disputed.
func (s *site) countDisputed(c *fiber.Ctx, r *eval.Rates) error {
	if s.Labeling == nil {
		return nil
	}
	disputed, err := s.Labeling.DisputedLabels(c.UserContext(), actorOf(c), r.Filter.From, r.Filter.To)
	if err != nil {
		return err
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		for _, d := range disputed {
			if (row.TaskClass == "" || row.TaskClass == d.TaskClass) && (row.ModelVersion == "" || row.ModelVersion == d.ModelVersion) {
				row.Disputed += d.Count
			}
		}
	}
	return nil
}

func rateTitle(f eval.RateFilter) string {
	if f.Outcome == eval.NotCorrect {
		return "Not correct rate"
	}
	return "Hallucination rate"
}

func buildRates(r eval.Rates, q rateQuery, origin string) ratesPage {
	f := r.Filter
	p := ratesPage{Title: rateTitle(f), AsOf: asOf(r), How: howRates(f)}
	p.Sub = fmt.Sprintf("Share of served responses that people would call %s, %s to %s", badWords(f.Outcome),
		f.From.Format("Mon 2 Jan"), f.To.Add(-time.Second).Format("Mon 2 Jan 2006"))
	link := rateAddress(r).Encode()
	p.Actions = []templ.Component{
		ui.Button{Label: "Copy permalink", Icon: ui.IconLink, URL: "/rates?" + link, Attrs: templ.Attributes{"data-copy": origin + "/rates?" + link}},
		ui.Button{Label: "Export", Icon: ui.IconDownload, URL: "/v1/rates?" + link},
	}
	p.Filters = rateFilters(r, q)
	p.Table = rateTable(r)
	p.Says = rateSentences(r)
	return p
}

func badWords(outcome eval.Outcome) string {
	if outcome == eval.NotCorrect {
		return "hallucinated or only partially correct"
	}
	return "hallucinated"
}

// howRates says how the figures of the page come about.
func howRates(f eval.RateFilter) []ui.Fact {
	return []ui.Fact{
		{Term: "Estimate", Value: ui.Text("The share of all traffic that is " + badWords(f.Outcome) + ". Each label counts for as many responses as its stratum (task class and priority class) has for each label, so that reading harm first does not raise the rate.")},
		{Term: "95 %", Value: ui.Text("The limits of the strata's Wilson intervals, joined by their squares (MOVER). Where the heaviest stratum has few labels the wider of two intervals is shown and called thin.")},
		{Term: "Standing", Value: ui.Text("Over or within when the whole interval lies on one side of the objective, undecided when it does not.")},
		{Term: "Incomplete", Value: ui.Text("Under 80 % of the sampled items of a stratum are labeled, part of the traffic has no label that speaks for it, or responses are still being flagged. Decides nothing.")},
		{Term: "Cannot tell", Value: ui.Text("Counted beside the rate, neither good nor bad in it.")},
		{Term: "14 days", Value: ui.Text("Each point is the estimate of the days that end with it: as many as the window has, at most seven. A day that too few labels speak for has none.")},
		{Term: "Raw", Value: ui.Text("Bad labels over labels. It is the rate of the queue, not of the product.")},
	}
}

func asOf(r eval.Rates) templ.Component {
	if r.LastLabel.IsZero() {
		return ui.Dim("no label in this window yet")
	}
	return ui.Words("As of ", ui.Time{At: r.AsOf}, ", last label ", ui.Time{At: r.LastLabel, Style: ui.Ago}, " ago")
}

// rateAddress is the permalink: the window written out, so that it shows the
// same days tomorrow.
func rateAddress(r eval.Rates) url.Values {
	f := r.Filter
	v := url.Values{"metric": {string(f.Outcome)}, "from": {f.From.Format(time.RFC3339)}, "to": {f.To.Format(time.RFC3339)}}
	var by []string
	if f.ByTaskClass {
		by = append(by, "task_class")
	}
	if f.ByModel {
		by = append(by, "model_version")
	}
	v.Set("by", cmp.Or(strings.Join(by, ","), "none"))
	if f.TaskClass != "" {
		v.Set("task_class", f.TaskClass)
	}
	if f.ModelVersion != "" {
		v.Set("model_version", f.ModelVersion)
	}
	return v
}

func rateFilters(r eval.Rates, q rateQuery) ui.FilterBar {
	f := r.Filter
	days := fmt.Sprint(int(f.To.Sub(f.From).Hours()/24 + .5))
	windows := rateWindows
	if q.From != "" {
		windows = append([]ui.Option{{Value: "", Label: f.From.Format("2 Jan") + " to " + f.To.Add(-time.Second).Format("2 Jan 2006")}}, windows...)
		days = ""
	}
	bar := ui.FilterBar{Action: "/rates", Region: "rates", Head: "rates-head",
		Segments: &ui.Segmented{Name: "Metric", Field: "metric", Options: []ui.Segment{
			{Label: "Hallucination", Value: "hallucination", Current: f.Outcome == eval.Hallucination},
			{Label: "Not correct", Value: "not_correct", Current: f.Outcome == eval.NotCorrect}}},
		Filters: []ui.Filter{
			{Name: "by", Param: "by", Value: cmp.Or(q.By, "task_class,model_version"), Options: []ui.Option{
				{Value: "task_class,model_version", Label: "task class, model version"}, {Value: "task_class", Label: "task class"},
				{Value: "model_version", Label: "model version"}, {Value: "none", Label: "all traffic"}}},
			{Name: "window", Param: "window", Value: days, Options: windows},
		},
		Note: ui.Words("Weighted by stratum, 95 % MOVER-Wilson. ", ui.Button{Label: "How", Opens: "how", Style: ui.Plain, Size: ui.Small}),
	}
	for _, one := range []struct{ name, param, value string }{{"task class", "task_class", q.TaskClass}, {"model version", "model_version", q.Model}} {
		if one.value == "" {
			continue
		}
		rest := rateAddress(r)
		rest.Del(one.param)
		bar.Filters = append(bar.Filters, ui.Filter{Name: one.name, Param: one.param, Value: one.value, Drop: "/rates?" + rest.Encode(), Mono: true})
	}
	return bar
}

func rateTable(r eval.Rates) ui.Table {
	axis, ticks := rateAxis(r.Rows)
	t := ui.Table{Bare: true, Caption: "Rates", Columns: []ui.Column{
		{Label: "Task class"}, {Label: "Model version"}, {Label: "Estimate", Right: true}, {Label: "95 %", Right: true},
		{Name: "Interval", Wide: true, Note: ui.AxisHead{Axis: axis, Ticks: ticks}}, {Label: "Objective", Right: true}, {Name: "Standing"},
		{Label: "Labels", Right: true}, {Label: "Of sampled", Right: true}, {Label: "14 days"}, {Label: "Raw", Right: true}}}
	highest := map[string]float64{}
	for _, row := range r.Rows {
		for _, day := range row.Days {
			if !day.Defined {
				continue
			}
			highest[row.TaskClass] = max(highest[row.TaskClass], day.High)
		}
	}
	for i, row := range r.Rows {
		starts := i > 0 && r.Rows[i-1].TaskClass != row.TaskClass
		t.Rows = append(t.Rows, ui.Row{Starts: starts, Cells: rateCells(r, row, i, axis, highest[row.TaskClass])})
	}
	if len(r.Rows) == 0 {
		t.Empty = ui.Empty{Bare: true, Title: "No responses in this window", Why: "Choose a longer one, or drop a filter."}
	}
	coverage := "no responses"
	if r.Responses > 0 {
		coverage = ui.Share(float64(r.Readable)/float64(r.Responses)) + " of " + ui.Count(r.Responses) + " responses could be read"
	}
	t.Foot = &ui.Foot{Legend: ui.Legend{Items: []string{"interval", "objective", "incomplete"}},
		Note: ui.Text(coverage + ". Raw is the share of labeled items that were bad: high, because queues look for trouble.")}
	return t
}

func rateCells(r eval.Rates, row eval.Rate, i int, axis ui.Axis, highest float64) []templ.Component {
	class := ui.Again(taskClassName(cmp.Or(row.TaskClass, "all")))
	if i == 0 || r.Rows[i-1].TaskClass != row.TaskClass {
		class = ui.Bold(taskClassName(cmp.Or(row.TaskClass, "all")))
	}
	estimate, interval := "–", ""
	bar := ui.IntervalBar{Axis: axis, Low: row.Low, High: row.High, Estimate: row.Value, Standing: standing(row), Note: row.Why, Name: rateSentence(row)}
	if row.Standing != eval.NoData {
		estimate, interval = ui.Share(row.Value), ui.Interval(row.Low, row.High)
	}
	figure := ui.Bold(estimate)
	if row.Thin && row.Standing != eval.NoData {
		figure = ui.Words(ui.Dim("thin "), figure)
	}
	if row.Standing == eval.Incomplete {
		bar.Note = ""
	}
	objective := "none"
	if row.Objective != nil {
		bar.Objective, bar.HasObjective = *row.Objective, true
		objective = "≤ " + ui.ShareTo(*row.Objective, 0)
	}
	labels := templ.Component(ui.Words(ui.Count(row.Labels)))
	switch {
	case row.Disputed > 0:
		labels = ui.Words(ui.Dim(ui.CountOf(row.Disputed, "disputed", "disputed")+" "), ui.Count(row.Labels))
	case row.Split > 0:
		labels = ui.Words(ui.Dim(ui.CountOf(row.Split, "undecided", "undecided")+" "), ui.Count(row.Labels))
	case row.ReadTwice > 0:
		labels = ui.Words(ui.Dim(ui.Count(row.ReadTwice)+" read twice "), ui.Count(row.Labels))
	}
	complete := templ.Component(ui.Words("–"))
	if row.Labels > 0 {
		complete = ui.Words(ui.ShareTo(row.Complete, 0))
	}
	if row.Standing == eval.Incomplete {
		complete = ui.Toned(ui.Mid, ui.ShareTo(row.Complete, 0))
	}
	raw := "–"
	if row.Labels > 0 && row.Standing != eval.NoData {
		raw = ui.Share(row.Raw.Value)
	}
	return []templ.Component{
		class, ui.Mono(cmp.Or(row.ModelVersion, "all")), figure, withWorst(row, interval), bar, ui.Words(objective),
		ui.StandingSign{Standing: bar.Standing}, labels, complete,
		history(row, highest), ui.Dim(raw)}
}

// worstFrom is how far the worst case lies beyond the interval before it is
// worth a line.
const worstFrom = 0.005

// withWorst adds what no assumption about the unanswered and the unread rules
// out, where that is more than the interval.
func withWorst(row eval.Rate, interval string) templ.Component {
	if row.Standing == eval.NoData || row.Low-row.Worst.Low < worstFrom && row.Worst.High-row.High < worstFrom {
		return ui.Words(interval)
	}
	return ui.Pair(interval, "at worst "+ui.Interval(row.Worst.Low, row.Worst.High))
}

// history is the row's last days, on the scale of its task class.
func history(row eval.Rate, highest float64) ui.Sparkline {
	spark := ui.Sparkline{Max: highest, Open: true, Name: ui.CountOf(len(row.Days), "day") + " of history"}
	for _, day := range row.Days {
		point := ui.Point{Value: math.NaN(), Low: math.NaN(), High: math.NaN()}
		if day.Defined {
			point = ui.Point{Value: day.Value, Low: day.Low, High: day.High}
			spark.Name = ui.CountOf(len(row.Days), "day") + " of history, last " + ui.Share(day.Value)
		}
		spark.Points = append(spark.Points, point)
	}
	return spark
}

// standing is a rate's standing as the bar and its word draw it.
func standing(row eval.Rate) ui.Standing {
	if row.Standing == eval.Unsettled {
		return ui.Undecided
	}
	return ui.Standing(row.Standing)
}

func rateSentence(row eval.Rate) string {
	if row.Standing == eval.NoData {
		return row.Why
	}
	words := ui.ShareWithin(row.Value, row.Low, row.High)
	if row.Thin {
		words += ", thin: few labels where most of the traffic is"
	}
	if row.Estimator == stats.EstimatorTwoPhase {
		words += ", corrected by " + ui.CountOf(row.ReadTwice, "second reading")
	}
	return words
}

// rateAxis is one scale for the column: from zero to the highest limit, in
// steps that people read easily.
func rateAxis(rows []eval.Rate) (ui.Axis, []float64) {
	top := .02
	for _, row := range rows {
		if row.Standing != eval.NoData {
			top = max(top, row.High)
		}
		if row.Objective != nil {
			top = max(top, *row.Objective*1.2)
		}
	}
	step := .01
	for _, candidate := range []float64{.01, .02, .05, .1, .2, .25} {
		step = candidate
		if top/step <= 8 {
			break
		}
	}
	top = min(1, math.Ceil(top/step)*step)
	var ticks []float64
	for at := 0.0; at <= top+step/2; at += step {
		ticks = append(ticks, at)
	}
	return ui.Axis{Min: 0, Max: top}, ticks
}

// rateSentences says what the table means: which differences are decisive,
// then how much work would decide the rest.
func rateSentences(r eval.Rates) []ui.Says {
	var list []ui.Says
	for _, c := range r.Comparisons {
		if c.Decisive {
			list = append(list, decisiveSentence(c, r.Filter.Outcome))
		}
	}
	rest := "No other difference between versions is decisive."
	switch {
	case !r.Filter.ByModel:
		rest = ""
	case len(r.Comparisons) == 0:
		rest = "There are not two versions of a task class to compare in this window."
	case len(list) == 0:
		rest = "No difference between versions is decisive."
	}
	words, queue := workLeft(r.Rows)
	more := []any{strings.TrimSpace(rest + " " + words)}
	if queue != "" {
		more = append(more, " ", ui.Link{Text: "Open that queue", URL: "/queues/" + queue})
	}
	if more[0] == "" {
		return list
	}
	if len(list) == 0 {
		list = append(list, ui.Says{})
	}
	list[len(list)-1].More = ui.Words(more...)
	return list
}

func decisiveSentence(c eval.Comparison, outcome eval.Outcome) ui.Says {
	word, low, high := "worse", c.Low, c.High
	if c.Value < 0 {
		word, low, high = "better", -c.High, -c.Low
	}
	says := ui.Says{
		Bold: fmt.Sprintf("%s is %s than %s on %s:", c.Candidate.ModelVersion, word, c.Baseline.ModelVersion, taskClassInText(c.TaskClass)),
		Text: fmt.Sprintf("%s %s, 95 %% %s to %s.", ui.PointsMore(c.Value), badWords(outcome), ui.Number(low*100, 1), ui.Number(high*100, 1)),
	}
	if c.Candidate.Standing == eval.Over {
		says.Text += fmt.Sprintf(" It is over the objective of %s.", ui.ShareTo(*c.Candidate.Objective, 0))
	}
	return says
}

// workLeft names the first row that cannot be read yet, what it waits for, and
// the queue where people could do something about it.
func workLeft(rows []eval.Rate) (words, queue string) {
	for _, row := range rows {
		if row.Standing != eval.NoData && row.Standing != eval.Incomplete {
			continue
		}
		name := taskClassName(cmp.Or(row.TaskClass, "all traffic"))
		if row.ModelVersion != "" {
			name += ", " + row.ModelVersion + ","
		}
		n := row.LabelsToDecide()
		if row.Standing == eval.Incomplete {
			words = name + " is incomplete: " + row.Why + "."
		}
		switch {
		case n == 0:
			return words, ""
		case row.Standing == eval.NoData:
			words = name + " needs " + ui.CountOf(n, "more label") + ", " + ui.WorkTime(eval.Work(n)) + " of work, before it can be read."
		default:
			words += " " + capital(ui.WorkTime(eval.Work(n))) + " of work could change that."
		}
		return words, row.TaskClass
	}
	return "", ""
}

// ratesAPI is GET /v1/rates.
func (s *site) ratesAPI(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	var q rateQuery
	f, err := s.rateFilter(c, &q)
	if err != nil {
		return err
	}
	rates, err := gates.Rates(c.UserContext(), actorOf(c), f)
	if err != nil {
		return err
	}
	rows := []fiber.Map{}
	for _, row := range rates.Rows {
		rows = append(rows, rateRow(rates, row, eval.Estimator(cmp.Or(q.Estimator, string(eval.Weighted)))))
	}
	return c.JSON(fiber.Map{"metric": f.Outcome, "from": f.From, "to": f.To, "as_of": rates.AsOf, "rows": rows})
}

func rateRow(r eval.Rates, row eval.Rate, estimator eval.Estimator) fiber.Map {
	e := row.Estimate
	if estimator == eval.Raw {
		e = row.Raw
	}
	link := rateAddress(r)
	if r.Filter.ByTaskClass || r.Filter.ByModel { // one line of the page, and what it is made of
		link.Set("by", "task_class,model_version")
	}
	out := fiber.Map{
		"estimate": nil, "low": e.Low, "high": e.High, "level": e.Level, "numerator": e.Numerator, "denominator": e.Denominator,
		"labeled": row.Labels, "cannot_tell": row.CannotTell, "population": row.Responses, "readable": row.Readable,
		"effective_n": e.EffectiveN, "estimator": e.Estimator, "as_of": r.AsOf, "raw": nil, "complete": row.Complete,
		"standing": row.Standing, "thin": e.Thin, "reasons": e.Reasons, "objective": row.Objective,
		"read_twice": row.ReadTwice,
	}
	if r.Filter.ByTaskClass {
		out["task_class"] = row.TaskClass
		link.Set("task_class", row.TaskClass)
	}
	if r.Filter.ByModel {
		out["model_version"] = row.ModelVersion
		link.Set("model_version", row.ModelVersion)
	}
	if e.Defined {
		out["estimate"] = e.Value
	}
	if row.Raw.Defined {
		out["raw"] = row.Raw.Value
	}
	out["permalink"] = "/rates?" + link.Encode()
	return out
}

// taskClassName writes a task class as people say it: "Spreadsheet formula".
func taskClassName(class string) string {
	if words := strings.ReplaceAll(class, "_", " "); words != "" {
		switch words {
		case "sql query":
			return "SQL query"
		}
		return capital(words)
	}
	return "No task class"
}

// taskClassInText writes a task class inside a sentence: "spreadsheet formula".
func taskClassInText(class string) string {
	if name := taskClassName(class); strings.HasPrefix(name, "SQL") {
		return name
	}
	return lowerFirst(taskClassName(class))
}

var rateOperations = map[string]operation{
	"GET /v1/rates": {Summary: "Rates with their intervals: the estimate for all traffic, or the raw share of labeled items.",
		Query: []parameter{{Name: "metric", Words: "hallucination or not_correct"}, {Name: "by", Words: "task_class, model_version, both, or none"},
			{Name: "from", Words: "RFC 3339 time or UTC day, inclusive"}, {Name: "to", Words: "exclusive"}, {Name: "window", Words: "days, instead of from and to"},
			{Name: "task_class"}, {Name: "model_version"}, {Name: "estimator", Words: "weighted (all traffic) or raw (labeled items)"}},
		Answers: map[int]content{200: {Words: "rows"}}},
}
