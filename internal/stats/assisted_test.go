package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func scoredLabels() (labeled []Scored, unlabeled []float64) {
	y := []float64{1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0}
	f := []float64{.9, .1, .2, .7, .1, .05, .3, .8, .1, .2, .4, .6, .1, .1, .2, .9, .3, .1, .05, .1}
	for i := range y {
		labeled = append(labeled, Scored{y[i], f[i]})
	}
	for i := range 60 {
		unlabeled = append(unlabeled, float64(37*i%100)/100)
	}
	return labeled, unlabeled
}

func verdictCounts() (labeled []Scored, unlabeled Scores) {
	for _, c := range []struct {
		n    int
		y, f float64
	}{{9, 1, 1}, {4, 1, 0}, {2, 0, 1}, {85, 0, 0}} {
		for range c.n {
			labeled = append(labeled, Scored{c.y, c.f})
		}
	}
	p := 260.0 / 2000
	return labeled, Scores{2000, p, p * (1 - p)}
}

func TestPredictionPowered(t *testing.T) {
	z := twoSidedZ(.95)
	check := func(name string, got PredictionPoweredResult, theta, low, high float64) {
		t.Helper()
		near(t, name, theta, got.Value)
		near(t, name+" normal low", low, got.Value-z*got.SE)
		near(t, name+" normal high", high, got.Value+z*got.SE)
	}
	labeled, raw := scoredLabels()
	unlabeled := must(ScoresOf(raw))
	check("scores, labels alone", predictionPowered(labeled, unlabeled, 0, .95), 0.3, 0.0991634554736407, 0.5008365445263593)
	check("scores, full trust", predictionPowered(labeled, unlabeled, 1, .95), 0.4833333333333333, 0.3078665813072007, 0.6588000853594659)
	best := must(PredictionPowered(labeled, unlabeled, .95))
	check("scores, tuned", best, 0.4205530088922589, 0.24954366403897912, 0.5915623537455386)
	near(t, "trust", 0.6575618666850485, best.Lambda)
	near(t, "se", 0.08725126900401213, best.SE)
	nearInterval(t, "few events: Wilson on the effective size", must(WilsonEffective(best.Value, best.EffectiveN, .95)).Low, must(WilsonEffective(best.Value, best.EffectiveN, .95)).High, best.Interval)

	labeled, unlabeled = verdictCounts()
	check("verdicts, labels alone", predictionPowered(labeled, unlabeled, 0, .95), 0.13, 0.06408573806675029, 0.19591426193324973)
	check("verdicts, full trust", predictionPowered(labeled, unlabeled, 1, .95), 0.15, 0.09993260588522757, 0.20006739411477242)
	best = must(PredictionPowered(labeled, unlabeled, .95))
	check("verdicts, tuned", best, 0.14282287217623404, 0.09537769124421941, 0.19026805310824996)
	near(t, "trust", 0.6411436088117031, best.Lambda)
}

func TestByVerdict(t *testing.T) {
	got := must(ByVerdict([]Stratum{
		{Name: "fail", Population: 271, Labeled: 11, Bad: 9},
		{Name: "pass", Population: 1829, Labeled: 89, Bad: 4},
	}, .95))
	near(t, "rate", 0.14472834281823047, got.Value)
	near(t, "se", 0.02485432957718485, got.SE)
	nearInterval(t, "interval", 0.09981275972622704, 0.20377904037996253, got.Interval)
	if got.Estimator != EstimatorVerdicts {
		t.Errorf("estimator is %q", got.Estimator)
	}
}

