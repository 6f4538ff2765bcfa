package stats

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestDifferenceOfIndependentRates(t *testing.T) {
	for _, tt := range []struct {
		candidate, baseline     Arm
		d                       float64
		newcombeLow, newcombeUp float64
		scoreLow, scoreUp       float64
	}{
		{Arm{12, 400}, Arm{8, 410}, 0.01048780487804878, -0.011994752166701608, 0.03421215965017392, -0.011806540359583093, 0.034450055063049705},
		{Arm{0, 60}, Arm{3, 55}, -0.05454545454545454, -0.14853060544053792, 0.015482287075430042, -0.14908788748456175, 0.007855394511071267},
		{Arm{25, 300}, Arm{10, 310}, 0.0510752688172043, 0.014060617655895002, 0.09067082773469676, 0.014772192718396655, 0.09127454681323356},
		{Arm{1, 30}, Arm{0, 28}, 0.03333333333333333, -0.09038781890343126, 0.16670390991409173, -0.0912378649444931, 0.16842018137121048},
		{Arm{5, 1000}, Arm{5, 1000}, 0, -0.007240781051513501, 0.007240781051513501, -0.007248121148899253, 0.007248121148899253},
	} {
		t.Run(fmt.Sprint(tt.candidate, " against ", tt.baseline), func(t *testing.T) {
			hybrid := must(Newcombe(tt.candidate, tt.baseline, .95))
			score := must(MiettinenNurminen(tt.candidate, tt.baseline, .95))
			near(t, "difference", tt.d, hybrid.Value)
			near(t, "difference", tt.d, score.Value)
			near(t, "z at the lower limit", twoSidedZ(.95), scoreZ(tt.candidate, tt.baseline, score.Low, true))
			near(t, "z at the upper limit", -twoSidedZ(.95), scoreZ(tt.candidate, tt.baseline, score.High, true))
			nearInterval(t, "Newcombe", tt.newcombeLow, tt.newcombeUp, hybrid.Interval)
			nearInterval(t, "Miettinen-Nurminen", tt.scoreLow, tt.scoreUp, score.Interval)
		})
	}
}

func TestDifferenceOfWeightedArms(t *testing.T) {
	arm := func(p, se float64) Arm {
		return EffectiveArm(Estimate{Value: p, EffectiveN: p * (1 - p) / (se * se)})
	}
	candidate, baseline := arm(.0310, .0060), arm(.0220, .0045)
	near(t, "candidate's effective size", 834.4166666666666, candidate.N)
	near(t, "baseline's effective size", 1062.5185185185185, baseline.N)
	nearInterval(t, "Newcombe", -0.00548993440094285, 0.024834009696464935, must(Newcombe(candidate, baseline, .95)).Interval)
}

func TestDifferenceWithNothingOnOneSideIsUndefined(t *testing.T) {
	for name, got := range map[string]Difference{
		"Newcombe": must(Newcombe(Arm{0, 0}, Arm{1, 5}, .95)), "Miettinen-Nurminen": must(MiettinenNurminen(Arm{1, 5}, Arm{}, .95)),
		"stratified": must(StratifiedDifference([]Class{{1, Arm{1, 5}, Arm{1, 5}}, {1, Arm{}, Arm{1, 5}}}, .95)),
		"no classes": must(StratifiedDifference(nil, .95)),
		"Tango":      must(Tango(Pairs{}, .95)), "Newcombe paired": must(NewcombePaired(Pairs{}, .95)),
	} {
		if got.Defined || got.Low != -1 || got.High != 1 {
			t.Errorf("%s: want undefined with [-1,1], got %+v", name, got)
		}
	}
}

func threeClasses() []Class {
	return []Class{
		{.6, Arm{12, 400}, Arm{8, 410}},
		{.1, Arm{6, 100}, Arm{5, 100}},
		{.3, Arm{3, 300}, Arm{4, 300}},
	}
}

func TestDifferenceOverTaskClasses(t *testing.T) {
	got := must(StratifiedDifference(threeClasses(), .95))
	near(t, "difference", 0.006292682926829268, got.Value)
	nearInterval(t, "traffic weights", -0.010199682726161945, 0.023353239316173637, got.Interval)

	classes := threeClasses()
	for i := range classes {
		classes[i].Weight = MantelHaenszelWeight(classes[i].Candidate, classes[i].Baseline)
	}
	nearInterval(t, "Mantel-Haenszel weights", -0.011060194404938606, 0.02197750220966291, must(StratifiedDifference(classes, .95)).Interval)
}

