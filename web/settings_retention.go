package web

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/retention"
	"assay/web/ui"
)

// retentionPage says for how long text is kept, what is held beyond that, who
// is being erased, and what was proved.
type retentionPage struct {
	Sub      string
	Facts    ui.Facts
	May      bool // change anything
	Policy   retention.Policy
	Proofs   ui.Table
	Holds    ui.Table
	Erasures ui.Table
	Wrong    retentionErrors
}

// retentionErrors are the sentences under the fields of the last form.
type retentionErrors struct{ Policy, Hold, Erasure string }

const retentionRows = 20

func (s *site) retained() (*retention.Register, error) {
	if s.Retention == nil {
		return nil, fault.Say(fault.Unavailable, "Retention cannot be read now.")
	}
	return s.Retention, nil
}

func (s *site) retentionShow(c *fiber.Ctx) error {
	if err := readQuery(c, &struct{}{}); err != nil {
		return err
	}
	return s.retentionPage(c, retentionErrors{})
}

func (s *site) retentionPage(c *fiber.Ctx, wrong retentionErrors) error {
	register, err := s.retained()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	proofs, err := register.Proofs(ctx, actor, retentionRows)
	if err != nil {
		return err
	}
	holds, err := register.Holds(ctx, actor)
	if err != nil {
		return err
	}
	erasures, err := register.Erasures(ctx, actor, retentionRows)
	if err != nil {
		return err
	}
	policy, err := register.Policy(ctx)
	if err != nil {
		return err
	}
	redacted := ""
	if s.Telemetry != nil {
		redacted = s.Telemetry.ScrubPolicy(ctx)
	}
	p := buildRetention(policy, proofs, holds, erasures, redacted, s.now())
	p.May, p.Wrong = actor.May(auth.ManagePeople), wrong
	if !p.May {
		p.Holds.Columns = p.Holds.Columns[:len(p.Holds.Columns)-1]
		for i := range p.Holds.Rows {
			p.Holds.Rows[i].Cells = p.Holds.Rows[i].Cells[:len(p.Holds.Columns)]
		}
	}
	return s.page(c, ui.Page{Title: "Retention"}, p.draw())
}

func buildRetention(policy retention.Policy, proofs []retention.Proof, holds []retention.Hold, erasures []retention.Erasure, redacted string, now time.Time) retentionPage {
	p := retentionPage{Policy: policy, Sub: "Text ends in time, in every store, and each run signs what it removed and what it found left."}
	last, next := templ.Component(ui.Text("not yet")), templ.Component(ui.Text("when “assay work” or “assay up” starts"))
	for _, proof := range proofs {
		if proof.Kind == "schedule" {
			last = ui.Time{At: proof.MadeAt}
			next = ui.Words("about ", ui.Time{At: proof.BeganAt.Add(24 * time.Hour)})
			break
		}
	}
	p.Facts = ui.Facts{Ruled: true, Items: []ui.Fact{
		{Term: "Text, artifacts, sealed raw text", Value: ui.Text(ui.CountOf(policy.TextDays, "day"))},
		{Term: "Labeled examples with their notes", Value: ui.Text(ui.CountOf(policy.LabeledDays, "day"))},
		{Term: "Events without their text", Value: ui.Text(ui.CountOf(policy.RowDays, "day"))},
		{Term: "Labels, rates, totals", Value: ui.Text("no end: they hold no text")},
		{Term: "Last run", Value: last},
		{Term: "Next run", Value: next},
		{Term: "Redacted by", Value: ui.Mono(redacted)}}}
	p.Proofs, p.Holds, p.Erasures = proofTable(proofs), holdTable(holds), erasureTable(erasures)
	return p
}

func proofTable(proofs []retention.Proof) ui.Table {
	t := ui.Table{ID: "proofs", Caption: "Proofs of deletion", Columns: []ui.Column{
		{Label: "When"}, {Label: "What"}, {Label: "Removed", Right: true}, {Label: "Left", Right: true}, {Label: "Where", Wide: true}, {Label: "Statement"}}}
	for _, p := range proofs {
		where, left := "", int64(0)
		for _, f := range p.Places {
			left += f.Left
			if f.Removed > 0 || f.Left > 0 {
				if where != "" {
					where += ", "
				}
				where += f.Place + " " + ui.Count(int(f.Removed))
			}
		}
		what := "daily run"
		if p.ErasureID != nil {
			what = fmt.Sprintf("erasure %d", *p.ErasureID)
		}
		leftCell := ui.Text(ui.Count(int(left)))
		if left > 0 {
			leftCell = ui.Chip{Text: ui.Count(int(left)), Tone: ui.Bad}
		}
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{ui.Time{At: p.MadeAt}, ui.Text(what), ui.Text(ui.Count(int(p.Removed()))), leftCell, ui.Soft(where),
			ui.Link{Text: "signed", URL: "/settings/retention/proofs/" + strconv.FormatInt(p.ID, 10)}}})
	}
	if len(proofs) == 0 {
		t.Empty = ui.Empty{Bare: true, Title: "No proof yet", Why: "The first run signs one."}
	}
	return t
}

