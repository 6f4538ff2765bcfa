package jobs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/internal/auth/people"
	"assay/internal/clickhousetest"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
	"assay/internal/retention"
	"assay/internal/signing"
	"assay/internal/vault"
	"assay/labeling"
	"assay/telemetry"
	"assay/validators"
)

// archive is a desk with every place that holds text, and a clock.
type archive struct {
	*desk
	register *retention.Register
	clock    time.Time
	owner    *pgx.Conn
	admin    auth.Actor
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	a := &archive{desk: newDesk(t), clock: time.Now().UTC()}
	a.admin = auth.Actor{Kind: auth.Person, ID: 9, Name: "Admin", Roles: []auth.Role{auth.Admin}, SteppedUp: a.clock}
	keyset, err := vault.OpenKeyset(filepath.Join(t.TempDir(), "vault"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := signing.Open(filepath.Join(t.TempDir(), "signing"), "assay")
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return a.clock }
	a.telemetry.Clock = now
	a.telemetry.Vault = &vault.Vault{DB: a.pool, KEK: keyset}
	events := telemetry.EventTexts{Store: a.telemetry}
	a.register = &retention.Register{DB: a.pool, Signing: keys, Clock: now, Sessions: events, Places: []retention.Place{
		labeling.Texts{Store: a.labeling}, labeling.Files{Store: a.labeling}, validators.Evidence{Store: &validators.Store{DB: a.pool}}, telemetry.Inbox{Store: a.telemetry}, telemetry.ConsentLog{Store: a.telemetry},
		retention.Answers{DB: a.pool}, vault.Payloads{Vault: a.telemetry.Vault},
	}}
	terms := telemetry.OpenTerms
	terms.Consent, terms.Capture, terms.Historical = telemetry.ConsentFull, telemetry.CaptureRaw, true
	if err := a.telemetry.SetTerms(t.Context(), auth.Product(), 1, terms); err != nil {
		t.Fatal(err)
	}
	// What is compressed cannot be looked for, so nothing is.
	for _, column := range []string{"prompt", "response", "attributes"} {
		a.change(`ALTER TABLE events MODIFY COLUMN ` + column + ` String CODEC(NONE) TTL text_expires_at`)
	}
	a.change(`ALTER TABLE verdicts MODIFY COLUMN evidence String CODEC(NONE)`)
	for _, table := range []string{"events", "event_facts", "verdicts"} {
		a.change(`ALTER TABLE ` + table + ` MODIFY SETTING old_parts_lifetime = 1`)
	}
	if a.owner, err = pgx.Connect(t.Context(), postgrestest.OwnerURL(t, a.pool)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.owner.Close(context.Background()) })
	return a
}

func (a *archive) change(sql string) {
	a.t.Helper()
	if err := a.telemetry.Clickhouse.Exec(a.t.Context(), sql); err != nil {
		a.t.Fatal(err)
	}
}

func (a *archive) exec(sql string, args ...any) {
	a.t.Helper()
	if _, err := a.pool.Exec(a.t.Context(), sql, args...); err != nil {
		a.t.Fatal(err)
	}
}

