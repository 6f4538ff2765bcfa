// Package sqlite runs one statement that a model wrote against a schema and
// holds its result against the expected one. It runs in the sandbox's child; the
// engine is SQLite translated to Go, so that what it may touch is a slice of
// memory.
//
//	schema ─▶ image (kept for the next job) ─▶ copy ─▶ authorizer, limits ─▶ expected, twice ─▶ statement ─▶ query.Compare
//
// # Decisions
//
//   - A pass needs rows: two empty results are the same for every wrong query, so
//     that they are inconclusive.
//   - The expected query is run a second time with its tables read backwards. Where
//     its order changes, rows are tied and their order does not count; where its
//     rows change, a LIMIT cuts through a tie and only a pass can be known.
//   - Errors of the statement's text are a fail, whatever is expected: a table or
//     column that does not exist is the commonest hallucination. Errors of the
//     schema, the expected query, time and size are inconclusive.
package sqlite
