package main

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/google/uuid"
)

var full = flag.Bool("full", false, "the long form: twenty rounds of each kill")

// Events are sent all the time while each part of the product is killed, as
// one program and as several; in the end each event that was acknowledged is
// in the store exactly once.
func TestKillingAnyPartLosesNothingAcknowledged(t *testing.T) {
	rounds := 1
	if *full {
		rounds = 20
	}
	if err := killRounds(context.Background(), rounds, 7, testWriter{t}); err != nil {
		t.Fatal(err)
	}
}

// testWriter passes lines on to the test's log.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// The load's events differ in their ids from batch to batch and are the same
// whenever a batch is sent again.
func TestABatchOfTheLoadIsTheSameWhenSentAgain(t *testing.T) {
	f := newFeed(1, 50, nil)
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	first := string(f.batch(3, at, nil))
	if again := string(f.batch(3, at, nil)); again != first {
		t.Error("the same batch differs")
	}
	if weight := len(first) / 50; weight < eventSize || weight > eventSize+20 {
		t.Errorf("an event weighs %d bytes", weight)
	}
	seen := map[uuid.UUID]bool{}
	for n := range int64(200) {
		for i := range 50 {
			seen[f.id(n, i)] = true
		}
	}
	if len(seen) != 200*50 {
		t.Errorf("%d ids for %d events", len(seen), 200*50)
	}
}
