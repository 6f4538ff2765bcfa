package web

import (
	"cmp"
	"context"
	"slices"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/web/ui"
)

// overviewParts lists what the overview is put together from, each stage's
// part in a file of its own (home_labeling.go). A part that has nothing to say
// to this actor returns the zero value.
func overviewParts() []overviewPart {
	return []overviewPart{
		(*site).gatesOverview,
		(*site).labelingOverview,
		(*site).disputesOverview,
		(*site).grantsOverview,
		(*site).peopleOverview,
		(*site).auditOverview,
		(*site).revealsOverview,
		(*site).validatorOverview,
	}
}

type overviewPart func(s *site, ctx context.Context, actor auth.Actor) (overview, error)

// Urgency orders what needs a person, and whose sentence opens the page.
type urgency int

const (
	calm    urgency = iota // good to know
	waiting                // somebody waits for it
	today                  // should not wait until tomorrow
	harmful                // something is wrong for users now
)

// overview is what one stage says to one person on their first page.
type overview struct {
	Urgency  urgency
	Sentence string     // "One alert pages, one budget is nearly spent."
	Detail   string     // the line under it
	Start    *ui.Button // the labeler's one big button
	Needs    []need
	Panels   []templ.Component // under the needs
	Side     []templ.Component // figures
}

// need is one row of "Needs you now", with the one act that answers it.
type need struct {
	Urgency urgency
	Mark    ui.Mark
	Icon    ui.Icon
	Title   string
	Text    string
	Act     string // "Open", "Review"
	URL     string
}

// homePage is the overview as it is drawn.
type homePage struct {
	Sentence string
	Detail   string
	Start    *ui.Button
	Needs    []ui.Need
	Away     string // what could not be asked
	Panels   []templ.Component
	Side     []templ.Component
}

func (s *site) homeShow(c *fiber.Ctx) error {
	actor := actorOf(c)
	var parts []overview
	away := ""
	for _, ask := range overviewParts() {
		part, err := ask(s, c.UserContext(), actor)
		if fault.Of(err) == fault.Unavailable {
			s.log().Warn("a part of the overview is away", "reference", referenceOf(c), "error", loggable(err))
			away = cmp.Or(fault.Words(err), wordsOf(fault.Unavailable))
			continue
		}
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	p := composeHome(actor, parts)
	p.Away = away
	return s.page(c, ui.Page{Title: "Overview"}, p.draw())
}

// composeHome joins the parts: the most urgent sentence opens, needs are
// sorted by urgency, and one button on the page is filled.
func composeHome(actor auth.Actor, parts []overview) homePage {
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b overview) int { return cmp.Compare(b.Urgency, a.Urgency) })
	p := homePage{}
	var needs []need
	for _, part := range parts {
		if p.Sentence == "" && part.Sentence != "" {
			p.Sentence, p.Detail = part.Sentence, part.Detail
		}
		if p.Start == nil && part.Start != nil {
			start := *part.Start
			start.Style, start.Size = ui.Filled, ui.Decision
			p.Start = &start
		}
		needs = append(needs, part.Needs...)
		p.Panels = append(p.Panels, part.Panels...)
		p.Side = append(p.Side, part.Side...)
	}
	slices.SortStableFunc(needs, func(a, b need) int { return cmp.Compare(b.Urgency, a.Urgency) })
	for i, n := range needs {
		act := ui.Button{Label: n.Act, URL: n.URL}
		if i == 0 && p.Start == nil {
			act.Style = ui.Filled
		}
		p.Needs = append(p.Needs, ui.Need{Mark: n.Mark, Icon: n.Icon, Title: n.Title, Text: n.Text, Action: act})
	}
	if p.Sentence == "" {
		p.Sentence, p.Detail = quietSentence(actor, len(needs))
	}
	return p
}

// quietSentence opens a page on which no stage has anything to tell.
func quietSentence(actor auth.Actor, needs int) (sentence, detail string) {
	switch {
	case needs > 0:
		return ui.CountOf(needs, "thing needs you.", "things need you."), ""
	case len(actor.Roles) == 0:
		return "You have no role yet.", "An administrator gives you one. Until then there is nothing you can open."
	}
	return "Nothing needs you now.", "When something does, it stands here."
}

func startActions(start *ui.Button) []templ.Component {
	if start == nil {
		return nil
	}
	return []templ.Component{*start}
}
