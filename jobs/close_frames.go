package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/labeling"
)

const closeFramesEach = 2 * time.Minute

// CloseFrames is the turn of the frames: totals counted, probabilities written.
type CloseFrames struct{}

// Kind names the job; it is never renamed.
func (CloseFrames) Kind() string { return "jobs.close_frames" }

type closeFrames struct {
	river.WorkerDefaults[CloseFrames]
	labeling *labeling.Store
}

func (w *closeFrames) Timeout(*river.Job[CloseFrames]) time.Duration { return 10 * time.Minute }

func (w *closeFrames) Work(ctx context.Context, _ *river.Job[CloseFrames]) error {
	_, err := w.labeling.CloseFrames(ctx, auth.Product(), time.Now())
	return err
}
