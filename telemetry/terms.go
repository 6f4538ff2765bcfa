package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Terms is what the events of an ingest key are taken under. Consent and
// Capture stand for events that carry none of their own.
type Terms struct {
	Consent     Consent       `db:"consent"`
	Capture     Capture       `db:"capture"`
	Keep        float64       `db:"keep"`         // share of sessions whose text is kept, 0 to 1
	KeepFlagged float64       `db:"keep_flagged"` // the same for flagged sessions
	Historical  bool          `db:"historical"`   // event times stand as sent: a replay
	AllowedSkew time.Duration `db:"allowed_skew"`
	TextDays    int           `db:"text_days"`
	RowDays     int           `db:"row_days"`
	LegalHold   bool          `db:"legal_hold"` // nothing expires
}

// DefaultAllowedSkew is how far a client's clock and its delay may be from
// the product's before the skew rule moves an event (A2.7).
const DefaultAllowedSkew = 24 * time.Hour

// The terms that come ready made.
var (
	// StrictTerms are those of a key that named none: counted, no text.
	StrictTerms = Terms{
		Consent: ConsentAggregate, Capture: CaptureHash, Keep: 0.01, KeepFlagged: 0.10,
		AllowedSkew: DefaultAllowedSkew, TextDays: 90, RowDays: 365,
	}
	// OpenTerms keep everything, redacted: those of one person trying the product.
	OpenTerms = Terms{
		Consent: ConsentRedacted, Capture: CaptureRedacted, Keep: 1, KeepFlagged: 1,
		AllowedSkew: DefaultAllowedSkew, TextDays: 90, RowDays: 365,
	}
	// ReplayTerms are OpenTerms for what was recorded elsewhere: its times
	// stand, and it does not expire.
	ReplayTerms = Terms{
		Consent: ConsentRedacted, Capture: CaptureRedacted, Keep: 1, KeepFlagged: 1,
		Historical: true, AllowedSkew: DefaultAllowedSkew, TextDays: 90, RowDays: 365, LegalHold: true,
	}
)

func (t Terms) check() error {
	switch {
	case t.Consent != ConsentNone && t.Consent != ConsentAggregate && t.Consent != ConsentRedacted && t.Consent != ConsentFull:
		return fault.Say(fault.Invalid, "Consent must be none, aggregate, redacted or full.")
	case t.Capture != CaptureHash && t.Capture != CaptureRedacted && t.Capture != CaptureRaw:
		return fault.Say(fault.Invalid, "Capture must be hash, redacted or raw.")
	case !(t.Keep >= 0 && t.Keep <= 1 && t.KeepFlagged >= t.Keep && t.KeepFlagged <= 1):
		return fault.Say(fault.Invalid, "The shares of sessions to keep must lie between 0 and 1, flagged ones at least as high as the rest.")
	case t.TextDays < 1 || t.RowDays < t.TextDays:
		return fault.Say(fault.Invalid, "Text is kept for at least a day, rows for at least as long as their text.")
	case t.AllowedSkew <= 0:
		return fault.Say(fault.Invalid, "The allowed clock skew must be longer than nothing.")
	}
	return nil
}

// SetTerms says under which terms the events of a key are taken from now on.
func (s *Store) SetTerms(ctx context.Context, actor auth.Actor, keyID int64, t Terms) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	t.AllowedSkew = cmp.Or(t.AllowedSkew, DefaultAllowedSkew)
	if err := t.check(); err != nil {
		return err
	}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		before, err := termsOf(ctx, tx, keyID)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO ingest_terms (key_id, consent, capture, keep, keep_flagged, historical, allowed_skew, text_days, row_days, legal_hold)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (key_id) DO UPDATE SET (consent, capture, keep, keep_flagged, historical, allowed_skew, text_days, row_days, legal_hold, changed_at)
			  = (EXCLUDED.consent, EXCLUDED.capture, EXCLUDED.keep, EXCLUDED.keep_flagged, EXCLUDED.historical,
			     EXCLUDED.allowed_skew, EXCLUDED.text_days, EXCLUDED.row_days, EXCLUDED.legal_hold, now())`,
			keyID, t.Consent, t.Capture, t.Keep, t.KeepFlagged, t.Historical, t.AllowedSkew, t.TextDays, t.RowDays, t.LegalHold)
		if err != nil {
			return fmt.Errorf("set terms of key %d: %w", keyID, err)
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "terms.set", Object: fmt.Sprintf("key/%d", keyID), Before: before, After: t,
		})
	})
	s.known.mu.Lock()
	defer s.known.mu.Unlock()
	delete(s.known.terms, keyID)
	return err
}

// TermsOf returns the terms of a key.
func (s *Store) TermsOf(ctx context.Context, actor auth.Actor, keyID int64) (Terms, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Terms{}, err
	}
	return termsOf(ctx, s.DB, keyID)
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func termsOf(ctx context.Context, db querier, keyID int64) (Terms, error) {
	rows, err := db.Query(ctx, `
		SELECT consent, capture, keep, keep_flagged, historical, allowed_skew, text_days, row_days, legal_hold
		FROM ingest_terms
		WHERE key_id = $1`, keyID)
	if err != nil {
		return Terms{}, err
	}
	t, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Terms])
	if errors.Is(err, pgx.ErrNoRows) {
		return StrictTerms, nil
	}
	return t, err
}

// known remembers for a few seconds what every batch asks for, so that a
// change is in force soon and a flood does not ask ten times a second.
type known struct {
	mu     sync.Mutex
	terms  map[int64]knownTerms
	saltID string
	salt   string

	rates      map[string]CaptureRate
	ratesUntil time.Time
}

type knownTerms struct {
	Terms
	until time.Time
}

const termsRemembered = 3 * time.Second

func (s *Store) rememberedTerms(ctx context.Context, keyID int64) (Terms, error) {
	now := time.Now()
	s.known.mu.Lock()
	held, ok := s.known.terms[keyID]
	s.known.mu.Unlock()
	if ok && now.Before(held.until) {
		return held.Terms, nil
	}
	t, err := termsOf(ctx, s.DB, keyID)
	if err != nil {
		return Terms{}, err
	}
	s.known.mu.Lock()
	defer s.known.mu.Unlock()
	if s.known.terms == nil || len(s.known.terms) > 10_000 {
		s.known.terms = map[int64]knownTerms{}
	}
	s.known.terms[keyID] = knownTerms{t, now.Add(termsRemembered)}
	return t, nil
}

// keepSalt returns the newest salt of the keep draw. A new salt comes with a
// restart, so it is read once.
func (s *Store) keepSalt(ctx context.Context) (id, salt string, err error) {
	s.known.mu.Lock()
	id, salt = s.known.saltID, s.known.salt
	s.known.mu.Unlock()
	if id != "" {
		return id, salt, nil
	}
	err = s.DB.QueryRow(ctx, `SELECT id, salt FROM keep_salts ORDER BY created_at DESC, id DESC LIMIT 1`).Scan(&id, &salt)
	if err != nil {
		return "", "", fmt.Errorf("read the salt of the keep draw: %w", err)
	}
	s.known.mu.Lock()
	defer s.known.mu.Unlock()
	s.known.saltID, s.known.salt = id, salt
	return id, salt, nil
}
