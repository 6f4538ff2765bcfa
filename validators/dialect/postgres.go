package dialect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"assay/internal/embedded"
	"assay/validators/query"
)

// postgres is a cluster of the validators' own: a throw-away server on a private
// socket whose processes may take so much memory and no more. A job has a
// database copied from one that its schema was built in, and belongs to a role
// that owns nothing else.
//
// Settings do not hold a statement back, since it may change most of them. What
// holds is: one statement through the extended protocol, functions by an
// allow-list, a transaction that only reads, and a clock on this side that ends
// the backend.
type postgres struct {
	cluster   *embedded.Postgres
	dir       string
	owner     *pgx.Conn
	functions map[string]bool   // by name: whether it may be called
	names     []string          // those that may
	major     int               // of the server's version
	built     map[string]string // by schema: its database
	count     int
}

// mostBuilt is how many schemas stay built.
const mostBuilt = 4

func startPostgres(ctx context.Context) (_ server, err error) {
	dir, err := os.MkdirTemp("", "assay-check-")
	if err != nil {
		return nil, err
	}
	p := &postgres{dir: dir, functions: map[string]bool{}, built: map[string]string{}}
	defer func() {
		if err != nil {
			p.stop()
		}
	}()
	if err := os.Chmod(dir, 0o755); err != nil { // the server may run as another user, in folders of its own
		return nil, err
	}
	if p.cluster, err = embedded.StartPostgres(ctx, embedded.PostgresConfig{Dir: dir, Throwaway: true, MaxClients: 8, Memory: memory}); err != nil {
		return nil, err
	}
	if p.owner, err = pgx.Connect(ctx, p.cluster.DatabaseURL("postgres", true)); err != nil {
		return nil, err
	}
	return p, p.prepare(ctx)
}

// prepare takes from the job's role what everybody has, and learns which
// functions there are.
func (p *postgres) prepare(ctx context.Context) error {
	for _, statement := range []string{
		`REVOKE ALL ON DATABASE postgres, assay, template1 FROM PUBLIC`,
		`ALTER ROLE assay_app SET work_mem = '16MB'`, `ALTER ROLE assay_app SET temp_file_limit = '128MB'`, `ALTER ROLE assay_app SET jit = off`,
		`ALTER ROLE assay_app SET max_parallel_workers_per_gather = 0`, `ALTER ROLE assay_app CONNECTION LIMIT 6`,
	} {
		if _, err := p.owner.Exec(ctx, statement); err != nil {
			return fmt.Errorf("prepare the PostgreSQL of the validators: %w", err)
		}
	}
	if err := p.owner.QueryRow(ctx, `SELECT current_setting('server_version_num')::int / 10000`).Scan(&p.major); err != nil {
		return fmt.Errorf("ask the PostgreSQL of the validators for its version: %w", err)
	}
	rows, _ := p.owner.Query(ctx, `
		SELECT proname, bool_and(provolatile = 'i' AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'internal')
		                         OR prokind IN ('a', 'w') OR proname = ANY($1))
		                AND proname !~ '^(pg_|lo_|binary_|inet_|txid_|has_|ts_|xml|query_to|table_to|schema_to|database_to|cursor_to|set_|current_setting)'
		FROM pg_proc
		GROUP BY proname`, stableFunctions)
	var name string
	var may bool
	_, err := pgx.ForEachRow(rows, []any{&name, &may}, func() error {
		p.functions[name] = may
		if may {
			p.names = append(p.names, name)
		}
		return nil
	})
	return err
}

// stableFunctions depend on the moment or the zone, or are written in SQL, and
// do no harm.
var stableFunctions = []string{"now", "age", "date_part", "date_trunc", "extract", "to_char", "to_date", "to_timestamp", "to_number", "to_json", "to_jsonb", "row_to_json",
	"array_to_json", "json_build_object", "json_build_array", "jsonb_build_object", "jsonb_build_array", "concat", "concat_ws", "format", "timezone", "make_timestamptz",
	"quote_literal", "array_to_string", "string_to_array", "generate_series", "unnest", "random", "clock_timestamp", "statement_timestamp", "transaction_timestamp",
	"gen_random_uuid", "lpad", "rpad", "round", "date", "time", "timestamp", "timestamptz", "interval", "text", "length", "substring", "overlaps", "regexp_match", "jsonb_path_query",
	"justify_interval", "trunc", "log", "ln", "char_length", "octet_length", "position", "generate_subscripts", "date_bin", "coalesce"}

var volatileFunctions = map[string]bool{"random": true, "clock_timestamp": true, "gen_random_uuid": true, "timeofday": true, "random_normal": true}

func (p *postgres) stop() {
	ended, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if p.owner != nil {
		p.owner.Close(ended)
	}
	if p.cluster != nil {
		p.cluster.Stop(ended)
	}
	os.RemoveAll(p.dir)
}

