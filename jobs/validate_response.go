package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/telemetry"
	"assay/validators"
)

const (
	validateEach = 5 * time.Second
	// validateFor bounds one run; what still waits goes with the next.
	validateFor = 4 * time.Minute
)

// ValidateResponses asks the validators about what landed and lets them judge
// what waits.
type ValidateResponses struct{}

// Kind names the job.
func (ValidateResponses) Kind() string { return "jobs.validate_responses" }

// InsertOpts puts the job into the validators' own queue: a check may take
// much memory, and must not hold up anything else.
func (ValidateResponses) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueValidators}
}

type validateResponses struct {
	river.WorkerDefaults[ValidateResponses]
	telemetry  *telemetry.Store
	validators *validators.Store
}

// Timeout is above the time a run gives itself and the wall limit of its last
// batch.
func (w *validateResponses) Timeout(*river.Job[ValidateResponses]) time.Duration {
	return 3 * validateFor
}

func (w *validateResponses) Work(ctx context.Context, _ *river.Job[ValidateResponses]) error {
	if w.validators == nil || w.validators.Set == nil {
		return nil // this process runs no validators
	}
	if err := w.ask(ctx); err != nil {
		return err
	}
	until := time.Now().Add(validateFor)
	var errs []error
	for _, v := range w.validators.Set.All() {
		errs = append(errs, w.judge(ctx, v.Name, until))
	}
	return errors.Join(errs...)
}

// ask puts what landed since the last look before the validators of its kind.
func (w *validateResponses) ask(ctx context.Context) error {
	scan, err := w.validators.BeginScan(ctx, auth.Product())
	if err != nil {
		return err
	}
	err = w.telemetry.Checkable(ctx, auth.Product(), scan.From, scan.To, w.validators.Set.Kinds(), func(ctx context.Context, some []telemetry.Checkable) error {
		subjects := make([]validators.Subject, len(some))
		for i, c := range some {
			subjects[i] = validators.Subject{EventID: c.EventID, SessionID: c.SessionID, TaskClass: c.TaskClass, ModelVersion: c.ModelVersion, Kind: c.ArtifactKind}
		}
		_, err := w.validators.Ask(ctx, auth.Product(), validators.OnArrival, subjects)
		return err
	})
	if err != nil {
		return err
	}
	return w.validators.EndScan(ctx, auth.Product(), scan)
}

// judge runs batches of one validator until nothing waits or the time is over.
// A suspended validator is no failed job: its page says so, and the next run
// tries its canaries again.
func (w *validateResponses) judge(ctx context.Context, name string, until time.Time) error {
	for time.Now().Before(until) {
		done, err := w.validators.Batch(ctx, auth.Product(), name, w.read)
		var suspended validators.Suspended
		if errors.As(err, &suspended) {
			return nil
		}
		if err != nil || done.Taken == 0 || done.Troubled > 0 {
			return err
		}
	}
	return nil
}

// read turns responses into what validators look at.
func (w *validateResponses) read(ctx context.Context, events []uuid.UUID) (map[uuid.UUID]validators.Input, error) {
	responses, err := w.telemetry.Responses(ctx, auth.Product(), events)
	if err != nil {
		return nil, err
	}
	inputs := map[uuid.UUID]validators.Input{}
	for _, r := range responses {
		if len(r.Artifact) > 0 {
			inputs[r.EventID] = validators.Input{ID: r.EventID.String(), TaskClass: r.TaskClass, Artifact: r.Artifact, Redacted: r.ArtifactRedacted}
		}
	}
	return inputs, nil
}
