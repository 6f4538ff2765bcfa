package web

import (
	"context"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// datasetsPage lists the frozen selections and makes new ones.
type datasetsPage struct {
	Head  ui.Head
	Table ui.Table
	Form  *datasetForm // nil: not this reader's to make
	Live  string       // address asked again while something is being frozen
}

// datasetForm says what a new version takes.
type datasetForm struct {
	Title     string `form:"title" query:"title"`
	Queue     string `form:"queue" query:"queue"`
	Task      string `form:"task_class" query:"task_class"`
	Label     string `form:"label" query:"label"`
	From      string `form:"from" query:"from"`
	To        string `form:"to" query:"to"`
	Consensus bool   `form:"consensus_only" query:"consensus_only"`
	Rates     bool   `form:"rates_only" query:"rates_only"`

	Queues []ui.Option
	Wrong  string
}

func (f datasetForm) filter() (labeling.DatasetFilter, error) {
	filter := labeling.DatasetFilter{Queue: f.Queue, TaskClass: f.Task, Label: f.Label, ConsensusOnly: f.Consensus, RatesOnly: f.Rates}
	for _, bound := range []struct {
		text string
		at   *time.Time
	}{{f.From, &filter.From}, {f.To, &filter.To}} {
		if bound.text == "" {
			continue
		}
		at, err := instant(bound.text)
		if err != nil {
			return filter, err
		}
		*bound.at = at
	}
	return filter, nil
}

func (s *site) datasetsShow(c *fiber.Ctx) error {
	var in datasetForm
	if err := readQuery(c, &in); err != nil {
		return err
	}
	return s.datasetsPage(c, in)
}

func (s *site) datasetsPage(c *fiber.Ctx, form datasetForm) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	list, err := labels.Datasets(ctx, actor)
	if err != nil {
		return err
	}
	p := buildDatasets(list)
	if actor.May(auth.Configure) {
		queues, err := labels.Queues(ctx, actor)
		if err != nil {
			return err
		}
		form.Queues = []ui.Option{{Value: "", Label: "Every queue"}}
		for _, q := range queues {
			form.Queues = append(form.Queues, ui.Option{Value: q.Slug, Label: q.Title})
		}
		p.Form = &form
	}
	if actor.May(auth.ImportLabels) {
		p.Head.Actions = []templ.Component{ui.Button{Label: "Import labels", URL: "/datasets/import"}}
	}
	return s.page(c, ui.Page{Title: "Datasets", Nav: "datasets"}, p.draw())
}

func buildDatasets(list []labeling.Dataset) datasetsPage {
	p := datasetsPage{
		Head: ui.Head{Title: "Datasets", Sub: "Frozen selections of labels, each version with the hash of what is inside."},
		Table: ui.Table{Caption: "Datasets", Columns: []ui.Column{{Label: "Name", Wide: true}, {Label: "Version", Right: true}, {Label: "Labels", Right: true},
			{Label: "Items", Right: true}, {Label: "Content hash"}, {Label: "Frozen"}, {Label: "By"}},
			Empty: ui.Empty{Bare: true, Title: "No dataset yet", Why: "An engineer freezes one from a queue, a window or a label; labels given later go into its next version."}},
	}
	for _, d := range list {
		address := "/datasets/" + pathPart(d.Slug)
		p.Table.Rows = append(p.Table.Rows, ui.Row{URL: address, Cells: []templ.Component{
			ui.Link{Text: d.Title, URL: address, Plain: true}, ui.Text(ui.Count(d.Newest.Version)), ui.Text(ui.Count(d.Newest.Total)),
			ui.Text(ui.Count(d.Newest.Items)), hashCell(d.Newest), frozenCell(d.Newest), ui.Text(d.Newest.CreatedBy)}})
		if d.Newest.State == "freezing" {
			p.Live = "/datasets"
		}
	}
	return p
}

func hashCell(v labeling.DatasetVersion) templ.Component {
	if v.State != "frozen" {
		return ui.Dim("not yet")
	}
	return ui.Copy{Value: v.Hash(), Shown: ui.ShortHash(v.Hash()), Name: "content hash"}
}

func frozenCell(v labeling.DatasetVersion) templ.Component {
	switch {
	case v.State == "failed":
		return ui.Toned(ui.Bad, "failed")
	case v.FrozenAt == nil:
		return ui.Dim(ui.OutOf(int(v.Done), int(v.Total)) + " frozen")
	}
	return ui.Time{At: *v.FrozenAt}
}

