package validators

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/validators/sandbox"
)

// Inserter is what this stage may do with jobs: add one to a transaction.
type Inserter interface {
	InsertTx(ctx context.Context, tx pgx.Tx, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
}

// Store keeps verdicts, what waits for one, and what canaries said. PostgreSQL
// is the truth of all of them.
type Store struct {
	DB    postgres.DB
	Set   *Set             // nil: verdicts are read, none is made
	Jobs  Inserter         // nil: no jobs follow
	Clock func() time.Time // nil: time.Now
	Judge *Judging         // nil: no language model is asked
}

// Validated is the job that follows verdicts; its kind is never renamed.
type Validated struct{}

// Kind names the job.
func (Validated) Kind() string { return "validators.validated" }

func (s *Store) now() time.Time {
	if s.Clock != nil {
		return s.Clock()
	}
	return time.Now()
}

func (s *Store) set() (*Set, error) {
	if s.Set == nil {
		return nil, fault.Say(fault.Unavailable, "No validator runs here.")
	}
	return s.Set, nil
}

// verdictColumns reads a verdict with its texts, for RowToStructByName.
const verdictColumns = `
	v.event_id, v.validator, v.version, v.verdict, v.reason, v.input_hash, v.sandbox, v.limits, v.elapsed_ms, v.made_at,
	coalesce(t.message, '') AS message, coalesce(t.evidence, '{}') AS evidence`

type verdictRow struct {
	EventID   uuid.UUID
	Validator string
	Version   string
	Verdict   string
	Reason    string
	InputHash string
	Sandbox   string
	Limits    Limits
	ElapsedMS float64
	MadeAt    time.Time
	Message   string
	Evidence  json.RawMessage
}

func (r verdictRow) verdict() Verdict {
	return Verdict{Validator: r.Validator, Version: r.Version, Verdict: r.Verdict, Reason: r.Reason, Message: r.Message, Evidence: r.Evidence,
		InputHash: r.InputHash, Sandbox: r.Sandbox, Limits: r.Limits, ElapsedMS: r.ElapsedMS, At: r.MadeAt.UTC()}
}

// Latest returns what each validator said last of each of the responses, the
// gravest first.
func (s *Store) Latest(ctx context.Context, actor auth.Actor, eventIDs []uuid.UUID) (map[uuid.UUID][]Verdict, error) {
	if !actor.May(auth.RunWork) && !actor.May(auth.Label) {
		if err := actor.Require(auth.SeeSessions); err != nil {
			return nil, err
		}
	}
	return latest(ctx, s.DB, eventIDs)
}

// Of is Latest for one response in the caller's transaction, for the
// provenance of a label.
func (s *Store) Of(ctx context.Context, db postgres.DB, event uuid.UUID) ([]Verdict, error) {
	of, err := latest(ctx, db, []uuid.UUID{event})
	return of[event], err
}

func latest(ctx context.Context, db postgres.DB, eventIDs []uuid.UUID) (map[uuid.UUID][]Verdict, error) {
	rows, _ := db.Query(ctx, `
		SELECT DISTINCT ON (v.event_id, v.validator)`+verdictColumns+`
		FROM verdicts v
		LEFT JOIN verdict_texts t ON t.verdict_id = v.id
		WHERE v.event_id = ANY($1) AND NOT v.shadow
		ORDER BY v.event_id, v.validator, v.id DESC`, eventIDs)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[verdictRow])
	if err != nil {
		return nil, fmt.Errorf("read verdicts: %w", err)
	}
	of := map[uuid.UUID][]Verdict{}
	for _, r := range list {
		of[r.EventID] = append(of[r.EventID], r.verdict())
	}
	for _, verdicts := range of {
		slices.SortStableFunc(verdicts, byVerdict)
	}
	return of, nil
}

// Validate judges one output on request. The same input and versions get the
// verdict they had. Canaries are tried when the last trial is a minute old; a
// suspended validator is Unavailable.
func (s *Store) Validate(ctx context.Context, actor auth.Actor, name string, in Input) (Verdict, error) {
	if err := actor.Require(auth.Validate); err != nil {
		return Verdict{}, err
	}
	set, err := s.set()
	if err != nil {
		return Verdict{}, err
	}
	v, err := s.choose(ctx, set, name, in)
	if err != nil {
		return Verdict{}, err
	}
	if in, err = s.withFixture(ctx, in); err != nil {
		return Verdict{}, err
	}
	hash, err := in.Hash()
	if err != nil {
		return Verdict{}, err
	}
	if kept, _, err := s.kept(ctx, v, hash); err == nil {
		kept.ID = in.ID
		return kept, nil
	} else if !errors.Is(err, pgx.ErrNoRows) {
		return Verdict{}, fmt.Errorf("look for the verdict of %s: %w", hash, err)
	}
	if err := s.trusted(ctx, v, time.Minute); err != nil {
		return Verdict{}, err
	}
	verdict, err := set.Check(ctx, v, in)
	if err == nil && verdict.Reason == string(sandbox.Crashed) {
		err = s.trusted(ctx, v, 0) // the input's doing, or the sandbox's
	}
	return verdict, err
}

