package labeling

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/telemetry"
)

func (h *shelf) Flagged(_ context.Context, _ auth.Actor, from, to time.Time) ([]telemetry.Candidate, error) {
	var list []telemetry.Candidate
	for _, c := range h.candidates {
		if !c.EffectiveTime.Before(from) && c.EffectiveTime.Before(to) {
			list = append(list, c)
		}
	}
	return list, nil
}

func setRule(t *testing.T, s *Store, queue string, rule Rule) Rule {
	t.Helper()
	rule, err := s.SetRule(t.Context(), engineer, queue, rule)
	if err != nil {
		t.Fatal(err)
	}
	return rule
}

func number(n int) *int { return &n }

func TestARuleTakesWhatMeetsAllItsConditions(t *testing.T) {
	base := telemetry.Candidate{
		ModelVersion: "v2", PromptTemplateID: "t1", Consent: telemetry.ConsentRedacted, ResponseChars: 200,
		Flags: []telemetry.Flag{{Reason: telemetry.Requery}, {Reason: telemetry.UnsafeClaim}},
	}
	for _, c := range []struct {
		what       string
		conditions Conditions
		want       bool
	}{
		{"none", Conditions{}, true},
		{"one of the flags", Conditions{Flags: []string{"unsafe_claim", "error"}}, true},
		{"another flag", Conditions{Flags: []string{"random"}}, false},
		{"model and template", Conditions{Models: []string{"v1", "v2"}, Templates: []string{"t1"}}, true},
		{"another template", Conditions{Models: []string{"v2"}, Templates: []string{"t2"}}, false},
		{"consent", Conditions{Consents: []string{"full"}}, false},
		{"length between", Conditions{Shortest: 200, Longest: 200}, true},
		{"too long", Conditions{Longest: 199}, false},
		{"too short", Conditions{Shortest: 201}, false},
		{"a verdict", Conditions{Verdicts: []string{"inconclusive"}}, true},
		{"no such verdict", Conditions{Verdicts: []string{"fail"}}, false},
	} {
		got, err := c.conditions.meets(base, func() ([]VerdictSeen, error) { return []VerdictSeen{{Validator: "sql", Verdict: "inconclusive"}}, nil })
		if got != c.want || err != nil {
			t.Errorf("%s: want %v, got %v, %v", c.what, c.want, got, err)
		}
	}
	plain := base
	plain.Flags = nil
	if got, _ := (Conditions{Flags: []string{"random"}}).meets(plain, nil); !got {
		t.Error("what has no flag is the random floor")
	}
}

func TestWhatARuleTakesIsAStratumOfItsOwn(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	openQueue(t, s, "sql_query")
	setRule(t, s, "sql_query", Rule{CapRandom: number(5)})
	rule := setRule(t, s, "sql_query", Rule{Part: "new-model", Conditions: Conditions{Models: []string{"v2"}}, CapRandom: number(8)})
	var all []telemetry.Candidate
	for range 20 {
		all = append(all, h.respond("sql_query", "v1", day(3)), h.respond("sql_query", "v2", day(3)))
	}
	consider(t, s, all...)
	for _, c := range []struct {
		what, sql string
		want      int64
	}{
		{"every response has its decision", `SELECT count(*) FROM sampling_decisions`, 40},
		{"the rule's part", `SELECT count(*) FROM sampling_decisions WHERE part = 'new-model' AND model_version = 'v2'`, 20},
		{"its cap", `SELECT count(*) FROM items WHERE part = 'new-model'`, 8},
		{"the rest's cap", `SELECT count(*) FROM items WHERE part = ''`, 5},
		{"the smallest u of each", `SELECT count(*) FROM items i WHERE u < (SELECT min(u) FROM sampling_decisions d WHERE d.part = i.part AND NOT selected)`, 13},
		{"left out by name", `SELECT left_out FROM rule_doings WHERE rule_id = (SELECT id FROM queue_rules WHERE part = 'new-model')`, 12},
	} {
		if got := count(t, s.DB, c.sql); got != c.want {
			t.Errorf("%s: want %d, got %d", c.what, c.want, got)
		}
	}
	if n := count(t, s.DB, `SELECT count(*) FROM sampling_decisions WHERE rule_id = $1`, rule.ID); n != 20 {
		t.Errorf("decisions name the rule's version, got %d", n)
	}

	cells, err := s.Sample(t.Context(), auth.Product(), SampleFilter{From: day(3), To: day(4)})
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]int64{}
	for _, c := range cells {
		parts[c.Part] += c.Readable
	}
	if parts["new-model"] != 20 || parts[""] != 20 {
		t.Errorf("each part has its population, got %v", parts)
	}
}

