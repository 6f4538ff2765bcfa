package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"assay/internal/confine"
)

// childArgument is the hidden first argument that makes this program a child.
const childArgument = "sandbox-child"

// maxThreads is far above what Go's runtime needs here. The kernel counts the
// threads of a user together, over all children: it cannot tell whose they are.
const maxThreads = 48

// toolFileSize is the largest file that a tool may write, in bytes.
const toolFileSize = 64 << 20

// setup is what the parent tells a child before anything else.
type setup struct {
	Program string         `json:"program"`
	Wall    time.Duration  `json:"wall"`
	Memory  int64          `json:"memory"`
	Output  int64          `json:"output"`
	Files   map[string]int `json:"files"`             // by name: the descriptor
	Scratch string         `json:"scratch,omitempty"` // where a child with tools may write
	Without []Layer        `json:"without,omitempty"` // of the self-test: layers it looks behind
}

// ready is what a child says of itself once it is locked down.
type ready struct {
	Seccomp bool `json:"seccomp"`
}

// Main is the child when this program was started as one, and then does not
// return; otherwise it returns at once. Call it first in main, and in TestMain
// of every test binary that uses the sandbox.
func Main(programs ...Program) {
	if len(os.Args) != 2 || os.Args[1] != childArgument {
		return
	}
	err := serve(append(programs, selfTest, strongTest), os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(programs []Program, in io.Reader, out io.Writer) error {
	kind, body, err := readFrame(in, setupLimit)
	if err != nil || kind != frameSetup {
		return fmt.Errorf("read the setup: %w", err)
	}
	var s setup
	if err := json.Unmarshal(body, &s); err != nil {
		return fmt.Errorf("read the setup: %w", err)
	}
	for _, p := range programs {
		if p.Name == s.Program {
			return work(p, s, in, out)
		}
	}
	return fmt.Errorf("there is no program %q", s.Program)
}

func work(p Program, s setup, in io.Reader, out io.Writer) error {
	runtime.GOMAXPROCS(2) // one to compute, one to see the time
	debug.SetMemoryLimit(s.Memory * 9 / 10)
	debug.SetTraceback("single")
	debug.SetMaxThreads(maxThreads)
	debug.SetMaxStack(int(min(s.Memory/2, 256<<20)))
	files := Files{}
	for name, fd := range s.Files {
		// One File for a descriptor: a second would close it again, once it was
		// collected, whatever it had become by then.
		at := name
		if name == scratchName {
			at = s.Scratch
		}
		files[name] = os.NewFile(uintptr(fd), at)
	}
	if p.Strong {
		// The rest of this goroutine's life is on this thread, and what it starts.
		if err := confineStrong(); err != nil {
			return err
		}
	}
	do, err := p.Open(files)
	if err != nil {
		return fmt.Errorf("open %s: %w", p.Name, err)
	}
	for _, f := range files {
		f.Close()
	}
	if !slices.Contains(s.Without, Rlimits) {
		if err := setLimits(s, p); err != nil {
			return err
		}
	}
	if !slices.Contains(s.Without, Seccomp) {
		err = lockDown(s.calls(p))
	}
	if err != nil && !errors.Is(err, confine.ErrNoSeccomp) {
		return err
	}
	hello, _ := json.Marshal(ready{Seccomp: err == nil})
	if err := writeFrame(out, frameReady, hello); err != nil {
		return err
	}
	for range max(1, p.Jobs) {
		if err := oneJob(do, s, in, out); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
	return nil
}

// calls is what the child may ask of the kernel.
func (s setup) calls(p Program) calls {
	if p.Strong {
		return ofPrograms
	}
	if s.Scratch != "" {
		return withTools
	}
	return computing
}

func oneJob(do Work, s setup, in io.Reader, out io.Writer) error {
	kind, input, err := readFrame(in, 1<<31)
	if err != nil {
		return err
	}
	if kind != frameJob {
		return fmt.Errorf("a frame %q where a job was expected", kind)
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.Wall)
	output, err := do(ctx, input)
	cancel()
	if err != nil {
		return writeFrame(out, frameFault, []byte(err.Error()))
	}
	return writeFrame(out, frameOutput, output)
}

// setLimits gives up what a job may never have. Processor time is a second
// wall: the parent's clock is the first.
func setLimits(s setup, p Program) error {
	seconds := uint64(2*(s.Wall+grace)/time.Second+2) * uint64(max(1, p.Jobs))
	processes := uint64(4096)
	fileSize, openFiles := uint64(0), uint64(16)
	if s.Scratch != "" {
		fileSize, openFiles = toolFileSize, 256
	}
	if p.Strong {
		openFiles, processes = 64, maxProcesses
	}
	limits := []struct {
		name     string
		resource int
		value    uint64
	}{
		{"memory", unix.RLIMIT_DATA, uint64(s.Memory + overheadData)},
		{"processor time", unix.RLIMIT_CPU, seconds},
		{"file size", unix.RLIMIT_FSIZE, fileSize},
		{"core dumps", unix.RLIMIT_CORE, 0},
		{"open files", unix.RLIMIT_NOFILE, openFiles},
		{"locked memory", unix.RLIMIT_MEMLOCK, 0},
		{"message queues", unix.RLIMIT_MSGQUEUE, 0},
		// Threads of one user are counted together, so that this is only the
		// second wall behind the filter, which allows no process at all.
		{"processes", unix.RLIMIT_NPROC, processes},
	}
	for _, l := range limits {
		var now unix.Rlimit
		if err := unix.Getrlimit(l.resource, &now); err != nil {
			return fmt.Errorf("limit %s: %w", l.name, err)
		}
		value := min(l.value, now.Max)
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: value, Max: value}); err != nil {
			return fmt.Errorf("limit %s: %w", l.name, err)
		}
	}
	return nil
}
