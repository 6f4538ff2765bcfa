package labeling

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Selection is a frozen set of items of one queue that a person acts on as a
// whole: exactly those that met its filter when it was made.
type Selection struct {
	ID       int64
	QueueID  int64
	MadeBy   int64
	Filter   string // in words
	MadeAt   time.Time
	Act      *string
	Target   string
	Changed  int // items the act changed
	ActedAt  *time.Time
	Undone   int
	UndoneAt *time.Time
	Count    int // items in it, exactly
	Ready    int // of them, items that an act may still change: nobody has them now
}

// SelectionFilter says which items of a queue: what is empty selects all.
type SelectionFilter struct {
	Class  string  // priority class
	Reason string  // a flag
	Model  string  // model version
	State  string  // free, passed_over, done
	Items  []int64 // or exactly these
}

// maxSelected bounds a selection: an act on more is a change of the rules.
const maxSelected = 100_000

// Acts are what may be done to a selection.
var Acts = []string{"remove", "requeue", "first", "last", "normal", "assign", "move"}

func (f SelectionFilter) words() string {
	var words []string
	if len(f.Items) > 0 {
		words = append(words, "chosen one by one")
	}
	for _, one := range []struct{ name, value string }{{"class", f.Class}, {"flag", f.Reason}, {"model", f.Model}, {"state", f.State}} {
		if one.value != "" {
			words = append(words, one.name+" "+strings.ReplaceAll(one.value, "_", " "))
		}
	}
	if len(words) == 0 {
		return "all that is not done"
	}
	return strings.Join(words, ", ")
}

// Select freezes the items of a queue that meet the filter.
func (s *Store) Select(ctx context.Context, actor auth.Actor, queue Queue, f SelectionFilter) (Selection, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Selection{}, err
	}
	if len(f.Items) > 1000 || len(f.Model) > 200 || len(f.Reason) > 50 {
		return Selection{}, fault.Say(fault.Invalid, "Choose at most 1,000 items one by one, or a filter.")
	}
	var id int64
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO selections (queue_id, made_by, filter) VALUES ($1, $2, $3)
			RETURNING id`, queue.ID, actor.ID, f.words()).Scan(&id)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			INSERT INTO selection_items (selection_id, item_id, assigned_to, lifted, wanted)
			SELECT $1, id, assigned_to, lifted, wanted FROM items
			WHERE queue_id = $2 AND removed_at IS NULL
			  AND (cardinality($3::bigint[]) = 0 OR id = ANY($3))
			  AND ($4 = '' OR priority_class = $4)
			  AND ($5 = '' OR reasons @> ARRAY[$5])
			  AND ($6 = '' OR model_version = $6)
			  AND CASE $7 WHEN 'done' THEN labeled >= wanted
			              WHEN 'passed_over' THEN passed_over > 0 AND labeled < wanted
			              WHEN 'free' THEN taken = 0 AND passed_over = 0
			              ELSE cardinality($3::bigint[]) > 0 OR labeled < wanted END
			LIMIT $8`, id, queue.ID, append([]int64{}, f.Items...), f.Class, f.Reason, f.Model, f.State, maxSelected)
		if err == nil && tag.RowsAffected() == 0 {
			return fault.Say(fault.Invalid, "No item of the queue meets that. Nothing was selected.")
		}
		return err
	})
	if err != nil {
		return Selection{}, fmt.Errorf("select in queue %s: %w", queue.Slug, err)
	}
	return s.Selection(ctx, actor, id)
}

// Selection returns a selection with its exact numbers. Only who made it sees
// it.
func (s *Store) Selection(ctx context.Context, actor auth.Actor, id int64) (Selection, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Selection{}, err
	}
	return selectionOf(ctx, s.DB, actor, id, "")
}

func selectionOf(ctx context.Context, db postgres.DB, actor auth.Actor, id int64, lock string) (Selection, error) {
	rows, _ := db.Query(ctx, `
		SELECT id, queue_id, made_by, filter, made_at, act, target, changed, acted_at, undone, undone_at,
		       (SELECT count(*) FROM selection_items c WHERE c.selection_id = selections.id)::int AS count,
		       (SELECT count(*) FROM selection_items c JOIN items i ON i.id = c.item_id
		        WHERE c.selection_id = selections.id AND i.taken = i.labeled AND i.removed_at IS NULL)::int AS ready
		FROM selections
		WHERE id = $1 AND made_by = $2 `+lock, id, actor.ID)
	selection, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Selection])
	if errors.Is(err, pgx.ErrNoRows) {
		return Selection{}, fmt.Errorf("selection %d: %w", id, fault.NotFound)
	}
	return selection, err
}

// Preview lists the first items of a selection, in the order they are served.
func (s *Store) Preview(ctx context.Context, actor auth.Actor, selection Selection, limit int) ([]Brief, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, briefQuery+`
		WHERE i.id IN (SELECT item_id FROM selection_items WHERE selection_id = $1)
		ORDER BY i.harm, i.frame_day DESC, i.u
		LIMIT $2`, selection.ID, limit)
	return pgx.CollectRows(rows, pgx.RowToStructByNameLax[Brief])
}

