package labeling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Exclusion is one version of which of a labeler's labels are left out of
// everything that is made of labels. The labels themselves stay.
type Exclusion struct {
	ID         int64
	Version    int
	Excluded   bool // false: all of them count again
	From, To   *time.Time
	Reason     string
	Labels     int64 // that it concerned when it was decided
	By         string
	DecidedAt  time.Time
	ReplayedAt *time.Time // nil while consensus and rates are being made again
}

// Excluded says that which of a labeler's labels count has changed.
type Excluded struct {
	LabelerID int64 `json:"labeler_id"`
}

// Kind names the job; it is never renamed.
func (Excluded) Kind() string { return "labeling.excluded" }

// countsStill holds of revisions l whose labels no decision leaves out.
const countsStill = `NOT EXISTS (SELECT FROM labelers x WHERE x.id = l.labeler_id AND x.left_out @> l.labeled_at)`

// Exclude leaves a labeler's labels out that were given from one moment to
// another; nil is the first label, and now: what is still to come is no
// decision about labels, but a suspension. It is a new version each time, and the
// newest stands alone. Consensus, agreement and rates follow in a job. Signals
// never do it, and nobody decides about themselves.
func (s *Store) Exclude(ctx context.Context, actor auth.Actor, labeler int64, from, to *time.Time, reason string) error {
	return s.decideExclusion(ctx, actor, labeler, Exclusion{Excluded: true, From: from, To: to, Reason: reason})
}

// Include has all labels of a labeler count again.
func (s *Store) Include(ctx context.Context, actor auth.Actor, labeler int64, reason string) error {
	return s.decideExclusion(ctx, actor, labeler, Exclusion{Reason: reason})
}

func (s *Store) decideExclusion(ctx context.Context, actor auth.Actor, labeler int64, e Exclusion) error {
	if err := actor.Require(auth.Adjudicate); err != nil {
		return err
	}
	e.Reason = strings.TrimSpace(e.Reason)
	if e.Reason == "" || len(e.Reason) > 4*maxNote {
		return fault.Say(fault.Invalid, "Give the reason: the labeler will read it. At most 4,000 characters.")
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var person *int64
		var out bool
		var now time.Time
		err := tx.QueryRow(ctx, `SELECT person_id, NOT isempty(left_out), clock_timestamp() FROM labelers WHERE id = $1 FOR UPDATE`, labeler).Scan(&person, &out, &now)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("labeler %d: %w", labeler, fault.NotFound)
		case err != nil:
			return err
		case person != nil && *person == actor.ID:
			return fault.Say(fault.Denied, "Nobody decides about themselves. Ask another reviewer.")
		case !e.Excluded && !out:
			return fault.Say(fault.Conflict, "All their labels count already.")
		}
		if e.Excluded && (e.To == nil || e.To.After(now)) {
			e.To = &now
		}
		if e.From != nil && !e.From.Before(*e.To) {
			return fault.Say(fault.Invalid, "Labels are left out from one day to a later one, and not before they are given.")
		}
		return s.writeExclusion(ctx, tx, actor, labeler, e)
	})
}

func (s *Store) writeExclusion(ctx context.Context, tx pgx.Tx, actor auth.Actor, labeler int64, e Exclusion) error {
	err := tx.QueryRow(ctx, `
		WITH made AS (
			UPDATE labelers SET left_out = CASE WHEN $2 THEN tstzrange($3, $4) ELSE 'empty' END WHERE id = $1
			RETURNING left_out
		)
		INSERT INTO exclusions (labeler_id, version, excluded, from_at, to_at, reason, labels, decided_by)
		SELECT $1, coalesce((SELECT max(version) FROM exclusions WHERE labeler_id = $1), 0) + 1, $2, $3, $4, $5,
		       (SELECT count(DISTINCT l.item_id) FROM labels l, made WHERE l.labeler_id = $1 AND l.purpose = 'count' AND made.left_out @> l.labeled_at), $6
		RETURNING version, labels`, labeler, e.Excluded, e.From, e.To, e.Reason, actor.ID).Scan(&e.Version, &e.Labels)
	if err != nil {
		return fmt.Errorf("leave out labels of labeler %d: %w", labeler, err)
	}
	entry := audit.Entry{Actor: actor, Action: "labeler.include", Object: fmt.Sprintf("labeler/%d", labeler), What: e.Reason,
		After: map[string]any{"version": e.Version, "labels": e.Labels, "from": e.From, "to": e.To}}
	if e.Excluded {
		entry.Action = "labeler.exclude"
	}
	if err := audit.Record(ctx, tx, entry); err != nil {
		return err
	}
	if s.Jobs == nil {
		return nil
	}
	_, err = s.Jobs.InsertTx(ctx, tx, Excluded{labeler}, nil)
	return err
}

