package web

import (
	"fmt"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// guidesPage lists the guides, one per task class.
type guidesPage struct{ Table ui.Table }

func (s *site) guidesShow(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	guides, err := labels.Guides(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: "Guides", Nav: "queues"}, buildGuides(guides).draw())
}

func buildGuides(guides []labeling.Guide) guidesPage {
	table := ui.Table{
		ID: "guides", Caption: "Guides", Loose: true,
		Columns: []ui.Column{{Label: "Guide"}, {Label: "Rule", Wide: true}, {Label: "Version", Right: true}, {Label: "By"}, {Label: "Since", Right: true}},
		Empty:   ui.Empty{Title: "No guide yet", Why: "A guide comes with the first response of its task class.", Bare: true},
		Foot:    &ui.Foot{Shown: ui.CountOf(len(guides), "guide"), Hints: len(guides) > 0},
	}
	for _, g := range guides {
		address := "/guides/" + pathPart(g.TaskClass)
		table.Rows = append(table.Rows, ui.Row{URL: address, Cells: []templ.Component{
			queueName{g.Title, taskClassWords(g.TaskClass), address}, ruleText(g.Rule), ui.Text(fmt.Sprint(g.Version)), ui.Text(g.Author), ui.Time{At: g.CreatedAt},
		}})
	}
	return guidesPage{table}
}

// guidePage is a guide in one version, with what changed in each.
type guidePage struct {
	Head     ui.Head
	Text     guideText
	Cases    []workedCase
	Versions ui.Feed
	Edit     *guideEdit
}

// guideEdit is the form for the next version.
type guideEdit struct {
	Action                    string
	Rule, Body, Cases, Change ui.Field
	Trouble                   *ui.Banner
}

func (s *site) guideShow(c *fiber.Ctx) error { return s.guidePage(c, nil, labeling.Guide{}) }

// guidePage shows the guide; after a refusal with what was written and why it
// was refused.
func (s *site) guidePage(c *fiber.Ctx, trouble error, written labeling.Guide) error {
	page, err := s.guideOf(c)
	if err != nil {
		return err
	}
	if trouble != nil && page.Edit != nil {
		page.Edit.Trouble = &ui.Banner{Tone: ui.Mid, Fact: "The guide was not changed.", Consequence: fault.Words(trouble), Alert: true}
		page.Edit.Rule.Value, page.Edit.Body.Value, page.Edit.Cases.Value, page.Edit.Change.Value = written.Rule, written.Body, written.Cases, written.Change
	}
	return s.page(c, ui.Page{Title: page.Head.Title, Nav: "queues", Back: &ui.Link{Text: "Guides", URL: "/guides"}}, page.draw())
}

func (s *site) guideOf(c *fiber.Ctx) (guidePage, error) {
	labels, err := s.labels()
	if err != nil {
		return guidePage{}, err
	}
	versions, err := labels.GuideVersions(c.UserContext(), actorOf(c), param(c, "task"))
	if err != nil {
		return guidePage{}, err
	}
	if len(versions) == 0 {
		return guidePage{}, fmt.Errorf("guide: %w", fault.NotFound)
	}
	return buildGuide(versions, actorOf(c).May(auth.Configure)), nil
}

func buildGuide(versions []labeling.Guide, edits bool) guidePage {
	newest := versions[0]
	p := guidePage{
		Head: ui.Head{
			Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}, {Text: "Guides", URL: "/guides"}}, Title: newest.Title,
			Sub: fmt.Sprintf("%s, guide %d by %s. Labels name the version they are given under.", taskClassWords(newest.TaskClass), newest.Version, newest.Author),
		},
		Text: buildGuideText(newest), Cases: buildCases(newest),
	}
	for _, g := range versions {
		note := g.Change
		if note == "" {
			note = "First version."
		}
		did := templ.Component(ui.Text(fmt.Sprintf("wrote guide %d", g.Version)))
		if g.Version > 1 {
			did = ui.Words(did, ", ", ui.Link{Text: "what changed", URL: fmt.Sprintf("/guides/%s/changes?version=%d", pathPart(g.TaskClass), g.Version)})
		}
		p.Versions.Items = append(p.Versions.Items, ui.FeedItem{Icon: ui.IconBook, Who: g.Author, Did: did, At: ui.Time{At: g.CreatedAt}, Note: note})
	}
	if edits {
		p.Edit = &guideEdit{
			Action: "/guides/" + pathPart(newest.TaskClass),
			Rule:   ui.Field{Label: "Rule", Name: "rule", Rows: 3, Value: newest.Rule, Required: true, Hint: "Stands above the choices. Write label names between stars."},
			Body:   ui.Field{Label: "Text", Name: "body", Rows: 24, Mono: true, Value: newest.Body, Required: true, Hint: "Paragraphs, ## headings, - lists, **bold**."},
			Cases:  ui.Field{Label: "Borderline cases", Name: "cases", Rows: 16, Mono: true, Value: newest.Cases, Hint: "Each begins with ## and a title, then Asked:, Given:, Answered:, Label: and Why:. New labelers practise them."},
			Change: ui.Field{Label: "What changes", Name: "change", Rows: 2, Required: true, Hint: "Labelers read this sentence first."},
		}
	}
	return p
}

