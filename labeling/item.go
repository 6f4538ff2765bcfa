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
	var item Item
	batch := &pgx.Batch{}
	s.queueItem(batch, labeler, id, &item)
	if err := s.DB.SendBatch(ctx, batch).Close(); err != nil {
		return Item{}, itemTrouble(id, err)
	}
	return item, nil
}

func itemTrouble(id int64, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("item %d: %w", id, fault.NotFound)
	}
	return fmt.Errorf("item %d: %w", id, err)
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
	if err := item.readSnapshot(snapshot); err != nil {
		return Item{}, fmt.Errorf("item %d: %w", id, err)
	}
	if item.Queue, err = s.queueByID(ctx, item.QueueID); err != nil {
		return Item{}, err
	}
	item.Guide, err = newestGuide(ctx, s.DB, item.TaskClass)
	return item, err
}

// servedItem is an item with all that its labeler has to do with it: one row,
// none when it was never served to them.
const servedItem = `
	SELECT ` + itemColumns + `,
	       served.number,
	       held.id, held.token, held.number, held.reserved_at, held.lease_until,
	       own.id, own.label, own.reasons, own.spans, own.confidence, own.correction, own.note, own.labeled_at, own.revision,
	       d.body, d.page, d.refused, d.saved_at
	FROM items i
	JOIN LATERAL (
		SELECT coalesce(max(number), 1) AS number, count(*) AS times
		FROM reservations WHERE item_id = i.id AND labeler_id = $1) AS served ON served.times > 0
	LEFT JOIN reservations held
	       ON held.item_id = i.id AND held.labeler_id = $1 AND held.state = 'held' AND held.lease_until > clock_timestamp()
	LEFT JOIN LATERAL (
		SELECT l.id, l.label, l.reasons, l.spans, coalesce(l.confidence, '') AS confidence,
		       coalesce(t.correction, '') AS correction, coalesce(t.note, '') AS note, l.labeled_at, l.revision
		FROM labels l LEFT JOIN label_texts t ON t.label_id = l.id
		WHERE l.item_id = i.id AND l.labeler_id = $1
		ORDER BY l.revision DESC
		LIMIT 1) AS own ON true
	LEFT JOIN drafts d ON d.item_id = i.id AND d.labeler_id = $1
	WHERE i.id = $2`

// queueItem asks for an item, its queue, its guide and what the labeler has to
// do with it, in a batch. The batch fails with pgx.ErrNoRows when it was never
// served to them.
func (s *Store) queueItem(batch *pgx.Batch, labeler, id int64, item *Item) {
	batch.Queue(servedItem, labeler, id).QueryRow(func(row pgx.Row) error { return item.scanServed(row, labeler) })
	batch.Queue(`SELECT `+queueColumns+` FROM queues WHERE id = (SELECT queue_id FROM items WHERE id = $1)`, id).Query(func(rows pgx.Rows) (err error) {
		item.Queue, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Queue])
		return err
	})
	batch.Queue(`
		SELECT `+guideColumns+` FROM guides
		WHERE task_class = (SELECT task_class FROM items WHERE id = $1)
		ORDER BY version DESC
		LIMIT 1`, id).Query(func(rows pgx.Rows) (err error) {
		item.Guide, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Guide])
		item.Guide = item.Guide.withShipped()
		return err
	})
}

func (item *Item) scanServed(row pgx.Row, labeler int64) error {
	var snapshot []byte
	var held struct {
		id, number    *int64
		token         *uuid.UUID
		at, leaseEnds *time.Time
	}
	var own struct {
		id                           *int64
		label                        *string
		confidence, correction, note *string
		at                           *time.Time
		revision                     *int
		reasons                      []string
		spans                        []Span
	}
	var draft struct {
		body          *Answer
		page, refused *string
		at            *time.Time
	}
	err := row.Scan(
		&item.ID, &item.QueueID, &item.EventID, &item.SessionID, &item.TaskClass, &item.ModelVersion, &item.EventTime, &item.PriorityClass,
		&item.Design, &item.Pi, &item.Flags, &item.Title, &snapshot, &item.Wanted, &item.Labeled, &item.AddedAt, &item.Language,
		&item.Number,
		&held.id, &held.token, &held.number, &held.at, &held.leaseEnds,
		&own.id, &own.label, &own.reasons, &own.spans, &own.confidence, &own.correction, &own.note, &own.at, &own.revision,
		&draft.body, &draft.page, &draft.refused, &draft.at)
	if err != nil {
		return err
	}
	if held.id != nil {
		item.Reservation = &Reservation{
			ID: *held.id, Token: *held.token, ItemID: item.ID, QueueID: item.QueueID, LabelerID: labeler,
			Number: int(*held.number), ReservedAt: *held.at, LeaseUntil: *held.leaseEnds,
		}
	}
	if own.label != nil {
		item.Mine = &OwnLabel{ID: *own.id, LabeledAt: *own.at, Revision: *own.revision, Answer: Answer{
			Label: *own.label, Reasons: own.reasons, Spans: own.spans, Confidence: *own.confidence, Correction: *own.correction, Note: *own.note,
		}}
	}
	if draft.body != nil {
		item.Draft = &Draft{Answer: *draft.body, Page: *draft.page, Refused: *draft.refused, SavedAt: *draft.at}
	}
	return item.readSnapshot(snapshot)
}

