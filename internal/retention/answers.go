package retention

import (
	"context"

	"assay/internal/auth"
	"assay/internal/postgres"
)

// Answers is the place of answers kept for a day under an Idempotency-Key: one
// may hold an item with its text.
type Answers struct{ DB postgres.DB }

// Name says which place this is.
func (Answers) Name() string { return "kept answers" }

const overdueAnswers = `asked_at < $1::timestamptz - interval '25 hours'`

// Overdue counts answers older than a day.
func (a Answers) Overdue(ctx context.Context, c Cutoff) (n int64, err error) {
	err = a.DB.QueryRow(ctx, `SELECT count(*) FROM idempotent_answers WHERE `+overdueAnswers, c.Now).Scan(&n)
	return n, err
}

// Expire deletes them.
func (a Answers) Expire(ctx context.Context, actor auth.Actor, c Cutoff) (int64, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	tag, err := a.DB.Exec(ctx, `DELETE FROM idempotent_answers WHERE `+overdueAnswers, c.Now)
	return tag.RowsAffected(), err
}

const answersOf = `body IS NOT NULL AND EXISTS (SELECT FROM unnest($1::text[]) AS s (session_id) WHERE position(convert_to(session_id, 'UTF8') IN body) > 0)`

// Count says how many answers name one of the person's sessions.
func (a Answers) Count(ctx context.Context, p Person) (n int64, err error) {
	err = a.DB.QueryRow(ctx, `SELECT count(*) FROM idempotent_answers WHERE `+answersOf, p.Sessions).Scan(&n)
	return n, err
}

// Erase deletes them.
func (a Answers) Erase(ctx context.Context, actor auth.Actor, p Person) (int64, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	tag, err := a.DB.Exec(ctx, `DELETE FROM idempotent_answers WHERE `+answersOf, p.Sessions)
	return tag.RowsAffected(), err
}
