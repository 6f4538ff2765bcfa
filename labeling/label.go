package labeling

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Labels a person may give, in the order of the keys 1 to 4.
var Labels = []string{"correct", "partially_correct", "hallucinated", "cannot_tell"}

// Confidences are the steps of how sure a labeler is.
var Confidences = []string{"low", "medium", "high"}

// Answer is what a labeler says of an item.
type Answer struct {
	Label      string   `json:"label"`
	Reasons    []string `json:"reasons,omitempty"`
	Spans      []Span   `json:"spans,omitempty"`
	Correction string   `json:"correction,omitempty"`
	Note       string   `json:"note,omitempty"`
	Confidence string   `json:"confidence,omitempty"`
}

// Span is a part of the response, in code points from its beginning; Start is
// in it, End is not.
type Span struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// The most a person may write into a label.
const (
	maxNote       = 4_000
	maxCorrection = 20_000
)

// Label is one revision of one person's verdict on an item.
type Label struct {
	ID          int64
	ItemID      int64
	QueueID     int64
	EventID     uuid.UUID
	LabelerID   int64
	Revision    int
	Label       string // "" takes the label before it back
	Consensus   string // of the item, after this revision
	LabeledAt   time.Time
	AlreadyThis bool   // the same submit had arrived before
	Number      int    // the how-manieth item of the queue this is for the labeler
	Queue       string // its address
	// VerdictHidden says that the queue hides verdicts, and so what counts by
	// class would tell of them.
	VerdictHidden bool
}

// Submitted is the job that follows a label, an undo, an import or an
// adjudication; its kind is never renamed.
type Submitted struct {
	LabelID int64 `json:"label_id"` // 0 after an import or an adjudication: look at what waits
}

// Kind names the job.
func (Submitted) Kind() string { return "labeling.submitted" }

// submission is what the submit locks and needs to know.
type submission struct {
	ReservationID    int64
	Token            uuid.UUID
	Purpose          string // count or gold
	State            string
	Live             bool
	LabelerID        int64
	Number           int
	ItemID           int64
	QueueID          int64
	EventID          uuid.UUID
	Queue            string
	QueueReasons     []string
	SpansNeeded      bool
	VerdictHidden    bool
	TaskClass        string
	ModelVersion     string
	PromptTemplateID string
	EvidenceVersion  string
	PriorityClass    PriorityClass
	FrameDay         time.Time
	Design           string
	SaltID           string
	U                float64
	RuleID           int64
	DecisionID       *int64 // of sampling_decisions; nil: it was put in by hand
	Flags            json.RawMessage
	Length           int // of the response, in code points
	ElapsedMS        *int64
	ReadOthers       bool // the labeler knows what others said of the item

	reading

	next nextLabel `db:"-"`
	said spoken    `db:"-"` // of the item until now
}

// nextLabel is what the label about to be given will be called.
type nextLabel struct {
	id       int64
	revision int
}

// Submit records the answer under the reservation's token: label, audit entry,
// consensus and job in one transaction. The same key again returns the label
// of the first time. A stale token is a Conflict, and the answer is kept as a
// draft: nobody's text is ever lost.
func (s *Store) Submit(ctx context.Context, actor auth.Actor, item int64, token uuid.UUID, key string, answer Answer) (Label, error) {
	return s.SubmitGiven(ctx, actor, item, token, key, answer, Given{})
}

// Given is when a label was given and how long it took, where that is not now:
// when a past is replayed. The zero value is now, as the database's clock has it.
type Given struct {
	At   time.Time
	Took time.Duration
}

