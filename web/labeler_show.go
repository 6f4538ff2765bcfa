package web

import (
	"fmt"
	"math"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// labelerPage is one labeler's work: to themselves, to reviewers who decide,
// to others by pseudonym.
type labelerPage struct {
	Head      ui.Head
	Notice    *ui.Banner
	Stats     ui.Stats
	Gold      ui.Grid
	GoldNote  string
	ByLabel   ui.Table
	NoGold    string
	Accuracy  *ui.LineChart
	Bad       *ui.LineChart
	Changes   ui.Table
	Signals   ui.Facts
	Decide    *standingForm
	Decisions ui.Feed

	Exclude    *exclusionForm
	Exclusions ui.Feed
}

// standingForm is where a reviewer decides.
type standingForm struct {
	Action  string
	Means   string
	Reason  ui.Field
	Buttons []ui.Button
}

// labelerOwn shows people their own page.
func (s *site) labelerOwn(c *fiber.Ctx) error { return s.labelerPage(c, 0) }

func (s *site) labelerShow(c *fiber.Ctx) error {
	id, err := idParam(c, "labeler")
	if err != nil {
		return err
	}
	return s.labelerPage(c, id)
}

func (s *site) labelerPage(c *fiber.Ctx, id int64) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	actor := actorOf(c)
	report, err := labels.Labeler(c.UserContext(), actor, id)
	if err != nil {
		return err
	}
	back := &ui.Link{Text: "Labelers", URL: "/labelers"}
	if !actor.May(auth.SeeMeasures) {
		back = &ui.Link{Text: "Start", URL: "/"}
	}
	return s.page(c, ui.Page{Title: report.Name, Nav: "labelers", Back: back}, buildLabeler(report, actor, s.now()).draw())
}

func buildLabeler(r labeling.LabelerReport, actor auth.Actor, now time.Time) labelerPage {
	p := labelerPage{Head: ui.Head{Title: r.Name, Beside: []templ.Component{standingPill(r.Standing)}, Sub: standings[r.Standing].means}}
	if actor.May(auth.SeeMeasures) {
		p.Head.Crumbs = []ui.Link{{Text: "Labelers", URL: "/labelers"}}
	}
	if r.Own {
		p.Head.Title = "Your labels"
		p.Head.Actions = []templ.Component{ui.Button{Label: "Feedback on gold", URL: "/feedback"}, ui.Button{Label: "Practice", URL: "/practice"}}
	}
	p.Stats = labelerStats(r)
	p.gold(r)
	p.signals(r)
	p.drift(r, now)
	p.changes(r)
	p.decide(r, actor)
	p.exclude(r, actor)
	for _, d := range r.Decisions {
		did := map[string]string{labeling.Suspend: "suspended", labeling.Keep: "looked and kept", labeling.Reinstate: "reinstated"}[d.Decision]
		p.Decisions.Items = append(p.Decisions.Items, ui.FeedItem{Icon: ui.IconBook, Who: d.By, Did: ui.Text(did), At: ui.Time{At: d.DecidedAt}, Note: d.Reason})
	}
	return p
}

func labelerStats(r labeling.LabelerReport) ui.Stats {
	accuracy, base := "–", "no gold yet"
	if right, n := r.Gold.All(); n > 0 {
		accuracy = fmt.Sprintf("%d/%d", right, n)
		if n >= 10 {
			accuracy = ui.ShareTo(float64(right)/float64(n), 0)
		}
		base = "95 % " + ui.IntervalTo(r.Judgement.Overall.Low, r.Judgement.Overall.High, 0) + ", n " + ui.Count(n)
	}
	agreed, shared := "–", "no item shared yet"
	if r.Shared > 0 {
		agreed = fmt.Sprintf("%d/%d", r.Agreed, r.Shared)
		shared = "labels of others on the same items"
	}
	return ui.Stats{Items: []ui.Stat{
		{Term: "Labels", Figure: ui.Count(r.Labels), Base: ui.Count(r.Week) + " in 7 days"},
		{Term: "Median time", Figure: secondsWords(r.Labeler), Base: fmt.Sprintf("of the last %s", ui.CountOf(r.Signals.Labels, "label"))},
		{Term: "Right on gold", Figure: accuracy, Base: base},
		{Term: "Same as others", Figure: agreed, Base: shared}}}
}

