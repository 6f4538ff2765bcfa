package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// How long each step of a reveal may take.
const (
	revealWaits    = 7 * 24 * time.Hour // for a second person
	revealKeeps    = 24 * time.Hour     // an approval, until the first opening
	RevealLasts    = 15 * time.Minute   // from the first opening
	revealProofAge = 10 * time.Minute   // of who approves and who opens
)

// RevealState says how far a reveal is.
type RevealState string

// The states. A reveal ends denied, withdrawn or expired.
const (
	RevealWaiting   RevealState = "waiting"
	RevealApproved  RevealState = "approved"
	RevealDenied    RevealState = "denied"
	RevealWithdrawn RevealState = "withdrawn"
	RevealExpired   RevealState = "expired"
)

// Reveal is a look at the raw text of one event.
type Reveal struct {
	ID             int64
	EventID        uuid.UUID
	SessionID      string
	Payload        string
	TaskClass      string
	Reason         string
	RequestedBy    int64
	Requester      string
	RequestedAt    time.Time
	AnswerBy       time.Time
	State          RevealState
	DecidedBy      *int64
	Decider        *string
	DecidedAt      *time.Time
	DecisionReason string
	OpenBy         *time.Time
	ClosesAt       *time.Time
	Openings       int
	EndedAt        *time.Time
}

const revealColumns = `id, event_id, session_id, payload, task_class, reason, requested_by, requester, requested_at, answer_by, state,
	decided_by, decider, decided_at, decision_reason, open_by, closes_at, openings, ended_at`

// Ends is when the reveal stops being of use in the state it is in.
func (r Reveal) Ends() time.Time {
	switch {
	case r.EndedAt != nil:
		return *r.EndedAt
	case r.ClosesAt != nil:
		return *r.ClosesAt
	case r.OpenBy != nil:
		return *r.OpenBy
	}
	return r.AnswerBy
}

// over gives a reveal whose time has run out its last state, also before the
// sweep has written it.
func (r Reveal) over(now time.Time) Reveal {
	if r.EndedAt == nil && !r.Ends().After(now) {
		ends := r.Ends()
		r.State, r.EndedAt = RevealExpired, &ends
	}
	return r
}

// RequestReveal asks for the raw text of one event. Faults: Invalid without a
// reason of 10 to 500 characters, NotFound when the actor may not see the
// event or no raw text of it is kept, Conflict when they asked already.
func (s *Store) RequestReveal(ctx context.Context, actor auth.Actor, eventID uuid.UUID, reason string) (Reveal, error) {
	if err := actor.Require(auth.RequestReveal); err != nil {
		return Reveal{}, err
	}
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n < 10 || n > 500 {
		return Reveal{}, fault.Say(fault.Invalid, "Say in 10 to 500 characters what you need the raw text for; the second person decides by it.")
	}
	e, err := s.oneEvent(ctx, actor, eventID)
	if err != nil {
		return Reveal{}, err
	}
	if err := s.stillSealed(ctx, e.RawPayloadRef); err != nil {
		return Reveal{}, err
	}
	now := s.now()
	var r Reveal
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if err := expireReveals(ctx, tx, now); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, `
			INSERT INTO reveals (event_id, session_id, payload, task_class, reason, requested_by, requester, requested_at, answer_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			RETURNING `+revealColumns,
			eventID, e.SessionID, e.RawPayloadRef, e.TaskClass, reason, actor.ID, actor.Name, now, now.Add(revealWaits))
		if r, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Reveal]); err != nil {
			return err
		}
		return recordReveal(ctx, tx, actor, r, "request", reason)
	})
	if postgres.Violates(err, "reveals_once") {
		return Reveal{}, fault.Say(fault.Conflict, "You have asked for this text already. That request still stands; withdraw it to ask with another reason.")
	}
	if err != nil {
		return Reveal{}, fmt.Errorf("request a reveal of event %s: %w", eventID, err)
	}
	return r, nil
}

var errNotSealed = fault.Say(fault.NotFound, "No raw text of this event is kept. It is sealed only with full consent under the capture mode raw, and ends with its time.")

func (s *Store) stillSealed(ctx context.Context, ref string) error {
	if s.Vault == nil || ref == "" {
		return errNotSealed
	}
	sealed, err := s.Vault.Look(ctx, ref)
	if fault.Of(err) == fault.NotFound || err == nil && sealed.ShreddedAt != nil {
		return errNotSealed
	}
	return err
}

func recordReveal(ctx context.Context, tx pgx.Tx, actor auth.Actor, r Reveal, verb, reason string) error {
	return audit.Record(ctx, tx, audit.Entry{
		Actor: actor, Action: "reveal." + verb, Object: fmt.Sprintf("reveal/%d", r.ID),
		What: "event " + r.EventID.String(), Reason: reason,
	})
}

