package labeling

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/telemetry"
)

// DryRun is what a rule would do with the responses of the last days, had it
// been in force before them.
type DryRun struct {
	Days    int                   `json:"days"`
	Matched int                   `json:"matched"`  // responses that meet its conditions
	Adds    int                   `json:"adds"`     // that would be new in the queue
	There   int                   `json:"there"`    // lie in the queue already
	LeftOut int                   `json:"left_out"` // beyond its caps or its share
	Unread  int                   `json:"unread"`   // without text that may be read
	Removed int                   `json:"removed"`  // a person took them out: they stay out
	Classes map[PriorityClass]int `json:"classes"`  // of Adds
	Labels  int                   `json:"labels"`   // that Adds ask for, second readings among them
	Work    time.Duration         `json:"-"`        // that Labels take at the queue's pace
	Pace    time.Duration         `json:"-"`        // of one label
	Hours   float64               `json:"hours"`    // Work
}

// longestLook bounds how far back a rule is tried or applied.
const longestLook = 90

// DryRun decides about the responses of the last days as the rule would, with
// the code that decides in earnest, and stores nothing.
func (s *Store) DryRun(ctx context.Context, actor auth.Actor, queue Queue, rule Rule, days int) (DryRun, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return DryRun{}, err
	}
	rule, err := rule.clean()
	if err != nil {
		return DryRun{}, err
	}
	if days < 1 || days > longestLook {
		return DryRun{}, fault.Say(fault.Invalid, "A dry run looks 1 to %d days back.", longestLook)
	}
	known, err := s.numbers(ctx, queue.ID)
	if err != nil {
		return DryRun{}, err
	}
	dry := DryRun{Days: days, Classes: map[PriorityClass]int{}, Pace: known.Pace()}
	if rule.ID == 0 {
		rule.ID = -1 // it has no row yet and must not be taken for another
	}
	now := time.Now()
	err = s.eachDay(ctx, actor, queue.TaskClass, now.AddDate(0, 0, -days), now, func(candidates []telemetry.Candidate) error {
		return s.dry(ctx, actor, queue, rule, candidates, &dry)
	})
	if err != nil {
		return DryRun{}, fmt.Errorf("dry run of rule %q of queue %s: %w", rule.Part, queue.Slug, err)
	}
	dry.Work = time.Duration(dry.Labels) * dry.Pace
	dry.Hours = dry.Work.Hours()
	return dry, nil
}

// eachDay hands over the responses of a task class, a day at a time, so that a
// long look back does not fill the memory.
func (s *Store) eachDay(ctx context.Context, actor auth.Actor, taskClass string, from, to time.Time, each func([]telemetry.Candidate) error) error {
	if s.Telemetry == nil {
		return fault.Say(fault.Unavailable, "The telemetry store is away. Try again when it is back.")
	}
	for day := frameDay(from); day.Before(to); day = day.AddDate(0, 0, 1) {
		next := day.AddDate(0, 0, 1)
		candidates, err := s.Telemetry.Flagged(ctx, actor, day, next.Add(time.Hour))
		if err != nil {
			return err
		}
		candidates = slices.DeleteFunc(candidates, func(c telemetry.Candidate) bool {
			return c.TaskClass != taskClass || c.EffectiveTime.Before(from) || !frameDay(c.EffectiveTime).Equal(day)
		})
		if len(candidates) == 0 {
			continue
		}
		if err := each(candidates); err != nil {
			return err
		}
	}
	return nil
}

// dry counts what the rule would do with the candidates of a day, in a
// transaction that only reads.
func (s *Store) dry(ctx context.Context, actor auth.Actor, queue Queue, rule Rule, candidates []telemetry.Candidate, dry *DryRun) error {
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		rules, err := rulesOf(ctx, tx, queue.ID)
		if err != nil {
			return err
		}
		c := &consideration{
			s: s, tx: tx, actor: actor, queues: map[string]*filling{}, anew: true,
			asked: map[int64][]Rule{queue.ID: withRule(rules, rule)},
		}
		chosen, err := c.choose(ctx, candidates)
		if err != nil {
			return err
		}
		for _, ch := range chosen {
			if ch.f.queue.ID == queue.ID && ch.rule.Part == rule.Part {
				dry.count(ch)
				if ch.add {
					dry.Labels += c.wanted(ch)
				}
			}
		}
		return nil
	})
}

