package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Rating is one person's label of one item. Classes are 0 to K-1, in the order
// from best to worst where an order matters.
type Rating struct {
	Item    int64
	Labeler int64
	Class   int
}

func checkRatings(ratings []Rating, classes int) error {
	if classes < 2 {
		return invalid("classes", classes, "at least 2")
	}
	for _, r := range ratings {
		if r.Class < 0 || r.Class >= classes {
			return invalid("class", r.Class, "at least 0 and below the number of classes")
		}
	}
	return nil
}

// Metric is how far two classes are apart.
type Metric uint8

// The metrics.
const (
	Nominal      Metric = iota // different is different; for gates
	Ordinal                    // by the ranks between them; the companion
	IntervalRank               // by the square of the difference of their numbers
)

// Agreement is what labelers of the same items have in common, whoever they
// are and however many each item has.
type Agreement struct {
	Items       int         // items with at least two labels
	Values      int         // their labels
	Coincidence [][]float64 // of ordered pairs of labels within items
	percent     float64
	ac1         float64
	ac1Defined  bool
}

// Agree counts coincidences. Each labeler labels an item at most once, and
// nobody who saw another label first is among them.
func Agree(ratings []Rating, classes int) (Agreement, error) {
	if err := checkRatings(ratings, classes); err != nil {
		return Agreement{}, err
	}
	if err := checkDistinct(ratings); err != nil {
		return Agreement{}, err
	}
	return agree(countsPerItem(ratings, classes), classes), nil
}

func checkDistinct(ratings []Rating) error {
	type pair struct{ item, labeler int64 }
	seen := make(map[pair]bool, len(ratings))
	for _, r := range ratings {
		key := pair{r.Item, r.Labeler}
		if seen[key] {
			return invalid("labeler", r.Labeler, "at most once on an item")
		}
		seen[key] = true
	}
	return nil
}

// countsPerItem lists the number of labels per class of each item, in the order
// of item ids.
func countsPerItem(ratings []Rating, classes int) [][]int {
	byItem := map[int64][]int{}
	var items []int64
	for _, r := range ratings {
		if byItem[r.Item] == nil {
			byItem[r.Item] = make([]int, classes)
			items = append(items, r.Item)
		}
		byItem[r.Item][r.Class]++
	}
	slices.Sort(items)
	counts := make([][]int, len(items))
	for i, item := range items {
		counts[i] = byItem[item]
	}
	return counts
}

