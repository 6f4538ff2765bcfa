package labeling

import (
	"context"
	"fmt"
	"math"
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

	Responses  int64 // N, counted by the telemetry store on all events
	Readable   int64 // of them, responses that may be read
	Considered int64 // have their sampling decision; fewer than Responses while flagging is behind

	// Inside the sample: readable, u below the threshold of stratum and day.
	Sampled int64 // = Labels.All() + Skipped + Pending
	Labels  Tally // first readings
	Skipped int64 // passed over or removed: nonresponse
	Pending int64 // reserved, or waiting again, right now

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
	rows, _ := s.DB.Query(ctx, sampleQuery, f.From.UTC(), f.To.UTC(), f.TaskClass, frames.queues, frames.classes, frames.days, frames.taus)
	counted, err := pgx.CollectRows(rows, pgx.RowToStructByName[sampleRow])
	if err != nil {
		return nil, fmt.Errorf("sample %s to %s: %w", f.From.Format(time.RFC3339), f.To.Format(time.RFC3339), err)
	}
	return cells(counted, f), nil
}

// frameThresholds are the thresholds of the strata and days of a window, as
// the parallel arrays that a query takes.
type frameThresholds struct {
	queues  []int64
	classes []string
	days    []time.Time
	taus    []float64
}

// thresholds finds tau of each stratum and day: the smallest u of what nobody
// has touched, whether it waits in the queue or was left out of it by a cap.
func (s *Store) thresholds(ctx context.Context, f SampleFilter) (frameThresholds, error) {
	var t frameThresholds
	rows, _ := s.DB.Query(ctx, `
		WITH waiting AS (
			SELECT i.queue_id, i.priority_class, i.frame_day, i.u
			FROM items i
			WHERE i.frame_day BETWEEN $1 AND $2
			  AND i.design = 'bottom_k' AND i.taken = 0 AND i.passed_over = 0 AND i.removed_at IS NULL
			UNION ALL
			SELECT d.queue_id, d.priority_class, d.frame_day, d.u
			FROM sampling_decisions d
			WHERE d.frame_day BETWEEN $1 AND $2
			  AND d.readable AND NOT d.selected AND d.reason = 'cap'
			  AND NOT EXISTS (SELECT FROM sampling_decisions later WHERE later.supersedes = d.id)
		)
		SELECT w.queue_id, w.priority_class, w.frame_day, min(w.u)
		FROM waiting w JOIN queues q ON q.id = w.queue_id
		WHERE q.kind = 'standard' AND ($3 = '' OR q.task_class = $3)
		GROUP BY 1, 2, 3`, frameDay(f.From), frameDay(f.To.Add(-time.Nanosecond)), f.TaskClass)
	var queue int64
	var class string
	var day time.Time
	var tau float64
	_, err := pgx.ForEachRow(rows, []any{&queue, &class, &day, &tau}, func() error {
		t.queues = append(t.queues, queue)
		t.classes = append(t.classes, class)
		t.days = append(t.days, day)
		t.taus = append(t.taus, tau)
		return nil
	})
	if err != nil {
		return t, fmt.Errorf("thresholds: %w", err)
	}
	return t, nil
}