// choose is Set.Choose among all that serve.
func (s *Store) choose(ctx context.Context, set *Set, name string, in Input) (Validator, error) {
	if _, err := set.Named(name); name == "" || err == nil {
		return set.Choose(name, in)
	}
	return s.serving(ctx, name)
}

// trusted vouches for a validator, in words for who asked.
func (s *Store) trusted(ctx context.Context, v Validator, within time.Duration) error {
	_, err := s.vouch(ctx, v, within)
	var suspended Suspended
	if errors.As(err, &suspended) {
		return fault.Say(fault.Unavailable, "The validator %s is suspended: it answered a canary wrongly, and says nothing until a person lifts that.", v.Name)
	}
	return err
}

// kept returns the verdict that the same input had from the same versions, and
// its id; pgx.ErrNoRows when there is none. One made while its canaries were
// in doubt is not kept.
func (s *Store) kept(ctx context.Context, v Validator, hash string) (Verdict, int64, error) {
	rows, _ := s.DB.Query(ctx, `
		SELECT v.id, `+verdictColumns+`
		FROM verdicts v
		JOIN verdict_texts t ON t.verdict_id = v.id
		WHERE v.input_hash = $1 AND v.validator = $2 AND v.version = $3 AND t.message <> '' -- not erased
		AND v.reason <> 'engine_suspended' -- which passes
		AND NOT EXISTS (
			SELECT FROM canary_rounds r
			WHERE r.validator = v.validator AND NOT r.passed AND v.made_at > r.doubt_from AND v.made_at <= r.at
		)
		ORDER BY v.id
		LIMIT 1`, hash, v.Name, v.Version)
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[struct {
		ID int64
		verdictRow
	}])
	return row.verdict(), row.ID, err
}

// vouch tries the validator's canaries unless they were right within the given
// time, and returns the id of the round that vouches for what it says next.
// A wrong answer suspends the validator; until that is lifted, Suspended is the
// error, whatever its canaries say now.
func (s *Store) vouch(ctx context.Context, v Validator, within time.Duration) (int64, error) {
	if wrong, open, err := s.suspendedNow(ctx, v); err != nil {
		return 0, err
	} else if open {
		return 0, wrong
	}
	if within > 0 {
		var id int64
		err := s.DB.QueryRow(ctx, `
			SELECT id FROM canary_rounds
			WHERE validator = $1 AND version = $2 AND passed AND at > clock_timestamp() - $3::interval
			AND id = (SELECT max(id) FROM canary_rounds WHERE validator = $1)`, v.Name, v.Version, within).Scan(&id)
		if err == nil || !errors.Is(err, pgx.ErrNoRows) {
			return id, err
		}
	}
	return s.try(ctx, v)
}

// try tries the canaries now and records what came of it.
func (s *Store) try(ctx context.Context, v Validator) (int64, error) {
	round, err := s.Set.TryCanaries(ctx, v)
	if err != nil {
		return 0, err
	}
	id, err := s.recordRound(ctx, round)
	if err != nil {
		return 0, fmt.Errorf("record the canaries of %s: %w", v.Name, err)
	}
	if !round.Passed() {
		return id, Suspended{round}
	}
	return id, nil
}

// recordRound keeps the round. A round that passed as the one before it did,
// within the hour, is one with it.
func (s *Store) recordRound(ctx context.Context, round Round) (int64, error) {
	tried, err := json.Marshal(round.Tried)
	if err != nil {
		return 0, err
	}
	var id int64
	if round.Passed() {
		err := s.DB.QueryRow(ctx, `
			UPDATE canary_rounds SET rounds = rounds + 1, at = clock_timestamp(), tried = $4
			WHERE id = (SELECT max(id) FROM canary_rounds WHERE validator = $1)
			AND passed AND version = $2 AND sandbox = $3 AND began_at > clock_timestamp() - interval '1 hour'
			RETURNING id`, round.Validator, round.Version, round.Sandbox, tried).Scan(&id)
		if err == nil || !errors.Is(err, pgx.ErrNoRows) {
			return id, err
		}
	}
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO canary_rounds (validator, version, sandbox, passed, tried, doubt_from)
			VALUES ($1, $2, $3, $4, $5, CASE WHEN NOT $4 THEN
				coalesce((SELECT max(at) FROM canary_rounds WHERE validator = $1 AND passed), clock_timestamp()) END)
			RETURNING id`, round.Validator, round.Version, round.Sandbox, round.Passed(), tried).Scan(&id)
		if err != nil {
			return err
		}
		return s.suspendOrReplace(ctx, tx, round, id)
	})
	return id, err
}
