package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func mostProbable(c Consensus) []int {
	classes := make([]int, len(c.Items))
	for i := range c.Items {
		class, _ := c.Class(i)
		classes[i] = class + 1
	}
	return classes
}

func nearby(t *testing.T, what string, tolerance float64, want, got []float64) {
	t.Helper()
	for i := range want {
		within(t, fmt.Sprintf("%s %d", what, i), want[i], got[i], tolerance)
	}
}

func TestDawidSkene(t *testing.T) {
	got := must(DawidSkene(twelveItems(), 3, DefaultConsensusPrior))
	if !got.Converged {
		t.Fatal("did not converge")
	}
	nearby(t, "prevalence", 1e-8, []float64{0.4863452902653, 0.1886391277531, 0.3250155819816}, got.Prevalence)
	if want := []int{1, 3, 1, 2, 1, 3, 1, 3, 1, 2, 1, 3}; !slices.Equal(want, mostProbable(got)) {
		t.Errorf("classes: want %v, got %v", want, mostProbable(got))
	}
	nearby(t, "item 3", 1e-8, []float64{0.993769620, 0.005700195, 0.000530185}, got.Posterior[2])
	nearby(t, "item 4", 1e-8, []float64{0.000554347, 0.998364520, 0.001081133}, got.Posterior[3])
	nearby(t, "item 12", 1e-8, []float64{0.072178533, 0.037026702, 0.890794765}, got.Posterior[11])
	for k, want := range [][]float64{
		{0.760726678, 0.190227567, 0.049045755}, {0.055159491, 0.879973878, 0.064866631}, {0.046417731, 0.047825543, 0.905756726},
	} {
		nearby(t, fmt.Sprint("labeler 4, class ", k), 1e-8, want, got.Confusion[3][k])
	}
}

func TestDawidSkenePriors(t *testing.T) {
	thin := must(DawidSkene(twelveItems(), 3, ConsensusPrior{.01, .01, 0}))
	nearby(t, "prevalence", 1e-8, []float64{0.500492105, 0.167182537, 0.332325358}, thin.Prevalence)
	within(t, "log-likelihood", -21.758947056586, thin.LogLikelihood, 1e-8)
	if want := []int{1, 3, 1, 2, 1, 3, 1, 3, 1, 2, 1, 3}; !slices.Equal(want, mostProbable(thin)) {
		t.Errorf("classes: want %v, got %v", want, mostProbable(thin))
	}
	// A flat prior wears the rare class away: why the default is not flat.
	flat := must(DawidSkene(twelveItems(), 3, ConsensusPrior{1, 1, 1}))
	if want := []int{1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3}; !slices.Equal(want, mostProbable(flat)) {
		t.Errorf("classes under a flat prior: want %v, got %v", want, mostProbable(flat))
	}
}

func TestFastDawidSkene(t *testing.T) {
	full, fast := must(DawidSkene(twelveItems(), 3, DefaultConsensusPrior)), must(FastDawidSkene(twelveItems(), 3, DefaultConsensusPrior))
	if !slices.Equal(mostProbable(full), mostProbable(fast)) {
		t.Errorf("want %v, got %v", mostProbable(full), mostProbable(fast))
	}
	if !fast.Converged || fast.Iterations*3 > full.Iterations {
		t.Errorf("fast took %d steps, full %d", fast.Iterations, full.Iterations)
	}
}

func TestConsensusDoesNotDependOnOrder(t *testing.T) {
	ratings := twelveItems()
	want := must(DawidSkene(ratings, 3, DefaultConsensusPrior))
	rand.New(rand.NewPCG(23, 24)).Shuffle(len(ratings), func(i, j int) { ratings[i], ratings[j] = ratings[j], ratings[i] })
	got := must(DawidSkene(ratings, 3, DefaultConsensusPrior))
	for i := range want.Posterior {
		if !slices.Equal(want.Posterior[i], got.Posterior[i]) {
			t.Fatalf("item %d: %v and %v", i, want.Posterior[i], got.Posterior[i])
		}
	}
}

func TestConsensusFindsTheBadLabeler(t *testing.T) {
	rng := rand.New(rand.NewPCG(25, 26))
	var ratings []Rating
	const items = 400
	truth := make([]int, items)
	for i := range items {
		truth[i] = int(indicator(rng.Float64() < .3)) * 2
		for labeler := range 4 {
			right := .92
			if labeler == 3 {
				right = .4
			}
			said := truth[i]
			if rng.Float64() > right {
				said = (said + 1 + rng.IntN(2)) % 3
			}
			ratings = append(ratings, Rating{int64(i), int64(labeler), said})
		}
	}
	got := must(DawidSkene(ratings, 3, DefaultConsensusPrior))
	right := 0
	for i := range items {
		class, _ := got.Class(i)
		right += int(indicator(class == truth[i]))
	}
	if right < 390 {
		t.Errorf("%d of %d classes found", right, items)
	}
	if !got.Identifiable {
		t.Error("four labels on every item are enough overlap")
	}
	within(t, "prevalence", .7, got.Prevalence[0], .05)
	within(t, "the bad labeler's accuracy", .4, got.Confusion[3][0][0], .08)
	good, bad := must(SpammerScore(got.Confusion[0])), must(SpammerScore(got.Confusion[3]))
	if bad > good/2 {
		t.Errorf("spammer scores: good %g, bad %g", good, bad)
	}
}

