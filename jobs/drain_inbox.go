package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/telemetry"
)

// drainEach is how often the inbox is looked at although nothing said that a
// batch came: after ClickHouse was away, or a worker was killed.
const drainEach = 10 * time.Second

// drainInbox moves what was acknowledged to where it can be read.
type drainInbox struct {
	river.WorkerDefaults[telemetry.Received]
	telemetry *telemetry.Store
}

// Timeout leaves room for a long queue after an outage; the job then ends and
// the next one goes on.
func (w *drainInbox) Timeout(*river.Job[telemetry.Received]) time.Duration { return 5 * time.Minute }

// Work leaves an outage of the telemetry store to the schedule: were every
// batch that arrives in it tried again by itself, they would crowd out all
// other work.
func (w *drainInbox) Work(ctx context.Context, job *river.Job[telemetry.Received]) error {
	_, err := w.telemetry.DrainSoon(ctx, auth.Product())
	if fault.Of(err) == fault.Unavailable && job.Args.Batch != 0 {
		return nil
	}
	return err
}
