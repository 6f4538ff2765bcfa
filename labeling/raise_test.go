package labeling

import (
	"slices"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/stats"
	"assay/telemetry"
)

func adapted(t *testing.T, s *Store, now time.Time, seen telemetry.Seen) float64 {
	t.Helper()
	if _, err := s.Adapt(t.Context(), auth.Product(), map[string]telemetry.Seen{"sql_query": seen}, now); err != nil {
		t.Fatal(err)
	}
	queue, err := s.Queue(t.Context(), engineer, "sql_query")
	if err != nil {
		t.Fatal(err)
	}
	r, ok, err := s.Raised(t.Context(), engineer, queue, now)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return 1
	}
	return r.Factor
}

// The signals of the published vector: what is in force is its rate over the
// base, taken down to a power of two.
func TestHumanSamplingRisesInASpikeAndDecays(t *testing.T) {
	s := tx(t)
	openQueue(t, s, "sql_query")
	signals := []stats.Signal{stats.Calm, stats.Spike, stats.Spike, stats.Calm, stats.Steady, stats.Calm, stats.Calm, stats.Calm, stats.Calm, stats.Calm, stats.Calm}
	want := []float64{1, 4, 16, 16, 16, 16, 8, 8, 8, 8, 8}
	now := day(3)
	var got []float64
	for _, signal := range signals {
		now = now.Add(time.Hour)
		got = append(got, adapted(t, s, now, telemetry.Seen{Signal: signal}))
	}
	if !slices.Equal(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM audit_entries WHERE action IN ('queue.raise', 'queue.lower')`); n != 3 {
		t.Errorf("each change has its entry, got %d", n)
	}
	if _, err := s.Adapt(t.Context(), engineer, nil, now); err == nil {
		t.Error("a person adapts nothing by hand")
	}
}

func TestAnIncidentRaisesAndHoldsUntilItIsClosed(t *testing.T) {
	s := tx(t)
	openQueue(t, s, "sql_query")
	now := day(3)
	for hour := range 30 {
		if got := adapted(t, s, now.Add(time.Duration(hour)*time.Hour), telemetry.Seen{Signal: stats.Calm, Incident: true}); got != 4 {
			t.Fatalf("hour %d of an open incident: want 4, got %g", hour, got)
		}
	}
	if n := count(t, s.DB, `SELECT count(*) FROM queue_raises WHERE why = 'incident'`); n != 1 {
		t.Errorf("it raises once, got %d", n)
	}
	last := 0.0
	for hour := range 60 {
		last = adapted(t, s, now.Add(time.Duration(30+hour)*time.Hour), telemetry.Seen{Signal: stats.Calm})
	}
	if last != 1 {
		t.Errorf("closed, it decays to nothing: got %g", last)
	}
}

func TestARaiseTakesInWhatTheDayHadLeftOutAndAFallBeginsWithTheNext(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	openQueue(t, s, "sql_query")
	setRule(t, s, "sql_query", Rule{CapRandom: number(3)})
	setRule(t, s, "sql_query", Rule{Part: "v2", Conditions: Conditions{Models: []string{"v2"}}, Share: 0.1})
	today := frameDay(time.Now())
	now := today.Add(10 * time.Hour)
	respond := func(n int, model string, at time.Time) {
		var some []telemetry.Candidate
		for range n {
			some = append(some, h.respond("sql_query", model, at))
		}
		h.candidates = append(h.candidates, some...)
		consider(t, s, some...)
	}
	respond(20, "v1", today.Add(time.Minute))
	respond(200, "v2", today.Add(time.Minute))
	respond(20, "v1", today.Add(-time.Minute)) // yesterday's

	if got := adapted(t, s, now, telemetry.Seen{Signal: stats.Spike}); got != 4 {
		t.Fatalf("want 4, got %g", got)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM rule_backfills WHERE asked_by = 'assay' AND since = $1`, today); n != 1 {
		t.Fatalf("a raise looks back over its day, got %d", n)
	}
	if _, err := s.DB.Exec(t.Context(), `UPDATE rule_backfills SET asked_at = $1`, today.Add(20*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RunBackfill(t.Context(), auth.Product(), count(t, s.DB, `SELECT max(id) FROM rule_backfills`)); err != nil {
		t.Fatal(err)
	}
	of := func(what, part string, day time.Time, want int64) {
		t.Helper()
		if n := count(t, s.DB, `SELECT count(*) FROM items WHERE part = $1 AND frame_day = $2`, part, day); n != want {
			t.Errorf("%s: want %d, got %d", what, want, n)
		}
	}
	of("today's cap, raised", "", today, 12)
	of("yesterday's stays", "", today.AddDate(0, 0, -1), 3)
	of("the share, raised: as many as the hash draws", "v2", today, count(t, s.DB, `SELECT count(*) FROM sampling_decisions d WHERE part = 'v2' AND u < 0.4 AND supersedes IS NULL`))
	missed := count(t, s.DB, `
		SELECT count(*) FROM sampling_decisions d
		WHERE part = '' AND frame_day = $1 AND supersedes IS NULL
		  AND u < (SELECT max(u) FROM items WHERE part = '' AND frame_day = $1)
		  AND NOT EXISTS (SELECT FROM items i WHERE i.event_id = d.event_id)`, today)
	if missed != 0 {
		t.Errorf("nested: %d below the largest drawn were left out", missed)
	}

	// It calms down the same day: the day keeps its factor, the next has its own.
	for i := range 30 {
		adapted(t, s, now.Add(time.Duration(i)*20*time.Minute), telemetry.Seen{Signal: stats.Calm})
	}
	respond(20, "v1", today.Add(2*time.Minute))
	cells, err := s.Sample(t.Context(), auth.Product(), SampleFilter{From: today, To: today.AddDate(0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		if c.Part == "" && (c.Readable != 40 || c.Waiting < 12) {
			t.Errorf("40 of the day, at least 12 of them in the queue: %+v", c)
		}
	}
	list := raises{{Factor: 4, At: today.Add(10 * time.Hour)}, {Factor: 2, At: today.Add(20 * time.Hour)}}
	for at, want := range map[time.Time]float64{today.AddDate(0, 0, -1): 1, today: 4, today.AddDate(0, 0, 1): 2} {
		if got := list.on(at); got != want {
			t.Errorf("%s: want %g, got %g", at.Format(time.DateOnly), want, got)
		}
	}
}
