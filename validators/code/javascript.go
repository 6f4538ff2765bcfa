package code

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"assay/validators/sandbox"
	"assay/validators/wasm"
)

// QuickJS is the interpreter that JavaScript is judged in.
var QuickJS = wasm.Engine{Name: "QuickJS for WebAssembly", Version: "3.6.2", Package: "quickjs-wasi/quickjs.wasm"}

//go:embed javascript.js
var javascriptDriver string

// OpenJavaScript loads the interpreter in the child.
func OpenJavaScript(files sandbox.Files) (sandbox.Work, error) {
	engine, err := wasm.Load(context.Background(), files, guestSpace, hostFunctions)
	if err != nil {
		return nil, err
	}
	return work(func(ctx context.Context, job Job) Outcome { return javascript{engine, job}.check(ctx) }), nil
}

// javascript is one check of JavaScript.
type javascript struct {
	engine *wasm.Loaded
	job    Job
}

// blame is what the driver says of an error.
type blame struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	Far     bool   `json:"far"`  // it was thrown by the code, and reached the tests
	Code    int    `json:"code"` // line of the code, from 1; 0 is none
	Test    int    `json:"test"` // line of the tests
	Exit    int    `json:"exit"` // code of process.exit, or -1
	Missing bool   `json:"missing"`
}

func (b blame) String() string { return strings.TrimSuffix(b.Name+": "+b.Message, ": ") }

func (j javascript) check(ctx context.Context) Outcome {
	out := Outcome{Verdict: inconclusive, Evidence: Evidence{Language: "javascript"}}
	code, codeCtx, err := startJS(ctx, j.engine)
	if err != nil {
		return j.ended(out, err)
	}
	defer code.close(ctx)
	seen, err := lookAtScript(codeCtx, code, j.job.Code)
	if err != nil {
		return j.ended(out, err)
	}
	out.Evidence.Findings = seen
	if j.job.Stdout != nil {
		if _, err := code.do(codeCtx, "input", j.job.Stdin); err != nil {
			return j.ended(out, err)
		}
	}
	if b, err := j.load(codeCtx, code); err != nil {
		return j.ended(out, err)
	} else if b != nil && (b.Exit != 0 || j.job.Stdout == nil) {
		return j.raised(out, *b, true)
	}
	switch {
	case j.job.Stdout != nil:
		printed, err := code.do(codeCtx, "output", "")
		if err != nil {
			return j.ended(out, err)
		}
		return comparePrinted(out, printed, *j.job.Stdout)
	case j.job.Tests == nil:
		return j.withoutTests(out)
	}
	return j.test(ctx, codeCtx, code, out)
}

// moduleSyntax is what only a module may say.
var moduleSyntax = regexp.MustCompile(`(?m)^\s*(?:import\s*[\w{*"']|export\s+|.*\bawait\b)`)

// load runs the code; a blame says what it threw.
func (j javascript) load(ctx context.Context, in *interpreter) (*blame, error) {
	value, err := in.eval(ctx, j.job.Code, "<code>", 0)
	b, err := in.blamed(ctx, err)
	if b != nil && b.Name == "SyntaxError" && moduleSyntax.MatchString(j.job.Code) {
		value, err = in.eval(ctx, j.job.Code, "<code>", 1)
		if err == nil {
			value, err = in.settled(ctx, value)
		}
		if b, err = in.blamed(ctx, err); b == nil && err == nil {
			_, err = in.apply(ctx, "adopt", value)
		}
		return b, err
	}
	if b != nil || err != nil {
		return b, err
	}
	_, err = in.do(ctx, "drain", "")
	return in.blamed(ctx, err)
}

// blamed asks the driver about what a script threw.
func (in *interpreter) blamed(ctx context.Context, err error) (*blame, error) {
	var t thrown
	if !errors.As(err, &t) {
		return nil, err
	}
	text, err := in.apply(ctx, "blame", t.handle)
	if err != nil {
		return nil, err
	}
	var b blame
	return &b, json.Unmarshal([]byte(text), &b)
}

var identifier = regexp.MustCompile(`[A-Za-z_$][\w$]*`)

