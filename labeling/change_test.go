package labeling

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
)

// A room labels for twelve weeks: harm first, more of it in some weeks, and a
// model that turns worse half-way for everybody. Labelers differ in how strict
// they are. changed turns careless half-way.
func roomOfWeeks(labelers int, changed func(labeler, week int) bool, dice *rand.Rand) []recent {
	begun := day(-90)
	var labels []recent
	for labeler := range labelers {
		strict := .6 + .8*dice.Float64() // times the share of bad
		for week := range 12 {
			for i := range 30 {
				class, bad := Random, .06
				if harm := .2 + .4*float64(week%3)/2; dice.Float64() < harm {
					class, bad = Negative, .35
				}
				if week >= 6 {
					bad *= 1.5
				}
				said := "correct"
				if dice.Float64() < bad*strict {
					said = "hallucinated"
				} else if dice.Float64() < .1 {
					said = "partially_correct"
				}
				if changed(labeler, week) {
					said = "correct"
				}
				labels = append(labels, recent{LabelerID: int64(labeler), Label: said, TaskClass: "sql_query", PriorityClass: class, Counted: true,
					LabeledAt: begun.AddDate(0, 0, 7*week+i/6).Add(time.Duration(i) * time.Minute)})
			}
		}
	}
	return labels
}

func changesIn(t *testing.T, labels []recent, labelers int) [][]Change {
	t.Helper()
	cells := countAnswers(labels)
	found := make([][]Change, labelers)
	for labeler := range labelers {
		own := slices.DeleteFunc(slices.Clone(labels), func(r recent) bool { return r.LabelerID != int64(labeler) })
		var err error
		if found[labeler], err = changesOf(own, cells, nil); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// Whoever changes half-way is named; of the honest hardly one is, although
// someone looks every week, what they are given changes, and a model turns
// worse under their hands.
func TestWhoChangesHalfWayIsNamedAndWhoDoesNotIsNot(t *testing.T) {
	const labelers = 8
	dice := rand.New(rand.NewPCG(12, 7))
	rooms := 25
	if *full {
		rooms = 400
	}
	named, late, honest, alarms := 0, 0, 0, 0
	for range rooms {
		labels := roomOfWeeks(labelers, func(labeler, week int) bool { return labeler == 0 && week >= 6 }, dice)
		found := changesIn(t, labels, labelers)
		if len(found[0]) > 0 {
			named++
			if off := found[0][0].Since.Sub(day(-90).AddDate(0, 0, 42)); off < -10*24*time.Hour || off > 10*24*time.Hour {
				late++
			}
		}
		quiet := roomOfWeeks(labelers, func(int, int) bool { return false }, dice)
		accused := map[int]bool{}
		for week := 4; week <= 12; week++ { // somebody looks every week
			until := day(-90).AddDate(0, 0, 7*week)
			for labeler, changes := range changesIn(t, slices.DeleteFunc(slices.Clone(quiet), func(r recent) bool { return !r.LabeledAt.Before(until) }), labelers) {
				if len(changes) > 0 {
					accused[labeler] = true
				}
			}
		}
		honest, alarms = honest+labelers, alarms+len(accused)
	}
	t.Logf("named %d of %d who changed, %d of them more than ten days off; %d of %d honest labelers named in nine weekly looks", named, rooms, late, alarms, honest)
	if named < rooms*9/10 || late > named/5 {
		t.Errorf("want who changed named near the day, got %d of %d, %d far off", named, rooms, late)
	}
	if share := float64(alarms) / float64(honest); share > .015 {
		t.Errorf("want hardly an honest labeler named, got %.2f %%", 100*share)
	}
}

func TestAChangeIsSaidInFigures(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 9))
	labels := roomOfWeeks(8, func(labeler, week int) bool { return labeler == 3 && week >= 6 }, dice)
	changes := changesIn(t, labels, 8)[3]
	i := slices.IndexFunc(changes, func(c Change) bool { return c.What == "correct" })
	if i < 0 {
		t.Fatalf("always correct from half-way on: %+v", changes)
	}
	c := changes[i]
	if c.After.Share() != 1 && c.After.Share() < .97 || c.Before.Share() > .9 || c.Before.N+c.After.N != 360 || c.Others[1] > .85 || !strings.HasPrefix(c.words(), "correct ") {
		t.Errorf("got %+v, %s", c, c.words())
	}
	alone := slices.DeleteFunc(slices.Clone(labels), func(r recent) bool { return r.LabelerID != 3 })
	if changes, err := changesOf(alone, countAnswers(alone), nil); err != nil || len(changes) != 0 {
		t.Errorf("without others nobody knows whether the labeler changed or the work: %+v, %v", changes, err)
	}
	var gold []goldAnswer
	for i := range 40 {
		said := Truths[i%3]
		if i >= 20 {
			said = "correct"
		}
		gold = append(gold, goldAnswer{Truth: Truths[i%3], Said: said, LabeledAt: day(-40 + i)})
	}
	onGold, err := changesOf(nil, nil, gold)
	if err != nil || len(onGold) != 1 || onGold[0].What != "gold" || onGold[0].Before.Share() < .95 || onGold[0].After.Share() > .5 {
		t.Errorf("right on gold until half-way: %+v, %v", onGold, err)
	}
	slices.Reverse(gold)
	if better, err := changesOf(nil, nil, gold); err != nil || len(better) != 0 {
		t.Errorf("who became better is not accused: %+v, %v", better, err)
	}
}

