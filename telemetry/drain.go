package telemetry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/clickhouse"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Drained says what one call of Drain moved.
type Drained struct {
	Blocks int
	Events int
	Dead   int // events ClickHouse would not have, now dead letters
}

// away remembers for a moment that ClickHouse did not answer, so that a flood
// of batches does not ask it as often.
type away struct {
	mu    sync.Mutex
	err   error
	until time.Time
}

const awayRemembered = 2 * time.Second

func (a *away) still() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Now().Before(a.until) {
		return a.err
	}
	return nil
}

func (a *away) remember(err error) {
	if fault.Of(err) != fault.Unavailable {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err, a.until = err, time.Now().Add(awayRemembered)
}

const (
	blockEvents = 25_000
	blockSize   = 32 << 20 // unpacked: a drainer holds several times as much in memory
	// A drainer renews its claim while it lives; one that died leaves its block
	// to the next after claimLasts.
	claimLasts   = 20 * time.Second
	claimRenewed = 5 * time.Second
)

// batch is one row of the inbox.
type batch struct {
	Day        time.Time `db:"day"`
	ID         int64     `db:"id"`
	ReceivedAt time.Time `db:"received_at"`
	KeyID      int64     `db:"key_id"`
	Events     int       `db:"events"`
	Body       []byte    `db:"body"`
}

// Drain moves what waits in the inbox to ClickHouse, block by block: claim,
// write, confirm. It returns when nothing is left to claim. Any number of
// drainers may run at once. Unavailable when ClickHouse is away; the blocks
// wait then, with their ids.
func (s *Store) Drain(ctx context.Context, actor auth.Actor) (Drained, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return Drained{}, err
	}
	if err := s.away.still(); err != nil {
		return Drained{}, err
	}
	var done Drained
	for {
		some, err := s.drainOne(ctx, anything)
		if err != nil || some.Blocks == 0 {
			return done, err
		}
		done = done.plus(some)
	}
}

func (d Drained) plus(o Drained) Drained {
	return Drained{d.Blocks + o.Blocks, d.Events + o.Events, d.Dead + o.Dead}
}

// drainOne moves the next block, if there is one.
func (s *Store) drainOne(ctx context.Context, when ripeness) (Drained, error) {
	block, batches, err := s.claim(ctx, when)
	if err != nil || len(batches) == 0 {
		return Drained{}, err
	}
	letGo := s.hold(ctx, block)
	events, dead, err := s.drainBlock(ctx, block, batches)
	letGo()
	if err != nil {
		s.giveBack(context.WithoutCancel(ctx), block)
		s.away.remember(err)
		return Drained{}, err
	}
	return Drained{1, events, dead}, nil
}

// ripeness says when a new block is made of what waits: when there is enough
// for a good one, or the oldest has waited for long enough. Small blocks become
// small parts, which ClickHouse merges again and again; so while many come, they
// may wait a little longer than one that comes alone.
type ripeness struct {
	enough      int           // events
	few         int           // events
	lull        time.Duration // how long the oldest of many waits at most
	lullOfAFew  time.Duration
	lookedAfter time.Duration // how often
}

var (
	anything = ripeness{}
	goodOnes = ripeness{enough: 20_000, few: 500, lull: 2 * time.Second, lullOfAFew: time.Second, lookedAfter: 200 * time.Millisecond}
)

// drainFor is how long one call of DrainSoon begins new blocks.
const drainFor = 4 * time.Minute

