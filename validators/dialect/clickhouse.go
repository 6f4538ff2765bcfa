package dialect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"assay/internal/embedded"
	"assay/validators/query"
)

// ClickhouseVersion is the engine's, as a validator's version names it.
const ClickhouseVersion = "26.7.3"

// clickhouse is the embedded engine with a folder of its own. The engine's own
// lock-down keeps SQL from files, addresses and settings; statements that are
// judged come as GET, which it lets do nothing but read.
type clickhouse struct {
	engine  *embedded.Clickhouse
	dir     string
	address *url.URL
}

func startClickhouse(ctx context.Context, library string) (server, error) {
	dir, err := os.MkdirTemp("", "assay-check-")
	if err != nil {
		return nil, err
	}
	engine, err := embedded.StartClickhouse(ctx, embedded.ClickhouseConfig{Dir: dir, Library: library, Memory: memory})
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	address, err := url.Parse(engine.DSN())
	if err != nil {
		return nil, err
	}
	return &clickhouse{engine: engine, dir: dir, address: address}, nil
}

// stop kills the engine: it holds nothing that anybody needs.
func (c *clickhouse) stop() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	c.engine.Stop(ended)
	os.RemoveAll(c.dir)
}

// send sends a statement and returns the answer's body.
func (c *clickhouse) send(ctx context.Context, method, sql string, settings map[string]string) ([]byte, error) {
	values := url.Values{"database": {strings.TrimPrefix(c.address.Path, "/")}}
	for name, value := range settings {
		values.Set(name, value)
	}
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(sql)
	} else {
		values.Set("query", sql)
	}
	target := url.URL{Scheme: "http", Host: c.address.Host, Path: "/", RawQuery: values.Encode()}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), body)
	if err != nil {
		return nil, err
	}
	password, _ := c.address.User.Password()
	request.SetBasicAuth(c.address.User.Username(), password)
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 2*query.MaxResult))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, clickhouseError(string(text))
	}
	return text, nil
}

// clickhouseFault is an exception of the engine.
type clickhouseFault struct {
	code  int
	words string
}

func (f *clickhouseFault) Error() string { return f.words }

var clickhouseException = regexp.MustCompile(`(?s)^Code: (\d+)\. DB::(?:Exception|NetException): (.*?)(?: \(([A-Z_]+)\))?(?: \(version .*)?\s*$`)

func clickhouseError(text string) error {
	m := clickhouseException.FindStringSubmatch(text)
	if m == nil {
		return errors.New("the engine answered no exception")
	}
	code, _ := strconv.Atoi(m[1])
	return &clickhouseFault{code, strings.TrimRight(strings.TrimSpace(m[2]), ". ")}
}

func (c *clickhouse) open(ctx context.Context, _ Sandbox, job query.Job) (database, error) {
	db := &clickhouseTables{server: c, takes: queryTakes}
	if takes := time.Duration(job.TakesMS) * time.Millisecond; takes > 0 && takes < db.takes {
		db.takes = takes
	}
	ctx, cancel := context.WithTimeout(ctx, schemaTakes)
	defer cancel()
	settings := map[string]string{"default_table_engine": "Memory", "max_query_size": "33554432", "max_ast_elements": "10000000", "max_execution_time": "8", "max_memory_usage": "400000000"}
	schema := job.Schema
	if job.Portable {
		settings["data_type_default_nullable"] = "1"
		schema = doubleBackslashes(schema)
	}
	for _, statement := range splitClickhouse(schema) {
		if _, err := c.send(ctx, http.MethodPost, statement, settings); err != nil {
			db.close()
			return nil, schemaRefusal(ctx, err)
		}
	}
	rows, err := c.rows(ctx, `SELECT table, name FROM system.columns WHERE database = currentDatabase() ORDER BY table, position`, schemaTakes)
	if err != nil {
		return nil, err
	}
	db.schema = query.Schema{}
	for _, row := range rows.Rows {
		table, _ := row[0].(string)
		column, _ := row[1].(string)
		db.schema[table] = append(db.schema[table], column)
	}
	return db, nil
}

func schemaRefusal(ctx context.Context, err error) error {
	var f *clickhouseFault
	switch {
	case errors.As(err, &f):
		return &query.Refusal{Kind: query.ReasonSchema, Words: clipped(f.words)}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &query.Refusal{Kind: query.ReasonTime, Words: "it was not done after " + schemaTakes.String()}
	}
	return err
}

func clipped(words string) string {
	words, _, _ = strings.Cut(words, "\n")
	if runes := []rune(words); len(runes) > 300 {
		return string(runes[:300]) + "…"
	}
	return words
}

