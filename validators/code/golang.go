package code

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"assay/validators/sandbox"
	"assay/validators/wasm"
)

// GoProgram runs what a compiler's child built. Each program has a child of its
// own, which starts nothing and makes no machine code: guests are interpreted.
var GoProgram = sandbox.Program{
	Name:   "go",
	Open:   openGo,
	Limits: sandbox.Limits{Wall: 15 * time.Second, Memory: 3 * guestSpace, Output: 1 << 20},
	Ahead:  1,
}

func openGo(sandbox.Files) (sandbox.Work, error) {
	engine, err := wasm.OpenInterpreter(context.Background(), guestSpace, goHost)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, input []byte) ([]byte, error) {
		built, err := unpackBuilt(input)
		if err != nil {
			return nil, err
		}
		out, apart := goRun{engine, built}.check(ctx)
		return json.Marshal(goRan{out, apart})
	}, nil
}

// goRan is what running came to. Apart says that the two guests could not share
// what they had to.
type goRan struct {
	Outcome Outcome
	Apart   bool
}

// judgeGo compiles a program, runs it apart from its tests, and where that
// cannot be done together with them.
func judgeGo(ctx context.Context, box Box, job Job, limits sandbox.Limits) (Outcome, sandbox.Result, error) {
	for _, together := range []bool{false, true} {
		input, err := json.Marshal(goBuildJob{job, together})
		if err != nil {
			return Outcome{}, sandbox.Result{}, err
		}
		built, err := box.Run(ctx, sandbox.Job{Program: GoCompilerProgram.Name, Input: input})
		if err != nil || built.End != sandbox.Done {
			return Outcome{}, built, err
		}
		b, err := unpackBuilt(built.Output)
		if err != nil {
			return Outcome{}, sandbox.Result{End: sandbox.Crashed, Detail: err.Error()}, nil
		}
		if b.Done {
			return b.Outcome, built, nil
		}
		ran, err := box.Run(ctx, sandbox.Job{Program: GoProgram.Name, Input: built.Output, Limits: limits})
		if err != nil || ran.End != sandbox.Done {
			return Outcome{}, ran, err
		}
		var r goRan
		if err := json.Unmarshal(ran.Output, &r); err != nil {
			return Outcome{}, sandbox.Result{End: sandbox.Crashed, Detail: err.Error()}, nil
		}
		if !r.Apart || together {
			return r.Outcome, ran, nil
		}
	}
	panic("unreachable: together is never apart")
}

// goGuest is one guest: what it was sent, and what it said.
type goGuest struct {
	inbox   chan []byte
	taking  []byte
	over    chan struct{} // closed when it has ended
	other   *goGuest
	reports chan report
	printed limited
	stderr  wasm.Tail
	said    int // bytes

	code uint32
	trap error
}

func newGoGuest() *goGuest {
	return &goGuest{inbox: make(chan []byte), over: make(chan struct{}), reports: make(chan report, 1)}
}

type goGuestKey struct{}

// goHost is what guests have of their host: to send, to wait for a message and
// to take it.
func goHost(ctx context.Context, rt wazero.Runtime) error {
	host := rt.NewHostModuleBuilder("assay")
	of := func(ctx context.Context) *goGuest { return ctx.Value(goGuestKey{}).(*goGuest) }
	host.NewFunctionBuilder().WithFunc(func(ctx context.Context, m api.Module, at, size uint32) {
		body, ok := m.Memory().Read(at, size)
		if !ok || size == 0 {
			panic(errNoFrame)
		}
		of(ctx).sends(append([]byte{}, body...))
	}).Export("send")
	host.NewFunctionBuilder().WithFunc(func(ctx context.Context) uint32 { return of(ctx).waits() }).Export("wait")
	host.NewFunctionBuilder().WithFunc(func(ctx context.Context, m api.Module, at uint32) {
		g := of(ctx)
		if !m.Memory().Write(at, g.taking) {
			panic(errNoFrame)
		}
		g.taking = nil
	}).Export("take")
	_, err := host.Instantiate(ctx)
	return err
}

func (g *goGuest) sends(message []byte) {
	if g.said += len(message); g.said > maxFrames {
		panic(errTooMuch)
	}
	if message[0] == 'R' {
		if said, err := unpack(message[1:]); err == nil {
			select {
			case g.reports <- list(said):
			default: // only the first counts
			}
		}
		return
	}
	if g.other == nil {
		return
	}
	select {
	case g.other.inbox <- message:
	case <-g.other.over:
	}
}

