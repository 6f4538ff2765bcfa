package labeling

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Guide is one version of the instructions a label is given under.
type Guide struct {
	ID        int64
	TaskClass string
	Version   int
	Title     string
	Rule      string // the one rule that stands above the choices
	Body      string // markdown: headings, paragraphs, lists, emphasis
	Cases     string // worked borderline cases, as ParseCases reads them
	Change    string // what differs from the version before
	Author    string
	CreatedAt time.Time
}

const guideColumns = `id, task_class, version, title, rule, body, cases, change, author, created_at`

//go:embed guides/*.md guides/cases/*.md
var shipped embed.FS

// Guides lists the newest guide of every task class.
func (s *Store) Guides(ctx context.Context, actor auth.Actor) ([]Guide, error) {
	if err := mayReadQueues(actor); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT DISTINCT ON (task_class) `+guideColumns+` FROM guides
		ORDER BY task_class, version DESC`)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Guide])
}

// GuideOf returns the newest guide of a task class.
func (s *Store) GuideOf(ctx context.Context, actor auth.Actor, taskClass string) (Guide, error) {
	if err := mayReadQueues(actor); err != nil {
		return Guide{}, err
	}
	return newestGuide(ctx, s.DB, taskClass)
}

// GuideVersions lists all versions of a task class's guide, newest first.
func (s *Store) GuideVersions(ctx context.Context, actor auth.Actor, taskClass string) ([]Guide, error) {
	if err := mayReadQueues(actor); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT `+guideColumns+` FROM guides
		WHERE task_class = $1
		ORDER BY version DESC`, taskClass)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Guide])
	for i := range list {
		list[i] = list[i].withShipped()
	}
	return list, err
}

// ReviseGuide makes the next version. Labels name the version they were given
// under, so the old one stays.
func (s *Store) ReviseGuide(ctx context.Context, actor auth.Actor, g Guide) (Guide, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Guide{}, err
	}
	if strings.TrimSpace(g.Rule) == "" || strings.TrimSpace(g.Body) == "" || strings.TrimSpace(g.Change) == "" {
		return Guide{}, fault.Say(fault.Invalid, "A guide needs its rule, its text and a sentence on what changed.")
	}
	if _, err := ParseCases(g.Cases); err != nil {
		return Guide{}, err
	}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		before, err := newestGuide(ctx, tx, g.TaskClass)
		if err != nil {
			return err
		}
		g.Version, g.Author = before.Version+1, actor.Name
		g, err = insertGuide(ctx, tx, g)
		if postgres.Violates(err, "guides_task_class_version_key") {
			return fault.Say(fault.Conflict, "Somebody else revised this guide a moment ago. Read theirs, then revise again.")
		}
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "guide.revise", Object: "guide/" + g.TaskClass, Before: before, After: g,
		})
	})
	return g, err
}

func newestGuide(ctx context.Context, db postgres.DB, taskClass string) (Guide, error) {
	rows, _ := db.Query(ctx, `
		SELECT `+guideColumns+` FROM guides
		WHERE task_class = $1
		ORDER BY version DESC
		LIMIT 1`, taskClass)
	guide, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Guide])
	if errors.Is(err, pgx.ErrNoRows) {
		return Guide{}, fmt.Errorf("guide of %q: %w", taskClass, fault.NotFound)
	}
	return guide.withShipped(), err
}

func insertGuide(ctx context.Context, tx pgx.Tx, g Guide) (Guide, error) {
	err := tx.QueryRow(ctx, `
		INSERT INTO guides (task_class, version, title, rule, body, cases, change, author)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		RETURNING id, created_at`, g.TaskClass, g.Version, g.Title, g.Rule, g.Body, g.Cases, g.Change, g.Author).Scan(&g.ID, &g.CreatedAt)
	return g, err
}

// shipsWith is the author of what comes with the program.
const shipsWith = "Assay"

// withShipped gives a guide that came with an older program the cases that come
// with this one.
func (g Guide) withShipped() Guide {
	if g.Cases == "" && g.Version == 1 && g.Author == shipsWith {
		g.Cases = shippedCases(g.TaskClass)
	}
	return g
}

// ensureGuide returns the newest guide of a task class, or makes the first
// from what ships with the program.
func ensureGuide(ctx context.Context, tx pgx.Tx, taskClass string) (Guide, error) {
	guide, err := newestGuide(ctx, tx, taskClass)
	if fault.Of(err) != fault.NotFound {
		return guide, err
	}
	guide = shippedGuide(taskClass)
	return insertGuide(ctx, tx, guide)
}

// shippedGuide reads guides/<task class>.md: a title, a paragraph that is the
// rule, and the text. Task classes without a file of their own share one.
func shippedGuide(taskClass string) Guide {
	text, err := shipped.ReadFile("guides/" + taskClass + ".md")
	if err != nil {
		text, _ = shipped.ReadFile("guides/answers.md")
	}
	head, rest, _ := strings.Cut(strings.TrimSpace(string(text)), "\n\n")
	rule, body, _ := strings.Cut(rest, "\n\n")
	return Guide{
		TaskClass: taskClass,
		Version:   1,
		Title:     strings.TrimPrefix(head, "# "),
		Rule:      strings.Join(strings.Fields(rule), " "),
		Body:      body,
		Cases:     shippedCases(taskClass),
		Author:    shipsWith,
	}
}
