package telemetry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"assay/internal/fault"
)

// failing is a ClickHouse that refuses to write a table for a while.
type failing struct {
	driver.Conn
	table string
	times int
	asked int
}

func (f *failing) PrepareBatch(ctx context.Context, query string, opts ...driver.PrepareBatchOption) (driver.Batch, error) {
	f.asked++
	if f.times > 0 && strings.Contains(query, "INTO "+f.table+" ") {
		f.times--
		return nil, errors.New("connection refused")
	}
	return f.Conn.PrepareBatch(ctx, query, opts...)
}

func rowsIn(t *testing.T, s *Store) (physical, readable [2]uint64) {
	t.Helper()
	for i, table := range eventTables {
		physical[i] = ask[uint64](t, s, "SELECT count() FROM "+table)
		readable[i] = ask[uint64](t, s, "SELECT count() FROM "+table+" FINAL")
	}
	return physical, readable
}

func TestDrainInterruptedBetweenTheTablesDoublesNothing(t *testing.T) {
	s := newStore(t)
	send(t, s, answer("a", noon, "")+"\n"+answer("b", noon.AddDate(0, -1, 0), ""))
	s.Clickhouse = &failing{Conn: s.Clickhouse, table: "event_facts", times: 1}
	if _, err := s.Drain(context.Background(), product); !errors.Is(err, fault.Unavailable) {
		t.Fatalf("want unavailable, got %v", err)
	}
	if w, err := s.Waiting(context.Background()); err != nil || w.Events != 2 {
		t.Fatalf("what was not confirmed waits: %+v, %v", w, err)
	}
	if _, err := s.Drain(context.Background(), product); !errors.Is(err, fault.Unavailable) || s.Clickhouse.(*failing).asked != 2 {
		t.Errorf("for a moment it is not asked again, got %v", err)
	}
	s.away = away{}
	drain(t, s)
	if physical, readable := rowsIn(t, s); physical != [2]uint64{2, 2} || readable != physical {
		t.Errorf("want 2 rows in each table, got %v, readable %v", physical, readable)
	}
}

func TestDrainInterruptedBeforeConfirmDoublesNothing(t *testing.T) {
	s := newStore(t)
	for i := range 5 {
		send(t, s, answer(fmt.Sprint("s", i), noon, ""))
	}
	block, batches, err := s.claim(context.Background(), anything)
	if err != nil || len(batches) != 5 {
		t.Fatalf("one block of 5 batches, got %d, %v", len(batches), err)
	}
	sheets, _ := readBatches(batches)
	if err := s.write(context.Background(), block, sheets); err != nil {
		t.Fatal(err)
	}
	// The drainer dies here. More arrives; its claim runs out.
	send(t, s, answer("later", noon, ""))
	s.giveBack(context.Background(), block)
	if done := drain(t, s); done.Blocks != 2 || done.Events != 6 {
		t.Errorf("the block is drained as it was, then the rest: %+v", done)
	}
	if physical, readable := rowsIn(t, s); physical != [2]uint64{6, 6} || readable != physical {
		t.Errorf("want 6 rows in each table, got %v, readable %v", physical, readable)
	}
	// ClickHouse may have forgotten the block's token by then.
	if err := s.write(context.Background(), uuid.New(), sheets); err != nil {
		t.Fatal(err)
	}
	if physical, readable := rowsIn(t, s); physical != [2]uint64{11, 11} || readable != [2]uint64{6, 6} {
		t.Errorf("copies count once: %v, readable %v", physical, readable)
	}
}

func TestLateCopyOfARememberedBlockIsNotDropped(t *testing.T) {
	s := newStore(t)
	setTerms(t, s, ReplayTerms)
	send(t, s, answer("old", noon.AddDate(-1, 0, 0), ""))
	s.Clickhouse = &failing{Conn: s.Clickhouse, table: "events", times: 1}
	s.Drain(context.Background(), product)
	s.away = away{}
	drain(t, s)
	if _, readable := rowsIn(t, s); readable != [2]uint64{1, 1} {
		t.Errorf("an old event is in both tables, got %v", readable)
	}
}

