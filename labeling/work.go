package labeling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/stats"
)

// Start serves the next item over all queues the actor may work on: what they
// already hold, else the gravest that waits; the measuring share goes where a
// label brings an objective or a comparison nearest to its answer, and where
// nothing asks, to the fewest labels of the last days, so that no rate is left
// blind.
func (s *Store) Start(ctx context.Context, actor auth.Actor) (Queue, Reservation, error) {
	if err := actor.Require(auth.Label); err != nil {
		return Queue{}, Reservation{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Queue{}, Reservation{}, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT `+reservationColumns+` FROM reservations
		WHERE labeler_id = $1 AND state = 'held' AND lease_until > clock_timestamp()
		ORDER BY id
		LIMIT 1`, labeler)
	held, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Reservation])
	if err == nil {
		queue, err := s.queueByID(ctx, held.QueueID)
		return queue, held, err
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return Queue{}, Reservation{}, err
	}
	draw := s.draw()
	queues, err := s.byUrgency(ctx, draw)
	if err != nil {
		return Queue{}, Reservation{}, err
	}
	for _, queue := range queues {
		at, err := s.turnOf(ctx, bySlug(queue.Slug), labeler, false)
		if err != nil {
			return queue, Reservation{}, err
		}
		r, err := s.reserveFrom(ctx, at, !actor.May(auth.Adjudicate), true, draw)
		if !errors.Is(err, ErrNothingFree) {
			return queue, r, err
		}
	}
	return Queue{}, Reservation{}, ErrNothingFree
}

// head is a queue and what lies at its head.
type head struct {
	queue   Queue
	class   PriorityClass
	day     time.Time
	u       float64
	waiting bool
	labels  int64   // of the last days
	worth   float64 // of a label there, for what it would decide
}

// byUrgency orders the queues for Start.
func (s *Store) byUrgency(ctx context.Context, draw float64) ([]Queue, error) {
	rows, _ := s.DB.Query(ctx, `
		SELECT q.id, h.priority_class, h.frame_day, h.u
		FROM queues q LEFT JOIN LATERAL (
			SELECT priority_class, frame_day, u FROM items
			WHERE queue_id = q.id AND taken = 0 AND passed_over = 0 AND removed_at IS NULL AND assigned_to IS NULL AND lifted = 0
			ORDER BY harm, frame_day DESC, u
			LIMIT 1
		) AS h ON true
		WHERE q.archived_at IS NULL`)
	var heads []head
	var id int64
	var class *PriorityClass
	var day *time.Time
	var u *float64
	_, err := pgx.ForEachRow(rows, []any{&id, &class, &day, &u}, func() error {
		h := head{queue: Queue{ID: id}, waiting: class != nil}
		if h.waiting {
			h.class, h.day, h.u = *class, *day, *u
		}
		heads = append(heads, h)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("heads of queues: %w", err)
	}
	needs, err := s.allNeeds(ctx)
	if err != nil {
		return nil, err
	}
	var queues []Queue
	for i := range heads {
		if heads[i].queue, err = s.queueByID(ctx, heads[i].queue.ID); err != nil {
			return nil, err
		}
		known, err := s.numbers(ctx, heads[i].queue.ID)
		if err != nil {
			return nil, err
		}
		heads[i].labels = known.Week
		for _, need := range needs {
			if heads[i].queue.Kind == "standard" && need.TaskClass == heads[i].queue.TaskClass {
				heads[i].worth = max(heads[i].worth, need.worth())
			}
		}
	}
	for _, h := range urgent(heads, draw) {
		queues = append(queues, h.queue)
	}
	return queues, nil
}

// urgent orders heads: by harm, or in the measuring share of draws by what a
// label would decide and then by the fewest labels. Queues with nothing
// untouched come last: something there may still want another labeler.
func urgent(heads []head, draw float64) []head {
	share := 0.0
	for _, h := range heads {
		share = max(share, h.queue.MeasurementShare)
	}
	sorted := slices.Clone(heads)
	slices.SortStableFunc(sorted, func(a, b head) int {
		if a.waiting != b.waiting {
			if a.waiting {
				return -1
			}
			return 1
		}
		if draw < share {
			if by := cmp.Or(cmp.Compare(b.worth, a.worth), cmp.Compare(a.labels, b.labels)); by != 0 {
				return by
			}
		}
		return ByHarm(Waiting{Class: a.class, Day: a.day, U: a.u}, Waiting{Class: b.class, Day: b.day, U: b.u})
	})
	return sorted
}

// Summary is a queue in numbers.
type Summary struct {
	Queue     Queue
	Waiting   map[PriorityClass]int64 // free to reserve, by class
	Another   int64                   // want another labeler than those who had them
	Reserved  int64
	Done      int64
	Mine      int64      // labels of the actor that stand
	Oldest    *time.Time // when the longest waiting came into the queue
	Median    time.Duration
	Split     int64            // labelers differ, a reviewer decides
	Able      bool             // the actor judges answers of its task class
	Languages map[string]int64 // of what is free to reserve; "" where the text does not say
	Week      int64            // labels of the last seven days
	PerDay    float64          // the same a day, or since the first of them
}

// Free is how many wait.
func (s Summary) Free() int64 {
	var n int64
	for _, w := range s.Waiting {
		n += w
	}
	return n + s.Another
}

// Summaries returns the numbers of every queue, by title.
func (s *Store) Summaries(ctx context.Context, actor auth.Actor) ([]Summary, error) {
	queues, err := s.Queues(ctx, actor)
	if err != nil {
		return nil, err
	}
	labeler := int64(0)
	if isLabeler(actor) {
		if labeler, err = s.LabelerOf(ctx, actor); err != nil {
			return nil, err
		}
	}
	able := Skills{}
	if labeler != 0 {
		if able, err = skillsOf(ctx, s.DB, labeler); err != nil {
			return nil, err
		}
	}
	list := make([]Summary, len(queues))
	for i, queue := range queues {
		known, err := s.numbers(ctx, queue.ID)
		if err != nil {
			return nil, fmt.Errorf("numbers of queue %s: %w", queue.Slug, err)
		}
		list[i] = known
		list[i].Queue, list[i].Able = queue, labeler != 0 && able.Judges(queue.TaskClass)
		if labeler == 0 {
			continue
		}
		err = s.DB.QueryRow(ctx, `
			SELECT count(*) FROM reservations WHERE labeler_id = $1 AND queue_id = $2 AND state = 'labeled'`, labeler, queue.ID).Scan(&list[i].Mine)
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Summary returns the numbers of one queue.
func (s *Store) Summary(ctx context.Context, actor auth.Actor, queue Queue) (Summary, error) {
	if err := mayReadQueues(actor); err != nil {
		return Summary{}, err
	}
	known, err := s.numbers(ctx, queue.ID)
	known.Queue = queue
	if err != nil || !isLabeler(actor) {
		return known, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return known, err
	}
	able, err := skillsOf(ctx, s.DB, labeler)
	if err != nil {
		return known, err
	}
	known.Able = able.Judges(queue.TaskClass)
	err = s.DB.QueryRow(ctx, `
		SELECT count(*) FROM reservations WHERE labeler_id = $1 AND queue_id = $2 AND state = 'labeled'`, labeler, queue.ID).Scan(&known.Mine)
	return known, err
}

// Worker is a person who works in a queue today.
type Worker struct {
	Name   string
	Labels int
	Holds  int
	Last   time.Time  // when they last reserved or labeled
	Until  *time.Time // when the last lease they hold ends
}

// Here lists who labeled in the queue since then or holds something in it, the
// latest first. Labelers do not see one another.
func (s *Store) Here(ctx context.Context, actor auth.Actor, queue Queue, since time.Time) ([]Worker, error) {
	if err := mayReadQueues(actor); err != nil {
		return nil, err
	}
	if !seesAll(actor) {
		return nil, nil
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT coalesce(p.name, w.pseudonym) AS name,
		       count(*) FILTER (WHERE r.state = 'labeled') AS labels,
		       count(*) FILTER (WHERE r.state = 'held' AND r.lease_until > clock_timestamp()) AS holds,
		       max(coalesce(r.ended_at, r.reserved_at)) AS last,
		       max(r.lease_until) FILTER (WHERE r.state = 'held' AND r.lease_until > clock_timestamp()) AS until
		FROM reservations r
		JOIN labelers w ON w.id = r.labeler_id
		LEFT JOIN people p ON p.id = w.person_id
		WHERE r.queue_id = $1 AND r.state IN ('held', 'labeled') AND coalesce(r.ended_at, r.lease_until) >= $2
		GROUP BY 1
		ORDER BY 4 DESC
		LIMIT 12`, queue.ID, since)
	here, err := pgx.CollectRows(rows, pgx.RowToStructByName[Worker])
	if err != nil {
		return nil, fmt.Errorf("who is in queue %s: %w", queue.Slug, err)
	}
	return here, nil
}

// usualPace is what an item takes until the queue has its own figure.
const usualPace = 40 * time.Second

// Pace is the time an item of the queue takes.
func (s Summary) Pace() time.Duration {
	if s.Median < time.Second {
		return usualPace
	}
	return s.Median
}

// Point is how narrow the rate of a queue's task class is after some labels:
// half the width of its 95 % interval.
type Point struct {
	Labels int
	Half   float64
}

// Gain is what work on a queue buys.
type Gain struct {
	Points []Point // from now on, each step a few labels more
	Pace   time.Duration
	PerDay float64 // labels a day in the queue; 0 when there are none yet
}

// When is the time by which n labels are there at the queue's own rate, and
// false when it has none.
func (g Gain) When(now time.Time, n int) (time.Time, bool) {
	if g.PerDay <= 0 {
		return time.Time{}, false
	}
	return now.Add(time.Duration(float64(n) / g.PerDay * float64(24*time.Hour))), true
}

// Work is the time that n labels take.
func (g Gain) Work(n int) time.Duration { return time.Duration(n) * g.Pace }

// Reaches returns the labels until half the width is at most half, and false
// when the points do not reach that far.
func (g Gain) Reaches(half float64) (int, bool) {
	for _, p := range g.Points {
		if p.Half <= half {
			return p.Labels, true
		}
	}
	return 0, false
}

// Next returns the next whole number of points the rate narrows to, as a
// share, and the labels until then; false when it does not within reach.
func (g Gain) Next() (half float64, labels int, ok bool) {
	if len(g.Points) == 0 {
		return 0, 0, false
	}
	for _, target := range []float64{0.20, 0.15, 0.10, 0.08, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01} {
		if target >= g.Points[0].Half {
			continue
		}
		if n, ok := g.Reaches(target); ok {
			return target, n, true
		}
		return 0, 0, false
	}
	return 0, 0, false
}

// Gain computes what the next labels buy with the given measurement share.
func (s *Store) Gain(ctx context.Context, actor auth.Actor, queue Queue, share float64) (Gain, error) {
	if err := mayReadQueues(actor); err != nil {
		return Gain{}, err
	}
	return s.gain(ctx, queue, share)
}

func (s *Store) gain(ctx context.Context, queue Queue, share float64) (Gain, error) {
	known, err := s.numbers(ctx, queue.ID)
	if err != nil {
		return Gain{}, err
	}
	frames, err := s.knownFrames(ctx, queue)
	if err != nil {
		return Gain{}, err
	}
	points, err := Buy(frames, share, queue.Firsts())
	return Gain{Points: points, Pace: known.Pace(), PerDay: known.PerDay}, err
}

// The steps of Buy: how many labels ahead it looks, and how often.
const (
	buyAhead = 600
	buySteps = 30
)

// Buy foresees the width of the rate while labels are given: firsts of them
// read an item for the first time, of those the measurement share goes where
// Measure sends it and the rest in the order of harm, each expected to turn out
// as its class has so far.
func Buy(frames []Frame, share, firsts float64) ([]Point, error) {
	ahead := classesOf(frames)
	var points []Point
	read := 0
	for given := 0; given <= buyAhead; given++ {
		if given%(buyAhead/buySteps) == 0 {
			half, err := halfWidth(ahead)
			if err != nil {
				return nil, err
			}
			points = append(points, Point{given, half})
		}
		if !falls(given, firsts) {
			continue
		}
		if !giveOne(ahead, falls(read, share)) {
			break
		}
		read++
	}
	return points, nil
}

// falls spreads a share evenly over what is counted from 0: of any stretch of n
// it takes n times the share, up to one.
func falls(i int, share float64) bool {
	return math.Floor(float64(i+1)*share+1e-9) > math.Floor(float64(i)*share+1e-9)
}

// Firsts is the share of the queue's labels that read an item for the first
// time: the others are second readings, further labels and gold.
func (q Queue) Firsts() float64 {
	readings := float64(q.LabelsWanted)
	if q.LabelsWanted <= 1 {
		readings = 1 + q.OverlapShare
	}
	return (1 - q.GoldShare) / readings
}

// forecast is a class with the labels it will have.
type forecast struct {
	frame Frame
	bad   float64
	rate  float64
}

func classesOf(frames []Frame) []*forecast {
	byClass := map[PriorityClass]*forecast{}
	var list []*forecast
	for _, f := range frames {
		known := byClass[f.Class]
		if known == nil {
			known = &forecast{frame: Frame{Class: f.Class}}
			byClass[f.Class] = known
			list = append(list, known)
		}
		known.frame.Readable += f.Readable
		known.frame.Labeled += f.Labeled
		known.frame.Untouched += f.Untouched
		known.bad += float64(f.Hallucinated)
	}
	for _, f := range list {
		f.rate = (f.bad + 0.5) / (float64(f.frame.Labeled) + 1)
	}
	slices.SortFunc(list, func(a, b *forecast) int { return cmp.Compare(a.frame.Class.Rank(), b.frame.Class.Rank()) })
	return list
}

func giveOne(ahead []*forecast, measure bool) bool {
	var chosen *forecast
	highest := -1.0
	for _, f := range ahead {
		if f.frame.Untouched == 0 {
			continue
		}
		f.frame.Hallucinated = int64(f.bad + 0.5)
		if index := wright(f.frame); chosen == nil || measure && index > highest {
			chosen, highest = f, index
		}
	}
	if chosen == nil {
		return false
	}
	chosen.frame.Untouched--
	chosen.frame.Labeled++
	chosen.bad += chosen.rate
	return true
}

// halfWidth is half the interval of the rate the labels so far give.
func halfWidth(ahead []*forecast) (float64, error) {
	var strata []stats.Stratum
	for _, f := range ahead {
		if f.frame.Readable == 0 {
			continue
		}
		neighbor := ""
		if f.frame.Class != Random {
			neighbor = string(Random)
		}
		strata = append(strata, stats.Stratum{
			Name: string(f.frame.Class), Neighbor: neighbor,
			Population: int(f.frame.Readable), Labeled: int(f.frame.Labeled), Bad: min(f.bad, float64(f.frame.Labeled)),
		})
	}
	if len(strata) == 0 {
		return 0.5, nil
	}
	e, err := stats.Stratified(strata, stats.OfProcess, 0.95)
	if err != nil || !e.Defined {
		return 0.5, err
	}
	return e.Width() / 2, nil
}
