package stats

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestNonInferiority(t *testing.T) {
	for _, tt := range []struct {
		candidate, baseline Arm
		margin              float64
		z, p, upper         float64
		want                Verdict
	}{
		{Arm{8, 400}, Arm{8, 410}, .02, -1.817389877303725, 0.03457871831201378, 0.017889007156661054, Verdict{Pass, ReasonWithinMargin}},
		{Arm{12, 400}, Arm{8, 410}, .02, -0.841040185084464, 0.20016271122302393, 0.03010728778797876, Verdict{Inconclusive, ReasonNotExcluded}},
		{Arm{0, 150}, Arm{1, 150}, .03, -2.3812582592142295, 0.008626805498032965, 0.011168509926340562, Verdict{Pass, ReasonWithinMargin}},
	} {
		t.Run(fmt.Sprint(tt.candidate, " against ", tt.baseline), func(t *testing.T) {
			got := must(NonInferiority(tt.candidate, tt.baseline, tt.margin, .05))
			near(t, "z", tt.z, got.Z)
			near(t, "p", tt.p, got.P)
			near(t, "upper", tt.upper, got.High)
			if got.Verdict != tt.want {
				t.Errorf("want %v, got %v", tt.want, got.Verdict)
			}
		})
	}
	near(t, "Farrington-Manning z", -1.8185127627227524, scoreZ(Arm{8, 400}, Arm{8, 410}, .02, false))
	near(t, "Newcombe's one-sided upper", 0.017846719439439905, must(Newcombe(Arm{8, 400}, Arm{8, 410}, .90)).High)
	near(t, "Newcombe's z for 12/400", -0.841040185084464, must(NonInferiority(Arm{12, 400}, Arm{8, 410}, .02, .05)).Z)
	narrow := must(NonInferiority(Arm{20, 1000}, Arm{18, 1000}, .01, .05))
	near(t, "z of 20/1000", -1.278821279272977, narrow.Z)
	near(t, "p of 20/1000", 0.10047999936032959, narrow.P)
}

func TestNonInferiorityHasThreeAnswers(t *testing.T) {
	if got := must(NonInferiority(Arm{100, 400}, Arm{8, 410}, .02, .05)); got.Outcome != Fail {
		t.Errorf("far worse: want fail, got %v", got.Verdict)
	}
	if got := must(NonInferiority(Arm{0, 3}, Arm{0, 3}, .02, .05)); got.Outcome != Inconclusive {
		t.Errorf("three clean labels each: want inconclusive, got %v", got.Verdict)
	}
	if got := must(NonInferiority(Arm{}, Arm{8, 410}, .02, .05)); got.Verdict != (Verdict{Inconclusive, ReasonNoLabels}) {
		t.Errorf("no labels: want inconclusive, got %v", got.Verdict)
	}
	if got := must(PairedNonInferiority(Pairs{}, .02, .05)); got.Verdict != (Verdict{Inconclusive, ReasonNoLabels}) {
		t.Errorf("no cases: want inconclusive, got %v", got.Verdict)
	}
}

func TestBadLabelsNeverHelpACandidate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		candidate, baseline := drawArm(t, "candidate"), drawArm(t, "baseline")
		margin := rapid.SampledFrom([]float64{.005, .01, .02, .05, .1}).Draw(t, "margin")
		before := must(NonInferiority(candidate, baseline, margin, .05))
		after := must(NonInferiority(Arm{candidate.Bad + 1, candidate.N + 1}, baseline, margin, .05))
		if severity(after.Outcome) < severity(before.Outcome) {
			t.Fatalf("one more bad label turned %v into %v", before.Verdict, after.Verdict)
		}
		pairs := Pairs{rapid.IntRange(0, 50).Draw(t, "both"), rapid.IntRange(0, 50).Draw(t, "b"), rapid.IntRange(0, 50).Draw(t, "c"), rapid.IntRange(0, 500).Draw(t, "neither")}
		first := must(PairedNonInferiority(pairs, margin, .05))
		pairs.OnlyCandidate++
		second := must(PairedNonInferiority(pairs, margin, .05))
		if severity(second.Outcome) < severity(first.Outcome) {
			t.Fatalf("one more harmed case turned %v into %v", first.Verdict, second.Verdict)
		}
	})
}

