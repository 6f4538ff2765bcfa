package web

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// casesPage lists the responses behind one cell of a validator against people.
type casesPage struct {
	Head  ui.Head
	Table ui.Table
}

const casesShown = 200

// casesURL is where the responses of a cell are listed.
func casesURL(validator, version, verdict, label string) string {
	return "/validators/" + pathPart(validator) + "/cases?" + url.Values{"version": {version}, "verdict": {verdict}, "label": {label}}.Encode()
}

func (s *site) casesShow(c *fiber.Ctx) error {
	var q struct {
		Version string `query:"version"`
		Verdict string `query:"verdict"`
		Label   string `query:"label"`
	}
	if err := readQuery(c, &q); err != nil {
		return err
	}
	if !slices.Contains(verdicts, q.Verdict) || !slices.Contains([]string{"hallucinated", "partially_correct", "correct", "cannot_tell"}, q.Label) {
		return fault.Say(fault.Invalid, "A cell has a verdict (pass, fail, inconclusive) and a label (hallucinated, partially_correct, correct, cannot_tell).")
	}
	if s.Labeling == nil {
		return fault.Say(fault.Unavailable, "Labels cannot be read now.")
	}
	from, to := s.againstWindow()
	name := param(c, "validator")
	list, err := s.Labeling.AgainstCases(c.UserContext(), actorOf(c), from, to, name, q.Version, q.Verdict, q.Label, casesShown)
	if err != nil {
		return err
	}
	p := buildAgainstCases(name, q.Version, q.Verdict, q.Label, list)
	return s.page(c, ui.Page{Title: name, Nav: "validators"}, p.draw())
}

func buildAgainstCases(name, version, verdict, label string, list []labeling.AgainstCase) casesPage {
	p := casesPage{Head: ui.Head{Crumbs: []ui.Link{{Text: "Validators", URL: "/validators"}, {Text: name, URL: "/validators/" + pathPart(name)}},
		Title: "Said " + verdict + ", people say " + strings.ReplaceAll(label, "_", " "), Beside: []templ.Component{ui.Mono(shortVersion(version))},
		Sub: fmt.Sprintf("Responses of the last %d days, newest first.", againstDays)}}
	p.Table = ui.Table{Caption: "Responses", Bare: true, Columns: []ui.Column{{Label: "Session"}, {Label: "Task class"}, {Label: "The validator says", Wide: true}, {Label: "Judged"}},
		Empty: ui.Empty{Bare: true, Title: "No response", Why: "Nothing of the last 30 days has this verdict of this version and this label."},
		Foot:  &ui.Foot{Shown: ui.CountOf(len(list), "response")}}
	for _, r := range list {
		session := "/sessions/" + pathPart(r.SessionID)
		says := r.Message
		if says == "" {
			says = strings.ReplaceAll(r.Reason, "_", " ")
		}
		p.Table.Rows = append(p.Table.Rows, ui.Row{URL: session, Cells: []templ.Component{ui.Link{Text: shortSession(r.SessionID), URL: session, Mono: true, Plain: true},
			ui.Text(r.TaskClass), ui.Text(says), ui.Time{At: r.At}}})
	}
	return p
}
