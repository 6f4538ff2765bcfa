package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"assay/internal/embedded"
	"assay/internal/postgres"
)

var benchIngestCommand = command{
	name: "bench ingest", usage: "[--seconds 20] [--senders 4] [--rate 5000] [--absence 30s] [--overload 15s] [--url URL --key KEY]",
	summary: "measure how fast events are taken, stored and seen",
	detail: `Starts a product of its own on a directory that is removed afterwards, and sends it events of 1.5 KB
with private text in them: in batches of 500 and of 50 as fast as they are acknowledged, at a steady
rate while ClickHouse is away, and at three times what was taken before. Prints events a second, the
time until an event is acknowledged and until its session is on the list, and memory, beside what
the two stores do alone with the same rows in the same run. In the end every acknowledged event is
looked for in the store; the exit code is 1 when one is missing or there twice.

  --seconds N     of each stretch at full speed
  --senders N     that wait for their answers, one batch each. As many batches are always under way:
                  4 of 500 are answered in 100 ms on average at 20,000 events/s, 16 in 400 ms
  --rate N        events a second while ClickHouse is away
  --absence D     how long it is away (10m is the long form; 0 leaves it out)
  --overload D    how long three times as much is offered (0 leaves it out)
  --url, --key    measure a running product instead: speed and visibility only`,
	run: runBenchIngest,
}

type ingestOptions struct {
	seconds, senders  int
	rate              float64
	absence, overload time.Duration
	url, key          string
}

