package web

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/labeling"
	"assay/web/ui"
)

// discussPage is what was said of an item: every revision, the objections and
// their decisions, and what people say to one another.
type discussPage struct {
	Head     ui.Head
	Said     []saidRow
	Turns    []templ.Component
	Comments ui.Feed
	Comment  string // address a comment is posted to
	People   []ui.Option
	Trouble  *ui.Banner
	Body     string // a comment that was refused
}

// saidRow is one revision, with what may be done about it.
type saidRow struct {
	Item     ui.FeedItem
	Label    string // id, where it may be disputed
	Action   string // address a dispute is posted to
	Disputes []disputeRow
}

// disputeRow is one objection. An open one that the reader may decide has a form.
type disputeRow struct {
	Fact   string
	Words  string
	Reply  string
	Decide string // address; "" where it is not the reader's to decide
	Label  string // what is disputed
}

func (s *site) itemDiscussShow(c *fiber.Ctx) error { return s.discussPage(c, "", nil) }

func (s *site) discussPage(c *fiber.Ctx, body string, trouble *ui.Banner) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	d, err := labels.Discussion(ctx, actor, id)
	if err != nil {
		return err
	}
	var verdicts []Verdict
	if s.Verdicts != nil {
		if verdicts, err = s.Verdicts(ctx, d.Item.EventID); err != nil {
			return err
		}
	}
	if err := labels.ReadNotices(ctx, actor, id); err != nil {
		return err
	}
	p := buildDiscussion(d, verdicts, actor)
	p.Body, p.Trouble = body, trouble
	return s.page(c, ui.Page{Title: "What was said of " + railTitle(d.Item.Title), Nav: "queues", Short: "What was said", Back: &ui.Link{Text: "Queues", URL: "/queues"}}, p.draw())
}

func buildDiscussion(d labeling.Discussion, verdicts []Verdict, actor auth.Actor) discussPage {
	base := "/items/" + itemID(d.Item.ID)
	d.Item.Queue.VerdictHidden = false // whoever reads this has labeled it, or never will
	p := discussPage{
		Head: ui.Head{
			Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}, {Text: d.Item.Queue.Title, URL: "/queues/" + d.Item.Queue.Slug}},
			Title:  railTitle(d.Item.Title), Beside: []templ.Component{ui.Chip{Text: taskClassWords(d.Item.TaskClass), Tone: ui.Accent}},
			Actions: []templ.Component{ui.Button{Label: "Session", URL: "/sessions/" + pathPart(d.Item.SessionID)}},
		},
		Turns: buildTurns(d.Item, verdicts, nil, false), Comment: base + "/comments",
	}
	for _, said := range d.Said {
		row := saidRow{Item: saidItem(said, d.Item), Action: base + "/disputes"}
		open := false
		for _, dispute := range d.Disputes {
			if said.LabelID != 0 && dispute.LabelID == said.LabelID {
				row.Disputes = append(row.Disputes, disputeOf(dispute, d, actor))
				open = open || dispute.Outcome == ""
			}
		}
		if said.LabelID != 0 && said.Latest && said.Answer.Label != "" && !said.Mine && !open && actor.May(auth.DisputeLabel) {
			row.Label = strconv.FormatInt(said.LabelID, 10)
		}
		p.Said = append(p.Said, row)
	}
	for _, comment := range d.Comments {
		who := comment.Who
		if comment.Mine {
			who += ", you"
		}
		p.Comments.Items = append(p.Comments.Items, ui.FeedItem{Icon: ui.IconMessage, Who: who, Did: ui.Text(""), At: ui.Time{At: comment.At}, Body: proseText(comment.Body)})
	}
	p.People = append(p.People, ui.Option{Value: "", Label: "Nobody"})
	for _, known := range d.People {
		p.People = append(p.People, ui.Option{Value: strconv.FormatInt(known.ID, 10), Label: known.Name})
	}
	return p
}

