package telemetry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"assay/internal/auth"
	"assay/internal/fault"
)

func withID(id, session string, when time.Time) string {
	return answer(session, when, fmt.Sprintf(`,"event_id":%q`, id))
}

func TestEventsAreStoredRedacted(t *testing.T) {
	s := newStore(t)
	land(t, s, answer("a", noon, `,"prompt":"I am maya@example.com","response":"Call +1 415 555 0100","context":["card 4111 1111 1111 1111"],"region":{"contact":"joe@example.org"},
		"artifact":{"kind":"formula","formula":"=A1+#REF!","cells":{"A1":"sam@example.net"}}`))
	stored := ask[string](t, s, "SELECT payload FROM assistant_events_raw")
	for _, private := range []string{"maya@", "joe@", "sam@", "555 0100", "4111"} {
		if strings.Contains(stored, private) {
			t.Errorf("%q is stored: %s", private, stored)
		}
	}
	if !strings.Contains(stored, "=A1+#REF!") {
		t.Errorf("a formula's error value is no order number: %s", stored)
	}
	if !ask[bool](t, s, "SELECT artifact_redacted FROM events FINAL") {
		t.Error("an artifact that lost something says so")
	}
	var inbox []byte
	if err := s.DB.QueryRow(context.Background(), `SELECT body FROM inbox`).Scan(&inbox); err != nil {
		t.Fatal(err)
	}
	lines, err := unpack(inbox)
	if err != nil || strings.Contains(string(lines), "@example") {
		t.Errorf("the inbox holds what was private: %s, %v", lines, err)
	}
}

func TestBadEventCostsItsNeighboursNothing(t *testing.T) {
	s := newStore(t)
	receipt := send(t, s, answer("a", noon, "")+"\n{broken\n"+answer("b", noon, `,"latency_ms":"fast"`)+"\n"+answer("c", noon, ""))
	want := Receipt{Accepted: 2, Rejected: []Rejection{{1, "the event is not JSON"}, {2, "latency_ms must be a number of milliseconds from 0 up"}}}
	if fmt.Sprint(want) != fmt.Sprint(receipt) {
		t.Errorf("want %+v, got %+v", want, receipt)
	}
	letters, err := s.DeadLetters(context.Background(), engineer, "", 0, 10)
	if err != nil || letters.Total != 2 {
		t.Errorf("refused events are kept with their reason: %+v, %v", letters, err)
	}
}

func TestDuplicatesAreCountedExactly(t *testing.T) {
	s := newStore(t)
	id := uuid.NewString()
	if got := send(t, s, withID(id, "a", noon)+"\n"+withID(id, "a", noon)+"\n"+answer("b", noon, "")); got.Accepted != 2 || got.Duplicate != 1 {
		t.Errorf("inside a batch: %+v", got)
	}
	if got := send(t, s, withID(id, "a", noon)+"\n"+answer("b", noon, "")); got.Accepted != 0 || got.Duplicate != 2 {
		t.Errorf("in a second batch: %+v", got)
	}
	if got := send(t, s, withID(id, "a", noon.AddDate(0, -2, 0))); got.Duplicate != 1 {
		t.Errorf("with a time in another month: %+v", got)
	}
	s.Clock = func() time.Time { return noon.AddDate(0, 0, 20) }
	if got := send(t, s, withID(id, "a", noon)); got.Duplicate != 1 {
		t.Errorf("twenty days later: %+v", got)
	}
	drain(t, s)
	if got := ask[uint64](t, s, "SELECT count() FROM assistant_events_raw"); got != 2 {
		t.Errorf("two events are readable, got %d", got)
	}
}

func TestDuplicateOlderThanItsRememberedIDCountsOnce(t *testing.T) {
	s := newStore(t)
	id := uuid.NewString()
	s.Clock = func() time.Time { return noon.AddDate(0, 0, -60) }
	land(t, s, withID(id, "a", noon.AddDate(0, 0, -60)))
	s.Clock = func() time.Time { return noon }
	if _, err := s.Sweep(context.Background(), product); err != nil {
		t.Fatal(err)
	}
	if got := send(t, s, withID(id, "a", noon.AddDate(0, 0, -60))); got.Accepted != 1 {
		t.Fatalf("its id is forgotten at the door: %+v", got)
	}
	drain(t, s)
	if got := ask[uint64](t, s, "SELECT count() FROM event_facts FINAL"); got != 1 {
		t.Errorf("it is recognised behind it: want 1, got %d", got)
	}
}

func TestTwoBatchesOfTheSameEventsAtOnce(t *testing.T) {
	s := newStore(t)
	var lines []string
	for i := range 200 {
		lines = append(lines, withID(uuid.NewString(), fmt.Sprint(i), noon))
	}
	var accepted, duplicate int
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			mine := append([]string(nil), lines...)
			rand.New(rand.NewPCG(1, uint64(i))).Shuffle(len(mine), func(a, b int) { mine[a], mine[b] = mine[b], mine[a] })
			receipt, err := s.Ingest(context.Background(), sender, []byte(strings.Join(mine, "\n")))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			accepted, duplicate = accepted+receipt.Accepted, duplicate+receipt.Duplicate
		})
	}
	all.Wait()
	if accepted != 200 || duplicate != 1400 {
		t.Errorf("want 200 accepted and 1400 duplicate, got %d and %d", accepted, duplicate)
	}
}

