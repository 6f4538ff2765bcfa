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

// Dispute is a reader's objection to a label.
type Dispute struct {
	ID        int64
	LabelID   int64
	ItemID    int64
	Title     string // of the item
	Queue     string // its title
	Label     string // what is disputed
	By        string
	Mine      bool // the reader opened it
	Objection string
	OpenedAt  time.Time
	DecidedAt *time.Time
	DecidedBy string
	Outcome   string // "" while open, stands, changed
	Decision  string // the reviewer's reason
}

const disputeQuery = `
	SELECT d.id, d.label_id, d.item_id, i.title, q.title AS queue, coalesce(l.label, '') AS label,
	       p.name AS by, d.person_id = $1 AS mine, coalesce(t.objection, '') AS objection, d.opened_at,
	       d.decided_at, coalesce(r.name, '') AS decided_by, coalesce(d.outcome, '') AS outcome, coalesce(t.decision, '') AS decision
	FROM disputes d
	JOIN labels l ON l.id = d.label_id
	JOIN items i ON i.id = d.item_id
	JOIN queues q ON q.id = i.queue_id
	JOIN people p ON p.id = d.person_id
	LEFT JOIN people r ON r.id = d.decided_by
	LEFT JOIN dispute_texts t ON t.dispute_id = d.id`

// Dispute opens an objection to a standing label. The label and every rate
// stay as they are until a reviewer has decided.
func (s *Store) Dispute(ctx context.Context, actor auth.Actor, label int64, objection string) error {
	if err := actor.Require(auth.DisputeLabel); err != nil {
		return err
	}
	if actor.Kind != auth.Person {
		return fault.Say(fault.Denied, "Only a person disputes a label.")
	}
	if strings.TrimSpace(objection) == "" || len(objection) > 4*maxNote {
		return fault.Say(fault.Invalid, "Say what is wrong with the label, in at most 4,000 characters.")
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var item int64
		var author *int64
		err := tx.QueryRow(ctx, `
			SELECT l.item_id, w.person_id FROM labels l JOIN labelers w ON w.id = l.labeler_id
			WHERE l.id = $1 AND l.label IS NOT NULL AND l.purpose = 'count'
			  AND NOT EXISTS (SELECT FROM labels n WHERE n.item_id = l.item_id AND n.labeler_id = l.labeler_id AND n.revision > l.revision)`,
			label).Scan(&item, &author)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.Conflict, "This label does not stand any more. Reload the page and read the one that does.")
		}
		if err != nil {
			return fmt.Errorf("dispute label %d: %w", label, err)
		}
		if author != nil && *author == actor.ID {
			return fault.Say(fault.Denied, "This label is yours: change it, it needs no dispute.")
		}
		if err := s.mayReadLabels(ctx, actor, item); err != nil {
			return err
		}
		return s.openDispute(ctx, tx, actor, item, label, author, objection)
	})
}

