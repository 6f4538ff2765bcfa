package telemetry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Origin says where an event was refused.
type Origin string

// The origins.
const (
	AtDoor  Origin = "door"  // the sender was told
	AtDrain Origin = "drain" // acknowledged, and ClickHouse would not have it
)

// DeadLetter is an event that was refused, with the reason.
type DeadLetter struct {
	ID         int64      `db:"id"`
	At         time.Time  `db:"at"`
	KeyID      int64      `db:"key_id"`
	Key        string     `db:"key"` // its public id; "" for the product itself
	Origin     Origin     `db:"origin"`
	EventID    *uuid.UUID `db:"event_id"`
	Reason     string     `db:"reason"`
	Body       string     `db:"body"`  // redacted; "" where consent allows no text
	Times      int        `db:"times"` // how often it came
	ReplayedAt *time.Time `db:"replayed_at"`
	ReplayedBy *string    `db:"replayed_by"`
	Outcome    *string    `db:"outcome"` // of the replay: accepted, duplicate, refused
}

// What one request can leave behind, and how much of one event.
const (
	lettersPerRequest = 100
	letterBody        = 16 << 10
)

// grave is one letter to be: events refused alike share it.
type grave struct {
	id           *uuid.UUID
	reason, body string
	times        int32
	digest       [sha256.Size]byte
}

// bury keeps refused events of one request: redacted, cut, and without a body
// where the key's consent allows no text. Of very many in one request the
// first hundred kinds tell the story.
func (t *taking) bury(ctx context.Context, tx pgx.Tx, refused []rejected) error {
	var graves []grave
	for _, r := range refused {
		if len(graves) == lettersPerRequest {
			break
		}
		body := ""
		if t.terms.Consent.AllowsText() && t.terms.Capture != CaptureHash {
			body, _ = t.text.Text(cut(validText(r.raw), letterBody))
		}
		graves = addGrave(graves, nil, r.Error, body)
	}
	return insertLetters(ctx, tx, t.keyID, AtDoor, graves)
}

func addGrave(graves []grave, id *uuid.UUID, reason, body string) []grave {
	digest := sha256.Sum256([]byte(reason + "\x1f" + body))
	for i := range graves {
		if graves[i].digest == digest {
			graves[i].times++
			return graves
		}
	}
	return append(graves, grave{id, reason, body, 1, digest})
}

