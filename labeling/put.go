package labeling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/stats"
	"assay/telemetry"
)

// ByHand is the reason of an item that a person chose from its session. Why, in
// their words, stands beside the item and not in the flag, which labels copy
// and files carry: it is no labeler's to read, and goes with the item's text.
const ByHand = "by_hand"

// longestByHand bounds the words of ByHand, in characters.
const longestByHand = 200

// Put is what became of a response that a person put into a queue.
type Put struct {
	ItemID int64  `json:"item_id"`
	Queue  string `json:"queue"`
	Added  bool   `json:"added"` // false: it was there already, and nothing changed
}

// Put puts one response into a discovery queue because a person wants it read.
// How probable their choice was is not known, so a queue that measures refuses
// it, and its labels reach no rate. A response without text that people may
// read is refused, and so is one that was taken out of the queue: it stays out.
// why has 1 to 200 characters.
func (s *Store) Put(ctx context.Context, actor auth.Actor, slug string, event uuid.UUID, why string) (Put, error) {
	if err := errors.Join(actor.Require(auth.Configure), actor.Require(auth.SeeSessions)); err != nil {
		return Put{}, err
	}
	why = strings.Join(strings.Fields(why), " ")
	if n := len([]rune(why)); n < 1 || n > longestByHand || strings.ContainsRune(why, 0) {
		return Put{}, fault.Say(fault.Invalid, "Say why people should read it, in 1 to %d characters.", longestByHand)
	}
	if s.Telemetry == nil {
		return Put{}, fault.Say(fault.Unavailable, "Responses cannot be read now.")
	}
	response, err := s.Telemetry.Response(ctx, actor, event)
	if err != nil {
		return Put{}, fmt.Errorf("put response %s into queue %s: %w", event, slug, err)
	}
	put := Put{Queue: slug}
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		queue, err := mayTake(ctx, tx, slug, response)
		if err != nil {
			return err
		}
		if put.ItemID, put.Added, err = s.putOne(ctx, tx, actor, queue, response, why); err != nil || !put.Added {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "item.put", Object: fmt.Sprintf("item/%d", put.ItemID), What: "by hand into queue " + slug,
			After: map[string]any{"queue_id": queue.ID, "event_id": event},
		})
	})
	if err != nil {
		return Put{}, fmt.Errorf("put response %s into queue %s: %w", event, slug, err)
	}
	return put, nil
}

// mayTake is the queue, when it takes the response by hand.
func mayTake(ctx context.Context, tx pgx.Tx, slug string, r telemetry.Response) (Queue, error) {
	queue, err := oneQueue(ctx, tx, `archived_at IS NULL AND slug = $1`, slug)
	switch {
	case err != nil:
		return Queue{}, err
	case queue.Kind != "discovery":
		return Queue{}, fault.Say(fault.Invalid, "Choose a discovery queue. A queue that measures takes what its rules draw, and nothing else.")
	case queue.TaskClass != r.TaskClass:
		return Queue{}, fault.Say(fault.Invalid, "The queue is of another task class than the response. Choose one of its own.")
	case !r.HasText && !r.Consent.AllowsText():
		return Queue{}, fault.Say(fault.Invalid, "Nobody may read this response: its person did not consent to its text being read.")
	case !r.HasText:
		return Queue{}, fault.Say(fault.Invalid, "There is nothing to read: the text of this response was not kept.")
	}
	return queue, nil
}

// putOne adds the item. One that is there stays as it is.
func (s *Store) putOne(ctx context.Context, tx pgx.Tx, actor auth.Actor, queue Queue, r telemetry.Response, why string) (item int64, added bool, err error) {
	candidate, flags, err := s.chosen(ctx, tx, actor, r)
	if err != nil {
		return 0, false, err
	}
	salt, u, err := s.placeOf(ctx, tx, queue, candidate)
	if err != nil {
		return 0, false, err
	}
	snapshot := snapshotOf(r)
	// The rule is that of what no other rule takes, as an item has to name one.
	err = tx.QueryRow(ctx, `
		INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, prompt_template_id, evidence_version,
		                   event_time, frame_day, priority_class, design, salt_id, u, rule_id, impact,
		                   flags, reasons, source, title, snapshot, wanted, language)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'discovery', $11, $12, r.id, $13, $14, $15, 'hand', $16, $17, $18, $19
		FROM queue_rules r JOIN queues q ON q.id = r.queue_id
		WHERE q.task_class = $4 AND q.kind = 'standard' AND r.part = ''
		ORDER BY q.archived_at IS NULL DESC, r.version DESC
		LIMIT 1
		ON CONFLICT (queue_id, event_id) DO NOTHING
		RETURNING id`,
		queue.ID, r.EventID, r.SessionID, r.TaskClass, r.ModelVersion, r.PromptTemplateID, r.EvidenceVersion,
		r.EffectiveTime, frameDay(r.EffectiveTime), candidate.PriorityClass, salt, u, candidate.Impact,
		flags, reasonsIn(flags), titleFor(snapshot), snapshot, queue.LabelsWanted, languageFor(snapshot)).Scan(&item)
	if err == nil {
		_, err = tx.Exec(ctx, `INSERT INTO put_texts (item_id, why) VALUES ($1, $2)`, item, why)
		return item, true, err
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return 0, false, err
	}
	var removed bool
	err = tx.QueryRow(ctx, `SELECT id, removed_at IS NOT NULL FROM items WHERE queue_id = $1 AND event_id = $2`, queue.ID, r.EventID).Scan(&item, &removed)
	if err == nil && removed {
		err = fault.Say(fault.Conflict, "This response was taken out of the queue, and what was taken out stays out. Choose another queue.")
	}
	return item, false, err
}

