package validators

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Cause says why a response is checked.
type Cause string

// The causes.
const (
	OnArrival  Cause = "arrival"
	OnSchedule Cause = "schedule"
	OnIncident Cause = "incident"
	OnRun      Cause = "run"
	OnRequest  Cause = "request"
	OnRerun    Cause = "rerun"
)

// Subject is a response that a validator could look at.
type Subject struct {
	EventID      uuid.UUID
	SessionID    string
	TaskClass    string
	ModelVersion string
	Kind         string // of its artifact
}

// Ask puts responses before the validators that want them; what arrives, before
// those that look at arrivals of its task class. What has a verdict of the
// current version, or waits for one, is passed over. It returns how many checks
// were added.
func (s *Store) Ask(ctx context.Context, actor auth.Actor, cause Cause, subjects []Subject) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	serving, err := s.Serving(ctx)
	if err != nil {
		return 0, err
	}
	settings, err := s.settings(ctx)
	if err != nil {
		return 0, err
	}
	return s.ask(ctx, cause, subjects, func(subject Subject) []Validator {
		return slices.DeleteFunc(slices.Clone(serving), func(v Validator) bool {
			return !v.wants(subject) || cause == OnArrival && !settings[v.Name].arrives(v, subject)
		})
	})
}

// ask puts responses before the validators chosen for each.
func (s *Store) ask(ctx context.Context, cause Cause, subjects []Subject, chosen func(Subject) []Validator) (int, error) {
	var events []uuid.UUID
	var sessions, tasks, models, names, versions []string
	add := func(subject Subject, v Validator) {
		events, sessions = append(events, subject.EventID), append(sessions, subject.SessionID)
		tasks, models = append(tasks, subject.TaskClass), append(models, subject.ModelVersion)
		names, versions = append(names, v.Name), append(versions, v.Version)
	}
	for _, subject := range subjects {
		for _, v := range chosen(subject) {
			add(subject, v)
		}
	}
	if len(events) == 0 {
		return 0, nil
	}
	tag, err := s.DB.Exec(ctx, `
		INSERT INTO checks (event_id, session_id, task_class, model_version, validator, cause)
		SELECT a.event_id, a.session_id, a.task_class, a.model_version, a.validator, $7
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
			AS a (event_id, session_id, task_class, model_version, validator, version)
		WHERE NOT EXISTS (
			SELECT FROM verdicts v
			WHERE v.event_id = a.event_id AND v.validator = a.validator AND v.version = a.version
		)
		ON CONFLICT ON CONSTRAINT checks_once DO NOTHING`, events, sessions, tasks, models, names, versions, string(cause))
	if err != nil {
		return 0, fmt.Errorf("ask for %d checks: %w", len(events), err)
	}
	return int(tag.RowsAffected()), nil
}

// Scan is one look through what landed in the telemetry store.
type Scan struct{ From, To time.Time }

// beginning is before everything that ever landed.
var beginning = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// BeginScan says which stretch of landing is to be looked through next.
func (s *Store) BeginScan(ctx context.Context, actor auth.Actor) (Scan, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return Scan{}, err
	}
	scan := Scan{From: beginning, To: s.now()}
	err := s.DB.QueryRow(ctx, `SELECT landed_to FROM check_scans`).Scan(&scan.From)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Scan{}, fmt.Errorf("begin a scan: %w", err)
	}
	return scan, nil
}

// EndScan remembers how far the scan came.
func (s *Store) EndScan(ctx context.Context, actor auth.Actor, scan Scan) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	_, err := s.DB.Exec(ctx, `
		INSERT INTO check_scans (landed_to) VALUES ($1)
		ON CONFLICT (one) DO UPDATE SET landed_to = greatest(check_scans.landed_to, EXCLUDED.landed_to)`, scan.To)
	return err
}

const (
	holdsFor    = 2 * time.Minute // how long a batch holds its checks; renewed while it works
	maxAttempts = 3               // of infrastructure, before a check is dead
	batchSize   = 200
)

// check is one response that a batch holds.
type check struct {
	ID           int64
	EventID      uuid.UUID
	SessionID    string
	TaskClass    string
	ModelVersion string
	Cause        string
	AskedAt      time.Time
	Attempts     int
}

// Batched says what a batch did.
type Batched struct {
	Taken, Judged, Kept, Gone, Troubled int
}

// Reader reads the inputs of responses; one that is missing from the answer
// has nothing to check any more.
type Reader func(ctx context.Context, events []uuid.UUID) (map[uuid.UUID]Input, error)

