package web

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// importsPage takes a file of labels that were made elsewhere, and lists those
// that came.
type importsPage struct {
	Head    ui.Head
	Format  string
	Trouble string
	Table   ui.Table
	Live    string
}

var importFormats = []ui.Option{{Value: "", Label: "As the file shows"}, {Value: "jsonl", Label: "JSON Lines"}, {Value: "csv", Label: "CSV, as exported"},
	{Value: "label-studio", Label: "Label Studio, JSON or JSON-MIN"}, {Value: "argilla", Label: "Argilla, JSON"}}

func (s *site) importsShow(c *fiber.Ctx) error { return s.importsPage(c, importsPage{}) }

func (s *site) importsPage(c *fiber.Ctx, p importsPage) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	list, err := labels.Imports(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	p.Head = ui.Head{Crumbs: []ui.Link{{Text: "Datasets", URL: "/datasets"}}, Title: "Import labels", Sub: "From a file: our own export, Label Studio's or Argilla's."}
	p.Table = importTable(list)
	if slices.ContainsFunc(list, underWay) {
		p.Live = "/datasets/import"
	}
	return s.page(c, ui.Page{Title: "Import labels", Nav: "datasets"}, p.draw())
}

func underWay(m labeling.Import) bool {
	return m.State == "checking" || m.State == "importing" || m.State == "withdrawing"
}

func importTable(list []labeling.Import) ui.Table {
	t := ui.Table{Caption: "Imports", Columns: []ui.Column{{Label: "File", Wide: true}, {Label: "Stands"}, {Label: "Labels", Right: true}, {Label: "Imported", Right: true},
		{Label: "Refused", Right: true}, {Label: "Came"}, {Label: "By"}},
		Empty: ui.Empty{Bare: true, Title: "No file yet", Why: "Choose one above. You see what would become of it before anything is written."}}
	for _, m := range list {
		address := importAddress(m)
		total, counts := ui.Dim("–"), m.State != "receiving" && m.State != "checking"
		if counts {
			total = ui.Text(ui.Count(m.Total))
		}
		t.Rows = append(t.Rows, ui.Row{URL: address, Cells: []templ.Component{
			ui.Link{Text: m.Name, URL: address, Plain: true}, ui.Text(importState(m)), total, ui.Text(ui.Count(m.Imported - m.Withdrawn)),
			ui.Text(ui.Count(m.Refused)), ui.Time{At: m.CreatedAt}, ui.Text(m.RequestedBy)}})
	}
	return t
}

func importAddress(m labeling.Import) string {
	return "/datasets/import/" + strconv.FormatInt(m.ID, 10)
}

func importState(m labeling.Import) string {
	switch m.State {
	case "receiving":
		return "still arriving"
	case "checking":
		return "being read"
	case "ready":
		return "waits for your word"
	case "importing":
		return ui.WholeShare(partOf(m.Done, m.Total))
	case "withdrawing":
		return "being withdrawn"
	}
	return m.State
}

func partOf(done, total int64) float64 {
	if total <= 0 {
		return 0
	}
	return float64(done) / float64(total)
}

