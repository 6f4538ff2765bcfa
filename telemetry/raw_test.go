package telemetry

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/redact"
	"assay/internal/vault"
)

// withVault gives the store a vault with a keyset of its own.
func withVault(t testing.TB, s *Store) *vault.Vault {
	t.Helper()
	keyset, err := vault.OpenKeyset(filepath.Join(t.TempDir(), "vault"))
	if err != nil {
		t.Fatal(err)
	}
	s.Vault = &vault.Vault{DB: s.DB, KEK: keyset}
	return s.Vault
}

func rawTerms(consent Consent) Terms {
	terms := OpenTerms
	terms.Consent, terms.Capture = consent, CaptureRaw
	return terms
}

func TestRawTextLiesInTheVaultAndNowhereElse(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	v := withVault(t, s)
	setTerms(t, s, rawTerms(ConsentFull))
	id := uuid.NewString()
	land(t, s, answer("s1", noon, `,"event_id":"`+id+`","user_id_hash":"u-17","prompt":"Write to maya@example.com","response":"Sent to maya@example.com","context":["maya@example.com is vip"]`))

	ref := ask[string](t, s, `SELECT raw_payload_ref FROM events FINAL WHERE event_id = ?`, id)
	if ref == "" {
		t.Fatal("the event has no reference to its raw text")
	}
	if got := ask[string](t, s, `SELECT prompt FROM events FINAL WHERE event_id = ?`, id); got != "Write to [EMAIL]" {
		t.Errorf("the readable text is redacted, got %q", got)
	}
	var body []byte
	if err := s.DB.QueryRow(ctx, `SELECT body FROM inbox`).Scan(&body); err != nil {
		t.Fatal(err)
	}
	if lines, err := unpack(body); err != nil || strings.Contains(string(lines), "maya@") {
		t.Errorf("the inbox holds raw text: %s, %v", lines, err)
	}
	var raw RawText
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		text, err := v.Open(ctx, tx, engineer, ref, sealedAs(uuid.MustParse(id), pointerTo("u-17")), "test")
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &raw)
	})
	if err != nil || raw.Prompt != "Write to maya@example.com" || raw.Response != "Sent to maya@example.com" || len(raw.Context) != 1 || raw.Context[0] != "maya@example.com is vip" {
		t.Errorf("what opens is what was sent: %+v, %v", raw, err)
	}
	var until time.Time
	if err := s.DB.QueryRow(ctx, `SELECT keep_until FROM vault_payloads`).Scan(&until); err != nil || !until.Equal(noon.AddDate(0, 0, 90)) {
		t.Errorf("it is kept as long as its text: until %s, %v", until, err)
	}
}

func pointerTo(s string) *string { return &s }

func TestOnlyFullConsentAndRawCaptureSeal(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	withVault(t, s)
	sealed := func() (n int) {
		if err := s.DB.QueryRow(ctx, `SELECT count(*) FROM vault_payloads`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	text := `,"prompt":"Call Maya","response":"Done"`
	none := rawTerms(ConsentFull)
	none.Keep, none.KeepFlagged = 0, 0
	previews := OpenTerms
	previews.Consent = ConsentFull
	for name, terms := range map[string]Terms{"redacted consent": rawTerms(ConsentRedacted), "aggregate consent": rawTerms(ConsentAggregate), "a redacted preview": previews, "a session not drawn": none} {
		setTerms(t, s, terms)
		land(t, s, answer("s-"+name, noon, text))
		if n := sealed(); n != 0 {
			t.Errorf("%s: want nothing sealed, got %d", name, n)
		}
	}
	setTerms(t, s, rawTerms(ConsentRedacted))
	land(t, s, answer("own", noon, text+`,"consent":"full"`)) // an event's own consent counts first
	if n := sealed(); n != 1 {
		t.Errorf("full consent of the event itself: want 1 sealed, got %d", n)
	}
	send(t, s, answer("own", noon, text+`,"consent":"full"`)) // a duplicate
	if n := sealed(); n != 1 {
		t.Errorf("a duplicate seals nothing: want 1, got %d", n)
	}
}

func TestHashCaptureKeepsAKeyedHashAndNoText(t *testing.T) {
	s := newStore(t)
	terms := OpenTerms
	terms.Capture = CaptureHash
	setTerms(t, s, terms)
	land(t, s, answer("a", noon, `,"prompt":"Call Maya","response":"Done"`), answer("b", noon, `,"prompt":"Call Maya","response":"Other"`))
	if n := ask[uint64](t, s, `SELECT uniqExact(prompt_hash) * 10 + uniqExact(response_hash) FROM events FINAL WHERE prompt = '' AND response = '' AND length(prompt_hash) = 32`); n != 12 {
		t.Errorf("want one hash of the same prompt and two of two answers, got %d", n)
	}
	land(t, s, answer("c", noon, `,"prompt":"Call Maya","consent":"none"`))
	if got := ask[string](t, s, `SELECT prompt_hash FROM events FINAL WHERE session_id = 'c'`); got != "" {
		t.Errorf("without consent not even a hash stays, got %q", got)
	}
}

func TestTheDurableRecordIsThePublishedOne(t *testing.T) { // A11.14
	ctx := context.Background()
	s := newStore(t)
	s.Redact = redact.Delivery()
	id := uuid.MustParse("0190f1a2-0000-7000-8000-000000000001")
	land(t, s, answer("s1", noon, `,"event_id":"`+id.String()+`","request_id":"req-1","prompt_template_id":"fastship@v17","route":"serve","first_failed_stage":"claim_gate","prompt":"Email me ETA for order #A1042 at maya@example.com"`))
	record, err := s.Durable(ctx, engineer, id)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(record)
	want := `{"request_id":"req-1","prompt_template_id":"fastship@v17","evidence_version":null,"route":"serve","failed_stage":"claim_gate","redacted_preview":"Email me ETA for order [ORDER_ID] at [EMAIL]","raw_payload_ref":null,"scrub_policy":"delivery-pii-v1"}`
	if want != string(got) {
		t.Errorf("want %s\n got %s", want, got)
	}
	if _, err := s.Durable(ctx, auth.Actor{Kind: auth.Person, Roles: []auth.Role{auth.Admin}}, id); err == nil {
		t.Error("an admin sees no data")
	}
	if _, err := s.Durable(ctx, labeler, id); err == nil {
		t.Error("a labeler sees only what they hold")
	}
}
