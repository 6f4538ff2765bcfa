package web

import (
	"fmt"
	"io"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/eval"
	"assay/internal/fault"
	"assay/web/ui"
)

// uploadForm takes results from the page, and says how a pipeline sends them.
type uploadForm struct {
	Action  string
	Command string
	Labels  string // what people still have to read, where the metric rests on labels
	Error   string
	Refused ui.Table // the lines that were not taken
}

func (f uploadForm) filled(g eval.Gate, program string) *uploadForm {
	f.Action = handoffURL(g.Handoff.ID) + "/runs"
	f.Command = fmt.Sprintf("%s gate upload %d results.jsonl", program, g.Handoff.ID)
	if g.Handoff.Contract.Metric.ByPeople() {
		f.Labels = "The required metric rests on people’s labels. Send each run’s output and prompt with it: the outputs become items of a blind queue, and an upload cannot carry labels."
	}
	return &f
}

// refusedShown is how many refused lines the page lists.
const refusedShown = 20

// handoffRuns takes a file of results from the page's form.
func (s *site) handoffRuns(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "handoff")
	if err != nil {
		return err
	}
	lines, err := sentFile(c, "results")
	if err != nil {
		return err
	}
	upload, err := gates.UploadRuns(c.UserContext(), actorOf(c), id, strings.NewReader(lines))
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.Conflict {
		c.Status(status[kind])
		return s.handoffPage(c, "conversation", uploadForm{Error: fault.Words(err)})
	}
	if err != nil {
		return err
	}
	if len(upload.Rejected) > 0 {
		c.Status(fiber.StatusBadRequest)
		return s.handoffPage(c, "conversation", uploadForm{Error: uploadWords(upload), Refused: refusedLines(upload)})
	}
	s.say(c, uploadWords(upload))
	return s.see(c, handoffURL(id))
}

// sentFile is the text of an uploaded file.
func sentFile(c *fiber.Ctx, field string) (string, error) {
	header, err := c.FormFile(field)
	if err != nil {
		return "", fault.Say(fault.Invalid, "Choose a file of results, as JSON Lines.")
	}
	file, err := header.Open()
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	return string(text), err
}

// uploadWords is "163 runs taken, 3 there already, 1 refused. 139 still missing."
// What was there already is explained: a run is known by its window, case and
// number, and the first result of it stays.
func uploadWords(u eval.Upload) string {
	words := ui.CountOf(u.Accepted, "run") + " taken"
	if u.Duplicate > 0 {
		words += ", " + ui.Count(u.Duplicate) + " there already"
	}
	if len(u.Rejected) > 0 {
		words += ", " + ui.Count(len(u.Rejected)) + " refused"
	}
	words += "."
	if u.Missing > 0 {
		words += " " + ui.Count(u.Missing) + " still missing."
	}
	if u.Duplicate > 0 {
		words += " A run is known by its window, case and number: where one was there already, the first result stays and the line changes nothing" + firstDuplicates(u) + "."
	}
	return words
}

// firstDuplicates names a few of the runs that were there already.
func firstDuplicates(u eval.Upload) string {
	var named []string
	for _, r := range u.Duplicates[:min(3, len(u.Duplicates))] {
		named = append(named, fmt.Sprintf("%s case %s, run %d", r.Window, clip(r.CaseID, 40), r.Repeat))
	}
	if len(named) == 0 {
		return ""
	}
	words := ": " + strings.Join(named, "; ")
	if more := u.Duplicate - len(named); more > 0 {
		words += "; and " + ui.Count(more) + " more"
	}
	return words
}

func refusedLines(u eval.Upload) ui.Table {
	t := ui.Table{Bare: true, Tight: true, Caption: "Refused lines", Columns: []ui.Column{{Label: "Line", Right: true}, {Label: "Why it was refused", Wide: true}}}
	for _, r := range u.Rejected[:min(len(u.Rejected), refusedShown)] {
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{ui.Words(ui.Count(r.Line)), ui.Words(r.Error)}})
	}
	if len(u.Rejected) > refusedShown {
		t.Foot = &ui.Foot{Shown: fmt.Sprintf("%d of %s refused lines", refusedShown, ui.Count(len(u.Rejected)))}
	}
	return t
}
