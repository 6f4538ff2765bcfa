package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestPairEvidence(t *testing.T) {
	for _, tt := range []struct {
		counts                 PairCounts
		ni02, ni03, harm, over float64
	}{
		{PairCounts{5, 2, 193}, -0.6447488757263842, -0.018937721608848435, 0.2651311892211634, -0.4690430274884503},
		{PairCounts{0, 0, 200}, 2.6317096499084656, 4.2925307074126975, 0, -0.8336352277165346},
		{PairCounts{0, 0, 300}, 4.263069092633372, 6.936278985224603, 0, -1.1434089371640233},
		{PairCounts{20, 3, 777}, -1.5873856318634152, -0.06961733738167197, 5.978039564715922, 1.3975445069459331},
		{PairCounts{14, 15, 1171}, 7.407829062762807, 14.993843791780634, -1.6225547393540976, -2.688080172312235},
	} {
		t.Run(fmt.Sprint(tt.counts), func(t *testing.T) {
			near(t, "non-inferior by .02", tt.ni02, must(LnNonInferior(tt.counts, .02)))
			near(t, "non-inferior by .03", tt.ni03, must(LnNonInferior(tt.counts, .03)))
			near(t, "harm", tt.harm, must(LnHarm(tt.counts, 0)))
			near(t, "harm beyond .01", tt.over, must(LnHarm(tt.counts, .01)))
		})
	}
}

func TestDifferenceSequence(t *testing.T) {
	for _, tt := range []struct {
		counts    PairCounts
		low, high float64
	}{
		{PairCounts{5, 2, 193}, -0.030103657546773563, 0.06691786220356219},
		{PairCounts{0, 0, 200}, -0.02646977746865439, 0.02646977746865439},
		{PairCounts{20, 3, 777}, 0.004486244233720604, 0.043267857419318954},
		{PairCounts{14, 15, 1171}, -0.015825131189124535, 0.013995926225411385},
	} {
		nearInterval(t, fmt.Sprint(tt.counts), tt.low, tt.high, must(DifferenceSequence(tt.counts, .05)).Interval)
	}
	if got := must(DifferenceSequence(PairCounts{}, .05)); got.Defined || got.Low != -1 || got.High != 1 {
		t.Errorf("no pairs: want [-1,1], got %+v", got)
	}
}

func TestEventShareEvidence(t *testing.T) {
	near(t, "canary events at factor 1", 2.1629534853599757, must(LnAbove(6, 18, must(ShareNull(.1, 1)))))
	near(t, "canary events at factor 1.5", 0.6472130760969266, must(LnAbove(6, 18, must(ShareNull(.1, 1.5)))))
}

func TestObjectiveEvidence(t *testing.T) {
	for _, tt := range []struct {
		k, n     int
		p0, want float64
	}{
		{0, 100, .02, -3.88132832566005}, {5, 100, .02, -0.844467708603356}, {8, 100, .02, 2.83728166790751},
		{2, 5, .03, 2.7737833019416017}, {12, 300, .02, -0.620119314505942}, {0, 0, .02, 0},
	} {
		near(t, fmt.Sprintf("%d of %d above %g", tt.k, tt.n, tt.p0), tt.want, must(LnAbove(tt.k, tt.n, tt.p0)))
	}
	for _, n := range []int{1, 1000, 1_000_000, 100_000_000} {
		for _, k := range []int{0, n / 2, n} {
			if got := must(LnAbove(k, n, .02)); math.IsNaN(got) {
				t.Errorf("%d of %d: NaN", k, n)
			}
		}
	}
}

func TestRateSequence(t *testing.T) {
	near(t, "prior weight", 24.20112195851268, priorWeight(200, .05))
	near(t, "scale", 7.936154601737565, mixtureScale(.05))
	for _, tt := range []struct {
		k, n      int
		low, high float64
	}{
		{0, 50, 0, 0.12096550762678844}, {3, 97, 0.0012663888789288568, 0.11574049701693567},
		{17, 420, 0.016565519115446126, 0.07609246495273445}, {250, 1000, 0.20820205528398023, 0.29464800187334633}, {8, 8, 0.1986448332346647, 1},
	} {
		nearInterval(t, fmt.Sprintf("%d of %d", tt.k, tt.n), tt.low, tt.high, must(RateSequence(tt.k, tt.n, 200, .05)))
	}
	if got := must(RateSequence(0, 0, 200, .05)); got != (Interval{0, 1, .95}) {
		t.Errorf("no labels: want [0,1], got %v", got)
	}
}

func TestQuantileSequence(t *testing.T) {
	for _, tt := range []struct {
		n    int
		q    float64
		want Ranks
	}{
		{50, .95, Ranks{39, 0}}, {200, .95, Ranks{179, 199}}, {1000, .95, Ranks{928, 970}}, {1000, .5, Ranks{453, 548}}, {5000, .99, Ranks{4926, 4971}},
	} {
		if got := must(QuantileSequence(tt.q, tt.n, 1000, .05)); got != tt.want {
			t.Errorf("quantile %g of %d: want %v, got %v", tt.q, tt.n, tt.want, got)
		}
	}
	if got := must(QuantileSequence(.95, 0, 1000, .05)); got != (Ranks{}) {
		t.Errorf("no values: got %v", got)
	}
}

