package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"assay/internal/auth"
	"assay/internal/auth/keys"
	"assay/internal/auth/people"
	"assay/internal/embedded"
	"assay/internal/postgres"
	"assay/jobs"
	"assay/labeling"
	"assay/web"
)

var benchLabelingCommand = command{
	name: "bench labeling", usage: "[--items 1000000] [--labelers 64] [--rate 300] [--seconds 30]", summary: "measure reserving and labeling on a PostgreSQL of its own",
	detail: `Starts a private PostgreSQL in a temporary directory, with every commit on disk as in production,
fills it, and lets labelers loose on the product's own pages: at a steady rate that waits for nobody,
and as fast as they can. Some click twice, open two tabs, send stale tokens. Others leave an item half
read until its lease is over, come back and send what they had: it is refused and kept as a draft,
and half of them reserve the item again and send it once more. A bare claim loop with FOR UPDATE
SKIP LOCKED over an index of queue, priority and id runs on the same server for comparison. Beside
each part stands what it cost in processor time. At the end a checker reads the whole history. It
fails when an answer was lost or counted twice, a draft is missing, no lease ended, or an item had
more labelers than it wants.`,
	run: runBenchLabeling,
}

type labelingBench struct {
	items, labelers, rate int
	lasts                 time.Duration

	server *embedded.Postgres
	pool   *pgxpool.Pool
	owner  *pgx.Conn
	store  *labeling.Store
	url    string
	crew   []*benchLabeler
	away   []*benchLabeler // who let their leases run out
	ids    []auth.Actor

	mu        sync.Mutex
	accepted  map[answerGiven]int    // what the pages said was taken
	drafted   map[answerGiven]string // what must lie in a draft: the note it was sent with
	lateAgain int                    // of what came too late: sent again under a new reservation
	took      map[string][]time.Duration
	refused   atomic.Int64 // stale tokens, all of them
	wrong     []string     // answers that no rule explains
}

// benchLease is how long a reservation of the bench holds.
const benchLease = 4 * time.Second

type answerGiven struct {
	person int64
	item   string
}

