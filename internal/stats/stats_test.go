package stats

import (
	"errors"
	"flag"
	"math"
	"os"
	"testing"

	"assay/internal/fault"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// A failing property prints its seed; it need not also leave a file here.
	if err := flag.Set("rapid.nofailfile", "true"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// full runs the simulations at their whole length; without it they are short
// enough for every save of a file.
var full = flag.Bool("full", false, "run the simulations at full length")

// runs is a simulation's length: the short one, or the whole one under -full.
func runs(short, whole int) int {
	if *full {
		return whole
	}
	return short
}

// near compares as the vectors are meant: within 1e-9, relative above 1.
func near(t *testing.T, what string, want, got float64) {
	t.Helper()
	within(t, what, want, got, 1e-9)
}

func within(t *testing.T, what string, want, got, tolerance float64) {
	t.Helper()
	if want == got {
		return
	}
	if !(math.Abs(got-want) <= tolerance*max(1, math.Abs(want))) {
		t.Errorf("%s: want %.16g, got %.16g (off by %.3g)", what, want, got, got-want)
	}
}

func nearInterval(t *testing.T, what string, low, high float64, got Interval) {
	t.Helper()
	near(t, what+" low", low, got.Low)
	near(t, what+" high", high, got.High)
}

func nearAll(t *testing.T, what string, want, got []float64) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%s: want %d numbers, got %d: %v", what, len(want), len(got), got)
	}
	for i := range want {
		near(t, what, want[i], got[i])
	}
}

// must unwraps a result whose input is known to be right.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// refused checks that wrong input is a typed error of kind Invalid.
func refused(t *testing.T, what string, err error) {
	t.Helper()
	var wrong *InputError
	if !errors.As(err, &wrong) || !errors.Is(err, fault.Invalid) {
		t.Errorf("%s: want an InputError of kind invalid, got %v", what, err)
	}
}
