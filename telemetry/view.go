package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// View is a named set of filters of the sessions list.
type View struct {
	ID        int64
	Name      string
	Query     string // of the list's address, without what pages it
	Shared    bool   // with everyone who may read sessions
	OwnerID   int64
	Owner     string
	Default   bool // the list opens on it, for the actor
	CreatedAt time.Time
}

// viewsEach is how many views one person may keep.
const viewsEach = 100

// Views lists the actor's views and those others share, by name.
func (s *Store) Views(ctx context.Context, actor auth.Actor) ([]View, error) {
	if err := mayKeepViews(actor); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT v.id, v.name, v.query, v.shared, v.owner_id, p.name AS owner, d.view_id IS NOT NULL AS "default", v.created_at
		FROM session_views v
		JOIN people p ON p.id = v.owner_id
		LEFT JOIN session_view_defaults d ON d.view_id = v.id AND d.person_id = $1
		WHERE v.owner_id = $1 OR v.shared
		ORDER BY lower(v.name), v.id
		LIMIT 1000`, actor.ID)
	return pgx.CollectRows(rows, pgx.RowToStructByName[View])
}

// SaveView keeps the filters under a name. A view of that name which the
// actor has already is replaced; to share one with the team is audited.
func (s *Store) SaveView(ctx context.Context, actor auth.Actor, v View) (View, error) {
	if err := mayKeepViews(actor); err != nil {
		return View{}, err
	}
	v.Name = strings.Join(strings.Fields(v.Name), " ")
	if n := utf8.RuneCountInString(v.Name); n < 1 || n > 80 {
		return View{}, fault.Say(fault.Invalid, "Give the view a name of at most 80 characters.")
	}
	if len(v.Query) > 2000 {
		return View{}, fault.Say(fault.Invalid, "These filters are too long to keep.")
	}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var before View
		err := tx.QueryRow(ctx, `SELECT query, shared FROM session_views WHERE owner_id = $1 AND name = $2 FOR UPDATE`, actor.ID, v.Name).Scan(&before.Query, &before.Shared)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		err = tx.QueryRow(ctx, `
			INSERT INTO session_views (owner_id, name, query, shared)
			SELECT $1, $2, $3, $4
			WHERE (SELECT count(*) FROM session_views WHERE owner_id = $1 AND name <> $2) < $5
			ON CONFLICT (owner_id, name) DO UPDATE SET query = EXCLUDED.query, shared = EXCLUDED.shared
			RETURNING id, owner_id, created_at`, actor.ID, v.Name, v.Query, v.Shared, viewsEach).Scan(&v.ID, &v.OwnerID, &v.CreatedAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.Invalid, "You keep 100 views already. Delete one first.")
		}
		if err != nil {
			return err
		}
		if v.Default {
			if err := setDefaultView(ctx, tx, actor.ID, v.ID); err != nil {
				return err
			}
		}
		if !v.Shared && !before.Shared {
			return nil
		}
		return recordView(ctx, tx, actor, v, before)
	})
	if err != nil {
		return View{}, fmt.Errorf("save view: %w", err)
	}
	v.Owner = actor.Name
	return v, nil
}

// ShareView shares a view with the team or takes it back. Only its owner may.
func (s *Store) ShareView(ctx context.Context, actor auth.Actor, id int64, shared bool) error {
	return s.changeView(ctx, actor, id, func(tx pgx.Tx, v View) error {
		if v.Shared == shared {
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE session_views SET shared = $2 WHERE id = $1`, id, shared); err != nil {
			return err
		}
		if !shared { // others no longer see what their list would open on
			if _, err := tx.Exec(ctx, `DELETE FROM session_view_defaults WHERE view_id = $1 AND person_id <> $2`, id, actor.ID); err != nil {
				return err
			}
		}
		after := v
		after.Shared = shared
		return recordView(ctx, tx, actor, after, v)
	})
}

