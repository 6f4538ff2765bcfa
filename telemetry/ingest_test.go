package telemetry

import (
	"testing"
	"time"
)

func TestEventsAreReadableOnceDrained(t *testing.T) {
	s := newStore(t)
	receipt := send(t, s, answer("a", noon, `,"prompt":"Where is it?","response":"Here, mail maya@example.com"`))
	if receipt.Accepted != 1 {
		t.Fatalf("want 1 accepted, got %+v", receipt)
	}
	if done := drain(t, s); done.Blocks != 1 || done.Events != 1 {
		t.Fatalf("want 1 block of 1 event, got %+v", done)
	}
	if got := ask[string](t, s, "SELECT response FROM events FINAL"); got != "Here, mail [EMAIL]" {
		t.Errorf("the response is stored redacted, got %q", got)
	}
	if got := ask[uint64](t, s, "SELECT count() FROM event_facts FINAL"); got != 1 {
		t.Errorf("want 1 fact, got %d", got)
	}
	_ = time.Now
}