// SubmitGiven is Submit for a label that was given at another moment.
func (s *Store) SubmitGiven(ctx context.Context, actor auth.Actor, item int64, token uuid.UUID, key string, answer Answer, given Given) (Label, error) {
	if err := actor.Require(auth.Label); err != nil {
		return Label{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Label{}, err
	}
	if strings.TrimSpace(key) == "" || len(key) > 200 {
		return Label{}, fault.Say(fault.Invalid, "A label needs an idempotency key of at most 200 characters.")
	}
	var label Label
	var moves func()
	sub, lock := lockSubmission(labeler, item, token)
	err = postgres.InOftenTx(ctx, s.DB, lock, func(tx pgx.Tx, last *pgx.Batch) error {
		moves, err = s.submit(ctx, tx, last, actor, sub, key, answer, given, &label)
		return err
	})
	switch {
	case err == nil && moves != nil:
		moves()
	case postgres.Violates(err, "labels_labeler_id_idempotency_key_key"):
		return Label{}, fault.Say(fault.Invalid, "This idempotency key was used for another label.")
	case errors.Is(err, pgx.ErrNoRows):
		return Label{}, fmt.Errorf("submit item %d: %w", item, fault.NotFound)
	case err != nil && fault.Of(err) == "":
		return Label{}, fmt.Errorf("submit item %d: %w", item, err)
	case fault.Of(err) == fault.Conflict:
		if kept := s.keep(ctx, labeler, item, answer, fault.Words(err)); kept != nil {
			return Label{}, errors.Join(err, kept)
		}
	}
	return label, err
}

// submit judges what was locked and puts into last what the answer changes.
func (s *Store) submit(ctx context.Context, tx pgx.Tx, last *pgx.Batch, actor auth.Actor, sub *submission, key string, answer Answer, given Given, label *Label) (moves func(), err error) {
	if sub.State != "held" || !sub.Live {
		if *label, err = submittedBefore(ctx, tx, sub.LabelerID, sub.ItemID, key, answer); err == nil || !errors.Is(err, pgx.ErrNoRows) {
			return nil, err
		}
		return nil, whyStale(ctx, tx, sub.LabelerID, sub.ItemID, sub.Token)
	}
	if err := sub.check(answer); err != nil {
		return nil, err
	}
	if given.Took > 0 {
		took := given.Took.Milliseconds()
		sub.ElapsedMS = &took
	}
	return s.give(ctx, tx, last, actor, sub, key, answer, openTime(given.At), label)
}

// lockSubmission is the batch that locks the reservation first and the item
// second, as every other act on both does, and then reads what may only be read
// under the lock: what the item's labelers said and the number of the label,
// since the order of numbers says who was first. No reservation is ErrNoRows.
func lockSubmission(labeler, item int64, token uuid.UUID) (*submission, *pgx.Batch) {
	sub, batch := &submission{}, &pgx.Batch{}
	batch.Queue(`
		WITH r AS (
			SELECT * FROM reservations
			WHERE token = $1 AND item_id = $2 AND labeler_id = $3
			FOR UPDATE
		)
		SELECT r.id AS reservation_id, r.token, r.purpose, r.state, r.lease_until > clock_timestamp() AS live, r.labeler_id, r.number,
		       i.id AS item_id, i.queue_id, i.event_id, i.task_class, i.model_version, i.prompt_template_id, i.evidence_version,
		       i.priority_class, i.frame_day, i.design, i.salt_id, i.u, i.rule_id, i.flags,
		       (SELECT d.id FROM sampling_decisions d WHERE d.event_id = i.event_id AND d.queue_id = i.queue_id ORDER BY d.id DESC LIMIT 1) AS decision_id,
		       q.slug AS queue, q.reasons AS queue_reasons, q.spans_needed, q.verdict_hidden,
		       char_length(coalesce(i.snapshot->>'response', '')) AS length,
		       (1000 * extract(epoch FROM clock_timestamp() - greatest(coalesce(r.opened_at, r.reserved_at),
		           (SELECT l.created_at FROM labels l WHERE l.labeler_id = r.labeler_id ORDER BY l.id DESC LIMIT 1))))::bigint AS elapsed_ms,
		       EXISTS (SELECT FROM labels_read k WHERE k.labeler_id = r.labeler_id AND k.item_id = r.item_id) AS read_others,
		       `+readingColumns+`, w.doubted
		FROM r
		JOIN items i ON i.id = r.item_id
		JOIN queues q ON q.id = i.queue_id
		JOIN labelers w ON w.id = r.labeler_id
		FOR UPDATE OF i`, token, item, labeler).Query(func(rows pgx.Rows) (err error) {
		*sub, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[submission])
		return err
	})
	batch.Queue(`
		SELECT nextval('labels_id_seq'), coalesce(max(revision), 0) + 1
		FROM labels
		WHERE item_id = $1 AND labeler_id = $2`, item, labeler).QueryRow(func(row pgx.Row) error {
		return row.Scan(&sub.next.id, &sub.next.revision)
	})
	sub.said.queue(batch, item)
	return sub, batch
}

