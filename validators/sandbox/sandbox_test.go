package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/ebitengine/purego" // as in the product: loaded with C libraries, threads are theirs
)

// hostile are programs that do what code in a sandbox must not get away with.
// They are Go, with all of Go's means, so that nothing but the sandbox stops
// them.
func hostile() []Program {
	program := func(name string, work Work) Program {
		limits := Limits{Wall: time.Second, Memory: 64 << 20, Output: 1 << 20}
		if name == "eat" || name == "recurse" || name == "threads" {
			limits.Wall = 10 * time.Second // a busy machine must not make them late first
		}
		return Program{Name: name, Limits: limits, Open: func(Files) (Work, error) { return work, nil }}
	}
	echo := program("echo", func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
	echo.Ahead = 1
	many := program("echo-many", func(_ context.Context, in []byte) ([]byte, error) {
		return append(in, []byte(" "+strconv.Itoa(os.Getpid()))...), nil
	})
	many.Jobs = 3
	shell := Program{Name: "shell", Strong: true, Limits: Limits{Wall: time.Second, Memory: 64 << 20, Output: 1 << 20}}
	shell.Open = func(Files) (Work, error) {
		return func(_ context.Context, in []byte) ([]byte, error) {
			ran, err := Execute(shell.Limits.Memory, 4096, strings.NewReader("asked"), "/bin/bash", "-c", string(in))
			return []byte(fmt.Sprintf("%d %v %v %s%s", ran.Code, ran.Memory, ran.Cut, ran.Out, ran.Errors)), err
		}, nil
	}
	return []Program{
		echo, many, shell,
		program("fault", func(context.Context, []byte) ([]byte, error) { return nil, errors.New("the disk is gone") }),
		program("spin", func(context.Context, []byte) ([]byte, error) {
			for {
			}
		}),
		program("sleep", func(context.Context, []byte) ([]byte, error) { time.Sleep(time.Hour); return nil, nil }),
		program("deaf", func(context.Context, []byte) ([]byte, error) {
			// Ignores every signal that may be ignored.
			ignoreSignals()
			time.Sleep(time.Hour)
			return nil, nil
		}),
		program("eat", func(context.Context, []byte) ([]byte, error) {
			var kept [][]byte
			for {
				block := make([]byte, 8<<20)
				for i := range block {
					block[i] = 1
				}
				kept = append(kept, block)
				if len(kept) > 1<<10 {
					return []byte("ate 8 GB"), nil
				}
			}
		}),
		program("threads", func(context.Context, []byte) ([]byte, error) {
			for i := range 20_000 {
				go func() { runtime.LockOSThread(); time.Sleep(time.Hour) }()
				if i%100 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			return []byte("started 20,000 threads"), nil
		}),
		program("recurse", func(_ context.Context, in []byte) ([]byte, error) { return []byte(strconv.Itoa(recurse(1 << 40))), nil }),
		program("shout", func(context.Context, []byte) ([]byte, error) { return bytes.Repeat([]byte("x"), 64<<20), nil }),
		program("babble", func(context.Context, []byte) ([]byte, error) {
			for {
				os.Stdout.WriteString("oooooooooooooooooooo") // o, with a length that is a lie
			}
		}),
		program("complain", func(context.Context, []byte) ([]byte, error) {
			for {
				os.Stderr.WriteString(strings.Repeat("all is lost ", 1000))
			}
		}),
		program("exit", func(_ context.Context, in []byte) ([]byte, error) {
			code, _ := strconv.Atoi(string(in))
			os.Exit(code)
			return nil, nil
		}),
		program("panic", func(context.Context, []byte) ([]byte, error) { panic("boo") }),
		program("kill-itself", func(context.Context, []byte) ([]byte, error) {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			syscall.Kill(-1, syscall.SIGKILL)
			return []byte("still here"), nil
		}),
		program("look", func(context.Context, []byte) ([]byte, error) { return []byte(look()), nil }),
		program("run", func(context.Context, []byte) ([]byte, error) {
			out, err := exec.Command("/bin/true").CombinedOutput()
			return []byte(fmt.Sprint(string(out), err)), nil
		}),
	}
}

func recurse(n int) int {
	if n == 0 {
		return 0
	}
	return recurse(n-1) + 1
}

func TestMain(m *testing.M) {
	Main(hostile()...)
	os.Exit(m.Run())
}

func open(t *testing.T) *Children {
	t.Helper()
	s := Open(Config{Programs: hostile()})
	t.Cleanup(s.Close)
	return s
}

func run(t *testing.T, s *Children, program, input string) Result {
	t.Helper()
	r, err := s.Run(context.Background(), Job{Program: program, Input: []byte(input)})
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	return r
}

func TestAJobComesBack(t *testing.T) {
	s := open(t)
	for _, text := range []string{"", "hello", strings.Repeat("long ", 100_000)} {
		if r := run(t, s, "echo", text); r.End != Done || string(r.Output) != text {
			t.Fatalf("want %d bytes back, got %s %s, %d bytes", len(text), r.End, r.Detail, len(r.Output))
		}
	}
}

func TestEveryEscapeIsRefused(t *testing.T) {
	s := open(t)
	c, err := s.Capabilities(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Reached) > 0 || c.Tried < 60 {
		t.Errorf("of %d escapes these were not refused: %v", c.Tried, c.Reached)
	}
	if c.Landlock == 0 || !c.Seccomp || c.Tier != TierDefault {
		t.Errorf("want Landlock and seccomp on a kernel of today, got %s", c)
	}
	if _, err := os.Stat("/tmp/assay-sandbox-escape"); err == nil {
		t.Error("a file came into being")
	}
}

// A layer that is left out without a word is missed by the self-test, whichever
// it is.
func TestABrokenSandboxIsFoundOut(t *testing.T) {
	for _, layer := range []Layer{Landlock, Seccomp, Rlimits} {
		t.Run(string(layer), func(t *testing.T) {
			s := Open(Config{Programs: hostile(), LeaveOut: []Layer{layer}})
			defer s.Close()
			c, err := s.Capabilities(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if c.Tier != TierBroken || len(c.Broken) != 1 || !strings.HasPrefix(c.Broken[0], string(layer)) {
				t.Errorf("want %s to be missed, got %s, broken %q", layer, c, c.Broken)
			}
		})
	}
	if _, err := os.Lstat("/tmp/assay-sandbox-escape"); err == nil {
		t.Error("the self-test left something behind")
	}
}

func TestEndsAreToldApart(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		program, input string
		want           End
	}{
		{"spin", "", OutOfTime}, {"sleep", "", OutOfTime}, {"deaf", "", OutOfTime}, {"complain", "", OutOfTime},
		{"eat", "", OutOfMemory}, {"recurse", "", OutOfMemory}, {"threads", "", OutOfMemory},
		{"shout", "", TooMuchSaid}, {"babble", "", TooMuchSaid},
		{"exit", "0", Crashed}, {"exit", "1", Crashed}, {"exit", "137", Crashed}, {"exit", "255", Crashed}, {"panic", "", Crashed},
	} {
		t.Run(c.program+c.input, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			r := run(t, s, c.program, c.input)
			if r.End != c.want {
				t.Errorf("want %s, got %s (%s) %.60q", c.want, r.End, r.Detail, r.Output)
			}
			if r.Elapsed > 3*time.Second && c.want != OutOfMemory || time.Since(began) > 25*time.Second {
				t.Errorf("took %s of a limit of 1 s", r.Elapsed)
			}
		})
	}
}

func TestAFaultOfOursIsAnError(t *testing.T) {
	s := open(t)
	if r, err := s.Run(context.Background(), Job{Program: "fault"}); err == nil || !strings.Contains(err.Error(), "the disk is gone") {
		t.Errorf("want the fault, got %v %v", r, err)
	}
	if _, err := s.Run(context.Background(), Job{Program: "unheard of"}); err == nil {
		t.Error("a program that does not exist ran")
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, cancel)
	if _, err := s.Run(ctx, Job{Program: "sleep"}); !errors.Is(err, context.Canceled) {
		t.Errorf("want canceled, got %v", err)
	}
}

func TestAChildHasNothingToTake(t *testing.T) {
	t.Setenv("ASSAY_SECRET", "swordfish")
	kept, err := os.Create(filepath.Join(t.TempDir(), "secret")) // close-on-exec, as all of Go's
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	inherited, err := syscall.Dup(int(kept.Fd())) // without close-on-exec, as a shell leaves them
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(inherited)
	s := open(t)
	r := run(t, s, "look", "")
	if want := "env [] args [assay sandbox-child] descriptors [0 1 2]"; !strings.HasPrefix(string(r.Output), want) {
		t.Errorf("want %s, got %s", want, r.Output)
	}
	if r := run(t, s, "run", ""); !strings.Contains(string(r.Output), "not permitted") && !strings.Contains(string(r.Output), "denied") {
		t.Errorf("a program was started: %s", r.Output)
	}
	if r := run(t, s, "kill-itself", ""); string(r.Output) != "still here" {
		t.Errorf("signals are not refused: %s %s", r.End, r.Output)
	}
	if os.Geteuid() == 0 && !strings.Contains(string(r.Output), "user 65534") {
		t.Errorf("children of root run as %s", r.Output)
	}
}

// look says what a child finds around it.
func look() string {
	var open []int
	for fd := range 16 {
		_, reading := syscall.Read(fd, nil)
		_, writing := syscall.Write(fd, nil)
		if reading != syscall.EBADF || writing != syscall.EBADF {
			open = append(open, fd)
		}
	}
	// The runtime's own poller and its wake-up belong to the child.
	open = slices.DeleteFunc(open, func(fd int) bool { return fd > 2 && fd < 5 })
	return fmt.Sprintf("env %v args %v descriptors %v user %d", os.Environ(), os.Args, open, os.Geteuid())
}

func ignoreSignals() {
	for signal := syscall.Signal(1); signal < 32; signal++ {
		if signal != syscall.SIGURG {
			ignore(signal)
		}
	}
}

func TestAChildIsSharedOnlyWhereItsProgramSaysSo(t *testing.T) {
	s := open(t)
	var pids []string
	for range 4 {
		r := run(t, s, "echo-many", "x")
		pids = append(pids, strings.Fields(string(r.Output))[1])
	}
	if pids[0] != pids[1] || pids[1] != pids[2] || pids[2] == pids[3] {
		t.Errorf("want three jobs a child, got %v", pids)
	}
	r, err := s.Run(context.Background(), Job{Program: "echo-many", Input: []byte("x"), Limits: Limits{Memory: 32 << 20}})
	if err != nil || strings.Fields(string(r.Output))[1] == pids[3] {
		t.Errorf("a job with limits of its own had a child of others: %v %s", err, r.Output)
	}
}

func TestAHundredTimeoutsLeaveOthersAlone(t *testing.T) {
	s := Open(Config{Programs: hostile(), AtOnce: 60})
	defer s.Close()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			r, err := s.Run(context.Background(), Job{Program: "sleep", Limits: Limits{Wall: 500 * time.Millisecond}})
			if err != nil || r.End != OutOfTime {
				t.Errorf("want a timeout, got %v %v", r.End, err)
			}
		})
	}
	for range 20 {
		if r := run(t, s, "echo", "hello"); r.End != Done {
			t.Errorf("a neighbour ended with %s %s", r.End, r.Detail)
		}
	}
	wg.Wait()
}

