package telemetry

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"assay/internal/postgres"
)

// claimIDs writes the ids, which may repeat, and returns those nobody had.
// They are written in order, so that two batches with the same events wait for
// each other and never deadlock.
//
// An id is looked for in the days that are still written to, and in those past
// days whose filter does not rule it out: nearly always in none.
func (t *taking) claimIDs(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) (freshIDs, error) {
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	perhaps, days := t.sealed.perhaps(ids)
	found, err := tx.Query(ctx, `
		WITH sent AS (
			SELECT event_id
			FROM unnest($2::uuid[]) AS sent (event_id)
		), known AS (
			SELECT seen.event_id
			FROM unnest($4::uuid[], $5::date[]) AS perhaps (event_id, day)
			JOIN event_ids seen ON seen.event_id = perhaps.event_id AND seen.day = perhaps.day
		)
		INSERT INTO event_ids (day, event_id)
		SELECT $1, event_id
		FROM sent
		WHERE NOT EXISTS (SELECT FROM event_ids seen WHERE seen.event_id = sent.event_id AND seen.day > $3 AND seen.day < $1)
		  AND event_id NOT IN (SELECT event_id FROM known)
		ON CONFLICT DO NOTHING
		RETURNING event_id`, day(t.now), asUUIDs(ids), t.sealed.through, perhaps, days)
	if err != nil {
		return nil, err
	}
	fresh := make(freshIDs, len(ids))
	var id pgtype.UUID
	_, err = pgx.ForEachRow(found, []any{&id}, func() error {
		fresh[id.Bytes] = true
		return nil
	})
	return fresh, err
}

// freshIDs are ids that nobody had.
type freshIDs map[uuid.UUID]bool

// of takes the rows whose id is fresh, the first of each; the ids are then
// fresh no more.
func (f freshIDs) of(rows []*row) []*row {
	kept := make([]*row, 0, len(rows))
	for _, r := range rows {
		if f[r.EventID] {
			delete(f, r.EventID)
			kept = append(kept, r)
		}
	}
	return kept
}

// asUUIDs is the form the driver writes without asking each value what it is.
func asUUIDs(ids []uuid.UUID) []pgtype.UUID {
	list := make([]pgtype.UUID, len(ids))
	for i, id := range ids {
		list[i] = pgtype.UUID{Bytes: id, Valid: true}
	}
	return list
}

// filters are the filters of past days, as this process holds them.
type filters struct {
	mu    sync.Mutex
	held  *sealedDays
	until time.Time
}

// sealedDays are the days that have a filter: every day up to through. Days
// after it are asked themselves.
type sealedDays struct {
	through time.Time
	days    []sealedDay
}

type sealedDay struct {
	day    time.Time
	filter bloom
}

const filtersRemembered = 5 * time.Minute

// current returns the filters, read again now and then. They are never
// changed once written, so what is held is right, and at worst incomplete.
func (f *filters) current(ctx context.Context, db postgres.DB) (*sealedDays, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held != nil && time.Now().Before(f.until) {
		return f.held, nil
	}
	rows, err := db.Query(ctx, `SELECT day FROM event_id_filters ORDER BY day`)
	if err != nil {
		return nil, err
	}
	stored, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		return nil, err
	}
	now := &sealedDays{through: firstTime}
	for _, d := range stored {
		one := sealedDay{day: d}
		if f.held != nil {
			if i := slices.IndexFunc(f.held.days, func(o sealedDay) bool { return o.day.Equal(d) }); i >= 0 {
				one = f.held.days[i]
			}
		}
		if one.filter == nil {
			if err := db.QueryRow(ctx, `SELECT bits FROM event_id_filters WHERE day = $1`, d).Scan((*[]byte)(&one.filter)); err != nil {
				return nil, err
			}
		}
		now.days, now.through = append(now.days, one), d
	}
	f.held, f.until = now, time.Now().Add(filtersRemembered)
	return now, nil
}

// perhaps lists the ids that a past day may hold, with the day.
func (s *sealedDays) perhaps(ids []uuid.UUID) (perhaps []uuid.UUID, days []time.Time) {
	perhaps, days = []uuid.UUID{}, []time.Time{}
	for _, id := range ids {
		a, b := bloomHashes(id)
		for _, d := range s.days {
			if d.filter.mayHold(a, b) {
				perhaps, days = append(perhaps, id), append(days, d.day)
			}
		}
	}
	return perhaps, days
}

// settles is how long after its end a day may still be written to: a
// transaction that began before midnight, a server whose clock is behind.
const settles = time.Hour

// sealDays writes the filter of each day that is over and has none, the oldest
// first and without a gap, and removes those of days that were dropped.
func (s *Store) sealDays(ctx context.Context, now time.Time) error {
	if _, err := s.DB.Exec(ctx, `DELETE FROM event_id_filters WHERE day < $1`, day(now).AddDate(0, 0, -idDays)); err != nil {
		return err
	}
	rows, err := s.DB.Query(ctx, `
		SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS day
		FROM pg_inherits i
		JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'event_ids'::regclass
		ORDER BY day`)
	if err != nil {
		return err
	}
	days, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		return err
	}
	for _, d := range days {
		if now.Before(d.AddDate(0, 0, 1).Add(settles)) {
			return nil
		}
		if err := s.sealDay(ctx, d); err != nil {
			return fmt.Errorf("seal the ids of %s: %w", d.Format(time.DateOnly), err)
		}
	}
	return nil
}

func (s *Store) sealDay(ctx context.Context, d time.Time) error {
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var sealed bool
		var ids int64
		err := tx.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM event_id_filters WHERE day = $1),
			       (SELECT count(*) FROM event_ids WHERE day = $1)`, d).Scan(&sealed, &ids)
		if err != nil || sealed {
			return err
		}
		filter := newBloom(ids)
		rows, err := tx.Query(ctx, `SELECT event_id FROM event_ids WHERE day = $1`, d)
		if err != nil {
			return err
		}
		var id uuid.UUID
		if _, err := pgx.ForEachRow(rows, []any{&id}, func() error {
			filter.add(bloomHashes(id))
			return nil
		}); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO event_id_filters (day, ids, bits)
			VALUES ($1, $2, $3)
			ON CONFLICT DO NOTHING`, d, ids, []byte(filter))
		return err
	})
}

// bloom is a Bloom filter: 12 bits for each id and 8 probes, so that it is
// wrong about 3 ids in 1,000 that it does not hold, and about none it does.
type bloom []byte

const (
	bloomBits   = 12
	bloomProbes = 8
	bloomMost   = 64 << 20 // bytes; beyond 44 million ids a day it is wrong more often
)

func newBloom(ids int64) bloom {
	return make(bloom, min((max(ids, 1)*bloomBits+7)/8, bloomMost))
}

func bloomHashes(id uuid.UUID) (a, b uint64) {
	a = mix(binary.BigEndian.Uint64(id[:8]))
	b = mix(binary.BigEndian.Uint64(id[8:])^a) | 1
	return a, b
}

func (f bloom) add(a, b uint64) {
	n := uint64(len(f)) * 8
	for range bloomProbes {
		f[a%n/8] |= 1 << (a % n % 8)
		a += b
	}
}

func (f bloom) mayHold(a, b uint64) bool {
	n := uint64(len(f)) * 8
	for range bloomProbes {
		if f[a%n/8]&(1<<(a%n%8)) == 0 {
			return false
		}
		a += b
	}
	return true
}
