// Package validators checks responses by machine. A validator says one of three
// things about one input, with evidence: pass, fail, inconclusive.
//
//	artifact ─▶ checks (asked) ─▶ batch: canaries, then each ─▶ verdicts ─▶ outbox ─▶ telemetry
//	                                   │                           │
//	                                   ▼ sandbox                   ▼ beside the response, in its label's provenance
//
// # Contract
//
// A verdict is a machine's opinion with evidence. It flags, explains and is
// weighed against people; by itself it never sets a rate. What could not be
// found out (time, memory, an unknown function or dialect, a sandbox's fault) is
// inconclusive, never a fail.
//
// # Invariants
//
//   - What a model wrote is read and run in the sandbox alone.
//   - The same input and the same versions have the same verdict: it is kept and
//     not made again.
//   - No verdict of a batch is written before all its validator's canaries were
//     answered as they must be. One wrong answer suspends the validator, and
//     marks the window since they were last right.
//   - Expected values and tests are compared by the host; code under test never
//     sees them.
//   - Infrastructure errors are tried again, up to a limit; verdicts never.
//
// # Decisions
//
//   - What is to be checked waits in a table (checks) with a lease, rather than
//     in job arguments: canaries belong to a batch, and a batch to one validator.
//   - Versions name the engines behind a plus, as semantic versions do, so that a
//     new engine means a new verdict.
//
// Read set.go, then formula.go.
package validators
