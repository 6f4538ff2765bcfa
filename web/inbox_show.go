package web

import (
	"context"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/labeling"
	"assay/web/ui"
)

// inboxPage is what people and decisions have for the reader.
type inboxPage struct {
	Head   ui.Head
	Table  ui.Table
	Unread int
}

func (s *site) inboxShow(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	notices, err := labels.Inbox(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: "Inbox"}, buildInbox(notices).draw())
}

func buildInbox(notices []labeling.Notice) inboxPage {
	p := inboxPage{Head: ui.Head{Title: "Inbox"}, Table: ui.Table{Caption: "Inbox", Columns: []ui.Column{{Label: "What", Wide: true}, {Label: "Item", Wide: true}, {Label: "Queue"}, {Label: "When", Right: true}},
		Empty: ui.Empty{Bare: true, Title: "Nothing has come for you", Why: "Mentions in comments, objections to your labels and decisions about them stand here."}}}
	for _, n := range notices {
		address := "/items/" + itemID(n.ItemID) + "/discussion"
		words := ui.Text(noticeWords(n))
		if n.ReadAt == nil {
			words = ui.Bold(noticeWords(n))
			p.Unread++
		}
		p.Table.Rows = append(p.Table.Rows, ui.Row{URL: address, Dim: n.ReadAt != nil, Cells: []templ.Component{words,
			ui.Link{Text: railTitle(n.Title), URL: address, Plain: true}, ui.Text(n.Queue), ui.Time{At: n.At}}})
	}
	p.Head.Sub = "All read"
	if p.Unread > 0 {
		p.Head.Sub = ui.Count(p.Unread) + " unread"
	}
	return p
}

func noticeWords(n labeling.Notice) string {
	switch n.Kind {
	case "mention":
		return n.From + " mentions you"
	case "disputed":
		if n.From == "" {
			return "Your label is disputed"
		}
		return n.From + " disputes your label"
	}
	return "A dispute is decided"
}

func (s *site) inboxRead(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	if err := labels.ReadNotices(c.UserContext(), actorOf(c), 0); err != nil {
		return err
	}
	return s.see(c, "/inbox")
}

// unread is the count beside the inbox; a store that is away costs the count.
func (s *site) unread(c *fiber.Ctx, actor auth.Actor) int {
	if s.Labeling == nil {
		return 0
	}
	if n, known := c.Locals(unreadLocal).(int); known {
		return n
	}
	return s.countUnread(c.UserContext(), actor)
}

func (s *site) countUnread(ctx context.Context, actor auth.Actor) int {
	n, err := s.Labeling.Unread(ctx, actor)
	if err != nil {
		s.log().Warn("the count of unread notices is not known", "error", loggable(err))
	}
	return n
}