func TestDifferences(t *testing.T) {
	var frame []float64
	score := func(id int) float64 {
		if id < 40 {
			return .1
		}
		return .8
	}
	for id := range 50 {
		frame = append(frame, score(id))
	}
	var sample []ScoredWeighted
	for _, s := range []struct {
		id int
		y  float64
	}{{0, 0}, {7, 0}, {19, 1}, {33, 0}, {40, 1}, {43, 1}, {44, 0}, {47, 1}, {48, 1}, {49, 1}} {
		p := .1
		if s.id >= 40 {
			p = .5
		}
		sample = append(sample, ScoredWeighted{s.y, score(s.id), p})
	}
	scores := must(ScoresOf(frame))
	unbiased := must(Differences(scores, sample, ByPopulation, OfWindow, .95))
	near(t, "by population", 0.368, unbiased.Value)
	near(t, "its se", 0.17581808780668726, unbiased.SE)
	weighted := must(Differences(scores, sample, ByWeights, OfWindow, .95))
	near(t, "by weights", 0.36307692307692313, weighted.Value)
	near(t, "its se", 0.16034847909064348, weighted.SE)

	var plain []Weighted
	for _, s := range sample {
		plain = append(plain, Weighted{s.Y, s.P})
	}
	total := must(HorvitzThompson(plain))
	near(t, "without scores", 0.4, total.Value/50)
	near(t, "its se", 0.2, total.SE/50)
	if process := must(Differences(scores, sample, ByWeights, OfProcess, .95)); process.SE <= weighted.SE {
		t.Errorf("a process varies more than its window: %g and %g", process.SE, weighted.SE)
	}
}

func TestStratifiedPredictionPowered(t *testing.T) {
	labeled, raw := scoredLabels()
	strata := []PredictedStratum{
		{.3, labeled[:10], must(ScoresOf(raw[:24]))},
		{.7, labeled[10:], must(ScoresOf(raw[24:]))},
	}
	got := must(StratifiedPredictionPowered(strata, 10, .95))
	near(t, "trust in the first", 0.8541509188689511, tuned([][]Scored{strata[0].Labeled}, []Scores{strata[0].Unlabeled}))
	near(t, "trust in the second", 0.3635803741756678, tuned([][]Scored{strata[1].Labeled}, []Scores{strata[1].Unlabeled}))
	near(t, "rate", 0.35055550627495, got.Value)
	near(t, "se", 0.09054501776536078, got.SE)

	shared := must(StratifiedPredictionPowered(strata, 0, .95))
	near(t, "ten labels share the trust of all", 0.6575618666850485, shared.Lambda)
	strata[0].Labeled = nil
	if got := must(StratifiedPredictionPowered(strata, 0, .95)); got.Defined {
		t.Errorf("a stratum without labels leaves it undefined: %+v", got)
	}
}

func TestRoganGladen(t *testing.T) {
	good := Calibration{90, 100, 380, 400}
	got := must(RoganGladen(260, 2000, good, .95))
	near(t, "rate", 0.0941176470588236, got.Value)
	near(t, "se", 0.01497269858126058, got.SE)
	nearInterval(t, "interval", 0.06316604573415809, 0.1233251991499023, got.Interval)

	below := must(RoganGladen(30, 2000, good, .95))
	near(t, "raw rate", -0.04117647058823533, below.Raw)
	near(t, "shown rate", 0, below.Value)
	within(t, "raw low", -.0725, below.RawInterval.Low, 5e-5)
	within(t, "raw high", -.0166, below.RawInterval.High, 5e-5)
	if below.Low != 0 || below.High != 0 || !below.Has(ReasonFalsePositives) {
		t.Errorf("want [0,0] for more false alarms expected than seen, got %+v", below)
	}

	small := must(RoganGladen(100, 1000, Calibration{45, 50, 190, 200}, .95))
	near(t, "small calibration", 0.058823529411764754, small.Value)
	nearInterval(t, "its interval", 0.013217241368662015, 0.09821095010738168, small.Interval)

	for name, poor := range map[string]Calibration{"chance": {50, 100, 50, 100}, "too few to tell": {2, 3, 2, 3}, "worse than chance": {10, 100, 10, 100}, "none": {}} {
		if got := must(RoganGladen(20, 100, poor, .95)); got.Defined || got.Outcome != Inconclusive || got.High != 1 {
			t.Errorf("%s: want undefined, got %+v", name, got)
		}
	}
	near(t, "verdict rate at the objective", .02*.9+.98*.05, must(good.ExpectedVerdictRate(.02)))
}

