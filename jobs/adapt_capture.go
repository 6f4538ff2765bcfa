package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/eval"
	"assay/internal/auth"
	"assay/telemetry"
)

const adaptCaptureEach = time.Hour

// AdaptCapture is the hourly look at how much text of a task class is kept.
type AdaptCapture struct{}

// Kind names the job; it is never renamed.
func (AdaptCapture) Kind() string { return "jobs.adapt_capture" }

type adaptCapture struct {
	river.WorkerDefaults[AdaptCapture]
	telemetry *telemetry.Store
	eval      *eval.Store
}

func (w *adaptCapture) Work(ctx context.Context, _ *river.Job[AdaptCapture]) error {
	seen, err := w.eval.Seen(ctx, auth.Product(), time.Now())
	if err != nil {
		return err
	}
	_, err = w.telemetry.Adapt(ctx, auth.Product(), seen)
	return err
}
