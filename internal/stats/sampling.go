package stats

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
)

// HashUniform is the permanent random number of an item under a salt, in
// [0,1): the first eight bytes of SHA-256(salt, 0x1F, item), as a fraction of
// 53 bits. The same item under the same salt has the same number on every
// machine and in every language, so a decision can be replayed, and raising a
// rate only adds items (Ohlsson 1998). The salt is kept from clients, who
// could otherwise choose ids that are never drawn.
func HashUniform(salt, item string) float64 {
	h := sha256.New()
	h.Write([]byte(salt))
	h.Write([]byte{0x1F})
	h.Write([]byte(item))
	return float64(binary.BigEndian.Uint64(h.Sum(nil))>>11) / (1 << 53)
}

// Drawn is the Poisson design: an item with number u is in the sample when u
// lies below its inclusion probability. An item that several rules consider
// with the same u is drawn with the greatest of their probabilities.
func Drawn(u, probability float64) bool { return u < probability }

// Progress is how far a sampled item has come when its frame closes.
type Progress uint8

// The states of an item at the close of a frame.
const (
	Untouched   Progress = iota // nobody has looked at it
	Labeled                     // it has a label
	Nonresponse                 // skipped, expired, or reserved and not finished
)

// Candidate is one eligible item of a stratum's frame.
type Candidate struct {
	U        float64 // its permanent random number
	Progress Progress
}

// BottomK is a frame worked through in the order of u, closed. Items below
// the threshold are a simple random sample of the stratum, whatever the order
// in which other strata were served.
type BottomK struct {
	Threshold   float64 // the smallest u nobody has looked at; 1 when all were
	P           float64 // inclusion probability: Below over all candidates
	Below       int     // candidates below the threshold, labeled or not
	Usable      []int   // indices of labels that may enter a rate
	Nonresponse []int   // indices below the threshold without a label
	Surplus     []int   // indices of labels at or above the threshold: not for rates
}

// CloseBottomK closes a stratum's frame of which the items with the smallest u
// were labeled first. An item that arrived late may have a smaller u than one
// already labeled: it lowers the threshold, and labels above it become
// surplus. An unfinished reservation counts as nonresponse, not as a new
// threshold.
func CloseBottomK(frame []Candidate) (BottomK, error) {
	closed := BottomK{Threshold: 1, P: 1}
	for _, c := range frame {
		if !(c.U >= 0 && c.U < 1) {
			return BottomK{}, invalid("u", c.U, "at least 0 and below 1")
		}
		if c.Progress == Untouched {
			closed.Threshold = min(closed.Threshold, c.U)
		}
	}
	for i, c := range frame {
		below := c.U < closed.Threshold
		if below {
			closed.Below++
		}
		switch {
		case c.Progress == Labeled && below:
			closed.Usable = append(closed.Usable, i)
		case c.Progress == Labeled:
			closed.Surplus = append(closed.Surplus, i)
		case c.Progress == Nonresponse && below:
			closed.Nonresponse = append(closed.Nonresponse, i)
		}
	}
	if len(frame) > 0 {
		closed.P = float64(closed.Below) / float64(len(frame))
	}
	return closed, nil
}

// Draw is a sample of fixed size with unequal probabilities.
type Draw struct {
	Kept      []int     // indices of the items drawn, best key first
	P         []float64 // their inclusion probabilities, conditional on the threshold
	Threshold float64   // of the keys; to be stored with the draw
}

// DrawPriority keeps the k items with the largest weight/u (priority sampling,
// Duffield, Lund & Thorup 2007). The threshold is the next largest; an item is
// in with probability min(1, weight/threshold). It is near-optimal in variance
// among samples of k (Szegedy 2006). With k >= len(weights) every item is in
// with probability 1. Weights are positive; u are in (0,1).
func DrawPriority(weights, u []float64, k int) (Draw, error) {
	if err := checkDraw(weights, u, k); err != nil {
		return Draw{}, err
	}
	keys := make([]float64, len(weights))
	for i := range weights {
		keys[i] = -weights[i] / u[i]
	}
	return drawSmallest(keys, k, func(i int, threshold float64) float64 {
		return min(1, weights[i]/-threshold)
	}), nil
}

// DrawSuccessive keeps the k items with the smallest -ln(u)/weight, which is
// drawing one after the other without replacement with probability
// proportional to weight (Efraimidis & Spirakis 2006; "Gumbel top-k"). An item
// is in with probability 1-exp(-weight·threshold), conditional on the ranks of
// the others (Cohen & Kaplan 2007). DrawPriority is simpler and as good; this
// one suits selection by a softmax score.
func DrawSuccessive(weights, u []float64, k int) (Draw, error) {
	if err := checkDraw(weights, u, k); err != nil {
		return Draw{}, err
	}
	keys := make([]float64, len(weights))
	for i := range weights {
		keys[i] = -math.Log(u[i]) / weights[i]
	}
	return drawSmallest(keys, k, func(i int, threshold float64) float64 {
		return -math.Expm1(-weights[i] * threshold)
	}), nil
}

func checkDraw(weights, u []float64, k int) error {
	if len(weights) != len(u) {
		return invalid("u", len(u), "as many as there are weights")
	}
	for i := range weights {
		if err := checkPositive("weight", weights[i]); err != nil {
			return err
		}
		if err := checkLevel("u", u[i]); err != nil {
			return err
		}
	}
	return checkCount("k", k)
}

func drawSmallest(keys []float64, k int, probability func(i int, threshold float64) float64) Draw {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(keys[a], keys[b]), cmp.Compare(a, b))
	})
	if k >= len(order) {
		draw := Draw{Kept: order, P: make([]float64, len(order))}
		for i := range draw.P {
			draw.P[i] = 1
		}
		return draw
	}
	draw := Draw{Kept: order[:k], P: make([]float64, k), Threshold: math.Abs(keys[order[k]])}
	for i, item := range draw.Kept {
		draw.P[i] = probability(item, keys[order[k]])
	}
	return draw
}
