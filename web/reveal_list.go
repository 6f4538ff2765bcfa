package web

import (
	"strconv"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/telemetry"
	"assay/web/ui"
)

// revealsPage lists looks at raw text: those under way first.
type revealsPage struct {
	Sub   string
	Table ui.Table
}

const revealsShown = 200

func revealURL(id int64) string { return "/reveals/" + strconv.FormatInt(id, 10) }

func askRevealURL(event uuid.UUID) string { return "/reveals/new?event=" + event.String() }

func (s *site) revealsShow(c *fiber.Ctx) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	if err := readQuery(c, &struct{}{}); err != nil {
		return err
	}
	list, err := store.Reveals(c.UserContext(), actorOf(c), revealsShown)
	if err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: "Reveals", Nav: "audit"}, buildReveals(list, actorOf(c)).draw())
}

func buildReveals(list []telemetry.Reveal, actor auth.Actor) revealsPage {
	p := revealsPage{Table: ui.Table{ID: "reveals", Caption: "Reveals", Columns: []ui.Column{
		{Label: "State"}, {Label: "Asked"}, {Label: "By"}, {Label: "Task class"}, {Label: "What for", Wide: true}, {Label: "Decided by"}, {Label: "Opened", Right: true}, {Label: "Ends"}}}}
	live := 0
	for _, r := range list {
		if r.EndedAt == nil {
			live++
		}
		decided := ui.Dim("–")
		if r.Decider != nil {
			decided = ui.Text(*r.Decider)
		}
		p.Table.Rows = append(p.Table.Rows, ui.Row{URL: revealURL(r.ID), Dim: r.EndedAt != nil, Cells: []templ.Component{
			ui.Link{Text: string(r.State), URL: revealURL(r.ID), Plain: true}, ui.Time{At: r.RequestedAt}, ui.Text(r.Requester), ui.Text(r.TaskClass),
			ui.Text(clip(r.Reason, 90)), decided, ui.Text(ui.Count(r.Openings)), ui.Time{At: r.Ends()}}})
	}
	whose := "Yours."
	if actor.May(auth.ApproveReveal) {
		whose = "Everybody's."
	}
	p.Sub = whose + " " + ui.CountOf(live, "under way", "under way") + ". Raw text is opened for one event, with a reason and a second person, for 15 minutes."
	if len(list) == 0 {
		p.Table.Empty = ui.Empty{Bare: true, Title: "No reveals", Why: "Whoever needs the raw text of an event asks for it on the event's page, where it says that the text is sealed."}
	}
	return p
}

// revealAskPage asks what the raw text is needed for.
type revealAskPage struct {
	Event  string
	Facts  ui.Facts
	Reason string
	Error  string
}

func (s *site) revealAskShow(c *fiber.Ctx) error {
	var in struct {
		Event string `query:"event"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	return s.revealAskPage(c, in.Event, "", "")
}

func (s *site) revealAskPage(c *fiber.Ctx, event, reason, trouble string) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	id, err := uuid.Parse(event)
	if err != nil {
		return fault.Say(fault.Invalid, "The address names no event.")
	}
	record, err := store.Durable(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	if record.RawPayloadRef == nil {
		return fault.Say(fault.NotFound, "No raw text of this event is kept. It is sealed only with full consent under the capture mode raw, and ends with its time.")
	}
	p := revealAskPage{Event: id.String(), Facts: durableFacts(record), Reason: reason, Error: trouble}
	return s.page(c, ui.Page{Title: "Ask for raw text", Nav: "audit", Back: &ui.Link{Text: "Reveals", URL: "/reveals"}}, p.draw())
}

// durableFacts is what is kept of an event whatever becomes of its text.
func durableFacts(d telemetry.DurableRecord) ui.Facts {
	facts := ui.Facts{}
	say := func(term, value string, mono bool) {
		switch {
		case value == "":
		case mono:
			facts.Items = append(facts.Items, ui.Fact{Term: term, Value: ui.Mono(value)})
		default:
			facts.Items = append(facts.Items, ui.Fact{Term: term, Value: ui.Text(value)})
		}
	}
	say("Redacted", d.RedactedPreview, false)
	say("Request", d.RequestID, true)
	say("Template", d.PromptTemplateID, true)
	if d.EvidenceVersion != nil {
		say("Evidence version", *d.EvidenceVersion, true)
	}
	say("Route", d.Route, false)
	say("First failed stage", d.FailedStage, true)
	say("Redacted by", d.ScrubPolicy, true)
	return facts
}

func (s *site) revealAsk(c *fiber.Ctx) error {
	var in struct {
		Event  string `form:"event"`
		Reason string `form:"reason"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	store, err := s.events()
	if err != nil {
		return err
	}
	id, err := uuid.Parse(in.Event)
	if err != nil {
		return fault.Say(fault.Invalid, "The form names no event.")
	}
	r, err := store.RequestReveal(c.UserContext(), actorOf(c), id, in.Reason)
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.Conflict {
		c.Status(status[kind])
		return s.revealAskPage(c, in.Event, in.Reason, fault.Words(err))
	}
	if err != nil {
		return err
	}
	s.say(c, "Asked. A release manager or an auditor decides.")
	return s.see(c, revealURL(r.ID))
}
