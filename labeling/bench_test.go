package labeling

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/postgrestest"
)

// TestLabelingKeepsItsPace offers labels at a steady rate, whatever the answers
// take, over a store of many items, and says what a labeler waits for. The
// aims: reserving below 20 ms and a submit below 50 ms for 95 of 100, on two
// cores that do nothing else.
func TestLabelingKeepsItsPace(t *testing.T) {
	items, rate, lasts := 3_000, 50, 3*time.Second
	if *full {
		items, rate, lasts = 1_000_000, 300, 30*time.Second
	}
	pool := postgrestest.Database(t)
	s := &Store{DB: pool, Jobs: inserter(t, pool)}
	queue := openQueue(t, s, "sql_query")
	fill(t, s, queue, items)

	var mu sync.Mutex
	took := map[string][]time.Duration{}
	note := func(what string, since time.Time) {
		mu.Lock()
		defer mu.Unlock()
		took[what] = append(took[what], time.Since(since))
	}
	labelers := make(chan int64, 64)
	for who := range int64(64) {
		labelers <- who + 1
	}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	var all sync.WaitGroup
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		<-tick.C
		asked := time.Now()
		all.Go(func() {
			who := <-labelers // waiting for a labeler is part of what one waits for
			defer func() { labelers <- who }()
			r, err := s.Reserve(t.Context(), person(who), queue.Slug)
			if errors.Is(err, ErrNothingFree) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			note("reserve", asked)
			submitted := time.Now()
			if _, err := s.Submit(t.Context(), person(who), r.ItemID, r.Token, uuid.NewString(), Answer{Label: "correct"}); err != nil {
				t.Error(err)
				return
			}
			note("submit", submitted)
		})
	}
	all.Wait()
	for _, what := range []string{"reserve", "submit"} {
		d := took[what]
		slices.Sort(d)
		if len(d) == 0 {
			t.Fatalf("nobody could %s", what)
		}
		t.Logf("%s, %d at %d/s over %d items: p50 %v p95 %v p99 %v", what, len(d), rate, items,
			d[len(d)/2].Round(10*time.Microsecond), d[len(d)*95/100].Round(10*time.Microsecond), d[len(d)*99/100].Round(10*time.Microsecond))
	}
}

// fill makes items in the database itself, some at a time.
func fill(t *testing.T, s *Store, queue Queue, n int) {
	t.Helper()
	const some = 50_000
	for from := 0; from < n; from += some {
		_, err := s.DB.Exec(t.Context(), `
			INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, event_time, frame_day,
			                   priority_class, design, salt_id, u, rule_id, wanted, title, snapshot)
			SELECT $1, gen_random_uuid(), 's_' || n, $2, 'v1', at, (at AT TIME ZONE 'UTC')::date,
			       (ARRAY['safety', 'negative', 'implicit', 'random', 'random', 'random', 'random', 'random'])[1 + n % 8],
			       'bottom_k', 'epoch-1', random(), r.id, 1 + (n % 10 = 0)::int, 'Question ' || n,
			       jsonb_build_object('prompt', 'Question ' || n, 'response', repeat('One sentence. ', 20))
			FROM generate_series($3 + 1, $4) AS n
			CROSS JOIN LATERAL (SELECT now() - (n % 30) * interval '1 day' AS at) AS t
			CROSS JOIN LATERAL (SELECT id FROM queue_rules WHERE queue_id = $1 ORDER BY version DESC LIMIT 1) AS r`,
			queue.ID, queue.TaskClass, from, min(from+some, n))
		if err != nil {
			t.Fatal(err)
		}
	}
	analyze(t, s)
}
