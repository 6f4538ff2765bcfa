package web

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/eval"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/web/ui"
)

// alertsPage is what fired, the open ones first, and what is watched.
type alertsPage struct {
	Sub      string
	Filters  ui.FilterBar
	Table    ui.Table
	Policies ui.Table
	Runbooks []runbookCard
}

type runbookCard struct {
	ID    string
	Title string
	Steps ui.Steps
}

type alertQuery struct {
	State  string `query:"state"`
	Policy string `query:"policy"`
}

const alertsShown = 200

func (s *site) alertsShow(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	var q alertQuery
	if err := readQuery(c, &q); err != nil {
		return err
	}
	if q.State != "" && q.State != "resolved" && q.State != "all" {
		return fault.Say(fault.Invalid, "Alerts are open, resolved, or all.")
	}
	ctx, actor := c.UserContext(), actorOf(c)
	alerts, err := gates.Alerts(ctx, actor, eval.AlertFilter{Open: q.State == "", Resolved: q.State == "resolved", PolicyID: q.Policy}, alertsShown)
	if err != nil {
		return err
	}
	counts, err := gates.CountAlerts(ctx, actor)
	if err != nil {
		return err
	}
	policies, err := gates.Policies(ctx)
	if err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: "Alerts", Nav: "alerts"}, buildAlerts(alerts, counts, policies, q, actor, s.now()).draw())
}

func buildAlerts(alerts []eval.Alert, counts eval.AlertCounts, policies []eval.WatchedPolicy, q alertQuery, actor auth.Actor, now time.Time) alertsPage {
	p := alertsPage{Sub: alertsSentence(counts, len(policies)), Filters: alertFilters(counts, policies, q),
		Table: ui.Table{Bare: true, Loose: true, Caption: "Alerts", Columns: []ui.Column{
			{Label: "Severity"}, {Label: "What fired"}, {Label: "First check", Wide: true}, {Label: "Exemplar"}, {Label: "State"},
			{Label: "First seen"}, {Label: "Open for", Right: true}, {Name: "Acts", Right: true}}}}
	filled := false
	for _, a := range alerts {
		p.Table.Rows = append(p.Table.Rows, alertRow(a, actor, now, &filled))
	}
	if len(alerts) == 0 {
		p.Table.Empty = ui.Empty{Bare: true, Title: "Nothing fires", Why: "Policies are weighed each minute and when gate traces arrive. Abstaining is safe and never fires."}
	}
	if len(alerts) == alertsShown {
		p.Table.Foot = &ui.Foot{Shown: "The newest " + ui.Count(alertsShown) + " are shown."}
	}
	p.Policies = policyTable(policies, now)
	for _, book := range eval.Runbooks() {
		card := runbookCard{ID: "runbook-" + book.Name, Title: book.Title}
		for _, step := range book.Steps {
			card.Steps.Items = append(card.Steps.Items, ui.Step{Title: step})
		}
		p.Runbooks = append(p.Runbooks, card)
	}
	return p
}

// alertsSentence is "One alert pages. 1 policy watches. In the last 30 days …".
func alertsSentence(c eval.AlertCounts, policies int) string {
	pages := "alert pages"
	if c.Paging != 1 {
		pages = "alerts page"
	}
	watches := "policies watch"
	if policies == 1 {
		watches = "policy watches"
	}
	return fmt.Sprintf("%s %s. %s %s. In the last 30 days alerts fired %s and %s led to a handoff.",
		numberWord(c.Paging), pages, numberWord(policies), watches, timesInWords(c.Fired), ui.Count(c.HandedOn))
}

// numberWord writes a small number as the first word of a sentence.
func numberWord(n int) string {
	words := []string{"No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"}
	if n >= 0 && n < len(words) {
		return words[n]
	}
	return ui.Count(n)
}

func alertFilters(c eval.AlertCounts, policies []eval.WatchedPolicy, q alertQuery) ui.FilterBar {
	options := []ui.Option{{Value: "", Label: "any"}}
	for _, p := range policies {
		options = append(options, ui.Option{Value: p.PolicyID, Label: p.PolicyID})
	}
	return ui.FilterBar{Action: "/alerts", Region: "alerts",
		Segments: &ui.Segmented{Name: "State", Field: "state", Options: []ui.Segment{
			{Label: fmt.Sprintf("Open %d", c.Open), Value: "", Current: q.State == ""},
			{Label: "Resolved", Value: "resolved", Current: q.State == "resolved"},
			{Label: "All", Value: "all", Current: q.State == "all"}}},
		Filters: []ui.Filter{{Name: "policy", Param: "policy", Value: q.Policy, Options: options}},
	}
}

