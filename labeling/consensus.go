package labeling

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Reading is what one labeler says of an item at their latest revision.
type Reading struct {
	LabelID   int64
	LabelerID int64
	Label     string // "" after an undo
	Source    string // person or import
	Doubted   bool   // the labeler is on probation
	// Alone is what they said before they knew what others said of the item, ""
	// where that is Label.
	Alone string
}

// Consensus is the label of an item after all its labelers.
type Consensus struct {
	Label        string // "" when nothing stands
	Method       string // single, agreed, majority, split, adjudicated, withdrawn
	FirstReading string // what the first labeler says: the first phase of sampling
	Readings     int    // labelers whose latest revision stands
}

// Decide weighs the readings, first labeler first. An adjudication decides
// whatever they say. Where they differ and nobody has decided, the first
// reading keeps its place: a second label is there to measure agreement and
// to call a reviewer, and may not move a rate by itself.
func Decide(readings []Reading, adjudicated string) Consensus {
	var standing []Reading
	for _, r := range readings {
		if r.Label != "" {
			standing = append(standing, r)
		}
	}
	c := Consensus{Readings: len(standing)}
	if len(standing) > 0 {
		// A label that its reader changed because of the second reading is no first
		// reading any more: what the design drew by it, and with what
		// probability, was drawn by the one before.
		c.FirstReading = cmp.Or(standing[0].Alone, standing[0].Label)
	}
	switch {
	case adjudicated != "":
		c.Label, c.Method = adjudicated, "adjudicated"
	case len(standing) == 0:
		c.Method = "withdrawn"
	case len(standing) == 1:
		c.Label, c.Method = standing[0].Label, "single"
	default:
		c.Label, c.Method = weigh(standing)
	}
	return c
}

func weigh(standing []Reading) (label, method string) {
	votes := map[string]int{}
	for _, r := range standing {
		votes[r.Label]++
	}
	first := standing[0].Label
	if votes[first] == len(standing) {
		return first, "agreed"
	}
	// Correct against hallucinated is a reviewer's to decide, however many
	// stand on either side, unless the labels came decided from elsewhere.
	clash := votes["correct"] > 0 && votes["hallucinated"] > 0 && standing[0].Source == "person"
	for label, n := range votes {
		if 2*n > len(standing) && !clash {
			return label, "majority"
		}
	}
	return first, "split"
}

// WantsThird reports whether two readings differ in a way that a third
// labeler may settle.
func WantsThird(readings []Reading) bool {
	if len(readings) != 2 || readings[0].Label == "" || readings[1].Label == "" || readings[0].Label == readings[1].Label {
		return false
	}
	pair := [2]string{readings[0].Label, readings[1].Label}
	return pair != [2]string{"correct", "hallucinated"} && pair != [2]string{"hallucinated", "correct"}
}

// The labels of the item are found by the item alone: what they are ordered by
// may not tempt anybody to read another index from end to end.
const readingsQuery = `
	WITH l AS MATERIALIZED (
		SELECT id, item_id, labeler_id, revision, label, source, labeled_at, created_at FROM labels WHERE item_id = $1 AND purpose = 'count'
	), mine AS (
		SELECT DISTINCT ON (first_id, labeler_id) *
		FROM (SELECT *, min(id) OVER (PARTITION BY labeler_id) AS first_id FROM l) AS f
		ORDER BY first_id, labeler_id, revision DESC
	)
	SELECT mine.id AS label_id, labeler_id, coalesce(label, '') AS label, source, w.doubted,
	       coalesce(CASE WHEN EXISTS (SELECT FROM labels_read k WHERE k.item_id = $1 AND k.labeler_id = w.id) THEN (
	           SELECT l.label FROM l WHERE l.labeler_id = w.id AND ` + independent + ` ORDER BY l.revision DESC LIMIT 1)
	       END, '') AS alone
	FROM mine
	JOIN labelers w ON w.id = labeler_id
	WHERE NOT w.left_out @> mine.labeled_at
	ORDER BY first_id, labeler_id`

// readingsOf returns the latest revision of each labeler of an item, in the
// order in which they gave their first.
func readingsOf(ctx context.Context, tx pgx.Tx, item int64) ([]Reading, error) {
	rows, _ := tx.Query(ctx, readingsQuery, item)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Reading])
}

// spoken is what settles an item: the readings, what a reviewer decided, "" for
// nothing, and what decides about a second reading.
type spoken struct {
	readings    []Reading
	adjudicated string
	known       reading
}

// queue asks for what was said of the item, in a batch.
func (said *spoken) queue(batch *pgx.Batch, item int64) {
	batch.Queue(readingsQuery, item).Query(func(rows pgx.Rows) (err error) {
		said.readings, err = pgx.CollectRows(rows, pgx.RowToStructByName[Reading])
		return err
	})
	batch.Queue(`
		SELECT coalesce((SELECT label FROM adjudications WHERE item_id = $1 ORDER BY revision DESC LIMIT 1), '')`, item).QueryRow(func(row pgx.Row) error {
		return row.Scan(&said.adjudicated)
	})
}

// queueKnown asks for what decides about a second reading.
func (said *spoken) queueKnown(batch *pgx.Batch, item int64) {
	batch.Queue(`
		SELECT `+readingColumns+`, false AS doubted
		FROM items i JOIN queues q ON q.id = i.queue_id
		WHERE i.id = $1`, item).Query(func(rows pgx.Rows) (err error) {
		said.known, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[reading])
		return err
	})
}

