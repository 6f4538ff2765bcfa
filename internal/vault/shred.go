package vault

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Shredded counts what an erasure did.
type Shredded struct {
	Gone int // can never be read again
	Held int // kept, because a legal hold says so
}

// Shred destroys payloads for good. Those that do not exist or are gone
// already are passed over, so it is safe to repeat.
func (v *Vault) Shred(ctx context.Context, tx pgx.Tx, actor auth.Actor, refs ...string) (Shredded, error) {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return Shredded{}, err
	}
	var ids []uuid.UUID
	for _, ref := range refs {
		if id, err := uuid.Parse(ref); err == nil {
			ids = append(ids, id)
		}
	}
	return v.shred(ctx, tx, actor, "asked for by name", `id = ANY($1)`, ids)
}

// ShredSubject destroys everything that was sealed of one person. The entry
// it leaves says how much, not whose.
func (v *Vault) ShredSubject(ctx context.Context, tx pgx.Tx, actor auth.Actor, subject string) (Shredded, error) {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return Shredded{}, err
	}
	if subject == "" {
		return Shredded{}, fault.Say(fault.Invalid, "Erasing a person needs their id: texts of nobody in particular are not one person's.")
	}
	return v.shred(ctx, tx, actor, "a person was erased", `subject = $1`, subject)
}

// shredBatch bounds one transaction of ShredExpired.
const shredBatch = 500

// ShredExpired destroys what is past its time, in short transactions, and
// returns how much that was. It is for a job.
func (v *Vault) ShredExpired(ctx context.Context, actor auth.Actor) (int, error) {
	return v.shredExpired(ctx, actor, time.Now())
}

func (v *Vault) shredExpired(ctx context.Context, actor auth.Actor, now time.Time) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	total := 0
	for {
		var batch Shredded
		err := postgres.InTx(ctx, v.DB, func(tx pgx.Tx) error {
			var err error
			batch, err = v.shred(ctx, tx, actor, "past its time", fmt.Sprintf(`
				held_at IS NULL AND id IN (
					SELECT id FROM vault_payloads
					WHERE keep_until < $1 AND shredded_at IS NULL AND held_at IS NULL
					ORDER BY keep_until
					LIMIT %d
					FOR UPDATE SKIP LOCKED)`, shredBatch), now)
			return err
		})
		total += batch.Gone
		if err != nil || batch.Gone < shredBatch {
			return total, err
		}
	}
}

// shred destroys what the condition names and is not held, and leaves one
// entry for it.
func (v *Vault) shred(ctx context.Context, tx pgx.Tx, actor auth.Actor, why, which string, arg any) (Shredded, error) {
	var done Shredded
	err := tx.QueryRow(ctx, `
		WITH chosen AS (
			SELECT id, held_at FROM vault_payloads
			WHERE shredded_at IS NULL AND `+which+`
			FOR UPDATE
		), keys AS (
			DELETE FROM vault_keys USING chosen
			WHERE payload = chosen.id AND chosen.held_at IS NULL
		), emptied AS (
			UPDATE vault_payloads p
			SET ciphertext = NULL, shredded_at = now()
			FROM chosen
			WHERE p.id = chosen.id AND chosen.held_at IS NULL
			RETURNING p.id
		)
		SELECT (SELECT count(*) FROM emptied), (SELECT count(*) FROM chosen WHERE held_at IS NOT NULL)`, arg).Scan(&done.Gone, &done.Held)
	if err != nil {
		return Shredded{}, fmt.Errorf("shred payloads, %s: %w", why, err)
	}
	if done == (Shredded{}) {
		return done, nil
	}
	return done, audit.Record(ctx, tx, audit.Entry{
		Actor: actor, Action: "payload.shred", Object: "payload/several",
		What: fmt.Sprintf("%s: %d destroyed, %d held", why, done.Gone, done.Held),
	})
}

// Hold keeps a payload, whatever its time and whoever asks for its erasure,
// until Release. It returns fault.NotFound when it is gone already.
func (v *Vault) Hold(ctx context.Context, tx pgx.Tx, actor auth.Actor, ref, reason string) error {
	return v.setHold(ctx, tx, actor, ref, reason, "hold", `now()`)
}

// Release ends a hold; the payload's own time counts again.
func (v *Vault) Release(ctx context.Context, tx pgx.Tx, actor auth.Actor, ref, reason string) error {
	return v.setHold(ctx, tx, actor, ref, reason, "release", `NULL`)
}

func (v *Vault) setHold(ctx context.Context, tx pgx.Tx, actor auth.Actor, ref, reason, verb, heldAt string) error {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return err
	}
	if reason == "" {
		return fault.Say(fault.Invalid, "A legal hold and its end need a reason.")
	}
	id, err := parse(ref)
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `UPDATE vault_payloads SET held_at = `+heldAt+` WHERE id = $1 AND shredded_at IS NULL`, id)
	if err != nil {
		return fmt.Errorf("%s payload %s: %w", verb, ref, err)
	}
	if tag.RowsAffected() == 0 {
		return notHere()
	}
	return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "payload." + verb, Object: "payload/" + ref, Reason: reason})
}
