package code

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"regexp"
	"slices"
	"strings"

	"assay/validators/nearest"
)

// check types sources as one package, and returns every error.
func (b *goBuild) check(sources ...*goSource) (*types.Package, *types.Info, []types.Error) {
	var errs []types.Error
	config := types.Config{Importer: b.imports, Sizes: types.SizesFor("gc", "wasm"), Error: func(err error) {
		if e, ok := err.(types.Error); ok {
			errs = append(errs, e)
		}
	}}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	files := make([]*ast.File, len(sources))
	for i, s := range sources {
		files[i] = s.file
	}
	pkg, _ := config.Check("main", b.set, files, info)
	return pkg, info, errs
}

var (
	unusedImport  = regexp.MustCompile(`^"([^"]+)" imported (?:as \S+ )?and not used`)
	undefinedName = regexp.MustCompile(`^undefined: ([\pL_][\pL\d_]*)$`)
	undefinedOf   = regexp.MustCompile(`^undefined: ([\pL_][\pL\d_]*)\.([\pL_][\pL\d_]*)$`)
	undefinedPart = regexp.MustCompile(`^\S+\.([\pL_][\pL\d_]*) undefined \(type (\S+) has no`)
	notExported   = regexp.MustCompile(`^name ([\pL_][\pL\d_]*) not exported by package (\S+)`)
)

// mend adds imports that a part of a file left to the file, and leaves out those
// that only another part of it uses. It reports whether there is anything new.
func (b *goBuild) mend(s *goSource, errs []types.Error, lenient func(path string) bool) bool {
	var adds []string
	changed := false
	for _, e := range errs {
		if b.set.Position(e.Pos).Filename != s.name {
			continue
		}
		if m := unusedImport.FindStringSubmatch(e.Msg); m != nil && lenient(m[1]) {
			changed = b.dropImport(s, e.Pos) || changed
		}
		if m := undefinedName.FindStringSubmatch(e.Msg); m != nil && (!s.whole || s == b.tests) && b.qualifies(s, e.Pos) {
			if path := b.packageNamed(m[1]); path != "" && !slices.Contains(adds, path) {
				adds = append(adds, path)
			}
		}
	}
	if len(adds) > 0 {
		end := b.offset(s.file.Name.End())
		more := ""
		for _, path := range adds {
			more += fmt.Sprintf("; import %q", path)
		}
		if !strings.HasPrefix(strings.TrimLeft(s.text[end:], " \t"), ";") && !strings.HasPrefix(strings.TrimLeft(s.text[end:], " \t"), "\n") {
			more += ";"
		}
		s.text, changed = s.text[:end]+more+s.text[end:], true
	}
	return changed && b.reparse(s) == nil
}

// qualifies reports whether the name at a position is what a dot follows.
func (b *goBuild) qualifies(s *goSource, at token.Pos) bool {
	found := false
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.X.Pos() == at {
			_, found = sel.X.(*ast.Ident)
		}
		return !found
	})
	return found
}

// packageNamed is the package that people mean by a name.
func (b *goBuild) packageNamed(name string) string {
	for _, p := range guestPackages[1:] {
		if path.Base(p[0]) == name {
			return p[0]
		}
	}
	if name == "rand" {
		return "math/rand"
	}
	for _, p := range goPackages {
		if path.Base(p) == name {
			return p
		}
	}
	return ""
}

// dropImport blanks the import at a position.
func (b *goBuild) dropImport(s *goSource, at token.Pos) bool {
	for _, d := range s.file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.IMPORT || at < g.Pos() || at >= g.End() {
			continue
		}
		if !g.Lparen.IsValid() {
			s.blank(b.offset(g.Pos()), b.offset(g.End()))
			return true
		}
		for _, spec := range g.Specs {
			if at >= spec.Pos() && at < spec.End() {
				s.blank(b.offset(spec.Pos()), b.offset(spec.End()))
				return true
			}
		}
	}
	return false
}

// checkCode types the code by itself and judges what does not hold.
func (b *goBuild) checkCode() (*types.Package, bool) {
	// The tests stand in one file with the code: an import that only they use
	// is no mistake of it.
	lenient := func(path string) bool {
		return !b.code.whole || b.job.Tests != nil && strings.Contains(*b.job.Tests, baseName(path)+".") || path == "testing"
	}
	pkg, info, errs := b.check(b.code)
	for range 3 {
		if !b.mend(b.code, errs, lenient) {
			break
		}
		pkg, info, errs = b.check(b.code)
	}
	b.uses = info.Uses
	if len(errs) == 0 || b.definedByTests(errs) {
		return pkg, false
	}
	return pkg, b.wrong(pkg, errs)
}

func baseName(importPath string) string {
	base := path.Base(importPath)
	if base == "v2" {
		base = path.Base(path.Dir(importPath))
	}
	return base
}

// definedByTests reports whether the code lacks nothing but what the tests
// define: they were written to stand in one file.
func (b *goBuild) definedByTests(errs []types.Error) bool {
	if b.job.Tests == nil {
		return false
	}
	tests, err := b.parse("tests.go", *b.job.Tests)
	if err != nil {
		return false
	}
	for _, e := range errs {
		m := undefinedName.FindStringSubmatch(e.Msg)
		if m == nil || !declares(tests.file, m[1]) {
			return false
		}
	}
	b.together = true
	return true
}

func declares(file *ast.File, name string) bool {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == name {
				return true
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					if spec.Name.Name == name {
						return true
					}
				case *ast.ValueSpec:
					if slices.ContainsFunc(spec.Names, func(id *ast.Ident) bool { return id.Name == name }) {
						return true
					}
				}
			}
		}
	}
	return false
}

