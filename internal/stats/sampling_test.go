package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestHashUniform(t *testing.T) {
	for _, tt := range []struct {
		salt, item string
		want       float64
	}{
		{"epoch-2026-01", "sess_0001", 0.04633539108282836},
		{"epoch-2026-01", "sess_0002", 0.9164472038815982},
		{"epoch-2026-01", "sess_0003", 0.8312706366908575},
		{"epoch-2026-02", "sess_0001", 0.45214761239017764},
	} {
		if got := HashUniform(tt.salt, tt.item); got != tt.want {
			t.Errorf("%s %s: want %.17g, got %.17g", tt.salt, tt.item, tt.want, got)
		}
	}
}

func TestHashNumbersAreUniform(t *testing.T) {
	const ids, bins = 100_000, 100
	var counts [bins]float64
	for i := range ids {
		counts[int(HashUniform("salt", fmt.Sprintf("sess_%d", i))*bins)]++
	}
	chi := 0.0
	for _, c := range counts {
		chi += square(c-ids/bins) / (ids / bins)
	}
	// 99 degrees of freedom: 99.9 % of uniform samples stay below 148.2.
	if chi > 148.2 {
		t.Errorf("chi-square over %d bins is %.1f", bins, chi)
	}
}

func TestRaisingARateOnlyAddsItems(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := HashUniform(rapid.String().Draw(t, "salt"), rapid.String().Draw(t, "item"))
		low := rapid.Float64Range(0, 1).Draw(t, "low")
		high := rapid.Float64Range(low, 1).Draw(t, "high")
		if !(u >= 0 && u < 1) {
			t.Fatalf("u = %g", u)
		}
		if Drawn(u, low) && !Drawn(u, high) {
			t.Fatalf("u = %g is drawn at %g and not at %g", u, low, high)
		}
	})
}

var (
	drawWeights = []float64{10, 1, 1, 5, 2, 1, 8, 1}
	drawU       = []float64{.9, .35, .62, .12, .48, .07, .77, .55}
	drawBad     = []float64{1, 0, 1, 1, 0, 1, 0, 0}
)

func bySample(draw Draw, y []float64) []Weighted {
	var sample []Weighted
	for i, item := range draw.Kept {
		sample = append(sample, Weighted{Y: y[item], P: draw.P[i]})
	}
	return sample
}

func weightTotal(draw Draw, weights []float64) float64 {
	total := 0.0
	for i, item := range draw.Kept {
		total += weights[item] / draw.P[i]
	}
	return total
}

func TestDrawPriority(t *testing.T) {
	draw := must(DrawPriority(drawWeights, drawU, 4))
	if want := []int{3, 5, 0, 6}; !slices.Equal(want, draw.Kept) {
		t.Errorf("kept: want %v, got %v", want, draw.Kept)
	}
	near(t, "threshold", 4.166666666666667, draw.Threshold)
	nearAll(t, "probability", []float64{1, .24, 1, 1}, draw.P)
	near(t, "weight", 27.166666666666668, weightTotal(draw, drawWeights))
	total := must(HorvitzThompson(bySample(draw, drawBad)))
	near(t, "bad", 6.166666666666667, total.Value)
	near(t, "variance", 13.194444444444445, square(total.SE))
	near(t, "items", 7.166666666666667, weightTotal(draw, []float64{1, 1, 1, 1, 1, 1, 1, 1}))
}

func TestDrawSuccessive(t *testing.T) {
	draw := must(DrawSuccessive(drawWeights, drawU, 4))
	if want := []int{0, 6, 4, 3}; !slices.Equal(want, draw.Kept) {
		t.Errorf("kept: want %v, got %v", want, draw.Kept)
	}
	near(t, "threshold", 0.4780358009429998, draw.Threshold)
	nearAll(t, "probability", []float64{0.9916070063413166, 0.9083867167999999, 0.6156, 0.9781659894415105}, []float64{draw.P[0], draw.P[3], draw.P[2], draw.P[1]})
	near(t, "bad", 2.109316765436463, must(HorvitzThompson(bySample(draw, drawBad))).Value)
	near(t, "items", 4.756069590140769, weightTotal(draw, []float64{1, 1, 1, 1, 1, 1, 1, 1}))

	// The Gumbel form of the same draw: threshold and probabilities agree.
	kappa := -math.Log(draw.Threshold)
	near(t, "Gumbel threshold", 0.7380696519250566, kappa)
	for i, item := range draw.Kept {
		near(t, "Gumbel probability", -math.Expm1(-math.Exp(math.Log(drawWeights[item])-kappa)), draw.P[i])
	}
}

func TestDrawingEverythingIsCertain(t *testing.T) {
	for _, draw := range []Draw{must(DrawPriority(drawWeights, drawU, 8)), must(DrawSuccessive(drawWeights, drawU, 20))} {
		if len(draw.Kept) != 8 || !slices.Equal(draw.P, []float64{1, 1, 1, 1, 1, 1, 1, 1}) {
			t.Errorf("want all eight with probability 1, got %+v", draw)
		}
	}
}

