package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func threeStrata(k1, k2, k3 float64) []Stratum {
	return []Stratum{
		{Name: "negative", Population: 200, Labeled: 40, Bad: k1},
		{Name: "implicit", Population: 1500, Labeled: 60, Bad: k2},
		{Name: "random", Population: 48300, Labeled: 100, Bad: k3},
	}
}

func TestStratified(t *testing.T) {
	process := must(Stratified(threeStrata(14, 9, 2), OfProcess, .95))
	near(t, "rate", 0.02522, process.Value)
	near(t, "naive", 0.125, process.Numerator/float64(process.Denominator))
	near(t, "process se", 0.013666904731913817, process.SE)
	near(t, "window se", 0.013649370853803985, must(Stratified(threeStrata(14, 9, 2), OfWindow, .95)).SE)
	nearInterval(t, "MOVER-Wilson", 0.011053288326106277, 0.07365028561881462, process.Interval)
	near(t, "effective size", 131.61680923222198, process.EffectiveN)
	nearInterval(t, "Wilson on it", 0.009045407306068901, 0.06832314929081125, must(WilsonEffective(process.Value, process.EffectiveN, .95)))
	if process.Thin || process.Coverage != 1 || process.Response != 1 || process.Worst != process.Interval {
		t.Errorf("want a full, mature estimate, got %+v", process)
	}

	none := must(Stratified(threeStrata(14, 9, 0), OfProcess, .95))
	near(t, "rate with a clean random stratum", 0.0059, none.Value)
	nearInterval(t, "its MOVER-Wilson", 0.0037662446380401123, 0.041796292400198, none.Interval)
}

func TestStratifiedUpper(t *testing.T) {
	near(t, "all zero", 0.028548480055134728, must(StratifiedUpper(threeStrata(0, 0, 0), .95)))
	cells := join(threeStrata(0, 0, 0), 1)
	near(t, "Kish", 106.98665662418583, cells.effectiveSize(0, 0))
	near(t, "zero events on Kish's size", 0.027612595601788636, must(ClopperPearsonEffectiveUpper(0, cells.effectiveSize(0, 0), .95)))
	if got := must(StratifiedUpper(nil, .95)); got != 1 {
		t.Errorf("without labels: want 1, got %g", got)
	}
	if got := must(StratifiedLower(nil, .95)); got != 0 {
		t.Errorf("without labels: want 0, got %g", got)
	}
	e := must(Stratified(threeStrata(14, 9, 2), OfProcess, .9))
	near(t, "lower is Wilson on the effective size", must(WilsonEffective(e.Value, e.EffectiveN, .9)).Low, must(StratifiedLower(threeStrata(14, 9, 2), .95)))
	near(t, "upper is exact on the effective size", must(ClopperPearsonEffectiveUpper(e.Value, e.EffectiveN, .95)), must(StratifiedUpper(threeStrata(14, 9, 2), .95)))
}

func TestStratumLabeledToTheLastItem(t *testing.T) {
	got := must(Stratified([]Stratum{
		{Name: "negative", Population: 200, Labeled: 200, Bad: 66},
		{Name: "random", Population: 49800, Labeled: 100, Bad: 2},
	}, OfWindow, .95))
	near(t, "rate", 0.02124, got.Value)
	near(t, "se", 0.014000169695941202, got.SE)
	nearInterval(t, "interval", 0.006799959679961694, 0.07105174356562971, got.Interval)
}

func TestThinHeaviestStratumGetsTheHull(t *testing.T) {
	strata := []Stratum{
		{Name: "negative", Population: 200, Labeled: 40, Bad: 14},
		{Name: "random", Population: 48300, Labeled: 30, Bad: 0},
	}
	got := must(Stratified(strata, OfProcess, .95))
	other := must(WilsonEffective(got.Value, got.EffectiveN, .95))
	if !got.Thin || !got.Has(ReasonThin) || got.Low > other.Low || got.High < other.High {
		t.Errorf("want thin, and at least as wide as %v, got %+v", other, got)
	}
	strata[1].Labeled = 50
	if must(Stratified(strata, OfProcess, .95)).Thin {
		t.Error("fifty labels in the heaviest stratum are not thin")
	}
}

