package labeling

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
)

// Undecided is an item whose labelers differ, as the list of what waits for a
// reviewer shows it.
type Undecided struct {
	ItemID        int64
	Title         string
	Queue         string
	TaskClass     string
	PriorityClass PriorityClass
	Labels        []string // what stands, first labeler first
	Mine          bool     // the actor labeled it: another reviewer decides
	WaitsSince    time.Time
}

// Undecideds lists the items that wait for a reviewer, correct against
// hallucinated first and then the longest waiting, and how many there are.
func (s *Store) Undecideds(ctx context.Context, actor auth.Actor, limit int) ([]Undecided, int, error) {
	if err := actor.Require(auth.Adjudicate); err != nil {
		return nil, 0, err
	}
	reviewer, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return nil, 0, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT i.id AS item_id, i.title, q.slug AS queue, i.task_class, i.priority_class, c.decided_at AS waits_since,
		       ARRAY(
			       SELECT label FROM (
				       SELECT DISTINCT ON (l.first_id, l.labeler_id) l.first_id, l.label
				       FROM (SELECT *, min(id) OVER (PARTITION BY labeler_id) AS first_id FROM labels WHERE item_id = i.id AND purpose = 'count') AS l
				       ORDER BY l.first_id, l.labeler_id, l.revision DESC) AS latest
			       WHERE label IS NOT NULL
			       ORDER BY first_id) AS labels,
		       EXISTS (SELECT FROM labels l WHERE l.item_id = i.id AND l.labeler_id = $1) AS mine
		FROM consensus c
		JOIN items i ON i.id = c.item_id
		JOIN queues q ON q.id = i.queue_id
		WHERE c.method = 'split'
		ORDER BY NOT (c.votes[1] > 0 AND c.votes[3] > 0), c.decided_at, i.id
		LIMIT $2`, reviewer, limit)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Undecided])
	if err != nil {
		return nil, 0, fmt.Errorf("what waits for a reviewer: %w", err)
	}
	var all int
	err = s.DB.QueryRow(ctx, `SELECT count(*) FROM consensus WHERE method = 'split'`).Scan(&all)
	return list, all, err
}
