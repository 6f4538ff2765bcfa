package web

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/telemetry"
	"assay/web/ui"
)

// deadLettersPage lists events that were refused, with the reason, and the
// one that is looked at.
type deadLettersPage struct {
	Sub     string
	Table   ui.Table
	Letter  *deadLetter
	Waiting string
}

// deadLetter is one refused event, to inspect and to send in again.
type deadLetter struct {
	Title  string
	Facts  ui.Facts
	Body   templ.Component
	Replay string // address; "" where it cannot be
	Why    string // why not
}

const lettersShown = 50

func (s *site) deadLettersShow(c *fiber.Ctx) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	var q struct {
		Before int64 `query:"before"`
		Letter int64 `query:"letter"`
	}
	if err := readQuery(c, &q); err != nil {
		return err
	}
	page, err := store.DeadLetters(c.UserContext(), actorOf(c), q.Before, lettersShown)
	if err != nil {
		return err
	}
	waiting, err := store.Waiting(c.UserContext())
	if err != nil {
		return err
	}
	p := buildDeadLetters(page, waiting, q.Before, q.Letter)
	if q.Letter != 0 {
		letter, err := store.DeadLetter(c.UserContext(), actorOf(c), q.Letter)
		if err != nil {
			return err
		}
		p.Letter = buildDeadLetter(letter)
	}
	return s.page(c, ui.Page{Title: "Dead letters", Nav: "audit"}, p.draw())
}

func (s *site) deadLetterReplay(c *fiber.Ctx) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	id, err := idParam(c, "letter")
	if err != nil {
		return err
	}
	outcome, err := store.Replay(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	switch outcome {
	case "accepted":
		s.say(c, fmt.Sprintf("Letter %d is accepted. It can be read in a few seconds.", id))
	case "duplicate":
		s.say(c, fmt.Sprintf("Letter %d is a duplicate: its event is here already.", id))
	default:
		s.say(c, fmt.Sprintf("Letter %d is refused again. Its reason says why.", id))
	}
	return s.see(c, letterURL(id))
}

func letterURL(id int64) string { return "/deadletters?letter=" + strconv.FormatInt(id, 10) }

func buildDeadLetters(page telemetry.LetterPage, waiting telemetry.Waiting, before, shown int64) deadLettersPage {
	p := deadLettersPage{
		Sub: ui.CountOf(int(page.Total), "event") + " refused. Their senders were told, or they could not be stored.",
		Table: ui.Table{ID: "letters", Caption: "Dead letters", Columns: []ui.Column{
			{Label: "Last came"}, {Label: "Letter"}, {Label: "Where"}, {Label: "Reason", Wide: true}, {Label: "Times", Right: true}, {Label: "Replayed"}}},
	}
	if waiting.Events > 0 {
		p.Waiting = ui.CountOf(int(waiting.Events), "event") + " acknowledged and on the way to be readable."
	}
	for _, l := range page.Letters {
		replayed := ui.Dim("no")
		if l.Outcome != nil {
			replayed = ui.Text(*l.Outcome)
		}
		p.Table.Rows = append(p.Table.Rows, ui.Row{URL: letterURL(l.ID), Current: l.ID == shown, Cells: []templ.Component{
			ui.Time{At: l.At, Style: ui.DayTime}, ui.Link{Text: strconv.FormatInt(l.ID, 10), URL: letterURL(l.ID), Plain: true},
			ui.Soft(originWords(l.Origin)), ui.Text(l.Reason), ui.Text(ui.Count(l.Times)), replayed}})
	}
	if len(page.Letters) == 0 {
		p.Table.Empty = ui.Empty{Bare: true, Title: "No dead letters", Why: "Every event that came was taken and stored."}
		return p
	}
	p.Table.Foot = &ui.Foot{Shown: ui.OutOf(len(page.Letters), int(page.Total)), Hints: true}
	if before != 0 {
		p.Table.Foot.Newer = "/deadletters"
	}
	if page.Older != 0 {
		p.Table.Foot.Older = "/deadletters?before=" + strconv.FormatInt(page.Older, 10)
	}
	return p
}

func originWords(o telemetry.Origin) string {
	if o == telemetry.AtDrain {
		return "on the way in"
	}
	return "at the door"
}

func buildDeadLetter(l telemetry.DeadLetter) *deadLetter {
	d := &deadLetter{
		Title: "Letter " + strconv.FormatInt(l.ID, 10),
		Facts: ui.Facts{Small: true, Items: []ui.Fact{
			{Term: "Reason", Value: ui.Text(l.Reason)},
			{Term: "Where", Value: ui.Text(originWords(l.Origin))},
			{Term: "Key", Value: ui.Mono(cmp.Or(l.Key, "the product itself"))},
			{Term: "Came", Value: ui.Words(ui.CountOf(l.Times, "time")+", last ", ui.Time{At: l.At, Style: ui.DayTime})}}},
		Body:   ui.Code{Well: true, Small: true, Text: l.Body},
		Replay: "/deadletters/" + strconv.FormatInt(l.ID, 10) + "/replay",
	}
	if l.Outcome != nil {
		by := ""
		if l.ReplayedBy != nil {
			by = ", by " + *l.ReplayedBy
		}
		d.Facts.Items = append(d.Facts.Items, ui.Fact{Term: "Replayed", Value: ui.Text(*l.Outcome + by)})
	}
	switch {
	case l.Outcome != nil && *l.Outcome != "refused":
		d.Replay, d.Why = "", "It was replayed."
	case l.Body == "":
		d.Replay, d.Why = "", "Its key's consent allows no text to be kept, so only its sender can send it again."
		d.Body = ui.Dim("no body kept")
	}
	return d
}
