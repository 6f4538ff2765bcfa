package web

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
)

// Limits are requests a second with room for a burst of four seconds' worth,
// in this process. Zero takes the default, a negative one switches it off.
type Limits struct {
	Key      float64 // each API key; default 1,000
	Person   float64 // each person; default 50
	Stranger float64 // each address that has not signed in, and each wrong credential; default 20
}

func (l Limits) filled() Limits {
	fill := func(at *float64, value float64) {
		if *at == 0 {
			*at = value
		}
	}
	fill(&l.Key, 1000)
	fill(&l.Person, 50)
	fill(&l.Stranger, 20)
	return l
}

const (
	burstSeconds = 4
	bucketsKept  = 100_000 // a flood of addresses may not become a flood of memory
)

// limiter counts requests by who sends them.
type limiter struct {
	Limits
	now     func() time.Time
	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(l Limits, now func() time.Time) *limiter {
	return &limiter{Limits: l.filled(), now: now, buckets: map[string]*bucket{}}
}

// take counts a request of someone known.
func (l *limiter) take(a auth.Actor) error {
	switch a.Kind {
	case auth.Key:
		return l.spend(fmt.Sprintf("key/%d", a.ID), l.Key)
	case auth.Person:
		return l.spend(fmt.Sprintf("person/%d", a.ID), l.Person)
	}
	return nil
}

// knock counts a request of a stranger, and asks whether an address that sent
// wrong credentials may send another.
func (l *limiter) knock(address string, stranger bool) error {
	if stranger {
		return l.spend("address/"+address, l.Stranger)
	}
	return l.look("wrong/"+address, l.Stranger)
}

// failed counts a wrong credential against the address it came from.
func (l *limiter) failed(address string) { l.spend("wrong/"+address, l.Stranger) }

func (l *limiter) spend(who string, rate float64) error { return l.draw(who, rate, 1) }
func (l *limiter) look(who string, rate float64) error  { return l.draw(who, rate, 0) }

func (l *limiter) draw(who string, rate, cost float64) error {
	if rate < 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b := l.buckets[who]
	if b == nil {
		if cost == 0 {
			return nil
		}
		l.forget(now)
		b = &bucket{tokens: rate * burstSeconds, at: now}
		l.buckets[who] = b
	}
	b.tokens = math.Min(rate*burstSeconds, b.tokens+now.Sub(b.at).Seconds()*rate)
	b.at = now
	if b.tokens < 1 {
		wait := time.Duration(math.Ceil((1-b.tokens)/rate)) * time.Second
		return &refusal{
			code:  fiber.StatusTooManyRequests,
			words: fmt.Sprintf("More than %g requests a second. Nothing was done with this one; send it again after %d s.", rate, int(wait.Seconds())),
			after: wait,
		}
	}
	b.tokens -= cost
	return nil
}

// forget drops buckets that are full again, and all of them when even that
// leaves too many.
func (l *limiter) forget(now time.Time) {
	if len(l.buckets) < bucketsKept {
		return
	}
	for who, b := range l.buckets {
		if now.Sub(b.at) > burstSeconds*time.Second {
			delete(l.buckets, who)
		}
	}
	if len(l.buckets) >= bucketsKept {
		clear(l.buckets)
	}
}
