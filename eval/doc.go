// Package eval weighs what people and machines found: rates with their
// intervals, policies on live traffic, incidents, and the gate that a fix has
// to pass before it may replace what failed.
//
//	traces ──▶ policy ──▶ alert ──▶ incident ──▶ handoff ──▶ runs ──▶ decision ──▶ two signatures ──▶ promotion
//	labels ──▶ rate                              (frozen)    (uploaded)  (pure)       (on one hash)
//
// What holds, whatever the program does:
//
//   - Monitoring never approves. A policy opens an incident and nothing else;
//     only evidence on the frozen cases and two people open the gate.
//   - A decision is a pure function of the frozen contract and the stored
//     results (Decide). Check recomputes it on every question and trusts no
//     stored status, so the answer to a pipeline is never older than the rows.
//   - A signature is bound to the hash of the evidence. New evidence has
//     another hash, and the old signatures are void.
//   - Who signs is a release manager who neither asked for the handoff nor
//     wrote the candidate, and the database refuses all others: see the
//     triggers beside the tables.
//   - Missing, broken or unscored is never good. No data improves nothing.
//
// Decisions that were made, and why:
//
//   - A violation that a trace field decides fails at once, also while cases
//     are missing: no further evidence could undo it. One that rests on a
//     person's label waits for adjudication, since a labeler with two wrong
//     labels in a hundred would fail almost every perfect holdout of 299.
//   - Each later candidate for one incident has half the error probability of
//     the one before, so that trying often does not open the gate.
//   - Without a measured baseline a candidate is compared with what live
//     traffic abstained on; one that answers nothing never passes.
//
// Read gate.go first, then decision.go.
package eval
