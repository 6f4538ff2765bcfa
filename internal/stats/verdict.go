package stats

import (
	"fmt"

	"assay/internal/fault"
)

// Outcome is one of three: a rule passed, failed, or could not be decided.
// The zero value is Inconclusive, so that nothing forgotten ever passes.
type Outcome uint8

// The outcomes.
const (
	Inconclusive Outcome = iota
	Fail
	Pass
)

var outcomeWords = [...]string{Inconclusive: "inconclusive", Fail: "fail", Pass: "pass"}

func (o Outcome) String() string {
	if int(o) >= len(outcomeWords) {
		return outcomeWords[Inconclusive]
	}
	return outcomeWords[o]
}

// MarshalText writes the word.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the word.
func (o *Outcome) UnmarshalText(text []byte) error {
	for outcome, word := range outcomeWords {
		if word == string(text) {
			*o = Outcome(outcome)
			return nil
		}
	}
	return fmt.Errorf("read outcome %q: %w", text, fault.Invalid)
}

// Reason is the machine's word for why a verdict or an estimate is as it is.
type Reason string

// The reasons.
const (
	ReasonNoLabels       Reason = "no_labels"         // nothing labeled: the rate is undefined
	ReasonFewLabels      Reason = "few_labels"        // fewer than the rule asks for
	ReasonThin           Reason = "thin"              // the heaviest stratum has too few labels for its usual interval
	ReasonCollapsed      Reason = "collapsed"         // an unlabeled stratum was read as its neighbour
	ReasonUncovered      Reason = "uncovered"         // part of the traffic cannot be labeled at all
	ReasonImmature       Reason = "immature"          // too many sampled items are not labeled yet
	ReasonSingleLabel    Reason = "single_label"      // a stratum's variance rests on one label
	ReasonFewSecondReads Reason = "few_second_reads"  // second readings are missing where they matter
	ReasonMissing        Reason = "missing"           // a case, run or label that must be there is not
	ReasonUnevaluated    Reason = "unevaluated"       // a case ended in an error or without a score
	ReasonMismatch       Reason = "mismatch"          // what was measured is not what was agreed
	ReasonEvent          Reason = "event"             // an event that must not occur occurred
	ReasonNotExcluded    Reason = "not_excluded"      // the interval still reaches the margin
	ReasonWorse          Reason = "worse"             // worse by more than the margin
	ReasonWithinMargin   Reason = "within_margin"     // no worse than by the margin
	ReasonBelow          Reason = "below_bound"       // the bound lies below what was asked
	ReasonAbove          Reason = "above_bound"       // the bound lies above what is allowed
	ReasonHarm           Reason = "harm"              // sequential evidence of harm
	ReasonObjective      Reason = "objective_broken"  // sequential evidence that the objective is broken
	ReasonTooEarly       Reason = "too_early"         // the minimum duration has not passed
	ReasonCollecting     Reason = "collecting"        // evidence is still being collected
	ReasonTimeUp         Reason = "time_up"           // the maximum duration passed without a decision
	ReasonSkips          Reason = "skips"             // too many sampled items were skipped
	ReasonNoBaseline     Reason = "no_baseline"       // there is nothing to compare with
	ReasonUndefined      Reason = "undefined"         // the statistic does not exist for this input
	ReasonValidatorPoor  Reason = "validator_poor"    // the validator is no better than chance
	ReasonFalsePositives Reason = "false_positives"   // more false alarms expected than were raised
	ReasonBudgetSpent    Reason = "budget_spent"      // the privacy budget of the release is used up
	ReasonAgreement      Reason = "agreement_too_low" // labelers disagree too much for labels to decide
)

// Verdict is a decision with its reason.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason,omitempty"`
}

// Passed is true for Pass alone.
func (v Verdict) Passed() bool { return v.Outcome == Pass }

// Worst joins the verdicts of rules that must all pass: one Fail fails, else
// one Inconclusive is inconclusive. Nothing to join is inconclusive. No
// adjustment for their number is needed, since passing takes all of them
// (intersection-union test, Berger & Hsu 1996).
func Worst(verdicts ...Verdict) Verdict {
	if len(verdicts) == 0 {
		return Verdict{Inconclusive, ReasonMissing}
	}
	worst := verdicts[0]
	for _, v := range verdicts[1:] {
		if severity(v.Outcome) > severity(worst.Outcome) {
			worst = v
		}
	}
	return worst
}

func severity(o Outcome) int {
	switch o {
	case Pass:
		return 0
	case Fail:
		return 2
	}
	return 1
}
