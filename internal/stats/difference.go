package stats

import "math"

// Arm is one of two versions that are compared. Both numbers are effective
// ones when the labels carry weights.
type Arm struct {
	Bad float64 // bad labels
	N   float64 // labels
}

// EffectiveArm makes an arm of a weighted estimate: its rate on its effective
// number of labels.
func EffectiveArm(e Estimate) Arm { return Arm{e.Value * e.EffectiveN, e.EffectiveN} }

func (a Arm) rate() float64 {
	if a.N == 0 {
		return 0
	}
	return a.Bad / a.N
}

func (a Arm) check(name string) error {
	if err := checkNonNegative(name+" labels", a.N); err != nil {
		return err
	}
	if !(a.Bad >= 0 && a.Bad <= a.N) {
		return invalid(name+" bad", a.Bad, "between 0 and the number of labels")
	}
	return nil
}

// Difference is candidate minus baseline: positive is worse. Without labels on
// either side it is undefined, with the interval [-1,1].
type Difference struct {
	Value   float64 `json:"difference"`
	Defined bool    `json:"defined"`
	Interval
}

func noDifference(level float64) Difference {
	return Difference{Interval: Interval{-1, 1, level}}
}

// Newcombe is the difference of two independent rates with the hybrid score
// interval (Newcombe 1998, method 10), the default for display.
func Newcombe(candidate, baseline Arm, level float64) (Difference, error) {
	if err := firstOf(candidate.check("candidate"), baseline.check("baseline"), checkLevel("level", level)); err != nil {
		return Difference{}, err
	}
	if candidate.N == 0 || baseline.N == 0 {
		return noDifference(level), nil
	}
	d, below, above := newcombe(candidate, baseline, twoSidedZ(level))
	return Difference{d, true, Interval{max(-1, d-math.Sqrt(below)), min(1, d+math.Sqrt(above)), level}}, nil
}

// newcombe gives the difference and the squares of its distances to the limits.
func newcombe(candidate, baseline Arm, z float64) (d, below, above float64) {
	p1, p2 := candidate.rate(), baseline.rate()
	one, two := wilson(p1, candidate.N, z, 0), wilson(p2, baseline.N, z, 0)
	return p1 - p2, square(p1-one.Low) + square(two.High-p2), square(one.High-p1) + square(p2-two.Low)
}

// MiettinenNurminen is the difference of two independent rates with the score
// interval (Miettinen & Nurminen 1985), which agrees with NonInferiority.
func MiettinenNurminen(candidate, baseline Arm, level float64) (Difference, error) {
	if err := firstOf(candidate.check("candidate"), baseline.check("baseline"), checkLevel("level", level)); err != nil {
		return Difference{}, err
	}
	if candidate.N == 0 || baseline.N == 0 {
		return noDifference(level), nil
	}
	d := candidate.rate() - baseline.rate()
	z := twoSidedZ(level)
	return Difference{d, true, Interval{scoreLower(candidate, baseline, z), scoreUpper(candidate, baseline, z), level}}, nil
}

// scoreLower is the D below d at which the score statistic is +z.
func scoreLower(candidate, baseline Arm, z float64) float64 {
	return bisect(-1, candidate.rate()-baseline.rate(), func(d float64) bool {
		return scoreZ(candidate, baseline, d, true) <= z
	})
}

// scoreUpper is the D above d at which the score statistic is -z.
func scoreUpper(candidate, baseline Arm, z float64) float64 {
	return bisect(candidate.rate()-baseline.rate(), 1, func(d float64) bool {
		return scoreZ(candidate, baseline, d, true) <= -z
	})
}

// scoreZ is the score statistic of a difference of D: positive when the
// observed difference is larger. corrected multiplies the variance by N/(N-1)
// (Miettinen & Nurminen); without it is Farrington & Manning's.
func scoreZ(candidate, baseline Arm, d float64, corrected bool) float64 {
	total := candidate.N + baseline.N
	p1, p2 := restrictedRates(candidate, baseline, d)
	variance := p1*(1-p1)/candidate.N + p2*(1-p2)/baseline.N
	if corrected {
		variance *= total / (total - 1)
	}
	distance := candidate.rate() - baseline.rate() - d
	return standardize(distance, variance)
}

// standardize is distance over standard error, with 0/0 = 0 and otherwise an
// infinity where there is no variance.
func standardize(distance, variance float64) float64 {
	switch {
	case variance > 0:
		return distance / math.Sqrt(variance)
	case distance == 0:
		return 0
	}
	return math.Inf(int(math.Copysign(1, distance)))
}

// restrictedRates are the most likely rates that differ by exactly D: the root
// of a cubic in closed form (Miettinen & Nurminen 1985, appendix).
func restrictedRates(candidate, baseline Arm, d float64) (p1, p2 float64) {
	n1, n2, x1, x2 := candidate.N, baseline.N, candidate.Bad, baseline.Bad
	n := n1 + n2
	l3 := n
	l2 := (n1+2*n2)*d - n - x1 - x2
	l1 := (n2*d-n-2*x2)*d + x1 + x2
	l0 := x2 * d * (1 - d)
	shift := l2 / (3 * l3)
	q := shift*shift*shift - l1*l2/(6*l3*l3) + l0/(2*l3)
	r := math.Copysign(math.Sqrt(max(0, shift*shift-l1/(3*l3))), q)
	angle := math.Pi / 3
	if r != 0 {
		angle = (math.Pi + math.Acos(clamp(q/(r*r*r), -1, 1))) / 3
	}
	p2 = polish(2*r*math.Cos(angle)-shift, l3, l2, l1, l0)
	p2 = clamp(p2, max(0, -d), min(1, 1-d))
	return p2 + d, p2
}