func TestADryRunSaysWhatTheBackfillThenDoes(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	queue := openQueue(t, s, "sql_query")
	setRule(t, s, "sql_query", Rule{CapRandom: number(2)})
	yesterday := frameDay(time.Now()).Add(-20 * time.Hour)
	for i := range 30 {
		c := h.respond("sql_query", []string{"v1", "v2"}[i%2], yesterday)
		c.ResponseChars = 10 * i
		h.candidates = append(h.candidates, c)
	}
	consider(t, s, h.candidates...)
	gone := count(t, s.DB, `SELECT id FROM items WHERE model_version = 'v2' UNION ALL SELECT id FROM items LIMIT 1`)
	if err := s.Remove(t.Context(), engineer, gone, "a test of ours"); err != nil {
		t.Fatal(err)
	}
	before := count(t, s.DB, `SELECT count(*) FROM items`)
	rule := Rule{Part: "new-model", Conditions: Conditions{Models: []string{"v2"}, Shortest: 100}}

	dry, err := s.DryRun(t.Context(), engineer, queue, rule, 3)
	if err != nil {
		t.Fatal(err)
	}
	if got := count(t, s.DB, `SELECT count(*) FROM items`); got != before {
		t.Errorf("a dry run stores nothing: want %d items, got %d", before, got)
	}
	if dry.Matched != 10 || dry.Adds+dry.There+dry.Removed != 10 || dry.Work != time.Duration(dry.Labels)*usualPace {
		t.Errorf("got %+v", dry)
	}

	setRule(t, s, "sql_query", rule)
	if err := s.Backfill(t.Context(), engineer, queue, 3); err != nil {
		t.Fatal(err)
	}
	filled, err := s.RunBackfill(t.Context(), auth.Product(), count(t, s.DB, `SELECT max(id) FROM rule_backfills`))
	if err != nil {
		t.Fatal(err)
	}
	if filled.Added != dry.Adds {
		t.Errorf("the dry run said %d, the backfill added %d", dry.Adds, filled.Added)
	}
	if n := count(t, s.DB, `SELECT coalesce(sum(wanted), 0) FROM items WHERE part = 'new-model' AND rule_id = (SELECT max(id) FROM queue_rules)`); n != int64(dry.Labels) {
		t.Errorf("the dry run spoke of %d labels, the items it added ask for %d", dry.Labels, n)
	}
	took := count(t, s.DB, `SELECT count(*) FROM items WHERE part = 'new-model'`)
	if _, err := s.RunBackfill(t.Context(), auth.Product(), count(t, s.DB, `SELECT max(id) FROM rule_backfills`)); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE part = 'new-model'`); n != took || took != 10-int64(dry.Unread) {
		t.Errorf("a backfill again takes nothing more: want %d items of the rule, got %d", took, n)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE id = $1 AND removed_at IS NOT NULL`, gone); n != 1 {
		t.Error("what a person removed stays out")
	}
	if n := count(t, s.DB, `SELECT count(*) FROM sampling_decisions d WHERE NOT EXISTS (SELECT FROM sampling_decisions l WHERE l.supersedes = d.id)`); n != 30 {
		t.Errorf("one decision a response stands, got %d", n)
	}
}

func TestTheWorkOfADryRunIsThatOfItsLabelsAtThePaceOfThePeople(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: 0.1}, seed{u: 0.2}, seed{u: 0.3})
	for i, seconds := range []int{20, 52, 84} {
		r := held(t, s, queue, int64(i+1))
		if _, err := s.DB.Exec(t.Context(), `UPDATE reservations SET opened_at = clock_timestamp() - make_interval(secs => $2) WHERE id = $1`, r.ID, seconds); err != nil {
			t.Fatal(err)
		}
		submit(t, s, int64(i+1), r, Answer{Label: "correct"})
	}
	if _, err := s.DB.Exec(t.Context(), `UPDATE queues SET labels_wanted = 2`); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		h.candidates = append(h.candidates, h.respond("sql_query", "v2", frameDay(time.Now()).Add(-20*time.Hour)))
	}
	rule := Rule{Part: "new-model", Conditions: Conditions{Models: []string{"v2"}}, CapRandom: number(6)}
	dry, err := s.DryRun(t.Context(), engineer, queue, rule, 3)
	if err != nil {
		t.Fatal(err)
	}
	// The median is 52 seconds; six items that two people read.
	if dry.Adds != 6 || dry.LeftOut != 4 || dry.Labels != 12 || dry.Pace.Round(time.Second) != 52*time.Second || dry.Work != 12*dry.Pace {
		t.Errorf("want 12 labels of 52 s, got %+v", dry)
	}
}