// Batch takes what waits for the validator, tries its canaries and judges. Not
// one verdict is written unless every canary was answered as it must be: the
// error is then Suspended, and everything waits on.
func (s *Store) Batch(ctx context.Context, actor auth.Actor, name string, read Reader) (Batched, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return Batched{}, err
	}
	v, err := s.serving(ctx, name)
	if err != nil {
		return Batched{}, err
	}
	if wrong, open, err := s.suspendedNow(ctx, v); err != nil {
		return Batched{}, err
	} else if open {
		return Batched{}, errors.Join(wrong, s.introduce(ctx, v))
	}
	held, err := s.hold(ctx, name)
	if err != nil {
		return Batched{}, err
	}
	if len(held) == 0 {
		return Batched{}, s.introduce(ctx, v)
	}
	b := &batch{store: s, validator: v, done: Batched{Taken: len(held)}}
	defer b.renew(ctx, held)()
	if b.round, err = s.vouch(ctx, v, v.VouchedFor); err != nil {
		s.letGo(ctx, held)
		return b.done, err
	}
	inputs, err := read(ctx, eventsOf(held))
	if err != nil {
		s.letGo(ctx, held)
		return b.done, fmt.Errorf("read %d responses to check: %w", len(held), err)
	}
	err = errors.Join(b.judge(ctx, held, inputs), s.endReruns(ctx))
	if b.done.Judged > 0 {
		err = errors.Join(err, s.tell(ctx))
	}
	return b.done, err
}

// tell says that verdicts were written.
func (s *Store) tell(ctx context.Context) error {
	if s.Jobs == nil {
		return nil
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		_, err := s.Jobs.InsertTx(ctx, tx, Validated{}, nil)
		return err
	})
}

// introduce tries the canaries of a version that has not been tried here, so
// that its card can say whether it serves before anything arrives for it, and
// those of a suspended one, so that its card says when it would answer again.
func (s *Store) introduce(ctx context.Context, v Validator) error {
	var idle bool
	err := s.DB.QueryRow(ctx, `
		SELECT NOT coalesce((SELECT passed OR at > clock_timestamp() - interval '1 minute'
		                     FROM canary_rounds WHERE validator = $1 AND version = $2 ORDER BY id DESC LIMIT 1), false)`, v.Name, v.Version).Scan(&idle)
	if err != nil || !idle {
		return err
	}
	_, err = s.try(ctx, v)
	return err
}

func eventsOf(held []check) []uuid.UUID {
	events := make([]uuid.UUID, len(held))
	for i, c := range held {
		events[i] = c.EventID
	}
	return events
}

// hold takes checks for a batch; others pass them over until the hold ends.
func (s *Store) hold(ctx context.Context, validator string) ([]check, error) {
	rows, _ := s.DB.Query(ctx, `
		UPDATE checks SET held_until = clock_timestamp() + $2::interval, attempts = attempts + 1
		WHERE id IN (
			SELECT id FROM checks
			WHERE validator = $1 AND dead_at IS NULL AND (held_until IS NULL OR held_until < clock_timestamp())
			AND (rerun_id IS NULL OR EXISTS (SELECT FROM reruns r WHERE r.id = rerun_id AND r.state IN ('listing', 'running')))
			ORDER BY rerun_id IS NOT NULL, id -- what arrives goes before what is judged again
			LIMIT $3
			FOR UPDATE SKIP LOCKED
		)
		RETURNING id, event_id, session_id, task_class, model_version, cause, asked_at, attempts`, validator, holdsFor, batchSize)
	held, err := pgx.CollectRows(rows, pgx.RowToStructByName[check])
	if err != nil {
		return nil, fmt.Errorf("take a batch for %s: %w", validator, err)
	}
	return held, nil
}

// letGo gives checks back as if they had not been taken.
func (s *Store) letGo(ctx context.Context, held []check) {
	ids := make([]int64, len(held))
	for i, c := range held {
		ids[i] = c.ID
	}
	// Best effort: what stays held is free again when the hold ends.
	_, _ = s.DB.Exec(context.WithoutCancel(ctx), `
		UPDATE checks SET held_until = NULL, attempts = attempts - 1 WHERE id = ANY($1) AND dead_at IS NULL`, ids)
}

// batch is one run of one validator.
type batch struct {
	store     *Store
	validator Validator
	round     int64

	mu   sync.Mutex
	done Batched
}

// renew keeps the hold while the batch works, and returns what ends that.
func (b *batch) renew(ctx context.Context, held []check) (stop func()) {
	ids := make([]int64, len(held))
	for i, c := range held {
		ids[i] = c.ID
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		ticks := time.NewTicker(holdsFor / 4)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
				// A hold that could not be renewed ends, and others take over.
				_, _ = b.store.DB.Exec(ctx, `
					UPDATE checks SET held_until = clock_timestamp() + $2::interval
					WHERE id = ANY($1) AND held_until IS NOT NULL AND dead_at IS NULL`, ids, holdsFor)
			}
		}
	}()
	return cancel
}

// judge goes through the batch with as many at once as there are processors.
func (b *batch) judge(ctx context.Context, held []check, inputs map[uuid.UUID]Input) error {
	todo := make(chan check)
	var working sync.WaitGroup
	errs := make([]error, runtime.GOMAXPROCS(0))
	for i := range errs {
		working.Go(func() {
			for c := range todo {
				if errs[i] == nil {
					errs[i] = b.judgeOne(ctx, c, inputs)
				}
			}
		})
	}
	for _, c := range held {
		todo <- c
	}
	close(todo)
	working.Wait()
	return errors.Join(errs...)
}

