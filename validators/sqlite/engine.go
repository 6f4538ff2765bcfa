package sqlite

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/ext/serdes"

	"assay/validators/query"
)

// Limits of one job.
const (
	maxMemory   = 192 << 20
	maxImage    = 32 << 20
	keptImages  = 8
	queryTakes  = 2 * time.Second // unless the job says less
	schemaTakes = 5 * time.Second
)

// Version is the engine's, as a validator's version names it.
const Version = "3.53.4"

// database is one connection with nothing on disk.
type database struct {
	conn   *sqlite3.Conn
	takes  time.Duration
	schema query.Schema
	broken bool
	denied string   // what the authorizer refused last
	random bool     // a function whose value is another each time
	reads  []string // tables, in order of first use
}

func open() (*database, error) {
	ctx := sqlite3.WithMaxMemory(context.Background(), maxMemory)
	conn, err := sqlite3.OpenContext(ctx, ":memory:")
	if err != nil {
		return nil, err
	}
	d := &database{conn: conn, takes: queryTakes}
	for category, value := range map[sqlite3.LimitCategory]int{
		sqlite3.LIMIT_LENGTH: query.MaxResult, sqlite3.LIMIT_SQL_LENGTH: maxImage, sqlite3.LIMIT_ATTACHED: 0,
		sqlite3.LIMIT_COLUMN: 500, sqlite3.LIMIT_EXPR_DEPTH: 400, sqlite3.LIMIT_COMPOUND_SELECT: 100, sqlite3.LIMIT_VDBE_OP: 200_000,
		sqlite3.LIMIT_FUNCTION_ARG: 100, sqlite3.LIMIT_LIKE_PATTERN_LENGTH: 1_000, sqlite3.LIMIT_TRIGGER_DEPTH: 10, sqlite3.LIMIT_WORKER_THREADS: 0,
	} {
		conn.Limit(category, value)
	}
	for _, option := range []sqlite3.DBConfig{sqlite3.DBCONFIG_DEFENSIVE, sqlite3.DBCONFIG_DQS_DML, sqlite3.DBCONFIG_DQS_DDL} {
		if _, err := conn.Config(option, true); err != nil {
			conn.Close()
			return nil, err
		}
	}
	if err := conn.Exec(`PRAGMA temp_store = memory; PRAGMA foreign_keys = off; PRAGMA trusted_schema = off; PRAGMA cell_size_check = on`); err != nil {
		conn.Close()
		return nil, err
	}
	return d, nil
}

// errBroken is an engine that ended amid its work; it does so for want of
// memory alone.
var errBroken = errors.New("out of memory")

// close gives the engine's memory back.
func (d *database) close() {
	if !d.broken {
		d.conn.Close()
	}
}

