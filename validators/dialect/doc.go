// Package dialect runs statements on the engines of SQL's dialects beside SQLite.
// ClickHouse and PostgreSQL are processes of their own. Each is started when a statement first needs it,
// belongs to the validators alone, holds nothing but the tables of one job at a
// time, and ends when it was not needed for a while.
//
// DuckDB is a library and runs in the sandbox, a child for each statement.
//
//	Judge(dialect, job) ─▶ start, canaries ─▶ schema in a database of the job's own ─▶ query.Judge
//
// # Invariants
//
//   - The product's own databases are never asked: engines here have folders,
//     addresses and passwords of their own.
//   - An engine that answers a canary wrongly, or cannot be had, judges nothing:
//     its statements are inconclusive with the reason.
//   - A statement for PostgreSQL is read by its own grammar, in the sandbox, and
//     held against a list before the server sees it (parse.go, allowed.go).
//   - The kernel holds the servers back too: Landlock leaves them their own folder
//     and no TCP, a filter refuses the calls no database makes. It is a list of
//     refused calls, not of allowed ones as in the sandbox: a server needs too
//     many. Where the kernel lacks a part the verdict's tier does not name it.
//   - Time is kept on this side. A statement that does not end with its own limit
//     ends with its engine.
package dialect
