package code

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// checkTests types the tests with the code, as one package.
func (b *goBuild) checkTests() (done bool) {
	var err error
	if b.tests, err = b.parse("tests.go", *b.job.Tests); err == nil {
		b.rename(b.tests, "main_of_tests")
		err = b.reparse(b.tests)
	}
	if err != nil {
		return b.say(inconclusive, ReasonTests, "The tests are not Go: "+clip(err.Error())+".")
	}
	for _, spec := range b.tests.file.Imports {
		if path := strings.Trim(spec.Path.Value, "\"`"); !b.has(path) {
			return b.say(inconclusive, ReasonTests, fmt.Sprintf("The tests import %s, which is not available in the sandbox.", path))
		}
	}
	everything := func(string) bool { return true }
	_, info, errs := b.check(b.code, b.tests)
	for range 3 {
		if !b.mend(b.tests, errs, everything) {
			break
		}
		_, info, errs = b.check(b.code, b.tests)
	}
	b.info = info
	if len(errs) > 0 {
		return b.misfit(errs[0])
	}
	if _, _, program := b.entries(); len(b.testNames()) == 0 && !program {
		return b.say(inconclusive, ReasonTests, "There is no test among the tests: no function whose name begins with Test.")
	}
	return false
}

// ofCode are complaints about how something is called.
var ofCode = regexp.MustCompile(`(?:argument to|in call to|but) (?:[\pL_][\pL\d_]*\.)*([\pL_][\pL\d_]*)`)

// misfit judges code and tests that do not fit together: what the tests ask for
// is not there or is something else.
func (b *goBuild) misfit(e types.Error) bool {
	p := b.set.Position(e.Pos)
	b.out.Outcome.Evidence.Error = clip(e.Msg)
	if p.Filename == "tests.go" {
		b.out.Outcome.Evidence.Test = lineOf(*b.job.Tests, p.Line)
	}
	if m := undefinedName.FindStringSubmatch(e.Msg); m != nil && (m[1] == b.job.Entry || b.job.Entry == "") {
		return b.say(fail, ReasonUndefined, fmt.Sprintf("The tests call %s, which the code does not define.", m[1]))
	}
	if m := ofCode.FindStringSubmatch(e.Msg); m != nil && declares(b.code.file, m[1]) {
		return b.say(fail, ReasonCompile, fmt.Sprintf("The tests call %s otherwise than the code defines it: %s.", m[1], clip(e.Msg)))
	}
	return b.say(inconclusive, ReasonTests, fmt.Sprintf("The tests do not compile with the code: %s.", clip(e.Msg)))
}

// entries says which of the functions that a test program starts with there are.
func (b *goBuild) entries() (testMain string, program string, isProgram bool) {
	testMain, program = "nil", "nil"
	for _, d := range b.tests.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil {
			continue
		}
		switch f.Name.Name {
		case "TestMain":
			testMain = "TestMain"
		case "main_of_tests":
			program, isProgram = "main_of_tests", true
		}
	}
	if len(b.testNames()) > 0 {
		return testMain, "nil", false
	}
	return testMain, program, isProgram
}

// testNames are the tests, in their order.
func (b *goBuild) testNames() []string {
	var names []string
	for _, d := range b.tests.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") && f.Name.Name != "TestMain" && f.Type.Params.NumFields() == 1 {
			names = append(names, f.Name.Name)
		}
	}
	return names
}

// judge is the main of a guest that has the tests.
func (b *goBuild) judge(knows []string) string {
	testMain, program, _ := b.entries()
	var out strings.Builder
	out.WriteString("package main\n\nimport assay_testing \"testing\"\nimport assay_far \"" + guestPackages[0][0] + "\"\n\nfunc main() {\n")
	for _, name := range knows {
		fmt.Fprintf(&out, "\tassay_far.Know[%s]()\n", name)
	}
	out.WriteString("\t_ = assay_far.TestLine\n")
	fmt.Fprintf(&out, "\tassay_testing.Judge(%s, %s", testMain, program)
	for _, name := range b.testNames() {
		fmt.Fprintf(&out, ",\n\t\tassay_testing.InternalTest{%q, %s}", name, name)
	}
	out.WriteString(")\n}\n")
	return out.String()
}

// split compiles the code and the tests, each for itself: what the tests call
// of the code are stand-ins that ask the other guest. What cannot be had that
// way is compiled together.
func (b *goBuild) split() (goBuilt, error) {
	if b.together {
		return b.joined()
	}
	s := goSplit{build: b, types: map[*types.TypeName]bool{}, imports: map[string]string{}}
	if !s.needed() {
		return b.joined()
	}
	stubs, served := s.stubs(), s.served()
	var err error
	b.out.Tests, err = b.compile("tests", map[string]string{"tests.go": b.tests.text, "stubs.go": stubs, "main.go": b.judge(s.typeNames())})
	var r refused
	if errors.As(err, &r) {
		return b.joined() // a stand-in is not all that the thing was
	}
	if err != nil {
		return b.out, err
	}
	b.out.Code, b.out.Done, err = b.build("code", map[string]string{"code.go": b.code.text, "serve.go": served})
	return b.out, err
}

