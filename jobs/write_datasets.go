package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
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
	return w.labeling.FreezeVersion(ctx, auth.Product(), job.Args.VersionID)
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
	return w.labeling.WriteExport(ctx, auth.Product(), job.Args.ExportID)
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
	return err
}
