package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/labeling"
)

// importTurn is how long an import is worked on at a stretch. A longer one
// goes on in another turn, behind the blocks that are in, so that one which
// was killed is not missed for long.
const importTurn = 5 * time.Minute

// checkImports reads files of labels and says what would become of them.
type checkImports struct {
	river.WorkerDefaults[labeling.ImportReceived]
	labeling *labeling.Store
}

func (w *checkImports) Timeout(*river.Job[labeling.ImportReceived]) time.Duration {
	return datasetTakes
}

func (w *checkImports) Work(ctx context.Context, job *river.Job[labeling.ImportReceived]) error {
	err := w.labeling.Check(ctx, auth.Product(), job.Args.ImportID)
	return lastly(ctx, job.JobRow, err, func(ctx context.Context, why string) error {
		return w.labeling.FailImport(ctx, auth.Product(), job.Args.ImportID, why)
	})
}

// takeImports takes up the files that a person agreed to.
type takeImports struct {
	river.WorkerDefaults[labeling.ImportAgreed]
	labeling *labeling.Store
}

func (w *takeImports) Timeout(*river.Job[labeling.ImportAgreed]) time.Duration {
	return importTurn + time.Minute
}

func (w *takeImports) Work(ctx context.Context, job *river.Job[labeling.ImportAgreed]) error {
	err := inTurns(ctx, func(ctx context.Context) error { return w.labeling.TakeUp(ctx, auth.Product(), job.Args.ImportID) })
	return lastly(ctx, job.JobRow, err, func(ctx context.Context, why string) error {
		return w.labeling.FailImport(ctx, auth.Product(), job.Args.ImportID, why)
	})
}

// withdrawImports takes the labels of an import back.
type withdrawImports struct {
	river.WorkerDefaults[labeling.ImportRevoked]
	labeling *labeling.Store
}

func (w *withdrawImports) Timeout(*river.Job[labeling.ImportRevoked]) time.Duration {
	return importTurn + time.Minute
}

func (w *withdrawImports) Work(ctx context.Context, job *river.Job[labeling.ImportRevoked]) error {
	err := inTurns(ctx, func(ctx context.Context) error { return w.labeling.Withdraw(ctx, auth.Product(), job.Args.ImportID) })
	return lastly(ctx, job.JobRow, err, func(ctx context.Context, why string) error {
		return w.labeling.FailImport(ctx, auth.Product(), job.Args.ImportID, why)
	})
}

// inTurns works until the turn is over, and asks for another one then.
func inTurns(ctx context.Context, work func(context.Context) error) error {
	turn, end := context.WithTimeout(ctx, importTurn)
	defer end()
	err := work(turn)
	if err != nil && errors.Is(turn.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		return river.JobSnooze(time.Second)
	}
	return err
}
