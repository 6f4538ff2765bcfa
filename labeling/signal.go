package labeling

import (
	"slices"

	"assay/internal/stats"
)

// Truths are the labels that gold may have, from best to worst.
var Truths = Labels[:3]

// Confusion counts what a labeler said of items whose right label is known:
// right label down, as Truths; what they said across, as Labels.
type Confusion [3][4]int

// Add counts one answer. What is no label is not counted.
func (c *Confusion) Add(truth, said string) {
	t, a := slices.Index(Truths, truth), slices.Index(Labels, said)
	if t >= 0 && a >= 0 {
		c[t][a]++
	}
}

// Of is how many items of a right label there were and how many were right.
func (c Confusion) Of(truth int) (right, n int) {
	for _, count := range c[truth] {
		n += count
	}
	return c[truth][truth], n
}

// All is the same over every right label.
func (c Confusion) All() (right, n int) {
	for truth := range c {
		r, m := c.Of(truth)
		right, n = right+r, n+m
	}
	return right, n
}

// Standing is how far a labeler is trusted.
type Standing string

// The standings. Suspended is a person's decision, the others follow from gold.
const (
	New       Standing = "new"       // too few gold answers to say
	Probation Standing = "probation" // more likely too often wrong than not, or unusual: all they label is read again
	Unproven  Standing = "unproven"  // nothing speaks against them, and not enough for them
	Trusted   Standing = "trusted"   // the interval of their accuracy lies above 85 %
	Proposed  Standing = "proposed"  // signals ask for a suspension; a person decides
	Suspended Standing = "suspended" // nothing more is served
)

// Judgement is what gold says of a labeler.
type Judgement struct {
	Standing Standing
	Overall  stats.GoldResult
	ByLabel  [3]stats.GoldResult // each right label apart: always one answer is right a third of the time
	Failing  []int               // right labels, as places in Truths, of which the accuracy lies below 85 %
}

// Limits of what gold can say. Gold is looked at after every answer, so that a
// right label is judged only from ten answers on and at a level shared between
// the three.
const (
	leastGold        = 10
	leastGoldOverall = 20
	goldLevel        = 1 - .05/3
)

// Judge judges each right label apart and all of them together. A labeler
// whose accuracy on one of them lies below 85 % is proposed for suspension,
// however good they are on the others.
func Judge(c Confusion) (Judgement, error) {
	var j Judgement
	for truth := range c {
		right, n := c.Of(truth)
		result, err := stats.JudgeGold(right, n, goldLevel)
		if err != nil {
			return j, err
		}
		j.ByLabel[truth] = result
		if n >= leastGold && result.Standing == stats.Suspended {
			j.Failing = append(j.Failing, truth)
		}
	}
	right, n := c.All()
	var err error
	if j.Overall, err = stats.JudgeGold(right, n, .95); err != nil {
		return j, err
	}
	switch {
	case len(j.Failing) > 0, n >= leastGoldOverall && j.Overall.Standing == stats.Suspended:
		j.Standing = Proposed
	case n < leastGold:
		j.Standing = New
	case j.Overall.Standing == stats.Trusted:
		j.Standing = Trusted
	case j.Overall.Probability < .5:
		j.Standing = Probation
	default:
		j.Standing = Unproven
	}
	return j, nil
}

// ReadTwice reports whether everything the labeler says is read again.
func (j Judgement) ReadTwice() bool { return j.Standing == Probation || j.Standing == Proposed }

// Answered is one label of a labeler as the signals of 7.4 see it.
type Answered struct {
	Label   string
	Seconds float64 // 0 when unknown
	Words   int     // of the response
	Pace    stats.Pace
}

// Signals are what looks unusual in a labeler's work. They lower trust and
// bring more gold (WatchLabelers); they never delete a label.
type Signals struct {
	Labels     int
	TooFast    int     // faster than the text can be read, or far faster than usual
	Timed      int     // labels whose time is known
	LongestRun int     // of one answer
	Entropy    float64 // of the answers, in bits
	Spammer    *float64
	Changes    []Change // moments from which on they answered differently
	Flags      []string // in words; empty: nothing unusual
}

// Limits of what is said aloud.
const (
	spammerScore   = 0.10
	spammerLabels  = 30
	tooFastShare   = 0.10
	leastTimed     = 20
	runWorthALook  = 40
	entropyAtLeast = 0.1
)

// Watch finds what is unusual in a labeler's answers, oldest first, and in
// what they said of gold; changes are those found in both.
func Watch(answers []Answered, gold Confusion, changes []Change) (Signals, error) {
	s := Signals{Labels: len(answers), Changes: changes}
	var classes []int
	for _, a := range answers {
		classes = append(classes, slices.Index(Labels, a.Label))
		if a.Seconds <= 0 {
			continue
		}
		s.Timed++
		fast, err := a.Pace.TooFast(a.Seconds, a.Words)
		if err != nil {
			return s, err
		}
		if fast {
			s.TooFast++
		}
	}
	s.LongestRun, s.Entropy = stats.LongestRun(classes), stats.Entropy(classes)
	if err := s.spammer(gold); err != nil {
		return s, err
	}
	s.flag()
	return s, nil
}

// spammer scores how much the answers depend on the truth, where gold of each
// label was answered.
func (s *Signals) spammer(gold Confusion) error {
	_, n := gold.All()
	table := make([][]float64, len(Truths))
	for truth, row := range gold {
		said := row[0] + row[1] + row[2]
		if said == 0 || n < spammerLabels {
			return nil
		}
		for _, count := range row[:3] {
			table[truth] = append(table[truth], float64(count)/float64(said))
		}
	}
	score, err := stats.SpammerScore(table)
	if err == nil {
		s.Spammer = &score
	}
	return err
}

func (s *Signals) flag() {
	if s.Spammer != nil && *s.Spammer < spammerScore {
		s.Flags = append(s.Flags, "answers do not depend on what is right")
	}
	if s.Timed >= leastTimed && float64(s.TooFast) > tooFastShare*float64(s.Timed) {
		s.Flags = append(s.Flags, "labels faster than the text can be read")
	}
	if s.Labels >= runWorthALook && s.LongestRun >= runWorthALook && s.Entropy < entropyAtLeast {
		s.Flags = append(s.Flags, "one answer almost always")
	}
	for _, change := range s.Changes {
		s.Flags = append(s.Flags, change.words())
	}
}
