package web

import (
	"fmt"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/stats"
	"assay/labeling"
	"assay/web/ui"
)

// agreementPage shows how far labelers agree: by queue, by task class, by
// pair, and where they differ.
type agreementPage struct {
	Head    ui.Head
	Tabs    ui.Tabs
	Window  ui.Segmented
	Note    string
	Queues  ui.Table
	Classes ui.Table
	// ManyQueues is set where a task class has several queues: otherwise the
	// second table would say the same as the first.
	ManyQueues bool
	Pairs      ui.Table
	Grids      []confusionGrid
}

// confusionGrid is the picture of where the labelers of a queue differ.
type confusionGrid struct {
	Title string
	Note  string
	Grid  ui.Grid
	Foot  string
}

// agreementWindows are the windows of label time that can be asked for.
var agreementWindows = []struct {
	value, words string
	days         int
}{{"30d", "30 days", 30}, {"7d", "7 days", 7}, {"90d", "90 days", 90}, {"all", "all time", 0}}

func (s *site) agreementShow(c *fiber.Ctx) error {
	report, f, window, err := s.agreement(c)
	if err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: "Agreement", Nav: "labelers"}, buildAgreement(report, f, window, actorOf(c)).draw())
}

func (s *site) agreement(c *fiber.Ctx) (labeling.AgreementReport, labeling.AgreementFilter, string, error) {
	labels, err := s.labels()
	if err != nil {
		return labeling.AgreementReport{}, labeling.AgreementFilter{}, "", err
	}
	var in struct {
		Queue string `query:"queue"`
		When  string `query:"when"`
	}
	if err := readQuery(c, &in); err != nil {
		return labeling.AgreementReport{}, labeling.AgreementFilter{}, "", err
	}
	f, window := s.agreementWindow(in.When)
	f.Queue = in.Queue
	report, err := labels.Agreement(c.UserContext(), actorOf(c), f)
	return report, f, window, err
}

// agreementWindow reads a window of label time; the first is the usual one.
func (s *site) agreementWindow(when string) (f labeling.AgreementFilter, window string) {
	chosen := agreementWindows[0]
	for _, w := range agreementWindows {
		if w.value == when {
			chosen = w
		}
	}
	if chosen.days > 0 {
		f.From = s.now().UTC().Truncate(time.Hour).AddDate(0, 0, -chosen.days)
	}
	return f, chosen.value
}

func buildAgreement(r labeling.AgreementReport, f labeling.AgreementFilter, window string, actor auth.Actor) agreementPage {
	p := agreementPage{
		Head: ui.Head{Title: "Agreement", Sub: "Of items drawn to be read twice, blind. Labels of a queue drive gates while the lower limit of its nominal alpha is at least 0.667."},
		Tabs: qualityTabs("/agreement", actor),
	}
	p.Window = ui.Segmented{Name: "Labeled in", Shown: true}
	queue := ""
	if f.Queue != "" {
		queue = "&queue=" + pathPart(f.Queue)
	}
	for _, w := range agreementWindows {
		p.Window.Options = append(p.Window.Options, ui.Segment{Label: w.words, URL: "/agreement?when=" + w.value + queue, Current: w.value == window})
	}
	p.Note = cannotTellWords(r.CannotTell)
	p.Queues = agreementTable("Queue", r.Queues, func(a labeling.Agreement) templ.Component { return ui.Bold(taskClassWords(a.Queue)) })
	p.ManyQueues = len(r.Queues) != len(r.TaskClasses)
	p.Classes = agreementTable("Task class", r.TaskClasses, func(a labeling.Agreement) templ.Component { return ui.Bold(taskClassWords(a.TaskClass)) })
	p.Pairs = pairTable(r.Pairs)
	for _, a := range r.Queues {
		if a.Items > 0 {
			p.Grids = append(p.Grids, confusionOf(a))
		}
	}
	return p
}

func cannotTellWords(n int) string {
	if n == 0 {
		return "Every coefficient over the three labels."
	}
	return ui.CountOf(n, "label") + " said cannot tell and are missing data to every coefficient."
}

// alphaAxis is shared by all bars of alpha.
var alphaAxis = ui.Axis{Min: -.2, Max: 1}