func TestSkewRuleAndQuarantine(t *testing.T) {
	s := newStore(t)
	for _, c := range []struct {
		name        string
		event       time.Time
		effective   time.Time
		quarantined bool
	}{
		{"now", noon, noon, false},
		{"an hour late", noon.Add(-time.Hour), noon.Add(-time.Hour), false},
		{"two days late", noon.AddDate(0, 0, -2), noon.AddDate(0, 0, -1), false},
		{"thirty days late", noon.AddDate(0, 0, -30), noon.AddDate(0, 0, -1), false},
		{"an hour ahead", noon.Add(time.Hour), noon.Add(time.Hour), false},
		{"two days ahead", noon.AddDate(0, 0, 2), noon.AddDate(0, 0, 2), true},
	} {
		land(t, s, answer(c.name, c.event, ""))
		if got := ask[time.Time](t, s, "SELECT effective_time FROM event_facts FINAL WHERE session_id = ?", c.name); !got.Equal(c.effective) {
			t.Errorf("%s: want %s, got %s", c.name, c.effective, got)
		}
		if got := ask[bool](t, s, "SELECT quarantined FROM event_facts FINAL WHERE session_id = ?", c.name); got != c.quarantined {
			t.Errorf("%s: want quarantined %v", c.name, c.quarantined)
		}
	}
	setTerms(t, s, ReplayTerms)
	land(t, s, answer("replayed", noon.AddDate(-1, 0, 0), ""))
	if got := ask[time.Time](t, s, "SELECT effective_time FROM event_facts FINAL WHERE session_id = 'replayed'"); !got.Equal(noon.AddDate(-1, 0, 0)) {
		t.Errorf("a replay's times stand, got %s", got)
	}
}

func TestWithoutConsentNoTextIsKept(t *testing.T) {
	for _, consent := range []Consent{ConsentNone, ConsentAggregate} {
		s := newStore(t)
		land(t, s, answer("a", noon, fmt.Sprintf(`,"consent":%q,"prompt":"secretprompt","response":"secretresponse","context":"secretcontext","correction":"secretcorrection",
			"error_message":"secreterror","artifact":{"kind":"sql","sql":"secretsql"},"reason":"this was a secretreason","attributes":{"note":"secretnote","n":7,"ok":true},"user_id_hash":"u:1234abcd"`, consent)))
		var body []byte
		if err := s.DB.QueryRow(context.Background(), `SELECT body FROM inbox`).Scan(&body); err != nil {
			t.Fatal(err)
		}
		lines, _ := unpack(body)
		stored := string(lines) + ask[string](t, s, "SELECT payload FROM assistant_events_raw")
		if strings.Contains(stored, "secret") {
			t.Errorf("%s: text is kept: %s", consent, stored)
		}
		if got := ask[string](t, s, "SELECT attributes FROM events FINAL"); got != `{"n":7,"ok":true}` {
			t.Errorf("%s: numbers may be counted, got %s", consent, got)
		}
		if known := ask[bool](t, s, "SELECT user_id_hash IS NOT NULL FROM events FINAL"); known != (consent == ConsentAggregate) {
			t.Errorf("%s: person known %v", consent, known)
		}
	}
}

