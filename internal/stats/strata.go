package stats

import (
	"cmp"
	"math"
	"slices"
)

// Stratum is what is known of one sampling cell when a rate is asked for. The
// labels in it are a random sample of its population: never pass hand-picked
// (discovery) items.
type Stratum struct {
	Name       string  // task class and priority class
	Frame      string  // the UTC day, written so that it sorts; "" when there is one frame only
	Neighbor   string  // the Name that stands in when this one has no label at all; "" for none
	Population int     // eligible responses, counted exactly
	Sampled    int     // items drawn for labeling; 0 means as many as were labeled
	Labeled    int     // labels
	Bad        float64 // bad labels; a sum, when labels are soft
}

// The thresholds of the estimate.
const (
	// labelsPerFrame is how many labels a day of a stratum needs to stand by
	// itself; with fewer it is joined to the days beside it.
	labelsPerFrame = 10
	// matureShare is the share of sampled items that must be labeled, in every
	// stratum, before a window may feed alerts and gates.
	matureShare = 0.80
	// MinimumCoverage is the share of the population that must be covered
	// before a gate that asks for full coverage may pass.
	MinimumCoverage = 0.95
	// With fewer labels than thinLabels in the heaviest stratum, and at most
	// thinBad bad ones, MOVER-Wilson alone covers too rarely (measured: 90 %
	// instead of 95 %).
	thinLabels = 50
	thinBad    = 1
	// MOVER-Wilson is right while one stratum carries most of the traffic, as
	// the random one does within a task class. Over strata of like weight (five
	// task classes at once, or a queue with rules of its own) it keeps the skew
	// of each, where the skew of their sum is smaller: the lower limit lies too
	// near and the upper too far. With 3 to 20 even strata of 20 to 200 labels it
	// covered 88 to 95 %; the score interval of the sum covered 94.5 to 98 %,
	// and is a tenth narrower than the hull with Wilson on the effective size,
	// which covered up to 99 %.
	dominance = 0.75
)

// Stratified estimates the rate of all traffic from labels taken by priority:
// each stratum's rate weighs as its share of the population, and the interval
// joins the strata's Wilson limits (MOVER: Zou & Donner 2008, Newcombe 2001).
//
// Days with fewer than ten labels are joined with the days beside them; a
// stratum without labels is read as its declared neighbour, and one without
// such is left out: then Coverage is below 1, the estimate speaks of the
// covered part, and Worst of the whole. Where no stratum carries three quarters
// of the traffic the interval is the score interval of the sum instead. Where
// the heaviest stratum is thin, Thin is set, and the interval is the hull with
// Wilson on the effective size. With OfWindow a stratum labeled to the last
// item contributes no width. Normal-theory intervals are never used: they
// covered 24 % where 95 % was meant.
func Stratified(strata []Stratum, about Variance, level float64) (Estimate, error) {
	if err := firstOf(checkStrata(strata), checkLevel("level", level)); err != nil {
		return Estimate{}, err
	}
	e, _ := stratified(strata, about, level)
	return e, nil
}

func stratified(strata []Stratum, about Variance, level float64) (Estimate, joined) {
	cells := join(strata, 1)
	e := undefined(EstimatorStratified, level)
	e.Population = int(math.Round(cells.population()))
	if len(cells.covered) == 0 {
		e.because(ReasonUncovered)
		return e, cells
	}
	e.Reasons = nil
	e.Defined = true
	for _, c := range cells.covered {
		e.Numerator += c.bad
		e.Denominator += c.labeled
	}
	weights := cells.weights()
	z := twoSidedZ(level)
	e.Value, e.Interval = mover(cells.covered, weights, z, level, about)

	spread := cells
	if slices.ContainsFunc(cells.covered, func(c cell) bool { return c.labeled < 2 }) {
		spread = join(strata, 2)
	}
	variance, single := spread.variance(about)
	e.SE = math.Sqrt(variance)
	e.EffectiveN = min(cells.effectiveSize(e.Value, variance), float64(e.Denominator))
	if cells.thin(about) {
		e.Thin = true
		e.because(ReasonThin)
	}
	if cells.even() {
		e.Interval = sumScore(cells.covered, weights, e.Value, z, level, about)
	}
	if e.Thin {
		e.Interval = e.Interval.hull(wilson(e.Value, e.EffectiveN, z, level))
	}
	if single {
		e.because(ReasonSingleLabel)
	}
	if cells.collapsed {
		e.because(ReasonCollapsed)
	}
	cells.bound(&e, z, about)
	e.noteMaturity(strata)
	return e, cells
}