// hear adds what a labeler says now: their last word, in the place of their
// first.
func (said *spoken) hear(r Reading) {
	for i := range said.readings {
		if said.readings[i].LabelerID == r.LabelerID {
			r.Alone = said.readings[i].Alone
			said.readings[i] = r
			return
		}
	}
	said.readings = append(said.readings, r)
}

// settle brings the item, its consensus and the outbox up to the labels that
// stand now. The caller holds the item's lock.
func settle(ctx context.Context, tx pgx.Tx, item int64, event uuid.UUID) (Consensus, error) {
	var said spoken
	batch := &pgx.Batch{}
	said.queue(batch, item)
	said.queueKnown(batch, item)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return Consensus{}, fmt.Errorf("settle item %d: %w", item, err)
	}
	batch = &pgx.Batch{}
	c, _ := said.settle(batch, item, event)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return Consensus{}, fmt.Errorf("settle item %d: %w", item, err)
	}
	return c, nil
}

// settle puts what follows from what was said of the item into a batch, and
// says whether that gives it all its labels once the batch has run.
func (said spoken) settle(batch *pgx.Batch, item int64, event uuid.UUID) (c Consensus, done *bool) {
	c, done = Decide(said.readings, said.adjudicated), new(bool)
	third := said.adjudicated == "" && WantsThird(said.readings)
	said.known.Doubted = len(said.readings) > 0 && said.readings[0].Doubted
	overlap, sampled := overlapOf(c.FirstReading, said.known)
	batch.Queue(`
		UPDATE items
		SET labeled = $2,
		    wanted = greatest(wanted, $3),
		    done_at = CASE WHEN $2 >= greatest(wanted, $3) THEN coalesce(done_at, clock_timestamp()) END
		WHERE id = $1
		RETURNING labeled >= wanted`, item, c.Readings, wantedFor(third, overlap, said.adjudicated)).QueryRow(func(row pgx.Row) error {
		return row.Scan(done)
	})
	batch.Queue(`
		INSERT INTO consensus AS c (item_id, event_id, label, method, first_reading, readings, revision, first_label, first_at,
		                            second_probability, second_due, votes)
		VALUES ($1, $2, nullif($3, ''), $4, nullif($5, ''), $6, 1, nullif($3, ''), CASE WHEN $3 <> '' THEN clock_timestamp() END,
		        CASE WHEN $7 THEN $8::float8 END, $9, $10)
		ON CONFLICT (item_id) DO UPDATE
		SET -- The probability is that of the moment the first label was given.
		    second_probability = CASE WHEN c.first_reading = EXCLUDED.first_reading THEN c.second_probability ELSE EXCLUDED.second_probability END,
		    second_due = CASE WHEN c.first_reading = EXCLUDED.first_reading THEN c.second_due ELSE EXCLUDED.second_due END,
		    votes = EXCLUDED.votes,
		    label = EXCLUDED.label, method = EXCLUDED.method, first_reading = EXCLUDED.first_reading,
		    readings = EXCLUDED.readings, revision = c.revision + 1, decided_at = clock_timestamp(),
		    first_label = coalesce(c.first_label, EXCLUDED.first_label),
		    first_at = coalesce(c.first_at, EXCLUDED.first_at)`,
		item, event, c.Label, c.Method, c.FirstReading, c.Readings, sampled, overlap.Probability, overlap.Due, votes(said.readings))
	batch.Queue(`INSERT INTO label_outbox (item_id) VALUES ($1)`, item)
	return c, done
}

// wantedFor is how many labelers an item needs at least, by what they have said.
// What a reviewer has decided needs nobody more.
func wantedFor(third bool, overlap Overlap, adjudicated string) int {
	switch {
	case adjudicated != "":
		return 0
	case third:
		return 3
	case overlap.Due:
		return 2
	}
	return 0
}

// FirstConsensus is one response whose consensus came to be, for counters that
// only ever grow: a later correction is counted apart.
type FirstConsensus struct {
	TaskClass    string
	ModelVersion string
	Label        string
	Count        int64
	Corrected    int64 // of Count, whose consensus is another one today
}

// FirstConsensuses counts the first consensus of every item of standard queues
// since the beginning, without cannot_tell: the source of the exported
// counters.
func (s *Store) FirstConsensuses(ctx context.Context) ([]FirstConsensus, error) {
	rows, _ := s.DB.Query(ctx, `
		SELECT i.task_class, i.model_version, c.first_label AS label, count(*) AS count,
		       count(*) FILTER (WHERE c.label IS DISTINCT FROM c.first_label) AS corrected
		FROM consensus c
		JOIN items i ON i.id = c.item_id
		JOIN queues q ON q.id = i.queue_id
		WHERE q.kind = 'standard' AND c.first_label IN ('correct', 'partially_correct', 'hallucinated')
		GROUP BY i.task_class, i.model_version, c.first_label`)
	return pgx.CollectRows(rows, pgx.RowToStructByName[FirstConsensus])
}

// Changed is when the labels last changed, for pages that say how fresh they are.
func (s *Store) Changed(ctx context.Context) (time.Time, error) {
	var at *time.Time
	err := s.DB.QueryRow(ctx, `SELECT max(created_at) FROM labels WHERE id = (SELECT max(id) FROM labels)`).Scan(&at)
	if err != nil || at == nil {
		return time.Time{}, err
	}
	return *at, nil
}
