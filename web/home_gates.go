package web

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/eval"
	"assay/internal/auth"
	"assay/web/ui"
)

// gatesSeen is what the overview of engineers, release managers and auditors
// is built from.
type gatesSeen struct {
	Alerts  []eval.Alert  // firing and acknowledged
	Open    []seenHandoff // neither final nor promoted
	Decided []decided     // of the last 30 days, newest first
	Rates   eval.Rates    // by task class, over the last week
	Month   *eval.Rate    // of all traffic, over the last 30 days
	Worse   *eval.Comparison
	Mine    int // approvals of the reader in the last 30 days
	Now     time.Time
}

// decided is a handoff that came to an end, or to promotion.
type decided struct {
	Gate eval.Gate
}

const (
	openShown    = 12
	decidedShown = 6
)

// gatesOverview is what alerts and handoffs say on the first page.
func (s *site) gatesOverview(ctx context.Context, actor auth.Actor) (overview, error) {
	decides := actor.Holds(auth.Engineer) || actor.Holds(auth.ReleaseManager) || actor.Holds(auth.Auditor)
	if s.Eval == nil || !decides {
		return overview{}, nil
	}
	seen := gatesSeen{Now: s.now()}
	if err := s.seeHandoffs(ctx, actor, &seen); err != nil {
		return overview{}, err
	}
	if actor.May(auth.AcknowledgeAlert) {
		var err error
		if seen.Alerts, err = s.Eval.Alerts(ctx, actor, eval.AlertFilter{Open: true}, openShown); err != nil {
			return overview{}, err
		}
	}
	if err := s.seeRates(ctx, actor, &seen); err != nil {
		return overview{}, err
	}
	return buildGatesOverview(seen, actor), nil
}

func (s *site) seeHandoffs(ctx context.Context, actor auth.Actor, seen *gatesSeen) error {
	list, err := s.Eval.Handoffs(ctx, actor, 200)
	if err != nil {
		return err
	}
	recent := seen.Now.AddDate(0, 0, -30)
	for _, h := range list {
		open := !h.PromotionStatus.Final() && h.PromotionStatus != eval.Promoted
		if open && len(seen.Open) == openShown || !open && (len(seen.Decided) == decidedShown || h.ChangedAt.Before(recent)) {
			continue
		}
		gate, err := s.Eval.Check(ctx, actor, h.ID)
		if err != nil {
			return err
		}
		for _, a := range gate.Approvals {
			if a.PersonID == actor.ID && a.Decision == "approve" && a.SignedAt.After(recent) {
				seen.Mine++
			}
		}
		if !open {
			seen.Decided = append(seen.Decided, decided{gate})
			continue
		}
		one := seenHandoff{Gate: gate, Reader: actor.ID, Now: seen.Now}
		if one.MaySign, one.Because, err = s.Eval.MaySign(ctx, actor, gate.Handoff); err != nil {
			return err
		}
		seen.Open = append(seen.Open, one)
	}
	return nil
}

// seeRates reads the rates where labels can be read.
func (s *site) seeRates(ctx context.Context, actor auth.Actor, seen *gatesSeen) error {
	if s.Eval.Labels == nil || !actor.Holds(auth.Engineer) && !actor.Holds(auth.ReleaseManager) {
		return nil
	}
	to := seen.Now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	month, err := s.Eval.Rates(ctx, actor, eval.RateFilter{From: to.AddDate(0, 0, -30), To: to})
	if err != nil {
		return err
	}
	if len(month.Rows) == 1 && month.Rows[0].Standing != eval.NoData {
		seen.Month = &month.Rows[0]
	}
	if !actor.Holds(auth.Engineer) {
		return nil
	}
	week := eval.RateFilter{From: to.AddDate(0, 0, -7), To: to, ByTaskClass: true, ByModel: true}
	versions, err := s.Eval.Rates(ctx, actor, week)
	if err != nil {
		return err
	}
	for _, c := range versions.Comparisons {
		if c.Decisive && c.Value > 0 && (seen.Worse == nil || c.Low > seen.Worse.Low) {
			seen.Worse = &c
		}
	}
	week.ByModel, week.Daily = false, 14
	seen.Rates, err = s.Eval.Rates(ctx, actor, week)
	return err
}