func TestDrainersShareTheInbox(t *testing.T) {
	s := newStore(t)
	for i := range 60 {
		send(t, s, answer(fmt.Sprint("s", i), noon, ""))
	}
	var total int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			done, err := s.Drain(context.Background(), product)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			total += done.Events
		})
	}
	all.Wait()
	if physical, readable := rowsIn(t, s); total != 60 || physical != [2]uint64{60, 60} || readable != physical {
		t.Errorf("want 60 events once, drained %d, got %v, readable %v", total, physical, readable)
	}
}

func TestSmallBatchesBecomeOneBlock(t *testing.T) {
	s := newStore(t)
	for i := range 30 {
		send(t, s, answer(fmt.Sprint("s", i), noon, ""))
	}
	done, err := s.DrainSoon(context.Background(), product)
	if err != nil || done.Blocks != 1 || done.Events != 30 {
		t.Errorf("want one block of 30, got %+v, %v", done, err)
	}
	if parts := ask[uint64](t, s, "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND active"); parts != 1 {
		t.Errorf("want one part, got %d", parts)
	}
}

func TestPoisonIsBuriedAndItsNeighboursLand(t *testing.T) {
	s := newStore(t)
	send(t, s, answer("a", noon, ""))
	// A batch as a version to come might write it, and one that was damaged.
	lines := `{"event_id":"0d85369d-c5fe-5050-a65c-053f2ec5a9e2","event_type":"outcome","mood":"good"}` + "\n" + `{"half":`
	for _, body := range [][]byte{packer.EncodeAll([]byte(lines), nil), []byte("damaged")} {
		if _, err := s.DB.Exec(context.Background(), `
			INSERT INTO inbox (day, received_at, key_id, events, bytes, size, body) VALUES ($1, $2, 7, 2, $3, $3, $4)`,
			day(noon), noon, len(body), body); err != nil {
			t.Fatal(err)
		}
	}
	send(t, s, answer("b", noon, ""))
	if done := drain(t, s); done.Events != 2 || done.Dead != 3 {
		t.Errorf("want 2 landed and 3 buried, got %+v", done)
	}
	page, err := s.DeadLetters(context.Background(), engineer, "", 0, 10)
	if err != nil || page.Total != 3 {
		t.Fatalf("want 3 letters, got %+v, %v", page, err)
	}
	for _, l := range page.Letters {
		if l.Origin != AtDrain || l.Reason == "" {
			t.Errorf("a letter names its reason: %+v", l)
		}
	}
}

// picky is a ClickHouse that cannot encode one text.
type picky struct {
	driver.Conn
	text string
}

type pickyBatch struct {
	driver.Batch
	text string
}

type pickyColumn struct {
	driver.BatchColumn
	text string
}

func (p *picky) PrepareBatch(ctx context.Context, query string, opts ...driver.PrepareBatchOption) (driver.Batch, error) {
	batch, err := p.Conn.PrepareBatch(ctx, query, opts...)
	return &pickyBatch{batch, p.text}, err
}

func (p *pickyBatch) Column(i int) driver.BatchColumn { return &pickyColumn{p.Batch.Column(i), p.text} }

func (p *pickyColumn) Append(values any) error {
	if texts, ok := values.([]string); ok && slices.Contains(texts, p.text) {
		return errors.New("no such text")
	}
	return p.BatchColumn.Append(values)
}

