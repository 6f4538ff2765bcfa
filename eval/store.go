package eval

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/signing"
	"assay/telemetry"
)

// Jobs inserts a River job in the caller's transaction.
type Jobs interface {
	InsertTx(ctx context.Context, tx pgx.Tx, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
}

// Traces gives the gate traces of a window, in order of time.
type Traces interface {
	Traces(ctx context.Context, actor auth.Actor, window telemetry.Window, filter telemetry.TraceFilter) ([]telemetry.TraceEvent, error)
}

// Store is the stage: policies, alerts, incidents, handoffs and their gates.
type Store struct {
	DB      postgres.DB
	Traces  Traces
	Jobs    Jobs
	Signing *signing.Keys
	Clock   func() time.Time // nil is time.Now
}

func (s *Store) now() time.Time {
	if s.Clock != nil {
		return s.Clock().UTC()
	}
	return time.Now().UTC().Truncate(time.Microsecond)
}

// HandoffChanged says that a handoff's evidence or status moved.
type HandoffChanged struct {
	HandoffID int64 `json:"handoff_id"`
}

// Kind names the job; it is never renamed.
func (HandoffChanged) Kind() string { return "eval.handoff_changed" }

// IncidentOpened says that an alert opened an incident.
type IncidentOpened struct {
	IncidentID int64 `json:"incident_id"`
}

// Kind names the job; it is never renamed.
func (IncidentOpened) Kind() string { return "eval.incident_opened" }

func (s *Store) insert(ctx context.Context, tx pgx.Tx, args river.JobArgs) error {
	if s.Jobs == nil {
		return nil
	}
	_, err := s.Jobs.InsertTx(ctx, tx, args, nil)
	return err
}