func runBenchIngest(ctx context.Context, args []string) error {
	var o ingestOptions
	flags := flag.NewFlagSet("bench ingest", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.IntVar(&o.seconds, "seconds", 20, "")
	flags.IntVar(&o.senders, "senders", 4, "")
	flags.Float64Var(&o.rate, "rate", 5000, "")
	flags.DurationVar(&o.absence, "absence", 30*time.Second, "")
	flags.DurationVar(&o.overload, "overload", 15*time.Second, "")
	flags.StringVar(&o.url, "url", "", "")
	flags.StringVar(&o.key, "key", env("ASSAY_KEY"), "")
	switch err := flags.Parse(args); {
	case err != nil:
		return usageError(err.Error())
	case flags.NArg() > 0:
		return usageError(fmt.Sprintf("%q is not an option", flags.Arg(0)))
	case o.seconds < 1 || o.senders < 1 || o.rate < 50:
		return usageError("seconds and senders are at least 1, the rate at least 50")
	case o.url != "" && o.key == "":
		return usageError("--url needs the --key to send under")
	}
	b := &ingestBench{o: o, out: os.Stdout, run: rand.Uint32(), ledger: newLedger(), at: remote{strings.TrimSuffix(o.url, "/"), o.key}}
	if o.url != "" {
		return b.remote(ctx)
	}
	return b.whole(ctx)
}

type ingestBench struct {
	o      ingestOptions
	out    io.Writer
	rig    *rig
	at     remote
	run    uint32
	next   atomic.Int64
	ledger *ledger
	memory *memoryLog
}

func (b *ingestBench) say(format string, args ...any) { fmt.Fprintf(b.out, format+"\n", args...) }

// remote measures a product it knows nothing about but its address.
func (b *ingestBench) remote(ctx context.Context) error {
	for _, size := range []int{500, 50} {
		b.stretch(ctx, fmt.Sprintf("Batches of %d", size), size)
	}
	b.say("\nThe stores behind %s cannot be asked from here: no reference, no absence, no ledger.", b.at.address)
	return ctx.Err()
}

// whole measures a product of its own from start to ledger.
func (b *ingestBench) whole(ctx context.Context) error {
	var err error
	if b.rig, err = newRig(); err != nil {
		return err
	}
	defer b.rig.stop()
	if err := b.referencePostgres(ctx); err != nil {
		return err
	}
	if err := b.rig.start(ctx); err != nil {
		return err
	}
	b.at = remote{b.rig.at.Address, b.rig.at.Key}
	b.memory = watchMemory(b.rig)
	defer b.memory.end()

	fast := b.stretch(ctx, "Batches of 500", 500)
	b.goal("20,000 events/s", fast.perSecond() >= 20_000, fmt.Sprintf("%.0f", fast.perSecond()))
	b.goal("acknowledged within 250 ms (p99)", fast.took.at(99) <= 250*time.Millisecond, halfAndMost(fast.took))
	if err := b.caughtUp(ctx, 5*time.Minute); err != nil {
		return err
	}
	if err := b.referenceEngine(ctx); err != nil {
		return err
	}
	small := b.stretch(ctx, "Batches of 50", 50)
	b.goal("5,000 events/s", small.perSecond() >= 5_000, fmt.Sprintf("%.0f", small.perSecond()))
	if err := b.caughtUp(ctx, 5*time.Minute); err != nil {
		return err
	}
	if b.o.absence > 0 {
		if err := b.withoutEngine(ctx); err != nil {
			return err
		}
	}
	if b.o.overload > 0 {
		if err := b.flood(ctx); err != nil {
			return err
		}
	}
	b.memory.tell(b)
	return b.audit(ctx)
}

// goal says whether a goal was met, and what was measured for it.
func (b *ingestBench) goal(what string, met bool, measured string) {
	word := "met"
	if !met {
		word = "missed"
	}
	b.say("  goal    %s: %s (%s)", what, word, measured)
}

func halfAndMost(s spread) string {
	return fmt.Sprintf("half %s, p99 %s", short(s.at(50)), short(s.at(99)))
}

// sending is a stretch of load of this bench.
func (b *ingestBench) sending(size, senders int, rate float64) *sending {
	return &sending{address: b.at.address, key: b.at.key, feed: newFeed(b.run, size, &b.next), ledger: b.ledger, senders: senders, rate: rate}
}

// stretch sends as fast as batches are acknowledged, and watches the list of
// sessions meanwhile.
func (b *ingestBench) stretch(ctx context.Context, title string, size int) *sending {
	b.say("\n%s, %d senders, %d s; load of the machine %s", title, b.o.senders, b.o.seconds, machineLoad())
	var before map[string]time.Duration
	if b.rig != nil {
		before = b.rig.processorTimes()
	}
	s := b.sending(size, b.o.senders, 0)
	marks := b.watchList(ctx)
	timed, cancel := context.WithTimeout(ctx, time.Duration(b.o.seconds)*time.Second)
	s.run(timed)
	cancel()
	seen, unseen := marks.end(ctx)
	b.say("  taken   %s", s)
	b.say("  listed  %s%s", seen, unseen)
	if b.rig != nil {
		b.say("  cores   %s", coresUsed(before, b.rig.processorTimes(), s))
		b.goal("on the list of sessions within 10 s (p99)", unseen == "" && len(seen) > 0 && seen.at(99) <= 10*time.Second, halfAndMost(seen)+unseen)
	}
	return s
}

// coresUsed says where the machine's time went, and what an event cost of it:
// the figure that means the same on a crowded machine.
func coresUsed(before, after map[string]time.Duration, s *sending) string {
	var parts []string
	var all time.Duration
	for _, name := range []string{"program", "PostgreSQL", "ClickHouse", "bench"} {
		used := after[name] - before[name]
		parts = append(parts, fmt.Sprintf("%s %.2f", name, used.Seconds()/s.elapsed.Seconds()))
		if name != "bench" {
			all += used
		}
	}
	return fmt.Sprintf("%s; %.0f µs of one for each event", strings.Join(parts, ", "), float64(all.Microseconds())/float64(max(1, s.accepted)))
}

// --- what the stores do alone ---

// referencePostgres commits the same bytes as plain rows, a batch a
// transaction, with as many writers as there are senders, before anything
// else runs on the cluster.
func (b *ingestBench) referencePostgres(ctx context.Context) error {
	cluster, err := embedded.StartPostgres(ctx, embedded.PostgresConfig{Dir: b.rig.dir})
	if err != nil {
		return err
	}
	defer cluster.Stop(ctx)
	pool, err := postgres.Open(ctx, cluster.OwnerURL())
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, `CREATE TABLE bench_lines (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, line text NOT NULL)`); err != nil {
		return err
	}
	b.say("PostgreSQL alone: the same bytes by COPY, a commit a batch, %d writers; load of the machine %s", b.o.senders, machineLoad())
	for _, size := range []int{500, 50} {
		took, speed, err := b.copyPlain(ctx, pool, size)
		if err != nil {
			return fmt.Errorf("measure PostgreSQL alone: %w", err)
		}
		b.say("  batches of %-3d  %.0f events/s, %s", size, speed, took.sorted())
	}
	_, err = pool.Exec(ctx, `DROP TABLE bench_lines`)
	return err
}

