package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/validators"
	"assay/web/ui"
)

// validatorPage is the card of one validator: how it stands against people,
// what it could not find out and why, how fast it is, and the canaries that
// vouch for it.
type validatorPage struct {
	Head         ui.Head
	Suspended    *ui.Banner
	Doubt        *ui.Banner // dead checks
	Against      ui.Grid
	AgainstNote  string
	Shares       ui.Table
	AgainstFoot  templ.Component
	NoLabels     bool
	Reasons      ui.Table
	ReasonsNote  string
	NoReasons    string
	Chart        ui.LineChart
	Stats        ui.Stats
	Engines      ui.Table // of dialects; without rows there are none
	Canaries     ui.Table
	CanariesNote string
	CanariesFoot templ.Component
	Work         workPart
	Judge        *judgePart     // nil: it is no language model
	Silence      *suspendedPart // nil: it never was suspended
}

func (s *site) validatorShow(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	card, err := store.Card(ctx, actor, param(c, "validator"))
	if err != nil {
		return err
	}
	against, err := s.against(ctx, actor)
	if err != nil {
		return err
	}
	p := buildValidator(card, against[card.Name+" "+card.Version], s.now())
	if p.Work, err = s.work(ctx, actor, card.Name); err != nil {
		return err
	}
	if p.Judge, err = s.judge(ctx, actor, card.Name); err != nil {
		return err
	}
	if p.Silence, err = s.suspension(ctx, actor, card, s.now()); err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: card.Name, Nav: "validators"}, p.draw())
}

func buildValidator(c validators.Card, a accord, now time.Time) validatorPage {
	p := validatorPage{Head: validatorHead(c, now)}
	if c.Suspended != nil {
		banner := suspendedBanner(c, now, nil)
		p.Suspended = &banner
	}
	if c.Dead > 0 {
		p.Doubt = &ui.Banner{Tone: ui.NA, Fact: ui.CountOf(c.Dead, "response", "responses") + " could not be checked.",
			Consequence: "The sandbox failed on each of them three times, the last with: " + c.Trouble}
	}
	p.against(a)
	p.reasons(c)
	p.throughput(c, now)
	p.canaries(c, now)
	p.engines(c)
	return p
}

func validatorHead(c validators.Card, now time.Time) ui.Head {
	state := ui.Pill{Text: "serving", Mark: ui.MarkPass, Tone: ui.Ok}
	switch {
	case c.Suspended != nil:
		state = ui.Pill{Text: "suspended", Mark: ui.MarkFail, Tone: ui.Bad}
	case len(c.Tried) == 0:
		state = ui.Pill{Text: "not tried yet", Mark: ui.MarkInconclusive, Tone: ui.NA}
	}
	says := c.Says
	if !c.Since.IsZero() {
		says = "Since " + ui.Instant(c.Since, now, time.UTC, ui.Day) + ". " + says
	}
	_, engines, _ := strings.Cut(c.Version, "+")
	if engines != "" {
		says += " Engines: " + strings.NewReplacer(".", ", ", "-", " ", "_", ".").Replace(engines) + "."
	}
	says += fmt.Sprintf(" Limits: %s, %d MiB.", ui.Elapsed(time.Duration(c.Limits.WallMS)*time.Millisecond), c.Limits.MemoryMB)
	return ui.Head{Crumbs: []ui.Link{{Text: "Validators", URL: "/validators"}}, Title: c.Name, Sub: says,
		Beside: []templ.Component{ui.Mono(shortVersion(c.Version)), state}}
}

