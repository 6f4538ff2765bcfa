package stats

import (
	"math"
	"time"
)

// AdaptiveRule lets the sampling rate of one task class and flag group follow
// what is seen there: up at once, down slowly.
type AdaptiveRule struct {
	Base     float64       // the floor: 0.001 to 0.01, flagged 0.05 to 0.10
	Max      float64       // the cap: 0.10 for random, 1 for safety
	Raise    float64       // factor of one step up: 4
	HalfLife time.Duration // of the way down: 6 h
	Dwell    time.Duration // after a raise nothing decays for this long: 2 h
	QuietFor int           // consecutive quiet evaluations before it decays: 2
}

// DefaultAdaptive is the published rule for random sampling.
var DefaultAdaptive = AdaptiveRule{Base: 0.005, Max: 0.10, Raise: 4, HalfLife: 6 * time.Hour, Dwell: 2 * time.Hour, QuietFor: 2}

// Signal is what an evaluation saw.
type Signal uint8

// The signals.
const (
	Steady Signal = iota // neither
	Spike
	Calm
)

// JudgeSpike reads the last 24 hours against the objective's allowance: a
// CUSUM alarm, or a one-sided lower limit above it, is a spike; an upper limit
// below it is calm, and where there are too few labels for any such limit, a
// CUSUM at zero with a rate within the allowance.
func JudgeSpike(lastDay Observation, watch CUSUM, score, allowed float64) (Signal, error) {
	if err := firstOf(lastDay.check("last day"), checkNonNegative("score", score), checkLevel("allowed", allowed)); err != nil {
		return Steady, err
	}
	if watch.Alarm(score) || lastDay.lower(0.05) > allowed {
		return Spike, nil
	}
	few := zeroEventBound(lastDay.N, 0.05) >= allowed
	if lastDay.upper(0.05) < allowed || (few && score == 0 && lastDay.rate() <= allowed) {
		return Calm, nil
	}
	return Steady, nil
}

// AdaptiveState is what the rule remembers. The zero value begins at the base.
type AdaptiveState struct {
	Rate      float64
	Epoch     int       // moves with every change of the rate: a new stratum for the estimate
	RaisedAt  time.Time // of the last raise
	Evaluated time.Time // of the last evaluation
	Quiet     int       // consecutive calm evaluations
}

// Next is the state after an evaluation. A raise tied to an open incident does
// not decay before it is resolved. Since the rate depends on the past alone,
// estimates over the recorded probabilities stay unbiased; estimate by epoch
// and never pool.
func (r AdaptiveRule) Next(state AdaptiveState, now time.Time, signal Signal, incidentOpen bool) (AdaptiveState, error) {
	if err := r.check(); err != nil {
		return state, err
	}
	if state.Rate == 0 {
		state.Rate = r.Base
	}
	elapsed := now.Sub(state.Evaluated)
	if state.Evaluated.IsZero() || elapsed < 0 {
		elapsed = 0
	}
	state.Evaluated = now
	before := state.Rate
	switch signal {
	case Spike:
		state.Rate = min(r.Max, r.Raise*state.Rate)
		state.RaisedAt, state.Quiet = now, 0
	case Calm:
		state.Quiet++
		dwelled := state.RaisedAt.IsZero() || now.Sub(state.RaisedAt) >= r.Dwell
		if state.Quiet >= r.QuietFor && dwelled && !incidentOpen {
			state.Rate = r.decayed(state.Rate, elapsed)
		}
	default:
		state.Quiet = 0
	}
	if state.Rate != before {
		state.Epoch++
	}
	return state, nil
}

func (r AdaptiveRule) check() error {
	if err := firstOf(checkProbability("base", r.Base), checkProbability("max", r.Max)); err != nil {
		return err
	}
	switch {
	case r.Max < r.Base:
		return invalid("max", r.Max, "at least the base")
	case !(r.Raise > 1):
		return invalid("raise", r.Raise, "above 1")
	case r.HalfLife <= 0:
		return invalid("half-life", r.HalfLife, "positive")
	}
	return nil
}

// decayed moves towards the base. What is left of a raise below a thousandth
// of the base is dropped, so that epochs end.
func (r AdaptiveRule) decayed(rate float64, elapsed time.Duration) float64 {
	rest := (rate - r.Base) * math.Exp2(-float64(elapsed)/float64(r.HalfLife))
	if rest < r.Base/1000 {
		return r.Base
	}
	return r.Base + rest
}

// RatePlan is one group's wish for sampling.
type RatePlan struct {
	Rate   float64 // wished
	Floor  float64 // never below
	Volume float64 // responses expected
}

// FitRates scales all rates above their floors by one factor so that the
// expected sample keeps within a budget. Floors are kept even when they alone
// exceed it.
func FitRates(plans []RatePlan, budget float64) ([]float64, error) {
	if err := checkNonNegative("budget", budget); err != nil {
		return nil, err
	}
	for _, p := range plans {
		if err := firstOf(checkShare("rate", p.Rate), checkShare("floor", p.Floor), checkNonNegative("volume", p.Volume)); err != nil {
			return nil, err
		}
	}
	rates := make([]float64, len(plans))
	expected := func(factor float64) float64 {
		total := 0.0
		for i, p := range plans {
			rates[i] = max(p.Floor, factor*p.Rate)
			total += rates[i] * p.Volume
		}
		return total
	}
	if expected(1) <= budget {
		return rates, nil
	}
	factor := bisect(0, 1, func(f float64) bool { return expected(f) > budget })
	expected(factor)
	return rates, nil
}
