package stats

import "math"

// Rate is k bad of n equally weighted, independent labels, with the Wilson
// interval at a two-sided level. For labels from priority queues it is the
// rate of the queue, not of the product: use Stratified.
func Rate(k, n int, level float64) (Estimate, error) {
	if err := firstOf(checkCounts(k, n), checkLevel("level", level)); err != nil {
		return Estimate{}, err
	}
	if n == 0 {
		return undefined(EstimatorWilson, level), nil
	}
	p := float64(k) / float64(n)
	interval := wilson(p, float64(n), twoSidedZ(level), level)
	return Estimate{
		Value: p, Defined: true, Interval: interval, Worst: interval,
		SE:        math.Sqrt(p * (1 - p) / float64(n)),
		Numerator: float64(k), Denominator: n, EffectiveN: float64(n),
		Coverage: 1, Response: 1, Estimator: EstimatorWilson,
	}, nil
}

// Wilson is the two-sided score interval for k of n (Wilson 1927). It is the
// default for display: close to its level on average for small n too, and
// never of width zero. n = 0 gives [0,1].
func Wilson(k, n int, level float64) (Interval, error) {
	if err := firstOf(checkCounts(k, n), checkLevel("level", level)); err != nil {
		return Interval{}, err
	}
	return wilson(ratio(k, n), float64(n), twoSidedZ(level), level), nil
}

// WilsonEffective is Wilson for a rate that stands on a size that need not be
// whole, such as an effective number of labels (Korn & Graubard 1998).
func WilsonEffective(rate, size, level float64) (Interval, error) {
	if err := firstOf(checkShare("rate", rate), checkNonNegative("size", size), checkLevel("level", level)); err != nil {
		return Interval{}, err
	}
	return wilson(rate, size, twoSidedZ(level), level), nil
}

// WilsonLower is the one-sided lower score limit at a confidence such as 0.95.
func WilsonLower(k, n int, confidence float64) (float64, error) {
	if err := firstOf(checkCounts(k, n), checkLevel("confidence", confidence)); err != nil {
		return 0, err
	}
	return wilson(ratio(k, n), float64(n), oneSidedZ(confidence), confidence).Low, nil
}

// WilsonUpper is the one-sided upper score limit at a confidence such as 0.95.
func WilsonUpper(k, n int, confidence float64) (float64, error) {
	if err := firstOf(checkCounts(k, n), checkLevel("confidence", confidence)); err != nil {
		return 0, err
	}
	return wilson(ratio(k, n), float64(n), oneSidedZ(confidence), confidence).High, nil
}

// wilson takes the rate, the size and the quantile. The ends are set exactly,
// since rounding would leave 7e-18 where 0 is meant.
func wilson(p, n, z, level float64) Interval {
	if n <= 0 {
		return Interval{0, 1, level}
	}
	zz := z * z
	centre := (p + zz/(2*n)) / (1 + zz/n)
	half := z / (1 + zz/n) * math.Sqrt(p*(1-p)/n+zz/(4*n*n))
	interval := Interval{max(0, centre-half), min(1, centre+half), level}
	if p <= 0 {
		interval.Low = 0
	}
	if p >= 1 {
		interval.High = 1
	}
	return interval
}

// ClopperPearson is the exact two-sided interval (Clopper & Pearson 1934): it
// covers at least at its level, whatever the rate. n = 0 gives [0,1].
func ClopperPearson(k, n int, level float64) (Interval, error) {
	if err := firstOf(checkCounts(k, n), checkLevel("level", level)); err != nil {
		return Interval{}, err
	}
	tail := (1 - level) / 2
	x, size := float64(k), float64(n)
	return Interval{exactLower(x, size, tail), exactUpper(x, size, tail), level}, nil
}

// ClopperPearsonUpper is the exact one-sided upper limit. Every claim "the
// rate is below x" that unlocks something uses it.
func ClopperPearsonUpper(k, n int, confidence float64) (float64, error) {
	if err := firstOf(checkCounts(k, n), checkLevel("confidence", confidence)); err != nil {
		return 0, err
	}
	return exactUpper(float64(k), float64(n), 1-confidence), nil
}

