package telemetry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestFilterHoldsWhatItWasGiven(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	some := func() (id uuid.UUID) {
		for i := range id {
			id[i] = byte(random.Uint32())
		}
		return id
	}
	filter := newBloom(10_000)
	var held []uuid.UUID
	for range 10_000 {
		id := some()
		held = append(held, id)
		filter.add(bloomHashes(id))
	}
	for _, id := range held {
		if !filter.mayHold(bloomHashes(id)) {
			t.Fatalf("%s was given", id)
		}
	}
	wrong := 0
	for range 100_000 {
		if filter.mayHold(bloomHashes(some())) {
			wrong++
		}
	}
	if wrong > 500 {
		t.Errorf("want about 300 of 100,000 wrong, got %d", wrong)
	}
	if newBloom(0).mayHold(bloomHashes(some())) {
		t.Error("a day without ids holds none")
	}
}

func TestDuplicatesAreFoundInSealedDays(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	var sent []string
	for age := 30; age > 0; age -= 3 {
		s.Clock = func() time.Time { return noon.AddDate(0, 0, -age) }
		var lines []string
		for i := range 40 {
			lines = append(lines, answer(fmt.Sprint(age, "-", i), noon, ""))
		}
		send(t, s, strings.Join(lines, "\n"))
		sent = append(sent, lines...)
	}
	s.Clock = func() time.Time { return noon }
	if _, err := s.Sweep(ctx, product); err != nil {
		t.Fatal(err)
	}
	var sealed, rows int
	if err := s.DB.QueryRow(ctx, `SELECT count(*), coalesce(sum(ids), 0) FROM event_id_filters`).Scan(&sealed, &rows); err != nil || rows != 400 {
		t.Fatalf("want 400 ids sealed, got %d in %d days, %v", rows, sealed, err)
	}
	s.filters = filters{}
	if got := send(t, s, strings.Join(sent, "\n")+"\n"+answer("new", noon, "")); got.Accepted != 1 || got.Duplicate != 400 {
		t.Errorf("want 400 found again and one new, got %+v", got)
	}
	if through := s.filters.held.through; !through.Equal(day(noon).AddDate(0, 0, -2)) && !through.Equal(day(noon).AddDate(0, 0, -1)) {
		t.Errorf("every day that is over is sealed, got through %s", through)
	}
	if _, err := s.Sweep(ctx, product); err != nil {
		t.Errorf("sealing twice changes nothing: %v", err)
	}
}

func TestDayIsSealedOnlyOnceItHasSettled(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	send(t, s, answer("a", noon, ""))
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{12*time.Hour + 59*time.Minute, 0}, {13 * time.Hour, 1}} {
		if err := s.sealDays(ctx, noon.Add(c.after)); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := s.DB.QueryRow(ctx, `SELECT count(*) FROM event_id_filters WHERE day = $1`, day(noon)).Scan(&n); err != nil || n != c.want {
			t.Errorf("%s after noon: want %d sealed, got %d, %v", c.after, c.want, n, err)
		}
	}
}
