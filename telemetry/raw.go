package telemetry

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/vault"
)

// RawText is what an event said before it was redacted. It is sealed as one
// payload, and opens only as a reveal.
type RawText struct {
	Prompt       string          `json:"prompt,omitempty"`
	Response     string          `json:"response,omitempty"`
	Context      []string        `json:"context,omitempty"`
	Correction   string          `json:"correction,omitempty"`
	ErrorMessage string          `json:"error_message,omitempty"`
	Artifact     json.RawMessage `json:"artifact,omitempty"`
}

// sealedField names what of an event one payload holds: all that it said.
const sealedField = "event"

// rawText is what is to be sealed of an event, nil where consent, capture or
// the product's wiring lets nothing raw be kept.
func (t *taking) rawText(r *row) []byte {
	if !t.seals || r.Consent != ConsentFull || r.Capture != CaptureRaw {
		return nil
	}
	raw := RawText{
		Prompt: r.Prompt, Response: r.Response, Context: slices.Clone(r.Context),
		Correction: r.Correction, ErrorMessage: r.ErrorMessage, Artifact: slices.Clone(r.Artifact),
	}
	text, err := json.Marshal(raw)
	if err != nil || string(text) == "{}" {
		return nil
	}
	return text
}

// hashText keeps of texts that are not kept whether two were the same: a
// keyed hash, which cannot be tried out from outside.
func (t *taking) hashText(r *row) {
	if r.Prompt != "" {
		r.PromptHash = t.keyed(r.Prompt)
	}
	if r.Response != "" {
		r.ResponseHash = t.keyed(r.Response)
	}
}

// sealedAs is what the payload of an event is bound to.
func sealedAs(eventID uuid.UUID, userIDHash *string) vault.Context {
	as := vault.Context{EventID: eventID.String(), Field: sealedField}
	if userIDHash != nil {
		as.Subject = *userIDHash
	}
	return as
}

// seal puts the raw texts of the rows into the vault, in the transaction that
// acknowledges them, and leaves their references in the rows. It reports whether
// there were any.
func (s *Store) seal(ctx context.Context, tx pgx.Tx, rows []*row) (sealed bool, err error) {
	var texts []vault.Sealing
	var of []*row
	for _, r := range rows {
		if r.raw != nil {
			texts = append(texts, vault.Sealing{As: sealedAs(r.EventID, r.UserIDHash), Text: r.raw, KeepUntil: r.TextExpiresAt})
			of = append(of, r)
		}
	}
	if len(texts) == 0 {
		return false, nil
	}
	refs, err := s.Vault.SealAll(ctx, tx, texts)
	if err != nil {
		return false, err
	}
	for i, r := range of {
		r.RawPayloadRef = refs[i]
	}
	return true, nil
}

// DurableRecord is what outlives the text of an event (A11.14): ids, route and
// stage, a redacted preview while it is kept, and where the raw text lies
// sealed, if it does.
type DurableRecord struct {
	RequestID        string  `json:"request_id"`
	PromptTemplateID string  `json:"prompt_template_id"`
	EvidenceVersion  *string `json:"evidence_version"`
	Route            string  `json:"route"`
	FailedStage      string  `json:"failed_stage"`
	RedactedPreview  string  `json:"redacted_preview"`
	RawPayloadRef    *string `json:"raw_payload_ref"`
	ScrubPolicy      string  `json:"scrub_policy"`
}

// previewLength bounds the preview, in bytes.
const previewLength = 280

func (e storedEvent) durable() DurableRecord {
	d := DurableRecord{
		RequestID: e.RequestID, PromptTemplateID: e.PromptTemplateID, EvidenceVersion: e.EvidenceVersion,
		Route: e.Route, FailedStage: e.FirstFailedStage, ScrubPolicy: e.ScrubPolicy,
		RedactedPreview: cut(cmp.Or(e.Prompt, e.Response, e.Correction, e.ErrorMessage), previewLength),
	}
	if e.RawPayloadRef != "" {
		d.RawPayloadRef = &e.RawPayloadRef
	}
	return d
}

// Durable returns the durable record of an event. NotFound when there is no
// such event, or the actor may not see its session.
func (s *Store) Durable(ctx context.Context, actor auth.Actor, eventID uuid.UUID) (DurableRecord, error) {
	e, err := s.oneEvent(ctx, actor, eventID)
	if err != nil {
		return DurableRecord{}, err
	}
	return e.durable(), nil
}

// oneEvent reads an event of any type that the actor may see.
func (s *Store) oneEvent(ctx context.Context, actor auth.Actor, eventID uuid.UUID) (storedEvent, error) {
	if err := actor.Require(auth.SeeSessions); err != nil {
		return storedEvent{}, err
	}
	var at located
	err := s.eachRow(ctx, func(scan func(...any) error) error { return scan(&at.SessionID, &at.At) }, `
		SELECT session_id, effective_time
		FROM `+allFacts+`
		WHERE event_id = ?
		LIMIT 1`, eventID)
	if err != nil {
		return storedEvent{}, err
	}
	if at.SessionID == "" {
		return storedEvent{}, errNoEvent
	}
	if err := s.seeSession(ctx, actor, at.SessionID); err != nil {
		return storedEvent{}, err
	}
	events, err := s.events(ctx, `session_hash = xxHash64(?) AND session_id = ? AND effective_time = ? AND event_id = ?`,
		at.SessionID, at.SessionID, at.At, eventID)
	if err != nil {
		return storedEvent{}, err
	}
	if len(events) == 0 {
		return storedEvent{}, errNoEvent
	}
	events[0].hideExpired(s.now())
	return events[0], nil
}