func checkStrata(strata []Stratum) error {
	ordered := inOrder(strata)
	for i, s := range ordered {
		switch {
		case i > 0 && ordered[i-1].Name == s.Name && ordered[i-1].Frame == s.Frame:
			return invalid("stratum", s.Name+" "+s.Frame, "given once")
		case s.Labeled < 0:
			return invalid("labeled", s.Labeled, "at least 0")
		case !(s.Bad >= 0 && s.Bad <= float64(s.Labeled)):
			return invalid("bad", s.Bad, "between 0 and the number of labels")
		case s.Population < s.Labeled:
			return invalid("population", s.Population, "at least the number of labels")
		case s.Sampled != 0 && s.Sampled < s.Labeled:
			return invalid("sampled", s.Sampled, "0 or at least the number of labels")
		}
	}
	return nil
}

// inOrder sorts strata by name and day, so that the order they were given in
// shows nowhere.
func inOrder(strata []Stratum) []Stratum {
	ordered := slices.Clone(strata)
	slices.SortFunc(ordered, func(a, b Stratum) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Frame, b.Frame))
	})
	return ordered
}

// part is one or more days of a stratum, read as one simple random sample.
type part struct {
	population float64
	sampled    int
	labeled    int
	bad        float64
}

func (p *part) add(q part) {
	p.population += q.population
	p.sampled += q.sampled
	p.labeled += q.labeled
	p.bad += q.bad
}

func (p part) rate() float64 { return p.bad / float64(p.labeled) }

// cell is a stratum over all its days, and those it speaks for.
type cell struct {
	name     string
	neighbor string
	part     // the sums over its parts
	parts    []part
}

// rate weighs each day as its traffic.
func (c cell) rate() float64 {
	bad := 0.0
	for _, p := range c.parts {
		bad += p.population * p.rate()
	}
	return clamp(bad/c.population, 0, 1)
}

// size is the number of labels that speak for the stratum: all of them when
// each day was sampled alike, fewer when some days outweigh their labels.
// Limits are taken from this size for the stratum as a whole; joining limits
// day by day covered 90 % where 95 % was meant.
func (c cell) size() float64 {
	squares := 0.0
	for _, p := range c.parts {
		squares += p.population * p.population / float64(p.labeled)
	}
	return min(c.population*c.population/squares, float64(c.labeled))
}

func (c cell) response() float64 { return float64(c.labeled) / float64(max(c.sampled, c.labeled)) }

func (c cell) census() bool { return float64(c.labeled) >= c.population }

// joined are the cells an estimate is made of, and what was left out.
type joined struct {
	covered   []cell
	uncovered float64 // population of strata that nothing speaks for
	collapsed bool    // a stratum is read as its neighbour
	days      []placedDay
}

// placedDay says in which part a stratum's day is read.
type placedDay struct {
	frame, name string
	part        *part
}

// partOf indexes the parts by frame and name.
func (j joined) partOf() map[[2]string]*part {
	index := make(map[[2]string]*part, len(j.days))
	for _, d := range j.days {
		index[[2]string{d.frame, d.name}] = d.part
	}
	return index
}

// join reads strata together until each cell has at least the given number of
// labels: first days within a stratum, then strata with their neighbours.
func join(strata []Stratum, least int) joined {
	cells, days := joinFrames(strata)
	result := joined{days: days}
	byName := map[string]*cell{}
	for _, c := range cells {
		byName[c.name] = c
	}
	spoken := map[string]bool{}
	for _, c := range cells {
		if c.labeled >= least {
			spoken[c.name] = true
		}
	}
	for _, c := range cells {
		if spoken[c.name] || (c.population == 0 && c.labeled == 0) {
			continue
		}
		switch host := hostFor(c, byName, spoken); {
		case host != nil:
			host.speakFor(c)
			result.collapsed = true
		case c.labeled > 0: // too few for the asked minimum, and nobody to join
			spoken[c.name] = true
		default:
			result.uncovered += c.population
		}
	}
	for _, c := range cells {
		if spoken[c.name] {
			result.covered = append(result.covered, *c)
		}
	}
	return result
}

// hostFor follows the declared neighbours to the first that is spoken for.
func hostFor(c *cell, byName map[string]*cell, spoken map[string]bool) *cell {
	seen := map[string]bool{}
	for c != nil && !seen[c.name] {
		if spoken[c.name] {
			return c
		}
		seen[c.name] = true
		c = byName[c.neighbor]
	}
	return nil
}

