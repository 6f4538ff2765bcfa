package labeling

import (
	"math/rand/v2"
	"slices"
	"testing"

	"assay/internal/stats"
)

// answering is a labeler of the simulation: what they say of a right label.
type answering func(truth int, rng *rand.Rand) int

func alwaysCorrect(int, *rand.Rand) int { return 0 }

// honest labelers err on one item in twenty, whichever way.
func honest(truth int, rng *rand.Rand) int {
	if rng.Float64() < .05 {
		return (truth + 1 + rng.IntN(2)) % 3
	}
	return truth
}

// caughtAfter serves gold, a third of each label in random order, and returns
// after how many answers the product proposes a suspension; 0: never.
func caughtAfter(t *testing.T, says answering, rng *rand.Rand, gold int) int {
	t.Helper()
	truths := make([]int, gold)
	for i := range truths {
		truths[i] = i % 3
	}
	rng.Shuffle(gold, func(i, j int) { truths[i], truths[j] = truths[j], truths[i] })
	var confusion Confusion
	for i, truth := range truths {
		confusion.Add(Truths[truth], Labels[says(truth, rng)])
		judged, err := Judge(confusion)
		if err != nil {
			t.Fatal(err)
		}
		if judged.Standing == Proposed {
			return i + 1
		}
	}
	return 0
}

// Three of forty labelers answer "correct" to everything. Gold is looked at
// after every single answer.
func TestWhoAlwaysAnswersCorrectIsCaughtWithinSixtyGoldItems(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 4))
	rooms := 100
	if *full {
		rooms = 2_000
	}
	var after []int
	wronged := 0
	for range rooms {
		for labeler := range 40 {
			if labeler < 3 {
				n := caughtAfter(t, alwaysCorrect, rng, 60)
				if n == 0 {
					t.Fatal("one who always answers correct was not caught")
				}
				after = append(after, n)
			} else if caughtAfter(t, honest, rng, 60) > 0 {
				wronged++
			}
		}
	}
	slices.Sort(after)
	t.Logf("caught after %d gold items in the middle, %d at most; %d of %d honest labelers proposed", after[len(after)/2], after[len(after)-1], wronged, 37*rooms)
	if after[len(after)-1] > 60 {
		t.Errorf("want all caught within 60 gold items, the last was after %d", after[len(after)-1])
	}
	if share := float64(wronged) / float64(37*rooms); share > .002 {
		t.Errorf("want hardly an honest labeler proposed, got %.2f %%", 100*share)
	}
}

func TestStandingsFollowFromGold(t *testing.T) {
	for name, c := range map[string]struct {
		confusion Confusion
		want      Standing
	}{
		"nine answers say nothing":               {Confusion{{3}, {3}, {3}}, New},
		"always correct":                         {Confusion{{20}, {20}, {20}}, Proposed},
		"cannot tell is no way out":              {Confusion{{20}, {0, 20}, {0, 0, 5, 15}}, Proposed},
		"good on two labels, blind on the third": {Confusion{{40}, {0, 40}, {0, 8, 4}}, Proposed},
		"nothing against, not enough for":        {Confusion{{7}, {0, 6, 1}, {0, 0, 6}}, Unproven},
		"mostly right and yet too often wrong":   {Confusion{{9, 3}, {2, 10}, {0, 3, 9}}, Probation},
		"proven":                                 {Confusion{{30}, {1, 29}, {0, 0, 30}}, Trusted},
	} {
		got, err := Judge(c.confusion)
		if err != nil || got.Standing != c.want {
			t.Errorf("%s: want %s, got %s %v", name, c.want, got.Standing, err)
		}
	}
}

func TestSignalsSayWhatIsUnusual(t *testing.T) {
	pace := stats.Pace{Median: 3.7, Scale: .3}
	steady := make([]Answered, 60)
	for i := range steady {
		steady[i] = Answered{Label: Labels[i%3], Seconds: 40, Words: 120, Pace: pace}
	}
	same := make([]Answered, 60)
	for i := range same {
		same[i] = Answered{Label: "correct", Seconds: 4, Words: 120, Pace: pace}
	}
	calm, err := Watch(steady, Confusion{{12}, {0, 12}, {0, 0, 12}}, nil)
	if err != nil || len(calm.Flags) != 0 || calm.TooFast != 0 || *calm.Spammer != 1 {
		t.Errorf("steady work: %+v %v", calm, err)
	}
	odd, err := Watch(same, Confusion{{12}, {12}, {12}}, nil)
	if err != nil || len(odd.Flags) != 3 || odd.TooFast != 60 || *odd.Spammer != 0 || odd.LongestRun != 60 || odd.Entropy != 0 {
		t.Errorf("want all three signals, got %+v %v", odd, err)
	}
	none, err := Watch(nil, Confusion{}, nil)
	if err != nil || len(none.Flags) != 0 || none.Spammer != nil {
		t.Errorf("nobody: %+v %v", none, err)
	}
}
