package telemetry

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/redact"
)

var herons = []redact.Rule{{Name: "PROJECT", Words: []string{"Night Heron"}}, {Name: "EMPLOYEE_ID", Pattern: `\bE-\d{5}\b`}}

// A version is in force for what is taken after it, in every process; what
// was taken before stays and names the version it was taken under.
func TestTheRulesOfAnOperatorReachEveryProcess(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	other := &Store{DB: s.DB, Clickhouse: s.Clickhouse, Clock: s.Clock}
	say := func(store *Store, id string) (prompt, policy string) {
		t.Helper()
		land(t, store, `{"event_id":"`+id+`","event_type":"assistant_response","event_time":"`+at(noon)+`","session_id":"s-`+id[:4]+`","prompt":"E-12345 asks about night heron","response":"done"}`)
		record, err := s.Durable(ctx, engineer, uuid.MustParse(id))
		if err != nil {
			t.Fatal(err)
		}
		return record.RedactedPreview, record.ScrubPolicy
	}
	expect := func(prompt, policy, wantPrompt, wantPolicy string) {
		t.Helper()
		if prompt != wantPrompt || policy != wantPolicy {
			t.Errorf("want %q under %s, got %q under %s", wantPrompt, wantPolicy, prompt, policy)
		}
	}
	prompt, policy := say(other, "11111111-0000-4000-8000-000000000001")
	expect(prompt, policy, "E-12345 asks about night heron", "assay-pii-v1")
	if _, err := s.SetRedaction(ctx, engineer, 0, herons, "the merger is secret"); err != nil {
		t.Fatal(err)
	}
	prompt, policy = say(s, "22222222-0000-4000-8000-000000000002")
	expect(prompt, policy, "[EMPLOYEE_ID] asks about [PROJECT]", "assay-pii-v1+v1")
	other.policies.until = time.Now() // some seconds later
	prompt, policy = say(other, "33333333-0000-4000-8000-000000000003")
	expect(prompt, policy, "[EMPLOYEE_ID] asks about [PROJECT]", "assay-pii-v1+v1")
	if _, policy = say(other, "44444444-0000-4000-8000-000000000004"); policy != "assay-pii-v1+v1" {
		t.Errorf("what is remembered is %s", policy)
	}
}

func TestAVersionOfTheRulesNamesWhoAndWhyButNoWords(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	if _, err := s.SetRedaction(ctx, engineer, 0, herons, "the merger is secret"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetRedaction(ctx, engineer, 0, nil, "from an old page"); fault.Of(err) != fault.Conflict {
		t.Errorf("want a conflict for a change made from version 0, got %v", err)
	}
	if _, err := s.SetRedaction(ctx, engineer, 1, []redact.Rule{{Name: "BAD", Pattern: "a*"}}, "quickly"); fault.Of(err) != fault.Invalid {
		t.Errorf("want a pattern without an end refused, got %v", err)
	}
	if _, err := s.SetRedaction(ctx, engineer, 1, nil, ""); fault.Of(err) != fault.Invalid {
		t.Errorf("want a reason asked for, got %v", err)
	}
	if _, err := s.SetRedaction(ctx, auth.Actor{Kind: auth.Person, Roles: []auth.Role{auth.Reviewer}}, 1, nil, "not mine to say"); fault.Of(err) != fault.Denied {
		t.Errorf("want a reviewer refused, got %v", err)
	}
	if _, err := s.SetRedaction(ctx, engineer, 1, nil, "the merger is public"); err != nil {
		t.Fatal(err)
	}
	versions, err := s.Redactions(ctx, engineer, 10)
	if err != nil || len(versions) != 2 || versions[0].Version != 2 || len(versions[0].Rules) != 0 || len(versions[1].Rules) != 2 || versions[1].Author != engineer.Name {
		t.Errorf("versions: %+v, %v", versions, err)
	}
	if got := s.ScrubPolicy(ctx); got != "assay-pii-v1+v2" {
		t.Errorf("in force: %s", got)
	}
	var what string
	if err := s.DB.QueryRow(ctx, `SELECT string_agg(what, '; ' ORDER BY id) FROM audit_entries WHERE action = 'redaction.set'`).Scan(&what); err != nil {
		t.Fatal(err)
	}
	if want := "PROJECT (1 word), EMPLOYEE_ID (a pattern); no rules of one's own"; what != want {
		t.Errorf("want the entries to say %q, got %q", want, what)
	}
	if _, err := s.DB.Exec(ctx, `SET ROLE assay_app; UPDATE redaction_policies SET rules = '[]'`); err == nil {
		t.Error("the program's role changed a version")
	}
}

func TestTryingRulesStoresNothing(t *testing.T) {
	s := newStore(t)
	tried, err := s.TryRedaction(engineer, herons, "Night Heron, ada@example.com")
	if err != nil || tried.Text != "[PROJECT], [EMAIL]" || len(tried.Findings) != 2 {
		t.Errorf("%+v, %v", tried, err)
	}
	if _, err := s.TryRedaction(engineer, herons, strings.Repeat("a", MostTried+1)); fault.Of(err) != fault.Invalid {
		t.Errorf("want a long text refused, got %v", err)
	}
	if n := 0; s.DB.QueryRow(context.Background(), `SELECT count(*) FROM redaction_policies`).Scan(&n) != nil || n != 0 {
		t.Errorf("%d versions", n)
	}
}
