package labeling

import (
	"math/rand/v2"
	"testing"
)

// What the page of a queue foresees of two mixes, against what the queue then
// does: the same items and ways, on paper, fifty times.
func TestAMixBuysWhatThePageForesees(t *testing.T) {
	const before, bought = 150, 300
	foreseen, came, shown := map[float64]float64{}, map[float64]float64{}, map[float64]float64{}
	runs := 50
	for run := range runs {
		for _, share := range []float64{0.25, 0.60} {
			dice := rand.New(rand.NewPCG(uint64(run), 8))
			q := newPaper(populate(dice), share)
			workOn(q, before, perfect, dice)
			points, err := Buy(totals(q), share, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range points {
				if p.Labels == bought {
					foreseen[share] += p.Half / float64(runs)
				}
			}
			workOn(q, bought*40/39, perfect, dice) // one in forty is skipped
			half, err := halfWidth(classesOf(totals(q)))
			if err != nil {
				t.Fatal(err)
			}
			came[share] += half / float64(runs)
			e, err := q.estimate()
			if err != nil {
				t.Fatal(err)
			}
			shown[share] += e.Width() / 2 / float64(runs)
		}
	}
	for share, half := range foreseen {
		if ratio := came[share] / half; ratio < 0.85 || ratio > 1.15 {
			t.Errorf("measurement %.0f %%: foreseen ±%.4f, came ±%.4f", 100*share, half, came[share])
		}
		if ratio := shown[share] / half; ratio < 0.8 || ratio > 1.25 {
			t.Errorf("measurement %.0f %%: foreseen ±%.4f, the rate has ±%.4f", 100*share, half, shown[share])
		}
	}
	if !(foreseen[0.60] < foreseen[0.25] && came[0.60] < came[0.25] && shown[0.60] < shown[0.25]) {
		t.Errorf("more measurement narrows sooner: foreseen %v, came %v, shown %v", foreseen, came, shown)
	}
	t.Logf("foreseen %v, came %v, shown %v", foreseen, came, shown)
}

// totals is what measuring knows where the telemetry store counts too: of each
// frame all that could be read.
func totals(q *paperQueue) []Frame {
	list := q.known()
	for i, f := range list {
		list[i].Readable = int64(len(q.frames[paperFrame{f.Class, f.Day}]))
	}
	return list
}
