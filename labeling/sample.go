package labeling

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
)

// Tally counts labels by what they say.
type Tally struct {
	Correct          int64
	PartiallyCorrect int64
	Hallucinated     int64
	CannotTell       int64
}

// Counted is the denominator of a rate: the labels without cannot_tell.
func (t Tally) Counted() int64 { return t.Correct + t.PartiallyCorrect + t.Hallucinated }

// All counts every label.
func (t Tally) All() int64 { return t.Counted() + t.CannotTell }

// Plus adds two tallies.
func (t Tally) Plus(o Tally) Tally {
	return Tally{t.Correct + o.Correct, t.PartiallyCorrect + o.PartiallyCorrect, t.Hallucinated + o.Hallucinated, t.CannotTell + o.CannotTell}
}

// SampleFilter selects a window of event time, half-open, and a task class
// ("" is all). A window that cuts a UTC day takes that day as a domain: its
// total is the day's in proportion to the decisions inside the window.
type SampleFilter struct {
	From, To  time.Time
	TaskClass string
}

// SampleCell is what is known of one stratum on one day for one model version:
// everything a rate needs, and nothing that a priority order has bent.
type SampleCell struct {
	TaskClass     string
	PriorityClass PriorityClass
	Design        string // bottom_k, or census for imported labels
	Day           time.Time
	ModelVersion  string
	Keep          float64 // probability with which such a text is kept; part of the stratum
	Part          string  // the rule that took it, "" for the rest; part of the stratum

	Responses  int64 // N, counted by the telemetry store on all events
	Readable   int64 // of them, those whose consent lets people read: what the sample stands for
	Considered int64 // have their sampling decision; fewer than Responses while flagging is behind

	// Inside the sample: readable, u below the threshold of stratum and day.
	Sampled int64            // = Labels.All() + Skipped + Pending
	Labels  Tally            // first readings
	Second  []SecondReadings // of those of Labels that the design had read again
	Skipped int64            // passed over or removed: nonresponse
	Pending int64            // reserved, or waiting again, right now

	Surplus int64 // labeled with u at or above the threshold: unused for an estimate
	Waiting int64 // never touched
	Raw     Tally // consensus of every labeled item, inside the sample or not
	Split   int64 // of Raw: labelers differ and no reviewer has decided

	Tau         float64 // threshold of stratum and day
	Pi          float64 // share of the stratum's readable responses of that day below Tau
	LastLabelAt time.Time
}

// Sample returns the cells of a window. Estimates use Labels weighted by
// Readable/Sampled of their stratum and day; Raw is the share of labeled items
// that were bad, which is not a rate of the traffic.
func (s *Store) Sample(ctx context.Context, actor auth.Actor, f SampleFilter) ([]SampleCell, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	if !f.From.Before(f.To) {
		return nil, fault.Say(fault.Invalid, "A window begins before it ends.")
	}
	frames, err := s.thresholds(ctx, f)
	if err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, sampleQuery, f.From.UTC(), f.To.UTC(), f.TaskClass, frames.queues, frames.classes, frames.days, frames.taus, frames.parts)
	counted, err := pgx.CollectRows(rows, pgx.RowToStructByName[sampleRow])
	if err != nil {
		return nil, fmt.Errorf("sample %s to %s: %w", f.From.Format(time.RFC3339), f.To.Format(time.RFC3339), err)
	}
	totals, err := s.totals(ctx, f)
	if err != nil {
		return nil, err
	}
	second, err := s.seconds(ctx, f, frames)
	if err != nil {
		return nil, err
	}
	list := cells(counted, totals, f)
	for i := range list {
		list[i].Second = second[list[i].key()]
	}
	return list, nil
}

// frameThresholds are the thresholds of the strata and days of a window, as
// the parallel arrays that a query takes.
type frameThresholds struct {
	queues  []int64
	classes []string
	parts   []string
	days    []time.Time
	taus    []float64
}

