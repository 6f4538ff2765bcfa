package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"assay/migrations"
)

// migrationLock is the advisory lock that lets one migrator in at a time.
const migrationLock = 0x61737361 // "assa"

// Migration is one numbered file and when it ran; AppliedAt is zero while it
// has not.
type Migration struct {
	Name      string
	AppliedAt time.Time
}

// Migrate brings the schema at url to the newest migration, and River's own
// tables to the newest of its library. It connects as the owner; running it
// twice, or from two programs at once, changes nothing the second time.
func Migrate(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return fmt.Errorf("read the PostgreSQL address: %w", err)
	}
	defer pool.Close()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("reach PostgreSQL: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, migrationLock); err != nil {
		return err
	}
	defer conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, migrationLock)

	applied, err := applied(ctx, conn.Conn())
	if err != nil {
		return err
	}
	files, err := files(migrations.Postgres, "postgres")
	if err != nil {
		return err
	}
	for i, file := range files {
		if err := apply(ctx, conn.Conn(), file, applied); err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		// The first file made the role, so River's tables get its grants.
		if err := migrateRiver(ctx, pool); err != nil {
			return err
		}
	}
	return nil
}

// Status lists every migration this program knows, in order.
func Status(ctx context.Context, url string) ([]Migration, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("reach PostgreSQL: %w", err)
	}
	defer conn.Close(ctx)
	applied, err := applied(ctx, conn)
	if err != nil {
		return nil, err
	}
	files, err := files(migrations.Postgres, "postgres")
	if err != nil {
		return nil, err
	}
	var status []Migration
	for _, file := range files {
		status = append(status, Migration{Name: file.name, AppliedAt: applied[file.name].at})
	}
	return status, nil
}

type migrationFile struct {
	name, sql, hash string
}

type appliedFile struct {
	hash string
	at   time.Time
}

func files(from fs.FS, dir string) ([]migrationFile, error) {
	entries, err := fs.ReadDir(from, dir)
	if err != nil {
		return nil, err
	}
	var list []migrationFile
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".sql") {
			continue
		}
		text, err := fs.ReadFile(from, path.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		list = append(list, migrationFile{strings.TrimSuffix(entry.Name(), ".sql"), string(text), hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(list, func(a, b migrationFile) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

func applied(ctx context.Context, conn *pgx.Conn) (map[string]appliedFile, error) {
	_, err := conn.Exec(ctx, `
		CREATE TABLE IF NOT EXISTS schema_migrations (
			name       text PRIMARY KEY,
			sha256     text NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT now(),
			applied_by text NOT NULL DEFAULT current_user
		)`)
	if err != nil {
		return nil, fmt.Errorf("keep the list of migrations: %w", err)
	}
	rows, err := conn.Query(ctx, `SELECT name, sha256, applied_at FROM schema_migrations`)
	if err != nil {
		return nil, err
	}
	list := map[string]appliedFile{}
	var name string
	var file appliedFile
	_, err = pgx.ForEachRow(rows, []any{&name, &file.hash, &file.at}, func() error {
		list[name] = file
		return nil
	})
	return list, err
}

func apply(ctx context.Context, conn *pgx.Conn, file migrationFile, applied map[string]appliedFile) error {
	if done, ok := applied[file.name]; ok {
		if done.hash != file.hash {
			return fmt.Errorf("migration %s has run in another wording: restore the file, changes go into a new one", file.name)
		}
		return nil
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, file.sql); err != nil {
			return fmt.Errorf("migration %s: %w", file.name, err)
		}
		_, err := tx.Exec(ctx, `INSERT INTO schema_migrations (name, sha256) VALUES ($1, $2)`, file.name, file.hash)
		return err
	})
}

func migrateRiver(ctx context.Context, pool *pgxpool.Pool) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return fmt.Errorf("prepare the job tables: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("migrate the job tables: %w", err)
	}
	return nil
}
