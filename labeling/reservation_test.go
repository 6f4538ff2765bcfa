package labeling

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

func TestReserveServesHarmFirst(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	ids := put(t, s, queue,
		seed{class: Random, day: day(3), u: 0.01},
		seed{class: Safety, day: day(2), u: 0.9},
		seed{class: Safety, day: day(3), u: 0.8},
		seed{class: Negative, day: day(3), u: 0.1},
		seed{class: Safety, day: day(3), u: 0.3},
	)
	want := []int64{ids[4], ids[2], ids[1], ids[3], ids[0]}
	for i, id := range want {
		r, err := s.Reserve(t.Context(), person(int64(i+1)), queue.Slug)
		if err != nil {
			t.Fatal(err)
		}
		if r.ItemID != id {
			t.Errorf("reservation %d: want item %d, got %d", i+1, id, r.ItemID)
		}
	}
	if _, err := s.Reserve(t.Context(), person(9), queue.Slug); !errors.Is(err, ErrNothingFree) {
		t.Errorf("want nothing free, got %v", err)
	}
}

func TestReserveServesTheMeasurementShareByTheIndex(t *testing.T) {
	s := tx(t)
	s.Draw = func() float64 { return 0.2 } // below the share of 25 %, above that of second readings
	queue := openQueue(t, s, "sql_query")
	seeds := []seed{{class: Safety, day: day(3), u: 0.1}}
	for range 50 {
		seeds = append(seeds, seed{class: Random, day: day(3), u: 0.5})
	}
	seeds[7].u = 0.05
	ids := put(t, s, queue, seeds...)
	r, err := s.Reserve(t.Context(), person(1), queue.Slug)
	if err != nil {
		t.Fatal(err)
	}
	if r.ItemID != ids[7] {
		t.Errorf("want the smallest u of the largest unknown class, item %d, got %d", ids[7], r.ItemID)
	}
	if queue.MeasurementShare != 0.25 {
		t.Errorf("a new queue gives a quarter to measurement, got %g", queue.MeasurementShare)
	}
	s.Draw = func() float64 { return 0.26 }
	if r, err = s.Reserve(t.Context(), person(2), queue.Slug); err != nil || r.ItemID != ids[0] {
		t.Errorf("beyond a quarter harm goes first: want item %d, got %d, %v", ids[0], r.ItemID, err)
	}
}

func TestWhatIsHeldIsServedAgain(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: 0.1}, seed{u: 0.2}, seed{u: 0.3})
	first, err := s.Reserve(t.Context(), person(1), queue.Slug)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Reserve(t.Context(), person(1), queue.Slug)
	if err != nil || again.Token != first.Token {
		t.Errorf("a second Start: want the same reservation, got %+v, %v", again, err)
	}
	if err := s.Opened(t.Context(), person(1), first.ItemID); err != nil {
		t.Fatal(err)
	}
	ahead, err := s.ReserveAhead(t.Context(), person(1), queue.Slug)
	if err != nil || ahead.ItemID == first.ItemID {
		t.Errorf("ahead: want another item than the open one, got %+v, %v", ahead, err)
	}
	repeat, err := s.ReserveAhead(t.Context(), person(1), queue.Slug)
	if err != nil || repeat.Token != ahead.Token {
		t.Errorf("ahead again: want %v, got %v, %v", ahead.Token, repeat.Token, err)
	}
	// The next is open, and the first one's label still on its way.
	if err := s.Opened(t.Context(), person(1), ahead.ItemID); err != nil {
		t.Fatal(err)
	}
	if third, err := s.ReserveAhead(t.Context(), person(1), queue.Slug); err != nil || third.ItemID == first.ItemID || third.ItemID == ahead.ItemID {
		t.Errorf("ahead of the next: want a third item, got %+v, %v", third, err)
	}
}

func TestTheDatabaseRefusesOneLabelerTooMany(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	item := put(t, s, queue, seed{u: 0.1, wanted: 2})[0]
	labelers := make([]int64, 3)
	for i := range labelers {
		id, err := s.LabelerOf(t.Context(), person(int64(i+1)))
		if err != nil {
			t.Fatal(err)
		}
		labelers[i] = id
	}
	force := func(labeler int64) error {
		return postgres.InTx(t.Context(), s.DB, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `
				INSERT INTO reservations (item_id, queue_id, labeler_id, lease_until)
				VALUES ($1, $2, $3, now() + interval '1 hour')`, item, queue.ID, labeler)
			return err
		})
	}
	for _, labeler := range labelers[:2] {
		if err := force(labeler); err != nil {
			t.Fatal(err)
		}
	}
	if err := force(labelers[2]); !postgres.Violates(err, "items_never_taken_too_often") {
		t.Errorf("a third labeler: want items_never_taken_too_often, got %v", err)
	}
	if err := force(labelers[0]); !postgres.Violates(err, "reservations_one_per_labeler") && !postgres.Violates(err, "items_never_taken_too_often") {
		t.Errorf("the same labeler: want a refusal, got %v", err)
	}
}

