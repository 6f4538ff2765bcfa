package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/labeling"
)

// replayExclusions makes again what rests on labels that are left out, or that
// count again.
type replayExclusions struct {
	river.WorkerDefaults[labeling.Excluded]
	labeling *labeling.Store
}

func (w *replayExclusions) Work(ctx context.Context, job *river.Job[labeling.Excluded]) error {
	_, err := w.labeling.ReplayExclusion(ctx, auth.Product(), job.Args.LabelerID)
	return err
}
