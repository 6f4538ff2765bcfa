package labeling

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
)

// Item is one response in a queue, as the person who reads it needs it.
type Item struct {
	ID            int64
	QueueID       int64
	EventID       uuid.UUID
	SessionID     string
	TaskClass     string
	ModelVersion  string // never on a page of a blind queue before the label
	EventTime     time.Time
	PriorityClass PriorityClass
	Design        string
	Pi            *float64 // nil until its frame has closed
	Flags         []ItemFlag
	Title         string
	Snapshot      Snapshot
	HasSnapshot   bool // false after erasure
	Wanted        int
	Labeled       int
	AddedAt       time.Time
	Language      string // ISO 639-1, "" where the text does not say

	Queue       Queue
	Guide       Guide
	Reservation *Reservation // the actor's, while it holds
	Mine        *OwnLabel    // the actor's standing label
	Draft       *Draft
	Number      int // the how-manieth item of the queue this is for the actor
}

// OwnLabel is a label its labeler may read again.
type OwnLabel struct {
	ID        int64
	Answer    Answer
	LabeledAt time.Time
	Revision  int
}

const itemColumns = `i.id, i.queue_id, i.event_id, i.session_id, i.task_class, i.model_version, i.event_time, i.priority_class,
	i.design, i.pi, i.flags, i.title, i.snapshot, i.wanted, i.labeled, i.added_at, i.language`

// Item returns the item for whoever reads it to label it. People meet items
// through their queue: one that was never served to the actor is not found.
func (s *Store) Item(ctx context.Context, actor auth.Actor, id int64) (Item, error) {
	if err := actor.Require(auth.Label); err != nil {
		return Item{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Item{}, err
	}
	if known, err := s.knows(ctx, labeler, id); err != nil || !known {
		return Item{}, cmpErr(err, fmt.Errorf("item %d: %w", id, fault.NotFound))
	}
	item, err := s.item(ctx, id)
	if err != nil {
		return Item{}, err
	}
	return s.withOwn(ctx, labeler, item)
}

// item reads the row, its queue and its guide.
func (s *Store) item(ctx context.Context, id int64) (Item, error) {
	var item Item
	var snapshot []byte
	err := s.DB.QueryRow(ctx, `SELECT `+itemColumns+` FROM items i WHERE i.id = $1`, id).Scan(
		&item.ID, &item.QueueID, &item.EventID, &item.SessionID, &item.TaskClass, &item.ModelVersion, &item.EventTime, &item.PriorityClass,
		&item.Design, &item.Pi, &item.Flags, &item.Title, &snapshot, &item.Wanted, &item.Labeled, &item.AddedAt, &item.Language)
	if errors.Is(err, pgx.ErrNoRows) {
		return Item{}, fmt.Errorf("item %d: %w", id, fault.NotFound)
	}
	if err != nil {
		return Item{}, fmt.Errorf("item %d: %w", id, err)
	}
	if len(snapshot) > 0 {
		item.HasSnapshot = true
		if err := json.Unmarshal(snapshot, &item.Snapshot); err != nil {
			return Item{}, fmt.Errorf("snapshot of item %d: %w", id, err)
		}
	}
	if item.Queue, err = s.queueByID(ctx, item.QueueID); err != nil {
		return Item{}, err
	}
	item.Guide, err = newestGuide(ctx, s.DB, item.TaskClass)
	return item, err
}

// withOwn adds what the labeler has to do with the item.
func (s *Store) withOwn(ctx context.Context, labeler int64, item Item) (Item, error) {
	rows, _ := s.DB.Query(ctx, `
		SELECT `+reservationColumns+` FROM reservations
		WHERE item_id = $1 AND labeler_id = $2 AND state = 'held' AND lease_until > clock_timestamp()`, item.ID, labeler)
	held, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Reservation])
	switch {
	case err == nil:
		item.Reservation = &held
	case !errors.Is(err, pgx.ErrNoRows):
		return Item{}, err
	}
	if item.Mine, err = s.ownLabel(ctx, labeler, item.ID); err != nil {
		return Item{}, err
	}
	draft, err := s.draftOf(ctx, labeler, item.ID)
	switch {
	case err == nil:
		item.Draft = &draft
	case fault.Of(err) != fault.NotFound:
		return Item{}, err
	}
	err = s.DB.QueryRow(ctx, `
		SELECT coalesce(max(number), 1) FROM reservations WHERE item_id = $1 AND labeler_id = $2`, item.ID, labeler).Scan(&item.Number)
	return item, err
}

