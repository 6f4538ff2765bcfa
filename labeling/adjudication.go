package labeling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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

// Disagreement is an item with what its labelers said, for the reviewer who
// decides.
type Disagreement struct {
	Item   Item
	Labels []SideLabel
	Left   int // items that wait for a decision, this one included
}

// SideLabel is one labeler's standing label beside the others.
type SideLabel struct {
	Name         string
	Answer       Answer
	GuideVersion int
	Elapsed      time.Duration
	LabeledAt    time.Time
}

// NextDisagreement returns the longest waiting item whose labelers differ and
// of which the actor has no label; NotFound when none waits. An empty queue
// looks in all.
func (s *Store) NextDisagreement(ctx context.Context, actor auth.Actor, queue string) (int64, error) {
	if err := actor.Require(auth.Adjudicate); err != nil {
		return 0, err
	}
	reviewer, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return 0, err
	}
	var item int64
	err = s.DB.QueryRow(ctx, `
		SELECT i.id
		FROM consensus c JOIN items i ON i.id = c.item_id JOIN queues q ON q.id = i.queue_id
		WHERE c.method = 'split' AND ($1 = '' OR q.slug = $1)
		  AND NOT EXISTS (SELECT FROM labels l WHERE l.item_id = i.id AND l.labeler_id = $2)
		ORDER BY c.decided_at, i.id
		LIMIT 1`, queue, reviewer).Scan(&item)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fault.Say(fault.NotFound, "No item waits for a decision of yours.")
	}
	return item, err
}

// Disagreement returns the item with its labels side by side. A reviewer who
// labeled it is refused: they would see the others' labels beside their own.
func (s *Store) Disagreement(ctx context.Context, actor auth.Actor, id int64) (Disagreement, error) {
	if err := actor.Require(auth.Adjudicate); err != nil {
		return Disagreement{}, err
	}
	reviewer, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Disagreement{}, err
	}
	var d Disagreement
	if d.Item, err = s.item(ctx, id); err != nil {
		return d, err
	}
	var mine bool
	err = s.DB.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM labels WHERE item_id = $1 AND labeler_id = $2),
		       (SELECT count(*) FROM consensus WHERE method = 'split')`, id, reviewer).Scan(&mine, &d.Left)
	if err != nil {
		return d, err
	}
	if mine {
		return Disagreement{}, fault.Say(fault.Denied, "You labeled this item. Another reviewer decides it.")
	}
	if err := holdsNone(ctx, s.DB, reviewer, id); err != nil {
		return Disagreement{}, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT DISTINCT ON (l.labeler_id)
		       coalesce(p.name, w.import_name, w.pseudonym), coalesce(l.label, ''), l.reasons, l.spans, coalesce(l.confidence, ''),
		       coalesce(t.correction, ''), coalesce(t.note, ''), coalesce(g.version, 0), coalesce(l.elapsed_ms, 0), l.labeled_at
		FROM labels l
		JOIN labelers w ON w.id = l.labeler_id
		LEFT JOIN people p ON p.id = w.person_id
		LEFT JOIN label_texts t ON t.label_id = l.id
		LEFT JOIN guides g ON g.id = l.guide_id
		WHERE l.item_id = $1 AND l.purpose = 'count'
		ORDER BY l.labeler_id, l.revision DESC`, id)
	var side SideLabel
	var ms int64
	_, err = pgx.ForEachRow(rows, []any{&side.Name, &side.Answer.Label, &side.Answer.Reasons, &side.Answer.Spans, &side.Answer.Confidence,
		&side.Answer.Correction, &side.Answer.Note, &side.GuideVersion, &ms, &side.LabeledAt}, func() error {
		if side.Answer.Label != "" {
			copied := side
			copied.Elapsed = time.Duration(ms) * time.Millisecond
			copied.Answer.Reasons = slices.Clone(side.Answer.Reasons)
			copied.Answer.Spans = slices.Clone(side.Answer.Spans)
			d.Labels = append(d.Labels, copied)
		}
		return nil
	})
	if err != nil {
		return d, fmt.Errorf("labels of item %d: %w", id, err)
	}
	if len(d.Labels) < 2 {
		return Disagreement{}, fault.Say(fault.Conflict, "Item %d has fewer than two labels: there is nothing to decide between.", id)
	}
	slices.SortStableFunc(d.Labels, func(a, b SideLabel) int { return a.LabeledAt.Compare(b.LabeledAt) })
	return d, s.hasRead(ctx, actor, []int64{id})
}

// AskAnother raises the number of labelers an item wants by one.
func (s *Store) AskAnother(ctx context.Context, actor auth.Actor, item int64) error {
	if err := actor.Require(auth.Adjudicate); err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE items SET wanted = greatest(wanted, taken + 1), done_at = NULL
			WHERE id = $1 AND taken < 9 AND removed_at IS NULL`, item)
		if err != nil {
			return fmt.Errorf("ask another labeler for item %d: %w", item, err)
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("ask another labeler for item %d: %w", item, fault.NotFound)
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "item.ask", Object: fmt.Sprintf("item/%d", item), What: "one more labeler"})
	})
}