// speakFor takes over another cell's traffic, spread over the days in
// proportion to one's own, and its labels, if it has any.
func (c *cell) speakFor(other *cell) {
	own := c.population
	for i := range c.parts {
		c.parts[i].population += other.population * c.parts[i].population / own
	}
	rest := other.part
	rest.population = 0
	c.parts[0].add(rest)
	c.add(other.part)
}

// joinFrames puts neighbouring days of a stratum together until each group has
// ten labels; what is left over at the end joins the last group.
func joinFrames(strata []Stratum) ([]*cell, []placedDay) {
	ordered := inOrder(strata)
	ahead := map[string]int{}
	for _, s := range ordered {
		ahead[s.Name] += s.Labeled
	}
	var cells []*cell
	groups := make([]int, len(ordered))
	for i, s := range ordered {
		if i == 0 || ordered[i-1].Name != s.Name {
			cells = append(cells, &cell{name: s.Name})
		}
		c := cells[len(cells)-1]
		last := len(c.parts) - 1
		if last < 0 || (c.parts[last].labeled >= labelsPerFrame && ahead[s.Name] >= labelsPerFrame) {
			c.parts = append(c.parts, part{})
			last++
		}
		ahead[s.Name] -= s.Labeled
		c.neighbor = cmp.Or(c.neighbor, s.Neighbor)
		day := part{float64(s.Population), max(s.Sampled, s.Labeled), s.Labeled, s.Bad}
		c.parts[last].add(day)
		c.add(day)
		groups[i] = last
	}
	days := make([]placedDay, len(ordered))
	at := 0
	for i, s := range ordered {
		if cells[at].name != s.Name {
			at++
		}
		days[i] = placedDay{s.Frame, s.Name, &cells[at].parts[groups[i]]}
	}
	return cells, days
}

func (j joined) population() float64 { return j.coveredPopulation() + j.uncovered }

func (j joined) coveredPopulation() float64 {
	total := 0.0
	for _, c := range j.covered {
		total += c.population
	}
	return total
}

func (j joined) weights() []float64 {
	total := j.coveredPopulation()
	weights := make([]float64, len(j.covered))
	for i, c := range j.covered {
		weights[i] = c.population / total
	}
	return weights
}

func (j joined) heaviest() cell {
	var heaviest cell
	for _, c := range j.covered {
		if c.population > heaviest.population {
			heaviest = c
		}
	}
	return heaviest
}

// thin says that the heaviest stratum has too few labels for its limits.
func (j joined) thin(about Variance) bool {
	c := j.heaviest()
	if about == OfWindow && c.census() {
		return false
	}
	return c.bad <= thinBad && c.labeled < thinLabels
}

// even says that no stratum dominates.
func (j joined) even() bool {
	return len(j.covered) > 1 && j.heaviest().population < dominance*j.coveredPopulation()
}

// effectiveSize is p(1-p)/V; Kish's where that says nothing.
func (j joined) effectiveSize(p, variance float64) float64 {
	if p > 0 && p < 1 && variance > 0 {
		return p * (1 - p) / variance
	}
	total, squares := 0.0, 0.0
	for _, c := range j.covered {
		for _, p := range c.parts {
			total += p.population
			squares += p.population * p.population / float64(p.labeled)
		}
	}
	return total * total / squares
}

// bound sets Coverage, Response and Worst: unanswered items and uncovered
// traffic all good at one end, all bad at the other.
func (j joined) bound(e *Estimate, z float64, about Variance) {
	e.Coverage, e.Response, e.Worst = 1, 1, e.Interval
	if j.uncovered > 0 {
		e.Coverage = j.coveredPopulation() / j.population()
		e.because(ReasonUncovered)
	}
	weights := j.weights()
	unanswered := 0.0
	for i, c := range j.covered {
		unanswered += weights[i] * (1 - c.response())
		weights[i] *= c.response()
	}
	answered := e.Interval
	if unanswered > 0 {
		e.Response = 1 - unanswered
		_, answered = mover(j.covered, weights, z, e.Level, about)
		// Where e's interval is a hull, its share of the answered is the bound.
		answered.Low = min(answered.Low, e.Response*e.Low)
		answered.High = max(answered.High, e.Response*e.High)
	}
	if unanswered > 0 || e.Coverage < 1 {
		e.Worst = Interval{
			Low:   e.Coverage * answered.Low,
			High:  min(1, e.Coverage*(answered.High+unanswered)+1-e.Coverage),
			Level: e.Level,
		}
	}
}

