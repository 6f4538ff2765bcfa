package validators

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"assay/validators/fixture"
	"assay/validators/formula"
	"assay/validators/sandbox"
)

// formulaValidator computes a spreadsheet formula over the cells it was given
// for and holds the value against what is expected or, where nothing is, what
// the response states.
func formulaValidator() Validator {
	return Validator{
		Name: "formula", Version: "1.0.0+" + engine("evaluator", strings.TrimPrefix(formula.Version, "formula/")), Kinds: []string{"formula"},
		Says:   "Computes the formula with an evaluator of its own and compares. A fail needs an expected or a stated value, or a formula that Excel itself would refuse.",
		Limits: formulaProgram.Limits, Canaries: formulaCanaries, check: checkFormula,
	}
}

// engine names an engine within a version: dots divide engines there.
func engine(name, version string) string {
	return name + "-" + strings.ReplaceAll(version, ".", "_")
}

// formulaProgram evaluates in the child. The evaluator is ours and reads the
// formula as data, so that a child may do many.
var formulaProgram = sandbox.Program{
	Name:   "formula",
	Limits: sandbox.Limits{Wall: 2 * time.Second, Memory: 512 << 20, Output: 8 << 20},
	Jobs:   200, Ahead: 1,
	Open: func(sandbox.Files) (sandbox.Work, error) { return evaluateFormula, nil },
}

// formulaJob is what the child is given.
type formulaJob struct {
	Artifact json.RawMessage `json:"artifact"`
	Expected json.RawMessage `json:"expected,omitempty"`
}

// formulaArtifact is the artifact with what the response claims it gives.
type formulaArtifact struct {
	formula.Input
	Stated json.RawMessage `json:"stated,omitempty"`
}

// formulaEvidence is the evaluator's, with the claim.
type formulaEvidence struct {
	formula.Evidence
	Stated json.RawMessage `json:"stated,omitempty"`
}

func evaluateFormula(ctx context.Context, input []byte) ([]byte, error) {
	var job formulaJob
	if err := json.Unmarshal(input, &job); err != nil {
		return nil, err
	}
	var a formulaArtifact
	if err := json.Unmarshal(job.Artifact, &a); err != nil {
		return json.Marshal(formula.Outcome{Verdict: Inconclusive, Reason: ReasonInput, Message: "The artifact is not what a formula's is: " + typeTrouble(err) + "."})
	}
	if a.Expected = nil; present(job.Expected) {
		if err := json.Unmarshal(job.Expected, &a.Expected); err != nil {
			return json.Marshal(formula.Outcome{Verdict: Inconclusive, Reason: ReasonInput, Message: "The expected value is not what a formula's is: " + typeTrouble(err) + "."})
		}
	}
	stated := a.Expected == nil && present(a.Stated)
	if stated {
		a.Expected = statedValue(a.Stated)
	}
	a.Limits = formula.Limits{} // an input does not set what it may take
	out := formula.Check(ctx, a.Input)
	if stated {
		out = againstStatement(out, a.Stated)
	}
	for i := range out.Evidence.Trace {
		if text, ok := out.Evidence.Trace[i].Value.(string); ok {
			out.Evidence.Trace[i].Value = clip(text, 300)
		}
	}
	if text, ok := out.Evidence.Value.(string); ok {
		out.Evidence.Value = clip(text, 4_000)
	}
	if !stated {
		a.Stated = nil
	}
	return json.Marshal(struct {
		formula.Outcome
		Evidence formulaEvidence `json:"evidence"`
	}{out, formulaEvidence{out.Evidence, a.Stated}})
}

// statedValue reads a claim as an expectation: a value or an error's name.
func statedValue(claim json.RawMessage) *formula.Expected {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(claim))
	if decoder.Decode(&value) != nil {
		return nil
	}
	return &formula.Expected{Value: value}
}

// againstStatement words an outcome for a claim of the response. A claim that
// was rounded is right when the value rounds to it.
func againstStatement(out formula.Outcome, claim json.RawMessage) formula.Outcome {
	words := strings.Trim(string(claim), `"`)
	value, err := json.Marshal(out.Evidence.Value)
	if err != nil {
		return out
	}
	gives := strings.Trim(string(value), `"`)
	switch out.Reason {
	case formula.ReasonWrongValue:
		if roundsTo(out.Evidence.Value, claim) {
			out.Verdict, out.Reason = Pass, formula.ReasonEqual
			out.Message = fmt.Sprintf("The formula gives %s, which the response states as %s.", clip(gives, 60), clip(words, 60))
			return out
		}
		out.Message = fmt.Sprintf("The formula gives %s. The response states %s.", clip(gives, 200), clip(words, 200))
	case formula.ReasonWrongError, formula.ReasonErrorValue:
		out.Message = fmt.Sprintf("The formula gives %s. The response states %s.", clip(gives, 200), clip(words, 200))
	case formula.ReasonEqual:
		out.Message = fmt.Sprintf("The formula gives %s, as the response states.", clip(gives, 200))
	}
	return out
}

