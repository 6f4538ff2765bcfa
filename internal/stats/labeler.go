package stats

import (
	"math"
	"slices"
)

// Standing is how far a labeler is trusted.
type Standing string

// The standings. A suspension only takes effect when a person confirms it.
const (
	Trusted   Standing = "trusted"   // one label suffices where little is at risk
	Probation Standing = "probation" // labels are read twice
	Suspended Standing = "suspended" // nothing more is served; what was labeled is labeled again
)

// goldAccuracy is the accuracy labelers must have.
const goldAccuracy = 0.85

// GoldResult is what items with a known answer say of a labeler.
type GoldResult struct {
	Standing
	Interval            // of the accuracy
	Probability float64 // that the accuracy is at least 0.85, from a flat prior
}

// JudgeGold judges right answers among gold items: an interval wholly below
// 0.85 suspends, wholly at or above it trusts, else probation.
func JudgeGold(right, n int, level float64) (GoldResult, error) {
	interval, err := Wilson(right, n, level)
	if err != nil {
		return GoldResult{}, err
	}
	r := GoldResult{Standing: Probation, Interval: interval}
	r.Probability = betaTail(1-goldAccuracy, goldAccuracy, float64(n-right)+1, float64(right)+1)
	switch {
	case interval.High < goldAccuracy:
		r.Standing = Suspended
	case interval.Low >= goldAccuracy:
		r.Standing = Trusted
	}
	return r, nil
}

// GoldByLabel judges each kind of gold item apart and takes the worst, so that
// always answering "correct" is caught although it is mostly right. right and
// n are per class.
func GoldByLabel(right, n []int, level float64) (Standing, []GoldResult, error) {
	if len(right) != len(n) || len(n) == 0 {
		return "", nil, invalid("right", len(right), "as many classes as n, at least one")
	}
	results := make([]GoldResult, len(n))
	worst := Trusted
	for k := range n {
		r, err := JudgeGold(right[k], n[k], level)
		if err != nil {
			return "", nil, err
		}
		results[k] = r
		if r.Standing == Suspended || (r.Standing == Probation && worst == Trusted) {
			worst = r.Standing
		}
	}
	return worst, results, nil
}

// GoldTest is a sequential test of good (0.95) against bad (0.75) labelers
// with 5 % error each way (Wald 1947).
type GoldTest struct{ Score float64 }

// Next takes one more gold answer.
func (g GoldTest) Next(right bool) GoldTest {
	if right {
		return GoldTest{g.Score + math.Log(0.75/0.95)}
	}
	return GoldTest{g.Score + math.Log(0.25/0.05)}
}

// goldTestBound ends the test on either side.
var goldTestBound = math.Log(0.95 / 0.05)

// Verdict is Fail for a bad labeler, Pass for a good one, else Inconclusive.
func (g GoldTest) Verdict() Verdict {
	switch bound := goldTestBound; {
	case g.Score >= bound:
		return Verdict{Fail, ReasonBelow}
	case g.Score <= -bound:
		return Verdict{Pass, ReasonAbove}
	}
	return Verdict{Inconclusive, ReasonCollecting}
}

// SpammerScore is how much a labeler's answers depend on the truth (Raykar &
// Yu 2012): 1 perfectly, 0 not at all. confusion is true class × label given,
// rows summing to one. Below 0.10 with 30 labels or more is worth a look; it
// lowers trust and never deletes a label by itself.
func SpammerScore(confusion [][]float64) (float64, error) {
	classes := len(confusion)
	if classes < 2 {
		return 0, invalid("confusion", classes, "of at least two classes")
	}
	for _, row := range confusion {
		if len(row) != classes {
			return 0, invalid("confusion", len(row), "square")
		}
		if total := sum(row); !(math.Abs(total-1) < 1e-6) {
			return 0, invalid("row of confusion", total, "a sum of 1")
		}
	}
	apart := 0.0
	for c := range confusion {
		for d := c + 1; d < classes; d++ {
			for k := range classes {
				apart += square(confusion[c][k] - confusion[d][k])
			}
		}
	}
	return apart / float64(classes*(classes-1)), nil
}

// Pace is the usual logarithm of the time a label takes, within one task class
// and length of text.
type Pace struct {
	Median float64 // of ln seconds
	Scale  float64 // 1.4826 times the median distance from it
}

// madScale makes the median absolute deviation of a normal its standard
// deviation.
const madScale = 1.482602218505602

// TypicalPace takes seconds per label. ok is false when there are none, or
// when more than half are equal: then nothing is unusual.
func TypicalPace(seconds []float64) (pace Pace, ok bool, err error) {
	logs := make([]float64, len(seconds))
	for i, t := range seconds {
		if err := checkPositive("seconds", t); err != nil {
			return Pace{}, false, err
		}
		logs[i] = math.Log(t)
	}
	if len(logs) == 0 {
		return Pace{}, false, nil
	}
	pace.Median = median(logs)
	for i := range logs {
		logs[i] = math.Abs(logs[i] - pace.Median)
	}
	pace.Scale = madScale * median(logs)
	return pace, pace.Scale > 0, nil
}

func median(xs []float64) float64 {
	sorted := slices.Clone(xs)
	slices.Sort(sorted)
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// Z is how unusual a time is, in standard deviations of its logarithm.
func (p Pace) Z(seconds float64) (float64, error) {
	if err := firstOf(checkPositive("seconds", seconds), checkPositive("scale", p.Scale)); err != nil {
		return 0, err
	}
	return (math.Log(seconds) - p.Median) / p.Scale, nil
}

// Limits of reading.
const (
	tooFastZ       = -3.5
	wordsPerSecond = 15
)

// TooFast is true when a label came faster than its text can be read, or far
// faster than is usual. Without a usual pace (zero Scale) only reading counts.
func (p Pace) TooFast(seconds float64, words int) (bool, error) {
	if err := firstOf(checkPositive("seconds", seconds), checkCount("words", words)); err != nil {
		return false, err
	}
	if seconds < float64(words)/wordsPerSecond {
		return true, nil
	}
	return p.Scale > 0 && (math.Log(seconds)-p.Median)/p.Scale < tooFastZ, nil
}

// LongestRun is the length of the longest run of one answer.
func LongestRun(classes []int) int {
	longest, run := 0, 0
	for i, c := range classes {
		if i == 0 || c != classes[i-1] {
			run = 0
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// Entropy of the answers given, in bits: 0 when all are the same.
func Entropy(classes []int) float64 {
	counts := map[int]int{}
	for _, c := range classes {
		counts[c]++
	}
	keys := make([]int, 0, len(counts))
	for c := range counts {
		keys = append(keys, c)
	}
	slices.Sort(keys)
	bits := 0.0
	for _, c := range keys {
		p := ratio(counts[c], len(classes))
		bits -= p * math.Log2(p)
	}
	return bits
}