func TestDataClickhouseRefusesIsFoundByHalving(t *testing.T) {
	s := newStore(t)
	s.Clickhouse = &picky{s.Clickhouse, "poison"}
	for i := range 9 {
		session := fmt.Sprint("s", i)
		if i == 5 {
			session = "poison"
		}
		send(t, s, answer(session, noon, `,"response":"R"`))
	}
	if done := drain(t, s); done.Events != 8 || done.Dead != 1 {
		t.Fatalf("want 8 landed and one buried, got %+v", done)
	}
	if _, readable := rowsIn(t, s); readable != [2]uint64{8, 8} {
		t.Errorf("its neighbours are stored, got %v", readable)
	}
	ctx := context.Background()
	page, err := s.DeadLetters(ctx, engineer, "", 0, 10)
	if err != nil || page.Total != 1 || page.Letters[0].Reason != "ClickHouse refused the event: its session_id cannot be encoded" {
		t.Fatalf("the letter names the reason: %+v, %v", page, err)
	}
	s.Clickhouse = s.Clickhouse.(*picky).Conn
	if outcome, err := s.Replay(ctx, engineer, page.Letters[0].ID); err != nil || outcome != "accepted" {
		t.Errorf("replayed when the cause is mended it lands: %q, %v", outcome, err)
	}
	drain(t, s)
	if _, readable := rowsIn(t, s); readable != [2]uint64{9, 9} {
		t.Errorf("want all 9, got %v", readable)
	}
}

func TestDeadLettersAreReplayed(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	send(t, s, answer("a", noon, `,"route":"fly","response":"mail maya@example.com"`))
	page, err := s.DeadLetters(ctx, engineer, "", 0, 10)
	if err != nil || len(page.Letters) != 1 || strings.Contains(page.Letters[0].Body, "maya@") {
		t.Fatalf("a letter's body is redacted: %+v, %v", page, err)
	}
	id := page.Letters[0].ID
	if outcome, err := s.Replay(ctx, engineer, id); err != nil || outcome != "refused" {
		t.Errorf("what is still wrong is refused again, got %q, %v", outcome, err)
	}
	if _, err := s.DB.Exec(ctx, `UPDATE dead_letters SET body = replace(body, '"fly"', '"serve"') WHERE id = $1`, id); err != nil {
		t.Fatal(err)
	}
	if outcome, err := s.Replay(ctx, engineer, id); err != nil || outcome != "accepted" {
		t.Errorf("what is right now is accepted, got %q, %v", outcome, err)
	}
	if _, err := s.Replay(ctx, engineer, id); !errors.Is(err, fault.Conflict) {
		t.Errorf("a letter is replayed once, got %v", err)
	}
	if _, err := s.Replay(ctx, labeler, id); !errors.Is(err, fault.Denied) {
		t.Errorf("replaying needs the role, got %v", err)
	}
	drain(t, s)
	if got := ask[string](t, s, "SELECT response FROM events FINAL"); got != "mail [EMAIL]" {
		t.Errorf("got %q", got)
	}
}

func TestAllLettersOfAReasonAreReplayedOnce(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	for i := range 5 {
		send(t, s, answer(fmt.Sprint("s", i), noon, `,"route":"fly"`))
	}
	send(t, s, answer("other", noon, `,"impact":9`))
	send(t, s, answer("s0", noon, `,"route":"fly"`)) // once more: the same letter
	setTerms(t, s, StrictTerms)
	send(t, s, answer("quiet", noon, `,"route":"fly"`))
	reasons, err := s.LetterReasons(ctx, engineer)
	if err != nil || len(reasons) != 2 || reasons[0].Letters != 6 || reasons[0].Times != 7 || reasons[1].Letters != 1 {
		t.Fatalf("%+v, %v", reasons, err)
	}
	page, err := s.DeadLetters(ctx, engineer, reasons[0].Reason, 0, 3)
	if err != nil || page.Total != 6 || len(page.Letters) != 3 || page.Older == 0 {
		t.Errorf("%+v, %v", page, err)
	}
	// Two of them would be taken by now, and these two are one event.
	if _, err := s.DB.Exec(ctx, `UPDATE dead_letters SET body = replace(replace(body, '"fly"', '"serve"'), 's1', 's2') WHERE body LIKE '%"s1"%' OR body LIKE '%"s2"%'`); err != nil {
		t.Fatal(err)
	}
	for i, want := range []Replayed{{Accepted: 1, Duplicate: 1, Refused: 3, Bodyless: 1}, {Refused: 3, Bodyless: 1}} {
		if got, err := s.ReplayAlike(ctx, engineer, reasons[0].Newest); err != nil || got != want {
			t.Errorf("time %d: want %+v, got %+v, %v", i, want, got, err)
		}
	}
	if _, err := s.ReplayAlike(ctx, labeler, reasons[0].Newest); !errors.Is(err, fault.Denied) {
		t.Errorf("replaying needs the role, got %v", err)
	}
	if done := drain(t, s); done.Events != 1 {
		t.Errorf("one event came of it, got %d", done.Events)
	}
}