func (s *Store) openDispute(ctx context.Context, tx pgx.Tx, actor auth.Actor, item, label int64, author *int64, objection string) error {
	var id int64
	err := tx.QueryRow(ctx, `
		INSERT INTO disputes (label_id, item_id, person_id) VALUES ($1, $2, $3)
		ON CONFLICT DO NOTHING
		RETURNING id`, label, item, actor.ID).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.Say(fault.Conflict, "This label is disputed already; a reviewer decides.")
	}
	if err != nil {
		return fmt.Errorf("dispute label %d: %w", label, err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO dispute_texts (dispute_id, objection) VALUES ($1, $2)`, id, objection); err != nil {
		return err
	}
	if author != nil {
		if err := notify(ctx, tx, *author, "disputed", item, actor.ID); err != nil {
			return err
		}
	}
	return audit.Record(ctx, tx, audit.Entry{
		Actor: actor, Action: "label.dispute", Object: fmt.Sprintf("item/%d", item), After: map[string]any{"dispute_id": id, "label_id": label},
	})
}

// DecideDispute ends an objection: an empty label lets the disputed one stand,
// another becomes the item's consensus as an adjudication does, beside the
// labels. Nobody decides over a label or an objection of their own.
func (s *Store) DecideDispute(ctx context.Context, actor auth.Actor, id int64, label, reason string) error {
	if err := actor.Require(auth.Adjudicate); err != nil {
		return err
	}
	if label != "" && !slices.Contains(Labels, label) {
		return fault.Say(fault.Invalid, "Let the label stand, or choose correct, partially correct, hallucinated or cannot tell.")
	}
	if strings.TrimSpace(reason) == "" || len(reason) > 4*maxNote {
		return fault.Say(fault.Invalid, "Give the reason: who labeled and who objected will read it. At most 4,000 characters.")
	}
	reviewer, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		return s.decideDispute(ctx, tx, actor, reviewer, id, label, reason)
	})
}

// disputed is an open dispute, locked, with whom it concerns.
type disputed struct {
	ItemID   int64
	EventID  uuid.UUID
	OpenedBy int64
	Label    string
	Author   *int64 // person who gave the label
	Own      bool   // the reviewer has a label of the item
}

func (s *Store) decideDispute(ctx context.Context, tx pgx.Tx, actor auth.Actor, reviewer, id int64, label, reason string) error {
	rows, _ := tx.Query(ctx, `
		SELECT d.item_id, i.event_id, d.person_id AS opened_by, coalesce(l.label, '') AS label, w.person_id AS author,
		       EXISTS (SELECT FROM labels o WHERE o.item_id = d.item_id AND o.labeler_id = $2) AS own
		FROM disputes d
		JOIN labels l ON l.id = d.label_id
		JOIN labelers w ON w.id = l.labeler_id
		JOIN items i ON i.id = d.item_id
		WHERE d.id = $1 AND d.decided_at IS NULL
		FOR UPDATE OF d, i`, id, reviewer)
	d, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[disputed])
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fault.Say(fault.Conflict, "This dispute is decided already, or there is none.")
	case err != nil:
		return fmt.Errorf("decide dispute %d: %w", id, err)
	case d.OpenedBy == actor.ID:
		return fault.Say(fault.Denied, "You opened this dispute. Another reviewer decides it.")
	case d.Own:
		return fault.Say(fault.Denied, "You labeled this item. Another reviewer decides it.")
	}
	if err := holdsNone(ctx, tx, reviewer, d.ItemID); err != nil {
		return err
	}
	outcome := "stands"
	if label != "" && label != d.Label {
		outcome = "changed"
		if err := s.overrule(ctx, tx, reviewer, d, label, reason); err != nil {
			return err
		}
	}
	// Who has read the labels to decide is not served the item any more.
	if _, err := tx.Exec(ctx, `
		INSERT INTO reservations (item_id, queue_id, labeler_id, state, lease_until, ended_at, reason)
		SELECT id, queue_id, $2, 'skipped', clock_timestamp(), clock_timestamp(), 'decided a dispute' FROM items WHERE id = $1`, d.ItemID, reviewer); err != nil {
		return fmt.Errorf("decide dispute %d: %w", id, err)
	}
	if _, err := tx.Exec(ctx, `
		UPDATE disputes SET decided_at = clock_timestamp(), decided_by = $2, outcome = $3 WHERE id = $1`, id, actor.ID, outcome); err != nil {
		return fmt.Errorf("decide dispute %d: %w", id, err)
	}
	if _, err := tx.Exec(ctx, `UPDATE dispute_texts SET decision = $2 WHERE dispute_id = $1`, id, reason); err != nil {
		return err
	}
	for _, person := range []*int64{&d.OpenedBy, d.Author} {
		if person == nil {
			continue
		}
		if err := notify(ctx, tx, *person, "decided", d.ItemID, actor.ID); err != nil {
			return err
		}
	}
	err = audit.Record(ctx, tx, audit.Entry{
		Actor: actor, Action: "dispute.decide", Object: fmt.Sprintf("item/%d", d.ItemID), What: outcome,
		Before: map[string]any{"label": d.Label}, After: map[string]any{"dispute_id": id, "label": label},
	})
	if err != nil {
		return err
	}
	return s.tell(ctx, tx, 0)
}

// overrule stores the reviewer's label beside the labels that stand.
func (s *Store) overrule(ctx context.Context, tx pgx.Tx, reviewer int64, d disputed, label, reason string) error {
	readings, err := readingsOf(ctx, tx, d.ItemID)
	if err != nil {
		return err
	}
	var standing []int64
	for _, r := range readings {
		if r.Label != "" {
			standing = append(standing, r.LabelID)
		}
	}
	var id int64
	err = tx.QueryRow(ctx, `
		INSERT INTO adjudications (item_id, revision, reviewer_id, label, label_ids, guide_id)
		SELECT $1, (SELECT coalesce(max(revision), 0) + 1 FROM adjudications WHERE item_id = $1), $2, $3, $4,
		       (SELECT g.id FROM guides g JOIN items i ON i.task_class = g.task_class WHERE i.id = $1 ORDER BY g.version DESC LIMIT 1)
		RETURNING id`, d.ItemID, reviewer, label, standing).Scan(&id)
	if err != nil {
		return fmt.Errorf("overrule labels of item %d: %w", d.ItemID, err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO adjudication_texts (adjudication_id, reason) VALUES ($1, $2)`, id, reason); err != nil {
		return err
	}
	_, err = settle(ctx, tx, d.ItemID, d.EventID)
	return err
}

// OpenDisputes lists what waits for a reviewer, the longest first; one whom an
// item concerns does not find it.
func (s *Store) OpenDisputes(ctx context.Context, actor auth.Actor) ([]Dispute, error) {
	if err := actor.Require(auth.Adjudicate); err != nil {
		return nil, err
	}
	reviewer, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, disputeQuery+`
		WHERE d.decided_at IS NULL AND d.person_id <> $1
		  AND NOT EXISTS (SELECT FROM labels o WHERE o.item_id = d.item_id AND o.labeler_id = $2)
		ORDER BY d.opened_at, d.id
		LIMIT 200`, actor.ID, reviewer)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Dispute])
}

// Disputed counts the labels of one task class and version that are disputed
// now, for the rates they are part of.
type Disputed struct {
	TaskClass    string
	ModelVersion string
	Count        int
}

// DisputedLabels counts the open disputes over responses of a window, event
// time, half-open.
func (s *Store) DisputedLabels(ctx context.Context, actor auth.Actor, from, to time.Time) ([]Disputed, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT i.task_class, i.model_version, count(DISTINCT d.label_id) AS count
		FROM disputes d JOIN items i ON i.id = d.item_id
		WHERE d.decided_at IS NULL AND i.event_time >= $1 AND i.event_time < $2
		GROUP BY 1, 2`, from, to)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Disputed])
	if err != nil {
		return nil, fmt.Errorf("count disputed labels: %w", err)
	}
	return list, nil
}