// plant puts a canary wherever text of a person can lie: events, the inbox, an
// item and its title, a label's note and correction, a draft, a verdict's
// evidence and its copy, an exported file, a dead letter, a kept answer, the vault.
func (a *archive) plant(canary, person, session string) {
	a.t.Helper()
	ctx := a.t.Context()
	at := a.clock.Add(-50 * time.Hour).Format(time.RFC3339)
	a.land(
		fmt.Sprintf(`{"event_type":"assistant_response","session_id":%q,"user_id_hash":%q,"request_id":"r_%s","event_time":%q,"task_class":"file_edit","model_version":"v1","prompt":"Rename %s","response":"Renamed %s","note":"kept %s"}`, session, person, session, at, canary, canary, canary),
		fmt.Sprintf(`{"event_type":"correction","session_id":%q,"event_time":%q,"correction":"No, %s","correction_source":"edit"}`, session, at, canary))
	a.flag()
	var item int64
	var event uuid.UUID
	if err := a.pool.QueryRow(ctx, `SELECT id, event_id FROM items WHERE session_id = $1`, session).Scan(&item, &event); err != nil {
		a.t.Fatal(err)
	}
	labeler := auth.Actor{Kind: auth.Person, ID: 2, Name: "Labeler", Roles: []auth.Role{auth.Labeler}}
	r, err := a.labeling.Reserve(ctx, labeler, "file_edit")
	if err != nil || r.ItemID != item {
		a.t.Fatalf("reserve: %+v, %v", r, err)
	}
	if _, err := a.labeling.Submit(ctx, labeler, r.ItemID, r.Token, uuid.NewString(), labeling.Answer{Label: "hallucinated", Note: "It says " + canary, Correction: canary}); err != nil {
		a.t.Fatal(err)
	}
	a.exec(`INSERT INTO drafts (labeler_id, item_id, body) SELECT id, $1, jsonb_build_object('note', $2::text) FROM labelers LIMIT 1
		ON CONFLICT (labeler_id, item_id) DO UPDATE SET body = EXCLUDED.body`, item, canary)
	a.exec(`INSERT INTO people (email, name) VALUES ('reader@example.org', 'Reader') ON CONFLICT DO NOTHING`)
	a.exec(`WITH c AS (INSERT INTO comments (item_id, person_id) SELECT $1, id FROM people LIMIT 1 RETURNING id) INSERT INTO comment_texts (comment_id, body) SELECT id, $2 FROM c`, item, canary)
	a.exec(`WITH d AS (INSERT INTO disputes (label_id, item_id, person_id) SELECT l.id, $1, p.id FROM labels l, people p WHERE l.item_id = $1 LIMIT 1 RETURNING id)
		INSERT INTO dispute_texts (dispute_id, objection) SELECT id, $2 FROM d`, item, canary)
	a.exec(`WITH v AS (
			INSERT INTO verdicts (event_id, session_id, task_class, model_version, validator, version, verdict, reason, input_hash, sandbox, limits, elapsed_ms, cause, asked_at)
			VALUES ($1, $2, 'file_edit', 'v1', 'sql', '1', 'pass', '', $2, 'none', '{}', 1, 'request', now()) RETURNING id)
		INSERT INTO verdict_texts (verdict_id, message, evidence) SELECT id, $3, jsonb_build_object('said', $3::text)::text FROM v`, event, session, canary)
	err = a.telemetry.CopyVerdicts(ctx, []telemetry.VerdictRow{{EventID: event, SessionID: session, TaskClass: "file_edit", ModelVersion: "v1", Validator: "sql", Version: "1", Verdict: "pass", Message: canary, Evidence: []byte(`{"said":"` + canary + `"}`), At: a.clock, Revision: 1}})
	if err != nil {
		a.t.Fatal(err)
	}
	refused, err := a.telemetry.Ingest(ctx, auth.Actor{Kind: auth.Key, ID: 1, Scopes: []auth.Scope{auth.ScopeIngest}},
		[]byte(fmt.Sprintf(`{"event_type":"no such type","session_id":%q,"prompt":"%s"}`, session, canary)))
	if err != nil || len(refused.Rejected) != 1 {
		a.t.Fatalf("%+v, %v", refused, err)
	}
	engineer := auth.Actor{Kind: auth.Person, ID: 1, Name: "Engineer", Roles: []auth.Role{auth.Engineer}}
	dataset, err := a.labeling.Freeze(ctx, engineer, "With "+session, labeling.DatasetFilter{})
	if err == nil {
		err = a.labeling.FreezeVersion(ctx, auth.Product(), dataset.Newest.ID)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	file, err := a.labeling.RequestExport(ctx, engineer, dataset.Newest.ID, "csv")
	if err == nil {
		err = a.labeling.WriteExport(ctx, auth.Product(), file.ID)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	if _, err := a.telemetry.RecordConsents(ctx, auth.Actor{Kind: auth.Key, ID: 1, Scopes: []auth.Scope{auth.ScopeIngest}}, []byte(fmt.Sprintf(`{"user_id_hash":%q,"action":"given","consent":"full"}`, person))); err != nil {
		a.t.Fatal(err)
	}
	a.exec(`INSERT INTO idempotent_answers (actor_kind, actor_id, key, request_hash, asked_at, status, content_type, body)
		VALUES ('key', 1, $1, decode(repeat('00', 32), 'hex'), now(), 200, 'application/json', convert_to($2, 'UTF8'))`, session, `{"session_id":"`+session+`","prompt":"`+canary+`"}`)
}

// settle brings both engines' files to what their tables hold.
func (a *archive) settle() {
	a.t.Helper()
	time.Sleep(1100 * time.Millisecond) // the life of an old part here
	for _, table := range []string{"events", "event_facts", "verdicts"} {
		a.change(`ALTER TABLE ` + table + ` DROP PARTITION ID 'none'`) // clears old parts now, not when the engine next wakes
	}
	for _, table := range []string{"erasures", "legal_holds", "items", "label_texts", "comment_texts", "dispute_texts", "drafts", "verdict_texts", "dead_letters", "idempotent_answers", "inbox", "vault_payloads", "vault_keys", "exports", "export_parts", "consent_log"} {
		if _, err := a.owner.Exec(a.t.Context(), `VACUUM FULL `+table); err != nil {
			a.t.Fatal(err)
		}
	}
	for _, sql := range []string{`CHECKPOINT`, `SELECT pg_switch_wal()`, `CHECKPOINT`, `SELECT pg_switch_wal()`, `CHECKPOINT`} {
		if _, err := a.owner.Exec(a.t.Context(), sql); err != nil {
			a.t.Fatal(err)
		}
	}
}

// files lists the files of both engines, their logs of writes included, in
// which a text can be read.
func (a *archive) files(text string) (postgres, clickhouse []string) {
	a.t.Helper()
	var dir string
	if err := a.owner.QueryRow(a.t.Context(), `SELECT current_setting('data_directory')`).Scan(&dir); err != nil {
		a.t.Fatal(err)
	}
	return filesWith(dir, text), filesWith(clickhousetest.Dir(a.t), text)
}

func filesWith(dir, text string) (hits []string) {
	filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil
		}
		if content, err := os.ReadFile(path); err == nil && bytes.Contains(content, []byte(text)) {
			hits = append(hits, path)
		}
		return nil
	})
	return hits
}

