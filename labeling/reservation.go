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
	"assay/internal/postgres"
)

// Reservation is a labeler's time-limited hold on an item. Its token fences:
// a label, a skip or a renewal that carries another token is refused.
type Reservation struct {
	ID         int64     `json:"-"`
	Token      uuid.UUID `json:"token"`
	ItemID     int64     `json:"item_id"`
	QueueID    int64     `json:"-"`
	LabelerID  int64     `json:"-"`
	Number     int       `json:"number"` // the how-manieth item of the queue this is for the labeler
	ReservedAt time.Time `json:"reserved_at"`
	LeaseUntil time.Time `json:"lease_until"` // by the database's clock
}

// Left is how long the reservation lasts, seen from now; never negative.
func (r Reservation) Left(now time.Time) time.Duration { return max(0, r.LeaseUntil.Sub(now)) }

// ErrNothingFree is returned when a queue has nothing for this labeler. Counts
// says why.
var ErrNothingFree = errors.New("nothing is free")

const reservationColumns = `id, token, item_id, queue_id, labeler_id, number, reserved_at, lease_until`

// The ways to an item, each one statement: choose, lock against everybody
// else, and hold. Rows that others are choosing at this moment are passed over.
const (
	reserveNext = `
		WITH next AS (
			SELECT id FROM items
			WHERE queue_id = $1
			  AND taken = 0 AND passed_over = 0 AND removed_at IS NULL AND assigned_to IS NULL AND lifted = 0
			ORDER BY harm, frame_day DESC, u
			LIMIT 1
			FOR UPDATE SKIP LOCKED
		)` + hold

	reserveInFrame = `
		WITH next AS (
			SELECT id FROM items
			WHERE queue_id = $1 AND harm = $5 AND frame_day = $6
			  AND taken = 0 AND passed_over = 0 AND removed_at IS NULL AND assigned_to IS NULL AND lifted = 0
			ORDER BY u
			LIMIT 1
			FOR UPDATE SKIP LOCKED
		)` + hold

	// What a person put first or gave to this labeler, and at the end what they
	// put last.
	reserveByHand = `
		WITH next AS (
			SELECT id FROM items
			WHERE queue_id = $1 AND lifted >= $5
			  AND (assigned_to = $2 OR ` + understood + `)
			  AND (assigned_to IS NOT NULL OR lifted <> 0) AND taken = 0 AND passed_over = 0 AND removed_at IS NULL
			  AND (assigned_to = $2 OR assigned_to IS NULL)
			ORDER BY lifted DESC, harm, frame_day DESC, u
			LIMIT 1
			FOR UPDATE SKIP LOCKED
		)` + hold

	reserveAnother = `
		WITH next AS (
			SELECT id FROM items
			WHERE queue_id = $1
			  AND taken < wanted AND (taken > 0 OR passed_over > 0) AND removed_at IS NULL
			  AND (assigned_to IS NULL OR assigned_to = $2 OR labeled > 0)
			  AND NOT EXISTS (
				SELECT FROM reservations r
				WHERE r.item_id = items.id AND r.labeler_id = $2
				  AND r.state IN ('held', 'labeled', 'skipped', 'put_off'))
			  AND NOT ` + readOthers + `
			ORDER BY harm, frame_day DESC, u
			LIMIT 1
			FOR UPDATE SKIP LOCKED
		)` + hold

	// What this labeler put off, the longest ago first: put off once more, it goes
	// to the end again.
	reservePutOff = `
		WITH next AS (
			SELECT id FROM items
			WHERE queue_id = $1
			  AND (taken < wanted OR ` + asGold + ` = 'gold') AND removed_at IS NULL
			  AND id IN (SELECT item_id FROM reservations WHERE labeler_id = $2 AND queue_id = $1 AND state = 'put_off')
			  AND NOT EXISTS (
				SELECT FROM reservations r
				WHERE r.item_id = items.id AND r.labeler_id = $2
				  AND r.state IN ('held', 'labeled', 'skipped'))
			  AND NOT ` + readOthers + `
			ORDER BY (SELECT max(r.id) FROM reservations r WHERE r.item_id = items.id AND r.labeler_id = $2 AND r.state = 'put_off')
			LIMIT 1
			FOR UPDATE SKIP LOCKED
		)
		INSERT INTO reservations (item_id, queue_id, labeler_id, lease_until, opened_at, purpose, number)
		SELECT id, $1, $2, clock_timestamp() + $3, ` + opened + `, ` + asBefore + `,
		       (SELECT max(number) FROM reservations r WHERE r.item_id = next.id AND r.labeler_id = $2)
		FROM next
		RETURNING ` + reservationColumns

	reserveThis = `
		WITH next AS (
			SELECT id, queue_id FROM items
			WHERE id = $1 AND (taken < wanted OR ` + asGold + ` = 'gold') AND removed_at IS NULL
			FOR UPDATE
		)
		INSERT INTO reservations (item_id, queue_id, labeler_id, lease_until, purpose, number)
		SELECT id, queue_id, $2, clock_timestamp() + $3, ` + asBefore + `,
		       coalesce((SELECT max(number) FROM reservations r WHERE r.item_id = $1 AND r.labeler_id = $2),
		                (SELECT max(number) FROM reservations r WHERE r.labeler_id = $2 AND r.queue_id = next.queue_id) + 1,
		                1)
		FROM next
		RETURNING ` + reservationColumns

	hold = `
		INSERT INTO reservations (item_id, queue_id, labeler_id, lease_until, opened_at, number)
		SELECT id, $1, $2, clock_timestamp() + $3, ` + opened + `,
		       coalesce((SELECT max(number) FROM reservations r WHERE r.item_id = next.id AND r.labeler_id = $2),
		                (SELECT max(number) FROM reservations r WHERE r.labeler_id = $2 AND r.queue_id = $1) + 1,
		                1)
		FROM next
		RETURNING ` + reservationColumns
)

