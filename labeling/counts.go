package labeling

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
)

// Counts says what is in a queue for one labeler, so that an empty queue can
// explain itself. Each item is in one of them, but Yours, which is a part of
// Reserved.
type Counts struct {
	Free       int64      `json:"free"`                 // this labeler may reserve them now
	Reserved   int64      `json:"reserved"`             // all their places are held, by anybody, this labeler included
	Yours      int64      `json:"yours"`                // of the reserved, held by this labeler
	NextFrees  *time.Time `json:"next_frees,omitempty"` // when the first of the reserved may be this labeler's, should nobody renew
	Another    int64      `json:"waiting_for_another"`  // this labeler had them or knows what was said; they wait for somebody else
	Beyond     int64      `json:"beyond_skills"`        // wait for somebody with another task class or language
	Given      int64      `json:"given_to_others"`      // wait for the one person they were given to
	PutOff     int64      `json:"put_off"`              // this labeler put them off
	Done       int64      `json:"done"`                 // have all their labels
	DatabaseAt time.Time  `json:"-"`                    // the clock that NextFrees is of
}

// Total is everything that was or is to be labeled in the queue.
func (c Counts) Total() int64 {
	return c.Free + c.Reserved + c.Another + c.Beyond + c.Given + c.PutOff + c.Done
}

// And adds the counts of another queue.
func (c Counts) And(other Counts) Counts {
	if c.NextFrees == nil || other.NextFrees != nil && other.NextFrees.Before(*c.NextFrees) {
		c.NextFrees = other.NextFrees
	}
	c.Free += other.Free
	c.Reserved += other.Reserved
	c.Yours += other.Yours
	c.Another += other.Another
	c.Beyond += other.Beyond
	c.Given += other.Given
	c.PutOff += other.PutOff
	c.Done += other.Done
	c.DatabaseAt = other.DatabaseAt
	return c
}

// NeedsYou is what waits for this labeler, NeedsOthers for somebody else: with
// Done they are all of the queue.
func (c Counts) NeedsYou() int64 { return c.Free + c.PutOff + c.Yours }

// NeedsOthers is what waits for anybody but this labeler.
func (c Counts) NeedsOthers() int64 {
	return c.Another + c.Beyond + c.Given + c.Reserved - c.Yours
}

// CountedTo is how far Counts counts. Beyond it nobody asks for more than
// "many", and a queue of a million must not be walked for a page.
const CountedTo = 10_000

