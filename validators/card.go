package validators

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/validators/dialect"
	"assay/validators/sandbox"
)

// Card is what is known of one validator: what it is, whether it may be
// believed now, and what it did in the last day.
type Card struct {
	Name      string
	Version   string
	Says      string
	Limits    Limits
	Since     time.Time // of the version's first trial; zero before
	Tried     []Tried   // the latest trial of its canaries
	TriedAt   time.Time
	Suspended *Suspension // nil: it serves

	Passed, Failed, Inconclusive int64           // verdicts of 24 hours
	Kept                         int64           // of them, kept from the same input
	Reasons                      []ReasonCount   // of the inconclusive, most frequent first
	Slots                        []int64         // verdicts in each ten minutes of those hours, oldest first
	MedianMS, P95MS              float64         // of making a verdict
	Throughput                   float64         // verdicts a second of one processor, from the mean
	FromJob                      time.Duration   // 95th percentile from being asked to the verdict
	Engines                      []dialect.State // of SQL's dialects, beside the sandbox's own
	Waiting, Dead                int64
	Trouble                      string // of the latest dead check
}

// Verdicts is how many verdicts the last day had.
func (c Card) Verdicts() int64 { return c.Passed + c.Failed + c.Inconclusive }

// Right is how many canaries were answered as they must be.
func (c Card) Right() int {
	n := 0
	for _, t := range c.Tried {
		if t.OK {
			n++
		}
	}
	return n
}

// ReasonCount counts the verdicts with a reason.
type ReasonCount struct {
	Reason string
	Count  int64
}

const (
	cardHours = 24
	slotTakes = 10 * time.Minute
)

// Cards returns the card of every validator that serves: the program's in the
// order of the set, then the operator's own.
func (s *Store) Cards(ctx context.Context, actor auth.Actor) ([]Card, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	serving, err := s.Serving(ctx)
	if err != nil {
		return nil, err
	}
	var cards []Card
	for _, v := range serving {
		card, err := s.card(ctx, v)
		if err != nil {
			return nil, fmt.Errorf("card of %s: %w", v.Name, err)
		}
		cards = append(cards, card)
	}
	return cards, nil
}

// Card returns the card of one validator.
func (s *Store) Card(ctx context.Context, actor auth.Actor, name string) (Card, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return Card{}, err
	}
	v, err := s.serving(ctx, name)
	if err != nil {
		return Card{}, err
	}
	return s.card(ctx, v)
}

// Capabilities says what the sandbox enforces here.
func (s *Store) Capabilities(ctx context.Context, actor auth.Actor) (sandbox.Capabilities, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return sandbox.Capabilities{}, err
	}
	set, err := s.set()
	if err != nil {
		return sandbox.Capabilities{}, err
	}
	return set.Capabilities(ctx)
}

// Examine tries every canary of every validator and every way out of the
// sandbox, now, and records what came of it. It returns how many validators
// are suspended.
func (s *Store) Examine(ctx context.Context, actor auth.Actor) (int, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return 0, err
	}
	set, err := s.set()
	if err != nil {
		return 0, err
	}
	if again, ok := set.box.(interface {
		Examine(context.Context) (sandbox.Capabilities, error)
	}); ok {
		if _, err := again.Examine(ctx); err != nil {
			return 0, err
		}
	}
	if set.engines != nil {
		set.engines.Forget()
	}
	serving, err := s.Serving(ctx)
	if err != nil {
		return 0, err
	}
	suspended := 0
	for _, v := range serving {
		var wrong Suspended
		if _, err := s.try(ctx, v); err != nil && !errors.As(err, &wrong) {
			return suspended, err
		}
		if _, open, err := s.suspendedNow(ctx, v); err != nil {
			return suspended, err
		} else if open {
			suspended++
		}
	}
	return suspended, nil
}

func (s *Store) card(ctx context.Context, v Validator) (Card, error) {
	c := Card{Name: v.Name, Version: v.Version, Says: v.Says, Limits: limitsOf(v.Limits)}
	if v.Name == "sql" && s.Set.engines != nil {
		c.Engines = s.Set.engines.States()
	}
	for _, read := range []func(context.Context, *Card) error{s.readRounds, s.readVerdicts, s.readReasons, s.readSlots, s.readWaiting} {
		if err := read(ctx, &c); err != nil {
			return Card{}, err
		}
	}
	return c, nil
}

