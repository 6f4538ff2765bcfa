// Package wasm runs engines that were compiled to WebAssembly, inside a child
// of the sandbox.
//
//	parent: Find ▶ Prepare (without debugging sections, compiled into a cache)
//	child:  Load (from the cache, before the lock-down) ▶ Start, once for each guest
//
// A guest has a memory of its own, up to a cap, the pipes it is given, a clock
// and randomness, and nothing else: no files, no sockets, no processes. Behind
// that wall stands the child's own (package sandbox), which a guest that found
// a fault of the runtime would meet next.
//
// The cache holds machine code. Only the parent writes it, and children cannot.
package wasm
