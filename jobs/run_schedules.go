package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/telemetry"
	"assay/validators"
)

const runSchedulesEach = 15 * time.Second

// RunSchedules runs the validators' schedules that are due. When each is due
// stands in a table of its own; this looks at it.
type RunSchedules struct{}

// Kind names the job.
func (RunSchedules) Kind() string { return "jobs.run_validator_schedules" }

type runSchedules struct {
	river.WorkerDefaults[RunSchedules]
	telemetry  *telemetry.Store
	validators *validators.Store
}

// Timeout is that of a first run over much that landed.
func (w *runSchedules) Timeout(*river.Job[RunSchedules]) time.Duration { return 10 * time.Minute }

func (w *runSchedules) Work(ctx context.Context, _ *river.Job[RunSchedules]) error {
	if w.validators == nil || w.validators.Set == nil {
		return nil // this process runs no validators
	}
	_, err := w.validators.RunSchedules(ctx, auth.Product(), landed(w.telemetry))
	return err
}
