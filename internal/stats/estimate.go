package stats

// Interval is a confidence interval at Level (two-sided unless its maker says
// otherwise). Without data it is [0,1].
type Interval struct {
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Level float64 `json:"level"`
}

// wideWidth is the width above which an interval is said to be wide.
const wideWidth = 0.10

// Width is High - Low.
func (i Interval) Width() float64 { return i.High - i.Low }

// Wide is true when the interval spans more than ten percentage points.
func (i Interval) Wide() bool { return i.Width() > wideWidth }

// Contains is true for x within the closed interval.
func (i Interval) Contains(x float64) bool { return x >= i.Low && x <= i.High }

// hull is the smallest interval that holds both.
func (i Interval) hull(j Interval) Interval {
	return Interval{min(i.Low, j.Low), max(i.High, j.High), i.Level}
}

// The estimators, as stored beside a figure; the number after the slash moves
// when the figures they give move.
const (
	EstimatorWilson     = "wilson/1"
	EstimatorStratified = "stratified-mover-wilson/1"
	EstimatorHajek      = "hajek-wilson/1"
	EstimatorDomain     = "domain-hajek-wilson/1"
	EstimatorCluster    = "cluster-hajek-wilson/1"
	EstimatorTwoPhase   = "two-phase-mover-wilson/1"
	EstimatorVerdicts   = "post-stratified-by-verdict/1"
	EstimatorPPI        = "ppi++/1"
	EstimatorDifference = "difference/1"
	EstimatorRoganGlad  = "rogan-gladen/1"
)

// Estimate is a rate that never travels without what it stands on.
type Estimate struct {
	Value   float64 `json:"estimate"` // a share in [0,1]; 0 and meaningless unless Defined
	Defined bool    `json:"defined"`  // false when nothing was labeled
	Interval
	SE float64 `json:"se"` // standard error under the chosen variance

	Numerator   float64 `json:"numerator"`   // bad labels (a sum, when labels are soft), unweighted
	Denominator int     `json:"denominator"` // labels
	Population  int     `json:"population"`  // responses the estimate speaks of; 0 when not known
	EffectiveN  float64 `json:"effective_n"` // labels of a simple random sample that would say as much

	// Coverage is the share of the population in strata that were labeled, 1
	// when all were. The estimate speaks of the covered part only; Worst says
	// what the whole could be.
	Coverage float64 `json:"coverage"`
	// Response is the share of sampled items that were labeled, each weighing
	// as its stratum does; 1 when nothing is outstanding.
	Response float64 `json:"response"`
	// Worst holds the rates of the whole population that no assumption rules
	// out: unanswered items all good or all bad, uncovered traffic likewise.
	Worst Interval `json:"worst"`

	Estimator string   `json:"estimator"`
	Thin      bool     `json:"thin"` // say so beside the number
	Reasons   []Reason `json:"reasons,omitempty"`
}

// percentFrom is the number of labels from which a percent is worth reading.
const percentFrom = 10

// ShowPercent is true when the percent may be shown; below ten labels only
// "k/n" and the interval are.
func (e Estimate) ShowPercent() bool { return e.Defined && e.Denominator >= percentFrom }

// Has is true when the reason is among the estimate's.
func (e Estimate) Has(reason Reason) bool {
	for _, r := range e.Reasons {
		if r == reason {
			return true
		}
	}
	return false
}

func (e *Estimate) because(reason Reason) {
	if !e.Has(reason) {
		e.Reasons = append(e.Reasons, reason)
	}
}

// undefined is the estimate of nothing: no value, and every rate possible.
func undefined(estimator string, level float64) Estimate {
	everything := Interval{0, 1, level}
	return Estimate{
		Interval:  everything,
		Worst:     everything,
		Estimator: estimator,
		Reasons:   []Reason{ReasonNoLabels},
	}
}

// settle sets the interval from the effective size: Wilson on (n*·p, n*) with
// n* = min(n_eff, n).
func (e *Estimate) settle(level float64) {
	e.EffectiveN = min(e.EffectiveN, float64(e.Denominator))
	e.Interval = wilson(e.Value, e.EffectiveN, twoSidedZ(level), level)
	e.Worst = e.Interval
}