// The acts, each one statement over the items of a selection that nobody holds
// at this moment; $2 is who it is given to, the actor's name, or the queue.
const (
	free = ` FROM selection_items c
		WHERE c.selection_id = $1 AND i.id = c.item_id AND i.removed_at IS NULL AND i.taken = i.labeled`

	removeSelected  = `UPDATE items i SET removed_at = now(), removed_by = $2, removed_reason = 'bulk'` + free
	requeueSelected = `UPDATE items i SET wanted = i.wanted + 1, done_at = NULL` + free + ` AND i.labeled >= i.wanted AND i.wanted < 99 AND $2 = $2`
	liftSelected    = `UPDATE items i SET lifted = $2::text::smallint` + free + ` AND i.lifted <> $2::text::smallint`
	assignSelected  = `UPDATE items i SET assigned_to = nullif($2::text, '')::bigint` + free + ` AND i.assigned_to IS DISTINCT FROM nullif($2::text, '')::bigint`
	moveSelected    = `UPDATE items i SET removed_at = now(), removed_by = $2, removed_reason = 'moved'` + free + ` AND i.labeled = 0`
)

// Apply does the act to the items of the selection, once. Items that somebody
// holds, or that moved on since, are left alone and not counted. target is the
// address of a queue for move, the id of a person for assign ("" is nobody).
func (s *Store) Apply(ctx context.Context, actor auth.Actor, id int64, act, target string) (Selection, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Selection{}, err
	}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		selection, err := selectionOf(ctx, tx, actor, id, "FOR UPDATE")
		if err != nil {
			return err
		}
		if selection.Act != nil {
			if *selection.Act == act && selection.Target == target {
				return nil // the second of two clicks
			}
			return fault.Say(fault.Conflict, "This selection was acted on already. Select again.")
		}
		statement, arg, err := s.statementOf(ctx, tx, selection, actor, act, target)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			WITH acted AS (`+statement+` RETURNING i.id)
			UPDATE selection_items SET changed = true
			WHERE selection_id = $1 AND item_id IN (SELECT id FROM acted)`, id, arg)
		if err != nil {
			return fmt.Errorf("%s selection %d: %w", act, id, err)
		}
		if act == "move" {
			if err := moveTo(ctx, tx, id, target); err != nil {
				return err
			}
		}
		changed := int(tag.RowsAffected())
		_, err = tx.Exec(ctx, `
			UPDATE selections SET act = $2, target = $3, changed = $4, acted_at = clock_timestamp() WHERE id = $1`, id, act, target, changed)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "items." + act, Object: fmt.Sprintf("selection/%d", id), What: fmt.Sprintf("%d items: %s", changed, selection.Filter),
			After: map[string]any{"queue_id": selection.QueueID, "items": changed, "target": target},
		})
	})
	if err != nil {
		return Selection{}, err
	}
	return s.Selection(ctx, actor, id)
}

func (s *Store) statementOf(ctx context.Context, tx pgx.Tx, selection Selection, actor auth.Actor, act, target string) (statement string, arg any, err error) {
	switch act {
	case "remove":
		return removeSelected, actor.Name, nil
	case "requeue":
		return requeueSelected, "", nil
	case "first":
		return liftSelected, "1", nil
	case "last":
		return liftSelected, "-1", nil
	case "normal":
		return liftSelected, "0", nil
	case "assign":
		if target == "" {
			return assignSelected, "", nil
		}
		var person int64
		err := tx.QueryRow(ctx, `
			SELECT p.id FROM people p
			WHERE p.id::text = $1 AND p.disabled_at IS NULL
			  AND EXISTS (SELECT FROM person_roles r WHERE r.person_id = p.id AND r.role IN ('labeler', 'reviewer'))`, target).Scan(&person)
		if errors.Is(err, pgx.ErrNoRows) {
			return "", nil, fault.Say(fault.Invalid, "Choose a person who labels.")
		}
		if err != nil {
			return "", nil, err
		}
		labeler, err := s.labeler(ctx, tx, "person/"+target, "person_id", person)
		if err == nil {
			err = mayBeGiven(ctx, tx, labeler, selection.QueueID)
		}
		return assignSelected, strconv.FormatInt(labeler, 10), err
	case "move":
		from, err := oneQueue(ctx, tx, `id = $1`, selection.QueueID)
		if err != nil {
			return "", nil, err
		}
		to, err := oneQueue(ctx, tx, `archived_at IS NULL AND slug = $1`, target)
		if err != nil || to.Kind != "discovery" || to.TaskClass != from.TaskClass || to.ID == from.ID {
			return "", nil, fault.Say(fault.Invalid, "Items move to a discovery queue of the same task class: a queue that measures takes what its rules draw, and nothing else.")
		}
		return moveSelected, actor.Name, nil
	}
	return "", nil, fault.Say(fault.Invalid, "Choose what to do with the selection.")
}

// moveTo makes the moved items anew in their other queue. There they stand for
// nothing but themselves; in the one they left they are nonresponse.
func moveTo(ctx context.Context, tx pgx.Tx, selection int64, target string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, prompt_template_id, evidence_version,
		                   event_time, frame_day, priority_class, design, salt_id, u, rule_id, impact,
		                   flags, reasons, source, title, snapshot, wanted, language)
		SELECT q.id, i.event_id, i.session_id, i.task_class, i.model_version, i.prompt_template_id, i.evidence_version,
		       i.event_time, i.frame_day, i.priority_class, 'discovery', i.salt_id, i.u, i.rule_id, i.impact,
		       i.flags, i.reasons, 'hand', i.title, i.snapshot, q.labels_wanted, i.language
		FROM selection_items c
		JOIN items i ON i.id = c.item_id
		JOIN queues q ON q.slug = $2
		WHERE c.selection_id = $1 AND c.changed
		ON CONFLICT (queue_id, event_id) DO UPDATE
		SET removed_at = NULL, removed_by = NULL, removed_reason = NULL`, selection, target)
	if err != nil {
		return fmt.Errorf("move selection %d to %s: %w", selection, target, err)
	}
	return nil
}

