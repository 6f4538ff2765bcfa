package web

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// grantsPage lists the reading grants, and asks for new ones.
type grantsPage struct {
	Head  ui.Head
	Table ui.Table
	Form  *grantForm // nil: not this reader's to ask
}

type grantForm struct {
	Queue    string  `form:"queue"`
	Reason   string  `form:"reason"`
	Labelers []int64 `form:"labeler"`
	Hours    int     `form:"hours"`

	Queues []ui.Option
	People []ui.CheckBox
	Wrong  string
}

func (s *site) grantsShow(c *fiber.Ctx) error { return s.grantsPage(c, grantForm{}) }

func (s *site) grantsPage(c *fiber.Ctx, form grantForm) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	list, err := labels.ReadingGrants(ctx, actor)
	if err != nil {
		return err
	}
	p := buildGrants(list, actor, s.now())
	if actor.May(auth.Configure) {
		queues, err := labels.Queues(ctx, actor)
		if err != nil {
			return err
		}
		for _, q := range queues {
			form.Queues = append(form.Queues, ui.Option{Value: q.Slug, Label: q.Title})
		}
		people, err := labels.GrantLabelers(ctx, actor)
		if err != nil {
			return err
		}
		for _, known := range people {
			box := ui.CheckBox{Label: known.Name, Name: "labeler", Value: strconv.FormatInt(known.ID, 10)}
			for _, chosen := range form.Labelers {
				box.Checked = box.Checked || chosen == known.ID
			}
			form.People = append(form.People, box)
		}
		p.Form = &form
	}
	return s.page(c, ui.Page{Title: "Reading grants"}, p.draw())
}

func buildGrants(list []labeling.ReadingGrant, actor auth.Actor, now time.Time) grantsPage {
	p := grantsPage{
		Head: ui.Head{Title: "Reading grants", Sub: "Named labelers read a queue’s unredacted text for a while, once two people who neither asked nor read have agreed. Every opening is in the audit."},
		Table: ui.Table{Caption: "Reading grants", Columns: []ui.Column{{Label: "Queue"}, {Label: "Who reads, and why", Wide: true}, {Label: "Asked by"}, {Label: "Approved by"}, {Label: "Until"}, {Name: "Act"}},
			Empty: ui.Empty{Bare: true, Title: "No reading grant", Why: "Without one, labelers read redacted text, also where consent is full."}},
	}
	for _, g := range list {
		state := g.State(now)
		who := ui.Pair(ui.Text(strings.Join(g.Labelers, ", ")), ui.Soft(g.Reason))
		approved := ui.Text(strings.Join(g.Approvers, ", "))
		if state == "waiting" {
			approved = ui.Words(strings.Join(g.Approvers, ", "), " ", ui.Dim(ui.OutOf(len(g.Approvers), 2)))
		}
		until := templ.Component(ui.Time{At: g.Until})
		if state == "ended" {
			until = ui.Words("ended by ", g.EndedBy)
		}
		var acts []ui.Button
		if state == "waiting" && actor.May(auth.ApproveReveal) && !g.Approved && g.RequestedBy != actor.ID && !g.Reads {
			acts = append(acts, ui.Button{Label: "Approve", Size: ui.Small, Submit: true, Post: grantAddress(g, "approve")})
		}
		if (state == "waiting" || state == "active") && (actor.May(auth.ApproveReveal) || g.RequestedBy == actor.ID) {
			acts = append(acts, ui.Button{Label: map[string]string{"waiting": "Deny", "active": "End"}[state], Style: ui.Hazard, Size: ui.Small, Submit: true, Post: grantAddress(g, "end")})
		}
		p.Table.Rows = append(p.Table.Rows, ui.Row{Dim: state == "ended" || state == "over", Cells: []templ.Component{
			ui.Link{Text: g.QueueTitle, URL: "/queues/" + pathPart(g.Queue), Plain: true}, who, ui.Words(g.Requester, ", ", ui.Time{At: g.RequestedAt}), approved, until, grantActs(acts)}})
	}
	return p
}

func grantAddress(g labeling.ReadingGrant, act string) string {
	return "/grants/" + strconv.FormatInt(g.ID, 10) + "/" + act
}

func (s *site) grantAsk(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in grantForm
	if err := readForm(c, &in); err != nil {
		return err
	}
	err = labels.RequestGrant(c.UserContext(), actorOf(c), in.Queue, in.Reason, in.Labelers, time.Now().Add(time.Duration(in.Hours)*time.Hour))
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.NotFound {
		in.Wrong = fault.Words(err)
		c.Status(status[kind])
		return s.grantsPage(c, in)
	}
	if err != nil {
		return err
	}
	s.say(c, "Asked. Two people decide.")
	return s.see(c, "/grants")
}

func (s *site) grantApprove(c *fiber.Ctx) error {
	return s.grantAct(c, "Approved.", (*labeling.Store).ApproveGrant)
}

func (s *site) grantEnd(c *fiber.Ctx) error {
	return s.grantAct(c, "The grant has ended.", (*labeling.Store).EndGrant)
}

func (s *site) grantAct(c *fiber.Ctx, said string, act func(*labeling.Store, context.Context, auth.Actor, int64) error) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "grant")
	if err != nil {
		return err
	}
	if err := act(labels, c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	s.say(c, said)
	return s.see(c, "/grants")
}

// unredactedTurns are what a labeler reads under a grant, beside the redacted
// text that is judged and marked. Who reads is written into it.
func unredactedTurns(raw *labeling.Unredacted, reader string) []templ.Component {
	if raw == nil {
		return nil
	}
	var turns []templ.Component
	for _, part := range []struct{ who, text string }{{"Unredacted prompt", raw.Prompt}, {"Unredacted response", raw.Response}, {"Unredacted sources", strings.Join(raw.Context, "\n\n")}} {
		if part.text != "" {
			turns = append(turns, ui.Message{Who: part.who, When: "for " + reader, Text: cut(part.text, sourceLength), Markdown: true})
		}
	}
	return turns
}

// grantsOverview tells who may approve which grants wait for them.
func (s *site) grantsOverview(ctx context.Context, actor auth.Actor) (overview, error) {
	part := overview{}
	if s.Labeling == nil || actor.Kind != auth.Person || !actor.May(auth.ApproveReveal) {
		return part, nil
	}
	list, err := s.Labeling.ReadingGrants(ctx, actor)
	if err != nil {
		return part, err
	}
	for _, g := range list {
		if g.State(s.now()) == "waiting" && !g.Approved && g.RequestedBy != actor.ID && !g.Reads {
			part.Needs = append(part.Needs, need{Urgency: waiting, Icon: ui.IconLock, Title: g.Requester + " asks for a reading grant",
				Text: ui.CountOf(len(g.Labelers), "labeler") + ", " + g.QueueTitle + ". " + ui.OutOf(len(g.Approvers), 2) + " approvals.", Act: "Decide", URL: "/grants"})
		}
	}
	return part, nil
}