func TestSweepKeepsWhatWasNotDrained(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	for _, age := range []int{40, 20} {
		s.Clock = func() time.Time { return noon.AddDate(0, 0, -age) }
		send(t, s, answer(fmt.Sprint(age), noon.AddDate(0, 0, -age), ""))
		if age == 40 {
			drain(t, s)
		}
	}
	s.Clock = func() time.Time { return noon }
	swept, err := s.Sweep(ctx, product)
	if err != nil {
		t.Fatal(err)
	}
	// Of day 40 (and 39, opened with it) the batches and the ids go; of day 20
	// nothing, and of day 19 the empty inbox.
	if swept.Days != 5 {
		t.Errorf("want 5 days dropped, got %+v", swept)
	}
	if done := drain(t, s); done.Events != 1 {
		t.Errorf("an old batch that waits is still there: %+v", done)
	}
	if again, err := s.Sweep(ctx, product); err != nil || again.Days != 1 {
		t.Errorf("drained, its day goes too: %+v, %v", again, err)
	}
}

func TestClickhouseIsRebuiltFromTheInbox(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	land(t, s, answer("a", noon, `,"response":"R"`), answer("b", noon.AddDate(0, -1, 0), ""))
	for _, table := range eventTables {
		if err := s.Clickhouse.Exec(ctx, "TRUNCATE TABLE "+table); err != nil {
			t.Fatal(err)
		}
	}
	land(t, s, answer("c", noon, ""))
	if n, err := s.Rebuild(ctx, product, noon); err != nil || n != 3 {
		t.Fatalf("want 3 events sent again, got %d, %v", n, err)
	}
	drain(t, s)
	if _, readable := rowsIn(t, s); readable != [2]uint64{3, 3} {
		t.Errorf("what was lost is back, and what was there counts once: %v", readable)
	}
	if got := ask[string](t, s, "SELECT response FROM events FINAL WHERE session_id = 'a'"); got != "R" {
		t.Errorf("got %q", got)
	}
}

func TestTheRoleCannotTouchTheDaysItself(t *testing.T) {
	s := newStore(t)
	send(t, s, answer("a", noon, ""))
	for _, sql := range []string{`DROP TABLE inbox`, `TRUNCATE event_ids`, `UPDATE keep_salts SET salt = 'mine'`} {
		if _, err := s.DB.Exec(context.Background(), sql); err == nil {
			t.Errorf("the database refuses: %s", sql)
		}
	}
}

// oracle is what a list and a count must agree with: plain Go over what was
// accepted.
type oracle map[string]map[uuid.UUID]bool

