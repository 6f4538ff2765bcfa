package stats

import "math"

// Source is a stratum that labels can be taken from.
type Source struct {
	Population int     // responses that can be labeled
	Weight     float64 // its share of the traffic; 0 means its population counts
	Spread     float64 // standard deviation of a label: see LabelSpread
	Cost       float64 // of one label, in any unit; 0 means 1
	Labeled    int     // labels it has
}

func (s Source) weight() float64 {
	if s.Weight > 0 {
		return s.Weight
	}
	return float64(s.Population)
}

func (s Source) cost() float64 {
	if s.Cost > 0 {
		return s.Cost
	}
	return 1
}

func (s Source) check() error {
	return firstOf(checkCount("population", s.Population), checkNonNegative("weight", s.Weight),
		checkNonNegative("spread", s.Spread), checkNonNegative("cost", s.Cost), checkCount("labeled", s.Labeled))
}

func checkSources(sources []Source) error {
	for _, s := range sources {
		if err := s.check(); err != nil {
			return err
		}
	}
	return nil
}

// LabelSpread is the standard deviation of a stratum's labels, smoothed so that
// one without a bad label is not starved: k of n is read as k+½ of n+1.
func LabelSpread(k, n int) (float64, error) {
	if err := checkCounts(k, n); err != nil {
		return 0, err
	}
	p := (float64(k) + 0.5) / (float64(n) + 1)
	return math.Sqrt(p * (1 - p)), nil
}

// labelsAtLeast is what every stratum that is to be estimated must get.
const labelsAtLeast = 2

// Neyman spends a budget over sources so that the rate of all traffic is known
// best (Neyman 1934): in proportion to weight times spread over the square root
// of the cost. No source gets more than it has or, while it has them, fewer
// than two labels. Labels already there do not count. The answer is fractional;
// for labels one by one use NextSource.
func Neyman(sources []Source, budget float64) ([]float64, error) {
	if err := firstOf(checkSources(sources), checkNonNegative("budget", budget)); err != nil {
		return nil, err
	}
	allocation := make([]float64, len(sources))
	share := func(scale float64) float64 {
		spent := 0.0
		for h, s := range sources {
			most := float64(s.Population)
			allocation[h] = clamp(scale*s.weight()*s.Spread/math.Sqrt(s.cost()), min(labelsAtLeast, most), most)
			spent += allocation[h] * s.cost()
		}
		return spent
	}
	if share(0) >= budget {
		// Not even two each: everybody equally less.
		floor := share(0)
		for h := range allocation {
			if floor > 0 {
				allocation[h] *= budget / floor
			}
		}
		return allocation, nil
	}
	high := 1e-12
	for high < 1e18 && share(high) < budget {
		high *= 4
	}
	share(bisect(0, high, func(scale float64) bool { return share(scale) >= budget }))
	return allocation, nil
}

// LabelIndex is what the next label in this source would add to the knowledge
// of the rate (Wright 2012): +Inf below two labels, and 0 when nothing is left.
func LabelIndex(s Source) (float64, error) {
	if err := s.check(); err != nil {
		return 0, err
	}
	return s.index(), nil
}

func (s Source) index() float64 {
	n := float64(s.Labeled)
	switch {
	case s.Labeled >= s.Population:
		return 0
	case s.Labeled < labelsAtLeast:
		return math.Inf(1)
	}
	return s.weight() * s.Spread / math.Sqrt(n*(n+1)*s.cost())
}

// NextSource is the source whose next label tells most; -1 when all are
// exhausted. On a tie the one with fewer labels goes first. Giving labels one
// by one like this is the exact optimum, and it is the queue's scheduler.
func NextSource(sources []Source) (int, error) {
	if err := checkSources(sources); err != nil {
		return -1, err
	}
	best, most := -1, 0.0
	for h, s := range sources {
		index := s.index()
		if index > most || (best >= 0 && index == most && s.Labeled < sources[best].Labeled) {
			best, most = h, index
		}
	}
	return best, nil
}

