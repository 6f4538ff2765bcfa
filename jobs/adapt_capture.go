package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/eval"
	"assay/internal/auth"
	"assay/labeling"
	"assay/telemetry"
)

const adaptCaptureEach = time.Hour

// AdaptCapture is the hourly look at how much text of a task class is kept, and
// how much of it people are given to read.
type AdaptCapture struct{}

// Kind names the job; it is never renamed.
func (AdaptCapture) Kind() string { return "jobs.adapt_capture" }

type adaptCapture struct {
	river.WorkerDefaults[AdaptCapture]
	telemetry *telemetry.Store
	labeling  *labeling.Store
	eval      *eval.Store
}

func (w *adaptCapture) Work(ctx context.Context, _ *river.Job[AdaptCapture]) error {
	now := time.Now()
	seen, err := w.eval.Seen(ctx, auth.Product(), now)
	if err != nil {
		return err
	}
	if _, err := w.telemetry.Adapt(ctx, auth.Product(), seen); err != nil {
		return err
	}
	_, err = w.labeling.Adapt(ctx, auth.Product(), seen, now)
	return err
}
