package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// twelveItems are the labels of twelve items by four labelers; "." is missing.
func twelveItems() []Rating {
	var ratings []Rating
	for item, row := range []string{"1111", "333.", "121.", "2232", "11.1", "3323", "1112", ".333", "1.11", "2322", "111.", "...3"} {
		for labeler, c := range row {
			if c != '.' {
				ratings = append(ratings, Rating{int64(item), int64(labeler), int(c - '1')})
			}
		}
	}
	return ratings
}

func TestKrippendorffAlpha(t *testing.T) {
	a := must(Agree(twelveItems(), 3))
	if a.Items != 11 || a.Values != 38 {
		t.Errorf("want 11 items with 38 labels, got %d with %d", a.Items, a.Values)
	}
	for metric, want := range map[Metric]float64{Nominal: 0.5969498910675382, Ordinal: 0.8347348255696713, IntervalRank: 0.8243114909781577} {
		got, ok := a.Alpha(metric)
		if !ok {
			t.Errorf("metric %d: undefined", metric)
		}
		near(t, fmt.Sprint("alpha of metric ", metric), want, got)
	}
	nearAll(t, "coincidences", []float64{16, 4, 8, 2, 3, 0}, []float64{
		a.Coincidence[0][0], a.Coincidence[1][1], a.Coincidence[2][2], a.Coincidence[0][1], a.Coincidence[1][2], a.Coincidence[0][2],
	})
}

func TestAlphaInterval(t *testing.T) {
	got := must(EstimateAlpha(twelveItems(), 3, Nominal, 2000, 1, .95))
	within(t, "low", .326, got.Low, .02)
	within(t, "high", .811, got.High, .02)
	if !got.Bounded || got.Verdict != (Verdict{Inconclusive, ReasonAgreement}) {
		t.Errorf("a lower limit of .33 drives no gate: %+v", got)
	}
	if again := must(EstimateAlpha(twelveItems(), 3, Nominal, 2000, 1, .95)); again != got {
		t.Errorf("the same seed gives another interval: %+v", again)
	}
	if few := must(EstimateAlpha(twelveItems()[:28], 3, Nominal, 2000, 1, .95)); few.Bounded || few.Low != -1 || few.Verdict.Reason != ReasonFewLabels {
		t.Errorf("eight items have no interval: %+v", few)
	}
}

func TestAlphaOfOneClassIsUndefined(t *testing.T) {
	var ratings []Rating
	for item := range 30 {
		ratings = append(ratings, Rating{int64(item), 1, 0}, Rating{int64(item), 2, 0})
	}
	if _, ok := must(Agree(ratings, 3)).Alpha(Nominal); ok {
		t.Error("where nothing differs nothing is known: want undefined, not 1")
	}
	if got := must(EstimateAlpha(ratings, 3, Nominal, 100, 1, .95)); got.Defined || got.Passed() {
		t.Errorf("want undefined, got %+v", got)
	}
	ratings[0].Class = 1
	if got := must(EstimateAlpha(ratings, 3, Nominal, 500, 1, .95)); got.Bounded || got.Dropped < 50 {
		t.Errorf("a third of the replicates has one class: want no interval, got %+v", got)
	}
	if percent, ok := must(Agree(ratings, 3)).Percent(); !ok || math.Abs(percent-29.0/30) > 1e-12 {
		t.Errorf("percent agreement %g", percent)
	}
}

func expand(table [][]int) []Rating {
	var ratings []Rating
	item := int64(0)
	for i, row := range table {
		for j, n := range row {
			for range n {
				ratings = append(ratings, Rating{item, 1, i}, Rating{item, 2, j})
				item++
			}
		}
	}
	return ratings
}

func TestCohen(t *testing.T) {
	table := [][]int{{60, 6, 2}, {5, 14, 4}, {1, 3, 5}}
	for _, tt := range []struct {
		weights   KappaWeights
		kappa, se float64
	}{
		{Unweighted, 0.5700245700245701, 0.0761125876961148},
		{Linear, 0.6145197558625121, 0.0732932902065519},
		{Quadratic, 0.6632996632996633, 0.0807294960365453},
	} {
		got := must(Cohen(table, tt.weights))
		near(t, fmt.Sprint("kappa, weights ", tt.weights), tt.kappa, got.Value)
		near(t, fmt.Sprint("se, weights ", tt.weights), tt.se, got.SE)
	}
	plain := must(Cohen(table, Unweighted))
	near(t, "null se", 0.07813536087232296, plain.NullSE)
	near(t, "observed", .79, plain.Observed)
	near(t, "expected", .5116, plain.Expected)
	ac1, _ := must(Agree(expand(table), 3)).AC1()
	near(t, "AC1", 0.7221854742690833, ac1)
}

func TestKappaCollapsesWhereAC1DoesNot(t *testing.T) {
	table := [][]int{{95, 2}, {2, 1}}
	kappa := must(Cohen(table, Unweighted))
	near(t, "observed", .96, kappa.Observed)
	near(t, "kappa", 0.3127147766323021, kappa.Value)
	ac1, _ := must(Agree(expand(table), 2)).AC1()
	near(t, "AC1", 0.9575281376088342, ac1)
}

