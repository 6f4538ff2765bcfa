package engine

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// reply writes the answer to one request, in the encodings it asked for.
type reply struct {
	w       http.ResponseWriter
	q       *request
	accept  string
	began   time.Time
	tag     string // marks a mid-stream exception as ours
	started bool
	plain   io.Writer // inside the content encoding, outside ClickHouse's blocks
	data    io.Writer
	finish  func() error
}

func newReply(w http.ResponseWriter, r *http.Request, q *request) *reply {
	return &reply{w: w, q: q, accept: r.Header.Get("Accept-Encoding"), began: time.Now(),
		tag: strings.ReplaceAll(newID(), "-", "")[:16]}
}

// head writes the headers, and with empty the whole of an empty answer.
func (a *reply) head(status int, format string, n amounts, empty bool) {
	h := a.w.Header()
	h.Set("X-ClickHouse-Query-Id", a.q.id)
	h.Set("X-ClickHouse-Server-Display-Name", displayName)
	h.Set("X-ClickHouse-Timezone", "UTC")
	h.Set("X-ClickHouse-Exception-Tag", a.tag)
	h.Set("X-ClickHouse-Summary", a.summary(n))
	if format != "" {
		h.Set("X-ClickHouse-Format", format)
	}
	h.Set("Content-Type", contentType(format))
	a.started = true
	if empty {
		h.Set("Content-Length", "0")
		a.w.WriteHeader(status)
		a.finish = func() error { return nil }
		return
	}
	var name string
	a.plain, a.finish, name = encoded(a.w, a.accept)
	if name != "" {
		h.Set("Content-Encoding", name)
	}
	a.data = a.plain
	if a.q.compress {
		a.data = newBlockWriter(a.plain, a.q.method)
	}
	a.w.WriteHeader(status)
}

func (a *reply) summary(n amounts) string {
	return fmt.Sprintf(`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d",`+
		`"total_rows_to_read":"0","result_rows":"%d","result_bytes":"%d","elapsed_ns":"%d"}`,
		n.readRows, n.readBytes, n.writtenRows, n.writtenBytes, n.resultRows, n.resultBytes, time.Since(a.began).Nanoseconds())
}

// whole answers with all of a result at once.
func (a *reply) whole(format string, result answer) error {
	a.head(http.StatusOK, format, result.amounts, len(result.data) == 0)
	if len(result.data) == 0 {
		return nil
	}
	if _, err := a.data.Write(result.data); err != nil {
		return err
	}
	return a.finish()
}

// stream answers piece by piece. The first piece is fetched before the
// headers go out, so that most errors still have a status of their own.
func (a *reply) stream(format string, s *stream) error {
	piece, err := s.next()
	if errors.Is(err, io.EOF) {
		return a.whole(format, piece)
	}
	if err != nil {
		return err
	}
	a.head(http.StatusOK, format, piece.amounts, false)
	for err == nil {
		if _, err := a.data.Write(piece.data); err != nil {
			return err
		}
		piece, err = s.next()
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	return a.finish()
}

// fail answers with an exception: with its status while nothing has gone out,
// inside the running answer otherwise.
func (a *reply) fail(err error) {
	e := asException(err)
	if a.started {
		a.failMidway(e)
		return
	}
	a.w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.code))
	a.head(e.status(), "", amounts{}, false)
	// A body in ClickHouse's blocks is what a client that asked for them reads.
	io.WriteString(a.data, e.text+"\n")
	a.finish()
}

// exceptionMost bounds the text of a mid-stream exception, as clients do.
const exceptionMost = 15 << 10

// failMidway writes the block by which a client tells an exception from data,
// and cuts the connection so that nobody takes the answer for whole.
func (a *reply) failMidway(e *exception) {
	text := e.text
	if len(text) > exceptionMost {
		text = text[:exceptionMost]
	}
	fmt.Fprintf(a.plain, "\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", a.tag, text, len(text)+1, a.tag)
	a.finish()
	http.NewResponseController(a.w).Flush()
	panic(http.ErrAbortHandler)
}

// displayName is what the engine calls itself.
const displayName = "assay embedded engine"

func contentType(format string) string {
	switch {
	case strings.HasPrefix(format, "JSONEachRow"), strings.HasPrefix(format, "NDJSON"), strings.HasPrefix(format, "JSONLines"):
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(format, "JSON"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(format, "CSV"):
		return "text/csv; charset=UTF-8"
	case strings.HasPrefix(format, "TabSeparated"), strings.HasPrefix(format, "TSV"):
		return "text/tab-separated-values; charset=UTF-8"
	case format == "Native", strings.HasPrefix(format, "RowBinary"), format == "Parquet", format == "Arrow":
		return "application/octet-stream"
	}
	return "text/plain; charset=UTF-8"
}
