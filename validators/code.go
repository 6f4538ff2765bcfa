package validators

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"assay/validators/code"
	"assay/validators/sandbox"
)

// codeValidator runs a program against tests that it never sees, or against
// what it should print.
func codeValidator() Validator {
	return Validator{
		Name: "code", Version: "1.0.0+" + strings.Join(codeEngines(), "."), Kinds: []string{"code"},
		Says:   "Runs a program apart from its tests: calls and results cross as values and are compared where the program cannot reach. Without tests it says whether the program runs and refers only to what exists.",
		Limits: code.Languages[0].Program.Limits, Canaries: codeCanaries(), check: checkCode,
	}
}

// codeEngines name the engines within a version.
func codeEngines() []string {
	var names []string
	for _, l := range code.Languages {
		names = append(names, engine(l.Name, l.Version))
	}
	return names
}

// codeArtifact is the artifact of a program.
type codeArtifact struct {
	Language string `json:"language"`
	Code     string `json:"code"`
	Entry    string `json:"entry_point"`
}

// codeExpected is what a program is held against.
type codeExpected struct {
	Tests  *string `json:"tests"`
	Stdin  string  `json:"stdin"`
	Stdout *string `json:"stdout"`
}

func checkCode(ctx context.Context, box Sandbox, in Input) (Opinion, error) {
	var a codeArtifact
	if err := json.Unmarshal(in.Artifact, &a); err != nil {
		return Opinion{Verdict: Inconclusive, Reason: ReasonInput, Message: "The artifact is not what a program's is: " + typeTrouble(err) + "."}, nil
	}
	var x codeExpected
	if present(in.Expected) {
		if err := json.Unmarshal(in.Expected, &x); err != nil {
			return Opinion{Verdict: Inconclusive, Reason: ReasonInput, Message: "What is expected is not what a program's is: " + typeTrouble(err) + "."}, nil
		}
		if x.Tests == nil && x.Stdout == nil {
			return Opinion{Verdict: Inconclusive, Reason: ReasonInput, Message: "Of a program tests or an output are expected."}, nil
		}
	}
	language, ok := code.Named(a.Language)
	if !ok {
		return Opinion{Verdict: Inconclusive, Reason: code.ReasonLanguage, Message: fmt.Sprintf("Programs in %s are not run here. There are: %s.", plain(a.Language, 40), strings.Join(code.Names(), ", "))}, nil
	}
	if len(a.Code) > code.MaxSource || x.Tests != nil && len(*x.Tests) > code.MaxSource {
		return Opinion{Verdict: Inconclusive, Reason: ReasonInput, Message: fmt.Sprintf("A program and its tests have at most %d KiB each.", code.MaxSource>>10)}, nil
	}
	if err := language.Missing(); err != nil {
		return Opinion{Verdict: Inconclusive, Reason: code.ReasonEngine, Message: err.Error()}, nil
	}
	job := code.Job{Language: language.Name, Code: a.Code, Entry: a.Entry, Tests: x.Tests, Stdin: x.Stdin, Stdout: x.Stdout}
	out, r, err := language.Judge(ctx, box, job, sandbox.Limits{})
	if err != nil {
		return Opinion{}, err
	}
	if r.End != sandbox.Done {
		return ended(r, language.Program.Limits), nil
	}
	o := Opinion{Verdict: out.Verdict, Reason: out.Reason, Message: out.Message, Evidence: out.Evidence}
	if out.Evidence.Tier != "" {
		o.Bounds = &Bounds{Tier: out.Evidence.Tier + ", bubblewrap, Landlock, seccomp", Limits: code.ShellProgram.Limits}
	}
	return o, nil
}

// codePrograms are the children that code needs.
func codePrograms() []sandbox.Program {
	var programs []sandbox.Program
	for _, l := range code.Languages {
		programs = append(programs, l.Programs()...)
	}
	return programs
}

// codeCanaries are those of the languages that this machine has.
func codeCanaries() []Canary {
	var canaries []Canary
	for _, c := range code.Canaries {
		if l, ok := code.Named(c.Language); !ok || l.Missing() != nil {
			continue
		}
		artifact, err := json.Marshal(map[string]string{"kind": "code", "language": c.Language, "code": c.Code, "entry_point": c.Entry})
		if err != nil {
			panic(err) // a constant
		}
		expected, err := json.Marshal(map[string]string{"tests": c.Tests})
		if err != nil {
			panic(err)
		}
		canaries = append(canaries, Canary{Name: c.Language + ", " + c.Name, Artifact: string(artifact), Expected: string(expected), Want: c.Want, Reason: c.Reason})
	}
	return slices.Clip(canaries)
}
