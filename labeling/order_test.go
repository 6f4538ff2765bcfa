package labeling

import (
	"slices"
	"testing"
	"time"
)

func day(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC) }

func TestHarmComesFirstThenTheNewestDayThenTheSmallestU(t *testing.T) {
	waiting := []Waiting{
		{1, Random, day(3), 0.1},
		{2, Safety, day(1), 0.9},
		{3, Safety, day(2), 0.5},
		{4, Safety, day(2), 0.2},
		{5, Negative, day(3), 0.7},
	}
	slices.SortFunc(waiting, ByHarm)
	var got []int64
	for _, w := range waiting {
		got = append(got, w.ID)
	}
	if want := []int64{4, 3, 2, 5, 1}; !slices.Equal(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
}

func TestMeasuringGoesWhereTheRateIsLeastKnown(t *testing.T) {
	// The vector of the index: with these labels the random class is next.
	frames := []Frame{
		{Class: Negative, Day: day(1), Readable: 200, Labeled: 40, Hallucinated: 14, Untouched: 9},
		{Class: Implicit, Day: day(1), Readable: 1500, Labeled: 60, Hallucinated: 9, Untouched: 9},
		{Class: Random, Day: day(1), Readable: 24000, Labeled: 50, Hallucinated: 1, Untouched: 9},
		{Class: Random, Day: day(2), Readable: 24300, Labeled: 50, Hallucinated: 1, Untouched: 9},
	}
	chosen, ok := Measure(frames)
	if !ok || chosen.Class != Random || !chosen.Day.Equal(day(2)) {
		t.Errorf("want random on day 2, whose labeled share is smallest, got %+v, %v", chosen, ok)
	}

	t.Run("passes over a class with nothing free", func(t *testing.T) {
		emptied := slices.Clone(frames)
		emptied[2].Untouched, emptied[3].Untouched = 0, 0
		if chosen, _ := Measure(emptied); chosen.Class != Implicit {
			t.Errorf("want implicit, got %+v", chosen)
		}
	})
	t.Run("takes a class without any label before the others", func(t *testing.T) {
		fresh := append(slices.Clone(frames), Frame{Class: Safety, Day: day(1), Readable: 3, Untouched: 3})
		if chosen, _ := Measure(fresh); chosen.Class != Safety {
			t.Errorf("want safety, got %+v", chosen)
		}
	})
	t.Run("says when nothing is free", func(t *testing.T) {
		if chosen, ok := Measure([]Frame{{Class: Random, Day: day(1), Readable: 4, Labeled: 4}}); ok {
			t.Errorf("want nothing, got %+v", chosen)
		}
	})
}

func TestWaysFollowTheDraws(t *testing.T) {
	for _, c := range []struct {
		draw, second float64
		want         []Way
	}{
		{0.9, 0.9, []Way{WayHarm, WayAnother, WayLater}},
		{0.1, 0.9, []Way{WayMeasure, WayHarm, WayAnother, WayLater}},
		{0.9, 0.05, []Way{WayAnother, WayHarm, WayLater}},
		{0.1, 0.05, []Way{WayAnother, WayMeasure, WayHarm, WayLater}},
	} {
		if got := Ways(c.draw, c.second, 0.25); !slices.Equal(got, c.want) {
			t.Errorf("Ways(%v, %v): want %v, got %v", c.draw, c.second, c.want, got)
		}
	}
}
