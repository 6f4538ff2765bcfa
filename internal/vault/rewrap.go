package vault

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// rewrapBatch bounds one transaction of Rewrap.
const rewrapBatch = 200

// Rewrap wraps every living data key with the KEK that wraps now and returns
// how many there were. It is for a job, after a rotation; safe to repeat and
// to run twice at once.
func (v *Vault) Rewrap(ctx context.Context, actor auth.Actor) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	total := 0
	for {
		n := 0
		err := postgres.InTx(ctx, v.DB, func(tx pgx.Tx) error {
			var err error
			n, err = v.rewrapBatch(ctx, tx)
			return err
		})
		total += n
		if err != nil {
			return total, fmt.Errorf("rewrap data keys: %w", err)
		}
		if n < rewrapBatch {
			return total, nil
		}
	}
}

// wrappedKey is a data key with what it is bound to.
type wrappedKey struct {
	Payload uuid.UUID
	KekID   string
	Wrapped []byte
	EventID string
	Field   string
	Subject string
}

func (v *Vault) rewrapBatch(ctx context.Context, tx pgx.Tx) (int, error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, sealingLock); err != nil {
		return 0, err
	}
	current, err := v.KEK.ID()
	if err != nil {
		return 0, err
	}
	rows, err := tx.Query(ctx, `
		SELECT payload, kek_id, wrapped, event_id, field, subject
		FROM vault_keys k JOIN vault_payloads ON id = payload
		WHERE kek_id <> $1
		LIMIT $2
		FOR UPDATE OF k SKIP LOCKED`, current, rewrapBatch)
	if err != nil {
		return 0, err
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByName[wrappedKey])
	if err != nil {
		return 0, err
	}
	for _, key := range keys {
		bound := Context{key.EventID, key.Field, key.Subject}.bound(key.Payload)
		dataKey, err := v.KEK.Unwrap(ctx, key.KekID, key.Wrapped, bound)
		if err != nil {
			return 0, fmt.Errorf("payload %s: %w", key.Payload, err)
		}
		id, wrapped, err := v.KEK.Wrap(ctx, dataKey, bound)
		if err != nil {
			return 0, fmt.Errorf("payload %s: %w", key.Payload, err)
		}
		if _, err := tx.Exec(ctx, `UPDATE vault_keys SET kek_id = $2, wrapped = $3 WHERE payload = $1`, key.Payload, id, wrapped); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}

// Retire forgets the keyset's keys that wrap no longer, once nothing living
// needs them, and returns how many. From then on no copy of the database can
// bring back what was shredded before the rotation. It returns fault.Conflict
// while Rewrap has work left.
func (v *Vault) Retire(ctx context.Context, actor auth.Actor, keys *Keyset) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	dropped := 0
	err := postgres.InTx(ctx, v.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, sealingLock); err != nil {
			return err
		}
		current, err := keys.ID()
		if err != nil {
			return err
		}
		var left int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM vault_keys WHERE kek_id <> $1`, current).Scan(&left); err != nil {
			return err
		}
		if left > 0 {
			return fault.Say(fault.Conflict, "%d data keys are still wrapped with an older key; rewrap them first.", left)
		}
		if dropped, err = keys.drop(); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "vault_key.retire", Object: "vault_key/" + current,
			What: fmt.Sprintf("%d older keys forgotten", dropped),
		})
	})
	if err != nil {
		return 0, fmt.Errorf("retire older keys: %w", err)
	}
	return dropped, nil
}