func (p *postgres) open(ctx context.Context, box Sandbox, job query.Job) (database, error) {
	name, err := p.database(ctx, job.Schema)
	if err != nil {
		return nil, err
	}
	db := &postgresTables{server: p, box: box, name: name, takes: queryTakes}
	if takes := time.Duration(job.TakesMS) * time.Millisecond; takes > 0 && takes < db.takes {
		db.takes = takes
	}
	if err := db.connect(ctx); err != nil {
		db.close()
		return nil, err
	}
	return db, nil
}

// database is the one a schema was built in.
func (p *postgres) database(ctx context.Context, schema string) (string, error) {
	if name := p.built[schema]; name != "" {
		return name, nil
	}
	if len(p.built) == mostBuilt {
		for schema, name := range p.built {
			p.drop(ctx, name)
			delete(p.built, schema)
		}
	}
	p.count++
	name := fmt.Sprintf("schema_%d", p.count)
	if _, err := p.owner.Exec(ctx, fmt.Sprintf(`CREATE DATABASE %s TEMPLATE template0 OWNER assay_app`, name)); err != nil {
		return "", fmt.Errorf("make a database for a schema: %w", err)
	}
	if err := p.build(ctx, name, schema); err != nil {
		p.drop(context.WithoutCancel(ctx), name)
		return "", err
	}
	p.built[schema] = name
	return name, nil
}

// build runs a script as the job's role.
func (p *postgres) build(ctx context.Context, name, schema string) error {
	limited, cancel := context.WithTimeout(ctx, schemaTakes)
	defer cancel()
	conn, err := pgx.Connect(limited, p.cluster.DatabaseURL(name, false))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if strings.TrimSpace(schema) == "" {
		return nil
	}
	_, err = conn.PgConn().Exec(limited, schema).ReadAll()
	var said *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &said):
		return &query.Refusal{Kind: query.ReasonSchema, Words: clipped(said.Message)}
	case limited.Err() != nil:
		return &query.Refusal{Kind: query.ReasonTime, Words: "it was not done after " + schemaTakes.String()}
	}
	return &query.Refusal{Kind: query.ReasonSchema, Words: "the engine ended with it"}
}

// drop ends whoever is connected and drops the database.
func (p *postgres) drop(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, schemaTakes)
	defer cancel()
	_, err := p.owner.Exec(ctx, fmt.Sprintf(`DROP DATABASE IF EXISTS %s WITH (FORCE)`, name))
	return err
}

// postgresTables is one job's session.
type postgresTables struct {
	server *postgres
	box    Sandbox // where statements are read
	name   string
	conn   *pgx.Conn
	schema query.Schema
	takes  time.Duration
}

func (d *postgresTables) Tables() query.Schema { return d.schema }
func (d *postgresTables) Functions() []string  { return d.server.names }

func (d *postgresTables) connect(ctx context.Context) error {
	var err error
	for try := 0; ; try++ {
		if d.conn, err = pgx.Connect(ctx, d.server.cluster.DatabaseURL(d.name, false)); err == nil {
			break
		}
		var said *pgconn.PgError
		if try == 20 || !errors.As(err, &said) || said.Code != "53300" {
			return fmt.Errorf("open a session: %w", err)
		}
		time.Sleep(50 * time.Millisecond) // sessions before are still leaving
	}
	if d.schema != nil {
		return nil
	}
	d.schema = query.Schema{}
	rows, _ := d.conn.Query(ctx, `
		SELECT table_name::text, column_name::text FROM information_schema.columns
		WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
		ORDER BY table_name, ordinal_position`)
	var table, column string
	_, err = pgx.ForEachRow(rows, []any{&table, &column}, func() error {
		d.schema[table] = append(d.schema[table], column)
		return nil
	})
	return err
}

// close ends the job's session, and with it all that a statement could leave.
func (d *postgresTables) close() bool {
	ctx, cancel := context.WithTimeout(context.Background(), schemaTakes)
	defer cancel()
	return d.conn != nil && d.conn.Close(ctx) != nil
}

func (d *postgresTables) Expect(ctx context.Context, gold string) (query.Expectation, error) {
	return query.Expect(ctx, d, gold)
}

func (d *postgresTables) Run(ctx context.Context, sql string) (query.Answer, error) {
	var answer query.Answer
	tree, err := readInside(ctx, d.box, sql)
	if err != nil {
		return answer, err
	}
	random, refusal := d.allowed(sql, tree)
	if refusal != nil {
		return answer, refusal
	}
	answer.Random = random
	if d.conn.IsClosed() { // a statement before was ended from here
		if err := d.connect(ctx); err != nil {
			return answer, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, d.takes)
	defer cancel()
	result, err := d.rows(limited, sql)
	answer.Result = result
	var refused *query.Refusal
	var said *pgconn.PgError
	switch {
	case err == nil:
		return answer, nil
	case errors.As(err, &refused):
		return answer, refused
	case ctx.Err() != nil:
		return answer, ctx.Err()
	case limited.Err() != nil:
		d.end(ctx)
		return answer, &query.Refusal{Kind: query.ReasonTime, Words: d.takes.String()}
	case errors.As(err, &said):
		return answer, postgresRefusal(said, sql, d.takes)
	}
	// The backend is gone, and the statement took it along.
	d.conn.Close(ctx)
	return answer, &query.Refusal{Kind: query.ReasonMemory, Words: "it ended with the statement"}
}

// end terminates what still runs in the job's database.
func (d *postgresTables) end(ctx context.Context) {
	d.conn.Close(context.WithoutCancel(ctx))
	// What does not end at once ends with the statement's memory or the server.
	_, _ = d.server.owner.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, d.name)
}

