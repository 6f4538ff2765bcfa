package labeling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Skills are what a labeler can judge. A kind without an entry is no limit.
type Skills struct {
	TaskClasses []string `json:"task_classes"`
	Languages   []string `json:"languages"` // ISO 639-1
}

// Judges reports whether the labeler judges answers of the task class.
func (s Skills) Judges(taskClass string) bool {
	return len(s.TaskClasses) == 0 || slices.Contains(s.TaskClasses, taskClass)
}

// Reads reports whether the labeler reads the language; one that is not known
// asks for nothing.
func (s Skills) Reads(language string) bool {
	return language == "" || len(s.Languages) == 0 || slices.Contains(s.Languages, language)
}

// understood holds of items that the labeler $2 reads.
const understood = `(language = ''
	OR (SELECT languages = '{}' FROM labelers WHERE id = $2)
	OR language = ANY ((SELECT languages FROM labelers WHERE id = $2)::text[]))`

// understanding narrows a way to an item to what the labeler reads. Only for
// whom a language is set: the others need not ask of each item.
func understanding(statement string) string {
	return strings.Replace(statement, "FROM items\n\t\t\tWHERE queue_id = $1", "FROM items\n\t\t\tWHERE queue_id = $1 AND "+understood, 1)
}

// mostSkills bounds what may be set of one person.
const mostSkills = 100

// SetSkills sets what the person can judge; empty lists are no limit. What
// they hold already stays with them.
func (s *Store) SetSkills(ctx context.Context, actor auth.Actor, person int64, skills Skills) error {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return err
	}
	skills, err := skills.checked()
	if err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var there bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM people WHERE id = $1)`, person).Scan(&there); err != nil {
			return err
		}
		if !there {
			return fmt.Errorf("skills of person %d: %w", person, fault.NotFound)
		}
		labeler, err := s.labeler(ctx, tx, fmt.Sprintf("person/%d", person), "person_id", person)
		if err != nil {
			return err
		}
		var before Skills
		err = tx.QueryRow(ctx, `SELECT task_classes, languages FROM labelers WHERE id = $1 FOR UPDATE`, labeler).Scan(&before.TaskClasses, &before.Languages)
		if err != nil || slices.Equal(before.TaskClasses, skills.TaskClasses) && slices.Equal(before.Languages, skills.Languages) {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE labelers SET task_classes = $2, languages = $3 WHERE id = $1`, labeler, skills.TaskClasses, skills.Languages); err != nil {
			return fmt.Errorf("skills of person %d: %w", person, err)
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "person.skills", Object: fmt.Sprintf("person/%d", person), Before: before, After: skills,
		})
	})
}

func (s Skills) checked() (Skills, error) {
	sorted := func(list []string) []string {
		list = slices.DeleteFunc(slices.Clone(list), func(one string) bool { return one == "" })
		slices.Sort(list)
		return append([]string{}, slices.Compact(list)...)
	}
	s.TaskClasses, s.Languages = sorted(s.TaskClasses), sorted(s.Languages)
	if len(s.TaskClasses) > mostSkills || slices.ContainsFunc(s.TaskClasses, func(class string) bool { return len(class) > 200 }) {
		return s, fault.Say(fault.Invalid, "At most %d task classes, each of at most 200 characters.", mostSkills)
	}
	for _, language := range s.Languages {
		if !slices.Contains(Languages, language) {
			return s, fault.Say(fault.Invalid, "A language is one of %s.", strings.Join(Languages, ", "))
		}
	}
	return s, nil
}

