package vault

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/signing"
)

// KEK wraps data keys. The context is bound to the wrapped key: unwrapping
// with any other must fail.
type KEK interface {
	// ID names the key that wraps now.
	ID() (string, error)
	// Wrap returns with what it wrapped the id of the key that did.
	Wrap(ctx context.Context, dataKey, bound []byte) (id string, wrapped []byte, err error)
	// Unwrap opens what the key of that id has wrapped. It returns
	// fault.NotFound when that key is gone.
	Unwrap(ctx context.Context, id string, wrapped, bound []byte) ([]byte, error)
}

// Vault seals and opens raw text.
type Vault struct {
	DB  postgres.DB
	KEK KEK
}

// Context is what a payload is sealed as. It opens as nothing else.
type Context struct {
	EventID string
	Field   string // prompt, response, context, …
	Subject string // whose text it is: the hashed user id; "" when unknown
}

// maxPayload bounds one text.
const maxPayload = 16 << 20

// sealingLock is held shared while a key is wrapped, alone while one retires.
const sealingLock = 0x7661756c // "vaul"

// Seal encrypts the text in the caller's transaction and returns its ref, the
// raw_payload_ref of its event. It is shredded some time after keepUntil,
// unless it is held.
func (v *Vault) Seal(ctx context.Context, tx pgx.Tx, as Context, text []byte, keepUntil time.Time) (ref string, err error) {
	if len(text) > maxPayload {
		return "", fault.Say(fault.Invalid, "A raw text may have %d MiB at most.", maxPayload>>20)
	}
	id := uuid.New()
	dataKey := make([]byte, 32)
	rand.Read(dataKey) // never fails
	sealed, err := newGCM(dataKey)
	if err != nil {
		return "", err
	}
	bound := as.bound(id)
	ciphertext := sealed.Seal(nil, nil, text, bound)
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, sealingLock); err != nil {
		return "", fmt.Errorf("seal %s of event %s: %w", as.Field, as.EventID, err)
	}
	kek, wrapped, err := v.KEK.Wrap(ctx, dataKey, bound)
	if err != nil {
		return "", fmt.Errorf("seal %s of event %s: %w", as.Field, as.EventID, err)
	}
	_, err = tx.Exec(ctx, `
		WITH payload AS (
			INSERT INTO vault_payloads (id, event_id, field, subject, ciphertext, keep_until)
			VALUES ($1, $2, $3, $4, $5, $6)
			RETURNING id
		)
		INSERT INTO vault_keys (payload, kek_id, wrapped)
		SELECT id, $7, $8 FROM payload`,
		id, as.EventID, as.Field, as.Subject, ciphertext, keepUntil, kek, wrapped)
	if err != nil {
		return "", fmt.Errorf("seal %s of event %s: %w", as.Field, as.EventID, err)
	}
	return id.String(), nil
}

// newGCM is AES-256-GCM with a random nonce before the ciphertext. Each key
// encrypts one text only.
func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// bound is the additional data of both encryptions.
func (c Context) bound(id uuid.UUID) []byte {
	return signing.Canonical([]byte("assay vault v1"), id[:], []byte(c.EventID), []byte(c.Field), []byte(c.Subject))
}

// Open decrypts a payload and leaves an entry that says who read it and why.
// Whether this actor may, by reading grant or reveal, is for the caller to
// decide; here it takes a reason and the right to see sessions at all.
//
// It returns fault.Invalid without a reason, fault.NotFound when there is no
// such payload or it was shredded, and fault.Conflict when it was sealed as
// something else or changed since.
func (v *Vault) Open(ctx context.Context, tx pgx.Tx, actor auth.Actor, ref string, as Context, reason string) ([]byte, error) {
	if err := actor.Require(auth.SeeSessions); err != nil {
		return nil, err
	}
	if reason == "" {
		return nil, fault.Say(fault.Invalid, "Reading raw text needs a reason.")
	}
	id, err := parse(ref)
	if err != nil {
		return nil, err
	}
	var ciphertext, wrapped []byte
	var kek string
	err = tx.QueryRow(ctx, `
		SELECT ciphertext, kek_id, wrapped
		FROM vault_payloads JOIN vault_keys ON payload = id
		WHERE id = $1 AND shredded_at IS NULL`, id).Scan(&ciphertext, &kek, &wrapped)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, notHere()
	}
	if err != nil {
		return nil, fmt.Errorf("open payload %s: %w", ref, err)
	}
	bound := as.bound(id)
	dataKey, err := v.KEK.Unwrap(ctx, kek, wrapped, bound)
	if err != nil {
		return nil, fmt.Errorf("open payload %s: %w", ref, err)
	}
	opened, err := newGCM(dataKey)
	if err != nil {
		return nil, fmt.Errorf("open payload %s: %w", ref, fault.Conflict)
	}
	text, err := opened.Open(nil, nil, ciphertext, bound)
	if err != nil {
		return nil, fmt.Errorf("open payload %s: it was sealed as something else, or changed: %w", ref, fault.Conflict)
	}
	err = audit.Record(ctx, tx, audit.Entry{
		Actor: actor, Action: "payload.open", Object: "payload/" + ref,
		What: fmt.Sprintf("%s of event %s", as.Field, as.EventID), Reason: reason,
	})
	if err != nil {
		return nil, err // nobody reads without an entry
	}
	return text, nil
}

func parse(ref string) (uuid.UUID, error) {
	id, err := uuid.Parse(ref)
	if err != nil {
		return id, notHere()
	}
	return id, nil
}

func notHere() error {
	return fault.Say(fault.NotFound, "This text is not kept, or was erased.")
}