func (dry *DryRun) count(ch choice) {
	dry.Matched++
	switch {
	case ch.add:
		dry.Adds++
		dry.Classes[ch.decision.PriorityClass]++
	case ch.decided && ch.decision.Reason == "removed":
		dry.Removed++
	case ch.decided && !ch.decision.Readable || !ch.candidate.HasText:
		dry.Unread++
	case ch.decided && !ch.decision.Selected || ch.was == "cap":
		dry.LeftOut++
	case ch.was == "removed":
		dry.Removed++
	default:
		dry.There++
	}
}

// withRule puts the rule in the place of its version before, or behind the
// others and before the rest.
func withRule(rules []Rule, rule Rule) []Rule {
	rules = slices.Clone(rules)
	for i := range rules {
		if rules[i].Part == rule.Part {
			rules[i] = rule
			return rules
		}
	}
	at := len(rules)
	if at > 0 && rules[at-1].Part == "" {
		at--
	}
	return slices.Insert(rules, at, rule)
}

// BackfillAsked is the job that applies a queue's rules to what came before
// them; its kind is never renamed.
type BackfillAsked struct {
	ID int64 `json:"id"`
}

// Kind names the job.
func (BackfillAsked) Kind() string { return "labeling.backfill_asked" }

// Backfill asks that the rules of the queue be applied to the responses of the
// last days. A job does it; what a person removed stays out.
func (s *Store) Backfill(ctx context.Context, actor auth.Actor, queue Queue, days int) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	if days < 1 || days > longestLook {
		return fault.Say(fault.Invalid, "Rules are applied 1 to %d days back.", longestLook)
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if err := s.askBackfill(ctx, tx, queue, time.Now().AddDate(0, 0, -days), actor.Name); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "queue.backfill", Object: "queue/" + queue.Slug, What: fmt.Sprintf("%d days", days)})
	})
}

func (s *Store) askBackfill(ctx context.Context, tx pgx.Tx, queue Queue, since time.Time, by string) error {
	var id int64
	err := tx.QueryRow(ctx, `
		INSERT INTO rule_backfills (queue_id, since, asked_by) VALUES ($1, $2, $3)
		RETURNING id`, queue.ID, since, by).Scan(&id)
	if err != nil {
		return fmt.Errorf("backfill queue %s: %w", queue.Slug, err)
	}
	if s.Jobs == nil {
		return nil
	}
	_, err = s.Jobs.InsertTx(ctx, tx, BackfillAsked{ID: id}, nil)
	return err
}

// RunBackfill does what Backfill asked for. Safe to repeat.
func (s *Store) RunBackfill(ctx context.Context, actor auth.Actor, id int64) (Filled, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return Filled{}, err
	}
	var queue int64
	var since, asked time.Time
	err := s.DB.QueryRow(ctx, `SELECT queue_id, since, asked_at FROM rule_backfills WHERE id = $1`, id).Scan(&queue, &since, &asked)
	if err != nil {
		return Filled{}, fmt.Errorf("backfill %d: %w", id, err)
	}
	q, err := s.queueByID(ctx, queue)
	if err != nil {
		return Filled{}, err
	}
	var filled Filled
	err = s.eachDay(ctx, actor, q.TaskClass, since, asked, func(candidates []telemetry.Candidate) error {
		for some := range slices.Chunk(candidates, 5000) {
			did, err := s.consider(ctx, actor, some, true)
			if err != nil {
				return err
			}
			filled = filled.Plus(did)
		}
		return nil
	})
	if err != nil {
		return filled, fmt.Errorf("backfill %d of queue %s: %w", id, q.Slug, err)
	}
	_, err = s.DB.Exec(ctx, `
		UPDATE rule_backfills SET finished_at = clock_timestamp(), considered = $2, added = $3 WHERE id = $1`, id, filled.Considered, filled.Added)
	return filled, err
}

// LookBack is a backfill with how far it is.
type LookBack struct {
	Since      time.Time
	AskedBy    string
	AskedAt    time.Time
	FinishedAt *time.Time
	Considered int64
	Added      int64
}

// LookBacks lists the latest backfills of a queue, the newest first.
func (s *Store) LookBacks(ctx context.Context, actor auth.Actor, queue Queue) ([]LookBack, error) {
	if err := mayReadQueues(actor); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT since, asked_by, asked_at, finished_at, considered, added
		FROM rule_backfills
		WHERE queue_id = $1
		ORDER BY id DESC
		LIMIT 5`, queue.ID)
	return pgx.CollectRows(rows, pgx.RowToStructByName[LookBack])
}