func TestSampleSizes(t *testing.T) {
	near(t, "margin of one point", 2423.562434951747, must(NonInferioritySize(.02, .01, .05, .8)))
	near(t, "margin of two points", 605.89060873793676, must(NonInferioritySize(.02, .02, .05, .8)))
	near(t, "2 against 4 %", 1140.8323552563004, must(SuperioritySize(.02, .04, .025, .8)))
	// These two came from a root search that stops at 1e-8 of its answer.
	within(t, "3 against 5 % at 90 % power", 2015.3473111741216, must(SuperioritySize(.03, .05, .025, .9)), 1e-7)
	within(t, "2 against 4 %, one-sided", 898.5151254760043, must(SuperioritySize(.02, .04, .05, .8)), 1e-7)
	near(t, "suggested margin at 5 %", .025, SuggestedMargin(.05))
	near(t, "at 1.5 %", .01, SuggestedMargin(.015))
	near(t, "never above the allowance", .005, SuggestedMargin(.005))
}

func TestReachableFixedMargin(t *testing.T) {
	for _, tt := range []struct {
		rate float64
		n    int
		want float64
	}{{.02, 200, .026}, {.02, 500, .015}, {.02, 1000, .011}, {.02, 2000, .007}, {.01, 200, .021}, {.01, 500, .012}, {.01, 1000, .008}} {
		within(t, fmt.Sprintf("rate %g, %d labels", tt.rate, tt.n), tt.want, must(ReachableFixedMargin(tt.rate, tt.n, .05)), .0006)
	}
}

func TestExactTests(t *testing.T) {
	for _, tt := range []struct {
		x1, n1, x2, n2                  int
		fisher, midP, boschloo, barnard float64
	}{
		// Eight tables tie with 5/30 against 0/30 in the pooled z. All of them
		// count; a program that compares rounded numbers loses some of them and
		// says 0.0111948.
		{5, 30, 0, 30, 0.02609277430865299, 0.013046387154326497, 0.0137042037549648, 0.0114628156071},
		{3, 40, 0, 60, 0.061100803957946814, 0.030550401978973404, 0.0415645691962, 0.0234115774},
		{7, 25, 2, 27, 0.054353656356159484, 0.031423207580904694, 0.0368665209186, 0.0289563386},
		{2, 12, 0, 15, 0.18803418803418806, 0.09401709401709403, 0.1144037620776, 0.0806234471},
	} {
		t.Run(fmt.Sprintf("%d/%d against %d/%d", tt.x1, tt.n1, tt.x2, tt.n2), func(t *testing.T) {
			got := must(Exact(tt.x1, tt.n1, tt.x2, tt.n2))
			near(t, "Fisher", tt.fisher, got.Fisher)
			near(t, "mid-p", tt.midP, got.FisherMidP)
			within(t, "Boschloo", tt.boschloo, got.Boschloo, 1e-6)
			within(t, "Barnard", tt.barnard, got.Barnard, 1e-6)
		})
	}
}

func TestBoschlooIsNeverWeakerThanFisher(t *testing.T) {
	for x1 := range 9 {
		for x2 := range 9 {
			got := must(Exact(x1, 8, x2, 8))
			if got.Boschloo > got.Fisher+1e-9 {
				t.Errorf("%d/8 against %d/8: Boschloo %g above Fisher %g", x1, x2, got.Boschloo, got.Fisher)
			}
		}
	}
}

func TestMultiplicity(t *testing.T) {
	p := []float64{.004, .049, .011, .62, .021, .0007}
	nearAll(t, "Holm", []float64{.02, .098, .044, .62, .063, .0042}, must(Holm(p)))
	nearAll(t, "Benjamini-Hochberg", []float64{.012, .0588, .022, .62, .0315, .0042}, must(BenjaminiHochberg(p)))
	nearAll(t, "Bonferroni", []float64{.024, .294, .066, 1, .126, .0042}, must(Bonferroni(p)))
}
