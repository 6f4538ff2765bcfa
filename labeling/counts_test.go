package labeling

import (
	"fmt"
	"testing"
	"time"

	"assay/internal/auth"
)

// Every item is counted once, for each labeler by what it is to them.
func TestCountsPartTheQueue(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "summarization")
	me, other := staff(t, s.DB, "Me"), staff(t, s.DB, "Other")
	reserve := func(who auth.Actor, item int64) Reservation {
		t.Helper()
		if _, err := s.DB.Exec(t.Context(), `UPDATE items SET lifted = CASE WHEN id = $1 THEN 1 ELSE 0 END`, item); err != nil {
			t.Fatal(err)
		}
		if _, err := s.DB.Exec(t.Context(), `UPDATE reservations SET opened_at = now() WHERE opened_at IS NULL`); err != nil {
			t.Fatal(err)
		}
		s.Draw = harmOnly
		if n := count(t, s.DB, `SELECT taken FROM items WHERE id = $1`, item); n > 0 {
			s.Draw = func() float64 { return 0 } // a second reading first
		}
		r, err := s.ReserveAhead(t.Context(), who, queue.Slug)
		if err != nil || r.ItemID != item {
			t.Fatalf("want item %d, got %d, %v", item, r.ItemID, err)
		}
		return r
	}
	var seeds []seed
	for i := range 12 {
		seeds = append(seeds, seed{u: float64(i) / 20, wanted: 1 + i/9})
	}
	items := put(t, s, queue, seeds...) // 0 to 8 want one labeler, the rest two
	give := func(who auth.Actor, r Reservation) {
		t.Helper()
		if _, err := s.Submit(t.Context(), who, r.ItemID, r.Token, fmt.Sprint(r.Token), Answer{Label: "correct"}); err != nil {
			t.Fatal(err)
		}
	}
	give(me, reserve(me, items[0]))                                                                          // done
	give(other, reserve(other, items[1]))                                                                    // done, by another
	off := reserve(me, items[2])                                                                             // put off
	gone := reserve(other, items[3])                                                                         // lapsed: free
	soon := reserve(other, items[4])                                                                         // reserved, frees first
	give(me, reserve(me, items[9]))                                                                          // wants another, and
	never := reserve(other, items[9])                                                                        // the other has it: it never frees for me
	give(me, reserve(me, items[10]))                                                                         // wants another, and
	lapsed := reserve(other, items[10])                                                                      // the other's lease is over: still not mine
	half := reserve(other, items[11])                                                                        // one place left: free
	skip := reserve(me, items[8])                                                                            // skipped
	applied(t, s, selected(t, s, queue, SelectionFilter{Items: items[5:6]}), "assign", fmt.Sprint(other.ID)) // given
	speak(t, s, "fi", items[6])                                                                              // beyond
	skills(t, s, me, nil, []string{"en"})
	if err := s.Later(t.Context(), me, off.ItemID, off.Token); err != nil {
		t.Fatal(err)
	}
	if err := s.Skip(t.Context(), me, skip.ItemID, skip.Token, "other"); err != nil {
		t.Fatal(err)
	}
	lapse(t, s, gone)
	lapse(t, s, lapsed)
	until := func(r Reservation, d time.Duration) {
		t.Helper()
		if _, err := s.DB.Exec(t.Context(), `UPDATE reservations SET lease_until = clock_timestamp() + $2 WHERE id = $1`, r.ID, d); err != nil {
			t.Fatal(err)
		}
	}
	until(never, 10*time.Second)
	until(half, 20*time.Second)
	until(soon, 130*time.Second)
	mine := reserve(me, items[7])
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET lifted = 0`); err != nil {
		t.Fatal(err)
	}
	s.tallies.Clear()
	got, err := s.Counts(t.Context(), me, queue)
	if err != nil {
		t.Fatal(err)
	}
	if got.NextFrees == nil || got.NextFrees.Sub(got.DatabaseAt) < 125*time.Second || got.NextFrees.Sub(got.DatabaseAt) > 130*time.Second {
		t.Errorf("the next that may be mine frees in 2:10, got %v", got.NextFrees)
	}
	got.NextFrees, got.DatabaseAt = nil, time.Time{}
	want := Counts{Free: 2, Reserved: 2, Yours: 1, Another: 3, Beyond: 1, Given: 1, PutOff: 1, Done: 2}
	if got != want {
		t.Errorf("want %+v\n got %+v", want, got)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE removed_at IS NULL`); got.Total() != n || got.NeedsYou()+got.NeedsOthers()+got.Done != n {
		t.Errorf("want all %d items once, got %d, and %d + %d + %d", n, got.Total(), got.NeedsYou(), got.NeedsOthers(), got.Done)
	}
	// As counted, so served: two are free, then what was put off, then nothing.
	if err := s.Release(t.Context(), me, mine.ItemID, mine.Token); err != nil {
		t.Fatal(err)
	}
	served := map[int64]bool{}
	for {
		r, err := s.Reserve(t.Context(), me, queue.Slug)
		if err != nil {
			break
		}
		served[r.ItemID] = true
		if err := s.Skip(t.Context(), me, r.ItemID, r.Token, "other"); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []int{2, 3, 7, 11} {
		if !served[items[i]] {
			t.Errorf("item %d was counted and not served", i)
		}
	}
	if len(served) != 4 {
		t.Errorf("want 4 served, got %d", len(served))
	}
}