// importSubmit takes a file in and has it checked.
func (s *site) importSubmit(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		Format string `form:"format"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	header, err := c.FormFile("file")
	if err != nil || header.Size == 0 {
		c.Status(fiber.StatusBadRequest)
		return s.importsPage(c, importsPage{Format: in.Format, Trouble: "Choose a file with something in it."})
	}
	file, err := header.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	ctx, actor := c.UserContext(), actorOf(c)
	m, err := labels.BeginImport(ctx, actor, header.Filename, in.Format)
	if err != nil {
		return err
	}
	body := make([]byte, importPart)
	for part := 0; ; part++ {
		n, err := io.ReadFull(file, body)
		if n > 0 {
			if err := labels.AddPart(ctx, actor, m.ID, part, body[:n]); err != nil {
				return err
			}
		}
		if err != nil { // the end: a part that is not full, or nothing
			break
		}
	}
	if err := labels.CheckImport(ctx, actor, m.ID, nil); err != nil {
		return err
	}
	return s.see(c, importAddress(m))
}

const importPart = 4 << 20

// importPage is one file on its way in.
type importPage struct {
	Head      ui.Head
	Address   string
	Live      string
	Banner    *ui.Banner
	Progress  *ui.Progress
	Acts      []importAct
	Stats     ui.Stats
	Labels    ui.Table
	Authors   ui.Table
	Refusals  ui.Table
	Answers   [][]answerField // in two columns
	More      string          // of answers that are not shown
	Report    string
	Withdraws string // address; "": there is nothing to take back
	Facts     []ui.Fact
}

// importAct is a form of one button.
type importAct struct {
	Action string
	Button ui.Button
}

// answerField asks what an answer of another tool means.
type answerField struct {
	Field, Value string
	Input        ui.Field
}

func (s *site) importShow(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "import")
	if err != nil {
		return err
	}
	m, err := labels.ImportOf(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: "Import " + m.Name, Nav: "datasets"}, buildImport(m).draw())
}

func buildImport(m labeling.Import) importPage {
	address := importAddress(m)
	p := importPage{Address: address,
		Head: ui.Head{Crumbs: []ui.Link{{Text: "Datasets", URL: "/datasets"}, {Text: "Import labels", URL: "/datasets/import"}}, Title: m.Name, Sub: importWords(m)}}
	if underWay(m) {
		p.Live = address
	}
	p.Facts = []ui.Fact{{Term: "Came", Value: ui.Words(ui.Time{At: m.CreatedAt}, ", "+m.RequestedBy)}, {Term: "Size", Value: ui.Text(bytesWords(m.Bytes))}}
	if m.Hash() != "" {
		p.Facts = append(p.Facts, ui.Fact{Term: "SHA-256", Value: ui.Copy{Value: m.Hash(), Shown: ui.ShortHash(m.Hash()), Name: "SHA-256 of the file"}})
	}
	p.stand(m)
	if m.Found != nil {
		p.find(m)
	}
	return p
}

func importWords(m labeling.Import) string {
	words := map[string]string{"": "", labeling.FormatLines: "JSON Lines", labeling.FormatCSV: "CSV", labeling.FormatLabelStudio: "Label Studio", labeling.FormatArgilla: "Argilla"}[m.Format]
	return strings.Trim(words+", "+importState(m), ", ")
}

// stand says where the import stands and what can be done.
func (p *importPage) stand(m labeling.Import) {
	act := func(verb, label string, style ui.ButtonStyle) {
		p.Acts = append(p.Acts, importAct{p.Address + "/" + verb, ui.Button{Label: label, Style: style, Submit: true}})
	}
	switch m.State {
	case "receiving":
		p.Banner = &ui.Banner{Fact: "The file is still arriving.", Consequence: bytesWords(m.Bytes) + " are here."}
		act("cancel", "Cancel", "")
	case "checking":
		p.Progress = &ui.Progress{Title: "Reading the file", Done: int(m.Done), Total: int(m.Total), Says: bytesWords(m.Done) + " of " + bytesWords(m.Total) + ". Nothing is written yet; you may leave.", Stop: p.Address + "/cancel"}
	case "ready":
		p.ready(m)
		if m.Found != nil && m.Found.Imported > 0 {
			act("agree", "Import "+ui.CountOf(m.Found.Imported, "label"), ui.Filled)
		}
		act("cancel", "Cancel", "")
	case "importing":
		p.Progress = &ui.Progress{Title: "Importing", Done: int(m.Done), Total: int(m.Total), Says: ui.OutOf(int(m.Done), int(m.Total)) + " labels. You may leave; what is in stays if you stop.", Stop: p.Address + "/cancel"}
	case "withdrawing":
		p.Progress = &ui.Progress{Title: "Withdrawing", Done: int(m.Withdrawn), Total: int(m.Imported), Says: ui.OutOf(int(m.Withdrawn), int(m.Imported)) + " labels taken back."}
	case "failed":
		p.Banner = &ui.Banner{Tone: ui.Bad, Fact: "The file could not be imported: " + m.FailedWhy, Consequence: ui.CountOf(m.Imported, "label") + " of it came in.", Alert: true}
		verb := "check"
		if m.Found != nil {
			verb = "agree"
		}
		act(verb, "Try again", ui.Filled)
		act("cancel", "Cancel", "")
	case "cancelled":
		p.Banner = &ui.Banner{Fact: "Cancelled.", Consequence: ui.CountOf(m.Imported, "label") + " had come in before."}
	case "withdrawn":
		p.Banner = &ui.Banner{Tone: ui.Ok, Mark: ui.MarkPass, Fact: ui.CountOf(m.Withdrawn, "label") + " withdrawn.", Consequence: "Each was taken back by a revision of its own; what was said before stands again."}
		if m.Kept > 0 {
			p.Banner.Consequence += " " + ui.CountOf(m.Kept, "label") + " stay, since a reviewer decided over them."
		}
	case "done":
		p.Banner = &ui.Banner{Tone: ui.Ok, Mark: ui.MarkPass, Fact: ui.CountOf(m.Imported, "label") + " imported.",
			Consequence: ui.Count(m.Duplicate) + " were here already, " + ui.Count(m.Unlabeled) + " have no label, " + ui.Count(m.Refused) + " refused."}
		if m.Refused > 0 {
			p.Banner.Tone = ui.Mid
		}
		if m.FailedWhy != "" {
			p.Banner.Consequence += " Withdrawing broke off: " + m.FailedWhy
		}
	}
	if (m.State == "done" || m.State == "cancelled") && m.Imported > 0 {
		p.Withdraws = p.Address + "/withdraw"
	}
	if m.Done > 0 && m.State != "checking" {
		p.Report = p.Address + "/report"
	}
}

// ready says what would become of a checked file.
func (p *importPage) ready(m labeling.Import) {
	f := m.Found
	p.Banner = &ui.Banner{Tone: ui.Ok, Fact: ui.CountOf(f.Imported, "label") + " would be imported.", Consequence: "Nothing is written yet."}
	if f.Imported == 0 {
		p.Banner.Tone, p.Banner.Fact = ui.Mid, "No label of the file is new."
	}
	if f.Trouble != "" {
		p.Banner.Tone, p.Banner.Consequence = ui.Mid, f.Trouble+" Nothing is written yet."
	}
	switch {
	case f.Unmeant > 0:
		p.Banner.Tone = ui.Mid
		p.Banner.Consequence += " " + "Taken for no label: the answers of " + ui.CountOf(f.Unmeant, "annotation") + ". Say below which answers are labels."
	case f.NoResponse > 0 && f.Imported == 0:
		p.Banner.Consequence += " Its responses are not here: send their events first."
	}
}

func (p *importPage) find(m labeling.Import) {
	f := m.Found
	p.Stats = ui.Stats{Items: []ui.Stat{
		{Term: "New", Figure: ui.Count(f.Imported), Base: "of " + ui.CountOf(f.Lines, "label")},
		{Term: "Here already", Figure: ui.Count(f.Duplicate), Base: "change nothing"},
		{Term: "Without a label", Figure: ui.Count(f.Unlabeled), Base: "or skipped"},
		{Term: "Refused", Figure: ui.Count(f.Refused), Base: ui.Count(f.NoResponse) + " of unknown responses", Tone: toneIf(f.Refused > 0, ui.Mid)},
	}}
	p.Labels = ui.Table{Caption: "Labels in the file", Columns: []ui.Column{{Label: "Label", Wide: true}, {Label: "In the file", Right: true}}}
	for _, label := range labeling.Labels {
		if n := f.Labels[label]; n > 0 {
			p.Labels.Rows = append(p.Labels.Rows, ui.Row{Cells: []templ.Component{ui.Sign{Mark: ui.MarkOf(label), Word: labelWords(label)}, ui.Text(ui.Count(n))}})
		}
	}
	p.Labels.Empty = ui.Empty{Bare: true, Title: "None", Why: "No answer of the file is one of the four labels."}
	p.authors(f)
	p.refusals(m)
	p.Facts = append(p.Facts, whenLabeled(f)...)
	if len(f.NotHere) > 0 {
		p.Facts = append(p.Facts, ui.Fact{Term: "Not here", Value: ui.Text(strings.Join(f.NotHere, ", "))})
	}
	if m.State == "ready" {
		p.answers(m)
	}
}

func toneIf(is bool, tone ui.Tone) ui.Tone {
	if is {
		return tone
	}
	return ui.Neutral
}

func whenLabeled(f *labeling.Found) (facts []ui.Fact) {
	if f.First != nil {
		facts = append(facts, ui.Fact{Term: "Labeled", Value: ui.Words(ui.Time{At: *f.First}, " to ", ui.Time{At: *f.Last})})
	}
	if f.Untimed > 0 {
		facts = append(facts, ui.Fact{Term: "Without a time", Value: ui.Text(ui.Count(f.Untimed) + ", which take that of the import")})
	}
	var classes []string
	for class := range f.Classes {
		classes = append(classes, taskClassWords(class)+" "+ui.Count(f.Classes[class]))
	}
	if slices.Sort(classes); len(classes) > 0 {
		facts = append(facts, ui.Fact{Term: "Task classes", Value: ui.Text(strings.Join(classes[:min(12, len(classes))], ", "))})
	}
	return facts
}

func (p *importPage) authors(f *labeling.Found) {
	p.Authors = ui.Table{Caption: "Authors", Columns: []ui.Column{{Label: "Author", Wide: true}, {Label: "Labels", Right: true}, {Label: "Here"}}}
	for _, a := range f.Authors {
		known := ui.Dim("new here")
		if a.Known {
			known = ui.Text("known")
		}
		p.Authors.Rows = append(p.Authors.Rows, ui.Row{Cells: []templ.Component{ui.Text(a.Name), ui.Text(ui.Count(a.Labels)), known}})
	}
	if f.MoreAuthors > 0 {
		p.Authors.Foot = &ui.Foot{Shown: ui.Count(len(f.Authors)) + " of " + ui.Count(f.AuthorsCount)}
	}
}

func (p *importPage) refusals(m labeling.Import) {
	what := "Line"
	if m.Format == labeling.FormatLabelStudio || m.Format == labeling.FormatArgilla {
		what = "Element"
	}
	p.Refusals = ui.Table{Caption: "Refused", Columns: []ui.Column{{Label: what, Right: true}, {Label: "Why", Wide: true}}}
	for _, r := range m.Found.Refusals {
		p.Refusals.Rows = append(p.Refusals.Rows, ui.Row{Cells: []templ.Component{ui.Text(strconv.Itoa(r.Line)), ui.Text(r.Error)}})
	}
	if more := m.Found.Refused - len(m.Found.Refusals); more > 0 {
		p.Refusals.Foot = &ui.Foot{Shown: ui.Count(len(m.Found.Refusals)) + " of " + ui.Count(m.Found.Refused) + "; the report has them all when the file is imported"}
	}
}

var becomesWords = map[string]string{"reason": "a reason", "confidence": "the confidence", "note": "the note", "correction": "the correction", "nothing": "nothing: passed over"}

func (p *importPage) answers(m labeling.Import) {
	if len(m.Found.Answers) == 0 {
		return
	}
	half := (len(m.Found.Answers) + 1) / 2
	p.Answers = make([][]answerField, 2)
	for i, a := range m.Found.Answers {
		kinds := labeling.Becomes
		shown := a.Value
		if a.Value == "" {
			kinds, shown = []string{"note", "correction", "nothing"}, "free text"
		}
		var options []ui.Option
		for _, becomes := range kinds {
			words := becomesWords[becomes]
			if words == "" {
				words = labelWords(becomes)
			}
			options = append(options, ui.Option{Value: becomes, Label: words})
		}
		p.Answers[i/half] = append(p.Answers[i/half], answerField{a.Field, a.Value, ui.Field{
			Label: a.Field + ": " + shown, Name: "becomes", ID: "becomes-" + strconv.Itoa(i), Value: a.Becomes, Options: options, Hint: ui.CountOf(a.Count, "time")}})
	}
	if m.Found.MoreAnswers > 0 {
		p.More = ui.CountOf(m.Found.MoreAnswers, "more answer") + " become what they look like: a reason, or the note."
	}
}

// importVerb is an act on an import that leads back to its page.
func (s *site) importVerb(c *fiber.Ctx, act func(labels *labeling.Store, id int64) error) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "import")
	if err != nil {
		return err
	}
	if err := act(labels, id); err != nil {
		return err
	}
	return s.see(c, importAddress(labeling.Import{ID: id}))
}

func (s *site) importCheck(c *fiber.Ctx) error {
	var in struct {
		Field   []string `form:"field"`
		Value   []string `form:"value"`
		Becomes []string `form:"becomes"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	if len(in.Field) != len(in.Becomes) || len(in.Value) != len(in.Becomes) {
		return fault.Say(fault.Invalid, "The form could not be read.")
	}
	var meanings []labeling.Meaning
	for i, field := range in.Field {
		meanings = append(meanings, labeling.Meaning{Field: field, Value: in.Value[i], Becomes: in.Becomes[i]})
	}
	return s.importVerb(c, func(labels *labeling.Store, id int64) error {
		return labels.CheckImport(c.UserContext(), actorOf(c), id, meanings)
	})
}

