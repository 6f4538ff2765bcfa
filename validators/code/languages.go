package code

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"assay/validators/sandbox"
)

// Language is one that programs are judged in.
type Language struct {
	Name    string
	Also    []string // other names that people give it
	Version string   // of its engine
	Program sandbox.Program
	// Missing says why programs in it cannot be run on this machine, nil when
	// they can.
	Missing func() error
	// judge is how a language is judged that needs two kinds of children, nil
	// where one does all: one compiles and one runs, or one does what the other
	// cannot.
	judge  func(ctx context.Context, box Box, job Job, limits sandbox.Limits) (Outcome, sandbox.Result, error)
	second sandbox.Program
}

// Box is where programs run. An error means infrastructure alone.
type Box interface {
	Run(ctx context.Context, job sandbox.Job) (sandbox.Result, error)
}

// Programs are the children that the language needs.
func (l Language) Programs() []sandbox.Program {
	if l.judge != nil {
		return []sandbox.Program{l.second, l.Program}
	}
	return []sandbox.Program{l.Program}
}

// Judge judges a program in the language. Where the result is not Done, there
// is no outcome; limits of 0 are the language's own.
func (l Language) Judge(ctx context.Context, box Box, job Job, limits sandbox.Limits) (Outcome, sandbox.Result, error) {
	if l.judge != nil {
		return l.judge(ctx, box, job, limits)
	}
	return oneChild(ctx, box, l.Program, job, limits)
}

// oneChild judges a program in one child.
func oneChild(ctx context.Context, box Box, p sandbox.Program, job Job, limits sandbox.Limits) (Outcome, sandbox.Result, error) {
	input, err := json.Marshal(job)
	if err != nil {
		return Outcome{}, sandbox.Result{}, err
	}
	r, err := box.Run(ctx, sandbox.Job{Program: p.Name, Input: input, Limits: limits})
	if err != nil || r.End != sandbox.Done {
		return Outcome{}, r, err
	}
	var out Outcome
	if err := json.Unmarshal(r.Output, &out); err != nil {
		return Outcome{}, sandbox.Result{End: sandbox.Crashed, Detail: "an answer that is none"}, nil
	}
	return out, r, nil
}

// Languages are all of them, in the order pages show them.
var Languages = []Language{
	{Name: "python", Also: []string{"py", "python3"}, Version: Python.Version, Program: PythonProgram, Missing: Python.Missing},
	{Name: "javascript", Also: []string{"js", "node", "ecmascript"}, Version: QuickJS.Version, Program: JavaScriptProgram, Missing: QuickJS.Missing},
	{Name: "go", Also: []string{"golang"}, Version: cmp.Or(goToolchain().Version, "none"), Program: GoProgram, Missing: func() error { return goToolchain().Missing() },
		judge: judgeGo, second: GoCompilerProgram},
	{Name: "bash", Also: []string{"sh", "shell"}, Version: shellVersion, Program: BashProgram, Missing: func() error { return nil }, judge: judgeShell, second: ShellProgram},
}

// Named finds a language by any of its names, in any case.
func Named(name string) (Language, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	for _, l := range Languages {
		if l.Name == name || slices.Contains(l.Also, name) {
			return l, true
		}
	}
	return Language{}, false
}

// Names lists the languages.
func Names() []string {
	var names []string
	for _, l := range Languages {
		names = append(names, l.Name)
	}
	return names
}

// Canary is a program whose verdict is known.
type Canary struct {
	Language, Name, Code, Entry, Tests string
	Want, Reason                       string
}

// Canaries are right, wrong and abusive programs. Those that must run into a
// limit of time are tested apart, not before each batch.
var Canaries = []Canary{
	{"python", "right", "def add(a, b):\n    return a + b", "add", "assert add(1, 2) == 3\nassert add('a', 'b') == 'ab'", pass, ReasonHeld},
	{"python", "wrong", "def add(a, b):\n    return a - b", "add", "assert add(1, 2) == 3", fail, ReasonAssertion},
	{"python", "invented function", "import math\ndef f(x):\n    return math.clamp(x, 0, 1)", "f", "assert f(2) == 1", fail, ReasonInvented},
	{"python", "ends itself before it is compared", "import os\ndef add(a, b):\n    os._exit(0)", "add", "assert add(1, 2) == 3", inconclusive, ReasonGone},
	{"python", "opens a file of the machine", "def f():\n    return open('/etc/passwd').read()", "f", "assert f() != ''", inconclusive, ReasonEnvironment},
	{"javascript", "right", "const add = (a, b) => a + b", "add", "console.assert(add(1, 2) === 3)\nconsole.assert(add('a', 'b') === 'ab')", pass, ReasonHeld},
	{"javascript", "wrong", "function add(a, b) { return a - b }", "add", "console.assert(add(1, 2) === 3)", fail, ReasonAssertion},
	{"javascript", "invented function", "const f = (x) => Math.clamp(x, 0, 1)", "f", "console.assert(f(2) === 1)", fail, ReasonInvented},
	{"javascript", "overwrites comparison", "console.assert = () => {}; JSON.stringify = () => '1'; Object.is = () => true\nfunction add() { return 0 }", "add", "console.assert(add(1, 2) === 3)", fail, ReasonAssertion},
	{"javascript", "a gigabyte", "const f = () => new Uint8Array(2 ** 30).length", "f", "console.assert(f() === 2 ** 30)", inconclusive, ReasonMemory},
	{"go", "right", "func Add[T int | string](a, b T) T { return a + b }\nfunc AddInts(a, b int) int { return Add(a, b) }", "AddInts", "func TestAdd(t *testing.T) { if AddInts(1, 2) != 3 { t.Fatal() } }", pass, ReasonHeld},
	{"go", "wrong", "func Add(a, b int) int { return a - b }", "Add", "func TestAdd(t *testing.T) { assert.Equal(t, 3, Add(1, 2)) }", fail, ReasonAssertion},
	{"go", "invented function", "func F(x float64) float64 { return math.Clamp(x, 0, 1) }", "F", "func TestF(t *testing.T) { assert.Equal(t, 1.0, F(2)) }", fail, ReasonInvented},
	{"go", "ends itself before it is compared", "func F() int { os.Exit(0); return 0 }", "F", "func TestF(t *testing.T) { assert.Equal(t, 1, F()) }", inconclusive, ReasonGone},
	{"bash", "right", "add() { echo $(( $1 + $2 )); }", "add", "[[ $(add 1 2) == 3 ]] || exit 1", pass, ReasonHeld},
	{"bash", "wrong", "add() { echo $(( $1 - $2 )); }", "add", "[[ $(add 1 2) == 3 ]] || exit 1", fail, ReasonAssertion},
	{"bash", "reads a file", "f() { read -r x < /etc/passwd; echo $x; }", "f", "[[ $(f) != '' ]] || exit 1", inconclusive, ReasonEnvironment},
	{"python", "a gigabyte", "def f():\n    return len(bytearray(1 << 30))", "f", "assert f() == 1 << 30", inconclusive, ReasonMemory},
}
