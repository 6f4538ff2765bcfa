package stats

import "math"

// SecondReading is an item that was read again, by chance or by rule, with
// what it was finally held to be.
type SecondReading struct {
	Stratum  string  // its stratum's Name
	Frame    string  // its stratum's Frame
	FirstBad bool    // the first label
	P        float64 // probability of the second reading, given the first label
	Final    float64 // 1 bad, 0 good after all readings; in between when soft
}

// TwoPhase estimates the rate of all traffic when every sampled item has one
// label and a random part of them a second (Särndal, Swensson & Wretman 1992,
// ch. 9). The strata hold the first labels: Bad counts what first readers
// called bad. The second readings say how far those can be believed, each
// weighing one over its probability: p = Q·r1 + (1-Q)·r0, with Q the rate of
// first labels, r1 the share of "bad" that stays bad, r0 the share of "good"
// that was bad after all.
//
// Reading a second time only what was called bad, and calling the outcome the
// rate, takes away the false alarms and keeps the misses; this does not. Where
// a class of first labels has no second reading at all, its first labels are
// taken at face value, the interval allows for anything, and
// ReasonFewSecondReads is set.
func TwoPhase(strata []Stratum, second []SecondReading, about Variance, level float64) (Estimate, error) {
	if err := firstOf(checkStrata(strata), checkSecond(second), checkLevel("level", level)); err != nil {
		return Estimate{}, err
	}
	e, cells := stratified(strata, about, level)
	e.Estimator = EstimatorTwoPhase
	if !e.Defined {
		return e, nil
	}
	read, _, err := secondWeights(strata, cells, second)
	if err != nil {
		return Estimate{}, err
	}
	var bad [2]float64
	var seen [2]int
	for _, s := range second {
		class := int(indicator(s.FirstBad))
		bad[class] += read[class][seen[class]] * s.Final
		seen[class]++
	}
	z := twoSidedZ(level)
	r1, limits1, size1 := kept(read[1], bad[1], 1, z, level)
	r0, limits0, size0 := kept(read[0], bad[0], 0, z, level)

	q, first := e.Value, e.Interval
	p := q*r1 + (1-q)*r0
	slope := r1 - r0
	below := square(max(slope*(q-first.Low), slope*(q-first.High))) +
		square(q*(r1-limits1.Low)) + square((1-q)*(r0-limits0.Low))
	above := square(max(slope*(first.High-q), slope*(first.Low-q))) +
		square(q*(limits1.High-r1)) + square((1-q)*(limits0.High-r0))
	e.Value = clamp(p, 0, 1)
	e.Interval = Interval{max(0, p-math.Sqrt(below)), min(1, p+math.Sqrt(above)), level}

	variance := square(slope*e.SE) + q*q*spread(r1, size1) + square(1-q)*spread(r0, size0)
	e.SE = math.Sqrt(variance)
	if p > 0 && p < 1 && variance > 0 {
		e.EffectiveN = min(p*(1-p)/variance, float64(e.Denominator))
	}
	if (q > 0 && size1 == 0) || (q < 1 && size0 == 0) {
		e.because(ReasonFewSecondReads)
	}
	e.Worst = Interval{
		Low:   e.Coverage * e.Response * e.Low,
		High:  min(1, e.Coverage*(e.Response*e.High+1-e.Response)+1-e.Coverage),
		Level: level,
	}
	return e, nil
}

// leastRepresented is the share of the first labels, by the traffic they stand
// for, whose stratum must have some of its second readings.
const leastRepresented = 0.90

// Represented says how far second readings speak for all first labels: good is
// the effective number (Kish) of first labels "good" that were read again, and
// whole is false while strata that have nothing read again stand for more than a
// tenth of either class of first labels. Harm is read again first, and harm is
// where first labels miss most: then second readings correct nothing yet.
func Represented(strata []Stratum, second []SecondReading) (good float64, whole bool) {
	if firstOf(checkStrata(strata), checkSecond(second)) != nil {
		return 0, false
	}
	_, cells := stratified(strata, OfProcess, .95)
	weights, reached, err := secondWeights(strata, cells, second)
	if err != nil {
		return 0, false
	}
	return kish(weights[0]), reached[0] >= leastRepresented && reached[1] >= leastRepresented
}

// secondWeights are the weights of second readings in their order, by first
// label: good and bad. Those read of a stratum stand for all its first labels of
// their class, however many of those due were read so far and on whichever days
// (post-stratification by the first phase; Särndal, Swensson & Wretman 1992,
// ch. 9.6). reached is the share of each class that lies in strata with some.
func secondWeights(strata []Stratum, cells joined, second []SecondReading) (weights [2][]float64, reached [2]float64, err error) {
	partOf := cells.partOf()
	type class struct {
		stratum string
		bad     int
	}
	of := func(s SecondReading) class { return class{s.Stratum, int(indicator(s.FirstBad))} }
	read, first := map[class]float64{}, map[class]float64{}
	plain := make([]float64, len(second))
	for i, s := range second {
		day, known := partOf[[2]string{s.Frame, s.Stratum}]
		if !known || day.labeled == 0 {
			return weights, reached, invalid("stratum", s.Stratum, "one of the strata, with labels")
		}
		plain[i] = day.population / float64(day.labeled) / s.P
		read[of(s)] += plain[i]
	}
	var mass [2]float64
	for _, s := range strata {
		day, known := partOf[[2]string{s.Frame, s.Name}]
		if !known || day.labeled == 0 {
			continue
		}
		for bad, n := range [2]float64{float64(s.Labeled) - s.Bad, s.Bad} {
			w := n * day.population / float64(day.labeled)
			mass[bad] += w
			first[class{s.Name, bad}] += w
		}
	}
	for i, s := range second {
		key := of(s)
		weights[key.bad] = append(weights[key.bad], plain[i]*first[key]/read[key])
	}
	for key := range read {
		reached[key.bad] += first[key]
	}
	for bad := range reached {
		if mass[bad] == 0 {
			reached[bad] = 1
		} else {
			reached[bad] /= mass[bad]
		}
	}
	return weights, reached, nil
}

func checkSecond(second []SecondReading) error {
	for _, s := range second {
		if err := firstOf(checkProbability("p", s.P), checkShare("final", s.Final)); err != nil {
			return err
		}
	}
	return nil
}

// kept is the share that second readings found bad among one class of first
// labels, its Wilson limits, and the effective number of readings behind it.
func kept(weights []float64, bad, face, z, level float64) (float64, Interval, float64) {
	size := kish(weights)
	if size == 0 {
		return face, Interval{0, 1, level}, 0
	}
	rate := clamp(bad/sum(weights), 0, 1)
	return rate, wilson(rate, size, z, level), size
}

func spread(rate, size float64) float64 {
	const most = 0.25 // the largest variance of a share
	if size <= 1 {
		return most
	}
	return min(most, rate*(1-rate)/(size-1))
}
