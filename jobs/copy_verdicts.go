package jobs

import (
	"context"
	"math"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/telemetry"
	"assay/validators"
)

const copyVerdictsEach = 10 * time.Second

// copyVerdicts brings verdicts to the telemetry store, where lists filter by
// them and a fail flags its response.
type copyVerdicts struct {
	river.WorkerDefaults[validators.Validated]
	telemetry  *telemetry.Store
	validators *validators.Store
}

func (w *copyVerdicts) Work(ctx context.Context, _ *river.Job[validators.Validated]) error {
	if w.validators == nil {
		return nil
	}
	_, err := w.validators.CopyVerdicts(ctx, auth.Product(), func(ctx context.Context, block []validators.Copy) error {
		rows := make([]telemetry.VerdictRow, len(block))
		for i, c := range block {
			v := c.Said()
			rows[i] = telemetry.VerdictRow{
				EventID: c.EventID, SessionID: c.SessionID, TaskClass: c.TaskClass, ModelVersion: c.ModelVersion,
				Validator: v.Validator, Version: v.Version, Verdict: v.Verdict, Reason: v.Reason, Message: v.Message, Evidence: v.Evidence,
				InputHash: v.InputHash, Sandbox: v.Sandbox, ElapsedMS: int64(math.Round(v.ElapsedMS)), At: v.At, Revision: c.ID,
			}
		}
		return w.telemetry.CopyVerdicts(ctx, rows)
	})
	return err
}
