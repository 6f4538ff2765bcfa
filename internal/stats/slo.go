package stats

import (
	"math"
	"time"
)

// Budget is how much of an objective's error allowance a period has used.
type Budget struct {
	Allowed   float64 // 1 - objective
	Burn      float64 // error rate over allowed: 1 spends the budget exactly at the period's end
	Consumed  float64 // share of the budget spent; may exceed 1
	Remaining float64 // 1 - Consumed; may be negative
}

// SpendBudget takes the objective (0.98), the bad and all responses of the
// period: both weighted to the traffic when labels are sampled, so bad is
// rate times total. An empty period has spent nothing.
func SpendBudget(objective, bad, total float64) (Budget, error) {
	if err := firstOf(checkLevel("objective", objective), checkNonNegative("bad", bad), checkNonNegative("total", total)); err != nil {
		return Budget{}, err
	}
	if bad > total {
		return Budget{}, invalid("bad", bad, "at most the total")
	}
	budget := Budget{Allowed: 1 - objective, Remaining: 1}
	if total > 0 {
		budget.Burn = bad / total / budget.Allowed
		budget.Consumed = bad / (budget.Allowed * total)
		budget.Remaining = 1 - budget.Consumed
	}
	return budget, nil
}

// BurnTier is one multi-window burn-rate rule: it fires when the burn of the
// long and of the short window reach the threshold (SRE Workbook, ch. 5).
type BurnTier struct {
	Long, Short time.Duration
	Threshold   float64 // as a multiple of the burn that just spends the budget
}

// BurnThreshold is the burn that spends a share of the period's budget within
// a window: 2 % of 30 days in an hour is 14.4.
func BurnThreshold(share float64, period, window time.Duration) (float64, error) {
	if err := checkProbability("share", share); err != nil {
		return 0, err
	}
	if window <= 0 || period < window {
		return 0, invalid("window", window, "positive and at most the period")
	}
	return share * float64(period) / float64(window), nil
}

// BurnTiers are the tiers of a period: outages at 2 % of the budget in an
// hour and 5 % in six, and the slow leak of 10 % in three days; for objectives
// of quality also 3 times in six hours, which a leak of 95 to 98 % can reach.
func BurnTiers(period time.Duration, quality bool) ([]BurnTier, error) {
	hour := time.Hour
	tiers := []BurnTier{{Long: hour, Short: 5 * time.Minute}, {Long: 6 * hour, Short: 30 * time.Minute}, {Long: 72 * hour, Short: 6 * hour}}
	for i, share := range []float64{.02, .05, .10} {
		threshold, err := BurnThreshold(share, period, tiers[i].Long)
		if err != nil {
			return nil, err
		}
		tiers[i].Threshold = threshold
	}
	if quality {
		tiers = append(tiers, BurnTier{6 * hour, 30 * time.Minute, 3}, BurnTier{72 * hour, 6 * hour, 1})
	}
	return tiers, nil
}

// Check refuses a tier that cannot fire: with every response bad the burn is
// 1/(1-objective) and no more.
func (t BurnTier) Check(objective float64) error {
	if err := checkLevel("objective", objective); err != nil {
		return err
	}
	if most := 1 / (1 - objective); !(t.Threshold > 0 && t.Threshold < most) {
		return invalid("threshold", t.Threshold, "positive and below the largest burn there can be, one over the allowed share")
	}
	return nil
}

// DetectionTime is how long an error rate takes to trip the tier's long
// window; ok is false when it never does.
func (t BurnTier) DetectionTime(errorRate, objective float64) (after time.Duration, ok bool) {
	limit := t.Threshold * (1 - objective)
	if !(errorRate > limit) {
		return 0, false
	}
	return time.Duration(float64(t.Long) * limit / errorRate), true
}

// Observation is what a window shows: labels or verdicts, of which some bad.
// Weighted ones are effective numbers (see EffectiveArm).
type Observation struct {
	Bad      float64
	N        float64
	Weighted bool
}

func (o Observation) check(name string) error { return Arm{o.Bad, o.N}.check(name) }

func (o Observation) rate() float64 { return Arm{o.Bad, o.N}.rate() }

