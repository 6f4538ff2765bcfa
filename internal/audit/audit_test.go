package audit_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
)

var ada = auth.Actor{Kind: auth.Person, ID: 7, Name: "Ada Lindqvist", Roles: []auth.Role{auth.Engineer}}

func TestTheChangeAndItsEntryFallTogether(t *testing.T) {
	ctx := context.Background()
	tx := postgrestest.Tx(t)
	failure := errors.New("the change failed")

	err := postgres.InTx(ctx, tx, func(tx pgx.Tx) error {
		if err := audit.Record(ctx, tx, audit.Entry{Actor: ada, Action: "guide.publish", Object: "guide/3"}); err != nil {
			t.Fatal(err)
		}
		return failure
	})
	if !errors.Is(err, failure) {
		t.Fatal(err)
	}
	if got := count(t, tx, `SELECT count(*) FROM audit_entries WHERE object = 'guide/3'`); got != 0 {
		t.Errorf("want no entry of a change that did not happen, got %d", got)
	}
}

func TestAnEntryKeepsHashesAndNotTheState(t *testing.T) {
	ctx := context.Background()
	tx := postgrestest.Tx(t)
	state := map[string]any{"note": "the answer names the wrong city", "label": "hallucinated"}
	err := audit.Record(ctx, tx, audit.Entry{
		Actor: ada, Action: "label.submit", Object: "item/42", What: "hallucinated, revision 1", After: state,
	})
	if err != nil {
		t.Fatal(err)
	}
	var row, hash string
	var before []byte
	err = tx.QueryRow(ctx, `SELECT e::text, encode(after_hash, 'hex'), before_hash FROM audit_entries e WHERE object = 'item/42'`).Scan(&row, &hash, &before)
	if err != nil {
		t.Fatal(err)
	}
	if want := "89b353f9e7681215873312dfa9027bdc58544c9839ce0ff4ba65ef5687843997"; want != hash {
		t.Errorf("hash of the state: want %s, got %s", want, hash)
	}
	if before != nil {
		t.Errorf("want no hash of nothing, got %x", before)
	}
	if contains(row, "wrong city") {
		t.Errorf("the state itself is in the entry: %s", row)
	}
}

func TestAnEntryOfNoProperFormIsRefused(t *testing.T) {
	ctx := context.Background()
	tx := postgrestest.Tx(t)
	for name, entry := range map[string]audit.Entry{
		"no actor":        {Action: "item.skip", Object: "item/1"},
		"no verb":         {Actor: ada, Action: "skip", Object: "item/1"},
		"no id":           {Actor: ada, Action: "item.skip", Object: "item/"},
		"capital letters": {Actor: ada, Action: "Item.Skip", Object: "item/1"},
	} {
		if err := audit.Record(ctx, tx, entry); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: want invalid, got %v", name, err)
		}
	}
}

func TestAStrangeNameCanBeRecorded(t *testing.T) {
	tx := postgrestest.Tx(t)
	strange := auth.Actor{Kind: auth.Person, ID: 9, Name: "nul \x00 and broken \xff"}
	if err := audit.Record(context.Background(), tx, audit.Entry{Actor: strange, Action: "person.sign_in", Object: "person/9"}); err != nil {
		t.Fatal(err)
	}
}

func TestTheProgramCanOnlyAdd(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	record(t, pool, 1)
	for _, table := range []string{"audit_entries", "audit_leaves", "audit_nodes", "audit_batches", "audit_checkpoints"} {
		for _, sql := range []string{`DELETE FROM ` + table, `TRUNCATE ` + table + ` CASCADE`, `ALTER TABLE ` + table + ` DISABLE TRIGGER ALL`} {
			if _, err := pool.Exec(ctx, sql); err == nil {
				t.Errorf("the program's role may %s", sql)
			}
		}
	}
	if _, err := pool.Exec(ctx, `UPDATE audit_entries SET reason = 'another'`); err == nil {
		t.Error("the program's role may rewrite a reason")
	}
}

func TestEvenTheOwnerIsRefused(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	record(t, pool, 1)
	owner := own(t, pool)
	for _, sql := range []string{
		`UPDATE audit_entries SET reason = 'another'`,
		`DELETE FROM audit_entries`,
		`TRUNCATE audit_entries CASCADE`,
	} {
		if _, err := owner.Exec(ctx, sql); err == nil {
			t.Errorf("the owner may %s without first taking the guard away", sql)
		}
	}
}

func TestTheWriterCannotSayWhen(t *testing.T) {
	ctx := context.Background()
	tx := postgrestest.Tx(t)
	_, err := tx.Exec(ctx, `
		INSERT INTO audit_entries (xid, at, actor_kind, actor_id, actor_name, actor_roles, action, object, what, reason)
		VALUES ('3', '2001-01-01', 'person', 7, 'Ada', '', 'item.skip', 'item/77', '', '')`)
	if err != nil {
		t.Fatal(err)
	}
	fresh := count(t, tx, `SELECT count(*) FROM audit_entries WHERE object = 'item/77' AND at > now() - interval '1 minute' AND xid = pg_current_xact_id()`)
	if fresh != 1 {
		t.Error("an entry was dated by its writer")
	}
}