// joined compiles code and tests into one guest. The code could reach its tests
// there: a verdict says so.
func (b *goBuild) joined() (goBuilt, error) {
	b.out.Together = true
	var err error
	b.out.Tests, b.out.Done, err = b.build("tests", map[string]string{"code.go": b.code.text, "tests.go": b.tests.text, "main.go": b.judge(nil)})
	return b.out, err
}

// goSplit finds what the tests need of the code, and writes stand-ins for it.
type goSplit struct {
	build     *goBuild
	functions []*types.Func
	constants []*types.Const
	types     map[*types.TypeName]bool
	imports   map[string]string // by path: the name it is imported by
}

// needed collects what the tests use; false is for what has no stand-in.
func (s *goSplit) needed() bool {
	b := s.build
	ours := func(at token.Pos) bool { return b.set.Position(at).Filename == "code.go" }
	met := map[types.Object]bool{}
	for id, o := range b.info.Uses {
		if b.set.Position(id.Pos()).Filename != "tests.go" || o.Pkg() == nil || !ours(o.Pos()) || met[o] || o.Pkg().Path() != "main" {
			continue
		}
		met[o] = true
		if o.Parent() != o.Pkg().Scope() {
			continue // a field or a method, with its type
		}
		switch o := o.(type) {
		case *types.Func:
			if !s.crosses(o.Signature()) {
				return false
			}
			s.functions = append(s.functions, o)
		case *types.Const:
			if !s.shareable(o.Type(), 0) {
				return false
			}
			s.constants = append(s.constants, o)
		case *types.TypeName:
			if !s.shareable(o.Type(), 0) {
				return false
			}
		default:
			return false // a variable lives in one place
		}
	}
	// A method that the tests call must have a stand-in.
	for _, selection := range b.info.Selections {
		if f, ok := selection.Obj().(*types.Func); ok && ours(f.Pos()) && !s.crosses(f.Signature()) {
			return false
		}
	}
	byName := func(x, y types.Object) int { return strings.Compare(x.Name(), y.Name()) }
	slices.SortFunc(s.functions, func(x, y *types.Func) int { return byName(x, y) })
	slices.SortFunc(s.constants, func(x, y *types.Const) int { return byName(x, y) })
	return true
}

// crosses reports whether calls of a function can cross.
func (s *goSplit) crosses(sig *types.Signature) bool {
	if sig.TypeParams() != nil || sig.RecvTypeParams() != nil {
		return false
	}
	for _, tuple := range []*types.Tuple{sig.Params(), sig.Results()} {
		for v := range tuple.Variables() {
			if !s.shareable(v.Type(), 0) {
				return false
			}
		}
	}
	return sig.Recv() == nil || s.shareable(sig.Recv().Type(), 0)
}

// shareable reports whether values of a type can be taken apart and put together
// again, and remembers the types of the code that are in it.
func (s *goSplit) shareable(t types.Type, depth int) bool {
	if depth > 50 {
		return false
	}
	switch t := t.(type) {
	case *types.Basic:
		return t.Kind() != types.UnsafePointer && t.Kind() != types.Invalid
	case *types.Alias:
		return t.Obj().Pkg() == nil && s.shareable(types.Unalias(t), depth+1)
	case *types.Named:
		return s.namedShareable(t, depth)
	case *types.Slice:
		return s.shareable(t.Elem(), depth+1)
	case *types.Array:
		return s.shareable(t.Elem(), depth+1)
	case *types.Pointer:
		return s.shareable(t.Elem(), depth+1)
	case *types.Map:
		return s.shareable(t.Key(), depth+1) && s.shareable(t.Elem(), depth+1)
	case *types.Struct:
		for f := range t.Fields() {
			if !s.shareable(f.Type(), depth+1) {
				return false
			}
		}
		return true
	case *types.Interface:
		return t.NumMethods() == 0 && !t.IsComparable() && t.NumEmbeddeds() == 0
	}
	return false
}

func (s *goSplit) namedShareable(t *types.Named, depth int) bool {
	o := t.Obj()
	switch {
	case o.Pkg() == nil:
		return o.Name() == "error"
	case t.TypeArgs() != nil || t.TypeParams() != nil:
		return false
	case o.Pkg().Path() != "main":
		_, basic := t.Underlying().(*types.Basic)
		return basic // a duration, a month
	case s.types[o]:
		return true
	case o.Parent() != o.Pkg().Scope():
		return false // a type that a function declares
	}
	s.types[o] = true
	if !s.shareable(t.Underlying(), depth+1) {
		return false
	}
	// One that compares or formats itself must do so here as well.
	for m := range t.Methods() {
		if !s.crosses(m.Signature()) && slices.Contains([]string{"Error", "String", "Is", "As", "Unwrap", "Format", "GoString", "Equal"}, m.Name()) {
			return false
		}
	}
	return true
}