// gold is the confusion on gold, and each right label apart.
func (p *labelerPage) gold(r labeling.LabelerReport) {
	if _, n := r.Gold.All(); n == 0 {
		p.NoGold = "Gold is served among other items, 5 to 10 in a hundred. What was answered shows here."
		if r.Own {
			p.NoGold = "Some items have a known answer. How you did on those of past days shows here, and is explained under Feedback."
		}
		return
	}
	p.GoldNote = "what is right down, what was said across"
	p.Gold = ui.Grid{Named: true}
	for _, label := range labeling.Labels {
		p.Gold.Columns = append(p.Gold.Columns, labelWords(label))
	}
	p.ByLabel = ui.Table{Caption: "Accuracy by right label", Bare: true, Columns: []ui.Column{{Label: "Right label"}, {Label: "with its interval, from 30 to 100 %"}}}
	for truth, label := range labeling.Truths {
		row := ui.GridRow{Name: labelWords(label)}
		for said, n := range r.Gold[truth] {
			row.Cells = append(row.Cells, ui.Cell{Text: ui.Count(n), Number: true, Wrong: said != truth && n > 0, Dim: n == 0})
		}
		p.Gold.Rows = append(p.Gold.Rows, row)
		right, n := r.Gold.Of(truth)
		cell := templ.Component(ui.Dim("none answered"))
		if n > 0 {
			j := r.Judgement.ByLabel[truth]
			bar := ui.IntervalBar{Axis: accuracyAxis, Low: j.Low, High: j.High, Estimate: float64(right) / float64(n), Objective: leastAccuracy, HasObjective: true, Narrow: true,
				Name: capital(labelWords(label)) + ": " + ui.ShareWithin(float64(right)/float64(n), j.Low, j.High)}
			if j.High < leastAccuracy {
				bar.Standing = ui.Over
			}
			cell = ui.Words(bar, " ", ui.Bold(fmt.Sprintf("%d/%d", right, n)), " ", ui.Dim(ui.IntervalTo(j.Low, j.High, 0)))
		}
		p.ByLabel.Rows = append(p.ByLabel.Rows, ui.Row{Cells: []templ.Component{labelSign(label), cell}})
	}
}

func (p *labelerPage) signals(r labeling.LabelerReport) {
	s := r.Signals
	fast := "–"
	if s.Timed > 0 {
		fast = fmt.Sprintf("%d of %d", s.TooFast, s.Timed)
	}
	spammer := "needs 30 gold answers"
	if s.Spammer != nil {
		spammer = ui.Number(*s.Spammer, 2) + " (1: wholly, 0: not at all)"
	}
	p.Signals = ui.Facts{Small: true, Ruled: true, Items: []ui.Fact{
		{Term: "Faster than the text can be read", Value: ui.Text(fast)},
		{Term: "Longest run of one answer", Value: ui.Text(ui.Count(s.LongestRun))},
		{Term: "Variety of answers", Value: ui.Text(ui.Number(s.Entropy, 2) + " bits")}}}
	if !r.Own {
		p.Signals.Items = append(p.Signals.Items, ui.Fact{Term: "Answers depend on what is right", Value: ui.Text(spammer)})
	}
	for _, flag := range s.Flags {
		p.Signals.Items = append(p.Signals.Items, ui.Fact{Term: "Unusual", Value: ui.Toned(ui.Mid, flag)})
	}
}

