package labeling

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
)

// The parts of a person's own work, in the order in which a page offers them.
const (
	OwnLabeled  = "labeled"  // their label stands
	OwnHeld     = "held"     // reserved for them now
	OwnLater    = "later"    // put off
	OwnDrafts   = "drafts"   // written and not submitted
	OwnDisputed = "disputed" // somebody objects to their label, or did
	OwnSkipped  = "skipped"  // left to others
)

// OwnParts lists the parts.
var OwnParts = []string{OwnLabeled, OwnHeld, OwnLater, OwnDrafts, OwnDisputed, OwnSkipped}

// OwnFilter narrows a person's own work. Label and Confidence are of their
// labels; where a part has none they find nothing.
type OwnFilter struct {
	Part       string // one of OwnParts; "" is labeled
	Queue      string // its address
	Label      string
	Confidence string
	Text       string // in what was asked and answered, the correction and the note, and beginning a session's id
	Since      time.Time
	Before     int64 // Place of the last row of the page before; 0 is the first page
	Limit      int   // at most 200
}

// Own is one item of a person's own work, with what they said of it.
type Own struct {
	ItemID     int64
	Number     int // the how-manieth item of the queue this is for them
	Queue      string
	QueueTitle string
	TaskClass  string
	Title      string
	Label      string // "" where nothing is said yet
	Reasons    []string
	Confidence string
	Note       string
	Marked     int // spans
	Corrected  bool
	SkipReason string
	Disputed   bool // an objection waits for a reviewer
	At         time.Time
	TookMS     *int64
	Place      int64 // where the next page goes on
}

// OwnWork lists a page of the actor's own work, the latest first, and counts
// each part under the same filter. Nothing in it tells gold from other items,
// and nothing anybody else said is in it.
func (s *Store) OwnWork(ctx context.Context, actor auth.Actor, f OwnFilter) (list []Own, counts map[string]int, err error) {
	if err := actor.Require(auth.Label); err != nil {
		return nil, nil, err
	}
	if f, err = f.checked(); err != nil {
		return nil, nil, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return nil, nil, err
	}
	batch := &pgx.Batch{}
	args := []any{labeler, f.Queue, f.Label, f.Confidence, strings.ToLower(f.Text), openTime(f.Since)}
	batch.Queue(ownRows(f.Part), append(args, f.Before, f.Limit)...).Query(func(rows pgx.Rows) (err error) {
		list, err = pgx.CollectRows(rows, pgx.RowToStructByName[Own])
		return err
	})
	counts = map[string]int{}
	for _, part := range OwnParts {
		batch.Queue(ownCount(part), args...).QueryRow(func(row pgx.Row) error {
			var n int
			err := row.Scan(&n)
			counts[part] = n
			return err
		})
	}
	if err := s.DB.SendBatch(ctx, batch).Close(); err != nil {
		return nil, nil, fmt.Errorf("own work of labeler %d: %w", labeler, err)
	}
	return list, counts, nil
}

// FindOwn finds the latest of the actor's labels in which the words occur.
func (s *Store) FindOwn(ctx context.Context, actor auth.Actor, text string, limit int) ([]Own, error) {
	if err := actor.Require(auth.Label); err != nil {
		return nil, err
	}
	f, err := OwnFilter{Text: text, Limit: limit}.checked()
	if err != nil {
		return nil, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, ownRows(f.Part), labeler, "", "", "", strings.ToLower(f.Text), nil, f.Before, f.Limit)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Own])
}

// OwnOpen counts what the actor left open: drafts, and items put off.
func (s *Store) OwnOpen(ctx context.Context, actor auth.Actor) (drafts, later int, err error) {
	if err := actor.Require(auth.Label); err != nil {
		return 0, 0, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return 0, 0, err
	}
	batch := &pgx.Batch{}
	for part, n := range map[string]*int{OwnDrafts: &drafts, OwnLater: &later} {
		batch.Queue(ownCount(part), labeler, "", "", "", "", nil).QueryRow(func(row pgx.Row) error { return row.Scan(n) })
	}
	if err := s.DB.SendBatch(ctx, batch).Close(); err != nil {
		return 0, 0, fmt.Errorf("open work of labeler %d: %w", labeler, err)
	}
	return drafts, later, nil
}

func (f OwnFilter) checked() (OwnFilter, error) {
	if f.Part == "" {
		f.Part = OwnLabeled
	}
	switch {
	case !slices.Contains(OwnParts, f.Part):
		return f, fault.Say(fault.Invalid, "Your work has the parts %s.", strings.Join(OwnParts, ", "))
	case f.Label != "" && !slices.Contains(Labels, f.Label):
		return f, fault.Say(fault.Invalid, "A label is correct, partially_correct, hallucinated or cannot_tell.")
	case f.Confidence != "" && !slices.Contains(Confidences, f.Confidence):
		return f, fault.Say(fault.Invalid, "Confidence is low, medium or high.")
	case len(f.Text) > 200:
		return f, fault.Say(fault.Invalid, "Search for at most 200 bytes of text.")
	}
	if f.Limit <= 0 || f.Limit > 200 {
		f.Limit = 50
	}
	return f, nil
}