// countsQuery tells, of each item that is not done, whose it is now: $1 queue,
// $2 labeler, $3 bound, $4 what the labeler reads, $5 whether they judge the
// task class. What nobody touched and nobody placed is free for all and only
// counted. A lapsed lease holds nothing: the next to reserve ends it.
const countsQuery = `
	WITH untouched AS (
		SELECT count(*) AS n, count(*) FILTER (WHERE NOT (language = '' OR $4 = '{}'::text[] OR language = ANY ($4))) AS beyond
		FROM (
			SELECT language FROM items
			WHERE queue_id = $1 AND taken = 0 AND passed_over = 0 AND removed_at IS NULL AND assigned_to IS NULL AND lifted = 0
			LIMIT $3) AS counted
	), touched AS (
		(SELECT id FROM items
		 WHERE queue_id = $1 AND taken < wanted AND (taken > 0 OR passed_over > 0) AND removed_at IS NULL
		 LIMIT $3)
		UNION ALL
		(SELECT id FROM items
		 WHERE queue_id = $1 AND (assigned_to IS NOT NULL OR lifted <> 0) AND taken = 0 AND passed_over = 0 AND removed_at IS NULL
		 LIMIT $3)
		UNION ALL
		(SELECT id FROM items
		 WHERE id IN (SELECT item_id FROM reservations WHERE queue_id = $1 AND state = 'held' AND purpose = 'count')
		   AND taken >= wanted AND removed_at IS NULL
		 LIMIT $3)
	), held AS MATERIALIZED (
		SELECT item_id, labeler_id, purpose, lease_until, lease_until > clock_timestamp() AS live
		FROM reservations
		WHERE queue_id = $1 AND state = 'held'
	), placed AS (
		SELECT i.id,
		       (SELECT r.state FROM reservations r
		        WHERE r.item_id = i.id AND r.labeler_id = $2
		          AND (r.state IN ('labeled', 'skipped', 'put_off') OR r.state = 'held' AND r.lease_until > clock_timestamp())
		        ORDER BY r.id DESC
		        LIMIT 1) AS mine,
		       EXISTS (SELECT FROM labels_read k WHERE k.labeler_id = $2 AND k.item_id = i.id) AS knows,
		       i.language = '' OR $4 = '{}'::text[] OR i.language = ANY ($4) OR i.assigned_to = $2 AND i.taken = 0 AND i.passed_over = 0 AS able,
		       i.assigned_to IS NOT NULL AND i.assigned_to <> $2 AND i.labeled = 0 AS given_away,
		       i.taken - (SELECT count(*) FROM held h WHERE h.item_id = i.id AND h.purpose = 'count' AND NOT h.live) < i.wanted AS free,
		       (SELECT min(h.lease_until) FROM held h WHERE h.item_id = i.id AND h.live AND h.labeler_id <> $2) AS frees
		FROM touched JOIN items i USING (id)
	), standing AS (
		SELECT CASE
		           WHEN mine = 'held' THEN 'yours'
		           WHEN mine IN ('labeled', 'skipped') OR knows THEN 'another'
		           WHEN given_away THEN 'given'
		           WHEN NOT $5 OR able IS NOT TRUE THEN 'beyond'
		           WHEN NOT free THEN 'reserved'
		           WHEN mine = 'put_off' THEN 'put_off'
		           ELSE 'free' END AS place, frees
		FROM placed
	), gold AS ( -- looks like any other that is reserved
		SELECT count(*) AS n, count(*) FILTER (WHERE labeler_id = $2) AS yours FROM held WHERE purpose <> 'count' AND live
	), counted AS (
		SELECT count(*) FILTER (WHERE place = 'free') AS free,
		       count(*) FILTER (WHERE place IN ('yours', 'reserved')) AS reserved,
		       count(*) FILTER (WHERE place = 'yours') AS yours,
		       min(frees) FILTER (WHERE place = 'reserved') AS next_frees,
		       count(*) FILTER (WHERE place = 'another') AS another,
		       count(*) FILTER (WHERE place = 'beyond') AS beyond,
		       count(*) FILTER (WHERE place = 'given') AS given,
		       count(*) FILTER (WHERE place = 'put_off') AS put_off
		FROM standing
	)
	SELECT CASE WHEN $5 THEN untouched.n - untouched.beyond ELSE 0 END + counted.free AS free,
	       counted.reserved + gold.n AS reserved, counted.yours + gold.yours AS yours, counted.next_frees,
	       counted.another, counted.given, counted.put_off,
	       CASE WHEN $5 THEN untouched.beyond ELSE untouched.n END + counted.beyond AS beyond,
	       greatest(0, $6::bigint - gold.n) AS done, clock_timestamp() AS database_at
	FROM untouched, counted, gold`

// Counts says what is in the queue for this actor: exact up to CountedTo of
// each, but Done, which may be some seconds old.
func (s *Store) Counts(ctx context.Context, actor auth.Actor, queue Queue) (Counts, error) {
	if err := mayReadQueues(actor); err != nil {
		return Counts{}, err
	}
	labeler, able := int64(0), Skills{}
	if isLabeler(actor) {
		var err error
		if labeler, err = s.LabelerOf(ctx, actor); err != nil {
			return Counts{}, err
		}
		if able, err = skillsOf(ctx, s.DB, labeler); err != nil {
			return Counts{}, err
		}
	}
	known, err := s.numbers(ctx, queue.ID)
	if err != nil {
		return Counts{}, err
	}
	languages := append([]string{}, able.Languages...)
	rows, _ := s.DB.Query(ctx, countsQuery, queue.ID, labeler, CountedTo, languages, able.Judges(queue.TaskClass), known.Done)
	counts, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Counts])
	if err != nil {
		return Counts{}, fmt.Errorf("count queue %s: %w", queue.Slug, err)
	}
	return counts, nil
}
