package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/internal/auth/people"
)

const sweepPeopleEach = 24 * time.Hour

// SweepPeople forgets sign-ins, links and failures that no longer count.
type SweepPeople struct{}

// Kind names the job; it is never renamed.
func (SweepPeople) Kind() string { return "jobs.sweep_people" }

type sweepPeople struct {
	river.WorkerDefaults[SweepPeople]
	people *people.Register
}

func (w *sweepPeople) Work(ctx context.Context, _ *river.Job[SweepPeople]) error {
	return w.people.Sweep(ctx, auth.Product())
}
