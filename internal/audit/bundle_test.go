package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
	"assay/internal/signing"
)

func export(t testing.TB, l *audit.Log, actor auth.Actor, filter audit.Filter) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := l.Export(context.Background(), actor, &out, filter); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestABundleVerifiesWithThePublicKeyAlone(t *testing.T) {
	l, pool := sealed(t)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, export(t, l, auditor, audit.Filter{}), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := audit.VerifyFile(path, l.Signing.Public())
	if err != nil {
		t.Fatal(err)
	}
	// A hundred entries and the one of the export itself.
	if !report.Whole || report.Entries != 101 || report.Checkpoints != 2 || report.Head.Size != 101 {
		t.Errorf("want the whole log with two checkpoints, got %+v", report)
	}
	if n := count(t, pool, `SELECT count(*) FROM audit_entries WHERE action = 'audit.export' AND actor_id = 70`); n != 1 {
		t.Errorf("want one entry of the export, got %d", n)
	}
	other, _ := signing.New("assay")
	if _, err := audit.VerifyFile(path, other.Public()); !errors.Is(err, fault.Invalid) {
		t.Errorf("another public key: want invalid, got %v", err)
	}
}

func TestASelectionCarriesItsProofs(t *testing.T) {
	l, _ := sealed(t)
	for filter, want := range map[audit.Filter]int64{
		{Object: "item/7"}:                     2, // both rounds skipped an item 7
		{Action: "item"}:                       100,
		{Object: "item", Action: "item.label"}: 0,
	} {
		report, err := audit.VerifyBundle(bytes.NewReader(export(t, l, auditor, filter)), l.Signing.Public())
		if err != nil {
			t.Errorf("%+v: %v", filter, err)
		}
		if report.Whole || report.Entries != want || report.Checkpoints != 2 {
			t.Errorf("%+v: want %d entries, got %+v", filter, want, report)
		}
	}
	report, err := audit.VerifyBundle(bytes.NewReader(export(t, l, auditor, audit.Filter{Actor: "Ines Okafor"})), l.Signing.Public())
	if err != nil || report.Entries != 4 {
		t.Errorf("want the four exports, this one included, got %+v, %v", report, err)
	}
}

// Whatever is changed in a bundle, one byte at a time, it does not verify.
func TestAChangedBundleDoesNotVerify(t *testing.T) {
	l, _ := sealed(t)
	public := l.Signing.Public()
	for name, bundle := range map[string][]byte{
		"whole":     export(t, l, auditor, audit.Filter{}),
		"selection": export(t, l, auditor, audit.Filter{Object: "item/7"}),
	} {
		step := max(1, len(bundle)/4000)
		for i := 0; i < len(bundle); i += step {
			changed := bytes.Clone(bundle)
			changed[i] ^= 1
			if _, err := audit.VerifyBundle(bytes.NewReader(changed), public); err == nil {
				t.Fatalf("%s: nobody noticed byte %d changed in …%q…", name, i, bundle[max(0, i-30):min(len(bundle), i+30)])
			}
		}
		lines := strings.SplitAfter(string(bundle), "\n")
		lines = lines[:len(lines)-1]
		for i := range lines {
			without := strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "")
			twice := strings.Join(append(append([]string{}, lines[:i+1]...), lines[i:]...), "")
			for how, text := range map[string]string{"gone": without, "doubled": twice} {
				if _, err := audit.VerifyBundle(strings.NewReader(text), public); err == nil {
					t.Fatalf("%s: nobody noticed line %d %s", name, i+1, how)
				}
			}
		}
		for i := 3; i+1 < len(lines); i++ {
			lines[i], lines[i+1] = lines[i+1], lines[i]
			if _, err := audit.VerifyBundle(strings.NewReader(strings.Join(lines, "")), public); err == nil {
				t.Fatalf("%s: nobody noticed lines %d and %d swapped", name, i+1, i+2)
			}
			lines[i], lines[i+1] = lines[i+1], lines[i]
		}
	}
}

