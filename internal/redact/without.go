package redact

import "slices"

// Without returns the policy less some kinds. Text that a machine will read
// needs it: in a formula or a program "#REF" is no order id.
func (p *Policy) Without(kinds ...Kind) *Policy {
	less := *p
	less.only = map[Kind]bool{}
	for _, kind := range Kinds {
		less.only[kind] = (p.only == nil || p.only[kind]) && !slices.Contains(kinds, kind)
	}
	return &less
}
