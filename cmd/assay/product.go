package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"assay/eval"
	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/auth/keys"
	"assay/internal/auth/people"
	"assay/internal/clickhouse"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/redact"
	"assay/internal/retention"
	"assay/internal/signing"
	"assay/internal/vault"
	"assay/jobs"
	"assay/labeling"
	"assay/telemetry"
	"assay/validators"
	"assay/validators/dialect"
	"assay/validators/sandbox"
	"assay/web"
)

// product is the whole program wired on its two stores.
type product struct {
	pool       *pgxpool.Pool
	clickhouse driver.Conn
	writer     driver.Conn // of blocks of events
	people     *people.Register
	keys       *keys.Ring
	telemetry  *telemetry.Store
	labeling   *labeling.Store
	validators *validators.Store
	sandbox    *sandbox.Children
	eval       *eval.Store
	audit      *audit.Log
	signing    *signing.Keys
	vault      *vault.Vault
	retention  *retention.Register
	log        *slog.Logger
}

// stores says where the two stores are and where the keys lie.
type stores struct {
	postgres, clickhouse, keys string
}

// wire connects the stores and builds every stage on them.
func wire(ctx context.Context, at stores, log *slog.Logger) (*product, error) {
	p := &product{log: log}
	var err error
	if p.pool, err = postgres.Open(ctx, at.postgres); err != nil {
		return nil, err
	}
	if p.clickhouse, err = p.openClickhouse(ctx, at.clickhouse); err != nil {
		p.pool.Close()
		return nil, err
	}
	if p.writer, err = p.openWriter(ctx, at.clickhouse); err != nil {
		p.close()
		return nil, err
	}
	if err := p.build(at.keys); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// openClickhouse does not wait for a ClickHouse that is away: what needs
// PostgreSQL alone works without it, events are taken into the inbox, and all
// of it catches up when ClickHouse is back. Only a wrong address is an error.
func (p *product) openClickhouse(ctx context.Context, dsn string) (driver.Conn, error) {
	conn, err := clickhouse.Open(ctx, dsn)
	if err == nil || fault.Of(err) == fault.Invalid || ctx.Err() != nil {
		return conn, err
	}
	p.log.Warn("ClickHouse is away; starting without it", "error", err)
	return clickhouse.Later(dsn)
}

// writers is how many blocks this process writes at a time at most.
const writers = 2

func (p *product) openWriter(ctx context.Context, dsn string) (driver.Conn, error) {
	narrow, err := clickhouse.Narrow(dsn, writers)
	if err != nil {
		return nil, err
	}
	return p.openClickhouse(ctx, narrow)
}

func (p *product) build(keysDir string) error {
	inserter, err := jobs.Inserter(p.pool)
	if err != nil {
		return err
	}
	secret, err := keptSecret(filepath.Join(keysDir, "sealing"))
	if err != nil {
		return err
	}
	salt, err := keptSecret(filepath.Join(keysDir, "salt"))
	if err != nil {
		return err
	}
	if p.signing, err = signing.Open(filepath.Join(keysDir, "signing"), "assay"); err != nil {
		return err
	}
	macs, err := audit.OpenKeys(filepath.Join(keysDir, "audit"))
	if err != nil {
		return err
	}
	p.audit = &audit.Log{DB: p.pool, MACKeys: macs, Signing: p.signing, Dir: filepath.Join(keysDir, "checkpoints")}
	p.people = &people.Register{DB: p.pool, Secret: secret}
	p.keys = &keys.Ring{DB: p.pool}
	keyset, err := vault.OpenKeyset(filepath.Join(keysDir, "vault"))
	if err != nil {
		return err
	}
	p.vault = &vault.Vault{DB: p.pool, KEK: keyset}
	p.telemetry = &telemetry.Store{DB: p.pool, Clickhouse: p.clickhouse, Writer: p.writer, Jobs: inserter, Redact: redact.Assay(salt), Vault: p.vault}
	p.labeling = &labeling.Store{DB: p.pool, Jobs: inserter, Telemetry: p.telemetry}
	p.validators = &validators.Store{DB: p.pool, Jobs: inserter}
	p.validators.Set, p.sandbox = validators.OpenStrong(dialectEngines(), env("ASSAY_STRONG_TIER") == "on")
	if p.validators.Judge, err = judging(); err != nil {
		return err
	}
	p.labeling.Verdicts = p.verdictsSeen
	p.telemetry.Visible = p.labeling.Visible
	p.telemetry.VisibleSessions = p.labeling.VisibleSessions
	p.telemetry.UnreadSessions = p.labeling.UnreadSessions
	p.labeling.RawText = p.telemetry.OpenGranted
	p.telemetry.LabelsOpen = p.labeling.LabelsOpen
	p.retention = &retention.Register{DB: p.pool, Signing: p.signing, Jobs: inserter, Sessions: telemetry.EventTexts{Store: p.telemetry}, Places: []retention.Place{
		labeling.Texts{Store: p.labeling}, labeling.Files{Store: p.labeling}, validators.Evidence{Store: p.validators}, telemetry.Inbox{Store: p.telemetry}, telemetry.ConsentLog{Store: p.telemetry},
		retention.Answers{DB: p.pool}, vault.Payloads{Vault: p.vault},
	}}
	p.eval = &eval.Store{DB: p.pool, Traces: p.telemetry, Labels: p.labeling, Agreement: p.labeling, Signing: p.signing}
	p.labeling.Needs = func(ctx context.Context) ([]labeling.Need, error) {
		return p.eval.Needs(ctx, auth.Product(), time.Now())
	}
	return nil
}

// verdictsSeen is what a label's provenance says the validators had said.
func (p *product) verdictsSeen(ctx context.Context, db postgres.DB, event uuid.UUID) ([]labeling.VerdictSeen, error) {
	verdicts, err := p.validators.Of(ctx, db, event)
	seen := make([]labeling.VerdictSeen, len(verdicts))
	for i, v := range verdicts {
		seen[i] = labeling.VerdictSeen{Validator: v.Validator, Version: v.Version, Verdict: v.Verdict}
	}
	return seen, err
}

// verdictsShown is what stands beside a response on its pages.
func (p *product) verdictsShown(ctx context.Context, event uuid.UUID) ([]web.Verdict, error) {
	verdicts, err := p.validators.Of(ctx, p.pool, event)
	shown := make([]web.Verdict, len(verdicts))
	for i, v := range verdicts {
		shown[i] = web.Verdict{Validator: v.Validator, Version: v.Short(), Verdict: v.Verdict, Reason: v.Reason, Message: v.Message, Evidence: v.Evidence}
	}
	return shown, err
}

func (p *product) close() {
	if p.sandbox != nil {
		p.sandbox.Close()
	}
	for _, conn := range []driver.Conn{p.clickhouse, p.writer} {
		if conn != nil {
			conn.Close()
		}
	}
	p.pool.Close()
}

// keptSecret reads 32 random bytes that are made once and never change.
func keptSecret(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err == nil && len(text) == 32 {
		return text, nil
	}
	if err == nil {
		return nil, fmt.Errorf("the secret in %s has %d bytes instead of 32", path, len(text))
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return secret, os.WriteFile(path, secret, 0o600)
}

// work starts the jobs and returns what stops them.
func (p *product) work(ctx context.Context) (func(context.Context) error, error) {
	return jobs.Start(context.WithoutCancel(ctx), p.pool, jobs.Stages{
		Telemetry: p.telemetry, Labeling: p.labeling, Validators: p.validators, Eval: p.eval, Audit: p.audit, People: p.people,
		Vault: p.vault, DB: p.pool, Retention: p.retention,
	}, p.log)
}

// doors are the two addresses the web answers on.
type doors struct {
	app      *fiber.App
	admin    *http.Server
	public   net.Listener
	internal net.Listener
}

// open binds both addresses and serves in the background; ended reports the
// first that stops serving.
func (p *product) open(demo bool, addr, adminAddr, publicURL string) (*doors, <-chan error, error) {
	registry := web.NewRegistry()
	d := &doors{}
	var err error
	if d.public, err = net.Listen("tcp", addr); err != nil {
		return nil, nil, fmt.Errorf("answer at %s: %w", addr, err)
	}
	if d.internal, err = net.Listen("tcp", adminAddr); err != nil {
		d.public.Close()
		return nil, nil, fmt.Errorf("answer at %s: %w", adminAddr, err)
	}
	proxies, err := trustedProxies(env("ASSAY_TRUSTED_PROXIES"))
	if err != nil {
		return nil, nil, err
	}
	program := ""
	if demo { // the reader's shell is on this machine, and calls it as this one was called
		program = os.Args[0]
	}
	d.app, err = web.New(web.Config{
		Program:   program,
		PublicURL: cmp.Or(publicURL, "http://"+d.public.Addr().String()), TrustedProxies: proxies, Demo: demo, Log: p.log, Metrics: registry,
	}, p.stages())
	if err != nil {
		return nil, nil, err
	}
	d.admin = &http.Server{Handler: web.Admin(registry), ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- d.app.Listener(d.public) }()
	go func() { ended <- d.admin.Serve(d.internal) }()
	return d, ended, nil
}

func (p *product) stages() web.Stages {
	return web.Stages{
		DB: p.pool, People: p.people, Keys: p.keys, Telemetry: p.telemetry, Labeling: p.labeling, Validators: p.validators, Eval: p.eval, Audit: p.audit, Retention: p.retention,
		Verdicts: p.verdictsShown,
		Paging: func(ctx context.Context, actor auth.Actor) (int, error) {
			if !actor.May(auth.SeeMeasures) {
				return 0, nil
			}
			return p.eval.OpenAlerts(ctx, actor)
		},
		Checks: []web.Check{{Name: "clickhouse", Ask: func(ctx context.Context) error { return clickhouse.Healthy(ctx, p.clickhouse) }}},
	}
}

// close stops taking requests and lets those under way finish.
func (d *doors) close(ctx context.Context) {
	d.app.ShutdownWithContext(ctx)
	d.admin.Shutdown(ctx)
}

func trustedProxies(list string) ([]netip.Prefix, error) {
	var proxies []netip.Prefix
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			address, errAddress := netip.ParseAddr(text)
			if errAddress != nil {
				return nil, fmt.Errorf("ASSAY_TRUSTED_PROXIES: %q is neither an address nor a range", text)
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		proxies = append(proxies, prefix)
	}
	return proxies, nil
}

// migrateBoth brings both stores to the schema of this program.
func migrateBoth(ctx context.Context, postgresOwner, clickhouseURL string) error {
	if err := postgres.Migrate(ctx, postgresOwner); err != nil {
		return err
	}
	conn, err := clickhouse.Open(ctx, clickhouseURL)
	if err != nil {
		return err
	}
	defer conn.Close()
	return clickhouse.Migrate(ctx, conn, databaseOf(clickhouseURL))
}

// patience is how long a clean stop may take.
const patience = 20 * time.Second

// dialectEngines says where the engines of SQL's dialects are found.
func dialectEngines() dialect.Config {
	return dialect.Config{ClickhouseLibrary: env("ASSAY_CHDB_LIBRARY"), DuckdbLibrary: env("ASSAY_DUCKDB_LIBRARY")}
}
