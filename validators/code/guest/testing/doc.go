// Package testing is what tests in Go are given for the package of that name:
// the same words, with a report to the host at the end.
package testing
