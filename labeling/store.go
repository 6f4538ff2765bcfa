package labeling

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"

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

	labelers sync.Map // "person/12" or "import/alice" → labelers.id
	plans    sync.Map // queue id → *kept[[]Frame]
	recount  bool     // count a plan anew each time; for tests that compare choices
	counted  sync.Map // queue id → *kept[Summary]
	agreed   kept[[]Agreement]
}

func (s *Store) draw() float64 {
	if s.Draw != nil {
		return s.Draw()
	}
	return rand.Float64()
}

// LabelerOf returns the labeler that a person is, making it on first use.
func (s *Store) LabelerOf(ctx context.Context, actor auth.Actor) (int64, error) {
	if actor.Kind != auth.Person {
		return 0, fmt.Errorf("labeler of %s: only a person labels", actor.Kind)
	}
	return s.labeler(ctx, s.DB, "person/"+strconv.FormatInt(actor.ID, 10), "person_id", actor.ID)
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
