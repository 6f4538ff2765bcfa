package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/labeling"
)

const expireEach = 30 * time.Second

// ExpireReservations is the turn of the leases: a closed laptop gives its item
// back by itself.
type ExpireReservations struct{}

// Kind names the job; it is never renamed.
func (ExpireReservations) Kind() string { return "jobs.expire_reservations" }

type expireReservations struct {
	river.WorkerDefaults[ExpireReservations]
	labeling *labeling.Store
}

func (w *expireReservations) Work(ctx context.Context, _ *river.Job[ExpireReservations]) error {
	_, err := w.labeling.Expire(ctx, auth.Product())
	return err
}
