package stats

import "math"

// Pairs counts cases that both versions answered.
type Pairs struct {
	BothBad       int
	OnlyCandidate int // bad with the candidate only
	OnlyBaseline  int // bad with the baseline only
	Neither       int
}

// N is the number of cases.
func (p Pairs) N() int { return p.BothBad + p.OnlyCandidate + p.OnlyBaseline + p.Neither }

func (p Pairs) check() error {
	return firstOf(checkCount("both bad", p.BothBad), checkCount("only candidate", p.OnlyCandidate),
		checkCount("only baseline", p.OnlyBaseline), checkCount("neither", p.Neither))
}

// McNemarTests are p-values of the discordant cases.
type McNemarTests struct {
	Exact float64 // two-sided, conditional
	MidP  float64 // two-sided; the one to report (Fagerland, Lydersen & Laake 2013)
	Harm  float64 // one-sided, exact: the candidate is worse
}

// McNemar tests whether cases that only one version got wrong lean to one side.
// Without discordant cases all three are 1.
func McNemar(pairs Pairs) (McNemarTests, error) {
	if err := pairs.check(); err != nil {
		return McNemarTests{}, err
	}
	b, c := pairs.OnlyCandidate, pairs.OnlyBaseline
	n := b + c
	if n == 0 {
		return McNemarTests{1, 1, 1}, nil
	}
	tail := binomialAtMost(min(b, c), n, 0.5)
	return McNemarTests{
		Exact: min(1, 2*tail),
		MidP:  min(1, 2*tail-binomialPoint(min(b, c), n, 0.5)),
		Harm:  binomialAtLeast(b, n, 0.5),
	}, nil
}

// Tango is the difference of two rates on the same cases with the score
// interval (Tango 1998), right near zero and never of width zero. It is the
// default for regression and holdout windows.
func Tango(pairs Pairs, level float64) (Difference, error) {
	if err := firstOf(pairs.check(), checkLevel("level", level)); err != nil {
		return Difference{}, err
	}
	return tango(pairs, twoSidedZ(level), level), nil
}

func tango(pairs Pairs, z, level float64) Difference {
	n := float64(pairs.N())
	if n == 0 {
		return noDifference(level)
	}
	d := float64(pairs.OnlyCandidate-pairs.OnlyBaseline) / n
	low := bisect(-1, d, func(x float64) bool { return tangoZ(pairs, x) <= z })
	high := bisect(d, 1, func(x float64) bool { return tangoZ(pairs, x) <= -z })
	return Difference{d, true, Interval{low, high, level}}
}

// tangoZ is the score statistic of a difference of D.
func tangoZ(pairs Pairs, d float64) float64 {
	n, b, c := float64(pairs.N()), float64(pairs.OnlyCandidate), float64(pairs.OnlyBaseline)
	two, one, zero := 2*n, -b-c+(2*n-b+c)*d, -c*d*(1-d)
	q := (math.Sqrt(max(0, one*one-4*two*zero)) - one) / (2 * two)
	return standardize(b-c-n*d, n*(2*q+d*(1-d)))
}

// NewcombePaired is the closed-form alternative to Tango (Newcombe 1998,
// method 10 for paired data, with his correction of the correlation).
func NewcombePaired(pairs Pairs, level float64) (Difference, error) {
	if err := firstOf(pairs.check(), checkLevel("level", level)); err != nil {
		return Difference{}, err
	}
	n := float64(pairs.N())
	if n == 0 {
		return noDifference(level), nil
	}
	a, b, c, e := float64(pairs.BothBad), float64(pairs.OnlyCandidate), float64(pairs.OnlyBaseline), float64(pairs.Neither)
	z := twoSidedZ(level)
	p1, p2 := (a+b)/n, (a+c)/n
	one, two := wilson(p1, n, z, level), wilson(p2, n, z, level)
	phi := correctedPhi(a, b, c, e, n)
	join := func(x, y float64) float64 { return math.Sqrt(max(0, x*x-2*phi*x*y+y*y)) }
	d := p1 - p2
	return Difference{d, true, Interval{
		max(-1, d-join(p1-one.Low, two.High-p2)),
		min(1, d+join(one.High-p1, p2-two.Low)),
		level,
	}}, nil
}

func correctedPhi(a, b, c, e, n float64) float64 {
	margins := (a + b) * (c + e) * (a + c) * (b + e)
	if margins == 0 {
		return 0
	}
	cross := a*e - b*c
	switch {
	case cross > n/2:
		cross -= n / 2
	case cross >= 0:
		cross = 0
	}
	return cross / math.Sqrt(margins)
}

// PairedNonInferiority is NonInferiority on the same cases, by Tango's
// one-sided limits.
func PairedNonInferiority(pairs Pairs, margin, alpha float64) (NonInferiorityResult, error) {
	if err := firstOf(pairs.check(), checkLevel("margin", margin), checkAlpha(alpha)); err != nil {
		return NonInferiorityResult{}, err
	}
	result := NonInferiorityResult{
		Margin: margin, P: 1,
		Difference: tango(pairs, oneSidedZ(1-alpha), 1-2*alpha),
	}
	if !result.Defined {
		result.Verdict = Verdict{Inconclusive, ReasonNoLabels}
		return result, nil
	}
	result.Z = tangoZ(pairs, margin)
	result.P = normalTail(-result.Z)
	result.Verdict = againstMargin(result.Interval, margin)
	return result, nil
}
