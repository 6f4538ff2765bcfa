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
	refs, err := v.SealAll(ctx, tx, []Sealing{{as, text, keepUntil}})
	if err != nil {
		return "", err
	}
	return refs[0], nil
}

// Sealing is one text to be sealed.
type Sealing struct {
	As        Context
	Text      []byte
	KeepUntil time.Time
}

// SealAll is Seal for many texts, in one statement. The refs are in the order
// of the texts.
func (v *Vault) SealAll(ctx context.Context, tx pgx.Tx, texts []Sealing) (refs []string, err error) {
	if len(texts) == 0 {
		return nil, nil
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, sealingLock); err != nil {
		return nil, fmt.Errorf("seal %d texts: %w", len(texts), err)
	}
	rows := sealedRows{}
	for _, one := range texts {
		if err := v.sealOne(ctx, one, &rows); err != nil {
			return nil, fmt.Errorf("seal %s of event %s: %w", one.As.Field, one.As.EventID, err)
		}
	}
	_, err = tx.Exec(ctx, `
		WITH sealed AS (
			SELECT *
			FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[], $7::text[], $8::bytea[])
			     AS s (id, event_id, field, subject, ciphertext, keep_until, kek_id, wrapped)
		), payload AS (
			INSERT INTO vault_payloads (id, event_id, field, subject, ciphertext, keep_until)
			SELECT id, event_id, field, subject, ciphertext, keep_until FROM sealed
			RETURNING id
		)
		INSERT INTO vault_keys (payload, kek_id, wrapped)
		SELECT id, kek_id, wrapped FROM sealed JOIN payload USING (id)`,
		rows.ids, rows.events, rows.fields, rows.subjects, rows.ciphertexts, rows.until, rows.keks, rows.wrapped)
	if err != nil {
		return nil, fmt.Errorf("seal %d texts: %w", len(texts), err)
	}
	for _, id := range rows.ids {
		refs = append(refs, id.String())
	}
	return refs, nil
}

// sealedRows are the rows of several payloads and their keys, by column.
type sealedRows struct {
	ids                            []uuid.UUID
	events, fields, subjects, keks []string
	ciphertexts, wrapped           [][]byte
	until                          []time.Time
}

func (v *Vault) sealOne(ctx context.Context, s Sealing, rows *sealedRows) error {
	if len(s.Text) > maxPayload {
		return fault.Say(fault.Invalid, "A raw text may have %d MiB at most.", maxPayload>>20)
	}
	id := uuid.New()
	dataKey := make([]byte, 32)
	rand.Read(dataKey) // never fails
	seal, err := newGCM(dataKey)
	if err != nil {
		return err
	}
	bound := s.As.bound(id)
	kek, wrapped, err := v.KEK.Wrap(ctx, dataKey, bound)
	if err != nil {
		return err
	}
	rows.ids, rows.keks, rows.wrapped = append(rows.ids, id), append(rows.keks, kek), append(rows.wrapped, wrapped)
	rows.events, rows.fields, rows.subjects = append(rows.events, s.As.EventID), append(rows.fields, s.As.Field), append(rows.subjects, s.As.Subject)
	rows.ciphertexts, rows.until = append(rows.ciphertexts, seal.Seal(nil, nil, s.Text, bound)), append(rows.until, s.KeepUntil)
	return nil
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

// Sealed is what is known of a payload without opening it.
type Sealed struct {
	As         Context
	SealedAt   time.Time
	KeepUntil  time.Time
	HeldAt     *time.Time
	ShreddedAt *time.Time
}

// Look says what a payload was sealed as and how it stands. It opens nothing
// and so leaves no entry. It returns fault.NotFound for a ref that names none.
func (v *Vault) Look(ctx context.Context, ref string) (Sealed, error) {
	id, err := parse(ref)
	if err != nil {
		return Sealed{}, err
	}
	var s Sealed
	err = v.DB.QueryRow(ctx, `
		SELECT event_id, field, subject, sealed_at, keep_until, held_at, shredded_at
		FROM vault_payloads
		WHERE id = $1`, id).Scan(&s.As.EventID, &s.As.Field, &s.As.Subject, &s.SealedAt, &s.KeepUntil, &s.HeldAt, &s.ShreddedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return Sealed{}, notHere()
	}
	return s, err
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