// readOthers holds of items of which the labeler $2 knows what others said: who
// has decided between two labels is not asked for a third.
const readOthers = `EXISTS (SELECT FROM labels_read k WHERE k.labeler_id = $2 AND k.item_id = items.id)`

// What an item was to a labeler it stays: gold that was put off comes back as
// gold.
const (
	asGold   = `(SELECT r.purpose FROM reservations r WHERE r.item_id = items.id AND r.labeler_id = $2 ORDER BY r.id DESC LIMIT 1)`
	opened   = `CASE WHEN $4 THEN clock_timestamp() END` // on a screen at once, or fetched ahead of it
	asBefore = `coalesce((SELECT r.purpose FROM reservations r WHERE r.item_id = next.id AND r.labeler_id = $2 ORDER BY r.id DESC LIMIT 1), 'count')`
)

// Reserve returns what the actor already holds in the queue, oldest first,
// else holds the next item for them. It returns ErrNothingFree when there is
// none.
func (s *Store) Reserve(ctx context.Context, actor auth.Actor, queue string) (Reservation, error) {
	_, r, err := s.reserve(ctx, actor, bySlug(queue), false)
	return r, err
}

// ReserveAhead holds one item beside those the actor has open, so that the
// next is there when a label is given. What is held and was never opened
// serves: never the item whose label is on its way at this moment.
func (s *Store) ReserveAhead(ctx context.Context, actor auth.Actor, queue string) (Reservation, error) {
	_, r, err := s.reserve(ctx, actor, bySlug(queue), true)
	return r, err
}

// ReserveAfter is Reserve in the queue of an item that the actor had: what
// they read when they are done with it. It returns the queue also with
// ErrNothingFree.
func (s *Store) ReserveAfter(ctx context.Context, actor auth.Actor, item int64) (Queue, Reservation, error) {
	return s.reserve(ctx, actor, ofItem(item), false)
}

// ReserveBeside is ReserveAhead in the queue of the item that the actor reads
// now, which is on their screen.
func (s *Store) ReserveBeside(ctx context.Context, actor auth.Actor, item int64) (Queue, Reservation, error) {
	return s.reserve(ctx, actor, ofItem(item), true)
}

// place is a queue by its address, or as that of an item the labeler had.
type place struct {
	where string // of queues; $1 is the labeler, $2 is key
	key   any
	item  int64
	words string
}

func bySlug(slug string) place {
	return place{where: `slug = $2 AND $1::bigint IS NOT NULL`, key: slug, words: "queue " + slug}
}

func ofItem(item int64) place {
	return place{
		where: `queues.id = (SELECT queue_id FROM reservations WHERE item_id = $2 AND labeler_id = $1 LIMIT 1)`,
		key:   item, item: item, words: fmt.Sprintf("the queue of item %d", item),
	}
}

