package labeling

import (
	"context"
	"fmt"
	"sync"
	"time"

	"assay/internal/auth"
)

// Today is what the actor has labeled since midnight of their zone.
type Today struct {
	Labels int
	Median time.Duration
}

// Today counts the actor's labels since then that still stand.
func (s *Store) Today(ctx context.Context, actor auth.Actor, since time.Time) (Today, error) {
	if err := actor.Require(auth.SeeOwnWork); err != nil {
		return Today{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Today{}, err
	}
	today, _, err := s.countToday(ctx, labeler, since)
	return today, err
}

// todayAge is how long a day's count is carried on by the labels that come.
const todayAge = 15 * time.Second

// workday is a labeler's day so far: counted now and then, since it only grows,
// and moved by each of their labels in between.
type workday struct {
	mu    sync.Mutex
	since time.Time
	today Today
	upTo  int64 // the last label that is in it
	at    time.Time
	took  time.Duration
}

func (s *Store) dayOf(labeler int64) *workday {
	entry, _ := s.days.LoadOrStore(labeler, &workday{})
	return entry.(*workday)
}

// today is Today for a page that is made after every label.
func (s *Store) today(ctx context.Context, labeler int64, since time.Time) (Today, error) {
	d := s.dayOf(labeler)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.since.Equal(since) && time.Since(d.at) < max(todayAge, countsAtMost*d.took) {
		return d.today, nil
	}
	began := time.Now()
	today, upTo, err := s.countToday(ctx, labeler, since)
	if err != nil {
		return Today{}, err
	}
	d.since, d.today, d.upTo, d.at, d.took = since, today, upTo, time.Now(), time.Since(began)
	return d.today, nil
}

// gave moves the labeler's day by a label, or by one taken back.
func (s *Store) gave(labeler, label int64, by int) {
	d := s.dayOf(labeler)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.IsZero() && label > d.upTo {
		d.today.Labels = max(0, d.today.Labels+by)
		d.upTo = label
	}
}

// countToday returns the labels of since then that stand, and the last that was
// looked at.
func (s *Store) countToday(ctx context.Context, labeler int64, since time.Time) (today Today, upTo int64, err error) {
	var median *float64
	err = s.DB.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE label IS NOT NULL AND NOT EXISTS (
		           SELECT FROM labels n WHERE n.item_id = l.item_id AND n.labeler_id = l.labeler_id AND n.revision > l.revision)),
		       percentile_cont(0.5) WITHIN GROUP (ORDER BY elapsed_ms) FILTER (WHERE label IS NOT NULL),
		       coalesce(max(id), 0)
		FROM labels l
		WHERE labeler_id = $1 AND created_at >= $2 AND labeled_at >= $2`, labeler, since).Scan(&today.Labels, &median, &upTo)
	if err != nil {
		return Today{}, 0, fmt.Errorf("today of labeler %d: %w", labeler, err)
	}
	if median != nil {
		today.Median = time.Duration(*median) * time.Millisecond
	}
	return today, upTo, nil
}
