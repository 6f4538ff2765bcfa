package stats

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestSmallCellsAreHidden(t *testing.T) {
	cells := []Cell{{100, 500}, {9, 80}, {30, 60}, {40, 4}, {50, 70}, {60, 90}}
	for _, tt := range []struct {
		fact string
		sums [][]int
		want []bool
	}{
		{"without sums only the small ones", nil, []bool{false, true, false, true, false, false}},
		{"one hidden cell of a sum takes the next smallest along", [][]int{{0, 1, 2}}, []bool{false, true, true, true, false, false}},
		{"two hidden ones protect each other", [][]int{{1, 3, 4}}, []bool{false, true, false, true, false, false}},
		{"one more hidden cell may uncover another sum", [][]int{{0, 1, 2}, {2, 4, 5}}, []bool{false, true, true, true, true, false}},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			if got := must(DefaultCells.Hide(cells, tt.sums)); !slices.Equal(got, tt.want) {
				t.Errorf("want %v, got %v", tt.want, got)
			}
		})
	}
	if !DefaultCells.HideRatio(4, 500) || !DefaultCells.HideRatio(500, 4) || DefaultCells.HideRatio(5, 5) {
		t.Error("a ratio needs five users on either side")
	}
	_, err := DefaultCells.Hide(cells, [][]int{{9}})
	refused(t, "a sum of no cell", err)
}

func TestDiscreteLaplace(t *testing.T) {
	one := DiscreteLaplace{1}
	for k, want := range map[int]float64{0: 0.46211715726000974, 1: 0.17000340156854793, 5: 0.0031137209129859897, -1: 0.17000340156854793} {
		near(t, fmt.Sprint("P of ", k), want, must(one.P(k)))
	}
	near(t, "variance at 1", 1.8413471884155848, must(one.Variance()))
	near(t, "variance at .5", 7.835396178065527, must(DiscreteLaplace{.5}.Variance()))
	if a, b := must(one.Radius(.95)), must(DiscreteLaplace{.1}.Radius(.95)); a != 3 || b != 30 {
		t.Errorf("95 %% within: want 3 and 30, got %d and %d", a, b)
	}
}

func TestDiscreteGaussian(t *testing.T) {
	narrow, wide := DiscreteGaussian{1}, DiscreteGaussian{4}
	near(t, "P(0) at 1", 0.3989422782668616, must(narrow.P(0)))
	near(t, "P(1) at 1", 0.24197072322446056, must(narrow.P(1)))
	near(t, "variance at 1", 0.9999997887677279, must(narrow.Variance()))
	near(t, "P(0) at 4", 0.19947114020071635, must(wide.P(0)))
	near(t, "P(5) at 4", 0.00876415024678427, must(wide.P(5)))
}

func TestConcentratedEpsilon(t *testing.T) {
	near(t, "rho .005", 0.5306521769756932, must(ConcentratedEpsilon(.005, 1e-6)))
	near(t, "rho .5", 5.756521769756932, must(ConcentratedEpsilon(.5, 1e-6)))
}

func TestRandomizedResponse(t *testing.T) {
	one := RandomizedResponse{1}
	near(t, "truth", 0.7310585786300049, must(one.Truth()))
	share, se, ok, err := one.Estimate(320, 1000)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	near(t, "share", 0.1104883855270424, share)
	near(t, "se", 0.031921063522358746, se)
	share, se, _, _ = RandomizedResponse{2}.Estimate(320, 1000)
	near(t, "share at 2", 0.2636536486101204, share)
	near(t, "se at 2", 0.01936893950184855, se)
	if _, _, ok, _ := one.Estimate(0, 0); ok {
		t.Error("no answers have no share")
	}
}

// TestSamplersFollowTheirDistributions compares drawn frequencies with the
// probabilities they are meant to have.
func TestSamplersFollowTheirDistributions(t *testing.T) {
	n := runs(20_000, 200_000)
	check := func(name string, draw func(io.Reader) (int64, error), p func(int) (float64, error)) {
		t.Helper()
		random := rand.NewChaCha8([32]byte{1})
		counts := map[int64]int{}
		for range n {
			counts[must(draw(random))]++
		}
		for k := -6; k <= 6; k++ {
			want := must(p(k))
			got := float64(counts[int64(k)]) / float64(n)
			if math.Abs(got-want) > 5*math.Sqrt(want*(1-want)/float64(n)) {
				t.Errorf("%s, %d: want %.4f, drawn %.4f", name, k, want, got)
			}
		}
	}
	for _, d := range []DiscreteLaplace{{1}, {.5}, {.3}, {2.7}} {
		check(fmt.Sprint("Laplace ", d.Epsilon), d.Sample, d.P)
	}
	for _, g := range []DiscreteGaussian{{1}, {4}, {.3}, {7.5}} {
		check(fmt.Sprint("Gaussian ", g.Sigma2), g.Sample, g.P)
	}
	random, honest := rand.NewChaCha8([32]byte{2}), 0
	for range n {
		if must(RandomizedResponse{1}.Answer(true, random)) {
			honest++
		}
	}
	within(t, "honest answers", 0.7310585786300049, float64(honest)/float64(n), 5*math.Sqrt(.2/float64(n)))
}

func TestNoiseWithoutRandomnessIsAnError(t *testing.T) {
	if _, err := (DiscreteLaplace{1}).Sample(strings.NewReader("")); !errors.Is(err, io.EOF) {
		t.Errorf("want the reader's error, got %v", err)
	}
	if _, err := (DiscreteGaussian{1}).Sample(strings.NewReader("abc")); err == nil {
		t.Error("want the reader's error")
	}
	if _, err := (RandomizedResponse{1}).Answer(true, strings.NewReader("")); err == nil {
		t.Error("want the reader's error")
	}
}

func TestPrivacyLedgerRefusesToOverspend(t *testing.T) {
	ledger := PrivacyLedger{Total: 1}
	for range 10 {
		next, verdict, err := ledger.Spend(.1)
		if err != nil || !verdict.Passed() {
			t.Fatalf("at %g: %v %v", ledger.Spent, verdict, err)
		}
		ledger = next
	}
	after, verdict, err := ledger.Spend(.1)
	if err != nil || verdict != (Verdict{Fail, ReasonBudgetSpent}) || after != ledger {
		t.Errorf("want refused and unchanged, got %+v %v %v", after, verdict, err)
	}
}

func TestPrivacyRefusesWrongInput(t *testing.T) {
	_, err := (DiscreteLaplace{}).P(0)
	refused(t, "epsilon 0", err)
	_, err = (DiscreteGaussian{math.NaN()}).Variance()
	refused(t, "variance NaN", err)
	_, err = ConcentratedEpsilon(.5, 0)
	refused(t, "delta 0", err)
	_, err = (RandomizedResponse{-1}).Truth()
	refused(t, "negative epsilon", err)
	_, _, err = (PrivacyLedger{Total: 1}).Spend(math.Inf(1))
	refused(t, "infinite cost", err)
	_, err = DefaultCells.Hide([]Cell{{-1, 0}}, nil)
	refused(t, "negative users", err)
}
