package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/validators"
)

const sweepVerdictsEach = 12 * time.Hour

// SweepVerdicts forgets old trials of canaries that were right.
type SweepVerdicts struct{}

// Kind names the job.
func (SweepVerdicts) Kind() string { return "jobs.sweep_verdicts" }

type sweepVerdicts struct {
	river.WorkerDefaults[SweepVerdicts]
	validators *validators.Store
}

func (w *sweepVerdicts) Work(ctx context.Context, _ *river.Job[SweepVerdicts]) error {
	if w.validators == nil {
		return nil
	}
	return w.validators.Sweep(ctx, auth.Product())
}
