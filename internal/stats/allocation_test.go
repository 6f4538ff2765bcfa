package stats

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func sources(populations []int, spreads, costs []float64) []Source {
	var s []Source
	for h := range populations {
		source := Source{Population: populations[h], Spread: spreads[h]}
		if costs != nil {
			source.Cost = costs[h]
		}
		s = append(s, source)
	}
	return s
}

func TestAllocation(t *testing.T) {
	n, s := []int{200, 1500, 48300}, []float64{.477, .357, .14}
	nearAll(t, "Neyman", []float64{5.161709207482855, 28.973745079738666, 365.8645457127785}, must(Neyman(sources(n, s, nil), 400)))
	nearAll(t, "Neyman with costs", []float64{2.695886230210033, 15.132568933726128, 95.54288620901596}, must(Neyman(sources(n, s, []float64{1, 1, 4}), 400)))
	for _, tt := range []struct {
		population []int
		spread     []float64
		labels     int
		want       []int
	}{
		{n, s, 400, []int{5, 29, 366}},
		{[]int{30, 1500, 20000}, []float64{.5, .4, .02}, 400, []int{6, 236, 158}},
		{[]int{30, 1500, 2000}, []float64{.5, .4, .01}, 900, []int{21, 851, 28}},
	} {
		if got := must(Wright(sources(tt.population, tt.spread, nil), tt.labels)); !slices.Equal(got, tt.want) {
			t.Errorf("Wright: want %v, got %v", tt.want, got)
		}
	}
}

func TestLabelSpread(t *testing.T) {
	near(t, "0 of 100", 0.07018538058791003, must(LabelSpread(0, 100)))
	near(t, "14 of 40", 0.4781047752173819, must(LabelSpread(14, 40)))
}

func TestNextSource(t *testing.T) {
	three := []Source{
		{Population: 200, Weight: .004, Spread: math.Sqrt(.2275), Labeled: 40},
		{Population: 1500, Weight: .03, Spread: math.Sqrt(.1275), Labeled: 60},
		{Population: 48300, Weight: .966, Spread: math.Sqrt(.0196), Labeled: 100},
	}
	for h, want := range []float64{2.219512195121951e-09, 3.135245901639344e-08, 1.81087699009901e-06} {
		if got := square(must(LabelIndex(three[h]))); math.Abs(got-want) > 1e-9*want {
			t.Errorf("index %d: want %g, got %g", h, want, got)
		}
	}
	if got := must(NextSource(three)); got != 2 {
		t.Errorf("want the random stratum next, got %d", got)
	}
	three[0].Labeled = 1
	if got := must(NextSource(three)); got != 0 {
		t.Errorf("a stratum with one label comes first, got %d", got)
	}
	if got := must(NextSource([]Source{{Population: 3, Spread: .5, Labeled: 3}})); got != -1 {
		t.Errorf("nothing left: want -1, got %d", got)
	}
}

func TestNeymanKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s []Source
		capacity := 0
		for range rapid.IntRange(1, 8).Draw(t, "strata") {
			s = append(s, Source{Population: rapid.IntRange(0, 3000).Draw(t, "population"), Spread: rapid.Float64Range(0, .5).Draw(t, "spread")})
			capacity += s[len(s)-1].Population
		}
		budget := rapid.Float64Range(0, 5000).Draw(t, "budget")
		total := 0.0
		for h, n := range must(Neyman(s, budget)) {
			if n < 0 || n > float64(s[h].Population)+1e-9 {
				t.Fatalf("stratum %d of %d gets %g", h, s[h].Population, n)
			}
			total += n
		}
		if total > budget*(1+1e-9)+1e-9 {
			t.Fatalf("%g spent of %g", total, budget)
		}
	})
}

func TestInclusionBySize(t *testing.T) {
	sizes := []float64{.5, .49, .4, .3, .1, .05, .01, 0, 0, .2}
	p, scale, err := InclusionBySize(sizes, 3, .02)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "scale", 1.4411764705882353, scale)
	nearAll(t, "budget of 3", []float64{0.7205882352941176, 0.7061764705882353, 0.5764705882352942, 0.43235294117647055, 0.14411764705882354, 0.07205882352941177, .02, .02, .02, 0.2882352941176471}, p)
	p, scale, err = InclusionBySize(sizes, 6, .02)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "scale", 6, scale)
	nearAll(t, "budget of 6", []float64{1, 1, 1, 1, .6, .3, .06, .02, .02, 1}, p)
	p, _, _ = InclusionBySize(sizes, 50, .02)
	nearAll(t, "more budget than items", []float64{1, 1, 1, 1, 1, 1, 1, .02, .02, 1}, p)
	p, _, _ = InclusionBySize([]float64{0, 0}, 1, 0.1)
	nearAll(t, "no sizes", []float64{.1, .1}, p)
	p, _, _ = InclusionBySize([]float64{1, 1, 1, 1}, .2, .5)
	nearAll(t, "a floor above the budget gives way", []float64{.05, .05, .05, .05}, p)
}

func TestMixedInclusion(t *testing.T) {
	got := must(MixedInclusion([]float64{.5, .3, .1, .02}, 2, .2))
	nearAll(t, "mixed", []float64{0.6721406538057197, 0.624375570845247, 0.44328439228343197, 0.26019938306560153}, got)
	near(t, "expected labels", 2, sum(got))
}

func TestLabelsToDecide(t *testing.T) {
	got, ok, err := LabelsToDecide(.02, .02, .02, .005, .05, .8, false)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	near(t, "pairs", 1077.1388599785548, got)
	twice, _, _ := LabelsToDecide(.02, .02, .02, .005, .05, .8, true)
	near(t, "looking all along", 2*got, twice)
	if _, ok, _ := LabelsToDecide(.02, .02, .02, .02, .05, .8, false); ok {
		t.Error("at the margin no number will do")
	}
}

func TestAllocationRefusesWrongInput(t *testing.T) {
	_, err := Neyman([]Source{{Population: -1}}, 5)
	refused(t, "negative population", err)
	_, err = Wright([]Source{{Population: 5, Spread: math.NaN()}}, 5)
	refused(t, "spread NaN", err)
	_, _, err = InclusionBySize([]float64{-1}, 1, .1)
	refused(t, "negative size", err)
	_, err = MixedInclusion([]float64{1.5}, 1, .2)
	refused(t, "probability above 1", err)
	_, err = LabelSpread(3, 2)
	refused(t, "k above n", err)
	_, err = ItemSize(math.Inf(1), .5)
	refused(t, "infinite impact", err)
	_, _, err = LabelsToDecide(.02, .02, 0, 0, .05, .8, false)
	refused(t, "no margin", err)
}

func BenchmarkNextSource(b *testing.B) {
	var s []Source
	for h := range 40 {
		s = append(s, Source{Population: 1000 * (h + 1), Spread: .2, Labeled: 10 + h})
	}
	b.Run(fmt.Sprint(len(s)), func(b *testing.B) {
		for b.Loop() {
			_, _ = NextSource(s)
		}
	})
}
