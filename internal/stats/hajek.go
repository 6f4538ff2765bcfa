package stats

import (
	"cmp"
	"math"
	"slices"
)

// Variance says what a standard error is about.
type Variance uint8

// The two questions.
const (
	// OfProcess asks what this model's rate is. A window labeled to the last
	// item is still a finite sample of behaviour. The default, and the one for
	// comparisons and gates.
	OfProcess Variance = iota
	// OfWindow asks what happened in this window. It goes to zero as
	// everything in it is labeled.
	OfWindow
)

// Weighted is one labeled item with the probability it was sampled with. Items
// that were hand-picked (discovery) have none and must not be among them.
type Weighted struct {
	Y float64 // 1 bad, 0 good, or in between
	P float64 // inclusion probability, in (0,1]
}

func checkSample(sample []Weighted) error {
	for _, s := range sample {
		if err := firstOf(checkShare("y", s.Y), checkProbability("p", s.P)); err != nil {
			return err
		}
	}
	return nil
}

// Total is an estimated sum over a population.
type Total struct {
	Value float64
	SE    float64
}

// HorvitzThompson estimates the number of bad items in the frame from an
// independent (Poisson, priority or successive) sample: Σ y/p, with its design
// standard error. Divided by a known population it is an unbiased rate, but
// one that may leave [0,1]: for rates use Hajek or Stratified (Horvitz &
// Thompson 1952).
func HorvitzThompson(sample []Weighted) (Total, error) {
	if err := checkSample(sample); err != nil {
		return Total{}, err
	}
	var sum, variance float64
	for _, s := range sample {
		sum += s.Y / s.P
		variance += (1 - s.P) * square(s.Y/s.P)
	}
	return Total{sum, math.Sqrt(variance)}, nil
}

// Hajek estimates the rate of the frame from items with unequal inclusion
// probabilities: Σ(y/p) / Σ(1/p) (Hájek 1971; Särndal, Swensson & Wretman
// 1992), with Wilson on its effective size. Fewer than two labels carry
// ReasonFewLabels and the interval [0,1].
func Hajek(sample []Weighted, about Variance, level float64) (Estimate, error) {
	if err := firstOf(checkSample(sample), checkLevel("level", level)); err != nil {
		return Estimate{}, err
	}
	if len(sample) == 0 {
		return undefined(EstimatorHajek, level), nil
	}
	weights := make([]float64, len(sample))
	for i, s := range sample {
		weights[i] = 1 / s.P
	}
	p := weightedMean(sample, weights)
	variance := 0.0
	for i, s := range sample {
		residual := square(weights[i] * (s.Y - p))
		if about == OfWindow {
			residual *= 1 - s.P
		}
		variance += residual
	}
	n := float64(len(sample))
	total := sum(weights)
	variance /= total * total
	if about == OfProcess && n > 1 {
		variance *= n / (n - 1)
	}
	e := Estimate{
		Value: p, Defined: true, SE: math.Sqrt(variance),
		Numerator: badOf(sample), Denominator: len(sample), Population: int(math.Round(total)),
		EffectiveN: effectiveSize(p, variance, weights),
		Coverage:   1, Response: 1, Estimator: EstimatorHajek,
	}
	e.settle(level)
	if len(sample) < 2 {
		e.Interval = Interval{0, 1, level}
		e.Worst = e.Interval
		e.because(ReasonFewLabels)
	}
	return e, nil
}

func weightedMean(sample []Weighted, weights []float64) float64 {
	bad := 0.0
	for i, s := range sample {
		bad += weights[i] * s.Y
	}
	return clamp(bad/sum(weights), 0, 1)
}

func badOf(sample []Weighted) float64 {
	bad := 0.0
	for _, s := range sample {
		bad += s.Y
	}
	return bad
}

func sum(xs []float64) float64 {
	total := 0.0
	for _, x := range xs {
		total += x
	}
	return total
}

// effectiveSize is p(1-p)/V, and Kish's where that says nothing.
func effectiveSize(p, variance float64, weights []float64) float64 {
	if p <= 0 || p >= 1 || variance <= 0 {
		return kish(weights)
	}
	return p * (1 - p) / variance
}

// Kish is the effective number of labels that weights alone leave:
// (Σw)²/Σw². No weights give 0.
func Kish(weights []float64) (float64, error) {
	for _, w := range weights {
		if err := checkPositive("weight", w); err != nil {
			return 0, err
		}
	}
	return kish(weights), nil
}

func kish(weights []float64) float64 {
	var one, two float64
	for _, w := range weights {
		one += w
		two += w * w
	}
	if two == 0 {
		return 0
	}
	return one * one / two
}

// InDomain is one sampled item of a stratified sample, in the domain asked
// about or not.
type InDomain struct {
	Stratum string
	In      bool
	Y       float64 // read only when In
}

