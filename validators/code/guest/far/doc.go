// Package far is one end of the line between code and its tests, as guests of
// WebAssembly that were compiled from Go. Values cross by their shape, taken
// apart and put together again; nothing that crosses has to be believed.
package far
