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
//	rate.go            one rate from equal labels        sampling.go  who is drawn, and with what probability
//	strata.go          the rate of all traffic           hajek.go     the same from unequal weights, clusters, domains
//	twophase.go        when labels are read twice        verdicts.go  machine verdicts on all, people on some
//	difference.go      two versions, independent         paired.go    two versions on the same cases
//	noninferiority.go  "no worse than by a margin"       eprocess.go  the same, looked at as often as one likes
//	slo.go cusum.go    budgets, alerts, spikes           percentile.go latencies
//	agreement.go       do labelers agree                 dawidskene.go what is the label, then
//	allocation.go      what to label next                adaptive.go  sampling that follows a spike
//	privacy.go         what may be shown to whom
//
// Read rate.go first, then strata.go: the rest speaks their language. The
// floor they stand on is kernel.go (special functions, tails in log space).
package stats
