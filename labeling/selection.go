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
	Argument string // of the act, as the database has it
	Changed  int    // items the act changed
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

// maxSelected bounds a selection: an act on more is a change of the rules. A
// test lowers it.
var maxSelected = 100_000

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
			ORDER BY id
			LIMIT $8`, id, queue.ID, append([]int64{}, f.Items...), f.Class, f.Reason, f.Model, f.State, maxSelected+1)
		switch {
		case err != nil:
			return err
		case tag.RowsAffected() == 0:
			return fault.Say(fault.Invalid, "No item of the queue meets that. Nothing was selected.")
		case int(tag.RowsAffected()) > maxSelected:
			return fault.Say(fault.Invalid, "More than %d items of the queue meet that. Narrow it by class, flag, model or state.", maxSelected)
		}
		return nil
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
		SELECT id, queue_id, made_by, filter, made_at, act, target, argument, changed, acted_at, undone, undone_at,
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

// bulkAct is what is done to the items of a selection.
type bulkAct struct {
	due   string // of those that nobody holds at this moment, the items it would change; $2 is its argument
	set   string
	still string // the item is as the act left it, so that undo may take it back
	back  string // how: was.x is what x was before
	arg   string // a level, a labeler, the name of the actor
}

// lift puts items first, last or in order; $2 is the level.
var lift = bulkAct{
	due: `i.lifted <> $2::text::smallint`, set: `lifted = $2::text::smallint`,
	still: `i.lifted = $2::text::smallint`, back: `lifted = was.lifted`,
}

const broughtBack = `removed_at = NULL, removed_by = NULL, removed_reason = NULL`

// actsOf names them. Undo leaves alone whatever somebody did to an item since,
// be it a label or another act.
var actsOf = map[string]bulkAct{
	"remove": {
		due: `true`, set: `removed_at = now(), removed_by = $2, removed_reason = 'bulk'`,
		still: `i.removed_reason = 'bulk' AND i.removed_by = $2`, back: broughtBack,
	},
	"move": {
		due: `i.labeled = 0`, set: `removed_at = now(), removed_by = $2, removed_reason = 'moved'`,
		still: `i.removed_reason = 'moved' AND i.removed_by = $2 AND NOT EXISTS (
			SELECT FROM items there JOIN queues q ON q.id = there.queue_id
			JOIN selections s ON s.id = $1 AND s.target = q.slug
			WHERE there.event_id = i.event_id AND there.removed_at IS NULL)`,
		back: broughtBack,
	},
	"requeue": {
		due: `i.labeled >= i.wanted AND i.wanted < 99`, set: `wanted = i.wanted + 1, done_at = NULL`,
		still: `i.wanted = was.wanted + 1 AND i.taken <= was.wanted`,
		back:  `wanted = was.wanted, done_at = CASE WHEN i.labeled >= was.wanted THEN coalesce(i.done_at, now()) END`,
	},
	"assign": {
		due: `i.assigned_to IS DISTINCT FROM nullif($2::text, '')::bigint`, set: `assigned_to = nullif($2::text, '')::bigint`,
		still: `i.assigned_to IS NOT DISTINCT FROM nullif($2::text, '')::bigint`, back: `assigned_to = was.assigned_to`,
	},
	"first": lift, "last": lift, "normal": lift,
}

// levels are the arguments of lift.
var levels = map[string]string{"first": "1", "last": "-1", "normal": "0"}

// mark locks what the act will change, in the order of the items, and keeps
// what it takes away.
func (a bulkAct) mark() string {
	return `
		WITH due AS (
			SELECT i.id, i.assigned_to, i.lifted, i.wanted
			FROM selection_items c JOIN items i ON i.id = c.item_id
			WHERE c.selection_id = $1 AND i.removed_at IS NULL AND i.taken = i.labeled AND $2::text IS NOT NULL AND (` + a.due + `)
			ORDER BY i.id
			FOR NO KEY UPDATE OF i
		)
		UPDATE selection_items c
		SET changed = true, assigned_to = due.assigned_to, lifted = due.lifted, wanted = due.wanted
		FROM due
		WHERE c.selection_id = $1 AND c.item_id = due.id`
}

func (a bulkAct) apply() string {
	return `UPDATE items i SET ` + a.set + ` FROM selection_items was WHERE was.selection_id = $1 AND was.changed AND i.id = was.item_id AND $2::text IS NOT NULL`
}

func (a bulkAct) takeBack() string {
	return `
		WITH still AS (
			SELECT i.id, was.assigned_to, was.lifted, was.wanted
			FROM selection_items was JOIN items i ON i.id = was.item_id
			WHERE was.selection_id = $1 AND was.changed AND i.taken = i.labeled AND $2::text IS NOT NULL AND (` + a.still + `)
			ORDER BY i.id
			FOR NO KEY UPDATE OF i
		)
		UPDATE items i SET ` + a.back + ` FROM still was WHERE i.id = was.id`
}

// Apply does the act to the items of the selection, once. Items that somebody
// holds, or that moved on since, are left alone and not counted. target is the
// address of a queue for move, the id of a person for assign ("" is nobody).
func (s *Store) Apply(ctx context.Context, actor auth.Actor, id int64, name, target string) (Selection, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Selection{}, err
	}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		selection, err := selectionOf(ctx, tx, actor, id, "FOR UPDATE")
		if err != nil {
			return err
		}
		if selection.Act != nil {
			if *selection.Act == name && selection.Target == target {
				return nil // the second of two clicks
			}
			return fault.Say(fault.Conflict, "This selection was acted on already. Select again.")
		}
		does, err := s.actOf(ctx, tx, selection, actor, name, target)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, does.mark(), id, does.arg)
		if err == nil {
			_, err = tx.Exec(ctx, does.apply(), id, does.arg)
		}
		if err != nil {
			return fmt.Errorf("%s selection %d: %w", name, id, err)
		}
		if name == "move" {
			if err := moveTo(ctx, tx, id, target); err != nil {
				return err
			}
		}
		changed := int(tag.RowsAffected())
		_, err = tx.Exec(ctx, `
			UPDATE selections SET act = $2, target = $3, changed = $4, acted_at = clock_timestamp(), argument = $5 WHERE id = $1`, id, name, target, changed, does.arg)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "items." + name, Object: fmt.Sprintf("selection/%d", id), What: fmt.Sprintf("%d items: %s", changed, selection.Filter),
			After: map[string]any{"queue_id": selection.QueueID, "items": changed, "target": target},
		})
	})
	if err != nil {
		return Selection{}, err
	}
	return s.Selection(ctx, actor, id)
}

// actOf is the act of that name with its argument.
func (s *Store) actOf(ctx context.Context, tx pgx.Tx, selection Selection, actor auth.Actor, name, target string) (bulkAct, error) {
	does, known := actsOf[name]
	if !known {
		return bulkAct{}, fault.Say(fault.Invalid, "Choose what to do with the selection.")
	}
	var err error
	switch name {
	case "remove":
		does.arg = actor.Name
	case "move":
		does.arg, err = actor.Name, mayMoveTo(ctx, tx, selection, target)
	case "assign":
		does.arg, err = s.assignee(ctx, tx, selection, target)
	default:
		does.arg = levels[name]
	}
	return does, err
}

// assignee is the labeler that the person of that id is; "" is nobody.
func (s *Store) assignee(ctx context.Context, tx pgx.Tx, selection Selection, target string) (string, error) {
	if target == "" {
		return "", nil
	}
	var person int64
	err := tx.QueryRow(ctx, `
		SELECT p.id FROM people p
		WHERE p.id::text = $1 AND p.disabled_at IS NULL
		  AND EXISTS (SELECT FROM person_roles r WHERE r.person_id = p.id AND r.role IN ('labeler', 'reviewer'))`, target).Scan(&person)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", fault.Say(fault.Invalid, "Choose a person who labels.")
	}
	if err != nil {
		return "", err
	}
	labeler, err := s.labeler(ctx, tx, "person/"+target, "person_id", person)
	if err == nil {
		err = mayBeGiven(ctx, tx, labeler, selection.QueueID)
	}
	return strconv.FormatInt(labeler, 10), err
}

func mayMoveTo(ctx context.Context, tx pgx.Tx, selection Selection, target string) error {
	from, err := oneQueue(ctx, tx, `id = $1`, selection.QueueID)
	if err != nil {
		return err
	}
	to, err := oneQueue(ctx, tx, `archived_at IS NULL AND slug = $1`, target)
	if err != nil || to.Kind != "discovery" || to.TaskClass != from.TaskClass || to.ID == from.ID {
		return fault.Say(fault.Invalid, "Items move to a discovery queue of the same task class: a queue that measures takes what its rules draw, and nothing else.")
	}
	return nil
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
		tag, err := tx.Exec(ctx, actsOf[*selection.Act].takeBack(), id, selection.Argument)
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
