package code

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"assay/validators/sandbox"
)

// GoCompilerProgram reads programs in Go and compiles them, with their tests
// apart. It runs nothing of theirs: that is GoProgram's.
var GoCompilerProgram = sandbox.Program{
	Name:    "go-compiler",
	Prepare: prepareGo,
	Tools:   goTools,
	Open:    openGoCompiler,
	Limits:  sandbox.Limits{Wall: 20 * time.Second, Memory: 1 << 30, Output: 64 << 20},
	Jobs:    20,
	Ahead:   1,
}

// goBuildJob is a program to be compiled: apart from its tests, or with them.
type goBuildJob struct {
	Job      Job
	Together bool
}

// goBuilt is what a compiler's child answers: an outcome where there is nothing
// to run, and else the guests.
type goBuilt struct {
	Job      Job
	Outcome  Outcome // the verdict, or the evidence so far
	Done     bool
	Together bool   // one guest has both
	Machine  string // what of the machine the code uses, which a sandbox does not have
	Code     []byte
	Tests    []byte
}

// openGoCompiler reads what the compiler knows before the first program.
func openGoCompiler(files sandbox.Files) (sandbox.Work, error) {
	b := goBuilder{scratch: files.Scratch()}
	// They may lie where this user cannot go: what is open is used by its
	// descriptor.
	for name, to := range map[string]**os.File{"archives": &b.archives, "compile": &b.compiler, "link": &b.linker} {
		fd, err := unix.FcntlInt(files[name].Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("keep %s: %w", name, err)
		}
		*to = os.NewFile(uintptr(fd), name)
	}
	standard, err := os.ReadFile(filepath.Join(opened(b.archives), standardList))
	if err != nil {
		return nil, fmt.Errorf("read the names of Go's packages: %w", err)
	}
	for name := range strings.FieldsSeq(string(standard)) {
		if !strings.Contains(name, "internal") && !strings.HasPrefix(name, "vendor/") {
			b.standard = append(b.standard, name)
		}
	}
	b.imports = importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(b.archive(path))
	})
	for _, name := range []string{"fmt", "strings", "sort", "strconv", "math", "testing", "github.com/stretchr/testify/assert"} {
		if _, err := b.imports.Import(name); err != nil {
			return nil, fmt.Errorf("read Go's package %s: %w", name, err)
		}
	}
	return func(ctx context.Context, input []byte) ([]byte, error) {
		var job goBuildJob
		if err := json.Unmarshal(input, &job); err != nil {
			return nil, err
		}
		built, err := (&goBuild{goBuilder: b, ctx: ctx, job: job.Job, together: job.Together}).make()
		if err != nil {
			return nil, err
		}
		return built.pack()
	}, nil
}

// pack writes what was built: what is said of it, and the guests behind that.
func (b goBuilt) pack() ([]byte, error) {
	code, tests := b.Code, b.Tests
	b.Code, b.Tests = nil, nil
	head, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	out := bytes.NewBuffer(make([]byte, 0, len(head)+len(code)+len(tests)+40))
	fmt.Fprintf(out, "%d %d %d\n", len(head), len(code), len(tests))
	for _, part := range [][]byte{head, code, tests} {
		out.Write(part)
	}
	return out.Bytes(), nil
}

// unpackBuilt reads it.
func unpackBuilt(data []byte) (goBuilt, error) {
	bad := errors.New("this is nothing that was built")
	var b goBuilt
	line, rest, found := bytes.Cut(data, []byte("\n"))
	var head, code, tests int
	if n, err := fmt.Sscanf(string(line), "%d %d %d", &head, &code, &tests); !found || n != 3 || err != nil {
		return b, bad
	}
	if head < 0 || code < 0 || tests < 0 || head > len(rest) || code > len(rest)-head || tests != len(rest)-head-code {
		return b, bad
	}
	if err := json.Unmarshal(rest[:head], &b); err != nil {
		return b, bad
	}
	b.Code, b.Tests = rest[head:head+code], rest[head+code:]
	return b, nil
}

// goBuilder is what all builds of a child share.
type goBuilder struct {
	archives, compiler, linker *os.File
	scratch                    string
	standard                   []string // all packages of the standard library
	imports                    types.Importer
}

func (b *goBuilder) archive(path string) string {
	return filepath.Join(opened(b.archives), strings.ReplaceAll(path, "/", "!")+".a")
}

