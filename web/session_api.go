package web

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"assay/telemetry"
)

// sessionJSON is a session for machines.
type sessionJSON struct {
	ID           string             `json:"id"`
	From         time.Time          `json:"from"`
	To           time.Time          `json:"to"`
	Events       int                `json:"events"`
	At           int                `json:"at"`             // 0-based place of the first event shown
	Next         *int               `json:"next,omitempty"` // pass as at
	TaskClass    string             `json:"task_class,omitempty"`
	ModelVersion string             `json:"model_version,omitempty"`
	UnsafeServed bool               `json:"unsafe_claim_served"`
	FirstFailed  *failedJSON        `json:"first_failed_stage,omitempty"`
	Timeline     []timelineJSON     `json:"timeline"`
	Verdicts     []verdictJSON      `json:"verdicts"`
	Labels       []sessionLabelJSON `json:"labels"`
	Flags        []flagJSON         `json:"flags"`
}

type failedJSON struct {
	EventID uuid.UUID `json:"event_id"`
	Stage   string    `json:"stage"`
	At      int       `json:"at"`
}

type timelineJSON struct {
	EventID          uuid.UUID       `json:"event_id"`
	EventType        string          `json:"event_type"`
	Kind             string          `json:"kind"`
	Time             time.Time       `json:"time"`
	EventTime        time.Time       `json:"event_time"`
	What             string          `json:"what"`
	Detail           string          `json:"detail,omitempty"`
	Prompt           string          `json:"prompt,omitempty"`
	Text             string          `json:"text,omitempty"`
	Context          []string        `json:"context,omitempty"`
	Artifact         json.RawMessage `json:"artifact,omitempty"`
	Attributes       json.RawMessage `json:"attributes,omitempty"`
	TookMS           *int64          `json:"took_ms,omitempty"`
	TTFTMS           *int64          `json:"ttft_ms,omitempty"`
	Failed           bool            `json:"failed"`
	FirstFailedStage string          `json:"first_failed_stage,omitempty"`
	Route            string          `json:"route,omitempty"`
	RequestID        string          `json:"request_id,omitempty"`
	TraceID          string          `json:"trace_id,omitempty"`
	TaskClass        string          `json:"task_class,omitempty"`
	ModelVersion     string          `json:"model_version,omitempty"`
	PromptTemplateID string          `json:"prompt_template_id,omitempty"`
	Consent          string          `json:"consent"`
	Quarantined      bool            `json:"quarantined"`
}

type verdictJSON struct {
	EventID   uuid.UUID       `json:"event_id"`
	Validator string          `json:"validator"`
	Version   string          `json:"version"`
	Verdict   string          `json:"verdict"`
	Reason    string          `json:"reason"`
	Message   string          `json:"message"`
	Evidence  json.RawMessage `json:"evidence,omitempty"`
	At        time.Time       `json:"at"`
}

type sessionLabelJSON struct {
	EventID   uuid.UUID `json:"event_id"`
	Label     string    `json:"label"`
	LabeledAt time.Time `json:"labeled_at"`
	Labels    int       `json:"labels"`
}

type flagJSON struct {
	EventID       uuid.UUID `json:"event_id"`
	Flag          string    `json:"flag"`
	Detail        string    `json:"detail,omitempty"`
	At            time.Time `json:"at"`
	SourceEventID uuid.UUID `json:"source_event_id"`
}

func (s *site) sessionAPI(c *fiber.Ctx) error {
	d, _, err := s.session(c)
	if err != nil {
		return err
	}
	return c.JSON(sessionAsJSON(d))
}

func sessionAsJSON(d telemetry.SessionDetail) sessionJSON {
	j := sessionJSON{
		ID: d.ID, From: d.From, To: d.To, Events: d.Events, At: d.Place, TaskClass: d.TaskClass, ModelVersion: d.ModelVersion,
		UnsafeServed: d.UnsafeServed, Timeline: []timelineJSON{}, Verdicts: []verdictJSON{}, Labels: []sessionLabelJSON{}, Flags: []flagJSON{},
	}
	if next := d.Place + len(d.Page); next < d.Events {
		j.Next = &next
	}
	if f := d.FirstFailed; f != nil {
		j.FirstFailed = &failedJSON{f.EventID, f.Stage, f.Place}
	}
	for _, e := range d.Page {
		j.Timeline = append(j.Timeline, timelineJSON{
			EventID: e.EventID, EventType: string(e.Type), Kind: e.Kind, Time: e.At, EventTime: e.EventTime, What: e.What, Detail: e.Detail,
			Prompt: e.Prompt, Text: e.Text, Context: e.Context, Artifact: e.Artifact, Attributes: e.Attributes, TookMS: e.TookMS, TTFTMS: e.TTFTMS,
			Failed: e.Failed, FirstFailedStage: e.Stage, Route: e.Route, RequestID: e.RequestID, TraceID: e.TraceID,
			TaskClass: e.TaskClass, ModelVersion: e.ModelVersion, PromptTemplateID: e.PromptTemplateID, Consent: string(e.Consent), Quarantined: e.Quarantined,
		})
	}
	for _, v := range d.Verdicts {
		j.Verdicts = append(j.Verdicts, verdictJSON{v.EventID, v.Validator, v.Version, v.Verdict, v.Reason, v.Message, validJSON(v.Evidence), v.At})
	}
	for _, l := range d.Labels {
		j.Labels = append(j.Labels, sessionLabelJSON{l.EventID, l.Label, l.LabeledAt, l.Labels})
	}
	for id, flags := range d.Flags {
		for _, f := range flags {
			j.Flags = append(j.Flags, flagJSON{id, string(f.Reason), f.Detail, f.At, f.SourceEventID})
		}
	}
	slices.SortFunc(j.Flags, func(a, b flagJSON) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.EventID.String(), b.EventID.String()), strings.Compare(a.Flag, b.Flag))
	})
	return j
}

func validJSON(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || !json.Valid(raw) {
		return nil
	}
	return raw
}
