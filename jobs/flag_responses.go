package jobs

import (
	"context"
	"fmt"
	"sync"
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
	rest      rest
}

// rest keeps work that follows every block from taking the machine away from
// the blocks: after a run comes a pause of twice its length, in which more
// gathers for the next. A short run, as that of one thumbs-down is, is followed
// by next to none.
type rest struct {
	mu    sync.Mutex
	until time.Time
}

// restMost keeps a thumbs-down from waiting for the queue longer than a minute.
const restMost = 20 * time.Second

// over waits for the end of the pause.
func (r *rest) over(ctx context.Context) error {
	r.mu.Lock()
	left := time.Until(r.until)
	r.mu.Unlock()
	if left <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(left):
		return nil
	}
}

// after begins the pause that follows a run.
func (r *rest) after(began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.until = now.Add(min(2*now.Sub(began), restMost))
}

// Timeout is long for the first run over a store that was filled before.
func (w *flagResponses) Timeout(*river.Job[telemetry.Landed]) time.Duration { return 15 * time.Minute }

func (w *flagResponses) Work(ctx context.Context, job *river.Job[telemetry.Landed]) error {
	actor := auth.Product()
	if err := w.rest.over(ctx); err != nil {
		return err
	}
	defer w.rest.after(time.Now())
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
