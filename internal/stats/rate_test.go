package stats

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestRateIntervals(t *testing.T) {
	tests := []struct {
		k, n                      int
		level                     float64
		wilsonLow, wilsonHigh     float64
		exactLow, exactHigh       float64
		jeffreysLow, jeffreysHigh float64
	}{
		{0, 50, .95, 0, 0.07134759913335872, 0, 0.07112173646419764, 9.771663301804069e-06, 0.048758459444071374},
		{3, 97, .95, 0.01057334494855243, 0.08702003515310984, 0.006424047453155551, 0.08773178214043566, 0.008786092804193284, 0.08022798736426157},
		{17, 420, .95, 0.025422559673639922, 0.0638595481361648, 0.023752705787109644, 0.0640167913736767, 0.02467146765809087, 0.0625746895551282},
		{1, 8, .95, 0.02241749145005667, 0.4708881822128535, 0.003159723531251909, 0.5265096708752065, 0.013838233790320762, 0.4537193210324146},
		{8, 8, .95, 0.6755924351161198, 1, 0.6305833524471808, 1, 0.7377827512828143, 0.9999405096971056},
		{250, 1000, .99, 0.21645462945665608, 0.2868409529950474, 0.21549682324153835, 0.28692213444023573, 0.21597100398560815, 0.28640112041547083},
		{2, 2, .90, 0.4250306090063462, 1, 0.22360679774997894, 1, 0.43074146813810105, 0.9991318007925581},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d of %d at %g", tt.k, tt.n, tt.level), func(t *testing.T) {
			nearInterval(t, "Wilson", tt.wilsonLow, tt.wilsonHigh, must(Wilson(tt.k, tt.n, tt.level)))
			nearInterval(t, "Clopper-Pearson", tt.exactLow, tt.exactHigh, must(ClopperPearson(tt.k, tt.n, tt.level)))
			nearInterval(t, "Jeffreys before the end rule", tt.jeffreysLow, tt.jeffreysHigh, jeffreys(tt.k, tt.n, tt.level))
		})
	}
}

func TestIntervalEndsAreExact(t *testing.T) {
	if got := must(Wilson(0, 50, .95)).Low; got != 0 {
		t.Errorf("Wilson low of 0/50: want exactly 0, got %g", got)
	}
	if got := must(Wilson(8, 8, .95)).High; got != 1 {
		t.Errorf("Wilson high of 8/8: want exactly 1, got %g", got)
	}
	if got := must(Jeffreys(0, 50, .95)).Low; got != 0 {
		t.Errorf("Jeffreys low of 0/50: want exactly 0, got %g", got)
	}
	if got := must(Jeffreys(8, 8, .95)).High; got != 1 {
		t.Errorf("Jeffreys high of 8/8: want exactly 1, got %g", got)
	}
}

func TestWilsonOfAWeightedRate(t *testing.T) {
	got := must(WilsonEffective(3.7/88.25, 88.25, .95))
	nearInterval(t, "3.7 of 88.25", 0.015860311356069856, 0.10620810806794762, got)
}

func TestWilsonOfThePublishedExample(t *testing.T) {
	got := must(Wilson(2, 6, .95))
	within(t, "low of 2/6", 0.096771, got.Low, 5e-7)
	within(t, "high of 2/6", 0.700007, got.High, 5e-7)
}

func TestOneSidedLimits(t *testing.T) {
	for _, tt := range []struct {
		k, n int
		want float64
	}{
		{0, 50, 0.058155079116972264},
		{0, 299, 0.009969146792899286},
		{0, 300, 0.00993608194445772},
		{1, 400, 0.01180430445398703},
		{3, 97, 0.07799470845335697},
		{0, 6, 1 - math.Pow(.05, 1.0/6)},
	} {
		within(t, fmt.Sprintf("Clopper-Pearson upper %d/%d", tt.k, tt.n), tt.want, must(ClopperPearsonUpper(tt.k, tt.n, .95)), 1e-9)
	}
	near(t, "Wilson lower 3/97", 0.012426562670691671, must(WilsonLower(3, 97, .95)))
	near(t, "Wilson upper 3/97", 0.07488596933615164, must(WilsonUpper(3, 97, .95)))
	for _, tt := range []struct {
		k, n             int
		confidence, want float64
	}{
		{1, 3, .95, 0.0169524275084415},
		{2, 3, .95, 0.13535036217158378},
		{6, 100, .95, 0.026449712975947563},
		{8, 100, .95, 0.04042887062402882},
		{8, 100, .99, 0.029677054144697426},
	} {
		near(t, fmt.Sprintf("Clopper-Pearson lower %d/%d", tt.k, tt.n), tt.want, must(ClopperPearsonLower(tt.k, tt.n, tt.confidence)))
	}
}

func TestLabelsNeededForAZeroEventClaim(t *testing.T) {
	for _, tt := range []struct {
		below      float64
		at95, at99 int
	}{
		{.05, 59, 90}, {.03, 99, 152}, {.02, 149, 228}, {.01, 299, 459}, {.005, 598, 919}, {.001, 2995, 4603},
	} {
		if got := must(ZeroEventSize(tt.below, .95)); got != tt.at95 {
			t.Errorf("below %g at 95 %%: want %d, got %d", tt.below, tt.at95, got)
		}
		if got := must(ZeroEventSize(tt.below, .99)); got != tt.at99 {
			t.Errorf("below %g at 99 %%: want %d, got %d", tt.below, tt.at99, got)
		}
		n := must(ZeroEventSize(tt.below, .95))
		if bound := must(ZeroEventBound(n, .95)); bound > tt.below {
			t.Errorf("%d clean labels bound the rate by %g, above the claimed %g", n, bound, tt.below)
		}
		if bound := must(ZeroEventBound(n-1, .95)); bound <= tt.below {
			t.Errorf("one label fewer than %d would do", n)
		}
	}
}

