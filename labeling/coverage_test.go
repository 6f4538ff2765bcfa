package labeling

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/postgrestest"
	"assay/internal/stats"
	"assay/telemetry"
)

// A population with known rates, of which harm is what people meet first. Half
// of each class is of the new model, which errs more often.
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

// The rules of the simulated queue: one takes what the new model answered at
// length, one in two, and the rest has caps.
const (
	lengthy     = "lengthy-v2"
	lengthyDraw = 0.5
	worseBy     = 1.5 // the new model's rate against the old one's
)

var restCap = map[PriorityClass]int{Implicit: 60, Random: 300}

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
	part    string
	bad     bool
	left    bool // beyond a cap or not drawn: nobody meets it
	touched bool
	done    bool // labeled
	past    bool // skipped
}

type paperFrame struct {
	class PriorityClass
	day   time.Time
}

type paperQueue struct {
	frames map[paperFrame][]*paperItem // in the order of u
	next   map[paperFrame]int          // the first that nobody touched
	share  float64
}

// newPaper puts what the rules take into the queue: of the lengthy one in two,
// of the rest the smallest u of a class and day up to the cap.
func newPaper(items []*paperItem, share float64) *paperQueue {
	q := &paperQueue{frames: map[paperFrame][]*paperItem{}, next: map[paperFrame]int{}, share: share}
	for _, item := range items {
		key := paperFrame{item.Class, item.Day}
		q.frames[key] = append(q.frames[key], item)
	}
	for key, frame := range q.frames {
		slices.SortFunc(frame, func(a, b *paperItem) int { return cmp.Compare(a.U, b.U) })
		rest := 0
		for _, item := range frame {
			limit, capped := restCap[key.class]
			switch {
			case item.part == lengthy:
				item.left = item.U >= lengthyDraw
			case capped && rest >= limit:
				item.left = true
			default:
				rest++
			}
		}
	}
	return q
}

// reserve goes the ways that Ways gives, as the real queue does.
func (q *paperQueue) reserve(draw func() float64) *paperItem {
	for _, way := range Ways(draw(), draw(), q.share) {
		switch way {
		case WayMeasure:
			if frame, ok := Measure(q.known()); ok {
				return q.take(paperFrame{frame.Class, frame.Day})
			}
		case WayHarm:
			var heads []Waiting
			for key := range q.frames {
				if item := q.head(key); item != nil {
					heads = append(heads, item.Waiting)
				}
			}
			if len(heads) > 0 {
				first := slices.MinFunc(heads, ByHarm)
				return q.take(paperFrame{first.Class, first.Day})
			}
		}
	}
	return nil
}

// head is the first item of a frame that may be served.
func (q *paperQueue) head(key paperFrame) *paperItem {
	frame := q.frames[key]
	for q.next[key] < len(frame) && frame[q.next[key]].left {
		q.next[key]++
	}
	if at := q.next[key]; at < len(frame) {
		return frame[at]
	}
	return nil
}

func (q *paperQueue) take(key paperFrame) *paperItem {
	item := q.head(key)
	item.touched = true
	q.next[key]++
	return item
}

// known is what measuring knows: of a frame that has a cap the responses in
// the queue, since nothing else is counted here.
func (q *paperQueue) known() []Frame {
	var list []Frame
	for key, items := range q.frames {
		f := Frame{Class: key.class, Day: key.day}
		for _, item := range items {
			if item.left {
				continue
			}
			f.Readable++
			switch {
			case !item.touched:
				f.Untouched++
			case item.done:
				f.Labeled++
				if item.bad {
					f.Hallucinated++
				}
			}
		}
		if f.Readable > 0 {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b Frame) int { return cmp.Or(cmp.Compare(a.Class.Rank(), b.Class.Rank()), a.Day.Compare(b.Day)) })
	return list
}

