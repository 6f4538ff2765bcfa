package embedded

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"assay/internal/embedded/engine"
	"assay/internal/fault"
)

// parentOf names the folder when this binary stands in for a program that
// starts an engine and is then killed.
const parentOf = "ASSAY_TEST_ENGINE_PARENT_OF"

func TestMain(m *testing.M) {
	Main()
	if dir := os.Getenv(parentOf); dir != "" {
		waitAsParent(dir)
	}
	code := m.Run()
	if shared.c != nil {
		shared.c.Stop(context.Background())
		os.RemoveAll(shared.c.config.Dir)
	}
	os.Exit(code)
}

func waitAsParent(dir string) {
	c, err := StartClickhouse(context.Background(), ClickhouseConfig{Dir: dir, Log: os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(c.PID())
	time.Sleep(time.Minute)
}

// shared is the engine of the tests that do not end it.
var shared struct {
	sync.Mutex
	c *Clickhouse
}

func running(t *testing.T) *Clickhouse {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.c == nil {
		dir, err := os.MkdirTemp("", "assay-embedded-clickhouse-")
		if err != nil {
			t.Fatal(err)
		}
		if shared.c, err = StartClickhouse(t.Context(), ClickhouseConfig{Dir: dir, Log: os.Stderr}); err != nil {
			t.Fatal(err)
		}
	}
	return shared.c
}

func started(t *testing.T, config ClickhouseConfig) *Clickhouse {
	t.Helper()
	config.Dir = cmp.Or(config.Dir, t.TempDir())
	config.Log = cmp.Or[io.Writer](config.Log, os.Stderr)
	c, err := StartClickhouse(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop(context.Background()) })
	return c
}

func client(t *testing.T, c *Clickhouse) driver.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(c.DSN())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// asked is one request as it goes over the wire.
type asked struct {
	method string // POST when empty
	query  url.Values
	body   string
	header http.Header
	user   *url.Userinfo // the right one when nil
}

type answered struct {
	status int
	body   string
	header http.Header
}

func ask(t *testing.T, c *Clickhouse, a asked) answered {
	t.Helper()
	address, err := url.Parse(c.DSN())
	if err != nil {
		t.Fatal(err)
	}
	user := address.User
	if a.user != nil {
		user = a.user
	}
	request, err := http.NewRequestWithContext(t.Context(), cmp.Or(a.method, "POST"), "http://"+address.Host+"/?"+a.query.Encode(), strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range a.header {
		request.Header[name] = values
	}
	if password, ok := user.Password(); ok {
		request.SetBasicAuth(user.Username(), password)
	}
	response, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{response.StatusCode, string(body), response.Header}
}

// say runs a statement that must succeed and returns its answer as text.
func say(t *testing.T, c *Clickhouse, statement string) string {
	t.Helper()
	got := ask(t, c, asked{body: statement})
	if got.status != 200 {
		t.Fatalf("%s: %d %s", statement, got.status, got.body)
	}
	return strings.TrimSuffix(got.body, "\n")
}

func TestAnEngineStartsAnswersAndStops(t *testing.T) {
	began := time.Now()
	c := started(t, ClickhouseConfig{})
	t.Logf("start %s", time.Since(began).Round(time.Millisecond))
	if got := say(t, c, "SELECT sum(number) FROM numbers(10)"); got != "45" {
		t.Errorf("want 45, got %s", got)
	}
	pid := c.PID()
	began = time.Now()
	if err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	t.Logf("stop %s", time.Since(began).Round(time.Millisecond))
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is still there: %v", err)
	}
	select {
	case err := <-c.Crashed():
		t.Errorf("an end that was asked for is no crash: %v", err)
	default:
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Errorf("stopping twice: %v", err)
	}
}

func TestDataIsThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	c := started(t, ClickhouseConfig{Dir: dir})
	say(t, c, "CREATE TABLE kept (a UInt64) ENGINE = MergeTree ORDER BY a")
	say(t, c, "INSERT INTO kept SELECT number FROM numbers(1000)")
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := say(t, started(t, ClickhouseConfig{Dir: dir}), "SELECT count(), sum(a) FROM kept"); got != "1000\t499500" {
		t.Errorf("want 1000 and 499500, got %s", got)
	}
}

