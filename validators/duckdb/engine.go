package duckdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"assay/validators/query"
)

// Limits of one job.
const (
	engineMemory = "384MiB"
	queryTakes   = 2 * time.Second // unless the job says less
	schemaTakes  = 5 * time.Second
)

// locked are the settings of the engine, in this order: the last of them makes
// all of them final.
var locked = [][2]string{
	{"access_mode", "automatic"}, {"threads", "1"}, {"memory_limit", engineMemory}, {"temp_directory", ""}, {"max_temp_directory_size", "0B"},
	{"allow_unsigned_extensions", "false"}, {"allow_community_extensions", "false"}, {"autoinstall_known_extensions", "false"}, {"autoload_known_extensions", "false"},
	{"errors_as_json", "true"}, {"enable_external_access", "false"}, {"lock_configuration", "true"},
}

// database is one database in memory with one connection.
type database struct {
	lib    *library
	conn   uintptr
	takes  time.Duration
	schema query.Schema
	stuck  chan time.Duration // the limit that the engine does not heed
}

// open makes an empty database whose settings nobody changes any more.
func open(lib *library) (*database, error) {
	var config, base, words uintptr
	if call(lib.createConfig, address(&config)) != 0 {
		return nil, errors.New("make the settings of DuckDB")
	}
	for _, s := range locked {
		name, value := zeroEnded(s[0]), zeroEnded(s[1])
		if call(lib.setConfig, config, uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(value))) != 0 {
			return nil, fmt.Errorf("set %s of DuckDB", s[0])
		}
	}
	path := zeroEnded(":memory:")
	if call(lib.openExt, uintptr(unsafe.Pointer(path)), address(&base), config, address(&words)) != 0 {
		return nil, fmt.Errorf("open DuckDB: %s", textAt(words))
	}
	d := &database{lib: lib, takes: queryTakes, stuck: make(chan time.Duration, 1)}
	if call(lib.connect, base, address(&d.conn)) != 0 {
		return nil, errors.New("connect to DuckDB")
	}
	return d, nil
}

func address[T any](of *T) uintptr { return uintptr(unsafe.Pointer(of)) }

// said is what the engine said of a statement that it would not run.
type said struct {
	text string
	late bool // it was interrupted from here
}

func (s *said) Error() string { return s.text }

// within runs act with a limit of time; the engine is interrupted at its end.
func (d *database) within(ctx context.Context, limit time.Duration, act func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	over := make(chan struct{})
	defer close(over)
	stop := context.AfterFunc(ctx, func() {
		call(d.lib.interrupt, d.conn)
		select {
		case <-over:
		case <-time.After(stuckAfter):
			d.stuck <- limit
		}
	})
	defer stop()
	err := act()
	var s *said
	if errors.As(err, &s) && ctx.Err() != nil {
		s.late = true
	}
	return err
}

// execute runs a script of any number of statements.
func (d *database) execute(sql string) error {
	var r result
	text := zeroEnded(sql)
	failed := call(d.lib.query, d.conn, uintptr(unsafe.Pointer(text)), address(&r)) != 0
	defer call(d.lib.destroyResult, address(&r))
	if failed {
		return &said{text: textAt(call(d.lib.resultError, address(&r)))}
	}
	return nil
}

// Why a statement was not run.
var (
	errTooManyRows = errors.New("too many rows")
	errNothing     = errors.New("no statement")
	errSeveral     = errors.New("more than one statement")
	errUnreadable  = errors.New("a column has a type that cannot be read")
)

// otherKind is a statement that is no question.
type otherKind struct{ kind uintptr }

func (o otherKind) Error() string { return "no question" }

// selects is the engine's number of the kind of statement that returns rows and
// changes nothing.
const selects = 1

// kinds are the engine's numbers of the other kinds that people write.
var kinds = map[uintptr]string{2: "INSERT", 3: "UPDATE", 4: "EXPLAIN", 5: "DELETE", 6: "PREPARE", 7: "CREATE", 8: "EXECUTE", 9: "ALTER", 10: "a transaction", 11: "COPY",
	12: "ANALYZE", 13: "SET", 14: "a function's definition", 15: "DROP", 16: "EXPORT", 17: "PRAGMA", 18: "VACUUM", 19: "CALL", 20: "SET", 21: "LOAD", 22: "RELATION",
	23: "EXTENSION", 24: "LOGICAL PLAN", 25: "ATTACH", 26: "DETACH", 27: "MULTI", 28: "COPY DATABASE", 29: "UPDATE EXTENSIONS", 30: "MERGE"}

// prepared is a statement the engine has understood.
type prepared struct {
	lib       *library
	statement uintptr
	kind      uintptr
}