func (s *Store) ownLabel(ctx context.Context, labeler, item int64) (*OwnLabel, error) {
	var own OwnLabel
	var label *string
	err := s.DB.QueryRow(ctx, `
		SELECT l.id, l.label, l.reasons, l.spans, coalesce(l.confidence, ''), coalesce(t.correction, ''), coalesce(t.note, ''), l.labeled_at, l.revision
		FROM labels l LEFT JOIN label_texts t ON t.label_id = l.id
		WHERE l.item_id = $1 AND l.labeler_id = $2
		ORDER BY l.revision DESC
		LIMIT 1`, item, labeler).Scan(&own.ID, &label, &own.Answer.Reasons, &own.Answer.Spans, &own.Answer.Confidence,
		&own.Answer.Correction, &own.Answer.Note, &own.LabeledAt, &own.Revision)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && label == nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("own label of item %d: %w", item, err)
	}
	own.Answer.Label = *label
	return &own, nil
}

// Complete brings the events around the response into the snapshot of an item
// that came here with many others and without them. The telemetry store being
// away costs the events, not the item.
func (s *Store) Complete(ctx context.Context, item Item) (Item, error) {
	if !item.HasSnapshot || len(item.Snapshot.Around) > 0 || s.Telemetry == nil {
		return item, nil
	}
	response, err := s.Telemetry.Response(ctx, auth.Product(), item.EventID)
	if err != nil {
		return item, fmt.Errorf("events around item %d: %w", item.ID, err)
	}
	item.Snapshot.Around = snapshotOf(response).Around
	if len(item.Snapshot.Around) == 0 {
		return item, nil
	}
	_, err = s.DB.Exec(ctx, `
		UPDATE items SET snapshot = jsonb_set(snapshot, '{around}', $2) WHERE id = $1 AND snapshot IS NOT NULL`,
		item.ID, item.Snapshot.Around)
	return item, err
}

// readable is which reservations open the whole session to their labeler: those
// with their label, and those still held where neither the version nor the
// verdict is to be hidden until then, and nobody else's label either.
const readable = `(r.state = 'labeled' OR r.state = 'held' AND NOT q.blind AND NOT q.verdict_hidden AND i.labeled = 0)`

// Visible reports whether a labeler may read a session: it holds an item that
// was served to them, and reading it tells them nothing too early.
func (s *Store) Visible(ctx context.Context, actor auth.Actor, session string) (bool, error) {
	if !actor.May(auth.Label) || actor.Kind != auth.Person {
		return false, nil
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return false, err
	}
	var visible bool
	err = s.DB.QueryRow(ctx, `
		SELECT EXISTS (
			SELECT FROM items i
			JOIN reservations r ON r.item_id = i.id
			JOIN queues q ON q.id = i.queue_id
			WHERE i.session_id = $1 AND r.labeler_id = $2 AND `+readable+`)`, session, labeler).Scan(&visible)
	return visible, err
}

