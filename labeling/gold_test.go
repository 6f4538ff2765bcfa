package labeling

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
)

var reviewer = person(9, auth.Reviewer)

// goldRoom is a queue with work left, and gold of each label and basis.
type goldRoom struct {
	*Store
	queue Queue
	gold  map[int64]string // item to right label
}

func newGoldRoom(t *testing.T, each, left int) goldRoom {
	t.Helper()
	s := tx(t)
	room := goldRoom{s, openQueue(t, s, "sql_query"), map[int64]string{}}
	var seeds []seed
	for i := range 3 * each {
		seeds = append(seeds, seed{u: float64(i) / 1000, wanted: 2, model: "v1"})
	}
	ids := put(t, s, room.queue, seeds...)
	for i, item := range ids {
		room.gold[item] = Truths[i%3]
	}
	for _, who := range []int64{101, 102} {
		for range ids {
			r := held(t, s, room.queue, who)
			submit(t, s, who, r, Answer{Label: room.gold[r.ItemID]})
		}
	}
	for _, item := range ids {
		gold, err := s.MakeGold(t.Context(), reviewer, item, "because the schema says so")
		if err != nil || gold.Label != room.gold[item] || gold.Basis != "unanimous" {
			t.Fatalf("gold %+v, %v", gold, err)
		}
	}
	seeds = nil
	for i := range left {
		seeds = append(seeds, seed{u: .5 + float64(i)/1000, model: "v1"})
	}
	put(t, s, room.queue, seeds...)
	if _, err := s.DB.Exec(t.Context(), `UPDATE queues SET gold_share = .5`); err != nil {
		t.Fatal(err)
	}
	return room
}

// measured is everything that labels of gold must leave alone.
func (room goldRoom) measured(t *testing.T) string {
	t.Helper()
	cells, err := room.Sample(t.Context(), engineer, today())
	if err != nil {
		t.Fatal(err)
	}
	for i := range cells { // what was reserved meanwhile is not what is measured
		cells[i].LastLabelAt = time.Time{}
	}
	rows := count(t, room.DB, `SELECT count(*) FROM label_outbox`)
	consensus := count(t, room.DB, `SELECT coalesce(sum(revision), 0) FROM consensus`)
	places := count(t, room.DB, `SELECT coalesce(sum(taken + passed_over + labeled + wanted), 0) FROM items`)
	return fmt.Sprintln(cells, rows, consensus, places)
}