// strata is what the estimate is made of: in every stratum (class and rule)
// and day the labeled below the smallest u that nobody touched, whether it
// waits or was left out.
func (q *paperQueue) strata() []stats.Stratum {
	var list []stats.Stratum
	for key, items := range q.frames {
		for _, part := range []string{"", lengthy} {
			st := stats.Stratum{Name: string(key.class) + "/" + part, Frame: key.day.Format(time.DateOnly)}
			if key.class != Random {
				st.Neighbor = string(Random) + "/" + part
			}
			open := true
			for _, item := range items {
				if item.part != part {
					continue
				}
				st.Population++
				open = open && item.touched
				if !open {
					continue
				}
				st.Sampled++
				if item.done {
					st.Labeled++
					if item.bad {
						st.Bad++
					}
				}
			}
			if st.Population > 0 {
				list = append(list, st)
			}
		}
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
			for i := range p.each {
				item := &paperItem{Waiting: Waiting{ID: int64(len(items)), Class: p.class, Day: day(1 + d), U: dice.Float64()}}
				rate := p.rate / ((1 + worseBy) / 2)
				if i%2 == 0 {
					item.part, rate = lengthy, rate*worseBy
				}
				item.bad = dice.Float64() < rate
				items = append(items, item)
			}
		}
	}
	return items
}

// workOn labels so many items; one in forty is skipped whatever it says.
func workOn(q *paperQueue, labels int, dice *rand.Rand) (raw, bad int) {
	for range labels {
		item := q.reserve(dice.Float64)
		if item == nil {
			return raw, bad
		}
		if item.past = dice.Float64() < 1.0/40; item.past {
			continue
		}
		item.done = true
		raw++
		if item.bad {
			bad++
		}
	}
	return raw, bad
}

