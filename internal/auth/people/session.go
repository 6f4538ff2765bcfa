package people

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// How long things last.
const (
	IdleLasts    = 30 * time.Minute // without a request a sign-in session ends
	SessionLasts = 12 * time.Hour   // and in any case after this
	StepUpLasts  = 10 * time.Minute // a fresh proof of who it is
	LinkLasts    = 24 * time.Hour   // a one-time sign-in link

	seenEvery = time.Minute // a request writes seen_at at most this often
)

// Session is one sign-in of one person in one browser.
type Session struct {
	ID              int64
	Actor           auth.Actor
	Person          Person
	SecondFactorDue bool // nothing but the second step is open until it is given
	StartedAt       time.Time
	SeenAt          time.Time
	ExpiresAt       time.Time
	Browser         string
}

// Where says from where a sign-in comes: an address for counting failures and
// for the person's own list of sessions, and the name of a browser.
type Where struct {
	Address string
	Browser string
}

// Resume returns the session that the cookie's secret opens, or nil when there
// is none in force: ended, idle for too long, over, or its person disabled.
func (g *Register) Resume(ctx context.Context, secret string) (*Session, error) {
	if len(secret) != secretLength {
		return nil, nil
	}
	now := g.now()
	rows, err := g.DB.Query(ctx, `
		SELECT s.id, s.started_at, s.seen_at, s.expires_at, s.browser, s.second_factor_at, s.stepped_up_at, `+personColumns+`
		FROM sign_in_sessions s
		JOIN people p ON p.id = s.person_id
		WHERE s.token_hash = $1
		  AND s.ended_at IS NULL
		  AND s.expires_at > $2
		  AND s.seen_at > $3
		  AND p.disabled_at IS NULL`, digest(secret), now, now.Add(-IdleLasts))
	if err != nil {
		return nil, fmt.Errorf("resume a sign-in session: %w", err)
	}
	s := Session{}
	var secondFactorAt, steppedUpAt *time.Time
	s.Person, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (Person, error) {
		return scanPerson(row, &s.ID, &s.StartedAt, &s.SeenAt, &s.ExpiresAt, &s.Browser, &secondFactorAt, &steppedUpAt)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("resume a sign-in session: %w", err)
	}
	s.SecondFactorDue = secondFactorAt == nil && s.Person.needsSecondFactor()
	s.Actor = auth.Actor{Kind: auth.Person, ID: s.Person.ID, Name: s.Person.Name, Roles: s.Person.Roles, Session: s.ID}
	if steppedUpAt != nil {
		s.Actor.SteppedUp = *steppedUpAt
	}
	if now.Sub(s.SeenAt) >= seenEvery {
		if _, err := g.DB.Exec(ctx, `UPDATE sign_in_sessions SET seen_at = $2 WHERE id = $1`, s.ID, now); err != nil {
			return nil, fmt.Errorf("keep session %d: %w", s.ID, err)
		}
	}
	return &s, nil
}

// needsSecondFactor reports whether a sign-in of this person has a second
// step: theirs by choice, or by what they may sign. The accounts of a product
// on one machine have none, as they have no password.
func (p Person) needsSecondFactor() bool {
	return !p.Demo && (p.HasSecondFactor || p.MustHaveSecondFactor())
}

// MustHaveSecondFactor reports whether a role demands it.
func (p Person) MustHaveSecondFactor() bool {
	return slices.Contains(p.Roles, auth.ReleaseManager) || slices.Contains(p.Roles, auth.Admin)
}

// SignIn checks an address and a password and starts a session. It returns
// the secret for the cookie. A wrong password and an unknown address are the
// same refusal, at the same cost.
func (g *Register) SignIn(ctx context.Context, email, password string, from Where) (secret string, err error) {
	account := digest("account " + address(email))
	left, err := g.try(ctx, account, from)
	if err != nil {
		return "", err
	}
	p, phc, err := g.account(ctx, address(email))
	if err != nil {
		return "", err
	}
	yes, weak, err := matches(ctx, phc, password)
	if err != nil {
		return "", err
	}
	if !yes || p.ID == 0 || p.DisabledAt != nil {
		return "", g.refused(ctx, p, left)
	}
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		if weak {
			if err := g.rehash(ctx, tx, p.ID, password); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `DELETE FROM sign_in_failures WHERE account_hash = $1`, account); err != nil {
			return err
		}
		secret, err = g.start(ctx, tx, p, from, started{how: "password"})
		return err
	})
	return secret, err
}

// account reads the account and its stored password; nobody's when there is
// no such account or it has none.
func (g *Register) account(ctx context.Context, email string) (Person, string, error) {
	p, err := g.one(ctx, g.DB, `p.email = $1`, email)
	if fault.Of(err) == fault.NotFound {
		return Person{}, nobodysHash(), nil
	}
	if err != nil {
		return Person{}, "", err
	}
	phc := ""
	err = g.DB.QueryRow(ctx, `SELECT coalesce(password, '') FROM people WHERE id = $1`, p.ID).Scan(&phc)
	if phc == "" {
		phc = nobodysHash()
	}
	return p, phc, err
}