func (s *site) importAgree(c *fiber.Ctx) error {
	return s.importVerb(c, func(labels *labeling.Store, id int64) error {
		return labels.AgreeToImport(c.UserContext(), actorOf(c), id)
	})
}

func (s *site) importCancel(c *fiber.Ctx) error {
	return s.importVerb(c, func(labels *labeling.Store, id int64) error {
		return labels.CancelImport(c.UserContext(), actorOf(c), id)
	})
}

func (s *site) importWithdraw(c *fiber.Ctx) error {
	return s.importVerb(c, func(labels *labeling.Store, id int64) error {
		return labels.RevokeImport(c.UserContext(), actorOf(c), id)
	})
}

func (s *site) importReport(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "import")
	if err != nil {
		return err
	}
	_, write, err := labels.ImportReport(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	return s.download(c, "import-"+strconv.FormatInt(id, 10)+"-report.csv", exportTypes["csv"], write)
}

// importAnswer is an import as the API gives it.
type importAnswer struct {
	ID         int64              `json:"id"`
	Name       string             `json:"name"`
	Format     string             `json:"format,omitempty"`
	State      string             `json:"state"`
	Meanings   []labeling.Meaning `json:"meanings"`
	Found      *labeling.Found    `json:"found"`
	Bytes      int64              `json:"bytes"`
	SHA256     string             `json:"sha256,omitempty"`
	Parts      int                `json:"parts"`
	Total      int64              `json:"total"`
	Done       int64              `json:"done"`
	Imported   int64              `json:"imported"`
	Duplicate  int64              `json:"duplicate"`
	Unlabeled  int64              `json:"unlabeled"`
	Refused    int64              `json:"refused"`
	Withdrawn  int64              `json:"withdrawn"`
	Kept       int64              `json:"kept"`
	FailedWhy  string             `json:"failed_why,omitempty"`
	CreatedAt  time.Time          `json:"created_at"`
	FinishedAt *time.Time         `json:"finished_at"`
}

