package dialect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"assay/internal/embedded"
	"assay/internal/fault"
	"assay/validators/duckdb"
	"assay/validators/query"
	"assay/validators/sandbox"
)

// Config says where engines are found. The zero value looks where they are
// usually put.
type Config struct {
	ClickhouseLibrary string // libchdb.so
	DuckdbLibrary     string // libduckdb.so
}

// Sandbox is where an engine that is a library runs, one child a statement, and
// where statements of others are read. An error means infrastructure alone.
type Sandbox interface {
	Run(ctx context.Context, job sandbox.Job) (sandbox.Result, error)
}

// Limits of one statement.
const (
	queryTakes  = 2 * time.Second
	grace       = time.Second // for an engine to end a statement by itself
	schemaTakes = 10 * time.Second
	memory      = 1 << 30 // bytes an engine may take
)

// Engines are the engines of this program. None runs until it is needed. The
// zero value is not usable; see Open.
type Engines struct {
	config Config
	all    map[string]*engine
}

// Open makes the set of engines; Close ends those that run.
func Open(config Config) *Engines {
	e := &Engines{config: config}
	duck := duckdb.Program(config.DuckdbLibrary)
	e.all = map[string]*engine{
		"duckdb":     {name: "DuckDB", find: func() error { _, err := duckdb.Find(config.DuckdbLibrary); return err }, program: &duck, canaries: duckdbCanaries},
		"clickhouse": {name: "ClickHouse", confined: "own process, capped memory, " + embedded.ServersHeldBy(), find: func() error { _, err := embedded.FindClickhouse(config.ClickhouseLibrary); return err }, start: func(ctx context.Context) (server, error) { return startClickhouse(ctx, config.ClickhouseLibrary) }, canaries: clickhouseCanaries, idleFor: time.Minute},
		"postgres":   {name: "PostgreSQL", confined: "own server, restricted role, capped memory, " + embedded.ServersHeldBy(), find: func() error { _, err := embedded.FindPostgres(); return err }, start: startPostgres, canaries: postgresCanaries, idleFor: 10 * time.Minute}, // a cluster takes seconds to make
	}
	return e
}

// Programs are what a child of the sandbox can be: engines that run there, and
// what reads statements for others.
func Programs(config Config) []sandbox.Program {
	return []sandbox.Program{parserProgram, duckdb.Program(config.DuckdbLibrary)}
}

// Reads lists the files those programs open while they start.
func Reads(config Config) []string { return duckdb.Reads(config.DuckdbLibrary) }

// Close ends every engine.
func (e *Engines) Close() {
	for _, one := range e.all {
		one.mu.Lock()
		one.stop()
		one.mu.Unlock()
	}
}

// Has reports whether a dialect has an engine of this kind.
func (e *Engines) Has(dialect string) bool { return e.all[dialect] != nil }

// Versions names the engines this machine has, "postgresql 15.14", sorted: an
// engine that comes, goes or changes gives another verdict.
func (e *Engines) Versions() []string {
	var versions []string
	if e.all["clickhouse"].find() == nil {
		versions = append(versions, "clickhouse "+ClickhouseVersion)
	}
	if e.all["duckdb"].find() == nil {
		versions = append(versions, "duckdb "+duckdb.Version)
	}
	if version := embedded.PostgresVersion(); version != "" {
		versions = append(versions, "postgresql "+version)
	}
	return versions
}

// State is how one engine stands.
type State struct {
	Dialect string
	Engine  string
	Held    string // what holds it back, in words
	Runs    bool   // now; the others start when a statement needs them
	Missing string // why it cannot be had, in words; "" when it can
	Wrong   string // the canary it answered wrongly; "" when none
}

// States tells how the engine of each dialect stands, by dialect. It starts
// none.
func (e *Engines) States() []State {
	var states []State
	for _, name := range slices.Sorted(maps.Keys(e.all)) {
		one := e.all[name]
		state := State{Dialect: name, Engine: one.name, Held: cmp.Or(one.confined, "in the sandbox, a child for each statement")}
		if err := one.find(); err != nil {
			state.Missing = cmp.Or(fault.Words(err), "It cannot be found.")
		}
		if one.mu.TryLock() { // one that is at work runs
			state.Runs, state.Wrong = one.now != nil || one.proved, one.wrong
			one.mu.Unlock()
		} else {
			state.Runs = true
		}
		states = append(states, state)
	}
	return states
}

// Forget lets an engine that answered a canary wrongly be tried again when it
// is next needed.
func (e *Engines) Forget() {
	for _, one := range e.all {
		one.mu.Lock()
		one.wrong, one.proved = "", false
		one.mu.Unlock()
	}
}

// Confined says what holds a dialect's engine back, and what a statement may
// take of it. An empty tier is that of the sandbox, where the engine runs.
func (e *Engines) Confined(dialect string) (tier string, limits sandbox.Limits) {
	one := e.all[dialect]
	if one.program != nil {
		return "", one.program.Limits
	}
	return one.confined, sandbox.Limits{Wall: queryTakes, Memory: memory, Output: query.MaxResult}
}

// Reasons of an engine that cannot be asked.
const (
	ReasonMissing   = "engine_missing"
	ReasonSuspended = "engine_suspended"
)

// Judge checks one statement on its dialect's engine. Its error is the end of
// ctx, or a fault of ours.
func (e *Engines) Judge(ctx context.Context, box Sandbox, dialect string, job query.Job) (query.Outcome, error) {
	one := e.all[dialect]
	if one == nil {
		return query.Outcome{}, fmt.Errorf("judge a statement of the dialect %q: there is no engine", dialect)
	}
	if one.program != nil {
		return one.judgeInside(ctx, box, job)
	}
	return one.judge(ctx, box, job)
}