// insertLetters writes them in order of digest, so that two requests with the
// same faults wait for each other and never deadlock.
func insertLetters(ctx context.Context, tx pgx.Tx, keyID int64, origin Origin, graves []grave) error {
	if len(graves) == 0 {
		return nil
	}
	slices.SortFunc(graves, func(a, b grave) int { return bytes.Compare(a.digest[:], b.digest[:]) })
	var (
		ids             = make([]*uuid.UUID, len(graves))
		reasons, bodies = make([]string, len(graves)), make([]string, len(graves))
		times           = make([]int32, len(graves))
		digests         = make([][]byte, len(graves))
	)
	for i, g := range graves {
		ids[i], reasons[i], bodies[i], times[i], digests[i] = g.id, g.reason, g.body, g.times, g.digest[:16]
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO dead_letters (key_id, origin, event_id, reason, body, times, digest)
		SELECT $1, $2, event_id, reason, body, times, digest
		FROM unnest($3::uuid[], $4::text[], $5::text[], $6::int[], $7::bytea[])
		     AS letter (event_id, reason, body, times, digest)
		ON CONFLICT (key_id, origin, digest) WHERE replayed_at IS NULL
		DO UPDATE SET times = dead_letters.times + EXCLUDED.times, at = now()`,
		keyID, origin, ids, reasons, bodies, times, digests)
	return err
}

// LetterPage is one page of dead letters, newest first.
type LetterPage struct {
	Letters []DeadLetter
	Total   int64
	Older   int64 // pass as before to see older ones; 0 at the end
}

// DeadLetters lists refused events, newest first, those replayed well left
// out; with a reason only those refused for it. before is the id of the last
// letter seen, 0 for the newest.
func (s *Store) DeadLetters(ctx context.Context, actor auth.Actor, reason string, before int64, limit int) (LetterPage, error) {
	if err := actor.Require(auth.ImportLabels); err != nil {
		return LetterPage{}, err
	}
	limit = min(max(limit, 1), 200)
	rows, err := s.DB.Query(ctx, `
		SELECT id, at, key_id, coalesce((SELECT 'wb_' || public_id FROM keys WHERE keys.id = key_id), '') AS key, origin, event_id, reason, body, times, replayed_at, replayed_by, outcome
		FROM dead_letters
		WHERE ($1 = 0 OR id < $1)
		  AND outcome IS DISTINCT FROM 'accepted'
		  AND ($3 = '' OR reason = $3)
		ORDER BY id DESC
		LIMIT $2`, before, limit+1, reason)
	if err != nil {
		return LetterPage{}, err
	}
	letters, err := pgx.CollectRows(rows, pgx.RowToStructByName[DeadLetter])
	if err != nil {
		return LetterPage{}, err
	}
	page := LetterPage{Letters: letters}
	if len(letters) > limit {
		page.Letters, page.Older = letters[:limit], letters[limit-1].ID
	}
	err = s.DB.QueryRow(ctx, `SELECT count(*) FROM dead_letters WHERE outcome IS DISTINCT FROM 'accepted' AND ($1 = '' OR reason = $1)`, reason).Scan(&page.Total)
	return page, err
}

// DeadLetter returns one letter.
func (s *Store) DeadLetter(ctx context.Context, actor auth.Actor, id int64) (DeadLetter, error) {
	if err := actor.Require(auth.ImportLabels); err != nil {
		return DeadLetter{}, err
	}
	return letter(ctx, s.DB, id)
}

func letter(ctx context.Context, db querier, id int64) (DeadLetter, error) {
	rows, err := db.Query(ctx, `
		SELECT id, at, key_id, coalesce((SELECT 'wb_' || public_id FROM keys WHERE keys.id = key_id), '') AS key, origin, event_id, reason, body, times, replayed_at, replayed_by, outcome
		FROM dead_letters
		WHERE id = $1`, id)
	if err != nil {
		return DeadLetter{}, err
	}
	l, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[DeadLetter])
	if errors.Is(err, pgx.ErrNoRows) {
		return DeadLetter{}, fault.Say(fault.NotFound, "There is no dead letter %d.", id)
	}
	return l, err
}

// Replay sends a letter in again, under the terms its key has now. The letter
// keeps what came of it.
func (s *Store) Replay(ctx context.Context, actor auth.Actor, id int64) (outcome string, err error) {
	if err := actor.Require(auth.ImportLabels); err != nil {
		return "", err
	}
	if err := s.openDays(ctx, s.now()); err != nil {
		return "", unavailable("open a day of the inbox", err)
	}
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM dead_letters WHERE id = $1 FOR UPDATE`, id); err != nil {
			return err
		}
		l, err := letter(ctx, tx, id)
		if err != nil {
			return err
		}
		outcome, err = s.replay(ctx, tx, actor, l)
		return err
	})
	return outcome, err
}

func (s *Store) replay(ctx context.Context, tx pgx.Tx, actor auth.Actor, l DeadLetter) (string, error) {
	if l.Outcome != nil && *l.Outcome != "refused" {
		return "", fault.Say(fault.Conflict, "Letter %d was replayed already.", l.ID)
	}
	if l.Body == "" {
		return "", fault.Say(fault.Conflict, "Letter %d has no body: its key's consent allows no text to be kept, so only its sender can send it again.", l.ID)
	}
	t, err := s.taking(ctx, auth.Actor{Kind: auth.Key, ID: l.KeyID})
	if err != nil {
		return "", err
	}
	r, why := t.reread(l)
	outcome, err := s.replayOne(ctx, tx, t, l, r)
	if err != nil {
		return "", err
	}
	reason := l.Reason
	if why != nil {
		reason = why.Error()
	}
	_, err = tx.Exec(ctx, `
		UPDATE dead_letters
		SET replayed_at = now(), replayed_by = $2, outcome = $3, reason = $4
		WHERE id = $1`, l.ID, actor.Name, outcome, reason)
	if err != nil {
		return "", err
	}
	return outcome, audit.Record(ctx, tx, audit.Entry{
		Actor: actor, Action: "deadletter.replay", Object: fmt.Sprintf("deadletter/%d", l.ID), What: outcome,
	})
}

