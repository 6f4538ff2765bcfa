package code

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"assay/internal/fault"
	"assay/validators/sandbox"
	"assay/validators/wasm"
)

// toolchain is Go as it is installed on this machine: its own compiler and
// linker, which make WebAssembly of a program.
type toolchain struct {
	Root    string
	Version string // "1.26.8"
}

// goToolchain finds it once, by the program that people call.
var goToolchain = sync.OnceValue(func() toolchain {
	program, err := exec.LookPath("go")
	if err != nil {
		return toolchain{}
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		return toolchain{}
	}
	root := filepath.Dir(filepath.Dir(program))
	said, err := os.ReadFile(filepath.Join(root, "VERSION"))
	if err != nil {
		return toolchain{}
	}
	version, _, _ := strings.Cut(string(said), "\n")
	return toolchain{root, strings.TrimPrefix(strings.TrimSpace(version), "go")}
})

func (t toolchain) tool(name string) string {
	return filepath.Join(t.Root, "pkg", "tool", runtime.GOOS+"_"+runtime.GOARCH, name)
}

// Missing says why programs in Go cannot be judged here, nil when they can.
func (t toolchain) Missing() error {
	for _, tool := range []string{"compile", "link"} {
		if info, err := os.Stat(t.tool(tool)); t.Root == "" || err != nil || !info.Mode().IsRegular() {
			return fault.Say(fault.Unavailable, "There is no Go toolchain on this machine. Install Go 1.26 or newer where the product finds it by its name, go.")
		}
	}
	if !wasm.Supported() {
		return fault.Say(fault.Unavailable, "Go runs on Linux on x86-64 and ARM alone.")
	}
	return nil
}

// goPackages is what a program may import: the standard library without what
// a guest has no use for (networks, processes, pictures).
var goPackages = strings.Fields(`bufio bytes cmp compress/gzip container/heap container/list container/ring context crypto/hmac crypto/md5 crypto/rand
	crypto/sha1 crypto/sha256 crypto/sha512 crypto/subtle encoding encoding/base32 encoding/base64 encoding/binary encoding/csv encoding/gob encoding/hex
	encoding/json encoding/xml errors flag fmt go/ast go/format go/parser go/token hash hash/adler32 hash/crc32 hash/fnv hash/maphash html io io/fs iter log
	log/slog maps math math/big math/bits math/cmplx math/rand math/rand/v2 net/url os os/signal path path/filepath reflect regexp runtime runtime/debug
	slices sort strconv strings sync sync/atomic testing/quick text/scanner text/tabwriter text/template time unicode unicode/utf16 unicode/utf8 unique unsafe`)

// guestSources are the packages that a program is given beside those.
//
//go:embed guest
var guestSources embed.FS

// guestPackages, in the order they are compiled: the path they are imported by,
// and their folder.
var guestPackages = [][2]string{
	{"assay/validators/code/guest/far", "far"},
	{"testing", "testing"},
	{"github.com/stretchr/testify/assert", "assert"},
	{"github.com/stretchr/testify/require", "require"},
}

// The files of what is prepared.
const (
	importConfig = "importcfg" // where the archive of each package is
	standardList = "standard"  // the names of all packages of the standard library
)

// prepareGo compiles the packages that programs import, once for each version
// of Go, and returns the files of a sandbox.Program. It takes a minute the
// first time.
func prepareGo(ctx context.Context) (map[string]string, error) {
	t := goToolchain()
	if err := t.Missing(); err != nil {
		return nil, err
	}
	cache, err := wasm.OpenCache()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache.Dir, "go-"+t.Version+"-"+guestHash())
	files := map[string]string{"archives": dir, "compile": t.tool("compile"), "link": t.tool("link")}
	if _, err := os.Stat(dir); err == nil {
		return files, nil
	}
	making, err := os.MkdirTemp(cache.Dir, ".go-")
	if err != nil {
		return nil, fmt.Errorf("make a place for Go's packages: %w", err)
	}
	defer os.RemoveAll(making)
	m := goMaker{toolchain: t, work: making, dir: filepath.Join(making, "made")}
	if err := m.make(ctx); err != nil {
		return nil, fmt.Errorf("compile Go's packages: %w", err)
	}
	if err := wasm.OpenToChildren(m.dir); err != nil {
		return nil, err
	}
	if err := os.Rename(m.dir, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("keep Go's packages: %w", err)
	}
	return files, nil
}

