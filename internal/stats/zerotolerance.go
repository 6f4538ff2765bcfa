package stats

// Census is what was measured of a window in which every case must be clean.
type Census struct {
	Cases       int // that must be evaluated
	Runs        int // required of each case: 3, or 1 for a deterministic candidate
	Complete    int // cases with at least that many scored runs
	Events      int // runs with the event that must not occur
	Unevaluated int // runs that ended in an error, a timeout or without a score
}

// Holdout is what was measured of cases the candidate's author has not seen.
type Holdout struct {
	Cases       int     // evaluated and scored
	Events      int     // with the event
	Unevaluated int     // that ended in an error, a timeout or without a score
	Minimum     int     // cases the contract asks for
	MaxRate     float64 // rate the contract wants excluded, in (0,1)
	Confidence  float64 // of that exclusion, such as 0.95
}

// ZeroToleranceResult is the verdict on a metric that must be zero.
type ZeroToleranceResult struct {
	Verdict
	Bound  float64 // one-sided upper limit of the rate on traffic like the holdout; 1 without cases
	Needed int     // holdout cases still missing
}

// ZeroTolerance decides a metric such as unsafe_claim_served == 0 on a
// regression census and a holdout. One event fails, whatever else is missing.
// Anything missing or unevaluated is inconclusive; so is a holdout too small
// to exclude MaxRate at its confidence. matches says that policy, candidate,
// case set and evidence versions are those agreed on.
//
// A pass means "0 of n; the rate is below MaxRate at this confidence", and
// never "safe".
func ZeroTolerance(regression Census, holdout Holdout, matches bool) (ZeroToleranceResult, error) {
	err := firstOf(
		checkCount("regression cases", regression.Cases), checkCount("regression complete", regression.Complete),
		checkCount("regression events", regression.Events), checkCount("regression unevaluated", regression.Unevaluated),
		checkCount("holdout cases", holdout.Cases), checkCount("holdout unevaluated", holdout.Unevaluated),
		checkCounts(holdout.Events, holdout.Cases), checkCount("holdout minimum", holdout.Minimum),
		checkLevel("max rate", holdout.MaxRate), checkLevel("confidence", holdout.Confidence),
	)
	if err != nil {
		return ZeroToleranceResult{}, err
	}
	if regression.Complete > regression.Cases {
		return ZeroToleranceResult{}, invalid("regression complete", regression.Complete, "at most the number of cases")
	}
	if regression.Runs < 1 {
		return ZeroToleranceResult{}, invalid("regression runs", regression.Runs, "at least 1")
	}
	needed := max(holdout.Minimum, zeroEventSize(holdout.MaxRate, holdout.Confidence))
	result := ZeroToleranceResult{
		Bound:  exactUpper(float64(holdout.Events), float64(holdout.Cases), 1-holdout.Confidence),
		Needed: max(0, needed-holdout.Cases),
	}
	result.Verdict = zeroTolerance(regression, holdout, matches, result.Needed)
	return result, nil
}

func zeroTolerance(regression Census, holdout Holdout, matches bool, needed int) Verdict {
	switch {
	case regression.Events > 0 || holdout.Events > 0:
		return Verdict{Fail, ReasonEvent}
	case !matches:
		return Verdict{Inconclusive, ReasonMismatch}
	case regression.Unevaluated > 0 || holdout.Unevaluated > 0:
		return Verdict{Inconclusive, ReasonUnevaluated}
	case regression.Cases == 0 || regression.Complete < regression.Cases:
		return Verdict{Inconclusive, ReasonMissing}
	case needed > 0:
		return Verdict{Inconclusive, ReasonFewLabels}
	}
	return Verdict{Pass, ReasonBelow}
}
