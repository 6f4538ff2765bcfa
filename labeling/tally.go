package labeling

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/postgres"
)

// tallyAge is how old what is counted over a whole queue may be. In between it
// is carried on by every reservation and label of this process.
const tallyAge = 3 * time.Second

// planWindow is how far back measuring looks.
const planWindow = 30 * 24 * time.Hour

// tally is what is counted over a whole queue, in one walk: what measuring
// knows of its frames, and the numbers beside its pages.
type tally struct {
	frames  []Frame
	summary Summary
}

// tallied gives with what is known of the queue, under a lock; at most about
// age old.
func (s *Store) tallied(ctx context.Context, queue int64, age time.Duration, with func(*tally)) error {
	err := s.tallyOf(queue).use(ctx, age, s.concurrent(), s.counting(queue), with)
	if err != nil {
		return fmt.Errorf("count queue %d: %w", queue, err)
	}
	return nil
}

func (s *Store) tallyOf(queue int64) *kept[tally] {
	entry, _ := s.tallies.LoadOrStore(queue, &kept[tally]{})
	return entry.(*kept[tally])
}

// concurrent reports whether the store may be asked from a second goroutine: a
// pool may, a test's transaction may not.
func (s *Store) concurrent() bool {
	_, inTx := s.DB.(pgx.Tx)
	return !inTx && !s.recount
}

// plan gives with what measuring knows of a queue: counts of a moment ago,
// moved on by what this process has reserved since, so that many labelers do
// not all run to the same frame.
func (s *Store) plan(ctx context.Context, queue Queue, with func(frames []Frame)) error {
	age := tallyAge
	if s.recount {
		age = 0
	}
	return s.tallied(ctx, queue.ID, age, func(t *tally) { with(t.frames) })
}

// measureNext chooses the frame where the next label narrows the rate most.
func (s *Store) measureNext(ctx context.Context, queue Queue) (chosen Frame, ok bool, err error) {
	if s.concurrent() && s.tallyOf(queue.ID).firstBehind(ctx, s.counting(queue.ID)) {
		return Frame{}, false, nil // until it is counted, harm goes first
	}
	err = s.plan(ctx, queue, func(frames []Frame) {
		if chosen, ok = Measure(frames); !ok {
			return
		}
		for i := range frames {
			if frames[i].Class == chosen.Class && frames[i].Day.Equal(chosen.Day) {
				frames[i].Labeled++
				frames[i].Untouched--
			}
		}
	})
	return chosen, ok, err
}

// knownFrames returns what measuring knows of the queue.
func (s *Store) knownFrames(ctx context.Context, queue Queue) (list []Frame, err error) {
	err = s.plan(ctx, queue, func(frames []Frame) { list = slices.Clone(frames) })
	return list, err
}

// numbers returns the numbers of a queue that are the same for everybody.
func (s *Store) numbers(ctx context.Context, queue int64) (numbers Summary, err error) {
	err = s.tallied(ctx, queue, tallyAge, func(t *tally) {
		numbers = t.summary
		numbers.Waiting = maps.Clone(t.summary.Waiting)
	})
	return numbers, err
}

// moved carries the numbers of a queue on by one label until they are counted
// again. Each first reading is followed by a reservation of what waits in its
// place, so the class it came from has one fewer.
func (s *Store) moved(queue int64, class PriorityClass, first, done bool) {
	s.tallyOf(queue).move(func(t *tally) {
		n := &t.summary
		if first {
			n.Waiting[class] = max(0, n.Waiting[class]-1)
		}
		if done {
			n.Done++
		} else if first {
			n.Another++
		}
	})
}

