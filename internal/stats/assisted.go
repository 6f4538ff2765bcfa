package stats

import "math"

// ByVerdict estimates the rate when every response has a machine verdict and a
// random part of them a label: each verdict of each validator version is a
// stratum, a missing verdict is one of its own. It needs no tuning, is right at
// small counts and uses all that a verdict with few values can tell. It is the
// default; the other estimators here are for scores with many values.
func ByVerdict(cells []Stratum, level float64) (Estimate, error) {
	e, err := Stratified(cells, OfProcess, level)
	e.Estimator = EstimatorVerdicts
	return e, err
}

// Scored is a label beside the machine's score of the same response. The score
// must not have been learned from these labels.
type Scored struct {
	Y float64 // 1 bad
	F float64 // the machine's probability of bad
}

// Scores are the moments of the machine's scores over many responses.
type Scores struct {
	N        int
	Mean     float64
	Variance float64 // with divisor N
}

// ScoresOf takes the moments of scores in [0,1].
func ScoresOf(f []float64) (Scores, error) {
	for _, x := range f {
		if err := checkShare("score", x); err != nil {
			return Scores{}, err
		}
	}
	if len(f) == 0 {
		return Scores{}, nil
	}
	n := float64(len(f))
	return Scores{len(f), sum(f) / n, squaredDeviations(f) / n}, nil
}

func (s Scores) check() error {
	if err := firstOf(checkCount("scores", s.N), checkShare("mean score", s.Mean)); err != nil {
		return err
	}
	if !(s.Variance >= 0 && s.Variance <= 0.25+1e-9) {
		return invalid("variance of scores", s.Variance, "between 0 and 0.25")
	}
	return nil
}

// PredictionPoweredResult is an estimate with how far the scores were trusted.
type PredictionPoweredResult struct {
	Estimate
	Lambda float64 // 0: labels alone; 1: scores corrected by labels
}

// PredictionPowered joins the mean score of unlabeled responses with the
// labels' residuals, both simple random samples of the same traffic (PPI++,
// Angelopoulos, Duchi & Zrnic 2023). It is never worse than labels alone in
// large samples. Where few labels are bad (or few are good) the interval is
// Wilson on the effective size; else normal. Without labels it is undefined.
func PredictionPowered(labeled []Scored, unlabeled Scores, level float64) (PredictionPoweredResult, error) {
	if err := checkPredictions(labeled, unlabeled, level); err != nil {
		return PredictionPoweredResult{}, err
	}
	return predictionPowered(labeled, unlabeled, tuned([][]Scored{labeled}, []Scores{unlabeled}), level), nil
}

func checkPredictions(labeled []Scored, unlabeled Scores, level float64) error {
	for _, s := range labeled {
		if err := firstOf(checkShare("y", s.Y), checkShare("score", s.F)); err != nil {
			return err
		}
	}
	return firstOf(unlabeled.check(), checkLevel("level", level))
}

// tuned is the trust in the scores that minimizes the variance: covariance of
// labels and scores over the scores' variance, over all strata given.
func tuned(labeled [][]Scored, unlabeled []Scores) float64 {
	var n, big float64
	var meanY, meanF, meanAll float64
	for h := range labeled {
		n += float64(len(labeled[h]))
		big += float64(unlabeled[h].N)
		for _, s := range labeled[h] {
			meanY += s.Y
			meanF += s.F
		}
		meanAll += unlabeled[h].Mean * float64(unlabeled[h].N)
	}
	if n == 0 || big == 0 || n+big < 2 {
		return 0
	}
	meanAll = (meanAll + meanF) / (n + big)
	meanY, meanF = meanY/n, meanF/n
	var covariance, squares float64
	for h := range labeled {
		for _, s := range labeled[h] {
			covariance += (s.Y - meanY) * (s.F - meanF)
			squares += square(s.F - meanAll)
		}
		squares += float64(unlabeled[h].N) * (unlabeled[h].Variance + square(unlabeled[h].Mean-meanAll))
	}
	variance := squares / (n + big - 1)
	if variance <= 0 {
		return 0
	}
	return clamp(covariance/n/((1+n/big)*variance), 0, 1)
}