func agreementTable(what string, list []labeling.Agreement, name func(labeling.Agreement) templ.Component) ui.Table {
	t := ui.Table{Caption: "Agreement by " + what, Bare: true, Columns: []ui.Column{
		{Label: what}, {Label: "Items", Right: true}, {Label: "Labelers", Right: true}, {Label: "Alpha", Right: true}, {Label: "95 %", Right: true},
		{Name: "Alpha, interval", Wide: true, Note: ui.AxisHead{Axis: alphaAxis, Ticks: []float64{0, .667, 1}, Write: func(x float64) string { return ui.Number(x, 2) }}},
		{Label: "Permits"}, {Label: "Ordinal", Right: true}, {Label: "Same", Right: true}, {Label: "AC1", Right: true}, {Label: "Fleiss", Right: true}},
		Empty: ui.Empty{Bare: true, Title: "Nothing was read twice in this window", Why: "One item in ten is drawn for a second, blind reading. Agreement needs ten of them."}}
	for _, a := range list {
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{
			name(a), ui.Words(ui.Count(a.Items)), ui.Words(ui.Count(a.Labelers)), ui.Bold(alphaWords(a.Nominal)), ui.Words(alphaLimits(a.Nominal)),
			alphaBar(a.Nominal), permits(a), ui.Words(alphaWords(a.Ordinal)), ui.Words(shareWords(a.Percent)), ui.Words(coefficient(a.AC1)), fleissCell(a)}})
	}
	return t
}

func fleissCell(a labeling.Agreement) templ.Component {
	if a.Fleiss == nil {
		return ui.Dim("–")
	}
	if a.FleissOf < a.Items {
		return ui.Words(ui.Dim("of "+ui.Count(a.FleissOf)+" "), ui.Number(*a.Fleiss, 2))
	}
	return ui.Words(ui.Number(*a.Fleiss, 2))
}

func alphaWords(a stats.AlphaEstimate) string {
	if !a.Defined {
		return "–"
	}
	return ui.Number(a.Value, 2)
}

func alphaLimits(a stats.AlphaEstimate) string {
	if !a.Bounded {
		return ""
	}
	return ui.Number(a.Low, 2) + " to " + ui.Number(a.High, 2)
}

func shareWords(p *float64) string {
	if p == nil {
		return "–"
	}
	return ui.ShareTo(*p, 0)
}

func coefficient(p *float64) string {
	if p == nil {
		return "–"
	}
	return ui.Number(*p, 2)
}

func alphaBar(a stats.AlphaEstimate) ui.IntervalBar {
	bar := ui.IntervalBar{Axis: alphaAxis, Low: a.Low, High: a.High, Estimate: a.Value, Objective: stats.TentativeAlpha, HasObjective: true,
		Name: "Alpha " + alphaWords(a) + ", 95 % " + alphaLimits(a)}
	switch {
	case !a.Defined:
		bar.Standing, bar.Note = ui.NoData, "undefined: everybody said the same"
		if a.Items == 0 {
			bar.Note = "no item has two labels"
		}
	case !a.Bounded:
		bar.Standing = ui.NoData
		bar.Note = fmt.Sprintf("%d of 10 items read twice", min(a.Items, 10))
		if a.Items >= 10 {
			bar.Note = "too little differs to bound it"
		}
	case a.Low >= stats.TentativeAlpha:
		bar.Standing = ui.Within
	case a.High < stats.TentativeAlpha:
		bar.Standing = ui.Over
	}
	return bar
}

// permits says in words what the agreement permits.
func permits(a labeling.Agreement) templ.Component {
	switch {
	case a.MayDriveGates() && a.Nominal.Low >= stats.ReliableAlpha:
		return ui.Words("gates; reliable")
	case a.MayDriveGates():
		return ui.Words("gates; tentative")
	case !a.Nominal.Bounded:
		return ui.Dim("not measured yet")
	}
	return ui.Toned(ui.Mid, "no gates")
}

