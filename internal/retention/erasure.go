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

// Confirmed says that an erasure was confirmed. jobs carries it out. It names
// no person.
type Confirmed struct {
	Erasure int64 `json:"erasure"`
}

// Kind names the job; it is never renamed.
func (Confirmed) Kind() string { return "retention.confirmed" }

// Erasure is a person's right to be forgotten, on its way.
type Erasure struct {
	ID          int64
	Person      string // blank once it is done or given up
	Reason      string
	AskedBy     int64
	Asker       string
	AskedAt     time.Time
	Counts      []Found // the dry run: Left is how much there is
	Sessions    int
	State       string // counted, confirmed, done, given_up
	ConfirmedBy *string
	ConfirmedAt *time.Time
	DoneAt      *time.Time
}

const erasureColumns = `id, person, reason, asked_by, asker, asked_at, counts, sessions, state, confirmed_by, confirmed_at, done_at`

// proofAge is how fresh the proof of who confirms must be.
const proofAge = 10 * time.Minute

// Ask counts what there is of a person, everywhere, and changes nothing: the
// dry run, and the first of two steps. Faults: Invalid, NotFound when there is
// nothing, Conflict when the person is under a hold or asked for already.
func (g *Register) Ask(ctx context.Context, actor auth.Actor, person, reason string) (Erasure, error) {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return Erasure{}, err
	}
	person, reason = strings.TrimSpace(person), strings.TrimSpace(reason)
	switch {
	case person == "" || len(person) > 256:
		return Erasure{}, fault.Say(fault.Invalid, "Give the hashed user id as the events carry it.")
	case len(reason) < 3 || len(reason) > 500:
		return Erasure{}, fault.Say(fault.Invalid, "Say in 3 to 500 characters what the erasure goes back to.")
	}
	p, err := g.person(ctx, person)
	if err != nil {
		return Erasure{}, err
	}
	e := Erasure{Person: person, Reason: reason, AskedBy: actor.ID, Asker: actor.Name, AskedAt: g.now(), Sessions: len(p.Sessions), State: "counted"}
	there := int64(0)
	for _, place := range g.places() {
		n, err := place.Count(ctx, p)
		if err != nil {
			return Erasure{}, fmt.Errorf("count in %s: %w", place.Name(), err)
		}
		there += n
		e.Counts = append(e.Counts, Found{Place: place.Name(), Left: n})
	}
	if there == 0 {
		return Erasure{}, fault.Say(fault.NotFound, "Nothing of a person with this id is kept anywhere.")
	}
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO erasures (person, reason, asked_by, asker, asked_at, counts, sessions)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			RETURNING id`, person, reason, e.AskedBy, e.Asker, e.AskedAt, e.Counts, e.Sessions).Scan(&e.ID)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "erasure.ask", Object: fmt.Sprintf("erasure/%d", e.ID),
			What: fmt.Sprintf("%d sessions, %d texts and rows", e.Sessions, there), Reason: reason,
		})
	})
	if postgres.Violates(err, "erasures_once") {
		return Erasure{}, fault.Say(fault.Conflict, "The erasure of this person is under way already.")
	}
	return e, err
}

// person finds whose sessions these are and refuses one under a legal hold.
func (g *Register) person(ctx context.Context, hash string) (Person, error) {
	sessions, err := g.Sessions.SessionsOf(ctx, hash)
	if err != nil {
		return Person{}, err
	}
	if sessions == nil {
		sessions = []string{}
	}
	var held int
	err = g.DB.QueryRow(ctx, `
		SELECT count(DISTINCT id)
		FROM legal_holds LEFT JOIN legal_hold_sessions s ON hold_id = id
		WHERE ended_at IS NULL AND (person = $1 OR s.session_id = ANY($2))`, hash, sessions).Scan(&held)
	if err != nil {
		return Person{}, err
	}
	if held > 0 {
		return Person{}, fault.Say(fault.Conflict, "A legal hold covers this person. Release it first; until then nothing of them may be erased.")
	}
	return Person{hash, sessions}, nil
}

// Confirm is the second step: whoever confirms has just proved who they are
// and repeats the last six characters of the id. The job that erases is
// inserted with it.
func (g *Register) Confirm(ctx context.Context, actor auth.Actor, id int64, last6 string) error {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return err
	}
	if age := g.now().Sub(actor.SteppedUp); actor.SteppedUp.IsZero() || age > proofAge {
		return fault.Say(fault.Denied, "Prove again who you are first; the proof lasts %d minutes.", int(proofAge.Minutes()))
	}
	return g.move(ctx, id, func(ctx context.Context, tx pgx.Tx, e Erasure) error {
		if e.State != "counted" {
			return fault.Say(fault.Conflict, "This erasure is %s already.", inWords(e.State))
		}
		if want := e.Person[max(0, len(e.Person)-6):]; strings.TrimSpace(last6) != want {
			return fault.Say(fault.Invalid, "These are not the last six characters of the id.")
		}
		if _, err := g.person(ctx, e.Person); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE erasures SET state = 'confirmed', confirmed_by = $2, confirmed_at = $3 WHERE id = $1`, id, actor.Name, g.now())
		if err != nil {
			return err
		}
		if g.Jobs != nil {
			if _, err := g.Jobs.InsertTx(ctx, tx, Confirmed{id}, nil); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "erasure.confirm", Object: fmt.Sprintf("erasure/%d", id)})
	})
}

