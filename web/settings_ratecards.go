package web

import (
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/telemetry"
	"assay/web/ui"
)

// cardsPage lists the rate cards and takes another version.
type cardsPage struct {
	Sub    string
	Table  ui.Table
	MayAdd bool
	Form   cardForm
	Error  string
}

type cardForm struct {
	Version string `form:"version"`
	Model   string `form:"model_version"`
	From    string `form:"effective_from"`
	Cur     string `form:"currency"`
	Input   string `form:"input"`
	Cached  string `form:"cached"`
	Output  string `form:"output"`
}

func (s *site) cardsShow(c *fiber.Ctx) error {
	return s.cardsPage(c, cardForm{Cur: "USD", From: s.now().UTC().Format(time.DateOnly)}, "")
}

func (s *site) cardsPage(c *fiber.Ctx, form cardForm, wrong string) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	cards, err := store.Cards(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	p := buildCards(cards, s.now())
	p.Form, p.Error, p.MayAdd = form, wrong, actorOf(c).May(auth.Configure)
	return s.page(c, ui.Page{Title: "Rate cards"}, p.draw())
}

func buildCards(cards []telemetry.DatedCard, now time.Time) cardsPage {
	p := cardsPage{Sub: ui.CountOf(len(cards), "version") + ". A card is never edited, so that what a window cost stays what it was.",
		Table: ui.Table{Bare: true, Caption: "Rate cards", Columns: []ui.Column{{Label: "Version"}, {Label: "Prices"}, {Label: "In effect from", Right: true}, {Label: "Input", Right: true}, {Label: "Cached input", Right: true},
			{Label: "Output", Right: true}, {Label: "Currency"}, {Label: "Added by", Wide: true}, {Label: "State"}}}}
	priced := map[string]bool{}
	for _, card := range cards { // the latest first
		state := "was in effect"
		switch key := card.ModelVersion + "/" + card.Currency; {
		case card.EffectiveFrom.After(now):
			state = "not yet"
		case !priced[key]:
			state, priced[key] = "in effect", true
		}
		model := templ.Component(ui.Soft("every model version"))
		if card.ModelVersion != "" {
			model = ui.Mono(card.ModelVersion)
		}
		by := card.AddedBy
		if by == "" {
			by = "comes with the product"
		}
		price := func(x float64) templ.Component { return ui.Text(strings.TrimSpace(ui.Money(x, ""))) }
		p.Table.Rows = append(p.Table.Rows, ui.Row{Dim: state == "was in effect", Cells: []templ.Component{ui.Mono(card.Version), model, ui.Text(card.EffectiveFrom.Format("2 Jan 2006")),
			price(card.InputPerMillion), price(card.CachedInputPerMillion), price(card.OutputPerMillion), ui.Text(card.Currency), ui.Soft(by), ui.Text(state)}})
	}
	if len(cards) == 0 {
		p.Table.Empty = ui.Empty{Bare: true, Title: "No rate cards", Why: "Without one no call has a price."}
	}
	return p
}

func (s *site) cardAdd(c *fiber.Ctx) error {
	var in cardForm
	if err := readForm(c, &in); err != nil {
		return err
	}
	store, err := s.events()
	if err != nil {
		return err
	}
	card, err := in.card()
	if err == nil {
		err = store.AddCard(c.UserContext(), actorOf(c), card)
	}
	switch fault.Of(err) {
	case fault.Invalid, fault.Conflict:
		c.Status(fiber.StatusBadRequest)
		return s.cardsPage(c, in, fault.Words(err))
	}
	if err != nil {
		return err
	}
	s.say(c, "Rate card added.")
	return s.see(c, "/settings/ratecards")
}

func (f cardForm) card() (telemetry.DatedCard, error) {
	card := telemetry.DatedCard{Currency: strings.ToUpper(strings.TrimSpace(f.Cur)), ModelVersion: f.Model}
	card.Version = f.Version
	for _, one := range []struct {
		text string
		to   *float64
	}{{f.Input, &card.InputPerMillion}, {f.Cached, &card.CachedInputPerMillion}, {f.Output, &card.OutputPerMillion}} {
		price, err := strconv.ParseFloat(strings.TrimSpace(one.text), 64)
		if err != nil {
			return card, fault.Say(fault.Invalid, "A price is a number such as 0.25, per million tokens.")
		}
		*one.to = price
	}
	from, err := time.Parse(time.DateOnly, strings.TrimSpace(f.From))
	if err != nil {
		return card, fault.Say(fault.Invalid, "A day is written like 2026-11-20.")
	}
	card.EffectiveFrom = from
	return card, nil
}