// inInbox counts the batches of the inbox that hold a text.
func (a *archive) inInbox(text string) (n int) {
	a.t.Helper()
	rows, _ := a.pool.Query(a.t.Context(), `SELECT body FROM inbox`)
	bodies, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		a.t.Fatal(err)
	}
	r, _ := zstd.NewReader(nil)
	defer r.Close()
	for _, body := range bodies {
		lines, err := r.DecodeAll(body, nil)
		if err != nil {
			a.t.Fatal(err)
		}
		if bytes.Contains(lines, []byte(text)) {
			n++
		}
	}
	return n
}

// nowhere fails while a text can be found in any file of any store.
func (a *archive) nowhere(text string) {
	a.t.Helper()
	if n := a.inInbox(text); n != 0 {
		a.t.Errorf("%d batches of the inbox hold the text", n)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		a.settle()
		inPostgres, inClickhouse := a.files(text)
		if inPostgres == nil && inClickhouse == nil {
			return
		}
		if time.Now().After(deadline) {
			a.t.Errorf("the text can be read in %v and %v", inPostgres, inClickhouse)
			return
		}
	}
}

func (a *archive) canFind(text string) {
	a.t.Helper()
	if _, err := a.owner.Exec(a.t.Context(), `CHECKPOINT`); err != nil {
		a.t.Fatal(err)
	}
	if inPostgres, inClickhouse := a.files(text); inPostgres == nil || inClickhouse == nil || a.inInbox(text) == 0 {
		a.t.Fatalf("this test cannot find what is there: %v, %v, inbox %d", inPostgres, inClickhouse, a.inInbox(text))
	}
}

func canaryNamed(what string) string {
	return what + "-" + strings.ReplaceAll(uuid.NewString(), "-", "x")
}

