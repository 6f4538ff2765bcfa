package stats

import "math"

// An e-value measures evidence against a hypothesis: under it, its mean is at
// most 1 however often and whenever one looks, so acting when it reaches
// 1/alpha is wrong with probability at most alpha (Ville 1939; Ramdas et al.
// 2023). 1/E is a p-value that stays valid under peeking. All functions here
// return ln E; no data gives 0.

// Crossed is true when ln E has reached 1/alpha.
func Crossed(lnE, alpha float64) bool { return lnE >= -math.Log(alpha) }

// AnytimeP is the p-value 1/E, at most 1.
func AnytimeP(lnE float64) float64 { return math.Exp(-max(0, lnE)) }

// JoinDependent is the evidence against "none of them", for e-values that may
// depend on each other: their mean.
func JoinDependent(lnE ...float64) float64 {
	if len(lnE) == 0 {
		return 0
	}
	return lnSumExp(lnE) - math.Log(float64(len(lnE)))
}

// JoinIndependent is the same for e-values of independent labels: their product.
func JoinIndependent(lnE ...float64) float64 { return sum(lnE) }

// PairCounts counts pairs of labels, first in first out: the j-th label of the
// candidate with the j-th of the baseline.
type PairCounts struct {
	Worse  int // candidate bad, baseline good
	Better int // candidate good, baseline bad
	Equal  int
}

// N is the number of pairs.
func (c PairCounts) N() int { return c.Worse + c.Better + c.Equal }

func (c PairCounts) check() error {
	return firstOf(checkCount("worse", c.Worse), checkCount("better", c.Better), checkCount("equal", c.Equal))
}

func (c PairCounts) mean() float64 { return ratio(c.Worse-c.Better, c.N()) }

// WithSkips is the sensitivity view: every skipped item of the candidate bad,
// every one of the baseline good.
func (c PairCounts) WithSkips(candidate, baseline int) PairCounts {
	c.Worse += max(candidate, baseline)
	return c
}

// bets is the number of bet sizes that the evidence is spread over. Spreading
// costs about half a log n against the best of them, and needs no tuning.
const bets = 64

// LnHarm is the evidence that the candidate is worse than the baseline by more
// than d (0: worse at all), from a constant-rate sample of both arms. Exact for
// any stopping rule and any base rate (Waudby-Smith & Ramdas 2024).
func LnHarm(counts PairCounts, d float64) (float64, error) {
	if err := firstOf(counts.check(), checkMargin("d", d)); err != nil {
		return 0, err
	}
	return lnHarm(float64(counts.Worse), float64(counts.Better), float64(counts.Equal), d), nil
}

// LnNonInferior is the evidence that the candidate is worse by less than
// margin.
func LnNonInferior(counts PairCounts, margin float64) (float64, error) {
	if err := firstOf(counts.check(), checkMargin("margin", margin)); err != nil {
		return 0, err
	}
	return lnNonInferior(float64(counts.Worse), float64(counts.Better), float64(counts.Equal), margin), nil
}

func checkMargin(name string, d float64) error {
	if !(d > -1 && d < 1) {
		return invalid(name, d, "strictly between -1 and 1")
	}
	return nil
}

func lnHarm(worse, better, equal, d float64) float64 {
	var wealth [bets]float64
	for j := range wealth {
		bet := betSize(j) / (1 + d)
		wealth[j] = worse*math.Log1p(bet*(1-d)) + better*math.Log1p(-bet*(1+d)) + equal*math.Log1p(-bet*d)
	}
	return lnSumExp(wealth[:]) - math.Log(bets)
}

// lnNonInferior is the mirror image: the arms change places and the margin its
// sign.
func lnNonInferior(worse, better, equal, margin float64) float64 {
	return lnHarm(better, worse, equal, -margin)
}

func betSize(j int) float64 { return (float64(j) + 0.5) / bets }

// Bets is the same evidence for differences that are not just -1, 0 or 1, such
// as the share of slow responses per five minutes, candidate minus baseline.
// The zero value is not ready: use NewHarmBets or NewNonInferiorityBets. It
// may be stored between evaluations.
type Bets struct {
	Sign   float64       `json:"sign"` // 1 against "no harm", -1 against "inferior"
	Margin float64       `json:"margin"`
	Wealth [bets]float64 `json:"wealth"` // logarithms
}

// NewHarmBets collects evidence of harm beyond d.
func NewHarmBets(d float64) (Bets, error) {
	return Bets{Sign: 1, Margin: d}, checkMargin("d", d)
}