func TestTheDatabaseRefusesTheSameLabelerTwice(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	item := put(t, s, queue, seed{u: 0.1, wanted: 3})[0]
	r, err := s.Reserve(t.Context(), person(1), queue.Slug)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.DB.Exec(t.Context(), `
		INSERT INTO reservations (item_id, queue_id, labeler_id, lease_until)
		VALUES ($1, $2, $3, now() + interval '1 hour')`, item, queue.ID, r.LabelerID)
	if !postgres.Violates(err, "reservations_one_per_labeler") {
		t.Errorf("want reservations_one_per_labeler, got %v", err)
	}
}

func TestAReservationIsInTheQueueOfItsItem(t *testing.T) {
	for _, purpose := range []string{forCount, forGold} {
		s := tx(t)
		item := put(t, s, openQueue(t, s, "sql_query"), seed{u: 0.1})[0]
		other := openQueue(t, s, "formula_generation")
		labeler, err := s.LabelerOf(t.Context(), person(1))
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.DB.Exec(t.Context(), `
			INSERT INTO reservations (item_id, queue_id, labeler_id, lease_until, purpose)
			VALUES ($1, $2, $3, now() + interval '1 hour', $4)`, item, other.ID, labeler, purpose)
		if !postgres.Violates(err, "reservations_in_the_queue_of_its_item") {
			t.Errorf("for %s: want reservations_in_the_queue_of_its_item, got %v", purpose, err)
		}
	}
}

