package labeling

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// unread is a reservation whose holder has not labeled yet, and who would
// learn something too early: the version, a verdict, or another's label.
const unread = `r.state = 'held' AND r.lease_until > clock_timestamp() AND (q.blind OR q.verdict_hidden OR i.labeled > 0)`

// UnreadSessions lists the sessions that an actor who reads sessions by role
// may not read now, since they hold an item of them: they label it first.
func (s *Store) UnreadSessions(ctx context.Context, actor auth.Actor) ([]string, error) {
	if !isLabeler(actor) {
		return nil, nil
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT DISTINCT i.session_id
		FROM reservations r
		JOIN items i ON i.id = r.item_id
		JOIN queues q ON q.id = r.queue_id
		WHERE r.labeler_id = $1 AND `+unread, labeler)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// holdsNone refuses whoever holds the item unlabeled: others' labels are not
// for them yet, whatever else their role lets them read.
func holdsNone(ctx context.Context, db postgres.DB, labeler, item int64) error {
	var holds bool
	err := db.QueryRow(ctx, `
		SELECT EXISTS (
			SELECT FROM reservations
			WHERE item_id = $1 AND labeler_id = $2 AND state = 'held' AND lease_until > clock_timestamp())`, item, labeler).Scan(&holds)
	if err != nil {
		return fmt.Errorf("who holds item %d: %w", item, err)
	}
	if holds {
		return fault.Say(fault.Denied, "You hold this item and have not labeled it. Label it or give it back; then read what others said.")
	}
	return nil
}

// readerOf is the labeler whose held items a list of labels leaves out; 0 for
// whoever never labels.
func (s *Store) readerOf(ctx context.Context, actor auth.Actor) (int64, error) {
	if !isLabeler(actor) {
		return 0, nil
	}
	return s.LabelerOf(ctx, actor)
}
