package wasm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/tetratelabs/wazero"

	"assay/internal/fault"
)

// Engine is an interpreter as npm installs it.
type Engine struct {
	Name    string // "CPython", for messages
	Version string
	Package string // its path below node_modules
}

// Find returns the path of the engine's module: that of the nearest
// node_modules above the program or the working directory. The error says what
// to do.
func (e Engine) Find() (string, error) {
	var places []string
	if program, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(program); err == nil {
			program = real
		}
		places = append(places, filepath.Dir(program))
	}
	if here, err := os.Getwd(); err == nil {
		places = append(places, here)
	}
	for _, dir := range places {
		for {
			path := filepath.Join(dir, "node_modules", e.Package)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path, nil
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return "", fault.Say(fault.Unavailable, "%s is not installed on this machine. Run npm ci --ignore-scripts in the folder of the program.", e.Name)
}

// Missing says why the engine cannot be used on this machine, nil when it can.
func (e Engine) Missing() error {
	if !Supported() {
		return fault.Say(fault.Unavailable, "%s runs on Linux on x86-64 and ARM alone.", e.Name)
	}
	_, err := e.Find()
	return err
}

// Cache is where compiled engines lie. Children of the sandbox read it.
type Cache struct{ Dir string }

// OpenCache returns the cache of this user, made if need be; without a home
// directory, one of this process alone. Nobody else may write it: it holds
// machine code.
var OpenCache = sync.OnceValues(openCache)

func openCache() (Cache, error) {
	dir, err := os.UserCacheDir()
	if err == nil {
		dir = filepath.Join(dir, "assay", "engines")
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = ours(dir)
	}
	if err != nil {
		if dir, err = os.MkdirTemp("", "assay-engines-"); err != nil {
			return Cache{}, fmt.Errorf("make a place for compiled engines: %w", err)
		}
	}
	return Cache{dir}, os.Chmod(dir, 0o755) // children run as nobody
}

// ours reports as an error that somebody else could write the directory.
func ours(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 || !ownedByUs(info) {
		return fmt.Errorf("%s can be written by others", dir)
	}
	probe, err := os.CreateTemp(dir, ".probe-")
	if err != nil {
		return err
	}
	probe.Close()
	return os.Remove(probe.Name())
}

func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

var preparing sync.Mutex

// Prepare makes what children load: the engine without its debugging sections,
// and its machine code in the cache. It takes seconds the first time, and
// returns the files of a sandbox.Program.
func (e Engine) Prepare(ctx context.Context) (map[string]string, error) {
	preparing.Lock()
	defer preparing.Unlock()
	path, err := e.Find()
	if err != nil {
		return nil, err
	}
	cache, err := OpenCache()
	if err != nil {
		return nil, err
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", e.Name, err)
	}
	sum := sha256.Sum256(whole)
	module := filepath.Join(cache.Dir, fmt.Sprintf("%x.wasm", sum[:8]))
	stripped, err := os.ReadFile(module)
	if errors.Is(err, fs.ErrNotExist) {
		if stripped, err = withoutDebugging(whole); err == nil {
			err = writeWhole(module, stripped)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("strip %s: %w", e.Name, err)
	}
	rt, err := newRuntime(ctx, cache.Dir, 1)
	if err != nil {
		return nil, err
	}
	defer rt.Close(ctx)
	if _, err := rt.CompileModule(ctx, stripped); err != nil {
		return nil, fmt.Errorf("compile %s: %w", e.Name, err)
	}
	return map[string]string{"module": module, "cache": cache.Dir}, OpenToChildren(cache.Dir)
}

// OpenToChildren lets nobody, as whom children run, read what is in a folder of
// the cache.
func OpenToChildren(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a file of another process that has its name by now
		}
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if d.IsDir() {
			mode = 0o755
		}
		if err := os.Chmod(path, mode); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// writeWhole writes a file that is there whole or not at all.
func writeWhole(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".part-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// withoutDebugging leaves out what debuggers read: half of an interpreter's
// module, and most of the time it takes to load.
func withoutDebugging(module []byte) ([]byte, error) {
	bad := errors.New("this is no WebAssembly module")
	if len(module) < 8 || !bytes.HasPrefix(module, []byte("\x00asm")) {
		return nil, bad
	}
	out := bytes.NewBuffer(make([]byte, 0, len(module)))
	out.Write(module[:8])
	for rest := module[8:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		end := 1 + n + int(size)
		if n <= 0 || size > uint64(len(rest)) || end > len(rest) {
			return nil, bad
		}
		if rest[0] != 0 || !strings.HasPrefix(customName(rest[1+n:end]), ".debug") {
			out.Write(rest[:end])
		}
		rest = rest[end:]
	}
	return out.Bytes(), nil
}

func customName(section []byte) string {
	size, n := binary.Uvarint(section)
	if n <= 0 || size > uint64(len(section)-n) {
		return ""
	}
	return string(section[n : n+int(size)])
}

// pageSize is WebAssembly's, in bytes.
const pageSize = 64 << 10

func newRuntime(ctx context.Context, cacheDir string, pages uint32) (wazero.Runtime, error) {
	cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
	if err != nil {
		return nil, fmt.Errorf("open the cache of engines: %w", err)
	}
	// Guests are ended by ending the child: looking at a context in every loop
	// would cost each of them a multiple of its time.
	config := wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache).WithDebugInfoEnabled(false)
	if pages > 1 {
		config = config.WithMemoryLimitPages(pages)
	}
	return wazero.NewRuntimeWithConfig(ctx, config), nil
}

// Supported reports whether this processor has the compiler.
func Supported() bool {
	return runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64")
}
