package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Critical values of Kolmogorov's distribution as tables print them.
func TestBridgeTail(t *testing.T) {
	for x, p := range map[float64]float64{1.2238478702: .10, 1.3580986393: .05, 1.6276236115: .01, 1.9494746: .001} {
		within(t, "tail", p, bridgeTail(x), 1e-6)
	}
	near(t, "of nothing", 1, bridgeTail(0))
}

func TestLargestChange(t *testing.T) {
	step := append(make([]float64, 20), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	got, ok, err := LargestChange(step)
	if err != nil || !ok || got.At != 20 || got.P > .001 {
		t.Errorf("a step after twenty: %+v, %v, %v", got, ok, err)
	}
	for _, none := range [][]float64{nil, {1, 2, 3}, make([]float64, 50)} {
		if _, ok, err := LargestChange(none); ok || err != nil {
			t.Errorf("%v says nothing: %v, %v", none, ok, err)
		}
	}
	_, _, err = LargestChange([]float64{1, 2, math.NaN()})
	refused(t, "NaN", err)
}

// Of series without a change hardly one in a thousand is said to have one, rare
// events among them; one that changes by half is found.
func TestLargestChangeKeepsItsLevel(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	n := runs(3_000, 40_000)
	for _, c := range []struct{ before, after float64 }{{.5, .5}, {.2, .2}, {.03, .03}, {.2, .6}, {.95, .6}} {
		named := 0
		for range n {
			values := make([]float64, 120)
			for i := range values {
				p := c.before
				if i >= 60 {
					p = c.after
				}
				values[i] = indicator(rng.Float64() < p)
			}
			if change, ok, _ := LargestChange(values); ok && change.P < .001 {
				named++
			}
		}
		share := float64(named) / float64(n)
		t.Logf("from %.2f to %.2f: %.2f %% named", c.before, c.after, 100*share)
		if c.before == c.after && share > .002 {
			t.Errorf("%.2f does not change and is named in %.2f %%", c.before, 100*share)
		}
		if c.before != c.after && share < .8 {
			t.Errorf("%.2f to %.2f is named in %.2f %% alone", c.before, c.after, 100*share)
		}
	}
}
