package code

import (
	"strings"
	"testing"
	"time"

	"assay/validators/sandbox"
)

func TestJavaScriptIsJudgedByTestsItNeverSees(t *testing.T) {
	for _, c := range []struct{ name, code, tests, want, reason string }{
		{"right", "const add = (a, b) => a + b", "console.assert(add(1, 2) === 3)", pass, ReasonHeld},
		{"wrong", "const add = (a, b) => a - b", "const assert = require('assert')\nassert.strictEqual(add(1, 2), 3)", fail, ReasonAssertion},
		{"raises", "function add(a, b) { return a + c }", "console.assert(add(1, 2) === 3)", fail, ReasonUndefined},
		{"does not parse", "function add(a, b { return a }", "console.assert(add(1, 2) === 3)", fail, ReasonSyntax},
		{"throws what is wanted", "function f(n) { if (n < 0) throw new RangeError('n'); return n }", "try { f(-1); console.assert(false) } catch (e) { console.assert(e instanceof RangeError && e.message === 'n') }", pass, ReasonHeld},
		{"changes its argument", "function f(x) { x.sort((a, b) => a - b) }", "const a = [3, 1, 2]; f(a); console.assert(JSON.stringify(a) === '[1,2,3]')", pass, ReasonHeld},
		{"values of every kind", "const f = (...x) => x", "const assert = require('assert')\nconst v = [1, -0, NaN, Infinity, 'ü\\ud800', undefined, null, true, 10n ** 30n, [1, , 3], { a: { b: [] } }, new Map([[1, 'x']]), new Set([1]), new Date(5)]\nassert.deepStrictEqual(f(...v), v)", pass, ReasonHeld},
		{"an object of a class", "class Box { constructor(v) { this.v = v } get() { return this.v } }", "const b = new Box(3); console.assert(b.get() === 3); b.v = 4; console.assert(b.get() === 4)", pass, ReasonHeld},
		{"class checked by the tests", "class A {}\nfunction f() { return new A() }", "console.assert(f() instanceof A)", pass, ReasonHeld},
		{"a closure", "const adder = (a) => (b) => a + b", "console.assert(adder(1)(2) === 3)", pass, ReasonHeld},
		{"a function is handed in", "const twice = (f, x) => f(f(x))", "console.assert(twice((x) => x * 2, 3) === 12)", pass, ReasonHeld},
		{"asynchronous", "async function f(x) { await null; return x + 1 }\nconst later = (ms) => new Promise((done) => setTimeout(() => done('x'), ms))", "(async () => { console.assert(await f(1) === 2); console.assert(await later(50000) === 'x') })()", pass, ReasonHeld},
		{"asynchronous and wrong", "async function f(x) { return x }", "(async () => { console.assert(await f(1) === 2) })()", fail, ReasonAssertion},
		{"a module of its own", "export function f() { return 1 }\nexport default class {}", "console.assert(f() === 1)", pass, ReasonHeld},
		{"exports of Node", "function g() { return 2 }\nmodule.exports = { f: g }", "const { f } = require('./code')\nconsole.assert(f() === 2)", pass, ReasonHeld},
		{"package that is not here", "const _ = require('lodash')\nfunction f() { return 1 }", "console.assert(f() === 1)", inconclusive, ReasonPackage},
		{"needs a browser", "function f() { return document.title }", "console.assert(f() === '')", inconclusive, ReasonEnvironment},
		{"tests that never call", "function f() { return 1 }", "console.assert(true)", inconclusive, ReasonTests},
		{"endless recursion", "function f(n) { return f(n + 1) }", "console.assert(f(1) === 2)", fail, ReasonRaised},
		{"much memory", "function f() { const a = []; for (;;) a.push(new Array(100000).fill(1)) }", "f()", inconclusive, ReasonMemory},
		{"defines another name", "function sum(a) { return 1 }", "console.assert(total([]) === 1)", fail, ReasonRaised},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judge(t, Job{Language: "javascript", Code: c.code, Tests: &c.tests})
			if got.Verdict != c.want || got.Reason != c.reason {
				t.Errorf("want %s %s, got %s %s: %s %+v", c.want, c.reason, got.Verdict, got.Reason, got.Message, got.Evidence)
			}
		})
	}
}