func TestNobodyLowersThePlacesThatAreTaken(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	item := put(t, s, queue, seed{u: 0.1, wanted: 2})[0]
	if _, err := s.Reserve(t.Context(), person(1), queue.Slug); err != nil {
		t.Fatal(err)
	}
	change := func(by int) error {
		return postgres.InTx(t.Context(), s.DB, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE items SET taken = taken + $2 WHERE id = $1`, item, by)
			return err
		})
	}
	if err := change(+1); err != nil { // as an import does
		t.Fatal(err)
	}
	if err := change(-1); !postgres.Violates(err, "items_places_stay") {
		t.Errorf("by hand, also of what an import took: want items_places_stay, got %v", err)
	}
}

func TestALeaseEndsByItself(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: 0.1})
	lost, err := s.Reserve(t.Context(), person(1), queue.Slug)
	if err != nil {
		t.Fatal(err)
	}
	lapse(t, s, lost)

	if _, err := s.Renew(t.Context(), person(1), lost.ItemID, lost.Token); fault.Of(err) != fault.Conflict {
		t.Errorf("renewing it: want a conflict, got %v", err)
	}
	taken, err := s.Reserve(t.Context(), person(2), queue.Slug)
	if err != nil || taken.ItemID != lost.ItemID {
		t.Fatalf("the next labeler: want item %d, got %+v, %v", lost.ItemID, taken, err)
	}
	if n, err := s.Expire(t.Context(), auth.Product()); err != nil || n != 0 {
		t.Errorf("nothing is left to expire, got %d, %v", n, err)
	}
}

// lapse ends a lease as time would.
func lapse(t testing.TB, s *Store, r Reservation) {
	t.Helper()
	if _, err := s.DB.Exec(t.Context(), `
		UPDATE reservations SET lease_until = clock_timestamp() - interval '1 second' WHERE id = $1`, r.ID); err != nil {
		t.Fatal(err)
	}
}

func TestRenewExtendsFromNow(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: 0.1})
	r, err := s.Reserve(t.Context(), person(1), queue.Slug)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.DB.Exec(t.Context(), `UPDATE reservations SET lease_until = clock_timestamp() + interval '5 seconds' WHERE id = $1`, r.ID); err != nil {
		t.Fatal(err)
	}
	renewed, err := s.Renew(t.Context(), person(1), r.ItemID, r.Token)
	if err != nil {
		t.Fatal(err)
	}
	if left := renewed.Left(time.Now()); left < 14*time.Minute || left > 16*time.Minute {
		t.Errorf("want about 15 minutes, got %v", left)
	}
	if _, err := s.Renew(t.Context(), person(2), r.ItemID, r.Token); fault.Of(err) != fault.NotFound {
		t.Errorf("somebody else's token: want not found, got %v", err)
	}
}

func TestSkipLaterAndRelease(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	ids := put(t, s, queue, seed{u: 0.1}, seed{u: 0.2}, seed{u: 0.3})
	reserve := func(who int64) Reservation {
		t.Helper()
		r, err := s.Reserve(t.Context(), person(who), queue.Slug)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}

	skipped := reserve(1)
	if err := s.Skip(t.Context(), person(1), skipped.ItemID, skipped.Token, "because"); fault.Of(err) != fault.Invalid {
		t.Errorf("a reason of one's own: want invalid, got %v", err)
	}
	if err := s.Skip(t.Context(), person(1), skipped.ItemID, skipped.Token, "language"); err != nil {
		t.Fatal(err)
	}
	if err := s.Skip(t.Context(), person(1), skipped.ItemID, skipped.Token, "language"); err != nil {
		t.Errorf("the second of two clicks is no error, got %v", err)
	}

	later := reserve(1)
	if later.ItemID != ids[1] {
		t.Fatalf("after a skip: want item %d, got %d", ids[1], later.ItemID)
	}
	if err := s.Later(t.Context(), person(1), later.ItemID, later.Token); err != nil {
		t.Fatal(err)
	}

	released := reserve(1)
	if released.ItemID != ids[2] {
		t.Fatalf("after later: want item %d, got %d", ids[2], released.ItemID)
	}
	if err := s.Release(t.Context(), person(1), released.ItemID, released.Token); err != nil {
		t.Fatal(err)
	}
	if again := reserve(1); again.ItemID != ids[2] {
		t.Errorf("what was released is free for all: want item %d, got %d", ids[2], again.ItemID)
	}
	if err := s.Opened(t.Context(), person(1), ids[2]); err != nil {
		t.Fatal(err)
	}
	if last, err := s.ReserveAhead(t.Context(), person(1), queue.Slug); err != nil || last.ItemID != ids[1] {
		t.Errorf("what was put off comes back at the end: want item %d, got %d", ids[1], last.ItemID)
	}
	if other := reserve(2); other.ItemID != ids[0] {
		t.Errorf("what was skipped is for others: want item %d, got %d", ids[0], other.ItemID)
	}
	if err := s.Release(t.Context(), person(1), released.ItemID, uuid.New()); fault.Of(err) != fault.NotFound {
		t.Errorf("an unknown token: want not found, got %v", err)
	}
}

func TestAnEmptyQueueExplainsItself(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: 0.1}, seed{u: 0.2, wanted: 2}, seed{u: 0.3}, seed{u: 0.4})
	hold := func(who int64) Reservation {
		t.Helper()
		r, err := s.Reserve(t.Context(), person(who), queue.Slug)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	label := func(who int64, r Reservation) {
		t.Helper()
		if _, err := s.Submit(t.Context(), person(who), r.ItemID, r.Token, uuid.NewString(), Answer{Label: "correct"}); err != nil {
			t.Fatal(err)
		}
	}
	label(1, hold(1))
	label(1, hold(1)) // wants a second labeler
	put3 := hold(1)
	if err := s.Later(t.Context(), person(1), put3.ItemID, put3.Token); err != nil {
		t.Fatal(err)
	}
	hold(2)

	got, err := s.Counts(t.Context(), person(1), queue)
	if err != nil {
		t.Fatal(err)
	}
	if got.NextFrees == nil || got.NextFrees.Sub(got.DatabaseAt) > 16*time.Minute {
		t.Errorf("next frees: want within 15 minutes, got %v", got.NextFrees)
	}
	got.NextFrees, got.DatabaseAt = nil, time.Time{}
	if want := (Counts{Free: 0, Reserved: 1, Another: 1, PutOff: 1, Done: 1}); got != want {
		t.Errorf("want %+v, got %+v", want, got)
	}
}

func TestOnlyLabelersReserve(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	item := put(t, s, queue, seed{u: 0.1})[0]
	if _, err := s.Reserve(t.Context(), engineer, queue.Slug); fault.Of(err) != fault.Denied {
		t.Errorf("an engineer: want denied, got %v", err)
	}
	if _, err := s.ReserveItem(t.Context(), person(5), item); fault.Of(err) != fault.NotFound {
		t.Errorf("an item never served to them: want not found, got %v", err)
	}
}
