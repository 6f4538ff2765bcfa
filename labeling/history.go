package labeling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
)

// Revision is one thing one person said of a response, or a reviewer's
// decision over what several said. Label is "" where it was taken back.
type Revision struct {
	ItemID       int64
	EventID      uuid.UUID
	Queue        string
	Labeler      string // a pseudonym, unless the reader sees all by role
	Own          bool
	Decision     bool // of a reviewer, beside the labels
	Revision     int
	Label        string
	Reasons      []string
	Confidence   string
	Correction   string
	Note         string // of a decision, its reason
	GuideVersion int    // 0: none
	Source       string // person, import or reviewer
	LabeledAt    time.Time
	AfterReading bool // given after its labeler had read what others said
}

// openLabels is of which items i a person who labels may read what others
// said, $2 being the labeler: their own label stands, or nobody is wanted for
// the item any more and they read sessions by role ($3). What they hold is
// closed to them in any case until they have labeled it.
const openLabels = `(
	EXISTS (
		SELECT FROM (
			SELECT DISTINCT ON (o.item_id) o.label FROM labels o
			WHERE o.item_id = i.id AND o.labeler_id = $2
			ORDER BY o.item_id, o.revision DESC) AS own
		WHERE own.label IS NOT NULL)
	OR $3 AND (i.labeled >= i.wanted OR i.removed_at IS NOT NULL)
	   AND NOT EXISTS (SELECT FROM reservations h WHERE h.item_id = i.id AND h.labeler_id = $2 AND h.state = 'held'))`

// goldToday is an item i that was gold to the labeler $2 on a day that is not
// over: they read of it what they would of a first reading, their own label.
const goldToday = `EXISTS (
	SELECT FROM labels o
	WHERE o.item_id = i.id AND o.labeler_id = $2 AND o.purpose = 'gold' AND o.labeled_at >= date_trunc('day', clock_timestamp()))`

// reader is who asks for what others said: labeler 0 and open for those who
// never label and so see everything.
type reader struct {
	labeler int64
	byRole  bool
	labels  bool
}

func (s *Store) whoReads(ctx context.Context, actor auth.Actor) (reader, error) {
	r := reader{byRole: actor.Kind != auth.Person || seesAll(actor)}
	if !isLabeler(actor) {
		return r, nil
	}
	var err error
	r.labels = true
	r.labeler, err = s.LabelerOf(ctx, actor)
	return r, err
}

// LabelsOpen returns of which responses of a session the actor may read what
// others said: of all, unless the actor labels. Then not before their own
// label, lest it be no longer their own.
func (s *Store) LabelsOpen(ctx context.Context, actor auth.Actor, session string) (map[uuid.UUID]bool, error) {
	if err := actor.Require(auth.SeeSessions); err != nil {
		return nil, err
	}
	who, err := s.whoReads(ctx, actor)
	if err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT i.event_id
		FROM items i
		WHERE i.session_id = $1
		GROUP BY i.event_id
		HAVING bool_and(NOT $4 OR `+openLabels+` AND NOT `+goldToday+`)`, session, who.labeler, who.byRole, who.labels)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("labels open of session: %w", err)
	}
	open := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		open[id] = true
	}
	return open, nil
}

// ItemHistory is History of one item.
func (s *Store) ItemHistory(ctx context.Context, actor auth.Actor, item int64) ([]Revision, error) {
	if err := actor.Require(auth.SeeSessions); err != nil {
		return nil, err
	}
	var event uuid.UUID
	err := s.DB.QueryRow(ctx, `SELECT event_id FROM items WHERE id = $1`, item).Scan(&event)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("history of item %d: %w", item, fault.NotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("history of item %d: %w", item, err)
	}
	list, err := s.History(ctx, actor, event)
	return slices.DeleteFunc(list, func(r Revision) bool { return r.ItemID != item }), err
}

// History returns every revision of every label of a response, and every
// decision over them, as they were given. Whoever labels reads of others only
// what LabelsOpen opens, and a labeler only of sessions that are Visible.
func (s *Store) History(ctx context.Context, actor auth.Actor, event uuid.UUID) ([]Revision, error) {
	if err := actor.Require(auth.SeeSessions); err != nil {
		return nil, err
	}
	who, err := s.whoReads(ctx, actor)
	if err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT i.id AS item_id, i.event_id, q.slug AS queue,
		       CASE WHEN $3 OR l.labeler_id = $2 THEN coalesce(p.name, w.import_name, w.pseudonym) ELSE w.pseudonym END AS labeler,
		       l.labeler_id = $2 AS own, l.decision, l.revision, coalesce(l.label, '') AS label, l.reasons,
		       l.confidence, l.correction, l.note, coalesce(g.version, 0) AS guide_version, l.source, l.at AS labeled_at, l.after_reading
		FROM items i
		JOIN queues q ON q.id = i.queue_id
		JOIN LATERAL (
			SELECT l.labeler_id, false AS decision, l.revision, l.label, l.reasons, coalesce(l.confidence, '') AS confidence,
			       coalesce(t.correction, '') AS correction, coalesce(t.note, '') AS note, l.guide_id, l.source, l.labeled_at AS at,
			       coalesce((l.provenance->>'after_reading_others')::boolean, false) AS after_reading
			FROM labels l
			LEFT JOIN label_texts t ON t.label_id = l.id
			WHERE l.item_id = i.id AND (l.purpose = 'count' OR l.labeler_id = $2)
			UNION ALL
			SELECT a.reviewer_id, true, a.revision, a.label, '{}', '', '', coalesce(t.reason, ''), a.guide_id, 'reviewer', a.created_at, false
			FROM adjudications a
			LEFT JOIN adjudication_texts t ON t.adjudication_id = a.id
			WHERE a.item_id = i.id
		) AS l ON true
		JOIN labelers w ON w.id = l.labeler_id
		LEFT JOIN people p ON p.id = w.person_id
		LEFT JOIN guides g ON g.id = l.guide_id
		WHERE i.event_id = $1
		  AND (NOT $4 OR l.labeler_id = $2 OR `+openLabels+` AND NOT `+goldToday+`)
		ORDER BY l.at, l.decision, i.id, l.revision
		LIMIT 1000`, event, who.labeler, who.byRole, who.labels)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Revision])
	if err != nil {
		return nil, fmt.Errorf("history of response %s: %w", event, err)
	}
	if who.byRole || len(list) == 0 {
		return list, s.hasRead(ctx, actor, othersIn(list))
	}
	// A labeler reads sessions by reservation alone.
	var session string
	if err := s.DB.QueryRow(ctx, `SELECT session_id FROM items WHERE event_id = $1 LIMIT 1`, event).Scan(&session); err != nil {
		return nil, fmt.Errorf("history of response %s: %w", event, err)
	}
	if visible, err := s.Visible(ctx, actor, session); err != nil || !visible {
		return nil, err
	}
	return list, s.hasRead(ctx, actor, othersIn(list))
}

// othersIn lists the items of which somebody else's word is in the list.
func othersIn(list []Revision) (items []int64) {
	for _, r := range list {
		if !r.Own && !slices.Contains(items, r.ItemID) {
			items = append(items, r.ItemID)
		}
	}
	return items
}