// alertRow is one alert with the act that answers it. The first that pages has
// the page's one filled button.
func alertRow(a eval.Alert, actor auth.Actor, now time.Time, filled *bool) ui.Row {
	severity := string(a.Severity)
	check := ui.Words(a.FirstCheck)
	if a.IncidentID == nil {
		check = ui.Link{Text: a.FirstCheck, URL: "#runbook-" + a.Runbook().Name, Plain: true}
	}
	exemplar := ui.Mono(a.ExemplarRequestID)
	if a.ExemplarSessionID != "" {
		exemplar = ui.Link{Text: a.ExemplarRequestID, URL: sessionURL(a.ExemplarSessionID), Mono: true}
	}
	until := now
	if a.ResolvedAt != nil {
		until = *a.ResolvedAt
	}
	row := ui.Row{Dim: a.ResolvedAt != nil, Cells: []templ.Component{
		ui.Sign{Mark: ui.MarkOf(severity), Word: capital(severity)},
		ui.Pair(ui.Mono(withoutSeverity(a)), ui.Dim(a.PolicyID)),
		check, exemplar, alertState(a), ui.Time{At: a.FiredAt}, ui.Words(ui.Age(until.Sub(a.FiredAt))), nil}}
	switch acts := len(row.Cells) - 1; {
	case a.IncidentID != nil:
		row.URL = incidentURL(*a.IncidentID)
		open := ui.Button{Label: "Open card", Size: ui.Small, URL: row.URL, Alone: fmt.Sprintf("Open card of incident %d", *a.IncidentID)}
		if a.State == eval.Firing && !*filled {
			open.Style, *filled = ui.Filled, true
		}
		row.Cells[acts] = open
	case a.ResolvedAt == nil && actor.May(auth.AcknowledgeAlert):
		row.Cells[acts] = alertActs(a, ui.Small)
	}
	return row
}

// withoutSeverity is the finding beside a column that has the severity.
func withoutSeverity(a eval.Alert) string {
	return strings.TrimPrefix(a.LatestText, strings.ToUpper(string(a.Severity))+" ")
}

func alertState(a eval.Alert) templ.Component {
	if a.State == eval.Silenced {
		return ui.Words("silenced until ", ui.Time{At: *a.SilencedUntil})
	}
	return ui.Words(string(a.State))
}

func policyTable(policies []eval.WatchedPolicy, now time.Time) ui.Table {
	t := ui.Table{Bare: true, Caption: "Policies", Columns: []ui.Column{
		{Label: "Policy", Wide: true}, {Label: "Unsafe serves", Right: true}, {Label: "First token p95", Right: true},
		{Label: "Cost of a window", Right: true}, {Label: "Window", Right: true}, {Label: "Rate card"}, {Label: "Last weighed"}}}
	for _, p := range policies {
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{
			ui.Pair(ui.Mono(p.PolicyID), ui.Dim(p.Summary)),
			ui.Words("≤ " + strconv.Itoa(p.MaxUnsafeServes)), ui.Words("≤ " + ui.Milliseconds(float64(p.MaxP95TTFTMS))),
			ui.Words("≤ " + ui.Money(p.MaxWindowCost, "USD")), ui.Words(ui.Age(p.Window)), ui.Mono(p.RateCard), lastWeighed(p)}})
	}
	return t
}

// lastWeighed says what the last evaluation saw. No data is said, and is not
// well.
func lastWeighed(p eval.WatchedPolicy) templ.Component {
	switch {
	case p.EvaluatedAt == nil:
		return ui.Dim("not yet")
	case p.Requests == 0 && p.DataAt == nil:
		return ui.Toned(ui.NA, "no data yet")
	case p.Requests == 0:
		return ui.Words(ui.Toned(ui.NA, "no data since "), ui.Time{At: *p.DataAt})
	}
	return ui.Words(ui.CountOf(p.Requests, "request")+", ", ui.Time{At: *p.EvaluatedAt})
}

func incidentURL(id int64) string { return "/incidents/" + strconv.FormatInt(id, 10) }
func handoffURL(id int64) string  { return "/handoffs/" + strconv.FormatInt(id, 10) }
func alertURL(id int64) string    { return "/alerts/" + strconv.FormatInt(id, 10) }

func (s *site) alertAcknowledge(c *fiber.Ctx) error {
	return s.answerAlert(c, "Acknowledged. It counts as seen until it resolves.", func(gates *eval.Store, id int64) error {
		return gates.Acknowledge(c.UserContext(), actorOf(c), id)
	})
}

func (s *site) alertSilence(c *fiber.Ctx) error {
	var in struct {
		Minutes int `form:"minutes"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	lasts := time.Duration(cmp.Or(in.Minutes, 60)) * time.Minute
	return s.answerAlert(c, "Silenced for "+ui.Age(lasts)+". It is still weighed, and fires again afterwards.", func(gates *eval.Store, id int64) error {
		return gates.Silence(c.UserContext(), actorOf(c), id, lasts)
	})
}

func (s *site) answerAlert(c *fiber.Ctx, said string, answer func(*eval.Store, int64) error) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "alert")
	if err != nil {
		return err
	}
	if err := answer(gates, id); err != nil {
		return err
	}
	s.say(c, said)
	return s.see(c, refererPath(c))
}