func TestABundleIsReadStrictly(t *testing.T) {
	l, _ := sealed(t)
	bundle := string(export(t, l, auditor, audit.Filter{}))
	for name, change := range map[string][2]string{
		"an unknown member": {`{"leaf":3,`, `{"note":"approved","leaf":3,`},
		"a doubled member":  {`{"leaf":3,`, `{"leaf":9,"leaf":3,`},
		"other spacing":     {`{"leaf":3,`, `{"leaf": 3,`},
		"other case":        {`"reason"`, `"Reason"`},
	} {
		_, err := audit.VerifyBundle(strings.NewReader(strings.Replace(bundle, change[0], change[1], 1)), l.Signing.Public())
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: want invalid, got %v", name, err)
		}
	}
	if _, err := audit.VerifyBundle(strings.NewReader(""), l.Signing.Public()); !errors.Is(err, fault.Invalid) {
		t.Errorf("nothing: want invalid, got %v", err)
	}
}

func TestABrokenLogIsNotExported(t *testing.T) {
	l, pool := sealed(t)
	owner := unguarded(t, pool)
	exec(t, owner, `UPDATE audit_entries SET reason = 'another' WHERE object = 'item/7'`)
	for _, filter := range []audit.Filter{{}, {Object: "item/7"}} {
		if err := l.Export(context.Background(), auditor, &bytes.Buffer{}, filter); !errors.Is(err, fault.Conflict) {
			t.Errorf("%+v: want conflict, got %v", filter, err)
		}
	}
}

func TestEntriesPageByPage(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	l := open(t, pool)
	record(t, pool, 25)
	var seen []int64
	cursor, pages := "", 0
	var last audit.Page
	for {
		page, err := l.Entries(ctx, auditor, audit.Filter{}, cursor, 10)
		if err != nil {
			t.Fatal(err)
		}
		if page.Total != 25 {
			t.Errorf("total: want 25, got %d", page.Total)
		}
		for _, row := range page.Entries {
			seen = append(seen, row.ID)
		}
		pages++
		last = page
		if page.Older == "" {
			break
		}
		cursor = page.Older
	}
	if pages != 3 || len(seen) != 25 || seen[0] != 25 || seen[24] != 1 {
		t.Errorf("want 25 to 1 on 3 pages, got %d pages of %v", pages, seen)
	}
	back, err := l.Entries(ctx, auditor, audit.Filter{}, last.Newer, 10)
	if err != nil {
		t.Fatal(err)
	}
	if back.Entries[0].ID != 15 || back.Entries[9].ID != 6 || back.Older == "" || back.Newer == "" {
		t.Errorf("want 15 to 6 with pages on both sides, got %d to %d, %q, %q", back.Entries[0].ID, back.Entries[9].ID, back.Older, back.Newer)
	}
	first, err := l.Entries(ctx, auditor, audit.Filter{}, back.Newer, 10)
	if err != nil {
		t.Fatal(err)
	}
	if first.Entries[0].ID != 25 || first.Newer != "" {
		t.Errorf("want the newest page at the end of the way back, got %d, %q", first.Entries[0].ID, first.Newer)
	}
	for _, bad := range []string{"x", "o", "o-1", "zzz"} {
		if _, err := l.Entries(ctx, auditor, audit.Filter{}, bad, 10); !errors.Is(err, fault.Invalid) {
			t.Errorf("cursor %q: want invalid, got %v", bad, err)
		}
	}
}