// lower is the one-sided lower limit: exact for counts, Wilson for weighted ones.
func (o Observation) lower(alpha float64) float64 {
	if o.Weighted {
		return wilson(o.rate(), o.N, oneSidedZ(1-alpha), 0).Low
	}
	return exactLower(o.Bad, o.N, alpha)
}

func (o Observation) upper(alpha float64) float64 {
	if o.Weighted {
		return wilson(o.rate(), o.N, oneSidedZ(1-alpha), 0).High
	}
	return exactUpper(o.Bad, o.N, alpha)
}

// BurnAlert judges a tier on sampled labels: it fires (Fail) when the
// one-sided lower limit of the long window reaches threshold times allowed and
// the short window's rate does too with at least one event. A window without
// labels is inconclusive, never fine.
func BurnAlert(long, short Observation, tier BurnTier, objective, confidence float64) (Verdict, error) {
	if err := firstOf(long.check("long"), short.check("short"), tier.Check(objective), checkLevel("confidence", confidence)); err != nil {
		return Verdict{}, err
	}
	if long.N == 0 {
		return Verdict{Inconclusive, ReasonNoLabels}, nil
	}
	limit := tier.Threshold * (1 - objective)
	if long.lower(1-confidence) >= limit && short.Bad > 0 && short.rate() >= limit {
		return Verdict{Fail, ReasonAbove}, nil
	}
	return Verdict{Pass, ReasonNotExcluded}, nil
}

// AlertMinimum is the smallest number of bad among n that speaks against a
// rate of p0 at alpha, and never below two: the k with P(Bin(n,p0) >= k) <=
// alpha. It is above n when no number would.
func AlertMinimum(n int, p0, alpha float64) (int, error) {
	if err := firstOf(checkCount("n", n), checkLevel("p0", p0), checkLevel("alpha", alpha)); err != nil {
		return 0, err
	}
	quiet, loud := 0, n+1
	for loud-quiet > 1 {
		k := (quiet + loud) / 2
		if binomialAtLeast(k, n, p0) <= alpha {
			loud = k
		} else {
			quiet = k
		}
	}
	return max(2, loud), nil
}

// RatioRule is the alert "the rate is above Threshold" on few labels.
type RatioRule struct {
	Threshold     float64       // 0.03
	Alpha         float64       // 0.01 for a ticket, 0.001 for a page
	For           time.Duration // the condition must hold at every evaluation this long
	ClearRatio    float64       // clears at or below this share of the threshold: 0.8
	ClearFor      time.Duration // and this long
	ClearLabels   int           // with this many new labels meanwhile
	MinimumFiring time.Duration // it never fires shorter than this
	FewLabels     int           // below this the fallback window is looked at too
}

// DefaultRatio is the published hard alert, as a ticket.
var DefaultRatio = RatioRule{
	Threshold: 0.03, Alpha: 0.01, For: 30 * time.Minute,
	ClearRatio: 0.8, ClearFor: 30 * time.Minute, ClearLabels: 20,
	MinimumFiring: 30 * time.Minute, FewLabels: 20,
}

// RatioReading is one evaluation's input, all by event time and of one task
// class.
type RatioReading struct {
	Window    Observation // the hour
	Fallback  Observation // the last 50 labels, at most 24 h
	NewLabels int         // labels that came since the last evaluation
}

// AlertPhase is how far an alert has come.
type AlertPhase uint8

// The phases.
const (
	Quiet AlertPhase = iota
	Pending
	Firing
)

// RatioState is what a rule remembers between evaluations.
type RatioState struct {
	Phase       AlertPhase
	Since       time.Time // when the phase began
	CalmSince   time.Time // while firing: since when it has looked calm; zero when it does not
	CalmLabels  int       // labels that came since then
	LastReading Verdict   // Fail: the condition holds; Pass: not; Inconclusive: no data
}

// Next is the state after an evaluation. A gap without new labels neither
// advances a pending alert to firing nor sets it back, and never clears one.
func (r RatioRule) Next(state RatioState, now time.Time, reading RatioReading) (RatioState, error) {
	if err := firstOf(checkLevel("threshold", r.Threshold), checkLevel("alpha", r.Alpha),
		reading.Window.check("window"), reading.Fallback.check("fallback"), checkCount("new labels", reading.NewLabels)); err != nil {
		return state, err
	}
	state.LastReading = r.judge(reading)
	holds := state.LastReading.Outcome == Fail
	switch state.Phase {
	case Quiet:
		if holds {
			state.Phase, state.Since = Pending, now
			return r.mature(state, now, reading), nil
		}
	case Pending:
		switch {
		case reading.NewLabels == 0:
		case !holds:
			state.Phase, state.Since = Quiet, now
		default:
			return r.mature(state, now, reading), nil
		}
	case Firing:
		return r.calm(state, now, reading, holds), nil
	}
	return state, nil
}