func TestGoldMovesNoRateNoConsensusAndNoCopy(t *testing.T) {
	room := newGoldRoom(t, 2, 3)
	before := room.measured(t)
	served := map[string]int{}
	for range 6 {
		r := held(t, room.Store, room.queue, 1)
		truth, ok := room.gold[r.ItemID]
		if !ok {
			t.Fatal("with every draw for gold, gold comes")
		}
		served[truth]++
		label := submit(t, room.Store, 1, r, Answer{Label: "hallucinated"})
		if label.Consensus != "hallucinated" || label.Revision != 1 {
			t.Errorf("the answer looks like that to a first reading: %+v", label)
		}
		again, err := room.Undo(t.Context(), person(1), r.ItemID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := room.Submit(t.Context(), person(1), again.ItemID, again.Token, uuid.NewString(), Answer{Label: "correct"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, truth := range Truths {
		if served[truth] != 2 {
			t.Errorf("want a third of each label, got %v", served)
		}
	}
	if after := room.measured(t); after != before {
		t.Errorf("gold moved a rate:\nbefore %s\nafter  %s", before, after)
	}
	var exported strings.Builder
	if _, err := room.Export(t.Context(), engineer, &exported, LabelFilter{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(exported.String(), "\n"); n != 12 {
		t.Errorf("want the 12 labels that count exported, got %d", n)
	}
	answers, err := goldAnswers(t.Context(), room.DB, 0)
	if err != nil || len(answers) != 6 {
		t.Errorf("want six answers, undone ones replaced, got %d %v", len(answers), err)
	}
	if r := held(t, room.Store, room.queue, 1); room.gold[r.ItemID] != "" {
		t.Error("no gold comes twice to the same labeler")
	}
}

func TestGoldThatWasPutOffComesBackAsGold(t *testing.T) {
	room := newGoldRoom(t, 1, 1)
	r := held(t, room.Store, room.queue, 1)
	before := room.measured(t)
	if err := room.Later(t.Context(), person(1), r.ItemID, r.Token); err != nil {
		t.Fatal(err)
	}
	again, err := room.ReserveItem(t.Context(), person(1), r.ItemID)
	if err != nil {
		t.Fatal(err)
	}
	submit(t, room.Store, 1, again, Answer{Label: "correct"})
	if after := room.measured(t); after != before {
		t.Errorf("it counted:\nbefore %s\nafter  %s", before, after)
	}
}

func TestGoldIsServedOnlyBesideOtherWorkAndNeverToThoseWhoKeepIt(t *testing.T) {
	room := newGoldRoom(t, 1, 0)
	if r, err := room.Reserve(t.Context(), person(1), room.queue.Slug); !errors.Is(err, ErrNothingFree) {
		t.Errorf("an item out of an empty queue could be nothing but gold: %+v %v", r, err)
	}
	put(t, room.Store, room.queue, seed{u: .9})
	if r, err := room.Reserve(t.Context(), reviewer, room.queue.Slug); err != nil || room.gold[r.ItemID] != "" {
		t.Errorf("a reviewer knows the gold: %+v %v", r, err)
	}
}

func TestGoldIsRetiredAfterTwentyServings(t *testing.T) {
	room := newGoldRoom(t, 1, 1)
	for who := range int64(20) {
		for range 3 {
			held(t, room.Store, room.queue, 200+who)
			if _, err := room.DB.Exec(t.Context(), `UPDATE reservations SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'held'`); err != nil {
				t.Fatal(err)
			}
		}
	}
	golds, err := room.Golds(t.Context(), reviewer)
	if err != nil || len(golds) != 3 {
		t.Fatal(golds, err)
	}
	for _, g := range golds {
		if g.Servings != 20 || g.RetiredAt == nil {
			t.Errorf("want it retired after 20 servings, got %+v", g)
		}
	}
	if r := held(t, room.Store, room.queue, 300); room.gold[r.ItemID] != "" {
		t.Error("what is retired is not served")
	}
}

func TestOnlyWhatIsKnownCanBeGold(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	ids := put(t, s, queue, seed{u: .1}, seed{u: .2, wanted: 2})
	submit(t, s, 1, held(t, s, queue, 1), Answer{Label: "correct"})
	submit(t, s, 1, held(t, s, queue, 1), Answer{Label: "correct"})
	submit(t, s, 2, held(t, s, queue, 2), Answer{Label: "hallucinated"})
	for _, item := range append(ids, 1<<40) {
		if _, err := s.MakeGold(t.Context(), reviewer, item, "why"); fault.Of(err) != fault.Conflict {
			t.Errorf("item %d: want a conflict, got %v", item, err)
		}
	}
	if _, err := s.MakeGold(t.Context(), person(1), ids[0], "why"); fault.Of(err) != fault.Denied {
		t.Errorf("a labeler makes no gold: %v", err)
	}
	if _, err := s.Adjudicate(t.Context(), reviewer, ids[1], "hallucinated", "no such column"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.MakeGold(t.Context(), reviewer, ids[1], " "); fault.Of(err) != fault.Invalid {
		t.Errorf("gold without an explanation: %v", err)
	}
	gold, err := s.MakeGold(t.Context(), reviewer, ids[1], "no such column")
	if err != nil || gold.Label != "hallucinated" || gold.Basis != "adjudicated" {
		t.Errorf("want it gold as decided, got %+v %v", gold, err)
	}
	if _, err := s.MakeGold(t.Context(), reviewer, ids[1], "again"); fault.Of(err) != fault.Conflict {
		t.Errorf("twice: %v", err)
	}
	if err := s.RetireGold(t.Context(), reviewer, gold.ID, "labelers know it"); err != nil {
		t.Error(err)
	}
	if err := s.RetireGold(t.Context(), reviewer, gold.ID, "labelers know it"); fault.Of(err) != fault.NotFound {
		t.Errorf("retired twice: %v", err)
	}
}

func TestFeedbackComesWhenTheDayIsOver(t *testing.T) {
	room := newGoldRoom(t, 1, 1)
	r := held(t, room.Store, room.queue, 1)
	submit(t, room.Store, 1, r, Answer{Label: "cannot_tell"})
	dayBegan := frameDay(time.Now())
	early, err := room.Feedback(t.Context(), person(1), dayBegan)
	if err != nil || len(early) != 0 {
		t.Errorf("before the day is over it would give gold away: %+v %v", early, err)
	}
	late, err := room.Feedback(t.Context(), person(1), dayBegan.AddDate(0, 0, 1))
	if err != nil || len(late) != 1 || late[0].Said != "cannot_tell" || late[0].Right != room.gold[r.ItemID] || late[0].Why == "" {
		t.Errorf("want it explained, got %+v %v", late, err)
	}
	if other, err := room.Feedback(t.Context(), person(2), dayBegan.AddDate(0, 0, 1)); err != nil || len(other) != 0 {
		t.Errorf("feedback is one's own: %+v %v", other, err)
	}
}

func TestGoldReadsLikeAFirstReadingUntilTheDayIsOver(t *testing.T) {
	room := newGoldRoom(t, 1, 1)
	r := held(t, room.Store, room.queue, 1)
	submit(t, room.Store, 1, r, Answer{Label: "cannot_tell"})
	item, err := room.item(t.Context(), r.ItemID)
	if err != nil {
		t.Fatal(err)
	}
	see := func() (said, history int) {
		t.Helper()
		d, err := room.Discussion(t.Context(), person(1), r.ItemID)
		if err != nil {
			t.Fatal(err)
		}
		h, err := room.History(t.Context(), person(1), item.EventID)
		if err != nil {
			t.Fatal(err)
		}
		return len(d.Said), len(h)
	}
	if said, history := see(); said != 1 || history != 1 {
		t.Errorf("want their own label alone, got %d and %d", said, history)
	}
	if h, err := room.History(t.Context(), engineer, item.EventID); err != nil || len(h) != 2 {
		t.Errorf("an answer to gold is no label of the response: %+v %v", h, err)
	}
}

// Half of what a labeler is served was unanimous and half decided by a reviewer,
// a third of it each label.
func TestGoldIsServedInThirdsAndHalves(t *testing.T) {
	room := newGoldRoom(t, 8, 4)
	if _, err := room.DB.Exec(t.Context(), `UPDATE gold SET basis = 'adjudicated' WHERE id % 8 IN (0, 1)`); err != nil {
		t.Fatal(err)
	}
	room.Draw = harmOnly
	served := map[string]int{}
	for range 12 {
		r := held(t, room.Store, room.queue, 1)
		if room.gold[r.ItemID] == "" {
			t.Fatal("want gold")
		}
		var basis string
		if err := room.DB.QueryRow(t.Context(), `SELECT basis FROM gold WHERE item_id = $1`, r.ItemID).Scan(&basis); err != nil {
			t.Fatal(err)
		}
		served[room.gold[r.ItemID]]++
		served[basis]++
		submit(t, room.Store, 1, r, Answer{Label: "correct"})
	}
	if want := map[string]int{"correct": 4, "partially_correct": 4, "hallucinated": 4, "unanimous": 6, "adjudicated": 6}; !maps.Equal(want, served) {
		t.Errorf("want %v, got %v", want, served)
	}
}
