package labeling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// What a reservation and its label are for.
const (
	forCount = "count"
	forGold  = "gold"
)

// goldServings is how often an item is gold before it is retired: labelers
// talk, and a known item tells nothing any more.
const goldServings = "20"

// reserveGold holds an item whose right label is known, one the labeler never
// had, of the label they had least of, on the basis they had least of it, the
// least served first. It looks like
// any other item that wants another labeler, and is served only while there is
// other work: an item out of an empty queue could be nothing else.
const reserveGold = `
	WITH had AS (
		SELECT g.label, g.basis
		FROM gold g JOIN reservations r ON r.item_id = g.item_id
		WHERE r.labeler_id = $2 AND r.purpose = 'gold'
	), mine AS (
		SELECT label, count(*) AS n, count(*) FILTER (WHERE basis = 'unanimous') AS unanimous
		FROM had
		GROUP BY label
	), next AS (
		SELECT g.id AS gold_id, g.item_id AS id
		FROM gold g
		JOIN items i ON i.id = g.item_id
		LEFT JOIN mine m ON m.label = g.label
		WHERE g.queue_id = $1 AND g.retired_at IS NULL AND i.snapshot IS NOT NULL AND i.removed_at IS NULL
		  AND (i.language = '' OR i.language = ANY (SELECT unnest(languages) FROM labelers WHERE id = $2)
		       OR NOT EXISTS (SELECT FROM labelers WHERE id = $2 AND languages <> '{}'))
		  AND NOT EXISTS (SELECT FROM reservations r WHERE r.item_id = g.item_id AND r.labeler_id = $2)
		  AND EXISTS (SELECT FROM items WHERE queue_id = $1 AND taken = 0 AND passed_over = 0 AND removed_at IS NULL AND assigned_to IS NULL AND lifted = 0)
		ORDER BY coalesce(m.n, 0),
		         CASE WHEN g.basis = 'unanimous' THEN coalesce(m.unanimous, 0) ELSE coalesce(m.n - m.unanimous, 0) END,
		         g.servings, i.u
		LIMIT 1
		FOR UPDATE OF g SKIP LOCKED
	), served AS (
		UPDATE gold
		SET servings = servings + 1,
		    retired_at = CASE WHEN servings + 1 >= ` + goldServings + ` THEN clock_timestamp() END,
		    retired_why = CASE WHEN servings + 1 >= ` + goldServings + ` THEN 'served often enough' ELSE '' END
		WHERE id = (SELECT gold_id FROM next)
	)
	INSERT INTO reservations (item_id, queue_id, labeler_id, lease_until, opened_at, purpose, number)
	SELECT id, $1, $2, clock_timestamp() + $3, ` + opened + `, 'gold',
	       coalesce((SELECT max(number) FROM reservations r WHERE r.labeler_id = $2 AND r.queue_id = $1) + 1, 1)
	FROM next
	RETURNING ` + reservationColumns

// doubt keeps whether everything the labeler says is read a second time, after
// each answer to gold.
func doubt(ctx context.Context, tx pgx.Tx, labeler int64) error {
	answers, err := goldAnswers(ctx, tx, labeler)
	if err != nil {
		return err
	}
	var confusion Confusion
	for _, a := range answers {
		confusion.Add(a.Truth, a.Said)
	}
	judged, err := Judge(confusion)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		UPDATE labelers SET doubted = $2 OR watched OR suspended_at IS NOT NULL
		WHERE id = $1 AND doubted <> ($2 OR watched OR suspended_at IS NOT NULL)`, labeler, judged.ReadTwice())
	return err
}

// goldAnswer is what a labeler finally said of a gold item.
type goldAnswer struct {
	LabelerID int64
	Truth     string
	Said      string
	LabeledAt time.Time
}

// goldAnswers lists the answers to gold, oldest first; of everybody for
// labeler 0.
func goldAnswers(ctx context.Context, db postgres.DB, labeler int64) ([]goldAnswer, error) {
	rows, _ := db.Query(ctx, `
		SELECT labeler_id, truth, said, labeled_at FROM (
			SELECT DISTINCT ON (l.labeler_id, l.item_id) l.labeler_id, g.label AS truth, coalesce(l.label, '') AS said, l.labeled_at, l.id
			FROM labels l JOIN gold g ON g.item_id = l.item_id
			WHERE l.purpose = 'gold' AND ($1 = 0 OR l.labeler_id = $1)
			ORDER BY l.labeler_id, l.item_id, l.revision DESC
		) AS latest
		WHERE said <> ''
		ORDER BY id`, labeler)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[goldAnswer])
	if err != nil {
		return nil, fmt.Errorf("answers to gold: %w", err)
	}
	return list, nil
}

// Gold is an item whose right label is known.
type Gold struct {
	ID         int64
	ItemID     int64
	Queue      string
	TaskClass  string
	Title      string
	Label      string
	Basis      string // unanimous or adjudicated
	Why        string
	AddedBy    string
	AddedAt    time.Time
	Servings   int
	Right      int
	Answers    int
	RetiredAt  *time.Time
	RetiredWhy string
}

// Golds lists the gold, in use first. Who is served it may not see it.
func (s *Store) Golds(ctx context.Context, actor auth.Actor) ([]Gold, error) {
	if err := mayKeepGold(actor); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		WITH answered AS (
			SELECT item_id, count(*) AS answers, count(*) FILTER (WHERE right_one) AS right
			FROM (
				SELECT DISTINCT ON (l.item_id, l.labeler_id) l.item_id, l.label IS NOT NULL AS standing, l.label = g.label AS right_one
				FROM labels l JOIN gold g ON g.item_id = l.item_id
				WHERE l.purpose = 'gold'
				ORDER BY l.item_id, l.labeler_id, l.revision DESC
			) AS latest
			WHERE standing
			GROUP BY item_id
		)
		SELECT g.id, g.item_id, q.slug AS queue, i.task_class, i.title, g.label, g.basis, g.why, g.added_by, g.added_at, g.servings,
		       coalesce(a.right, 0) AS right, coalesce(a.answers, 0) AS answers, g.retired_at, g.retired_why
		FROM gold g
		JOIN items i ON i.id = g.item_id
		JOIN queues q ON q.id = g.queue_id
		LEFT JOIN answered a ON a.item_id = g.item_id
		ORDER BY g.retired_at IS NOT NULL, q.slug, g.label, g.id
		LIMIT 1000`)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Gold])
	if err != nil {
		return nil, fmt.Errorf("gold: %w", err)
	}
	return list, nil
}

