package validators

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"assay/validators/sandbox"
	"assay/validators/text"
)

// textValidator looks for what an answer says in what it was given.
func textValidator() Validator {
	return Validator{
		Name: "text", Version: "1.0.0", Kinds: []string{"text"},
		Says:   "Looks for an answer's citations, quotations, numbers and dates in the context it was given. A fail points at something that nobody wrote; a pass says what was found, not that the answer is right.",
		Limits: textProgram.Limits, Canaries: textCanaries, check: checkText,
	}
}

// textProgram reads texts as data, so that a child may do many.
var textProgram = sandbox.Program{
	Name:   "text",
	Limits: sandbox.Limits{Wall: 5 * time.Second, Memory: 256 << 20, Output: 4 << 20},
	Jobs:   200, Ahead: 1,
	Open: func(sandbox.Files) (sandbox.Work, error) {
		return func(_ context.Context, input []byte) ([]byte, error) {
			var in text.Input
			if err := json.Unmarshal(input, &in); err != nil {
				return nil, err
			}
			if in.Steps != nil {
				return json.Marshal(text.CheckSteps(in.Steps))
			}
			return json.Marshal(text.Check(in))
		}, nil
	},
}

func checkText(ctx context.Context, box Sandbox, in Input) (Opinion, error) {
	var a text.Input
	if err := json.Unmarshal(in.Artifact, &a); err != nil {
		return Opinion{Verdict: Inconclusive, Reason: ReasonInput, Message: "The artifact is not what an answer's is: " + typeTrouble(err) + "."}, nil
	}
	size := len(a.Response)
	for _, c := range a.Context {
		size += len(c)
	}
	if size > 2*text.MaxText {
		return Opinion{Verdict: Inconclusive, Reason: ReasonInput, Message: fmt.Sprintf("An answer and its context have at most %d KiB together.", 2*text.MaxText>>10)}, nil
	}
	a.Steps = nil
	return askText(ctx, box, a)
}

func askText(ctx context.Context, box Sandbox, a text.Input) (Opinion, error) {
	var out text.Outcome
	o, done, err := ask(ctx, box, textProgram, a, &out)
	if err != nil || !done {
		return o, err
	}
	return Opinion{Verdict: out.Verdict, Reason: out.Reason, Message: out.Message, Evidence: out.Evidence}, nil
}

// textCanaries are answers that are grounded, and such that are not.
var textCanaries = []Canary{
	{Name: "grounded", Want: Pass, Reason: text.ReasonGrounded, Artifact: `{"kind":"text","response":"Sales grew by 25 % to 1.25 million [1].","context":["Sales were 1,250,000 after 1,000,000 a year before."]}`},
	{Name: "invented number", Want: Fail, Reason: text.ReasonQuantity, Artifact: `{"kind":"text","response":"Sales were 1,375,000.","context":["Sales were 1,250,000."]}`},
	{Name: "invented quotation", Want: Fail, Reason: text.ReasonQuotation, Artifact: `{"kind":"text","response":"He said “we will never raise our prices again”.","context":["He said: we may raise our prices again."]}`},
	{Name: "citation of nothing", Want: Fail, Reason: text.ReasonCitation, Artifact: `{"kind":"text","response":"It holds [1], and more so [4].","context":["It holds."]}`},
	{Name: "no context", Want: Inconclusive, Reason: text.ReasonNoContext, Artifact: `{"kind":"text","response":"It was 1999."}`},
}

// toolsValidator looks at the steps of a session's tools (A8.5 of the
// published rules).
func toolsValidator() Validator {
	return Validator{
		Name: "tools", Version: "1.0.0", Kinds: []string{"tools"},
		Says:   "Says whether a run of tools goes round in circles: its last two steps call the same tool with the same parameters and leave the same progress.",
		Limits: textProgram.Limits, Canaries: toolsCanaries, check: checkTools,
	}
}

func checkTools(ctx context.Context, box Sandbox, in Input) (Opinion, error) {
	var a text.Input
	if err := json.Unmarshal(in.Artifact, &a); err != nil || a.Steps == nil {
		return Opinion{Verdict: Inconclusive, Reason: ReasonInput, Message: "The artifact is not what a run of tools is: a list of steps."}, nil
	}
	return askText(ctx, box, text.Input{Steps: a.Steps})
}

var toolsCanaries = []Canary{
	{Name: "stalled", Want: Fail, Reason: text.ReasonStalled, Artifact: `{"kind":"tools","steps":[{"tool_name":"lookup_tracking","params_hash":"order-redacted:v1","progress_marker":"scan:v17"},{"tool_name":"lookup_tracking","params_hash":"order-redacted:v1","progress_marker":"scan:v17"}]}`},
	{Name: "another parameter", Want: Pass, Artifact: `{"kind":"tools","steps":[{"tool_name":"lookup_tracking","params_hash":"a","progress_marker":"scan:v17"},{"tool_name":"lookup_tracking","params_hash":"b","progress_marker":"scan:v17"}]}`},
	{Name: "one step", Want: Pass, Artifact: `{"kind":"tools","steps":[{"tool_name":"lookup_tracking","params_hash":"a","progress_marker":"scan:v17"}]}`},
}
