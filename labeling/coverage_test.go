package labeling

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/postgrestest"
	"assay/internal/stats"
	"assay/telemetry"
)

// A population with known rates, of which harm is what people meet first.
var population = []struct {
	class PriorityClass
	each  int // responses a day
	rate  float64
}{
	{Safety, 12, 0.60},
	{Negative, 40, 0.35},
	{Implicit, 160, 0.12},
	{Random, 1400, 0.03},
}

const populationDays = 3

func trueRate() float64 {
	bad, all := 0.0, 0.0
	for _, p := range population {
		bad += float64(p.each) * p.rate
		all += float64(p.each)
	}
	return bad / all
}

// paperItem is an item of a queue on paper, moved by the functions that move
// the real one.
type paperItem struct {
	Waiting
	bad  bool
	done bool // labeled
	past bool // skipped
}

type paperQueue struct {
	frames map[frameKey][]*paperItem // in the order of u
	next   map[frameKey]int
	share  float64
}

func newPaper(items []*paperItem, share float64) *paperQueue {
	q := &paperQueue{frames: map[frameKey][]*paperItem{}, next: map[frameKey]int{}, share: share}
	for _, item := range items {
		key := frameKey{item.Class, item.Day}
		q.frames[key] = append(q.frames[key], item)
	}
	for _, frame := range q.frames {
		slices.SortFunc(frame, func(a, b *paperItem) int { return cmp.Compare(a.U, b.U) })
	}
	return q
}

// reserve goes the ways that Ways gives, as the real queue does.
func (q *paperQueue) reserve(draw func() float64) *paperItem {
	for _, way := range Ways(draw(), draw(), q.share) {
		switch way {
		case WayMeasure:
			if frame, ok := Measure(q.known()); ok {
				return q.take(frameKey{frame.Class, frame.Day})
			}
		case WayHarm:
			var heads []Waiting
			for key, frame := range q.frames {
				if at := q.next[key]; at < len(frame) {
					heads = append(heads, frame[at].Waiting)
				}
			}
			if len(heads) > 0 {
				first := slices.MinFunc(heads, ByHarm)
				return q.take(frameKey{first.Class, first.Day})
			}
		}
	}
	return nil
}

func (q *paperQueue) take(key frameKey) *paperItem {
	item := q.frames[key][q.next[key]]
	q.next[key]++
	return item
}

func (q *paperQueue) known() []Frame {
	var list []Frame
	for key, items := range q.frames {
		f := Frame{Class: key.class, Day: key.day, Readable: int64(len(items)), Untouched: int64(len(items) - q.next[key])}
		for _, item := range items[:q.next[key]] {
			if item.done {
				f.Labeled++
				if item.bad {
					f.Hallucinated++
				}
			}
		}
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b Frame) int { return cmp.Or(cmp.Compare(a.Class.Rank(), b.Class.Rank()), a.Day.Compare(b.Day)) })
	return list
}

// strata is what the estimate is made of: in every stratum and day the labeled
// below the threshold.
func (q *paperQueue) strata() []stats.Stratum {
	var list []stats.Stratum
	for key, items := range q.frames {
		st := stats.Stratum{Name: string(key.class), Frame: key.day.Format(time.DateOnly), Population: len(items)}
		if key.class != Random {
			st.Neighbor = string(Random)
		}
		for _, item := range items[:q.next[key]] {
			st.Sampled++
			if item.done {
				st.Labeled++
				if item.bad {
					st.Bad++
				}
			}
		}
		list = append(list, st)
	}
	slices.SortFunc(list, func(a, b stats.Stratum) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Frame, b.Frame))
	})
	return list
}

func populate(dice *rand.Rand) []*paperItem {
	var items []*paperItem
	for d := range populationDays {
		for _, p := range population {
			for range p.each {
				items = append(items, &paperItem{
					Waiting: Waiting{ID: int64(len(items)), Class: p.class, Day: day(1 + d), U: dice.Float64()},
					bad:     dice.Float64() < p.rate,
				})
			}
		}
	}
	return items
}

// workOn labels so many items; one in forty is skipped whatever it says.
func workOn(q *paperQueue, labels int, dice *rand.Rand, took func(*paperItem)) (raw, bad int) {
	for range labels {
		item := q.reserve(dice.Float64)
		if item == nil {
			return raw, bad
		}
		item.past = dice.Float64() < 1.0/40
		if item.past {
			took(item)
			continue
		}
		item.done = true
		raw++
		if item.bad {
			bad++
		}
		took(item)
	}
	return raw, bad
}

