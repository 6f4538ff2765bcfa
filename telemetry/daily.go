package telemetry

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// dailyFigures are the counts of a cell of daily_totals, with how each is
// counted from deduplicated events.
var dailyFigures = []struct{ name, count string }{
	{"events", "count()"},
	{"responses", "countIf(" + isResponse + ")"},
	{"sessions", "uniqExactIf(session_hash, " + isResponse + ")"},
	{"errors", "countIf(" + behind[BehindErrors].test + ")"},
	{"timed", "countIf(" + behind[BehindTimed].test + ")"},
	{"malformed", "countIf(" + isMalformed + ")"},
	{"took_ms", "toUInt64(sumIf(ifNull(" + tookMS + ", 0), " + behind[BehindTimed].test + "))"},
	{"exposures", "countIf(" + behind[BehindExposures].test + ")"},
	{"input_tokens", "toUInt64(sumIf(greatest(ifNull(" + inputCount + ", 0), 0), " + isResponse + "))"},
	{"cached_tokens", "toUInt64(sumIf(greatest(ifNull(cached_input_tokens, 0), 0), " + isResponse + "))"},
	{"output_tokens", "toUInt64(sumIf(greatest(ifNull(output_tokens, 0), 0), " + isResponse + "))"},
}

const dailyKey = "task_class, model_version, prompt_template_id, env"

// filed is what a cell of the daily totals is filed under.
type filed struct {
	day   time.Time
	under [4]string // as dailyKey
}

func (f filed) words() string { return strings.Join(f.under[:], " / ") }

type dailyCell [11]uint64 // in the order of dailyFigures

// readDaily reads cells from a statement that gives day, key and figures.
func (s *Store) readDaily(ctx context.Context, sql string, args ...any) (map[filed]dailyCell, error) {
	cells := map[filed]dailyCell{}
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var f filed
		var c dailyCell
		into := []any{&f.day, &f.under[0], &f.under[1], &f.under[2], &f.under[3]}
		for i := range c {
			into = append(into, &c[i])
		}
		err := scan(into...)
		f.day = f.day.UTC()
		cells[f] = c
		return err
	}, sql, args...)
	return cells, err
}

// countedDaily counts days from their events, each event once.
func (s *Store) countedDaily(ctx context.Context, first, last time.Time) (map[filed]dailyCell, error) {
	var columns []string
	for _, f := range dailyFigures {
		columns = append(columns, f.count)
	}
	return s.readDaily(ctx, `
		SELECT toDate(effective_time, 'UTC') AS day, toString(task_class), toString(model_version), toString(prompt_template_id), toString(env), `+strings.Join(columns, ", ")+`
		FROM `+allFacts+`
		WHERE effective_time >= ? AND effective_time < ?
		GROUP BY day, `+dailyKey, first, last.AddDate(0, 0, 1))
}

// storedDaily reads the totals of days as they stand.
func (s *Store) storedDaily(ctx context.Context, first, last time.Time) (map[filed]dailyCell, error) {
	var columns []string
	for _, f := range dailyFigures {
		columns = append(columns, f.name)
	}
	return s.readDaily(ctx, `
		SELECT day, toString(task_class), toString(model_version), toString(prompt_template_id), toString(env), `+strings.Join(columns, ", ")+`
		FROM daily_totals FINAL
		WHERE day >= toDate(?) AND day <= toDate(?)`, first.Format(time.DateOnly), last.Format(time.DateOnly))
}

// Difference is a figure of the daily totals that was not what its events say.
type Difference struct {
	Day        time.Time
	FiledUnder string // task class / model version / template / environment
	Figure     string
	Stored     int64
	Counted    int64
}

// Compared is what a comparison of the daily totals with their events found.
type Compared struct {
	At          time.Time
	First, Last time.Time // UTC days
	Cells       int64
	Differences []Difference
}

// CountDays counts the days in which something landed in [from, to) and writes
// their totals. What arrived late thus brings its day back; counting twice
// changes nothing. It returns the days.
func (s *Store) CountDays(ctx context.Context, actor auth.Actor, from, to time.Time) ([]time.Time, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return nil, err
	}
	days, err := s.days(ctx, `
		SELECT DISTINCT toDate(effective_time, 'UTC') AS day
		FROM events
		WHERE drained_at >= ? AND drained_at < ?
		ORDER BY day`, from.Add(-landingTakes), to)
	if err != nil {
		return nil, err
	}
	whole, err := s.wholeSince(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range days {
		if d.Before(whole) {
			continue // of a day that is partly gone the totals know more
		}
		if _, err := s.settleDays(ctx, d, d); err != nil {
			return nil, fmt.Errorf("count %s: %w", d.Format(time.DateOnly), err)
		}
	}
	return days, nil
}

