package telemetry

import (
	"context"
	"slices"
	"sync"
	"time"

	"assay/internal/fault"
)

// Bounds of what is worked on at one time in this process. They bound its
// memory, and how long a sender waits for an answer: a refusal at once is worth
// more than an answer after the sender has given up.
const (
	insideMost   = 12 << 20               // bytes of bodies being decoded, redacted and committed
	lineMost     = 64 << 20               // bytes of bodies that wait for that
	lineMoves    = 400 * time.Millisecond // when the first in line has waited this long, nobody else may join
	lineLasts    = 2 * time.Second        // who has waited this long is sent away
	shedFor      = 5 * time.Second        // how long after a refusal readiness speaks of it
	leastCost    = 16 << 10               // what the smallest batch counts for
	inflatedCost = 6                      // what a compressed byte counts for
)

// gate lets in as much at a time as there is room for, in the order of coming.
type gate struct {
	mu     sync.Mutex
	inside int64
	queued int64
	line   []*waiter
	shed   int64
	until  time.Time // readiness speaks of shedding up to then
}

type waiter struct {
	cost  int64
	since time.Time
	turn  chan struct{}
}

// Enter asks for room to take in a body of so many bytes on the wire, and
// returns what gives it back. Unavailable when there is none in good time: the
// sender should come again later.
func (s *Store) Enter(ctx context.Context, wire int, compressed bool) (leave func(), err error) {
	cost := max(int64(wire), leastCost)
	if compressed {
		cost *= inflatedCost
	}
	cost = min(cost, insideMost) // the largest has all the room, and not more
	g := &s.gate
	w, ok := g.join(cost, time.Now())
	if !ok {
		return nil, errShed
	}
	if w != nil {
		if err := g.wait(ctx, w); err != nil {
			return nil, err
		}
	}
	return sync.OnceFunc(func() { g.leave(cost) }), nil
}

var errShed = fault.Say(fault.Unavailable, "More events come than can be taken now. Nothing of this batch was taken; send it again in a while.")

// join lets a body in (nil, true), puts it into the line, or refuses it.
func (g *gate) join(cost int64, now time.Time) (*waiter, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.line) == 0 && g.inside+cost <= insideMost {
		g.inside += cost
		return nil, true
	}
	if g.queued+cost > lineMost || len(g.line) > 0 && now.Sub(g.line[0].since) > lineMoves {
		g.refuse(now)
		return nil, false
	}
	w := &waiter{cost: cost, since: now, turn: make(chan struct{})}
	g.line = append(g.line, w)
	g.queued += cost
	return w, true
}

func (g *gate) refuse(now time.Time) {
	g.shed++
	g.until = now.Add(shedFor)
}

func (g *gate) wait(ctx context.Context, w *waiter) error {
	patience := time.NewTimer(lineLasts)
	defer patience.Stop()
	select {
	case <-w.turn:
		return nil
	case <-patience.C:
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.line, w)
	if i < 0 { // let in at this very moment
		return nil
	}
	g.line = slices.Delete(g.line, i, i+1)
	g.queued -= w.cost
	g.refuse(time.Now())
	g.admit()
	return errShed
}

func (g *gate) leave(cost int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside -= cost
	g.admit()
}

// admit lets in from the head of the line while there is room.
func (g *gate) admit() {
	for len(g.line) > 0 && g.inside+g.line[0].cost <= insideMost {
		w := g.line[0]
		g.line = g.line[1:]
		g.queued -= w.cost
		g.inside += w.cost
		close(w.turn)
	}
}

// Shedding reports whether batches were refused in the last seconds because
// more came than could be taken, and how many in all.
func (s *Store) Shedding() (now bool, batches int64) {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	return time.Now().Before(s.gate.until), s.gate.shed
}
