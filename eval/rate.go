package eval

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/stats"
	"assay/labeling"
)

// Outcome is which labels count as bad.
type Outcome string

// The outcomes. A cannot-tell label is neither good nor bad in a rate; it is
// counted beside it.
const (
	Hallucination Outcome = "hallucination"
	NotCorrect    Outcome = "not_correct"
)

// Estimator is how a rate is made from labels.
type Estimator string

// Weighted estimates the rate of all traffic; Raw is the share of labeled
// items that were bad, which a queue that looks for trouble makes too high.
const (
	Weighted Estimator = "weighted"
	Raw      Estimator = "raw"
)

// Standing is a rate against its objective.
type Standing string

// Over and Within mean that the 95 % interval lies wholly on that side.
const (
	Over       Standing = "over"
	Within     Standing = "within"
	Unsettled  Standing = "undecided"
	Incomplete Standing = "incomplete"
	NoData     Standing = "no data"
)

const (
	// leastLabels is how many labels a rate needs to be shown at all.
	leastLabels = 5
	// leastComplete is the share of sampled items that must be labeled, in each
	// stratum, for a window to decide anything.
	leastComplete = 0.8
	// leastConsidered is the share of responses that must have their sampling
	// decision: before, the window is still being flagged.
	leastConsidered = 0.95
	// leastOfDay is the share of the traffic that must be spoken for before a
	// day has a point in the history.
	leastOfDay = 0.8
	// secondsPerLabel is what one label takes a person, for speaking of work.
	secondsPerLabel = 45
)

// RateFilter selects what is rated: a half-open window of event time, and how
// it is broken down.
type RateFilter struct {
	Outcome      Outcome // Hallucination when empty
	From, To     time.Time
	TaskClass    string // "" is all
	ModelVersion string // "" is all
	ByTaskClass  bool
	ByModel      bool
	Daily        int // days of history with each row, 0 for none
}

// Rate is one row: never a bare number.
type Rate struct {
	TaskClass    string // "" where rows are not broken down by it
	ModelVersion string
	stats.Estimate
	Raw        stats.Estimate // share of labeled items that were bad
	Labels     int            // counted labels, sample or not
	CannotTell int
	Bad        int
	Responses  int64   // all of them
	Readable   int64   // may be read by people
	Considered int64   // have their sampling decision
	Complete   float64 // share of sampled items that are labeled
	Least      float64 // the same in the stratum that is furthest behind
	Missing    int     // sampled items that still have no label
	Split      int64
	Disputed   int    // labels a reader objects to, until a reviewer decides; filled by whoever knows
	ReadTwice  int64  // labels that the design had read a second time
	Upheld     *Share // of the first labels "bad" that were read again: how many stayed bad; nil: none was
	Objective  *float64
	Standing   Standing
	Why        string    // in words, when there is no data or the window is incomplete
	FirstDay   time.Time // of the window, on which it answered
	Days       []DayRate // one for each day asked for, oldest first
	LastLabel  time.Time
}

// DayRate is one day of a row's history, estimated from the days that end with
// it; not Defined where the row served nothing that day or too little of its
// traffic is spoken for.
type DayRate struct {
	Day     time.Time
	Value   float64
	Defined bool
	stats.Interval
}

// Comparison is the difference between two versions of one task class.
type Comparison struct {
	TaskClass string
	Candidate Rate
	Baseline  Rate
	stats.Difference
	Decisive bool // the 95 % interval excludes zero
}

// Rates is a whole table, in the order pages show it: classes by their highest
// lower limit, versions of a class adjacent and newest first.
type Rates struct {
	Filter      RateFilter
	Rows        []Rate
	Comparisons []Comparison
	Responses   int64
	Readable    int64
	AsOf        time.Time
	LastLabel   time.Time
}

// Labels is what rates are made from.
type Labels interface {
	Sample(ctx context.Context, actor auth.Actor, filter labeling.SampleFilter) ([]labeling.SampleCell, error)
}

// Rates estimates the rate of bad responses in the window for each task class
// and model version asked for. Labels are weighed by the stratum they were
// drawn from, so that the estimate stays that of all traffic however the queue
// orders its work.
func (s *Store) Rates(ctx context.Context, actor auth.Actor, f RateFilter) (Rates, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return Rates{}, err
	}
	f.Outcome = cmp.Or(f.Outcome, Hallucination)
	if f.Outcome != Hallucination && f.Outcome != NotCorrect {
		return Rates{}, fault.Say(fault.Invalid, "There are the metrics hallucination and not_correct.")
	}
	if !f.From.Before(f.To) {
		return Rates{}, fault.Say(fault.Invalid, "A window begins before it ends.")
	}
	if s.Labels == nil {
		return Rates{}, fault.Say(fault.Unavailable, "Labels cannot be read now.")
	}
	cells, err := s.Labels.Sample(ctx, actor, labeling.SampleFilter{From: f.From, To: f.To, TaskClass: f.TaskClass})
	if err != nil {
		return Rates{}, err
	}
	history := cells
	if from := f.historyFrom(); f.Daily > 0 && from.Before(f.From) {
		history, err = s.Labels.Sample(ctx, actor, labeling.SampleFilter{From: from, To: f.To, TaskClass: f.TaskClass})
		if err != nil {
			return Rates{}, err
		}
	}
	objectives, err := s.objectives(ctx, f.Outcome)
	if err != nil {
		return Rates{}, err
	}
	return tabulate(f, cells, history, objectives, s.now())
}