func TestASecondEngineOnTheSameFolderIsRefused(t *testing.T) {
	c := started(t, ClickhouseConfig{})
	var log bytes.Buffer
	second, err := StartClickhouse(t.Context(), ClickhouseConfig{Dir: c.config.Dir, Log: &log})
	if err == nil {
		second.Stop(t.Context())
		t.Fatal("it started")
	}
	if !strings.Contains(err.Error(), "another process has this ClickHouse folder open") || !errors.Is(err, fault.Unavailable) {
		t.Errorf("the reason is not said: %v", err)
	}
	if got := say(t, c, "SELECT 1"); got != "1" {
		t.Errorf("the first one suffered: %s", got)
	}
}

func TestTheLibraryIsFoundOrTheFixIsNamed(t *testing.T) {
	path, err := FindClickhouse("")
	if err != nil {
		t.Fatal(err)
	}
	if named, err := FindClickhouse(path); err != nil || named != path {
		t.Errorf("want %s, got %s: %v", path, named, err)
	}
	_, err = FindClickhouse(filepath.Join(t.TempDir(), "libchdb.so"))
	if words := fault.Words(err); !strings.Contains(words, "ASSAY_CHDB_LIBRARY") || !errors.Is(err, fault.Unavailable) {
		t.Errorf("the fix is not named: %v", err)
	}
}

func TestABrokenLibraryIsSaidSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(path, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := StartClickhouse(t.Context(), ClickhouseConfig{Dir: t.TempDir(), Library: path})
	if err == nil || !strings.Contains(err.Error(), "load the ClickHouse library") {
		t.Errorf("want the reason, got %v", err)
	}
}

// --- the interface ---

