package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unsafe"
)

const (
	// statementMost bounds a statement without the data of an insert.
	statementMost = 4 << 20
	// appendSize is how much of an upload goes to the engine at a time.
	appendSize = 1 << 20
	// wholeMost bounds a result that is kept whole before it is sent.
	wholeMost = "268435456"
	// requestsMost bounds how many requests run at once; the rest wait.
	requestsMost = 48

	killFirst = 20 * time.Millisecond
	killMost  = time.Second
)

// server answers ClickHouse's HTTP interface from a store.
type server struct {
	store    *store
	password [sha256.Size]byte
	version  string
	slots    chan struct{}
	sessions sessions

	mu      sync.Mutex
	running map[string]context.CancelFunc // by tag
}

func newServer(s *store, password string) (*server, error) {
	version, err := s.keeper.query("SELECT version()", "TabSeparatedRaw", nil)
	if err != nil {
		return nil, err
	}
	return &server{
		store: s, password: sha256.Sum256([]byte(password)), version: strings.TrimSpace(string(version.data)),
		slots: make(chan struct{}, requestsMost), running: map[string]context.CancelFunc{},
	}, nil
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ping" || r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.RawQuery == "" {
		io.WriteString(w, "Ok.\n")
		return
	}
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "Send statements with POST, or with GET to read.", http.StatusMethodNotAllowed)
		return
	}
	q := &request{id: newID()}
	a := newReply(w, r, q)
	if !s.knows(r) {
		a.fail(refuse(codeAuthenticationFails, "Authentication failed: the user name or the password is wrong"))
		return
	}
	decoded, err := decode(r)
	if err != nil {
		a.fail(err)
		return
	}
	*q = *decoded
	if err := s.answer(r.Context(), a, q); err != nil {
		a.fail(err)
	}
}

// knows checks who asks, in constant time for a name that is right.
func (s *server) knows(r *http.Request) bool {
	name, password, ok := r.BasicAuth()
	if !ok {
		name, password = r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	}
	if name == "" {
		name, password = r.URL.Query().Get("user"), r.URL.Query().Get("password")
	}
	sum := sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(sum[:], s.password[:]) == 1 && name == User
}

// answer runs one request to its end.
func (s *server) answer(ctx context.Context, a *reply, q *request) error {
	text, data, err := q.text()
	if err != nil {
		return err
	}
	if q.protocolVersion > 0 && strings.TrimRight(strings.TrimSpace(text), ";") == helloStatement {
		return a.whole("Native", answer{data: helloFor(displayName, s.version)})
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return refuse(codeTooManyQueries, "The client left before its turn")
	}
	c, release, err := s.connection(q)
	if err != nil {
		return err
	}
	defer release()
	ctx, done, err := s.begin(ctx, q)
	if err != nil {
		return err
	}
	defer done()
	if err := c.prepare(q.role, q.database, q.tag, q.settings); err != nil {
		return err
	}
	admit := func(text string) (statement, error) { return examine(text, q.parameters, c.classify) }
	if err := c.bring(q.external, func(create string) error { _, err := admit(create); return err }); err != nil {
		return err
	}
	st, err := admit(text)
	if err != nil {
		return err
	}
	if q.readonly && st.class != classRead {
		return refuse(codeReadonly, "This request may only read: send changes with POST")
	}
	if !st.insert && data != nil {
		if n, _ := data.Read(make([]byte, 1)); n > 0 {
			return refuse(codeSyntaxError, "A statement has at most %d bytes", statementMost)
		}
	}
	return s.run(ctx, a, c, q, st, data)
}

// run executes an admitted statement and answers with what it gives.
func (s *server) run(ctx context.Context, a *reply, c *connection, q *request, st statement, data io.Reader) error {
	stop := s.store.watch(ctx, q.tag)
	defer stop()
	format := st.format
	if format == "" {
		format = q.format
	}
	switch {
	case st.insert:
		st, err := c.readyValues(st, data)
		if err != nil {
			return err
		}
		result, err := c.upload(st, data, q.parameters)
		if err != nil {
			return err
		}
		return a.whole("", result)
	case st.rows && streams(format):
		rows, err := c.stream(st.text, format, q.parameters)
		if err != nil {
			return err
		}
		defer rows.close()
		return a.stream(format, rows)
	default:
		if err := c.run("SET max_result_bytes = " + q.resultMost()); err != nil {
			return err
		}
		result, err := c.query(st.text, format, q.parameters)
		if err != nil {
			return err
		}
		if st.class != classRead {
			format, result.data = "", nil
		}
		return a.whole(format, result)
	}
}

// upload feeds an insert. Only a body that ends as it should is committed: a
// read error is never taken for the end.
func (c *connection) upload(st statement, body io.Reader, parameters []parameter) (answer, error) {
	i, err := c.insert(st.text, st.format, parameters)
	if err != nil {
		return answer{}, err
	}
	defer i.close()
	data := io.MultiReader(strings.NewReader(st.data), body)
	buffer := make([]byte, 0, appendSize)
	for {
		n, err := data.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if err != nil && err != io.EOF {
			return answer{}, refuse(codeCannotReadAllData, "The upload ended early and nothing of it was kept: %s", err)
		}
		if err == io.EOF || len(buffer) == cap(buffer) {
			if err := i.append(buffer); err != nil {
				return answer{}, err
			}
			buffer = buffer[:0]
		}
		if err == io.EOF {
			return i.commit()
		}
	}
}

// text returns the statement of a request, and the data that follows when the
// statement is in the address or too long to be read ahead.
func (q *request) text() (text string, data io.Reader, err error) {
	if st, err := splitInsert(q.statement); err == nil && st.insert {
		return q.statement, q.body, nil
	}
	head, err := io.ReadAll(io.LimitReader(q.body, statementMost))
	if err != nil {
		return "", nil, refuse(codeCannotReadAllData, "The request ended early: %s", err)
	}
	if len(head) < statementMost {
		return q.statement + string(head), bytes.NewReader(nil), nil
	}
	return q.statement + string(head), q.body, nil
}

// begin enters the request among the running ones. The context it returns
// ends when the client leaves or the process stops.
func (s *server) begin(ctx context.Context, q *request) (context.Context, func(), error) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		cancel()
		return nil, nil, refuse(codeTooManyQueries, "The engine is stopping")
	}
	s.running[q.tag] = cancel
	return ctx, func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.running, q.tag)
	}, nil
}

// stop refuses new requests and kills the running ones.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cancel := range s.running {
		cancel()
	}
	s.running = nil
}

// classify asks the library's own parser what a text holds.
func (c *connection) classify(text string) (count, class uint32) {
	var t texts
	defer t.release()
	textAt, textLen := t.add(text)
	databaseAt, databaseLen := t.add(Database)
	out := make([]byte, 16)
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	if call(c.lib.classify, c.handle, textAt, textLen, databaseAt, databaseLen, uintptr(unsafe.Pointer(&out[0]))) != 0 {
		return 0, classAccess
	}
	return binary.LittleEndian.Uint32(out[4:]), binary.LittleEndian.Uint32(out[12:])
}

// streams reports whether a result of the format may be sent piece by piece:
// the library writes each piece as a document of its own, so that only formats
// without a head and a foot stay right.
func streams(format string) bool {
	switch format {
	case "Native", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "CSV", "JSONEachRow", "JSONLines", "NDJSON", "RowBinary", "Null":
		return true
	}
	return false
}
