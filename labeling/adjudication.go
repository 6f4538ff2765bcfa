package labeling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Adjudicate decides an item whose labelers differ. The labels stay as they
// are; the decision and its reason stand beside them. Nobody decides over a
// label of their own.
func (s *Store) Adjudicate(ctx context.Context, actor auth.Actor, item int64, label, reason string) (Consensus, error) {
	if err := actor.Require(auth.Adjudicate); err != nil {
		return Consensus{}, err
	}
	if !slices.Contains(Labels, label) {
		return Consensus{}, fault.Say(fault.Invalid, "Choose a label first: correct, partially correct, hallucinated or cannot tell.")
	}
	if strings.TrimSpace(reason) == "" || len(reason) > 4*maxNote {
		return Consensus{}, fault.Say(fault.Invalid, "Give the reason: both labelers will read it. At most 4,000 characters.")
	}
	reviewer, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Consensus{}, err
	}
	var c Consensus
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		c, err = s.adjudicate(ctx, tx, actor, reviewer, item, label, reason)
		return err
	})
	return c, err
}

func (s *Store) adjudicate(ctx context.Context, tx pgx.Tx, actor auth.Actor, reviewer, item int64, label, reason string) (Consensus, error) {
	var event uuid.UUID
	err := tx.QueryRow(ctx, `SELECT event_id FROM items WHERE id = $1 FOR UPDATE`, item).Scan(&event)
	if errors.Is(err, pgx.ErrNoRows) {
		return Consensus{}, fmt.Errorf("adjudicate item %d: %w", item, fault.NotFound)
	}
	if err != nil {
		return Consensus{}, fmt.Errorf("adjudicate item %d: %w", item, err)
	}
	readings, err := readingsOf(ctx, tx, item)
	if err != nil {
		return Consensus{}, err
	}
	var between []int64
	for _, r := range readings {
		if r.LabelerID == reviewer {
			return Consensus{}, fault.Say(fault.Denied, "You labeled this item. Another reviewer decides it.")
		}
		if r.Label != "" {
			between = append(between, r.LabelID)
		}
	}
	if len(between) < 2 {
		return Consensus{}, fault.Say(fault.Conflict, "Item %d has fewer than two labels: there is nothing to decide between.", item)
	}
	var id int64
	err = tx.QueryRow(ctx, `
		INSERT INTO adjudications (item_id, revision, reviewer_id, label, label_ids, guide_id)
		SELECT $1, (SELECT coalesce(max(revision), 0) + 1 FROM adjudications WHERE item_id = $1), $2, $3, $4,
		       (SELECT g.id FROM guides g JOIN items i ON i.task_class = g.task_class WHERE i.id = $1 ORDER BY g.version DESC LIMIT 1)
		RETURNING id`, item, reviewer, label, between).Scan(&id)
	if err != nil {
		return Consensus{}, fmt.Errorf("adjudicate item %d: %w", item, err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO adjudication_texts (adjudication_id, reason) VALUES ($1, $2)`, id, reason); err != nil {
		return Consensus{}, err
	}
	c, err := settle(ctx, tx, item, event)
	if err != nil {
		return Consensus{}, err
	}
	err = audit.Record(ctx, tx, audit.Entry{
		Actor: actor, Action: "label.adjudicate", Object: fmt.Sprintf("item/%d", item),
		What:  strings.ReplaceAll(label, "_", " "),
		After: map[string]any{"adjudication_id": id, "label": label, "label_ids": between},
	})
	if err != nil {
		return Consensus{}, err
	}
	return c, s.tell(ctx, tx, 0)
}
