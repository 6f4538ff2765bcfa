package web

import (
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/eval"
	"assay/web/ui"
)

func (s *site) handoffsShow(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	list, err := gates.Handoffs(c.UserContext(), actorOf(c), 200)
	if err != nil {
		return err
	}
	table := ui.Table{Bare: true, Caption: "Handoffs", Columns: []ui.Column{
		{Label: "Handoff"}, {Label: "Candidate", Wide: true}, {Label: "Replaces"}, {Label: "Required"}, {Label: "State"}, {Label: "Changed"}}}
	open := 0
	for _, h := range list {
		if !h.PromotionStatus.Final() && h.PromotionStatus != eval.Promoted {
			open++
		}
		table.Rows = append(table.Rows, ui.Row{URL: handoffURL(h.ID), Dim: h.PromotionStatus.Final(), Cells: []templ.Component{
			ui.Link{Text: strconv.FormatInt(h.ID, 10), URL: handoffURL(h.ID), Plain: true},
			ui.Mono(h.CandidateTemplateID), ui.Mono(h.FailingTemplateID), ui.Soft(h.RequiredMetric),
			ui.Sign{Mark: ui.DecisionMark(decisionWord(h.PromotionStatus)), Word: statusWords(h.PromotionStatus)}, ui.Time{At: h.ChangedAt}}})
	}
	if len(list) == 0 {
		table.Empty = ui.Empty{Bare: true, Title: "No handoffs", Why: "An incident's one button opens a handoff; so does POST /v1/handoffs."}
	}
	sub := ui.CountOf(open, "handoff") + " open of " + ui.Count(len(list)) + ". Promotion is refused to every client that asks until evidence and two people open the gate."
	return s.page(c, ui.Page{Title: "Handoffs", Nav: "handoffs"}, handoffsList(sub, table))
}

// decisionWord is the word of a status in the product's vocabulary of
// decisions.
func decisionWord(status eval.Status) string {
	switch status {
	case eval.Blocked:
		return "blocked"
	case eval.UnderReview:
		return "violation_under_review"
	case eval.Undecided:
		return "inconclusive"
	case eval.Ready:
		return "ready"
	}
	return strings.ToLower(string(status))
}

func statusWords(status eval.Status) string {
	return strings.ReplaceAll(decisionWord(status), "_", " ")
}