// monthSide sets the estimate of all traffic beside the share among labeled
// items.
func monthSide(month *eval.Rate) []templ.Component {
	if month == nil {
		return nil
	}
	estimate := "95 % " + ui.Interval(month.Low, month.High)
	if month.Standing == eval.Incomplete {
		estimate += ", " + month.Why
	}
	return []templ.Component{overviewSection("Hallucinated, 30 days", ui.Stats{Grid: true, Items: []ui.Stat{
		{Term: "Estimated, all traffic", Figure: ui.Share(month.Value), Base: estimate, URL: "/rates?window=30"},
		{Term: "Raw, labeled items", Figure: ui.Share(month.Raw.Value), Base: "not the product’s rate", URL: "/rates?window=30"},
	}})}
}

func buildGatesOverview(seen gatesSeen, actor auth.Actor) overview {
	switch {
	case actor.Holds(auth.Engineer):
		return engineerOverview(seen, actor)
	case actor.Holds(auth.ReleaseManager):
		return managerOverview(seen, actor)
	}
	return auditorOverview(seen)
}

// engineerOverview: what pages, what warns, which evidence is missing, and how
// the objectives stand.
func engineerOverview(seen gatesSeen, actor auth.Actor) overview {
	part := overview{Side: monthSide(seen.Month)}
	paging, warning := alertNeeds(seen, &part)
	blocked := 0
	for _, one := range seen.Open {
		if n, ok := evidenceNeed(one); ok {
			part.Needs = append(part.Needs, n)
			blocked++
		}
		part.Needs = append(part.Needs, endingNeeds(one, waiting)...)
	}
	clauses := []counted{{paging, "alert pages", "alerts page"}, {warning, "alert warns", "alerts warn"}, {blocked, "handoff waits for evidence", "handoffs wait for evidence"}}
	if seen.Worse != nil {
		part.Detail = worseWords(*seen.Worse)
		if len(part.Needs) == 0 {
			clauses = []counted{{1, "version is worse than the one before", ""}}
		}
	}
	part.Sentence = overviewSentence(clauses)
	part.Urgency = urgencyOf(part.Needs)
	if len(seen.Rates.Rows) > 0 {
		part.Panels = append(part.Panels, overviewSection("Objectives", objectiveTable(seen.Rates)))
	}
	return part
}

func alertNeeds(seen gatesSeen, part *overview) (paging, warning int) {
	for _, a := range seen.Alerts {
		if a.State != eval.Firing {
			continue
		}
		n := need{Urgency: today, Mark: ui.MarkOf(string(a.Severity)), Title: withoutSeverity(a), Text: "First check: " + lowerFirst(a.FirstCheck), Act: "Open", URL: "/alerts"}
		if a.Severity == eval.Page {
			n.Urgency = harmful
			paging++
		} else {
			warning++
		}
		if a.IncidentID != nil {
			n.Act, n.URL = "Incident "+strconv.FormatInt(*a.IncidentID, 10), incidentURL(*a.IncidentID)
		}
		part.Needs = append(part.Needs, n)
	}
	return paging, warning
}

// evidenceNeed says what a handoff waits for that an engineer can bring.
func evidenceNeed(one seenHandoff) (need, bool) {
	h, missing := one.Gate.Handoff, one.Gate.Decision.Needed
	n := need{Urgency: waiting, Mark: ui.DecisionMark(decisionWord(one.Gate.Decision.Status)), Text: h.CandidateTemplateID + ". " + one.Gate.Headline + ".",
		Act: "Bring results", URL: handoffURL(h.ID) + "#results"}
	name := "Handoff " + strconv.FormatInt(h.ID, 10)
	switch {
	case one.Gate.Decision.Status == eval.UnderReview:
		n.Title, n.Act, n.URL = name+" is under review", "Open", handoffURL(h.ID)
	case missing.RegressionRuns > 0:
		n.Title = name + " waits for regression runs"
	case missing.HoldoutCases > 0:
		n.Title = name + " waits for holdout cases"
	case missing.BaselineCases > 0:
		n.Title = name + " waits for the baseline"
	case missing.Labels > 0:
		n.Title, n.Act, n.URL = name+" waits for labels", "Open", handoffURL(h.ID)
	default:
		return need{}, false
	}
	return n, true
}

