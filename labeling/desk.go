package labeling

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
)

// Desk is everything the labeling page says of an item and around it, read in
// one round trip: a labeler waits for it after every label.
type Desk struct {
	Item     Item
	Before   *Before // what the actor labeled just before, where asked for and still standing
	Rail     Rail
	Unread   int // notices of the actor
	Progress Progress
}

// Before is the label given just before.
type Before struct {
	Item      int64
	Number    int
	Label     string
	LabeledAt time.Time
}

// Progress is what labeling moves: the numbers beside the items. They may be some
// seconds old but for the labels given in this process, which count at once.
type Progress struct {
	Summary Summary // of the queue; not Mine
	Gain    Gain
	Today   Today
}

// DeskAsk says for which page a desk is.
type DeskAsk struct {
	Ahead    bool      // the page is fetched to be shown later: nobody reads it yet
	After    int64     // the item labeled just before; 0 for none
	Midnight time.Time // when the actor's day began
}

// Desk returns an item that was served to the actor with what surrounds it. Unless
// the page is fetched ahead, the item is on the actor's screen from now on.
func (s *Store) Desk(ctx context.Context, actor auth.Actor, id int64, ask DeskAsk) (Desk, error) {
	if err := actor.Require(auth.Label); err != nil {
		return Desk{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Desk{}, err
	}
	var desk Desk
	batch := &pgx.Batch{}
	if !ask.Ahead {
		batch.Queue(openedStatement, id, labeler)
	}
	s.queueItem(batch, labeler, id, &desk.Item)
	desk.Rail.queue(batch, labeler, `(SELECT queue_id FROM items WHERE id = $2)`, id)
	if actor.Kind == auth.Person {
		batch.Queue(unreadQuery, actor.ID).QueryRow(func(row pgx.Row) error { return row.Scan(&desk.Unread) })
	}
	if ask.After != 0 {
		batch.Queue(beforeQuery, ask.After, labeler).Query(func(rows pgx.Rows) (err error) {
			desk.Before, err = scanBefore(rows)
			return err
		})
	}
	if err := s.DB.SendBatch(ctx, batch).Close(); err != nil {
		return Desk{}, itemTrouble(id, err)
	}
	if desk.Item.Reservation == nil {
		return desk, nil
	}
	desk.Progress, err = s.progressOf(ctx, labeler, desk.Item.Queue, ask.Midnight)
	return desk, err
}

const beforeQuery = `
	SELECT r.item_id, r.number, l.label, l.labeled_at
	FROM reservations r JOIN labels l ON l.item_id = r.item_id AND l.labeler_id = r.labeler_id
	WHERE r.item_id = $1 AND r.labeler_id = $2 AND r.state = 'labeled' AND l.label IS NOT NULL
	ORDER BY l.revision DESC
	LIMIT 1`

func scanBefore(rows pgx.Rows) (*Before, error) {
	before, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[Before])
	if err != nil || len(before) == 0 {
		return nil, err
	}
	return before[0], nil
}

// Before returns the actor's label of an item while it stands, nil when there
// is none.
func (s *Store) Before(ctx context.Context, actor auth.Actor, item int64) (*Before, error) {
	if !isLabeler(actor) {
		return nil, nil
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, beforeQuery, item, labeler)
	before, err := scanBefore(rows)
	if err != nil {
		return nil, fmt.Errorf("label of item %d: %w", item, err)
	}
	return before, nil
}

// Moved returns the numbers beside the items of a queue as a label of the
// actor has just left them: its Summary and Today.
func (s *Store) Moved(ctx context.Context, actor auth.Actor, queue int64, midnight time.Time) (p Progress, err error) {
	if err := actor.Require(auth.Label); err != nil {
		return p, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return p, err
	}
	if p.Summary, err = s.numbers(ctx, queue); err != nil {
		return p, err
	}
	p.Today, err = s.today(ctx, labeler, midnight)
	return p, err
}

func (s *Store) progressOf(ctx context.Context, labeler int64, queue Queue, midnight time.Time) (p Progress, err error) {
	if p.Summary, err = s.numbers(ctx, queue.ID); err != nil {
		return p, err
	}
	p.Summary.Queue = queue
	if p.Gain, err = s.usualGain(ctx, queue); err != nil {
		return p, err
	}
	p.Today, err = s.today(ctx, labeler, midnight)
	return p, err
}

// usualGain is Gain at the queue's own mix, foreseen anew every few seconds:
// it is work for the processor, and sixty pages a second say it.
func (s *Store) usualGain(ctx context.Context, queue Queue) (gain Gain, err error) {
	entry, _ := s.gains.LoadOrStore(queue.ID, &kept[Gain]{})
	err = entry.(*kept[Gain]).use(ctx, tallyAge, s.concurrent(),
		func(ctx context.Context) (Gain, error) { return s.gain(ctx, queue, queue.MeasurementShare) },
		func(known *Gain) { gain = *known })
	return gain, err
}