func inWords(state string) string { return strings.ReplaceAll(state, "_", " ") }

// GiveUp ends an erasure that was only counted.
func (g *Register) GiveUp(ctx context.Context, actor auth.Actor, id int64) error {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return err
	}
	return g.move(ctx, id, func(ctx context.Context, tx pgx.Tx, e Erasure) error {
		if e.State != "counted" {
			return fault.Say(fault.Conflict, "This erasure is %s already.", inWords(e.State))
		}
		if _, err := tx.Exec(ctx, `UPDATE erasures SET state = 'given_up', person = '' WHERE id = $1`, id); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "erasure.give_up", Object: fmt.Sprintf("erasure/%d", id)})
	})
}

func (g *Register) move(ctx context.Context, id int64, change func(context.Context, pgx.Tx, Erasure) error) error {
	err := postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+erasureColumns+` FROM erasures WHERE id = $1 FOR UPDATE`, id)
		if err != nil {
			return err
		}
		e, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Erasure])
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.NotFound, "There is no erasure %d.", id)
		}
		if err != nil {
			return err
		}
		return change(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("erasure %d: %w", id, err)
	}
	return nil
}

// Erase carries out what was confirmed, proves it and forgets the person. It
// is for a job; repeated it does what is left.
func (g *Register) Erase(ctx context.Context, actor auth.Actor, id int64) (Proof, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return Proof{}, err
	}
	e, err := g.erasure(ctx, id)
	if err != nil || e.State != "confirmed" {
		return Proof{}, err
	}
	p, err := g.person(ctx, e.Person)
	if err != nil {
		return Proof{}, err
	}
	proof := Proof{Kind: "erasure", ErasureID: &id, BeganAt: g.now()}
	left := int64(0)
	for _, place := range g.places() {
		if place == Place(g.Sessions) && left > 0 {
			break // it alone knows the sessions, which the next try needs
		}
		removed, err := place.Erase(ctx, actor, p)
		if err != nil {
			return Proof{}, fmt.Errorf("erase in %s: %w", place.Name(), err)
		}
		found := Found{Place: place.Name(), Removed: removed}
		if found.Left, err = place.Count(ctx, p); err != nil {
			return Proof{}, fmt.Errorf("look again in %s: %w", place.Name(), err)
		}
		left += found.Left
		proof.Places = append(proof.Places, found)
	}
	if err := g.prove(ctx, actor, &proof, fmt.Sprintf("erasure %d: one person, %d sessions", id, len(p.Sessions))); err != nil {
		return Proof{}, err
	}
	if !proof.Clean {
		return proof, fmt.Errorf("erasure %d: something is left; it is tried again", id)
	}
	return proof, g.move(ctx, id, func(ctx context.Context, tx pgx.Tx, e Erasure) error {
		_, err := tx.Exec(ctx, `UPDATE erasures SET state = 'done', person = '', done_at = $2 WHERE id = $1 AND state = 'confirmed'`, id, g.now())
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE legal_holds SET person = '' WHERE person = $1 AND ended_at IS NOT NULL`, e.Person); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "erasure.done", Object: fmt.Sprintf("erasure/%d", id), What: fmt.Sprintf("%d texts and rows; proof %d", proof.Removed(), proof.ID),
		})
	})
}

func (g *Register) erasure(ctx context.Context, id int64) (Erasure, error) {
	list, err := g.erasures(ctx, `WHERE id = $1`, id)
	if err == nil && len(list) == 0 {
		err = fault.Say(fault.NotFound, "There is no erasure %d.", id)
	}
	if err != nil {
		return Erasure{}, err
	}
	return list[0], nil
}

func (g *Register) erasures(ctx context.Context, which string, arg any) ([]Erasure, error) {
	rows, err := g.DB.Query(ctx, `SELECT `+erasureColumns+` FROM erasures `+which, arg)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Erasure])
}

// Erasure returns one.
func (g *Register) Erasure(ctx context.Context, actor auth.Actor, id int64) (Erasure, error) {
	if err := actor.Require(auth.SeeRetention); err != nil {
		return Erasure{}, err
	}
	return g.erasure(ctx, id)
}

// Erasures lists the newest, at most limit.
func (g *Register) Erasures(ctx context.Context, actor auth.Actor, limit int) ([]Erasure, error) {
	if err := actor.Require(auth.SeeRetention); err != nil {
		return nil, err
	}
	return g.erasures(ctx, `ORDER BY id DESC LIMIT $1`, min(max(limit, 1), 500))
}