func TestCountsEqualTheOracle(t *testing.T) {
	n := 50_000
	if *full {
		n = 1_000_000
	}
	s := newStore(t)
	random := rand.New(rand.NewPCG(2026, 11))
	sessions := oracle{}
	var sent []string
	accepted, duplicates := 0, 0
	batch := make([]string, 0, 500)
	flush := func() {
		receipt := send(t, s, strings.Join(batch, "\n"))
		accepted, duplicates = accepted+receipt.Accepted, duplicates+receipt.Duplicate
		batch = batch[:0]
	}
	classes := []string{"file_edit", "sql_query", "summarization"}
	for i := range n {
		var event string
		if len(sent) > 0 && random.Float64() < 0.05 {
			event = sent[random.IntN(len(sent))]
			if random.Float64() < 0.3 { // the retry claims another month
				event = strings.Replace(event, `"event_time":"2026-11`, `"event_time":"2026-10`, 1)
			}
		} else {
			id, session := uuid.NewSHA1(identitySpace, fmt.Append(nil, i)), fmt.Sprint("s", random.IntN(n/8))
			when := noon.Add(-time.Duration(random.IntN(20*3600)) * time.Second)
			switch k := random.Float64(); {
			case k < 0.02:
				when = when.AddDate(0, 0, -2)
			case k < 0.04:
				when = when.AddDate(0, 0, 2)
			case k < 0.05:
				when = when.AddDate(0, 0, -30)
			}
			event = fmt.Sprintf(`{"event_id":%q,"event_type":"assistant_response","session_id":%q,"event_time":%q,"task_class":%q,"model_version":"v%d"}`,
				id, session, at(when), classes[random.IntN(3)], random.IntN(2))
			if sessions[session] == nil {
				sessions[session] = map[uuid.UUID]bool{}
			}
			sessions[session][id] = true
			if sent = append(sent, event); len(sent) > 20_000 {
				sent = sent[10_000:]
			}
		}
		if batch = append(batch, event); len(batch) == 500 {
			flush()
		}
	}
	if len(batch) > 0 {
		flush()
	}
	drain(t, s)
	distinct := 0
	for _, events := range sessions {
		distinct += len(events)
	}
	if accepted != distinct || accepted+duplicates != n {
		t.Errorf("accepted: want %d of %d, got %d and %d duplicates", distinct, n, accepted, duplicates)
	}
	for _, table := range []string{"assistant_events_raw", "assistant_events_dedup", "events FINAL", "event_facts FINAL"} {
		if got := ask[uint64](t, s, "SELECT count() FROM "+table); got != uint64(distinct) {
			t.Errorf("%s: want %d, got %d", table, distinct, got)
		}
	}
	ctx := context.Background()
	all := SessionFilter{Window: Window{noon.AddDate(0, 0, -40), noon.AddDate(0, 0, 10)}}
	listed, events, cursor := 0, int64(0), ""
	for {
		page, err := s.Sessions(ctx, engineer, all, cursor, 200)
		if err != nil {
			t.Fatal(err)
		}
		if page.Total != int64(len(sessions)) {
			t.Fatalf("count: want %d sessions, got %d", len(sessions), page.Total)
		}
		for _, r := range page.Sessions {
			if r.Events != int64(len(sessions[r.ID])) {
				t.Fatalf("%s: want %d events, got %d", r.ID, len(sessions[r.ID]), r.Events)
			}
			listed, events = listed+1, events+r.Events
		}
		if cursor = page.Older; cursor == "" || (*full && listed > 5000) {
			break
		}
	}
	if !*full && (listed != len(sessions) || events != int64(distinct)) {
		t.Errorf("list: want %d sessions with %d events, got %d with %d", len(sessions), distinct, listed, events)
	}
	if _, err := s.Flag(ctx, product, time.Now().Add(-time.Hour), time.Now().Add(time.Minute), func(context.Context, []Candidate) error { return nil }); err != nil {
		t.Fatal(err)
	}
	days, err := s.Days(ctx, product)
	if err != nil {
		t.Fatal(err)
	}
	var denominator int64
	for _, d := range days {
		totals, err := s.FrameTotals(ctx, product, d)
		if err != nil {
			t.Fatal(err)
		}
		for _, total := range totals {
			denominator += total.Responses
		}
	}
	if denominator != int64(distinct) {
		t.Errorf("denominator: want %d, got %d", distinct, denominator)
	}
}
