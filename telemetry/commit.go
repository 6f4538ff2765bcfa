package telemetry

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"assay/internal/postgres"
)

// Batches that wait for PostgreSQL at the same moment are committed together:
// one transaction, one write to the disk and one job for all of them. Under
// load the groups grow by themselves, and nobody waits for a group to fill.
const (
	committers  = 2 // while one waits for the disk, the next group is written
	groupEvents = 10_000
	groupBytes  = 16 << 20
	commitLasts = 30 * time.Second
)

// committing gathers what waits.
type committing struct {
	mu      sync.Mutex
	waiting []*pending
	running int
}

// pending is a batch that waits to be committed, packed already.
type pending struct {
	taken    *taking
	rows     []*row
	body     []byte
	size     int // of body, unpacked
	accepted int
	done     chan error
}

// commitTogether hands the rows to the next group and waits for its outcome.
func (s *Store) commitTogether(ctx context.Context, t *taking, rows []*row) (accepted int, err error) {
	p := &pending{taken: t, rows: rows, done: make(chan error, 1)}
	p.body, p.size = pack(rows)
	c := &s.committing
	c.mu.Lock()
	c.waiting = append(c.waiting, p)
	if c.running < committers {
		c.running++
		go s.commitGroups()
	}
	c.mu.Unlock()
	select {
	case err := <-p.done:
		return p.accepted, err
	case <-ctx.Done():
		// It may be committed all the same: sent again, it is a duplicate.
		return 0, ctx.Err()
	}
}

func (s *Store) commitGroups() {
	for {
		group := s.committing.next()
		if group == nil {
			return
		}
		s.commitGroup(group)
	}
}

// next takes the batches that go together, in the order they came: those of
// one day, looked up in the same filters. Nil ends the committer.
func (c *committing) next() []*pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.running--
		return nil
	}
	first := c.waiting[0]
	n, events, bytes := 1, len(first.rows), len(first.body)
	for ; n < len(c.waiting); n++ {
		p := c.waiting[n]
		events, bytes = events+len(p.rows), bytes+len(p.body)
		if events > groupEvents || bytes > groupBytes || p.taken.sealed != first.taken.sealed || !day(p.taken.now).Equal(day(first.taken.now)) {
			break
		}
	}
	group := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	return group
}

// commitGroup commits the group and tells each what came of it. Should
// PostgreSQL refuse what one of them holds, each is tried by itself.
func (s *Store) commitGroup(group []*pending) {
	ctx, cancel := context.WithTimeout(context.Background(), commitLasts)
	defer cancel()
	err := s.tryGroup(ctx, group)
	if missesDay(err) {
		// Midnight passed, or this is a new installation: open the day.
		if err = s.openDays(ctx, group[0].taken.now); err == nil {
			err = s.tryGroup(ctx, group)
		}
	}
	if len(group) > 1 && isRefused(err) {
		for _, p := range group {
			s.commitGroup([]*pending{p})
		}
		return
	}
	for _, p := range group {
		if err != nil {
			p.accepted = 0
		}
		p.done <- err
	}
}

// isRefused reports whether PostgreSQL answered, and said no to the data: its
// classes 22 and 23.
func isRefused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && len(pg.Code) == 5 && (pg.Code[:2] == "22" || pg.Code[:2] == "23")
}

func (s *Store) tryGroup(ctx context.Context, group []*pending) error {
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var ids []uuid.UUID
		for _, p := range group {
			for _, r := range p.rows {
				ids = append(ids, r.EventID)
			}
		}
		fresh, err := group[0].taken.claimIDs(ctx, tx, ids)
		if err != nil {
			return err
		}
		var bodies []packed
		for _, p := range group {
			kept := fresh.of(p.rows)
			if p.accepted = len(kept); p.accepted == 0 {
				continue
			}
			sealed, err := s.seal(ctx, tx, kept)
			if err != nil {
				return err
			}
			b := packed{p.taken, len(kept), p.body, p.size}
			if sealed || len(kept) < len(p.rows) {
				b.body, b.size = pack(kept)
			}
			bodies = append(bodies, b)
		}
		return s.enqueue(ctx, tx, bodies)
	})
}

// packed is a batch as the inbox keeps it.
type packed struct {
	taken  *taking
	events int
	body   []byte
	size   int // of body, unpacked
}

// enqueue puts the batches into the inbox, with the job that drains them.
func (s *Store) enqueue(ctx context.Context, tx pgx.Tx, batches []packed) error {
	if len(batches) == 0 {
		return nil
	}
	n := len(batches)
	days, times, keys := make([]time.Time, n), make([]time.Time, n), make([]int64, n)
	events, sizes, bodies := make([]int32, n), make([]int32, n), make([][]byte, n)
	for i, b := range batches {
		days[i], times[i], keys[i] = day(b.taken.now), b.taken.now, b.taken.keyID
		events[i], sizes[i], bodies[i] = int32(b.events), int32(b.size), b.body
	}
	var last int64
	err := tx.QueryRow(ctx, `
		WITH put AS (
			INSERT INTO inbox (day, received_at, key_id, events, bytes, size, body)
			SELECT day, received_at, key_id, events, length(body), size, body
			FROM unnest($1::date[], $2::timestamptz[], $3::bigint[], $4::int[], $5::int[], $6::bytea[])
			     AS batch (day, received_at, key_id, events, size, body)
			RETURNING id
		)
		SELECT max(id)
		FROM put`, days, times, keys, events, sizes, bodies).Scan(&last)
	if err != nil || s.Jobs == nil {
		return err
	}
	_, err = s.Jobs.InsertTx(ctx, tx, Received{Batch: last}, nil)
	return err
}