// Domain estimates the rate within a domain that cuts across the sampling
// strata, such as one model version. The sample holds every sampled item of
// every stratum, in the domain or not: dropping the others is the usual error
// and understates the variance. populations are the strata's frame totals.
func Domain(sample []InDomain, populations map[string]int, about Variance, level float64) (Estimate, error) {
	if err := firstOf(checkDomain(sample, populations), checkLevel("level", level)); err != nil {
		return Estimate{}, err
	}
	sizes := map[string]int{}
	for _, s := range sample {
		sizes[s.Stratum]++
	}
	weight := func(s InDomain) float64 { return float64(populations[s.Stratum]) / float64(sizes[s.Stratum]) }

	var total, bad, raw float64
	var weights []float64
	for _, s := range sample {
		if s.In {
			weights = append(weights, weight(s))
			total += weight(s)
			bad += weight(s) * s.Y
			raw += s.Y
		}
	}
	if len(weights) == 0 {
		return undefined(EstimatorDomain, level), nil
	}
	p := clamp(bad/total, 0, 1)
	influences := map[string][]float64{}
	for _, s := range sample {
		z := 0.0
		if s.In {
			z = weight(s) * (s.Y - p) / total
		}
		influences[s.Stratum] = append(influences[s.Stratum], z)
	}
	variance, single := 0.0, false
	for _, stratum := range sortedKeys(influences) {
		z := influences[stratum]
		n := float64(len(z))
		if n < 2 {
			single = true
			variance += z[0] * z[0]
			continue
		}
		correction := 1.0
		if about == OfWindow {
			correction = max(0, 1-n/float64(populations[stratum]))
		}
		variance += correction * n / (n - 1) * squaredDeviations(z)
	}
	e := Estimate{
		Value: p, Defined: true, SE: math.Sqrt(variance),
		Numerator: raw, Denominator: len(weights), Population: int(math.Round(total)),
		EffectiveN: effectiveSize(p, variance, weights),
		Coverage:   1, Response: 1, Estimator: EstimatorDomain,
	}
	e.settle(level)
	if single {
		e.because(ReasonSingleLabel)
	}
	return e, nil
}

func checkDomain(sample []InDomain, populations map[string]int) error {
	sizes := map[string]int{}
	for _, s := range sample {
		sizes[s.Stratum]++
		if s.In {
			if err := checkShare("y", s.Y); err != nil {
				return err
			}
		}
	}
	for stratum, n := range sizes {
		if populations[stratum] < n {
			return invalid("population of "+stratum, populations[stratum], "at least its number of sampled items")
		}
	}
	return nil
}

