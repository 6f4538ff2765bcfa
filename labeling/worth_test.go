package labeling

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/uuid"

	"assay/internal/postgres"
	"assay/telemetry"
)

func verdicts(list ...string) []VerdictSeen {
	var seen []VerdictSeen
	for i, verdict := range list {
		seen = append(seen, VerdictSeen{Validator: fmt.Sprint("v", i), Verdict: verdict})
	}
	return seen
}

func TestValidatorsAtOddsAreTheOpinionOfDoubt(t *testing.T) {
	for _, c := range []struct {
		verdicts []string
		want     opinion
	}{
		{nil, noOpinion}, {[]string{"pass", "pass"}, allPass}, {[]string{"inconclusive"}, openAll}, {[]string{"pass", "inconclusive"}, allPass},
		{[]string{"fail", "inconclusive"}, anyFail}, {[]string{"pass", "fail"}, atOdds}, {[]string{"fail", "inconclusive", "pass"}, atOdds},
	} {
		if got := opinionOf(verdicts(c.verdicts...)); got != c.want {
			t.Errorf("%v: want %q, got %q", c.verdicts, c.want, got)
		}
	}
}

func TestTheChanceOfABadResponseFollowsItsLabels(t *testing.T) {
	known := doubts{Random: {noOpinion: {bad: 1, labeled: 60}, allPass: {bad: 0, labeled: 39}}}
	rate := 1.5 / 100
	for _, c := range []struct {
		what  string
		class PriorityClass
		of    opinion
		want  float64
	}{
		{"a class without a label is open", Safety, noOpinion, 0.5},
		{"that of the class, where the opinion has no label", Random, anyFail, rate},
		{"one half where validators are at odds", Random, atOdds, 0.5},
		{"its own labels, from twenty on", Random, allPass, 0.5 / 40},
	} {
		if got := known.chance(c.class, c.of); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: want %v, got %v", c.what, c.want, got)
		}
	}
	known[Random][atOdds] = &found{bad: 0, labeled: 24}
	if got := known.chance(Random, atOdds); math.Abs(got-0.02) > 1e-12 {
		t.Errorf("until labels say that what is at odds is well: want 0.02, got %v", got)
	}
}

func TestImpactTimesUncertaintyIsTheOrderOfAQueueServedBySize(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	said := map[uuid.UUID][]VerdictSeen{}
	s.Verdicts = func(_ context.Context, _ postgres.DB, event uuid.UUID) ([]VerdictSeen, error) {
		return said[event], nil
	}
	measuring := openQueue(t, s, "sql_query")
	// Labels so far: hardly one in fifty of the random class is bad.
	for i := range 24 {
		put(t, s, measuring, seed{u: 0.01 * float64(i+1), day: day(1)})
		submit(t, s, 1, held(t, s, measuring, 1), Answer{Label: "correct"})
	}
	queue, err := s.OpenDiscovery(t.Context(), engineer, "sql_query", "Costly or open", true)
	if err != nil {
		t.Fatal(err)
	}
	setRule(t, s, queue.Slug, Rule{Part: "v2", Conditions: Conditions{Models: []string{"v2"}}})
	respond := func(impact int, list ...string) telemetry.Candidate {
		c := h.respond("sql_query", "v2", day(3))
		c.Impact = impact
		said[c.EventID] = verdicts(list...)
		return c
	}
	// Sizes: 1 x 0.50, 3 x 0.14, 2 x 0.14, 1 x 0.14.
	odds, costly, passed, plain := respond(1, "pass", "fail"), respond(3), respond(2, "pass"), respond(1)
	late := respond(1)
	all := []telemetry.Candidate{plain, passed, late, costly, odds}
	consider(t, s, all...)
	order := func() (list []uuid.UUID) {
		rows, err := s.DB.Query(t.Context(), `SELECT event_id FROM items WHERE queue_id = $1 ORDER BY harm, frame_day DESC, u`, queue.ID)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var id uuid.UUID
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			list = append(list, id)
		}
		return list
	}
	if got := order(); !slices.Equal(got[:3], []uuid.UUID{odds.EventID, costly.EventID, passed.EventID}) {
		t.Errorf("want what is at odds, then the costly by impact, got %v of %v", got, []uuid.UUID{odds.EventID, costly.EventID, passed.EventID, plain.EventID})
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE reasons = '{uncertain}' AND flags->0->>'detail' = 'passed by v0, failed by v1'`); n != 1 {
		t.Errorf("what is at odds says so, got %d", n)
	}

	// Validators answer after the rules ran; the verdict brings the response back.
	said[late.EventID] = verdicts("fail", "pass")
	said[odds.EventID] = verdicts("pass", "fail", "pass")
	late.Impact = 2
	consider(t, s, all[0], all[1], late, all[3], all[4])
	if got := order(); got[0] != late.EventID {
		t.Errorf("a verdict moves what nobody has touched: want %v first, got %v", late.EventID, got)
	}
	r, err := s.Reserve(t.Context(), person(1), queue.Slug)
	if err != nil {
		t.Fatal(err)
	}
	said[late.EventID] = nil
	consider(t, s, late)
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE id = $1 AND 'uncertain' = ANY(reasons)`, r.ItemID); n != 1 {
		t.Errorf("a reason is never lost, got %d", n)
	}
}

func TestAFurtherFlagReachesADiscoveryQueueToo(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	openQueue(t, s, "sql_query")
	queue, err := s.OpenDiscovery(t.Context(), engineer, "sql_query", "Repairs", false)
	if err != nil {
		t.Fatal(err)
	}
	setRule(t, s, queue.Slug, Rule{Part: "v2", Conditions: Conditions{Models: []string{"v2"}}})
	c := h.respond("sql_query", "v2", day(3), raised(telemetry.Requery, ""))
	gone := h.respond("sql_query", "v2", day(3))
	consider(t, s, c, gone)
	before := count(t, s.DB, `SELECT (1e15 * u)::bigint FROM items WHERE queue_id = $1 AND event_id = $2`, queue.ID, c.EventID)
	if err := s.Remove(t.Context(), engineer, count(t, s.DB, `SELECT id FROM items WHERE queue_id = $1 AND event_id = $2`, queue.ID, gone.EventID), "ours"); err != nil {
		t.Fatal(err)
	}
	for _, again := range []*telemetry.Candidate{&c, &gone} {
		again.Flags = append(again.Flags, telemetry.Flag{Reason: telemetry.NegativeFeedback, SourceEventID: uuid.New()})
		again.PriorityClass = telemetry.Negative
	}
	consider(t, s, c, gone)
	consider(t, s, c, gone)
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE queue_id = $1 AND priority_class = 'negative' AND reasons = '{requery,negative_feedback}' AND (1e15 * u)::bigint = $2`, queue.ID, before); n != 1 {
		t.Error("one item, both reasons, the graver class, its own place")
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE queue_id = $1 AND removed_at IS NOT NULL AND reasons = '{random}'`, queue.ID); n != 1 {
		t.Error("what a person took out stays out")
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE queue_id = $1`, queue.ID); n != 2 {
		t.Errorf("each is there once, got %d", n)
	}
}