// submittedBefore returns the label that the key made. With another answer than
// that one's it is a Conflict: the second is no repeat of the first.
func submittedBefore(ctx context.Context, tx pgx.Tx, labeler, item int64, key string, answer Answer) (Label, error) {
	rows, _ := tx.Query(ctx, `
		SELECT l.id, l.item_id, l.queue_id, l.event_id, l.labeler_id, l.revision, coalesce(l.label, '') AS label,
		       coalesce(c.label, CASE WHEN l.purpose = 'gold' THEN l.label END, '') AS consensus, l.labeled_at, true AS already_this, r.number, q.slug AS queue, q.verdict_hidden
		FROM labels l
		JOIN reservations r ON r.id = l.reservation_id
		JOIN queues q ON q.id = l.queue_id
		LEFT JOIN consensus c ON c.item_id = l.item_id
		WHERE l.labeler_id = $1 AND l.item_id = $2 AND l.idempotency_key = $3`, labeler, item, key)
	label, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Label])
	if err != nil {
		return label, err
	}
	var given Answer
	err = tx.QueryRow(ctx, `
		SELECT coalesce(l.label, ''), l.reasons, l.spans, coalesce(l.confidence, ''), coalesce(t.correction, ''), coalesce(t.note, '')
		FROM labels l LEFT JOIN label_texts t ON t.label_id = l.id
		WHERE l.id = $1`, label.ID).Scan(&given.Label, &given.Reasons, &given.Spans, &given.Confidence, &given.Correction, &given.Note)
	if err == nil && !given.same(answer) {
		return label, fault.Say(fault.Conflict, "Item %d has your label already: %s. Change that one to say something else.", item, strings.ReplaceAll(label.Label, "_", " "))
	}
	return label, err
}

// same reports whether two answers say the same, in whatever order.
func (a Answer) same(b Answer) bool {
	return a.Label == b.Label && a.Confidence == b.Confidence && a.Correction == b.Correction && a.Note == b.Note &&
		slices.Equal(cleanReasons(a.Reasons), cleanReasons(b.Reasons)) && slices.Equal(sortedSpans(a.Spans), sortedSpans(b.Spans))
}

// check refuses an answer that the item's queue does not take.
func (sub submission) check(a Answer) error {
	if !slices.Contains(Labels, a.Label) {
		return fault.Say(fault.Invalid, "Choose a label first: correct, partially correct, hallucinated or cannot tell.")
	}
	for _, reason := range a.Reasons {
		if !slices.Contains(sub.QueueReasons, reason) {
			return fault.Say(fault.Invalid, "This queue has no such reason. Reload the page: its reasons have changed.")
		}
	}
	for _, span := range a.Spans {
		if span.Start < 0 || span.End <= span.Start || span.End > sub.Length {
			return fault.Say(fault.Invalid, "A marked span lies outside the response. Reload the page and mark it again.")
		}
	}
	if sub.SpansNeeded && a.Label == "hallucinated" && len(a.Spans) == 0 {
		return fault.Say(fault.Invalid, "Mark at least one hallucinated span: this queue needs it for hallucinated.")
	}
	if a.Confidence != "" && !slices.Contains(Confidences, a.Confidence) {
		return fault.Say(fault.Invalid, "Confidence is low, medium or high.")
	}
	if utf8.RuneCountInString(a.Note) > maxNote || utf8.RuneCountInString(a.Correction) > maxCorrection {
		return fault.Say(fault.Invalid, "A note has at most 4,000 characters, a correction 20,000. Your draft is kept.")
	}
	return nil
}

