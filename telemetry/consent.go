package telemetry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Consented is one word a person said about their telemetry. Dialogs for other
// things than telemetry are kept in the log and bound nothing.
type Consented struct {
	ID         int64     `db:"id" json:"id"`
	UserIDHash string    `db:"user_id_hash" json:"user_id_hash,omitempty"`
	ConsentID  string    `db:"consent_id" json:"consent_id,omitempty"`
	Action     string    `db:"action" json:"action"`   // given or withdrawn
	Consent    Consent   `db:"consent" json:"consent"` // the most that may be kept from then on
	Dialog     string    `db:"dialog" json:"dialog"`
	SaidAt     time.Time `db:"said_at" json:"said_at"`
	RecordedAt time.Time `db:"recorded_at" json:"recorded_at"`
	RecordedBy string    `db:"recorded_by" json:"recorded_by"`
}

// dialogTelemetry is what a dialog is about when nobody says otherwise.
const dialogTelemetry = "telemetry"

// said is a word as a client sends it.
type saidConsent struct {
	UserIDHash    string `json:"user_id_hash"`
	UserID        string `json:"user_id"`
	ConsentID     string `json:"consent_id"`
	UserConsentID string `json:"userConsentId"`
	Action        string `json:"action"`
	Consent       string `json:"consent"`
	Dialog        string `json:"dialog"`
	At            string `json:"at"`
}

// ConsentReceipt answers a body of consents.
type ConsentReceipt struct {
	Recorded  int `json:"recorded"`
	Duplicate int `json:"duplicate"`
}

// maxConsents bounds one request.
const maxConsents = 1_000

// RecordConsents takes what people said about their telemetry, one object or a
// list, and holds their events to it from then on: all of it or nothing. A
// withdrawal without a class leaves numbers and no text.
func (s *Store) RecordConsents(ctx context.Context, actor auth.Actor, body []byte) (ConsentReceipt, error) {
	if err := actor.Require(auth.SendEvents); err != nil {
		return ConsentReceipt{}, err
	}
	t, err := s.taking(ctx, actor)
	if err != nil {
		return ConsentReceipt{}, err
	}
	list, err := t.readConsents(body)
	if err != nil {
		return ConsentReceipt{}, err
	}
	// An entry of the audit stays for ever, so it never has the name.
	salt, err := consentSalt(ctx, s.DB)
	if err != nil {
		return ConsentReceipt{}, unavailable("record consents", err)
	}
	var receipt ConsentReceipt
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		// In one order after the other, so that who has seen the last has seen all.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('consent log'))`); err != nil {
			return err
		}
		for _, c := range list {
			tag, err := tx.Exec(ctx, `
				INSERT INTO consent_log (said_id, user_id_hash, consent_id, action, consent, dialog, said_at, recorded_by)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
				ON CONFLICT (said_id) DO NOTHING`,
				c.identity(), c.UserIDHash, c.ConsentID, c.Action, c.Consent, c.Dialog, c.SaidAt, actor.Name)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				receipt.Duplicate++
				continue
			}
			receipt.Recorded++
			err = audit.Record(ctx, tx, audit.Entry{
				Actor: actor, Action: "consent." + c.Action, Object: "consent/" + cmp.Or(c.ConsentID, erasedName(salt, c.UserIDHash)), What: c.Dialog + ": " + string(c.Consent), After: c,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	s.limits.forget()
	if err != nil {
		return ConsentReceipt{}, unavailable("record consents", err)
	}
	return receipt, nil
}

func (t *taking) readConsents(body []byte) ([]Consented, error) {
	var list []saidConsent
	err := json.Unmarshal(body, &list)
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '{' {
		list = make([]saidConsent, 1)
		err = json.Unmarshal(body, &list[0])
	}
	switch {
	case err != nil || len(list) == 0:
		return nil, fault.Say(fault.Invalid, `The body is no consent: send {"user_id_hash","consent_id"?,"action":"given"|"withdrawn","consent"?,"at"}, or a list of them.`)
	case len(list) > maxConsents:
		return nil, fault.Say(fault.Invalid, "The body holds more than %d consents: send fewer at a time.", maxConsents)
	}
	out := make([]Consented, len(list))
	for i, said := range list {
		if out[i], err = t.readConsent(said); err != nil {
			return nil, fault.Say(fault.Invalid, "Consent %d: %s. Nothing was recorded.", i, err)
		}
	}
	return out, nil
}

func (t *taking) readConsent(said saidConsent) (Consented, error) {
	c := Consented{
		UserIDHash: t.withoutAddress(said.UserIDHash), ConsentID: t.withoutAddress(cmp.Or(said.ConsentID, said.UserConsentID)),
		Action: said.Action, Consent: Consent(said.Consent), Dialog: cmp.Or(said.Dialog, dialogTelemetry), SaidAt: t.now,
	}
	if c.UserIDHash == "" && said.UserID != "" {
		c.UserIDHash = "assay:" + t.keyed(said.UserID)
	}
	if said.At != "" {
		at, err := time.Parse(time.RFC3339Nano, said.At)
		if err != nil || at.Before(firstTime) || at.After(t.now.Add(t.terms.AllowedSkew)) {
			return c, fmt.Errorf("at must be a time as in RFC 3339, not in the future")
		}
		c.SaidAt = at.UTC()
	}
	switch {
	case c.UserIDHash == "" && c.ConsentID == "":
		return c, fmt.Errorf("names nobody: it needs user_id_hash or consent_id")
	case !fits(c.UserIDHash) || !fits(c.ConsentID) || !fits(c.Dialog) || tag(c.Dialog) == "":
		return c, fmt.Errorf("an identifier is too long or holds control characters")
	case c.Action == "given" && slices.Contains([]Consent{ConsentNone, ConsentAggregate, ConsentRedacted, ConsentFull}, c.Consent):
		return c, nil
	case c.Action == "withdrawn":
		if c.Consent = cmp.Or(c.Consent, ConsentAggregate); c.Consent == ConsentAggregate || c.Consent == ConsentNone {
			return c, nil
		}
		return c, fmt.Errorf("what is left after a withdrawal is aggregate or none")
	}
	return c, fmt.Errorf("action must be given, with consent none, aggregate, redacted or full, or withdrawn")
}

func (c Consented) identity() uuid.UUID {
	said, _ := json.Marshal([]any{"consent", c.UserIDHash, c.ConsentID, c.Action, c.Consent, c.Dialog, c.SaidAt})
	return uuid.NewSHA1(identitySpace, said)
}

// --- what holds ---

// limits are the most that may be kept of each person's events, and of those
// under each dialog, by what they said last. They are read on as the log
// grows.
type limits struct {
	mu      sync.Mutex
	through int64
	until   time.Time
	persons map[string]Consent
	dialogs map[string]Consent
	salt    string // of erased names; read when there is one
}

// limitsRemembered is how long another process's entry may go unseen.
const limitsRemembered = 250 * time.Millisecond

func (l *limits) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = time.Time{}
}

