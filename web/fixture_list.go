package web

import (
	"io"
	"slices"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/validators"
	"assay/validators/fixture"
	"assay/web/ui"
)

// fixturesPage lists what responses may name as their schema or workbook, and
// takes a new version of one.
type fixturesPage struct {
	Sub   string
	Table ui.Table
	Form  *fixtureForm // nil: the reader may not add one
}

type fixtureForm struct {
	Name, About, Dialect string
	Error                string
}

func (s *site) fixturesShow(c *fiber.Ctx) error { return s.fixturesPage(c, fixtureForm{}) }

func (s *site) fixturesPage(c *fiber.Ctx, form fixtureForm) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	list, err := store.Fixtures(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	p := buildFixtures(list)
	if actorOf(c).May(auth.Configure) {
		p.Form = &form
	}
	return s.page(c, ui.Page{Title: "Fixtures", Nav: "validators"}, p.draw())
}

func buildFixtures(list []validators.Fixture) fixturesPage {
	p := fixturesPage{Sub: ui.CountOf(len(list), "fixture") + ". A response names one, “shop” or “shop@3”, instead of carrying its tables or cells.",
		Table: ui.Table{Caption: "Fixtures", Bare: true, Columns: []ui.Column{{Label: "Fixture"}, {Label: "Holds", Wide: true}, {Label: "Written for"}, {Label: "File", Right: true}, {Label: "Added by"}, {Label: "Added"}}}}
	for _, f := range list {
		url := fixtureURL(f.Name)
		p.Table.Rows = append(p.Table.Rows, ui.Row{URL: url, Cells: []templ.Component{
			ui.Words(ui.Link{Text: f.Name, URL: url, Plain: true}, " ", ui.Dim("version "+ui.Count(f.Version))),
			ui.Text(fixtureHolds(f)), ui.Text(writtenFor(f)), ui.Words(fileSize(f.Bytes)), ui.Text(f.AddedBy), ui.Time{At: f.AddedAt}}})
	}
	if len(list) == 0 {
		p.Table.Empty = ui.Empty{Bare: true, Title: "No fixtures yet", Why: "Add a schema with rows, a SQLite file, CSV or a workbook, and let responses name it."}
	}
	return p
}

func fixtureURL(name string) string { return "/fixtures/" + name }

// fixtureHolds is "4 tables: customers, invoices, orders and 1 more".
func fixtureHolds(f validators.Fixture) string {
	one, many := "table", "tables"
	if f.Kind == fixture.Workbook {
		one, many = "sheet", "sheets"
	}
	var names []string
	for _, part := range f.Outline {
		names = append(names, part.Name)
	}
	const shown = 4
	words := ui.CountOf(len(names), one, many) + ": " + strings.Join(names[:min(len(names), shown)], ", ")
	if more := len(names) - shown; more > 0 {
		words += " and " + ui.Count(more) + " more"
	}
	return words
}

// fileSize is "812 bytes" or "3.4 kB".
func fileSize(n int) string {
	switch {
	case n < 1_000:
		return ui.CountOf(n, "byte")
	case n < 1_000_000:
		return ui.Number(float64(n)/1_000, 1) + " kB"
	}
	return ui.Number(float64(n)/1_000_000, 1) + " MB"
}

var dialectNames = map[string]string{"sqlite": "SQLite", "postgres": "PostgreSQL", "duckdb": "DuckDB", "clickhouse": "ClickHouse"}

func writtenFor(f validators.Fixture) string {
	switch {
	case f.Kind == fixture.Workbook:
		return "formulas"
	case f.Dialect == "":
		return "any dialect"
	}
	return dialectNames[f.Dialect]
}

func dialectOptions() []ui.Option {
	var options []ui.Option
	for _, dialect := range validators.Dialects() {
		options = append(options, ui.Option{Value: dialect, Label: dialectNames[dialect]})
	}
	return options
}

// fixtureAdd takes an uploaded file as the next version of a fixture.
func (s *site) fixtureAdd(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	var in struct {
		Name    string `form:"name"`
		About   string `form:"about"`
		Dialect string `form:"dialect"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	file := validators.File{Fixture: strings.TrimSpace(in.Name), About: strings.TrimSpace(in.About), Dialect: in.Dialect}
	if file.Name, file.Bytes, err = sentBytes(c, "file"); err != nil {
		return err
	}
	added, err := store.AddFixture(c.UserContext(), actorOf(c), file)
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.Conflict {
		c.Status(status[kind])
		return s.fixturesPage(c, fixtureForm{Name: in.Name, About: in.About, Dialect: in.Dialect, Error: fault.Words(err)})
	}
	if err != nil {
		return err
	}
	s.say(c, "Version "+ui.Count(added.Version)+" of "+added.Name+" added.")
	return s.see(c, fixtureURL(added.Name))
}

// sentBytes is an uploaded file with the name it was sent under.
func sentBytes(c *fiber.Ctx, field string) (string, []byte, error) {
	header, err := c.FormFile(field)
	if err != nil {
		return "", nil, fault.Say(fault.Invalid, "Choose a file.")
	}
	file, err := header.Open()
	if err != nil {
		return "", nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	return header.Filename, content, err
}

// fixturePutAPI is PUT /v1/fixtures/{name}: the body is the file.
func (s *site) fixturePutAPI(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	var q struct {
		Format  string `query:"format"`
		Dialect string `query:"dialect"`
		About   string `query:"about"`
	}
	if err := readQuery(c, &q); err != nil {
		return err
	}
	added, err := store.AddFixture(c.UserContext(), actorOf(c), validators.File{Fixture: param(c, "fixture"), Format: q.Format, Dialect: q.Dialect, About: q.About,
		Bytes: slices.Clone(c.Request().Body())})
	if err != nil {
		return err
	}
	c.Status(fiber.StatusCreated)
	return c.JSON(fiber.Map{"name": added.Name, "version": added.Version, "kind": added.Kind, "hash": added.Hash, "holds": added.Outline})
}

var fixtureOperations = map[string]operation{
	"PUT /v1/fixtures/:fixture": {Summary: "The next version of a fixture: the body is the file. The content of the newest version again is 409.",
		Query: []parameter{{Name: "format", Words: "sql, sqlite, csv, zip or xlsx"}, {Name: "dialect", Words: "what a script is written for: sqlite (the usual), postgres, duckdb, clickhouse"}, {Name: "about", Words: "what it is"}},
		Body:  &content{Type: "application/octet-stream", Schema: `{"type":"string","format":"binary"}`},
		Answers: map[int]content{201: {Words: "kept", Schema: `{"type":"object","required":["name","version","kind","hash","holds"],"properties":{
			"name":{"type":"string"},"version":{"type":"integer"},"kind":{"enum":["tables","workbook"]},"hash":{"type":"string"},"holds":{"type":"array","items":{"type":"object"}}}}`}}},
}
