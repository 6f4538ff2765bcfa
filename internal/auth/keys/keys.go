// Package keys knows the API keys of programs: wb_<id>_<secret>, scoped,
// expiring, shown once. A key has scopes and never a role.
package keys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Ring holds the keys of one installation.
type Ring struct {
	DB    postgres.DB
	Clock func() time.Time // nil is time.Now
}

// Key is one API key, without its secret.
type Key struct {
	ID         int64 // database identity; PublicID is what people read
	PublicID   string
	Name       string
	Scopes     []auth.Scope
	MadeBy     string // name of the person; "" for the machine itself
	MadeAt     time.Time
	ExpiresAt  time.Time
	RevokedAt  *time.Time
	LastUsedAt *time.Time
}

// State is active, revoked or expired at the time.
func (k Key) State(now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case !now.Before(k.ExpiresAt):
		return "expired"
	}
	return "active"
}

// New is a key to be made.
type New struct {
	Name   string
	Scopes []auth.Scope
	Lasts  time.Duration // 0 takes DefaultLasts; at most LongestLasts
}

// How long keys last.
const (
	DefaultLasts = 90 * 24 * time.Hour
	LongestLasts = 366 * 24 * time.Hour
)

const usedEvery = time.Minute // a request writes last_used_at at most this often

// Create makes a key and returns its whole text, the only time it can be read.
func (r *Ring) Create(ctx context.Context, actor auth.Actor, n New) (Key, string, error) {
	if err := mayManage(actor); err != nil {
		return Key{}, "", err
	}
	n.Name = strings.TrimSpace(n.Name)
	if n.Lasts == 0 {
		n.Lasts = DefaultLasts
	}
	if err := n.check(); err != nil {
		return Key{}, "", err
	}
	public, secret := randomID(), randomSecret()
	var k Key
	err := postgres.InTx(ctx, r.DB, func(tx pgx.Tx) error {
		now := r.now()
		var madeBy *int64
		if actor.Kind == auth.Person {
			madeBy = &actor.ID
		}
		var id int64
		err := tx.QueryRow(ctx, `
			INSERT INTO keys (public_id, secret_hash, name, scopes, made_by, made_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			RETURNING id`, public, digest(secret), n.Name, texts(n.Scopes), madeBy, now, now.Add(n.Lasts)).Scan(&id)
		if err != nil {
			return fmt.Errorf("make a key: %w", err)
		}
		if k, err = one(ctx, tx, id); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "key.create", Object: object(id),
			What: "wb_" + public + ": " + strings.Join(texts(n.Scopes), ", ") + ", until " + k.ExpiresAt.UTC().Format(time.DateOnly), After: n})
	})
	if err != nil {
		return Key{}, "", err
	}
	return k, "wb_" + public + "_" + secret, nil
}

func (n New) check() error {
	switch {
	case n.Name == "" || len([]rune(n.Name)) > 100 || strings.ContainsAny(n.Name, "\r\n\x00"):
		return fault.Say(fault.Invalid, "The name must have 1 to 100 characters. It tells you later what uses this key.")
	case len(n.Scopes) == 0:
		return fault.Say(fault.Invalid, "Choose at least one thing the key may do.")
	case n.Lasts < time.Minute || n.Lasts > LongestLasts:
		return fault.Say(fault.Invalid, "A key lasts at most 366 days.")
	}
	for _, s := range n.Scopes {
		if !slices.Contains(auth.Scopes, s) {
			return fault.Say(fault.Invalid, "There is no such scope. There are %s.", strings.Join(texts(auth.Scopes), ", "))
		}
	}
	return nil
}

// mayManage: engineers and the product itself, never another key.
func mayManage(actor auth.Actor) error {
	if actor.Kind == auth.Key {
		return fault.Say(fault.Denied, "A key cannot make or revoke keys.")
	}
	return actor.Require(auth.Configure)
}

// List returns every key, the newest first.
func (r *Ring) List(ctx context.Context, actor auth.Actor) ([]Key, error) {
	if err := mayManage(actor); err != nil {
		return nil, err
	}
	rows, err := r.DB.Query(ctx, selectKey+` ORDER BY k.id DESC`)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return pgx.CollectRows(rows, scan)
}

// Revoke ends a key by its public id; its next request is refused.
func (r *Ring) Revoke(ctx context.Context, actor auth.Actor, publicID string) error {
	if err := mayManage(actor); err != nil {
		return err
	}
	return postgres.InTx(ctx, r.DB, func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `
			UPDATE keys SET revoked_at = $2
			WHERE public_id = $1 AND revoked_at IS NULL
			RETURNING id`, strings.TrimPrefix(publicID, "wb_"), r.now()).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.NotFound, "There is no such key in force.")
		}
		if err != nil {
			return fmt.Errorf("revoke key %s: %w", publicID, err)
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "key.revoke", Object: object(id)})
	})
}

