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
	// Agreement says whether labels may drive a gate; nil: nobody is asked.
	Agreement Agreements
	Clock     func() time.Time // nil is time.Now
}

// now is the time as PostgreSQL keeps it: what is signed must be what is read
// back.
func (s *Store) now() time.Time {
	now := time.Now
	if s.Clock != nil {
		now = s.Clock
	}
	return now().UTC().Truncate(time.Microsecond)
}
