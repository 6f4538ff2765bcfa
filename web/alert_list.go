package web

import (
	"strconv"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/eval"
	"assay/internal/auth"
	"assay/web/ui"
)

// alertsPage is what fired, the open ones first, and what is watched.
type alertsPage struct {
	Sub      string
	Open     ui.Needs
	Table    ui.Table
	Policies ui.Table
}

func (s *site) alertsShow(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	actor := actorOf(c)
	alerts, err := gates.Alerts(c.UserContext(), actor, 200)
	if err != nil {
		return err
	}
	policies, err := gates.Policies(c.UserContext())
	if err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: "Alerts", Nav: "alerts"}, buildAlerts(alerts, policies, actor).draw())
}

func buildAlerts(alerts []eval.Alert, policies []eval.WatchedPolicy, actor auth.Actor) alertsPage {
	p := alertsPage{
		Table: ui.Table{ID: "alerts", Caption: "Alerts", Columns: []ui.Column{
			{Label: "Fired"}, {Label: "Finding", Wide: true}, {Label: "Policy"}, {Label: "State"}, {Label: "Incident"}}},
		Policies: ui.Table{Caption: "Policies", Columns: []ui.Column{
			{Label: "Policy", Wide: true}, {Label: "Unsafe serves", Right: true}, {Label: "First token p95", Right: true},
			{Label: "Cost of a window", Right: true}, {Label: "Window", Right: true}, {Label: "Rate card"}}},
	}
	paging := 0
	for _, a := range alerts {
		if a.State == eval.Firing && a.Severity == eval.Page {
			paging++
		}
		if a.ResolvedAt == nil {
			p.Open.Items = append(p.Open.Items, openAlert(a, actor))
		}
		p.Table.Rows = append(p.Table.Rows, alertRow(a))
	}
	if len(alerts) == 0 {
		p.Table.Empty = ui.Empty{Bare: true, Title: "Nothing has fired", Why: "Policies are weighed each minute and when gate traces arrive."}
	}
	p.Sub = ui.CountOf(paging, "alert") + " paging, " + ui.Count(len(p.Open.Items)) + " open. Abstaining is safe and never pages."
	for _, policy := range policies {
		p.Policies.Rows = append(p.Policies.Rows, ui.Row{Cells: []templ.Component{
			ui.Pair(ui.Mono(policy.PolicyID), ui.Dim(policy.Summary)),
			ui.Words("at most " + strconv.Itoa(policy.MaxUnsafeServes)), ui.Words("≤ " + ui.Milliseconds(float64(policy.MaxP95TTFTMS))),
			ui.Words("≤ " + ui.Money(policy.MaxWindowCost, "USD")), ui.Words(ui.Age(policy.Window)), ui.Mono(policy.RateCard)}})
	}
	return p
}

func openAlert(a eval.Alert, actor auth.Actor) ui.Need {
	need := ui.Need{Mark: ui.MarkOf(string(a.Severity)), Title: a.LatestText, Text: "Policy " + a.PolicyID + ", " + string(a.State) + "."}
	switch {
	case a.IncidentID != nil:
		need.Action = ui.Button{Label: "Open the incident", URL: incidentURL(*a.IncidentID), Style: ui.Filled}
	case a.State == eval.Firing && actor.May(auth.AcknowledgeAlert):
		need.Action = acknowledge(a.ID)
	}
	return need
}

func alertRow(a eval.Alert) ui.Row {
	incident := ui.Dim("none")
	if a.IncidentID != nil {
		incident = ui.Link{Text: strconv.FormatInt(*a.IncidentID, 10), URL: incidentURL(*a.IncidentID)}
	}
	row := ui.Row{Dim: a.ResolvedAt != nil, Cells: []templ.Component{
		ui.Time{At: a.FiredAt}, ui.Sign{Mark: ui.MarkOf(string(a.Severity)), Word: a.LatestText}, ui.Mono(a.PolicyID), ui.Words(string(a.State)), incident}}
	if a.IncidentID != nil {
		row.URL = incidentURL(*a.IncidentID)
	}
	return row
}

func incidentURL(id int64) string { return "/incidents/" + strconv.FormatInt(id, 10) }
func handoffURL(id int64) string  { return "/handoffs/" + strconv.FormatInt(id, 10) }

func (s *site) alertAcknowledge(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "alert")
	if err != nil {
		return err
	}
	if err := gates.Acknowledge(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	s.say(c, "Acknowledged. It counts as seen until it resolves.")
	return s.see(c, refererPath(c))
}