func (s *site) guideRevise(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var form struct {
		Rule   string `form:"rule"`
		Body   string `form:"body"`
		Cases  string `form:"cases"`
		Change string `form:"change"`
	}
	if err := readForm(c, &form); err != nil {
		return err
	}
	ctx, actor, task := c.UserContext(), actorOf(c), param(c, "task")
	before, err := labels.GuideOf(ctx, actor, task)
	if err != nil {
		return err
	}
	written := labeling.Guide{TaskClass: task, Title: before.Title, Rule: form.Rule, Body: form.Body, Cases: form.Cases, Change: form.Change}
	guide, err := labels.ReviseGuide(ctx, actor, written)
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.Conflict {
		c.Status(fiber.StatusBadRequest)
		return s.guidePage(c, err, written)
	}
	if err != nil {
		return err
	}
	s.say(c, fmt.Sprintf("Guide %d stands. Labels from now on name it.", guide.Version))
	return s.see(c, "/guides/"+pathPart(task))
}

// workedCase is a borderline case with its answer.
type workedCase struct {
	Title    string
	Asked    string
	Given    string
	Answered string
	Sign     templ.Component
	Why      string
}

func buildCases(g labeling.Guide) []workedCase {
	var cases []workedCase
	for _, c := range g.WorkedCases() {
		cases = append(cases, workedCase{Title: c.Title, Asked: c.Asked, Given: c.Given, Answered: c.Answered, Sign: labelSign(c.Label), Why: c.Why})
	}
	return cases
}

// guideChangesPage shows what a version of a guide changed.
type guideChangesPage struct {
	Head  ui.Head
	Parts []guideChange
	Empty ui.Empty
}

type guideChange struct {
	Title string
	Note  string
	Diff  ui.Diff
}

func (s *site) guideChanges(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		Version int `query:"version"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	versions, err := labels.GuideVersions(c.UserContext(), actorOf(c), param(c, "task"))
	if err != nil {
		return err
	}
	var before, after *labeling.Guide
	for i := range versions {
		switch versions[i].Version {
		case in.Version:
			after = &versions[i]
		case in.Version - 1:
			before = &versions[i]
		}
	}
	if before == nil || after == nil {
		return fmt.Errorf("changes of guide version %d: %w", in.Version, fault.NotFound)
	}
	page := buildGuideChanges(*before, *after)
	return s.page(c, ui.Page{Title: page.Head.Title, Nav: "queues", Back: &ui.Link{Text: after.Title, URL: "/guides/" + pathPart(after.TaskClass)}}, page.draw())
}

func buildGuideChanges(before, after labeling.Guide) guideChangesPage {
	p := guideChangesPage{
		Head: ui.Head{
			Crumbs: []ui.Link{{Text: "Guides", URL: "/guides"}, {Text: after.Title, URL: "/guides/" + pathPart(after.TaskClass)}},
			Title:  fmt.Sprintf("Guide %d", after.Version), Sub: after.Change,
		},
		Empty: ui.Empty{Title: "The text is the same", Why: "This version was made without a change to its words."},
	}
	for _, part := range []struct{ title, before, after string }{
		{"Rule", before.Rule, after.Rule}, {"Text", before.Body, after.Body}, {"Borderline cases", before.Cases, after.Cases},
	} {
		if part.before == part.after {
			continue
		}
		diff := ui.DiffOf(part.before, part.after, 3)
		p.Parts = append(p.Parts, guideChange{Title: part.title, Note: diff.Changes(), Diff: diff})
	}
	return p
}
