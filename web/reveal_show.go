package web

import (
	"fmt"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/telemetry"
	"assay/web/ui"
)

// revealPage is one reveal: what was asked, what was decided, and what the
// reader may do about it.
type revealPage struct {
	Title   string
	Pill    ui.Pill
	Facts   ui.Facts
	Life    ui.Feed
	Approve string // addresses; "" where this reader may not
	Deny    string
	Open    string
	Drop    string
	Says    string // what comes next, for this reader
	Error   string
}

// revealedPage shows raw text: as text, marked with who reads it and when.
type revealedPage struct {
	Title string
	Mark  string // stands over every part
	Until templ.Component
	Back  string
	Parts []revealedPart
}

type revealedPart struct {
	Title string
	Text  templ.Component
}

func (s *site) revealShow(c *fiber.Ctx) error {
	if err := readQuery(c, &struct{}{}); err != nil {
		return err
	}
	return s.revealPage(c, "")
}

func (s *site) revealPage(c *fiber.Ctx, trouble string) error {
	store, id, err := s.revealID(c)
	if err != nil {
		return err
	}
	r, err := store.Reveal(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	p := buildReveal(r, actorOf(c))
	p.Error = trouble
	return s.page(c, ui.Page{Title: p.Title, Nav: "audit", Back: &ui.Link{Text: "Reveals", URL: "/reveals"}}, p.draw())
}

func (s *site) revealID(c *fiber.Ctx) (*telemetry.Store, int64, error) {
	store, err := s.events()
	if err != nil {
		return nil, 0, err
	}
	id, err := idParam(c, "reveal")
	return store, id, err
}

var revealTones = map[telemetry.RevealState]ui.Tone{
	telemetry.RevealWaiting: ui.Mid, telemetry.RevealApproved: ui.Ok, telemetry.RevealDenied: ui.Bad,
}

func buildReveal(r telemetry.Reveal, actor auth.Actor) revealPage {
	mine, decides := r.RequestedBy == actor.ID, actor.May(auth.ApproveReveal)
	p := revealPage{
		Title: fmt.Sprintf("Reveal %d", r.ID),
		Pill:  ui.Pill{Text: string(r.State), Tone: revealTones[r.State]},
		Facts: ui.Facts{Items: []ui.Fact{
			{Term: "What for", Value: ui.Text(r.Reason)},
			{Term: "Session", Value: ui.Link{Text: r.SessionID, URL: sessionURL(r.SessionID), Mono: true}},
			{Term: "Event", Value: ui.Copy{Value: r.EventID.String(), Name: "Copy event id"}},
			{Term: "Task class", Value: ui.Text(r.TaskClass)},
			{Term: endWord(r), Value: ui.Time{At: r.Ends(), Style: ui.Full}}}},
	}
	p.Life.Items = append(p.Life.Items, ui.FeedItem{Icon: ui.IconLock, Who: r.Requester, Did: ui.Text("asked for the raw text"), At: ui.Time{At: r.RequestedAt}})
	if r.DecidedAt != nil {
		did := "approved"
		if r.State == telemetry.RevealDenied {
			did = "denied"
		}
		p.Life.Items = append(p.Life.Items, ui.FeedItem{Icon: ui.IconShield, Who: deciderOf(r), Did: ui.Text(did), At: ui.Time{At: *r.DecidedAt}, Note: r.DecisionReason})
	}
	if r.Openings > 0 {
		p.Life.Items = append(p.Life.Items, ui.FeedItem{Icon: ui.IconEye, Who: r.Requester, Did: ui.Text("opened it " + ui.CountOf(r.Openings, "time")), At: ui.Time{At: r.ClosesAt.Add(-telemetry.RevealLasts)}})
	}
	switch {
	case r.State == telemetry.RevealWaiting && decides && !mine:
		p.Approve, p.Deny = revealURL(r.ID)+"/approve", revealURL(r.ID)+"/deny"
	case r.State == telemetry.RevealWaiting:
		p.Says = "A release manager or an auditor decides, another person than the one who asked."
	case r.State == telemetry.RevealApproved && mine:
		p.Open = revealURL(r.ID) + "/open"
		p.Says = "You prove who you are, then the text stands here as text. From the first opening it can be read for 15 minutes; each opening is an entry of the audit."
	}
	if mine && r.EndedAt == nil {
		p.Drop = revealURL(r.ID) + "/withdraw"
	}
	return p
}

func endWord(r telemetry.Reveal) string {
	switch {
	case r.EndedAt != nil:
		return "Ended"
	case r.ClosesAt != nil:
		return "Closes"
	case r.OpenBy != nil:
		return "Open it by"
	}
	return "Waits until"
}

func (s *site) revealApprove(c *fiber.Ctx) error { return s.revealDecide(c, true) }
func (s *site) revealDeny(c *fiber.Ctx) error    { return s.revealDecide(c, false) }

func (s *site) revealDecide(c *fiber.Ctx, approve bool) error {
	var in struct {
		Reason string `form:"reason"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	store, id, err := s.revealID(c)
	if err != nil {
		return err
	}
	r, err := store.DecideReveal(c.UserContext(), actorOf(c), id, approve, in.Reason)
	if fault.Of(err) == fault.Invalid {
		c.Status(fiber.StatusBadRequest)
		return s.revealPage(c, fault.Words(err))
	}
	if err != nil {
		return err
	}
	s.say(c, upperFirst(string(r.State))+". "+r.Requester+" sees it on their overview.")
	return s.see(c, revealURL(id))
}

func (s *site) revealWithdraw(c *fiber.Ctx) error {
	if err := readForm(c, &struct{}{}); err != nil {
		return err
	}
	store, id, err := s.revealID(c)
	if err != nil {
		return err
	}
	if _, err := store.WithdrawReveal(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	s.say(c, "Withdrawn.")
	return s.see(c, revealURL(id))
}

// revealOpen answers with the text itself, not with a redirect: an address
// that shows raw text does not exist, so nothing can fetch, keep or bookmark it.
func (s *site) revealOpen(c *fiber.Ctx) error {
	if err := readForm(c, &struct{}{}); err != nil {
		return err
	}
	store, id, err := s.revealID(c)
	if err != nil {
		return err
	}
	raw, r, err := store.OpenReveal(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	p := buildRevealed(raw, r, s.now())
	return s.page(c, ui.Page{Title: p.Title, Nav: "audit", Back: &ui.Link{Text: "Reveal", URL: p.Back}}, p.draw())
}

func buildRevealed(raw telemetry.RawText, r telemetry.Reveal, now time.Time) revealedPage {
	p := revealedPage{
		Title: fmt.Sprintf("Raw text, reveal %d", r.ID),
		Mark:  fmt.Sprintf("%s · %s · reveal %d · confidential", r.Requester, now.UTC().Format("2 Jan 2006 15:04:05 UTC"), r.ID),
		Back:  revealURL(r.ID),
	}
	if r.ClosesAt != nil {
		p.Until = ui.Words("It can be opened again until ", ui.Time{At: *r.ClosesAt, Style: ui.Clock}, ". It was read from the vault ", ui.CountOf(r.Openings, "time"), ".")
	}
	say := func(title, text string) {
		if text != "" {
			p.Parts = append(p.Parts, revealedPart{title, ui.Code{Well: true, Text: text}})
		}
	}
	say("Asked", raw.Prompt)
	for _, text := range raw.Context {
		say("Given to rely on", text)
	}
	say("Answered", raw.Response)
	say("Corrected to", raw.Correction)
	say("Error message", raw.ErrorMessage)
	say("Artifact", indented(raw.Artifact))
	return p
}