// give puts the label and what goes with it in its transaction into a batch: the place is taken for good, the consensus moves, the audit knows, a job
// is told. An answer to gold reaches neither a consensus nor the telemetry
// store; it says something of its labeler alone. moves is for after the commit.
func (s *Store) give(ctx context.Context, tx pgx.Tx, batch *pgx.Batch, actor auth.Actor, sub *submission, key string, a Answer, at *time.Time, label *Label) (moves func(), err error) {
	*label = Label{
		ID: sub.next.id, ItemID: sub.ItemID, QueueID: sub.QueueID, EventID: sub.EventID, LabelerID: sub.LabelerID,
		Revision: sub.next.revision, Label: a.Label, Consensus: a.Label,
		Number: sub.Number, Queue: sub.Queue, VerdictHidden: sub.VerdictHidden,
	}
	provenance, err := s.provenance(ctx, tx, sub)
	if err != nil {
		return nil, err
	}
	queueLabel(batch, sub, key, a, at, provenance, &label.LabeledAt)
	batch.Queue(`UPDATE reservations SET state = 'labeled', ended_at = clock_timestamp() WHERE id = $1`, sub.ReservationID)
	batch.Queue(`DELETE FROM drafts WHERE labeler_id = $1 AND item_id = $2`, sub.LabelerID, sub.ItemID)
	done := new(bool)
	if sub.Purpose == forCount {
		sub.said.known = sub.reading
		sub.said.hear(Reading{LabelID: label.ID, LabelerID: sub.LabelerID, Label: a.Label, Source: "person", Doubted: sub.Doubted})
		var c Consensus
		c, done = sub.said.settle(batch, sub.ItemID, sub.EventID)
		label.Consensus = c.Label
	}
	err = audit.Queue(batch, audit.Entry{
		Actor: actor, Action: "label.submit", Object: fmt.Sprintf("item/%d", sub.ItemID),
		What:  fmt.Sprintf("%s, revision %d", strings.ReplaceAll(label.Label, "_", " "), label.Revision),
		After: map[string]any{"label_id": label.ID, "label": label.Label, "revision": label.Revision},
	})
	if err != nil {
		return nil, err
	}
	if sub.Purpose != forCount {
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return nil, err
		}
		*batch = pgx.Batch{}
		if err := doubt(ctx, tx, sub.LabelerID); err != nil {
			return nil, err
		}
	}
	moves = func() {
		s.gave(sub.LabelerID, label.ID, 1)
		if sub.Purpose == forCount {
			s.moved(sub.QueueID, sub.PriorityClass, len(sub.said.readings) == 1, *done)
		}
	}
	return moves, s.tell(ctx, tx, label.ID)
}

func queueLabel(batch *pgx.Batch, sub *submission, key string, a Answer, at *time.Time, provenance []byte, labeledAt *time.Time) {
	batch.Queue(`
		INSERT INTO labels (id, item_id, queue_id, event_id, labeler_id, revision, label, reasons, spans, confidence,
		                    guide_id, reservation_id, source, provenance, idempotency_key, elapsed_ms, purpose, labeled_at)
		OVERRIDING SYSTEM VALUE
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, nullif($10, ''),
		       (SELECT id FROM guides WHERE task_class = $11 ORDER BY version DESC LIMIT 1),
		       $12, 'person', $13, $14, $15, $16, coalesce($17, clock_timestamp())
		RETURNING labeled_at`,
		sub.next.id, sub.ItemID, sub.QueueID, sub.EventID, sub.LabelerID, sub.next.revision,
		a.Label, cleanReasons(a.Reasons), sortedSpans(a.Spans), a.Confidence,
		sub.TaskClass, sub.ReservationID, provenance, key, sub.ElapsedMS, sub.Purpose, at,
	).QueryRow(func(row pgx.Row) error { return row.Scan(labeledAt) })
	queueTexts(batch, sub.next.id, a)
}

