package telemetry

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/redact"
	"assay/internal/vault"
)

// Inserter puts a job into the caller's transaction; River's client is one.
type Inserter interface {
	InsertTx(ctx context.Context, tx pgx.Tx, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
}

// Store is telemetry: what takes events in and finds them again. DB is
// needed for taking in, Clickhouse for reading; the rest has defaults.
type Store struct {
	DB         postgres.DB
	Clickhouse driver.Conn
	Jobs       Inserter         // nil: no jobs are inserted
	Clock      func() time.Time // nil: time.Now
	Redact     *redact.Policy   // nil: the product's own policy without a salt
	Vault      *vault.Vault     // nil: raw text is kept nowhere, whatever the terms say

	// Writer is what blocks of events are written through; nil: Clickhouse. A
	// connection keeps what it last sent, so that a few of their own for blocks
	// bound what all of them keep.
	Writer driver.Conn

	// Visible and VisibleSessions say what a labeler may open: sessions of
	// items they hold or labeled. Labeling knows, and imports telemetry, so
	// the answer is handed in. Nil shows a labeler nothing.
	Visible         func(ctx context.Context, actor auth.Actor, sessionID string) (bool, error)
	VisibleSessions func(ctx context.Context, actor auth.Actor) ([]string, error)

	// UnreadSessions are those that a reviewer may not read now, because they
	// hold an item of them that they have not labeled. Nil: none.
	UnreadSessions func(ctx context.Context, actor auth.Actor) ([]string, error)

	// LabelsOpen says of which responses of a session a person who labels may
	// read what others said: not before their own label. Nil opens none.
	LabelsOpen func(ctx context.Context, actor auth.Actor, sessionID string) (map[uuid.UUID]bool, error)

	// InboxLimit is how many bytes may wait before ingest sheds; 0 is 4 GiB.
	InboxLimit int64

	known    known
	policies policies
	depth    depth
	away     away
	filters  filters
	limits   limits

	committing committing
	gate       gate
}

func (s *Store) writer() driver.Conn {
	if s.Writer != nil {
		return s.Writer
	}
	return s.Clickhouse
}

func (s *Store) now() time.Time {
	if s.Clock != nil {
		return s.Clock().UTC()
	}
	return time.Now().UTC()
}

// Received says that a batch is in the inbox. jobs drains it.
type Received struct {
	Batch int64 `json:"batch"`
}

// Kind names the job.
func (Received) Kind() string { return "telemetry.received" }

// InsertOpts gives draining a worker of its own: whatever else is busy, what
// was acknowledged becomes readable.
func (Received) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: "ingest"} }

// Landed says that a block of events can be read in ClickHouse.
type Landed struct {
	Block string `json:"block"`
}

// Kind names the job.
func (Landed) Kind() string { return "telemetry.landed" }

// InsertOpts puts flagging into a queue of one: a run covers all that landed
// before it, so a second beside it would only wait.
func (Landed) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: "flag"} }

// Gathering says that traces are to be put in order: what was filed under the
// id of a trace goes to the session it is named by now, and what records said
// goes to the responses of its spans.
type Gathering struct {
	Traces []string `json:"traces"`
}

// Kind names the job.
func (Gathering) Kind() string { return "telemetry.gathering" }

// Traced says that a block that landed held gate traces or unsafe claims.
type Traced struct {
	Block string `json:"block"`
}

// Kind names the job.
func (Traced) Kind() string { return "telemetry.traced" }

// Window is the half-open stretch of time [From, To).
type Window struct {
	From time.Time
	To   time.Time
}
