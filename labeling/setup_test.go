package labeling

import (
	"encoding/json"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
)

var full = flag.Bool("full", false, "run the long form of what has one")

func person(id int64, roles ...auth.Role) auth.Actor {
	if len(roles) == 0 {
		roles = []auth.Role{auth.Labeler}
	}
	return auth.Actor{Kind: auth.Person, ID: id, Name: fmt.Sprintf("person %d", id), Roles: roles}
}

var engineer = auth.Actor{Kind: auth.Person, ID: 900, Name: "engineer", Roles: []auth.Role{auth.Engineer}}

// harmOnly draws so that every reservation follows the order of harm.
func harmOnly() float64 { return 0.99 }

func storeOn(db postgres.DB) *Store { return &Store{DB: db, Draw: harmOnly} }

// openQueue makes the standard queue of a task class.
func openQueue(t testing.TB, s *Store, taskClass string) Queue {
	t.Helper()
	var queue Queue
	err := postgres.InTx(t.Context(), s.DB, func(tx pgx.Tx) (err error) {
		queue, err = ensureQueue(t.Context(), tx, auth.Product(), taskClass)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return queue
}

// seed is one item that a test puts into a queue without telemetry.
type seed struct {
	class  PriorityClass
	day    time.Time
	u      float64
	wanted int
	model  string
}

// put inserts items straight into the queue and returns their ids in order.
func put(t testing.TB, s *Store, queue Queue, seeds ...seed) []int64 {
	t.Helper()
	rule, err := newestRule(t.Context(), s.DB, queue.ID)
	if err != nil {
		t.Fatal(err)
	}
	batch := &pgx.Batch{}
	ids := make([]int64, len(seeds))
	for i, sd := range seeds {
		at := sd.day
		if at.IsZero() {
			at = frameDay(time.Now())
		}
		class := sd.class
		if class == "" {
			class = Random
		}
		snapshot, _ := json.Marshal(map[string]string{"prompt": fmt.Sprintf("Question %d", i), "response": "One sentence. Another sentence."})
		batch.Queue(`
			INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, event_time, frame_day,
			                   priority_class, design, salt_id, u, rule_id, wanted, title, snapshot, flags, reasons)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'bottom_k', 'epoch-1', $9, $10, $11, $12, $13, '[]', '{}')
			RETURNING id`,
			queue.ID, uuid.New(), fmt.Sprintf("s_%d", i), queue.TaskClass, sd.model, at.Add(time.Hour), frameDay(at),
			class, sd.u, rule.ID, max(1, sd.wanted), fmt.Sprintf("Question %d", i), snapshot,
		).QueryRow(func(row pgx.Row) error { return row.Scan(&ids[i]) })
	}
	if err := s.DB.SendBatch(t.Context(), batch).Close(); err != nil {
		t.Fatal(err)
	}
	return ids
}

// inserter is a real River client that can only insert.
func inserter(t testing.TB, pool *pgxpool.Pool) Inserter {
	t.Helper()
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func count(t testing.TB, db postgres.DB, sql string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := db.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func tx(t testing.TB) *Store { return storeOn(postgrestest.Tx(t)) }
