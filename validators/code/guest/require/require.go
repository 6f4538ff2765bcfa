//go:build wasip1

package require

// TestingT is who is told that an assertion does not hold.
type TestingT interface {
	Errorf(format string, args ...any)
	FailNow()
}

// Assertions are the assertions of one test.
type Assertions struct{ t TestingT }

// New makes assertions for a test.
func New(t TestingT) *Assertions { return &Assertions{t} }