func (s *Store) reserve(ctx context.Context, actor auth.Actor, in place, ahead bool) (Queue, Reservation, error) {
	if err := actor.Require(auth.Label); err != nil {
		return Queue{}, Reservation{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Queue{}, Reservation{}, err
	}
	at, err := s.turnOf(ctx, in, labeler, ahead)
	if err != nil || at.held != nil {
		return at.queue, deref(at.held), err
	}
	r, err := s.reserveFrom(ctx, at, !actor.May(auth.Adjudicate), !ahead, s.draw())
	return at.queue, r, err
}

func deref(r *Reservation) Reservation {
	if r == nil {
		return Reservation{}
	}
	return *r
}

// turn is where a labeler stands in a queue before the next item is theirs.
type turn struct {
	queue     Queue
	labeler   int64
	held      *Reservation // what they have there already, the oldest
	suspended *time.Time
	watched   bool // signals bring them more gold
	able      Skills
	byHand    bool // something in it was put first or given to somebody
}

// turnOf reads a labeler's place in a queue, in one round trip since it is
// asked before every reservation. With ahead, an item that is on a screen is
// not what they have: it is being labeled, and named beside it it counts as
// opened.
func (s *Store) turnOf(ctx context.Context, in place, labeler int64, ahead bool) (at turn, err error) {
	var unknown error
	batch := &pgx.Batch{}
	if ahead && in.item != 0 {
		batch.Queue(openedStatement, in.item, labeler)
	}
	batch.Queue(`SELECT `+queueColumns+` FROM queues WHERE `+in.where, labeler, in.key).Query(func(rows pgx.Rows) error {
		at.queue, unknown = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Queue])
		return nil
	})
	batch.Queue(`
		SELECT `+reservationColumns+` FROM reservations
		WHERE labeler_id = $1 AND queue_id = (SELECT id FROM queues WHERE `+in.where+`)
		  AND state = 'held' AND lease_until > clock_timestamp() AND NOT ($3 AND opened_at IS NOT NULL)
		ORDER BY id
		LIMIT 1`, labeler, in.key, ahead).Query(func(rows pgx.Rows) error {
		held, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Reservation])
		if len(held) == 1 {
			at.held = held[0]
		}
		return err
	})
	batch.Queue(`
		SELECT suspended_at, watched, task_classes, languages,
		       EXISTS (SELECT FROM items
		               WHERE queue_id = (SELECT queues.id FROM queues WHERE `+in.where+`)
		                 AND (assigned_to IS NOT NULL OR lifted <> 0) AND taken = 0 AND passed_over = 0 AND removed_at IS NULL)
		FROM labelers
		WHERE id = $1`, labeler, in.key).QueryRow(func(row pgx.Row) error {
		return row.Scan(&at.suspended, &at.watched, &at.able.TaskClasses, &at.able.Languages, &at.byHand)
	})
	at.labeler = labeler
	err = s.DB.SendBatch(ctx, batch).Close()
	switch {
	case errors.Is(unknown, pgx.ErrNoRows):
		return at, fmt.Errorf("%s: %w", in.words, fault.NotFound)
	case err != nil || unknown != nil:
		return at, fmt.Errorf("reserve in %s: %w", in.words, cmpErr(err, unknown))
	}
	return at, nil
}

// reserveFrom goes the ways of a queue; first decides between harm and
// measurement.
func (s *Store) reserveFrom(ctx context.Context, at turn, tested, open bool, first float64) (Reservation, error) {
	if err := notSuspended(at.suspended); err != nil {
		return Reservation{}, err
	}
	if !at.able.Judges(at.queue.TaskClass) {
		return Reservation{}, ErrNothingFree
	}
	second := s.draw()
	ways := Ways(first, second, at.queue.MeasurementShare)
	if tested && second >= 1-goldFor(at.queue.GoldShare, at.watched) {
		ways = append([]Way{WayGold}, ways...)
	}
	if at.byHand {
		ways = append(append([]Way{wayFirst}, ways...), wayLast)
	}
	r, err := s.tryWays(ctx, at, ways, open)
	if !errors.Is(err, ErrNothingFree) {
		return r, err
	}
	freed, err := s.expire(ctx, at.queue.ID)
	if err != nil || freed == 0 {
		return Reservation{}, cmpErr(err, ErrNothingFree)
	}
	// What was freed may have been put first, or given to this labeler.
	ways = append(append([]Way{wayFirst}, ways...), wayLast)
	return s.tryWays(ctx, at, ways, open)
}

