// Package text checks what an answer says against what it was given to rely on,
// without a model: citations resolve, quotations occur, and numbers and dates
// stand in the context or follow from it.
//
//	response ─▶ claims (citation, quotation, quantity, date, name) ─▶ looked for in the context ─▶ outcome
//
// # Contract
//
// A fail names something that can be pointed at: a quotation that nobody wrote, a
// citation of a source that was not given, a precise quantity or a date that the
// context neither states nor yields. A pass says what was found, not that the
// answer is right. Names that the context does not have, and small or round
// numbers, are findings for a person and never a fail by themselves.
//
// Everything is linear in the texts but the search for derived quantities, which
// is bounded (quantity.go).
package text