// opened is the path of what is open.
func opened(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

func (b *goBuilder) has(path string) bool {
	if path == "unsafe" {
		return true
	}
	_, err := os.Stat(b.archive(path))
	return err == nil && !strings.Contains(path, "internal") && !strings.HasPrefix(path, "assay/")
}

// goBuild is one of them.
type goBuild struct {
	goBuilder
	ctx      context.Context
	job      Job
	together bool
	out      goBuilt
	set      *token.FileSet
	code     *goSource
	tests    *goSource                   // nil without tests
	uses     map[*ast.Ident]types.Object // of the code by itself
	info     *types.Info                 // of both
}

// goSource is a source that is changed, without moving a line of it, into a
// part of a program.
type goSource struct {
	name  string // of its file
	text  string
	file  *ast.File
	whole bool // it says which package it is
}

func (b *goBuild) make() (goBuilt, error) {
	b.out.Job = b.job
	b.out.Outcome = Outcome{Verdict: inconclusive, Evidence: Evidence{Language: "go"}}
	b.set = token.NewFileSet()
	if done := b.readCode(); done {
		return b.finish()
	}
	checked, done := b.checkCode()
	if done {
		return b.finish()
	}
	b.out.Machine = b.usesMachine()
	if b.job.Stdout != nil || b.job.Tests == nil {
		return b.program(checked)
	}
	if done := b.checkTests(); done {
		return b.finish()
	}
	return b.split()
}

func (b *goBuild) finish() (goBuilt, error) {
	b.out.Done = true
	return b.out, nil
}

func (b *goBuild) say(verdict, reason, message string) bool {
	o := &b.out.Outcome
	o.Verdict, o.Reason, o.Message = verdict, reason, message
	return true
}

// at points the evidence at a line of the code.
func (b *goBuild) at(line int, said string) {
	e := &b.out.Outcome.Evidence
	e.Line, e.Source, e.Error = line, lineOf(b.job.Code, line), clip(said)
}

// parse reads a source. What does not say its package is a part of a file.
func (b *goBuild) parse(name, text string) (*goSource, error) {
	s := &goSource{name: name, text: text, whole: true}
	if _, err := parser.ParseFile(token.NewFileSet(), name, text, parser.PackageClauseOnly); err != nil {
		s.whole, s.text = false, "package main; "+text
	}
	return s, b.reparse(s)
}

func (b *goBuild) reparse(s *goSource) (err error) {
	s.file, err = parser.ParseFile(b.set, s.name, s.text, parser.SkipObjectResolution|parser.ParseComments)
	return err
}

// offset is where a position of the source lies in its text.
func (b *goBuild) offset(p token.Pos) int { return b.set.Position(p).Offset }

func (b *goBuild) readCode() (done bool) {
	var err error
	if b.code, err = b.parse("code.go", b.job.Code); err != nil {
		line, what := 0, err.Error()
		var list scanner.ErrorList
		if errors.As(err, &list) && len(list) > 0 {
			line, what = list[0].Pos.Line, list[0].Msg
		}
		b.at(line, what)
		return b.say(fail, ReasonSyntax, fmt.Sprintf("This is not Go: %s in line %d.", clip(what), line))
	}
	if b.job.Tests != nil {
		b.dropTests()
	}
	b.rename(b.code, "main_of_code")
	if err := b.reparse(b.code); err != nil {
		return b.say(inconclusive, ReasonUnread, "The source cannot be made a part of a program.")
	}
	return b.checkImports()
}

// rename makes the source a part of package main; its own main gets another
// name where the program has one already.
func (b *goBuild) rename(s *goSource, main string) {
	type change struct {
		at, end int
		to      string
	}
	changes := []change{{b.offset(s.file.Name.Pos()), b.offset(s.file.Name.End()), "main"}}
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "main" && b.job.Stdout == nil && b.job.Tests != nil {
			changes = append(changes, change{b.offset(f.Name.Pos()), b.offset(f.Name.End()), main})
		}
	}
	for _, c := range slices.Backward(changes) {
		s.text = s.text[:c.at] + c.to + s.text[c.end:]
	}
}

// dropTests leaves out tests that the code brings itself: they are not the ones
// it is held against, and may have their names.
func (b *goBuild) dropTests() {
	for _, d := range b.code.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !testName.MatchString(f.Name.Name) || f.Type.Params.NumFields() != 1 {
			continue
		}
		if star, ok := f.Type.Params.List[0].Type.(*ast.StarExpr); ok {
			if of, ok := star.X.(*ast.SelectorExpr); ok && fmt.Sprint(of.X) == "testing" {
				b.code.blank(b.offset(f.Pos()), b.offset(f.End()))
			}
		}
	}
}

var testName = regexp.MustCompile(`^(Test|Benchmark|Fuzz)`)

