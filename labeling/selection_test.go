package labeling

import (
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
)

// staff adds a person who labels and returns them as an actor.
func staff(t *testing.T, db postgres.DB, name string) auth.Actor {
	t.Helper()
	id := count(t, db, `INSERT INTO people (email, name) VALUES (lower($1) || '@example.org', $1) RETURNING id`, name)
	if _, err := db.Exec(t.Context(), `INSERT INTO person_roles (person_id, role) VALUES ($1, 'labeler')`, id); err != nil {
		t.Fatal(err)
	}
	return person(id)
}

func selected(t *testing.T, s *Store, queue Queue, f SelectionFilter) Selection {
	t.Helper()
	selection, err := s.Select(t.Context(), engineer, queue, f)
	if err != nil {
		t.Fatal(err)
	}
	return selection
}

func applied(t *testing.T, s *Store, selection Selection, act, target string) Selection {
	t.Helper()
	selection, err := s.Apply(t.Context(), engineer, selection.ID, act, target)
	if err != nil {
		t.Fatal(err)
	}
	return selection
}

func TestASelectionIsFrozenAndLeavesAloneWhatSomebodyHolds(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	ids := put(t, s, queue, seed{u: 0.1}, seed{u: 0.2}, seed{u: 0.3})
	selection := selected(t, s, queue, SelectionFilter{Class: "random"})
	put(t, s, queue, seed{u: 0.05}) // comes later and is not in it
	if selection.Count != 3 || selection.Ready != 3 {
		t.Errorf("want exactly 3, got %+v", selection)
	}
	if _, err := s.ReserveItem(t.Context(), person(1), ids[0]); fault.Of(err) != fault.NotFound {
		t.Fatal(err)
	}
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET lifted = 1 WHERE id = $1`, ids[0]); err != nil {
		t.Fatal(err)
	}
	held := held(t, s, queue, 1)
	if held.ItemID != ids[0] {
		t.Fatalf("what was put first is served first, got %d", held.ItemID)
	}
	done := applied(t, s, selection, "remove", "")
	if done.Changed != 2 {
		t.Errorf("what somebody holds is left alone: want 2 changed, got %d", done.Changed)
	}
	if again := applied(t, s, selection, "remove", ""); again.Changed != 2 {
		t.Errorf("the second click changes nothing, got %d", again.Changed)
	}
	if _, err := s.Apply(t.Context(), engineer, selection.ID, "first", ""); fault.Of(err) != fault.Conflict {
		t.Errorf("a selection is acted on once, got %v", err)
	}
	undone, err := s.UndoSelection(t.Context(), engineer, selection.ID)
	if err != nil || undone.Undone != 2 {
		t.Errorf("want 2 undone, got %d, %v", undone.Undone, err)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE removed_at IS NULL`); n != 4 {
		t.Errorf("all 4 are there again, got %d", n)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM audit_entries WHERE action IN ('items.remove', 'items.undo')`); n != 2 {
		t.Errorf("the act and its undo have their entries, got %d", n)
	}
	if _, err := s.Selection(t.Context(), auth.Actor{Kind: auth.Person, ID: 7, Roles: []auth.Role{auth.Engineer}}, selection.ID); fault.Of(err) != fault.NotFound {
		t.Errorf("another's selection is not found, got %v", err)
	}
}

func undone(t *testing.T, s *Store, selection Selection) Selection {
	t.Helper()
	selection, err := s.UndoSelection(t.Context(), engineer, selection.ID)
	if err != nil {
		t.Fatal(err)
	}
	return selection
}

func TestUndoTakesBackItsOwnActAndNothingThatCameAfter(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	ids := put(t, s, queue, seed{u: 0.1}, seed{u: 0.2}, seed{u: 0.3})
	ada := staff(t, s.DB, "Ada")
	all := SelectionFilter{Items: ids}
	early := selected(t, s, queue, all) // made before anything, acted on last
	first := applied(t, s, selected(t, s, queue, all), "first", "")
	assigned := applied(t, s, selected(t, s, queue, SelectionFilter{Items: ids[:1]}), "assign", strconv.FormatInt(ada.ID, 10))

	removed := applied(t, s, early, "remove", "")
	if back := undone(t, s, removed); back.Undone != 3 {
		t.Errorf("want 3 back, got %+v", back)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE lifted = 1`); n != 3 {
		t.Errorf("what was put first stays first through a removal and its undo: want 3, got %d", n)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE assigned_to IS NOT NULL`); n != 1 {
		t.Errorf("and assigned what was assigned: want 1, got %d", n)
	}

	last := applied(t, s, selected(t, s, queue, SelectionFilter{Items: ids[:2]}), "last", "")
	if back := undone(t, s, first); back.Undone != 1 {
		t.Errorf("two were put last since; undo of the act before takes back one, got %+v", back)
	}
	if again := undone(t, s, first); again.Undone != 1 {
		t.Errorf("undone twice is undone once, got %+v", again)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE lifted = -1`); n != 2 {
		t.Errorf("the later act stands: want 2 last, got %d", n)
	}
	if back := undone(t, s, last); back.Undone != 2 || count(t, s.DB, `SELECT count(*) FROM items WHERE lifted = 1`) != 2 {
		t.Errorf("its own undo brings back what it found, got %+v", back)
	}

	// Somebody labels one of the assigned, then the assignment is taken back.
	r, err := s.Reserve(t.Context(), ada, queue.Slug)
	if err != nil || r.ItemID != ids[0] {
		t.Fatal(r, err)
	}
	if back := undone(t, s, assigned); back.Undone != 0 {
		t.Errorf("what somebody holds is left alone, got %+v", back)
	}
	if _, err := s.Submit(t.Context(), ada, r.ItemID, r.Token, uuid.NewString(), Answer{Label: "correct"}); err != nil {
		t.Errorf("and their label counts: %v", err)
	}
}

