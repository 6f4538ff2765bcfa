package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestDoubleCheckingOneLabelOnlyIsMended(t *testing.T) {
	// Of 10,000 responses 300 are bad. First readers find 260 of them and call
	// 97 good ones bad. Every "bad" is read again, and a tenth of the "good".
	strata := []Stratum{{Name: "random", Population: 1_000_000, Labeled: 10_000, Bad: 260 + 97}}
	var second []SecondReading
	for i := range 260 + 97 {
		second = append(second, SecondReading{Stratum: "random", FirstBad: true, P: 1, Final: indicator(i < 260)})
	}
	consensus := 260.0 / 10_000
	for i := range (10_000 - 357) / 10 {
		second = append(second, SecondReading{Stratum: "random", P: .1, Final: indicator(i < 4)})
	}
	got := must(TwoPhase(strata, second, OfProcess, .95))
	near(t, "what checking only the bad label gives", .026, consensus)
	within(t, "two-phase rate", .030, got.Value, 2e-5)
	if !got.Contains(.03) || got.Estimator != EstimatorTwoPhase || got.Has(ReasonFewSecondReads) {
		t.Errorf("want an interval around 3 %%, got %+v", got)
	}
	if got.EffectiveN >= 10_000 {
		t.Errorf("readers who err say less than their number: effective size %g", got.EffectiveN)
	}
}

func TestTwoPhaseWithPerfectFirstReadersIsStratified(t *testing.T) {
	strata := threeStrata(14, 9, 2)
	var second []SecondReading
	for _, s := range strata {
		for i := range s.Labeled {
			bad := float64(i) < s.Bad
			second = append(second, SecondReading{Stratum: s.Name, FirstBad: bad, P: 1, Final: indicator(bad)})
		}
	}
	first, both := must(Stratified(strata, OfProcess, .95)), must(TwoPhase(strata, second, OfProcess, .95))
	near(t, "rate", first.Value, both.Value)
	near(t, "se", first.SE, both.SE)
	if both.Low > first.Low || both.High < first.High {
		t.Errorf("second readings are a sample too: want at least %v, got %v", first.Interval, both.Interval)
	}
}

func TestFirstLabelsNobodyCheckedAllowAnything(t *testing.T) {
	got := must(TwoPhase(threeStrata(14, 9, 2), nil, OfProcess, .95))
	near(t, "rate at face value", .02522, got.Value)
	if !got.Has(ReasonFewSecondReads) || got.High < .9 {
		t.Errorf("want few second reads and hardly a bound, got %+v", got)
	}
}

func TestTwoPhaseRefusesWrongInput(t *testing.T) {
	_, err := TwoPhase(threeStrata(1, 1, 1), []SecondReading{{Stratum: "elsewhere", P: 1}}, OfProcess, .95)
	refused(t, "unknown stratum", err)
	_, err = TwoPhase(threeStrata(1, 1, 1), []SecondReading{{Stratum: "random", P: 0}}, OfProcess, .95)
	refused(t, "probability 0", err)
	_, err = TwoPhase(threeStrata(1, 1, 1), []SecondReading{{Stratum: "random", P: 1, Final: math.NaN()}}, OfProcess, .95)
	refused(t, "final NaN", err)
}

func TestTwoPhaseCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	classes := []struct {
		name       string
		population int
		rate       float64
		labels     int
	}{{"negative", 300, .35, 60}, {"random", 9700, .03, 300}}
	const sensitivity, specificity, overlap = .85, .98, .10
	truth := (300*.35 + 9700*.03) / 10_000.0
	n := runs(500, 5000)
	covered, consensusCovered, mean, consensus := 0, 0, 0.0, 0.0
	for range n {
		var first, half []Stratum
		var second []SecondReading
		for _, c := range classes {
			s := Stratum{Name: c.name, Population: c.population, Labeled: c.labels}
			checked := s
			for range c.labels {
				bad := rng.Float64() < c.rate
				said := bad && rng.Float64() < sensitivity || !bad && rng.Float64() >= specificity
				p := overlap
				if said {
					p = 1
				}
				s.Bad += indicator(said)
				if rng.Float64() < p {
					second = append(second, SecondReading{Stratum: c.name, FirstBad: said, P: p, Final: indicator(bad)})
				}
				checked.Bad += indicator(said && bad)
			}
			first, half = append(first, s), append(half, checked)
		}
		got := must(TwoPhase(first, second, OfProcess, .95))
		mean += got.Value / float64(n)
		if got.Contains(truth) {
			covered++
		}
		naive := must(Stratified(half, OfProcess, .95))
		consensus += naive.Value / float64(n)
		if naive.Contains(truth) {
			consensusCovered++
		}
	}
	share := float64(covered) / float64(n)
	t.Log(fmt.Sprintf("truth %.4f: two-phase mean %.4f covers %.1f %%, consensus mean %.4f", truth, mean, 100*share, consensus))
	if share < .93 {
		t.Errorf("covers in %.1f %% of %d runs", 100*share, n)
	}
	if math.Abs(mean-truth) > .002 {
		t.Errorf("mean %.4f for truth %.4f", mean, truth)
	}
	if consensus > truth-.003 {
		t.Errorf("consensus of the checked is %.4f: this no longer shows the bias", consensus)
	}
}

