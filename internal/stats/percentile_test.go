package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func upTo(n int) []int {
	values := make([]int, n)
	for i := range values {
		values[i] = n - i
	}
	return values
}

func TestPercentile(t *testing.T) {
	ttft := []int{172, 181, 188, 205, 218, 240}
	for _, tt := range []struct {
		values        []int
		percent, want int
	}{
		{ttft, 95, 240}, {ttft, 50, 188}, {ttft, 75, 218}, {ttft, 90, 240}, {ttft, 99, 240}, {ttft, 0, 172}, {ttft, 100, 240},
		{upTo(100), 7, 7}, {upTo(100), 14, 14}, {upTo(100), 28, 28}, {upTo(100), 55, 55}, {upTo(100), 56, 56}, {upTo(100), 95, 95}, {upTo(100), 99, 99},
		{upTo(20), 95, 19}, {[]int{5}, 99, 5}, {[]int{5}, 0, 5},
	} {
		got, ok, err := Percentile(tt.values, tt.percent)
		if err != nil || !ok || got != tt.want {
			t.Errorf("P%d of %d values: want %d, got %d (%v, %v)", tt.percent, len(tt.values), tt.want, got, ok, err)
		}
	}
}

func TestPercentileOfNothingIsUndefined(t *testing.T) {
	if _, ok, err := Percentile([]float64{}, 95); ok || err != nil {
		t.Errorf("want undefined, got ok=%v err=%v", ok, err)
	}
	_, _, err := Percentile([]float64{}, 101)
	refused(t, "P101", err)
	_, err = NearestRank(50, 0)
	refused(t, "rank among none", err)
}

func TestPercentileLeavesItsInputAlone(t *testing.T) {
	values := []int{3, 1, 2}
	if _, _, err := Percentile(values, 50); err != nil || !slices.Equal(values, []int{3, 1, 2}) {
		t.Errorf("values are now %v (%v)", values, err)
	}
}

func TestNearestRankIsTheSmallestThatCoversItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		percent, n := rapid.IntRange(0, 100).Draw(t, "percent"), rapid.IntRange(1, 1_000_000).Draw(t, "n")
		rank := must(NearestRank(percent, n))
		if rank < 1 || rank > n || 100*rank < percent*n || (rank > 1 && 100*(rank-1) >= percent*n) {
			t.Fatalf("P%d of %d: rank %d", percent, n, rank)
		}
	})
}

func TestPercentileRanks(t *testing.T) {
	for _, tt := range []struct {
		q    float64
		n    int
		want Ranks
	}{
		{.95, 100, Ranks{90, 100}}, {.95, 200, Ranks{184, 197}}, {.95, 1000, Ranks{936, 964}}, {.99, 1000, Ranks{983, 997}}, {.95, 50, Ranks{44, 0}},
	} {
		if got := must(PercentileRanks(tt.q, tt.n, .95)); got != tt.want {
			t.Errorf("quantile %g of %d: want %v, got %v", tt.q, tt.n, tt.want, got)
		}
	}
	for _, tt := range []struct {
		q       float64
		n, want int
	}{{.95, 100, 91}, {.95, 200, 185}, {.95, 1000, 938}, {.99, 1000, 985}} {
		if got := must(PercentileLowerRank(tt.q, tt.n, .95)); got != tt.want {
			t.Errorf("lower rank of %g of %d: want %d, got %d", tt.q, tt.n, tt.want, got)
		}
	}
}

func TestUpperLimitsNeedEnoughValues(t *testing.T) {
	for _, tt := range []struct {
		q float64
		n int
	}{{.95, 59}, {.99, 299}} {
		if got := must(PercentileUpperRank(tt.q, tt.n-1, .95)); got != 0 {
			t.Errorf("P%g of %d values has upper rank %d", 100*tt.q, tt.n-1, got)
		}
		if got := must(PercentileUpperRank(tt.q, tt.n, .95)); got != tt.n {
			t.Errorf("P%g of %d values: want upper rank %d, got %d", 100*tt.q, tt.n, tt.n, got)
		}
	}
	if must(PercentileRanks(.95, 71, .95)).Bounded() || !must(PercentileRanks(.95, 72, .95)).Bounded() {
		t.Error("P95 is bounded from both sides from 72 values on")
	}
	if got := must(PercentileRanks(.95, 0, .95)); got != (Ranks{}) {
		t.Errorf("no values: want no ranks, got %v", got)
	}
}

func TestPercentileRanksCover(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	const n, q = 200, .95
	ranks := must(PercentileRanks(q, n, .95))
	covered, rounds := 0, runs(2000, 20_000)
	values := make([]float64, n)
	for range rounds {
		for i := range values {
			values[i] = rng.ExpFloat64()
		}
		slices.Sort(values)
		truth := -math.Log(1 - q)
		if values[ranks.Low-1] <= truth && truth <= values[ranks.High-1] {
			covered++
		}
	}
	if share := float64(covered) / float64(rounds); share < .94 {
		t.Errorf("ranks %v cover in %.1f %%", ranks, 100*share)
	}
}

func TestTrend(t *testing.T) {
	values := func(n int, scale float64) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = scale * float64(i+1) / float64(n)
		}
		return v
	}
	for _, tt := range []struct {
		fact     string
		now      []float64
		baseline float64
		before   int
		want     Verdict
		clears   bool
	}{
		{"lower limit above 1.3 fires", values(200, 1000), 700, 5000, Verdict{Fail, ReasonAbove}, false},
		{"percentile above, limit below, does not", values(200, 1000), 720, 5000, Verdict{Pass, ReasonNotExcluded}, false},
		{"back at the baseline clears", values(200, 1000), 1000, 5000, Verdict{Pass, ReasonNotExcluded}, true},
		{"too few values now", values(199, 1000), 100, 5000, Verdict{Inconclusive, ReasonFewLabels}, false},
		{"too few values before", values(200, 1000), 100, 999, Verdict{Inconclusive, ReasonNoBaseline}, false},
		{"no baseline", values(200, 1000), 0, 5000, Verdict{Inconclusive, ReasonNoBaseline}, false},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			got := must(Trend(tt.now, tt.baseline, tt.before, DefaultTrend))
			if got.Verdict != tt.want || got.Clears != tt.clears {
				t.Errorf("want %v clears=%v, got %+v", tt.want, tt.clears, got)
			}
		})
	}
	got := must(Trend(values(200, 1000), 700, 5000, DefaultTrend))
	near(t, "ratio", 950.0/700, got.Ratio)
	near(t, "lower", 925.0/700, got.Lower) // rank 185
	_, err := Trend([]float64{math.NaN()}, 1, 5000, DefaultTrend)
	refused(t, "NaN", err)
}

func BenchmarkPercentileRanks(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				_, _ = PercentileRanks(.95, n, .95)
			}
		})
	}
}