const referenceLasts = 3 * time.Second

func (b *ingestBench) copyPlain(ctx context.Context, pool *pgxpool.Pool, size int) (took spread, perSecond float64, err error) {
	var number atomic.Int64
	f := newFeed(b.run, size, &number)
	var mu sync.Mutex
	began := time.Now()
	write := func() error {
		var buffer []byte
		for time.Since(began) < referenceLasts {
			buffer = f.batch(number.Add(1), time.Now(), buffer)
			lines := bytes.SplitAfter(buffer, []byte("\n"))
			start := time.Now()
			_, err := pool.CopyFrom(ctx, pgx.Identifier{"bench_lines"}, []string{"line"}, pgx.CopyFromSlice(size, func(i int) ([]any, error) {
				return []any{string(lines[i])}, nil
			}))
			if err != nil {
				return err
			}
			mu.Lock()
			took = append(took, time.Since(start))
			mu.Unlock()
		}
		return nil
	}
	var writers errgroup.Group
	for range b.o.senders {
		writers.Go(write)
	}
	err = writers.Wait()
	return took, float64(len(took)*size) / time.Since(began).Seconds(), err
}

// referenceEngine inserts rows the product has stored once more, through the
// same client and into a table like the one they stand in: what the engine
// takes when nothing else is asked of the machine.
func (b *ingestBench) referenceEngine(ctx context.Context) error {
	const rows, blocks = 25_000, 4
	conn, err := b.rig.engineConn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Exec(ctx, `CREATE TABLE bench_events AS events`); err != nil {
		return fmt.Errorf("measure ClickHouse alone: %w", err)
	}
	names, values, err := readColumns(ctx, conn, rows)
	if err != nil {
		return fmt.Errorf("measure ClickHouse alone: %w", err)
	}
	began := time.Now()
	for range blocks {
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO bench_events ("+strings.Join(names, ", ")+")")
		if err != nil {
			return fmt.Errorf("measure ClickHouse alone: %w", err)
		}
		for i := range names {
			if err := batch.Column(i).Append(values[i]); err != nil {
				return fmt.Errorf("measure ClickHouse alone: column %s: %w", names[i], err)
			}
		}
		if err := batch.Send(); err != nil {
			return fmt.Errorf("measure ClickHouse alone: %w", err)
		}
	}
	took := time.Since(began)
	written := blocks * reflect.ValueOf(values[0]).Len()
	b.say("\nClickHouse alone: %d of those rows by clickhouse-go into one table like theirs; load of the machine %s\n  %.0f events/s", written, machineLoad(), float64(written)/took.Seconds())
	return conn.Exec(ctx, `DROP TABLE bench_events`)
}

