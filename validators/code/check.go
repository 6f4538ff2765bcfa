package code

import (
	"fmt"
	"strings"
)

// Job is one program with what it is held against.
type Job struct {
	Language string  `json:"language"`
	Code     string  `json:"code"`
	Entry    string  `json:"entry"`
	Tests    *string `json:"tests,omitempty"`
	Stdin    string  `json:"stdin"`
	Stdout   *string `json:"stdout,omitempty"`
}

// Outcome is what came of it.
type Outcome struct {
	Verdict  string   `json:"verdict"`
	Reason   string   `json:"reason"`
	Message  string   `json:"message"`
	Evidence Evidence `json:"evidence"`
}

// Evidence is what a person can look at.
type Evidence struct {
	Language string    `json:"language"`
	Findings []Finding `json:"findings,omitempty"`
	Call     string    `json:"call,omitempty"`     // the last call the tests made
	Returned string    `json:"returned,omitempty"` // and what came back
	Test     string    `json:"test,omitempty"`     // the line of the tests that did not hold
	Line     int       `json:"line,omitempty"`     // of the code, from 1
	Source   string    `json:"source,omitempty"`   // that line
	Error    string    `json:"error,omitempty"`
	Calls    int       `json:"calls,omitempty"`
	Trusting bool      `json:"trusting,omitempty"`   // the verdict rests on the code's own word
	Tier     string    `json:"tier,omitempty"`       // of the sandbox, where it is not the usual one
	Cut      bool      `json:"output_cut,omitempty"` // it said more than is kept
	Printed  string    `json:"stdout,omitempty"`
	Wanted   string    `json:"expected_stdout,omitempty"`
	Differs  int       `json:"differs_at_line,omitempty"` // of what was printed, from 1
}

// Finding is something wrong that can be seen without running.
type Finding struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Line    int    `json:"line"`
	Nearest string `json:"nearest,omitempty"`
	Message string `json:"message"`
}

// The verdicts, as the validators' are.
const (
	pass         = "pass"
	fail         = "fail"
	inconclusive = "inconclusive"
)

// Reasons.
const (
	ReasonHeld        = "tests_passed"
	ReasonPrinted     = "output_equal"
	ReasonRuns        = "runs"
	ReasonAssertion   = "assertion"
	ReasonRaised      = "raised"
	ReasonOutput      = "wrong_output"
	ReasonExit        = "exit_code"
	ReasonPrintedMuch = "output_limit"
	ReasonSyntax      = "syntax_error"
	ReasonCompile     = "compile_error"
	ReasonUndefined   = "undefined_name"
	ReasonInvented    = "invented_name"
	ReasonPackage     = "missing_package"
	ReasonEnvironment = "needs_environment"
	ReasonGone        = "ended_itself"
	ReasonMemory      = "memory_limit"
	ReasonTests       = "tests_unusable"
	ReasonLanguage    = "unsupported_language"
	ReasonEngine      = "engine_missing"
	ReasonUnread      = "unreadable"
)

// MaxSource is the largest program, in bytes, and the largest tests.
const MaxSource = 256 << 10

// Limits of what is read and shown.
const (
	maxShown   = 2_000
	maxPrinted = 1 << 20  // what is kept of what a program prints
	maxFrames  = 64 << 20 // bytes that cross between two guests
	guestSpace = 256 << 20
)

// clip cuts what is shown, at a rune.
func clip(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown], "") + "…"
}

// lineOf returns a line of a text, from 1.
func lineOf(text string, n int) string {
	lines := strings.Split(text, "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return clip(strings.TrimRight(lines[n-1], " \t\r"))
}

// comparePrinted holds what was printed against what was wanted: line by line,
// white space at the ends of lines and empty lines at the end aside.
func comparePrinted(out Outcome, printed, wanted string) Outcome {
	if len(printed) >= maxPrinted {
		out.Verdict, out.Reason, out.Message = inconclusive, ReasonPrintedMuch, fmt.Sprintf("It printed more than %d KiB, of which the beginning is kept.", maxPrinted>>10)
		out.Evidence.Cut, out.Evidence.Printed = true, clip(printed)
		return out
	}
	got, want := printedLines(printed), printedLines(wanted)
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			out.Message = fmt.Sprintf("It printed %d of %d lines.", len(got), len(want))
		case i >= len(want):
			out.Message = fmt.Sprintf("It printed %d lines where %d are expected.", len(got), len(want))
		case got[i] == want[i]:
			continue
		default:
			out.Message = fmt.Sprintf("Line %d of what it printed is wrong.", i+1)
		}
		out.Verdict, out.Reason = fail, ReasonOutput
		out.Evidence.Differs, out.Evidence.Printed, out.Evidence.Wanted = i+1, clip(printed), clip(wanted)
		return out
	}
	out.Verdict, out.Reason, out.Message = pass, ReasonPrinted, "It printed what is expected."
	out.Evidence.Printed = clip(printed)
	return out
}

func printedLines(text string) []string {
	lines := strings.Split(strings.TrimRight(text, " \t\r\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\r")
	}
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	return lines
}

// count words a number of things.
func count(n int, one string) string {
	if n == 1 {
		return "one " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
