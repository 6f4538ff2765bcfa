package telemetry

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/klauspost/compress/zstd"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Receipt answers a batch. Accepted events are durable; a duplicate has an
// event_id that was taken before or stands twice in the batch.
type Receipt struct {
	Accepted  int         `json:"accepted"`
	Duplicate int         `json:"duplicate"`
	Rejected  []Rejection `json:"rejected"`
}

// Ingest takes a body of events in any of its shapes, plain (web inflates it,
// bounded). When it returns without error the accepted events are committed.
// Faults: Invalid when the body is no list of events at all, Unavailable when
// the inbox is full or PostgreSQL is away; nothing is kept then.
func (s *Store) Ingest(ctx context.Context, actor auth.Actor, body []byte) (Receipt, error) {
	return s.ingest(ctx, actor, func() ([]jsontext.Value, error) { return split(body) })
}

func (s *Store) ingest(ctx context.Context, actor auth.Actor, read func() ([]jsontext.Value, error)) (Receipt, error) {
	if err := actor.Require(auth.SendEvents); err != nil {
		return Receipt{}, err
	}
	if err := s.room(ctx); err != nil {
		return Receipt{}, err
	}
	events, err := read()
	if err != nil {
		return Receipt{}, err
	}
	t, err := s.taking(ctx, actor)
	if err != nil {
		return Receipt{}, err
	}
	rows, refused, err := t.takeAll(events, func(rows []*row) error { return s.stitch(ctx, t, rows) })
	if err != nil {
		return Receipt{}, err
	}
	receipt := Receipt{Rejected: make([]Rejection, 0, len(refused))}
	for _, r := range refused {
		receipt.Rejected = append(receipt.Rejected, r.Rejection)
	}
	receipt.Accepted, err = s.commit(ctx, t, rows, refused)
	if err != nil {
		return Receipt{}, err
	}
	receipt.Duplicate = len(rows) - receipt.Accepted
	return receipt, nil
}

// taking gathers what the events of one request are taken under. The product
// itself (a key of 0) sends what had been taken once already.
func (s *Store) taking(ctx context.Context, actor auth.Actor) (*taking, error) {
	var keyID int64
	if actor.Kind == auth.Key {
		keyID = actor.ID
	}
	terms, err := s.rememberedTerms(ctx, keyID)
	if err != nil {
		return nil, unavailable("read the terms of the key", err)
	}
	id, salt, err := s.keepSalt(ctx)
	if err != nil {
		return nil, unavailable("read the salt", err)
	}
	sealed, err := s.filters.current(ctx, s.DB)
	if err != nil {
		return nil, unavailable("read the filters of past days", err)
	}
	if err := s.limits.refresh(ctx, s.DB); err != nil {
		return nil, unavailable("read what people consented to", err)
	}
	rates, err := s.rates(ctx)
	if err != nil {
		return nil, unavailable("read the rates of capture", err)
	}
	p, err := s.policyNow(ctx)
	if err != nil {
		return nil, unavailable("read the rules of redaction", err)
	}
	return &taking{
		limits: &s.limits,
		terms:  terms, keyID: keyID, now: s.now().Truncate(time.Millisecond), sealed: sealed,
		saltID: id, salt: salt, text: p.text, code: p.artifact, seals: s.Vault != nil, rates: rates,
	}, nil
}

// takeAll decodes and takes events. stitch may change where they belong, before
// what is kept of them is drawn by session.
func (t *taking) takeAll(events []jsontext.Value, stitch func([]*row) error) (rows []*row, refused []rejected, err error) {
	rows = make([]*row, 0, len(events))
	from := make(map[*row]int, len(events))
	for i, raw := range events {
		r, err := decode(raw)
		if err != nil {
			refused = append(refused, rejected{Rejection{i, err.Error()}, raw})
			continue
		}
		rows, from[r] = append(rows, r), i
	}
	if err := stitch(rows); err != nil {
		return nil, nil, err
	}
	rows = slices.DeleteFunc(rows, func(r *row) bool {
		err := t.take(r)
		if err != nil {
			refused = append(refused, rejected{Rejection{from[r], err.Error()}, events[from[r]]})
		}
		return err != nil
	})
	slices.SortFunc(refused, func(a, b rejected) int { return a.Index - b.Index })
	return rows, refused, nil
}

