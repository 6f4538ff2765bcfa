package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const day = 24 * time.Hour

func TestBudget(t *testing.T) {
	got := must(SpendBudget(.98, 132, 10_000))
	near(t, "consumed", .66, got.Consumed)
	near(t, "remaining", .34, got.Remaining)
	near(t, "burn", .66, got.Burn)
	if over := must(SpendBudget(.98, 500, 10_000)); over.Remaining >= 0 {
		t.Errorf("two and a half budgets spent: want a negative rest, got %+v", over)
	}
	if empty := must(SpendBudget(.98, 0, 0)); empty.Consumed != 0 || empty.Remaining != 1 {
		t.Errorf("no traffic spends nothing, got %+v", empty)
	}
	_, err := SpendBudget(.98, 5, 4)
	refused(t, "more bad than all", err)
}

func TestBurnThresholds(t *testing.T) {
	for _, tt := range []struct {
		period time.Duration
		want   []float64
	}{{30 * day, []float64{14.4, 6, 1}}, {7 * day, []float64{3.36, 1.4, 7.0 / 30}}} {
		tiers := must(BurnTiers(tt.period, false))
		for i, want := range tt.want {
			near(t, fmt.Sprint("threshold over ", tiers[i].Long), want, tiers[i].Threshold)
			if tiers[i].Short != tiers[i].Long/12 {
				t.Errorf("short window of %v is %v", tiers[i].Long, tiers[i].Short)
			}
		}
	}
}

func TestTiersThatCannotFireAreRefused(t *testing.T) {
	outage := BurnTier{time.Hour, 5 * time.Minute, 14.4}
	for objective, most := range map[float64]float64{.95: 20, .97: 33.333333333333336, .98: 50, .99: 100} {
		near(t, "largest burn", most, 1/(1-objective))
		if err := outage.Check(objective); err != nil {
			t.Errorf("14.4 at %g can fire: %v", objective, err)
		}
	}
	refused(t, "14.4 times 10 % is more than everything", outage.Check(.90))
	refused(t, "a threshold equal to the largest burn", BurnTier{time.Hour, 5 * time.Minute, 20}.Check(.95))
}

func TestDetectionTimes(t *testing.T) {
	tiers := must(BurnTiers(30*day, false))
	for _, tt := range []struct {
		rate    float64
		minutes []float64
	}{{1, []float64{.864, 2.16, 4.32}}, {.1, []float64{8.64, 21.6, 43.2}}, {.01, []float64{0, 216, 432}}} {
		for i, want := range tt.minutes {
			got, ok := tiers[i].DetectionTime(tt.rate, .999)
			if ok != (want > 0) {
				t.Errorf("rate %g, tier %d: detected %v", tt.rate, i, ok)
			}
			within(t, fmt.Sprintf("minutes to detect %g in tier %d", tt.rate, i), want, got.Minutes(), 1e-6)
		}
	}
}

func TestBurnAlertOnLabels(t *testing.T) {
	tier := BurnTier{6 * time.Hour, 30 * time.Minute, 3} // of 2 %: 6 %
	for _, tt := range []struct {
		fact        string
		long, short Observation
		want        Verdict
	}{
		{"a clear burn fires", Observation{Bad: 14, N: 100}, Observation{Bad: 2, N: 10}, Verdict{Fail, ReasonAbove}},
		{"a burn that chance explains does not", Observation{Bad: 8, N: 100}, Observation{Bad: 2, N: 10}, Verdict{Pass, ReasonNotExcluded}},
		{"nor one that is over", Observation{Bad: 14, N: 100}, Observation{Bad: 0, N: 10}, Verdict{Pass, ReasonNotExcluded}},
		{"no labels are no comfort", Observation{}, Observation{}, Verdict{Inconclusive, ReasonNoLabels}},
		{"weights count as labels they are worth", Observation{14, 100, true}, Observation{2, 10, true}, Verdict{Fail, ReasonAbove}},
		{"and no more", Observation{1.4, 10, true}, Observation{2, 10, true}, Verdict{Pass, ReasonNotExcluded}},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			if got := must(BurnAlert(tt.long, tt.short, tier, .98, .95)); got != tt.want {
				t.Errorf("want %v, got %v", tt.want, got)
			}
		})
	}
}

func TestAlertMinimum(t *testing.T) {
	for _, tt := range []struct {
		p0, alpha float64
		n, want   []int
	}{
		{.03, .05, []int{2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000}, []int{2, 2, 2, 2, 3, 4, 5, 7, 11, 23, 40}},
		{.03, .01, []int{2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000}, []int{2, 2, 2, 3, 4, 5, 6, 9, 13, 26, 44}},
		{.03, .001, []int{2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000}, []int{2, 3, 3, 4, 5, 6, 7, 10, 16, 29, 49}},
		{.02, .01, []int{10, 20, 30, 50, 100, 200, 500, 1000}, []int{3, 3, 4, 5, 7, 10, 19, 32}},
	} {
		for i, n := range tt.n {
			if got := must(AlertMinimum(n, tt.p0, tt.alpha)); got != tt.want[i] {
				t.Errorf("above %g at %g, n=%d: want %d, got %d", tt.p0, tt.alpha, n, tt.want[i], got)
			}
		}
	}
	within(t, "P(X>=1|3)", .087327, binomialAtLeast(1, 3, .03), 1e-6)
	within(t, "P(X>=2|3)", .002646, binomialAtLeast(2, 3, .03), 1e-6)
	near(t, "P(X>=6|100)", 0.08083712890137347, binomialAtLeast(6, 100, .03))
	near(t, "P(X>=8|100)", 0.010623808856178371, binomialAtLeast(8, 100, .03))
}