// blank overwrites a part with spaces, line by line.
func (s *goSource) blank(from, to int) {
	s.text = s.text[:from] + strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return ' '
	}, s.text[from:to]) + strings.Repeat(" ", to-from-len([]rune(s.text[from:to]))) + s.text[to:]
}

// checkImports tells packages that are not here from those that are nowhere.
func (b *goBuild) checkImports() (done bool) {
	for _, spec := range b.code.file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil || b.has(path) {
			continue
		}
		line := b.set.Position(spec.Pos()).Line
		f := Finding{Kind: ReasonPackage, Name: path, Line: line, Message: fmt.Sprintf("%s is not part of Go and is not installed here.", path)}
		first, _, deep := strings.Cut(path, "/")
		switch {
		case path == "C":
			f.Message = "C is not available in the sandbox."
		case slices.Contains(b.standard, path):
			f.Kind, f.Message = "absent_module", fmt.Sprintf("The package %s is not available in the sandbox.", path)
		case strings.Contains(first, "."), strings.Contains(path, "internal"):
		default:
			near := nearestPackage(path, b.standard)
			if near == "" || deep && !slices.ContainsFunc(b.standard, func(s string) bool { return s == first || strings.HasPrefix(s, first+"/") }) {
				break // a package of a module whose name has no dot
			}
			f.Kind, f.Nearest = "invented_module", near
			f.Message = fmt.Sprintf("Go has no package %s.%s", path, saidNearest(near))
		}
		b.out.Outcome.Evidence.Findings = append(b.out.Outcome.Evidence.Findings, f)
	}
	if f, ok := b.out.Outcome.finding("invented_module"); ok {
		b.at(f.Line, f.Message)
		return b.say(fail, ReasonInvented, f.Message)
	}
	if f, ok := b.out.Outcome.finding(ReasonPackage, "absent_module"); ok {
		b.out.Outcome.Evidence.Line = f.Line
		return b.say(inconclusive, ReasonPackage, f.Message)
	}
	return false
}

// compile compiles sources into a guest.
func (b *goBuild) compile(name string, sources map[string]string) ([]byte, error) {
	var files []string
	for file, text := range sources {
		path := filepath.Join(b.scratch, file)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("write a source: %w", err)
		}
		defer os.Remove(path)
		files = append(files, path)
	}
	slices.Sort(files)
	config, archive, module := filepath.Join(lent, importConfig), filepath.Join(b.scratch, name+".a"), filepath.Join(b.scratch, name+".wasm")
	defer os.Remove(archive)
	defer os.Remove(module)
	if err := b.run(b.compiler, append(append(compileFlags(archive, "main", config), "-trimpath", b.scratch+"=>"), files...)...); err != nil {
		return nil, err
	}
	if err := b.run(b.linker, "-o", module, "-importcfg", config, "-buildmode=exe", "-s", "-w", archive); err != nil {
		return nil, err
	}
	return os.ReadFile(module)
}

// refused is what the compiler or the linker did not take.
type refused struct{ said string }

func (r refused) Error() string { return r.said }

func (b *goBuild) run(tool *os.File, args ...string) error {
	cmd := exec.Command("/proc/self/fd/4", args...)
	cmd.ExtraFiles = []*os.File{b.archives, tool}
	cmd.Env = append(slices.Clone(guestSystem), "GOMAXPROCS=2", "TMPDIR="+b.scratch)
	var said limited
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return refused{strings.ReplaceAll(said.String(), b.scratch+"/", "")}
	}
	if err != nil {
		return fmt.Errorf("run %s: %w: %s", tool.Name(), err, clip(said.String()))
	}
	return nil
}

// build compiles, and turns what the compiler does not take into an outcome.
func (b *goBuild) build(name string, sources map[string]string) (module []byte, done bool, err error) {
	module, err = b.compile(name, sources)
	var r refused
	if errors.As(err, &r) {
		b.at(0, r.said)
		return nil, b.say(inconclusive, ReasonUnread, "The compiler did not take what the checker of types took."), nil
	}
	return module, false, err
}

// program compiles the code as it is, to be run.
func (b *goBuild) program(checked *types.Package) (goBuilt, error) {
	if checked.Scope().Lookup("main") == nil {
		if b.job.Stdout == nil {
			b.say(pass, ReasonRuns, "It compiles, and refers only to what exists. There were no tests, and there is no main to be run.")
			return b.finish()
		}
		b.say(fail, ReasonCompile, "This does not compile to a program: there is no function main.")
		return b.finish()
	}
	module, done, err := b.build("code", map[string]string{"code.go": b.code.text})
	b.out.Code, b.out.Done = module, done
	return b.out, err
}
