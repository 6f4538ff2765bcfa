package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"assay/internal/auth"
	"assay/internal/auth/keys"
	"assay/internal/embedded"
	"assay/internal/postgres"
	"assay/telemetry"
)

var benchKillCommand = command{
	name: "bench kill", usage: "[--rounds 20] [--seed N]", summary: "kill every part under load and look for what was acknowledged",
	detail: `Starts a product of its own on a directory that is removed afterwards and sends it events all the
time, while its parts are killed (signal 9) in an order and at moments that the seed decides: first
assay up, its PostgreSQL and its ClickHouse engine, then assay serve and assay work as processes of
their own with both stores. Each round kills each of them once, and goes on when events are
acknowledged again. In the end every acknowledged event is looked for in the store; the exit code is
1 when one is missing or there twice, or was refused so that its sender would not send it again.`,
	run: runBenchKill,
}

func runBenchKill(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench kill", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	rounds := flags.Int("rounds", 20, "")
	seed := flags.Uint64("seed", rand.Uint64N(1_000_000), "")
	switch err := flags.Parse(args); {
	case err != nil:
		return usageError(err.Error())
	case flags.NArg() > 0 || *rounds < 1:
		return usageError("rounds is at least 1, and there are no other words")
	}
	return killRounds(ctx, *rounds, *seed, os.Stdout)
}

// killing is one run of kills with the load that goes on meanwhile.
type killing struct {
	out    io.Writer
	rig    *rig
	random *rand.Rand
	run    uint32
	next   atomic.Int64
	ledger *ledger
	key    string
	kills  int

	discouraged int // answers after which a sender would not send again, or not know when
}

// part is something that can be killed. revive brings it back; nil where the
// program that watches over it does.
type part struct {
	name   string
	pid    func() int
	revive func(context.Context) error
}

// comesBack bounds how long a part may be away on a crowded machine.
const comesBack = 5 * time.Minute

func killRounds(ctx context.Context, rounds int, seed uint64, out io.Writer) (err error) {
	k := &killing{out: out, random: rand.New(rand.NewPCG(seed, 1)), run: uint32(seed), ledger: newLedger()}
	if k.rig, err = newRig(); err != nil {
		return err
	}
	defer k.rig.stop()
	fmt.Fprintf(out, "seed %d, %d rounds\n", seed, rounds)
	if err := k.together(ctx, rounds); err != nil {
		return fmt.Errorf("%w\n%s", err, k.rig.lastWords())
	}
	err = k.apart(ctx, rounds)
	if err != nil && !errors.Is(err, errNo) {
		return fmt.Errorf("%w\n%s", err, k.rig.lastWords())
	}
	return err
}

// together kills the parts of assay up.
func (k *killing) together(ctx context.Context, rounds int) error {
	if err := k.rig.start(ctx); err != nil {
		return err
	}
	if err := k.makeKey(ctx); err != nil {
		return err
	}
	err := k.underLoad(ctx, k.rig.at.Address, rounds, []part{
		{"assay up", func() int { return k.rig.cmd.Process.Pid }, func(ctx context.Context) error {
			k.rig.cmd.Wait()
			return k.rig.start(ctx)
		}},
		{"its PostgreSQL", k.rig.postgres, nil},
		{"its ClickHouse", k.rig.engine, nil},
	})
	if err != nil {
		return err
	}
	k.rig.cmd.Process.Signal(syscall.SIGTERM)
	return k.rig.cmd.Wait()
}

