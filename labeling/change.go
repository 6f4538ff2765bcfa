package labeling

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/stats"
)

// Change is a moment from which on a labeler answered differently.
type Change struct {
	What          string    // hallucinated or correct: the share of their labels; gold: how often they are right on it
	Since         time.Time // of the first label after it
	Before, After Part
	Others        *[2]float64 // the share of others on the like of the same weeks, before and after; nil for gold
	Chance        float64     // that a labeler who did not change looks so
}

// Part is how many of some labels.
type Part struct{ Of, N int }

// Share is the part of the whole, 0 of nothing.
func (p Part) Share() float64 {
	if p.N == 0 {
		return 0
	}
	return float64(p.Of) / float64(p.N)
}

// Limits of what is called a change. The queues bring harm first and a model
// may turn worse, so the mix of answers moves without any labeler's doing: each
// label is held against what others said of the same task class, priority class
// and week, and only what is left may change.
const (
	changeChance = .001 // for each of what is looked at
	leastChanged = 60   // labels that others can be held against
	leastGolden  = 30   // answers to gold
	leastOthers  = 5    // labels of others in a cell
)

// likeness is what labels of several people can be compared within.
type likeness struct {
	taskClass string
	class     PriorityClass
	week      time.Time
}

func (r recent) likeness() likeness {
	return likeness{r.TaskClass, r.PriorityClass, weekOf(r.LabeledAt)}
}

// answerCounts counts labels of the like, by everybody and by each labeler.
type answerCounts struct {
	all [4]int
	own map[int64]*[4]int
}

func countAnswers(labels []recent) map[likeness]*answerCounts {
	cells := map[likeness]*answerCounts{}
	for _, l := range labels {
		said := slices.Index(Labels, l.Label)
		if !l.Counted || said < 0 {
			continue
		}
		cell := cells[l.likeness()]
		if cell == nil {
			cell = &answerCounts{own: map[int64]*[4]int{}}
			cells[l.likeness()] = cell
		}
		if cell.own[l.LabelerID] == nil {
			cell.own[l.LabelerID] = &[4]int{}
		}
		cell.all[said]++
		cell.own[l.LabelerID][said]++
	}
	return cells
}

// changesOf finds where a labeler's answers changed: labels and answers to gold
// are theirs, oldest first. Each answer is looked at without its usual level in
// its task class and priority class, so that being stricter than others is no
// change.
func changesOf(labels []recent, cells map[likeness]*answerCounts, gold []goldAnswer) ([]Change, error) {
	var changes []Change
	for _, what := range []string{"hallucinated", "correct"} {
		change, ok, err := changeOfAnswers(labels, cells, what)
		if err != nil {
			return nil, err
		}
		if ok {
			changes = append(changes, change)
		}
	}
	if change, ok, err := changeOnGold(gold); err != nil {
		return nil, err
	} else if ok {
		changes = append(changes, change)
	}
	return changes, nil
}

// heldAgainst is one label held against those of others.
type heldAgainst struct {
	at     time.Time
	said   bool
	others float64 // their share
	off    float64 // in standard deviations
	level  likeness
}

func changeOfAnswers(labels []recent, cells map[likeness]*answerCounts, what string) (Change, bool, error) {
	place := slices.Index(Labels, what)
	var list []heldAgainst
	for _, l := range labels {
		cell := cells[l.likeness()]
		if !l.Counted || cell == nil || cell.own[l.LabelerID] == nil {
			continue
		}
		own, n, all := 0, 0, 0
		for said, count := range cell.own[l.LabelerID] {
			own += count
			all += cell.all[said]
		}
		if n = all - own; n < leastOthers {
			continue
		}
		others := (float64(cell.all[place]-cell.own[l.LabelerID][place]) + .5) / (float64(n) + 1)
		// Others are a sample too: their share errs for all labels of the cell at once.
		spread := others * (1 - others) * (1 + float64(own)/float64(n))
		one := heldAgainst{at: l.LabeledAt, said: l.Label == what, others: others, level: l.likeness()}
		one.level.week = time.Time{}
		one.off = (asNumber(one.said) - others) / math.Sqrt(spread)
		list = append(list, one)
	}
	if len(list) < leastChanged {
		return Change{}, false, nil
	}
	slices.SortStableFunc(list, func(a, b heldAgainst) int { return a.at.Compare(b.at) })
	values := levelled(list)
	found, ok, err := stats.LargestChange(values)
	if err != nil || !ok || found.P >= changeChance {
		return Change{}, false, err
	}
	change := Change{What: what, Since: list[found.At].at, Chance: found.P, Others: &[2]float64{}}
	for i, l := range list {
		part, others := &change.Before, &change.Others[0]
		if i >= found.At {
			part, others = &change.After, &change.Others[1]
		}
		part.N++
		if l.said {
			part.Of++
		}
		*others += l.others
	}
	change.Others[0] /= float64(change.Before.N)
	change.Others[1] /= float64(change.After.N)
	return change, true, nil
}

