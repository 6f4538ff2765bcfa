// Package stats turns counts into numbers that may be acted on: a rate with
// its interval, a difference with its margin, a decision with its reason.
//
// Its contract:
//
//   - Everything is a pure function of its arguments. Nothing reads a clock, a
//     file or a global; randomness comes in as a seed that the caller stores,
//     so that every figure can be computed again from what was kept.
//   - Wrong input is an *InputError (of kind fault.Invalid). No result is ever
//     NaN. Nothing labeled is not 0 %: the value is undefined and the interval
//     is [0,1].
//   - Decisions are three-valued. What is missing can only make a verdict
//     Inconclusive (the zero value) or Fail, never Pass.
//   - y = 1 is bad. Which labels count as bad is the caller's outcome
//     definition; a soft label between 0 and 1 is welcome wherever y is a
//     float64.
//
// How the subjects hang together:
//
//	rate.go           one rate from equal labels         sampling.go   who is drawn, with what probability
//	strata.go         the rate of all traffic            hajek.go      the same from unequal weights, domains, clusters
//	twophase.go       when labels are read twice         assisted.go   machine verdicts on all, people on some
//	difference.go     two versions, independent          paired.go     two versions on the same cases
//	exact.go          the same with few labels           multiplicity.go many comparisons at once
//	noninferiority.go "no worse than by a margin"        zerotolerance.go a metric that must be zero
//	eprocess.go       evidence that survives peeking     canary.go     the decision made of it
//	slo.go            budgets, alerts, spikes            percentile.go latencies (mannwhitney.go: advice only)
//	agreement.go      do labelers agree                  dawidskene.go what is the label, then
//	labeler.go        gold, spam, pace                   allocation.go what to label next
//	adaptive.go       sampling that follows a spike      privacy.go    what may be shown to whom
//
// Read rate.go first, then strata.go: the rest speaks their language. The
// floor they stand on is kernel.go (special functions, tails in log space).
// verdict.go and estimate.go are the words everything else answers in.
//
// Each published number is a test, within 1e-9. Simulations are short by
// default; go test ./internal/stats -full runs them at full length.
package stats
