package web

import (
	"fmt"
	"math"
	"net/url"
	"strconv"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/telemetry"
	"assay/web/ui"
)

// capturePage says what is kept of each task class's text, what that costs in
// texts and buys in certainty, and how the share has moved.
type capturePage struct {
	Sub     string
	Table   ui.Table
	History *ui.Table
	Class   string
	May     bool
	Form    captureForm
	Error   string
}

// captureForm is a policy as it is typed: shares in percent.
type captureForm struct {
	TaskClass string  `form:"task_class"`
	Capture   string  `form:"capture"`
	Base      float64 `form:"base"`
	Flagged   float64 `form:"flagged"`
	Most      float64 `form:"most"`
	Reason    string  `form:"reason"`
}

func (s *site) captureShow(c *fiber.Ctx) error {
	var in struct {
		Class string `query:"class"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	return s.capturePage(c, in.Class, nil, "")
}

func (s *site) capturePage(c *fiber.Ctx, class string, typed *captureForm, trouble string) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	list, err := store.Captured(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	p := buildCapture(list, class)
	p.May, p.Error = actorOf(c).May(auth.Configure), trouble
	if typed != nil {
		p.Form = *typed
	}
	if class != "" {
		history, err := store.CaptureHistory(c.UserContext(), actorOf(c), class, 50)
		if err != nil {
			return err
		}
		p.History = captureHistory(history)
	}
	return s.page(c, ui.Page{Title: "Capture"}, p.draw())
}

func captureURL(class string) string { return "/settings/capture?class=" + url.QueryEscape(class) }

func keptShare(share float64) string { return ui.Number(100*share, 2) + " %" }

// certainty is half the width of the 95 % interval around a rate of 3 % that a
// week's kept texts allow, were all of them labeled.
func certainty(perWeek float64) string {
	if perWeek < 1 {
		return "–"
	}
	return "± " + ui.Number(100*1.96*math.Sqrt(.03*.97/perWeek), 1) + " points"
}

func buildCapture(list []telemetry.CapturedClass, class string) capturePage {
	p := capturePage{
		Class: class,
		Sub:   "Every response is counted. Of these task classes the text of a share of sessions is kept; in a spike the share rises by itself, and falls when it is calm. Other classes follow their key.",
		Form:  captureForm{TaskClass: class, Capture: string(telemetry.CaptureRedacted), Base: 1, Flagged: 10, Most: 10},
		Table: ui.Table{ID: "classes", Caption: "Capture by task class", Columns: []ui.Column{
			{Label: "Task class", Wide: true}, {Label: "Kept"}, {Label: "Now", Right: true}, {Label: "Flagged", Right: true}, {Label: "Usual", Right: true}, {Label: "At most", Right: true},
			{Label: "Why"}, {Label: "Responses, 7 days", Right: true}, {Label: "Texts, 7 days", Right: true}, {Label: "Tells 3 % within", Right: true}, {Label: "Policy"}}},
	}
	for _, one := range list {
		why := ui.Text("usual")
		if one.Rate.Keep > one.Policy.Base {
			why = ui.Chip{Text: one.Rate.Why, Tone: ui.Mid}
		}
		p.Table.Rows = append(p.Table.Rows, ui.Row{URL: captureURL(one.Policy.TaskClass), Current: one.Policy.TaskClass == class, Cells: []templ.Component{
			ui.Link{Text: one.Policy.TaskClass, URL: captureURL(one.Policy.TaskClass), Plain: true}, ui.Text(string(one.Policy.Capture)),
			ui.Bold(keptShare(one.Rate.Keep)), ui.Text(keptShare(one.Rate.KeepFlagged)), ui.Text(keptShare(one.Policy.Base)), ui.Text(keptShare(one.Policy.Most)),
			why, ui.Text(ui.Count(int(one.Responses))), ui.Text(ui.Count(int(one.Kept))), ui.Text(certainty(float64(one.Kept))),
			ui.Soft("version " + strconv.Itoa(one.Policy.Version))}})
		if one.Policy.TaskClass == class {
			p.Form = captureForm{TaskClass: class, Capture: string(one.Policy.Capture), Base: 100 * one.Policy.Base, Flagged: 100 * one.Policy.BaseFlagged, Most: 100 * one.Policy.Most}
		}
	}
	if len(list) == 0 {
		p.Table.Empty = ui.Empty{Bare: true, Title: "No task class has a share of its own", Why: "Each is kept by the terms of the key that sends it. Give a busy class a share here, and it follows what is seen of it."}
	}
	return p
}

func captureHistory(rates []telemetry.CaptureRate) *ui.Table {
	t := &ui.Table{ID: "history", Caption: "How the share moved", Columns: []ui.Column{{Label: "Since"}, {Label: "Share", Right: true}, {Label: "Flagged", Right: true}, {Label: "Why", Wide: true}, {Label: "Decision", Right: true}}}
	for _, r := range rates {
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{ui.Time{At: r.At}, ui.Text(keptShare(r.Keep)), ui.Text(keptShare(r.KeepFlagged)), ui.Text(r.Why), ui.Text(strconv.FormatInt(r.ID, 10))}})
	}
	if len(rates) == 0 {
		t.Empty = ui.Empty{Bare: true, Title: "Nothing yet", Why: "This class follows its key."}
	}
	return t
}

func (s *site) captureSet(c *fiber.Ctx) error {
	var in captureForm
	if err := readForm(c, &in); err != nil {
		return err
	}
	store, err := s.events()
	if err != nil {
		return err
	}
	err = store.SetCapture(c.UserContext(), actorOf(c), telemetry.CapturePolicy{
		TaskClass: in.TaskClass, Capture: telemetry.Capture(in.Capture), Base: in.Base / 100, BaseFlagged: in.Flagged / 100, Most: in.Most / 100, Reason: in.Reason,
	})
	if fault.Of(err) == fault.Invalid {
		c.Status(fiber.StatusBadRequest)
		return s.capturePage(c, "", &in, fault.Words(err))
	}
	if err != nil {
		return err
	}
	s.say(c, "In force. What was kept before keeps its probability.")
	return s.see(c, captureURL(in.TaskClass))
}

// typedPercent writes a share as the form takes it.
func typedPercent(x float64) string { return fmt.Sprintf("%g", math.Round(x*1e6)/1e6) }