// drift draws the weeks: accuracy on gold, and the share called hallucinated.
func (p *labelerPage) drift(r labeling.LabelerReport, now time.Time) {
	accuracy, bad := ui.Series{Band: true}, ui.Series{Band: true}
	var ticks []ui.Tick
	gold := false
	for i, w := range r.Drift {
		x := float64(i)
		if i%3 == 0 {
			ticks = append(ticks, ui.Tick{At: x, Label: w.Week.Format("2 Jan")})
		}
		a := ui.Point{Value: math.NaN(), Low: math.NaN(), High: math.NaN()}
		if w.Gold > 0 {
			gold = true
			a = ui.Point{Value: float64(w.GoldRight) / float64(w.Gold), Low: w.Accuracy.Low, High: w.Accuracy.High}
		}
		b := ui.Point{Value: math.NaN(), Low: math.NaN(), High: math.NaN()}
		if w.Labels > 0 {
			b = ui.Point{Value: w.Share, Low: w.Hallucinated.Low, High: w.Hallucinated.High}
		}
		accuracy.X, accuracy.Points = append(accuracy.X, x), append(accuracy.Points, a)
		bad.X, bad.Points = append(bad.X, x), append(bad.Points, b)
	}
	if len(r.Drift) < 2 {
		return
	}
	across := ui.Axis{Min: 0, Max: float64(len(r.Drift) - 1)}
	percents := []ui.Tick{{At: 0, Label: "0"}, {At: .5, Label: "50"}, {At: 1, Label: "100 %"}}
	if gold {
		p.Accuracy = &ui.LineChart{XAxis: across, YAxis: ui.Axis{Min: 0, Max: 1}, Series: []ui.Series{accuracy}, XTicks: ticks, YTicks: percents, Height: 160,
			Guides: []ui.GuideLine{{At: leastAccuracy, Label: "85 %"}}, Name: fmt.Sprintf("Accuracy on gold over %s", ui.CountOf(len(r.Drift), "week"))}
	}
	p.Bad = &ui.LineChart{XAxis: across, YAxis: ui.Axis{Min: 0, Max: 1}, Series: []ui.Series{bad}, XTicks: ticks, YTicks: percents, Height: 160,
		Name: fmt.Sprintf("Share called hallucinated over %s", ui.CountOf(len(r.Drift), "week"))}
}

// changes lists from when on a labeler answered differently.
func (p *labelerPage) changes(r labeling.LabelerReport) {
	p.Changes = ui.Table{Caption: "Changes", Bare: true, Columns: []ui.Column{
		{Label: "What"}, {Label: "Since"}, {Label: "Before", Right: true}, {Label: "After", Right: true}, {Label: "Others then", Right: true}, {Label: "By chance", Right: true}}}
	for _, c := range r.Signals.Changes {
		what, others := capital(labelWords(c.What))+", share of labels", "–"
		if c.What == "gold" {
			what = "Right on gold"
		}
		if c.Others != nil {
			others = ui.ShareTo(c.Others[0], 0) + " → " + ui.ShareTo(c.Others[1], 0)
		}
		p.Changes.Rows = append(p.Changes.Rows, ui.Row{Cells: []templ.Component{
			ui.Bold(what), ui.Time{At: c.Since, Style: ui.Day}, ui.Words(partWords(c.Before)), ui.Words(ui.Toned(ui.Mid, partWords(c.After))), ui.Dim(others), ui.Dim(chanceWords(c.Chance))}})
	}
}

func partWords(p labeling.Part) string {
	return ui.ShareTo(p.Share(), 0) + " of " + ui.Count(p.N)
}

func chanceWords(p float64) string {
	if p < .0001 {
		return "< 1 in 10,000"
	}
	return "1 in " + ui.Count(int(math.Round(1/p)))
}

