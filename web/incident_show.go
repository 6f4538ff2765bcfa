package web

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/eval"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/stats"
	"assay/labeling"
	"assay/web/ui"
)

// incidentPage is one card: the finding first, then the first check, then the
// one button.
type incidentPage struct {
	ID         int64
	Title      string
	Pill       ui.Pill
	Sub        templ.Component
	FirstCheck ui.Banner
	Bound      ui.Facts
	Requests   ui.Table
	Runbook    string
	Steps      ui.Steps
	StepsDone  string
	Acts       templ.Component // acknowledge and silence; nil when there is nothing to answer
	Open       openHandoffForm
	Handoffs   ui.Needs
	Review     incidentReview
	Diff       *templateDiff
}

type openHandoffForm struct {
	Show      bool
	Action    string
	Says      string
	Candidate string
	Known     []string // templates that could be the candidate
	Baseline  string
	Metric    string
	Error     string
}

// incidentReview is where people read the violating responses.
type incidentReview struct {
	Words string
	Queue *ui.Link
}

type templateDiff struct {
	Title string
	Note  string
	Diff  ui.Diff
	Plain string // why there is no difference to show
}

func (s *site) incidentsShow(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	list, err := gates.Incidents(c.UserContext(), actorOf(c), 200)
	if err != nil {
		return err
	}
	table := ui.Table{Bare: true, Caption: "Incidents", Columns: []ui.Column{
		{Label: "Incident"}, {Label: "Opened"}, {Label: "What", Wide: true}, {Label: "Template"}, {Label: "First failed stage"}, {Label: "State"}}}
	open := 0
	for _, i := range list {
		state := "closed"
		if i.ClosedAt == nil {
			state = "open"
			open++
		}
		table.Rows = append(table.Rows, ui.Row{URL: incidentURL(i.ID), Dim: i.ClosedAt != nil, Cells: []templ.Component{
			ui.Link{Text: strconv.FormatInt(i.ID, 10), URL: incidentURL(i.ID), Plain: true}, ui.Time{At: i.OpenedAt}, ui.Words(i.Summary),
			ui.Mono(i.TemplateID), ui.Mono(i.FirstFailedStage), ui.Words(state)}})
	}
	if len(list) == 0 {
		table.Empty = ui.Empty{Bare: true, Title: "No incidents", Why: "An incident opens when a policy's invariant is violated."}
	}
	sub := ui.CountOf(open, "incident") + " open of " + ui.Count(len(list)) + "."
	return s.page(c, ui.Page{Title: "Incidents", Nav: "alerts"}, incidentsList(sub, table))
}

func (s *site) incidentShow(c *fiber.Ctx) error { return s.incidentPage(c, openHandoffForm{}) }

func (s *site) incidentPage(c *fiber.Ctx, form openHandoffForm) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "incident")
	if err != nil {
		return err
	}
	actor := actorOf(c)
	incident, err := gates.Incident(c.UserContext(), actor, id)
	if err != nil {
		return err
	}
	if actor.May(auth.OpenHandoff) {
		if form.Known, err = gates.Candidates(c.UserContext(), actor, id); err != nil {
			return err
		}
	}
	p := buildIncident(incident, actor, form)
	if reference := referenceTemplate(incident.FirstCheck); reference != "" && actor.May(auth.SeeHandoffs) {
		p.Diff = s.templateDiff(c, reference, incident.TemplateID)
		p.FirstCheck.Link = &ui.Link{Text: "Open the diff", URL: "#diff"}
		if changes := p.Diff.Diff.Changes(); p.Diff.Plain == "" {
			p.FirstCheck.Link.Text += ", " + changes
		}
	}
	if p.Review, err = s.incidentReview(c, incident); err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: p.Title, Nav: "alerts", Back: &ui.Link{Text: "Alerts", URL: "/alerts"}, Short: "Incident " + strconv.FormatInt(id, 10), Corner: p.Pill}, p.draw())
}

// sessionsRead is how many sessions of violating requests are looked up.
const sessionsRead = 50