func TestAnyoneMayPingAndNobodyMoreWithoutThePassword(t *testing.T) {
	c := running(t)
	address, _ := url.Parse(c.DSN())
	for _, path := range []string{"/", "/ping"} {
		response, err := http.Get("http://" + address.Host + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if string(body) != "Ok.\n" {
			t.Errorf("%s: want Ok., got %q", path, body)
		}
	}
	right, _ := address.User.Password()
	for name, user := range map[string]*url.Userinfo{
		"wrong password": url.UserPassword(engine.User, right[1:]+"0"),
		"no password":    url.UserPassword(engine.User, ""),
		"wrong user":     url.UserPassword("default", right),
		"nobody":         url.User(""),
	} {
		got := ask(t, c, asked{body: "SELECT 1", user: user})
		if got.status != 403 || got.header.Get("X-ClickHouse-Exception-Code") != "516" || !strings.Contains(got.body, "AUTHENTICATION_FAILED") {
			t.Errorf("%s: want 403 and 516, got %d %s", name, got.status, got.body)
		}
	}
	for name, a := range map[string]asked{
		"headers":    {header: http.Header{"X-Clickhouse-User": {engine.User}, "X-Clickhouse-Key": {right}}},
		"parameters": {query: url.Values{"user": {engine.User}, "password": {right}}},
	} {
		a.body, a.user = "SELECT 1", url.User("")
		if got := ask(t, c, a); got.body != "1\n" {
			t.Errorf("%s: want 1, got %d %s", name, got.status, got.body)
		}
	}
}

func TestAGetReads(t *testing.T) {
	c := running(t)
	say(t, c, "CREATE TABLE got (a UInt8) ENGINE = MergeTree ORDER BY a")
	if got := ask(t, c, asked{method: "GET", query: url.Values{"query": {"SELECT 1 + 1"}}}); got.body != "2\n" {
		t.Errorf("want 2, got %d %s", got.status, got.body)
	}
	for _, statement := range []string{
		"INSERT INTO got VALUES (1)", "INSERT INTO got SELECT 1", "DROP TABLE got", "CREATE TABLE more (a UInt8) ENGINE = Memory",
		"ALTER TABLE got DELETE WHERE 1", "TRUNCATE TABLE got", "SET max_threads = 1", "CREATE TEMPORARY TABLE x (a UInt8)",
	} {
		got := ask(t, c, asked{method: "GET", query: url.Values{"query": {statement}}})
		if code := got.header.Get("X-ClickHouse-Exception-Code"); code != "164" {
			t.Errorf("GET %s: want 164, got %d %s", statement, got.status, got.body)
		}
	}
	if got := ask(t, c, asked{query: url.Values{"role": {"reader"}}, body: "INSERT INTO got VALUES (1)"}); got.status == 200 {
		t.Error("a reader wrote")
	}
	if got := ask(t, c, asked{method: "DELETE"}); got.status != http.StatusMethodNotAllowed {
		t.Errorf("want 405, got %d", got.status)
	}
	if got := say(t, c, "SELECT count() FROM got"); got != "0" {
		t.Errorf("want no row, got %s", got)
	}
}

func TestTheStatementMayComeInTheAddressOrTheBody(t *testing.T) {
	c := running(t)
	say(t, c, "CREATE TABLE ways (a UInt64, s String) ENGINE = MergeTree ORDER BY a")
	for name, a := range map[string]asked{
		"address and data":    {query: url.Values{"query": {"INSERT INTO ways FORMAT TabSeparated"}}, body: "1\ta\n2\tb\n"},
		"all in the body":     {body: "INSERT INTO ways FORMAT TabSeparated\n3\tc\n4\td\n"},
		"values":              {body: "INSERT INTO ways (s, a) VALUES ('e; SELECT 1', 5), ('(', 6);"},
		"values from address": {query: url.Values{"query": {"INSERT INTO ways VALUES"}}, body: " (7,'g'),(8,'h')"},
		"expressions":         {body: "INSERT INTO ways VALUES (intDiv(34, 2), lower('Q')), (18::UInt64, concat('r', ''))"},
		"many values":         {body: "INSERT INTO ways VALUES (19, '" + strings.Repeat("s", 3<<20) + "'), (20, 't')"},
		"all in the address":  {query: url.Values{"query": {"INSERT INTO ways VALUES (9,'i'),(10,'j')"}}},
		"json":                {query: url.Values{"query": {"INSERT INTO ways SETTINGS input_format_skip_unknown_fields=1 FORMAT JSONEachRow"}}, body: `{"a":11,"s":"FROM INFILE","x":1}{"a":12,"s":"l"}`},
		"a query":             {body: "INSERT INTO ways (a, s) SELECT 13, 'm' UNION ALL SELECT 14, 'n'"},
		"a bracketed query":   {body: "INSERT INTO ways (a, s) (SELECT 15, 'o' UNION ALL SELECT 16, 'p')"},
	} {
		before := say(t, c, "SELECT count() FROM ways")
		if got := ask(t, c, a); got.status != 200 || got.header.Get("Content-Length") != "0" {
			t.Errorf("%s: want 200 and nothing, got %d %s", name, got.status, got.body)
		}
		n, _ := strconv.Atoi(before)
		if want, got := strconv.Itoa(n+2), say(t, c, "SELECT count() FROM ways"); got != want {
			t.Errorf("%s: want %s rows, got %s", name, want, got)
		}
	}
	if got := say(t, c, "SELECT sum(a), countIf(s = 'FROM INFILE') FROM ways"); got != "210\t1" {
		t.Errorf("want 210 and 1, got %s", got)
	}
	split := asked{query: url.Values{"query": {"SELECT 40 "}}, body: "+ 2"}
	if got := ask(t, c, split); got.body != "42\n" {
		t.Errorf("want 42, got %s", got.body)
	}
}

func TestHeadersSayWhatHappened(t *testing.T) {
	c := running(t)
	got := ask(t, c, asked{query: url.Values{"query_id": {"mine"}}, body: "SELECT number FROM numbers(3) FORMAT JSONEachRow"})
	for name, want := range map[string]string{
		"X-ClickHouse-Query-Id": "mine", "X-ClickHouse-Format": "JSONEachRow", "X-ClickHouse-Timezone": "UTC",
		"X-ClickHouse-Server-Display-Name": "assay embedded engine", "Content-Type": "application/x-ndjson; charset=UTF-8",
	} {
		if got := got.header.Get(name); got != want {
			t.Errorf("%s: want %q, got %q", name, want, got)
		}
	}
	if got := got.header.Get("X-ClickHouse-Summary"); !strings.Contains(got, `"result_rows":"3"`) {
		t.Errorf("summary: %s", got)
	}
	if len(got.header.Get("X-ClickHouse-Exception-Tag")) != 16 {
		t.Errorf("exception tag: %q", got.header.Get("X-ClickHouse-Exception-Tag"))
	}
	say(t, c, "CREATE TABLE counted (a UInt64) ENGINE = MergeTree ORDER BY a")
	got = ask(t, c, asked{query: url.Values{"query": {"INSERT INTO counted FORMAT CSV"}}, body: "1\n2\n3\n"})
	if got := got.header.Get("X-ClickHouse-Summary"); !strings.Contains(got, `"written_rows":"3"`) {
		t.Errorf("summary of an insert: %s", got)
	}
}

func TestErrorsHaveTheirStatus(t *testing.T) {
	c := running(t)
	for _, want := range []struct {
		statement string
		query     url.Values
		status    int
		code      string
	}{
		{"SELECT * FROM absent", nil, 404, "60"},
		{"SELECT 1", url.Values{"database": {"assay_absent"}}, 404, "81"},
		{"SELECT 1", url.Values{"database": {"default"}}, 404, "81"},
		{"SELECT )", nil, 400, "62"},
		{"", nil, 400, "62"},
		{"SELECT 1", url.Values{"no_such_setting": {"1"}}, 400, "115"},
		{"SELECT 1", url.Values{"a=1, readonly": {"1"}}, 400, "115"},
		{"SELECT 1", url.Values{"max_threads": {"1', readonly='0"}}, 400, "27"},
		{"SELECT 1", url.Values{"role": {"keeper"}}, 403, "497"},
		{"SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1", url.Values{"max_execution_time": {"0.2"}}, 408, "159"},
		{"SELECT throwIf(1)", nil, 500, "395"},
		{"INSERT INTO absent VALUES (1)", nil, 404, "60"},
		{"SELECT 1 FORMAT Absent", nil, 500, "73"},
	} {
		got := ask(t, c, asked{query: want.query, body: want.statement})
		if got.status != want.status || got.header.Get("X-ClickHouse-Exception-Code") != want.code {
			t.Errorf("%q %v: want %d and %s, got %d %s", want.statement, want.query, want.status, want.code, got.status, got.body)
		}
		if !strings.HasPrefix(got.body, "Code: "+want.code+". DB::Exception: ") {
			t.Errorf("%q: the text is %q", want.statement, got.body)
		}
	}
}

func TestAnAnswerThatMustBeKeptWholeHasALimit(t *testing.T) {
	c := running(t)
	query := url.Values{"query": {"SELECT number FROM numbers(1000) FORMAT JSON"}}
	if got := ask(t, c, asked{query: query}); got.status != 200 || !strings.Contains(got.body, `"rows": 1000`) {
		t.Errorf("want a document of 1000 rows, got %d %.100s", got.status, got.body)
	}
	query.Set("max_result_bytes", "100")
	if got := ask(t, c, asked{query: query}); got.header.Get("X-ClickHouse-Exception-Code") != "396" {
		t.Errorf("want 396, got %d %.100s", got.status, got.body)
	}
	query.Del("max_result_bytes")
	query.Set("query", "SELECT repeat('x', 900 + number % 100) FROM numbers(400000) FORMAT JSON")
	if got := ask(t, c, asked{query: query}); got.header.Get("X-ClickHouse-Exception-Code") != "396" {
		t.Errorf("want 396 over 256 MiB, got %d %.100s", got.status, got.body)
	}
}

func TestBodiesAndAnswersMayBeCompressed(t *testing.T) {
	c := running(t)
	say(t, c, "CREATE TABLE zipped (a UInt64) ENGINE = MergeTree ORDER BY a")
	var rows strings.Builder
	for i := range 5000 {
		fmt.Fprintln(&rows, i)
	}
	zip := map[string]func(io.Writer) io.WriteCloser{
		"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		"br":      func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
		"zstd":    func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
	}
	unzip := map[string]func(io.Reader) (io.Reader, error){
		"gzip":    func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"deflate": func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
		"br":      func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		"zstd":    func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	}
	for encoding := range zip {
		say(t, c, "TRUNCATE TABLE zipped")
		var body bytes.Buffer
		w := zip[encoding](&body)
		io.WriteString(w, rows.String())
		w.Close()
		query := url.Values{"query": {"INSERT INTO zipped FORMAT TSV"}}
		if got := ask(t, c, asked{query: query, body: body.String(), header: http.Header{"Content-Encoding": {encoding}}}); got.status != 200 {
			t.Errorf("%s in: %d %s", encoding, got.status, got.body)
		}
		got := ask(t, c, asked{body: "SELECT a FROM zipped ORDER BY a", header: http.Header{"Accept-Encoding": {encoding}}})
		if got.header.Get("Content-Encoding") != encoding {
			t.Errorf("%s out: encoded as %q", encoding, got.header.Get("Content-Encoding"))
		}
		r, err := unzip[encoding](strings.NewReader(got.body))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(r)
		if err != nil || string(plain) != rows.String() {
			t.Errorf("%s: %d bytes came back of %d: %v", encoding, len(plain), rows.Len(), err)
		}
		// Half of it is an error, and nothing of it is kept.
		say(t, c, "TRUNCATE TABLE zipped")
		if got := ask(t, c, asked{query: query, body: body.String()[:body.Len()/2], header: http.Header{"Content-Encoding": {encoding}}}); got.status == 200 {
			t.Errorf("%s: half a body was taken", encoding)
		}
		if got := say(t, c, "SELECT count() FROM zipped"); got != "0" {
			t.Errorf("%s: half a body left %s rows", encoding, got)
		}
	}
}

func TestSessionsAreLockedWhileBusyAndEnd(t *testing.T) {
	c := running(t)
	in := func(id string, more ...string) url.Values {
		v := url.Values{"session_id": {id}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	if got := ask(t, c, asked{query: in("unknown", "session_check", "1"), body: "SELECT 1"}); got.header.Get("X-ClickHouse-Exception-Code") != "372" {
		t.Errorf("want 372, got %d %s", got.status, got.body)
	}
	busy := make(chan answered)
	go func() { busy <- ask(t, c, asked{query: in("s"), body: "SELECT sleep(1)"}) }()
	time.Sleep(300 * time.Millisecond)
	if got := ask(t, c, asked{query: in("s"), body: "SELECT 1"}); got.header.Get("X-ClickHouse-Exception-Code") != "373" {
		t.Errorf("want 373, got %d %s", got.status, got.body)
	}
	if got := <-busy; got.status != 200 {
		t.Errorf("the busy one: %d %s", got.status, got.body)
	}
	ask(t, c, asked{query: in("short", "session_timeout", "0"), body: "CREATE TEMPORARY TABLE x (a UInt8)"})
	time.Sleep(100 * time.Millisecond)
	if got := ask(t, c, asked{query: in("short"), body: "SELECT * FROM x"}); got.header.Get("X-ClickHouse-Exception-Code") != "60" {
		t.Errorf("the session did not end: %d %s", got.status, got.body)
	}
}

// --- what SQL may not do ---

func TestSQLStaysInsideItsDatabases(t *testing.T) {
	c := running(t)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("secret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	say(t, c, "CREATE TABLE inside (a String) ENGINE = MergeTree ORDER BY a")
	for _, statement := range []string{
		"SELECT * FROM file('" + outside + "', 'LineAsString', 'a String')",
		"SELECT file('" + outside + "')",
		`SELECT "file"('` + outside + `')`,
		"SELECT `file`('" + outside + "')",
		`SELECT "fi\x6ce"('` + outside + `')`,
		"SELECT * APPLY file FROM (SELECT '" + outside + "')",
		"SELECT * APPLY(file) FROM (SELECT '" + outside + "')",
		"SELECT /* ' */ file /* ' */ ('" + outside + "')",
		"SELECT 1 # it's\n, file('" + outside + "') -- '",
		"SELECT $a$ ' $a$, file('" + outside + "'), '",
		"SELECT * FROM url('http://127.0.0.1:9/', 'LineAsString', 'a String')",
		"SELECT * FROM s3('http://127.0.0.1:9/b/k', 'CSV', 'a String')",
		"SELECT * FROM remote('127.0.0.1:9', 'system.one')",
		"SELECT * FROM mysql('127.0.0.1:9', 'd', 't', 'u', 'p')",
		"SELECT * FROM postgresql('127.0.0.1:9', 'd', 't', 'u', 'p')",
		"SELECT * FROM sqlite('" + outside + "', 't')",
		"SELECT * FROM executable('cat', 'TSV', 'a String')",
		"SELECT * FROM eval('SELECT 1') SETTINGS allow_experimental_eval_table_function = 1",
		"SELECT * FROM default.`" + outside + "`",
		"SELECT * FROM '" + outside + "'",
		"INSERT INTO FUNCTION file('" + outside + "', 'LineAsString', 'a String') VALUES ('x')",
		"INSERT INTO inside FROM INFILE '" + outside + "' FORMAT LineAsString",
		"INSERT INTO inside (a) FROM/**/INFILE '" + outside + "' FORMAT LineAsString",
		"SELECT 1 INTO OUTFILE '" + outside + ".out'",
		"SELECT 1 INTO/**/OUTFILE '" + outside + ".out' TRUNCATE FORMAT CSV",
		"EXPLAIN SELECT 1 INTO OUTFILE '" + outside + ".out'",
		"INSERT INTO inside SELECT 'x' INTO OUTFILE '" + outside + ".out'",
		"INSERT INTO inside VALUES (file('" + outside + "'))",
		"INSERT INTO inside VALUES ('x'), ((SELECT file('" + outside + "')))",
		"INSERT INTO inside VALUES ((SELECT count() FROM system.processes)::String)",
		"INSERT INTO inside VALUES ('" + strings.Repeat("x", 2<<20) + "'), (upper('y'))",
		"SELECT * FROM format(Values, 'a String', '(file(''" + outside + "''))')",
		"SELECT * FROM format('Values', 'a String', '(file(''" + outside + "''))') SETTINGS input_format_values_interpret_expressions = 1",
		"CREATE TABLE f (a String) ENGINE = File(LineAsString)",
		"CREATE TABLE f (a String) ENGINE File(LineAsString, '" + outside + "')",
		"CREATE TABLE f (a String) ENGINE = `File`(LineAsString)",
		"CREATE TABLE f (a String) ENGINE = URL('http://127.0.0.1:9/', CSV)",
		"CREATE TABLE f (a String) ENGINE = FileLog('" + outside + "', 'LineAsString')",
		"CREATE TABLE f (a String) ENGINE = EmbeddedRocksDB(0, '" + outside + "') PRIMARY KEY a",
		"CREATE TABLE f (a String) ENGINE = Executable('cat', 'TSV')",
		"CREATE TABLE f (a String) ENGINE = Distributed('default', 'system', 'one')",
		"CREATE TABLE f (a String) ENGINE = Kafka('127.0.0.1:9', 't', 'g', 'CSV')",
		"CREATE TABLE f AS file('" + outside + "', 'LineAsString', 'a String')",
		"CREATE TABLE f (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '" + outside + "')",
		"CREATE TABLE f (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = web, endpoint = 'http://127.0.0.1:9/')",
		"CREATE DATABASE assay_fs ENGINE = Filesystem('/etc')",
		"CREATE DATABASE other",
		"CREATE DICTIONARY d (a String) PRIMARY KEY a SOURCE(FILE(PATH '" + outside + "' FORMAT CSV)) LAYOUT(FLAT()) LIFETIME(1)",
		"CREATE FUNCTION f AS x -> x",
		"CREATE USER u",
		"CREATE ROLE r",
		"GRANT ALL ON *.* TO default",
		"SET ROLE NONE",
		"SET DEFAULT ROLE NONE TO default",
		"EXECUTE AS default SELECT 1",
		"KILL QUERY WHERE 1",
		"SHOW PROCESSLIST",
		"SELECT * FROM system.processes",
		"SELECT * FROM `system`.\"processes\"",
		"SELECT * FROM system . stack_trace",
		"SELECT * FROM SYSTEM.stack_trace",
		`SELECT * FROM "s\x79stem".processes`,
		"SELECT $a b$ ' $a b$, file('" + outside + "'), '",
		"SELECT ‘ ' ’, file('" + outside + "'), '",
		"SELECT * FROM system.users",
		"SELECT * FROM system.server_settings",
		"SELECT * FROM merge('system', 'processes')",
		"SELECT * FROM loop('system', 'processes')",
		"CREATE VIEW w AS SELECT * FROM system.processes",
		"USE system",
		"SYSTEM SHUTDOWN",
		"SYSTEM KILL",
		"SYSTEM DROP MARK CACHE",
		"BACKUP TABLE inside TO File('" + outside + "')",
		"RESTORE TABLE inside FROM File('" + outside + "')",
		"ATTACH TABLE f FROM '" + outside + "' (a String) ENGINE = MergeTree ORDER BY a",
		"ALTER TABLE inside FREEZE",
		"SELECT 1; DROP TABLE inside",
		"DROP TABLE inside; SELECT 1",
		"SELECT 1 FORMAT Template SETTINGS format_template_row = '" + outside + "'",
		"SELECT 1 SETTINGS format_template_row = '" + outside + "'",
		"SELECT 1 SETTINGS format_schema = '" + outside + ":M'",
		"SELECT 1 SETTINGS output_format_schema = '" + outside + ".out'",
		"SELECT 1 SETTINGS format_avro_schema_registry_url = 'http://127.0.0.1:9'",
		"SELECT 1 SETTINGS allow_introspection_functions = 1",
		"SELECT 1 SETTINGS max_memory_usage = 0",
		"SELECT 1 SETTINGS log_comment = 'hidden'",
		"SELECT 'unended",
		"SELECT 1 /* unended",
	} {
		got := ask(t, c, asked{body: statement})
		if got.status == 200 || strings.Contains(got.body, "secret") {
			t.Errorf("%.300s: was done: %d %s", statement, got.status, got.body)
		}
	}
	for name, query := range map[string]url.Values{
		"a database by name":  {"param_d": {"system"}, "param_t": {"processes"}, "query": {"SELECT * FROM {d:Identifier}.{t:Identifier}"}},
		"a whole name":        {"param_d": {"system.processes"}, "query": {"SELECT * FROM {d:Identifier}"}},
		"a function by name":  {"param_f": {"file"}, "query": {"SELECT {f:Identifier}('" + outside + "')"}},
		"an escaped name":     {"param_d": {`s\x79stem`}, "query": {"SELECT * FROM {d:Identifier}.processes"}},
		"a setting":           {"format_template_row": {outside}, "query": {"SELECT 1"}},
		"another database":    {"database": {"system"}, "query": {"SELECT * FROM processes"}},
		"a format of schemas": {"default_format": {"Template"}, "query": {"SELECT 1"}},
	} {
		if got := ask(t, c, asked{query: query}); got.status == 200 {
			t.Errorf("%s: was done: %s", name, got.body)
		}
	}
	if left, _ := filepath.Glob(outside + ".*"); len(left) > 0 {
		t.Errorf("a statement wrote %v", left)
	}
	if got := say(t, c, "SELECT count() FROM inside"); got != "0" {
		t.Errorf("a refused statement left %s rows", got)
	}
}

func TestTheKernelKeepsTheEngineInItsFolder(t *testing.T) {
	if !ClickhouseIsConfined() {
		t.Skip("this kernel has no Landlock")
	}
	pid := running(t).PID()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(status), "NoNewPrivs:\t1") {
		t.Error("the process may gain rights")
	}
	arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(arguments), "\x00confined") {
		t.Errorf("the process was not confined: %q %v", arguments, err)
	}
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || strings.Contains(string(environment), "HOME=") || strings.Contains(string(environment), "ASSAY_") {
		t.Errorf("the process has the environment of its parent: %v", err)
	}
}

// --- uploads, cancellation, crashes ---

// upload sends the beginning of a request and hangs up.
func upload(t *testing.T, c *Clickhouse, table, framing, data string) {
	t.Helper()
	address, _ := url.Parse(c.DSN())
	password, _ := address.User.Password()
	conn, err := net.Dial("tcp", address.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	query := url.Values{"query": {"INSERT INTO " + table + " FORMAT TSV"}}
	fmt.Fprintf(conn, "POST /?%s HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: %s\r\nX-ClickHouse-Key: %s\r\n%s\r\n\r\n%s",
		query.Encode(), engine.User, password, framing, data)
	conn.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, conn)
}

func TestAnUploadThatEndsEarlyCommitsNothing(t *testing.T) {
	c := running(t)
	say(t, c, "CREATE TABLE early (a UInt64) ENGINE = MergeTree ORDER BY a")
	whole := strings.Repeat("1\n", 300000) // more than one append
	upload(t, c, "early", "Content-Length: 1000000", whole)
	upload(t, c, "early", "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n", len(whole), whole))
	upload(t, c, "early", "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s", len(whole)+2, whole))
	time.Sleep(50 * time.Millisecond)
	if got := say(t, c, "SELECT count() FROM early"); got != "0" {
		t.Errorf("want nothing, got %s rows", got)
	}
	ask(t, c, asked{query: url.Values{"query": {"INSERT INTO early FORMAT TSV"}}, body: whole})
	if got := say(t, c, "SELECT count() FROM early"); got != "300000" {
		t.Errorf("the same upload, whole: want 300000, got %s", got)
	}
}

