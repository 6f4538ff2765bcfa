package telemetry

import (
	"context"
	"testing"
	"time"

	"assay/internal/fault"
)

func TestMoreThanThereIsRoomForIsShed(t *testing.T) {
	s := &Store{}
	ctx := context.Background()
	full, err := s.Enter(ctx, insideMost, false)
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan error)
	go func() {
		leave, err := s.Enter(ctx, 1<<20, false)
		if err == nil {
			defer leave()
		}
		entered <- err
	}()
	waitFor(t, "the second stands in line", func() bool {
		s.gate.mu.Lock()
		defer s.gate.mu.Unlock()
		return len(s.gate.line) == 1
	})

	// Nobody joins a line whose head has waited too long; readiness says so.
	if shedding, _ := s.Shedding(); shedding {
		t.Error("shedding before anything was refused")
	}
	if _, ok := s.gate.join(1, time.Now().Add(lineMoves+time.Second)); ok {
		t.Error("joined a line that does not move")
	}
	if shedding, n := s.Shedding(); !shedding || n != 1 {
		t.Errorf("shedding %t, %d refused", shedding, n)
	}

	// Nobody joins a line that holds too many bytes, whatever its pace.
	if _, ok := s.gate.join(lineMost, time.Now()); ok {
		t.Error("joined a line that is full")
	}

	// Whoever leaves makes room for the next.
	full()
	full() // and gives it back once
	if err := <-entered; err != nil {
		t.Error(err)
	}
	waitFor(t, "all have left", func() bool {
		s.gate.mu.Lock()
		defer s.gate.mu.Unlock()
		return s.gate.inside == 0 && s.gate.queued == 0 && len(s.gate.line) == 0
	})
}

func TestALineThatDoesNotMoveSendsAway(t *testing.T) {
	s := &Store{}
	if _, err := s.Enter(context.Background(), insideMost, false); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Enter(ctx, 1, false); fault.Of(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if len(s.gate.line) != 0 || s.gate.queued != 0 {
		t.Errorf("%d still in line with %d bytes", len(s.gate.line), s.gate.queued)
	}
}

// A compressed body counts for what it may become, and the largest body is let
// in when nothing else is.
func TestABodyCostsWhatItMayBecome(t *testing.T) {
	s := &Store{}
	leave, err := s.Enter(context.Background(), 64<<20, true)
	if err != nil {
		t.Fatal(err)
	}
	if s.gate.inside != insideMost {
		t.Errorf("the largest counts for %d", s.gate.inside)
	}
	leave()
	leave, err = s.Enter(context.Background(), 100<<10, true)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	if want := int64(100<<10) * inflatedCost; s.gate.inside != want {
		t.Errorf("want %d, got %d", want, s.gate.inside)
	}
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}