// rows reads a result with its types.
func (c *clickhouse) rows(ctx context.Context, sql string, takes time.Duration) (query.Result, error) {
	text, err := c.send(ctx, http.MethodGet, sql, map[string]string{
		"default_format": "JSONCompact", "max_execution_time": strconv.FormatFloat(takes.Seconds(), 'f', -1, 64), "timeout_overflow_mode": "throw",
		"max_result_rows": strconv.Itoa(query.MaxRows + 1), "result_overflow_mode": "throw", "max_result_bytes": strconv.Itoa(query.MaxResult),
		"max_memory_usage": "400000000", "max_threads": "2", "max_bytes_before_external_sort": "0", "max_bytes_before_external_group_by": "0",
		"output_format_json_quote_64bit_integers": "0", "output_format_json_quote_denormals": "1",
	})
	if err != nil {
		return query.Result{}, err
	}
	var answer struct {
		Meta []struct{ Name, Type string }
		Data [][]any
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&answer); err != nil {
		return query.Result{}, &clickhouseFault{-1, "it gave an answer that cannot be read"}
	}
	var r query.Result
	for _, m := range answer.Meta {
		r.Columns = append(r.Columns, m.Name)
	}
	for _, row := range answer.Data {
		for i, cell := range row {
			row[i] = clickhouseCell(cell)
		}
		r.Rows = append(r.Rows, row)
	}
	return r, nil
}

// clickhouseCell is a value as results are compared: whole numbers as such, what
// is neither text nor number as its JSON.
func clickhouseCell(cell any) any {
	switch v := cell.(type) {
	case nil, string, bool:
		return cell
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return whole
		}
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return f
		}
		return v.String() // wider than 64 bits
	}
	text, err := json.Marshal(cell)
	if err != nil {
		return nil
	}
	return string(text)
}

// clickhouseTables are the tables of one job.
type clickhouseTables struct {
	server *clickhouse
	schema query.Schema
	takes  time.Duration
	broken bool
}

func (d *clickhouseTables) Tables() query.Schema { return d.schema }

func (d *clickhouseTables) Functions() []string {
	return []string{"abs", "any", "argMax", "argMin", "arrayJoin", "avg", "avgIf", "coalesce", "concat", "count", "countIf", "dateDiff", "formatDateTime", "groupArray", "has",
		"if", "ifNull", "lag", "lead", "length", "lower", "max", "min", "multiIf", "now", "nullIf", "position", "quantile", "rank", "replaceAll", "round", "row_number", "splitByChar",
		"substring", "sum", "sumIf", "toDate", "toDateTime", "toFloat64", "toInt64", "toMonth", "toStartOfDay", "toStartOfMonth", "toStartOfWeek", "toString", "toYear", "today", "trim",
		"uniq", "uniqExact", "upper"}
}

func (d *clickhouseTables) Run(ctx context.Context, sql string) (query.Answer, error) {
	if r := query.Asks(sql); r != nil {
		return query.Answer{}, r
	}
	limited, cancel := context.WithTimeout(ctx, d.takes+grace)
	defer cancel()
	result, err := d.server.rows(limited, sql, d.takes)
	answer := query.Answer{Result: result, Random: usesRandom(sql)}
	switch f := (*clickhouseFault)(nil); {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return answer, ctx.Err()
	case errors.As(err, &f):
		return answer, clickhouseRefusal(f, d.takes)
	case limited.Err() != nil:
		d.broken = true
		return answer, &query.Refusal{Kind: query.ReasonTime, Words: d.takes.String()}
	default: // the engine is gone: the statement took it along
		d.broken = true
		return answer, &query.Refusal{Kind: query.ReasonEngine, Words: "it ended with the statement"}
	}
}

func (d *clickhouseTables) Expect(ctx context.Context, gold string) (query.Expectation, error) {
	return query.Expect(ctx, d, gold)
}

