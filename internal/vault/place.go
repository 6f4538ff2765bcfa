package vault

import (
	"context"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/retention"
)

// Payloads is the vault as a place whose text ends in time.
type Payloads struct{ *Vault }

// Name says which place this is.
func (Payloads) Name() string { return "vault of raw text" }

// Overdue counts what is past its time and not held.
func (v Payloads) Overdue(ctx context.Context, c retention.Cutoff) (n int64, err error) {
	err = v.DB.QueryRow(ctx, `
		SELECT count(*)
		FROM vault_payloads
		WHERE shredded_at IS NULL AND held_at IS NULL AND (keep_until < $1 OR sealed_at < $2) AND keep_until < '2106-01-01'`,
		c.Now, c.TextBefore()).Scan(&n)
	return n, err
}

// Expire brings the policy's time to what was sealed under a longer one, and
// shreds what is past its time.
func (v Payloads) Expire(ctx context.Context, actor auth.Actor, c retention.Cutoff) (int64, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	_, err := v.DB.Exec(ctx, `
		UPDATE vault_payloads SET keep_until = $1
		WHERE shredded_at IS NULL AND held_at IS NULL AND sealed_at < $2 AND keep_until > $1 AND keep_until < '2106-01-01'`,
		c.TextBefore(), c.TextBefore())
	if err != nil {
		return 0, err
	}
	n, err := v.shredExpired(ctx, actor, c.Now)
	return int64(n), err
}

// Count says how much of a person is sealed.
func (v Payloads) Count(ctx context.Context, p retention.Person) (n int64, err error) {
	err = v.DB.QueryRow(ctx, `SELECT count(*) FROM vault_payloads WHERE subject = $1 AND shredded_at IS NULL`, p.Hash).Scan(&n)
	if err != nil || n > 0 {
		return n, err
	}
	// Whose text it was goes with the text.
	err = v.DB.QueryRow(ctx, `SELECT count(*) FROM vault_payloads WHERE subject = $1`, p.Hash).Scan(&n)
	return n, err
}

// Erase destroys all that was sealed of a person, and that it was theirs.
func (v Payloads) Erase(ctx context.Context, actor auth.Actor, p retention.Person) (int64, error) {
	var done Shredded
	err := postgres.InTx(ctx, v.DB, func(tx pgx.Tx) error {
		var err error
		if done, err = v.ShredSubject(ctx, tx, actor, p.Hash); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE vault_payloads SET subject = '' WHERE subject = $1 AND shredded_at IS NOT NULL`, p.Hash)
		return err
	})
	return int64(done.Gone), err
}