// ownSource is where each part comes from: rows of work w with one time, one
// place in the list, and what was said (l) where something was.
var ownSource = map[string]string{
	OwnLabeled: standingOwn,
	OwnDisputed: standingOwn + `
		AND EXISTS (SELECT FROM disputes d WHERE d.label_id = l.id)`,
	OwnHeld: reservedOwn + `
		WHERE r.labeler_id = $1 AND r.state = 'held' AND r.lease_until > clock_timestamp()`,
	OwnLater: reservedOwn + `
		WHERE r.labeler_id = $1 AND r.state = 'put_off' AND ` + newestOwn,
	OwnSkipped: reservedOwn + `
		WHERE r.labeler_id = $1 AND r.state = 'skipped' AND ` + newestOwn,
	OwnDrafts: `
		SELECT d.item_id, d.saved_at AS at, (extract(epoch FROM d.saved_at) * 1000000)::bigint AS place,
		       coalesce(d.body->>'label', '') AS label,
		       ARRAY(SELECT jsonb_array_elements_text(coalesce(d.body->'reasons', '[]'))) AS reasons,
		       coalesce(d.body->>'confidence', '') AS confidence, coalesce(d.body->>'note', '') AS note,
		       jsonb_array_length(coalesce(d.body->'spans', '[]')) AS marked,
		       coalesce(d.body->>'correction', '') AS correction, '' AS skip_reason, NULL::bigint AS label_id, NULL::bigint AS took_ms
		FROM drafts d
		WHERE d.labeler_id = $1 AND d.body <> '{"label": ""}'`,
}

const standingOwn = `
		SELECT l.item_id, l.labeled_at AS at, l.id AS place, l.label, l.reasons, coalesce(l.confidence, '') AS confidence,
		       coalesce(t.note, '') AS note, jsonb_array_length(l.spans) AS marked, coalesce(t.correction, '') AS correction,
		       '' AS skip_reason, l.id AS label_id, l.elapsed_ms AS took_ms
		FROM labels l LEFT JOIN label_texts t ON t.label_id = l.id
		WHERE l.labeler_id = $1 AND l.label IS NOT NULL AND NOT EXISTS (
			SELECT FROM labels n WHERE n.item_id = l.item_id AND n.labeler_id = l.labeler_id AND n.revision > l.revision)`

const reservedOwn = `
		SELECT r.item_id, coalesce(r.ended_at, r.reserved_at) AS at, r.id AS place, '' AS label, '{}'::text[] AS reasons, '' AS confidence,
		       '' AS note, 0 AS marked, '' AS correction, r.reason AS skip_reason, NULL::bigint AS label_id, NULL::bigint AS took_ms
		FROM reservations r`

// newestOwn is a reservation r after which the item did not come to its
// labeler again.
const newestOwn = `NOT EXISTS (
			SELECT FROM reservations n WHERE n.item_id = r.item_id AND n.labeler_id = r.labeler_id AND n.id > r.id)`

// ownFiltered joins a part to its items under the filter $2 to $6.
func ownFiltered(part string) string {
	return `
	FROM (` + ownSource[part] + `
	) AS w
	JOIN items i ON i.id = w.item_id
	JOIN queues q ON q.id = i.queue_id
	WHERE ($2 = '' OR q.slug = $2)
	  AND ($3 = '' OR w.label = $3)
	  AND ($4 = '' OR w.confidence = $4)
	  AND ($5 = '' OR strpos(lower(i.title), $5) > 0 OR strpos(lower(w.note), $5) > 0 OR strpos(lower(w.correction), $5) > 0
	       OR starts_with(lower(i.session_id), $5) OR strpos(lower(coalesce(i.snapshot->>'response', '')), $5) > 0)
	  AND ($6::timestamptz IS NULL OR w.at >= $6)`
}

func ownCount(part string) string { return `SELECT count(*)` + ownFiltered(part) }

func ownRows(part string) string {
	return `
	SELECT w.item_id, q.slug AS queue, q.title AS queue_title, i.task_class, i.title, w.label, w.reasons, w.confidence, w.note, w.marked,
	       w.correction <> '' AS corrected, w.skip_reason, w.at, w.took_ms, w.place,
	       EXISTS (SELECT FROM disputes d WHERE d.label_id = w.label_id AND d.decided_at IS NULL) AS disputed,
	       coalesce((SELECT max(r.number) FROM reservations r WHERE r.item_id = w.item_id AND r.labeler_id = $1), 1) AS number` +
		ownFiltered(part) + `
	  AND ($7::bigint = 0 OR w.place < $7)
	ORDER BY w.place DESC
	LIMIT $8`
}