func answerImport(m labeling.Import) importAnswer {
	return importAnswer{m.ID, m.Name, m.Format, m.State, m.Meanings, m.Found, m.Bytes, m.Hash(), m.Parts, m.Total, m.Done, m.Imported, m.Duplicate,
		m.Unlabeled, m.Refused, m.Withdrawn, m.Kept, m.FailedWhy, m.CreatedAt, m.FinishedAt}
}

func (s *site) importsAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	list, err := labels.Imports(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	answer := struct {
		Imports []importAnswer `json:"imports"`
	}{[]importAnswer{}}
	for _, m := range list {
		answer.Imports = append(answer.Imports, answerImport(m))
	}
	return c.JSON(answer)
}

func (s *site) importBeginAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		Name   string `json:"name"`
		Format string `json:"format"`
	}
	if err := readJSON(c, &in); err != nil {
		return err
	}
	m, err := labels.BeginImport(c.UserContext(), actorOf(c), in.Name, in.Format)
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusCreated).JSON(answerImport(m))
}

// importAct does something to the import of the address and answers with it.
func (s *site) importActAPI(c *fiber.Ctx, status int, act func(labels *labeling.Store, id int64) error) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "import")
	if err != nil {
		return err
	}
	if err := act(labels, id); err != nil {
		return err
	}
	m, err := labels.ImportOf(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	return c.Status(status).JSON(answerImport(m))
}

