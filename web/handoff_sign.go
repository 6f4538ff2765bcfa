package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/eval"
	"assay/internal/fault"
	"assay/web/ui"
)

// signPage says what a signature will mean before it is given.
type signPage struct {
	Title   string
	Action  string
	Back    string
	Yes     bool
	Means   string
	Facts   ui.Facts
	Hash    string
	Unread  string
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
	gate, err := s.gateOf(c)
	if err != nil {
		return err
	}
	if decision != "approve" && decision != "reject" {
		return fault.Say(fault.Invalid, "A signature approves or rejects.")
	}
	life, err := s.Eval.Life(c.UserContext(), actorOf(c), gate.Handoff.ID)
	if err != nil {
		return err
	}
	p := buildSign(gate, life, actorOf(c).Name, decision, s.now())
	p.Comment, p.Error = comment, trouble
	return s.page(c, ui.Page{Title: p.Title, Nav: "handoffs", Back: &ui.Link{Text: "Handoff", URL: handoffURL(gate.Handoff.ID)}, Short: "Sign"}, p.draw())
}

func buildSign(g eval.Gate, life eval.Life, name, decision string, now time.Time) signPage {
	h := g.Handoff
	p := signPage{Action: handoffURL(h.ID) + "/sign", Back: handoffURL(h.ID), Hash: h.EvidenceHash, Yes: decision == "approve"}
	p.Title, p.Means = "You sign this evidence", "I have read the evidence with this hash and approve that the candidate replaces the failing template."
	p.Button = ui.Button{Label: "Sign and approve", Style: ui.Filled, Size: ui.Decision, Submit: true, Name: "decision", Value: "approve"}
	if !p.Yes {
		p.Title, p.Means = "You reject this candidate", "I have read the evidence with this hash and reject the candidate. This is final."
		p.Button = ui.Button{Label: "Sign and reject", Style: ui.Hazard, Size: ui.Decision, Submit: true, Name: "decision", Value: "reject"}
	}
	p.Facts = ui.Facts{Items: []ui.Fact{
		{Term: "Candidate", Value: ui.Mono(h.CandidateTemplateID)},
		{Term: "Replaces", Value: ui.Mono(h.FailingTemplateID)},
		{Term: "Required", Value: ui.Mono(h.RequiredMetric)},
		{Term: "Evidence", Value: ui.Copy{Value: h.EvidenceHash, Name: "Copy the evidence hash"}},
		{Term: "You sign as", Value: ui.Words(name + ", release manager")},
		{Term: "It counts until", Value: ui.Time{At: now.Add(eval.ApprovalLasts), Style: ui.Full}},
	}}
	for _, check := range g.Decision.Checks {
		p.Facts.Items = append(p.Facts.Items, ui.Fact{Term: check.Name, Value: templ.Component(ui.Sign{Mark: findingMark(check.Finding), Word: check.Words})})
	}
	var unread []string
	for _, window := range []eval.WindowName{eval.Regression, eval.Holdout} {
		seen := false
		for _, o := range life.Openings {
			seen = seen || (o.Window == string(window) && o.Name == name)
		}
		if !seen && h.Contract.Metric.Needs(window) {
			unread = append(unread, string(window))
		}
	}
	if len(unread) > 0 {
		p.Unread = fmt.Sprintf("You have not opened the %s cases. The certificate says so.", strings.Join(unread, " and "))
	}
	return p
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
	s.say(c, "Promoted. The check keeps answering yes until it is revoked.")
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
