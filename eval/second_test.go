package eval_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/eval"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/stats"
	"assay/labeling"
)

// readers is a population with known truth, read by two people and a reviewer
// through the queue.
type readers struct {
	*gatehouse
	labels   *labeling.Store
	from     time.Time
	item     map[int64]reader
	first    auth.Actor
	second   auth.Actor
	reviewer auth.Actor
}

// reader is what is true of one response, and what a hasty first reader says.
type reader struct{ bad, saidBad bool }

func (r reader) said() string { return word(r.saidBad) }

func word(bad bool) string {
	if bad {
		return "hallucinated"
	}
	return "correct"
}

// Of 500 responses 15 are bad. The first reader finds 13 of them and calls two
// good ones bad. Half of all are drawn to be read twice, and everything called
// bad is.
func newReaders(t *testing.T) *readers {
	r := &readers{gatehouse: newGatehouse(t, false), from: time.Now().UTC().Truncate(24 * time.Hour), item: map[int64]reader{}}
	r.labels = &labeling.Store{DB: r.pool, Draw: func() float64 { return .99 }}
	r.eval.Labels = r.labels
	r.first, r.second, r.reviewer = r.person("Lea Castellanos", auth.Labeler), r.person("Ravi Amari", auth.Labeler), r.person("Ida Voss", auth.Reviewer)
	r.mustExec(`INSERT INTO queues (slug, title, task_class, overlap_share, measurement_share, reasons) VALUES ('sql_query', 'SQL', 'sql_query', .5, 0, '{other}')`)
	r.mustExec(`INSERT INTO queue_rules (queue_id, version, author) SELECT id, 1, 'test' FROM queues`)
	r.mustExec(`INSERT INTO guides (task_class, version, title, rule, body, author) VALUES ('sql_query', 1, 'SQL', 'Right?', 'Look.', 'test')`)
	groups := []struct {
		n     int
		about reader
	}{{13, reader{true, true}}, {2, reader{false, true}}, {2, reader{true, false}}, {483, reader{false, false}}}
	n := 0
	batch := &pgx.Batch{}
	for _, group := range groups {
		for i := range group.n {
			event, u, drawn := uuid.New(), float64(n)/500, !group.about.saidBad && i%2 == 0
			n++
			batch.Queue(`
				INSERT INTO sampling_decisions (queue_id, event_id, event_time, frame_day, task_class, priority_class, model_version, design, salt_id, u, rule_id, readable, selected, reason)
				SELECT q.id, $1, $2::timestamptz, ($2::timestamptz AT TIME ZONE 'UTC')::date, 'sql_query', 'random', 'v1', 'bottom_k', 'epoch-1', $3, r.id, true, true, 'selected' FROM queues q JOIN queue_rules r ON r.queue_id = q.id`, event, r.from, u)
			batch.Queue(`
				INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, event_time, frame_day, priority_class, design, salt_id, u, rule_id, overlap, second_drawn, wanted, snapshot)
				SELECT q.id, $1::uuid, $1::uuid::text, 'sql_query', 'v1', $2::timestamptz, ($2::timestamptz AT TIME ZONE 'UTC')::date, 'random', 'bottom_k', 'epoch-1', $3, r.id, .5, $4::boolean, 1 + $4::boolean::int, '{"response": "SELECT 1"}' FROM queues q JOIN queue_rules r ON r.queue_id = q.id
				RETURNING id`, event, r.from, u, drawn).QueryRow(func(row pgx.Row) error {
				var id int64
				err := row.Scan(&id)
				r.item[id] = group.about
				return err
			})
		}
	}
	if err := r.pool.SendBatch(context.Background(), batch).Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

// read has a person label the next items, at most so many, and returns how
// many there were.
func (r *readers) read(who auth.Actor, most int, says func(reader) string) int {
	r.t.Helper()
	ctx := context.Background()
	for n := range most {
		held, err := r.labels.Reserve(ctx, who, "sql_query")
		if errors.Is(err, labeling.ErrNothingFree) {
			return n
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.labels.Submit(ctx, who, held.ItemID, held.Token, uuid.NewString(), labeling.Answer{Label: says(r.item[held.ItemID])}); err != nil {
			r.t.Fatal(err)
		}
	}
	return most
}

func (r *readers) decideAll() {
	r.t.Helper()
	ctx := context.Background()
	for {
		item, err := r.labels.NextDisagreement(ctx, r.reviewer, "")
		if err != nil {
			return
		}
		if _, err := r.labels.Adjudicate(ctx, r.reviewer, item, word(r.item[item].bad), "looked at the data"); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *readers) rate() eval.Rate {
	r.t.Helper()
	table, err := r.eval.Rates(context.Background(), r.engineer, eval.RateFilter{From: r.from, To: r.from.AddDate(0, 0, 1), ByTaskClass: true})
	if err != nil || len(table.Rows) != 1 {
		r.t.Fatalf("want one row, got %+v, %v", table.Rows, err)
	}
	return table.Rows[0]
}

func near(t *testing.T, what string, want, got, within float64) {
	t.Helper()
	if math.Abs(want-got) > within {
		t.Errorf("%s: want %v, got %v", what, want, got)
	}
}

// Checking only what was called bad takes the false alarms away and keeps the
// misses: 3.0 % becomes 2.6 %. The rate is not made of such a consensus.
func TestARateIsNotMadeOfAConsensusHalfChecked(t *testing.T) {
	r := newReaders(t)
	truly := func(about reader) string { return word(about.bad) }
	r.read(r.first, 500, reader.said)
	near(t, "rate of first labels", .030, r.rate().Value, 1e-12)

	// The second reader meets what was called bad first: it lies first in order.
	if n := r.read(r.second, 15, truly); n != 15 {
		t.Fatalf("want all 15 hallucinated read again, got %d", n)
	}
	r.decideAll()
	half := r.rate()
	near(t, "consensus with one label checked", .026, half.Raw.Value, 1e-12)
	near(t, "the rate meanwhile", .030, half.Value, 1e-12)

	if n := r.read(r.second, 500, truly); n != 1+242 {
		t.Fatalf("want the 243 that were drawn, got %d", n)
	}
	r.decideAll()
	row := r.rate()
	near(t, "two-phase rate", .03*13/15+.97/243, row.Value, 1e-12)
	near(t, "truth", .030, row.Value, 2e-5)
	if row.Estimator != stats.EstimatorTwoPhase || row.ReadTwice != 258 || row.Upheld == nil || fmt.Sprint(*row.Upheld) != "{13 15}" {
		t.Errorf("want two phases, 258 read twice, 13 of 15 upheld, got %s %d %v", row.Estimator, row.ReadTwice, row.Upheld)
	}
	if row.Low >= .030 || row.High <= .030 {
		t.Errorf("the interval holds the truth: %v", row.Interval)
	}
	r.onlyLabelsThatAgreeDriveAGate()
}

// Of labels that differ on every hallucinated answer alpha is about zero; of all
// that both read it is high; of 243 items with one difference nobody can say.
func (r *readers) onlyLabelsThatAgreeDriveAGate() {
	r.t.Helper()
	h := r.open(func(request *eval.HandoffRequest) { request.RequiredMetric = "hallucination_rate <= 2% on holdout" })
	r.upload(h.ID, cleanRuns(299)...)
	r.mustExec(`UPDATE runs SET result = result || '{"label": "correct", "label_revision": 1}'`)
	standing := func(labels *labeling.Store) (eval.Status, string) {
		r.t.Helper()
		r.eval.Agreement = labels
		r.upload(h.ID, cleanRuns(299)...)
		gate := r.check(h.ID)
		for _, check := range gate.Decision.Checks {
			if check.Name == eval.AgreementCheck {
				return gate.Decision.Status, check.Words
			}
		}
		r.t.Fatal("a gate that rests on labels says how far labelers agree")
		return "", ""
	}
	if status, words := standing(&labeling.Store{DB: r.pool}); status != eval.Undecided || !strings.Contains(words, "cannot be bounded") {
		r.t.Errorf("one difference in 243: %s, %s", status, words)
	}
	r.mustExec(`UPDATE items SET second_drawn = id IN (
		SELECT item_id FROM consensus WHERE method = 'adjudicated'
		UNION (SELECT item_id FROM consensus WHERE method = 'agreed' AND label = 'correct' LIMIT 9))`)
	if status, words := standing(&labeling.Store{DB: r.pool}); status != eval.Undecided || !strings.Contains(words, "below 0.667 labels may not drive a gate") {
		r.t.Errorf("labels that agree by chance: %s, %s", status, words)
	}
	if _, err := r.approve(r.gatehouse.first, h); fault.Of(err) != fault.Conflict {
		r.t.Errorf("nobody signs it: %v", err)
	}
	r.mustExec(`UPDATE items SET second_drawn = true`)
	if status, words := standing(&labeling.Store{DB: r.pool}); status != eval.Ready || !strings.HasPrefix(words, "alpha of sql_query is 0.") {
		r.t.Errorf("labels that agree: %s, %s", status, words)
	}
	r.mustExec(`UPDATE items SET second_drawn = false`)
	if status, words := standing(&labeling.Store{DB: r.pool}); status != eval.Undecided || words != "0 of 10 items of sql_query read twice" {
		r.t.Errorf("labels nobody read twice: %s, %s", status, words)
	}
}