func (s *Store) readRounds(ctx context.Context, c *Card) error {
	err := s.DB.QueryRow(ctx, `
		SELECT tried, at,
		       (SELECT min(began_at) FROM canary_rounds WHERE validator = $1 AND version = $2 AND passed)
		FROM canary_rounds
		WHERE validator = $1 AND version = $2
		ORDER BY id DESC
		LIMIT 1`, c.Name, c.Version).Scan(&c.Tried, &c.TriedAt, &nullTime{&c.Since})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.readSuspension(ctx, c)
}

// nullTime leaves a time zero where the database has none.
type nullTime struct{ at *time.Time }

func (n *nullTime) Scan(value any) error {
	if at, ok := value.(time.Time); ok {
		*n.at = at
	}
	return nil
}

func (s *Store) readVerdicts(ctx context.Context, c *Card) error {
	var mean, job float64
	err := s.DB.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE verdict = 'pass'), count(*) FILTER (WHERE verdict = 'fail'),
		       count(*) FILTER (WHERE verdict = 'inconclusive'), count(kept_from),
		       coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY elapsed_ms) FILTER (WHERE kept_from IS NULL), 0),
		       coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY elapsed_ms) FILTER (WHERE kept_from IS NULL), 0),
		       coalesce(avg(elapsed_ms) FILTER (WHERE kept_from IS NULL), 0),
		       coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM made_at - asked_at)), 0)
		FROM verdicts
		WHERE validator = $1 AND made_at > clock_timestamp() - make_interval(hours => $2)`, c.Name, cardHours).
		Scan(&c.Passed, &c.Failed, &c.Inconclusive, &c.Kept, &c.MedianMS, &c.P95MS, &mean, &job)
	if mean > 0 {
		c.Throughput = 1000 / mean
	}
	c.FromJob = time.Duration(job * float64(time.Second))
	return err
}

func (s *Store) readReasons(ctx context.Context, c *Card) error {
	rows, _ := s.DB.Query(ctx, `
		SELECT reason, count(*) AS count
		FROM verdicts
		WHERE validator = $1 AND verdict = 'inconclusive' AND made_at > clock_timestamp() - make_interval(hours => $2)
		GROUP BY reason
		ORDER BY count DESC, reason
		LIMIT 12`, c.Name, cardHours)
	var err error
	c.Reasons, err = pgx.CollectRows(rows, pgx.RowToStructByName[ReasonCount])
	return err
}

func (s *Store) readSlots(ctx context.Context, c *Card) error {
	slots := int(cardHours * time.Hour / slotTakes)
	c.Slots = make([]int64, slots)
	rows, _ := s.DB.Query(ctx, `
		SELECT floor(extract(epoch FROM clock_timestamp() - made_at) / $3)::int AS ago, count(*)
		FROM verdicts
		WHERE validator = $1 AND made_at > clock_timestamp() - make_interval(hours => $2)
		GROUP BY ago`, c.Name, cardHours, slotTakes.Seconds())
	var ago int
	var n int64
	_, err := pgx.ForEachRow(rows, []any{&ago, &n}, func() error {
		if ago >= 0 && ago < slots {
			c.Slots[slots-1-ago] += n
		}
		return nil
	})
	return err
}

func (s *Store) readWaiting(ctx context.Context, c *Card) error {
	return s.DB.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE dead_at IS NULL), count(*) FILTER (WHERE dead_at IS NOT NULL),
		       coalesce((SELECT trouble FROM checks WHERE validator = $1 AND dead_at IS NOT NULL ORDER BY dead_at DESC LIMIT 1), '')
		FROM checks
		WHERE validator = $1`, c.Name).Scan(&c.Waiting, &c.Dead, &c.Trouble)
}

// Suspended counts the validators that say nothing now, for the overview.
func (s *Store) Suspended(ctx context.Context, actor auth.Actor) ([]Card, error) {
	cards, err := s.Cards(ctx, actor)
	if err != nil {
		return nil, err
	}
	var suspended []Card
	for _, c := range cards {
		if c.Suspended != nil {
			suspended = append(suspended, c)
		}
	}
	return suspended, nil
}

// roundsLast is how long the trials of canaries that were right are kept.
const roundsLast = 90 * 24 * time.Hour

// Sweep forgets trials of canaries that were right long ago. What verdicts say
// in words ends with the text they speak of (Evidence).
func (s *Store) Sweep(ctx context.Context, actor auth.Actor) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	_, err := s.DB.Exec(ctx, `
		DELETE FROM canary_rounds
		WHERE passed AND at < clock_timestamp() - $1::interval
		AND id NOT IN (SELECT max(id) FROM canary_rounds GROUP BY validator)`, roundsLast)
	return err
}
