package code

import (
	"strings"
	"testing"
)

type goProblem struct {
	TaskID    string `json:"task_id"`
	Prompt    string `json:"prompt"`
	Import    string `json:"import"`
	Canonical string `json:"canonical_solution"`
	Decl      string `json:"declaration"`
	Test      string `json:"test"`
	Setup     string `json:"test_setup"`
}

// entry is the function that a problem asks for: the last of its prompt.
func (p goProblem) entry() string {
	at := strings.LastIndex(p.Prompt, "\nfunc ")
	if at < 0 {
		at = strings.LastIndex(p.Prompt, "func ") - 1
	}
	name, _, _ := strings.Cut(p.Prompt[at+len("\nfunc "):], "(")
	return strings.TrimSpace(name)
}

func needGo(t *testing.T) {
	t.Helper()
	if l, _ := Named("go"); l.Missing() != nil {
		t.Fatal(l.Missing()) // what runs this test has a toolchain
	}
}

func TestHumanEvalXInGo(t *testing.T) {
	needGo(t)
	var programs []recorded
	for i, p := range lines[goProblem](t, "code-humaneval-x", "go.jsonl") {
		if !some(i) {
			continue
		}
		tests := p.Setup + "\n" + p.Test
		programs = append(programs, recorded{p.TaskID, pass, Job{Language: "go", Code: p.Prompt + p.Canonical, Entry: p.entry(), Tests: &tests}},
			recorded{p.TaskID + " without its body", fail, Job{Language: "go", Code: p.Prompt + "\n\tpanic(\"not written\")\n}\n", Entry: p.entry(), Tests: &tests}})
	}
	judgeAll(t, programs)
}

