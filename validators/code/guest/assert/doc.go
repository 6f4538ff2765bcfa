// Package assert is what tests in Go are given for the package of that name
// which most of them use: the same words for the commonest of its assertions.
package assert
