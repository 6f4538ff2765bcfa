// Package postgrestest gives a test a real PostgreSQL: a transaction that is
// rolled back, or a database of its own cloned from a migrated template.
//
// Each test binary has one throw-away cluster, started on first use. It ends
// with the binary, also when that is killed, and the next binary sweeps up
// what a killed one left on the disk.
package postgrestest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"assay/internal/embedded"
	"assay/internal/postgres"
)

const template = "assay_template"

var cluster struct {
	once   sync.Once
	server *embedded.Postgres
	shared *pgxpool.Pool // on a clone that only rolled-back transactions see
	err    error
	next   atomic.Int64
	clone  sync.Mutex // CREATE DATABASE wants the template to itself
}

// Tx returns a transaction as the program's role that is rolled back when the
// test ends. Begin on it makes a savepoint.
func Tx(t testing.TB) pgx.Tx {
	t.Helper()
	start(t)
	tx, err := cluster.shared.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback(context.Background()) })
	return tx
}

// Database returns a pool, as the program's role, on a migrated database of
// the test's own. It is dropped when the test ends.
func Database(t testing.TB) *pgxpool.Pool {
	t.Helper()
	start(t)
	name := fmt.Sprintf("test_%d", cluster.next.Add(1))
	if err := clone(name); err != nil {
		t.Fatal(err)
	}
	pool, err := postgres.Open(context.Background(), cluster.server.DatabaseURL(name, false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pool.Close()
		drop(name)
	})
	return pool
}

// OwnerURL returns the owner's address of a database that Database gave, for
// tests of what the program itself may not do.
func OwnerURL(t testing.TB, pool *pgxpool.Pool) string {
	t.Helper()
	return cluster.server.DatabaseURL(pool.Config().ConnConfig.Database, true)
}

// URL returns the program's address of a database that Database gave.
func URL(t testing.TB, pool *pgxpool.Pool) string {
	t.Helper()
	return cluster.server.DatabaseURL(pool.Config().ConnConfig.Database, false)
}

func start(t testing.TB) {
	t.Helper()
	cluster.once.Do(func() { cluster.err = startCluster() })
	if cluster.err != nil {
		t.Fatal(cluster.err)
	}
}

func startCluster() error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	sweep()
	dir, err := os.MkdirTemp("", fmt.Sprintf("assay-postgrestest-%d-", os.Getpid()))
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	cluster.server, err = embedded.StartPostgres(ctx, embedded.PostgresConfig{Dir: dir, Log: log, Throwaway: true, MaxClients: 300})
	if err != nil {
		return err
	}
	if err := asOwner(ctx, `CREATE DATABASE `+template); err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, cluster.server.DatabaseURL(template, true)); err != nil {
		return err
	}
	if err := clone("test_shared"); err != nil {
		return err
	}
	cluster.shared, err = postgres.Open(ctx, cluster.server.DatabaseURL("test_shared", false))
	return err
}

func clone(name string) error {
	cluster.clone.Lock()
	defer cluster.clone.Unlock()
	return asOwner(context.Background(), `CREATE DATABASE `+name+` TEMPLATE `+template+` STRATEGY file_copy`)
}

func drop(name string) {
	asOwner(context.Background(), `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`)
}

func asOwner(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, cluster.server.DatabaseURL("postgres", true))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

var leftover = regexp.MustCompile(`^assay-postgrestest-(\d+)-`)

// sweep removes what binaries that no longer run left behind.
func sweep() {
	entries, err := os.ReadDir(os.TempDir())
	if err != nil {
		return
	}
	for _, entry := range entries {
		match := leftover.FindStringSubmatch(entry.Name())
		if match == nil {
			continue
		}
		pid, _ := strconv.Atoi(match[1])
		dir := filepath.Join(os.TempDir(), entry.Name())
		if syscall.Kill(pid, 0) == syscall.ESRCH && !serverRuns(dir) {
			os.RemoveAll(dir)
		}
	}
}

func serverRuns(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
	if err != nil {
		return false
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	return err == nil && syscall.Kill(pid, 0) != syscall.ESRCH
}