// thresholds finds tau of each stratum and day: the smallest u of what nobody
// has touched, whether it waits in the queue or was left out of it by a cap.
func (s *Store) thresholds(ctx context.Context, f SampleFilter) (frameThresholds, error) {
	var t frameThresholds
	rows, _ := s.DB.Query(ctx, `
		WITH waiting AS (
			SELECT i.queue_id, i.priority_class, i.part, i.frame_day, i.u
			FROM items i
			WHERE i.frame_day BETWEEN $1 AND $2
			  AND i.design = 'bottom_k' AND i.taken = 0 AND i.passed_over = 0 AND i.removed_at IS NULL
			UNION ALL
			SELECT d.queue_id, d.priority_class, d.part, d.frame_day, d.u
			FROM sampling_decisions d
			WHERE d.frame_day BETWEEN $1 AND $2
			  AND d.readable AND NOT d.selected AND d.reason = 'cap'
			  AND NOT EXISTS (SELECT FROM sampling_decisions later WHERE later.supersedes = d.id)
		)
		SELECT w.queue_id, w.priority_class, w.part, w.frame_day, min(w.u)
		FROM waiting w JOIN queues q ON q.id = w.queue_id
		WHERE q.kind = 'standard' AND ($3 = '' OR q.task_class = $3)
		GROUP BY 1, 2, 3, 4`, frameDay(f.From), frameDay(f.To.Add(-time.Nanosecond)), f.TaskClass)
	var queue int64
	var class, part string
	var day time.Time
	var tau float64
	_, err := pgx.ForEachRow(rows, []any{&queue, &class, &part, &day, &tau}, func() error {
		t.queues = append(t.queues, queue)
		t.classes = append(t.classes, class)
		t.parts = append(t.parts, part)
		t.days = append(t.days, day)
		t.taus = append(t.taus, tau)
		return nil
	})
	if err != nil {
		return t, fmt.Errorf("thresholds: %w", err)
	}
	return t, nil
}

// domain is a stratum on a day for one model version: what the telemetry store
// counts by.
type domain struct {
	TaskClass     string
	PriorityClass PriorityClass
	Day           time.Time
	ModelVersion  string
}

// total is the telemetry store's count of a domain.
type total struct {
	domain
	Responses int64
	Readable  int64 // of them, with text that was kept
}

