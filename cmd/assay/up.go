package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"assay/internal/auth"
	"assay/internal/auth/keys"
	"assay/internal/embedded"
	"assay/jobs"
	"assay/static"
	"assay/telemetry"
)

var upCommand = command{
	name: "up", usage: "[--data DIR] [--addr 127.0.0.1:8080] [--sample] [--load FILE [--hold]]",
	summary: "run everything on one machine, with embedded engines",
	detail: `Starts a private PostgreSQL and an embedded ClickHouse under DIR, brings their schemas
up to date, then the web and the workers. Prints the address and a one-time link to sign
in with. There is an account for each role, and a switcher between them that exists only here.
Ctrl-C stops all of it cleanly.

  --sample     load the sample that ships with the program, once
  --load FILE  load a file of events, once; the times in it stand as they are
  --hold       what is loaded does not expire (legal hold)`,
	run: runUp,
}

type upOptions struct {
	data, addr, load string
	sample, hold     bool
}

func runUp(ctx context.Context, args []string) error {
	var o upOptions
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.data, "data", env("ASSAY_DATA"), "")
	flags.StringVar(&o.addr, "addr", env("ASSAY_ADDR"), "")
	flags.BoolVar(&o.sample, "sample", false, "")
	flags.StringVar(&o.load, "load", "", "")
	flags.BoolVar(&o.hold, "hold", false, "")
	if err := flags.Parse(args); err != nil {
		return usageError(err.Error())
	}
	if flags.NArg() > 0 {
		return usageError(fmt.Sprintf("%q is not an option", flags.Arg(0)))
	}
	if o.load != "" {
		if _, err := os.Stat(o.load); err != nil {
			return err
		}
	}
	if err := static.Ready(); err != nil {
		return err
	}
	return up(ctx, o, os.Stdout)
}

// machine is one running product with its engines.
type machine struct {
	postgres   *embedded.Postgres
	clickhouse *embedded.Clickhouse
	product    *product
	doors      *doors
	ended      <-chan error
	stopWork   func(context.Context) error
	logFile    *os.File
	runtime    runtimeFile
}

// up starts the machine, says where it is, and waits for the end.
func up(ctx context.Context, o upOptions, out io.Writer) error {
	unlock, err := lockDirectory(o.data)
	if err != nil {
		return err
	}
	defer unlock()
	m, err := startMachine(ctx, o)
	if m != nil {
		defer m.stop(out)
	}
	if err != nil {
		return err
	}
	link, err := m.product.people.Demonstrate(ctx)
	if err != nil {
		return err
	}
	// What is loaded comes before the workers: the sample's days pass one by one.
	if err := m.fill(ctx, o, out); err != nil {
		return err
	}
	if err := m.open(ctx, o); err != nil {
		return err
	}
	m.greet(o, link, out)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-m.ended:
			return fmt.Errorf("the web stopped: %w", err)
		case err := <-m.postgres.Crashed():
			fmt.Fprintf(out, "assay: %v; it is started again, nothing acknowledged is lost\n", err)
		case err := <-m.clickhouse.Crashed():
			fmt.Fprintf(out, "assay: %v; it is started again, events wait in the inbox meanwhile\n", err)
		}
	}
}