// CompareDays compares the totals of every day whose events are all still kept
// with those events, puts right what differs, and keeps what it was. Days of
// which events may have expired stay as they are: there the totals know more.
func (s *Store) CompareDays(ctx context.Context, actor auth.Actor) (Compared, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return Compared{}, err
	}
	var first time.Time
	err := s.eachRow(ctx, func(scan func(...any) error) error { return scan(&first) }, `
		SELECT greatest(min(effective_time), toDateTime64(max2(toUnixTimestamp(?) - 400 * 86400, 0), 3, 'UTC'))
		FROM event_facts
		WHERE NOT quarantined`, s.now())
	if err != nil {
		return Compared{}, err
	}
	whole, err := s.wholeSince(ctx)
	if err != nil {
		return Compared{}, err
	}
	if whole.After(first) {
		first = whole
	}
	c := Compared{At: s.now(), First: day(first), Last: day(s.now())}
	if c.First.After(c.Last) {
		c.First = c.Last
	}
	for d := c.First; !d.After(c.Last); d = d.AddDate(0, 0, 30) {
		end := d.AddDate(0, 0, 29)
		if end.After(c.Last) {
			end = c.Last
		}
		some, err := s.settleDays(ctx, d, end)
		if err != nil {
			return Compared{}, fmt.Errorf("compare days from %s: %w", d.Format(time.DateOnly), err)
		}
		c.Cells += some.Cells
		c.Differences = append(c.Differences, some.Differences...)
	}
	return c, s.keepComparison(ctx, c)
}

// wholeSince is the first UTC day of which no event can have expired, by the
// shortest terms there are.
func (s *Store) wholeSince(ctx context.Context) (time.Time, error) {
	var shortest *int
	if err := s.DB.QueryRow(ctx, `SELECT min(row_days) FROM ingest_terms WHERE NOT legal_hold`).Scan(&shortest); err != nil {
		return time.Time{}, fmt.Errorf("days that are whole: %w", err)
	}
	if shortest == nil {
		return time.Time{}, nil
	}
	return day(s.now().AddDate(0, 0, 2-*shortest)), nil
}

// settleDays makes the totals of days what their events say and returns what
// differed.
func (s *Store) settleDays(ctx context.Context, first, last time.Time) (Compared, error) {
	counted, err := s.countedDaily(ctx, first, last)
	if err != nil {
		return Compared{}, err
	}
	stored, err := s.storedDaily(ctx, first, last)
	if err != nil {
		return Compared{}, err
	}
	c := Compared{First: first, Last: last}
	wrong := map[filed]dailyCell{}
	for f, cell := range counted {
		c.Cells++
		if stored[f] != cell {
			wrong[f] = cell
		}
	}
	for f, cell := range stored {
		if _, still := counted[f]; !still && cell != (dailyCell{}) {
			c.Cells++
			wrong[f] = dailyCell{}
		}
	}
	for f, cell := range wrong {
		for i, figure := range dailyFigures {
			if was := stored[f][i]; was != cell[i] {
				c.Differences = append(c.Differences, Difference{f.day, f.words(), figure.name, int64(was), int64(cell[i])})
			}
		}
	}
	slices.SortFunc(c.Differences, func(a, b Difference) int {
		if d := a.Day.Compare(b.Day); d != 0 {
			return d
		}
		return strings.Compare(a.FiledUnder+a.Figure, b.FiledUnder+b.Figure)
	})
	return c, s.writeDaily(ctx, wrong)
}

func (s *Store) writeDaily(ctx context.Context, cells map[filed]dailyCell) error {
	if len(cells) == 0 {
		return nil
	}
	names := "day, " + dailyKey
	for _, f := range dailyFigures {
		names += ", " + f.name
	}
	// A block of many months is written as one.
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_partitions_per_insert_block": 0}))
	batch, err := s.Clickhouse.PrepareBatch(ctx, "INSERT INTO daily_totals ("+names+", counted_at)")
	if err != nil {
		return unreadable(err)
	}
	defer batch.Close()
	at := time.Now().UTC() // two countings in one moment of a test's clock are two
	for f, cell := range cells {
		row := []any{f.day, f.under[0], f.under[1], f.under[2], f.under[3]}
		for _, n := range cell {
			row = append(row, n)
		}
		if err := batch.Append(append(row, at)...); err != nil {
			return err
		}
	}
	return unreadable(batch.Send())
}

// keptDifferences is how many differences of one comparison are kept; the rest
// is a number.
const keptDifferences = 1000