// OwnSkills returns what the actor can judge.
func (s *Store) OwnSkills(ctx context.Context, actor auth.Actor) (Skills, error) {
	if err := actor.Require(auth.Label); err != nil {
		return Skills{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Skills{}, err
	}
	return skillsOf(ctx, s.DB, labeler)
}

func skillsOf(ctx context.Context, db postgres.DB, labeler int64) (able Skills, err error) {
	err = db.QueryRow(ctx, `SELECT task_classes, languages FROM labelers WHERE id = $1`, labeler).Scan(&able.TaskClasses, &able.Languages)
	if err != nil {
		return able, fmt.Errorf("skills of labeler %d: %w", labeler, err)
	}
	return able, nil
}

// PeopleSkills returns what is set of each person, by people's id, and the
// task classes that there are queues for.
func (s *Store) PeopleSkills(ctx context.Context, actor auth.Actor) (map[int64]Skills, []string, error) {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return nil, nil, err
	}
	byPerson := map[int64]Skills{}
	var person int64
	var one Skills
	rows, _ := s.DB.Query(ctx, `SELECT person_id, task_classes, languages FROM labelers WHERE person_id IS NOT NULL`)
	_, err := pgx.ForEachRow(rows, []any{&person, &one.TaskClasses, &one.Languages}, func() error {
		byPerson[person] = one
		one = Skills{}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("skills of people: %w", err)
	}
	rows, _ = s.DB.Query(ctx, `SELECT DISTINCT task_class FROM queues WHERE archived_at IS NULL ORDER BY 1 LIMIT 200`)
	classes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return byPerson, classes, err
}

// mayBeGiven refuses to assign what a person cannot judge.
func mayBeGiven(ctx context.Context, tx pgx.Tx, labeler, queue int64) error {
	able, err := skillsOf(ctx, tx, labeler)
	if err != nil {
		return err
	}
	q, err := oneQueue(ctx, tx, `id = $1`, queue)
	if err != nil || able.Judges(q.TaskClass) {
		return err
	}
	return fault.Say(fault.Invalid, "They do not judge answers of the class %s: their skills say which they do.", q.TaskClass)
}

// Stranded is a part of a queue that waits and that nobody who is here can
// judge.
type Stranded struct {
	Language string   // "" is all of the queue: its task class
	Items    int64    // free to reserve
	Able     []string // who could, the last seen first; empty is nobody at all
	LastSeen *time.Time
}

// here is how long after their last request somebody still counts as present.
const hereFor = 30 * time.Minute

// Stranded lists what nobody present can judge in the queue: a task class or a
// language that those who were seen in the last half hour do not have. It is
// empty when everything that waits has somebody.
func (s *Store) Stranded(ctx context.Context, actor auth.Actor, queue Queue) ([]Stranded, error) {
	if err := mayReadQueues(actor); err != nil {
		return nil, err
	}
	known, err := s.numbers(ctx, queue.ID)
	if err != nil || known.Free() == 0 {
		return nil, err
	}
	people, err := s.whoLabels(ctx)
	if err != nil {
		return nil, err
	}
	if someone := slices.ContainsFunc(people, func(p ableHere) bool { return p.present }); !someone {
		// Nobody is at work: only what nobody could do at all is worth saying.
		for i := range people {
			people[i].present = true
		}
	}
	var list []Stranded
	for language, items := range known.Languages {
		one := Stranded{Language: language, Items: items}
		if items == 0 || one.find(people, queue.TaskClass) {
			continue
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Stranded) int {
		return cmp.Or(cmp.Compare(b.Items, a.Items), cmp.Compare(a.Language, b.Language))
	})
	if len(list) > 0 && !slices.ContainsFunc(people, func(p ableHere) bool { return p.Skills.Judges(queue.TaskClass) && p.present }) {
		whole := Stranded{Items: known.Free()}
		whole.find(people, queue.TaskClass)
		list = []Stranded{whole}
	}
	if !seesAll(actor) { // labelers do not see one another
		for i := range list {
			list[i].Able, list[i].LastSeen = nil, nil
		}
	}
	return list, nil
}

type ableHere struct {
	Name    string
	Skills  Skills
	Seen    *time.Time
	present bool
}

// find reports whether somebody present can judge the part, and keeps who else
// could.
func (s *Stranded) find(people []ableHere, taskClass string) bool {
	for _, p := range people {
		if !p.Skills.Judges(taskClass) || !p.Skills.Reads(s.Language) {
			continue
		}
		if p.present {
			return true
		}
		s.Able = append(s.Able, p.Name)
		if s.LastSeen == nil {
			s.LastSeen = p.Seen
		}
	}
	return false
}

// whoLabels lists everybody who may be served, the last seen first.
func (s *Store) whoLabels(ctx context.Context) ([]ableHere, error) {
	rows, _ := s.DB.Query(ctx, `
		SELECT p.name, coalesce(w.task_classes, '{}'), coalesce(w.languages, '{}'), seen.at, coalesce(seen.at > now() - $1::interval, false)
		FROM people p
		LEFT JOIN labelers w ON w.person_id = p.id
		LEFT JOIN LATERAL (SELECT greatest(
			(SELECT max(seen_at) FROM sign_in_sessions WHERE person_id = p.id),
			(SELECT created_at FROM labels WHERE labeler_id = w.id ORDER BY id DESC LIMIT 1)) AS at) AS seen ON true
		WHERE p.disabled_at IS NULL AND w.suspended_at IS NULL
		  AND EXISTS (SELECT FROM person_roles r WHERE r.person_id = p.id AND r.role IN ('labeler', 'reviewer'))
		ORDER BY seen.at DESC NULLS LAST, p.name`, hereFor)
	var list []ableHere
	var one ableHere
	_, err := pgx.ForEachRow(rows, []any{&one.Name, &one.Skills.TaskClasses, &one.Skills.Languages, &one.Seen, &one.present}, func() error {
		list = append(list, one)
		one = ableHere{}
		return nil
	})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("who labels: %w", err)
	}
	return list, nil
}
