package eval

import (
	"context"
	"time"

	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/signing"
	"assay/telemetry"
)

// Traces gives the gate traces of a window, in order of time.
type Traces interface {
	Traces(ctx context.Context, actor auth.Actor, window telemetry.Window, filter telemetry.TraceFilter) ([]telemetry.TraceEvent, error)
}

// Store is the stage: policies, alerts, incidents, handoffs and their gates.
type Store struct {
	DB      postgres.DB
	Traces  Traces
	Labels  Labels
	Signing *signing.Keys
	Clock   func() time.Time // nil is time.Now
}

func (s *Store) now() time.Time {
	if s.Clock != nil {
		return s.Clock().UTC()
	}
	return time.Now().UTC().Truncate(time.Microsecond)
}