func TestQuantileSequenceMatchesTheScanOfAllRanks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 400).Draw(t, "n")
		q := rapid.Float64Range(.01, .99).Draw(t, "q")
		low, high := -1, -1
		for k := range n + 1 {
			if lnMixture(k, n, q, priorWeight(1000, .05)) < -math.Log(.05) {
				if low < 0 {
					low = k
				}
				high = k + 1
			}
		}
		if high > n {
			high = 0
		}
		if got := must(QuantileSequence(q, n, 1000, .05)); got != (Ranks{low, high}) {
			t.Fatalf("quantile %g of %d: want %v, got %v", q, n, Ranks{low, high}, got)
		}
	})
}

func TestAsymptoticRadius(t *testing.T) {
	near(t, "rho", 0.08908509752892212, asymptoticRho(1000, .05))
	for n, want := range map[int]float64{100: 0.0771010926706062, 1000: 0.019196347168418098, 5000: 0.008918116817892825} {
		got, ok, err := AsymptoticRadius(.2, n, 1000, .05)
		if !ok || err != nil {
			t.Errorf("n=%d: ok=%v, %v", n, ok, err)
		}
		near(t, fmt.Sprint("radius at ", n), want, got)
	}
	if _, ok, _ := AsymptoticRadius(.2, 99, 1000, .05); ok {
		t.Error("asymptotics begin at 100 labels")
	}
}

func TestNormalMixture(t *testing.T) {
	for _, tt := range []struct {
		n       int
		d, want float64
	}{{500, .01, -0.41219546454492495}, {1000, .02, 1.968225293745719}, {2000, .02, 5.061284504678403}} {
		near(t, fmt.Sprint("n=", tt.n), tt.want, must(LnNormalMixture(tt.n, tt.d, .0582, .0004)))
	}
}

func TestReachableMargin(t *testing.T) {
	for _, tt := range []struct {
		rate float64
		n    int
		want float64
	}{{.02, 200, .046}, {.02, 500, .027}, {.02, 1000, .019}, {.02, 2000, .013}, {.01, 200, .036}, {.01, 500, .020}, {.01, 1000, .014}} {
		within(t, fmt.Sprintf("rate %g, %d pairs", tt.rate, tt.n), tt.want, must(ReachableMargin(tt.rate, tt.n, .05)), .0006)
	}
}

func TestNoDataIsNoEvidence(t *testing.T) {
	near(t, "harm", 0, must(LnHarm(PairCounts{}, 0)))
	near(t, "non-inferiority", 0, must(LnNonInferior(PairCounts{}, .02)))
	near(t, "objective", 0, must(LnAbove(0, 0, .02)))
	near(t, "sample ratio", 0, must(LnUnlike(0, 0, .5, 1000, .05)))
	near(t, "bets", 0, must(NewHarmBets(0)).LnE())
	near(t, "joined", 0, JoinDependent())
}

func TestBetsOnPairsAreTheCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		margin := rapid.Float64Range(-.2, .2).Draw(t, "margin")
		harm, safe := must(NewHarmBets(margin)), must(NewNonInferiorityBets(margin))
		var counts PairCounts
		for _, d := range rapid.SliceOfN(rapid.IntRange(-1, 1), 0, 200).Draw(t, "pairs") {
			harm, safe = must(harm.Add(float64(d))), must(safe.Add(float64(d)))
			switch d {
			case 1:
				counts.Worse++
			case -1:
				counts.Better++
			default:
				counts.Equal++
			}
		}
		// Since counts have no order, neither has the evidence.
		if a, b := must(LnHarm(counts, margin)), harm.LnE(); math.Abs(a-b) > 1e-9*max(1, math.Abs(a)) {
			t.Fatalf("harm: counts %g, bets %g", a, b)
		}
		if a, b := must(LnNonInferior(counts, margin)), safe.LnE(); math.Abs(a-b) > 1e-9*max(1, math.Abs(a)) {
			t.Fatalf("non-inferiority: counts %g, bets %g", a, b)
		}
	})
}