func TestCrossTableFindsTheTableAgain(t *testing.T) {
	table := [][]int{{60, 6, 2}, {5, 14, 4}, {1, 3, 5}}
	got := must(CrossTable(expand(table), 3, 1, 2))
	for i := range table {
		if !slices.Equal(table[i], got[i]) {
			t.Errorf("row %d: want %v, got %v", i, table[i], got[i])
		}
	}
}

func TestFleiss(t *testing.T) {
	got := must(Fleiss([][]int{{5, 0, 0}, {4, 1, 0}, {0, 1, 4}, {3, 2, 0}, {0, 0, 5}, {5, 0, 0}, {1, 3, 1}, {4, 0, 1}}))
	near(t, "kappa", 0.47145877378435513, got.Value)
	near(t, "null se", 0.08259088770734774, got.NullSE)
}

func TestCoefficientsOfNothing(t *testing.T) {
	if got := must(Cohen([][]int{{0, 0}, {0, 0}}, Unweighted)); got.Defined {
		t.Errorf("empty table: %+v", got)
	}
	if got := must(Cohen([][]int{{9, 0}, {0, 0}}, Unweighted)); got.Defined {
		t.Errorf("one class: %+v", got)
	}
	if got := must(Fleiss(nil)); got.Defined {
		t.Errorf("no items: %+v", got)
	}
	if got := must(Fleiss([][]int{{3, 0}, {3, 0}})); got.Defined {
		t.Errorf("one class: %+v", got)
	}
	a := must(Agree([]Rating{{1, 1, 0}}, 2))
	if _, ok := a.Percent(); ok {
		t.Error("one label agrees with nobody")
	}
	if _, ok := a.AC1(); ok {
		t.Error("one label has no AC1")
	}
}

func drawRatings(t *rapid.T, classes int) []Rating {
	var ratings []Rating
	for item := range rapid.IntRange(2, 25).Draw(t, "items") {
		for labeler := range 4 {
			if rapid.IntRange(0, 3).Draw(t, "labels it") > 0 {
				ratings = append(ratings, Rating{int64(item), int64(labeler), rapid.IntRange(0, classes-1).Draw(t, "class")})
			}
		}
	}
	return ratings
}

func TestAgreementProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const classes = 3
		ratings := drawRatings(t, classes)
		before, ok := must(Agree(ratings, classes)).Alpha(Nominal)
		ac1, _ := must(Agree(ratings, classes)).AC1()
		if before > 1 || math.IsNaN(before) || math.IsNaN(ac1) {
			t.Fatalf("alpha %g, AC1 %g", before, ac1)
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		classOf, labelerOf, itemOf := rng.Perm(classes), rng.Perm(4), rng.Perm(25)
		changed := slices.Clone(ratings)
		for i, r := range changed {
			changed[i] = Rating{int64(itemOf[r.Item]), int64(labelerOf[r.Labeler]), classOf[r.Class]}
		}
		rng.Shuffle(len(changed), func(i, j int) { changed[i], changed[j] = changed[j], changed[i] })
		after, okAfter := must(Agree(changed, classes)).Alpha(Nominal)
		ac1After, _ := must(Agree(changed, classes)).AC1()
		if ok != okAfter || math.Abs(before-after) > 1e-9 || math.Abs(ac1-ac1After) > 1e-9 {
			t.Fatalf("renaming and reordering moved alpha from %g to %g, AC1 from %g to %g", before, after, ac1, ac1After)
		}
		for i, r := range changed {
			changed[i].Class = int(r.Item) % 2
		}
		for _, metric := range []Metric{Nominal, Ordinal, IntervalRank} {
			if perfect, ok := must(Agree(changed, classes)).Alpha(metric); ok && math.Abs(perfect-1) > 1e-9 {
				t.Fatalf("perfect agreement gives %g", perfect)
			}
		}
	})
}

func TestAgreementRefusesWrongInput(t *testing.T) {
	_, err := Agree([]Rating{{1, 1, 3}}, 3)
	refused(t, "unknown class", err)
	_, err = Agree([]Rating{{1, 1, 0}, {1, 1, 1}}, 3)
	refused(t, "a labeler twice on an item", err)
	_, err = Agree(nil, 1)
	refused(t, "one class", err)
	_, err = Cohen([][]int{{1, 2}, {3}}, Unweighted)
	refused(t, "ragged table", err)
	_, err = Cohen([][]int{{1, -2}, {3, 0}}, Unweighted)
	refused(t, "negative count", err)
	_, err = Fleiss([][]int{{3, 0}, {1, 1}})
	refused(t, "unequal numbers of labels", err)
	_, err = EstimateAlpha(twelveItems(), 3, Nominal, 0, 1, .95)
	refused(t, "no replicates", err)
}
