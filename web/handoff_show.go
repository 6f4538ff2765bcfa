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
	Comment    bool
	Revoke     bool
	Side       handoffSide
	Cases      *caseTable
	Diff       *templateDiff
	CommentURL string
	RevokeURL  string
}

type handoffSide struct {
	Signers  []signerLine
	Windows  []windowLine
	Fixes    *ui.Link
	FixText  string
	Evidence ui.Facts
}

type signerLine struct {
	Sign ui.Sign
	Note templ.Component
}

type windowLine struct {
	Name, Says   string
	Meter        ui.Meter
	Done, Needed int
	URL          string
	Opened       string
}

type caseTable struct {
	Title string
	Note  string
	Tabs  ui.Segmented
	Table ui.Table
}

func (s *site) handoffShow(c *fiber.Ctx) error  { return s.handoffTab(c, "conversation") }
func (s *site) handoffCases(c *fiber.Ctx) error { return s.handoffTab(c, "cases") }
func (s *site) handoffDiff(c *fiber.Ctx) error  { return s.handoffTab(c, "diff") }

func (s *site) handoffTab(c *fiber.Ctx, tab string) error {
	gate, err := s.gateOf(c)
	if err != nil {
		return err
	}
	actor, ctx := actorOf(c), c.UserContext()
	life, err := s.Eval.Life(ctx, actor, gate.Handoff.ID)
	if err != nil {
		return err
	}
	maySign, because, err := s.Eval.MaySign(ctx, actor, gate.Handoff)
	if err != nil {
		return err
	}
	p := buildHandoff(gate, life, actor, maySign, because, s.now())
	p.Tabs = handoffTabs(gate, tab)
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
		p.Diff = s.templateDiff(c, gate.Handoff.FailingTemplateID, gate.Handoff.CandidateTemplateID)
	}
	return s.page(c, ui.Page{Title: p.Title, Nav: "handoffs", Back: &ui.Link{Text: "Handoffs", URL: "/handoffs"},
		Short: "Handoff " + strconv.FormatInt(p.ID, 10)}, p.draw())
}

func handoffTabs(g eval.Gate, current string) ui.Tabs {
	base := handoffURL(g.Handoff.ID)
	done := 0
	for _, check := range g.Decision.Checks {
		if check.Name == "Regression cases" || check.Name == "Holdout cases" {
			done += check.Done
		}
	}
	return ui.Tabs{Name: "Handoff", Items: []ui.Tab{
		{Label: "Conversation", URL: base, Current: current == "conversation"},
		{Label: "Cases", URL: base + "/cases", Note: ui.Count(done), Current: current == "cases"},
		{Label: "Template diff", URL: base + "/diff", Current: current == "diff"},
	}}
}

func buildHandoff(g eval.Gate, life eval.Life, actor auth.Actor, maySign bool, because string, now time.Time) handoffPage {
	h := g.Handoff
	base := handoffURL(h.ID)
	p := handoffPage{
		ID: h.ID, Title: h.CandidateTemplateID + " for " + h.FailingTemplateID,
		Pill:    ui.Pill{Text: capital(statusWords(g.Decision.Status)), Mark: ui.DecisionMark(decisionWord(g.Decision.Status)), Tone: statusTone(g.Decision.Status)},
		Sub:     ui.Words(h.RequestedByName+" wants to replace ", ui.Mono(h.FailingTemplateID), " with ", ui.Mono(h.CandidateTemplateID)),
		Comment: actor.Kind == auth.Person, CommentURL: base + "/comments",
		Revoke: maySign && g.Decision.Status.Allows(), RevokeURL: base + "/revoke",
	}
	p.Feed = ui.Feed{Items: handoffFeed(g, life)}
	p.Checks = checksBox(g, maySign, because, now)
	p.Side = handoffSide{Signers: signers(g, maySign, because, now), Windows: windowLines(g, life), Evidence: evidenceFacts(g)}
	if h.IncidentID != nil {
		p.Side.Fixes = &ui.Link{Text: "Incident " + strconv.FormatInt(*h.IncidentID, 10), URL: incidentURL(*h.IncidentID)}
		p.Side.FixText = "policy " + h.PolicyID + ", exemplar " + h.ExemplarRequestID
	}
	return p
}

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