func TestNothingLabeledIsNotZeroPercent(t *testing.T) {
	got := must(Rate(0, 0, .95))
	if got.Defined || got.Low != 0 || got.High != 1 || !got.Has(ReasonNoLabels) {
		t.Errorf("rate of nothing: want undefined with [0,1], got %+v", got)
	}
	for name, interval := range map[string]Interval{
		"Wilson": must(Wilson(0, 0, .95)), "Clopper-Pearson": must(ClopperPearson(0, 0, .95)), "Jeffreys": must(Jeffreys(0, 0, .95)),
	} {
		if interval != (Interval{0, 1, .95}) {
			t.Errorf("%s of nothing: want [0,1], got %v", name, interval)
		}
	}
	if got := must(ZeroEventBound(0, .95)); got != 1 {
		t.Errorf("bound of nothing: want 1, got %g", got)
	}
}

func TestRateCarriesItsDisplayRules(t *testing.T) {
	few, many := must(Rate(1, 9, .95)), must(Rate(17, 420, .95))
	if few.ShowPercent() || !few.Wide() {
		t.Errorf("1 of 9: want no percent and a wide interval, got %+v", few)
	}
	if !many.ShowPercent() || many.Wide() {
		t.Errorf("17 of 420: want a percent and a narrow interval, got %+v", many)
	}
}

func TestClassesHoldTogether(t *testing.T) {
	got := must(Classes([]int{60, 25, 15}, .95))
	each := 1 - .05/3
	for i, k := range []int{60, 25, 15} {
		want := must(Wilson(k, 100, each))
		nearInterval(t, fmt.Sprintf("class %d", i), want.Low, want.High, got[i])
	}
}

func TestRateRefusesWrongInput(t *testing.T) {
	_, err := Wilson(-1, 5, .95)
	refused(t, "negative k", err)
	_, err = Wilson(6, 5, .95)
	refused(t, "k above n", err)
	_, err = Wilson(0, -1, .95)
	refused(t, "negative n", err)
	_, err = Wilson(1, 5, 1)
	refused(t, "level 1", err)
	_, err = ClopperPearson(1, 5, math.NaN())
	refused(t, "level NaN", err)
	_, err = WilsonEffective(math.NaN(), 5, .95)
	refused(t, "rate NaN", err)
	_, err = WilsonEffective(.5, math.Inf(1), .95)
	refused(t, "infinite size", err)
	_, err = ZeroEventSize(0, .95)
	refused(t, "claim of zero", err)
	_, err = Classes([]int{1, -1}, .95)
	refused(t, "negative class count", err)
}

func TestIntervalProperties(t *testing.T) {
	methods := map[string]func(k, n int, level float64) (Interval, error){
		"Wilson": Wilson, "Clopper-Pearson": ClopperPearson, "Jeffreys": Jeffreys,
	}
	for name, interval := range methods {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				n := rapid.IntRange(1, 5000).Draw(t, "n")
				k := rapid.IntRange(0, n).Draw(t, "k")
				level := rapid.SampledFrom([]float64{.8, .9, .95, .99, .999}).Draw(t, "level")
				got := must(interval(k, n, level))
				if !(got.Low >= 0 && got.Low < got.High && got.High <= 1) {
					t.Fatalf("not an interval inside [0,1]: %v", got)
				}
				if !got.Contains(float64(k) / float64(n)) {
					t.Fatalf("%v misses its own rate %d/%d", got, k, n)
				}
				mirrored := must(interval(n-k, n, level))
				if math.Abs(got.Low-(1-mirrored.High)) > 1e-9 || math.Abs(got.High-(1-mirrored.Low)) > 1e-9 {
					t.Fatalf("%v is not the mirror of %v", got, mirrored)
				}
				if k < n {
					next := must(interval(k+1, n, level))
					if next.Low < got.Low || next.High < got.High {
						t.Fatalf("one more bad label moved %v down to %v", got, next)
					}
				}
				narrower := must(interval(k, n, level-.1))
				if narrower.Low < got.Low || narrower.High > got.High {
					t.Fatalf("less confidence widened %v to %v", got, narrower)
				}
			})
		})
	}
}

func TestExactIntervalCoversAtLeastItsLevel(t *testing.T) {
	for _, n := range []int{5, 20, 60} {
		for p := 0.01; p < 1; p += 0.03 {
			covered := 0.0
			for k := range n + 1 {
				if must(ClopperPearson(k, n, .95)).Contains(p) {
					covered += binomialPoint(k, n, p)
				}
			}
			if covered < .95 {
				t.Errorf("n=%d p=%.2f: covers %.4f", n, p, covered)
			}
		}
	}
}

func BenchmarkWilson(b *testing.B) {
	for b.Loop() {
		_, _ = Wilson(17, 420, .95)
	}
}

func BenchmarkClopperPearson(b *testing.B) {
	for b.Loop() {
		_, _ = ClopperPearson(17, 420, .95)
	}
}