// close drops everything, so that the next job finds an empty database.
func (d *clickhouseTables) close() bool {
	if d.broken {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), schemaTakes)
	defer cancel()
	tables, err := d.server.rows(ctx, `SELECT name FROM system.tables WHERE database = currentDatabase()`, schemaTakes)
	if err != nil {
		return true
	}
	for _, row := range tables.Rows {
		name, _ := row[0].(string)
		quoted := "`" + strings.ReplaceAll(strings.ReplaceAll(name, `\`, `\\`), "`", "\\`") + "`"
		if _, err := d.server.send(ctx, http.MethodPost, "DROP TABLE IF EXISTS "+quoted+" SYNC", nil); err != nil {
			return true
		}
	}
	return false
}

var (
	clickhouseUnknownName     = regexp.MustCompile("^(?:Unknown expression(?: or function)? identifier|Unknown expression identifier|Missing columns:|Identifier) [`']([^`']+)[`']")
	clickhouseUnknownTable    = regexp.MustCompile("^(?:Unknown table expression identifier [`']([^`']+)[`']|Table ([^ ]+) does(?: not|n't) exist)")
	clickhouseUnknownFunction = regexp.MustCompile("^(?:Unknown function|Function with name) [`']?([A-Za-z0-9_]+)")
	clickhousePosition        = regexp.MustCompile(`failed at position (\d+)`)
)

// clickhouseRefusal reads an exception by its code.
func clickhouseRefusal(f *clickhouseFault, takes time.Duration) *query.Refusal {
	r := &query.Refusal{Kind: query.ReasonRefused, Words: clipped(f.words)}
	name := func(kind string, words *regexp.Regexp) {
		if m := words.FindStringSubmatch(f.words); m != nil {
			r.Kind, r.Name = kind, m[1]
			if len(m) > 2 && r.Name == "" {
				r.Name = m[2]
			}
			r.Name = strings.Trim(strings.TrimPrefix(r.Name, "assay."), "`'")
		}
	}
	switch f.code {
	case 47: // UNKNOWN_IDENTIFIER
		name(query.FindColumn, clickhouseUnknownName)
	case 60: // UNKNOWN_TABLE
		name(query.FindTable, clickhouseUnknownTable)
	case 46: // UNKNOWN_FUNCTION
		name(query.FindFunction, clickhouseUnknownFunction)
	case 62: // SYNTAX_ERROR
		r.Kind = query.FindSyntax
		if m := clickhousePosition.FindStringSubmatch(f.words); m != nil {
			if at, err := strconv.Atoi(m[1]); err == nil {
				r.Start = at - 1
			}
		}
	case 207: // AMBIGUOUS_IDENTIFIER
		r.Kind = query.FindAmbiguous
	case 159, 394: // TIMEOUT_EXCEEDED, QUERY_WAS_CANCELLED
		r.Kind, r.Words = query.ReasonTime, takes.String()
	case 241: // MEMORY_LIMIT_EXCEEDED
		r.Kind = query.ReasonMemory
	case 396: // TOO_MANY_ROWS_OR_BYTES
		r.Kind = query.ReasonRows
		r.Part.Rows = make([][]any, query.MaxRows)
	case 131, 128, 173, 190: // TOO_LARGE_STRING_SIZE, TOO_LARGE_ARRAY_SIZE, CANNOT_ALLOCATE_MEMORY
		r.Kind = query.ReasonLarge
	case 167, 168, 306, 1001, 174: // TOO_DEEP_AST, TOO_BIG_AST, TOO_DEEP_RECURSION, STD_EXCEPTION
		r.Kind = query.ReasonComplex
	case 164, 497, 516, 291: // READONLY, ACCESS_DENIED
		r.Kind, r.Words = query.ReasonNoQuery, "what only a change or another source would give"
	case -1:
		r.Kind = query.ReasonEngine
	}
	return r
}

// usesRandom reports whether a statement calls what has another value each
// time.
func usesRandom(sql string) bool {
	tokens := query.Tokens(sql)
	for i, t := range tokens {
		if i+1 < len(tokens) && tokens[i+1].Is("(") && (strings.HasPrefix(strings.ToLower(t.Text), "rand") || strings.HasPrefix(strings.ToLower(t.Text), "generate")) {
			return true
		}
	}
	return false
}

// doubleBackslashes writes the texts of a portable script so that ClickHouse
// reads them as others do.
func doubleBackslashes(script string) string {
	var b strings.Builder
	at := 0
	for _, t := range query.Tokens(script) {
		if t.Kind == query.Text {
			b.WriteString(script[at:t.Start])
			b.WriteString(strings.ReplaceAll(t.Text, `\`, `\\`))
			at = t.End
		}
	}
	b.WriteString(script[at:])
	return b.String()
}

// splitClickhouse cuts a script at its semicolons. A backslash escapes in a
// quoted text or name.
func splitClickhouse(script string) []string {
	var statements []string
	from := 0
	end := func(to int) {
		if text := strings.TrimSpace(script[from:to]); len(query.Tokens(text)) > 0 {
			statements = append(statements, text)
		}
		from = to + 1
	}
	for i := 0; i < len(script); i++ {
		switch c := script[i]; {
		case c == ';':
			end(i)
		case c == '\'' || c == '"' || c == '`':
			for i++; i < len(script) && script[i] != c; i++ {
				if script[i] == '\\' {
					i++
				}
			}
		case c == '-' && strings.HasPrefix(script[i:], "--"), c == '#' && strings.HasPrefix(script[i:], "# "):
			for i < len(script) && script[i] != '\n' {
				i++
			}
		case c == '/' && strings.HasPrefix(script[i:], "/*"):
			if to := strings.Index(script[i+2:], "*/"); to >= 0 {
				i += to + 3
			}
		}
	}
	if from < len(script) {
		end(len(script))
	}
	return statements
}

var clickhouseCanaries = append(append([]canary(nil), commonCanaries...),
	canary{"a file", `SELECT * FROM file('/etc/passwd', 'LineAsString')`, `[["x"]]`, "fail"},
	canary{"an address", `SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString', 'x String')`, `[["x"]]`, "fail"},
	canary{"more rows than anybody reads", fmt.Sprintf(`SELECT number FROM numbers(%d)`, 10*query.MaxRows), `[[1]]`, "fail"},
)