// levelled takes the labeler's own mean within each task class and priority
// class off what they are off by.
func levelled(list []heldAgainst) []float64 {
	sums, counts := map[likeness]float64{}, map[likeness]float64{}
	for _, l := range list {
		sums[l.level] += l.off
		counts[l.level]++
	}
	values := make([]float64, len(list))
	for i, l := range list {
		values[i] = l.off - sums[l.level]/counts[l.level]
	}
	return values
}

// changeOnGold finds where a labeler became less often right on gold, each right
// label held against its own mean.
func changeOnGold(gold []goldAnswer) (Change, bool, error) {
	if len(gold) < leastGolden {
		return Change{}, false, nil
	}
	var right, n [3]float64
	for _, a := range gold {
		if truth := slices.Index(Truths, a.Truth); truth >= 0 {
			n[truth]++
			right[truth] += asNumber(a.Said == a.Truth)
		}
	}
	values := make([]float64, len(gold))
	for i, a := range gold {
		if truth := slices.Index(Truths, a.Truth); truth >= 0 {
			values[i] = asNumber(a.Said == a.Truth) - right[truth]/n[truth]
		}
	}
	found, ok, err := stats.LargestChange(values)
	if err != nil || !ok || found.P >= changeChance {
		return Change{}, false, err
	}
	change := Change{What: "gold", Since: gold[found.At].LabeledAt, Chance: found.P}
	for i, a := range gold {
		part := &change.Before
		if i >= found.At {
			part = &change.After
		}
		part.N++
		if a.Said == a.Truth {
			part.Of++
		}
	}
	return change, change.After.Share() < change.Before.Share(), nil
}

// words is the change as a signal.
func (c Change) words() string {
	day := c.Since.UTC().Format("2 January")
	if c.What == "gold" {
		return fmt.Sprintf("right on gold %.0f %% of the time since %s, %.0f %% before", 100*c.After.Share(), day, 100*c.Before.Share())
	}
	return fmt.Sprintf("%s %.0f %% of the time since %s, %.0f %% before, others %.0f %%", c.What, 100*c.After.Share(), day, 100*c.Before.Share(), 100*c.Others[1])
}

// WatchLabelers keeps whom signals make look unusual: they are served twice as
// much gold and everything they label is read again, until the signals end or a
// reviewer has looked and keeps them. It returns for how many that changed, and
// is safe to repeat.
func (s *Store) WatchLabelers(ctx context.Context, actor auth.Actor) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	list, err := s.labelerRows(ctx, 0)
	if err != nil {
		return 0, err
	}
	if err := s.watch(ctx, list, 0); err != nil {
		return 0, err
	}
	changed := 0
	for _, l := range list {
		if l.PersonID == 0 || l.watched == (len(l.Signals.Flags) > 0) {
			continue
		}
		if err := s.keepWatch(ctx, actor, l.Labeler); err != nil {
			return changed, fmt.Errorf("watch labeler %d: %w", l.ID, err)
		}
		changed++
	}
	return changed, nil
}

func (s *Store) keepWatch(ctx context.Context, actor auth.Actor, l Labeler) error {
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		watched := len(l.Signals.Flags) > 0
		if _, err := tx.Exec(ctx, `UPDATE labelers SET watched = $2 WHERE id = $1`, l.ID, watched); err != nil {
			return err
		}
		if err := doubt(ctx, tx, l.ID); err != nil {
			return err
		}
		entry := audit.Entry{Actor: actor, Action: "labeler.watch", Object: fmt.Sprintf("labeler/%d", l.ID), What: "signals ask for more gold and second readings",
			After: map[string]any{"flags": l.Signals.Flags}}
		if !watched {
			entry.Action, entry.What = "labeler.unwatch", "nothing unusual any more"
		}
		return audit.Record(ctx, tx, entry)
	})
}

// goldFor is the share of reservations that serve gold: twice as much to whom
// signals make look unusual, at most half.
func goldFor(share float64, watched bool) float64 {
	if watched {
		return min(.5, 2*share)
	}
	return share
}

func asNumber(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
