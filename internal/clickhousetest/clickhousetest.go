// Package clickhousetest gives tests a ClickHouse: one engine per test binary,
// started when the first test asks, and a migrated database per test.
//
// A test binary that uses it says so in its TestMain, since the engine is the
// same binary run again:
//
//	func TestMain(m *testing.M) { clickhousetest.Main(m) }
package clickhousetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/internal/clickhouse"
	"assay/internal/embedded"
)

// folders is what the engines' temporary folders are called.
const folders = "assay-clickhouse-test-"

// Main runs the tests of a binary and ends its engine; in the engine process
// it is the engine.
func Main(m *testing.M) {
	Prepare()
	code := m.Run()
	End()
	os.Exit(code)
}

// Prepare is the first half of Main, for a TestMain that does more: End is the
// second.
func Prepare() {
	embedded.Main()
	prepared = true
}

// prepared says that this binary can be its own engine process.
var prepared bool

// one is the engine of this test binary.
var one struct {
	sync.Mutex
	engine *embedded.Clickhouse
	dir    string
	err    error
}

// End stops the engine of this binary, if any test started it, and removes its
// folder. Main calls it; a TestMain that does more than Main calls it last.
func End() {
	one.Lock()
	defer one.Unlock()
	if one.engine == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	one.engine.Stop(ctx)
	os.RemoveAll(one.dir)
	one.engine = nil
}

// Database returns a connection to a new database with every migration
// applied. It is dropped when the test ends.
func Database(t testing.TB) driver.Conn {
	t.Helper()
	return Open(t, DSN(t))
}

// DSN returns the address of a new database with every migration applied. It
// is dropped when the test ends.
func DSN(t testing.TB) string {
	t.Helper()
	dsn, name := empty(t)
	conn := Open(t, dsn)
	if err := clickhouse.Migrate(t.Context(), conn, name); err != nil {
		t.Fatal(err)
	}
	return dsn
}

// Empty returns the address of a new database without any table. It is
// dropped when the test ends.
func Empty(t testing.TB) string {
	t.Helper()
	dsn, _ := empty(t)
	return dsn
}

func empty(t testing.TB) (dsn, name string) {
	t.Helper()
	engine, err := start()
	if err != nil {
		t.Fatalf("the tests need ClickHouse: %v", err)
	}
	var b [8]byte
	rand.Read(b[:])
	name = "assay_test_" + hex.EncodeToString(b[:])
	conn := Open(t, engine.DSN())
	if err := conn.Exec(t.Context(), "CREATE DATABASE "+clickhouse.Name(name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn, err := clickhouse.Open(context.Background(), engine.DSN())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if err := conn.Exec(context.Background(), "DROP DATABASE "+clickhouse.Name(name)+" SYNC"); err != nil {
			t.Error(err)
		}
	})
	address, err := url.Parse(engine.DSN())
	if err != nil {
		t.Fatal(err)
	}
	address.Path = "/" + name
	return address.String(), name
}

// Open connects to dsn until the test ends.
func Open(t testing.TB, dsn string) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// Dir returns the folder of the engine, for tests that look for bytes.
func Dir(t testing.TB) string {
	t.Helper()
	if _, err := start(); err != nil {
		t.Fatal(err)
	}
	return one.dir
}

// start returns the engine of this binary, started by whoever asks first.
func start() (*embedded.Clickhouse, error) {
	one.Lock()
	defer one.Unlock()
	if one.engine != nil || one.err != nil {
		return one.engine, one.err
	}
	if !prepared {
		return nil, fmt.Errorf("this test binary lacks func TestMain(m *testing.M) { clickhousetest.Main(m) }")
	}
	sweep(os.TempDir())
	if one.dir, one.err = os.MkdirTemp("", folders); one.err != nil {
		return nil, one.err
	}
	one.engine, one.err = embedded.StartClickhouse(context.Background(), embedded.ClickhouseConfig{Dir: one.dir, Log: os.Stderr})
	return one.engine, one.err
}

// sweep removes the folders of test binaries that were ended before they
// could: those that are old enough to be in use and that no engine holds.
func sweep(temporary string) {
	left, _ := filepath.Glob(filepath.Join(temporary, folders+"*"))
	for _, dir := range left {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < time.Minute || held(dir) {
			continue
		}
		os.RemoveAll(dir)
	}
}

// held reports whether an engine has the folder open.
func held(dir string) bool {
	lock, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		return false
	}
	defer lock.Close()
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}
