package code

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
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
		"a unix socket":            "import socket\ndef f(): socket.socket(socket.AF_UNIX).connect('/tmp/assay-abuse')",
		"a datagram":               "import socket\ndef f(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))",
		"a raw socket":             "import socket\ndef f(): socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
		"strange names":            "import os\ndef f():\n    for n in ['\\n', '-rf', '\\x01', 'a' * 255, '..', '\\u202e']: open('/tmp/assay-abuse' + n, 'w')",
		"mount":                    "import ctypes\ndef f(): return ctypes.CDLL(None).mount(b'x', b'/', b'tmpfs', 0, 0)",
		"user namespaces":          "import os\ndef f(): os.unshare(os.CLONE_NEWUSER)",
		"calls of the kernel":      "import ctypes\ndef f(): return [ctypes.CDLL(None).syscall(n, 0, 0, 0) for n in (321, 425, 250, 298)]",
		"core dumps":               "import resource, os\ndef f():\n    resource.setrlimit(resource.RLIMIT_CORE, (-1, -1))\n    os.abort()",
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
	"go": {
		"an endless loop":          "func F() string { for { } }",
		"goroutines":               "func F() string { for { go F() } }",
		"memory":                   "var kept [][]byte\nfunc F() string { for { kept = append(kept, make([]byte, 1<<20)) } }",
		"memory in one piece":      "func F() string { return string(make([]byte, 1<<40>>len(os.Args))) }",
		"a string that doubles":    "func F() string { s := \"x\"; for { s += s } }",
		"endless output":           "func F() string { for { fmt.Println(strings.Repeat(\"x\", 65536)) } }",
		"endless errors":           "func F() string { for { println(\"all is lost\") } }",
		"sleep":                    "func F() string { time.Sleep(time.Hour); return \"\" }",
		"waits for ever":           "func F() string { var mu sync.Mutex; mu.Lock(); go func() { for { time.Sleep(time.Hour) } }(); mu.Lock(); return \"\" }",
		"exit 0":                   "func F() string { os.Exit(0); return \"\" }",
		"exit 137":                 "func F() string { os.Exit(137); return \"\" }",
		"exit 255":                 "func F() string { os.Exit(255); return \"\" }",
		"leaves its goroutine":     "func F() string { runtime.Goexit(); return \"\" }",
		"disk":                     "func F() string { f, err := os.Create(\"/tmp/assay-abuse\"); if err != nil { return err.Error() }; for { f.Write(make([]byte, 65536)) } }",
		"symlinks":                 "func F() string { return fmt.Sprint(os.Symlink(\"/etc/passwd\", \"/tmp/assay-abuse\")) }",
		"proc of others":           "func F() string { b, err := os.ReadFile(\"/proc/1/environ\"); return fmt.Sprint(string(b), err) }",
		"a socket":                 "import \"net\"\nfunc F() string { c, err := net.Dial(\"tcp\", \"127.0.0.1:5432\"); return fmt.Sprint(c, err) }",
		"a program":                "import \"os/exec\"\nfunc F() string { out, _ := exec.Command(\"/bin/id\").Output(); return string(out) }",
		"kill all":                 "import \"syscall\"\nfunc F() string { return fmt.Sprint(syscall.Kill(-1, 9)) }",
		"a decompression bomb":     "import (\"bytes\"; \"compress/gzip\"; \"io\")\nfunc F() string { var b bytes.Buffer; w := gzip.NewWriter(&b); for range 64 { w.Write(make([]byte, 1<<20)) }; w.Close(); r, _ := gzip.NewReader(&b); x, _ := io.ReadAll(r); var k [][]byte; for { k = append(k, append([]byte{}, x...)) } }",
		"recursion":                "func F() string { return F() + F() }",
		"a deep value":             "type N struct{ Next *N }\nfunc F() any { var n *N; for range 1000000 { n = &N{n} }; return n }",
		"its own report":           "import \"unsafe\"\n//go:wasmimport assay send\nfunc send(at unsafe.Pointer, n uint32)\nfunc F() string { m := []byte(\"Rt8:s4:helds0:i1:0i1:0s0:s0:i1:1i1:0\"); send(unsafe.Pointer(&m[0]), uint32(len(m))); for { } }",
		"an answer nobody asked":   "import \"unsafe\"\n//go:wasmimport assay send\nfunc send(at unsafe.Pointer, n uint32)\nfunc F() string { m := []byte(\"B\\x08gave\\x02\\x0aother\\x00\"); send(unsafe.Pointer(&m[0]), uint32(len(m))); os.Exit(0); return \"\" }",
		"a message without length": "import \"unsafe\"\n//go:wasmimport assay send\nfunc send(at unsafe.Pointer, n uint32)\nfunc F() string { send(nil, 1<<31); return \"\" }",
		"pokes in memory":          "import \"unsafe\"\nfunc F() string { for p := uintptr(1 << 12); ; p += 8 { *(*uint64)(unsafe.Pointer(p)) = 0x6e65766572 } }",
		"a tree of types":          "type A [1 << 20]B\ntype B [1 << 20]C\ntype C [1 << 20]int\nfunc F() string { var a A; return fmt.Sprint(a[1]) }",
		"constants without end":    "const a = 1 << 500\nconst b = a * a * a * a * a * a * a\nfunc F() string { return fmt.Sprint(b) }",
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
	const wall = 700 * time.Millisecond
	before := machine(t)
	expects := map[string]string{"go": "func TestF(t *testing.T) { assert.Equal(t, \"never\", F()) }", "python": "assert f() == 'never'", "javascript": "(async () => { console.assert(await f() === 'never') })()", "bash": "[[ $(f) == never ]] || exit 1"}
	var mu sync.Mutex
	slots := make(chan struct{}, 2)
	var wg sync.WaitGroup
	over := make(chan struct{})
	neighbour := sync.WaitGroup{}
	neighbour.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Second):
			}
			if got := judge(t, Job{Language: "bash", Code: "f() { echo 1; }", Tests: ptr("[[ $(f) == 1 ]] || exit 1")}); got.Verdict != pass {
				t.Errorf("a neighbour was not judged: %+v", got)
			}
		}
	})
	for language, programs := range abuse {
		for name, code := range programs {
			if l, _ := Named(language); l.Missing() != nil {
				t.Logf("%s is not here", language)
				break
			}
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				tests, limits := expects[language], sandbox.Limits{Wall: wall}
				if language == "go" && !endless[name] {
					limits.Wall = 0 // two guests are read before anything runs
				}
				began := time.Now()
				got := judgeWithin(t, Job{Language: language, Code: code, Tests: &tests}, limits)
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
	close(over)
	neighbour.Wait()
	if after := machine(t); after != before {
		t.Errorf("the machine is not as it was:\n%s\nbefore:\n%s", after, before)
	}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &used); err != nil {
		t.Fatal(err)
	}
	// The compiler's child may take more than any program.
	if most := max(PythonProgram.Limits.Memory, GoCompilerProgram.Limits.Memory); used.Maxrss<<10 > most+most/10 {
		t.Errorf("a child took %d MiB of %d", used.Maxrss>>10, most>>20)
	}
	time.Sleep(time.Second)
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
	"go, recursion": true, "go, leaves its goroutine": true, "go, a deep value": true, "go, pokes in memory": true, "go, a tree of types": true, "go, constants without end": true,
	"go, a message without length": true, "go, waits for ever": true, "go, an answer nobody asked": true,
	"javascript, a deep value": true, "javascript, deep nesting": true, "javascript, process": true, "bash, kill all": true, "bash, recursion": true,
}

