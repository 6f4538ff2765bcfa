package web

import (
	"fmt"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// goldPage is the gold of all queues: the mix there is and should be, what is
// in use, and what could become gold.
type goldPage struct {
	Head       ui.Head
	Tabs       ui.Tabs
	Trouble    *ui.Banner
	Mix        ui.Table
	InUse      []goldItem
	NoGold     ui.Empty
	Candidates []goldCandidate
	NoMore     ui.Empty
	Retired    ui.Table
	AnyRetired bool
}

// goldItem is an item in use with the way to retire it.
type goldItem struct {
	Title  string
	Note   string
	Sign   templ.Component
	Why    string
	Served string
	Action string
	Reason ui.Field
}

// goldCandidate is an item that could be gold, with its explanation to write.
type goldCandidate struct {
	Title  string
	Note   string
	Sign   templ.Component
	Action string
	Item   string
	Why    ui.Field
}

// goldEach is how many candidates of each label and basis are offered.
const goldEach = 3

func (s *site) goldShow(c *fiber.Ctx) error { return s.goldPage(c, nil) }

func (s *site) goldPage(c *fiber.Ctx, trouble error) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	golds, err := labels.Golds(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	candidates, err := labels.GoldCandidates(c.UserContext(), actorOf(c), goldEach)
	if err != nil {
		return err
	}
	p := buildGold(golds, candidates)
	p.Tabs = qualityTabs("/gold", actorOf(c))
	if trouble != nil {
		p.Trouble = &ui.Banner{Tone: ui.Mid, Fact: "Nothing was changed.", Consequence: fault.Words(trouble), Alert: true}
	}
	return s.page(c, ui.Page{Title: "Gold", Nav: "labelers"}, p.draw())
}

// goldMix counts the gold in use of one queue, by right label and basis.
type goldMix struct {
	queue string
	by    [3][2]int
	all   int
}

func mixOf(golds []labeling.Gold) []goldMix {
	var mixes []goldMix
	for _, g := range golds {
		if g.RetiredAt != nil {
			continue
		}
		if len(mixes) == 0 || mixes[len(mixes)-1].queue != g.Queue {
			mixes = append(mixes, goldMix{queue: g.Queue})
		}
		m := &mixes[len(mixes)-1]
		m.all++
		basis := 0
		if g.Basis == "adjudicated" {
			basis = 1
		}
		for truth, label := range labeling.Truths {
			if g.Label == label {
				m.by[truth][basis]++
			}
		}
	}
	return mixes
}

func buildGold(golds []labeling.Gold, candidates []labeling.GoldCandidate) goldPage {
	p := goldPage{
		Head:   ui.Head{Title: "Gold", Sub: "Items whose right label is known, served unannounced among the others. A third of each label, half unanimous and half decided by a reviewer; retired after 20 servings."},
		NoGold: ui.Empty{Bare: true, Title: "No gold in use", Why: "Until there is, nobody’s accuracy is known. Make some below."},
		NoMore: ui.Empty{Bare: true, Title: "Nothing can be gold now", Why: "Gold needs an item whose labelers agree, or which a reviewer has decided."},
		Mix: ui.Table{Caption: "The mix of gold", Bare: true, Columns: []ui.Column{{Label: "Queue"}, {Label: "In use", Right: true},
			{Label: "Correct", Right: true}, {Label: "Partially correct", Right: true}, {Label: "Hallucinated", Right: true}, {Label: "Decided by a reviewer", Right: true}, {Label: "Wanting", Wide: true}}},
		Retired: ui.Table{Caption: "Retired gold", Bare: true, Columns: []ui.Column{{Label: "Item", Wide: true}, {Label: "Right label"}, {Label: "Right", Right: true}, {Label: "Retired", Right: true}, {Label: "Because"}}},
	}
	for _, m := range mixOf(golds) {
		decided := m.by[0][1] + m.by[1][1] + m.by[2][1]
		p.Mix.Rows = append(p.Mix.Rows, ui.Row{Cells: []templ.Component{ui.Bold(taskClassWords(m.queue)), ui.Words(ui.Count(m.all)),
			ui.Words(ui.Count(m.by[0][0] + m.by[0][1])), ui.Words(ui.Count(m.by[1][0] + m.by[1][1])), ui.Words(ui.Count(m.by[2][0] + m.by[2][1])),
			ui.Words(ui.Count(decided)), ui.Text(wanting(m))}})
	}
	for _, g := range golds {
		if g.RetiredAt != nil {
			p.AnyRetired = true
			p.Retired.Rows = append(p.Retired.Rows, ui.Row{Cells: []templ.Component{ui.Text(railTitle(g.Title)), labelSign(g.Label),
				ui.Text(fmt.Sprintf("%d of %d", g.Right, g.Answers)), ui.Time{At: *g.RetiredAt, Style: ui.Day}, ui.Text(g.RetiredWhy)}})
			continue
		}
		p.InUse = append(p.InUse, goldItem{
			Title: railTitle(g.Title), Note: taskClassWords(g.TaskClass) + ", " + g.Basis, Sign: labelSign(g.Label), Why: g.Why,
			Served: fmt.Sprintf("Served %d of 20 times, %d of %d right.", g.Servings, g.Right, g.Answers), Action: "/gold/" + itemID(g.ID) + "/retire",
			Reason: ui.Field{ID: "retire-" + itemID(g.ID), Name: "reason", Label: "Why it is retired", Required: true},
		})
	}
	for _, k := range candidates {
		p.Candidates = append(p.Candidates, goldCandidate{
			Title: railTitle(k.Title), Note: taskClassWords(k.TaskClass) + ", " + basisWords(k), Sign: labelSign(k.Label),
			Action: "/gold", Item: itemID(k.ItemID),
			Why: ui.Field{ID: "why-" + itemID(k.ItemID), Name: "why", Label: "Why this is right, labelers read it when their day is over", Rows: 2, Required: true, Value: k.Reason},
		})
	}
	return p
}

func basisWords(k labeling.GoldCandidate) string {
	if k.Basis == "adjudicated" {
		return "decided by a reviewer"
	}
	return ui.CountOf(k.Readings, "labeler") + " agree"
}

// wanting says what the mix of a queue lacks most.
func wanting(m goldMix) string {
	least, truth := m.all, 0
	for i, by := range m.by {
		if n := by[0] + by[1]; n < least {
			least, truth = n, i
		}
	}
	decided := m.by[0][1] + m.by[1][1] + m.by[2][1]
	switch {
	case m.all >= 3 && 4*least < m.all:
		return "more that are " + labelWords(labeling.Truths[truth])
	case m.all >= 4 && 3*decided < m.all:
		return "more that a reviewer decided"
	case m.all >= 4 && 3*(m.all-decided) < m.all:
		return "more on which labelers agreed"
	}
	return "nothing"
}

func (s *site) goldMake(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var form struct {
		Item int64  `form:"item"`
		Why  string `form:"why"`
	}
	if err := readForm(c, &form); err != nil {
		return err
	}
	gold, err := labels.MakeGold(c.UserContext(), actorOf(c), form.Item, form.Why)
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.Conflict {
		c.Status(fiber.StatusBadRequest)
		return s.goldPage(c, err)
	}
	if err != nil {
		return err
	}
	s.say(c, fmt.Sprintf("Item %d is gold: %s.", gold.ItemID, labelWords(gold.Label)))
	return s.see(c, "/gold")
}

func (s *site) goldRetire(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "gold")
	if err != nil {
		return err
	}
	var form struct {
		Reason string `form:"reason"`
	}
	if err := readForm(c, &form); err != nil {
		return err
	}
	err = labels.RetireGold(c.UserContext(), actorOf(c), id, form.Reason)
	if fault.Of(err) == fault.Invalid {
		c.Status(fiber.StatusBadRequest)
		return s.goldPage(c, err)
	}
	if err != nil {
		return err
	}
	s.say(c, "Retired. What was answered to it stays.")
	return s.see(c, "/gold")
}