// chosen is the response as a candidate: as grave and as weighty as it is
// known to be where it was considered before, with its flags and the person's.
func (s *Store) chosen(ctx context.Context, tx pgx.Tx, actor auth.Actor, r telemetry.Response) (telemetry.Candidate, []ItemFlag, error) {
	candidate := telemetry.Candidate{
		EventID: r.EventID, TaskClass: r.TaskClass, Impact: r.Impact, EffectiveTime: r.EffectiveTime, PriorityClass: telemetry.RandomClass,
	}
	c := &consideration{s: s, tx: tx, actor: actor}
	before, err := c.decidedBefore(ctx, []telemetry.Candidate{candidate})
	if err != nil {
		return candidate, nil, err
	}
	was, known := before[r.EventID]
	if known {
		candidate.PriorityClass = was.PriorityClass
	}
	if r.UnsafeClaimServed {
		candidate.PriorityClass = Safety
	}
	if candidate.Impact == 0 {
		candidate.Impact = telemetry.OwnImpact(r.ActionType)
		if known && was.ItemID != nil {
			if err := tx.QueryRow(ctx, `SELECT impact FROM items WHERE id = $1`, *was.ItemID).Scan(&candidate.Impact); err != nil {
				return candidate, nil, err
			}
		}
	}
	candidate.Impact = min(5, max(1, candidate.Impact))
	var flags []ItemFlag
	for _, f := range was.ItemFlags {
		if f.Reason != string(telemetry.Random) { // no draw brought it here
			flags = append(flags, f)
		}
	}
	return candidate, append(flags, ItemFlag{Reason: ByHand, At: time.Now(), SourceEventID: r.EventID}), nil
}

// placeOf is where in its class and day the queue serves the response.
func (s *Store) placeOf(ctx context.Context, tx pgx.Tx, queue Queue, candidate telemetry.Candidate) (salt string, u float64, err error) {
	var words string
	if err := tx.QueryRow(ctx, `SELECT id, salt FROM sampling_salts ORDER BY created_at DESC, id DESC LIMIT 1`).Scan(&salt, &words); err != nil {
		return "", 0, err
	}
	u = stats.HashUniform(words, candidate.EventID.String())
	if queue.BySize {
		c := &consideration{s: s, tx: tx}
		u, _, err = c.placeBySize(ctx, &filling{queue: queue}, candidate, u)
	}
	return salt, u, err
}

// Shelf is a discovery queue as somebody sees it who has a response to put there.
type Shelf struct {
	Slug, Title string
	There       bool   // the response is in it
	Out         bool   // it was, and was taken out
	Why         string // of whoever put it there by hand
}

// Shelves lists the discovery queues of a task class, by title, each with what
// it has of the response, and the address of the queue that measures the class,
// "" where there is none.
func (s *Store) Shelves(ctx context.Context, actor auth.Actor, taskClass string, event uuid.UUID) (list []Shelf, measures string, err error) {
	if err := actor.Require(auth.Configure); err != nil {
		return nil, "", err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT q.slug, q.title, i.id IS NOT NULL AND i.removed_at IS NULL AS there, i.removed_at IS NOT NULL AS out,
		       coalesce(t.why, '') AS why
		FROM queues q
		LEFT JOIN items i ON i.queue_id = q.id AND i.event_id = $2
		LEFT JOIN put_texts t ON t.item_id = i.id
		WHERE q.kind = 'discovery' AND q.archived_at IS NULL AND q.task_class = $1
		ORDER BY q.title, q.id
		LIMIT 200`, taskClass, event)
	if list, err = pgx.CollectRows(rows, pgx.RowToStructByName[Shelf]); err != nil {
		return nil, "", fmt.Errorf("discovery queues of %q: %w", taskClass, err)
	}
	standard, err := oneQueue(ctx, s.DB, `kind = 'standard' AND archived_at IS NULL AND task_class = $1`, taskClass)
	if err != nil && fault.Of(err) != fault.NotFound {
		return nil, "", err
	}
	return list, standard.Slug, nil
}
