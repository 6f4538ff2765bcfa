package labeling

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Queue is an ordered set of items for people, filled by its rule.
type Queue struct {
	ID               int64         `json:"-"`
	Slug             string        `json:"queue"`
	Title            string        `json:"title"`
	TaskClass        string        `json:"task_class"`
	Kind             string        `json:"kind"` // standard; labels of discovery and practice queues reach no rate
	LabelsWanted     int           `json:"labels_wanted"`
	OverlapShare     float64       `json:"overlap_share"`     // of items that get a second, blind reading
	MeasurementShare float64       `json:"measurement_share"` // of reservations that serve the rate, not harm
	GoldShare        float64       `json:"-"`                 // of reservations whose right label is known; no labeler may learn which
	Lease            time.Duration `json:"-"`
	VerdictHidden    bool          `json:"verdict_hidden"`
	Blind            bool          `json:"blind"`
	SpansNeeded      bool          `json:"spans_needed"`
	Reasons          []string      `json:"reasons"` // codes, in the order of the keys 5 to 0
	CreatedAt        time.Time     `json:"-"`
	Instructions     string        `json:"instructions,omitempty"` // of its owner, to those who label in it
	BySize           bool          `json:"by_size"`                // within a class and day by impact and uncertainty; discovery only
	ArchivedAt       *time.Time    `json:"-"`
}

const queueColumns = `id, slug, title, task_class, kind, labels_wanted, overlap_share, measurement_share, gold_share, lease,
	verdict_hidden, blind, spans_needed, reasons, created_at, instructions, by_size, archived_at`

// Queues lists the queues that are worked, by title.
func (s *Store) Queues(ctx context.Context, actor auth.Actor) ([]Queue, error) {
	if err := mayReadQueues(actor); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `SELECT `+queueColumns+` FROM queues WHERE archived_at IS NULL ORDER BY title, id`)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Queue])
}

// Queue returns the queue of that address.
func (s *Store) Queue(ctx context.Context, actor auth.Actor, slug string) (Queue, error) {
	if err := mayReadQueues(actor); err != nil {
		return Queue{}, err
	}
	return s.queueBySlug(ctx, slug)
}

// mayReadQueues lets in whoever works in queues, sets them up or watches what
// comes out of them.
func mayReadQueues(actor auth.Actor) error { return actor.Require(auth.ReadQueues) }

func (s *Store) queueBySlug(ctx context.Context, slug string) (Queue, error) {
	return oneQueue(ctx, s.DB, `slug = $1`, slug)
}

func (s *Store) queueByID(ctx context.Context, id int64) (Queue, error) {
	return oneQueue(ctx, s.DB, `id = $1`, id)
}

func oneQueue(ctx context.Context, db postgres.DB, where string, arg any) (Queue, error) {
	rows, _ := db.Query(ctx, `SELECT `+queueColumns+` FROM queues WHERE `+where, arg)
	queue, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Queue])
	if errors.Is(err, pgx.ErrNoRows) {
		return Queue{}, fmt.Errorf("queue %v: %w", arg, fault.NotFound)
	}
	return queue, err
}

// ensureQueue returns the standard queue of a task class, making it with its
// first rule and guide when there is none.
func ensureQueue(ctx context.Context, tx pgx.Tx, actor auth.Actor, taskClass string) (Queue, error) {
	queue, err := oneQueue(ctx, tx, `kind = 'standard' AND archived_at IS NULL AND task_class = $1`, taskClass)
	if fault.Of(err) != fault.NotFound {
		return queue, err
	}
	guide, err := ensureGuide(ctx, tx, taskClass)
	if err != nil {
		return Queue{}, err
	}
	slug, err := freeSlug(ctx, tx, taskClass)
	if err != nil {
		return Queue{}, err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO queues (slug, title, task_class, reasons)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING`, slug, titleOf(taskClass), taskClass, reasonsOf(taskClass))
	if err != nil {
		return Queue{}, fmt.Errorf("open a queue for %q: %w", taskClass, err)
	}
	queue, err = oneQueue(ctx, tx, `kind = 'standard' AND archived_at IS NULL AND task_class = $1`, taskClass)
	if err != nil {
		return Queue{}, err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO queue_rules (queue_id, version, cap_negative, cap_implicit, cap_random, note, author)
		VALUES ($1, 1, $2, $2, $2, 'Any flag of this task class, and at random.', $3)
		ON CONFLICT DO NOTHING`, queue.ID, defaultCap, actor.Name)
	if err != nil {
		return Queue{}, err
	}
	return queue, audit.Record(ctx, tx, audit.Entry{
		Actor: actor, Action: "queue.open", Object: "queue/" + queue.Slug, After: map[string]any{"task_class": taskClass, "guide": guide.Version},
	})
}