func (s *Store) totals(ctx context.Context, f SampleFilter) (map[domain]total, error) {
	rows, _ := s.DB.Query(ctx, `
		SELECT task_class, priority_class, frame_day, model_version, responses, readable
		FROM frame_totals
		WHERE frame_day BETWEEN $1 AND $2 AND ($3 = '' OR task_class = $3)`,
		frameDay(f.From), frameDay(f.To.Add(-time.Nanosecond)), f.TaskClass)
	list := map[domain]total{}
	var t total
	_, err := pgx.ForEachRow(rows, []any{&t.TaskClass, &t.PriorityClass, &t.Day, &t.ModelVersion, &t.Responses, &t.Readable}, func() error {
		list[t.domain] = t
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("totals of frames: %w", err)
	}
	return list, nil
}

// sampleRow is one cell as counted of the decisions and the items. The window
// may cut the first and the last day; columns with day count the whole of it.
type sampleRow struct {
	TaskClass     string
	PriorityClass PriorityClass
	Design        string
	Day           time.Time
	ModelVersion  string
	Keep          float64
	Part          string

	Considered    int64
	ConsideredDay int64
	Covered       int64 // decisions whose consent lets people read
	CoveredDay    int64

	Sampled          int64
	SampledDay       int64
	Correct          int64
	PartiallyCorrect int64
	Hallucinated     int64
	CannotTell       int64
	Skipped          int64
	Pending          int64
	Surplus          int64
	Waiting          int64
	RawCorrect       int64
	RawPartial       int64
	RawHallucinated  int64
	RawCannotTell    int64
	Split            int64
	Tau              float64
	LastLabelAt      *time.Time
}

const sampleQuery = `
	WITH taus AS (
		SELECT * FROM unnest($4::bigint[], $5::text[], $6::date[], $7::float8[], $8::text[]) AS t (queue_id, priority_class, frame_day, tau, part)
	), decided AS (
		SELECT d.task_class, d.priority_class, d.design, d.frame_day, d.model_version, d.keep, d.part,
		       count(*) FILTER (WHERE d.event_time >= $1 AND d.event_time < $2) AS considered,
		       count(*) AS considered_day,
		       count(*) FILTER (WHERE (d.readable OR d.reason = 'not_kept') AND d.event_time >= $1 AND d.event_time < $2) AS covered,
		       count(*) FILTER (WHERE d.readable OR d.reason = 'not_kept') AS covered_day
		FROM sampling_decisions d
		JOIN queues q ON q.id = d.queue_id
		WHERE d.frame_day BETWEEN ($1 AT TIME ZONE 'UTC')::date AND (($2 - interval '1 microsecond') AT TIME ZONE 'UTC')::date
		  AND q.kind = 'standard' AND ($3 = '' OR d.task_class = $3)
		  AND NOT EXISTS (SELECT FROM sampling_decisions later WHERE later.supersedes = d.id)
		GROUP BY 1, 2, 3, 4, 5, 6, 7
	), worked AS (
		SELECT i.task_class, i.priority_class, i.design, i.frame_day, i.model_version, i.keep, i.part,
		       coalesce(t.tau, 1) AS tau,
		       i.event_time >= $1 AND i.event_time < $2 AS inside,
		       i.design = 'census' OR i.u < coalesce(t.tau, 1) AS sampled,
		       c.first_reading, c.label, c.method,
		       i.labeled > 0 AS labeled,
		       i.passed_over > 0 OR i.removed_at IS NOT NULL AS passed,
		       i.taken = 0 AND i.passed_over = 0 AND i.removed_at IS NULL AS untouched,
		       c.decided_at
		FROM items i
		JOIN queues q ON q.id = i.queue_id
		LEFT JOIN consensus c ON c.item_id = i.id
		LEFT JOIN taus t ON t.queue_id = i.queue_id AND t.priority_class = i.priority_class AND t.frame_day = i.frame_day AND t.part = i.part
		WHERE i.frame_day BETWEEN ($1 AT TIME ZONE 'UTC')::date AND (($2 - interval '1 microsecond') AT TIME ZONE 'UTC')::date
		  AND q.kind = 'standard' AND i.design <> 'discovery' AND ($3 = '' OR i.task_class = $3)
	), counted AS (
		SELECT task_class, priority_class, design, frame_day, model_version, keep, part,
		       min(tau) AS tau,
		       count(*) FILTER (WHERE inside AND sampled) AS sampled,
		       count(*) FILTER (WHERE sampled) AS sampled_day,
		       count(*) FILTER (WHERE inside AND sampled AND labeled AND first_reading = 'correct') AS correct,
		       count(*) FILTER (WHERE inside AND sampled AND labeled AND first_reading = 'partially_correct') AS partially_correct,
		       count(*) FILTER (WHERE inside AND sampled AND labeled AND first_reading = 'hallucinated') AS hallucinated,
		       count(*) FILTER (WHERE inside AND sampled AND labeled AND first_reading = 'cannot_tell') AS cannot_tell,
		       count(*) FILTER (WHERE inside AND sampled AND NOT labeled AND passed) AS skipped,
		       count(*) FILTER (WHERE inside AND sampled AND NOT labeled AND NOT passed) AS pending,
		       count(*) FILTER (WHERE inside AND NOT sampled AND labeled) AS surplus,
		       count(*) FILTER (WHERE inside AND untouched) AS waiting,
		       count(*) FILTER (WHERE inside AND label = 'correct') AS raw_correct,
		       count(*) FILTER (WHERE inside AND label = 'partially_correct') AS raw_partial,
		       count(*) FILTER (WHERE inside AND label = 'hallucinated') AS raw_hallucinated,
		       count(*) FILTER (WHERE inside AND label = 'cannot_tell') AS raw_cannot_tell,
		       count(*) FILTER (WHERE inside AND method = 'split') AS split,
		       max(decided_at) FILTER (WHERE inside AND label IS NOT NULL) AS last_label_at
		FROM worked
		GROUP BY 1, 2, 3, 4, 5, 6, 7
	)
	SELECT task_class, priority_class, design, frame_day AS day, model_version, keep, part,
	       coalesce(considered, 0) AS considered, coalesce(considered_day, 0) AS considered_day,
	       coalesce(covered, 0) AS covered, coalesce(covered_day, 0) AS covered_day,
	       coalesce(sampled, 0) AS sampled, coalesce(sampled_day, 0) AS sampled_day,
	       coalesce(correct, 0) AS correct, coalesce(partially_correct, 0) AS partially_correct,
	       coalesce(hallucinated, 0) AS hallucinated, coalesce(cannot_tell, 0) AS cannot_tell,
	       coalesce(skipped, 0) AS skipped, coalesce(pending, 0) AS pending,
	       coalesce(surplus, 0) AS surplus, coalesce(waiting, 0) AS waiting,
	       coalesce(raw_correct, 0) AS raw_correct, coalesce(raw_partial, 0) AS raw_partial,
	       coalesce(raw_hallucinated, 0) AS raw_hallucinated, coalesce(raw_cannot_tell, 0) AS raw_cannot_tell,
	       coalesce(split, 0) AS split, coalesce(tau, 0) AS tau, last_label_at
	FROM decided FULL JOIN counted USING (task_class, priority_class, design, frame_day, model_version, keep, part)
	ORDER BY task_class, frame_day, priority_class, design, model_version, keep, part`

func (r sampleRow) domain() domain {
	return domain{r.TaskClass, r.PriorityClass, r.Day, r.ModelVersion}
}

// stratumDay is where one threshold and one probability hold.
type stratumDay struct {
	taskClass string
	class     PriorityClass
	design    string
	day       time.Time
	keep      float64
	part      string
}

func (c SampleCell) stratum() stratumDay {
	return stratumDay{c.TaskClass, c.PriorityClass, c.Design, c.Day, c.Keep, c.Part}
}

// cells turns counted rows into cells: the telemetry store's totals are spread
// over the rows of their domain, cut to the window, and each stratum and day
// gets its probability.
func cells(rows []sampleRow, totals map[domain]total, f SampleFilter) []SampleCell {
	decided, census := map[domain]int64{}, map[domain]int64{}
	for _, r := range rows {
		if r.Design == "census" {
			census[r.domain()] += r.ConsideredDay
		} else {
			decided[r.domain()] += r.ConsideredDay
		}
	}
	var list []SampleCell
	whole := map[stratumDay]float64{}
	sampled := map[stratumDay]int64{}
	for _, r := range rows {
		// What was decided since the store last counted is believed; the census
		// responses of a domain have a cell of their own and are taken off.
		scale := 1.0
		if t, ok := totals[r.domain()]; ok && r.Design != "census" && decided[r.domain()] > 0 {
			scale = math.Max(1, float64(t.Responses-census[r.domain()])/float64(decided[r.domain()]))
		}
		cell := r.cell(scale)
		whole[cell.stratum()] += scale * float64(r.CoveredDay)
		sampled[cell.stratum()] += r.SampledDay
		list = append(list, cell)
	}
	for i := range list {
		if n := whole[list[i].stratum()]; n > 0 {
			list[i].Pi = math.Min(1, float64(sampled[list[i].stratum()])/n)
		}
	}
	return append(shown(list), unconsidered(totals, decided, census, f)...)
}

// shown leaves out the cells of a cut day that lie outside the window.
func shown(list []SampleCell) []SampleCell {
	var inside []SampleCell
	for _, cell := range list {
		if cell.Responses > 0 || cell.Sampled > 0 || cell.Raw.All() > 0 || cell.Waiting > 0 {
			inside = append(inside, cell)
		}
	}
	return inside
}

// unconsidered are the domains that the telemetry store counts and of which no
// response has its decision yet. A cut day is left to the decisions to come.
func unconsidered(totals map[domain]total, decided, census map[domain]int64, f SampleFilter) []SampleCell {
	var list []SampleCell
	for d, t := range totals {
		left := t.Responses - census[d]
		if decided[d] > 0 || left <= 0 || d.Day.Before(f.From) || d.Day.Add(24*time.Hour).After(f.To) {
			continue
		}
		list = append(list, SampleCell{
			TaskClass: d.TaskClass, PriorityClass: d.PriorityClass, Design: "bottom_k", Day: d.Day, ModelVersion: d.ModelVersion, Keep: 1,
			Responses: left, Readable: min(left, t.Readable),
		})
	}
	slices.SortFunc(list, func(a, b SampleCell) int {
		return cmp.Or(cmp.Compare(a.TaskClass, b.TaskClass), a.Day.Compare(b.Day), cmp.Compare(a.PriorityClass.Rank(), b.PriorityClass.Rank()), cmp.Compare(a.ModelVersion, b.ModelVersion))
	})
	return list
}

func (r sampleRow) cell(scale float64) SampleCell {
	responses := int64(math.Round(scale * float64(r.Considered)))
	cell := SampleCell{
		TaskClass: r.TaskClass, PriorityClass: r.PriorityClass, Design: r.Design, Day: r.Day, ModelVersion: r.ModelVersion, Keep: r.Keep, Part: r.Part,
		Responses: responses, Readable: min(responses, int64(math.Round(scale*float64(r.Covered)))), Considered: r.Considered,
		Sampled: r.Sampled,
		Labels:  Tally{r.Correct, r.PartiallyCorrect, r.Hallucinated, r.CannotTell},
		Skipped: r.Skipped, Pending: r.Pending, Surplus: r.Surplus, Waiting: r.Waiting,
		Raw:   Tally{r.RawCorrect, r.RawPartial, r.RawHallucinated, r.RawCannotTell},
		Split: r.Split, Tau: r.Tau,
	}
	if r.LastLabelAt != nil {
		cell.LastLabelAt = *r.LastLabelAt
	}
	return cell
}