func predictionPowered(labeled []Scored, unlabeled Scores, lambda, level float64) PredictionPoweredResult {
	n := float64(len(labeled))
	if n == 0 {
		return PredictionPoweredResult{Estimate: undefined(EstimatorPPI, level)}
	}
	if unlabeled.N == 0 {
		lambda = 0
	}
	residuals, bad := make([]float64, len(labeled)), 0.0
	for i, s := range labeled {
		residuals[i] = s.Y - lambda*s.F
		bad += s.Y
	}
	residual := sum(residuals) / n
	theta := lambda*unlabeled.Mean + residual
	spread := squaredDeviations(residuals) / n
	if spread < 1e-15 {
		spread = 0
	}
	variance := spread / n
	if lambda > 0 {
		variance += lambda * lambda * unlabeled.Variance / float64(unlabeled.N)
	}
	e := Estimate{
		Value: clamp(theta, 0, 1), Defined: true, SE: math.Sqrt(variance),
		Numerator: bad, Denominator: len(labeled), Population: len(labeled) + unlabeled.N,
		EffectiveN: n, Coverage: 1, Response: 1, Estimator: EstimatorPPI,
	}
	if theta > 0 && theta < 1 && variance > 0 {
		e.EffectiveN = theta * (1 - theta) / variance
	}
	e.Interval = e.aroundPredictions(spread, lambda, unlabeled, level)
	e.Worst = e.Interval
	return PredictionPoweredResult{e, lambda}
}

// aroundPredictions is Wilson for few events, normal else; where no residual
// differs it takes what as many pairs without a difference allow (Tango), so
// that agreement in a sample is never proof of agreement.
func (e Estimate) aroundPredictions(spread, lambda float64, unlabeled Scores, level float64) Interval {
	const fewEvents = 15
	z, n := twoSidedZ(level), float64(e.Denominator)
	if spread == 0 && lambda > 0 {
		scores := wilson(unlabeled.Mean, float64(unlabeled.N), z, level)
		pairs := tango(Pairs{Neither: e.Denominator}, z, level)
		below := math.Hypot(lambda*(unlabeled.Mean-scores.Low), pairs.Low)
		above := math.Hypot(lambda*(scores.High-unlabeled.Mean), pairs.High)
		return Interval{max(0, e.Value-below), min(1, e.Value+above), level}
	}
	if spread == 0 || n*e.Value < fewEvents || n*(1-e.Value) < fewEvents {
		return wilson(e.Value, e.EffectiveN, z, level)
	}
	return Interval{max(0, e.Value-z*e.SE), min(1, e.Value+z*e.SE), level}
}

// PredictedStratum is one stratum of a score-assisted estimate.
type PredictedStratum struct {
	Weight    float64 // its share of the traffic, in any unit
	Labeled   []Scored
	Unlabeled Scores
}

// labelsToTune is how many labels a stratum needs for a trust of its own.
const labelsToTune = 20

// StratifiedPredictionPowered is PredictionPowered within strata (Fisch et al.
// 2024). A stratum with fewer than least labels (0 means 20) shares the trust
// tuned on all strata. A stratum with traffic and without labels leaves the
// estimate undefined. Lambda is the weighted mean of the strata's.
func StratifiedPredictionPowered(strata []PredictedStratum, least int, level float64) (PredictionPoweredResult, error) {
	if least == 0 {
		least = labelsToTune
	}
	var labeled [][]Scored
	var unlabeled []Scores
	total := 0.0
	for _, s := range strata {
		if err := firstOf(checkPredictions(s.Labeled, s.Unlabeled, level), checkNonNegative("weight", s.Weight)); err != nil {
			return PredictionPoweredResult{}, err
		}
		labeled, unlabeled = append(labeled, s.Labeled), append(unlabeled, s.Unlabeled)
		total += s.Weight
	}
	pooled := tuned(labeled, unlabeled)
	result := PredictionPoweredResult{Estimate: undefined(EstimatorPPI, level)}
	if total == 0 {
		return result, nil
	}
	joint := Estimate{Defined: true, Coverage: 1, Response: 1, Estimator: EstimatorPPI}
	var variance, below, above, lambda float64
	for h, s := range strata {
		if s.Weight == 0 {
			continue
		}
		if len(s.Labeled) == 0 {
			return result, nil
		}
		trust := pooled
		if len(s.Labeled) >= least {
			trust = tuned(labeled[h:h+1], unlabeled[h:h+1])
		}
		w, own := s.Weight/total, predictionPowered(s.Labeled, s.Unlabeled, trust, level)
		joint.Value += w * own.Value
		joint.Numerator += own.Numerator
		joint.Denominator += own.Denominator
		joint.Population += own.Population
		variance += square(w * own.SE)
		below += square(w * (own.Value - own.Low))
		above += square(w * (own.High - own.Value))
		lambda += w * own.Lambda
	}
	joint.SE = math.Sqrt(variance)
	joint.EffectiveN = float64(joint.Denominator)
	if joint.Value > 0 && joint.Value < 1 && variance > 0 {
		joint.EffectiveN = joint.Value * (1 - joint.Value) / variance
	}
	joint.Interval = Interval{max(0, joint.Value-math.Sqrt(below)), min(1, joint.Value+math.Sqrt(above)), level}
	joint.Worst = joint.Interval
	return PredictionPoweredResult{joint, lambda}, nil
}