func holdTable(holds []retention.Hold) ui.Table {
	t := ui.Table{ID: "holds", Caption: "Legal holds", Columns: []ui.Column{
		{Label: "On"}, {Label: "Sessions", Right: true}, {Label: "Why", Wide: true}, {Label: "Placed"}, {Label: "By"}, {Label: "Ended"}, {Name: "Act"}}}
	for _, h := range holds {
		on := templ.Component(ui.Words("session ", ui.Mono(clip(h.SessionID, 40))))
		if h.SessionID == "" {
			on = ui.Words("person ", ui.Mono(clip(h.Person, 24)))
		}
		ended, act := ui.Dim("in force"), templ.Component(releaseHold(h.ID))
		if h.EndedAt != nil {
			ended, act = ui.Words(ui.Time{At: *h.EndedAt}), ui.Text("")
		}
		t.Rows = append(t.Rows, ui.Row{Dim: h.EndedAt != nil, Cells: []templ.Component{on, ui.Text(ui.Count(h.Sessions)), ui.Text(h.Reason), ui.Time{At: h.PlacedAt}, ui.Text(h.PlacedBy), ended, act}})
	}
	if len(holds) == 0 {
		t.Empty = ui.Empty{Bare: true, Title: "Nothing is held", Why: "A hold keeps a session, or all of one person, beyond every time and every erasure."}
	}
	return t
}

func erasureURL(id int64) string { return "/settings/erasures/" + strconv.FormatInt(id, 10) }

func erasureTable(erasures []retention.Erasure) ui.Table {
	t := ui.Table{ID: "erasures", Caption: "Erasures", Columns: []ui.Column{
		{Label: "Erasure"}, {Label: "State"}, {Label: "Why", Wide: true}, {Label: "Sessions", Right: true}, {Label: "Asked"}, {Label: "By"}}}
	for _, e := range erasures {
		t.Rows = append(t.Rows, ui.Row{URL: erasureURL(e.ID), Cells: []templ.Component{
			ui.Link{Text: strconv.FormatInt(e.ID, 10), URL: erasureURL(e.ID), Plain: true}, ui.Text(stateWords(e.State)), ui.Text(e.Reason), ui.Text(ui.Count(e.Sessions)), ui.Time{At: e.AskedAt}, ui.Text(e.Asker)}})
	}
	if len(erasures) == 0 {
		t.Empty = ui.Empty{Bare: true, Title: "Nobody was erased", Why: "It begins with a dry run that counts and changes nothing."}
	}
	return t
}

func stateWords(state string) string {
	switch state {
	case "counted":
		return "counted, not confirmed"
	case "confirmed":
		return "being erased"
	case "given_up":
		return "given up"
	}
	return state
}

