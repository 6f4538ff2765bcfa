package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
)

// datasetTakes is the longest that freezing or writing a whole version takes.
const datasetTakes = 15 * time.Minute

// freezeDatasets copies what a new version of a dataset selects.
type freezeDatasets struct {
	river.WorkerDefaults[labeling.Frozen]
	labeling *labeling.Store
}

func (w *freezeDatasets) Timeout(*river.Job[labeling.Frozen]) time.Duration { return datasetTakes }

func (w *freezeDatasets) Work(ctx context.Context, job *river.Job[labeling.Frozen]) error {
	err := w.labeling.FreezeVersion(ctx, auth.Product(), job.Args.VersionID)
	return lastly(ctx, job.JobRow, err, func(ctx context.Context, why string) error {
		return w.labeling.FailVersion(ctx, auth.Product(), job.Args.VersionID, why)
	})
}

// writeExports writes the files of frozen versions.
type writeExports struct {
	river.WorkerDefaults[labeling.ExportRequested]
	labeling *labeling.Store
}

func (w *writeExports) Timeout(*river.Job[labeling.ExportRequested]) time.Duration {
	return datasetTakes
}

func (w *writeExports) Work(ctx context.Context, job *river.Job[labeling.ExportRequested]) error {
	err := w.labeling.WriteExport(ctx, auth.Product(), job.Args.ExportID)
	return lastly(ctx, job.JobRow, err, func(ctx context.Context, why string) error {
		return w.labeling.FailExport(ctx, auth.Product(), job.Args.ExportID, why)
	})
}

// lastly tells people when a job has failed as often as it may, and gives the
// error back. A job that is killed with the program is taken up again.
func lastly(ctx context.Context, job *rivertype.JobRow, err error, tell func(ctx context.Context, why string) error) error {
	if errors.Is(err, labeling.ErrAtWork) {
		return river.JobSnooze(10 * time.Second)
	}
	var turn *river.JobSnoozeError
	if errors.As(err, &turn) {
		return err // nothing failed: there is more to do
	}
	if err == nil || job.Attempt < job.MaxAttempts {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, tell(ctx, whyFailed(job, err)))
}

// whyFailed is the reason for people. What a store says is for the log, where
// the job's number finds it.
func whyFailed(job *rivertype.JobRow, err error) string {
	switch {
	case fault.Words(err) != "":
		return fault.Words(err)
	case errors.Is(err, context.Canceled):
		return "the program was stopped while it was at work."
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("it took longer than %d minutes. Choose less at a time.", int(datasetTakes.Minutes()))
	}
	return fmt.Sprintf("it broke off %d times; the log has the reason under job %d.", job.Attempt, job.ID)
}

// ExpireExports empties files whose link has run out.
type ExpireExports struct{}

// Kind names the job.
func (ExpireExports) Kind() string { return "labeling.expire_exports" }

type expireExports struct {
	river.WorkerDefaults[ExpireExports]
	labeling *labeling.Store
}

func (w *expireExports) Work(ctx context.Context, _ *river.Job[ExpireExports]) error {
	_, err := w.labeling.ExpireExports(ctx, auth.Product())
	_, more := w.labeling.ExpireImports(ctx, auth.Product())
	return errors.Join(err, more)
}