// NewNonInferiorityBets collects evidence that the difference is below margin.
func NewNonInferiorityBets(margin float64) (Bets, error) {
	return Bets{Sign: -1, Margin: margin}, checkMargin("margin", margin)
}

// Add takes one more difference, in [-1,1], of a time bucket or a pair.
func (b Bets) Add(difference float64) (Bets, error) {
	if !(difference >= -1 && difference <= 1) {
		return b, invalid("difference", difference, "between -1 and 1")
	}
	gain := b.Sign * (difference - b.Margin)
	for j := range b.Wealth {
		b.Wealth[j] += math.Log1p(betSize(j) / (1 + b.Sign*b.Margin) * gain)
	}
	return b, nil
}

// LnE is the evidence so far.
func (b Bets) LnE() float64 { return lnSumExp(b.Wealth[:]) - math.Log(bets) }

// DifferenceSequence is an interval for candidate minus baseline that holds at
// its level at every look at once.
func DifferenceSequence(counts PairCounts, alpha float64) (Difference, error) {
	if err := firstOf(counts.check(), checkLevel("alpha", alpha)); err != nil {
		return Difference{}, err
	}
	if counts.N() == 0 {
		return noDifference(1 - alpha), nil
	}
	worse, better, equal := float64(counts.Worse), float64(counts.Better), float64(counts.Equal)
	d, limit := counts.mean(), math.Log(2/alpha)
	low := bisect(-1, d, func(m float64) bool { return m > -1 && lnHarm(worse, better, equal, m) < limit })
	high := bisect(d, 1, func(m float64) bool { return m >= 1 || lnNonInferior(worse, better, equal, m) >= limit })
	return Difference{d, true, Interval{low, high, 1 - alpha}}, nil
}

// ReachableMargin is the smallest margin that n pairs can be expected to
// certify under continuous peeking, when both arms have the same rate. It
// belongs on the page before a canary starts.
func ReachableMargin(rate float64, n int, alpha float64) (float64, error) {
	if err := firstOf(checkShare("rate", rate), checkCount("n", n), checkLevel("alpha", alpha)); err != nil {
		return 0, err
	}
	discordant := float64(n) * rate * (1 - rate)
	return bisect(0, 1, func(margin float64) bool {
		return margin >= 1 || Crossed(lnNonInferior(discordant, discordant, float64(n)-2*discordant, margin), alpha)
	}), nil
}

// LnAbove is the evidence that a rate is above p0, from k bad of n labels: a
// Bernoulli process with a Jeffreys prior cut off at p0. Use it for an
// objective (p0 its allowance), and with ShareNull where only events are
// counted. It is -Inf, never NaN, where the evidence vanishes.
func LnAbove(k, n int, p0 float64) (float64, error) {
	if err := firstOf(checkCounts(k, n), checkLevel("p0", p0)); err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, nil
	}
	const a, b = 0.5, 0.5
	s, f := float64(k), float64(n-k)
	posterior := lnBetaTail(1-p0, p0, b+f, a+s)
	prior := lnBetaTail(1-p0, p0, b, a)
	return lnBeta(a+s, b+f) + posterior - lnBeta(a, b) - prior - s*math.Log(p0) - f*math.Log1p(-p0), nil
}

// ShareNull is the candidate's share among bad events when it has a share of
// the traffic and its rate is the given multiple of the baseline's: the p0 of
// LnAbove for "is it worse by more than that factor".
func ShareNull(trafficShare, factor float64) (float64, error) {
	if err := firstOf(checkLevel("traffic share", trafficShare), checkPositive("factor", factor)); err != nil {
		return 0, err
	}
	return trafficShare * factor / (trafficShare*factor + 1 - trafficShare), nil
}

// RateSequence is an interval for one rate that holds at every look at once
// (beta-binomial mixture, Howard et al. 2021; Howard & Ramdas 2022). planned is
// the number of labels expected when the decision is due; there it is
// tightest. No labels give [0,1].
func RateSequence(k, n, planned int, alpha float64) (Interval, error) {
	if err := firstOf(checkCounts(k, n), checkCount("planned", planned-1), checkLevel("alpha", alpha)); err != nil {
		return Interval{}, err
	}
	interval := Interval{0, 1, 1 - alpha}
	if n == 0 {
		return interval, nil
	}
	limit, weight := -math.Log(alpha), priorWeight(planned, alpha)
	excluded := func(p float64) bool { return p <= 0 || p >= 1 || lnMixture(k, n, p, weight) >= limit }
	rate := ratio(k, n)
	if k > 0 {
		interval.Low = bisect(0, rate, func(p float64) bool { return !excluded(p) })
	}
	if k < n {
		interval.High = bisect(rate, 1, excluded)
	}
	return interval, nil
}

