package web

import (
	"context"
	"fmt"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/validators"
	"assay/web/ui"
)

// judgePart is how the language model stands: whether it counts, and what it
// took.
type judgePart struct {
	Facts  ui.Facts
	Counts bool
	Edits  bool
}

// judge reads how the judge stands; nil for every other validator.
func (s *site) judge(ctx context.Context, actor auth.Actor, name string) (*judgePart, error) {
	if name != "judge" {
		return nil, nil
	}
	j, err := s.Validators.JudgeNow(ctx, actor)
	if err != nil || j == nil {
		return nil, err
	}
	p := buildJudge(*j)
	p.Edits = actor.May(auth.Configure)
	return &p, nil
}

func buildJudge(j validators.JudgeStanding) judgePart {
	p := judgePart{Counts: j.Counts}
	standing := "In the shadow: what it says is held against labels here, and reaches no queue, flag or timeline."
	if j.Counts {
		standing = "It counts: a fail flags its response. No gate rests on it."
	}
	took := fmt.Sprintf("%s in 30 days, %s without an answer", ui.CountOf(j.Questions, "question"), ui.Count(j.Failed))
	p.Facts = ui.Facts{Items: []ui.Fact{{Term: "Model", Value: ui.Mono(j.Model)}, {Term: "Stands", Value: ui.Text(standing)}, {Term: "Asked", Value: ui.Text(took)},
		{Term: "Tokens", Value: ui.Text(ui.Count(j.TokensIn) + " in, " + ui.Count(j.TokensOut) + " out")}}}
	if j.Cost > 0 {
		p.Facts.Items = append(p.Facts.Items, ui.Fact{Term: "Cost", Value: ui.Text(ui.Number(j.Cost, 2) + ", at the prices that were set")})
	}
	if !j.SetAt.IsZero() {
		p.Facts.Items = append(p.Facts.Items, ui.Fact{Term: "Decided", Value: ui.Words(ui.Time{At: j.SetAt, Style: ui.DayTime}, " by "+j.SetBy+": "+j.Reason)})
	}
	return p
}

// judgeCount lets the judge count, or no more.
func (s *site) judgeCount(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	var in struct {
		Counts bool   `form:"counts"`
		Reason string `form:"reason"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	card, err := store.Card(ctx, actor, "judge")
	if err != nil {
		return err
	}
	against, err := s.against(ctx, actor)
	if err != nil {
		return err
	}
	a := against[card.Name+" "+card.Version].AgainstPeople
	if err := store.LetJudgeCount(ctx, actor, in.Counts, a.Sensitivity, a.Specificity, in.Reason); err != nil {
		return err
	}
	if in.Counts {
		s.say(c, "It counts from now on.")
	} else {
		s.say(c, "It is in the shadow from now on. What it said before stays.")
	}
	return s.see(c, "/validators/judge")
}