// managerOverview: what needs a yes or no, what is measured, what was decided.
// endsSoon is how long before its end a signature is spoken of.
const endsSoon = 48 * time.Hour

// endingNeeds are the signatures over a handoff's evidence that end soon: then
// the evidence has to be signed anew.
func endingNeeds(one seenHandoff, how urgency) (needs []need) {
	h := one.Gate.Handoff
	for _, a := range one.Gate.Approvals {
		left := a.ExpiresAt.Sub(one.Now)
		if a.Decision != "approve" || !a.Stands(one.Now) || a.EvidenceHash != h.EvidenceHash || left > endsSoon {
			continue
		}
		needs = append(needs, need{Urgency: how, Icon: ui.IconClock, Title: a.PersonName + "’s approval of " + h.CandidateTemplateID + " ends in " + ui.Age(left),
			Text: "Unless it is promoted before, the evidence has to be signed again.", Act: "Open", URL: handoffURL(h.ID)})
	}
	return needs
}

func managerOverview(seen gatesSeen, actor auth.Actor) overview {
	part := overview{Side: monthSide(seen.Month)}
	paging, _ := alertNeeds(seen, &part)
	for i := range part.Needs {
		part.Needs[i].Urgency = min(part.Needs[i].Urgency, waiting) // an engineer is paged; who decides is asked to decide
	}
	ready, promotable := 0, 0
	var measured, mayNot []string
	var being []ui.Need
	for _, one := range seen.Open {
		g := one.Gate
		name := g.Handoff.CandidateTemplateID + ", handoff " + strconv.FormatInt(g.Handoff.ID, 10)
		mark := ui.DecisionMark(decisionWord(g.Decision.Status))
		part.Needs = append(part.Needs, endingNeeds(one, today)...)
		switch status := g.Decision.Status; {
		case status == eval.Ready && one.MaySign && !g.SignedBy(actor.ID, seen.Now):
			ready++
			part.Needs = append(part.Needs, need{Urgency: today, Mark: mark, Title: name, Text: "All checks hold. " + checkWords(g) + " Needs " + ui.CountOf(g.Decision.Needed.Approvals, "more approval") + ".",
				Act: "Review", URL: handoffURL(g.Handoff.ID)})
		case status == eval.Approved && one.MaySign:
			promotable++
			part.Needs = append(part.Needs, need{Urgency: waiting, Mark: mark, Title: name, Text: "Approved by " + strings.Join(g.Signers(seen.Now), ", ") + ". Not promoted yet.", Act: "Open", URL: handoffURL(g.Handoff.ID)})
		default:
			if !one.MaySign {
				mayNot = append(mayNot, g.Handoff.CandidateTemplateID+": "+lowerFirst(one.Because))
			}
			measured = append(measured, name)
			being = append(being, ui.Need{Mark: mark, Title: name, Text: g.Headline + ".", Action: ui.Button{Label: "Open", URL: handoffURL(g.Handoff.ID), Alone: "Open handoff " + strconv.FormatInt(g.Handoff.ID, 10)}})
		}
	}
	part.Sentence = overviewSentence([]counted{
		{ready, "handoff is ready for your approval", "handoffs are ready for your approval"},
		{promotable, "handoff may be promoted", "handoffs may be promoted"},
		{paging, "alert pages", "alerts page"}})
	part.Urgency = urgencyOf(part.Needs)
	part.Detail = managerDetail(seen, len(measured))
	if len(being) > 0 {
		part.Panels = append(part.Panels, overviewSection("Being measured", ui.Needs{Items: being}))
	}
	if len(seen.Decided) > 0 {
		part.Panels = append(part.Panels, overviewSection("Decided in the last 30 days", decidedTable(seen)))
	}
	part.Side = append(part.Side, overviewSection("Your approvals", ui.Text(ui.Count(seen.Mine)+" in the last 30 days. Each is bound to a fresh proof of who you are.")))
	if len(mayNot) > 0 {
		part.Side = append(part.Side, overviewSection("You may not approve", ui.Text(strings.Join(mayNot, " "))))
	}
	return part
}

