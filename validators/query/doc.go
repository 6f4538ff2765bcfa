// Package query is what is known of SQL whatever the engine: a statement's
// tokens and shape, what looks wrong in it, the nearest real name to an invented
// one, whether two results are the same answer, and what verdict that is.
//
// # Decisions
//
//   - What parses is the engine's to say. A shape that is not understood here has
//     no findings.
//   - A pass needs rows: two empty results are the same for every wrong query, so
//     that they are inconclusive.
//   - Rows that the expected query ties may stand in any order. Where its LIMIT
//     cuts through a tie, a result that keeps others of the tied rows is
//     inconclusive: it may be as right.
//   - A statement's own errors are a fail, whatever is expected: a table or column
//     that does not exist is the commonest hallucination. Errors of the schema, of
//     the expected query, of time and of size are inconclusive.
//
// Read judge.go first.
package query
