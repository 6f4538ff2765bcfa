package labeling

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"assay/internal/stats"
	"assay/telemetry"
)

// opinion is what the validators say of a response together.
type opinion string

// The opinions.
const (
	noOpinion opinion = ""
	allPass   opinion = "pass"
	anyFail   opinion = "fail" // and none passes
	openAll   opinion = "inconclusive"
	atOdds    opinion = "at odds" // one passes what another fails
)

func opinionOf(seen []VerdictSeen) opinion {
	said := map[string]bool{}
	for _, v := range seen {
		said[v.Verdict] = true
	}
	switch {
	case said["pass"] && said["fail"]:
		return atOdds
	case said["fail"]:
		return anyFail
	case said["pass"]:
		return allPass
	case said["inconclusive"]:
		return openAll
	}
	return noOpinion
}

// doubts are what labels have said so far of responses of a task class, by
// priority class and by what validators said of them.
type doubts map[PriorityClass]map[opinion]*found

// found is how many of some labels were bad.
type found struct{ bad, labeled int64 }

func (f *found) rate() float64 {
	return (float64(f.bad) + 0.5) / (float64(f.labeled) + 1)
}

// speaksFrom is how many labels an opinion needs to speak for itself. Before,
// the class speaks for it, and one half where validators are at odds.
const speaksFrom = 20

// chance is how probable it is that a response of the class, of which
// validators hold the opinion, is bad.
func (d doubts) chance(class PriorityClass, of opinion) float64 {
	if own := d[class][of]; own != nil && own.labeled >= speaksFrom {
		return own.rate()
	}
	if of == atOdds {
		return 0.5
	}
	all := &found{}
	for _, f := range d[class] {
		all.bad += f.bad
		all.labeled += f.labeled
	}
	return all.rate()
}

// doubtsOf reads the newest labels of the queue that measures the task class.
func (c *consideration) doubtsOf(ctx context.Context, taskClass string) (doubts, error) {
	rows, err := c.tx.Query(ctx, `
		SELECT i.priority_class, c.first_reading,
		       coalesce((SELECT array_agg(DISTINCT v #>> '{}') FROM labels l, jsonb_path_query(l.provenance, '$.verdicts[*].verdict') AS v
		                 WHERE l.item_id = i.id AND l.purpose = 'count'), '{}')
		FROM consensus c
		JOIN items i ON i.id = c.item_id
		JOIN queues q ON q.id = i.queue_id
		WHERE q.task_class = $1 AND q.kind = 'standard' AND c.first_reading IS NOT NULL
		ORDER BY c.decided_at DESC
		LIMIT 2000`, taskClass)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := doubts{}
	for rows.Next() {
		var class PriorityClass
		var label string
		var verdicts []string
		if err := rows.Scan(&class, &label, &verdicts); err != nil {
			return nil, err
		}
		seen := make([]VerdictSeen, len(verdicts))
		for i, verdict := range verdicts {
			seen[i].Verdict = verdict
		}
		if known[class] == nil {
			known[class] = map[opinion]*found{}
		}
		of := opinionOf(seen)
		if known[class][of] == nil {
			known[class][of] = &found{}
		}
		known[class][of].labeled++
		if label == "hallucinated" {
			known[class][of].bad++
		}
	}
	return known, rows.Err()
}

// largestSize is above any size and what is added to part equal ones.
const largestSize = 2.6

// place is where a response stands in a queue served by size: its impact, 1 to
// 5, times the spread of a label that may be bad with its chance (statistics.md
// 8.2). The larger, the smaller the number; equal ones are parted by u.
func (c *consideration) placeBySize(ctx context.Context, f *filling, candidate telemetry.Candidate, u float64) (float64, []VerdictSeen, error) {
	if f.doubts == nil {
		var err error
		if f.doubts, err = c.doubtsOf(ctx, f.queue.TaskClass); err != nil {
			return 0, nil, fmt.Errorf("what labels said of %s: %w", f.queue.TaskClass, err)
		}
	}
	seen, err := c.verdictsOf(ctx, candidate.EventID)
	if err != nil {
		return 0, nil, err
	}
	size, err := stats.ItemSize(float64(min(5, max(1, candidate.Impact))), f.doubts.chance(candidate.PriorityClass, opinionOf(seen)))
	if err != nil {
		return 0, nil, err
	}
	return 1 - (size+u/1000)/largestSize, seen, nil
}

func (c *consideration) verdictsOf(ctx context.Context, event uuid.UUID) ([]VerdictSeen, error) {
	if c.s.Verdicts == nil {
		return nil, nil
	}
	return c.s.Verdicts(ctx, c.tx, event)
}

// uncertain is the reason of a response whose validators are at odds.
func uncertain(candidate telemetry.Candidate, seen []VerdictSeen) []ItemFlag {
	if opinionOf(seen) != atOdds {
		return nil
	}
	var passed, failed []string
	for _, v := range seen {
		switch v.Verdict {
		case "pass":
			passed = append(passed, v.Validator)
		case "fail":
			failed = append(failed, v.Validator)
		}
	}
	slices.Sort(passed)
	slices.Sort(failed)
	return []ItemFlag{{
		Reason: string(telemetry.Uncertain), At: candidate.ReceivedAt.UTC().Truncate(time.Microsecond), SourceEventID: candidate.EventID,
		Detail: "passed by " + strings.Join(slices.Compact(passed), ", ") + ", failed by " + strings.Join(slices.Compact(failed), ", "),
	}}
}