func (g *Register) rehash(ctx context.Context, tx pgx.Tx, id int64, password string) error {
	phc, err := hash(ctx, password)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE people SET password = $2 WHERE id = $1`, id, phc)
	return err
}

// refused records the wrong try and words the refusal.
func (g *Register) refused(ctx context.Context, p Person, left int) error {
	about := "person/unknown"
	if p.ID != 0 {
		about = object(p.ID)
	}
	err := postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		return audit.Record(ctx, tx, audit.Entry{Actor: auth.Product(), Action: "sign_in.refuse", Object: about, What: "the password or code did not match"})
	})
	if err != nil {
		return err
	}
	tries := "tries"
	if left == 1 {
		tries = "try"
	}
	if left <= 0 {
		return fault.Say(fault.Denied, "That does not match. Signing in to this account pauses for 15 min.")
	}
	return fault.Say(fault.Denied, "That does not match. %d %s left before a 15 min pause.", left, tries)
}

// started says how a session began.
type started struct {
	how          string // for the audit
	secondFactor bool
	steppedUp    bool
}

// start makes a session and returns its secret.
func (g *Register) start(ctx context.Context, tx pgx.Tx, p Person, from Where, s started) (string, error) {
	secret, now := randomSecret(), g.now()
	var id int64
	err := tx.QueryRow(ctx, `
		INSERT INTO sign_in_sessions (token_hash, person_id, started_at, seen_at, expires_at, second_factor_at, stepped_up_at, address, browser)
		VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8)
		RETURNING id`,
		digest(secret), p.ID, now, now.Add(SessionLasts), when(s.secondFactor, now), when(s.steppedUp, now), from.Address, short(from.Browser)).Scan(&id)
	if err != nil {
		return "", fmt.Errorf("start a session of person %d: %w", p.ID, err)
	}
	actor := auth.Actor{Kind: auth.Person, ID: p.ID, Name: p.Name, Roles: p.Roles, Session: id}
	return secret, audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "sign_in.accept", Object: object(p.ID), What: "by " + s.how})
}

// rotate gives the session a new secret, so that one seen before a step is
// worth nothing after it.
func (g *Register) rotate(ctx context.Context, tx pgx.Tx, session int64, set string, at time.Time) (string, error) {
	secret := randomSecret()
	tag, err := tx.Exec(ctx, `UPDATE sign_in_sessions SET token_hash = $2, `+set+` WHERE id = $1 AND ended_at IS NULL`,
		session, digest(secret), at)
	if err == nil && tag.RowsAffected() == 0 {
		err = fault.Say(fault.Denied, "This sign-in has ended. Sign in again.")
	}
	return secret, err
}

// The columns a rotation sets, $3 being the time.
const (
	setSecondFactor = `second_factor_at = $3, stepped_up_at = $3`
	setSteppedUp    = `stepped_up_at = $3`
)

// StepUp proves once more who the person is: by the second factor where there
// is one, else by the password. It returns the session's new secret. Failures
// count as those of signing in do.
func (g *Register) StepUp(ctx context.Context, s *Session, proof string, from Where) (string, error) {
	if s == nil || s.SecondFactorDue {
		return "", fault.Denied
	}
	if err := g.prove(ctx, s.Person, proof, from); err != nil {
		return "", err
	}
	var secret string
	err := postgres.InTx(ctx, g.DB, func(tx pgx.Tx) (err error) {
		if secret, err = g.rotate(ctx, tx, s.ID, setSteppedUp, g.now()); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: s.Actor, Action: "session.step_up", Object: object(s.Person.ID), What: "by " + s.Person.Proof()})
	})
	return secret, err
}

// Proof names what the person proves themselves with: "code", "password", or
// "confirmation" for an account made for trying the product alone.
func (p Person) Proof() string {
	switch {
	case p.HasSecondFactor:
		return "code"
	case p.HasPassword:
		return "password"
	}
	return "confirmation"
}

// prove checks a code or a password of somebody who is signed in.
func (g *Register) prove(ctx context.Context, p Person, proof string, from Where) error {
	if p.Proof() == "confirmation" {
		if g.Demo && p.Demo {
			return nil
		}
		return fault.Say(fault.Conflict, "Set a password first, on your security page; then it can be asked for here.")
	}
	account := digest("account " + p.Email)
	left, err := g.try(ctx, account, from)
	if err != nil {
		return err
	}
	yes := false
	if p.HasSecondFactor {
		yes, err = g.acceptCode(ctx, p.ID, proof)
	} else {
		var phc string
		if _, phc, err = g.account(ctx, p.Email); err == nil {
			yes, _, err = matches(ctx, phc, proof)
		}
	}
	if err != nil {
		return err
	}
	if !yes {
		return g.refused(ctx, p, left)
	}
	_, err = g.DB.Exec(ctx, `DELETE FROM sign_in_failures WHERE account_hash = $1`, account)
	return err
}

// Sessions lists the person's own sign-ins in force, the newest first.
func (g *Register) Sessions(ctx context.Context, actor auth.Actor) ([]Session, error) {
	if actor.Kind != auth.Person {
		return nil, fault.Denied
	}
	now := g.now()
	rows, err := g.DB.Query(ctx, `
		SELECT id, started_at, seen_at, expires_at, browser
		FROM sign_in_sessions
		WHERE person_id = $1
		  AND ended_at IS NULL
		  AND expires_at > $2
		  AND seen_at > $3
		ORDER BY started_at DESC, id DESC`, actor.ID, now, now.Add(-IdleLasts))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Session, err error) {
		err = row.Scan(&s.ID, &s.StartedAt, &s.SeenAt, &s.ExpiresAt, &s.Browser)
		return s, err
	})
}

// End ends one of the person's own sessions; 0 ends all but the current one.
func (g *Register) End(ctx context.Context, actor auth.Actor, session int64) error {
	if actor.Kind != auth.Person {
		return fault.Denied
	}
	return postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		if session == 0 {
			if err := g.endSessions(ctx, tx, actor.ID, actor.Session); err != nil {
				return err
			}
			return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "session.end", Object: object(actor.ID), What: "all others"})
		}
		tag, err := tx.Exec(ctx, `
			UPDATE sign_in_sessions SET ended_at = $3
			WHERE id = $1 AND person_id = $2 AND ended_at IS NULL`, session, actor.ID, g.now())
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fault.NotFound
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "session.end", Object: object(actor.ID)})
	})
}

// endSessions ends every session of the person but one (0: none is spared).
func (g *Register) endSessions(ctx context.Context, tx pgx.Tx, person, but int64) error {
	_, err := tx.Exec(ctx, `
		UPDATE sign_in_sessions SET ended_at = $3
		WHERE person_id = $1 AND id <> $2 AND ended_at IS NULL`, person, but, g.now())
	return err
}

// Sweep forgets sessions, links and failures that can no longer count.
func (g *Register) Sweep(ctx context.Context, actor auth.Actor) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	now := g.now()
	for _, statement := range []string{
		`DELETE FROM sign_in_sessions WHERE expires_at < $1::timestamptz - interval '30 days'`,
		`DELETE FROM sign_in_links WHERE expires_at < $1::timestamptz - interval '30 days'`,
		`DELETE FROM sign_in_failures WHERE failed_at < $1::timestamptz - interval '1 day'`,
	} {
		if _, err := g.DB.Exec(ctx, statement, now); err != nil {
			return fmt.Errorf("sweep sign-ins: %w", err)
		}
	}
	return nil
}

const (
	pause           = 15 * time.Minute
	triesPerAccount = 5
	triesPerAddress = 50
)

// try counts a try before it is judged and returns how many the account has
// left after it; the row goes when the try succeeds. Tries sent at the same
// moment wait for each other, so that none is judged uncounted. A try during
// the pause is not judged, and does not lengthen it.
func (g *Register) try(ctx context.Context, account []byte, from Where) (left int, err error) {
	now := g.now()
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			SELECT pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 0)), pg_advisory_xact_lock(hashtextextended($2, 1))`,
			account, from.Address)
		if err != nil {
			return err
		}
		var byAccount, byAddress int
		var first, firstThere time.Time
		err = tx.QueryRow(ctx, `
			SELECT count(*) FILTER (WHERE account_hash = $1), coalesce(min(failed_at) FILTER (WHERE account_hash = $1), $4),
			       count(*) FILTER (WHERE address = $2), coalesce(min(failed_at) FILTER (WHERE address = $2), $4)
			FROM sign_in_failures
			WHERE failed_at > $3 AND (account_hash = $1 OR address = $2)`,
			account, from.Address, now.Add(-pause), now).Scan(&byAccount, &first, &byAddress, &firstThere)
		if err != nil {
			return err
		}
		switch {
		case byAccount >= triesPerAccount:
			return &Paused{For: first.Add(pause).Sub(now)}
		case byAddress >= triesPerAddress:
			return &Paused{For: firstThere.Add(pause).Sub(now)}
		}
		left = triesPerAccount - byAccount - 1
		_, err = tx.Exec(ctx, `INSERT INTO sign_in_failures (account_hash, address, failed_at) VALUES ($1, $2, $3)`,
			account, from.Address, now)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count a try: %w", err)
	}
	return left, nil
}

// Paused refuses a sign-in after too many wrong ones.
type Paused struct{ For time.Duration }

func (p *Paused) Error() string { return "signing in pauses for " + p.For.String() }

// Unwrap gives it words for those who do not know the pause.
func (p *Paused) Unwrap() error {
	return fault.Say(fault.Denied, "Too many wrong tries. Signing in pauses for %d min; nothing that is typed until then is looked at.",
		int(math.Ceil(p.For.Minutes())))
}

// secretLength is the length of a session's or link's secret as text.
const secretLength = 43

// randomSecret returns 256 random bits as 43 URL-safe characters.
func randomSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func when(yes bool, at time.Time) *time.Time {
	if !yes {
		return nil
	}
	return &at
}

func short(browser string) string {
	runes := []rune(browser)
	return string(runes[:min(len(runes), 60)])
}
