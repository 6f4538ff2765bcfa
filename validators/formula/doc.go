// Package formula evaluates Excel formulas and judges them.
//
// It is an evaluator of our own: text in, value out, no I/O, no clock, no
// randomness, no goroutines. The libraries that exist disagree with Excel
// silently on array forms and lack dynamic arrays, LET and LAMBDA, so a verdict
// built on them would accuse the innocent.
//
//	text ─ lex.go ─▶ tokens ─ parse.go ─▶ tree ─ eval.go ─▶ Value ─ check.go ─▶ Outcome
//	                                        │                  ▲
//	                                   findings.go       functions.go → math.go, text.go, …
//
// # Contract
//
// Check never panics and never blames a formula for what we cannot do: a
// function we do not know well enough, a volatile or external function, a
// spent budget, all are "inconclusive" with their reason. "fail" needs an
// expected value, or a formula that Excel itself would refuse.
//
// # Invariants
//
//   - Evaluation ends. Every loop over data pays for its steps, every text and
//     array for its bytes, every call for its depth (Limits), and the context
//     is looked at every thousand steps.
//   - The same input gives the same outcome. NOW, TODAY and the random family
//     are refused unless the caller says what time it is.
//   - Arrays are rectangular and hold plain values only; a reference becomes an
//     array when its cells are read.
//
// # Decisions
//
//   - A spent budget unwinds by panic with a private type and is recovered at
//     the one door (run in eval.go). Every other way needs a check in each of
//     hundreds of loops, and the one that is forgotten hangs.
//   - Whole columns are arrays whose tail is one value (Array.fill), so that
//     SUMPRODUCT((A:A="x")*B:B) costs what its filled cells cost.
//   - A formula has three readings (Entered): as typed into a current Excel, as
//     stored by an Excel before dynamic arrays (implicit intersection), and
//     entered as an array. The parameter classes in functions.go decide what an
//     argument becomes in each.
//
// Read eval.go first.
package formula