// DecideReveal approves or denies. Whoever decides is another person than the
// one who asked, and has just proved who they are; a denial says why. Faults:
// Denied, Invalid, Conflict when it does not wait any more.
func (s *Store) DecideReveal(ctx context.Context, actor auth.Actor, id int64, approve bool, reason string) (Reveal, error) {
	if err := actor.Require(auth.ApproveReveal); err != nil {
		return Reveal{}, err
	}
	if err := s.proved(actor); err != nil {
		return Reveal{}, err
	}
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n > 500 || !approve && n < 3 {
		return Reveal{}, fault.Say(fault.Invalid, "Say in at most 500 characters why it is denied; the person who asked reads it.")
	}
	return s.changeReveal(ctx, actor, id, func(ctx context.Context, tx pgx.Tx, r Reveal) (Reveal, error) {
		switch {
		case r.RequestedBy == actor.ID:
			return r, fault.Say(fault.Denied, "A reveal needs a second person; you asked for this one yourself.")
		case r.State != RevealWaiting:
			return r, fault.Say(fault.Conflict, "This request is %s; there is nothing to decide.", r.State)
		}
		now := s.now()
		r.DecidedBy, r.Decider, r.DecidedAt, r.DecisionReason = &actor.ID, &actor.Name, &now, reason
		verb := "deny"
		if approve {
			until := now.Add(revealKeeps)
			verb, r.State, r.OpenBy = "approve", RevealApproved, &until
		} else {
			r.State, r.EndedAt = RevealDenied, &now
		}
		return r, recordReveal(ctx, tx, actor, r, verb, reason)
	})
}

// WithdrawReveal takes a request back, also one that was approved. Only the
// person who asked may.
func (s *Store) WithdrawReveal(ctx context.Context, actor auth.Actor, id int64) (Reveal, error) {
	if err := actor.Require(auth.RequestReveal); err != nil {
		return Reveal{}, err
	}
	return s.changeReveal(ctx, actor, id, func(ctx context.Context, tx pgx.Tx, r Reveal) (Reveal, error) {
		switch {
		case r.RequestedBy != actor.ID:
			return r, errNoReveal
		case r.EndedAt != nil:
			return r, fault.Say(fault.Conflict, "This request is %s already.", r.State)
		}
		now := s.now()
		r.State, r.EndedAt = RevealWithdrawn, &now
		return r, recordReveal(ctx, tx, actor, r, "withdraw", "")
	})
}

// OpenReveal returns the raw text, once more each time it is called, to the
// person who asked, for RevealLasts from the first time. Each opening leaves
// an entry; without the entry there is no text.
func (s *Store) OpenReveal(ctx context.Context, actor auth.Actor, id int64) (RawText, Reveal, error) {
	if err := actor.Require(auth.RequestReveal); err != nil {
		return RawText{}, Reveal{}, err
	}
	if err := s.proved(actor); err != nil {
		return RawText{}, Reveal{}, err
	}
	var raw RawText
	r, err := s.changeReveal(ctx, actor, id, func(ctx context.Context, tx pgx.Tx, r Reveal) (Reveal, error) {
		switch {
		case r.RequestedBy != actor.ID:
			return r, fault.Say(fault.Denied, "Only %s, who asked, may open this.", r.Requester)
		case r.State == RevealWaiting:
			return r, fault.Say(fault.Conflict, "A second person has not decided yet.")
		case r.State != RevealApproved:
			return r, fault.Say(fault.Conflict, "This reveal is %s. Ask again if you still need the text.", r.State)
		case s.Vault == nil:
			return r, fault.Say(fault.Unavailable, "The vault is away. The approval stays as it is.")
		}
		sealed, err := s.Vault.Look(ctx, r.Payload)
		if err != nil {
			return r, err
		}
		if sealed.As.EventID != r.EventID.String() {
			return r, fmt.Errorf("open reveal %d: its payload is of another event: %w", r.ID, fault.Conflict)
		}
		text, err := s.Vault.Open(ctx, tx, actor, r.Payload, sealed.As, fmt.Sprintf("reveal %d: %s", r.ID, r.Reason))
		if err != nil {
			return r, err
		}
		if err := json.Unmarshal(text, &raw); err != nil {
			return r, fmt.Errorf("open reveal %d: the payload cannot be read", r.ID) // never with what it holds
		}
		if r.ClosesAt == nil {
			closes := s.now().Add(RevealLasts)
			r.ClosesAt = &closes
		}
		r.Openings++
		return r, recordReveal(ctx, tx, actor, r, "open", r.Reason)
	})
	if err != nil {
		return RawText{}, Reveal{}, err
	}
	return raw, r, nil
}