func (b *batch) judgeOne(ctx context.Context, c check, inputs map[uuid.UUID]Input) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in := inputs[c.EventID].as(b.validator)
	if len(in.Artifact) == 0 {
		b.count(func(d *Batched) { d.Gone++ })
		return b.store.gone(ctx, c)
	}
	verdict, keptFrom, err := b.verdict(ctx, in)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if b.validator.Remote && fault.Of(err) == fault.Unavailable {
		return err // it is away: what waits is taken up when the hold ends
	}
	if err != nil {
		b.count(func(d *Batched) { d.Troubled++ })
		return b.store.trouble(ctx, c, err)
	}
	b.count(func(d *Batched) {
		d.Judged++
		if keptFrom != nil {
			d.Kept++
		}
	})
	return b.store.record(ctx, c, verdict, keptFrom, b.round, b.validator.Shadow)
}

func (b *batch) count(add func(*Batched)) {
	b.mu.Lock()
	add(&b.done)
	b.mu.Unlock()
}

// verdict is the one that was kept for the same input and versions, else a new
// one.
func (b *batch) verdict(ctx context.Context, in Input) (Verdict, *int64, error) {
	in, err := b.store.withFixture(ctx, in)
	if err != nil {
		return Verdict{}, nil, err
	}
	hash, err := in.Hash()
	if err != nil {
		return Verdict{}, nil, err
	}
	kept, id, err := b.store.kept(ctx, b.validator, hash)
	if err == nil {
		return kept, &id, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return Verdict{}, nil, err
	}
	verdict, err := b.store.Set.Check(ctx, b.validator, in)
	return verdict, nil, err
}

// gone ends a check whose text is no more.
func (s *Store) gone(ctx context.Context, c check) error {
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if err := settle(ctx, tx, c.ID, 0); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM checks WHERE id = $1`, c.ID)
		return err
	})
}

// trouble notes that infrastructure failed. After too often the check is dead
// and stays with its reason, to be looked at and asked again.
func (s *Store) trouble(ctx context.Context, c check, cause error) error {
	_, err := s.DB.Exec(ctx, `
		UPDATE checks
		SET held_until = NULL, trouble = $2, dead_at = CASE WHEN attempts >= $3 THEN clock_timestamp() END
		WHERE id = $1`, c.ID, plain(cause.Error(), 300), maxAttempts)
	return err
}

// record writes the verdict, its outbox row and its job, and ends the check,
// in one transaction.
func (s *Store) record(ctx context.Context, c check, v Verdict, keptFrom *int64, round int64, shadow bool) error {
	limits, err := json.Marshal(v.Limits)
	if err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `
			INSERT INTO verdicts (event_id, session_id, task_class, model_version, validator, version, verdict, reason,
			                      input_hash, sandbox, limits, elapsed_ms, kept_from, round_id, cause, asked_at, shadow, rerun_id)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::bigint, nullif($14, 0), $15, $16, $18,
			       (SELECT rerun_id FROM checks WHERE id = $17)
			WHERE $13::bigint IS NULL OR NOT EXISTS ( -- it stands already
				SELECT FROM (
					SELECT version, input_hash FROM verdicts WHERE event_id = $1 AND validator = $5 ORDER BY id DESC LIMIT 1
				) standing
				WHERE version = $6 AND input_hash = $9
			)
			ON CONFLICT ON CONSTRAINT verdicts_once DO NOTHING
			RETURNING id`, c.EventID, c.SessionID, c.TaskClass, c.ModelVersion, v.Validator, v.Version, v.Verdict, v.Reason,
			v.InputHash, v.Sandbox, limits, v.ElapsedMS, keptFrom, round, c.Cause, c.AskedAt, c.ID, shadow).Scan(&id)
		switch {
		case err == nil:
			err = s.recordTexts(ctx, tx, id, v, shadow)
		case errors.Is(err, pgx.ErrNoRows):
			err = tx.QueryRow(ctx, `
				SELECT max(id) FROM verdicts
				WHERE event_id = $1 AND validator = $2 AND version = $3 AND input_hash = $4`, c.EventID, v.Validator, v.Version, v.InputHash).Scan(&id)
		}
		if err == nil {
			err = settle(ctx, tx, c.ID, id)
		}
		if err != nil {
			return fmt.Errorf("record a verdict on %s: %w", c.EventID, err)
		}
		_, err = tx.Exec(ctx, `DELETE FROM checks WHERE id = $1`, c.ID)
		return err
	})
}

func (s *Store) recordTexts(ctx context.Context, tx pgx.Tx, id int64, v Verdict, shadow bool) error {
	if _, err := tx.Exec(ctx, `INSERT INTO verdict_texts (verdict_id, message, evidence) VALUES ($1, $2, $3)`, id, v.Message, string(v.Evidence)); err != nil || shadow {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO verdict_outbox (verdict_id) VALUES ($1)`, id)
	return err
}
