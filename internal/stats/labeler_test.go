package stats

import (
	"math"
	"testing"
)

func TestJudgeGold(t *testing.T) {
	good := must(JudgeGold(18, 20, .95))
	nearInterval(t, "18 of 20", 0.6989663547715128, 0.9721335187862319, good.Interval)
	near(t, "probability of 18 of 20", 0.6295044822803776, good.Probability)
	bad := must(JudgeGold(9, 20, .95))
	nearInterval(t, "9 of 20", 0.2581978582556243, 0.6579146575496577, bad.Interval)
	near(t, "probability of 9 of 20", 1.0030578924118024e-05, bad.Probability)
	if good.Standing != Probation || bad.Standing != Suspended || must(JudgeGold(60, 60, .95)).Standing != Trusted {
		t.Errorf("want probation, suspended, trusted; got %s, %s, %s", good.Standing, bad.Standing, must(JudgeGold(60, 60, .95)).Standing)
	}
	if none := must(JudgeGold(0, 0, .95)); none.Standing != Probation {
		t.Errorf("nobody is judged on no gold: %+v", none)
	}
}

func TestAlwaysAnsweringCorrectIsCaughtWithinSixtyGoldItems(t *testing.T) {
	standing, results, err := GoldByLabel([]int{20, 0, 0}, []int{20, 20, 20}, .95)
	if err != nil || standing != Suspended || results[0].Standing == Suspended {
		t.Errorf("want suspended for what was missed, got %s %+v (%v)", standing, results, err)
	}
}

func TestGoldTest(t *testing.T) {
	near(t, "a wrong answer", 1.6094379124341003, GoldTest{}.Next(false).Score)
	near(t, "the bound", 2.9444389791664403, goldTestBound)
	near(t, "a right answer", -0.2363887780642304, GoldTest{}.Next(true).Score)
	test := GoldTest{}
	for range 2 {
		test = test.Next(false)
	}
	if test.Verdict().Outcome != Fail {
		t.Errorf("two wrong in a row pass 2.944: %v", test.Verdict())
	}
	test = GoldTest{}
	for i := range 13 {
		if test.Verdict().Outcome != Inconclusive {
			t.Errorf("decided after %d right answers", i)
		}
		test = test.Next(true)
	}
	if test.Verdict().Outcome != Pass {
		t.Errorf("thirteen right answers decide: score %g", test.Score)
	}
}

func TestSpammerScore(t *testing.T) {
	near(t, "good", .3825, must(SpammerScore([][]float64{{.8, .15, .05}, {.2, .6, .2}, {.05, .15, .8}})))
	near(t, "identical rows", 0, must(SpammerScore([][]float64{{.8, .1, .1}, {.8, .1, .1}, {.8, .1, .1}})))
	near(t, "perfect", 1, must(SpammerScore([][]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}})))
	_, err := SpammerScore([][]float64{{1, 1}, {0, 1}})
	refused(t, "rows that do not sum to one", err)
	_, err = SpammerScore([][]float64{{math.NaN(), 1}, {0, 1}})
	refused(t, "NaN", err)
}

func TestPace(t *testing.T) {
	pace, ok, err := TypicalPace([]float64{31, 44, 52, 28, 39, 61, 47, 35, 4, 50})
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	near(t, "median", 3.7238756400239534, pace.Median)
	near(t, "scale", 0.3080220595204532, pace.Scale)
	within(t, "z of 4 s", -7.589006068, must(pace.Z(4)), 1e-9)
	for _, tt := range []struct {
		seconds float64
		words   int
		want    bool
	}{{4, 10, true}, {31, 10, false}, {20, 400, true}, {20, 200, false}} {
		if got := must(pace.TooFast(tt.seconds, tt.words)); got != tt.want {
			t.Errorf("%g s for %d words: want %v", tt.seconds, tt.words, tt.want)
		}
	}
	if _, ok, _ := TypicalPace([]float64{5, 5, 5}); ok {
		t.Error("where all times are equal nothing is unusual")
	}
	if got := must((Pace{}).TooFast(5, 10)); got {
		t.Error("without a usual pace only reading counts")
	}
	_, _, err = TypicalPace([]float64{0})
	refused(t, "no time at all", err)
}

func TestRunsAndEntropy(t *testing.T) {
	if got := LongestRun([]int{0, 0, 1, 1, 1, 0}); got != 3 {
		t.Errorf("longest run: want 3, got %d", got)
	}
	if got := LongestRun(nil); got != 0 {
		t.Errorf("no labels: want 0, got %d", got)
	}
	near(t, "entropy of two halves", 1, Entropy([]int{0, 1, 1, 0}))
	near(t, "entropy of one answer", 0, Entropy([]int{2, 2, 2}))
	near(t, "entropy of nothing", 0, Entropy(nil))
}
