package embedded_test

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"assay/internal/embedded"
	"assay/internal/fault"
	"assay/internal/postgres"
)

func startPostgres(t *testing.T, dir string) *embedded.Postgres {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	p, err := embedded.StartPostgres(ctx, embedded.PostgresConfig{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(context.Background()) })
	return p
}

func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []string{dir, dir + "/.."} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPostgresKeepsWhatWasCommittedWhenItIsKilled(t *testing.T) {
	ctx := context.Background()
	p := startPostgres(t, openDir(t))
	if err := postgres.Migrate(ctx, p.OwnerURL()); err != nil {
		t.Fatal(err)
	}
	owner, err := pgxpool.New(ctx, p.OwnerURL())
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	if _, err := owner.Exec(ctx, `CREATE TABLE kept (n int)`); err != nil {
		t.Fatal(err)
	}
	app, err := pgxpool.New(ctx, p.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	for n := range 3 {
		if _, err := app.Exec(ctx, `INSERT INTO kept VALUES ($1)`, n); err != nil {
			t.Fatal(err)
		}
		killed := p.Pid()
		if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.Crashed():
		case <-time.After(10 * time.Second):
			t.Fatal("the crash was not reported")
		}
		eventually(t, func() bool {
			var rows int
			return app.QueryRow(ctx, `SELECT count(*) FROM kept`).Scan(&rows) == nil && rows == n+1 && p.Pid() != killed
		})
	}
}

func TestPostgresStartsAgainOnTheSameData(t *testing.T) {
	ctx := context.Background()
	dir := openDir(t)
	first := startPostgres(t, dir)
	if err := postgres.Migrate(ctx, first.OwnerURL()); err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	second := startPostgres(t, dir)
	if first.URL() != second.URL() {
		t.Error("the address stays the same")
	}
	if err := postgres.Migrate(ctx, second.OwnerURL()); err != nil {
		t.Fatalf("migrating twice: %v", err)
	}
	conn, err := pgx.Connect(ctx, second.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `CREATE TABLE mine (n int)`); err == nil {
		t.Error("the program's role owns nothing and may not create a table")
	}
}

func TestPostgresIsClosedToOthers(t *testing.T) {
	p := startPostgres(t, openDir(t))
	wrong, err := pgx.ParseConfig(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	wrong.Password = "guess"
	if _, err := pgx.ConnectConfig(context.Background(), wrong); err == nil {
		t.Error("a wrong password is refused")
	}
	info, err := os.Stat(wrong.Host)
	if err != nil {
		t.Fatal(err)
	}
	if want, got := os.FileMode(0o700), info.Mode().Perm(); want != got {
		t.Errorf("socket directory: want %v, got %v", want, got)
	}
}

func TestPostgresOfAnotherMajorVersionIsRefusedWithTheCommand(t *testing.T) {
	ctx := context.Background()
	dir := openDir(t)
	p := startPostgres(t, dir)
	p.Stop(ctx)
	if err := os.WriteFile(dir+"/postgres/PG_VERSION", []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.StartPostgres(ctx, embedded.PostgresConfig{Dir: dir})
	if fault.Of(err) != fault.Unavailable || !strings.Contains(fault.Words(err), "pg_upgrade") {
		t.Errorf("want a refusal that names pg_upgrade, got %v", err)
	}
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatal("did not come true within 20 s")
}
