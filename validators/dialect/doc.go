// Package dialect runs statements on engines that are processes of their own:
// ClickHouse and PostgreSQL. Each is started when a statement first needs it,
// belongs to the validators alone, holds nothing but the tables of one job at a
// time, and ends when it was not needed for a while.
//
//	Judge(dialect, job) ─▶ start, canaries ─▶ schema in a database of the job's own ─▶ query.Judge
//
// # Invariants
//
//   - The product's own databases are never asked: engines here have folders,
//     addresses and passwords of their own.
//   - An engine that answers a canary wrongly, or cannot be had, judges nothing:
//     its statements are inconclusive with the reason.
//   - Time is kept on this side. A statement that does not end with its own limit
//     ends with its engine.
package dialect
