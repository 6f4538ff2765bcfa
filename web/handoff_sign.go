package web

import (
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

// signPage says what a signature will mean before it is given.
type signPage struct {
	Crumbs  []ui.Link
	Title   string
	Says    string
	Action  string
	Back    string
	Hash    string
	Yes     bool
	Facts   ui.Facts
	Found   ui.Facts
	Comment string
	Error   string
	Button  ui.Button
}

// handoffSignShow stands behind a fresh step-up: what, which hash, the meaning
// in the first person, and what the signer has not opened.
func (s *site) handoffSignShow(c *fiber.Ctx) error {
	var in struct {
		Decision string `query:"decision"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	return s.signPage(c, in.Decision, "", "")
}

func (s *site) signPage(c *fiber.Ctx, decision, comment, trouble string) error {
	if decision != "approve" && decision != "reject" {
		return fault.Say(fault.Invalid, "A signature approves or rejects.")
	}
	gate, err := s.gateOf(c)
	if err != nil {
		return err
	}
	life, err := s.Eval.Life(c.UserContext(), actorOf(c), gate.Handoff.ID)
	if err != nil {
		return err
	}
	p := buildSign(gate, life, actorOf(c), decision, s.now())
	p.Comment, p.Error = comment, trouble
	return s.page(c, ui.Page{Title: p.Title, Nav: "handoffs", Back: &ui.Link{Text: "Handoff", URL: handoffURL(gate.Handoff.ID)}, Short: "Sign"}, p.draw())
}

func buildSign(g eval.Gate, life eval.Life, actor auth.Actor, decision string, now time.Time) signPage {
	h := g.Handoff
	p := signPage{Action: handoffURL(h.ID) + "/sign", Back: handoffURL(h.ID), Hash: h.EvidenceHash, Yes: decision == "approve",
		Crumbs: []ui.Link{{Text: "Handoffs", URL: "/handoffs"}, {Text: strconv.FormatInt(h.ID, 10), URL: handoffURL(h.ID)}, {Text: "Sign"}}}
	meaning := eval.RejectMeaning
	p.Title, p.Says = "You reject this candidate", h.CandidateTemplateID+" does not replace "+h.FailingTemplateID+"."
	p.Button = ui.Button{Label: "Sign and reject", Style: ui.Hazard, Size: ui.Decision, Submit: true, Name: "decision", Value: "reject"}
	if p.Yes {
		meaning = eval.ApproveMeaning
		p.Title, p.Says = "You sign this evidence", h.CandidateTemplateID+" replaces "+h.FailingTemplateID+" for everyone."
		p.Button = ui.Button{Label: "Sign and approve", Style: ui.Filled, Size: ui.Decision, Submit: true, Name: "decision", Value: "approve", Key: "Ctrl+Enter"}
	}
	p.Facts = ui.Facts{Items: []ui.Fact{
		{Term: "Evidence", Value: ui.Mono(grouped(h.EvidenceHash))},
		{Term: "You say", Value: ui.Words(meaning)},
		{Term: "As", Value: ui.Words(actor.Name + ", release manager, proved at " + actor.SteppedUp.UTC().Format("15:04:05 MST"))},
		{Term: "Holds until", Value: ui.Words(ui.Time{At: now.Add(eval.ApprovalLasts), Style: ui.Day}, ", or any new evidence")},
		{Term: "You have opened", Value: openedByReader(h, life, actor.ID)},
		{Term: "Required", Value: ui.Mono(h.RequiredMetric)},
	}}
	for _, check := range g.Decision.Checks {
		p.Found.Items = append(p.Found.Items, ui.Fact{Term: check.Name, Value: ui.Words(findingMark(check.Finding).Named(string(check.Finding)), " "+check.Words)})
	}
	return p
}

// openedByReader names the windows the signer has read, and in the ink of
// caution those they have not: the certificate says so.
func openedByReader(h eval.Handoff, life eval.Life, reader int64) templ.Component {
	opened, not := openedWindows(h, life, reader)
	for i, window := range opened {
		opened[i] = "the " + window + " cases"
	}
	words := capital(strings.Join(opened, " and "))
	if len(not) == 0 {
		return ui.Words(words + ".")
	}
	if words != "" {
		words += ". "
	}
	return ui.Words(words, ui.Toned(ui.Mid, "Not the "+strings.Join(not, " and ")+" cases."), " The certificate says so.")
}

// openedWindows are those of the required windows the person has read, and
// those they have not.
func openedWindows(h eval.Handoff, life eval.Life, reader int64) (opened, not []string) {
	for _, window := range []eval.WindowName{eval.Regression, eval.Holdout} {
		switch {
		case !h.Contract.Metric.Needs(window):
		case life.OpenedBy(reader, window):
			opened = append(opened, string(window))
		default:
			not = append(not, string(window))
		}
	}
	return opened, not
}

// grouped writes a hash in groups of eight, so that two can be compared by
// eye.
func grouped(hash string) string {
	name, digits, found := strings.Cut(hash, ":")
	if !found {
		return hash
	}
	var b strings.Builder
	b.WriteString(name + ":")
	for i, d := range digits {
		if i > 0 && i%8 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(d)
	}
	return b.String()
}

func (s *site) handoffSign(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "handoff")
	if err != nil {
		return err
	}
	var in struct {
		Decision string `form:"decision"`
		Hash     string `form:"evidence_hash"`
		Comment  string `form:"comment"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	sign, said := gates.Approve, "Signed. It is bound to this evidence and void when that changes."
	if in.Decision == "reject" {
		sign, said = gates.Reject, "Rejected. That is final for this candidate."
	} else if in.Decision != "approve" {
		return fault.Say(fault.Invalid, "A signature approves or rejects.")
	}
	_, err = sign(c.UserContext(), actorOf(c), id, in.Hash, strings.TrimSpace(in.Comment))
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.Conflict {
		c.Status(status[kind])
		return s.signPage(c, in.Decision, in.Comment, fault.Words(err))
	}
	if err != nil {
		return err
	}
	s.say(c, said)
	return s.see(c, handoffURL(id))
}

// promotePage says what a promotion does before it is done.
type promotePage struct {
	Crumbs []ui.Link
	Title  string
	Says   string
	Facts  ui.Facts
	Action string
	Back   string
}

// handoffPromoteShow asks once more, behind a fresh step-up.
func (s *site) handoffPromoteShow(c *fiber.Ctx) error {
	gate, err := s.gateOf(c)
	if err != nil {
		return err
	}
	if gate.Decision.Status != eval.Approved {
		return fault.Say(fault.Conflict, "%s. Only what is approved can be promoted.", gate.Headline)
	}
	p := buildPromote(gate, s.now())
	return s.page(c, ui.Page{Title: p.Title, Nav: "handoffs", Back: &ui.Link{Text: "Handoff", URL: p.Back}, Short: "Promote"}, p.draw())
}

func buildPromote(g eval.Gate, now time.Time) promotePage {
	h := g.Handoff
	url := handoffURL(h.ID)
	p := promotePage{Title: "Promote " + h.CandidateTemplateID, Says: h.CandidateTemplateID + " replaces " + h.FailingTemplateID + " for everyone.",
		Action: url + "/promote", Back: url,
		Crumbs: []ui.Link{{Text: "Handoffs", URL: "/handoffs"}, {Text: strconv.FormatInt(h.ID, 10), URL: url}, {Text: "Promote"}}}
	p.Facts = ui.Facts{Items: []ui.Fact{
		{Term: "Signed by", Value: ui.Words(strings.Join(g.Signers(now), " and ") + ", on this evidence")},
		{Term: "Evidence", Value: ui.Mono(grouped(h.EvidenceHash))},
		{Term: "The check", Value: ui.Words("keeps answering yes to every client that asks, until somebody revokes it")},
	}}
	if h.IncidentID != nil {
		p.Facts.Items = append(p.Facts.Items, ui.Fact{Term: "Closes", Value: ui.Words(ui.Link{Text: "Incident " + strconv.FormatInt(*h.IncidentID, 10), URL: incidentURL(*h.IncidentID)}, ", now")})
	}
	p.Facts.Items = append(p.Facts.Items,
		ui.Fact{Term: "The record", Value: ui.Words("results and signatures can no longer change; the certificate can be downloaded")},
		ui.Fact{Term: "Back out", Value: ui.Words("revoking is possible at any time with a reason, and final for this candidate")})
	return p
}

func (s *site) handoffPromote(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "handoff")
	if err != nil {
		return err
	}
	if _, err := gates.Promote(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	s.say(c, "Promoted. The check keeps answering yes until somebody revokes it.")
	return s.see(c, handoffURL(id))
}

func (s *site) handoffRevoke(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "handoff")
	if err != nil {
		return err
	}
	var in struct {
		Reason string `form:"reason"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	if _, err := gates.Revoke(c.UserContext(), actorOf(c), id, in.Reason); err != nil {
		return err
	}
	s.say(c, "Revoked. The check answers no from now on.")
	return s.see(c, handoffURL(id))
}
