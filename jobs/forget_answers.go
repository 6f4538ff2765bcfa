package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/postgres"
)

// An answer kept for its Idempotency-Key counts for a day; the hour beyond is
// for one that is just being asked for again.
const (
	forgetAnswersEach = time.Hour
	answersKept       = 25 * time.Hour
)

// ForgetAnswers deletes old answers to requests that carried an
// Idempotency-Key.
type ForgetAnswers struct{}

// Kind names the job; it is never renamed.
func (ForgetAnswers) Kind() string { return "jobs.forget_answers" }

type forgetAnswers struct {
	river.WorkerDefaults[ForgetAnswers]
	db postgres.DB
}

func (w *forgetAnswers) Work(ctx context.Context, _ *river.Job[ForgetAnswers]) error {
	_, err := w.db.Exec(ctx, `
		DELETE FROM idempotent_answers
		WHERE asked_at < clock_timestamp() - $1::interval`, answersKept)
	return err
}
