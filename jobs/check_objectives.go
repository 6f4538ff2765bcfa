package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/eval"
	"assay/internal/auth"
	"assay/telemetry"
)

const evaluateEach = time.Minute

// EvaluatePolicies is the minute's turn of every policy.
type EvaluatePolicies struct{}

// Kind names the job; it is never renamed.
func (EvaluatePolicies) Kind() string { return "jobs.evaluate_policies" }

type evaluatePolicies struct {
	river.WorkerDefaults[EvaluatePolicies]
	eval *eval.Store
}

func (w *evaluatePolicies) Work(ctx context.Context, _ *river.Job[EvaluatePolicies]) error {
	return w.eval.Evaluate(ctx, auth.Product())
}

// evaluateOnTraces brings an unsafe claim to a page within seconds instead of
// at the next minute.
type evaluateOnTraces struct {
	river.WorkerDefaults[telemetry.Traced]
	eval *eval.Store
}

func (w *evaluateOnTraces) Work(ctx context.Context, _ *river.Job[telemetry.Traced]) error {
	return w.eval.Evaluate(ctx, auth.Product())
}