// waits returns the length of the next message, 0 when nobody is there to send
// one.
func (g *goGuest) waits() uint32 {
	if g.other == nil {
		return 0
	}
	select {
	case g.taking = <-g.inbox:
		return uint32(len(g.taking))
	case <-g.other.over:
		return 0
	}
}

// play runs a guest to its end.
func (g *goGuest) play(ctx context.Context, engine *wasm.Loaded, stdin string) {
	g.code, g.trap = engine.Run(context.WithValue(ctx, goGuestKey{}, g), wasm.Pipes{Args: []string{"program"},
		In: strings.NewReader(stdin), Out: &g.printed, Errors: &g.stderr})
	close(g.over)
}

// goRun is one check of what was built.
type goRun struct {
	engine *wasm.Interpreter
	built  goBuilt
}

// waitsFor waits for a guest's end. The parent's clock says when that is too
// late, not ours.
func waitsFor(ctx context.Context, over <-chan struct{}) {
	select {
	case <-over:
	case <-ctx.Done():
		time.Sleep(time.Minute)
	}
}

func (r goRun) check(ctx context.Context) (out Outcome, apart bool) {
	out = r.built.Outcome
	job := r.built.Job
	if job.Stdout != nil || job.Tests == nil {
		return r.program(ctx, out), false
	}
	code, tests := newGoGuest(), newGoGuest()
	if !r.built.Together {
		code.other, tests.other = tests, code
		loaded, err := r.engine.Load(ctx, r.built.Code)
		if err != nil {
			return r.unloaded(out), false
		}
		go code.play(ctx, loaded, "")
	} else {
		code = tests
	}
	loaded, err := r.engine.Load(ctx, r.built.Tests)
	if err != nil {
		return r.unloaded(out), false
	}
	go tests.play(ctx, loaded, "")
	select {
	case said := <-tests.reports:
		return r.judged(ctx, out, said, code)
	case <-tests.over:
	case <-ctx.Done():
		time.Sleep(time.Minute)
	}
	select {
	case said := <-tests.reports:
		return r.judged(ctx, out, said, code)
	default:
	}
	if r.built.Together {
		return r.ended(out, tests), false
	}
	if tests.code == 1 {
		out.Verdict, out.Reason, out.Message = fail, ReasonAssertion, "The tests ended with code 1."
		return out, false
	}
	out.Reason, out.Message = ReasonTests, "The tests themselves ended before they had a result."
	return out, false
}

func (r goRun) unloaded(out Outcome) Outcome {
	out.Reason, out.Message = ReasonUnread, "What was compiled cannot be run."
	return out
}

// judged turns the report of the tests into a verdict. What crossed between the
// guests by its shape alone may have failed for that: it is tried together.
func (r goRun) judged(ctx context.Context, out Outcome, said report, code *goGuest) (Outcome, bool) {
	e := &out.Evidence
	e.Call, e.Returned, e.Calls, e.Trusting = text(said, 4), text(said, 5), number(said, 6), r.built.Together
	e.Test = lineOf(*r.built.Job.Tests, number(said, 2))
	loose := number(said, 7) > 0
	word := ""
	if r.built.Together {
		word = " The verdict trusts the code, which its tests could not be kept from."
	}
	switch said.word() {
	case "held":
		e.Test = ""
		switch {
		case r.built.Together:
			out.Verdict, out.Reason, out.Message = pass, ReasonHeld, "All tests hold."+word
		case e.Calls == 0:
			out.Reason, out.Message = ReasonTests, "The tests hold without calling the code once."
		default:
			out.Verdict, out.Reason, out.Message = pass, ReasonHeld, fmt.Sprintf("All tests hold, with %s of the code.", count(e.Calls, "call"))
		}
		return out, false
	case "apart":
		return out, true
	case "gone":
		waitsFor(ctx, code.over)
		return r.ended(out, code), false
	}
	if loose && !r.built.Together {
		return out, true
	}
	if r.built.Machine != "" {
		out.Reason, out.Message = ReasonEnvironment, fmt.Sprintf("It needs what a sandbox does not have: %s.", r.built.Machine)
		return out, false
	}
	if said.word() == "raised" {
		e.Error = text(said, 1)
		if strings.Contains(e.Error, "makeslice: len out of range") || strings.Contains(e.Error, "makeslice: cap out of range") {
			// More than a guest's addresses reach: elsewhere it might have had it.
			out.Reason, out.Message = ReasonMemory, fmt.Sprintf("It needed more than %d MiB of memory.", guestSpace>>20)
			return out, false
		}
		return r.raised(out, number(said, 3), word), false
	}
	e.Error = text(said, 1)
	out.Verdict, out.Reason, out.Message = fail, ReasonAssertion, "A test does not hold."+word
	if e.Call != "" {
		out.Message = fmt.Sprintf("A test does not hold: %s gives %s.%s", short(e.Call), short(e.Returned), word)
	}
	return out, false
}