// names are the identifiers of a text, each once.
func names(source string) []string {
	found := identifier.FindAllString(source, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// test runs the tests in an interpreter of their own.
func (j javascript) test(ctx, codeCtx context.Context, code *interpreter, out Outcome) Outcome {
	tests, testCtx, err := startJS(ctx, j.engine)
	if err != nil {
		return j.ended(out, err)
	}
	defer tests.close(ctx)
	tests.ask = func(_ context.Context, text string) (string, error) { return code.do(codeCtx, "answer", text) }
	code.ask = func(_ context.Context, text string) (string, error) { return tests.do(testCtx, "answer", text) }
	wanted, err := json.Marshal(append(names(*j.job.Tests), j.job.Entry))
	if err != nil {
		return j.ended(out, err)
	}
	lent, err := code.do(codeCtx, "lend", string(wanted))
	if err != nil {
		return j.ended(out, err)
	}
	entry, err := json.Marshal(j.job.Entry)
	if err != nil {
		return j.ended(out, err)
	}
	if _, err = tests.do(testCtx, "borrow", fmt.Sprintf("[%s,%s]", entry, lent)); err != nil {
		return j.ended(out, err)
	}
	b, err := tests.run(testCtx, *j.job.Tests)
	if err != nil {
		return j.ended(out, err)
	}
	said, err := tests.do(testCtx, "state", "")
	if err != nil {
		return j.ended(out, err)
	}
	var state struct {
		Trusted bool      `json:"trusted"`
		Strange bool      `json:"strange"`
		Last    [2]string `json:"last"`
		Calls   int       `json:"calls"`
	}
	if err := json.Unmarshal([]byte(said), &state); err != nil {
		return j.ended(out, err)
	}
	if b != nil && !b.Far && b.Name != "AssertionError" && state.Strange {
		return j.together(ctx, out)
	}
	out.Evidence.Call, out.Evidence.Returned = clip(state.Last[0]), clip(state.Last[1])
	out.Evidence.Calls, out.Evidence.Trusting = state.Calls, state.Trusted
	return j.judged(out, b)
}

// run runs the tests, with what they wait for.
func (in *interpreter) run(ctx context.Context, source string) (*blame, error) {
	if _, err := in.call(ctx, "qjs_set_promise_rejection_handler", 1); err != nil {
		return nil, err
	}
	var flags uint64
	if strings.Contains(source, "await") {
		flags = 1 << 7
	}
	value, err := in.eval(ctx, source, "<tests>", flags)
	if err == nil {
		_, err = in.settled(ctx, value)
	}
	if err == nil {
		_, err = in.do(ctx, "drain", "")
	}
	if err == nil && in.rejected != nil {
		return in.rejected, nil
	}
	return in.blamed(ctx, err)
}

// together runs what cannot be taken apart in one interpreter, and says so.
func (j javascript) together(ctx context.Context, out Outcome) Outcome {
	in, inCtx, err := startJS(ctx, j.engine)
	if err != nil {
		return j.ended(out, err)
	}
	defer in.close(ctx)
	out.Evidence.Trusting = true
	if b, err := j.load(inCtx, in); err != nil || b != nil {
		return j.ended(out, errors.Join(err, errors.New("it loads only once")))
	}
	if _, err := in.do(inCtx, "borrow", `["",[]]`); err != nil {
		return j.ended(out, err)
	}
	b, err := in.run(inCtx, *j.job.Tests)
	if err != nil {
		return j.ended(out, err)
	}
	return j.judged(out, b)
}

func (j javascript) judged(out Outcome, b *blame) Outcome {
	word := ""
	if out.Evidence.Trusting {
		word = " The verdict trusts the code: it compared its own objects."
	}
	if b == nil {
		out.Verdict, out.Reason, out.Message = pass, ReasonHeld, "All tests hold."+word
		if n := out.Evidence.Calls; n > 0 {
			out.Message = fmt.Sprintf("All tests hold, with %s of the code.%s", count(n, "call"), word)
		} else if !out.Evidence.Trusting {
			out.Verdict, out.Reason, out.Message = inconclusive, ReasonTests, "The tests hold without calling the code once."
		}
		return out
	}
	out.Evidence.Test = lineOf(*j.job.Tests, b.Test)
	if b.Far || b.Name != "AssertionError" {
		return j.raised(out, *b, b.Far || b.Code > 0)
	}
	out.Verdict, out.Reason, out.Message = fail, ReasonAssertion, "A test does not hold."
	if out.Evidence.Call != "" {
		out.Message = fmt.Sprintf("A test does not hold: %s gives %s.", short(out.Evidence.Call), short(out.Evidence.Returned))
	}
	out.Evidence.Error = clip(b.Message)
	return out
}

// notDefined is how the engine says that a name is none.
var notDefined = regexp.MustCompile(`^'?"?([\w$]+)'?"? is not defined$`)

// raised judges what was thrown, by the code or by tests that expect what it
// does not have.
func (j javascript) raised(out Outcome, b blame, byCode bool) Outcome {
	out.Evidence.Error, out.Evidence.Line, out.Evidence.Source = clip(b.String()), b.Code, lineOf(j.job.Code, b.Code)
	at := ""
	if b.Code > 0 {
		at = fmt.Sprintf(" in line %d", b.Code)
	}
	name := ""
	if m := notDefined.FindStringSubmatch(b.Message); m != nil {
		name = m[1]
	}
	switch {
	case b.Name == "SyntaxError" && byCode && b.Test == 0 && out.Evidence.Calls == 0:
		out.Verdict, out.Reason, out.Message = fail, ReasonSyntax, fmt.Sprintf("This is not JavaScript: %s%s.", b.Message, at)
	case b.Exit >= 0:
		out.Verdict, out.Reason, out.Message = fail, ReasonExit, fmt.Sprintf("It ended with code %d.", b.Exit)
	case b.Missing || strings.HasPrefix(b.Message, "could not load module"):
		out.Reason, out.Message = ReasonPackage, fmt.Sprintf("It needs what is not here: %s.", clip(b.Message))
	case strings.Contains(b.Message, "out of memory"), strings.Contains(b.Message, "string too long"):
		out.Reason, out.Message = ReasonMemory, fmt.Sprintf("It needed more than %d MiB of memory.", guestSpace>>20)
	case name != "" && slices.Contains(elsewhere, name):
		out.Reason, out.Message = ReasonEnvironment, fmt.Sprintf("It needs what a sandbox does not have: %s.", name)
	case !byCode && b.Name == "SyntaxError":
		out.Reason, out.Message = ReasonTests, fmt.Sprintf("The tests are not JavaScript: %s.", clip(b.Message))
	default:
		out.Verdict, out.Reason, out.Message = fail, ReasonRaised, fmt.Sprintf("It raised %s%s.", clip(b.String()), at)
		if !byCode && name != "" {
			out.Message = fmt.Sprintf("The tests call %s, which the code does not define.", name)
		}
		if f, ok := out.finding("invented_name", "undefined_name"); ok && byCode && (name == f.Name || b.Name == "TypeError" && f.Kind == "invented_name") {
			out.Reason = map[bool]string{true: ReasonUndefined, false: ReasonInvented}[f.Kind == "undefined_name"]
			out.Message = f.Message
		}
	}
	return out
}

func (j javascript) withoutTests(out Outcome) Outcome {
	if f, ok := out.finding("invented_name", "undefined_name"); ok {
		out.Verdict, out.Message, out.Evidence.Line = fail, f.Message, f.Line
		out.Reason = map[bool]string{true: ReasonUndefined, false: ReasonInvented}[f.Kind == "undefined_name"]
		return out
	}
	out.Verdict, out.Reason, out.Message = pass, ReasonRuns, "It runs, and refers only to what exists. There were no tests."
	return out
}

// ended is an interpreter that fell over, or a driver that could not go on:
// nothing is known of the code.
func (j javascript) ended(out Outcome, err error) Outcome {
	out.Verdict, out.Reason, out.Message = inconclusive, ReasonGone, "It ended its interpreter by itself, so that nothing can be said of it."
	var t trap
	switch {
	case errors.Is(err, errPending):
		out.Reason, out.Message = ReasonEnvironment, "It waits for something that never happens in a sandbox."
	case errors.As(err, &t) && strings.Contains(t.Error(), "memory"):
		out.Reason, out.Message = ReasonMemory, fmt.Sprintf("It needed more than %d MiB of memory.", guestSpace>>20)
	}
	return out
}

// JavaScriptProgram judges one program in JavaScript. Each has a child of its
// own.
var JavaScriptProgram = sandbox.Program{
	Name:    "javascript",
	Prepare: QuickJS.Prepare,
	Open:    OpenJavaScript,
	Limits:  sandbox.Limits{Wall: 10 * time.Second, Memory: 3 * guestSpace, Output: 1 << 20},
	Ahead:   1,
}