// polish brings a root of l3·x³+l2·x²+l1·x+l0 to the last digits: the arc
// cosine above loses half of them where two roots nearly meet.
func polish(x, l3, l2, l1, l0 float64) float64 {
	for range 3 {
		value := ((l3*x+l2)*x+l1)*x + l0
		slope := (3*l3*x+2*l2)*x + l1
		step := value / slope
		if !finite(step) || math.Abs(step) > 1e-4 {
			break
		}
		x -= step
	}
	return x
}

// Class is one task class of a comparison, with its share of the traffic.
type Class struct {
	Weight    float64 // in any unit; only the proportions count
	Candidate Arm
	Baseline  Arm
}

func checkClasses(classes []Class) error {
	for _, c := range classes {
		if err := firstOf(c.Candidate.check("candidate"), c.Baseline.check("baseline")); err != nil {
			return err
		}
	}
	return nil
}

// StratifiedDifference is the traffic-weighted difference over task classes,
// with Newcombe's limits joined by MOVER. A class with traffic and without
// labels on either side leaves it undefined: nobody can say what the whole is.
func StratifiedDifference(classes []Class, level float64) (Difference, error) {
	if err := firstOf(checkClasses(classes), checkLevel("level", level)); err != nil {
		return Difference{}, err
	}
	total := 0.0
	for _, c := range classes {
		if err := checkNonNegative("weight", c.Weight); err != nil {
			return Difference{}, err
		}
		total += c.Weight
	}
	if total == 0 {
		return noDifference(level), nil
	}
	var d, below, above float64
	for _, c := range classes {
		if c.Weight == 0 {
			continue
		}
		if c.Candidate.N == 0 || c.Baseline.N == 0 {
			return noDifference(level), nil
		}
		w := c.Weight / total
		dh, b, a := newcombe(c.Candidate, c.Baseline, twoSidedZ(level))
		d += w * dh
		below += w * w * b
		above += w * w * a
	}
	return Difference{d, true, Interval{max(-1, d-math.Sqrt(below)), min(1, d+math.Sqrt(above)), level}}, nil
}

// MantelHaenszelWeight is the weight n1·n2/(n1+n2) of a class when the
// question is whether there is any difference, not what the traffic sees.
func MantelHaenszelWeight(candidate, baseline Arm) float64 {
	if candidate.N+baseline.N == 0 {
		return 0
	}
	return candidate.N * baseline.N / (candidate.N + baseline.N)
}

// CommonDifference tests whether any class differs, in a common direction, and
// estimates what they share.
type CommonDifference struct {
	ChiSquare, P                   float64 // Cochran-Mantel-Haenszel, without continuity correction
	CorrectedChiSquare, CorrectedP float64 // with it
	Defined                        bool    // false when no class can tell
	OddsRatio                      float64 // Mantel & Haenszel 1959
	OddsRatioInterval              Interval
	OddsRatioDefined               bool
	RiskDifference                 float64 // Mantel-Haenszel
	RiskDifferenceSE               float64 // Sato 1989, right for sparse strata too
}

// CochranMantelHaenszel joins 2×2 tables of task classes. Weights are ignored.
func CochranMantelHaenszel(classes []Class, level float64) (CommonDifference, error) {
	if err := firstOf(checkClasses(classes), checkLevel("level", level)); err != nil {
		return CommonDifference{}, err
	}
	var excess, variance float64
	var r, s, pr, psqr, qs float64 // Robins, Breslow & Greenland's sums
	var mh, dp, dq, distance float64
	for _, c := range classes {
		n1, n2, a, b := c.Candidate.N, c.Baseline.N, c.Candidate.Bad, c.Baseline.Bad
		n := n1 + n2
		if n1 == 0 || n2 == 0 {
			continue
		}
		m := a + b
		excess += a - n1*m/n
		if n > 1 {
			variance += n1 * n2 * m * (n - m) / (n * n * (n - 1))
		}
		rh, sh := a*(n2-b)/n, (n1-a)*b/n
		ph, qh := (a+n2-b)/n, (n1-a+b)/n
		r, s = r+rh, s+sh
		pr, psqr, qs = pr+ph*rh, psqr+ph*sh+qh*rh, qs+qh*sh
		mh += n1 * n2 / n
		distance += (a*n2 - b*n1) / n
		dp += (n1*n1*b - n2*n2*a + n1*n2*(n2-n1)/2) / (n * n)
		dq += (a*(n2-b) + b*(n1-a)) / (2 * n)
	}
	result := CommonDifference{P: 1, CorrectedP: 1, OddsRatioInterval: Interval{0, math.MaxFloat64, level}}
	if mh == 0 {
		return result, nil
	}
	result.RiskDifference = distance / mh
	result.RiskDifferenceSE = math.Sqrt(max(0, result.RiskDifference*dp+dq)) / mh
	if variance > 0 {
		result.Defined = true
		result.ChiSquare = excess * excess / variance
		result.P = chiSquareTail(result.ChiSquare)
		result.CorrectedChiSquare = square(max(0, math.Abs(excess)-0.5)) / variance
		result.CorrectedP = chiSquareTail(result.CorrectedChiSquare)
	}
	if r > 0 && s > 0 {
		result.OddsRatioDefined = true
		result.OddsRatio = r / s
		se := math.Sqrt(pr/(2*r*r) + psqr/(2*r*s) + qs/(2*s*s))
		z := twoSidedZ(level)
		result.OddsRatioInterval = Interval{result.OddsRatio * math.Exp(-z*se), result.OddsRatio * math.Exp(z*se), level}
	}
	return result, nil
}