// readColumns reads stored events into one slice a column, as clickhouse-go
// takes them again.
func readColumns(ctx context.Context, conn driver.Conn, limit int) (names []string, values []any, err error) {
	rows, err := conn.Query(ctx, fmt.Sprintf(`SELECT * FROM events LIMIT %d`, limit))
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	var columns []reflect.Value
	var cells []any
	for _, c := range rows.ColumnTypes() {
		names = append(names, c.Name())
		columns = append(columns, reflect.MakeSlice(reflect.SliceOf(c.ScanType()), 0, limit))
		cells = append(cells, reflect.New(c.ScanType()).Interface())
	}
	for rows.Next() {
		if err := rows.Scan(cells...); err != nil {
			return nil, nil, err
		}
		for i := range columns {
			columns[i] = reflect.Append(columns[i], reflect.ValueOf(cells[i]).Elem())
			reflect.ValueOf(cells[i]).Elem().SetZero()
		}
	}
	for _, c := range columns {
		values = append(values, c.Interface())
	}
	return names, values, rows.Err()
}

// --- what is seen, and when ---

// marks are single events sent beside the load, each in a session of its own
// that is waited for on the list.
type marks struct {
	at      remote
	run     uint32
	stop    context.CancelFunc
	stopped chan struct{}

	mu      sync.Mutex
	waiting map[string]time.Time
	seen    spread
	refused int
	unread  int
}

const (
	markEach = 500 * time.Millisecond
	markTask = "bench_mark"
)

func (b *ingestBench) watchList(ctx context.Context) *marks {
	m := &marks{at: b.at, run: b.run, waiting: map[string]time.Time{}, stopped: make(chan struct{})}
	ctx, m.stop = context.WithCancel(ctx)
	go func() {
		defer close(m.stopped)
		// A look under way when the load ends is finished: its answer counts.
		through := context.WithoutCancel(ctx)
		for ctx.Err() == nil {
			m.send(through)
			m.look(through)
			select {
			case <-ctx.Done():
			case <-time.After(markEach):
			}
		}
	}()
	return m
}

func (m *marks) send(ctx context.Context) {
	session := "mark-" + uuid.NewString()
	event := fmt.Sprintf(`{"event_id":%q,"event_type":"assistant_response","event_time":%q,"session_id":%q,"task_class":%q,"model_version":"v1","response":"seen"}`,
		uuid.NewString(), time.Now().UTC().Format(clockLayout), session, markTask)
	status, _, err := m.at.call(ctx, "POST", "/v1/events", "application/json", []byte(event), http.StatusAccepted)
	acknowledged := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil || status != http.StatusAccepted {
		m.refused++
		return
	}
	m.waiting[session] = acknowledged
}

func (m *marks) look(ctx context.Context) {
	_, answer, err := m.at.call(ctx, "GET", "/v1/sessions?limit=200&when=1h&task_class="+markTask, "", nil)
	var page struct {
		Sessions []struct {
			ID string `json:"id"`
		} `json:"sessions"`
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil || json.Unmarshal(answer, &page) != nil {
		m.unread++
		return
	}
	for _, s := range page.Sessions {
		if sent, ok := m.waiting[s.ID]; ok {
			m.seen = append(m.seen, time.Since(sent))
			delete(m.waiting, s.ID)
		}
	}
}

// end stops sending marks and waits for those under way.
func (m *marks) end(ctx context.Context) (seen spread, unseen string) {
	m.stop()
	<-m.stopped
	until(ctx, time.Minute, func() bool {
		m.look(ctx)
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.waiting) == 0
	})
	if n := len(m.waiting); n > 0 {
		unseen += fmt.Sprintf("; %d of %d not within a minute", n, n+len(m.seen))
	}
	if m.refused > 0 {
		unseen += fmt.Sprintf("; %d marks shed", m.refused)
	}
	if m.unread > 0 {
		unseen += fmt.Sprintf("; the list did not answer %d times", m.unread)
	}
	return m.seen.sorted(), unseen
}

// --- absence and overload ---

