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
	Versions ui.Feed
	Edit     *guideEdit
}

// guideEdit is the form for the next version.
type guideEdit struct {
	Action             string
	Rule, Body, Change ui.Field
}

func (s *site) guideShow(c *fiber.Ctx) error {
	page, err := s.guideOf(c)
	if err != nil {
		return err
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
		Text: buildGuideText(newest),
	}
	for _, g := range versions {
		note := g.Change
		if note == "" {
			note = "First version."
		}
		p.Versions.Items = append(p.Versions.Items, ui.FeedItem{Icon: ui.IconBook, Who: g.Author, Did: ui.Text(fmt.Sprintf("wrote guide %d", g.Version)), At: ui.Time{At: g.CreatedAt}, Note: note})
	}
	if edits {
		p.Edit = &guideEdit{
			Action: "/guides/" + pathPart(newest.TaskClass),
			Rule:   ui.Field{Label: "Rule", Name: "rule", Rows: 3, Value: newest.Rule, Required: true, Hint: "Stands above the choices. Write label names between stars."},
			Body:   ui.Field{Label: "Text", Name: "body", Rows: 24, Mono: true, Value: newest.Body, Required: true, Hint: "Paragraphs, ## headings, - lists, **bold**."},
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
	guide, err := labels.ReviseGuide(ctx, actor, labeling.Guide{TaskClass: task, Title: before.Title, Rule: form.Rule, Body: form.Body, Change: form.Change})
	if err != nil {
		return err
	}
	s.say(c, fmt.Sprintf("Guide %d stands. Labels from now on name it.", guide.Version))
	return s.see(c, "/guides/"+pathPart(task))
}