func runBenchLabeling(ctx context.Context, args []string) error {
	b := &labelingBench{accepted: map[answerGiven]int{}, drafted: map[answerGiven]string{}, took: map[string][]time.Duration{}}
	flags := flag.NewFlagSet("bench labeling", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.IntVar(&b.items, "items", 1_000_000, "")
	flags.IntVar(&b.labelers, "labelers", 64, "")
	flags.IntVar(&b.rate, "rate", 300, "")
	seconds := flags.Int("seconds", 30, "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || b.items < 1000 || b.labelers < 1 || b.labelers > 512 || b.rate < 1 || *seconds < 1 {
		return usageError("bench labeling takes --items, --labelers, --rate and --seconds")
	}
	b.lasts = time.Duration(*seconds) * time.Second
	dir, err := os.MkdirTemp("", "assay-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // the server may run as another user: its data stays in here
		return err
	}
	server, err := embedded.StartPostgres(ctx, embedded.PostgresConfig{Dir: dir})
	if err != nil {
		return err
	}
	defer server.Stop(context.WithoutCancel(ctx))
	b.server = server
	if err := b.prepare(ctx, server); err != nil {
		return err
	}
	defer b.pool.Close()
	defer b.owner.Close(context.WithoutCancel(ctx))
	return b.measure(ctx)
}

// prepare migrates, fills the queue, opens the door and signs the labelers in.
func (b *labelingBench) prepare(ctx context.Context, server *embedded.Postgres) error {
	if err := postgres.Migrate(ctx, server.OwnerURL()); err != nil {
		return err
	}
	var err error
	if b.owner, err = pgx.Connect(ctx, server.OwnerURL()); err != nil {
		return err
	}
	if b.pool, err = postgres.Open(ctx, server.URL()); err != nil {
		return err
	}
	inserter, err := jobs.Inserter(b.pool)
	if err != nil {
		return err
	}
	b.store = &labeling.Store{DB: b.pool, Jobs: inserter}
	began := time.Now()
	if err := b.fill(ctx); err != nil {
		return err
	}
	fmt.Printf("%d items filled in %.0f s\n", b.items, time.Since(began).Seconds())
	return b.open(ctx)
}

// fill makes items in the database itself, an eighth of each flagged class and
// the rest at random, over thirty days.
func (b *labelingBench) fill(ctx context.Context) error {
	_, err := b.pool.Exec(ctx, `
		WITH queue AS (
			INSERT INTO queues (slug, title, task_class, reasons, lease, gold_share)
			VALUES ('bench', 'Bench', 'sql_query', '{other}', $1, 0)
			RETURNING id
		), rule AS (
			INSERT INTO queue_rules (queue_id, version, author) SELECT id, 1, 'bench' FROM queue
		)
		INSERT INTO guides (task_class, version, title, rule, body, author)
		VALUES ('sql_query', 1, 'Bench', 'Is it right?', 'Look.', 'bench')`, benchLease)
	if err != nil {
		return err
	}
	const some = 50_000
	for from := 0; from < b.items; from += some {
		_, err := b.pool.Exec(ctx, `
			INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, event_time, frame_day,
			                   priority_class, design, salt_id, u, rule_id, wanted, title, snapshot)
			SELECT r.queue_id, gen_random_uuid(), 's_' || n, 'sql_query', 'v1', at, (at AT TIME ZONE 'UTC')::date,
			       (ARRAY['safety', 'negative', 'implicit', 'random', 'random', 'random', 'random', 'random'])[1 + n % 8],
			       'bottom_k', 'epoch-1', random(), r.id, 1 + (n % 10 = 0)::int, 'Question ' || n,
			       jsonb_build_object('prompt', 'Question ' || n, 'response', repeat('One sentence. ', 20))
			FROM generate_series($1::int + 1, $2::int) AS n
			CROSS JOIN LATERAL (SELECT now() - (n % 30) * interval '1 day' AS at) AS t
			CROSS JOIN queue_rules AS r`, from, min(from+some, b.items))
		if err != nil {
			return err
		}
	}
	// What the filling left to be written and counted is not the labelers'.
	for _, sql := range []string{`VACUUM ANALYZE`, `CHECKPOINT`} {
		if _, err := b.owner.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// open serves the product's pages on loopback and signs everybody in.
func (b *labelingBench) open(ctx context.Context) error {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	register := &people.Register{DB: b.pool, Secret: secret}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b.url = "http://" + listener.Addr().String()
	app, err := web.New(web.Config{PublicURL: b.url, Limits: web.Limits{Person: 1e6, Stranger: 1e6}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))},
		web.Stages{DB: b.pool, People: register, Keys: &keys.Ring{DB: b.pool}, Labeling: b.store})
	if err != nil {
		return err
	}
	go app.Listener(listener)
	for n := range b.labelers + b.leavers() {
		p, err := register.Add(ctx, auth.Product(), people.New{Email: fmt.Sprintf("labeler-%d@example.org", n), Name: fmt.Sprintf("Labeler %d", n), Roles: []auth.Role{auth.Labeler}})
		if err != nil {
			return err
		}
		link, _, err := register.Link(ctx, auth.Product(), p.ID)
		if err != nil {
			return err
		}
		session, err := register.FollowLink(ctx, link, people.Where{Address: "127.0.0.1", Browser: "bench"})
		if err != nil {
			return err
		}
		actor := auth.Actor{Kind: auth.Person, ID: p.ID, Name: p.Name, Roles: []auth.Role{auth.Labeler}}
		labeler := &benchLabeler{b: b, person: p.ID, cookie: session, dice: mathrand.New(mathrand.NewPCG(7, uint64(n)))}
		if n >= b.labelers {
			b.away = append(b.away, labeler)
			continue
		}
		b.ids = append(b.ids, actor)
		b.crew = append(b.crew, labeler)
	}
	return nil
}

// leavers is how many labelers let their leases run out, beside the others.
func (b *labelingBench) leavers() int { return max(1, b.labelers/8) }

func (b *labelingBench) measure(ctx context.Context) error {
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%d labelers, %d a second, %v each part; load %s", b.labelers, b.rate, b.lasts, load)
	if err := b.bare(ctx); err != nil {
		return err
	}
	stop := b.sweep(ctx)
	back := b.leave(ctx)
	b.reserving(ctx)
	b.labelingPages(ctx)
	b.saturate(ctx)
	back()
	stop()
	load, _ = os.ReadFile("/proc/loadavg")
	fmt.Printf("load at the end %s", load)
	return b.check(ctx)
}

// sweep gives back what closed laptops hold, as the product's job does.
func (b *labelingBench) sweep(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			b.store.Expire(ctx, auth.Product())
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// leave lets some labelers walk away from what they hold until its lease is
// over, all through the parts.
func (b *labelingBench) leave(ctx context.Context) func() {
	var over atomic.Bool
	var all sync.WaitGroup
	for _, l := range b.away {
		all.Go(func() {
			for !over.Load() && ctx.Err() == nil {
				l.comeLate()
			}
		})
	}
	return func() { over.Store(true); all.Wait() }
}

func (b *labelingBench) note(what string, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.took[what] = append(b.took[what], took)
}

func (b *labelingBench) say(what string, over time.Duration) {
	d := b.took[what]
	slices.Sort(d)
	if len(d) == 0 {
		fmt.Printf("%-34s nothing\n", what)
		return
	}
	at := func(p float64) time.Duration {
		return d[min(len(d)-1, int(p*float64(len(d))))].Round(10 * time.Microsecond)
	}
	fmt.Printf("%-34s %6d, %7.1f/s  p50 %-9v p95 %-9v p99 %v\n", what, len(d), float64(len(d))/over.Seconds(), at(0.50), at(0.95), at(0.99))
}

// steadily calls act at the rate, whatever the answers take, with one of the
// labelers each; waiting for a free one is part of what one waits for.
func (b *labelingBench) steadily(ctx context.Context, act func(ctx context.Context, who int, asked time.Time)) {
	free := make(chan int, b.labelers)
	for who := range b.labelers {
		free <- who
	}
	var all sync.WaitGroup
	began := time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		at := began.Add(time.Duration(n) * time.Second / time.Duration(b.rate))
		if at.Sub(began) > b.lasts {
			break
		}
		time.Sleep(time.Until(at))
		all.Go(func() {
			who := <-free
			defer func() { free <- who }()
			act(ctx, who, at)
		})
	}
	all.Wait()
}

// bare is the fastest that one claim can be on this server: one statement over
// a table of nothing else, with the index that such a table has.
func (b *labelingBench) bare(ctx context.Context) error {
	_, err := b.owner.Exec(ctx, `
		CREATE TABLE bench_bare (id bigint PRIMARY KEY, queue int NOT NULL, priority int NOT NULL, taken_by bigint)`)
	if err != nil {
		return err
	}
	for _, sql := range []string{
		`INSERT INTO bench_bare SELECT n, 1, n % 4, NULL FROM generate_series(1, ` + fmt.Sprint(b.items) + `) AS n`,
		`CREATE INDEX ON bench_bare (queue, priority, id) WHERE taken_by IS NULL`,
		`GRANT ALL ON bench_bare TO assay_app`, `VACUUM ANALYZE bench_bare`,
	} {
		if _, err := b.owner.Exec(ctx, sql); err != nil {
			return err
		}
	}
	claim := func(who int) error {
		var id int64
		return b.pool.QueryRow(ctx, `
			UPDATE bench_bare SET taken_by = $1
			WHERE id = (SELECT id FROM bench_bare WHERE queue = 1 AND taken_by IS NULL ORDER BY priority, id LIMIT 1 FOR UPDATE SKIP LOCKED)
			RETURNING id`, who).Scan(&id)
	}
	spent := b.meter()
	b.steadily(ctx, func(ctx context.Context, who int, asked time.Time) {
		if claim(who) == nil {
			b.note("bare claim, steady", time.Since(asked))
		}
	})
	b.say("bare claim, steady", b.lasts)
	b.sayCost("bare claim, steady", spent)
	b.flatOut(ctx, func(who int) {
		began := time.Now()
		if claim(who) == nil {
			b.note("bare claim, flat out", time.Since(began))
		}
	})
	b.say("bare claim, flat out", b.lasts/3)
	return nil
}

func (b *labelingBench) flatOut(ctx context.Context, act func(who int)) {
	var all sync.WaitGroup
	end := time.Now().Add(b.lasts / 3)
	for who := range b.labelers {
		all.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				act(who)
			}
		})
	}
	all.Wait()
}

