package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"assay/internal/audit"
)

// SequenceAudit is the turn of the sequencer.
type SequenceAudit struct{}

// Kind names the job; it is never renamed.
func (SequenceAudit) Kind() string { return "jobs.sequence_audit" }

type sequenceAudit struct {
	river.WorkerDefaults[SequenceAudit]
	audit *audit.Log
}

func (w *sequenceAudit) Work(ctx context.Context, _ *river.Job[SequenceAudit]) error {
	_, err := w.audit.Sequence(ctx)
	return err
}

// SignCheckpoints is the turn of the hourly and the daily checkpoint; asked
// again within the hour or day it changes nothing.
type SignCheckpoints struct{}

// Kind names the job; it is never renamed.
func (SignCheckpoints) Kind() string { return "jobs.sign_checkpoints" }

type signCheckpoints struct {
	river.WorkerDefaults[SignCheckpoints]
	audit *audit.Log
}

func (w *signCheckpoints) Work(ctx context.Context, _ *river.Job[SignCheckpoints]) error {
	for _, kind := range []audit.Kind{audit.Hourly, audit.Daily} {
		if _, err := w.audit.Checkpoint(ctx, kind); err != nil {
			return err
		}
	}
	return nil
}
