package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func poissonSample() []Weighted {
	y := []float64{1, 0, 0, 1, 0, 0, 1, 0}
	p := []float64{.5, .5, .1, .1, .01, .01, 1, .25}
	sample := make([]Weighted, len(y))
	for i := range y {
		sample[i] = Weighted{y[i], p[i]}
	}
	return sample
}

func TestHorvitzThompson(t *testing.T) {
	total := must(HorvitzThompson(poissonSample()))
	near(t, "total", 13, total.Value)
	near(t, "total se", 9.5916630466254382, total.SE)
	near(t, "rate", 0.05, total.Value/260)
	near(t, "rate se", 0.036891011717790148, total.SE/260)
}

func TestHajek(t *testing.T) {
	process := must(Hajek(poissonSample(), OfProcess, .95))
	window := must(Hajek(poissonSample(), OfWindow, .95))
	near(t, "rate", 0.056768558951965066, process.Value)
	near(t, "process se", 0.058727576266701435, process.SE)
	near(t, "window se", 0.052763503879916053, window.SE)
	if process.Population != 229 {
		t.Errorf("population: want 229, got %d", process.Population)
	}
	var weights []float64
	for _, s := range poissonSample() {
		weights = append(weights, 1/s.P)
	}
	near(t, "Kish", 2.5928800988875156, must(Kish(weights)))
}

func TestHajekNeedsTwoLabels(t *testing.T) {
	none := must(Hajek(nil, OfProcess, .95))
	if none.Defined || none.Low != 0 || none.High != 1 {
		t.Errorf("no labels: want undefined with [0,1], got %+v", none)
	}
	one := must(Hajek([]Weighted{{1, .5}}, OfProcess, .95))
	if !one.Has(ReasonFewLabels) || one.Low != 0 || one.High != 1 {
		t.Errorf("one label: want [0,1] for few labels, got %+v", one)
	}
}

func TestHajekOfAWindowLabeledToTheLastItemHasNoSamplingError(t *testing.T) {
	got := must(Hajek([]Weighted{{1, 1}, {0, 1}, {0, 1}, {1, 1}}, OfWindow, .95))
	near(t, "se", 0, got.SE)
}

func TestHajekProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 60).Draw(t, "n")
		sample := make([]Weighted, n)
		for i := range sample {
			sample[i] = Weighted{indicator(rapid.Bool().Draw(t, "bad")), rapid.Float64Range(1e-4, 1).Draw(t, "p")}
		}
		got := must(Hajek(sample, OfProcess, .95))
		if !(got.Low >= 0 && got.Low <= got.Value && got.Value <= got.High && got.High <= 1) {
			t.Fatalf("out of order: %+v", got)
		}
		if got.EffectiveN > float64(n) || got.EffectiveN < 0 || math.IsNaN(got.SE) {
			t.Fatalf("effective size %g of %d, se %g", got.EffectiveN, n, got.SE)
		}
		// An unsampled item of a census stratum that is good changes the
		// population and not the total.
		before, after := must(HorvitzThompson(sample)), must(HorvitzThompson(append(sample, Weighted{0, 1})))
		if math.Abs(before.Value-after.Value) > 1e-9 || math.Abs(before.SE-after.SE) > 1e-9 {
			t.Fatalf("a certain zero moved the total from %v to %v", before, after)
		}
	})
}

func TestPoissonEstimatorsAreUnbiased(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const population = 2000
	y, p := make([]float64, population), make([]float64, population)
	truth := 0.0
	for i := range y {
		flagged := rng.Float64() < .1
		y[i], p[i] = indicator(rng.Float64() < .02), .05
		if flagged {
			y[i], p[i] = indicator(rng.Float64() < .3), .5
		}
		truth += y[i] / population
	}
	n := runs(2000, 20_000)
	var ht, hajek, squaresHT, squaresHajek, naive float64
	for range n {
		var sample []Weighted
		for i := range y {
			if rng.Float64() < p[i] {
				sample = append(sample, Weighted{y[i], p[i]})
			}
		}
		a := must(HorvitzThompson(sample)).Value / population
		b := must(Hajek(sample, OfProcess, .95)).Value
		ht, squaresHT = ht+a, squaresHT+a*a
		hajek, squaresHajek = hajek+b, squaresHajek+b*b
		naive += badOf(sample) / float64(len(sample))
	}
	check := func(name string, total, squares float64, slack float64) {
		mean := total / float64(n)
		err := math.Sqrt((squares/float64(n) - mean*mean) / float64(n))
		if math.Abs(mean-truth) > 4*err+slack {
			t.Errorf("%s: %.5f ± %.5f for truth %.5f", name, mean, err, truth)
		}
	}
	check("Horvitz-Thompson", ht, squaresHT, 0)
	check("Hajek", hajek, squaresHajek, 5e-4) // a ratio: biased in the order of 1/n
	if naive/float64(n) < 2*truth {
		t.Errorf("the plain share is %.4f: this population no longer shows the bias", naive/float64(n))
	}
}