func (s *site) importAPI(c *fiber.Ctx) error {
	return s.importActAPI(c, fiber.StatusOK, func(*labeling.Store, int64) error { return nil })
}

func (s *site) importPartAPI(c *fiber.Ctx) error {
	var in struct {
		Part int `query:"part"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	body, err := readBody(c, bodyLimits{})
	if err != nil {
		return err
	}
	return s.importActAPI(c, fiber.StatusOK, func(labels *labeling.Store, id int64) error {
		return labels.AddPart(c.UserContext(), actorOf(c), id, in.Part, body)
	})
}

func (s *site) importCheckAPI(c *fiber.Ctx) error {
	var in struct {
		Meanings []labeling.Meaning `json:"meanings"`
	}
	if len(c.Request().Body()) > 0 {
		if err := readJSON(c, &in); err != nil {
			return err
		}
	}
	return s.importActAPI(c, fiber.StatusAccepted, func(labels *labeling.Store, id int64) error {
		return labels.CheckImport(c.UserContext(), actorOf(c), id, in.Meanings)
	})
}

func (s *site) importAgreeAPI(c *fiber.Ctx) error {
	return s.importActAPI(c, fiber.StatusAccepted, func(labels *labeling.Store, id int64) error {
		return labels.AgreeToImport(c.UserContext(), actorOf(c), id)
	})
}

func (s *site) importCancelAPI(c *fiber.Ctx) error {
	return s.importActAPI(c, fiber.StatusOK, func(labels *labeling.Store, id int64) error {
		return labels.CancelImport(c.UserContext(), actorOf(c), id)
	})
}

func (s *site) importWithdrawAPI(c *fiber.Ctx) error {
	return s.importActAPI(c, fiber.StatusAccepted, func(labels *labeling.Store, id int64) error {
		return labels.RevokeImport(c.UserContext(), actorOf(c), id)
	})
}

const importStateSchema = `{"type":"object","required":["id","state"],"properties":{"id":{"type":"integer"},"name":{"type":"string"},"format":{"type":"string"},
	"state":{"enum":["receiving","checking","ready","importing","done","failed","cancelled","withdrawing","withdrawn"]},
	"meanings":{"type":"array","items":{"type":"object"}},"found":{"type":["object","null"],"description":"what the check found: counts, labels, answers and what they become, authors, refusals"},
	"bytes":{"type":"integer"},"sha256":{"type":"string"},"parts":{"type":"integer"},"total":{"type":"integer","description":"bytes while checking, then labels"},"done":{"type":"integer"},
	"imported":{"type":"integer"},"duplicate":{"type":"integer"},"unlabeled":{"type":"integer"},"refused":{"type":"integer"},"withdrawn":{"type":"integer"},"kept":{"type":"integer"},
	"failed_why":{"type":"string"},"created_at":{"type":"string","format":"date-time"},"finished_at":{"type":["string","null"],"format":"date-time"}}}`

const meaningsSchema = `{"type":"object","properties":{"meanings":{"type":"array","items":{"type":"object","required":["field","becomes"],"properties":{"field":{"type":"string"},
	"value":{"type":"string","description":"without it, the field's free text"},"becomes":{"enum":["correct","partially_correct","hallucinated","cannot_tell","reason","confidence","note","correction","nothing"]}}}}}}`

var importOperations = func() map[string]operation {
	state := func(code int) map[int]content {
		return map[int]content{code: {Words: "the import", Schema: importStateSchema}}
	}
	return map[string]operation{
		"GET /v1/imports":         {Summary: "The newest files of labels made elsewhere, and where each stands.", Answers: map[int]content{200: {Words: "imports"}}},
		"POST /v1/imports":        {Summary: "Make room for a file of labels made elsewhere. Send its bytes as parts, then have it checked.", Body: &content{Schema: `{"type":"object","properties":{"name":{"type":"string"},"format":{"enum":["","jsonl","csv","label-studio","argilla"],"description":"without it, by how the file begins"}}}`}, Answers: state(201)},
		"GET /v1/imports/:import": {Summary: "How far an import is, and what its check found.", Answers: state(200)},
		"POST /v1/imports/:import/parts": {Summary: "The next bytes of the file, at most 32 MB of it at a time. A part that is sent again changes nothing.",
			Query: []parameter{{Name: "part", Words: "its number, from 0", Required: true}}, Body: &content{Type: "application/octet-stream", Schema: `{"type":"string"}`}, Answers: state(200)},
		"POST /v1/imports/:import/check":    {Summary: "Have the file read to its end, with what its answers mean. Nothing is written: ask for the import until its state is ready, and look at what was found.", Body: &content{Schema: meaningsSchema}, Answers: state(202)},
		"POST /v1/imports/:import/agree":    {Summary: "Have a checked file imported as it was found. A job takes it up: ask for the import until its state is done.", Answers: state(202)},
		"POST /v1/imports/:import/cancel":   {Summary: "Stop an import. What is in stays, and can be withdrawn.", Answers: state(200)},
		"POST /v1/imports/:import/withdraw": {Summary: "Have every label of an import taken back, each by a revision.", Answers: state(202)},
		"GET /v1/imports/:import/report":    {Summary: "What became of each label of the file, as CSV: line, outcome, why.", Answers: map[int]content{200: {Type: "text/csv", Words: "the report"}}},
	}
}()
