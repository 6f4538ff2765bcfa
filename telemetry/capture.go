package telemetry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/stats"
)

// CapturePolicy says what is kept of a task class's text. Rates are shares of
// sessions, drawn by the session's permanent number: a higher rate keeps all
// that a lower one would, and more.
type CapturePolicy struct {
	ID          int64
	TaskClass   string
	Version     int
	Capture     Capture // the most; a key may name less
	Base        float64 // of unflagged sessions while nothing is wrong: 0.001 to 0.01 is usual
	BaseFlagged float64 // of flagged ones: 0.05 to 0.10
	Most        float64 // how far Base may rise in a spike
	Reason      string
	Author      string
	At          time.Time
}

// CaptureRate is what is in force for a task class now.
type CaptureRate struct {
	ID          int64
	TaskClass   string
	PolicyID    int64
	Capture     Capture
	Keep        float64
	KeepFlagged float64
	Why         string // set, raised, decayed
	At          time.Time
}

// CapturedClass is a task class with its policy and the rate in force.
type CapturedClass struct {
	Policy CapturePolicy
	Rate   CaptureRate
	// Of the last seven days, counted on all events.
	Responses int64
	Kept      int64
}

// SetCapture puts a policy in force for a task class; its rate begins at the
// base. Earlier versions stay, and what was kept under them keeps its
// probability.
func (s *Store) SetCapture(ctx context.Context, actor auth.Actor, p CapturePolicy) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	p.TaskClass, p.Reason = strings.TrimSpace(p.TaskClass), strings.TrimSpace(p.Reason)
	switch {
	case p.TaskClass == "" || len(p.TaskClass) > 100:
		return fault.Say(fault.Invalid, "Name the task class, in 100 characters at most.")
	case p.Capture != CaptureHash && p.Capture != CaptureRedacted && p.Capture != CaptureRaw:
		return fault.Say(fault.Invalid, "Capture must be hash, redacted or raw.")
	case !(p.Base >= 0.0001 && p.Base <= 1 && p.BaseFlagged >= p.Base && p.BaseFlagged <= 1):
		return fault.Say(fault.Invalid, "Shares lie between 0.01 %% and 100 %%, that of flagged sessions at least as high as the other.")
	case !(p.Most >= p.Base && p.Most <= 1):
		return fault.Say(fault.Invalid, "The share in a spike lies between the usual one and 100 %%.")
	case len(p.Reason) < 3 || len(p.Reason) > 500:
		return fault.Say(fault.Invalid, "Say in 3 to 500 characters why.")
	}
	p.Author, p.At = actor.Name, s.now()
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if err := lockCapture(ctx, tx); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `
			INSERT INTO capture_policies (task_class, version, capture, base, base_flagged, most, reason, author, at)
			SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5, $6, $7, $8
			FROM capture_policies
			WHERE task_class = $1
			RETURNING id, version`,
			p.TaskClass, p.Capture, p.Base, p.BaseFlagged, p.Most, p.Reason, p.Author, p.At).Scan(&p.ID, &p.Version)
		if err != nil {
			return err
		}
		if _, err := enforce(ctx, tx, p, p.Base, "set", p.At); err != nil {
			return err
		}
		if err := remember(ctx, tx, p.TaskClass, stats.AdaptiveState{Rate: p.Base, Evaluated: p.At}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "capture.set", Object: "task_class/" + p.TaskClass,
			What:   fmt.Sprintf("version %d: %s, %g of sessions, %g of flagged ones, %g at most", p.Version, p.Capture, p.Base, p.BaseFlagged, p.Most),
			Reason: p.Reason, After: p,
		})
	})
	if err != nil {
		return fmt.Errorf("set the capture of %s: %w", p.TaskClass, err)
	}
	s.known.forgetRates()
	return nil
}

