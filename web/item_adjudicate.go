package web

import (
	"fmt"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// adjudicatePage is an item with its labels side by side and one decision.
type adjudicatePage struct {
	Head    ui.Head
	Trouble *ui.Banner
	Sides   []sideLabel
	Turns   []templ.Component
	Guide   string // "Guide 7"
	Rule    templ.Component
	Action  string
	Another string
	Choices ui.LabelChoices
	Reason  ui.Field
	Gold    ui.CheckBox
}

// sideLabel is one labeler's answer as a reviewer reads it.
type sideLabel struct {
	Title   string
	Note    string
	Mark    ui.Mark
	Claim   ui.Claim
	Reasons string
	Said    string
	Correct templ.Component
}

func (s *site) adjudicationNext(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		Queue string `query:"queue"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	item, err := labels.NextDisagreement(c.UserContext(), actorOf(c), in.Queue)
	if fault.Of(err) == fault.NotFound {
		s.say(c, "No item waits for a decision of yours.")
		return s.see(c, "/adjudications")
	}
	if err != nil {
		return err
	}
	return s.see(c, "/items/"+itemID(item)+"/adjudicate")
}

func (s *site) itemAdjudicateShow(c *fiber.Ctx) error {
	return s.adjudication(c, "", "", nil)
}

func (s *site) adjudication(c *fiber.Ctx, chosen, reason string, trouble error) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return err
	}
	d, err := labels.Disagreement(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	var verdicts []Verdict
	if s.Verdicts != nil {
		if verdicts, err = s.Verdicts(c.UserContext(), d.Item.EventID); err != nil {
			return err
		}
	}
	p := buildAdjudication(d, verdicts, chosen, reason)
	if trouble != nil {
		p.Trouble = &ui.Banner{Tone: ui.Mid, Fact: "This decision was not taken.", Consequence: fault.Words(trouble), Alert: true}
	}
	return s.page(c, ui.Page{Title: railTitle(d.Item.Title), Nav: "queues", Short: "Decide", Back: &ui.Link{Text: "Queues", URL: "/queues"}}, p.draw())
}

func buildAdjudication(d labeling.Disagreement, verdicts []Verdict, chosen, reason string) adjudicatePage {
	base := "/items/" + itemID(d.Item.ID)
	p := adjudicatePage{
		Head: ui.Head{
			Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}, {Text: d.Item.Queue.Title, URL: "/queues/" + d.Item.Queue.Slug}, {Text: ui.CountOf(d.Left, "item needs", "items need") + " a decision"}},
			Title:  railTitle(d.Item.Title),
			Beside: []templ.Component{ui.Chip{Text: taskClassWords(d.Item.TaskClass), Tone: ui.Accent}},
		},
		Guide: fmt.Sprintf("Guide %d", d.Item.Guide.Version), Rule: ruleText(d.Item.Guide.Rule), Action: base + "/adjudicate", Another: base + "/another",
		Choices: ui.LabelChoices{Inline: true, Legend: "Your decision", Chosen: chosen, Choices: ui.StandardChoices("", [4]string{}).Choices},
		Reason:  ui.Field{Label: "Reason, both labelers will read it", Name: "reason", Rows: 2, Value: reason, Required: true},
		Gold:    ui.CheckBox{Label: "Make this a gold item", Hint: "Served unannounced to others; your reason explains it when their day is over.", Name: "gold", Value: "true"},
		Turns:   buildTurns(d.Item, verdicts, nil, false),
	}
	for _, v := range verdicts {
		p.Head.Beside = append(p.Head.Beside, ui.Chip{Text: v.Verdict + ", " + v.Validator, Mark: ui.MarkOf(v.Verdict), Outline: true})
	}
	for _, l := range d.Labels {
		p.Sides = append(p.Sides, buildSide(d.Item.Snapshot.Response, correctedText(d.Item.Snapshot), l))
	}
	return p
}

func buildSide(response, corrected string, l labeling.SideLabel) sideLabel {
	note := l.Name
	if l.GuideVersion > 0 {
		note += fmt.Sprintf(", guide %d", l.GuideVersion)
	}
	if l.Answer.Confidence != "" {
		note += ", confidence " + l.Answer.Confidence
	}
	if l.Elapsed >= time.Second {
		note += ", " + ui.Handling(l.Elapsed)
	}
	side := sideLabel{
		Title: capital(labelWords(l.Answer.Label)), Note: note, Mark: ui.MarkOf(l.Answer.Label),
		Claim: ui.Claim{Text: cut(response, turnLength)}, Said: l.Answer.Note,
	}
	if l.Answer.Correction != "" {
		side.Correct = ui.Edits{Before: corrected, After: l.Answer.Correction}
	}
	for i, span := range l.Answer.Spans {
		if span.End <= len([]rune(side.Claim.Text)) {
			side.Claim.Spans = append(side.Claim.Spans, ui.Marked{Start: span.Start, End: span.End, Letter: ui.Letter(i), Tone: side.Mark.Tone()})
		}
	}
	for i, code := range l.Answer.Reasons {
		if i > 0 {
			side.Reasons += ", "
		}
		side.Reasons += reasonLabel(code)
	}
	return side
}

func (s *site) itemAdjudicate(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return err
	}
	var form struct {
		Label  string `form:"label"`
		Reason string `form:"reason"`
		Gold   bool   `form:"gold"`
	}
	if err := readForm(c, &form); err != nil {
		return err
	}
	_, err = labels.Adjudicate(c.UserContext(), actorOf(c), id, form.Label, form.Reason)
	if fault.Of(err) == fault.Invalid {
		c.Status(fiber.StatusBadRequest)
		return s.adjudication(c, form.Label, form.Reason, err)
	}
	if err != nil {
		return err
	}
	said := "Decided. Both labels are kept beside it."
	if form.Gold {
		if _, err := labels.MakeGold(c.UserContext(), actorOf(c), id, form.Reason); err == nil {
			said = "Decided, and gold from now on."
		} else if kind := fault.Of(err); kind == fault.Conflict {
			said = "Decided. " + fault.Words(err)
		} else {
			return err
		}
	}
	s.say(c, said)
	return s.see(c, "/adjudications/next")
}

func (s *site) itemAskAnother(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return err
	}
	if err := labels.AskAnother(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	s.say(c, "Another labeler is asked.")
	return s.see(c, "/adjudications/next")
}
