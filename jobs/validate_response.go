package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/internal/fault"
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
	serving, err := w.validators.Serving(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range serving {
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
	kinds, anyText, err := w.validators.Looks(ctx)
	if err != nil {
		return err
	}
	err = landed(w.telemetry)(ctx, scan.From, scan.To, kinds, anyText, func(ctx context.Context, some []validators.Subject) error {
		_, err := w.validators.Ask(ctx, auth.Product(), validators.OnArrival, some)
		return err
	})
	if err != nil {
		return err
	}
	return w.validators.EndScan(ctx, auth.Product(), scan)
}

// landed lists what landed in a stretch, as the validators name it.
func landed(store *telemetry.Store) validators.LandedLister {
	return func(ctx context.Context, from, to time.Time, kinds []string, anyText bool, each func(context.Context, []validators.Subject) error) error {
		return store.Checkable(ctx, auth.Product(), from, to, telemetry.Wanted{Kinds: kinds, AnyText: anyText}, handing(each))
	}
}

// windowed lists the responses of a window of event time.
func windowed(store *telemetry.Store) validators.Lister {
	return func(ctx context.Context, w validators.Window, kinds []string, anyText bool, each func(context.Context, []validators.Subject) error) error {
		return store.CheckableIn(ctx, auth.Product(), telemetry.CheckableWindow(w), telemetry.Wanted{Kinds: kinds, AnyText: anyText}, handing(each))
	}
}

func handing(each func(context.Context, []validators.Subject) error) func(context.Context, []telemetry.Checkable) error {
	return func(ctx context.Context, some []telemetry.Checkable) error {
		subjects := make([]validators.Subject, len(some))
		for i, c := range some {
			subjects[i] = validators.Subject{EventID: c.EventID, SessionID: c.SessionID, TaskClass: c.TaskClass, ModelVersion: c.ModelVersion, Kind: c.ArtifactKind}
		}
		return each(ctx, subjects)
	}
}

// judge runs batches of one validator until nothing waits or the time is over.
// A suspended validator is no failed job: its page says so, until a person lifts
// that.
func (w *validateResponses) judge(ctx context.Context, name string, until time.Time) error {
	for time.Now().Before(until) {
		done, err := w.validators.Batch(ctx, auth.Product(), name, w.read)
		var suspended validators.Suspended
		if errors.As(err, &suspended) || fault.Of(err) == fault.Unavailable {
			return nil // what waits, waits on
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
		in := validators.Input{ID: r.EventID.String(), TaskClass: r.TaskClass, Artifact: r.Artifact, Redacted: r.ArtifactRedacted}
		if r.Response != "" {
			in.Text = &validators.Text{Prompt: r.Prompt, Response: r.Response, Context: r.Context}
		}
		if in.Text != nil || len(in.Artifact) > 0 {
			inputs[r.EventID] = in
		}
	}
	return inputs, nil
}