// withoutEngine stops the engine as it runs, so that it neither answers nor
// refuses, sends at the rate meanwhile, and measures how long what waited
// takes to be stored while the rate goes on.
func (b *ingestBench) withoutEngine(ctx context.Context) error {
	b.say("\n%.0f events/s in batches of 50 while ClickHouse is away for %s; load of the machine %s", b.o.rate, b.o.absence, machineLoad())
	s := b.sending(50, 4*b.o.senders, b.o.rate)
	s.again = true
	sendingCtx, endSending := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); s.run(sendingCtx) }()
	defer func() { endSending(); <-ended }()

	engine := b.rig.engine()
	syscall.Kill(engine, syscall.SIGSTOP)
	select {
	case <-ctx.Done():
	case <-time.After(b.o.absence):
	}
	syscall.Kill(engine, syscall.SIGCONT)
	back := time.Now()
	waiting, err := b.waiting(ctx)
	if err != nil {
		return err
	}
	takenBefore, left := s.soFar(), int64(0)
	allowed := max(b.o.absence/2, 10*time.Second)
	errDrained := until(ctx, 4*allowed, func() bool {
		now, err := b.waiting(ctx)
		left = now.events
		return err == nil && now.oldest < 5*time.Second
	})
	took := time.Since(back)
	came := int64(s.soFar() - takenBefore)
	endSending()
	<-ended
	b.say("  taken   %s", s)
	b.say("  waiting %d events in %s when it came back", waiting.events, megabytes(waiting.bytes))
	if errDrained != nil {
		b.say("  drained not within %s", 4*allowed)
	} else {
		b.say("  drained in %s, with new ones coming", short(took))
	}
	speed, coming := float64(waiting.events+came-left)/took.Seconds(), float64(came)/took.Seconds()
	b.say("  stored  %.0f events/s while %.0f/s came%s", speed, coming, longAbsence(speed, coming, b.o.rate))
	b.goal(fmt.Sprintf("drained within %s", allowed), errDrained == nil && took <= allowed, short(took))
	return b.caughtUp(ctx, 5*time.Minute)
}

// longAbsence says what ten minutes' absence would take to catch up at this
// speed.
func longAbsence(speed, coming, rate float64) string {
	const absence = 10 * time.Minute
	if speed <= coming {
		return ""
	}
	took := time.Duration(absence.Seconds() * rate / (speed - coming) * float64(time.Second))
	return fmt.Sprintf("; what %s of absence leaves would take %s", absence, short(took))
}

// waitingNow is what the inbox holds.
type waitingNow struct {
	events, bytes int64
	oldest        time.Duration
}

func (b *ingestBench) waiting(ctx context.Context) (w waitingNow, err error) {
	conn, err := pgx.Connect(ctx, b.rig.at.Database)
	if err != nil {
		return w, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `
		SELECT coalesce(sum(events), 0), coalesce(sum(bytes), 0), coalesce(clock_timestamp() - min(received_at), '0')
		FROM inbox
		WHERE drained_at IS NULL`).Scan(&w.events, &w.bytes, &w.oldest)
	return w, err
}

// caughtUp waits until nothing waits.
func (b *ingestBench) caughtUp(ctx context.Context, patience time.Duration) error {
	began := time.Now()
	err := until(ctx, patience, func() bool {
		w, err := b.waiting(ctx)
		return err == nil && w.events == 0
	})
	if err != nil {
		return fmt.Errorf("wait until the inbox is empty: %w", err)
	}
	b.say("  stored  all of it %s after the last was sent", short(time.Since(began)))
	return nil
}

