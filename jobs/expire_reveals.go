package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/telemetry"
)

const expireRevealsEach = 10 * time.Minute

// ExpireReveals ends looks at raw text whose time has run out.
type ExpireReveals struct{}

// Kind names the job; it is never renamed.
func (ExpireReveals) Kind() string { return "jobs.expire_reveals" }

type expireReveals struct {
	river.WorkerDefaults[ExpireReveals]
	telemetry *telemetry.Store
}

func (w *expireReveals) Work(ctx context.Context, _ *river.Job[ExpireReveals]) error {
	_, err := w.telemetry.ExpireReveals(ctx, auth.Product())
	return err
}