func (p *prepared) close() { call(p.lib.destroyPrepared, address(&p.statement)) }

// prepare reads a text that is one statement.
func (d *database) prepare(sql string) (*prepared, error) {
	if strings.ContainsRune(sql, 0) {
		return nil, &said{text: `{"exception_type":"Parser","exception_message":"syntax error at a zero byte"}`}
	}
	var extracted uintptr
	text := zeroEnded(sql)
	count := call(d.lib.extract, d.conn, uintptr(unsafe.Pointer(text)), address(&extracted))
	defer call(d.lib.destroyExtracted, address(&extracted))
	switch words := textAt(call(d.lib.extractError, extracted)); {
	case count == 0 && words != "":
		return nil, &said{text: words}
	case count == 0:
		return nil, errNothing
	case count > 1:
		return nil, errSeveral
	}
	p := &prepared{lib: d.lib}
	if call(d.lib.prepare, d.conn, extracted, 0, address(&p.statement)) != 0 {
		defer p.close()
		return nil, &said{text: textAt(call(d.lib.prepareError, p.statement))}
	}
	p.kind = call(d.lib.statementType, p.statement)
	return p, nil
}

// rows runs one question in a transaction that only reads.
func (d *database) rows(ctx context.Context, sql string) (query.Result, error) {
	var r query.Result
	err := d.within(ctx, d.takes, func() error {
		if err := d.execute(`BEGIN TRANSACTION READ ONLY`); err != nil {
			return err
		}
		err := d.ask(sql, &r)
		if end := d.execute(`ROLLBACK`); err == nil {
			err = end
		}
		return err
	})
	return r, err
}

func (d *database) ask(sql string, into *query.Result) error {
	first, err := d.prepare(sql)
	if err != nil {
		return err
	}
	defer first.close()
	if first.kind != selects {
		return otherKind{first.kind}
	}
	out, err := d.start(first)
	if err != nil {
		return err
	}
	columns, plain := d.columns(out)
	if plain {
		defer call(d.lib.destroyResult, address(out))
		return d.read(out, columns, into)
	}
	call(d.lib.destroyResult, address(out))
	return d.askAsText(sql, columns, into)
}

// askAsText asks again, with the engine's own text in place of values that are
// neither number nor text.
func (d *database) askAsText(sql string, columns []column, into *query.Result) error {
	second, err := d.prepare(asText(sql, columns))
	if err != nil {
		return errUnreadable
	}
	defer second.close()
	out, err := d.start(second)
	if err != nil {
		return err
	}
	defer call(d.lib.destroyResult, address(out))
	cast, plain := d.columns(out)
	if !plain || len(cast) != len(columns) {
		return errUnreadable
	}
	for i := range cast {
		cast[i].name, cast[i].number = columns[i].name, columns[i].numeric()
	}
	return d.read(out, cast, into)
}

