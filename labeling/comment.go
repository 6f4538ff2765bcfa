package labeling

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Comment is what a person says to the others about an item.
type Comment struct {
	ID   int64
	Who  string
	Mine bool
	Body string
	At   time.Time
}

// Known is a person who may be mentioned on an item: they can read it there.
type Known struct {
	ID   int64
	Name string
}

// maxComment is the longest comment, in characters.
const maxComment = 4_000

// Comment says something about an item to those who may read its labels.
// Whoever is named with @ and their whole name, or among mentioned, finds it
// in their inbox; others named are passed over.
func (s *Store) Comment(ctx context.Context, actor auth.Actor, item int64, body string, mentioned []int64) error {
	if err := s.mayReadLabels(ctx, actor, item); err != nil {
		return err
	}
	body = strings.TrimSpace(body)
	if body == "" || len([]rune(body)) > maxComment {
		return fault.Say(fault.Invalid, "A comment has 1 to 4,000 characters.")
	}
	known, err := s.mentionable(ctx, actor, item)
	if err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var id int64
		if err := tx.QueryRow(ctx, `INSERT INTO comments (item_id, person_id) VALUES ($1, $2) RETURNING id`, item, actor.ID).Scan(&id); err != nil {
			return fmt.Errorf("comment on item %d: %w", item, err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO comment_texts (comment_id, body) VALUES ($1, $2)`, id, body); err != nil {
			return err
		}
		named := namedIn(body, known)
		for _, one := range known {
			if slices.Contains(mentioned, one.ID) || named[one.ID] {
				if err := notify(ctx, tx, one.ID, "mention", item, actor.ID); err != nil {
					return err
				}
			}
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "item.comment", Object: fmt.Sprintf("item/%d", item), After: map[string]any{"comment_id": id},
		})
	})
}

// namedIn are those whose whole name stands after an @: of several that begin
// alike the longest, so that @Anna Berg is not Ann, nor Anna.
func namedIn(body string, known []Known) map[int64]bool {
	named := map[int64]bool{}
	for _, rest := range strings.Split(strings.ToLower(body), "@")[1:] {
		longest := 0
		for _, one := range known {
			if n := len(one.Name); n >= longest && namesWhole(rest, strings.ToLower(one.Name)) {
				longest = n
			}
		}
		for _, one := range known {
			if len(one.Name) == longest && longest > 0 && namesWhole(rest, strings.ToLower(one.Name)) {
				named[one.ID] = true
			}
		}
	}
	return named
}

// namesWhole reports whether a text begins with a name that ends there.
func namesWhole(text, name string) bool {
	rest, ok := strings.CutPrefix(text, name)
	next, _ := utf8.DecodeRuneInString(rest)
	return ok && !unicode.IsLetter(next) && !unicode.IsDigit(next)
}

func (s *Store) comments(ctx context.Context, actor auth.Actor, item int64) ([]Comment, error) {
	rows, _ := s.DB.Query(ctx, `
		SELECT c.id, p.name AS who, c.person_id = $2 AS mine, coalesce(t.body, '') AS body, c.created_at AS at
		FROM comments c
		JOIN people p ON p.id = c.person_id
		LEFT JOIN comment_texts t ON t.comment_id = c.id
		WHERE c.item_id = $1
		ORDER BY c.id
		LIMIT 500`, item, actor.ID)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Comment])
	if err != nil {
		return nil, fmt.Errorf("comments on item %d: %w", item, err)
	}
	return list, nil
}

// mentionable lists whoever can read what is said of the item: reviewers,
// engineers, release managers and auditors who hold nothing of it, and its
// labelers. Labelers do not learn who else labeled.
func (s *Store) mentionable(ctx context.Context, actor auth.Actor, item int64) ([]Known, error) {
	rows, _ := s.DB.Query(ctx, `
		SELECT p.id, p.name
		FROM people p
		WHERE p.disabled_at IS NULL AND p.id <> $2
		  AND (EXISTS (SELECT FROM person_roles r WHERE r.person_id = p.id AND r.role IN ('reviewer', 'engineer', 'release_manager', 'auditor'))
		       OR $3 AND EXISTS (SELECT FROM labels l JOIN labelers w ON w.id = l.labeler_id WHERE l.item_id = $1 AND w.person_id = p.id)
		       OR EXISTS (SELECT FROM comments c WHERE c.item_id = $1 AND c.person_id = p.id))
		  AND NOT EXISTS (
			SELECT FROM reservations h JOIN labelers w ON w.id = h.labeler_id
			WHERE h.item_id = $1 AND w.person_id = p.id AND h.state = 'held' AND h.lease_until > clock_timestamp())
		ORDER BY lower(p.name), p.id
		LIMIT 200`, item, actor.ID, seesAll(actor))
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Known])
	if err != nil {
		return nil, fmt.Errorf("who may be mentioned on item %d: %w", item, err)
	}
	return list, nil
}

// Notice is a line of a person's inbox.
type Notice struct {
	ID     int64
	Kind   string // mention, disputed, decided
	ItemID int64
	Title  string // of the item
	Queue  string
	From   string
	At     time.Time
	ReadAt *time.Time
}

func notify(ctx context.Context, tx pgx.Tx, person int64, kind string, item, from int64) error {
	if person == from {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO notices (person_id, kind, item_id, from_id) VALUES ($1, $2, $3, $4)`, person, kind, item, from)
	if err != nil {
		return fmt.Errorf("notify person %d: %w", person, err)
	}
	return nil
}

// Inbox lists what came for the actor, the newest first. Who disputed or
// decided is not said to a labeler; who mentions them is.
func (s *Store) Inbox(ctx context.Context, actor auth.Actor) ([]Notice, error) {
	if actor.Kind != auth.Person {
		return nil, fault.Denied
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT n.id, n.kind, n.item_id, i.title, q.title AS queue,
		       CASE WHEN n.kind = 'mention' OR $2 THEN coalesce(p.name, '') ELSE '' END AS from, n.created_at AS at, n.read_at
		FROM notices n
		JOIN items i ON i.id = n.item_id
		JOIN queues q ON q.id = i.queue_id
		LEFT JOIN people p ON p.id = n.from_id
		WHERE n.person_id = $1
		ORDER BY n.id DESC
		LIMIT 100`, actor.ID, seesAll(actor))
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Notice])
	if err != nil {
		return nil, fmt.Errorf("inbox of person %d: %w", actor.ID, err)
	}
	return list, nil
}

// Unread counts what the actor has not read.
func (s *Store) Unread(ctx context.Context, actor auth.Actor) (int, error) {
	if actor.Kind != auth.Person {
		return 0, nil
	}
	var n int
	err := s.DB.QueryRow(ctx, unreadQuery, actor.ID).Scan(&n)
	return n, err
}

const unreadQuery = `SELECT count(*) FROM notices WHERE person_id = $1 AND read_at IS NULL`

// ReadNotices marks what concerns an item as read by the actor; 0 is all.
func (s *Store) ReadNotices(ctx context.Context, actor auth.Actor, item int64) error {
	if actor.Kind != auth.Person {
		return fault.Denied
	}
	_, err := s.DB.Exec(ctx, `
		UPDATE notices SET read_at = clock_timestamp()
		WHERE person_id = $1 AND read_at IS NULL AND ($2 = 0 OR item_id = $2)`, actor.ID, item)
	return err
}
