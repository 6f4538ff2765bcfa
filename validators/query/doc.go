// Package query is what is known of SQL without an engine: its tokens and
// shape, what looks wrong in it, the nearest real name to an invented one, and
// whether two results are the same answer. Pure: text and rows in, findings out.
//
// It reads any dialect loosely and never decides a verdict from the text alone:
// what parses is the engine's to say. A shape it does not understand has no
// findings.
package query