// DrainSoon lets small batches gather for a second or two before each block, so
// that they do not become small parts in ClickHouse. It is what the job calls,
// and returns when nothing waits, or after some minutes, for the next to go on.
func (s *Store) DrainSoon(ctx context.Context, actor auth.Actor) (Drained, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return Drained{}, err
	}
	var done Drained
	for began := time.Now(); time.Since(began) < drainFor; {
		if err := s.away.still(); err != nil {
			return done, err
		}
		some, err := s.drainOne(ctx, goodOnes)
		if err != nil {
			return done, err
		}
		if done = done.plus(some); some.Blocks > 0 {
			continue
		}
		var waits bool
		if err := s.DB.QueryRow(ctx, `SELECT EXISTS (SELECT FROM inbox WHERE drained_at IS NULL AND block IS NULL)`).Scan(&waits); err != nil || !waits {
			return done, err
		}
		select {
		case <-ctx.Done():
			return done, ctx.Err()
		case <-time.After(goodOnes.lookedAfter):
		}
	}
	return done, nil
}

// claim takes the block somebody left unfinished, or makes a new one of the
// oldest batches that wait when they are ripe. A block keeps its batches and its id for good, so
// that written twice it is recognised.
func (s *Store) claim(ctx context.Context, when ripeness) (uuid.UUID, []batch, error) {
	var block uuid.UUID
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('claim inbox block'))`); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `
			UPDATE inbox
			SET claimed_until = clock_timestamp() + $1
			WHERE drained_at IS NULL
			  AND block = (SELECT block
			               FROM inbox
			               WHERE drained_at IS NULL AND block IS NOT NULL AND claimed_until < clock_timestamp()
			               ORDER BY id
			               LIMIT 1)
			RETURNING block`, claimLasts).Scan(&block)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		block = uuid.New()
		_, err = tx.Exec(ctx, `
			WITH ripe AS (
				SELECT coalesce(sum(events), 0) >= $5
				       OR min(received_at) + (CASE WHEN sum(events) < $6 THEN $7 ELSE $8 END)::interval <= clock_timestamp() AS now
				FROM inbox
				WHERE drained_at IS NULL AND block IS NULL
			), free AS (
				SELECT day, id, sum(events) OVER running AS events, sum(size) OVER running AS size, row_number() OVER running AS place
				FROM inbox
				WHERE drained_at IS NULL AND block IS NULL AND (SELECT now FROM ripe)
				WINDOW running AS (ORDER BY id ROWS UNBOUNDED PRECEDING)
				ORDER BY id
				LIMIT 2000
			)
			UPDATE inbox
			SET block = $1, claimed_until = clock_timestamp() + $2
			FROM free
			WHERE inbox.day = free.day
			  AND inbox.id = free.id
			  AND (free.place = 1 OR free.events <= $3 AND free.size <= $4)`,
			block, claimLasts, blockEvents, blockSize, when.enough, when.few, when.lullOfAFew, when.lull)
		return err
	})
	if err != nil {
		return block, nil, fmt.Errorf("claim a block of the inbox: %w", err)
	}
	rows, err := s.DB.Query(ctx, `
		SELECT day, id, received_at, key_id, events, body
		FROM inbox
		WHERE drained_at IS NULL AND block = $1
		ORDER BY id`, block)
	if err != nil {
		return block, nil, fmt.Errorf("read block %s: %w", block, err)
	}
	batches, err := pgx.CollectRows(rows, pgx.RowToStructByName[batch])
	return block, batches, err
}

// hold renews the claim until it is let go. Should that not succeed, another
// drainer writes the same block under the same id, and it is there once.
func (s *Store) hold(ctx context.Context, block uuid.UUID) (letGo func()) {
	ctx, letGo = context.WithCancel(ctx)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(claimRenewed):
			}
			s.DB.Exec(ctx, `
				UPDATE inbox
				SET claimed_until = clock_timestamp() + $2
				WHERE block = $1 AND drained_at IS NULL AND claimed_until > clock_timestamp()`, block, claimLasts)
		}
	}()
	return letGo
}

// giveBack lets the next drainer take the block at once. It tries for a few
// seconds, since PostgreSQL may be what failed; after that the claim runs out
// by itself.
func (s *Store) giveBack(ctx context.Context, block uuid.UUID) {
	for pause := 50 * time.Millisecond; pause < 4*time.Second; pause *= 2 {
		_, err := s.DB.Exec(ctx, `UPDATE inbox SET claimed_until = clock_timestamp() WHERE block = $1 AND drained_at IS NULL`, block)
		if err == nil {
			return
		}
		time.Sleep(pause)
	}
}

// Resume gives the blocks of a drainer that was killed back at once. Only a
// program that knows itself to be the only one may say so; among several, a
// claim runs out by itself.
func (s *Store) Resume(ctx context.Context, actor auth.Actor) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	_, err := s.DB.Exec(ctx, `UPDATE inbox SET claimed_until = clock_timestamp() WHERE drained_at IS NULL AND block IS NOT NULL`)
	return err
}

func (s *Store) drainBlock(ctx context.Context, block uuid.UUID, batches []batch) (events, dead int, err error) {
	sheets, letters := readBatches(batches)
	if sheets, err = s.withoutForgotten(ctx, sheets); err != nil {
		return 0, 0, awayFrom("look for older copies", err)
	}
	if len(sheets) > 0 {
		var poisoned []poison
		if sheets, poisoned, err = s.writeAround(ctx, block, sheets); err != nil {
			return 0, 0, awayFrom("write a block", err)
		}
		letters = append(letters, poisoned...)
	}
	if err := s.nameThreads(ctx, sheets); err != nil {
		return 0, 0, fmt.Errorf("name the traces of block %s: %w", block, err)
	}
	if err := s.confirm(ctx, block, batches, sheets, letters); err != nil {
		return 0, 0, fmt.Errorf("confirm block %s: %w", block, err)
	}
	return eventsOf(sheets), len(letters), nil
}

// poison is an event that cannot be stored, with the reason.
type poison struct {
	keyID  int64
	row    *row // nil when not even that could be read
	line   []byte
	reason string
}

// readBatches unpacks the batches. Events keep the order in which they came:
// batch, then place in it.
func readBatches(batches []batch) (sheets []*sheet, letters []poison) {
	for _, b := range batches {
		body, err := unpack(b.Body)
		if err != nil {
			letters = append(letters, poison{keyID: b.KeyID, reason: fmt.Sprintf("batch %d of %s cannot be unpacked", b.ID, b.Day.Format(time.DateOnly))})
			continue
		}
		one, unread := b.read(body)
		if letters = append(letters, unread...); one != nil {
			one.number(b.ID)
			sheets = append(sheets, one)
		}
	}
	return sheets, letters
}

// read takes a body as this version writes it, and as lines, as earlier ones
// did. It returns nil when there is nothing in it that can be stored.
func (b batch) read(body []byte) (*sheet, []poison) {
	if len(body) > 0 && body[0] == sheetMark {
		one, err := readSheet(body)
		if err != nil {
			return nil, []poison{{keyID: b.KeyID, reason: fmt.Sprintf("batch %d of %s: %s", b.ID, b.Day.Format(time.DateOnly), err)}}
		}
		return one, nil
	}
	var letters []poison
	rows, err := readLines(body, func(line []byte, err error) error {
		letters = append(letters, poison{keyID: b.KeyID, line: line, reason: err.Error()})
		return nil
	})
	if err != nil || len(rows) == 0 {
		return nil, letters
	}
	return sheetOf(rows), letters
}

// writeAround writes the block and returns what is stored. Should ClickHouse
// refuse the data, the block is halved until the events at fault stand alone,
// and the rest is stored. The halves are named after the block, so that a
// repetition makes the same.
func (s *Store) writeAround(ctx context.Context, block uuid.UUID, sheets []*sheet) ([]*sheet, []poison, error) {
	err := s.write(ctx, block, sheets)
	if err == nil || !isDataFault(err) {
		return sheets, nil, err
	}
	rows := rowsOf(sheets)
	if len(rows) == 1 {
		return nil, []poison{{keyID: rows[0].KeyID, row: rows[0], line: appendRow(nil, rows[0]), reason: "ClickHouse refused the event: " + shortReason(err)}}, nil
	}
	middle := len(rows) / 2
	first, poisoned, err := s.writeAround(ctx, uuid.NewSHA1(block, []byte("first")), []*sheet{sheetOf(rows[:middle])})
	if err != nil {
		return nil, nil, err
	}
	second, more, err := s.writeAround(ctx, uuid.NewSHA1(block, []byte("second")), []*sheet{sheetOf(rows[middle:])})
	return append(first, second...), append(poisoned, more...), err
}

// dataFaults are ClickHouse's numbers for values it cannot take: parsing,
// types, sizes. Everything else (memory, disk, network, time) passes.
var dataFaults = []int{6, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 130, 131, 190, 321, 349, 441, 691}

func isDataFault(err error) bool {
	var bad *badColumn
	if errors.As(err, &bad) {
		return true
	}
	return slices.Contains(dataFaults, clickhouse.Code(err))
}

// shortReason names the fault without the value that caused it.
func shortReason(err error) string {
	var bad *badColumn
	if errors.As(err, &bad) {
		return "its " + bad.name + " cannot be encoded"
	}
	return fmt.Sprintf("code %d", clickhouse.Code(err))
}

// confirm removes the block from what waits, buries what could not be stored
// and says that the rest can be read: the last step, after ClickHouse's yes.
func (s *Store) confirm(ctx context.Context, block uuid.UUID, batches []batch, sheets []*sheet, letters []poison) error {
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE inbox
			SET drained_at = clock_timestamp()
			WHERE drained_at IS NULL AND block = $1`, block)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return nil // another drainer was given the block and was faster
		}
		if err := buryPoison(ctx, tx, letters); err != nil {
			return err
		}
		if s.Jobs == nil {
			return nil
		}
		if err := forgetJobs(ctx, tx, batches); err != nil || len(sheets) == 0 {
			return err
		}
		if err := s.gatherLanded(ctx, tx, sheets); err != nil {
			return err
		}
		if _, err := s.Jobs.InsertTx(ctx, tx, Landed{Block: block.String()}, nil); err != nil {
			return err
		}
		if slices.ContainsFunc(sheets, (*sheet).traced) {
			_, err = s.Jobs.InsertTx(ctx, tx, Traced{Block: block.String()}, nil)
		}
		return err
	})
}