func TestAlertMinimumIsTheExactLimit(t *testing.T) {
	for _, n := range []int{5, 20, 33, 100, 400} {
		k := must(AlertMinimum(n, .03, .01))
		if must(ClopperPearsonLower(k, n, .99)) <= .03 {
			t.Errorf("%d of %d fires, but its lower limit is not above 3 %%", k, n)
		}
		if k > 2 && must(ClopperPearsonLower(k-1, n, .99)) > .03 {
			t.Errorf("%d of %d would do", k-1, n)
		}
	}
}

func TestNaiveRatioAlertsAreMostlyFalse(t *testing.T) {
	// "rate > 3 %" when the true rate is a healthy 2 %.
	for n, want := range map[int]float64{10: .18, 20: .33, 33: .49, 50: .26} {
		k := int(.03*float64(n)) + 1
		within(t, fmt.Sprint("false alarm with ", n, " labels"), want, binomialAtLeast(k, n, .02), .006)
	}
}

func TestRatioAlert(t *testing.T) {
	start := time.Date(2026, 1, 26, 12, 0, 0, 0, time.UTC)
	bad := RatioReading{Window: Observation{Bad: 10, N: 60}, NewLabels: 1}
	good := RatioReading{Window: Observation{Bad: 1, N: 60}, NewLabels: 1}
	gap := RatioReading{Window: Observation{Bad: 10, N: 60}}
	run := func(minutes int, readings func(minute int) RatioReading) (state RatioState, firedAt, clearedAt int) {
		firedAt, clearedAt = -1, -1
		for m := range minutes {
			before := state.Phase
			state = must(DefaultRatio.Next(state, start.Add(time.Duration(m)*time.Minute), readings(m)))
			if before != Firing && state.Phase == Firing {
				firedAt = m
			}
			if before == Firing && state.Phase == Quiet {
				clearedAt = m
			}
		}
		return state, firedAt, clearedAt
	}
	t.Run("fires after thirty minutes of holding", func(t *testing.T) {
		if _, fired, _ := run(40, func(int) RatioReading { return bad }); fired != 30 {
			t.Errorf("fired at minute %d", fired)
		}
	})
	t.Run("one good evaluation starts it anew", func(t *testing.T) {
		_, fired, _ := run(60, func(m int) RatioReading {
			if m == 20 {
				return good
			}
			return bad
		})
		if fired != 51 {
			t.Errorf("fired at minute %d, want 51", fired)
		}
	})
	t.Run("a gap neither resets nor fires", func(t *testing.T) {
		_, fired, _ := run(60, func(m int) RatioReading {
			if m >= 20 && m < 45 {
				return gap
			}
			return bad
		})
		if fired != 45 {
			t.Errorf("fired at minute %d, want 45", fired)
		}
	})
	t.Run("clears after thirty calm minutes with twenty labels, not before", func(t *testing.T) {
		_, fired, cleared := run(120, func(m int) RatioReading {
			if m <= 30 {
				return bad
			}
			return good
		})
		if fired != 30 || cleared != 61 {
			t.Errorf("fired %d, cleared %d; want 30 and 61", fired, cleared)
		}
	})
	t.Run("does not clear without labels", func(t *testing.T) {
		state, _, cleared := run(400, func(m int) RatioReading {
			if m <= 30 {
				return bad
			}
			return RatioReading{}
		})
		if cleared >= 0 || state.Phase != Firing {
			t.Errorf("cleared at %d without data", cleared)
		}
	})
	t.Run("one of three is no alert", func(t *testing.T) {
		if got := DefaultRatio.judge(RatioReading{Window: Observation{Bad: 1, N: 3}}); got.Outcome != Pass {
			t.Errorf("got %v", got)
		}
	})
	t.Run("few labels in the hour look back to the last fifty", func(t *testing.T) {
		got := DefaultRatio.judge(RatioReading{Window: Observation{Bad: 1, N: 8}, Fallback: Observation{Bad: 7, N: 50}})
		if got.Outcome != Fail {
			t.Errorf("got %v", got)
		}
	})
	t.Run("no data is its own answer", func(t *testing.T) {
		if got := DefaultRatio.judge(RatioReading{}); got.Outcome != Inconclusive {
			t.Errorf("got %v", got)
		}
	})
}

func TestCUSUM(t *testing.T) {
	watch := must(NewCUSUM(.02, 2000))
	near(t, "up", 1.0986122886681098, watch.Up)
	near(t, "down", -0.041672696400568074, watch.Down)
	near(t, "limit", 7.600902459542082, watch.Limit)
	score := 0.0
	labels := append(make([]float64, 30), 1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1)
	for _, y := range labels {
		score = must(watch.Next(score, y))
	}
	within(t, "score", 5.201352568537, score, 1e-11)
	if watch.Alarm(score) {
		t.Error("alarmed below its limit")
	}
	near(t, "the jump watched for is at most to one half", math.Log(.5/.3), must(NewCUSUM(.3, 2000)).Up)
	_, err := NewCUSUM(.5, 2000)
	refused(t, "no jump possible", err)
	_, err = NewCUSUM(.02, 1)
	refused(t, "alarm at once", err)
}

func TestCUSUMDelay(t *testing.T) {
	watch := must(NewCUSUM(.02, 2000))
	rng := rand.New(rand.NewPCG(15, 16))
	rounds := runs(300, 3000)
	for _, tt := range []struct{ rate, want float64 }{{.06, 256}, {.10, 106}} {
		total := 0
		for range rounds {
			for score := 0.0; !watch.Alarm(score); total++ {
				score = must(watch.Next(score, indicator(rng.Float64() < tt.rate)))
			}
		}
		within(t, fmt.Sprint("labels until the alarm at ", tt.rate), tt.want, float64(total)/float64(rounds), .12)
	}
}
