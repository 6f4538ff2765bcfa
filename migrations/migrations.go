// Package migrations carries the schema of both stores: numbered SQL files,
// forward only, each named for what becomes true when it has run.
package migrations

import "embed"

// Postgres holds postgres/NNNN_what_becomes_true.sql.
//
//go:embed all:postgres
var Postgres embed.FS

// Clickhouse holds clickhouse/NNNN_what_becomes_true.sql.
//
//go:embed all:clickhouse
var Clickhouse embed.FS