func (s *site) datasetFreeze(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in datasetForm
	if err := readForm(c, &in); err != nil {
		return err
	}
	filter, err := in.filter()
	var made labeling.Dataset
	if err == nil {
		made, err = labels.Freeze(c.UserContext(), actorOf(c), in.Title, filter)
	}
	switch fault.Of(err) {
	case fault.Invalid, fault.Conflict, fault.NotFound:
		in.Wrong = fault.Words(err)
		c.Status(status[fault.Of(err)])
		return s.datasetsPage(c, in)
	}
	if err != nil {
		return err
	}
	return s.see(c, "/datasets/"+pathPart(made.Slug))
}

// datasetPage is one dataset: its versions, what is inside the one that is
// looked at, and its files.
type datasetPage struct {
	Head     ui.Head
	Versions ui.Table
	Inside   ui.Table
	Facts    []ui.Fact
	Progress *ui.Progress
	Exports  ui.Table
	Writing  bool // a file is being written
	Export   string
	Formats  []ui.Option
	Again    string // address of the form, filled as this version was
	Address  string
	Shown    int // the version that is looked at
	Verified *ui.Banner
	Failed   *ui.Banner // of the version that is looked at
	Retry    bool       // this reader may have it tried again
}

func (s *site) datasetShow(c *fiber.Ctx) error { return s.datasetPage(c, nil) }

func (s *site) datasetPage(c *fiber.Ctx, verified *ui.Banner) error {
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
	ctx, actor := c.UserContext(), actorOf(c)
	d, versions, err := labels.Dataset(ctx, actor, param(c, "dataset"))
	if err != nil {
		return err
	}
	shown := versions[0]
	for _, v := range versions {
		if v.Version == in.Version {
			shown = v
		}
	}
	inside, err := labels.Inside(ctx, actor, shown.ID)
	if err != nil {
		return err
	}
	var files []labeling.ExportFile
	if actor.May(auth.ExportLabels) {
		if files, err = labels.Exports(ctx, actor, d.ID); err != nil {
			return err
		}
	}
	p := buildDataset(d, versions, shown, inside, files, s.now())
	p.Verified = verified
	p.Retry = shown.State == "failed" && actor.May(auth.Configure)
	if !actor.May(auth.ExportLabels) || shown.State != "frozen" {
		p.Export = ""
	}
	return s.page(c, ui.Page{Title: d.Title, Nav: "datasets"}, p.draw())
}

