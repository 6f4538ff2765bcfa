package code

import (
	"bufio"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var full = flag.Bool("full", false, "judge all recorded programs and not one in ten")

// lines reads a file of JSON lines of the recorded data.
func lines[T any](t *testing.T, path ...string) []T {
	t.Helper()
	f, err := os.Open(filepath.Join(append([]string{"..", "..", "..", "shared", "data"}, path...)...))
	if os.IsNotExist(err) {
		t.Skip("the recorded data is not beside this checkout")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []T
	s := bufio.NewScanner(f)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

type problem struct {
	TaskID     string `json:"task_id"`
	Prompt     string `json:"prompt"`
	EntryPoint string `json:"entry_point"`
	Canonical  string `json:"canonical_solution"`
	Test       string `json:"test"`
	Import     string `json:"import"`
}

type prediction struct {
	TaskID   string `json:"task_id"`
	Model    string `json:"model_version"`
	Solution string `json:"solution"`
	Kind     string `json:"completion_kind"`
	Truth    struct {
		Execution string `json:"our_execution"`
		Error     string `json:"error"`
	} `json:"truth"`
}

// recorded is a program with the verdict that running it natively gave.
type recorded struct {
	name, want string
	job        Job
}

// judgeAll judges programs two at a time and prints what came of them.
func judgeAll(t *testing.T, programs []recorded) {
	table := map[string]map[string]int{pass: {}, fail: {}, inconclusive: {}}
	trusting := 0
	var mu sync.Mutex
	var wg sync.WaitGroup
	for part := range 2 {
		wg.Go(func() {
			for i := part; i < len(programs); i += 2 {
				p := programs[i]
				got := judge(t, p.job)
				mu.Lock()
				table[p.want][got.Verdict]++
				if got.Evidence.Trusting {
					trusting++
				}
				if got.Verdict != p.want {
					t.Errorf("%s: want %s, got %s %s: %s %+v", p.name, p.want, got.Verdict, got.Reason, got.Message, got.Evidence)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d programs: recorded pass %v, recorded fail %v, recorded timeout %v, %d verdicts trust the code", len(programs), table[pass], table[fail], table[inconclusive], trusting)
}

func some(i int) bool { return *full || i%10 == 3 }

func TestHumanEvalCanonicalSolutionsPass(t *testing.T) {
	var programs []recorded
	for i, p := range lines[problem](t, "code-humaneval-python", "problems.jsonl") {
		if tests := p.Test + "\ncheck(" + p.EntryPoint + ")\n"; some(i) {
			programs = append(programs, recorded{p.TaskID, pass, Job{Language: "python", Code: p.Prompt + p.Canonical, Entry: p.EntryPoint, Tests: &tests}})
		}
	}
	judgeAll(t, programs)
}

func TestHumanEvalSolutionsOfModelsAreJudgedAsTheyRan(t *testing.T) {
	problems := map[string]problem{}
	for _, p := range lines[problem](t, "code-humaneval-python", "problems.jsonl") {
		problems[p.TaskID] = p
	}
	var programs []recorded
	for i, s := range lines[prediction](t, "code-humaneval-python", "predictions.jsonl") {
		if !some(i) {
			continue
		}
		p := problems[s.TaskID]
		tests := p.Test + "\ncheck(" + p.EntryPoint + ")\n"
		code := p.Prompt + s.Solution
		if s.Kind == "full_function" {
			code = importsOf(p.Prompt) + s.Solution
		}
		if s.Truth.Execution == fail && s.Truth.Error == "" {
			s.Truth.Execution = inconclusive // it was stopped after 15 seconds
		}
		if s.TaskID == "HumanEval/133" && !strings.HasPrefix(s.Solution, "import math") {
			s.Truth.Execution = fail // it was run where math was imported already; by itself it is undefined
		}
		programs = append(programs, recorded{s.Model + " " + s.TaskID, s.Truth.Execution, Job{Language: "python", Code: code, Entry: p.EntryPoint, Tests: &tests}})
	}
	judgeAll(t, programs)
}

func importsOf(prompt string) string {
	var kept strings.Builder
	for line := range strings.Lines(prompt) {
		if strings.HasPrefix(line, "import ") || strings.HasPrefix(line, "from ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
