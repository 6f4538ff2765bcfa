package telemetry

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/stats"
)

// Dimension is what figures are broken down by.
type Dimension string

// The dimensions.
const (
	ByTaskClass    Dimension = "task_class"
	ByModelVersion Dimension = "model_version"
	ByTemplate     Dimension = "template"
	ByEnv          Dimension = "env"
	ByVersion      Dimension = "version" // assistant_version
	ByUser         Dimension = "user"    // user_id_hash
)

// dimensions in the order of a Group, with their columns.
var dimensions = []struct {
	name   Dimension
	column string
}{
	{ByTaskClass, "task_class"}, {ByModelVersion, "model_version"}, {ByTemplate, "prompt_template_id"},
	{ByEnv, "env"}, {ByVersion, "assistant_version"}, {ByUser, "ifNull(user_id_hash, '')"},
}

// Dimensions lists the names of all dimensions.
func Dimensions() []Dimension {
	var names []Dimension
	for _, d := range dimensions {
		names = append(names, d.name)
	}
	return names
}

// MetricFilter chooses the events figures are made of; empty fields take any.
type MetricFilter struct {
	Window           Window
	TaskClass        string
	ModelVersion     string
	PromptTemplateID string
	Env              string
	By               []Dimension // none: all together
}

// Before is the window of the same length that ends where this one begins.
func (w Window) Before() Window { return Window{w.From.Add(w.From.Sub(w.To)), w.From} }

// Group is one row of a breakdown: a value for each dimension, "" also for
// what is not broken down.
type Group [6]string

// Of returns the group's value of a dimension.
func (g Group) Of(d Dimension) string {
	for i, one := range dimensions {
		if one.name == d {
			return g[i]
		}
	}
	return ""
}

// Counted is how many events of a kind there are, and in how many sessions.
type Counted struct {
	Events   int64
	Sessions int64
}

// Share of a count in a whole with its 95 % Wilson interval (statistics.md 1).
func shareEstimate(k, n int64) stats.Estimate {
	e, err := stats.Rate(int(k), int(n), 0.95)
	if err != nil { // counts of one query: k ≤ n holds
		return stats.Estimate{}
	}
	return e
}

// maxGroups is how many rows a breakdown has at most: those with most events.
const maxGroups = 200

func mayMeasure(actor auth.Actor) error {
	if actor.May(auth.RunWork) {
		return nil
	}
	return actor.Require(auth.SeeMeasures)
}

func (f MetricFilter) check() error {
	if !f.Window.From.Before(f.Window.To) {
		return fault.Say(fault.Invalid, "The window ends before it begins.")
	}
	if f.Window.To.Sub(f.Window.From) > 400*24*time.Hour {
		return fault.Say(fault.Invalid, "A window is at most 400 days long.")
	}
	for _, d := range f.By {
		if !slices.Contains(Dimensions(), d) {
			return fault.Say(fault.Invalid, "Figures are broken down by task_class, model_version, template, env, version and user.")
		}
	}
	return nil
}

// keys writes the columns of a breakdown as they lie in the table, which are
// quick to group by: "task_class AS g0, ". names lists them, and group reads
// g0 to g5 back as text, "" for what is not broken down.
func (f MetricFilter) keys() string {
	sql := ""
	for i, d := range dimensions {
		if slices.Contains(f.By, d.name) {
			sql += d.column + " AS g" + string(rune('0'+i)) + ", "
		}
	}
	return sql
}

func (f MetricFilter) names() string {
	sql := ""
	for i, d := range dimensions {
		if slices.Contains(f.By, d.name) {
			sql += "g" + string(rune('0'+i)) + ", "
		}
	}
	return sql
}

func (f MetricFilter) group() string {
	var columns []string
	for i, d := range dimensions {
		if slices.Contains(f.By, d.name) {
			columns = append(columns, "toString(g"+string(rune('0'+i))+")")
		} else {
			columns = append(columns, "''")
		}
	}
	return strings.Join(columns, ", ")
}

// where is the condition on events of the window and of the one before it,
// with its arguments.
func (f MetricFilter) where() (string, []any) {
	return f.in(Window{f.Window.Before().From, f.Window.To})
}

func (f MetricFilter) in(w Window) (string, []any) {
	sql, args := "effective_time >= ? AND effective_time < ?", []any{w.From, w.To}
	for _, c := range []struct{ column, value string }{
		{"task_class", f.TaskClass}, {"model_version", f.ModelVersion}, {"prompt_template_id", f.PromptTemplateID}, {"env", f.Env},
	} {
		if c.value != "" {
			sql, args = sql+" AND "+c.column+" = ?", append(args, unsaid(c.value))
		}
	}
	return sql, args
}

// sides are the figures of a window and of the one before it.
type sides[T any] struct{ Now, Before T }

func (s *sides[T]) of(now uint8) *T {
	if now == 1 {
		return &s.Now
	}
	return &s.Before
}

