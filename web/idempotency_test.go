package web

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
)

// counting is a POST that counts how often it really ran.
func counting(ran *atomic.Int32, handle func(c *fiber.Ctx, n int32) error) func(*world) {
	return with(route{"POST", "/v1/counted", may(auth.SeeSessions), func(_ *site, c *fiber.Ctx) error { return handle(c, ran.Add(1)) }})
}

func once(b *browser, key, body string) *answer {
	b.w.t.Helper()
	return b.send("POST", "/v1/counted", bytes.NewReader([]byte(body)), http.Header{"Idempotency-Key": {key}})
}

func TestTheSameKeyGetsTheSameAnswerAndRunsOnce(t *testing.T) {
	var ran atomic.Int32
	w := newWorld(t, counting(&ran, func(c *fiber.Ctx, n int32) error {
		return c.Status(fiber.StatusCreated).JSON(map[string]int32{"run": n})
	}))
	b := w.program(auth.ScopeRead)
	first := once(b, "a", `{"x":1}`).want(201)
	again := once(b, "a", `{"x":1}`).want(201)
	if first.Body != again.Body || again.Header.Get("Idempotency-Replayed") != "true" || again.Header.Get("Content-Type") != first.Header.Get("Content-Type") {
		t.Errorf("first %s, again %s", first.Body, again.Body)
	}
	carries(t, "a replayed answer", again.Header)
	once(b, "b", `{"x":1}`).want(201)                                     // another key
	once(w.program(auth.ScopeRead), "a", `{"x":1}`).want(201)             // another actor's key of the same name
	b.send("POST", "/v1/counted", strings.NewReader(`{}`), nil).want(201) // no key
	if n := ran.Load(); n != 4 {
		t.Errorf("want 4 runs, got %d", n)
	}
	once(b, "a", `{"x":2}`).want(409) // the same key, another request
	once(b, strings.Repeat("k", 256), `{}`).want(400)
	w.clock.advance(25 * time.Hour)
	once(b, "a", `{"x":2}`).want(201) // a day later the key is free
}

func TestARefusalRepeatsAndOurTroubleDoesNot(t *testing.T) {
	var ran atomic.Int32
	var failing error = fault.Say(fault.Conflict, "Too late.")
	w := newWorld(t, counting(&ran, func(c *fiber.Ctx, n int32) error {
		if failing != nil {
			return failing
		}
		return c.JSON(n)
	}))
	b := w.program(auth.ScopeRead)
	one := once(b, "late", "{}").want(409)
	failing = nil
	two := once(b, "late", "{}").want(409)
	if one.Body != two.Body || two.Header.Get("Content-Type") != "application/problem+json" || ran.Load() != 1 {
		t.Errorf("%s\n%s", one.Body, two.Body)
	}
	failing = fault.Unavailable
	once(b, "away", "{}").want(503)
	failing = nil
	once(b, "away", "{}").want(200)
}

func TestTwoAtOnceRunOnce(t *testing.T) {
	var ran atomic.Int32
	entered, leave := make(chan struct{}), make(chan struct{})
	w := newWorld(t, counting(&ran, func(c *fiber.Ctx, n int32) error {
		close(entered) // panics on a second run
		<-leave
		return c.JSON(n)
	}))
	b := w.program(auth.ScopeRead)
	var first sync.WaitGroup
	first.Go(func() { once(b, "a", "{}").want(200) })
	<-entered
	a := once(b, "a", "{}").want(409)
	if !strings.Contains(a.Body, "still being answered") {
		t.Error(a.Body)
	}
	close(leave)
	first.Wait()
	once(b, "a", "{}").want(200)
	if n := ran.Load(); n != 1 {
		t.Errorf("want 1 run, got %d", n)
	}
}

func TestAKeyWhoseFirstRequestDiedIsFreeAgain(t *testing.T) {
	var ran atomic.Int32
	w := newWorld(t, counting(&ran, func(c *fiber.Ctx, n int32) error { return c.JSON(n) }))
	b := w.program(auth.ScopeRead)
	once(b, "a", "{}").want(200)
	w.exec(`UPDATE idempotent_answers SET status = NULL, body = NULL, content_type = NULL`) // as a kill leaves it
	once(b, "a", "{}").want(409)
	w.clock.advance(answerGivenUp + time.Second)
	once(b, "a", "{}").want(200)
}

func TestLimitsSayWhenToComeBack(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.config.Limits = Limits{Key: 1, Person: 2, Stranger: 3}
		w.config.Clock = func() time.Time { return time.Unix(1_800_000_000, 0) }
	})
	for name, c := range map[string]struct {
		b     *browser
		path  string
		burst int
	}{
		"key":      {w.program(auth.ScopeRead), "/v1/openapi.json", 4},
		"person":   {w.as(auth.Engineer), "/settings/keys", 8},
		"stranger": {w.stranger(), "/login", 12},
	} {
		for i := range c.burst {
			if a := c.b.get(c.path); a.Status != 200 {
				t.Fatalf("%s, request %d: %d", name, i+1, a.Status)
			}
		}
		a := c.b.get(c.path).want(429)
		if a.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: Retry-After %q", name, a.Header.Get("Retry-After"))
		}
		carries(t, name, a.Header)
	}
}

func TestTokensComeBackWithTime(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := newLimiter(Limits{Key: 2}, func() time.Time { return now })
	key := auth.Actor{Kind: auth.Key, ID: 1}
	spent := 0
	for l.take(key) == nil {
		spent++
	}
	if spent != 8 {
		t.Fatalf("burst: want 8, got %d", spent)
	}
	now = now.Add(time.Second)
	if l.take(key) != nil || l.take(key) != nil || l.take(key) == nil {
		t.Error("want two a second")
	}
	if l.take(auth.Actor{Kind: auth.Key, ID: 2}) != nil {
		t.Error("another key pays for the first")
	}
	if l.take(auth.Product()) != nil {
		t.Error("the product itself is limited")
	}
}

func TestWrongKeysAreCountedAgainstTheirAddress(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.config.Limits = Limits{Stranger: 1}
		w.config.Clock = func() time.Time { return time.Unix(1_800_000_000, 0) }
	})
	b := w.stranger()
	b.header = http.Header{"Authorization": {"Bearer wb_aaaaaaaaaa_" + strings.Repeat("A", 43)}}
	for range 4 {
		b.get("/v1/openapi.json").want(403)
	}
	b.get("/v1/openapi.json").want(429)
}

func TestAFloodOfAddressesIsNotAFloodOfMemory(t *testing.T) {
	l := newLimiter(Limits{}, time.Now)
	for i := range bucketsKept + 10 {
		l.knock(fmt.Sprintf("10.%d", i), true)
	}
	if n := len(l.buckets); n > bucketsKept {
		t.Errorf("%d buckets are kept", n)
	}
}