func TestCochranMantelHaenszel(t *testing.T) {
	got := must(CochranMantelHaenszel(threeClasses(), .95))
	near(t, "chi-square", 0.48872930633089218, got.ChiSquare)
	near(t, "p", 0.48449467994537654, got.P)
	near(t, "corrected chi-square", 0.28566892061250582, got.CorrectedChiSquare)
	near(t, "corrected p", 0.59300945058350318, got.CorrectedP)
	near(t, "odds ratio", 1.2601606340659175, got.OddsRatio)
	nearInterval(t, "odds ratio", 0.658423101815652, 2.4118303553905847, got.OddsRatioInterval)
	near(t, "risk difference", 0.0052760736196319031, got.RiskDifference)
	near(t, "Sato's se", 0.0075463800217733974, got.RiskDifferenceSE)

	nothing := must(CochranMantelHaenszel([]Class{{1, Arm{0, 50}, Arm{0, 40}}}, .95))
	if nothing.Defined || nothing.P != 1 || nothing.OddsRatioDefined {
		t.Errorf("no bad label anywhere can tell nothing: %+v", nothing)
	}
}

func drawArm(t *rapid.T, name string) Arm {
	n := rapid.IntRange(1, 2000).Draw(t, name+" n")
	return Arm{float64(rapid.IntRange(0, n).Draw(t, name+" bad")), float64(n)}
}

func TestDifferenceProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		candidate, baseline := drawArm(t, "candidate"), drawArm(t, "baseline")
		for name, method := range map[string]func(Arm, Arm, float64) (Difference, error){"Newcombe": Newcombe, "score": MiettinenNurminen} {
			got, swapped := must(method(candidate, baseline, .95)), must(method(baseline, candidate, .95))
			if !(got.Low >= -1 && got.Low <= got.Value && got.Value <= got.High && got.High <= 1) {
				t.Fatalf("%s: out of order: %+v", name, got)
			}
			if math.Abs(got.Low+swapped.High) > 1e-9 || math.Abs(got.High+swapped.Low) > 1e-9 {
				t.Fatalf("%s: swapping the arms does not negate: %v and %v", name, got, swapped)
			}
		}
		score := must(MiettinenNurminen(candidate, baseline, .95))
		// To 1e-9 for nearly all arms; where one rate nears 1 - D for an arm of a
		// handful of labels, the cubic leaves fewer digits.
		z := twoSidedZ(.95)
		if score.Low > -1+1e-9 {
			if at := scoreZ(candidate, baseline, score.Low, true); math.Abs(at-z) > 1e-5 {
				t.Fatalf("z at the lower limit %g of %v and %v is %g", score.Low, candidate, baseline, at)
			}
		}
		if score.High < 1-1e-9 {
			if at := scoreZ(candidate, baseline, score.High, true); math.Abs(at+z) > 1e-5 {
				t.Fatalf("z at the upper limit %g of %v and %v is %g", score.High, candidate, baseline, at)
			}
		}
		same := must(Newcombe(candidate, candidate, .95))
		if math.Abs(same.Low+same.High) > 1e-12 {
			t.Fatalf("identical arms are not symmetric: %v", same)
		}
	})
}

func TestComparisonsRefuseWrongInput(t *testing.T) {
	_, err := Newcombe(Arm{6, 5}, Arm{1, 5}, .95)
	refused(t, "bad above labels", err)
	_, err = MiettinenNurminen(Arm{math.NaN(), 5}, Arm{1, 5}, .95)
	refused(t, "NaN", err)
	_, err = NonInferiority(Arm{1, 5}, Arm{1, 5}, 0, .05)
	refused(t, "no margin", err)
	_, err = NonInferiority(Arm{1, 5}, Arm{1, 5}, .02, .6)
	refused(t, "alpha above one half", err)
	_, err = Tango(Pairs{OnlyCandidate: -1}, .95)
	refused(t, "negative pairs", err)
	_, err = Exact(1, 1000, 1, 1000)
	refused(t, "too large for the exact tests", err)
	_, err = Holm([]float64{1.2})
	refused(t, "p above 1", err)
	_, err = StratifiedDifference([]Class{{-1, Arm{1, 5}, Arm{1, 5}}}, .95)
	refused(t, "negative weight", err)
	_, err = SuperioritySize(.02, .02, .05, .8)
	refused(t, "nothing to tell apart", err)
}

func BenchmarkMiettinenNurminen(b *testing.B) {
	for b.Loop() {
		_, _ = MiettinenNurminen(Arm{12, 400}, Arm{8, 410}, .95)
	}
}

func BenchmarkNewcombe(b *testing.B) {
	for b.Loop() {
		_, _ = Newcombe(Arm{12, 400}, Arm{8, 410}, .95)
	}
}

func BenchmarkExact(b *testing.B) {
	for b.Loop() {
		_, _ = Exact(3, 100, 1, 100)
	}
}