// against is the table of verdict by label, and the two shares it gives.
func (p *validatorPage) against(a accord) {
	labels := a.FailHallucinated + a.FailRight + a.PassHallucinated + a.PassRight
	p.AgainstNote = fmt.Sprintf("%s, %d days", ui.CountOf(labels, "label"), againstDays)
	p.NoLabels = labels == 0
	cell := func(verdict, label string, n int64, wrong bool) ui.Cell {
		c := ui.Cell{Text: ui.Count(n), Number: true, Wrong: wrong && n > 0}
		if n > 0 {
			c.URL = casesURL(a.Validator, a.Version, verdict, label)
		}
		return c
	}
	p.Against = ui.Grid{Named: true, Columns: []string{"called hallucinated", "partially correct", "correct"}, Rows: []ui.GridRow{
		{Name: "fail", Cells: []ui.Cell{cell("fail", "hallucinated", a.FailHallucinated, false), cell("fail", "partially_correct", a.FailPartly, false), cell("fail", "correct", a.FailRight, true)}},
		{Name: "pass", Cells: []ui.Cell{cell("pass", "hallucinated", a.PassHallucinated, true), cell("pass", "partially_correct", a.PassPartly, false), cell("pass", "correct", a.PassRight, false)}}}}
	p.Shares = ui.Table{Caption: "Sensitivity and specificity", Bare: true, Columns: []ui.Column{{Label: "Share"}, {Label: "of all traffic, with its 95 % interval"}, {Label: "Labels", Right: true}, {Label: "Worth", Right: true}},
		Rows: []ui.Row{
			{Cells: []templ.Component{ui.Text("Sensitivity"), shareCell(a.Sensitivity, "Of those people call hallucinated it fails"), ui.Words(ui.Count(a.Sensitivity.N)), ui.Words(worth(a.Sensitivity))}},
			{Cells: []templ.Component{ui.Text("Specificity"), shareCell(a.Specificity, "Of those people call correct it passes"), ui.Words(ui.Count(a.Specificity.N)), ui.Words(worth(a.Specificity))}}}}
	p.AgainstFoot = ui.Text("The table counts labels as they are; failed responses are read more often than others. The shares weigh each label of the sample by the responses it stands for, so that they speak of all traffic; worth is how many labels of a simple random sample would say as much. Thin: under 20 labels, or worth under 20.")
}

// worth is the effective number of labels.
func worth(s share) string {
	if s.N == 0 {
		return "–"
	}
	return ui.Number(s.Effective, 0)
}

func (p *validatorPage) reasons(c validators.Card) {
	p.ReasonsNote = fmt.Sprintf("%s of %s", ui.Count(c.Inconclusive), ui.Count(c.Verdicts()))
	p.NoReasons = "Nothing was inconclusive in 24 hours."
	if c.Verdicts() == 0 {
		p.NoReasons = "There was no verdict in 24 hours."
	}
	p.Reasons = ui.Table{Caption: "Inconclusive by reason", Bare: true, Columns: []ui.Column{{Label: "Reason"}, {Name: "Share", Wide: true}, {Label: "Verdicts", Right: true}}}
	for _, r := range c.Reasons {
		words := strings.ReplaceAll(r.Reason, "_", " ")
		p.Reasons.Rows = append(p.Reasons.Rows, ui.Row{Cells: []templ.Component{ui.Text(words),
			ui.Meter{Value: float64(r.Count), Max: float64(c.Reasons[0].Count), Name: words + ": " + ui.Count(r.Count)}, ui.Words(ui.Count(r.Count))}})
	}
}

// throughput draws the day and says how long a verdict takes.
func (p *validatorPage) throughput(c validators.Card, now time.Time) {
	n := len(c.Slots)
	top := int64(1)
	series := ui.Series{}
	for i, slot := range c.Slots {
		top = max(top, slot)
		series.X = append(series.X, float64(i))
		series.Points = append(series.Points, ui.Point{Value: float64(slot), Low: float64(slot), High: float64(slot)})
	}
	yTop, yTicks := niceTicks(float64(top))
	p.Chart = ui.LineChart{XAxis: ui.Axis{Min: 0, Max: float64(n - 1)}, YAxis: ui.Axis{Min: 0, Max: yTop}, YTicks: yTicks, Height: 120,
		Series: []ui.Series{series}, Name: fmt.Sprintf("Verdicts per ten minutes over 24 hours, at most %s", ui.Count(top))}
	for hours := 18; hours > 0; hours -= 6 {
		at := now.Add(-time.Duration(hours) * time.Hour)
		p.Chart.XTicks = append(p.Chart.XTicks, ui.Tick{At: float64(n-1) - float64(hours*6), Label: at.UTC().Format("15:04")})
	}
	figure := func(ms float64) string {
		if c.Verdicts() == 0 {
			return "–"
		}
		return machineTime(ms)
	}
	job := "–"
	if c.Verdicts() > 0 {
		job = ui.Elapsed(c.FromJob)
	}
	p.Stats = ui.Stats{Items: []ui.Stat{
		{Term: "Verdict p50", Figure: figure(c.MedianMS)}, {Term: "Verdict p95", Figure: figure(c.P95MS)},
		{Term: "Job to verdict p95", Figure: job, Base: waitingWords(c.Waiting)},
		{Term: "Kept from before", Figure: ui.Count(c.Kept), Base: "same input, same versions"}}}
}