func TestFiltersNarrow(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	l := open(t, pool)
	for _, e := range []audit.Entry{
		{Actor: ada, Action: "item.skip", Object: "item/1"},
		{Actor: ada, Action: "items.import", Object: "items/1"},
		{Actor: auditor, Action: "item.dispute", Object: "item/12"},
		{Actor: auth.Product(), Action: "handoff.open", Object: "handoff/1"},
	} {
		record1(t, pool, e)
	}
	for filter, want := range map[audit.Filter]int64{
		{}:                                     4,
		{Action: "item"}:                       2,
		{Action: "item.skip"}:                  1,
		{Object: "item"}:                       2,
		{Object: "item/1"}:                     1,
		{Actor: ada.Name}:                      2,
		{Actor: ada.Name, Object: "items"}:     1,
		{Actor: "nobody"}:                      0,
		{Object: "item/1", Action: "item.ski"}: 0,
	} {
		page, err := l.Entries(ctx, auditor, filter, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		if page.Total != want || int64(len(page.Entries)) != want {
			t.Errorf("%+v: want %d, got %d of %d", filter, want, len(page.Entries), page.Total)
		}
	}
}

func record1(t testing.TB, db postgres.DB, e audit.Entry) {
	t.Helper()
	ctx := context.Background()
	if err := postgres.InTx(ctx, db, func(tx pgx.Tx) error { return audit.Record(ctx, tx, e) }); err != nil {
		t.Fatal(err)
	}
}

func TestAReleaseManagerSeesTheirOwnGates(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	l := open(t, pool)
	manager := auth.Actor{Kind: auth.Person, ID: 31, Name: "Sunil Iyer", Roles: []auth.Role{auth.ReleaseManager}}
	record1(t, pool, audit.Entry{Actor: ada, Action: "handoff.open", Object: "handoff/17"})
	record1(t, pool, audit.Entry{Actor: ada, Action: "handoff.open", Object: "handoff/18"})
	record1(t, pool, audit.Entry{Actor: manager, Action: "handoff.approve", Object: "handoff/17"})
	record1(t, pool, audit.Entry{Actor: manager, Action: "person.sign_in", Object: "person/31"})
	page, err := l.Entries(ctx, manager, audit.Filter{}, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if page.Total != 2 || page.Entries[0].Object != "handoff/17" || page.Entries[1].Object != "handoff/17" {
		t.Errorf("want the two entries of handoff 17, got %+v", page.Entries)
	}
	if life, err := l.Life(ctx, manager, "handoff/18", 10); err != nil || len(life) != 0 {
		t.Errorf("want nothing of handoff 18, got %v, %v", life, err)
	}
	sequence(t, l, 4)
	if _, err := l.Place(ctx, manager, 2); !errors.Is(err, fault.NotFound) {
		t.Errorf("want entry 2 not found, got %v", err)
	}
	report, err := audit.VerifyBundle(bytes.NewReader(export(t, l, manager, audit.Filter{})), l.Signing.Public())
	if err != nil || report.Whole || report.Entries != 2 {
		t.Errorf("want a bundle of two entries, got %+v, %v", report, err)
	}
}

func TestTheLifeOfAnObjectAndItsPlace(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	l := open(t, pool)
	for i, action := range []string{"handoff.open", "handoff.freeze", "handoff.approve"} {
		record1(t, pool, audit.Entry{Actor: ada, Action: action, Object: "handoff/17", What: fmt.Sprintf("step %d", i)})
		record(t, pool, 3)
	}
	life, err := l.Life(ctx, auditor, "handoff/17", 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(life) != 3 || life[0].Action != "handoff.open" || life[2].What != "step 2" || life[0].Leaf != nil {
		t.Errorf("want three steps in order, without leaves as yet, got %+v", life)
	}
	if _, err := l.Place(ctx, auditor, life[1].ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("an entry that waits for its leaf has no place: got %v", err)
	}
	sequence(t, l, 12)
	place, err := l.Place(ctx, auditor, life[1].ID)
	if err != nil || !place.Valid || place.Size != 12 || place.Leaf != 4 || len(place.Proof) != 4 || place.Checkpoint.Note != "" {
		t.Errorf("want a valid unsigned place at leaf 4 of 12, got %+v, %v", place, err)
	}
	signed := checkpoint(t, l, audit.Hourly)
	record(t, pool, 3)
	sequence(t, l, 15)
	place, err = l.Place(ctx, auditor, life[1].ID)
	if err != nil || !place.Valid || place.Size != 12 || place.Checkpoint.Note != signed.Note {
		t.Errorf("want a valid place in the signed tree, got %+v, %v", place, err)
	}
	owner := unguarded(t, pool)
	exec(t, owner, `UPDATE audit_entries SET what = 'step 7' WHERE id = $1`, life[1].ID)
	if place, err = l.Place(ctx, auditor, life[1].ID); err != nil || place.Valid {
		t.Errorf("a changed entry has no valid place: got %+v, %v", place, err)
	}
}
