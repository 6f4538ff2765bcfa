package labeling

import (
	"context"
	"fmt"
	"math"

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
			if before[candidate.EventID] {
				continue
			}
			ch, ok, err := c.discoverOne(ctx, f, candidate, u[candidate.EventID])
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

func (c *consideration) discoverOne(ctx context.Context, f *filling, candidate telemetry.Candidate, u float64) (choice, bool, error) {
	rule, meets, err := c.ruleFor(ctx, f, candidate)
	if err != nil || !meets {
		return choice{}, false, err
	}
	if f.queue.BySize {
		// Its place in the queue, where u is the place: the larger, the earlier.
		size, err := c.size(ctx, f, candidate)
		if err != nil {
			return choice{}, false, err
		}
		u = 1 - (size+u/1000)/largestSize
	}
	ch := choice{candidate: candidate, f: f, rule: rule, decided: true, flags: flagsOf(candidate.Flags)}
	ch.decision = decision{
		QueueID: f.queue.ID, EventID: candidate.EventID, PriorityClass: candidate.PriorityClass, Part: rule.Part,
		Design: "discovery", SaltID: c.saltID, U: u, Readable: true,
	}
	if err := c.selectFor(ctx, ch, &ch.decision, decision{}); err != nil {
		return choice{}, false, err
	}
	// Beyond a cap it may yet find a place on another day, or under another
	// version: a decision against it would be one for good.
	if !ch.decision.Selected {
		return choice{}, false, nil
	}
	ch.add = true
	if len(ch.flags) == 0 {
		ch.flags = []ItemFlag{{Reason: string(telemetry.Random), At: candidate.ReceivedAt, SourceEventID: candidate.EventID}}
	}
	return ch, true, nil
}

// size is what reading the candidate is worth, by what the labels of its class
// have said so far.
func (c *consideration) size(ctx context.Context, f *filling, candidate telemetry.Candidate) (float64, error) {
	if f.known == nil {
		f.known = map[PriorityClass]Frame{}
		rows, _ := c.tx.Query(ctx, `
			SELECT i.priority_class AS class, count(*) AS labeled, count(*) FILTER (WHERE c.first_reading = 'hallucinated') AS hallucinated
			FROM consensus c
			JOIN items i ON i.id = c.item_id
			JOIN queues q ON q.id = i.queue_id
			WHERE q.task_class = $1 AND q.kind = 'standard' AND c.first_reading IS NOT NULL
			GROUP BY 1`, f.queue.TaskClass)
		list, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[Frame])
		if err != nil {
			return 0, fmt.Errorf("what labels said of %s: %w", f.queue.TaskClass, err)
		}
		for _, frame := range list {
			f.known[frame.Class] = frame
		}
	}
	frame := f.known[candidate.PriorityClass]
	return sizeOf(candidate.Impact, frame.Hallucinated, frame.Labeled), nil
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

// discoveredBefore says which candidates the queue has had, also those a
// person took out of it.
func (c *consideration) discoveredBefore(ctx context.Context, queue int64, candidates []telemetry.Candidate) (map[uuid.UUID]bool, error) {
	ids := make([]uuid.UUID, len(candidates))
	for i, candidate := range candidates {
		ids[i] = candidate.EventID
	}
	rows, _ := c.tx.Query(ctx, `
		SELECT event_id FROM items WHERE queue_id = $1 AND event_id = ANY($2)
		UNION
		SELECT event_id FROM sampling_decisions WHERE queue_id = $1 AND event_id = ANY($2)`, queue, ids)
	list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("what queue %d has: %w", queue, err)
	}
	had := make(map[uuid.UUID]bool, len(list))
	for _, id := range list {
		had[id] = true
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

// largestSize is above any size and what is added to part equal ones.
const largestSize = 2.6

// sizeOf is what reading a response is worth where nothing is measured: its
// impact, 1 to 5, times how uncertain it is whether it is bad, sqrt(p(1-p)),
// with p smoothed from the labels of its class. It is above 0, so that every
// item is reached.
func sizeOf(impact int, bad, labeled int64) float64 {
	p := (float64(bad) + 0.5) / (float64(labeled) + 1)
	return float64(min(5, max(1, impact))) * math.Sqrt(p*(1-p))
}