// counted counts events of several kinds by group, in the window and before
// it, and the sessions they are in: session by session first, so that each is
// looked up once however many kinds there are.
func (s *Store) counted(ctx context.Context, f MetricFilter, kinds ...Behind) (map[Group]*sides[[]Counted], error) {
	where, args := f.where()
	var inner, outer []string
	for i, kind := range kinds {
		c := fmt.Sprint("c", i)
		inner = append(inner, "countIf("+behind[kind].test+") AS "+c)
		outer = append(outer, "sum("+c+"), countIf("+c+" > 0)")
	}
	all := map[Group]*sides[[]Counted]{}
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var g Group
		var now uint8
		numbers := make([]uint64, 2*len(kinds))
		into := []any{&g[0], &g[1], &g[2], &g[3], &g[4], &g[5], &now}
		for i := range numbers {
			into = append(into, &numbers[i])
		}
		if err := scan(into...); err != nil {
			return err
		}
		if all[g] == nil {
			all[g] = &sides[[]Counted]{make([]Counted, len(kinds)), make([]Counted, len(kinds))}
		}
		for i := range kinds {
			(*all[g].of(now))[i] = Counted{int64(numbers[2*i]), int64(numbers[2*i+1])}
		}
		return nil
	}, `
		SELECT `+f.group()+`, now, `+strings.Join(outer, ", ")+`
		FROM (
			SELECT `+f.keys()+`effective_time >= ? AS now, session_hash, `+strings.Join(inner, ", ")+`
			FROM `+allFacts+`
			WHERE `+where+`
			GROUP BY `+f.names()+`now, session_hash)
		GROUP BY `+f.names()+`now
		ORDER BY now DESC, sum(c0) DESC
		LIMIT ?`, append(append([]any{f.Window.From}, args...), 4*maxGroups)...)
	return all, err
}

// measure is an expression over event_facts that gives a whole number or NULL.
type measure struct{ test, value string }

