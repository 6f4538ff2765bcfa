package web

import (
	"strconv"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// importPage takes labels that were made elsewhere.
type importPage struct {
	Head     ui.Head
	Format   string
	Dry      bool
	Trouble  string
	Done     *ui.Banner
	Rejected ui.Table
}

func importHead() ui.Head {
	return ui.Head{Crumbs: []ui.Link{{Text: "Datasets", URL: "/datasets"}}, Title: "Import labels", Sub: "From a file: our own export, Label Studio's or Argilla's."}
}

func (s *site) importShow(c *fiber.Ctx) error {
	return s.page(c, ui.Page{Title: "Import labels", Nav: "datasets"}, importPage{Head: importHead(), Dry: true}.draw())
}

func (s *site) importSubmit(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		Format string `form:"format"`
		Dry    bool   `form:"dry_run"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	p := importPage{Head: importHead(), Format: in.Format, Dry: in.Dry}
	header, err := c.FormFile("file")
	if err != nil {
		p.Trouble = "Choose a file first."
		c.Status(fiber.StatusBadRequest)
		return s.page(c, ui.Page{Title: "Import labels", Nav: "datasets"}, p.draw())
	}
	file, err := header.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	done, err := labels.ImportFile(c.UserContext(), actorOf(c), file, labeling.ImportOptions{Format: in.Format, Dry: in.Dry})
	switch {
	case fault.Of(err) == fault.Invalid:
		p.Trouble = fault.Words(err)
		c.Status(fiber.StatusBadRequest)
	case err != nil:
		return err
	}
	if done.Lines > 0 {
		p.Done, p.Rejected = importWords(done), rejectedTable(done)
	}
	return s.page(c, ui.Page{Title: "Import labels", Nav: "datasets"}, p.draw())
}

func importWords(done labeling.Imported) *ui.Banner {
	banner := &ui.Banner{Tone: ui.Ok, Fact: ui.CountOf(done.Imported, "label") + " imported."}
	if done.Dry {
		banner.Fact = "A dry run: " + ui.CountOf(done.Imported, "label") + " would be imported."
	}
	if len(done.Rejected) > 0 {
		banner.Tone = ui.Mid
	}
	banner.Consequence = ui.CountOf(done.Lines, "line") + " read, " + ui.Count(done.Duplicate) + " were here already, " +
		ui.Count(done.Unlabeled) + " have no label, " + ui.Count(len(done.Rejected)) + " refused."
	if done.Duplicate > 0 {
		banner.Consequence += " A line is here already when the same labeler gave the same response the same label: it changes nothing, so a file may be sent again."
	}
	return banner
}

func rejectedTable(done labeling.Imported) ui.Table {
	t := ui.Table{Caption: "Refused", Columns: []ui.Column{{Label: "Line", Right: true}, {Label: "Why", Wide: true}}}
	for _, r := range done.Rejected[:min(len(done.Rejected), 200)] {
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{ui.Text(strconv.Itoa(r.Line)), ui.Text(r.Error)}})
	}
	return t
}
