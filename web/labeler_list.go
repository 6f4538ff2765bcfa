package web

import (
	"fmt"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/labeling"
	"assay/web/ui"
)

// labelersPage lists who labels: how much, how fast, how right on gold, and
// what is unusual.
type labelersPage struct {
	Head  ui.Head
	Tabs  ui.Tabs
	Alarm *ui.Banner
	Table ui.Table
}

// accuracyAxis is shared by all bars of accuracy on gold.
var accuracyAxis = ui.Axis{Min: .3, Max: 1}

// leastAccuracy is where trust begins.
const leastAccuracy = .85

func (s *site) labelersShow(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	list, err := labels.Labelers(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: "Labelers", Nav: "labelers"}, buildLabelers(list, actorOf(c)).draw())
}

// qualityTabs lead between the pages about the quality of labels.
func qualityTabs(current string, actor auth.Actor) ui.Tabs {
	tabs := ui.Tabs{Name: "Quality of labels"}
	for _, tab := range []ui.Tab{{Label: "Labelers", URL: "/labelers"}, {Label: "Agreement", URL: "/agreement"}, {Label: "Consensus", URL: "/consensus"}, {Label: "Gold", URL: "/gold"}} {
		if tab.URL == "/gold" && !actor.May(auth.Adjudicate) {
			continue
		}
		tab.Current = tab.URL == current
		tabs.Items = append(tabs.Items, tab)
	}
	return tabs
}

func buildLabelers(list []labeling.Labeler, actor auth.Actor) labelersPage {
	p := labelersPage{
		Head: ui.Head{Title: "Labelers", Sub: "Signals lower trust and bring more gold. They never delete a label, and a suspension is a person’s decision."},
		Tabs: qualityTabs("/labelers", actor),
		Table: ui.Table{ID: "labelers", Caption: "Labelers", Loose: true, Columns: []ui.Column{
			{Label: "Labeler"}, {Label: "Standing"}, {Label: "7 days", Right: true}, {Label: "Labels", Right: true}, {Label: "Median", Right: true},
			{Name: "Accuracy on gold, interval", Note: ui.AxisHead{Axis: accuracyAxis, Ticks: []float64{.3, .85, 1}}},
			{Label: "On gold", Right: true}, {Label: "Unusual", Wide: true}, {Label: "Last", Right: true}},
			Empty: ui.Empty{Bare: true, Title: "Nobody has labeled yet", Why: "Labelers appear with their first label, imported or given here."},
			Foot:  &ui.Foot{Shown: ui.CountOf(len(list), "labeler"), Hints: len(list) > 0}},
	}
	proposed := 0
	for _, l := range list {
		if l.Standing == labeling.Proposed {
			proposed++
		}
		p.Table.Rows = append(p.Table.Rows, labelerRow(l))
	}
	if proposed > 0 {
		p.Alarm = &ui.Banner{Tone: ui.Bad, Fact: ui.CountOf(proposed, "labeler is", "labelers are") + " wrong on gold too often.",
			Consequence: "What they label is read a second time. Look at their page and decide: nothing is suspended without you."}
	}
	return p
}

func labelerRow(l labeling.Labeler) ui.Row {
	address := "/labelers/" + itemID(l.ID)
	unusual := templ.Component(ui.Dim("–"))
	if len(l.Signals.Flags) > 0 {
		unusual = ui.Toned(ui.Mid, capital(strings.Join(l.Signals.Flags, "; ")))
	}
	return ui.Row{URL: address, Cells: []templ.Component{
		ui.Link{Text: l.Name, URL: address, Plain: true}, standingPill(l.Standing),
		ui.Words(ui.Count(l.Week)), ui.Words(ui.Count(l.Labels)), ui.Words(secondsWords(l)), accuracyBar(l.Judgement, l.Gold), goldWords(l.Gold), unusual,
		ui.Time{At: l.Last, Style: ui.Day}}}
}

func secondsWords(l labeling.Labeler) string {
	if l.Median <= 0 {
		return "–"
	}
	return ui.Handling(l.Median)
}

// standings are the standings in words, with what each brings.
var standings = map[labeling.Standing]struct {
	pill  ui.Pill
	means string
}{
	labeling.New:       {ui.Pill{Text: "new", Mark: ui.MarkInconclusive, Tone: ui.NA}, "Fewer than ten gold answers say nothing yet."},
	labeling.Unproven:  {ui.Pill{Text: "unproven", Mark: ui.MarkInconclusive, Tone: ui.NA}, "Nothing speaks against them, and not enough gold for them: trust begins when the interval lies above 85 %."},
	labeling.Trusted:   {ui.Pill{Text: "trusted", Mark: ui.MarkHolds, Tone: ui.Ok}, "The interval of their accuracy on gold lies above 85 %."},
	labeling.Probation: {ui.Pill{Text: "probation", Mark: ui.MarkWarn, Tone: ui.Mid}, "More likely below 85 % than above on gold, or something is unusual: more gold, and everything they label is read a second time."},
	labeling.Proposed:  {ui.Pill{Text: "to decide", Mark: ui.MarkFail, Tone: ui.Bad}, "Wrong on gold too often. Everything they label is read a second time until a reviewer decides."},
	labeling.Suspended: {ui.Pill{Text: "suspended", Mark: ui.MarkFailed, Tone: ui.Bad}, "Nothing is served to them. Their labels stay and are read a second time."},
}

func standingPill(s labeling.Standing) ui.Pill { return standings[s].pill }

// accuracyBar draws the accuracy on gold with its interval; the objective is
// where trust begins.
func accuracyBar(j labeling.Judgement, gold labeling.Confusion) ui.IntervalBar {
	right, n := gold.All()
	bar := ui.IntervalBar{Axis: accuracyAxis, Objective: leastAccuracy, HasObjective: true}
	if n == 0 {
		bar.Standing, bar.Note = ui.NoData, "no gold yet"
		return bar
	}
	bar.Low, bar.High, bar.Estimate = j.Overall.Low, j.Overall.High, float64(right)/float64(n)
	bar.Name = "Accuracy on gold " + ui.ShareWithin(bar.Estimate, bar.Low, bar.High)
	switch { // here high is good: the colours turn round
	case bar.Low >= leastAccuracy:
		bar.Standing = ui.Within
	case bar.High < leastAccuracy:
		bar.Standing = ui.Over
	}
	return bar
}

func goldWords(gold labeling.Confusion) templ.Component {
	right, n := gold.All()
	if n == 0 {
		return ui.Dim("–")
	}
	if n < 10 {
		return ui.Words(fmt.Sprintf("%d/%d", right, n))
	}
	return ui.Words(ui.Bold(ui.ShareTo(float64(right)/float64(n), 0)), " ", ui.Dim(fmt.Sprintf("%d/%d", right, n)))
}

// labelSign is a label's mark with its word.
func labelSign(label string) templ.Component {
	return ui.Words(ui.MarkOf(label), " ", ui.Bold(capital(labelWords(label))))
}
