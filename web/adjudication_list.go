package web

import (
	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/labeling"
	"assay/web/ui"
)

// adjudicationsPage lists what waits for a reviewer's decision.
type adjudicationsPage struct {
	Head  ui.Head
	Table ui.Table
}

// shownUndecided is how many the list shows; the rest comes up as they are decided.
const shownUndecided = 100

func (s *site) adjudicationsShow(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	list, all, err := labels.Undecideds(c.UserContext(), actorOf(c), shownUndecided)
	if err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: "To decide", Nav: "queues", Back: &ui.Link{Text: "Queues", URL: "/queues"}}, buildAdjudications(list, all).draw())
}

func buildAdjudications(list []labeling.Undecided, all int) adjudicationsPage {
	p := adjudicationsPage{
		Head: ui.Head{Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}}, Title: "To decide", Sub: "Labelers differ on these. Correct against hallucinated comes first, then what has waited longest."},
		Table: ui.Table{ID: "undecided", Caption: "Items that wait for a decision", Columns: []ui.Column{
			{Label: "Item", Wide: true}, {Label: "Queue"}, {Label: "Labels"}, {Label: "Class"}, {Label: "Waits", Right: true}},
			Empty: ui.Empty{Bare: true, Title: "Nothing waits for a decision", Why: "Where labelers differ by a step a third is asked first; what stays split comes here."},
			Foot:  &ui.Foot{Shown: ui.Count(len(list)) + " of " + ui.Count(all), Hints: len(list) > 0}},
	}
	open := false
	for _, u := range list {
		var signs []any
		for i, label := range u.Labels {
			if i > 0 {
				signs = append(signs, "  ")
			}
			signs = append(signs, labelSign(label))
		}
		row := ui.Row{Cells: []templ.Component{ui.Words(railTitle(u.Title), ui.Dim(" yours: another reviewer decides")), ui.Text(taskClassWords(u.TaskClass)),
			ui.Words(signs...), ui.Text(string(u.PriorityClass)), ui.Time{At: u.WaitsSince, Style: ui.Ago}}, Dim: true}
		if !u.Mine {
			open = true
			row.Dim, row.URL = false, "/items/"+itemID(u.ItemID)+"/adjudicate"
			row.Cells[0] = ui.Link{Text: railTitle(u.Title), URL: row.URL, Plain: true}
		}
		p.Table.Rows = append(p.Table.Rows, row)
	}
	if open {
		p.Head.Actions = []templ.Component{ui.Button{Label: "Decide the next", URL: "/adjudications/next", Style: ui.Filled}}
	}
	return p
}