func (s *Store) tryWays(ctx context.Context, at turn, ways []Way, open bool) (Reservation, error) {
	for _, way := range ways {
		r, err := s.tryWay(ctx, at, way, open)
		switch {
		case err == nil:
			return r, nil
		case errors.Is(err, pgx.ErrNoRows), errors.Is(err, ErrNothingFree):
		case postgres.Violates(err, "reservations_one_per_labeler"):
			// Another tab of the same labeler was faster; the next way is as good.
		default:
			return Reservation{}, fmt.Errorf("reserve in queue %s: %w", at.queue.Slug, err)
		}
	}
	return Reservation{}, ErrNothingFree
}

func (s *Store) tryWay(ctx context.Context, at turn, way Way, open bool) (Reservation, error) {
	args := []any{at.queue.ID, at.labeler, at.queue.Lease, open}
	statement := reserveNext
	switch way {
	case WayMeasure:
		frame, ok, err := s.measureNext(ctx, at.queue)
		if err != nil || !ok {
			return Reservation{}, cmpErr(err, ErrNothingFree)
		}
		statement = reserveInFrame
		args = append(args, frame.Class.Rank(), frame.Day)
	case wayFirst, wayLast:
		statement = reserveByHand
		args = append(args, map[Way]int{wayFirst: 0, wayLast: -1}[way])
	case WayAnother:
		statement = reserveAnother
	case WayGold:
		statement = reserveGold
	case WayLater:
		statement = reservePutOff
	}
	if len(at.able.Languages) > 0 && slices.Contains([]Way{WayMeasure, WayHarm, WayAnother, WayLater}, way) {
		statement = understanding(statement)
	}
	rows, _ := s.DB.Query(ctx, statement, args...)
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Reservation])
}

// ReserveItem holds this one item: to come back to what was put off, or to
// what was lost with a lease. It is a Conflict when others have all its places.
func (s *Store) ReserveItem(ctx context.Context, actor auth.Actor, item int64) (Reservation, error) {
	if err := actor.Require(auth.Label); err != nil {
		return Reservation{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Reservation{}, err
	}
	if known, err := s.knows(ctx, labeler, item); err != nil || !known {
		return Reservation{}, cmpErr(err, fmt.Errorf("reserve item %d: %w", item, fault.NotFound))
	}
	if _, err := s.mayBeServed(ctx, labeler); err != nil {
		return Reservation{}, err
	}
	return reserveItem(ctx, s.DB, labeler, item)
}

func reserveItem(ctx context.Context, db postgres.DB, labeler, item int64) (Reservation, error) {
	rows, _ := db.Query(ctx, `
		SELECT `+reservationColumns+` FROM reservations
		WHERE item_id = $1 AND labeler_id = $2 AND state = 'held' AND lease_until > clock_timestamp()`, item, labeler)
	held, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Reservation])
	if err == nil || !errors.Is(err, pgx.ErrNoRows) {
		return held, err
	}
	if _, err := expireItem(ctx, db, item); err != nil {
		return Reservation{}, err
	}
	rows, _ = db.Query(ctx, reserveThis, item, labeler, leaseOf(ctx, db, item))
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Reservation])
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Reservation{}, notFree(item)
	case postgres.Violates(err, "reservations_one_per_labeler"):
		return Reservation{}, fault.Say(fault.Conflict, "You labeled item %d already. Undo that label to change it.", item)
	}
	return r, err
}

