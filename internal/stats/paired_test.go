package stats

import (
	"testing"

	"pgregory.net/rapid"
)

func TestMcNemar(t *testing.T) {
	for _, tt := range []struct {
		b, c        int
		exact, midP float64
	}{
		{9, 2, 0.0654296875, 0.03857421875},
		{5, 0, 0.0625, .03125},
		{0, 0, 1, 1},
		{30, 18, 0.11140289106101878, 0.08543313315739454},
	} {
		got := must(McNemar(Pairs{OnlyCandidate: tt.b, OnlyBaseline: tt.c, Neither: 10}))
		near(t, "exact", tt.exact, got.Exact)
		near(t, "mid-p", tt.midP, got.MidP)
	}
	near(t, "one-sided harm", 0.03271484375, must(McNemar(Pairs{OnlyCandidate: 9, OnlyBaseline: 2})).Harm)
}

func TestTango(t *testing.T) {
	for _, tt := range []struct {
		b, c, n      int
		d, low, high float64
	}{
		{9, 2, 200, 0.035, 0.003009914298466934, 0.07476966167614923},
		{5, 0, 200, 0.025, 0.005683540463301757, 0.057178340406641985},
		{0, 0, 120, 0, -0.03101916641870348, 0.03101916641870348},
		{1, 4, 100, -0.03, -0.0899843303040437, 0.019498827946523856},
	} {
		got := must(Tango(Pairs{OnlyCandidate: tt.b, OnlyBaseline: tt.c, Neither: tt.n - tt.b - tt.c}, .95))
		near(t, "difference", tt.d, got.Value)
		nearInterval(t, "Tango", tt.low, tt.high, got.Interval)
	}
	near(t, "one-sided upper of 9 and 2", 0.06715944939365646, must(PairedNonInferiority(Pairs{0, 9, 2, 189}, .1, .05)).High)
	near(t, "one-sided upper of nothing", 0.022049072747129528, must(PairedNonInferiority(Pairs{0, 0, 0, 120}, .03, .05)).High)
}

func TestNewcombePaired(t *testing.T) {
	for _, tt := range []struct {
		pairs     Pairs
		low, high float64
	}{
		{Pairs{10, 9, 2, 179}, 0.0004833628103239132, 0.07405913453356373},
		{Pairs{0, 5, 0, 195}, 0.0013583004991918925, 0.05717834040664198},
		{Pairs{3, 1, 4, 92}, -0.09073867241070349, 0.02320478892675628},
	} {
		nearInterval(t, "Newcombe paired", tt.low, tt.high, must(NewcombePaired(tt.pairs, .95)).Interval)
	}
}

func TestPairedProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) int { return rapid.IntRange(0, 300).Draw(t, name) }
		pairs := Pairs{draw("both"), draw("b"), draw("c"), draw("neither") + 1}
		swapped := Pairs{pairs.BothBad, pairs.OnlyBaseline, pairs.OnlyCandidate, pairs.Neither}
		for name, method := range map[string]func(Pairs, float64) (Difference, error){"Tango": Tango, "Newcombe": NewcombePaired} {
			got, back := must(method(pairs, .95)), must(method(swapped, .95))
			if !(-1 <= got.Low && got.Low <= got.Value && got.Value <= got.High && got.High <= 1) {
				t.Fatalf("%s: out of order: %+v", name, got)
			}
			if d := got.Low + back.High; d > 1e-9 || d < -1e-9 {
				t.Fatalf("%s: swapping the versions does not negate: %v and %v", name, got, back)
			}
		}
	})
}
