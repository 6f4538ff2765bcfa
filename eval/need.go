package eval

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"assay/internal/auth"
	"assay/internal/stats"
	"assay/labeling"
)

// needWindow is what the questions that labels answer are asked of.
const needWindow = 7 * 24 * time.Hour

// needPower is the probability with which the predicted labels decide.
const needPower = 0.8

// Needs lists what labels would decide, by task class: whether a rate keeps its
// objective, and whether the newest version of a class is worse than the one
// before it. A question that is decided is not listed; one that no number of
// labels would decide has none.
func (s *Store) Needs(ctx context.Context, actor auth.Actor, now time.Time) ([]labeling.Need, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	if s.Labels == nil {
		return nil, nil
	}
	f := RateFilter{Outcome: Hallucination, From: now.Add(-needWindow), To: now, ByTaskClass: true}
	cells, err := s.Labels.Sample(ctx, actor, labeling.SampleFilter{From: f.From, To: f.To})
	if err != nil {
		return nil, err
	}
	objectives, err := s.objectives(ctx, f.Outcome)
	if err != nil {
		return nil, err
	}
	open, err := s.openClasses(ctx)
	if err != nil {
		return nil, err
	}
	classes, err := tabulate(f, cells, nil, objectives, now)
	if err != nil {
		return nil, err
	}
	f.ByModel = true
	versions, err := tabulate(f, cells, nil, objectives, now)
	if err != nil {
		return nil, err
	}
	return needs(classes, versions, open), nil
}

// needs is the pure part. A question of a class with an open incident is worth
// twice as much.
func needs(classes, versions Rates, open []string) []labeling.Need {
	var list []labeling.Need
	add := func(class, question string, labels int) {
		value := 1.0
		if slices.Contains(open, class) {
			value = 2
		}
		list = append(list, labeling.Need{TaskClass: class, Question: question, Labels: labels, Value: value})
	}
	for _, row := range classes.Rows {
		if labels, undecided := row.labelsMore(); undecided {
			add(row.TaskClass, fmt.Sprintf("whether at most %s are hallucinated", percent(*row.Objective)), labels)
		}
	}
	for _, c := range versions.Comparisons {
		if labels, undecided := c.LabelsMore(); undecided {
			add(c.TaskClass, "whether "+c.Candidate.ModelVersion+" is no worse than "+c.Baseline.ModelVersion, labels)
		}
	}
	slices.SortStableFunc(list, func(a, b labeling.Need) int { return cmp.Compare(a.TaskClass, b.TaskClass) })
	return list
}

// labelsMore is how many labels more would decide whether a row keeps its
// objective, 0 when no number would; false when it has none or is decided.
func (r Rate) labelsMore() (labels int, undecided bool) {
	if r.Objective == nil || r.Standing == Over || r.Standing == Within {
		return 0, false
	}
	return r.LabelsToDecide(), true
}

// LabelsMore is how many labels of the task class more would decide whether the
// candidate is worse than the baseline by the margin that its objective
// suggests (statistics.md 8.3): as many pairs as a comparison needs that is
// looked at all along, at the pace at which labels come to the rarer of the
// two. It is 0 when no number would, and false when it is decided or no margin
// is agreed.
func (c Comparison) LabelsMore() (labels int, undecided bool) {
	objective := c.Candidate.Objective
	if objective == nil || c.Decisive {
		return 0, false
	}
	margin := stats.SuggestedMargin(*objective)
	if c.High < margin {
		return 0, false
	}
	pairs, ok, err := stats.LabelsToDecide(smoothed(c.Candidate), smoothed(c.Baseline), margin, c.Value, 0.05, needPower, true)
	if err != nil || !ok {
		return 0, true
	}
	has := math.Min(c.Candidate.EffectiveN, c.Baseline.EffectiveN)
	rarer := math.Min(float64(c.Candidate.Denominator), float64(c.Baseline.Denominator))
	both := float64(c.Candidate.Denominator + c.Baseline.Denominator)
	if has <= 0 || rarer <= 0 {
		return 0, true
	}
	// A label of the class is one of the rarer version with its share, and
	// counts as much as those there are.
	return max(1, int(math.Ceil((pairs-has)*(rarer/has)*(both/rarer)))), true
}

// smoothed is the rate of a row, off zero: none bad of few labels does not mean
// that labels do not vary.
func smoothed(r Rate) float64 {
	n := r.EffectiveN
	return (r.Value*n + 0.5) / (n + 1)
}