// counting counts a queue on one core: those who label meanwhile have the
// others.
func (s *Store) counting(queue int64) func(context.Context) (tally, error) {
	return func(ctx context.Context) (counted tally, err error) {
		err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SET LOCAL max_parallel_workers_per_gather = 0`); err != nil {
				return err
			}
			counted, err = tallyFrom(ctx, tx, queue, time.Now().Add(-planWindow))
			return err
		})
		return counted, err
	}
}

// stratum is what a class, day and language of a queue hold.
type stratum struct {
	PriorityClass PriorityClass
	FrameDay      time.Time
	Language      string
	Readable      int64 // by the telemetry store; 0 where it has not counted
	Untouched     int64 // free for a first reading
	Another       int64 // want another labeler than those who had them
	Reserved      int64
	Done          int64
	Oldest        *time.Time // when the longest waiting came into the queue
	// Of those in the design that measures:
	Items, Labeled, Hallucinated, Free int64
}

// tallyFrom walks over a queue once.
func tallyFrom(ctx context.Context, tx pgx.Tx, queue int64, since time.Time) (tally, error) {
	rows, _ := tx.Query(ctx, `
		WITH strata AS (
			SELECT priority_class, frame_day, language, min(task_class) AS task_class,
			       count(*) FILTER (WHERE taken = 0 AND passed_over = 0) AS untouched,
			       count(*) FILTER (WHERE taken < wanted AND (taken > 0 OR passed_over > 0)) AS another,
			       count(*) FILTER (WHERE taken > labeled) AS reserved,
			       count(*) FILTER (WHERE labeled >= wanted) AS done,
			       min(added_at) FILTER (WHERE taken = 0 AND passed_over = 0) AS oldest,
			       count(*) FILTER (WHERE design = 'bottom_k') AS items,
			       count(*) FILTER (WHERE design = 'bottom_k' AND labeled > 0) AS labeled,
			       count(*) FILTER (WHERE design = 'bottom_k' AND taken = 0 AND passed_over = 0) AS free
			FROM items
			WHERE queue_id = $1 AND removed_at IS NULL
			GROUP BY priority_class, frame_day, language
		), found AS (
			SELECT i.priority_class, i.frame_day, i.language, count(*) AS hallucinated
			FROM consensus c JOIN items i ON i.id = c.item_id
			WHERE c.first_reading = 'hallucinated' AND i.queue_id = $1 AND i.removed_at IS NULL AND i.design = 'bottom_k'
			GROUP BY i.priority_class, i.frame_day, i.language
		)
		SELECT priority_class, frame_day, language,
		       coalesce((SELECT sum(t.readable) FROM frame_totals t
		                 WHERE t.frame_day = s.frame_day AND t.task_class = s.task_class AND t.priority_class = s.priority_class), 0)::bigint AS readable,
		       untouched, another, reserved, done, oldest, items, labeled, coalesce(f.hallucinated, 0) AS hallucinated, free
		FROM strata s LEFT JOIN found f USING (priority_class, frame_day, language)`, queue)
	strata, err := pgx.CollectRows(rows, pgx.RowToStructByName[stratum])
	if err != nil {
		return tally{}, err
	}
	counted := tally{frames: framesOf(strata, frameDay(since)), summary: summaryOf(strata)}
	n := &counted.summary
	var median *float64
	err = tx.QueryRow(ctx, `
		SELECT count(*), coalesce(count(*) / greatest(extract(epoch FROM now() - min(created_at)) / 86400, 1), 0)::float8,
		       (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY elapsed_ms)
		        FROM (SELECT elapsed_ms FROM labels WHERE queue_id = $1 AND elapsed_ms IS NOT NULL ORDER BY id DESC LIMIT 200) AS recent),
		       (SELECT count(*) FROM consensus c JOIN items i ON i.id = c.item_id WHERE i.queue_id = $1 AND c.method = 'split')
		FROM labels
		WHERE queue_id = $1 AND created_at > now() - interval '7 days'`, queue).Scan(&n.Week, &n.PerDay, &median, &n.Split)
	if median != nil {
		n.Median = time.Duration(*median) * time.Millisecond
	}
	return counted, err
}

// framesOf are the frames of a class and a day since then, or all when nothing
// lies in the window, as with data from long ago. The counts of the telemetry
// store go before those of the queue, which a cap makes smaller.
func framesOf(strata []stratum, since time.Time) []Frame {
	inWindow := slices.ContainsFunc(strata, func(s stratum) bool { return !s.FrameDay.Before(since) })
	var frames []Frame
	at := map[Frame]int{}
	items := map[int]int64{}
	for _, s := range strata {
		if s.Items == 0 || inWindow && s.FrameDay.Before(since) {
			continue
		}
		key := Frame{Class: s.PriorityClass, Day: s.FrameDay}
		i, known := at[key]
		if !known {
			i = len(frames)
			at[key] = i
			frames = append(frames, key)
		}
		f := &frames[i]
		items[i] += s.Items
		f.Readable = max(s.Readable, items[i])
		f.Labeled += s.Labeled
		f.Hallucinated += s.Hallucinated
		f.Untouched += s.Free
	}
	return frames
}

func summaryOf(strata []stratum) Summary {
	n := Summary{Waiting: map[PriorityClass]int64{}, Languages: map[string]int64{}}
	for _, s := range strata {
		n.Waiting[s.PriorityClass] += s.Untouched
		n.Languages[s.Language] += s.Untouched + s.Another
		n.Another += s.Another
		n.Reserved += s.Reserved
		n.Done += s.Done
		if s.Oldest != nil && (n.Oldest == nil || s.Oldest.Before(*n.Oldest)) {
			n.Oldest = s.Oldest
		}
	}
	return n
}
