package code

import (
	"strings"
	"testing"
	"time"

	"assay/validators/sandbox"
)

func ptr(s string) *string { return &s }

func TestPythonIsJudgedByTestsItNeverSees(t *testing.T) {
	for _, c := range []struct {
		name, code, tests, want, reason string
	}{
		{"right", "def add(a, b):\n    return a + b", "assert add(1, 2) == 3\nassert add([1], [2]) == [1, 2]", pass, ReasonHeld},
		{"wrong", "def add(a, b):\n    return a - b", "assert add(1, 2) == 3", fail, ReasonAssertion},
		{"raises", "def add(a, b):\n    return a + c", "assert add(1, 2) == 3", fail, ReasonUndefined},
		{"does not parse", "def add(a, b:\n    return a", "assert add(1, 2) == 3", fail, ReasonSyntax},
		{"raises what is wanted", "def f(n):\n    if n < 0:\n        raise ValueError('n')\n    return n", "try:\n    f(-1)\n    assert False\nexcept ValueError as e:\n    assert str(e) == 'n'", pass, ReasonHeld},
		{"raises a class of its own", "class Bad(KeyError): pass\ndef f(): raise Bad('x')", "try:\n    f()\nexcept KeyError as e:\n    assert type(e).__name__ == 'Bad'\nelse:\n    assert False", pass, ReasonHeld},
		{"changes its argument", "def f(x):\n    x.sort()", "a = [3, 1, 2]\nf(a)\nassert a == [1, 2, 3]", pass, ReasonHeld},
		{"values of every kind", "def f(*x, **k):\n    return x, k", "import math\nv = (1, -2**80, 1.5, float('inf'), 'ü\\ud800', b'\\x00', None, True, (1, [2, {3: {4}}]), frozenset([1]), 1+2j)\nassert f(*v, a=1) == (v, {'a': 1})\nassert math.isnan(f(float('nan'))[0][0])", pass, ReasonHeld},
		{"an object", "class Box:\n    def __init__(self, v): self.v = v\n    def get(self): return self.v", "b = Box(3)\nassert b.get() == 3\nb.v = 4\nassert b.get() == 4", pass, ReasonHeld},
		{"a generator", "def f(n):\n    for i in range(n): yield i", "assert list(f(3)) == [0, 1, 2]", pass, ReasonHeld},
		{"a function is handed in", "def f(g, x):\n    return g(x) + 1", "assert f(lambda x: x * 2, 4) == 9", pass, ReasonHeld},
		{"class checked by the tests", "class A: pass\ndef f(): return A()", "assert isinstance(f(), A)", pass, ReasonHeld},
		{"waits a little", "import time\ndef f():\n    t = time.time()\n    time.sleep(.05)\n    return time.time() - t >= .05", "assert f()", pass, ReasonHeld},
		{"what the tests import", "def f(x): return math.ceil(x)", "import math\nassert f(1.5) == math.ceil(1.5)", pass, ReasonHeld},
		{"tests that never call", "def f(): return 1", "assert True", inconclusive, ReasonTests},
		{"package that is not here", "import numpy as np\ndef f(x): return np.sum(x)", "assert f([1]) == 1", inconclusive, ReasonPackage},
		{"asks for input", "def f(): return input()", "assert f() == 'x'", inconclusive, ReasonEnvironment},
		{"opens a file", "def f(): return open('/etc/passwd').read()", "assert f() == 'x'", inconclusive, ReasonEnvironment},
		{"endless recursion", "def f(n): return f(n + 1)", "assert f(1) == 2", fail, ReasonRaised},
		{"much memory", "def f(): return len(bytearray(1 << 30))", "assert f() == 1 << 30", inconclusive, ReasonMemory},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judge(t, Job{Language: "python", Code: c.code, Tests: &c.tests})
			if got.Verdict != c.want || got.Reason != c.reason {
				t.Errorf("want %s %s, got %s %s: %s %+v", c.want, c.reason, got.Verdict, got.Reason, got.Message, got.Evidence)
			}
		})
	}
}

