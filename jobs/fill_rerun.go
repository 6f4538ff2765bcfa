package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/telemetry"
	"assay/validators"
)

// fillRerun puts the responses of a re-run before its validator, because a
// person asked for it. Interrupted, it is done again and finds what is there.
type fillRerun struct {
	river.WorkerDefaults[validators.RerunAsked]
	telemetry  *telemetry.Store
	validators *validators.Store
}

// Timeout is long: a year of a busy product is many responses.
func (w *fillRerun) Timeout(*river.Job[validators.RerunAsked]) time.Duration { return 15 * time.Minute }

func (w *fillRerun) Work(ctx context.Context, job *river.Job[validators.RerunAsked]) error {
	if w.validators == nil || w.validators.Set == nil {
		return river.JobSnooze(time.Minute) // another process has them
	}
	return w.validators.FillRerun(ctx, auth.Product(), job.Args.ID, windowed(w.telemetry))
}