func buildDataset(d labeling.Dataset, versions []labeling.DatasetVersion, shown labeling.DatasetVersion, inside []labeling.Inside, files []labeling.ExportFile, now time.Time) datasetPage {
	address := "/datasets/" + pathPart(d.Slug)
	p := datasetPage{
		Address: address, Export: address + "/exports", Shown: shown.Version,
		Head: ui.Head{Crumbs: []ui.Link{{Text: "Datasets", URL: "/datasets"}}, Title: d.Title, Sub: "Version " + ui.Count(shown.Version) + ", " + ui.CountOf(shown.Total, "label") + " of " + ui.CountOf(shown.Items, "item")},
		Formats: []ui.Option{{Value: "jsonl", Label: "JSON Lines"}, {Value: "csv", Label: "CSV, safe to open"}, {Value: "parquet", Label: "Parquet"},
			{Value: "label-studio", Label: "Label Studio, JSON"}, {Value: "argilla", Label: "Argilla, JSON"}, {Value: "records", Label: "Records: its SHA-256 is the content hash"}},
		Again: "/datasets?" + againQuery(d, shown).Encode() + "#freeze",
	}
	p.Facts = []ui.Fact{{Term: "Content hash", Value: hashCell(shown)}, {Term: "Frozen", Value: frozenCell(shown)}, {Term: "By", Value: ui.Text(shown.CreatedBy)},
		{Term: "Takes", Value: ui.Text(filterWords(shown.Filter))}}
	if shown.State == "freezing" {
		p.Progress = &ui.Progress{ID: "freezing", Title: "Freezing version " + strconv.Itoa(shown.Version), Done: int(shown.Done), Total: int(shown.Total),
			Says: ui.OutOf(int(shown.Done), int(shown.Total)) + " labels", Poll: address}
	}
	if shown.State == "failed" {
		p.Failed = &ui.Banner{Tone: ui.Bad, Fact: "Version " + strconv.Itoa(shown.Version) + " could not be frozen: " + shown.FailedWhy, Consequence: "Nothing of it was kept."}
	}
	p.Versions = ui.Table{Caption: "Versions", Columns: []ui.Column{{Label: "Version"}, {Label: "Labels", Right: true}, {Label: "Items", Right: true}, {Label: "Content hash"}, {Label: "Frozen"}, {Label: "By"}}}
	for _, v := range versions {
		link := address + "?version=" + strconv.Itoa(v.Version)
		p.Versions.Rows = append(p.Versions.Rows, ui.Row{URL: link, Current: v.ID == shown.ID, Cells: []templ.Component{
			ui.Link{Text: "Version " + strconv.Itoa(v.Version), URL: link, Plain: true}, ui.Text(ui.Count(v.Total)), ui.Text(ui.Count(v.Items)), hashCell(v), frozenCell(v), ui.Text(v.CreatedBy)}})
	}
	p.Inside = ui.Table{Caption: "What is inside", Columns: []ui.Column{{Label: "Task class"}, {Label: "Label", Wide: true}, {Label: "Labels", Right: true}, {Label: "Items", Right: true}},
		Empty: ui.Empty{Bare: true, Title: "Nothing is frozen yet", Why: "The job has just begun."}}
	for i, row := range inside {
		class := ui.Again(taskClassWords(row.TaskClass))
		if i == 0 || inside[i-1].TaskClass != row.TaskClass {
			class = ui.Bold(taskClassWords(row.TaskClass))
		}
		p.Inside.Rows = append(p.Inside.Rows, ui.Row{Cells: []templ.Component{class, ui.Sign{Mark: ui.MarkOf(row.Label), Word: labelWords(row.Label)}, ui.Text(ui.Count(row.Labels)), ui.Text(ui.Count(row.Items))}})
	}
	p.Exports = ui.Table{Caption: "Files", Columns: []ui.Column{{Label: "File", Wide: true}, {Label: "Size", Right: true}, {Label: "SHA-256"}, {Label: "Asked for"}, {Label: "Link works until"}},
		Empty: ui.Empty{Bare: true, Title: "No file yet", Why: "Choose a format; a job writes it, and the link works for seven days."}}
	for _, f := range files {
		p.Exports.Rows = append(p.Exports.Rows, exportRow(f, now))
		p.Writing = p.Writing || f.State == "waiting" && now.Before(f.ExpiresAt)
	}
	return p
}

func exportRow(f labeling.ExportFile, now time.Time) ui.Row {
	name := templ.Component(ui.Text(f.Name()))
	size, hash, until := ui.Dim("–"), ui.Dim("–"), templ.Component(ui.Time{At: f.ExpiresAt})
	switch {
	case f.State == "withdrawn":
		name, until = ui.Words(f.Name(), " ", ui.Dim("withdrawn: a text in it was erased or is over")), ui.Dim("over")
	case f.State == "expired" || now.After(f.ExpiresAt):
		name, until = ui.Words(f.Name(), " ", ui.Dim("expired")), ui.Dim("over")
	case f.State == "failed":
		name = ui.Words(f.Name(), " ", ui.Toned(ui.Bad, "failed: "+f.FailedWhy), " ", exportAgain{strconv.FormatInt(f.ID, 10)})
	case f.State == "waiting":
		name = ui.Words(f.Name(), " ", ui.Progress{Title: "Writing", Done: int(f.Done), Total: int(f.Total), Says: ui.OutOf(int(f.Done), int(f.Total)) + " labels"})
	case f.State == "done":
		name = ui.Link{Text: f.Name(), URL: "/datasets/exports/" + strconv.FormatInt(f.ID, 10)}
		size, hash = ui.Text(bytesWords(f.Bytes)), ui.Words(ui.Copy{Value: f.Hash(), Shown: ui.ShortHash(f.Hash()), Name: "SHA-256 of the file"})
	}
	return ui.Row{Cells: []templ.Component{name, size, hash, ui.Words(ui.Time{At: f.CreatedAt}, ", "+f.RequestedBy), until}}
}

func bytesWords(n int64) string {
	switch {
	case n >= 1<<20:
		return ui.Number(float64(n)/(1<<20), 1) + " MB"
	case n >= 1<<10:
		return ui.Number(float64(n)/(1<<10), 1) + " KB"
	}
	return ui.Count(n) + " B"
}