// ticks is the processor time of a process so far, in hundredths of a second.
func ticks(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return user + system
}

func TestAQueryStopsWhenItsClientLeaves(t *testing.T) {
	c := running(t)
	for _, statement := range []string{
		"SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1",
		"SELECT number, sipHash64(number) FROM numbers(1000000000000) WHERE number % 50000 = 1",
		"CREATE TABLE endless ENGINE = Memory AS SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		request, _ := http.NewRequestWithContext(ctx, "POST", strings.TrimSuffix(c.DSN(), "/"+engine.Database), strings.NewReader(statement))
		before := ticks(t, c.PID())
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		cancel()
		if used := ticks(t, c.PID()) - before; used < 5 {
			t.Errorf("%s: it did not even run: %d ticks", statement, used)
		}
		time.Sleep(300 * time.Millisecond)
		before = ticks(t, c.PID())
		time.Sleep(300 * time.Millisecond)
		if used := ticks(t, c.PID()) - before; used > 10 {
			t.Errorf("%s: it still runs, with %d ticks in 300 ms", statement, used)
		}
	}
}

func TestStoppingKillsWhatRuns(t *testing.T) {
	c := started(t, ClickhouseConfig{})
	over := make(chan answered, 1)
	go func() {
		over <- ask(t, c, asked{body: "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"})
	}()
	time.Sleep(300 * time.Millisecond)
	began := time.Now()
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	if got := <-over; got.header.Get("X-ClickHouse-Exception-Code") != "394" {
		t.Errorf("the client was told %d %s", got.status, got.body)
	}
}