// asText wraps a question so that each column of another type is cast. The
// question was one statement to the engine's own parser, so that it cannot end
// its parentheses.
func asText(sql string, columns []column) string {
	tokens := query.Tokens(sql)
	for n := len(tokens); n > 0 && tokens[n-1].Is(";"); n-- {
		sql = sql[:tokens[n-1].Start]
	}
	var items, names []string
	for i, c := range columns {
		name := "c" + strconv.Itoa(i)
		names = append(names, name)
		if !c.plain() {
			name = "CAST(" + name + " AS VARCHAR)"
		}
		items = append(items, name)
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM (\n" + sql + "\n) AS asked(" + strings.Join(names, ", ") + ")"
}

// start begins to run a prepared statement; its rows come as they are fetched.
func (d *database) start(p *prepared) (*result, error) {
	var pending uintptr
	failed := call(d.lib.pending, p.statement, address(&pending)) != 0
	defer call(d.lib.destroyPending, address(&pending))
	if failed {
		return nil, &said{text: textAt(call(d.lib.pendingError, pending))}
	}
	out := new(result)
	if call(d.lib.execute, pending, address(out)) != 0 {
		defer call(d.lib.destroyResult, address(out))
		return nil, &said{text: textAt(call(d.lib.resultError, address(out)))}
	}
	return out, nil
}

// column is one of a result.
type column struct {
	name   string
	kind   uintptr // the engine's number of its type
	number bool    // it is the text of a number
}

// The engine's numbers of types that are read as they lie in memory.
const (
	kindBool, kindTiny, kindSmall, kindInt, kindBig                    = 1, 2, 3, 4, 5
	kindUnsignedTiny, kindUnsignedSmall, kindUnsignedInt, kindUnsigned = 6, 7, 8, 9
	kindFloat, kindDouble                                              = 10, 11
	kindHuge, kindText, kindBlob, kindDecimal, kindUnsignedHuge        = 16, 17, 18, 19, 32
	kindBignum, kindNull                                               = 35, 36
)

func (c column) plain() bool {
	return c.kind >= kindBool && c.kind <= kindDouble || c.kind == kindText || c.kind == kindBlob || c.kind == kindNull
}

func (c column) numeric() bool {
	return c.kind == kindHuge || c.kind == kindDecimal || c.kind == kindUnsignedHuge || c.kind == kindBignum
}

func (d *database) columns(out *result) (columns []column, plain bool) {
	plain = true
	for i := range call(d.lib.columnCount, address(out)) {
		c := column{name: textAt(call(d.lib.columnName, address(out), i)), kind: call(d.lib.columnType, address(out), i) & math.MaxUint32}
		columns = append(columns, c)
		plain = plain && c.plain()
	}
	return columns, plain
}

// read fetches the rows, up to what a result may have.
func (d *database) read(out *result, columns []column, into *query.Result) error {
	for _, c := range columns {
		into.Columns = append(into.Columns, c.name)
	}
	size := 0
	for {
		chunk := d.lib.fetch(out)
		if chunk == 0 {
			break
		}
		read, full := d.chunk(chunk, columns, into)
		call(d.lib.destroyChunk, address(&chunk))
		if size += read; full || size > query.MaxResult {
			return errTooManyRows
		}
	}
	if words := textAt(call(d.lib.resultError, address(out))); words != "" {
		return &said{text: words}
	}
	return nil
}

// chunk reads one piece of a result, column by column.
func (d *database) chunk(chunk uintptr, columns []column, into *query.Result) (size int, full bool) {
	count := int(call(d.lib.chunkSize, chunk))
	if left := query.MaxRows - len(into.Rows); count > left {
		count, full = left, true
	}
	rows := make([][]any, count)
	cells := make([]any, count*len(columns))
	for i := range rows {
		rows[i] = cells[i*len(columns) : (i+1)*len(columns)]
	}
	for j, c := range columns {
		vector := call(d.lib.chunkVector, chunk, uintptr(j))
		data, valid := call(d.lib.vectorData, vector), call(d.lib.vectorValidity, vector)
		for i := range rows {
			if valid != 0 && *at[uint64](valid, i/64)>>(i%64)&1 == 0 || c.kind == kindNull {
				continue
			}
			rows[i][j] = c.cell(data, i)
			size += 16
			if text, ok := rows[i][j].(string); ok {
				size += len(text)
			}
		}
	}
	into.Rows = append(into.Rows, rows...)
	return size, full
}

// at is the i-th value of an array of the library's.
func at[T any](data uintptr, i int) *T {
	var t T
	return (*T)(unsafe.Add(pointer(data), uintptr(i)*unsafe.Sizeof(t)))
}

// cell is the i-th value of a vector that is not NULL.
func (c column) cell(data uintptr, i int) any {
	switch c.kind {
	case kindBool:
		return *at[uint8](data, i) != 0
	case kindTiny:
		return int64(*at[int8](data, i))
	case kindSmall:
		return int64(*at[int16](data, i))
	case kindInt:
		return int64(*at[int32](data, i))
	case kindBig:
		return *at[int64](data, i)
	case kindUnsignedTiny:
		return int64(*at[uint8](data, i))
	case kindUnsignedSmall:
		return int64(*at[uint16](data, i))
	case kindUnsignedInt:
		return int64(*at[uint32](data, i))
	case kindUnsigned:
		if v := *at[uint64](data, i); v > math.MaxInt64 {
			return float64(v)
		} else {
			return int64(v)
		}
	case kindFloat: // as it is written: 0.1 and not what is nearest to it in eight bytes
		f, _ := strconv.ParseFloat(strconv.FormatFloat(float64(*at[float32](data, i)), 'g', -1, 32), 64)
		return f
	case kindDouble:
		return *at[float64](data, i)
	}
	text := heldText(at[[16]byte](data, i))
	switch {
	case c.kind == kindBlob:
		return []byte(text)
	case c.number:
		return numberOf(text)
	}
	return text
}

// heldText reads the engine's text: four bytes of length, then the text itself
// if it has at most twelve bytes, else its beginning and its address.
func heldText(held *[16]byte) string {
	length := *(*uint32)(unsafe.Pointer(held))
	if length <= 12 {
		return string(held[4 : 4+length])
	}
	return strings.Clone(unsafe.String((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&held[8]))), length))
}

func numberOf(text string) any {
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return whole
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return f
	}
	return text
}