func TestNothingIsLeftRunning(t *testing.T) {
	s := Open(Config{Programs: hostile()})
	for _, program := range []string{"echo", "spin", "threads", "echo-many"} {
		run(t, s, program, "")
	}
	s.Close()
	time.Sleep(100 * time.Millisecond)
	if left := ownChildren(t); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
}

// ownChildren lists processes whose parent we are and which are sandboxes.
func ownChildren(t *testing.T) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			left = append(left, string(text[:bytes.LastIndexByte(text, ')')+1]))
		}
	}
	return left
}

// again runs tests of this binary as somebody else: without an environment, and
// with nothing but what the attributes give.
func again(t *testing.T, attributes *syscall.SysProcAttr, shell, tests string) {
	t.Helper()
	args := []string{"/proc/self/exe", "-test.count=1", "-test.v", "-test.run=" + tests}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	if shell != "" {
		args = append([]string{"/bin/sh", "-c", shell + ` && exec "$0" "$@"`, "/proc/self/fd/3"}, args[1:]...)
	}
	c := &exec.Cmd{ExtraFiles: []*os.File{self}, Path: args[0], Args: args, Dir: "/", Env: []string{"TMPDIR=/tmp", "PATH=/usr/bin:/bin"}, SysProcAttr: attributes}
	out, err := c.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestEveryEscapeIsRefused")) {
		t.Errorf("it does not hold for another user: %v", err)
	}
}

