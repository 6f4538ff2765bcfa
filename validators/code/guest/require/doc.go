// Package require is what tests in Go are given for the package of that name:
// the assertions of package assert, which end the test where they do not hold.
package require