func TestTextEndsInTimeInEveryStore(t *testing.T) {
	a := newArchive(t)
	ctx := t.Context()
	canary, held := canaryNamed("ends"), canaryNamed("held")
	a.plant(canary, "u-1", "ends")
	a.plant(held, "u-2", "held")
	a.canFind(canary)
	if _, err := a.register.Place(ctx, a.admin, "held", "", "court order 4711"); err != nil {
		t.Fatal(err)
	}

	a.clock = a.clock.AddDate(0, 0, 91)
	work := &runRetention{retention: a.register}
	if err := work.Work(ctx, &river.Job[RunRetention]{}); err != nil {
		t.Fatal(err)
	}
	if n := a.count(`SELECT count(*) FROM items WHERE session_id = 'ends' AND snapshot IS NOT NULL`); n != 1 {
		t.Error("a labeled example lives longer than other text")
	}
	if n := a.counted(`SELECT count() FROM events FINAL WHERE session_id = 'ends' AND prompt = '' AND response = '' AND correction = ''`); n != 2 {
		t.Errorf("events stay without their text: want 2, got %d", n)
	}
	if n := a.count(`SELECT count(*) FROM vault_keys JOIN vault_payloads ON id = payload WHERE held_at IS NULL`); n != 0 {
		t.Errorf("%d keys of raw text that is over", n)
	}

	a.clock = a.clock.AddDate(0, 0, 300)
	if err := work.Work(ctx, &river.Job[RunRetention]{}); err != nil {
		t.Fatal(err)
	}
	a.nowhere(canary)
	if n := a.counted(`SELECT (SELECT count() FROM events WHERE session_id = 'ends') + (SELECT count() FROM event_facts WHERE session_id = 'ends')`); n != 0 {
		t.Errorf("%d rows live longer than a year", n)
	}
	if n := a.count(`SELECT count(*) FROM labels`); n != 2 {
		t.Errorf("labels stay: want 2, got %d", n)
	}
	if n := a.counted(`SELECT countIf(prompt LIKE 'Rename held-%') FROM events FINAL WHERE session_id = 'held'`); n != 1 {
		t.Error("what is held stays whole")
	}
	if n := a.count(`SELECT count(*) FROM items WHERE session_id = 'held' AND snapshot IS NOT NULL AND title <> ''`); n != 1 {
		t.Error("the item of a held session stays whole")
	}
	if n := a.count(`SELECT count(*) FROM vault_keys`); n != 2 {
		t.Errorf("the raw text of the held session stays sealed: want 2 keys, got %d", n)
	}
	a.provedClean(t)

	if err := a.register.Release(ctx, a.admin, 1, "the case is closed"); err != nil {
		t.Fatal(err)
	}
	if err := work.Work(ctx, &river.Job[RunRetention]{}); err != nil {
		t.Fatal(err)
	}
	a.nowhere(held)
	a.provedClean(t)
}

// provedClean verifies the newest proof: signed, and nothing left.
func (a *archive) provedClean(t *testing.T) {
	t.Helper()
	proofs, err := a.register.Proofs(t.Context(), a.admin, 10)
	if err != nil || len(proofs) == 0 {
		t.Fatalf("want a proof, got %d, %v", len(proofs), err)
	}
	p := proofs[0]
	if !p.Clean || p.Removed() == 0 {
		t.Errorf("the proof is not clean, or of nothing: %+v", p.Places)
	}
	text, err := signing.OpenNote(p.Note, a.register.Signing.Public())
	if err != nil || !strings.Contains(text, "nothing was left in any place") {
		t.Errorf("the statement does not verify: %s, %v", text, err)
	}
}