func (s *goSplit) typeNames() []string {
	var names []string
	for o := range maps.Keys(s.types) {
		names = append(names, o.Name())
	}
	slices.Sort(names)
	return names
}

// name writes a type as the stand-ins' file names it.
func (s *goSplit) name(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p.Path() == "main" {
			return ""
		}
		s.imports[p.Path()] = "assay_" + p.Name()
		return s.imports[p.Path()]
	})
}

// stubs writes what the tests find in the place of the code.
func (s *goSplit) stubs() string {
	var body strings.Builder
	for _, c := range s.constants {
		value := c.Val().ExactString()
		if basic, ok := c.Type().(*types.Basic); ok && basic.Info()&types.IsUntyped != 0 {
			fmt.Fprintf(&body, "const %s = %s\n", c.Name(), untyped(basic, value))
			continue
		}
		fmt.Fprintf(&body, "const %s %s = %s\n", c.Name(), s.name(c.Type()), value)
	}
	for _, o := range s.sortedTypes() {
		fmt.Fprintf(&body, "type %s %s\n", o.Name(), s.name(o.Type().Underlying()))
		for m := range o.Type().(*types.Named).Methods() {
			if s.crosses(m.Signature()) {
				s.stub(&body, methodName(o, m), m)
			}
		}
	}
	for _, f := range s.functions {
		s.stub(&body, f.Name(), f)
	}
	var out strings.Builder
	out.WriteString("package main\n\nimport assay_far \"" + guestPackages[0][0] + "\"\n")
	for _, path := range slices.Sorted(maps.Keys(s.imports)) {
		fmt.Fprintf(&out, "import %s %q\n", s.imports[path], path)
	}
	return out.String() + "\nvar _ = assay_far.TestLine\n\n" + body.String()
}

// untyped writes a constant without a type so that it keeps its kind.
func untyped(kind *types.Basic, value string) string {
	switch kind.Kind() {
	case types.UntypedRune:
		return "'\\x00' + " + value
	case types.UntypedFloat:
		return "0.0 + " + value
	}
	return value
}

func (s *goSplit) sortedTypes() []*types.TypeName {
	return slices.SortedFunc(maps.Keys(s.types), func(x, y *types.TypeName) int { return strings.Compare(x.Name(), y.Name()) })
}

// methodName is the expression of a method as a function.
func methodName(o *types.TypeName, m *types.Func) string {
	if _, pointer := m.Signature().Recv().Type().(*types.Pointer); pointer {
		return "(*" + o.Name() + ")." + m.Name()
	}
	return o.Name() + "." + m.Name()
}

// stub writes the stand-in of one function or method.
func (s *goSplit) stub(out *strings.Builder, name string, f *types.Func) {
	sig := f.Signature()
	var params, args, results, gives []string
	out.WriteString("func ")
	if recv := sig.Recv(); recv != nil {
		fmt.Fprintf(out, "(assay_r %s) ", s.name(recv.Type()))
		args = append(args, "&assay_r")
	}
	for i := range sig.Params().Len() {
		t := s.name(sig.Params().At(i).Type())
		if sig.Variadic() && i == sig.Params().Len()-1 {
			t = "..." + strings.TrimPrefix(t, "[]")
		}
		params, args = append(params, fmt.Sprintf("assay_p%d %s", i, t)), append(args, fmt.Sprintf("&assay_p%d", i))
	}
	for i := range sig.Results().Len() {
		results, gives = append(results, fmt.Sprintf("assay_r%d %s", i, s.name(sig.Results().At(i).Type()))), append(gives, fmt.Sprintf("&assay_r%d", i))
	}
	fmt.Fprintf(out, "%s(%s) (%s) {\n\tassay_far.Call(%q, []interface{}{%s}, []interface{}{%s})\n\treturn\n}\n", f.Name(),
		strings.Join(params, ", "), strings.Join(results, ", "), name, strings.Join(args, ", "), strings.Join(gives, ", "))
}

// served writes the main of the guest that has the code.
func (s *goSplit) served() string {
	var out strings.Builder
	out.WriteString("package main\n\nimport assay_far \"" + guestPackages[0][0] + "\"\n\nfunc main() {\n")
	for _, name := range s.typeNames() {
		fmt.Fprintf(&out, "\tassay_far.Know[%s]()\n", name)
	}
	out.WriteString("\tassay_far.Serve(assay_far.Functions{\n")
	for _, f := range s.functions {
		fmt.Fprintf(&out, "\t\t%q: %s,\n", f.Name(), f.Name())
	}
	for _, o := range s.sortedTypes() {
		for m := range o.Type().(*types.Named).Methods() {
			if s.crosses(m.Signature()) {
				fmt.Fprintf(&out, "\t\t%q: %s,\n", methodName(o, m), methodName(o, m))
			}
		}
	}
	out.WriteString("\t})\n}\n")
	return out.String()
}
