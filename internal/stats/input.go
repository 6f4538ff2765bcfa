package stats

import (
	"fmt"
	"math"

	"assay/internal/fault"
)

// InputError says which argument cannot be computed with. The same input stays
// wrong, so its kind is fault.Invalid.
type InputError struct {
	Argument string // the parameter's name
	Got      any    // what was given
	Must     string // what it must be, as the end of "… must be …"
}

func (e *InputError) Error() string {
	return fmt.Sprintf("%s is %v and must be %s", e.Argument, e.Got, e.Must)
}

// Unwrap lets errors.Is(err, fault.Invalid) hold.
func (e *InputError) Unwrap() error { return fault.Invalid }

func invalid(argument string, got any, must string) error {
	return &InputError{Argument: argument, Got: got, Must: must}
}

// firstOf returns the first error that is one, so that a function lists what
// it demands of its arguments in one statement.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func checkCounts(k, n int) error {
	if n < 0 {
		return invalid("n", n, "at least 0")
	}
	if k < 0 || k > n {
		return invalid("k", k, fmt.Sprintf("between 0 and n = %d", n))
	}
	return nil
}

// checkLevel guards confidence levels and error probabilities alike: both are
// strictly inside (0,1).
func checkLevel(name string, level float64) error {
	if !(level > 0 && level < 1) {
		return invalid(name, level, "strictly between 0 and 1")
	}
	return nil
}

func checkShare(name string, p float64) error {
	if !(p >= 0 && p <= 1) {
		return invalid(name, p, "between 0 and 1")
	}
	return nil
}

func checkProbability(name string, p float64) error {
	if !(p > 0 && p <= 1) {
		return invalid(name, p, "above 0 and at most 1")
	}
	return nil
}

func checkPositive(name string, x float64) error {
	if !(x > 0) || !finite(x) {
		return invalid(name, x, "positive and finite")
	}
	return nil
}

func checkNonNegative(name string, x float64) error {
	if !(x >= 0) || !finite(x) {
		return invalid(name, x, "at least 0 and finite")
	}
	return nil
}

func checkCount(name string, n int) error {
	if n < 0 {
		return invalid(name, n, "at least 0")
	}
	return nil
}
