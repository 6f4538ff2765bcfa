package labeling

import (
	"cmp"
	"math"
	"time"

	"assay/telemetry"
)

// PriorityClass is the part of a stratum that says how much harm a response
// may have done: the class of its gravest flag.
type PriorityClass = telemetry.PriorityClass

// The classes, gravest first.
const (
	Safety   = telemetry.Safety
	Negative = telemetry.Negative
	Implicit = telemetry.Implicit
	Random   = telemetry.RandomClass
)

// Classes lists the priority classes in the order people meet them.
var Classes = telemetry.PriorityClasses

// graver returns the class of the two that may have done more harm.
func graver(a, b PriorityClass) PriorityClass {
	if a.Rank() <= b.Rank() {
		return a
	}
	return b
}

// Waiting is an item nobody has touched, as the order sees it.
type Waiting struct {
	ID    int64
	Class PriorityClass
	Day   time.Time // the frame: midnight UTC
	U     float64
}

// ByHarm is the order in which the larger share of attention goes out: the
// gravest class first, its newest day first, and within a class and day always
// the smallest u. The index items_untouched is this order in SQL.
func ByHarm(a, b Waiting) int {
	return cmp.Or(
		cmp.Compare(a.Class.Rank(), b.Class.Rank()),
		b.Day.Compare(a.Day),
		cmp.Compare(a.U, b.U),
	)
}

// Frame is one priority class on one day, as far as it has come.
type Frame struct {
	Class        PriorityClass
	Day          time.Time // midnight UTC
	Readable     int64     // N: responses that could be read
	Labeled      int64     // n
	Hallucinated int64     // k of n
	Untouched    int64     // free to reserve for a first reading
}

// Measure chooses where the next label narrows the rate of all traffic most:
// among the classes with something free, the one with the largest index of
// Wright (2012), N·S/sqrt(n(n+1)) with S smoothed so that a class without a
// hallucination is not starved; within it the day of which the smallest share
// is labeled, newest first. It reports false when nothing is free.
func Measure(frames []Frame) (Frame, bool) {
	totals := map[PriorityClass]Frame{}
	for _, f := range frames {
		t := totals[f.Class]
		t.Readable += f.Readable
		t.Labeled += f.Labeled
		t.Hallucinated += f.Hallucinated
		t.Untouched += f.Untouched
		totals[f.Class] = t
	}
	var best PriorityClass
	highest := math.Inf(-1)
	for _, class := range Classes {
		if totals[class].Untouched == 0 {
			continue
		}
		if index := wright(totals[class]); index > highest {
			best, highest = class, index
		}
	}
	var chosen Frame
	for _, f := range frames {
		if f.Class != best || f.Untouched == 0 {
			continue
		}
		if chosen.Class == "" || leastKnown(f, chosen) < 0 {
			chosen = f
		}
	}
	return chosen, chosen.Class != ""
}

// wright is the index of a class; a class without a label comes before all
// that have one, the larger first.
func wright(f Frame) float64 {
	p := (float64(f.Hallucinated) + 0.5) / (float64(f.Labeled) + 1)
	weight := float64(f.Readable) * math.Sqrt(p*(1-p))
	if f.Labeled == 0 {
		return weight * 1e12
	}
	n := float64(f.Labeled)
	return weight / math.Sqrt(n*(n+1))
}

func leastKnown(a, b Frame) int {
	share := func(f Frame) float64 { return float64(f.Labeled) / math.Max(1, float64(f.Readable)) }
	return cmp.Or(cmp.Compare(share(a), share(b)), b.Day.Compare(a.Day))
}

// Way is one place a reservation looks for an item.
type Way int

// The ways.
const (
	WayMeasure Way = iota // the frame that Measure chose
	WayHarm               // the head of the queue, ByHarm
	WayAnother            // what wants another labeler than those who had it
	WayLater              // what this labeler put off
	WayGold               // what is known already, unannounced

	wayFirst // what a person put first, or gave to this labeler: before all others
	wayLast  // and what they put last: after all others
)

// secondReadings is the share of reservations that look for a second reading
// first. Second readings are a tenth of all items; without a share of their
// own they would wait until the last first reading is done.
const secondReadings = 0.10

// Ways returns where to look and in which order. The two draws are uniform in
// [0, 1); measurement is the share of reservations that serves the rate and
// not the order of harm.
func Ways(draw, second, measurement float64) []Way {
	var ways []Way
	if second < secondReadings {
		ways = append(ways, WayAnother)
	}
	if draw < measurement {
		ways = append(ways, WayMeasure)
	}
	ways = append(ways, WayHarm)
	if second >= secondReadings {
		ways = append(ways, WayAnother)
	}
	return append(ways, WayLater)
}

// frameDay is the frame of a time: its UTC day, as midnight.
func frameDay(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