// server is a running engine.
type server interface {
	// open makes a database with the schema's tables, and what drops it. Its
	// error is a *query.Refusal when the schema is to blame.
	open(ctx context.Context, box Sandbox, job query.Job) (database, error)
	stop()
}

// database is the tables of one job.
type database interface {
	query.Database
	// close drops the tables; broken says that the engine is of no more use.
	close() (broken bool)
}

// engine starts, proves and ends one kind of server. One statement runs at a
// time.
type engine struct {
	name     string
	confined string       // what holds it back, as a verdict names its tier
	find     func() error // whether this machine has it; says in words what to do if not
	start    func(context.Context) (server, error)
	canaries []canary
	idleFor  time.Duration // then it ends

	program *sandbox.Program // of an engine that runs in the sandbox, where there is no server

	mu     sync.Mutex
	now    server
	proved bool   // an engine in the sandbox has answered its canaries
	wrong  string // the canary that was answered wrongly; the engine is not asked again
	idle   *time.Timer
}

// canary is a statement whose verdict is known.
type canary struct {
	name, sql, rows string
	verdict         string
}

func (e *engine) judge(ctx context.Context, box Sandbox, job query.Job) (query.Outcome, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if out, ok, err := e.ready(ctx, box); !ok || err != nil {
		return out, err
	}
	if e.idle != nil {
		e.idle.Stop()
	}
	defer func() { e.idle = time.AfterFunc(e.idleFor, e.rest) }()
	return e.run(ctx, box, job)
}

// rest ends an engine that nobody needed for a while.
func (e *engine) rest() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stop()
}

func (e *engine) stop() {
	if e.now != nil {
		e.now.stop()
		e.now = nil
	}
}

// ready sees that the engine runs and has answered its canaries; ok is false
// when the outcome says why it has not.
func (e *engine) ready(ctx context.Context, box Sandbox) (out query.Outcome, ok bool, err error) {
	if e.wrong != "" {
		return e.suspended(), false, nil
	}
	if e.now != nil {
		return out, true, nil
	}
	now, err := e.start(ctx)
	if ctx.Err() != nil {
		if err == nil {
			now.stop()
		}
		return out, false, ctx.Err()
	}
	if err != nil && fault.Of(err) != fault.Unavailable {
		return out, false, fmt.Errorf("start %s: %w", e.name, err)
	}
	if err != nil {
		return e.missing(err), false, nil
	}
	e.now = now
	for _, c := range e.canaries {
		answer, err := e.run(ctx, box, query.Job{SQL: c.sql, Schema: canarySchema, Portable: true, Rows: []byte(c.rows)})
		if err != nil {
			e.stop()
			return out, false, err
		}
		if answer.Verdict != c.verdict {
			e.wrong = c.name
			e.stop()
			return e.ready(ctx, box)
		}
	}
	return out, true, nil
}

func (e *engine) suspended() query.Outcome {
	return query.Invalid(ReasonSuspended, fmt.Sprintf("%s answered the canary “%s” wrongly and is not asked.", e.name, e.wrong))
}

func (e *engine) missing(err error) query.Outcome {
	return query.Invalid(ReasonMissing, fmt.Sprintf("%s is not to be had on this machine: %s", e.name, cmp.Or(fault.Words(err), "It cannot be started.")))
}

// run judges a job in a database of its own.
func (e *engine) run(ctx context.Context, box Sandbox, job query.Job) (query.Outcome, error) {
	if e.now == nil { // a statement before ended it
		now, err := e.start(ctx)
		if err != nil {
			return query.Outcome{}, err
		}
		e.now = now
	}
	db, err := e.now.open(ctx, box, job)
	var refusal *query.Refusal
	if errors.As(err, &refusal) {
		if refusal.Kind == query.ReasonTime {
			e.stop()
		}
		return query.Invalid(query.ReasonSchema, "The schema cannot be built: "+refusal.Words+"."), nil
	}
	if err != nil {
		e.stop()
		return query.Outcome{}, err
	}
	out, err := query.Judge(ctx, db, job)
	if broken := db.close(); broken || err != nil {
		e.stop()
	}
	return out, err
}

// canarySchema is written so that every dialect reads it.
const canarySchema = `CREATE TABLE customers ("id" BIGINT, "name" TEXT);
INSERT INTO customers VALUES (1,'Ada'),(2,'Ben');
CREATE TABLE orders ("id" BIGINT, "customer_id" BIGINT, "total" DOUBLE PRECISION, "note" TEXT);
INSERT INTO orders VALUES (1,1,10.5,'it''s \n'),(2,1,20,NULL),(3,2,5,'');`

// commonCanaries are those of every engine.
var commonCanaries = []canary{
	{"a join with sums", `SELECT c.name, sum(o.total) FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY c.name`, `[["Ben",5],["Ada",30.5]]`, "pass"},
	{"text as it was", `SELECT note FROM orders WHERE id = 1`, `[["it's \\n"]]`, "pass"},
	{"NULL and empty text", `SELECT note FROM orders WHERE id > 1`, `[[null],[""]]`, "pass"},
	{"a wrong sum", `SELECT sum(total) FROM orders`, `[[35]]`, "fail"},
	{"invented column", `SELECT amount FROM orders`, `[[1]]`, "fail"},
	{"invented table", `SELECT count(*) FROM purchases`, `[[3]]`, "fail"},
	{"a change", `DELETE FROM orders WHERE id = 1`, `[[1]]`, "fail"},
	{"another table", `DROP TABLE orders`, `[[1]]`, "fail"},
	{"two statements", `SELECT 1; SELECT 2`, `[[1]]`, "fail"},
}