// What a first reader says of n responses, and what the second found of all
// that was called bad and of m of the rest.
func readTwice(rng *rand.Rand, n, m int, rate, finds, alarms float64) ([]Stratum, []SecondReading) {
	var second []SecondReading
	var good []float64
	bad := 0.0
	for range n {
		truth := rng.Float64() < rate
		said := rng.Float64() < alarms
		if truth {
			said = rng.Float64() < finds
		}
		if !said {
			good = append(good, indicator(truth))
			continue
		}
		bad++
		second = append(second, SecondReading{Stratum: "random", FirstBad: true, P: 1, Final: indicator(truth)})
	}
	rng.Shuffle(len(good), func(i, j int) { good[i], good[j] = good[j], good[i] })
	for _, truth := range good[:m] {
		second = append(second, SecondReading{Stratum: "random", P: float64(m) / float64(len(good)), Final: truth})
	}
	return []Stratum{{Name: "random", Population: 100_000, Labeled: n, Bad: bad}}, second
}

// From ten second readings of "good" on the corrected interval holds the truth;
// with five it does so too rarely. That of first labels depends on how good the
// readers are.
func TestSecondReadingsCorrectFromTenOn(t *testing.T) {
	type coverage struct{ first, corrected float64 }
	simulate := func(n, m int, rate, finds, alarms float64) coverage {
		rng := rand.New(rand.NewPCG(61, uint64(n+m)))
		runs := runs(1000, 8000)
		var c coverage
		for range runs {
			strata, second := readTwice(rng, n, m, rate, finds, alarms)
			c.first += indicator(must(Stratified(strata, OfProcess, .95)).Contains(rate))
			c.corrected += indicator(must(TwoPhase(strata, second, OfProcess, .95)).Contains(rate))
		}
		return coverage{c.first / float64(runs), c.corrected / float64(runs)}
	}
	for _, readers := range []struct {
		name                string
		rate, finds, alarms float64
		poor                bool
	}{
		{"good", .05, .90, .01, false},
		{"careless", .10, .80, .02, false},
		{"suspicious", .02, .90, .05, true},
		{"blind to much", .10, .60, .01, true},
	} {
		for _, m := range []int{10, 30, 100} {
			c := simulate(600, m, readers.rate, readers.finds, readers.alarms)
			t.Logf("%s readers, %d of 600 read again: first labels cover in %.1f %%, corrected in %.1f %%", readers.name, m, 100*c.first, 100*c.corrected)
			if c.corrected < .915 {
				t.Errorf("%s readers, %d read again: the corrected interval covers in %.1f %%", readers.name, m, 100*c.corrected)
			}
			if readers.poor && c.first > .5 {
				t.Errorf("%s readers: first labels were to fail and cover in %.1f %%", readers.name, 100*c.first)
			}
		}
	}
	if c := simulate(600, 5, .10, .80, .02); c.corrected > .915 {
		t.Errorf("five would be enough: %.1f %%", 100*c.corrected)
	}
}

// Harm is read again first. What came early stands for its own stratum alone;
// until enough strata have some, second readings correct nothing.
func TestEarlySecondReadingsStandForTheirStratum(t *testing.T) {
	strata := []Stratum{{Name: "harm", Population: 100, Labeled: 50, Bad: 10}, {Name: "random", Population: 900, Labeled: 90, Bad: 3}}
	var early []SecondReading
	for range 10 {
		early = append(early, SecondReading{Stratum: "harm", FirstBad: true, P: 1, Final: 1})
	}
	for i := range 4 {
		early = append(early, SecondReading{Stratum: "harm", P: .1, Final: indicator(i == 0)})
	}
	if good, whole := Represented(strata, early); whole || good != 4 {
		t.Errorf("nothing of the random stratum was read again: got %g, %v", good, whole)
	}
	more := append(early, SecondReading{Stratum: "random", FirstBad: true, P: 1, Final: 1},
		SecondReading{Stratum: "random", P: .1}, SecondReading{Stratum: "random", P: .1})
	good, whole := Represented(strata, more)
	if !whole {
		t.Error("every stratum has some")
	}
	// 40 good of harm stand for 80 responses, four of them read: 20 each; 87 of
	// random for 870, two of them read: 435 each.
	near(t, "effective number", 950*950/(4*400+2*435*435.), good)
	e := must(TwoPhase(strata, more, OfProcess, .95))
	near(t, "rate", .05+.95*20/950, e.Value)
	if good, whole := Represented(strata, nil); whole || good != 0 {
		t.Error("without a second reading nothing is represented")
	}
	if _, whole := Represented(strata, []SecondReading{{Stratum: "elsewhere", P: 1}}); whole {
		t.Error("what is of no stratum represents nothing")
	}
}

// Which days are read again first does not move the rate either.
func TestSecondReadingsOfOneDayStandForAllDaysOfTheirStratum(t *testing.T) {
	strata := []Stratum{
		{Name: "harm", Frame: "1", Population: 100, Labeled: 20, Bad: 10}, {Name: "harm", Frame: "2", Population: 100, Labeled: 100, Bad: 50},
		{Name: "random", Frame: "1", Population: 800, Labeled: 80, Bad: 0},
	}
	second := []SecondReading{
		{Stratum: "harm", Frame: "2", FirstBad: true, P: 1, Final: 1}, {Stratum: "harm", Frame: "2", P: .1, Final: 1}, {Stratum: "random", Frame: "1", P: .1},
	}
	e := must(TwoPhase(strata, second, OfProcess, .95))
	near(t, "half of harm is bad at first sight, and all of it in truth", .2, e.Value)
}
