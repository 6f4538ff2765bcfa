package stats

import (
	"cmp"
	"math"
	"slices"
)

// ConsensusPrior is what is believed of labelers before they are known, in
// imagined labels.
type ConsensusPrior struct {
	Diagonal    float64 // right labels per class
	OffDiagonal float64 // wrong labels per pair of classes
	Class       float64 // items per class
}

// DefaultConsensusPrior believes labelers to be mostly right. A flat prior
// would wear rare classes away.
var DefaultConsensusPrior = ConsensusPrior{Diagonal: 2, OffDiagonal: 0.25, Class: 0.5}

// Consensus is what the labels of several people say together.
type Consensus struct {
	Items      []int64       // in increasing order
	Labelers   []int64       // in increasing order
	Prevalence []float64     // of each class among the items
	Confusion  [][][]float64 // labeler × true class × label given
	Posterior  [][]float64   // item × class; the last column is the soft label "bad" of a rate
	Iterations int
	Converged  bool
	// LogLikelihood of the labels under the fitted model, without the prior.
	LogLikelihood float64
	// Identifiable is false when labelers overlap too little to be told apart:
	// then use Majority and adjudication.
	Identifiable bool
}

// Class is the most probable class of the i-th item, and its probability; on
// a tie the lowest.
func (c Consensus) Class(i int) (class int, probability float64) {
	class = largest(c.Posterior[i])
	return class, c.Posterior[i][class]
}

// Limits of the fit.
const (
	consensusTolerance  = 1e-8
	consensusIterations = 500
	sharedItems         = 10 // items a labeler must share with others
	labelsPerItem       = 2
)

// DawidSkene finds the items' classes and the labelers' errors together, by EM
// from vote shares to the most probable values under the prior (Dawid & Skene
// 1979). A labeler may label an item more than once. For rates use the
// posterior as a soft label; do not cut it at a threshold first.
func DawidSkene(ratings []Rating, classes int, prior ConsensusPrior) (Consensus, error) {
	return fitConsensus(ratings, classes, prior, false)
}

// FastDawidSkene gives each item wholly to its most probable class at every
// step (Sinha, Rao & Balasubramanian 2018). It needs several times fewer steps
// and is meant for live hints; final numbers come from DawidSkene.
func FastDawidSkene(ratings []Rating, classes int, prior ConsensusPrior) (Consensus, error) {
	return fitConsensus(ratings, classes, prior, true)
}

func fitConsensus(ratings []Rating, classes int, prior ConsensusPrior, hard bool) (Consensus, error) {
	err := firstOf(checkRatings(ratings, classes), checkNonNegative("diagonal", prior.Diagonal),
		checkNonNegative("off-diagonal", prior.OffDiagonal), checkNonNegative("class", prior.Class))
	if err != nil {
		return Consensus{}, err
	}
	if len(ratings) == 0 {
		return Consensus{}, invalid("ratings", 0, "at least one")
	}
	f := newConsensusFit(ratings, classes, prior)
	f.startFromVotes()
	if hard {
		f.harden()
	}
	for f.Iterations < consensusIterations && !f.Converged {
		f.Iterations++
		f.maximize()
		before := f.Posterior
		f.expect()
		if hard {
			f.harden()
		}
		f.Converged = furthest(before, f.Posterior) < consensusTolerance
	}
	f.Identifiable = f.overlaps()
	return f.Consensus, nil
}

// consensusFit is a fit in progress.
type consensusFit struct {
	Consensus
	prior   ConsensusPrior
	classes int
	votes   [][]vote  // per item
	times   []float64 // how often an item was drawn again; nil: each counts once
}

// weight is how often the i-th item counts.
func (f *consensusFit) weight(i int) float64 {
	if f.times == nil {
		return 1
	}
	return f.times[i]
}

type vote struct {
	labeler, class int
}

func newConsensusFit(ratings []Rating, classes int, prior ConsensusPrior) *consensusFit {
	f := &consensusFit{prior: prior, classes: classes}
	for _, r := range ratings {
		f.Items = append(f.Items, r.Item)
		f.Labelers = append(f.Labelers, r.Labeler)
	}
	slices.Sort(f.Items)
	slices.Sort(f.Labelers)
	f.Items, f.Labelers = slices.Compact(f.Items), slices.Compact(f.Labelers)
	f.votes = make([][]vote, len(f.Items))
	for _, r := range ratings {
		item, _ := slices.BinarySearch(f.Items, r.Item)
		labeler, _ := slices.BinarySearch(f.Labelers, r.Labeler)
		f.votes[item] = append(f.votes[item], vote{labeler, r.Class})
	}
	// The order of ratings must not show in the last digits.
	for _, votes := range f.votes {
		slices.SortFunc(votes, func(a, b vote) int {
			return cmp.Or(cmp.Compare(a.labeler, b.labeler), cmp.Compare(a.class, b.class))
		})
	}
	f.Confusion = make([][][]float64, len(f.Labelers))
	return f
}

func (f *consensusFit) startFromVotes() {
	f.Posterior = newPosterior(len(f.Items), f.classes)
	for i, votes := range f.votes {
		for _, v := range votes {
			f.Posterior[i][v.class] += 1 / float64(len(votes))
		}
	}
}

func newPosterior(items, classes int) [][]float64 {
	flat := make([]float64, items*classes)
	rows := make([][]float64, items)
	for i := range rows {
		rows[i] = flat[i*classes : (i+1)*classes]
	}
	return rows
}

