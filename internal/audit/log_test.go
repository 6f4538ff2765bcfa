package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgrestest"
	"assay/internal/signing"
)

var auditor = auth.Actor{Kind: auth.Person, ID: 70, Name: "Ines Okafor", Roles: []auth.Role{auth.Auditor}}

func open(t testing.TB, pool *pgxpool.Pool) *audit.Log {
	t.Helper()
	keys, err := signing.New("assay")
	if err != nil {
		t.Fatal(err)
	}
	return &audit.Log{DB: pool, MACKeys: audit.NewKeys(), Signing: keys, Dir: t.TempDir()}
}

// sequence waits until n entries have their leaves. Another test's open
// transaction in the same cluster may hold the horizon back for a moment.
func sequence(t testing.TB, l *audit.Log, n int64) {
	t.Helper()
	for range 200 {
		if _, err := l.Sequence(context.Background()); err != nil {
			t.Fatal(err)
		}
		status, err := l.Status(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if status.Leaves == n {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the tree never had %d leaves", n)
}

func checkpoint(t testing.TB, l *audit.Log, kind audit.Kind) audit.Checkpoint {
	t.Helper()
	c, err := l.Checkpoint(context.Background(), kind)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func verify(t testing.TB, l *audit.Log) audit.Report {
	t.Helper()
	report, err := l.Verify(context.Background(), auditor)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestAnEmptyLogIsWhole(t *testing.T) {
	l := open(t, postgrestest.Database(t))
	if report := verify(t, l); report.Bad != nil || report.Entries != 0 {
		t.Errorf("want an empty log to be whole, got %+v", report)
	}
	checkpoint(t, l, audit.Hourly)
	if report := verify(t, l); report.Bad != nil || report.Checkpoints != 1 {
		t.Errorf("want its checkpoint to be met, got %+v", report)
	}
}

func TestEveryEntryGetsItsLeaf(t *testing.T) {
	pool := postgrestest.Database(t)
	l := open(t, pool)
	record(t, pool, 37)
	sequence(t, l, 37)
	checkpoint(t, l, audit.Hourly)
	record(t, pool, 5)
	if report := verify(t, l); report.Bad != nil || report.Entries != 37 || report.Waiting != 5 {
		t.Errorf("want 37 in the tree and 5 waiting, got %+v", report)
	}
	sequence(t, l, 42)
	if report := verify(t, l); report.Bad != nil || report.Entries != 42 || report.Waiting != 0 || report.Checkpoints != 1 {
		t.Errorf("want 42 and one checkpoint, got %+v", report)
	}
}

func TestAnEntryThatCommitsLateIsNotPassedOver(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	l := open(t, pool)
	late, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Rollback(ctx)
	if err := audit.Record(ctx, late, audit.Entry{Actor: ada, Action: "item.skip", Object: "item/late"}); err != nil {
		t.Fatal(err)
	}
	record(t, pool, 3) // these have higher ids and commit first
	if n, err := l.Sequence(ctx); err != nil || n != 0 {
		t.Fatalf("nothing is over before the first transaction is: want 0, got %d, %v", n, err)
	}
	if err := late.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	sequence(t, l, 4)
	if report := verify(t, l); report.Bad != nil || report.Entries != 4 {
		t.Errorf("want 4 whole entries, got %+v", report)
	}
}

func TestTwoSequencersAtOnce(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	l := open(t, pool)
	stop := make(chan struct{})
	var writers, sequencers sync.WaitGroup
	for range 4 {
		writers.Go(func() { record(t, pool, 100) })
	}
	for range 3 {
		sequencers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := l.Sequence(ctx); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	sequencers.Wait()
	sequence(t, l, 400)
	if report := verify(t, l); report.Bad != nil || report.Entries != 400 {
		t.Errorf("want 400 whole entries, got %+v", report)
	}
}

func TestATransactionOfManyEntriesIsSealedInBatches(t *testing.T) {
	pool := postgrestest.Database(t)
	l := open(t, pool)
	many(t, pool, 20_000)
	sequence(t, l, 20_000)
	if report := verify(t, l); report.Bad != nil || report.Entries != 20_000 {
		t.Errorf("want 20,000 whole entries, got %+v", report)
	}
}

func TestARestoreIntoAYoungerClusterLosesNothing(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	l := open(t, pool)
	record(t, pool, 3)
	sequence(t, l, 3)
	owner := own(t, pool)
	record(t, pool, 2)
	// As if these rows came from a cluster that had counted much further.
	exec(t, owner, `ALTER TABLE audit_entries DISABLE TRIGGER ALL`)
	exec(t, owner, `UPDATE audit_entries SET xid = '9000000000001' WHERE id > 3`)
	exec(t, owner, `ALTER TABLE audit_entries ENABLE TRIGGER ALL`)
	exec(t, owner, `INSERT INTO audit_batches (size, horizon) VALUES (3, '9000000000000')`)
	record(t, pool, 4)
	sequence(t, l, 9)
	record(t, pool, 1)
	sequence(t, l, 10)
	if report := verify(t, l); report.Bad != nil || report.Entries != 10 {
		t.Errorf("want 10 whole entries, got %+v", report)
	}
	if n := count(t, pool, `SELECT count(*) FROM audit_batches`); n > 5 {
		t.Errorf("the sequencer goes on writing batches of nothing: %d", n)
	}
	if _, err := l.Sequence(ctx); err != nil {
		t.Fatal(err)
	}
}

// many commits n entries in one transaction, without the way through Go.
func many(t testing.TB, pool *pgxpool.Pool, n int) {
	t.Helper()
	_, err := pool.Exec(context.Background(), `
		INSERT INTO audit_entries (actor_kind, actor_id, actor_name, actor_roles, action, object, what, reason, before_hash, after_hash)
		SELECT 'person', i % 50, 'Person ' || i % 50, 'labeler', 'label.submit', 'item/' || i, 'hallucinated, revision 1, guide 7', '',
		       NULL, sha256(i::text::bytea)
		FROM generate_series(1, $1) i`, n)
	if err != nil {
		t.Fatal(err)
	}
}

func exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Each tampering is done by the owner of the database with every guard taken
// away, on a log of 100 entries with a checkpoint at 60 and one at 100.
func TestTamperingIsNamed(t *testing.T) {
	type tampering struct {
		name, sql string
		entry     int64  // the first bad entry; 0 if none can be named
		reason    string // part of it
	}
	var cases []tampering
	for _, column := range []struct{ name, value string }{
		{"xid", `'7'`}, {"at", `at - interval '1 second'`}, {"actor_kind", `'system'`}, {"actor_id", `8`}, {"actor_name", `'Eve'`},
		{"actor_roles", `''`}, {"stepped_up", `now()`}, {"action", `'item.label'`}, {"object", `'item/0'`}, {"what", `'skipped nothing'`},
		{"reason", `''`}, {"before_hash", `NULL`}, {"after_hash", `sha256('x')`},
	} {
		cases = append(cases, tampering{"column " + column.name, `UPDATE audit_entries SET ` + column.name + ` = ` + column.value + ` WHERE id = 41`,
			41, "changed after it was sealed"})
	}
	cases = append(cases,
		tampering{"column id", `UPDATE audit_entries SET id = 4100 WHERE id = 41`, 41, "gone"},
		tampering{"leaf's key", `UPDATE audit_leaves SET key_id = 'another' WHERE leaf = 40`, 41, "not here"},
		tampering{"leaf's HMAC", `UPDATE audit_leaves SET mac = sha256('x') WHERE leaf = 40`, 41, "HMAC"},
		tampering{"leaf's place", `UPDATE audit_leaves SET leaf = 400 WHERE leaf = 40`, 0, "leaf is gone"},
		tampering{"leaf gone", `DELETE FROM audit_leaves WHERE leaf = 40`, 0, "leaf is gone"},
		tampering{"entry gone", `DELETE FROM audit_entries WHERE id = 41`, 41, "entry is gone"},
		tampering{"a stored leaf hash", `UPDATE audit_nodes SET hash = sha256('x') WHERE position = (SELECT max(position) FROM audit_nodes) - 1`, 0, "changed"},
		tampering{"a stored inner hash", `UPDATE audit_nodes SET hash = sha256('x') WHERE position = 2`, 2, "node of the tree"},
		tampering{"a stored hash gone", `DELETE FROM audit_nodes WHERE position = 3`, 3, "missing"},
		tampering{"reordered", `UPDATE audit_leaves SET leaf = -1 - leaf WHERE leaf IN (40, 50); UPDATE audit_leaves SET leaf = CASE leaf WHEN -41 THEN 50 ELSE 40 END WHERE leaf < 0`, 51, "changed"},
		tampering{"truncated", `DELETE FROM audit_leaves WHERE leaf >= 80; DELETE FROM audit_nodes WHERE position >= 160;
			DELETE FROM audit_entries WHERE id > 80; DELETE FROM audit_batches; INSERT INTO audit_batches (size, horizon) VALUES (80, pg_current_xact_id());
			DELETE FROM audit_checkpoints WHERE size > 80`, 0, "leaves are gone"},
		tampering{"truncated, leaves left", `DELETE FROM audit_batches; DELETE FROM audit_checkpoints`, 0, ""},
		tampering{"emptied", `DELETE FROM audit_leaves; DELETE FROM audit_nodes; DELETE FROM audit_entries; DELETE FROM audit_batches; DELETE FROM audit_checkpoints`, 0, "leaves are gone"},
		tampering{"inserted behind the sequencer", `INSERT INTO audit_entries (xid, at, actor_kind, actor_id, actor_name, actor_roles, action, object, what, reason)
			VALUES ('5', now() - interval '1 hour', 'person', 7, 'Ada', '', 'item.skip', 'item/5', '', '')`, -1, "behind the sequencer"},
		tampering{"inserted in the future", `INSERT INTO audit_entries (xid, at, actor_kind, actor_id, actor_name, actor_roles, action, object, what, reason)
			VALUES ('9000000000000', now(), 'person', 7, 'Ada', '', 'item.skip', 'item/5', '', '')`, -1, "behind the sequencer"},
		tampering{"checkpoint's size", `UPDATE audit_checkpoints SET size = 59 WHERE size = 60`, 0, "differs from its signed note"},
		tampering{"checkpoint's root", `UPDATE audit_checkpoints SET root = sha256('x') WHERE size = 60`, 0, "differs from its signed note"},
		tampering{"checkpoint's time", `UPDATE audit_checkpoints SET at = at - interval '1 day' WHERE size = 60`, 0, "differs from its signed note"},
		tampering{"checkpoint's period", `UPDATE audit_checkpoints SET period = period - interval '1 day' WHERE size = 60`, 0, "differs from its signed note"},
		tampering{"checkpoint's kind", `UPDATE audit_checkpoints SET kind = 'daily', period = 'epoch' WHERE size = 60`, 0, "differs from its signed note"},
		tampering{"checkpoint's note", `UPDATE audit_checkpoints SET note = replace(note, E'\n60\n', E'\n61\n')`, 0, "not as it was signed"},
	)
	ctx := context.Background()
	l, pool := sealed(t)
	owner := unguarded(t, pool)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tx, err := owner.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(ctx) // untouched again for the next one
			if _, err := tx.Exec(ctx, c.sql); err != nil {
				t.Fatal(err)
			}
			tampered := *l
			tampered.DB = tx
			report := verify(t, &tampered)
			if report.Bad == nil {
				t.Fatal("nobody noticed")
			}
			if c.entry > 0 && report.Bad.Entry != c.entry || c.entry < 0 && report.Bad.Entry <= 100 {
				t.Errorf("want entry %d named, got %v", c.entry, report.Bad)
			}
			if !strings.Contains(report.Bad.Reason, c.reason) {
				t.Errorf("want the reason to say %q, got %v", c.reason, report.Bad)
			}
		})
	}
}

func sealed(t testing.TB) (*audit.Log, *pgxpool.Pool) {
	pool := postgrestest.Database(t)
	l := open(t, pool)
	record(t, pool, 60)
	sequence(t, l, 60)
	checkpoint(t, l, audit.Hourly)
	record(t, pool, 40)
	sequence(t, l, 100)
	checkpoint(t, l, audit.Daily)
	if report := verify(t, l); report.Bad != nil || report.Checkpoints != 2 {
		t.Fatalf("want an untouched log to be whole, got %+v", report)
	}
	return l, pool
}

func unguarded(t testing.TB, pool *pgxpool.Pool) *pgx.Conn {
	owner := own(t, pool)
	exec(t, owner, `SET session_replication_role = replica`) // no trigger, no foreign key
	exec(t, owner, `ALTER TABLE audit_entries ALTER id SET GENERATED BY DEFAULT`)
	exec(t, owner, `ALTER TABLE audit_leaves DROP CONSTRAINT audit_leaves_leaf_check`)
	return owner
}

// The whole log is rebuilt with one entry left out, by someone who has the
// database and the HMAC keys but not the signing key. Only the checkpoints
// can tell, and those outside are out of reach.
func TestARebuiltLogIsRevealedByItsCheckpoints(t *testing.T) {
	ctx := context.Background()
	l, pool := sealed(t)
	owner := unguarded(t, pool)
	exec(t, owner, `DELETE FROM audit_leaves; DELETE FROM audit_nodes; DELETE FROM audit_batches; DELETE FROM audit_checkpoints; DELETE FROM audit_entries WHERE id = 41`)
	forger := &audit.Log{DB: pool, MACKeys: l.MACKeys}
	sequence(t, forger, 99)
	if report := verify(t, &audit.Log{DB: pool, MACKeys: l.MACKeys}); report.Bad != nil {
		t.Fatalf("HMACs alone let every holder forge; want this forgery to pass without checkpoints, got %v", report.Bad)
	}
	report := verify(t, l)
	if report.Bad == nil || !strings.Contains(report.Bad.Reason, "rebuilt: between leaf 0 and leaf 59") {
		t.Errorf("want the checkpoint at 60 to tell, got %v", report.Bad)
	}
	later := *l
	later.Clock = func() time.Time { return time.Now().Add(48 * time.Hour) }
	if _, err := later.Checkpoint(ctx, audit.Daily); !errors.Is(err, fault.Conflict) {
		t.Errorf("a rebuilt log must not be signed: want conflict, got %v", err)
	}
}

func TestABackdatedEntryIsNamed(t *testing.T) {
	l, pool := sealed(t)
	owner := unguarded(t, pool)
	exec(t, owner, `INSERT INTO audit_entries (xid, at, actor_kind, actor_id, actor_name, actor_roles, action, object, what, reason)
		VALUES (pg_current_xact_id(), now() - interval '30 days', 'person', 7, 'Ada', '', 'handoff.approve', 'handoff/5', '', '')`)
	sequence(t, l, 101)
	if report := verify(t, l); report.Bad == nil || report.Bad.Entry != 101 || !strings.Contains(report.Bad.Reason, "older than a checkpoint") {
		t.Errorf("want entry 101 named, got %v", report.Bad)
	}
}

func TestCheckpointsAreOneAPeriodAndKeptOutside(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	l := open(t, pool)
	now := time.Date(2026, 3, 4, 10, 20, 0, 0, time.UTC)
	l.Clock = func() time.Time { return now }
	record(t, pool, 3)
	sequence(t, l, 3)
	first := checkpoint(t, l, audit.Hourly)
	record(t, pool, 2)
	sequence(t, l, 5)
	if again := checkpoint(t, l, audit.Hourly); again.Note != first.Note {
		t.Errorf("want the same checkpoint in the same hour, got\n%s\n%s", first.Note, again.Note)
	}
	now = now.Add(time.Hour)
	if second := checkpoint(t, l, audit.Hourly); second.Size != 5 {
		t.Errorf("want 5 leaves in the next hour, got %d", second.Size)
	}
	checkpoint(t, l, audit.Daily)
	files, err := filepath.Glob(filepath.Join(l.Dir, "*.note"))
	if err != nil || len(files) != 3 {
		t.Fatalf("want 3 notes outside, got %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := signing.OpenNote(string(text), l.Signing.Public()); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := l.Checkpoint(ctx, "yearly"); !errors.Is(err, fault.Invalid) {
		t.Errorf("want invalid, got %v", err)
	}
}

func TestTwoCheckpointsAtOnceAreOne(t *testing.T) {
	pool := postgrestest.Database(t)
	l := open(t, pool)
	record(t, pool, 9)
	notes := make([]string, 4)
	var wg sync.WaitGroup
	for i := range notes {
		wg.Go(func() { notes[i] = checkpoint(t, l, audit.Daily).Note })
	}
	wg.Wait()
	for _, note := range notes {
		if note != notes[0] {
			t.Errorf("two checkpoints of one day:\n%s\n%s", notes[0], note)
		}
	}
}

func TestOldKeysStillVerify(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	dir := t.TempDir()
	keys, err := audit.OpenKeys(filepath.Join(dir, "audit"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signing.Open(filepath.Join(dir, "signing"), "assay")
	if err != nil {
		t.Fatal(err)
	}
	l := &audit.Log{DB: pool, MACKeys: keys, Signing: signer}
	record(t, pool, 4)
	sequence(t, l, 4)
	checkpoint(t, l, audit.Hourly)
	another, err := audit.OpenKeys(filepath.Join(dir, "audit")) // another program, opened before the rotation
	if err != nil {
		t.Fatal(err)
	}
	id, err := l.RotateKey(ctx, auth.Product())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Rotate(); err != nil {
		t.Fatal(err)
	}
	sequence(t, l, 5)
	checkpoint(t, l, audit.Daily)
	if got := count(t, pool, `SELECT count(*) FROM audit_leaves WHERE key_id = $1`, id); got != 1 {
		t.Errorf("want the entry of the rotation sealed with the new key, got %d", got)
	}
	if report := verify(t, &audit.Log{DB: pool, MACKeys: another, Signing: signer}); report.Bad != nil {
		t.Errorf("want both keys to verify, got %v", report.Bad)
	}
	if _, err := l.RotateKey(ctx, ada); !errors.Is(err, fault.Denied) {
		t.Errorf("an engineer may not rotate keys: got %v", err)
	}
	var bundle strings.Builder
	if err := l.Export(ctx, auditor, &bundle, audit.Filter{}); err != nil {
		t.Fatal(err)
	}
	if report, err := audit.VerifyBundle(strings.NewReader(bundle.String()), signer.Public()); err != nil || report.Checkpoints != 2 {
		t.Errorf("want the newest public key alone to verify both checkpoints, got %+v, %v", report, err)
	}
	rotations, err := os.ReadFile(filepath.Join(dir, "audit", "rotations.log"))
	if err != nil || strings.Count(string(rotations), "\n") != 2 || !strings.Contains(string(rotations), id) {
		t.Errorf("want two rotations in their log, got %q, %v", rotations, err)
	}
}

func TestALostKeyIsSaid(t *testing.T) {
	l, _ := sealed(t)
	l.MACKeys = audit.NewKeys()
	if report := verify(t, l); report.Bad == nil || report.Bad.Entry != 1 || !strings.Contains(report.Bad.Reason, "not here") {
		t.Errorf("want entry 1 named, got %v", report.Bad)
	}
}

func TestWithoutKeysNothingIsSealed(t *testing.T) {
	l := &audit.Log{DB: postgrestest.Database(t)}
	if _, err := l.Sequence(context.Background()); !errors.Is(err, fault.Unavailable) {
		t.Errorf("want unavailable, got %v", err)
	}
}

func TestOnlyReadersOfTheAuditRead(t *testing.T) {
	ctx := context.Background()
	l := open(t, postgrestest.Database(t))
	for name, act := range map[string]func() error{
		"verify": func() error { _, err := l.Verify(ctx, ada); return err },
		"list":   func() error { _, err := l.Entries(ctx, ada, audit.Filter{}, "", 10); return err },
		"life":   func() error { _, err := l.Life(ctx, ada, "item/1", 10); return err },
		"place":  func() error { _, err := l.Place(ctx, ada, 1); return err },
		"export": func() error { return l.Export(ctx, ada, &strings.Builder{}, audit.Filter{}) },
	} {
		if err := act(); !errors.Is(err, fault.Denied) {
			t.Errorf("%s: want denied, got %v", name, err)
		}
	}
}

func BenchmarkVerifyAMillion(b *testing.B) {
	pool := postgrestest.Database(b)
	l := open(b, pool)
	for range 10 {
		many(b, pool, 100_000)
	}
	began := time.Now()
	sequence(b, l, 1_000_000)
	b.Logf("sealed a million entries in %v", time.Since(began))
	checkpoint(b, l, audit.Daily)
	for b.Loop() {
		report := verify(b, l)
		if report.Bad != nil || report.Entries != 1_000_000 {
			b.Fatalf("%+v", report)
		}
		b.ReportMetric(report.Took.Seconds(), "s/million")
	}
}

func BenchmarkRecord(b *testing.B) {
	ctx := context.Background()
	tx := postgrestest.Tx(b)
	for i := 0; b.Loop(); i++ {
		err := audit.Record(ctx, tx, audit.Entry{Actor: ada, Action: "item.skip", Object: fmt.Sprintf("item/%d", i), What: "skipped"})
		if err != nil {
			b.Fatal(err)
		}
	}
}
