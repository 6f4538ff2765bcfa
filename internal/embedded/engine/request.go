package engine

import (
	"cmp"
	"compress/gzip"
	"compress/zlib"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// setting is one engine setting a request asks for.
type setting struct{ name, value string }

// request is what one HTTP request asks of the engine.
type request struct {
	id              string
	tag             string // names the running query to the keeper
	database        string
	format          string
	role            string
	readonly        bool
	compress        bool // answer in ClickHouse's own compressed blocks
	decompress      bool // the body comes in them
	method          string
	protocolVersion int
	session         string
	sessionTimeout  time.Duration
	sessionCheck    bool
	settings        []setting
	parameters      []parameter
	external        []externalTable
	statement       string    // from the query parameter
	body            io.Reader // the rest of the statement, or its data
}

// ignored are parameters of ClickHouse's HTTP interface that mean nothing
// here: the answer is never kept back, and inserts are never collected.
var ignored = map[string]bool{
	"user": true, "password": true, "quota_key": true, "stacktrace": true, "buffer_size": true,
	"wait_end_of_query": true, "http_write_exception_in_output_format": true,
	"async_insert": true, "wait_for_async_insert": true, "wait_for_async_insert_timeout": true,
	"async_insert_busy_timeout_ms": true, "async_insert_max_data_size": true,
	"enable_http_compression": true, "send_progress_in_http_headers": true,
	"network_zstd_compression_level": true,
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// sessionLongest is how long an idle session may be kept.
const sessionLongest = time.Hour

// decode reads a request's parameters and opens its body.
func decode(r *http.Request) (*request, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(codeBadArguments, "The parameters of the address cannot be read")
	}
	q := &request{
		id: newID(), tag: newID(), database: Database, format: "TabSeparated",
		role: roleReader + ", " + roleWriter, sessionTimeout: time.Minute, method: "LZ4",
	}
	q.external, err = externalFrom(r, query)
	if err != nil {
		return nil, err
	}
	for _, name := range sorted(query) {
		if err := q.set(name, query.Get(name)); err != nil {
			return nil, err
		}
	}
	if database := r.Header.Get("X-ClickHouse-Database"); database != "" {
		q.database = database
	}
	if format := r.Header.Get("X-ClickHouse-Format"); format != "" {
		q.format = format
	}
	if !ours(q.database) {
		return nil, refuse(codeUnknownDatabase, "Database %.64s does not exist", q.database)
	}
	if !slices.Contains(formats, q.format) {
		return nil, refuse(codeUnknownFormat, "The format %.64s is not available here", q.format)
	}
	if r.Method == http.MethodGet {
		q.readonly = true
	}
	if q.readonly {
		q.role = roleReader
	}
	return q, q.open(r)
}

// set takes one parameter of the address.
func (q *request) set(name, value string) error {
	switch name {
	case "query":
		q.statement = value + q.statement
	case "database":
		q.database = cmp.Or(value, Database)
	case "default_format":
		q.format = value
	case "query_id":
		q.id = value
	case "role":
		if value != roleReader && value != roleWriter {
			return refuse(codeAccessDenied, "There is no role of this name")
		}
		q.readonly = q.readonly || value == roleReader
	case "compress":
		q.compress = isTrue(value)
	case "decompress":
		q.decompress = isTrue(value)
	case "network_compression_method":
		q.method = strings.ToUpper(value)
	case "client_protocol_version":
		version, err := strconv.Atoi(value)
		if err != nil {
			return refuse(codeBadArguments, "client_protocol_version is a number")
		}
		q.protocolVersion = version
	case "session_id":
		q.session = value
	case "session_timeout":
		seconds, err := strconv.Atoi(value)
		if err != nil || seconds < 0 || time.Duration(seconds)*time.Second > sessionLongest {
			return refuse(codeBadArguments, "session_timeout is a number of seconds up to %d", int(sessionLongest.Seconds()))
		}
		q.sessionTimeout = time.Duration(seconds) * time.Second
	case "session_check":
		q.sessionCheck = isTrue(value)
	case "readonly":
		q.readonly = q.readonly || value != "0"
	default:
		return q.setOther(name, value)
	}
	return nil
}

// setOther takes a query parameter or a setting.
func (q *request) setOther(name, value string) error {
	if name, ok := strings.CutPrefix(name, "param_"); ok {
		q.parameters = append(q.parameters, parameter{name, value})
		return nil
	}
	if ignored[name] {
		return nil
	}
	for _, table := range q.external {
		if table.owns(name) {
			return nil
		}
	}
	if !identifier.MatchString(name) {
		return refuse(codeUnknownSetting, "A setting has letters, digits and underscores in its name")
	}
	if isDoorSetting(name) {
		return refuse(codeAccessDenied, "The setting %s is not available here", name)
	}
	q.settings = append(q.settings, setting{name, value})
	return nil
}

// open readies the body: the transport's encoding first, then ClickHouse's
// own blocks.
func (q *request) open(r *http.Request) error {
	if q.body == nil {
		q.body = r.Body
	}
	if len(q.external) > 0 || r.Method == http.MethodGet {
		q.body = strings.NewReader("")
		return nil
	}
	var err error
	if q.body, err = decoded(r.Body, r.Header.Get("Content-Encoding")); err != nil {
		return refuse(codeBadArguments, "The body is not what its Content-Encoding says")
	}
	if q.decompress {
		q.body = newBlockReader(q.body)
	}
	return nil
}

// decoded undoes a Content-Encoding.
func decoded(body io.Reader, encoding string) (io.Reader, error) {
	switch encoding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(body)
	case "deflate":
		return zlib.NewReader(body)
	case "br":
		return brotli.NewReader(body), nil
	case "zstd":
		d, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("unknown encoding %.32q", encoding)
}

// encoded wraps w in the first encoding of the list that we know, and names
// it. close ends the encoding, not w.
func encoded(w io.Writer, accept string) (out io.Writer, close func() error, name string) {
	for name := range strings.SplitSeq(accept, ",") {
		name, _, _ = strings.Cut(strings.TrimSpace(name), ";")
		switch name {
		case "gzip", "x-gzip":
			z := gzip.NewWriter(w)
			return z, z.Close, "gzip"
		case "deflate":
			z := zlib.NewWriter(w)
			return z, z.Close, "deflate"
		case "br":
			z := brotli.NewWriterLevel(w, 3)
			return z, z.Close, "br"
		case "zstd":
			z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
			if err == nil {
				return z, z.Close, "zstd"
			}
		}
	}
	return w, func() error { return nil }, ""
}

// resultMost is the limit of a result that is kept whole: the request's own
// where it names one.
func (q *request) resultMost() string {
	for _, s := range q.settings {
		if s.name == "max_result_bytes" && s.value != "0" {
			return quoted(s.value)
		}
	}
	return wholeMost
}

func isTrue(value string) bool { return value == "1" || strings.EqualFold(value, "true") }

// newID returns an identifier nobody can guess, in the form of a UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func sorted(values url.Values) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
