// Package browsertest holds what tests ask of a page that is open in a real
// browser. It starts none: each test has its own way to drive one.
package browsertest

import _ "embed"

// Overlaps is an expression that gives the words of the open page that are
// drawn over other words, one sentence for each; what floats on purpose (bars
// that stick, dialogs, popovers) is left out.
//
//go:embed overlap.js
var Overlaps string
