package text

import "fmt"

// Step is one call of a tool, without its content.
type Step struct {
	Tool     string `json:"tool_name"`
	Params   string `json:"params_hash"`
	Progress string `json:"progress_marker"`
}

// Reasons of steps.
const (
	ReasonStalled = "stalled_repeat"
	ReasonMoves   = "continue"
)

// CheckSteps says whether a run of tools goes round in circles: with two steps
// or more, the last two call the same tool with the same parameters and leave
// the same progress.
func CheckSteps(steps []Step) Outcome {
	repeats := 0
	for i := len(steps) - 1; i > 0 && steps[i] == steps[i-1]; i-- {
		repeats++
	}
	if repeats == 0 {
		return Outcome{Verdict: pass, Reason: ReasonMoves, Message: "The last two steps differ, or there are fewer.", Evidence: Evidence{Route: "continue"}}
	}
	last := steps[len(steps)-1]
	tool := last.Tool
	if r := []rune(tool); len(r) > 80 {
		tool = string(r[:80]) + "…"
	}
	return Outcome{Verdict: fail, Reason: ReasonStalled, Evidence: Evidence{Route: "stop_and_review", Repeats: repeats, Step: &last},
		Message: fmt.Sprintf("The last %d steps call %s with the same parameters and get no further.", repeats+1, tool)}
}
