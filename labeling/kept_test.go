package labeling

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAKeptFigureIsCountedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k kept[int]
		counted := 0
		count := func(context.Context) (int, error) { counted++; time.Sleep(time.Millisecond); return counted, nil }
		ask := func() (got int) {
			t.Helper()
			if err := k.use(t.Context(), time.Second, true, count, func(n *int) { got = *n }); err != nil {
				t.Fatal(err)
			}
			return got
		}
		if got := ask(); got != 1 {
			t.Errorf("the first one waits: want 1, got %d", got)
		}
		time.Sleep(500 * time.Millisecond)
		if got := ask(); got != 1 || counted != 1 {
			t.Errorf("fresh: want 1 of 1 count, got %d of %d", got, counted)
		}
		time.Sleep(time.Second)
		if got := ask(); got != 1 {
			t.Errorf("aged, it is given once more at once, got %d", got)
		}
		synctest.Wait()
		time.Sleep(2 * time.Millisecond)
		if got := ask(); got != 2 || counted != 2 {
			t.Errorf("and counted anew behind: want 2 of 2 counts, got %d of %d", got, counted)
		}
		time.Sleep(time.Minute)
		if got := ask(); got != 3 {
			t.Errorf("too old, it is waited for: want 3, got %d", got)
		}
	})
}

func TestAKeptFigureSaysWhenItCannotBeCounted(t *testing.T) {
	var k kept[int]
	broken := errors.New("away")
	err := k.use(t.Context(), time.Second, true, func(context.Context) (int, error) { return 0, broken }, func(*int) { t.Error("there is no value to give") })
	if !errors.Is(err, broken) {
		t.Errorf("want %v, got %v", broken, err)
	}
}
