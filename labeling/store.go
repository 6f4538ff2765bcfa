package labeling

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"assay/internal/auth"
	"assay/internal/postgres"
)

// Inserter is what labeling may do with jobs: add one to a transaction.
type Inserter interface {
	InsertTx(ctx context.Context, tx pgx.Tx, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
}

// Store keeps the queues, their items and the labels. PostgreSQL is the truth
// of all of them; DB is all it needs to reserve and label.
type Store struct {
	DB        postgres.DB
	Jobs      Inserter       // nil: no jobs follow a label
	Telemetry Telemetry      // nil: nothing can be filled or imported
	Draw      func() float64 // uniform in [0, 1); nil: math/rand
	// Verdicts returns the validators' verdicts that stand beside a response,
	// for a label's provenance; nil: none are known.
	Verdicts func(ctx context.Context, db postgres.DB, event uuid.UUID) ([]VerdictSeen, error)

	// RawText opens what a response said before it was redacted, for a reading
	// grant; nil: nothing raw is kept.
	RawText OpensRaw

	// Needs lists what labels would decide, for the share of attention that
	// measures; nil: nothing is asked of labels.
	Needs func(ctx context.Context) ([]Need, error)

	labelers sync.Map // "person/12" or "import/alice" → labelers.id
	tallies  sync.Map // queue id → *kept[tally]
	recount  bool     // count a plan anew each time; for tests that compare choices
	gains    sync.Map // queue id → *kept[Gain]
	days     sync.Map // labeler id → *workday
	agreed   kept[[]Agreement]
	told     atomic.Int64 // when a job was last told of a label, in nanoseconds
	needed   kept[[]Need]
}

func (s *Store) draw() float64 {
	if s.Draw != nil {
		return s.Draw()
	}
	return rand.Float64()
}

// LabelerOf returns the labeler that a person or a program's key is, making it
// on first use.
func (s *Store) LabelerOf(ctx context.Context, actor auth.Actor) (int64, error) {
	switch actor.Kind {
	case auth.Person:
		return s.labeler(ctx, s.DB, "person/"+strconv.FormatInt(actor.ID, 10), "person_id", actor.ID)
	case auth.Key:
		return s.keyLabeler(ctx, actor)
	}
	return 0, fmt.Errorf("labeler of %s: only people and keys label", actor.Kind)
}

// isLabeler reports whether the actor works in queues and so is bound by what
// it holds.
func isLabeler(actor auth.Actor) bool {
	return (actor.Kind == auth.Person || actor.Kind == auth.Key) && actor.May(auth.Label)
}

// keyLabeler is the labeler of a key. Its pseudonym is the key's public name:
// a program has nothing to hide behind one.
func (s *Store) keyLabeler(ctx context.Context, actor auth.Actor) (int64, error) {
	key := "key/" + strconv.FormatInt(actor.ID, 10)
	if id, ok := s.labelers.Load(key); ok {
		return id.(int64), nil
	}
	_, err := s.DB.Exec(ctx, `
		INSERT INTO labelers (key_id, pseudonym) VALUES ($1, 'key ' || $2)
		ON CONFLICT (key_id) DO NOTHING`, actor.ID, actor.Name)
	if err != nil {
		return 0, fmt.Errorf("labeler of key %s: %w", actor.Name, err)
	}
	return s.labeler(ctx, s.DB, key, "key_id", actor.ID)
}

func (s *Store) importer(ctx context.Context, db postgres.DB, name string) (int64, error) {
	return s.labeler(ctx, db, "import/"+name, "import_name", name)
}

func (s *Store) labeler(ctx context.Context, db postgres.DB, key, column string, value any) (int64, error) {
	if id, ok := s.labelers.Load(key); ok {
		return id.(int64), nil
	}
	var id int64
	err := db.QueryRow(ctx, `SELECT id FROM labelers WHERE `+column+` = $1`, value).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = db.QueryRow(ctx, `
			INSERT INTO labelers (`+column+`) VALUES ($1)
			ON CONFLICT (`+column+`) DO UPDATE SET `+column+` = EXCLUDED.`+column+`
			RETURNING id`, value).Scan(&id)
		if _, inTx := db.(pgx.Tx); inTx && err == nil {
			return id, nil // the transaction may yet fall; remember it next time
		}
	}
	if err != nil {
		return 0, fmt.Errorf("labeler %s: %w", key, err)
	}
	s.labelers.Store(key, id)
	return id, nil
}