// The whole way from considering to the estimate, on paper: two rules, the
// order of harm, a measurement share, skips. Where the hallucinations expected
// among the labels of the largest class are five or more, the 95 % interval is
// to cover the truth in at least 94 of 100 runs; where they are fewer the
// estimate is thin, and 90 are enough; where labels are plenty, 98 are too many:
// the interval would be wider than it need be.
func TestTheEstimateCoversTheTruthAndTheRawShareDoesNot(t *testing.T) {
	runs := 250
	slack := 0.015 // what so few runs may be off by chance
	if *full {
		runs, slack = 1000, 0
	}
	for _, c := range []struct {
		labels      int
		least, most float64
		rawFails    int // of runs, at least this share in percent
	}{
		{150, 0.90, 1, 95},
		{700, 0.94, 0.98, 95},
		{1300, 0.94, 0.98, 95},
	} {
		t.Run(fmt.Sprintf("%d labels", c.labels), func(t *testing.T) {
			truth := trueRate()
			covered, rawCovered := 0, 0
			estimates, shares, expected := 0.0, 0.0, 0.0
			for run := range runs {
				dice := rand.New(rand.NewPCG(41, uint64(run)))
				q := newPaper(populate(dice), 0.25)
				raw, bad := workOn(q, c.labels, dice)
				strata := q.strata()
				for _, st := range strata {
					if strings.HasPrefix(st.Name, string(Random)) {
						expected += float64(st.Labeled) * 0.03
					}
				}
				e, err := stats.Stratified(strata, stats.OfProcess, 0.95)
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
			t.Logf("truth %.4f; estimate %.4f on average over %d runs, interval covers in %.1f %%; raw share %.4f, covers in %.1f %%; n·p of the largest class %.1f",
				truth, estimates/float64(runs), runs, 100*coverage, shares/float64(runs), 100*float64(rawCovered)/float64(runs), expected/float64(runs))
			if coverage < c.least-slack || coverage > c.most+slack {
				t.Errorf("the interval covers the truth in %.1f %% of %d runs, want %.0f to %.0f", 100*coverage, runs, 100*c.least, 100*c.most)
			}
			if 100*(runs-rawCovered) < c.rawFails*runs {
				t.Errorf("the raw share was to fail, and covers in %d of %d runs", rawCovered, runs)
			}
			if off := math.Abs(estimates/float64(runs)-truth) / truth; c.labels >= 700 && off > 0.03 {
				t.Errorf("the estimate is off by %.1f %% on average", 100*off)
			}
		})
	}
}

// The queue in PostgreSQL and the queue on paper choose the same items and
// come to the same sample.
func TestThePaperQueueIsTheRealQueue(t *testing.T) {
	runs := 2
	if *full {
		runs = 30
	}
	for run := range runs {
		t.Run(fmt.Sprintf("run %d", run), func(t *testing.T) { samePaper(t, uint64(run)) })
	}
}

func samePaper(t *testing.T, run uint64) {
	const part = 8 // of the population
	pool := postgrestest.Database(t)
	h := newShelf()
	dice := rand.New(rand.NewPCG(97, run))
	s := &Store{DB: pool, Telemetry: h, recount: true}
	openQueue(t, s, "sql_query")
	caps := map[PriorityClass]int{}
	for class, limit := range restCap {
		caps[class] = limit / part
	}
	implicit, random := caps[Implicit], caps[Random]
	for _, rule := range []Rule{
		{CapImplicit: &implicit, CapRandom: &random, Note: "the rest"},
		{Part: lengthy, Share: lengthyDraw, Conditions: Conditions{Models: []string{"v2"}, Shortest: 100}},
	} {
		if _, err := s.SetRule(t.Context(), engineer, "sql_query", rule); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(t.Context(), `UPDATE queues SET overlap_share = 0, hallucinated_again = false`); err != nil {
		t.Fatal(err)
	}
	var candidates []telemetry.Candidate
	for d := range populationDays {
		for _, p := range population {
			for i := range p.each / part {
				model := "v1"
				if i%2 == 0 {
					model = "v2"
				}
				c := h.respond("sql_query", model, day(1+d).Add(time.Hour), reasonFor[p.class]...)
				c.ResponseChars = 100
				candidates = append(candidates, c)
			}
		}
	}
	consider(t, s, candidates...)
	paper, ids := paperOf(t, s, len(candidates), caps, dice)

	tape := rand.New(rand.NewPCG(11, run))
	play := rand.New(rand.NewPCG(11, run))
	s.Draw = play.Float64
	for step := range 150 {
		want := paper.reserve(tape.Float64)
		got := held(t, s, Queue{Slug: "sql_query"}, 1)
		if ids[want] != got.ItemID {
			t.Fatalf("step %d: paper chose %d (%s, %s, %s), PostgreSQL chose %d", step, ids[want], want.Class, want.part, want.Day.Format(time.DateOnly), got.ItemID)
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
		name := string(c.PriorityClass) + "/" + c.Part
		st := got[name+c.Day.Format(time.DateOnly)]
		st.Name, st.Frame = name, c.Day.Format(time.DateOnly)
		st.Population += int(c.Readable)
		st.Sampled += int(c.Sampled)
		st.Labeled += int(c.Labels.Counted())
		st.Bad += float64(c.Labels.Hallucinated)
		got[st.Name+st.Frame] = st
	}
	for _, want := range paper.strata() {
		want.Neighbor = ""
		if got[want.Name+want.Frame] != want {
			t.Errorf("want %+v\n got %+v", want, got[want.Name+want.Frame])
		}
	}
}

// paperOf draws the queue in PostgreSQL on paper, from its decisions; that the
// rules took the same is a part of what is compared.
func paperOf(t *testing.T, s *Store, n int, caps map[PriorityClass]int, dice *rand.Rand) (*paperQueue, map[*paperItem]int64) {
	t.Helper()
	before := restCap
	restCap = caps
	defer func() { restCap = before }()
	var items []*paperItem
	ids := map[*paperItem]int64{}
	left := map[*paperItem]bool{}
	rows, _ := s.DB.Query(t.Context(), `
		SELECT d.id, coalesce(i.id, 0), d.priority_class, d.frame_day, d.u, d.part, NOT d.selected
		FROM sampling_decisions d LEFT JOIN items i ON i.event_id = d.event_id
		ORDER BY d.id`)
	for rows.Next() {
		item := &paperItem{bad: dice.Float64() < 0.2}
		var id int64
		var out bool
		if err := rows.Scan(&item.ID, &id, &item.Class, &item.Day, &item.U, &item.part, &out); err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
		ids[item], left[item] = id, out
	}
	if rows.Err() != nil || len(items) != n {
		t.Fatalf("want %d decisions, got %d, %v", n, len(items), rows.Err())
	}
	paper := newPaper(items, 0.25)
	for item, out := range left {
		if item.left != out {
			t.Fatalf("the rules took another: on paper left out %v, in PostgreSQL %v, u %.3f, %s %s", item.left, out, item.U, item.Class, item.part)
		}
	}
	return paper, ids
}

var reasonFor = map[PriorityClass][]telemetry.Flag{
	Safety:   {{Reason: telemetry.UnsafeClaim}},
	Negative: {{Reason: telemetry.NegativeFeedback}},
	Implicit: {{Reason: telemetry.Requery}},
}