// incidentReview looks for the items of the violating requests. They are in
// the queue of their task class, in the class of safety; a gate trace alone
// carries no text and is no item.
func (s *site) incidentReview(c *fiber.Ctx, i eval.Incident) (incidentReview, error) {
	if s.Labeling == nil {
		return incidentReview{}, nil
	}
	var review incidentReview
	done, waiting := 0, 0
	seen := map[string]bool{}
	for _, r := range i.Requests {
		if !r.Unsafe || r.SessionID == "" || seen[r.SessionID] || len(seen) == sessionsRead {
			continue
		}
		seen[r.SessionID] = true
		items, err := s.Labeling.ItemsOf(c.UserContext(), actorOf(c), r.SessionID)
		if err != nil {
			return review, err
		}
		for _, item := range items {
			if item.PriorityClass != labeling.Safety {
				continue
			}
			review.Queue = &ui.Link{Text: "Open the queue", URL: "/queues/" + item.Queue}
			if item.State == "done" {
				done++
			} else {
				waiting++
			}
		}
	}
	review.Words = reviewWords(done, waiting)
	return review, nil
}

func reviewWords(done, waiting int) string {
	switch {
	case done+waiting == 0:
		return "No violating request came with a text that people may read: a gate trace carries none. Its session's responses would wait in the queue, first in line."
	case waiting == 0:
		return ui.CountOf(done, "violating response has a label.", "violating responses have labels.")
	}
	words := ui.CountOf(done+waiting, "violating response is", "violating responses are") + " in the queue, first in line. "
	return words + ui.Count(done) + " labeled, " + ui.WorkTime(eval.Work(waiting)) + " of work left."
}

// referenceTemplate is the template that the first check compares with.
func referenceTemplate(check string) string {
	_, name, found := strings.Cut(strings.TrimSuffix(check, "."), " template with ")
	if !found {
		return ""
	}
	return name
}

func (s *site) templateDiff(c *fiber.Ctx, before, after string) *templateDiff {
	d := &templateDiff{Title: "Template diff", Note: before + " to " + after}
	old, errOld := s.Eval.Template(c.UserContext(), actorOf(c), before)
	fresh, errNew := s.Eval.Template(c.UserContext(), actorOf(c), after)
	switch {
	case errOld != nil && errNew != nil:
		d.Plain = "Neither text has been uploaded. PUT /v1/templates/{id} takes it."
	case errOld != nil:
		d.Plain = "The text of " + before + " has not been uploaded. PUT /v1/templates/{id} takes it."
	case errNew != nil:
		d.Plain = "The text of " + after + " has not been uploaded. PUT /v1/templates/{id} takes it."
	default:
		d.Diff = ui.DiffOf(old.Text, fresh.Text, 3)
		d.Note += ", " + d.Diff.Changes()
	}
	return d
}

