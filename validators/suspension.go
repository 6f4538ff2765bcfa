package validators

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

// Suspension is why a validator says nothing, or said nothing for a time.
type Suspension struct {
	ID        int64
	Validator string
	Version   string
	Since     time.Time
	DoubtFrom time.Time // when its canaries were last right
	Canary    Tried     // the first that was answered wrongly
	LiftedAt  *time.Time
	LiftedBy  *string // a person's name; "" for a new version
	Reason    string  // why it was lifted
}

const suspensionColumns = `id, validator, version, since, doubt_from, canary, lifted_at, lifted_by, reason`

// suspendedNow says whether this version of the validator is suspended, and by
// which canary.
func (s *Store) suspendedNow(ctx context.Context, v Validator) (Suspended, bool, error) {
	var wrong Tried
	var at time.Time
	err := s.DB.QueryRow(ctx, `
		SELECT canary, since FROM suspensions
		WHERE validator = $1 AND version = $2 AND lifted_at IS NULL`, v.Name, v.Version).Scan(&wrong, &at)
	if errors.Is(err, pgx.ErrNoRows) {
		return Suspended{}, false, nil
	}
	wrong.OK = false
	return Suspended{Round{Validator: v.Name, Version: v.Version, Tried: []Tried{wrong}, At: at}}, err == nil, err
}

// suspendOrReplace opens a suspension when the round went wrong. When all was
// right, it ends that of another version, which judges no more.
func (s *Store) suspendOrReplace(ctx context.Context, tx pgx.Tx, round Round, id int64) error {
	if wrong, is := round.Wrong(); is || len(round.Tried) == 0 {
		if _, err := tx.Exec(ctx, `
			UPDATE suspensions SET lifted_at = clock_timestamp(), lifted_by = '', reason = 'another version took its place'
			WHERE validator = $1 AND version <> $2 AND lifted_at IS NULL`, round.Validator, round.Version); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO suspensions (validator, version, doubt_from, canary)
			SELECT $1, $2, doubt_from, $4 FROM canary_rounds WHERE id = $3
			ON CONFLICT (validator) WHERE lifted_at IS NULL DO NOTHING`, round.Validator, round.Version, id, wrong)
		return err
	}
	_, err := tx.Exec(ctx, `
		UPDATE suspensions SET lifted_at = clock_timestamp(), lifted_by = '', reason = 'a new version answers every canary'
		WHERE validator = $1 AND version <> $2 AND lifted_at IS NULL`, round.Validator, round.Version)
	return err
}

// Lift ends a suspension: a person says why, and every canary is answered as it
// must be, now. One wrong answer is a Conflict and leaves it suspended. What was
// said while its canaries were in doubt stays in doubt until it is judged again.
func (s *Store) Lift(ctx context.Context, actor auth.Actor, name, reason string) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	reason = strings.TrimSpace(reason)
	if n := len([]rune(reason)); n < 5 || n > 500 {
		return fault.Say(fault.Invalid, "Say in 5 to 500 letters why the suspension is lifted: what was wrong, and what was done about it.")
	}
	v, err := s.serving(ctx, name)
	if err != nil {
		return err
	}
	_, open, err := s.suspendedNow(ctx, v)
	if err != nil {
		return err
	}
	if !open {
		return fault.Say(fault.Conflict, "%s is not suspended.", name)
	}
	_, err = s.try(ctx, v)
	var again Suspended
	if errors.As(err, &again) {
		wrong, _ := again.Round.Wrong()
		return fault.Say(fault.Conflict, "It stays suspended: the canary “%s” was answered %s, %s is right.", wrong.Name, wrong.Got, wrong.Want)
	}
	if err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `
			UPDATE suspensions SET lifted_at = clock_timestamp(), lifted_by = $3, reason = $4
			WHERE validator = $1 AND version = $2 AND lifted_at IS NULL
			RETURNING id`, v.Name, v.Version, actor.Name, reason).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.Conflict, "%s is not suspended any more.", name)
		}
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "validator.lift", Object: "validator/" + v.Name, Reason: reason,
			What: fmt.Sprintf("suspension %d of %s, %d canaries right", id, v.Version, len(v.Canaries))})
	})
}

// Suspensions lists those of a validator, newest first.
func (s *Store) Suspensions(ctx context.Context, actor auth.Actor, name string, limit int) ([]Suspension, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT `+suspensionColumns+`
		FROM suspensions
		WHERE validator = $1
		ORDER BY id DESC
		LIMIT $2`, name, limit)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Suspension])
}

// Held is what waits because a validator is suspended.
type Held struct {
	Checks    int64 // responses
	Classes   []HeldClass
	Schedules int64
	Reruns    int64
	Doubted   int64 // verdicts since its canaries were last right
}

// HeldClass counts what waits of one task class.
type HeldClass struct {
	TaskClass string
	Count     int64
}

// HeldBy counts what a suspended validator holds up.
func (s *Store) HeldBy(ctx context.Context, actor auth.Actor, name string) (Held, error) {
	var h Held
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return h, err
	}
	err := s.DB.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM checks WHERE validator = $1 AND dead_at IS NULL),
		       (SELECT count(*) FROM validator_schedules WHERE validator = $1 AND retired_at IS NULL AND paused_at IS NULL),
		       (SELECT count(*) FROM reruns WHERE validator = $1 AND ended_at IS NULL),
		       (SELECT count(*) FROM verdicts v JOIN suspensions o ON o.validator = v.validator AND o.lifted_at IS NULL
		        WHERE v.validator = $1 AND v.made_at > o.doubt_from AND v.made_at <= o.since)`, name).
		Scan(&h.Checks, &h.Schedules, &h.Reruns, &h.Doubted)
	if err != nil {
		return h, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT task_class, count(*) FROM checks
		WHERE validator = $1 AND dead_at IS NULL
		GROUP BY task_class
		ORDER BY count(*) DESC, task_class
		LIMIT 5`, name)
	h.Classes, err = pgx.CollectRows(rows, pgx.RowToStructByName[HeldClass])
	return h, err
}

// readSuspension fills in why the validator says nothing now.
func (s *Store) readSuspension(ctx context.Context, c *Card) error {
	rows, _ := s.DB.Query(ctx, `
		SELECT `+suspensionColumns+`
		FROM suspensions
		WHERE validator = $1 AND version = $2 AND lifted_at IS NULL`, c.Name, c.Version)
	open, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Suspension])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	c.Suspended = &open
	return err
}
