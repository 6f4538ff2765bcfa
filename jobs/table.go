package jobs

import (
	"assay/eval"
	"assay/telemetry"
)

// Stages are what the workers call.
type Stages struct {
	Telemetry *telemetry.Store
	Eval      *eval.Store
}

// table is all that happens by itself, in the order a datum travels.
func table(s Stages) []job {
	return []job{
		on("weigh the policies when gate traces arrive", &evaluateOnTraces{eval: s.Eval}),
		every(evaluateEach, EvaluatePolicies{}, "weigh the policies on the window that ends now", &evaluatePolicies{eval: s.Eval}),
	}
}