// queueTexts adds what a person wrote, where they did.
func queueTexts(batch *pgx.Batch, label int64, a Answer) {
	if a.Correction != "" || a.Note != "" {
		batch.Queue(`INSERT INTO label_texts (label_id, correction, note) VALUES ($1, $2, $3)`, label, a.Correction, a.Note)
	}
}

// toldApart is how long one job speaks for all labels: it copies whatever waits
// in the outbox, and what comes after it goes with the next or by the schedule.
const toldApart = 2 * time.Second

func (s *Store) tell(ctx context.Context, tx pgx.Tx, label int64) error {
	now, told := time.Now().UnixNano(), s.told.Load()
	if s.Jobs == nil || time.Duration(now-told) < toldApart || !s.told.CompareAndSwap(told, now) {
		return nil
	}
	_, err := s.Jobs.InsertTx(ctx, tx, Submitted{LabelID: label}, nil)
	return err
}

// provenance is what a label carries with it wherever it goes: why it was
// read, with what probability, who made the response, what the labeler saw.
func (s *Store) provenance(ctx context.Context, tx pgx.Tx, sub *submission) ([]byte, error) {
	verdicts := []VerdictSeen{}
	if s.Verdicts != nil && !sub.VerdictHidden {
		var err error
		if verdicts, err = s.Verdicts(ctx, tx, sub.EventID); err != nil {
			return nil, fmt.Errorf("verdicts of %s: %w", sub.EventID, err)
		}
	}
	known := map[string]any{
		"flags":          sub.Flags,
		"priority_class": sub.PriorityClass,
		"frame":          sub.FrameDay.Format(time.DateOnly),
		"design":         sub.Design,
		"salt_id":        sub.SaltID,
		"u":              sub.U,
		"rule_id":        sub.RuleID,
		"decision_id":    sub.DecisionID,
		"component": map[string]string{
			"model_version":      sub.ModelVersion,
			"prompt_template_id": sub.PromptTemplateID,
			"evidence_version":   sub.EvidenceVersion,
		},
		"verdicts": verdicts,
	}
	if sub.ReadOthers {
		known["after_reading_others"] = true
	}
	return json.Marshal(known)
}

// VerdictSeen is a validator's verdict that was on the page when the label was
// given.
type VerdictSeen struct {
	Validator string `json:"validator"`
	Version   string `json:"version"`
	Verdict   string `json:"verdict"`
}

func cleanReasons(reasons []string) []string {
	clean := []string{}
	for _, r := range reasons {
		if !slices.Contains(clean, r) {
			clean = append(clean, r)
		}
	}
	return clean
}

func sortedSpans(spans []Span) []Span {
	sorted := append([]Span{}, spans...)
	slices.SortFunc(sorted, func(a, b Span) int { return a.Start - b.Start })
	return sorted
}

// Undo takes the actor's label of an item back, as a new revision, and holds
// the item for them again with the old answer as their draft.
func (s *Store) Undo(ctx context.Context, actor auth.Actor, item int64) (Reservation, error) {
	if err := actor.Require(auth.Label); err != nil {
		return Reservation{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Reservation{}, err
	}
	var held Reservation
	var withdrawn int64
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		held, withdrawn, err = s.undo(ctx, tx, actor, labeler, item)
		return err
	})
	if err == nil {
		s.gave(labeler, withdrawn, -1)
	}
	return held, err
}