func TestTheEstimateCoversTheTruthAndTheRawShareDoesNot(t *testing.T) {
	runs := 300
	if *full {
		runs = 1000
	}
	truth := trueRate()
	covered, rawCovered := 0, 0
	estimates, shares := 0.0, 0.0
	for run := range runs {
		dice := rand.New(rand.NewPCG(41, uint64(run)))
		q := newPaper(populate(dice), 0.25)
		raw, bad := workOn(q, 700, dice, func(*paperItem) {})
		e, err := stats.Stratified(q.strata(), stats.OfProcess, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if e.Contains(truth) {
			covered++
		}
		share, err := stats.Rate(bad, raw, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if share.Contains(truth) {
			rawCovered++
		}
		estimates += e.Value
		shares += share.Value
	}
	coverage := float64(covered) / float64(runs)
	t.Logf("truth %.4f; estimate %.4f on average, interval covers in %.1f %%; raw share %.4f, covers in %.1f %%",
		truth, estimates/float64(runs), 100*coverage, shares/float64(runs), 100*float64(rawCovered)/float64(runs))
	if coverage < 0.93 || coverage > 0.99 {
		t.Errorf("the interval covers the truth in %.1f %% of %d runs, want 93 to 99", 100*coverage, runs)
	}
	if rawCovered > runs/20 {
		t.Errorf("the raw share was to fail, and covers in %d of %d runs", rawCovered, runs)
	}
	if off := math.Abs(estimates/float64(runs)-truth) / truth; off > 0.03 {
		t.Errorf("the estimate is off by %.1f %% on average", 100*off)
	}
}

// The queue in PostgreSQL and the queue on paper choose the same items and
// come to the same sample.
func TestThePaperQueueIsTheRealQueue(t *testing.T) {
	for run := range 3 {
		t.Run(fmt.Sprintf("run %d", run), func(t *testing.T) { samePaper(t, uint64(run)) })
	}
}

func samePaper(t *testing.T, run uint64) {
	pool := postgrestest.Database(t)
	h := newShelf()
	dice := rand.New(rand.NewPCG(97, run))
	s := &Store{DB: pool, Telemetry: h, recount: true}
	openQueue(t, s, "sql_query")
	if _, err := s.SetRule(t.Context(), engineer, "sql_query", Rule{Note: "everything"}); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `UPDATE queues SET overlap_share = 0`); err != nil {
		t.Fatal(err)
	}
	var candidates []telemetry.Candidate
	for d := range populationDays {
		for _, p := range population {
			for range p.each / 8 {
				c := h.respond("sql_query", "v1", day(1+d).Add(time.Hour), reasonFor[p.class]...)
				candidates = append(candidates, c)
			}
		}
	}
	consider(t, s, candidates...)

	type row struct {
		ID    int64
		Class PriorityClass
		Day   time.Time
		U     float64
	}
	var items []*paperItem
	rows, _ := pool.Query(t.Context(), `SELECT id, priority_class, frame_day, u FROM items ORDER BY id`)
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.ID, &r.Class, &r.Day, &r.U); err != nil {
			t.Fatal(err)
		}
		items = append(items, &paperItem{Waiting: Waiting{r.ID, r.Class, r.Day, r.U}, bad: dice.Float64() < 0.2})
	}
	if rows.Err() != nil || len(items) != len(candidates) {
		t.Fatalf("want %d items, got %d, %v", len(candidates), len(items), rows.Err())
	}

	paper := newPaper(items, 0.25)
	var drawn []float64
	tape := rand.New(rand.NewPCG(11, run))
	play := rand.New(rand.NewPCG(11, run))
	s.Draw = play.Float64
	for step := range 220 {
		want := paper.reserve(func() float64 { v := tape.Float64(); drawn = append(drawn, v); return v })
		got := held(t, s, Queue{Slug: "sql_query"}, 1)
		if got.ItemID != want.ID {
			t.Fatalf("step %d: paper chose %d (%s, %s), PostgreSQL chose %d", step, want.ID, want.Class, want.Day.Format(time.DateOnly), got.ItemID)
		}
		if want.past = dice.Float64() < 1.0/40; want.past {
			if err := s.Skip(t.Context(), person(1), got.ItemID, got.Token, "other"); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want.done = true
		label := "correct"
		if want.bad {
			label = "hallucinated"
		}
		if _, err := s.Submit(t.Context(), person(1), got.ItemID, got.Token, uuid.NewString(), Answer{Label: label}); err != nil {
			t.Fatal(err)
		}
	}
	cells, err := s.Sample(t.Context(), auth.Product(), SampleFilter{From: day(1), To: day(1 + populationDays)})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]stats.Stratum{}
	for _, c := range cells {
		st := stats.Stratum{Name: string(c.PriorityClass), Frame: c.Day.Format(time.DateOnly), Population: int(c.Readable),
			Sampled: int(c.Sampled), Labeled: int(c.Labels.Counted()), Bad: float64(c.Labels.Hallucinated)}
		got[st.Name+st.Frame] = st
	}
	for _, want := range paper.strata() {
		want.Neighbor = ""
		if got[want.Name+want.Frame] != want {
			t.Errorf("want %+v\n got %+v", want, got[want.Name+want.Frame])
		}
	}
}

var reasonFor = map[PriorityClass][]telemetry.Flag{
	Safety:   {{Reason: telemetry.UnsafeClaim}},
	Negative: {{Reason: telemetry.NegativeFeedback}},
	Implicit: {{Reason: telemetry.Requery}},
}