const holdsForAll = "^(TestEveryEscapeIsRefused|TestABrokenSandboxIsFoundOut|TestAJobComesBack|TestAChildHasNothingToTake|TestProgramsOfTheMachineRunInTheStrongTier)$"

func TestAPlainUserHasTheSameSandbox(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("all of these tests ran as a plain user")
		return
	}
	again(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534, Groups: []uint32{}}}, "", holdsForAll)
}

// The default tier needs no user namespaces; the strong tier says that it does.
func TestTheSandboxHoldsWithoutUserNamespaces(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can take them away from itself")
		return
	}
	whole := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
	again(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: whole, GidMappings: whole, GidMappingsEnableSetgroups: true},
		"echo 0 > /proc/sys/user/max_user_namespaces", holdsForAll)
}

// What a child that waits already is worth.
func BenchmarkAJob(b *testing.B) {
	for name, ahead := range map[string]int{"started ahead": 1, "started for it": 0} {
		b.Run(name, func(b *testing.B) {
			programs := hostile()
			for i := range programs {
				programs[i].Ahead = ahead
			}
			s := Open(Config{Programs: programs})
			defer s.Close()
			for b.Loop() {
				b.StopTimer()
				time.Sleep(30 * time.Millisecond) // as between jobs that do not come all at once
				b.StartTimer()
				if r, err := s.Run(context.Background(), Job{Program: "echo"}); err != nil || r.End != Done {
					b.Fatal(r, err)
				}
			}
		})
	}
}
