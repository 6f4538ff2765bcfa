package stats

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// ConsensusIntervals say how sure a fitted consensus is: percentile intervals
// from resampled items, reproducible from the seed.
type ConsensusIntervals struct {
	Prevalence []Interval   // of each class
	Right      [][]Interval // labeler × class: the share of the class that they name rightly
	Replicates int
	Seed       uint64
}

// A resampled fit starts from the whole one and moves little.
const (
	resampledTolerance  = 1e-4
	resampledIterations = 60
)

// Resample fits the model again to items drawn with replacement, as many as
// there are, each time from the posteriors of the whole (Efron & Tibshirani
// 1993, ch. 6). ok is false below ten items: so few say nothing of their spread.
// ratings, classes and prior are those the consensus was fitted to.
func (c Consensus) Resample(ratings []Rating, classes int, prior ConsensusPrior, replicates int, seed uint64, level float64) (in ConsensusIntervals, ok bool, err error) {
	if err := firstOf(checkRatings(ratings, classes), checkLevel("level", level), checkCount("replicates", replicates-1)); err != nil {
		return ConsensusIntervals{}, false, err
	}
	f := newConsensusFit(ratings, classes, prior)
	if !slices.Equal(f.Items, c.Items) || !slices.Equal(f.Labelers, c.Labelers) {
		return ConsensusIntervals{}, false, invalid("ratings", len(ratings), "those of the consensus")
	}
	if len(c.Items) < bootstrapItems {
		return ConsensusIntervals{}, false, nil
	}
	kindOf, from := f.onlyKinds(c.Posterior)
	prevalence := make([][]float64, classes)
	right := make([][]float64, len(c.Labelers)*classes)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range replicates {
		f.redraw(kindOf, from, rng)
		for k := range classes {
			prevalence[k] = append(prevalence[k], f.Prevalence[k])
			for l := range f.Confusion {
				right[l*classes+k] = append(right[l*classes+k], f.Confusion[l][k][k])
			}
		}
	}
	in = ConsensusIntervals{Replicates: replicates, Seed: seed, Prevalence: percentiles(prevalence, level)}
	all := percentiles(right, level)
	for l := range c.Labelers {
		in.Right = append(in.Right, all[l*classes:(l+1)*classes])
	}
	return in, true, nil
}

// onlyKinds keeps one of the items with the same labels of the same labelers:
// to the model they are alike. It returns which kind each item is of, and the
// posteriors of the kinds.
func (f *consensusFit) onlyKinds(posterior [][]float64) (kindOf []int, from [][]float64) {
	known := map[string]int{}
	var kinds [][]vote
	for i, votes := range f.votes {
		key := fmt.Sprint(votes)
		kind, ok := known[key]
		if !ok {
			kind = len(kinds)
			known[key] = kind
			kinds, from = append(kinds, votes), append(from, posterior[i])
		}
		kindOf = append(kindOf, kind)
	}
	f.votes = kinds
	return kindOf, from
}

// redraw fits the model to a new draw of the items.
func (f *consensusFit) redraw(kindOf []int, from [][]float64, rng *rand.Rand) {
	f.times = make([]float64, len(f.votes))
	for range kindOf {
		f.times[kindOf[rng.IntN(len(kindOf))]]++
	}
	f.Posterior = from
	for range resampledIterations {
		f.maximize()
		before := f.Posterior
		f.expect()
		if furthest(before, f.Posterior) < resampledTolerance {
			break
		}
	}
}

func percentiles(values [][]float64, level float64) []Interval {
	list := make([]Interval, len(values))
	for i, drawn := range values {
		slices.Sort(drawn)
		list[i] = Interval{interpolated(drawn, (1-level)/2), interpolated(drawn, (1+level)/2), level}
	}
	return list
}