func TestARetiredRuleLeavesWhatItTook(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	queue := openQueue(t, s, "sql_query")
	setRule(t, s, "sql_query", Rule{Part: "new-model", Conditions: Conditions{Models: []string{"v2"}}})
	consider(t, s, h.respond("sql_query", "v2", day(3)))
	if err := s.RetireRule(t.Context(), engineer, queue, "new-model"); err != nil {
		t.Fatal(err)
	}
	consider(t, s, h.respond("sql_query", "v2", day(3)))
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE part = 'new-model'`); n != 1 {
		t.Errorf("want 1 item of the rule, got %d", n)
	}
	rules, err := s.Rules(t.Context(), engineer, queue)
	if err != nil || len(rules) != 1 || rules[0].Part != "" {
		t.Errorf("the rest alone is in force, got %+v, %v", rules, err)
	}
	if err := s.RetireRule(t.Context(), engineer, queue, ""); fault.Of(err) != fault.Invalid {
		t.Errorf("the rest stays, got %v", err)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM audit_entries WHERE action IN ('rule.set', 'rule.retire')`); n != 2 {
		t.Errorf("each change has its entry, got %d", n)
	}
}

func TestWhatIsNoRuleIsRefused(t *testing.T) {
	s := tx(t)
	openQueue(t, s, "sql_query")
	for _, rule := range []Rule{
		{Part: "no condition"},
		{Part: "model", Conditions: Conditions{}},
		{Conditions: Conditions{Models: []string{"v2"}}},
		{Part: "share", Conditions: Conditions{Models: []string{"v2"}}, Share: 1.5},
		{Part: "flag", Conditions: Conditions{Flags: []string{"<script>"}}},
		{Part: "cap", Conditions: Conditions{Models: []string{"v2"}}, CapRandom: number(-1)},
		{Part: "length", Conditions: Conditions{Shortest: 9, Longest: 3}},
	} {
		if _, err := s.SetRule(t.Context(), engineer, "sql_query", rule); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: want invalid, got %v", rule, err)
		}
	}
	if _, err := s.SetRule(t.Context(), person(1), "sql_query", Rule{}); fault.Of(err) != fault.Denied {
		t.Errorf("a labeler sets no rule, got %v", err)
	}
}

func TestADiscoveryQueueIsServedBySizeAndMeasuresNothing(t *testing.T) {
	s, h := tx(t), newShelf()
	s.Telemetry = h
	openQueue(t, s, "sql_query")
	queue, err := s.OpenDiscovery(t.Context(), engineer, "sql_query", "Costly ones", true)
	if err != nil {
		t.Fatal(err)
	}
	setRule(t, s, queue.Slug, Rule{Part: "costly", Conditions: Conditions{Models: []string{"v2"}}})
	var impacts []telemetry.Candidate
	for impact := 1; impact <= 5; impact++ {
		c := h.respond("sql_query", "v2", day(3))
		c.Impact = impact
		impacts = append(impacts, c)
	}
	consider(t, s, impacts...)
	consider(t, s, impacts...)
	for want := 5; want >= 1; want-- {
		r, err := s.Reserve(t.Context(), person(1), queue.Slug)
		if err != nil {
			t.Fatal(err)
		}
		if got := count(t, s.DB, `SELECT impact FROM items WHERE id = $1`, r.ItemID); got != int64(want) {
			t.Errorf("want the item of impact %d, got %d", want, got)
		}
		if _, err := s.Submit(t.Context(), person(1), r.ItemID, r.Token, uuid.NewString(), Answer{Label: "hallucinated"}); err != nil {
			t.Fatal(err)
		}
	}
	cells, err := s.Sample(t.Context(), auth.Product(), SampleFilter{From: day(3), To: day(4)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		if c.Labels.All() > 0 || c.Raw.All() > 0 {
			t.Errorf("labels of a discovery queue reach no rate, got %+v", c)
		}
	}
}

func TestTheDatabaseRefusesASizeWhereItWouldBendARate(t *testing.T) {
	s := tx(t)
	openQueue(t, s, "sql_query")
	if _, err := s.DB.Exec(t.Context(), `UPDATE queues SET by_size = true`); !postgres.Violates(err, "queues_measure_in_the_order_of_u") {
		t.Errorf("got %v", err)
	}
}
