package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/labeling"
)

const callThirdsEach = 10 * time.Minute

// CallThirds is the turn of labels that two people agree on and that are not
// sure for all that.
type CallThirds struct{}

// Kind names the job; it is never renamed.
func (CallThirds) Kind() string { return "jobs.call_thirds" }

type callThirds struct {
	river.WorkerDefaults[CallThirds]
	labeling *labeling.Store
}

func (w *callThirds) Work(ctx context.Context, _ *river.Job[CallThirds]) error {
	_, err := w.labeling.CallThirds(ctx, auth.Product())
	return err
}
