package stats

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestNormalQuantiles(t *testing.T) {
	for confidence, want := range map[float64]float64{
		.975: 1.959963984540054, .95: 1.6448536269514722, .90: 1.2815515655446004, .995: 2.5758293035489004,
	} {
		near(t, fmt.Sprint("one-sided quantile of ", confidence), want, oneSidedZ(confidence))
		near(t, fmt.Sprint("two-sided quantile of ", confidence), want, twoSidedZ(2*confidence-1))
		near(t, fmt.Sprint("tail of ", want), 1-confidence, normalTail(want))
	}
}

func TestLnBetaOfLargeParameters(t *testing.T) {
	// B(a,b) with whole parameters is 1 / ((a+b-1) choose(a+b-2, a-1)), summed
	// in logarithms term by term: no cancellation to hide behind.
	exact := func(a, b int) float64 {
		sum := 0.0
		for i := 1; i < b; i++ {
			sum += math.Log(float64(i)) - math.Log(float64(a+i-1))
		}
		return sum - math.Log(float64(a+b-1))
	}
	for _, tt := range [][2]int{{2, 3}, {14, 14}, {15, 15}, {20, 3}, {100_000, 5}, {100_000, 40}, {1_000_000, 2000}} {
		want, got := exact(tt[0], tt[1]), lnBeta(float64(tt[0]), float64(tt[1]))
		within(t, fmt.Sprintf("ln B%v", tt), want, got, 1e-12)
		near(t, "symmetry", got, lnBeta(float64(tt[1]), float64(tt[0])))
	}
	near(t, "ln B(1/2,1/2)", math.Log(math.Pi), lnBeta(.5, .5))
}

func TestBetaTailsAgreeWithSums(t *testing.T) {
	for _, tt := range []struct {
		k, n int
		p    float64
	}{{1, 5, .1}, {3, 10, .3}, {50, 100, .5}, {6, 100, .03}, {999, 1000, .99}, {1, 1000, .0001}} {
		sum := 0.0
		for j := tt.k; j <= tt.n; j++ {
			sum += binomialPoint(j, tt.n, tt.p)
		}
		near(t, fmt.Sprintf("P(Bin(%d,%g)>=%d)", tt.n, tt.p, tt.k), sum, binomialAtLeast(tt.k, tt.n, tt.p))
	}
}

func TestQuantileInvertsTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := math.Exp(rapid.Float64Range(-1, 13).Draw(t, "ln a"))
		b := math.Exp(rapid.Float64Range(-1, 13).Draw(t, "ln b"))
		p := math.Exp(rapid.Float64Range(-20, -0.001).Draw(t, "ln p"))
		x := betaQuantile(p, a, b)
		if !(x >= 0 && x <= 1) {
			t.Fatalf("quantile %g of Beta(%g,%g) is %g", p, a, b, x)
		}
		if x == 0 || 1-x < 1e-6 {
			return // where the density is infinite, neighbouring numbers lie far apart
		}
		if got := betaTail(x, 1-x, a, b); math.Abs(got-p) > 1e-9*p+1e-14*max(a, b) {
			t.Fatalf("tail at the %g quantile of Beta(%g,%g) is %g", p, a, b, got)
		}
		y := betaUpperQuantile(p, b, a)
		if math.Abs(y-(1-x)) > 1e-9 {
			t.Fatalf("upper quantile %g is not the mirror of %g", y, x)
		}
	})
}

func TestTailsUnderflowToMinusInfinityNeverNaN(t *testing.T) {
	for _, x := range []float64{0, 1e-320, 1e-300, .5, 1} {
		for _, a := range []float64{.5, 5, 1e5} {
			for _, b := range []float64{.5, 5, 1e5} {
				if got := lnBetaTail(x, 1-x, a, b); math.IsNaN(got) || got > 0 {
					t.Errorf("ln I_%g(%g,%g) = %g", x, a, b, got)
				}
			}
		}
	}
	if got := lnSumExp(nil); !math.IsInf(got, -1) {
		t.Errorf("ln of an empty sum: want -Inf, got %g", got)
	}
	near(t, "ln(e^-1000 + e^-1000)", -1000+math.Ln2, lnSumExp([]float64{-1000, -1000}))
}

func TestHypergeometricSumsToOne(t *testing.T) {
	sum := 0.0
	for x := range 31 {
		sum += math.Exp(lnHypergeometric(x, 30, 28, 12))
	}
	near(t, "sum over all tables", 1, sum)
}

func TestVerdictsNeverPassByDefault(t *testing.T) {
	if (Verdict{}).Passed() {
		t.Error("the zero verdict passes")
	}
	for _, tt := range []struct {
		given []Verdict
		want  Outcome
	}{
		{nil, Inconclusive},
		{[]Verdict{{Pass, ""}}, Pass},
		{[]Verdict{{Pass, ""}, {Inconclusive, ReasonFewLabels}}, Inconclusive},
		{[]Verdict{{Inconclusive, ReasonFewLabels}, {Fail, ReasonWorse}, {Pass, ""}}, Fail},
	} {
		if got := Worst(tt.given...); got.Outcome != tt.want {
			t.Errorf("worst of %v: want %v, got %v", tt.given, tt.want, got)
		}
	}
}

func TestOutcomesTravelAsWords(t *testing.T) {
	for outcome, word := range map[Outcome]string{Pass: `"pass"`, Fail: `"fail"`, Inconclusive: `"inconclusive"`} {
		if got := string(must(json.Marshal(outcome))); got != word {
			t.Errorf("want %s, got %s", word, got)
		}
		var back Outcome
		if err := json.Unmarshal([]byte(word), &back); err != nil || back != outcome {
			t.Errorf("read %s: want %v, got %v (%v)", word, outcome, back, err)
		}
	}
	var o Outcome
	if json.Unmarshal([]byte(`"passed"`), &o) == nil {
		t.Error("an unknown word was read as an outcome")
	}
}
