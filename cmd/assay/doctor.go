package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/internal/clickhouse"
	"assay/internal/embedded"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/redact"
	"assay/static"
	"assay/validators"
	"assay/validators/dialect"
)

var doctorCommand = command{
	name: "doctor", summary: "check engines, clocks, keys and schemas, and name the fix for each failure",
	run: func(ctx context.Context, args []string) error {
		if len(args) > 0 {
			return usageError("doctor takes no arguments")
		}
		sick := 0
		for _, exam := range exams() {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			finding, err := exam.look(ctx)
			cancel()
			if err != nil {
				sick++
				fmt.Printf("no   %-12s %s\n", exam.name, cmp.Or(fault.Words(err), err.Error()))
				continue
			}
			fmt.Printf("yes  %-12s %s\n", exam.name, finding)
		}
		if sick > 0 {
			return errNo
		}
		return nil
	},
}

// exam looks at one part and says how it is, or what would mend it.
type exam struct {
	name string
	look func(ctx context.Context) (string, error)
}

func exams() []exam {
	return []exam{
		{"assets", func(context.Context) (string, error) { return "styles, scripts and fonts are built in", static.Ready() }},
		{"engine", func(context.Context) (string, error) {
			path, err := embedded.FindClickhouse(env("ASSAY_CHDB_LIBRARY"))
			return "embedded ClickHouse at " + path, err
		}},
		{"postgresql", lookAtPostgres},
		{"clickhouse", lookAtClickhouse},
		{"sandbox", lookAtSandbox},
		{"dialects", lookAtDialects},
		{"languages", lookAtLanguages},
		{"audit", lookAtAudit},
		{"redaction", func(context.Context) (string, error) {
			return "text is redacted by the policy " + redact.Assay(nil).Name() + "; names of people and street addresses are not promised", nil
		}},
	}
}

func lookAtPostgres(ctx context.Context) (string, error) {
	pool, err := database(ctx)
	if err != nil {
		return "", err
	}
	defer pool.Close()
	var version, role string
	var clock time.Time
	if err := pool.QueryRow(ctx, `SELECT current_setting('server_version'), current_user, now()`).Scan(&version, &role, &clock); err != nil {
		return "", err
	}
	if skew := time.Since(clock); skew.Abs() > 5*time.Second {
		return "", fmt.Errorf("its clock is %s from ours; set both by NTP", skew.Round(time.Second))
	}
	waiting, err := waitingMigrations(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("PostgreSQL %s as %s%s", version, role, waiting), nil
}

// waitingMigrations speaks of migrations only where the owner's address is
// known.
func waitingMigrations(ctx context.Context) (string, error) {
	owner := env("ASSAY_MIGRATE_DATABASE_URL")
	if owner == "" {
		return "", nil
	}
	list, err := postgres.Status(ctx, owner)
	if err != nil {
		return "", err
	}
	for _, m := range list {
		if m.AppliedAt.IsZero() {
			return "", fmt.Errorf("migration %s waits; run assay migrate", m.Name)
		}
	}
	return fmt.Sprintf(", all %d migrations have run", len(list)), nil
}

func lookAtClickhouse(ctx context.Context) (string, error) {
	address := env("ASSAY_CLICKHOUSE_URL")
	if address == "" {
		r, err := readRuntime()
		if err != nil {
			return "", err
		}
		address = r.Clickhouse
	}
	conn, err := clickhouse.Open(ctx, address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	var version string
	if err := conn.QueryRow(ctx, `SELECT version()`).Scan(&version); err != nil {
		return "", err
	}
	return "ClickHouse " + version, nil
}

// lookAtSandbox tries to get out of it.
func lookAtSandbox(ctx context.Context) (string, error) {
	set, children := validators.OpenStrong(dialectEngines(), env("ASSAY_STRONG_TIER") == "on")
	defer children.Close()
	found, err := set.Capabilities(ctx)
	if err != nil {
		return "", err
	}
	if len(found.Broken) > 0 {
		return "", errors.New(found.Words() + ". No verdict is written until it holds.")
	}
	return found.Words(), nil
}

// lookAtLanguages says in which languages programs can be judged here, and why
// not in the others.
func lookAtLanguages(context.Context) (string, error) {
	var can, cannot []string
	for name, why := range validators.Languages() {
		if why == "" {
			can = append(can, name)
		} else {
			cannot = append(cannot, name+": "+why)
		}
	}
	slices.Sort(can)
	slices.Sort(cannot)
	words := "programs are judged in " + strings.Join(can, ", ")
	if len(cannot) > 0 {
		words += "; not in " + strings.Join(cannot, " ")
	}
	return words, nil
}

func lookAtAudit(ctx context.Context) (string, error) {
	log, end, err := openAudit(ctx)
	if err != nil {
		return "", err
	}
	defer end()
	status, err := log.Status(ctx)
	if err != nil {
		return "", err
	}
	if status.Oldest > 10*time.Minute {
		return "", fmt.Errorf("an entry has waited %s for its place in the tree; is assay work running?", status.Oldest.Round(time.Second))
	}
	return fmt.Sprintf("%d entries in the tree, %d waiting for their place", status.Leaves, status.Waiting), nil
}

// lookAtDialects says which dialects of SQL run here and what holds each engine
// back. One that is missing is no illness: its statements are inconclusive.
func lookAtDialects(context.Context) (string, error) {
	engines := dialect.Open(dialectEngines())
	defer engines.Close()
	words := []string{"SQLite (the sandbox)"}
	for _, e := range engines.States() {
		if e.Missing != "" {
			words = append(words, "no "+e.Engine+": "+strings.TrimSuffix(e.Missing, "."))
			continue
		}
		words = append(words, e.Engine+" ("+e.Held+")")
	}
	return strings.Join(words, "; "), nil
}