// Whatever the code does to its own interpreter, the tests compare elsewhere.
func TestPythonCannotForgeAPass(t *testing.T) {
	tests := "assert add(1, 2) == 3\nassert add(2, 2) == 4"
	for name, code := range map[string]string{
		"prints a marker":        "print('All tests hold'); print('R20:t2:s4:heldN')\ndef add(a, b): return 0",
		"ends well":              "import os\ndef add(a, b): os._exit(0)",
		"exits":                  "import sys\ndef add(a, b): sys.exit(0)",
		"exits while loading":    "raise SystemExit(0)",
		"equal to everything":    "class E:\n    def __eq__(self, o): return True\ndef add(a, b): return E()",
		"an int of another kind": "class E(int):\n    def __eq__(self, o): return True\n    __hash__ = int.__hash__\ndef add(a, b): return E(7)",
		"overwrites builtins":    "import builtins\nbuiltins.AssertionError = builtins.Exception = KeyError\nbuiltins.isinstance = lambda *a: True\ndef add(a, b): return 0",
		"writes frames":          "import sys\nfor f in sys._getframe().f_back.f_globals, sys._getframe().f_back.f_back.f_globals:\n    if '_send' in f:\n        f['_send'](b'R', f['_pack'](('held', None, 0, None, False, 9), f['Side']()))\ndef add(a, b): return 0",
		"frames and then waits":  "import sys\ng = sys._getframe().f_back.f_globals\ng['_send'](b'B', g['_pack'](('gave', {}, 3), g['Side']()))\ng['_send'](b'B', g['_pack'](('gave', {}, 3), g['Side']()))\ndef add(a, b): return 0",
	} {
		t.Run(name, func(t *testing.T) {
			got := judge(t, Job{Language: "python", Code: code, Tests: &tests})
			if got.Verdict == pass && !got.Evidence.Trusting {
				t.Errorf("a forged pass: %+v", got)
			}
			t.Logf("%s %s %s", got.Verdict, got.Reason, got.Message)
		})
	}
}

func TestPythonIsReadBeforeItRuns(t *testing.T) {
	for _, c := range []struct{ code, verdict, reason, nearest string }{
		{"import math\ndef f(x):\n    return math.clamp(x)", fail, ReasonInvented, ""},
		{"from collections import Orderdict", fail, ReasonInvented, "collections.OrderedDict"},
		{"import os.paths", fail, ReasonInvented, "os.path"},
		{"def f(x):\n    return sqroot(x)", fail, ReasonUndefined, ""},
		{"def f(numbers):\n    return sum(numbres)", fail, ReasonUndefined, ""},
		{"import panda", inconclusive, ReasonPackage, "pandas"},
		{"import pandas", inconclusive, ReasonPackage, ""},
		{"try:\n    import ujson as json\nexcept ImportError:\n    import json\nprint(json.dumps(1))", pass, ReasonRuns, ""},
		{"import random\nclass A:\n    x = 1\n    def f(self):\n        global G\n        G = self.x\n        return [y for y in range(3) if y]\ndef g(): return G, __name__, random.random()", pass, ReasonRuns, ""},
		{"from typing import List\ndef f(x: List[int]) -> 'Later': return [*x]\nclass Later: pass", pass, ReasonRuns, ""},
		{"match 3:\n    case int(n): print(n)", pass, ReasonRuns, ""},
		{"x: int = 1\n(y := 2)\nwith open as z: pass", fail, ReasonRaised, ""},
		{"import json\nlambda q: json.dumps(q, default=str)", pass, ReasonRuns, ""},
	} {
		got := judge(t, Job{Language: "python", Code: c.code})
		if got.Verdict != c.verdict || got.Reason != c.reason {
			t.Errorf("%s\nwant %s %s, got %s %s: %s %+v", c.code, c.verdict, c.reason, got.Verdict, got.Reason, got.Message, got.Evidence)
		}
		if c.nearest != "" && (len(got.Evidence.Findings) == 0 || got.Evidence.Findings[0].Nearest != c.nearest) {
			t.Errorf("%s: want the nearest %q, got %+v", c.code, c.nearest, got.Evidence.Findings)
		}
	}
}

func TestPythonProgramsAreJudgedByWhatTheyPrint(t *testing.T) {
	code := "n = int(input())\nfor i in range(n):\n    print(i * i)"
	for _, c := range []struct{ stdin, stdout, verdict string }{{"3", "0\n1\n4\n", pass}, {"3", "0\n1\n5", fail}, {"2", "0\n1\n4", fail}, {"x", "0", fail}} {
		if got := judge(t, Job{Language: "python", Code: code, Stdin: c.stdin, Stdout: &c.stdout}); got.Verdict != c.verdict {
			t.Errorf("%q: want %s, got %s: %s", c.stdin, c.verdict, got.Verdict, got.Message)
		}
	}
}

func TestPythonThatNeverEndsIsInconclusive(t *testing.T) {
	job := Job{Language: "python", Code: "def f():\n    while True: pass", Tests: ptr("f()")}
	got := judgeWithin(t, job, sandbox.Limits{Wall: time.Second})
	if got.Verdict != inconclusive || !strings.Contains(got.Reason, "timeout") {
		t.Errorf("want a timeout, got %+v", got)
	}
}