// guestHash tells one edition of what is prepared from another.
func guestHash() string {
	sum := sha256.New()
	fmt.Fprintln(sum, goPackages, assertionSource("assert"), assertionSource("require"))
	_ = fs.WalkDir(guestSources, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			text, _ := guestSources.ReadFile(path) // embedded: it is there
			fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text)
		}
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)[:6])
}

// goMaker makes the folder of what is prepared.
type goMaker struct {
	toolchain
	work, dir string
	config    bytes.Buffer
}

func (m *goMaker) make(ctx context.Context) error {
	if err := os.Mkdir(m.dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.work, "go.mod"), []byte("module nothing\n"), 0o644); err != nil {
		return err
	}
	all, err := m.run(ctx, filepath.Join(m.Root, "bin", "go"), "list", "std")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.dir, standardList), []byte(all), 0o644); err != nil {
		return err
	}
	listed, err := m.run(ctx, filepath.Join(m.Root, "bin", "go"), append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}, goPackages...)...)
	if err != nil {
		return err
	}
	for line := range strings.Lines(listed) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		if file == "" {
			continue // unsafe is the compiler's own
		}
		archive, err := os.ReadFile(file)
		if err == nil {
			err = m.keep(name, archive)
		}
		if err != nil {
			return err
		}
	}
	for _, p := range guestPackages {
		if err := m.compile(ctx, p[0], p[1]); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(m.dir, importConfig), m.config.Bytes(), 0o644)
}

// lent is how tools name the folder of archives: they are given it open.
const lent = "/proc/self/fd/3"

// keep puts an archive where children find it.
func (m *goMaker) keep(name string, archive []byte) error {
	file := strings.ReplaceAll(name, "/", "!") + ".a"
	fmt.Fprintf(&m.config, "packagefile %s=%s\n", name, filepath.Join(lent, file))
	return os.WriteFile(filepath.Join(m.dir, file), archive, 0o644)
}

// compile compiles one of our packages.
func (m *goMaker) compile(ctx context.Context, name, folder string) error {
	sources, err := fs.Glob(guestSources, path.Join("guest", folder, "*.go"))
	if err != nil {
		return err
	}
	out, config := filepath.Join(m.work, folder+".a"), filepath.Join(m.work, importConfig)
	args := append(compileFlags(out, name, config), "-trimpath", m.work+"=>")
	for _, source := range sources {
		text, err := guestSources.ReadFile(source)
		if err != nil {
			return err
		}
		file := filepath.Join(m.work, folder+"_"+path.Base(source))
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
		args = append(args, file)
	}
	if folder == "assert" || folder == "require" {
		file := filepath.Join(m.work, folder+"_assertions.go")
		if err := os.WriteFile(file, []byte(assertionSource(folder)), 0o644); err != nil {
			return err
		}
		args = append(args, file)
	}
	// While they are being made, the archives are not lent.
	here := bytes.ReplaceAll(m.config.Bytes(), []byte("="+lent), []byte("="+m.dir))
	if err := os.WriteFile(config, here, 0o644); err != nil {
		return err
	}
	if _, err := m.run(ctx, m.tool("compile"), args...); err != nil {
		return fmt.Errorf("package %s: %w", name, err)
	}
	archive, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	return m.keep(name, archive)
}

// compileFlags are the compiler's for one package.
func compileFlags(out, name, config string) []string {
	return []string{"-o", out, "-p", name, "-complete", "-dwarf=false", "-c=2", "-nolocalimports", "-importcfg", config, "-pack"}
}

// guestSystem is what the toolchain is told to make programs for.
var guestSystem = []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}

// run runs a tool of the toolchain on what is ours, without a network.
func (m *goMaker) run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = m.work
	cmd.Env = append(slices.Clone(guestSystem), "GOROOT="+m.Root, "GOCACHE="+filepath.Join(m.work, "cache"), "GOPATH="+filepath.Join(m.work, "path"),
		"HOME="+m.work, "GOPROXY=off", "GOFLAGS=-trimpath", "GOTOOLCHAIN=local", "GOWORK=off", "GOENV=off", "PATH=/usr/bin:/bin")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output() // the compiler complains there
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(program), err, clip(said.String()+string(out)))
	}
	return string(out), nil
}

// goTools are what a child that compiles may start and read.
func goTools() sandbox.Tools {
	t := goToolchain()
	cache, err := wasm.OpenCache()
	if err != nil {
		return sandbox.Tools{} // it could not have been prepared
	}
	return sandbox.Tools{Run: []string{t.tool("compile"), t.tool("link")}, Read: []string{filepath.Join(cache.Dir, "go-"+t.Version+"-"+guestHash())}}
}
