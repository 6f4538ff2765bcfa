package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// store is the loaded library with one data folder open in it.
type store struct {
	lib    *library
	argv   texts
	args   []uintptr
	keeper *connection // never closed while the process lives: it holds the store open and kills queries
	mu     sync.Mutex  // the keeper runs one statement at a time
}

// openStore loads the data in the folder. The folder must be prepared.
func openStore(lib *library, at folder) (*store, error) {
	s := &store{lib: lib}
	for _, arg := range []string{"chdb", "--path=" + at.data(), "--config-file=" + at.config()} {
		address, _ := s.argv.add(arg + "\x00")
		s.args = append(s.args, address)
	}
	s.args = append(s.args, 0)
	keeper, err := s.connect()
	if err != nil {
		return nil, err
	}
	s.keeper = keeper
	return s, nil
}

// close ends the keeper and with it the store.
func (s *store) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeper.close()
	call(s.lib.shutdown)
}

// keep runs a statement of our own on the keeper.
func (s *store) keep(query string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keeper.run(query)
}

// kill stops the query that carries the tag, if it still runs.
func (s *store) kill(tag string) error {
	return s.keep("KILL QUERY WHERE Settings['log_comment'] = " + quoted(tag) + " ASYNC")
}

// connection is one conversation with the store: its settings, role, current
// database and temporary tables are its own. It runs one statement at a time.
type connection struct {
	lib    *library
	holder uintptr // what connect returned and close wants
	handle uintptr // what every statement wants
}

func (s *store) connect() (*connection, error) {
	holder := call(s.lib.connect, uintptr(len(s.args)-1), uintptr(unsafe.Pointer(&s.args[0])))
	if holder == 0 {
		return nil, errors.New("the ClickHouse library did not open its data folder")
	}
	handle := *(*uintptr)(pointer(holder))
	if handle == 0 {
		return nil, errors.New("the ClickHouse library gave no connection")
	}
	return &connection{lib: s.lib, holder: holder, handle: handle}, nil
}

func (c *connection) close() { call(c.lib.closeConn, c.holder) }

// run executes a statement of our own that answers nothing.
func (c *connection) run(query string) error {
	_, err := c.query(query, "Null", nil)
	return err
}

// amounts is what a statement read and wrote.
type amounts struct {
	readRows, readBytes, writtenRows, writtenBytes, resultRows, resultBytes uint64
}

// answer is a whole result, or one piece of a streamed one.
type answer struct {
	data    []byte
	amounts amounts
}

// query runs a statement to its end and returns all of its result.
func (c *connection) query(query, format string, parameters []parameter) (answer, error) {
	return c.take(send(c.lib.query, c.handle, query, format, parameters))
}

// take copies a result out of the library and frees it.
func (c *connection) take(result uintptr) (answer, error) {
	if result == 0 {
		return answer{}, nil
	}
	defer call(c.lib.resultDestroy, result)
	if text := textAt(call(c.lib.resultError, result)); text != "" {
		return answer{}, exceptionFrom(text)
	}
	number := func(fn uintptr) uint64 { return uint64(call(fn, result)) }
	length := number(c.lib.resultLength)
	return answer{
		data: bytesAt(call(c.lib.resultBuffer, result), length),
		amounts: amounts{
			readRows: number(c.lib.resultStorageRowsRead), readBytes: number(c.lib.resultStorageBytesRead),
			writtenRows: number(c.lib.resultRowsWritten), writtenBytes: number(c.lib.resultBytesWritten),
			resultRows: number(c.lib.resultRowsRead), resultBytes: length,
		},
	}, nil
}

// stream is a result that arrives in pieces.
type stream struct {
	c      *connection
	handle uintptr
	ended  bool
}

func (c *connection) stream(query, format string, parameters []parameter) (*stream, error) {
	handle := send(c.lib.streamQuery, c.handle, query, format, parameters)
	if handle == 0 {
		return nil, exceptionFrom("")
	}
	if text := textAt(call(c.lib.resultError, handle)); text != "" {
		call(c.lib.resultDestroy, handle)
		return nil, exceptionFrom(text)
	}
	return &stream{c: c, handle: handle}, nil
}

// next returns the next piece, or io.EOF after the last one.
func (s *stream) next() (answer, error) {
	if s.ended {
		return answer{}, io.EOF
	}
	piece, err := s.c.take(call(s.c.lib.streamFetch, s.c.handle, s.handle))
	if err != nil {
		s.ended = true
		return answer{}, err
	}
	if len(piece.data) == 0 {
		s.ended = true
		return piece, io.EOF
	}
	return piece, nil
}

// close cancels what is left of the stream.
func (s *stream) close() {
	if !s.ended {
		call(s.c.lib.streamCancel, s.c.handle, s.handle)
	}
	call(s.c.lib.resultDestroy, s.handle)
}

// insert is a statement that takes data in pieces. Nothing it was given is
// kept unless commit succeeds.
type insert struct {
	c      *connection
	handle uintptr
	done   bool
}

func (c *connection) insert(query, format string, parameters []parameter) (*insert, error) {
	i := &insert{c: c, handle: send(c.lib.insertOpen, c.handle, query, format, parameters)}
	if i.handle == 0 {
		return nil, exceptionFrom("")
	}
	if err := i.err(); err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

func (i *insert) err() error {
	if text := textAt(call(i.c.lib.insertError, i.handle)); text != "" {
		return exceptionFrom(text)
	}
	return nil
}

// append hands over one piece of data.
func (i *insert) append(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if call(i.c.lib.insertAppend, i.handle, uintptr(unsafe.Pointer(&data[0])), uintptr(len(data))) != 0 {
		return firstOf(i.err(), exceptionFrom(""))
	}
	return nil
}

// commit ends the data and waits until it is stored.
func (i *insert) commit() (answer, error) {
	i.done = true
	result, err := i.c.take(call(i.c.lib.insertDone, i.handle))
	if err != nil {
		// The stream knows the cause; the result may only say that it ended.
		return answer{}, firstOf(i.err(), err)
	}
	return result, i.err()
}

// close frees the insert and, when commit was not reached, drops its data.
func (i *insert) close() {
	if !i.done {
		call(i.c.lib.insertCancel, i.handle)
	}
	call(i.c.lib.insertDestroy, i.handle)
}

// firstOf returns cause where there is one, else the error that followed.
func firstOf(cause, err error) error {
	if cause != nil {
		return cause
	}
	return err
}

// watch kills the query with the tag when ctx ends before stop is called.
// stop returns when the watch is over, so that a connection is never killed
// for the request before it.
func (s *store) watch(ctx context.Context, tag string) (stop func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-ctx.Done():
			// A statement that has not begun yet cannot be killed: try again.
			for wait := killFirst; ; wait = min(wait*2, killMost) {
				s.kill(tag)
				select {
				case <-over:
					return
				case <-time.After(wait):
				}
			}
		case <-over:
		}
	}()
	return func() { close(over); <-ended }
}

// quoted writes a string literal.
func quoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// quotedName writes an identifier.
func quotedName(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}

// prepare gives a fresh connection the role, database, tag and settings of a
// request. A setting the engine refuses is the request's error.
func (c *connection) prepare(role, database, tag string, settings []setting) error {
	if err := c.run("SET ROLE " + role); err != nil {
		return err
	}
	if database != "" {
		if err := c.run("USE " + quotedName(database)); err != nil {
			return err
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "SET log_comment = %s", quoted(tag))
	for _, s := range settings {
		fmt.Fprintf(&b, ", %s = %s", s.name, quoted(s.value))
	}
	return c.run(b.String())
}
