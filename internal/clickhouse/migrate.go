package clickhouse

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/migrations"
)

// ledger is the table of what has run.
const ledger = "schema_migrations"

// Migration is one numbered file and when it ran; AppliedAt is zero while it
// has not.
type Migration struct {
	Name      string
	AppliedAt time.Time
}

// Migrate brings the database to the newest migration. Names in the files are
// unqualified and mean this database.
//
// ClickHouse has no transaction around changes of the schema: a file that
// stopped halfway runs again from its first statement, so that every statement
// must bear repeating (IF NOT EXISTS, OR REPLACE).
//
// On more than one machine the operator makes the database with ClickHouse's
// Replicated engine; tables then get the replicated form of theirs. See expand.
func Migrate(ctx context.Context, conn driver.Conn, database string) error {
	return migrate(ctx, conn, database, migrations.Clickhouse)
}

// Status lists every migration this program knows, in order.
func Status(ctx context.Context, conn driver.Conn, database string) ([]Migration, error) {
	ctx = in(ctx, database)
	files, err := migrationFiles(migrations.Clickhouse)
	if err != nil {
		return nil, err
	}
	var made uint8
	if err := conn.QueryRow(ctx, "EXISTS TABLE "+ledger).Scan(&made); err != nil {
		return nil, fmt.Errorf("read the ClickHouse migrations: %w", err)
	}
	applied := map[string]time.Time{}
	if made == 1 {
		if applied, err = appliedMigrations(ctx, conn); err != nil {
			return nil, err
		}
	}
	var all []Migration
	for _, name := range files {
		all = append(all, Migration{Name: name, AppliedAt: applied[name]})
	}
	return all, nil
}

func migrate(ctx context.Context, conn driver.Conn, database string, from fs.FS) error {
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+Name(database)); err != nil {
		return fmt.Errorf("make the ClickHouse database %s: %w", database, err)
	}
	ctx = in(ctx, database)
	replicated, err := isReplicated(ctx, conn, database)
	if err != nil {
		return err
	}
	if err := conn.Exec(ctx, expand(`CREATE TABLE IF NOT EXISTS `+ledger+` (
	name String,
	applied_at DateTime64(3, 'UTC')
) ENGINE = {{MergeTree}}
ORDER BY name`, replicated)); err != nil {
		return fmt.Errorf("keep the ClickHouse migrations: %w", err)
	}
	applied, err := appliedMigrations(ctx, conn)
	if err != nil {
		return err
	}
	files, err := migrationFiles(from)
	if err != nil {
		return err
	}
	for _, name := range files {
		if _, done := applied[name]; done {
			continue
		}
		if err := apply(ctx, conn, from, name, replicated); err != nil {
			return err
		}
	}
	return nil
}

// in makes statements of ctx mean the database whatever the connection's own.
func in(ctx context.Context, database string) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"database": database}))
}

func isReplicated(ctx context.Context, conn driver.Conn, database string) (bool, error) {
	var engine string
	err := conn.QueryRow(ctx, "SELECT engine FROM system.databases WHERE name = {name:String}",
		clickhouse.Named("name", database)).Scan(&engine)
	if err != nil {
		return false, fmt.Errorf("look at the ClickHouse database %s: %w", database, err)
	}
	return engine == "Replicated", nil
}

func appliedMigrations(ctx context.Context, conn driver.Conn) (map[string]time.Time, error) {
	rows, err := conn.Query(ctx, "SELECT name, min(applied_at) FROM "+ledger+" GROUP BY name")
	if err != nil {
		return nil, fmt.Errorf("read the ClickHouse migrations: %w", err)
	}
	defer rows.Close()
	applied := map[string]time.Time{}
	for rows.Next() {
		var name string
		var at time.Time
		if err := rows.Scan(&name, &at); err != nil {
			return nil, err
		}
		applied[name] = at
	}
	return applied, rows.Err()
}

// migrationFiles returns the names of the SQL files in order.
func migrationFiles(from fs.FS) ([]string, error) {
	files, err := fs.Glob(from, "clickhouse/*.sql")
	if err != nil {
		return nil, err
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(strings.TrimPrefix(file, "clickhouse/"), ".sql")
	}
	slices.Sort(files)
	return files, nil
}

func apply(ctx context.Context, conn driver.Conn, from fs.FS, name string, replicated bool) error {
	text, err := fs.ReadFile(from, "clickhouse/"+name+".sql")
	if err != nil {
		return err
	}
	statements, err := split(expand(string(text), replicated))
	if err != nil {
		return fmt.Errorf("read the ClickHouse migration %s: %w", name, err)
	}
	for i, statement := range statements {
		if err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("run statement %d of the ClickHouse migration %s: %w", i+1, name, err)
		}
	}
	if err := conn.Exec(ctx, "INSERT INTO "+ledger+" SELECT {name:String}, now64(3)", clickhouse.Named("name", name)); err != nil {
		return fmt.Errorf("record the ClickHouse migration %s: %w", name, err)
	}
	return nil
}

var engineClause = regexp.MustCompile(`\{\{\s*(\w*MergeTree)\s*(.*?)\s*\}\}`)

// expand writes the engine clauses of a migration, the only thing that differs
// between one machine and many: {{ReplacingMergeTree(version)}} becomes
// ReplacingMergeTree(version) or ReplicatedReplacingMergeTree(version). Where
// the replicas keep their state is the server's own setting
// (default_replica_path).
func expand(text string, replicated bool) string {
	if replicated {
		return engineClause.ReplaceAllString(text, "Replicated${1}${2}")
	}
	return engineClause.ReplaceAllString(text, "${1}${2}")
}