func TestDomain(t *testing.T) {
	var sample []InDomain
	in := []float64{1, 1, 1, 0, 0, 1, 1, 0, 1, 0}
	y := []float64{1, 0, 1, 1, 0, 0, 1, 0, 0, 0}
	for i := range in {
		sample = append(sample, InDomain{"neg", in[i] == 1, y[i]})
	}
	in = []float64{1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1}
	y = []float64{0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0}
	for i := range in {
		sample = append(sample, InDomain{"rand", in[i] == 1, y[i]})
	}
	populations := map[string]int{"neg": 50, "rand": 2000}
	process := must(Domain(sample, populations, OfProcess, .95))
	window := must(Domain(sample, populations, OfWindow, .95))
	near(t, "rate", 0.17637540453074432, process.Value)
	near(t, "process se", 0.154456661780564, process.SE)
	near(t, "window se", 0.15396370708858048, window.SE)

	populations["neg"] = 3
	_, err := Domain(sample, populations, OfProcess, .95)
	refused(t, "population below the sample", err)
}

func TestDomainWithoutLabelsIsUndefined(t *testing.T) {
	got := must(Domain([]InDomain{{"a", false, 0}}, map[string]int{"a": 5}, OfProcess, .95))
	if got.Defined || got.High != 1 {
		t.Errorf("want undefined, got %+v", got)
	}
}

func TestClusters(t *testing.T) {
	users := []string{"1", "1", "1", "2", "2", "3", "4", "4", "4", "4", "5", "6", "6", "7", "8"}
	y := []float64{1, 1, 0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 1}
	var sample []Clustered
	var alone []Weighted
	for i := range users {
		weight := 10.0
		if i >= 8 {
			weight = 2
		}
		sample = append(sample, Clustered{users[i], y[i], weight})
		alone = append(alone, Weighted{y[i], 1 / weight})
	}
	got := must(Clusters(sample, .95))
	near(t, "rate", 0.38297872340425532, got.Value)
	near(t, "cluster se", 0.14998850802990543, got.SE)
	near(t, "se as if independent", 0.15355922267513206, must(Hajek(alone, OfProcess, .95)).SE)
}

func TestOneUserSaysLittle(t *testing.T) {
	got := must(Clusters([]Clustered{{"a", 0, 1}, {"a", 0, 1}, {"a", 1, 1}}, .95))
	if !got.Has(ReasonFewLabels) || got.Low != 0 || got.High != 1 {
		t.Errorf("one cluster: want [0,1], got %+v", got)
	}
	alike := must(Clusters([]Clustered{{"a", 0, 1}, {"a", 0, 1}, {"a", 0, 1}, {"b", 0, 1}}, .95))
	near(t, "two users who are all good", 2, alike.EffectiveN)
}

func TestAdjustNonresponse(t *testing.T) {
	responded := []bool{true, true, true, true, false, false, true, true, true, true, true, false}
	y := []float64{1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}
	var sample []Sampled
	for i := range responded {
		s := Sampled{Groups: []string{"flagged", "all"}, P: .5, Responded: responded[i], Y: y[i]}
		if i >= 6 {
			s.Groups, s.P = []string{"random", "all"}, .02
		}
		sample = append(sample, s)
	}
	got := must(AdjustNonresponse(sample, 4))
	near(t, "adjusted", 0.21153846153846154, got.Adjusted)
	near(t, "unadjusted", 0.20930232558139536, got.Unadjusted)
	nearInterval(t, "worst", 0.17307692307692307, 0.34615384615384615, got.Worst)
	near(t, "weight of a flagged respondent", 2/(2.0/3), got.Weights[0])
	near(t, "weight of a random respondent", 50/(5.0/6), got.Weights[6])

	coarse := must(AdjustNonresponse(sample, 6))
	near(t, "with groups too small, respondents stand for all", coarse.Unadjusted, coarse.Adjusted)

	nobody := must(AdjustNonresponse(sample[4:6], 0))
	if nobody.Worst != (Interval{0, 1, 1}) || nobody.Response != 0 {
		t.Errorf("nobody responded: want [0,1], got %+v", nobody)
	}
}

func TestCalibrate(t *testing.T) {
	got := must(Calibrate([]float64{10, 10, 5}, []string{"a", "a", "b"}, map[string]int{"a": 30, "b": 4}))
	nearAll(t, "weight", []float64{15, 15, 4}, got)
	_, err := Calibrate([]float64{1}, []string{"a"}, map[string]int{"a": 1, "b": 3})
	refused(t, "a cell nobody represents", err)
	_, err = Calibrate([]float64{1}, []string{"a"}, nil)
	refused(t, "a cell without a total", err)
}

func TestWeightsRefuseWrongInput(t *testing.T) {
	_, err := Hajek([]Weighted{{1, 0}}, OfProcess, .95)
	refused(t, "probability 0", err)
	_, err = Hajek([]Weighted{{1, 1.1}}, OfProcess, .95)
	refused(t, "probability above 1", err)
	_, err = HorvitzThompson([]Weighted{{math.NaN(), .5}})
	refused(t, "y NaN", err)
	_, err = Clusters([]Clustered{{"a", 1, 0}}, .95)
	refused(t, "weight 0", err)
	_, err = AdjustNonresponse([]Sampled{{P: .5}}, 0)
	refused(t, "no group", err)
	_, err = Kish([]float64{math.Inf(1)})
	refused(t, "infinite weight", err)
}
