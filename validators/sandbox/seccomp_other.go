//go:build !amd64 && !arm64

package sandbox

// allowedCalls is empty: a processor whose calls we have not listed has no
// filter, and says so.
var allowedCalls []uintptr

var toolCalls, programCalls []uintptr
