package eval

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"assay/labeling"
)

// traffic is a population with known rates, of which harm is what people meet
// first. The newer version serves three in ten and errs twice as often.
var traffic = []struct {
	class labeling.PriorityClass
	each  int     // responses a day, of the older version
	newer int     // of the newer one
	rate  float64 // of the older version
}{
	{labeling.Safety, 6, 4, .40},
	{labeling.Negative, 24, 12, .25},
	{labeling.Implicit, 90, 40, .08},
	{labeling.Random, 980, 420, .02},
}

const trafficDays = 3

var versions = []string{"v1", "v2"}

// trueRate is that of a class of a version.
func trueRate(class labeling.PriorityClass, version string) float64 {
	for _, part := range traffic {
		if part.class != class {
			continue
		}
		if version == "v2" {
			return 2 * part.rate
		}
		return part.rate
	}
	return 0
}

func truth(version string) float64 {
	bad, all := 0.0, 0.0
	for _, part := range traffic {
		for i, n := range []int{part.each, part.newer} {
			if version == "" || version == versions[i] {
				bad += float64(n) * trueRate(part.class, versions[i])
				all += float64(n)
			}
		}
	}
	return bad / all
}

// served is a response in the queue.
type served struct {
	labeling.Waiting
	version       string
	bad           bool
	labeled, past bool
}

// deck is a queue on paper: the order and the ways are those of the real one,
// whose own tests show that PostgreSQL chooses the same.
type deck struct {
	frames map[deckFrame][]*served // in the order of u
	next   map[deckFrame]int
}

type deckFrame struct {
	class labeling.PriorityClass
	day   time.Time
}

func newDeck(dice *rand.Rand) *deck {
	d := &deck{map[deckFrame][]*served{}, map[deckFrame]int{}}
	id := int64(0)
	for day := range trafficDays {
		for _, part := range traffic {
			key := deckFrame{part.class, monday.AddDate(0, 0, day)}
			for i, n := range []int{part.each, part.newer} {
				for range n {
					id++
					d.frames[key] = append(d.frames[key], &served{
						Waiting: labeling.Waiting{ID: id, Class: key.class, Day: key.day, U: dice.Float64()},
						version: versions[i], bad: dice.Float64() < trueRate(part.class, versions[i])})
				}
			}
			slices.SortFunc(d.frames[key], func(a, b *served) int { return cmp.Compare(a.U, b.U) })
		}
	}
	return d
}

// label lets people work; one item in forty is passed over whatever it says.
func (d *deck) label(labels int, dice *rand.Rand) {
	for range labels {
		item := d.reserve(dice)
		if item == nil {
			return
		}
		item.past = dice.Float64() < 1.0/40
		item.labeled = !item.past
	}
}

func (d *deck) reserve(dice *rand.Rand) *served {
	for _, way := range labeling.Ways(dice.Float64(), dice.Float64(), .25) {
		switch way {
		case labeling.WayMeasure:
			if frame, ok := labeling.Measure(d.known()); ok {
				return d.take(deckFrame{frame.Class, frame.Day})
			}
		case labeling.WayHarm:
			var heads []labeling.Waiting
			for key, items := range d.frames {
				if at := d.next[key]; at < len(items) {
					heads = append(heads, items[at].Waiting)
				}
			}
			if len(heads) > 0 {
				first := slices.MinFunc(heads, labeling.ByHarm)
				return d.take(deckFrame{first.Class, first.Day})
			}
		}
	}
	return nil
}

func (d *deck) take(key deckFrame) *served {
	item := d.frames[key][d.next[key]]
	d.next[key]++
	return item
}

func (d *deck) known() []labeling.Frame {
	var list []labeling.Frame
	for key, items := range d.frames {
		f := labeling.Frame{Class: key.class, Day: key.day, Readable: int64(len(items)), Untouched: int64(len(items) - d.next[key])}
		for _, item := range items[:d.next[key]] {
			if item.labeled {
				f.Labeled++
			}
			if item.labeled && item.bad {
				f.Hallucinated++
			}
		}
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b labeling.Frame) int {
		return cmp.Or(cmp.Compare(a.Class.Rank(), b.Class.Rank()), a.Day.Compare(b.Day))
	})
	return list
}

// cells is what the queue tells the stage that rates.
func (d *deck) cells() []labeling.SampleCell {
	type key struct {
		deckFrame
		version string
	}
	byKey := map[key]*labeling.SampleCell{}
	for frame, items := range d.frames {
		for i, item := range items {
			k := key{frame, item.version}
			c := byKey[k]
			if c == nil {
				c = &labeling.SampleCell{TaskClass: "sql_query", PriorityClass: frame.class, Design: "bottom_k", Day: frame.day, ModelVersion: item.version, Keep: 1}
				byKey[k] = c
			}
			c.Responses++
			c.Readable++
			c.Considered++
			if i >= d.next[frame] {
				c.Waiting++
				continue
			}
			c.Sampled++
			switch {
			case item.past:
				c.Skipped++
			case item.bad:
				c.Labels.Hallucinated++
				c.Raw.Hallucinated++
			default:
				c.Labels.Correct++
				c.Raw.Correct++
			}
		}
	}
	var list []labeling.SampleCell
	for _, c := range byKey {
		list = append(list, *c)
	}
	return list
}

// TestTheEstimateCoversTheTruthWhateverTheQueueServesFirst is the promise of
// the rates page: people read harm first, the raw share is several times the
// truth, and the interval beside it still holds it.
func TestTheEstimateCoversTheTruthWhateverTheQueueServesFirst(t *testing.T) {
	runs := 200
	if *Full {
		runs = 2000
	}
	type tally struct{ covered, raw, above float64 }
	var all, older, newer tally
	differences := 0.0
	for run := range runs {
		dice := rand.New(rand.NewPCG(2026, uint64(run)))
		d := newDeck(dice)
		d.label(600, dice)
		f := week
		table, err := tabulate(f, d.cells(), nil, nil, monday)
		if err != nil {
			t.Fatal(err)
		}
		f.ByModel = false
		whole, err := tabulate(f, d.cells(), nil, nil, monday)
		if err != nil {
			t.Fatal(err)
		}
		count := func(to *tally, row Rate, version string) {
			if row.Contains(truth(version)) {
				to.covered++
			}
			if row.Raw.Contains(truth(version)) {
				to.raw++
			}
			to.above += row.Raw.Value / truth(version)
		}
		count(&all, whole.Rows[0], "")
		for _, row := range table.Rows {
			if row.ModelVersion == "v2" {
				count(&newer, row, "v2")
			} else {
				count(&older, row, "v1")
			}
		}
		if c := table.Comparisons[0]; c.Contains(truth("v2") - truth("v1")) {
			differences++
		}
	}
	n := float64(runs)
	t.Logf("%d runs of 600 labels on %d responses; truth %.4f", runs, 3*(1000+576), truth(""))
	for name, c := range map[string]tally{"all traffic": all, "older version": older, "newer version": newer} {
		t.Logf("%s: the interval covers in %.1f %%, that of the raw share in %.1f %%, which is %.1f times the truth", name, 100*c.covered/n, 100*c.raw/n, c.above/n)
		if c.covered/n < .93 {
			t.Errorf("%s: the interval covers in %.1f %% of %d runs, want 93 or more", name, 100*c.covered/n, runs)
		}
		if c.raw/n > .05 {
			t.Errorf("%s: the raw share was to fail and covers in %.1f %%", name, 100*c.raw/n)
		}
	}
	if differences/n < .93 {
		t.Errorf("the interval of the difference covers in %.1f %%, want 93 or more", 100*differences/n)
	}
}