func (s *Store) undo(ctx context.Context, tx pgx.Tx, actor auth.Actor, labeler, item int64) (held Reservation, withdrawn int64, err error) {
	old, err := s.lockLabeled(ctx, tx, labeler, item)
	if errors.Is(err, pgx.ErrNoRows) {
		return Reservation{}, 0, fault.Say(fault.Conflict, "There is no label of yours on item %d to undo.", item)
	}
	if err != nil {
		return Reservation{}, 0, fmt.Errorf("undo item %d: %w", item, err)
	}
	if old.Adjudicated {
		return Reservation{}, 0, fault.Say(fault.Conflict, "A reviewer has decided item %d; your label stays beside the decision.", item)
	}
	err = tx.QueryRow(ctx, `
		INSERT INTO labels (item_id, queue_id, event_id, labeler_id, revision, label, guide_id, reservation_id, source, idempotency_key, purpose)
		SELECT item_id, queue_id, event_id, labeler_id, revision + 1, NULL, guide_id, reservation_id, 'person', 'undo/' || id, purpose
		FROM labels WHERE id = $1
		RETURNING id`, old.LabelID).Scan(&withdrawn)
	if err != nil {
		return Reservation{}, 0, fmt.Errorf("undo item %d: %w", item, err)
	}
	if err := s.keepIn(ctx, tx, labeler, item, old.Answer, ""); err != nil {
		return Reservation{}, 0, err
	}
	held, err = holdAgain(ctx, tx, old.ReservationID)
	if err != nil {
		return Reservation{}, 0, fmt.Errorf("undo item %d: %w", item, err)
	}
	if old.Purpose == forCount {
		if _, err := settle(ctx, tx, item, old.EventID); err != nil {
			return Reservation{}, 0, err
		}
	}
	err = audit.Record(ctx, tx, audit.Entry{
		Actor: actor, Action: "label.undo", Object: fmt.Sprintf("item/%d", item),
		What:   fmt.Sprintf("was %s", strings.ReplaceAll(old.Answer.Label, "_", " ")),
		Before: map[string]any{"label_id": old.LabelID, "label": old.Answer.Label}, After: map[string]any{"label_id": withdrawn},
	})
	if err != nil {
		return Reservation{}, 0, err
	}
	return held, withdrawn, s.tell(ctx, tx, withdrawn)
}

type labeledBefore struct {
	ReservationID int64
	LabelID       int64
	EventID       uuid.UUID
	Purpose       string
	Adjudicated   bool
	Answer        Answer
}

// lockLabeled locks the labeler's taken place and the item, and returns their
// standing label.
func (s *Store) lockLabeled(ctx context.Context, tx pgx.Tx, labeler, item int64) (labeledBefore, error) {
	var old labeledBefore
	err := tx.QueryRow(ctx, `
		SELECT id FROM reservations
		WHERE item_id = $1 AND labeler_id = $2 AND state = 'labeled'
		FOR UPDATE`, item, labeler).Scan(&old.ReservationID)
	if err != nil {
		return old, err
	}
	if err := tx.QueryRow(ctx, `SELECT event_id FROM items WHERE id = $1 FOR UPDATE`, item).Scan(&old.EventID); err != nil {
		return old, err
	}
	err = tx.QueryRow(ctx, `
		SELECT l.id, l.label, l.reasons, l.spans, coalesce(l.confidence, ''), coalesce(t.correction, ''), coalesce(t.note, ''),
		       l.purpose, l.purpose = 'count' AND EXISTS (SELECT FROM adjudications a WHERE a.item_id = l.item_id)
		FROM labels l LEFT JOIN label_texts t ON t.label_id = l.id
		WHERE l.item_id = $1 AND l.labeler_id = $2
		ORDER BY l.revision DESC
		LIMIT 1`, item, labeler).Scan(&old.LabelID, &old.Answer.Label, &old.Answer.Reasons, &old.Answer.Spans,
		&old.Answer.Confidence, &old.Answer.Correction, &old.Answer.Note, &old.Purpose, &old.Adjudicated)
	return old, err
}

// holdAgain ends a labeled reservation and opens another one in its place.
func holdAgain(ctx context.Context, tx pgx.Tx, reservation int64) (Reservation, error) {
	_, err := tx.Exec(ctx, `UPDATE reservations SET state = 'released', reason = 'undo' WHERE id = $1`, reservation)
	if err != nil {
		return Reservation{}, err
	}
	rows, _ := tx.Query(ctx, `
		INSERT INTO reservations (item_id, queue_id, labeler_id, number, lease_until, opened_at, purpose)
		SELECT r.item_id, r.queue_id, r.labeler_id, r.number, clock_timestamp() + q.lease, clock_timestamp(), r.purpose
		FROM reservations r JOIN queues q ON q.id = r.queue_id
		WHERE r.id = $1
		RETURNING `+reservationColumns, reservation)
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Reservation])
}
