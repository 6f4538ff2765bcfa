package telemetry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// Senders that come at the same moment are committed together, and each still
// hears exactly what came of its own batch: an event that several of them hold
// is accepted from one and a duplicate of the others.
func TestBatchesCommittedTogetherAreCountedApart(t *testing.T) {
	s := newStore(t)
	random := rand.New(rand.NewPCG(3, 1))
	const senders, batches, size, ids = 8, 5, 20, 300
	sent := map[int]bool{}
	bodies := make([][]string, senders)
	for i := range bodies {
		for range batches {
			var lines strings.Builder
			for range size {
				n := random.IntN(ids)
				sent[n] = true
				fmt.Fprintf(&lines, `{"event_id":"00000000-0000-4000-8000-%012d","event_type":"exposure","event_time":"2026-11-20T11:00:00Z","session_id":"s"}`+"\n", n)
			}
			bodies[i] = append(bodies[i], lines.String())
		}
	}
	var total Receipt
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, mine := range bodies {
		all.Go(func() {
			for _, body := range mine {
				receipt, err := s.Ingest(context.Background(), sender, []byte(body))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				total.Accepted += receipt.Accepted
				total.Duplicate += receipt.Duplicate
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if total.Accepted != len(sent) || total.Accepted+total.Duplicate != senders*batches*size {
		t.Errorf("%d different events of %d were sent; accepted %d, duplicate %d", len(sent), senders*batches*size, total.Accepted, total.Duplicate)
	}
	if done := drain(t, s); done.Events != len(sent) {
		t.Errorf("%d different events were sent, %d stored", len(sent), done.Events)
	}
}

// One batch that PostgreSQL refuses costs its neighbours nothing.
func TestABatchThatIsRefusedIsRefusedAlone(t *testing.T) {
	s := newStore(t)
	if err := s.openDays(context.Background(), noon); err != nil {
		t.Fatal(err)
	}
	good, bad, other := s.waitingBatch(t, 1), s.waitingBatch(t, 2), s.waitingBatch(t, 3)
	bad.body = nil // the inbox holds no batch without a body
	s.commitGroup([]*pending{good, bad, other})
	if err := <-good.done; err != nil || good.accepted != 1 {
		t.Errorf("the first: %d accepted, %v", good.accepted, err)
	}
	if err := <-bad.done; !isRefused(err) || bad.accepted != 0 {
		t.Errorf("the refused: %d accepted, %v", bad.accepted, err)
	}
	if err := <-other.done; err != nil || other.accepted != 1 {
		t.Errorf("the last: %d accepted, %v", other.accepted, err)
	}
}

func (s *Store) waitingBatch(t *testing.T, n byte) *pending {
	t.Helper()
	taken, err := s.taking(context.Background(), sender)
	if err != nil {
		t.Fatal(err)
	}
	r := &row{}
	r.EventID, r.EventType, r.EventTime, r.SessionID = uuid.UUID{15: n}, TypeExposure, noon, "s"
	if err := taken.take(r); err != nil {
		t.Fatal(err)
	}
	p := &pending{taken: taken, rows: []*row{r}, done: make(chan error, 1)}
	p.body, p.size = pack(p.rows)
	return p
}
