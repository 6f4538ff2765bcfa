// Package code runs programs that a model wrote, against tests that they never
// see.
//
//	host (a child of the sandbox)
//	  guest: the code under test      ◀── frames ──▶      guest: the tests
//	  answers calls with values                           compares them
//
// # Contract
//
// Both are interpreters compiled to WebAssembly, each with a memory of its own.
// The tests call the code's functions as if they were theirs; arguments and
// results cross as plain values, which are taken apart and put together again.
// What is no plain value (an instance of a class of the code) stays where it is
// and is asked through a stand-in; once such a thing has itself compared, or the
// tests need what cannot be shared, the verdict says that it trusts the code.
//
// # Invariants
//
//   - Neither a test nor an expected value enters the guest of the code. A
//     program that prints a pass marker, ends with code 0 or overwrites
//     comparison in its own interpreter changes nothing but its own answers.
//   - What is said of a source without running it is said before it runs.
//   - A guest that ends in the middle, is out of memory or traps proves nothing:
//     inconclusive.
//
// # Decisions
//
//   - Go is judged by its own compiler and not by an interpreter of Go: what one
//     of those cannot do, or does otherwise, would be held against the code. The
//     toolchain of the machine compiles in a child that may start the compiler
//     and the linker and write into one folder; what comes of it runs in another
//     child, interpreted, since a child that has seen a job makes no machine
//     code. Two small guests cost less to read than to translate.
//   - Tests in Go find packages of ours where they import testing and testify's
//     assert and require: they report to the host, and the linker leaves out
//     half of what the real ones bring.
//   - Values of Go cross by their shape. Where a test could see that (an error
//     compared by identity, a pointer in two places) and something does not
//     hold, code and tests run once more in one guest: a fail of the line is
//     none of the code.
//
// Read python.go, then python.py; golang_build.go for what is compiled.
package code