// mature turns pending into firing once the condition has held long enough.
func (r RatioRule) mature(state RatioState, now time.Time, reading RatioReading) RatioState {
	if reading.NewLabels > 0 && now.Sub(state.Since) >= r.For {
		return RatioState{Phase: Firing, Since: now, LastReading: state.LastReading}
	}
	return state
}

// calm clears a firing alert, with hysteresis.
func (r RatioRule) calm(state RatioState, now time.Time, reading RatioReading, holds bool) RatioState {
	if reading.NewLabels == 0 {
		return state
	}
	window := r.speaking(reading)
	if holds || !(window.upper(0.05) < r.Threshold || (window.N > 0 && window.rate() <= r.ClearRatio*r.Threshold)) {
		state.CalmSince, state.CalmLabels = time.Time{}, 0
		return state
	}
	if state.CalmSince.IsZero() {
		state.CalmSince = now
	}
	state.CalmLabels += reading.NewLabels
	if state.CalmLabels >= r.ClearLabels && now.Sub(state.CalmSince) >= r.ClearFor && now.Sub(state.Since) >= r.MinimumFiring {
		return RatioState{Phase: Quiet, Since: now, LastReading: state.LastReading}
	}
	return state
}

// speaking is the window, or the fallback when the window has few labels.
func (r RatioRule) speaking(reading RatioReading) Observation {
	if reading.Window.N < float64(r.FewLabels) && reading.Fallback.N > reading.Window.N {
		return reading.Fallback
	}
	return reading.Window
}

// judge is the condition of one evaluation: the one-sided lower limit above
// the threshold, on at least two bad labels.
func (r RatioRule) judge(reading RatioReading) Verdict {
	windows := []Observation{reading.Window}
	if reading.Window.N < float64(r.FewLabels) {
		windows = append(windows, reading.Fallback)
	}
	verdict := Verdict{Inconclusive, ReasonNoLabels}
	for _, w := range windows {
		switch {
		case w.N == 0:
		case w.Bad >= 2 && w.lower(r.Alpha) > r.Threshold:
			return Verdict{Fail, ReasonAbove}
		default:
			verdict = Verdict{Pass, ReasonNotExcluded}
		}
	}
	return verdict
}

// CUSUM watches a stream of labels for a jump of their rate (Page 1954): the
// score rises with each bad label, falls with each good one, never below zero,
// and alarms at Limit. Between false alarms lie at least the chosen number of
// labels on average (Lorden 1971).
type CUSUM struct {
	Up    float64 // added by a bad label
	Down  float64 // added by a good label, negative
	Limit float64
}

// NewCUSUM watches for a jump from p0 to three times that (at most one half).
// labelsBetween is the guaranteed mean number of labels between false alarms.
func NewCUSUM(p0, labelsBetween float64) (CUSUM, error) {
	if !(p0 > 0 && p0 < 0.5) {
		return CUSUM{}, invalid("p0", p0, "strictly between 0 and 0.5")
	}
	if err := checkPositive("labels between", labelsBetween); err != nil || labelsBetween <= 1 {
		return CUSUM{}, invalid("labels between", labelsBetween, "above 1")
	}
	p1 := min(0.5, 3*p0)
	return CUSUM{Up: math.Log(p1 / p0), Down: math.Log((1 - p1) / (1 - p0)), Limit: math.Log(labelsBetween)}, nil
}

// Next is the score after one more label; soft labels count in between.
func (c CUSUM) Next(score, y float64) (float64, error) {
	if err := firstOf(checkNonNegative("score", score), checkShare("y", y)); err != nil {
		return 0, err
	}
	return max(0, score+y*c.Up+(1-y)*c.Down), nil
}

// Alarm is true at and above the limit.
func (c CUSUM) Alarm(score float64) bool { return score >= c.Limit }