func (e *Estimate) noteMaturity(strata []Stratum) {
	for _, s := range strata {
		if float64(s.Labeled) < matureShare*float64(s.Sampled) {
			e.because(ReasonImmature)
		}
	}
}

// mover joins the cells' Wilson limits: the distances from rate to limit add
// up as squares, each times its weight.
func mover(cells []cell, weights []float64, z, level float64, about Variance) (float64, Interval) {
	var p, below, above float64
	for i, c := range cells {
		rate := c.rate()
		p += weights[i] * rate
		if about == OfWindow && c.census() {
			continue
		}
		limits := wilson(rate, c.size(), z, level)
		below += square(weights[i] * (rate - limits.Low))
		above += square(weights[i] * (limits.High - rate))
	}
	return clamp(p, 0, 1), Interval{max(0, p-math.Sqrt(below)), min(1, p+math.Sqrt(above)), level}
}

// sumScore is Wilson's interval for a weighted sum of shares: all rates θ with
// (p-θ)² ≤ z²·V(θ). The variance moves with θ by the third moment over the
// variance, V(θ) ≈ V + (θ-p)·μ₃/V, along the direction in which the strata
// change least (as in Kott & Liu 2009, Int. Stat. Rev. 77:251, there for one
// side); for a single stratum that is Wilson's own slope, (1-2p)/n. Both
// moments are of smoothed rates, (k+½)/(n+1), so that a stratum without a bad
// label still has a spread; without that it covered 93 % where 95 % was meant.
func sumScore(cells []cell, weights []float64, p, z, level float64, about Variance) Interval {
	var variance, third float64
	for i, c := range cells {
		if about == OfWindow && c.census() {
			continue
		}
		n := c.size()
		q := (c.rate()*n + 0.5) / (n + 1)
		variance += square(weights[i]) * q * (1 - q) / n
		third += weights[i] * square(weights[i]/n) * q * (1 - q) * (1 - 2*q)
	}
	if variance == 0 {
		return Interval{p, p, level}
	}
	shift := z * z / 2 * third / variance
	half := math.Sqrt(z*z*variance + shift*shift)
	return Interval{clamp(p+shift-half, 0, p), clamp(p+shift+half, p, 1), level}
}

// variance is Σ W²(1-f)p(1-p)/(n-1) over cells joined until they have two
// labels each; single says that one of them has not.
func (j joined) variance(about Variance) (variance float64, single bool) {
	total := j.coveredPopulation()
	for _, c := range j.covered {
		for _, d := range c.parts {
			w, n, p := d.population/total, float64(d.labeled), d.rate()
			correction := 1.0
			if about == OfWindow {
				correction = max(0, 1-n/d.population)
			}
			if d.labeled > 1 {
				variance += w * w * correction * p * (1 - p) / (n - 1)
				continue
			}
			// One label has no spread of its own; a smoothed rate gives it one.
			p = (d.bad + 0.5) / 2
			variance += w * w * correction * p * (1 - p)
			single = single || correction > 0
		}
	}
	return variance, single
}

// StratifiedUpper is the one-sided upper limit of the rate of the covered
// traffic, for gates. When no label is bad it is √Σ(W·u)² with each stratum's
// exact zero-event bound u; else Clopper-Pearson on the effective size.
// Without labels it is 1.
func StratifiedUpper(strata []Stratum, confidence float64) (float64, error) {
	if err := firstOf(checkStrata(strata), checkLevel("confidence", confidence)); err != nil {
		return 0, err
	}
	e, cells := stratified(strata, OfProcess, confidence)
	switch {
	case !e.Defined:
		return 1, nil
	case e.Numerator > 0:
		return exactUpper(e.Value*e.EffectiveN, e.EffectiveN, 1-confidence), nil
	}
	squares := 0.0
	for i, w := range cells.weights() {
		squares += square(w * zeroEventBound(cells.covered[i].size(), 1-confidence))
	}
	return math.Sqrt(squares), nil
}

// StratifiedLower is the one-sided lower limit of the rate of the covered
// traffic, for alerts: Wilson on the effective size. Without labels it is 0.
func StratifiedLower(strata []Stratum, confidence float64) (float64, error) {
	if err := firstOf(checkStrata(strata), checkLevel("confidence", confidence)); err != nil {
		return 0, err
	}
	e, _ := stratified(strata, OfProcess, confidence)
	if !e.Defined {
		return 0, nil
	}
	return wilson(e.Value, e.EffectiveN, oneSidedZ(confidence), confidence).Low, nil
}