func handoffFeed(g eval.Gate, life eval.Life) []ui.FeedItem {
	h := g.Handoff
	list := []entry{{h.OpenedAt, ui.FeedItem{Icon: ui.IconFlag, Who: h.RequestedByName, Did: ui.Words("opened the handoff and froze the required metric"),
		At: ui.Time{At: h.OpenedAt}, Body: ui.Words(ui.Mono(h.RequiredMetric), " ", ui.Copy{Value: h.RequiredMetricHash, Name: "Copy the hash of the metric"})}}}
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
		list = append(list, entry{d.DecidedAt, ui.FeedItem{Mark: ui.DecisionMark(decisionWord(d.Status)), Did: ui.Words(capital(d.Why) + ": " + statusWords(d.Status)), At: ui.Time{At: d.DecidedAt}}})
	}
	slices.SortStableFunc(list, func(a, b entry) int { return a.at.Compare(b.at) })
	var items []ui.FeedItem
	for _, e := range list {
		items = append(items, e.item)
	}
	return items
}

func checksBox(g eval.Gate, maySign bool, because string, now time.Time) ui.Checks {
	box := ui.Checks{ID: "checks", Mark: ui.DecisionMark(decisionWord(g.Decision.Status)), Heading: g.Headline,
		Sentence: "Promotion is refused to every client that asks."}
	if g.Allowed {
		box.Sentence = "Every client that asks is told yes."
	}
	base := handoffURL(g.Handoff.ID)
	for _, check := range g.Decision.Checks {
		row := ui.Check{Mark: findingMark(check.Finding), Name: check.Name, Finding: check.Words, Details: base + "/cases"}
		switch {
		case check.Finding == eval.Reports:
			row.Fraction = "reports only"
		case check.Needed > 0:
			row.Fraction = ui.OutOf(check.Done, check.Needed)
		}
		switch check.Name {
		case "Regression cases":
			row.Details += "?window=regression"
		case "Holdout cases":
			row.Details += "?window=holdout"
		}
		box.Items = append(box.Items, row)
	}
	signed := eval.ApprovalsNeeded - g.Decision.Needed.Approvals
	approval := ui.Check{Mark: ui.DecisionMark("evaluating"), Name: "Approvals", Finding: "two release managers, not the author, each on the present evidence",
		Fraction: ui.OutOf(signed, eval.ApprovalsNeeded)}
	if signed >= eval.ApprovalsNeeded {
		approval.Mark = ui.DecisionMark("holds")
	}
	box.Items = append(box.Items, approval)
	box.Actions, box.Note = signActions(g, maySign, because, now)
	return box
}

func findingMark(f eval.Finding) ui.Mark {
	switch f {
	case eval.Holds, eval.Reports:
		return ui.DecisionMark("holds")
	case eval.Violated:
		return ui.DecisionMark("failed")
	case eval.Review:
		return ui.DecisionMark("violation_under_review")
	}
	return ui.DecisionMark("evaluating")
}

// signActions offers a signature only when there is something to sign: until
// the evidence is complete there is no button, only what is missing.
func signActions(g eval.Gate, maySign bool, because string, now time.Time) ([]templ.Component, string) {
	base := handoffURL(g.Handoff.ID)
	switch status := g.Decision.Status; {
	case status == eval.Promoted || status.Final():
		return nil, ""
	case !maySign:
		return nil, because
	case status == eval.Approved:
		return []templ.Component{promoteForm(base + "/promote"), ui.Button{Label: "Certificate", URL: base + "/certificate"}}, "Each act asks for a fresh proof of who you are."
	case status != eval.Ready:
		return []templ.Component{ui.Button{Label: "Reject", Style: ui.Hazard, URL: base + "/sign?decision=reject"}}, "Nobody signs evidence that is still changing."
	}
	actions := []templ.Component{
		ui.Button{Label: "Approve", Style: ui.Filled, URL: base + "/sign?decision=approve", Key: "Ctrl+Enter"},
		ui.Button{Label: "Reject", Style: ui.Hazard, URL: base + "/sign?decision=reject"},
	}
	return actions, "You sign the evidence with the hash beside; new evidence voids it."
}

