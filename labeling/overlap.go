package labeling

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Overlap is whether the design has an item read a second time, and with what
// probability that was so once its first label was known.
type Overlap struct {
	Probability float64
	Due         bool
}

// reading is what decides about a second reading: what is known of the item,
// its queue and its first labeler when the first label is given.
type reading struct {
	Sampled           bool    // of a standard queue, drawn by its u
	Wanted            int     // labels the queue wants of every item
	HallucinatedAgain bool    // the queue has every "hallucinated" read again
	Share             float64 // of all items, drawn before anybody read them
	Drawn             bool    // this item is one of them
	Doubted           bool    // its first labeler is on probation: all they label is read again
}

// overlapOf decides about the second reading of an item whose first labeler
// says this. A label that brings a gate down is never left to one person;
// others are read again by the draw alone. Imports have no second phase.
func overlapOf(first string, r reading) (Overlap, bool) {
	switch {
	case first == "" || !r.Sampled:
		return Overlap{}, false
	case first == "hallucinated" && r.HallucinatedAgain, r.Wanted > 1, r.Doubted:
		return Overlap{Probability: 1, Due: true}, true
	}
	return Overlap{Probability: r.Share, Due: r.Drawn && r.Share > 0}, true
}

// readingColumns are a reading of items i of queues q, but for who is first.
const readingColumns = `q.kind = 'standard' AND i.design = 'bottom_k' AS sampled, q.labels_wanted AS wanted, q.hallucinated_again,
		       i.overlap AS share, i.second_drawn AS drawn`

// votes counts the standing readings by label, in the order of Labels.
func votes(readings []Reading) []int16 {
	counts := make([]int16, len(Labels))
	for _, r := range readings {
		for i, label := range Labels {
			if r.Label == label {
				counts[i]++
			}
		}
	}
	return counts
}

// SecondReadings are items of a cell that the design had read again, alike in
// what the first labeler said, in their probability and in what they are held
// to be now.
type SecondReadings struct {
	First       string  // the first label
	Probability float64 // of the second reading, given the first label
	Items       int64
	// What they are held to be after all readings, as shares that add up to
	// one. While labelers differ and nobody has decided, each standing label has
	// its share: leaving such items out would keep only those that agree.
	Correct, PartiallyCorrect, Hallucinated float64
}

// secondRow is SecondReadings with the cell they belong to.
type secondRow struct {
	TaskClass     string
	PriorityClass PriorityClass
	Design        string
	Day           time.Time
	ModelVersion  string
	Keep          float64
	Part          string
	First         string
	Probability   float64
	Items         int64
	Split         bool
	Label         string
	Votes         []int16
}

// An item whose final label is cannot_tell is neither good nor bad: it leaves
// the second phase as a first cannot_tell leaves the first.
const secondQuery = `
	WITH taus AS (
		SELECT * FROM unnest($4::bigint[], $5::text[], $6::date[], $7::float8[], $8::text[]) AS t (queue_id, priority_class, frame_day, tau, part)
	)
	SELECT i.task_class, i.priority_class, i.design, i.frame_day AS day, i.model_version, i.keep, i.part,
	       c.first_reading AS first, c.second_probability AS probability, c.method = 'split' AS split, c.label,
	       CASE WHEN c.method = 'split' THEN c.votes ELSE '{}' END AS votes, count(*) AS items
	FROM consensus c
	JOIN items i ON i.id = c.item_id
	JOIN queues q ON q.id = i.queue_id
	LEFT JOIN taus t ON t.queue_id = i.queue_id AND t.priority_class = i.priority_class AND t.frame_day = i.frame_day AND t.part = i.part
	WHERE i.event_time >= $1::timestamptz AND i.event_time < $2::timestamptz
	  AND i.frame_day BETWEEN ($1 AT TIME ZONE 'UTC')::date AND (($2 - interval '1 microsecond') AT TIME ZONE 'UTC')::date
	  AND q.kind = 'standard' AND i.design = 'bottom_k' AND ($3 = '' OR i.task_class = $3)
	  AND i.u < coalesce(t.tau, 1) AND i.labeled > 0
	  AND c.second_due AND c.second_probability > 0 AND c.readings >= 2
	  AND c.first_reading <> 'cannot_tell' AND c.label <> 'cannot_tell'
	GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12`

// seconds returns the second readings of a window's sample by cell.
func (s *Store) seconds(ctx context.Context, f SampleFilter, frames frameThresholds) (map[cellKey][]SecondReadings, error) {
	rows, _ := s.DB.Query(ctx, secondQuery, f.From.UTC(), f.To.UTC(), f.TaskClass, frames.queues, frames.classes, frames.days, frames.taus, frames.parts)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[secondRow])
	if err != nil {
		return nil, fmt.Errorf("second readings: %w", err)
	}
	byCell := map[cellKey][]SecondReadings{}
	for _, r := range list {
		key := cellKey{r.TaskClass, r.PriorityClass, r.Design, r.Day, r.ModelVersion, r.Keep, r.Part}
		byCell[key] = append(byCell[key], r.held())
	}
	return byCell, nil
}

// cellKey is what makes a cell of a sample.
type cellKey struct {
	taskClass string
	class     PriorityClass
	design    string
	day       time.Time
	model     string
	keep      float64
	part      string
}

func (c SampleCell) key() cellKey {
	return cellKey{c.TaskClass, c.PriorityClass, c.Design, c.Day, c.ModelVersion, c.Keep, c.Part}
}

// held is what the items are held to be.
func (r secondRow) held() SecondReadings {
	held := SecondReadings{First: r.First, Probability: r.Probability, Items: r.Items}
	if r.Split && len(r.Votes) == len(Labels) {
		if all := float64(r.Votes[0] + r.Votes[1] + r.Votes[2]); all > 0 {
			held.Correct, held.PartiallyCorrect, held.Hallucinated = float64(r.Votes[0])/all, float64(r.Votes[1])/all, float64(r.Votes[2])/all
			return held
		}
	}
	switch r.Label {
	case "correct":
		held.Correct = 1
	case "partially_correct":
		held.PartiallyCorrect = 1
	default:
		held.Hallucinated = 1
	}
	return held
}