// reserving measures the stage alone: reserve and submit.
func (b *labelingBench) reserving(ctx context.Context) {
	cycle := func(who int, asked time.Time, part string) {
		actor := b.ids[who]
		r, err := b.store.Reserve(ctx, actor, "bench")
		if err != nil {
			b.strange("reserve: %v", err)
			return
		}
		b.note("reserve, "+part, time.Since(asked))
		began := time.Now()
		if _, err := b.store.Submit(ctx, actor, r.ItemID, r.Token, uuid.NewString(), labeling.Answer{Label: "correct"}); err != nil {
			b.strange("submit: %v", err)
			return
		}
		b.note("submit, "+part, time.Since(began))
		b.count(actor.ID, fmt.Sprint(r.ItemID))
	}
	b.firstSeconds(func() {
		b.steadily(ctx, func(_ context.Context, who int, asked time.Time) { cycle(who, asked, "first seconds") })
	}, "reserve, first seconds")
	spent := b.meter()
	b.steadily(ctx, func(_ context.Context, who int, asked time.Time) { cycle(who, asked, "steady") })
	b.say("reserve, steady", b.lasts)
	b.say("submit, steady", b.lasts)
	b.sayCost("submit, steady", spent)
	b.flatOut(ctx, func(who int) { cycle(who, time.Now(), "flat out") })
	b.say("reserve, flat out", b.lasts/3)
	b.say("submit, flat out", b.lasts/3)
}