func squaredDeviations(xs []float64) float64 {
	mean := sum(xs) / float64(len(xs))
	total := 0.0
	for _, x := range xs {
		total += square(x - mean)
	}
	return total
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Clustered is one label of a cluster, such as a user or a session, whose
// labels resemble each other.
type Clustered struct {
	Cluster string
	Y       float64
	Weight  float64 // positive
}

// Clusters estimates the rate with the cluster as the unit of variance (Lumley
// 2010). Use it when the median cluster has more than 1.2 labels. With fewer
// than two clusters the interval is [0,1].
func Clusters(sample []Clustered, level float64) (Estimate, error) {
	if err := checkLevel("level", level); err != nil {
		return Estimate{}, err
	}
	var total, bad, raw float64
	weights := make([]float64, len(sample))
	for i, s := range sample {
		if err := firstOf(checkShare("y", s.Y), checkPositive("weight", s.Weight)); err != nil {
			return Estimate{}, err
		}
		weights[i] = s.Weight
		total += s.Weight
		bad += s.Weight * s.Y
		raw += s.Y
	}
	if len(sample) == 0 {
		return undefined(EstimatorCluster, level), nil
	}
	p := clamp(bad/total, 0, 1)
	errorsOf := map[string]float64{}
	for _, s := range sample {
		errorsOf[s.Cluster] += s.Weight * (s.Y - p)
	}
	m, variance := float64(len(errorsOf)), 0.0
	for _, cluster := range sortedKeys(errorsOf) {
		variance += square(errorsOf[cluster])
	}
	variance /= total * total
	if m > 1 {
		variance *= m / (m - 1)
	}
	e := Estimate{
		Value: p, Defined: true, SE: math.Sqrt(variance),
		Numerator: raw, Denominator: len(sample), EffectiveN: effectiveSize(p, variance, weights),
		Coverage: 1, Response: 1, Estimator: EstimatorCluster,
	}
	if p <= 0 || p >= 1 {
		// All alike: a cluster then says no more than one label does.
		e.EffectiveN = min(e.EffectiveN, m)
	}
	e.settle(level)
	if m < 2 {
		e.Interval = Interval{0, 1, level}
		e.Worst = e.Interval
		e.because(ReasonFewLabels)
	}
	return e, nil
}

// Sampled is one sampled item, labeled or not. "Cannot tell" is a label, not
// a missing one.
type Sampled struct {
	// Groups are the response groups it belongs to, finest first (say stratum ×
	// task class × language, then stratum). The first with enough respondents
	// speaks for it.
	Groups    []string
	P         float64 // inclusion probability
	Responded bool
	Y         float64 // read only when Responded
}

// NonresponseResult is the rate among all sampled items, of which some are
// not labeled.
type NonresponseResult struct {
	Adjusted   float64   // respondents stand for the others of their group
	Unadjusted float64   // respondents alone
	Response   float64   // weighted share that responded
	Worst      Interval  // others all good, others all bad; Level is 1
	Weights    []float64 // adjusted weight of each item; 0 where it did not respond
}

// respondentsPerGroup is how many respondents a response group needs to speak
// for its others.
const respondentsPerGroup = 10

// AdjustNonresponse weighs each labeled item by one over its group's response
// rate (Little & Rubin 2002). A group with fewer than minimum respondents
// leaves the word to the next coarser one of its items; minimum 0 means ten.
// Without a single respondent the rates are 0 and Worst is [0,1].
func AdjustNonresponse(sample []Sampled, minimum int) (NonresponseResult, error) {
	minimum = cmp.Or(minimum, respondentsPerGroup)
	rates, err := responseRates(sample)
	if err != nil {
		return NonresponseResult{}, err
	}
	result := NonresponseResult{Weights: make([]float64, len(sample))}
	var all, answered, bad, adjusted, adjustedBad float64
	for i, s := range sample {
		w := 1 / s.P
		all += w
		if !s.Responded {
			continue
		}
		answered += w
		bad += w * s.Y
		result.Weights[i] = w / speaking(s.Groups, rates, minimum).rate()
		adjusted += result.Weights[i]
		adjustedBad += result.Weights[i] * s.Y
	}
	result.Worst = Interval{0, 1, 1}
	if answered == 0 {
		return result, nil
	}
	result.Adjusted = adjustedBad / adjusted
	result.Unadjusted = bad / answered
	result.Response = answered / all
	result.Worst = Interval{bad / all, (bad + all - answered) / all, 1}
	return result, nil
}

type responseRate struct {
	respondents   int
	answered, all float64
}

func (r responseRate) rate() float64 { return r.answered / r.all }

func responseRates(sample []Sampled) (map[string]responseRate, error) {
	rates := map[string]responseRate{}
	for _, s := range sample {
		if err := checkProbability("p", s.P); err != nil {
			return nil, err
		}
		if len(s.Groups) == 0 {
			return nil, invalid("groups", s.Groups, "at least one")
		}
		if s.Responded {
			if err := checkShare("y", s.Y); err != nil {
				return nil, err
			}
		}
		for _, group := range s.Groups {
			r := rates[group]
			r.all += 1 / s.P
			if s.Responded {
				r.respondents++
				r.answered += 1 / s.P
			}
			rates[group] = r
		}
	}
	return rates, nil
}

// speaking is the rate of the finest group with enough respondents, else that
// of the coarsest.
func speaking(groups []string, rates map[string]responseRate, minimum int) responseRate {
	for _, group := range groups {
		if rates[group].respondents >= minimum {
			return rates[group]
		}
	}
	return rates[groups[len(groups)-1]]
}

// Calibrate scales weights so that they sum, cell by cell, to totals that are
// known exactly, such as responses per day, task class and arm
// (post-stratification). cells and weights run in parallel. A cell with a
// known total and no item cannot be represented: it is an error that names it.
func Calibrate(weights []float64, cells []string, totals map[string]int) ([]float64, error) {
	if len(weights) != len(cells) {
		return nil, invalid("cells", len(cells), "as many as there are weights")
	}
	sums := map[string]float64{}
	for i, w := range weights {
		if err := checkPositive("weight", w); err != nil {
			return nil, err
		}
		sums[cells[i]] += w
	}
	for cell, total := range totals {
		if total < 0 {
			return nil, invalid("total of "+cell, total, "at least 0")
		}
		if total > 0 && sums[cell] == 0 {
			return nil, invalid("weight of "+cell, 0, "positive, since the cell has responses; join it with another first")
		}
	}
	calibrated := make([]float64, len(weights))
	for i, w := range weights {
		total, known := totals[cells[i]]
		if !known {
			return nil, invalid("total of "+cells[i], "unknown", "known")
		}
		calibrated[i] = w * float64(total) / sums[cells[i]]
	}
	return calibrated, nil
}