func managerDetail(seen gatesSeen, measured int) string {
	words := ""
	if measured > 0 {
		words = numberWord(measured) + " more " + isOrAre(measured) + " being measured."
	}
	for _, d := range seen.Decided {
		if d.Gate.Handoff.PromotionStatus == eval.Revoked {
			return strings.TrimSpace(words + " " + d.Gate.Handoff.CandidateTemplateID + " was revoked.")
		}
	}
	return strings.TrimSpace(words + " Nothing that was approved has been revoked.")
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// auditorOverview: which promotions there were, and whether they still stand.
func auditorOverview(seen gatesSeen) overview {
	part := overview{}
	for _, one := range seen.Open {
		for _, a := range one.Gate.Approvals {
			if a.VoidedAt == nil || seen.Now.Sub(*a.VoidedAt) > 7*24*time.Hour {
				continue
			}
			h := one.Gate.Handoff
			part.Needs = append(part.Needs, need{Urgency: calm, Mark: ui.DecisionMark(decisionWord(one.Gate.Decision.Status)), Title: "An approval of " + h.CandidateTemplateID + " is void",
				Text: a.PersonName + " signed it; " + *a.VoidReason + ".", Act: "Show", URL: handoffURL(h.ID)})
		}
	}
	if len(seen.Decided) > 0 {
		part.Panels = append(part.Panels, overviewSection("Decisions in the last 30 days", decidedTable(seen)))
	}
	return part
}

func decidedTable(seen gatesSeen) ui.Table {
	t := ui.Table{Caption: "Decisions", Columns: []ui.Column{{Label: "Candidate"}, {Label: "Decision"}, {Label: "When"}, {Label: "Found", Wide: true}, {Label: "Approved by"}, {Label: "Evidence"}, {Label: "Recomputes"}}}
	for _, d := range seen.Decided {
		h := d.Gate.Handoff
		recomputes := templ.Component(ui.Sign{Mark: ui.DecisionMark("holds"), Word: "yes"})
		if !d.Gate.Recomputed {
			recomputes = ui.Sign{Mark: ui.DecisionMark("failed"), Word: "no"}
		}
		t.Rows = append(t.Rows, ui.Row{URL: handoffURL(h.ID), Cells: []templ.Component{
			ui.Link{Text: h.CandidateTemplateID, URL: handoffURL(h.ID), Mono: true, Plain: true},
			ui.Sign{Mark: ui.DecisionMark(decisionWord(h.PromotionStatus)), Word: statusWords(h.PromotionStatus)},
			ui.Time{At: h.ChangedAt}, ui.Words(decidingWords(d.Gate)), ui.Words(strings.Join(signedEver(d.Gate), ", ")), ui.Mono(ui.ShortHash(h.EvidenceHash)), recomputes}})
	}
	return t
}

// signedEver names who approved the evidence that was decided on, also after
// the signature ran out.
func signedEver(g eval.Gate) []string {
	var names []string
	for _, a := range g.Approvals {
		if a.Decision == "approve" && a.EvidenceHash == g.Handoff.EvidenceHash && !slices.Contains(names, a.PersonName) {
			names = append(names, a.PersonName)
		}
	}
	return names
}

// decidingWords is what decided it: the violated check, or the holdout.
func decidingWords(g eval.Gate) string {
	words := ""
	for _, check := range g.Decision.Checks {
		if check.Finding == eval.Violated {
			return check.Words
		}
		if check.Name == eval.HoldoutCheck {
			words = check.Words
		}
	}
	before, _, _ := strings.Cut(words, " on traffic")
	return before
}

// checkWords joins what the checks found in one line.
func checkWords(g eval.Gate) string {
	if words := decidingWords(g); words != "" {
		return capital(words) + "."
	}
	return ""
}

// objectiveTable is how each task class stands against what was agreed.
func objectiveTable(r eval.Rates) ui.Table {
	t := ui.Table{Caption: "Objectives", Columns: []ui.Column{{Label: "Objective", Wide: true}, {Label: "Now", Right: true}, {Label: "95 %", Right: true}, {Label: "Target", Right: true}, {Label: "14 days"}, {Name: "Standing"}}}
	for _, row := range r.Rows {
		now, interval, target := "–", "", "none"
		if row.Standing != eval.NoData {
			now, interval = ui.Share(row.Value), ui.Interval(row.Low, row.High)
		}
		if row.Objective != nil {
			target = "≤ " + ui.ShareTo(*row.Objective, 0)
		}
		highest := 0.0
		for _, day := range row.Days {
			if day.Defined {
				highest = max(highest, day.High)
			}
		}
		t.Rows = append(t.Rows, ui.Row{URL: "/rates", Cells: []templ.Component{
			ui.Link{Text: taskClassName(cmp.Or(row.TaskClass, "all")) + ", hallucination", URL: "/rates?task_class=" + row.TaskClass, Plain: true},
			ui.Bold(now), ui.Words(interval), ui.Words(target), history(row, highest), ui.StandingSign{Standing: standing(row)}}})
	}
	return t
}

func worseWords(c eval.Comparison) string {
	return fmt.Sprintf("%s is worse than %s on %s by %s points, 95 %% %s to %s.", c.Candidate.ModelVersion, c.Baseline.ModelVersion,
		taskClassInText(c.TaskClass), ui.Number(c.Value*100, 1), ui.Number(c.Low*100, 1), ui.Number(c.High*100, 1))
}

// counted is one clause of a sentence that counts.
type counted struct {
	n         int
	one, many string
}

// overviewSentence joins what there is: "One alert pages, two handoffs wait
// for evidence." Nothing counted is no sentence.
func overviewSentence(clauses []counted) string {
	var parts []string
	for _, c := range clauses {
		if c.n == 0 {
			continue
		}
		words := c.many
		if c.n == 1 {
			words = c.one
		}
		parts = append(parts, lowerFirst(numberWord(c.n))+" "+words)
	}
	if len(parts) == 0 {
		return ""
	}
	return capital(strings.Join(parts, ", ")) + "."
}

func urgencyOf(needs []need) urgency {
	highest := calm
	for _, n := range needs {
		highest = max(highest, n.Urgency)
	}
	return highest
}

// findGates finds handoffs and incidents by their number, templates and
// requests.
func (s *site) findGates(c *fiber.Ctx, actor auth.Actor, text string) ([]match, error) {
	if s.Eval == nil || text == "" {
		return nil, nil
	}
	var found []match
	if actor.May(auth.SeeHandoffs) {
		list, err := s.Eval.Handoffs(c.UserContext(), actor, 500)
		if err != nil {
			return nil, err
		}
		for _, h := range list {
			name := "Handoff " + strconv.FormatInt(h.ID, 10)
			if fits(name, text) || holds(text, h.CandidateTemplateID, h.FailingTemplateID) {
				found = append(found, match{Icon: ui.IconPullRequest, Name: name, Why: h.CandidateTemplateID + ", " + statusWords(h.PromotionStatus), URL: handoffURL(h.ID), Weight: 50})
			}
		}
	}
	if actor.May(auth.SeeMeasures) {
		list, err := s.Eval.Incidents(c.UserContext(), actor, 500)
		if err != nil {
			return nil, err
		}
		for _, i := range list {
			name := "Incident " + strconv.FormatInt(i.ID, 10)
			if fits(name, text) || holds(text, i.TemplateID, i.ExemplarRequestID, i.PolicyID) {
				found = append(found, match{Icon: ui.IconTriangleAlert, Name: name, Why: i.TemplateID + ", " + i.Summary, URL: incidentURL(i.ID), Weight: 45})
			}
		}
	}
	return found, nil
}

// holds reports whether one of the ids has what was typed in it.
func holds(typed string, ids ...string) bool {
	typed = strings.ToLower(typed)
	return len(typed) >= 3 && slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(strings.ToLower(id), typed) })
}