// harden gives each item wholly to its most probable class.
func (f *consensusFit) harden() {
	for _, row := range f.Posterior {
		class := largest(row)
		clear(row)
		row[class] = 1
	}
}

func largest(row []float64) int {
	best := 0
	for k, p := range row {
		if p > row[best] {
			best = k
		}
	}
	return best
}

// maximize sets prevalence and confusion to their most probable values.
func (f *consensusFit) maximize() {
	f.Prevalence = make([]float64, f.classes)
	for i, row := range f.Posterior {
		if f.weight(i) == 0 {
			continue
		}
		for k, p := range row {
			f.Prevalence[k] += f.weight(i) * p
		}
	}
	total := float64(len(f.Items)) + float64(f.classes)*f.prior.Class
	for k := range f.Prevalence {
		f.Prevalence[k] = (f.Prevalence[k] + f.prior.Class) / total
	}
	for l := range f.Confusion {
		f.Confusion[l] = newMatrix(f.classes)
		for k := range f.classes {
			for said := range f.classes {
				f.Confusion[l][k][said] = f.prior.OffDiagonal
			}
			f.Confusion[l][k][k] = f.prior.Diagonal
		}
	}
	for i, votes := range f.votes {
		if f.weight(i) == 0 {
			continue
		}
		for _, v := range votes {
			for k, p := range f.Posterior[i] {
				f.Confusion[v.labeler][k][v.class] += f.weight(i) * p
			}
		}
	}
	for _, confusion := range f.Confusion {
		for _, row := range confusion {
			normalize(row)
		}
	}
}

// normalize makes a row sum to one; a row of nothing knows nothing.
func normalize(row []float64) {
	total := sum(row)
	for k := range row {
		if total > 0 {
			row[k] /= total
		} else {
			row[k] = 1 / float64(len(row))
		}
	}
}

// expect sets the items' class probabilities, in logarithms until the end, and
// the log-likelihood of their labels.
func (f *consensusFit) expect() {
	posterior := newPosterior(len(f.votes), f.classes)
	prevalence, confusion := logsOf(f.Prevalence), make([][][]float64, len(f.Confusion))
	for l, rows := range f.Confusion {
		confusion[l] = make([][]float64, f.classes)
		for k, row := range rows {
			confusion[l][k] = logsOf(row)
		}
	}
	f.LogLikelihood = 0
	for i, votes := range f.votes {
		row := posterior[i]
		if f.weight(i) == 0 { // without a prior its labels may be impossible to those who drew others
			copy(row, f.Posterior[i])
			continue
		}
		for k := range row {
			row[k] = prevalence[k]
			for _, v := range votes {
				row[k] += confusion[v.labeler][k][v.class]
			}
		}
		total := lnSumExp(row)
		for k := range row {
			row[k] = math.Exp(row[k] - total)
		}
		f.LogLikelihood += f.weight(i) * total
	}
	f.Posterior = posterior
}

func logsOf(xs []float64) []float64 {
	logs := make([]float64, len(xs))
	for i, x := range xs {
		logs[i] = math.Log(x)
	}
	return logs
}

// overlaps says whether every item has two labels and every labeler shares ten
// items with somebody.
func (f *consensusFit) overlaps() bool {
	shared := make([]int, len(f.Labelers))
	for _, votes := range f.votes {
		if len(votes) < labelsPerItem {
			return false
		}
		own := map[int]bool{}
		for _, v := range votes {
			own[v.labeler] = true
		}
		for labeler := range own {
			if len(own) > 1 {
				shared[labeler]++
			}
		}
	}
	return slices.Min(shared) >= sharedItems
}

func furthest(a, b [][]float64) float64 {
	most := 0.0
	for i := range a {
		for k := range a[i] {
			most = max(most, math.Abs(a[i][k]-b[i][k]))
		}
	}
	return most
}

// Majority is the class most labels name. clear is false on a tie and without
// a label: then a person decides.
func Majority(classes []int) (class int, clear bool) {
	counts := map[int]int{}
	for _, c := range classes {
		counts[c]++
	}
	most := 0
	for c, n := range counts {
		switch {
		case n > most:
			class, most, clear = c, n, true
		case n == most:
			clear = false
			class = min(class, c)
		}
	}
	return class, clear
}

// AdjudicationStep is what happens to an item next.
type AdjudicationStep string

// The steps.
const (
	Settled      AdjudicationStep = "settled"
	ThirdReading AdjudicationStep = "third_reading"
	Expert       AdjudicationStep = "expert"
)

// consensusEnough is the posterior from which two agreeing labels settle.
const consensusEnough = 0.95

// Adjudicate says what an item with one or more labels needs. Two that
// disagree, or a consensus below 0.95, go to a third labeler; three that are
// still split, or among which the best class meets the worst, to an expert,
// whose decision is final and stands beside the originals. posterior is the
// consensus's of the likeliest class, or 1 when there is none.
func Adjudicate(labels []int, best, worst int, posterior float64) (AdjudicationStep, error) {
	if err := checkShare("posterior", posterior); err != nil {
		return "", err
	}
	if len(labels) == 0 {
		return "", invalid("labels", 0, "at least one")
	}
	agreed := slices.Min(labels) == slices.Max(labels)
	switch {
	case len(labels) == 1:
		return Settled, nil
	case len(labels) == 2 && agreed && posterior >= consensusEnough:
		return Settled, nil
	case len(labels) == 2:
		return ThirdReading, nil
	}
	_, clear := Majority(labels)
	if clear && !(slices.Contains(labels, best) && slices.Contains(labels, worst)) {
		return Settled, nil
	}
	return Expert, nil
}