// objectives are the agreed limits by task class.
func (s *Store) objectives(ctx context.Context, outcome Outcome) (map[string]float64, error) {
	limits := map[string]float64{}
	rows, err := s.DB.Query(ctx, `SELECT task_class, max_share FROM objectives WHERE metric = $1 AND retired_at IS NULL`, outcome)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var class string
		var limit float64
		if err := rows.Scan(&class, &limit); err != nil {
			return nil, err
		}
		limits[class] = limit
	}
	return limits, rows.Err()
}

// historyDay is the i-th day of the history that goes with each row; the last
// is that of the window.
func (f RateFilter) historyDay(i int) time.Time {
	last := f.To.Add(-time.Nanosecond).Truncate(24 * time.Hour)
	return last.AddDate(0, 0, i+1-f.Daily)
}

// span is how many days a point of the history looks back over: as many as the
// window, so that the last point is the row itself, and at most a week.
func (f RateFilter) span() int {
	days := int(math.Ceil(f.To.Sub(f.From).Hours() / 24))
	return max(1, min(days, 7))
}

// historyFrom is where the labels begin that the history needs.
func (f RateFilter) historyFrom() time.Time { return f.historyDay(0).AddDate(0, 0, 1-f.span()) }

// rowKey is what a row is broken down by.
type rowKey struct{ class, model string }

// rows sorts the cells of the models asked for by row.
func (f RateFilter) rows(cells []labeling.SampleCell) map[rowKey][]labeling.SampleCell {
	groups := map[rowKey][]labeling.SampleCell{}
	for _, cell := range cells {
		if f.ModelVersion != "" && cell.ModelVersion != f.ModelVersion {
			continue
		}
		var key rowKey
		if f.ByTaskClass {
			key.class = cell.TaskClass
		}
		if f.ByModel {
			key.model = cell.ModelVersion
		}
		groups[key] = append(groups[key], cell)
	}
	return groups
}

// tabulate is the pure part: cells of the window and of the history in, table
// out.
func tabulate(f RateFilter, cells, history []labeling.SampleCell, objectives map[string]float64, now time.Time) (Rates, error) {
	table := Rates{Filter: f, AsOf: now}
	before := f.rows(history)
	for key, group := range f.rows(cells) {
		row, err := rateOf(f.Outcome, group)
		if err != nil {
			return Rates{}, fmt.Errorf("rate %s %s: %w", key.class, key.model, err)
		}
		if row.Days, err = f.daily(before[key]); err != nil {
			return Rates{}, fmt.Errorf("history of %s %s: %w", key.class, key.model, err)
		}
		row.TaskClass, row.ModelVersion = key.class, key.model
		if limit, ok := objectives[key.class]; ok && key.class != "" {
			row.Objective = &limit
		}
		row.stand()
		table.Responses += row.Responses
		table.Readable += row.Readable
		if row.LastLabel.After(table.LastLabel) {
			table.LastLabel = row.LastLabel
		}
		table.Rows = append(table.Rows, row)
	}
	table.sort()
	table.compare()
	return table, nil
}

// rateOf estimates one row from its cells.
func rateOf(outcome Outcome, cells []labeling.SampleCell) (Rate, error) {
	var row Rate
	var raw labeling.Tally
	for _, cell := range cells {
		raw = raw.Plus(cell.Raw)
		row.Responses += cell.Responses
		row.Readable += cell.Readable
		row.Considered += cell.Considered
		row.Split += cell.Split
		row.Missing += int(cell.Sampled - cell.Labels.All())
		if cell.LastLabelAt.After(row.LastLabel) {
			row.LastLabel = cell.LastLabelAt
		}
		if cell.Responses > 0 && (row.FirstDay.IsZero() || cell.Day.Before(row.FirstDay)) {
			row.FirstDay = cell.Day
		}
	}
	row.Labels, row.CannotTell, row.Bad = int(raw.Counted()), int(raw.CannotTell), int(bad(outcome, raw))
	row.Complete, row.Least = completeness(cells)
	var err error
	if row.Raw, err = stats.Rate(row.Bad, row.Labels, .95); err != nil {
		return row, err
	}
	row.Estimate, err = estimate(outcome, cells)
	row.ReadTwice, row.Upheld = readTwice(outcome, cells)
	return row, err
}

// bad counts the labels that are bad by the outcome.
func bad(outcome Outcome, t labeling.Tally) int64 {
	if outcome == NotCorrect {
		return t.Hallucinated + t.PartiallyCorrect
	}
	return t.Hallucinated
}

