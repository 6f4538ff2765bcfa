package labeling

import (
	"slices"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
)

func TestWhoOwnsAQueueDecidesAboutTheWorkInIt(t *testing.T) {
	s := tx(t)
	ctx := t.Context()
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: .1}, seed{u: .2})
	before := held(t, s, queue, 1)

	set := queue.Settings()
	set.Title, set.Instructions = "  SQL of the night  ", "Only SELECT.\r\nAsk Mira."
	set.LabelsWanted, set.OverlapShare, set.GoldShare, set.Lease = 2, 0.5, 0.05, 40*time.Minute
	set.Blind, set.VerdictHidden, set.SpansNeeded = false, true, true
	set.Reasons = []string{"other", "tone_is_rude"}
	if err := s.Configure(ctx, engineer, queue, set); err != nil {
		t.Fatal(err)
	}
	now, err := s.Queue(ctx, engineer, queue.Slug)
	if err != nil {
		t.Fatal(err)
	}
	set.Title, set.Instructions = "SQL of the night", "Only SELECT.\nAsk Mira."
	if got := now.Settings(); !slices.Equal(got.Reasons, set.Reasons) || got.Title != set.Title || got.Instructions != set.Instructions ||
		got.LabelsWanted != 2 || got.OverlapShare != .5 || got.GoldShare != .05 || got.Lease != 40*time.Minute || got.Blind || !got.VerdictHidden || !got.SpansNeeded {
		t.Errorf("want %+v, got %+v", set, got)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM audit_entries WHERE action = 'queue.configure'`); n != 1 {
		t.Errorf("want it in the audit, got %d entries", n)
	}

	// It holds from the next act on, also for what is held already.
	_, err = s.Submit(ctx, person(1), before.ItemID, before.Token, "one", Answer{Label: "hallucinated", Reasons: []string{"tone_is_rude"}})
	if fault.Of(err) != fault.Invalid || !strings.Contains(fault.Words(err), "span") {
		t.Errorf("hallucinated without a span: %v", err)
	}
	_, err = s.Submit(ctx, person(1), before.ItemID, before.Token, "two", Answer{Label: "correct", Reasons: []string{"wrong_value"}})
	if fault.Of(err) != fault.Invalid {
		t.Errorf("a reason the queue has no more: %v", err)
	}
	submit(t, s, 1, before, Answer{Label: "hallucinated", Reasons: []string{"tone_is_rude"}, Spans: []Span{{0, 3}}})
	next := held(t, s, queue, 1)
	if left := time.Until(next.LeaseUntil); left < 35*time.Minute {
		t.Errorf("want a reservation of 40 minutes, got %v", left)
	}
}

func TestSettingsThatNoQueueTakesAreRefused(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	for fact, change := range map[string]func(*QueueSettings){
		"no title":               func(q *QueueSettings) { q.Title = " " },
		"a long title":           func(q *QueueSettings) { q.Title = strings.Repeat("é", 81) },
		"long instructions":      func(q *QueueSettings) { q.Instructions = strings.Repeat("é", 2001) },
		"no labels wanted":       func(q *QueueSettings) { q.LabelsWanted = 0 },
		"ten labels wanted":      func(q *QueueSettings) { q.LabelsWanted = 10 },
		"overlap beyond all":     func(q *QueueSettings) { q.OverlapShare = 1.01 },
		"gold beyond half":       func(q *QueueSettings) { q.GoldShare = .51 },
		"no time":                func(q *QueueSettings) { q.Lease = time.Second },
		"a day":                  func(q *QueueSettings) { q.Lease = 24 * time.Hour },
		"no reason":              func(q *QueueSettings) { q.Reasons = nil },
		"seven reasons":          func(q *QueueSettings) { q.Reasons = strings.Split("a b c d e f g", " ") },
		"the same reason twice":  func(q *QueueSettings) { q.Reasons = []string{"other", "other"} },
		"a reason of no letters": func(q *QueueSettings) { q.Reasons = []string{"<b>"} },
	} {
		set := queue.Settings()
		change(&set)
		if err := s.Configure(t.Context(), engineer, queue, set); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: want Invalid, got %v", fact, err)
		}
	}
	for _, role := range []auth.Role{auth.Labeler, auth.Reviewer, auth.Auditor} {
		if err := s.Configure(t.Context(), person(5, role), queue, queue.Settings()); fault.Of(err) != fault.Denied {
			t.Errorf("a %s: want Denied, got %v", role, err)
		}
	}
	most := queue.Settings()
	most.Title, most.Instructions, most.Reasons = strings.Repeat("é", 80), strings.Repeat("é", 2000), []string{"слишком_вежливо", "語調"}
	if err := s.Configure(t.Context(), engineer, queue, most); err != nil {
		t.Errorf("the most a queue may say: %v", err)
	}
}

func TestWhoOwnsAQueueSeesWhyItIsSkipped(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: .1}, seed{u: .2}, seed{u: .3})
	for _, reason := range []string{"broken", "language", "broken"} {
		r := held(t, s, queue, 1)
		if err := s.Skip(t.Context(), person(1), r.ItemID, r.Token, reason); err != nil {
			t.Fatal(err)
		}
	}
	skips, err := s.SkippedBecause(t.Context(), engineer, queue, time.Now().Add(-time.Hour))
	if err != nil || !slices.Equal(skips, []Skips{{"broken", 2}, {"language", 1}}) {
		t.Errorf("got %v, %v", skips, err)
	}
	if skips, err := s.SkippedBecause(t.Context(), engineer, queue, time.Now().Add(time.Hour)); err != nil || len(skips) != 0 {
		t.Errorf("since then: %v, %v", skips, err)
	}
	if skips, err := s.SkippedBecause(t.Context(), person(1), queue, time.Time{}); err != nil || skips != nil {
		t.Errorf("a labeler sees none: %v, %v", skips, err)
	}
}
