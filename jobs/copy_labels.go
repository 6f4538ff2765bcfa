package jobs

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/labeling"
)

const (
	copyLabelsEach = 5 * time.Second
	copiesApart    = 2 * time.Second
)

// copyLabels brings what was labeled to the telemetry store. Labels come one
// at a time and ClickHouse wants many, so that copies keep a distance: what a
// busy moment leaves in the outbox goes with the next turn of the schedule.
type copyLabels struct {
	river.WorkerDefaults[labeling.Submitted]
	labeling *labeling.Store
	last     atomic.Int64 // when the last copy began, in nanoseconds
}

func (w *copyLabels) Work(ctx context.Context, _ *river.Job[labeling.Submitted]) error {
	now := time.Now().UnixNano()
	last := w.last.Load()
	if time.Duration(now-last) < copiesApart || !w.last.CompareAndSwap(last, now) {
		return nil
	}
	_, err := w.labeling.CopyLabels(ctx, auth.Product())
	return err
}
