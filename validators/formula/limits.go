package formula

import "cmp"

// Limits bound one evaluation. A zero field means its default.
type Limits struct {
	Steps int `json:"steps,omitempty"` // operations on single values; 10 million
	Bytes int `json:"bytes,omitempty"` // texts and arrays made, in sum; 256 MiB
	Depth int `json:"depth,omitempty"` // nested evaluations; 12,000
	Calls int `json:"calls,omitempty"` // nested calls of lambdas; 1,024
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Steps: cmp.Or(l.Steps, 10_000_000),
		Bytes: cmp.Or(l.Bytes, 256<<20),
		Depth: cmp.Or(l.Depth, 12_000),
		Calls: cmp.Or(l.Calls, 1_024),
	}
}

// maxTextLength is how long a text Excel lets a formula make, in UTF-16 units.
const maxTextLength = 32767

// Refusal says why there is no value: not a fault of the formula, except for a
// circle.
type Refusal struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// The reasons of refusals, and of outcomes.
const (
	ReasonStepLimit   = "step_limit"
	ReasonMemoryLimit = "memory_limit"
	ReasonDepthLimit  = "depth_limit"
	ReasonTimeout     = "timeout"
	ReasonCircular    = "circular_reference"
	ReasonUnsupported = "unsupported_function"
	ReasonVolatile    = "volatile_function"
	ReasonExternal    = "external_reference"
	ReasonArguments   = "argument_count"
	ReasonParse       = "parse_error"
	ReasonInput       = "invalid_input"
	ReasonInternal    = "internal"
)

// stop unwinds an evaluation that cannot go on; see doc.go for why it panics.
type stop struct{ refusal Refusal }

func refuse(reason, message string) {
	panic(stop{Refusal{reason, message}})
}