var notSlug = regexp.MustCompile(`[^a-z0-9_]+`)

// freeSlug makes an address of a task class, which is a word of somebody
// else's program and may be anything.
func freeSlug(ctx context.Context, tx pgx.Tx, taskClass string) (string, error) {
	base := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(taskClass), "-"), "-_")
	if base == "" {
		base = "queue"
	}
	base = base[:min(len(base), 60)]
	for n := 1; ; n++ {
		slug := base
		if n > 1 {
			slug = fmt.Sprintf("%s-%d", base, n)
		}
		var taken bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM queues WHERE slug = $1)`, slug).Scan(&taken); err != nil || !taken {
			return slug, err
		}
	}
}

var titles = map[string]string{
	"spreadsheet_formula": "Formula answers",
	"sql_query":           "SQL answers",
	"code_generation":     "Code answers",
	"file_edit":           "File edits",
	"summarization":       "Summaries",
	"closed_book_qa":      "Closed-book answers",
	"rag_qa":              "Answers from documents",
	"summarize_extract":   "Extracts and summaries",
}

// titleOf names the queue of a task class as people say it.
func titleOf(taskClass string) string {
	if title, ok := titles[taskClass]; ok {
		return title
	}
	words := strings.Join(strings.FieldsFunc(taskClass, func(r rune) bool { return r == '_' || r == '-' || r == ' ' }), " ")
	if words == "" {
		return "Answers without a task class"
	}
	runes := []rune(words)
	return strings.ToUpper(string(runes[:1])) + string(runes[1:min(len(runes), 60)])
}

var reasonCodes = map[string][]string{
	"spreadsheet_formula": {"wrong_value", "wrong_range", "invented_function", "false_explanation", "ignores_question", "other"},
	"sql_query":           {"wrong_value", "wrong_result", "invented_column", "false_explanation", "ignores_question", "other"},
	"code_generation":     {"does_not_run", "wrong_result", "invented_function", "false_explanation", "ignores_question", "other"},
	"file_edit":           {"wrong_edit", "edit_missing", "edit_unasked", "false_explanation", "ignores_question", "other"},
}

func reasonsOf(taskClass string) []string {
	if codes, ok := reasonCodes[taskClass]; ok {
		return codes
	}
	return []string{"contradicts_source", "not_in_source", "invented_reference", "leaves_out", "ignores_question", "other"}
}

// Remove takes an item out of its queue for good: no rule brings it back.
func (s *Store) Remove(ctx context.Context, actor auth.Actor, item int64, reason string) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE items SET removed_at = now(), removed_by = $2, removed_reason = $3
			WHERE id = $1 AND removed_at IS NULL`, item, actor.Name, reason)
		if err != nil {
			return fmt.Errorf("remove item %d: %w", item, err)
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("remove item %d: %w", item, fault.NotFound)
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "item.remove", Object: fmt.Sprintf("item/%d", item), Reason: reason})
	})
}

// SetMix sets the share of reservations that serve the rate and not the order
// of harm.
func (s *Store) SetMix(ctx context.Context, actor auth.Actor, queue Queue, share float64) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	if !(share >= 0 && share <= 1) {
		return fault.Say(fault.Invalid, "The share of measurement lies between 0 and 100 percent.")
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE queues SET measurement_share = $2 WHERE id = $1`, queue.ID, share); err != nil {
			return fmt.Errorf("set the mix of queue %s: %w", queue.Slug, err)
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "queue.mix", Object: "queue/" + queue.Slug, What: fmt.Sprintf("measurement %.0f %%", 100*share),
			Before: map[string]float64{"measurement_share": queue.MeasurementShare}, After: map[string]float64{"measurement_share": share},
		})
	})
}
