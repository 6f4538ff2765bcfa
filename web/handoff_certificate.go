package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/eval"
	"assay/web/ui"
)

// certificatePage is the certificate of an open gate, made for print.
type certificatePage struct {
	Title    string
	Sub      string
	Says     templ.Component
	Required string
	Measured ui.Table
	Approved ui.Table
	Evidence ui.Facts
	Offline  string
	Actions  []templ.Component
}

func (s *site) handoffCertificate(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "handoff")
	if err != nil {
		return err
	}
	certificate, err := gates.Certify(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	life, err := gates.Life(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	key := ""
	if gates.Signing != nil {
		key = gates.Signing.Public()
	}
	p := buildCertificate(certificate, life, key, s.program())
	return s.page(c, ui.Page{Title: p.Title, Nav: "handoffs", Layout: ui.Sheet, Back: &ui.Link{Text: "Handoff", URL: handoffURL(id)}}, p.draw())
}

func buildCertificate(c eval.Certificate, life eval.Life, key, program string) certificatePage {
	p := certificatePage{Title: "Certificate of promotion", Sub: fmt.Sprintf("%s, handoff %d", c.Contract.Candidate, c.Handoff), Required: c.Contract.Metric.Text,
		Offline: fmt.Sprintf("%s gate verify handoff-%d.certificate --key %s", program, c.Handoff, key)}
	p.Says = ui.Words("On "+decidedAt(c, life).UTC().Format("Mon 2 Jan 2006, 15:04:05 MST")+", ", ui.Bold(c.Contract.Candidate),
		fmt.Sprintf(" was %s in place of %s. %s release managers approved the same evidence. None of them asked for it or wrote the candidate.",
			statusWords(c.Status), c.Contract.Failing, numberWord(len(c.Signatures))))
	p.Measured = ui.Table{Bare: true, Caption: "What was measured", Columns: []ui.Column{
		{Label: "Check"}, {Label: "Found", Wide: true}, {Label: "Of needed", Right: true}, {Name: "Standing"}}}
	for _, check := range c.Checks {
		of := ""
		if check.Needed > 0 {
			of = ofNeeded(check.Done, check.Needed, "")
		}
		word := "holds"
		if check.Finding == eval.Reports {
			word = "reports"
		}
		p.Measured.Rows = append(p.Measured.Rows, ui.Row{Cells: []templ.Component{
			ui.Words(check.Name), ui.Words(check.Words), ui.Words(of), ui.Sign{Mark: findingMark(check.Finding), Word: word}}})
	}
	p.Approved = ui.Table{Bare: true, Caption: "Who approved", Columns: []ui.Column{
		{Label: "Name and role"}, {Label: "When"}, {Label: "Meaning", Wide: true}, {Label: "Step-up"}}}
	for _, s := range c.Signatures {
		meaning := s.Meaning
		if len(s.NotOpened) > 0 {
			meaning += " Not opened: the " + strings.Join(s.NotOpened, " and ") + " cases."
		}
		words := []any{meaning}
		if s.Comment != "" {
			words = append(words, " ", ui.Soft("“"+s.Comment+"”"))
		}
		p.Approved.Rows = append(p.Approved.Rows, ui.Row{Cells: []templ.Component{
			ui.Words(ui.Bold(s.Name), ", "+s.Role), ui.Time{At: s.SignedAt, Style: ui.Full}, ui.Words(words...),
			ui.Words(s.SteppedUpAt.UTC().Format("15:04:05 MST"))}})
	}
	p.Evidence = ui.Facts{Small: true, Items: []ui.Fact{
		{Term: "Evidence", Value: ui.Mono(c.EvidenceHash)},
		{Term: "Metric", Value: ui.Mono(c.MetricHash)},
		{Term: "Attested by", Value: ui.Words(ui.Mono(key), ", the server’s key. It attests that these people signed, and decides nothing.")},
	}}
	p.Actions = []templ.Component{ui.Button{Label: "Download the signed certificate", Icon: ui.IconDownload, URL: fmt.Sprintf("/v1/handoffs/%d/certificate", c.Handoff)},
		ui.Button{Label: "Back to the handoff", Style: ui.Plain, URL: handoffURL(c.Handoff)}}
	return p
}

// decidedAt is when the handoff came to its present status.
func decidedAt(c eval.Certificate, life eval.Life) time.Time {
	at := c.IssuedAt
	for _, d := range life.Decisions {
		if d.Status == c.Status {
			at = d.DecidedAt
		}
	}
	return at
}
