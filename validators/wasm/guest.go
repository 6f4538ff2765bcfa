package wasm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"assay/validators/sandbox"
)

// Loaded is an engine in memory, ready for any number of guests one after the
// other or side by side.
type Loaded struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
	limit   uint64
}

// Load reads an engine that Prepare made. Call it before the lock-down: it maps
// machine code. The limit is that of one guest's memory, in bytes. Imports add
// the functions that the engine wants beside those of WASI.
func Load(ctx context.Context, files sandbox.Files, limit int64, imports ...func(context.Context, wazero.Runtime) error) (*Loaded, error) {
	// The collector would stop the world for a guest that never pauses, and
	// there is little for it to find: guests' memory is not Go's.
	debug.SetGCPercent(-1)
	module, err := io.ReadAll(files["module"])
	if err != nil {
		return nil, fmt.Errorf("read the engine: %w", err)
	}
	rt, err := newRuntime(ctx, fmt.Sprintf("/proc/self/fd/%d", files["cache"].Fd()), uint32(limit/pageSize))
	if err != nil {
		return nil, err
	}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, rt); err != nil {
		return nil, err
	}
	for _, add := range imports {
		if err := add(ctx, rt); err != nil {
			return nil, err
		}
	}
	compiled, err := rt.CompileModule(ctx, module)
	if err != nil {
		return nil, fmt.Errorf("load the engine: %w", err)
	}
	return &Loaded{rt, compiled, uint64(limit)}, nil
}

// Interpreter runs modules that came into being in a sandbox, without making
// machine code of them: a child that has seen a job may not.
type Interpreter struct {
	runtime wazero.Runtime
	limit   uint64
}

// OpenInterpreter makes one. The limit is that of one guest's memory, in bytes.
func OpenInterpreter(ctx context.Context, limit int64, imports ...func(context.Context, wazero.Runtime) error) (*Interpreter, error) {
	debug.SetGCPercent(-1)
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithDebugInfoEnabled(false).WithMemoryLimitPages(uint32(limit/pageSize)))
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, rt); err != nil {
		return nil, err
	}
	for _, add := range imports {
		if err := add(ctx, rt); err != nil {
			return nil, err
		}
	}
	return &Interpreter{rt, uint64(limit)}, nil
}

// Load reads a module, which a stranger may have made.
func (i *Interpreter) Load(ctx context.Context, module []byte) (*Loaded, error) {
	compiled, err := i.runtime.CompileModule(ctx, module)
	if err != nil {
		return nil, fmt.Errorf("load a module: %w", err)
	}
	return &Loaded{i.runtime, compiled, i.limit}, nil
}

// Pipes are what a guest is given.
type Pipes struct {
	Args   []string
	Env    map[string]string
	In     io.Reader
	Out    io.Writer
	Errors io.Writer
}

// ErrMemory says that a guest could not have all the memory it wanted.
var ErrMemory = errors.New("out of memory")

// Run starts a guest that is a command and waits for its end. A code other than
// 0 is the guest's own; an error is a trap: the engine itself fell over.
func (l *Loaded) Run(ctx context.Context, p Pipes) (code uint32, err error) {
	guest, err := l.runtime.InstantiateModule(l.within(ctx), l.module, l.config(p))
	if guest != nil {
		defer guest.Close(ctx)
	}
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// Start starts a guest that is a library, to be called.
func (l *Loaded) Start(ctx context.Context, p Pipes) (api.Module, error) {
	return l.runtime.InstantiateModule(l.within(ctx), l.module, l.config(p).WithStartFunctions("_initialize"))
}

func (l *Loaded) within(ctx context.Context) context.Context {
	return experimental.WithMemoryAllocator(ctx, mapped(l.limit))
}

func (l *Loaded) config(p Pipes) wazero.ModuleConfig {
	c := wazero.NewModuleConfig().WithName("").WithArgs(p.Args...).WithStdin(p.In).WithStdout(p.Out).WithStderr(p.Errors).
		WithRandSource(rand.Reader).WithSysWalltime().WithSysNanotime().
		WithNanosleep(func(ns int64) { time.Sleep(time.Duration(ns)) })
	for name, value := range p.Env {
		c = c.WithEnv(name, value)
	}
	return c
}

// Tail keeps the last part of what a guest says to its standard error.
type Tail struct{ text []byte }

func (t *Tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if extra := len(t.text) - 8<<10; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

func (t *Tail) String() string { return string(t.text) }

var _ io.Writer = (*Tail)(nil)
