package code

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/validators/sandbox"
)

// abuse is what code written to break a sandbox tries. The tests call f and
// want what f never gives, so that a pass could only be forged.
var abuse = map[string]map[string]string{
	"python": {
		"fork":                     "import os\ndef f():\n    while True: os.fork()",
		"double fork":              "import os\ndef f():\n    if os.fork() == 0:\n        os.setsid()\n        os.fork()",
		"threads":                  "import threading\ndef f():\n    while True: threading.Thread(target=f).start()",
		"memory":                   "def f():\n    x = []\n    while True: x.append(bytearray(1 << 20))",
		"memory in one piece":      "def f():\n    return 'x' * (1 << 31)",
		"a string that doubles":    "def f():\n    s = 'x'\n    while True: s += s",
		"disk":                     "def f():\n    with open('/tmp/assay-abuse', 'w') as o:\n        while True: o.write('x' * 65536)",
		"inodes":                   "import os\ndef f():\n    for i in range(10**6): os.mkdir('/tmp/assay-abuse%d' % i)",
		"descriptors":              "import os\ndef f():\n    return [os.open('/dev/zero', 0) for i in range(10**6)]",
		"endless output":           "import sys\ndef f():\n    while True: sys.__stdout__.write('x' * 65536)",
		"endless output, frames":   "import sys\ndef f():\n    while True: sys.__stdout__.buffer.write(b'A5:xxxxx')",
		"endless errors":           "import sys\ndef f():\n    while True: sys.__stderr__.write('x' * 65536)",
		"a line of a gigabyte":     "import sys\ndef f():\n    for i in range(1024): sys.__stderr__.write('x' * (1 << 20))\n    while True: pass",
		"sleep":                    "import time\ndef f(): time.sleep(3600)",
		"ignored signals":          "import signal\ndef f():\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    while True: pass",
		"inherited descriptors":    "import os\ndef f():\n    return [os.read(i, 100) for i in range(3, 64)]",
		"proc of others":           "import os\ndef f(): return open('/proc/1/environ').read() + open('/proc/%d/mem' % os.getppid()).read()",
		"ptrace":                   "import ctypes\ndef f(): return ctypes.CDLL(None).ptrace(16, 1, 0, 0)",
		"a socket":                 "import socket\ndef f():\n    socket.create_connection(('127.0.0.1', 5432))",
		"a socket of the module":   "import _socket\ndef f(): return _socket.socket(2, 1)",
		"a program":                "import subprocess\ndef f(): return subprocess.check_output(['/bin/id'])",
		"a program through os":     "import os\ndef f(): return os.popen('id').read()",
		"symlinks":                 "import os\ndef f(): os.symlink('/etc/passwd', '/tmp/assay-abuse')",
		"devices":                  "import os\ndef f(): os.mknod('/tmp/assay-abuse', 0o60666, 0x801)",
		"setuid":                   "import os\ndef f(): os.setuid(0)",
		"kill all":                 "import os\ndef f(): os.kill(-1, 9)",
		"exit 0":                   "import os\ndef f(): os._exit(0)",
		"exit 137":                 "import os\ndef f(): os._exit(137)",
		"exit 255":                 "import os\ndef f(): os._exit(255)",
		"abort":                    "import os\ndef f(): os.abort()",
		"a decompression bomb":     "import zlib\ndef f():\n    c = zlib.compress(bytes(1 << 26), 9)\n    return b''.join(zlib.decompress(c) for i in range(64))",
		"deep nesting":             "def f(): return eval('(' * 100000 + ')' * 100000)",
		"a deep value":             "def f():\n    x = []\n    for i in range(100000): x = [x]\n    return x",
		"a number with a million":  "def f(): return 9 ** (9 ** 8)",
		"slow regular expression":  "import re\ndef f(): return re.match(r'(a+)+$', 'a' * 60 + 'b')",
		"garbage with finalizers":  "class X:\n    def __del__(self): X()\ndef f():\n    while True: X()",
		"breaks its own driver":    "import sys\ndef f():\n    g = sys._getframe(2).f_globals\n    g['_receive'] = None; g['_put'] = None\n    return 1",
		"frames that never end":    "import sys\ndef f():\n    sys.__stdout__.buffer.write(b'B99999999:'); sys.__stdout__.buffer.flush()\n    while True: pass",
		"frames that are too long": "import sys\ndef f():\n    sys.__stdout__.buffer.write(b'B9999999999999999:'); sys.__stdout__.buffer.flush()",
	},
	"javascript": {
		"memory":                  "function f() { const a = []; for (;;) a.push('x'.repeat(1 << 20) + a.length) }",
		"an endless loop":         "function f() { for (;;); }",
		"endless promises":        "async function f() { for (;;) await null }",
		"endless timers":          "function f() { return new Promise(() => { setInterval(() => {}, 0) }) }",
		"slow regular expression": "function f() { return /^(a+)+$/.test('a'.repeat(60) + 'b') }",
		"endless output":          "function f() { for (;;) console.log('x'.repeat(65536)) }",
		"a deep value":            "function f() { let x = []; for (let i = 0; i < 100000; i++) x = [x]; return x }",
		"deep nesting":            "function f() { return eval('['.repeat(100000) + ']'.repeat(100000)) }",
		"a string that doubles":   "function f() { let s = 'x'; for (;;) s += s }",
		"modules of Node":         "const { execSync } = require('child_process')\nfunction f() { return execSync('id') }",
		"process":                 "function f() { process.exit(0) }",
		"a proxy without end":     "function f() { return new Proxy({}, { ownKeys() { for (;;); }, getPrototypeOf() { for (;;); } }) }",
		"imports":                 "async function f() { return import('/etc/passwd') }",
	},
	"bash": {
		"an endless loop":       "f() { while :; do :; done; }",
		"a fork bomb":           "f() { f | f & f; }",
		"a string that doubles": "f() { local x=x; while :; do x=$x$x; done; }",
		"endless output":        "f() { while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done; }",
		"files":                 "f() { for i in {1..1000000}; do echo x > /tmp/assay-abuse$i; done; }",
		"a socket":              "f() { echo x > /dev/tcp/127.0.0.1/5432; }",
		"a program":             "f() { /bin/id; }",
		"kill all":              "f() { kill -9 -1; /bin/kill -9 -1; }",
		"descriptors":           "f() { exec 5<>/dev/zero; }",
		"brace expansion":       "f() { echo {1..100000000}; }",
		"recursion":             "f() { f; }",
	},
}

