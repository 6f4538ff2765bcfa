package labeling

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Draft is an answer that has not counted yet.
type Draft struct {
	Answer  Answer    `json:"answer"`
	Page    string    `json:"page"`    // which tab wrote it
	Refused string    `json:"refused"` // why a submit did not count, in words; "" for a plain draft
	SavedAt time.Time `json:"saved_at"`
}

// SaveDraft keeps what is being written on a page opened at that time. It needs
// no reservation that still holds, only one that once did: a closed laptop
// loses nothing. When another page has written since this one was opened, it
// is a Conflict and that one's draft stays: the later tab has it.
func (s *Store) SaveDraft(ctx context.Context, actor auth.Actor, item int64, page string, opened time.Time, answer Answer) error {
	if err := actor.Require(auth.Label); err != nil {
		return err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return err
	}
	if known, err := s.knows(ctx, labeler, item); err != nil || !known {
		return cmpErr(err, fmt.Errorf("draft of item %d: %w", item, fault.NotFound))
	}
	if len(answer.Note) > 4*maxNote || len(answer.Correction) > 4*maxCorrection || len(answer.Spans) > 1000 || len(answer.Reasons) > 20 {
		return fault.Say(fault.Invalid, "A note has at most 4,000 characters, a correction 20,000.")
	}
	tag, err := s.DB.Exec(ctx, `
		INSERT INTO drafts AS d (labeler_id, item_id, body, page)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT (labeler_id, item_id) DO UPDATE
		SET body = EXCLUDED.body, page = EXCLUDED.page, refused = '', saved_at = clock_timestamp()
		WHERE d.page = EXCLUDED.page OR d.saved_at <= $5`, labeler, item, answer, page, opened)
	if err == nil && tag.RowsAffected() == 0 {
		return fault.Say(fault.Conflict, "Another tab of yours has this item too, and wrote a draft after this one was opened. Go on there.")
	}
	return err
}

// Draft returns the actor's draft of an item, NotFound when there is none.
func (s *Store) Draft(ctx context.Context, actor auth.Actor, item int64) (Draft, error) {
	if err := actor.Require(auth.Label); err != nil {
		return Draft{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Draft{}, err
	}
	return s.draftOf(ctx, labeler, item)
}

func (s *Store) draftOf(ctx context.Context, labeler, item int64) (Draft, error) {
	var d Draft
	err := s.DB.QueryRow(ctx, `
		SELECT body, page, refused, saved_at FROM drafts
		WHERE labeler_id = $1 AND item_id = $2`, labeler, item).Scan(&d.Answer, &d.Page, &d.Refused, &d.SavedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return Draft{}, fmt.Errorf("draft of item %d: %w", item, fault.NotFound)
	}
	return d, err
}

// DiscardDraft forgets the actor's draft of an item.
func (s *Store) DiscardDraft(ctx context.Context, actor auth.Actor, item int64) error {
	if err := actor.Require(auth.Label); err != nil {
		return err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return err
	}
	_, err = s.DB.Exec(ctx, `DELETE FROM drafts WHERE labeler_id = $1 AND item_id = $2`, labeler, item)
	return err
}

// keep saves an answer whose submit was refused.
func (s *Store) keep(ctx context.Context, labeler, item int64, answer Answer, why string) error {
	return s.keepIn(ctx, s.DB, labeler, item, answer, why)
}

func (s *Store) keepIn(ctx context.Context, db postgres.DB, labeler, item int64, answer Answer, why string) error {
	_, err := db.Exec(ctx, `
		INSERT INTO drafts (labeler_id, item_id, body, refused)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT (labeler_id, item_id) DO UPDATE
		SET body = EXCLUDED.body, refused = EXCLUDED.refused, saved_at = clock_timestamp()`, labeler, item, answer, why)
	return err
}
