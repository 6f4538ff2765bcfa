package labeling

import (
	"reflect"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgrestest"
)

func deskOf(t *testing.T, s *Store, who, item int64, ask DeskAsk) Desk {
	t.Helper()
	desk, err := s.Desk(t.Context(), person(who), item, ask)
	if err != nil {
		t.Fatal(err)
	}
	return desk
}

func TestADeskHoldsWhatThePageSays(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: 0.1}, seed{u: 0.2}, seed{u: 0.3}, seed{u: 0.4})
	first := held(t, s, queue, 1)
	submit(t, s, 1, first, Answer{Label: "correct"})
	second := held(t, s, queue, 1)
	if err := s.Later(t.Context(), person(1), second.ItemID, second.Token); err != nil {
		t.Fatal(err)
	}
	third := held(t, s, queue, 1)
	if err := s.SaveDraft(t.Context(), person(1), third.ItemID, "1-a", time.Now(), Answer{Note: "half a sen"}); err != nil {
		t.Fatal(err)
	}

	desk := deskOf(t, s, 1, third.ItemID, DeskAsk{After: first.ItemID, Midnight: frameDay(time.Now())})
	alone, err := s.Item(t.Context(), person(1), third.ItemID)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(alone, desk.Item) {
		t.Errorf("the item is the same alone and with its surroundings:\n%+v\n%+v", alone, desk.Item)
	}
	if desk.Item.Reservation == nil || desk.Item.Reservation.Token != third.Token || desk.Item.Number != 3 || desk.Item.Draft == nil ||
		desk.Item.Draft.Answer.Note != "half a sen" || desk.Item.Guide.TaskClass != "sql_query" || desk.Item.Queue.ID != queue.ID {
		t.Errorf("reservation, number, draft, guide and queue: %+v", desk.Item)
	}
	if desk.Before == nil || desk.Before.Number != 1 || desk.Before.Label != "correct" {
		t.Errorf("the label before: %+v", desk.Before)
	}
	ids := func(list []Brief) (ids []int64) {
		for _, b := range list {
			ids = append(ids, b.ID)
		}
		return ids
	}
	rail := [][]int64{ids(desk.Rail.Labeled), ids(desk.Rail.Yours), ids(desk.Rail.Later)}
	if want := [][]int64{{first.ItemID}, {third.ItemID}, {second.ItemID}}; !reflect.DeepEqual(want, rail) {
		t.Errorf("rail: want %v, got %v", want, rail)
	}
	if desk.Progress.Today.Labels != 1 {
		t.Errorf("today: want 1, got %d", desk.Progress.Today.Labels)
	}
	if _, err := s.Desk(t.Context(), person(2), third.ItemID, DeskAsk{}); fault.Of(err) != fault.NotFound {
		t.Errorf("who was never served the item: want not found, got %v", err)
	}
}

func TestAPageFetchedAheadIsNotOnAScreen(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: 0.1}, seed{u: 0.2})
	now := held(t, s, queue, 1)
	_, ahead, err := s.ReserveBeside(t.Context(), person(1), now.ItemID)
	if err != nil || ahead.ItemID == now.ItemID {
		t.Fatalf("want another item, got %+v, %v", ahead, err)
	}
	opened := func() int64 { return count(t, s.DB, `SELECT count(*) FROM reservations WHERE opened_at IS NOT NULL`) }
	deskOf(t, s, 1, ahead.ItemID, DeskAsk{Ahead: true})
	if n := opened(); n != 1 {
		t.Errorf("one of the two is on a screen, got %d", n)
	}
	deskOf(t, s, 1, ahead.ItemID, DeskAsk{})
	if n := opened(); n != 2 {
		t.Errorf("now both were, got %d", n)
	}
	if _, _, err := s.ReserveAfter(t.Context(), person(2), now.ItemID); fault.Of(err) != fault.NotFound {
		t.Errorf("who never had the item does not learn its queue: got %v", err)
	}
}

// The numbers beside the items are counted every few seconds; a label moves
// them at once, and an undo moves the day back.
func TestEachLabelMovesTheNumbersBesideIt(t *testing.T) {
	s := storeOn(postgrestest.Database(t))
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{class: Safety, u: 0.1}, seed{class: Safety, u: 0.2}, seed{class: Random, u: 0.3})
	midnight := frameDay(time.Now())
	numbers := func() [3]int64 {
		t.Helper()
		p, err := s.Moved(t.Context(), person(1), queue.ID, midnight)
		if err != nil {
			t.Fatal(err)
		}
		return [3]int64{p.Summary.Waiting[Safety], p.Summary.Done, int64(p.Today.Labels)}
	}
	expect := func(when string, want [3]int64) {
		t.Helper()
		if got := numbers(); want != got {
			t.Errorf("%s: waiting, done, today: want %v, got %v", when, want, got)
		}
	}
	r := held(t, s, queue, 1)
	expect("while the first is read", [3]int64{1, 0, 0})
	submit(t, s, 1, r, Answer{Label: "correct"})
	expect("after a label", [3]int64{0, 1, 1})
	if _, err := s.Undo(t.Context(), person(1), r.ItemID); err != nil {
		t.Fatal(err)
	}
	if got := numbers()[2]; got != 0 {
		t.Errorf("today after an undo: want 0, got %d", got)
	}
	day := s.dayOf(mustLabeler(t, s, 1))
	day.at = time.Time{}
	if got := numbers()[2]; got != 0 {
		t.Errorf("counted anew it is the same: want 0, got %d", got)
	}
}

func mustLabeler(t *testing.T, s *Store, who int64) int64 {
	t.Helper()
	id, err := s.LabelerOf(t.Context(), person(who))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestALabelChangedAfterReadingOthersSaysSo(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: 0.1, wanted: 2})
	mine := held(t, s, queue, 1)
	submit(t, s, 1, mine, Answer{Label: "correct"})
	change := func(to string) {
		t.Helper()
		again, err := s.Undo(t.Context(), person(1), mine.ItemID)
		if err != nil {
			t.Fatal(err)
		}
		submit(t, s, 1, again, Answer{Label: to})
	}
	read := func(who int64) {
		t.Helper()
		if _, err := s.Discussion(t.Context(), person(who, auth.Labeler), mine.ItemID); err != nil {
			t.Fatal(err)
		}
	}
	read(1) // there is nothing of others yet
	change("cannot_tell")
	submit(t, s, 2, held(t, s, queue, 2), Answer{Label: "partially_correct"})
	change("correct") // others have spoken, unread
	marked := `SELECT count(*) FROM labels WHERE provenance ? 'after_reading_others'`
	if n := count(t, s.DB, marked); n != 0 {
		t.Errorf("nobody has read anything of others: want 0 marked, got %d", n)
	}
	read(1)
	change("partially_correct")
	if n := count(t, s.DB, marked+` AND labeler_id = $1 AND label = 'partially_correct' AND revision = 7`, mustLabeler(t, s, 1)); n != 1 {
		t.Errorf("the change after reading says so: want 1, got %d", n)
	}
	if n := count(t, s.DB, marked); n != 1 {
		t.Errorf("and it alone: want 1, got %d", n)
	}
	found := false
	discussion, err := s.Discussion(t.Context(), person(2), mine.ItemID)
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range discussion.Said {
		found = found || said.AfterReading && said.Answer.Label == "partially_correct" && !said.Mine
	}
	if !found {
		t.Errorf("whoever reads the labels sees it: %+v", discussion.Said)
	}
}