func TestDrawsAreUnbiased(t *testing.T) {
	draws := map[string]func(w, u []float64, k int) (Draw, error){"priority": DrawPriority, "successive": DrawSuccessive}
	for name, draw := range draws {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			n := runs(20_000, 200_000)
			var mean, squares, variances float64
			u := make([]float64, len(drawWeights))
			for range n {
				for i := range u {
					u[i] = 1 - rng.Float64()
				}
				for i := range u {
					u[i] = min(u[i], 1-0x1p-53)
				}
				total := must(HorvitzThompson(bySample(must(draw(drawWeights, u, 4)), drawBad)))
				mean += total.Value
				squares += square(total.Value)
				variances += square(total.SE)
			}
			mean /= float64(n)
			variance := squares/float64(n) - mean*mean
			if err := math.Sqrt(variance / float64(n)); math.Abs(mean-4) > 4*err {
				t.Errorf("mean estimate %.4f ± %.4f for truth 4", mean, err)
			}
			if stated := variances / float64(n); math.Abs(stated-variance) > 0.06*variance {
				t.Errorf("stated variance %.3f, true variance %.3f", stated, variance)
			}
		})
	}
}

func TestCloseBottomK(t *testing.T) {
	closed := must(CloseBottomK([]Candidate{
		{.10, Labeled}, {.40, Labeled}, {.05, Nonresponse}, {.30, Untouched}, {.20, Labeled}, {.35, Nonresponse}, {.90, Untouched}, {.95, Untouched},
	}))
	want := BottomK{Threshold: .30, P: 3.0 / 8, Below: 3, Usable: []int{0, 4}, Nonresponse: []int{2}, Surplus: []int{1}}
	if closed.Threshold != want.Threshold || closed.P != want.P || closed.Below != want.Below ||
		!slices.Equal(closed.Usable, want.Usable) || !slices.Equal(closed.Nonresponse, want.Nonresponse) || !slices.Equal(closed.Surplus, want.Surplus) {
		t.Errorf("want %+v, got %+v", want, closed)
	}
	all := must(CloseBottomK([]Candidate{{.1, Labeled}, {.2, Nonresponse}}))
	if all.Threshold != 1 || all.P != 1 || all.Below != 2 {
		t.Errorf("a frame worked through: want probability 1, got %+v", all)
	}
}

func TestBottomKIsUnbiasedWhateverTheOrderOfArrival(t *testing.T) {
	// Items arrive in two waves; labelers always take the smallest u there is.
	// Late items are worse, so counting surplus labels would bias the rate.
	rng := rand.New(rand.NewPCG(3, 4))
	const early, late, truth = 60, 40, (60*0.1 + 40*0.5) / 100
	var mean, squares, naive float64
	n := runs(3000, 30_000)
	used := 0
	for range n {
		frame := make([]Candidate, early+late)
		y := make([]float64, len(frame))
		for i := range frame {
			frame[i].U = rng.Float64()
			p := 0.1
			if i >= early {
				p = 0.5
			}
			y[i] = indicator(rng.Float64() < p)
		}
		work := func(upto, labels int) {
			for range labels {
				next := -1
				for i := range upto {
					if frame[i].Progress == Untouched && (next < 0 || frame[i].U < frame[next].U) {
						next = i
					}
				}
				frame[next].Progress = Labeled
			}
		}
		work(early, 35)
		work(early+late, 5)
		closed := must(CloseBottomK(frame))
		bad, all, labels := 0.0, 0.0, 0.0
		for _, i := range closed.Usable {
			bad += y[i]
		}
		for i := range frame {
			if frame[i].Progress == Labeled {
				all += y[i]
				labels++
			}
		}
		if closed.Below == 0 {
			continue
		}
		used++
		estimate := bad / float64(closed.Below)
		mean += estimate
		squares += estimate * estimate
		naive += all / labels
	}
	mean, naive = mean/float64(used), naive/float64(used)
	err := math.Sqrt((squares/float64(used) - mean*mean) / float64(used))
	if math.Abs(mean-truth) > 4*err {
		t.Errorf("bottom-k: %.4f ± %.4f for truth %.4f", mean, err, truth)
	}
	if math.Abs(naive-truth) < 6*err {
		t.Errorf("all labels give %.4f: this test no longer shows why surplus is left out", naive)
	}
}

func TestSamplingRefusesWrongInput(t *testing.T) {
	_, err := DrawPriority([]float64{1, 2}, []float64{.5}, 1)
	refused(t, "lengths", err)
	_, err = DrawPriority([]float64{0}, []float64{.5}, 1)
	refused(t, "zero weight", err)
	_, err = DrawSuccessive([]float64{1}, []float64{0}, 1)
	refused(t, "u of zero", err)
	_, err = DrawSuccessive([]float64{1}, []float64{.5}, -1)
	refused(t, "negative k", err)
	_, err = CloseBottomK([]Candidate{{U: math.NaN()}})
	refused(t, "u NaN", err)
}
