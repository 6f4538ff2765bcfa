package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/internal/retention"
)

const runRetentionEach = 24 * time.Hour

// RunRetention is the daily turn of what ends in time.
type RunRetention struct{}

// Kind names the job; it is never renamed.
func (RunRetention) Kind() string { return "jobs.run_retention" }

type runRetention struct {
	river.WorkerDefaults[RunRetention]
	retention *retention.Register
}

// Timeout is long for the first run over a store that was filled before.
func (w *runRetention) Timeout(*river.Job[RunRetention]) time.Duration { return time.Hour }

func (w *runRetention) Work(ctx context.Context, _ *river.Job[RunRetention]) error {
	if w.retention == nil {
		return nil
	}
	_, err := w.retention.Run(ctx, auth.Product())
	return err
}

// erasePerson follows an erasure that was confirmed.
type erasePerson struct {
	river.WorkerDefaults[retention.Confirmed]
	retention *retention.Register
}

// Timeout is long for a person who was there from the first day.
func (w *erasePerson) Timeout(*river.Job[retention.Confirmed]) time.Duration { return time.Hour }

func (w *erasePerson) Work(ctx context.Context, job *river.Job[retention.Confirmed]) error {
	_, err := w.retention.Erase(ctx, auth.Product(), job.Args.Erasure)
	return err
}