// ScoredWeighted is a label with the machine's score and its inclusion
// probability.
type ScoredWeighted struct {
	Y, F float64
	P    float64
}

// DifferenceForm chooses how the labeled residuals are scaled up.
type DifferenceForm uint8

// The forms.
const (
	ByWeights    DifferenceForm = iota // residuals over the sum of weights; the default
	ByPopulation                       // residuals over the known population; exactly unbiased
)

// Differences estimates the rate of the frame on which every response has a
// score, from labels sampled with unequal probabilities: mean score plus
// weighted residuals (Cassel, Särndal & Wretman 1976; active inference, Zrnic &
// Candès 2024). Scores may be as wrong as they like; wrong ones only widen it.
// frame holds the scores of the whole frame, labeled responses included.
func Differences(frame Scores, sample []ScoredWeighted, form DifferenceForm, about Variance, level float64) (Estimate, error) {
	if err := firstOf(frame.check(), checkLevel("level", level)); err != nil {
		return Estimate{}, err
	}
	weights, bad := make([]float64, len(sample)), 0.0
	for i, s := range sample {
		if err := firstOf(checkShare("y", s.Y), checkShare("score", s.F), checkProbability("p", s.P)); err != nil {
			return Estimate{}, err
		}
		weights[i] = 1 / s.P
		bad += s.Y
	}
	if frame.N < len(sample) {
		return Estimate{}, invalid("frame", frame.N, "at least the number of labels")
	}
	if len(sample) == 0 {
		return undefined(EstimatorDifference, level), nil
	}
	scale := float64(frame.N)
	if form == ByWeights {
		scale = sum(weights)
	}
	correction := 0.0
	for i, s := range sample {
		correction += weights[i] * (s.Y - s.F) / scale
	}
	centre := 0.0
	if form == ByWeights {
		centre = correction
	}
	variance := residualVariance(sample, centre, scale, about)
	if about == OfProcess {
		variance += frame.Variance / float64(frame.N)
	}
	e := Estimate{
		Value: clamp(frame.Mean+correction, 0, 1), Defined: true, SE: math.Sqrt(variance),
		Numerator: bad, Denominator: len(sample), Population: frame.N,
		Coverage: 1, Response: 1, Estimator: EstimatorDifference,
	}
	e.EffectiveN = effectiveSize(e.Value, variance, weights)
	e.Interval = wilson(e.Value, e.EffectiveN, twoSidedZ(level), level)
	e.Worst = e.Interval
	if len(sample) < 2 {
		e.Interval, e.Worst = Interval{0, 1, level}, Interval{0, 1, level}
		e.because(ReasonFewLabels)
	}
	return e, nil
}

func residualVariance(sample []ScoredWeighted, centre, scale float64, about Variance) float64 {
	variance := 0.0
	for _, s := range sample {
		residual := square((s.Y - s.F - centre) / s.P)
		if about == OfWindow {
			residual *= 1 - s.P
		}
		variance += residual
	}
	n := float64(len(sample))
	if about == OfProcess && n > 1 {
		variance *= n / (n - 1)
	}
	return variance / (scale * scale)
}

// Calibration is what labels said of a validator.
type Calibration struct {
	TruePositives, Positives int // bad responses it failed, bad responses
	TrueNegatives, Negatives int // good responses it passed, good responses
}

func (c Calibration) check() error {
	return firstOf(checkCounts(c.TruePositives, c.Positives), checkCounts(c.TrueNegatives, c.Negatives))
}

