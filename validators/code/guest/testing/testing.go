//go:build wasip1

package testing

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"assay/validators/code/guest/far"
)

// TB is what tests and benchmarks share.
type TB interface {
	Cleanup(func())
	Context() context.Context
	Error(args ...any)
	Errorf(format string, args ...any)
	Fail()
	FailNow()
	Failed() bool
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Helper()
	Log(args ...any)
	Logf(format string, args ...any)
	Name() string
	Skip(args ...any)
	SkipNow()
	Skipf(format string, args ...any)
	Skipped() bool
}

type common struct {
	name            string
	parent          *common
	failed, skipped bool
	cleanups        []func()
}

// first is the first thing that did not hold, in all of the tests.
var first struct {
	said string
	line int
	set  bool
}

func (c *common) Name() string             { return c.name }
func (c *common) Failed() bool             { return c.failed }
func (c *common) Skipped() bool            { return c.skipped }
func (c *common) Helper()                  {}
func (c *common) Log(...any)               {}
func (c *common) Logf(string, ...any)      {}
func (c *common) Cleanup(f func())         { c.cleanups = append(c.cleanups, f) }
func (c *common) Context() context.Context { return context.Background() }

func (c *common) Fail() { c.fail("") }

func (c *common) fail(said string) {
	for at := c; at != nil; at = at.parent {
		at.failed = true
	}
	if !first.set {
		first.set, first.said, first.line = true, strings.TrimSpace(said), far.TestLine()
	}
}

func (c *common) FailNow() {
	c.fail("")
	runtime.Goexit()
}

func (c *common) Error(args ...any)                 { c.fail(fmt.Sprintln(args...)) }
func (c *common) Errorf(format string, args ...any) { c.fail(fmt.Sprintf(format, args...)) }
func (c *common) Fatal(args ...any)                 { c.fail(fmt.Sprintln(args...)); runtime.Goexit() }
func (c *common) Fatalf(format string, args ...any) {
	c.fail(fmt.Sprintf(format, args...))
	runtime.Goexit()
}
func (c *common) SkipNow()             { c.skipped = true; runtime.Goexit() }
func (c *common) Skip(...any)          { c.SkipNow() }
func (c *common) Skipf(string, ...any) { c.SkipNow() }

// T is one test.
type T struct{ common }

// Parallel does nothing: tests run one after the other.
func (t *T) Parallel() {}

// Deadline is that there is none of the test's own.
func (t *T) Deadline() (time.Time, bool) { return time.Time{}, false }

// Setenv sets a variable for the rest of the test.
func (t *T) Setenv(key, value string) {
	before, there := syscall.Getenv(key)
	os.Setenv(key, value)
	t.Cleanup(func() {
		if there {
			os.Setenv(key, before)
		} else {
			os.Unsetenv(key)
		}
	})
}

// Run runs a part of a test.
func (t *T) Run(name string, f func(t *T)) bool {
	part := &T{common{name: t.name + "/" + name, parent: &t.common}}
	part.run(f)
	return !part.failed
}

// run runs a test in a goroutine of its own, as one may end itself.
func (t *T) run(f func(t *T)) {
	done := make(chan any, 1)
	go func() {
		ended := false
		defer func() {
			r := recover()
			for i := len(t.cleanups) - 1; i >= 0; i-- {
				t.cleanups[i]()
			}
			if r != nil && !ended {
				raised(r)
			}
			done <- nil
		}()
		f(t)
		ended = true
	}()
	<-done
}

// raised ends everything with a panic of the code or of the tests.
func raised(r any) {
	switch r := r.(type) {
	case far.Gone:
		far.Report("gone", "", 0, 0)
	case far.Apart:
		far.Report("apart", r.What, 0, 0)
	case far.Raised:
		far.Report("raised", r.Text, far.TestLine(), r.Line)
	default:
		far.Report("raised", far.Text(r), far.TestLine(), far.CodeLine())
	}
	os.Exit(0)
}

// M is all tests together.
type M struct{ tests []InternalTest }

// Run runs the tests up to the first that does not hold, reports, and returns
// the code to end with.
func (m *M) Run() int {
	for _, test := range m.tests {
		t := &T{common{name: test.Name}}
		t.run(test.F)
		if first.set {
			break
		}
	}
	return report()
}

func report() int {
	if first.set {
		far.Report("failed", first.said, first.line, 0)
		return 1
	}
	far.Report("held", "", 0, 0)
	return 0
}

// InternalTest is a test by its name.
type InternalTest struct {
	Name string
	F    func(*T)
}

// Judge runs tests, or the function that the tests are, and reports.
func Judge(main func(*M), program func(), tests ...InternalTest) {
	far.Format = func(v any) string { return fmt.Sprintf("%#v", v) }
	m := &M{tests}
	whole := &T{common{name: "main"}}
	whole.run(func(*T) {
		switch {
		case program != nil:
			program()
		case main != nil:
			main(m)
		default:
			m.Run()
		}
	})
	report()
}

// B is a benchmark, which nobody runs.
type B struct {
	common
	N int
}

// ResetTimer does nothing.
func (b *B) ResetTimer() {}

// StartTimer does nothing.
func (b *B) StartTimer() {}

// StopTimer does nothing.
func (b *B) StopTimer() {}

// ReportAllocs does nothing.
func (b *B) ReportAllocs() {}

// Loop ends at once.
func (b *B) Loop() bool { return false }

// Run does nothing.
func (b *B) Run(string, func(*B)) bool { return true }

// F is a fuzz target, which nobody runs.
type F struct{ common }

// Add does nothing.
func (f *F) Add(...any) {}

// Fuzz does nothing.
func (f *F) Fuzz(any) {}

// Short reports that short tests are wanted.
func Short() bool { return false }

// Verbose reports that nobody reads what tests say.
func Verbose() bool { return false }
