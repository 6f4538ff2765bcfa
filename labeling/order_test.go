package labeling

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestUIsTheHashOfSaltAndID(t *testing.T) {
	for _, c := range []struct {
		salt, id string
		want     float64
	}{
		{"epoch-2026-01", "sess_0001", 0.04633539108282836},
		{"epoch-2026-01", "sess_0002", 0.9164472038815982},
		{"epoch-2026-01", "sess_0003", 0.8312706366908575},
		{"epoch-2026-02", "sess_0001", 0.45214761239017764},
	} {
		if got := U(c.salt, c.id); math.Abs(got-c.want) > 1e-15 {
			t.Errorf("U(%q, %q): want %v, got %v", c.salt, c.id, c.want, got)
		}
	}
}

func TestTheGravestFlagGivesTheClass(t *testing.T) {
	for _, c := range []struct {
		reasons []string
		want    PriorityClass
	}{
		{nil, Random},
		{[]string{"random"}, Random},
		{[]string{"random", "correction"}, Implicit},
		{[]string{"abandonment", "negative_feedback"}, Negative},
		{[]string{"negative_feedback", "validator_failed", "random"}, Safety},
		{[]string{"unsafe_claim"}, Safety},
		{[]string{"something new"}, Random},
	} {
		if got := ClassOf(c.reasons...); got != c.want {
			t.Errorf("ClassOf(%v): want %s, got %s", c.reasons, c.want, got)
		}
	}
}

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

func TestTheThresholdIsTheSmallestUntouchedU(t *testing.T) {
	if got := Tau([]float64{0.4, 0.2, 0.9}); got != 0.2 {
		t.Errorf("want 0.2, got %v", got)
	}
	if got := Tau(nil); got != 1 {
		t.Errorf("a frame that was worked off has threshold 1, got %v", got)
	}
}
