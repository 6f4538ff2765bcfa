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
		t.Skip(l.Missing())
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