func saidItem(said labeling.Said, item labeling.Item) ui.FeedItem {
	who := said.Who
	if said.Mine {
		who += ", you"
	}
	row := ui.FeedItem{Mark: ui.MarkOf(said.Answer.Label), Who: who, At: ui.Time{At: said.At}, Did: ui.Words("said ", ui.Bold(labelWords(said.Answer.Label)))}
	switch {
	case said.Source == "reviewer":
		row.Did = ui.Words("decided ", ui.Bold(labelWords(said.Answer.Label)))
	case said.Answer.Label == "":
		row.Mark, row.Icon, row.Did = "", ui.IconUndo, ui.Text("took the label back")
	case said.Revision > 1:
		row.Did = ui.Words("changed it to ", ui.Bold(labelWords(said.Answer.Label)))
	}
	var notes []string
	for _, code := range said.Answer.Reasons {
		notes = append(notes, reasonLabel(code))
	}
	if said.Answer.Confidence != "" {
		notes = append(notes, said.Answer.Confidence+" confidence")
	}
	if said.AfterReading {
		notes = append(notes, "after reading what others said")
	}
	if said.GuideVersion > 0 {
		notes = append(notes, fmt.Sprintf("guide %d", said.GuideVersion))
	}
	if said.Source == "import" {
		notes = append(notes, "imported")
	}
	row.Note = strings.Join(notes, ", ")
	var body []any
	if said.Answer.Note != "" {
		body = append(body, proseText(said.Answer.Note))
	}
	if said.Reason != "" {
		body = append(body, proseText(said.Reason))
	}
	if said.Answer.Correction != "" {
		body = append(body, ui.Edits{Before: correctedText(item.Snapshot), After: said.Answer.Correction})
	}
	if len(body) > 0 {
		row.Body = ui.Words(body...)
	}
	return row
}

func disputeOf(dispute labeling.Dispute, d labeling.Discussion, actor auth.Actor) disputeRow {
	row := disputeRow{Fact: "1 disputed by " + dispute.By + ", a reviewer decides", Words: dispute.Objection, Label: dispute.Label}
	switch dispute.Outcome {
	case "":
		mine := dispute.Mine
		for _, said := range d.Said {
			mine = mine || said.Mine && said.LabelID != 0
		}
		if actor.May(auth.Adjudicate) && !mine {
			row.Decide = "/disputes/" + strconv.FormatInt(dispute.ID, 10)
		}
	case "stands":
		row.Fact, row.Reply = "Disputed by "+dispute.By+"; "+dispute.DecidedBy+" lets it stand", dispute.Decision
	default:
		row.Fact, row.Reply = "Disputed by "+dispute.By+"; "+dispute.DecidedBy+" changed it", dispute.Decision
	}
	return row
}

func (s *site) itemComment(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return err
	}
	var in struct {
		Body   string  `form:"body"`
		Notify []int64 `form:"notify"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	if err := labels.Comment(c.UserContext(), actorOf(c), id, strings.ReplaceAll(in.Body, "\r\n", "\n"), in.Notify); err != nil {
		return err
	}
	return s.see(c, "/items/"+itemID(id)+"/discussion#comments")
}

func (s *site) itemDispute(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return err
	}
	var in struct {
		Label     int64  `form:"label"`
		Objection string `form:"objection"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	if err := labels.Dispute(c.UserContext(), actorOf(c), in.Label, strings.ReplaceAll(in.Objection, "\r\n", "\n")); err != nil {
		return err
	}
	s.say(c, "Disputed. A reviewer decides.")
	return s.see(c, "/items/"+itemID(id)+"/discussion")
}

// disputesPage lists the objections that wait for a reviewer.
type disputesPage struct {
	Head  ui.Head
	Table ui.Table
}

func (s *site) disputesShow(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	open, err := labels.OpenDisputes(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	p := disputesPage{Head: ui.Head{Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}}, Title: "Disputes", Sub: "Objections to labels that wait for a reviewer who neither labeled nor objected."},
		Table: ui.Table{Caption: "Disputes", Columns: []ui.Column{{Label: "Item", Wide: true}, {Label: "Queue"}, {Label: "Label"}, {Label: "Disputed by"}, {Label: "Since", Right: true}},
			Empty: ui.Empty{Bare: true, Title: "No label is disputed", Why: "Reviewers, engineers and release managers dispute a label on the page of what was said of its item."}}}
	for _, d := range open {
		address := "/items/" + itemID(d.ItemID) + "/discussion"
		p.Table.Rows = append(p.Table.Rows, ui.Row{URL: address, Cells: []templ.Component{ui.Link{Text: railTitle(d.Title), URL: address, Plain: true}, ui.Text(d.Queue),
			ui.Sign{Mark: ui.MarkOf(d.Label), Word: labelWords(d.Label)}, ui.Text(d.By), ui.Time{At: d.OpenedAt, Style: ui.Ago}}})
	}
	return s.page(c, ui.Page{Title: "Disputes", Nav: "queues"}, p.draw())
}

func (s *site) disputeDecide(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "dispute")
	if err != nil {
		return err
	}
	var in struct {
		Label  string `form:"label"`
		Reason string `form:"reason"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	if err := labels.DecideDispute(c.UserContext(), actorOf(c), id, in.Label, strings.ReplaceAll(in.Reason, "\r\n", "\n")); err != nil {
		return err
	}
	s.say(c, "Decided. Who labeled and who objected find it in their inbox.")
	return s.see(c, "/disputes")
}