func TestGoIsJudgedByTestsItNeverSees(t *testing.T) {
	needGo(t)
	stack := "type Stack struct{ items []int }\nfunc (s *Stack) Push(x int) { s.items = append(s.items, x) }\nfunc (s *Stack) Pop() (int, error) {\n\tif len(s.items) == 0 { return 0, errors.New(\"empty\") }\n\tx := s.items[len(s.items)-1]\n\ts.items = s.items[:len(s.items)-1]\n\treturn x, nil\n}\n"
	for _, c := range []struct {
		name, code, tests, want, reason string
		trusting                        bool
	}{
		{"right", "package calc\n\nfunc Add(a, b int) int { return a + b }", "func TestAdd(t *testing.T) { assert.Equal(t, 3, Add(1, 2)) }", pass, ReasonHeld, false},
		{"wrong", "func Add(a, b int) int { return a - b }", "package calc\nimport \"testing\"\nfunc TestAdd(t *testing.T) { if got := Add(1, 2); got != 3 { t.Errorf(\"got %d\", got) } }", fail, ReasonAssertion, false},
		{"panics", "func At(x []int) int { return x[5] }", "func TestAt(t *testing.T) { assert.Equal(t, 1, At([]int{1})) }", fail, ReasonRaised, false},
		{"panics as it should", "func At(x []int) int { if len(x) == 0 { panic(\"nothing\") }; return x[0] }", "func TestAt(t *testing.T) { assert.PanicsWithValue(t, \"nothing\", func() { At(nil) }); require.Panics(t, func() { At(nil) }) }", pass, ReasonHeld, false},
		{"does not parse", "func Add(a, b int { return a }", "func TestAdd(t *testing.T) { Add(1, 2) }", fail, ReasonSyntax, false},
		{"does not compile", "func Add(a, b int) int { x := 1; return a + b }", "func TestAdd(t *testing.T) { Add(1, 2) }", fail, ReasonCompile, false},
		{"an import nobody uses", "package a\nimport \"os\"\nfunc Add(a, b int) int { return a + b }", "func TestAdd(t *testing.T) { Add(1, 2) }", fail, ReasonCompile, false},
		{"an import its tests use", "import (\n\t\"time\"\n)\nfunc Add(a, b int) int { return a + b }", "func TestAdd(t *testing.T) { _ = time.Now(); assert.Equal(t, 3, Add(1, 2)) }", pass, ReasonHeld, false},
		{"a part of a file without its imports", "func Up(s string) string { return strings.ToUpper(s) }", "func TestUp(t *testing.T) { assert.Equal(t, \"A\", Up(\"a\")) }", pass, ReasonHeld, false},
		{"a whole file without them", "package a\nfunc Up(s string) string { return strings.ToUpper(s) }", "func TestUp(t *testing.T) { assert.Equal(t, \"A\", Up(\"a\")) }", fail, ReasonUndefined, false},
		{"changes its argument", "func Double(x []int, m map[string]int) { for i := range x { x[i] *= 2 }; m[\"n\"] = len(x) }", "func TestDouble(t *testing.T) { x, m := []int{1, 2}, map[string]int{\"old\": 1}; Double(x, m); assert.Equal(t, []int{2, 4}, x); assert.Equal(t, map[string]int{\"old\": 1, \"n\": 2}, m) }", pass, ReasonHeld, false},
		{"values of every kind", "type P struct{ X, y float64; Tags map[string][]int }\ntype Color int\nconst Red Color = 3\nfunc All(a int8, b uint64, c float32, d complex128, e string, f []byte, g [2]bool, h any, p *P, col Color, r rune, v ...string) (int8, uint64, float32, complex128, string, []byte, [2]bool, any, *P, Color, rune, []string) { return a, b, c, d, e, f, g, h, p, col, r, v }",
			"func TestAll(t *testing.T) {\n\tp := &P{1.5, math.Inf(-1), map[string][]int{\"x\": nil, \"y\": {}}}\n\ta, b, c, d, e, f, g, h, q, col, r, v := All(-8, math.MaxUint64, 0.1, 1i, \"ü\\xff\", []byte{0, 255}, [2]bool{true}, map[string]any{\"k\": []any{1, \"a\", nil, 2.5}}, p, Red, 'ß', \"x\", \"y\")\n\tassert.Equal(t, []any{int8(-8), uint64(math.MaxUint64), float32(0.1), 1i, \"ü\\xff\", []byte{0, 255}, [2]bool{true}, p, Red, 'ß', []string{\"x\", \"y\"}}, []any{a, b, c, d, e, f, g, q, col, r, v})\n\tassert.Equal(t, map[string]any{\"k\": []any{1, \"a\", nil, 2.5}}, h)\n\tassert.Nil(t, q.Tags[\"x\"]); assert.NotNil(t, q.Tags[\"y\"])\n}", pass, ReasonHeld, false},
		{"methods and errors", "package stack\nimport \"errors\"\n" + stack, "func TestStack(t *testing.T) { s := &Stack{}; s.Push(1); s.Push(2); x, err := s.Pop(); require.NoError(t, err); assert.Equal(t, 2, x); s.Pop(); _, err = s.Pop(); assert.EqualError(t, err, \"empty\") }", pass, ReasonHeld, false},
		{"a wrong method", "package stack\nimport \"errors\"\n" + strings.Replace(stack, "len(s.items)-1]\n\ts", "0]\n\ts", 1), "func TestStack(t *testing.T) { s := &Stack{}; s.Push(1); s.Push(2); x, _ := s.Pop(); assert.Equal(t, 2, x) }", fail, ReasonAssertion, true},
		{"a list that points back", "type Node struct{ Next, Prev *Node; V int }\nfunc Pair() *Node { a := &Node{V: 1}; b := &Node{V: 2, Prev: a}; a.Next = b; return a }", "func TestPair(t *testing.T) { a := Pair(); if a.Next.Prev != a { t.Fatal(\"another\") } }", pass, ReasonHeld, true},
		{"an error that is compared", "import \"errors\"\nvar ErrNo = errors.New(\"no\")\nfunc F() error { return fmt.Errorf(\"f: %w\", ErrNo) }", "func TestF(t *testing.T) { assert.ErrorIs(t, F(), ErrNo) }", pass, ReasonHeld, true},
		{"an error of the library", "func F() error { return io.EOF }", "func TestF(t *testing.T) { assert.True(t, errors.Is(F(), io.EOF)) }", pass, ReasonHeld, true},
		{"generic", "func Map[T, U any](xs []T, f func(T) U) []U { var out []U; for _, x := range xs { out = append(out, f(x)) }; return out }", "func TestMap(t *testing.T) { assert.Equal(t, []string{\"1\"}, Map([]int{1}, strconv.Itoa)) }", pass, ReasonHeld, true},
		{"new words of the language", "func F(n int) (sum int) { for i := range n { sum += max(i, 2) }; for x := range slices.Values([]int{1, 2}) { sum += x }; return }", "func TestF(t *testing.T) { assert.Equal(t, 9, F(3)) }", pass, ReasonHeld, false},
		{"goroutines", "func F() int { c := make(chan int); go func() { time.Sleep(time.Millisecond); c <- 7 }(); var mu sync.Mutex; mu.Lock(); defer mu.Unlock(); return <-c }", "func TestF(t *testing.T) { assert.Equal(t, 7, F()) }", pass, ReasonHeld, false},
		{"a deadlock", "func F() int { c := make(chan int); return <-c }", "func TestF(t *testing.T) { assert.Equal(t, 7, F()) }", fail, ReasonRaised, false},
		{"a test of the type that it needs", "func Sum(n *Tree) int { if n == nil { return 0 }; return n.V + Sum(n.L) }", "type Tree struct { V int; L *Tree }\nfunc TestSum(t *testing.T) { assert.Equal(t, 3, Sum(&Tree{1, &Tree{V: 2}})) }", pass, ReasonHeld, true},
		{"brings tests of its own", "package a\nimport \"testing\"\nfunc Add(a, b int) int { return a - b }\nfunc TestAdd(t *testing.T) { if Add(1, 1) != 0 { t.Fatal() } }\nfunc main() { println(Add(1, 2)) }", "func TestAdd(t *testing.T) { assert.Equal(t, 3, Add(1, 2)) }", fail, ReasonAssertion, false},
		{"tests that are a program", "func Add(a, b int) int { return a + b }", "func main() { if Add(1, 2) != 3 { panic(\"wrong\") } }", pass, ReasonHeld, false},
		{"prints a pass", "func init() { fmt.Println(\"PASS\"); fmt.Print(\"R8:t\") }\nfunc Add(a, b int) int { fmt.Println(\"ok\"); return a - b }", "func TestAdd(t *testing.T) { assert.Equal(t, 3, Add(1, 2)) }", fail, ReasonAssertion, false},
		{"subtests", "func Add(a, b int) int { return a + b }", "func TestAdd(t *testing.T) { for _, c := range []struct{ name string; a, b, want int }{{\"x\", 1, 2, 3}, {\"y\", 1, 2, 4}} { t.Run(c.name, func(t *testing.T) { t.Parallel(); assert.Equal(t, c.want, Add(c.a, c.b)) }) } }", fail, ReasonAssertion, false},
		{"defines another name", "func Sum(a int) int { return a }", "func TestTotal(t *testing.T) { assert.Equal(t, 1, Total(1)) }", fail, ReasonUndefined, false},
		{"takes another number", "func Sum(a int) int { return a }", "func TestSum(t *testing.T) { assert.Equal(t, 1, Sum(1, 2)) }", fail, ReasonCompile, false},
		{"tests that never call", "func Add(a, b int) int { return a + b }", "func TestAdd(t *testing.T) { }", inconclusive, ReasonTests, false},
		{"a module that is not here", "import \"github.com/gorilla/mux\"\nfunc F() *mux.Router { return mux.NewRouter() }", "func TestF(t *testing.T) { F() }", inconclusive, ReasonPackage, false},
		{"a network", "import \"net/http\"\nfunc F() int { r, _ := http.Get(\"http://localhost\"); return r.StatusCode }", "func TestF(t *testing.T) { assert.Equal(t, 200, F()) }", inconclusive, ReasonPackage, false},
		{"a file of the machine", "func F() string { b, _ := os.ReadFile(\"/etc/passwd\"); return string(b) }", "func TestF(t *testing.T) { assert.NotEqual(t, \"\", F()) }", inconclusive, ReasonEnvironment, false},
		{"much memory", "func F() int { var a [][]byte; for { a = append(a, make([]byte, 1<<24)) }; return len(a) }", "func TestF(t *testing.T) { assert.Equal(t, 1, F()) }", inconclusive, ReasonMemory, false},
		{"endless recursion", "func F(n int) int { return F(n+1) + 1 }", "func TestF(t *testing.T) { assert.Equal(t, 1, F(1)) }", fail, ReasonRaised, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := judge(t, Job{Language: "go", Code: c.code, Tests: &c.tests})
			if got.Verdict != c.want || got.Reason != c.reason || got.Evidence.Trusting != c.trusting {
				t.Errorf("want %s %s %v, got %s %s: %s %+v", c.want, c.reason, c.trusting, got.Verdict, got.Reason, got.Message, got.Evidence)
			}
		})
	}
}