// A labeler whose answers change is watched: twice the gold, everything read
// again, and in the audit; until a reviewer has looked and keeps them.
func TestWhoIsUnusualIsServedMoreGoldAndReadAgain(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	if _, err := s.DB.Exec(t.Context(), `
		UPDATE queues SET labels_wanted = 3, overlap_share = 0, hallucinated_again = false;
		INSERT INTO people (id, email, name) OVERRIDING SYSTEM VALUE VALUES (1, 'a@example.org', 'A'), (2, 'b@example.org', 'B'), (3, 'c@example.org', 'C')`); err != nil {
		t.Fatal(err)
	}
	var seeds []seed
	const items = 66
	for i := range items {
		seeds = append(seeds, seed{u: float64(i) / 100, wanted: 3})
	}
	put(t, s, queue, seeds...)
	for _, who := range []int64{1, 2, 3} {
		for i := range items {
			r := held(t, s, queue, who)
			label := Truths[i%3]
			if who == 3 && i >= items/2 {
				label = "hallucinated"
			}
			given := Given{At: weekOf(time.Now()).Add(time.Duration(i-7*items) * time.Minute), Took: 40 * time.Second}
			if _, err := s.SubmitGiven(t.Context(), person(who), r.ItemID, r.Token, uuid.NewString(), Answer{Label: label}, given); err != nil {
				t.Fatal(err)
			}
		}
	}
	changed, err := s.WatchLabelers(t.Context(), auth.Product())
	if err != nil || changed != 1 {
		t.Fatalf("want one labeler watched, got %d, %v", changed, err)
	}
	third, err := s.LabelerOf(t.Context(), person(3))
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM labelers WHERE id = $1 AND watched AND doubted`, third); n != 1 {
		t.Error("the third labeler is watched, and what they say is read again")
	}
	report, err := s.Labeler(t.Context(), reviewer, third)
	if err != nil || report.Standing != Probation || len(report.Signals.Changes) == 0 || !strings.Contains(fmt.Sprint(report.Signals.Flags), "hallucinated") {
		t.Errorf("the page says it: %s, %+v, %v", report.Standing, report.Signals, err)
	}
	own, err := s.Labeler(t.Context(), person(3), 0)
	if err != nil || len(own.Signals.Flags) != 0 || len(own.Signals.Changes) != 0 || own.Standing != New {
		t.Errorf("it is between reviewers: %+v, %v", own.Signals, err)
	}
	put(t, s, queue, seed{u: .9})
	fresh := held(t, s, queue, 3)
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET wanted = 1 WHERE id = $1`, fresh.ItemID); err != nil {
		t.Fatal(err)
	}
	submit(t, s, 3, fresh, Answer{Label: "correct"})
	if n := count(t, s.DB, `SELECT count(*) FROM consensus WHERE item_id = $1 AND second_due AND second_probability = 1`, fresh.ItemID); n != 1 {
		t.Error("what they say next is read again")
	}
	if goldFor(.07, true) != .14 || goldFor(.07, false) != .07 || goldFor(.4, true) != .5 {
		t.Error("twice the gold, at most half")
	}
	if again, err := s.WatchLabelers(t.Context(), auth.Product()); err != nil || again != 0 {
		t.Errorf("nothing changed meanwhile: %d, %v", again, err)
	}
	if err := s.DecideStanding(t.Context(), reviewer, third, Keep, "they had the difficult ones"); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.WatchLabelers(t.Context(), auth.Product()); err != nil || changed != 1 {
		t.Errorf("a reviewer has looked: %d, %v", changed, err)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM audit_entries WHERE action IN ('labeler.watch', 'labeler.unwatch')`); n != 2 {
		t.Errorf("both in the audit, got %d", n)
	}
	if _, err := s.WatchLabelers(t.Context(), engineer); err == nil {
		t.Error("only the product watches")
	}
}