func (item *Item) readSnapshot(snapshot []byte) error {
	if len(snapshot) == 0 {
		return nil
	}
	item.HasSnapshot = true
	if err := json.Unmarshal(snapshot, &item.Snapshot); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
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

// ItemsOf lists the first 1,000 items of a session. Nobody's labels are in it.
func (s *Store) ItemsOf(ctx context.Context, actor auth.Actor, session string) ([]Brief, error) {
	return s.ItemsAfter(ctx, actor, session, ItemPlace{}, 1000)
}

// ItemPlace is a place in the list of a session's items; the zero value is its
// beginning. Items that come later do not move it.
type ItemPlace struct {
	At time.Time `json:"t"`
	ID int64     `json:"i"`
}

// ItemsAfter lists the items of a session after a place, by the time of their
// event.
func (s *Store) ItemsAfter(ctx context.Context, actor auth.Actor, session string, after ItemPlace, limit int) ([]Brief, error) {
	if !actor.May(auth.SeeSessions) && !actor.May(auth.ExportLabels) {
		return nil, actor.Require(auth.SeeSessions)
	}
	if actor.Kind == auth.Person && !seesAll(actor) {
		if visible, err := s.Visible(ctx, actor, session); err != nil || !visible {
			return []Brief{}, err
		}
	}
	rows, _ := s.DB.Query(ctx, briefQuery+`
		WHERE i.session_id = $1 AND ($3 = 0 OR (i.event_time, i.id) > ($2, $3))
		ORDER BY i.event_time, i.id
		LIMIT $4`, session, after.At, after.ID, limit)
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
	var rail Rail
	batch := &pgx.Batch{}
	rail.queue(batch, labeler, `$2`, queue.ID)
	if err := s.DB.SendBatch(ctx, batch).Close(); err != nil {
		return Rail{}, fmt.Errorf("rail of queue %s: %w", queue.Slug, err)
	}
	return rail, nil
}

// How much of a labeler's work a rail shows.
const (
	railLabeled = "5"
	railYours   = "10"
	railLater   = "10"
)

// queue asks for a rail in a batch; queue is an expression of $2 for the
// queue's id. What was labeled is looked for among the last few reservations,
// since a labeler's history grows without end.
func (rail *Rail) queue(batch *pgx.Batch, labeler int64, queue string, arg any) {
	batch.Queue(`
		WITH shown AS (
			(SELECT * FROM (
				SELECT item_id, state, id, number, ended_at FROM reservations
				WHERE labeler_id = $1 AND queue_id = `+queue+` AND state = 'labeled' ORDER BY id DESC LIMIT 20) AS last
			 ORDER BY ended_at DESC
			 LIMIT `+railLabeled+`)
			UNION ALL
			(SELECT item_id, state, id, number, ended_at FROM reservations
			 WHERE labeler_id = $1 AND queue_id = `+queue+` AND state = 'held' AND lease_until > clock_timestamp()
			 ORDER BY id
			 LIMIT `+railYours+`)
			UNION ALL
			(SELECT item_id, state, id, number, ended_at FROM reservations r
			 WHERE labeler_id = $1 AND queue_id = `+queue+` AND state = 'put_off'
			   AND NOT EXISTS (SELECT FROM reservations n WHERE n.item_id = r.item_id AND n.labeler_id = $1 AND n.id > r.id)
			 ORDER BY id
			 LIMIT `+railLater+`)
		)
		SELECT i.id, i.title, shown.state, shown.number,
		       CASE WHEN shown.state = 'labeled' THEN coalesce((
		           SELECT l.label FROM labels l WHERE l.item_id = i.id AND l.labeler_id = $1 ORDER BY l.revision DESC LIMIT 1), '')
		       ELSE '' END AS label
		FROM shown JOIN items i ON i.id = shown.item_id
		ORDER BY shown.state = 'labeled' DESC, CASE WHEN shown.state = 'labeled' THEN shown.ended_at END, shown.id`,
		labeler, arg).Query(func(rows pgx.Rows) error {
		var b Brief
		_, err := pgx.ForEachRow(rows, []any{&b.ID, &b.Title, &b.State, &b.Number, &b.Label}, func() error {
			switch b.State {
			case "labeled":
				rail.Labeled = append(rail.Labeled, b)
			case "held":
				rail.Yours = append(rail.Yours, b)
			default:
				rail.Later = append(rail.Later, b)
			}
			return nil
		})
		return err
	})
}