func TestManyActsAndManyLabelersMeet(t *testing.T) {
	s := storeOn(postgrestest.Database(t))
	queue := openQueue(t, s, "sql_query")
	seeds := make([]seed, 400)
	for i := range seeds {
		seeds[i] = seed{u: float64(i+1) / 1000, class: Classes[i%4]}
	}
	ids := put(t, s, queue, seeds...)
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET overlap = 0, second_drawn = false`); err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	labels, stopped := make([]int, 8), make(chan struct{})
	for i := range labels {
		work.Go(func() {
			me := person(int64(i + 1))
			for {
				select {
				case <-stopped:
					return
				default:
				}
				r, err := s.Reserve(t.Context(), me, queue.Slug)
				if err == ErrNothingFree {
					continue
				}
				if err == nil {
					_, err = s.Submit(t.Context(), me, r.ItemID, r.Token, uuid.NewString(), Answer{Label: "correct"})
				}
				if err != nil {
					t.Errorf("labeler %d: %v", i, err)
					return
				}
				labels[i]++
			}
		})
	}
	var acts sync.WaitGroup
	for _, name := range []string{"remove", "first", "last"} {
		acts.Go(func() {
			for range 6 {
				selection, err := s.Select(t.Context(), engineer, queue, SelectionFilter{Items: ids})
				if fault.Of(err) == fault.Invalid {
					return // all are done or removed
				}
				if err == nil {
					_, err = s.Apply(t.Context(), engineer, selection.ID, name, "")
				}
				if err == nil {
					_, err = s.UndoSelection(t.Context(), engineer, selection.ID)
				}
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	acts.Wait()
	close(stopped)
	work.Wait()
	all := 0
	for _, n := range labels {
		all += n
	}
	for _, c := range []struct {
		what, sql string
		want      int64
	}{
		{"every label that was given is there", `SELECT count(*) FROM labels`, int64(all)},
		{"each of another item", `SELECT count(DISTINCT item_id) FROM labels`, int64(all)},
		{"whatever was removed is back", `SELECT count(*) FROM items WHERE removed_at IS NULL`, 400},
		{"nothing is held", `SELECT count(*) FROM items WHERE taken <> labeled`, 0},
	} {
		if got := count(t, s.DB, c.sql); got != c.want {
			t.Errorf("%s: want %d, got %d", c.what, c.want, got)
		}
	}
}

func TestASelectionIsExactUpToItsBound(t *testing.T) {
	if !*full {
		defer func(bound int) { maxSelected = bound }(maxSelected)
		maxSelected = 2000
	}
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: 0.1})
	_, err := s.DB.Exec(t.Context(), `
		INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, event_time, frame_day, priority_class, design, salt_id, u, rule_id, wanted, title, flags, reasons)
		SELECT queue_id, gen_random_uuid(), 's', task_class, '', event_time, frame_day, 'implicit', design, salt_id, n / 200000.0, rule_id, 1, '', '[]', '{}'
		FROM items, generate_series(1, $1) AS n`, maxSelected)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Select(t.Context(), engineer, queue, SelectionFilter{}); fault.Of(err) != fault.Invalid {
		t.Errorf("one item too many is said, not left out in silence: %v", err)
	}
	selection := selected(t, s, queue, SelectionFilter{Class: "implicit"})
	if selection.Count != maxSelected || selection.Ready != maxSelected {
		t.Errorf("want exactly %d, got %+v", maxSelected, selection)
	}
	if done := applied(t, s, selection, "first", ""); done.Changed != maxSelected {
		t.Errorf("want all changed, got %+v", done)
	}
	if back := undone(t, s, selection); back.Undone != maxSelected {
		t.Errorf("and all taken back, got %+v", back)
	}
}

func TestAssignedItemsAreServedToTheirLabelerAlone(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	ids := put(t, s, queue, seed{u: 0.1}, seed{u: 0.2})
	ada := staff(t, s.DB, "Ada")
	selection := selected(t, s, queue, SelectionFilter{Items: ids[:1]})
	applied(t, s, selection, "assign", strconv.FormatInt(ada.ID, 10))
	r, err := s.Reserve(t.Context(), person(9_000_001), queue.Slug)
	if err != nil || r.ItemID != ids[1] {
		t.Fatalf("another gets the next one, got %d, %v", r.ItemID, err)
	}
	if _, err := s.Reserve(t.Context(), person(9_000_002), queue.Slug); err != ErrNothingFree {
		t.Errorf("and then nothing, got %v", err)
	}
	if c, err := s.Counts(t.Context(), person(9_000_002), queue); err != nil || c.Free != 0 {
		t.Errorf("nor is it counted as free for them, got %+v, %v", c, err)
	}
	mine, err := s.Reserve(t.Context(), ada, queue.Slug)
	if err != nil || mine.ItemID != ids[0] {
		t.Errorf("who it is assigned to gets it, got %d, %v", mine.ItemID, err)
	}
	if err := s.Later(t.Context(), ada, mine.ItemID, mine.Token); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reserve(t.Context(), person(9_000_002), queue.Slug); err != ErrNothingFree {
		t.Errorf("what they put off stays theirs, got %v", err)
	}
	if _, err := s.Apply(t.Context(), engineer, selected(t, s, queue, SelectionFilter{Items: ids[:1]}).ID, "assign", "0"); fault.Of(err) != fault.Invalid {
		t.Errorf("nobody of that number labels, got %v", err)
	}
}

func TestWhatIsPutLastIsServedLastAndBendsNoThreshold(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	ids := put(t, s, queue, seed{u: 0.1, day: day(3)}, seed{u: 0.2, day: day(3)}, seed{u: 0.3, day: day(3)})
	applied(t, s, selected(t, s, queue, SelectionFilter{Items: ids[:1]}), "last", "")
	var order []int64
	for range 2 {
		r := held(t, s, queue, 1)
		order = append(order, r.ItemID)
		if _, err := s.Submit(t.Context(), person(1), r.ItemID, r.Token, uuid.NewString(), Answer{Label: "correct"}); err != nil {
			t.Fatal(err)
		}
	}
	cells, err := s.Sample(t.Context(), auth.Product(), SampleFilter{From: day(3), To: day(4)})
	if err != nil {
		t.Fatal(err)
	}
	sampled := int64(0)
	for _, c := range cells {
		sampled += c.Sampled
	}
	if sampled != 0 {
		t.Errorf("labels beyond what was put last are surplus until it is labeled, got %d in the sample", sampled)
	}
	if last := held(t, s, queue, 1); !slices.Equal(append(order, last.ItemID), []int64{ids[1], ids[2], ids[0]}) {
		t.Errorf("served %v, then %d", order, last.ItemID)
	}
}

func TestItemsMoveToADiscoveryQueueAndBack(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	ids := put(t, s, queue, seed{u: 0.1}, seed{u: 0.2})
	to, err := s.OpenDiscovery(t.Context(), engineer, "sql_query", "Repairs", false)
	if err != nil {
		t.Fatal(err)
	}
	selection := applied(t, s, selected(t, s, queue, SelectionFilter{Items: ids}), "move", to.Slug)
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE queue_id = $1 AND design = 'discovery' AND removed_at IS NULL`, to.ID); n != 2 || selection.Changed != 2 {
		t.Errorf("want 2 moved, got %d and %+v", n, selection)
	}
	if r, err := s.Reserve(t.Context(), person(1), to.Slug); err != nil || r.QueueID != to.ID {
		t.Fatal(err)
	}
	undone, err := s.UndoSelection(t.Context(), engineer, selection.ID)
	if err != nil || undone.Undone != 1 {
		t.Errorf("what somebody has begun with stays where it is: want 1 undone, got %+v, %v", undone, err)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE event_id IN (SELECT event_id FROM items WHERE id = ANY($1)) AND removed_at IS NULL`, ids); n != 2 {
		t.Errorf("each response is in one queue, got %d", n)
	}
	if _, err := s.Apply(t.Context(), engineer, selected(t, s, to, SelectionFilter{}).ID, "move", queue.Slug); fault.Of(err) != fault.Invalid {
		t.Errorf("a queue that measures takes nothing by hand, got %v", err)
	}
}

func TestRequeueAsksForOneMoreLabel(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	ids := put(t, s, queue, seed{u: 0.1})
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET second_drawn = false, overlap = 0`); err != nil {
		t.Fatal(err)
	}
	r := held(t, s, queue, 1)
	if _, err := s.Submit(t.Context(), person(1), r.ItemID, r.Token, uuid.NewString(), Answer{Label: "correct"}); err != nil {
		t.Fatal(err)
	}
	selection := applied(t, s, selected(t, s, queue, SelectionFilter{State: "done"}), "requeue", "")
	if selection.Changed != 1 {
		t.Fatalf("got %+v", selection)
	}
	if _, err := s.Reserve(t.Context(), person(1), queue.Slug); err != ErrNothingFree {
		t.Errorf("never the same labeler twice, got %v", err)
	}
	undone, err := s.UndoSelection(t.Context(), engineer, selection.ID)
	if err != nil || undone.Undone != 1 {
		t.Errorf("got %+v, %v", undone, err)
	}
	if _, err := s.Reserve(t.Context(), person(2), queue.Slug); err != ErrNothingFree {
		t.Errorf("after undo nothing is wanted of item %d, got %v", ids[0], err)
	}
}
