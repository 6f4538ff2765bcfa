package web

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
	"assay/internal/signing"
)

// sealed gives the world an audit with keys of its own.
func sealed(w *world) {
	macs, err := audit.OpenKeys(filepath.Join(w.t.TempDir(), "audit"))
	if err != nil {
		w.t.Fatal(err)
	}
	keys, err := signing.New("assay")
	if err != nil {
		w.t.Fatal(err)
	}
	w.stages.Audit = &audit.Log{DB: w.pool, MACKeys: macs, Signing: keys}
}

func (w *world) record(entries ...audit.Entry) {
	w.t.Helper()
	err := postgres.InTx(context.Background(), w.pool, func(tx pgx.Tx) error {
		for _, e := range entries {
			if err := audit.Record(context.Background(), tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.stages.Audit.Sequence(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnAuditorReadsEntriesTheirLivesAndTheirPlace(t *testing.T) {
	w := newWorld(t, sealed)
	engineer := auth.Actor{Kind: auth.Person, ID: w.ids[auth.Engineer], Name: hostile, Roles: []auth.Role{auth.Engineer}}
	manager := auth.Actor{Kind: auth.Person, ID: w.ids[auth.ReleaseManager], Name: "M. Brandt", Roles: []auth.Role{auth.ReleaseManager}, SteppedUp: time.Date(2026, 11, 20, 13, 44, 0, 0, time.UTC)}
	w.record(
		audit.Entry{Actor: engineer, Action: "handoff.open", Object: "handoff/17", What: hostile, Reason: hostile},
		audit.Entry{Actor: engineer, Action: "handoff.comment", Object: "handoff/18"},
		audit.Entry{Actor: manager, Action: "handoff.approve", Object: "handoff/17", What: "evidence c07e", After: "c07e"},
	)
	b := w.as(auth.Auditor)
	page := b.get("/audit?object=handoff").want(200)
	if n := len(page.find("#entries tbody tr, table tbody tr")); n != 3 {
		t.Errorf("want 3 rows, got %d", n)
	}
	if got := page.text(".head .sub"); !strings.Contains(got, "The signed tree was verified") {
		t.Error(got)
	}
	if len(page.find("main img, main script")) != 0 {
		t.Error("an entry became markup")
	}
	first := page.attr("table tbody tr a", "href")
	page = b.get(first).want(200)
	side := page.text(".split-side")
	for _, want := range []string{"handoff/17, its whole life", "handoff.open", "handoff.approve", "release manager, step-up 13:44 UTC", "verified just now"} {
		if !strings.Contains(side, want) {
			t.Errorf("the side lacks %q: %s", want, side)
		}
	}
	if strings.Contains(side, "handoff.comment") {
		t.Error("another object's entry is in the life")
	}
	b.get("/audit?entry=999999").want(404)
	b.get("/audit?day=yesterday").want(400)
	b.get("/audit?cursor=xyz").want(400)
	if n := len(b.get("/audit?day=2001-01-01").want(200).find(".empty")); n == 0 {
		t.Error("nothing says that no entry matches")
	}
}

func TestTheAuditPagesByTheKeyOfItsEntries(t *testing.T) {
	w := newWorld(t, sealed)
	var many []audit.Entry
	for i := range auditPageRows*2 + 5 {
		many = append(many, audit.Entry{Actor: auth.Product(), Action: "test.count", Object: fmt.Sprintf("test/%d", i)})
	}
	w.record(many...)
	b := w.as(auth.Auditor)
	address, seen := "/audit?did=test", map[string]bool{}
	for range 3 {
		page := b.get(address).want(200)
		for _, row := range page.find("table tbody tr b") {
			if text := words(row); seen[text] {
				t.Errorf("%s came twice", text)
			} else {
				seen[text] = true
			}
		}
		w.record(audit.Entry{Actor: auth.Product(), Action: "test.count", Object: "test/new"}) // moves no page
		older := ""
		for _, a := range page.find("a[href*='cursor=o']") {
			for _, at := range a.Attr {
				if at.Key == "href" {
					older = at.Val
				}
			}
		}
		if older == "" {
			break
		}
		address = older
	}
	if len(seen) != len(many) {
		t.Errorf("want %d entries, got %d", len(many), len(seen))
	}
}

func TestAReleaseManagerSeesTheirOwnGatesAlone(t *testing.T) {
	w := newWorld(t, sealed)
	manager := auth.Actor{Kind: auth.Person, ID: w.ids[auth.ReleaseManager], Name: "Release manager", Roles: []auth.Role{auth.ReleaseManager}}
	w.exec(`UPDATE people SET name = 'Release manager' WHERE id = $1`, w.ids[auth.ReleaseManager])
	other := auth.Actor{Kind: auth.Person, ID: w.ids[auth.Engineer], Name: "Another"}
	w.record(audit.Entry{Actor: manager, Action: "handoff.approve", Object: "handoff/1"}, audit.Entry{Actor: other, Action: "handoff.open", Object: "handoff/2"})
	page := w.as(auth.ReleaseManager).get("/audit").want(200)
	if got := page.text("main"); !strings.Contains(got, "handoff/1") || strings.Contains(got, "handoff/2") || strings.Contains(got, "sign_in.accept") {
		t.Error(got)
	}
	w.as(auth.ReleaseManager).post("/audit/verify", nil).want(403)
	for _, role := range []auth.Role{auth.Labeler, auth.Reviewer, auth.Engineer, auth.Admin} {
		w.as(role).get("/audit").want(403)
	}
}

func TestABrokenAuditIsTheFirstThingThePageSays(t *testing.T) {
	w := newWorld(t, sealed)
	w.record(audit.Entry{Actor: auth.Product(), Action: "test.count", Object: "test/1"}, audit.Entry{Actor: auth.Product(), Action: "test.count", Object: "test/2"})
	b := w.as(auth.Auditor)
	if got := b.get("/audit").want(200).text(".head .actions"); !strings.Contains(got, "whole") {
		t.Error(got)
	}
	owner, err := pgx.Connect(t.Context(), postgrestest.OwnerURL(t, w.pool))
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	if _, err := owner.Exec(t.Context(), `ALTER TABLE audit_entries DISABLE TRIGGER ALL; UPDATE audit_entries SET what = 'nothing' WHERE object = 'test/1'`); err != nil {
		t.Fatal(err)
	}
	b.post("/audit/verify", nil).to("/audit")
	page := b.get("/audit").want(200)
	if got := page.text(".banner"); !strings.Contains(got, "The audit is not whole: entry") {
		t.Error(got)
	}
}

func TestTheExportedBundleVerifiesWithThePublicKeyAlone(t *testing.T) {
	w := newWorld(t, sealed)
	w.record(audit.Entry{Actor: auth.Product(), Action: "test.count", Object: "test/1"})
	a := w.as(auth.Auditor).post("/audit/export", url.Values{}).want(200)
	carriesSandbox := strings.HasSuffix(a.Header.Get("Content-Security-Policy"), "sandbox")
	if a.Header.Get("Content-Disposition") != `attachment; filename="assay-audit.jsonl"` || !carriesSandbox || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers: %v", a.Header)
	}
	report, err := audit.VerifyBundle(bytes.NewReader([]byte(a.Body)), w.stages.Audit.Signing.PublicKeys()...)
	if err != nil {
		t.Fatalf("%+v, %v", report, err)
	}
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'audit.export'`); n != 1 {
		t.Errorf("want 1 entry of the export, got %d", n)
	}
}

func TestAnAuditorsOverviewSaysHowTheTreeStands(t *testing.T) {
	w := newWorld(t, sealed)
	w.record(audit.Entry{Actor: auth.Product(), Action: "test.count", Object: "test/1"})
	if got := w.as(auth.Auditor).get("/").want(200).text("h1"); got != "Every entry is in the signed tree." && got != "The audit is being sealed." {
		t.Error(got)
	}
}

func TestALinkToAnEntryStandsWhenNewerOnesCome(t *testing.T) {
	w := newWorld(t, sealed)
	w.record(audit.Entry{Actor: auth.Product(), Action: "test.first", Object: "test/first"})
	b := w.as(auth.Auditor)
	link := b.get("/audit?did=test").want(200).attr("table tbody tr a", "href")
	var many []audit.Entry
	for i := range auditPageRows + 5 {
		many = append(many, audit.Entry{Actor: auth.Product(), Action: "test.count", Object: fmt.Sprintf("test/%d", i)})
	}
	w.record(many...)
	if side := b.get(link).want(200).text(".split-side"); !strings.Contains(side, "test/first, its whole life") {
		t.Errorf("the link leads elsewhere: %s", side)
	}
}