// startMachine starts the engines and wires the product on them.
func startMachine(ctx context.Context, o upOptions) (*machine, error) {
	m := &machine{}
	var err error
	if m.logFile, err = os.OpenFile(filepath.Join(o.data, "assay.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return m, err
	}
	type started struct {
		clickhouse *embedded.Clickhouse
		err        error
	}
	engine := make(chan started, 1)
	go func() {
		c, err := embedded.StartClickhouse(ctx, embedded.ClickhouseConfig{
			Dir: filepath.Join(o.data, "clickhouse"), Log: m.logFile, Library: env("ASSAY_CHDB_LIBRARY"), Supervise: true, Wait: patience})
		engine <- started{c, err}
	}()
	m.postgres, err = embedded.StartPostgres(ctx, embedded.PostgresConfig{Dir: o.data, Log: m.logFile})
	second := <-engine
	m.clickhouse = second.clickhouse
	if err != nil {
		return m, err
	}
	if second.err != nil {
		return m, second.err
	}
	if err := migrateBoth(ctx, m.postgres.OwnerURL(), m.clickhouse.DSN()); err != nil {
		return m, err
	}
	log := slog.New(slog.NewTextHandler(m.logFile, nil))
	at := stores{m.postgres.URL(), m.clickhouse.DSN(), filepath.Join(o.data, "keys")}
	if m.product, err = wire(ctx, at, log); err != nil {
		return m, err
	}
	m.product.people.Demo = true
	return m, nil
}

// open starts the workers and lets requests in.
func (m *machine) open(ctx context.Context, o upOptions) error {
	// The directory is locked, so no other worker holds what was running.
	err := jobs.Resume(ctx, m.product.pool)
	if err == nil {
		err = m.product.telemetry.Resume(ctx, auth.Product())
	}
	if err != nil {
		return err
	}
	if m.stopWork, err = m.product.work(ctx); err != nil {
		return err
	}
	m.doors, m.ended, err = m.product.open(true, o.addr, "127.0.0.1:0", "")
	if err != nil {
		return err
	}
	return m.writeRuntime(ctx, o.data)
}

// stop ends in the order that loses nothing: no new requests, jobs finish,
// then the engines.
func (m *machine) stop(out io.Writer) {
	fmt.Fprintln(out, "assay: stopping")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if m.doors != nil {
		m.doors.close(ctx)
	}
	if m.stopWork != nil {
		m.stopWork(ctx)
	}
	if m.product != nil {
		m.product.close()
	}
	if m.clickhouse != nil {
		m.clickhouse.Stop(ctx)
	}
	if m.postgres != nil {
		m.postgres.Stop(ctx)
	}
	if m.logFile != nil {
		m.logFile.Close()
	}
	if m.runtime.path != "" {
		os.Remove(m.runtime.path)
	}
}

// runtimeFile tells the other commands where the running product is.
type runtimeFile struct {
	Address    string `json:"address"`
	Admin      string `json:"admin"`
	Key        string `json:"key"`
	SigningKey string `json:"signing_key"` // public; certificates and bundles verify with it
	Database   string `json:"database"`
	Clickhouse string `json:"clickhouse"`
	path       string
}

// writeRuntime makes a key for the commands of this machine; the one of the
// last start is revoked.
func (m *machine) writeRuntime(ctx context.Context, dir string) error {
	actor := auth.Product()
	list, err := m.product.keys.List(ctx, actor)
	if err != nil {
		return err
	}
	for _, k := range list {
		if k.Name == machineKey && k.State(time.Now()) == "active" {
			if err := m.product.keys.Revoke(ctx, actor, k.PublicID); err != nil {
				return err
			}
		}
	}
	key, text, err := m.product.keys.Create(ctx, actor, keys.New{Name: machineKey, Scopes: auth.Scopes})
	if err != nil {
		return err
	}
	if err := m.product.telemetry.SetTerms(ctx, actor, key.ID, telemetry.OpenTerms); err != nil {
		return err
	}
	m.runtime = runtimeFile{
		Address: "http://" + m.doors.public.Addr().String(), Admin: "http://" + m.doors.internal.Addr().String(),
		Key: text, SigningKey: m.product.signing.Public(), Database: m.postgres.URL(), Clickhouse: m.clickhouse.DSN(),
		path: filepath.Join(dir, "runtime.json"),
	}
	body, err := json.MarshalIndent(m.runtime, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(m.runtime.path, append(body, '\n'), 0o600)
}

const machineKey = "commands of this machine"

// greet prints where to go and how to get in.
func (m *machine) greet(o upOptions, link string, out io.Writer) {
	fmt.Fprintf(out, "\n  Assay   %s\n  Sign in %s/login/link/%s\n", m.runtime.Address, m.runtime.Address, url.PathEscape(link))
	fmt.Fprintf(out, "          once, as the engineer; switch roles at the top right\n  Data    %s\n  Stop    Ctrl-C\n\n", o.data)
}

// fill loads what was asked for, once.
func (m *machine) fill(ctx context.Context, o upOptions, out io.Writer) error {
	if o.sample {
		return once(o.data, "sample", func() error { return m.loadSample(ctx, o.data, out) })
	}
	if o.load != "" {
		return once(o.data, "loaded-"+strings.ReplaceAll(filepath.Base(o.load), "/", "_"), func() error { return m.loadFile(ctx, o, out) })
	}
	return nil
}

// once runs act unless a marker says that it has been done.
func once(dir, name string, act func() error) error {
	marker := filepath.Join(dir, name+".done")
	if _, err := os.Stat(marker); err == nil {
		return nil
	}
	if err := act(); err != nil {
		return err
	}
	return os.WriteFile(marker, []byte(time.Now().UTC().Format(time.RFC3339)+"\n"), 0o600)
}

// loadFile takes a file of recorded events under a key of its own: their
// times stand, and with hold they do not expire.
func (m *machine) loadFile(ctx context.Context, o upOptions, out io.Writer) error {
	terms := telemetry.ReplayTerms
	terms.LegalHold = o.hold
	actor, err := m.loader(ctx, "replay of "+filepath.Base(o.load), terms)
	if err != nil {
		return err
	}
	file, err := os.Open(o.load)
	if err != nil {
		return err
	}
	defer file.Close()
	return m.ingest(ctx, actor, bufio.NewReaderSize(file, 1<<20), filepath.Base(o.load), out)
}

// loader is the actor of a one-time load, with terms of its own.
func (m *machine) loader(ctx context.Context, name string, terms telemetry.Terms) (auth.Actor, error) {
	product := auth.Product()
	key, _, err := m.product.keys.Create(ctx, product, keys.New{Name: name, Scopes: []auth.Scope{auth.ScopeIngest}})
	if err != nil {
		return auth.Actor{}, err
	}
	if err := m.product.telemetry.SetTerms(ctx, product, key.ID, terms); err != nil {
		return auth.Actor{}, err
	}
	return auth.Actor{Kind: auth.Key, ID: key.ID, Name: "wb_" + key.PublicID, Scopes: []auth.Scope{auth.ScopeIngest}}, nil
}

// ingest sends lines in batches through the same method as the door does.
func (m *machine) ingest(ctx context.Context, actor auth.Actor, lines *bufio.Reader, name string, out io.Writer) error {
	began := time.Now()
	var total telemetry.Receipt
	rejected := 0
	for {
		batch, err := readBatch(lines, 500)
		if err != nil && err != io.EOF {
			return err
		}
		if len(batch) > 0 {
			receipt, errIngest := m.product.telemetry.Ingest(ctx, actor, batch)
			if errIngest != nil {
				return fmt.Errorf("load %s: %w", name, errIngest)
			}
			total.Accepted += receipt.Accepted
			total.Duplicate += receipt.Duplicate
			rejected += len(receipt.Rejected)
		}
		if err == io.EOF {
			break
		}
	}
	if _, err := m.product.telemetry.Drain(ctx, auth.Product()); err != nil {
		return err
	}
	fmt.Fprintf(out, "assay: loaded %s: %d events, %d duplicates, %d refused, in %s\n", name, total.Accepted, total.Duplicate, rejected, time.Since(began).Round(time.Millisecond))
	return nil
}

// readBatch reads up to n lines, whole.
func readBatch(lines *bufio.Reader, n int) ([]byte, error) {
	var batch []byte
	for range n {
		line, err := lines.ReadBytes('\n')
		batch = append(batch, line...)
		if err != nil {
			return batch, err
		}
	}
	return batch, nil
}