// decide offers a reviewer what can be decided now.
func (p *labelerPage) decide(r labeling.LabelerReport, actor auth.Actor) {
	if r.Standing == labeling.Proposed {
		var failing string
		for i, truth := range r.Judgement.Failing {
			if i > 0 {
				failing += " and "
			}
			failing += labelWords(labeling.Truths[truth])
		}
		fact := "Right on gold less than 85 % of the time."
		if failing != "" {
			fact = "Gold that is " + failing + " is answered wrong too often."
		}
		p.Notice = &ui.Banner{Tone: ui.Bad, Fact: fact, Consequence: "Their first labels are read a second time from now on. Nothing else happens until a reviewer decides."}
	}
	if !actor.May(auth.Adjudicate) || r.Own {
		return
	}
	f := standingForm{Action: "/labelers/" + itemID(r.ID) + "/standing",
		Reason: ui.Field{Label: "Reason, the labeler will read it", Name: "reason", Rows: 2, Required: true}}
	button := func(label, value string, style ui.ButtonStyle) ui.Button {
		return ui.Button{Label: label, Name: "decision", Value: value, Submit: true, Style: style}
	}
	switch r.Standing {
	case labeling.Suspended:
		f.Means = "Reinstating serves them items again. What they labeled before stays marked for a second reading."
		f.Buttons = []ui.Button{button("Reinstate", labeling.Reinstate, ui.Filled)}
	case labeling.Proposed:
		f.Means = "Suspending gives back what they hold, serves nothing more, and has their first labels read again. Keeping them waits for ten more gold answers before it is proposed again."
		f.Buttons = []ui.Button{button("Suspend", labeling.Suspend, ui.Hazard), button("Keep them", labeling.Keep, ui.Outlined)}
	default:
		f.Means = "Suspending gives back what they hold, serves nothing more, and has their first labels read again. No label is deleted."
		f.Buttons = []ui.Button{button("Suspend", labeling.Suspend, ui.Hazard)}
	}
	p.Decide = &f
}

func (s *site) labelerStanding(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "labeler")
	if err != nil {
		return err
	}
	var form struct {
		Decision string `form:"decision"`
		Reason   string `form:"reason"`
	}
	if err := readForm(c, &form); err != nil {
		return err
	}
	if err := labels.DecideStanding(c.UserContext(), actorOf(c), id, form.Decision, form.Reason); err != nil {
		return fmt.Errorf("labeler %d: %w", id, err)
	}
	s.say(c, "Decided. It is in the audit, and the labeler reads your reason.")
	return s.see(c, "/labelers/"+itemID(id))
}

// feedbackPage explains the gold of past days to whoever answered it.
type feedbackPage struct {
	Head  ui.Head
	Days  []feedbackDay
	Empty ui.Empty
}

type feedbackDay struct {
	Title string
	Note  string
	Items []feedbackItem
}

type feedbackItem struct {
	Title string
	Class string
	Right bool
	Said  templ.Component
	Truth templ.Component
	Why   string
	URL   string // the guide
}

func (s *site) feedbackShow(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	zone := s.reader(visitorOf(c)).Zone
	if zone == nil {
		zone = time.UTC
	}
	now := s.now().In(zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	list, err := labels.Feedback(c.UserContext(), actorOf(c), midnight)
	if fault.Of(err) == fault.Denied {
		return err
	}
	if err != nil {
		return fmt.Errorf("feedback: %w", err)
	}
	return s.page(c, ui.Page{Title: "Feedback", Nav: "labelers", Back: &ui.Link{Text: "Your labels", URL: "/labelers/me"}}, buildFeedback(list, zone).draw())
}

func buildFeedback(list []labeling.GoldFeedback, zone *time.Location) feedbackPage {
	p := feedbackPage{
		Head: ui.Head{Crumbs: []ui.Link{{Text: "Your labels", URL: "/labelers/me"}}, Title: "Feedback on gold",
			Sub: "Some items have a known answer and come unannounced. When a day is over they are explained here."},
		Empty: ui.Empty{Title: "Nothing to explain yet", Why: "You have answered no gold item on a day that is over."},
	}
	right := 0
	for _, g := range list {
		day := g.LabeledAt.In(zone).Format("Monday 2 January")
		if len(p.Days) == 0 || p.Days[len(p.Days)-1].Title != day {
			p.Days = append(p.Days, feedbackDay{Title: day})
			right = 0
		}
		d := &p.Days[len(p.Days)-1]
		if g.Said == g.Right {
			right++
		}
		d.Items = append(d.Items, feedbackItem{
			Title: railTitle(g.Title), Class: taskClassWords(g.TaskClass), Right: g.Said == g.Right, Why: g.Why, URL: "/guides/" + pathPart(g.TaskClass),
			Said: labelSign(g.Said), Truth: labelSign(g.Right),
		})
		d.Note = fmt.Sprintf("%d of %d as known", right, len(d.Items))
	}
	return p
}