// roundsTo reports whether a number, rounded to the decimals of the claim, is
// the claim. A claim without decimals claims a whole number.
func roundsTo(value any, claim json.RawMessage) bool {
	number, ok := value.(float64)
	if !ok {
		return false
	}
	text := strings.TrimSpace(string(claim))
	_, decimals, found := strings.Cut(text, ".")
	stated, err := strconv.ParseFloat(text, 64)
	if err != nil || !found || strings.ContainsAny(decimals, "eE") {
		return false
	}
	return math.Abs(number-stated) <= 0.5000001*math.Pow10(-len(decimals))
}

func checkFormula(ctx context.Context, box Sandbox, in Input) (Opinion, error) {
	var out struct {
		Verdict  string          `json:"verdict"`
		Reason   string          `json:"reason"`
		Message  string          `json:"message"`
		Evidence json.RawMessage `json:"evidence"`
	}
	artifact, o, missing := formulaOnFixture(in)
	if missing {
		return o, nil
	}
	o, done, err := ask(ctx, box, formulaProgram, formulaJob{artifact, in.Expected}, &out)
	if err != nil || !done {
		return o, err
	}
	return Opinion{Verdict: out.Verdict, Reason: out.Reason, Message: out.Message, Evidence: out.Evidence}, nil
}

// formulaOnFixture puts a workbook's cells under those the artifact brings;
// missing is true when the workbook it names is not there.
func formulaOnFixture(in Input) (artifact json.RawMessage, o Opinion, missing bool) {
	var a struct {
		Fixture string         `json:"fixture"`
		Cell    string         `json:"cell"`
		Cells   map[string]any `json:"cells"`
	}
	if json.Unmarshal(in.Artifact, &a) != nil || a.Fixture == "" {
		return in.Artifact, o, false
	}
	var book workbook
	var fields map[string]any
	if in.fixture == nil || in.fixture.Kind != fixture.Workbook || json.Unmarshal([]byte(in.fixture.Content), &book) != nil || json.Unmarshal(in.Artifact, &fields) != nil {
		return nil, Opinion{Verdict: Inconclusive, Reason: ReasonFixture, Message: fmt.Sprintf("There is no workbook named %s among the fixtures.", clip(a.Fixture, 80))}, true
	}
	home := "'" + strings.ReplaceAll(book.Sheets[0], "'", "''") + "'!"
	if !strings.Contains(a.Cell, "!") {
		fields["cell"] = home + cmp.Or(a.Cell, "XFD1048576") // out of the way
	}
	for address, value := range a.Cells {
		if !strings.Contains(address, "!") {
			address = home + address
		}
		book.Cells[address] = value
	}
	fields["cells"], fields["sheets"] = book.Cells, book.Sheets
	text, err := json.Marshal(fields)
	if err != nil {
		return in.Artifact, o, false
	}
	return text, o, false
}

// ask gives a program a job and reads its answer; done is false when the
// opinion says already why there is none.
func ask(ctx context.Context, box Sandbox, p sandbox.Program, job, answer any) (o Opinion, done bool, err error) {
	return askWithin(ctx, box, p, sandbox.Limits{}, job, answer)
}

// askWithin is ask with limits of the caller's; a zero one is the program's.
func askWithin(ctx context.Context, box Sandbox, p sandbox.Program, limits sandbox.Limits, job, answer any) (o Opinion, done bool, err error) {
	input, err := json.Marshal(job)
	if err != nil {
		return Opinion{Verdict: Inconclusive, Reason: ReasonInput, Message: "The input is not JSON."}, false, nil
	}
	r, err := box.Run(ctx, sandbox.Job{Program: p.Name, Input: input, Limits: limits})
	if err != nil {
		return Opinion{}, false, err
	}
	if r.End != sandbox.Done {
		return ended(r, p.Limits), false, nil
	}
	if err := json.Unmarshal(r.Output, answer); err != nil {
		return Opinion{Verdict: Inconclusive, Reason: string(sandbox.Crashed), Message: "The sandbox's child gave an answer that is none."}, false, nil
	}
	return Opinion{}, true, nil
}

// present tells a value from none and from null.
func present(value json.RawMessage) bool {
	text := bytes.TrimSpace(value)
	return len(text) > 0 && !bytes.Equal(text, []byte("null"))
}

// typeTrouble says which field has the wrong type, without its value.
func typeTrouble(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return fmt.Sprintf("%s is a %s", wrong.Field, wrong.Value)
	}
	return "it has fields of another type"
}