func TestKeyWithoutTermsKeepsNoText(t *testing.T) {
	s := newStore(t)
	if _, err := s.Ingest(context.Background(), auth.Actor{Kind: auth.Key, ID: 99, Scopes: sender.Scopes}, []byte(answer("a", noon, `,"response":"R"`))); err != nil {
		t.Fatal(err)
	}
	drain(t, s)
	if got := ask[string](t, s, "SELECT response FROM events FINAL"); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestTextIsKeptByTheDrawOfItsSession(t *testing.T) {
	s := newStore(t)
	terms := OpenTerms
	terms.Keep, terms.KeepFlagged = 0.25, 0.5
	setTerms(t, s, terms)
	var lines []string
	for i := range 400 {
		lines = append(lines, answer(fmt.Sprint("s", i), noon, `,"response":"R"`), answer(fmt.Sprint("s", i), noon.Add(time.Second), `,"response":"R2"`))
	}
	lines = append(lines, answer("unsafe", noon, `,"response":"R","unsafe_claim_served":true`))
	land(t, s, lines...)
	for sql, want := range map[string]uint64{
		"SELECT count() FROM events FINAL WHERE text_kept != (keep_u < 0.5) AND session_id != 'unsafe'":                                                             0,
		"SELECT count() FROM events FINAL WHERE text_kept != (response != '')":                                                                                      0,
		"SELECT count() FROM events FINAL WHERE text_kept AND (text_expires_at < toDateTime('2026-11-30 00:00:00')) != (keep_u >= 0.25) AND session_id != 'unsafe'": 0,
		"SELECT count() FROM (SELECT session_id FROM events FINAL GROUP BY session_id HAVING uniqExact(text_kept) > 1)":                                             0,
		"SELECT count() FROM events FINAL WHERE session_id = 'unsafe' AND text_kept":                                                                                1,
	} {
		if got := ask[uint64](t, s, sql); want != got {
			t.Errorf("%s: want %d, got %d", sql, want, got)
		}
	}
	if kept := ask[uint64](t, s, "SELECT uniqExact(session_id) FROM events FINAL WHERE text_kept"); kept < 150 || kept > 250 {
		t.Errorf("of 400 sessions about half keep text provisionally, got %d", kept)
	}
}

func TestDrawVectors(t *testing.T) {
	for _, c := range []struct {
		salt, id string
		want     float64
	}{
		{"epoch-2026-01", "sess_0001", 0.04633539108282836}, {"epoch-2026-01", "sess_0002", 0.9164472038815982},
		{"epoch-2026-01", "sess_0003", 0.8312706366908575}, {"epoch-2026-02", "sess_0001", 0.45214761239017764},
	} {
		if got := draw(c.salt, c.id); got != c.want {
			t.Errorf("%s %s: want %v, got %v", c.salt, c.id, c.want, got)
		}
	}
}

func TestPeopleAreHashedInIdentifiers(t *testing.T) {
	s := newStore(t)
	land(t, s, answer("maya@example.com/7", noon, `,"user_id":"maya","request_id":"r-maya@example.com"`), answer("maya@example.com/7", noon.Add(time.Second), `,"user_id":"maya"`))
	stored := ask[string](t, s, "SELECT toString(groupArray(tuple(*))) FROM events FINAL")
	if strings.Contains(stored, "maya") {
		t.Errorf("a person can be read in an identifier: %s", stored)
	}
	if got := ask[uint64](t, s, "SELECT uniqExact(session_id) + uniqExact(user_id_hash) FROM events FINAL"); got != 2 {
		t.Errorf("the same person hashes the same: %d", got)
	}
}

func TestFullInboxSheds(t *testing.T) {
	s := newStore(t)
	s.InboxLimit = 100
	send(t, s, answer("a", noon, `,"response":"`+strings.Repeat("some words ", 20)+`"`))
	s.depth = depth{}
	_, err := s.Ingest(context.Background(), sender, []byte(answer("b", noon, "")))
	if !errors.Is(err, fault.Unavailable) {
		t.Fatalf("a full inbox refuses, got %v", err)
	}
	drain(t, s)
	s.depth = depth{}
	if got := send(t, s, answer("b", noon, "")); got.Accepted != 1 {
		t.Errorf("a drained inbox takes events again: %+v", got)
	}
}

func TestIngestNeedsAKey(t *testing.T) {
	s := newStore(t)
	if _, err := s.Ingest(context.Background(), engineer, []byte(answer("a", noon, ""))); !errors.Is(err, fault.Denied) {
		t.Errorf("want denied, got %v", err)
	}
}

// jobs counts what is inserted, and can refuse.
type jobs struct {
	mu     sync.Mutex
	kinds  map[string]int
	refuse error
}

func (j *jobs) InsertTx(_ context.Context, _ pgx.Tx, args river.JobArgs, _ *river.InsertOpts) (*rivertype.JobInsertResult, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.kinds == nil {
		j.kinds = map[string]int{}
	}
	j.kinds[args.Kind()]++
	return nil, j.refuse
}

func TestBatchAndItsJobCommitTogether(t *testing.T) {
	s := newStore(t)
	j := &jobs{}
	s.Jobs = j
	send(t, s, answer("a", noon, ""))
	if j.kinds["telemetry.received"] != 1 {
		t.Errorf("a batch leaves one job, got %v", j.kinds)
	}
	j.refuse = errors.New("no")
	if _, err := s.Ingest(context.Background(), sender, []byte(answer("b", noon, ""))); !errors.Is(err, fault.Unavailable) {
		t.Errorf("without its job a batch is not taken, got %v", err)
	}
	j.refuse = nil
	if got := send(t, s, answer("b", noon, "")); got.Accepted != 1 {
		t.Errorf("what was not taken is no duplicate: %+v", got)
	}
	drain(t, s)
	if j.kinds["telemetry.landed"] != 1 || j.kinds["telemetry.traced"] != 0 {
		t.Errorf("a block that landed says so once, got %v", j.kinds)
	}
	land(t, s, `{"event_type":"gate_trace","request_id":"r","route":"serve","first_failed_stage":"passed","unsafe_claim_served":false}`)
	if j.kinds["telemetry.traced"] != 1 {
		t.Errorf("a block with gate traces says so, got %v", j.kinds)
	}
}
