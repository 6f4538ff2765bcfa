package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/labeling"
	"assay/telemetry"
)

// gatherTraces follows what puts a trace in order: its name, come late, or
// text that came apart from its spans. Items follow to where their responses
// are, and responses that can be read now are considered again.
type gatherTraces struct {
	river.WorkerDefaults[telemetry.Gathering]
	telemetry *telemetry.Store
	labeling  *labeling.Store
}

func (w *gatherTraces) Timeout(*river.Job[telemetry.Gathering]) time.Duration {
	return 2 * time.Minute
}

func (w *gatherTraces) Work(ctx context.Context, job *river.Job[telemetry.Gathering]) error {
	actor := auth.Product()
	moved, err := w.telemetry.Gather(ctx, actor, job.Args.Traces)
	if err != nil {
		return err
	}
	for _, m := range moved {
		if err := w.labeling.FollowSession(ctx, actor, m.From, m.To); err != nil {
			return err
		}
	}
	return w.telemetry.Gathered(ctx, actor)
}