func TestJavaScriptCannotForgeAPass(t *testing.T) {
	tests := "console.assert(add(1, 2) === 3)\nrequire('assert').deepStrictEqual(add(2, 2), 4)"
	for name, code := range map[string]string{
		"overwrites what compares": "console.assert = () => {}; Object.is = () => true; JSON.stringify = () => '{\"gave\":3}'; JSON.parse = () => 3; Array.prototype.map = function () { return [3] }; function add() { return 0 }",
		"equal to everything":      "function add() { return { valueOf() { return 3 }, toString() { return '3' }, [Symbol.toPrimitive]() { return 3 } } }",
		"a proxy":                  "function add() { return new Proxy({}, { get: () => 3, has: () => true }) }",
		"throws nothing":           "function add() { throw undefined }",
		"a promise":                "function add() { return new Promise(() => {}) }",
		"poisons prototypes":       "Object.prototype.gave = 3; Array.prototype.gave = 3; Object.defineProperty(Object.prototype, 'raised', { get() { return null } }); function add() { return 0 }",
		"looks for its host":       "const h = globalThis.__host; function add() { return h ? 3 : 0 }",
	} {
		t.Run(name, func(t *testing.T) {
			got := judge(t, Job{Language: "javascript", Code: code, Tests: &tests})
			if got.Verdict == pass && !got.Evidence.Trusting {
				t.Errorf("a forged pass: %+v", got)
			}
			t.Logf("%s %s %s", got.Verdict, got.Reason, got.Message)
		})
	}
}

func TestJavaScriptIsReadBeforeItRuns(t *testing.T) {
	for _, c := range []struct{ code, verdict, reason, nearest string }{
		{"const f = (x) => Math.celi(x)", fail, ReasonInvented, "Math.ceil"},
		{"function f(numbers) { return sum(numbres) }\nfunction sum(x) { return 0 }", fail, ReasonUndefined, ""},
		{"const f = (a) => Object.keys(a).map((k) => [k, a[k]])", pass, ReasonRuns, ""},
		{"if (typeof window !== 'undefined') window.f = 1\nlet { a, ...b } = { a: 1 }; label: for (const c of [1]) { continue label }", pass, ReasonRuns, ""},
		{"Math.half = (x) => x / 2\nconst f = (x) => Math.half(x)", pass, ReasonRuns, ""},
	} {
		got := judge(t, Job{Language: "javascript", Code: c.code})
		if got.Verdict != c.verdict || got.Reason != c.reason {
			t.Errorf("%s\nwant %s %s, got %s %s: %s %+v", c.code, c.verdict, c.reason, got.Verdict, got.Reason, got.Message, got.Evidence)
		}
		if c.nearest != "" && (len(got.Evidence.Findings) == 0 || got.Evidence.Findings[0].Nearest != c.nearest) {
			t.Errorf("%s: want the nearest %q, got %+v", c.code, c.nearest, got.Evidence.Findings)
		}
	}
}

func TestJavaScriptProgramsAreJudgedByWhatTheyPrint(t *testing.T) {
	code := "const lines = require('fs').readFileSync(0, 'utf8').split('\\n')\nfor (let i = 0; i < Number(lines[0]); i++) console.log(i * i, [i])"
	for stdout, want := range map[string]string{"0 [ 0 ]\n1 [ 1 ]\n": pass, "0 [ 0 ]": fail} {
		if got := judge(t, Job{Language: "javascript", Code: code, Stdin: "2", Stdout: &stdout}); got.Verdict != want {
			t.Errorf("%q: want %s, got %s: %s %+v", stdout, want, got.Verdict, got.Message, got.Evidence)
		}
	}
}

func TestJavaScriptThatNeverEndsIsInconclusive(t *testing.T) {
	job := Job{Language: "javascript", Code: "function f() { for (;;); }", Tests: ptr("f()")}
	if got := judgeWithin(t, job, sandbox.Limits{Wall: time.Second}); got.Verdict != inconclusive || !strings.Contains(got.Reason, "timeout") {
		t.Errorf("want a timeout, got %+v", got)
	}
}

func TestHumanEvalInJavaScriptPasses(t *testing.T) {
	var programs []recorded
	for i, p := range lines[problem](t, "code-humaneval-x", "js.jsonl") {
		if tests := p.Test; some(i) {
			programs = append(programs, recorded{p.TaskID, pass, Job{Language: "javascript", Code: p.Prompt + p.Canonical, Tests: &tests}})
			if p.TaskID == "JavaScript/39" { // without an answer it searches for ever
				continue
			}
			wrong := strings.ReplaceAll(p.Canonical, "return ", "return void ")
			programs = append(programs, recorded{p.TaskID + " without answers", fail, Job{Language: "javascript", Code: p.Prompt + wrong, Tests: &tests}})
		}
	}
	judgeAll(t, programs)
}
