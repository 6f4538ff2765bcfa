package web

import (
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/validators"
	"assay/validators/fixture"
	"assay/web/ui"
)

// fixturePage is one fixture: what its newest version holds, and all its
// versions.
type fixturePage struct {
	Head     ui.Head
	Parts    ui.Table
	Versions ui.Table
	Source   ui.Code
	Beyond   string // what of the source is not shown
}

// fixtureShown is how much of a script or of cells is shown, in characters.
const fixtureShown = 6_000

func (s *site) fixtureShow(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	versions, content, err := store.Fixture(c.UserContext(), actorOf(c), param(c, "fixture"))
	if err != nil {
		return err
	}
	p := buildFixture(versions, content)
	return s.page(c, ui.Page{Title: versions[0].Name, Nav: "validators"}, p.draw())
}

func buildFixture(versions []validators.Fixture, content string) fixturePage {
	newest := versions[0]
	p := fixturePage{Head: ui.Head{Crumbs: []ui.Link{{Text: "Validators", URL: "/validators"}, {Text: "Fixtures", URL: "/fixtures"}}, Title: newest.Name,
		Sub: strings.TrimSpace(newest.About + " Version " + ui.Count(newest.Version) + ", for " + writtenFor(newest) + ".")}}
	p.Parts = partsTable(newest)
	language := "sql"
	if newest.Kind == fixture.Workbook {
		language = "json"
	}
	shown := cut(content, fixtureShown)
	p.Source = ui.Code{Text: shown, Tokens: ui.Tokens(language, shown), Well: true, Small: true}
	if len(shown) < len(content) {
		p.Beyond = "The first " + ui.Count(fixtureShown) + " characters of " + fileSize(len(content)) + "."
	}
	p.Versions = ui.Table{Caption: "Versions", Bare: true, Columns: []ui.Column{{Label: "Version"}, {Label: "Holds", Wide: true}, {Label: "File", Right: true}, {Label: "Added by"}, {Label: "Added"}, {Label: "Content"}}}
	for _, f := range versions {
		p.Versions.Rows = append(p.Versions.Rows, ui.Row{Cells: []templ.Component{ui.Mono(f.Name + "@" + ui.Count(f.Version)), ui.Text(fixtureHolds(f)),
			ui.Words(f.Format + ", " + fileSize(f.Bytes)), ui.Text(f.AddedBy), ui.Time{At: f.AddedAt}, ui.Copy{Value: f.Hash, Name: "Copy hash of version " + ui.Count(f.Version)}}})
	}
	return p
}

func partsTable(f validators.Fixture) ui.Table {
	t := ui.Table{Caption: "Tables", Bare: true, Columns: []ui.Column{{Label: "Table"}, {Label: "Columns", Wide: true}, {Label: "Rows", Right: true}}}
	if f.Kind == fixture.Workbook {
		t.Caption, t.Columns = "Sheets", []ui.Column{{Label: "Sheet"}, {Label: "Filled cells", Right: true}}
	}
	for _, part := range f.Outline {
		rows := "–"
		if part.Rows >= 0 {
			rows = ui.Count(part.Rows)
		}
		cells := []templ.Component{ui.Mono(part.Name), ui.Text(strings.Join(part.Columns, ", ")), ui.Words(rows)}
		if f.Kind == fixture.Workbook {
			cells = []templ.Component{ui.Text(part.Name), ui.Words(rows)}
		}
		t.Rows = append(t.Rows, ui.Row{Cells: cells})
	}
	return t
}
