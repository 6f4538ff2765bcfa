package labeling

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/telemetry"
)

// discover decides for the discovery queues: what meets one of their rules is
// put there too, whatever the queue that measures does with it. Their labels
// reach no rate, so what meets no rule needs no decision.
func (c *consideration) discover(ctx context.Context, candidates []telemetry.Candidate, u map[uuid.UUID]float64) ([]choice, error) {
	if err := c.openOthers(ctx); err != nil || len(c.others) == 0 {
		return nil, err
	}
	var chosen []choice
	for _, f := range c.othersOf(candidates) {
		before, err := c.discoveredBefore(ctx, f.queue.ID, candidates)
		if err != nil {
			return nil, err
		}
		for _, candidate := range candidates {
			if candidate.TaskClass != f.queue.TaskClass || !candidate.HasText {
				continue
			}
			ch, ok, err := c.discoverOne(ctx, f, candidate, u[candidate.EventID], before)
			if err != nil {
				return nil, err
			}
			if ok {
				chosen = append(chosen, ch)
			}
		}
	}
	return chosen, nil
}

// discoverOne puts the candidate into the queue, or brings what lies there up
// to date: a further flag, a graver class, another size. What a person took out
// stays out.
func (c *consideration) discoverOne(ctx context.Context, f *filling, candidate telemetry.Candidate, u float64, before map[uuid.UUID]discovered) (choice, bool, error) {
	was, had := before[candidate.EventID]
	if had && !was.Untouched {
		return choice{}, false, nil
	}
	rule, meets, err := c.ruleFor(ctx, f, candidate)
	if err != nil || !meets && !had {
		return choice{}, false, err
	}
	flags := flagsOf(candidate.Flags)
	if f.queue.BySize {
		// Its place in the queue, where u is the place: the larger, the earlier.
		var seen []VerdictSeen
		if u, seen, err = c.placeBySize(ctx, f, candidate, u); err != nil {
			return choice{}, false, err
		}
		flags = append(flags, uncertain(candidate, seen)...)
	}
	if len(flags) == 0 && !had {
		flags = []ItemFlag{{Reason: string(telemetry.Random), At: candidate.ReceivedAt, SourceEventID: candidate.EventID}}
	}
	ch := choice{candidate: candidate, f: f, rule: rule, decided: !had, flags: flags}
	ch.decision = decision{
		QueueID: f.queue.ID, EventID: candidate.EventID, PriorityClass: candidate.PriorityClass, Part: rule.Part,
		Design: "discovery", SaltID: c.saltID, U: u, Readable: true,
	}
	if had {
		ch.flags = mergeFlags(was.Flags, flags)
		ch.item, ch.decision.Part, ch.decision.PriorityClass = was.ID, was.Part, graver(was.PriorityClass, candidate.PriorityClass)
		if !f.queue.BySize {
			ch.decision.U = was.U
		}
		ch.there = len(ch.flags) > len(was.Flags) || ch.decision.PriorityClass != was.PriorityClass || ch.decision.U != was.U
		return ch, ch.there, nil
	}
	if err := c.selectFor(ctx, ch, &ch.decision, decision{}); err != nil {
		return choice{}, false, err
	}
	// Beyond a cap it may yet find a place on another day, or under another
	// version: a decision against it would be one for good.
	ch.add = ch.decision.Selected
	return ch, ch.add, nil
}

func (c *consideration) openOthers(ctx context.Context) error {
	if c.others != nil {
		return nil
	}
	c.others = map[string][]*filling{}
	rows, _ := c.tx.Query(ctx, `
		SELECT `+queueColumns+` FROM queues
		WHERE kind = 'discovery' AND archived_at IS NULL
		ORDER BY id`)
	queues, err := pgx.CollectRows(rows, pgx.RowToStructByName[Queue])
	if err != nil {
		return err
	}
	for _, queue := range queues {
		f, err := c.fill(ctx, queue)
		if err != nil {
			return err
		}
		if len(f.rules) > 0 {
			c.others[queue.TaskClass] = append(c.others[queue.TaskClass], f)
		}
	}
	return nil
}

func (c *consideration) othersOf(candidates []telemetry.Candidate) []*filling {
	var list []*filling
	seen := map[string]bool{}
	for _, candidate := range candidates {
		if !seen[candidate.TaskClass] {
			seen[candidate.TaskClass] = true
			list = append(list, c.others[candidate.TaskClass]...)
		}
	}
	return list
}

// discovered is what a discovery queue has of a response.
type discovered struct {
	ID            int64
	EventID       uuid.UUID
	PriorityClass PriorityClass
	Part          string
	U             float64
	Flags         []ItemFlag
	Untouched     bool // and nobody took it out
}

// discoveredBefore says which candidates the queue has had, also those a
// person took out of it.
func (c *consideration) discoveredBefore(ctx context.Context, queue int64, candidates []telemetry.Candidate) (map[uuid.UUID]discovered, error) {
	ids := make([]uuid.UUID, len(candidates))
	for i, candidate := range candidates {
		ids[i] = candidate.EventID
	}
	rows, _ := c.tx.Query(ctx, `
		SELECT id, event_id, priority_class, part, u, flags, taken = 0 AND passed_over = 0 AND removed_at IS NULL AS untouched
		FROM items
		WHERE queue_id = $1 AND event_id = ANY($2)`, queue, ids)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[discovered])
	if err != nil {
		return nil, fmt.Errorf("what queue %d has: %w", queue, err)
	}
	had := make(map[uuid.UUID]discovered, len(list))
	for _, d := range list {
		had[d.EventID] = d
	}
	return had, nil
}

// OpenDiscovery makes a queue for finding and repairing, not for measuring: it
// is filled by its rules alone, and its labels reach no rate. bySize serves it
// by impact times uncertainty within a class and day.
func (s *Store) OpenDiscovery(ctx context.Context, actor auth.Actor, taskClass, title string, bySize bool) (Queue, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Queue{}, err
	}
	if n := len([]rune(title)); n < 1 || n > 80 {
		return Queue{}, fault.Say(fault.Invalid, "A queue's title has 1 to 80 characters.")
	}
	var queue Queue
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		standard, err := oneQueue(ctx, tx, `kind = 'standard' AND archived_at IS NULL AND task_class = $1`, taskClass)
		if fault.Of(err) == fault.NotFound {
			return fault.Say(fault.Invalid, "No response of that task class came yet. Its first one opens the queue that measures it.")
		}
		if err != nil {
			return err
		}
		slug, err := freeSlug(ctx, tx, title)
		if err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, `
			INSERT INTO queues (slug, title, task_class, kind, overlap_share, measurement_share, gold_share, reasons, by_size, blind, verdict_hidden)
			VALUES ($1, $2, $3, 'discovery', 0, 0, 0, $4, $5, $6, $7)
			RETURNING `+queueColumns, slug, title, taskClass, standard.Reasons, bySize, standard.Blind, standard.VerdictHidden)
		if queue, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Queue]); err != nil {
			return fmt.Errorf("open queue %q: %w", title, err)
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "queue.open", Object: "queue/" + slug, After: queue})
	})
	return queue, err
}
