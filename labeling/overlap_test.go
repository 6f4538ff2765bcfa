package labeling

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
)

func TestWhoIsReadTwiceAndWithWhatProbability(t *testing.T) {
	sampled := reading{Sampled: true, Wanted: 1, HallucinatedAgain: true, Share: .1}
	with := func(change func(*reading)) reading {
		r := sampled
		change(&r)
		return r
	}
	for name, c := range map[string]struct {
		first string
		r     reading
		want  Overlap
		known bool
	}{
		"nobody said anything":               {"", sampled, Overlap{}, false},
		"an import":                          {"correct", reading{Wanted: 1, Share: .1, Drawn: true}, Overlap{}, false},
		"correct, not drawn":                 {"correct", sampled, Overlap{Probability: .1}, true},
		"correct, drawn":                     {"correct", with(func(r *reading) { r.Drawn = true }), Overlap{.1, true}, true},
		"hallucinated brings a gate down":    {"hallucinated", sampled, Overlap{1, true}, true},
		"hallucinated where no gate listens": {"hallucinated", with(func(r *reading) { r.HallucinatedAgain = false }), Overlap{Probability: .1}, true},
		"a queue that wants two of each":     {"correct", with(func(r *reading) { r.Wanted = 2 }), Overlap{1, true}, true},
		"a labeler on probation":             {"correct", with(func(r *reading) { r.Doubted = true }), Overlap{1, true}, true},
	} {
		got, known := overlapOf(c.first, c.r)
		if got != c.want || known != c.known {
			t.Errorf("%s: want %+v %t, got %+v %t", name, c.want, c.known, got, known)
		}
	}
}

// A first labeler has one of four items called hallucinated; the item that was
// drawn and the hallucinated one are read again, the others never.
func TestSecondReadingsAreStoredWithTheirProbability(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	ids := put(t, s, queue, seed{u: .1, model: "v1"}, seed{u: .2, model: "v1", wanted: 2}, seed{u: .3, model: "v1"}, seed{u: .4, model: "v1"})
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET overlap = .25, second_drawn = wanted > 1`); err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"hallucinated", "correct", "correct", "correct"} {
		submit(t, s, 1, held(t, s, queue, 1), Answer{Label: label})
	}
	cells, err := s.Sample(t.Context(), engineer, today())
	if err != nil || len(cells) != 1 || cells[0].Second != nil {
		t.Fatalf("nothing is read twice yet: %+v, %v", cells, err)
	}
	again := map[int64]bool{}
	for range 2 {
		r := held(t, s, queue, 2)
		again[r.ItemID] = true
		submit(t, s, 2, r, Answer{Label: "correct"})
	}
	if !again[ids[0]] || !again[ids[1]] {
		t.Fatalf("want items %v read again, got %v", ids[:2], again)
	}
	if _, err := s.Reserve(t.Context(), person(2), queue.Slug); err == nil {
		t.Error("the others are not to be read again")
	}
	if cells, err = s.Sample(t.Context(), engineer, today()); err != nil {
		t.Fatal(err)
	}
	want := []SecondReadings{
		{First: "correct", Probability: .25, Items: 1, Correct: 1},
		{First: "hallucinated", Probability: 1, Items: 1, Correct: .5, Hallucinated: .5},
	}
	if !reflect.DeepEqual(cells[0].Second, want) {
		t.Errorf("want %+v\n got %+v", want, cells[0].Second)
	}
	if cells[0].Labels != (Tally{Correct: 3, Hallucinated: 1}) {
		t.Errorf("first labels stay the first phase: %+v", cells[0].Labels)
	}
	reviewer := person(9, auth.Reviewer)
	if _, err := s.Adjudicate(t.Context(), reviewer, ids[0], "correct", "the column exists"); err != nil {
		t.Fatal(err)
	}
	if cells, err = s.Sample(t.Context(), engineer, today()); err != nil {
		t.Fatal(err)
	}
	if want[1].Correct, want[1].Hallucinated = 1, 0; !reflect.DeepEqual(cells[0].Second, want) {
		t.Errorf("decided: want %+v\n got %+v", want, cells[0].Second)
	}
}

// today is a window around the frame that put uses by default.
func today() SampleFilter {
	from := frameDay(time.Now())
	return SampleFilter{From: from, To: from.AddDate(0, 0, 1)}
}

func TestAnUndoneHallucinatedIsNoSecondPhase(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: .1, model: "v1"})
	r := held(t, s, queue, 1)
	submit(t, s, 1, r, Answer{Label: "hallucinated"})
	again, err := s.Undo(t.Context(), person(1), r.ItemID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Submit(t.Context(), person(1), again.ItemID, again.Token, uuid.NewString(), Answer{Label: "correct"}); err != nil {
		t.Fatal(err)
	}
	submit(t, s, 2, held(t, s, queue, 2), Answer{Label: "correct"})
	cells, err := s.Sample(t.Context(), engineer, today())
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != 1 || cells[0].Second != nil {
		t.Errorf("it was read again for another reason than the draw: %s", fmt.Sprint(cells))
	}
}

// Whoever changes a label because of the second reading does not change what
// was drawn: the item stays what one in ten stands for.
func TestALabelChangedAfterReadingTheSecondStaysTheFirstReading(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	items := put(t, s, queue, seed{u: .1, wanted: 2}, seed{u: .2, wanted: 2})
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET second_drawn = true, overlap = .1`); err != nil {
		t.Fatal(err)
	}
	again := func(item int64) {
		t.Helper()
		r, err := s.Undo(t.Context(), person(1), item)
		if err != nil {
			t.Fatal(err)
		}
		submit(t, s, 1, r, Answer{Label: "hallucinated"})
	}
	first := func(item int64) string {
		t.Helper()
		var text string
		err := s.DB.QueryRow(t.Context(), `SELECT first_reading || ' ' || second_probability || ' ' || label || ' ' || method FROM consensus WHERE item_id = $1`, item).Scan(&text)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for range items {
		submit(t, s, 1, held(t, s, queue, 1), Answer{Label: "correct"})
	}
	again(items[1]) // a slip, mended before anybody else has read the item
	if got := first(items[1]); got != "hallucinated 1 hallucinated single" {
		t.Errorf("a slip that was mended: %s", got)
	}
	for range items {
		submit(t, s, 2, held(t, s, queue, 2), Answer{Label: "hallucinated"})
	}
	if _, err := s.ItemHistory(t.Context(), person(1), items[0]); err != nil {
		t.Fatal(err)
	}
	again(items[0])
	if got := first(items[0]); got != "correct 0.1 hallucinated agreed" {
		t.Errorf("a label changed after reading the second: %s", got)
	}
}
