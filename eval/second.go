package eval

import (
	"assay/internal/stats"
	"assay/labeling"
)

// leastSecond is how many first labels "good" must have been read again before
// second readings correct a rate, counted by their weight: a few that stand for
// most of the traffic say little (Kish's effective number). With fewer, first
// labels are taken at their word, and the row says so.
//
// The number was chosen by simulation (TestSecondReadingsCorrect… in
// internal/stats; 300 to 4,000 first labels, a true rate of 2 to 10 %, readers
// who find 60 to 100 % of what is bad and raise 0 to 5 % false alarms, 5 to 200
// second readings). The corrected interval covers the truth in 89 to 98 % with
// five, and in 92 to 98 % with ten or more. That of first labels covers in 84
// to 96 % while readers miss one in ten and raise one false alarm in a hundred,
// but in 0 to 4 % with five false alarms in a hundred and in 0 to 72 % where
// four in ten are missed. What the correction costs is width: eight times that
// of first labels with ten second readings of 600, four times with thirty, 1.6
// times with a hundred. An interval that is wide and right goes before a narrow
// one that is wrong, so the number is the smallest that keeps the coverage.
//
// It is a number, and nothing that the readings say: rules that waited until
// the corrected interval is narrow enough, or until it leaves the first one
// behind, chose by the outcome and covered in 1 to 90 % where readers are poor.
const leastSecond = 10

// Share is a part of a whole.
type Share struct{ Part, Whole float64 }

// estimate makes the rate of all traffic from the first labels and, where
// enough of them were read again, corrects it by what that found. Each second
// reading weighs one over its probability: a consensus of which only the "bad"
// was checked would lose the false alarms and keep the misses. While second
// readings are still to come, those that came stand for those of their stratum.
func estimate(outcome Outcome, cells []labeling.SampleCell) (stats.Estimate, error) {
	first, second := strata(outcome, cells), secondReadings(outcome, cells)
	if good, whole := stats.Represented(first, second); good < leastSecond || !whole {
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