func pairTable(pairs []labeling.PairAgreement) ui.Table {
	t := ui.Table{Caption: "Agreement by pair", Bare: true, Columns: []ui.Column{
		{Label: "Pair", Wide: true}, {Label: "Items", Right: true}, {Label: "Same", Right: true}, {Label: "Cohen", Right: true}, {Label: "± se", Right: true},
		{Label: "Alpha", Right: true}, {Label: "95 %", Right: true}, {Label: "AC1", Right: true}, {Label: "They differ most on"}},
		Empty: ui.Empty{Bare: true, Title: "No two labelers share an item", Why: "Pairs appear with the first item that was read twice."}}
	for _, p := range pairs {
		kappa, se := "–", ""
		if p.Cohen.Defined {
			kappa, se = ui.Number(p.Cohen.Value, 2), ui.Number(p.Cohen.SE, 2)
		}
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{
			ui.Words(ui.Link{Text: p.OneName, URL: "/labelers/" + itemID(p.One), Plain: true}, ui.Dim(" and "), ui.Link{Text: p.OtherName, URL: "/labelers/" + itemID(p.Other), Plain: true}),
			ui.Words(ui.Count(p.Items)), ui.Words(shareWords(p.Percent)), ui.Bold(kappa), ui.Dim(se), ui.Words(alphaWords(p.Nominal)), ui.Dim(alphaLimits(p.Nominal)),
			ui.Words(coefficient(p.AC1)), differMost(p)}})
	}
	return t
}

// differMost names the two labels a pair most often disagree between.
func differMost(p labeling.PairAgreement) templ.Component {
	one, other, most := 0, 0, 0
	for i, row := range p.Table {
		for j, n := range row {
			if i != j && n > most {
				one, other, most = i, j, n
			}
		}
	}
	if most == 0 {
		return ui.Dim("nothing")
	}
	return ui.Text(fmt.Sprintf("%s / %s, %d times", labelWords(labeling.Truths[one]), labelWords(labeling.Truths[other]), most))
}

// confusionOf shows the coincidences of a queue: equal labels on the diagonal.
func confusionOf(a labeling.Agreement) confusionGrid {
	g := confusionGrid{Title: taskClassWords(a.Queue), Note: ui.CountOf(a.Items, "item"), Grid: ui.Grid{Named: true}}
	all, most, where := 0.0, 0.0, ""
	for i, label := range labeling.Truths {
		g.Grid.Columns = append(g.Grid.Columns, labelWords(label))
		row := ui.GridRow{Name: labelWords(label)}
		for j, n := range a.Coincidence[i] {
			all += n
			if j > i && n > most {
				most, where = n, labelWords(label)+" and "+labelWords(labeling.Truths[j])
			}
			row.Cells = append(row.Cells, ui.Cell{Text: ui.Number(n, 0), Number: true, Counted: i == j && n > 0, Wrong: i != j && n > 0, Dim: n == 0})
		}
		g.Grid.Rows = append(g.Grid.Rows, row)
	}
	g.Foot = "No two labels differ."
	if most > 0 {
		g.Foot = fmt.Sprintf("They differ most between %s: %s of all pairs of labels.", where, ui.ShareTo(2*most/all, 0))
	}
	return g
}

// agreementAPI answers with the same figures for programs.
func (s *site) agreementAPI(c *fiber.Ctx) error {
	report, _, _, err := s.agreement(c)
	if err != nil {
		return err
	}
	list := func(all []labeling.Agreement) []fiber.Map {
		out := []fiber.Map{}
		for _, a := range all {
			out = append(out, agreementMap(a))
		}
		return out
	}
	pairs := []fiber.Map{}
	for _, p := range report.Pairs {
		m := agreementMap(p.Agreement)
		m["labelers"], m["table"] = []string{p.OneName, p.OtherName}, p.Table
		m["cohen"] = nil
		if p.Cohen.Defined {
			m["cohen"] = fiber.Map{"value": p.Cohen.Value, "se": p.Cohen.SE}
		}
		pairs = append(pairs, m)
	}
	return c.JSON(fiber.Map{"queues": list(report.Queues), "task_classes": list(report.TaskClasses), "pairs": pairs, "cannot_tell": report.CannotTell})
}

func agreementMap(a labeling.Agreement) fiber.Map {
	alpha := func(e stats.AlphaEstimate) any {
		if !e.Defined {
			return nil
		}
		out := fiber.Map{"value": e.Value, "low": nil, "high": nil, "level": e.Level, "replicates": e.Replicates, "seed": e.Seed}
		if e.Bounded {
			out["low"], out["high"] = e.Low, e.High
		}
		return out
	}
	m := fiber.Map{"items": a.Items, "labels": a.Labels, "labelers": a.Labelers, "alpha": alpha(a.Nominal), "alpha_ordinal": alpha(a.Ordinal),
		"percent": a.Percent, "ac1": a.AC1, "fleiss": a.Fleiss, "coincidence": a.Coincidence, "may_drive_gates": a.MayDriveGates()}
	if a.Queue != "" {
		m["queue"] = a.Queue
	}
	if a.TaskClass != "" {
		m["task_class"] = a.TaskClass
	}
	return m
}