// ReserveBeyond makes one more place at an item that others have filled, for a
// labeler whose submit came too late: what they wrote still counts, as one
// more reading. It asks for the draft that such a submit leaves, or for one
// whose reservation ran out before it was submitted.
func (s *Store) ReserveBeyond(ctx context.Context, actor auth.Actor, item int64) (Reservation, error) {
	draft, err := s.Draft(ctx, actor, item)
	if err != nil {
		return Reservation{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Reservation{}, err
	}
	if draft.Refused == "" {
		ranOut, err := s.ranOut(ctx, labeler, item)
		if err != nil || !ranOut {
			return Reservation{}, cmpErr(err, notFree(item))
		}
	}
	var held Reservation
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			UPDATE items SET wanted = wanted + 1, done_at = NULL
			WHERE id = $1 AND taken = wanted AND wanted < 99 AND removed_at IS NULL`, item)
		if err != nil {
			return fmt.Errorf("reserve item %d beyond its places: %w", item, err)
		}
		held, err = reserveItem(ctx, tx, labeler, item)
		return err
	})
	return held, err
}

// ranOut reports whether the labeler lost the item with their lease, rather than
// giving it back.
func (s *Store) ranOut(ctx context.Context, labeler, item int64) (ranOut bool, err error) {
	err = s.DB.QueryRow(ctx, `
		SELECT coalesce((SELECT state = 'expired' FROM reservations WHERE item_id = $1 AND labeler_id = $2 ORDER BY id DESC LIMIT 1), false)`,
		item, labeler).Scan(&ranOut)
	return ranOut, err
}

func notFree(item int64) error {
	return fault.Say(fault.Conflict, "Item %d is not free: others have all its places. A draft of yours is kept.", item)
}

func leaseOf(ctx context.Context, db postgres.DB, item int64) time.Duration {
	lease := 15 * time.Minute
	db.QueryRow(ctx, `SELECT q.lease FROM items i JOIN queues q ON q.id = i.queue_id WHERE i.id = $1`, item).Scan(&lease)
	return lease
}

// knows reports whether the labeler ever held the item. Whoever never did may
// not reach it by its number: what comes next is the queue's to say.
func (s *Store) knows(ctx context.Context, labeler, item int64) (bool, error) {
	var known bool
	err := s.DB.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM reservations WHERE item_id = $1 AND labeler_id = $2)`, item, labeler).Scan(&known)
	return known, err
}

// Renew extends the lease from now, because somebody is there. A reservation
// that has ended is a Conflict.
func (s *Store) Renew(ctx context.Context, actor auth.Actor, item int64, token uuid.UUID) (Reservation, error) {
	if err := actor.Require(auth.Label); err != nil {
		return Reservation{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Reservation{}, err
	}
	rows, _ := s.DB.Query(ctx, `
		UPDATE reservations r
		SET lease_until = clock_timestamp() + q.lease
		FROM queues q
		WHERE q.id = r.queue_id AND r.item_id = $1 AND r.token = $2 AND r.labeler_id = $3
		  AND r.state = 'held' AND r.lease_until > clock_timestamp()
		RETURNING r.id, r.token, r.item_id, r.queue_id, r.labeler_id, r.number, r.reserved_at, r.lease_until`, item, token, labeler)
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Reservation])
	if errors.Is(err, pgx.ErrNoRows) {
		return Reservation{}, whyStale(ctx, s.DB, labeler, item, token)
	}
	return r, err
}