func (s *site) retentionSet(c *fiber.Ctx) error {
	var in struct {
		Text    int    `form:"text_days"`
		Labeled int    `form:"labeled_days"`
		Rows    int    `form:"row_days"`
		Reason  string `form:"reason"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	register, err := s.retained()
	if err != nil {
		return err
	}
	err = register.SetPolicy(c.UserContext(), actorOf(c), retention.Policy{TextDays: in.Text, LabeledDays: in.Labeled, RowDays: in.Rows, Reason: in.Reason})
	if fault.Of(err) == fault.Invalid {
		c.Status(fiber.StatusBadRequest)
		return s.retentionPage(c, retentionErrors{Policy: fault.Words(err)})
	}
	if err != nil {
		return err
	}
	s.say(c, "The times are set. What is overdue by them ends with the next run.")
	return s.see(c, "/settings/retention")
}

func (s *site) holdPlace(c *fiber.Ctx) error {
	var in struct {
		On     string `form:"on"`
		ID     string `form:"id"`
		Reason string `form:"reason"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	register, err := s.retained()
	if err != nil {
		return err
	}
	session, person := in.ID, ""
	if in.On == "person" {
		session, person = "", in.ID
	}
	_, err = register.Place(c.UserContext(), actorOf(c), session, person, in.Reason)
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.Conflict {
		c.Status(status[kind])
		return s.retentionPage(c, retentionErrors{Hold: fault.Words(err)})
	}
	if err != nil {
		return err
	}
	s.say(c, "Held. Nothing of it ends until the hold is released.")
	return s.see(c, "/settings/retention#holds")
}

func (s *site) holdRelease(c *fiber.Ctx) error {
	var in struct {
		Reason string `form:"reason"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	register, err := s.retained()
	if err != nil {
		return err
	}
	id, err := idParam(c, "hold")
	if err != nil {
		return err
	}
	if err := register.Release(c.UserContext(), actorOf(c), id, in.Reason); err != nil {
		return err
	}
	s.say(c, "Released. Its own time counts again.")
	return s.see(c, "/settings/retention#holds")
}

// proofShow hands the signed statement out as a file.
func (s *site) proofShow(c *fiber.Ctx) error {
	register, err := s.retained()
	if err != nil {
		return err
	}
	id, err := idParam(c, "proof")
	if err != nil {
		return err
	}
	proof, err := register.Proof(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	return s.download(c, fmt.Sprintf("assay-deletion-%d.txt", id), "text/plain; charset=utf-8", func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, proof.Note)
		return err
	})
}

// erasurePage is one erasure: what the dry run counted, and the second step.
type erasurePage struct {
	Title   string
	State   string
	Facts   ui.Facts
	Counts  ui.Table
	Confirm string // addresses; "" where there is nothing to do
	GiveUp  string
	Error   string
}

func (s *site) erasureAsk(c *fiber.Ctx) error {
	var in struct {
		Person string `form:"person"`
		Reason string `form:"reason"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	register, err := s.retained()
	if err != nil {
		return err
	}
	e, err := register.Ask(c.UserContext(), actorOf(c), in.Person, in.Reason)
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.Conflict || kind == fault.NotFound {
		c.Status(status[kind])
		return s.retentionPage(c, retentionErrors{Erasure: fault.Words(err)})
	}
	if err != nil {
		return err
	}
	s.say(c, "Counted. Nothing has changed yet.")
	return s.see(c, erasureURL(e.ID))
}

func (s *site) erasureShow(c *fiber.Ctx) error {
	if err := readQuery(c, &struct{}{}); err != nil {
		return err
	}
	return s.erasurePage(c, "")
}

func (s *site) erasurePage(c *fiber.Ctx, trouble string) error {
	register, err := s.retained()
	if err != nil {
		return err
	}
	id, err := idParam(c, "erasure")
	if err != nil {
		return err
	}
	e, err := register.Erasure(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	p := buildErasure(e, actorOf(c).May(auth.ManagePeople))
	p.Error = trouble
	return s.page(c, ui.Page{Title: p.Title, Back: &ui.Link{Text: "Retention", URL: "/settings/retention"}}, p.draw())
}

func buildErasure(e retention.Erasure, may bool) erasurePage {
	p := erasurePage{Title: fmt.Sprintf("Erasure %d", e.ID), State: stateWords(e.State)}
	person := ui.Dim("forgotten")
	if e.Person != "" {
		person = ui.Mono(e.Person)
	}
	p.Facts.Items = []ui.Fact{
		{Term: "Person", Value: person},
		{Term: "Why", Value: ui.Text(e.Reason)},
		{Term: "Asked", Value: ui.Words(e.Asker+", ", ui.Time{At: e.AskedAt, Style: ui.Full})}}
	if e.ConfirmedAt != nil && e.ConfirmedBy != nil {
		p.Facts.Items = append(p.Facts.Items, ui.Fact{Term: "Confirmed", Value: ui.Words(*e.ConfirmedBy+", ", ui.Time{At: *e.ConfirmedAt, Style: ui.Full})})
	}
	if e.DoneAt != nil {
		p.Facts.Items = append(p.Facts.Items, ui.Fact{Term: "Done", Value: ui.Time{At: *e.DoneAt, Style: ui.Full}})
	}
	p.Counts = ui.Table{ID: "counts", Caption: "What the dry run found", Columns: []ui.Column{{Label: "Where", Wide: true}, {Label: "Found", Right: true}}}
	for _, f := range e.Counts {
		p.Counts.Rows = append(p.Counts.Rows, ui.Row{Cells: []templ.Component{ui.Text(f.Place), ui.Text(ui.Count(int(f.Left)))}})
	}
	if may && e.State == "counted" {
		p.Confirm, p.GiveUp = erasureURL(e.ID)+"/confirm", erasureURL(e.ID)+"/give-up"
	}
	return p
}

func (s *site) erasureConfirm(c *fiber.Ctx) error {
	var in struct {
		Last string `form:"last"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	register, err := s.retained()
	if err != nil {
		return err
	}
	id, err := idParam(c, "erasure")
	if err != nil {
		return err
	}
	err = register.Confirm(c.UserContext(), actorOf(c), id, in.Last)
	if fault.Of(err) == fault.Invalid {
		c.Status(fiber.StatusBadRequest)
		return s.erasurePage(c, fault.Words(err))
	}
	if err != nil {
		return err
	}
	s.say(c, "Confirmed. It is being erased; the signed proof will stand under Retention.")
	return s.see(c, erasureURL(id))
}

func (s *site) erasureGiveUp(c *fiber.Ctx) error {
	if err := readForm(c, &struct{}{}); err != nil {
		return err
	}
	register, err := s.retained()
	if err != nil {
		return err
	}
	id, err := idParam(c, "erasure")
	if err != nil {
		return err
	}
	if err := register.GiveUp(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	s.say(c, "Given up. Nothing was erased.")
	return s.see(c, "/settings/retention")
}