func buildIncident(i eval.Incident, actor auth.Actor, form openHandoffForm) incidentPage {
	p := incidentPage{
		ID: i.ID, Title: i.Alert.LatestText, Pill: alertPill(i.Alert), Sub: incidentSub(i), Bound: incidentFacts(i), Open: form,
		FirstCheck: ui.Banner{Tone: ui.Bad, Icon: ui.IconMilestone, Fact: "First check: " + lowerFirst(i.FirstCheck), Consequence: i.Summary},
		Requests:   requestTable(i), Runbook: "Runbook: " + lowerFirst(i.Alert.Runbook().Title),
	}
	if actor.May(auth.AcknowledgeAlert) && i.Alert.ResolvedAt == nil && i.Alert.State != eval.Silenced {
		p.Acts = alertActs(i.Alert, ui.Normal)
	}
	done := 0
	for _, step := range i.Runbook {
		line := ui.Step{Done: step.DoneAt != nil, Title: step.Step}
		if line.Done {
			done++
			line.Detail = "done by " + step.DoneBy
		}
		if actor.May(auth.AcknowledgeAlert) {
			line.Action = markStep(fmt.Sprintf("/incidents/%d/steps/%d", i.ID, step.Position), line.Done)
		}
		p.Steps.Items = append(p.Steps.Items, line)
	}
	p.StepsDone = fmt.Sprintf("%d of %d done", done, len(i.Runbook))
	for _, h := range i.Handoffs {
		p.Handoffs.Items = append(p.Handoffs.Items, ui.Need{Mark: ui.DecisionMark(decisionWord(h.PromotionStatus)),
			Title: h.CandidateTemplateID, Text: "Handoff " + strconv.FormatInt(h.ID, 10) + ", " + statusWords(h.PromotionStatus) + ".",
			Action: ui.Button{Label: "Open", URL: handoffURL(h.ID), Alone: "Open handoff " + strconv.FormatInt(h.ID, 10)}})
	}
	p.Open.Show = actor.May(auth.OpenHandoff)
	p.Open.Action = incidentURL(i.ID) + "/handoff"
	p.Open.Says = fmt.Sprintf("Freezes template, exemplar, evidence version and %s. Promotion stays blocked until measured.", ui.CountOf(failingCases(i), "failing case"))
	p.Open.Metric = cmp.Or(p.Open.Metric, eval.DefaultMetric)
	if p.Open.Error == "" && len(p.Open.Known) > 0 {
		p.Open.Candidate = cmp.Or(p.Open.Candidate, p.Open.Known[0])
	}
	if p.Open.Error == "" {
		p.Open.Baseline = cmp.Or(p.Open.Baseline, referenceTemplate(i.FirstCheck))
	}
	return p
}

// incidentSub is "Policy delivery-grounding-slo-v1, first seen today 09:41.
// Acknowledged by A. Lindqvist after 3 min."
func incidentSub(i eval.Incident) templ.Component {
	parts := []any{"Policy ", ui.Mono(i.PolicyID), ", first seen ", ui.Time{At: i.Alert.FiredAt}, "."}
	a := i.Alert
	if a.AcknowledgedAt != nil {
		parts = append(parts, fmt.Sprintf(" Acknowledged by %s after %s.", a.AcknowledgedBy, ui.Age(a.AcknowledgedAt.Sub(a.FiredAt))))
	}
	if a.State == eval.Silenced {
		parts = append(parts, " Silenced by "+a.SilencedBy+" until ", ui.Time{At: *a.SilencedUntil}, ".")
	}
	return ui.Words(parts...)
}

func (p incidentPage) short() string { return "Incident " + strconv.FormatInt(p.ID, 10) }

func failingCases(i eval.Incident) int {
	cases := map[string]bool{}
	for _, r := range i.Requests {
		if r.Unsafe && r.TemplateID == i.TemplateID {
			cases[r.CaseID] = true
		}
	}
	return len(cases)
}

func alertPill(a eval.Alert) ui.Pill {
	tone := ui.Neutral
	if a.ResolvedAt == nil {
		tone = ui.Bad
	}
	return ui.Pill{Text: capital(string(a.State)), Mark: ui.MarkOf(string(a.Severity)), Tone: tone}
}

func incidentFacts(i eval.Incident) ui.Facts {
	evidence := ui.Dim("none")
	if i.EvidenceVersion != nil {
		evidence = ui.Mono(*i.EvidenceVersion)
	}
	exemplar := ui.Mono(i.ExemplarRequestID)
	caseID := ""
	for _, r := range i.Requests {
		if r.RequestID == i.ExemplarRequestID {
			caseID = r.CaseID
			if r.SessionID != "" {
				exemplar = ui.Link{Text: r.RequestID, URL: sessionURL(r.SessionID), Mono: true}
			}
		}
	}
	return ui.Facts{Double: true, Items: []ui.Fact{
		{Term: "Exemplar", Value: ui.Words(exemplar, " "+caseID+", first violating event")},
		{Term: "Template", Value: ui.Mono(i.TemplateID)},
		{Term: "Evidence version", Value: evidence},
		{Term: "First failed stage", Value: ui.Sign{Mark: ui.DecisionMark("failed"), Word: i.FirstFailedStage}},
		{Term: "At firing", Value: ui.Words(shareOfRequests(i, true))},
		{Term: "Until now", Value: ui.Words(shareOfRequests(i, false))},
	}}
}