// labelingPages measures what a labeler waits for: from sending the label to
// the whole HTML of the next item, as it arrives on loopback.
func (b *labelingBench) labelingPages(ctx context.Context) {
	b.firstSeconds(func() {
		b.steadily(ctx, func(_ context.Context, who int, asked time.Time) { b.crew[who].step(asked, "first seconds") })
	}, "submit to next page, first seconds")
	spent := b.meter()
	b.steadily(ctx, func(_ context.Context, who int, asked time.Time) { b.crew[who].step(asked, "steady") })
	b.say("submit to next page, steady", b.lasts)
	b.say("page alone, steady", b.lasts)
	b.sayCost("submit to next page, steady", spent)
}

// firstSeconds says apart what labelers meet right after a start, when
// connections and plans are new.
func (b *labelingBench) firstSeconds(run func(), what string) {
	lasts := b.lasts
	b.lasts = min(lasts, 4*time.Second)
	run()
	b.say(what, b.lasts)
	b.lasts = lasts
}

func (b *labelingBench) saturate(ctx context.Context) {
	spent := b.meter()
	b.flatOut(ctx, func(who int) { b.crew[who].step(time.Now(), "flat out") })
	b.say("submit to next page, flat out", b.lasts/3)
	b.sayCost("submit to next page, flat out", spent)
}

func (b *labelingBench) count(person int64, item string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accepted[answerGiven{person, item}]++
}