func (s *Store) proved(actor auth.Actor) error {
	if age := s.now().Sub(actor.SteppedUp); actor.SteppedUp.IsZero() || age > revealProofAge {
		return fault.Say(fault.Denied, "Prove again who you are first; the proof lasts %d minutes.", int(revealProofAge.Minutes()))
	}
	return nil
}

var errNoReveal = fault.Say(fault.NotFound, "There is no such reveal among those you may see.")

// changeReveal moves a reveal on under a lock, unless change refuses.
func (s *Store) changeReveal(ctx context.Context, actor auth.Actor, id int64, change func(context.Context, pgx.Tx, Reveal) (Reveal, error)) (Reveal, error) {
	var r Reveal
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var err error
		if r, err = revealOf(ctx, tx, id, " FOR UPDATE"); err != nil {
			return err
		}
		if r, err = change(ctx, tx, r.over(s.now())); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE reveals
			SET state = $2, decided_by = $3, decider = $4, decided_at = $5, decision_reason = $6,
			    open_by = $7, closes_at = $8, openings = $9, ended_at = $10
			WHERE id = $1`,
			id, r.State, r.DecidedBy, r.Decider, r.DecidedAt, r.DecisionReason, r.OpenBy, r.ClosesAt, r.Openings, r.EndedAt)
		return err
	})
	if err != nil {
		return Reveal{}, fmt.Errorf("reveal %d: %w", id, err)
	}
	return r, nil
}

func revealOf(ctx context.Context, db querier, id int64, lock string) (Reveal, error) {
	rows, err := db.Query(ctx, `SELECT `+revealColumns+` FROM reveals WHERE id = $1`+lock, id)
	if err != nil {
		return Reveal{}, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Reveal])
	if errors.Is(err, pgx.ErrNoRows) {
		return Reveal{}, errNoReveal
	}
	return r, err
}

// Reveal returns one reveal to whoever asked for it or may decide it.
func (s *Store) Reveal(ctx context.Context, actor auth.Actor, id int64) (Reveal, error) {
	if err := actor.Require(auth.SeeReveals); err != nil {
		return Reveal{}, err
	}
	r, err := revealOf(ctx, s.DB, id, "")
	if err != nil {
		return Reveal{}, err
	}
	if r.RequestedBy != actor.ID && !actor.May(auth.ApproveReveal) {
		return Reveal{}, errNoReveal
	}
	return r.over(s.now()), nil
}

// Reveals lists the newest reveals, those under way first: all of them to
// whoever decides, one's own to whoever asks.
func (s *Store) Reveals(ctx context.Context, actor auth.Actor, limit int) ([]Reveal, error) {
	if err := actor.Require(auth.SeeReveals); err != nil {
		return nil, err
	}
	rows, err := s.DB.Query(ctx, `
		SELECT `+revealColumns+`
		FROM reveals
		WHERE $1 OR requested_by = $2
		ORDER BY (ended_at IS NULL AND coalesce(closes_at, open_by, answer_by) > $3) DESC, id DESC
		LIMIT $4`, actor.May(auth.ApproveReveal), actor.ID, s.now(), min(max(limit, 1), 500))
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Reveal])
	for i := range list {
		list[i] = list[i].over(s.now())
	}
	return list, err
}

// ExpireReveals ends those whose time has run out, each with its entry, and
// returns how many. It is for a job.
func (s *Store) ExpireReveals(ctx context.Context, actor auth.Actor) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	n := 0
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var err error
		n, err = endReveals(ctx, tx, s.now())
		return err
	})
	return n, err
}

func expireReveals(ctx context.Context, tx pgx.Tx, now time.Time) error {
	_, err := endReveals(ctx, tx, now)
	return err
}

func endReveals(ctx context.Context, tx pgx.Tx, now time.Time) (int, error) {
	rows, err := tx.Query(ctx, `
		UPDATE reveals
		SET state = 'expired', ended_at = coalesce(closes_at, open_by, answer_by)
		WHERE state IN ('waiting', 'approved') AND coalesce(closes_at, open_by, answer_by) <= $1
		RETURNING `+revealColumns, now)
	if err != nil {
		return 0, err
	}
	ended, err := pgx.CollectRows(rows, pgx.RowToStructByName[Reveal])
	if err != nil {
		return 0, err
	}
	for _, r := range ended {
		if err := recordReveal(ctx, tx, auth.Product(), r, "expire", ""); err != nil {
			return 0, err
		}
	}
	return len(ended), nil
}
