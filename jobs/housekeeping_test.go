package jobs

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"assay/internal/auth/people"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
	"assay/internal/vault"
	"assay/telemetry"
)

func TestWhatNoLongerCountsIsForgotten(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	count := func(sql string) (n int) {
		t.Helper()
		if err := pool.QueryRow(ctx, sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	_, err := pool.Exec(ctx, `
		INSERT INTO idempotent_answers (actor_kind, actor_id, key, request_hash, asked_at)
		SELECT 'key', 1, 'k' || hours, decode(repeat('00', 32), 'hex'), clock_timestamp() - hours * interval '1 hour'
		FROM unnest(ARRAY[0, 23, 26, 900]) AS hours`)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&forgetAnswers{db: pool}).Work(ctx, &river.Job[ForgetAnswers]{}); err != nil {
		t.Fatal(err)
	}
	if n := count(`SELECT count(*) FROM idempotent_answers WHERE key IN ('k0', 'k23')`); n != 2 || count(`SELECT count(*) FROM idempotent_answers`) != 2 {
		t.Errorf("answers of a day stay, older ones go: %d left", n)
	}

	_, err = pool.Exec(ctx, `
		INSERT INTO sign_in_failures (account_hash, address, failed_at)
		VALUES (decode(repeat('00', 32), 'hex'), '192.0.2.1', now() - interval '400 days')`)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&sweepPeople{people: &people.Register{DB: pool, Secret: make([]byte, 32)}}).Work(ctx, &river.Job[SweepPeople]{}); err != nil {
		t.Fatal(err)
	}
	if n := count(`SELECT count(*) FROM sign_in_failures`); n != 0 {
		t.Errorf("an old failure stays")
	}
	if err := (&expireReveals{telemetry: &telemetry.Store{DB: pool}}).Work(ctx, &river.Job[ExpireReveals]{}); err != nil {
		t.Fatal(err)
	}
}

func TestTheVaultIsShreddedInTimeAndRewrapped(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	keyset, err := vault.OpenKeyset(filepath.Join(t.TempDir(), "vault"))
	if err != nil {
		t.Fatal(err)
	}
	v := &vault.Vault{DB: pool, KEK: keyset}
	err = postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		for id, until := range map[string]time.Time{"old": time.Now().Add(-time.Hour), "young": time.Now().Add(time.Hour)} {
			if _, err := v.Seal(ctx, tx, vault.Context{EventID: id, Field: "event"}, []byte("text"), until); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := keyset.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // again changes nothing
		if err := (&keepVault{vault: v}).Work(ctx, &river.Job[KeepVault]{}); err != nil {
			t.Fatal(err)
		}
	}
	var living, wrapped int
	err = pool.QueryRow(ctx, `
		SELECT count(*), count(*) FILTER (WHERE kek_id = $1)
		FROM vault_keys JOIN vault_payloads ON id = payload
		WHERE event_id = 'young'`, rotated).Scan(&living, &wrapped)
	if err != nil || living != 1 || wrapped != 1 {
		t.Errorf("want the young text under the new key: %d living, %d under it, %v", living, wrapped, err)
	}
	var keys int
	if err := pool.QueryRow(ctx, `SELECT count(*) FROM vault_keys`).Scan(&keys); err != nil || keys != 1 {
		t.Errorf("the key of the old text is gone: %d keys, %v", keys, err)
	}
}
