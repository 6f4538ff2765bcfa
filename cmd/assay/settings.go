package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"assay/internal/fault"
)

// setting is one name of the environment. Secrets may also come from the file
// named by NAME_FILE.
type setting struct {
	name     string
	fallback string
	secret   bool
	meaning  string
}

// settings lists every name the program reads; nothing else in the product
// looks at the environment.
var settings = []setting{
	{name: "ASSAY_DATABASE_URL", secret: true, meaning: "PostgreSQL, as the program's restricted role (serve, work)"},
	{name: "ASSAY_MIGRATE_DATABASE_URL", secret: true, meaning: "PostgreSQL, as the owner of the schema (migrate)"},
	{name: "ASSAY_CLICKHOUSE_URL", secret: true, meaning: "ClickHouse over HTTP, e.g. http://user:password@host:8123/assay"},
	{name: "ASSAY_CHDB_LIBRARY", meaning: "path of libchdb.so for the embedded engine, when it is not in node_modules"},
	{name: "ASSAY_STRONG_TIER", meaning: "on lets scripts under test run commands of this machine, in namespaces made by bubblewrap"},
	{name: "ASSAY_DUCKDB_LIBRARY", meaning: "path of libduckdb.so for statements in DuckDB, when it is not in node_modules"},
	{name: "ASSAY_JUDGE_URL", meaning: "chat completions of a language model that judges answers; empty: none does"},
	{name: "ASSAY_JUDGE_MODEL", meaning: "its model"},
	{name: "ASSAY_JUDGE_KEY", secret: true, meaning: "the bearer token it wants"},
	{name: "ASSAY_JUDGE_PROMPT", meaning: "file with what it is to judge by; empty: whether an answer rests on its context"},
	{name: "ASSAY_JUDGE_ALLOW", meaning: "host of the judge when it is at a private address"},
	{name: "ASSAY_JUDGE_PRICES", meaning: "price of a million tokens in and out, as 2.5,10"},
	{name: "ASSAY_DATA", fallback: ".assay", meaning: "data directory of assay up, and where the other commands look for a running one"},
	{name: "ASSAY_ADDR", fallback: "127.0.0.1:8080", meaning: "where the web answers"},
	{name: "ASSAY_ADMIN_ADDR", fallback: "127.0.0.1:8081", meaning: "where /metrics answers; keep it closed to the outside"},
	{name: "ASSAY_PUBLIC_URL", meaning: "the address people type; http://ADDR when empty"},
	{name: "ASSAY_TRUSTED_PROXIES", meaning: "addresses or ranges whose X-Forwarded-For is believed, separated by commas"},
	{name: "ASSAY_KEYS", meaning: "directory of signing and sealing keys; DATA/keys when empty"},
	{name: "ASSAY_SERVER", meaning: "address of a running product, for load, labels, gate and key"},
	{name: "ASSAY_KEY", secret: true, meaning: "API key for those commands"},
}

// env reads a declared setting, or the file its NAME_FILE names, or its
// fallback. Reading an undeclared name is a mistake of ours.
func env(name string) string {
	for _, s := range settings {
		if s.name != name {
			continue
		}
		if path := os.Getenv(name + "_FILE"); s.secret && path != "" {
			text, err := os.ReadFile(path)
			if err == nil {
				return strings.TrimSpace(string(text))
			}
			fmt.Fprintf(os.Stderr, "assay: read %s_FILE: %v\n", name, err)
		}
		return cmp.Or(os.Getenv(name), s.fallback)
	}
	panic("undeclared setting " + name)
}

// need is env for what has no fallback.
func need(name string) (string, error) {
	if value := env(name); value != "" {
		return value, nil
	}
	return "", fault.Say(fault.Invalid, "%s is not set; assay help environment lists the settings.", name)
}

func printEnvironment(out io.Writer) {
	fmt.Fprintln(out, "Settings, read from the environment. A secret may stand in a file instead: NAME_FILE=path.")
	for _, s := range settings {
		note := ""
		if s.fallback != "" {
			note = " (" + s.fallback + ")"
		}
		if s.secret {
			note += ", secret"
		}
		fmt.Fprintf(out, "\n  %s%s\n      %s\n", s.name, note, s.meaning)
	}
}