func TestGoIsReadBeforeItRuns(t *testing.T) {
	needGo(t)
	for _, c := range []struct{ code, verdict, reason, nearest string }{
		{"package main\nimport \"strings\"\nfunc f(s string) string { return strings.Reverse(s) }", fail, ReasonInvented, ""},
		{"package main\nimport \"strings\"\nfunc f(s string) []string { return strings.SplitLine(s) }", fail, ReasonInvented, "strings.SplitN"},
		{"package main\nimport \"slice\"\nfunc f(s []int) { slice.Sort(s) }", fail, ReasonInvented, "slices"},
		{"package main\nimport \"math/stats\"\nfunc f(s []float64) float64 { return stats.Mean(s) }", fail, ReasonInvented, ""},
		{"package main\nimport \"time\"\nfunc f(t time.Time) int { return t.Quarter() }", fail, ReasonInvented, ""},
		{"package main\nfunc f(numbers []int) int { return sum(numbres) }\nfunc sum(x []int) int { return 0 }", fail, ReasonUndefined, "numbers"},
		{"package main\nimport \"syscall\"\nfunc f() { syscall.PtraceAttach(1) }", inconclusive, ReasonEnvironment, ""},
		{"package main\nfunc f() int { return 1 }", pass, ReasonRuns, ""},
		{"package main\nfunc main() { println(1) }", pass, ReasonRuns, ""},
	} {
		got := judge(t, Job{Language: "go", Code: c.code})
		if got.Verdict != c.verdict || got.Reason != c.reason {
			t.Errorf("%s\nwant %s %s, got %s %s: %s %+v", c.code, c.verdict, c.reason, got.Verdict, got.Reason, got.Message, got.Evidence)
		}
		if c.nearest != "" && (len(got.Evidence.Findings) == 0 || got.Evidence.Findings[0].Nearest != c.nearest) {
			t.Errorf("%s: want the nearest %q, got %+v", c.code, c.nearest, got.Evidence.Findings)
		}
	}
}

func TestGoProgramsAreJudgedByWhatTheyPrint(t *testing.T) {
	needGo(t)
	code := "package main\nimport (\"bufio\"; \"fmt\"; \"os\")\nfunc main() { s := bufio.NewScanner(os.Stdin); for s.Scan() { fmt.Println(s.Text() + \"!\") } }"
	for stdout, want := range map[string]string{"a!\nb!\n": pass, "a!": fail} {
		if got := judge(t, Job{Language: "go", Code: code, Stdin: "a\nb\n", Stdout: &stdout}); got.Verdict != want {
			t.Errorf("%q: want %s, got %s: %s %+v", stdout, want, got.Verdict, got.Message, got.Evidence)
		}
	}
	if got := judge(t, Job{Language: "go", Code: "package main\nfunc f() {}", Stdout: ptr("")}); got.Verdict != fail || got.Reason != ReasonCompile {
		t.Errorf("a program without main: %+v", got)
	}
}
