package eval

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Template is the text and the parameters of a prompt template. It does not
// change once a handoff names it.
type Template struct {
	TemplateID string
	Text       string
	Parameters json.RawMessage
	Sha256     string
	AuthorKind string
	AuthorID   int64
	AuthorName string
	CreatedAt  time.Time
	UsedAt     *time.Time
}

// PutTemplate keeps a template's text. Saying the same again changes nothing;
// another text for a template in use is fault.Conflict.
func (s *Store) PutTemplate(ctx context.Context, actor auth.Actor, id, text string, parameters json.RawMessage) (Template, error) {
	if err := actor.Require(auth.OpenHandoff); err != nil {
		return Template{}, err
	}
	if id == "" || len(id) > 200 || text == "" || len(text) > 200_000 {
		return Template{}, fault.Say(fault.Invalid, "A template has an id of at most 200 characters and a text of 1 to 200,000.")
	}
	if len(parameters) == 0 {
		parameters = json.RawMessage("{}")
	}
	var object map[string]any
	if json.Unmarshal(parameters, &object) != nil || object == nil || len(parameters) > 20_000 {
		return Template{}, fault.Say(fault.Invalid, "Parameters are one JSON object of at most 20,000 characters.")
	}
	canonical, err := json.Marshal(object)
	if err != nil {
		return Template{}, err
	}
	sum := sha256.Sum256(append([]byte(text+"\x1f"), canonical...))
	hash := "sha256:" + hex.EncodeToString(sum[:])
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var there string
		err := tx.QueryRow(ctx, `SELECT sha256 FROM templates WHERE template_id = $1 FOR UPDATE`, id).Scan(&there)
		if err == nil && there == hash {
			return nil
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO templates (template_id, text, parameters, sha256, author_kind, author_id, author_name)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (template_id) DO UPDATE
			SET text = excluded.text, parameters = excluded.parameters, sha256 = excluded.sha256,
			    author_kind = excluded.author_kind, author_id = excluded.author_id, author_name = excluded.author_name`,
			id, text, canonical, hash, actor.Kind, actor.ID, actor.Name)
		if postgres.Violates(err, "templates_used_stay") {
			return fault.Say(fault.Conflict, "The template %s is named by a handoff and stays as it is. Give the new text an id of its own.", id)
		}
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "template.put", Object: "template/" + id, What: hash, After: text})
	})
	if err != nil {
		return Template{}, err
	}
	return s.Template(ctx, actor, id)
}

// Template returns one template, or fault.NotFound.
func (s *Store) Template(ctx context.Context, actor auth.Actor, id string) (Template, error) {
	if err := actor.Require(auth.SeeHandoffs); err != nil {
		return Template{}, err
	}
	rows, err := s.DB.Query(ctx, `SELECT * FROM templates WHERE template_id = $1`, id)
	if err != nil {
		return Template{}, err
	}
	template, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Template])
	if errors.Is(err, pgx.ErrNoRows) {
		return Template{}, fmt.Errorf("template %s: %w", id, fault.NotFound)
	}
	return template, err
}

// Candidates lists templates that could fix the incident, newest first: texts
// that were put after the failing one, served nothing in its window, and were
// not tried for it yet.
func (s *Store) Candidates(ctx context.Context, actor auth.Actor, incidentID int64) ([]string, error) {
	if err := actor.Require(auth.SeeHandoffs); err != nil {
		return nil, err
	}
	rows, err := s.DB.Query(ctx, `
		SELECT t.template_id
		FROM templates t
		JOIN incidents i ON i.id = $1
		WHERE t.template_id <> i.template_id
		  AND t.created_at >= COALESCE((SELECT f.created_at FROM templates f WHERE f.template_id = i.template_id), '-infinity')
		  AND NOT EXISTS (SELECT FROM incident_requests r WHERE r.incident_id = i.id AND r.template_id = t.template_id)
		  AND NOT EXISTS (SELECT FROM handoffs h WHERE h.incident_id = i.id AND h.candidate_template_id = t.template_id)
		ORDER BY t.created_at DESC, t.template_id DESC
		LIMIT 20`, incidentID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