func TestUnlabeledStrata(t *testing.T) {
	strata := threeStrata(14, 9, 2)
	strata[0].Labeled, strata[0].Bad, strata[0].Neighbor = 0, 0, "implicit"
	merged := must(Stratified(strata, OfProcess, .95))
	near(t, "read as its neighbour", (1700*.15+48300*.02)/50000, merged.Value)
	if !merged.Has(ReasonCollapsed) || merged.Coverage != 1 {
		t.Errorf("want collapsed with full coverage, got %+v", merged)
	}

	strata[0].Neighbor = ""
	left := must(Stratified(strata, OfProcess, .95))
	near(t, "coverage", 49800.0/50000, left.Coverage)
	near(t, "rate of the covered", (1500*.15+48300*.02)/49800, left.Value)
	near(t, "worst low", left.Coverage*left.Low, left.Worst.Low)
	near(t, "worst high", left.Coverage*left.High+1-left.Coverage, left.Worst.High)
	if !left.Has(ReasonUncovered) || left.Population != 50000 {
		t.Errorf("want uncovered of 50000, got %+v", left)
	}

	for i := range strata {
		strata[i].Labeled, strata[i].Bad = 0, 0
	}
	nothing := must(Stratified(strata, OfProcess, .95))
	if nothing.Defined || nothing.Low != 0 || nothing.High != 1 || nothing.Population != 50000 {
		t.Errorf("want undefined of 50000, got %+v", nothing)
	}
}

func TestNeighboursAreFollowedToTheFirstWithLabels(t *testing.T) {
	got := must(Stratified([]Stratum{
		{Name: "safety", Neighbor: "negative", Population: 10},
		{Name: "negative", Neighbor: "implicit", Population: 20},
		{Name: "implicit", Neighbor: "random", Population: 70, Labeled: 20, Bad: 10},
		{Name: "random", Neighbor: "safety", Population: 100, Labeled: 20, Bad: 2},
	}, OfProcess, .95))
	near(t, "rate", .5*.5+.5*.1, got.Value)
}

func TestDaysJoinBeforeStrataDo(t *testing.T) {
	days := []Stratum{
		{Name: "random", Frame: "2026-01-01", Population: 100, Labeled: 4, Bad: 1},
		{Name: "random", Frame: "2026-01-02", Population: 100, Labeled: 6, Bad: 1},
		{Name: "random", Frame: "2026-01-03", Population: 300, Labeled: 10, Bad: 5},
		{Name: "random", Frame: "2026-01-04", Population: 100, Labeled: 0},
	}
	got := must(Stratified(days, OfProcess, .95))
	near(t, "rate", 200.0/600*.2+400.0/600*.5, got.Value)
	if got.Coverage != 1 || got.Has(ReasonCollapsed) {
		t.Errorf("days that join are neither uncovered nor collapsed: %+v", got)
	}
}

func TestNonresponseAndMaturityAreSaid(t *testing.T) {
	strata := threeStrata(14, 9, 2)
	strata[2].Sampled = 200
	got := must(Stratified(strata, OfProcess, .95))
	near(t, "response", (1700+48300*.5)/50000, got.Response)
	if !got.Has(ReasonImmature) {
		t.Error("half of a stratum outstanding: want immature")
	}
	if !(got.Worst.Low < got.Low && got.Worst.High > got.High+.4) {
		t.Errorf("worst %v of %v: half the random stratum is unknown", got.Worst, got.Interval)
	}
	strata[2].Sampled = 125
	if must(Stratified(strata, OfProcess, .95)).Has(ReasonImmature) {
		t.Error("four fifths labeled is mature")
	}
}

func TestOneLabelStillHasAnInterval(t *testing.T) {
	got := must(Stratified([]Stratum{{Name: "a", Population: 10, Labeled: 1, Bad: 1}, {Name: "b", Population: 90, Labeled: 50, Bad: 5}}, OfProcess, .95))
	if !got.Defined || !got.Has(ReasonSingleLabel) || got.SE <= 0 {
		t.Errorf("want an estimate that says one stratum rests on one label, got %+v", got)
	}
}

func TestStratifiedRefusesWrongInput(t *testing.T) {
	for what, s := range map[string]Stratum{
		"more bad than labels":        {Population: 9, Labeled: 1, Bad: 2},
		"more labels than population": {Population: 1, Labeled: 2},
		"negative labels":             {Population: 1, Labeled: -1},
		"fewer sampled than labeled":  {Population: 9, Labeled: 3, Sampled: 2},
	} {
		_, err := Stratified([]Stratum{s}, OfProcess, .95)
		refused(t, what, err)
	}
	_, err := Stratified([]Stratum{{Name: "a", Population: 1}, {Name: "a", Population: 1}}, OfProcess, .95)
	refused(t, "a stratum given twice", err)
}

func TestStratifiedProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var strata []Stratum
		for i := range rapid.IntRange(1, 12).Draw(t, "strata") {
			n := rapid.IntRange(0, 60).Draw(t, "n")
			strata = append(strata, Stratum{
				Name: fmt.Sprint("s", i%4), Frame: fmt.Sprint("d", i/4), Neighbor: fmt.Sprint("s", (i+1)%4),
				Population: n + rapid.IntRange(1, 5000).Draw(t, "rest"), Labeled: n,
				Bad: float64(rapid.IntRange(0, n).Draw(t, "k")),
			})
		}
		got := must(Stratified(strata, OfProcess, .95))
		if !(0 <= got.Low && got.Low <= got.High && got.High <= 1) || !(got.Worst.Low <= got.Low+1e-12 && got.Worst.High >= got.High-1e-12) {
			t.Fatalf("intervals out of order: %+v", got)
		}
		if got.Defined && !got.Contains(got.Value) {
			t.Fatalf("%v misses its own rate %g", got.Interval, got.Value)
		}
		if !(got.SE >= 0) || !(got.EffectiveN >= 0 && got.EffectiveN <= float64(got.Denominator)) {
			t.Fatalf("se %g, effective size %g of %d", got.SE, got.EffectiveN, got.Denominator)
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		shuffled := slices.Clone(strata)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if again := must(Stratified(shuffled, OfProcess, .95)); again.Value != got.Value || again.Interval != got.Interval || again.SE != got.SE {
			t.Fatalf("order matters: %+v and %+v", got, again)
		}
	})
}

// TestDashboardPipelineCovers is the whole path of a rate: traffic with known
// rates, priority queues, skips, days, and the estimate of all of it.
func TestDashboardPipelineCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	classes := []struct {
		name       string
		population int
		rate       float64
		capacity   int
	}{{"negative", 40, .35, 12}, {"implicit", 220, .12, 16}, {"random", 7000, .02, 45}}
	truth, traffic := 0.0, 0.0
	for _, c := range classes {
		truth += float64(c.population) * c.rate
		traffic += float64(c.population)
	}
	truth /= traffic
	n := runs(400, 2000)
	covered, naiveCovered := 0, 0
	for range n {
		var strata []Stratum
		bad, labels := 0, 0
		for day := range 7 {
			for _, c := range classes {
				s := Stratum{Name: c.name, Frame: fmt.Sprint(day), Population: c.population, Sampled: c.capacity}
				for range c.capacity {
					if rng.Float64() < .1 {
						continue // skipped, for reasons of the labeler's own
					}
					s.Labeled++
					s.Bad += indicator(rng.Float64() < c.rate)
				}
				strata = append(strata, s)
				bad, labels = bad+int(s.Bad), labels+s.Labeled
			}
		}
		if must(Stratified(strata, OfProcess, .95)).Contains(truth) {
			covered++
		}
		if must(Wilson(bad, labels, .95)).Contains(truth) {
			naiveCovered++
		}
	}
	share := float64(covered) / float64(n)
	if share < .93 || share > .995 {
		t.Errorf("the estimate covers the truth in %.1f %% of %d runs", 100*share, n)
	}
	if naive := float64(naiveCovered) / float64(n); naive > .05 {
		t.Errorf("the plain share covers in %.1f %%: this traffic no longer shows the bias", 100*naive)
	}
	t.Logf("covered %.1f %%, plain share %.1f %%", 100*share, 100*float64(naiveCovered)/float64(n))
}