func signers(g eval.Gate, maySign bool, because string, now time.Time) []signerLine {
	var list []signerLine
	signedByMe := false
	for _, a := range g.Approvals {
		if !a.Stands(now) || a.EvidenceHash != g.Handoff.EvidenceHash {
			continue
		}
		mark := ui.DecisionMark("approved")
		if a.Decision == "reject" {
			mark = ui.DecisionMark("rejected")
		}
		list = append(list, signerLine{ui.Sign{Mark: mark, Word: a.PersonName}, ui.Time{At: a.SignedAt}})
	}
	switch {
	case g.Decision.Status.Final() || g.Decision.Status.Allows():
	case maySign && !signedByMe:
		list = append(list, signerLine{ui.Sign{Mark: ui.DecisionMark("evaluating"), Word: "You may approve"}, ui.Dim("once it is ready")})
	case because != "":
		list = append(list, signerLine{ui.Sign{Mark: ui.DecisionMark("evaluating"), Word: because}, ui.Dim("")})
	}
	list = append(list, signerLine{ui.Sign{Word: g.Handoff.RequestedByName}, ui.Dim("asked for it")})
	return list
}

func windowLines(g eval.Gate, life eval.Life) []windowLine {
	var list []windowLine
	for _, check := range g.Decision.Checks {
		line := windowLine{Name: check.Name, Done: check.Done, Needed: check.Needed}
		switch check.Name {
		case "Regression cases":
			line.Says, line.URL, line.Opened = "census of the incident", "?window=regression", openedBy(life, "regression")
		case "Holdout cases":
			line.Says, line.URL, line.Opened = "unseen by the author", "?window=holdout", openedBy(life, "holdout")
		default:
			continue
		}
		line.URL = handoffURL(g.Handoff.ID) + "/cases" + line.URL
		line.Meter = ui.Meter{Value: float64(check.Done), Max: float64(max(check.Needed, 1)), Name: check.Name}
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

func evidenceFacts(g eval.Gate) ui.Facts {
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
		{Term: "Changed", Value: ui.Time{At: h.ChangedAt}},
		{Term: "Metric", Value: ui.Copy{Value: h.RequiredMetricHash, Name: "Copy the hash of the metric"}},
		{Term: "Evidence version", Value: ui.Mono(evidence)},
		{Term: "Error probability", Value: ui.Words(strconv.FormatFloat(h.Alpha, 'g', 3, 64) + ", one-sided")},
		{Term: "Recomputes", Value: recomputes},
	}}
}

func (s *site) caseTable(c *fiber.Ctx, g eval.Gate, window eval.WindowName) (*caseTable, error) {
	if window == "" {
		window = eval.Regression
	}
	if window != eval.Regression && window != eval.Holdout && window != eval.Baseline {
		return nil, fault.Say(fault.Invalid, "There are the windows regression, holdout and baseline.")
	}
	const limit = 500
	runs, err := s.Eval.Runs(c.UserContext(), actorOf(c), g.Handoff.ID, window, limit)
	if err != nil {
		return nil, err
	}
	t := &caseTable{Title: capital(string(window)) + " cases", Note: "violations first", Tabs: ui.Segmented{Name: "Window"}}
	for _, name := range []eval.WindowName{eval.Regression, eval.Holdout, eval.Baseline} {
		t.Tabs.Options = append(t.Tabs.Options, ui.Segment{Label: capital(string(name)), URL: handoffURL(g.Handoff.ID) + "/cases?window=" + string(name), Current: name == window})
	}
	t.Table = ui.Table{ID: "cases", Caption: t.Title, Columns: []ui.Column{
		{Label: "Case"}, {Label: "Run", Right: true}, {Label: "Served claim"}, {Label: "Route"}, {Label: "First failed stage"}, {Label: "Output", Wide: true}, {Label: "First token", Right: true}}}
	for _, run := range runs {
		t.Table.Rows = append(t.Table.Rows, runRow(run))
	}
	if len(runs) == 0 {
		t.Table.Empty = ui.Empty{Bare: true, Title: "Nothing measured yet", Why: "Results arrive as JSON Lines.",
			Code: fmt.Sprintf("assay gate upload %d FILE", g.Handoff.ID)}
	}
	t.Table.Foot = &ui.Foot{Shown: ui.CountOf(len(runs), "run") + " shown"}
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