func TestAgreementInASampleIsNotProof(t *testing.T) {
	var labeled []Scored
	for i := range 50 {
		y := indicator(i < 10)
		labeled = append(labeled, Scored{y, y})
	}
	got := predictionPowered(labeled, Scores{5000, .2, .16}, 1, .95)
	alone := wilson(.2, 5000, twoSidedZ(.95), .95)
	if got.Width() < 2*alone.Width() {
		t.Errorf("fifty agreeing labels leave %v, hardly wider than %v", got.Interval, alone)
	}
	none := must(PredictionPowered([]Scored{{0, .1}, {0, .1}}, Scores{100, .1, 0}, .95))
	if none.High < .5 {
		t.Errorf("two good labels bound nothing: %v", none.Interval)
	}
}

func TestVarianceLeft(t *testing.T) {
	for rho, want := range map[float64]float64{.5: .75, .7: .51, .8: .36, .9: .19} {
		near(t, fmt.Sprint("correlation ", rho), want, must(VarianceLeft(rho)))
	}
}

func TestVerdictsRefuseWrongInput(t *testing.T) {
	_, err := PredictionPowered([]Scored{{2, 0}}, Scores{}, .95)
	refused(t, "y above 1", err)
	_, err = PredictionPowered(nil, Scores{5, .5, 3}, .95)
	refused(t, "impossible variance", err)
	_, err = ScoresOf([]float64{math.NaN()})
	refused(t, "score NaN", err)
	_, err = Differences(Scores{N: 1, Mean: .5}, []ScoredWeighted{{1, 1, 0}}, ByWeights, OfProcess, .95)
	refused(t, "probability 0", err)
	_, err = Differences(Scores{N: 1, Mean: .5}, make([]ScoredWeighted, 2), ByWeights, OfProcess, .95)
	refused(t, "probability 0 twice", err)
	_, err = RoganGladen(5, 3, Calibration{}, .95)
	refused(t, "k above n", err)
	_, err = (Calibration{}).ExpectedVerdictRate(.02)
	refused(t, "no calibration", err)
	if got := must(PredictionPowered(nil, Scores{5, .5, .1}, .95)); got.Defined {
		t.Errorf("scores without a label are no rate: %+v", got)
	}
}

func TestScoresNarrowAndNeverBias(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	const truth, n, big = .1, 300, 5000
	rounds := runs(300, 5000)
	for name, errs := range map[string][2]float64{"good scores": {.9, .03}, "useless scores": {.3, .3}} {
		covered, width, plain, mean := 0, 0.0, 0.0, 0.0
		for range rounds {
			draw := func() Scored {
				y := indicator(rng.Float64() < truth)
				f := indicator(rng.Float64() < errs[1])
				if y == 1 {
					f = indicator(rng.Float64() < errs[0])
				}
				return Scored{y, f}
			}
			var labeled []Scored
			bad := 0
			for range n {
				labeled = append(labeled, draw())
				bad += int(labeled[len(labeled)-1].Y)
			}
			failing := 0
			for range big {
				failing += int(draw().F)
			}
			p := float64(failing) / big
			got := must(PredictionPowered(labeled, Scores{big, p, p * (1 - p)}, .95))
			covered += int(indicator(got.Contains(truth)))
			mean += got.Value / float64(rounds)
			width += got.Width()
			plain += must(Wilson(bad, n, .95)).Width()
		}
		share := float64(covered) / float64(rounds)
		t.Logf("%s: covers %.1f %%, mean %.4f, width %.2f of labels alone", name, 100*share, mean, width/plain)
		if share < .91 || math.Abs(mean-truth) > .004 || width > 1.03*plain {
			t.Errorf("%s: covers %.1f %%, mean %.4f, width %.2f of labels alone", name, 100*share, mean, width/plain)
		}
	}
}