func lockCapture(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('capture rates'))`)
	return err
}

// enforce writes the rates that are in force from now on.
func enforce(ctx context.Context, tx pgx.Tx, p CapturePolicy, rate float64, why string, now time.Time) (CaptureRate, error) {
	keep, flagged := p.shares(rate)
	r := CaptureRate{TaskClass: p.TaskClass, PolicyID: p.ID, Capture: p.Capture, Keep: keep, KeepFlagged: flagged, Why: why, At: now}
	err := tx.QueryRow(ctx, `
		INSERT INTO capture_rates (task_class, policy_id, keep, keep_flagged, why, at)
		VALUES ($1, $2, $3, $4, $5, $6)
		RETURNING id`, r.TaskClass, r.PolicyID, r.Keep, r.KeepFlagged, r.Why, r.At).Scan(&r.ID)
	return r, err
}

// shares are the two shares at a rate of the rule. The rate is taken down to
// the base times a power of two: each value it takes is a stratum of its own
// for the estimate, and a handful of labels in each of many says nothing.
// Flagged sessions rise by the same factor.
func (p CapturePolicy) shares(rate float64) (keep, flagged float64) {
	steps := math.Floor(math.Log2(rate/p.Base) + 1e-9)
	factor := math.Exp2(max(steps, 0))
	keep = min(p.Base*factor, p.Most)
	return keep, max(keep, min(1, p.BaseFlagged*factor))
}

func remember(ctx context.Context, tx pgx.Tx, taskClass string, state stats.AdaptiveState) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO capture_states (task_class, rate, epoch, raised_at, evaluated_at, quiet)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (task_class) DO UPDATE SET (rate, epoch, raised_at, evaluated_at, quiet)
		  = (EXCLUDED.rate, EXCLUDED.epoch, EXCLUDED.raised_at, EXCLUDED.evaluated_at, EXCLUDED.quiet)`,
		taskClass, state.Rate, state.Epoch, momentOrNil(state.RaisedAt), momentOrNil(state.Evaluated), state.Quiet)
	return err
}

func momentOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Seen is what was seen of a task class since it was last looked at.
type Seen struct {
	Signal   stats.Signal
	Incident bool // one of the class is open: it raises once, and nothing decays meanwhile
}

// SignalAt is what moves a rate: an open incident is a spike for one that has
// not been raised since.
func (s Seen) SignalAt(rate, base float64) stats.Signal {
	if s.Incident && rate <= base {
		return stats.Spike
	}
	return s.Signal
}

// Adapt moves the rates of the classes that have a policy by what was seen of
// them: up by four at once in a spike or when an incident opens, down by half
// each six hours once it has been calm twice (statistics.md 9). What was seen is of the past alone, so
// estimates over the stored probabilities stay unbiased. A class of which
// nothing is said holds. It returns how many rates changed, and is for a job.
func (s *Store) Adapt(ctx context.Context, actor auth.Actor, seen map[string]Seen) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	changed := 0
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if err := lockCapture(ctx, tx); err != nil {
			return err
		}
		classes, err := capturedClasses(ctx, tx)
		if err != nil {
			return err
		}
		for _, class := range classes {
			moved, err := s.adaptOne(ctx, tx, actor, class, seen[class.Policy.TaskClass])
			if err != nil {
				return fmt.Errorf("adapt %s: %w", class.Policy.TaskClass, err)
			}
			if moved {
				changed++
			}
		}
		return nil
	})
	if changed > 0 {
		s.known.forgetRates()
	}
	return changed, err
}

func (s *Store) adaptOne(ctx context.Context, tx pgx.Tx, actor auth.Actor, class CapturedClass, seen Seen) (bool, error) {
	var before stats.AdaptiveState
	var raised, evaluated *time.Time
	err := tx.QueryRow(ctx, `SELECT rate, epoch, raised_at, evaluated_at, quiet FROM capture_states WHERE task_class = $1`, class.Policy.TaskClass).
		Scan(&before.Rate, &before.Epoch, &raised, &evaluated, &before.Quiet)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, err
	}
	if raised != nil {
		before.RaisedAt = *raised
	}
	if evaluated != nil {
		before.Evaluated = *evaluated
	}
	now := s.now()
	after, err := class.Policy.rule().Next(before, now, seen.SignalAt(before.Rate, class.Policy.Base), seen.Incident)
	if err != nil {
		return false, err
	}
	if err := remember(ctx, tx, class.Policy.TaskClass, after); err != nil {
		return false, err
	}
	keep, flagged := class.Policy.shares(after.Rate)
	if keep == class.Rate.Keep && flagged == class.Rate.KeepFlagged {
		return false, nil
	}
	why := "decayed"
	if after.Rate > before.Rate {
		why = "raised"
	}
	if _, err := enforce(ctx, tx, class.Policy, after.Rate, why, now); err != nil {
		return false, err
	}
	return true, audit.Record(ctx, tx, audit.Entry{
		Actor: actor, Action: "capture." + map[string]string{"raised": "raise", "decayed": "decay"}[why], Object: "task_class/" + class.Policy.TaskClass,
		What: fmt.Sprintf("%g of sessions, %g of flagged ones", keep, flagged),
	})
}

// rule is the adaptive rule between the policy's two bounds.
func (p CapturePolicy) rule() stats.AdaptiveRule {
	rule := stats.DefaultAdaptive
	rule.Base, rule.Max = p.Base, p.Most
	return rule
}