// forgetJobs removes the jobs that would drain what this block has drained:
// a flood of batches costs one job per block then, and not one per batch.
func forgetJobs(ctx context.Context, tx pgx.Tx, batches []batch) error {
	ids := make([]int64, len(batches))
	for i, b := range batches {
		ids[i] = b.ID
	}
	_, err := tx.Exec(ctx, `
		DELETE FROM river_job
		WHERE kind = $1
		  AND state IN ('available', 'scheduled', 'retryable')
		  AND (args->>'batch')::bigint = ANY($2)`, Received{}.Kind(), ids)
	return err
}

// traced reports whether the batch holds gate traces or unsafe claims.
func (s *sheet) traced() bool {
	return s.saysAnything("unsafe_claim_served") || s.holdsText("event_type", string(TypeGateTrace))
}

func buryPoison(ctx context.Context, tx pgx.Tx, letters []poison) error {
	byKey := map[int64][]grave{}
	for _, l := range letters {
		var id *uuid.UUID
		if l.row != nil {
			id = &l.row.EventID
		}
		byKey[l.keyID] = addGrave(byKey[l.keyID], id, l.reason, validText(l.line))
	}
	for keyID, graves := range byKey {
		if err := insertLetters(ctx, tx, keyID, AtDrain, graves); err != nil {
			return err
		}
	}
	return nil
}

func awayFrom(act string, err error) error {
	if isDataFault(err) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", act, err)
	}
	return fmt.Errorf("%s: %w: %w", act, fault.Unavailable, err)
}
