package labeling

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/auth/keys"
	"assay/internal/auth/people"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
)

// What a statement of anybody's could do to let one labeler more hold an item
// than it wants: each is refused, and nothing has changed.
func TestNoStatementMakesRoomForOneLabelerMore(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	items := put(t, s, queue, seed{u: .1}, seed{u: .2})
	first, second := held(t, s, queue, 1), held(t, s, queue, 2)
	third, err := s.LabelerOf(t.Context(), person(3))
	if err != nil {
		t.Fatal(err)
	}
	lost := held2(t, s, queue, 4)
	if lost != nil {
		t.Fatal("nothing is free for a third labeler")
	}
	for what, statement := range map[string]string{
		"a hold more":                  fmt.Sprintf(`INSERT INTO reservations (item_id, queue_id, labeler_id, lease_until) VALUES (%d, %d, %d, now() + interval '1 hour')`, items[0], queue.ID, third),
		"a hold moved to another item": fmt.Sprintf(`UPDATE reservations SET item_id = %d WHERE id = %d`, items[0], second.ID),
		"a hold handed on":             fmt.Sprintf(`UPDATE reservations SET labeler_id = %d WHERE id = %d`, third, first.ID),
		"a token chosen":               fmt.Sprintf(`UPDATE reservations SET token = gen_random_uuid() WHERE id = %d`, first.ID),
		"a hold that counts no more":   fmt.Sprintf(`UPDATE reservations SET purpose = 'gold' WHERE id = %d`, first.ID),
		"a place made up":              fmt.Sprintf(`UPDATE items SET taken = 0 WHERE id = %d`, items[0]),
		"fewer wanted than taken":      fmt.Sprintf(`UPDATE items SET wanted = 0 WHERE id = %d`, items[0]),
		"a hold forgotten":             fmt.Sprintf(`DELETE FROM reservations WHERE id = %d`, first.ID),
		"all forgotten":                `TRUNCATE reservations CASCADE`,
	} {
		err := postgres.InTx(t.Context(), s.DB, func(tx pgx.Tx) error { _, err := tx.Exec(t.Context(), statement); return err })
		if err == nil {
			t.Errorf("%s: the database let it pass", what)
		}
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE taken = 1`); n != 2 {
		t.Errorf("want both items taken once, got %d", n)
	}
}

// held2 reserves for a labeler where there may be nothing.
func held2(t *testing.T, s *Store, queue Queue, who int64) *Reservation {
	t.Helper()
	r, err := s.Reserve(t.Context(), person(who), queue.Slug)
	if errors.Is(err, ErrNothingFree) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return &r
}

// Thirty connections insert, revive and end holds of three items by hand, past
// everything the program asks. At no moment is one of them held by more than
// it wants.
func TestManyConnectionsByHandShareNothing(t *testing.T) {
	pool := postgrestest.Database(t)
	s := storeOn(pool)
	queue := openQueue(t, s, "sql_query")
	items := put(t, s, queue, seed{u: .1}, seed{u: .2, wanted: 2}, seed{u: .3, wanted: 3})
	labelers := make([]int64, 30)
	for i := range labelers {
		id, err := s.LabelerOf(t.Context(), person(int64(i+1)))
		if err != nil {
			t.Fatal(err)
		}
		labelers[i] = id
	}
	var all sync.WaitGroup
	over := make(chan string, 1000)
	for n, labeler := range labelers {
		all.Go(func() {
			for round := range 8 {
				item := items[(n+round)%len(items)]
				_, err := pool.Exec(t.Context(), `
					INSERT INTO reservations (item_id, queue_id, labeler_id, lease_until) VALUES ($1, $2, $3, clock_timestamp() + interval '1 hour')`, item, queue.ID, labeler)
				if err != nil && !postgres.Violates(err, "items_never_taken_too_often") && !postgres.Violates(err, "reservations_one_per_labeler") {
					over <- err.Error()
				}
				// Ended and taken up again, as a program with a defect might.
				pool.Exec(t.Context(), `UPDATE reservations SET state = 'expired', ended_at = now() WHERE labeler_id = $1 AND state = 'held'`, labeler)
				pool.Exec(t.Context(), `UPDATE reservations SET state = 'held', ended_at = NULL WHERE id = (SELECT max(id) FROM reservations WHERE labeler_id = $1 AND item_id = $2)`, labeler, item)
				var shared int
				err = pool.QueryRow(t.Context(), `
					SELECT count(*) FROM (
						SELECT FROM items i JOIN reservations r ON r.item_id = i.id AND r.state IN ('held', 'labeled')
						GROUP BY i.id, i.wanted
						HAVING count(*) > i.wanted OR count(*) <> count(DISTINCT r.labeler_id)) AS shared`).Scan(&shared)
				if err != nil || shared > 0 {
					over <- fmt.Sprintf("%d items are held by too many, %v", shared, err)
				}
			}
		})
	}
	all.Wait()
	close(over)
	for complaint := range over {
		t.Fatal(complaint)
	}
	if n := count(t, pool, `
		SELECT count(*) FROM items i
		WHERE i.taken <> (SELECT count(*) FROM reservations r WHERE r.item_id = i.id AND r.state IN ('held', 'labeled'))`); n != 0 {
		t.Errorf("%d items miscount their places", n)
	}
}

func TestWhoeverMayLabelNoMoreGivesBackWhatTheyHold(t *testing.T) {
	pool := postgrestest.Database(t)
	s := storeOn(pool)
	register := &people.Register{DB: pool, Secret: make([]byte, 32)}
	ring := &keys.Ring{DB: pool}
	queue := openQueue(t, s, "sql_query")
	add := func(name string, roles ...auth.Role) auth.Actor {
		t.Helper()
		p, err := register.Add(t.Context(), auth.Product(), people.New{Email: name + "@example.org", Name: name, Roles: roles})
		if err != nil {
			t.Fatal(err)
		}
		return auth.Actor{Kind: auth.Person, ID: p.ID, Name: name, Roles: roles}
	}
	left, moved, promoted := add("left", auth.Labeler), add("moved", auth.Labeler), add("promoted", auth.Labeler)
	boss := add("boss", auth.Admin)
	key, text, err := ring.Create(t.Context(), auth.Product(), keys.New{Name: "script", Scopes: []auth.Scope{auth.ScopeLabeler}})
	if err != nil {
		t.Fatal(err)
	}
	program, err := ring.Check(t.Context(), "Bearer "+text)
	if err != nil {
		t.Fatal(err)
	}
	items := put(t, s, queue, seed{u: .1}, seed{u: .2}, seed{u: .3}, seed{u: .4}, seed{u: .5})
	holds := map[string]Reservation{}
	for _, who := range []auth.Actor{left, moved, promoted, program} {
		r, err := s.Reserve(t.Context(), who, queue.Slug)
		if err != nil {
			t.Fatal(err)
		}
		holds[who.Name] = r
	}
	applied(t, s, selected(t, s, queue, SelectionFilter{Items: items[4:]}), "assign", fmt.Sprint(left.ID))

	if err := register.Disable(t.Context(), boss, left.ID); err != nil {
		t.Fatal(err)
	}
	if err := register.SetRoles(t.Context(), boss, moved.ID, []auth.Role{auth.Engineer}); err != nil {
		t.Fatal(err)
	}
	if err := register.SetRoles(t.Context(), boss, promoted.ID, []auth.Role{auth.Reviewer}); err != nil {
		t.Fatal(err)
	}
	if err := ring.Revoke(t.Context(), auth.Product(), key.PublicID); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		who  auth.Actor
		want string
	}{{left, "released account disabled"}, {moved, "released role ended"}, {promoted, "held "}, {program, "released key revoked"}} {
		var got string
		if err := pool.QueryRow(t.Context(), `SELECT state || ' ' || reason FROM reservations WHERE token = $1`, holds[c.who.Name].Token).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%s: want %q, got %q", c.who.Name, c.want, got)
		}
	}
	var free []int64
	for who := int64(1001); ; who++ {
		r := held2(t, s, queue, who)
		if r == nil {
			break
		}
		free = append(free, r.ItemID)
	}
	if len(free) != 4 {
		t.Errorf("three holds and what was given to who left are anybody's at once, got %v of %v", free, items)
	}
	// What was on its way when the account was shut is refused, and kept.
	r := holds[left.Name]
	if _, err := s.Submit(t.Context(), left, r.ItemID, r.Token, "late", Answer{Label: "correct", Note: "my last word"}); fault.Of(err) != fault.Conflict {
		t.Errorf("want a conflict, got %v", err)
	}
	if d, err := s.Draft(t.Context(), left, r.ItemID); err != nil || d.Answer.Note != "my last word" {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestSkillsThatChangeLeaveWhatIsHeldAndChooseWhatIsNext(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "summarization")
	items := put(t, s, queue, seed{u: .1}, seed{u: .2}, seed{u: .3})
	speak(t, s, "fi", items[0], items[1])
	speak(t, s, "en", items[2])
	who := enroll(t, s.DB, "Reader", 0)
	reserve := func() Reservation {
		t.Helper()
		r, err := s.Reserve(t.Context(), who, queue.Slug)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	later := reserve()
	if err := s.Later(t.Context(), who, later.ItemID, later.Token); err != nil {
		t.Fatal(err)
	}
	r := reserve()
	skills(t, s, who, nil, []string{"en"})
	if _, err := s.Renew(t.Context(), who, r.ItemID, r.Token); err != nil {
		t.Errorf("what is held is renewed: %v", err)
	}
	if _, err := s.Submit(t.Context(), who, r.ItemID, r.Token, "k", Answer{Label: "correct"}); err != nil {
		t.Errorf("and may be finished: %v", err)
	}
	if next := reserve(); next.ItemID != items[2] {
		t.Errorf("want the English item %d next, got %d", items[2], next.ItemID)
	} else if err := s.Skip(t.Context(), who, next.ItemID, next.Token, "other"); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Reserve(t.Context(), who, queue.Slug); !errors.Is(err, ErrNothingFree) {
		t.Errorf("nor does what was put off come back in a language they do not read: item %d, %v", r.ItemID, err)
	}
}

// Put off again, an item goes to the end again: the others that were put off
// come before it.
func TestLaterIsTheEndOfOnesOwnQueue(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	items := put(t, s, queue, seed{class: Safety, u: .1}, seed{u: .2}, seed{u: .3})
	var order []int64
	for range 7 {
		r := held(t, s, queue, 1)
		order = append(order, r.ItemID)
		if err := s.Later(t.Context(), person(1), r.ItemID, r.Token); err != nil {
			t.Fatal(err)
		}
	}
	for i, id := range order {
		if id != items[i%3] {
			t.Fatalf("want %v over and over, got %v", items, order)
		}
	}
	if r := held(t, s, queue, 2); r.ItemID != items[0] {
		t.Errorf("for everybody else it keeps its place: want item %d, got %d", items[0], r.ItemID)
	}
}

// Whoever has decided between two labels, or read them, is no third labeler.
func TestWhoKnowsWhatOthersSaidIsNotAskedForAReading(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	item := put(t, s, queue, seed{u: .1, wanted: 2})[0]
	submit(t, s, 1, held(t, s, queue, 1), Answer{Label: "correct"})
	submit(t, s, 2, held(t, s, queue, 2), Answer{Label: "hallucinated"})
	reviewer, other := person(3, auth.Reviewer), person(4, auth.Reviewer)
	if _, err := s.Disagreement(t.Context(), reviewer, item); err != nil {
		t.Fatal(err)
	}
	if err := s.AskAnother(t.Context(), reviewer, item); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Reserve(t.Context(), reviewer, queue.Slug); !errors.Is(err, ErrNothingFree) {
		t.Errorf("who has read both labels was given item %d, %v", r.ItemID, err)
	}
	c, err := s.Counts(t.Context(), reviewer, queue)
	if err != nil || c.Free != 0 || c.Another != 1 {
		t.Errorf("for them it waits for another labeler, got %+v, %v", c, err)
	}
	if r, err := s.Reserve(t.Context(), other, queue.Slug); err != nil || r.ItemID != item {
		t.Errorf("another reviewer reads it blind, got %d, %v", r.ItemID, err)
	}
}

// Every way back to an item is tried for whoever has labeled it.
func TestNeverTheSameLabelerTwice(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	item := put(t, s, queue, seed{u: .1, wanted: 9})[0]
	submit(t, s, 1, held(t, s, queue, 1), Answer{Label: "correct"})
	for name, change := range map[string]string{
		"put first":           `UPDATE items SET lifted = 1`,
		"put last":            `UPDATE items SET lifted = -1`,
		"given to them":       `UPDATE items SET assigned_to = (SELECT labeler_id FROM labels LIMIT 1)`,
		"wanted twice over":   `UPDATE items SET wanted = 20`,
		"passed over":         `UPDATE items SET passed_over = 3`,
		"due a second time":   `UPDATE consensus SET second_due = true`,
		"given by the wheel":  `UPDATE queues SET gold_share = 0.5`,
		"wanted by measuring": `UPDATE queues SET measurement_share = 1`,
	} {
		if _, err := s.DB.Exec(t.Context(), change); err != nil {
			t.Fatal(name, err)
		}
		for _, draw := range []float64{0, .05, .2, .99} {
			s.Draw = func() float64 { return draw }
			if r, err := s.Reserve(t.Context(), person(1), queue.Slug); !errors.Is(err, ErrNothingFree) {
				t.Errorf("%s, draw %v: item %d came back, %v", name, draw, r.ItemID, err)
			}
			if _, r, err := s.Start(t.Context(), person(1)); !errors.Is(err, ErrNothingFree) {
				t.Errorf("%s, Start: item %d came back, %v", name, r.ItemID, err)
			}
		}
	}
	if _, err := s.ReserveBeyond(t.Context(), person(1), item); fault.Of(err) != fault.NotFound {
		t.Errorf("beyond its places, without a draft that was refused: want not found, got %v", err)
	}
	if _, err := s.ReserveItem(t.Context(), person(1), item); fault.Of(err) != fault.Conflict {
		t.Errorf("by its address: want a conflict, got %v", err)
	}
}

// The same key with another answer is no repeat: it is refused and kept.
func TestTheSameKeyWithAnotherAnswerIsRefused(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: .1})
	r := held(t, s, queue, 1)
	answer := Answer{Label: "hallucinated", Reasons: []string{"wrong_result"}, Spans: []Span{{14, 31}, {0, 13}}, Note: "n", Correction: "c", Confidence: "low"}
	give := func(a Answer) (Label, error) {
		return s.Submit(t.Context(), person(1), r.ItemID, r.Token, "key", a)
	}
	first, err := give(answer)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := give(answer); err != nil || again.ID != first.ID {
		t.Errorf("the same again: want label %d, got %d, %v", first.ID, again.ID, err)
	}
	for what, changed := range map[string]func(*Answer){
		"label":      func(a *Answer) { a.Label, a.Spans, a.Reasons = "correct", nil, nil },
		"reasons":    func(a *Answer) { a.Reasons = []string{"other"} },
		"spans":      func(a *Answer) { a.Spans = a.Spans[:1] },
		"note":       func(a *Answer) { a.Note = "second thought" },
		"correction": func(a *Answer) { a.Correction = "" },
		"confidence": func(a *Answer) { a.Confidence = "high" },
	} {
		other := answer
		changed(&other)
		if _, err := give(other); fault.Of(err) != fault.Conflict || fault.Words(err) == "" {
			t.Errorf("another %s: want a conflict in words, got %v", what, err)
		}
		if d, err := s.Draft(t.Context(), person(1), r.ItemID); err != nil || d.Answer.Note != other.Note || d.Answer.Label != other.Label {
			t.Errorf("another %s is kept as a draft, got %+v, %v", what, d, err)
		}
	}
	if n := count(t, s.DB, `SELECT count(*) FROM labels`); n != 1 {
		t.Errorf("want 1 label, got %d", n)
	}
}

// Whose clock: the store's. A program whose own clock is hours off neither
// loses a lease nor keeps one.
func TestALeaseIsJudgedByTheDatabasesClock(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: .1}, seed{u: .2})
	r := held(t, s, queue, 1)
	var ahead bool
	err := s.DB.QueryRow(t.Context(), `SELECT lease_until BETWEEN clock_timestamp() + interval '14 minutes' AND clock_timestamp() + interval '15 minutes' FROM reservations WHERE id = $1`, r.ID).Scan(&ahead)
	if err != nil || !ahead {
		t.Errorf("the lease ends 15 minutes from the database's now: %v, %v", ahead, err)
	}
	// The transaction began long ago by its own now(): a lease that ended since
	// has ended.
	if _, err := s.DB.Exec(t.Context(), `UPDATE reservations SET lease_until = clock_timestamp() WHERE id = $1`, r.ID); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Millisecond)
	if _, err := s.Submit(t.Context(), person(1), r.ItemID, r.Token, uuid.NewString(), Answer{Label: "correct"}); fault.Of(err) != fault.Conflict {
		t.Errorf("a label after the lease: want a conflict, got %v", err)
	}
	if _, err := s.Renew(t.Context(), person(1), r.ItemID, r.Token); fault.Of(err) != fault.Conflict {
		t.Errorf("a renewal after the lease: want a conflict, got %v", err)
	}
	if _, err := s.Present(t.Context(), person(1), r.ItemID); fault.Of(err) != fault.Conflict {
		t.Errorf("presence after the lease: want a conflict, got %v", err)
	}
}