func (s *Store) keepComparison(ctx context.Context, c Compared) error {
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `
			INSERT INTO daily_comparisons (compared_at, first_day, last_day, cells, differed)
			VALUES ($1, $2, $3, $4, $5)
			RETURNING id`, c.At, c.First, c.Last, c.Cells, len(c.Differences)).Scan(&id)
		if err != nil {
			return fmt.Errorf("keep comparison: %w", err)
		}
		some := c.Differences[:min(len(c.Differences), keptDifferences)]
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"daily_differences"}, []string{"comparison_id", "day", "filed_under", "figure", "stored", "counted"},
			pgx.CopyFromSlice(len(some), func(i int) ([]any, error) {
				d := some[i]
				return []any{id, d.Day, d.FiledUnder, d.Figure, d.Stored, d.Counted}, nil
			}))
		return err
	})
}

// LastComparison returns what the last comparison of the daily totals found,
// false when there was none. differed is how many figures differed in all.
func (s *Store) LastComparison(ctx context.Context, actor auth.Actor) (c Compared, differed int64, ok bool, err error) {
	if err := mayMeasure(actor); err != nil {
		return c, 0, false, err
	}
	var id int64
	rows, _ := s.DB.Query(ctx, `
		SELECT id, compared_at, first_day, last_day, cells, differed
		FROM daily_comparisons
		ORDER BY id DESC
		LIMIT 1`)
	_, err = pgx.ForEachRow(rows, []any{&id, &c.At, &c.First, &c.Last, &c.Cells, &differed}, func() error { return nil })
	if err != nil || id == 0 {
		return c, 0, false, err
	}
	rows, _ = s.DB.Query(ctx, `
		SELECT day, filed_under, figure, stored, counted
		FROM daily_differences
		WHERE comparison_id = $1
		ORDER BY day, filed_under, figure
		LIMIT 100`, id)
	c.Differences, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Difference])
	return c, differed, true, err
}

// DayTotal is what one UTC day held, as the daily totals keep it.
type DayTotal struct {
	Day          time.Time `json:"day"`
	Events       int64     `json:"events"`
	Responses    int64     `json:"responses"`
	Errors       int64     `json:"errors"`
	Timed        int64     `json:"timed"`
	Malformed    int64     `json:"malformed_timing"`
	MeanMS       float64   `json:"mean_ms"` // of the timed
	Exposures    int64     `json:"exposures"`
	InputTokens  int64     `json:"input_tokens"`
	CachedTokens int64     `json:"cached_input_tokens"`
	OutputTokens int64     `json:"output_tokens"`
}

// DayTotals reads the daily totals of a window, oldest first: also of days
// whose events have expired. A day counts whole.
func (s *Store) DayTotals(ctx context.Context, actor auth.Actor, f MetricFilter) ([]DayTotal, error) {
	if err := mayMeasure(actor); err != nil {
		return nil, err
	}
	if !f.Window.From.Before(f.Window.To) {
		return nil, fault.Say(fault.Invalid, "The window ends before it begins.")
	}
	var list []DayTotal
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var d DayTotal
		var n [10]uint64
		err := scan(&d.Day, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7], &n[8], &n[9])
		d.Day = d.Day.UTC()
		d.Events, d.Responses, d.Errors, d.Timed, d.Malformed = int64(n[0]), int64(n[1]), int64(n[2]), int64(n[3]), int64(n[4])
		if n[3] > 0 {
			d.MeanMS = float64(n[5]) / float64(n[3])
		}
		d.Exposures, d.InputTokens, d.CachedTokens, d.OutputTokens = int64(n[6]), int64(n[7]), int64(n[8]), int64(n[9])
		list = append(list, d)
		return err
	}, `
		SELECT day, sum(events), sum(responses), sum(errors), sum(timed), sum(malformed), sum(took_ms), sum(exposures), sum(input_tokens), sum(cached_tokens), sum(output_tokens)
		FROM daily_totals FINAL
		WHERE day >= toDate(?) AND day <= toDate(?)
		  AND (? = '' OR task_class = ?) AND (? = '' OR model_version = ?) AND (? = '' OR prompt_template_id = ?) AND (? = '' OR env = ?)
		GROUP BY day
		HAVING sum(events) > 0
		ORDER BY day
		LIMIT 2000`, f.Window.From.Format(time.DateOnly), f.Window.To.Add(-time.Millisecond).Format(time.DateOnly),
		f.TaskClass, unsaid(f.TaskClass), f.ModelVersion, unsaid(f.ModelVersion), f.PromptTemplateID, unsaid(f.PromptTemplateID), f.Env, unsaid(f.Env))
	return list, err
}