// TestEvidenceSurvivesPeeking looks after every label, where the hypothesis
// just holds, and counts the paths that ever reach 1/alpha.
func TestEvidenceSurvivesPeeking(t *testing.T) {
	const alpha = .05
	paths, length := runs(300, 2000), runs(800, 2000)
	allowed := alpha + 3*math.Sqrt(alpha*(1-alpha)/float64(paths))
	rng := rand.New(rand.NewPCG(17, 18))
	pair := func(candidate, baseline float64) int {
		return int(indicator(rng.Float64() < candidate) - indicator(rng.Float64() < baseline))
	}
	share := func(path func() bool) float64 {
		crossed := 0
		for range paths {
			crossed += int(indicator(path()))
		}
		return float64(crossed) / float64(paths)
	}
	counted := func(candidate, baseline float64, lnE func(PairCounts) float64) func() bool {
		return func() bool {
			var counts PairCounts
			for range length {
				switch pair(candidate, baseline) {
				case 1:
					counts.Worse++
				case -1:
					counts.Better++
				default:
					counts.Equal++
					continue // an equal pair never raises evidence of harm
				}
				if Crossed(lnE(counts), alpha) {
					return true
				}
			}
			return false
		}
	}
	for name, got := range map[string]float64{
		"harm, no difference": share(counted(.02, .02, func(c PairCounts) float64 { return must(LnHarm(c, 0)) })),
		"non-inferiority, at the margin": share(func() bool {
			bets := must(NewNonInferiorityBets(.02))
			for range length {
				bets = must(bets.Add(float64(pair(.04, .02))))
				if Crossed(bets.LnE(), alpha) {
					return true
				}
			}
			return false
		}),
		"objective, at the objective": share(func() bool {
			k := 0
			for n := 1; n <= length; n++ {
				if rng.Float64() < .02 {
					k++
					if Crossed(must(LnAbove(k, n, .02)), alpha) {
						return true
					}
				}
			}
			return false
		}),
		"sample ratio, as planned": share(func() bool {
			k := 0
			for n := 1; n <= length; n++ {
				k += int(indicator(rng.Float64() < .1))
				if Crossed(must(LnUnlike(k, n, .1, 1000, alpha)), alpha) {
					return true
				}
			}
			return false
		}),
	} {
		if got > allowed {
			t.Errorf("%s: %.1f %% of the paths ever crossed, at most %.1f %% may", name, 100*got, 100*allowed)
		}
		t.Logf("%s: %.1f %%", name, 100*got)
	}
}

func TestHarmIsFoundAndSafetyCertified(t *testing.T) {
	// Operating characteristics as published: 2 to 10 % found after a median of
	// 110 pairs; a margin of 3 points certified after 335.
	rng := rand.New(rand.NewPCG(19, 20))
	rounds := runs(101, 1001)
	until := func(candidate float64, done func(PairCounts) bool) float64 {
		var lengths []float64
		for range rounds {
			var c PairCounts
			for c.N() < 6000 {
				switch indicator(rng.Float64() < candidate) - indicator(rng.Float64() < .02) {
				case 1:
					c.Worse++
				case -1:
					c.Better++
				default:
					c.Equal++
				}
				if c.N()%5 == 0 && done(c) {
					break
				}
			}
			lengths = append(lengths, float64(c.N()))
		}
		median, _, _ := Percentile(lengths, 50)
		return median
	}
	within(t, "pairs to find 10 %", 110, until(.10, func(c PairCounts) bool { return Crossed(must(LnHarm(c, 0)), .05) }), .3)
	within(t, "pairs to certify 3 points", 335, until(.02, func(c PairCounts) bool { return Crossed(must(LnNonInferior(c, .03)), .05) }), .3)
}

func TestEvidenceRefusesWrongInput(t *testing.T) {
	_, err := LnHarm(PairCounts{Worse: -1}, 0)
	refused(t, "negative count", err)
	_, err = LnNonInferior(PairCounts{}, 1)
	refused(t, "margin 1", err)
	_, err = NewHarmBets(math.NaN())
	refused(t, "margin NaN", err)
	_, err = must(NewHarmBets(0)).Add(1.5)
	refused(t, "difference above 1", err)
	_, err = LnAbove(3, 2, .02)
	refused(t, "k above n", err)
	_, err = ShareNull(0, 1)
	refused(t, "no traffic", err)
	_, err = RateSequence(1, 2, 0, .05)
	refused(t, "nothing planned", err)
	_, _, err = AsymptoticRadius(math.NaN(), 200, 1000, .05)
	refused(t, "sd NaN", err)
	_, err = LnNormalMixture(5, math.Inf(1), 1, 1)
	refused(t, "infinite difference", err)
}

func TestSkipsAreReadAgainstTheCandidate(t *testing.T) {
	if got := (PairCounts{1, 2, 3}).WithSkips(4, 2); got != (PairCounts{5, 2, 3}) {
		t.Errorf("got %+v", got)
	}
}

func TestJoinedEvidence(t *testing.T) {
	near(t, "mean of 1, 3 and 5", math.Log(3), JoinDependent(0, math.Log(3), math.Log(5)))
	near(t, "product of 2 and 3", math.Log(6), JoinIndependent(math.Log(2), math.Log(3)))
	near(t, "p of 20", .05, AnytimeP(math.Log(20)))
	near(t, "p is at most 1", 1, AnytimeP(-5))
}

func BenchmarkDifferenceSequence(b *testing.B) {
	for b.Loop() {
		_, _ = DifferenceSequence(PairCounts{14, 15, 1171}, .05)
	}
}