// endless are those in Go that run until they are stopped; the others end by
// themselves.
var endless = map[string]bool{"an endless loop": true, "goroutines": true, "endless output": true, "endless errors": true, "sleep": true,
	"waits for ever": true, "its own report": true, "a decompression bomb": true, "a deep value": true}

// machine is what abuse would leave behind: files beside the test and of the
// machine, and what is in the folder of temporary files by our names.
func machine(t *testing.T) string {
	t.Helper()
	var found []string
	for _, dir := range []string{os.TempDir(), "/dev/shm", "."} {
		entries, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, e := range entries {
			if dir == "." || strings.HasPrefix(e.Name(), "assay-abuse") || strings.HasPrefix(e.Name(), "core") {
				found = append(found, dir+"/"+e.Name())
			}
		}
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%q %x", found, sha256.Sum256(passwd))
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

// What is cut is marked, and proves nothing.
func TestTruncatedOutputIsMarked(t *testing.T) {
	for language, code := range map[string]string{
		"python":     "for i in range(40): print('x' * 65536)",
		"javascript": "for (let i = 0; i < 40; i++) console.log('x'.repeat(65536))",
		"go":         "package main\nimport (\"fmt\"; \"strings\")\nfunc main() { for range 40 { fmt.Println(strings.Repeat(\"x\", 65536)) } }",
		"bash":       "x=xxxxxxxxxxxxxxxx; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do x=$x$x; done; for i in {1..40}; do echo $x; done",
	} {
		if l, _ := Named(language); l.Missing() != nil {
			t.Logf("%s is not here", language)
			continue
		}
		wanted := "x"
		got := judge(t, Job{Language: language, Code: code, Stdout: &wanted})
		if got.Verdict != inconclusive || got.Reason != ReasonPrintedMuch || !got.Evidence.Cut {
			t.Errorf("%s: want it cut and inconclusive, got %s %s, cut %v: %s", language, got.Verdict, got.Reason, got.Evidence.Cut, got.Message)
		}
	}
}