// daily estimates each day of the history from the days that end with it. A
// day of which less than leastOfDay of the traffic is spoken for has no point:
// what people happened to read of it first would be shown as its rate.
func (f RateFilter) daily(cells []labeling.SampleCell) ([]DayRate, error) {
	days := make([]DayRate, f.Daily)
	for i := range days {
		day := f.historyDay(i)
		var some []labeling.SampleCell
		served := false
		for _, cell := range cells {
			if away := day.Sub(cell.Day); away >= 0 && away < time.Duration(f.span())*24*time.Hour {
				some = append(some, cell)
				served = served || (away == 0 && cell.Responses > 0)
			}
		}
		e, err := estimate(f.Outcome, some)
		if err != nil {
			return nil, err
		}
		days[i] = DayRate{Day: day, Value: e.Value, Interval: e.Interval,
			Defined: served && e.Defined && e.Denominator >= leastLabels && e.Coverage >= leastOfDay}
	}
	return days, nil
}

// stand judges the row against its objective; a window that is not whole
// decides nothing.
func (r *Rate) stand() {
	switch why := r.incomplete(); {
	case r.Labels < leastLabels || !r.Defined:
		r.Standing = NoData
		r.Why = fmt.Sprintf("no data: %s, at least %d in each cell needed", counted(r.Labels, "label"), leastLabels)
	case why != "":
		r.Standing, r.Why = Incomplete, why
	case r.Objective == nil:
		r.Standing = Unsettled
	case r.Low > *r.Objective:
		r.Standing = Over
	case r.High <= *r.Objective:
		r.Standing = Within
	default:
		r.Standing = Unsettled
	}
}

// incomplete says why the window decides nothing yet; "" when it is whole.
func (r *Rate) incomplete() string {
	switch {
	case r.Responses > 0 && float64(r.Considered) < leastConsidered*float64(r.Responses):
		return fmt.Sprintf("%s not yet considered", counted(int(r.Responses-r.Considered), "response"))
	case r.Coverage < stats.MinimumCoverage:
		return fmt.Sprintf("no label speaks for %s of the traffic", percentUp(1-r.Coverage))
	case r.Least < leastComplete:
		return fmt.Sprintf("%s without a label", counted(r.Missing, "sampled item"))
	}
	return ""
}

func (t *Rates) sort() {
	worst := map[string]float64{}
	for _, row := range t.Rows {
		low := row.Low
		if row.Standing == NoData {
			low = -1
		}
		if before, ok := worst[row.TaskClass]; !ok || low > before {
			worst[row.TaskClass] = low
		}
	}
	slices.SortFunc(t.Rows, func(a, b Rate) int {
		return cmp.Or(
			cmp.Compare(worst[b.TaskClass], worst[a.TaskClass]),
			cmp.Compare(a.TaskClass, b.TaskClass),
			b.FirstDay.Compare(a.FirstDay),
			cmp.Compare(b.ModelVersion, a.ModelVersion))
	})
}

// compare sets the newest version of each class beside the one before it.
func (t *Rates) compare() {
	if !t.Filter.ByModel {
		return
	}
	for i := 0; i+1 < len(t.Rows); i++ {
		newer, older := t.Rows[i], t.Rows[i+1]
		first := i == 0 || t.Rows[i-1].TaskClass != newer.TaskClass
		if !first || older.TaskClass != newer.TaskClass || newer.Standing == NoData || older.Standing == NoData {
			continue
		}
		d := difference(newer.Estimate, older.Estimate)
		t.Comparisons = append(t.Comparisons, Comparison{
			TaskClass: newer.TaskClass, Candidate: newer, Baseline: older, Difference: d,
			Decisive: (d.Low > 0 || d.High < 0) && newer.Standing != Incomplete && older.Standing != Incomplete,
		})
	}
}

// LabelsToDecide is how many more labels, as good as those there are, would
// bring the interval of a row clear of its objective if its estimate stayed,
// or would make an incomplete window whole; 0 when it is decided, has no
// objective, lies too near to ever decide, or waits for something else than
// labels.
func (r Rate) LabelsToDecide() int {
	switch {
	case r.Standing == NoData:
		return leastLabels - r.Labels
	case r.Standing == Incomplete && r.Coverage < stats.MinimumCoverage:
		return leastLabels
	case r.Standing == Incomplete:
		return r.Missing
	case r.Standing != Unsettled || r.Objective == nil || r.Denominator == 0:
		return 0
	}
	gap := math.Abs(r.Value - *r.Objective)
	if gap < .002 {
		return 0
	}
	for n := r.EffectiveN * 1.1; n < 200_000; n *= 1.1 {
		interval, err := stats.WilsonEffective(r.Value, n, .95)
		if err == nil && (interval.Low > *r.Objective || interval.High <= *r.Objective) {
			return int(math.Ceil((n/r.EffectiveN - 1) * float64(r.Denominator)))
		}
	}
	return 0
}

// Work is how long that many labels take one person.
func Work(labels int) time.Duration { return time.Duration(labels) * secondsPerLabel * time.Second }
