package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"assay/internal/clickhouse"
	"assay/internal/postgres"
	"assay/static"
)

var serveCommand = command{
	name: "serve", usage: "", summary: "the web alone, for production",
	detail: "Any number of them, against ASSAY_DATABASE_URL and ASSAY_CLICKHOUSE_URL. Schemas are brought up to date by assay migrate.",
	run: func(ctx context.Context, args []string) error {
		if len(args) > 0 {
			return usageError("serve takes no arguments; assay help environment lists its settings")
		}
		if err := static.Ready(); err != nil {
			return err
		}
		p, err := wireFromEnvironment(ctx)
		if err != nil {
			return err
		}
		defer p.close()
		d, ended, err := p.open(false, env("ASSAY_ADDR"), env("ASSAY_ADMIN_ADDR"), env("ASSAY_PUBLIC_URL"))
		if err != nil {
			return err
		}
		p.log.Info("serving", "address", d.public.Addr().String(), "admin", d.internal.Addr().String())
		select {
		case <-ctx.Done():
		case err := <-ended:
			return fmt.Errorf("the web stopped: %w", err)
		}
		stopping, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		d.close(stopping)
		return nil
	},
}

var workCommand = command{
	name: "work", usage: "", summary: "the workers alone, for production",
	detail: "Any number of them, against ASSAY_DATABASE_URL and ASSAY_CLICKHOUSE_URL.",
	run: func(ctx context.Context, args []string) error {
		if len(args) > 0 {
			return usageError("work takes no arguments; assay help environment lists its settings")
		}
		p, err := wireFromEnvironment(ctx)
		if err != nil {
			return err
		}
		defer p.close()
		stop, err := p.work(ctx)
		if err != nil {
			return err
		}
		p.log.Info("working")
		<-ctx.Done()
		stopping, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return stop(stopping)
	},
}

var migrateCommand = command{
	name: "migrate", usage: "[--status]", summary: "bring both stores and the job tables to the current schema",
	detail: "Uses ASSAY_MIGRATE_DATABASE_URL, the owner's, and ASSAY_CLICKHOUSE_URL. --status lists what has run and changes nothing.",
	run:    runMigrate,
}

func runMigrate(ctx context.Context, args []string) error {
	if len(args) > 1 || (len(args) == 1 && args[0] != "--status") {
		return usageError("migrate takes --status and nothing else")
	}
	owner, err := need("ASSAY_MIGRATE_DATABASE_URL")
	if err != nil {
		return err
	}
	engine, err := need("ASSAY_CLICKHOUSE_URL")
	if err != nil {
		return err
	}
	if len(args) == 0 {
		if err := migrateBoth(ctx, owner, engine); err != nil {
			return err
		}
		fmt.Println("both stores are at the current schema")
		return nil
	}
	return printStatus(ctx, owner, engine)
}

func printStatus(ctx context.Context, owner, engine string) error {
	waiting := 0
	show := func(store, name string, applied bool) {
		state := "done"
		if !applied {
			state = "waiting"
			waiting++
		}
		fmt.Printf("%-8s %-11s %s\n", state, store, name)
	}
	list, err := postgres.Status(ctx, owner)
	if err != nil {
		return err
	}
	for _, m := range list {
		show("postgres", m.Name, !m.AppliedAt.IsZero())
	}
	conn, err := clickhouse.Open(ctx, engine)
	if err != nil {
		return err
	}
	defer conn.Close()
	events, err := clickhouse.Status(ctx, conn, databaseOf(engine))
	if err != nil {
		return err
	}
	for _, m := range events {
		show("clickhouse", m.Name, !m.AppliedAt.IsZero())
	}
	if waiting > 0 {
		fmt.Printf("%d waiting; assay migrate runs them\n", waiting)
		return errNo
	}
	return nil
}

// databaseOf is the database a ClickHouse address names, "assay" by default.
func databaseOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "assay"
	}
	if name := strings.Trim(u.Path, "/"); name != "" {
		return name
	}
	if name := u.Query().Get("database"); name != "" {
		return name
	}
	return "assay"
}

func wireFromEnvironment(ctx context.Context) (*product, error) {
	database, err := need("ASSAY_DATABASE_URL")
	if err != nil {
		return nil, err
	}
	engine, err := need("ASSAY_CLICKHOUSE_URL")
	if err != nil {
		return nil, err
	}
	keys := env("ASSAY_KEYS")
	if keys == "" {
		keys = filepath.Join(env("ASSAY_DATA"), "keys")
	}
	return wire(ctx, stores{database, engine, keys}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
}
