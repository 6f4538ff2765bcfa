package stats

import "time"

// CanaryRule is the decision procedure's clock and error probabilities.
type CanaryRule struct {
	Earliest time.Duration // nothing is ready before: 24 h, a full day
	Latest   time.Duration // held after: 72 h
	Alpha    float64       // of harm over all metrics together, and of each non-inferiority: 0.05
	MaxSkips float64       // share of sampled items that may be skipped in an arm: 0.05
	Strict   bool          // ready only when the whole confidence sequence meets the objective
}

// DefaultCanary is the published rule.
var DefaultCanary = CanaryRule{Earliest: 24 * time.Hour, Latest: 72 * time.Hour, Alpha: 0.05, MaxSkips: 0.05}

// CanaryMetric is what is known of one gating metric of one task class. ln E
// of harm and of the objective are running maxima: once crossed, crossed.
type CanaryMetric struct {
	Name          string
	LnHarm        float64 // LnHarm or harm Bets
	LnNonInferior float64 // LnNonInferior or its Bets, at the metric's margin
	LnObjective   float64 // LnAbove of the candidate against the allowance; 0 when there is none
	Pairs         int     // pairs so far
	MinimumPairs  int
	Rate          float64 // the candidate's point estimate
	Upper         float64 // upper end of its RateSequence
	Allowed       float64 // the objective's allowance; 1 when there is none
	Mature        bool    // enough of the sampled items are labeled, in both arms
	SkipsCanary   float64 // share of the arm's sampled items that were skipped
	SkipsBaseline float64
}

// CanaryAction is what the procedure says to do now.
type CanaryAction string

// The actions. Ready means ready for approval: monitoring never approves.
const (
	RollBack CanaryAction = "roll_back"
	Continue CanaryAction = "continue"
	Ready    CanaryAction = "ready"
	Hold     CanaryAction = "hold"
)

// CanaryDecision is the answer with its reason and the metric it rests on.
type CanaryDecision struct {
	Action CanaryAction
	Verdict
	Metric string
}

// DecideCanary applies the procedure: harm or an event that must not occur
// rolls back at any time; nothing is ready before the earliest time; then every
// metric must have its evidence; at the latest time the canary is held, which
// is not a promotion. Without a metric nothing is ever ready. events counts
// zero-tolerance events of the candidate.
func DecideCanary(elapsed time.Duration, events int, metrics []CanaryMetric, rule CanaryRule) (CanaryDecision, error) {
	if err := checkCanary(elapsed, events, metrics, rule); err != nil {
		return CanaryDecision{}, err
	}
	if events > 0 {
		return CanaryDecision{RollBack, Verdict{Fail, ReasonEvent}, ""}, nil
	}
	if broken, found, err := firstHarm(metrics, rule.Alpha); err != nil || found {
		return broken, err
	}
	if elapsed < rule.Earliest {
		return CanaryDecision{Continue, Verdict{Inconclusive, ReasonTooEarly}, ""}, nil
	}
	missing, metric := stillMissing(metrics, rule)
	switch {
	case missing == "":
		return CanaryDecision{Ready, Verdict{Pass, ReasonWithinMargin}, ""}, nil
	case elapsed < rule.Latest:
		return CanaryDecision{Continue, Verdict{Inconclusive, missing}, metric}, nil
	}
	return CanaryDecision{Hold, Verdict{Inconclusive, ReasonTimeUp}, metric}, nil
}

func checkCanary(elapsed time.Duration, events int, metrics []CanaryMetric, rule CanaryRule) error {
	if elapsed < 0 {
		return invalid("elapsed", elapsed, "at least 0")
	}
	if err := firstOf(checkCount("events", events), checkLevel("alpha", rule.Alpha), checkShare("max skips", rule.MaxSkips)); err != nil {
		return err
	}
	for _, m := range metrics {
		err := firstOf(checkEvidence("ln harm", m.LnHarm), checkEvidence("ln non-inferior", m.LnNonInferior), checkEvidence("ln objective", m.LnObjective),
			checkShare("rate", m.Rate), checkShare("upper", m.Upper), checkProbability("allowed", m.Allowed),
			checkCount("pairs", m.Pairs), checkShare("skips of the canary", m.SkipsCanary), checkShare("skips of the baseline", m.SkipsBaseline))
		if err != nil {
			return err
		}
	}
	return nil
}

// checkEvidence lets infinities through and NaN not.
func checkEvidence(name string, lnE float64) error {
	if lnE != lnE {
		return invalid(name, lnE, "a number")
	}
	return nil
}

// firstHarm finds the strongest evidence of harm that stands after Holm's
// adjustment over all metrics and both kinds of harm.
func firstHarm(metrics []CanaryMetric, alpha float64) (CanaryDecision, bool, error) {
	p := make([]float64, 0, 2*len(metrics))
	for _, m := range metrics {
		p = append(p, AnytimeP(m.LnHarm), AnytimeP(m.LnObjective))
	}
	adjusted, err := Holm(p)
	if err != nil {
		return CanaryDecision{}, false, err
	}
	best := -1
	for i := range adjusted {
		if adjusted[i] <= alpha && (best < 0 || p[i] < p[best]) {
			best = i
		}
	}
	if best < 0 {
		return CanaryDecision{}, false, nil
	}
	reason := ReasonHarm
	if best%2 == 1 {
		reason = ReasonObjective
	}
	return CanaryDecision{RollBack, Verdict{Fail, reason}, metrics[best/2].Name}, true, nil
}

// stillMissing is the first reason why the canary is not ready, or "".
func stillMissing(metrics []CanaryMetric, rule CanaryRule) (Reason, string) {
	if len(metrics) == 0 {
		return ReasonMissing, ""
	}
	for _, m := range metrics {
		switch {
		case m.Pairs < m.MinimumPairs || m.Pairs == 0:
			return ReasonFewLabels, m.Name
		case !m.Mature:
			return ReasonImmature, m.Name
		case m.SkipsCanary > rule.MaxSkips || m.SkipsBaseline > rule.MaxSkips:
			return ReasonSkips, m.Name
		case !Crossed(m.LnNonInferior, rule.Alpha):
			return ReasonNotExcluded, m.Name
		case m.Rate > m.Allowed || (rule.Strict && m.Upper > m.Allowed):
			return ReasonAbove, m.Name
		}
	}
	return "", ""
}