// Replayed counts what came of letters that were replayed together.
type Replayed struct {
	Accepted, Duplicate, Refused int
	Bodyless                     int // cannot be replayed: no body was kept
}

// lettersAtOnce bounds one ReplayAlike.
const lettersAtOnce = 2_000

// ReplayAlike sends in again every letter with the reason that this one has,
// the oldest 2,000 of them. Each is replayed by itself, so what was done when
// it is interrupted stays done; what was accepted once is not sent again.
func (s *Store) ReplayAlike(ctx context.Context, actor auth.Actor, id int64) (Replayed, error) {
	l, err := s.DeadLetter(ctx, actor, id)
	if err != nil {
		return Replayed{}, err
	}
	rows, err := s.DB.Query(ctx, `
		SELECT id
		FROM dead_letters
		WHERE reason = $1 AND (outcome IS NULL OR outcome = 'refused') AND body != ''
		ORDER BY id
		LIMIT $2`, l.Reason, lettersAtOnce)
	if err != nil {
		return Replayed{}, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return Replayed{}, err
	}
	var done Replayed
	for _, id := range ids {
		outcome, err := s.Replay(ctx, actor, id)
		switch {
		case fault.Of(err) == fault.Conflict: // somebody else was faster
		case err != nil:
			return done, err
		case outcome == "accepted":
			done.Accepted++
		case outcome == "duplicate":
			done.Duplicate++
		default:
			done.Refused++
		}
	}
	err = s.DB.QueryRow(ctx, `
		SELECT count(*)
		FROM dead_letters
		WHERE reason = $1 AND outcome IS NULL AND body = ''`, l.Reason).Scan(&done.Bodyless)
	return done, err
}

// LetterReason is a reason with how much of it there is.
type LetterReason struct {
	Reason  string    `db:"reason"`
	Letters int64     `db:"letters"`
	Times   int64     `db:"times"` // events refused for it
	Last    time.Time `db:"last"`
	Newest  int64     `db:"newest"` // id of its newest letter
}

// LetterReasons lists why events were refused, the most frequent first, those
// replayed well left out: at most 100.
func (s *Store) LetterReasons(ctx context.Context, actor auth.Actor) ([]LetterReason, error) {
	if err := actor.Require(auth.ImportLabels); err != nil {
		return nil, err
	}
	rows, err := s.DB.Query(ctx, `
		SELECT reason, count(*) AS letters, sum(times)::bigint AS times, max(at) AS last, max(id) AS newest
		FROM dead_letters
		WHERE outcome IS DISTINCT FROM 'accepted'
		GROUP BY reason
		ORDER BY letters DESC, reason
		LIMIT 100`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[LetterReason])
}

// reread decodes a letter's body: at the door that is what was sent, from
// the drain it is a line of the inbox.
func (t *taking) reread(l DeadLetter) (*row, error) {
	if l.Origin == AtDrain {
		return readRow([]byte(l.Body))
	}
	r, err := decode([]byte(l.Body))
	if err != nil {
		return nil, err
	}
	return r, t.take(r)
}

func (s *Store) replayOne(ctx context.Context, tx pgx.Tx, t *taking, l DeadLetter, r *row) (string, error) {
	if r == nil {
		return "refused", nil
	}
	if l.Origin == AtDoor {
		fresh, err := t.claimIDs(ctx, tx, []uuid.UUID{r.EventID})
		if err != nil {
			return "", err
		}
		if len(fresh) == 0 {
			return "duplicate", nil
		}
	}
	if _, err := s.seal(ctx, tx, []*row{r}); err != nil {
		return "", err
	}
	body, size := pack([]*row{r})
	return "accepted", s.enqueue(ctx, tx, []packed{{t, 1, body, size}})
}
