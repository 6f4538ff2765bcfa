package retention

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Hold is a legal hold: on one session, or on all of one person.
type Hold struct {
	ID        int64
	SessionID string
	Person    string // a hashed user id
	Reason    string
	PlacedBy  string
	PlacedAt  time.Time
	EndedBy   *string
	EndedAt   *time.Time
	Sessions  int // covered
}

// Place puts a hold on a session or on a person (exactly one is given). From
// then on nothing of it expires or is erased.
func (g *Register) Place(ctx context.Context, actor auth.Actor, sessionID, person, reason string) (Hold, error) {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return Hold{}, err
	}
	sessionID, person, reason = strings.TrimSpace(sessionID), strings.TrimSpace(person), strings.TrimSpace(reason)
	switch {
	case (sessionID == "") == (person == ""):
		return Hold{}, fault.Say(fault.Invalid, "A hold names either a session or a person.")
	case len(sessionID) > 256 || len(person) > 256:
		return Hold{}, fault.Say(fault.Invalid, "An id has 256 characters at most.")
	case len(reason) < 3 || len(reason) > 500:
		return Hold{}, fault.Say(fault.Invalid, "Say in 3 to 500 characters why it is held.")
	}
	policy, err := g.Policy(ctx)
	if err != nil {
		return Hold{}, err
	}
	sessions := []string{sessionID}
	if person != "" {
		if sessions, err = g.Sessions.SessionsOf(ctx, person); err != nil {
			return Hold{}, err
		}
	}
	h := Hold{SessionID: sessionID, Person: person, Reason: reason, PlacedBy: actor.Name, PlacedAt: g.now(), Sessions: len(sessions)}
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO legal_holds (session_id, person, reason, placed_by, placed_at)
			VALUES ($1, $2, $3, $4, $5)
			RETURNING id`, sessionID, person, reason, h.PlacedBy, h.PlacedAt).Scan(&h.ID)
		if err != nil {
			return err
		}
		if err := cover(ctx, tx, h.ID, sessions); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "hold.place", Object: fmt.Sprintf("hold/%d", h.ID), What: fmt.Sprintf("%d sessions", len(sessions)), Reason: reason,
		})
	})
	if postgres.Violates(err, "legal_holds_once") {
		return Hold{}, fault.Say(fault.Conflict, "This is held already.")
	}
	if err != nil {
		return Hold{}, fmt.Errorf("place a hold: %w", err)
	}
	// The hold stands from here on; the stores follow, now or with the next run.
	return h, g.Sessions.Hold(ctx, sessions, true, policy)
}

func cover(ctx context.Context, tx pgx.Tx, hold int64, sessions []string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO legal_hold_sessions (hold_id, session_id)
		SELECT $1, session_id FROM unnest($2::text[]) AS s (session_id)
		ON CONFLICT DO NOTHING`, hold, sessions)
	return err
}

// extendHolds brings sessions that held persons had since under their hold,
// and says it to the stores again: a hold placed while one was away counts.
func (g *Register) extendHolds(ctx context.Context, policy Policy) error {
	holds, err := g.holds(ctx, true)
	if err != nil {
		return err
	}
	for _, h := range holds {
		sessions := []string{h.SessionID}
		if h.Person != "" {
			if sessions, err = g.Sessions.SessionsOf(ctx, h.Person); err != nil {
				return err
			}
			if err := postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error { return cover(ctx, tx, h.ID, sessions) }); err != nil {
				return err
			}
		}
		if err := g.Sessions.Hold(ctx, sessions, true, policy); err != nil {
			return err
		}
	}
	return nil
}

// Release ends a hold: the times of what it covered count again, unless
// another hold covers it too.
func (g *Register) Release(ctx context.Context, actor auth.Actor, id int64, reason string) error {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return err
	}
	reason = strings.TrimSpace(reason)
	if len(reason) < 3 || len(reason) > 500 {
		return fault.Say(fault.Invalid, "Say in 3 to 500 characters why the hold ends.")
	}
	policy, err := g.Policy(ctx)
	if err != nil {
		return err
	}
	var freed []string
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		var one int64
		err := tx.QueryRow(ctx, `
			UPDATE legal_holds SET ended_by = $2, ended_at = $3
			WHERE id = $1 AND ended_at IS NULL
			RETURNING id`, id, actor.Name, g.now()).Scan(&one)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.NotFound, "There is no such hold, or it has ended.")
		}
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			SELECT session_id FROM legal_hold_sessions WHERE hold_id = $1
			EXCEPT
			SELECT s.session_id FROM legal_hold_sessions s JOIN legal_holds ON id = hold_id WHERE ended_at IS NULL`, id)
		if err != nil {
			return err
		}
		if freed, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "hold.release", Object: fmt.Sprintf("hold/%d", id), Reason: reason})
	})
	if err != nil {
		return fmt.Errorf("release hold %d: %w", id, err)
	}
	return g.Sessions.Hold(ctx, freed, false, policy)
}

// Holds lists every hold, those in force first.
func (g *Register) Holds(ctx context.Context, actor auth.Actor) ([]Hold, error) {
	if err := actor.Require(auth.SeeRetention); err != nil {
		return nil, err
	}
	return g.holds(ctx, false)
}

func (g *Register) holds(ctx context.Context, inForce bool) ([]Hold, error) {
	rows, err := g.DB.Query(ctx, `
		SELECT id, session_id, person, reason, placed_by, placed_at, ended_by, ended_at,
		       (SELECT count(*) FROM legal_hold_sessions WHERE hold_id = id) AS sessions
		FROM legal_holds
		WHERE NOT $1 OR ended_at IS NULL
		ORDER BY ended_at IS NOT NULL, id DESC
		LIMIT 1000`, inForce)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Hold])
}