// replayChunk is how many items are settled again in one transaction: their
// locks are let go between.
const replayChunk = 200

// ReplayExclusion settles again every item that a labeler labeled, by the labels
// that count now, and returns how many. An item left without enough of them is
// put before another labeler. It is safe to repeat; the same labels give the
// same consensus.
func (s *Store) ReplayExclusion(ctx context.Context, actor auth.Actor, labeler int64) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	var newest int
	err := s.DB.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM exclusions WHERE labeler_id = $1`, labeler).Scan(&newest)
	if err != nil {
		return 0, fmt.Errorf("replay labeler %d: %w", labeler, err)
	}
	settled, after := 0, int64(0)
	for {
		var n int
		err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) (err error) {
			n, after, err = replay(ctx, tx, labeler, after)
			if err != nil || n == replayChunk {
				return err
			}
			_, err = tx.Exec(ctx, `UPDATE exclusions SET replayed_at = clock_timestamp() WHERE labeler_id = $1 AND version <= $2 AND replayed_at IS NULL`, labeler, newest)
			return err
		})
		if settled += n; err != nil {
			return settled, fmt.Errorf("replay labeler %d after item %d: %w", labeler, after, err)
		}
		if n < replayChunk {
			return settled, nil
		}
	}
}

// replay settles the next items of a labeler, in the order of their ids, so that
// two replays never wait for one another crosswise.
func replay(ctx context.Context, tx pgx.Tx, labeler, after int64) (int, int64, error) {
	rows, _ := tx.Query(ctx, `
		SELECT i.id, i.event_id FROM items i
		WHERE i.id > $2 AND i.id IN (SELECT item_id FROM labels WHERE labeler_id = $1 AND purpose = 'count')
		ORDER BY i.id
		LIMIT $3`, labeler, after, replayChunk)
	type place struct {
		ID      int64
		EventID uuid.UUID
	}
	items, err := pgx.CollectRows(rows, pgx.RowToStructByName[place])
	if err != nil {
		return 0, after, err
	}
	for _, item := range items {
		if err := replace(ctx, tx, labeler, item.ID); err != nil {
			return 0, after, err
		}
		if _, err := tx.Exec(ctx, `SELECT FROM items WHERE id = $1 FOR UPDATE`, item.ID); err != nil {
			return 0, after, err
		}
		if _, err := settle(ctx, tx, item.ID, item.EventID); err != nil {
			return 0, after, err
		}
		after = item.ID
	}
	return len(items), after, nil
}

// leftOut is why a reservation whose label is left out no longer has its place.
const leftOut = "left out"

// replace gives the place of a label that is left out to another labeler, as if
// the item had been passed over: it is met already and its threshold stays, so
// that until then it is nonresponse. A label that counts again has its place
// again, beside whoever came meanwhile.
func replace(ctx context.Context, tx pgx.Tx, labeler, item int64) error {
	const latestOut = `(
		SELECT NOT ` + countsStill + ` FROM labels l
		WHERE l.item_id = $2 AND l.labeler_id = $1 AND l.purpose = 'count'
		ORDER BY l.revision DESC LIMIT 1)`
	batch := &pgx.Batch{}
	batch.Queue(`
		UPDATE reservations SET state = 'skipped', reason = $3
		WHERE labeler_id = $1 AND item_id = $2 AND state = 'labeled' AND purpose = 'count' AND `+latestOut, labeler, item, leftOut)
	batch.Queue(`
		UPDATE items SET wanted = greatest(wanted, taken + 1)
		WHERE id = $2 AND NOT `+latestOut+`
		  AND EXISTS (SELECT FROM reservations r WHERE r.labeler_id = $1 AND r.item_id = $2 AND r.state = 'skipped' AND r.reason = $3)`, labeler, item, leftOut)
	batch.Queue(`
		UPDATE reservations SET state = 'labeled', reason = ''
		WHERE labeler_id = $1 AND item_id = $2 AND state = 'skipped' AND reason = $3 AND NOT `+latestOut, labeler, item, leftOut)
	return tx.SendBatch(ctx, batch).Close()
}

// exclusionsOf lists the versions of what is left out of a labeler's labels,
// newest first.
func (s *Store) exclusionsOf(ctx context.Context, labeler int64) ([]Exclusion, error) {
	rows, _ := s.DB.Query(ctx, `
		SELECT e.id, e.version, e.excluded, e.from_at AS "from", e.to_at AS "to", e.reason, e.labels, coalesce(p.name, 'somebody') AS by, e.decided_at, e.replayed_at
		FROM exclusions e LEFT JOIN people p ON p.id = e.decided_by
		WHERE e.labeler_id = $1
		ORDER BY e.version DESC
		LIMIT 100`, labeler)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Exclusion])
	if err != nil {
		return nil, fmt.Errorf("what is left out of labeler %d: %w", labeler, err)
	}
	return list, nil
}