// refresh reads what was said since it was last asked.
func (l *limits) refresh(ctx context.Context, db postgres.DB) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.until) {
		return nil
	}
	if l.persons == nil {
		l.persons, l.dialogs = map[string]Consent{}, map[string]Consent{}
	}
	rows, err := db.Query(ctx, `
		SELECT id, user_id_hash, consent_id, consent
		FROM consent_log
		WHERE id > $1 AND dialog = $2
		ORDER BY id`, l.through, dialogTelemetry)
	if err != nil {
		return err
	}
	var person, dialog string
	var consent Consent
	erased := false
	_, err = pgx.ForEachRow(rows, []any{&l.through, &person, &dialog, &consent}, func() error {
		if person != "" {
			l.persons[person] = consent
		} else {
			l.dialogs[dialog] = consent
		}
		erased = erased || strings.HasPrefix(person, erasedPrefix)
		return nil
	})
	if err == nil && erased && l.salt == "" {
		l.salt, err = consentSalt(ctx, db)
	}
	if err == nil {
		l.until = time.Now().Add(limitsRemembered)
	}
	return err
}

var consentOrder = []Consent{ConsentNone, ConsentAggregate, ConsentRedacted, ConsentFull}

// most is what may be kept of an event: what it says itself, and no more than
// its person said last.
func (l *limits) most(r *row) Consent {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := r.Consent
	lower := func(limit Consent, said bool) {
		if said && slices.Index(consentOrder, limit) < slices.Index(consentOrder, most) {
			most = limit
		}
	}
	if r.UserIDHash != nil {
		limit, said := l.persons[*r.UserIDHash]
		if !said && l.salt != "" { // what they withdrew before they were erased
			limit, said = l.persons[erasedName(l.salt, *r.UserIDHash)]
		}
		lower(limit, said)
	}
	if r.ConsentID != "" {
		limit, said := l.dialogs[r.ConsentID]
		lower(limit, said)
	}
	return most
}

// --- who reads it ---

// ConsentFilter narrows Consents; an empty field takes any.
type ConsentFilter struct {
	Person string // user_id_hash or consent_id
	Action string // given, withdrawn
	Dialog string
}

// ConsentPage is one page of the log, newest first.
type ConsentPage struct {
	Consents []Consented `json:"consents"`
	Total    int64       `json:"total"`
	Older    int64       `json:"older,omitempty"` // pass as before; 0 at the end
}

// Consents lists what people said, for the auditor. before is the id of the
// last entry seen, 0 for the newest.
func (s *Store) Consents(ctx context.Context, actor auth.Actor, f ConsentFilter, before int64, limit int) (ConsentPage, error) {
	if err := actor.Require(auth.ReadAudit); err != nil {
		return ConsentPage{}, err
	}
	if !actor.Holds(auth.Auditor) {
		return ConsentPage{}, fault.Say(fault.Denied, "This needs the role auditor.")
	}
	limit = min(max(limit, 1), 200)
	salt, err := consentSalt(ctx, s.DB)
	if err != nil {
		return ConsentPage{}, err
	}
	erased := erasedName(salt, f.Person)
	const where = `
		FROM consent_log
		WHERE ($1 = '' OR user_id_hash IN ($1, $4) OR consent_id = $1) AND ($2 = '' OR action = $2) AND ($3 = '' OR dialog = $3)`
	rows, err := s.DB.Query(ctx, `
		SELECT id, user_id_hash, consent_id, action, consent, dialog, said_at, recorded_at, recorded_by`+where+`
		  AND ($5 = 0 OR id < $5)
		ORDER BY id DESC
		LIMIT $6`, f.Person, f.Action, f.Dialog, erased, before, limit+1)
	if err != nil {
		return ConsentPage{}, err
	}
	page := ConsentPage{Consents: []Consented{}}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Consented])
	if err != nil {
		return page, err
	}
	if page.Consents = append(page.Consents, list...); len(list) > limit {
		page.Consents, page.Older = page.Consents[:limit], list[limit-1].ID
	}
	err = s.DB.QueryRow(ctx, `SELECT count(*)`+where, f.Person, f.Action, f.Dialog, erased).Scan(&page.Total)
	return page, err
}