// sampleRow is one cell as counted: of the items, of the decisions, of the
// store's totals. The window may cut the first and the last day.
type sampleRow struct {
	TaskClass     string
	PriorityClass PriorityClass
	Design        string
	Day           time.Time
	ModelVersion  string

	Total         *int64 // responses of the whole day by the telemetry store; nil while not counted
	TotalReadable *int64
	Considered    int64 // decisions in the window
	ConsideredDay int64 // decisions of the whole day
	Readable      int64 // readable decisions in the window
	ReadableDay   int64
	CensusDay     int64 // census decisions of the whole day in the same stratum and domain

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
		SELECT * FROM unnest($4::bigint[], $5::text[], $6::date[], $7::float8[]) AS t (queue_id, priority_class, frame_day, tau)
	), decided AS (
		SELECT d.queue_id, d.task_class, d.priority_class, d.design, d.frame_day, d.model_version,
		       count(*) FILTER (WHERE d.event_time >= $1 AND d.event_time < $2) AS considered,
		       count(*) AS considered_day,
		       count(*) FILTER (WHERE d.readable AND d.event_time >= $1 AND d.event_time < $2) AS readable,
		       count(*) FILTER (WHERE d.readable) AS readable_day
		FROM sampling_decisions d
		JOIN queues q ON q.id = d.queue_id
		WHERE d.frame_day BETWEEN ($1 AT TIME ZONE 'UTC')::date AND (($2 - interval '1 microsecond') AT TIME ZONE 'UTC')::date
		  AND q.kind = 'standard' AND ($3 = '' OR d.task_class = $3)
		  AND NOT EXISTS (SELECT FROM sampling_decisions later WHERE later.supersedes = d.id)
		GROUP BY 1, 2, 3, 4, 5, 6
	), worked AS (
		SELECT i.queue_id, i.task_class, i.priority_class, i.design, i.frame_day, i.model_version,
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
		LEFT JOIN taus t ON t.queue_id = i.queue_id AND t.priority_class = i.priority_class AND t.frame_day = i.frame_day
		WHERE i.frame_day BETWEEN ($1 AT TIME ZONE 'UTC')::date AND (($2 - interval '1 microsecond') AT TIME ZONE 'UTC')::date
		  AND q.kind = 'standard' AND i.design <> 'discovery' AND ($3 = '' OR i.task_class = $3)
	), counted AS (
		SELECT queue_id, task_class, priority_class, design, frame_day, model_version, tau,
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
	), totals AS (
		SELECT frame_day, task_class, priority_class, model_version, responses, readable
		FROM frame_totals
		WHERE frame_day BETWEEN ($1 AT TIME ZONE 'UTC')::date AND (($2 - interval '1 microsecond') AT TIME ZONE 'UTC')::date
		  AND ($3 = '' OR task_class = $3)
	), bounded AS (
		SELECT task_class, priority_class, 'bottom_k' AS design, frame_day, model_version FROM totals
		UNION
		SELECT task_class, priority_class, design, frame_day, model_version FROM decided
		UNION
		SELECT task_class, priority_class, design, frame_day, model_version FROM counted
	)
	SELECT b.task_class, b.priority_class, b.design, b.frame_day AS day, b.model_version,
	       t.responses AS total, t.readable AS total_readable,
	       coalesce(d.considered, 0) AS considered, coalesce(d.considered_day, 0) AS considered_day,
	       coalesce(d.readable, 0) AS readable, coalesce(d.readable_day, 0) AS readable_day,
	       coalesce((SELECT census.considered_day FROM decided census
	                 WHERE census.design = 'census' AND census.task_class = b.task_class AND census.priority_class = b.priority_class
	                   AND census.frame_day = b.frame_day AND census.model_version = b.model_version), 0) AS census_day,
	       coalesce(c.sampled, 0) AS sampled, coalesce(c.sampled_day, 0) AS sampled_day,
	       coalesce(c.correct, 0) AS correct, coalesce(c.partially_correct, 0) AS partially_correct,
	       coalesce(c.hallucinated, 0) AS hallucinated, coalesce(c.cannot_tell, 0) AS cannot_tell,
	       coalesce(c.skipped, 0) AS skipped, coalesce(c.pending, 0) AS pending,
	       coalesce(c.surplus, 0) AS surplus, coalesce(c.waiting, 0) AS waiting,
	       coalesce(c.raw_correct, 0) AS raw_correct, coalesce(c.raw_partial, 0) AS raw_partial,
	       coalesce(c.raw_hallucinated, 0) AS raw_hallucinated, coalesce(c.raw_cannot_tell, 0) AS raw_cannot_tell,
	       coalesce(c.split, 0) AS split,
	       coalesce(c.tau, (SELECT min(x.tau) FROM counted x
	                        WHERE x.task_class = b.task_class AND x.priority_class = b.priority_class
	                          AND x.frame_day = b.frame_day AND x.design = b.design), 0) AS tau,
	       c.last_label_at
	FROM bounded b
	LEFT JOIN totals t ON b.design = 'bottom_k' AND t.task_class = b.task_class AND t.priority_class = b.priority_class
	                  AND t.frame_day = b.frame_day AND t.model_version = b.model_version
	LEFT JOIN decided d ON d.task_class = b.task_class AND d.priority_class = b.priority_class AND d.design = b.design
	                   AND d.frame_day = b.frame_day AND d.model_version = b.model_version
	LEFT JOIN counted c ON c.task_class = b.task_class AND c.priority_class = b.priority_class AND c.design = b.design
	                   AND c.frame_day = b.frame_day AND c.model_version = b.model_version
	ORDER BY b.task_class, b.frame_day, b.priority_class, b.design, b.model_version`

// stratumDay is where one threshold and one probability hold.
type stratumDay struct {
	taskClass string
	class     PriorityClass
	design    string
	day       time.Time
}

func (r sampleRow) stratum() stratumDay {
	return stratumDay{r.TaskClass, r.PriorityClass, r.Design, r.Day}
}

// total is the cell's population over the whole day. The census responses of
// the same domain have a cell of their own and are taken off; what was decided
// since the store last counted is believed.
func (r sampleRow) total() (responses, readable int64) {
	if r.Design == "census" || r.Total == nil {
		return r.ConsideredDay, r.ReadableDay
	}
	responses = max(*r.Total-r.CensusDay, r.ConsideredDay)
	readable = max(*r.TotalReadable-r.CensusDay, r.ReadableDay)
	return responses, min(readable, responses)
}

// cells turns counted rows into cells: totals cut to the window, and the
// probability of each stratum and day.
func cells(rows []sampleRow, f SampleFilter) []SampleCell {
	readable := map[stratumDay]int64{}
	sampled := map[stratumDay]int64{}
	for _, r := range rows {
		_, n := r.total()
		readable[r.stratum()] += n
		sampled[r.stratum()] += r.SampledDay
	}
	list := make([]SampleCell, 0, len(rows))
	for _, r := range rows {
		cell := r.cell(f)
		if n := readable[r.stratum()]; n > 0 {
			cell.Pi = math.Min(1, float64(sampled[r.stratum()])/float64(n))
		}
		if cell.Responses > 0 || cell.Raw.All() > 0 || cell.Sampled > 0 {
			list = append(list, cell)
		}
	}
	return list
}

func (r sampleRow) cell(f SampleFilter) SampleCell {
	responses, readable := r.total()
	if r.Day.Before(f.From) || r.Day.Add(24*time.Hour).After(f.To) { // the window cuts this day
		responses = proportion(responses, r.Considered, r.ConsideredDay)
		readable = proportion(readable, r.Readable, r.ReadableDay)
	}
	cell := SampleCell{
		TaskClass: r.TaskClass, PriorityClass: r.PriorityClass, Design: r.Design, Day: r.Day, ModelVersion: r.ModelVersion,
		Responses: responses, Readable: min(readable, responses), Considered: r.Considered,
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

// proportion returns whole·part/of, rounded to whole responses.
func proportion(whole, part, of int64) int64 {
	if of == 0 {
		return 0
	}
	return int64(math.Round(float64(whole) * float64(part) / float64(of)))
}
