package code

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"assay/validators/sandbox"
	"assay/validators/wasm"
)

// Check is a script of the operator's own, with one response to look at. The
// script defines a function check that takes the response as an object and
// returns a verdict as one.
type Check struct {
	Script   string          `json:"script"`
	Response json.RawMessage `json:"response"`
}

// Checked is what a script came to: its answer as JSON, or why there is none.
type Checked struct {
	Answer  json.RawMessage `json:"answer,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	Message string          `json:"message,omitempty"`
}

// Reasons why a script of the operator's own gave no answer.
const (
	ReasonScriptRaised = "script_raised"
	ReasonNoCheck      = "script_has_no_check"
)

const (
	// MaxScript is the longest script of an operator, in bytes.
	MaxScript = 64 << 10
	// maxAnswer is the longest answer of a script, in bytes.
	maxAnswer = 512 << 10
)

// OperatorPython and OperatorJavaScript run one check each in a child of its
// own, as strangers' code is run.
var (
	OperatorPython = sandbox.Program{
		Name: "operator-python", Prepare: Python.Prepare, Open: openOperatorPython,
		Limits: sandbox.Limits{Wall: 15 * time.Second, Memory: 3 * guestSpace, Output: 1 << 20},
	}
	OperatorJavaScript = sandbox.Program{
		Name: "operator-javascript", Prepare: QuickJS.Prepare, Open: openOperatorJavaScript,
		Limits: sandbox.Limits{Wall: 10 * time.Second, Memory: 3 * guestSpace, Output: 1 << 20},
	}
)

// operatorDriver reads a check, runs it with what it prints thrown away, and
// writes its answer.
const operatorDriver = `
import sys, json
job = json.loads(sys.stdin.buffer.read())
out = sys.stdout.buffer
class Nowhere:
    def write(self, text): return len(text)
    def flush(self): pass
sys.stdout = sys.stderr = Nowhere()
try:
    space = {"__name__": "validator"}
    exec(compile(job["script"], "<check>", "exec"), space)
    if callable(space.get("check")):
        said = {"answer": space["check"](job["response"])}
    else:
        said = {"reason": "none"}
    said = json.dumps(said, allow_nan=False)
except MemoryError:
    said = json.dumps({"reason": "memory"})
except BaseException as e:
    line = 0
    step = e.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == "<check>":
            line = step.tb_lineno
        step = step.tb_next
    if isinstance(e, SyntaxError):
        line = e.lineno or 0
    said = json.dumps({"reason": "raised", "kind": type(e).__name__, "line": line})
out.write(said.encode())
out.flush()
`

func openOperatorPython(files sandbox.Files) (sandbox.Work, error) {
	engine, err := wasm.Load(context.Background(), files, guestSpace)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, input []byte) ([]byte, error) {
		var said bounded
		tail := &wasm.Tail{}
		_, err := engine.Run(ctx, wasm.Pipes{Args: []string{"python", "-S", "-s", "-P", "-X", "utf8", "-c", operatorDriver},
			Env: map[string]string{"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}, In: bytes.NewReader(input), Out: &said, Errors: tail})
		return json.Marshal(readOperator(said.Bytes(), err, tail.String()))
	}, nil
}

// bounded takes what a guest says up to the limit of an answer.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxAnswer {
		return 0, errTooMuch
	}
	return b.Buffer.Write(p)
}

// readOperator turns what the driver wrote into an outcome. A script can write
// there as well as the driver: what it says is its verdict either way.
func readOperator(said []byte, trap error, stderr string) Checked {
	var answer struct {
		Answer       json.RawMessage
		Reason, Kind string
		Line         int
	}
	if err := json.Unmarshal(said, &answer); err != nil {
		if trap != nil && strings.Contains(trap.Error()+stderr, "memory") {
			return outOfMemory()
		}
		return Checked{Reason: ReasonGone, Message: "The script ended its interpreter by itself, or answered what is no JSON."}
	}
	switch answer.Reason {
	case "none":
		return Checked{Reason: ReasonNoCheck, Message: "The script defines no function check."}
	case "memory":
		return outOfMemory()
	case "raised":
		return raisedAt(answer.Kind, answer.Line)
	}
	return Checked{Answer: answer.Answer}
}

func outOfMemory() Checked {
	return Checked{Reason: ReasonMemory, Message: fmt.Sprintf("The script needed more than %d MiB of memory.", guestSpace>>20)}
}

// raisedAt names the kind of an error and its line, never its words, which may
// repeat the response.
func raisedAt(kind string, line int) Checked {
	at := ""
	if line > 0 {
		at = fmt.Sprintf(" in line %d", line)
	}
	return Checked{Reason: ReasonScriptRaised, Message: fmt.Sprintf("The script raised %s%s.", short(kind), at)}
}

func openOperatorJavaScript(files sandbox.Files) (sandbox.Work, error) {
	engine, err := wasm.Load(context.Background(), files, guestSpace, hostFunctions)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, input []byte) ([]byte, error) {
		var job Check
		if err := json.Unmarshal(input, &job); err != nil {
			return nil, err
		}
		return json.Marshal(checkInScript(ctx, engine, job))
	}, nil
}

func checkInScript(ctx context.Context, engine *wasm.Loaded, job Check) Checked {
	in, ctx, err := startJS(ctx, engine)
	if err != nil {
		return scriptEnded(err)
	}
	defer in.close(ctx)
	if _, err := in.eval(ctx, job.Script, "<code>", 0); err != nil {
		return in.scriptThrew(ctx, err)
	}
	there, err := in.eval(ctx, `String(typeof check === "function")`, "<driver>", 0)
	if err != nil {
		return in.scriptThrew(ctx, err)
	}
	if said, err := in.text(ctx, there); err != nil || said != "true" {
		return Checked{Reason: ReasonNoCheck, Message: "The script defines no function check."}
	}
	value, err := in.eval(ctx, "check("+string(job.Response)+")", "<driver>", 0)
	if err == nil {
		value, err = in.settled(ctx, value)
	}
	if err != nil {
		return in.scriptThrew(ctx, err)
	}
	said, err := in.asJSON(ctx, value)
	if err != nil {
		return in.scriptThrew(ctx, err)
	}
	if len(said) > maxAnswer || !json.Valid([]byte(said)) {
		return Checked{Reason: ReasonGone, Message: "The script answered what is no JSON, or too much of it."}
	}
	return Checked{Answer: json.RawMessage(said)}
}

// asJSON writes a value as JSON with the engine's own means.
func (in *interpreter) asJSON(ctx context.Context, value uint64) (string, error) {
	global, err := in.call(ctx, "qjs_get_global")
	if err != nil {
		return "", err
	}
	name, err := in.write(ctx, "__answer")
	if err != nil {
		return "", err
	}
	if _, err := in.call(ctx, "qjs_set_prop_string", global, name, value); err != nil {
		return "", err
	}
	text, err := in.eval(ctx, `JSON.stringify(globalThis.__answer) ?? "null"`, "<driver>", 0)
	if err != nil {
		return "", err
	}
	return in.text(ctx, text)
}

func (in *interpreter) scriptThrew(ctx context.Context, err error) Checked {
	b, err := in.blamed(ctx, err)
	if err != nil || b == nil {
		return scriptEnded(err)
	}
	if b.Name == "InternalError" && strings.Contains(b.Message, "memory") {
		return outOfMemory()
	}
	return raisedAt(b.Name, b.Code)
}

func scriptEnded(err error) Checked {
	var t trap
	switch {
	case errors.Is(err, errPending):
		return Checked{Reason: ReasonEnvironment, Message: "The script waits for something that never happens in a sandbox."}
	case errors.As(err, &t) && strings.Contains(t.Error(), "memory"):
		return outOfMemory()
	}
	return Checked{Reason: ReasonGone, Message: "The script ended its interpreter by itself."}
}