// TestMoverCoverage repeats the measured coverages, nominally 95 %, in small.
func TestMoverCoverage(t *testing.T) {
	for _, tt := range []struct {
		n    [3]int
		p    [3]float64
		want float64
	}{
		{[3]int{40, 60, 100}, [3]float64{.35, .15, .02}, .954},
		{[3]int{40, 60, 100}, [3]float64{.35, .15, .01}, .947},
		{[3]int{20, 20, 60}, [3]float64{.4, .2, .03}, .961},
		{[3]int{100, 200, 400}, [3]float64{.35, .15, .02}, .952},
		{[3]int{40, 60, 30}, [3]float64{.35, .15, .005}, .985}, // starved: the hull
	} {
		rng := rand.New(rand.NewPCG(9, 10))
		population := [3]int{200, 1500, 48300}
		truth := 0.0
		for h := range population {
			truth += float64(population[h]) * tt.p[h] / 50000
		}
		runs, covered := runs(2000, 40_000), 0
		for range runs {
			var strata []Stratum
			for h := range population {
				bad := 0.0
				for range tt.n[h] {
					bad += indicator(rng.Float64() < tt.p[h])
				}
				strata = append(strata, Stratum{Name: fmt.Sprint(h), Population: population[h], Labeled: tt.n[h], Bad: bad})
			}
			if must(Stratified(strata, OfProcess, .95)).Contains(truth) {
				covered++
			}
		}
		got := float64(covered) / float64(runs)
		t.Logf("n=%v p=%v: %.1f %%", tt.n, tt.p, 100*got)
		if got < tt.want-.02 || got > tt.want+.02 {
			t.Errorf("n=%v p=%v: covered %.1f %%, want about %.1f %%", tt.n, tt.p, 100*got, 100*tt.want)
		}
	}
}

// Strata of like weight: several task classes at once, or a queue of which a
// rule takes half. The interval is to cover in at least 94 of 100 runs, and
// where labels are plenty in no more than 98.
func TestTheScoreIntervalOfASumCoversAndNoMore(t *testing.T) {
	for _, tt := range []struct {
		name   string
		each   int       // labels of a stratum
		weight []float64 // of the strata
		p      []float64
		plenty bool
	}{
		{"half and half", 1000, []float64{.5, .5}, []float64{.03, .05}, true},
		{"seven tenths", 200, []float64{.7, .3}, []float64{.03, .2}, true},
		{"three", 100, []float64{1, 1, 1}, []float64{.05, .02, .1}, true},
		{"five, one worse", 200, []float64{1, 1, 1, 1, 1}, []float64{.3, .02, .1, .03, .02}, true},
		{"five with few labels", 50, []float64{1, 1, 1, 1, 1}, []float64{.03, .03, .03, .03, .03}, false},
		{"ten with few labels", 20, []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, []float64{.1, .02, .1, .02, .1, .02, .1, .02, .1, .02}, false},
	} {
		rng := rand.New(rand.NewPCG(17, 18))
		truth, total := 0.0, sum(tt.weight)
		for h, w := range tt.weight {
			truth += w / total * tt.p[h]
		}
		runs, covered := runs(3000, 40_000), 0
		for range runs {
			var strata []Stratum
			for h, w := range tt.weight {
				bad := 0.0
				for range tt.each {
					bad += indicator(rng.Float64() < tt.p[h])
				}
				strata = append(strata, Stratum{Name: fmt.Sprint(h), Population: int(w / total * 1e6), Labeled: tt.each, Bad: bad})
			}
			if must(Stratified(strata, OfProcess, .95)).Contains(truth) {
				covered++
			}
		}
		got := float64(covered) / float64(runs)
		t.Logf("%s: %.1f %%", tt.name, 100*got)
		if got < .94 || tt.plenty && got > .98 {
			t.Errorf("%s: covered %.1f %%, want 94 to 98", tt.name, 100*got)
		}
	}
}

// Of one stratum the score interval of a sum is Wilson's, but for the rate
// that is smoothed.
func TestTheScoreIntervalOfOneStratumIsNearlyWilsons(t *testing.T) {
	c := cell{part: part{population: 1e6, labeled: 2000, bad: 100}}
	c.parts = []part{c.part}
	got := sumScore([]cell{c}, []float64{1}, .05, twoSidedZ(.95), .95, OfProcess)
	want := must(Wilson(100, 2000, .95))
	if math.Abs(got.Low-want.Low) > 2e-4 || math.Abs(got.High-want.High) > 2e-4 {
		t.Errorf("want about %v, got %v", want, got)
	}
}

func BenchmarkStratified(b *testing.B) {
	// Thirty days of four priorities, as one cell of the rates page reads them.
	var strata []Stratum
	for day := range 30 {
		for h, name := range []string{"safety", "negative", "implicit", "random"} {
			strata = append(strata, Stratum{Name: name, Frame: fmt.Sprintf("%02d", day), Population: 1000 * (h + 1), Labeled: 5 + h, Bad: 1})
		}
	}
	for b.Loop() {
		_, _ = Stratified(strata, OfProcess, .95)
	}
}