// Present extends every lease the actor has in the queue of the item: somebody
// is there, for the item that is read and for the one fetched ahead. It returns
// how long the lease of the item lasts now, by the database's clock, and is a
// Conflict when the item itself is no longer theirs.
func (s *Store) Present(ctx context.Context, actor auth.Actor, item int64) (left time.Duration, err error) {
	if err := actor.Require(auth.Label); err != nil {
		return 0, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return 0, err
	}
	rows, _ := s.DB.Query(ctx, `
		UPDATE reservations r
		SET lease_until = clock_timestamp() + q.lease
		FROM queues q
		WHERE q.id = r.queue_id AND r.labeler_id = $2
		  AND r.queue_id = (SELECT queue_id FROM items WHERE id = $1)
		  AND r.state = 'held' AND r.lease_until > clock_timestamp()
		RETURNING r.item_id, q.lease`, item, labeler)
	var renewed int64
	var lease time.Duration
	_, err = pgx.ForEachRow(rows, []any{&renewed, &lease}, func() error {
		if renewed == item {
			left = lease
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("renew item %d: %w", item, err)
	}
	if left == 0 {
		return 0, fault.Say(fault.Conflict, "Your reservation of this item has ended. What you wrote is kept as a draft.")
	}
	return left, nil
}

// Opened marks an item as on the actor's screen. The time from here to the
// label is what the label took; a page fetched ahead is not yet being read.
func (s *Store) Opened(ctx context.Context, actor auth.Actor, item int64) error {
	if err := actor.Require(auth.Label); err != nil {
		return err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return err
	}
	_, err = s.DB.Exec(ctx, openedStatement, item, labeler)
	return err
}

const openedStatement = `
	UPDATE reservations SET opened_at = clock_timestamp()
	WHERE item_id = $1 AND labeler_id = $2 AND state = 'held' AND opened_at IS NULL`

// SkipReasons are the reasons a labeler may pass an item over for good.
var SkipReasons = []string{"language", "not_my_field", "text_missing", "broken", "distressing", "other"}

// Skip gives the item to others and never serves it to this labeler again.
func (s *Store) Skip(ctx context.Context, actor auth.Actor, item int64, token uuid.UUID, reason string) error {
	if !slices.Contains(SkipReasons, reason) {
		return fault.Say(fault.Invalid, "Choose a reason to skip: it tells the next person what to expect.")
	}
	return s.end(ctx, actor, item, token, "skipped", reason)
}

// Later puts the item off: to the end for this labeler, free for others.
func (s *Store) Later(ctx context.Context, actor auth.Actor, item int64, token uuid.UUID) error {
	return s.end(ctx, actor, item, token, "put_off", "")
}

// Release gives the item back as if it had never been reserved.
func (s *Store) Release(ctx context.Context, actor auth.Actor, item int64, token uuid.UUID) error {
	return s.end(ctx, actor, item, token, "released", "")
}

func (s *Store) end(ctx context.Context, actor auth.Actor, item int64, token uuid.UUID, state, reason string) error {
	if err := actor.Require(auth.Label); err != nil {
		return err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return err
	}
	tag, err := s.DB.Exec(ctx, `
		UPDATE reservations
		SET state = $4, reason = $5, ended_at = clock_timestamp()
		WHERE item_id = $1 AND token = $2 AND labeler_id = $3 AND state = 'held'`, item, token, labeler, state, reason)
	if err != nil {
		return fmt.Errorf("end reservation of item %d: %w", item, err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	var already bool // the second of two clicks finds it done, as asked
	err = s.DB.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM reservations WHERE token = $1 AND item_id = $4 AND labeler_id = $2 AND state = $3)`, token, labeler, state, item).Scan(&already)
	if err != nil || already {
		return err
	}
	return whyStale(ctx, s.DB, labeler, item, token)
}

// whyStale says in words what became of a reservation that no longer holds.
func whyStale(ctx context.Context, db postgres.DB, labeler, item int64, token uuid.UUID) error {
	var state string
	var until time.Time
	err := db.QueryRow(ctx, `
		SELECT state, lease_until FROM reservations
		WHERE token = $1 AND item_id = $2 AND labeler_id = $3`, token, item, labeler).Scan(&state, &until)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("reservation of item %d: %w", item, fault.NotFound)
	case err != nil:
		return err
	case state == "labeled":
		return fault.Say(fault.Conflict, "Item %d has your label already, from another tab or an earlier click.", item)
	case state == "held" || state == "expired":
		return fault.Say(fault.Conflict, "Your reservation of item %d ended at %s UTC.", item, until.UTC().Format("15:04"))
	}
	return fault.Say(fault.Conflict, "You gave item %d back before this arrived.", item)
}

// Expire ends every reservation whose lease is over by the database's clock
// and returns how many there were. Safe to repeat and beside itself.
func (s *Store) Expire(ctx context.Context, actor auth.Actor) (int64, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	return s.expire(ctx, 0)
}

func (s *Store) expire(ctx context.Context, queue int64) (int64, error) {
	tag, err := s.DB.Exec(ctx, `
		UPDATE reservations
		SET state = 'expired', ended_at = clock_timestamp()
		WHERE id IN (
			SELECT id FROM reservations
			WHERE state = 'held' AND lease_until <= clock_timestamp()
			  AND ($1 = 0 OR queue_id = $1)
			FOR UPDATE SKIP LOCKED)`, queue)
	return tag.RowsAffected(), err
}

func expireItem(ctx context.Context, db postgres.DB, item int64) (int64, error) {
	tag, err := db.Exec(ctx, `
		UPDATE reservations
		SET state = 'expired', ended_at = clock_timestamp()
		WHERE item_id = $1 AND state = 'held' AND lease_until <= clock_timestamp()`, item)
	return tag.RowsAffected(), err
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
