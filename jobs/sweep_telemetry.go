package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/telemetry"
)

// sweepEach opens the days to come well before midnight.
const sweepEach = 6 * time.Hour

// SweepTelemetry opens the inbox's days to come and drops those that are over.
type SweepTelemetry struct{}

// Kind names the job.
func (SweepTelemetry) Kind() string { return "jobs.sweep_telemetry" }

type sweepTelemetry struct {
	river.WorkerDefaults[SweepTelemetry]
	telemetry *telemetry.Store
}

func (w *sweepTelemetry) Work(ctx context.Context, _ *river.Job[SweepTelemetry]) error {
	_, err := w.telemetry.Sweep(ctx, auth.Product())
	return err
}
