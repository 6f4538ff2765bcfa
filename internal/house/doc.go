// Package house is empty on purpose: its test is the architecture.
package house