// ExpectedVerdictRate is the share of failing verdicts that a rate of bad
// responses shows as, by the calibration: the baseline of an alert on verdicts
// alone.
func (c Calibration) ExpectedVerdictRate(rate float64) (float64, error) {
	if err := firstOf(c.check(), checkShare("rate", rate)); err != nil {
		return 0, err
	}
	if c.Positives == 0 || c.Negatives == 0 {
		return 0, invalid("calibration", c, "made on both bad and good responses")
	}
	return rate*ratio(c.TruePositives, c.Positives) + (1-rate)*(1-ratio(c.TrueNegatives, c.Negatives)), nil
}

// RoganGladenResult is a corrected verdict rate. It assumes that the validator
// still errs as it did when calibrated, says so wherever it is shown, and never
// enters a gate.
type RoganGladenResult struct {
	Estimate
	Raw         float64  // before it is clamped to [0,1]
	RawInterval Interval // likewise
	Verdict              // Inconclusive when the validator is no better than chance
}

// RoganGladen corrects the share of k failing verdicts among n for what the
// validator misses and falsely fails (Rogan & Gladen 1978; interval of Lang &
// Reiczigel 2014). For windows with a recent calibration and no labels of
// their own.
func RoganGladen(k, n int, by Calibration, level float64) (RoganGladenResult, error) {
	if err := firstOf(checkCounts(k, n), by.check(), checkLevel("level", level)); err != nil {
		return RoganGladenResult{}, err
	}
	unusable := RoganGladenResult{
		Estimate:    undefined(EstimatorRoganGlad, level),
		RawInterval: Interval{0, 1, level},
		Verdict:     Verdict{Inconclusive, ReasonValidatorPoor},
	}
	if n == 0 || by.Positives == 0 || by.Negatives == 0 {
		unusable.Verdict.Reason = ReasonNoLabels
		return unusable, nil
	}
	z := twoSidedZ(level)
	se, sp := float64(by.TruePositives+1)/float64(by.Positives+2), float64(by.TrueNegatives+1)/float64(by.Negatives+2)
	seVariance, spVariance := se*(1-se)/float64(by.Positives+2), sp*(1-sp)/float64(by.Negatives+2)
	youden := se + sp - 1
	if youden-z*math.Sqrt(seVariance+spVariance) <= 0 {
		return unusable, nil
	}
	size := float64(n) + z*z
	q := (float64(k) + z*z/2) / size
	p := (q + sp - 1) / youden
	shift := 2 * z * z * (p*seVariance - (1-p)*spVariance)
	half := z * math.Sqrt(q*(1-q)/size+p*p*seVariance+square(1-p)*spVariance) / youden

	result := RoganGladenResult{RawInterval: Interval{p + shift - half, p + shift + half, level}}
	result.Verdict = Verdict{Inconclusive, ReasonNotExcluded}
	plainSe, plainSp := ratio(by.TruePositives, by.Positives), ratio(by.TrueNegatives, by.Negatives)
	plainYouden, rate := plainSe+plainSp-1, ratio(k, n)
	result.Raw = (rate + plainSp - 1) / plainYouden
	result.Estimate = Estimate{
		Value: clamp(result.Raw, 0, 1), Defined: true,
		Interval:  Interval{clamp(result.RawInterval.Low, 0, 1), clamp(result.RawInterval.High, 0, 1), level},
		Numerator: float64(k), Denominator: n, Population: n,
		Coverage: 1, Response: 1, Estimator: EstimatorRoganGlad,
	}
	result.Worst = result.Interval
	result.SE = math.Sqrt(rate*(1-rate)/float64(n)+square(result.Raw)*plainSe*(1-plainSe)/float64(by.Positives)+
		square(1-result.Raw)*plainSp*(1-plainSp)/float64(by.Negatives)) / plainYouden
	if p := result.Value; result.SE > 0 {
		result.EffectiveN = p * (1 - p) / square(result.SE)
	}
	if result.RawInterval.High < 0 {
		result.because(ReasonFalsePositives)
	}
	return result, nil
}

// VarianceLeft is the share of the variance, and so of the labels, that scores
// of a given correlation with the labels leave: 1 - correlation².
func VarianceLeft(correlation float64) (float64, error) {
	if !(correlation >= -1 && correlation <= 1) {
		return 0, invalid("correlation", correlation, "between -1 and 1")
	}
	return 1 - correlation*correlation, nil
}
