package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/labeling"
)

const watchLabelersEach = time.Hour

// WatchLabelers is the turn of labelers whom signals make look unusual.
type WatchLabelers struct{}

// Kind names the job; it is never renamed.
func (WatchLabelers) Kind() string { return "jobs.watch_labelers" }

type watchLabelers struct {
	river.WorkerDefaults[WatchLabelers]
	labeling *labeling.Store
}

func (w *watchLabelers) Work(ctx context.Context, _ *river.Job[WatchLabelers]) error {
	_, err := w.labeling.WatchLabelers(ctx, auth.Product())
	return err
}