// systemPackages have other members on other systems.
var systemPackages = []string{"syscall", "os/signal", "plugin", "runtime/cgo"}

// wrong judges code that does not compile.
func (b *goBuild) wrong(pkg *types.Package, errs []types.Error) bool {
	o := &b.out.Outcome
	reason, first := "", types.Error{}
	for _, e := range errs {
		f := b.finding(pkg, e)
		is := ReasonCompile
		if f.Kind != "" {
			is = map[string]string{"invented_name": ReasonInvented, "undefined_name": ReasonUndefined, "absent_module": ReasonEnvironment}[f.Kind]
			if len(o.Evidence.Findings) < 20 {
				o.Evidence.Findings = append(o.Evidence.Findings, f)
			}
		}
		if rank(is) > rank(reason) {
			reason, first = is, e
		}
	}
	line := b.set.Position(first.Pos).Line
	b.at(line, first.Msg)
	switch reason {
	case ReasonEnvironment:
		f, _ := o.finding("absent_module")
		return b.say(inconclusive, reason, f.Message)
	case ReasonInvented, ReasonUndefined:
		f, _ := o.finding(map[string]string{ReasonInvented: "invented_name", ReasonUndefined: "undefined_name"}[reason])
		return b.say(fail, reason, f.Message)
	}
	return b.say(fail, ReasonCompile, fmt.Sprintf("This does not compile: %s in line %d.", clip(first.Msg), line))
}

func rank(reason string) int {
	return slices.Index([]string{"", ReasonCompile, ReasonUndefined, ReasonInvented, ReasonEnvironment}, reason)
}

// finding words an error of a name that does not exist; any other has no kind.
func (b *goBuild) finding(pkg *types.Package, e types.Error) Finding {
	f := Finding{Line: b.set.Position(e.Pos).Line}
	if m := notExported.FindStringSubmatch(e.Msg); m != nil {
		return b.absent(f, pkg, m[2], m[1])
	}
	if m := undefinedOf.FindStringSubmatch(e.Msg); m != nil {
		return b.absent(f, pkg, m[1], m[2])
	}
	if m := undefinedPart.FindStringSubmatch(e.Msg); m != nil {
		f.Kind, f.Name = "undefined_name", strings.TrimPrefix(m[2], "*")+"."+m[1]
		if strings.Contains(m[2], ".") {
			f.Kind = "invented_name"
		}
		f.Message = fmt.Sprintf("%s has no %s.", strings.TrimPrefix(m[2], "*"), m[1])
		return f
	}
	if m := undefinedName.FindStringSubmatch(e.Msg); m != nil {
		f.Kind, f.Name = "undefined_name", m[1]
		f.Nearest = nearest.Name(m[1], namesAt(pkg, e.Pos))
		f.Message = fmt.Sprintf("Nothing defines %s.%s", m[1], saidNearest(f.Nearest))
		if b.packageNamed(m[1]) != "" && b.qualifies(b.code, e.Pos) {
			f.Nearest, f.Message = "", fmt.Sprintf("The package %s is used and not imported.", m[1])
		}
	}
	return f
}

// namesAt are all names that can be used at a position.
func namesAt(pkg *types.Package, at token.Pos) []string {
	var names []string
	for s := pkg.Scope().Innermost(at); s != nil; s = s.Parent() {
		names = append(names, s.Names()...)
	}
	return names
}

// absent is a member that a package does not have.
func (b *goBuild) absent(f Finding, pkg *types.Package, name, member string) Finding {
	f.Kind, f.Name = "invented_name", name+"."+member
	for _, imported := range pkg.Imports() {
		if imported.Name() != name {
			continue
		}
		if slices.Contains(systemPackages, imported.Path()) {
			f.Kind, f.Message = "absent_module", fmt.Sprintf("%s is not available in the sandbox.", f.Name)
			return f
		}
		var names []string
		for _, n := range imported.Scope().Names() {
			if token.IsExported(n) {
				names = append(names, n)
			}
		}
		if near := nearest.Name(member, names); near != "" {
			f.Nearest = name + "." + near
		}
	}
	f.Message = fmt.Sprintf("Go has no %s.%s", f.Name, saidNearest(f.Nearest))
	return f
}

// nearestPackage is the real package that an invented one most likely meant.
func nearestPackage(name string, standard []string) string {
	if near := nearest.Name(name, standard); near != "" {
		return near
	}
	for _, p := range standard {
		if path.Base(p) == path.Base(name) {
			return p
		}
	}
	return ""
}

// machinePackages are those that reach for the machine.
var machinePackages = map[string][]string{
	"os": {"Args", "Exit", "Stdin", "Stdout", "Stderr", "File", "Getenv", "ErrNotExist", "ErrExist", "ErrPermission", "PathError", "ErrInvalid", "IsNotExist", "ErrClosed"},
}

// usesMachine names what of the machine the code uses, "" for nothing: its
// errors then say more about the sandbox than about the code.
func (b *goBuild) usesMachine() string {
	for id, o := range b.uses {
		if o.Pkg() == nil || id == nil {
			continue
		}
		harmless, listed := machinePackages[o.Pkg().Path()]
		if _, method := o.(*types.Func); listed && o.Parent() == o.Pkg().Scope() && !slices.Contains(harmless, o.Name()) && (method || o.Name() == "Environ") {
			return o.Pkg().Name() + "." + o.Name()
		}
		if o.Pkg().Path() == "syscall" || o.Pkg().Path() == "os/signal" {
			return o.Pkg().Path()
		}
	}
	return ""
}
