package people

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Link makes a one-time sign-in link's secret for a person; earlier unused
// ones are worth nothing from then on. Whoever holds it is that person once,
// so an administrator cannot make one for somebody with a role of power: those
// come from the command at the machine (Reset).
func (g *Register) Link(ctx context.Context, actor auth.Actor, id int64) (secret string, expires time.Time, err error) {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return "", time.Time{}, err
	}
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		p, err := g.locked(ctx, tx, id)
		if err != nil {
			return err
		}
		if actor.Kind == auth.Person && slices.ContainsFunc(p.Roles, Powerful) {
			return fault.Say(fault.Denied, "A link would let whoever holds it act as this person. For release managers, auditors and administrators it is made at the machine, with “assay user add”.")
		}
		secret, expires, err = g.link(ctx, tx, actor, p)
		return err
	})
	return secret, expires, err
}

// Reset makes a link for a person who lost their password or second factor:
// both are forgotten and every session ends. Only the product itself may.
func (g *Register) Reset(ctx context.Context, actor auth.Actor, id int64) (secret string, expires time.Time, err error) {
	if actor.Kind != auth.System {
		return "", time.Time{}, fault.Say(fault.Denied, "This is done at the machine, with “assay user add”.")
	}
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		p, err := g.locked(ctx, tx, id)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE people
			SET password = NULL, second_factor = NULL, second_factor_pending = NULL
			WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if err := g.endSessions(ctx, tx, id, 0); err != nil {
			return err
		}
		if err := audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "person.reset", Object: object(id)}); err != nil {
			return err
		}
		secret, expires, err = g.link(ctx, tx, actor, p)
		return err
	})
	return secret, expires, err
}

func (g *Register) link(ctx context.Context, tx pgx.Tx, actor auth.Actor, p Person) (string, time.Time, error) {
	if p.DisabledAt != nil {
		return "", time.Time{}, fault.Say(fault.Conflict, "This account is disabled. Enable it first.")
	}
	secret, now := randomSecret(), g.now()
	expires := now.Add(LinkLasts)
	if _, err := tx.Exec(ctx, `DELETE FROM sign_in_links WHERE person_id = $1 AND used_at IS NULL`, p.ID); err != nil {
		return "", time.Time{}, err
	}
	_, err := tx.Exec(ctx, `INSERT INTO sign_in_links (token_hash, person_id, made_at, expires_at) VALUES ($1, $2, $3, $4)`,
		digest(secret), p.ID, now, expires)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make a link for person %d: %w", p.ID, err)
	}
	return secret, expires, audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "link.make", Object: object(p.ID)})
}

// LinkFor returns whom a link signs in, without using it up: programs that
// look at links ahead of people must not spend them.
func (g *Register) LinkFor(ctx context.Context, secret string) (Person, error) {
	var id int64
	err := g.DB.QueryRow(ctx, `
		SELECT l.person_id
		FROM sign_in_links l
		JOIN people p ON p.id = l.person_id
		WHERE l.token_hash = $1
		  AND l.used_at IS NULL
		  AND l.expires_at > $2
		  AND p.disabled_at IS NULL`, digest(secret), g.now()).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Person{}, errLink
	}
	if err != nil {
		return Person{}, err
	}
	return g.one(ctx, g.DB, `p.id = $1`, id)
}

var errLink = fault.Say(fault.NotFound, "This sign-in link has been used, or is older than 24 h. Ask for a new one.")

// FollowLink uses the link up and starts a session. A second factor, where
// there is one, is still asked for.
func (g *Register) FollowLink(ctx context.Context, secret string, from Where) (session string, err error) {
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `
			UPDATE sign_in_links SET used_at = $2
			WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2
			RETURNING person_id`, digest(secret), g.now()).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return errLink
		}
		if err != nil {
			return err
		}
		p, err := g.one(ctx, tx, `p.id = $1`, id)
		if err != nil {
			return err
		}
		if p.DisabledAt != nil {
			return errLink
		}
		session, err = g.start(ctx, tx, p, from, started{how: "link"})
		return err
	})
	return session, err
}
