package eval

import (
	"assay/internal/stats"
	"assay/labeling"
)

// leastSecond is how many first labels "good" must have been read again before
// second readings correct a rate. With fewer, the little that is known of what
// first readers miss would drown what is known of the rate; then first labels
// are taken at their word, and the row says so.
const leastSecond = 10

// Share is a part of a whole.
type Share struct{ Part, Whole float64 }

// estimate makes the rate of all traffic from the first labels and, where
// enough of them were read again, corrects it by what that found. Each second
// reading weighs one over its probability: a consensus of which only the "bad"
// was checked would lose the false alarms and keep the misses.
func estimate(outcome Outcome, cells []labeling.SampleCell) (stats.Estimate, error) {
	first, second := strata(outcome, cells), secondReadings(outcome, cells)
	if goodReadAgain(second) < leastSecond {
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

func goodReadAgain(second []stats.SecondReading) int {
	n := 0
	for _, s := range second {
		if !s.FirstBad {
			n++
		}
	}
	return n
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