// After each: the answer is in time and never a pass, nothing is left on the
// machine, and no child lives on.
func TestCodeWrittenToBreakTheSandbox(t *testing.T) {
	const wall = time.Second
	expects := map[string]string{"python": "assert f() == 'never'", "javascript": "(async () => { console.assert(await f() === 'never') })()", "bash": "[[ $(f) == never ]] || exit 1"}
	var mu sync.Mutex
	slots := make(chan struct{}, 2)
	var wg sync.WaitGroup
	for language, programs := range abuse {
		for name, code := range programs {
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				tests := expects[language]
				began := time.Now()
				got := judgeWithin(t, Job{Language: language, Code: code, Tests: &tests}, sandbox.Limits{Wall: wall})
				took := time.Since(began)
				mu.Lock()
				defer mu.Unlock()
				t.Logf("%s, %s: %s %s in %v", language, name, got.Verdict, got.Reason, took.Round(time.Millisecond))
				// What merely answers wrongly has failed; all else proves nothing.
				if got.Verdict == pass || got.Verdict == fail && !fails[language+", "+name] || got.Reason == "" {
					t.Errorf("%s, %s: want it inconclusive with its reason, got %s %s: %s", language, name, got.Verdict, got.Reason, got.Message)
				}
			})
		}
	}
	wg.Wait()
	left, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "assay-abuse") {
			t.Errorf("%s was left on the machine", e.Name())
		}
	}
	if n := childrenOfChildren(t); n > 0 {
		t.Errorf("%d processes were left", n)
	}
	if got := judge(t, Job{Language: "python", Code: "def f(): return 1", Tests: ptr("assert f() == 1")}); got.Verdict != pass {
		t.Errorf("jobs after it are as before: %+v", got)
	}
}

// fails are those that end as any wrong answer does: the language itself
// refuses them.
var fails = map[string]bool{
	"python, deep nesting": true, "python, a number with a million": true, "python, breaks its own driver": true, "python, a deep value": true,
	"javascript, a deep value": true, "javascript, deep nesting": true, "javascript, process": true, "bash, kill all": true, "bash, recursion": true,
}

// childrenOfChildren counts processes whose parent is a child of the sandbox,
// or that lost theirs.
func childrenOfChildren(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	parents := map[int]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		parents[pid], _ = strconv.Atoi(fields[1])
	}
	n := 0
	for _, parent := range parents {
		if parent != os.Getpid() && parents[parent] == os.Getpid() {
			n++
		}
	}
	return n
}

// A hundred that never end do not keep others waiting for longer than their
// own time.
func TestManyTimeoutsAtOnce(t *testing.T) {
	if !*full {
		t.Log("ten of them; a hundred in the long form")
	}
	n := 10
	if *full {
		n = 100
	}
	input, err := json.Marshal(Job{Language: "javascript", Code: "for (;;);"})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			r, err := box.Run(context.Background(), sandbox.Job{Program: "javascript", Input: input, Limits: sandbox.Limits{Wall: 300 * time.Millisecond}})
			if err != nil || r.End != sandbox.OutOfTime {
				t.Errorf("want a timeout, got %v %v", r.End, err)
			}
		})
	}
	wg.Wait()
	t.Logf("%d timeouts of 0.3 s in %v", n, time.Since(began).Round(time.Millisecond))
}
