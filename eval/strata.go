package eval

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"assay/internal/stats"
	"assay/labeling"
)

// stratum is a sampling cell over all days of the window. Model version is no
// part of it: a row of one version is a domain, and its cells are those of
// that version alone.
type stratum struct {
	taskClass string
	class     labeling.PriorityClass
	design    string
	keep      float64
	part      string // the queue rule that took it
}

func (s stratum) String() string {
	name := fmt.Sprintf("%s/%s/%s/%g", s.taskClass, s.class, s.design, s.keep)
	if s.part != "" {
		name += "/" + s.part
	}
	return name
}

func stratumOf(c labeling.SampleCell) stratum {
	return stratum{c.TaskClass, c.PriorityClass, c.Design, c.Keep, c.Part}
}

// census says that the labels were imported: they are known in full and stand
// for nothing but themselves, so that no other stratum is read as this one.
func (s stratum) census() bool { return s.design == "census" }

// frame is a stratum on one day.
type frame struct {
	stratum
	day string
}

// strata turns the cells of a row into what the estimate is made of: one
// stratum a day, over the model versions of the row.
func strata(outcome Outcome, cells []labeling.SampleCell) []stats.Stratum {
	byFrame := map[frame]*stats.Stratum{}
	labels := map[stratum]int{}
	for _, cell := range cells {
		key := frame{stratumOf(cell), cell.Day.Format("2006-01-02")}
		s := byFrame[key]
		if s == nil {
			s = &stats.Stratum{Name: key.String(), Frame: key.day}
			byFrame[key] = s
		}
		n := cell.Labels.Counted()
		s.Population += int(max(cell.Readable, n))
		s.Sampled += int(max(cell.Sampled-cell.Labels.CannotTell, n))
		s.Labeled += int(n)
		s.Bad += float64(bad(outcome, cell.Labels))
		labels[key.stratum] += int(n)
	}
	list := make([]stats.Stratum, 0, len(byFrame))
	for key, s := range byFrame {
		if s.Population == 0 {
			continue
		}
		if next, ok := standIn(key.stratum, labels); ok {
			s.Neighbor = next.String()
		}
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b stats.Stratum) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Frame, b.Frame))
	})
	return list
}

// milder is the class that is read instead of a flagged one without any label.
// Random has none: flagged answers say nothing of those nobody complained of,
// nor those of the flagged.
var milder = map[labeling.PriorityClass]labeling.PriorityClass{"safety": "negative", "negative": "implicit"}

// standIn chooses the stratum that is read instead of one without labels,
// among those that have some: first its own class, kept at another rate, since
// how much is kept says nothing about how good it is; then the next milder
// flagged class. Among several rates of keeping the nearest is taken. What one
// rule took stands in for nothing that another took: their conditions differ.
func standIn(s stratum, labels map[stratum]int) (stratum, bool) {
	if s.census() {
		return stratum{}, false
	}
	for class, ok := s.class, true; ok; class, ok = milder[class] {
		var best stratum
		for other, n := range labels {
			if n == 0 || other == s || other.census() || other.taskClass != s.taskClass || other.class != class || other.part != s.part {
				continue
			}
			if best == (stratum{}) || nearer(s.keep, other, best) {
				best = other
			}
		}
		if best != (stratum{}) {
			return best, true
		}
	}
	return stratum{}, false
}

// nearer compares rates of keeping by their ratio, since 0.5 and 1 are nearer
// than 0.01 and 0.1; of two equally near the larger is taken.
func nearer(keep float64, a, b stratum) bool {
	da, db := math.Abs(math.Log(a.keep/keep)), math.Abs(math.Log(b.keep/keep))
	return cmp.Or(cmp.Compare(da, db), cmp.Compare(b.keep, a.keep)) < 0
}

// smallStratum is how many sampled items a stratum needs to be judged by
// itself; smaller ones are judged together, so that one reservation of two
// items does not make a window incomplete.
const smallStratum = 10

// completeness is the share of sampled items that are labeled: of all strata
// together, and of the one that is furthest behind.
func completeness(cells []labeling.SampleCell) (all, least float64) {
	byStratum := map[stratum]progress{}
	var total, small progress
	for _, cell := range cells {
		p := progress{cell.Labels.All(), cell.Sampled}
		byStratum[stratumOf(cell)] = byStratum[stratumOf(cell)].plus(p)
		total = total.plus(p)
	}
	least = 1
	for _, p := range byStratum {
		if p.sampled < smallStratum {
			small = small.plus(p)
			continue
		}
		least = min(least, p.share())
	}
	return total.share(), min(least, small.share())
}

// progress is how many of the sampled items are labeled.
type progress struct{ labeled, sampled int64 }

func (p progress) plus(q progress) progress {
	return progress{p.labeled + q.labeled, p.sampled + q.sampled}
}

// share is 1 where nothing was sampled: nothing is missing there.
func (p progress) share() float64 {
	if p.sampled == 0 {
		return 1
	}
	return float64(p.labeled) / float64(p.sampled)
}