// shareOfRequests writes the unsafe-serve rate with its interval: "2 of 6,
// 33.3 %, 95 % 9.7 to 70.0".
func shareOfRequests(i eval.Incident, atFiring bool) string {
	bad, n := 0, 0
	for _, r := range i.Requests {
		if atFiring && !r.AtFiring {
			continue
		}
		n++
		if r.Unsafe {
			bad++
		}
	}
	if !atFiring {
		bad, n = i.Violating, i.Total
	}
	interval, err := stats.Wilson(bad, n, .95)
	if err != nil || n == 0 {
		return "no data"
	}
	return ui.OutOf(bad, n) + ", " + ui.ShareWithin(float64(bad)/float64(n), interval.Low, interval.High)
}

func requestTable(i eval.Incident) ui.Table {
	t := ui.Table{Bare: true, Tight: true, Caption: "Requests of the window", Columns: []ui.Column{
		{Label: "Request"}, {Label: "Case"}, {Label: "Template", Wide: true}, {Label: "Route"}, {Label: "First failed stage"},
		{Label: "Served claim"}, {Label: "First token", Right: true}, {Label: "Total", Right: true}}}
	for _, r := range i.Requests {
		sign := ui.Sign{Mark: ui.DecisionMark("approved"), Word: "safe"}
		stage := ui.Mono(r.FirstFailedStage)
		if r.Unsafe {
			sign = ui.Sign{Mark: ui.DecisionMark("failed"), Word: "unsafe"}
			stage = ui.Toned(ui.Bad, r.FirstFailedStage)
		}
		request := ui.Mono(r.RequestID)
		if r.SessionID != "" {
			request = ui.Link{Text: r.RequestID, URL: sessionURL(r.SessionID), Mono: true, Plain: true}
		}
		t.Rows = append(t.Rows, ui.Row{Current: r.RequestID == i.ExemplarRequestID, Cells: []templ.Component{
			request, ui.Words(r.CaseID), ui.Mono(r.TemplateID), ui.Words(r.Route), stage, sign,
			ui.Words(ui.Milliseconds(float64(r.TTFTMS))), ui.Words(ui.Milliseconds(float64(r.TotalMS)))}})
	}
	if i.Total > len(i.Requests) {
		t.Foot = &ui.Foot{Shown: fmt.Sprintf("%s of %s requests", ui.Count(len(i.Requests)), ui.Count(i.Total))}
	}
	return t
}

func (s *site) incidentStep(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "incident")
	if err != nil {
		return err
	}
	position, err := strconv.Atoi(c.Params("position"))
	if err != nil {
		return fault.NotFound
	}
	var in struct {
		Done bool `form:"done"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	if err := gates.FinishStep(c.UserContext(), actorOf(c), id, position, in.Done); err != nil {
		return err
	}
	return s.see(c, incidentURL(id)+"#runbook")
}

// incidentHandoff opens a handoff in one press: what the incident knows is
// frozen, and the page of the handoff follows.
func (s *site) incidentHandoff(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "incident")
	if err != nil {
		return err
	}
	var in struct {
		Candidate string `form:"candidate"`
		Baseline  string `form:"baseline"`
		Metric    string `form:"metric"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	handoff, err := gates.Open(c.UserContext(), actorOf(c), eval.HandoffRequest{
		IncidentID: &id, CandidateTemplateID: strings.TrimSpace(in.Candidate), BaselineTemplateID: strings.TrimSpace(in.Baseline), RequiredMetric: in.Metric})
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.Conflict {
		c.Status(status[kind])
		return s.incidentPage(c, openHandoffForm{Candidate: in.Candidate, Baseline: in.Baseline, Metric: in.Metric, Error: fault.Words(err)})
	}
	if err != nil {
		return err
	}
	s.say(c, "Opened. Promotion is blocked until the evidence is complete and two people have signed it.")
	return s.see(c, handoffURL(handoff.ID))
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
