package labeling

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// practiceItems is how many cases a new labeler begins with.
const practiceItems = 20

// PracticeCase is a worked case before its answer is shown.
type PracticeCase struct {
	GuideID   int64
	TaskClass string
	Version   int
	Number    int // of the guide, from 1
	Case      BorderlineCase
}

// PracticeAnswer is what a labeler said of a case, and what is right.
type PracticeAnswer struct {
	PracticeCase
	Said       string
	Right      bool
	AnsweredAt time.Time
}

// Practice is how far a labeler has come with their practice.
type Practice struct {
	Next  *PracticeCase   // nil when there is nothing left to practise
	Last  *PracticeAnswer // explained
	Done  int
	Right int
	Total int
	Due   bool // a new labeler practises before they label
}

// Practice returns the actor's next practice case and the last one explained.
func (s *Store) Practice(ctx context.Context, actor auth.Actor) (Practice, error) {
	if err := actor.Require(auth.Label); err != nil {
		return Practice{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Practice{}, err
	}
	cases, err := s.practiceCases(ctx, s.DB, labeler)
	if err != nil {
		return Practice{}, err
	}
	answers, err := practised(ctx, s.DB, labeler, cases)
	if err != nil {
		return Practice{}, err
	}
	p := Practice{Total: len(cases), Done: len(answers)}
	for i, a := range answers {
		if a.Right {
			p.Right++
		}
		if p.Last == nil || !a.AnsweredAt.Before(p.Last.AnsweredAt) {
			p.Last = &answers[i]
		}
	}
	for i, c := range cases {
		if !slices.ContainsFunc(answers, func(a PracticeAnswer) bool { return a.GuideID == c.GuideID && a.Number == c.Number }) {
			p.Next = &cases[i]
			break
		}
	}
	p.Due, err = s.practiceDue(ctx, labeler)
	p.Due = p.Due && p.Next != nil && !actor.May(auth.Adjudicate)
	return p, err
}

// PracticeDue reports whether the actor is a new labeler who has cases to
// practise before they label.
func (s *Store) PracticeDue(ctx context.Context, actor auth.Actor) (bool, error) {
	if !actor.May(auth.Label) || actor.Kind != auth.Person || actor.May(auth.Adjudicate) {
		return false, nil
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return false, err
	}
	if due, err := s.practiceDue(ctx, labeler); err != nil || !due {
		return false, err
	}
	p, err := s.Practice(ctx, actor)
	return p.Due, err
}

// practiceDue reports whether the labeler is new: without a label and without
// practice.
func (s *Store) practiceDue(ctx context.Context, labeler int64) (bool, error) {
	var due bool
	err := s.DB.QueryRow(ctx, `
		SELECT practised_at IS NULL AND NOT EXISTS (SELECT FROM labels l WHERE l.labeler_id = w.id)
		FROM labelers w
		WHERE id = $1`, labeler).Scan(&due)
	if err != nil {
		return false, fmt.Errorf("practice of labeler %d: %w", labeler, err)
	}
	return due, nil
}

// practiceCases chooses the labeler's cases: one after the other from the
// guides of all queues, begun at another place for each labeler.
func (s *Store) practiceCases(ctx context.Context, db postgres.DB, labeler int64) ([]PracticeCase, error) {
	rows, _ := db.Query(ctx, `
		SELECT DISTINCT ON (g.task_class) `+guideColumns+`
		FROM guides g
		WHERE EXISTS (SELECT FROM queues q WHERE q.task_class = g.task_class AND q.archived_at IS NULL AND q.kind = 'standard')
		ORDER BY g.task_class, g.version DESC`)
	guides, err := pgx.CollectRows(rows, pgx.RowToStructByName[Guide])
	if err != nil {
		return nil, fmt.Errorf("guides to practise: %w", err)
	}
	var byGuide [][]PracticeCase
	for _, g := range guides {
		var list []PracticeCase
		for i, c := range g.withShipped().WorkedCases() {
			list = append(list, PracticeCase{GuideID: g.ID, TaskClass: g.TaskClass, Version: g.Version, Number: i + 1, Case: c})
		}
		if len(list) > 0 {
			begin := int(labeler) % len(list)
			byGuide = append(byGuide, append(slices.Clone(list[begin:]), list[:begin]...))
		}
	}
	return dealt(byGuide, practiceItems), nil
}

// dealt takes one from each list in turn, at most so many.
func dealt(lists [][]PracticeCase, most int) []PracticeCase {
	var all []PracticeCase
	for round := 0; len(all) < most; round++ {
		before := len(all)
		for _, list := range lists {
			if round < len(list) && len(all) < most {
				all = append(all, list[round])
			}
		}
		if len(all) == before {
			break
		}
	}
	return all
}

// practised lists what the labeler has answered of these cases.
func practised(ctx context.Context, db postgres.DB, labeler int64, cases []PracticeCase) ([]PracticeAnswer, error) {
	rows, _ := db.Query(ctx, `
		SELECT guide_id, number, said, "right", answered_at FROM practice_answers
		WHERE labeler_id = $1
		ORDER BY id`, labeler)
	var answers []PracticeAnswer
	var guide int64
	var number int
	var said string
	var right bool
	var at time.Time
	_, err := pgx.ForEachRow(rows, []any{&guide, &number, &said, &right, &at}, func() error {
		for _, c := range cases {
			if c.GuideID == guide && c.Number == number {
				answers = append(answers, PracticeAnswer{PracticeCase: c, Said: said, Right: right, AnsweredAt: at})
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("practice of labeler %d: %w", labeler, err)
	}
	return answers, nil
}

// AnswerPractice keeps what the actor says of a practice case and returns it
// explained. Answers never count; the first one to a case stays. With the last
// one the labeler is done.
func (s *Store) AnswerPractice(ctx context.Context, actor auth.Actor, guide int64, number int, said string) (PracticeAnswer, error) {
	if err := actor.Require(auth.Label); err != nil {
		return PracticeAnswer{}, err
	}
	if !slices.Contains(Labels, said) {
		return PracticeAnswer{}, fault.Say(fault.Invalid, "Choose a label first: correct, partially correct, hallucinated or cannot tell.")
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return PracticeAnswer{}, err
	}
	var answer PracticeAnswer
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		cases, err := s.practiceCases(ctx, tx, labeler)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(cases, func(c PracticeCase) bool { return c.GuideID == guide && c.Number == number })
		if i < 0 {
			return fault.Say(fault.NotFound, "This practice case is no longer there: its guide has a new version.")
		}
		answer = PracticeAnswer{PracticeCase: cases[i], Said: said, Right: said == cases[i].Case.Label}
		_, err = tx.Exec(ctx, `
			INSERT INTO practice_answers (labeler_id, guide_id, number, said, "right")
			VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (labeler_id, guide_id, number) DO NOTHING`, labeler, guide, number, said, answer.Right)
		if err != nil {
			return fmt.Errorf("practise case %d of guide %d: %w", number, guide, err)
		}
		answers, err := practised(ctx, tx, labeler, cases)
		if err != nil || len(answers) < len(cases) {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE labelers SET practised_at = coalesce(practised_at, clock_timestamp()) WHERE id = $1`, labeler)
		return err
	})
	return answer, err
}