// distributions collects values of several measures by group, in the window
// and before it: how often each value occurred, one measure at a time, which
// costs less than one pass over rows that carry all of them.
func (s *Store) distributions(ctx context.Context, f MetricFilter, measures ...measure) (map[Group]*sides[[]Distribution], error) {
	all := map[Group]*sides[[]Distribution]{}
	where, args := f.where()
	for i, m := range measures {
		err := s.eachRow(ctx, func(scan func(...any) error) error {
			var g Group
			var now uint8
			var value []int64
			var count []uint64
			if err := scan(&g[0], &g[1], &g[2], &g[3], &g[4], &g[5], &now, &value, &count); err != nil {
				return err
			}
			if all[g] == nil {
				all[g] = &sides[[]Distribution]{make([]Distribution, len(measures)), make([]Distribution, len(measures))}
			}
			(*all[g].of(now))[i] = distributionOf(value, count)
			return nil
		}, `
			SELECT `+f.group()+`, now, groupArray(value), groupArray(n)
			FROM (
				SELECT `+f.keys()+`effective_time >= ? AS now, toInt64(assumeNotNull(`+m.value+`)) AS value, count() AS n
				FROM `+allFacts+`
				WHERE `+where+` AND `+m.test+` AND `+m.value+` IS NOT NULL
				GROUP BY `+f.names()+`now, value)
			GROUP BY `+f.names()+`now
			ORDER BY sum(n) DESC
			LIMIT ?`, append(append([]any{f.Window.From}, args...), 4*maxGroups)...)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// sorted orders groups: by task class, then by what is next, the empty last;
// at most maxGroups of those with something in the window.
func sorted[T any](all map[Group]T, count func(T) int64) []Group {
	var list []Group
	for g, v := range all {
		if count(v) > 0 {
			list = append(list, g)
		}
	}
	slices.SortFunc(list, func(a, b Group) int { return int(math.Copysign(1, float64(count(all[b])-count(all[a])))) })
	list = list[:min(len(list), maxGroups)]
	slices.SortFunc(list, func(a, b Group) int {
		for i := range a {
			if a[i] != b[i] {
				if (a[i] == "") != (b[i] == "") {
					return len(b[i]) - len(a[i])
				}
				return strings.Compare(a[i], b[i])
			}
		}
		return 0
	})
	return list
}

// LatencyRow is how long the responses of a group took, in milliseconds.
type LatencyRow struct {
	Group
	Responses  Counted // all of the window
	Timed      Counted // those with a possible time
	First      Counted // those with a possible time of the first token
	Malformed  Counted // those with times that cannot be
	Total      Distribution
	FirstToken Distribution
	Before     struct{ Total, FirstToken Distribution }
}

var (
	tookMeasure  = measure{behind[BehindTimed].test, tookMS}
	firstMeasure = measure{behind[BehindFirstToken].test, "ttft_ms"}
)

// LatencyRows is A4.1, A4.2 and A4.18. Responses whose times contradict each
// other are in no distribution; they are counted as malformed.
func (s *Store) LatencyRows(ctx context.Context, actor auth.Actor, f MetricFilter) ([]LatencyRow, error) {
	if err := ready(actor, f); err != nil {
		return nil, err
	}
	counts, err := s.counted(ctx, f, BehindResponses, BehindTimed, BehindFirstToken, BehindMalformed)
	if err != nil {
		return nil, err
	}
	times, err := s.distributions(ctx, f, tookMeasure, firstMeasure)
	if err != nil {
		return nil, err
	}
	var rows []LatencyRow
	for _, g := range sorted(counts, func(c *sides[[]Counted]) int64 { return c.Now[0].Events }) {
		c := counts[g].Now
		row := LatencyRow{Group: g, Responses: c[0], Timed: c[1], First: c[2], Malformed: c[3]}
		if d := times[g]; d != nil {
			row.Total, row.FirstToken = d.Now[0], d.Now[1]
			row.Before.Total, row.Before.FirstToken = d.Before[0], d.Before[1]
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// ready checks who asks and for what.
func ready(actor auth.Actor, f MetricFilter) error {
	if err := mayMeasure(actor); err != nil {
		return err
	}
	return f.check()
}

// TokenRow is what the calls of a group read and wrote, and how fast.
type TokenRow struct {
	Group
	Calls     Counted
	Streamed  Counted
	Malformed Counted
	Input     Distribution // tokens a call
	Cached    int64        // of all input, priced apart
	Output    Distribution
	Speed     Distribution // hundredths of a token a second after the first (A4.19)
	Before    struct{ Input, Output, Speed Distribution }
}

var speedMeasure = measure{behind[BehindStreamed].test, "round(100000 * (output_tokens - 1) / (" + tookMS + " - ttft_ms))"}

// TokenRows is A4.19 and A4.23. A call is a response, or a gate trace of a
// request that has none.
func (s *Store) TokenRows(ctx context.Context, actor auth.Actor, f MetricFilter) ([]TokenRow, error) {
	if err := ready(actor, f); err != nil {
		return nil, err
	}
	counts, err := s.counted(ctx, f, BehindTokens, BehindStreamed, BehindMalformed)
	if err != nil {
		return nil, err
	}
	sizes, err := s.distributions(ctx, f, measure{hasTokens, inputCount}, measure{hasTokens, "output_tokens"}, speedMeasure, measure{hasTokens, "cached_input_tokens"})
	if err != nil {
		return nil, err
	}
	var rows []TokenRow
	for _, g := range sorted(counts, func(c *sides[[]Counted]) int64 { return c.Now[0].Events }) {
		c := counts[g].Now
		row := TokenRow{Group: g, Calls: c[0], Streamed: c[1], Malformed: c[2]}
		if d := sizes[g]; d != nil {
			row.Input, row.Output, row.Speed, row.Cached = d.Now[0], d.Now[1], d.Now[2], d.Now[3].Sum()
			row.Before.Input, row.Before.Output, row.Before.Speed = d.Before[0], d.Before[1], d.Before[2]
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Load is how much the window's traffic was (A4.3).
type Load struct {
	Responses    int64
	Users        int64   // with a hash
	Sessions     int64   // with a response
	PerMinute    float64 // responses, over the whole window
	PeakMinute   int64   // responses of the busiest minute
	PeakAt       time.Time
	PeakSessions int64 // sessions with a response within the busiest five minutes
}

// Load measures throughput and concurrency (A4.3).
func (s *Store) Load(ctx context.Context, actor auth.Actor, f MetricFilter) (Load, error) {
	if err := ready(actor, f); err != nil {
		return Load{}, err
	}
	where, args := f.in(f.Window)
	var l Load
	var responses, users, sessions, peak, together uint64
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		return scan(&responses, &users, &sessions, &peak, &l.PeakAt, &together)
	}, `
		SELECT sum(n), uniqExactMerge(users), uniqExactMerge(sessions), max(n), argMax(minute, n),
		       (SELECT max(m) FROM (
		        	SELECT uniqExact(session_hash) AS m FROM `+allFacts+` WHERE `+where+` AND `+isResponse+` GROUP BY toStartOfFiveMinutes(effective_time)))
		FROM (
			SELECT toStartOfMinute(effective_time) AS minute, count() AS n, uniqExactStateIf(user_id_hash, isNotNull(user_id_hash)) AS users, uniqExactState(session_hash) AS sessions
			FROM `+allFacts+`
			WHERE `+where+` AND `+isResponse+`
			GROUP BY minute)`, append(slices.Clone(args), args...)...)
	l.Responses, l.Users, l.Sessions, l.PeakMinute, l.PeakSessions = int64(responses), int64(users), int64(sessions), int64(peak), int64(together)
	l.PerMinute = float64(responses) / f.Window.To.Sub(f.Window.From).Minutes()
	return l, err
}
