package web

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/web/ui"
)

// match is one thing that a search found: a page, an action or an object.
type match struct {
	Icon   ui.Icon
	Name   string
	Why    string // why it matches: "page", "session id", "queue"
	URL    string
	Weight int // the larger the earlier
}

// finders look for what a person types, each stage's in a file of its own. A
// finder returns only what the actor may open.
func finders() []finder {
	return []finder{(*site).findPages, (*site).findQueues, (*site).findMine, (*site).findSessions, (*site).findGates}
}

type finder func(s *site, c *fiber.Ctx, actor auth.Actor, text string) ([]match, error)

// searchPage is the palette without JavaScript, and what the palette asks.
type searchPage struct {
	Text    string
	Matches []match
	Away    bool // a part could not be asked
}

const searchShows = 50

func (s *site) searchShow(c *fiber.Ctx) error {
	var in struct {
		Text string `query:"q"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	p := searchPage{Text: clip(strings.TrimSpace(in.Text), 200)}
	for _, find := range finders() {
		found, err := find(s, c, actorOf(c), p.Text)
		if err != nil {
			s.log().Warn("a part of the search is away", "reference", referenceOf(c), "error", loggable(err))
			p.Away = true
			continue
		}
		p.Matches = append(p.Matches, found...)
	}
	slices.SortStableFunc(p.Matches, func(a, b match) int { return cmp.Compare(b.Weight, a.Weight) })
	if strings.Contains(c.Get(fiber.HeaderAccept), fiber.MIMEApplicationJSON) {
		return c.JSON(paletteRows(p.Matches))
	}
	p.Matches = p.Matches[:min(len(p.Matches), searchShows)]
	return s.page(c, ui.Page{Title: "Search"}, p.draw())
}

// paletteRow is a match as the palette draws it.
type paletteRow struct {
	Icon ui.Icon `json:"icon"`
	Name string  `json:"name"`
	Why  string  `json:"why"`
	URL  string  `json:"url"`
}

const paletteShows = 8

func paletteRows(matches []match) []paletteRow {
	rows := []paletteRow{}
	for _, m := range matches[:min(len(matches), paletteShows)] {
		rows = append(rows, paletteRow{m.Icon, m.Name, m.Why, m.URL})
	}
	return rows
}

// findPages finds the pages this person may open, by name.
func (s *site) findPages(c *fiber.Ctx, _ auth.Actor, text string) ([]match, error) {
	v := visitorOf(c)
	var found []match
	add := func(name, url string) {
		if s.opens(c, v, url) && fits(name, text) {
			found = append(found, match{Icon: ui.IconChevronRight, Name: name, Why: "page", URL: url, Weight: 10})
		}
	}
	add("Overview", "/")
	for _, item := range navigation {
		add(item.Label, item.URL)
	}
	for _, l := range menu {
		add(l.Text, l.URL)
	}
	return found, nil
}

// fits reports whether every word that was typed begins a word of the name.
func fits(name, text string) bool {
	words := strings.Fields(strings.ToLower(name))
	for _, typed := range strings.Fields(strings.ToLower(text)) {
		if !slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, typed) }) {
			return false
		}
	}
	return true
}

// clip cuts a text to so many characters.
func clip(text string, most int) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), most)])
}