// ClopperPearsonLower is the exact one-sided lower limit, which decides
// whether a rate is above a threshold.
func ClopperPearsonLower(k, n int, confidence float64) (float64, error) {
	if err := firstOf(checkCounts(k, n), checkLevel("confidence", confidence)); err != nil {
		return 0, err
	}
	return exactLower(float64(k), float64(n), 1-confidence), nil
}

// ClopperPearsonEffectiveUpper is the one-sided upper limit for a weighted
// rate that stands on an effective number of labels.
func ClopperPearsonEffectiveUpper(rate, size, confidence float64) (float64, error) {
	if err := firstOf(checkShare("rate", rate), checkNonNegative("size", size), checkLevel("confidence", confidence)); err != nil {
		return 0, err
	}
	return exactUpper(rate*size, size, 1-confidence), nil
}

func exactLower(k, n, tail float64) float64 {
	if n <= 0 || k <= 0 {
		return 0
	}
	return betaQuantile(tail, k, n-k+1)
}

func exactUpper(k, n, tail float64) float64 {
	if n <= 0 || k >= n {
		return 1
	}
	if k <= 0 {
		return zeroEventBound(n, tail)
	}
	return betaUpperQuantile(tail, k+1, n-k)
}

// Jeffreys is the interval of the Beta(k+½, n-k+½) posterior, with the ends
// closed at k = 0 and k = n (Brown, Cai & DasGupta 2001). It has no worst-case
// guarantee and is not the default anywhere.
func Jeffreys(k, n int, level float64) (Interval, error) {
	if err := firstOf(checkCounts(k, n), checkLevel("level", level)); err != nil {
		return Interval{}, err
	}
	if n == 0 {
		return Interval{0, 1, level}, nil
	}
	interval := jeffreys(k, n, level)
	if k == 0 {
		interval.Low = 0
	}
	if k == n {
		interval.High = 1
	}
	return interval, nil
}

func jeffreys(k, n int, level float64) Interval {
	a, b, tail := float64(k)+0.5, float64(n-k)+0.5, (1-level)/2
	return Interval{betaQuantile(tail, a, b), betaUpperQuantile(tail, a, b), level}
}

// ZeroEventBound is the one-sided upper limit of a rate of which nothing was
// seen in n: 1 - (1-confidence)^(1/n). For 299 at 0.95 it is just below 1 %
// ("rule of three": about 3/n). n = 0 gives 1.
func ZeroEventBound(n int, confidence float64) (float64, error) {
	if err := firstOf(checkCount("n", n), checkLevel("confidence", confidence)); err != nil {
		return 0, err
	}
	return zeroEventBound(float64(n), 1-confidence), nil
}

func zeroEventBound(n, alpha float64) float64 {
	if n <= 0 {
		return 1
	}
	return -math.Expm1(math.Log(alpha) / n)
}

// ZeroEventSize is the number of labels without an event that it takes to
// claim a rate below the given one: 299 for 1 % at 0.95.
func ZeroEventSize(below, confidence float64) (int, error) {
	if err := firstOf(checkLevel("below", below), checkLevel("confidence", confidence)); err != nil {
		return 0, err
	}
	return zeroEventSize(below, confidence), nil
}

func zeroEventSize(below, confidence float64) int {
	n := math.Log(1-confidence) / math.Log1p(-below)
	return int(math.Ceil(n - 1e-9))
}

// Classes are the intervals of all classes of one sample at once: each is a
// Wilson interval at 1-(1-level)/m for m classes, so that together they hold
// at the level (Bonferroni). The counts sum to the number of labels.
func Classes(counts []int, level float64) ([]Interval, error) {
	if err := checkLevel("level", level); err != nil {
		return nil, err
	}
	n := 0
	for _, k := range counts {
		if err := checkCount("counts", k); err != nil {
			return nil, err
		}
		n += k
	}
	intervals := make([]Interval, len(counts))
	each := 1 - (1-level)/float64(max(1, len(counts)))
	for i, k := range counts {
		intervals[i] = wilson(ratio(k, n), float64(n), twoSidedZ(each), each)
	}
	return intervals, nil
}

// ratio is k/n, and 0 for an empty n (whose interval is [0,1] anyway).
func ratio(k, n int) float64 {
	if n == 0 {
		return 0
	}
	return float64(k) / float64(n)
}