// makeKey makes the key the load is sent under; that of the machine changes
// with every start.
func (k *killing) makeKey(ctx context.Context) error {
	pool, err := postgres.Open(ctx, k.rig.at.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	ring := &keys.Ring{DB: pool}
	key, text, err := ring.Create(ctx, auth.Product(), keys.New{Name: "bench", Scopes: []auth.Scope{auth.ScopeIngest}})
	if err != nil {
		return err
	}
	k.key = text
	return (&telemetry.Store{DB: pool}).SetTerms(ctx, auth.Product(), key.ID, telemetry.OpenTerms)
}

// apart kills web and worker as processes of their own, and the stores they
// share.
func (k *killing) apart(ctx context.Context, rounds int) error {
	cluster, err := embedded.StartPostgres(ctx, embedded.PostgresConfig{Dir: k.rig.dir})
	if err != nil {
		return err
	}
	defer cluster.Stop(context.WithoutCancel(ctx))
	engine, err := embedded.StartClickhouse(ctx, embedded.ClickhouseConfig{
		Dir: filepath.Join(k.rig.dir, "clickhouse"), Library: env("ASSAY_CHDB_LIBRARY"), Supervise: true, Wait: comesBack})
	if err != nil {
		return err
	}
	defer engine.Stop(context.WithoutCancel(ctx))
	k.rig.at.Database, k.rig.at.Clickhouse = cluster.URL(), engine.DSN()
	web, worker := &process{word: "serve", rig: k.rig}, &process{word: "work", rig: k.rig}
	defer web.stop()
	defer worker.stop()
	if err := web.start(ctx); err != nil {
		return err
	}
	if err := worker.start(ctx); err != nil {
		return err
	}
	err = k.underLoad(ctx, k.rig.at.Address, rounds, []part{
		{"assay serve", web.pid, web.start},
		{"assay work", worker.pid, worker.start},
		{"PostgreSQL", cluster.Pid, nil},
		{"ClickHouse", engine.PID, nil},
	})
	if err != nil {
		return err
	}
	return k.drained(ctx)
}

// process is assay serve or assay work on the stores of the rig. One that
// finds a store away at its start ends, and is started again, as whatever
// watches over it in production would do.
type process struct {
	word  string
	rig   *rig
	cmd   *exec.Cmd
	ended chan struct{}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) launch() error {
	said, err := os.OpenFile(filepath.Join(p.rig.dir, "said"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer said.Close()
	cmd := exec.Command("/proc/self/exe", p.word)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), "ASSAY_DATABASE_URL="+p.rig.at.Database, "ASSAY_CLICKHOUSE_URL="+p.rig.at.Clickhouse,
		"ASSAY_KEYS="+filepath.Join(p.rig.dir, "keys"), "ASSAY_ADDR="+p.rig.addr, "ASSAY_ADMIN_ADDR=127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = said, said
	if err := startTied(cmd); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	p.cmd, p.ended = cmd, ended
	return nil
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// start starts it and waits until it has said that it works.
func (p *process) start(ctx context.Context) error {
	if p.ended != nil {
		<-p.ended
	}
	ready := map[string]string{"serve": "msg=serving", "work": "msg=working"}[p.word]
	before := p.said(ready)
	err := p.launch()
	if err != nil {
		return err
	}
	late := until(ctx, comesBack, func() bool {
		if !p.running() {
			err = p.launch()
		}
		return err != nil || p.said(ready) > before
	})
	return cmp.Or(err, late)
}

// said counts how often the word was written.
func (p *process) said(word string) int {
	text, _ := os.ReadFile(filepath.Join(p.rig.dir, "said"))
	return bytes.Count(text, []byte(word))
}

func (p *process) stop() {
	if p.cmd != nil {
		p.cmd.Process.Signal(syscall.SIGTERM)
		<-p.ended
	}
}

// underLoad sends all the time while the parts are killed in turn.
func (k *killing) underLoad(ctx context.Context, address string, rounds int, parts []part) error {
	s := &sending{address: address, key: k.key, feed: newFeed(k.run, 20, &k.next), ledger: k.ledger, senders: 3, rate: 600, again: true}
	loading, end := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); s.run(loading) }()
	defer func() { end(); <-ended }()
	for round := range rounds {
		k.random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		for _, p := range parts {
			if err := k.kill(ctx, round, p); err != nil {
				return err
			}
		}
	}
	end()
	<-ended
	for answer, times := range s.odd {
		k.discouraged += times
		fmt.Fprintf(k.out, "%d batches were answered %s\n", times, answer)
	}
	k.discouraged += s.speechless
	return nil
}

// kill waits for a moment of the seed's choice, kills, and waits until events
// are acknowledged again.
func (k *killing) kill(ctx context.Context, round int, p part) error {
	if err := k.acknowledged(ctx, 20+20*k.random.IntN(20), "before "+p.name+" is killed"); err != nil {
		return err
	}
	time.Sleep(time.Duration(k.random.IntN(40)) * time.Millisecond) // not always just behind an answer
	pid := p.pid()
	if pid == 0 {
		return fmt.Errorf("%s is not there to be killed", p.name)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s (%d): %w", p.name, pid, err)
	}
	k.kills++
	began := time.Now()
	if p.revive != nil {
		if err := p.revive(ctx); err != nil {
			return fmt.Errorf("bring back %s: %w", p.name, err)
		}
	} else if err := until(ctx, comesBack, func() bool { n := p.pid(); return n != 0 && n != pid }); err != nil {
		return fmt.Errorf("%s does not come back: %w", p.name, err)
	}
	if err := k.acknowledged(ctx, 40, "after "+p.name+" was killed"); err != nil {
		return err
	}
	fmt.Fprintf(k.out, "round %2d  %-14s killed, events are acknowledged again after %s\n", round+1, p.name, short(time.Since(began)))
	return nil
}

func (k *killing) acknowledged(ctx context.Context, more int, when string) error {
	before := k.ledger.size()
	if err := until(ctx, comesBack, func() bool { return k.ledger.size() >= before+more }); err != nil {
		return fmt.Errorf("%d events are not acknowledged %s: %w", more, when, err)
	}
	return nil
}

// drained waits until nothing waits in the inbox, then compares.
func (k *killing) drained(ctx context.Context) error {
	began := time.Now()
	pool, err := postgres.Open(ctx, k.rig.at.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	var waiting int64
	err = until(ctx, 2*comesBack, func() bool {
		err := pool.QueryRow(ctx, `SELECT count(*) FROM inbox WHERE drained_at IS NULL`).Scan(&waiting)
		return err == nil && waiting == 0
	})
	if err != nil {
		return fmt.Errorf("%d batches are not stored: %w", waiting, err)
	}
	fmt.Fprintf(k.out, "the inbox is empty %s after the last kill\n", short(time.Since(began)))
	return k.compare(ctx)
}

func (k *killing) compare(ctx context.Context) error {
	conn, err := k.rig.engineConn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	lost, doubled, extra, err := k.ledger.compare(ctx, conn, k.run)
	if err != nil {
		return fmt.Errorf("compare the ledger with the store: %w", err)
	}
	fmt.Fprintf(k.out, "Ledger: %d events acknowledged over %d kills, %d of them missing, %d there more than once; %d stored whose answer was lost on the way\n",
		k.ledger.size(), k.kills, lost, doubled, extra)
	if k.discouraged > 0 {
		fmt.Fprintf(k.out, "%d batches were refused otherwise than by 429 or 503 with Retry-After\n", k.discouraged)
	}
	if lost > 0 || doubled > 0 || k.discouraged > 0 {
		return errNo
	}
	return nil
}
