package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/labeling"
	"assay/telemetry"
)

// flagResponses follows events that landed: their sessions' responses are
// flagged, considered for the queues, and the selected become items. It also
// runs each minute, for sessions that went quiet.
type flagResponses struct {
	river.WorkerDefaults[telemetry.Landed]
	telemetry *telemetry.Store
	labeling  *labeling.Store
}

// Timeout is long for the first run over a store that was filled before.
func (w *flagResponses) Timeout(*river.Job[telemetry.Landed]) time.Duration { return 15 * time.Minute }

func (w *flagResponses) Work(ctx context.Context, job *river.Job[telemetry.Landed]) error {
	actor := auth.Product()
	// A run that reached beyond this job's making has seen its block.
	run, due, err := w.labeling.BeginRun(ctx, actor, job.CreatedAt, time.Now())
	if err != nil || !due {
		return err
	}
	var filled labeling.Filled
	_, err = w.telemetry.Flag(ctx, actor, run.LandedFrom, run.LandedTo, func(ctx context.Context, candidates []telemetry.Candidate) error {
		some, err := w.labeling.Consider(ctx, actor, candidates)
		filled = filled.Plus(some)
		return err
	})
	if err != nil {
		return fmt.Errorf("flag what landed since %s: %w", run.LandedFrom.Format(time.RFC3339), err)
	}
	return w.labeling.EndRun(ctx, actor, run, filled)
}
