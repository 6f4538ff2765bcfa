package stats

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func TestAdaptiveRate(t *testing.T) {
	signals := []Signal{Calm, Spike, Spike, Calm, Steady, Calm, Calm, Calm, Calm, Calm, Calm}
	want := []float64{.005, .02, .08, .08, .08, .08, 0.07181740386052544, 0.06452753944880747, 0.058033008588991054, 0.052247039371057735, 0.04709232681160148}
	now := time.Date(2026, 1, 26, 0, 0, 0, 0, time.UTC)
	var state AdaptiveState
	for i, signal := range signals {
		state = must(DefaultAdaptive.Next(state, now.Add(time.Duration(i)*time.Hour), signal, false))
		near(t, fmt.Sprint("hour ", i), want[i], state.Rate)
	}
	if state.Epoch != 7 {
		t.Errorf("two raises and five decays are seven epochs, got %d", state.Epoch)
	}
}

func TestAdaptiveRateIsHeldWhileItMatters(t *testing.T) {
	now := time.Date(2026, 1, 26, 0, 0, 0, 0, time.UTC)
	raised := must(DefaultAdaptive.Next(AdaptiveState{}, now, Spike, true))
	state := raised
	for hour := range 20 {
		state = must(DefaultAdaptive.Next(state, now.Add(time.Duration(hour+1)*time.Hour), Calm, true))
	}
	near(t, "an open incident keeps the rate", raised.Rate, state.Rate)
	for hour := range 200 {
		state = must(DefaultAdaptive.Next(state, now.Add(time.Duration(hour+21)*time.Hour), Calm, false))
	}
	near(t, "resolved, it comes back to the base", DefaultAdaptive.Base, state.Rate)

	soon := must(DefaultAdaptive.Next(raised, now.Add(30*time.Minute), Calm, false))
	soon = must(DefaultAdaptive.Next(soon, now.Add(60*time.Minute), Calm, false))
	near(t, "nothing decays within two hours of a raise", raised.Rate, soon.Rate)
	for range 5 {
		raised = must(DefaultAdaptive.Next(raised, now, Spike, false))
	}
	near(t, "never above the cap", .10, raised.Rate)
}

func TestEpochsAreStrata(t *testing.T) {
	got := must(Stratified([]Stratum{
		{Name: "epoch 1", Population: 10_000, Labeled: 50, Bad: 1},
		{Name: "epoch 2", Population: 10_000, Labeled: 200, Bad: 12},
		{Name: "epoch 3", Population: 10_000, Labeled: 800, Bad: 24},
	}, OfProcess, .95))
	near(t, "rate", 0.03666666666666667, got.Value)
	near(t, "se", 0.008943263206857668, got.SE)
	near(t, "naive pooled", 0.035238095238095235, got.Numerator/float64(got.Denominator))
}

func TestJudgeSpike(t *testing.T) {
	watch := must(NewCUSUM(.02, 2000))
	for _, tt := range []struct {
		fact  string
		day   Observation
		score float64
		want  Signal
	}{
		{"a CUSUM alarm is a spike", Observation{N: 10}, watch.Limit, Spike},
		{"so is a limit above the objective", Observation{Bad: 10, N: 100}, 0, Spike},
		{"an upper limit below it is calm", Observation{Bad: 0, N: 200}, 1, Calm},
		{"few clean labels with the CUSUM at rest are calm", Observation{Bad: 0, N: 20}, 0, Calm},
		{"few clean labels with it moved are not", Observation{Bad: 0, N: 20}, 1, Steady},
		{"a rate that nothing excludes is neither", Observation{Bad: 4, N: 200}, 0, Steady},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			if got := must(JudgeSpike(tt.day, watch, tt.score, .02)); got != tt.want {
				t.Errorf("want %d, got %d", tt.want, got)
			}
		})
	}
}

func TestFitRates(t *testing.T) {
	plans := []RatePlan{{.10, .01, 1000}, {.05, .05, 1000}, {1, .1, 100}}
	nearAll(t, "within budget", []float64{.10, .05, 1}, must(FitRates(plans, 250)))
	got := must(FitRates(plans, 150))
	nearAll(t, "scaled, floors kept", []float64{.05, .05, .5}, got)
	nearAll(t, "floors alone", []float64{.01, .05, .1}, must(FitRates(plans, 10)))
}

func TestAdaptiveRefusesWrongInput(t *testing.T) {
	_, err := (AdaptiveRule{}).Next(AdaptiveState{}, time.Time{}, Calm, false)
	refused(t, "no rule", err)
	rule := DefaultAdaptive
	rule.Max = .001
	_, err = rule.Next(AdaptiveState{}, time.Time{}, Calm, false)
	refused(t, "cap below the base", err)
	_, err = FitRates([]RatePlan{{math.NaN(), 0, 1}}, 1)
	refused(t, "rate NaN", err)
}
