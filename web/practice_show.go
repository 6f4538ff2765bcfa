package web

import (
	"fmt"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// practicePage is one practice case, with the one before explained.
type practicePage struct {
	Head      ui.Head
	Progress  ui.Meter
	Trouble   *ui.Banner
	Explained *practiceExplained
	Next      *practiceQuestion
	Done      ui.Empty
}

// practiceExplained is the case just answered, with what is right and why.
type practiceExplained struct {
	Title string
	Right bool
	Said  templ.Component
	Truth templ.Component
	Why   string
	Guide ui.Link
}

// practiceQuestion is a case before its answer.
type practiceQuestion struct {
	Title, Asked, Given, Answered string
	Class                         string
	Guide, Number                 string
	Choices                       ui.LabelChoices
}

// practisedFirst sends a new labeler to practice before anything is served.
func practisedFirst(next func(*site, *fiber.Ctx) error) func(*site, *fiber.Ctx) error {
	return func(s *site, c *fiber.Ctx) error {
		labels, err := s.labels()
		if err != nil {
			return err
		}
		due, err := labels.PracticeDue(c.UserContext(), actorOf(c))
		if err != nil {
			return err
		}
		if due {
			return s.see(c, "/practice")
		}
		return next(s, c)
	}
}

func (s *site) practiceShow(c *fiber.Ctx) error { return s.practicePage(c, nil) }

func (s *site) practicePage(c *fiber.Ctx, trouble error) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	practice, err := labels.Practice(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	p := buildPractice(practice)
	if trouble != nil {
		p.Trouble = &ui.Banner{Tone: ui.Mid, Fact: "Nothing was kept.", Consequence: fault.Words(trouble), Alert: true}
	}
	return s.page(c, ui.Page{Title: "Practice", Nav: "queues", Short: "Practice", Back: &ui.Link{Text: "Start", URL: "/"}}, p.draw())
}

func buildPractice(in labeling.Practice) practicePage {
	p := practicePage{
		Head:     ui.Head{Title: "Practice", Sub: fmt.Sprintf("%d of %d done, %d as the guide has it. Practice never counts: it moves no rate and nobody is judged by it.", in.Done, in.Total, in.Right)},
		Progress: ui.Meter{Value: float64(in.Done), Max: float64(max(1, in.Total)), Tone: ui.Accent, Name: fmt.Sprintf("%d of %d practice cases done", in.Done, in.Total)},
		Done: ui.Empty{Title: "You are through", Why: fmt.Sprintf("%d of %d as the guide has it. From here on your labels count.", in.Right, in.Total),
			Actions: []templ.Component{ui.Button{Label: "Start labeling", URL: "/", Style: ui.Filled}}},
	}
	if in.Total == 0 {
		p.Done = ui.Empty{Title: "Nothing to practise", Why: "No guide has borderline cases yet. An engineer writes them on the page of a guide.",
			Actions: []templ.Component{ui.Button{Label: "Guides", URL: "/guides"}}}
	}
	if a := in.Last; a != nil {
		p.Explained = &practiceExplained{
			Title: a.Case.Title, Right: a.Right, Said: labelSign(a.Said), Truth: labelSign(a.Case.Label), Why: a.Case.Why,
			Guide: ui.Link{Text: fmt.Sprintf("%s, guide %d", taskClassWords(a.TaskClass), a.Version), URL: "/guides/" + pathPart(a.TaskClass)},
		}
	}
	if n := in.Next; n != nil {
		p.Next = &practiceQuestion{
			Title: fmt.Sprintf("Case %d of %d", in.Done+1, in.Total), Asked: n.Case.Asked, Given: n.Case.Given, Answered: n.Case.Answered,
			Class: taskClassWords(n.TaskClass), Guide: itemID(n.GuideID), Number: fmt.Sprint(n.Number),
			Choices: ui.LabelChoices{Inline: true, Legend: "Is this response correct?", Choices: ui.StandardChoices("", [4]string{}).Choices},
		}
	}
	return p
}

func (s *site) practiceAnswer(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var form struct {
		Guide  int64  `form:"guide"`
		Number int    `form:"number"`
		Label  string `form:"label"`
	}
	if err := readForm(c, &form); err != nil {
		return err
	}
	_, err = labels.AnswerPractice(c.UserContext(), actorOf(c), form.Guide, form.Number, form.Label)
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.NotFound {
		c.Status(fiber.StatusBadRequest)
		return s.practicePage(c, err)
	}
	if err != nil {
		return err
	}
	return s.see(c, "/practice")
}