// mayKeepGold lets in reviewers, who decide what is right and are served none.
func mayKeepGold(actor auth.Actor) error { return actor.Require(auth.Adjudicate) }

// GoldCandidate is an item that could be gold: its right label is known.
type GoldCandidate struct {
	ItemID    int64
	Queue     string
	TaskClass string
	Title     string
	Label     string
	Basis     string
	Readings  int
	Reason    string // the reviewer's, where one decided
	DecidedAt time.Time
}

// GoldCandidates lists items whose labelers all agree or which a reviewer
// decided, the newest of each label and basis, so that a mix can be made.
func (s *Store) GoldCandidates(ctx context.Context, actor auth.Actor, each int) ([]GoldCandidate, error) {
	if err := mayKeepGold(actor); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT item_id, queue, task_class, title, label, basis, readings, reason, decided_at
		FROM (
			SELECT c.item_id, q.slug AS queue, i.task_class, i.title, c.label, c.readings, c.decided_at,
			       CASE WHEN c.method = 'adjudicated' THEN 'adjudicated' ELSE 'unanimous' END AS basis,
			       coalesce((SELECT t.reason FROM adjudications a JOIN adjudication_texts t ON t.adjudication_id = a.id
			                 WHERE a.item_id = c.item_id ORDER BY a.revision DESC LIMIT 1), '') AS reason,
			       row_number() OVER (PARTITION BY q.id, c.label, c.method ORDER BY c.decided_at DESC) AS place
			FROM consensus c
			JOIN items i ON i.id = c.item_id
			JOIN queues q ON q.id = i.queue_id
			WHERE q.kind = 'standard' AND i.design <> 'discovery' AND i.snapshot IS NOT NULL AND i.removed_at IS NULL
			  AND c.label IN ('correct', 'partially_correct', 'hallucinated')
			  AND (c.method = 'agreed' OR c.method = 'adjudicated')
			  AND NOT EXISTS (SELECT FROM gold g WHERE g.item_id = c.item_id)
		) AS ranked
		WHERE place <= $1
		ORDER BY queue, label, basis, decided_at DESC
		LIMIT 200`, each)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[GoldCandidate])
	if err != nil {
		return nil, fmt.Errorf("candidates for gold: %w", err)
	}
	return list, nil
}

// MakeGold has an item served as gold under the label it is held to have. The
// explanation is what labelers read when their day is over.
func (s *Store) MakeGold(ctx context.Context, actor auth.Actor, item int64, why string) (Gold, error) {
	if err := mayKeepGold(actor); err != nil {
		return Gold{}, err
	}
	why = strings.TrimSpace(why)
	if why == "" || len(why) > 4*maxNote {
		return Gold{}, fault.Say(fault.Invalid, "Explain the right label: labelers read it when their day is over. At most 4,000 characters.")
	}
	var gold Gold
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var label, method, kind, design string
		var queue int64
		err := tx.QueryRow(ctx, `
			SELECT coalesce(c.label, ''), c.method, i.queue_id, q.kind, i.design
			FROM consensus c JOIN items i ON i.id = c.item_id JOIN queues q ON q.id = i.queue_id
			WHERE c.item_id = $1`, item).Scan(&label, &method, &queue, &kind, &design)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return fault.Say(fault.Conflict, "Item %d has no label yet. Gold needs a label that is known: two labelers who agree, or a reviewer’s decision.", item)
		case err != nil:
			return fmt.Errorf("make item %d gold: %w", item, err)
		case method != "agreed" && method != "adjudicated" || kind != "standard" || design == "discovery":
			return fault.Say(fault.Conflict, "Item %d cannot be gold: its label rests on one labeler or on labelers who differ. Ask another labeler, or decide it.", item)
		case label == "cannot_tell" || label == "":
			return fault.Say(fault.Conflict, "Item %d cannot be gold: nobody could tell.", item)
		}
		gold = Gold{ItemID: item, Label: label, Basis: "unanimous", Why: why, AddedBy: actor.Name}
		if method == "adjudicated" {
			gold.Basis = "adjudicated"
		}
		err = tx.QueryRow(ctx, `
			INSERT INTO gold (item_id, queue_id, label, basis, why, added_by)
			VALUES ($1, $2, $3, $4, $5, $6)
			RETURNING id, added_at`, item, queue, gold.Label, gold.Basis, why, actor.Name).Scan(&gold.ID, &gold.AddedAt)
		if postgres.Violates(err, "gold_item_id_key") {
			return fault.Say(fault.Conflict, "Item %d is gold already.", item)
		}
		if err != nil {
			return fmt.Errorf("make item %d gold: %w", item, err)
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "gold.add", Object: fmt.Sprintf("item/%d", item), What: strings.ReplaceAll(label, "_", " "),
			After: map[string]any{"gold_id": gold.ID, "label": label, "basis": gold.Basis},
		})
	})
	return gold, err
}

// RetireGold takes an item out of the gold. Answers to it stay and count for
// their labelers.
func (s *Store) RetireGold(ctx context.Context, actor auth.Actor, id int64, why string) error {
	if err := mayKeepGold(actor); err != nil {
		return err
	}
	why = strings.TrimSpace(why)
	if why == "" || len(why) > 400 {
		return fault.Say(fault.Invalid, "Say in a few words why it is retired.")
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var item int64
		err := tx.QueryRow(ctx, `
			UPDATE gold SET retired_at = clock_timestamp(), retired_why = $2
			WHERE id = $1 AND retired_at IS NULL
			RETURNING item_id`, id, why).Scan(&item)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("retire gold %d: %w", id, fault.NotFound)
		}
		if err != nil {
			return fmt.Errorf("retire gold %d: %w", id, err)
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "gold.retire", Object: fmt.Sprintf("item/%d", item), What: why})
	})
}

// GoldFeedback is one gold item a labeler answered, with what was right and
// why: shown when the day is over, since before it would give gold away.
type GoldFeedback struct {
	ItemID    int64
	TaskClass string
	Title     string
	Said      string
	Right     string
	Why       string
	LabeledAt time.Time
}

// Feedback lists what the actor answered to gold before a moment, the newest
// day first. The moment is the beginning of their day.
func (s *Store) Feedback(ctx context.Context, actor auth.Actor, before time.Time) ([]GoldFeedback, error) {
	if err := actor.Require(auth.SeeOwnWork); err != nil {
		return nil, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT item_id, task_class, title, said, "right", why, labeled_at FROM (
			SELECT DISTINCT ON (l.item_id) l.item_id, i.task_class, i.title, coalesce(l.label, '') AS said, g.label AS "right", g.why, l.labeled_at
			FROM labels l
			JOIN gold g ON g.item_id = l.item_id
			JOIN items i ON i.id = l.item_id
			WHERE l.purpose = 'gold' AND l.labeler_id = $1
			ORDER BY l.item_id, l.revision DESC
		) AS latest
		WHERE said <> '' AND labeled_at < $2
		ORDER BY labeled_at DESC
		LIMIT 200`, labeler, before)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[GoldFeedback])
	if err != nil {
		return nil, fmt.Errorf("feedback: %w", err)
	}
	return list, nil
}

// goldToday reports whether the item was gold to the actor on a day that is not
// over. Until then they read of it what they would of a first reading.
func (s *Store) goldToday(ctx context.Context, actor auth.Actor, item int64) (bool, error) {
	if !actor.May(auth.Label) || actor.Kind != auth.Person {
		return false, nil
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return false, err
	}
	var closed bool
	err = s.DB.QueryRow(ctx, `SELECT `+goldToday+` FROM items i WHERE i.id = $1`, item, labeler).Scan(&closed)
	if err != nil {
		return false, fmt.Errorf("gold of item %d: %w", item, err)
	}
	return closed, nil
}