// capturedClasses reads the newest policy and rate of each class.
func capturedClasses(ctx context.Context, db querier) ([]CapturedClass, error) {
	rows, err := db.Query(ctx, `
		SELECT p.id, p.task_class, p.version, p.capture, p.base, p.base_flagged, p.most, p.reason, p.author, p.at,
		       r.id, r.keep, r.keep_flagged, r.why, r.at
		FROM (SELECT DISTINCT ON (task_class) * FROM capture_policies ORDER BY task_class, version DESC) p
		JOIN LATERAL (SELECT * FROM capture_rates WHERE task_class = p.task_class ORDER BY id DESC LIMIT 1) r ON true
		ORDER BY p.task_class`)
	if err != nil {
		return nil, err
	}
	var list []CapturedClass
	var c CapturedClass
	_, err = pgx.ForEachRow(rows, []any{
		&c.Policy.ID, &c.Policy.TaskClass, &c.Policy.Version, &c.Policy.Capture, &c.Policy.Base, &c.Policy.BaseFlagged, &c.Policy.Most, &c.Policy.Reason, &c.Policy.Author, &c.Policy.At,
		&c.Rate.ID, &c.Rate.Keep, &c.Rate.KeepFlagged, &c.Rate.Why, &c.Rate.At,
	}, func() error {
		c.Rate.TaskClass, c.Rate.PolicyID, c.Rate.Capture = c.Policy.TaskClass, c.Policy.ID, c.Policy.Capture
		list = append(list, c)
		return nil
	})
	return list, err
}

// Captured lists the classes that have a policy of their own, with what came
// and what was kept of them in the last seven days.
func (s *Store) Captured(ctx context.Context, actor auth.Actor) ([]CapturedClass, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	list, err := capturedClasses(ctx, s.DB)
	if err != nil {
		return nil, err
	}
	for i := range list {
		err := s.eachRow(ctx, func(scan func(...any) error) error {
			var responses, kept uint64
			err := scan(&responses, &kept)
			list[i].Responses, list[i].Kept = int64(responses), int64(kept)
			return err
		}, `SELECT count(), countIf(text_kept)
			FROM `+allFacts+`
			WHERE task_class = ? AND effective_time >= ? AND event_type IN ('assistant_response', 'interaction')`,
			list[i].Policy.TaskClass, s.now().AddDate(0, 0, -7))
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// CaptureHistory lists the last rates of a class, newest first.
func (s *Store) CaptureHistory(ctx context.Context, actor auth.Actor, taskClass string, limit int) ([]CaptureRate, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, err := s.DB.Query(ctx, `
		SELECT r.id, r.task_class, r.policy_id, p.capture, r.keep, r.keep_flagged, r.why, r.at
		FROM capture_rates r JOIN capture_policies p ON p.id = r.policy_id
		WHERE r.task_class = $1
		ORDER BY r.id DESC
		LIMIT $2`, taskClass, min(max(limit, 1), 500))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[CaptureRate])
}

// narrower is the smaller of two modes.
func narrower(a, b Capture) Capture {
	if a == CaptureHash || b == CaptureHash {
		return CaptureHash
	}
	if a == CaptureRedacted || b == CaptureRedacted {
		return CaptureRedacted
	}
	return CaptureRaw
}

// capture gives an event the rates and the mode of its task class, where that
// has its own. A replay of what was recorded elsewhere keeps its key's.
func (t *taking) capture(r *row) {
	rate, ok := t.rates[r.TaskClass]
	if !ok || t.terms.Historical {
		return
	}
	r.Keep, r.KeepFlagged, r.CaptureRate = rate.Keep, rate.KeepFlagged, rate.ID
	r.Capture = narrower(r.Capture, rate.Capture)
}

// rates returns what is in force by class, read again every few seconds.
func (s *Store) rates(ctx context.Context) (map[string]CaptureRate, error) {
	now := time.Now()
	s.known.mu.Lock()
	rates, until := s.known.rates, s.known.ratesUntil
	s.known.mu.Unlock()
	if rates != nil && now.Before(until) {
		return rates, nil
	}
	classes, err := capturedClasses(ctx, s.DB)
	if err != nil {
		return nil, err
	}
	rates = make(map[string]CaptureRate, len(classes))
	for _, class := range classes {
		rates[class.Policy.TaskClass] = class.Rate
	}
	s.known.mu.Lock()
	defer s.known.mu.Unlock()
	s.known.rates, s.known.ratesUntil = rates, now.Add(termsRemembered)
	return rates, nil
}

func (k *known) forgetRates() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rates = nil
}