// raised is a panic in a line of the code, or of the tests where that is 0.
func (r goRun) raised(out Outcome, line int, word string) Outcome {
	at := ""
	if line > 0 {
		out.Evidence.Line, out.Evidence.Source, at = line, lineOf(r.built.Job.Code, line), fmt.Sprintf(" in line %d", line)
	}
	out.Verdict, out.Reason = fail, ReasonRaised
	out.Message = fmt.Sprintf("It panicked%s: %s.%s", at, short(out.Evidence.Error), word)
	return out
}

var (
	goPanic = regexp.MustCompile(`(?m)^(?:panic: |fatal error: )(.*)$`)
	goLine  = regexp.MustCompile(`(?m)^\s*(?:\S*/)?code\.go:(\d+)`)
)

// ended is a guest that ended without a word. A panic is the code's failure;
// one that ends itself proves nothing.
func (r goRun) ended(out Outcome, g *goGuest) Outcome {
	said := g.stderr.String()
	out.Verdict, out.Reason, out.Message = inconclusive, ReasonGone, "It ended its process by itself, so that nothing can be said of it."
	m := goPanic.FindStringSubmatch(said)
	switch {
	case strings.Contains(said, "out of memory") || strings.Contains(said, "cannot allocate memory") || strings.Contains(said, "makeslice: len out of range"):
		out.Reason, out.Message = ReasonMemory, fmt.Sprintf("It needed more than %d MiB of memory.", guestSpace>>20)
	case strings.Contains(said, "stack exceeds") || strings.Contains(said, "stack overflow") || g.trap != nil && strings.Contains(g.trap.Error(), "stack overflow"):
		out.Verdict, out.Reason, out.Message = fail, ReasonRaised, "It calls itself without end: the stack overflowed."
	case m != nil && g.code == 2:
		line := 0
		if at := goLine.FindStringSubmatch(said); at != nil {
			line, _ = strconv.Atoi(at[1])
		}
		out.Evidence.Error = clip(m[1])
		return r.raised(out, line, "")
	}
	return out
}

// program runs the code as a program and looks at what it prints.
func (r goRun) program(ctx context.Context, out Outcome) Outcome {
	loaded, err := r.engine.Load(ctx, r.built.Code)
	if err != nil {
		return r.unloaded(out)
	}
	g := newGoGuest()
	go g.play(ctx, loaded, r.built.Job.Stdin)
	waitsFor(ctx, g.over)
	printed := g.printed.String()
	if g.trap != nil || g.code == 2 && goPanic.MatchString(g.stderr.String()) {
		out.Evidence.Printed = clip(printed)
		out = r.ended(out, g)
	} else if r.built.Job.Stdout == nil {
		out.Verdict, out.Reason, out.Message = pass, ReasonRuns, "It runs, and refers only to what exists. There were no tests."
		if g.code != 0 {
			out.Verdict, out.Reason, out.Message = fail, ReasonExit, fmt.Sprintf("It ended with code %d.", g.code)
		}
	} else {
		out = comparePrinted(out, printed, *r.built.Job.Stdout)
		if g.code != 0 && out.Verdict == pass {
			out.Verdict, out.Reason, out.Message = fail, ReasonExit, fmt.Sprintf("It printed what is expected and ended with code %d.", g.code)
		}
	}
	if out.Verdict == fail && r.built.Machine != "" {
		out.Verdict, out.Reason, out.Message = inconclusive, ReasonEnvironment, fmt.Sprintf("It needs what a sandbox does not have: %s.", r.built.Machine)
	}
	return out
}