// flood finds what the product takes when many send, offers three times that
// and then a third of it, and measures when all is as before.
func (b *ingestBench) flood(ctx context.Context) error {
	most := b.sending(500, 32, 0)
	timed, cancel := context.WithTimeout(ctx, 5*time.Second)
	most.run(timed)
	cancel()
	capacity := most.perSecond()
	b.say("\n32 senders for 5 s: %s", most)
	b.say("\nThree times as much, %.0f events/s, for %s; load of the machine %s", 3*capacity, b.o.overload, machineLoad())
	s := b.sending(500, 256, 3*capacity)
	timed, cancel = context.WithTimeout(ctx, b.o.overload)
	s.run(timed)
	cancel()
	b.say("  offered %.0f events/s", float64(s.offered)/s.elapsed.Seconds())
	b.say("  taken   %s", s)
	b.goal("sheds by 429 or 503 with Retry-After, and by nothing else", s.shed > 0 && s.speechless == 0 && s.unanswered == 0 && len(s.odd) == 0, fmt.Sprintf("%d shed, %d unanswered", s.shed, s.unanswered))

	calm := time.Now()
	healthy := time.Duration(0)
	for time.Since(calm) < 2*time.Minute && ctx.Err() == nil {
		after := b.sending(500, b.o.senders, capacity/3)
		timed, cancel := context.WithTimeout(ctx, 2*time.Second)
		after.run(timed)
		cancel()
		w, err := b.waiting(ctx)
		if err == nil && after.shed == 0 && after.unanswered == 0 && len(after.odd) == 0 && after.took.sorted().at(99) <= 250*time.Millisecond && w.oldest <= 10*time.Second {
			healthy = time.Since(calm)
			break
		}
	}
	if healthy == 0 {
		b.say("  calm    not within %s of a third of the load", short(time.Since(calm)))
	} else {
		b.say("  calm    after %s of a third of the load: nothing shed, p99 within 250 ms, nothing waits for more than 10 s", short(healthy))
	}
	b.goal("recovers within 30 s", healthy > 0 && healthy <= 30*time.Second, short(healthy))
	return b.caughtUp(ctx, 5*time.Minute)
}

// --- memory ---

// memoryLog knows what each process held, second by second.
type memoryLog struct {
	stop    chan struct{}
	stopped chan struct{}
	began   time.Time
	taken   []map[string]int64
}

func watchMemory(r *rig) *memoryLog {
	m := &memoryLog{stop: make(chan struct{}), stopped: make(chan struct{}), began: time.Now()}
	go func() {
		defer close(m.stopped)
		for {
			held := map[string]int64{}
			for name, pids := range r.pids() {
				if name != "PostgreSQL" { // its processes share what they hold
					held[name] = resident(pids[0])
				}
			}
			m.taken = append(m.taken, held)
			select {
			case <-m.stop:
				return
			case <-time.After(time.Second):
			}
		}
	}()
	return m
}

func (m *memoryLog) end() {
	select {
	case <-m.stop:
	default:
		close(m.stop)
	}
	<-m.stopped
}

// tell prints ten moments of the run.
func (m *memoryLog) tell(b *ingestBench) {
	m.end()
	b.say("\nMemory over %s, ten moments of it, and the most", short(time.Since(m.began)))
	for _, name := range []string{"program", "ClickHouse"} {
		var line strings.Builder
		most := int64(0)
		for i, held := range m.taken {
			most = max(most, held[name])
			if i*10/len(m.taken) != (i-1)*10/len(m.taken) || i == 0 {
				fmt.Fprintf(&line, " %5d", held[name]>>20)
			}
		}
		b.say("  %-10s%s MB, at most %s", name, line.String(), megabytes(most))
	}
}

// --- the ledger ---

// audit looks for every acknowledged event in the store, batch by batch.
func (b *ingestBench) audit(ctx context.Context) error {
	conn, err := b.rig.engineConn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	lost, doubled, extra, err := b.ledger.compare(ctx, conn, b.run)
	if err != nil {
		return fmt.Errorf("compare the ledger with the store: %w", err)
	}
	b.say("\nLedger: %d events acknowledged, %d of them missing, %d there more than once; %d stored whose answer was lost on the way", b.ledger.size(), lost, doubled, extra)
	if lost > 0 || doubled > 0 {
		return errNo
	}
	return nil
}
