package web

import (
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/web/ui"
)

// findQueues finds queues by their title or address.
func (s *site) findQueues(c *fiber.Ctx, actor auth.Actor, text string) ([]match, error) {
	if s.Labeling == nil || text == "" || actor.Kind != auth.Person || !actor.May(auth.SeeSessions) || !actor.May(auth.ReadQueues) {
		return nil, nil
	}
	queues, err := s.Labeling.Queues(c.UserContext(), actor)
	if err != nil {
		return nil, err
	}
	var found []match
	for _, queue := range queues {
		if fits(queue.Title, text) || queue.Slug == text {
			found = append(found, match{Icon: ui.IconInbox, Name: queue.Title, Why: "queue", URL: "/queues/" + pathPart(queue.Slug), Weight: 50})
		}
	}
	return found, nil
}