func TestTooLittleOverlapIsSaid(t *testing.T) {
	if must(DawidSkene(twelveItems(), 3, DefaultConsensusPrior)).Identifiable {
		t.Error("an item with one label: want not identifiable")
	}
	if _, err := DawidSkene(nil, 3, DefaultConsensusPrior); err == nil {
		t.Error("no ratings: want an error")
	}
	_, err := DawidSkene(twelveItems(), 3, ConsensusPrior{-1, 1, 1})
	refused(t, "negative prior", err)
	_, err = DawidSkene(twelveItems(), 3, ConsensusPrior{math.NaN(), 1, 1})
	refused(t, "prior NaN", err)
}

func TestMajority(t *testing.T) {
	for _, tt := range []struct {
		labels []int
		want   int
		clear  bool
	}{{[]int{2, 2, 0}, 2, true}, {[]int{2, 0}, 0, false}, {[]int{1}, 1, true}, {nil, 0, false}, {[]int{2, 1, 1, 2, 0}, 1, false}} {
		if got, clear := Majority(tt.labels); got != tt.want || clear != tt.clear {
			t.Errorf("%v: want %d %v, got %d %v", tt.labels, tt.want, tt.clear, got, clear)
		}
	}
}

func TestAdjudicate(t *testing.T) {
	for _, tt := range []struct {
		fact      string
		labels    []int
		posterior float64
		want      AdjudicationStep
	}{
		{"one label stands", []int{2}, 1, Settled},
		{"two that agree settle", []int{2, 2}, .97, Settled},
		{"not when the consensus doubts them", []int{2, 2}, .90, ThirdReading},
		{"two that differ get a third", []int{0, 1}, 1, ThirdReading},
		{"two of three neighbours settle", []int{0, 1, 0}, 1, Settled},
		{"three that differ go to an expert", []int{0, 1, 2}, 1, Expert},
		{"so does correct against hallucinated", []int{0, 2, 2}, 1, Expert},
		{"cannot tell clashes with nobody", []int{3, 2, 2}, 1, Settled},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			if got := must(Adjudicate(tt.labels, 0, 2, tt.posterior)); got != tt.want {
				t.Errorf("want %s, got %s", tt.want, got)
			}
		})
	}
	_, err := Adjudicate(nil, 0, 2, 1)
	refused(t, "no label", err)
}

func BenchmarkDawidSkene(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var ratings []Rating
	for i := range 5000 {
		for labeler := range 3 {
			ratings = append(ratings, Rating{int64(i), int64((i + labeler) % 12), rng.IntN(3)})
		}
	}
	for b.Loop() {
		_, _ = DawidSkene(ratings, 3, DefaultConsensusPrior)
	}
}

// The interval of a class's share holds the truth of the population that the
// items came from, although nobody knows the truth of an item.
func TestTheIntervalOfAClassShareCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(27, 28))
	n, covered, width := runs(50, 600), 0, 0.0
	const share = .15
	for run := range n {
		var ratings []Rating
		for i := range 150 {
			truth := int(indicator(rng.Float64() < share))
			for labeler, right := range []float64{.95, .9, .85} {
				said := truth
				if rng.Float64() > right {
					said = 1 - truth
				}
				ratings = append(ratings, Rating{int64(i), int64(labeler), said})
			}
		}
		fit := must(DawidSkene(ratings, 2, DefaultConsensusPrior))
		in, ok, err := fit.Resample(ratings, 2, DefaultConsensusPrior, 200, uint64(run), .95)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		covered += int(indicator(in.Prevalence[1].Contains(share)))
		width += (in.Prevalence[1].High - in.Prevalence[1].Low) / float64(n)
		if !in.Prevalence[1].Contains(fit.Prevalence[1]) || !in.Right[2][0].Contains(fit.Confusion[2][0][0]) {
			t.Errorf("run %d: an interval holds its own estimate", run)
		}
	}
	t.Logf("covers in %d of %d, %.3f wide", covered, n, width)
	if least := .9 - 2*math.Sqrt(.9*.1/float64(n)); float64(covered) < least*float64(n) {
		t.Errorf("covers in %d of %d", covered, n)
	}
	if width < .06 || width > .25 {
		t.Errorf("the interval is %.3f wide", width)
	}
}

func TestResampledIntervalsAreReproducedAndRefused(t *testing.T) {
	ratings := twelveItems()
	fit := must(DawidSkene(ratings, 3, DefaultConsensusPrior))
	one, ok, err := fit.Resample(ratings, 3, DefaultConsensusPrior, 200, 7, .95)
	again, _, _ := fit.Resample(ratings, 3, DefaultConsensusPrior, 200, 7, .95)
	if err != nil || !ok || !slices.Equal(one.Prevalence, again.Prevalence) || one.Seed != 7 || one.Replicates != 200 {
		t.Errorf("the same seed gives the same intervals: %+v, %+v, %v", one, again, err)
	}
	bare := must(DawidSkene(ratings, 3, ConsensusPrior{}))
	without, ok, err := bare.Resample(ratings, 3, ConsensusPrior{}, 200, 7, .95)
	if err != nil || !ok || !(without.Prevalence[1].Low >= 0 && without.Prevalence[1].High <= 1 && without.Right[0][1].Low >= 0) {
		t.Errorf("without a prior what was not drawn is impossible, and yet no interval is NaN: %+v, %v", without, err)
	}
	few := ratings[:20] // of six items
	if _, ok, err := must(DawidSkene(few, 3, DefaultConsensusPrior)).Resample(few, 3, DefaultConsensusPrior, 200, 7, .95); ok || err != nil {
		t.Errorf("six items have no interval: %v, %v", ok, err)
	}
	_, _, err = fit.Resample(few, 3, DefaultConsensusPrior, 200, 7, .95)
	refused(t, "other ratings", err)
	_, _, err = fit.Resample(ratings, 3, DefaultConsensusPrior, 0, 7, .95)
	refused(t, "no replicates", err)
}