func (b *labelingBench) strange(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

// check reads the whole history and what the pages said.
func (b *labelingBench) check(ctx context.Context) error {
	tooMany, err := b.number(ctx, `
		WITH moves AS (
			SELECT item_id, reserved_at AS at, 1 AS by FROM reservations
			UNION ALL
			SELECT item_id, ended_at, -1 FROM reservations WHERE ended_at IS NOT NULL AND state <> 'labeled'
		), held AS (
			SELECT item_id, sum(by) OVER (PARTITION BY item_id ORDER BY at, by) AS n FROM moves
		)
		SELECT count(DISTINCT h.item_id) FROM held h JOIN items i ON i.id = h.item_id WHERE h.n > i.wanted`)
	if err != nil {
		return err
	}
	double, err := b.number(ctx, `SELECT count(*) FROM (SELECT FROM labels GROUP BY item_id, labeler_id HAVING count(*) > 1) AS twice`)
	if err != nil {
		return err
	}
	lost := 0
	there := map[answerGiven]bool{}
	rows, _ := b.pool.Query(ctx, `SELECT w.person_id, l.item_id::text FROM labels l JOIN labelers w ON w.id = l.labeler_id`)
	var key answerGiven
	if _, err := pgx.ForEachRow(rows, []any{&key.person, &key.item}, func() error { there[key] = true; return nil }); err != nil {
		return err
	}
	for given := range b.accepted {
		if !there[given] {
			lost++
		}
	}
	missing, err := b.missingDrafts(ctx, there)
	if err != nil {
		return err
	}
	reservations, err := b.number(ctx, `SELECT count(*) FROM reservations`)
	if err != nil {
		return err
	}
	expired, err := b.number(ctx, `SELECT count(*) FROM reservations WHERE state = 'expired'`)
	if err != nil {
		return err
	}
	fmt.Printf("history: %d reservations, %d of them expired, %d labels, %d stale tokens refused\n", reservations, expired, len(there), b.refused.Load())
	fmt.Printf("answers after the lease was over: %d refused and kept as drafts, %d of them then sent again and taken\n", len(b.drafted), b.lateAgain)
	fmt.Printf("items with more labelers than wanted %d, answers lost %d, labels double %d, drafts missing %d\n", tooMany, lost, double, missing)
	if expired == 0 {
		b.strange("no lease ended: the parts are shorter than a lease")
	}
	if len(b.wrong) > 0 {
		fmt.Printf("%d answers that no rule explains, the first: %s\n", len(b.wrong), b.wrong[0])
	}
	if tooMany+int64(lost)+double+int64(missing)+int64(len(b.wrong)) > 0 {
		return errNo
	}
	return nil
}

// missingDrafts counts what came too late and is neither in its labeler's
// draft nor in a label they gave afterwards.
func (b *labelingBench) missingDrafts(ctx context.Context, labeled map[answerGiven]bool) (missing int, err error) {
	kept := map[answerGiven]string{}
	rows, _ := b.pool.Query(ctx, `
		SELECT w.person_id, d.item_id::text, coalesce(d.body->>'note', '')
		FROM drafts d JOIN labelers w ON w.id = d.labeler_id`)
	var key answerGiven
	var note string
	_, err = pgx.ForEachRow(rows, []any{&key.person, &key.item, &note}, func() error { kept[key] = note; return nil })
	for given, note := range b.drafted {
		if kept[given] != note && !labeled[given] {
			missing++
		}
	}
	return missing, err
}

func (b *labelingBench) number(ctx context.Context, sql string) (n int64, err error) {
	err = b.pool.QueryRow(ctx, sql).Scan(&n)
	return n, err
}

// benchLabeler is one person with a browser, who labels and does what people do.
type benchLabeler struct {
	b      *labelingBench
	person int64
	cookie string
	dice   *mathrand.Rand
	item   string     // whose page is open
	form   url.Values // of that page
	stale  url.Values // of a page that was done before
	last   string
}

// step labels the open item and waits for the next page.
func (l *benchLabeler) step(asked time.Time, part string) {
	if l.item == "" {
		l.openNext()
		return
	}
	switch draw := l.dice.Float64(); {
	case draw < 0.02: // the laptop closes: the lease ends by itself
		l.item = ""
		return
	case draw < 0.05 && l.stale != nil:
		l.sendStale()
	}
	location := l.send()
	if location == "" {
		l.item = ""
		return
	}
	l.b.count(l.person, l.item)
	l.stale, l.last = l.form, l.item
	began := time.Now()
	if l.dice.Float64() < 0.05 { // a second tab asks for the next item too
		go l.post("/queues/bench/next", url.Values{"form_token": l.form["form_token"]})
	}
	if !l.read(location) {
		l.item = ""
		return
	}
	l.b.note("page alone, "+part, time.Since(began))
	l.b.note("submit to next page, "+part, time.Since(asked))
}

// comeLate holds an item until its lease is over, then sends what was written.
// It must be refused and kept; half of the time the item is reserved again and
// what was kept is sent once more.
func (l *benchLabeler) comeLate() {
	l.item = ""
	l.openNext()
	if l.item == "" {
		time.Sleep(100 * time.Millisecond)
		return
	}
	time.Sleep(benchLease + 1500*time.Millisecond) // the sweep comes every second
	note := "late " + uuid.NewString()
	l.form.Set("note", note)
	path := "/items/" + l.item
	status, _, err := l.post(path+"/labels", l.form)
	if err != nil || status != http.StatusConflict {
		l.b.strange("an answer after its lease: status %d, %v", status, err)
		return
	}
	l.b.refused.Add(1)
	given := answerGiven{l.person, l.item}
	l.b.mu.Lock()
	l.b.drafted[given] = note
	l.b.mu.Unlock()
	if l.dice.Float64() < 0.5 {
		return
	}
	status, location, err := l.post(path+"/again", url.Values{"form_token": l.form["form_token"]})
	if err != nil || status != http.StatusSeeOther || !l.read(location) {
		l.b.strange("reserve again after a lease: status %d, %v", status, err)
		return
	}
	l.form.Set("note", note)
	if l.sent(l.post(path+"/labels", l.form)) != "" {
		l.b.mu.Lock()
		l.b.accepted[given]++
		l.b.lateAgain++
		l.b.mu.Unlock()
	}
}

func (l *benchLabeler) openNext() {
	status, location, _ := l.post("/queues/bench/next", l.tokenOf("/queues"))
	if status == http.StatusSeeOther {
		l.read(location)
	}
}

// send submits the open form, one time in ten with a double click.
func (l *benchLabeler) send() string {
	path := "/items/" + l.item + "/labels"
	if l.dice.Float64() >= 0.10 {
		return l.sent(l.post(path, l.form))
	}
	var second sync.WaitGroup
	second.Go(func() { l.sent(l.post(path, l.form)) })
	location := l.sent(l.post(path, l.form))
	second.Wait()
	return location
}

// sent judges the answer to a label: the next page, or a lease that has ended.
func (l *benchLabeler) sent(status int, location string, err error) string {
	switch {
	case err != nil:
		l.b.strange("label: %v", err)
	case status == http.StatusSeeOther:
		return location
	case status == http.StatusConflict:
		l.b.refused.Add(1)
	default:
		l.b.strange("label: status %d", status)
	}
	return ""
}

// sendStale sends the form of an item that was done, with another key: a tab
// that was left open. It must be refused.
func (l *benchLabeler) sendStale() {
	form := url.Values{}
	for name, values := range l.stale {
		form[name] = values
	}
	form.Set("idempotency_key", uuid.NewString())
	status, _, err := l.post("/items/"+l.last+"/labels", form)
	if err != nil || status != http.StatusConflict {
		l.b.strange("a stale token: status %d, %v", status, err)
		return
	}
	l.b.refused.Add(1)
}

var benchInput = regexp.MustCompile(`name="(form_token|reservation|idempotency_key|page)" value="([^"]*)"`)

// read opens a page of an item and keeps its form.
func (l *benchLabeler) read(path string) bool {
	body, status, err := l.get(path)
	if err != nil || status != http.StatusOK {
		l.b.strange("%s: status %d, %v", path, status, err)
		return false
	}
	form := url.Values{"label": {"correct"}}
	for _, found := range benchInput.FindAllStringSubmatch(body, -1) {
		if form.Get(found[1]) == "" {
			form.Set(found[1], found[2])
		}
	}
	item, _, _ := strings.Cut(strings.TrimPrefix(path, "/items/"), "?")
	if form.Get("reservation") == "" {
		return false // nothing was free, or the lease had ended
	}
	l.item, l.form = item, form
	return true
}

func (l *benchLabeler) tokenOf(path string) url.Values {
	body, _, err := l.get(path)
	if err != nil {
		l.b.strange("%s: %v", path, err)
		return nil
	}
	for _, found := range benchInput.FindAllStringSubmatch(body, -1) {
		if found[1] == "form_token" {
			return url.Values{"form_token": {found[2]}}
		}
	}
	return nil
}

var benchClient = &http.Client{
	Timeout:       30 * time.Second,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (l *benchLabeler) get(path string) (string, int, error) {
	request, err := http.NewRequest(http.MethodGet, l.b.url+path, nil)
	if err != nil {
		return "", 0, err
	}
	return l.do(request)
}

func (l *benchLabeler) post(path string, form url.Values) (status int, location string, err error) {
	request, err := http.NewRequest(http.MethodPost, l.b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	l.sign(request)
	response, err := benchClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Header.Get("Location"), err
}

func (l *benchLabeler) do(request *http.Request) (string, int, error) {
	l.sign(request)
	response, err := benchClient.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), response.StatusCode, err
}

func (l *benchLabeler) sign(request *http.Request) {
	request.AddCookie(&http.Cookie{Name: "assay-session", Value: l.cookie})
}

// cost is the processor time of a part, of the program with the bench that
// drives it, and of PostgreSQL.
type cost struct{ program, postgres time.Duration }

// meter begins to measure what a part costs.
func (b *labelingBench) meter() func() cost {
	program, server := ownTime(), treeTime(b.server.Pid())
	return func() cost { return cost{ownTime() - program, treeTime(b.server.Pid()) - server} }
}

func (b *labelingBench) sayCost(what string, spent func() cost) {
	n := time.Duration(max(1, len(b.took[what])))
	c := spent()
	each := func(d time.Duration) float64 { return float64(d/n) / float64(time.Millisecond) }
	fmt.Printf("%-34s %.2f ms of processor each: program and bench %.2f, PostgreSQL %.2f\n", "", each(c.program+c.postgres), each(c.program), each(c.postgres))
}

func ownTime() time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// treeTime is the processor time of a process, its children, and those of its
// children that have ended; 0 where there is no /proc.
func treeTime(parent int) (all time.Duration) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		id, _, _ := strings.Cut(string(text), " ")
		_, rest, _ := strings.Cut(string(text[bytes.LastIndexByte(text, ')')+1:]), " ")
		fields := strings.Fields(rest)
		if len(fields) < 15 || id != strconv.Itoa(parent) && fields[1] != strconv.Itoa(parent) {
			continue
		}
		last := 13 // user and system time
		if id == strconv.Itoa(parent) {
			last = 15 // and that of its ended children
		}
		for _, field := range fields[11:last] {
			ticks, _ := strconv.ParseInt(field, 10, 64)
			all += time.Duration(ticks) * 10 * time.Millisecond // a hundred ticks a second, on every Linux
		}
	}
	return all
}
