package telemetry

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/retention"
)

var auditor = auth.Actor{Kind: auth.Person, ID: 9, Name: "Auditor", Roles: []auth.Role{auth.Auditor}}

func TestWhatAPersonWithdrewIsNotKept(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	said := func(body string) ConsentReceipt {
		t.Helper()
		receipt, err := s.RecordConsents(ctx, sender, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return receipt
	}
	kept := func(session, more string) string {
		t.Helper()
		land(t, s, answer(session, noon, `,"response":"Two."`+more))
		d, err := s.Session(ctx, engineer, session, SessionView{})
		if err != nil || d.Events != 1 {
			t.Fatal(d.Events, err)
		}
		return string(d.Consent) + " " + d.Page[0].Text
	}
	const anna, dialog = `,"user_id_hash":"u:sha256:99b5aa"`, `,"userConsentId":"c-1"`
	if got := kept("before", anna); got != "redacted Two." {
		t.Errorf("nobody said anything: %s", got)
	}
	given := `{"user_id_hash":"u:sha256:99b5aa","action":"given","consent":"redacted","at":"2026-11-19T10:00:00Z"}`
	if got := said(given); got != (ConsentReceipt{Recorded: 1}) {
		t.Errorf("%+v", got)
	}
	if got := kept("given", anna+`,"consent":"full"`); got != "redacted Two." {
		t.Errorf("no more than was given: %s", got)
	}
	if got := said(`[` + given + `,{"user_id_hash":"u:sha256:99b5aa","action":"withdrawn","at":"2026-11-20T10:00:00Z"},{"consent_id":"c-1","action":"withdrawn","consent":"none"},
		{"user_id_hash":"u:sha256:7777","action":"withdrawn","dialog":"file_access"}]`); got != (ConsentReceipt{Recorded: 3, Duplicate: 1}) {
		t.Errorf("%+v", got)
	}
	if got := kept("withdrawn", anna); got != "aggregate " {
		t.Errorf("withdrawn: %s", got)
	}
	if got := kept("dialog", dialog); got != "none " {
		t.Errorf("withdrawn by the id of the dialog: %s", got)
	}
	if got := kept("other", `,"user_id_hash":"u:sha256:7777"`); got != "redacted Two." {
		t.Errorf("another dialog is about something else: %s", got)
	}
	sendSpans(t, s, span(traceA, spanA, "", "chat", noon.Add(-time.Second), noon, "", "gen_ai.operation.name", "chat", "session.id", "spans", "user.id", "u:sha256:99b5aa",
		"gen_ai.output.messages", `[{"role":"assistant","content":"Two."}]`))
	drain(t, s)
	if d, err := s.Session(ctx, engineer, "spans", SessionView{}); err != nil || d.Consent != ConsentAggregate || d.HasText {
		t.Errorf("spans are held to it too: %+v, %v", d.Consent, err)
	}
	said(`{"user_id_hash":"u:sha256:99b5aa","action":"given","consent":"full"}`)
	if got := kept("again", anna); got != "redacted Two." {
		t.Errorf("given again, the terms of the key stand: %s", got)
	}

	page, err := s.Consents(ctx, auditor, ConsentFilter{Person: "u:sha256:99b5aa"}, 0, 2)
	if err != nil || page.Total != 3 || len(page.Consents) != 2 || page.Consents[0].Action != "given" || page.Consents[1].Action != "withdrawn" || page.Older == 0 {
		t.Errorf("%+v, %v", page, err)
	}
	if page, err = s.Consents(ctx, auditor, ConsentFilter{Action: "withdrawn", Dialog: "file_access"}, 0, 10); err != nil || page.Total != 1 {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := s.Consents(ctx, engineer, ConsentFilter{}, 0, 10); !errors.Is(err, fault.Denied) {
		t.Errorf("the log is the auditor's: %v", err)
	}
	for _, statement := range []string{`UPDATE consent_log SET consent = 'full'`, `DELETE FROM consent_log`} {
		if _, err := s.DB.Exec(ctx, `SET ROLE assay_app; `+statement); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("the log only grows: %v", err)
		}
	}
	var entries int
	if err := s.DB.QueryRow(ctx, `SELECT count(*) FROM audit_entries WHERE action LIKE 'consent.%'`).Scan(&entries); err != nil || entries != 5 {
		t.Errorf("each word has its entry: %d, %v", entries, err)
	}
	for _, bad := range []string{``, `3`, `[]`, `{"action":"given","consent":"full"}`, `{"consent_id":"c","action":"given"}`, `{"consent_id":"c","action":"withdrawn","consent":"full"}`,
		`{"consent_id":"c","action":"given","consent":"full","at":"tomorrow"}`, `{"consent_id":"c","action":"given","consent":"full","at":"2027-11-19T10:00:00Z"}`, `{"consent_id":"c\u0000","action":"given","consent":"full"}`} {
		if _, err := s.RecordConsents(ctx, sender, []byte(bad)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// The entry stays, the name goes; and what was withdrawn still holds, also for
// a process that starts later.
func TestAnErasedPersonHasNoNameInTheConsentLog(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	const name = "u:sha256:99b5aa"
	if _, err := s.RecordConsents(ctx, sender, []byte(`{"user_id_hash":"`+name+`","action":"withdrawn","at":"2026-11-20T10:00:00Z"}`)); err != nil {
		t.Fatal(err)
	}
	log, person := ConsentLog{s}, retention.Person{Hash: name}
	if n, err := log.Count(ctx, person); err != nil || n != 1 {
		t.Fatalf("want one entry with the name, got %d, %v", n, err)
	}
	for want := int64(1); want >= 0; want-- {
		if n, err := log.Erase(ctx, product, person); err != nil || n != want {
			t.Errorf("want %d, got %d, %v", want, n, err)
		}
	}
	var names int
	err := s.DB.QueryRow(ctx, `SELECT (SELECT count(*) FROM consent_log l WHERE strpos(l::text, $1) > 0) + (SELECT count(*) FROM audit_entries e WHERE strpos(e::text, $1) > 0)`, name).Scan(&names)
	if err != nil || names != 0 {
		t.Errorf("the name stands in %d rows, %v", names, err)
	}
	page, err := s.Consents(ctx, auditor, ConsentFilter{Person: name}, 0, 10)
	if err != nil || page.Total != 1 || page.Consents[0].Action != "withdrawn" || !strings.HasPrefix(page.Consents[0].UserIDHash, "erased:") {
		t.Errorf("whoever knows the name finds what was said: %+v, %v", page, err)
	}
	later := &Store{DB: s.DB, Clickhouse: s.Clickhouse, Clock: s.Clock}
	for i, store := range []*Store{s, later} {
		session := []string{"same", "later"}[i]
		land(t, store, answer(session, noon, `,"response":"Two.","user_id_hash":"`+name+`"`))
		if d, err := s.Session(ctx, engineer, session, SessionView{}); err != nil || d.Consent != ConsentAggregate || d.HasText {
			t.Errorf("%s process: %s, %v", session, d.Consent, err)
		}
	}
}
