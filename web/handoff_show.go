package web

import (
	"fmt"
	"slices"
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

// handoffPage is read like a pull request: the conversation, the checks and
// what a signature would be bound to.
type handoffPage struct {
	ID         int64
	Title      string
	Pill       ui.Pill
	Sub        templ.Component
	Tabs       ui.Tabs
	Feed       ui.Feed
	Checks     ui.Checks
	After      templ.Component // after promotion: what is closed and what to watch
	Upload     *uploadForm     // for who may bring results, while they are taken
	CommentURL string          // "" for who cannot comment
	RevokeURL  string          // "" while there is nothing to revoke, or not by this person
	Side       handoffSide
	Cases      *caseTable
	Diff       *templateDiff
}

type handoffSide struct {
	Signers  ui.Facts
	Windows  []windowLine
	Fixes    *ui.Link
	FixText  string
	Evidence ui.Facts
}

type windowLine struct {
	Link   ui.Link
	Out    string
	Says   string
	Meter  ui.Meter
	Opened string
}

type caseTable struct {
	Note  string
	Tabs  ui.Segmented
	Table ui.Table
}

func (s *site) handoffShow(c *fiber.Ctx) error  { return s.handoffTab(c, "conversation") }
func (s *site) handoffCases(c *fiber.Ctx) error { return s.handoffTab(c, "cases") }
func (s *site) handoffDiff(c *fiber.Ctx) error  { return s.handoffTab(c, "diff") }

func (s *site) handoffTab(c *fiber.Ctx, tab string) error {
	return s.handoffPage(c, tab, uploadForm{})
}

func (s *site) handoffPage(c *fiber.Ctx, tab string, upload uploadForm) error {
	gate, err := s.gateOf(c)
	if err != nil {
		return err
	}
	actor, ctx, h := actorOf(c), c.UserContext(), gate.Handoff
	seen := seenHandoff{Gate: gate, Reader: actor.ID, Now: s.now(), Program: s.program()}
	if seen.Life, err = s.Eval.Life(ctx, actor, h.ID); err != nil {
		return err
	}
	if seen.MaySign, seen.Because, err = s.Eval.MaySign(ctx, actor, h); err != nil {
		return err
	}
	if h.IncidentID != nil && actor.May(auth.SeeMeasures) {
		incident, err := s.Eval.Incident(ctx, actor, *h.IncidentID)
		if err != nil {
			return err
		}
		seen.Incident = &incident
	}
	p := buildHandoff(seen, actor, upload)
	diff := s.templateDiff(c, h.FailingTemplateID, h.CandidateTemplateID)
	p.Tabs = handoffTabs(gate, len(p.Feed.Items), diff, tab)
	switch tab {
	case "cases":
		var in struct {
			Window string `query:"window"`
		}
		if err := readQuery(c, &in); err != nil {
			return err
		}
		if p.Cases, err = s.caseTable(c, gate, eval.WindowName(in.Window)); err != nil {
			return err
		}
	case "diff":
		p.Diff = diff
	}
	return s.page(c, ui.Page{Title: p.Title, Nav: "handoffs", Back: &ui.Link{Text: "Handoffs", URL: "/handoffs"},
		Short: "Handoff " + strconv.FormatInt(p.ID, 10), Corner: p.Pill}, p.draw())
}

func handoffTabs(g eval.Gate, events int, diff *templateDiff, current string) ui.Tabs {
	base := handoffURL(g.Handoff.ID)
	done := 0
	for _, check := range g.Decision.Checks {
		if check.Name == eval.RegressionCheck || check.Name == eval.HoldoutCheck {
			done += check.Done
		}
	}
	changes := ""
	if diff.Plain == "" {
		changes = diff.Diff.Changes()
	}
	return ui.Tabs{Name: "Handoff", Items: []ui.Tab{
		{Label: "Conversation", URL: base, Note: ui.Count(events), Current: current == "conversation"},
		{Label: "Cases", URL: base + "/cases", Note: ui.Count(done), Current: current == "cases"},
		{Label: "Template diff", URL: base + "/diff", Note: changes, Current: current == "diff"},
	}}
}

// seenHandoff is what the page is built from.
type seenHandoff struct {
	Gate     eval.Gate
	Life     eval.Life
	Incident *eval.Incident // nil when there is none, or it may not be seen
	Reader   int64
	MaySign  bool
	Because  string // why not
	Now      time.Time
	Program  string // how the reader's shell calls it
}

func buildHandoff(seen seenHandoff, actor auth.Actor, upload uploadForm) handoffPage {
	g := seen.Gate
	h := g.Handoff
	base := handoffURL(h.ID)
	p := handoffPage{
		ID: h.ID, Title: h.CandidateTemplateID + " for " + h.FailingTemplateID,
		Pill: ui.Pill{Text: capital(statusWords(g.Decision.Status)), Mark: ui.DecisionMark(decisionWord(g.Decision.Status)), Tone: statusTone(g.Decision.Status)},
		Sub:  ui.Words(h.RequestedByName+" wants to replace ", ui.Mono(h.FailingTemplateID), " with ", ui.Mono(h.CandidateTemplateID)),
		Feed: ui.Feed{Items: handoffFeed(g, seen.Life, seen.Incident)}, Checks: checksBox(seen, actor),
		Side: handoffSide{Signers: signers(seen), Windows: windowLines(g, seen.Life), Evidence: evidenceFacts(g, seen.Life)},
	}
	if actor.Kind == auth.Person {
		p.CommentURL = base + "/comments"
	}
	if seen.MaySign && g.Decision.Status.Allows() {
		p.RevokeURL = base + "/revoke"
	}
	if g.Decision.Status == eval.Promoted {
		p.After = afterPromotion(h, seen.Incident)
	}
	if actor.May(auth.OpenHandoff) && g.TakesResults() {
		p.Upload = upload.filled(g, seen.Program)
	}
	if h.IncidentID != nil {
		p.Side.Fixes = &ui.Link{Text: "Incident " + strconv.FormatInt(*h.IncidentID, 10), URL: incidentURL(*h.IncidentID)}
		p.Side.FixText = "policy " + h.PolicyID + ", exemplar " + h.ExemplarRequestID
		if seen.Incident != nil {
			p.Side.FixText = seen.Incident.Alert.LatestText
		}
	}
	return p
}

// afterPromotion says what the promotion ended and what comes next.
func afterPromotion(h eval.Handoff, incident *eval.Incident) templ.Component {
	banner := ui.Banner{Tone: ui.Ok, Icon: ui.IconShield, Fact: "The candidate replaces " + h.FailingTemplateID + ".",
		Consequence: "Roll it out where your deployment asks this gate; every client is told yes until somebody revokes it."}
	if h.IncidentID != nil {
		number := strconv.FormatInt(*h.IncidentID, 10)
		banner.Fact = "The promotion closed incident " + number + "."
		banner.Consequence = h.CandidateTemplateID + " replaces " + h.FailingTemplateID + ". The alert resolves by itself once the window holds no unsafe claim; should it fire again, it opens a new incident."
		banner.Actions = append(banner.Actions, ui.Button{Label: "Incident " + number, Size: ui.Small, URL: incidentURL(*h.IncidentID)})
		if incident != nil && incident.ClosedAt == nil {
			banner.Tone, banner.Fact = ui.Mid, "Promoted. Incident "+number+" is open again."
		}
	}
	banner.Actions = append(banner.Actions, ui.Button{Label: "Alerts", Size: ui.Small, Style: ui.Plain, URL: "/alerts"})
	return banner
}

func (p handoffPage) number() string { return strconv.FormatInt(p.ID, 10) }

func statusTone(status eval.Status) ui.Tone {
	switch status {
	case eval.Approved, eval.Promoted:
		return ui.Ok
	case eval.Ready:
		return ui.Accent
	case eval.Failed, eval.Rejected, eval.Revoked:
		return ui.Bad
	case eval.Blocked, eval.UnderReview:
		return ui.Mid
	}
	return ui.NA
}

// entry is one event of the conversation before it is put in order.
type entry struct {
	at   time.Time
	item ui.FeedItem
}

func handoffFeed(g eval.Gate, life eval.Life, incident *eval.Incident) []ui.FeedItem {
	h := g.Handoff
	var list []entry
	if incident != nil {
		opened := ui.Link{Text: "Incident " + strconv.FormatInt(incident.ID, 10), URL: incidentURL(incident.ID), Plain: true}
		list = append(list, entry{incident.OpenedAt, ui.FeedItem{Icon: ui.IconTriangleAlert, Did: ui.Words(opened, " opened by policy ", ui.Mono(incident.PolicyID)), At: ui.Time{At: incident.OpenedAt}}})
	}
	list = append(list, entry{h.OpenedAt, ui.FeedItem{Icon: ui.IconFlag, Who: h.RequestedByName, Did: ui.Words("opened the handoff and froze the required metric"),
		At: ui.Time{At: h.OpenedAt}, Body: ui.Words(ui.Mono(h.RequiredMetric), " ", ui.Copy{Value: h.RequiredMetricHash, Name: "Copy the hash of the metric"})}})
	for _, comment := range life.Comments {
		list = append(list, entry{comment.WrittenAt, ui.FeedItem{Icon: ui.IconMessage, Who: comment.Name, Did: ui.Words("commented"), At: ui.Time{At: comment.WrittenAt}, Body: ui.Words(comment.Text)}})
	}
	for _, a := range g.Approvals {
		did, mark := "approved evidence ", ui.DecisionMark("approved")
		if a.Decision == "reject" {
			did, mark = "rejected evidence ", ui.DecisionMark("rejected")
		}
		list = append(list, entry{a.SignedAt, ui.FeedItem{Mark: mark, Who: a.PersonName, Did: ui.Words(did, ui.Mono(ui.ShortHash(a.EvidenceHash))), At: ui.Time{At: a.SignedAt}, Note: a.Comment}})
		if a.VoidedAt != nil {
			list = append(list, entry{*a.VoidedAt, ui.FeedItem{Icon: ui.IconUndo, Did: ui.Words("The approval of " + a.PersonName + " is void: " + *a.VoidReason), At: ui.Time{At: *a.VoidedAt}}})
		}
	}
	last := ""
	for _, d := range life.Decisions {
		if string(d.Status) == last || d.Why == "opened" || strings.HasPrefix(d.Why, "approved by") || strings.HasPrefix(d.Why, "rejected by") {
			last = string(d.Status)
			continue
		}
		last = string(d.Status)
		list = append(list, entry{d.DecidedAt, decisionItem(d, incident)})
	}
	slices.SortStableFunc(list, func(a, b entry) int { return a.at.Compare(b.at) })
	var items []ui.FeedItem
	for _, e := range list {
		items = append(items, e.item)
	}
	return items
}

// decisionItem says what was decided: by whom, where a person did, else what
// made it so and what it is now.
func decisionItem(d eval.KeptDecision, incident *eval.Incident) ui.FeedItem {
	item := ui.FeedItem{Mark: ui.DecisionMark(decisionWord(d.Status)), At: ui.Time{At: d.DecidedAt}}
	did, who, byPerson := strings.Cut(d.Why, " by ")
	switch {
	case byPerson && d.Status == eval.Promoted:
		item.Who, item.Did = who, ui.Words("promoted the candidate")
		if incident != nil && incident.ClosedAt != nil {
			item.Note = "That closed incident " + strconv.FormatInt(incident.ID, 10) + "."
		}
	case byPerson && d.Status == eval.Revoked:
		item.Who, item.Did = who, ui.Words("revoked it; the check answers no since")
	case byPerson:
		item.Who, item.Did = who, ui.Words(did)
	default:
		item.Did = ui.Words(capital(d.Why) + ": " + statusWords(d.Status))
	}
	return item
}

func checksBox(seen seenHandoff, actor auth.Actor) ui.Checks {
	g := seen.Gate
	box := ui.Checks{ID: "checks", Mark: ui.DecisionMark(decisionWord(g.Decision.Status)), Heading: g.Headline,
		Sentence: "Promotion is refused to every client that asks."}
	if g.Allowed {
		box.Sentence = "Every client that asks is told yes."
	}
	base := handoffURL(g.Handoff.ID) + "/cases"
	for _, check := range g.Decision.Checks {
		row := ui.Check{Mark: findingMark(check.Finding), Name: check.Name, Finding: check.Words, Details: base + "?window=holdout"}
		switch {
		case check.Finding == eval.Reports:
			row.Fraction = "reports only"
		case check.Name == eval.RegressionCheck:
			row.Fraction = ofNeeded(check.Done, check.Needed, " runs")
			row.Details = base + "?window=regression"
		case check.Needed > 0:
			row.Fraction = ofNeeded(check.Done, check.Needed, "")
		}
		box.Items = append(box.Items, row)
	}
	signed := eval.ApprovalsNeeded - g.Decision.Needed.Approvals
	approval := ui.Check{Mark: ui.DecisionMark("evaluating"), Name: "Approvals", Finding: "two release managers, not the author, each on the present evidence",
		Fraction: ui.OutOf(signed, eval.ApprovalsNeeded)}
	if names := g.Signers(seen.Now); len(names) > 0 {
		approval.Finding = strings.Join(names, ", ")
	}
	if signed >= eval.ApprovalsNeeded {
		approval.Mark = ui.DecisionMark("holds")
	}
	box.Items = append(box.Items, approval)
	box.Actions, box.Note = signActions(seen, actor)
	return box
}

// ofNeeded is "160 of 299", and "400, 299 needed" where there is more than
// enough. of is the noun of what is counted, with its space, or empty.
func ofNeeded(done, needed int, of string) string {
	if done > needed {
		return ui.Count(done) + of + ", " + ui.Count(needed) + " needed"
	}
	return ui.OutOf(done, needed) + of
}

func findingMark(f eval.Finding) ui.Mark {
	switch f {
	case eval.Holds:
		return ui.DecisionMark("holds")
	case eval.Violated:
		return ui.DecisionMark("failed")
	case eval.Review:
		return ui.DecisionMark("violation_under_review")
	}
	return ui.DecisionMark("evaluating")
}

// signActions offers a signature only when there is something to sign: until
// the evidence is complete there is no Approve, only what is missing.
func signActions(seen seenHandoff, actor auth.Actor) ([]templ.Component, string) {
	g := seen.Gate
	base := handoffURL(g.Handoff.ID)
	switch status := g.Decision.Status; {
	case status == eval.Promoted:
		return []templ.Component{ui.Button{Label: "Certificate", URL: base + "/certificate"}}, ""
	case status.Final():
		return nil, ""
	case status == eval.Approved && seen.MaySign:
		return []templ.Component{ui.Button{Label: "Promote", Style: ui.Filled, URL: base + "/promote"}}, "The next page says what will happen. The certificate is here once it is promoted."
	case status == eval.Approved:
		return nil, "A release manager promotes it. The certificate is here from then on."
	case !seen.MaySign:
		return nil, seen.Because
	case status != eval.Ready:
		return []templ.Component{ui.Button{Label: "Reject", Style: ui.Hazard, URL: base + "/sign?decision=reject"}}, "Nobody signs evidence that is still changing."
	case g.SignedBy(actor.ID, seen.Now):
		return nil, "You have signed this evidence. Another release manager signs next."
	}
	return []templ.Component{
		ui.Button{Label: "Approve", Style: ui.Filled, URL: base + "/sign?decision=approve", Key: "Ctrl+Enter"},
		ui.Button{Label: "Reject", Style: ui.Hazard, URL: base + "/sign?decision=reject"},
	}, notOpenedWords(seen)
}

// notOpenedWords say before the proof what a signature given now would leave
// out.
func notOpenedWords(seen seenHandoff) string {
	_, not := openedWindows(seen.Gate.Handoff, seen.Life, seen.Reader)
	if len(not) == 0 {
		return "You sign the evidence with the hash beside; new evidence voids it."
	}
	return "You have not opened the " + strings.Join(not, " and ") + " cases. You may sign all the same; the certificate will say so."
}

// signers lists who has signed, whether the reader may, and who may not.
func signers(seen seenHandoff) ui.Facts {
	g, facts := seen.Gate, ui.Facts{Ruled: true}
	mine := false
	for _, a := range g.Approvals {
		if !a.Stands(seen.Now) || a.EvidenceHash != g.Handoff.EvidenceHash {
			continue
		}
		word := "approved"
		if a.Decision == "reject" {
			word = "rejected"
		}
		mine = mine || a.PersonID == seen.Reader
		facts.Items = append(facts.Items, ui.Fact{Term: a.PersonName, Value: ui.Words(ui.DecisionMark(word).Named(word), " ", ui.Time{At: a.SignedAt})})
	}
	switch {
	case g.Decision.Status.Final() || g.Decision.Status.Allows() || mine:
	case seen.MaySign && g.Decision.Status == eval.Ready:
		facts.Items = append(facts.Items, ui.Fact{Term: "You may approve", Value: ui.Dim("now")})
	case seen.MaySign:
		facts.Items = append(facts.Items, ui.Fact{Term: "You may approve", Value: ui.Dim("once it is ready")})
	}
	return facts
}

func windowLines(g eval.Gate, life eval.Life) []windowLine {
	var list []windowLine
	for _, check := range g.Decision.Checks {
		line := windowLine{Link: ui.Link{Text: check.Name}, Out: ofNeeded(check.Done, check.Needed, "")}
		window := ""
		switch check.Name {
		case eval.RegressionCheck:
			line.Says, window, line.Out = "Census of the failing cases.", "regression", ofNeeded(check.Done, check.Needed, " runs")
		case eval.HoldoutCheck:
			line.Says, window = "Unseen by the author.", "holdout"
		default:
			continue
		}
		line.Opened = openedBy(life, window)
		line.Link.URL = handoffURL(g.Handoff.ID) + "/cases?window=" + window
		line.Meter = ui.Meter{Value: float64(check.Done), Max: float64(max(check.Needed, 1)), Name: check.Name + ": " + line.Out}
		if check.Done < check.Needed {
			line.Meter.Tone = ui.Accent
		}
		list = append(list, line)
	}
	return list
}

func openedBy(life eval.Life, window string) string {
	var names []string
	n := 0
	for _, o := range life.Openings {
		if o.Window == window {
			n++
			if !slices.Contains(names, o.Name) {
				names = append(names, o.Name)
			}
		}
	}
	if n == 0 {
		return "Opened by nobody yet. Each opening is a use and is logged."
	}
	return fmt.Sprintf("Opened %s by %s. Each opening is a use and is logged.", timesInWords(n), strings.Join(names, ", "))
}

func timesInWords(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}

func evidenceFacts(g eval.Gate, life eval.Life) ui.Facts {
	h := g.Handoff
	recomputes := templ.Component(ui.Sign{Mark: ui.DecisionMark("holds"), Word: "to the same bytes"})
	if !g.Recomputed {
		recomputes = ui.Sign{Mark: ui.DecisionMark("failed"), Word: "to other bytes"}
	}
	evidence := h.Contract.EvidenceVersion
	if evidence == "" {
		evidence = "none"
	}
	return ui.Facts{Small: true, Items: []ui.Fact{
		{Term: "Hash", Value: ui.Copy{Value: h.EvidenceHash, Name: "Copy the evidence hash"}},
		{Term: "Changed", Value: ui.Time{At: evidenceSince(h, life)}},
		{Term: "Metric", Value: ui.Copy{Value: h.RequiredMetricHash, Name: "Copy the hash of the metric"}},
		{Term: "Evidence version", Value: ui.Mono(evidence)},
		{Term: "Error probability", Value: ui.Words(strconv.FormatFloat(h.Alpha, 'g', 3, 64) + ", one-sided")},
		{Term: "Recomputes", Value: recomputes},
	}}
}

// evidenceSince is when the evidence became what it is: the first decision on
// this hash after the last on another. Signing does not move it.
func evidenceSince(h eval.Handoff, life eval.Life) time.Time {
	since := h.OpenedAt
	same := false
	for _, d := range life.Decisions {
		if now := d.EvidenceHash == h.EvidenceHash; now != same {
			same = now
			since = d.DecidedAt
		}
	}
	if !same {
		return h.ChangedAt
	}
	return since
}

const runsShown = 500

func (s *site) caseTable(c *fiber.Ctx, g eval.Gate, window eval.WindowName) (*caseTable, error) {
	if window == "" {
		window = eval.Regression
	}
	if window != eval.Regression && window != eval.Holdout && window != eval.Baseline {
		return nil, fault.Say(fault.Invalid, "There are the windows regression, holdout and baseline.")
	}
	runs, err := s.Eval.Runs(c.UserContext(), actorOf(c), g.Handoff.ID, window, runsShown)
	if err != nil {
		return nil, err
	}
	t := &caseTable{Note: "violations first", Tabs: ui.Segmented{Name: "Window"}}
	for _, name := range []eval.WindowName{eval.Regression, eval.Holdout, eval.Baseline} {
		if name == eval.Baseline && g.Handoff.BaselineTemplateID == "" {
			continue
		}
		t.Tabs.Options = append(t.Tabs.Options, ui.Segment{Label: capital(string(name)), URL: handoffURL(g.Handoff.ID) + "/cases?window=" + string(name), Current: name == window})
	}
	t.Table = ui.Table{Bare: true, Caption: capital(string(window)) + " cases", Columns: []ui.Column{
		{Label: "Case"}, {Label: "Run", Right: true}, {Label: "Served claim"}, {Label: "Route"}, {Label: "First failed stage"}, {Label: "Output", Wide: true}, {Label: "First token", Right: true}}}
	for _, run := range runs {
		t.Table.Rows = append(t.Table.Rows, runRow(run))
	}
	if len(runs) == 0 {
		t.Table.Empty = ui.Empty{Bare: true, Title: "Nothing measured yet", Why: "Results arrive as JSON Lines.",
			Code: fmt.Sprintf("%s gate upload %d FILE", s.program(), g.Handoff.ID)}
	}
	shown := ui.CountOf(len(runs), "run") + " shown"
	if len(runs) == runsShown {
		shown = "The first " + shown
	}
	t.Table.Foot = &ui.Foot{Shown: shown}
	return t, nil
}

func runRow(run eval.MeasuredRun) ui.Row {
	claim := ui.Sign{Mark: ui.DecisionMark("evaluating"), Word: "not scored"}
	switch {
	case run.Result.Error != "":
		claim.Word = "broken: " + run.Result.Error
	case run.Result.Unsafe != nil && *run.Result.Unsafe:
		claim = ui.Sign{Mark: ui.DecisionMark("failed"), Word: "unsafe"}
	case run.Result.Unsafe != nil:
		claim = ui.Sign{Mark: ui.DecisionMark("holds"), Word: "safe"}
	}
	first := "–"
	if run.TTFTMS != nil {
		first = ui.Milliseconds(float64(*run.TTFTMS))
	}
	if label := run.Result.Label; label != "" {
		claim = ui.Sign{Mark: ui.MarkOf(label), Word: strings.ReplaceAll(label, "_", " ")}
	}
	return ui.Row{Cells: []templ.Component{
		ui.Mono(run.CaseID), ui.Words(strconv.Itoa(run.Repeat)), claim, ui.Words(run.Result.Route), ui.Mono(run.Result.FirstFailedStage),
		ui.Words(run.Output), ui.Words(first)}}
}

func (s *site) handoffComment(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "handoff")
	if err != nil {
		return err
	}
	var in struct {
		Text string `form:"text"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	if err := gates.Comment(c.UserContext(), actorOf(c), id, strings.TrimSpace(in.Text)); err != nil {
		return err
	}
	return s.see(c, handoffURL(id))
}