// againQuery fills the form as a version was made.
func againQuery(d labeling.Dataset, v labeling.DatasetVersion) url.Values {
	q := url.Values{"title": {d.Title}}
	for name, value := range map[string]string{"queue": v.Filter.Queue, "task_class": v.Filter.TaskClass, "label": v.Filter.Label} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"from": v.Filter.From, "to": v.Filter.To} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339))
		}
	}
	for name, on := range map[string]bool{"consensus_only": v.Filter.ConsensusOnly, "rates_only": v.Filter.RatesOnly} {
		if on {
			q.Set(name, "on")
		}
	}
	return q
}

func filterWords(f labeling.DatasetFilter) string {
	words := "every standing label"
	if f.ConsensusOnly {
		words = "one label an item, as its consensus"
	}
	if f.Label != "" {
		words += ", only " + labelWords(f.Label)
	}
	if f.Queue != "" {
		words += ", of queue " + f.Queue
	}
	if f.TaskClass != "" {
		words += ", of " + taskClassWords(f.TaskClass)
	}
	if !f.From.IsZero() {
		words += ", from " + f.From.UTC().Format("2 Jan 2006 15:04")
	}
	if !f.To.IsZero() {
		words += ", to " + f.To.UTC().Format("2 Jan 2006 15:04")
	}
	if f.RatesOnly {
		words += ", that count for rates"
	}
	return words
}

func (s *site) datasetExport(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		Version int    `form:"version"`
		Format  string `form:"format"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	d, versions, err := labels.Dataset(ctx, actor, param(c, "dataset"))
	if err != nil {
		return err
	}
	for _, v := range versions {
		if in.Version == v.Version {
			if _, err := labels.RequestExport(ctx, actor, v.ID, in.Format); err != nil {
				return err
			}
			return s.see(c, "/datasets/"+pathPart(d.Slug)+"?version="+strconv.Itoa(v.Version)+"#files")
		}
	}
	return errNoVersion
}

// exportAgain is the button that has a file written again.
type exportAgain struct{ ID string }

// Render draws the button.
func (e exportAgain) Render(ctx context.Context, w io.Writer) error { return e.draw().Render(ctx, w) }

func (s *site) datasetRetry(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		Version int `form:"version"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	d, versions, err := labels.Dataset(ctx, actor, param(c, "dataset"))
	if err != nil {
		return err
	}
	for _, v := range versions {
		if in.Version == v.Version {
			if err := labels.RetryVersion(ctx, actor, v.ID); err != nil {
				return err
			}
			return s.see(c, "/datasets/"+pathPart(d.Slug)+"?version="+strconv.Itoa(v.Version))
		}
	}
	return errNoVersion
}

func (s *site) exportRetry(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "export")
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	if err := labels.RetryExport(ctx, actor, id); err != nil {
		return err
	}
	file, err := labels.ExportFile(ctx, actor, id)
	if err != nil {
		return err
	}
	return s.see(c, "/datasets/"+pathPart(file.Dataset)+"?version="+strconv.Itoa(file.Version)+"#files")
}

func (s *site) datasetVerify(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	d, _, err := labels.Dataset(ctx, actor, param(c, "dataset"))
	if err != nil {
		return err
	}
	holds, err := labels.VerifyVersion(ctx, actor, d.Newest.ID)
	if err != nil {
		return err
	}
	banner := &ui.Banner{Tone: ui.Bad, Fact: "The rows are not those that were frozen.", Consequence: "Their hash differs from the one kept with version " + strconv.Itoa(d.Newest.Version) + ". Use no file made since, and look in the audit.", Alert: true}
	if holds {
		banner = &ui.Banner{Tone: ui.Ok, Mark: ui.MarkPass, Fact: "The hash holds.", Consequence: "All " + ui.CountOf(d.Newest.Total, "label") + " of version " + strconv.Itoa(d.Newest.Version) + " are as they were frozen."}
	}
	return s.datasetPage(c, banner)
}

// exportDownload gives a file's bytes; the opening is in the audit.
func (s *site) exportDownload(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "export")
	if err != nil {
		return err
	}
	file, write, err := labels.OpenExport(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	return s.download(c, file.Name(), exportTypes[file.Format], write)
}

var exportTypes = map[string]string{"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet",
	"label-studio": "application/json", "argilla": "application/json", "records": "application/x-ndjson"}

func (p datasetPage) version() string { return strconv.Itoa(p.Shown) }

// filesURL is asked again while a file is being written.
func (p datasetPage) filesURL() string {
	if !p.Writing {
		return ""
	}
	return p.Address + "?version=" + p.version()
}

var errNoVersion = fault.Say(fault.NotFound, "This dataset has no such version.")
