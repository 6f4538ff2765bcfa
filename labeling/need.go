package labeling

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"assay/internal/auth"
)

// Need is a question that labels of a task class would answer.
type Need struct {
	TaskClass string
	Question  string  // "whether at most 4 % are hallucinated"
	Labels    int     // more of them that would decide it; 0: no number would
	Value     float64 // of an answer, against that of another
}

// worth is what a label brings towards the answer.
func (n Need) worth() float64 {
	if n.Labels <= 0 {
		return 0
	}
	return n.Value / float64(n.Labels)
}

// decideWithin is the time in which an answer must come to be one: a gate that
// needs more labels than arrive until then cannot decide.
const decideWithin = 72 * time.Hour

// Weighed is a need with what the queue of its task class can do for it.
type Weighed struct {
	Need
	Arrive  int       // labels that come within 72 h at the present pace
	Decides bool      // they are enough
	At      time.Time // when, if they are and the queue has a pace
}

const needsAge = time.Minute

// allNeeds are the open questions, counted some time ago; nil until they were
// counted once, since no labeler should wait for it.
func (s *Store) allNeeds(ctx context.Context) (list []Need, err error) {
	if s.Needs == nil {
		return nil, nil
	}
	load := func(ctx context.Context) ([]Need, error) { return s.Needs(ctx) }
	if s.concurrent() && s.needed.firstBehind(ctx, load) {
		return nil, nil
	}
	err = s.needed.use(ctx, needsAge, s.concurrent(), load, func(known *[]Need) { list = slices.Clone(*known) })
	if err != nil {
		return nil, fmt.Errorf("what labels would decide: %w", err)
	}
	return list, nil
}

// NeedsOf lists what labels of the queue would decide, what a label brings most
// for first, and what cannot be decided last.
func (s *Store) NeedsOf(ctx context.Context, actor auth.Actor, queue Queue, now time.Time) ([]Weighed, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	if queue.Kind != "standard" {
		return nil, nil
	}
	all, err := s.allNeeds(ctx)
	if err != nil {
		return nil, err
	}
	known, err := s.numbers(ctx, queue.ID)
	if err != nil {
		return nil, err
	}
	return weighNeeds(all, queue, known.PerDay, now), nil
}

// weighNeeds is the pure part. Only first readings decide.
func weighNeeds(all []Need, queue Queue, perDay float64, now time.Time) []Weighed {
	arrive := perDay * queue.Firsts() * decideWithin.Hours() / 24
	var list []Weighed
	for _, need := range all {
		if need.TaskClass != queue.TaskClass {
			continue
		}
		w := Weighed{Need: need, Arrive: int(arrive)}
		if w.Decides = need.Labels > 0 && float64(need.Labels) <= arrive; w.Decides {
			w.At = now.Add(time.Duration(float64(need.Labels) / arrive * float64(decideWithin)))
		}
		list = append(list, w)
	}
	slices.SortStableFunc(list, func(a, b Weighed) int {
		if a.Decides != b.Decides {
			if a.Decides {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.worth(), a.worth())
	})
	return list
}
