//go:build wasip1

package assert

import "assay/validators/code/guest/far"

// leave passes on what is no panic of the code: that nobody answers.
func leave(r any) {
	switch r.(type) {
	case far.Gone, far.Apart:
		panic(r)
	}
}

// itself is the value that the code panicked with.
func itself(r any) any {
	if raised, ok := r.(far.Raised); ok {
		return raised.Value
	}
	return r
}