// commit puts the rows whose ids are new into the inbox, with the job that
// drains them and the letters of those refused. It returns how many were new.
func (s *Store) commit(ctx context.Context, t *taking, rows []*row, refused []rejected) (accepted int, err error) {
	if len(refused) > 0 {
		err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error { return t.bury(ctx, tx, refused) })
	}
	if err == nil && len(rows) > 0 {
		accepted, err = s.commitTogether(ctx, t, rows)
	}
	if err != nil {
		return 0, unavailable("commit a batch", err)
	}
	return accepted, nil
}

func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// missesDay reports whether a partition was not there.
func missesDay(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23514" && pg.ConstraintName == ""
}

func (s *Store) openDays(ctx context.Context, now time.Time) error {
	for _, d := range []time.Time{day(now), day(now).AddDate(0, 0, 1)} {
		if _, err := s.DB.Exec(ctx, `SELECT open_inbox_day($1)`, d); err != nil {
			return err
		}
	}
	return nil
}

// unavailable keeps what went wrong for the log and says to the sender only
// that nothing was taken. What it wraps never holds values of rows: the
// database is told not to name them.
func unavailable(act string, err error) error {
	if fault.Of(err) != "" || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%s: %w: %w", act, err, fault.Say(fault.Unavailable, "The events were not taken. Send them again in a while."))
}

// validText makes bytes that PostgreSQL takes as text.
func validText(raw []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(raw), "\uFFFD"), "\x00", "\uFFFD")
}

// --- the body of a batch ---

// One packer and one unpacker serve all, as many at a time as there are cores.
// The window is small: texts of one column repeat what stands nearby.
var (
	packer, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(256<<10),
		zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)))
	unpacker, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)))
	buffers     = sync.Pool{New: func() any { return new([]byte) }}
)

// pack writes the rows as a sheet and compresses it; size is before that.
func pack(rows []*row) (body []byte, size int) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	plain := appendSheet((*buffer)[:0], rows)
	*buffer = plain
	return packer.EncodeAll(plain, make([]byte, 0, len(plain)/2)), len(plain)
}

func unpack(body []byte) ([]byte, error) {
	return unpacker.DecodeAll(body, nil)
}

// --- the limit of the inbox ---

// depth remembers for a moment how full the inbox is.
type depth struct {
	mu    sync.Mutex
	until time.Time
	bytes int64
}

const (
	defaultInboxLimit = 4 << 30
	depthRemembered   = 250 * time.Millisecond
)

// room refuses a batch when the inbox is at its limit: better to shed now
// than to lose later.
func (s *Store) room(ctx context.Context) error {
	s.depth.mu.Lock()
	defer s.depth.mu.Unlock()
	if now := time.Now(); now.After(s.depth.until) {
		err := s.DB.QueryRow(ctx, `SELECT coalesce(sum(bytes), 0) FROM inbox WHERE drained_at IS NULL`).Scan(&s.depth.bytes)
		if err != nil {
			return unavailable("measure the inbox", err)
		}
		s.depth.until = now.Add(depthRemembered)
	}
	limit := s.InboxLimit
	if limit == 0 {
		limit = defaultInboxLimit
	}
	if s.depth.bytes < limit {
		return nil
	}
	return fault.Say(fault.Unavailable, "The inbox is full: %d MB wait to be stored. Send the events again in a while.", s.depth.bytes>>20)
}

// Waiting is what has been taken and cannot be read yet.
type Waiting struct {
	Batches     int64     `db:"batches"`
	Events      int64     `db:"events"`
	Bytes       int64     `db:"bytes"`
	Oldest      time.Time `db:"oldest"`       // zero when nothing waits
	DeadLetters int64     `db:"dead_letters"` // not yet replayed
}

// Waiting measures the inbox and the dead letters, for health and honest pages.
func (s *Store) Waiting(ctx context.Context) (Waiting, error) {
	rows, err := s.DB.Query(ctx, `
		SELECT count(*) AS batches,
		       coalesce(sum(events), 0) AS events,
		       coalesce(sum(bytes), 0) AS bytes,
		       coalesce(min(received_at), '0001-01-01Z') AS oldest,
		       (SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL) AS dead_letters
		FROM inbox
		WHERE drained_at IS NULL`)
	if err != nil {
		return Waiting{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Waiting])
}
