package telemetry

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/retention"
)

// ConsentLog is the place of what people consented to. Its entries stay when a
// person is erased, since they are why the rest was kept lawfully; the person's
// name in them becomes a salted hash.
type ConsentLog struct{ *Store }

// Name says which place this is.
func (ConsentLog) Name() string { return "names in the consent log" }

// Overdue is nothing: the log has no end.
func (ConsentLog) Overdue(context.Context, retention.Cutoff) (int64, error) { return 0, nil }

// Expire ends nothing.
func (ConsentLog) Expire(context.Context, auth.Actor, retention.Cutoff) (int64, error) { return 0, nil }

// Count says how many entries carry the person's name.
func (l ConsentLog) Count(ctx context.Context, p retention.Person) (n int64, err error) {
	err = l.DB.QueryRow(ctx, `SELECT count(*) FROM consent_log WHERE user_id_hash = $1`, p.Hash).Scan(&n)
	return n, err
}

// Erase takes the name out of them.
func (l ConsentLog) Erase(ctx context.Context, actor auth.Actor, p retention.Person) (n int64, err error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	if p.Hash == "" {
		return 0, nil
	}
	salt, err := consentSalt(ctx, l.DB)
	if err != nil {
		return 0, err
	}
	err = l.DB.QueryRow(ctx, `SELECT forget_in_consent_log($1, $2)`, p.Hash, erasedName(salt, p.Hash)).Scan(&n)
	l.limits.forget()
	return n, err
}

// consentSalt is the first salt of the installation, which never changes.
func consentSalt(ctx context.Context, db postgres.DB) (salt string, err error) {
	if err = db.QueryRow(ctx, `SELECT salt FROM keep_salts ORDER BY created_at, id LIMIT 1`).Scan(&salt); err != nil {
		return "", fmt.Errorf("read the salt of erased names: %w", err)
	}
	return salt, nil
}

const erasedPrefix = "erased:"

// erasedName is what stands for a person's name once they were erased.
func erasedName(salt, person string) string {
	mac := hmac.New(sha256.New, []byte(salt))
	mac.Write([]byte("consent\x1f" + person))
	return erasedPrefix + hex.EncodeToString(mac.Sum(nil)[:16])
}