// UndoSelection takes an act back where nobody has gone on with an item since,
// and counts those.
func (s *Store) UndoSelection(ctx context.Context, actor auth.Actor, id int64) (Selection, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Selection{}, err
	}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		selection, err := selectionOf(ctx, tx, actor, id, "FOR UPDATE")
		if err != nil {
			return err
		}
		if selection.Act == nil || selection.UndoneAt != nil {
			return nil
		}
		if *selection.Act == "move" {
			if err := takeBack(ctx, tx, selection, actor); err != nil {
				return err
			}
		}
		tag, err := tx.Exec(ctx, `
			UPDATE items i
			SET removed_at = NULL, removed_by = NULL, removed_reason = NULL,
			    lifted = c.lifted, assigned_to = c.assigned_to,
			    wanted = CASE WHEN $2 = 'requeue' AND i.taken < i.wanted THEN greatest(c.wanted, i.taken) ELSE i.wanted END,
			    done_at = CASE WHEN $2 = 'requeue' AND i.taken = i.labeled AND i.labeled >= c.wanted THEN coalesce(i.done_at, now()) ELSE i.done_at END
			FROM selection_items c
			WHERE c.selection_id = $1 AND c.changed AND i.id = c.item_id AND i.taken = i.labeled
			  AND ($2 <> 'requeue' OR i.taken < i.wanted)
			  AND ($2 NOT IN ('remove', 'move') OR i.removed_at IS NOT NULL)
			  AND ($2 <> 'move' OR NOT EXISTS (
			       SELECT FROM items there JOIN queues q ON q.id = there.queue_id
			       WHERE q.slug = $3 AND there.event_id = i.event_id AND there.removed_at IS NULL))`, id, *selection.Act, selection.Target)
		if err != nil {
			return fmt.Errorf("undo selection %d: %w", id, err)
		}
		undone := int(tag.RowsAffected())
		if _, err := tx.Exec(ctx, `UPDATE selections SET undone = $2, undone_at = clock_timestamp() WHERE id = $1`, id, undone); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "items.undo", Object: fmt.Sprintf("selection/%d", id), What: fmt.Sprintf("%d of %d items, %s", undone, selection.Changed, *selection.Act),
		})
	})
	if err != nil {
		return Selection{}, err
	}
	return s.Selection(ctx, actor, id)
}

// takeBack takes moved items out of where they went, unless somebody has
// begun with them there.
func takeBack(ctx context.Context, tx pgx.Tx, selection Selection, actor auth.Actor) error {
	_, err := tx.Exec(ctx, `
		UPDATE items there
		SET removed_at = now(), removed_by = $3, removed_reason = 'undone'
		FROM selection_items c
		JOIN items i ON i.id = c.item_id
		JOIN queues q ON q.slug = $2
		WHERE c.selection_id = $1 AND c.changed AND there.queue_id = q.id AND there.event_id = i.event_id
		  AND there.taken = 0 AND there.passed_over = 0 AND there.removed_at IS NULL`, selection.ID, selection.Target, actor.Name)
	if err != nil {
		return fmt.Errorf("take selection %d back: %w", selection.ID, err)
	}
	return nil
}

// Assignable is a person whom items may be given to.
type Assignable struct {
	ID   int64
	Name string
}

// Assignables lists the people who label, by name.
func (s *Store) Assignables(ctx context.Context, actor auth.Actor) ([]Assignable, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT p.id, p.name FROM people p
		WHERE p.disabled_at IS NULL AND EXISTS (SELECT FROM person_roles r WHERE r.person_id = p.id AND r.role IN ('labeler', 'reviewer'))
		ORDER BY 2
		LIMIT 500`)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Assignable])
}
