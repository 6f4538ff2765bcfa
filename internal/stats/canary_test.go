package stats

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func readyMetric() CanaryMetric {
	return CanaryMetric{Name: "hallucination", LnNonInferior: 4, Pairs: 900, MinimumPairs: 300, Rate: .01, Upper: .04, Allowed: .02, Mature: true}
}

func TestDecideCanary(t *testing.T) {
	day := 24 * time.Hour
	for _, tt := range []struct {
		fact    string
		elapsed time.Duration
		events  int
		change  func(*CanaryMetric)
		action  CanaryAction
		verdict Verdict
	}{
		{"all evidence after a day is ready", day, 0, func(*CanaryMetric) {}, Ready, Verdict{Pass, ReasonWithinMargin}},
		{"an hour early is not", day - time.Hour, 0, func(*CanaryMetric) {}, Continue, Verdict{Inconclusive, ReasonTooEarly}},
		{"an event rolls back in the first minute", time.Minute, 1, func(*CanaryMetric) {}, RollBack, Verdict{Fail, ReasonEvent}},
		{"so does harm", time.Hour, 0, func(m *CanaryMetric) { m.LnHarm = 5 }, RollBack, Verdict{Fail, ReasonHarm}},
		{"harm on one of two looks is adjusted for both", day, 0, func(m *CanaryMetric) { m.LnHarm = math.Log(21) }, Ready, Verdict{Pass, ReasonWithinMargin}},
		{"a broken objective rolls back", 48 * time.Hour, 0, func(m *CanaryMetric) { m.LnObjective = 4 }, RollBack, Verdict{Fail, ReasonObjective}},
		{"too few pairs go on", day, 0, func(m *CanaryMetric) { m.Pairs = 299 }, Continue, Verdict{Inconclusive, ReasonFewLabels}},
		{"unfinished labels go on", day, 0, func(m *CanaryMetric) { m.Mature = false }, Continue, Verdict{Inconclusive, ReasonImmature}},
		{"skipping is no way through", day, 0, func(m *CanaryMetric) { m.SkipsBaseline = .06 }, Continue, Verdict{Inconclusive, ReasonSkips}},
		{"no evidence against the margin goes on", day, 0, func(m *CanaryMetric) { m.LnNonInferior = 2.9 }, Continue, Verdict{Inconclusive, ReasonNotExcluded}},
		{"above the objective goes on", day, 0, func(m *CanaryMetric) { m.Rate = .03 }, Continue, Verdict{Inconclusive, ReasonAbove}},
		{"and is held when time is up", 3 * day, 0, func(m *CanaryMetric) { m.Rate = .03 }, Hold, Verdict{Inconclusive, ReasonTimeUp}},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			m := readyMetric()
			tt.change(&m)
			got := must(DecideCanary(tt.elapsed, tt.events, []CanaryMetric{m}, DefaultCanary))
			if got.Action != tt.action || got.Verdict != tt.verdict {
				t.Errorf("want %v %v, got %+v", tt.action, tt.verdict, got)
			}
		})
	}
}

func TestCanaryWithoutMetricsIsNeverReady(t *testing.T) {
	if got := must(DecideCanary(72*time.Hour, 0, nil, DefaultCanary)); got.Action != Hold {
		t.Errorf("want hold, got %+v", got)
	}
}

func TestStrictCanaryAsksForTheWholeInterval(t *testing.T) {
	strict := DefaultCanary
	strict.Strict = true
	if got := must(DecideCanary(24*time.Hour, 0, []CanaryMetric{readyMetric()}, strict)); got.Action != Continue {
		t.Errorf("want continue, got %+v", got)
	}
}

func TestCanaryRefusesWrongInput(t *testing.T) {
	m := readyMetric()
	m.LnHarm = math.NaN()
	_, err := DecideCanary(0, 0, []CanaryMetric{m}, DefaultCanary)
	refused(t, "NaN evidence", err)
	_, err = DecideCanary(-1, 0, nil, DefaultCanary)
	refused(t, "negative time", err)
}

func TestLessEvidenceNeverMakesACanaryReady(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) CanaryMetric {
			m := readyMetric()
			m.LnHarm = rapid.Float64Range(-3, 6).Draw(t, name+" harm")
			m.LnNonInferior = rapid.Float64Range(-3, 6).Draw(t, name+" ni")
			m.Pairs = rapid.IntRange(0, 600).Draw(t, name+" pairs")
			m.Mature = rapid.Bool().Draw(t, name+" mature")
			return m
		}
		metrics := []CanaryMetric{draw("a"), draw("b")}
		elapsed := time.Duration(rapid.IntRange(0, 80).Draw(t, "hours")) * time.Hour
		before := must(DecideCanary(elapsed, 0, metrics, DefaultCanary))
		worse := []CanaryMetric{metrics[0], metrics[1]}
		worse[0].LnNonInferior -= rapid.Float64Range(0, 5).Draw(t, "less")
		worse[0].Pairs /= 2
		worse[1].LnHarm += rapid.Float64Range(0, 5).Draw(t, "harm")
		after := must(DecideCanary(elapsed, 0, worse, DefaultCanary))
		if after.Action == Ready && before.Action != Ready {
			t.Fatalf("less evidence made it ready: %+v then %+v", before, after)
		}
		flipped := must(DecideCanary(elapsed, 0, []CanaryMetric{metrics[1], metrics[0]}, DefaultCanary))
		if flipped.Action != before.Action || flipped.Outcome != before.Outcome {
			t.Fatalf("the order of metrics matters: %+v then %+v", before, flipped)
		}
	})
}
