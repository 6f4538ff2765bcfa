package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/labeling"
)

// backfillRules applies a queue's rules to what came before them, because a
// person asked for it.
type backfillRules struct {
	river.WorkerDefaults[labeling.BackfillAsked]
	labeling *labeling.Store
}

// Timeout is long: ninety days of a busy product are many responses.
func (w *backfillRules) Timeout(*river.Job[labeling.BackfillAsked]) time.Duration {
	return 30 * time.Minute
}

func (w *backfillRules) Work(ctx context.Context, job *river.Job[labeling.BackfillAsked]) error {
	_, err := w.labeling.RunBackfill(ctx, auth.Product(), job.Args.ID)
	return err
}
