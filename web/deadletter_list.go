package web

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
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
	Crumbs  []ui.Link // where only one reason is shown
	Reasons *ui.Table // nil where there is one reason at most
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
	All    string // address that replays all of its reason; "" where it is the only one
	AllOf  string // the words on that button
}

const lettersShown = 50

// lettersQuery is what of the letters is looked at.
type lettersQuery struct {
	Reason string `query:"reason"`
	Before int64  `query:"before"`
	Letter int64  `query:"letter"`
}

func (q lettersQuery) url(change func(*lettersQuery)) string {
	change(&q)
	values := url.Values{}
	if q.Reason != "" {
		values.Set("reason", q.Reason)
	}
	if q.Before != 0 {
		values.Set("before", strconv.FormatInt(q.Before, 10))
	}
	if q.Letter != 0 {
		values.Set("letter", strconv.FormatInt(q.Letter, 10))
	}
	if len(values) == 0 {
		return "/deadletters"
	}
	return "/deadletters?" + values.Encode()
}

func (s *site) deadLettersShow(c *fiber.Ctx) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	var q lettersQuery
	if err := readQuery(c, &q); err != nil {
		return err
	}
	page, err := store.DeadLetters(c.UserContext(), actorOf(c), q.Reason, q.Before, lettersShown)
	if err != nil {
		return err
	}
	reasons, err := store.LetterReasons(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	waiting, err := store.Waiting(c.UserContext())
	if err != nil {
		return err
	}
	p := buildDeadLetters(page, reasons, waiting, q)
	if q.Letter != 0 {
		letter, err := store.DeadLetter(c.UserContext(), actorOf(c), q.Letter)
		if err != nil {
			return err
		}
		p.Letter = buildDeadLetter(letter, reasons)
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

// deadLettersReplay sends in again every letter of one letter's reason.
func (s *site) deadLettersReplay(c *fiber.Ctx) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	id, err := idParam(c, "letter")
	if err != nil {
		return err
	}
	done, err := store.ReplayAlike(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	s.say(c, replayedWords(done))
	return s.see(c, letterURL(id))
}

func replayedWords(r telemetry.Replayed) string {
	words := fmt.Sprintf("%s: %d accepted, %d duplicate, %d refused again.", ui.CountOf(r.Accepted+r.Duplicate+r.Refused, "letter"), r.Accepted, r.Duplicate, r.Refused)
	if r.Bodyless > 0 {
		words += fmt.Sprintf(" %d have no body, so only their senders can send them again.", r.Bodyless)
	}
	return words
}

func letterURL(id int64) string { return "/deadletters?letter=" + strconv.FormatInt(id, 10) }

func buildDeadLetters(page telemetry.LetterPage, reasons []telemetry.LetterReason, waiting telemetry.Waiting, q lettersQuery) deadLettersPage {
	p := deadLettersPage{
		Sub: ui.CountOf(int(page.Total), "event") + " refused. Their senders were told, or they could not be stored.",
		Table: ui.Table{ID: "letters", Caption: "Dead letters", Columns: []ui.Column{
			{Label: "Last came"}, {Label: "Letter"}, {Label: "Where"}, {Label: "Reason", Wide: true}, {Label: "Times", Right: true}, {Label: "Replayed"}}},
	}
	if q.Reason != "" {
		p.Crumbs = []ui.Link{{Text: "All reasons", URL: "/deadletters"}}
		p.Sub = ui.CountOf(int(page.Total), "letter") + " for this reason: " + q.Reason + "."
	} else if len(reasons) > 1 {
		p.Reasons = reasonTable(reasons)
	}
	if waiting.Events > 0 {
		p.Waiting = ui.CountOf(int(waiting.Events), "event") + " acknowledged and on the way to be readable."
	}
	for _, l := range page.Letters {
		replayed := ui.Dim("no")
		if l.Outcome != nil {
			replayed = ui.Text(*l.Outcome)
		}
		p.Table.Rows = append(p.Table.Rows, ui.Row{URL: q.url(func(q *lettersQuery) { q.Letter = l.ID }), Current: l.ID == q.Letter, Cells: []templ.Component{
			ui.Time{At: l.At, Style: ui.DayTime}, ui.Link{Text: strconv.FormatInt(l.ID, 10), URL: q.url(func(q *lettersQuery) { q.Letter = l.ID }), Plain: true},
			ui.Soft(originWords(l.Origin)), ui.Text(l.Reason), ui.Text(ui.Count(l.Times)), replayed}})
	}
	if len(page.Letters) == 0 {
		p.Table.Empty = ui.Empty{Bare: true, Title: "No dead letters", Why: "Every event that came was taken and stored."}
		return p
	}
	p.Table.Foot = &ui.Foot{Shown: ui.OutOf(len(page.Letters), int(page.Total)), Hints: true}
	if q.Before != 0 {
		p.Table.Foot.Newer = q.url(func(q *lettersQuery) { q.Before, q.Letter = 0, 0 })
	}
	if page.Older != 0 {
		p.Table.Foot.Older = q.url(func(q *lettersQuery) { q.Before, q.Letter = page.Older, 0 })
	}
	return p
}

func reasonTable(reasons []telemetry.LetterReason) *ui.Table {
	t := &ui.Table{ID: "reasons", Caption: "Reasons", Columns: []ui.Column{
		{Label: "Reason", Wide: true}, {Label: "Letters", Right: true}, {Label: "Events", Right: true}, {Label: "Last came"}}}
	for _, r := range reasons {
		at := lettersQuery{}.url(func(q *lettersQuery) { q.Reason = r.Reason })
		t.Rows = append(t.Rows, ui.Row{URL: at, Cells: []templ.Component{
			ui.Link{Text: r.Reason, URL: at, Plain: true}, ui.Text(ui.Count(int(r.Letters))), ui.Text(ui.Count(int(r.Times))), ui.Time{At: r.Last, Style: ui.DayTime}}})
	}
	return t
}

func originWords(o telemetry.Origin) string {
	if o == telemetry.AtDrain {
		return "on the way in"
	}
	return "at the door"
}

func buildDeadLetter(l telemetry.DeadLetter, reasons []telemetry.LetterReason) *deadLetter {
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
	i := slices.IndexFunc(reasons, func(r telemetry.LetterReason) bool { return r.Reason == l.Reason })
	if i >= 0 && reasons[i].Letters > 1 {
		d.All = "/deadletters/" + strconv.FormatInt(l.ID, 10) + "/replay-alike"
		d.AllOf = "Send all " + ui.Count(int(reasons[i].Letters)) + " of this reason in again"
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
