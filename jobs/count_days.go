package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/telemetry"
)

const (
	// countDaysEach is how often the totals of days follow what landed; each
	// run looks back twice as far, so that a late start misses nothing.
	countDaysEach   = 10 * time.Minute
	compareDaysEach = 24 * time.Hour
)

// CountDays counts the days in which something landed.
type CountDays struct{}

// Kind names the job.
func (CountDays) Kind() string { return "jobs.count_days" }

type countDays struct {
	river.WorkerDefaults[CountDays]
	telemetry *telemetry.Store
}

func (w *countDays) Work(ctx context.Context, _ *river.Job[CountDays]) error {
	now := time.Now()
	_, err := w.telemetry.CountDays(ctx, auth.Product(), now.Add(-2*countDaysEach), now)
	return err
}

// CompareDays compares the totals of days with their events.
type CompareDays struct{}

// Kind names the job.
func (CompareDays) Kind() string { return "jobs.compare_days" }

type compareDays struct {
	river.WorkerDefaults[CompareDays]
	telemetry *telemetry.Store
}

// Timeout leaves room for a year of days.
func (w *compareDays) Timeout(*river.Job[CompareDays]) time.Duration { return 30 * time.Minute }

func (w *compareDays) Work(ctx context.Context, _ *river.Job[CompareDays]) error {
	_, err := w.telemetry.CompareDays(ctx, auth.Product())
	return err
}