// LnUnlike is the two-sided evidence that a rate is not p, from k of n. For
// p the planned traffic share of the candidate it is the check for a sample
// ratio mismatch, valid at every look.
func LnUnlike(k, n int, p float64, planned int, alpha float64) (float64, error) {
	if err := firstOf(checkCounts(k, n), checkLevel("p", p), checkCount("planned", planned-1), checkLevel("alpha", alpha)); err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, nil
	}
	return lnMixture(k, n, p, priorWeight(planned, alpha)), nil
}

// mixtureScale is where a mixture's boundary is tightest.
func mixtureScale(alpha float64) float64 {
	twice := -2 * math.Log(alpha)
	return twice + math.Log1p(twice)
}

func priorWeight(planned int, alpha float64) float64 {
	return max(float64(planned)/mixtureScale(alpha)-1, 1e-3)
}

// lnMixture is ln of the likelihood under a beta mixture centred at p over
// that at p.
func lnMixture(k, n int, p, weight float64) float64 {
	s, f := float64(k), float64(n-k)
	a, b := p*weight, (1-p)*weight
	return lnBeta(a+s, b+f) - lnBeta(a, b) - s*math.Log(p) - f*math.Log1p(-p)
}

// QuantileSequence is an interval for a quantile that holds at every look:
// ranks among n sorted values, 1-based, 0 where the values do not bound it.
func QuantileSequence(q float64, n, planned int, alpha float64) (Ranks, error) {
	if err := firstOf(checkLevel("q", q), checkCount("n", n), checkCount("planned", planned-1), checkLevel("alpha", alpha)); err != nil {
		return Ranks{}, err
	}
	if n == 0 {
		return Ranks{}, nil
	}
	limit, weight := -math.Log(alpha), priorWeight(planned, alpha)
	plausible := func(k int) bool { return lnMixture(k, n, q, weight) < limit }
	// The counts below the quantile that q leaves plausible lie around n·q.
	middle := min(n, max(0, int(math.Round(q*float64(n)))))
	low := lastTrue(middle, -1, plausible)
	high := lastTrue(middle, n+1, plausible) + 1
	if high > n {
		high = 0
	}
	return Ranks{low, high}, nil
}

// lastTrue walks by halving from a place where the condition holds towards an
// end where it is not asked, and gives the last place where it holds.
func lastTrue(holds, end int, condition func(int) bool) int {
	for end-holds > 1 || holds-end > 1 {
		mid := (holds + end) / 2
		if condition(mid) {
			holds = mid
		} else {
			end = mid
		}
	}
	return holds
}

// AsymptoticRadius is the half-width of a confidence sequence for a weighted
// or verdict-assisted estimate: sd is the standard deviation of its influence
// values, n the labels, planned the labels at which it shall be tightest
// (Waudby-Smith et al. 2024). It is asymptotic and says so: below 100 labels
// ok is false.
func AsymptoticRadius(sd float64, n, planned int, alpha float64) (radius float64, ok bool, err error) {
	if err := firstOf(checkNonNegative("sd", sd), checkCount("n", n), checkCount("planned", planned-1), checkLevel("alpha", alpha)); err != nil {
		return 0, false, err
	}
	if n < 100 {
		return math.Inf(1), false, nil
	}
	size, rho := float64(n), asymptoticRho(planned, alpha)
	grown := size*rho*rho + 1
	return sd * math.Sqrt(2*grown/square(size*rho)*math.Log(math.Sqrt(grown)/alpha)), true, nil
}

func asymptoticRho(planned int, alpha float64) float64 {
	return math.Sqrt(mixtureScale(alpha) / float64(planned))
}

// LnNormalMixture is the mixture sequential probability ratio test for a mean
// difference d of n pairs with a known variance per pair, under a normal prior
// (Johari et al. 2022). For completeness: at rates of 2 % it needs large n.
func LnNormalMixture(n int, d, variance, prior float64) (float64, error) {
	if err := firstOf(checkCount("n", n), checkPositive("variance", variance), checkPositive("prior", prior)); err != nil {
		return 0, err
	}
	if !finite(d) {
		return 0, invalid("d", d, "finite")
	}
	size := float64(n)
	spread := variance + size*prior
	return 0.5*math.Log(variance/spread) + square(size*d)*prior/(2*variance*spread), nil
}
