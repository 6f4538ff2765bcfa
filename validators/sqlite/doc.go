// Package sqlite runs one statement that a model wrote against a schema and
// holds its result against the expected one. It runs in the sandbox's child; the
// engine is SQLite translated to Go, so that what it may touch is a slice of
// memory.
//
//	schema ─▶ image (kept for the next job) ─▶ copy ─▶ authorizer, limits ─▶ query.Judge ─▶ expected query, statement
//
// # Decisions
//
//   - An expected query without an order is run a second time with its tables
//     read backwards: what comes out otherwise is an accident of the engine.
//   - The engine panics when it runs out of memory. It is discarded then, and the
//     child goes on with a new one.
//   - Text in double quotes is text where it names nothing, as the engine has it:
//     what models write relies on it.
package sqlite
