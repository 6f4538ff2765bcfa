package labeling

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"time"
)

// PriorityClass is the part of a stratum that says how much harm a response
// may have done. A response is in the class of its gravest flag.
type PriorityClass string

// The classes, gravest first.
const (
	Safety   PriorityClass = "safety"
	Negative PriorityClass = "negative"
	Implicit PriorityClass = "implicit"
	Random   PriorityClass = "random"
)

// Classes lists the priority classes in the order people meet them.
var Classes = []PriorityClass{Safety, Negative, Implicit, Random}

var classOf = map[string]PriorityClass{
	"unsafe_claim":      Safety,
	"validator_failed":  Safety,
	"negative_feedback": Negative,
	"correction":        Implicit, // by editing; the one-click Fix counts as negative feedback
	"abandonment":       Implicit,
	"requery":           Implicit,
	"error":             Implicit,
	"stalled_tools":     Implicit,
	"uncertain":         Implicit,
	"random":            Random,
}

// Rank is 1 for Safety to 4 for Random; an unknown class ranks as Random.
func (c PriorityClass) Rank() int {
	if at := slices.Index(Classes, c); at >= 0 {
		return at + 1
	}
	return len(Classes)
}

// Graver returns the class of the two that may have done more harm.
func Graver(a, b PriorityClass) PriorityClass {
	if a.Rank() <= b.Rank() {
		return a
	}
	return b
}

// ClassOf returns the class of the gravest of the reasons, Random for none.
func ClassOf(reasons ...string) PriorityClass {
	class := Random
	for _, reason := range reasons {
		class = Graver(class, cmp.Or(classOf[reason], Random))
	}
	return class
}

// U is the permanent random number of a response under a salt, in [0, 1): the
// first eight bytes of SHA-256(salt, 0x1F, id), of which 53 bits are kept. The
// same response keeps its number through every decision, so a larger share
// only ever adds responses.
func U(salt, id string) float64 {
	sum := sha256.Sum256([]byte(salt + "\x1f" + id))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
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

// Tau is the threshold of a frame: the smallest u of what nobody has touched,
// 1 when everything was. What lies below it was offered to people whatever it
// says, and is therefore a simple random sample of the frame.
func Tau(untouched []float64) float64 {
	if len(untouched) == 0 {
		return 1
	}
	return slices.Min(untouched)
}

// frameDay is the frame of a time: its UTC day, as midnight.
func frameDay(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