func TestABlockIsOnTheDiskBeforeItIsAcknowledged(t *testing.T) {
	got := say(t, running(t), "SELECT name, value FROM system.merge_tree_settings WHERE name LIKE 'fsync%' ORDER BY name")
	if want := "fsync_after_insert\t1\nfsync_part_directory\t1"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestAKilledEngineComesBackWithAllItAcknowledged(t *testing.T) {
	var log safeBuffer
	c := started(t, ClickhouseConfig{Supervise: true, Log: &log})
	say(t, c, "CREATE TABLE ledger (batch UInt64, n UInt64) ENGINE = MergeTree ORDER BY (batch, n)")
	conn := client(t, c)
	var acknowledged sync.Map
	var batches atomic.Uint64
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				number := batches.Add(1)
				if send(conn, number) == nil {
					acknowledged.Store(number, true)
				}
			}
		})
	}
	for range 5 {
		time.Sleep(250 * time.Millisecond)
		if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		select {
		case err := <-c.Crashed():
			if !strings.Contains(err.Error(), "killed") {
				t.Errorf("the crash is told as %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("nobody was told of the crash")
		}
		waitUntilItAnswers(t, conn)
	}
	close(stop)
	writers.Wait()
	whole := map[uint64]bool{}
	rows, err := conn.Query(t.Context(), "SELECT batch, count() FROM ledger GROUP BY batch")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var batch, n uint64
		if err := rows.Scan(&batch, &n); err != nil {
			t.Fatal(err)
		}
		if n != 100 {
			t.Errorf("batch %d has %d rows of 100", batch, n)
		}
		whole[batch] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	count := 0
	acknowledged.Range(func(batch, _ any) bool {
		count++
		if !whole[batch.(uint64)] {
			t.Errorf("batch %d was acknowledged and is gone", batch)
		}
		return true
	})
	t.Logf("%d batches acknowledged, %d found", count, len(whole))
	if count < 10 {
		t.Errorf("only %d batches were acknowledged: the test shows nothing", count)
	}
	if got := strings.Count(log.String(), "ClickHouse was started again"); got != 5 {
		t.Errorf("want 5 restarts in the log, got %d:\n%s", got, log.String())
	}
}

func send(conn driver.Conn, number uint64) error {
	batch, err := conn.PrepareBatch(context.Background(), "INSERT INTO ledger")
	if err != nil {
		return err
	}
	for n := range 100 {
		if err := batch.Append(number, uint64(n)); err != nil {
			return err
		}
	}
	return batch.Send()
}

func waitUntilItAnswers(t *testing.T, conn driver.Conn) {
	t.Helper()
	var err error
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		if err = conn.Ping(t.Context()); err == nil {
			return
		}
	}
	t.Fatalf("it did not come back: %v", err)
}

func TestACrashWithoutSupervisionIsToldAndNothingAnswers(t *testing.T) {
	c := started(t, ClickhouseConfig{Log: &safeBuffer{}})
	syscall.Kill(c.PID(), syscall.SIGKILL)
	select {
	case <-c.Crashed():
	case <-time.After(5 * time.Second):
		t.Fatal("nobody was told")
	}
	address, _ := url.Parse(c.DSN())
	deadline := time.Now().Add(2 * time.Second)
	for {
		conn, err := net.Dial("tcp", address.Host)
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("the address is still open")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestTheEngineEndsWithItsParent(t *testing.T) {
	parent := exec.Command("/proc/self/exe")
	parent.Env = append(os.Environ(), parentOf+"="+t.TempDir())
	parent.Stderr = os.Stderr
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the engine does not run: %v", err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	parent.Wait()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if gone(pid) {
			return
		}
		if time.Now().After(deadline) {
			syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the engine outlives its parent")
		}
	}
}

// gone reports whether a process has ended, reaped or not.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
