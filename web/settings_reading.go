package web

import (
	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
)

// readingSet keeps how this person reads Markdown, and leads back.
func (s *site) readingSet(c *fiber.Ctx) error {
	var in struct {
		As string `form:"as"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	if err := s.keepReading(c, in.As); err != nil {
		return err
	}
	if wantsJSON(c) {
		return c.SendStatus(fiber.StatusNoContent)
	}
	return s.see(c, refererPath(c))
}

func (s *site) keepReading(c *fiber.Ctx, as string) error {
	if as != "rendered" && as != "written" {
		return fault.Say(fault.Invalid, "Text is shown rendered or as written.")
	}
	return s.People.SetReading(c.UserContext(), actorOf(c), as == "written")
}

// itemReading is the same switch within the form of a label: what is written
// there stays as a draft.
func (s *site) itemReading(c *fiber.Ctx) error {
	id, form, err := readAnswer(c)
	if err != nil {
		return err
	}
	if err := s.keepReading(c, form.As); err != nil {
		return err
	}
	if err := s.keepDraft(c, id, form); err != nil {
		return err
	}
	return s.see(c, "/items/"+itemID(id))
}