// within runs act with a limit of time; the engine is interrupted at its end.
// An engine that ran out of memory amid its work panics, and is of no use after.
func (d *database) within(ctx context.Context, limit time.Duration, act func() error) (err error) {
	if d.broken {
		return errBroken
	}
	defer func() {
		if what := recover(); what != nil {
			d.broken, err = true, errBroken
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	before := d.conn.SetInterrupt(ctx)
	defer d.conn.SetInterrupt(before)
	return act()
}

// build lets a schema define and fill tables, and nothing that reaches out or
// rewrites the schema itself.
func (d *database) build(action sqlite3.AuthorizerActionCode, name, argument, _, _ string) sqlite3.AuthorizerReturnCode {
	switch action {
	case sqlite3.AUTH_ATTACH, sqlite3.AUTH_DETACH, sqlite3.AUTH_CREATE_VTABLE, sqlite3.AUTH_DROP_VTABLE:
		d.denied = "attaching a file or making a virtual table"
		return sqlite3.AUTH_DENY
	case sqlite3.AUTH_PRAGMA:
		if strings.EqualFold(name, "foreign_keys") || strings.EqualFold(name, "encoding") {
			return sqlite3.AUTH_OK
		}
		return sqlite3.AUTH_IGNORE
	case sqlite3.AUTH_FUNCTION:
		return d.function(argument)
	}
	return sqlite3.AUTH_OK
}

// read lets a statement read, and notes what it reads.
func (d *database) read(action sqlite3.AuthorizerActionCode, name, argument, _, _ string) sqlite3.AuthorizerReturnCode {
	switch action {
	case sqlite3.AUTH_SELECT, sqlite3.AUTH_RECURSIVE:
		return sqlite3.AUTH_OK
	case sqlite3.AUTH_READ:
		for _, table := range d.reads {
			if table == name {
				return sqlite3.AUTH_OK
			}
		}
		if len(d.reads) < 50 && name != "" {
			d.reads = append(d.reads, name)
		}
		return sqlite3.AUTH_OK
	case sqlite3.AUTH_FUNCTION:
		return d.function(argument)
	case sqlite3.AUTH_PRAGMA:
		d.denied = "PRAGMA"
	case sqlite3.AUTH_ATTACH, sqlite3.AUTH_DETACH:
		d.denied = "ATTACH"
	case sqlite3.AUTH_TRANSACTION, sqlite3.AUTH_SAVEPOINT:
		d.denied = "a transaction"
	default:
		d.denied = "a change of the data or of the schema"
	}
	return sqlite3.AUTH_DENY
}

func (d *database) function(name string) sqlite3.AuthorizerReturnCode {
	switch strings.ToLower(name) {
	case "load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "sqlite_compileoption_get", "sqlite_compileoption_used":
		d.denied = "the function " + name
		return sqlite3.AUTH_DENY
	case "random", "randomblob":
		d.random = true
	}
	return sqlite3.AUTH_OK
}

// images are databases built from schemas this child has seen.
type images struct {
	bytes map[[32]byte][]byte
	order [][32]byte
}

func (i *images) keep(key [32]byte, image []byte) {
	if len(i.order) == keptImages {
		delete(i.bytes, i.order[0])
		i.order = i.order[1:]
	}
	i.bytes[key], i.order = image, append(i.order, key)
}

// fresh returns a new database with the schema's tables in it.
func (i *images) fresh(ctx context.Context, schema string) (*database, error) {
	d, err := open()
	if err != nil {
		return nil, err
	}
	if err := i.fill(ctx, d, schema); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (i *images) fill(ctx context.Context, d *database, schema string) error {
	if strings.TrimSpace(schema) == "" {
		return nil
	}
	key := sha256.Sum256([]byte(schema))
	if image, ok := i.bytes[key]; ok {
		return serdes.Deserialize(d.conn, "main", image)
	}
	if err := d.conn.SetAuthorizer(d.build); err != nil {
		return err
	}
	err := d.within(ctx, schemaTakes, func() error { return d.conn.Exec(schema) })
	if err != nil {
		return schemaError{err, d.denied}
	}
	if err := d.conn.SetAuthorizer(nil); err != nil {
		return err
	}
	image, err := serdes.Serialize(d.conn, "main")
	if err == nil && len(image) <= maxImage {
		i.keep(key, image)
	}
	return nil // a schema that cannot be kept is built again
}

// schemaError is a schema that does not build: the input's fault.
type schemaError struct {
	error
	denied string
}

func (e schemaError) Unwrap() error { return e.error }

// tables reads what there is.
func (d *database) tables() (query.Schema, error) {
	schema := query.Schema{}
	stmt, _, err := d.conn.Prepare(`
		SELECT m.name, i.name
		FROM sqlite_schema m, pragma_table_xinfo(m.name) i
		WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'
		ORDER BY m.name, i.cid`)
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	for stmt.Step() {
		table := stmt.ColumnText(0)
		schema[table] = append(schema[table], stmt.ColumnText(1))
	}
	return schema, stmt.Err()
}

// Why a statement was not run to its end.
var (
	errTooManyRows = errors.New("too many rows")
	errNothing     = errors.New("no statement")
	errSeveral     = errors.New("more than one statement")
)

// one prepares a statement that stands alone.
func (d *database) one(sql string) (*sqlite3.Stmt, error) {
	d.denied, d.random, d.reads = "", false, nil
	stmt, rest, err := d.conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return nil, errNothing
	}
	for _, t := range query.Tokens(rest) {
		if !t.Is(";") {
			stmt.Close()
			return nil, errSeveral
		}
	}
	return stmt, nil
}

// rows runs a statement within its limits.
func (d *database) rows(ctx context.Context, sql string) (query.Result, error) {
	var r query.Result
	err := d.within(ctx, d.takes, func() error {
		stmt, err := d.one(sql)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for i := range stmt.ColumnCount() {
			r.Columns = append(r.Columns, stmt.ColumnName(i))
		}
		size := 0
		for stmt.Step() {
			if len(r.Rows) == query.MaxRows || size > query.MaxResult {
				return errTooManyRows
			}
			row := make([]any, len(r.Columns))
			for i := range row {
				row[i] = cell(stmt, i)
				size += 16
				if text, ok := row[i].(string); ok {
					size += len(text)
				}
			}
			r.Rows = append(r.Rows, row)
		}
		return stmt.Err()
	})
	return r, err
}

func cell(stmt *sqlite3.Stmt, i int) any {
	switch stmt.ColumnType(i) {
	case sqlite3.INTEGER:
		return stmt.ColumnInt64(i)
	case sqlite3.FLOAT:
		return stmt.ColumnFloat(i)
	case sqlite3.TEXT:
		return stmt.ColumnText(i)
	case sqlite3.BLOB:
		return stmt.ColumnBlob(i, nil)
	}
	return nil
}

// backwards makes tables be read from their ends, where the order is not told.
func (d *database) backwards(on bool) error {
	if err := d.conn.SetAuthorizer(nil); err != nil {
		return err
	}
	if err := d.conn.Exec(fmt.Sprintf(`PRAGMA reverse_unordered_selects = %t`, on)); err != nil {
		return err
	}
	return d.conn.SetAuthorizer(d.read)
}
