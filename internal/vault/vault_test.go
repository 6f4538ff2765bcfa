package vault_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
	"assay/internal/vault"
)

var (
	reader = auth.Actor{Kind: auth.Person, ID: 5, Name: "Rana Amari", Roles: []auth.Role{auth.Reviewer}}
	admin  = auth.Actor{Kind: auth.Person, ID: 6, Name: "Tom Berg", Roles: []auth.Role{auth.Admin}}
	secret = []byte("My name is Maya Lind and the order never came.")
	as     = vault.Context{EventID: "0190-aa", Field: "prompt", Subject: "u-17"}
)

func open(t testing.TB, db postgres.DB) (*vault.Vault, *vault.Keyset) {
	t.Helper()
	keys, err := vault.OpenKeyset(filepath.Join(t.TempDir(), "vault"))
	if err != nil {
		t.Fatal(err)
	}
	return &vault.Vault{DB: db, KEK: keys}, keys
}

func seal(t testing.TB, v *vault.Vault, as vault.Context, text []byte, keep time.Duration) string {
	t.Helper()
	var ref string
	ctx := context.Background()
	err := postgres.InTx(ctx, v.DB, func(tx pgx.Tx) error {
		var err error
		ref, err = v.Seal(ctx, tx, as, text, time.Now().Add(keep))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func read(v *vault.Vault, ref string, as vault.Context) (text []byte, err error) {
	ctx := context.Background()
	err = postgres.InTx(ctx, v.DB, func(tx pgx.Tx) error {
		text, err = v.Open(ctx, tx, reader, ref, as, "exemplar of incident 41")
		return err
	})
	return text, err
}

func shred(t testing.TB, v *vault.Vault, refs ...string) vault.Shredded {
	t.Helper()
	var done vault.Shredded
	ctx := context.Background()
	err := postgres.InTx(ctx, v.DB, func(tx pgx.Tx) error {
		var err error
		done, err = v.Shred(ctx, tx, admin, refs...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestWhatWasSealedOpensAsWhatItWas(t *testing.T) {
	v, _ := open(t, postgrestest.Tx(t))
	ref := seal(t, v, as, secret, time.Hour)
	got, err := read(v, ref, as)
	if err != nil || !bytes.Equal(secret, got) {
		t.Fatalf("want %q, got %q, %v", secret, got, err)
	}
	for name, other := range map[string]vault.Context{
		"another event":  {EventID: "0190-ab", Field: "prompt", Subject: "u-17"},
		"another field":  {EventID: "0190-aa", Field: "response", Subject: "u-17"},
		"another person": {EventID: "0190-aa", Field: "prompt", Subject: "u-18"},
		"shifted fields": {EventID: "0190-aap", Field: "rompt", Subject: "u-17"},
	} {
		if got, err := read(v, ref, other); !errors.Is(err, fault.Conflict) || got != nil {
			t.Errorf("as %s: want conflict and no text, got %q, %v", name, got, err)
		}
	}
	empty := seal(t, v, as, nil, time.Hour)
	if got, err := read(v, empty, as); err != nil || len(got) != 0 {
		t.Errorf("an empty text: got %q, %v", got, err)
	}
}

func TestReadingLeavesAnEntryWithItsReason(t *testing.T) {
	ctx := context.Background()
	tx := postgrestest.Tx(t)
	v, _ := open(t, tx)
	ref := seal(t, v, as, secret, time.Hour)
	if _, err := v.Open(ctx, tx, reader, ref, as, ""); !errors.Is(err, fault.Invalid) {
		t.Errorf("without a reason: want invalid, got %v", err)
	}
	nobody := auth.Actor{Kind: auth.Person, ID: 9, Name: "x", Roles: []auth.Role{auth.Admin}}
	if _, err := v.Open(ctx, tx, nobody, ref, as, "curious"); !errors.Is(err, fault.Denied) {
		t.Errorf("an admin sees no data: want denied, got %v", err)
	}
	if _, err := read(v, ref, as); err != nil {
		t.Fatal(err)
	}
	var what, reason, row string
	err := tx.QueryRow(ctx, `SELECT what, reason, e::text FROM audit_entries e WHERE action = 'payload.open' AND object = $1`, "payload/"+ref).Scan(&what, &reason, &row)
	if err != nil {
		t.Fatal(err)
	}
	if what != "prompt of event 0190-aa" || reason != "exemplar of incident 41" || strings.Contains(row, "Maya") {
		t.Errorf("want an entry with its reason and without the text, got %s", row)
	}
}

func TestATextMovedOrChangedDoesNotOpen(t *testing.T) {
	ctx := context.Background()
	tx := postgrestest.Tx(t)
	v, _ := open(t, tx)
	mine, theirs := seal(t, v, as, secret, time.Hour), seal(t, v, as, []byte("another text of the same event and field"), time.Hour)
	for name, sql := range map[string]string{
		"another row's ciphertext": `UPDATE vault_payloads SET ciphertext = (SELECT ciphertext FROM vault_payloads WHERE id = $2) WHERE id = $1`,
		"another row's data key":   `UPDATE vault_keys SET wrapped = (SELECT wrapped FROM vault_keys WHERE payload = $2) WHERE payload = $1`,
		"a changed ciphertext":     `UPDATE vault_payloads SET ciphertext = set_byte(ciphertext, 20, get_byte(ciphertext, 20) # 1) WHERE id = $1 AND $2 <> ''`,
		"a shortened ciphertext":   `UPDATE vault_payloads SET ciphertext = substr(ciphertext, 1, 9) WHERE id = $1 AND $2 <> ''`,
	} {
		inner, err := tx.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inner.Exec(ctx, strings.ReplaceAll(sql, "$2 <> ''", "$2::uuid IS NOT NULL"), mine, theirs); err != nil {
			t.Fatal(name, err)
		}
		if got, err := v.Open(ctx, inner, reader, mine, as, "test"); !errors.Is(err, fault.Conflict) || got != nil {
			t.Errorf("%s: want conflict and no text, got %q, %v", name, got, err)
		}
		inner.Rollback(ctx)
	}
}

func TestEqualTextsLookDifferent(t *testing.T) {
	tx := postgrestest.Tx(t)
	v, _ := open(t, tx)
	seal(t, v, as, secret, time.Hour)
	seal(t, v, as, secret, time.Hour)
	var different int
	if err := tx.QueryRow(context.Background(), `SELECT count(DISTINCT ciphertext) FROM vault_payloads WHERE event_id = '0190-aa'`).Scan(&different); err != nil || different != 2 {
		t.Errorf("want two ciphertexts, got %d, %v", different, err)
	}
}

func TestAShreddedTextIsGone(t *testing.T) {
	tx := postgrestest.Tx(t)
	v, _ := open(t, tx)
	ref, other := seal(t, v, as, secret, time.Hour), seal(t, v, as, secret, time.Hour)
	if done := shred(t, v, ref, "no-such-ref"); done != (vault.Shredded{Gone: 1}) {
		t.Errorf("want one gone, got %+v", done)
	}
	if got, err := read(v, ref, as); !errors.Is(err, fault.NotFound) || got != nil {
		t.Errorf("want not found, got %q, %v", got, err)
	}
	if _, err := read(v, other, as); err != nil {
		t.Errorf("its neighbour must stay: %v", err)
	}
	if done := shred(t, v, ref); done != (vault.Shredded{}) {
		t.Errorf("a second time there is nothing left to do, got %+v", done)
	}
	for _, bad := range []string{"", "7", ref + "0"} {
		if _, err := read(v, bad, as); !errors.Is(err, fault.NotFound) {
			t.Errorf("ref %q: want not found, got %v", bad, err)
		}
	}
}

func TestErasingAPersonSparesWhatIsHeld(t *testing.T) {
	ctx := context.Background()
	tx := postgrestest.Tx(t)
	v, _ := open(t, tx)
	first, held := seal(t, v, as, secret, time.Hour), seal(t, v, as, secret, time.Hour)
	stranger := seal(t, v, vault.Context{EventID: "0190-zz", Field: "prompt", Subject: "u-99"}, secret, time.Hour)
	if err := v.Hold(ctx, tx, admin, held, "case 2026-11"); err != nil {
		t.Fatal(err)
	}
	done, err := v.ShredSubject(ctx, tx, admin, "u-17")
	if err != nil || done != (vault.Shredded{Gone: 1, Held: 1}) {
		t.Fatalf("want one gone and one held, got %+v, %v", done, err)
	}
	if _, err := read(v, first, as); !errors.Is(err, fault.NotFound) {
		t.Errorf("want the first gone, got %v", err)
	}
	if _, err := read(v, held, as); err != nil {
		t.Errorf("want the held one to open: %v", err)
	}
	if _, err := read(v, stranger, vault.Context{EventID: "0190-zz", Field: "prompt", Subject: "u-99"}); err != nil {
		t.Errorf("want another person's text to open: %v", err)
	}
	if err := v.Release(ctx, tx, admin, held, "case closed"); err != nil {
		t.Fatal(err)
	}
	if done, err = v.ShredSubject(ctx, tx, admin, "u-17"); err != nil || done != (vault.Shredded{Gone: 1}) {
		t.Errorf("after the release: want one gone, got %+v, %v", done, err)
	}
	var row string
	if err := tx.QueryRow(ctx, `SELECT string_agg(e::text, ' ') FROM audit_entries e WHERE action = 'payload.shred'`).Scan(&row); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(row, "u-17") {
		t.Errorf("the entry of an erasure names the person: %s", row)
	}
	if _, err := v.ShredSubject(ctx, tx, admin, ""); !errors.Is(err, fault.Invalid) {
		t.Errorf("erasing nobody: want invalid, got %v", err)
	}
	if _, err := v.ShredSubject(ctx, tx, reader, "u-17"); !errors.Is(err, fault.Denied) {
		t.Errorf("a reviewer may not erase: got %v", err)
	}
	if err := v.Hold(ctx, tx, admin, first, "too late"); !errors.Is(err, fault.NotFound) {
		t.Errorf("holding what is gone: want not found, got %v", err)
	}
	if err := v.Hold(ctx, tx, admin, stranger, ""); !errors.Is(err, fault.Invalid) {
		t.Errorf("a hold without a reason: want invalid, got %v", err)
	}
}

func TestWhatIsPastItsTimeIsShredded(t *testing.T) {
	ctx := context.Background()
	tx := postgrestest.Tx(t)
	v, _ := open(t, tx)
	for range 3 {
		seal(t, v, as, secret, -time.Minute)
	}
	held, fresh := seal(t, v, as, secret, -time.Minute), seal(t, v, as, secret, time.Hour)
	if err := v.Hold(ctx, tx, admin, held, "case 2026-11"); err != nil {
		t.Fatal(err)
	}
	if n, err := v.ShredExpired(ctx, auth.Product()); err != nil || n != 3 {
		t.Errorf("want 3, got %d, %v", n, err)
	}
	for _, ref := range []string{held, fresh} {
		if _, err := read(v, ref, as); err != nil {
			t.Error(err)
		}
	}
	if n, err := v.ShredExpired(ctx, auth.Product()); err != nil || n != 0 {
		t.Errorf("again: want 0, got %d, %v", n, err)
	}
}

func TestTheDatabaseRefusesHalfAShredding(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	v, _ := open(t, pool)
	ref := seal(t, v, as, secret, time.Hour)
	for constraint, sql := range map[string]string{
		"vault_shredded_is_empty": `UPDATE vault_payloads SET shredded_at = now() WHERE id = $1`,
		"vault_held_is_kept":      `UPDATE vault_payloads SET held_at = now(), shredded_at = now(), ciphertext = NULL WHERE id = $1`,
	} {
		if _, err := pool.Exec(ctx, sql, ref); !postgres.Violates(err, constraint) {
			t.Errorf("want %s violated, got %v", constraint, err)
		}
	}
}

// The bytes themselves are looked for on the disk: the text never comes to
// lie there, and the key of a shredded text lies there no longer.
func TestShreddingIsProvedByTheBytes(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	v, keys := open(t, pool)
	ref := seal(t, v, as, secret, time.Hour)
	for range 50 {
		seal(t, v, as, []byte("a neighbour"), time.Hour)
	}
	var wrapped, ciphertext []byte
	var kek string
	err := pool.QueryRow(ctx, `SELECT wrapped, kek_id, ciphertext FROM vault_keys JOIN vault_payloads ON id = payload WHERE payload = $1`, ref).Scan(&wrapped, &kek, &ciphertext)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := pgx.Connect(ctx, postgrestest.OwnerURL(t, pool))
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(ctx)
	flush(t, owner)
	if !onDisk(t, owner, "vault_keys", wrapped) || !onDisk(t, owner, "vault_payloads", ciphertext[:32]) {
		t.Fatal("this test cannot find what is there")
	}
	if hits := inCluster(t, owner, secret); hits != nil {
		t.Errorf("the text itself lies in %v", hits)
	}

	shred(t, v, ref)
	flush(t, owner)
	if onDisk(t, owner, "vault_keys", wrapped) {
		t.Error("the data key of a shredded text lies on the disk")
	}
	if onDisk(t, owner, "vault_payloads", ciphertext[:32]) {
		t.Error("a shredded text lies on the disk")
	}

	// Someone kept a copy of both rows. It opens as long as the old key lives …
	copied := func() error {
		return postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE vault_payloads SET ciphertext = $2, shredded_at = NULL WHERE id = $1`, ref, ciphertext)
			if err != nil {
				return err
			}
			if _, err = tx.Exec(ctx, `INSERT INTO vault_keys (payload, kek_id, wrapped) VALUES ($1, $2, $3)`, ref, kek, wrapped); err != nil {
				return err
			}
			if _, err = v.Open(ctx, tx, reader, ref, as, "from a backup"); err != nil {
				return err
			}
			return errRollBack
		})
	}
	if err := copied(); !errors.Is(err, errRollBack) {
		t.Fatalf("this test's copy should open before the rotation: %v", err)
	}
	// … and never after it is retired.
	if _, err := keys.Rotate(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Retire(ctx, auth.Product(), keys); !errors.Is(err, fault.Conflict) {
		t.Errorf("retiring before rewrapping: want conflict, got %v", err)
	}
	if n, err := v.Rewrap(ctx, auth.Product()); err != nil || n != 50 {
		t.Errorf("want 50 rewrapped, got %d, %v", n, err)
	}
	if n, err := v.Retire(ctx, auth.Product(), keys); err != nil || n != 1 {
		t.Errorf("want 1 key retired, got %d, %v", n, err)
	}
	if err := copied(); !errors.Is(err, fault.NotFound) {
		t.Errorf("the copy opens after its key was retired: %v", err)
	}
}

var errRollBack = errors.New("roll back")

func flush(t *testing.T, owner *pgx.Conn) {
	t.Helper()
	for _, sql := range []string{`VACUUM (FREEZE) vault_keys`, `VACUUM (FREEZE) vault_payloads`, `CHECKPOINT`} {
		if _, err := owner.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

func onDisk(t *testing.T, owner *pgx.Conn, table string, what []byte) bool {
	t.Helper()
	ctx := context.Background()
	var dir string
	var files []string
	err := owner.QueryRow(ctx, `
		SELECT current_setting('data_directory'), array_remove(ARRAY[
			pg_relation_filepath(oid), CASE WHEN reltoastrelid <> 0 THEN pg_relation_filepath(reltoastrelid) END], NULL)
		FROM pg_class WHERE oid = $1::regclass`, table).Scan(&dir, &files)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, what) {
			return true
		}
	}
	return false
}

// inCluster lists the files of the whole cluster, its log of writes included,
// that hold what.
func inCluster(t *testing.T, owner *pgx.Conn, what []byte) (hits []string) {
	t.Helper()
	var dir string
	if err := owner.QueryRow(context.Background(), `SELECT current_setting('data_directory')`).Scan(&dir); err != nil {
		t.Fatal(err)
	}
	filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil
		}
		if content, err := os.ReadFile(path); err == nil && (bytes.Contains(content, what) || bytes.Contains(content, []byte(hex.EncodeToString(what)))) {
			hits = append(hits, path)
		}
		return nil
	})
	return hits
}

// While texts are sealed, keys are rotated and retired all the time: whatever
// was sealed opens.
func TestNothingIsLostWhileKeysRotate(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	dir := filepath.Join(t.TempDir(), "vault")
	program := func() (*vault.Vault, *vault.Keyset) { // two programs on one directory
		keys, err := vault.OpenKeyset(dir)
		if err != nil {
			t.Fatal(err)
		}
		return &vault.Vault{DB: pool, KEK: keys}, keys
	}
	a, _ := program()
	b, keys := program()
	var mu sync.Mutex
	refs := map[string]vault.Context{}
	var sealing sync.WaitGroup
	for worker := range 3 {
		sealing.Go(func() {
			for i := range 40 {
				as := vault.Context{EventID: fmt.Sprint(worker, "-", i), Field: "prompt"}
				ref := seal(t, a, as, secret, time.Hour)
				mu.Lock()
				refs[ref] = as
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() { sealing.Wait(); close(done) }()
	retired := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if _, err := keys.Rotate(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Rewrap(ctx, auth.Product()); err != nil {
			t.Fatal(err)
		}
		n, err := b.Retire(ctx, auth.Product(), keys)
		if err != nil && !errors.Is(err, fault.Conflict) {
			t.Fatal(err)
		}
		retired += n
	}
	if retired == 0 {
		t.Error("no key was retired, so nothing was tried")
	}
	for ref, as := range refs {
		if got, err := read(a, ref, as); err != nil || !bytes.Equal(got, secret) {
			t.Fatalf("payload %s: %q, %v", ref, got, err)
		}
	}
}

func TestTheKeysetIsForItsOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	if _, err := vault.OpenKeyset(dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "kek.json")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("want mode 0600, got %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.OpenKeyset(dir); !errors.Is(err, fault.Invalid) {
		t.Errorf("want it refused, got %v", err)
	}
}

func TestATextTooLongIsRefused(t *testing.T) {
	tx := postgrestest.Tx(t)
	v, _ := open(t, tx)
	if _, err := v.Seal(context.Background(), tx, as, make([]byte, 16<<20+1), time.Now()); !errors.Is(err, fault.Invalid) {
		t.Errorf("want invalid, got %v", err)
	}
}
