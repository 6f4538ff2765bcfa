package telemetry

import (
	"cmp"
	"math"
	"slices"

	"assay/internal/stats"
)

// Distribution is a multiset of whole numbers, as values with how often each
// occurred: enough to give every percentile exactly, and small.
type Distribution struct {
	Values []int64 // ascending, distinct
	Upto   []int64 // how many are at most Values[i]
}

// distributionOf makes one of pairs of a value and its count.
func distributionOf(values []int64, counts []uint64) Distribution {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	d := Distribution{make([]int64, 0, len(values)), make([]int64, 0, len(values))}
	sum := int64(0)
	for _, i := range order {
		sum += int64(counts[i])
		d.Values, d.Upto = append(d.Values, values[i]), append(d.Upto, sum)
	}
	return d
}

// N is how many values there are.
func (d Distribution) N() int {
	if len(d.Upto) == 0 {
		return 0
	}
	return int(d.Upto[len(d.Upto)-1])
}

// Rank returns the value at a 1-based rank among all in ascending order; rank
// is 1 to N.
func (d Distribution) Rank(rank int) int64 {
	i, _ := slices.BinarySearch(d.Upto, int64(rank))
	return d.Values[min(i, len(d.Values)-1)]
}

// Percentile is A4.20, nearest rank; false of an empty distribution.
func (d Distribution) Percentile(percent int) (int64, bool) {
	rank, err := stats.NearestRank(percent, d.N())
	if err != nil {
		return 0, false
	}
	return d.Rank(rank), true
}

// Quantile is a percentile with its distribution-free 95 % interval
// (statistics.md 6.5; David & Nagaraja 2003). Bounded is false where too few
// values bound it from one side.
type Quantile struct {
	Percent int
	Value   int64
	Low     int64
	High    int64
	Bounded bool
	Known   bool // false: no values
}

// Quantile gives a percentile, above 0 and below 100, and its interval.
func (d Distribution) Quantile(percent int) Quantile {
	q := Quantile{Percent: percent}
	if q.Value, q.Known = d.Percentile(percent); !q.Known {
		return q
	}
	ranks, err := stats.PercentileRanks(float64(percent)/100, d.N(), 0.95)
	if err != nil || !ranks.Bounded() {
		return q
	}
	q.Low, q.High, q.Bounded = d.Rank(ranks.Low), d.Rank(ranks.High), true
	return q
}

// Apart reports whether two quantiles differ beyond doubt: their intervals do
// not meet. That asks for more than the interval of a difference would.
func (q Quantile) Apart(other Quantile) bool {
	return q.Bounded && other.Bounded && (q.Low > other.High || q.High < other.Low)
}

// Mean is an average with its standard error.
type Mean struct {
	N     int
	Value float64
	SE    float64 // 0 below two values
}

// Low and High are the limits of the normal 95 % interval.
func (m Mean) Low() float64  { return m.Value - 1.959963984540054*m.SE }
func (m Mean) High() float64 { return m.Value + 1.959963984540054*m.SE }

// Apart reports whether two means differ by more than the 95 % interval of
// their difference.
func (m Mean) Apart(other Mean) bool {
	return m.N > 1 && other.N > 1 && math.Abs(m.Value-other.Value) > 1.959963984540054*math.Hypot(m.SE, other.SE)
}

// Mean is the average of all values.
func (d Distribution) Mean() Mean {
	n := float64(d.N())
	if n == 0 {
		return Mean{}
	}
	sum, before := 0.0, int64(0)
	for i, v := range d.Values {
		sum += float64(v) * float64(d.Upto[i]-before)
		before = d.Upto[i]
	}
	mean := sum / n
	squares, before := 0.0, int64(0)
	for i, v := range d.Values {
		squares += (float64(v) - mean) * (float64(v) - mean) * float64(d.Upto[i]-before)
		before = d.Upto[i]
	}
	m := Mean{N: d.N(), Value: mean}
	if n > 1 {
		m.SE = math.Sqrt(squares / (n - 1) / n)
	}
	return m
}

// Sum is all values together.
func (d Distribution) Sum() int64 {
	sum, before := int64(0), int64(0)
	for i, v := range d.Values {
		sum += v * (d.Upto[i] - before)
		before = d.Upto[i]
	}
	return sum
}

// AtLeast counts the values that are v or more.
func (d Distribution) AtLeast(v int64) int {
	i, _ := slices.BinarySearch(d.Values, v)
	if i == 0 {
		return d.N()
	}
	return d.N() - int(d.Upto[i-1])
}

// Joined is several distributions as one.
func Joined(all ...Distribution) Distribution {
	counts := map[int64]uint64{}
	for _, d := range all {
		before := int64(0)
		for i, v := range d.Values {
			counts[v] += uint64(d.Upto[i] - before)
			before = d.Upto[i]
		}
	}
	values, times := make([]int64, 0, len(counts)), make([]uint64, 0, len(counts))
	for v, n := range counts {
		values, times = append(values, v), append(times, n)
	}
	return distributionOf(values, times)
}
