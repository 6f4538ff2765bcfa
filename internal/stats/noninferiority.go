package stats

import "math"

// NonInferiorityResult says whether a candidate is no worse than the baseline
// by a margin.
type NonInferiorityResult struct {
	Verdict
	Difference         // two-sided at 1-2·alpha, so that its High is the one-sided limit
	Margin     float64 // on the same scale, positive
	Z          float64 // score statistic at the margin; negative speaks for the candidate
	P          float64 // one-sided
}

// NonInferiority tests a difference of at least margin against less
// (Miettinen & Nurminen 1985; Farrington & Manning 1990). Pass when the
// one-sided upper limit at alpha lies below the margin, Fail when the lower
// one lies above it, else Inconclusive. "Not significantly different" never
// passes. The margin is absolute, per task class, and fixed before the run.
func NonInferiority(candidate, baseline Arm, margin, alpha float64) (NonInferiorityResult, error) {
	if err := firstOf(candidate.check("candidate"), baseline.check("baseline"), checkLevel("margin", margin), checkAlpha(alpha)); err != nil {
		return NonInferiorityResult{}, err
	}
	result := NonInferiorityResult{Margin: margin, P: 1, Difference: noDifference(1 - 2*alpha)}
	if candidate.N == 0 || baseline.N == 0 {
		result.Verdict = Verdict{Inconclusive, ReasonNoLabels}
		return result, nil
	}
	z := oneSidedZ(1 - alpha)
	result.Difference = Difference{
		Value: candidate.rate() - baseline.rate(), Defined: true,
		Interval: Interval{scoreLower(candidate, baseline, z), scoreUpper(candidate, baseline, z), 1 - 2*alpha},
	}
	result.Z = scoreZ(candidate, baseline, margin, true)
	result.P = normalTail(-result.Z)
	result.Verdict = againstMargin(result.Interval, margin)
	return result, nil
}

func checkAlpha(alpha float64) error {
	if !(alpha > 0 && alpha < 0.5) {
		return invalid("alpha", alpha, "strictly between 0 and 0.5")
	}
	return nil
}

func againstMargin(limits Interval, margin float64) Verdict {
	switch {
	case limits.High < margin:
		return Verdict{Pass, ReasonWithinMargin}
	case limits.Low > margin:
		return Verdict{Fail, ReasonWorse}
	}
	return Verdict{Inconclusive, ReasonNotExcluded}
}

// SuggestedMargin is half the objective's allowance, but at least one
// percentage point and at most the allowance itself.
func SuggestedMargin(allowed float64) float64 { return min(allowed, max(0.5*allowed, 0.01)) }

// NonInferioritySize is the number of labels per arm that excludes a margin
// with the given power when both arms have the same rate. Round up.
func NonInferioritySize(rate, margin, alpha, power float64) (float64, error) {
	if err := firstOf(checkShare("rate", rate), checkLevel("margin", margin), checkAlpha(alpha), checkLevel("power", power)); err != nil {
		return 0, err
	}
	return square((oneSidedZ(1-alpha)+oneSidedZ(power))/margin) * 2 * rate * (1 - rate), nil
}

// SuperioritySize is the number of labels per arm that tells two rates apart
// with the given power. alpha is one-sided: give half of a two-sided one.
func SuperioritySize(one, other, alpha, power float64) (float64, error) {
	if err := firstOf(checkShare("one", one), checkShare("other", other), checkAlpha(alpha), checkLevel("power", power)); err != nil {
		return 0, err
	}
	if one == other {
		return 0, invalid("other", other, "different from the first rate")
	}
	mean := (one + other) / 2
	pooled := math.Sqrt(2 * mean * (1 - mean))
	apart := math.Sqrt(one*(1-one) + other*(1-other))
	return square((oneSidedZ(1-alpha)*pooled + oneSidedZ(power)*apart) / (one - other)), nil
}

// ReachableFixedMargin is the smallest margin that one look at n labels per
// arm can exclude when both arms have the same rate.
func ReachableFixedMargin(rate float64, n int, alpha float64) (float64, error) {
	if err := firstOf(checkShare("rate", rate), checkCount("n", n), checkAlpha(alpha)); err != nil {
		return 0, err
	}
	if n == 0 {
		return 1, nil
	}
	arm := Arm{rate * float64(n), float64(n)}
	return scoreUpper(arm, arm, oneSidedZ(1-alpha)), nil
}