// rows runs a statement in a transaction that only reads and is never
// committed.
func (d *postgresTables) rows(ctx context.Context, sql string) (query.Result, error) {
	var r query.Result
	tx, err := d.conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return r, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	rows, err := tx.Query(ctx, sql, pgx.QueryExecModeDescribeExec, pgx.QueryResultFormats{pgx.TextFormatCode})
	if err != nil {
		return r, err
	}
	defer rows.Close()
	for _, f := range rows.FieldDescriptions() {
		r.Columns = append(r.Columns, f.Name)
	}
	size := 0
	for rows.Next() {
		raw := rows.RawValues()
		row := make([]any, len(raw))
		for i, text := range raw {
			row[i] = postgresCell(text, rows.FieldDescriptions()[i].DataTypeOID)
			size += 16 + len(text)
		}
		r.Rows = append(r.Rows, row)
		if len(r.Rows) > query.MaxRows || size > query.MaxResult {
			d.conn.Close(ctx) // nobody reads the rest
			return r, &query.Refusal{Kind: query.ReasonRows, Part: r}
		}
	}
	return r, rows.Err()
}

func postgresCell(text []byte, oid uint32) any {
	if text == nil {
		return nil
	}
	s := string(text)
	switch oid {
	case pgtype.BoolOID:
		return s == "t"
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID, pgtype.NumericOID, pgtype.Float4OID, pgtype.Float8OID:
		if whole, err := strconv.ParseInt(s, 10, 64); err == nil {
			return whole
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	}
	return s
}

var (
	postgresColumn    = regexp.MustCompile(`^column "?([^"]+?)"? (?:does not exist|of relation)`)
	postgresTable     = regexp.MustCompile(`^(?:relation|missing FROM-clause entry for table|invalid reference to FROM-clause entry for table) "([^"]+)"`)
	postgresFunction  = regexp.MustCompile(`^function ([^(]+)\(`)
	postgresAmbiguous = regexp.MustCompile(`^column reference "([^"]+)" is ambiguous`)
)

// postgresRefusal reads an error by its SQLSTATE.
func postgresRefusal(said *pgconn.PgError, sql string, takes time.Duration) *query.Refusal {
	r := &query.Refusal{Kind: query.ReasonRefused, Words: clipped(said.Message)}
	if at := int(said.Position); at > 1 { // characters, from 1
		for range at - 1 {
			_, size := utf8.DecodeRuneInString(sql[min(r.Start, len(sql)):])
			r.Start += size
		}
	}
	named := func(kind string, words *regexp.Regexp) {
		if m := words.FindStringSubmatch(said.Message); m != nil {
			r.Kind, r.Name = kind, m[1]
		}
	}
	class := said.Code[:min(2, len(said.Code))]
	switch {
	case said.Code == "42703":
		named(query.FindColumn, postgresColumn)
	case said.Code == "42P01":
		named(query.FindTable, postgresTable)
	case said.Code == "42883":
		named(query.FindFunction, postgresFunction)
	case said.Code == "42702":
		named(query.FindAmbiguous, postgresAmbiguous)
	case said.Code == "42601" && strings.Contains(said.Message, "multiple commands"):
		r.Kind = query.FindStatements
	case strings.HasPrefix(said.Message, "memory exhausted"): // of the parser
		r.Kind = query.ReasonComplex
	case said.Code == "42601":
		r.Kind = query.FindSyntax
	case said.Code == "57014":
		r.Kind, r.Words = query.ReasonTime, takes.String()
	case class == "53", said.Code == "XX000":
		r.Kind = query.ReasonMemory
	case class == "54":
		r.Kind = query.ReasonComplex
	case said.Code == "25006", said.Code == "42501":
		r.Kind, r.Words = query.ReasonNoQuery, "what it may not have ("+clipped(said.Message)+")"
	case class == "22" && strings.Contains(said.Message, "length"):
		r.Kind = query.ReasonLarge
	}
	return r
}

var postgresCanaries = append(append([]canary(nil), commonCanaries...),
	canary{"a file", `SELECT pg_read_file('/etc/passwd')`, `[["x"]]`, "inconclusive"},
	canary{"a change within", `WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM gone`, `[[3]]`, "fail"},
	canary{"nothing was changed", `SELECT count(*) FROM orders`, `[[3]]`, "pass"},
)
