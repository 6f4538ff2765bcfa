// Package duckdb judges one DuckDB statement on a throw-away database in
// memory. It runs in a child of the sandbox.
//
//	library loaded ─▶ lock-down of the child ─▶ database, settings locked ─▶ schema ─▶ query.Judge
//
// # Invariants
//
//   - The engine is C++ that reads a stranger's text: a child of it does one job.
//   - It is told to touch nothing outside itself (external access off, no
//     extension, settings locked) before it sees that text, and the child's
//     filter takes files and sockets away whatever it was told.
//   - The statement is one question to the engine's own parser, and runs in a
//     transaction that only reads.
//
// # Decisions
//
//   - The library is called without a C compiler, by the addresses of its
//     functions. A struct that C passes by value goes where its calling
//     convention puts it, which is why there is a processor this does not run on.
//   - The database is opened behind the lock-down: before it the engine finds that
//     the kernel's facts about the machine exist and may not be read, and ends.
//     Where there is no filter there is no DuckDB.
//   - Cells of types that are more than a number or a text are cast to text by
//     the engine itself: it knows how it writes them.
//
// Read check.go first.
package duckdb
