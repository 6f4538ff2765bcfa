package labeling

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"

	"assay/telemetry"
)

// Snapshot is the response as it was when it came into a queue, with the
// events around it: redacted text only. An item never says "not found" later.
type Snapshot struct {
	EventID          uuid.UUID       `json:"event_id"`
	SessionID        string          `json:"session_id"`
	RequestID        string          `json:"request_id,omitempty"`
	CaseID           string          `json:"case_id,omitempty"`
	TraceID          string          `json:"trace_id,omitempty"`
	TaskClass        string          `json:"task_class"`
	ModelVersion     string          `json:"model_version"`
	PromptTemplateID string          `json:"prompt_template_id,omitempty"`
	EvidenceVersion  string          `json:"evidence_version,omitempty"`
	Route            string          `json:"route,omitempty"`
	FirstFailedStage string          `json:"first_failed_stage,omitempty"`
	ActionType       string          `json:"action_type,omitempty"`
	At               time.Time       `json:"at"`
	Consent          string          `json:"consent"`
	ScrubPolicy      string          `json:"scrub_policy,omitempty"`
	Prompt           string          `json:"prompt,omitempty"`
	Response         string          `json:"response,omitempty"`
	Context          []string        `json:"context,omitempty"`
	Artifact         json.RawMessage `json:"artifact,omitempty"`
	Around           []Moment        `json:"around,omitempty"`
}

// Moment is one event of the session beside the response.
type Moment struct {
	EventID uuid.UUID `json:"event_id"`
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"` // prompt, tool, file, model, validator, gate, feedback, correction, outcome, exposure, error, span
	What    string    `json:"what,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	Prompt  string    `json:"prompt,omitempty"` // of another response: what the person asked
	Text    string    `json:"text,omitempty"`
	TookMS  *int64    `json:"took_ms,omitempty"`
	Failed  bool      `json:"failed,omitempty"`
}

func snapshotOf(r telemetry.Response) Snapshot {
	s := Snapshot{
		EventID: r.EventID, SessionID: r.SessionID, RequestID: r.RequestID, CaseID: r.CaseID, TraceID: r.TraceID,
		TaskClass: r.TaskClass, ModelVersion: r.ModelVersion, PromptTemplateID: r.PromptTemplateID, EvidenceVersion: r.EvidenceVersion,
		Route: r.Route, FirstFailedStage: r.FirstFailedStage, ActionType: r.ActionType,
		At: r.EffectiveTime, Consent: string(r.Consent), ScrubPolicy: r.ScrubPolicy,
		Prompt: r.Prompt, Response: r.Response, Context: r.Context, Artifact: r.Artifact,
	}
	for _, e := range r.Around {
		s.Around = append(s.Around, Moment{
			EventID: e.EventID, At: e.At, Kind: string(e.Kind), What: e.What, Detail: e.Detail, Prompt: e.Prompt, Text: e.Text, TookMS: e.TookMS, Failed: e.Failed,
		})
	}
	return s
}

// titleLength is how much of a prompt fits a line of a list.
const titleLength = 60

// titleFor names an item by the first words of the prompt, of the response
// when there is no prompt.
func titleFor(s Snapshot) string {
	for _, text := range []string{s.Prompt, s.Response} {
		line := strings.Join(strings.Fields(text), " ")
		if line == "" {
			continue
		}
		runes := []rune(line)
		if len(runes) <= titleLength {
			return line
		}
		cut := string(runes[:titleLength])
		if at := strings.LastIndex(cut, " "); at > titleLength/2 {
			cut = cut[:at]
		}
		return strings.TrimRight(cut, ".,;:-–— (") + "…"
	}
	return ""
}

// Abstained reports whether the response declined to answer: the question to
// a labeler is then whether that was justified.
func (s Snapshot) Abstained() bool { return s.Route == "abstain" }
