package eval

import (
	"context"
	"fmt"
	"strconv"

	"assay/internal/stats"
	"assay/labeling"
)

// Agreements says how far labelers of a task class agree ("" is every queue).
type Agreements interface {
	LabelAgreement(ctx context.Context, taskClass string) ([]labeling.Agreement, error)
}

// AgreementCheck is the name of the check that labels may drive the gate.
const AgreementCheck = "Labelers agree"

// heed adds to a decision that rests on people's labels whether those labels
// may drive it: the lower limit of alpha of their queue must reach 0.667. Labels
// that agree less, or of which nobody knows how far they agree, leave the gate
// inconclusive. What was promoted stays so.
func (s *Store) heed(ctx context.Context, h Handoff, d *Decision) error {
	if s.Agreement == nil || !h.Contract.Metric.ByPeople() || h.PromotionStatus == Promoted || h.PromotionStatus.Final() {
		return nil
	}
	taskClass := ""
	if h.IncidentID != nil {
		if err := s.DB.QueryRow(ctx, `SELECT coalesce(task_class, '') FROM incidents WHERE id = $1`, *h.IncidentID).Scan(&taskClass); err != nil {
			return fmt.Errorf("task class of handoff %d: %w", h.ID, err)
		}
	}
	list, err := s.Agreement.LabelAgreement(ctx, taskClass)
	if err != nil {
		return fmt.Errorf("agreement for handoff %d: %w", h.ID, err)
	}
	check := agreementCheck(list)
	d.Checks = append(d.Checks, check)
	if check.Finding == Waiting && d.Status == Ready {
		d.Status = Undecided
	}
	return nil
}

// agreementCheck judges the queue whose labelers agree least.
func agreementCheck(list []labeling.Agreement) Check {
	check := Check{Name: AgreementCheck, Finding: Waiting, Words: "no item of these labels was read twice, so nobody knows how far labelers agree"}
	least := -1
	for i, a := range list {
		if least < 0 || lowOf(a) < lowOf(list[least]) {
			least = i
		}
	}
	if least < 0 {
		return check
	}
	a := list[least]
	switch {
	case !a.Nominal.Bounded:
		check.Words = fmt.Sprintf("alpha of %s cannot be bounded: %s read twice, with too little that differs", a.Queue, counted(a.Items, "item"))
		if a.Items < leastPairable {
			check.Done, check.Needed = a.Items, leastPairable
			check.Words = fmt.Sprintf("%d of %d items of %s read twice", a.Items, leastPairable, a.Queue)
		}
	case a.MayDriveGates():
		check.Finding = Holds
		check.Words = "alpha of " + a.Queue + " is " + alphaWords(a.Nominal)
	default:
		check.Words = "alpha of " + a.Queue + " is " + alphaWords(a.Nominal) + "; below 0.667 labels may not drive a gate until the guide is clearer"
	}
	return check
}

// leastPairable is how many items read twice an interval of alpha needs.
const leastPairable = 10

func lowOf(a labeling.Agreement) float64 {
	if !a.Nominal.Bounded {
		return -2
	}
	return a.Nominal.Low
}

func alphaWords(a stats.AlphaEstimate) string {
	two := func(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }
	return two(a.Value) + ", 95 % " + two(a.Low) + " to " + two(a.High)
}