// Check returns the actor of an Authorization header: "Bearer wb_id_secret",
// or Basic with the id as user and the secret as password, as exporters of
// other products send it. Anything else is fault.Denied in the same words.
func (r *Ring) Check(ctx context.Context, header string) (auth.Actor, error) {
	public, secret, ok := parse(header)
	if !ok {
		return auth.Actor{}, errKey
	}
	var id int64
	var hash []byte
	var scopes []string
	var expires time.Time
	var revoked, used *time.Time
	err := r.DB.QueryRow(ctx, `SELECT id, secret_hash, scopes, expires_at, revoked_at, last_used_at FROM keys WHERE public_id = $1`, public).
		Scan(&id, &hash, &scopes, &expires, &revoked, &used)
	if errors.Is(err, pgx.ErrNoRows) {
		return auth.Actor{}, errKey
	}
	if err != nil {
		return auth.Actor{}, fmt.Errorf("check a key: %w", err)
	}
	now := r.now()
	if subtle.ConstantTimeCompare(hash, digest(secret)) != 1 || revoked != nil || !now.Before(expires) {
		return auth.Actor{}, errKey
	}
	if used == nil || now.Sub(*used) >= usedEvery {
		if _, err := r.DB.Exec(ctx, `UPDATE keys SET last_used_at = $2 WHERE id = $1`, id, now); err != nil {
			return auth.Actor{}, fmt.Errorf("note the use of key %s: %w", public, err)
		}
	}
	actor := auth.Actor{Kind: auth.Key, ID: id, Name: "wb_" + public}
	for _, s := range scopes {
		actor.Scopes = append(actor.Scopes, auth.Scope(s))
	}
	return actor, nil
}

// ErrKey refuses a key, whatever is wrong with it.
var errKey = fault.Say(fault.Denied, "The API key is not one of ours, has expired, or was revoked.")

// parse takes a credential apart.
func parse(header string) (public, secret string, ok bool) {
	scheme, value, _ := strings.Cut(header, " ")
	value = strings.TrimSpace(value)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return split(value)
	case strings.EqualFold(scheme, "Basic"):
		plain, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return "", "", false
		}
		user, password, _ := strings.Cut(string(plain), ":")
		if p, s, ok := split(password); ok { // the whole key as password
			return p, s, ok
		}
		public = strings.TrimPrefix(user, "wb_")
		return public, password, len(public) == idLength && len(password) == secretLength
	}
	return "", "", false
}

func split(key string) (public, secret string, ok bool) {
	rest, found := strings.CutPrefix(key, "wb_")
	public, secret, cut := strings.Cut(rest, "_")
	return public, secret, found && cut && len(public) == idLength && len(secret) == secretLength
}

const selectKey = `
	SELECT k.id, k.public_id, k.name, k.scopes, coalesce(p.name, ''), k.made_at, k.expires_at, k.revoked_at, k.last_used_at
	FROM keys k
	LEFT JOIN people p ON p.id = k.made_by`

func scan(row pgx.CollectableRow) (Key, error) {
	var k Key
	var scopes []string
	err := row.Scan(&k.ID, &k.PublicID, &k.Name, &scopes, &k.MadeBy, &k.MadeAt, &k.ExpiresAt, &k.RevokedAt, &k.LastUsedAt)
	for _, s := range scopes {
		k.Scopes = append(k.Scopes, auth.Scope(s))
	}
	return k, err
}

func one(ctx context.Context, tx pgx.Tx, id int64) (Key, error) {
	rows, err := tx.Query(ctx, selectKey+` WHERE k.id = $1`, id)
	if err != nil {
		return Key{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scan)
}

func (r *Ring) now() time.Time {
	if r.Clock != nil {
		return r.Clock()
	}
	return time.Now()
}

const (
	idLength     = 10
	secretLength = 43
)

func object(id int64) string { return fmt.Sprintf("key/%d", id) }

func randomID() string {
	b := make([]byte, 8)
	rand.Read(b)
	return strings.ToLower(base32.StdEncoding.EncodeToString(b))[:idLength]
}

// randomSecret returns 256 random bits as 43 characters; the underscore that
// divides a key is left out of the alphabet.
func randomSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.").
		WithPadding(base64.NoPadding).EncodeToString(b)
}

func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func texts(scopes []auth.Scope) []string {
	list := make([]string, len(scopes))
	for i, s := range scopes {
		list[i] = string(s)
	}
	return list
}