// Wright hands out a number of labels one by one, from none.
func Wright(sources []Source, labels int) ([]int, error) {
	if err := firstOf(checkSources(sources), checkCount("labels", labels)); err != nil {
		return nil, err
	}
	given := make([]Source, len(sources))
	copy(given, sources)
	for h := range given {
		given[h].Weight = sources[h].weight()
		given[h].Labeled = 0
	}
	for range labels {
		next, err := NextSource(given)
		if err != nil {
			return nil, err
		}
		if next < 0 {
			break
		}
		given[next].Labeled++
	}
	allocation := make([]int, len(given))
	for h, s := range given {
		allocation[h] = s.Labeled
	}
	return allocation, nil
}

// ItemSize is how much an item is worth labeling: its impact times the spread
// of a label that is bad with the given calibrated probability. Validators and
// judges that disagree leave that near one half.
func ItemSize(impact, probability float64) (float64, error) {
	if err := firstOf(checkNonNegative("impact", impact), checkShare("probability", probability)); err != nil {
		return 0, err
	}
	return impact * math.Sqrt(probability*(1-probability)), nil
}

// InclusionBySize gives each item a probability in proportion to its size,
// never below least (which keeps every item reachable) and never above 1, so
// that a budget of labels is expected. scale is the factor of proportion. With
// a budget beyond what there is to label, every item of any size gets 1.
func InclusionBySize(sizes []float64, budget, least float64) (p []float64, scale float64, err error) {
	if err := firstOf(checkNonNegative("budget", budget), checkShare("least", least)); err != nil {
		return nil, 0, err
	}
	smallest := math.Inf(1)
	for _, s := range sizes {
		if err := checkNonNegative("size", s); err != nil {
			return nil, 0, err
		}
		if s > 0 {
			smallest = min(smallest, s)
		}
	}
	p = make([]float64, len(sizes))
	if len(sizes) == 0 {
		return p, 0, nil
	}
	least = min(least, budget/float64(len(sizes)))
	expected := func(scale float64) float64 {
		total := 0.0
		for i, s := range sizes {
			p[i] = min(1, max(least, scale*s))
			total += p[i]
		}
		return total
	}
	if math.IsInf(smallest, 1) {
		expected(0)
		return p, 0, nil
	}
	full := 1 / smallest
	if expected(full) <= budget {
		return p, full, nil
	}
	scale = bisect(0, full, func(k float64) bool { return expected(k) >= budget })
	expected(scale)
	return p, scale, nil
}

// MixedInclusion is a budget spent in part by uncertainty, in part evenly:
// even is that part's share, at least 0.2 in practice. probabilities are
// calibrated chances of being bad.
func MixedInclusion(probabilities []float64, budget, even float64) ([]float64, error) {
	if err := checkShare("even", even); err != nil {
		return nil, err
	}
	sizes := make([]float64, len(probabilities))
	for i, u := range probabilities {
		size, err := ItemSize(1, u)
		if err != nil {
			return nil, err
		}
		sizes[i] = size
	}
	p, _, err := InclusionBySize(sizes, budget, 0)
	if err != nil {
		return nil, err
	}
	for i := range p {
		p[i] = (1-even)*p[i] + even*min(1, budget/float64(len(p)))
	}
	return p, nil
}

// LabelsToDecide predicts the pairs that a comparison needs before it is
// decided, from where it stands: the rates so far, the margin, the difference.
// sequential doubles it, for looking all along. ok is false when the
// difference has reached the margin: then no number will do.
func LabelsToDecide(candidate, baseline, margin, difference, alpha, power float64, sequential bool) (pairs float64, ok bool, err error) {
	err = firstOf(checkShare("candidate", candidate), checkShare("baseline", baseline), checkLevel("margin", margin),
		checkMargin("difference", difference), checkAlpha(alpha), checkLevel("power", power))
	if err != nil {
		return 0, false, err
	}
	if difference >= margin {
		return 0, false, nil
	}
	variance := candidate*(1-candidate) + baseline*(1-baseline)
	pairs = square((oneSidedZ(1-alpha)+oneSidedZ(power))/(margin-difference)) * variance
	if sequential {
		pairs *= 2
	}
	return pairs, true, nil
}