var qualityOperations = map[string]operation{
	"GET /v1/consensus": {Summary: "What the labels of several people say together, by the model of Dawid and Skene: shares of the labels among the items read twice, how each labeler errs, and the probability of each label of each item.", Query: []parameter{
		{Name: "queue", Words: "of this queue; the one with the most items when left out"},
		{Name: "when", Words: "labels given in 7d, 30d (default), 90d or all"},
		{Name: "prior", Words: "none: the labels alone speak; left out: labelers are believed to be mostly right"},
		{Name: "label", Words: "list the items whose most probable label this is"},
		{Name: "from", Words: "list items from this one on, the least sure is 0"}},
		Answers: map[int]content{200: {Words: "Shares and errors with their intervals from resampled items, null below ten items; at most 1,000 items, next_from leads on", Schema: `{"type":"object","required":["queue","labels","shares","labelers","items","all_items","prior","iterations","converged","identifiable"],"properties":{
			"queue":{"type":"string"},"labels":{"type":"array","items":{"type":"string"}},"all_items":{"type":"integer"},"next_from":{"type":["integer","null"]},
			"shares":{"type":"array","items":{"type":"object","required":["label","value","interval"],"properties":{"label":{"type":"string"},"value":{"type":"number"},"interval":{"type":["array","null"],"items":{"type":"number"}},"likeliest_for":{"type":"integer"}}}},
			"labelers":{"type":"array","items":{"type":"object","required":["labeler","labels","confusion"],"properties":{"labeler":{"type":"string"},"labels":{"type":"integer"},"confusion":{"type":"array","items":{"type":"array","items":{"type":"number"}}},"right_interval":{"type":"array"},"items_of_class":{"type":"array","items":{"type":"number"}}}}},
			"items":{"type":"array","items":{"type":"object","required":["item","session_id","label","probability","posterior"],"properties":{"item":{"type":"integer"},"event_id":{"type":"string"},"session_id":{"type":"string"},"label":{"type":"string"},"probability":{"type":"number"},"posterior":{"type":"array","items":{"type":"number"}},"said":{"type":"array","items":{"type":"integer"}},"stands":{"type":"string"},"method":{"type":"string"}}}},
			"prior":{"type":"object"},"iterations":{"type":"integer"},"converged":{"type":"boolean"},"identifiable":{"type":"boolean"},"log_likelihood":{"type":"number"},"replicates":{"type":"integer"},"seed":{"type":"integer"}}}`}}},
	"GET /v1/agreement": {Summary: "How far labelers agree on items drawn to be read twice: by queue, task class and pair of labelers.", Query: []parameter{
		{Name: "queue", Words: "of this queue alone"},
		{Name: "when", Words: "labels given in 7d, 30d (default), 90d or all"}},
		Answers: map[int]content{200: {Words: "Krippendorff's alpha with its interval, nominal and ordinal, and the other coefficients; null where undefined", Schema: `{"type":"object","required":["queues","task_classes","pairs","cannot_tell"],"properties":{
			"queues":{"type":"array","items":` + agreementSchema + `},"task_classes":{"type":"array","items":` + agreementSchema + `},
			"pairs":{"type":"array","items":` + agreementSchema + `},"cannot_tell":{"type":"integer"}}}`}}},
}

const agreementSchema = `{"type":"object","required":["items","labels","alpha","may_drive_gates"],"properties":{
	"queue":{"type":"string"},"task_class":{"type":"string"},"items":{"type":"integer"},"labels":{"type":"integer"},"labelers":{},
	"alpha":{"type":["object","null"],"properties":{"value":{"type":"number"},"low":{"type":["number","null"]},"high":{"type":["number","null"]}}},
	"alpha_ordinal":{"type":["object","null"]},"percent":{"type":["number","null"]},"ac1":{"type":["number","null"]},"fleiss":{"type":["number","null"]},
	"may_drive_gates":{"type":"boolean"}}}`
