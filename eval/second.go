package eval

import (
	"assay/internal/stats"
	"assay/labeling"
)

// leastSecond is how many first labels "good" must have been read again before
// second readings correct a rate, counted by their weight: a few that stand for
// most of the traffic say little (Kish's effective number). With fewer, the
// little that is known of what first readers miss would drown what is known of
// the rate; then first labels are taken at their word, and the row says so.
const leastSecond = 30

// Share is a part of a whole.
type Share struct{ Part, Whole float64 }

// estimate makes the rate of all traffic from the first labels and, where
// enough of them were read again, corrects it by what that found. Each second
// reading weighs one over its probability: a consensus of which only the "bad"
// was checked would lose the false alarms and keep the misses.
func estimate(outcome Outcome, cells []labeling.SampleCell) (stats.Estimate, error) {
	first, second := strata(outcome, cells), secondReadings(outcome, cells)
	if goodReadAgain(outcome, cells) < leastSecond {
		return stats.Stratified(first, stats.OfProcess, .95)
	}
	return stats.TwoPhase(first, second, stats.OfProcess, .95)
}

// secondReadings are the second readings of cells, one for each item.
func secondReadings(outcome Outcome, cells []labeling.SampleCell) []stats.SecondReading {
	var list []stats.SecondReading
	for _, cell := range cells {
		if cell.Labels.Counted() == 0 {
			continue
		}
		key := frame{stratumOf(cell), cell.Day.Format("2006-01-02")}
		for _, s := range cell.Second {
			one := stats.SecondReading{
				Stratum: key.String(), Frame: key.day, P: s.Probability,
				FirstBad: firstBad(outcome, s), Final: finalBad(outcome, s),
			}
			for range s.Items {
				list = append(list, one)
			}
		}
	}
	return list
}

func firstBad(outcome Outcome, s labeling.SecondReadings) bool {
	return s.First == "hallucinated" || outcome == NotCorrect && s.First == "partially_correct"
}

// finalBad is the share that is bad after all readings, between 0 and 1 while
// labelers differ.
func finalBad(outcome Outcome, s labeling.SecondReadings) float64 {
	if outcome == NotCorrect {
		return min(1, s.Hallucinated+s.PartiallyCorrect)
	}
	return s.Hallucinated
}

// goodReadAgain is the effective number of first labels "good" that were read
// again: the square of the sum of their weights over the sum of the squares (L.
// Kish, Survey Sampling, 1965).
func goodReadAgain(outcome Outcome, cells []labeling.SampleCell) float64 {
	var sum, squares float64
	for _, cell := range cells {
		if cell.Labels.Counted() == 0 {
			continue
		}
		for _, s := range cell.Second {
			if firstBad(outcome, s) || s.Probability <= 0 {
				continue
			}
			w := float64(cell.Responses) / float64(cell.Labels.Counted()) / s.Probability
			sum += w * float64(s.Items)
			squares += w * w * float64(s.Items)
		}
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / squares
}

// readTwice counts the labels that were read again, and how many of the "bad"
// among them stayed bad.
func readTwice(outcome Outcome, cells []labeling.SampleCell) (int64, *Share) {
	var n int64
	var upheld Share
	for _, s := range secondReadings(outcome, cells) {
		n++
		if s.FirstBad {
			upheld.Whole++
			upheld.Part += s.Final
		}
	}
	if upheld.Whole == 0 {
		return n, nil
	}
	return n, &upheld
}