func labelsOf(counts []int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

func agree(items [][]int, classes int) Agreement {
	a := Agreement{Coincidence: newMatrix(classes)}
	prevalence := make([]float64, classes)
	rated, agreed := 0.0, 0.0
	for _, counts := range items {
		m := labelsOf(counts)
		if m == 0 {
			continue
		}
		rated++
		for k, n := range counts {
			prevalence[k] += float64(n) / float64(m)
		}
		if m < 2 {
			continue
		}
		a.Items++
		a.Values += m
		addCoincidences(a.Coincidence, counts, 1)
		same := 0
		for _, n := range counts {
			same += n * (n - 1)
		}
		agreed += float64(same) / float64(m*(m-1))
	}
	if a.Items == 0 {
		return a
	}
	a.percent = agreed / float64(a.Items)
	chance := 0.0
	for _, p := range prevalence {
		chance += p / rated * (1 - p/rated)
	}
	chance /= float64(classes - 1)
	a.ac1, a.ac1Defined = (a.percent-chance)/(1-chance), chance < 1
	return a
}

func newMatrix(size int) [][]float64 {
	m := make([][]float64, size)
	for i := range m {
		m[i] = make([]float64, size)
	}
	return m
}

// addCoincidences adds an item's ordered pairs of labels, each weighing
// 1/(m-1), so that every label counts once.
func addCoincidences(coincidence [][]float64, counts []int, times float64) {
	m := labelsOf(counts)
	for c, nc := range counts {
		if nc == 0 {
			continue
		}
		for k, nk := range counts {
			pairs := nc * nk
			if c == k {
				pairs = nc * (nc - 1)
			}
			coincidence[c][k] += times * float64(pairs) / float64(m-1)
		}
	}
}

// Percent is the share of pairs of labels that agree, item by item; ok is
// false without a pair.
func (a Agreement) Percent() (share float64, ok bool) { return a.percent, a.Items > 0 }

// AC1 is Gwet's agreement beyond chance (Gwet 2008), which does not collapse
// when nearly everything is of one class. Show it beside Alpha.
func (a Agreement) AC1() (value float64, ok bool) { return a.ac1, a.Items > 0 && a.ac1Defined }

// Alpha is Krippendorff's (2011, 2019): 1 is perfect, 0 is chance. ok is false
// without a pair and when only one class occurs: then it is undefined, not 1.
func (a Agreement) Alpha(metric Metric) (value float64, ok bool) {
	return alpha(a.Coincidence, metric)
}

func alpha(coincidence [][]float64, metric Metric) (float64, bool) {
	margins := make([]float64, len(coincidence))
	n := 0.0
	for c, row := range coincidence {
		margins[c] = sum(row)
		n += margins[c]
	}
	var observed, expected float64
	for c := range coincidence {
		for k := range coincidence {
			d := distance(margins, c, k, metric)
			observed += coincidence[c][k] * d
			expected += margins[c] * margins[k] * d
		}
	}
	if expected <= 0 {
		return 0, false
	}
	return 1 - (n-1)*observed/expected, true
}

func distance(margins []float64, c, k int, metric Metric) float64 {
	if c == k {
		return 0
	}
	switch metric {
	case Ordinal:
		between := 0.0
		for g := min(c, k); g <= max(c, k); g++ {
			between += margins[g]
		}
		return square(between - (margins[c]+margins[k])/2)
	case IntervalRank:
		return square(float64(c - k))
	}
	return 1
}

// The readings of an alpha (Krippendorff 2019).
const (
	ReliableAlpha  = 0.800 // and above: reliable
	TentativeAlpha = 0.667 // and above: tentative; below, labels decide nothing
)

// AlphaEstimate is an alpha with its bootstrap interval.
type AlphaEstimate struct {
	Value   float64
	Defined bool
	Interval
	Bounded    bool // false when the interval could not be made: then it is [-1,1]
	Items      int
	Replicates int
	Dropped    int    // replicates in which only one class occurred
	Seed       uint64 // with which the same interval comes out again
	Verdict           // Pass: labels may drive gates; else Inconclusive
}

// Limits of the bootstrap.
const (
	bootstrapItems   = 10   // fewer items have no interval
	bootstrapDropped = 0.05 // more undefined replicates neither
)

// EstimateAlpha is Alpha with a percentile interval from resampled items
// (Hayes & Krippendorff 2007), reproducible from the seed. Labels may drive
// gates when its lower limit reaches 0.667.
func EstimateAlpha(ratings []Rating, classes int, metric Metric, replicates int, seed uint64, level float64) (AlphaEstimate, error) {
	a, err := Agree(ratings, classes)
	if err := firstOf(err, checkLevel("level", level), checkCount("replicates", replicates-1)); err != nil {
		return AlphaEstimate{}, err
	}
	e := AlphaEstimate{
		Interval: Interval{-1, 1, level}, Items: a.Items, Replicates: replicates, Seed: seed,
		Verdict: Verdict{Inconclusive, ReasonFewLabels},
	}
	e.Value, e.Defined = a.Alpha(metric)
	if !e.Defined {
		e.Verdict.Reason = ReasonUndefined
		return e, nil
	}
	if a.Items < bootstrapItems {
		return e, nil
	}
	values := resampledAlphas(countsPerItem(ratings, classes), classes, metric, replicates, seed)
	e.Dropped = replicates - len(values)
	if float64(e.Dropped) > bootstrapDropped*float64(replicates) {
		e.Verdict.Reason = ReasonUndefined
		return e, nil
	}
	slices.Sort(values)
	e.Bounded = true
	e.Low, e.High = interpolated(values, (1-level)/2), interpolated(values, (1+level)/2)
	e.Verdict = Verdict{Inconclusive, ReasonAgreement}
	if e.Low >= TentativeAlpha {
		e.Verdict = Verdict{Pass, ReasonAbove}
	}
	return e, nil
}

// resampledAlphas draws as many items as there are, again and again. Items
// with the same labels are alike, so only their kinds are counted.
func resampledAlphas(items [][]int, classes int, metric Metric, replicates int, seed uint64) []float64 {
	var kinds [][]int
	var kindOf []int
	for _, counts := range items {
		if labelsOf(counts) < 2 {
			continue
		}
		kind := slices.IndexFunc(kinds, func(k []int) bool { return slices.Equal(k, counts) })
		if kind < 0 {
			kind = len(kinds)
			kinds = append(kinds, counts)
		}
		kindOf = append(kindOf, kind)
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	values := make([]float64, 0, replicates)
	drawn := make([]float64, len(kinds))
	for range replicates {
		clear(drawn)
		for range kindOf {
			drawn[kindOf[rng.IntN(len(kindOf))]]++
		}
		coincidence := newMatrix(classes)
		for kind, times := range drawn {
			if times > 0 {
				addCoincidences(coincidence, kinds[kind], times)
			}
		}
		if value, ok := alpha(coincidence, metric); ok {
			values = append(values, value)
		}
	}
	return values
}

// interpolated is the quantile of sorted values, linear between neighbours.
func interpolated(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// KappaWeights say how much a near miss counts.
type KappaWeights uint8

// The weights.
const (
	Unweighted KappaWeights = iota
	Linear
	Quadratic
)

func (w KappaWeights) at(i, j, classes int) float64 {
	apart := math.Abs(float64(i-j)) / float64(classes-1)
	switch w {
	case Linear:
		return 1 - apart
	case Quadratic:
		return 1 - apart*apart
	}
	return indicator(i == j)
}

// KappaEstimate is a kappa with its standard errors.
type KappaEstimate struct {
	Value    float64
	Defined  bool
	SE       float64 // for an interval
	NullSE   float64 // for a test of no agreement beyond chance
	Observed float64
	Expected float64
}

// Cohen is the kappa of two labelers from their square table (Cohen 1960),
// with the large-sample variance of Fleiss, Cohen & Everitt (1969). For
// familiarity: when one class is rare it collapses although they agree.
func Cohen(table [][]int, weights KappaWeights) (KappaEstimate, error) {
	p, n, err := shares(table)
	if err != nil {
		return KappaEstimate{}, err
	}
	size := len(table)
	if n == 0 {
		return KappaEstimate{}, nil
	}
	rows, columns := make([]float64, size), make([]float64, size)
	for i := range p {
		for j := range p {
			rows[i] += p[i][j]
			columns[j] += p[i][j]
		}
	}
	e := KappaEstimate{}
	rowMean, columnMean := make([]float64, size), make([]float64, size)
	for i := range p {
		for j := range p {
			w := weights.at(i, j, size)
			e.Observed += w * p[i][j]
			e.Expected += w * rows[i] * columns[j]
			rowMean[i] += w * columns[j]
			columnMean[j] += w * rows[i]
		}
	}
	if 1-e.Expected < 1e-12 {
		return e, nil
	}
	e.Defined = true
	e.Value = (e.Observed - e.Expected) / (1 - e.Expected)
	var spread, nullSpread float64
	for i := range p {
		for j := range p {
			w, mean := weights.at(i, j, size), rowMean[i]+columnMean[j]
			spread += p[i][j] * square(w-mean*(1-e.Value))
			nullSpread += rows[i] * columns[j] * square(w-mean)
		}
	}
	scale := math.Sqrt(n) * (1 - e.Expected)
	e.SE = math.Sqrt(max(0, spread-square(e.Value-e.Expected*(1-e.Value)))) / scale
	e.NullSE = math.Sqrt(max(0, nullSpread-square(e.Expected))) / scale
	return e, nil
}

func shares(table [][]int) (p [][]float64, n float64, err error) {
	if len(table) < 2 {
		return nil, 0, invalid("table", len(table), "of at least two classes")
	}
	for _, row := range table {
		if len(row) != len(table) {
			return nil, 0, invalid("table", len(row), "square")
		}
		for _, c := range row {
			if c < 0 {
				return nil, 0, invalid("table", c, "of counts")
			}
			n += float64(c)
		}
	}
	p = newMatrix(len(table))
	for i, row := range table {
		for j, c := range row {
			if n > 0 {
				p[i][j] = float64(c) / n
			}
		}
	}
	return p, n, nil
}

// CrossTable counts the items that both labelers labeled, one's classes down
// and the other's across.
func CrossTable(ratings []Rating, classes int, one, other int64) ([][]int, error) {
	if err := firstOf(checkRatings(ratings, classes), checkDistinct(ratings)); err != nil {
		return nil, err
	}
	said := map[int64]int{}
	for _, r := range ratings {
		if r.Labeler == one {
			said[r.Item] = r.Class
		}
	}
	table := make([][]int, classes)
	for i := range table {
		table[i] = make([]int, classes)
	}
	for _, r := range ratings {
		if class, both := said[r.Item]; both && r.Labeler == other {
			table[class][r.Class]++
		}
	}
	return table, nil
}

// Fleiss is the kappa of items with the same number of labels each: rows of
// counts per class (Fleiss 1971). NullSE only; SE is 0.
func Fleiss(items [][]int) (KappaEstimate, error) {
	if len(items) == 0 {
		return KappaEstimate{}, nil
	}
	m := labelsOf(items[0])
	if m < 2 {
		return KappaEstimate{}, invalid("labels per item", m, "at least 2")
	}
	shares := make([]float64, len(items[0]))
	e := KappaEstimate{}
	n := float64(len(items))
	for _, counts := range items {
		if len(counts) != len(shares) || labelsOf(counts) != m || slices.Min(counts) < 0 {
			return KappaEstimate{}, invalid("labels per item", counts, "the same number for every item")
		}
		same := 0
		for k, c := range counts {
			shares[k] += float64(c) / (n * float64(m))
			same += c * (c - 1)
		}
		e.Observed += float64(same) / float64(m*(m-1)) / n
	}
	var spread, skew float64
	for _, p := range shares {
		e.Expected += p * p
		spread += p * (1 - p)
		skew += p * (1 - p) * (1 - 2*p)
	}
	if spread < 1e-12 {
		return e, nil
	}
	e.Defined = true
	e.Value = (e.Observed - e.Expected) / (1 - e.Expected)
	e.NullSE = math.Sqrt(2*max(0, spread*spread-skew)/(n*float64(m*(m-1)))) / spread
	return e, nil
}

// CountsPerItem lists each item's number of labels per class, in the order of
// item ids: the rows that Fleiss takes.
func CountsPerItem(ratings []Rating, classes int) ([][]int, error) {
	if err := checkRatings(ratings, classes); err != nil {
		return nil, err
	}
	return countsPerItem(ratings, classes), nil
}