// VisibleSessions lists the sessions that are Visible to the actor, of the
// 10,000 items they had last.
func (s *Store) VisibleSessions(ctx context.Context, actor auth.Actor) ([]string, error) {
	if !actor.May(auth.Label) || actor.Kind != auth.Person {
		return nil, nil
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT DISTINCT session_id FROM (
			SELECT i.session_id
			FROM reservations r
			JOIN items i ON i.id = r.item_id
			JOIN queues q ON q.id = i.queue_id
			WHERE r.labeler_id = $1 AND `+readable+`
			ORDER BY r.id DESC
			LIMIT 10000) AS last`, labeler)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Brief is an item in a list.
type Brief struct {
	ID            int64
	EventID       uuid.UUID
	SessionID     string
	Title         string
	Queue         string
	Reasons       []string
	Flags         []ItemFlag
	PriorityClass PriorityClass
	EventTime     time.Time
	AddedAt       time.Time
	Pi            *float64
	Design        string
	State         string // free, reserved, second label wanted, put off, done, removed
	Number        int
	Label         string // the actor's own, in the rail
}

// ItemsOf lists the items of a session. Nobody's labels are in it.
func (s *Store) ItemsOf(ctx context.Context, actor auth.Actor, session string) ([]Brief, error) {
	if !actor.May(auth.SeeSessions) && !actor.May(auth.ExportLabels) {
		return nil, actor.Require(auth.SeeSessions)
	}
	if actor.Kind == auth.Person && !seesAll(actor) {
		if visible, err := s.Visible(ctx, actor, session); err != nil || !visible {
			return []Brief{}, err
		}
	}
	rows, _ := s.DB.Query(ctx, briefQuery+`
		WHERE i.session_id = $1
		ORDER BY i.event_time, i.id
		LIMIT 1000`, session)
	return pgx.CollectRows(rows, pgx.RowToStructByNameLax[Brief])
}

// seesAll reports whether the person reads sessions by role and not by
// reservation.
func seesAll(actor auth.Actor) bool {
	for _, role := range actor.Roles {
		if role != auth.Labeler && role != auth.Admin {
			return true
		}
	}
	return false
}

const briefQuery = `
	SELECT i.id, i.event_id, i.session_id, i.title, q.slug AS queue, i.reasons, i.flags, i.priority_class, i.event_time, i.added_at,
	       i.pi, i.design,
	       CASE WHEN i.removed_at IS NOT NULL THEN 'removed'
	            WHEN i.labeled >= i.wanted THEN 'done'
	            WHEN i.taken > i.labeled THEN 'reserved'
	            WHEN i.labeled > 0 THEN 'another label wanted'
	            WHEN i.passed_over > 0 THEN 'passed over'
	            ELSE 'free' END AS state
	FROM items i JOIN queues q ON q.id = i.queue_id`

// ListItems lists a queue in the order in which it is served, what is not done
// first; after is the last item of the page before.
func (s *Store) ListItems(ctx context.Context, actor auth.Actor, queue Queue, done bool, offset, limit int) ([]Brief, error) {
	if err := mayReadQueues(actor); err != nil {
		return nil, err
	}
	if !seesAll(actor) || queue.Blind && actor.May(auth.Label) {
		return nil, fault.Say(fault.Denied, "Whoever labels sees counts: what comes next is the queue's to say.")
	}
	rows, _ := s.DB.Query(ctx, briefQuery+`
		WHERE i.queue_id = $1 AND i.removed_at IS NULL AND (i.labeled >= i.wanted) = $2
		ORDER BY i.harm, i.frame_day DESC, i.u
		OFFSET $3
		LIMIT $4`, queue.ID, done, offset, limit)
	return pgx.CollectRows(rows, pgx.RowToStructByNameLax[Brief])
}

// Rail is what surrounds the item a person is reading.
type Rail struct {
	Labeled []Brief // the last ones, oldest first
	Yours   []Brief // held now
	Later   []Brief // put off
}

// Rail returns what the actor has lately done, holds and put off in a queue.
func (s *Store) Rail(ctx context.Context, actor auth.Actor, queue Queue) (Rail, error) {
	if err := actor.Require(auth.Label); err != nil {
		return Rail{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Rail{}, err
	}
	rows, _ := s.DB.Query(ctx, `
		WITH mine AS (
			SELECT DISTINCT ON (item_id) item_id, state, id, number, ended_at, lease_until
			FROM reservations
			WHERE labeler_id = $1 AND queue_id = $2
			  AND id > coalesce((SELECT id FROM reservations WHERE labeler_id = $1 AND queue_id = $2 ORDER BY id DESC OFFSET 200 LIMIT 1), 0)
			ORDER BY item_id, id DESC
		), shown AS (
			(SELECT * FROM mine WHERE state = 'labeled' ORDER BY ended_at DESC LIMIT 5)
			UNION ALL
			(SELECT * FROM mine WHERE state = 'held' AND lease_until > clock_timestamp() ORDER BY id LIMIT 10)
			UNION ALL
			(SELECT * FROM mine WHERE state = 'put_off' ORDER BY id LIMIT 10)
		)
		SELECT i.id, i.title, shown.state, shown.number,
		       coalesce((SELECT l.label FROM labels l WHERE l.item_id = i.id AND l.labeler_id = $1 ORDER BY l.revision DESC LIMIT 1), '') AS label
		FROM shown JOIN items i ON i.id = shown.item_id
		ORDER BY shown.state = 'labeled' DESC, CASE WHEN shown.state = 'labeled' THEN shown.ended_at END, shown.id`, labeler, queue.ID)
	briefs, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[Brief])
	if err != nil {
		return Rail{}, fmt.Errorf("rail of queue %s: %w", queue.Slug, err)
	}
	var rail Rail
	for _, b := range briefs {
		switch b.State {
		case "labeled":
			rail.Labeled = append(rail.Labeled, b)
		case "held":
			rail.Yours = append(rail.Yours, b)
		default:
			rail.Later = append(rail.Later, b)
		}
	}
	return rail, nil
}