func waitingWords(n int64) string {
	if n == 0 {
		return "nothing waits"
	}
	return ui.Count(n) + " wait"
}

// niceTicks are two or three round steps that reach the top.
func niceTicks(top float64) (float64, []ui.Tick) {
	step := 1.0
	for _, unit := range []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 1_000_000} {
		if step = unit; top/step <= 3 {
			break
		}
	}
	var ticks []ui.Tick
	at := 0.0
	for ; at < top+step; at += step {
		ticks = append(ticks, ui.Tick{At: at, Label: ui.Number(at, 0)})
		if at >= top {
			break
		}
	}
	return ticks[len(ticks)-1].At, ticks
}

// machineTime writes how long a check ran: decimals below ten milliseconds.
func machineTime(ms float64) string {
	if ms < 10 {
		return ui.Number(ms, 1) + " ms"
	}
	return ui.Elapsed(time.Duration(ms * float64(time.Millisecond)))
}

func (p *validatorPage) canaries(c validators.Card, now time.Time) {
	p.Canaries = ui.Table{Caption: "Canaries", Bare: true, Tight: true, Columns: []ui.Column{{Label: "Input"}, {Label: "Wanted"}, {Label: "Got"}, {Label: "Took", Right: true}}}
	for _, t := range c.Tried {
		got := templ.Component(ui.MarkOf(t.Got).Named(t.Got))
		if t.Got == "error" {
			got = ui.Toned(ui.Bad, "error")
		}
		name := ui.Text(t.Name)
		if !t.OK {
			name = ui.Pair(ui.Toned(ui.Bad, t.Name), ui.Dim(t.Reason))
		}
		p.Canaries.Rows = append(p.Canaries.Rows, ui.Row{Cells: []templ.Component{name, ui.MarkOf(t.Want).Named(t.Want), got, ui.Words(machineTime(t.TookMS))}})
	}
	if len(c.Tried) == 0 {
		p.Canaries.Empty = ui.Empty{Bare: true, Title: "Not tried yet", Why: "The canaries are tried before the first batch."}
		return
	}
	p.CanariesNote = ui.Instant(c.TriedAt, now, time.UTC, ui.DayTime) + ", before the batch"
	p.CanariesFoot = ui.Soft("One wrong answer suspends the validator before it writes a verdict.")
}

// engines says which dialects this machine can run, and what holds each engine
// back: SQLite always, in the sandbox.
func (p *validatorPage) engines(c validators.Card) {
	if len(c.Engines) == 0 {
		return
	}
	p.Engines = ui.Table{Caption: "Engines of the dialects", Bare: true, Columns: []ui.Column{{Label: "Dialect"}, {Label: "State"}, {Label: "Held back by"}, {Label: "What it means", Wide: true}},
		Rows: []ui.Row{{Cells: []templ.Component{ui.Text("SQLite"), ui.Soft("serving"), ui.Dim("the sandbox"), ui.Dim("With every job.")}}}}
	for _, e := range c.Engines {
		state, words := ui.Soft("at hand"), "Answers its canaries when a statement first needs it."
		switch {
		case e.Missing != "":
			state, words = ui.Toned(ui.NA, "missing"), "Its statements are inconclusive. "+e.Missing
		case e.Wrong != "":
			state, words = ui.Toned(ui.Bad, "suspended"), "It answered the canary “"+e.Wrong+"” wrongly. Its statements are inconclusive; a self-test lets it be tried again."
		case e.Runs:
			state, words = ui.Soft("running"), "It has answered its canaries."
		}
		p.Engines.Rows = append(p.Engines.Rows, ui.Row{Cells: []templ.Component{ui.Text(e.Engine), state, ui.Dim(e.Held), ui.Dim(words)}})
	}
}