func TestAPersonIsErasedAndNoRateChanges(t *testing.T) {
	a := newArchive(t)
	ctx := t.Context()
	gone, stays := canaryNamed("gone"), canaryNamed("stays")
	a.plant(gone, "person-of-many-letters", "s-gone")
	a.plant(stays, "u-2", "s-stays")
	a.canFind(gone)
	a.canFind(stays)
	day := a.clock.Add(-50 * time.Hour).Truncate(24 * time.Hour)
	sample := func() []labeling.SampleCell {
		t.Helper()
		if _, err := a.labeling.CloseFrames(ctx, auth.Product(), a.clock); err != nil {
			t.Fatal(err)
		}
		cells, err := a.labeling.Sample(ctx, auth.Product(), labeling.SampleFilter{From: day, To: day.AddDate(0, 0, 1)})
		if err != nil || len(cells) == 0 {
			t.Fatalf("%+v, %v", cells, err)
		}
		return cells
	}
	before := sample()

	for what, ask := range map[string][2]string{"nobody": {"", "a letter"}, "without a reason": {"u-2", ""}} {
		if _, err := a.register.Ask(ctx, a.admin, ask[0], ask[1]); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: want invalid, got %v", what, err)
		}
	}
	if _, err := a.register.Ask(ctx, a.admin, "u-unknown", "a letter"); fault.Of(err) != fault.NotFound {
		t.Errorf("somebody unknown: want not found, got %v", err)
	}
	if _, err := a.register.Ask(ctx, auth.Actor{Kind: auth.Person, Roles: []auth.Role{auth.Engineer}}, "u-2", "a letter"); fault.Of(err) != fault.Denied {
		t.Errorf("an engineer: want denied, got %v", err)
	}
	hold, err := a.register.Place(ctx, a.admin, "", "person-of-many-letters", "court order")
	if err != nil || hold.Sessions != 1 {
		t.Fatalf("%+v, %v", hold, err)
	}
	if _, err := a.register.Ask(ctx, a.admin, "person-of-many-letters", "a letter of 3 March"); fault.Of(err) != fault.Conflict {
		t.Errorf("under a hold: want conflict, got %v", err)
	}
	if err := a.register.Release(ctx, a.admin, hold.ID, "case closed"); err != nil {
		t.Fatal(err)
	}
	e, err := a.register.Ask(ctx, a.admin, "person-of-many-letters", "a letter of 3 March")
	if err != nil || e.Sessions != 1 {
		t.Fatalf("%+v, %v", e, err)
	}
	for _, found := range e.Counts {
		if found.Left == 0 {
			t.Errorf("the dry run found nothing in %s, where something was planted", found.Place)
		}
	}
	a.canFind(gone) // a dry run changes nothing

	old := a.admin
	old.SteppedUp = a.clock.Add(-people.StepUpLasts - time.Minute)
	if err := a.register.Confirm(ctx, old, e.ID, "etters"); fault.Of(err) != fault.Denied {
		t.Errorf("without a fresh proof: want denied, got %v", err)
	}
	if err := a.register.Confirm(ctx, a.admin, e.ID, "person"); fault.Of(err) != fault.Invalid {
		t.Errorf("the wrong characters: want invalid, got %v", err)
	}
	if _, err := a.register.Erase(ctx, auth.Product(), e.ID); err != nil || a.count(`SELECT count(*) FROM retention_proofs`) != 0 {
		t.Errorf("nothing happens before it is confirmed: %v", err)
	}
	if err := a.register.Confirm(ctx, a.admin, e.ID, "etters"); err != nil {
		t.Fatal(err)
	}
	work := &erasePerson{retention: a.register}
	for range 2 { // again changes nothing
		if err := work.Work(ctx, &river.Job[retention.Confirmed]{Args: retention.Confirmed{Erasure: e.ID}}); err != nil {
			t.Fatal(err)
		}
	}

	a.nowhere(gone)
	a.nowhere("person-of-many-letters")
	a.provedClean(t)
	a.canFind(stays)
	if after := sample(); !reflect.DeepEqual(before, after) {
		t.Errorf("what is counted changed:\nwant %+v\n got %+v", before, after)
	}
	if n := a.count(`SELECT count(*) FROM labels WHERE label = 'hallucinated'`); n != 2 {
		t.Errorf("labels stay: want 2, got %d", n)
	}
	if n := a.count(`SELECT count(*) FROM consensus`); n != 2 {
		t.Errorf("consensus stays: want 2, got %d", n)
	}
	if n := a.count(`SELECT count(*) FROM vault_keys`); n != 2 {
		t.Errorf("the other person's raw text stays sealed: want 2 keys, got %d", n)
	}
	done, err := a.register.Erasure(ctx, a.admin, e.ID)
	if err != nil || done.State != "done" || done.Person != "" {
		t.Errorf("the person is forgotten with the erasure: %+v, %v", done, err)
	}
	if _, err := a.pool.Exec(ctx, `UPDATE erasures SET person = 'somebody' WHERE id = $1`, e.ID); !postgres.Violates(err, "erasures_forget_the_person") {
		t.Errorf("the database refuses to remember: %v", err)
	}
}