// DeleteView deletes a view of the actor's; of a shared one the audit tells.
func (s *Store) DeleteView(ctx context.Context, actor auth.Actor, id int64) error {
	return s.changeView(ctx, actor, id, func(tx pgx.Tx, v View) error {
		if _, err := tx.Exec(ctx, `DELETE FROM session_views WHERE id = $1`, id); err != nil {
			return err
		}
		if !v.Shared {
			return nil
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "view.delete", Object: fmt.Sprintf("view/%d", id), What: "a shared view of sessions", Before: v})
	})
}

// OpenOn makes the sessions list open on a view, the actor's or a shared one;
// 0 lets it open on the last 24 hours again.
func (s *Store) OpenOn(ctx context.Context, actor auth.Actor, id int64) error {
	if err := mayKeepViews(actor); err != nil {
		return err
	}
	if id == 0 {
		_, err := s.DB.Exec(ctx, `DELETE FROM session_view_defaults WHERE person_id = $1`, actor.ID)
		return err
	}
	err := setDefaultView(ctx, s.DB, actor.ID, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return noView(id)
	}
	return err
}

// OpensOn returns the view the actor's list opens on, false when there is none.
func (s *Store) OpensOn(ctx context.Context, actor auth.Actor) (View, bool, error) {
	if err := mayKeepViews(actor); err != nil {
		return View{}, false, err
	}
	var v View
	err := s.DB.QueryRow(ctx, `
		SELECT v.id, v.name, v.query
		FROM session_view_defaults d
		JOIN session_views v ON v.id = d.view_id
		WHERE d.person_id = $1 AND (v.shared OR v.owner_id = $1)`, actor.ID).Scan(&v.ID, &v.Name, &v.Query)
	if errors.Is(err, pgx.ErrNoRows) {
		return View{}, false, nil
	}
	return v, err == nil, err
}

func mayKeepViews(actor auth.Actor) error {
	if actor.Kind != auth.Person {
		return fault.Say(fault.Denied, "Views belong to people.")
	}
	return actor.Require(auth.SeeSessions)
}

func noView(id int64) error {
	return fmt.Errorf("view %d: %w", id, fault.Say(fault.NotFound, "There is no such view, or it is not yours to change."))
}

// changeView locks a view of the actor's own.
func (s *Store) changeView(ctx context.Context, actor auth.Actor, id int64, change func(pgx.Tx, View) error) error {
	if err := mayKeepViews(actor); err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		v := View{ID: id, OwnerID: actor.ID}
		err := tx.QueryRow(ctx, `SELECT name, query, shared FROM session_views WHERE id = $1 AND owner_id = $2 FOR UPDATE`, id, actor.ID).Scan(&v.Name, &v.Query, &v.Shared)
		if errors.Is(err, pgx.ErrNoRows) {
			return noView(id)
		}
		if err != nil {
			return err
		}
		return change(tx, v)
	})
}

// executor is the pool or a transaction.
type executor interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func setDefaultView(ctx context.Context, db executor, person, view int64) error {
	tag, err := db.Exec(ctx, `
		INSERT INTO session_view_defaults (person_id, view_id)
		SELECT $1, id FROM session_views WHERE id = $2 AND (shared OR owner_id = $1)
		ON CONFLICT (person_id) DO UPDATE SET view_id = EXCLUDED.view_id`, person, view)
	if err == nil && tag.RowsAffected() == 0 {
		return pgx.ErrNoRows
	}
	return err
}

func recordView(ctx context.Context, tx pgx.Tx, actor auth.Actor, v, before View) error {
	action, what := "view.share", "a view of sessions is shared with the team"
	if !v.Shared {
		action, what = "view.unshare", "a view of sessions is its owner's alone"
	}
	return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: action, Object: fmt.Sprintf("view/%d", v.ID), What: what,
		Before: []any{before.Query, before.Shared}, After: []any{v.Query, v.Shared}})
}
