package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
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

// NextRetry asks again soon: what waits is safe, but nobody can see it.
func (w *drainInbox) NextRetry(job *river.Job[telemetry.Received]) time.Time {
	return time.Now().Add(min(time.Duration(job.Attempt)*2*time.Second, 30*time.Second))
}

func (w *drainInbox) Work(ctx context.Context, _ *river.Job[telemetry.Received]) error {
	_, err := w.telemetry.DrainSoon(ctx, auth.Product())
	return err
}
